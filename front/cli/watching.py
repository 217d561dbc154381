"""``kakehashi watch``: the watcher outside, which knows a world by what is published alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.markup import escape
from rich.progress import Progress

from bridge.relying.finding.fetch import HttpSource
from ca.chance import SystemChance
from ca.clock import Clock, ShiftedClock, system_clock, utc_text
from ca.suites import SuiteId
from front.cli.common import Settings, command_options_home_optional
from front.cli.tls import tls_for, tls_options
from front.cli.verifying_sources import legacy_of_home, legacy_option, read_certificate_file
from front.watching.memory import Memory
from front.watching.rounds import Look, Watched

_SECONDS = 600


@click.command()
@click.argument("url")
@click.option("--trust", type=click.Path(path_type=Path), metavar="CERT", help="The anchor's certificate.")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to remember what was seen; without it, nothing is remembered after this run.",
)
@click.option("--once", is_flag=True, help="Look once; exit status 1 if something is wrong.")
@click.option(
    "--every",
    type=click.IntRange(1, 86_400),
    default=60,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option(
    "--sample",
    type=click.IntRange(0, 1000),
    default=25,
    show_default=True,
    help="Statuses to ask for of each generation; 0 asks for none.",
)
@click.option(
    "--timeout",
    type=click.IntRange(1, 86_400),
    default=_SECONDS,
    show_default=True,
    help="Seconds to wait for the server in one look.",
)
@legacy_option
@tls_options
@command_options_home_optional
def watch(  # noqa: PLR0913, PLR0917 - an option an argument
    settings: Settings,
    url: str,
    trust: Path | None,
    state: Path | None,
    once: bool,  # noqa: FBT001 - click calls by keyword
    every: int,
    sample: int,
    timeout: int,
    legacy: frozenset[SuiteId],
    client_cert: Path | None,
    client_key: Path | None,
    tls_ca: Path | None,
) -> None:
    """Watch what a world publishes at URL, from outside: manifest, lists, status answers, the journal's heads.

    Reported are: a list that is late, wrong, missing, or has gone back to a lower number; an entry that has left a list
    and has not expired; status answers that disagree with the lists; a journal's head that is late, unsigned, shorter
    than before, or another than it was. What was seen is remembered in --state; a finding stays until it is mended.

    Where lists are for known verifiers alone, URL is that of the TLS front, and --client-cert shows it who watches.

    Nothing but --trust is trusted. Without it, the anchor that is published at the first look is, from then on.

    \b
    Examples:
      kakehashi watch http://127.0.0.1:8080/ --trust gpki.cer --state watch.db
      kakehashi watch http://127.0.0.1:8080/ --once --json
    """
    anchor = None if trust is None else read_certificate_file(trust)
    clock = _clock(settings)
    legacy |= legacy_of_home(settings)
    opening = partial(HttpSource, url, timeout, tls=tls_for(url, client_cert, client_key, tls_ca))
    opening().close()  # a URL that is none is said at once
    with Memory.opened(state) as memory:
        while True:
            seen = _look(settings, opening, memory, clock, anchor, sample, legacy)
            _say(settings, seen)
            if once:
                sys.exit(1 if seen.findings else 0)
            time.sleep(every)


def _clock(settings: Settings) -> Clock:
    """The machine's clock, a home's, or for a test world elsewhere the one that --clock names."""
    if settings.given_home is not None:
        with settings.world() as world:
            return world.clock
    if settings.clock is None:
        return system_clock
    start, speed = settings.clock
    return ShiftedClock(start, system_clock(), speed)


def _look(
    settings: Settings,
    opening: Callable[[], HttpSource],
    memory: Memory,
    clock: Clock,
    anchor: bytes | None,
    sample: int,
    legacy: frozenset[SuiteId],
) -> Watched:
    """One look, with a bar for people who wait."""
    console = settings.console(stderr=True)
    with (
        opening() as source,
        memory.round(),
        Progress(console=console, transient=True, disable=settings.json or not console.is_terminal) as bar,
    ):
        task = bar.add_task("looking at lists", total=None)
        tell: Callable[[int, int], None] = lambda done, whole: bar.update(task, completed=done, total=whole)  # noqa: E731 - one word
        return Look(source, memory, clock(), SystemChance(), anchor, sample, tell, legacy).look()


def _say(settings: Settings, seen: Watched) -> None:
    rows: list[dict[str, Any]] = [
        {
            "finding": one.kind.value,
            "place": one.place,
            "problem": one.problem,
            "since": utc_text(one.since),
        }
        for one in seen.findings
    ]
    count = None if seen.head is None else seen.head.count
    if settings.json:
        facts = {
            "at": utc_text(seen.at), "lists": seen.lists, "entries": seen.entries, "statuses": seen.statuses,
            "journal": count, "findings": rows,
        }  # fmt: skip
        click.echo(msgspec.json.encode(facts).decode())
        return
    console = settings.console()
    journal = "no journal head" if count is None else f"{count} journal records"
    words = f"{seen.lists} lists, {seen.entries} entries, {seen.statuses} statuses, {journal}"
    if rows:
        count_words = f"{len(rows)} finding{'s' if len(rows) > 1 else ''}"
        console.print(f"{utc_text(seen.at)}  [bold red]{count_words}[/]  {escape(words)}")
        settings.show(rows)
    else:
        console.print(f"{utc_text(seen.at)}  [bold green]nothing wrong[/]  {escape(words)}")
