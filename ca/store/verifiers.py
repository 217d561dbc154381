"""The register of signature verifiers, and how often each asked.

A signature verifier has notified, or was recognised, before it asks what was revoked. Each purpose is a row of its own with
a certificate of its own, since what is reported is counted by purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NewType

from sqlalchemy import Connection, Row, func, insert, select, update

from ca.errors import BadInput, Conflict, NotFound
from ca.journal.entries import VerifierEndEntry
from ca.model import OfficerId
from ca.store.tables import verifier_counts, verifiers

VerifierId = NewType("VerifierId", str)

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Verifier:
    """A signature verifier, for one purpose.

    Attributes:
        certificate: The DER of what it signs requests with, or shows where TLS ends.
        fingerprint: SHA-256 of that: by it the verifier is known.
        officer: Who registered it.
        ended_at: When it was taken off the register, if it was.
    """

    id: VerifierId
    organisation: str
    purpose: str
    contact: str = field(repr=False)
    certificate: bytes = field(repr=False)
    fingerprint: bytes = field(repr=False)
    valid_from: datetime
    valid_until: datetime
    officer: OfficerId
    made_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """From when until when a verifier may ask; its last second counts."""

    verifier: VerifierId
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Count:
    """How often a verifier asked one server on one day, with what outcome.

    Attributes:
        day: Japan's.
        server: A process in its life: no other counts under this name.
        number: All of that day so far, so that telling it twice changes nothing.
    """

    verifier: VerifierId
    day: date
    outcome: str
    server: str
    number: int


def add(connection: Connection, new: Verifier) -> None:
    """Register a verifier, or raise Conflict if its id or its certificate is one that the register has, ended or not."""
    columns = verifiers.c
    taken = (columns.verifier == new.id) | (columns.fingerprint == new.fingerprint)
    for row in connection.execute(select(columns.verifier).where(taken).order_by(columns.verifier)):
        if row.verifier == new.id:
            raise Conflict(f"verifier {new.id}", "is registered already", remedy="Choose another id")
        raise Conflict(
            f"verifier {new.id}",
            f"has the certificate of verifier {row.verifier}",
            remedy="Each verifier, and each of its purposes, has a certificate of its own",
        )
    connection.execute(
        insert(verifiers).values(
            verifier=new.id,
            organisation=new.organisation,
            purpose=new.purpose,
            contact=new.contact,
            certificate=new.certificate,
            fingerprint=new.fingerprint,
            valid_from=new.valid_from,
            valid_until=new.valid_until,
            officer=new.officer,
            made_at=new.made_at,
            ended_at=None,
        )
    )


def ending(connection: Connection, verifier: str, at: datetime) -> VerifierEndEntry:
    """What the journal is told to take a verifier off the register: NotFound, or Conflict if it was taken off before."""
    found = find(connection, verifier)
    if found.ended_at is not None:
        raise Conflict(f"verifier {found.id}", "was ended before")
    return VerifierEndEntry(found.id, found.fingerprint.hex(), at)


def end(connection: Connection, entry: VerifierEndEntry) -> None:
    """Take the verifier with this certificate off the register, if it is there and was not taken off before."""
    connection.execute(
        update(verifiers)
        .where(
            verifiers.c.verifier == entry.verifier,
            verifiers.c.fingerprint == bytes.fromhex(entry.fingerprint),
            verifiers.c.ended_at.is_(None),
        )
        .values(ended_at=entry.at)
    )


def find(connection: Connection, verifier: str) -> Verifier:
    """The verifier of this id, ended or not, or NotFound."""
    row = connection.execute(select(verifiers).where(verifiers.c.verifier == verifier)).one_or_none()
    if row is None:
        raise NotFound(
            f"verifier {verifier!r}", "is not registered", remedy="`kakehashi verifier list` shows who is"
        )
    return _verifier(row)


def everybody(connection: Connection) -> list[Verifier]:
    """Every verifier that ever was registered, by id."""
    return [_verifier(row) for row in connection.execute(select(verifiers).order_by(verifiers.c.verifier))]


def terms(connection: Connection) -> Mapping[bytes, Term]:
    """When those who were not ended may ask, by the SHA-256 of their certificates."""
    columns = verifiers.c
    query = select(columns.fingerprint, columns.verifier, columns.valid_from, columns.valid_until)
    return {
        bytes(row.fingerprint): Term(VerifierId(row.verifier), row.valid_from, row.valid_until + _SECOND)
        for row in connection.execute(query.where(columns.ended_at.is_(None)))
    }


def tell(connection: Connection, counts: Iterable[Count]) -> None:
    """Write down what servers have counted. Of two sums of one server the larger is the later one, and stays."""
    columns = verifier_counts.c
    key = (columns.verifier, columns.day, columns.outcome, columns.server)
    told: dict[tuple[str, str, str, str], int] = {}
    for count in counts:
        row: tuple[str, str, str, str] = (
            count.verifier, count.day.isoformat(), count.outcome, count.server,
        )  # fmt: skip
        told[row] = max(count.number, told.get(row, 0))
    for place, number in told.items():
        here = [column == value for column, value in zip(key, place, strict=True)]
        known = connection.execute(select(columns["count"]).where(*here)).scalar_one_or_none()
        if known is None:
            values = dict(zip((column.name for column in key), place, strict=True))
            connection.execute(insert(verifier_counts).values(**values, count=number))
        elif known < number:
            connection.execute(update(verifier_counts).where(*here).values(count=number))


def require_registered(connection: Connection, named: Iterable[str], place: str) -> None:
    """Raise BadInput unless each of these is, or was, a verifier of this register."""
    known = set(connection.execute(select(verifiers.c.verifier)).scalars())
    for name in named:
        if name not in known:
            raise BadInput(place, f"counts for a verifier {name!r} that is not registered here")


def totals(
    connection: Connection,
    *,
    verifier: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> Sequence[tuple[VerifierId, date, str, int]]:
    """How often whom, on which day and with what outcome: all servers together, days from ``since`` to ``until``."""
    columns = verifier_counts.c
    place = (columns.verifier, columns.day, columns.outcome)
    query = select(*place, func.sum(columns["count"])).group_by(*place).order_by(*place)
    if verifier is not None:
        query = query.where(columns.verifier == verifier)
    if since is not None:
        query = query.where(columns.day >= since.isoformat())
    if until is not None:
        query = query.where(columns.day <= until.isoformat())
    return [
        (VerifierId(name), date.fromisoformat(day), outcome, int(number))
        for name, day, outcome, number in connection.execute(query)
    ]


def _verifier(row: Row[Any]) -> Verifier:
    return Verifier(
        id=VerifierId(row.verifier),
        organisation=row.organisation,
        purpose=row.purpose,
        contact=row.contact,
        certificate=bytes(row.certificate),
        fingerprint=bytes(row.fingerprint),
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        officer=OfficerId(row.officer),
        made_at=row.made_at,
        ended_at=row.ended_at,
    )
