"""Where the passphrase of a home's keys, or the PIN of their token, comes from. There is no built-in one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ca.errors import PassphraseRefused

VARIABLE = "KAKEHASHI_PASSPHRASE"
FILE_VARIABLE = "KAKEHASHI_PASSPHRASE_FILE"
_MAXIMUM_SIZE = 4096


def passphrase(
    file: Path | None,
    *,
    prompt: str = "Passphrase (or token's PIN) of the home's keys",
    confirm: bool = False,
) -> str:
    """The passphrase, or the token's PIN: from the file named on the command line, the environment, or a prompt.

    The environment has it, or names a file. A file's first line counts. Raises PassphraseRefused if there is none to be had.
    """
    if file is not None:
        return first_line(file)
    if found := os.environ.get(VARIABLE):
        return found
    if named := os.environ.get(FILE_VARIABLE):
        return first_line(Path(named))
    return _asked(
        prompt,
        confirm=confirm,
        remedy=f"Set {FILE_VARIABLE} or {VARIABLE}, give --passphrase-file, or run at a terminal",
    )


def another_passphrase(file: Path | None, option: str, *, prompt: str) -> str:
    """The passphrase of another home than the one at work: from its own file, or a prompt; never the environment's."""
    if file is not None:
        return first_line(file)
    return _asked(prompt, confirm=True, remedy=f"Give {option}, or run at a terminal")


def password(file: Path | None, option: str, *, prompt: str) -> str:
    """The password for another's server: from its file, or a prompt; never the environment's."""
    if file is not None:
        return first_line(file)
    return _asked(prompt, confirm=False, remedy=f"Give {option}, or run at a terminal")


def _asked(prompt: str, *, confirm: bool, remedy: str) -> str:
    if not sys.stdin.isatty():
        raise PassphraseRefused("passphrase", "there is none", remedy=remedy)
    answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return answer


def first_line(file: Path, words: str = "passphrase") -> str:
    """The first line of a file: the secret that these words name. Raises PassphraseRefused if there is none."""
    place = f"{words} file {file}"
    try:
        with file.open(encoding="utf-8") as lines:
            line = lines.readline(_MAXIMUM_SIZE).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise PassphraseRefused(place, f"cannot be read: {reason}") from None
    if not line:
        raise PassphraseRefused(place, "has an empty first line")
    return line
