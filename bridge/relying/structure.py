"""What each certificate of a path must be before RFC 5280 6.1 is applied: rules as a table, each with its clause.

The library that applies 6.1 takes certificates as they come; what it leaves to its caller is refused here. The anchor
is trusted by decision; only a critical extension that is not known here speaks against it, since whoever trusts it
wanted that to count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.relying.path import CandidatePath
from bridge.relying.rejection import PathRejected, Reason
from ca.profiles import extensions as ext
from ca.wire.facts import NAME_CONSTRAINTS, CertificateFacts

INHIBIT_ANY_POLICY = "2.5.29.54"
ANY_PURPOSE = "2.5.29.37.0"

PROCESSED = frozenset(
    {
        ext.KeyUsage.oid,
        ext.ExtendedKeyUsage.oid,
        ext.BasicConstraints.oid,
        ext.CertificatePolicies.oid,
        ext.PolicyMappings.oid,
        ext.PolicyConstraints.oid,
        ext.SubjectOtherNames.oid,
        ext.DistributionPoint.oid,
        ext.AuthorityAccess.oid,
        ext.AuthorityKey.oid,
        ext.SubjectKey.oid,
        ext.OcspNoCheck.oid,
        NAME_CONSTRAINTS,
        INHIBIT_ANY_POLICY,
    }
)
"""Extensions that may be critical, since this relying party or the library under it processes them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement: where it stands, what is said of a certificate that breaks it, and how to see that."""

    clause: str
    problem: str
    broken_by: Callable[[CertificateFacts], bool]


_UNKNOWN = Rule(
    "RFC 5280 4.2",
    "has a critical extension that is not known here",
    lambda certificate: any(
        extension.critical and extension.oid not in PROCESSED for extension in certificate.extensions
    ),
)

EVERY = (
    Rule("RFC 5280 4.1.2.1", "is not of version 3", lambda certificate: certificate.version != 3),
    Rule(
        "RFC 5280 4.1.1.2",
        "names two signature algorithms",
        lambda certificate: certificate.signed.outer != certificate.signed.inner,
    ),
    Rule("RFC 5280 4.1.2.4", "has no issuer name", lambda certificate: not certificate.issuer.folded),
    Rule(
        "RFC 5280 4.2",
        "has one extension twice",
        lambda certificate: (
            len({extension.oid for extension in certificate.extensions}) < len(certificate.extensions)
        ),
    ),
    _UNKNOWN,
)
"""For every certificate but the anchor's."""

ISSUERS = (
    Rule("RFC 5280 6.1.4 (k)", "is not a CA's certificate", lambda certificate: not certificate.is_ca),
    Rule(
        "RFC 5280 6.1.4 (n)",
        "has a key that may not sign certificates",
        lambda certificate: (
            certificate.key_usage is not None and ext.KeyUse.KEY_CERT_SIGN not in certificate.key_usage
        ),
    ),
    Rule(
        "RFC 5280 4.2.1.12",
        "has a key for purposes of which signing certificates is none",
        lambda certificate: certificate.purposes is not None and ANY_PURPOSE not in certificate.purposes,
    ),
)
"""For every certificate between the anchor's and the one to verify."""


def check_structure(path: CandidatePath) -> None:
    """Raise PathRejected at the first certificate, from the anchor down, that breaks a rule."""
    for step, certificate in enumerate(path.certificates):
        for rule in _rules(step, path.last):
            if rule.broken_by(certificate):
                raise PathRejected(
                    certificate.place, rule.problem, step=step, reason=Reason.STRUCTURE, clause=rule.clause
                )


def _rules(step: int, last: int) -> tuple[Rule, ...]:
    if step == 0:
        return (_UNKNOWN,)
    return EVERY if step == last else EVERY + ISSUERS
