"""Making lists and handing them over: linted and written down, then signed, then placed by a Publisher.

A publisher admits one publication at a time, so that a list never replaces a newer one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from ca import suites
from ca.errors import KakehashiError
from ca.issuing.issuer import Issuer, Issuers
from ca.keys.signer import verify
from ca.lint.lists import check_list, entry_checker
from ca.model import GenerationId, Scope
from ca.profiles.lists import draft_list
from ca.store import lists, revocations
from ca.store.changes import touched_since
from ca.store.engine import Store
from ca.store.lists import ListRecord
from ca.suites import Use
from ca.wire.lists import tbs_list
from ca.wire.tbs import signed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Publisher(Protocol):
    """Where lists become public."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Admit one publication at a time, in all processes."""
        ...

    def place_lists(self, generation: GenerationId, signed: Sequence[tuple[Scope, int, bytes]]) -> None:
        """Make these (scope, number, list) the ones that relying parties get, durably.

        Earlier lists stay under their numbers.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Intent:
    record: ListRecord
    tbs: bytes
    written: bool = False


def publish(
    store: Store, issuer: Issuer, scopes: Iterable[Scope], publisher: Publisher, *, at: datetime
) -> list[ListRecord]:
    """Make and place the lists of these scopes of one generation, as of now.

    Raises:
        LintRefused: A list would break a rule; none of them was signed.
        StorageFailed: A list could not be written. The lists that relying parties get are whole ones, old or new.
    """
    suites.require(issuer.record.suite, Use.SIGN, at)
    with publisher.exclusive():
        with store.writing() as connection:
            intents = [_intend(connection, issuer, scope, at) for scope in scopes]
            lists.intend(connection, [intent.record for intent in intents if not intent.written])
        encoded = _sign_all(issuer, intents)
        records = [intent.record for intent in intents]
        publisher.place_lists(
            issuer.id,
            [(record.scope, record.number, item) for record, item in zip(records, encoded, strict=True)],
        )
        with store.writing() as connection:
            digests = [hashlib.sha256(item).digest() for item in encoded]
            lists.complete(connection, zip((intent.record for intent in intents), digests, strict=True))
    return [intent.record for intent in intents]


def publish_changes(issuers: Issuers, publisher: Publisher, *, at: datetime) -> list[ListRecord]:
    """Make and place every list that has to say a revocation which no list says yet.

    What fails for one authority does not keep the others' lists back: the first failure is raised at the end, and
    the next call tries again.
    """
    made: list[ListRecord] = []
    failures: list[KakehashiError] = []
    for store in issuers.stores.each():
        with store.reading() as connection:
            upto, published = revocations.sequence(connection), revocations.published(connection)
            changed = touched_since(connection, published)
        before = len(failures)
        for generation, scopes in changed.items():
            try:
                made += publish(store, issuers.of(generation), scopes, publisher, at=at)
            except KakehashiError as error:
                failures.append(error)
        if upto > published and len(failures) == before:
            with store.writing() as connection:
                revocations.set_published(connection, upto)
    if failures:
        raise failures[0]
    return made


def due(connection: Connection, generation: GenerationId, within: timedelta, at: datetime) -> list[Scope]:
    """The scopes whose list was never made, or whose nextUpdate comes within this time."""
    newest = lists.newest(connection, generation)
    return [
        place.scope
        for place in lists.places_of(connection, generation)
        if place.scope not in newest or newest[place.scope].next_update <= at + within
    ]


def _intend(connection: Connection, issuer: Issuer, scope: Scope, at: datetime) -> _Intent:
    unfinished = lists.unfinished(connection, issuer.id, scope)
    if unfinished is not None:
        # A publication broke off. What would be the same bytes is the same list, under the same number.
        again = _draft(connection, issuer, scope, unfinished.number, at)
        if again.record == unfinished:
            return replace(again, written=True)
    # Numbers rise even if the clock stands still, and never fall behind those of a lost store.
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    number = max(lists.newest_number(connection, issuer.id, scope) + 1, microseconds)
    return _draft(connection, issuer, scope, number, at)


def _draft(connection: Connection, issuer: Issuer, scope: Scope, number: int, at: datetime) -> _Intent:
    place = lists.place(connection, issuer.id, scope)
    said = revocations.of_list(connection, issuer.id, scope)
    # What was revoked while this publication waited for its turn stands in the list, which is then of that moment.
    # Nor is it older than the last one, whose number is lower.
    moments = [at.replace(microsecond=0), *(revocation.revoked_at for revocation, _ in said)]
    if (last := lists.last_update(connection, issuer.id, scope)) is not None:
        moments.append(last)
    this_update = max(moments)
    draft = draft_list(
        place,
        suite=issuer.record.suite,
        issuer=issuer.practice.name,
        key_identifier=issuer.key_identifier,
        number=number,
        this_update=this_update,
        next_update=this_update + issuer.practice.periods.next_update,
    )
    check_list(draft, issuer.facts)
    check_entry = entry_checker(draft)
    entries: list[bytes] = []
    for revocation, entry in said:
        check_entry(revocation)
        entries.append(entry)
    tbs = tbs_list(draft, entries)
    record = ListRecord(
        generation=issuer.id,
        scope=scope,
        number=number,
        this_update=draft.this_update,
        next_update=draft.next_update,
        entries=len(entries),
        sequence=revocations.sequence(connection),
        tbs_digest=hashlib.sha256(tbs).digest(),
    )
    return _Intent(record, tbs)


def _sign_all(issuer: Issuer, intents: Sequence[_Intent]) -> list[bytes]:
    def sign(intent: _Intent) -> bytes:
        signature = issuer.signer.sign(intent.tbs, issuer.record.suite)
        verify(issuer.record.public_key, issuer.record.suite, intent.tbs, signature)
        return signed(intent.tbs, issuer.record.suite, signature)

    if len(intents) == 1:
        return [sign(intents[0])]
    # Signing lets go of the interpreter's lock, so a thread a core is worth it.
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(sign, intents))
