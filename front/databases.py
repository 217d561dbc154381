"""The databases of a home: store.db inside it, or databases that its description names by URL.

A URL never holds a password: PostgreSQL's own files (``~/.pgpass``, ``PGPASSFILE``) keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ca.errors import BadInput, Conflict, HomeRefused
from ca.journal.archive import Archive
from ca.journal.journal import Journal
from ca.model import AuthorityId, authority_id
from ca.store import marks, untold
from ca.store.engine import SCHEMA, Store, sqlite_url
from ca.store.schema import migrate
from ca.store.stores import Stores
from front.home import Description, Home, chance_of, storage_errors

ArchiveKey = Callable[[], bytes]
"""Gives the key of the archive, once it is needed."""

_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_SECRETS = frozenset({"password", "sslpassword"})  # libpq takes them in the query too
_IN_MEMORY = frozenset({None, "", ":memory:"})
_HOME_MARK = "home"
_MARKED = "0003"  # the first schema in which databases have marks


def database_url(text: str, place: str) -> str:
    """A database's URL as a home keeps it.

    Raises:
        BadInput: It is not a URL of SQLite or PostgreSQL, holds a password, or says more of a file than its path.
    """
    try:
        url = make_url(text)
        driver = _DRIVERS[url.drivername]
    except (ArgumentError, KeyError, ValueError):
        raise BadInput(
            place,
            "is not the URL of a database",
            remedy="Write sqlite:////path/to/file.db or postgresql://user@host/database",
        ) from None
    if url.password is not None or _SECRETS & url.query.keys():
        raise BadInput(
            place, "holds a password", remedy="Keep it in ~/.pgpass, or in a file that PGPASSFILE names"
        )
    if driver == "sqlite" and url.database in _IN_MEMORY:
        raise BadInput(place, "names no file; a database in memory keeps nothing")
    if driver == "sqlite" and url != URL.create(driver, database=url.database):
        raise BadInput(
            place, "says more than a path", remedy="Write sqlite:////path/to/file.db, with nothing after it"
        )
    return url.set(drivername=driver).render_as_string()


def own_databases(texts: Sequence[str], place: str) -> dict[str, str]:
    """Options ``ID=URL``, an authority each, as a home keeps them; BadInput if one is none, or is given twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, url = text.partition("=")
        authority = authority_id(name, place)
        if authority in found:
            raise BadInput(f"{place} {authority}", "is given twice")
        found[authority] = database_url(url, f"{place} {authority}")
    return found


@dataclass(frozen=True, slots=True)
class Copies:
    """The databases of a world as those see them who only read: the primary's own, or copies of them.

    Attributes:
        nation: The nation's, and every authority's that has none of its own.
        own: The databases of the authorities that have one.
    """

    nation: Store
    own: Mapping[AuthorityId, Store]

    def of(self, authority: AuthorityId) -> Store:
        """Where this authority's certificates and revocations lie."""
        return self.own.get(authority, self.nation)

    def each(self) -> tuple[Store, ...]:
        """Every database once, the nation's first."""
        return tuple(dict.fromkeys((self.nation, *self.own.values())))

    def close(self) -> None:
        """Let go of all connections."""
        for store in self.each():
            store.close()


def open_copies(home: Home, description: Description) -> Copies:
    """The databases of a home of responders, opened to be read and no more.

    Raises:
        HomeRefused, HomeTooNew: A database is missing, belongs to another home, or has another version's schema.
        StorageFailed: A database's server cannot be reached.
    """
    _require_files(home, description)
    copies = Copies(*_opened(home, description, Store.open_to_read))
    try:
        for store in copies.each():
            store.require_schema()
            _require_own(store, _mark(copies, store, description))
    except BaseException:
        copies.close()
        raise
    return copies


def urls(home: Home, description: Description) -> tuple[str, dict[str, str]]:
    """Where the nation's database lies and where those of authorities do, wherever it is said from."""
    nation, *own = (_absolute(text) for text in _urls(home, description))
    return nation, dict(zip(description.databases, own, strict=True))


def _absolute(text: str) -> str:
    url = make_url(text)
    if url.drivername != "sqlite" or url.database is None:
        return text
    return sqlite_url(Path(url.database).resolve())


def require_empty(home: Home, description: Description) -> None:
    """Look at the databases that a new home is to have, before anything is written.

    Raises:
        Conflict: A database is not empty: another home's, or another program's.
        HomeRefused: PostgreSQL's driver is not installed.
        StorageFailed: A database's server cannot be reached.
    """
    for file in _files(home, description):
        with storage_errors(f"database {file}"):
            if file.is_file() and file.stat().st_size:
                raise _taken(f"database {file}")
    for url in _urls(home, description):
        if make_url(url).drivername != "sqlite":
            store = Store.open(url)
            try:
                with store.reading() as connection:
                    if inspect(connection).get_table_names():
                        raise _taken(store.place)
            finally:
                store.close()


def make_stores(home: Home, description: Description, archive_key: ArchiveKey) -> Stores:
    """The databases of a home in the making, each at this version's schema and marked as this home's.

    Raises:
        Conflict: A database belongs to another home, or two of this home's URLs name one database.
    """
    for file in _files(home, description):
        with storage_errors(f"database {file}"):
            file.touch(mode=0o600)  # residents' particulars lie there
            file.chmod(0o600)  # also of an empty one that was there already
    stores = _stores(home, description, archive_key)
    try:
        for store in stores.each():
            migrate(store)
            _claim(store, _mark(stores, store, description))
    except BaseException:
        stores.close()
        raise
    return stores


def open_stores(home: Home, description: Description, archive_key: ArchiveKey) -> Stores:
    """The databases of a complete home.

    Raises:
        HomeRefused, HomeTooNew: A database is missing, belongs to another home, or has another version's schema.
    """
    _require_files(home, description)
    stores = _stores(home, description, archive_key)
    try:
        for store in stores.each():
            store.require_schema()
            _require_own(store, _mark(stores, store, description))
    except BaseException:
        stores.close()
        raise
    return stores


def upgrade_stores(home: Home, description: Description, archive_key: ArchiveKey) -> tuple[str | None, ...]:
    """Bring every database to this version's schema; gives the schemas that were there before.

    What was issued before journals told of it is told, and only that needs the archive's key.
    """
    _require_files(home, description)
    stores = _stores(home, description, archive_key)
    try:
        before = tuple(store.schema() for store in stores.each())
        for store, schema in zip(stores.each(), before, strict=True):
            if (schema or "") >= _MARKED:
                _require_own(store, _mark(stores, store, description))
        for store in stores.each():
            migrate(store)
        untold.tell(stores)
        for store, schema in zip(stores.each(), before, strict=True):
            if schema != SCHEMA:
                store.rewrite()
    finally:
        stores.close()
    return before


def _urls(home: Home, description: Description) -> tuple[str, ...]:
    """Where the nation's database lies, then those of authorities."""
    nation = sqlite_url(home.store) if description.database is None else _placed(home, description.database)
    return (nation, *(_placed(home, text) for text in description.databases.values()))


def _files(home: Home, description: Description) -> Iterator[Path]:
    """Those of the databases that are files."""
    for text in _urls(home, description):
        url = make_url(text)
        if url.drivername == "sqlite" and url.database is not None:
            yield Path(url.database)


def _require_files(home: Home, description: Description) -> None:
    for file in _files(home, description):
        if not file.is_file():
            # SQLite would make an empty one.
            raise HomeRefused(str(file), "is missing", remedy="Restore it from the backup")


def _stores(home: Home, description: Description, archive_key: ArchiveKey) -> Stores:
    nation, own = _opened(home, description, Store.open)
    return Stores(nation, journal_of(home, description, archive_key), own)


def _opened(
    home: Home, description: Description, opening: Callable[[str], Store]
) -> tuple[Store, dict[AuthorityId, Store]]:
    """The nation's database, and those of authorities; each URL is opened once."""
    nation, *others = _urls(home, description)
    opened = {url: opening(url) for url in dict.fromkeys((nation, *others))}
    own = {authority_id(name): opened[url] for name, url in zip(description.databases, others, strict=True)}
    return opened[nation], own


def _no_archive() -> bytes:
    raise AssertionError("nothing is archived here")


def journal_of(home: Home, description: Description, archive_key: ArchiveKey = _no_archive) -> Journal:
    """The journal of a home, with its mirror and its archive."""
    mirror = None if description.journal_mirror is None else Path(description.journal_mirror)
    archive = Archive(
        home.archive,
        None if mirror is None else mirror / "archive",
        archive_key,
        chance_of(description),
    )
    return Journal(home.journal, None if mirror is None else mirror / "journal", archive)


def _placed(home: Home, text: str) -> str:
    """The URL, with a SQLite file's path taken from the home's folder unless it is absolute."""
    url = make_url(text)
    if url.drivername != "sqlite" or url.database is None:
        _require_driver(url)
        return text
    return sqlite_url(home.folder / url.database)


def _require_driver(url: URL) -> None:
    try:
        url.get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError):
        raise HomeRefused(
            "database", "needs PostgreSQL's driver", remedy="pip install 'kakehashi[postgresql]'"
        ) from None


def _mark(stores: Stores | Copies, store: Store, description: Description) -> str | None:
    """What this database says of itself: the home that it is of, and whose it is there.

    So databases that were mixed up are found out, and so are two URLs that name one database.
    """
    if description.id is None:
        return None  # made before there were databases to mix up
    whose = (
        "nation" if store is stores.nation else min(name for name, its in stores.own.items() if its is store)
    )
    return f"{description.id} {whose}"


def _require_own(store: Store, mark: str | None) -> None:
    with store.reading() as connection:
        found = marks.find(connection, _HOME_MARK)
    if found != mark:
        raise HomeRefused(
            store.place,
            "belongs to another home, or to another authority",
            remedy="Mend home.toml, or restore the database",
        )


def _claim(store: Store, mark: str | None) -> None:
    with store.writing() as connection:
        there = marks.find(connection, _HOME_MARK)
        if there is None and mark is not None:
            marks.put(connection, _HOME_MARK, mark)
        elif there != mark:
            raise _taken(store.place)


def _taken(place: str) -> Conflict:
    return Conflict(place, "is in use already", remedy="Give each home databases of its own")
