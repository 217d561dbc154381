"""How long a certificate lasts. Days are Japanese days (JST, UTC+9, without daylight saving time).

Both ends of a validity are valid seconds (RFC 5280 4.1.2.5), so a day ends at 23:59:59.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from ca.birth import BirthDate
from ca.errors import BadInput
from ca.model import Period

JST = timezone(timedelta(hours=9), "JST")

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""Before anybody can have lost a key or a certificate, and far enough from the calendar's beginning for every zone."""

_A_LEAP_YEAR = 1904  # with every day that can be a birthday, and before every issue
_LONGEST_YEARS = 100  # far beyond every practice; keeps a slip in an edition from leaving the calendar


class LeapBirthday(StrEnum):
    """When someone born on 29 February has a birthday in a common year."""

    FEBRUARY_28 = "02-28"
    MARCH_1 = "03-01"


@dataclass(frozen=True, slots=True)
class BirthdayRule:
    """To the end of a birthday after the day of issue: the holders' rule of the national individual numbers act.

    Where parts of the date of birth are unknown, every day that it may have been is reckoned with, and the shortest
    validity is given: whichever day it was, the certificate does not last too long.

    Attributes:
        birthdays: Which birthday after the day of issue is the last day. A birthday on that day does not count.
        early_renewal_birthdays: The same for a renewal shortly before the predecessor expires.
        renewal_months: How shortly: less than so many months are left to the predecessor's last day.
        leap_birthday: 28 February is how the Road Traffic Act (article 92-2) reads a birthday on 29 February, and
            the reading under which no certificate outlasts the other one.
    """

    birthdays: int = 5
    early_renewal_birthdays: int = 6
    renewal_months: int = 3
    leap_birthday: LeapBirthday = LeapBirthday.FEBRUARY_28

    def __post_init__(self) -> None:
        if not 1 <= self.birthdays <= self.early_renewal_birthdays <= _LONGEST_YEARS:
            raise BadInput(
                "validity", f"birthdays are not 1 to early_renewal_birthdays, at most {_LONGEST_YEARS}"
            )
        if not 0 <= self.renewal_months <= 12:
            raise BadInput("validity", "renewal_months is not 0 to 12")


class CountedFrom(StrEnum):
    """The first day of a period of years (sources differ for the old residents' certificates)."""

    DAY_OF_ISSUE = "day of issue"
    DAY_AFTER = "day after"


@dataclass(frozen=True, slots=True)
class YearsRule:
    """Whole years: the old residents' certificates, official posts."""

    years: int
    counted_from: CountedFrom = CountedFrom.DAY_OF_ISSUE

    def __post_init__(self) -> None:
        if not 1 <= self.years <= _LONGEST_YEARS:
            raise BadInput("validity", f"{self.years} years are not 1 to {_LONGEST_YEARS}")


ValidityRule: TypeAlias = BirthdayRule | YearsRule


def holder_period(
    rule: ValidityRule,
    *,
    issued_at: datetime,
    birth_date: BirthDate | None,
    no_later_than: Iterable[datetime] = (),
    predecessor_not_after: datetime | None = None,
) -> Period:
    """The validity of a holder's certificate.

    Args:
        rule: Which rule the edition has chosen.
        issued_at: The real moment; its second is notBefore.
        birth_date: Needed by a BirthdayRule, ignored by a YearsRule.
        no_later_than: Moments beyond which the certificate may not last: the end of the card's last day
            (``day_end``), the end of the user-authentication certificate, the end of the issuing CA's own.
        predecessor_not_after: The end of the certificate of the same kind that this one renews, if it renews one;
            a YearsRule knows no early renewal.

    Raises:
        BadInput: A birthday rule without a date of birth or with one that is certainly still to come, or a limit
            that ended before the issue. No date of the holder's stands in it: expiry days are birthdays.
    """
    not_before = _second(issued_at)
    match rule:
        case BirthdayRule():
            last = _last_birthday(rule, issued_at, birth_date, predecessor_not_after)
        case YearsRule():
            first = japanese_day(issued_at)
            if rule.counted_from is CountedFrom.DAY_AFTER:
                first += timedelta(days=1)
            last = _last_day(first, rule.years)
    not_after = min([day_end(last), *map(_second, no_later_than)])
    if not_after < not_before:
        raise BadInput(
            "validity", "a limit of the certificate's life (card, other certificate) is already over"
        )
    return Period(not_before, not_after)


def years_period(at: datetime, years: int) -> Period:
    """The validity of a CA certificate: from this second to the end of the day before the anniversary, JST.

    The day of issue counts as the first day, so it never lasts longer than so many years.
    """
    return Period(_second(at), day_end(_last_day(japanese_day(at), years)))


def days_period(at: datetime, days: int) -> Period:
    """The validity of a service's certificate: exactly so many times 24 hours, both ends counted."""
    not_before = _second(at)
    return Period(not_before, not_before + timedelta(days=days, seconds=-1))


def day_end(day: date) -> datetime:
    """23:59:59 JST of a day, in UTC."""
    return datetime(day.year, day.month, day.day, 14, 59, 59, tzinfo=UTC)  # JST is UTC+9, all year


def japanese_day(moment: datetime) -> date:
    """The day that it is in Japan at this moment."""
    assert moment.tzinfo is not None, "moments are aware"
    return moment.astimezone(JST).date()


def renewal_opens(rule: ValidityRule, predecessor_not_after: datetime) -> date | None:
    """The first day in Japan on which a certificate may be renewed; None where the rule has no such day.

    The ordinance says "less than three months to the last day": the day exactly three months before is too early.
    """
    if isinstance(rule, YearsRule):
        return None
    return months_before(japanese_day(predecessor_not_after), rule.renewal_months) + timedelta(days=1)


def require_age(birth_date: BirthDate, at: datetime, minimum: int) -> None:
    """Raise BadInput unless the person has certainly reached this age in whole years.

    An unknown month or day counts as the latest that it may have been; without a year no age is certain.

    The Act on Calculation of Ages ends a year of life at 24:00 of the day before the birthday, which is 0:00 of
    the birthday: on the birthday, as a day in Japan, the age is reached. Whoever was born on 29 February reaches
    it in a common year at 24:00 of the 28th (Civil Code, article 143), that is on 1 March.
    """
    today = japanese_day(at)
    if birth_date.year is None:
        raise BadInput(
            "age",
            f"the year of birth is unknown, so that the age of {minimum} is not certain",
            clause=f"not issued under the age of {minimum}",
            remedy="Have the year established in the resident register, or apply without this kind",
        )
    _, born = birth_date.span(birth_date.year)
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    age = today.year - born.year - (not had_birthday)
    if age < minimum:
        raise BadInput(
            "age", f"the applicant is under {minimum}", clause=f"not issued under the age of {minimum}"
        )


def _second(moment: datetime) -> datetime:
    """The second that a moment lies in, in UTC: certificates carry no fractions."""
    assert moment.tzinfo is not None, "moments are aware"
    return moment.astimezone(UTC).replace(microsecond=0)


def _last_birthday(
    rule: BirthdayRule, issued_at: datetime, birth_date: BirthDate | None, predecessor: datetime | None
) -> date:
    if birth_date is None:
        raise BadInput("validity", "the birthday rule needs a date of birth")
    birthdays = rule.birthdays
    if predecessor is not None and _is_early_renewal(rule, issued_at, predecessor):
        birthdays = rule.early_renewal_birthdays
    return _earliest_birthday(japanese_day(issued_at), birthdays, birth_date, rule.leap_birthday)


@lru_cache(maxsize=1 << 16)  # within a day of issue there are no more answers than days in people's lives
def _earliest_birthday(today: date, count: int, birth_date: BirthDate, leap: LeapBirthday) -> date:
    """The birthday of this number after today, the earliest of those that the known parts allow."""
    ends = [_birthday_after(today, count, born, leap) for born in _may_be(birth_date, today)]
    if not ends:
        raise BadInput("date of birth", "lies after the day of issue")
    return min(ends)


def _may_be(birth_date: BirthDate, today: date) -> Iterator[date]:
    """Every day that this may be, up to today. Birthdays do not tell the year of birth: any stands for an unknown one."""
    first, last = birth_date.span(birth_date.year or _A_LEAP_YEAR)
    for ordinal in range(first.toordinal(), min(last, today).toordinal() + 1):
        yield date.fromordinal(ordinal)


def _birthday_after(today: date, count: int, born: date, leap: LeapBirthday) -> date:
    """The birthday of this number after today; one today does not count."""
    first = today.year if _birthday(born, today.year, leap) > today else today.year + 1
    return _birthday(born, first + count - 1, leap)


def _is_early_renewal(rule: BirthdayRule, issued_at: datetime, predecessor: datetime) -> bool:
    opens = renewal_opens(rule, predecessor)
    return opens is not None and opens <= japanese_day(issued_at) and _second(issued_at) <= predecessor


def _birthday(birth_date: date, year: int, leap: LeapBirthday) -> date:
    if (birth_date.month, birth_date.day) != (2, 29) or calendar.isleap(year):
        return birth_date.replace(year=year)
    return date(year, 2, 28) if leap is LeapBirthday.FEBRUARY_28 else date(year, 3, 1)


def months_before(day: date, months: int) -> date:
    """The day of the same number so many months earlier, or that month's last day if it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _last_day(first: date, years: int) -> date:
    """The last day of a period of years whose first day counts (Civil Code, article 143).

    It is the day before the one that corresponds to the first day, or the month's last day if none corresponds.
    """
    year = first.year + years
    if (first.month, first.day) == (2, 29) and not calendar.isleap(year):
        return date(year, 2, 28)
    return first.replace(year=year) - timedelta(days=1)
