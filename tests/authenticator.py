"""An authenticator made by hand, as Web Authentication describes them: it knows nothing of the library that judges it."""

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ES256, RS1 = -7, -65535


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value):
    """As much of RFC 8949 3 as authenticators need."""
    match value:
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case dict():
            return _head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())
    raise TypeError(value)


def _head(kind, number):
    if number < 24:
        return bytes([kind << 5 | number])
    size = next(size for size in (1, 2, 4, 8) if number < 1 << 8 * size)
    return bytes([kind << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]]) + number.to_bytes(size, "big")


@dataclass(frozen=True)
class Bearing:
    """How an authenticator, and the browser around it, behave; a test changes one thing."""

    origin: str
    domain: str
    flags: int = PRESENT | VERIFIED
    kind: str | None = None  # the client data's type, if it is not the right one
    challenge: bytes | None = None
    cross_origin: bool = False
    count: int | None = None
    algorithm: int = ES256
    handle: bytes | None = None
    credential: bytes | None = None
    format: str = "none"


@dataclass
class Authenticator:
    """One that keeps one passkey and counts its signatures."""

    bearing: Bearing
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""
    count: int = 0

    def behaving(self, **changes):
        """The same passkey, in a copy that does this one thing otherwise."""
        bearing = replace(self.bearing, **changes)
        return Authenticator(bearing, self.key, self.credential, self.handle, self.count)

    def create(self, options):
        """The answer to ``navigator.credentials.create``."""
        told = self.bearing
        self.handle = unb64(options["user"]["id"])
        self.count = 1 if told.count is None else told.count
        point = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (point.x, point.y))
        key = cbor({1: 2, 3: told.algorithm, -1: 1, -2: x, -3: y})
        credential = self.credential if told.credential is None else told.credential
        attested = bytes(16) + struct.pack(">H", len(credential)) + credential + key
        data = self._data(told.flags | ATTESTED) + (attested if told.flags & 0x80 == 0 else b"")
        statement = cbor({"fmt": told.format, "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options)
        return self._answer(clientDataJSON=b64(client), attestationObject=b64(statement))

    def get(self, options):
        """The answer to ``navigator.credentials.get``."""
        told = self.bearing
        self.count = self.count + 1 if told.count is None else told.count
        data, client = self._data(told.flags), self._client("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        handle = self.handle if told.handle is None else told.handle
        return self._answer(
            clientDataJSON=b64(client),
            authenticatorData=b64(data),
            signature=b64(signature),
            userHandle=b64(handle),
        )

    def _data(self, flags):
        # Web Authentication, 6.1.
        return (
            hashlib.sha256(self.bearing.domain.encode()).digest()
            + bytes([flags & 0x7F])
            + struct.pack(">I", self.count)
        )

    def _client(self, kind, options):
        challenge = options["challenge"] if self.bearing.challenge is None else b64(self.bearing.challenge)
        told = {"type": self.bearing.kind or kind, "challenge": challenge, "origin": self.bearing.origin}
        return json.dumps(told | {"crossOrigin": self.bearing.cross_origin}).encode()

    def _answer(self, **response):
        name = b64(self.credential)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
        }
