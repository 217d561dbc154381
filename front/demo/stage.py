"""The stage of a demonstration: an empty folder, a passphrase of its own, and commands run as a person would."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ca.chance import SystemChance
from ca.errors import KakehashiError
from front.cli import main as kakehashi


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a demonstration plays; ``pause``: seconds before each chapter, for those who read along."""

    folder: Path
    console: Console
    pause: float = 0

    @property
    def home(self) -> Path:
        """The world's home."""
        return self.folder / "world"

    @property
    def secret(self) -> Path:
        """The file with the home's passphrase, which only this user can read."""
        return self.folder / "passphrase"

    def clear(self) -> None:
        """Begin anew: an empty folder and a fresh passphrase."""
        if self.folder.exists():
            if not self.secret.is_file() and any(self.folder.iterdir()):
                raise KakehashiError(
                    str(self.folder), "is not a demonstration's folder", remedy="Name another --folder"
                )
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, mode=0o700)
        self.secret.touch(mode=0o600)
        self.secret.write_text(SystemChance().octets("passphrase of the demonstration", 18).hex() + "\n")

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        time.sleep(self.pause)
        self.console.rule(f"[bold]{title}", align="left")

    def command(self, *arguments: str, options: Sequence[str] = ()) -> dict[str, Any]:
        """Run a command of ours, shown as a person would type it; gives its JSON (a list under ``rows``)."""
        self.console.print(f" $ kakehashi {' '.join(arguments)}", style="cyan", markup=False)
        words = [
            *arguments,
            "--home",
            str(self.home),
            "--passphrase-file",
            str(self.secret),
            *options,
            "--json",
        ]
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            kakehashi.main(words, standalone_mode=False)
        answer = json.loads(output.getvalue())
        return answer if isinstance(answer, dict) else {"rows": answer}


def finish(result: dict[str, Any], *, as_json: bool, good: bool) -> None:
    """Print the result for machines if they asked, and end with the exit status that it deserves."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    sys.exit(0 if good else 1)
