"""Finding the records that name something: a certificate, say. Files that do not name it are only looked through."""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from ca.journal.records import Record, decode
from ca.journal.segments import Head, beginning, segments, walk


def mentioning(folder: Path, text: str, upto: int | None = None) -> Iterator[tuple[Head, Record]]:
    """The records in which a text stands as a whole JSON string, in their order, each with the head that it makes.

    Args:
        folder: The journal's.
        text: Such as a certificate's id, or the cause of an order of many.
        upto: The last record to look at.

    Raises:
        HomeRefused: The journal is damaged in a file where one stands.
    """
    return _matching(folder, re.compile(re.escape(msgspec.json.encode(text))), 0, upto)


def effects_of(folder: Path, events: Collection[str], after: int) -> Iterator[tuple[Head, Record]]:
    """The records behind this one by which events that had waited took effect; else as ``mentioning``."""
    if not events:
        return iter(())
    names = b"|".join(re.escape(msgspec.json.encode(event)) for event in sorted(events))
    return _matching(
        folder, re.compile(rb'"entry":\{"entry":"effect","event":(?:' + names + rb")"), after, None
    )


def _matching(
    folder: Path, wanted: re.Pattern[bytes], after: int, upto: int | None
) -> Iterator[tuple[Head, Record]]:
    found = segments(folder)
    start = max((first for first in found if first <= after + 1), default=1)
    for first, path in found.items():
        if first < start or not _stands_in(path, wanted):
            continue
        if upto is not None and first > upto:
            return
        for end, line in walk(folder, beginning(folder, first)):
            count = end.head.count
            if end.segment > first or (upto is not None and count > upto):
                break
            if count > after and wanted.search(line):
                yield end.head, decode(line, f"{folder} record {count}")


def _stands_in(path: Path, wanted: re.Pattern[bytes]) -> bool:
    with path.open("rb") as file:
        if not path.stat().st_size:  # an empty file has no map
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
            return wanted.search(octets) is not None
