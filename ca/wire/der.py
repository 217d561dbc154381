"""A DER writer for the few types that certificates and lists are made of (X.690 clauses 8 and 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

BOOLEAN_TRUE = b"\x01\x01\xff"
NULL = b"\x05\x00"


@lru_cache(maxsize=8192)  # some 50 a certificate, nearly all of them short
def header(tag: int, length: int) -> bytes:
    """Identifier and length octets for a value of this length (definite form, as short as can be)."""
    if length < 0x80:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def value(tag: int, content: bytes) -> bytes:
    """A value of this tag."""
    return header(tag, len(content)) + content


def tlv(tag: int, *parts: bytes) -> bytes:
    """A value of this tag, made of the parts one after another."""
    return value(tag, b"".join(parts))


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE."""
    return value(0x30, b"".join(parts))


def set_of_one(part: bytes) -> bytes:
    """SET OF with a single element, so that DER's ordering of elements does not arise."""
    return value(0x31, part)


def context(number: int, *parts: bytes, constructed: bool = True) -> bytes:
    """A context-specific tag: constructed for EXPLICIT and structures, primitive for IMPLICIT strings."""
    return value((0xA0 if constructed else 0x80) | number, b"".join(parts))


def integer(number: int) -> bytes:
    """INTEGER, two's complement, as short as can be."""
    magnitude = number if number >= 0 else ~number
    return value(0x02, number.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def enumerated(number: int) -> bytes:
    """ENUMERATED, as an INTEGER is written."""
    return b"\x0a" + integer(number)[1:]


def octet_string(content: bytes) -> bytes:
    """OCTET STRING."""
    return value(0x04, content)


def bit_string(content: bytes, unused: int = 0) -> bytes:
    """BIT STRING whose last octet has ``unused`` bits that do not count."""
    return value(0x03, bytes((unused,)) + content)


def utf8(text: str) -> bytes:
    """UTF8String."""
    return value(0x0C, text.encode())


def printable(text: str) -> bytes:
    """PrintableString; the caller knows that the text fits its alphabet."""
    return value(0x13, text.encode("ascii"))


def ia5(text: str) -> bytes:
    """IA5String."""
    return value(0x16, text.encode("ascii"))


@lru_cache(maxsize=256)
def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(0x80 | arc & 0x7F)
        content += bytes(reversed(septets))
    return value(0x06, bytes(content))


@lru_cache(maxsize=1024)  # certificates made in one second begin alike, and many end with the same day
def time(moment: datetime) -> bytes:
    """Time as certificates and lists write it: UTCTime to 2049, then GeneralizedTime (RFC 5280 4.1.2.5)."""
    utc = moment.astimezone(UTC)
    if 1950 <= utc.year < 2050:
        return value(0x17, utc.strftime("%y%m%d%H%M%SZ").encode())
    return generalized_time(utc)


@lru_cache(maxsize=1024)  # answers given in one second have their times in common
def generalized_time(moment: datetime) -> bytes:
    """GeneralizedTime in UTC without fractions (RFC 5280 4.1.2.5.2)."""
    utc = moment.astimezone(UTC)
    return value(0x18, f"{utc.year:04}{utc:%m%d%H%M%SZ}".encode())  # the C library may not pad %Y
