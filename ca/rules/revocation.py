"""The only reading of "is it revoked" in the product, and the changes of it that are allowed.

Lists, OCSP answers and pages all ask ``status_of``; whoever revokes asks ``permit`` and ``change`` first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from ca.errors import RevocationRefused
from ca.model import HOLDER_KINDS, SERVICE_KINDS, CertificateKind, Revocation, RevocationReason

_HOLD, _LIFTED = RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL


class CertificateStatus(StrEnum):
    """What can be said of a serial number; the words are CertStatus's (RFC 6960 4.2.1)."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Status:
    """What is said of a serial number at one moment. The revocation is there exactly if it is revoked."""

    status: CertificateStatus
    revocation: Revocation | None = None

    def __post_init__(self) -> None:
        revoked = self.status is CertificateStatus.REVOKED
        assert revoked == (self.revocation is not None), "revoked means: by this revocation"


def status_of(issued_at: datetime | None, revocation: Revocation | None, at: datetime) -> Status:
    """What a serial number's status is at a moment.

    Args:
        issued_at: When the certificate was issued; None for a serial that never became a certificate, or whose
            certificate is intended and not signed yet.
        revocation: What is recorded against it, if anything. It counts from its own second on, also on hold; a lifted
            hold counts no more.
        at: The moment asked about. Fractions of the second of issue do not matter.

    Returns:
        Never good for what was not issued at that moment (RFC 6960 2.2). A revocation counts even if no issue is
        known: a list names it, and an answer may not say less than the list.
    """
    lifted = revocation is not None and revocation.reason is _LIFTED
    if revocation is not None and revocation.revoked_at <= at and not lifted:
        return Status(CertificateStatus.REVOKED, revocation)
    if issued_at is None or issued_at.replace(microsecond=0) > at:
        return Status(CertificateStatus.UNKNOWN)
    return Status(CertificateStatus.GOOD)


_ALL = frozenset(RevocationReason) - {_LIFTED}
_COMPROMISE = frozenset({RevocationReason.KEY_COMPROMISE, RevocationReason.CA_COMPROMISE})
_FINAL = _ALL - {_HOLD}

CHANGES: Mapping[RevocationReason | None, frozenset[RevocationReason]] = MappingProxyType(
    {
        None: _ALL,  # a new entry
        _LIFTED: _ALL,  # good again, and so as if new
        _HOLD: _FINAL
        | {_LIFTED},  # the hold becomes a revocation for good, or is lifted where the edition allows it
        **dict.fromkeys(_FINAL - _COMPROMISE, _COMPROMISE),  # raised to a compromise
        **dict.fromkeys(_COMPROMISE, frozenset[RevocationReason]()),  # nothing is worse
    }
)
"""From which reason (None: not revoked) to which a revocation may change."""

assert CHANGES.keys() == {None, *RevocationReason}, "each reason needs a row"


def change(before: Revocation | None, after: Revocation) -> Revocation:
    """The revocation to record when ``after`` is asked for and ``before`` is recorded.

    A certificate that has ended never comes back for a while: the earlier of the two moments stays, so what was
    signed during a hold, or after the first revocation, stays refused. X.509 wants it so (a revocation that
    replaces a hold carries the date of the hold: ITU-T X.509 (2008) 8.5.2.2). The same holds for the suspected
    moment, if one is known.

    Raises:
        RevocationRefused: The change is not in the table; nothing is to be recorded.
    """
    if before is None or before.reason is _LIFTED:
        if after.reason is _LIFTED:
            raise RevocationRefused(f"serial {after.serial}", "is not on hold, and cannot be let go")
        return after
    assert before.serial == after.serial, "a change concerns one certificate"
    if after.reason not in CHANGES[before.reason]:
        state = "on hold" if before.reason is _HOLD else "revoked"
        raise RevocationRefused(
            f"serial {after.serial}",
            f"already {state} since {before.revoked_at:%Y-%m-%dT%H:%M:%SZ} for {before.reason.word}",
        )
    suspected = [moment for moment in (before.invalid_since, after.invalid_since) if moment is not None]
    return replace(
        after,
        revoked_at=min(before.revoked_at, after.revoked_at),
        invalid_since=min(suspected, default=None),
    )


# ITU-T X.509 (2008) 8.5.2.2: keyCompromise is for end entities, cACompromise for CA certificates, aACompromise for
# attribute authorities. A cACompromise of a holder's certificate is no officer's choice: it follows from the CA's key,
# and is said of all that this key has certified at once, by an order.
_OF_HOLDERS = _ALL - {RevocationReason.CA_COMPROMISE, RevocationReason.AA_COMPROMISE}
_OF_SERVICES = frozenset(
    {
        RevocationReason.UNSPECIFIED,
        RevocationReason.KEY_COMPROMISE,
        RevocationReason.AFFILIATION_CHANGED,
        RevocationReason.SUPERSEDED,
        RevocationReason.CESSATION_OF_OPERATION,
    }
)
_OF_CROSS = frozenset(
    {
        RevocationReason.CA_COMPROMISE,
        RevocationReason.AFFILIATION_CHANGED,
        RevocationReason.SUPERSEDED,
        RevocationReason.CESSATION_OF_OPERATION,
    }
)
# A link speaks of the CA's own keys: its affiliation does not change.
_OF_LINKS = _OF_CROSS - {RevocationReason.AFFILIATION_CHANGED}

REASONS_FOR: Mapping[CertificateKind, frozenset[RevocationReason]] = MappingProxyType(
    {
        **dict.fromkeys(HOLDER_KINDS, _OF_HOLDERS),
        CertificateKind.LINK: _OF_LINKS,
        CertificateKind.CROSS: _OF_CROSS,
        **dict.fromkeys(SERVICE_KINDS, _OF_SERVICES),
        CertificateKind.SELF_SIGNED: frozenset(),
    }
)
"""For which reasons a certificate of each kind may be revoked."""

assert REASONS_FOR.keys() == set(CertificateKind), "each kind of certificate needs a row"


def permit(kind: CertificateKind, reason: RevocationReason) -> None:
    """Raise RevocationRefused unless a certificate of this kind may be revoked for this reason."""
    if not REASONS_FOR[kind]:
        raise RevocationRefused(
            f"certificate kind {kind}",
            "is not revoked",
            remedy="An anchor is removed from trust; revoke the cross-certificates for its key",
        )
    if reason not in REASONS_FOR[kind]:
        raise RevocationRefused(
            f"certificate kind {kind}",
            f"is not revoked for {reason.word}",
            clause="ITU-T X.509 8.5.2.2",
            remedy=f"One of: {', '.join(word.word for word in sorted(REASONS_FOR[kind]))}",
        )
