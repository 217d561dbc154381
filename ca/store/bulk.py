"""Reading and writing many rows at once, without the work that the toolkit does for each value of each row.

The values go to the driver as they are: moments as ``microseconds``, enums as their values. SQLite takes a statement many
times; PostgreSQL, which would answer each time, takes all rows at once: a COPY, or arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    Insert,
    Update,
    any_,
    bindparam,
)
from sqlalchemy.sql.compiler import SQLCompiler

AT_ONCE = 500
"""Values that one statement is asked with; SQLite takes a limited number."""


def among(connection: Connection, column: Column[Any], values: Sequence[object]) -> ColumnElement[bool]:
    """That a column has one of these values, of which there are at most ``AT_ONCE``."""
    if connection.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))
    return column.in_(values)


def insert_rows(
    connection: Connection, statement: Insert, names: tuple[str, ...], rows: Sequence[tuple[object, ...]]
) -> None:
    """Insert rows with values for these columns; the statement is a constant of its module."""
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        update_rows(connection, statement, names, rows)
        return
    driver: Any = connection.connection.driver_connection
    columns = ", ".join(map(connection.dialect.identifier_preparer.quote, names))
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {statement.table.name} ({columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def update_rows(
    connection: Connection,
    statement: Insert | Update | Delete,
    names: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Execute a statement for every row.

    Args:
        connection: A transaction that writes.
        statement: A constant of its module, since it is compiled once.
        names: The parameters that each row has values for, in their order.
        rows: The values.
    """
    if not rows:
        return
    text, order = _compiled(statement, names, connection.dialect)
    if order is None:
        connection.exec_driver_sql(text, [dict(zip(names, row, strict=True)) for row in rows])
    elif order == tuple(range(len(names))):
        connection.exec_driver_sql(text, list(rows))
    else:
        connection.exec_driver_sql(text, [tuple([row[place] for place in order]) for row in rows])


@lru_cache(maxsize=64)
def _compiled(
    statement: Insert | Update | Delete, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, tuple[int, ...] | None]:
    """The statement's text, and which values it takes in which order; None if it takes them by name."""
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    assert isinstance(compiled, SQLCompiler), "a statement with parameters"
    if not compiled.positional:
        return str(compiled), None
    assert compiled.positiontup is not None, "positional parameters have an order"
    return str(compiled), tuple(names.index(name) for name in compiled.positiontup)
