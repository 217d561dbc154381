"""``kakehashi officer``."""

from __future__ import annotations

import re

import click

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
@command_options
def add(settings: Settings, officer_id: str, office: str, roles: tuple[str, ...]) -> None:
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
            officers.add_officer(connection, Officer(OfficerId(officer_id), found.id, wanted))
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


@officer.command("list")
@command_options
def list_officers(settings: Settings) -> None:
    """Show every officer.

    \b
    Example:
      kakehashi officer list --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        rows = [
            {"officer": item.id, "office": item.office, "roles": " ".join(sorted(item.roles))}
            for item in officers.all_officers(connection)
        ]
    settings.show(rows)
