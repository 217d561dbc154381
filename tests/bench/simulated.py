"""A migration of twelve years lived through: every day, every relying party, every key, a population of holders."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import msgspec

from bridge.migrating.plan import Authority, Cross, Plan, Wave
from bridge.migrating.reading import open_plan
from bridge.migrating.simulation import ask, simulate
from tests.bench import measure
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row

_PLAN = Path(__file__).parents[2] / "fixtures" / "plans" / "japan-2008-2020.toml"
_SECONDS = 60.0
_HOLDERS = 100_000
_EVERY = 733
"""One day of so many is asked in the reference, which takes the better part of an hour otherwise."""

_replace = msgspec.structs.replace


def rows(bench: Bench) -> Iterator[Row]:
    """The history from 2008 to 2020, each prefecture for itself; beside asking anew every day, without a population."""
    plan = _apart(open_plan(_PLAN), min(47, bench.scale.authorities))
    authorities = len(plan.authorities) - 1
    bench.say(f"{authorities} authorities from {plan.period.begins} to {plan.period.ends} ...")
    ours, reference = measure.in_turn(
        bench.scale.makings, partial(_seconds, plan), partial(_asked_every_day, plan)
    )
    days = (plan.period.ends - plan.period.begins).days + 1
    yield Row(
        f"simulate {days / 365.25:.0f} years x {authorities} authorities x {len(plan.relying_parties)} relying parties "
        f"x {sum(wave.holders for wave in plan.waves):,} holders",
        "s",
        ours.figure,
        f"asking about each key on each day anew, no holders counted; reckoned from one day in {_EVERY}",
        reference.figure,
        reference.ratio,
        Budget("ours", "<=", _SECONDS),
        note=f"{len(simulate(plan).rows):,} lines of verdicts; the anchor is not counted among the authorities",
    )


def _seconds(plan: Plan) -> float:
    begun = time.perf_counter()
    simulate(plan)
    return time.perf_counter() - begun


def _asked_every_day(plan: Plan) -> float:
    """Seconds that it takes, by a sample of the days."""
    keys = [
        f"{table.id}.{generation}"
        for table in plan.authorities
        if table.issues
        for generation in ("old", "new")
    ]
    begun = time.perf_counter()
    days = list(_days(plan))
    for day in days[::_EVERY]:
        for party in plan.relying_parties:
            for key in keys:
                ask(plan, party.id, key, day)
    return (time.perf_counter() - begun) * len(days) / len(days[::_EVERY])


def _days(plan: Plan) -> Iterator[date]:
    day = plan.period.begins
    while day <= plan.period.ends:
        yield day
        day += timedelta(days=1)


def _apart(plan: Plan, prefectures: int) -> Plan:
    """The plan with each prefecture as an authority of its own: keys, cross-certificates and windows."""
    (together,) = [table for table in plan.authorities if table.members]
    ids = together.ids[:prefectures]
    return _replace(
        plan,
        authorities=(
            *(table for table in plan.authorities if not table.members),
            *(_replace(together, id=name, members=()) for name in ids),
        ),
        crosses=tuple(one for cross in plan.crosses for one in _crosses(cross, together, ids)),
        waves=tuple(_wave(plan, name, number, len(ids)) for number, name in enumerate(ids)),
    )


def _crosses(cross: Cross, together: Authority, ids: tuple[str, ...]) -> Iterator[Cross]:
    """A cross-certificate for all of them, as one for each."""
    name, _, generation = cross.for_.partition(".")
    if name != together.id:
        yield cross
        return
    for one in ids:
        yield _replace(cross, for_=f"{one}.{generation}")


def _wave(plan: Plan, name: str, number: int, of: int) -> Wave:
    """An equal share of the holders, and of the windows' days."""
    holders = _HOLDERS * (number + 1) // of - _HOLDERS * number // of
    daily = sum(wave.daily for wave in plan.waves) // of + 1
    return _replace(plan.waves[0], authority=name, holders=holders, daily=daily)
