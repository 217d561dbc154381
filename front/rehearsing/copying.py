"""A copy of a home to rehearse in: databases, journal, archive, keys and repository as they were at one moment.

It lies in the home for as long as it is needed, since it holds what the home holds. The journal's turn is held only to
fix that moment: how far the journal reaches, and a snapshot of each database. All else is copied while others go on:

- Files that are never written to again, the journal's and the archive's but their last, and all that is published, are
  linked; whoever works in the copy makes new ones beside them.
- Files that are written to, the last of the journal and of the archive and the archive's slots, are copied. What came
  into them after the moment is cut off, or lies where the journal's last record says that nothing is.
- The repository is linked before the moment: at worst it lacks what a publication was about to place, as after a death.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, make_url, text

from ca.errors import HomeBusy
from ca.journal import durable
from ca.journal.journal import Head
from ca.journal.segments import End, segments
from ca.keys.beside_token import BesideToken
from ca.keys.vault import KeyVault
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.tables import metadata
from front.assembly import World, open_world
from front.home import Home, storage_errors

_PREFIX = "rehearsal-"
_ROWS = 2_000

_Copying = Callable[[Path], None]
"""Writes a database, as it was at one moment, into a SQLite file."""


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Let one process at a time migrate a home; HomeBusy if another one does. What a killed one left is removed."""
    with storage_errors(f"home {home.folder}"):
        home.reports.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(home.reports, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeBusy(
                f"home {home.folder}",
                "is migrated by another process",
                remedy="Wait for it to end and try again",
            ) from None
        for left in home.folder.glob(f"{_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(lock)


@contextmanager
def copied(world: World) -> Iterator[tuple[World, Head]]:
    """A copy of the home that the world is of, opened, and the journal's head in it; gone at the end.

    Keys in a token are signed with there; new ones are made in the memory of this process, and are gone with it.

    Raises:
        StorageFailed: The disk or a database refused.
    """
    home = world.home
    with storage_errors(f"home {home.folder}"):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home.folder))
    try:
        with storage_errors(f"copy {folder}"):
            head = _copy(world, Home(folder))
        with open_world(folder, world.passphrase) as copy:
            token = copy.description.token
            yield (copy if token is None else replace(copy, vault=_beside(copy.vault))), head
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _beside(token: Callable[[], KeyVault]) -> Callable[[], KeyVault]:
    """The token's vault, once it is opened, and new keys beside it."""
    return cache(lambda: BesideToken(token()))


def _copy(world: World, copy: Home) -> Head:
    home, description = world.home, world.description
    for file in home.folder.iterdir():
        if file.is_file() and file.suffix in {".toml", ".csv"} and file.name != "home.toml":
            shutil.copy2(file, copy.folder / file.name)
    _link_tree(home.repository, copy.repository)
    with ExitStack() as snapshots:
        with world.stores.journal.turn() as turn:
            end = turn.end
            states = {store: snapshots.enter_context(_snapshot(store)) for store in world.stores.each()}
        _copy_journal(home, copy, end)
        _copy_archive(home, copy, end.bodies)
        if home.keys.is_dir():  # behind the journal's moment: of the keys that it names, none lacks
            shutil.copytree(home.keys, copy.keys, ignore=shutil.ignore_patterns(".*"))
        files = {world.stores.nation: copy.store}
        databases: dict[str, str] = {}
        for authority, store in world.stores.own.items():
            files.setdefault(store, copy.folder / f"own-{len(files)}.db")
            databases[authority] = f"sqlite:///{files[store].name}"
        for store, file in files.items():
            file.touch(mode=0o600)
            states[store](file)
    copy.write(
        msgspec.structs.replace(
            description, database=None, databases=databases, journal_mirror=None, inbox=None
        )
    )
    (copy.folder / "home.lock").touch(mode=0o600)
    return end.head


def _copy_journal(home: Home, copy: Home, end: End) -> None:
    """The records up to an end. The file in which it lies is written to; those before it never are."""
    copy.journal.mkdir(mode=0o700)
    for first, path in segments(home.journal).items():
        if first < end.segment:
            _link(path, copy.journal / path.name)
        elif first == end.segment:
            durable.copy_range(path, copy.journal / path.name, 0, end.length)


def _copy_archive(home: Home, copy: Home, bodies: int) -> None:
    """The archive's first bodies. New ones go into its last file, and in the slots keys are destroyed: both are copied."""
    if not home.archive.is_dir():
        return
    copy.archive.mkdir(mode=0o700)
    found = [path for path in sorted(home.archive.glob("[0-9]*")) if int(path.stem) <= max(bodies, 1)]
    for path in found[:-1]:
        _link(path, copy.archive / path.name)
    for path in (*found[-1:], home.archive / "slots"):
        with suppress(FileNotFoundError):  # nothing was archived yet
            shutil.copy2(path, copy.archive / path.name)


def _link_tree(source: Path, target: Path) -> None:
    """Link what is published: files there are replaced, and never written to. Others go on publishing meanwhile."""
    target.mkdir(mode=0o755)
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(".new"):  # being written
                continue
            if entry.is_dir():
                _link_tree(Path(entry.path), target / entry.name)
            else:
                with suppress(FileNotFoundError):  # withdrawn since
                    _link(Path(entry.path), target / entry.name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


@contextmanager
def _snapshot(store: Store) -> Iterator[_Copying]:
    """What a database says at this moment, whatever is written there later."""
    url = make_url(str(store.engine.url))
    if url.drivername == "sqlite" and url.database is not None:
        with closing(sqlite3.connect(url.database, isolation_level=None)) as source:
            # In WAL mode the first read of a transaction fixes what it sees, and nobody waits for it.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield partial(_back_up, source)
    else:
        with store.reading() as connection:
            connection.execute(text("SELECT 1"))  # of PostgreSQL's REPEATABLE READ, the first statement
            yield partial(_copy_rows, connection)


def _back_up(source: sqlite3.Connection, file: Path) -> None:
    with closing(sqlite3.connect(file)) as target:
        target.execute("PRAGMA synchronous = OFF")  # a copy that a crash leaves is removed
        source.backup(target)


def _copy_rows(source: Connection, file: Path) -> None:
    """All rows of all tables; what the making of the schema put there gives way."""
    copy = Store.open(sqlite_url(file))
    try:
        migrate(copy)
        with copy.writing() as target:
            for table in reversed(metadata.sorted_tables):
                target.execute(table.delete())
            for table in metadata.sorted_tables:
                rows: list[dict[str, Any]] = []
                for row in source.execute(table.select().execution_options(yield_per=_ROWS)).mappings():
                    rows.append(dict(row))
                    if len(rows) == _ROWS:
                        target.execute(table.insert(), rows)
                        rows = []
                if rows:
                    target.execute(table.insert(), rows)
    finally:
        copy.close()
