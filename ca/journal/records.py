"""A record of the journal: an entry in its place in the chain, as a line of JSON."""

from __future__ import annotations

import msgspec

from ca.errors import HomeRefused
from ca.journal.entries import Entry
from ca.journal.part import Part


class Record(Part, frozen=True, kw_only=True):
    """A line.

    Attributes:
        previous: The SHA-256 of the line before it, its end included; zeros in the first.
        bodies: How many bodies the archive has had with this record.
    """

    index: int
    previous: str
    bodies: int = 0
    entry: Entry


_DECODER = msgspec.json.Decoder(Record)
_ENCODER = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    """The record's line, its end included."""
    return _ENCODER.encode(record) + b"\n"


def decode(line: bytes, place: str) -> Record:
    """What a line says, or HomeRefused."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HomeRefused(place, "is not a record that this version reads") from None
