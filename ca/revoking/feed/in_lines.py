"""A change feed as JSON Lines: header, events, trailer. Believed whole or not at all. docs/event-feed.md has the form."""

from __future__ import annotations

import hashlib
from typing import Annotated, BinaryIO, Literal, TypeVar

import msgspec

from ca.revoking.feed.events import (
    FEED_NAME,
    MOST_EVENTS,
    MOST_FILES,
    Event,
    Events,
    Feed,
    feed_lines,
    mismatch,
    refuse,
    require_no_code,
)


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    feed: Annotated[str, msgspec.Meta(pattern=rf"^{FEED_NAME}\Z")]
    sequence: Annotated[int, msgspec.Meta(ge=1, le=MOST_FILES)]
    count: Annotated[int, msgspec.Meta(ge=0, le=MOST_EVENTS)]
    format: Literal[1]


class _Trailer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


L = TypeVar("L", _Header, Event)


def read_lines(stream: BinaryIO, place: str, code_key: bytes) -> Feed:
    """The feed file in this stream.

    Args:
        stream: Its octets. No more is read than the largest file has.
        place: What the file is called in errors.
        code_key: The key under which residents' codes are kept.

    Raises:
        BadInput: The file is cut, damaged, or has a line that is not of the form; the place names the line.
    """
    digest = hashlib.sha256()
    header: _Header | None = None
    events = Events(place, code_key)
    last, number = b"", 0
    for number, line in enumerate(feed_lines(stream, place, around=2), start=1):
        # The line before is known not to be the last one only now.
        before = f"{place} line {number - 1}"
        if number == 2:
            header = _decode(last, _Header, before, "header")
            require_no_code(header.feed, f"{before}, feed")
        elif number > 2:
            if _as_trailer(last):
                refuse(before, "is a trailer, and lines follow it")
            events.add(_decode(last, Event, before, "event"), number - 1)
        digest.update(last)
        last = line
    if header is None:
        refuse(place, "has no header and trailer: it is empty, or cut off")
    trailer = _as_trailer(last)
    if trailer is None:
        place = f"{place} line {number}"
        refuse(place, "is the last line and not the trailer: the file is cut off", remedy="Send it again")
    if header.count != len(events):
        refuse(f"{place} line 1, count", f"says {header.count}, and {len(events)} events follow")
    if trailer.sha256 != digest.hexdigest():
        refuse(
            f"{place} line {number}, sha256", "is not the SHA-256 of the lines before it: they were changed"
        )
    return events.feed(header.feed, header.sequence)


def _as_trailer(line: bytes) -> _Trailer | None:
    try:
        return msgspec.json.decode(line, type=_Trailer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _decode(line: bytes, kind: type[L], place: str, what: str) -> L:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.ValidationError as error:
        mismatch(error, place, what, {})
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        refuse(place, f"is not the {what}: not JSON in UTF-8")
