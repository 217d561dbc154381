"""A verification explained: every candidate path, what each step is and asked, and the rule that ended it.

The verdict is ``verify``'s. What is shown of a certificate is its id, role, validity and suite: never a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bridge.relying.finding.material import Material
from bridge.relying.path import CandidatePath
from bridge.relying.rejection import BudgetSpent, PathRejected, Reason
from bridge.relying.telling.noting import Found, Noting
from bridge.relying.telling.policy_graph import PolicyGraph, policy_graph
from bridge.relying.telling.words import Role, Verdict, Word, verdict_of
from bridge.relying.trust import Trust
from bridge.relying.verify import Judged, VerifiedPath, judged, no_path, refusal
from ca.errors import BadInput, KeyRefused, SuiteRetired
from ca.keys.kinds import suite_of
from ca.profiles.services import OCSP_SIGNING
from ca.wire.facts import CertificateFacts, read_certificate

MOST_SHOWN = 64
"""Candidates. A mesh of three levels with two generations each has some 50; more are no picture any more."""

_OF_REVOCATION = frozenset({Reason.CANNOT_TELL, Reason.REVOKED})


@dataclass(frozen=True, slots=True)
class Asked:
    """A list, delta list or OCSP answer that was asked about a step, or could not be had.

    Attributes:
        kind: LIST, DELTA or ANSWER.
        number: The list's; None of an answer.
        this_update: None if it could not be read.
        problem: Why it was not used, in English; None if it was, or if nothing is known against it.
    """

    kind: Word
    place: str
    number: int | None = None
    this_update: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One certificate of a candidate.

    Attributes:
        step: 0 is the anchor.
        id: ``authority.generation:serial``, the issuer's as far as it has a name here.
        subject: Which generation of an authority it certifies; None of a holder's, or if it has no name here.
        suite: The suite's name; the algorithm's object identifier if it is no suite.
    """

    step: int
    id: str
    subject: str | None
    role: Role
    not_before: datetime
    not_after: datetime
    suite: str
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate path.

    Attributes:
        number: In the order of judging, from 1.
        path: The certificates.
        outcome: The proof, or what ended it.
        graph: The path's policies; None if they cannot be drawn.
        no_graph: Why not.
        found: What was read about each step but the anchor, from the anchor down.
    """

    number: int
    path: CandidatePath = field(repr=False)
    outcome: VerifiedPath | PathRejected
    steps: tuple[Step, ...]
    graph: PolicyGraph | None
    no_graph: str | None
    found: tuple[Found, ...] = field(repr=False)

    @property
    def verdict(self) -> Verdict:
        """This candidate's."""
        return verdict_of(None if self.rejected is None else self.rejected.reason)

    @property
    def rejected(self) -> PathRejected | None:
        """What ended it; None if it is valid."""
        return self.outcome if isinstance(self.outcome, PathRejected) else None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verification and how it went.

    Attributes:
        leaf: The id of the certificate to verify, as far as its issuer has a name here.
        at: The moment asked about, UTC.
        accepted: The trust's policies.
        candidates: Those shown, in the order of judging.
        hidden: How many more were judged.
        deciding: The candidate that makes the verdict; None if there is none.
        outcome: What ``verify`` returns, or raises.
        spent: The limit that ended the search; None if every candidate was judged.
    """

    leaf: str
    at: datetime
    accepted: frozenset[str]
    candidates: tuple[Candidate, ...]
    hidden: int
    deciding: Candidate | None
    outcome: VerifiedPath | PathRejected
    spent: BudgetSpent | None

    @property
    def verdict(self) -> Verdict:
        """The verification's."""
        return verdict_of(self.outcome.reason if isinstance(self.outcome, PathRejected) else None)


def explain(
    leaf: bytes, material: Material, trust: Trust, at: datetime, most: int = MOST_SHOWN
) -> Explanation:
    """Judge every candidate path that the trust's limits allow, and say how each went.

    Args:
        leaf: The certificate, DER.
        material: Where certificates, lists and answers are had from.
        trust: Anchors, acceptable policies, and whether this is a test.
        at: The moment asked about, aware.
        most: How many candidates are shown; the deciding one is always among them.

    Raises:
        BadInput: The certificate or an anchor cannot be read.
    """
    noting = Noting(material)
    unreadable: list[BadInput] = []
    judgements: list[Judged] = []
    spent = None
    try:
        judgements.extend(judged(leaf, noting, trust, at, unreadable))
    except BudgetSpent as error:
        spent = error
    outcome, deciding = _outcome(judgements, unreadable, spent)
    numbers = list(range(len(judgements)))[:most]
    if deciding is not None and deciding not in numbers:
        numbers[-1:] = [deciding]
    shown = {number: _candidate(number + 1, judgements[number], noting, trust) for number in numbers}
    holder = read_certificate(leaf, "the certificate to verify")
    issuer = judgements[0].path.certificates[-2] if judgements else None
    return Explanation(
        certificate_id(material, issuer, holder),
        at.astimezone(UTC).replace(microsecond=0),
        trust.policies,
        tuple(shown.values()),
        len(judgements) - len(shown),
        None if deciding is None else shown[deciding],
        outcome,
        spent,
    )


def certificate_id(material: Material, issuer: CertificateFacts | None, certificate: CertificateFacts) -> str:
    """``authority.generation:serial``; the head of the issuer's key identifier where it has no name here."""
    generation = None if issuer is None else material.generation_of(issuer)
    key = b"" if issuer is None else issuer.subject_key or b""
    named = str(generation) if generation else f"key-{key[:4].hex()}" if key else "unnamed"
    return f"{named}:{certificate.serial:040x}"


def _outcome(
    judgements: Sequence[Judged], unreadable: Sequence[BadInput], spent: BudgetSpent | None
) -> tuple[VerifiedPath | PathRejected, int | None]:
    """What ``verify`` returns or raises, and which candidate it is."""
    deciding, best = None, no_path()
    for number, one in enumerate(judgements):
        if isinstance(one.outcome, VerifiedPath):
            return one.outcome, number
        if one.outcome.more_telling_than(best) is one.outcome:
            best, deciding = one.outcome, number
    return refusal(best, unreadable, spent), deciding


def _candidate(number: int, one: Judged, noting: Noting, trust: Trust) -> Candidate:
    certificates = one.path.certificates
    graph, no_graph = None, None
    try:
        graph = policy_graph(certificates, trust.policies, trust.demand, trust.limits.policy_nodes)
    except (BadInput, BudgetSpent) as error:
        no_graph = str(error)
    found = tuple(noting.found(certificate, issuer) for _, issuer, certificate in one.path.links())
    steps = [
        Step(
            step,
            certificate_id(noting, issuer, certificate),
            _subject(noting, certificate),
            _role(certificate, step, one.path),
            certificate.not_before,
            certificate.not_after,
            _suite(certificate, issuer),
            tuple(_asked(one.outcome, step, found[step - 1])) if step else (),
        )
        # The anchor has issued itself.
        for step, (issuer, certificate) in enumerate(
            zip([certificates[0], *certificates], certificates, strict=False)
        )
    ]
    return Candidate(number, one.path, one.outcome, tuple(steps), graph, no_graph, found)


def _subject(material: Material, certificate: CertificateFacts) -> str | None:
    generation = material.generation_of(certificate) if certificate.is_ca else None
    return None if generation is None else str(generation)


def _role(certificate: CertificateFacts, step: int, path: CandidatePath) -> Role:
    if step == 0:
        return Role.ANCHOR
    if certificate.is_ca or step < path.last:
        if certificate.subject == certificate.issuer:
            return Role.LINK
        return Role.AUTHORITY if step == path.last else Role.CROSS
    return Role.RESPONDER if OCSP_SIGNING in (certificate.purposes or ()) else Role.HOLDER


def _suite(certificate: CertificateFacts, issuer: CertificateFacts) -> str:
    algorithm = certificate.signed.algorithm
    try:
        return suite_of(algorithm, issuer.public_key).id
    except (SuiteRetired, KeyRefused):
        return algorithm


def _asked(outcome: VerifiedPath | PathRejected, step: int, found: Found) -> Iterator[Asked]:
    """What was asked about a step: the evidence of a valid path, else whatever was read before it ended."""
    if isinstance(outcome, VerifiedPath):
        yield from _evidence(outcome, step)
    elif outcome.reason in _OF_REVOCATION and step <= outcome.step:
        yield from _read(found)


def _evidence(path: VerifiedPath, step: int) -> Iterator[Asked]:
    for used in path.lists:
        if used.step != step:
            continue
        yield Asked(Word.LIST, used.place, used.number, used.this_update)
        if used.delta is not None:
            yield Asked(Word.DELTA, used.delta.place, used.delta.number, used.delta.this_update)
        elif used.without_delta is not None:
            yield Asked(Word.DELTA, used.place, problem=used.without_delta)
    for answer in path.answers:
        if answer.step == step:
            yield Asked(Word.ANSWER, answer.place, this_update=answer.this_update)


def _read(found: Found) -> Iterator[Asked]:
    for kind, lists in ((Word.LIST, found.lists), (Word.DELTA, found.deltas)):
        for one in lists:
            yield Asked(kind, one.facts.place, one.facts.number, one.facts.this_update)
    for number, _ in enumerate(found.answers, 1):
        yield Asked(Word.ANSWER, str(number))
    for error in found.unreadable:
        yield Asked(Word.LIST, error.place, problem=error.problem)
