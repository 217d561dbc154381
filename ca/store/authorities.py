"""Authorities: the generations of their keys, and the certificates between them and of their services."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select

from ca.errors import NotFound
from ca.journal.entries import GenerationEntry
from ca.keys.signer import key_identifier
from ca.model import (
    ARL,
    AuthorityId,
    CertificateId,
    CertificateKind,
    GenerationId,
    Period,
    RevocationReason,
    Serial,
)
from ca.store import key_lives
from ca.store.certificates import CertificateState
from ca.store.tables import (
    certificates,
    cross_certificates,
    generations,
    revocations,
    service_certificates,
)
from ca.suites import Suite, suite


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """One key of an authority.

    Attributes:
        key: The name under which the vault holds the private key.
        public_key: Encoded SubjectPublicKeyInfo.
        serial: Of the self-signed certificate.
        period: Of the self-signed certificate.
    """

    id: GenerationId
    suite: Suite
    key: str
    public_key: bytes
    serial: Serial
    period: Period

    @classmethod
    def of(cls, entry: GenerationEntry) -> GenerationRecord:
        """What the journal says of one."""
        return cls(
            GenerationId.parse(entry.generation),
            suite(entry.suite, f"generation {entry.generation}"),
            entry.key,
            entry.public_key,
            Serial.of(bytes.fromhex(entry.serial)),
            Period(entry.not_before, entry.not_after),
        )

    @property
    def key_identifier(self) -> bytes:
        """The key's identifier, as certificates and lists name it."""
        return key_identifier(self.public_key)

    def entry(self) -> GenerationEntry:
        """What the journal says of it."""
        return GenerationEntry(
            generation=str(self.id),
            suite=self.suite.id,
            key=self.key,
            public_key=self.public_key,
            serial=self.serial.octets.hex(),
            not_before=self.period.not_before,
            not_after=self.period.not_after,
        )


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A service's certificate (OCSP responder, repository) and the name of its key."""

    certificate: CertificateId
    kind: CertificateKind
    key: str


def add_generation_once(connection: Connection, record: GenerationRecord) -> None:
    """Write down a key of an authority, if it is not known. One that was not planned before takes over at once."""
    new = _insert_once(
        connection,
        generations,
        {"generation": str(record.id)},
        {
            "authority": record.id.authority,
            "number": record.id.number,
            "suite": record.suite.id,
            "key": record.key,
            "public_key": record.public_key,
            "serial": record.serial.octets,
            "not_before": record.period.not_before,
            "not_after": record.period.not_after,
        },
    )
    if new:
        key_lives.take_over(connection, record.id, record.suite)


def generation(connection: Connection, wanted: GenerationId) -> GenerationRecord:
    """The generation of this id, or NotFound."""
    query = select(generations).where(generations.c.generation == str(wanted))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"generation {wanted}", "is not one of this home's")
    return _generation(row)


def all_generations(connection: Connection) -> list[GenerationRecord]:
    """Every key of every authority, by authority and number."""
    query = select(generations).order_by(generations.c.authority, generations.c.number)
    return [_generation(row) for row in connection.execute(query)]


def issuing_generation(connection: Connection, authority: AuthorityId) -> GenerationId:
    """The authority's key that signs certificates now, or NotFound."""
    issuing = key_lives.keys_of(connection, authority).issuing
    if issuing is None:
        raise NotFound(f"authority {authority}", "has no key in this home")
    return issuing.generation


def add_cross_once(connection: Connection, subject: GenerationId, certificate: CertificateId) -> None:
    """Write down that the certificate certifies the subject's key, if that is not known."""
    pair = {"issuer": str(certificate.generation), "subject": str(subject)}
    same = [cross_certificates.c[name] == value for name, value in pair.items()]
    newest = connection.execute(select(func.max(cross_certificates.c.number)).where(*same)).scalar_one()
    identity = {**pair, "serial": certificate.serial.octets}
    _insert_once(connection, cross_certificates, identity, {"number": (newest or 0) + 1})


def crosses(
    connection: Connection, state: CertificateState = CertificateState.ISSUED
) -> list[tuple[GenerationId, CertificateId]]:
    """Every (subject, certificate) of one generation for another, issued by those whose database this is.

    Renewed ones beside those that they renew, also what was revoked or has expired; links between two keys of one
    authority too. In the order of their notBefore; what begins at one second by issuer and subject, and of one pair
    the later made one last.
    """
    columns = cross_certificates.c
    query = (
        select(columns.issuer, columns.subject, columns.serial)
        .join(
            certificates,
            (certificates.c.generation == columns.issuer) & (certificates.c.serial == columns.serial),
        )
        .where(certificates.c.state == state)
        .order_by(certificates.c.not_before, columns.issuer, columns.subject, columns.number)
    )
    return [
        (
            GenerationId.parse(row.subject),
            CertificateId(GenerationId.parse(row.issuer), Serial.of(row.serial)),
        )
        for row in connection.execute(query)
    ]


def current_crosses(connection: Connection) -> dict[tuple[GenerationId, GenerationId], CertificateId]:
    """Of each (issuer, subject) the newest certificate that is not revoked: what stands in pairs and directories.

    It may have expired. Where all of them are revoked, the two are no pair.
    """
    columns = revocations.c
    query = select(columns.generation, columns.serial).where(
        columns.scope == ARL, columns.reason != RevocationReason.REMOVE_FROM_CRL
    )
    ended = {(row.generation, bytes(row.serial)) for row in connection.execute(query)}
    return {
        (certificate.generation, subject): certificate
        for subject, certificate in crosses(connection)
        if (str(certificate.generation), certificate.serial.octets) not in ended
    }


def add_service_once(connection: Connection, record: ServiceRecord) -> None:
    """Write down a service's certificate, if it is not known."""
    certificate = record.certificate
    identity = {
        "generation": str(certificate.generation),
        "kind": record.kind,
        "serial": certificate.serial.octets,
    }
    _insert_once(connection, service_certificates, identity, {"key": record.key})


def services(connection: Connection) -> list[ServiceRecord]:
    """Every service's certificate, by generation and kind."""
    columns = service_certificates.c
    query = select(service_certificates).order_by(columns.generation, columns.kind, columns.serial)
    return [
        ServiceRecord(
            CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial)),
            CertificateKind(row.kind),
            row.key,
        )
        for row in connection.execute(query)
    ]


def own_keys(connection: Connection) -> set[bytes]:
    """The keys of the authorities and of their services, as SHA-256 of the encoded SubjectPublicKeyInfo."""
    found = {
        hashlib.sha256(key).digest() for key in connection.execute(select(generations.c.public_key)).scalars()
    }
    services = select(certificates.c.subject_key).join(
        service_certificates,
        (service_certificates.c.generation == certificates.c.generation)
        & (service_certificates.c.serial == certificates.c.serial),
    )
    return found | set(connection.execute(services).scalars())


def _insert_once(
    connection: Connection, table: Table, identity: Mapping[str, object], others: Mapping[str, object]
) -> bool:
    """Whether it was missing."""
    same = [table.c[name] == value for name, value in identity.items()]
    missing = connection.execute(select(*(table.c[name] for name in identity)).where(*same)).first() is None
    if missing:
        connection.execute(insert(table).values({**identity, **others}))
    return missing


def _generation(row: Row[Any]) -> GenerationRecord:
    return GenerationRecord(
        id=GenerationId.parse(row.generation),
        suite=suite(row.suite, f"generation {row.generation}"),
        key=row.key,
        public_key=row.public_key,
        serial=Serial.of(row.serial),
        period=Period(row.not_before, row.not_after),
    )
