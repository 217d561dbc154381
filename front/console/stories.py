"""What a case did, for auditors: its steps, its certificates, the journal's records and the deeds about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ca.errors import NotFound
from ca.model import CertificateId, CertificateKind, Office
from ca.rules.registration import Case, StepTaken
from ca.store import applications, lives, officers
from ca.store.deed_search import WantedDeeds, find_deeds
from ca.store.deeds import Deed, DeedRecord, note
from ca.store.lives import Life
from front.assembly import World
from front.console.journal_search import Line, Wanted, search
from front.looking import Sought, noting_refusals
from front.pages.offices import called
from front.pages.visit import SignedIn

_RECORDS = 50
_DEEDS = 100
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Taken:
    """A step, and who took it."""

    step: StepTaken = field(repr=False)
    name: str
    office: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that a case asked for.

    Attributes:
        life: How it stands; None before it is issued.
    """

    kind: CertificateKind
    id: CertificateId | None
    life: Life | None


@dataclass(frozen=True, slots=True)
class Story:
    """A case without the person that it is about.

    Attributes:
        records: What the journal says of it on the day when it was issued.
        deeds: Who looked at it, or did something about it that is no step.
    """

    case: Case
    office: Office
    steps: tuple[Taken, ...]
    certificates: tuple[Certificate, ...]
    records: tuple[Line, ...]
    deeds: tuple[DeedRecord, ...]

    @property
    def filed_at(self) -> datetime:
        """When it was filed."""
        return self.case.history[0].at


def tell(world: World, who: SignedIn, case_id: str, at: datetime) -> Story:
    """A case's story. That an auditor has read it is written down first.

    Raises:
        NotFound: There is no such case.
    """
    with noting_refusals(world, who.officer, Sought.CASE), world.stores.nation.writing() as connection:
        if len(case_id) > 24:
            raise NotFound("case", "is not one of this home's")
        found = applications.find(connection, case_id)
        note(connection, Deed.LOOKED_UP, who=who.officer, about=found.case.id, at=at)
    case = found.case
    with world.stores.reading() as reading:
        known = {taken.officer: officers.known(reading.nation, taken.officer) for taken in case.history}
        office = officers.office(reading.nation, case.office)
        stand = {life.certificate: life for life in lives.of(reading, found.certificates)}
        done = find_deeds(reading.nation, WantedDeeds(about=case.id, since=case.history[0].at), limit=_DEEDS)
    intended = [life.intended_at for life in stand.values()]
    records: tuple[Line, ...] = ()
    if intended:
        since = min(intended)
        wanted = Wanted(case=case.id, since=since, until=since + _DAY)
        records = search(world.home.journal, wanted, _RECORDS).lines
    return Story(
        case,
        office,
        tuple(
            Taken(step, known[step.officer][0].name or step.officer, called(known[step.officer][1]))
            for step in case.history
        ),
        tuple(
            Certificate(
                one.kind, one.certificate, None if one.certificate is None else stand.get(one.certificate)
            )
            for one in found.requests
        ),
        records,
        tuple(done),
    )
