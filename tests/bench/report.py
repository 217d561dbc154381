"""What the bench says: rows, the table of them, and ``bench.json`` with the machine that they were measured on."""

from __future__ import annotations

import json
import operator
import os
import platform
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import cryptography
from cryptography.hazmat.backends.openssl import backend
from rich.console import Console
from rich.table import Table

from tests.components import COMPONENTS, found

_RELATIONS = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Budget:
    """What a row has to keep: a bound on our own figure, or on its ratio to the reference's."""

    figure: Literal["ours", "ratio"]
    relation: Literal[">=", "<="]
    bound: float

    def __str__(self) -> str:
        return f"{self.figure} {self.relation} {self.bound:g}"


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        name: What was measured.
        unit: Of both figures.
        ours: The median of the rounds.
        reference: The same of what it is measured beside, which ``beside`` names.
        ratio: Ours to the reference's: the median over the rounds, so that a machine that changes its speed in the
            course of a run does not change the ratio.
        scale: Which share of the full amount was measured.
        note: What else a reader should know; for a row without figures, why there are none.
    """

    name: str
    unit: str = ""
    ours: float | None = None
    beside: str = ""
    reference: float | None = None
    ratio: float | None = None
    budget: Budget | None = None
    scale: str = "1"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the budget is met; None if there is none, or nothing was measured."""
        figure = None if self.budget is None else getattr(self, self.budget.figure)
        if self.budget is None or figure is None:
            return None
        return bool(_RELATIONS[self.budget.relation](figure, self.budget.bound))

    def plain(self) -> dict[str, Any]:
        """The row for ``bench.json``."""
        figures = {
            name: None if (value := getattr(self, name)) is None else round(value, 3)
            for name in ("ours", "reference", "ratio")
        }
        return (
            asdict(self)
            | figures
            | {"budget": None if self.budget is None else str(self.budget), "met": self.met}
        )


def skipped(name: str, component: str) -> Row | None:
    """The row that stands where a component is missing; None if it is there."""
    if found(component) is not None:
        return None
    return Row(name, note=f"skipped: apt-get install {COMPONENTS[component].package}")


def machine() -> dict[str, Any]:
    """What the figures were measured on and with."""
    return {
        "processor": _line(Path("/proc/cpuinfo"), "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _line(Path("/proc/meminfo"), "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "sync_ms": round(_sync_ms(), 2),
        "python": platform.python_version(),
        "openssl": _openssl(),
        "cryptography": f"{cryptography.__version__} with {backend.openssl_version_text()}",
        "sqlite": sqlite3.sqlite_version,
    }


def write(path: Path, scale: str, about: dict[str, Any], rows: Iterable[Row]) -> None:
    """Write ``bench.json``."""
    content = {"machine": about, "scale": scale, "rows": [row.plain() for row in rows]}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def show(console: Console, about: dict[str, Any], rows: Iterable[Row]) -> None:
    """Print the table."""
    console.print("; ".join(f"{name} {value}" for name, value in about.items()), highlight=False)
    table = Table(show_edge=False, title_justify="left")
    for heading in ("measured", "ours", "reference", "unit", "ratio", "budget", "met", "scale"):
        table.add_column(heading, justify="right" if heading in {"ours", "reference", "ratio"} else "left")
    for row in rows:
        met = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[row.met]
        name = f"{row.name}\n  beside {row.beside}" if row.beside else row.name
        table.add_row(
            f"{name}\n  {row.note}" if row.note else name,
            _number(row.ours),
            _number(row.reference),
            row.unit,
            "" if row.ratio is None else f"{row.ratio:.2f}",
            "" if row.budget is None else str(row.budget),
            met,
            row.scale,
        )
    console.print(table)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _line(path: Path, name: str) -> str:
    """What a file of ``name : value`` lines says of a name."""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _openssl() -> str:
    if found("openssl") is None:
        return "none"
    return subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.strip()


def _sync_ms() -> float:
    """What it costs to bring 4 KiB to the disk."""
    costs = []
    with tempfile.NamedTemporaryFile(dir=Path.cwd()) as file:
        for _ in range(15):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            costs.append(time.perf_counter() - begun)
    return 1000 * median(costs)
