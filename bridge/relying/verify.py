"""The journey of a verifier: from a certificate and what is published to a VerifiedPath, or the reason why not.

1. Read the certificate and the anchors.
2. Candidate paths, shortest and likeliest first (path).
3. For each: whether it is valid, revocation aside (validation).
4. Lists and answers (revocation).
The first path that passes is returned; if none does, the most telling reason is raised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from bridge.relying.budget import Budget
from bridge.relying.finding.material import Material
from bridge.relying.path import CandidatePath, candidates
from bridge.relying.rejection import BudgetSpent, PathRejected, Reason
from bridge.relying.revoked.evidence import AnswerUsed, ListUsed
from bridge.relying.revoked.revocation import Inquiry
from bridge.relying.signatures import Signatures
from bridge.relying.trust import Trust
from bridge.relying.validation import validate
from ca.errors import BadInput
from ca.wire.facts import CertificateFacts, read_certificate

_MADE_BY_VERIFY: Final = object()
_THE_LEAF: Final = "the certificate to verify"


@dataclass(frozen=True, slots=True)
class VerifiedPath:
    """The proof that a certificate was valid at a moment. Only ``verify`` and ``judged`` make one.

    Attributes:
        certificates: DER, the anchor first.
        policies: Which of the trust's policies the path is valid for, in the anchor's domain.
        lists: The lists that were asked, from the anchor down.
        answers: The OCSP responses that were asked, from the anchor down.
    """

    certificates: tuple[bytes, ...] = field(repr=False)
    policies: frozenset[str]
    at: datetime
    lists: tuple[ListUsed, ...]
    answers: tuple[AnswerUsed, ...] = ()
    made_by: InitVar[object] = None

    def __post_init__(self, made_by: object) -> None:
        if made_by is not _MADE_BY_VERIFY:
            raise TypeError("only verify() makes a VerifiedPath")


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate path and what became of it."""

    path: CandidatePath
    outcome: VerifiedPath | PathRejected


def verify(leaf: bytes, material: Material, trust: Trust, at: datetime) -> VerifiedPath:
    """Verify a certificate at a moment, from the trust's anchors and whatever material there is.

    Args:
        leaf: The certificate, DER.
        material: Where certificates, lists and answers are had from.
        trust: Anchors, acceptable policies, and whether this is a test.
        at: The moment asked about, aware; in the past, the lists of that time are asked.

    Raises:
        BadInput: The certificate or an anchor cannot be read.
        PathRejected: No path is valid; the most telling reason of all candidates.
    """
    unreadable: list[BadInput] = []
    best = no_path()
    try:
        for one in judged(leaf, material, trust, at, unreadable):
            if isinstance(one.outcome, VerifiedPath):
                return one.outcome
            best = one.outcome.more_telling_than(best)
    except BudgetSpent as spent:
        raise refusal(best, unreadable, spent) from spent
    raise refusal(best, unreadable, None)


def no_path() -> PathRejected:
    """What there is to say before any candidate was judged."""
    return PathRejected(
        _THE_LEAF,
        "no path leads to it from an anchor",
        step=0,
        reason=Reason.NO_PATH,
        clause="RFC 5280 6.1",
    )


def refusal(best: PathRejected, unreadable: Sequence[BadInput], spent: BudgetSpent | None) -> PathRejected:
    """What is said where no candidate is valid: the most telling reason, unless something kept a better one away.

    Args:
        best: The most telling reason of the candidates, or that there is none.
        unreadable: What the material offered and could not be read.
        spent: The limit that ended the search, if one did.
    """
    if spent is not None:
        problem = f"cannot tell, because {spent.place} {spent.problem}; so far: {best.problem}"
        return PathRejected(_THE_LEAF, problem, step=best.step, reason=Reason.CANNOT_TELL)
    if best.reason is Reason.NO_PATH and unreadable:
        first = unreadable[0]
        return PathRejected(first.place, first.problem, step=0, reason=Reason.UNREADABLE)
    return best


def judged(
    leaf: bytes, material: Material, trust: Trust, at: datetime, unreadable: list[BadInput] | None = None
) -> Iterator[Judged]:
    """Each candidate path with what becomes of it, the likeliest first; whoever is content stops asking.

    Args:
        leaf: The certificate, DER.
        material: Where certificates, lists and answers are had from.
        trust: Anchors, acceptable policies, and whether this is a test.
        at: The moment asked about, aware.
        unreadable: Takes what the material offered and could not be read, as it comes up.

    Raises:
        BadInput: The certificate or an anchor cannot be read.
        BudgetSpent: A limit of the trust is reached, and candidates may be left.
    """
    assert at.tzinfo is not None, "moments are aware"
    moment = at.astimezone(UTC).replace(microsecond=0)  # both ends of a validity are whole, valid seconds
    holder = read_certificate(leaf, _THE_LEAF)
    anchors = [_read_anchor(der, number) for number, der in enumerate(trust.anchors, 1)]
    budget = Budget(trust.limits)
    signatures = Signatures(moment, budget, trust.more_suites, trust.legacy)
    inquiry = Inquiry(material, trust, moment, signatures)
    unread = [] if unreadable is None else unreadable
    for path in candidates(holder, material, anchors, budget, unread, moment):
        outcome: VerifiedPath | PathRejected
        try:
            outcome = _check(path, material, trust, moment, signatures, inquiry)
        except PathRejected as rejected:
            outcome = rejected
        yield Judged(path, outcome)


@lru_cache(maxsize=64)
def _read_anchor(der: bytes, number: int) -> CertificateFacts:
    return read_certificate(der, f"anchor {number}")


def _check(
    path: CandidatePath,
    material: Material,
    trust: Trust,
    at: datetime,
    signatures: Signatures,
    inquiry: Inquiry,
) -> VerifiedPath:
    policies = validate(path, material.marking, trust, at, signatures)
    evidence = inquiry.check(path)
    return VerifiedPath(
        tuple(certificate.der for certificate in path.certificates),
        policies,
        at,
        evidence.lists,
        evidence.answers,
        made_by=_MADE_BY_VERIFY,
    )
