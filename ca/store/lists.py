"""Lists: where each stands, and every one that was ever made, by generation, scope and number.

Numbers and moments rise together: a list of a higher number is not of an earlier moment, whatever the clock said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    bindparam,
    delete,
    insert,
    select,
    true,
    update,
)

from ca.errors import NotFound
from ca.model import GenerationId, Scope
from ca.names import Attribute, DirectoryName
from ca.profiles.extensions import Holds
from ca.profiles.lists import ListPlace
from ca.store.tables import delta_lists, list_places, lists


@dataclass(frozen=True, slots=True)
class ListRecord:
    """A list that was made.

    Attributes:
        number: Its cRLNumber.
        sequence: The newest revocation sequence when its entries were read.
        tbs_digest: SHA-256 of the TBSCertList, written down before it was signed.
        digest: SHA-256 of the CertificateList, once it was placed.
        base: Of a delta list: the number of the complete list that it is to be added to.
    """

    generation: GenerationId
    scope: Scope
    number: int
    this_update: datetime
    next_update: datetime
    entries: int
    sequence: int
    tbs_digest: bytes
    digest: bytes | None = None
    base: int | None = None

    @property
    def table(self) -> Table:
        """Where such lists are written down."""
        return lists if self.base is None else delta_lists


def add_places(connection: Connection, generation: GenerationId, places: Iterable[ListPlace]) -> None:
    """Write down the lists of a generation; places that are there already stay as they are."""
    there = {place.scope for place in places_of(connection, generation)}
    rows = [
        {
            "generation": str(generation),
            "scope": place.scope,
            "point": None if place.point is None else msgspec.json.encode(place.point.steps).decode(),
            "holds": place.holds,
        }
        for place in places
        if place.scope not in there
    ]
    if rows:
        connection.execute(insert(list_places), rows)


def places_of(connection: Connection, generation: GenerationId) -> list[ListPlace]:
    """The lists of a generation, by scope."""
    query = select(list_places).where(list_places.c.generation == str(generation))
    return [
        ListPlace(Scope(row.scope), _point(row.point), Holds(row.holds))
        for row in connection.execute(query.order_by(list_places.c.scope))
    ]


def place(connection: Connection, generation: GenerationId, scope: Scope) -> ListPlace:
    """Where the list of this scope stands, or NotFound."""
    row = connection.execute(
        select(list_places).where(list_places.c.generation == str(generation), list_places.c.scope == scope)
    ).one_or_none()
    if row is None:
        raise NotFound(f"list {generation} {scope}", "is not one of this home's")
    return ListPlace(Scope(row.scope), _point(row.point), Holds(row.holds))


def newest_placed(
    connection: Connection,
    generation: GenerationId,
    scope: Scope,
    *,
    delta: bool = False,
    upto: int | None = None,
) -> ListRecord | None:
    """The newest complete list of the scope that was placed, or the newest delta list.

    Args:
        connection: A transaction.
        generation: Whose.
        scope: Which of its lists.
        delta: A delta list, and not a complete one.
        upto: Of those whose number is not higher.
    """
    if upto is not None:
        return _first(connection, _NEWEST_UPTO[delta], generation, scope, upto=upto)
    return _first(connection, _NEWEST_PLACED[delta], generation, scope)


def newest_intended(connection: Connection, generation: GenerationId, scope: Scope) -> ListRecord | None:
    """The complete list of the highest number in this scope, whether it was placed or not."""
    return _first(connection, _NEWEST_INTENDED, generation, scope)


def oldest_placed(connection: Connection, generation: GenerationId, scope: Scope) -> ListRecord | None:
    """The first complete list of the scope that was placed."""
    return _first(connection, _OLDEST_PLACED, generation, scope)


def newest(connection: Connection, generation: GenerationId) -> dict[Scope, ListRecord]:
    """The newest complete list of each scope of a generation that was placed."""
    return _newest_of_each(connection, generation, lists.c.digest.is_not(None))


def unfinished(connection: Connection, generation: GenerationId) -> list[ListRecord]:
    """The complete lists that are the newest of their scopes and were intended; whether they were placed is not known."""
    newest_intended = _newest_of_each(connection, generation, true())
    return [record for record in newest_intended.values() if record.digest is None]


def _newest_of_each(
    connection: Connection, generation: GenerationId, among: ColumnElement[bool]
) -> dict[Scope, ListRecord]:
    # One look into the primary key for each place, however many lists there ever were.
    number = (
        select(lists.c.number)
        .where(lists.c.generation == list_places.c.generation, lists.c.scope == list_places.c.scope, among)
        .order_by(lists.c.number.desc())
        .limit(1)
        .correlate(list_places)
        .scalar_subquery()
    )
    # An outer join, so that SQLite begins with the places.
    of_place = (
        (lists.c.generation == list_places.c.generation)
        & (lists.c.scope == list_places.c.scope)
        & (lists.c.number == number)
    )
    query = (
        select(lists)
        .select_from(list_places.outerjoin(lists, of_place))
        .where(list_places.c.generation == str(generation))
    )
    found = [row for row in connection.execute(query) if row.number is not None]
    return {Scope(row.scope): _record(generation, row) for row in found}


def intend(connection: Connection, records: Iterable[ListRecord]) -> None:
    """Write down the lists that are about to be signed, in the place of such as never came out under their numbers."""
    rows: dict[Table, list[dict[str, Any]]] = {}
    for record in records:
        row = {
            "generation": str(record.generation),
            "scope": record.scope,
            "number": record.number,
            "this_update": record.this_update,
            "next_update": record.next_update,
            "entries": record.entries,
            "sequence": record.sequence,
            "tbs_digest": record.tbs_digest,
            "digest": None,
        }
        if record.base is not None:
            row["base"] = record.base
        columns = record.table.c
        connection.execute(
            delete(record.table).where(
                columns.generation == row["generation"],
                columns.scope == record.scope,
                columns.number == record.number,
                columns.digest.is_(None),
            )
        )
        rows.setdefault(record.table, []).append(row)
    for table, some in rows.items():
        connection.execute(insert(table), some)


def complete(connection: Connection, placed: Iterable[ListRecord]) -> None:
    """Write down the digests of lists that were placed."""
    for record in placed:
        table = record.table
        connection.execute(
            update(table)
            .where(
                table.c.generation == str(record.generation),
                table.c.scope == record.scope,
                table.c.number == record.number,
            )
            .values(digest=record.digest)
        )


def _of_scope(table: Table, *conditions: ColumnElement[bool]) -> Select[Any]:
    of_scope = (table.c.generation == bindparam("generation"), table.c.scope == bindparam("scope"))
    return select(table).where(*of_scope, *conditions).limit(1)


def _newest_of(table: Table, *conditions: ColumnElement[bool]) -> Select[Any]:
    return _of_scope(table, *conditions).order_by(table.c.number.desc())


# Made once: a nation's lists are thousands, and making the query costs more than asking it.
_TABLES = {False: lists, True: delta_lists}
_NEWEST_PLACED = {delta: _newest_of(table, table.c.digest.is_not(None)) for delta, table in _TABLES.items()}
_NEWEST_UPTO = {
    delta: _newest_of(table, table.c.digest.is_not(None), table.c.number <= bindparam("upto"))
    for delta, table in _TABLES.items()
}
_NEWEST_INTENDED = _newest_of(lists)
_OLDEST_PLACED = _of_scope(lists, lists.c.digest.is_not(None)).order_by(lists.c.number)


def _first(
    connection: Connection, query: Select[Any], generation: GenerationId, scope: Scope, **values: object
) -> ListRecord | None:
    row = connection.execute(query, {"generation": str(generation), "scope": scope, **values}).one_or_none()
    return None if row is None else _record(generation, row)


def _record(generation: GenerationId, row: Row[Any]) -> ListRecord:
    return ListRecord(
        generation,
        Scope(row.scope),
        row.number,
        row.this_update,
        row.next_update,
        row.entries,
        row.sequence,
        row.tbs_digest,
        row.digest,
        getattr(row, "base", None),
    )


def _point(text: str | None) -> DirectoryName | None:
    if text is None:
        return None
    steps = msgspec.json.decode(text, type=list[tuple[str, str]])
    return DirectoryName(tuple((Attribute(attribute), value) for attribute, value in steps))
