"""The desk where feeds arrive: known or new, decided, recorded, carried out.

What the rules cannot decide goes to the quarantine, and nothing else waits for it. What takes effect later waits in the
register until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from ca.journal.entries import EffectEntry, EventEntry, QuarantineEntry
from ca.journal.journal import Head
from ca.model import Scope
from ca.revoking.deciding.people import EventOutcome, People, Verdict
from ca.revoking.feed.files import Feed
from ca.rules.fate import Order
from ca.rules.feed_numbers import noticed
from ca.rules.residents import Change, ChangeKind, LapseRules
from ca.store import feeds, quarantine, register
from ca.store.ending import Ends, end_several
from ca.store.recording import Recording
from ca.store.stores import Stores

__all__ = ["EventDesk", "EventOutcome", "Outcome", "Sitting", "Taken"]

# So many events share one sync of the journal and one commit of the store.
_GROUP = 256


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an event.

    Attributes:
        orders: The certificates that it ended, held or let go, and ``scopes`` the list of each.
        case: The case of the quarantine that it opened.
        problem: Why it did.
        head: How far the journal reached with the event's record; None if it was known before.
    """

    event: str
    kind: ChangeKind
    outcome: EventOutcome
    orders: tuple[Order, ...] = ()
    scopes: tuple[Scope, ...] = ()
    case: int | None = None
    problem: str | None = None
    head: Head | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a file.

    Attributes:
        outcomes: One for each event, in the file's order.
        warnings: What its number gives to notice. Nothing was kept back for it.
    """

    outcomes: list[Outcome]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventDesk:
    """The one way of a register's events into the store."""

    stores: Stores
    rules: LapseRules = field(default_factory=LapseRules)

    def take(self, feed: Feed, *, at: datetime) -> Taken:
        """The same as ``apply``, and what the file's number gives to notice: a gap before it, or that it came before."""
        with self.stores.nation.reading() as connection:
            runs = feeds.runs(connection, feed.name)
        outcomes = self.apply(feed, at=at)
        news = any(one.outcome is not EventOutcome.REPLAYED for one in outcomes)
        return Taken(outcomes, noticed(runs, feed.name, feed.sequence, news=news))

    def apply(self, feed: Feed, *, at: datetime) -> list[Outcome]:
        """Acknowledge and carry out the events of a file, in their order; those known already change nothing.

        Raises:
            HomeRefused: The journal is damaged.
            StorageFailed, HomeBusy: Some events may be acknowledged. The same file again completes it.
        """
        self.settle(at)
        outcomes: list[Outcome] = []
        for start in range(0, len(feed.changes), _GROUP):
            with self.stores.recording() as recording:
                sitting = Sitting(recording, feed.changes[start : start + _GROUP], self.rules, at)
                for change in feed.changes[start : start + _GROUP]:
                    sitting.hear(change, feed)
                sitting.write()
                if start + _GROUP >= len(feed.changes):  # whole
                    feeds.note(recording.nation, feed.name, feed.sequence)
            outcomes += sitting.outcomes(recording.heads)
        if not feed.changes:
            with self.stores.recording() as recording:
                feeds.note(recording.nation, feed.name, feed.sequence)
        return outcomes

    def settle(self, at: datetime) -> list[Outcome]:
        """Carry out the events that waited and have taken effect by now, in the order of their effect."""
        outcomes: list[Outcome] = []
        while self._any_due(at):
            with self.stores.recording() as recording:
                changes = register.due(recording.nation, at, _GROUP)
                sitting = Sitting(recording, changes, self.rules, at)
                for change in changes:
                    sitting.settle(change)
                sitting.write()
            outcomes += sitting.outcomes(recording.heads)
        return outcomes

    def _any_due(self, at: datetime) -> bool:
        with self.stores.nation.reading() as connection:
            return bool(register.due(connection, at, 1))


class Sitting:
    """A group of events that are judged one after the other and recorded together."""

    def __init__(
        self, recording: Recording, changes: Sequence[Change], rules: LapseRules, at: datetime
    ) -> None:
        self._recording = recording
        self._at = at
        self._rules = rules
        self._people = People(recording, changes, rules)
        self._case = quarantine.next_number(recording.nation)
        self._events: list[tuple[int, EventEntry]] = []
        self._ends: list[Ends] = []
        self._outcomes: list[tuple[Outcome, int | None]] = []

    def hear(self, change: Change, feed: Feed) -> None:
        """Acknowledge an event, unless it is known."""
        known = self._people.known.get(change.id)
        if known == change:
            self._outcomes.append((Outcome(change.id, change.kind, EventOutcome.REPLAYED), None))
            return
        if known is not None:
            self._set_apart(change, feed)
            return
        verdict = self._people.judge(change, self._at)
        entry = _event_entry(feed, change, verdict, self._at)
        self._note(change, entry, verdict)

    def settle(self, change: Change) -> None:
        """Carry out an event that has waited."""
        verdict = self._people.judge(change, self._at)
        orders = tuple(one.entry() for one in verdict.orders)
        entry = EffectEntry(change.id, self._at, verdict.outcome, verdict.rule, orders, verdict.links)
        self._note(change, entry, verdict)

    def write(self) -> None:
        """Have the databases say what was noted, all events in a few statements."""
        register.add(self._recording.nation, self._events)
        end_several(self._recording.writing, self._ends)

    def outcomes(self, heads: Sequence[Head]) -> list[Outcome]:
        """What came of the events, given how far the journal reached with each record."""
        by_index = {head.count: head for head in heads}
        return [
            outcome if index is None else replace(outcome, head=by_index.get(index))
            for outcome, index in self._outcomes
        ]

    def _note(self, change: Change, entry: EventEntry | EffectEntry, verdict: Verdict) -> None:
        index = self._recording.note(entry, carried_out=True)
        if isinstance(entry, EventEntry):
            self._events.append((index, entry))
        else:
            register.settle(self._recording.nation, entry.event, links=entry.links)
        self._ends.append(Ends(entry.orders, f"event {change.id}", index, self._at))
        case = None if verdict.problem is None else self._quarantine(change.id, verdict.problem)
        outcome = Outcome(
            change.id,
            change.kind,
            verdict.outcome,
            tuple(one.order for one in verdict.orders),
            tuple(one.record.scope for one in verdict.orders),
            case,
            verdict.problem,
        )
        self._outcomes.append((outcome, index))

    def _set_apart(self, change: Change, feed: Feed) -> None:
        """Quarantine an event whose id is known for another one, unless that was done."""
        for case in quarantine.of_events(self._recording.nation, [change.id]):
            if case.facts is not None and register.change_of(told_apart(case.facts)) == change:
                self._outcomes.append((Outcome(change.id, change.kind, EventOutcome.REPLAYED), None))
                return
        problem = f"event {change.id} is known with another kind, resident or moment"
        verdict = Verdict(EventOutcome.QUARANTINED, self._rules.words(change.kind), problem=problem)
        facts = msgspec.json.encode(_event_entry(feed, change, verdict, self._at)).decode()
        index = self._recording.next_index
        case_number = self._quarantine(change.id, problem, facts)
        outcome = Outcome(change.id, change.kind, EventOutcome.QUARANTINED, case=case_number, problem=problem)
        self._outcomes.append((outcome, index))

    def _quarantine(self, event: str, problem: str, facts: str | None = None) -> int:
        number = self._case
        self._case += 1
        self._recording.note(QuarantineEntry(number, event, problem, self._at, facts))
        return number


def told_apart(facts: str) -> EventEntry:
    """The event that a case keeps because the register knows its id for another one."""
    return msgspec.json.decode(facts, type=EventEntry)


def _event_entry(feed: Feed, change: Change, verdict: Verdict, at: datetime) -> EventEntry:
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
        outcome=verdict.outcome,
        rule=verdict.rule,
        orders=tuple(one.entry() for one in verdict.orders),
        withdraws=change.withdraws,
        new_holder=None if change.new_holder is None else change.new_holder.hex(),
        links=verdict.links,
    )
