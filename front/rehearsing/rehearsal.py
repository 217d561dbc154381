"""What is due of a plan, carried out on a copy of the home, a day after the other, with verdicts behind each day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from bridge.migrating.plan import Plan
from bridge.migrating.running.doing import Done, Migration, Order
from bridge.migrating.running.rehearsal import Agreement, Sample, Verifiers, compare
from bridge.migrating.running.tasks import Task, open_tasks
from bridge.migrating.trusting import Obstacle
from bridge.relying.finding.snapshot import Snapshot
from bridge.repository.contents import publish_all
from bridge.repository.failures import Failures
from bridge.repository.heads import publish_head
from ca.errors import Conflict, KakehashiError
from ca.issuing.issuer import Issuers
from ca.model import OfficeKind, Role
from ca.revoking.lists.publication import publish_changes
from ca.store import officers
from front.assembly import World
from front.making import Progress
from front.rehearsing.copying import copied
from front.rehearsing.reports import (
    DayReport,
    Report,
    SampleReport,
    TaskReport,
    holding_report,
    let_hold,
    write_report,
)


def migration_of(world: World, issuers: Issuers, plan: Plan, digest: str) -> Migration:
    """A plan in a home, or in a copy of it."""

    def publish(at: datetime) -> None:
        failures = Failures()
        with failures.kept():
            publish_changes(issuers, world.repository, at=at)
        with failures.kept():
            publish_all(issuers, world.plan, world.repository, at=at)
        with failures.kept():
            publish_head(issuers, world.plan, world.repository, at=at)
        failures.tell()

    return Migration(issuers, world.plan, world.chance, plan, digest, publish)


def rehearse(
    world: World, migration: Migration, until: date, samples: int, at: datetime, progress: Progress
) -> Report:
    """Carry out the open tasks of all days up to one, in one copy of the home, and hold verdicts against the plan's.

    A plan speaks of days: behind the last task of each, all is published and certificates are verified. A task that is
    refused there, or a day that strands somebody, ends the rehearsal; what comes before it is rehearsed all the same.

    Args:
        world: The home, in which nothing is done.
        migration: The plan in it.
        until: The last day of the plan that is looked at.
        samples: How many holders of each key are verified.
        at: Now.
        progress: Told of each task.

    Raises:
        StorageFailed: The home cannot be copied.
        Conflict: The first task is refused.
        KakehashiError: Whatever that task itself would raise.
    """
    first = migration.next(at)
    if first is None or until < first.day:
        raise Conflict(f"plan {migration.plan.name}", f"has no open task of {until} or earlier")
    with copied(world) as (copy, head):
        there = migration_of(copy, copy.issuers_unrecovered, migration.plan, migration.digest)
        progress("copied", 1)
        days: list[DayReport] = []
        for day, done in _Days(copy, there, until, at, progress).carried_out():
            there.publish(at)
            verifiers = Verifiers(Snapshot.read(copy.home.repository), copy.plan, at)
            found = compare(copy.stores, there.plan, there.standing(at), verifiers, samples)
            if days and any(one.agreement is Agreement.STRANDED for one in found):
                break  # told once it is the first
            days.append(_day_report(day, done, found))
            if any(one.agreement is Agreement.STRANDED for one in found):
                break
    return Report(
        plan=migration.plan.name,
        sha256=migration.digest,
        order=migration.order_name(first),
        at=at,
        count=head.count,
        head=head.digest,
        samples=samples,
        days=tuple(days),
    )


@dataclass
class Rehearsals:
    """The rehearsals of one run: each is for all the tasks that it is about.

    Attributes:
        until: The last of the plan's days that they look at.
        samples: How many holders of each key they verify.
        newest: The report of the last of them.
    """

    world: World
    migration: Migration
    until: date
    samples: int
    newest: Report | None = None

    def of(self, task: Task, progress: Progress) -> Report:
        """The report by which a task may be carried out: one that holds, or a new one; Conflict if that did not pass."""
        if self.newest is None or task.name not in self.newest.tasks:
            folder, head = self.world.home.reports, self.world.stores.journal.head()
            self.newest = holding_report(folder, self.migration, task, self.samples, head) or write_report(
                folder,
                self.migration,
                rehearse(self.world, self.migration, self.until, self.samples, self.world.clock(), progress),
            )
        return self.newest

    def carried_out(self) -> None:
        """Have the newest report hold on, behind a task that was carried out by it."""
        if self.newest is not None:
            let_hold(self.world.home.reports, self.migration, self.newest, self.world.stores.journal.head())


@dataclass(frozen=True, slots=True)
class _Days:
    """The days of a plan in a copy of the home."""

    copy: World
    there: Migration
    until: date
    at: datetime
    progress: Progress = field(repr=False)

    def carried_out(self) -> Iterator[tuple[date, list[Done]]]:
        """Carry out task after task; gives each day with what was done on it, before the next one begins."""
        order = Order(_two(self.copy))
        open_ = open_tasks(self.there.plan, self.there.standing(self.at))
        steps = sum(task.day <= self.until for task in open_) + 1
        # Of lists, those that say what has ended are made at once, as in the home; all else is published once a day.
        there = replace(self.there, publish=self._publish_changes)
        day, done = date.min, list[Done]()
        while (task := there.next(self.at)) is not None and task.day <= self.until:
            if done and task.day != day:
                yield day, done
                done = []
            try:
                done.append(there.carry_out(task, order, self.at))
            except KakehashiError:
                if day == date.min:
                    raise
                break  # refused again when it is its turn, with nothing before it
            day = task.day
            self.progress(task.name, steps)
        if done:
            yield day, done

    def _publish_changes(self, at: datetime) -> None:
        publish_changes(self.there.issuers, self.copy.repository, at=at)


def _two(copy: World) -> tuple[str, str]:
    """Two operators of the centre: in a rehearsal any."""
    with copy.stores.nation.reading() as connection:
        operators = [
            one.id
            for one in officers.all_officers(connection)
            if Role.OPERATOR in one.roles
            and one.ended_at is None
            and officers.office(connection, one.office).kind is OfficeKind.CENTRE
        ]
    if len(operators) < 2:
        raise Conflict(
            "officers", "there are not two operators of the centre", remedy="`kakehashi officer add`"
        )
    return operators[0], operators[1]


def _day_report(day: date, done: list[Done], found: list[Sample]) -> DayReport:
    return DayReport(
        day.isoformat(),
        tuple(TaskReport(one.task.name, tuple(map(str, one.certificates))) for one in done),
        tuple(
            SampleReport(
                str(one.anchor),
                str(one.key),
                str(one.certificate),
                "; or ".join(dict.fromkeys(map(_said, one.planned))),
                one.found or "valid",
                one.agreement.value,
            )
            for one in found
        ),
    )


def _said(planned: Obstacle | None) -> str:
    return "valid" if planned is None else f"{planned.why}: {planned.about}"
