"""What a sub-office does with key media. A loss ends at once, on one officer's word, all that lies in the medium."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from ca.errors import BadInput, Conflict, NotFound
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.journal.journal import Head
from ca.model import Applicant, ApplicationId, CertificateId, Office, Officer, RevocationReason
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


class HoldsKey(Conflict):
    """A medium holds the key of a certificate that is still good, which is in the way of what is to be done with it."""

    def __init__(self, medium: str, certificate: CertificateId, whose: str = "") -> None:
        super().__init__(
            f"medium {medium}",
            f"holds the key of a certificate{whose} that is still good ({certificate})",
            remedy="Ask for its abolition first",
        )


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

    A holder's renewal may lie in the medium with what it renews; nobody is given another holder's good key.

    Raises:
        NotFound: The medium, the case or the officer is unknown.
        NotPermitted: One of them is not of this office, or the officer may not.
        Conflict: The case has ended or has another medium; or the medium is not in the office.
        HoldsKey: The key of another applicant's certificate, which is still good, lies in the medium.
    """
    with stores.writing() as writing:
        connection = writing.nation
        officer, office = officers.officer(connection, officer_id)
        found = _of_office(connection, medium, office)
        application = applications.find(connection, case_id)
        case = application.case
        if case.office != office.id:
            raise NotFound(f"case {case_id}", "is not one of this office's")
        there = media.of_case(connection, office.id, case.id)
        if there is not None and there.id == found.id:
            return found
        if there is not None or case.state is State.DELIVERED or case.state in _NEVER_DELIVERED:
            raise Conflict(f"case {case.id}", "has a medium, or has ended")
        after = custody.take(found, MediumStep.ASSIGN, officer, office, at, note=case.id)
        _require_no_others(writing, found, application.require_applicant(), at)
        media.advance(connection, after)
    return after


def require_assignable(
    connections: Connections, medium: str, officer_id: str, applicant: Applicant, *, at: datetime
) -> Medium:
    """A medium that could be given to a new case now: what a form asks before it files one. Raises as ``assign``.

    Args:
        connections: Transactions that read.
        medium: Its number.
        officer_id: Who would give it.
        applicant: Whose case it would be.
        at: Now.
    """
    officer, office = officers.officer(connections.nation, officer_id)
    found = _of_office(connections.nation, medium, office)
    custody.take(found, MediumStep.ASSIGN, officer, office, at)
    _require_no_others(connections, found, applicant, at)
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
    with stores.nation.writing() as connection:
        officer, office = officers.officer(connection, officer_id)
        found = _of_office(connection, medium, office)
        waits = found.state is MediumState.ASSIGNED and found.case is not None
        if waits and _case(connection, found.case).state not in _NEVER_DELIVERED:
            raise Conflict(f"medium {found.id}", f"is for case {found.case}, which is under way")
        after = custody.take(found, MediumStep.TAKE_BACK, officer, office, at, note)
        media.advance(connection, after)
    return after


def destroy(stores: Stores, medium: str, officer_id: str, *, at: datetime, note: str | None = None) -> Medium:
    """The medium is destroyed. No certificate may be left whose keys lie in it alone.

    Raises:
        HoldsKey: A certificate of it is still good.
        NotFound, NotPermitted: As for ``assign``; or the officer took its last step.
    """
    with stores.writing() as writing:
        officer, office = officers.officer(writing.nation, officer_id)
        found = _of_office(writing.nation, medium, office)
        after = custody.take(found, MediumStep.DESTROY, officer, office, at, note)
        if good := _good(_alive(writing, _all_of(writing.nation, found), at)):
            raise HoldsKey(found.id, good[0].certificate)
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
            for life in _alive(recording, _all_of(recording.nation, found), at)
            if reason in CHANGES[life.reason]
        )
        if orders:
            rule = f"loss of the key medium {found.id}, reported at office {office.id}"
            recording.note(RevocationEntry(f"officer {officer.id}", rule, at, orders))
        media.advance(recording.nation, after)
    ended = tuple(CertificateId.parse(order.certificate) for order in orders)
    return Lost(after, ended, rejected, recording.heads[-1] if recording.heads else None)


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


def _require_no_others(connections: Connections, medium: Medium, applicant: Applicant, at: datetime) -> None:
    """Raise HoldsKey if the key of another applicant's good certificate may lie in the medium."""
    others = [case for case in _all_of(connections.nation, medium) if case.applicant != applicant]
    if good := _good(_alive(connections, others, at)):
        raise HoldsKey(medium.id, good[0].certificate, " of another holder")


def _all_of(connection: Connection, medium: Medium) -> list[Application]:
    """Every case whose keys may lie in the medium."""
    return [applications.find(connection, case) for case in dict.fromkeys(medium.cases)]


def _alive(connections: Connections, cases: Sequence[Application], at: datetime) -> list[Life]:
    """The certificates of these cases, from their intents on, that have not expired."""
    wanted = [certificate for case in cases for certificate in case.certificates]
    return [life for life in lives.of(connections, wanted) if life.not_after >= at.replace(microsecond=0)]


def _good(alive: Sequence[Life]) -> list[Life]:
    """Those that have not ended: what could still be superseded."""
    return [life for life in alive if RevocationReason.SUPERSEDED in CHANGES[life.reason]]


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
