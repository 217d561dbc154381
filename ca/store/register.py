"""The national register: every event that was acknowledged, and how far each database has followed the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ca.rules.residents import Change, ChangeKind
from ca.store.bulk import AT_ONCE, among
from ca.store.tables import counters, register_events

_APPLIED = "journal-applied"


def add(connection: Connection, change: Change, *, received_at: datetime, journal_index: int) -> None:
    """Write down an event that stands in the journal."""
    connection.execute(
        insert(register_events).values(
            event=change.id,
            kind=change.kind,
            holder=change.holder,
            occurred_at=change.occurred,
            notified_at=change.notified,
            effective_at=change.effective,
            received_at=received_at,
            journal_index=journal_index,
        )
    )


def known(connection: Connection, events: Sequence[str]) -> dict[str, Change]:
    """Those of these events that were acknowledged before."""
    found: dict[str, Change] = {}
    for start in range(0, len(events), AT_ONCE):
        query = select(register_events).where(
            among(connection, register_events.c.event, events[start : start + AT_ONCE])
        )
        for row in connection.execute(query):
            found[row.event] = _change(row)
    return found


def of_holders(connection: Connection, holders: Sequence[bytes]) -> list[Change]:
    """What the register has told of several residents; of each of them by effect and event."""
    columns = register_events.c
    found: list[Change] = []
    for start in range(0, len(holders), AT_ONCE):
        query = select(register_events).where(
            among(connection, columns.holder, holders[start : start + AT_ONCE])
        )
        found += map(_change, connection.execute(query.order_by(columns.effective_at, columns.event)))
    return found


def applied(connection: Connection) -> int:
    """The index of the last journal record that this database has applied; 0 before the first."""
    query = select(counters.c.value).where(counters.c.name == _APPLIED)
    return connection.execute(query).scalar_one_or_none() or 0


def mark_applied(connection: Connection, index: int) -> None:
    """Write down that the journal is applied in this database up to this record."""
    changed = connection.execute(update(counters).where(counters.c.name == _APPLIED).values(value=index))
    if not changed.rowcount:
        connection.execute(insert(counters).values(name=_APPLIED, value=index))


def _change(row: Row[Any]) -> Change:
    return Change(
        row.event,
        ChangeKind(row.kind),
        row.holder,
        row.occurred_at,
        row.notified_at,
        row.effective_at,
    )
