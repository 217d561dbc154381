"""An unlocked key of a card: it signs digests that the host hands in, and nothing leaves unchecked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ca.errors import NotFound
from ca.keys.signer import Signer, verify
from ca.model import CertificateKind
from ca.names import Attribute, DirectoryName
from ca.suites import Suite, Use, require
from ca.wire import der
from ca.wire.names import encode_name
from ca.wire.tbs import signed


@dataclass(frozen=True, slots=True)
class CardKey:
    """An unlocked application: its key signs while the card is unlocked.

    Attributes:
        certificate: The key's, DER; None as long as none was loaded.
    """

    number: str
    kind: CertificateKind
    suite: Suite
    certificate: bytes | None = field(repr=False)
    _signer: Signer = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""
        return self._signer.public_key

    def require_certificate(self) -> bytes:
        """The key's certificate, or NotFound."""
        if self.certificate is None:
            raise NotFound(
                f"card {self.number}",
                f"has no {self.kind} certificate yet",
                remedy="`kakehashi card load` takes it",
            )
        return self.certificate

    def require_usable(self, at: datetime) -> None:
        """Raise SuiteRetired unless the card's suite may sign at this moment."""
        require(self.suite, Use.SIGN, at)

    def sign(self, message: bytes, suite: Suite) -> bytes:
        """The signature value over the message, made in the card from its digest and checked here.

        Raises:
            KeyRefused: The suite is not the key's, or the signature is wrong.
            TokenFailed: The token fails.
        """
        value = self._signer.sign(message, suite)
        verify(self._signer.public_key, suite, message, value)
        return value

    def request(self, at: datetime) -> bytes:
        """A PKCS#10 request (RFC 2986), DER. Its subject is the card's number: who it is for, the window knows."""
        self.require_usable(at)
        name = DirectoryName(((Attribute.CN, self.number),))
        info = der.sequence(der.integer(0), encode_name(name), self.public_key, der.context(0))
        return signed(info, self.suite, self.sign(info, self.suite))
