"""What a plan asks to be done, as values in their order: steps of keys, cross-certificates, responders' ends, waves.

The order is made from the days and from what needs what on one day. What is done already, the store says: see ``done``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from heapq import heapify, heappop, heappush

from bridge.migrating.checking import dated_steps, renewals
from bridge.migrating.plan import Authority, Generation, Plan, Wave
from bridge.migrating.running.standing import KeyName, Standing
from ca.errors import Conflict
from ca.model import AuthorityId, GenerationId
from ca.rules.generations import COMING, MAY_ISSUE, RULES, State, Step
from ca.rules.validity import day_end

_DAY = timedelta(days=1)
_WAY = tuple(state for state in State if state is not State.DISCARDED)  # of a key that is not given up


@dataclass(frozen=True, slots=True)
class Task(ABC):
    """Something that is to be done from a day on.

    Attributes:
        day: The first day on which it may be done, in Japan.
        place: Where the plan says so.
        authority: Whose keys or holders it is about.
    """

    day: date
    place: str
    authority: AuthorityId

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called in messages and in the journal."""


@dataclass(frozen=True, slots=True)
class KeyTask(Task):
    """A step in the life of one of the authority's keys. A key is planned by the step that makes it."""

    step: Step
    generation: Generation

    @property
    def key(self) -> KeyName:
        """The key that takes the step."""
        return KeyName(self.authority, self.generation)

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.step} of {self.key}"


@dataclass(frozen=True, slots=True)
class CrossTask(Task):
    """A cross-certificate by one key for another, to last to the end of a day."""

    by: KeyName
    subject: KeyName
    until: date

    @property
    def name(self) -> str:
        """What it is called."""
        return f"cross {self.by} -> {self.subject} until {self.until}"


@dataclass(frozen=True, slots=True)
class ResponderTask(Task):
    """The end of the old key's responder, before the key retires."""

    @property
    def name(self) -> str:
        """What it is called."""
        return f"end of the responder of {KeyName(self.authority, Generation.OLD)}"


@dataclass(frozen=True, slots=True)
class WaveTask(Task):
    """Holders are called in. It is windows and a card factory that do it; a run only says how far it is."""

    index: int
    ends: date

    @property
    def name(self) -> str:
        """What it is called."""
        return f"wave {self.index} of {self.authority}"


def tasks(plan: Plan) -> tuple[Task, ...]:
    """All that the plan dates, each task after whatever it needs.

    Raises:
        Conflict: On one day two tasks wait for each other.
    """
    return _Order([*_key_tasks(plan), *_cross_tasks(plan), *_responder_tasks(plan), *_wave_tasks(plan)]).all()


def done(task: Task, standing: Standing) -> bool:
    """Whether the store says that a task is done: it was never written down anywhere else."""
    match task:
        case KeyTask(step=step, key=key):
            state = standing.states.get(standing.keys[key])
            return state in _WAY and _WAY.index(state) >= _WAY.index(RULES[step][-1].after)
        case CrossTask(by=by, subject=subject, until=until):
            pair = standing.keys[by], standing.keys[subject]
            lasts = standing.made.get(pair)
            if lasts is None or lasts < day_end(until):
                return False
            return pair in standing.crosses or not _is_made_again(standing, *pair, until)
        case ResponderTask(authority=authority):
            old = standing.keys[KeyName(authority, Generation.OLD)]
            return old in standing.unanswered or standing.states.get(old) is State.RETIRED
        case WaveTask(index=index):
            return standing.waves[index].left == 0
    raise AssertionError("every kind of task is looked at")


def _is_made_again(standing: Standing, by: GenerationId, subject: GenerationId, until: date) -> bool:
    """Whether a cross-certificate that was withdrawn follows once more: its key is on its way, and went a step back.

    What is withdrawn from a key in office was meant so; ``matching`` tells of it if the plan counts on it.
    """
    coming = standing.states.get(subject) in COMING
    return coming and standing.states.get(by) in MAY_ISSUE and standing.day <= until


def open_tasks(plan: Plan, standing: Standing) -> list[Task]:
    """What a run has still to do, in its order. Waves go on beside it."""
    return [task for task in tasks(plan) if not isinstance(task, WaveTask) and not done(task, standing)]


def next_task(plan: Plan, standing: Standing) -> Task | None:
    """The task that a run takes next, whatever its day; None if all is done."""
    return next(iter(open_tasks(plan, standing)), None)


def require_day(task: Task, today: date) -> None:
    """Raise Conflict if a task's day is still to come."""
    if today < task.day:
        raise Conflict(
            f"plan, {task.place}", f"{task.name} is for {task.day} or later; it is {today} in Japan now"
        )


def position(plan: Plan, task: Task) -> int:
    """The task's number in the plan's order, from 1: by it an order in the journal is named."""
    return tasks(plan).index(task) + 1


def first_moment(day: date) -> datetime:
    """The first second of a day in Japan."""
    return day_end(day - _DAY) + timedelta(seconds=1)


def _key_tasks(plan: Plan) -> Iterator[KeyTask]:
    for index, table in enumerate(plan.authorities):
        if table.new is None:
            continue
        for day, step in dated_steps(table, table.new, renewals(plan, table)):
            retires = step is Step.RETIRE  # the plan names the last day on which it signs
            for name in table.ids:
                yield KeyTask(
                    day + _DAY if retires else day,
                    f"authorities[{index}] {name}",
                    AuthorityId(name),
                    step,
                    Generation.OLD if retires else Generation.NEW,
                )


def _cross_tasks(plan: Plan) -> Iterator[CrossTask]:
    """What is signed within the plan's days; what begins before them has to be there."""
    tables = {table.id: table for table in plan.authorities}
    for index, cross in enumerate(plan.crosses):
        if cross.from_ <= plan.period.begins:
            continue
        for by, subject in key_pairs(tables, cross.by, cross.for_):
            yield CrossTask(cross.from_, f"crosses[{index}]", subject.authority, by, subject, cross.until)


def key_pairs(tables: Mapping[str, Authority], by: str, for_: str) -> Iterator[tuple[KeyName, KeyName]]:
    """The two keys of a cross-certificate, of every authority that a table stands for."""
    for one in KeyName.each(tables, by):
        for other in KeyName.each(tables, for_):
            yield one, other


def _responder_tasks(plan: Plan) -> Iterator[ResponderTask]:
    for index, table in enumerate(plan.authorities):
        last = table.old.responder_until
        if table.new is None or not table.old.responder or last is None:
            continue
        if table.old.retirement is None or last < table.old.retirement:
            for name in table.ids:
                yield ResponderTask(last + _DAY, f"authorities[{index}] {name}", AuthorityId(name))


def _wave_tasks(plan: Plan) -> Iterator[WaveTask]:
    for index, wave in enumerate(plan.waves):
        if wave.begins is not None and wave.ends is not None:
            yield WaveTask(wave.begins, f"waves[{index}]", AuthorityId(wave.authority), index, wave.ends)


def wave_of(plan: Plan, task: WaveTask) -> Wave:
    """The wave that a task is about."""
    return plan.waves[task.index]


class _Order:
    """Tasks by their days, and on one day by what needs what."""

    def __init__(self, found: list[Task]) -> None:
        self._tasks = found
        self._after: list[set[int]] = [set() for _ in found]
        self._needs = [0] * len(found)
        self._steps: dict[tuple[AuthorityId, Step], int] = {}
        self._chain()
        crosses = [(index, task) for index, task in enumerate(found) if isinstance(task, CrossTask)]
        renewed: set[tuple[AuthorityId, KeyName]] = set()
        for index, task in sorted(crosses, key=lambda one: (one[1].day, one[0])):
            self._cross(index, task, first=(task.by.authority, task.subject) not in renewed)
            renewed.add((task.by.authority, task.subject))

    def all(self) -> tuple[Task, ...]:
        """The order; Conflict if there is none."""
        needs, ordered = list(self._needs), []
        ready = [(task.day, index) for index, task in enumerate(self._tasks) if not needs[index]]
        heapify(ready)
        while ready:
            _, index = heappop(ready)
            ordered.append(self._tasks[index])
            for later in self._after[index]:
                needs[later] -= 1
                if not needs[later]:
                    heappush(ready, (self._tasks[later].day, later))
        left = [task for index, task in enumerate(self._tasks) if needs[index]]
        if left:
            first = min(left, key=lambda task: task.day)
            others = ", ".join(task.name for task in left[:4] if task is not first)
            raise Conflict(
                f"plan, {first.place}", f"on {first.day}, {first.name} waits for what waits for it: {others}"
            )
        return tuple(ordered)

    def _chain(self) -> None:
        """Each step of an authority after the one before it."""
        last: dict[AuthorityId, int] = {}
        for index, task in enumerate(self._tasks):
            if isinstance(task, KeyTask):
                if task.authority in last:
                    self._edge(last[task.authority], index)
                last[task.authority] = index
                self._steps[task.authority, task.step] = index

    def _cross(self, index: int, task: CrossTask, *, first: bool) -> None:
        """A key signs while it issues; the first certificate by an authority for a new key is what that key waits for."""
        signs = self._steps.get((task.by.authority, Step.CUT_OVER))
        if signs is not None and task.by.generation is Generation.NEW:
            self._edge(signs, index)
        elif signs is not None:
            self._before(index, signs)
        if task.subject.generation is Generation.NEW:
            served = self._steps.get((task.subject.authority, Step.SERVE_STATUS))
            if served is not None:
                self._edge(served, index)
            crossed = self._steps.get((task.subject.authority, Step.RENEW_CROSSES))
            if crossed is not None and first:
                self._before(index, crossed)

    def _before(self, index: int, later: int) -> None:
        if self._tasks[index].day <= self._tasks[later].day:
            self._edge(index, later)

    def _edge(self, sooner: int, later: int) -> None:
        if later not in self._after[sooner]:
            self._after[sooner].add(later)
            self._needs[later] += 1
