"""The quarantine's desk: an operator of the centre decides what the rules could not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ca.errors import Conflict
from ca.journal.entries import OrderEntry, ResolutionEntry
from ca.journal.journal import Head
from ca.model import RevocationReason
from ca.revoking.deciding.desk import Outcome, Sitting, told_apart
from ca.revoking.deciding.people import HeldOrder, People
from ca.revoking.feed.events import Feed
from ca.rules.fate import Order
from ca.rules.residents import Change, LapseRules, Standing, standing_of
from ca.store import officers, quarantine, register
from ca.store.quarantine import Case
from ca.store.recording import Recording
from ca.store.stores import Stores


class CaseDecision(StrEnum):
    """What an officer decides of a case.

    ``end``: What it is about ends. An event whose id was known for another one is heard under an id of its own; of two residents under
    one code the certificates of both end, and the codes count as one from then on; a hold ends for good.
    ``dismiss``: Everything stays as it is recorded.
    """

    END = "end"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A case that is decided, the certificates that ended by it, and how far the journal reaches with it."""

    case: Case
    orders: tuple[Order, ...]
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
        orders: tuple[Order, ...] = ()
        entries: tuple[OrderEntry, ...] = ()
        links = False
        if decision is CaseDecision.END and case.facts is not None:
            orders = _heard(recording, case, case.facts, rules, at).orders
        elif decision is CaseDecision.END:
            change = register.known(recording.nation, [case.event])[case.event]
            people = People(recording, [change], rules)
            links, ended = _two(people, change), tuple(_ended(people, change, at))
            orders, entries = tuple(one.order for one in ended), tuple(one.entry() for one in ended)
        recording.note(ResolutionEntry(number, decision, officer.id, at, entries, links))
        decided = quarantine.find(recording.nation, number)
    return Resolved(decided, orders, recording.heads[-1])


def _heard(recording: Recording, case: Case, facts: str, rules: LapseRules, at: datetime) -> Outcome:
    """Acknowledge an event whose id was taken under an id of its own; an officer does not wait for its effect.

    No feed can name that id, so it is the register's like any other event, and counts in all that is decided later.
    """
    told = told_apart(facts)
    change = register.change_of(told)
    own = replace(change, id=f"{change.id}#{case.number}", effective=min(change.effective, at))
    sitting = Sitting(recording, [own], rules, at)
    sitting.hear(own, Feed(told.feed, told.sequence, f"quarantine case {case.number}", (own,)))
    sitting.write()
    (outcome,) = sitting.outcomes(())
    return outcome


def _two(people: People, change: Change) -> bool:
    """Whether an event tells of one resident where the register knows two."""
    return change.new_holder is not None and people.of(change.new_holder) is not people.of(change.holder)


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
