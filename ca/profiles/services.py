"""Certificates of the services around an authority: OCSP, the repository's signer, time stamps, validation.

requireExplicitPolicy 0 in the cross-certificates binds these too, so each carries its authority's policies.
None has a distribution point: each is listed in its authority's full list.
"""

from __future__ import annotations

from ca.model import CertificateKind
from ca.profiles.drafting import CertificateProfile, Slot
from ca.profiles.extensions import (
    AuthorityAccess,
    AuthorityKey,
    CertificatePolicies,
    ExtendedKeyUsage,
    KeyUsage,
    KeyUse,
    OcspNoCheck,
    SubjectKey,
)

TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
SCVP_SERVER = "1.3.6.1.5.5.7.3.15"

OCSP_RESPONDER = CertificateProfile(
    CertificateKind.OCSP_RESPONDER,
    (
        Slot(KeyUsage, critical=True, fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE}))),
        Slot(ExtendedKeyUsage, critical=True, fixed=ExtendedKeyUsage((OCSP_SIGNING,))),
        Slot(CertificatePolicies, critical=True),
        Slot(AuthorityAccess, optional=True),
        Slot(AuthorityKey),
        Slot(SubjectKey),
        Slot(OcspNoCheck, fixed=OcspNoCheck()),
    ),
)
"""A delegated responder (RFC 6960 4.2.2.2): whoever asks it need not ask about it."""

NATIONAL_RESPONDER = CertificateProfile(CertificateKind.NATIONAL_RESPONDER, OCSP_RESPONDER.slots)
"""The responder that answers for every authority of a nation, and that relying parties trust directly (RFC 6960 2.2).

The anchor certifies its key as that of a responder, so that tools show what it is for; that is no authority's delegation
but the anchor's own.
"""

REPOSITORY = CertificateProfile(
    CertificateKind.REPOSITORY,
    (
        Slot(KeyUsage, critical=True, fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE}))),
        Slot(CertificatePolicies, critical=True),
        Slot(AuthorityAccess, optional=True),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""Signs the repository's manifest."""

TIME_STAMP = CertificateProfile(
    CertificateKind.TIME_STAMP,
    (
        Slot(
            KeyUsage,
            critical=True,
            fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.NON_REPUDIATION})),
        ),
        Slot(ExtendedKeyUsage, critical=True, fixed=ExtendedKeyUsage((TIME_STAMPING,))),
        Slot(CertificatePolicies, critical=True),
        Slot(AuthorityAccess, optional=True),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""Signs time stamps: one purpose alone, and critical (RFC 3161 2.3)."""

VALIDATION_SERVICE = CertificateProfile(
    CertificateKind.VALIDATION_SERVICE,
    (
        Slot(KeyUsage, critical=True, fixed=KeyUsage(frozenset({KeyUse.DIGITAL_SIGNATURE}))),
        Slot(ExtendedKeyUsage, critical=True, fixed=ExtendedKeyUsage((SCVP_SERVER,))),
        Slot(CertificatePolicies, critical=True),
        Slot(AuthorityAccess, optional=True),
        Slot(AuthorityKey),
        Slot(SubjectKey),
    ),
)
"""Signs the answers of the certificate validation server, which builds and validates paths for others (RFC 5055)."""
