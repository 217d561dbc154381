"""Serials that were spent before the journal told of them: it is told, so that no copy forgets them.

The migration to the schema 0004 leaves a mark in a database that has such certificates. It goes once all are told.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, tuple_

from ca.errors import BadInput, HomeRefused
from ca.journal.entries import IntentEntry, IntentPart, IssuedEntry, IssuedPart
from ca.journal.journal import records
from ca.model import ApplicationId, CertificateId, GenerationId, OfficerId, Serial
from ca.rules.registration import Step
from ca.store import authorities, certificates, holdings, marks
from ca.store.bulk import among
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Reading
from ca.store.recording import Recording
from ca.store.stores import Stores
from ca.store.tables import application_steps, batch_answers, cross_certificates
from ca.store.tables import certificates as table
from ca.store.tables import marks as marked
from ca.suites import Suite
from ca.wire import walk
from ca.wire.tbs import signed

MARK = "serials-untold"
"""What a database says of itself that has certificates of which the journal may not tell."""

_AT_ONCE = 256
_NOBODY_KNOWN = OfficerId("unknown")  # of a case that the database has not


@dataclass(frozen=True, slots=True)
class _Told:
    """The certificates, by their ids, whose intents the journal has, and those whose signatures it has."""

    intended: frozenset[str]
    issued: frozenset[str]

    @classmethod
    def of(cls, stores: Stores) -> _Told:
        intended, issued = set[str](), set[str]()
        for record in records(stores.journal.folder):
            match record.entry:
                case IntentEntry(certificates=parts):
                    intended.update(part.certificate for part in parts)
                case IssuedEntry(certificates=parts):
                    issued.update(part.certificate for part in parts)
        return cls(frozenset(intended), frozenset(issued))


def tell(stores: Stores) -> int:
    """Write what the journal lacks into it and into the archive; gives how many certificates that concerned.

    Nothing is told twice, and what a death leaves untold the next call tells.

    Raises:
        HomeRefused: A certificate in a database is not what its authority signed; or the journal is damaged.
        StorageFailed: A disk refused.
    """
    with stores.reading() as reading:
        if not any(marks.find(connection, MARK) for connection in reading.each()):
            return 0
    stores.catch_up()
    told, found = _Told.of(stores), 0
    with stores.reading() as reading:
        for connection in reading.each():
            facts = _Facts.of(reading, connection)
            for page in _pages(reading, connection):
                new = [one for one in page if not _is_told(one, told)]
                if new:
                    with stores.recording() as recording:
                        _tell(recording, new, facts, told)
                    found += len(new)
    with stores.writing() as writing:
        for connection in writing.each():
            connection.execute(delete(marked).where(marked.c.name == MARK))
    return found


def _is_told(record: CertificateRecord, told: _Told) -> bool:
    signed_already = record.state is not CertificateState.ISSUED or str(record.id) in told.issued
    return str(record.id) in told.intended and signed_already


def _pages(reading: Reading, connection: Connection) -> Iterator[list[CertificateRecord]]:
    """All certificates of a database, some at a time."""
    query = (
        select(table.c.generation, table.c.serial)
        .order_by(table.c.generation, table.c.serial)
        .limit(_AT_ONCE)
    )
    rows = connection.execute(query).all()
    while rows:
        wanted = [CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial)) for row in rows]
        yield certificates.several(reading, wanted)
        after = tuple_(table.c.generation, table.c.serial) > tuple_(rows[-1].generation, rows[-1].serial)
        rows = connection.execute(query.where(after)).all()


@dataclass(frozen=True, slots=True)
class _Facts:
    """What stands beside the certificates of a database: whom they certify, and who issued them."""

    reading: Reading
    suites: dict[GenerationId, Suite]
    crosses: dict[CertificateId, str]
    services: dict[CertificateId, str]

    @classmethod
    def of(cls, reading: Reading, connection: Connection) -> _Facts:
        suites = {one.id: one.suite for one in authorities.all_generations(connection)}
        crosses = {
            CertificateId(GenerationId.parse(row.issuer), Serial.of(row.serial)): row.subject
            for row in connection.execute(select(cross_certificates))
        }
        services = {one.certificate: one.key for one in authorities.services(connection)}
        return cls(reading, suites, crosses, services)

    def officer(self, case: ApplicationId | None) -> OfficerId | None:
        """Who issued a case, or took its last step."""
        if case is None:
            return None
        columns = application_steps.c
        query = select(columns.step, columns.officer).where(columns.application == case)
        taken = self.reading.nation.execute(query.order_by(columns.position)).all()
        issued = [row.officer for row in taken if row.step == Step.ISSUE] or [row.officer for row in taken]
        return OfficerId(issued[-1]) if issued else _NOBODY_KNOWN

    def rows(self, records: Sequence[CertificateRecord]) -> dict[CertificateId, tuple[str, int]]:
        """Batch and row of those that answer one."""
        columns, nation = batch_answers.c, self.reading.nation
        mine = among(nation, columns.serial, [one.id.serial.octets for one in records])
        return {
            CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial)): (row.batch, row.row)
            for row in nation.execute(select(batch_answers).where(mine))
        }


def _tell(recording: Recording, new: Sequence[CertificateRecord], facts: _Facts, told: _Told) -> None:
    """Note intents, those of one moment, officer and batch together, then what was signed of them."""
    rows = facts.rows(new)
    held = holdings.with_keys(recording.nation, [one.subject_key for one in new])
    groups: dict[tuple[datetime, OfficerId | None, str | None], list[CertificateRecord]] = defaultdict(list)
    for record in new:
        if str(record.id) not in told.intended:
            batch, _ = rows.get(record.id, (None, None))
            groups[record.intended_at, facts.officer(record.application), batch].append(record)
    for (at, officer, batch), group in groups.items():
        parts, bodies = list[IntentPart](), list[bytes]()
        for record in group:
            tbs, _ = _taken_apart(record, facts.suites[record.id.generation])
            parts.append(_part(record, tbs, recording.next_body + len(bodies), held, facts, rows))
            bodies.append(tbs)
        recording.note(IntentEntry(at, tuple(parts), officer, batch), bodies, carried_out=True)
    for record in new:
        if record.state is CertificateState.ISSUED and str(record.id) not in told.issued:
            _, signature = _taken_apart(record, facts.suites[record.id.generation])
            part = IssuedPart(str(record.id), signature)
            recording.note(IssuedEntry(record.intended_at, (part,)), carried_out=True)


def _part(
    record: CertificateRecord,
    tbs: bytes,
    body: int,
    held: dict[bytes, holdings.HoldingRecord],
    facts: _Facts,
    rows: dict[CertificateId, tuple[str, int]],
) -> IntentPart:
    holding = held.get(record.subject_key)
    if holding is not None and holding.certificate != record.id:
        holding = None
    return IntentPart(
        certificate=str(record.id),
        kind=record.kind,
        scope=record.scope,
        not_before=record.period.not_before,
        not_after=record.period.not_after,
        subject_key=record.subject_key.hex(),
        tbs=hashlib.sha256(tbs).hexdigest(),
        body=body,
        holder=None if holding is None or holding.holder is None else holding.holder.hex(),
        decided_at=None if holding is None else holding.decided_at,
        application=record.application,
        row=rows[record.id][1] if record.id in rows else None,
        crosses=facts.crosses.get(record.id),
        service_key=facts.services.get(record.id),
        held=holding is not None,
    )


def _taken_apart(record: CertificateRecord, suite: Suite) -> tuple[bytes, bytes]:
    """What was, or is to be, signed of a certificate, and its raw signature; none of one that has no signature."""
    if record.state is not CertificateState.ISSUED:
        return record.encoded, b""
    place = f"certificate {record.id}"
    try:
        with walk.reading(place, "the frame"):
            tbs, _, bits = walk.frame(record.encoded)
            found, signature = tbs.whole(record.encoded), bits.contents(record.encoded)[1:]
    except BadInput:
        found = signature = b""
    if not found or signed(found, suite, signature) != record.encoded:
        raise HomeRefused(place, "is not what its authority signed: what lies in the database was altered")
    return found, signature
