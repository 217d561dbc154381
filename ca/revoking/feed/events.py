"""What a change feed comes to in whatever form it is written: events, each checked as it is read, and not too many.

Residents' codes end here: what leaves this module knows a resident by the keyed code alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, BinaryIO, NoReturn

import msgspec

from ca.errors import BadInput
from ca.keys.codes import keyed_code
from ca.model import ResidentCode, resident_code
from ca.rules.residents import Change, ChangeKind

FORM = "docs/event-feed.md"

# An event line has some 300 octets; a day's changes of the whole nation are some 20,000 events.
LONGEST_LINE = 4096
MOST_EVENTS = 100_000
LARGEST_FILE = 64 << 20

FEED_NAME = r"[a-z0-9][a-z0-9.-]{0,39}"
MOST_FILES = (1 << 53) - 1

_ELEVEN = re.compile(r"(?<![0-9])[0-9]{11}(?![0-9])")
_OWN_NUMBERS = "Name events and feeds by names and numbers of their own"

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


_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_EventId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,55}\Z")]


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event as it stands in a file; the codes are still the resident's own."""

    event: _EventId
    kind: ChangeKind
    code: str
    occurred: _Moment
    notified: _Moment
    effective: _Moment
    withdraws: _EventId | None = None
    new_code: str | None = None

    def __repr__(self) -> str:
        return f"Event({self.event!r}, {self.kind!r})"


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a file, taken in one by one.

    Attributes:
        place: What the file is called in errors.
        code_key: The key under which residents' codes are kept.
        names: What the form calls a field of an event, where it has another name there.
    """

    place: str
    code_key: bytes = field(repr=False)
    names: Mapping[str, str] = field(default_factory=dict)
    _changes: list[Change] = field(default_factory=list)
    _lines: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, event: Event, line: int) -> None:
        """Take in the event that stands on this line, or raise BadInput naming line and field."""
        if event.event in self._lines:
            refuse(
                f"{self.place} line {line}",
                f"event {event.event} stands on line {self._lines[event.event]} already",
            )
        change = self._change(event, line)
        self._lines[event.event] = line
        self._changes.append(change)

    def feed(self, name: str, sequence: int) -> Feed:
        """The file that they were."""
        return Feed(name, sequence, self.place, tuple(self._changes))

    def _change(self, event: Event, line: int) -> Change:
        def at(name: str) -> str:
            return f"{self.place} line {line}, {self.names.get(name, name)}"

        code = _code(event.code, at("code"))
        new_code = None if event.new_code is None else _code(event.new_code, at("new_code"))
        _require_companions(event, at("withdraws"), at("new_code"))
        for name, text in (("event", event.event), ("withdraws", event.withdraws or "")):
            # An event's name goes into the journal, which holds no resident's code.
            if code in text or (new_code is not None and new_code in text):
                refuse(at(name), "contains the resident code", remedy=_OWN_NUMBERS)
            require_no_code(text, at(name))
        return Change(
            id=event.event,
            kind=event.kind,
            holder=keyed_code(self.code_key, code),
            occurred=_utc(event.occurred, at("occurred")),
            notified=_utc(event.notified, at("notified")),
            effective=_utc(event.effective, at("effective")),
            withdraws=event.withdraws,
            new_holder=None if new_code is None else keyed_code(self.code_key, new_code),
        )


def require_no_code(name: str, place: str) -> None:
    """Raise BadInput if a resident code, whose ever it is, stands alone in a name that goes into the journal."""
    for digits in _ELEVEN.findall(name):
        try:
            resident_code(digits)
        except BadInput:
            continue
        refuse(place, "has eleven digits that stand alone and are a resident code", remedy=_OWN_NUMBERS)


def _require_companions(event: Event, withdraws: str, new_code: str) -> None:
    """Raise unless the two fields stand where they say something, and only there. The places are their names."""
    if event.withdraws is not None:
        if event.kind is not ChangeKind.NOTICE_WITHDRAWN:
            refuse(withdraws, f"stands at an event that is not {ChangeKind.NOTICE_WITHDRAWN}")
        if event.withdraws == event.event:
            refuse(withdraws, "is the event itself")
    if event.kind is not ChangeKind.RESIDENT_CODE_CHANGED:
        if event.new_code is not None:
            refuse(new_code, f"stands at an event that is not {ChangeKind.RESIDENT_CODE_CHANGED}")
    elif event.new_code is None:
        refuse(new_code, f"is missing at an event that is {ChangeKind.RESIDENT_CODE_CHANGED}")
    elif event.new_code == event.code:
        refuse(new_code, "is the code that the resident had before")


def feed_lines(stream: BinaryIO, place: str, *, around: int) -> Iterator[bytes]:
    """The lines of a file with their ends, bounded in length, number and sum.

    Args:
        stream: The file's octets. No more is read than the largest file has.
        place: What the file is called in errors.
        around: How many lines the form has besides the events.
    """
    size = 0
    for number in range(1, MOST_EVENTS + around + 1):
        line = _readline(stream, place)
        if not line:
            return
        if len(line) > LONGEST_LINE:
            refuse(f"{place} line {number}", f"is longer than {LONGEST_LINE} octets")
        size += len(line)
        if size > LARGEST_FILE:
            refuse(
                f"{place} line {number}", f"reaches beyond {LARGEST_FILE} octets, the most that a file has"
            )
        yield line
    if _readline(stream, place):
        refuse(place, f"has more than {MOST_EVENTS} events", remedy="Send several files")


def mismatch(error: msgspec.ValidationError, place: str, what: str, names: Mapping[str, str]) -> NoReturn:
    """Refuse a line for what msgspec says of it. What stood there is not repeated: it may be about a person."""
    problem, _, where = str(error).partition(" - at ")
    name = where.strip("`").removeprefix("$.")
    if name == "kind":
        refuse(
            f"{place}, {names.get(name, name)}",
            "is not a kind of event",
            remedy=f"One of: {', '.join(ChangeKind)}",
        )
    if name == "format":
        refuse(f"{place}, format", "is not 1, the format that this version reads")
    # The name of an unknown field may be anything, a person's too: it is shown if it is a plain word.
    stranger = re.search(r"unknown field `(.*)`", problem, re.DOTALL)
    if stranger and not re.fullmatch(r"[a-z][a-z_]{0,29}", stranger[1]):
        problem = f"is not of the form of the {what}"
    refuse(f"{place}, {names.get(name, name)}" if name else place, problem)


def refuse(place: str, problem: str, *, remedy: str | None = None) -> NoReturn:
    """Raise BadInput about a feed file."""
    raise BadInput(place, problem, clause=FORM, remedy=remedy) from None


def _readline(stream: BinaryIO, place: str) -> bytes:
    try:
        return stream.readline(LONGEST_LINE + 1)
    except OSError as error:
        raise BadInput(place, f"cannot be read: {error.strerror}") from None


def _code(text: str, place: str) -> ResidentCode:
    try:
        return resident_code(text)
    except BadInput as error:
        refuse(place, error.problem)


def _utc(moment: datetime, place: str) -> datetime:
    if moment.year not in _YEARS:
        refuse(place, f"lies outside {_YEARS.start} to {_YEARS.stop - 1}")
    return moment.astimezone(UTC)
