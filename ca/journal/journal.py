"""The journal: what was acknowledged, in the order in which it was. Append-only files, a record a line.

A record names the SHA-256 of the line before it, so that none can be changed, left out or moved unseen. What stands
here whole is the truth, and the databases follow it. No record holds a name, an address or a resident's code.

Where there is a mirror, a record is acknowledged once it is on the disk in both places.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ca.errors import StorageFailed
from ca.journal.archive import Archive
from ca.journal.copies import Copy, bring_together, with_each
from ca.journal.durable import make_folder, storage_errors
from ca.journal.entries import Entry
from ca.journal.inspection import inspect
from ca.journal.records import Record, decode, encode
from ca.journal.segments import LONGEST_LINE, SEGMENT, End, Head, beginning, next_end, walk

__all__ = ["Head", "Journal", "Record", "Turn"]

_LOCK = "journal.lock"


class Journal:
    """A journal's folder, its mirror, and the archive that goes with it. Processes and threads take turns at it.

    Args:
        folder: Where its files lie.
        mirror: Where a second copy of them is kept; an empty folder is filled from the first.
        archive: Where what the records speak of is kept.

    Attributes:
        vouched: Count and digest of a head that was found to be of this journal; what is public is compared once.
    """

    def __init__(self, folder: Path, mirror: Path | None = None, archive: Archive | None = None) -> None:
        self.folder = folder
        self.archive = archive
        self.vouched: tuple[int, str] | None = None
        self._mirror = mirror
        self._copies = [Copy(folder)] if mirror is None else [Copy(folder), Copy(mirror)]

    def begin(self) -> None:
        """Make the empty journal of a new home, and its mirror, if they are not there; fill a new mirror."""
        for copy in self._copies:
            with storage_errors(copy.folder):
                make_folder(copy.folder)
        if self.archive is not None:
            self.archive.begin()
        with self.turn() as turn:
            if self.archive is not None:
                self.archive.bring_together(turn.end.bodies)

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Wait for the others, then be the only one who reads and appends.

        What a crash left is put right first: torn lines go, and the copy that is behind gets what it lacks.

        Raises:
            HomeRefused: The journal is damaged.
            StorageFailed: A disk refused, or the mirror's is not there.
        """
        self._require_mirror()
        with self._locked() as lock:
            with storage_errors(self.folder):
                end = bring_together(self._copies)
                if os.pread(lock, 20, 0) != _mark(end):
                    with_each(self._copies, Copy.sync)
            turn = Turn(self, self._copies, end)
            try:
                yield turn
            finally:
                with suppress(OSError):  # without it the next turn syncs once more
                    os.pwrite(lock, _mark(turn.end), 0)

    def head(self) -> Head:
        """How far the journal reaches now; raises what ``turn`` does."""
        with self.turn() as turn:
            return turn.head

    def verify(self, published: Sequence[Head] = ()) -> Head:
        """Read the whole journal and check its chain, and against published heads; see ``inspection.inspect``."""
        return inspect(self.folder, published).head

    def _require_mirror(self) -> None:
        if self._mirror is not None and not self._mirror.is_dir():
            raise StorageFailed(
                str(self._mirror),
                "the journal's mirror is not there",
                remedy="Mount its disk; if it is lost, make the empty directory on a new one, and it is filled again",
            )

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with storage_errors(self.folder, "cannot be opened"):
            make_folder(self.folder)
            lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            os.close(lock)


class Turn:
    """The journal in the hands of one process. Made by ``Journal.turn``, for its time alone.

    Attributes:
        path: The journal's folder.
        end: Where its last record ends.
    """

    def __init__(self, journal: Journal, copies: Sequence[Copy], end: End) -> None:
        self.path = journal.folder
        self.end = end
        self._archive = journal.archive
        self._copies = copies

    @property
    def head(self) -> Head:
        """How far the journal reaches."""
        return self.end.head

    @property
    def next_body(self) -> int:
        """The number that the next body will have in the archive."""
        return self.end.bodies + 1

    def after(self, index: int) -> Iterator[Record]:
        """The records behind this one, in their order.

        Raises:
            HomeRefused: The journal is damaged there.
        """
        return records(self.path, index)

    def body(self, number: int) -> bytes:
        """What lies in the archive under this number; see ``Archive.read``."""
        return self._require_archive().read(number)

    def append(self, entries: Sequence[Entry], bodies: Sequence[bytes] = ()) -> list[Head]:
        """Add records. On return they are on the disk, in the mirror too: they are acknowledged.

        Args:
            entries: What happened.
            bodies: What goes into the archive, from ``next_body`` on. It is on the disk before any of the records is.

        Returns:
            How far the journal reached with each of them.

        Raises:
            StorageFailed: A disk refused; none of them was added.
        """
        before, heads, lines = self.end, list[Head](), list[bytes]()
        if before.length >= SEGMENT:
            before = replace(before, segment=before.head.count + 1, length=0)
        end, held = before, self.end.bodies + len(bodies)
        for entry in entries:
            line = encode(
                Record(index=end.head.count + 1, previous=end.head.digest, bodies=held, entry=entry)
            )
            if len(line) > LONGEST_LINE:
                raise StorageFailed(str(self.path), f"a record of {len(line)} octets is too long")
            lines.append(line)
            end = next_end(end, line, held)
            heads.append(end.head)
        if not lines:
            assert not bodies, "what is archived belongs to a record"
            return heads
        if bodies:
            self._require_archive().append(self.end.bodies, bodies)
        octets = b"".join(lines)
        try:
            with_each(self._copies, lambda copy: copy.write(before, octets, end))
        except BaseException:
            # If a disk refuses this too, the next turn puts it right, and carries out what is whole.
            for copy in self._copies:
                with suppress(StorageFailed, OSError):
                    copy.cut(self.end)
            raise
        self.end = end
        return heads

    def destroy(self, numbers: Sequence[int]) -> None:
        """End the retention of bodies: destroy their keys, in the mirror too; see ``Archive.destroy``."""
        archive = self._require_archive()
        archive.bring_together(self.end.bodies)
        archive.destroy(numbers)

    def _require_archive(self) -> Archive:
        assert self._archive is not None, "this journal was opened with its archive"
        return self._archive


def records(folder: Path, index: int = 0) -> Iterator[Record]:
    """The records of a journal's folder behind this one, in their order. Needs no turn: a torn last line is none.

    Raises:
        HomeRefused: The journal is damaged there; the records before are given.
    """
    for end, line in walk(folder, beginning(folder, index + 1)):
        if end.head.count > index:
            yield decode(line, f"{folder} record {end.head.count}")


def _mark(end: End) -> bytes:
    """What the lock's file says once the records up to here are on the disk."""
    return b"%020d" % end.head.count
