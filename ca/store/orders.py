"""Orders that end many certificates at once: what each is about, who stands for it, and how far it is carried out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from ca.errors import NotFound
from ca.journal.entries import ORDER
from ca.model import CertificateId, OfficerId, RevocationReason
from ca.store import numbers
from ca.store.bulk import insert_rows
from ca.store.tables import order_certificates, orders

Place: TypeAlias = tuple[str | int, ...]
"""How far a selection was read: the key of the last certificate in the order in which they are read."""

_INSERT_CERTIFICATES = insert(order_certificates)


class By(StrEnum):
    """What an order's certificates have in common; the value is the word in commands."""

    MUNICIPALITY = "municipality"
    OFFICE = "office"
    BATCH = "batch"
    GENERATION = "generation"
    PARTITION = "partition"
    SERIALS = "serials"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which holders' certificates an order is about.

    Attributes:
        value: The municipality's code, the office, the batch, the generation, ``generation/scope``; or how many
            certificates are named one by one.
    """

    by: By
    value: str

    def __str__(self) -> str:
        return f"{self.by} {self.value}"

    @classmethod
    def read(cls, text: str) -> Selection:
        """Read what ``str`` wrote."""
        by, _, value = text.partition(" ")
        return cls(By(by), value)


class OrderState(StrEnum):
    """Where an order stands."""

    MADE = "made"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order is carried out, in certificates.

    Attributes:
        done: Those that it has ended, or put on hold.
        ended: Those that had ended already, in a way that the order may not change.
        expired: Those that had expired.
        place: How far the selection was read; None before the first certificate.
    """

    done: int = 0
    ended: int = 0
    expired: int = 0
    place: Place | None = None

    @property
    def looked_at(self) -> int:
        """How many certificates were come to."""
        return self.done + self.ended + self.expired


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order.

    Attributes:
        number: What it is called by, from 1.
        priority: 1 comes first.
        officer: Who made it, and ``second_officer`` who approved it.
        approved_at: It is about certificates whose intents are older.
        found: How many certificates its selection had when it was made, and again when it was approved.
    """

    number: int
    selection: Selection
    reason: RevocationReason
    priority: int
    state: OrderState
    officer: OfficerId
    made_at: datetime
    second_officer: OfficerId | None = None
    approved_at: datetime | None = None
    found: int = 0
    progress: Progress = Progress()

    @property
    def cause(self) -> str:
        """What the journal and the revocations call it."""
        return f"{ORDER}{self.number}"


class _Kept(msgspec.Struct, frozen=True):
    """What the column ``place`` holds."""

    ended: int
    expired: int
    place: Place


def add(connection: Connection, new: OrderRecord, named: Iterable[CertificateId] = ()) -> OrderRecord:
    """Write down a new order, and the certificates that it names one by one; gives it with its number."""
    newest = connection.execute(select(func.max(orders.c.order))).scalar_one()
    record = replace(new, number=max(newest or 0, numbers.spent_orders(connection)) + 1)
    connection.execute(
        insert(orders).values(
            order=record.number,
            selection=str(record.selection),
            reason=record.reason,
            priority=record.priority,
            state=record.state,
            officer=record.officer,
            second_officer=record.second_officer,
            made_at=record.made_at,
            approved_at=record.approved_at,
            found=record.found,
            done=0,
        )
    )
    rows = sorted((str(one.generation), one.serial.octets) for one in named)
    insert_rows(
        connection,
        _INSERT_CERTIFICATES,
        ("order", "generation", "serial"),
        [(record.number, *row) for row in rows],
    )
    return record


def keep(connection: Connection, record: OrderRecord) -> None:
    """Write down how an order stands now."""
    progress = record.progress
    place = None
    if progress.place is not None:
        place = msgspec.json.encode(_Kept(progress.ended, progress.expired, progress.place)).decode()
    connection.execute(
        update(orders)
        .where(orders.c.order == record.number)
        .values(
            state=record.state,
            second_officer=record.second_officer,
            approved_at=record.approved_at,
            found=record.found,
            done=progress.done,
            place=place,
        )
    )


def find(connection: Connection, number: int) -> OrderRecord:
    """The order of this number, or NotFound."""
    row = connection.execute(select(orders).where(orders.c.order == number)).one_or_none()
    if row is None:
        raise NotFound(
            f"order {number}", "is not one of this home's", remedy="`kakehashi order list` shows all"
        )
    return _record(row)


def in_state(connection: Connection, *states: OrderState) -> list[OrderRecord]:
    """The orders in one of these states, or all, the most urgent first."""
    query = select(orders).order_by(orders.c.priority, orders.c.order)
    if states:
        query = query.where(orders.c.state.in_(states))
    return [_record(row) for row in connection.execute(query)]


def _record(row: Row[Any]) -> OrderRecord:
    progress = Progress(done=row.done)
    if row.place is not None:
        kept = msgspec.json.decode(row.place, type=_Kept)
        progress = Progress(row.done, kept.ended, kept.expired, kept.place)
    return OrderRecord(
        number=row.order,
        selection=Selection.read(row.selection),
        reason=RevocationReason(row.reason),
        priority=row.priority,
        state=OrderState(row.state),
        officer=OfficerId(row.officer),
        second_officer=None if row.second_officer is None else OfficerId(row.second_officer),
        made_at=row.made_at,
        approved_at=row.approved_at,
        found=row.found,
        progress=progress,
    )
