"""Orders that end many certificates at once: what each is about, who stands for it, and how far it is carried out.

Whatever changes one is a record of the journal, and what is written here follows it: each order says which record was the
last, so that none is followed twice, and an older copy of it comes to what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from ca.errors import NotFound
from ca.journal import entries
from ca.journal.entries import ORDER, MassNamesEntry, MassOrderEntry, MassStepEntry
from ca.model import CertificateId, OfficerId, RevocationReason
from ca.store import numbers
from ca.store.bulk import insert_rows
from ca.store.tables import order_certificates, order_steps, orders

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


class OrderStep(StrEnum):
    """What an officer can do about an order that was made; the value is the word that says it was done."""

    APPROVE = "approved"
    PAUSE = "paused"
    RESUME = "resumed"
    CANCEL = "cancelled"

    @property
    def leads_to(self) -> OrderState:
        """Where the order stands then."""
        return _LEADS_TO[self]


_LEADS_TO = {
    OrderStep.APPROVE: OrderState.RUNNING,
    OrderStep.PAUSE: OrderState.PAUSED,
    OrderStep.RESUME: OrderState.RUNNING,
    OrderStep.CANCEL: OrderState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class OrderStepTaken:
    """A step that an officer took."""

    step: OrderStep
    officer: OfficerId
    at: datetime


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


def next_number(connection: Connection) -> int:
    """The number of the next order: one that was never given, also where a copy has forgotten to which."""
    newest = connection.execute(select(func.max(orders.c.order))).scalar_one()
    return max(newest or 0, numbers.spent_orders(connection)) + 1


def add(connection: Connection, entry: MassOrderEntry, index: int) -> None:
    """Write down an order that was made, if it is not there."""
    numbers.spend_order(connection, entry.number)
    if _followed(connection, entry.number) is not None:
        return
    connection.execute(
        insert(orders).values(
            order=entry.number,
            selection=entry.selection,
            reason=RevocationReason.parse(entry.reason),
            priority=entry.priority,
            state=OrderState.MADE,
            officer=entry.officer,
            second_officer=None,
            made_at=entry.at,
            approved_at=None,
            found=entry.found,
            done=0,
            place=None,
            journal_index=index,
        )
    )


def add_names(connection: Connection, entry: MassNamesEntry) -> None:
    """Write down which certificates an order names, if they are not there."""
    numbers.spend_order(connection, entry.number)
    named = sorted(map(CertificateId.parse, entry.certificates))
    rows = [(entry.number, str(one.generation), one.serial.octets) for one in named]
    columns = order_certificates.c
    key = (columns.order, columns.generation, columns.serial)
    first = select(columns.order).where(
        *(column == value for column, value in zip(key, rows[0], strict=True))
    )
    if connection.execute(first).one_or_none() is None:
        insert_rows(connection, _INSERT_CERTIFICATES, ("order", "generation", "serial"), rows)


def take(connection: Connection, entry: MassStepEntry, index: int) -> None:
    """Write down a step that an officer took, if the order has not followed the journal so far."""
    numbers.spend_order(connection, entry.number)
    if not _behind(connection, entry.number, index):
        return
    step = OrderStep(entry.step)
    values: dict[str, object] = {"state": step.leads_to, "journal_index": index}
    if step is OrderStep.APPROVE:
        values |= {"second_officer": entry.officer, "approved_at": entry.at, "found": entry.found}
    connection.execute(update(orders).where(orders.c.order == entry.number).values(values))
    connection.execute(
        insert(order_steps).values(
            order=entry.number, journal_index=index, step=step, officer=entry.officer, at=entry.at
        )
    )


def proceed(connection: Connection, number: int, progress: entries.Progress, index: int) -> None:
    """Write down how far an order is carried out, if it has not followed the journal so far."""
    if not _behind(connection, number, index):
        return
    values: dict[str, object] = {"done": progress.done, "journal_index": index}
    if progress.place is not None:
        kept = _Kept(progress.ended, progress.expired, progress.place)
        values["place"] = msgspec.json.encode(kept).decode()
    if progress.finished:
        values["state"] = OrderState.DONE
    connection.execute(update(orders).where(orders.c.order == number).values(values))


def _behind(connection: Connection, number: int, index: int) -> bool:
    """Whether an order is there, and has not followed the journal up to this record."""
    followed = _followed(connection, number)
    return followed is not None and followed < index


def _followed(connection: Connection, number: int) -> int | None:
    """The last record that an order has followed; None if there is no such order."""
    query = select(orders.c.journal_index).where(orders.c.order == number)
    return connection.execute(query).scalar_one_or_none()


def find(connection: Connection, number: int) -> OrderRecord:
    """The order of this number, or NotFound."""
    row = connection.execute(select(orders).where(orders.c.order == number)).one_or_none()
    if row is None:
        raise NotFound(
            f"order {number}", "is not one of this home's", remedy="`kakehashi order list` shows all"
        )
    return _record(row)


def announced(connection: Connection, counts: Mapping[int, int]) -> int:
    """How many of these changes, by the number of the order that they name, two officers have approved.

    No order has ended more certificates than it found when it was approved; one that is not here has ended none.
    """
    query = select(orders.c.order, orders.c.found).where(
        orders.c.order.in_(list(counts)),
        orders.c.approved_at.is_not(None),
        orders.c.state != OrderState.CANCELLED,
    )
    return sum(min(counts[row.order], row.found) for row in connection.execute(query))


def in_state(connection: Connection, *states: OrderState) -> list[OrderRecord]:
    """The orders in one of these states, or all, the most urgent first."""
    query = select(orders).order_by(orders.c.priority, orders.c.order)
    if states:
        query = query.where(orders.c.state.in_(states))
    return [_record(row) for row in connection.execute(query)]


def steps(connection: Connection, number: int) -> list[OrderStepTaken]:
    """What officers did about an order since it was made, in that order."""
    query = select(order_steps).where(order_steps.c.order == number).order_by(order_steps.c.journal_index)
    return [
        OrderStepTaken(OrderStep(row.step), OfficerId(row.officer), row.at)
        for row in connection.execute(query)
    ]


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
