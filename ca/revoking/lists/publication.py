"""Publishing: the lists that were asked for, those that newer revocations call for, those that are due.

Read ``drafting`` for what a list says, ``placing`` for its way to relying parties.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ca.errors import KakehashiError, ListBlocked
from ca.issuing.issuer import Issuer, Issuers
from ca.model import FULL, GenerationId, Scope
from ca.revoking.lists.placing import Outcome, Placing, Wish
from ca.revoking.lists.publisher import Publisher
from ca.store import blocked, key_lives, lists, revocations
from ca.store.changes import Behind, touched_since
from ca.store.engine import Store
from ca.store.lists import ListRecord


def publish(
    store: Store,
    issuer: Issuer,
    scopes: Iterable[Scope],
    publisher: Publisher,
    *,
    at: datetime,
    nation: Store | None = None,
) -> list[ListRecord]:
    """Make and place the lists of these scopes of one generation, as of now, with their delta lists.

    Args:
        store: Where the authority's lists lie.
        issuer: Whose lists.
        scopes: Which of them.
        publisher: Where they become public.
        at: Now.
        nation: Where orders of many lie, if not in the same database.

    Raises:
        LintRefused: A list would break a rule; it was not signed.
        ListBlocked: A list did not pass the gate; the last one stays in its place.
        StorageFailed: A list could not be written. The lists that relying parties get are whole ones, old or new.
    """
    outcome = Placing(store, issuer, publisher, at, nation=nation).run([Wish(scope) for scope in scopes])
    if outcome.failures:
        raise outcome.failures[0]
    return outcome.made


def publish_changes(issuers: Issuers, publisher: Publisher, *, at: datetime) -> list[ListRecord]:
    """Make and place every list that has to say a revocation which no list says yet.

    What fails for one list or authority does not keep the others back: the first failure is raised at the end, and the
    next call tries again. A list that the gate keeps back is tried here only once two officers have released it, and a
    full list that is in its pause has its delta list made instead.
    """
    outcome = Outcome()
    for store in issuers.stores.each():
        with store.reading() as connection:
            upto, published = revocations.sequence(connection), revocations.published(connection)
            # Of a key that makes no lists yet, or no more, none is behind.
            serving = key_lives.making_lists(connection)
            behind = {
                generation: group
                for generation, group in touched_since(connection, published).items()
                if generation in serving
            }
            wishes = {
                generation: _wishes(connection, issuers, generation, group, at)
                for generation, group in behind.items()
            }
        for generation, some in wishes.items():
            # The full list comes last and on its own: partitions do not wait for all that is in it.
            for group in (
                [one for one in some if one.scope != FULL],
                [one for one in some if one.scope == FULL],
            ):
                try:
                    issuer, nation = issuers.of(generation), issuers.stores.nation
                    Placing(store, issuer, publisher, at, outcome, nation).run(group)
                except KakehashiError as error:
                    outcome.failures.append(error)
        said = min([upto, *(one.said for one in _still_behind(behind, outcome.made))])
        if said > published:
            with store.writing() as connection:
                revocations.set_published(connection, said)
    if outcome.failures:
        # A list that is kept back is known for long; what else went wrong must not hide behind it.
        raise min(outcome.failures, key=lambda error: isinstance(error, ListBlocked))
    return outcome.made


def due(connection: Connection, generation: GenerationId, within: timedelta, at: datetime) -> list[Scope]:
    """The scopes whose list was never made or is kept back, or whose nextUpdate comes within this time.

    None of a key that makes no lists yet, or no more.
    """
    if not key_lives.keys_of(connection, generation.authority).makes_lists(generation):
        return []
    newest = lists.newest(connection, generation)
    kept_back = {one.scope for one in blocked.all_blocked(connection) if one.generation == generation}
    return [
        place.scope
        for place in lists.places_of(connection, generation)
        if place.scope in kept_back
        or place.scope not in newest
        or newest[place.scope].next_update <= at + within
    ]


def _wishes(
    connection: Connection, issuers: Issuers, generation: GenerationId, behind: Sequence[Behind], at: datetime
) -> list[Wish]:
    """What to make of lists that are behind."""
    practice = issuers.practice(generation.authority).lists
    wishes = []
    for one in behind:
        kept_back = blocked.find(connection, generation, one.scope)
        if kept_back is not None and len(kept_back.officers) < 2:
            continue
        complete = one.scope != FULL or not _pauses(connection, generation, practice.full_pause, at)
        if complete or (practice.delta and one.delta < one.newest):
            wishes.append(Wish(one.scope, complete=complete))
    return wishes


def _pauses(connection: Connection, generation: GenerationId, pause: timedelta, at: datetime) -> bool:
    """Whether the newest full list is still too new to be followed by another."""
    newest = lists.newest_placed(connection, generation, FULL)
    return newest is not None and at < newest.this_update + pause


def _still_behind(
    behind: Mapping[GenerationId, Sequence[Behind]], made: Iterable[ListRecord]
) -> Iterator[Behind]:
    done = {(record.generation, record.scope) for record in made if record.base is None}
    for generation, group in behind.items():
        yield from (one for one in group if (generation, one.scope) not in done)
