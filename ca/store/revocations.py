"""Revocations: one row a certificate, with its list entry encoded, and the sequence that orders them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from ca.model import FULL, CertificateId, Revocation, RevocationReason, Scope
from ca.model import Serial as SerialNumber
from ca.store.bulk import insert_rows, update_rows
from ca.store.tables import counters, microseconds, revocations

_COLUMNS = (
    "generation",
    "scope",
    "serial",
    "revoked_at",
    "reason",
    "invalid_since",
    "not_after",
    "entry",
    "sequence",
    "cause",
    "journal_index",
    "recorded_at",
)
_INSERT = insert(revocations)
_FORGET = delete(revocations).where(
    revocations.c.generation == bindparam("of"),
    revocations.c.scope == bindparam("where"),
    revocations.c.serial == bindparam("number"),
)
_SEQUENCE = "revocation-sequence"
_PUBLISHED = "published-sequence"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a certificate stands that has ever been revoked; a lifted hold has the reason removeFromCRL.

    Attributes:
        cause: What ended it: ``event ...``, ``officer ...``, ``holder's request ...``, ``order ...``, ``quarantine ...``,
            ``signing cycle``.
        journal_index: The record that ordered it; 0 if it is older than the journal of such things.
    """

    revocation: Revocation
    cause: str
    journal_index: int
    sequence: int
    recorded_at: datetime

    @property
    def held_by_register(self) -> bool:
        """Whether it is a hold that an event of the register made, and another one may lift."""
        return self.revocation.reason is RevocationReason.CERTIFICATE_HOLD and self.cause.startswith("event ")


@dataclass(frozen=True, slots=True)
class NewRevocation:
    """A certificate that ends.

    Attributes:
        scope: The list that says so.
        not_after: The certificate's own end.
        entry: The list's entry, encoded.
        again: Whether something is recorded against it already, which this replaces.
        cause: What ended it, and ``journal_index`` the record that ordered it, as in ``Standing``.
        at: When it is written down.
    """

    certificate: CertificateId
    scope: Scope
    revocation: Revocation
    not_after: datetime
    entry: bytes
    again: bool
    cause: str
    journal_index: int
    at: datetime


def record_all(connection: Connection, ended: Sequence[NewRevocation]) -> int:
    """Write down what ended, of several ends of one certificate the last; gives the last one's sequence."""
    replaced = [_key(one) for one in ended if one.again]
    update_rows(connection, _FORGET, ("of", "where", "number"), replaced)
    last = _take_sequences(connection, len(ended))
    rows: dict[tuple[str, str, bytes], tuple[object, ...]] = {}
    for sequence, one in enumerate(ended, last - len(ended) + 1):
        since = one.revocation.invalid_since
        rows[_key(one)] = (
            *_key(one),
            microseconds(one.revocation.revoked_at),
            int(one.revocation.reason),
            None if since is None else microseconds(since),
            microseconds(one.not_after),
            one.entry,
            sequence,
            one.cause,
            one.journal_index,
            microseconds(one.at),
        )
    insert_rows(connection, _INSERT, _COLUMNS, list(rows.values()))
    return last


def take_over(
    connection: Connection, certificate: CertificateId, scope: Scope, cause: str, index: int, at: datetime
) -> None:
    """Have another cause stand behind what is recorded; what lists say of it stays as it is, and so does its sequence."""
    connection.execute(
        update(revocations)
        .where(
            revocations.c.generation == str(certificate.generation),
            revocations.c.scope == scope,
            revocations.c.serial == certificate.serial.octets,
        )
        .values(cause=cause, journal_index=index, recorded_at=at)
    )


def standing(connection: Connection, certificate: CertificateId, scope: Scope) -> Standing | None:
    """What is recorded against a certificate, also a hold that was lifted."""
    row = connection.execute(
        select(revocations).where(
            revocations.c.generation == str(certificate.generation),
            revocations.c.scope == scope,
            revocations.c.serial == certificate.serial.octets,
        )
    ).one_or_none()
    if row is None:
        return None
    return Standing(_revocation(row), row.cause, row.journal_index, row.sequence, row.recorded_at)


def find(connection: Connection, certificate: CertificateId, scope: Scope) -> Revocation | None:
    """How the certificate ended, if it did; a lifted hold has not ended it."""
    found = standing(connection, certificate, scope)
    if found is None or found.revocation.reason is RevocationReason.REMOVE_FROM_CRL:
        return None
    return found.revocation


def lists_naming(scope: Scope) -> tuple[Scope, ...]:
    """Which lists say that a certificate of this scope ended: its own, and the full list."""
    return (FULL,) if scope == FULL else (scope, FULL)


def sequence(connection: Connection) -> int:
    """The newest revocation's sequence; 0 before the first."""
    return _counter(connection, _SEQUENCE)


def published(connection: Connection) -> int:
    """Up to which sequence the published lists say everything."""
    return _counter(connection, _PUBLISHED)


def set_published(connection: Connection, upto: int) -> None:
    """Write down that the published lists say everything up to this sequence."""
    changed = connection.execute(update(counters).where(counters.c.name == _PUBLISHED).values(value=upto))
    if changed.rowcount == 0:
        connection.execute(insert(counters).values(name=_PUBLISHED, value=upto))


def _counter(connection: Connection, name: str) -> int:
    query = select(counters.c.value).where(counters.c.name == name)
    return connection.execute(query).scalar_one_or_none() or 0


def _take_sequences(connection: Connection, count: int) -> int:
    """Take so many numbers, which follow each other; gives the last."""
    value = connection.execute(
        update(counters)
        .where(counters.c.name == _SEQUENCE)
        .values(value=counters.c.value + count)
        .returning(counters.c.value)
    ).scalar_one()
    return int(value)


def _key(one: NewRevocation) -> tuple[str, str, bytes]:
    return (str(one.certificate.generation), one.scope, one.certificate.serial.octets)


def _revocation(row: Row[Any]) -> Revocation:
    return Revocation(
        SerialNumber.of(row.serial), row.revoked_at, RevocationReason(row.reason), row.invalid_since
    )
