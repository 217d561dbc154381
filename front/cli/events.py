"""``kakehashi events``: the register of residents tells what happened, and certificates end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click
import msgspec

from ca.errors import BadInput
from ca.revoking.deciding.desk import Outcome
from ca.revoking.feed.files import read_file
from ca.rules.feed_numbers import gaps
from ca.store import feeds
from front.cli.common import Settings, command_options, receipt_option
from front.inbox import Answered, take
from front.outcomes import outcome_fields
from front.receipts import receipt_of_feed, require_free, write_receipt

_PAUSE_SECONDS = 1.0


@click.group()
def events() -> None:
    """What the register of residents tells: moves, deaths, changes, corrections."""


@events.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--feed", help="Whose feed it is, if it is CSV and not named as chiyoda-12.csv.")
@click.option("--sequence", help="Its number in that feed.")
@click.option("--sha256", help="SHA-256 of a CSV file, to be checked.")
@click.option("--count", help="How many events a CSV file has, to be checked.")
@receipt_option
@command_options
def apply(settings: Settings, file: Path, receipt: Path | None, **told: str | None) -> None:
    """Apply a feed FILE (docs/event-feed.md), and publish the lists that its events touch.

    A file that is damaged anywhere is refused whole. One that was applied before changes nothing.

    \b
    Examples:
      kakehashi events apply fixtures/feeds/move.jsonl --home world
      kakehashi events apply export.csv --feed chiyoda --sequence 12 --count 40 --home world
    """
    require_free(receipt)
    label = {part: text for part, text in told.items() if text is not None}
    with settings.world() as world:
        code_key = world.issuers.vault.code_key()
        try:
            stream = file.open("rb")
        except OSError as error:
            raise BadInput(str(file), f"cannot be read: {error.strerror}") from None
        with stream:
            feed = read_file(stream, str(file), file.name, code_key, label)
        taken = world.events.take(feed, at=world.clock())
        outcomes = taken.outcomes
        if receipt is not None and (given := receipt_of_feed(world, feed, outcomes, world.clock())):
            write_receipt(receipt, given)
        # Also what an earlier run was kept from publishing.
        world.publish_changes()
    for warning in taken.warnings:
        click.echo(f"warning: {warning}", err=True)
    settings.show([outcome_fields(outcome) if settings.json else _row(outcome) for outcome in outcomes])


@events.command("feeds")
@command_options
def feeds_(settings: Settings) -> None:
    """Show each feed's first and last file that came, and which are missing in between.

    \b
    Example:
      kakehashi events feeds --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        known = feeds.everything(connection)
    rows = [
        {
            "feed": name,
            "first": runs[0].first,
            "last": runs[-1].last,
            "missing": [str(gap) for gap in gaps(runs)] if settings.json else ", ".join(map(str, gaps(runs))),
        }
        for name, runs in known.items()
    ]
    settings.show(rows, "Feeds")


@events.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--once", is_flag=True, help="Take what lies there now, and end: with status 1 if a file was refused."
)
@command_options
def watch(settings: Settings, directory: Path, *, once: bool) -> None:
    """Apply the feed files that appear in a DIRECTORY, in the order of their names; a line for each.

    They go to done/ or refused/ there, each with an answer beside it. Write a file under a name that does not end in
    .jsonl or .csv, and rename it when it is whole.

    \b
    Example:
      kakehashi events watch /srv/feeds --home world
    """
    refused = False
    with settings.world() as world:
        # What an earlier run was kept from publishing.
        world.publish_changes()
        while True:
            for answered in take(world, directory):
                click.echo(_told(settings, answered))
                refused = refused or answered.result == "refused"
                world.publish_changes()
            if once:
                break
            time.sleep(_PAUSE_SECONDS)
    sys.exit(int(refused))


def _told(settings: Settings, answered: Answered) -> str:
    """A file's line: for people what came of how many events, for machines the whole answer."""
    if settings.json:
        return msgspec.json.encode({"result": answered.result, **answered.answer}).decode()
    if answered.result == "refused":
        error = answered.answer["error"]
        return f"{answered.name}: refused: {error['place']}: {error['problem']}"
    counts = Counter(outcome["outcome"] for outcome in answered.answer["outcomes"])
    words = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    warnings = "".join(f"; warning: {warning}" for warning in answered.answer.get("warnings", ()))
    return f"{answered.name}: done: {words or 'no events'}{warnings}"


def _row(outcome: Outcome) -> dict[str, Any]:
    """A line of the table: the orders in one cell."""
    fields = outcome_fields(outcome)
    fields["orders"] = "\n".join(f"{order['certificate']} {order['reason']}" for order in fields["orders"])
    return fields
