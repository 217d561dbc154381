"""The primary's heartbeat: by it a copy of a database says how fresh it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from ca.model import GenerationId, Serial
from ca.store import revocations as ends
from ca.store.tables import heartbeats, revocations

_PLACE = 1
# Who has read the clock and then waits for a lock does not wait longer: a heartbeat this much later is of a clock that
# was put back since, and not of somebody who was quicker.
_LONGEST_WAIT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How far a database was when the primary was last seen alive.

    Attributes:
        moment: The world's time then: what had been acknowledged before it stands in the database.
        beaten: The machines' time then.
        sequence: The newest revocation's sequence; it may be newer than the heartbeat.
    """

    moment: datetime
    beaten: datetime
    sequence: int


def beat(connection: Connection, moment: datetime, beaten: datetime) -> None:
    """Write a heartbeat, unless a later one was written, by whoever read the clock later and waited less."""
    values = {"moment": moment, "beaten": beaten}
    found = connection.execute(select(heartbeats.c.beaten)).scalar_one_or_none()
    if found is None:
        connection.execute(insert(heartbeats).values(place=_PLACE, **values))
    elif not beaten <= found <= beaten + _LONGEST_WAIT:
        connection.execute(update(heartbeats).values(**values))


def last(connection: Connection) -> Heartbeat | None:
    """The newest heartbeat, with the sequence of the same state of the database; None before the first."""
    row = connection.execute(select(heartbeats.c.moment, heartbeats.c.beaten)).one_or_none()
    return None if row is None else Heartbeat(row.moment, row.beaten, ends.sequence(connection))


def ended_since(
    connection: Connection, sequence: int, most: int
) -> Sequence[tuple[int, GenerationId, Serial]]:
    """What ended, or was lifted, after this sequence: no more than so many, the oldest first, each with its sequence."""
    query = (
        select(revocations.c.sequence, revocations.c.generation, revocations.c.serial)
        .where(revocations.c.sequence > sequence)
        .order_by(revocations.c.sequence)
        .limit(most)
    )
    return [
        (row.sequence, GenerationId.parse(row.generation), Serial.of(row.serial))
        for row in connection.execute(query)
    ]
