"""Watching a run of a renewal, and keeping its report: before its first step, and when it has ended, however it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec

from bridge.crossing.pairs import Half
from bridge.crossing.renewal import Made, Renewed
from bridge.crossing.reports import (
    RenewalReport,
    Run,
    StepReport,
    Told,
    first_report,
    read_report,
    write_report,
)
from ca.clock import Clock
from ca.errors import BadInput
from ca.store.agreements import RenewalRecord


class Reporting:
    """The report of a run that goes on."""

    def __init__(self, report: RenewalReport, officers: tuple[str, str], clock: Clock) -> None:
        """Begin.

        Args:
            report: Of the runs until now (``reports.first_report``).
            officers: The two operators of this one.
            clock: The world's; each step is noted with its moment.
        """
        self._report = report
        self._steps = {one.certificate: one for one in report.steps}
        self._clock = clock
        self._run = Run(began=clock(), officers=officers)

    def note(self, done: Renewed) -> None:
        """Write down what became of a step; what an earlier run made stays as that one told it."""
        name, now = str(done.step.certificate), self._clock()
        before, officers = self._steps[name], self._run.officers
        if not isinstance(done.outcome, Made):
            self._run = msgspec.structs.replace(self._run, failed=self._run.failed + 1)
            changes = {"outcome": "not made", "problem": str(done.outcome), "at": now, "officers": officers}
        elif done.was_there:
            if before.outcome == "made":
                return
            changes = {"outcome": "made before", "problem": None, "at": None, "officers": None}
        else:
            self._run = msgspec.structs.replace(self._run, made=self._run.made + 1)
            changes = {"outcome": "made", "problem": None, "at": now, "officers": officers}
        if isinstance(done.outcome, Made):
            agreement = done.outcome.agreement
            changes["new"] = Told.of(done.outcome.certificate)
            changes["agreement"] = None if agreement is None else agreement.id
        self._steps[name] = msgspec.structs.replace(before, **changes)

    def so_far(self, ended: datetime | None = None) -> RenewalReport:
        """The report with this run."""
        steps: tuple[StepReport, ...] = tuple(self._steps[one.certificate] for one in self._report.steps)
        run = msgspec.structs.replace(self._run, ended=ended)
        return msgspec.structs.replace(self._report, runs=(*self._report.runs, run), steps=steps)


@contextmanager
def reporting(
    folder: Path, world: str, order: RenewalRecord, halves: list[Half], two: tuple[str, str], clock: Clock
) -> Iterator[Reporting]:
    """Keep the report of a run in this folder: as it is when the block begins, and as it is when that ends.

    A report that cannot be read is begun anew; whoever is killed in the block leaves a run without an end.

    Raises:
        StorageFailed: The report cannot be written; at the end, what was made stands all the same.
    """
    before = None
    with suppress(BadInput):
        before = read_report(folder, order.plan)
    old = {str(half.certificate): half.period for half in halves}
    watching = Reporting(first_report(world, order, old, before), two, clock)
    write_report(folder, watching.so_far())
    try:
        yield watching
    finally:
        write_report(folder, watching.so_far(clock()))
