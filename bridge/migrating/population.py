"""Holders and windows, day by day: who holds a certificate of which key, and who waits for one.

Holders are counted, not kept one by one, so real numbers cost what a sample costs. A holder comes for the next
certificate some days before the old one ends. Windows work from Monday to Friday; whose certificate ends first is served
first, and what capacity is left calls in those with an old certificate, once their wave has begun.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bridge.migrating.plan import Authority, Generation, HolderTable, Plan, Wave

_WEEKEND = frozenset({6, 0})  # Saturday and Sunday: an ordinal day modulo 7, since day 1 was a Monday


@dataclass(frozen=True, slots=True)
class Cohort:
    """A wave's holders on each day of the plan.

    Attributes:
        wave: Whose they are.
        table: The authority's table in the plan.
        held: How many hold a certificate of that key, by day.
        without: How many wait without a valid certificate, by day. Who let it run out does not wait.
    """

    wave: Wave
    table: Authority
    held: Mapping[Generation, Sequence[int]]
    without: Sequence[int]


def cohorts(plan: Plan) -> tuple[Cohort, ...]:
    """The holders of every wave, in the plan's order."""
    tables = {name: table for table in plan.authorities for name in table.ids}
    return tuple(_lived(plan, wave, tables[wave.authority]) for wave in plan.waves)


def working_days(first: date, last: date) -> int:
    """How many days from Monday to Friday lie between these, both included."""
    weeks, rest = divmod((last - first).days + 1, 7)
    return weeks * 5 + sum((first.toordinal() + day) % 7 not in _WEEKEND for day in range(rest))


def old_validity_ends(plan: Plan, table: Authority) -> date | None:
    """The last day of the last certificate by the old key, if nobody is called in; None if it goes on issuing."""
    if table.new is None:
        return None
    return date.fromordinal(table.new.cut_over.toordinal() - 1 + plan.holders.days - 1)


class _Queue:
    """Certificates by the day on which they end; who comes next is whose certificate ends first."""

    def __init__(self, days: int) -> None:
        self.total = 0
        self._ending = [0] * days
        self._gone = 0  # nothing ends before that day

    def add(self, last_day: int, count: int) -> None:
        self._ending[last_day] += count
        self.total += count

    def soonest(self, horizon: int) -> int:
        """The day on which the first one ends, or the horizon if none ends before."""
        while self._gone < horizon and not self._ending[self._gone]:
            self._gone += 1
        return min(self._gone, horizon)

    def take(self, horizon: int, most: int) -> int:
        """Take out up to so many of those that end first, before the horizon; how many there were."""
        taken = 0
        while taken < most and (end := self.soonest(horizon)) < horizon:
            here = min(most - taken, self._ending[end])
            self._ending[end] -= here
            taken += here
        self.total -= taken
        return taken


class _Held:
    """The certificates of one key: of holders who come for the next one, and of those who let theirs run out."""

    def __init__(self, days: int, lapsing_percent: int) -> None:
        self.coming, self._lapsing = _Queue(days), _Queue(days)
        self._percent, self._added = lapsing_percent, 0

    @property
    def total(self) -> int:
        """How many are valid."""
        return self.coming.total + self._lapsing.total

    def add(self, last_day: int, count: int) -> None:
        """Certificates that end on this day. Shares are of all that were added, so that no remainder is lost."""
        before, self._added = self._added, self._added + count
        lapsing = self._added * self._percent // 100 - before * self._percent // 100
        self._lapsing.add(last_day, lapsing)
        self.coming.add(last_day, count - lapsing)

    def end(self, day: int) -> int:
        """Let end what ended before this day; how many holders come and find their certificate has ended."""
        self._lapsing.take(day, self._lapsing.total)
        return self.coming.take(day, self.coming.total)

    def call_in(self, horizon: int, most: int) -> int:
        """Take out up to so many, also of those who would not have come."""
        taken = self.coming.take(horizon, most)
        return taken + self._lapsing.take(horizon, most - taken)


def _lived(plan: Plan, wave: Wave, table: Authority) -> Cohort:
    start = plan.period.begins.toordinal()
    length, terms = plan.period.ends.toordinal() - start + 1, plan.holders
    held = {generation: _Held(length + terms.days, terms.lapsing_percent) for generation in Generation}
    _begin(held[Generation.OLD], wave.holders, terms)
    series = {generation: array("q") for generation in Generation}
    without = array("q")
    waiting = 0
    for day in range(length):
        # What ended yesterday: the windows had no time for those holders.
        waiting += sum(one.end(day) for one in held.values())
        issuing = _issuing(table, start + day)
        capacity = _capacity(plan, wave, table, start + day)
        served = min(capacity, waiting)
        waiting -= served
        horizon = day + terms.renewal_days
        while served < capacity:
            soonest = min((one.coming for one in held.values()), key=lambda one: one.soonest(horizon))
            end = soonest.soonest(horizon)
            if end == horizon:
                break
            served += soonest.take(end + 1, capacity - served)
        if issuing is Generation.NEW and _called(wave, start + day):
            served += held[Generation.OLD].call_in(length + terms.days, capacity - served)
        held[issuing].add(day + terms.days - 1, served)
        for generation, certificates in held.items():
            series[generation].append(certificates.total)
        without.append(waiting)
    return Cohort(wave, table, series, without)


def _begin(held: _Held, holders: int, terms: HolderTable) -> None:
    """Spread the ends of what is held evenly; who had to come before the first day has come."""
    room = terms.days - terms.renewal_days
    for index in range(room):
        count = holders * (index + 1) // room - holders * index // room
        held.add(terms.renewal_days + index, count)


def _issuing(table: Authority, ordinal: int) -> Generation:
    cut_over = None if table.new is None else table.new.cut_over.toordinal()
    return Generation.OLD if cut_over is None or ordinal < cut_over else Generation.NEW


def _capacity(plan: Plan, wave: Wave, table: Authority, ordinal: int) -> int:
    """How many certificates the wave's windows can have issued on this day."""
    if ordinal % 7 in _WEEKEND:
        return 0
    key = table.old if _issuing(table, ordinal) is Generation.OLD else table.new
    assert key is not None, "a new key issues only where there is one"
    return wave.daily if ordinal <= plan.suites[key.suite].sign_until.toordinal() else 0


def _called(wave: Wave, ordinal: int) -> bool:
    """Whether holders with an old certificate are called in on this day."""
    if wave.begins is None or wave.ends is None:
        return False
    return wave.begins.toordinal() <= ordinal <= wave.ends.toordinal()
