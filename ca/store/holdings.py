"""Holdings: which holder has which certificate on which key, in the whole nation, whatever database issued it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from ca.model import CertificateId, CertificateKind, GenerationId, Period, Scope, Serial
from ca.store.tables import holdings

_AT_ONCE = 500  # SQLite takes a limited number of values in one statement


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
        {
            "subject_key": record.subject_key,
            "generation": str(record.certificate.generation),
            "serial": record.certificate.serial.octets,
            "kind": record.kind,
            "scope": record.scope,
            "holder": record.holder,
            "decided_at": record.decided_at,
            "not_before": record.period.not_before,
            "not_after": record.period.not_after,
        }
        for record in records
    ]
    if rows:
        connection.execute(insert(holdings), rows)


def forget(connection: Connection, subject_keys: Iterable[bytes]) -> None:
    """Take back holdings whose intent never reached the authority's database."""
    for key in subject_keys:
        connection.execute(delete(holdings).where(holdings.c.subject_key == key))


def forget_certificates(connection: Connection, certificates: Iterable[CertificateId]) -> None:
    """Take back the holdings of certificates that were never intended."""
    for certificate in certificates:
        connection.execute(
            delete(holdings).where(
                holdings.c.generation == str(certificate.generation),
                holdings.c.serial == certificate.serial.octets,
            )
        )


def of_holders(connection: Connection, holders: Sequence[bytes]) -> list[HoldingRecord]:
    """The certificates of several residents, by generation and serial."""
    columns = holdings.c
    found: list[HoldingRecord] = []
    for start in range(0, len(holders), _AT_ONCE):
        query = select(holdings).where(columns.holder.in_(holders[start : start + _AT_ONCE]))
        found += map(_record, connection.execute(query.order_by(columns.generation, columns.serial)))
    return found


def of_holder(connection: Connection, holder: bytes) -> list[HoldingRecord]:
    """A resident's certificates, by generation and serial."""
    return of_holders(connection, [holder])


def with_keys(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, HoldingRecord]:
    """The holdings on these keys, by SHA-256 of the encoded SubjectPublicKeyInfo."""
    found: dict[bytes, HoldingRecord] = {}
    for start in range(0, len(digests), _AT_ONCE):
        wanted = holdings.c.subject_key.in_(digests[start : start + _AT_ONCE])
        for row in connection.execute(select(holdings).where(wanted)):
            found[row.subject_key] = _record(row)
    return found


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
