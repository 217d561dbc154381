"""Connections and transactions. SQLite's settings are chosen for durability and against lost updates."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DatabaseError, OperationalError

from ca.errors import HomeBusy, HomeRefused, HomeTooNew, KakehashiError, StorageFailed

SCHEMA = "0009"
"""The newest migration's number; migrations are numbered in order."""

_WRITES = (
    "kakehashi_writes"  # in a transaction that writes: how SQLite keeps it, a level of its ``synchronous``
)
_DURABLY, _PASSINGLY = "FULL", "NORMAL"
_WRITERS = 2014  # the number of the advisory lock that writers take on PostgreSQL


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    # Not by formatting: a path may hold what a URL would take for a query or an escape.
    return URL.create("sqlite", database=str(path)).render_as_string()


def _sqlite_engine(url: str, busy_timeout_ms: int) -> Engine:
    # With the driver's own transactions off, BEGIN is ours: two read-then-update transactions cannot lose one.
    arguments = {"isolation_level": None, "check_same_thread": False}
    # As many connections as threads ask for: each is a file, and who holds one may need another to go on.
    engine = create_engine(url, hide_parameters=True, connect_args=arguments, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {_DURABLY}")
        # What goes is overwritten, so that names and addresses go too. Some builds of SQLite do so unasked, others do not.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        level = connection.get_execution_options().get(_WRITES)
        if level is not None:  # it may be changed outside of transactions alone
            connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
        connection.exec_driver_sql("BEGIN DEFERRED" if level is None else "BEGIN IMMEDIATE")

    return engine


def _sqlite_reader(url: str, busy_timeout_ms: int) -> Engine:
    """A file that is never written to, not even to bring it to another journal mode."""
    # By a URI of SQLite's own, or it would not know of modes; quoted, since a path may hold what means something there.
    file = f"file:{quote(str(make_url(url).database))}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(file, uri=True, isolation_level=None, check_same_thread=False)

    engine = create_engine(url, hide_parameters=True, creator=connect)

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
        connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN DEFERRED")

    return engine


def _postgresql_reader(url: str, busy_timeout_ms: int) -> Engine:
    """A server that may be a copy: what is asked there writes nothing, and does not wait for ever."""
    engine = create_engine(url, hide_parameters=True, isolation_level="READ COMMITTED")

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
            cursor.execute(f"SET statement_timeout = {busy_timeout_ms}")
        connection.commit()

    return engine


def _postgresql_engine(url: str, busy_timeout_ms: int) -> Engine:
    # A writer sees what the last one kept: it waits for the lock in one statement and looks in the next.
    engine = create_engine(url, hide_parameters=True, isolation_level="READ COMMITTED")

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {busy_timeout_ms}")
        connection.commit()

    return engine


@dataclass(frozen=True, slots=True)
class Store:
    """A database that can be read from and written to in transactions."""

    engine: Engine
    _turn: Lock = field(default_factory=Lock, repr=False, compare=False)
    _patience: float = 10.0

    @classmethod
    def open(cls, url: str, *, busy_timeout_ms: int = 10_000) -> Store:
        """Connect; nothing is read or made yet. ``busy_timeout_ms``: how long a writer waits for another."""
        if url.startswith("sqlite:"):
            return cls(_sqlite_engine(url, busy_timeout_ms), _patience=busy_timeout_ms / 1000)
        return cls(_postgresql_engine(url, busy_timeout_ms))

    @classmethod
    def open_to_read(cls, url: str, *, busy_timeout_ms: int = 10_000) -> Store:
        """The same for reading alone: a SQLite file is opened so, and PostgreSQL's sessions are set so."""
        if url.startswith("sqlite:"):
            return cls(_sqlite_reader(url, busy_timeout_ms))
        return cls(_postgresql_reader(url, busy_timeout_ms))

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that writes: all of it is kept, durably, or nothing.

        Raises:
            HomeBusy: Another process kept the store locked for longer than the busy timeout.
            StorageFailed: The disk or the database refused.
        """
        return self._writing(_DURABLY)

    def noting(self) -> AbstractContextManager[Connection]:
        """The same for what need not survive the machine: SQLite does not wait for the disk, and a crash takes the last.

        What was written durably stays, and so does the order: nothing is there that came after something that is lost.
        PostgreSQL waits all the same, for its copies are sent nothing else.
        """
        return self._writing(_PASSINGLY)

    @contextmanager
    def _writing(self, level: str) -> Iterator[Connection]:
        with (
            self._in_turn(),
            _clear_errors(self.engine),
            self.engine.connect() as connection,
            connection.execution_options(**{_WRITES: level}).begin(),
        ):
            if connection.dialect.name == "postgresql":
                # One writer at a time, as BEGIN IMMEDIATE makes it: what was read is still so when it is written.
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITERS})"))
            yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """One writing thread of this process at a time.

        SQLite lets writers look again and again whether the file is free, and with many of them some never find it so.
        """
        if self.engine.dialect.name != "sqlite":
            yield
            return
        if not self._turn.acquire(timeout=self._patience):
            raise HomeBusy(
                self.place, "is locked by other writers", remedy="Wait for them to end and try again"
            )
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads one state of the store."""
        with _clear_errors(self.engine), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    def settle(self) -> None:
        """Fold SQLite's write-ahead log into the file and empty it: what was overwritten there lies in it no more.

        On PostgreSQL nothing is done: what becomes of old rows and of its log is its keeper's to say.

        Raises:
            HomeBusy: Somebody reads an older state, for longer than the busy timeout.
        """
        if self.engine.dialect.name != "sqlite":
            return
        with self._in_turn(), _clear_errors(self.engine), closing(self.engine.raw_connection()) as connection:
            (busy, *_) = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise HomeBusy(
                self.place,
                "is being read, so its write-ahead log keeps what was to go",
                remedy="Run the same command again",
            )

    def rewrite(self) -> None:
        """Write a SQLite file anew, without what earlier versions left where something was deleted; then settle."""
        if self.engine.dialect.name == "sqlite":
            with (
                self._in_turn(),
                _clear_errors(self.engine),
                closing(self.engine.raw_connection()) as connection,
            ):
                connection.cursor().execute("VACUUM")
        self.settle()

    def schema(self) -> str | None:
        """The number of the store's schema; None if nothing was made in it yet."""
        with self.reading() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            query = text("SELECT version_num FROM alembic_version")
            found: str | None = connection.execute(query).scalar_one_or_none()
        return found

    def require_known_schema(self) -> None:
        """Raise HomeTooNew if the store's schema is one that this version does not know."""
        if (self.schema() or "") > SCHEMA:
            raise HomeTooNew(
                self.place,
                f"has schema {self.schema()}, made by a newer version",
                remedy="Update kakehashi",
            )

    def require_schema(self) -> None:
        """Raise unless the schema is this version's: HomeTooNew, or HomeRefused for an older one or none."""
        self.require_known_schema()
        current = self.schema()
        if current is None:
            raise HomeRefused(self.place, "is not a store: it has no schema", remedy="Restore it")
        if current < SCHEMA:
            raise HomeRefused(
                self.place,
                f"has schema {current}, older than this version's {SCHEMA}",
                remedy="Back the home up, then run `kakehashi upgrade`",
            )

    @property
    def place(self) -> str:
        """What it is called in messages."""
        return f"store {self.engine.url.render_as_string(hide_password=True)}"

    def close(self) -> None:
        """Let go of all connections; SQLite then folds its write-ahead log into the one file."""
        self.engine.dispose()


@contextmanager
def _clear_errors(engine: Engine) -> Iterator[None]:
    """Turn the driver's errors into ours, without statements or values in them."""
    place = f"store {engine.url.render_as_string(hide_password=True)}"
    try:
        yield
    except KakehashiError:
        raise
    except DatabaseError as error:
        match _trouble(error):
            case _Trouble.BUSY:
                raise HomeBusy(
                    place, "is locked by another process", remedy="Wait for it to end and try again"
                ) from None
            case _Trouble.STORAGE:
                problem = " ".join(str(error.orig).split())  # PostgreSQL's may have several lines
                raise StorageFailed(place, problem, remedy=_REMEDY) from None
            case _Trouble.SLIP:
                raise
    except engine.dialect.loaded_dbapi.Error as error:
        # From a COPY, which goes past the toolkit. What it says of the row is not repeated.
        said = getattr(getattr(error, "diag", None), "message_primary", None) or type(error).__name__
        if getattr(error, "sqlstate", None) in _BUSY_STATES:
            raise HomeBusy(
                place, "is locked by another process", remedy="Wait for it to end and try again"
            ) from None
        raise StorageFailed(place, said, remedy=_REMEDY) from None


_REMEDY = "Nothing of this step was kept; mend the storage and try again"


class _Trouble(Enum):
    BUSY = "another process keeps the lock"
    STORAGE = "the disk, the server or its settings"
    SLIP = "the code's own"


_BUSY_STATES = frozenset({"55P03", "40P01", "40001"})  # lock_not_available, deadlock and serialization
_FORBIDDEN_STATES = frozenset({"42501", "25006"})  # insufficient_privilege, read_only_sql_transaction


def _trouble(error: DatabaseError) -> _Trouble:
    """What a driver's error comes from."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    state = getattr(error.orig, "sqlstate", None)  # PostgreSQL, appendix A
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} or state in _BUSY_STATES:
        return _Trouble.BUSY
    if isinstance(error, OperationalError) or state in _FORBIDDEN_STATES:
        return _Trouble.STORAGE
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return _Trouble.STORAGE
    return _Trouble.SLIP
