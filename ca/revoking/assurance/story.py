"""A certificate's story, from its approval to the list that says its end: what an auditor is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ca.journal.entries import EffectEntry, EventEntry, ResolutionEntry, RevocationEntry
from ca.journal.journal import Record, records
from ca.model import CertificateId, GenerationId, RevocationReason, Scope
from ca.store import certificates, holdings, register, revocations
from ca.store.certificates import CertificateRecord
from ca.store.changes import first_saying
from ca.store.connections import Reading
from ca.store.revocations import Standing
from ca.store.stores import Stores


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
class Naming:
    """The first list of a scope that says how a certificate stands.

    Attributes:
        number: None as long as there is none.
    """

    generation: GenerationId
    scope: Scope
    number: int | None
    this_update: datetime | None


@dataclass(frozen=True, slots=True)
class Story:
    """All that is told of a certificate."""

    certificate: CertificateId
    steps: tuple[Step, ...]
    lists: tuple[Naming, ...]


def story(stores: Stores, certificate: CertificateId) -> Story:
    """What happened to a certificate, in its order, and the lists that say so.

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
            steps += _end(stores, reading, standing)
            for scope in revocations.lists_naming(record.scope):
                said = first_saying(connection, certificate.generation, scope, standing.sequence)
                naming.append(Naming(certificate.generation, scope, *(said or (None, None))))
    return Story(certificate, tuple(steps), tuple(naming))


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
            "valid until": f"{record.period.not_after:%Y-%m-%dT%H:%M:%SZ}",
        },
    )


def _end(stores: Stores, reading: Reading, standing: Standing) -> Iterator[Step]:
    """The record that ordered the end, the event behind it if there is one, and what is recorded."""
    found = _record(stores, standing.journal_index)
    if found is not None:
        yield from _ordered(stores, reading, found, standing)
    revocation = standing.revocation
    lifted = revocation.reason is RevocationReason.REMOVE_FROM_CRL
    held = revocation.reason is RevocationReason.CERTIFICATE_HOLD
    facts = {"reason": revocation.reason.word, "sequence": str(standing.sequence)}
    if revocation.invalid_since is not None:
        facts["invalid since"] = f"{revocation.invalid_since:%Y-%m-%dT%H:%M:%SZ}"
    what = "hold lifted" if lifted else "on hold" if held else "revoked"
    yield Step(revocation.revoked_at, what, facts)


def _ordered(stores: Stores, reading: Reading, found: Record, standing: Standing) -> Iterator[Step]:
    """What the journal's record says of the certificate's end."""
    entry = found.entry
    if isinstance(entry, EffectEntry):  # the event itself was acknowledged earlier
        told = _record(stores, register.journal_index_of(reading.nation, entry.event) or 0)
        if told is not None and isinstance(told.entry, EventEntry):
            yield _told(told.entry)
    if isinstance(entry, EventEntry):
        yield _told(entry)
    if isinstance(entry, EventEntry | EffectEntry | ResolutionEntry | RevocationEntry):
        rule = entry.decision if isinstance(entry, ResolutionEntry) else entry.rule
        at = entry.received if isinstance(entry, EventEntry) else entry.at
        facts = {"cause": standing.cause, "rule": rule, "journal record": str(found.index)}
        yield Step(at, "end ordered", facts)


def _told(entry: EventEntry) -> Step:
    facts = {
        "event": entry.event,
        "kind": entry.kind,
        "feed": f"{entry.feed} file {entry.sequence}",
        "takes effect": f"{entry.effective:%Y-%m-%dT%H:%M:%SZ}",
    }
    return Step(entry.received, "register told", facts)


def _record(stores: Stores, index: int) -> Record | None:
    """The journal's record of this index; None for what is older than the journal of such things."""
    return None if index == 0 else next(records(stores.journal.folder, index - 1), None)
