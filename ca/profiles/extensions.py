"""Extension values: what a certificate or list says, before it is bytes (RFC 5280 4.2 and 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

from ca.model import Serial
from ca.names import DirectoryName
from ca.suites import KeyFamily

ANY_POLICY = "2.5.29.32.0"

CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


class KeyUse(StrEnum):
    """Bits of keyUsage (RFC 5280 4.2.1.3), in the order of their bit numbers."""

    DIGITAL_SIGNATURE = "digital_signature"
    NON_REPUDIATION = "non_repudiation"
    KEY_ENCIPHERMENT = "key_encipherment"
    DATA_ENCIPHERMENT = "data_encipherment"
    KEY_AGREEMENT = "key_agreement"
    KEY_CERT_SIGN = "key_cert_sign"
    CRL_SIGN = "crl_sign"


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """RFC 5280 4.2.1.3."""

    oid: ClassVar[str] = "2.5.29.15"
    uses: frozenset[KeyUse]


@dataclass(frozen=True, slots=True)
class ImpossibleUses:
    """What keys of a family are never for, and the clause that says so."""

    uses: frozenset[KeyUse]
    clause: str


ENCRYPTING_USES = frozenset({KeyUse.KEY_ENCIPHERMENT, KeyUse.DATA_ENCIPHERMENT})
"""By which others encrypt to a key."""

IMPOSSIBLE_USES: Mapping[KeyFamily, ImpossibleUses] = MappingProxyType(
    {
        KeyFamily.RSA: ImpossibleUses(frozenset({KeyUse.KEY_AGREEMENT}), "RFC 3279 2.3.1"),
        KeyFamily.EC: ImpossibleUses(ENCRYPTING_USES, "RFC 5480 3, as in RFC 8813 3"),
        KeyFamily.ML_DSA: ImpossibleUses(ENCRYPTING_USES | {KeyUse.KEY_AGREEMENT}, "RFC 9881 5"),
    }
)
"""Which uses keyUsage must not name for a key, by its family."""


@dataclass(frozen=True, slots=True)
class ExtendedKeyUsage:
    """RFC 5280 4.2.1.12: purposes as dotted object identifiers."""

    oid: ClassVar[str] = "2.5.29.37"
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BasicConstraints:
    """RFC 5280 4.2.1.9."""

    oid: ClassVar[str] = "2.5.29.19"
    ca: bool
    path_length: int | None = None


@dataclass(frozen=True, slots=True)
class CertificatePolicies:
    """RFC 5280 4.2.1.4: policies as dotted object identifiers, each with the same CPS pointer, if any."""

    oid: ClassVar[str] = "2.5.29.32"
    policies: tuple[str, ...]
    cps: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyMappings:
    """RFC 5280 4.2.1.5: pairs of (issuer domain policy, subject domain policy)."""

    oid: ClassVar[str] = "2.5.29.33"
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PolicyConstraints:
    """RFC 5280 4.2.1.11: how many certificates may follow before the constraint binds."""

    oid: ClassVar[str] = "2.5.29.36"
    require_explicit_policy: int | None = None
    inhibit_policy_mapping: int | None = None


Subtree = DirectoryName | tuple[str, str]
"""A base of names (RFC 5280 4.2.1.10): a directory name, or ``dns`` or ``email`` and what stands behind it."""


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """RFC 5280 4.2.1.10: the subtrees in which names of subjects behind this CA must lie, and must not lie."""

    oid: ClassVar[str] = "2.5.29.30"
    permitted: tuple[Subtree, ...] = ()
    excluded: tuple[Subtree, ...] = ()


@dataclass(frozen=True, slots=True)
class SubjectDirectoryName:
    """subjectAltName with one directoryName: the CA's name in Japanese (RFC 5280 4.2.1.6)."""

    oid: ClassVar[str] = "2.5.29.17"
    name: DirectoryName


@dataclass(frozen=True, slots=True)
class SubjectOtherNames:
    """subjectAltName with otherNames, each (object identifier, text): ``[0] EXPLICIT UTF8String``."""

    oid: ClassVar[str] = "2.5.29.17"
    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class IssuerDirectoryName:
    """issuerAltName with one directoryName: the issuer's name in Japanese (RFC 5280 4.2.1.7)."""

    oid: ClassVar[str] = "2.5.29.18"
    name: DirectoryName


@dataclass(frozen=True, slots=True)
class DistributionPoint:
    """cRLDistributionPoints with one directoryName and no URI (RFC 5280 4.2.1.13): the partition's name."""

    oid: ClassVar[str] = "2.5.29.31"
    name: DirectoryName


@dataclass(frozen=True, slots=True)
class AuthorityAccess:
    """authorityInfoAccess (RFC 5280 4.2.2.1): what can be had of the issuer, in this order, each at one URL.

    Attributes:
        status: Where the certificate's status is asked for (id-ad-ocsp).
        issuers: Where the certificates lie that were issued to its issuer (id-ad-caIssuers).
    """

    oid: ClassVar[str] = "1.3.6.1.5.5.7.1.1"
    status: str | None = None
    issuers: str | None = None


@dataclass(frozen=True, slots=True)
class SubjectAccess:
    """subjectInfoAccess (RFC 5280 4.2.2.2) with one URL: where the certificates lie that the subject has issued.

    That is id-ad-caRepository.
    """

    oid: ClassVar[str] = "1.3.6.1.5.5.7.1.11"
    repository: str


class AuthorityKeyForm(StrEnum):
    """What an authorityKeyIdentifier says of the issuing key; the value is the word of editions.

    All three parts name one certificate of the key, its self-signed one, which is no part of a path through a
    cross-certificate: RFC 5280 6.1 does not care, OpenSSL then finds no issuer (docs/editions.md).
    """

    KEY_IDENTIFIER = "key identifier"
    ALL_PARTS = "all parts"


@dataclass(frozen=True, slots=True)
class AuthorityKey:
    """authorityKeyIdentifier (RFC 5280 4.2.1.1). Issuer and serial come together or not at all."""

    oid: ClassVar[str] = "2.5.29.35"
    key_identifier: bytes
    issuer: DirectoryName | None = None
    serial: Serial | None = None


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """subjectKeyIdentifier (RFC 5280 4.2.1.2 method 1: SHA-1 over the subjectPublicKey bits)."""

    oid: ClassVar[str] = "2.5.29.14"
    key_identifier: bytes


@dataclass(frozen=True, slots=True)
class OcspNoCheck:
    """id-pkix-ocsp-nocheck (RFC 6960 4.2.2.2.1)."""

    oid: ClassVar[str] = "1.3.6.1.5.5.7.48.1.5"


@dataclass(frozen=True, slots=True)
class ListNumber:
    """cRLNumber (RFC 5280 5.2.3): at most 20 octets."""

    oid: ClassVar[str] = "2.5.29.20"
    number: int


class Holds(StrEnum):
    """Which certificates a list is for (issuingDistributionPoint's onlyContains flags)."""

    USER = "user"
    CA = "ca"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class IssuingPoint:
    """issuingDistributionPoint (RFC 5280 5.2.5): the partition's name and what the list is for."""

    oid: ClassVar[str] = "2.5.29.28"
    name: DirectoryName
    holds: Holds


@dataclass(frozen=True, slots=True)
class DeltaBase:
    """deltaCRLIndicator (RFC 5280 5.2.4): the number of the complete list that a delta list is to be added to."""

    oid: ClassVar[str] = "2.5.29.27"
    number: int


@dataclass(frozen=True, slots=True)
class FreshestPoint:
    """freshestCRL (RFC 5280 5.2.6): where the delta list lies, and its distribution point's name if it has one."""

    oid: ClassVar[str] = "2.5.29.46"
    url: str
    name: DirectoryName | None


CertificateExtension = (
    KeyUsage
    | ExtendedKeyUsage
    | BasicConstraints
    | CertificatePolicies
    | PolicyMappings
    | PolicyConstraints
    | NameConstraints
    | SubjectDirectoryName
    | SubjectOtherNames
    | IssuerDirectoryName
    | DistributionPoint
    | AuthorityAccess
    | SubjectAccess
    | AuthorityKey
    | SubjectKey
    | OcspNoCheck
)
ListExtension = AuthorityKey | ListNumber | IssuingPoint | DeltaBase | FreshestPoint
Extension = CertificateExtension | ListExtension

NAMES: Mapping[str, str] = {
    KeyUsage.oid: "keyUsage",
    ExtendedKeyUsage.oid: "extKeyUsage",
    BasicConstraints.oid: "basicConstraints",
    CertificatePolicies.oid: "certificatePolicies",
    PolicyMappings.oid: "policyMappings",
    PolicyConstraints.oid: "policyConstraints",
    NameConstraints.oid: "nameConstraints",
    SubjectDirectoryName.oid: "subjectAltName",
    IssuerDirectoryName.oid: "issuerAltName",
    DistributionPoint.oid: "cRLDistributionPoints",
    AuthorityAccess.oid: "authorityInfoAccess",
    SubjectAccess.oid: "subjectInfoAccess",
    AuthorityKey.oid: "authorityKeyIdentifier",
    SubjectKey.oid: "subjectKeyIdentifier",
    OcspNoCheck.oid: "ocspNoCheck",
    ListNumber.oid: "cRLNumber",
    IssuingPoint.oid: "issuingDistributionPoint",
    DeltaBase.oid: "deltaCRLIndicator",
    FreshestPoint.oid: "freshestCRL",
}
"""Extension names as the RFCs write them, for messages."""
