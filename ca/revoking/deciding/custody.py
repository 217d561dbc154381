"""What a sub-office does with key media. A loss ends at once, on one officer's word, all that lies in the medium."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from ca.errors import BadInput, Conflict, NotFound
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.journal.journal import Head
from ca.model import ApplicationId, CertificateId, Office, Officer, RevocationReason
from ca.revoking.deciding.by_hand import suspected
from ca.rules import custody
from ca.rules.custody import NEEDS_MEDIUM, Medium, MediumState, MediumStep
from ca.rules.registration import Case, State, Step, StepTaken
from ca.rules.revocation import CHANGES
from ca.store import applications, lives, media, officers
from ca.store.applications import Application
from ca.store.connections import Connections
from ca.store.lives import Life
from ca.store.stores import Stores

_UNDECIDED = frozenset({State.FILED, State.EXAMINED, State.REEXAMINED, State.APPROVED})
_NEVER_DELIVERED = frozenset({State.REJECTED, State.FAILED, State.DISCARDED})


@dataclass(frozen=True, slots=True)
class Lost:
    """A medium that was lost.

    Attributes:
        ended: The certificates that ended by it.
        rejected: The case that was not issued yet, and is not to be.
        head: How far the journal reaches with its record; None if nothing ended.
    """

    medium: Medium
    ended: tuple[CertificateId, ...]
    rejected: ApplicationId | None = None
    head: Head | None = None


def register(stores: Stores, medium: str, officer_id: str, *, at: datetime) -> Medium:
    """Make a medium known, which the officer's office answers for from now on.

    Raises:
        BadInput: The number is none.
        Conflict: It is registered already.
        NotFound, NotPermitted: The officer is unknown, or may not.
    """
    number = custody.medium_id(medium)
    with stores.nation.writing() as connection:
        officer, office = officers.officer(connection, officer_id)
        registered = custody.take(Medium(number, office.id), MediumStep.REGISTER, officer, office, at)
        media.add(connection, registered)
    return registered


def assign(stores: Stores, medium: str, case_id: str, officer_id: str, *, at: datetime) -> Medium:
    """Give a medium to a case, whose keys are made in it. The same again changes nothing.

    Raises:
        NotFound: The medium, the case or the officer is unknown.
        NotPermitted: One of them is not of this office, or the officer may not.
        Conflict: The case has ended or has another medium; or the medium is not in the office.
    """

    def step(connection: Connection, found: Medium, officer: Officer, office: Office) -> Medium:
        application = applications.find(connection, case_id)
        case = application.case
        if case.office != office.id:
            raise NotFound(f"case {case_id}", "is not one of this office's")
        there = media.of_case(connection, office.id, case.id)
        if there is not None and there.id == found.id:
            return found
        if there is not None or case.state is State.DELIVERED or case.state in _NEVER_DELIVERED:
            raise Conflict(f"case {case.id}", "has a medium, or has ended")
        return custody.take(found, MediumStep.ASSIGN, officer, office, at, note=case.id)

    return _step(stores, medium, officer_id, step)


def require_assignable(connection: Connection, medium: str, officer_id: str, *, at: datetime) -> Medium:
    """A medium that could be given to a new case now: what a form asks before it files one. Raises as ``assign``."""
    officer, office = officers.officer(connection, officer_id)
    found = _of_office(connection, medium, office)
    custody.take(found, MediumStep.ASSIGN, officer, office, at)
    return found


def require_in_hand(connection: Connection, application: Application) -> Medium | None:
    """The medium that goes out with a case, or None where none has to; Conflict if it is not there."""
    case = application.case
    found = media.of_case(connection, case.office, case.id)
    kinds = {request.kind for request in application.requests}
    if found is None and kinds & NEEDS_MEDIUM:
        raise Conflict(f"case {case.id}", "has no key medium to hand over", remedy="Assign one to the case")
    if found is not None and found.state is MediumState.LOST:
        raise Conflict(f"case {case.id}", "its key medium is lost", remedy="Discard it, and apply again")
    return found


def take_back(
    stores: Stores, medium: str, officer_id: str, *, at: datetime, note: str | None = None
) -> Medium:
    """The medium comes back: from its holder, or from a case that came to nothing.

    Raises:
        Conflict: Its case is still under way.
        NotFound, NotPermitted: As for ``assign``.
    """

    def step(connection: Connection, found: Medium, officer: Officer, office: Office) -> Medium:
        waits = found.state is MediumState.ASSIGNED and found.case is not None
        if waits and _case(connection, found.case).state not in _NEVER_DELIVERED:
            raise Conflict(f"medium {found.id}", f"is for case {found.case}, which is under way")
        return custody.take(found, MediumStep.TAKE_BACK, officer, office, at, note)

    return _step(stores, medium, officer_id, step)


def destroy(stores: Stores, medium: str, officer_id: str, *, at: datetime, note: str | None = None) -> Medium:
    """The medium is destroyed. No certificate may be left whose keys lie in it alone.

    Raises:
        Conflict: A certificate of it is still good.
        NotFound, NotPermitted: As for ``assign``; or the officer took its last step.
    """
    with stores.writing() as writing:
        officer, office = officers.officer(writing.nation, officer_id)
        found = _of_office(writing.nation, medium, office)
        after = custody.take(found, MediumStep.DESTROY, officer, office, at, note)
        # What could still be superseded is still good.
        alive = [
            life for life in _alive(writing, found, at) if RevocationReason.SUPERSEDED in CHANGES[life.reason]
        ]
        if alive:
            raise Conflict(
                f"medium {found.id}",
                f"holds the key of a certificate that is still good ({alive[0].certificate})",
                remedy="Ask for its abolition first",
            )
        media.advance(writing.nation, after)
    return after


def report_lost(
    stores: Stores,
    medium: str,
    officer_id: str,
    *,
    at: datetime,
    since: datetime | None = None,
    note: str | None = None,
) -> Lost:
    """A medium is lost: every certificate whose key may lie in it ends as compromised; a case under way is rejected.

    Args:
        stores: The world's databases.
        medium: Its number.
        officer_id: Who was told.
        at: Now.
        since: Since when it has been missing, if that is known.
        note: What was told.

    Raises:
        BadInput: ``since`` lies after now.
        Conflict: It is lost or destroyed already.
        NotFound, NotPermitted: As for ``assign``.
        HomeRefused, StorageFailed: As ``Stores.recording``.
    """
    moment = at.replace(microsecond=0)
    missing = suspected(since, moment)
    with stores.recording() as recording:
        officer, office = officers.officer(recording.nation, officer_id)
        found = _of_office(recording.nation, medium, office)
        after = custody.take(found, MediumStep.LOSE, officer, office, at, note)
        rejected = _reject(recording.nation, found, officer, at)
        reason = RevocationReason.KEY_COMPROMISE
        orders = tuple(
            OrderEntry(str(life.certificate), reason.word, moment, life.scope, missing, life.not_after)
            for life in _alive(recording, found, at)
            if reason in CHANGES[life.reason]
        )
        if orders:
            rule = f"loss of the key medium {found.id}, reported at office {office.id}"
            recording.note(RevocationEntry(f"officer {officer.id}", rule, at, orders))
        media.advance(recording.nation, after)
    ended = tuple(CertificateId.parse(order.certificate) for order in orders)
    return Lost(after, ended, rejected, recording.heads[-1] if recording.heads else None)


_Take = Callable[[Connection, Medium, Officer, Office], Medium]


def _step(stores: Stores, medium: str, officer_id: str, step: _Take) -> Medium:
    with stores.nation.writing() as connection:
        officer, office = officers.officer(connection, officer_id)
        found = _of_office(connection, medium, office)
        after = step(connection, found, officer, office)
        if after != found:
            media.advance(connection, after)
    return after


def _of_office(connection: Connection, medium: str, office: Office) -> Medium:
    """The medium, if the office answers for it; which others there are is not its to know."""
    try:
        found = media.find(connection, custody.medium_id(medium))
    except BadInput:
        found = None
    if found is None or found.office != office.id:
        raise NotFound("medium", f"none of this number is one of office {office.id}'s")
    return found


def _case(connection: Connection, case: ApplicationId | None) -> Case:
    assert case is not None, "only media with a case are asked"
    return applications.find(connection, case).case


def _alive(connections: Connections, medium: Medium, at: datetime) -> list[Life]:
    """The certificates, from their intents on, whose keys may lie in the medium, and that have not expired."""
    wanted = [
        certificate
        for case in dict.fromkeys(medium.cases)
        for certificate in applications.find(connections.nation, case).certificates
    ]
    return [life for life in lives.of(connections, wanted) if life.not_after >= at.replace(microsecond=0)]


def _reject(connection: Connection, medium: Medium, officer: Officer, at: datetime) -> ApplicationId | None:
    """End the case that the medium is for, if nothing was issued yet: its keys are gone, and nobody has to decide it."""
    if medium.state is not MediumState.ASSIGNED or medium.case is None:
        return None
    case = _case(connection, medium.case)
    if case.state not in _UNDECIDED:
        return None
    taken = StepTaken(Step.REJECT, officer.id, at, f"The key medium {medium.id} is lost")
    applications.advance(connection, replace(case, state=State.REJECTED, history=(*case.history, taken)))
    return case.id
