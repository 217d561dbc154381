"""``python -m front.demo``: the story of one resident's life, or the judging of a whole nation."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.console import Console

from front.demo import nation as judged
from front.demo import story as told
from front.demo.served import free_port
from front.demo.stage import Stage, finish


@click.group()
def demo() -> None:
    """Show what the product does, each verdict beside OpenSSL's."""


def _stage(folder: Path, *, as_json: bool, no_colour: bool) -> Stage:
    return Stage(folder, Console(no_color=no_colour, highlight=False, stderr=as_json, soft_wrap=True))


@demo.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
@click.option(
    "--pause", type=click.FloatRange(0, 60), help="Seconds before each chapter.  [default: 1 at a terminal]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--no-colour", is_flag=True, envvar="NO_COLOR")
def story(folder: Path, pause: float | None, as_json: bool, no_colour: bool) -> None:  # noqa: FBT001 - click calls by keyword
    """One resident's life with her certificates."""
    stage = _stage(folder, as_json=as_json, no_colour=no_colour)
    stage = replace(stage, pause=float(stage.console.is_terminal) if pause is None else pause)
    started = time.monotonic()
    rows = told.Story(stage, free_port()).tell()
    agreed = sum(row.agreed for row in rows)
    seconds = round(time.monotonic() - started, 1)
    if not as_json:
        told.show(rows, stage.console)
        stage.console.print(f"{agreed} of {len(rows)} rows agreed, in {seconds} seconds. Look around:")
        stage.console.print(
            f"  .venv/bin/kakehashi case list --home {stage.home}", style="cyan", markup=False
        )
    result = {"rows": [asdict(row) for row in rows], "agreed": agreed, "seconds": seconds}
    finish(result, as_json=as_json, good=agreed == len(rows))


@demo.command()
@click.option("--edition", type=click.Choice(judged.EDITIONS), default=judged.EDITIONS[0], show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
@click.option("--test-keys", is_flag=True, help="A repeatable world of public test keys.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--no-colour", is_flag=True, envvar="NO_COLOR")
def nation(edition: str, folder: Path, test_keys: bool, as_json: bool, no_colour: bool) -> None:  # noqa: FBT001 - click calls by keyword
    """Certificates of every authority, judged before and after they are revoked."""
    stage = _stage(folder, as_json=as_json, no_colour=no_colour)
    started = time.monotonic()
    rows = judged.judge_nation(stage, edition, test_keys=test_keys)
    agreed = sum(row.agreed for row in rows)
    seconds = round(time.monotonic() - started, 1)
    if not as_json:
        judged.show(rows, stage.console)
        stage.console.print(f"{agreed} of {len(rows)} rows as expected, in {seconds} seconds.")
    result = {"rows": [asdict(row) for row in rows], "agreed": agreed, "seconds": seconds}
    finish(result, as_json=as_json, good=agreed == len(rows))


demo()
