"""What is wrong with a plan before any day passes: steps out of order, suites past their lives, what was forgotten.

The order of a key's steps is the one of ``ca.rules.generations``, which also holds when the plan is carried out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from bridge.migrating.plan import Authority, Generation, NewKey, Plan, StatusForm, Wave
from bridge.migrating.population import old_validity_ends, working_days
from ca.errors import Conflict
from ca.model import AuthorityId, GenerationId
from ca.rules import generations
from ca.rules.generations import Keys, Known, Life, State, Step

_DAY = timedelta(days=1)


class Flaw(StrEnum):
    """What can be wrong with a plan."""

    ORDER = "order"
    CROSS_FORGOTTEN = "cross-forgotten"
    CROSS_TOO_LATE = "cross-too-late"
    CROSS_LAPSES = "cross-lapses"
    RESPONDER_FORGOTTEN = "responder-forgotten"
    RESPONDER_TOO_SHORT = "responder-too-short"
    MAY_NOT_SIGN = "may-not-sign"
    MAY_NOT_SIGN_LISTS = "may-not-sign-lists"
    BELIEVED_TOO_SHORT = "believed-too-short"
    BELIEVED_TOO_LONG = "believed-too-long"
    RETIRED_TOO_EARLY = "retired-too-early"
    OUTSIDE_PHASE = "outside-phase"
    AUTHORITY_FORGOTTEN = "authority-forgotten"
    FASTER_THAN_WINDOWS = "faster-than-windows"
    WAVE_TOO_LATE = "wave-too-late"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where in the plan, on which day it shows, and what to do about it."""

    day: date
    place: str
    flaw: StrEnum  # a Flaw, or how a home does not fit (running.matching)
    problem: str
    clause: str | None = None

    def __str__(self) -> str:
        clause = f" ({self.clause})" if self.clause else ""
        return f"{self.day}: {self.place}: {self.problem}{clause}"


def check(plan: Plan) -> tuple[Finding, ...]:
    """All that is wrong with a plan, first day first."""
    found = [*_phases(plan), *_crosses(plan), *_waves(plan)]
    for index, table in enumerate(plan.authorities):
        place = f"authorities[{index}] {table.id}"
        found += _stays(plan, table, place)
        if table.new is not None:
            found += _order(plan, table, table.new, place)
            found += _key_days(plan, table, table.new, place)
            found += _status(plan, table, table.new, place)
    return tuple(sorted(found, key=lambda one: (one.day, one.place, one.flaw)))


def last_old_day(plan: Plan, table: Authority) -> date | None:
    """The last day on which holders' certificates by an old key are to be verified, as far as dates alone tell."""
    ends = old_validity_ends(plan, table)
    if not table.issues or ends is None:
        return None
    mine = [wave for wave in plan.waves if wave.authority in table.ids]
    called = [wave.ends for wave in mine if wave.ends is not None]
    if mine and len(called) == len(mine):
        ends = min(ends, max(called))
    return min(ends, plan.phases.new_only - _DAY)


def _phases(plan: Plan) -> Iterator[Finding]:
    old = {table.old.suite for table in plan.authorities if table.new is not None}
    new = {table.new.suite for table in plan.authorities if table.new is not None}
    last = plan.phases.new_only - _DAY
    for suite in sorted(old - new):
        until = plan.suites[suite].verify_until
        place = f"suites.{suite}.verify_until"
        if until < last:
            problem = f"ends before the old suite is refused ({plan.phases.new_only})"
            yield Finding(until + _DAY, place, Flaw.BELIEVED_TOO_SHORT, problem)
        elif until > last:
            problem = f"lies after the day from which the old suite is refused ({plan.phases.new_only})"
            yield Finding(plan.phases.new_only, place, Flaw.BELIEVED_TOO_LONG, problem)


def _stays(plan: Plan, table: Authority, place: str) -> Iterator[Finding]:
    """A key that stays must last as long as the plan."""
    life = plan.suites[table.old.suite]
    if table.new is None and life.verify_until < plan.period.ends:
        problem = f"gets no new key, but {table.old.suite} is believed only until {life.verify_until}"
        yield Finding(life.verify_until + _DAY, place, Flaw.AUTHORITY_FORGOTTEN, problem)


def renewals(plan: Plan, table: Authority) -> dict[str, date | None]:
    """Who certifies the old key, and the first day on which it certifies the new one, if there is any."""

    def by(generation: Generation) -> list[tuple[str, date]]:
        mine = [one for one in plan.crosses if one.for_ == f"{table.id}.{generation}"]
        return [(one.by.rpartition(".")[0], one.from_) for one in mine]

    renewed = by(Generation.NEW)
    return {
        superior: min((day for other, day in renewed if other == superior), default=None)
        for superior, _ in by(Generation.OLD)
    }


def dated_steps(table: Authority, new: NewKey, renewed: dict[str, date | None]) -> list[tuple[date, Step]]:
    """The new key's steps, as the plan dates them, in the order of their days; the old one's retirement on its last day.

    ``renewed`` is what ``renewals`` says of the authority.
    """
    served = new.responder or new.links  # without a responder a key is served by its lists alone
    days = [day for day in renewed.values() if day is not None]
    steps = (
        (new.key, Step.MAKE_KEY),
        (new.key, Step.NEW_WITH_NEW),
        (new.links, Step.NEW_WITH_OLD),
        (new.links, Step.OLD_WITH_NEW),
        (served, Step.SERVE_STATUS),
        (max(days, default=served) if len(days) == len(renewed) else None, Step.RENEW_CROSSES),
        (new.cut_over, Step.CUT_OVER),
        (table.old.retirement, Step.RETIRE),
    )
    # A stable sort: steps of one day are taken in the order above.
    return sorted(((day, step) for day, step in steps if day is not None), key=lambda one: one[0])


def _order(plan: Plan, table: Authority, new: NewKey, place: str) -> Iterator[Finding]:
    """Let the rules take the steps on their days; the first that they refuse is told."""
    authority, renewed = AuthorityId(table.ids[0]), renewals(plan, table)
    old, coming = GenerationId(authority, 1), GenerationId(authority, 2)
    keys = Keys(authority, (Life(old, State.ACTIVE), Life(coming, State.PLANNED)))
    for day, step in dated_steps(table, new, renewed):
        generation = old if step is Step.RETIRE else coming
        try:
            keys = generations.take(keys, step, generation, Known(), datetime.combine(day, time(), UTC))
        except Conflict as conflict:
            flaw = Flaw.ORDER
            if step is Step.CUT_OVER and None in renewed.values():
                flaw = Flaw.CROSS_FORGOTTEN
            elif step is Step.CUT_OVER and any(other and other > day for other in renewed.values()):
                flaw = Flaw.CROSS_TOO_LATE
            yield Finding(day, place, flaw, conflict.problem, conflict.clause)
            return


def _key_days(plan: Plan, table: Authority, new: NewKey, place: str) -> Iterator[Finding]:
    old_life, new_life = plan.suites[table.old.suite], plan.suites[new.suite]
    if new.links is not None and new.links > old_life.sign_until:
        problem = f"NewWithOld is signed by {table.old.suite}, which may sign until {old_life.sign_until}"
        yield Finding(new.links, place, Flaw.MAY_NOT_SIGN, problem, generations.RFC4210)
    if table.issues and new.cut_over > old_life.sign_until + _DAY:
        problem = (
            f"issues with {table.old.suite} to {new.cut_over - _DAY}; it may sign until {old_life.sign_until}"
        )
        yield Finding(old_life.sign_until + _DAY, place, Flaw.MAY_NOT_SIGN, problem)
    if new.key > new_life.sign_until:
        problem = f"its new key's suite {new.suite} may sign until {new_life.sign_until}"
        yield Finding(new.key, place, Flaw.MAY_NOT_SIGN, problem)
    if table.issues and not plan.phases.both <= new.cut_over < plan.phases.new_only:
        problem = (
            f"the new key takes over outside the phase of both, {plan.phases.both} to {plan.phases.new_only}"
        )
        yield Finding(new.cut_over, place, Flaw.OUTSIDE_PHASE, problem)


def _status(plan: Plan, table: Authority, new: NewKey, place: str) -> Iterator[Finding]:
    last = last_old_day(plan, table)
    life, old = plan.suites[table.old.suite], table.old
    if last is not None and life.signs_lists_until < last:
        problem = (
            f"old certificates are verified to {last}; {old.suite} signs lists until {life.signs_lists_until}"
        )
        day = life.signs_lists_until + _DAY
        yield Finding(day, place, Flaw.MAY_NOT_SIGN_LISTS, problem, "RFC 5280 3.3")
    if last is not None and old.retirement is not None and old.retirement < last:
        problem = f"the old key retires on {old.retirement}; what it issued is verified to {last}"
        yield Finding(old.retirement + _DAY, place, Flaw.RETIRED_TOO_EARLY, problem)
    if old.responder and last is not None and old.responder_until is not None and old.responder_until < last:
        problem = (
            f"the old key's responder stops on {old.responder_until}; what it issued is verified to {last}"
        )
        yield Finding(old.responder_until + _DAY, place, Flaw.RESPONDER_TOO_SHORT, problem, "RFC 6960 2.6")
    asked = any(StatusForm.OCSP in one.status for party in plan.relying_parties for one in party.abilities)
    if old.responder and asked and (new.responder is None or new.responder > new.cut_over):
        problem = "the old key has a responder, the new one has none when it takes over"
        yield Finding(new.cut_over, place, Flaw.RESPONDER_FORGOTTEN, problem, "RFC 6960 2.6")


def _crosses(plan: Plan) -> Iterator[Finding]:
    tables = {table.id: table for table in plan.authorities}
    for index, cross in enumerate(plan.crosses):
        place = f"crosses[{index}] {cross.by} -> {cross.for_}"
        by, _, generation = cross.by.rpartition(".")
        old, new = tables[by].old, tables[by].new
        suite = old.suite if generation == Generation.OLD or new is None else new.suite
        until = plan.suites[suite].sign_until
        if cross.from_ > until:
            problem = f"is signed by {suite}, which may sign until {until}"
            yield Finding(cross.from_, place, Flaw.MAY_NOT_SIGN, problem)
        if generation == Generation.NEW and new is not None and cross.from_ < new.cut_over:
            made = "is made" if cross.from_ < new.key else "issues"
            problem = f"is signed before the key {made} ({new.key if made == 'is made' else new.cut_over})"
            yield Finding(cross.from_, place, Flaw.ORDER, problem, generations.RFC4210)
        if generation == Generation.OLD and new is not None and cross.from_ >= new.cut_over:
            problem = f"is signed after the new key took over ({new.cut_over}); the old one signs only status"
            yield Finding(cross.from_, place, Flaw.ORDER, problem, generations.RFC4210)
    for table in plan.authorities:
        yield from _lapse(plan, table)


def _lapse(plan: Plan, table: Authority) -> Iterator[Finding]:
    """The days on which no cross-certificate for an old key is valid, while what it issued is to be verified."""
    last = last_old_day(plan, table)
    mine = [one for one in plan.crosses if one.for_ == f"{table.id}.{Generation.OLD}"]
    if last is None or not mine:
        return
    covered = plan.period.begins - _DAY
    for one in sorted(mine, key=lambda cross: cross.from_):
        if one.from_ > covered + _DAY:
            break
        covered = max(covered, one.until)
    if covered < last:
        problem = f"no cross-certificate for its old key from then on; what it issued is verified to {last}"
        yield Finding(covered + _DAY, f"crosses for {table.id}.old", Flaw.CROSS_LAPSES, problem)


def _waves(plan: Plan) -> Iterator[Finding]:
    for index, wave in enumerate(plan.waves):
        if wave.begins is None or wave.ends is None:
            continue
        yield from _wave(plan, wave, wave.begins, wave.ends, f"waves[{index}] {wave.authority}")


def _wave(plan: Plan, wave: Wave, begins: date, ends: date, place: str) -> Iterator[Finding]:
    new = plan.authority_of(wave.authority).new
    if new is None or begins < new.cut_over:
        problem = "calls holders in before a new key issues"
        yield Finding(begins, place, Flaw.OUTSIDE_PHASE, problem)
    if ends >= plan.phases.new_only:
        problem = f"ends when old certificates are refused already ({plan.phases.new_only})"
        yield Finding(plan.phases.new_only, place, Flaw.WAVE_TOO_LATE, problem)
    days = working_days(begins, ends)
    left = _left(plan, wave, begins, None if new is None else new.cut_over)
    if left > days * wave.daily:
        problem = f"{left} old certificates in {days} working days of {wave.daily}: {left - days * wave.daily} are left"
        yield Finding(ends + _DAY, place, Flaw.FASTER_THAN_WINDOWS, problem)


def _left(plan: Plan, wave: Wave, begins: date, cut_over: date | None) -> int:
    """How many hold old certificates when their wave begins, if those that ended since the cut-over were renewed."""
    if cut_over is None:
        return wave.holders
    passed = min(plan.holders.days, max(0, (begins - cut_over).days))
    return wave.holders * (plan.holders.days - passed) // plan.holders.days
