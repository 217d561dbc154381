"""The last step of a local government's case, with the key medium that goes out with it, or is the office's again."""

from __future__ import annotations

from datetime import datetime

from ca.errors import BadInput
from ca.model import Office, OfficeKind, Officer, RevocationReason
from ca.revoking.deciding.at_window import Delivered
from ca.revoking.deciding.custody import require_in_hand
from ca.revoking.deciding.delivery import end_by_case, predecessors, require_good, signed_of
from ca.rules import custody, registration
from ca.rules.custody import Medium, MediumState, MediumStep
from ca.rules.registration import Step
from ca.store import applications, media, officers
from ca.store.applications import Application
from ca.store.recording import Recording
from ca.store.stores import Stores


def hand_over(stores: Stores, case_id: str, officer_id: str, *, at: datetime) -> Delivered:
    """Give the holder the certificates and the medium with their keys; what the application renews ends as superseded.

    Raises:
        BadInput: The case is not a local government's.
        NotFound: The case or the officer is unknown.
        NotPermitted: The officer may not hand over this case.
        Conflict: The case is not issued, or is handed over or discarded already; one of its certificates has ended
            or expired meanwhile; what it renews has ended, unless as compromised (``delivery.predecessors`` says why);
            or the medium that it needs is not assigned, or lost.
    """
    with stores.recording() as recording:
        found, officer, office = _found(recording, case_id, officer_id)
        case = registration.take(found.case, Step.HAND_OVER, officer, office, at)
        own = signed_of(recording, found)
        require_good(own, case, at)
        medium = require_in_hand(recording.nation, found)
        ending = predecessors(recording, found, own)
        rule = f"renewed: officer {officer.id} handed over what follows it"
        ended = end_by_case(recording, case, ending, RevocationReason.SUPERSEDED, rule, at)
        applications.advance(recording.nation, case)
        if medium is not None:
            _move(recording, medium, MediumStep.HAND_OUT, officer, office, at)
    return Delivered(case, ended, recording.heads[-1] if recording.heads else None)


def discard(
    stores: Stores, case_id: str, officer_id: str, *, at: datetime, note: str | None = None
) -> Delivered:
    """End the certificates of a case that were never handed over; its medium lies in the office as before.

    Raises:
        BadInput, NotFound, NotPermitted: As ``hand_over``.
        Conflict: The case is not issued, or is handed over or discarded already.
    """
    with stores.recording() as recording:
        found, officer, office = _found(recording, case_id, officer_id)
        case = registration.take(found.case, Step.DISCARD, officer, office, at, note)
        rule = f"discarded before delivery by officer {officer.id}"
        own = signed_of(recording, found)
        ended = end_by_case(recording, case, own, RevocationReason.UNSPECIFIED, rule, at)
        applications.advance(recording.nation, case)
        medium = media.of_case(recording.nation, case.office, case.id)
        if medium is not None and medium.state is MediumState.ASSIGNED:
            _move(recording, medium, MediumStep.TAKE_BACK, officer, office, at)
    return Delivered(case, ended, recording.heads[-1] if recording.heads else None)


def _found(recording: Recording, case_id: str, officer_id: str) -> tuple[Application, Officer, Office]:
    officer, office = officers.officer(recording.nation, officer_id)
    found = applications.find(recording.nation, case_id)
    if found.case.course is not OfficeKind.LOCAL_GOVERNMENT:
        raise BadInput(f"case {case_id}", "is not a local government's")
    return found, officer, office


def _move(
    recording: Recording, medium: Medium, step: MediumStep, officer: Officer, office: Office, at: datetime
) -> None:
    media.advance(recording.nation, custody.take(medium, step, officer, office, at))
