"""What the store knows of serial numbers: whether and when each was issued, and how it ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ca.model import GenerationId, Revocation, RevocationReason, Serial
from ca.store.certificates import CertificateState
from ca.store.tables import certificates, list_places, revocations


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """What ``ca.rules.revocation.status_of`` is asked with.

    Attributes:
        issued_at: When the certificate was issued; None if it is only intended, or not known at all.
        revocation: What is recorded against it, if anything.
        not_after: The last second of its validity; None if it is not known.
    """

    issued_at: datetime | None
    revocation: Revocation | None
    not_after: datetime | None = None

    def has_expired(self, at: datetime) -> bool:
        """Whether the certificate's own time was over at the moment."""
        return self.not_after is not None and self.not_after < at


NOTHING = StatusRecord(None, None)
"""What is known of a serial that never was one of the generation's."""


def records(
    connection: Connection, generation: GenerationId, serials: Collection[Serial]
) -> dict[Serial, StatusRecord]:
    """What is known of each of these serials of one generation; NOTHING of those that it never had."""
    found = dict.fromkeys(serials, NOTHING)
    joined = certificates.outerjoin(
        revocations,
        (revocations.c.generation == certificates.c.generation)
        & (revocations.c.scope == certificates.c.scope)
        & (revocations.c.serial == certificates.c.serial),
    )
    query = (
        select(
            certificates.c.serial,
            certificates.c.state,
            certificates.c.intended_at,
            certificates.c.not_after,
            *_REVOCATION,
        )
        .select_from(joined)
        .where(certificates.c.generation == str(generation), certificates.c.serial.in_(_octets(serials)))
    )
    for row in connection.execute(query):
        # An abandoned one counts as issued. The moment of the intent is the one that the certificate and every later step take as that of its issue.
        issued_at = None if row.state == CertificateState.INTENDED else row.intended_at
        serial = Serial.of(row.serial)
        found[serial] = StatusRecord(issued_at, _revocation(serial, row), row.not_after)
    missing = [serial for serial, record in found.items() if record is NOTHING]
    if missing:
        found |= _revoked_without_issue(connection, generation, missing)
    return found


_REVOCATION = (revocations.c.revoked_at, revocations.c.reason, revocations.c.invalid_since)


def _revoked_without_issue(
    connection: Connection, generation: GenerationId, serials: Collection[Serial]
) -> dict[Serial, StatusRecord]:
    """Revocations of certificates that the store does not have, as after the restoring of a backup.

    Which list names such a serial is not known, so every scope is tried: each is one look-up by the primary key.
    """
    scopes = select(list_places.c.scope).where(list_places.c.generation == str(generation))
    query = select(revocations.c.serial, revocations.c.not_after, *_REVOCATION).where(
        revocations.c.generation == str(generation),
        revocations.c.scope.in_(scopes),
        revocations.c.serial.in_(_octets(serials)),
    )
    found = {}
    for row in connection.execute(query):
        serial = Serial.of(row.serial)
        found[serial] = StatusRecord(None, _revocation(serial, row), row.not_after)
    return found


def _octets(serials: Collection[Serial]) -> list[bytes]:
    return [serial.octets for serial in serials]


def _revocation(serial: Serial, row: Any) -> Revocation | None:
    if row.revoked_at is None:
        return None
    return Revocation(serial, row.revoked_at, RevocationReason(row.reason), row.invalid_since)
