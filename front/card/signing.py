"""Documents signed by the signature key: any file by a detached CMS signature beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ca.clock import utc_text
from ca.errors import BadInput, KeyRefused
from ca.model import CertificateKind
from ca.wire.cms import detached_signature
from ca.wire.facts import read_certificate
from front.card.key import CardKey
from front.card.statements import MARK

FILE_LIMIT = 256 * 1024 * 1024
"""Octets of a file to be signed: it is in memory for a moment."""

# ISO 32000-1 annex H 3.4.1 (implementation note 13): readers look for the header within the first 1024 octets.
_PDF, _PDF_WITHIN = b"%PDF-", 1024


def is_pdf(content: bytes) -> bool:
    """Whether a file says that it is a PDF."""
    return _PDF in content[:_PDF_WITHIN]


def sign_file(content: bytes, key: CardKey, chain: Sequence[bytes], at: datetime) -> bytes:
    """A detached CMS signature (RFC 5652 5), DER, with the signer's certificate and the chain.

    Raises:
        BadInput: It is a statement for machines, which a card makes itself.
        KeyRefused: The key is no signature key, its certificate or its suite is out of its time.
        NotFound: There is no certificate yet.
        TokenFailed: The token fails.
    """
    if content.startswith(MARK):
        # A stranger's "document" would otherwise ask in the holder's name for the end of the certificate.
        raise BadInput("file", "is a statement to machines, which is not signed as a document")
    certificate = certificate_for_signing(key, at)
    return detached_signature(
        content,
        signer_certificate=certificate,
        other_certificates=chain,
        suite=key.suite,
        sign=key.sign,
        at=at,
    )


def certificate_for_signing(key: CardKey, at: datetime) -> bytes:
    """The certificate of a signature key that may sign documents at this moment; see ``sign_file``."""
    place = f"card {key.number}"
    if key.kind is not CertificateKind.SIGNATURE:
        raise KeyRefused(place, f"its {key.kind} key signs no documents", clause="JPKI profile, keyUsage")
    key.require_usable(at)
    encoded = key.require_certificate()
    facts = read_certificate(encoded, f"{place}, signature certificate")
    if not facts.not_before <= at <= facts.not_after:
        raise KeyRefused(
            facts.place,
            f"is valid from {utc_text(facts.not_before)} to {utc_text(facts.not_after)}, and not now",
            clause="RFC 5280 4.1.2.5",
        )
    return encoded
