"""Certificates as values: kinds, lists, validity, and why one ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import NewType

from ca.errors import BadInput
from ca.model.identifiers import Serial


class CertificateKind(StrEnum):
    """What a certificate is for. The value is the word used in commands, URLs and scopes."""

    SELF_SIGNED = "self-signed"
    LINK = "link"
    CROSS = "cross"
    OCSP_RESPONDER = "ocsp-responder"
    REPOSITORY = "repository"
    TIME_STAMP = "time-stamp"
    VALIDATION_SERVICE = "validation-service"
    NATIONAL_RESPONDER = "national-responder"
    SIGNATURE = "signature"
    USER_AUTHENTICATION = "user-authentication"
    OFFICIAL_POST = "official-post"
    LG_POST = "lg-post"
    LG_USER = "lg-user"
    LG_ENCRYPTION = "lg-encryption"


RESIDENT_KINDS = (CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION)
"""The two kinds that a resident applies for at a window."""

LOCAL_KINDS = (CertificateKind.LG_POST, CertificateKind.LG_USER, CertificateKind.LG_ENCRYPTION)
"""The kinds that a local government applies for: for a post, for a member of it, and to be written to in secret."""

HOLDER_KINDS = frozenset({*RESIDENT_KINDS, CertificateKind.OFFICIAL_POST, *LOCAL_KINDS})
CA_KINDS = frozenset({CertificateKind.SELF_SIGNED, CertificateKind.LINK, CertificateKind.CROSS})
SERVICE_KINDS = frozenset(
    {
        CertificateKind.OCSP_RESPONDER,
        CertificateKind.REPOSITORY,
        CertificateKind.TIME_STAMP,
        CertificateKind.VALIDATION_SERVICE,
        CertificateKind.NATIONAL_RESPONDER,
    }
)
RESPONDER_KINDS = frozenset({CertificateKind.OCSP_RESPONDER, CertificateKind.NATIONAL_RESPONDER})
"""Whose keys sign status answers: one delegated by each key of an authority, and one that relying parties trust directly."""


Scope = NewType("Scope", str)
"""Which list of a generation: ``full``, ``arl``, or ``<kind>-<municipality code>``. Part of the list's URL."""

FULL = Scope("full")
ARL = Scope("arl")


def partition_scope(kind: CertificateKind, code: str) -> Scope:
    """The scope of one kind's holders in one municipality or ward."""
    assert kind in HOLDER_KINDS, "only holders' certificates lie in partitions"
    return Scope(f"{kind}-{code}")


class RevocationReason(IntEnum):
    """CRLReason (RFC 5280 5.3.1). Value 7 is not used there; removeFromCRL, a hold's end, stands only in delta lists."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    REMOVE_FROM_CRL = 8
    PRIVILEGE_WITHDRAWN = 9
    AA_COMPROMISE = 10

    @property
    def word(self) -> str:
        """The name in the RFC's spelling, such as ``keyCompromise``; commands and JSON use it."""
        return _REASON_WORDS[self]

    @classmethod
    def parse(cls, word: str) -> RevocationReason:
        """Read the RFC spelling of why something is to end, or raise BadInput naming the possible words."""
        reason = _REASONS.get(word)
        if reason is None or reason is cls.REMOVE_FROM_CRL:  # nothing ends by being let go
            words = ", ".join(word for word in _REASONS if word != "removeFromCRL")
            raise BadInput(f"reason {word!r}", "is not a revocation reason", remedy=f"One of: {words}")
        return reason

    @classmethod
    def recorded(cls, word: str) -> RevocationReason:
        """The reason that this word was written down for; removeFromCRL is one too, and ValueError of others."""
        try:
            return _REASONS[word]
        except KeyError:
            raise ValueError(f"{word} is not a revocation reason") from None


_REASON_WORDS = {
    RevocationReason.UNSPECIFIED: "unspecified",
    RevocationReason.KEY_COMPROMISE: "keyCompromise",
    RevocationReason.CA_COMPROMISE: "cACompromise",
    RevocationReason.AFFILIATION_CHANGED: "affiliationChanged",
    RevocationReason.SUPERSEDED: "superseded",
    RevocationReason.CESSATION_OF_OPERATION: "cessationOfOperation",
    RevocationReason.CERTIFICATE_HOLD: "certificateHold",
    RevocationReason.REMOVE_FROM_CRL: "removeFromCRL",
    RevocationReason.PRIVILEGE_WITHDRAWN: "privilegeWithdrawn",
    RevocationReason.AA_COMPROMISE: "aACompromise",
}
_REASONS = {word: reason for reason, word in _REASON_WORDS.items()}


@dataclass(frozen=True, slots=True)
class Revocation:
    """That a certificate ended, when and why: what a list's entry and an OCSP answer say alike.

    Attributes:
        revoked_at: The moment from which the certificate counts as revoked, without fractions of a second.
        invalid_since: When it is known or suspected that the key was lost (RFC 5280 5.3.2), if known.
    """

    serial: Serial
    revoked_at: datetime
    reason: RevocationReason
    invalid_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """A certificate's validity. Both ends are valid seconds (RFC 5280 4.1.2.5), in UTC, without fractions."""

    not_before: datetime
    not_after: datetime

    def __post_init__(self) -> None:
        for moment in (self.not_before, self.not_after):
            assert moment.utcoffset() == timedelta(0), "moments are in UTC"
            assert moment.microsecond == 0, "moments have no fractions"
        if self.not_after < self.not_before:
            raise BadInput("validity", f"ends ({self.not_after}) before it begins ({self.not_before})")
