"""``kakehashi office``: the offices of the world, and the centre's way to stop the work of one."""

from __future__ import annotations

import click

from ca.clock import utc_text
from ca.model import Office, OfficeKind
from ca.profiles.items import require_text
from ca.store import officers
from ca.store.deed_search import reason_of, suspensions
from ca.store.deeds import Deed, DeedRecord, note
from front.cli.common import Settings, command_options

_OFFICE = click.argument("office_id", metavar="OFFICE")
_REASON = click.option("--reason", help="Why; whoever looks at the office reads it.")


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
        why = suspensions(connection, found)
    settings.show(
        [
            _fields(one, why.get(one.id))
            for one in found
            if kind in {None, one.kind} and (one.suspended_at is not None or not suspended)
        ]
    )


@office.command()
@_OFFICE
@_REASON
@command_options
def suspend(settings: Settings, office_id: str, reason: str | None) -> None:
    """Let nobody work in an office until it is resumed; its cases wait.

    \b
    Example:
      kakehashi office suspend 131016 --reason "keys seen outside" --home world
    """
    _change(settings, office_id, Deed.OFFICE_SUSPENDED, reason)


@office.command()
@_OFFICE
@_REASON
@command_options
def resume(settings: Settings, office_id: str, reason: str | None) -> None:
    """Let the officers of a suspended office work again.

    \b
    Example:
      kakehashi office resume 131016 --home world
    """
    _change(settings, office_id, Deed.OFFICE_RESUMED, reason)


def _change(settings: Settings, office_id: str, what: Deed, reason: str | None) -> None:
    """Suspend or resume it, and write down that whoever has the machine did, and why; the same again changes nothing."""
    if reason is not None:
        require_text(reason, "--reason")
    with settings.world() as world, world.stores.nation.writing() as connection:
        at, found = world.clock(), officers.office(connection, office_id)
        suspended = what is Deed.OFFICE_SUSPENDED
        if (found.suspended_at is not None) is not suspended:
            found = officers.suspend_office(connection, found.id, at if suspended else None)
            about = found.id if reason is None else f"{found.id}: {reason}"
            note(connection, what, who=None, about=about, at=at)
        settings.tell(_fields(found, suspensions(connection, [found]).get(found.id)))


def _fields(found: Office, why: DeedRecord | None) -> dict[str, object]:
    return {
        "office": found.id,
        "kind": found.kind.value,
        "name": found.name,
        "authorities": " ".join(found.authorities),
        "suspended_at": None if found.suspended_at is None else utc_text(found.suspended_at),
        "reason": None if why is None else reason_of(why),
        "by": None if why is None else why.officer,
    }
