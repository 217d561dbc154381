"""The journal: what was acknowledged, in the order in which it was. An append-only file, a record a line.

A record names the SHA-256 of the line before it, so that none can be changed, left out or moved unseen. What stands
here whole is the truth, and the store follows it. No record holds a name, an address or a resident's code.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from ca.errors import HomeRefused, StorageFailed

# A record has some 700 octets, and some 150 more for each order beyond the first two.
_LONGEST_LINE = 1 << 20


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a record."""


class OrderEntry(_Part, frozen=True, omit_defaults=True):
    """A certificate that ends: its id, the reason in the RFC's spelling, when, and the list that says so.

    The scope stands here so that the record is enough even where a restored store has forgotten the certificate.
    """

    certificate: str
    reason: str
    revoked_at: datetime
    scope: str
    invalid_since: datetime | None = None


class EventEntry(_Part, frozen=True, tag_field="entry", tag="event"):
    """An event of the register, and what was decided.

    Attributes:
        feed: The feed that told of it, and ``sequence`` the number of the file there.
        holder: The resident's keyed code in hexadecimal digits.
        received: When it was acknowledged.
        rule: The row of the table of lapses that was applied, in words.
    """

    event: str
    kind: str
    feed: str
    sequence: int
    holder: str
    occurred: datetime
    notified: datetime
    effective: datetime
    received: datetime
    outcome: str
    rule: str
    orders: tuple[OrderEntry, ...]


class Record(_Part, frozen=True):
    """A line. ``previous`` is the SHA-256 of the line before it, its end included; zeros in the first."""

    index: int
    previous: str
    entry: EventEntry


@dataclass(frozen=True, slots=True)
class Head:
    """How far a journal reaches: the number of its records, the SHA-256 of the last line, the file's length."""

    count: int
    digest: str
    length: int


_EMPTY = Head(0, "0" * 64, 0)


class Journal:
    """A journal's file. Processes take turns at it; what a process has read once it does not read again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"
        self._known = _EMPTY

    def begin(self) -> None:
        """Make the empty journal of a new home, if it is not there."""
        with self._opened():
            pass

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Wait for the others, then be the only one who reads and appends.

        Raises:
            HomeRefused: The journal is damaged.
            StorageFailed: The disk refused.
        """
        with self._opened() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            turn = Turn(self.path, file, _caught_up(self.path, file, self._known))
            turn.cut()
            try:
                yield turn
            finally:
                self._known = turn.head

    def verify(self) -> Head:
        """Read the whole journal and check its chain; HomeRefused names the first line that is wrong."""
        if not self.path.exists():
            return _EMPTY
        with self._opened() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return _caught_up(self.path, file, _EMPTY)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            if not self.path.exists():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.path.touch(mode=0o600)
            file = self.path.open("r+b", buffering=0)
        except OSError as error:
            raise StorageFailed(str(self.path), f"cannot be opened: {error.strerror}") from None
        with file:
            yield file


class Turn:
    """The journal in the hands of one process. Made by ``Journal.turn``, for its time alone."""

    def __init__(self, path: Path, file: BinaryIO, head: Head) -> None:
        self._path = path
        self._file = file
        self.head = head

    def after(self, index: int) -> Iterator[Record]:
        """The records behind this one, in their order."""
        if index < self.head.count:
            for head, record in _records(self._path, self._file, _EMPTY):
                if head.count > index:
                    yield record

    def append(self, entries: Sequence[EventEntry]) -> None:
        """Add records. On return they are on the disk: they are acknowledged.

        Raises:
            StorageFailed: The disk refused; none of them was added.
        """
        if not entries:
            return
        head, lines = self.head, []
        for entry in entries:
            line = msgspec.json.encode(Record(head.count + 1, head.digest, entry)) + b"\n"
            head = _next(head, line)
            lines.append(line)
        try:
            self._file.seek(self.head.length)
            octets = memoryview(b"".join(lines))
            while octets:
                octets = octets[self._file.write(octets) :]
            os.fsync(self._file.fileno())
            if not self.head.count:
                _sync(self._path.parent)
                _sync(self._path.parent.parent)
        except BaseException as error:
            # If the disk refuses this too, whoever opens next cuts the torn line, and applies the whole ones.
            with suppress(StorageFailed):
                self.cut()
            if isinstance(error, OSError):
                raise StorageFailed(str(self._path), f"cannot be written: {error.strerror}") from None
            raise
        self.head = head

    def cut(self) -> None:
        """Remove what lies behind the last record: part of a line that a crash left, never acknowledged."""
        try:
            if os.fstat(self._file.fileno()).st_size > self.head.length:
                os.ftruncate(self._file.fileno(), self.head.length)
                os.fsync(self._file.fileno())
        except OSError as error:
            raise StorageFailed(str(self._path), f"cannot be written: {error.strerror}") from None


def _caught_up(path: Path, file: BinaryIO, known: Head) -> Head:
    """The head, after checking what was appended since ``known``."""
    if os.fstat(file.fileno()).st_size < known.length:
        raise HomeRefused(
            str(path), "is shorter than it was", remedy="Restore it; nothing may be removed from it"
        )
    head = known
    for head, _ in _records(path, file, known):  # noqa: B007 - the last head is what is wanted
        pass
    return head


def _records(path: Path, file: BinaryIO, head: Head) -> Iterator[tuple[Head, Record]]:
    """The records behind ``head``, each with the head that it makes. A last line without an end is none."""
    file.seek(head.length)
    with open(file.fileno(), "rb", closefd=False) as lines:
        while line := lines.readline(_LONGEST_LINE):
            place = f"{path} line {head.count + 1}"
            if not line.endswith(b"\n"):
                if len(line) == _LONGEST_LINE:
                    raise HomeRefused(place, "is too long for a record")
                return
            try:
                record = msgspec.json.decode(line, type=Record)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise HomeRefused(place, "is not a record that this version reads") from None
            if (record.index, record.previous) != (head.count + 1, head.digest):
                raise HomeRefused(
                    place,
                    "does not follow the line before it: one of the two was changed, or lines are missing",
                    remedy="Restore the journal from its copy",
                )
            head = _next(head, line)
            yield head, record


def _next(head: Head, line: bytes) -> Head:
    return Head(head.count + 1, hashlib.sha256(line).hexdigest(), head.length + len(line))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
