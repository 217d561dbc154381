"""What is unusual: laws that hold for all numbers, and stories in which a person would say so too."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.rules.outliers import (
    BOUND,
    FEWEST,
    Decisions,
    Usual,
    longest_usual_wait,
    median,
    unusual_days,
    unusual_shares,
    working_days,
)

MONDAY = date(2026, 10, 5)
numbers = st.lists(st.integers(0, 10_000), min_size=1, max_size=60)
decisions = st.integers(0, 400).flatmap(
    lambda taken: st.builds(Decisions, st.just(taken), st.integers(0, taken))
)


def days_of(counted):
    return {MONDAY + timedelta(days=number): count for number, count in enumerate(counted)}


@given(numbers)
def test_half_of_the_numbers_lie_on_each_side_of_the_median(found):
    middle = median(found)
    assert 2 * sum(number <= middle for number in found) >= len(found)
    assert 2 * sum(number >= middle for number in found) >= len(found)


@given(numbers, st.randoms(use_true_random=False), st.integers(-1000, 1000))
def test_the_median_does_not_mind_order_and_moves_with_all_of_them(found, random, by):
    mixed = list(found)
    random.shuffle(mixed)
    assert median(mixed) == median(found)
    assert median([number + by for number in found]) == median(found) + by


@given(st.lists(st.integers(0, 100), min_size=FEWEST, max_size=40), st.data())
def test_wild_numbers_in_the_minority_move_nothing_beyond_the_others(found, data):
    wild = data.draw(st.lists(st.integers(10**6, 10**9), max_size=(len(found) - 1) // 2))
    usual = Usual.of([*found, *wild], 1.0)
    assert min(found) <= usual.middle <= max(found)
    assert usual.distance(10**6) > BOUND


@given(st.lists(st.integers(0, 10_000), max_size=FEWEST - 1))
def test_of_few_numbers_nothing_is_said(found):
    assert Usual.of(found, 1.0) is None
    assert unusual_days(days_of(found), list(days_of(found)), list(days_of(found))) == []
    assert longest_usual_wait([timedelta(hours=number) for number in found]) is None


@given(st.lists(st.integers(0, 10_000), min_size=FEWEST, max_size=60), st.integers(0, 50_000))
def test_a_number_is_as_unusual_as_it_is_far_away(found, number):
    usual = Usual.of(found, 1.0)
    assert abs(usual.distance(usual.middle)) == 0
    assert usual.distance(number + 1) > usual.distance(number)
    assert usual.distance(2 * usual.middle - number) == pytest.approx(-usual.distance(number))


@given(st.integers(0, 500), st.integers(FEWEST + 1, 60))
def test_an_even_office_has_no_unusual_day(each, count):
    counted = days_of([each] * count)
    assert unusual_days(counted, list(counted), list(counted)) == []


@pytest.mark.parametrize(
    ("present", "found"),
    [(20, None), (24, None), (35, None), (40, 1), (200, 1), (0, -1), (8, None)],
)
def test_a_day_of_an_office_that_issues_twenty_a_day(present, found):
    counted = days_of([18, 20, 22, 19, 21, 20, 17, 23, 20, 20, present])
    last = max(counted)
    told = unusual_days(counted, list(counted), [last])
    assert [(one.day, one.number, one.distance > 0) for one in told] == (
        [] if found is None else [(last, present, found > 0)]
    )


def test_weekends_and_holidays_are_no_working_days():
    totals = {
        day: (0 if day.weekday() > 4 else 100) for day in (MONDAY + timedelta(days=n) for n in range(28))
    }
    holiday, open_sunday = MONDAY + timedelta(days=7), MONDAY + timedelta(days=13)
    totals |= {holiday: 3, open_sunday: 90}
    found = working_days(totals)
    assert holiday not in found
    assert open_sunday in found
    assert {day for day in found if day.weekday() > 4} == {open_sunday}
    assert len(found) == 20
    assert working_days({}) == frozenset()
    assert working_days(dict.fromkeys(totals, 0)) == frozenset(), "where nothing is done nobody is idle"


@given(st.lists(st.integers(1, 10**6), min_size=FEWEST, max_size=60))
def test_most_cases_wait_no_longer_than_usual(seconds):
    waits = [timedelta(seconds=number) for number in seconds]
    longest = longest_usual_wait(waits)
    assert 2 * sum(wait <= longest for wait in waits) >= len(waits)
    assert longest_usual_wait([wait + timedelta(days=1) for wait in waits]) == pytest.approx(
        longest + timedelta(days=1), abs=timedelta(milliseconds=1)
    )


def test_a_case_that_waits_a_week_where_others_wait_an_hour():
    longest = longest_usual_wait([timedelta(minutes=minutes) for minutes in range(40, 80, 2)])
    assert timedelta(hours=2) < longest < timedelta(days=2), "six hours more or less are nothing"


@given(st.dictionaries(st.text(max_size=3), decisions, max_size=8))
def test_rejecting_and_approving_are_judged_alike(people):
    turned = {who: Decisions(one.taken, one.taken - one.rejected) for who, one in people.items()}
    found, other = unusual_shares(people), unusual_shares(turned)
    assert found.keys() == other.keys()
    for who, one in found.items():
        assert one.distance == pytest.approx(-other[who].distance)


@given(st.integers(1, 100), st.integers(0, 5), st.integers(2, 9))
def test_whoever_rejects_as_all_do_is_not_unusual(times, rejected, people):
    each = Decisions(20 * times, rejected * times)
    assert unusual_shares({str(who): each for who in range(people)}) == {}


def test_one_wild_officer_makes_nobody_else_look_unusual():
    usual = {str(number): Decisions(500, 20) for number in range(12)}
    found = unusual_shares(usual | {"wild": Decisions(5000, 4000)})
    assert found.keys() == {"wild"}
    assert found["wild"].others.share == 0.04


@pytest.mark.parametrize(
    ("mine", "unusual"),
    [
        (Decisions(100, 5), None),
        (Decisions(100, 9), None),
        (Decisions(100, 40), 1),
        (Decisions(1000, 0), -1),
        (Decisions(19, 19), None),
        (Decisions(20, 20), 1),
    ],
)
def test_an_officer_among_colleagues_who_reject_five_in_a_hundred(mine, unusual):
    found = unusual_shares({"mine": mine, "a": Decisions(400, 20), "b": Decisions(600, 30)})
    told = found.get("mine")
    assert (told is None) is (unusual is None)
    if told is not None:
        assert (told.distance > 0) is (unusual > 0)
        assert told.others == Decisions(1000, 50)
