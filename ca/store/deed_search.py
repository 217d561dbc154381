"""Looking through the deeds: for auditors, and for whoever asks who did it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ca.model import OfficeId, OfficerId
from ca.store.deeds import Deed, DeedRecord
from ca.store.tables import deeds


@dataclass(frozen=True, slots=True)
class WantedDeeds:
    """Which deeds are looked for; what is None or empty does not matter.

    Attributes:
        since: Done at this moment or later, and ``until`` before this one.
    """

    what: Deed | None = None
    officer: str = ""
    about: str = ""
    since: datetime | None = None
    until: datetime | None = None


def find_deeds(
    connection: Connection, wanted: WantedDeeds, *, before: int | None = None, limit: int
) -> list[DeedRecord]:
    """The deeds that are looked for, the latest first.

    Args:
        connection: A transaction.
        wanted: Which.
        before: Only those with lower numbers, for the next page.
        limit: How many at most.
    """
    query = select(deeds).order_by(deeds.c.deed.desc()).limit(limit)
    if wanted.what is not None:
        query = query.where(deeds.c.what == wanted.what)
    if wanted.officer:
        query = query.where(deeds.c.officer == wanted.officer)
    if wanted.about:
        query = query.where(deeds.c.about == wanted.about)
    if wanted.since is not None:
        query = query.where(deeds.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(deeds.c.at < wanted.until)
    if before is not None:
        query = query.where(deeds.c.deed < before)
    return [_record(row) for row in connection.execute(query)]


def deed_at(connection: Connection, what: Deed, at: datetime) -> DeedRecord | None:
    """The last deed of a kind at just this moment, if there is one."""
    query = select(deeds).where(deeds.c.at == at, deeds.c.what == what).order_by(deeds.c.deed.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _record(row)


def _record(row: Row[Any]) -> DeedRecord:
    return DeedRecord(
        row.deed,
        row.at,
        None if row.officer is None else OfficerId(row.officer),
        None if row.office is None else OfficeId(row.office),
        Deed(row.what),
        row.about,
    )
