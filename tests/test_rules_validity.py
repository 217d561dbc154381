import calendar
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.birth import BirthDate
from ca.errors import BadInput
from ca.profiles.residents import birth_date_text
from ca.rules.validity import (
    BirthdayRule,
    CountedFrom,
    LeapBirthday,
    YearsRule,
    day_end,
    days_period,
    holder_period,
    require_age,
    years_period,
)

JST = timezone(timedelta(hours=9))
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
FIVE = BirthdayRule()
FROM_MARCH = BirthdayRule(leap_birthday=LeapBirthday.MARCH_1)
THREE = YearsRule(3)
THREE_AFTER = YearsRule(3, CountedFrom.DAY_AFTER)

moments = st.datetimes(datetime(2004, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
birth_days = st.dates(date(1900, 1, 1), date(2003, 12, 30))
leap_days = st.integers(1904 // 4, 2000 // 4).map(lambda quarter: date(quarter * 4, 2, 29))
born_days = birth_days | leap_days
born = born_days.map(BirthDate.of)
years_rules = st.builds(YearsRule, st.integers(1, 10), st.sampled_from(CountedFrom))
birthday_rules = st.builds(BirthdayRule, st.integers(1, 6), st.integers(6, 8), st.integers(0, 12))


def jst(text):
    """A moment in Japan, written as ``2014-09-01 12:34:56``."""
    return datetime.fromisoformat(text).replace(tzinfo=JST)


def japanese(moment):
    return f"{moment + timedelta(hours=9):%Y-%m-%d %H:%M:%S}"


def holder(rule, issued, birth=None, **more):
    birth_date = birth and BirthDate.parse(birth)
    return holder_period(rule, issued_at=jst(issued), birth_date=birth_date, **more)


@pytest.mark.parametrize(
    ("rule", "issued", "birth", "last_day"),
    [
        pytest.param(FIVE, "2014-09-01 12:00:00", "1970-12-24", "2018-12-24", id="birthday later in the year"),
        pytest.param(FIVE, "2014-09-01 12:00:00", "1970-03-03", "2019-03-03", id="birthday earlier in the year"),
        pytest.param(FIVE, "2014-09-01 12:00:00", "1970-09-01", "2019-09-01", id="issued on the birthday"),
        pytest.param(FIVE, "2014-09-01 12:00:00", "1970-09-02", "2018-09-02", id="the birthday is tomorrow"),
        pytest.param(FIVE, "2014-09-01 23:59:59", "1970-09-02", "2018-09-02", id="one second before the birthday"),
        pytest.param(FIVE, "2014-09-02 00:00:00", "1970-09-02", "2019-09-02", id="in its first second"),
        pytest.param(FIVE, "2014-09-02 08:59:59", "1970-09-02", "2019-09-02", id="in UTC still the day before"),
        pytest.param(FIVE, "2014-09-01 12:00:00", "2014-09-01", "2019-09-01", id="issued on the day of birth"),
        pytest.param(FIVE, "2014-12-31 23:59:59", "1970-01-01", "2019-01-01", id="turn of the year"),
        pytest.param(FIVE, "2014-09-01 12:00:00", "1972-02-29", "2019-02-28", id="29 February, common year"),
        pytest.param(FROM_MARCH, "2014-09-01 12:00:00", "1972-02-29", "2019-03-01", id="the same, 1 March"),
        pytest.param(FIVE, "2015-09-01 12:00:00", "1972-02-29", "2020-02-29", id="29 February, leap year"),
        pytest.param(FROM_MARCH, "2015-09-01 12:00:00", "1972-02-29", "2020-02-29", id="the same in both readings"),
        pytest.param(FIVE, "2015-02-28 12:00:00", "1972-02-29", "2020-02-29", id="28 February is the birthday"),
        pytest.param(FROM_MARCH, "2015-02-28 12:00:00", "1972-02-29", "2019-03-01", id="28 February is not yet"),
        pytest.param(THREE, "2014-09-01 12:00:00", None, "2017-08-31", id="3 years from the day of issue"),
        pytest.param(THREE_AFTER, "2014-09-01 12:00:00", None, "2017-09-01", id="3 years from the day after"),
        pytest.param(THREE, "2012-02-29 12:00:00", None, "2015-02-28", id="from 29 February"),
        pytest.param(THREE_AFTER, "2012-02-29 12:00:00", None, "2015-02-28", id="from 1 March of a leap year"),
        pytest.param(THREE_AFTER, "2013-02-28 12:00:00", None, "2016-02-29", id="to a leap year's 29 February"),
        pytest.param(THREE_AFTER, "2012-02-28 12:00:00", None, "2015-02-28", id="no 29 February to end before"),
        pytest.param(YearsRule(4), "2012-02-29 12:00:00", None, "2016-02-28", id="29 February to 28 February"),
        pytest.param(THREE, "2014-01-01 00:00:00", None, "2016-12-31", id="a year's first second"),
    ],
)  # fmt: skip
def test_the_last_day_of_a_holders_certificate(rule, issued, birth, last_day):
    period = holder(rule, issued, birth)
    assert japanese(period.not_before) == issued
    assert japanese(period.not_after) == f"{last_day} 23:59:59"
    assert {period.not_before.tzinfo, period.not_after.tzinfo} == {UTC}


@pytest.mark.parametrize(
    ("issued", "predecessor", "last_year"),
    [
        pytest.param(
            "2019-01-10 23:59:59", "2019-04-10 23:59:59", 2023, id="exactly three months before: too early"
        ),
        pytest.param("2019-01-11 00:00:00", "2019-04-10 23:59:59", 2024, id="the day after"),
        pytest.param("2019-04-10 23:59:59", "2019-04-10 23:59:59", 2025, id="on the birthday itself"),
        pytest.param("2019-04-11 00:00:00", "2019-04-10 23:59:59", 2024, id="expired: the fifth from now"),
        pytest.param("2018-09-01 12:00:00", "2019-04-10 23:59:59", 2023, id="long before"),
        pytest.param(
            "2019-03-01 00:00:00", "2019-05-31 23:59:59", 2024, id="28 February stands for the 31st"
        ),
        pytest.param("2019-02-28 23:59:59", "2019-05-31 23:59:59", 2023, id="on the 28th itself"),
    ],
)
def test_a_renewal_within_three_months_lasts_to_the_sixth_birthday(issued, predecessor, last_year):
    period = holder(FIVE, issued, "1970-04-10", predecessor_not_after=jst(predecessor))
    assert japanese(period.not_after) == f"{last_year}-04-10 23:59:59"


def test_an_expired_predecessor_gives_nothing_even_before_the_birthday():
    period = holder(
        FIVE, "2019-03-02 00:00:00", "1970-04-10", predecessor_not_after=jst("2019-03-01 23:59:59")
    )
    assert japanese(period.not_after) == "2023-04-10 23:59:59"


@pytest.mark.parametrize(
    ("limits", "end"),
    [
        ((), "2018-12-24 23:59:59"),
        (("2030-01-01 00:00:00",), "2018-12-24 23:59:59"),
        (("2017-05-05 23:59:59", "2016-04-04 12:00:00"), "2016-04-04 12:00:00"),
        (("2014-09-01 12:00:00",), "2014-09-01 12:00:00"),
    ],
)
def test_the_earliest_limit_counts(limits, end):
    period = holder(FIVE, "2014-09-01 12:00:00", "1970-12-24", no_later_than=map(jst, limits))
    assert japanese(period.not_after) == end


def test_a_limit_is_never_rounded_up_and_the_issue_is_its_real_second():
    limit = jst("2015-01-01 00:00:00") + timedelta(microseconds=999_999)
    issued = jst("2014-09-01 12:00:00") + timedelta(microseconds=999_999)
    period = holder_period(FIVE, issued_at=issued, birth_date=BirthDate(1970, 1, 1), no_later_than=[limit])
    assert japanese(period.not_before) == "2014-09-01 12:00:00"
    assert japanese(period.not_after) == "2015-01-01 00:00:00"


def test_a_limit_already_over_is_refused_without_naming_a_day():
    with pytest.raises(BadInput) as refusal:
        holder(FIVE, "2014-09-01 12:00:00", "1970-12-24", no_later_than=[jst("2013-12-24 23:59:59")])
    assert not any(character.isdigit() for character in str(refusal.value))


@pytest.mark.parametrize(
    ("birth", "problem"), [(None, "needs a date of birth"), ("2014-09-02", "lies after the day of issue")]
)
def test_a_birthday_rule_needs_a_birthday_that_has_been(birth, problem):
    with pytest.raises(BadInput, match=problem) as refusal:
        holder(FIVE, "2014-09-01 23:59:59", birth)
    assert "2014" not in str(refusal.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BirthdayRule(birthdays=0),
        lambda: BirthdayRule(birthdays=7),
        lambda: BirthdayRule(early_renewal_birthdays=101),
        lambda: BirthdayRule(renewal_months=-1),
        lambda: BirthdayRule(renewal_months=13),
        lambda: YearsRule(0),
        lambda: YearsRule(101),
    ],
)
def test_a_rule_that_describes_no_validity_is_refused(make):
    with pytest.raises(BadInput, match="validity"):
        make()


def birthdays_after(issued, birth, leap_day):
    """Every birthday after the day of issue, found by walking through the calendar."""
    day = (issued + timedelta(hours=9)).date()
    days = {(birth.month, birth.day)}
    while True:
        day += DAY
        stand_in = {leap_day} if (2, 29) in days and not calendar.isleap(day.year) else set()
        if (day.month, day.day) in days | stand_in:
            yield day


@given(moments, born_days, st.sampled_from(LeapBirthday))
def test_the_end_is_the_fifth_birthday_that_the_calendar_shows(issued, birth, leap):
    rule = BirthdayRule(leap_birthday=leap)
    leap_day = (2, 28) if leap is LeapBirthday.FEBRUARY_28 else (3, 1)
    found = birthdays_after(issued, birth, leap_day)
    fifth = [next(found) for _ in range(5)][-1]
    period = holder_period(rule, issued_at=issued, birth_date=BirthDate.of(birth))
    assert japanese(period.not_after) == f"{fifth} 23:59:59"


@given(birthday_rules, moments, born, st.none() | moments)
def test_birthday_periods_keep_their_bounds(rule, issued, birth, predecessor):
    period = holder_period(rule, issued_at=issued, birth_date=birth, predecessor_not_after=predecessor)
    assert japanese(period.not_after).endswith("23:59:59")
    assert timedelta(0) <= issued - period.not_before < SECOND
    longest = rule.early_renewal_birthdays if predecessor else rule.birthdays
    assert period.not_after - period.not_before < longest * 365 * DAY + (longest // 4 + 1) * DAY + 2 * DAY
    assert period.not_after - period.not_before > (rule.birthdays - 1) * 365 * DAY


@given(birthday_rules, moments, born, moments)
def test_a_renewal_never_shortens(rule, issued, birth, predecessor):
    alone = holder_period(rule, issued_at=issued, birth_date=birth)
    renewed = holder_period(rule, issued_at=issued, birth_date=birth, predecessor_not_after=predecessor)
    assert renewed.not_after >= alone.not_after
    assert renewed.not_before == alone.not_before


@given(birthday_rules | years_rules, moments, moments, born, st.lists(moments, max_size=3))
def test_who_is_issued_later_never_ends_earlier_and_no_limit_is_passed(rule, one, other, birth, limits):
    earlier, later = sorted((one, other))
    first = holder_period(rule, issued_at=earlier, birth_date=birth)
    assert first.not_after <= holder_period(rule, issued_at=later, birth_date=birth).not_after
    try:
        capped = holder_period(rule, issued_at=earlier, birth_date=birth, no_later_than=limits)
    except BadInput:
        assert min(limits) < earlier
    else:
        assert all(capped.not_after <= limit for limit in limits)
        assert capped.not_after <= first.not_after
        assert capped.not_after == first.not_after or min(limits) - capped.not_after < SECOND


@given(years_rules, moments)
def test_years_periods_end_a_day_apart_by_where_they_count_from(rule, issued):
    period = holder_period(rule, issued_at=issued, birth_date=None)
    assert japanese(period.not_after).endswith("23:59:59")
    anniversary_year = int(japanese(issued)[:4]) + rule.years
    assert abs(int(japanese(period.not_after)[:4]) - anniversary_year) <= 1
    counted_from_issue = holder_period(YearsRule(rule.years), issued_at=issued, birth_date=None)
    difference = period.not_after - counted_from_issue.not_after
    # Two days where the day of issue is 28 February and a leap year's 29th comes between; none where the 29th
    # and 1 March both end on 28 February.
    allowed = {timedelta(0)} if rule.counted_from is CountedFrom.DAY_OF_ISSUE else {0 * DAY, DAY, 2 * DAY}
    assert difference in allowed


@pytest.mark.parametrize(
    ("at", "years", "end"),
    [
        ("2014-09-01 00:00:00", 10, "2024-08-31 23:59:59"),
        ("2014-09-01 23:59:59", 10, "2024-08-31 23:59:59"),
        ("2014-01-01 08:59:59", 10, "2023-12-31 23:59:59"),
        ("2016-02-29 12:00:00", 10, "2026-02-28 23:59:59"),
        ("2016-02-29 12:00:00", 4, "2020-02-28 23:59:59"),
        ("2014-09-01 12:00:00", 1, "2015-08-31 23:59:59"),
    ],
)
def test_a_ca_certificate_ends_before_the_anniversary(at, years, end):
    period = years_period(jst(at), years)
    assert (japanese(period.not_before), japanese(period.not_after)) == (at, end)


@given(moments, st.integers(1, 20))
def test_years_never_last_longer_than_they_say(at, years):
    period = years_period(at, years)
    assert japanese(period.not_after).endswith("23:59:59")
    leap_days = sum(map(calendar.isleap, range(at.year - 1, at.year + years + 2)))
    length = period.not_after + SECOND - period.not_before
    assert (years * 365 - 1) * DAY < length <= (years * 365 + leap_days) * DAY
    assert (period.not_after + timedelta(hours=9)).date() < _same_day(at, years) + DAY


def _same_day(at, years):
    day = (at + timedelta(hours=9)).date()
    return (
        date(day.year + years, 3, 1)
        if (day.month, day.day) == (2, 29)
        else day.replace(year=day.year + years)
    )


@given(moments, st.integers(1, 4000))
def test_days_count_both_ends(at, days):
    period = days_period(at, days)
    assert period.not_before == at.replace(microsecond=0)
    assert period.not_after + SECOND - period.not_before == days * DAY


def test_a_service_without_a_day_is_refused():
    with pytest.raises(BadInput, match="before it begins"):
        days_period(jst("2014-09-01 12:00:00"), 0)


def test_a_day_ends_in_japan():
    assert day_end(date(2014, 12, 31)) == datetime(2014, 12, 31, 14, 59, 59, tzinfo=UTC)


@given(st.dates(date(2000, 1, 1), date(2060, 1, 1)))
def test_a_second_after_a_days_end_is_the_next_day(day):
    assert japanese(day_end(day)) == f"{day} 23:59:59"
    assert japanese(day_end(day) + SECOND) == f"{day + DAY} 00:00:00"


@pytest.mark.parametrize(
    ("birth", "at", "reached"),
    [
        pytest.param("1999-09-01", "2014-09-01 00:00:00", True, id="the birthday's first second"),
        pytest.param("1999-09-01", "2014-08-31 23:59:59", False, id="the second before"),
        pytest.param("1999-09-01", "2014-09-01 08:59:59", True, id="in UTC still the day before"),
        pytest.param("1999-09-02", "2014-09-01 12:00:00", False, id="tomorrow"),
        pytest.param("1950-01-01", "2014-09-01 12:00:00", True, id="long ago"),
        pytest.param("2014-09-01", "2014-09-01 12:00:00", False, id="born today"),
        pytest.param("2020-01-01", "2014-09-01 12:00:00", False, id="not born yet"),
        pytest.param("2000-02-29", "2015-02-28 23:59:59", False, id="29 February: not on the 28th"),
        pytest.param("2000-02-29", "2015-03-01 00:00:00", True, id="but on 1 March"),
        pytest.param("2001-12-31", "2016-12-31 00:00:00", True, id="New Year's Eve"),
        pytest.param("1999-09-00", "2014-09-29 23:59:59", False, id="in September: not before its last day"),
        pytest.param("1999-09-00", "2014-09-30 00:00:00", True, id="but on it"),
        pytest.param("1999-00-00", "2014-12-30 23:59:59", False, id="in the year: not before its last day"),
        pytest.param("1999-00-00", "2014-12-31 00:00:00", True, id="but on New Year's Eve"),
        pytest.param("1998-00-00", "2014-01-01 00:00:00", True, id="in the year before"),
        pytest.param("2000-02-00", "2015-02-28 23:59:59", False, id="perhaps on 29 February"),
        pytest.param("2001-02-00", "2016-02-28 00:00:00", True, id="certainly not on 29 February"),
    ],
)
def test_the_age_of_fifteen(birth, at, reached):
    birth_date = BirthDate.parse(birth)
    if reached:
        require_age(birth_date, jst(at), 15)
    else:
        with pytest.raises(BadInput, match="under 15") as refusal:
            require_age(birth_date, jst(at), 15)
        assert str(birth_date.year) not in str(refusal.value)


@given(born, moments, st.integers(0, 60))
def test_an_age_once_reached_stays_reached(birth, at, minimum):
    try:
        require_age(birth, at, minimum)
    except BadInput:
        with pytest.raises(BadInput):
            require_age(birth, at - 30 * DAY, minimum)
    else:
        require_age(birth, at + 30 * DAY, minimum)


@pytest.mark.parametrize("birth", ["0000-00-00", "0000-09-00", "0000-09-01"])
def test_no_age_is_certain_without_a_year_of_birth(birth):
    with pytest.raises(BadInput, match="the year of birth is unknown") as refusal:
        require_age(BirthDate.parse(birth), jst("2014-09-01 12:00:00"), 15)
    assert "register" in refusal.value.remedy


def forgotten(day, parts):
    """The date of a day of which these parts are unknown."""
    known = {"year": day.year, "month": day.month, "day": day.day} | dict.fromkeys(parts)
    return BirthDate(**known)


unknown_parts = st.sampled_from(
    [("day",), ("month", "day"), ("year",), ("year", "day"), ("year", "month", "day")]
)


@given(born_days, unknown_parts.filter(lambda parts: "year" not in parts), moments, st.integers(0, 60))
def test_an_age_that_is_certain_is_reached_whatever_the_day(day, parts, at, minimum):
    try:
        require_age(forgotten(day, parts), at, minimum)
    except BadInput:
        with pytest.raises(BadInput):  # for on the last day that fits, it would not have been reached
            require_age(BirthDate.of(forgotten(day, parts).span(day.year)[1]), at, minimum)
    else:
        require_age(BirthDate.of(day), at, minimum)


@pytest.mark.parametrize(
    ("issued", "birth", "last_day"),
    [
        pytest.param("2014-09-01 12:00:00", "1970-12-00", "2018-12-01", id="a month to come: its first day"),
        pytest.param("2014-09-01 12:00:00", "1970-03-00", "2019-03-01", id="a month that is over: its first day"),
        pytest.param("2014-09-10 12:00:00", "1970-09-00", "2018-09-11", id="this month: tomorrow"),
        pytest.param("2014-09-29 12:00:00", "1970-09-00", "2018-09-30", id="its last day is tomorrow"),
        pytest.param("2014-09-30 12:00:00", "1970-09-00", "2019-09-01", id="its last day"),
        pytest.param("2014-09-10 12:00:00", "1970-00-00", "2018-09-11", id="any day of the year: tomorrow"),
        pytest.param("2014-12-31 12:00:00", "1970-00-00", "2019-01-01", id="on its last day: New Year"),
        pytest.param("2014-09-10 12:00:00", "0000-00-00", "2018-09-11", id="nothing is known: tomorrow"),
        pytest.param("2014-09-10 12:00:00", "0000-12-24", "2018-12-24", id="only the year is unknown"),
        pytest.param("2015-02-28 12:00:00", "1972-02-00", "2020-02-01", id="28 February was 29 February"),
        pytest.param("2015-02-27 12:00:00", "1972-02-00", "2019-02-28", id="tomorrow, whether 28th or 29th"),
        pytest.param("2014-09-10 12:00:00", "2014-00-00", "2019-01-01", id="born this year: not tomorrow"),
        pytest.param("2014-09-10 12:00:00", "2014-09-00", "2019-09-01", id="born this month: not tomorrow"),
        pytest.param("2014-02-28 12:00:00", "0000-02-29", "2019-02-28", id="29 February of some year"),
        pytest.param("2099-12-31 12:00:00", "0000-02-29", "2104-02-29", id="though 2100 is no leap year"),
    ],
)  # fmt: skip
def test_the_last_day_where_parts_of_the_birth_date_are_unknown(issued, birth, last_day):
    assert japanese(holder(FIVE, issued, birth).not_after) == f"{last_day} 23:59:59"


def test_29_february_of_an_unknown_year_in_the_other_reading():
    period = holder(FROM_MARCH, "2014-02-28 12:00:00", "0000-02-29")
    assert japanese(period.not_after) == "2018-03-01 23:59:59"


@given(birthday_rules, moments, born_days, unknown_parts, st.none() | moments)
def test_what_is_unknown_never_lengthens(rule, issued, day, parts, predecessor):
    known = holder_period(
        rule, issued_at=issued, birth_date=BirthDate.of(day), predecessor_not_after=predecessor
    )
    unknown = holder_period(
        rule, issued_at=issued, birth_date=forgotten(day, parts), predecessor_not_after=predecessor
    )
    assert unknown.not_before == known.not_before
    assert unknown.not_after <= known.not_after
    assert japanese(unknown.not_after).endswith("23:59:59")
    if parts == ("year",) and (day.month, day.day) != (2, 29):
        assert unknown == known


@given(birthday_rules, moments, st.integers(1990, 2003), st.integers(1, 12))
def test_the_shortest_is_that_of_some_day(rule, issued, year, month):
    days = [date(year, month, day) for day in range(1, calendar.monthrange(year, month)[1] + 1)]
    ends = {holder_period(rule, issued_at=issued, birth_date=BirthDate.of(day)).not_after for day in days}
    assert holder_period(rule, issued_at=issued, birth_date=BirthDate(year, month)).not_after == min(ends)


@given(birthday_rules, moments, moments, born_days, unknown_parts)
def test_who_is_issued_later_never_ends_earlier_though_parts_are_unknown(rule, one, other, day, parts):
    birth = forgotten(day, parts)
    first, second = (
        holder_period(rule, issued_at=at, birth_date=birth).not_after for at in sorted((one, other))
    )
    assert first <= second


@given(
    st.dates(date(2014, 1, 1), date(2016, 12, 31)),
    st.dates(date(2014, 1, 1), date(2016, 12, 31)),
    unknown_parts,
)
def test_infants_with_unknown_parts_are_no_exception(one, other, parts):
    birth = forgotten(date(2014, 2, 28), parts)
    ends = [
        holder_period(
            FIVE, issued_at=datetime.combine(day, datetime.min.time(), JST), birth_date=birth
        ).not_after
        for day in sorted((one, other))
        if birth.year is None or birth.span(2014)[0] <= min(one, other)
    ]
    assert ends == sorted(ends)


@pytest.mark.parametrize("birth", ["2014-10-00", "2015-00-00", "2014-09-02"])
def test_who_is_certainly_not_born_yet_is_refused(birth):
    with pytest.raises(BadInput, match="lies after the day of issue"):
        holder(FIVE, "2014-09-01 23:59:59", birth)


@pytest.mark.parametrize("parts", [("day",), ("month", "day"), ("year",), ("year", "month", "day")])
def test_an_early_renewal_adds_a_year_though_parts_are_unknown(parts):
    birth = forgotten(date(1970, 4, 10), parts)
    plain = holder_period(FIVE, issued_at=jst("2019-03-01 12:00:00"), birth_date=birth)
    early = holder_period(
        FIVE,
        issued_at=jst("2019-03-01 12:00:00"),
        birth_date=birth,
        predecessor_not_after=jst("2019-04-10 23:59:59"),
    )
    assert japanese(early.not_after)[:4] == str(int(japanese(plain.not_after)[:4]) + 1)
    assert japanese(early.not_after)[4:] == japanese(plain.not_after)[4:]


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_all_of_the_predecessors_last_second_is_early_enough(microsecond):
    last = jst("2019-04-10 23:59:59")
    at = last.replace(microsecond=microsecond)
    renewed = holder_period(FIVE, issued_at=at, birth_date=BirthDate(1970, 4, 10), predecessor_not_after=last)
    assert japanese(renewed.not_after) == "2025-04-10 23:59:59"


@pytest.mark.parametrize(
    ("card_expires", "end"),
    [
        pytest.param(date(2024, 12, 24), "2018-12-24 23:59:59", id="the card lasts longer"),
        pytest.param(date(2018, 12, 24), "2018-12-24 23:59:59", id="as long"),
        pytest.param(date(2018, 12, 23), "2018-12-23 23:59:59", id="a day less"),
        pytest.param(date(2014, 9, 1), "2014-09-01 23:59:59", id="it ends today"),
    ],
)
def test_a_certificate_ends_with_the_cards_last_day(card_expires, end):
    period = holder(FIVE, "2014-09-01 12:00:00", "1970-12-24", no_later_than=[day_end(card_expires)])
    assert japanese(period.not_after) == end


def test_a_card_that_ended_yesterday_takes_no_certificate():
    with pytest.raises(BadInput, match="already over"):
        holder(FIVE, "2014-09-01 00:00:00", "1970-12-24", no_later_than=[day_end(date(2014, 8, 31))])


@given(
    birthday_rules | years_rules,
    moments,
    born,
    st.none() | moments,
    st.dates(date(2061, 1, 1), date(2070, 1, 1)),
)
def test_a_pair_never_outlasts_its_user_authentication_certificate(rule, issued, birth, predecessor, card):
    """As an office does: user authentication capped by the card, then the signature certificate by both."""
    limits = [day_end(card)]
    one = holder_period(rule, issued_at=issued, birth_date=birth, no_later_than=limits)
    two = holder_period(
        rule,
        issued_at=issued,
        birth_date=birth,
        no_later_than=[*limits, one.not_after],
        predecessor_not_after=predecessor,
    )
    assert two.not_after == one.not_after
    assert japanese(two.not_after).endswith("23:59:59")


@pytest.mark.parametrize(
    "call",
    [
        lambda moment: holder_period(THREE, issued_at=moment, birth_date=None),
        lambda moment: years_period(moment, 1),
        lambda moment: days_period(moment, 1),
        lambda moment: require_age(BirthDate(1970, 1, 1), moment, 15),
    ],
)
def test_a_moment_without_a_zone_is_a_slip_of_the_caller(call):
    with pytest.raises(AssertionError, match="aware"):
        call(datetime(2014, 9, 1))  # noqa: DTZ001 - the slip itself


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("2019-05-01", "520190501", id="Reiwa's first day"),
        pytest.param("2019-04-30", "420190430", id="Heisei's last"),
        pytest.param("1989-01-08", "419890108", id="Heisei's first"),
        pytest.param("1989-01-07", "319890107", id="Showa's last"),
        pytest.param("1926-12-25", "319261225", id="Showa's first"),
        pytest.param("1926-12-24", "219261224", id="Taisho's last"),
        pytest.param("1912-07-30", "219120730", id="Taisho's first"),
        pytest.param("1912-07-29", "119120729", id="Meiji's last"),
        pytest.param("1868-01-25", "118680125", id="Meiji's first"),
        pytest.param("1868-01-24", "018680124", id="before Meiji"),
        pytest.param("1950-05-00", "319500500", id="a day unknown"),
        pytest.param("1950-00-00", "319500000", id="a month unknown"),
        pytest.param("1989-00-00", "019890000", id="in Showa or in Heisei"),
        pytest.param("1989-01-00", "019890100", id="in a month of two eras"),
        pytest.param("1989-02-00", "419890200", id="after the change"),
        pytest.param("2019-04-00", "420190400", id="before the change"),
        pytest.param("1868-00-00", "018680000", id="perhaps before Meiji"),
        pytest.param("0000-00-00", "000000000", id="nothing known"),
        pytest.param("0000-05-09", "000000509", id="a year unknown"),
    ],
)
def test_a_birth_date_as_the_certificate_carries_it(text, written):
    birth = BirthDate.parse(text)
    assert str(birth) == text
    assert birth_date_text(birth) == written


@given(born_days, st.just(()) | unknown_parts)
def test_a_birth_date_is_read_as_it_is_written(day, parts):
    birth = forgotten(day, parts)
    assert BirthDate.parse(str(birth)) == birth
    assert BirthDate.parse(day.isoformat()) == BirthDate.of(day)  # the form that older stores hold


@given(born_days, unknown_parts)
def test_a_day_lies_in_the_span_of_what_is_known_of_it(day, parts):
    first, last = forgotten(day, parts).span(day.year)
    assert first <= day <= last
    assert first.year == last.year == day.year


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1985-04-31", "not a date of the calendar"),
        ("1985-02-29", "not a date of the calendar"),
        ("0000-02-30", "not a date of the calendar"),
        ("1985-13-00", "not a date of the calendar"),
        ("1985-00-09", "a day without a month"),
        ("0000-00-09", "a day without a month"),
        ("19850409", "not a date as YYYY-MM-DD"),
        ("1985-4-9", "not a date as YYYY-MM-DD"),
        ("1985-04-09\n", "not a date as YYYY-MM-DD"),
        ("\uff11985-04-09", "not a date as YYYY-MM-DD"),
        ("-985-04-09", "not a date as YYYY-MM-DD"),
        ("", "not a date as YYYY-MM-DD"),
    ],
)
def test_what_is_no_birth_date_is_refused_and_not_shown(text, problem):
    with pytest.raises(BadInput, match=problem) as refusal:
        BirthDate.parse(text, "resident, birth_date")
    assert refusal.value.place == "resident, birth_date"
    assert not any(character.isdigit() for character in str(refusal.value))
