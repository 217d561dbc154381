"""The quarantine: what the rules could not decide, and what an officer decided then."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from ca.errors import NotFound
from ca.journal.entries import QuarantineEntry, ResolutionEntry
from ca.store.bulk import AT_ONCE, among
from ca.store.tables import quarantine


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the quarantine.

    Attributes:
        event: The event that it is about.
        problem: Why nothing was decided.
        facts: The event, if the register knows its id for another one; JSON.
        journal_index: The record that opened it.
        decision: What an officer decided; it and what follows it are None while the case is open.
    """

    number: int
    event: str
    problem: str
    facts: str | None = field(repr=False)
    opened_at: datetime
    journal_index: int
    decision: str | None
    officer: str | None
    resolved_at: datetime | None


def open_case(connection: Connection, entry: QuarantineEntry, index: int) -> None:
    """Open the case that the record of this index tells of, if it is not known."""
    if connection.execute(select(quarantine.c.case).where(quarantine.c.case == entry.case)).one_or_none():
        return
    connection.execute(
        insert(quarantine).values(
            case=entry.case,
            event=entry.event,
            problem=entry.problem,
            facts=entry.facts,
            opened_at=entry.at,
            journal_index=index,
        )
    )


def resolve(connection: Connection, entry: ResolutionEntry) -> None:
    """Close a case as an officer decided."""
    connection.execute(
        update(quarantine)
        .where(quarantine.c.case == entry.case, quarantine.c.decision.is_(None))
        .values(decision=entry.decision, officer=entry.officer, resolved_at=entry.at)
    )


def find(connection: Connection, number: int) -> Case:
    """A case, or NotFound."""
    row = connection.execute(select(quarantine).where(quarantine.c.case == number)).one_or_none()
    if row is None:
        raise NotFound(f"quarantine case {number}", "is unknown", remedy="`kakehashi quarantine list`")
    return _case(row)


def cases(connection: Connection, *, resolved: bool = False) -> list[Case]:
    """The open cases by number, or all of them."""
    query = select(quarantine).order_by(quarantine.c.case)
    if not resolved:
        query = query.where(quarantine.c.decision.is_(None))
    return [_case(row) for row in connection.execute(query)]


def of_events(connection: Connection, events: Collection[str]) -> list[Case]:
    """The cases about these events, by number."""
    names, found = sorted(events), list[Case]()
    for start in range(0, len(names), AT_ONCE):
        some = among(connection, quarantine.c.event, names[start : start + AT_ONCE])
        found += map(_case, connection.execute(select(quarantine).where(some)))
    return sorted(found, key=lambda case: case.number)


def next_number(connection: Connection) -> int:
    """The number of the next case."""
    return (connection.execute(select(func.max(quarantine.c.case))).scalar_one() or 0) + 1


def _case(row: Row[Any]) -> Case:
    return Case(
        row.case,
        row.event,
        row.problem,
        row.facts,
        row.opened_at,
        row.journal_index,
        row.decision,
        row.officer,
        row.resolved_at,
    )
