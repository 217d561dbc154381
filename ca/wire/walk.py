"""A DER reader for frames: elements one after another, bounded in nesting, exact about which octets are which."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, cast

from asn1crypto import core

from ca.errors import BadInput

# A directoryName in cRLDistributionPoints lies 9 deep; nothing in X.509 lies twice as deep.
_DEPTH_LIMIT = 16
# Octets. Real object identifiers stay under 32; reading a huge arc costs the square of its length.
_OID_LIMIT = 64


class NotDer(ValueError):
    """The octets are not the DER that should stand here; whoever reads turns it into BadInput with its place."""


@contextmanager
def reading(place: str, what: str) -> Iterator[None]:
    """Turn what reading raises into BadInput. The reasons are not passed on: they may quote contents."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
        raise BadInput(place, f"{what} cannot be read as DER") from None


def require_size(der: bytes, place: str, limit: int) -> None:
    """Raise BadInput unless there are octets, and no more than the limit."""
    if not 0 < len(der) <= limit:
        raise BadInput(place, f"{len(der)} octets; 1 to {limit} are read")


class Element(NamedTuple):
    """An element of the octets walked: where it begins, where its contents begin, and where both end."""

    tag: int
    at: int
    start: int
    end: int

    def whole(self, octets: bytes) -> bytes:
        """Identifier, length and contents."""
        return octets[self.at : self.end]

    def contents(self, octets: bytes) -> bytes:
        """The contents alone."""
        return octets[self.start : self.end]


def element(octets: bytes, at: int, end: int) -> Element:
    """The element that begins here and ends at ``end`` or before; its length is written as DER wants (X.690 10.1)."""
    start = at + 2
    if start > end or octets[at] & 0x1F == 0x1F:  # tags above 30 do not occur in X.509
        raise NotDer
    length = octets[at + 1]
    if length >= 0x80:
        count = length & 0x7F
        start += count
        if not 0 < count <= 4 or start > end:
            raise NotDer
        length = int.from_bytes(octets[start - count : start], "big")
        if length < 0x80 or octets[start - count] == 0:
            raise NotDer
    if start + length > end:
        raise NotDer
    return Element(octets[at], at, start, start + length)


def elements(octets: bytes, start: int, end: int) -> Iterator[Element]:
    """The elements that fill these octets exactly."""
    while start < end:
        found = element(octets, start, end)
        yield found
        start = found.end


def expect(tag: int, *found: Element) -> None:
    """Raise NotDer unless all are of this tag."""
    if any(one.tag != tag for one in found):
        raise NotDer


def only(octets: bytes, tag: int) -> Element:
    """The one element of this tag that the octets are."""
    found = element(octets, 0, len(octets))
    expect(tag, found)
    if found.end != len(octets):
        raise NotDer
    return found


def check_nesting(octets: bytes, start: int, end: int) -> None:
    """Raise NotDer unless elements fill the octets down to their leaves, nested no deeper than X.509 needs."""
    pending = [(start, end, 1)]
    while pending:
        start, end, depth = pending.pop()
        for found in elements(octets, start, end):
            structure = found.tag & 0x3F in (0x10, 0x11, 0x30, 0x31) and found.tag < 0x40
            if found.tag < 0x40 and structure != bool(found.tag & 0x20):
                raise NotDer  # X.690 10.2: strings are primitive; 8.9.1, 8.11.1: SEQUENCE and SET are not
            if found.tag == 0x06 and not 0 < found.end - found.start <= _OID_LIMIT:
                raise NotDer
            if found.tag & 0x20:
                if depth == _DEPTH_LIMIT:
                    raise NotDer
                pending.append((found.start, found.end, depth + 1))


def integer(octets: bytes) -> int:
    """The value of one INTEGER, written in the fewest octets (X.690 8.3.2)."""
    contents = only(octets, 0x02).contents(octets)
    if not contents or (
        len(contents) > 1 and contents[0] in (0, 0xFF) and contents[0] >> 7 == contents[1] >> 7
    ):
        raise NotDer
    return int.from_bytes(contents, "big", signed=True)


@lru_cache(maxsize=1024)
def oid(octets: bytes) -> str:
    """The dotted form of one OBJECT IDENTIFIER."""
    if len(octets) > _OID_LIMIT + 2:
        raise NotDer
    return cast("str", core.ObjectIdentifier.load(octets, strict=True).dotted)


def moment(octets: bytes, found: Element) -> datetime:
    """A Time in UTC, with seconds and without fractions, as DER writes it (RFC 5280 4.1.2.5)."""
    digits = found.contents(octets)
    short = found.tag == 0x17
    if found.tag not in (0x17, 0x18) or len(digits) != (13 if short else 15) or digits[-1:] != b"Z":
        raise NotDer
    if not digits[:-1].isdigit():
        raise NotDer
    year, rest = (int(digits[:2]), digits[2:]) if short else (int(digits[:4]), digits[4:])
    if short:
        year += 1900 if year >= 50 else 2000  # RFC 5280 4.1.2.5.1
    month, day, hour, minute, second = (int(rest[i : i + 2]) for i in range(0, 10, 2))
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def frame(der: bytes) -> tuple[Element, Element, Element]:
    """What certificates and lists are made of: the octets signed, the algorithm, the signature (RFC 5280 4.1.1)."""
    outside = only(der, 0x30)
    tbs, algorithm, signature = elements(der, outside.start, outside.end)
    expect(0x30, tbs, algorithm)
    expect(0x03, signature)
    return tbs, algorithm, signature
