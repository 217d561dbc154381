"""``kakehashi officer code`` and ``kakehashi officer passkeys``: how officers sign in to the pages."""

from __future__ import annotations

import click

from ca.clock import utc_text
from ca.store import officers, passkeys
from front.cli.common import Settings, command_options
from front.signing_in.enrolment import new_code
from front.signing_in.terms import terms_of


@click.command()
@click.argument("officer_id", metavar="ID")
@command_options
def code(settings: Settings, officer_id: str) -> None:
    """Give the first operator of the centre a code to enrol a passkey with. It is shown once.

    Operators give codes to everybody else, on the page of officers; once one has a passkey, this command gives none.

    \b
    Example:
      kakehashi officer code ito --home world
    """
    with settings.world() as world:
        terms, at = terms_of(world), world.clock()
        with world.stores.nation.writing() as connection:
            made = new_code(connection, officer_id, None, at, lasting=terms.code)
    settings.tell(
        {"officer": officer_id, "code": made, "good_until": utc_text(at + terms.code), "page": "/enrol"}
    )


@click.command("passkeys")
@click.argument("officer_id", metavar="ID")
@command_options
def list_passkeys(settings: Settings, officer_id: str) -> None:
    """Show what an officer can sign in with, and could once.

    \b
    Example:
      kakehashi officer passkeys ito --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        officer, _ = officers.known(connection, officer_id)
        rows = [
            {
                "passkey": passkey.mark,
                "label": passkey.label,
                "made_at": utc_text(passkey.made_at),
                "used_at": None if passkey.used_at is None else utc_text(passkey.used_at),
                "ended_at": None if passkey.ended_at is None else utc_text(passkey.ended_at),
            }
            for passkey in passkeys.of_officer(connection, officer.id)
        ]
    settings.show(rows)
