"""The one door through which anything is signed, and what belongs to it: key identifiers, checking a signature."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from ca.errors import BadInput, KeyRefused
from ca.suites import SUITES, Digest, KeyFamily, Suite

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

CURVES: Mapping[int, ec.EllipticCurve] = MappingProxyType({256: ec.SECP256R1(), 384: ec.SECP384R1()})
"""The curves of EC keys by their size in bits (FIPS 186-5: P-256, P-384)."""
assert {suite.key_bits for suite in SUITES.values() if suite.family is KeyFamily.EC} <= CURVES.keys()

_HASHES: Mapping[Digest, hashes.HashAlgorithm] = MappingProxyType(
    {Digest.SHA256: hashes.SHA256(), Digest.SHA384: hashes.SHA384()}
)
assert _HASHES.keys() == set(Digest), "each digest needs a row"

# RSASSA-PKCS1-v1_5 (RFC 8017 8.2), the scheme of every RSA algorithm identifier here (RFC 4055 5).
_PKCS1 = padding.PKCS1v15()
# What stands before the hash in a DigestInfo (RFC 8017 9.2 note 1).
_DIGEST_INFO: Mapping[Digest, bytes] = MappingProxyType(
    {
        Digest.SHA256: bytes.fromhex("3031300d060960864801650304020105000420"),
        Digest.SHA384: bytes.fromhex("3041300d060960864801650304020205000430"),
    }
)
assert _DIGEST_INFO.keys() == set(Digest), "each digest needs a row"

LONGEST_RSA = 8192
"""Bits of the longest RSA key of others that is still looked at: a signature of it takes about a millisecond to check."""

# The largest keys in sight are RSA-16384 and ML-DSA-87, both near 2,600 octets.
_PUBLIC_KEY_LIMIT = 8192


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
        """The same over a message of which only the suite's digest is at hand: a long list is never in memory."""
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
        return self._sign(message, suite, _HASHES[suite.digest])

    def sign_digest(self, digest: bytes, suite: Suite) -> bytes:
        """The same over a message whose digest this is."""
        return self._sign(digest, suite, Prehashed(_HASHES[suite.digest]))

    def _sign(self, message: bytes, suite: Suite, digest: hashes.HashAlgorithm | Prehashed) -> bytes:
        self.require(suite)
        if suite.family is KeyFamily.RSA:
            return self._private.sign(message, _PKCS1, digest)  # type: ignore[call-arg,arg-type]  # the key fits
        return self._private.sign(message, ec.ECDSA(digest))  # type: ignore[call-arg,arg-type]


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
    _require_right(public_key, suite, message, signature, _HASHES[suite.digest])


def verify_digest(public_key: bytes, suite: Suite, digest: bytes, signature: bytes) -> None:
    """The same over a message of which only the suite's digest is at hand."""
    _require_right(public_key, suite, digest, signature, Prehashed(_HASHES[suite.digest]))


def _require_right(
    public_key: bytes,
    suite: Suite,
    message: bytes,
    signature: bytes,
    digest: hashes.HashAlgorithm | Prehashed,
) -> None:
    try:
        _check(public_key, suite)(signature, message, digest)
    except InvalidSignature:
        raise KeyRefused(
            f"key {key_identifier(public_key).hex()}", f"made a wrong {suite.id} signature"
        ) from None


@lru_cache(maxsize=1024)  # authorities and responders name theirs in everything they sign
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
def read_public_key(public_key: bytes) -> PublicKey:
    """The RSA or EC key of a DER SubjectPublicKeyInfo, or KeyRefused."""
    key = None
    if len(public_key) <= _PUBLIC_KEY_LIMIT:
        try:
            key = load_der_public_key(public_key)
        except (ValueError, UnsupportedAlgorithm):
            key = None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise KeyRefused(
            "public key", "is not an RSA or EC SubjectPublicKeyInfo in DER", clause="RFC 3279 2.3.1, 2.3.5"
        )
    return key


@lru_cache(maxsize=1024)  # verifying follows every signature, and reading the key costs as much as the check
def _check(
    public_key: bytes, suite: Suite
) -> Callable[[bytes, bytes, hashes.HashAlgorithm | Prehashed], None]:
    """What checks (signature, message, how it is hashed) by this key, once it was found to fit the suite."""
    key = read_public_key(public_key)
    if not _is_longer(key, suite):
        require_fit("public key", key, suite)
    if isinstance(key, rsa.RSAPublicKey):
        return lambda signature, message, digest: key.verify(signature, message, _PKCS1, digest)
    return lambda signature, message, digest: key.verify(signature, message, ec.ECDSA(digest))


def _is_longer(key: PublicKey, suite: Suite) -> bool:
    """Whether it is an RSA key that others may have taken under the suite's algorithm: as good as ours, or better."""
    return (
        suite.family is KeyFamily.RSA
        and isinstance(key, rsa.RSAPublicKey)
        and suite.key_bits < key.key_size <= LONGEST_RSA
    )


def require_fit(place: str, key: PrivateKey | PublicKey, suite: Suite) -> None:
    """Raise KeyRefused, naming the place, unless this is a key that the suite signs with."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        family, found = KeyFamily.RSA, f"{key.key_size} bits"
    else:
        family, found = KeyFamily.EC, f"the curve {key.curve.name}"
    if family is not suite.family:
        raise KeyRefused(place, f"is an {family} key and cannot serve the suite {suite.id}")
    # Curves are told apart by name: others have as many bits.
    wanted = (
        f"{suite.key_bits} bits" if family is KeyFamily.RSA else f"the curve {CURVES[suite.key_bits].name}"
    )
    if found != wanted:
        raise KeyRefused(place, f"has {found}; the suite {suite.id} needs {wanted}")
