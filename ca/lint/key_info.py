"""What a SubjectPublicKeyInfo says of its key, as far as rules need it (RFC 5280 4.1): its bits, its kind, its size.

No more than that is read: that it is written as a certificate wants it, and that the key is no weak one, was looked at
on intake.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from ca.suites import Curve, KeyFamily, SubjectKeyRule

_SEQUENCE, _INTEGER, _BIT_STRING = 0x30, 0x02, 0x03

_RSA = bytes.fromhex("06092a864886f70d010101")  # rsaEncryption, RFC 3279 2.3.1
_EC = bytes.fromhex("06072a8648ce3d0201")  # id-ecPublicKey, RFC 5480 2.1.1
_ALGORITHMS: Mapping[bytes, tuple[KeyFamily, int]] = MappingProxyType(
    {
        _EC + bytes.fromhex("06082a8648ce3d030107"): (KeyFamily.EC, 256),  # secp256r1
        _EC + bytes.fromhex("06052b81040022"): (KeyFamily.EC, 384),  # secp384r1
        bytes.fromhex("0609608648016503040311"): (KeyFamily.ML_DSA, 44),  # id-ml-dsa-44 and so on, RFC 9881 2
        bytes.fromhex("0609608648016503040312"): (KeyFamily.ML_DSA, 65),
        bytes.fromhex("0609608648016503040313"): (KeyFamily.ML_DSA, 87),
    }
)
"""The content of an AlgorithmIdentifier that says all of a key's kind: family and size."""

_BITS: Mapping[Curve, int] = MappingProxyType({Curve.P256: 256, Curve.P384: 384})


class KeyInfo(NamedTuple):  # made for every certificate, and a frozen class takes twice as long
    """A public key.

    Attributes:
        bits: What identifies it: the content of its subjectPublicKey.
        family: None if it is none of those that the product knows.
        size: Bits of an RSA modulus or of a curve, or ML-DSA's parameter set; 0 if it is another one, or unreadable.
        exponent: That of an RSA key.
    """

    bits: bytes
    family: KeyFamily | None
    size: int
    exponent: int = 0

    def is_allowed(self, rule: SubjectKeyRule) -> bool:
        """Whether it is of a kind, a size and (RSA) an exponent that the rule allows."""
        match self.family:
            case KeyFamily.RSA:
                rsa = rule.rsa
                return (
                    rsa is not None
                    and rsa.minimum_bits <= self.size <= rsa.maximum_bits
                    and rsa.minimum_exponent <= self.exponent <= rsa.maximum_exponent
                    and self.exponent % 2 == 1
                )
            case KeyFamily.EC:
                return any(_BITS[curve] == self.size for curve in rule.curves)
            case KeyFamily.ML_DSA:
                return self.size in rule.ml_dsa
            case None:
                return False

    def __str__(self) -> str:
        match self.family:
            case KeyFamily.RSA:
                return f"an RSA key of {self.size} bits"
            case KeyFamily.EC:
                return f"an EC key on {f'P-{self.size}' if self.size else 'another curve'}"
            case KeyFamily.ML_DSA:
                return f"an ML-DSA-{self.size} key"
            case None:
                return "a key of another algorithm"


@lru_cache(maxsize=64)  # one rule after another looks at the same key
def key_info(info: bytes) -> KeyInfo | None:
    """What a SubjectPublicKeyInfo holds, or None if it is not one: SEQUENCE { SEQUENCE, BIT STRING } in DER."""
    outer = _element(info, _SEQUENCE)
    algorithm = _element(outer[0], _SEQUENCE) if outer and not outer[1] else None
    key = _element(algorithm[1], _BIT_STRING) if algorithm else None
    # The first octet of a BIT STRING counts unused bits: none in a key.
    if algorithm is None or key is None or key[1] or key[0][:1] != b"\0" or len(key[0]) == 1:
        return None
    bits = key[0][1:]
    if algorithm[0].startswith(_RSA):
        return KeyInfo(bits, KeyFamily.RSA, *_rsa(bits))
    if known := _ALGORITHMS.get(algorithm[0]):
        return KeyInfo(bits, *known)
    return KeyInfo(bits, KeyFamily.EC if algorithm[0].startswith(_EC) else None, 0)


def _rsa(bits: bytes) -> tuple[int, int]:
    """The length of the modulus in bits and the exponent of an RSAPublicKey (RFC 8017 A.1.1); zeros if it is none."""
    numbers = _element(bits, _SEQUENCE)
    modulus = _element(numbers[0], _INTEGER) if numbers and not numbers[1] else None
    exponent = _element(modulus[1], _INTEGER) if modulus else None
    if modulus is None or exponent is None or exponent[1] or modulus[0][:1] >= b"\x80":
        return 0, 0
    return int.from_bytes(modulus[0]).bit_length(), int.from_bytes(exponent[0], signed=True)


def _element(octets: bytes, tag: int) -> tuple[bytes, bytes] | None:
    """The content of the DER element at the start, which must have this tag, and what follows it."""
    if len(octets) < 2 or octets[0] != tag:
        return None
    head, length = 2, octets[1]
    if length >= 0x80:
        head = 2 + (length & 0x7F)
        length = int.from_bytes(octets[2:head], "big")
        # X.690 10.1: the length in as few octets as can be. Four hold more than any key.
        if not 2 < head <= 6 or octets[2:3] in (b"", b"\0") or length < 0x80:
            return None
    content = octets[head : head + length]
    return (content, octets[head + length :]) if len(content) == length else None
