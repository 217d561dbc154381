"""``kakehashi journal`` and ``kakehashi archive``."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click
import msgspec

from bridge.manifest import JournalHead
from bridge.relying.finding.fetch import SECONDS, FolderSource, HttpSource
from bridge.repository.heads import read_head
from ca.clock import parse_moment, utc_text
from ca.errors import BadInput
from ca.issuing.retention import end_retention
from ca.journal.entries import ORDER
from ca.journal.inspection import inspect
from ca.journal.journal import Record, records
from ca.journal.segments import Head
from ca.suites import SuiteId
from front.assembly import home_plan
from front.cli.common import Settings, command_options, command_options_home_optional
from front.cli.verifying_sources import legacy_option, read_certificate_file
from front.heads import HEAD_LIMIT, anchor_path, signed_head
from front.home import Home
from front.mirrors import require_mirror_room, set_mirror

RETENTION_YEARS = 10
"""How long at least what was signed is kept after a certificate's end."""

_URL = re.compile(r"https?://.*", re.DOTALL | re.IGNORECASE)

_FOLDER = click.argument("folder", required=False, type=click.Path(path_type=Path))


@click.group()
def journal() -> None:
    """The journal: what was acknowledged, in a chain that shows whatever is done to it."""


@journal.command()
@_FOLDER
@click.option(
    "--heads",
    multiple=True,
    metavar="URL|FOLDER|FILE",
    help="A head to hold it against: of a served repository, of a folder, or a head.json that you kept.",
)
@click.option(
    "--anchor",
    type=click.Path(path_type=Path),
    help="The certificate to trust for the signatures of fetched heads.  [default: the home's]",
)
@legacy_option
@command_options_home_optional
def verify(
    settings: Settings,
    folder: Path | None,
    heads: tuple[str, ...],
    anchor: Path | None,
    legacy: frozenset[SuiteId],
) -> None:
    """Read a whole journal and check its chain. Needs no database and no key.

    Without a head, an end that was cut off cannot be seen, nor a journal that was written anew from the start. Heads of
    a URL or a folder are believed if the repository's service of the anchor's world signed them; a file is believed as
    you hand it in.

    \b
    Examples:
      kakehashi journal verify --home world --heads http://127.0.0.1:8080/
      kakehashi journal verify /mnt/mirror/journal --heads kept/head.json
    """
    published = [_head(settings, text, anchor, legacy) for text in heads]
    found = inspect(_folder(settings, folder), [Head(head.count, head.digest) for head in published])
    newest = max(published, key=lambda head: head.count, default=None)
    settings.tell(
        {
            "verdict": "whole",
            "records": found.head.count,
            "digest": found.head.digest,
            "bodies": found.bodies,
            "torn_octets": found.torn,
            "heads": len(published),
            "newest_head": None if newest is None else f"{newest.count} of {utc_text(newest.at)}",
        }
    )


@journal.command()
@_FOLDER
@click.option("--after", type=click.IntRange(0), default=0, help="Only records behind this one.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@command_options_home_optional
def show(settings: Settings, folder: Path | None, after: int, limit: int) -> None:
    """Show records; with --json, all that they say.

    \b
    Example:
      kakehashi journal show --after 1200 --home world
    """
    found = islice(records(_folder(settings, folder), after), limit)
    if settings.json:
        click.echo(msgspec.json.encode(list(found)).decode())
    else:
        settings.show([_summary(record) for record in found])


@journal.command("head")
@_FOLDER
@command_options_home_optional
def show_head(settings: Settings, folder: Path | None) -> None:
    """Show how far a journal reaches: the number of its records, and the SHA-256 of the last one.

    \b
    Example:
      kakehashi journal head /mnt/mirror/journal
    """
    head = inspect(_folder(settings, folder)).head
    settings.tell({"count": head.count, "digest": head.digest})


@journal.command()
@click.argument("directory", type=click.Path(path_type=Path))
@command_options
def mirror(settings: Settings, directory: Path) -> None:
    """Keep journal and archive a second time from now on, best on another disk; nothing else may work in the home.

    \b
    Example:
      kakehashi journal mirror /mnt/mirror --home world
    """
    home = Home(settings.home)
    wanted = require_mirror_room(home, directory)
    with home.locked(alone=True):
        head = set_mirror(home, wanted)
    settings.tell({"home": str(settings.home), "mirror": wanted, "records": head.count})


@journal.command()
@command_options
def replay(settings: Settings) -> None:
    """Bring every database forward to the journal, and sign what was intended: after an old copy was put back.

    Every serial that was spent, certificate, holding and revocation comes back; nothing that ended is undone.

    \b
    Example:
      kakehashi journal replay --home world
    """
    with settings.world() as world:
        carried_out = world.stores.catch_up()
        _ = world.issuers  # signs what was intended, closes the cases, has places for all lists
        changed = world.publish_changes()
    settings.tell({"records_carried_out": carried_out, "lists_made": len(changed)})


@click.group()
def archive() -> None:
    """The archive: what was signed, encrypted under a key for each certificate."""


@archive.command()
@click.option("--before", "before_text", metavar="MOMENT", required=True, help="When the certificates ended.")
@command_options
def destroy(settings: Settings, before_text: str) -> None:
    """Destroy what is kept of certificates that ended before a moment, which lies ten years back or more.

    What the archive has of them can never be read again, here, in the mirror, or in any copy of its bodies. The
    databases keep their numbers, kinds, dates and how they ended; the bytes of holders' certificates go, and with the
    last of a case's certificates its particulars. The journal gets a record of it, and still verifies.

    \b
    Example:
      kakehashi archive destroy --before 2016-04-01T00:00:00Z --home world
    """
    before = parse_moment(before_text, "--before")
    with settings.world() as world:
        if before > _years_before(world.clock(), RETENTION_YEARS):
            raise BadInput("--before", f"what ended less than {RETENTION_YEARS} years ago has to be kept")
        ended = end_retention(world.stores, before, world.clock())
    settings.tell(
        {
            "ended_before": utc_text(before),
            "destroyed": ended.bodies,
            "certificates_emptied": ended.certificates,
            "cases_emptied": ended.cases,
        }
    )


def _years_before(at: datetime, years: int) -> datetime:
    try:
        return at.replace(year=at.year - years)
    except ValueError:  # 29 February
        return at.replace(year=at.year - years, day=28)


def _folder(settings: Settings, folder: Path | None) -> Path:
    """The journal's folder that is meant."""
    found = Home(settings.home).journal if folder is None else folder
    if not found.is_dir():
        raise BadInput(str(found), "is not a journal's folder")
    return found


def _head(settings: Settings, text: str, anchor: Path | None, legacy: frozenset[SuiteId]) -> JournalHead:
    """The head that one --heads names; one that is fetched has to be signed."""
    if _URL.fullmatch(text):
        with HttpSource(text, SECONDS) as source:
            return signed_head(source, *_believed(settings, anchor, legacy))
    path = Path(text)
    if path.is_dir():
        return signed_head(FolderSource(path), *_believed(settings, anchor, legacy))
    try:
        with path.open("rb") as file:
            return read_head(file.read(HEAD_LIMIT), text)
    except OSError as error:
        raise BadInput(text, f"cannot be read: {error.strerror}") from None


def _believed(
    settings: Settings, anchor: Path | None, legacy: frozenset[SuiteId]
) -> tuple[bytes, frozenset[SuiteId]]:
    """The anchor to trust, and the legacy suites to believe: those named, and what the home gives."""
    if settings.given_home is None:
        if anchor is None:
            raise BadInput(
                "--anchor",
                "is needed without a home",
                remedy="Name the certificate to trust; what is fetched is never trusted by itself",
            )
        return read_certificate_file(anchor), legacy
    home = Home(settings.home)
    plan = home_plan(home, home.describe())
    return read_certificate_file(anchor or anchor_path(home.repository, plan)), legacy | plan.legacy


def _summary(record: Record) -> dict[str, Any]:
    """A line for people: no codes, no keys."""
    entry = msgspec.to_builtins(record.entry)
    what = next((entry[name] for name in ("event", "case", "cause", "client") if name in entry), None)
    if "number" in entry:
        what = f"{ORDER}{entry['number']}"
    if "certificates" in entry:
        what = " ".join(filter(None, (what, f"{len(entry['certificates'])} certificates")))
    return {
        "index": record.index,
        "entry": entry["entry"],
        "at": entry.get("received") or entry.get("at"),
        "what": what,
        "outcome": next((entry[name] for name in ("outcome", "decision", "step") if name in entry), None),
        "officer": entry.get("officer"),
        "orders": len(entry.get("orders", ())),
    }
