"""The desk where feeds arrive: known or new, decided, written into the journal, carried out.

The journal record, synced, is the acknowledgement and the truth. The store's transaction is open around it, so that
no certificate can come in between decision and record; should the process end before the store has it, the record is
carried out at the next opening. Carrying out twice changes nothing. Every database says how far it has followed the
journal: whichever of them was put back to an older copy gets what it has lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ca.errors import BadInput, Conflict, HomeRefused
from ca.model import CertificateId, OfficerId, Revocation, RevocationReason, Scope
from ca.revoking.feed import FORM, Feed
from ca.rules.residents import Change, ChangeKind, Holding, Order, lapses, rule
from ca.rules.revocation import CHANGES
from ca.rules.revocation import change as changed
from ca.store import holdings, register, revocations
from ca.store.journal import EventEntry, Journal, OrderEntry, Turn
from ca.store.stores import KeptFirst, Stores, Writing
from ca.wire.lists import encode_entry

# So many events share one sync of the journal and one commit of the store.
_GROUP = 256


class EventOutcome(StrEnum):
    """What came of an event."""

    ENDED = "ended"
    KEPT = "nothing ended"
    UNKNOWN_RESIDENT = "unknown resident"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an event of a file; the orders are the certificates that it ended, each with its list's scope."""

    event: str
    kind: ChangeKind
    outcome: EventOutcome
    orders: tuple[Order, ...] = ()
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class EventDesk:
    """The one way of a register's events into the store."""

    stores: Stores
    journal: Journal

    def apply(self, feed: Feed, *, at: datetime) -> list[Outcome]:
        """Acknowledge and carry out the events of a file, in their order; those known already change nothing.

        Raises:
            BadInput: An event has not taken effect yet; none of the file was applied.
            Conflict: An event's id is known for another event; none of the file was applied.
            HomeRefused: The journal is damaged.
            StorageFailed, HomeBusy: Some events may be acknowledged. The same file again completes it.
        """
        with self.journal.turn() as turn:
            self._catch_up(turn)
            with self.stores.nation.reading() as connection:
                known = register.known(connection, [change.id for change in feed.changes])
            for position, change in enumerate(feed.changes):
                _require_applicable(change, known.get(change.id), feed.line(position), at)
            outcomes: list[Outcome] = []
            for start in range(0, len(feed.changes), _GROUP):
                group = feed.changes[start : start + _GROUP]
                new = [change for change in group if change.id not in known]
                made = {outcome.event: outcome for outcome in self._apply(turn, feed, new, at)}
                outcomes += (
                    made.get(change.id, Outcome(change.id, change.kind, EventOutcome.REPLAYED))
                    for change in group
                )
        return outcomes

    def catch_up(self) -> int:
        """Carry out the journal's records that not every database has; gives how many there were.

        Raises:
            HomeRefused: The journal is damaged, or ends before what the store has.
        """
        if not self.journal.path.exists() and not any(self._applied()):
            return 0  # nothing was ever acknowledged here; no journal is begun by looking for one
        with self.journal.turn() as turn:
            return self._catch_up(turn)

    def _catch_up(self, turn: Turn) -> int:
        applied = self._applied()
        if max(applied) > turn.head.count:
            raise HomeRefused(
                str(self.journal.path),
                f"has {turn.head.count} records; the store has applied {max(applied)}",
                remedy="Restore the journal from its copy; nothing may be removed from it",
            )
        missing = turn.head.count - min(applied)
        if missing:
            with self.stores.writing(KeptFirst.AUTHORITIES) as writing:
                for record in turn.after(min(applied)):
                    _carry_out(writing, record.entry, record.index)
                _mark_applied(writing, turn.head.count)
        return missing

    def _applied(self) -> list[int]:
        """How far each database has followed the journal."""
        found: list[int] = []
        for store in self.stores.each():
            with store.reading() as connection:
                found.append(register.applied(connection))
        return found

    def _apply(self, turn: Turn, feed: Feed, changes: Sequence[Change], at: datetime) -> list[Outcome]:
        """Decide, write down and carry out new events as one group."""
        if not changes:
            return []
        outcomes: list[Outcome] = []
        entries: list[EventEntry] = []
        with self.stores.writing(KeptFirst.AUTHORITIES) as writing:
            for change in changes:
                outcome = _decide(writing, change, at)
                outcomes.append(outcome)
                entries.append(_entry(feed, change, outcome, at))
                # Before the next event is decided on, which may be the same resident's.
                _carry_out(writing, entries[-1], turn.head.count + len(entries))
            _mark_applied(writing, turn.head.count + len(entries))
            turn.append(entries)
        return outcomes


def _require_applicable(change: Change, known: Change | None, place: str, at: datetime) -> None:
    """Raise unless the event is known just so, or is new and has taken effect."""
    if known is None and change.effective > at:
        raise BadInput(
            f"{place}, effective",
            f"event {change.id} takes effect after it is applied ({at:%Y-%m-%dT%H:%M:%SZ})",
            clause=FORM,
            remedy="Send it when it has taken effect",
        )
    if known is not None and known != change:
        raise Conflict(
            place,
            f"event {change.id} is known with another kind, resident or moment",
            clause=FORM,
            remedy="Every event has an id of its own; a correction is a new event",
        )


def _decide(writing: Writing, change: Change, at: datetime) -> Outcome:
    held = holdings.of_holder(writing.nation, change.holder)
    if not held:
        return Outcome(change.id, change.kind, EventOutcome.UNKNOWN_RESIDENT)
    ended: list[tuple[Order, Scope]] = []
    for record in held:  # intended ones too: what is signed later must not escape
        connection = writing.of(record.certificate.generation.authority)
        revocation = revocations.find(connection, record.certificate, record.scope)
        holding = Holding(record.certificate, record.kind, record.decided_at, record.period, revocation)
        if order := lapses(change, holding, at):
            ended.append((order, record.scope))
    return Outcome(
        change.id,
        change.kind,
        EventOutcome.ENDED if ended else EventOutcome.KEPT,
        tuple(order for order, _ in ended),
        tuple(scope for _, scope in ended),
    )


def _mark_applied(writing: Writing, index: int) -> None:
    """Mark every database, also those that the records did not concern: they lack nothing up to there."""
    for connection in writing.each():
        register.mark_applied(connection, index)


def _carry_out(writing: Writing, entry: EventEntry, index: int) -> None:
    """Make the store say what the record says. What it says already stays as it is."""
    change = _change(entry)
    if not register.known(writing.nation, [change.id]):
        register.add(writing.nation, change, received_at=entry.received, journal_index=index)
    for ordered in entry.orders:
        certificate, scope = CertificateId.parse(ordered.certificate), Scope(ordered.scope)
        connection = writing.of(certificate.generation.authority)
        before = revocations.find(connection, certificate, scope)
        reason = RevocationReason.parse(ordered.reason)
        if reason not in CHANGES[None if before is None else before.reason]:
            continue
        asked = Revocation(certificate.serial, ordered.revoked_at, reason, ordered.invalid_since)
        revocation = changed(before, asked)
        if revocation.invalid_since is not None:
            # The moment of an earlier hold stays, and an effect that came after it adds nothing.
            earlier = min(revocation.invalid_since, revocation.revoked_at)
            revocation = replace(revocation, invalid_since=earlier)
        revocations.record(
            connection,
            certificate.generation,
            scope,
            revocation,
            entry=encode_entry(revocation),
            officer=OfficerId(f"event {change.id}"),
            at=entry.received,
        )


def _entry(feed: Feed, change: Change, outcome: Outcome, at: datetime) -> EventEntry:
    return EventEntry(
        event=change.id,
        kind=change.kind,
        feed=feed.name,
        sequence=feed.sequence,
        holder=change.holder.hex(),
        occurred=change.occurred,
        notified=change.notified,
        effective=change.effective,
        received=at,
        outcome=outcome.outcome,
        rule=rule(change.kind),
        orders=tuple(
            OrderEntry(
                str(order.certificate),
                order.reason.word,
                order.revoked_at,
                scope,
                order.invalid_since,
            )
            for order, scope in zip(outcome.orders, outcome.scopes, strict=True)
        ),
    )


def _change(entry: EventEntry) -> Change:
    return Change(
        entry.event,
        ChangeKind(entry.kind),
        bytes.fromhex(entry.holder),
        entry.occurred,
        entry.notified,
        entry.effective,
    )
