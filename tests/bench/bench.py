"""What every case works with: how much, where things are kept, and where they are made anew."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ca.store.engine import SCHEMA
from tests.bench.report import Row
from tests.bench.scale import Scale

PROCESSES = 2
"""What the budgets are meant for; on a machine with more cores the others rest."""


@dataclass(frozen=True)
class Bench:
    """One run.

    Attributes:
        kept: Where what is made once stays, for the next run.
        say: Tells whoever waits what is going on.
    """

    scale: Scale
    folder: Path
    say: Callable[[str], None]

    @property
    def kept(self) -> Path:
        return self.folder / "kept"

    def of_schema(self, name: str) -> Path:
        """Where a home of today's schema stays under this name; homes of that name and another schema go."""
        wanted = self.kept / f"{name}-schema-{SCHEMA}"
        for other in self.kept.glob(f"{name}*"):
            if other != wanted and re.fullmatch(rf"{re.escape(name)}(-schema-\d+)?", other.name):
                shutil.rmtree(other)
        return wanted

    @contextmanager
    def fresh(self, name: str) -> Iterator[Path]:
        """A folder that is not there yet, and not any more afterwards."""
        folder = self.folder / "work" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


Case = Callable[[Bench], Iterator[Row]]
