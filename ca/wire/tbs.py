"""To-be-signed certificate bytes from drafts, and what signing makes of them (RFC 5280 4.1)."""

from __future__ import annotations

from ca.profiles.drafting import CertificateDraft
from ca.suites import KeyFamily, Suite
from ca.wire import der
from ca.wire.extensions import encode_extension
from ca.wire.names import encode_name

VERSION_3 = der.context(0, der.integer(2))
"""The version field of every certificate that has extensions (RFC 5280 4.1.2.1)."""


def algorithm_identifier(suite: Suite) -> bytes:
    """AlgorithmIdentifier of a suite: RSA's has NULL parameters (RFC 4055 5), others none (RFC 5758 3.2, 9881 2)."""
    parameters = der.NULL if suite.family is KeyFamily.RSA else b""
    return der.sequence(der.oid(suite.algorithm), parameters)


def tbs_certificate(draft: CertificateDraft) -> bytes:
    """The TBSCertificate of a draft."""
    return der.sequence(
        VERSION_3,
        der.integer(draft.serial.value),
        algorithm_identifier(draft.suite),
        encode_name(draft.issuer),
        der.sequence(der.time(draft.period.not_before), der.time(draft.period.not_after)),
        encode_name(draft.subject.name),
        draft.subject.public_key,
        der.context(
            3,
            der.sequence(
                *(encode_extension(placed.value, critical=placed.critical) for placed in draft.extensions)
            ),
        ),
    )


def signed(tbs: bytes, suite: Suite, signature: bytes) -> bytes:
    """A Certificate or CertificateList: what was signed, how, and the signature (RFC 5280 4.1.1, 5.1.1)."""
    return der.sequence(tbs, algorithm_identifier(suite), der.bit_string(signature))
