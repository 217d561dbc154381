"""Revocations: one row a certificate, with its list entry encoded, and the sequence that orders them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from ca.model import FULL, CertificateId, GenerationId, OfficerId, Revocation, RevocationReason, Scope
from ca.model import Serial as SerialNumber
from ca.store.tables import counters, revocations

_SEQUENCE = "revocation-sequence"
_PUBLISHED = "published-sequence"


def record(
    connection: Connection,
    generation: GenerationId,
    scope: Scope,
    revocation: Revocation,
    *,
    entry: bytes,
    officer: OfficerId,
    at: datetime,
) -> int:
    """Write down a revocation, in the place of an earlier one of the same certificate; gives its sequence."""
    sequence = _next_sequence(connection)
    key = {"generation": str(generation), "scope": scope, "serial": revocation.serial.octets}
    connection.execute(
        delete(revocations).where(*(revocations.c[name] == value for name, value in key.items()))
    )
    connection.execute(
        insert(revocations).values(
            **key,
            revoked_at=revocation.revoked_at,
            reason=revocation.reason,
            invalid_since=revocation.invalid_since,
            entry=entry,
            sequence=sequence,
            officer=officer,
            recorded_at=at,
        )
    )
    return sequence


def find(connection: Connection, certificate: CertificateId, scope: Scope) -> Revocation | None:
    """How the certificate ended, if it did."""
    row = connection.execute(
        select(revocations).where(
            revocations.c.generation == str(certificate.generation),
            revocations.c.scope == scope,
            revocations.c.serial == certificate.serial.octets,
        )
    ).one_or_none()
    if row is None:
        return None
    return Revocation(
        SerialNumber.of(row.serial), row.revoked_at, RevocationReason(row.reason), row.invalid_since
    )


def of_list(connection: Connection, generation: GenerationId, scope: Scope) -> list[tuple[Revocation, bytes]]:
    """What a list of this scope says, by serial, each with its encoded entry; the full list says all."""
    query = select(revocations).where(revocations.c.generation == str(generation))
    if scope != FULL:
        query = query.where(revocations.c.scope == scope)
    return [
        (
            Revocation(
                SerialNumber.of(row.serial), row.revoked_at, RevocationReason(row.reason), row.invalid_since
            ),
            row.entry,
        )
        for row in connection.execute(query.order_by(revocations.c.serial))
    ]


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


def _next_sequence(connection: Connection) -> int:
    value = connection.execute(
        update(counters)
        .where(counters.c.name == _SEQUENCE)
        .values(value=counters.c.value + 1)
        .returning(counters.c.value)
    ).scalar_one()
    return int(value)
