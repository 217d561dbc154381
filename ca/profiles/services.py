"""Certificates of the services around an authority: OCSP responders and the repository's signer.

requireExplicitPolicy 0 in the cross-certificates binds these too, so each carries its authority's policies.
None has a distribution point: each is listed in its authority's full list.
"""

from __future__ import annotations

from ca.model import CertificateKind
from ca.profiles.drafting import CertificateProfile, Slot
from ca.profiles.extensions import (
    AuthorityKey,
    CertificatePolicies,
    ExtendedKeyUsage,
    KeyUsage,
    KeyUse,
    OcspNoCheck,
    SubjectKey,
)

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"

OCSP_RESPONDER = CertificateProfile(
    CertificateKind.OCSP_RESPONDER,
    (
        Slot(KeyUsage, critical=True, fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE}))),
        Slot(ExtendedKeyUsage, critical=True, fixed=ExtendedKeyUsage((OCSP_SIGNING,))),
        Slot(CertificatePolicies, critical=True),
        Slot(AuthorityKey),
        Slot(SubjectKey),
        Slot(OcspNoCheck, fixed=OcspNoCheck()),
    ),
)
"""A delegated responder (RFC 6960 4.2.2.2): whoever asks it need not ask about it."""

REPOSITORY = CertificateProfile(
    CertificateKind.REPOSITORY,
    (
        Slot(KeyUsage, critical=True, fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE}))),
        Slot(CertificatePolicies, critical=True),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""Signs the repository's manifest."""
