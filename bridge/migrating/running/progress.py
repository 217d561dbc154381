"""How far a plan is in a home: each task with what keeps it, each wave, and the certificates in use by suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from bridge.crossing.retiring import leaning
from bridge.migrating.plan import Plan
from bridge.migrating.running.standing import KeyName, Standing
from bridge.migrating.running.tasks import KeyTask, Task, WaveTask, done, next_task, tasks
from ca.model import HOLDER_KINDS
from ca.rules.generations import Step
from ca.rules.validity import japanese_day
from ca.store import certificates
from ca.store.connections import Reading


class Stage(StrEnum):
    """Where a task stands."""

    DONE = "done"
    DUE = "due"
    WAITING = "waiting"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Staged:
    """A task and where it stands; why, if it is blocked, or how far it is."""

    task: Task
    stage: Stage
    why: str | None = None


def staged(reading: Reading, plan: Plan, standing: Standing, at: datetime) -> Iterator[Staged]:
    """Every task of a plan in its order, and where it stands at a moment."""
    today, coming = japanese_day(at), next_task(plan, standing)
    for task in tasks(plan):
        if isinstance(task, WaveTask):
            yield _wave(task, standing, today)
        elif done(task, standing):
            yield Staged(task, Stage.DONE)
        elif today < task.day:
            yield Staged(task, Stage.WAITING)
        elif task != coming:
            yield Staged(task, Stage.BLOCKED, None if coming is None else f"after {coming.name}")
        else:
            why = blocked(reading, task, standing, at)
            yield Staged(task, Stage.DUE if why is None else Stage.BLOCKED, why)


def blocked(reading: Reading, task: Task, standing: Standing, at: datetime) -> str | None:
    """What keeps the next task from being done, if anything does that time, windows or other CAs have to mend."""
    if isinstance(task, KeyTask) and task.step is Step.RETIRE:
        generation = standing.keys[task.key]
        counts = certificates.in_use(reading.of(task.authority), generation, at)
        left = sum(count for kind, count in counts.items() if kind in HOLDER_KINDS)
        if left:
            return f"{left} holders' certificates that {generation} issued are still valid"
        for one in leaning(reading, generation, at):
            return f"{one}: {one.remedy}"
    return None


def in_use(reading: Reading, plan: Plan, standing: Standing, at: datetime) -> Mapping[str, int]:
    """How many holders' certificates of the plan's authorities neither expired nor ended, by suite."""
    found: Counter[str] = Counter(dict.fromkeys(plan.suites, 0))
    for key, generation in standing.keys.items():
        if not _issues(plan, key) or generation not in standing.suites:
            continue
        counts = certificates.in_use(reading.of(key.authority), generation, at)
        found[standing.suites[generation]] += sum(
            count for kind, count in counts.items() if kind in HOLDER_KINDS
        )
    return found


def _issues(plan: Plan, key: KeyName) -> bool:
    return plan.authority_of(key.authority).issues


def _wave(task: WaveTask, standing: Standing, today: date) -> Staged:
    far = standing.waves[task.index]
    why = f"{far.left} hold old certificates, {far.reissued} new ones; {far.waiting} are to be handed over"
    if today < task.day:
        return Staged(task, Stage.WAITING, why)
    if done(task, standing):
        return Staged(task, Stage.DONE, why)
    return Staged(task, Stage.DUE if today <= task.ends else Stage.BLOCKED, why)
