"""Reading a register's change feed: a file of events, believed whole or not at all. docs/event-feed.md has the forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import BinaryIO

from ca.revoking.feed.events import FEED_NAME, FORM, Feed, refuse
from ca.revoking.feed.in_csv import Label, read_csv
from ca.revoking.feed.in_lines import read_lines as read_feed

__all__ = ["FORM", "SUFFIXES", "Feed", "read_feed", "read_file"]

SUFFIXES = (".jsonl", ".csv")
"""How the names of feed files end."""

_CSV_NAME = re.compile(rf"(?P<feed>{FEED_NAME})-(?P<sequence>[0-9]{{1,15}})")


def read_file(
    stream: BinaryIO, place: str, name: str, code_key: bytes, told: Mapping[str, str] | None = None
) -> Feed:
    """The feed file of this name in this stream: JSON Lines, or CSV if its name ends so.

    Args:
        stream: Its octets. No more is read than the largest file has.
        place: What the file is called in errors.
        name: Its name. A CSV file's says who sends it and which file it is: ``chiyoda-12.csv``.
        code_key: The key under which residents' codes are kept.
        told: The parts of a CSV file's label (``feed``, ``sequence``, ``sha256``, ``count``) that somebody told;
            they stand above the name's.

    Raises:
        BadInput: The file is cut, damaged, or not of the form; or something was told of a file that says it itself.
    """
    told = told or {}
    if PurePath(name).suffix.lower() != ".csv":
        if told:
            refuse(f"--{next(iter(told))}", "is for CSV files: one of JSON Lines says it itself")
        return read_feed(stream, place, code_key)
    found = _CSV_NAME.fullmatch(PurePath(name).stem)
    parts = {**(found.groupdict() if found else {}), **told}
    if not {"feed", "sequence"} <= parts.keys():
        refuse(place, "does not say in its name whose feed it is", remedy="Name it as chiyoda-12.csv")
    return read_csv(stream, place, code_key, Label.parse(parts, lambda part: f"{place}, {part}"))
