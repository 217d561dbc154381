"""A verification to take away: the certificates of its path, the lists and answers asked, the moment and the trust.

Whoever has a bundle can judge again, with this product or with OpenSSL alone (check_script), without what was published.
Its own word on trust is not believed: a verifier brings its anchor and its policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import NoReturn

from bridge.manifest import Marking
from bridge.relying.finding.carried import Carried
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Material, Reading
from bridge.relying.rejection import BudgetSpent, PathRejected, Reason
from bridge.relying.telling.explaining import Candidate, Explanation
from bridge.relying.trust import PolicyDemand, Trust
from bridge.relying.verify import VerifiedPath
from ca.errors import BadInput
from ca.model import GenerationId
from ca.wire.facts import CertificateFacts, NameFacts, read_certificate, read_name

_OF_REVOCATION = frozenset({Reason.REVOKED, Reason.CANNOT_TELL})


class Obstacle(StrEnum):
    """What kept a verification from a verdict, so that judging again ends there too."""

    UNREADABLE = "unreadable"
    SPENT = "spent"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """An obstacle, where it was met, and what it was."""

    obstacle: Obstacle
    place: str
    problem: str


@dataclass(frozen=True, slots=True)
class NamedAuthority:
    """What the source called an authority's key: its encoded name, its key identifier and its generation."""

    name: bytes = field(repr=False)
    key_identifier: bytes
    generation: GenerationId


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verification with all that it rests on; octets are DER.

    Attributes:
        at: The moment asked about, UTC.
        anchors: The path's; without a path all of the trust's.
        policies, marking, demand: The trust's.
        path: Certificates below the anchor; the last is the one to verify.
        signers: Further certificates, of keys that signed lists.
        lists: Complete lists, in the order of the path.
        deltas: Delta lists.
        answers: OCSP responses, each with the step that it was asked about.
        asked: Steps whose revocation was asked of lists.
        anchors_list: Whether the lists tell of the anchor's own certificate too, as OpenSSL wants it.
        world: What the source says of its world.
        reason: Why it is not valid; None if it is.
    """

    at: datetime
    anchors: tuple[bytes, ...] = field(repr=False)
    policies: frozenset[str]
    marking: Marking
    demand: PolicyDemand
    path: tuple[bytes, ...] = field(repr=False)
    signers: tuple[bytes, ...] = field(repr=False)
    lists: tuple[bytes, ...] = field(repr=False)
    deltas: tuple[bytes, ...] = field(repr=False)
    answers: tuple[tuple[int, bytes], ...] = field(repr=False)
    asked: tuple[int, ...]
    anchors_list: bool
    names: tuple[NamedAuthority, ...]
    world: Marking | None
    reason: Reason | None
    hindrance: Hindrance | None


def bundle(leaf: bytes, explanation: Explanation, material: Material, trust: Trust) -> Bundle:
    """The deciding candidate of a verification with what it rests on; without one, the certificate alone.

    Args:
        leaf: The certificate that was verified, DER.
        explanation: How that went.
        material: Where it looked: asked for the list of the anchor's own certificate and for authorities' names.
        trust: What it believed.
    """
    outcome, deciding = explanation.outcome, explanation.deciding
    certificates = deciding.path.certificates if deciding else ()
    found = _Gathered()
    if deciding is not None:
        found.gather(deciding)
    anchors_list = None
    if certificates and found.asked:
        anchors_list = _anchors_list(certificates[0], material, explanation.at)
        found.lists.update({anchors_list: None} if anchors_list else {})
    anchors = tuple(one.der for one in certificates[:1]) or trust.anchors
    path = tuple(one.der for one in certificates[1:]) or (leaf,)
    signers = tuple(one for one in found.signers if one not in (*anchors, *path))
    return Bundle(
        at=explanation.at,
        anchors=anchors,
        policies=trust.policies,
        marking=trust.marking,
        demand=trust.demand,
        path=path,
        signers=signers,
        lists=tuple(found.lists),
        deltas=tuple(found.deltas),
        answers=tuple(found.answers),
        asked=tuple(sorted(found.asked)),
        anchors_list=anchors_list is not None,
        names=tuple(_names((*anchors, *path, *signers), material)),
        world=material.marking,
        reason=outcome.reason if isinstance(outcome, PathRejected) else None,
        hindrance=_hindrance(explanation),
    )


class Bundled(Carried):
    """A bundle as a verifier's material: what it holds, and where the verification that made it could not go on."""

    def __init__(self, content: Bundle, place: str) -> None:
        """Offer a bundle, called ``place`` in messages."""
        super().__init__(
            certificates=(*content.path[:-1], *content.signers),
            lists=(*content.lists, *content.deltas),
            answers=[der for _, der in content.answers],
            marking=content.world,
            place=place,
        )
        self._names = {
            (read_name(one.name, f"{place}: an authority's name"), one.key_identifier): one.generation
            for one in content.names
        }
        self._hindrance = content.hindrance

    def issuers(self, certificate: CertificateFacts) -> list[Reading[CertificateFacts]]:
        """Certificates of the issuer's name; last what hindered the verification that made the bundle."""
        found = super().issuers(certificate)
        return [*found, partial(_hinder, self._hindrance)] if self._hindrance else found

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        """What the source called it that the bundle was made from."""
        return self._names.get((authority.subject, authority.subject_key or b""))


def _hinder(hindrance: Hindrance) -> NoReturn:
    if hindrance.obstacle is Obstacle.SPENT:
        raise BudgetSpent(hindrance.place, hindrance.problem, limit="steps")
    raise BadInput(hindrance.place, hindrance.problem)


def _hindrance(explanation: Explanation) -> Hindrance | None:
    outcome, spent = explanation.outcome, explanation.spent
    if isinstance(outcome, VerifiedPath):
        return None
    if spent is not None:
        return Hindrance(Obstacle.SPENT, spent.place, spent.problem)
    if outcome.reason is Reason.UNREADABLE:
        return Hindrance(Obstacle.UNREADABLE, outcome.place, outcome.problem)
    return None


@dataclass(slots=True)
class _Gathered:
    """What a candidate rests on, each once, in the order of the path."""

    lists: dict[bytes, None] = field(default_factory=dict)
    deltas: dict[bytes, None] = field(default_factory=dict)
    answers: dict[tuple[int, bytes], None] = field(default_factory=dict)
    signers: dict[bytes, None] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)

    def gather(self, candidate: Candidate) -> None:
        """The evidence of a valid path; of another one, all that was read until it ended."""
        if isinstance(candidate.outcome, VerifiedPath):
            self._evidence(candidate.outcome)
        elif candidate.outcome.reason in _OF_REVOCATION:
            self._read(candidate, candidate.outcome.step)

    def _evidence(self, path: VerifiedPath) -> None:
        for used in path.lists:
            self.lists[used.der] = None
            self.deltas.update({used.delta.der: None} if used.delta else {})
            self.signers.update(dict.fromkeys(used.signer))
            self.asked.add(used.step)
        for answer in path.answers:
            self.answers[answer.step, answer.der] = None
            self.asked.discard(answer.step)  # its lists are the responder's

    def _read(self, candidate: Candidate, last: int) -> None:
        for step, found in enumerate(candidate.found[:last], 1):
            self.lists.update(dict.fromkeys(one.facts.der for one in found.lists))
            self.deltas.update(dict.fromkeys(one.facts.der for one in found.deltas))
            self.signers.update(dict.fromkeys(one.der for one in found.signers))
            self.answers.update({(step, answer): None for answer in found.answers})
            if step == last or found.lists:
                self.asked.add(step)


def _anchors_list(anchor: CertificateFacts, material: Material, at: datetime) -> bytes | None:
    """The list that tells of the anchor's own certificate, if that is self-signed and one can be had.

    The verdict does not rest on it. OpenSSL asks about every certificate of the chain or about the last one alone.
    """
    if anchor.subject != anchor.issuer:
        return None
    try:
        for read in material.lists(anchor, anchor, at):
            found = read()
            if _tells_of(found, anchor, at):
                return found.facts.der
    except (BadInput, BudgetSpent):
        pass
    return None


def _tells_of(found: IndexedList, anchor: CertificateFacts, at: datetime) -> bool:
    until = found.facts.next_update
    current = until is not None and found.facts.this_update <= at <= until
    return current and found.facts.issuer == anchor.subject and found.revocation(anchor.serial) is None


def _names(certificates: Iterable[bytes], material: Material) -> Iterator[NamedAuthority]:
    seen: set[tuple[NameFacts, bytes]] = set()
    for der in certificates:
        facts = read_certificate(der, "a certificate")
        generation = material.generation_of(facts)
        if generation is None or facts.subject_key is None or (facts.subject, facts.subject_key) in seen:
            continue
        seen.add((facts.subject, facts.subject_key))
        yield NamedAuthority(facts.subject.der, facts.subject_key, generation)
