"""The one clock. Only the edges read it; everywhere else the moment is an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ca.errors import BadInput

_SETTING = re.compile(
    r"(?P<start>\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z)(\+(?P<speed>\d{1,7}(\.\d{1,6})?))?", re.ASCII
)


class Clock(Protocol):
    """What tells the moment: aware, in UTC."""

    def __call__(self) -> datetime:
        """The moment now."""
        ...


def system_clock() -> datetime:
    """The machine's own time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """The clock of a test world that lives at another moment, and perhaps at another speed.

    Attributes:
        start: The world's moment when the machine's clock stood at ``epoch``.
        speed: World seconds per machine second; 0 stands still.
    """

    start: datetime
    epoch: datetime
    speed: float

    def __call__(self) -> datetime:
        """The world's moment now; BadInput once it has run out of the calendar."""
        try:
            passed = timedelta(seconds=(system_clock() - self.epoch).total_seconds() * self.speed)
            return self.start + passed
        except OverflowError:
            raise BadInput("clock", "the world's time has run beyond the year 9999") from None


def parse_clock(text: str) -> tuple[datetime, float]:
    """Read ``2014-09-01T00:00Z[+speed]``: the moment to start at, and world seconds per second (default 1)."""
    match = _SETTING.fullmatch(text)
    if match is None:
        raise BadInput("--clock", f"{text!r} is not of the form 2014-09-01T00:00Z or 2014-09-01T00:00Z+60")
    return parse_moment(match["start"], "--clock"), float(match["speed"] or 1)


def parse_moment(text: str, place: str) -> datetime:
    """Read an ISO 8601 moment with its zone (or Z), or raise BadInput; returns it in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadInput(place, f"{text!r} is not a moment such as 2014-09-01T00:00:00Z or ...+09:00")


def utc_text(moment: datetime) -> str:
    """A moment as people and machines both read it: ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
