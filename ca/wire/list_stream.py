"""Lists of any length, read from a file in bounded memory: the head and tail as facts, the entries as raw octets.

The entries read here are those of the product's own lists (``ca.wire.lists.encode_entry``): under 128 octets, reason and
invalidityDate in this order and not critical, unspecified left out. Another entry is refused, however valid.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from ca.errors import BadInput
from ca.model import Revocation, RevocationReason, Serial
from ca.profiles import extensions as ext
from ca.suites import Hashing
from ca.wire import walk
from ca.wire.facts import (
    AuthorityKeyFacts,
    ExtensionFacts,
    NameFacts,
    read_authority_key,
    read_extension,
    read_extensions,
    read_name,
)
from ca.wire.list_facts import DELTA_INDICATOR

_BLOCK = 64 * 1024
# Octets before the entries and behind them: names, extensions and a signature take some 2 KiB, ML-DSA's 5 KiB.
_HEAD_LIMIT = 32 * 1024

# An entry's length decides where it ends. Most have a serial of 20 octets: with a reason, without, with both extensions.
_LENGTHS = (51, 37, 77, *(length for length in range(128) if length not in (51, 37, 77)))
_ANY = b"|".join(b"%b.{%d}" % (re.escape(bytes((length,))), length) for length in _LENGTHS)
_ENTRY = re.compile(rb"\x30(?:" + _ANY + rb")", re.DOTALL)
_ENTRIES = re.compile(rb"(?:\x30(?:" + _ANY + rb"))*+", re.DOTALL)

# What follows the serial: revocationDate, and reasonCode, invalidityDate, or both (12 and 26 octets).
_CLOCK = rb"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"
_AFTER_SERIAL = re.compile(
    rb"(?:\x17\x0d(?P<short>\d{6}" + _CLOCK + rb")Z|\x18\x0f(?P<long>\d{8}" + _CLOCK + rb")Z)"
    rb"(?:\x30(?=\x0c.{12}\Z|\x1a.{26}\Z|\x26.{38}\Z)."
    rb"(?:\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01(?P<reason>[\x01-\x06\x08-\x0a]))?"
    rb"(?:\x30\x18\x06\x03\x55\x1d\x18\x04\x11\x18\x0f(?P<since>\d{8}" + _CLOCK + rb")Z)?)?",
    re.DOTALL,
)


class ListEntry(NamedTuple):
    """What an entry says, before anyone has judged it.

    Attributes:
        serial: As it stands there: perhaps negative, zero or too long.
        date: revocationDate, as fourteen digits in UTC, which compare as moments do.
        reason: The number of its CRLReason.
        since: invalidityDate in the same form; empty if it has none.
    """

    serial: int
    date: bytes
    reason: int
    since: bytes

    def revocation(self) -> Revocation:
        """The same as the house speaks of it; BadInput for a serial out of range."""
        return Revocation(
            Serial(self.serial),
            _moment(self.date),
            RevocationReason(self.reason),
            _moment(self.since) if self.since else None,
        )


@dataclass(frozen=True, slots=True)
class ListHead:
    """What a list says besides its entries.

    Attributes:
        place: Where it was read from, for messages.
        inner: The AlgorithmIdentifier among the octets that were signed, and ``outer`` the one beside the signature.
        base: The number of the complete list that a delta list builds on; None for a complete one.
        signed: Where the TBSCertList begins and ends in the file, and ``revoked`` where the entries do.
    """

    place: str = field(compare=False)
    inner: bytes
    outer: bytes
    issuer: NameFacts
    this_update: datetime
    next_update: datetime
    extensions: tuple[ExtensionFacts, ...] = field(repr=False)
    authority_key: AuthorityKeyFacts | None
    number: int | None
    base: int | None
    signature: bytes = field(repr=False)
    signed: tuple[int, int]
    revoked: tuple[int, int]


class ListStream:
    """A list in a file that nobody writes to, and a place among its entries, which only goes forward.

    Its entries are handed out as they stand there; ``read_entry`` reads one.

    Raises:
        BadInput: What is read of the file is no list in DER, or none of the product's.
    """

    def __init__(self, file: BinaryIO, place: str) -> None:
        self._file = file
        self.head = _read_head(file, place)
        # The next entries, as far as they were told apart; the nearest is the last.
        self._next: list[bytes] = []
        self.rewind()

    @property
    def is_empty(self) -> bool:
        """Whether it has no entries."""
        start, end = self.head.revoked
        return start == end

    def rewind(self) -> None:
        """Go back to the first entry."""
        start, end = self.head.revoked
        self._file.seek(start)
        self._left = end - start  # octets of entries that were not read from the file yet
        self._buffer, self._at = b"", 0
        self._next.clear()

    def digest(self, hashing: Hashing) -> bytes:
        """What this makes of the TBSCertList; does not move the place."""
        before = self._file.tell()
        start, end = self.head.signed
        self._file.seek(start)
        while start < end:
            octets = self._read(min(end - start, 4 * _BLOCK))
            hashing.update(octets)
            start += len(octets)
        self._file.seek(before)
        return hashing.digest()

    def run(self) -> tuple[bytes, list[bytes]]:
        """Pass over some thousand entries at most: their octets in one piece, and one by one; empty at the end."""
        self._next = []
        self._fill(_BLOCK)
        start, self._at = self._at, self._whole_entries()
        return self._buffer[start : self._at], _ENTRY.findall(self._buffer, start, self._at)

    def passes(self, octets: bytes) -> bool:
        """Pass over these octets if they come next; whole entries, so that the place is before an entry again."""
        self._fill(len(octets))
        if not self._buffer.startswith(octets, self._at):
            return False
        self._next = []
        self._at += len(octets)
        return True

    def peek(self) -> bytes:
        """The next entry; empty at the end."""
        if not self._next:
            self._fill(_BLOCK)
            self._next = _ENTRY.findall(self._buffer, self._at, self._whole_entries())[::-1]
        return self._next[-1] if self._next else b""

    def advance(self) -> None:
        """Pass over the entry that was peeked at."""
        self._at += len(self._next.pop())

    def __iter__(self) -> Iterator[bytes]:
        """The entries from here on, one by one."""
        while True:
            _, entries = self.run()
            if not entries:
                return
            yield from entries

    def _whole_entries(self) -> int:
        """Where the last whole entry in the buffer ends."""
        found = _ENTRIES.match(self._buffer, self._at)
        end = self._at if found is None else found.end()
        if end == self._at < len(self._buffer):  # a block is longer than any entry
            raise BadInput(
                self.head.place, "revokedCertificates holds what is no entry of a list of the product"
            )
        return end

    def _fill(self, wanted: int) -> None:
        """Have so many octets ahead in the buffer, or all that are left."""
        missing = wanted - (len(self._buffer) - self._at)
        if missing > 0 and self._left:
            octets = self._read(min(max(missing, _BLOCK), self._left))
            self._left -= len(octets)
            self._buffer, self._at = self._buffer[self._at :] + octets, 0

    def _read(self, length: int) -> bytes:
        octets = self._file.read(length)
        if len(octets) != length:
            raise BadInput(self.head.place, "ends early")
        return octets


def read_entry(octets: bytes, place: str) -> ListEntry:
    """Read one entry of those that a ListStream hands out, or raise BadInput naming the place."""
    after = 4 + octets[3] if len(octets) > 4 else 0
    shape = _AFTER_SERIAL.fullmatch(octets, after)
    # X.690 8.3.2: in the fewest octets.
    if shape is None or octets[2] != 0x02 or after == 4 or _padded(octets[4:after]):
        raise BadInput(place, "has an entry of another form than the product's", clause="RFC 5280 5.3")
    short, long, reason, since = shape.groups()
    # Times to 2049 are UTCTime (RFC 5280 5.1.2.4).
    date = long or (b"19" if short >= b"5" else b"20") + short
    if (long and b"1950" <= long[:4] < b"2050") or not _is_day(date[:8]) or not _is_day(since and since[:8]):
        raise BadInput(place, "has an entry with a wrong date", clause="RFC 5280 5.1.2.6")
    return ListEntry(
        int.from_bytes(octets[4:after], "big", signed=True),
        date,
        reason[0] if reason else 0,
        since or b"",
    )


def _padded(number: bytes) -> bool:
    return len(number) > 1 and number[0] in (0, 0xFF) and number[0] >> 7 == number[1] >> 7


@lru_cache(maxsize=4096)  # a list's entries are of few days
def _is_day(digits: bytes | None) -> bool:
    """Whether eight digits are a day of the calendar; None stands for a day that is not told."""
    try:
        _moment(digits + b"000000") if digits else None
    except ValueError:
        return False
    return True


def _moment(digits: bytes) -> datetime:
    month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(4, 14, 2))
    return datetime(int(digits[:4]), month, day, hour, minute, second, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A list's octets before the entries and behind them, and the fields in either."""

    head: bytes
    tail: bytes
    tbs: walk.Element
    fields: tuple[walk.Element, ...]  # in the head: version to nextUpdate
    revoked: tuple[int, int]
    ends: tuple[walk.Element, ...]  # in the tail: crlExtensions, signatureAlgorithm, signatureValue


def _read_head(file: BinaryIO, place: str) -> ListHead:
    with walk.reading(place, "the list's frame"):
        frame = _read_frame(file)
        head, tail = frame.head, frame.tail
        version, inner, issuer, this_update, next_update = frame.fields
        placed, outer, signature = frame.ends
        for element, octets in ((inner, head), (issuer, head), (placed, tail), (outer, tail)):
            walk.check_nesting(octets, element.at, element.end)
        bits = signature.contents(tail)
        # Version 2 (RFC 5280 5.1.2.1); a signature fills its octets.
        if version.contents(head) != b"\1" or bits[:1] != b"\0":
            raise walk.NotDer
        extensions = read_extensions(placed.contents(tail))
        begins, ends = walk.moment(head, this_update), walk.moment(head, next_update)
    return ListHead(
        place=place,
        inner=inner.whole(head),
        outer=outer.whole(tail),
        issuer=read_name(issuer.whole(head), f"{place}: issuer"),
        this_update=begins,
        next_update=ends,
        extensions=extensions,
        authority_key=read_extension(extensions, ext.AuthorityKey.oid, place, read_authority_key),
        number=read_extension(extensions, ext.ListNumber.oid, place, walk.integer),
        base=read_extension(extensions, DELTA_INDICATOR, place, walk.integer),
        signature=bits[1:],
        signed=(frame.tbs.at, frame.tbs.end),
        revoked=frame.revoked,
    )


def _read_frame(file: BinaryIO) -> _Frame:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_HEAD_LIMIT)
    outside = walk.element(head, 0, size)
    tbs = walk.element(head, outside.start, outside.end)
    walk.expect(0x30, outside, tbs)
    fields, at = [], tbs.start
    for tags in ((0x02,), (0x30,), (0x30,), (0x17, 0x18), (0x17, 0x18)):
        fields.append(walk.element(head, at, min(tbs.end, len(head))))
        at = fields[-1].end
        if fields[-1].tag not in tags:
            raise walk.NotDer
    revoked = (at, at)
    if head[at : at + 1] == b"\x30":
        entries = walk.element(head, at, tbs.end)
        revoked, at = (entries.start, entries.end), entries.end
        if entries.start == entries.end:  # RFC 5280 5.1.2.6: absent, if nothing is revoked
            raise walk.NotDer
    if outside.end != size or size - at > _HEAD_LIMIT:
        raise walk.NotDer
    file.seek(at)
    tail = file.read(size - at)
    placed, outer, signature = walk.elements(tail, 0, size - at)
    walk.expect(0xA0, placed)
    walk.expect(0x30, outer)
    walk.expect(0x03, signature)
    if at + placed.end != tbs.end:
        raise walk.NotDer
    return _Frame(head, tail, tbs, tuple(fields), revoked, (placed, outer, signature))
