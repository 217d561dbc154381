"""``kakehashi init``."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bridge.crossing.edition import edition_text, read_edition
from ca.clock import system_clock
from ca.errors import BadInput
from ca.profiles.practice import AuthorityRole
from ca.store import authorities, lists
from ca.store.engine import SCHEMA, Store, sqlite_url
from ca.store.schema import migrate
from front.assembly import World, open_world
from front.cli.common import Settings, command_options
from front.home import ClockSetting, Description, Home
from front.making import make_home
from front.passphrase import passphrase

_SEEDED_START = datetime(2014, 9, 1, tzinfo=UTC)


@click.command()
@click.option(
    "--edition", default="japan-2014", show_default=True, help="A built-in edition, or a TOML file."
)
@click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="Base of every URL in certificates."
)
@click.option("--production", is_flag=True, help="Not a test world: production names and policies.")
@click.option(
    "--test-keys", is_flag=True, help="Public test keys and a fixed clock: a repeatable test world."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Which repeatable world.  [default: 1]")
@command_options
def init(
    settings: Settings,
    edition: str,
    url: str,
    production: bool,  # noqa: FBT001 - click calls by keyword
    test_keys: bool,  # noqa: FBT001
    seed: int | None,
) -> None:
    """Make the world that an edition describes; complete it if a making was interrupted.

    \b
    Examples:
      kakehashi init --edition japan-2014 --home world
      kakehashi init --home lab --clock 2014-09-01T00:00Z+60
      kakehashi init --home golden --test-keys --seed 7
    """
    wanted = _description(settings, edition, url.rstrip("/"), production, test_keys, seed)
    console = settings.console(stderr=True)
    with Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("keys and certificates", total=None)

        def progress(what: str, steps: int) -> None:
            bar.update(task, description=what, total=steps, advance=1)

        made = make_home(
            settings.home,
            wanted,
            edition,
            lambda: passphrase(settings.passphrase_file, confirm=True),
            progress,
        )
    with open_world(settings.home, settings.passphrase) as world:
        if not settings.json:
            done = "made" if made else "is complete already; nothing was changed"
            settings.console().print(
                f"World {world.plan.name} ({world.plan.marking}) in {settings.home} {done}.\n"
            )
        settings.show(_summary(world))


@click.command()
@command_options
def upgrade(settings: Settings) -> None:
    """Bring the store of a home to this version's schema; nothing else may work in the home meanwhile.

    \b
    Example:
      kakehashi upgrade --home world
    """
    home = Home(settings.home)
    with home.locked(alone=True):
        home.require_complete()
        store = Store.open(sqlite_url(home.store))
        try:
            before = store.schema()
            migrate(store)
        finally:
            store.close()
    settings.tell({"home": str(settings.home), "schema_before": before, "schema": SCHEMA})


def _description(
    settings: Settings,
    edition: str,
    url: str,
    production: bool,  # noqa: FBT001
    test_keys: bool,  # noqa: FBT001
    seed: int | None,
) -> Description:
    if production and (test_keys or settings.clock is not None):
        raise BadInput("--production", "a production world has neither test keys nor a clock of its own")
    if seed is not None and not test_keys:
        raise BadInput("--seed", "is for worlds with --test-keys")
    clock = None
    if settings.clock is not None:
        start, speed = settings.clock
        clock = ClockSetting(start, system_clock(), speed)
    if test_keys:
        # A seeded world's time stands still, wherever and whenever it is made.
        start = _SEEDED_START if settings.clock is None else settings.clock[0]
        clock = ClockSetting(start, start, 0.0)
    place, octets = edition_text(edition)
    return Description(
        state="making",
        marking="production" if production else "test",
        edition=read_edition(octets, place).name,
        url=url,
        seed=(1 if seed is None else seed) if test_keys else None,
        clock=clock,
    )


def _summary(world: World) -> list[dict[str, object]]:
    """A row for each role: how many authorities, certificates between them, responders, lists."""
    with world.store.reading() as connection:
        generations = [record.id for record in authorities.all_generations(connection)]
        crosses = [certificate.generation for _, certificate in authorities.crosses(connection)]
        services = [record.certificate.generation for record in authorities.services(connection)]
        made = {generation: len(lists.newest(connection, generation)) for generation in generations}
    rows: list[dict[str, object]] = []
    for role in AuthorityRole:
        of_role = {item for item in generations if world.plan.practices[item.authority].role is role}
        rows.append(
            {
                "role": role.value,
                "authorities": len(of_role),
                "cross_certificates_issued": sum(item in of_role for item in crosses),
                "service_certificates": sum(item in of_role for item in services),
                "lists": sum(made[item] for item in of_role),
            }
        )
    return rows
