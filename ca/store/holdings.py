"""Holdings: which holder has which certificate on which key, in the whole nation, whatever database issued it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ca.model import CertificateId, CertificateKind, GenerationId, Period, Scope, Serial
from ca.store.bulk import AT_ONCE, among, insert_rows
from ca.store.tables import holdings, microseconds

_COLUMNS = (
    "subject_key",
    "generation",
    "serial",
    "kind",
    "scope",
    "holder",
    "decided_at",
    "not_before",
    "not_after",
)
_INSERT = insert(holdings)


@dataclass(frozen=True, slots=True)
class HoldingRecord:
    """A holder's certificate as the nation's register knows it, from its intent on.

    Attributes:
        scope: The list in which it would stand if it were revoked.
        subject_key: SHA-256 of the encoded SubjectPublicKeyInfo; in all the nation no key is held twice.
        holder: The holder's keyed code, for residents.
        decided_at: When the application was approved: events that took effect later end the certificate.
    """

    certificate: CertificateId
    kind: CertificateKind
    scope: Scope
    period: Period
    subject_key: bytes
    holder: bytes | None = field(default=None, repr=False)
    decided_at: datetime | None = None


def add(connection: Connection, records: Iterable[HoldingRecord]) -> None:
    """Write down new holdings, in the transaction that looked whether their keys are new."""
    rows = [
        (
            record.subject_key,
            str(record.certificate.generation),
            record.certificate.serial.octets,
            record.kind,
            record.scope,
            record.holder,
            None if record.decided_at is None else microseconds(record.decided_at),
            microseconds(record.period.not_before),
            microseconds(record.period.not_after),
        )
        for record in records
    ]
    insert_rows(connection, _INSERT, _COLUMNS, rows)


def of_holders(connection: Connection, holders: Sequence[bytes]) -> list[HoldingRecord]:
    """The certificates of several residents, by generation and serial."""
    columns = holdings.c
    found: list[HoldingRecord] = []
    for start in range(0, len(holders), AT_ONCE):
        query = select(holdings).where(among(connection, columns.holder, holders[start : start + AT_ONCE]))
        found += map(_record, connection.execute(query.order_by(columns.generation, columns.serial)))
    return found


def of_holder(connection: Connection, holder: bytes) -> list[HoldingRecord]:
    """A resident's certificates, by generation and serial."""
    return of_holders(connection, [holder])


def with_keys(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, HoldingRecord]:
    """The holdings on these keys, by SHA-256 of the encoded SubjectPublicKeyInfo."""
    found: dict[bytes, HoldingRecord] = {}
    for start in range(0, len(digests), AT_ONCE):
        wanted = among(connection, holdings.c.subject_key, digests[start : start + AT_ONCE])
        for row in connection.execute(select(holdings).where(wanted)):
            found[row.subject_key] = _record(row)
    return found


def of_residents(
    connection: Connection, generations: Collection[GenerationId], scopes: Collection[Scope], at: datetime
) -> Iterator[HoldingRecord]:
    """The residents' certificates of these generations in these partitions that have not expired."""
    columns = holdings.c
    query = select(holdings).where(
        columns.generation.in_(map(str, generations)), columns.not_after >= at, columns.holder.is_not(None)
    )
    return (_record(row) for row in connection.execute(query) if row.scope in scopes)


def ending_first(
    connection: Connection, generation: GenerationId, most: int, at: datetime
) -> list[CertificateId]:
    """Up to so many certificates of a generation that are in their dates, first those that end first."""
    columns = holdings.c
    query = (
        select(columns.serial)
        .where(columns.generation == str(generation), columns.not_after >= at, columns.not_before <= at)
        .order_by(columns.not_after, columns.serial)
        .limit(most)
    )
    return [CertificateId(generation, Serial.of(serial)) for serial in connection.execute(query).scalars()]


def _record(row: Row[Any]) -> HoldingRecord:
    return HoldingRecord(
        certificate=CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial)),
        kind=CertificateKind(row.kind),
        scope=Scope(row.scope),
        period=Period(row.not_before, row.not_after),
        subject_key=row.subject_key,
        holder=row.holder,
        decided_at=row.decided_at,
    )
