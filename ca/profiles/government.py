"""Certificates that the government's own authorities issue: official posts (官職)."""

from __future__ import annotations

from ca.model import CertificateKind, OfficialPost
from ca.names import Attribute, DirectoryName
from ca.profiles.drafting import CertificateProfile, Slot
from ca.profiles.extensions import (
    AuthorityAccess,
    AuthorityKey,
    CertificatePolicies,
    DistributionPoint,
    IssuerDirectoryName,
    KeyUsage,
    KeyUse,
    SubjectKey,
)

OFFICIAL_POST = CertificateProfile(
    CertificateKind.OFFICIAL_POST,
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
"""C=JP, O=government, OU=ministry, CN=post; no authorityInfoAccess."""


def post_subject(authority: DirectoryName, post: OfficialPost) -> DirectoryName:
    """The government's country and organisation, then OU=ministry, CN=post."""
    return DirectoryName(authority.steps[:2]).child((Attribute.OU, post.ministry), (Attribute.CN, post.post))
