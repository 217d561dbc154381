"""PDF files signed by the signature key: PAdES baseline B (ETSI EN 319 142-1) by pyHanko, the key staying in the card."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from asn1crypto import x509
from pyhanko.pdf_utils.incremental_writer import (
    IncrementalPdfFileWriter,
)
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, Signer
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ca.errors import BadInput
from front.card.key import CardKey
from front.card.signing import certificate_for_signing

# Octets; an RSA-4096 signature has as many.
_ROOM = 512
# With what pyHanko ends when a file is no PDF, or a broken one.
_BROKEN = (
    PdfError,
    SigningError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    RecursionError,
    zlib.error,
)


def sign_pdf(content: bytes, key: CardKey, chain: Sequence[bytes], at: datetime) -> bytes:
    """The PDF with a further revision that bears an invisible signature; what was there before stays as it is.

    Raises:
        BadInput: It is no PDF that can be signed: broken, encrypted, or closed against further signatures.
        KeyRefused, NotFound, TokenFailed: See ``front.card.signing.sign_file``.
    """
    signer = _CardSigner(key, certificate_for_signing(key, at), chain)
    # A field of its own for each revision that is signed; no one name is free in every file.
    name = f"Signature-{hashlib.sha256(content).hexdigest()[:16]}"
    metadata = PdfSignatureMetadata(
        field_name=name, md_algorithm=key.suite.digest.value, subfilter=SigSeedSubFilter.PADES
    )
    try:
        writer = IncrementalPdfFileWriter(BytesIO(content))
        if writer.prev.encrypted:
            raise BadInput("file", "is an encrypted PDF", remedy="Sign it before it is encrypted")
        signed: BytesIO = _AtMoment(metadata, signer=signer, at=at).sign_pdf(writer, output=BytesIO())
    except _BROKEN as error:
        raise BadInput("file", f"is a PDF that cannot be signed ({type(error).__name__})") from None
    return signed.getvalue()


class _CardSigner(Signer):
    """pyHanko's hand, that hands in what is to be signed."""

    def __init__(self, key: CardKey, certificate: bytes, chain: Sequence[bytes]) -> None:
        registry = SimpleCertificateStore()
        registry.register_multiple([x509.Certificate.load(der) for der in chain])
        super().__init__(
            signing_cert=x509.Certificate.load(certificate), cert_registry=registry, embed_roots=False
        )
        self._card = key

    async def async_sign_raw(
        self,
        data: bytes,
        digest_algorithm: str,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - pyHanko's signature
    ) -> bytes:
        """The signature value, or as many octets as it may have."""
        assert digest_algorithm == self._card.suite.digest.value, "the metadata name the suite's own"
        return bytes(_ROOM) if dry_run else self._card.sign(data, self._card.suite)


class _AtMoment(PdfSigner):
    """Signs at a given moment; pyHanko would read the machine's clock."""

    def __init__(self, metadata: PdfSignatureMetadata, *, signer: Signer, at: datetime) -> None:
        super().__init__(metadata, signer=signer)
        self._at = at

    def init_signing_session(self, *arguments: Any, **others: Any) -> Any:
        """pyHanko's, with the moment."""
        session = super().init_signing_session(*arguments, **others)
        session.system_time = self._at
        return session
