"""Orders that end many certificates: made by one operator of the centre, approved by another, carried out in chunks.

An order is about the certificates whose intents were written down when it was approved. What is issued afterwards is not
meant, even in the same town or on the same key: whoever wants that stopped too makes another order, or stops issuing.

An order, every officer's step about it and every chunk are records of the journal, so that an older copy of the databases
comes to the same: what was stopped stays so, what was running goes on behind the last chunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from ca.errors import Conflict, KakehashiError, NotFound, NotPermitted
from ca.journal import entries
from ca.journal.entries import MassNamesEntry, MassOrderEntry, MassStepEntry, OrderEntry, RevocationEntry
from ca.model import HOLDER_KINDS, CertificateId, RevocationReason
from ca.revoking.deciding.order_file import NamedCertificates
from ca.rules.revocation import CHANGES, permit
from ca.store import lives, officers, orders, selections
from ca.store.lives import Life
from ca.store.orders import By, OrderRecord, OrderState, OrderStep, Progress, Selection
from ca.store.stores import Stores

CHUNK = 1000
"""Certificates that share a record of the journal and their commits; issuing waits for as long as they take."""

_NO_NUMBER = 0  # of an order that is not written down
_NAMES = 10_000  # certificates that a record names

_FROM = {
    OrderStep.APPROVE: (OrderState.MADE,),
    OrderStep.PAUSE: (OrderState.RUNNING,),
    OrderStep.RESUME: (OrderState.PAUSED,),
    OrderStep.CANCEL: (OrderState.MADE, OrderState.RUNNING, OrderState.PAUSED),
}


@dataclass(frozen=True, slots=True)
class Survey:
    """What an order would come to, in certificates.

    Attributes:
        found: Those that it is about.
        to_end: Those of them that it would end, or put on hold.
        ended: Those that have ended already, in a way that the order may not change.
        expired: Those that have expired.
    """

    found: int
    to_end: int
    ended: int
    expired: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """An order that was looked at. Made by ``propose`` alone.

    Attributes:
        order: As it would be written down; its number is not known yet.
        named: The certificates that it names one by one.
    """

    order: OrderRecord
    named: tuple[CertificateId, ...]
    survey: Survey


class _Verdict(Enum):
    """What an order comes to for one certificate."""

    MEANT = "is to end"
    DONE = "was ended by this order"
    ENDED = "had ended already"
    EXPIRED = "had expired"
    LATER = "came after the order"


def propose(
    stores: Stores,
    wanted: Selection | NamedCertificates,
    reason: RevocationReason,
    officer_id: str,
    *,
    priority: int = 5,
    at: datetime,
) -> Proposal:
    """Look at what an order would come to; nothing is written down.

    Args:
        stores: The databases.
        wanted: Which certificates.
        reason: For which reason they are to end; certificateHold suspends them.
        officer_id: Who makes the order.
        priority: 1 comes first.
        at: Now.

    Raises:
        BadInput, NotFound: What is selected is not there; of certificates named one by one the line is told.
        NotPermitted: The officer is not an operator of the centre.
        RevocationRefused: The reason is not one for these certificates.
    """
    with stores.reading() as reading:
        officer = officers.operator_of_centre(reading.nation, officer_id)
        if isinstance(wanted, Selection):
            selections.require_known(reading, wanted)
    named = wanted.certificates if isinstance(wanted, NamedCertificates) else ()
    selection = wanted if isinstance(wanted, Selection) else Selection(By.SERIALS, str(len(named)))
    order = OrderRecord(_NO_NUMBER, selection, reason, priority, OrderState.MADE, officer.id, at)
    if isinstance(wanted, NamedCertificates):
        pages = _named(stores, wanted, reason)
    else:
        # Domain: "CA key leaked": every certificate of that key, and never only some of them.
        if selection.by is not By.GENERATION or reason is not RevocationReason.CA_COMPROMISE:
            for kind in sorted(HOLDER_KINDS):
                permit(kind, reason)
        pages = _selected(stores, order)
    counted = _count(order, pages, at)
    return Proposal(replace(order, found=counted.found), named, counted)


def make(stores: Stores, proposal: Proposal) -> OrderRecord:
    """Write an order down; another operator of the centre has to approve it.

    Raises:
        HomeRefused, StorageFailed: As for ``advance``.
    """
    with stores.recording() as recording:
        order = replace(proposal.order, number=orders.next_number(recording.nation))
        # Before the order: a death in between leaves names that no order has, and never an order without its names.
        for start in range(0, len(proposal.named), _NAMES):
            named = tuple(map(str, proposal.named[start : start + _NAMES]))
            recording.note(MassNamesEntry(order.number, named))
        recording.note(
            MassOrderEntry(
                order.number,
                str(order.selection),
                order.reason.word,
                order.priority,
                order.officer,
                order.made_at,
                order.found,
            )
        )
    return order


def approve(stores: Stores, number: int, officer_id: str, *, at: datetime) -> tuple[OrderRecord, Survey]:
    """Let an order be carried out; gives it, and what it comes to now.

    Raises:
        NotFound: No such order or officer.
        NotPermitted: The officer is not another operator of the centre than who made it.
        Conflict: It does not wait for approval.
    """
    with stores.nation.reading() as connection:
        officer = officers.operator_of_centre(connection, officer_id)
        seen = orders.find(connection, number)
    if seen.officer == officer.id:
        raise NotPermitted(seen.cause, f"officer {officer.id} made it; another one has to approve it")
    _require(seen, OrderStep.APPROVE)
    order = replace(seen, approved_at=at)
    counted = _count(order, _selected(stores, order), at)
    return _take(stores, number, OrderStep.APPROVE, officer_id, at, counted.found), counted


def pause(stores: Stores, number: int, officer_id: str, *, at: datetime) -> OrderRecord:
    """Stop carrying an order out behind the chunk at hand; Conflict if it is not running."""
    return _take(stores, number, OrderStep.PAUSE, officer_id, at)


def resume(stores: Stores, number: int, officer_id: str, *, at: datetime) -> OrderRecord:
    """Go on with an order; Conflict if it is not paused."""
    return _take(stores, number, OrderStep.RESUME, officer_id, at)


def cancel(stores: Stores, number: int, officer_id: str, *, at: datetime) -> OrderRecord:
    """Give an order up before its first chunk; Conflict if it has begun: nothing that it did can be undone."""
    return _take(stores, number, OrderStep.CANCEL, officer_id, at)


def advance(stores: Stores, *, at: datetime, chunk: int = CHUNK) -> OrderRecord | None:
    """Carry out the next chunk of the most urgent running order; gives it as it stands then, None if none is running.

    Harmless beside other processes that do so, and after a death at any moment.

    Raises:
        HomeRefused: The journal is damaged.
        StorageFailed: The disk or a database refused; the chunk is done again, or found done.
    """
    with stores.reading() as reading:
        running = orders.in_state(reading.nation, OrderState.RUNNING)
        if not running:
            return None
        order = running[0]
        page = selections.page(reading, order, order.progress.place, chunk)
    with stores.recording() as recording:
        now = orders.find(recording.nation, order.number)
        if now != order:
            return now  # it was paused, or another process was quicker
        found = lives.of(recording, [certificate for _, certificate in page])
        verdicts = [(_verdict(order, life, at), life) for life in found]
        reason, moment = order.reason.word, at.replace(microsecond=0)
        ended = tuple(
            OrderEntry(str(life.certificate), reason, moment, life.scope, not_after=life.not_after)
            for verdict, life in verdicts
            if verdict is _Verdict.MEANT
        )
        further = _further(order.progress, Counter(verdict for verdict, _ in verdicts))
        place = page[-1][0] if page else further.place
        progress = entries.Progress(
            further.done, further.ended, further.expired, place, finished=len(page) < chunk
        )
        recording.note(RevocationEntry(order.cause, _rule(order), at, ended, progress))
        return orders.find(recording.nation, order.number)


def _verdict(order: OrderRecord, life: Life, at: datetime) -> _Verdict:
    if order.approved_at is not None and life.intended_at > order.approved_at:
        return _Verdict.LATER
    if life.standing is not None and life.standing.cause == order.cause and life.reason is order.reason:
        return _Verdict.DONE
    if life.not_after < at.replace(microsecond=0):
        return _Verdict.EXPIRED
    if order.reason not in CHANGES[life.reason] and not _takes_over(order, life):
        return _Verdict.ENDED
    return _Verdict.MEANT


def _takes_over(order: OrderRecord, life: Life) -> bool:
    """Whether an order suspends what the register holds already, which no event of the register lifts then."""
    return (
        order.reason is RevocationReason.CERTIFICATE_HOLD
        and life.standing is not None
        and life.standing.held_by_register
    )


def _further(progress: Progress, counts: Counter[_Verdict]) -> Progress:
    return replace(
        progress,
        done=progress.done + counts[_Verdict.MEANT] + counts[_Verdict.DONE],
        ended=progress.ended + counts[_Verdict.ENDED],
        expired=progress.expired + counts[_Verdict.EXPIRED],
    )


def _rule(order: OrderRecord) -> str:
    return (
        f"{order.reason.word} by {order.selection}, "
        f"ordered by {order.officer} and approved by {order.second_officer}"
    )


def _count(order: OrderRecord, pages: Iterator[Sequence[Life]], at: datetime) -> Survey:
    counts: Counter[_Verdict] = Counter()
    for page in pages:
        counts.update(_verdict(order, life, at) for life in page)
    progress = _further(Progress(), counts)
    return Survey(progress.looked_at, progress.done, progress.ended, progress.expired)


def _selected(stores: Stores, order: OrderRecord) -> Iterator[Sequence[Life]]:
    """The certificates of an order, a page at a time, each page as the databases are then."""
    place = None
    while True:
        with stores.reading() as reading:
            page = selections.page(reading, order, place, CHUNK)
            found = lives.of(reading, [certificate for _, certificate in page])
        yield found
        if len(page) < CHUNK:
            return
        place = page[-1][0]


def _named(stores: Stores, named: NamedCertificates, reason: RevocationReason) -> Iterator[Sequence[Life]]:
    """Certificates named one by one, each looked up; what is wrong with one names its line."""
    for start in range(0, len(named.certificates), CHUNK):
        wanted = named.certificates[start : start + CHUNK]
        with stores.reading() as reading:
            found = lives.of(reading, wanted)
        known = {life.certificate: life for life in found}
        for number, certificate in enumerate(wanted, start + 1):
            place = f"{named.place} line {number}"
            if certificate not in known:
                raise NotFound(place, f"certificate {certificate} is not one of this home's")
            try:
                permit(known[certificate].kind, reason)
            except KakehashiError as error:
                raise type(error)(
                    place, f"{error.place} {error.problem}", clause=error.clause, remedy=error.remedy
                ) from None
        yield found


def _take(
    stores: Stores,
    number: int,
    step: OrderStep,
    officer_id: str,
    at: datetime,
    found: int | None = None,
) -> OrderRecord:
    with stores.recording() as recording:
        officer = officers.operator_of_centre(recording.nation, officer_id)
        order = orders.find(recording.nation, number)
        _require(order, step)
        if step is OrderStep.CANCEL and order.progress.place is not None:
            raise Conflict(order.cause, "has begun; what has ended cannot be undone", remedy="Pause it")
        recording.note(MassStepEntry(number, step, officer.id, at, found))
        return orders.find(recording.nation, number)


def _require(order: OrderRecord, step: OrderStep) -> None:
    if order.state not in _FROM[step]:
        raise Conflict(order.cause, f"is {order.state}, not {' or '.join(_FROM[step])}")
