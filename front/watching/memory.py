"""What a watcher remembers, in one file: the world, its newest head, each list with the serial numbers it names."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ca.errors import BadInput, StorageFailed
from ca.revoking.assurance.sights import HeadSight, ListSight, WorldSight
from ca.revoking.assurance.watch import Expectation, FindingKind, Since

T = TypeVar("T")

_FORMAT = 1
_APPLICATION = 0x4B4B5741  # "KKWA": a file of ours
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE lists (
    place TEXT PRIMARY KEY, number TEXT NOT NULL, this_update TEXT NOT NULL, next_update TEXT NOT NULL,
    digest BLOB NOT NULL, serials BLOB NOT NULL, held BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE suspicions (
    kind TEXT NOT NULL, place TEXT NOT NULL, since TEXT NOT NULL, PRIMARY KEY (kind, place)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """A watcher's memory: an SQLite file of its own, or nothing but this process's. Lists are read one at a time."""

    _connection: sqlite3.Connection
    _place: str

    @classmethod
    @contextmanager
    def opened(cls, file: Path | None) -> Iterator[Memory]:
        """The memory in this file, which is made if it is not there; without one, a memory that ends with the block.

        Raises:
            BadInput: The file is not a watcher's memory.
            StorageFailed: It cannot be opened.
        """
        place = "memory" if file is None else str(file)
        try:
            connection = sqlite3.connect(":memory:" if file is None else file, isolation_level=None)
        except sqlite3.Error as error:
            raise StorageFailed(place, f"cannot be opened: {error}") from None
        try:
            memory = cls(connection, place)
            with memory.errors():
                memory._begin()
            yield memory
        finally:
            connection.close()

    def _begin(self) -> None:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables:
            self._connection.executescript(
                f"BEGIN; {_TABLES} PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_FORMAT}; COMMIT;"
            )
        elif (application, version) != (_APPLICATION, _FORMAT):
            raise BadInput(self._place, "is not a watcher's memory of this version")

    @contextmanager
    def round(self) -> Iterator[None]:
        """A round that is kept whole, or not at all."""
        with self.errors():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        with self.errors():
            self._connection.execute("COMMIT")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the database's errors into ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StorageFailed(self._place, f"cannot be used: {error}") from None
        except sqlite3.DatabaseError:
            raise BadInput(self._place, "is not a watcher's memory") from None

    @property
    def anchor(self) -> bytes | None:
        """The certificate that the watcher took as the anchor when it first looked."""
        return self._fact("anchor", bytes)

    @property
    def world(self) -> WorldSight | None:
        """Which world it watches."""
        return self._fact("world", WorldSight)

    @property
    def head(self) -> HeadSight | None:
        """The highest head that was seen."""
        return self._fact("head", HeadSight)

    @property
    def kept_head(self) -> HeadSight | None:
        """The newest of those that are published for ever."""
        return self._fact("kept head", HeadSight)

    @property
    def expectation(self) -> Expectation | None:
        """What is expected of the journal's next heads."""
        return self._fact("expectation", Expectation)

    def keep_world(self, world: WorldSight, anchor: bytes) -> None:
        """Remember which world it is."""
        self._keep("world", world)
        self._keep("anchor", anchor)

    def keep_head(self, head: HeadSight) -> None:
        """Remember how far the journal reached."""
        self._keep("head", head)

    def keep_kept_head(self, head: HeadSight) -> None:
        """Remember a head that is published for ever."""
        self._keep("kept head", head)

    def keep_expectation(self, expected: Expectation | None) -> None:
        """Remember what is expected, or that nothing is."""
        if expected is not None:
            self._keep("expectation", expected)
            return
        with self.errors():
            self._connection.execute("DELETE FROM facts WHERE name = 'expectation'")

    def places(self) -> set[str]:
        """Where lists were seen."""
        with self.errors():
            return {place for (place,) in self._connection.execute("SELECT place FROM lists")}

    def list_at(self, place: str) -> ListSight | None:
        """The list by which the next one at this place is measured."""
        with self.errors():
            row = self._connection.execute("SELECT * FROM lists WHERE place = ?", (place,)).fetchone()
        if row is None:
            return None
        _, number, this_update, next_update, digest, serials, held = row
        return ListSight(
            place,
            int(number),
            _moment(this_update),
            _moment(next_update),
            digest,
            serials,
            held,
        )

    def keep_list(self, sight: ListSight) -> None:
        """Remember a list."""
        values = (
            sight.place, str(sight.number), sight.this_update.isoformat(), sight.next_update.isoformat(),
            sight.digest, sight.serials, sight.held,
        )  # fmt: skip
        with self.errors():
            self._connection.execute("INSERT OR REPLACE INTO lists VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    @property
    def since(self) -> Since:
        """Since when what is suspect was seen."""
        with self.errors():
            rows = self._connection.execute("SELECT kind, place, since FROM suspicions").fetchall()
        return {(FindingKind(kind), place): _moment(since) for kind, place, since in rows}

    def keep_since(self, since: Since) -> None:
        """Remember what is suspect, and nothing else."""
        rows = [(kind.value, place, moment.isoformat()) for (kind, place), moment in since.items()]
        with self.errors():
            self._connection.execute("DELETE FROM suspicions")
            self._connection.executemany("INSERT INTO suspicions VALUES (?, ?, ?)", rows)

    def _fact(self, name: str, kind: type[T]) -> T | None:
        with self.errors():
            row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        try:
            return None if row is None else msgspec.msgpack.decode(row[0], type=kind)
        except msgspec.MsgspecError:
            raise BadInput(self._place, f"has a {name} that cannot be read") from None

    def _keep(self, name: str, value: Any) -> None:
        with self.errors():
            encoded = msgspec.msgpack.encode(value)
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, encoded))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
