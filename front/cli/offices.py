"""``kakehashi office``: the offices of the world, and the centre's way to stop the work of one."""

from __future__ import annotations

import click

from ca.clock import utc_text
from ca.model import Office, OfficeKind
from ca.store import officers
from front.cli.common import Settings, command_options

_OFFICE = click.argument("office_id", metavar="OFFICE")


@click.group()
def office() -> None:
    """The windows, the sub-offices and the centre."""


@office.command("list")
@click.option(
    "--kind", type=click.Choice([kind.value for kind in OfficeKind]), help="Only offices of this kind."
)
@click.option("--suspended", is_flag=True, help="Only offices that the centre has suspended.")
@command_options
def list_offices(settings: Settings, kind: str | None, *, suspended: bool) -> None:
    """Show offices.

    \b
    Example:
      kakehashi office list --kind ministry --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        found = officers.all_offices(connection)
    settings.show(
        [
            _fields(one)
            for one in found
            if kind in {None, one.kind} and (one.suspended_at is not None or not suspended)
        ]
    )


@office.command()
@_OFFICE
@command_options
def suspend(settings: Settings, office_id: str) -> None:
    """Let nobody work in an office until it is resumed; its cases wait.

    \b
    Example:
      kakehashi office suspend 131016 --home world
    """
    with settings.world() as world, world.stores.nation.writing() as connection:
        found = officers.suspend_office(connection, office_id, world.clock())
    settings.tell(_fields(found))


@office.command()
@_OFFICE
@command_options
def resume(settings: Settings, office_id: str) -> None:
    """Let the officers of a suspended office work again.

    \b
    Example:
      kakehashi office resume 131016 --home world
    """
    with settings.world() as world, world.stores.nation.writing() as connection:
        found = officers.suspend_office(connection, office_id, None)
    settings.tell(_fields(found))


def _fields(found: Office) -> dict[str, object]:
    return {
        "office": found.id,
        "kind": found.kind.value,
        "name": found.name,
        "authorities": " ".join(found.authorities),
        "suspended_at": None if found.suspended_at is None else utc_text(found.suspended_at),
    }
