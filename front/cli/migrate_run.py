"""``kakehashi migrate run``, ``status``, ``wave`` and ``hand-over``: a plan carried out in a home."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bridge.crossing.reports import write_whole
from bridge.migrating.plan import Generation, Plan
from bridge.migrating.reading import plan_file
from bridge.migrating.running.doing import Done, Migration, Order
from bridge.migrating.running.progress import in_use, staged
from bridge.migrating.running.rehearsal import SAMPLES
from bridge.migrating.running.reissue import Called, call_in, hand_over
from bridge.migrating.running.standing import KeyName, read_standing
from bridge.migrating.running.tasks import Task, next_task, require_day
from ca.clock import utc_text
from ca.errors import BadInput, KakehashiError, NotFound
from ca.model import AuthorityId, CertificateId, CertificateKind
from ca.rules.validity import japanese_day
from front.assembly import World
from front.cli.common import Settings, command_options
from front.cli.migrate_copy import alone
from front.cli.migrate_rehearsal import (
    Report,
    found_report,
    migration_of,
    rehearse,
    report_path,
    report_rows,
    write_report,
)
from front.cli.progress import progress_bar
from front.making import Progress

PLAN = click.argument("plan", type=click.Path(path_type=Path, dir_okay=False))
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@PLAN
@click.option("--officer", help="An operator of the centre.")
@click.option("--second-officer", help="Another operator of the centre.")
@click.option("--due", is_flag=True, help="Every task whose day has come, one after the other.")
@click.option(
    "--rehearse", "only_rehearse", is_flag=True, help="Only on a copy of the home; nothing is done in it."
)
@click.option(
    "--unrehearsed",
    is_flag=True,
    help="Without a rehearsal, where the home cannot be copied; the journal says so.",
)
@click.option(
    "--samples", type=click.IntRange(0, 10_000), default=SAMPLES, show_default=True,
    help="How many holders of each key a rehearsal verifies.",
)  # fmt: skip
@command_options
def run(
    settings: Settings,
    plan: Path,
    officer: str | None,
    second_officer: str | None,
    due: bool,  # noqa: FBT001 - click calls by keyword
    only_rehearse: bool,  # noqa: FBT001
    unrehearsed: bool,  # noqa: FBT001
    samples: int,
) -> None:
    """Carry out the PLAN's next task, by the word of two operators, after a rehearsal on a copy of the home.

    A plan with which anything is wrong, or that would leave anybody behind, is not begun or gone on with; nor is a task
    before its day. Interrupted, the same command goes on, and makes nothing twice. What a task makes is published.

    \b
    Examples:
      kakehashi migrate run plan.toml --rehearse --home world
      kakehashi migrate run plan.toml --officer ito --second-officer endo --home world
    """
    values, digest = plan_file(plan)
    with settings.world() as world, alone(world.home):
        at = world.clock()
        migration = migration_of(world, world.issuers, values, digest)
        migration.require_sound(at)
        with world.stores.reading() as reading:
            standing = read_standing(reading, world.plan, values, digest, at)
        task = next_task(values, standing)
        if task is None:
            settings.tell({"plan": values.name, "task": None, "next": "all is done"})
            return
        require_day(task, japanese_day(at))
        if only_rehearse:
            with progress_bar(settings, f"rehearsal of {task.name}") as progress:
                report = _rehearsed(world, migration, task, samples, progress)
            _tell_rehearsal(settings, world, report)
            return
        if officer is None or second_officer is None:
            raise BadInput("migrate run", "needs two officers", remedy="Give --officer and --second-officer")
        two = (officer, second_officer)
        rows: list[dict[str, Any]] = []
        try:
            with progress_bar(settings, task.name) as progress:
                while task is not None:
                    rehearsed = (
                        None if unrehearsed else _rehearsed(world, migration, task, samples, progress).digest
                    )
                    done = migration.carry_out(task, Order(two, rehearsed), world.clock())
                    rows.append(_row(done, rehearsed))
                    progress(task.name, 4 * len(rows))
                    task = migration.next(world.clock())
                    if not due or task is None or japanese_day(world.clock()) < task.day:
                        break
        finally:  # what was done is told, whatever came then
            if rows:
                _show_done(settings, values, rows, task)


def _rehearsed(world: World, migration: Migration, task: Task, samples: int, progress: Progress) -> Report:
    """The report of a rehearsal of this task in the home as it is: one that is there, or a new one."""
    path = report_path(world.home, migration, task)
    there = found_report(path, migration, task, world.stores.journal.head())
    if there is not None:
        return there
    report = write_report(path, rehearse(world, migration, task, samples, world.clock(), progress))
    report.require_passed()
    return report


def _tell_rehearsal(settings: Settings, world: World, report: Report) -> None:
    if settings.json:
        settings.tell({"task": report.task, "sha256": report.digest, "samples": report_rows(report)})
        return
    rows = [
        {name: value for name, value in row.items() if name != "certificate"} for row in report_rows(report)
    ]
    settings.show(rows, f"Rehearsed: {report.task}; nothing was done in {world.home.folder}")


def _row(done: Done, rehearsed: str | None) -> dict[str, Any]:
    return {
        "task": done.task.name,
        "day": done.task.day.isoformat(),
        "certificates": [str(one) for one in done.certificates],
        "rehearsal": rehearsed,
    }


def _show_done(settings: Settings, plan: Plan, rows: Sequence[dict[str, Any]], coming: Task | None) -> None:
    then = "all is done" if coming is None else f"{coming.name}, {coming.day}"
    if settings.json:
        settings.tell({"plan": plan.name, "done": list(rows), "next": then})
        return
    settings.show(
        [{"day": row["day"], "task": row["task"], "made": len(row["certificates"])} for row in rows]
    )
    settings.tell({"next": then})


@click.command()
@PLAN
@command_options
def status(settings: Settings, plan: Path) -> None:
    """How far a PLAN is in the home: every task, every wave, and holders' certificates by suite. Opens no keys.

    \b
    Example:
      kakehashi migrate status plan.toml --home world
    """
    values, digest = plan_file(plan)
    with settings.world() as world:
        at = world.clock()
        with world.stores.reading() as reading:
            standing = read_standing(reading, world.plan, values, digest, at, waves=True)
            _require_known(values, standing.keys)
            tasks = [
                {
                    "day": one.task.day.isoformat(),
                    "task": one.task.name,
                    "state": one.stage.value,
                    "why": one.why,
                }
                for one in staged(reading, values, standing, at)
            ]
            suites = in_use(reading, values, standing, at)
    waves = [
        {
            "wave": index,
            "authority": wave.authority,
            "begins": None if wave.begins is None else wave.begins.isoformat(),
            "ends": None if wave.ends is None else wave.ends.isoformat(),
            "left": standing.waves[index].left,
            "reissued": standing.waves[index].reissued,
            "to_hand_over": standing.waves[index].waiting,
        }
        for index, wave in enumerate(values.waves)
    ]
    by_suite = [{"suite": suite, "certificates": count} for suite, count in suites.items()]
    if settings.json:
        fields = {"plan": values.name, "sha256": digest, "at": utc_text(at)}
        settings.tell({**fields, "tasks": tasks, "waves": waves, "suites": by_suite})
        return
    for title, rows in (
        ("Tasks", tasks),
        ("Waves, in holders", waves),
        ("Holders' certificates in use", by_suite),
    ):
        settings.show(rows, f"\n{title}")


@click.command()
@PLAN
@click.option("--authority", required=True, metavar="ID", help="Whose holders.")
@click.option("--day", type=_DAY, required=True, help="The day on which the calling in begins.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE",
    help="Where the list goes, as CSV.",
)  # fmt: skip
@command_options
def wave(settings: Settings, plan: Path, authority: str, day: datetime, out: Path) -> None:
    """List whom the waves of an AUTHORITY call in from a day on: as many as the windows serve to their end.

    A row a holder, whose certificate ends first, first. No name stands in it: the municipality knows its holders by their
    certificates, and the card factory hands the new requests in as a `kakehashi batch`.

    \b
    Example:
      kakehashi migrate wave plan.toml --authority jpki-13 --day 2031-01-06 --out called.csv --home world
    """
    values, digest = plan_file(plan)
    with settings.world() as world:
        at = world.clock()
        with world.stores.reading() as reading:
            standing = read_standing(reading, world.plan, values, digest, at)
            _require_known(values, standing.keys)
            mine = [one for one in values.waves if one.authority == authority and one.begins is not None]
            if not mine:
                raise NotFound(f"plan, wave of {authority!r}", "calls nobody in")
            name = AuthorityId(authority)
            old, new = (standing.keys[KeyName(name, one)] for one in Generation)
            today = [one for one in mine if one.begins and one.ends and one.begins <= day.date() <= one.ends]
            called = [
                found
                for one in today or mine[:1]
                for found in call_in(reading, world.plan, values, one, (old, new), day.date(), at)
            ]
    write_whole(out, _table(called))
    settings.tell({"called": len(called), "old": str(old), "new": str(new), "out": str(out)})


_KINDS = (CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION)


def _table(called: Sequence[Called]) -> bytes:
    lines: list[str] = []

    class Lines:
        write: Callable[[str], None] = staticmethod(lines.append)

    writer = csv.writer(Lines())
    writer.writerow(["number", "municipality", "ends", *(kind.value.replace("-", "_") for kind in _KINDS)])
    for number, one in enumerate(called, 1):
        ids = [str(one.certificates[kind]) if kind in one.certificates else "" for kind in _KINDS]
        writer.writerow([number, one.municipality, japanese_day(one.ends).isoformat(), *ids])
    return "".join(lines).encode()


@click.command("hand-over")
@PLAN
@click.argument("certificates", nargs=-1, required=True)
@click.option("--officer", required=True, help="Who receives applications at the holders' window.")
@command_options
def hand_over_(settings: Settings, plan: Path, certificates: tuple[str, ...], officer: str) -> None:
    """Certificates of a batch were handed over: what each follows ends as superseded, and its lists are published.

    CERTIFICATES are the new ones' ids, as the batch's results.csv has them.

    \b
    Example:
      kakehashi migrate hand-over plan.toml jpki-13.g2:5f01 --officer sato --home world
    """
    values, digest = plan_file(plan)
    handed = [CertificateId.parse(one) for one in certificates]
    with settings.world() as world:
        done = hand_over(world.stores, handed, officer, f"{values.name} sha256:{digest}", at=world.clock())
        failure: KakehashiError | None = None
        try:
            world.publish_changes()
        except KakehashiError as error:
            failure = error
    settings.show(
        [
            {"certificate": str(one.certificate), "superseded": ", ".join(map(str, one.ended)) or None}
            for one in done
        ]
    )
    if failure is not None:
        click.echo(f"handed over, and not published yet: {failure}", err=True)
        sys.exit(1)


def _require_known(plan: Plan, keys: Any) -> None:
    """Raise NotFound if an authority of the plan is not the home's."""
    for index, table in enumerate(plan.authorities):
        for name in table.ids:
            if KeyName(AuthorityId(name), Generation.OLD) not in keys:
                raise NotFound(
                    f"plan, authorities[{index}] {name}",
                    "is not one of this home's",
                    remedy="`kakehashi migrate plan PLAN --home HOME` shows all in which the plan does not fit",
                )
