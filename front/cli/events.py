"""``kakehashi events``: the register of residents tells what happened, and certificates end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ca.errors import BadInput
from ca.revoking.events import Outcome
from ca.revoking.feed import read_feed
from ca.revoking.publication import publish_changes
from front.cli.common import Settings, command_options
from front.outcomes import outcome_fields


@click.group()
def events() -> None:
    """What the register of residents tells: moves, deaths, changes, corrections."""


@events.command()
@click.argument("file", type=click.Path(path_type=Path))
@command_options
def apply(settings: Settings, file: Path) -> None:
    """Apply a feed FILE (docs/event-feed.md), and publish the lists that its events touch.

    A file that is damaged anywhere is refused whole. One that was applied before changes nothing.

    \b
    Example:
      kakehashi events apply fixtures/feeds/move.jsonl --home world
    """
    with settings.world() as world:
        code_key = world.issuers.vault.code_key()
        try:
            stream = file.open("rb")
        except OSError as error:
            raise BadInput(str(file), f"cannot be read: {error.strerror}") from None
        with stream:
            feed = read_feed(stream, str(file), code_key)
        outcomes = world.events.apply(feed, at=world.clock())
        # Also what an earlier run was kept from publishing.
        publish_changes(world.issuers, world.repository, at=world.clock())
    settings.show([outcome_fields(outcome) if settings.json else _row(outcome) for outcome in outcomes])


def _row(outcome: Outcome) -> dict[str, Any]:
    """A line of the table: the orders in one cell."""
    fields = outcome_fields(outcome)
    fields["orders"] = "\n".join(f"{order['certificate']} {order['reason']}" for order in fields["orders"])
    return fields
