"""How much is done: cases and revocations counted by office and day, for the centre.

Days are Japan's. A home may have millions of cases and revocations, so every question here is bounded and goes by an
index: steps by (step, moment), of which a day's total needs nothing else; open cases by their state, of which there are
never many; revocations by their sequence, which grows with the time at which they were written down, so that the first
one of a period is found by halving. Steps are asked for a day at a time: a database counts a piece of an index several
times as fast as it sorts a period's rows by their days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, func, literal_column, select, type_coerce

from ca.model import ApplicationId, OfficeId, OfficerId, RevocationReason, Scope
from ca.rules.outliers import Decisions
from ca.rules.registration import State, Step
from ca.rules.validity import JST
from ca.store.tables import application_steps, applications, revocations

WAITING = (State.FILED, State.EXAMINED, State.REEXAMINED, State.APPROVED)
"""A case waits until it is issued or rejected."""

_LEAVES = (Step.ISSUE, Step.REJECT)
_DECISIONS = (Step.EXAMINE, Step.REEXAMINE, Step.APPROVE, Step.REJECT)
_MARGIN = timedelta(days=1)
_DAY = 86_400 * 1_000_000
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Days:
    """Days of Japan from the first to the last, both included."""

    first: date
    last: date

    @classmethod
    def until(cls, at: datetime, count: int) -> Days:
        """So many days, the last of them the one of this moment."""
        last = at.astimezone(JST).date()
        return cls(last - timedelta(days=count - 1), last)

    @property
    def since(self) -> datetime:
        """Their first moment."""
        return datetime.combine(self.first, time(), JST)

    @property
    def before(self) -> datetime:
        """The first moment behind them."""
        return datetime.combine(self.last + timedelta(days=1), time(), JST)

    def __iter__(self) -> Iterator[date]:
        return (date.fromordinal(day) for day in range(self.first.toordinal(), self.last.toordinal() + 1))


ByDay = Mapping[date, int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits at an office: how many cases, and since when the oldest of them."""

    cases: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class WaitingCase:
    """A case that waits."""

    id: ApplicationId
    office: OfficeId
    state: State
    filed_at: datetime


def steps_by_day(connection: Connection, days: Days, office: OfficeId | None = None) -> dict[Step, ByDay]:
    """How many cases took each step on each of these days, at one office or at all of them."""
    step, at = application_steps.c.step, application_steps.c.at
    found: dict[Step, dict[date, int]] = {each: {} for each in Step}
    if office is None:
        query = select(step, func.count()).where(step.in_(list(Step))).group_by(step)
        for one in days:
            for taken, count in connection.execute(query.where(*_on(at, one))):
                found[Step(taken)][one] = count
    else:  # by the office's cases
        day = _day(at)
        query = select(step, day, func.count()).select_from(application_steps.join(applications))
        query = query.where(applications.c.office == office, *_within(at, days)).group_by(step, day)
        for taken, number, count in connection.execute(query):
            found[Step(taken)][_date(number)] = count
    return dict(found)


def steps_by_office(connection: Connection, step: Step, days: Days) -> dict[OfficeId, ByDay]:
    """How many cases of each office took a step on each of these days."""
    query = (
        select(applications.c.office, func.count())
        .select_from(application_steps.join(applications))
        .where(application_steps.c.step == step)
        .group_by(applications.c.office)
    )
    found: dict[OfficeId, dict[date, int]] = defaultdict(dict)
    for day in days:
        for office, count in connection.execute(query.where(*_on(application_steps.c.at, day))):
            found[OfficeId(office)][day] = count
    return dict(found)


def waiting(connection: Connection) -> dict[OfficeId, Waiting]:
    """What waits at each office; offices at which nothing does are left out."""
    query = (
        select(applications.c.office, func.count(), func.min(applications.c.filed_at))
        .where(applications.c.state.in_(WAITING))
        .group_by(applications.c.office)
    )
    return {OfficeId(office): Waiting(cases, oldest) for office, cases, oldest in connection.execute(query)}


def waiting_by_day(cases: int, steps: Mapping[Step, ByDay], days: Days) -> dict[date, int]:
    """How many cases waited at the end of each day, told backwards from how many do now.

    Args:
        cases: How many do.
        steps: What was done on these days (``steps_by_day``).
        days: Up to the present one.
    """
    found = {}
    for day in reversed(list(days)):
        found[day] = cases
        left = sum(steps.get(step, {}).get(day, 0) for step in _LEAVES)
        cases += left - steps.get(Step.FILE, {}).get(day, 0)
    return dict(sorted(found.items()))


def oldest_waiting(connection: Connection, limit: int) -> list[WaitingCase]:
    """The cases that have waited longest, the oldest first."""
    found: list[WaitingCase] = []
    for state in WAITING:  # a state at a time: each is a piece of the index in the right order
        query = (
            select(applications.c.application, applications.c.office, applications.c.filed_at)
            .where(applications.c.state == state)
            .order_by(applications.c.filed_at)
            .limit(limit)
        )
        found += [
            WaitingCase(ApplicationId(row.application), OfficeId(row.office), state, row.filed_at)
            for row in connection.execute(query)
        ]
    return sorted(found, key=lambda one: (one.filed_at, one.id))[:limit]


def waits(connection: Connection, days: Days, limit: int) -> dict[OfficeId, list[timedelta]]:
    """How long the cases waited that were issued on these days, by office; of so many at most, the latest."""
    query = (
        select(applications.c.office, applications.c.filed_at, application_steps.c.at)
        .select_from(application_steps.join(applications))
        .where(application_steps.c.step == Step.ISSUE, *_within(application_steps.c.at, days))
        .order_by(application_steps.c.at.desc())
        .limit(limit)
    )
    found: dict[OfficeId, list[timedelta]] = defaultdict(list)
    for office, filed_at, at in connection.execute(query):
        found[OfficeId(office)].append(at - filed_at)
    return dict(found)


def decisions_by_day(connection: Connection, days: Days) -> dict[tuple[OfficerId, Step], ByDay]:
    """What each officer decided on each of these days: examinations, approvals, rejections."""
    step, officer = application_steps.c.step, application_steps.c.officer
    query = select(officer, step, func.count()).where(step.in_(_DECISIONS)).group_by(officer, step)
    found: dict[tuple[OfficerId, Step], dict[date, int]] = defaultdict(dict)
    for day in days:
        for who, taken, count in connection.execute(query.where(*_on(application_steps.c.at, day))):
            found[OfficerId(who), Step(taken)][day] = count
    return dict(found)


def decisions(counted: Mapping[tuple[OfficerId, Step], ByDay]) -> dict[OfficerId, Decisions]:
    """What each officer decided on all days together, and how much of it were rejections."""
    taken: dict[OfficerId, dict[Step, int]] = defaultdict(dict)
    for (who, step), by_day in counted.items():
        taken[who][step] = sum(by_day.values())
    return {who: Decisions(sum(steps.values()), steps.get(Step.REJECT, 0)) for who, steps in taken.items()}


def revoked(connections: Iterable[Connection], days: Days) -> dict[OfficeId | None, ByDay]:
    """How many certificates ended, or were put on hold, by the municipality that their list names.

    A certificate counts once, on the day when what stands against it was written down; a hold that was lifted does not.
    Those of lists that name no municipality stand under None.

    Args:
        connections: A transaction in each of the world's databases.
        days: Which days.
    """
    found: dict[OfficeId | None, dict[date, int]] = defaultdict(dict)
    day = _day(revocations.c.recorded_at)
    for connection in connections:
        first = _first_sequence(connection, days.since - _MARGIN)
        query = (
            select(revocations.c.scope, day, func.count())
            .where(
                revocations.c.sequence >= first,
                revocations.c.reason != int(RevocationReason.REMOVE_FROM_CRL),
                *_within(revocations.c.recorded_at, days),
            )
            .group_by(revocations.c.scope, day)
        )
        for scope, number, count in connection.execute(query):
            office, when = office_of(Scope(scope)), _date(number)
            found[office][when] = found[office].get(when, 0) + count
    return dict(found)


def office_of(scope: Scope) -> OfficeId | None:
    """The window of the municipality that a list's scope names; None if it names none."""
    code = scope.rpartition("-")[2]
    return OfficeId(code) if len(code) == 6 and code.isdigit() else None


def total(counted: Iterable[ByDay]) -> dict[date, int]:
    """What is counted at all of some places together, by day."""
    found: dict[date, int] = defaultdict(int)
    for by_day in counted:
        for day, number in by_day.items():
            found[day] += number
    return dict(found)


def _first_sequence(connection: Connection, since: datetime) -> int:
    """A sequence with which those begin that were written down at a moment or later, found in some 25 look-ups."""
    after = connection.execute(select(func.max(revocations.c.sequence))).scalar_one() or 0
    first = 1
    while first < after:
        middle = (first + after) // 2
        query = (
            select(revocations.c.sequence, revocations.c.recorded_at)
            .where(revocations.c.sequence >= middle)
            .order_by(revocations.c.sequence)
            .limit(1)
        )
        row = connection.execute(query).one()
        if row.recorded_at < since:
            first = row.sequence + 1
        else:
            after = middle
    return first


def _within(moment: ColumnElement[datetime], days: Days) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return moment >= days.since, moment < days.before


def _on(moment: ColumnElement[datetime], day: date) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _within(moment, Days(day, day))


def _day(moment: ColumnElement[datetime]) -> ColumnElement[Any]:
    """The number of a moment's day in Japan, from 1970 on; in SQL, so that a row a day comes out."""
    # Written out, not bound: a database has to see that what is grouped by is what is selected.
    offset = literal_column(str(JST.utcoffset(None) // timedelta(microseconds=1)), BigInteger)
    return (type_coerce(moment, BigInteger) + offset) // literal_column(str(_DAY), BigInteger)


def _date(number: int) -> date:
    return date.fromordinal(_EPOCH + number)
