"""A check and a simulation as rows and fields, for tables and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from bridge.migrating.checking import Finding
from bridge.migrating.plan import Generation, Plan
from bridge.migrating.population import Cohort
from bridge.migrating.simulation import Fault, Row, Simulation, Verdict


def finding_rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """What is wrong with a plan, a row a finding."""
    return [
        {
            "day": one.day.isoformat(),
            "place": one.place,
            "flaw": one.flaw.value,
            "problem": one.problem,
            "clause": one.clause,
        }
        for one in findings
    ]


def fault_rows(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """Who is left behind, a row a reason."""
    return [
        {
            "first_day": one.first.isoformat(),
            "last_day": one.last.isoformat(),
            "who": one.relying_party or "holders",
            "concerns": one.concerns,
            "why": one.why.value,
            "about": one.about,
            "holders": one.holders,
        }
        for one in faults
    ]


def verdict_rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What each relying party says of each key, a row a stretch of days."""
    return [
        {
            "relying_party": row.relying_party,
            "key": row.key,
            "first_day": span.first.isoformat(),
            "last_day": span.last.isoformat(),
            "verdict": span.verdict.value,
            "why": None if span.obstacle is None else span.obstacle.why.value,
            "about": None if span.obstacle is None else span.obstacle.about,
        }
        for row in rows
        for span in row.spans
    ]


def suite_counts(plan: Plan, cohorts: Sequence[Cohort]) -> dict[str, list[int]]:
    """How many holders have a certificate by each suite, day by day."""
    length = (plan.period.ends - plan.period.begins).days + 1
    counts = {name: [0] * length for name in plan.suites}
    for cohort in cohorts:
        keys = {Generation.OLD: cohort.table.old, Generation.NEW: cohort.table.new}
        for generation, key in keys.items():
            if key is not None:
                series = cohort.held[generation]
                counts[key.suite] = [sum(pair) for pair in zip(counts[key.suite], series, strict=True)]
    return counts


def population_rows(simulation: Simulation) -> list[dict[str, Any]]:
    """The holders by suite on the first day of each month, and those without a certificate."""
    plan = simulation.plan
    counts = suite_counts(plan, simulation.cohorts)
    length = (plan.period.ends - plan.period.begins).days + 1
    days = ((index, plan.period.begins + timedelta(days=index)) for index in range(length))
    return [
        {
            "day": day.isoformat(),
            **{suite: series[index] for suite, series in counts.items()},
            "without": sum(cohort.without[index] for cohort in simulation.cohorts),
        }
        for index, day in days
        if day.day == 1
    ]


def summary(simulation: Simulation) -> dict[str, Any]:
    """The simulation in a few lines: what was judged, and the first who is left behind."""
    plan, first = simulation.plan, next(iter(simulation.strandings), None)
    days = (plan.period.ends - plan.period.begins).days + 1
    return {
        "plan": plan.name,
        "days": f"{plan.period.begins} to {plan.period.ends}",
        "judged": f"{days * len(simulation.rows)} verdicts: {days} days of {len(simulation.rows)} pairs of relying party and key",
        "authorities": sum(len(table.ids) for table in plan.authorities),
        "holders": sum(cohort.wave.holders for cohort in simulation.cohorts),
        "stranded": "nobody" if first is None else str(first),
        "believed_too_long": "nothing" if not simulation.overstays else str(simulation.overstays[0]),
        "old_valid_until": [
            f"{row.relying_party}: {row.key} to {day}"
            for row in simulation.rows
            if row.key.endswith(f".{Generation.OLD}") and (day := _last_valid(row)) is not None
        ],
    }


def fields(simulation: Simulation) -> dict[str, Any]:
    """The simulation as a whole, for machines."""
    return {
        **summary(simulation),
        "strandings": fault_rows(simulation.strandings),
        "overstays": fault_rows(simulation.overstays),
        "verdicts": verdict_rows(simulation.rows),
        "population": population_rows(simulation),
    }


def _last_valid(row: Row) -> date | None:
    return max((span.last for span in row.spans if span.verdict is Verdict.VALID), default=None)
