"""Client keys of officers and machines, kept as hashes, and the leases of timed jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from ca.errors import Conflict, NotFound
from ca.journal.entries import KeyEndEntry
from ca.model import OfficerId
from ca.store.tables import client_keys, leases


class KeyPurpose(StrEnum):
    """What a client key opens: an officer's steps, or the change feed."""

    OFFICER = "officer"
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class ClientKey:
    """Whose key it is.

    Attributes:
        officer: Set exactly for officers' keys.
        feed: The one feed that it may send; None for a key that may send any.
    """

    name: str
    purpose: KeyPurpose
    officer: OfficerId | None
    revoked_at: datetime | None
    feed: str | None = None


def add_key(
    connection: Connection,
    digest: bytes,
    *,
    name: str,
    purpose: KeyPurpose,
    officer: OfficerId | None,
    feed: str | None = None,
    at: datetime,
) -> None:
    """Write down a new key's hash, or raise Conflict if a key of this name is in use."""
    assert (officer is not None) == (purpose is KeyPurpose.OFFICER), "an officer's key names the officer"
    assert feed is None or purpose is KeyPurpose.FEED, "only a feed's key names a feed"
    in_use = select(client_keys.c.name).where(client_keys.c.name == name, client_keys.c.revoked_at.is_(None))
    if connection.execute(in_use).first() is not None:
        raise Conflict(f"client {name}", "has a key already", remedy="Revoke it first")
    connection.execute(
        insert(client_keys).values(
            digest=digest, name=name, purpose=purpose, officer=officer, feed=feed, made_at=at, revoked_at=None
        )
    )


def keys_in_use(connection: Connection, name: str) -> list[bytes]:
    """The hashes of the keys of this name that are in use, or NotFound if there is none."""
    query = select(client_keys.c.digest).where(client_keys.c.name == name, client_keys.c.revoked_at.is_(None))
    found = list(connection.execute(query).scalars())
    if not found:
        raise NotFound(f"client {name!r}", "has no key in use")
    return found


def end_keys(connection: Connection, entry: KeyEndEntry) -> None:
    """End the keys with these hashes, those that are there and in use."""
    connection.execute(
        update(client_keys)
        .where(client_keys.c.digest.in_(map(bytes.fromhex, entry.keys)), client_keys.c.revoked_at.is_(None))
        .values(revoked_at=entry.at)
    )


def find_key(connection: Connection, digest: bytes) -> ClientKey | None:
    """The key with this hash, revoked or not."""
    row = connection.execute(select(client_keys).where(client_keys.c.digest == digest)).one_or_none()
    return None if row is None else _key(row)


def all_keys(connection: Connection) -> list[tuple[ClientKey, datetime]]:
    """Every key with the moment when it was made, by name."""
    query = select(client_keys).order_by(client_keys.c.name, client_keys.c.made_at)
    return [(_key(row), row.made_at) for row in connection.execute(query)]


def take_lease(
    connection: Connection, job: str, owner: str, *, lasting: timedelta, at: datetime
) -> datetime | None:
    """Until when this owner holds the job from now on; None if another owner holds it.

    ``at`` is the machine's time, not a test world's: leases count real seconds.
    """
    until = at + lasting
    free = or_(leases.c.owner == owner, leases.c.until <= at)
    changed = connection.execute(
        update(leases).where(leases.c.job == job).where(free).values(owner=owner, until=until)
    )
    if changed.rowcount == 1:
        return until
    if connection.execute(select(leases.c.job).where(leases.c.job == job)).first() is not None:
        return None
    connection.execute(insert(leases).values(job=job, owner=owner, until=until))
    return until


def release_leases(connection: Connection, owner: str) -> None:
    """Give back every job that this owner holds."""
    connection.execute(delete(leases).where(leases.c.owner == owner))


def lease_end(connection: Connection, job: str) -> datetime | None:
    """Until when somebody holds the job, if anybody ever did."""
    return connection.execute(select(leases.c.until).where(leases.c.job == job)).scalar_one_or_none()


def _key(row: Row[Any]) -> ClientKey:
    officer = None if row.officer is None else OfficerId(row.officer)
    return ClientKey(row.name, KeyPurpose(row.purpose), officer, row.revoked_at, row.feed)
