"""The certificates of status responders: for each generation the one that is newest, and whether it is needed still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ca.model import RESPONDER_KINDS, CertificateId, CertificateKind, GenerationId, Period, Serial
from ca.store.certificates import CertificateState
from ca.store.tables import certificates, generations, revocations, service_certificates

# What a generation's responder is kept for: everything but its own certificates, and the generation's.
_ITS_OWN = RESPONDER_KINDS | {CertificateKind.SELF_SIGNED}


@dataclass(frozen=True, slots=True)
class ResponderRecord:
    """The newest certificate of a responder.

    Attributes:
        key: The name under which the vault holds its key.
        state: Issued, or intended still.
        ended: It was revoked.
        number: How many certificates the responder has had, this one included.
        authority_ends: The last second of the generation's own certificate.
    """

    certificate: CertificateId
    kind: CertificateKind
    key: str
    state: CertificateState
    period: Period
    ended: bool
    number: int
    authority_ends: datetime

    @property
    def generation(self) -> GenerationId:
        """Whose certificate it is: the key that certifies it."""
        return self.certificate.generation


def newest(connection: Connection, of: GenerationId | None = None) -> Sequence[ResponderRecord]:
    """The newest of each responder, of every generation or of one. What was abandoned is left out: nobody has it."""
    columns, services = certificates.c, service_certificates.c
    query = (
        select(
            columns.generation,
            columns.serial,
            columns.kind,
            columns.state,
            columns.not_before,
            columns.not_after,
            services.key,
            generations.c.not_after.label("authority_ends"),
            revocations.c.reason,
        )
        .join(
            service_certificates,
            (services.generation == columns.generation) & (services.serial == columns.serial),
        )
        .join(generations, generations.c.generation == columns.generation)
        .outerjoin(
            revocations,
            (revocations.c.generation == columns.generation)
            & (revocations.c.scope == columns.scope)
            & (revocations.c.serial == columns.serial),
        )
        .where(
            services.kind.in_(RESPONDER_KINDS),
            columns.state != CertificateState.ABANDONED,
        )
        .order_by(  # in one second one may have been taken back, and another made
            columns.generation, columns.not_before, revocations.c.reason.is_(None), columns.serial
        )
    )
    if of is not None:
        query = query.where(services.generation == str(of))
    found: dict[tuple[str, str], ResponderRecord] = {}
    for row in connection.execute(query):
        before = found.get((row.generation, row.kind))
        found[row.generation, row.kind] = ResponderRecord(
            CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial)),
            CertificateKind(row.kind),
            row.key,
            CertificateState(row.state),
            Period(row.not_before, row.not_after),
            ended=row.reason is not None,
            number=1 if before is None else before.number + 1,
            authority_ends=row.authority_ends,
        )
    return list(found.values())


def is_asked(connection: Connection, generation: GenerationId, at: datetime) -> bool:
    """Whether anything that the generation has issued is valid at this moment, so that somebody may ask."""
    query = (
        select(certificates.c.serial)
        .where(
            certificates.c.generation == str(generation),
            certificates.c.not_after >= at,
            certificates.c.kind.not_in(_ITS_OWN),
        )
        .limit(1)
    )
    return connection.execute(query).first() is not None
