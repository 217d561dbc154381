"""Which list speaks for a certificate: the rules that it has to keep (RFC 5280 5.2, 6.3.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Reading
from bridge.relying.finding.points import ALL_REASONS, Point, read_points
from bridge.relying.revoked.evidence import NOTHING, Evidence
from bridge.relying.signatures import Signatures
from ca.errors import BadInput, KeyRefused
from ca.profiles import extensions as ext
from ca.wire.facts import CertificateFacts
from ca.wire.list_facts import CERTIFICATE_ISSUER, DELTA_INDICATOR, INVALIDITY_DATE, REASON_CODE

_PROCESSED = frozenset({ext.AuthorityKey.oid, ext.ListNumber.oid, ext.IssuingPoint.oid, DELTA_INDICATOR})
_PROCESSED_IN_ENTRIES = frozenset({REASON_CODE, INVALIDITY_DATE})


@dataclass(frozen=True, slots=True)
class Question:
    """One certificate, and what decides which lists speak for it.

    Attributes:
        issuer: Its issuer in the path.
        points: Its distribution points.
        freshest: Where it says that delta lists lie (RFC 5280 4.2.1.15).
        at: The moment asked about.
    """

    certificate: CertificateFacts
    issuer: CertificateFacts
    points: tuple[Point, ...]
    freshest: tuple[Point, ...]
    at: datetime

    @classmethod
    def of(cls, certificate: CertificateFacts, issuer: CertificateFacts, at: datetime) -> Self:
        """Ask about a certificate, or raise BadInput if its points cannot be read."""
        extensions, name, place = certificate.extensions, certificate.issuer, certificate.place
        points = read_points(extensions, ext.DistributionPoint.oid, name, place)
        if points is None:  # RFC 5280 6.3.3, its last paragraph: the point is then called as the issuer is
            points = (Point(frozenset({name}), (), ALL_REASONS),)
        freshest = read_points(extensions, ext.FreshestPoint.oid, name, place) or ()
        return cls(certificate, issuer, points, freshest, at)


@dataclass(frozen=True, slots=True)
class ListSigner:
    """Whose key has signed a list, and why it may.

    Attributes:
        path: The certificates from below the anchor down to this one; empty for the issuer in the path itself.
        evidence: What tells that none of them is revoked.
    """

    certificate: CertificateFacts
    path: tuple[CertificateFacts, ...] = ()
    evidence: Evidence = NOTHING


class Signers(Protocol):
    """Finds those who may sign lists beside the certificate's own issuer (RFC 5280 6.3.3 (f))."""

    def offered(self, found: IndexedList, asked: Question) -> Iterable[Reading[CertificateFacts]]:
        """Certificates of the list issuer's name, of which nothing is checked."""
        ...

    def proven(self, signer: CertificateFacts, found: IndexedList, asked: Question) -> ListSigner:
        """Raise BadInput or KeyRefused unless a path from the same anchor makes it one; BudgetSpent."""
        ...


@dataclass(frozen=True, slots=True)
class _Rule:
    """One requirement on a list (RFC 5280 6.3.3 unless said otherwise)."""

    clause: str
    problem: str
    broken_by: Callable[[IndexedList, Question], bool]


_FORM = (
    _Rule("RFC 5280 5.1.2.1", "it is not of version 2", lambda found, _: found.facts.version != 2),
    _Rule(
        "RFC 5280 5.1.1.2",
        "it names two signature algorithms",
        lambda found, _: found.facts.signed.outer != found.facts.signed.inner,
    ),
    _Rule(
        "RFC 5280 5.2",
        "it has one extension twice",
        lambda found, _: (
            len({extension.oid for extension in found.facts.extensions}) < len(found.facts.extensions)
        ),
    ),
    _Rule(
        "RFC 5280 5.2",
        "it has a critical extension that is not known here",
        lambda found, _: any(
            extension.critical and extension.oid not in _PROCESSED for extension in found.facts.extensions
        ),
    ),
    _Rule(
        "RFC 5280 5.1.2.4",
        "it is of a later time",
        lambda found, asked: found.facts.this_update > asked.at,
    ),
    _Rule("RFC 5280 5.1.2.5", "it names no next update", lambda found, _: found.facts.next_update is None),
)

_CURRENT = (
    _Rule(
        "RFC 5280 6.3.3 (a)",
        "it is out of date",
        lambda found, asked: found.facts.next_update is None or found.facts.next_update < asked.at,
    ),
)

_COMPLETE = (
    _Rule("RFC 5280 5.2.4", "it is a delta list", lambda found, _: found.base is not None),
    _Rule(
        "RFC 5280 6.3.3 (b)(1)",
        "it is another issuer's",
        lambda found, asked: not any(_of_issuer(found, point, asked) for point in asked.points),
    ),
    _Rule(
        "RFC 5280 6.3.3 (b)(2)(i)",
        "it is the list of another distribution point",
        lambda found, asked: not any(_of_point(found, point, asked) for point in asked.points),
    ),
    _Rule(
        "RFC 5280 6.3.3 (b)(2)",
        "it is for other kinds of certificates",
        lambda found, asked: (
            found.scope.holds
            not in (ext.Holds.ALL, ext.Holds.CA if asked.certificate.is_ca else ext.Holds.USER)
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A complete list that speaks for a certificate at a moment, and may be out of date.

    Attributes:
        signer: Whose key has signed it.
        reasons: The reasons that it tells of.
    """

    found: IndexedList
    signer: ListSigner
    reasons: frozenset[str]


def require_speaker(found: IndexedList, asked: Question, signers: Signers, signatures: Signatures) -> Speaker:
    """The list as one that speaks for the certificate and is signed; else BadInput, KeyRefused or BudgetSpent."""
    _check(_FORM, found, asked)
    _check(_COMPLETE, found, asked)
    signer = _signer(found, asked, signers, signatures)
    of_points = frozenset[str]().union(
        *(point.reasons for point in asked.points if _of_point(found, point, asked))
    )
    return Speaker(found, signer, found.scope.reasons & of_points)


def check_form(found: IndexedList, asked: Question) -> None:
    """Raise BadInput unless the list is one that may be read, of this moment or earlier."""
    _check(_FORM, found, asked)


def check_current(found: IndexedList, asked: Question) -> None:
    """Raise BadInput if a newer list must be there by now; the last second still counts."""
    _check(_CURRENT, found, asked)


def check_signature(found: IndexedList, signer: CertificateFacts, signatures: Signatures) -> None:
    """Raise unless this certificate's key has signed the list, and no entry makes the list unreadable.

    Each key is tried once a list; whether its suite may still be verified is asked each time.

    Raises:
        KeyRefused: Another key has signed it, or its suite may not be verified at the moment.
        BadInput: An entry has a critical extension that is not known here.
        BudgetSpent: Too many signatures were checked.
    """
    signed = found.facts.signed
    if signer.public_key in found.signed_by:
        signatures.require(signed.algorithm, signer.public_key)
    else:
        signatures.check(signed.algorithm, signer.public_key, signed.tbs, signed.signature)
        found.signed_by.add(signer.public_key)
    # RFC 5280 5.3: a list with an entry extension that is critical and unknown speaks for no certificate at all.
    processed = _PROCESSED_IN_ENTRIES | ({CERTIFICATE_ISSUER} if found.scope.indirect else frozenset())
    if found.critical_in_entries - processed:
        raise BadInput(
            found.facts.place,
            "an entry has a critical extension that is not known here",
            clause="RFC 5280 5.3",
        )


def _check(rules: tuple[_Rule, ...], found: IndexedList, asked: Question) -> None:
    for rule in rules:
        if rule.broken_by(found, asked):
            raise BadInput(found.facts.place, rule.problem, clause=rule.clause)


def _of_issuer(found: IndexedList, point: Point, asked: Question) -> bool:
    """Whether it is of who issues the point's list; another than the certificate's issuer has to say so itself."""
    if point.issuers is None:
        return found.facts.issuer == asked.certificate.issuer
    return found.facts.issuer in point.issuers and found.scope.indirect


def _of_point(found: IndexedList, point: Point, asked: Question) -> bool:
    """Whether it is the list of this point. One that names no point speaks for all that its issuer has issued."""
    names = found.scope.names
    return _of_issuer(found, point, asked) and (names is None or not names.isdisjoint(point.names))


def _signer(found: IndexedList, asked: Question, signers: Signers, signatures: Signatures) -> ListSigner:
    """Whose key has signed the list: the certificate's issuer, or else another who may."""
    failed: BadInput | KeyRefused | None = None
    if _fits(found, asked.issuer):
        try:
            _check_signer(found, asked.issuer, signatures)
        except (BadInput, KeyRefused) as error:
            failed = error
        else:
            return ListSigner(asked.issuer)
    for read in signers.offered(found, asked):
        try:
            other = read()
            if _fits(found, other):
                _check_signer(found, other, signatures)
                return signers.proven(other, found, asked)
        except (BadInput, KeyRefused) as error:
            failed = failed or error
    raise failed or BadInput(found.facts.place, "it is of another key of its issuer", clause="RFC 5280 5.2.1")


def _fits(found: IndexedList, signer: CertificateFacts) -> bool:
    """Whether the key may have signed the list, by name and key identifier."""
    key = found.facts.authority_key
    wanted = key.key_identifier if key else None
    return signer.subject == found.facts.issuer and (
        None in (wanted, signer.subject_key) or wanted == signer.subject_key
    )


def _check_signer(found: IndexedList, signer: CertificateFacts, signatures: Signatures) -> None:
    if signer.key_usage is not None and ext.KeyUse.CRL_SIGN not in signer.key_usage:
        raise BadInput(found.facts.place, "its issuer's key may not sign lists", clause="RFC 5280 6.3.3 (f)")
    check_signature(found, signer, signatures)
