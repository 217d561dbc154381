"""``kakehashi migrate plan`` and ``simulate``: whether a migration would leave anybody behind. The rest is in migrate_run and migrate_waves."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bridge.migrating.checking import check
from bridge.migrating.plotting import plot
from bridge.migrating.reading import open_plan, plan_file
from bridge.migrating.reporting import fault_rows, fields, finding_rows, summary
from bridge.migrating.running.matching import findings
from bridge.migrating.simulation import simulate as live_through
from ca.errors import BadInput
from front.cli.common import Settings, command_options_home_optional
from front.cli.migrate_run import run, status
from front.cli.migrate_waves import hand_over_, wave

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def migrate() -> None:
    """Plan a migration to other suites, live through it before anybody else does, and carry it out."""


@migrate.command()
@FILE
@command_options_home_optional
def plan(settings: Settings, file: Path) -> None:
    """Check a plan: the order of steps, the lives of suites, what was forgotten, what the windows can do.

    With a home, also in what the plan does not fit it: authorities, suites, certificates that stand, windows. The exit
    status is 1 if anything is wrong.

    \b
    Examples:
      kakehashi migrate plan plan.toml
      kakehashi migrate plan plan.toml --home world
    """
    values, digest = plan_file(file)
    if settings.given_home is None:
        found = check(values)
    else:
        with settings.world() as world:
            found = findings(world.stores, world.plan, values, digest, world.clock())
    settings.show(finding_rows(found), "wrong" if found else None)
    if found:
        sys.exit(1)


@migrate.command()
@FILE
@click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Draw suites, keys, cross-certificates, holders and who is stranded.",
)  # fmt: skip
@command_options_home_optional
def simulate(settings: Settings, file: Path, svg: Path | None) -> None:
    """Live through a plan: every day, every relying party, every key; who is stranded first, and why.

    The exit status is 1 if anybody is stranded, or believes what the plan promised to have refused.

    \b
    Example:
      kakehashi migrate simulate plan.toml --svg plan.svg
    """
    lived = live_through(open_plan(file))
    if svg is not None:
        try:
            svg.write_text(plot(lived), encoding="utf-8")
        except OSError as error:
            raise BadInput("--svg", f"{str(svg)!r} cannot be written: {error.strerror}") from None
    if settings.json:
        settings.tell(fields(lived))
    else:
        settings.tell(summary(lived))
        for title, faults in (("stranded", lived.strandings), ("believed too long", lived.overstays)):
            if faults:
                settings.show(fault_rows(faults), title)
    if lived.strandings or lived.overstays:
        sys.exit(1)


for part in (run, status, wave, hand_over_):
    migrate.add_command(part)
