"""The two copies of a journal, as the process whose turn it is sees them: caught up, and one brought up to the other.

Only the last file of a copy can be torn by a crash, and only behind what was acknowledged, for that was synced in both
copies. So of two copies the longer one is right, if it goes on where the shorter one ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ca.errors import HomeRefused
from ca.journal import durable, segments
from ca.journal.segments import START, End, beginning, name, walk


class Copy:
    """One folder of the journal in the hands of one process at a time. What was read once is not read again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.end: End | None = None

    def catch_up(self) -> End:
        """Check what was appended since the last look; at the first look, the whole last file.

        Raises:
            HomeRefused: It does not follow, or what was there is not there any more.
        """
        end = self.end
        if end is None:
            end = beginning(self.folder, max(segments.segments(self.folder), default=1))
        elif _size(self._path(end)) < end.length:
            raise HomeRefused(
                str(self.folder),
                "is shorter than it was",
                remedy="Restore it; nothing may be removed from it",
            )
        for reached, _ in walk(self.folder, end):
            end = reached
        self.end = end
        return end

    def unchanged(self) -> bool:
        """Whether nobody has written here since the last look. Costs two questions to the file system."""
        end = self.end
        if end is None:
            return False
        following = self.folder / name(end.head.count + 1)
        return _size(self._path(end)) == end.length and (end == START or not following.exists())

    def mend(self) -> None:
        """Remove what a crash left torn. Where whole lines may stand behind a gap, all of it is kept aside."""
        end = self.end
        assert end is not None, "it was caught up"
        for first, path in segments.segments(self.folder).items():
            torn = b"" if first < end.segment else _read_from(path, end.length if first == end.segment else 0)
            if b"\n" in torn:
                durable.write_at(self.folder / f"{end.head.count + 1:012}.torn", 0, torn)
        self.cut(end)

    def cut(self, end: End) -> None:
        """Remove what lies behind: part of a line that a crash left, or lines that were never acknowledged."""
        for first, path in segments.segments(self.folder).items():
            if first > end.segment:
                path.unlink()
                durable.sync(self.folder)
        durable.cut(self._path(end), end.length)
        self.end = end

    def write(self, place: End, octets: bytes, end: End) -> None:
        """Write lines at their place; durable on return. Then the copy ends at ``end``."""
        durable.write_at(self._path(place), place.length, octets)
        self.end = end

    def sync(self) -> None:
        """Make durable what is there: whoever wrote it may have died before."""
        if self.end is not None and self.end != START:
            durable.sync(self._path(self.end))
            durable.sync(self.folder)

    def follow(self, other: Copy) -> None:
        """Get the records that the other copy has behind this one's end.

        Raises:
            HomeRefused: The other copy does not go on where this one ends.
        """
        end = self.end
        assert end is not None, "it was caught up"
        assert other.end is not None, "it was caught up"
        while end != other.end:
            place, lines = end, bytearray()
            try:
                for after, line in walk(other.folder, end):
                    if after.segment != place.segment and not lines:
                        place = End(end.head, end.bodies, after.segment, 0)
                    elif after.segment != place.segment:
                        break
                    lines += line
                    end = after
                    if len(lines) >= durable.BLOCK:
                        break
            except HomeRefused:
                raise _apart(self, other, end) from None
            if not lines:
                raise _apart(self, other, end)
            self.write(place, bytes(lines), end)

    def _path(self, end: End) -> Path:
        return self.folder / name(end.segment)


def bring_together(copies: Sequence[Copy]) -> End:
    """Catch all copies up, remove what is torn, and bring a shorter one up to the longest; gives their common end.

    Raises:
        HomeRefused: A copy is damaged, or two do not tell the same.
    """
    first, *others = [copy.end for copy in copies]
    if first is not None and all(end == first for end in others) and all(map(Copy.unchanged, copies)):
        return first
    if any(copy.end is None for copy in copies):
        for copy in copies:
            segments.rename_old(copy.folder)
        durable.fill_holes([copy.folder for copy in copies], segments.SUFFIX)
    ends = [copy.catch_up() for copy in copies]
    for copy in copies:
        copy.mend()
    longest, end = max(zip(copies, ends, strict=True), key=lambda pair: pair[1].head.count)
    for copy in copies:
        if copy.end != end:
            copy.follow(longest)
    return end


def with_each(copies: Sequence[Copy], work: Callable[[Copy], None]) -> None:
    """Do this with each copy, at once."""
    durable.at_once([partial(work, copy) for copy in copies])


def _apart(copy: Copy, other: Copy, end: End) -> HomeRefused:
    return HomeRefused(
        str(copy.folder),
        f"has another story to tell behind record {end.head.count} than {other.folder}",
        remedy="Find out with `kakehashi journal verify --heads` which one is true, and move the other one away",
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read_from(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()
