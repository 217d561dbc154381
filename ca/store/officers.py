"""Offices and the officers in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ca.errors import Conflict, NotFound, NotPermitted
from ca.model import AuthorityId, Office, OfficeId, OfficeKind, Officer, OfficerId, Role
from ca.store.tables import officers, offices


def add_offices(connection: Connection, new: Iterable[Office]) -> None:
    """Write down offices; those that are there already stay as they are."""
    there = set(connection.execute(select(offices.c.office)).scalars())
    rows = [
        {
            "office": office.id,
            "kind": office.kind,
            "name": office.name,
            "authorities": " ".join(office.authorities),
        }
        for office in new
        if office.id not in there
    ]
    if rows:
        connection.execute(insert(offices), rows)


def office(connection: Connection, wanted: str) -> Office:
    """The office of this id, or NotFound."""
    row = connection.execute(select(offices).where(offices.c.office == wanted)).one_or_none()
    if row is None:
        raise NotFound(
            f"office {wanted!r}",
            "is not one of this home's",
            remedy="A window's office is its municipality code; the others are named by the edition",
        )
    return _office(row)


def add_officer(connection: Connection, officer: Officer) -> None:
    """Write down an officer, or raise Conflict if the id is taken."""
    query = select(officers.c.officer).where(officers.c.officer == officer.id)
    if connection.execute(query).one_or_none() is not None:
        raise Conflict(f"officer {officer.id}", "exists already", remedy="Choose another id")
    connection.execute(
        insert(officers).values(
            officer=officer.id, office=officer.office, roles=" ".join(sorted(officer.roles))
        )
    )


def officer(connection: Connection, wanted: str) -> tuple[Officer, Office]:
    """The officer of this id and the office that the officer works in, or NotFound."""
    row = connection.execute(select(officers).where(officers.c.officer == wanted)).one_or_none()
    if row is None:
        raise NotFound(
            f"officer {wanted!r}", "is not one of this home's", remedy="`kakehashi officer add` makes one"
        )
    return _officer(row), office(connection, row.office)


def operator_of_centre(connection: Connection, wanted: str) -> Officer:
    """The officer of this id, who has to be an operator of the centre; NotFound, or NotPermitted."""
    found, where = officer(connection, wanted)
    if Role.OPERATOR not in found.roles or where.kind is not OfficeKind.CENTRE:
        raise NotPermitted(f"officer {found.id}", "is not an operator of the centre")
    return found


def two_operators(connection: Connection, first: str, second: str) -> tuple[Officer, Officer]:
    """These officers, who have to be two different operators of the centre; NotFound, or NotPermitted."""
    found = operator_of_centre(connection, first), operator_of_centre(connection, second)
    if found[0].id == found[1].id:
        raise NotPermitted(f"officer {found[1].id}", "cannot be the second officer too")
    return found


def all_officers(connection: Connection) -> list[Officer]:
    """Every officer, by id."""
    return [_officer(row) for row in connection.execute(select(officers).order_by(officers.c.officer))]


def _office(row: Row[Any]) -> Office:
    return Office(
        OfficeId(row.office),
        OfficeKind(row.kind),
        row.name,
        tuple(AuthorityId(word) for word in row.authorities.split()),
    )


def _officer(row: Row[Any]) -> Officer:
    roles = frozenset(Role(word) for word in row.roles.split())
    return Officer(OfficerId(row.officer), OfficeId(row.office), roles)
