"""The databases of a home: store.db inside it, or databases that its description names by URL.

A URL never holds a password: PostgreSQL's own files (``~/.pgpass``, ``PGPASSFILE``) keep it.
"""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ca.errors import BadInput, Conflict, HomeRefused
from ca.model import authority_id
from ca.store import marks
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.stores import Stores
from front.home import Description, Home

_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_HOME_MARK = "home"


def database_url(text: str, place: str) -> str:
    """A database's URL as a home keeps it.

    Raises:
        BadInput: It is not a URL of SQLite or PostgreSQL, or holds a password.
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
    if url.password is not None:
        raise BadInput(
            place, "holds a password", remedy="Keep it in ~/.pgpass, or in a file that PGPASSFILE names"
        )
    if driver == "sqlite" and not url.database:
        raise BadInput(place, "names no file; a database in memory keeps nothing")
    return url.set(drivername=driver).render_as_string()


def make_stores(home: Home, description: Description) -> Stores:
    """The databases of a home in the making, each at this version's schema and marked as this home's.

    Raises:
        Conflict: A database belongs to another home.
    """
    if description.database is None:
        home.store.touch(mode=0o600)  # residents' particulars lie there
    stores = _stores(home, description)
    try:
        for store in stores.each():
            migrate(store)
            _claim(store, description)
    except BaseException:
        stores.close()
        raise
    return stores


def open_stores(home: Home, description: Description) -> Stores:
    """The databases of a complete home.

    Raises:
        HomeRefused, HomeTooNew: A database is missing, belongs to another home, or has another version's schema.
    """
    stores = _stores(home, description)
    try:
        for store in stores.each():
            store.require_schema()
            _require_own(store, description)
    except BaseException:
        stores.close()
        raise
    return stores


def upgrade_stores(home: Home, description: Description) -> tuple[str | None, ...]:
    """Bring every database to this version's schema; gives the schemas that were there before."""
    stores = _stores(home, description)
    try:
        before = tuple(store.schema() for store in stores.each())
        for store in stores.each():
            migrate(store)
    finally:
        stores.close()
    return before


def _stores(home: Home, description: Description) -> Stores:
    opened: dict[str, Store] = {}

    def store(text: str) -> Store:
        if text not in opened:
            opened[text] = Store.open(text)
        return opened[text]

    nation = store(
        sqlite_url(home.store) if description.database is None else _placed(home, description.database)
    )
    own = {authority_id(name): store(_placed(home, text)) for name, text in description.databases.items()}
    return Stores(nation, own)


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


def _require_own(store: Store, description: Description) -> None:
    with store.reading() as connection:
        found = marks.find(connection, _HOME_MARK)
    if found != description.id:
        raise HomeRefused(
            store.place, "belongs to another home", remedy="Mend home.toml, or restore the database"
        )


def _claim(store: Store, description: Description) -> None:
    with store.writing() as connection:
        there = marks.find(connection, _HOME_MARK)
        if there is None and description.id is not None:
            marks.put(connection, _HOME_MARK, description.id)
        elif there != description.id:
            raise Conflict(
                store.place, "belongs to another home", remedy="Give each home databases of its own"
            )
