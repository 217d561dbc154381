"""How far the databases have followed the journal.

Each says it of itself, and the nation's says it of those of authorities too: so a copy of theirs that is older than what
the nation's database was told of is found out, and one that no record has concerned for years is not.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete

from ca.errors import HomeRefused
from ca.model import AuthorityId
from ca.store import marks, register
from ca.store.connections import Writing
from ca.store.tables import marks as table

_TOLD = "followed"


def mark(writing: Writing, index: int) -> None:
    """Write down that the databases in which something is written have followed the journal up to this record."""
    apart = writing.apart()
    for connection in (writing.nation, *apart.values()):
        register.mark_applied(connection, index)
    if apart:
        told = _told(writing.nation) | dict.fromkeys(apart, index)
        writing.nation.execute(delete(table).where(table.c.name == _TOLD))
        marks.put(writing.nation, _TOLD, msgspec.json.encode(told, order="sorted").decode())


def forgotten(nation: Connection, own: Connection, authority: AuthorityId, *, untold: int = 0) -> int | None:
    """The last record that an authority's database has followed, if it has forgotten later ones that it knew.

    Args:
        nation: A transaction in the nation's database.
        own: One in the authority's own.
        authority: Under which the database is known, as ``Databases.apart`` names it.
        untold: How far it has to have followed if nothing was ever told of it.
    """
    followed = register.applied(own)
    return followed if followed < _told(nation).get(authority, untold) else None


def require_journal(database: Connection, head: int, place: str) -> int:
    """How far a database has followed the journal, or HomeRefused if that is further than it reaches."""
    followed = register.applied(database)
    if followed > head:
        raise HomeRefused(
            "journal",
            f"has {head} records; {place} has applied {followed}",
            remedy="Restore the journal from its copy; nothing may be removed from it",
        )
    return followed


def _told(nation: Connection) -> dict[AuthorityId, int]:
    text = marks.find(nation, _TOLD)
    return {} if text is None else msgspec.json.decode(text, type=dict[AuthorityId, int])
