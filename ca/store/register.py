"""The national register: events that were acknowledged, codes of one resident, how far databases follow the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ca.journal.entries import EventEntry
from ca.rules.residents import Change, ChangeKind
from ca.store.bulk import AT_ONCE, among, insert_rows
from ca.store.tables import counters, microseconds, register_events, resident_codes

MOST_CODES = 16
"""Codes that one resident may have had; more are no life but a mistake."""

_APPLIED = "journal-applied"
_COLUMNS = (
    "event",
    "kind",
    "holder",
    "occurred_at",
    "notified_at",
    "effective_at",
    "received_at",
    "journal_index",
    "state",
    "withdraws",
    "new_holder",
)
_INSERT = insert(register_events)


class EventState(StrEnum):
    """Whether an event's effect is still to come."""

    WAITING = "waiting"
    SETTLED = "settled"


def add(connection: Connection, entries: Iterable[tuple[int, EventEntry]]) -> None:
    """Write down events that stand in the journal, each with the index of its record, and what codes they link."""
    rows: list[tuple[object, ...]] = []
    for index, entry in entries:
        change = change_of(entry)
        rows.append(
            (
                change.id,
                change.kind,
                change.holder,
                microseconds(change.occurred),
                microseconds(change.notified),
                microseconds(change.effective),
                microseconds(entry.received),
                index,
                EventState.WAITING if entry.outcome == EventState.WAITING else EventState.SETTLED,
                change.withdraws,
                change.new_holder,
            )
        )
        if entry.links and change.new_holder is not None:
            _link(connection, change.holder, change.new_holder, change.id)
    insert_rows(connection, _INSERT, _COLUMNS, rows)


def change_of(entry: EventEntry) -> Change:
    """The event that a record tells of."""
    return Change(
        entry.event,
        ChangeKind(entry.kind),
        bytes.fromhex(entry.holder),
        entry.occurred,
        entry.notified,
        entry.effective,
        entry.withdraws,
        None if entry.new_holder is None else bytes.fromhex(entry.new_holder),
    )


def settle(connection: Connection, event: str, *, links: bool = False) -> None:
    """Write down that an event waits no longer, and whether its old and its new code count as one from now on."""
    columns = register_events.c
    row = connection.execute(
        update(register_events)
        .where(columns.event == event)
        .values(state=EventState.SETTLED)
        .returning(columns.holder, columns.new_holder)
    ).one()
    if links and row.new_holder is not None:
        _link(connection, row.holder, row.new_holder, event)


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


def of_holders(connection: Connection, holders: Sequence[bytes], *, settled: bool = False) -> list[Change]:
    """What the register has told under these codes, by effect and event; or only what waits no longer."""
    columns = register_events.c
    found: list[Change] = []
    for start in range(0, len(holders), AT_ONCE):
        query = select(register_events).where(
            among(connection, columns.holder, holders[start : start + AT_ONCE])
        )
        if settled:
            query = query.where(columns.state == EventState.SETTLED)
        found += map(_change, connection.execute(query))
    return sorted(found, key=lambda change: (change.effective, change.id))


def due(connection: Connection, at: datetime, limit: int) -> list[Change]:
    """The first of the events that waited and whose effect has come, by effect and event."""
    columns = register_events.c
    query = (
        select(register_events)
        .where(columns.state == EventState.WAITING, columns.effective_at <= at)
        .order_by(columns.effective_at, columns.event)
        .limit(limit)
    )
    return [_change(row) for row in connection.execute(query)]


def codes_of(connection: Connection, codes: Collection[bytes]) -> dict[bytes, frozenset[bytes]]:
    """All codes of the resident behind each of these, itself among them."""
    linked: dict[bytes, set[bytes]] = defaultdict(set)
    asked: set[bytes] = set()
    ask = set(codes)
    while ask:
        asked |= ask
        for old, new in _links(connection, sorted(ask)):
            linked[old].add(new)
            linked[new].add(old)
        ask = linked.keys() - asked
    found: dict[bytes, frozenset[bytes]] = {}
    for code in codes:
        if code not in found:
            resident, reached = {code}, [code]
            while reached:
                others = linked.get(reached.pop(), set()) - resident
                resident |= others
                reached += others
            found |= dict.fromkeys(resident, frozenset(resident))
    return found


def journal_index_of(connection: Connection, event: str) -> int | None:
    """The journal's record by which an event was acknowledged; None if it is not known."""
    query = select(register_events.c.journal_index).where(register_events.c.event == event)
    found: int | None = connection.execute(query).scalar_one_or_none()
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


def _link(connection: Connection, old: bytes, new: bytes, event: str) -> None:
    columns = resident_codes.c
    there = select(columns.event).where(columns.old == old, columns.new == new)
    if connection.execute(there).one_or_none() is None:
        connection.execute(insert(resident_codes).values(old=old, new=new, event=event))


def _links(connection: Connection, codes: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    columns = resident_codes.c
    found: list[tuple[bytes, bytes]] = []
    for start in range(0, len(codes), AT_ONCE):
        some = codes[start : start + AT_ONCE]
        for side in (columns.old, columns.new):
            query = select(columns.old, columns.new).where(among(connection, side, some))
            found += ((old, new) for old, new in connection.execute(query))
    return found


def _change(row: Row[Any]) -> Change:
    return Change(
        row.event,
        ChangeKind(row.kind),
        row.holder,
        row.occurred_at,
        row.notified_at,
        row.effective_at,
        row.withdraws,
        row.new_holder,
    )
