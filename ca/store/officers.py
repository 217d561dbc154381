"""Offices and the officers in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

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
            officer=officer.id,
            office=officer.office,
            roles=" ".join(sorted(officer.roles)),
            name=officer.name,
        )
    )


def officer(connection: Connection, wanted: str) -> tuple[Officer, Office]:
    """The officer of this id, who is about to do something, and the officer's office.

    Raises:
        NotFound: There is no such officer.
        NotPermitted: The officer has left, or the centre has suspended the office.
    """
    found, where = known(connection, wanted)
    if found.ended_at is not None:
        raise NotPermitted(f"officer {found.id}", "may do nothing any more: the officer has left")
    _require_open(where)
    return found, where


def require_at_work(connection: Connection, wanted: OfficeId) -> None:
    """Raise NotPermitted if the centre has suspended the office: what it said in a case is not to be believed."""
    _require_open(office(connection, wanted))


def _require_open(where: Office) -> None:
    if where.suspended_at is not None:
        raise NotPermitted(
            f"office {where.id}", "is suspended by the centre", remedy="An authority operator resumes it"
        )


def known(connection: Connection, wanted: str) -> tuple[Officer, Office]:
    """The officer of this id and the office, whether they may still do anything or not; or NotFound."""
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


def of_office(connection: Connection, wanted: OfficeId) -> list[Officer]:
    """The officers of an office, by id."""
    query = select(officers).where(officers.c.office == wanted).order_by(officers.c.officer)
    return [_officer(row) for row in connection.execute(query)]


def all_offices(connection: Connection) -> list[Office]:
    """Every office, by id."""
    return [_office(row) for row in connection.execute(select(offices).order_by(offices.c.office))]


def end_officer(connection: Connection, wanted: str, at: datetime) -> Officer:
    """Have an officer do nothing any more; NotFound, or Conflict if that is so already."""
    found, _ = known(connection, wanted)
    if found.ended_at is not None:
        raise Conflict(f"officer {found.id}", "has left already")
    connection.execute(update(officers).where(officers.c.officer == found.id).values(ended_at=at))
    return replace(found, ended_at=at)


def name_officer(connection: Connection, wanted: str, name: str) -> Officer:
    """Write down what colleagues call an officer; NotFound."""
    found, _ = known(connection, wanted)
    connection.execute(update(officers).where(officers.c.officer == found.id).values(name=name))
    return replace(found, name=name)


def suspend_office(connection: Connection, wanted: str, at: datetime | None) -> Office:
    """Let nobody work in an office from this moment on, or, with None, let them work again.

    Raises:
        NotFound: There is no such office.
        NotPermitted: It is the centre, which could not be resumed by anybody.
    """
    found = office(connection, wanted)
    if found.kind is OfficeKind.CENTRE:
        raise NotPermitted(f"office {found.id}", "cannot be suspended: nobody could resume it")
    connection.execute(update(offices).where(offices.c.office == found.id).values(suspended_at=at))
    return replace(found, suspended_at=at)


def _office(row: Row[Any]) -> Office:
    return Office(
        OfficeId(row.office),
        OfficeKind(row.kind),
        row.name,
        tuple(AuthorityId(word) for word in row.authorities.split()),
        row.suspended_at,
    )


def _officer(row: Row[Any]) -> Officer:
    roles = frozenset(Role(word) for word in row.roles.split())
    return Officer(OfficerId(row.officer), OfficeId(row.office), roles, row.name, row.ended_at)
