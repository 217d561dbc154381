"""Which lists do not say yet what the store knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, func, literal, select, union_all

from ca.model import FULL, GenerationId, Scope
from ca.store.tables import delta_lists, lists, revocations


@dataclass(frozen=True, slots=True)
class Behind:
    """A complete list that lacks a revocation.

    Attributes:
        newest: The sequence of the newest revocation that belongs into it.
        said: Up to which sequence it says all there is for it to say.
        delta: Up to which sequence the newest delta list says it; 0 if there is none.
    """

    scope: Scope
    newest: int
    said: int
    delta: int


def touched_since(connection: Connection, sequence: int) -> dict[GenerationId, list[Behind]]:
    """The lists that a revocation later than this sequence belongs into, and whose newest complete one lacks it.

    The sequence only bounds the search: 0 finds every list that is behind, however it came to be.
    """
    # Without statistics SQLite would rather pass over all rows in the order of the groups than use the index of
    # sequences; what is no column has no order.
    generation = revocations.c.generation + ""
    touched = (
        select(
            generation.label("generation"),
            revocations.c.scope,
            func.min(revocations.c.sequence).label("oldest"),
            func.max(revocations.c.sequence).label("newest"),
        )
        .where(revocations.c.sequence > sequence)
        .group_by(generation, revocations.c.scope)
        .cte("touched")
    )
    # Whatever ended stands in its own list and in the full one (ca.store.revocations.lists_naming).
    own = select(touched).where(touched.c.scope != FULL)
    whole = select(
        touched.c.generation, literal(str(FULL)), func.min(touched.c.oldest), func.max(touched.c.newest)
    ).group_by(touched.c.generation)
    wanted = union_all(own, whole).subquery("wanted")
    said = [
        func.coalesce(_said(table, wanted.c.generation, wanted.c.scope), 0) for table in (lists, delta_lists)
    ]
    query = select(wanted, *said).where(said[0] < wanted.c.newest)
    found: dict[GenerationId, list[Behind]] = {}
    for name, scope, oldest, newest, complete, delta in sorted(connection.execute(query)):
        behind = Behind(Scope(scope), newest, max(complete, oldest - 1), delta)
        found.setdefault(GenerationId.parse(name), []).append(behind)
    return found


def first_saying(
    connection: Connection, generation: GenerationId, scope: Scope, sequence: int
) -> tuple[int, datetime] | None:
    """The number and moment of the first complete list of a scope that says the revocation of this sequence."""
    row = connection.execute(
        select(lists.c.number, lists.c.this_update)
        .where(
            lists.c.generation == str(generation),
            lists.c.scope == scope,
            lists.c.digest.is_not(None),
            lists.c.sequence >= sequence,
        )
        .order_by(lists.c.number)
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.number, row.this_update)


def placed_since(
    connection: Connection, generation: GenerationId, scope: Scope, since: datetime, before: int | None
) -> list[tuple[int, datetime]]:
    """The numbers and moments of a scope's complete lists from a moment on, up to this number, ascending."""
    query = select(lists.c.number, lists.c.this_update).where(
        lists.c.generation == str(generation),
        lists.c.scope == scope,
        lists.c.digest.is_not(None),
        lists.c.this_update >= since,
    )
    if before is not None:
        query = query.where(lists.c.number < before)
    return [(row.number, row.this_update) for row in connection.execute(query.order_by(lists.c.number))]


def _said(table: Table, generation: ColumnElement[str], scope: ColumnElement[str]) -> ColumnElement[int]:
    """The sequence of the newest of these lists that was placed."""
    return (
        select(table.c.sequence)
        .where(table.c.generation == generation, table.c.scope == scope, table.c.digest.is_not(None))
        .order_by(table.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
