"""The inventory of many certificates: by the command, each key read, and by the rule alone."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from tests.bench import homes, issued, measure
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row
from tests.commands import COMMAND

_SECONDS = 30.0
"""Within which a million certificates are wanted, the command's start included."""

_YEAR = 365 * 86_400 * 1_000_000
_HOLDERS = "kind = 'signature'"
_SPREAD = f"UPDATE certificates SET not_after = not_after + {_YEAR} * (unicode(substr(hex(serial), -1)) % 5) WHERE {_HOLDERS}"  # noqa: S608 - constants
_BYTES = (
    # In no order of serials, as they are issued.
    "INSERT OR REPLACE INTO certificate_bytes (generation, serial, encoded) "  # noqa: S608 - constants
    "SELECT generation, serial, (SELECT encoded FROM certificate_bytes JOIN certificates USING (generation, serial) "
    f"WHERE kind = 'self-signed' LIMIT 1) FROM certificates WHERE {_HOLDERS} ORDER BY substr(serial, 12)"
)
_ENDED = (
    "INSERT INTO revocations (generation, scope, serial, revoked_at, reason, invalid_since, not_after, entry, sequence, "  # noqa: S608 - constants
    "cause, journal_index, recorded_at) SELECT generation, scope, serial, intended_at, 4, NULL, not_after, x'3000', "
    f"row_number() OVER (), 'order 1', 0, intended_at FROM certificates WHERE {_HOLDERS} AND substr(hex(serial), -1) = '7'"
)


def rows(bench: Bench) -> Iterator[Row]:
    """The command's time, with the peak of its memory."""
    count, scale = bench.scale.known, bench.scale.known_scale
    bench.say(f"inventory of {count:,} certificates ...")
    home = _home(bench, count)
    for name, options, budget in (
        ("every key read", (), Budget("ours", "<=", _SECONDS)),
        ("holders' keys by rule", ("--quick",), None),
    ):
        with bench.fresh("inventory") as folder:
            command = [COMMAND, "inventory", "--home", home, "--json", *options]
            spent = [
                measure.watched(command, folder / "log", homes.ENVIRONMENT)
                for _ in range(bench.scale.makings)
            ]
        yield Row(
            f"kakehashi inventory of {count:,} certificates, {name}",
            "s",
            median(one.seconds for one in spent),
            budget=budget,
            scale=scale,
            note=f"{max(one.peak for one in spent) / 2**20:.0f} MiB at its peak",
        )


def _home(bench: Bench, count: int) -> Path:
    """A home of so many certificates with bytes, of which one in sixteen was revoked; the same folder for every run."""
    folder = bench.of_schema(f"inventoried-{count}")
    whole = folder / "whole"
    if not whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        home = issued.copied(bench, count, folder)
        with closing(sqlite3.connect(home / "store.db")) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            for statement in (_SPREAD, _BYTES, _ENDED):
                connection.execute(statement)
            connection.commit()
        whole.touch()
    return folder / "home"
