"""The words of the house as frozen values. A different type for each kind of name, so that none can be swapped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum, StrEnum
from typing import NewType, TypeAlias

from ca.birth import BirthDate
from ca.errors import BadInput

AuthorityId = NewType("AuthorityId", str)
"""The short name of a certificate authority, such as ``jpki-13``: lower-case letters, digits and hyphens."""

MunicipalityCode = NewType("MunicipalityCode", str)
"""Six digits of JIS X 0401/0402 with the check digit, such as ``131016``."""

OfficeId = NewType("OfficeId", str)
"""A municipality code (its window), ``centre``, or the name of another registration sub-office."""

OfficerId = NewType("OfficerId", str)
ApplicationId = NewType("ApplicationId", str)
"""The number of a case, ``<office>-<six digits>``."""

ResidentCode = NewType("ResidentCode", str)
"""The resident code (住民票コード): eleven digits, the last a check digit. Personal: never shown, never stored."""

_AUTHORITY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_GENERATION = re.compile(r"(?P<authority>[a-z0-9-]+)\.g(?P<number>[1-9][0-9]{0,3})")


def authority_id(text: str, place: str = "authority id") -> AuthorityId:
    """Read an authority's short name, or raise BadInput."""
    if not _AUTHORITY.fullmatch(text) or len(text) > 40:
        raise BadInput(place, f"{text!r} is not lower-case letters, digits and single hyphens, at most 40")
    return AuthorityId(text)


def resident_code(text: str) -> ResidentCode:
    """Read a resident code, or raise BadInput that does not show it.

    The check digit is reckoned as the individual number's is (Ordinance 85 of 2014 of the Ministry of Internal
    Affairs, article 5): modulus 11; counted from the last of ten digits the weights are 2 to 7, then 2 to 5.
    """
    if not (len(text) == 11 and text.isascii() and text.isdigit()):
        raise BadInput("resident code", "is not eleven digits")
    weights = (2, 3, 4, 5, 6, 7, 2, 3, 4, 5)
    digits = zip(reversed(text[:10]), weights, strict=True)
    remainder = sum(int(digit) * weight for digit, weight in digits) % 11
    if int(text[10]) != (0 if remainder <= 1 else 11 - remainder):
        raise BadInput("resident code", "its check digit is wrong")
    return ResidentCode(text)


@dataclass(frozen=True, slots=True, order=True)
class GenerationId:
    """One key of one authority. A name alone is not an issuer: all generations carry the same DN."""

    authority: AuthorityId
    number: int

    def __str__(self) -> str:
        return f"{self.authority}.g{self.number}"

    @classmethod
    def parse(cls, text: str) -> GenerationId:
        """Read ``jpki-13.g1``, or raise BadInput."""
        match = _GENERATION.fullmatch(text)
        if match is None:
            raise BadInput("generation id", f"{text!r} is not of the form authority.gN, such as jpki-13.g1")
        return cls(authority_id(match["authority"]), int(match["number"]))


@dataclass(frozen=True, slots=True, order=True)
class Serial:
    """A certificate's serial number: positive, at most 20 octets (RFC 5280 4.1.2.2)."""

    value: int

    def __post_init__(self) -> None:
        if not 0 < self.value < 1 << 159:
            raise BadInput("serial", "not positive, or longer than 20 octets", clause="RFC 5280 4.1.2.2")

    def __str__(self) -> str:
        return f"{self.value:040x}"

    @property
    def octets(self) -> bytes:
        """Twenty octets, big-endian: the form in which the store keeps and orders serials."""
        return self.value.to_bytes(20, "big")

    @classmethod
    def of(cls, octets: bytes) -> Serial:
        """The serial whose octets these are."""
        return cls(int.from_bytes(octets, "big"))


@dataclass(frozen=True, slots=True, order=True)
class CertificateId:
    """What names a certificate in commands, URLs and logs: ``jpki-13.g1:5a3f...``."""

    generation: GenerationId
    serial: Serial

    def __str__(self) -> str:
        return f"{self.generation}:{self.serial}"

    @classmethod
    def parse(cls, text: str) -> CertificateId:
        """Read ``jpki-13.g1:5a3f...``, or raise BadInput."""
        generation, _, serial = text.partition(":")
        if not re.fullmatch(r"[0-9a-fA-F]{1,40}", serial):
            raise BadInput(
                "certificate id",
                f"{text!r} is not of the form authority.gN:serial in hexadecimal digits",
                remedy="`kakehashi case show` prints the id of an issued certificate",
            )
        return cls(GenerationId.parse(generation), Serial(int(serial, 16)))


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


class Role(StrEnum):
    """What an officer may be trusted with. One officer may have several; one case never sees one officer twice."""

    RECEPTION = "reception"
    EXAMINER = "examiner"
    APPROVER = "approver"
    OPERATOR = "operator"


class OfficeKind(StrEnum):
    """A municipality's window, the centre, or a ministry's or a local government's registration sub-office."""

    WINDOW = "window"
    CENTRE = "centre"
    MINISTRY = "ministry"
    LOCAL_GOVERNMENT = "local-government"


@dataclass(frozen=True, slots=True)
class Office:
    """A registration sub-office: a row, never a CA. ``authorities`` issue what it applies for; none at the centre.

    No kind is issued by two authorities of one office.
    """

    id: OfficeId
    kind: OfficeKind
    name: str
    authorities: tuple[AuthorityId, ...]


@dataclass(frozen=True, slots=True)
class Officer:
    """A person who takes steps of cases in one office."""

    id: OfficerId
    office: OfficeId
    roles: frozenset[Role]


class Sex(Enum):
    """The digit that the signature certificate carries (JIS X 0303 has 1 and 2; 9 is not applicable)."""

    MALE = "1"
    FEMALE = "2"
    NOT_APPLICABLE = "9"


@dataclass(frozen=True, slots=True)
class Resident:
    """The four items of a resident as the register has them, and where the resident lives.

    Attributes:
        name: Family and given name separated by a full-width space.
        name_substitutes: One 0 or 1 per character of the name: 1 where a substitute character stands.
        address_substitutes: The same for the address.
    """

    name: str
    name_substitutes: str
    sex: Sex
    birth_date: BirthDate
    address: str
    address_substitutes: str
    municipality: MunicipalityCode


@dataclass(frozen=True, slots=True)
class OfficialPost:
    """A post in a ministry that signs in its own name (官職)."""

    ministry: str
    post: str


@dataclass(frozen=True, slots=True)
class LocalHolder:
    """Who holds a certificate of a local government: a post, a member, or a desk that is written to.

    Attributes:
        unit: The department, if the government names one.
    """

    government: str
    unit: str | None
    name: str


Applicant: TypeAlias = Resident | OfficialPost | LocalHolder
"""Who a holder's certificate is for."""


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
