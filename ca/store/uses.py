"""Who uses what is signed: holders, CAs that are certified, agreements that lean on a key, verifiers who ask.

What is told is what stands next to a key. Whom a key's end would cut off further on, behind bridges, ``cross impact`` tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ca.model import HOLDER_KINDS, CertificateKind, GenerationId
from ca.profiles.practice import Access
from ca.rules.validity import JST
from ca.store import agreements, inventory, peers, responders, verifiers
from ca.store.certificates import CertificateState
from ca.store.connections import Reading
from ca.store.inventory import IN_USE, Group, Practices
from ca.store.verifiers import VerifierId
from ca.suites import SUITES, SuiteId
from ca.wire import key_names
from ca.wire.facts import read_certificate

ASKED_WITHIN = timedelta(days=365)
"""How far back questions of verifiers are counted."""


@dataclass(frozen=True, slots=True)
class Received:
    """A certificate that another CA has signed: for a generation of ours, or for itself.

    Attributes:
        signed: The suite, or what signed it in words where no suite of ours is like it.
        key: Which key it is for.
        ended: It is half of a pair no more, whatever its own time.
    """

    issuer: GenerationId
    subject: GenerationId
    signed: str
    key: str
    not_after: datetime
    ended: bool


@dataclass(frozen=True, slots=True)
class Asker:
    """A signature verifier who may ask every responder of the nation now.

    Attributes:
        key: Which key its own certificate is for.
        asked: How often it asked within ASKED_WITHIN. Of which responder is counted nowhere.
    """

    verifier: VerifierId
    purpose: str
    key: str
    valid_until: datetime
    asked: int


@dataclass(frozen=True, slots=True)
class Users:
    """Who stands next to a generation.

    Attributes:
        holders: How many certificates holders have in use, by kind.
        certifies: The CAs that its cross-certificates in force are for.
        agreements: In force, and leaning on this key: a pair was accepted for it, or it signs now for its authority.
        status: Who may ask its responder; None if it has none.
        verifiers: Those on the register who may ask it now. Where status is open, others may too, and nobody knows who.
    """

    generation: GenerationId
    suite: SuiteId
    holders: Mapping[CertificateKind, int]
    certifies: tuple[GenerationId, ...]
    agreements: tuple[str, ...]
    status: Access | None
    verifiers: tuple[VerifierId, ...]


def users(reading: Reading, practices: Practices, counted: Sequence[Group], at: datetime) -> list[Users]:
    """Who uses each generation; ``counted`` are the certificates of which holders' are told."""
    suites = {
        generation: suite
        for connection in reading.each()
        for generation, suite in inventory.suites_of(connection).items()
    }
    holders = {generation: Counter[CertificateKind]() for generation in suites}
    for group in counted:
        if group.stand in IN_USE and group.kind in HOLDER_KINDS:
            holders[group.generation][group.kind] += group.count
    answered = _answered(reading, suites, at)
    certified = {
        (one.certificate.generation, one.subject)
        for one in inventory.crosses(reading, at)
        if one.stand in IN_USE and one.certificate.generation.authority != one.subject.authority
    }
    leaning = _leaning(reading, at)
    asking = tuple(one.verifier for one in askers(reading, at))
    found = []
    for generation, suite in sorted(suites.items()):
        practice = practices.get(generation.authority)
        access = None if practice is None else practice.access or practice.status.access
        status = access if generation in answered else None
        found.append(
            Users(
                generation=generation,
                suite=suite,
                holders=dict(sorted(holders[generation].items())),
                certifies=tuple(sorted(subject for issuer, subject in certified if issuer == generation)),
                agreements=tuple(sorted(leaning.get(generation, ()))),
                status=status,
                verifiers=() if status is None else asking,
            )
        )
    return found


def askers(reading: Reading, at: datetime) -> list[Asker]:
    """Who is on the register of verifiers and may ask now, by id."""
    since = (at - ASKED_WITHIN).astimezone(JST).date()
    asked: Counter[VerifierId] = Counter()
    for name, _, _, count in verifiers.totals(reading.nation, since=since):
        asked[name] += count
    return [
        Asker(one.id, one.purpose, key_names.certified(one.certificate), one.valid_until, asked[one.id])
        for one in verifiers.everybody(reading.nation)
        if one.ended_at is None and one.valid_from <= at < one.valid_until + timedelta(seconds=1)
    ]


def received(reading: Reading) -> list[Received]:
    """What other CAs have signed and this home keeps, the soonest to end first."""
    known = peers.all_generations(reading.nation)
    keys = {one.generation: key_names.name_of(one.public_key) for one in known}
    own = [
        _received(one.generation, one.generation, one.self_signed, keys, ended=False)
        for one in known
        if one.self_signed is not None
    ]
    pairs = [
        _received(one.issuer, one.subject, one.encoded, keys, ended=one.ended_at is not None)
        for one in peers.all_received(reading.nation)
    ]
    return sorted(own + pairs, key=lambda one: (one.not_after, one.issuer, one.subject))


def signed_with(algorithm: str, key: str) -> str:
    """What is said of a signature by this algorithm (a dotted object identifier) with such a key: our suite if one is so."""
    alike = [suite for suite in SUITES.values() if suite.algorithm == algorithm]
    for suite in alike:
        # One algorithm goes with RSA keys of any length, and several suites may have it; other keys it names itself.
        if key.endswith(f"-{suite.key_size}") or (len(alike) == 1 and not key.startswith(("RSA-", "P-"))):
            return suite.id
    return f"{algorithm} with {key}"


def _received(
    issuer: GenerationId,
    subject: GenerationId,
    encoded: bytes,
    keys: Mapping[GenerationId, str],
    *,
    ended: bool,
) -> Received:
    facts = read_certificate(encoded, f"certificate of {issuer} for {subject}")
    signed = signed_with(facts.signed.algorithm, keys.get(issuer, "a key that is not known"))
    return Received(issuer, subject, signed, key_names.name_of(facts.public_key), facts.not_after, ended)


def _answered(reading: Reading, suites: Iterable[GenerationId], at: datetime) -> set[GenerationId]:
    """The generations for which a responder answers now."""
    standing = [
        one
        for connection in reading.each()
        for one in responders.newest(connection)
        if one.state is CertificateState.ISSUED
        and not one.ended
        and one.period.not_after >= at.replace(microsecond=0)
    ]
    if any(one.kind is CertificateKind.NATIONAL_RESPONDER for one in standing):
        return set(suites)  # it answers for all of them
    return {one.generation for one in standing}


def _leaning(reading: Reading, at: datetime) -> dict[GenerationId, set[str]]:
    """The agreements in force by the generations that they lean on."""
    issuing = inventory.issuing(reading)
    accepted = [
        (one.agreement, one.ours)
        for one in agreements.all_examinations(reading.nation)
        if one.accepted_at is not None
    ]
    found: dict[GenerationId, set[str]] = {}
    now = at.replace(microsecond=0)
    for agreement in agreements.everything(reading.nation):
        if agreement.ended_at is not None or not agreement.begins <= now <= agreement.ends:
            continue
        ours: Iterable[GenerationId] = [one for name, one in accepted if name == agreement.id]
        for generation in {*ours, issuing[agreement.ours]} if agreement.ours in issuing else {*ours}:
            found.setdefault(generation, set()).add(f"{agreement.id} with {agreement.peer}")
    return found
