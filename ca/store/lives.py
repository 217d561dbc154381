"""How many certificates stand at once: what is known of each, and how it ended if it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, select

from ca.model import CertificateId, CertificateKind, GenerationId, Revocation, RevocationReason, Scope, Serial
from ca.store.bulk import AT_ONCE, among
from ca.store.connections import Connections
from ca.store.revocations import Standing
from ca.store.tables import certificates, revocations

_ENDED = and_(
    revocations.c.generation == certificates.c.generation,
    revocations.c.scope == certificates.c.scope,
    revocations.c.serial == certificates.c.serial,
)
_LIVES: Select[Any] = select(
    certificates.c.serial,
    certificates.c.kind,
    certificates.c.scope,
    certificates.c.intended_at,
    certificates.c.not_after,
    revocations.c.revoked_at,
    revocations.c.reason,
    revocations.c.invalid_since,
    revocations.c.cause,
    revocations.c.journal_index,
    revocations.c.sequence,
    revocations.c.recorded_at,
).select_from(certificates.outerjoin(revocations, _ENDED))


@dataclass(frozen=True, slots=True)
class Life:
    """A certificate from its intent on, and how it ended.

    Attributes:
        scope: The list in which it stands, or would.
        intended_at: When its intent was made.
        not_after: Its own end.
        standing: What is recorded against it, also a hold that was lifted.
    """

    certificate: CertificateId
    kind: CertificateKind
    scope: Scope
    intended_at: datetime
    not_after: datetime
    standing: Standing | None

    @property
    def reason(self) -> RevocationReason | None:
        """The reason that is recorded against it, if one is."""
        return None if self.standing is None else self.standing.revocation.reason


def of(connections: Connections, wanted: Sequence[CertificateId]) -> list[Life]:
    """How these certificates stand, in no order; what was never intended is left out."""
    by_generation: dict[GenerationId, list[bytes]] = {}
    for certificate in wanted:
        by_generation.setdefault(certificate.generation, []).append(certificate.serial.octets)
    found: list[Life] = []
    for generation, serials in by_generation.items():
        connection = connections.of(generation.authority)
        for start in range(0, len(serials), AT_ONCE):
            some = among(connection, certificates.c.serial, serials[start : start + AT_ONCE])
            query = _LIVES.where(certificates.c.generation == str(generation), some)
            found += [_life(generation, row) for row in connection.execute(query)]
    return found


def _life(generation: GenerationId, row: Sequence[Any]) -> Life:
    octets, kind, scope, intended_at, not_after, revoked_at, reason, since, cause, index, sequence, at = row
    serial, standing = Serial.of(octets), None
    if reason is not None:
        revocation = Revocation(serial, revoked_at, RevocationReason(reason), since)
        standing = Standing(revocation, cause, index, sequence, at)
    certificate = CertificateId(generation, serial)
    return Life(certificate, CertificateKind(kind), Scope(scope), intended_at, not_after, standing)
