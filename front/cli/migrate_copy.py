"""A copy of a home to rehearse in: its databases, journal, archive, keys and repository as they are at one moment.

It lies in the home for as long as it is needed, since it holds what the home holds. Databases of any kind become SQLite
files there; the journal's turn is kept meanwhile, so nothing is acknowledged that the copy would lack.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, make_url

from ca.errors import Conflict, HomeBusy
from ca.journal.journal import Head
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.tables import metadata
from front.assembly import World
from front.home import Home, storage_errors

_PREFIX = "rehearsal-"
_FOLDERS = ("keys", "journal", "archive")
_ROWS = 2_000


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


def require_copyable(world: World) -> None:
    """Raise Conflict if the keys lie in a token: a rehearsal would make keys there."""
    if world.description.token is not None:
        raise Conflict(
            f"home {world.home.folder}",
            f"keeps its keys in token {world.description.token.label}, in which a rehearsal would make keys",
            remedy="Rehearse in a test world of the same edition, then give --unrehearsed; the journal says so",
        )


@contextmanager
def copied(world: World) -> Iterator[tuple[Path, Head]]:
    """A copy of the home that the world is of, and the journal's head in it; gone at the end.

    Raises:
        Conflict: The home's keys lie in a token.
        StorageFailed: The disk or a database refused.
    """
    require_copyable(world)
    home = world.home
    with storage_errors(f"home {home.folder}"):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home.folder))
    try:
        with storage_errors(f"copy {folder}"), world.stores.journal.turn() as turn:
            _copy(world, Home(folder))
            head = turn.head
        yield folder, head
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(world: World, copy: Home) -> None:
    home, description = world.home, world.description
    for file in home.folder.iterdir():
        if file.is_file() and file.suffix in {".toml", ".csv"} and file.name != "home.toml":
            shutil.copy2(file, copy.folder / file.name)
    for name in _FOLDERS:
        if (home.folder / name).is_dir():
            shutil.copytree(home.folder / name, copy.folder / name)
    # Published files are replaced and never written to, so those of the copy may be the same ones.
    shutil.copytree(home.repository, copy.repository, copy_function=_linked)
    files = {world.stores.nation: copy.store}
    databases: dict[str, str] = {}
    for authority, store in world.stores.own.items():
        files.setdefault(store, copy.folder / f"own-{len(files)}.db")
        databases[authority] = f"sqlite:///{files[store].name}"
    for store, file in files.items():
        file.touch(mode=0o600)
        _copy_database(store, file)
    copy.write(
        msgspec.structs.replace(
            description, database=None, databases=databases, journal_mirror=None, inbox=None
        )
    )
    (copy.folder / "home.lock").touch(mode=0o600)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _copy_database(store: Store, file: Path) -> None:
    url = make_url(str(store.engine.url))
    if url.drivername == "sqlite" and url.database is not None:
        with closing(sqlite3.connect(url.database)) as source, closing(sqlite3.connect(file)) as target:
            source.backup(target)
        return
    copy = Store.open(sqlite_url(file))
    try:
        migrate(copy)
        with store.reading() as source, copy.writing() as target:
            _copy_rows(source, target)
    finally:
        copy.close()


def _copy_rows(source: Connection, target: Connection) -> None:
    """All rows of all tables; what the making of the schema put there gives way."""
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
