"""Certificates: intended (their bytes to be signed are written down), then issued."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, update

from ca.errors import ArchiveDestroyed, NotFound
from ca.model import (
    ApplicationId,
    CertificateId,
    CertificateKind,
    GenerationId,
    Period,
    RevocationReason,
    Scope,
    Serial,
)
from ca.store.bulk import AT_ONCE, among, insert_rows, update_rows
from ca.store.connections import Connections
from ca.store.tables import certificate_bytes, certificates, microseconds, revocations

_COLUMNS = (
    "generation",
    "serial",
    "kind",
    "scope",
    "state",
    "not_before",
    "not_after",
    "intended_at",
    "subject_key",
    "application",
)
_INSERT, _INSERT_BYTES = insert(certificates), insert(certificate_bytes)


_ISSUED_BYTES = (
    update(certificate_bytes)
    .where(
        certificate_bytes.c.generation == bindparam("of"), certificate_bytes.c.serial == bindparam("number")
    )
    .values(encoded=bindparam("octets"))
)


class CertificateState(StrEnum):
    """Where a certificate's signing stands. An intent is never voided.

    An abandoned one was never signed, since its key may no longer sign, or is lost; it counts as issued, and as revoked.
    """

    INTENDED = "intended"
    ISSUED = "issued"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """What is known of a certificate.

    Attributes:
        scope: The list in which it would stand if it were revoked.
        subject_key: SHA-256 of the encoded SubjectPublicKeyInfo.
        encoded: The Certificate once issued, until then the TBSCertificate; no octets once its time was over and they
            were destroyed.
    """

    id: CertificateId
    kind: CertificateKind
    scope: Scope
    state: CertificateState
    period: Period
    intended_at: datetime
    subject_key: bytes
    application: ApplicationId | None
    encoded: bytes

    def require_encoded(self) -> bytes:
        """Its octets, or ArchiveDestroyed."""
        if not self.encoded:
            raise ArchiveDestroyed(
                f"certificate {self.id}", "its bytes were destroyed when their time was over"
            )
        return self.encoded


def intend(connection: Connection, records: Iterable[CertificateRecord]) -> None:
    """Write down what is about to be signed."""
    intents = list(records)
    assert all(record.state is CertificateState.INTENDED for record in intents), (
        "nothing is issued unintended"
    )
    if not intents:
        return
    keys = [(str(record.id.generation), record.id.serial.octets) for record in intents]
    insert_rows(
        connection,
        _INSERT,
        _COLUMNS,
        [
            (
                *key,
                record.kind,
                record.scope,
                record.state,
                microseconds(record.period.not_before),
                microseconds(record.period.not_after),
                microseconds(record.intended_at),
                record.subject_key,
                record.application,
            )
            for key, record in zip(keys, intents, strict=True)
        ],
    )
    octets = [(*key, record.encoded) for key, record in zip(keys, intents, strict=True)]
    insert_rows(connection, _INSERT_BYTES, ("generation", "serial", "encoded"), octets)


def complete(connection: Connection, issued: Iterable[tuple[CertificateId, bytes]]) -> set[CertificateId]:
    """Write down the signed certificates of intents; gives those that were still open.

    A recovery may have signed the same bytes meanwhile: what was written down first stays, and is what counts.
    Raises NotFound if one was never intended.
    """
    key = (certificates.c.generation, certificates.c.serial)
    query = select(*key).where(certificates.c.state == CertificateState.INTENDED)
    still_open = {(row.generation, row.serial) for row in connection.execute(query)}
    rows: dict[str, list[tuple[str, bytes, bytes]]] = defaultdict(list)
    written: set[CertificateId] = set()
    for certificate, encoded in issued:
        generation, serial = str(certificate.generation), certificate.serial.octets
        if (generation, serial) in still_open:
            rows[generation].append((generation, serial, encoded))
            written.add(certificate)
        else:
            find(connection, certificate)
    for generation, group in rows.items():
        _complete(connection, generation, group)
    return written


def _complete(connection: Connection, generation: str, rows: Sequence[tuple[str, bytes, bytes]]) -> None:
    """Write down what is known to be open, all of one generation."""
    serials = [serial for _, serial, _ in rows]
    in_one_go = (
        connection.dialect.name == "postgresql"
    )  # where an update writes the whole row again in any case
    for start in range(0, len(serials), AT_ONCE):
        some = serials[start : start + AT_ONCE]
        mine = among(connection, certificates.c.serial, some)
        issued = update(certificates).where(certificates.c.generation == generation, mine)
        connection.execute(issued.values(state=CertificateState.ISSUED))
        if in_one_go:
            mine = among(connection, certificate_bytes.c.serial, some)
            connection.execute(
                delete(certificate_bytes).where(certificate_bytes.c.generation == generation, mine)
            )
    if in_one_go:
        insert_rows(connection, _INSERT_BYTES, ("generation", "serial", "encoded"), rows)
    else:
        update_rows(connection, _ISSUED_BYTES, ("of", "number", "octets"), rows)


def abandon(connection: Connection, certificate: CertificateId) -> CertificateRecord | None:
    """Write down that an intent will never be signed; gives what is abandoned, None if it is no intent any more."""
    changed = connection.execute(
        update(certificates)
        .where(*_is(certificates.c, certificate))
        .where(certificates.c.state == CertificateState.INTENDED)
        .values(state=CertificateState.ABANDONED)
    )
    return find(connection, certificate) if changed.rowcount == 1 else None


def find(connection: Connection, certificate: CertificateId) -> CertificateRecord:
    """The certificate of this id, or NotFound."""
    record = known(connection, certificate)
    if record is None:
        raise NotFound(f"certificate {certificate}", "is not one of this home's")
    return record


def several(connections: Connections, wanted: Iterable[CertificateId]) -> list[CertificateRecord]:
    """These certificates, in the order asked for; those that never got to their authority's database are left out."""
    asked = list(dict.fromkeys(wanted))
    by_generation: dict[GenerationId, list[bytes]] = defaultdict(list)
    for certificate in asked:
        by_generation[certificate.generation].append(certificate.serial.octets)
    found: dict[CertificateId, CertificateRecord] = {}
    for generation, serials in by_generation.items():
        connection = connections.of(generation.authority)
        for start in range(0, len(serials), AT_ONCE):
            some = among(connection, certificates.c.serial, serials[start : start + AT_ONCE])
            query = _select().where(certificates.c.generation == str(generation), some)
            for record in map(_from_row, connection.execute(query)):
                found[record.id] = record
    return [found[certificate] for certificate in asked if certificate in found]


def known(connection: Connection, certificate: CertificateId) -> CertificateRecord | None:
    """The certificate of this id, if there is one."""
    row = connection.execute(_select().where(*_is(certificates.c, certificate))).one_or_none()
    return None if row is None else _from_row(row)


def intended(connection: Connection) -> list[CertificateRecord]:
    """Every intent that has no signature yet: what a restart has to sign."""
    query = _select().where(certificates.c.state == CertificateState.INTENDED)
    return [_from_row(row) for row in connection.execute(query.order_by(*_KEY))]


def unsigned(connection: Connection, generation: GenerationId) -> dict[CertificateKind, int]:
    """How many certificates of each kind this generation has still to sign, be their time over or not."""
    mine = (certificates.c.generation == str(generation), certificates.c.state == CertificateState.INTENDED)
    query = select(certificates.c.kind, func.count()).where(*mine).group_by(certificates.c.kind)
    return {CertificateKind(kind): count for kind, count in connection.execute(query)}


def unexpired(connection: Connection, generation: GenerationId, at: datetime) -> Iterator[Serial]:
    """The serials of all that a generation has issued and that is not past its end at the moment, ascending."""
    query = select(certificates.c.serial).where(
        certificates.c.generation == str(generation),
        certificates.c.state != CertificateState.INTENDED,
        certificates.c.not_after >= at,
    )
    for octets in connection.execute(query.order_by(certificates.c.serial)).scalars():
        yield Serial.of(octets)


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
        encoded=row.encoded,
    )


def in_use(connection: Connection, generation: GenerationId, at: datetime) -> dict[CertificateKind, int]:
    """How many certificates of each kind a generation has issued that neither expired nor were revoked for good."""
    ended = select(revocations.c.serial).where(
        revocations.c.generation == certificates.c.generation,
        revocations.c.scope == certificates.c.scope,
        revocations.c.serial == certificates.c.serial,
        revocations.c.reason.not_in((RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL)),
    )
    query = (
        select(certificates.c.kind, func.count())
        .where(
            certificates.c.generation == str(generation),
            certificates.c.state == CertificateState.ISSUED,
            certificates.c.not_after >= at,
            ~ended.exists(),
        )
        .group_by(certificates.c.kind)
    )
    return {CertificateKind(kind): count for kind, count in connection.execute(query)}
