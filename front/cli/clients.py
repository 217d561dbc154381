"""``kakehashi client``: keys of machines, and ending anybody's key."""

from __future__ import annotations

import re

import click

from ca.clock import utc_text
from ca.errors import BadInput, Conflict
from ca.journal.entries import KeyEndEntry
from ca.revoking.feed.events import FEED_NAME, FORM, require_no_code
from ca.store import clients, officers
from ca.store.clients import KeyPurpose
from front.cli.common import Settings, command_options
from front.credentials import new_key

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@click.group()
def client() -> None:
    """Client keys: what officers and machines present as `Authorization: Bearer`."""


@client.command()
@click.argument("name")
@click.option(
    "--purpose",
    type=click.Choice([KeyPurpose.FEED.value]),
    default=KeyPurpose.FEED.value,
    show_default=True,
    help="What the key opens; officers' keys are made by `officer add`.",
)
@click.option("--feed", help="The one feed whose files the key may send.  [default: any]")
@command_options
def add(settings: Settings, name: str, purpose: str, feed: str | None) -> None:
    """Make a key for a machine. It is shown once, and kept only as a hash.

    \b
    Example:
      kakehashi client add chiyoda-register --feed chiyoda --home world
    """
    if not _NAME.fullmatch(name):
        raise BadInput(
            "client name", "is not 1 to 64 lower-case letters, digits, dots, hyphens and underscores"
        )
    if feed is not None and not re.fullmatch(FEED_NAME, feed):
        raise BadInput("--feed", "is not the name of a feed", clause=FORM)
    if feed is not None:
        require_no_code(feed, "--feed")
    with settings.world() as world, world.stores.nation.writing() as connection:
        if name in {found.id for found in officers.all_officers(connection)}:
            raise Conflict(f"client {name}", "is an officer", remedy="Choose another name")
        key = new_key(
            connection, name=name, purpose=KeyPurpose(purpose), officer=None, feed=feed, at=world.clock()
        )
    told = {} if feed is None else {"feed": feed}
    settings.tell({"client": name, "purpose": purpose, **told, "key": key})


@client.command()
@click.argument("name")
@command_options
def revoke(settings: Settings, name: str) -> None:
    """End a client's or an officer's key at once.

    \b
    Example:
      kakehashi client revoke sato --home world
    """
    with settings.world() as world, world.stores.recording() as recording:
        keys = clients.keys_in_use(recording.nation, name)
        recording.note(KeyEndEntry(name, tuple(key.hex() for key in keys), world.clock()))
    settings.tell({"client": name, "key": "revoked"})


@client.command("list")
@command_options
def list_clients(settings: Settings) -> None:
    """Show whose keys there are; never the keys.

    \b
    Example:
      kakehashi client list --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        rows = [
            {
                "client": key.name,
                "purpose": key.purpose.value,
                "feed": key.feed,
                "made_at": utc_text(made_at),
                "revoked_at": None if key.revoked_at is None else utc_text(key.revoked_at),
            }
            for key, made_at in clients.all_keys(connection)
        ]
    settings.show(rows)
