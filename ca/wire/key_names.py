"""Which key a certificate is for, in a word: ``RSA-2048``, ``P-256``, ``ML-DSA-65``.

An inventory asks this of millions of certificates, so the way to the key is walked by lengths alone. What is asked lies in
a store, where nothing comes in that was not read and linted before; octets that lead nowhere all the same are UNREADABLE.
"""

from __future__ import annotations

from ca.wire import der, walk

UNREADABLE = "unreadable"
"""What is said of octets that are neither a certificate nor its TBSCertificate."""

_RSA = der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NULL)  # RFC 3279 2.3.1
_EC = "1.2.840.10045.2.1"
_CURVES = {
    "1.2.840.10045.3.1.7": "P-256",  # RFC 5480 2.1.1.1
    "1.3.132.0.34": "P-384",
    "1.3.132.0.35": "P-521",
}
_ALGORITHMS = {
    "1.3.101.112": "Ed25519",  # RFC 8410 3
    "1.3.101.113": "Ed448",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",  # RFC 9881 2
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
}
_SEQUENCE, _VERSION, _BEFORE_THE_KEY = 0x30, 0xA0, 5
"""Between serial number and key: the serial itself, algorithm, issuer, validity, subject (RFC 5280 4.1)."""


def certified(encoded: bytes) -> str:
    """The key that a Certificate, or a TBSCertificate, is for; UNREADABLE if it is neither."""
    try:
        at = _contents(encoded, 0)
        if encoded[at] == _SEQUENCE:  # a Certificate begins with what was signed
            at = _contents(encoded, at)
        if encoded[at] == _VERSION:
            at = _end(encoded, at)
        for _ in range(_BEFORE_THE_KEY):
            at = _end(encoded, at)
        return _name(encoded, at)
    except (IndexError, ValueError):
        return UNREADABLE


def name_of(info: bytes) -> str:
    """The same for an encoded SubjectPublicKeyInfo."""
    try:
        return _name(info, 0)
    except (IndexError, ValueError):
        return UNREADABLE


def _name(octets: bytes, at: int) -> str:
    """What the SubjectPublicKeyInfo that begins here holds. Algorithms without a name here go by their number."""
    at = _contents(octets, at)
    bits = _end(octets, at)
    algorithm = octets[at:bits]
    if algorithm == _RSA:
        modulus = _contents(octets, _contents(octets, bits) + 1)  # behind the count of unused bits
        number = octets[_contents(octets, modulus) : _end(octets, modulus)]
        return f"RSA-{int.from_bytes(number, 'big').bit_length()}"
    outside = walk.only(algorithm, _SEQUENCE)
    first, *parameters = walk.elements(algorithm, outside.start, outside.end)
    number_of = walk.oid(first.whole(algorithm))
    if number_of == _EC and parameters:
        curve = walk.oid(parameters[0].whole(algorithm))
        return _CURVES.get(curve, f"EC {curve}")
    return _ALGORITHMS.get(number_of, number_of)


def _contents(octets: bytes, at: int) -> int:
    """Where the contents of the element begin that begins here (X.690 8.1.3)."""
    length = octets[at + 1]
    return at + 2 if length < 0x80 else at + 2 + (length & 0x7F)


def _end(octets: bytes, at: int) -> int:
    """Where the element ends that begins here."""
    length = octets[at + 1]
    if length < 0x80:
        return at + 2 + length
    start = at + 2 + (length & 0x7F)
    return start + int.from_bytes(octets[at + 2 : start], "big")
