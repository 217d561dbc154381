"""Sealing secrets: a passphrase gives the wrapping key, which opens the data key that each secret has of its own.

scrypt (RFC 7914) once, then AES-256-GCM (NIST SP 800-38D) twice for each secret. So opening costs microseconds a
secret, and what a secret is for is bound to it: in another's place it does not open.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca.errors import KeyRefused, PassphraseRefused
from ca.keys.files import FORMAT

MINIMUM_PASSPHRASE = 12
"""Characters that the passphrase of a new vault has at least."""

KEY_OCTETS = 32

_SALT = 16  # octets, like the next two
_NONCE = 12  # SP 800-38D 5.2.1.1
_TAG = 16
_WRAPPED = _NONCE + KEY_OCTETS + _TAG


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret under its data key, and the data key under the wrapping key; each as nonce, text and tag."""

    data_key: Annotated[bytes, msgspec.Meta(min_length=_WRAPPED, max_length=_WRAPPED)]
    secret: Annotated[bytes, msgspec.Meta(min_length=_NONCE + _TAG)]


class Scrypt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a passphrase becomes a wrapping key: salt and costs (RFC 7914 2).

    New vaults take 64 MiB and some 0.2 s. A file may ask for up to 256 MiB and four passes, so that the costs can
    be raised one day; it can neither demand all memory nor less work than was ever written here.
    """

    salt: Annotated[bytes, msgspec.Meta(min_length=_SALT, max_length=_SALT)]
    n: Annotated[int, msgspec.Meta(ge=1 << 16, le=1 << 18)] = 1 << 16
    r: Annotated[int, msgspec.Meta(ge=8, le=8)] = 8
    p: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1

    @classmethod
    def fresh(cls) -> Scrypt:
        """The costs of a new vault, with a new salt."""
        return cls(salt=secrets.token_bytes(_SALT))


class WrappingKey:
    """The key of a home that wraps the data key of every secret. Safe to use from several threads."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = AESGCM(key)

    def __repr__(self) -> str:
        return "WrappingKey()"

    @classmethod
    def derive(cls, passphrase: str, scrypt: Scrypt) -> WrappingKey:
        """The key that this passphrase gives; PassphraseRefused if it is not text. Takes some 0.2 s."""
        if scrypt.n & (scrypt.n - 1):
            raise KeyRefused("scrypt", f"N={scrypt.n} is not a power of two", clause="RFC 7914 2")
        # RFC 7914 5 and 6: the blocks V and B and working space; what OpenSSL counts is a little less.
        memory = 128 * scrypt.r * (scrypt.n + scrypt.p + 2) + (1 << 16)
        octets = _normal(passphrase).encode()
        return cls(
            hashlib.scrypt(
                octets,
                salt=scrypt.salt,
                n=scrypt.n,
                r=scrypt.r,
                p=scrypt.p,
                maxmem=memory,
                dklen=KEY_OCTETS,
            )
        )

    def check_value(self) -> bytes:
        """What ``require`` recognises this key by."""
        return _encrypt(self._key, b"", "passphrase check")

    def require(self, check_value: bytes, path: Path) -> None:
        """Raise PassphraseRefused, naming the file, unless this is the key that made the check value."""
        try:
            _decrypt(self._key, check_value, "passphrase check")
        except InvalidTag:
            raise PassphraseRefused(
                str(path), "the passphrase is not the one of this home, or the file was changed"
            ) from None

    def seal(self, secret: bytes, purpose: str) -> Envelope:
        """The secret, to be opened for this purpose only."""
        data_key = AESGCM.generate_key(bit_length=8 * KEY_OCTETS)
        return Envelope(
            data_key=_encrypt(self._key, data_key, f"data key of {purpose}"),
            secret=_encrypt(AESGCM(data_key), secret, purpose),
        )

    def unseal(self, envelope: Envelope, purpose: str, path: Path) -> bytes:
        """The secret; KeyRefused, naming the file, if anything was changed or another key or purpose sealed it."""
        try:
            data_key = _decrypt(self._key, envelope.data_key, f"data key of {purpose}")
            return _decrypt(AESGCM(data_key), envelope.secret, purpose)
        except InvalidTag:
            raise KeyRefused(
                str(path),
                f"is damaged, or was not sealed by this home as its {purpose}",
                remedy="Restore it from the backup of the keys",
            ) from None


def require_strength(passphrase: str) -> None:
    """Raise PassphraseRefused if a new vault should not rest on this passphrase."""
    if len(_normal(passphrase)) < MINIMUM_PASSPHRASE:
        raise PassphraseRefused(
            "passphrase", f"has fewer than {MINIMUM_PASSPHRASE} characters", remedy="Take a longer one"
        )


def _normal(passphrase: str) -> str:
    """The passphrase in one Unicode form: systems write the same kana in different ones."""
    # Surrogates stand for octets of the environment that are no UTF-8. Encoding them would raise an error that
    # carries the passphrase.
    if any("\ud800" <= character <= "\udfff" for character in passphrase):
        raise PassphraseRefused("passphrase", "is not text in UTF-8")
    return unicodedata.normalize("NFC", passphrase)


def _encrypt(key: AESGCM, text: bytes, purpose: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + key.encrypt(nonce, text, _bound(purpose))


def _decrypt(key: AESGCM, sealed: bytes, purpose: str) -> bytes:
    return key.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(purpose))


def _bound(purpose: str) -> bytes:
    """The associated data: what a sealed text is for, and the format it was sealed in."""
    return f"kakehashi key folder, format {FORMAT}: {purpose}".encode()
