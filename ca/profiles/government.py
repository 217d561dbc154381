"""Certificates that the government's own authorities issue: official posts (官職)."""

from __future__ import annotations

from ca.model import CertificateKind
from ca.profiles.drafting import CertificateProfile, Slot
from ca.profiles.extensions import (
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
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""C=JP, O=government, OU=ministry, CN=post; no authorityInfoAccess."""
