"""Whether a plan is about this home: its authorities and suites, what certifies what there, and whom it forgets.

What is wrong is told as ``checking`` tells it: the day on which it shows, the place in the plan, and the reason.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

from bridge.crossing.plan import Plan as Nation
from bridge.crossing.retiring import leaning
from bridge.migrating.checking import Finding, check
from bridge.migrating.plan import Authority, Generation, Plan
from bridge.migrating.running.standing import KeyName, Standing, read_standing
from bridge.migrating.running.tasks import CrossTask, done, first_moment, key_pairs
from bridge.migrating.simulation import simulate
from ca.errors import Conflict, NotFound
from ca.model import AuthorityId
from ca.rules.generations import RFC4210, State
from ca.rules.validity import (
    BirthdayRule,
    CountedFrom,
    ValidityRule,
    YearsRule,
    day_end,
    japanese_day,
    years_period,
)
from ca.store import authorities
from ca.store.connections import Reading
from ca.store.stores import Stores
from ca.suites import SUITES, SuiteId, Use

_DAY = timedelta(days=1)


class Mismatch(StrEnum):
    """How a plan may not fit a home."""

    NO_SUCH_SUITE = "no-such-suite"
    SUITE_LIFE = "suite-life"
    NO_SUCH_AUTHORITY = "no-such-authority"
    AUTHORITY_LEFT_OUT = "authority-left-out"
    OTHER_SUITE = "other-suite"
    NO_HOLDERS = "no-holders"
    NO_PAIR = "no-pair"
    CROSS_ENDS_SOONER = "cross-ends-sooner"
    BEYOND_THE_KEY = "beyond-the-key"
    NO_SUCH_WINDOW = "no-such-window"
    OTHER_VALIDITY = "other-validity"
    AGREEMENT_LEFT_OUT = "agreement-left-out"


_MENDED_MEANWHILE = frozenset({Mismatch.AGREEMENT_LEFT_OUT})
"""What can be mended only while the plan is carried out; until then the task that it would spoil is refused."""

_ANOTHER_HOME = frozenset(
    {Mismatch.NO_SUCH_SUITE, Mismatch.NO_SUCH_AUTHORITY, Mismatch.OTHER_SUITE, Mismatch.NO_HOLDERS}
)
"""By which a plan shows that it was made for another home."""

_ALL_OF_THEM = "`kakehashi migrate plan PLAN --home HOME` shows them all"


def findings(stores: Stores, nation: Nation, plan: Plan, digest: str, at: datetime) -> tuple[Finding, ...]:
    """What is wrong with the plan, and in what it does not fit the home; first day first."""
    with stores.reading() as reading:
        standing = read_standing(reading, nation, plan, digest, at)
        unfit = match(reading, nation, plan, standing, japanese_day(at))
    return _by_day((*check(plan), *unfit))


def require_sound(stores: Stores, nation: Nation, plan: Plan, digest: str, at: datetime) -> None:
    """Raise Conflict, with day and place, if a plan is not to be gone on with: it is wrong, or leaves somebody behind."""
    found = findings(stores, nation, plan, digest, at)
    _require_none([one for one in found if one.flaw not in _MENDED_MEANWHILE])
    lived = simulate(plan)
    faults = (*lived.strandings, *lived.overstays)
    if faults:
        raise Conflict(
            f"plan {plan.name}",
            f"{faults[0]}",
            remedy="`kakehashi migrate simulate` shows who is left behind, and why",
        )


def require_its_own(reading: Reading, nation: Nation, plan: Plan, standing: Standing, today: date) -> None:
    """Raise Conflict if a plan is wrong, or is about another home: authorities or keys that this one does not have."""
    unfit = match(reading, nation, plan, standing, today)
    _require_none(_by_day((*check(plan), *(one for one in unfit if one.flaw in _ANOTHER_HOME))))


def match(
    reading: Reading, nation: Nation, plan: Plan, standing: Standing, today: date
) -> tuple[Finding, ...]:
    """All in which a plan does not fit the home whose store this is, first day first."""
    found = [*_suites(plan), *_crosses(reading, nation, plan, standing, today), *_waves(nation, plan)]
    for index, table in enumerate(plan.authorities):
        found += _authority(nation, plan, table, standing, f"authorities[{index}]")
        found += _peers(reading, table, standing, today, f"authorities[{index}]")
    found += [*_left_out(nation, plan), *_validity(nation, plan)]
    return _by_day(found)


def _by_day(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda one: (one.day, one.place, one.flaw)))


def _require_none(found: Sequence[Finding]) -> None:
    if found:
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        raise Conflict(
            f"plan, {found[0].place}",
            f"{found[0].day}: {found[0].problem}{more}",
            clause=found[0].clause,
            remedy=_ALL_OF_THEM,
        )


def _suites(plan: Plan) -> Iterator[Finding]:
    """A plan may promise less than a suite's life, never more."""
    for name, life in plan.suites.items():
        real = SUITES.get(SuiteId(name))
        if real is None:
            remedy = f"is none of: {', '.join(SUITES)}"
            yield Finding(plan.period.begins, f"suites.{name}", Mismatch.NO_SUCH_SUITE, remedy)
            continue
        for key, use, until in (
            ("sign_until", Use.SIGN, life.sign_until),
            ("lists_until", Use.SIGN_STATUS, life.signs_lists_until),
            ("verify_until", Use.VERIFY, life.verify_until),
        ):
            last = japanese_day(real.until(use))
            if until > last:
                problem = f"promises {until}; the suite may {use} until {last}"
                yield Finding(last + _DAY, f"suites.{name}.{key}", Mismatch.SUITE_LIFE, problem)


def _authority(
    nation: Nation, plan: Plan, table: Authority, standing: Standing, place: str
) -> Iterator[Finding]:
    begins = plan.period.begins
    for name in map(AuthorityId, table.ids):
        where = f"{place} {name}"
        practice = nation.practices.get(name)
        if practice is None:
            yield Finding(begins, where, Mismatch.NO_SUCH_AUTHORITY, "is not one of this home's")
            continue
        if table.issues and not practice.holders:
            yield Finding(begins, where, Mismatch.NO_HOLDERS, "certifies no holders in this home")
        for generation, key in ((Generation.OLD, table.old), (Generation.NEW, table.new)):
            one = standing.keys[KeyName(name, generation)]
            there = standing.suites.get(one)
            if key is None or there is None or there == key.suite:
                continue
            problem = f"its key {one} is for {there}, the plan's {generation} one for {key.suite}"
            yield Finding(begins, where, Mismatch.OTHER_SUITE, problem)


def _peers(
    reading: Reading, table: Authority, standing: Standing, today: date, place: str
) -> Iterator[Finding]:
    """A CA of somebody else that only the old key certifies, or that certifies only it, would be cut off with it."""
    last = table.old.retirement
    for name in map(AuthorityId, table.ids):
        old = standing.keys.get(KeyName(name, Generation.OLD))
        if last is None or old is None or standing.states.get(old) is State.RETIRED:
            continue
        for one in leaning(reading, old, first_moment(max(last + _DAY, today))):
            problem = f"{one}: {one.remedy}"
            yield Finding(last + _DAY, f"{place} {name}", Mismatch.AGREEMENT_LEFT_OUT, problem)


def _validity(nation: Nation, plan: Plan) -> Iterator[Finding]:
    """The plan reckons until when somebody holds an old certificate, and how many come to the windows a day."""
    lasting = [
        (_longest(holder.validity), f"{kind} certificates of {name}")
        for table in plan.authorities
        for name in table.ids
        if table.issues and (practice := nation.practices.get(AuthorityId(name))) is not None
        for kind, holder in practice.holders.items()
    ]
    longest, which = max(lasting, default=(plan.holders.days, ""))
    if longest != plan.holders.days:
        problem = f"reckons with {plan.holders.days}; {which} last up to {longest} days in this home"
        yield Finding(plan.period.begins, "holders.days", Mismatch.OTHER_VALIDITY, problem)


def _longest(rule: ValidityRule) -> int:
    """How many days in Japan a certificate lasts at most, the day of issue among them."""
    match rule:
        case YearsRule(years=years, counted_from=first):
            return _years(years) + (first is CountedFrom.DAY_AFTER)
        case BirthdayRule(birthdays=birthdays, early_renewal_birthdays=early, renewal_months=months):
            # To a birthday, from the day of one; or from so many months before a birthday, which counts as the first.
            return max(_years(birthdays) + 1, _years(early - 1) + _months(months) if months else 0)


def _years(years: int) -> int:
    return 365 * years + (years + 3) // 4  # leap years, as many as there can be


def _months(months: int) -> int:
    lengths = [monthrange(2024, month)[1] for month in range(1, 13)] * 2
    return max(sum(lengths[first : first + months]) for first in range(12))


def _left_out(nation: Nation, plan: Plan) -> Iterator[Finding]:
    """Whoever is certified by an authority that gets a new key would be cut off from that key."""
    named = {name for table in plan.authorities for name in table.ids}
    for index, table in enumerate(plan.authorities):
        for name in table.ids if table.new is not None else ():
            lost = sorted({one.subject for one in nation.crosses if one.issuer == name} - named)
            if lost and table.new is not None:
                problem = f"certifies {', '.join(lost)} in this home, of which the plan says nothing"
                place = f"authorities[{index}] {name}"
                yield Finding(table.new.cut_over, place, Mismatch.AUTHORITY_LEFT_OUT, problem)


def _crosses(
    reading: Reading, nation: Nation, plan: Plan, standing: Standing, today: date
) -> Iterator[Finding]:
    tables = {table.id: table for table in plan.authorities}
    pairs = {(one.issuer, one.subject) for one in nation.crosses}
    for index, cross in enumerate(plan.crosses):
        for by, subject in key_pairs(tables, cross.by, cross.for_):
            place = f"crosses[{index}] {by} -> {subject}"
            if not {by, subject} <= standing.keys.keys():
                continue  # no such authority: that is told
            if (by.authority, subject.authority) not in pairs:
                problem = f"the edition has no pair of {by.authority} and {subject.authority}"
                yield Finding(cross.from_, place, Mismatch.NO_PAIR, problem)
                continue
            if today <= cross.until and not _is_over(plan, by, subject, standing, today):
                if cross.from_ <= plan.period.begins:
                    yield from _there(cross.from_, cross.until, by, subject, standing, place)
                else:
                    task = CrossTask(cross.from_, place, subject.authority, by, subject, cross.until)
                    yield from _withdrawn(task, standing, today)
            for key in (by, subject):
                last = _last_day(reading, nation, plan, key, standing)
                if cross.until > last:
                    problem = f"is to last to {cross.until}; {key}'s own certificate ends on {last}"
                    yield Finding(last + _DAY, place, Mismatch.BEYOND_THE_KEY, problem, RFC4210)


def _is_over(plan: Plan, by: KeyName, subject: KeyName, standing: Standing, today: date) -> bool:
    """Whether a key retires or has retired: what the one certified ends with it, and the other needs nothing more."""
    if State.RETIRED in {standing.states.get(standing.keys[one]) for one in (by, subject)}:
        return True
    last = plan.authority_of(by.authority).old.retirement if by.generation is Generation.OLD else None
    return last is not None and last < today


def _withdrawn(task: CrossTask, standing: Standing, today: date) -> Iterator[Finding]:
    """A certificate that a run has made, and does not make again, was withdrawn before its time."""
    pair = standing.keys[task.by], standing.keys[task.subject]
    if pair in standing.made and pair not in standing.crosses and done(task, standing):
        problem = f"stands until {task.until} in the plan; what was made is in force no more"
        yield Finding(today, task.place, Mismatch.CROSS_ENDS_SOONER, problem)


def _there(
    begins: date, until: date, by: KeyName, subject: KeyName, standing: Standing, place: str
) -> Iterator[Finding]:
    """A certificate that the plan has found, and does not make, lasts as long as the plan says."""
    ends = standing.crosses.get((standing.keys[by], standing.keys[subject]))
    if ends is None or ends < day_end(until):
        last = "there is none in force" if ends is None else f"the home's ends on {japanese_day(ends)}"
        day = begins if ends is None else japanese_day(ends) + _DAY
        yield Finding(day, place, Mismatch.CROSS_ENDS_SOONER, f"stands until {until} in the plan; {last}")


def _last_day(reading: Reading, nation: Nation, plan: Plan, key: KeyName, standing: Standing) -> date:
    """The last day of a key's own certificate, as it is or will be."""
    generation = standing.keys[key]
    try:
        period = authorities.generation(reading.of(key.authority), generation).period
    except NotFound:
        new = plan.authority_of(key.authority).new
        assert new is not None, "a cross names a key that the plan has"
        years = nation.practices[key.authority].periods.self_signed_years
        period = years_period(first_moment(new.key), years)
    return japanese_day(period.not_after)


def _waves(nation: Nation, plan: Plan) -> Iterator[Finding]:
    served = {(name, str(office.id)) for office in nation.offices for name in office.authorities}
    for index, wave in enumerate(plan.waves):
        for code in wave.municipalities:
            if AuthorityId(wave.authority) in nation.practices and (wave.authority, code) not in served:
                problem = f"{wave.authority} certifies nobody of {code} in this home"
                day = wave.begins or plan.period.begins
                yield Finding(day, f"waves[{index}].municipalities", Mismatch.NO_SUCH_WINDOW, problem)
