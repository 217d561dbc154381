"""Homes in which many certificates have ended: made straight into the tables once, and kept."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from ca.model import GenerationId, Revocation, RevocationReason, Scope, Serial
from ca.store.tables import microseconds
from ca.wire.lists import encode_entry
from tests.bench import homes
from tests.bench.bench import Bench

TOTTORI = GenerationId(homes.PREFECTURE, 1)
PARTITION, OTHERS = Scope("signature-312011"), Scope("signature-312029")
SMALL = 5300
"""Entries of the partition that is made anew after an event."""

_BEGUN = datetime(2024, 1, 1, tzinfo=UTC)
_LASTS = timedelta(days=3650)
_AT_ONCE = 50_000
_INSERT = """
    INSERT INTO revocations (generation, scope, serial, revoked_at, reason, invalid_since, not_after, entry,
                             sequence, cause, journal_index, recorded_at)
    VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?, 'order 1', 0, ?)
"""


def home(bench: Bench, count: int) -> Path:
    """A home of one prefecture in which so many certificates have ended; the same folder for every run."""
    folder = bench.of_schema(f"revoked-{count}")
    whole = folder / "whole"
    if not whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        made = homes.make_home(folder)
        fill(made / "store.db", count)
        whole.touch()
    return folder / "home"


def copied(bench: Bench, count: int, folder: Path) -> Path:
    """A copy of such a home."""
    return Path(shutil.copytree(home(bench, count), folder / "home"))


def fill(store: Path, count: int, begun: datetime = _BEGUN) -> None:
    """Write so many revocations from a moment on into a store, ``SMALL`` of them, at most half, in one partition."""
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        rows = _rows(count, begun)
        while some := list(islice(rows, _AT_ONCE)):
            connection.execute("BEGIN")
            connection.executemany(_INSERT, some)
            connection.execute("COMMIT")
        connection.execute("UPDATE counters SET value = ? WHERE name = 'revocation-sequence'", (count,))


def serials(count: int) -> Iterator[Serial]:
    """Serials in their order, as random to look at as real ones."""
    step = (1 << 158) // (count + 1)
    for number in range(1, count + 1):
        spread = int.from_bytes(hashlib.blake2b(b"%d" % number, digest_size=8).digest(), "big")
        yield Serial(number * step + spread)


def _rows(count: int, first: datetime) -> Iterator[tuple[object, ...]]:
    every = max(2, count // SMALL)
    begun, ends = microseconds(first), microseconds(first + _LASTS)
    reason = RevocationReason.AFFILIATION_CHANGED
    for number, serial in enumerate(serials(count)):
        scope = PARTITION if number % every == 0 and number // every < SMALL else OTHERS
        moment = first + timedelta(seconds=number % 3_000_000)
        entry = encode_entry(Revocation(serial, moment, reason))
        yield (
            str(TOTTORI),
            scope,
            serial.octets,
            microseconds(moment),
            int(reason),
            ends,
            entry,
            number + 1,
            begun,
        )
