"""Certificates of certificate authorities: self-signed, link and cross (domain facts: the old bridge, GPKI)."""

from __future__ import annotations

from ca.model import CertificateKind
from ca.profiles.drafting import CertificateProfile, Slot
from ca.profiles.extensions import (
    AuthorityAccess,
    AuthorityKey,
    BasicConstraints,
    CertificatePolicies,
    DistributionPoint,
    IssuerDirectoryName,
    KeyUsage,
    KeyUse,
    NameConstraints,
    PolicyConstraints,
    PolicyMappings,
    SubjectAccess,
    SubjectDirectoryName,
    SubjectKey,
)

_CA_KEY_USAGE = KeyUsage(frozenset({KeyUse.KEY_CERT_SIGN, KeyUse.CRL_SIGN}))

SELF_SIGNED = CertificateProfile(
    CertificateKind.SELF_SIGNED,
    (
        Slot(KeyUsage, critical=True, fixed=_CA_KEY_USAGE),
        Slot(BasicConstraints, critical=True, fixed=BasicConstraints(ca=True)),
        Slot(SubjectDirectoryName),
        Slot(DistributionPoint),
        Slot(SubjectAccess, optional=True),
        Slot(SubjectKey),
    ),
)
"""A CA's own certificate: no policies, no authorityKeyIdentifier, and a distribution point in the root too."""

LINK = CertificateProfile(
    CertificateKind.LINK,
    (
        Slot(AuthorityKey),
        Slot(SubjectKey),
        Slot(KeyUsage, critical=True, fixed=_CA_KEY_USAGE),
        Slot(CertificatePolicies, critical=True),
        Slot(SubjectDirectoryName),
        Slot(BasicConstraints, critical=True, fixed=BasicConstraints(ca=True)),
        Slot(DistributionPoint),
        Slot(AuthorityAccess, optional=True),
        Slot(SubjectAccess, optional=True),
    ),
)
"""One authority's word, under one of its keys, for another of its keys (RFC 4210 4.4: NewWithOld and OldWithNew).

It stands in paths, where a self-signed certificate never does: from the new anchor over OldWithNew to a
cross-certificate that the old key signed. That one requires an explicit policy, and without certificatePolicies here
none would be left (RFC 5280 6.1.3 (e)). So a link carries its authority's policies; being self-issued within one
domain it maps none, and it leaves the constraining to the cross-certificates.
"""

CROSS = CertificateProfile(
    CertificateKind.CROSS,
    (
        Slot(AuthorityKey),
        Slot(SubjectKey),
        Slot(KeyUsage, critical=True, fixed=_CA_KEY_USAGE),
        Slot(CertificatePolicies, critical=True),
        # RFC 5280 4.2.1.5: conforming CAs SHOULD mark policyMappings critical. Absent within one policy domain.
        Slot(PolicyMappings, critical=True, optional=True),
        Slot(SubjectDirectoryName, optional=True),  # another nation's CA may have no Japanese name
        Slot(IssuerDirectoryName),
        Slot(BasicConstraints, critical=True, default=BasicConstraints(ca=True)),
        Slot(NameConstraints, critical=True, optional=True),
        Slot(PolicyConstraints, critical=True, fixed=PolicyConstraints(require_explicit_policy=0)),
        Slot(DistributionPoint),
        Slot(AuthorityAccess, optional=True),
        Slot(SubjectAccess, optional=True),
    ),
)
"""One CA's word for another's key. requireExplicitPolicy 0 binds every path that goes through it.

Path length and name constraints are an agreement's with a CA of another nation; within one there are none. Where that
CA publishes what it issues is not ours to say: then there is no subjectInfoAccess.
"""
