"""A certificate's story, from its approval to the list that says its end: what an auditor is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from sqlalchemy import Connection

from ca.clock import utc_text
from ca.journal.entries import EffectEntry, EventEntry, OrderEntry, ResolutionEntry, RevocationEntry
from ca.journal.journal import records
from ca.journal.mentions import mentioning
from ca.model import CertificateId, Revocation, RevocationReason, Scope
from ca.revoking.assurance.naming import Naming, first_naming
from ca.revoking.deciding.desk import told_apart
from ca.revoking.lists.publisher import Publisher
from ca.rules.revocation import CHANGES, change
from ca.store import certificates, holdings, quarantine, register, revocations
from ca.store.certificates import CertificateRecord
from ca.store.changes import first_saying
from ca.store.connections import Reading
from ca.store.quarantine import Case
from ca.store.revocations import Standing
from ca.store.stores import Stores

_Ordering: TypeAlias = EventEntry | EffectEntry | ResolutionEntry | RevocationEntry
_WORDS: Mapping[RevocationReason, str] = MappingProxyType(
    {RevocationReason.REMOVE_FROM_CRL: "hold lifted", RevocationReason.CERTIFICATE_HOLD: "on hold"}
)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a certificate.

    Attributes:
        at: When.
        what: In a word or two.
        facts: Names and what they are, for people and machines; nothing personal.
    """

    at: datetime
    what: str
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Story:
    """All that is told of a certificate: what happened, and of each of its ends the first lists that said so."""

    certificate: CertificateId
    steps: tuple[Step, ...]
    lists: tuple[Naming, ...]


def story(stores: Stores, publisher: Publisher, certificate: CertificateId) -> Story:
    """What happened to a certificate, in its order, and the lists that say so: every end, also one that another followed.

    Args:
        stores: The home's databases, and its journal.
        publisher: Where the lists lie.
        certificate: Which.

    Raises:
        NotFound: It is not one of this home's.
        HomeRefused: The journal is damaged where its records are.
    """
    with stores.reading() as reading:
        connection = reading.of(certificate.generation.authority)
        record = certificates.find(connection, certificate)
        standing = revocations.standing(connection, certificate, record.scope)
        steps = [*_issue(reading, record)]
        naming: list[Naming] = []
        if standing is not None:
            ends = _ends(stores, certificate, standing)
            steps += _told(stores, reading, ends)
            for scope in revocations.lists_naming(record.scope):
                naming += _named(connection, publisher, certificate, scope, ends, standing)
    # What was told early and took effect late stands where it was told.
    steps.sort(key=lambda step: step.at)
    return Story(certificate, tuple(steps), tuple(sorted(naming, key=lambda one: one.record)))


@dataclass(frozen=True, slots=True)
class _End:
    """An end, a hold, or a hold's being lifted.

    Attributes:
        index: The journal's record that ordered it, and ``record`` what stands there; None of what is older.
        at: When it was recorded.
        sequence: Of the last one alone.
    """

    index: int
    record: _Ordering | None
    at: datetime
    cause: str
    revocation: Revocation
    sequence: int | None = None


def _issue(reading: Reading, record: CertificateRecord) -> Iterator[Step]:
    held = holdings.with_keys(reading.nation, [record.subject_key]).get(record.subject_key)
    if held is not None and held.decided_at is not None:
        facts: dict[str, str] = {} if record.application is None else {"case": record.application}
        yield Step(held.decided_at, "application approved", facts)
    yield Step(
        record.intended_at,
        record.state.value,
        {
            "kind": record.kind.value,
            "list": record.scope,
            "valid until": utc_text(record.period.not_after),
        },
    )


def _ends(stores: Stores, certificate: CertificateId, standing: Standing) -> list[_End]:
    """All ends of a certificate, in the order of the journal's records; the last is the one that stands."""
    ends: list[_End] = []
    last: _Ordering | None = None
    for _, record in mentioning(stores.journal.folder, str(certificate), standing.journal_index):
        entry = record.entry
        if not isinstance(entry, EventEntry | EffectEntry | ResolutionEntry | RevocationEntry):
            continue
        order = next((one for one in entry.orders if one.certificate == str(certificate)), None)
        if record.index == standing.journal_index:
            last = entry
        elif order is not None:
            before = ends[-1].revocation if ends else None
            revocation = _recorded(certificate, order, before)
            if revocation is not None:
                ends.append(_End(record.index, entry, _moment(entry), _cause(entry), revocation))
    at = standing.recorded_at if last is None else _moment(last)
    final = _End(standing.journal_index, last, at, standing.cause, standing.revocation, standing.sequence)
    return [*ends, final]


def _recorded(certificate: CertificateId, order: OrderEntry, before: Revocation | None) -> Revocation | None:
    """What an order came to, as ``ca.store.ending`` writes it down; None if it changed nothing."""
    reason = RevocationReason.recorded(order.reason)
    asked = Revocation(certificate.serial, order.revoked_at, reason, order.invalid_since)
    if before is not None and reason is before.reason is RevocationReason.CERTIFICATE_HOLD:
        return before  # a hold may pass from one cause to another
    return change(before, asked) if reason in CHANGES[None if before is None else before.reason] else None


def _told(stores: Stores, reading: Reading, ends: Sequence[_End]) -> Iterator[Step]:
    """The steps of each end: the event and the case behind it if there are any, the order, what was recorded."""
    told: set[str] = set()
    for end in ends:
        event, case = None, None
        if isinstance(end.record, EventEntry):
            event = end.record
        elif isinstance(end.record, EffectEntry):  # the event itself was acknowledged earlier
            event = _event(stores, reading, end.record.event)
        elif isinstance(end.record, ResolutionEntry):
            case = quarantine.find(reading.nation, end.record.case)
            event = told_apart(case.facts) if case.facts else _event(stores, reading, case.event)
        if event is not None and event.event not in told:
            told.add(event.event)
            yield _register_told(event)
        if case is None and event is not None:
            case = _case_of(reading, event.event)
        if case is not None:
            yield _quarantined(case)
        if end.record is not None:
            yield _ordered(end, end.record, event, case)
        yield _outcome(end)


def _event(stores: Stores, reading: Reading, event: str) -> EventEntry | None:
    """The journal's record by which an event was acknowledged; None if there is none."""
    index = register.journal_index_of(reading.nation, event)
    if not index:
        return None
    record = next(records(stores.journal.folder, index - 1), None)
    return record.entry if record is not None and isinstance(record.entry, EventEntry) else None


def _case_of(reading: Reading, event: str) -> Case | None:
    """The case by which an event has an id of its own, since its id was taken: ``ID#CASE``, as no feed's id is."""
    _, _, number = event.partition("#")
    return quarantine.find(reading.nation, int(number)) if number else None


def _register_told(entry: EventEntry) -> Step:
    facts = {
        "event": entry.event,
        "kind": entry.kind,
        "feed": f"{entry.feed} file {entry.sequence}",
        "takes effect": utc_text(entry.effective),
    }
    return Step(entry.received, "register told", facts)


def _quarantined(case: Case) -> Step:
    facts = {"case": str(case.number), "problem": case.problem, "journal record": str(case.journal_index)}
    return Step(case.opened_at, "quarantined", facts)


def _ordered(end: _End, entry: _Ordering, event: EventEntry | None, case: Case | None) -> Step:
    facts = {"cause": end.cause}
    if isinstance(entry, ResolutionEntry):
        if event is not None:
            facts |= {"event": event.event, "rule": event.rule}
    else:
        facts["rule"] = entry.rule
    if case is not None:
        facts["decision"] = f"{case.decision} by {case.officer}"
    return Step(end.at, "end ordered", facts | {"journal record": str(end.index)})


def _outcome(end: _End) -> Step:
    revocation = end.revocation
    facts = {"reason": revocation.reason.word}
    if end.sequence is not None:
        facts["sequence"] = str(end.sequence)
    if revocation.revoked_at != end.at.replace(microsecond=0):  # a hold's that became an end, say
        facts["revocation date"] = utc_text(revocation.revoked_at)
    if revocation.invalid_since is not None:
        facts["invalid since"] = utc_text(revocation.invalid_since)
    return Step(end.at, _WORDS.get(revocation.reason, "revoked"), facts)


def _named(
    connection: Connection,
    publisher: Publisher,
    certificate: CertificateId,
    scope: Scope,
    ends: Sequence[_End],
    standing: Standing,
) -> Iterator[Naming]:
    """The first list of a scope for each end, the last end first."""
    generation = certificate.generation
    said = first_saying(connection, generation, scope, standing.sequence)
    yield Naming(generation, scope, ends[-1].index, *(said or (None, None)))
    before = None if said is None else said[0]
    for end in reversed(ends[:-1]):
        said = first_naming(
            connection, publisher, certificate, scope, end.revocation, since=end.at, before=before
        )
        yield Naming(generation, scope, end.index, *(said or (None, None)))
        before = before if said is None else said[0]


def _cause(entry: _Ordering) -> str:
    match entry:
        case ResolutionEntry():
            return f"quarantine {entry.case}"
        case RevocationEntry():
            return entry.cause
        case _:
            return f"event {entry.event}"


def _moment(entry: _Ordering) -> datetime:
    return entry.received if isinstance(entry, EventEntry) else entry.at
