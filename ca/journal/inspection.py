"""Looking through a whole journal, and saying what was done to it. Needs the folder alone: no database, no lock, no key.

A chain by itself cannot show that its end was cut off, or that all of it was written anew. A head that was published
can: it names a record and its SHA-256, and with it every record before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ca.errors import HomeRefused
from ca.journal.records import decode
from ca.journal.segments import (
    LONGEST_LINE,
    START,
    End,
    Head,
    Line,
    following,
    segments,
)

_RESTORE = "Restore it from the journal's other copy"


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a journal that holds together comes to.

    Attributes:
        bodies: How many bodies the archive has had with its last record.
        torn: Octets behind the last record: part of one that was never acknowledged.
        against: How many published heads it was held against.
    """

    head: Head
    bodies: int
    torn: int
    against: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A line as it lies there; ``first`` if a file begins with it, the number that the file is named after."""

    path: Path
    octets: bytes
    first: int | None = None

    @property
    def line(self) -> Line | None:
        return Line.parse(self.octets)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.octets).hexdigest()


def inspect(folder: Path, published: Sequence[Head] = ()) -> Inspected:
    """Read every record, check the chain, and hold it against heads that were published.

    Raises:
        HomeRefused: Records were changed, removed or moved, or the end was cut off. Its problem says which.
    """
    wanted = {head.count: head.digest for head in published}
    if any(wanted[head.count] != head.digest for head in published):
        raise HomeRefused(str(folder), "two published heads name one record with different digests")
    _compare(folder, START, wanted)
    end, torn = START, 0
    lines = _lines(folder)
    found = next(lines, None)
    while found is not None:
        after = next(lines, None)
        if after is None and _unfinished(found.octets):
            torn = len(found.octets)
            break
        end = _followed(folder, end, found, after)
        _compare(folder, end, wanted)
        found = after
    if published and (newest := max(wanted)) > end.head.count:
        raise HomeRefused(
            str(folder),
            f"ends with record {end.head.count}, and a published head names record {newest}: its end was cut off",
            remedy=_RESTORE,
        )
    return Inspected(end.head, end.bodies, torn, len(wanted))


def _compare(folder: Path, end: End, wanted: dict[int, str]) -> None:
    if wanted.get(end.head.count, end.head.digest) != end.head.digest:
        raise _refused(
            folder,
            end.head.count,
            "is not the one that a published head names: it, or one before it, was written anew",
        )


def _followed(folder: Path, end: End, found: _Found, after: _Found | None) -> End:
    """The end behind this line, or HomeRefused with what happened."""
    due = end.head.count + 1
    place = f"{folder} record {due}"
    if found.first not in {None, due}:
        assert found.first is not None, "it is not None"
        if found.first > due:
            raise _missing(folder, due, found.first - 1)
        raise _refused(folder, found.first, f"stands again where record {due} belongs")
    try:
        reached = following(end, found.octets, found.path)
    except HomeRefused:
        raise _diagnosis(folder, end, found, after) from None
    try:
        decode(found.octets, place)
    except HomeRefused:
        if after is not None and after.line is not None and after.line.previous == found.digest:
            raise  # it was never changed: another version wrote it
        raise _changed(folder, due) from None
    return replace(reached, length=0)


def _diagnosis(folder: Path, end: End, found: _Found, after: _Found | None) -> HomeRefused:
    """What was done to a journal in which this line does not follow the end."""
    due, line = end.head.count + 1, found.line
    if line is not None and line.index == due and line.previous != end.head.digest and due > 1:
        # Either this line says something else than it did, or the one before it does. The next line knows.
        if after is None or after.line is None:
            return HomeRefused(
                f"{folder} records {due - 1} and {due}", "one of the two was changed", remedy=_RESTORE
            )
        return _changed(folder, due - 1 if after.line.previous == found.digest else due)
    if line is None or line.index == due or line.previous == end.head.digest:
        return _changed(folder, due)
    if _stands_later(folder, end, due):
        return _refused(
            folder, due, f"stands behind record {line.index}: the records were put into another order"
        )
    if line.index < due:
        return _refused(folder, line.index, f"stands again where record {due} belongs")
    return _missing(folder, due, line.index - 1)


def _refused(folder: Path, index: int, problem: str) -> HomeRefused:
    return HomeRefused(f"{folder} record {index}", problem, remedy=_RESTORE)


def _changed(folder: Path, index: int) -> HomeRefused:
    return _refused(folder, index, "was changed")


def _missing(folder: Path, first: int, last: int) -> HomeRefused:
    which = f"record {first} was" if first == last else f"records {first} to {last} were"
    return HomeRefused(str(folder), f"{which} removed", remedy=_RESTORE)


def _stands_later(folder: Path, end: End, index: int) -> bool:
    for position, found in enumerate(_lines(folder)):
        line = found.line
        if position > end.head.count and line is not None and line.index == index:
            return True
    return False


def _unfinished(octets: bytes) -> bool:
    """Whether the last octets are what a crash leaves: part of a line, or a disk's zeros for what was never written."""
    return not octets.endswith(b"\n")


def _lines(folder: Path) -> Iterator[_Found]:
    """Every line, as it is."""
    for first, path in segments(folder).items():
        with path.open("rb") as file:
            due: int | None = first
            while octets := file.readline(LONGEST_LINE):
                yield _Found(path, octets, due)
                due = None
