"""Which encoded keys have one private key: told apart by their octets, they would pass for several.

Both points of a curve over one x are such a pair: d is the private key of Q, and n - d that of -Q. To an RSA modulus there
is a key for nearly every exponent, so one exponent alone is certified (``ca.suites.RsaKeys``). Of ML-DSA nothing of the
kind is known.
"""

from __future__ import annotations

from typing import NamedTuple

from ca.wire import der

_EC = der.oid("1.2.840.10045.2.1")


class _Curve(NamedTuple):
    """A curve: what stands before a point's coordinates, octets of a coordinate, the prime of its field."""

    before: bytes
    size: int
    prime: int

    @classmethod
    def of(cls, oid: str, prime: int) -> _Curve:
        size = prime.bit_length() // 8
        whole = der.sequence(der.sequence(_EC, der.oid(oid)), der.bit_string(b"\4" + bytes(2 * size)))
        return cls(whole[: -2 * size], size, prime)


# RFC 5480 2.1.1.1; SP 800-186 3.2.1.
_CURVES = (
    _Curve.of("1.2.840.10045.3.1.7", 2**256 - 2**224 + 2**192 + 2**96 - 1),
    _Curve.of("1.3.132.0.34", 2**384 - 2**128 - 2**96 + 2**32 - 1),
)


def same_key(info: bytes) -> tuple[bytes, ...]:
    """Every SubjectPublicKeyInfo whose private key is this one's or reckoned from it; this one first.

    Args:
        info: In the form of a certificate, as ``ca.issuing.subject_keys`` asks for it. Another has none beside it.
    """
    for before, size, prime in _CURVES:
        if info.startswith(before) and len(info) == len(before) + 2 * size:
            y = int.from_bytes(info[-size:], "big")
            return info, info[:-size] + (-y % prime).to_bytes(size, "big")
    return (info,)
