"""The numbers of the dashboard: what was done by day and by office, what waits, and what is unusual in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from threading import Lock
from typing import Any, TypeVar

from ca.model import Office, OfficeId, OfficeKind, Officer, OfficerId
from ca.rules.outliers import (
    Decisions,
    UnusualDay,
    UnusualShare,
    longest_usual_wait,
    unusual_days,
    unusual_shares,
    working_days,
)
from ca.rules.registration import Step
from ca.store import counts, officers
from ca.store.connections import Reading
from ca.store.counts import ByDay, Days, Waiting, WaitingCase
from front.assembly import World

PAST = 56
"""Days with which an office is compared: eight weeks."""

K = TypeVar("K")

_JUDGED = 7
_FRESH = timedelta(minutes=10)
_KEPT = timedelta(days=100)
_OLDEST = 200
_SAMPLE = 20_000
_SHOWN = 12


class Measure(StrEnum):
    """What is counted by day."""

    ISSUED = "issued"
    REVOKED = "revoked"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted on some days, at one office or at all.

    Attributes:
        by_day: For each measure a number a day, days without any included.
        oldest: Since when the oldest case waits.
    """

    days: Days
    by_day: Mapping[Measure, ByDay]
    oldest: datetime | None

    def present(self, measure: Measure) -> int:
        """The number of the present day."""
        return self.by_day[measure][self.days.last]

    def total(self, measure: Measure) -> int:
        """The numbers of all days together."""
        return sum(self.by_day[measure].values())


@dataclass(frozen=True, slots=True)
class OfficeLine:
    """What is counted at an office, all days together."""

    office: Office
    issued: int
    revoked: int
    waiting: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class UnusualOffice:
    """An office on a day on which it did far more or less of something than it does."""

    office: Office
    measure: Measure
    found: UnusualDay


@dataclass(frozen=True, slots=True)
class LongWait:
    """A case that waits longer than cases of its office do; ``usual`` is the longest wait that is not unusual."""

    case: WaitingCase
    office: Office
    waited: timedelta
    usual: timedelta


@dataclass(frozen=True, slots=True)
class UnusualOfficer:
    """An officer who rejects far more or less often than colleagues in offices of that kind."""

    officer: Officer
    office: Office
    found: UnusualShare


@dataclass(frozen=True, slots=True)
class Unusual:
    """What is unusual, the farthest off first; ``more`` counts what was left out of each list."""

    offices: tuple[UnusualOffice, ...]
    waits: tuple[LongWait, ...]
    officers: tuple[UnusualOfficer, ...]
    more: tuple[int, int, int]

    @property
    def nothing(self) -> bool:
        """Whether all is as usual."""
        return not (self.offices or self.waits or self.officers)


class Counting:
    """Counts over a world. What is counted of a day that is over is kept: it does not change any more.

    So a page asks for the present day alone, whoever looks at it, and for the others once a process. Who asks while they
    are counted waits, and finds them.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._turn = Lock()
        self._over: dict[str, dict[date, dict[Any, int]]] = defaultdict(dict)
        self._unusual: tuple[datetime, Unusual] | None = None

    def figures(self, days: Days, office: OfficeId | None = None) -> Figures:
        """What is counted on these days, up to the present one, at an office or at all."""
        with self._world.stores.reading() as reading:
            if office is None:
                steps = self._kept("steps", days, lambda some: counts.steps_by_day(reading.nation, some))
            else:
                steps = counts.steps_by_day(reading.nation, days, office)
            waiting = counts.waiting(reading.nation)
            revoked = self._revoked(reading, days)
        return _figures(days, office, steps, waiting, revoked)

    def by_office(self, days: Days) -> list[OfficeLine]:
        """What is counted at each office at which anything is, those where most waits first."""
        with self._world.stores.reading() as reading:
            known = {office.id: office for office in officers.all_offices(reading.nation)}
            issued = self._issued(reading, days)
            waiting = counts.waiting(reading.nation)
            revoked = self._revoked(reading, days)
        lines = [
            OfficeLine(
                known[office],
                sum(issued.get(office, {}).values()),
                sum(revoked.get(office, {}).values()),
                waiting[office].cases if office in waiting else 0,
                waiting[office].oldest if office in waiting else None,
            )
            for office in {*issued, *waiting, *revoked}
            if office is not None and office in known
        ]
        return sorted(lines, key=lambda one: (-one.waiting, -one.issued, -one.revoked, one.office.id))

    def unusual(self, at: datetime) -> Unusual:
        """What is unusual now, against the eight weeks before; looked for every ten minutes at most."""
        if self._unusual is not None and timedelta() <= at - self._unusual[0] < _FRESH:
            return self._unusual[1]
        days = Days.until(at, PAST)
        with self._world.stores.reading() as reading:
            known = {office.id: office for office in officers.all_offices(reading.nation)}
            people = {officer.id: officer for officer in officers.all_officers(reading.nation)}
            issued = self._issued(reading, days)
            revoked = self._revoked(reading, days)
            oldest = counts.oldest_waiting(reading.nation, _OLDEST)
            waits = counts.waits(reading.nation, days, _SAMPLE)
            decided = self._kept("decided", days, lambda some: counts.decisions_by_day(reading.nation, some))
        found = [
            *_unusual_offices(known, Measure.ISSUED, issued, days),
            *_unusual_offices(known, Measure.REVOKED, revoked, days),
        ]
        found.sort(key=lambda one: -abs(one.found.distance))
        long = _long_waits(known, oldest, waits, at)
        shares = _unusual_officers(known, people, counts.decisions(decided))
        more = (max(len(found) - _SHOWN, 0), max(len(long) - _SHOWN, 0), max(len(shares) - _SHOWN, 0))
        result = Unusual(tuple(found[:_SHOWN]), tuple(long[:_SHOWN]), tuple(shares[:_SHOWN]), more)
        self._unusual = at, result
        return result

    def _issued(self, reading: Reading, days: Days) -> dict[OfficeId, ByDay]:
        return self._kept(
            "issued", days, lambda some: counts.steps_by_office(reading.nation, Step.ISSUE, some)
        )

    def _revoked(self, reading: Reading, days: Days) -> dict[OfficeId | None, ByDay]:
        return self._kept("revoked", days, lambda some: counts.revoked(reading.each(), some))

    def _kept(self, name: str, days: Days, count: Callable[[Days], Mapping[K, ByDay]]) -> dict[K, ByDay]:
        """What is counted on these days: of those that are over what is kept, and the others anew."""
        found: dict[K, dict[date, int]] = defaultdict(dict)
        with self._turn:
            over = self._over[name]
            fresh: dict[date, dict[K, int]] = {}
            for missing in _runs([day for day in days if day not in over]):
                fresh |= {day: {} for day in missing}
                for key, by_day in count(missing).items():
                    for day, number in by_day.items():
                        fresh[day][key] = number
            for day in days:
                for key, number in (fresh[day] if day in fresh else over[day]).items():
                    found[key][day] = number
            # The day before may still get what was begun just before midnight.
            final = days.last - timedelta(days=1)
            over.update({day: numbers for day, numbers in fresh.items() if day < final})
            for day in [day for day in over if day < days.last - _KEPT]:
                over.pop(day)
        return dict(found)


def _runs(some: Sequence[date]) -> Iterator[Days]:
    """Days in their order as periods without gaps."""
    ends = [day for day, after in pairwise(some) if after - day > timedelta(days=1)]
    firsts = [after for day, after in pairwise(some) if after - day > timedelta(days=1)]
    if some:
        yield from map(Days, [some[0], *firsts], [*ends, some[-1]])


def _figures(
    days: Days,
    office: OfficeId | None,
    steps: Mapping[Step, ByDay],
    waiting: Mapping[OfficeId, Waiting],
    revoked: Mapping[OfficeId | None, ByDay],
) -> Figures:
    ended = counts.total(revoked.values()) if office is None else revoked.get(office, {})
    here = list(waiting.values()) if office is None else [waiting[office]] if office in waiting else []
    cases = sum(one.cases for one in here)
    by_day = {
        Measure.ISSUED: {day: steps.get(Step.ISSUE, {}).get(day, 0) for day in days},
        Measure.REVOKED: {day: ended.get(day, 0) for day in days},
        Measure.WAITING: counts.waiting_by_day(cases, steps, days),
    }
    return Figures(days, by_day, min((one.oldest for one in here), default=None))


def _unusual_offices(
    known: Mapping[OfficeId, Office],
    measure: Measure,
    counted: Mapping[OfficeId | None, ByDay] | Mapping[OfficeId, ByDay],
    days: Days,
) -> list[UnusualOffice]:
    """The offices' unusual days among the last seven: the present one, which is not over, can only be too busy."""
    totals = counts.total(counted.values())
    working = working_days({day: totals.get(day, 0) for day in days if day != days.last})
    judged = {day for day in days if day > days.last - timedelta(days=_JUDGED)} & (working | {days.last})
    found: list[UnusualOffice] = []
    for office, numbers in counted.items():
        if office is None or office not in known:
            continue
        found += [
            UnusualOffice(known[office], measure, one)
            for one in unusual_days(numbers, working, judged)
            if one.distance > 0 or one.day != days.last
        ]
    return found


def _long_waits(
    known: Mapping[OfficeId, Office],
    oldest: list[WaitingCase],
    waits: Mapping[OfficeId, list[timedelta]],
    at: datetime,
) -> list[LongWait]:
    everywhere = longest_usual_wait([wait for some in waits.values() for wait in some])
    found = []
    for case in oldest:
        # An office that has issued little is measured by all the others.
        usual = longest_usual_wait(waits.get(case.office, ())) or everywhere
        waited = at - case.filed_at
        if usual is not None and waited > usual:
            found.append(LongWait(case, known[case.office], waited, usual))
    return found


def _unusual_officers(
    known: Mapping[OfficeId, Office],
    people: Mapping[OfficerId, Officer],
    decided: Mapping[OfficerId, Decisions],
) -> list[UnusualOfficer]:
    by_kind: dict[OfficeKind, dict[OfficerId, Decisions]] = defaultdict(dict)
    for officer, taken in decided.items():
        by_kind[known[people[officer].office].kind][officer] = taken
    found = [
        UnusualOfficer(people[officer], known[people[officer].office], share)
        for alike in by_kind.values()
        for officer, share in unusual_shares(alike).items()
    ]
    return sorted(found, key=lambda one: -abs(one.found.distance))
