"""``kakehashi receipt``: does a world keep the word that it gave?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from rich.markup import escape

from bridge.relying.finding.fetch import SECONDS, FolderSource, HttpSource, Source
from ca.clock import parse_moment, system_clock
from ca.errors import BadInput
from ca.revoking.assurance.receipt_checks import Line, Verdict, check_journal
from ca.revoking.assurance.receipts import RECEIPT_LIMIT, read_receipt
from ca.suites import SuiteId
from front.cli.common import Settings, command_options_home_optional
from front.cli.verifying_sources import legacy_option, read_certificate_file
from front.keeping_word import Published
from front.receipts import find_records

_COLOURS = {
    Verdict.CONFIRMED: "green",
    Verdict.NOT_YET: "yellow",
    Verdict.CANNOT_TELL: "yellow",
    Verdict.REFUTED: "bold red",
}
assert _COLOURS.keys() == set(Verdict), "each verdict needs a row"


@click.group()
def receipt() -> None:
    """Receipts: what a world signs when it has acknowledged events and revocations."""


@receipt.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A journal to find the records in.  [default: the home's]",
)
@click.option(
    "--url", help="Where the world is served: http://host[:port]/.  [default: the home's repository]"
)
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    metavar="CERT",
    help="The anchor's certificate.  [default: the home's]",
)
@click.option("--at", "at_text", metavar="MOMENT", help="Check as of this moment.")
@legacy_option
@command_options_home_optional
def check(
    settings: Settings,
    file: Path,
    journal: Path | None,
    url: str | None,
    trust: Path | None,
    at_text: str | None,
    legacy: frozenset[SuiteId],
) -> None:
    """Check a receipt FILE: its signature, and whether journal, lists and status answers keep its word.

    Each check is a line with its verdict: confirmed; not yet, while its time is not over; cannot tell; refuted. The
    exit status is 1 if one is refuted. Status answers are asked at --url. Without --trust and without a home, the
    signature is held against the anchor that is published beside it: that shows that the two belong together, no more.

    \b
    Examples:
      kakehashi receipt check receipt.json --url http://127.0.0.1:8080/ --trust gpki.cer
      kakehashi receipt check receipt.json --journal /mnt/mirror/journal --home world
    """
    found = read_receipt(_read(file), str(file))
    at = None if at_text is None else parse_moment(at_text, "--at")
    anchor = None if trust is None else read_certificate_file(trust)
    source: Source | None = None
    with ExitStack() as stack:
        if settings.given_home is not None:
            with settings.world() as world:
                folder, journal = world.home.repository, journal or world.home.journal
                at = at or world.clock()
                anchor = anchor or read_certificate_file(
                    folder / "g" / f"{world.plan.anchor}.g1" / "self.cer"
                )
                source = FolderSource(folder)
                legacy |= world.plan.legacy
        if url is not None:
            source = stack.enter_context(HttpSource(url, SECONDS))
        lines: list[Line] = []
        if source is not None:
            lines += Published.read(source, anchor, at or system_clock(), legacy).check(found)
        elif journal is None:
            raise BadInput("--url", "is needed without a home", remedy="Name --url, --journal, or both")
        else:
            words = "nothing published was named; see --url"
            lines.append(Line("signature", str(file), Verdict.CANNOT_TELL, words))
        if journal is not None:
            if not journal.is_dir():
                raise BadInput(str(journal), "is not a journal's folder")
            indices = (part.index for part in found.said.records)
            lines += check_journal(found.said, find_records(journal, indices))
    _say(settings, lines)
    sys.exit(1 if any(line.verdict is Verdict.REFUTED for line in lines) else 0)


def _say(settings: Settings, lines: Sequence[Line]) -> None:
    if settings.json:
        rows = [
            {"verdict": line.verdict.value, "what": line.what, "where": line.where, "why": line.words}
            for line in lines
        ]
        settings.show(rows)
        return
    width = max(map(len, Verdict))
    for line in lines:
        words = escape(f"{line.what}, {line.where}: {line.words}")
        settings.console().print(f"[{_COLOURS[line.verdict]}]{line.verdict.value:<{width}}[/]  {words}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(RECEIPT_LIMIT + 1)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
