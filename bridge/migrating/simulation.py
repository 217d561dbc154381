"""A plan lived through: for every day, every relying party and every key a verdict, and who is stranded first, and why.

Nothing changes but on days that the plan names or on which the last certificate of a key ends; so each stretch of days
between them is judged once, and stands for all of its days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import groupby, pairwise

from bridge.migrating.plan import Ability, Authority, Generation, Plan, RelyingParty
from bridge.migrating.population import Cohort, cohorts, old_validity_ends
from bridge.migrating.trusting import Obstacle, View, Web, Why, web_of
from ca.errors import NotFound

_DAY = timedelta(days=1)


class Verdict(StrEnum):
    """What becomes of holders' certificates of a key at a relying party."""

    VALID = "valid"
    NOBODY = "nobody holds one"
    REFUSED = "rightly refused"
    STRANDED = "stranded"
    OVERSTAYED = "wrongly valid"


@dataclass(frozen=True, slots=True)
class Span:
    """Days, both included, with one verdict; the obstacle is told where a certificate is refused."""

    first: date
    last: date
    verdict: Verdict
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What one relying party says of one key, on every day of the plan: its spans follow each other without a gap."""

    relying_party: str
    key: str
    spans: tuple[Span, ...]

    def on(self, day: date) -> Span:
        """What it says on this day, which must be one of the plan's."""
        return next(span for span in self.spans if span.first <= day <= span.last)


@dataclass(frozen=True, slots=True)
class Fault:
    """Somebody who is left behind, or who believes what should be refused.

    Attributes:
        first, last: The days on which it is so.
        relying_party: Who refuses or believes wrongly; None if holders are left without a usable certificate.
        concerns: The key whose certificates it is about, or the municipalities of the holders.
        holders: How many people, at the most on one day.
    """

    first: date
    last: date
    relying_party: str | None
    concerns: str
    why: Why
    about: str
    holders: int

    def __str__(self) -> str:
        who = "holders" if self.relying_party is None else self.relying_party
        return f"{self.first}: {who}, {self.concerns}: {self.why} ({self.about})"


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a plan leads to.

    Attributes:
        rows: Relying party by relying party, key by key.
        cohorts: The holders, day by day.
        strandings: Who is left behind, first day first.
        overstays: Who believes what the plan promised to have refused, first day first.
    """

    plan: Plan
    rows: tuple[Row, ...]
    cohorts: tuple[Cohort, ...]
    strandings: tuple[Fault, ...]
    overstays: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class _Goal:
    """A key that certifies holders, and how many of its certificates are held on each day."""

    table: Authority
    generation: Generation
    held: Sequence[int]

    @property
    def key(self) -> str:
        return f"{self.table.id}.{self.generation}"


def simulate(plan: Plan) -> Simulation:
    """Live through a plan."""
    web, people = web_of(plan), cohorts(plan)
    goals = tuple(_goals(plan, people))
    days = _turning_days(plan, web, goals)
    rows = tuple(row for party in plan.relying_parties for row in _rows(plan, web, goals, party, days))
    held = {goal.key: goal.held for goal in goals}
    return Simulation(
        plan,
        rows,
        people,
        tuple(
            sorted([*_faults(plan, rows, held, Verdict.STRANDED), *_left_behind(plan, people)], key=_order)
        ),
        tuple(sorted(_faults(plan, rows, held, Verdict.OVERSTAYED), key=_order)),
    )


def ask(plan: Plan, relying_party: str, key: str, day: date) -> Obstacle | None:
    """What keeps a relying party from a certificate of this key, valid on this day; None if it accepts it.

    Raises:
        NotFound: The plan has no such relying party or key.
    """
    web = web_of(plan)
    party = next((one for one in plan.relying_parties if one.id == relying_party), None)
    if party is None:
        raise NotFound(f"relying party {relying_party!r}", "is not in the plan")
    if key not in web.keys:
        raise NotFound(f"key {key!r}", "is not in the plan", remedy=f"One of: {', '.join(web.keys)}")
    return View(web, party.anchor, _ability(party, day), day.toordinal()).obstacle_to(key)


def _order(fault: Fault) -> tuple[date, bool, str, str]:
    return fault.first, fault.relying_party is None, fault.relying_party or "", fault.concerns


def _goals(plan: Plan, people: Sequence[Cohort]) -> Iterator[_Goal]:
    for table in plan.authorities:
        if not table.issues:
            continue
        mine = [cohort for cohort in people if cohort.table is table]
        for generation in Generation:
            if generation is Generation.NEW and table.new is None:
                continue
            if mine:
                held = [sum(counts) for counts in zip(*(one.held[generation] for one in mine), strict=True)]
            else:
                held = _supposed(plan, table, generation)
            yield _Goal(table, generation, held)


def _supposed(plan: Plan, table: Authority, generation: Generation) -> list[int]:
    """One certificate on each day on which there may be one, where the plan counts no holders."""
    begins, ends = plan.period.begins, plan.period.ends
    first, last = begins, old_validity_ends(plan, table) or ends
    if generation is Generation.NEW:
        assert table.new is not None, "a new key is asked about only where there is one"
        first, last = table.new.cut_over, ends
    length = (ends - begins).days + 1
    return [int(first <= begins + index * _DAY <= last) for index in range(length)]


def _turning_days(plan: Plan, web: Web, goals: Iterable[_Goal]) -> list[int]:
    """The first days of the stretches in which nothing changes, and the day after the last."""
    first, end = plan.period.begins.toordinal(), plan.period.ends.toordinal() + 1
    days = {first, end, plan.phases.new_only.toordinal(), *web.days()}
    for party in plan.relying_parties:
        days |= {one.from_.toordinal() for one in party.abilities if one.from_ is not None}
        if party.carried_until is not None:
            days.add(party.carried_until.toordinal() + 1)
    for goal in goals:
        alive = [count > 0 for count in goal.held]
        days |= {first + index for index, (one, other) in enumerate(pairwise(alive), 1) if one != other}
    return sorted(day for day in days if first <= day <= end)


def _ability(party: RelyingParty, day: date) -> Ability:
    return [one for one in party.abilities if one.from_ is None or one.from_ <= day][-1]


def _rows(
    plan: Plan, web: Web, goals: Sequence[_Goal], party: RelyingParty, days: Sequence[int]
) -> Iterator[Row]:
    start = plan.period.begins.toordinal()
    spans: dict[str, list[Span]] = {goal.key: [] for goal in goals}
    for first, after in pairwise(days):
        day = date.fromordinal(first)
        view = View(web, party.anchor, _ability(party, day), first)
        for goal in goals:
            verdict, obstacle = Verdict.NOBODY, None
            if goal.held[first - start]:
                obstacle = view.obstacle_to(goal.key)
                verdict = _verdict(plan, party, goal, day, obstacle)
            spans[goal.key].append(Span(day, date.fromordinal(after - 1), verdict, obstacle))
    for goal in goals:
        yield Row(party.id, goal.key, tuple(_joined(spans[goal.key])))


def _verdict(plan: Plan, party: RelyingParty, goal: _Goal, day: date, obstacle: Obstacle | None) -> Verdict:
    over = goal.generation is Generation.OLD and goal.table.new is not None and day >= plan.phases.new_only
    if obstacle is None:
        return Verdict.OVERSTAYED if over else Verdict.VALID
    released = party.carried_until is not None and day > party.carried_until
    return Verdict.REFUSED if over or released else Verdict.STRANDED


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    for (verdict, obstacle), group in groupby(spans, key=lambda span: (span.verdict, span.obstacle)):
        together = list(group)
        yield Span(together[0].first, together[-1].last, verdict, obstacle)


def _faults(
    plan: Plan, rows: Iterable[Row], held: Mapping[str, Sequence[int]], verdict: Verdict
) -> Iterator[Fault]:
    """What rows say with this verdict; days that follow each other for one reason are one fault."""
    begins = plan.period.begins
    for row in rows:
        for (found, why), group in groupby(row.spans, key=lambda span: (span.verdict, _why(span))):
            if found is not verdict:
                continue
            together = list(group)
            first, last = together[0].first, together[-1].last
            obstacle = together[0].obstacle
            yield Fault(
                first,
                last,
                row.relying_party,
                row.key,
                why,
                obstacle.about if obstacle else f"refused from {plan.phases.new_only} on, says the plan",
                max(held[row.key][(first - begins).days : (last - begins).days + 1]),
            )


def _why(span: Span) -> Why:
    return span.obstacle.why if span.obstacle else Why.BELIEVED_TOO_LONG


def _left_behind(plan: Plan, people: Iterable[Cohort]) -> Iterator[Fault]:
    """Holders whom the windows did not serve in time."""
    begins = plan.period.begins
    refused = (plan.phases.new_only - begins).days
    for cohort in people:
        named = ", ".join(cohort.wave.municipalities[:3])
        place = f"{cohort.wave.authority} {named}{' ...' if len(cohort.wave.municipalities) > 3 else ''}"
        for waits, group in groupby(range(len(cohort.without)), key=lambda day: cohort.without[day] > 0):
            if waits:
                days = list(group)
                most = max(cohort.without[day] for day in days)
                about = f"{cohort.wave.daily} a working day are served"
                span = (begins + days[0] * _DAY, begins + days[-1] * _DAY)
                yield Fault(*span, None, place, Why.WITHOUT_CERTIFICATE, about, most)
        old = cohort.held[Generation.OLD][max(0, refused) :]
        if cohort.table.new is not None and old and old[0]:
            last = max(day for day, count in enumerate(old) if count)
            first = begins + max(0, refused) * _DAY
            about = "they still hold certificates by the old key, refused from that day on"
            yield Fault(first, first + last * _DAY, None, place, Why.NOT_REISSUED, about, old[0])
