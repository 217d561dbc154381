"""Who is signed in: kept by the hash of what the browser shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from ca.model import OfficerId
from ca.store.tables import sessions


@dataclass(frozen=True, slots=True)
class Session:
    """A session.

    Attributes:
        digest: SHA-256 of the cookie's value.
        seen_at: When it was last used, to the minute or so.
        expires_at: When it ends however much it is used.
    """

    digest: bytes = field(repr=False)
    officer: OfficerId
    made_at: datetime
    seen_at: datetime
    expires_at: datetime


def begin(connection: Connection, session: Session) -> None:
    """Write down a session. Those whose time is over are forgotten."""
    connection.execute(delete(sessions).where(sessions.c.expires_at <= session.made_at))
    connection.execute(
        insert(sessions).values(
            digest=session.digest,
            officer=session.officer,
            made_at=session.made_at,
            seen_at=session.seen_at,
            expires_at=session.expires_at,
        )
    )


def find(connection: Connection, digest: bytes, *, at: datetime, idle: timedelta) -> Session | None:
    """The session with this hash, if it goes on: not ended, not past its time, not left alone for ``idle``."""
    query = select(sessions).where(sessions.c.digest == digest, *_going_on(at, idle))
    row = connection.execute(query).one_or_none()
    return None if row is None else _session(row)


def of_officer(connection: Connection, officer: OfficerId, *, at: datetime, idle: timedelta) -> list[Session]:
    """The officer's sessions that go on, the oldest first."""
    query = select(sessions).where(sessions.c.officer == officer, *_going_on(at, idle))
    return [_session(row) for row in connection.execute(query.order_by(sessions.c.made_at))]


def seen(connection: Connection, digest: bytes, at: datetime) -> None:
    """Write down that it was used."""
    connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen_at=at))


def end(connection: Connection, digest: bytes, at: datetime) -> None:
    """End a session, if there is one with this hash."""
    connection.execute(
        update(sessions).where(sessions.c.digest == digest, sessions.c.ended_at.is_(None)).values(ended_at=at)
    )


def end_all(connection: Connection, officer: OfficerId, at: datetime, *, but: bytes | None = None) -> None:
    """End every session of the officer's, or every other than the one with this hash."""
    ending = update(sessions).where(sessions.c.officer == officer, sessions.c.ended_at.is_(None))
    if but is not None:
        ending = ending.where(sessions.c.digest != but)
    connection.execute(ending.values(ended_at=at))


def _going_on(at: datetime, idle: timedelta) -> tuple[Any, ...]:
    return sessions.c.ended_at.is_(None), sessions.c.expires_at > at, sessions.c.seen_at > at - idle


def _session(row: Row[Any]) -> Session:
    return Session(bytes(row.digest), OfficerId(row.officer), row.made_at, row.seen_at, row.expires_at)
