"""Marks: what a database says of itself, such as the home that it belongs to."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from ca.store.tables import marks


def find(connection: Connection, name: str) -> str | None:
    """The mark of this name, if the database has it."""
    found: str | None = connection.execute(
        select(marks.c.value).where(marks.c.name == name)
    ).scalar_one_or_none()
    return found


def put(connection: Connection, name: str, value: str) -> None:
    """Give the database a mark that it does not have."""
    connection.execute(insert(marks).values(name=name, value=value))
