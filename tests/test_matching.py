"""How long a certificate lasts at most by a rule of an edition, as a plan has to reckon with it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from bridge.migrating.running.matching import _longest
from ca.birth import BirthDate
from ca.errors import BadInput
from ca.rules.validity import (
    BirthdayRule,
    CountedFrom,
    LeapBirthday,
    ValidityRule,
    YearsRule,
    day_end,
    holder_period,
    japanese_day,
)

# The rule, a day of issue, the birthday, the last day of what is renewed, and how many days the certificate then lasts.
ATTAINED = [
    (YearsRule(3), "2015-12-22", None, None, 1096),
    (YearsRule(3, CountedFrom.DAY_AFTER), "2015-12-22", None, None, 1097),
    (YearsRule(1), "2015-12-22", None, None, 366),
    (BirthdayRule(5, 6, 3), "2023-06-01", "08-31", "2023-08-31", 1919),
    (BirthdayRule(5, 6, 0), "2023-06-01", "06-01", None, 1828),
    (BirthdayRule(5, 5, 3), "2023-06-01", "06-01", None, 1828),
]


def lasts(rule: ValidityRule, issued: datetime, born: BirthDate | None, before: datetime | None) -> int:
    period = holder_period(rule, issued_at=issued, birth_date=born, predecessor_not_after=before)
    return (japanese_day(period.not_after) - japanese_day(issued)).days + 1


def noon(day: str) -> datetime:
    return datetime.combine(datetime.fromisoformat(day), time(3), UTC)


@pytest.mark.parametrize(("rule", "issued", "birthday", "before", "days"), ATTAINED)
def test_the_longest_is_one_that_there_is(rule, issued, birthday, before, days):
    born = None if birthday is None else BirthDate.parse(f"1980-{birthday}")
    ends = None if before is None else day_end(japanese_day(noon(before)))
    assert lasts(rule, noon(issued), born, ends) == days == _longest(rule)


RULES = some.one_of(
    some.builds(YearsRule, some.integers(1, 10), some.sampled_from(CountedFrom)),
    some.tuples(
        some.integers(1, 8), some.integers(0, 3), some.integers(0, 12), some.sampled_from(LeapBirthday)
    ).map(lambda one: BirthdayRule(one[0], one[0] + one[1], one[2], one[3])),
)


@given(
    RULES,
    some.dates(date(1920, 1, 1), date(2000, 12, 31)),
    some.integers(0, 3_000),
    some.integers(0, 400),
)
def test_nothing_lasts_longer(rule, born, day, left):
    """Also what renews a certificate that ends on a birthday of its holder, as those of the rule do."""
    issued = datetime(2014, 1, 1, 3, tzinfo=UTC) + timedelta(days=day)
    birth = BirthDate.of(born)
    assume(born < issued.date())
    try:
        first = holder_period(rule, issued_at=issued - timedelta(days=left + 365), birth_date=birth)
    except BadInput:
        assume(False)
    for before in (None, first.not_after):
        assert lasts(rule, issued, birth, before) <= _longest(rule)
