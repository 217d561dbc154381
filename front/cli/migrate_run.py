"""``kakehashi migrate run`` and ``status``: a plan carried out in a home."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bridge.migrating.plan import Generation, Plan
from bridge.migrating.reading import plan_file
from bridge.migrating.running.doing import Done, Order
from bridge.migrating.running.progress import in_use, staged
from bridge.migrating.running.rehearsal import SAMPLES
from bridge.migrating.running.standing import KeyName, read_standing
from bridge.migrating.running.tasks import Task, next_task, require_day
from ca.clock import utc_text
from ca.errors import BadInput, NotFound
from ca.model import (
    AuthorityId,
)
from ca.rules.validity import japanese_day
from front.assembly import World
from front.cli.common import Settings, command_options
from front.cli.progress import progress_bar
from front.rehearsing.copying import alone
from front.rehearsing.rehearsal import Rehearsals, migration_of
from front.rehearsing.reports import Report

PLAN = click.argument("plan", type=click.Path(path_type=Path, dir_okay=False))


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
    help="Without a rehearsal; the journal says so.",
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

    The tasks of a day are rehearsed together, in their order; with --due, all whose day has come.
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
        _tell_edited(values, digest, standing.edited)
        task = next_task(values, standing)
        if task is None:
            settings.tell({"plan": values.name, "task": None, "next": "all is done"})
            return
        require_day(task, japanese_day(at))
        today = japanese_day(at)
        rehearsals = Rehearsals(world, migration, today if due else task.day, samples)
        if only_rehearse:
            with progress_bar(settings, f"rehearsal of {task.name}") as progress:
                report = rehearsals.of(task, progress)
            _tell_rehearsal(settings, world, report)
            return
        if officer is None or second_officer is None:
            raise BadInput("migrate run", "needs two officers", remedy="Give --officer and --second-officer")
        two = (officer, second_officer)
        rows: list[dict[str, Any]] = []
        try:
            with progress_bar(settings, task.name) as progress:
                while task is not None:
                    rehearsed = None if unrehearsed else rehearsals.of(task, progress).digest
                    done = migration.carry_out(task, Order(two, rehearsed), at)
                    rehearsals.carried_out()
                    rows.append(_row(done, rehearsed))
                    progress(task.name, len(rows))
                    at = world.clock()
                    task = migration.next(at)
                    if not due or task is None or today < task.day:
                        break
        finally:  # what was done is told, whatever came then
            if rows:
                _show_done(settings, values, rows, task)


def _tell_edited(plan: Plan, digest: str, before: Sequence[str]) -> None:
    """Say that the plan's file was another one when steps were taken by it: the journal has both."""
    if before:
        was = ", ".join(f"sha256:{one}" for one in before)
        click.echo(
            f"plan {plan.name} was edited since steps were taken by it: it was {was}, and is sha256:{digest}; "
            "what was done stays done",
            err=True,
        )


def _tell_rehearsal(settings: Settings, world: World, report: Report) -> None:
    if settings.json:
        settings.tell({"tasks": list(report.tasks), "sha256": report.digest, "samples": report.rows()})
        return
    rows = [{name: value for name, value in row.items() if name != "certificate"} for row in report.rows()]
    which = f"{report.tasks[0]}, and {len(report.tasks) - 1} tasks behind it"
    settings.show(rows, f"Rehearsed: {which}; nothing was done in {world.home.folder}")


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
            require_known(values, standing.keys)
            _tell_edited(values, digest, standing.edited)
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
        fields = {
            "plan": values.name, "sha256": digest, "edited": list(standing.edited), "at": utc_text(at)
        }  # fmt: skip
        settings.tell({**fields, "tasks": tasks, "waves": waves, "suites": by_suite})
        return
    for title, rows in (
        ("Tasks", tasks),
        ("Waves, in holders", waves),
        ("Holders' certificates in use", by_suite),
    ):
        settings.show(rows, f"\n{title}")


def require_known(plan: Plan, keys: Any) -> None:
    """Raise NotFound if an authority of the plan is not the home's."""
    for index, table in enumerate(plan.authorities):
        for name in table.ids:
            if KeyName(AuthorityId(name), Generation.OLD) not in keys:
                raise NotFound(
                    f"plan, authorities[{index}] {name}",
                    "is not one of this home's",
                    remedy="`kakehashi migrate plan PLAN --home HOME` shows all in which the plan does not fit",
                )
