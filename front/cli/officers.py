"""``kakehashi officer``."""

from __future__ import annotations

import re
import unicodedata

import click

from ca.clock import utc_text
from ca.errors import BadInput
from ca.model import Officer, OfficerId, Role
from ca.rules.registration import require_roles
from ca.store import officers
from ca.store.clients import KeyPurpose
from front.cli.common import Settings, command_options
from front.credentials import new_key

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@click.group()
def officer() -> None:
    """The people who take steps of cases."""


@officer.command()
@click.argument("officer_id", metavar="ID")
@click.option(
    "--office", required=True, help="A municipality code, `centre`, or another office of the edition."
)
@click.option(
    "--role", "roles", multiple=True, required=True, type=click.Choice([role.value for role in Role]),
    help="What the officer may do; may be given more than once.",
)  # fmt: skip
@click.option("--name", default="", help="What colleagues call the officer.")
@command_options
def add(settings: Settings, officer_id: str, office: str, roles: tuple[str, ...], name: str) -> None:
    """Make an officer known. The officer's client key is shown once, and kept only as a hash.

    \b
    Example:
      kakehashi officer add sato --office 131016 --role reception --home world
    """
    if not _ID.fullmatch(officer_id):
        raise BadInput(
            "officer id", "is not 1 to 64 lower-case letters, digits, dots, hyphens and underscores"
        )
    with settings.world() as world:
        # A municipality without a window is better refused with the reason than as an unknown office.
        if office.isdigit():
            world.plan.municipalities.window(office)
        with world.stores.nation.writing() as connection:
            found = officers.office(connection, office)
            wanted = frozenset(Role(role) for role in roles)
            require_roles(found.kind, wanted)
            officers.add_officer(connection, Officer(OfficerId(officer_id), found.id, wanted, called(name)))
            key = new_key(
                connection,
                name=officer_id,
                purpose=KeyPurpose.OFFICER,
                officer=OfficerId(officer_id),
                at=world.clock(),
            )
    settings.tell({"officer": officer_id, "office": office, "roles": " ".join(sorted(roles)), "key": key})


@officer.command()
@click.argument("officer_id", metavar="ID")
@command_options
def key(settings: Settings, officer_id: str) -> None:
    """Make a new client key for an officer, once the old one is revoked (`kakehashi client revoke ID`).

    \b
    Example:
      kakehashi officer key sato --home world
    """
    with settings.world() as world, world.stores.nation.writing() as connection:
        found, _ = officers.officer(connection, officer_id)
        made = new_key(
            connection, name=found.id, purpose=KeyPurpose.OFFICER, officer=found.id, at=world.clock()
        )
    settings.tell({"officer": officer_id, "key": made})


@officer.command()
@click.argument("officer_id", metavar="ID")
@command_options
def end(settings: Settings, officer_id: str) -> None:
    """Have an officer who leaves do nothing any more. The id is never used again, and the steps taken stay.

    \b
    Example:
      kakehashi officer end sato --home world
    """
    with settings.world() as world, world.stores.nation.writing() as connection:
        found = officers.end_officer(connection, officer_id, world.clock())
    settings.tell(_fields(found))


@officer.command("name")
@click.argument("officer_id", metavar="ID")
@click.argument("name")
@command_options
def name_officer(settings: Settings, officer_id: str, name: str) -> None:
    """Write down what colleagues call an officer.

    \b
    Example:
      kakehashi officer name sato 佐藤 --home world
    """
    with settings.world() as world, world.stores.nation.writing() as connection:
        found = officers.name_officer(connection, officer_id, called(name))
    settings.tell(_fields(found))


@officer.command("list")
@command_options
def list_officers(settings: Settings) -> None:
    """Show every officer.

    \b
    Example:
      kakehashi officer list --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        rows = [_fields(item) for item in officers.all_officers(connection)]
    settings.show(rows)


def called(name: str) -> str:
    """What an officer is called, in one line of at most 64 characters; BadInput otherwise."""
    found = " ".join(unicodedata.normalize("NFC", name).split())
    if len(found) > 64 or not found.isprintable():
        raise BadInput("name", "is not one line of at most 64 characters")
    return found


def _fields(found: Officer) -> dict[str, object]:
    return {
        "officer": found.id,
        "office": found.office,
        "roles": " ".join(sorted(found.roles)),
        "name": found.name or None,
        "ended_at": None if found.ended_at is None else utc_text(found.ended_at),
    }
