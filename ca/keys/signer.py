"""The one door through which anything is signed, and what belongs to it: key identifiers, checking a signature."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from ca.errors import BadInput, KeyRefused
from ca.suites import SHA256_RSA2048, SUITES, Digest, Suite

_HASHES: Mapping[Digest, hashes.HashAlgorithm] = MappingProxyType({Digest.SHA256: hashes.SHA256()})
assert _HASHES.keys() == set(Digest), "each digest needs a row"

# RSASSA-PKCS1-v1_5 (RFC 8017 8.2), the scheme of every RSA algorithm identifier here (RFC 4055 5).
_PKCS1 = padding.PKCS1v15()
_PKCS1_ALGORITHMS = frozenset({SHA256_RSA2048.algorithm})
assert {suite.algorithm for suite in SUITES.values()} <= _PKCS1_ALGORITHMS, "each suite needs a way to sign"

# The largest keys in sight are RSA-16384 and ML-DSA-87, both near 2,600 octets.
_PUBLIC_KEY_LIMIT = 8192


class Signer(Protocol):
    """What can sign with one private key, wherever the key lies. Safe to use from several threads."""

    @property
    def public_key(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7)."""
        ...

    def sign(self, message: bytes, suite: Suite) -> bytes:
        """The raw signature value over the message; KeyRefused if the suite does not fit the key."""
        ...


class SoftwareSigner:
    """Signs with an RSA key held in this process. Nothing else in the product calls a private key's ``sign``."""

    __slots__ = ("_name", "_private", "_public")

    def __init__(self, name: str, private: rsa.RSAPrivateKey) -> None:
        self._name = name
        self._private = private
        self._public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def __repr__(self) -> str:
        return f"SoftwareSigner({self._name}, key identifier {key_identifier(self._public).hex()})"

    @property
    def public_key(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""
        return self._public

    def require(self, suite: Suite) -> None:
        """Raise KeyRefused unless this key is one that the suite signs with."""
        require_fit(f"key {self._name}", self._private.key_size, suite)

    def sign(self, message: bytes, suite: Suite) -> bytes:
        """The raw signature value over the message; KeyRefused if the suite does not fit the key."""
        self.require(suite)
        return self._private.sign(message, _PKCS1, _HASHES[suite.digest])


def verify(public_key: bytes, suite: Suite, message: bytes, signature: bytes) -> None:
    """Raise KeyRefused unless the signature over the message is right.

    Used right after signing: a signature computed on faulty hardware must not leave the house, since one wrong
    RSA-CRT signature gives the private key away.

    Args:
        public_key: DER SubjectPublicKeyInfo.
        suite: The suite the message was signed under.
        message: The octets that were signed.
        signature: The raw signature value.
    """
    key = _rsa_public_key(public_key)
    require_fit("public key", key.key_size, suite)
    try:
        key.verify(signature, message, _PKCS1, _HASHES[suite.digest])
    except InvalidSignature:
        raise KeyRefused(
            f"key {key_identifier(public_key).hex()}", f"made a wrong {suite.id} signature"
        ) from None


def key_identifier(public_key: bytes) -> bytes:
    """The key identifier of RFC 5280 4.2.1.2 method 1: SHA-1 over the value of the subjectPublicKey BIT STRING.

    Args:
        public_key: DER SubjectPublicKeyInfo, of any algorithm.

    Raises:
        BadInput: The octets are not one SubjectPublicKeyInfo in DER.
    """
    if len(public_key) > _PUBLIC_KEY_LIMIT:
        raise BadInput("public key", f"longer than {_PUBLIC_KEY_LIMIT} octets")
    info, after = _element(public_key, 0x30)
    _algorithm, rest = _element(info, 0x30)
    bits, trailing = _element(rest, 0x03)
    # X.690 8.6.2.2: the first octet counts unused bits; a public key has none.
    if after or trailing or len(bits) < 2 or bits[0] != 0:
        raise _not_a_public_key()
    # Method 1 is a name, not a protection: nothing rests on SHA-1 being free of collisions here.
    return hashlib.sha1(bits[1:], usedforsecurity=False).digest()


def _element(octets: bytes, tag: int) -> tuple[bytes, bytes]:
    """The contents of the DER element of this tag that the octets begin with, and what follows it."""
    if len(octets) < 2 or octets[0] != tag:
        raise _not_a_public_key()
    start, length = 2, octets[1]
    if length >= 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(octets[2:start], "big")
        # X.690 10.1: the length is definite and written in the fewest octets.
        if length < 0x80 or octets[2] == 0:
            raise _not_a_public_key()
    if start + length > len(octets):
        raise _not_a_public_key()
    return octets[start : start + length], octets[start + length :]


def _not_a_public_key() -> BadInput:
    return BadInput("public key", "is not a SubjectPublicKeyInfo in DER", clause="RFC 5280 4.1.2.7")


@lru_cache(maxsize=1024)  # verifying follows every signature, and reading the key costs as much as the check
def _rsa_public_key(public_key: bytes) -> rsa.RSAPublicKey:
    key = None
    if len(public_key) <= _PUBLIC_KEY_LIMIT:
        try:
            key = load_der_public_key(public_key)
        except (ValueError, UnsupportedAlgorithm):
            key = None
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyRefused("public key", "is not an RSA SubjectPublicKeyInfo in DER", clause="RFC 3279 2.3.1")
    return key


def require_fit(place: str, key_bits: int, suite: Suite) -> None:
    """Raise KeyRefused, naming the place, unless an RSA key of this length is one that the suite signs with."""
    if suite.algorithm not in _PKCS1_ALGORITHMS:
        raise KeyRefused(place, f"is an RSA key and cannot serve the suite {suite.id}")
    if key_bits != suite.key_bits:
        raise KeyRefused(place, f"has {key_bits} bits; the suite {suite.id} needs {suite.key_bits}")
