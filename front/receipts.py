"""Receipts of a home: made of what was acknowledged, signed by its repository's service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from logging import WARNING
from pathlib import Path

from bridge.repository.signing import sign_statement
from ca.errors import BadInput, Conflict, KakehashiError, StorageFailed
from ca.journal.entries import Entry, EventEntry, OrderEntry, QuarantineEntry, RevocationEntry
from ca.journal.journal import Head, Record
from ca.journal.mentions import effects_of, mentioning
from ca.journal.records import decode
from ca.journal.segments import beginning, walk
from ca.model import CertificateId
from ca.revoking.assurance.receipts import (
    MOST_CERTIFICATES,
    Acknowledged,
    Receipt,
    acknowledged,
    encode_receipt,
    encode_statement,
    make_statement,
)
from ca.revoking.deciding.by_hand import Ended
from ca.revoking.deciding.desk import EventOutcome, Outcome, told_apart
from ca.revoking.deciding.quarantine import Resolved
from ca.revoking.feed.files import Feed
from ca.rules.residents import Change
from ca.store import quarantine, register
from ca.store.orders import OrderRecord
from ca.store.quarantine import Case
from front.asking import status_practice
from front.assembly import World
from front.logs import log


def receipt_of_feed(world: World, feed: Feed, outcomes: Sequence[Outcome], at: datetime) -> Receipt | None:
    """A receipt for the events of a file, also for those that were acknowledged before; None if there are none.

    Raises:
        HomeRefused: The journal is damaged.
        KeyRefused, HomeHalfMade: Nothing can be signed in the world's name now. The events are acknowledged.
    """
    new = [
        Acknowledged(outcome.head, outcome.event, _orders(outcome))
        for outcome in outcomes
        if outcome.head is not None
    ]
    return _signed(world, [*new, *_earlier(world, feed, outcomes, at)], at)


def receipt_of_revocation(world: World, ended: Ended, at: datetime) -> Receipt | None:
    """A receipt for a certificate that an officer ended; the errors are those of ``receipt_of_feed``."""
    revocation = ended.revocation
    order = OrderEntry(str(ended.certificate), revocation.reason.word, revocation.revoked_at, ended.scopes[0])
    return _signed(world, [Acknowledged(ended.head, None, (order,))], at)


def receipt_of_resolution(world: World, resolved: Resolved, at: datetime) -> Receipt | None:
    """A receipt for a case of the quarantine that an officer decided; the errors are those of ``receipt_of_feed``."""
    case = resolved.case
    with world.stores.nation.reading() as connection:  # an event whose id was taken has one of its own
        own = register.journal_index_of(connection, _own_id(case))
    wanted = [resolved.head.count, *([] if own is None else [own])]
    found = find_records(world.stores.journal.folder, wanted).values()
    return _signed(world, [acknowledged(head, record) for head, record in found], at)


def receipt_of_order(world: World, order: OrderRecord, at: datetime) -> Receipt | None:
    """A receipt for what an order of many has ended so far, None if that is nothing; else as ``receipt_of_feed``.

    Raises:
        Conflict: It has ended more certificates than a receipt can name.
    """
    if order.progress.done > MOST_CERTIFICATES:
        raise Conflict(
            order.cause,
            f"has ended {order.progress.done} certificates, and a receipt names {MOST_CERTIFICATES} at most",
            remedy="Its records in the journal name all of them: `kakehashi journal show`",
        )
    found = [
        acknowledged(head, record)
        for head, record in mentioning(world.stores.journal.folder, order.cause)
        if isinstance(record.entry, RevocationEntry) and record.entry.orders
    ]
    return _signed(world, found, at)


def feed_receipt_fields(world: World, feed: Feed, outcomes: Sequence[Outcome]) -> dict[str, str] | None:
    """The receipt for a file's events as an answer carries it; None if none can be signed now, which is logged."""
    return _fields(lambda at: receipt_of_feed(world, feed, outcomes, at), world)


def revocation_receipt_fields(world: World, ended: Ended) -> dict[str, str] | None:
    """The same for a revocation."""
    return _fields(lambda at: receipt_of_revocation(world, ended, at), world)


def record_receipt_fields(world: World, index: int) -> dict[str, str] | None:
    """A receipt for what this record of the journal acknowledges, however long ago; None if none can be signed now."""

    def make(at: datetime) -> Receipt | None:
        found = find_records(world.stores.journal.folder, [index]).values()
        return _signed(world, [acknowledged(head, record) for head, record in found], at)

    return _fields(make, world)


def _fields(make: Callable[[datetime], Receipt | None], world: World) -> dict[str, str] | None:
    try:
        receipt = make(world.clock())
    except KakehashiError as error:
        # What is acknowledged is acknowledged all the same; events that are sent again give their receipt.
        log("receipt not signed", level=WARNING, error=type(error).__name__, place=error.place)
        return None
    return None if receipt is None else receipt.fields()


def require_free(path: Path | None) -> None:
    """Raise BadInput if something lies where a receipt is to be written."""
    if path is not None and path.exists():
        raise BadInput(str(path), "is there already, and is not written over")


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt where nothing lies yet."""
    try:
        with path.open("xb") as file:
            file.write(encode_receipt(receipt))
    except FileExistsError:
        raise BadInput(str(path), "is there already, and is not written over") from None
    except OSError as error:
        raise StorageFailed(str(path), f"cannot be written: {error.strerror}") from None


def find_records(folder: Path, wanted: Iterable[int]) -> dict[int, tuple[Head, Record]]:
    """Those of these records that a journal's folder has, with the head that each makes; HomeRefused if damaged."""
    indices = set(wanted)
    found: dict[int, tuple[Head, Record]] = {}
    if not indices:
        return found
    for end, line in walk(folder, beginning(folder, min(indices))):
        if end.head.count in indices:
            found[end.head.count] = end.head, decode(line, f"{folder} record {end.head.count}")
        if end.head.count >= max(indices):
            break
    return found


def _earlier(world: World, feed: Feed, outcomes: Sequence[Outcome], at: datetime) -> Iterator[Acknowledged]:
    """The events that had been acknowledged before, as the journal has them, and what came of those that waited."""
    known = {outcome.event for outcome in outcomes if outcome.outcome is EventOutcome.REPLAYED}
    if not known:
        return
    changes = {change.id: change for change in feed.changes if change.id in known}
    own: list[int | None] = []
    with world.stores.nation.reading() as connection:
        indices = [register.journal_index_of(connection, event) for event in changes]
        for case in quarantine.of_events(connection, changes):
            indices.append(case.journal_index)
            if _told_by(case) == changes[case.event]:
                own.append(register.journal_index_of(connection, _own_id(case)))
        indices += own
    folder = world.stores.journal.folder
    waited: dict[str, int] = {}
    for head, record in find_records(folder, (index for index in indices if index)).values():
        told = _told(record.entry)
        if told is None or (head.count not in own and changes.get(told.id) != told):
            continue
        yield acknowledged(head, record)
        if isinstance(record.entry, EventEntry) and _has_waited(record.entry, at):
            waited[told.id] = head.count
    for head, record in effects_of(folder, waited, min(waited.values(), default=0)):
        yield acknowledged(head, record)


def _has_waited(entry: EventEntry, at: datetime) -> bool:
    """Whether an event took effect after it was acknowledged: then a later record tells what it ended."""
    return entry.outcome == EventOutcome.WAITING and entry.effective <= at


def _own_id(case: Case) -> str:
    """The id that a case's event is heard under, if its own was taken and an officer decided that it counts."""
    return f"{case.event}#{case.number}"


def _told_by(case: Case) -> Change | None:
    """The event that a case keeps because its id was taken."""
    return None if case.facts is None else register.change_of(told_apart(case.facts))


def _told(entry: Entry) -> Change | None:
    """The event that a record acknowledges: one that the register knows, or one set apart that came under its id."""
    if isinstance(entry, QuarantineEntry):
        return None if entry.facts is None else register.change_of(told_apart(entry.facts))
    return register.change_of(entry) if isinstance(entry, EventEntry) else None


def _orders(outcome: Outcome) -> tuple[OrderEntry, ...]:
    return tuple(
        OrderEntry(str(order.certificate), order.reason.word, order.revoked_at, scope)
        for order, scope in zip(outcome.orders, outcome.scopes, strict=True)
    )


def _signed(world: World, records: Sequence[Acknowledged], at: datetime) -> Receipt | None:
    if not records:
        return None
    said = make_statement(
        world.plan.name,
        records,
        at=at,
        status_within=status_practice(world.plan.practices.values()).staleness,
        lists_within=_lists_within(world, records),
    )
    statement = encode_statement(said)
    return Receipt(said, statement, sign_statement(world.issuers, world.plan, statement, at=at))


def _lists_within(world: World, records: Sequence[Acknowledged]) -> timedelta:
    """The longest time until a list of these certificates is made anew, if no change calls for it earlier.

    Lists are renewed when half of their time has passed.
    """
    authorities = {
        CertificateId.parse(order.certificate).generation.authority for one in records for order in one.orders
    }
    periods = (world.plan.practices[authority].periods.next_update for authority in authorities)
    return max(periods, default=timedelta(0)) / 2
