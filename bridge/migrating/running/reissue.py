"""Bulk re-issue: whom a wave calls in, how far it is, and the hand-over of what a card factory's batch was issued.

The certificates themselves are an ordinary batch's (``ca.issuing.batch``): the new key signs them, the old ones stay
valid beside them. An old certificate ends, as superseded, when the one that follows it is handed over, never before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice

from bridge.crossing.plan import Plan as Nation
from bridge.migrating.plan import Plan, Wave
from bridge.migrating.population import working_days
from ca.errors import BadInput, Conflict, NotFound, NotPermitted
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import (
    HOLDER_KINDS,
    AuthorityId,
    CertificateId,
    CertificateKind,
    GenerationId,
    MunicipalityCode,
    RevocationReason,
    Role,
    Scope,
    partition_scope,
)
from ca.rules.revocation import CHANGES
from ca.store import certificates, holdings, lives, officers
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Reading
from ca.store.key_needs import NOT_FOR_GOOD
from ca.store.lives import Life
from ca.store.recording import Recording
from ca.store.search import holder_certificates
from ca.store.stores import Stores

_AT_ONCE = 2_000  # certificates whose ends are asked for together


@dataclass(frozen=True, slots=True)
class Held:
    """A holder's certificate in force. The holder is told by the keyed code alone."""

    certificate: CertificateId
    kind: CertificateKind
    scope: Scope
    holder: bytes = field(repr=False)
    ends: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a wave is, in holders.

    Attributes:
        left: They hold a certificate by the old key.
        reissued: They have been issued one by the new key.
        waiting: Both: the new one is to be handed over, and then the old one ends.
    """

    left: int
    reissued: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Called:
    """A holder who is to be called in: the certificates by the old key, and the last second of the first that ends."""

    municipality: MunicipalityCode
    certificates: Mapping[CertificateKind, CertificateId]
    ends: datetime


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A certificate that was handed over, and what ended by it; nothing if that had ended before."""

    certificate: CertificateId
    ended: tuple[CertificateId, ...]


def held(
    reading: Reading, keys: Collection[GenerationId], scopes: Collection[Scope], at: datetime
) -> Iterator[Held]:
    """The residents' certificates of these keys in these partitions that neither expired nor ended."""
    found = (
        Held(one.certificate, one.kind, one.scope, one.holder, one.period.not_after)
        for one in holdings.of_residents(reading.nation, keys, scopes, at)
        if one.holder is not None
    )
    while some := list(islice(found, _AT_ONCE)):
        reasons = {
            life.certificate: life.reason for life in lives.of(reading, [one.certificate for one in some])
        }
        yield from (one for one in some if reasons.get(one.certificate) in NOT_FOR_GOOD)


def scopes_of(nation: Nation, wave: Wave) -> dict[Scope, MunicipalityCode]:
    """The partitions in which the certificates of a wave's holders lie.

    Raises:
        NotFound: The authority or a municipality is not one of the home's.
    """
    practice = nation.practices.get(AuthorityId(wave.authority))
    if practice is None:
        raise NotFound(f"authority {wave.authority}", "is not one of this home's")
    towns = [nation.municipalities.window(MunicipalityCode(code)) for code in wave.municipalities]
    return {
        holder.place(town, nation.municipalities).scope: town.code
        for town in towns
        for holder in practice.holders.values()
    }


def progress(
    reading: Reading,
    nation: Nation,
    waves: Sequence[Wave],
    pairs: Mapping[AuthorityId, tuple[GenerationId, GenerationId]],
    at: datetime,
) -> list[Progress]:
    """How far each wave is from the old to the new one of its authority's two keys; all are counted in one pass."""
    numbers = {scope: number for number, wave in enumerate(waves) for scope in scopes_of(nation, wave)}
    old: list[set[bytes]] = [set() for _ in waves]
    new: list[set[bytes]] = [set() for _ in waves]
    olds = {pair[0] for pair in pairs.values()}
    for one in held(reading, {key for pair in pairs.values() for key in pair}, numbers, at):
        side = old if one.certificate.generation in olds else new
        side[numbers[one.scope]].add(one.holder)
    return [Progress(len(one), len(other), len(one & other)) for one, other in zip(old, new, strict=True)]


def call_in(
    reading: Reading,
    nation: Nation,
    plan: Plan,
    wave: Wave,
    keys: tuple[GenerationId, GenerationId],
    day: date,
    at: datetime,
) -> list[Called]:
    """Whom the windows can still serve from a day to the end of the wave: whose certificate ends first, first.

    Who has a certificate by the new key, handed over or not, is called in no more.

    Raises:
        BadInput: The wave does not call anybody in on that day.
    """
    place = f"plan, waves[{plan.waves.index(wave)}] {wave.authority}"
    if wave.begins is None or wave.ends is None:
        raise BadInput(place, "calls nobody in: its certificates run out")
    if not wave.begins <= day <= wave.ends:
        raise BadInput(place, f"calls in from {wave.begins} to {wave.ends}, not on {day}")
    scopes = scopes_of(nation, wave)
    served = {(one.holder, one.kind) for one in held(reading, keys[1:], scopes, at)}
    by_holder: dict[bytes, list[Held]] = {}
    for one in held(reading, keys[:1], scopes, at):
        if (one.holder, one.kind) not in served:
            by_holder.setdefault(one.holder, []).append(one)
    found = [
        Called(
            scopes[some[0].scope],
            {one.kind: one.certificate for one in sorted(some, key=lambda one: one.ends)},
            min(one.ends for one in some),
        )
        for some in by_holder.values()
    ]
    found.sort(key=lambda one: (one.ends, min(one.certificates.values())))
    return found[: wave.daily * working_days(day, wave.ends)]


def hand_over(
    stores: Stores,
    handed: Sequence[CertificateId],
    officer_id: str,
    plan: str,
    pairs: Mapping[AuthorityId, tuple[GenerationId, GenerationId]],
    *,
    at: datetime,
) -> list[HandedOver]:
    """Certificates of a batch were given to their holders at a window: what each follows ends as superseded.

    That is what the holder has of the same kind by the old key; what else the holder has is no matter of the migration.

    What was handed over before is told again, and ends nothing more.

    Args:
        stores: The home's.
        handed: By the new key, each of one holder.
        officer_id: Who receives applications at the holders' window.
        plan: What the migration is called, with its file's digest, for those who ask why a certificate has ended.
        pairs: The old and the new key of each of the plan's authorities.
        at: When.

    Raises:
        NotFound: There is no such certificate or officer.
        NotPermitted: The officer is not one of the holder's own window.
        Conflict: A certificate is not by the plan's new key, is not issued, is on hold, has ended itself, or is a
            case's, which hands it over.
    """
    done: list[HandedOver] = []
    with stores.recording() as recording:
        for certificate in handed:
            old = _followed(certificate, pairs)
            record = _handed(recording, certificate, officer_id)
            ending = [life for life in _before(recording, record, at) if life.certificate.generation == old]
            rule = f"renewed in migration {plan}: officer {officer_id} handed over what follows it"
            orders = tuple(_order(life, at) for life in ending)
            if orders:
                recording.note(RevocationEntry(f"hand-over {certificate}"[:80], rule, at, orders))
            done.append(HandedOver(certificate, tuple(life.certificate for life in ending)))
    return done


def _followed(
    certificate: CertificateId, pairs: Mapping[AuthorityId, tuple[GenerationId, GenerationId]]
) -> GenerationId:
    """The old key of the plan whose new one has issued this; Conflict if none has."""
    place, pair = f"certificate {certificate}", pairs.get(certificate.generation.authority)
    if pair is None:
        raise Conflict(place, f"the plan says nothing of {certificate.generation.authority}")
    if certificate.generation != pair[1]:
        raise Conflict(place, f"is not by {pair[1]}, the key to which the plan leads its holders")
    return pair[0]


def _handed(recording: Recording, certificate: CertificateId, officer_id: str) -> CertificateRecord:
    """The certificate that is handed over, if this officer may and it stands."""
    place = f"certificate {certificate}"
    officer, office = officers.officer(recording.nation, officer_id)
    record = certificates.find(recording.of(certificate.generation.authority), certificate)
    if record.kind not in HOLDER_KINDS:
        raise BadInput(place, f"is a {record.kind} certificate, and no holder's")
    if record.application is not None:
        remedy = f"`kakehashi case hand-over {record.application}`"
        raise Conflict(place, f"is of case {record.application}, which hands it over", remedy=remedy)
    if Role.RECEPTION not in officer.roles or record.scope != partition_scope(record.kind, office.id):
        raise NotPermitted(f"officer {officer.id}", f"receives nobody at the window of {certificate}")
    officers.require_at_work(recording.nation, office.id)
    (life,) = lives.of(recording, [certificate])
    if record.state is not CertificateState.ISSUED:
        raise Conflict(place, f"is {record.state.value}, and not issued")
    if life.reason is RevocationReason.CERTIFICATE_HOLD:
        raise Conflict(
            place,
            "is on hold; what it follows stays valid until that is lifted",
            remedy="Where the edition says so, a `found` event of its holder lifts the hold; else issue another one",
        )
    if life.reason is not None and life.reason not in NOT_FOR_GOOD:
        raise Conflict(place, f"has ended: {life.reason.word}")
    return record


def _before(recording: Recording, record: CertificateRecord, at: datetime) -> list[Life]:
    """What its holder was issued before, of the same kind, and has not ended."""
    holding = holdings.with_keys(recording.nation, [record.subject_key]).get(record.subject_key)
    if holding is None or holding.holder is None:
        raise Conflict(f"certificate {record.id}", "is held by nobody of the register")
    older: Iterable[CertificateId] = [
        one.certificate
        for one in holder_certificates(recording, holding.holder)
        if one.kind is record.kind and one.certificate != record.id
    ]
    return [
        life
        for life in lives.of(recording, list(older))
        if life.intended_at <= record.intended_at
        and RevocationReason.SUPERSEDED in CHANGES[life.reason]
        and life.not_after >= at
    ]


def _order(life: Life, at: datetime) -> OrderEntry:
    moment = at.replace(microsecond=0)
    return OrderEntry(
        str(life.certificate), RevocationReason.SUPERSEDED.word, moment, life.scope, None, life.not_after
    )
