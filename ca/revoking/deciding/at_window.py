"""What a window does with certificates that are there: hands them over, discards them, ends them for their holder.

A hand-over and a discard are steps of a case; what a holder asks for or reports is an event of the register, as if its
feed had told of it. Each is one recording: its step and its ends are acknowledged together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from ca.chance import Chance
from ca.errors import BadInput, Conflict, NotFound, NotPermitted
from ca.journal.journal import Head
from ca.model import (
    CertificateId,
    Office,
    OfficeKind,
    Officer,
    OfficerId,
    RevocationReason,
    Role,
    partition_scope,
)
from ca.revoking.deciding.delivery import end_by_case, predecessors, require_good, signed_of
from ca.revoking.deciding.desk import EventDesk, EventOutcome, Outcome, Sitting
from ca.revoking.deciding.people import People, Verdict
from ca.revoking.feed.events import Feed
from ca.rules import registration
from ca.rules.fate import Order
from ca.rules.registration import Case, Step
from ca.rules.residents import Change, ChangeKind, Standing, standing_of
from ca.rules.validity import EARLIEST
from ca.store import applications, officers, register
from ca.store.applications import Application
from ca.store.connections import Connections
from ca.store.recording import Recording
from ca.store.search import HolderCertificate, holder_certificates


class Deed(StrEnum):
    """What a holder asks for or reports. The value is the word in forms."""

    GIVE_UP_SIGNATURE = "give-up-signature"
    GIVE_UP_USER_AUTHENTICATION = "give-up-user-authentication"
    REPORT_COMPROMISE = "report-compromise"
    REPORT_LOSS = "report-loss"
    REPORT_LOSS_BY_TELEPHONE = "report-loss-by-telephone"
    REPORT_FOUND = "report-found"
    RETURN_CARD = "return-card"


DEEDS: Mapping[Deed, ChangeKind] = MappingProxyType(
    {
        Deed.GIVE_UP_SIGNATURE: ChangeKind.SIGNATURE_GIVEN_UP,
        Deed.GIVE_UP_USER_AUTHENTICATION: ChangeKind.USER_AUTHENTICATION_GIVEN_UP,
        Deed.REPORT_COMPROMISE: ChangeKind.KEY_COMPROMISED,
        Deed.REPORT_LOSS: ChangeKind.KEY_COMPROMISED,  # in person; it ends for good
        Deed.REPORT_LOSS_BY_TELEPHONE: ChangeKind.LOST,  # a voice: on hold until somebody comes
        Deed.REPORT_FOUND: ChangeKind.FOUND,
        Deed.RETURN_CARD: ChangeKind.CARD_RETURNED,
    }
)
"""The event that each is to the register."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A case after its last step.

    Attributes:
        ended: The certificates that ended by it: what was renewed, or what was discarded.
        head: How far the journal reaches with its record; None if nothing ended.
    """

    case: Case
    ended: tuple[CertificateId, ...]
    head: Head | None = None


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a deed would do.

    Attributes:
        held: The holder's certificates that have neither ended nor expired, the newest first.
        orders: What would become of which of them.
        problem: What the rules could not decide, and the centre would have to; None if nothing.
    """

    held: tuple[HolderCertificate, ...]
    orders: tuple[Order, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The windows' way to certificates that are there. ``Window(world.events)`` is the world's."""

    desk: EventDesk

    def hand_over(self, case_id: str, officer_id: str, *, at: datetime) -> Delivered:
        """Give the holder the certificates of a case; what they renew ends as superseded.

        Raises:
            BadInput: The case is a local government's (``local_delivery`` is for those).
            NotFound: The case or the officer is unknown.
            NotPermitted: The officer may not hand over this case.
            Conflict: The case is not issued, or is handed over or discarded already; or one of its certificates
                has ended or expired meanwhile, or a newer one was handed over.
        """
        self.desk.settle(at)
        with self.desk.stores.recording() as recording:
            found, case = _taken(recording, case_id, Step.HAND_OVER, officer_id, at)
            own = signed_of(recording, found)
            require_good(own, case, at)
            ending = predecessors(recording, found, own)
            rule = f"renewed: officer {officer_id} handed over what follows it"
            ended = end_by_case(recording, case, ending, RevocationReason.SUPERSEDED, rule, at)
            applications.advance(recording.nation, case)
        return Delivered(case, ended, recording.heads[-1] if recording.heads else None)

    def discard(self, case_id: str, officer_id: str, *, at: datetime, note: str | None = None) -> Delivered:
        """End the certificates of a case that were never handed over; the holder's others stay as they are.

        Raises:
            BadInput, NotFound, NotPermitted: As ``hand_over``.
            Conflict: The case is not issued, or is handed over or discarded already.
        """
        with self.desk.stores.recording() as recording:
            found, case = _taken(recording, case_id, Step.DISCARD, officer_id, at, note)
            rule = f"discarded before delivery by officer {officer_id}"
            own = signed_of(recording, found)
            ended = end_by_case(recording, case, own, RevocationReason.UNSPECIFIED, rule, at)
            applications.advance(recording.nation, case)
        return Delivered(case, ended, recording.heads[-1] if recording.heads else None)

    def look(
        self, deed: Deed, holder: bytes, officer_id: str, *, at: datetime, occurred: datetime | None = None
    ) -> Prospect:
        """What a deed would do, which is not done.

        Args:
            deed: What the holder asks for or reports.
            holder: The resident's keyed code (``ca.keys.codes.keyed_code``, or a case's ``holder``).
            officer_id: Who has the holder at the window, or on the telephone.
            at: Now.
            occurred: Since when the card is gone or the key known, if that is before now.

        Raises:
            BadInput: ``occurred`` lies after now, or before anybody can have been issued anything.
            NotFound: The officer is unknown, or the holder is not of this office's municipality.
            NotPermitted: The officer has not the role.
        """
        change = _change(deed, holder, "not done", at, occurred)
        with self.desk.stores.reading() as reading:
            officer, office = officers.officer(reading.nation, officer_id)
            _require_place(deed, officer, office)
            held = holder_certificates(reading, holder)
            _require_theirs(office, held, at)
            verdict = self._verdict(reading, change, at)
        return Prospect(
            tuple(one for one in held if _may_end(one, at)),
            tuple(one.order for one in verdict.orders),
            verdict.problem,
        )

    def end(
        self,
        deed: Deed,
        holder: bytes,
        officer_id: str,
        *,
        number: str,
        at: datetime,
        occurred: datetime | None = None,
    ) -> Outcome:
        """Do it. The same again, with the same number, changes nothing, and its outcome says REPLAYED.

        Args:
            deed: What the holder asks for or reports, and the others as for ``look``.
            holder: See ``look``.
            officer_id: See ``look``.
            number: What ``request_number`` gave when the form was opened.
            at: Now.
            occurred: See ``look``.

        Raises:
            BadInput, NotFound, NotPermitted: As ``look``; or the number is none.
            Conflict: Nothing would end; or the number was used for something else.
        """
        if not re.fullmatch(r"[0-9a-f]{20}", number):
            raise BadInput("request number", "is not 20 hexadecimal digits", remedy="Open the form again")
        self.desk.settle(at)
        with self.desk.stores.recording() as recording:
            officer, office = officers.officer(recording.nation, officer_id)
            _require_place(deed, officer, office)
            change = _change(deed, holder, f"window:{office.id}:{number}", at, occurred)
            if known := register.known(recording.nation, [change.id]).get(change.id):
                return _replayed(known, change)
            _require_theirs(office, holder_certificates(recording, holder), at)
            verdict = self._verdict(recording, change, at)
            if not verdict.orders and verdict.problem is None:
                raise Conflict(
                    "request",
                    "would end no certificate of this holder",
                    remedy="What has ended already, or was never held, needs no request",
                )
            feed = Feed(f"window {office.id}, officer {officer.id}", 0, "request", (change,))
            sitting = Sitting(recording, feed.changes, self.desk.rules, at)
            sitting.hear(change, feed)
            sitting.write()
        (outcome,) = sitting.outcomes(recording.heads)
        return outcome

    def _verdict(self, connections: Connections, change: Change, at: datetime) -> Verdict:
        """What would come of an event, which nobody hears of."""
        return People(connections, [change], self.desk.rules).judge(change, at)


def request_number(chance: Chance, officer: OfficerId, at: datetime) -> str:
    """A number for a form, by which the same form sent twice is known: 20 hexadecimal digits."""
    return chance.octets(f"request {officer} {at.isoformat()}", 10).hex()


def _taken(
    recording: Recording,
    case_id: str,
    step: Step,
    officer_id: str,
    at: datetime,
    note: str | None = None,
) -> tuple[Application, Case]:
    """An application, and its case after this step."""
    officer, office = officers.officer(recording.nation, officer_id)
    found = applications.find(recording.nation, case_id)
    if found.case.course is OfficeKind.LOCAL_GOVERNMENT:
        raise BadInput(f"case {found.case.id}", "is a local government's, whose key medium goes with it")
    return found, registration.take(found.case, step, officer, office, at, note)


def _may_end(held: HolderCertificate, at: datetime) -> bool:
    return standing_of(held.revocation).rank <= Standing.HELD.rank and held.period.not_after >= at


def _change(deed: Deed, holder: bytes, name: str, at: datetime, occurred: datetime | None) -> Change:
    """The event that a deed is; it takes effect at once."""
    since = at if occurred is None else occurred
    if since > at:
        raise BadInput("moment of the loss", "lies after now")
    if since < EARLIEST:
        raise BadInput("moment of the loss", f"lies before {EARLIEST.year}")
    since = since.astimezone(UTC)
    return Change(name, DEEDS[deed], holder, occurred=since, notified=at, effective=at)


def _require_place(deed: Deed, officer: Officer, office: Office) -> None:
    """Raise NotPermitted unless this officer may take it: a window's reception; the centre, day and night, a call."""
    if office.kind is OfficeKind.WINDOW and Role.RECEPTION in officer.roles:
        return
    called = deed is Deed.REPORT_LOSS_BY_TELEPHONE
    if called and office.kind is OfficeKind.CENTRE and Role.OPERATOR in officer.roles:
        return
    raise NotPermitted(
        "request",
        f"officer {officer.id} may not take it",
        remedy=f"It takes an officer with the role {Role.RECEPTION} at the holder's window"
        + (f", or an {Role.OPERATOR} of the centre" if called else ""),
    )


def _require_theirs(office: Office, held: Sequence[HolderCertificate], at: datetime) -> None:
    """Raise NotFound unless the holder is of this window's municipality; the centre knows everybody.

    Where somebody lives is known by what was issued last of what has not ended: whoever has moved goes to the new town,
    which ends what the old one issued as well. Of somebody who has nothing any more the last that was issued says it, so
    that an end may still become one for compromise.
    """
    # What was issued last comes first.
    latest = next((one for one in held if _may_end(one, at)), next(iter(held), None))
    if latest is None or not (
        office.kind is OfficeKind.CENTRE or latest.scope == partition_scope(latest.kind, office.id)
    ):
        raise NotFound(
            "holder",
            f"has no certificate that office {office.id} issued last",
            remedy="Look at the resident code; another municipality's certificates end at its window",
        )


def _replayed(known: Change, change: Change) -> Outcome:
    """The outcome of what is done already, or Conflict if the number was used for something else."""
    if _said(known) != _said(change):
        raise Conflict("request number", "was used for another request", remedy="Open the form again")
    return Outcome(change.id, change.kind, EventOutcome.REPLAYED)


def _said(change: Change) -> tuple[ChangeKind, bytes, datetime | None]:
    """What somebody has said with an event: of whom what, and since when, if that was told."""
    return change.kind, change.holder, None if change.occurred == change.notified else change.occurred
