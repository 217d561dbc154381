"""Residents as the register and the lists know them, read for many events at once and kept up as each is judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ca.journal.entries import OrderEntry
from ca.model import CertificateId, Revocation, RevocationReason
from ca.rules.fate import Doubt, Fate, Holding, Order, decide, fate, in_effect
from ca.rules.residents import Change, LapseRules
from ca.store import holdings, lives, register
from ca.store.connections import Connections
from ca.store.holdings import HoldingRecord


class EventOutcome(StrEnum):
    """What came of an event. The value is the word in answers and in the journal."""

    ENDED = "ended"
    HELD = "held"
    LIFTED = "lifted"
    KEPT = "nothing ended"
    UNKNOWN_RESIDENT = "unknown resident"
    WAITING = "waiting"
    QUARANTINED = "quarantined"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order about a certificate that a resident holds."""

    order: Order
    record: HoldingRecord

    def entry(self) -> OrderEntry:
        """The order as the journal has it."""
        return OrderEntry(
            str(self.order.certificate),
            self.order.reason.word,
            self.order.revoked_at,
            self.record.scope,
            self.order.invalid_since,
            self.record.period.not_after,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of an event.

    Attributes:
        rule: The rows of the table that were applied, in words.
        problem: What the rules could not decide, if anything; the orders are for the rest.
        links: Whether the resident's codes count as one from now on.
    """

    outcome: EventOutcome
    rule: str
    orders: tuple[HeldOrder, ...] = ()
    problem: str | None = None
    links: bool = False


@dataclass(slots=True)
class Person:
    """A resident under all codes.

    Attributes:
        told: The events that count: what waits for its effect is judged when it comes, in its turn.
    """

    codes: frozenset[bytes] = field(repr=False)
    told: dict[str, Change] = field(default_factory=dict)
    held: list[HoldingRecord] = field(default_factory=list)


class People:
    """The residents of a group of events.

    Attributes:
        known: Those of the events, and of the events that they withdraw, that are acknowledged, by id.
    """

    def __init__(self, connections: Connections, changes: Sequence[Change], rules: LapseRules) -> None:
        """Read what the databases know of the residents whom these events concern."""
        self._rules = rules
        nation = connections.nation
        named = {change.id for change in changes} | {
            change.withdraws for change in changes if change.withdraws
        }
        self.known = register.known(nation, sorted(named))
        self._persons: dict[bytes, Person] = {}
        for codes in set(register.codes_of(nation, _codes(changes)).values()):
            self._persons |= dict.fromkeys(codes, Person(codes))
        everybody = sorted(self._persons)
        for change in register.of_holders(nation, everybody, settled=True):
            self._persons[change.holder].told[change.id] = change
        found = holdings.of_holders(nation, everybody)
        for record in found:
            assert record.holder is not None, "asked for by holder"
            self._persons[record.holder].held.append(record)
        self._ended: dict[CertificateId, tuple[Revocation, bool]] = {}
        for known in lives.of(connections, [record.certificate for record in found]):
            if known.standing is not None:
                by_register = known.standing.cause.startswith("event ")
                self._ended[known.certificate] = known.standing.revocation, by_register

    def of(self, code: bytes) -> Person:
        """The resident who has or had this code."""
        return self._persons[code]

    def holding(self, record: HoldingRecord) -> Holding:
        """What the rules have to know of a certificate; intended ones count, so that none escapes by being signed."""
        revocation, by_register = self._ended.get(record.certificate, (None, True))
        return Holding(
            record.certificate, record.kind, record.decided_at, record.period, revocation, by_register
        )

    def judge(self, change: Change, at: datetime) -> Verdict:
        """Decide what comes of an event at this moment, and count it as known from now on."""
        person = self.of(change.holder)
        self.known[change.id] = change
        if change.effective > at:
            return Verdict(EventOutcome.WAITING, self._rules.words(change.kind))
        concerned, problems = [person], self._withdrawal(change, person)
        valid = change in in_effect([*person.told.values(), change], at)
        if change.new_holder is not None and valid and (other := self.of(change.new_holder)) is not person:
            problems += _linking(change, person, other)
            if not problems:
                concerned.append(other)
        before: dict[CertificateId, Fate] = {}
        for one in concerned:
            told = in_effect(one.told.values(), at)
            before |= {record.certificate: self._fate(told, record, at) for record in one.held}
        whole = self._together(concerned)
        whole.told[change.id] = change
        told = in_effect(whole.told.values(), at)
        orders: list[HeldOrder] = []
        rows = {change.kind: self._rules.words(change.kind)}
        for record in whole.held:
            was, now = before[record.certificate], self._fate(told, record, at)
            found = decide(change, was, now, self.holding(record), self._rules, at)
            if isinstance(found, Doubt):
                problems.append(f"{found.certificate}: {found.problem}")
            elif found is not None:
                orders.append(HeldOrder(found, record))
                self._note(found)
                if now.change is not None:
                    rows[now.change.kind] = self._rules.words(now.change.kind)
        return Verdict(
            _outcome(orders, problems, whole),
            "; ".join(rows.values()),
            tuple(orders),
            "; ".join(problems) or None,
            len(concerned) > 1,
        )

    def _fate(self, told: Sequence[Change], record: HoldingRecord, at: datetime) -> Fate:
        return fate(told, self.holding(record), self._rules, at)

    def _withdrawal(self, change: Change, person: Person) -> list[str]:
        """What is wrong with a withdrawn notice. One that names an event not yet known waits for it in the fold."""
        named = None if change.withdraws is None else self.known.get(change.withdraws)
        if named is None:
            return []
        if named.holder not in person.codes:
            return [f"event {change.id} withdraws event {named.id}, which is another resident's"]
        if (
            named.new_holder is not None
            and person.codes >= {named.holder, named.new_holder}
            and change.effective < named.effective
        ):
            return [f"event {change.id} withdraws event {named.id}, whose codes count as one already"]
        return []

    def _together(self, concerned: Sequence[Person]) -> Person:
        """Count residents as one."""
        if len(concerned) == 1:
            return concerned[0]
        whole = Person(frozenset().union(*(person.codes for person in concerned)))
        for person in concerned:
            whole.told |= person.told
            whole.held += person.held
        self._persons |= dict.fromkeys(whole.codes, whole)
        return whole

    def _note(self, order: Order) -> None:
        revocation = Revocation(order.certificate.serial, order.revoked_at, order.reason, order.invalid_since)
        self._ended[order.certificate] = revocation, True


def _codes(changes: Iterable[Change]) -> set[bytes]:
    found: set[bytes] = set()
    for change in changes:
        found |= {change.holder} if change.new_holder is None else {change.holder, change.new_holder}
    return found


def _linking(change: Change, person: Person, other: Person) -> list[str]:
    """Why the new code cannot be this resident's: another resident's certificates say so, or codes without end.

    A certificate that was decided on since the code changed was applied for under the new one already.
    """
    if any(record.decided_at is None or record.decided_at < change.effective for record in other.held):
        return [f"event {change.id} gives a resident the code under which another one holds certificates"]
    if len(person.codes | other.codes) > register.MOST_CODES:
        return [f"event {change.id} gives a resident more than {register.MOST_CODES} codes"]
    return []


def _outcome(orders: Sequence[HeldOrder], problems: Sequence[str], person: Person) -> EventOutcome:
    """The weightiest of what came of an event."""
    if problems:
        return EventOutcome.QUARANTINED
    reasons = {one.order.reason for one in orders}
    if reasons - {RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL}:
        return EventOutcome.ENDED
    if RevocationReason.CERTIFICATE_HOLD in reasons:
        return EventOutcome.HELD
    if reasons:
        return EventOutcome.LIFTED
    return EventOutcome.KEPT if person.held else EventOutcome.UNKNOWN_RESIDENT
