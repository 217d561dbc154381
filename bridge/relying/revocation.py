"""Is a certificate of the path revoked? Its issuer's list is found, checked and asked (RFC 5280 6.3).

A verifier that cannot know does not guess: no list, or one that does not fit, is CANNOT_TELL and never valid.
The anchor is not asked about: its trust is a decision, taken back by taking the anchor away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bridge.relying.path import CandidatePath
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.signatures import Signatures
from bridge.relying.snapshot import Snapshot
from ca.errors import BadInput, KeyRefused
from ca.model import GenerationId, Revocation, RevocationReason
from ca.profiles import extensions as ext
from ca.profiles.services import OCSP_SIGNING
from ca.rules.revocation import status_of
from ca.wire.facts import CertificateFacts
from ca.wire.list_facts import DELTA_INDICATOR, INVALIDITY_DATE, REASON_CODE, ListFacts

_PROCESSED = frozenset({ext.AuthorityKey.oid, ext.ListNumber.oid, ext.IssuingPoint.oid})
_PROCESSED_IN_ENTRIES = frozenset({REASON_CODE, INVALIDITY_DATE})
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class ListUsed:
    """A list that was asked: whose, where it lies, which one, and from when."""

    generation: GenerationId
    place: str
    number: int | None
    this_update: datetime


@dataclass(frozen=True, slots=True)
class _Question:
    """One certificate, its issuer in the path, and the point whose list is asked (None: the full list)."""

    certificate: CertificateFacts
    issuer: CertificateFacts
    point: bytes | None
    at: datetime


def check_revocation(
    path: CandidatePath, snapshot: Snapshot, at: datetime, signatures: Signatures
) -> tuple[ListUsed, ...]:
    """Raise PathRejected if a certificate was revoked at the moment, or if that cannot be told; else the lists asked.

    Lists are those that were the newest at the moment: what was revoked later, or published later, does not count.
    """
    used = []
    for step, issuer, certificate in path.links():
        if _needs_no_list(certificate):
            continue
        try:
            revocation, asked = _ask(certificate, issuer, snapshot, at, signatures)
        except (BadInput, KeyRefused) as error:  # KeyRefused: the list's signature or its suite
            raise PathRejected(
                error.place,
                f"cannot tell whether {certificate.place} is revoked: {error.problem}",
                step=step,
                reason=Reason.CANNOT_TELL,
                clause=error.clause or "RFC 5280 6.3.3",
            ) from error
        _require_good(certificate, revocation, step, at)
        used.append(asked)
    return tuple(used)


def _needs_no_list(certificate: CertificateFacts) -> bool:
    """RFC 6960 4.2.2.2.1: whoever asks a responder need not ask about it, if its issuer says so."""
    return (
        certificate.has(ext.OcspNoCheck.oid)
        and certificate.purposes is not None
        and OCSP_SIGNING in certificate.purposes
        and not certificate.is_ca
    )


def _ask(
    certificate: CertificateFacts,
    issuer: CertificateFacts,
    snapshot: Snapshot,
    at: datetime,
    signatures: Signatures,
) -> tuple[Revocation | None, ListUsed]:
    """What the list that speaks for the certificate says of it, and which list that is."""
    generation = snapshot.generation_of(issuer)
    if generation is None:
        raise BadInput(certificate.place, "its issuer's key is not in the manifest")
    question = _Question(certificate, issuer, _point(certificate, generation, snapshot), at)
    found = snapshot.list_at(generation, question.point, at)
    if found is None:
        raise BadInput(certificate.place, f"{generation} had no list for it then")
    _check_list(found, question, signatures)
    used = ListUsed(generation, found.place, found.number, found.this_update)
    revocation = found.revocation(certificate.serial)
    if revocation is not None and revocation.reason is RevocationReason.REMOVE_FROM_CRL:
        raise BadInput(found.place, "removeFromCRL stands in a complete list", clause="RFC 5280 5.3.1")
    return revocation, used


def _point(certificate: CertificateFacts, generation: GenerationId, snapshot: Snapshot) -> bytes | None:
    """The certificate's first distribution point that has a list; without any, the full list speaks (None)."""
    if certificate.points is None:
        return None
    for point in certificate.points:
        if snapshot.publishes(generation, point):
            return point
    raise BadInput(certificate.place, f"{generation} publishes no list for its distribution point")


@dataclass(frozen=True, slots=True)
class _Rule:
    """One requirement on a list (RFC 5280 6.3.3 unless said otherwise)."""

    clause: str
    problem: str
    broken_by: Callable[[ListFacts, _Question], bool]


_RULES = (
    _Rule("RFC 5280 5.1.2.1", "it is not of version 2", lambda found, _: found.version != 2),
    _Rule(
        "RFC 5280 5.1.1.2",
        "it names two signature algorithms",
        lambda found, _: found.signed.outer != found.signed.inner,
    ),
    _Rule(
        "RFC 5280 5.2",
        "it has one extension twice",
        lambda found, _: len({extension.oid for extension in found.extensions}) < len(found.extensions),
    ),
    _Rule(
        "RFC 5280 5.2.4",
        "it is a delta list",
        lambda found, _: any(extension.oid == DELTA_INDICATOR for extension in found.extensions),
    ),
    _Rule(
        "RFC 5280 5.2",
        "it has a critical extension that is not known here",
        lambda found, _: any(
            extension.critical and extension.oid not in _PROCESSED for extension in found.extensions
        ),
    ),
    _Rule(
        "RFC 5280 6.3.3 (b)(1)",
        "it is another issuer's",
        lambda found, asked: found.issuer != asked.certificate.issuer,
    ),
    _Rule(
        "RFC 5280 5.2.1",
        "it is of another key of its issuer",
        lambda found, asked: (
            found.authority_key is not None
            and found.authority_key.key_identifier not in (None, asked.issuer.subject_key)
        ),
    ),
    _Rule(
        "RFC 5280 6.3.3 (b)(2)(i)",
        "it is the list of another distribution point",
        # A list that names no point speaks for all that its key has issued.
        lambda found, asked: (
            found.issuing_point is not None
            and found.issuing_point.names is not None
            and asked.point not in found.issuing_point.names
        ),
    ),
    _Rule(
        "RFC 5280 6.3.3 (b)(2)",
        "it is for other kinds of certificates",
        lambda found, asked: (
            found.issuing_point is not None
            and found.issuing_point.holds
            not in (ext.Holds.ALL, ext.Holds.CA if asked.certificate.is_ca else ext.Holds.USER)
        ),
    ),
    _Rule(
        "RFC 5280 5.2.5",
        "it leaves reasons out, or speaks for other issuers",
        lambda found, _: found.issuing_point is not None and found.issuing_point.partial,
    ),
    _Rule("RFC 5280 5.1.2.4", "it is of a later time", lambda found, asked: found.this_update > asked.at),
    _Rule("RFC 5280 5.1.2.5", "it names no next update", lambda found, _: found.next_update is None),
    _Rule(
        "RFC 5280 6.3.3 (a)",
        "it is out of date",
        lambda found, asked: found.next_update is not None and found.next_update < asked.at,
    ),
    _Rule(
        "RFC 5280 6.3.3 (f)",
        "its issuer's key may not sign lists",
        lambda _, asked: (
            asked.issuer.key_usage is not None and ext.KeyUse.CRL_SIGN not in asked.issuer.key_usage
        ),
    ),
)


def _check_list(found: ListFacts, asked: _Question, signatures: Signatures) -> None:
    """Raise BadInput or KeyRefused unless the list speaks for the certificate, at the moment, and is signed."""
    for rule in _RULES:
        if rule.broken_by(found, asked):
            raise BadInput(found.place, rule.problem, clause=rule.clause)
    signed = found.signed
    signatures.check(signed.algorithm, asked.issuer.public_key, signed.tbs, signed.signature)
    # RFC 5280 5.3: a list with an entry extension that is critical and unknown speaks for no certificate at all.
    if found.critical_in_entries() - _PROCESSED_IN_ENTRIES:
        raise BadInput(
            found.place, "an entry has a critical extension that is not known here", clause="RFC 5280 5.3"
        )


def _require_good(
    certificate: CertificateFacts, revocation: Revocation | None, step: int, at: datetime
) -> None:
    status = status_of(certificate.not_before, revocation, at)
    if status.revocation is not None:
        raise PathRejected(
            certificate.place,
            f"revoked since {status.revocation.revoked_at:{_STAMP}}, {status.revocation.reason.word}",
            step=step,
            reason=Reason.REVOKED,
            clause="RFC 5280 6.3.3",
            revocation=status.revocation,
        )
