"""Making the databases say what a record of the journal says. What they say already stays as it is.

The same for what is being recorded and for what a restored copy has lost, so that replaying gives what living gave.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from ca.errors import ArchiveDestroyed, HomeRefused, NotFound
from ca.journal.crossing import (
    AcceptanceEntry,
    AgreementEndEntry,
    AgreementEntry,
    CrossingEntry,
    ExaminationEntry,
    PeerKeyEntry,
    ReceivedEndEntry,
    RenewalEntry,
)
from ca.journal.entries import (
    ORDER,
    EffectEntry,
    Entry,
    EventEntry,
    GenerationEntry,
    IntentEntry,
    IntentPart,
    IssuedEntry,
    KeyEndEntry,
    KeyStepEntry,
    MassNamesEntry,
    MassOrderEntry,
    MassStepEntry,
    OrderEntry,
    QuarantineEntry,
    ResolutionEntry,
    RetentionEndEntry,
    RevocationEntry,
    VerifierEndEntry,
)
from ca.model import (
    ApplicationId,
    CertificateId,
    CertificateKind,
    GenerationId,
    OfficerId,
    Period,
    Scope,
)
from ca.rules import registration
from ca.rules.registration import State, Step, StepTaken
from ca.store import (
    agreements,
    applications,
    authorities,
    batches,
    certificates,
    clients,
    feeds,
    holdings,
    key_lives,
    lives,
    numbers,
    officers,
    orders,
    peers,
    quarantine,
    register,
    retention,
    verifiers,
)
from ca.store.authorities import GenerationRecord, ServiceRecord
from ca.store.batches import BatchAnswer
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Connections, Writing, grouped
from ca.store.ending import end_all
from ca.store.holdings import HoldingRecord
from ca.suites import Suite
from ca.wire.tbs import signed

SIGNING_CYCLE = "signing cycle"
"""The cause of the end of a certificate that may not be signed any more."""

Body = Callable[[int], bytes]
"""Reads what has this number in the archive."""


def carry_out(writing: Writing, entry: Entry, index: int, body: Body) -> None:
    """Make the databases say what the record of this index says.

    Args:
        writing: Transactions in them.
        entry: What the record says.
        index: Its number in the journal.
        body: Reads the archive.
    """
    match entry:
        case EventEntry():
            _event(writing, entry, index)
        case EffectEntry():
            register.settle(writing.nation, entry.event, links=entry.links)
            end_all(writing, entry.orders, f"event {entry.event}", index, entry.at)
        case ResolutionEntry():
            _resolve(writing, entry, index)
        case RevocationEntry():
            _revoke(writing, entry, index)
        case GenerationEntry():
            founded = GenerationRecord.of(entry)
            authorities.add_generation_once(writing.of(founded.id.authority), founded)
        case KeyStepEntry():
            authority = GenerationId.parse(entry.generation).authority
            key_lives.note_step(writing.of(authority), entry, index)
        case IntentEntry():
            _intend(writing, entry, body)
        case IssuedEntry():
            _complete(writing, entry)
        case RetentionEndEntry():
            retention.end(writing, entry.before)
        case _:
            _decide(writing.nation, entry, index)


def _decide(
    nation: Connection,
    entry: (
        QuarantineEntry
        | MassNamesEntry
        | MassOrderEntry
        | MassStepEntry
        | KeyEndEntry
        | VerifierEndEntry
        | CrossingEntry
    ),
    index: int,
) -> None:
    """Write down what ends no certificate by itself: it lies in the nation's database alone."""
    match entry:
        case QuarantineEntry():
            quarantine.open_case(nation, entry, index)
        case MassNamesEntry():
            orders.add_names(nation, entry)
        case MassOrderEntry():
            orders.add(nation, entry, index)
        case MassStepEntry():
            orders.take(nation, entry, index)
        case KeyEndEntry():
            clients.end_keys(nation, entry)
        case VerifierEndEntry():
            verifiers.end(nation, entry)
        case _:
            _agree(nation, entry, index)


def _agree(nation: Connection, entry: CrossingEntry, index: int) -> None:
    """Write down what was agreed and done with other CAs."""
    match entry:
        case AgreementEntry():
            agreements.add(nation, entry, index)
        case AgreementEndEntry():
            agreements.end(nation, entry)
        case PeerKeyEntry():
            peers.add(nation, entry)
        case ExaminationEntry():
            agreements.add_examination(nation, entry)
        case AcceptanceEntry():
            agreements.accept(nation, entry, index)
        case ReceivedEndEntry():
            peers.end_received(nation, entry)
        case RenewalEntry():
            agreements.add_renewal(nation, entry)


def _event(writing: Writing, entry: EventEntry, index: int) -> None:
    if not register.known(writing.nation, [entry.event]):
        register.add(writing.nation, [(index, entry)])
        feeds.note(writing.nation, entry.feed, entry.sequence)
    end_all(writing, entry.orders, f"event {entry.event}", index, entry.received)


def _resolve(writing: Writing, entry: ResolutionEntry, index: int) -> None:
    quarantine.resolve(writing.nation, entry)
    if entry.links:
        register.settle(writing.nation, quarantine.find(writing.nation, entry.case).event, links=True)
    end_all(writing, entry.orders, f"quarantine {entry.case}", index, entry.at)


def _revoke(writing: Writing, entry: RevocationEntry, index: int) -> None:
    if entry.cause == SIGNING_CYCLE:
        _abandon(writing, entry.orders)
    if entry.cause.startswith(ORDER):
        number = int(entry.cause.removeprefix(ORDER))
        numbers.spend_order(writing.nation, number)  # older records tell no more of it
        if entry.progress is not None:
            orders.proceed(writing.nation, number, entry.progress, index)
    end_all(writing, entry.orders, entry.cause, index, entry.at)


def _intend(writing: Writing, entry: IntentEntry, body: Body) -> None:
    """Write down intents, what is held by them, and the cases and rows that they answer, where that is missing."""
    told = [(part, _record(entry, part)) for part in entry.certificates]
    known = {life.certificate for life in lives.of(writing, [record.id for _, record in told])}
    missing = [replace(record, encoded=_tbs(part, body)) for part, record in told if record.id not in known]
    for connection, group in grouped(writing, missing, lambda record: record.id):
        certificates.intend(connection, group)
    held = [_holding(part, record) for part, record in told if part.held]
    there = holdings.with_keys(writing.nation, [record.subject_key for record in held])
    holdings.add(writing.nation, [record for record in held if record.subject_key not in there])
    if entry.batch is not None:
        answers = [
            BatchAnswer(part.row, record.kind, record.id, None)
            for part, record in told
            if part.row is not None
        ]
        batches.answer_open(writing.nation, entry.batch, answers)
    cases: dict[ApplicationId, list[CertificateRecord]] = defaultdict(list)
    for part, record in told:
        connection = writing.of(record.id.generation.authority)
        if part.crosses is not None:
            authorities.add_cross_once(connection, GenerationId.parse(part.crosses), record.id)
        if part.service_key is not None:
            authorities.add_service_once(connection, ServiceRecord(record.id, record.kind, part.service_key))
        if record.application is not None:
            cases[record.application].append(record)
    for case, records in cases.items():
        assert entry.officer is not None, "somebody issues a case"
        _answer_case(writing.nation, case, records, OfficerId(entry.officer), entry.at)


def _tbs(part: IntentPart, body: Body) -> bytes:
    """What is to be signed of a certificate, from the archive; nothing once that was destroyed: the serial is spent."""
    try:
        tbs = body(part.body)
    except ArchiveDestroyed:
        return b""
    if hashlib.sha256(tbs).hexdigest() != part.tbs:
        raise HomeRefused(
            f"archive body {part.body}",
            f"is not the one of certificate {part.certificate}",
            remedy="Restore the archive from its mirror",
        )
    return tbs


def _holding(part: IntentPart, record: CertificateRecord) -> HoldingRecord:
    return HoldingRecord(
        record.id,
        record.kind,
        record.scope,
        record.period,
        record.subject_key,
        None if part.holder is None else bytes.fromhex(part.holder),
        part.decided_at,
    )


def _answer_case(
    nation: Connection,
    name: ApplicationId,
    records: Sequence[CertificateRecord],
    officer: OfficerId,
    at: datetime,
) -> None:
    """Have a case say that it is being issued, if it still only waits for that.

    An older copy may have no such case or officer, or know of fewer steps; the certificates are known all the same.
    """
    try:
        case = applications.find(nation, name).case
        officers.known(nation, officer)
    except NotFound:
        numbers.spend_case(nation, name)
        return
    if case.state is State.APPROVED:
        history = (*case.history, StepTaken(Step.ISSUE, officer, at))
        case = replace(case, state=State.ISSUING, history=history)
        applications.advance(nation, case)
    if case.state is State.ISSUING:
        for record in records:
            applications.certified(nation, name, record.kind, record.id)


def _record(entry: IntentEntry, part: IntentPart) -> CertificateRecord:
    return CertificateRecord(
        id=CertificateId.parse(part.certificate),
        kind=CertificateKind(part.kind),
        scope=Scope(part.scope),
        state=CertificateState.INTENDED,
        period=Period(part.not_before, part.not_after),
        intended_at=entry.at,
        subject_key=bytes.fromhex(part.subject_key),
        application=None if part.application is None else ApplicationId(part.application),
        encoded=b"",
    )


def _complete(writing: Writing, entry: IssuedEntry) -> None:
    """Write down certificates that were signed, where they still count as intended, and end their cases."""
    signatures = {CertificateId.parse(part.certificate): part.signature for part in entry.certificates}
    records = certificates.several(writing, signatures)
    for connection, group in grouped(writing, records, lambda record: record.id):
        made_with = {
            generation: authorities.generation(connection, generation).suite
            for generation in {record.id.generation for record in group}
        }
        issued = [
            (record.id, _signed(record, made_with[record.id.generation], signatures[record.id]))
            for record in group
            if record.state is CertificateState.INTENDED
        ]
        certificates.complete(connection, issued)
    end_cases(writing, records)


def _signed(record: CertificateRecord, suite: Suite, signature: bytes) -> bytes:
    return signed(record.encoded, suite, signature) if record.encoded else b""


def _abandon(writing: Writing, ended: Iterable[OrderEntry]) -> None:
    """Write down that certificates will never be signed, where they still count as intended, and end their cases."""
    abandoned = [CertificateId.parse(order.certificate) for order in ended]
    for certificate in abandoned:
        certificates.abandon(writing.of(certificate.generation.authority), certificate)
    end_cases(writing, certificates.several(writing, abandoned))


def end_cases(connections: Connections, records: Iterable[CertificateRecord]) -> None:
    """End the cases that these certificates answer, if none of a case's certificates is still to be signed."""
    names = dict.fromkeys(record.application for record in records if record.application is not None)
    for name in names:
        try:
            found = applications.find(connections.nation, name)
        except NotFound:
            continue  # a restored copy has no such case
        states = {record.state for record in certificates.several(connections, found.certificates)}
        if found.case.state is State.ISSUING and CertificateState.INTENDED not in states:
            end = registration.issued if CertificateState.ISSUED in states else registration.failed
            applications.advance(connections.nation, end(found.case))
