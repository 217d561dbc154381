"""Lists: where each stands, and every one that was ever made, by generation, scope and number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from ca.errors import NotFound
from ca.model import GenerationId, Scope
from ca.names import Attribute, DirectoryName
from ca.profiles.extensions import Holds
from ca.profiles.lists import ListPlace
from ca.store.tables import list_places, lists


@dataclass(frozen=True, slots=True)
class ListRecord:
    """A list that was made.

    Attributes:
        number: Its cRLNumber.
        sequence: The newest revocation sequence when its entries were read.
        tbs_digest: SHA-256 of the TBSCertList, written down before it was signed.
        digest: SHA-256 of the CertificateList, once it was signed.
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


def newest_number(connection: Connection, generation: GenerationId, scope: Scope) -> int:
    """The highest number in this generation and scope, signed or not; 0 before the first."""
    query = select(func.max(lists.c.number)).where(
        lists.c.generation == str(generation), lists.c.scope == scope
    )
    return connection.execute(query).scalar_one() or 0


def last_update(connection: Connection, generation: GenerationId, scope: Scope) -> datetime | None:
    """The latest thisUpdate of the scope's signed lists."""
    query = select(func.max(lists.c.this_update)).where(
        lists.c.generation == str(generation), lists.c.scope == scope, lists.c.digest.is_not(None)
    )
    found: datetime | None = connection.execute(query).scalar_one()
    return found


def unfinished(connection: Connection, generation: GenerationId, scope: Scope) -> ListRecord | None:
    """The newest list of the scope, if it was intended and is not written down as signed."""
    query = select(lists).where(lists.c.generation == str(generation), lists.c.scope == scope)
    row = connection.execute(query.order_by(lists.c.number.desc()).limit(1)).one_or_none()
    return None if row is None or row.digest is not None else _record(generation, row)


def newest(connection: Connection, generation: GenerationId) -> dict[Scope, ListRecord]:
    """The newest signed list of each scope of a generation."""
    signed = (
        select(lists.c.scope, func.max(lists.c.number).label("number"))
        .where(lists.c.generation == str(generation), lists.c.digest.is_not(None))
        .group_by(lists.c.scope)
        .subquery()
    )
    query = select(lists).join(
        signed,
        (lists.c.generation == str(generation))
        & (lists.c.scope == signed.c.scope)
        & (lists.c.number == signed.c.number),
    )
    return {Scope(row.scope): _record(generation, row) for row in connection.execute(query)}


def intend(connection: Connection, records: Iterable[ListRecord]) -> None:
    """Write down the lists that are about to be signed."""
    rows = [
        {
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
        for record in records
    ]
    if rows:
        connection.execute(insert(lists), rows)


def complete(connection: Connection, signed: Iterable[tuple[ListRecord, bytes]]) -> None:
    """Write down the digests of the signed lists."""
    for record, digest in signed:
        connection.execute(
            update(lists)
            .where(
                lists.c.generation == str(record.generation),
                lists.c.scope == record.scope,
                lists.c.number == record.number,
            )
            .values(digest=digest)
        )


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
    )


def _point(text: str | None) -> DirectoryName | None:
    if text is None:
        return None
    steps = msgspec.json.decode(text, type=list[tuple[str, str]])
    return DirectoryName(tuple((Attribute(attribute), value) for attribute, value in steps))
