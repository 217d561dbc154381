"""Reading a register's change feed: a file of events, believed whole or not at all. docs/event-feed.md has the form.

Residents' codes end here: what leaves this module knows a resident by the keyed code alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, BinaryIO, Literal, NoReturn, TypeVar

import msgspec

from ca.errors import BadInput
from ca.keys.codes import keyed_code
from ca.model import resident_code
from ca.rules.residents import Change, ChangeKind

FORM = "docs/event-feed.md"

# An event line has some 300 octets; a day's changes of the whole nation are some 20,000 events.
LONGEST_LINE = 4096
MOST_EVENTS = 100_000
LARGEST_FILE = 64 << 20

# Beyond these, moments in other zones cannot be brought to UTC; nobody's life reaches there.
_YEARS = range(1850, 2200)


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed file that was read whole.

    Attributes:
        name: Who sends: the feed's name.
        sequence: The file's number in its feed.
        place: What the file is called in errors.
    """

    name: str
    sequence: int
    place: str
    changes: tuple[Change, ...]

    def line(self, position: int) -> str:
        """The place of a change in the file, for errors."""
        return f"{self.place} line {position + 2}"


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the file."""


class _Header(_Line, frozen=True):
    feed: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,39}\Z")]
    sequence: Annotated[int, msgspec.Meta(ge=1, lt=1 << 53)]
    count: Annotated[int, msgspec.Meta(ge=0, le=MOST_EVENTS)]
    format: Literal[1]


_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Event(_Line, frozen=True):
    event: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,55}\Z")]
    kind: ChangeKind
    code: str
    occurred: _Moment
    notified: _Moment
    effective: _Moment


class _Trailer(_Line, frozen=True):
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


L = TypeVar("L", bound=_Line)


def read_feed(stream: BinaryIO, place: str, code_key: bytes) -> Feed:
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
    changes: list[Change] = []
    lines: dict[str, int] = {}
    last, number = b"", 0
    for number, line in enumerate(_lines(stream, place), start=1):
        # The line before is known not to be the last one only now.
        if number == 2:
            header = _decode(last, _Header, f"{place} line 1", "header")
        elif number > 2:
            change = _change(last, f"{place} line {number - 1}", code_key)
            if change.id in lines:
                _refuse(
                    f"{place} line {number - 1}",
                    f"event {change.id} stands on line {lines[change.id]} already",
                )
            lines[change.id] = number - 1
            changes.append(change)
        digest.update(last)
        last = line
    if header is None:
        _refuse(place, "has no header and trailer: it is empty, or cut off")
    trailer = _as_trailer(last)
    if trailer is None:
        place = f"{place} line {number}"
        _refuse(place, "is the last line and not the trailer: the file is cut off", remedy="Send it again")
    if header.count != len(changes):
        _refuse(f"{place} line 1, count", f"says {header.count}, and {len(changes)} events follow")
    if trailer.sha256 != digest.hexdigest():
        _refuse(
            f"{place} line {number}, sha256", "is not the SHA-256 of the lines before it: they were changed"
        )
    return Feed(header.feed, header.sequence, place, tuple(changes))


def _lines(stream: BinaryIO, place: str) -> Iterator[bytes]:
    """The lines with their ends, bounded in length, number and sum."""
    size = 0
    for number in range(1, MOST_EVENTS + 3):
        try:
            line = stream.readline(LONGEST_LINE + 1)
        except OSError as error:
            raise BadInput(place, f"cannot be read: {error.strerror}") from None
        if not line:
            return
        if len(line) > LONGEST_LINE:
            _refuse(f"{place} line {number}", f"is longer than {LONGEST_LINE} octets")
        size += len(line)
        if size > LARGEST_FILE:
            _refuse(
                f"{place} line {number}", f"reaches beyond {LARGEST_FILE} octets, the most that a file has"
            )
        yield line
    if stream.read(1):
        _refuse(place, f"has more than {MOST_EVENTS} events", remedy="Send several files")


def _change(line: bytes, place: str, code_key: bytes) -> Change:
    if _as_trailer(line):
        _refuse(place, "is a trailer, and lines follow it")
    event = _decode(line, _Event, place, "event")
    try:
        code = resident_code(event.code)
    except BadInput as error:
        _refuse(f"{place}, code", error.problem)
    if code in event.event:
        # The event's name goes into the journal, which holds no resident's code.
        _refuse(f"{place}, event", "contains the resident code", remedy="Name events by numbers of their own")
    return Change(
        id=event.event,
        kind=event.kind,
        holder=keyed_code(code_key, code),
        occurred=_utc(event.occurred, f"{place}, occurred"),
        notified=_utc(event.notified, f"{place}, notified"),
        effective=_utc(event.effective, f"{place}, effective"),
    )


def _as_trailer(line: bytes) -> _Trailer | None:
    try:
        return msgspec.json.decode(line, type=_Trailer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _decode(line: bytes, kind: type[L], place: str, what: str) -> L:
    """A line of this kind. What stood in it is not repeated in errors: it may be about a person."""
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at ")
        field = where.strip("`").removeprefix("$.")
        if field == "kind":
            _refuse(f"{place}, kind", "is not a kind of event", remedy=f"One of: {', '.join(ChangeKind)}")
        if field == "format":
            _refuse(f"{place}, format", "is not 1, the format that this version reads")
        # The name of an unknown field may be anything, a person's too: it is shown if it is a plain word.
        stranger = re.search(r"unknown field `(.*)`", problem, re.DOTALL)
        if stranger and not re.fullmatch(r"[a-z][a-z_]{0,29}", stranger[1]):
            problem = f"is not of the form of the {what}"
        _refuse(f"{place}, {field}" if field else place, problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _refuse(place, f"is not the {what}: not JSON in UTF-8")


def _utc(moment: datetime, place: str) -> datetime:
    if moment.year not in _YEARS:
        _refuse(place, f"lies outside {_YEARS.start} to {_YEARS.stop - 1}")
    return moment.astimezone(UTC)


def _refuse(place: str, problem: str, *, remedy: str | None = None) -> NoReturn:
    raise BadInput(place, problem, clause=FORM, remedy=remedy) from None
