"""The one door through which anything is signed, and what belongs to it: key identifiers, checking a signature."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.errors import BadInput, KeyRefused
from ca.keys.kinds import (
    PUBLIC_KEY_LIMIT,
    MlDsaPublicKey,
    PrivateKey,
    read_public_key,
    require_fit,
    require_serving,
)
from ca.suites import Digest, Hashing, KeyFamily, Suite

_HASHES: Mapping[Digest, hashes.HashAlgorithm] = MappingProxyType(
    {
        Digest.SHA1: hashes.SHA1(),  # noqa: S303 - for suites of the past, which nothing uses unasked
        Digest.SHA256: hashes.SHA256(),
        Digest.SHA384: hashes.SHA384(),
        Digest.SHA512: hashes.SHA512(),
    }
)
assert _HASHES.keys() == set(Digest), "each digest needs a row"

# RSASSA-PKCS1-v1_5 (RFC 8017 8.2), the scheme of every RSA algorithm identifier here (RFC 4055 5).
_PKCS1 = padding.PKCS1v15()
# What stands before the hash in a DigestInfo (RFC 8017 9.2 note 1).
_DIGEST_INFO: Mapping[Digest, bytes] = MappingProxyType(
    {
        Digest.SHA1: bytes.fromhex("3021300906052b0e03021a05000414"),
        Digest.SHA256: bytes.fromhex("3031300d060960864801650304020105000420"),
        Digest.SHA384: bytes.fromhex("3041300d060960864801650304020205000430"),
        Digest.SHA512: bytes.fromhex("3051300d060960864801650304020305000440"),
    }
)
assert _DIGEST_INFO.keys() == set(Digest), "each digest needs a row"


class Signer(Protocol):
    """What can sign with one private key, wherever the key lies. Safe to use from several threads."""

    @property
    def public_key(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7)."""
        ...

    @property
    def checks(self) -> bool:
        """Whether it compares each signature with the public key before it gives it out; else ``verify`` is to."""
        ...

    def sign(self, message: bytes, suite: Suite) -> bytes:
        """The raw signature value over the message; KeyRefused if the suite does not fit the key."""
        ...

    def sign_digest(self, digest: bytes, suite: Suite) -> bytes:
        """The same over a message of which only what ``hasher`` makes of it is at hand: a long list is never in memory."""
        ...


class SoftwareSigner:
    """Signs with a key held in this process."""

    __slots__ = ("_fits", "_name", "_private", "_public")

    def __init__(self, name: str, private: PrivateKey) -> None:
        self._name = name
        self._private = private
        self._fits: Suite | None = None  # the suite that this key was found to fit last
        self._public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def __repr__(self) -> str:
        return f"SoftwareSigner({self._name}, key identifier {key_identifier(self._public).hex()})"

    @property
    def public_key(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""
        return self._public

    @property
    def checks(self) -> bool:
        """With RSA: OpenSSL, which computes by the Chinese remainders, raises the result to the public exponent."""
        return isinstance(self._private, rsa.RSAPrivateKey)

    def require(self, suite: Suite) -> None:
        """Raise KeyRefused unless this key is one that the suite signs with."""
        if suite is not self._fits:
            require_fit(f"key {self._name}", self._private, suite)
            self._fits = suite

    def sign(self, message: bytes, suite: Suite) -> bytes:
        """The raw signature value over the message; KeyRefused if the suite does not fit the key."""
        self.require(suite)
        match self._private:
            case rsa.RSAPrivateKey() as key:
                return key.sign(message, _PKCS1, _HASHES[suite.digest])
            case ec.EllipticCurvePrivateKey() as key:
                return key.sign(message, ec.ECDSA(_HASHES[suite.digest]))
            case key:
                return key.sign(message)

    def sign_digest(self, digest: bytes, suite: Suite) -> bytes:
        """The same over a message of which ``hasher`` has made this."""
        self.require(suite)
        match self._private:
            case rsa.RSAPrivateKey() as key:
                return key.sign(digest, _PKCS1, Prehashed(_HASHES[suite.digest]))
            case ec.EllipticCurvePrivateKey() as key:
                return key.sign(digest, ec.ECDSA(Prehashed(_HASHES[suite.digest])))
            case key:
                return key.sign_mu(digest)


class TokenKey(Protocol):
    """A private key inside a PKCS#11 token, as python-pkcs11 hands it out."""

    def sign(self, data: bytes, **options: Any) -> bytes:
        """What the token makes of these octets."""
        ...


def sign_in_token(key: TokenKey, mechanism: object, digest: bytes, suite: Suite) -> bytes:
    """The raw signature value over a message, made by a token; the key was found to fit the suite.

    Args:
        key: The private key.
        mechanism: Of PKCS#11: CKM_RSA_PKCS or CKM_ECDSA, which take what was hashed already.
        digest: The message's, by the suite's hash function: not every token has each combined mechanism, and none
            has to be sent a long list.
        suite: The suite to sign under.
    """
    if suite.family is KeyFamily.RSA:
        return key.sign(_DIGEST_INFO[suite.digest] + digest, mechanism=mechanism)
    value = key.sign(digest, mechanism=mechanism)
    # A token gives r and s in one length each (PKCS#11 v2.40 2.3.1); certificates have them in DER (RFC 3279 2.2.3).
    half = len(value) // 2
    return encode_dss_signature(int.from_bytes(value[:half]), int.from_bytes(value[half:]))


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
    _require_right(public_key, suite, message, signature, whole=True)


def verify_digest(public_key: bytes, suite: Suite, digest: bytes, signature: bytes) -> None:
    """The same over a message of which only what ``hasher`` makes of it is at hand."""
    _require_right(public_key, suite, digest, signature, whole=False)


def hasher(public_key: bytes, suite: Suite) -> Hashing:
    """What makes of a message, part by part, what ``sign_digest`` and ``verify_digest`` take.

    The suite's hash function; with ML-DSA what FIPS 204 calls mu, into which the public key goes first (6.2, step 6).
    """
    if suite.family is KeyFamily.ML_DSA:
        key = read_public_key(public_key)
        require_fit("public key", key, suite)
        return _Mu(cast("MlDsaPublicKey", key))
    return hashlib.new(suite.digest, usedforsecurity=not suite.legacy)


class _Mu:
    """Hashes to the message representative of an ML-DSA key."""

    def __init__(self, key: MlDsaPublicKey) -> None:
        self._hashing = mldsa.MLDSAMuHasher(key)

    def update(self, part: bytes, /) -> None:
        self._hashing.update(part)

    def digest(self) -> bytes:
        return self._hashing.finalize()


def _require_right(public_key: bytes, suite: Suite, message: bytes, signature: bytes, *, whole: bool) -> None:
    try:
        _check(public_key, suite, whole)(signature, message)
    except InvalidSignature:
        raise KeyRefused(
            f"key {key_identifier(public_key).hex()}", f"made a wrong {suite.id} signature"
        ) from None


@lru_cache(maxsize=1024)  # verifying follows every signature, and reading the key costs as much as the check
def _check(public_key: bytes, suite: Suite, whole: bool) -> Callable[[bytes, bytes], None]:  # noqa: FBT001 - a cache's key
    """What checks (signature, message) by this key, once it was found to fit; of a whole message, or of its digest."""
    key = read_public_key(public_key)
    require_serving("public key", key, suite)
    function = _HASHES[suite.digest]
    digest = function if whole else Prehashed(function)
    match key:
        case rsa.RSAPublicKey():
            return lambda signature, message: key.verify(signature, message, _PKCS1, digest)
        case ec.EllipticCurvePublicKey():
            return lambda signature, message: key.verify(signature, message, ec.ECDSA(digest))
        case _:
            return key.verify if whole else key.verify_mu


@lru_cache(maxsize=1024)  # authorities and responders name theirs in everything they sign
def key_identifier(public_key: bytes) -> bytes:
    """The key identifier of RFC 5280 4.2.1.2 method 1: SHA-1 over the value of the subjectPublicKey BIT STRING.

    Args:
        public_key: DER SubjectPublicKeyInfo, of any algorithm.

    Raises:
        BadInput: The octets are not one SubjectPublicKeyInfo in DER.
    """
    if len(public_key) > PUBLIC_KEY_LIMIT:
        raise BadInput("public key", f"longer than {PUBLIC_KEY_LIMIT} octets")
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
