"""What officers did, or looked at, that is no step of a case: a record that only grows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select

from ca.model import OfficeId, Officer, OfficerId
from ca.store.tables import deeds


class Deed(StrEnum):
    """What was done."""

    SIGNED_IN = "signed-in"
    SIGN_IN_REFUSED = "sign-in-refused"
    SIGNED_OUT = "signed-out"
    CODE_GIVEN = "code-given"
    CODE_REFUSED = "code-refused"
    ENROLLED = "enrolled"
    PASSKEY_ADDED = "passkey-added"
    PASSKEY_ENDED = "passkey-ended"
    SESSIONS_ENDED = "sessions-ended"
    LOOKED_UP = "looked-up"
    LOOK_REFUSED = "look-refused"
    EXPORTED = "exported"
    OFFICER_ADDED = "officer-added"
    OFFICER_CHANGED = "officer-changed"
    OFFICER_ENDED = "officer-ended"
    OFFICE_SUSPENDED = "office-suspended"
    OFFICE_RESUMED = "office-resumed"
    ABOLITION_ASKED = "abolition-asked"
    ABOLITION_GRANTED = "abolition-granted"
    ABOLITION_DECLINED = "abolition-declined"


@dataclass(frozen=True, slots=True)
class DeedRecord:
    """That somebody did something.

    Attributes:
        number: Counted from 1 without gaps.
        officer: Who; None for somebody unknown, or for whoever has the machine.
        about: An id (of an officer, an office, a case, a passkey); never personal data.
    """

    number: int
    at: datetime
    officer: OfficerId | None
    office: OfficeId | None
    what: Deed
    about: str | None


def note(
    connection: Connection, what: Deed, *, who: Officer | None, about: str | None = None, at: datetime
) -> None:
    """Write down a deed, in the transaction that does it."""
    # Those who write are one at a time, in every database (ca.store.engine).
    last = connection.execute(select(func.max(deeds.c.deed))).scalar_one()
    connection.execute(
        insert(deeds).values(
            deed=(last or 0) + 1,
            at=at,
            officer=None if who is None else who.id,
            office=None if who is None else who.office,
            what=what,
            about=about,
        )
    )


def looks(
    connection: Connection, officer: OfficerId, *, since: datetime, but: str, limit: int
) -> list[datetime]:
    """When an officer has looked something up after a moment, the latest first.

    Args:
        connection: A transaction.
        officer: Whose looks.
        since: Those after this moment.
        but: What those are about that do not count.
        limit: How many at most.
    """
    query = (
        select(deeds.c.at)
        .where(deeds.c.officer == officer, deeds.c.at > since)
        .where(deeds.c.what == Deed.LOOKED_UP, deeds.c.about != but)
        .order_by(deeds.c.deed.desc())
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def latest(
    connection: Connection, *, officer: OfficerId | None = None, before: int | None = None, limit: int
) -> list[DeedRecord]:
    """Deeds, the latest first.

    Args:
        connection: A transaction.
        officer: Whose; None for everybody's.
        before: Only those with lower numbers, for the next page.
        limit: How many at most.
    """
    query = select(deeds).order_by(deeds.c.deed.desc()).limit(limit)
    if officer is not None:
        query = query.where(deeds.c.officer == officer)
    if before is not None:
        query = query.where(deeds.c.deed < before)
    return [
        DeedRecord(
            row.deed,
            row.at,
            None if row.officer is None else OfficerId(row.officer),
            None if row.office is None else OfficeId(row.office),
            Deed(row.what),
            row.about,
        )
        for row in connection.execute(query)
    ]
