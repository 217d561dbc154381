"""One folder of the journal: files of lines, each line naming the SHA-256 of the line before it.

A file is named after the index of its first record: ``000000000001.jsonl``. A line is the JSON of a ``Record`` just as
``ca.journal.journal`` writes it, so that the chain can be followed without decoding what the records say.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ca.errors import HomeRefused
from ca.journal import durable

LONGEST_LINE: Final = 1 << 22
"""Octets of a line at most. A record has some 700, and some 150 more for each order or 500 for each intent."""

SEGMENT: Final = 16 << 20
"""A file that has reached this length gets no more records. Whoever opens a journal reads its last file."""

SUFFIX: Final = ".jsonl"

_NAME = re.compile(r"([0-9]{12})\.jsonl")
_OLD_NAME = "journal.jsonl"  # the whole journal lay in it once
_LINE = re.compile(
    rb'\{"index":([1-9][0-9]{0,17}),"previous":"([0-9a-f]{64})",(?:"bodies":([1-9][0-9]{0,17}),)?"entry":\{'
)
_VERIFY = "`kakehashi journal verify` tells what happened to it; restore that file from the other copy"


@dataclass(frozen=True, slots=True)
class Head:
    """How far a journal reaches: the number of its records, and the SHA-256 of the last line in hexadecimal digits."""

    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class End:
    """Where a journal's last record ends.

    Attributes:
        bodies: How many bodies the archive had with it.
        segment: The index after which the file is named that it ends in, and ``length`` the octets up to there.
    """

    head: Head
    bodies: int
    segment: int
    length: int


START: Final = End(Head(0, "0" * 64), 0, 1, 0)
"""The end of a journal without records."""


@dataclass(frozen=True, slots=True)
class Line:
    """What stands at the beginning of a record's line."""

    index: int
    previous: str
    bodies: int

    @classmethod
    def parse(cls, octets: bytes) -> Line | None:
        """The beginning of this line, its end included; None if it is not one that a journal writes."""
        match = _LINE.match(octets)
        if match is None or not octets.endswith(b"}}\n"):
            return None
        return cls(int(match[1]), match[2].decode(), int(match[3] or 0))


def name(first: int) -> str:
    """The name of the file that begins with this record."""
    return f"{first:012}{SUFFIX}"


def segments(folder: Path) -> dict[int, Path]:
    """The files of a journal by the index of their first record, in its order; none where there is no folder."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return {}
    found = {int(match[1]): folder / text for text in sorted(names) if (match := _NAME.fullmatch(text))}
    if _OLD_NAME in names:
        if 1 in found:
            raise HomeRefused(str(folder), f"has two beginnings: {_OLD_NAME} and {name(1)}", remedy=_VERIFY)
        return {1: folder / _OLD_NAME, **found}
    return found


def rename_old(folder: Path) -> None:
    """Give the one file of an older version its present name."""
    if (folder / _OLD_NAME).exists() and not (folder / name(1)).exists():
        (folder / _OLD_NAME).rename(folder / name(1))
        durable.sync(folder)


def following(end: End, line: bytes, path: Path) -> End:
    """The end that a line makes; HomeRefused unless it follows."""
    match = _LINE.match(line)
    if match is None or not line.endswith(b"}}\n"):
        raise HomeRefused(_place(end, path), "is not a record that this version reads", remedy=_VERIFY)
    if int(match[1]) != end.head.count + 1 or match[2].decode() != end.head.digest:
        raise HomeRefused(
            _place(end, path),
            "does not follow the line before it: one of the two was changed, or lines are missing",
            remedy=_VERIFY,
        )
    return next_end(end, line, int(match[3] or 0))


def next_end(end: End, line: bytes, bodies: int) -> End:
    """The end behind one more line."""
    head = Head(end.head.count + 1, hashlib.sha256(line).hexdigest())
    return End(head, bodies, end.segment, end.length + len(line))


def walk(folder: Path, start: End) -> Iterator[tuple[End, bytes]]:
    """The lines behind a place, each with the end that it makes; up to what a crash left torn.

    Torn is a last line without an end of its own. Some file systems also leave zeros where a write never arrived, and
    behind them parts that did.

    Raises:
        HomeRefused: A line does not follow the one before it; those before it have been given.
    """
    end = start
    found = [(first, path) for first, path in segments(folder).items() if first >= start.segment]
    for position, (first, path) in enumerate(found):
        if first > end.segment:
            if first != end.head.count + 1:
                raise HomeRefused(
                    str(path), f"begins with record {first}; {end.head.count} stand before it", remedy=_VERIFY
                )
            end = replace(end, segment=first, length=0)
        with path.open("rb") as file:
            file.seek(end.length)
            while line := file.readline(LONGEST_LINE):
                if b"\0" in line or not line.endswith(b"\n"):
                    if any(later.stat().st_size for _, later in found[position + 1 :]):
                        raise HomeRefused(_place(end, path), "is cut off, and others follow", remedy=_VERIFY)
                    if b"\0" not in line and len(line) == LONGEST_LINE:
                        raise HomeRefused(_place(end, path), "is too long for a record", remedy=_VERIFY)
                    return
                end = following(end, line, path)
                yield end, line


def beginning(folder: Path, index: int) -> End:
    """The end before the file in which the record of this index stands, or would stand.

    Raises:
        HomeRefused: The file before it does not end with the record that it should end with.
    """
    found = segments(folder)
    earlier = [first for first in found if first <= max(index, 1)]
    if not earlier or earlier[-1] == 1:
        return START
    first = earlier[-1]
    if len(earlier) < 2:
        raise HomeRefused(str(folder), f"has no records before {first}", remedy=_VERIFY)
    path = found[earlier[-2]]
    line = _last_line(path)
    parsed = Line.parse(line)
    if parsed is None or parsed.index != first - 1:
        raise HomeRefused(str(path), f"does not end with record {first - 1}", remedy=_VERIFY)
    head = Head(parsed.index, hashlib.sha256(line).hexdigest())
    return End(head, parsed.bodies, earlier[-2], path.stat().st_size)


def head_at(folder: Path, count: int) -> Head | None:
    """The head that a journal had with so many records, as it stands now; None if it does not reach so far."""
    if count == 0:
        return START.head
    for end, _ in walk(folder, beginning(folder, count)):
        if end.head.count == count:
            return end.head
    return None


def _place(end: End, path: Path) -> str:
    """The record behind this end."""
    return f"{path} record {end.head.count + 1}"


def _last_line(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        step = 1 << 12
        while True:
            file.seek(max(size - step, 0))
            octets = file.read(step)
            before = octets.rfind(b"\n", 0, -1)
            if before >= 0 or step >= min(size, LONGEST_LINE):
                return octets[before + 1 :]
            step *= 4
