"""Rehearsing a task on a copy of the home, and the report of it that the home keeps in its folder of reports."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from bridge.crossing.reports import write_whole
from bridge.migrating.plan import Plan
from bridge.migrating.running.doing import Done, Migration, Order
from bridge.migrating.running.rehearsal import Agreement, Sample, Verifiers, compare
from bridge.migrating.running.tasks import Task
from bridge.migrating.trusting import Obstacle
from bridge.relying.finding.snapshot import Snapshot
from bridge.repository.contents import publish_all
from bridge.repository.heads import publish_head
from ca.errors import Conflict
from ca.issuing.issuer import Issuers
from ca.journal.journal import Head
from ca.model import Role
from ca.revoking.lists.publication import publish_changes
from ca.store import officers
from front.assembly import World, open_world
from front.cli.migrate_copy import copied
from front.home import Home
from front.making import Progress

_STEPS = 3
_LIMIT = 16 * 1024 * 1024


class SampleReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate that was verified from an anchor, with the plan's word and the verifier's."""

    anchor: str
    key: str
    certificate: str
    planned: str
    found: str
    agreement: str


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a rehearsal came to.

    Attributes:
        sha256: Of the plan's file.
        count, head: How many records the journal had, and the digest of the last.
        digest: SHA-256 of the report's file; not in it.
    """

    plan: str
    sha256: str
    task: str
    day: str
    at: datetime
    count: int
    head: str
    made: tuple[str, ...]
    samples: tuple[SampleReport, ...]
    digest: str = ""

    def require_passed(self) -> None:
        """Raise Conflict, naming the first of them, if samples are refused that the plan says are valid."""
        failed = [one for one in self.samples if one.agreement == Agreement.STRANDED]
        if failed:
            first = failed[0]
            raise Conflict(
                f"rehearsal of {self.task} of {self.day}",
                f"{first.certificate} is refused from {first.anchor}, where the plan says valid: {first.found}",
                remedy=f"{len(failed)} samples are refused; nothing was done in the home, whose reports tell of all",
            )


def migration_of(world: World, issuers: Issuers, plan: Plan, digest: str) -> Migration:
    """A plan in a home, or in a copy of it."""

    def publish(at: datetime) -> None:
        publish_changes(issuers, world.repository, at=at)
        publish_all(issuers, world.plan, world.repository, at=at)
        publish_head(issuers, world.plan, world.repository, at=at)

    return Migration(issuers, world.plan, world.chance, plan, digest, publish)


def report_path(home: Home, migration: Migration, task: Task) -> Path:
    """Where the home keeps the report of a task's last rehearsal."""
    return home.reports / f"rehearsal-{migration.order_name(task)}.json"


def found_report(path: Path, migration: Migration, task: Task, head: Head) -> Report | None:
    """The report of a rehearsal of this task that passed, if nothing was written in the journal since."""
    try:
        octets = path.read_bytes()[:_LIMIT]
        report = msgspec.json.decode(octets, type=Report)
    except (OSError, msgspec.DecodeError):
        return None
    if (report.sha256, report.task, report.count, report.head) != (
        migration.digest,
        task.name,
        head.count,
        head.digest,
    ):
        return None
    with suppress(Conflict):
        report.require_passed()
        return msgspec.structs.replace(report, digest=hashlib.sha256(octets).hexdigest())
    return None


def write_report(path: Path, report: Report) -> Report:
    """Keep a report, whole or not at all; gives it with the digest of its file."""
    octets = msgspec.json.format(msgspec.json.encode(report), indent=1)
    write_whole(path, octets)
    return msgspec.structs.replace(report, digest=hashlib.sha256(octets).hexdigest())


def rehearse(
    world: World, migration: Migration, task: Task, samples: int, at: datetime, progress: Progress
) -> Report:
    """Carry a task out on a copy of the home, publish there, and hold verdicts against the plan's.

    Raises:
        Conflict: The home cannot be copied, or the task is refused.
        KakehashiError: Whatever the task itself would raise.
    """
    with copied(world) as (folder, head):
        progress(f"{task.name}: copied", _STEPS)
        with open_world(folder, world.passphrase) as copy:
            there = migration_of(copy, copy.issuers_unrecovered, migration.plan, migration.digest)
            done = there.carry_out(task, Order(_two(copy)), at)
            progress(f"{task.name}: carried out there", _STEPS)
            verifiers = Verifiers(Snapshot.read(copy.home.repository), copy.plan, at)
            found = compare(copy.stores, there.plan, there.standing(at), verifiers, samples)
            progress(f"{task.name}: verified", _STEPS)
    return _report(migration, done, head, found, at)


def report_rows(report: Report) -> list[dict[str, Any]]:
    """What a rehearsal came to, a row a sample."""
    return [msgspec.structs.asdict(one) for one in report.samples]


def _two(copy: World) -> tuple[str, str]:
    """Two operators of the centre: in a rehearsal any."""
    with copy.stores.nation.reading() as connection:
        operators = [
            one.id
            for one in officers.all_officers(connection)
            if Role.OPERATOR in one.roles and one.ended_at is None
        ]
    if len(operators) < 2:
        raise Conflict(
            "officers", "there are not two operators of the centre", remedy="`kakehashi officer add`"
        )
    return operators[0], operators[1]


def _report(migration: Migration, done: Done, head: Head, found: list[Sample], at: datetime) -> Report:
    return Report(
        plan=migration.plan.name,
        sha256=migration.digest,
        task=done.task.name,
        day=done.task.day.isoformat(),
        at=at,
        count=head.count,
        head=head.digest,
        made=tuple(str(one) for one in done.certificates),
        samples=tuple(
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
