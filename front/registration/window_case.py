"""What the page of a case shows: what was applied for, who did what when, the certificates, and what is to do now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ca.errors import KakehashiError, NotPermitted
from ca.model import (
    Applicant,
    CertificateId,
    CertificateKind,
    LocalHolder,
    OfficialPost,
    Period,
    Resident,
    Revocation,
)
from ca.rules import registration
from ca.rules.registration import ENDED, Step, steps_open_to
from ca.rules.revocation import CertificateStatus, status_of
from ca.store import applications, lives, officers
from ca.store.applications import Application
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Connections
from ca.store.search import HolderCertificate, holder_certificates
from front.assembly import World
from front.looking import Sought, note_auditor, noting_refusals
from front.pages.offices import called
from front.pages.rendering import say
from front.pages.visit import SignedIn

CLOSING = (Step.REJECT, Step.DISCARD)
"""The steps that end a case without its certificates: each asks for a reason."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of what was applied for.

    Attributes:
        word: The key of what it is called.
        flags: One 0 or 1 a character, where substitute characters are to be seen.
    """

    word: str
    value: str = field(repr=False)
    flags: str = field(default="", repr=False)

    @property
    def marked(self) -> Iterator[tuple[str, bool]]:
        """Its characters, each with whether it is a substitute."""
        flags = self.flags.ljust(len(self.value), "0")
        return ((character, flag == "1") for character, flag in zip(self.value, flags, strict=True))


@dataclass(frozen=True, slots=True)
class Deed:
    """A line of the history: who did what when, and why where a reason was asked for."""

    step: Step
    who: str
    office: str
    at: datetime
    note: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate as a page shows it.

    Attributes:
        life: The word for how it stands: good, hold, ended, expired, unsigned.
        reason: Why it ended, in the RFC's spelling.
        ready: Whether it can be written into a card.
    """

    id: CertificateId
    kind: CertificateKind
    until: datetime
    life: str
    reason: str | None = None
    ready: bool = False


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case for the eyes of one officer.

    Attributes:
        open: The steps that this officer may take now.
        carry_on: Whether this officer may carry on an issuance that broke off.
        involved: Whether the officer has decided on the case already.
        held: The resident's certificates of other cases that neither ended nor expired.
    """

    application: Application
    open: tuple[Step, ...]
    carry_on: bool
    involved: bool
    history: tuple[Deed, ...]
    certificates: tuple[Shown, ...]
    held: tuple[Shown, ...]

    @property
    def primary(self) -> Step | None:
        """The step that leads the case on, if it is this officer's turn."""
        return next((step for step in self.open if step not in CLOSING), None)

    @property
    def closing(self) -> tuple[Step, ...]:
        """The ways to end it without certificates that are this officer's."""
        return tuple(step for step in self.open if step in CLOSING)

    @property
    def replaced(self) -> bool:
        """Whether the holder has certificates that end when the case's are handed over."""
        wanted = {request.kind for request in self.application.requests}
        return self.application.case.state not in ENDED and any(each.kind in wanted for each in self.held)


def own_case(world: World, who: SignedIn, case_id: str) -> Application:
    """A case that this officer may see: one of the own office; at the centre, any.

    Another office's case is refused before anybody looks whether there is one of that number.
    """
    with noting_refusals(world, who.officer, Sought.CASE):
        if not who.of_centre and case_id.rpartition("-")[0] != who.office.id:
            raise NotPermitted("case", "is another office's", remedy="That office has it in hand")
        with world.stores.nation.reading() as connection:
            found = applications.find(connection, case_id)
    note_auditor(world, who.officer, found.case.id)
    return found


def view(world: World, who: SignedIn, application: Application, at: datetime) -> CaseView:
    """The case as its page shows it."""
    case = application.case
    with world.stores.reading() as reading:
        known = {taken.officer: officers.known(reading.nation, taken.officer) for taken in case.history}
        records = world.stores.certificates(application.certificates)
        ended = _ended(reading, application.certificates)
        mine = set(application.certificates)
        held = () if application.holder is None else holder_certificates(reading, application.holder)
    return CaseView(
        application,
        steps_open_to(case, who.officer, who.office),
        _may_resume(application, who),
        any(taken.officer == who.officer.id for taken in case.history),
        tuple(
            Deed(
                taken.step,
                known[taken.officer][0].name or taken.officer,
                called(known[taken.officer][1]),
                taken.at,
                taken.note,
            )
            for taken in case.history
        ),
        tuple(_shown(record, ended.get(record.id), at) for record in records),
        tuple(each for each in shown_held(held, at) if each.id not in mine and each.life in {"good", "hold"}),
    )


def shown_held(held: Iterable[HolderCertificate], at: datetime) -> list[Shown]:
    """What a resident holds, as pages show it."""
    return [
        Shown(
            each.certificate,
            each.kind,
            each.period.not_after,
            _life(each.period, each.revocation, at),
            None if each.revocation is None else each.revocation.reason.word,
        )
        for each in held
    ]


def name_of(applicant: Applicant | None) -> str:
    """What the applicant is called in lists; that it was destroyed, if it was."""
    match applicant:
        case None:
            return say("registration.case.destroyed")
        case Resident() | LocalHolder():
            return applicant.name
        case OfficialPost():
            return applicant.post


def facts_of(application: Application) -> Iterator[Fact]:
    """What was applied for. The resident code is not among it: nobody keeps it."""
    applicant = application.applicant
    match applicant:
        case Resident():
            yield Fact("registration.fact.name", applicant.name, applicant.name_substitutes)
            yield Fact("registration.fact.birth_date", str(applicant.birth_date))
            yield Fact("registration.fact.sex", say(f"registration.sex.{applicant.sex.value}"))
            yield Fact("registration.fact.address", applicant.address, applicant.address_substitutes)
        case OfficialPost():
            yield Fact("registration.fact.ministry", applicant.ministry)
            yield Fact("registration.fact.post", applicant.post)
        case LocalHolder():
            yield Fact("registration.fact.government", applicant.government)
            if applicant.unit:
                yield Fact("registration.fact.unit", applicant.unit)
            yield Fact("registration.fact.post", applicant.name)
        case None:
            yield Fact("registration.fact.particulars", say("registration.case.destroyed"))
    kinds = [say(f"registration.kind.{request.kind}") for request in application.requests]
    yield Fact("registration.fact.kinds", "\u30fb".join(kinds))
    reception = application.reception
    if reception is not None:
        yield Fact("registration.fact.purpose", say(f"registration.purpose.{reception.purpose}"))
        if reception.documents:
            seen = [say(f"registration.document.{each.kind}") for each in reception.documents]
            yield Fact("registration.fact.documents", "\u30fb".join(seen))
        if reception.card_number:
            yield Fact("registration.fact.card_number", reception.card_number)
    if application.card_expires is not None:
        yield Fact("registration.fact.card_expires", application.card_expires.isoformat())


def _may_resume(application: Application, who: SignedIn) -> bool:
    try:
        registration.resume(application.case, who.officer, who.office)
    except KakehashiError:
        return False
    return True


def _ended(
    connections: Connections, certificates: tuple[CertificateId, ...]
) -> dict[CertificateId, Revocation]:
    return {
        life.certificate: life.standing.revocation
        for life in lives.of(connections, certificates)
        if life.standing is not None
    }


def _shown(record: CertificateRecord, revocation: Revocation | None, at: datetime) -> Shown:
    if record.state is CertificateState.INTENDED:
        return Shown(record.id, record.kind, record.period.not_after, "unsigned")
    life = _life(record.period, revocation, at)
    reason = revocation.reason.word if revocation is not None and life in {"hold", "ended"} else None
    ready = record.state is CertificateState.ISSUED
    return Shown(record.id, record.kind, record.period.not_after, life, reason, ready)


def _life(period: Period, revocation: Revocation | None, at: datetime) -> str:
    status = status_of(period.not_before, revocation, at)
    if status.revocation is not None:
        return "hold" if status.revocation.reason.word == "certificateHold" else "ended"
    if period.not_after < at or status.status is not CertificateStatus.GOOD:
        return "expired"
    return "good"
