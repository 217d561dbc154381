"""What an outsider sees of a world's revocation, as values: lists, status answers, the heads of its journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ca.model import Revocation, Serial

WIDTH = 20
"""Octets of a serial number among packed ones."""


@dataclass(frozen=True, slots=True)
class ListSight:
    """A list as it was seen.

    Attributes:
        place: Its path among what is published.
        digest: SHA-256 of its octets.
        serials: What it names: serial numbers of WIDTH octets each, ascending, one after another.
        held: Those of them that are on hold, likewise.
    """

    place: str
    number: int
    this_update: datetime
    next_update: datetime
    digest: bytes
    serials: bytes = field(repr=False)
    held: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class StatusSight:
    """What a responder said of a serial number.

    Attributes:
        known: Whether it knows the certificate at all.
        revocation: How it ended; None if it is good, or unknown.
        expired: The responder says that it keeps the status of what has expired (RFC 6960 4.4.4).
    """

    serial: Serial
    known: bool
    revocation: Revocation | None = None
    expired: bool = False

    @property
    def good(self) -> bool:
        """Whether the responder said good."""
        return self.known and self.revocation is None


@dataclass(frozen=True, slots=True)
class HeadSight:
    """How far a journal reached, as its world said it: the records, the SHA-256 of the last line in hexadecimal."""

    count: int
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WorldSight:
    """Which world it is: its name, its marking, and the SHA-256 of its anchor's certificate in hexadecimal."""

    name: str
    marking: str
    anchor: str


def pack(serials: Iterable[Serial]) -> bytes:
    """Serial numbers as one string of octets, ascending."""
    return b"".join(sorted({serial.octets for serial in serials}))


def unpack(packed: bytes) -> Iterator[Serial]:
    """The serial numbers of such a string."""
    return (Serial.of(packed[at : at + WIDTH]) for at in range(0, len(packed), WIDTH))


def gone(before: bytes, now: bytes) -> bytes:
    """The packed serial numbers that were there and are not any more. Long runs that are alike cost nearly nothing."""
    missing: list[bytes] = []
    one = other = 0
    while one < len(before):
        if before[one : one + _RUN] == now[other : other + _RUN]:
            one, other = one + _RUN, other + _RUN
            continue
        end = min(one + _RUN, len(before))
        while one < end:
            serial, found = before[one : one + WIDTH], now[other : other + WIDTH]
            if found and found < serial:
                other += WIDTH
                continue
            if found == serial:
                other += WIDTH
            else:
                missing.append(serial)
            one += WIDTH
    return b"".join(missing)


def common(one: bytes, other: bytes) -> bytes:
    """The packed serial numbers that are in both."""
    return gone(one, gone(one, other))


_RUN = 1024 * WIDTH
