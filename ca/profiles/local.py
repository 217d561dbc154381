"""Certificates that local governments hold (LGPKI): for posts (職責証明書), for members, for encrypted communication."""

from __future__ import annotations

from ca.model import CertificateKind, LocalHolder
from ca.names import Attribute, DirectoryName
from ca.profiles.drafting import CertificateProfile, Slot
from ca.profiles.extensions import (
    CLIENT_AUTH,
    AuthorityAccess,
    AuthorityKey,
    CertificatePolicies,
    DistributionPoint,
    ExtendedKeyUsage,
    IssuerDirectoryName,
    KeyUsage,
    KeyUse,
    SubjectKey,
)

LG_POST = CertificateProfile(
    CertificateKind.LG_POST,
    (
        Slot(
            KeyUsage,
            critical=True,
            fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.NON_REPUDIATION})),
        ),
        Slot(CertificatePolicies, critical=True),
        Slot(IssuerDirectoryName),
        Slot(DistributionPoint),
        Slot(AuthorityAccess, optional=True),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""A post signs, as an official post of the government does."""

LG_USER = CertificateProfile(
    CertificateKind.LG_USER,
    (
        Slot(KeyUsage, critical=True, fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE}))),
        Slot(ExtendedKeyUsage, fixed=ExtendedKeyUsage((CLIENT_AUTH,))),
        Slot(CertificatePolicies, critical=True),
        Slot(IssuerDirectoryName),
        Slot(DistributionPoint),
        Slot(AuthorityAccess, optional=True),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""A member of the government shows who is there; the key never binds anybody to a document."""

LG_ENCRYPTION = CertificateProfile(
    CertificateKind.LG_ENCRYPTION,
    (
        Slot(
            KeyUsage,
            critical=True,
            fixed=KeyUsage(frozenset({KeyUse.KEY_ENCIPHERMENT, KeyUse.DATA_ENCIPHERMENT})),
        ),
        Slot(CertificatePolicies, critical=True),
        Slot(IssuerDirectoryName),
        Slot(DistributionPoint),
        Slot(AuthorityAccess, optional=True),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""Others encrypt to this key; it signs nothing."""


def local_subject(authority: DirectoryName, holder: LocalHolder) -> DirectoryName:
    """The authority's country and organisation, then OU=government, OU=unit if there is one, CN=name."""
    unit = () if holder.unit is None else ((Attribute.OU, holder.unit),)
    return DirectoryName(authority.steps[:2]).child(
        (Attribute.OU, holder.government), *unit, (Attribute.CN, holder.name)
    )
