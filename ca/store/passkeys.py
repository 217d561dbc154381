"""Officers' passkeys: public keys, and how often each authenticator says that it has signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ca.errors import Conflict, NotFound
from ca.model import OfficeKind, OfficerId, Role
from ca.store.tables import officers, offices, passkeys


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey.

    Attributes:
        credential: The id that the authenticator gave it.
        label: What its officer calls it.
        public_key: A COSE key (RFC 9052 7).
        sign_count: The last that the authenticator told; 0 for one that does not count.
    """

    credential: bytes = field(repr=False)
    officer: OfficerId
    label: str = field(repr=False)
    public_key: bytes = field(repr=False)
    sign_count: int
    made_at: datetime
    used_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def mark(self) -> str:
        """What names it in pages and in the record of deeds: the beginning of its id's SHA-256."""
        return hashlib.sha256(self.credential).hexdigest()[:16]


def add(connection: Connection, passkey: Passkey) -> None:
    """Write down a passkey, or raise Conflict if there is, or was, one of this id."""
    query = select(passkeys.c.credential).where(passkeys.c.credential == passkey.credential)
    if connection.execute(query).first() is not None:
        raise Conflict("passkey", "is enrolled already", remedy="Make a new one")
    connection.execute(
        insert(passkeys).values(
            credential=passkey.credential,
            officer=passkey.officer,
            label=passkey.label,
            public_key=passkey.public_key,
            sign_count=passkey.sign_count,
            made_at=passkey.made_at,
            used_at=passkey.used_at,
        )
    )


def find(connection: Connection, credential: bytes) -> Passkey | None:
    """The passkey of this id that is in use, if there is one."""
    query = select(passkeys).where(passkeys.c.credential == credential, passkeys.c.ended_at.is_(None))
    row = connection.execute(query).one_or_none()
    return None if row is None else _passkey(row)


def of_officer(connection: Connection, officer: OfficerId) -> list[Passkey]:
    """All that the officer has or had, the oldest first."""
    query = select(passkeys).where(passkeys.c.officer == officer)
    return [
        _passkey(row) for row in connection.execute(query.order_by(passkeys.c.made_at, passkeys.c.credential))
    ]


def in_use(connection: Connection, officer: OfficerId) -> list[Passkey]:
    """Those that the officer can sign in with, the oldest first."""
    return [found for found in of_officer(connection, officer) if found.ended_at is None]


def used(connection: Connection, passkey: Passkey, sign_count: int, at: datetime) -> None:
    """Write down that it has signed."""
    connection.execute(
        update(passkeys)
        .where(passkeys.c.credential == passkey.credential)
        .values(sign_count=sign_count, used_at=at)
    )


def end(connection: Connection, officer: OfficerId, mark: str, at: datetime) -> Passkey:
    """End one of the officer's passkeys.

    Raises:
        NotFound: The officer has none of this mark in use.
        Conflict: It is the only one, without which the officer could not sign in again.
    """
    found = in_use(connection, officer)
    wanted = next((passkey for passkey in found if passkey.mark == mark), None)
    if wanted is None:
        raise NotFound("passkey", "is not one of yours in use")
    if len(found) == 1:
        raise Conflict("passkey", "is the only one that you have", remedy="Add another one first")
    connection.execute(update(passkeys).where(passkeys.c.credential == wanted.credential).values(ended_at=at))
    return wanted


def end_all(connection: Connection, officer: OfficerId, at: datetime) -> None:
    """End every passkey of the officer's."""
    connection.execute(
        update(passkeys)
        .where(passkeys.c.officer == officer, passkeys.c.ended_at.is_(None))
        .values(ended_at=at)
    )


def operators(connection: Connection) -> list[OfficerId]:
    """The operators of the centre who work and have a passkey: those who can give codes on a page."""
    query = (
        select(officers.c.officer, officers.c.roles)
        .distinct()
        .join(offices, offices.c.office == officers.c.office)
        .join(passkeys, passkeys.c.officer == officers.c.officer)
        .where(
            offices.c.kind == OfficeKind.CENTRE, officers.c.ended_at.is_(None), passkeys.c.ended_at.is_(None)
        )
        .order_by(officers.c.officer)
    )
    rows = connection.execute(query)
    return [OfficerId(row.officer) for row in rows if Role.OPERATOR in row.roles.split()]


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        bytes(row.credential),
        OfficerId(row.officer),
        row.label,
        bytes(row.public_key),
        row.sign_count,
        row.made_at,
        row.used_at,
        row.ended_at,
    )
