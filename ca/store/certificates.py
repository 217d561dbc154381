"""Certificates: intended (their bytes to be signed are written down), then issued."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from ca.errors import NotFound
from ca.model import ApplicationId, CertificateId, CertificateKind, GenerationId, Period, Scope, Serial
from ca.store.tables import certificate_bytes, certificates


class CertificateState(StrEnum):
    """Where a certificate's signing stands. An intent is never voided."""

    INTENDED = "intended"
    ISSUED = "issued"


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """What is known of a certificate.

    Attributes:
        scope: The list in which it would stand if it were revoked.
        subject_key: SHA-256 of the encoded SubjectPublicKeyInfo.
        holder: The holder's keyed code, for residents.
        decided_at: When the application was approved, for holders: events that took effect later end it.
        encoded: The TBSCertificate while intended, the Certificate once issued.
    """

    id: CertificateId
    kind: CertificateKind
    scope: Scope
    state: CertificateState
    period: Period
    intended_at: datetime
    subject_key: bytes
    application: ApplicationId | None
    holder: bytes | None
    encoded: bytes
    decided_at: datetime | None = None


def intend(connection: Connection, records: Iterable[CertificateRecord]) -> None:
    """Write down what is about to be signed."""
    intents = list(records)
    assert all(record.state is CertificateState.INTENDED for record in intents), (
        "nothing is issued unintended"
    )
    if not intents:
        return
    connection.execute(insert(certificates), [_to_row(record) for record in intents])
    connection.execute(insert(certificate_bytes), [_to_bytes_row(record) for record in intents])


def complete(
    connection: Connection, issued: Iterable[tuple[CertificateId, bytes]]
) -> list[CertificateRecord]:
    """Write down the signed certificates of intents; gives them as they stand from now on.

    A recovery may have signed the same bytes meanwhile: what was written down first stays, and is what counts.
    Raises NotFound if one was never intended.
    """
    standing: list[CertificateRecord] = []
    for certificate, encoded in issued:
        changed = connection.execute(
            update(certificates)
            .where(*_is(certificates.c, certificate))
            .where(certificates.c.state == CertificateState.INTENDED)
            .values(state=CertificateState.ISSUED)
        )
        if changed.rowcount == 1:
            connection.execute(
                update(certificate_bytes)
                .where(*_is(certificate_bytes.c, certificate))
                .values(encoded=encoded)
            )
        standing.append(find(connection, certificate))
    return standing


def find(connection: Connection, certificate: CertificateId) -> CertificateRecord:
    """The certificate of this id, or NotFound."""
    row = connection.execute(_select().where(*_is(certificates.c, certificate))).one_or_none()
    if row is None:
        raise NotFound(f"certificate {certificate}", "is not one of this home's")
    return _from_row(row)


def intended(connection: Connection) -> list[CertificateRecord]:
    """Every intent that has no signature yet: what a restart has to sign."""
    query = _select().where(certificates.c.state == CertificateState.INTENDED)
    return [_from_row(row) for row in connection.execute(query.order_by(*_KEY))]


def with_subject_key(connection: Connection, digest: bytes) -> list[CertificateRecord]:
    """The certificates for a public key, by SHA-256 of its encoded SubjectPublicKeyInfo."""
    query = _select().where(certificates.c.subject_key == digest)
    return [_from_row(row) for row in connection.execute(query.order_by(*_KEY))]


def of_holder(connection: Connection, holder: bytes) -> list[CertificateRecord]:
    """A resident's certificates, intended and issued, by the resident's keyed code."""
    query = _select().where(certificates.c.holder == holder)
    return [_from_row(row) for row in connection.execute(query.order_by(*_KEY))]


_KEY = (certificates.c.generation, certificates.c.serial)


def _select() -> Select[Any]:
    joined = certificates.join(
        certificate_bytes,
        (certificates.c.generation == certificate_bytes.c.generation)
        & (certificates.c.serial == certificate_bytes.c.serial),
    )
    return select(certificates, certificate_bytes.c.encoded).select_from(joined)


def _is(columns: Any, certificate: CertificateId) -> tuple[Any, Any]:
    return (
        columns.generation == str(certificate.generation),
        columns.serial == certificate.serial.octets,
    )


def _to_row(record: CertificateRecord) -> dict[str, object]:
    return {
        "generation": str(record.id.generation),
        "serial": record.id.serial.octets,
        "kind": record.kind,
        "scope": record.scope,
        "state": record.state,
        "not_before": record.period.not_before,
        "not_after": record.period.not_after,
        "intended_at": record.intended_at,
        "decided_at": record.decided_at,
        "subject_key": record.subject_key,
        "application": record.application,
        "holder": record.holder,
    }


def _to_bytes_row(record: CertificateRecord) -> dict[str, object]:
    return {
        "generation": str(record.id.generation),
        "serial": record.id.serial.octets,
        "encoded": record.encoded,
    }


def _from_row(row: Row[Any]) -> CertificateRecord:
    return CertificateRecord(
        id=CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial)),
        kind=CertificateKind(row.kind),
        scope=Scope(row.scope),
        state=CertificateState(row.state),
        period=Period(row.not_before, row.not_after),
        intended_at=row.intended_at,
        subject_key=row.subject_key,
        application=None if row.application is None else ApplicationId(row.application),
        holder=row.holder,
        encoded=row.encoded,
        decided_at=row.decided_at,
    )
