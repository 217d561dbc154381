"""Looking through the deeds: for auditors, and for whoever asks who did it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ca.model import Office, OfficeId, OfficerId
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


def suspensions(connection: Connection, suspended: Iterable[Office]) -> dict[OfficeId, DeedRecord]:
    """By which deed each of these offices was suspended, where there is one; ``reason_of`` says why."""
    since = {office.id: office.suspended_at for office in suspended if office.suspended_at is not None}
    if not since:
        return {}
    query = select(deeds).where(deeds.c.what == Deed.OFFICE_SUSPENDED).order_by(deeds.c.deed)
    found: dict[OfficeId, DeedRecord] = {}
    for row in connection.execute(query.where(deeds.c.at >= min(since.values()))):
        office = OfficeId((row.about or "").partition(": ")[0])
        if since.get(office) == row.at:
            found[office] = _record(row)
    return found


def reason_of(deed: DeedRecord) -> str | None:
    """Why an office was suspended or resumed, if that was said."""
    return (deed.about or "").partition(": ")[2] or None


def _record(row: Row[Any]) -> DeedRecord:
    return DeedRecord(
        row.deed,
        row.at,
        None if row.officer is None else OfficerId(row.officer),
        None if row.office is None else OfficeId(row.office),
        Deed(row.what),
        row.about,
    )
