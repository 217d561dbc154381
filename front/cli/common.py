"""What every command shares: options, output as tables or JSON, and errors as one clear sentence."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec

import click
import msgspec
from rich.console import Console
from rich.table import Table

from ca.clock import parse_clock
from ca.errors import BadInput, KakehashiError
from front.assembly import World, open_world
from front.outcomes import error_fields
from front.passphrase import passphrase

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that every command has.

    Attributes:
        given_home: None only in commands that work without a home too.
    """

    given_home: Path | None
    json: bool
    colour: bool
    clock: tuple[datetime, float] | None
    passphrase_file: Path | None

    @property
    def home(self) -> Path:
        """The home, or BadInput if none is given."""
        if self.given_home is None:
            raise BadInput(
                "--home", "is needed here", remedy="Name the world's directory, or set KAKEHASHI_HOME"
            )
        return self.given_home

    def passphrase(self) -> str:
        """The passphrase of the home's keys."""
        return passphrase(self.passphrase_file)

    @contextmanager
    def world(self) -> Iterator[World]:
        """The home, opened."""
        with open_world(self.home, self.passphrase, self.clock) as world:
            yield world

    def console(self, *, stderr: bool = False) -> Console:
        """Where people read: colours only if they are wanted and the output is a terminal."""
        return Console(stderr=stderr, no_color=not self.colour, highlight=False, soft_wrap=True)

    def show(self, rows: Sequence[dict[str, Any]], title: str | None = None) -> None:
        """Print rows as a table, or as a JSON array."""
        if self.json:
            click.echo(msgspec.json.encode(rows).decode())
            return
        if not rows:
            self.console().print("none")
            return
        table = Table(title=title, title_justify="left", show_edge=False)
        for name in rows[0]:
            table.add_column(name.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*("" if value is None else str(value) for value in row.values()))
        self.console().print(table)

    def tell(self, fields: dict[str, Any]) -> None:
        """Print one thing's facts as lines, or as a JSON object."""
        if self.json:
            click.echo(msgspec.json.encode(fields).decode())
            return
        width = max(map(len, fields), default=0)
        for name, value in fields.items():
            lines = value if isinstance(value, list) else [value]
            for index, line in enumerate(lines):
                label = name.replace("_", " ") if index == 0 else ""
                self.console().print(f"[bold]{label:<{width}}[/]  ", end="")
                self.console().print("" if line is None else str(line), markup=False)


def command_options(function: Callable[P, None]) -> Callable[..., None]:
    """Add --home, --json, --no-colour, --clock and --passphrase-file; the function gets them as Settings."""
    return _with_settings(function, home_required=True)


def command_options_home_optional(function: Callable[P, None]) -> Callable[..., None]:
    """The same for a command that works without a home too."""
    return _with_settings(function, home_required=False)


def _with_settings(function: Callable[P, None], *, home_required: bool) -> Callable[..., None]:
    @click.option(
        "--home",
        type=click.Path(path_type=Path),
        envvar="KAKEHASHI_HOME",
        required=home_required,
        help="The directory of the world (or KAKEHASHI_HOME).",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
    @click.option("--no-colour", is_flag=True, envvar="NO_COLOR", help="Print without colours.")
    @click.option(
        "--clock", metavar="MOMENT[+SPEED]", help="Run this command at another moment (test worlds only)."
    )
    @click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        help="A file whose first line is the passphrase (or KAKEHASHI_PASSPHRASE_FILE, KAKEHASHI_PASSPHRASE).",
    )
    @functools.wraps(function)
    def wrapper(
        home: Path | None,
        as_json: bool,  # noqa: FBT001 - click calls by keyword
        no_colour: bool,  # noqa: FBT001
        clock: str | None,
        passphrase_file: Path | None,
        **others: Any,
    ) -> None:
        click.get_current_context().meta["kakehashi.json"] = as_json
        setting = None if clock is None else parse_clock(clock)
        settings = Settings(home, as_json, not no_colour, setting, passphrase_file)
        function(settings, **others)  # type: ignore[arg-type]  # ParamSpec cannot say "settings, then the rest"

    return wrapper


receipt_option = click.option(
    "--receipt",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the signed receipt here; `kakehashi receipt check` holds the world to it.",
)
"""For commands that acknowledge something."""


class Group(click.Group):
    """A group that says an error of ours as one sentence (or one JSON object), with exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KakehashiError as error:
            if ctx.meta.get("kakehashi.json"):
                click.echo(msgspec.json.encode(error_fields(error)).decode(), err=True)
            else:
                click.secho("error: ", fg="red", bold=True, err=True, nl=False)
                click.echo(str(error), err=True)
            sys.exit(1)
