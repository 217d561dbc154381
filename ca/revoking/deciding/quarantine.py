"""The quarantine's desk: an operator of the centre decides what the rules could not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ca.errors import Conflict
from ca.journal.entries import ResolutionEntry
from ca.journal.journal import Head
from ca.model import RevocationReason
from ca.revoking.deciding.desk import told_apart
from ca.revoking.deciding.people import HeldOrder, People
from ca.rules.fate import Fate, Order, decide, fate
from ca.rules.residents import Change, LapseRules, Standing, standing_of
from ca.store import officers, quarantine, register
from ca.store.quarantine import Case
from ca.store.recording import Recording
from ca.store.stores import Stores


class CaseDecision(StrEnum):
    """What an officer decides of a case.

    ``end``: What it is about ends. An event whose id was known for another one is carried out; of two residents under
    one code the certificates of both end, and the codes count as one from then on; a hold ends for good.
    ``dismiss``: Everything stays as it is recorded.
    """

    END = "end"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A case that is decided, the certificates that ended by it, and how far the journal reaches with it."""

    case: Case
    orders: tuple[HeldOrder, ...]
    head: Head


def resolve(
    stores: Stores,
    rules: LapseRules,
    number: int,
    decision: CaseDecision,
    officer_id: str,
    *,
    at: datetime,
) -> Resolved:
    """Decide a case.

    Raises:
        NotFound: The case or the officer is unknown.
        NotPermitted: The officer is not an operator of the centre.
        Conflict: The case is decided already.
    """
    with stores.recording() as recording:
        officer = officers.operator_of_centre(recording.nation, officer_id)
        case = quarantine.find(recording.nation, number)
        if case.decision is not None:
            raise Conflict(
                f"quarantine case {number}", f"was decided by {case.officer} already: {case.decision}"
            )
        orders: tuple[HeldOrder, ...] = ()
        links = False
        if decision is CaseDecision.END:
            change = _change(recording, case, at)
            people = People(recording, [change], rules)
            if case.facts is None:
                links, orders = _two(people, change), tuple(_ended(people, change, at))
            else:
                orders = tuple(_carried_out(people, change, rules, at))
        entries = tuple(one.entry() for one in orders)
        recording.note(ResolutionEntry(number, decision, officer.id, at, entries, links))
        decided = quarantine.find(recording.nation, number)
    return Resolved(decided, orders, recording.heads[-1])


def _change(recording: Recording, case: Case, at: datetime) -> Change:
    """The event that a case is about; an officer does not wait for its effect."""
    if case.facts is None:
        return register.known(recording.nation, [case.event])[case.event]
    change = register.change_of(told_apart(case.facts))
    return replace(change, effective=min(change.effective, at))


def _two(people: People, change: Change) -> bool:
    """Whether an event tells of one resident where the register knows two."""
    return change.new_holder is not None and people.of(change.new_holder) is not people.of(change.holder)


def _carried_out(people: People, change: Change, rules: LapseRules, at: datetime) -> Iterator[HeldOrder]:
    """What an event ends that the register does not count; what was ended before stays as it is."""
    for record in people.of(change.holder).held:
        holding = people.holding(record)
        decided = decide(change, Fate(Standing.LIVE), fate((change,), holding, rules, at), holding, rules, at)
        if isinstance(decided, Order):
            yield HeldOrder(decided, record)


def _ended(people: People, change: Change, at: datetime) -> Iterator[HeldOrder]:
    """What was on hold; of two residents under one code, whatever is not ended."""
    held, ending, reason = (
        people.of(change.holder).held,
        {Standing.HELD},
        RevocationReason.CESSATION_OF_OPERATION,
    )
    if change.new_holder is not None and _two(people, change):
        held = [*held, *people.of(change.new_holder).held]
        ending, reason = {Standing.LIVE, Standing.HELD}, RevocationReason.UNSPECIFIED
    moment = at.replace(microsecond=0)
    for record in held:
        if standing_of(people.holding(record).revocation) in ending and record.period.not_after >= moment:
            yield HeldOrder(Order(record.certificate, reason, moment, None), record)
