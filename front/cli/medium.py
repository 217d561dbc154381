"""``kakehashi medium``: the key media of local governments' sub-offices."""

from __future__ import annotations

from datetime import datetime

import click

from ca.clock import parse_moment, utc_text
from ca.revoking.deciding import custody
from ca.rules.custody import Medium, medium_id
from ca.store import media, officers
from front.cli.common import Settings, command_options

_MEDIUM = click.argument("number", metavar="MEDIUM")
_OFFICER = click.option("--officer", required=True, help="Who takes this step.")
_NOTE = click.option("--note", help="What happened, for the medium's history.")


@click.group()
def medium() -> None:
    """Key media: where each is, and what became of it. They go out as their cases are handed over."""


@medium.command()
@_MEDIUM
@_OFFICER
@command_options
def register(settings: Settings, number: str, officer: str) -> None:
    """Make a medium known, which the officer's office answers for.

    \b
    Example:
      kakehashi medium register CARD-1000 --officer honda --home world
    """
    with settings.world() as world:
        settings.tell(_fields(custody.register(world.stores, number, officer, at=world.clock())))


@medium.command()
@_MEDIUM
@_OFFICER
@click.option("--case", "case_id", required=True, help="The case whose keys are made in it.")
@command_options
def assign(settings: Settings, number: str, officer: str, case_id: str) -> None:
    """Give a medium to a case.

    \b
    Example:
      kakehashi medium assign CARD-1000 --case local-2-000001 --officer honda --home world
    """
    with settings.world() as world:
        settings.tell(_fields(custody.assign(world.stores, number, case_id, officer, at=world.clock())))


@medium.command("take-back")
@_MEDIUM
@_OFFICER
@_NOTE
@command_options
def take_back(settings: Settings, number: str, officer: str, note: str | None) -> None:
    """Take a medium back, from its holder or from a case that came to nothing.

    \b
    Example:
      kakehashi medium take-back CARD-1000 --officer honda --home world
    """
    with settings.world() as world:
        settings.tell(_fields(custody.take_back(world.stores, number, officer, at=world.clock(), note=note)))


@medium.command()
@_MEDIUM
@_OFFICER
@_NOTE
@click.option("--since", metavar="MOMENT", help="Since when it has been missing, as 2016-02-01T00:00Z.")
@command_options
def lost(settings: Settings, number: str, officer: str, note: str | None, since: str | None) -> None:
    """Report a medium lost: every certificate whose key may lie in it ends at once, as compromised.

    \b
    Example:
      kakehashi medium lost CARD-1000 --officer honda --since 2016-02-01T00:00Z --home world
    """
    missing: datetime | None = None if since is None else parse_moment(since, "--since")
    with settings.world() as world:
        found = custody.report_lost(world.stores, number, officer, at=world.clock(), since=missing, note=note)
        if found.ended:
            world.publish_changes()
    ended = [str(certificate) for certificate in found.ended]
    settings.tell(_fields(found.medium) | {"ended": ended, "rejected": found.rejected})


@medium.command()
@_MEDIUM
@_OFFICER
@_NOTE
@command_options
def destroy(settings: Settings, number: str, officer: str, note: str | None) -> None:
    """Write down that a medium was destroyed; takes another officer than its last step.

    \b
    Example:
      kakehashi medium destroy CARD-1000 --officer wada --home world
    """
    with settings.world() as world:
        settings.tell(_fields(custody.destroy(world.stores, number, officer, at=world.clock(), note=note)))


@medium.command("list")
@click.option("--office", required=True, help="Whose media.")
@click.option("--after", metavar="MEDIUM", help="The page behind this medium.")
@command_options
def list_media(settings: Settings, office: str, after: str | None) -> None:
    """Show an office's media by number, a page at once.

    \b
    Examples:
      kakehashi medium list --office local-2 --home world
      kakehashi medium list --office local-2 --after CARD-1000 --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        found = media.of_office(connection, officers.office(connection, office).id, after=after)
    settings.show(
        [_fields(each) for each in found.media],
        f"The first {media.PAGE}; more with --after {found.after}" if found.after else None,
    )


@medium.command()
@_MEDIUM
@command_options
def show(settings: Settings, number: str) -> None:
    """Show a medium's steps.

    \b
    Example:
      kakehashi medium show CARD-1000 --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        found = media.find(connection, medium_id(number))
    settings.show(
        [
            {"step": taken.step.value, "officer": taken.officer, "at": utc_text(taken.at), "note": taken.note}
            for taken in found.history
        ]
    )


def _fields(found: Medium) -> dict[str, object]:
    return {
        "medium": found.id,
        "office": found.office,
        "state": None if found.state is None else found.state.value,
        "case": found.case,
    }
