"""Homes in which many certificates stand as issued: made straight into the tables once, and kept."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path

from ca.clock import system_clock
from ca.model import CertificateId
from ca.store.tables import microseconds
from tests.bench import homes, revoked
from tests.bench.bench import Bench

_AT_ONCE = 50_000
_WITH_BYTES = 20_000  # where no more stand they can be revoked too, for which their bytes are looked up
_INSERT = """
    INSERT INTO certificates (generation, serial, kind, scope, state, not_before, not_after, intended_at, subject_key)
    VALUES (?, ?, 'signature', 'signature-312011', 'issued', ?, ?, ?, ?)
"""
_INSERT_BYTES = "INSERT INTO certificate_bytes (generation, serial, encoded) VALUES (?, ?, ?)"


def home(bench: Bench, count: int) -> Path:
    """A home of one prefecture in which so many certificates stand; the same folder for every run."""
    folder = bench.of_schema(f"issued-{count}")
    whole = folder / "whole"
    if not whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        made = homes.make_home(folder)
        with closing(sqlite3.connect(made / "store.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            rows = _rows(count)
            while page := list(islice(rows, _AT_ONCE)):
                connection.execute("BEGIN")
                connection.executemany(_INSERT, page)
                if count <= _WITH_BYTES:
                    connection.executemany(_INSERT_BYTES, [(*row[:2], b"certificate") for row in page])
                connection.execute("COMMIT")
        whole.touch()
    return folder / "home"


def copied(bench: Bench, count: int, folder: Path) -> Path:
    """A copy of such a home."""
    return Path(shutil.copytree(home(bench, count), folder / "home"))


def some(count: int, wanted: int) -> list[CertificateId]:
    """So many of the certificates of such a home, from all over it."""
    step = max(1, count // wanted)
    found = islice(revoked.serials(count), 0, None, step)
    return [CertificateId(revoked.TOTTORI, serial) for serial in islice(found, wanted)]


def _rows(count: int) -> Iterator[tuple[object, ...]]:
    begun = system_clock().replace(microsecond=0) - timedelta(days=30)
    moments = microseconds(begun), microseconds(begun + timedelta(days=1800)), microseconds(begun)
    for number, serial in enumerate(revoked.serials(count)):
        yield str(revoked.TOTTORI), serial.octets, *moments, number.to_bytes(32, "big")
