"""What a rehearsal came to, kept in the home's folder of reports, and for how long tasks may be carried out by it.

::

    rehearsal-m-<plan>-<task>-<count>.json   a rehearsal, by its first task and the records that the journal had
    rehearsed-<plan>.json                    which of them holds now, and up to which head of the journal

A report is never written again: the journal names it by its SHA-256 with every task that was carried out by it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bridge.crossing.reports import write_whole
from bridge.migrating.running.doing import Migration
from bridge.migrating.running.rehearsal import Agreement
from bridge.migrating.running.tasks import Task
from ca.errors import Conflict
from ca.journal.journal import Head

_LIMIT = 64 * 1024 * 1024  # a nation's 96 keys from two anchors, 10,000 holders of each, stay below


class SampleReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate that was verified from an anchor, with the plan's word and the verifier's."""

    anchor: str
    key: str
    certificate: str
    planned: str
    found: str
    agreement: str


class TaskReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task that was carried out in the copy, and the certificates that it made, or ended."""

    task: str
    certificates: tuple[str, ...]


class DayReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tasks of one of the plan's days, in their order, and what was verified behind the last of them."""

    day: str
    tasks: tuple[TaskReport, ...]
    samples: tuple[SampleReport, ...]

    def require_passed(self) -> None:
        """Raise Conflict, naming the first of them, if samples are refused that the plan says are valid."""
        failed = [one for one in self.samples if one.agreement == Agreement.STRANDED]
        if failed:
            first, last, more = failed[0], self.tasks[-1].task, len(self.tasks) - 1
            raise Conflict(
                f"rehearsal of {last} of {self.day}" + (f", and of {more} tasks before it" if more else ""),
                f"{first.certificate} is refused from {first.anchor}, where the plan says valid: {first.found}",
                remedy=f"{len(failed)} samples are refused; nothing was done in the home, whose reports tell of all",
            )


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a rehearsal came to.

    Attributes:
        sha256: Of the plan's file.
        order: What an order of the first task would be called in the journal.
        count, head: How many records the journal had, and the digest of the last.
        samples: How many holders of each key were verified, if it had so many.
        days: What was carried out; one day alone if it did not pass.
        digest: SHA-256 of the report's file; not in it.
    """

    plan: str
    sha256: str
    order: str
    at: datetime
    count: int
    head: str
    samples: int
    days: tuple[DayReport, ...]
    digest: str = ""

    @property
    def name(self) -> str:
        """Of its file."""
        return f"rehearsal-{self.order}-{self.count}.json"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks that it is about, in their order."""
        return tuple(one.task for day in self.days for one in day.tasks)

    def require_passed(self) -> None:
        """Raise Conflict if samples are refused that the plan says are valid."""
        for day in self.days:
            day.require_passed()

    def rows(self) -> list[dict[str, Any]]:
        """A row a sample."""
        return [{"day": day.day, **msgspec.structs.asdict(one)} for day in self.days for one in day.samples]


class _Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report that passed, and the journal's head up to which nobody wrote there but the tasks that it is about."""

    report: str
    sha256: str
    count: int
    head: str


def write_report(folder: Path, migration: Migration, report: Report) -> Report:
    """Keep a report, whole or not at all, and let it hold if it passed; gives it with the digest of its file.

    Raises:
        Conflict: It did not pass; it is kept, and does not hold.
        StorageFailed: The disk refused.
    """
    octets = msgspec.json.format(msgspec.json.encode(report), indent=1)
    write_whole(folder / report.name, octets)
    written = msgspec.structs.replace(report, digest=hashlib.sha256(octets).hexdigest())
    written.require_passed()
    let_hold(folder, migration, written, Head(report.count, report.head))
    return written


def let_hold(folder: Path, migration: Migration, report: Report, head: Head) -> None:
    """Have a report that passed hold up to this head of the journal: its own, or the one behind a task done by it."""
    holding = _Holding(report.name, report.digest, head.count, head.digest)
    write_whole(_holding(folder, migration), msgspec.json.encode(holding))


def holding_report(folder: Path, migration: Migration, task: Task, samples: int, head: Head) -> Report | None:
    """The report by which a task may be carried out now; None if the task is to be rehearsed.

    Args:
        folder: The home's reports.
        migration: The plan in the home.
        task: What comes next.
        samples: How many holders of each key are asked for.
        head: Of the home's journal.
    """
    holding, _ = _read(_holding(folder, migration), _Holding)
    if holding is None or (holding.count, holding.head) != (head.count, head.digest):
        return None
    report, digest = _read(folder / Path(holding.report).name, Report)
    if report is None or digest != holding.sha256 or report.sha256 != migration.digest:
        return None
    if task.name not in report.tasks or report.samples < samples:
        return None
    return msgspec.structs.replace(report, digest=digest)


R = TypeVar("R", bound=msgspec.Struct)


def _read(path: Path, kind: type[R]) -> tuple[R | None, str]:
    """What lies there, and the SHA-256 of the file; None if there is no such thing."""
    try:
        octets = path.read_bytes()[: _LIMIT + 1]
        return msgspec.json.decode(octets, type=kind), hashlib.sha256(octets).hexdigest()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None, ""


def _holding(folder: Path, migration: Migration) -> Path:
    return folder / f"rehearsed-{migration.digest}.json"
