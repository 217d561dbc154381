"""What the store knows of serial numbers: whether and when each was issued, and how it ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection, Dialect, bindparam, select
from sqlalchemy.exc import DBAPIError

from ca.model import GenerationId, Revocation, RevocationReason, Serial
from ca.store.certificates import CertificateState
from ca.store.engine import Store
from ca.store.tables import Moment, certificates, list_places, revocations


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

    def judged_at(self, moment: datetime) -> datetime:
        """The moment to judge by: the given one, or the revocation's, if the clock that wrote it down runs ahead.

        What has been revoked is not good again because somebody's clock is slow.
        """
        return moment if self.revocation is None else max(moment, self.revocation.revoked_at)

    def has_expired(self, at: datetime) -> bool:
        """Whether the certificate's own time was over at the moment."""
        return self.not_after is not None and self.not_after < at


NOTHING = StatusRecord(None, None)
"""What is known of a serial that never was one of the generation's."""


def known(store: Store, generation: GenerationId, serials: Collection[Serial]) -> dict[Serial, StatusRecord]:
    """What is known of each of these serials of one generation at this moment; NOTHING of those that it never had.

    For one or two serials that the generation has, this is one prepared statement and no transaction around it: a
    twentieth of the time, and every question of a verifier waits for it.

    Raises:
        HomeBusy, StorageFailed: The store cannot be read.
    """
    if 0 < len(serials) <= len(_PAIR):
        found = _looked_up(store, generation, tuple(serials))
        if len(found) == len(serials):
            return found
    with store.reading() as connection:
        return records(connection, generation, serials)


def records(
    connection: Connection, generation: GenerationId, serials: Collection[Serial]
) -> dict[Serial, StatusRecord]:
    """What is known of each of these serials of one generation; NOTHING of those that it never had."""
    found = dict.fromkeys(serials, NOTHING)
    query = _OF_GENERATION.where(certificates.c.serial.in_(_octets(serials)))
    found |= (_read(*row) for row in connection.execute(query, {"generation": str(generation)}))
    missing = [serial for serial, record in found.items() if record is NOTHING]
    if missing:
        found |= _revoked_without_issue(connection, generation, missing)
    return found


_REVOCATION = (revocations.c.revoked_at, revocations.c.reason, revocations.c.invalid_since)
_JOINED = certificates.outerjoin(
    revocations,
    (revocations.c.generation == certificates.c.generation)
    & (revocations.c.scope == certificates.c.scope)
    & (revocations.c.serial == certificates.c.serial),
)
_OF_GENERATION = (
    select(
        certificates.c.serial,
        certificates.c.state,
        certificates.c.intended_at,
        certificates.c.not_after,
        *_REVOCATION,
    )
    .select_from(_JOINED)
    .where(certificates.c.generation == bindparam("generation"))
)
_PAIR = ("one", "other")
_OF_PAIR = _OF_GENERATION.where(certificates.c.serial.in_([bindparam(name) for name in _PAIR]))


def _read(
    octets: bytes,
    state: str,
    intended_at: datetime | None,
    not_after: datetime | None,
    revoked_at: datetime | None,
    reason: int,
    invalid_since: datetime | None,
) -> tuple[Serial, StatusRecord]:
    serial = Serial.of(octets)
    # An abandoned one counts as issued. The moment of the intent is the one that the certificate and every later step take as that of its issue.
    issued_at = None if state == CertificateState.INTENDED else intended_at
    revocation = _revocation(serial, revoked_at, reason, invalid_since)
    return serial, StatusRecord(issued_at, revocation, not_after)


def _looked_up(
    store: Store, generation: GenerationId, serials: Sequence[Serial]
) -> dict[Serial, StatusRecord]:
    """What is known of one or two serials, by the driver alone; nothing at all where that meets any trouble."""
    engine = store.engine
    statement, ordered = _prepared(engine.dialect)
    pair = dict(zip(_PAIR, (serials[0].octets, serials[-1].octets), strict=True))
    pooled = None
    try:
        pooled = engine.raw_connection()
        rows = _fetch(pooled.driver_connection, statement, ordered({"generation": str(generation), **pair}))
    except (DBAPIError, engine.dialect.loaded_dbapi.Error):  # by the pool, or by the driver itself
        if pooled is not None:
            pooled.invalidate()
        return {}
    finally:
        if pooled is not None:
            pooled.close()
    return dict(
        _read(
            octets,
            state,
            _moment(intended_at),
            _moment(not_after),
            _moment(revoked_at),
            reason,
            _moment(invalid_since),
        )
        for octets, state, intended_at, not_after, revoked_at, reason, invalid_since in rows
    )


@lru_cache(maxsize=256)  # one a database
def _prepared(dialect: Dialect) -> tuple[str, Callable[[dict[str, Any]], Any]]:
    """The statement for a pair in the words of a driver, and what brings its values into the driver's form."""
    compiled = _OF_PAIR.compile(dialect=dialect)
    names = getattr(compiled, "positiontup", None)
    return str(compiled), itemgetter(*names) if names else dict


def _fetch(driver: Any, statement: str, values: Any) -> list[Any]:
    if isinstance(driver, sqlite3.Connection):  # begins nothing by itself (ca.store.engine)
        return driver.execute(statement, values).fetchall()
    driver.autocommit = True
    try:
        return cast("list[Any]", driver.execute(statement, values).fetchall())
    finally:
        driver.autocommit = False


_moment = partial(Moment().process_result_value, dialect=None)


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
        revocation = _revocation(serial, row.revoked_at, row.reason, row.invalid_since)
        found[serial] = StatusRecord(None, revocation, row.not_after)
    return found


def _octets(serials: Collection[Serial]) -> list[bytes]:
    return [serial.octets for serial in serials]


def _revocation(
    serial: Serial, revoked_at: datetime | None, reason: int, invalid_since: datetime | None
) -> Revocation | None:
    if revoked_at is None:
        return None
    return Revocation(serial, revoked_at, RevocationReason(reason), invalid_since)
