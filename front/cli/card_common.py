"""What the commands of a card share: options, PINs that are never on a command line, files read and written once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bridge.relying.finding.fetch import SECONDS
from bridge.relying.finding.snapshot import Snapshot
from ca.clock import system_clock
from ca.errors import BadInput, Conflict, PassphraseRefused, StorageFailed
from ca.model import RESIDENT_KINDS, CertificateKind
from front.card.card import Card
from front.cli.common import Settings
from front.cli.verifying_sources import HomeWorld, SourceUnreadable, limits_of, published_at, world_of
from front.passphrase import first_line

_WORDS = {
    CertificateKind.SIGNATURE: "signature PIN",
    CertificateKind.USER_AUTHENTICATION: "authentication PIN",
}

kind_option = click.option(
    "--kind",
    required=True,
    type=click.Choice([kind.value for kind in RESIDENT_KINDS]),
    help="Which of the card's two keys.",
)
pin_option = click.option(
    "--pin-file", type=click.Path(path_type=Path), help="A file whose first line is the PIN; else a prompt."
)
new_pin_option = click.option(
    "--new-pin-file",
    type=click.Path(path_type=Path),
    help="A file whose first line is the new PIN; else a prompt.",
)
origin_option = click.option(
    "--from",
    "origin",
    metavar="URL_OR_FOLDER",
    help="What is published: http://host[:port]/, or a folder.  [default: the home's repository]",
)


def card_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --card and --module, which every command of a card has."""
    for option in (
        click.option(
            "--module",
            envvar="KAKEHASHI_CARD_MODULE",
            help="SoftHSM's PKCS#11 module (or KAKEHASHI_CARD_MODULE).  [default: where systems have it]",
        ),
        click.option(
            "--card",
            "folder",
            required=True,
            envvar="KAKEHASHI_CARD",
            type=click.Path(path_type=Path),
            help="The card's folder (or KAKEHASHI_CARD).",
        ),
    ):
        function = option(function)
    return function


def open_card(folder: Path, module: str | None) -> Card:
    """The card in this folder."""
    return Card.open(folder, module)


def pin_of(kind: CertificateKind, file: Path | None, option: str, *, new: bool = False) -> str:
    """The PIN of an application, from a file or a prompt; a new one is asked for twice."""
    return secret_of(f"{'new ' if new else ''}{_WORDS[kind]}", file, option, confirm=new)


def secret_of(words: str, file: Path | None, option: str, *, confirm: bool = False) -> str:
    """A secret in these words: the first line of a file, or an answer at the terminal; PassphraseRefused without one."""
    if file is not None:
        return first_line(file, words)
    if not sys.stdin.isatty():
        raise PassphraseRefused(words, "there is none", remedy=f"Give {option}, or run at a terminal")
    answer: str = click.prompt(words.capitalize(), hide_input=True, confirmation_prompt=confirm, err=True)
    return answer


def moment_of(world: HomeWorld | None) -> datetime:
    """The moment now: the home's, if one is named."""
    return system_clock() if world is None else world.at


@contextmanager
def published(settings: Settings, origin: str | None) -> Iterator[tuple[Snapshot, HomeWorld | None]]:
    """What is published, by --from or the home, and what the home gives, if one is named."""
    world = world_of(settings)
    try:
        with published_at(origin, world, limits_of(int(SECONDS))) as source:
            if not isinstance(source.material, Snapshot):
                raise BadInput("--from", "is no published folder, and no server of one")
            yield source.material, world
    except SourceUnreadable as unreadable:
        raise unreadable.error from None


def write_new(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file that is not there yet.

    Raises:
        Conflict: There is one.
        StorageFailed: The disk refused; nothing is left.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise Conflict(str(path), "is there already", remedy="Name another file by --out") from None
    except OSError as error:
        raise StorageFailed(str(path), f"cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageFailed(str(path), f"cannot be written: {error.strerror}") from None
