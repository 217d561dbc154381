"""The date of a person's birth, parts of which a register may not know."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date

from ca.errors import BadInput

_BIRTH_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")
_LEAP_YEAR = 2000  # for what is asked of a date without a year: it has every day that a year can have


@dataclass(frozen=True, slots=True)
class BirthDate:
    """A date of birth as the register has it: any part may be unknown, but a day is known only with its month.

    Written as ``1950-05-09``, an unknown part as zeros: ``1950-05-00``, ``1950-00-00``, ``0000-05-09``.
    """

    year: int | None
    month: int | None = None
    day: int | None = None

    def __post_init__(self) -> None:
        if self.month is None and self.day is not None:
            raise BadInput("date of birth", "has a day without a month", remedy="Leave the day unknown, too")
        try:
            self.span(_LEAP_YEAR if self.year is None else self.year)
        except ValueError:
            raise BadInput("date of birth", "is not a date of the calendar") from None

    def __str__(self) -> str:
        return f"{self.year or 0:04}-{self.month or 0:02}-{self.day or 0:02}"

    @classmethod
    def parse(cls, text: str, place: str = "date of birth") -> BirthDate:
        """Read ``1950-05-09``, unknown parts zero, or raise BadInput that does not show it."""
        match = _BIRTH_DATE.fullmatch(text)
        if match is None:
            raise BadInput(place, "is not a date as YYYY-MM-DD", remedy="Write an unknown part as zeros")
        try:
            return cls(*(int(part) or None for part in match.groups()))
        except BadInput as refused:
            raise BadInput(place, refused.problem, remedy=refused.remedy) from None

    @classmethod
    def of(cls, day: date) -> BirthDate:
        """A date of which every part is known."""
        return cls(day.year, day.month, day.day)

    def span(self, year: int) -> tuple[date, date]:
        """The first and the last day of this year that fit the known month and day; all between them fit, too."""
        if self.month is None:
            return date(year, 1, 1), date(year, 12, 31)
        if self.day is None:
            return date(year, self.month, 1), date(year, self.month, calendar.monthrange(year, self.month)[1])
        return date(year, self.month, self.day), date(year, self.month, self.day)
