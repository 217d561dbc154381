"""Applications: who asked for what, the steps taken, and the certificates that came of it."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, Select, false, func, insert, or_, select, update

from ca.errors import ArchiveDestroyed, NotFound
from ca.model import (
    Applicant,
    ApplicationId,
    CertificateId,
    CertificateKind,
    GenerationId,
    LocalHolder,
    OfficeId,
    OfficeKind,
    OfficerId,
    OfficialPost,
    Resident,
    Serial,
)
from ca.rules.identity import Reception
from ca.rules.registration import ENDED, Case, State, Step, StepTaken
from ca.store import numbers
from ca.store.bulk import AT_ONCE, among
from ca.store.particulars import Particulars
from ca.store.tables import application_steps, applications, offices, requests


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """One kind applied for: the public key to certify, and the certificate once its intent is written."""

    kind: CertificateKind
    public_key: bytes = field(repr=False)
    certificate: CertificateId | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """A case with what it is about.

    Attributes:
        holder: The resident's keyed code; None for a post.
        applicant: Who the certificates are for; None once its time was over and it was destroyed.
        card_expires: The last day, in Japan, of the card that the keys lie in, if a card has an end.
        reception: What else was written down when it was received, if anything was.
    """

    case: Case
    holder: bytes | None = field(repr=False)
    applicant: Applicant | None = field(repr=False)
    requests: tuple[KeyRequest, ...]
    card_expires: date | None = field(default=None, repr=False)  # cards end on birthdays
    reception: Reception | None = field(default=None, repr=False)

    def require_applicant(self) -> Applicant:
        """Who the certificates are for, or ArchiveDestroyed."""
        if self.applicant is None:
            raise ArchiveDestroyed(
                f"case {self.case.id}", "its particulars were destroyed when their time was over"
            )
        return self.applicant

    @property
    def certificates(self) -> tuple[CertificateId, ...]:
        """The certificates that came of it, from their intents on."""
        return tuple(item.certificate for item in self.requests if item.certificate is not None)


def next_id(connection: Connection, office: OfficeId) -> ApplicationId:
    """The number of the office's next case. To be used in the transaction that asked."""
    number_of = applications.c.application
    query = select(number_of).where(applications.c.office == office)
    # By length first: the millionth case has seven digits.
    query = query.order_by(func.length(number_of).desc(), number_of.desc()).limit(1)
    newest: str | None = connection.execute(query).scalar_one_or_none()
    last = int(newest.rpartition("-")[2]) if newest else 0
    number = max(last, numbers.spent_cases(connection, office)) + 1
    return ApplicationId(f"{office}-{number:06}")


def add(connection: Connection, application: Application) -> None:
    """Write down a new application."""
    case, applicant = application.case, application.require_applicant()
    particulars = Particulars.of(applicant, application.card_expires, application.reception)
    connection.execute(
        insert(applications).values(
            application=case.id,
            office=case.office,
            state=case.state,
            holder=application.holder,
            particulars=particulars.text(),
            sought_name=sought(_name(applicant)),
            filed_at=case.moment_of(Step.FILE),
        )
    )
    _add_steps(connection, case, 0)
    connection.execute(
        insert(requests),
        [
            {"application": case.id, "kind": request.kind, "public_key": request.public_key}
            for request in application.requests
        ],
    )


def advance(connection: Connection, case: Case) -> None:
    """Write down a case's new state and the steps that are not written yet."""
    connection.execute(
        update(applications).where(applications.c.application == case.id).values(state=case.state)
    )
    query = select(func.count()).where(application_steps.c.application == case.id)
    _add_steps(connection, case, connection.execute(query).scalar_one())


def certified(
    connection: Connection,
    application: ApplicationId,
    kind: CertificateKind,
    certificate: CertificateId | None,
) -> None:
    """Write down which certificate answers a request, or that none does."""
    connection.execute(
        update(requests)
        .where(requests.c.application == application, requests.c.kind == kind)
        .values(
            generation=None if certificate is None else str(certificate.generation),
            serial=None if certificate is None else certificate.serial.octets,
        )
    )


def issuing(connection: Connection) -> list[ApplicationId]:
    """The cases whose issuance has begun and not ended."""
    query = select(applications.c.application).where(applications.c.state == State.ISSUING)
    found = connection.execute(query.order_by(applications.c.application)).scalars()
    return [ApplicationId(one) for one in found]


def find(connection: Connection, wanted: str) -> Application:
    """The application of this number, or NotFound."""
    query = select_cases().where(applications.c.application == wanted)
    # Not every database takes every character, even in a question.
    row = connection.execute(query).one_or_none() if wanted.isprintable() else None
    if row is None:
        raise NotFound(f"case {wanted!r}", "is not one of this home's")
    return _application(connection, row)


def of_office(
    connection: Connection, office: OfficeId | None, *, after: str | None = None, limit: int | None = None
) -> list[Case]:
    """The cases of an office, or of all, by number: those behind one of them, and at most so many."""
    query = select_cases().order_by(applications.c.application).limit(limit)
    if office is not None:
        query = query.where(applications.c.office == office)
    if after is not None:  # not every database takes every character, even in a question
        query = query.where(applications.c.application > after if after.isprintable() else false())
    return cases_of(connection, connection.execute(query).all())


def with_public_keys(connection: Connection, public_keys: Sequence[bytes]) -> dict[bytes, ApplicationId]:
    """For each of these keys an application that asks for it and was not rejected, if there is one."""
    found: dict[bytes, ApplicationId] = {}
    for start in range(0, len(public_keys), AT_ONCE):
        query = (
            select(requests.c.public_key, requests.c.application)
            .join(applications, applications.c.application == requests.c.application)
            .where(
                among(connection, requests.c.public_key, public_keys[start : start + AT_ONCE]),
                applications.c.state != State.REJECTED,
            )
        )
        for row in connection.execute(query):
            found[row.public_key] = ApplicationId(row.application)
    return found


def renewing(
    connection: Connection, office: OfficeId, certificates: Collection[CertificateId]
) -> dict[CertificateId, ApplicationId]:
    """For each of these certificates the open case of the office that names it as what it renews, if there is one."""
    if not certificates:
        return {}
    particulars = applications.c.particulars
    query = select(applications.c.application, particulars).where(
        applications.c.office == office,
        applications.c.state.not_in(ENDED),
        or_(*(particulars.contains(str(certificate), autoescape=True) for certificate in certificates)),
    )
    found: dict[CertificateId, ApplicationId] = {}
    for row in connection.execute(query.order_by(applications.c.application)):
        reception = Particulars.read(row.particulars).received
        named = () if reception is None else reception.renews
        found |= {each: ApplicationId(row.application) for each in named if each in certificates}
    return found


def select_cases() -> Select[Any]:
    """Rows of cases, each with the kind of its office; ``cases_of`` and ``applicant_of`` read them."""
    return select(applications, offices.c.kind.label("course")).join_from(
        applications, offices, applications.c.office == offices.c.office
    )


def cases_of(connection: Connection, rows: Sequence[Row[Any]]) -> list[Case]:
    """The cases of these rows, their steps read in a few statements."""
    steps, taken = application_steps, defaultdict[str, list[StepTaken]](list)
    for start in range(0, len(rows), AT_ONCE):
        some = [row.application for row in rows[start : start + AT_ONCE]]
        query = select(steps).where(among(connection, steps.c.application, some))
        for row in connection.execute(query.order_by(steps.c.application, steps.c.position)):
            step = StepTaken(Step(row.step), OfficerId(row.officer), row.at, row.note)
            taken[row.application].append(step)
    return [
        Case(
            id=ApplicationId(row.application),
            office=OfficeId(row.office),
            state=State(row.state),
            course=OfficeKind(row.course),
            history=tuple(taken[row.application]),
        )
        for row in rows
    ]


def applicant_of(row: Row[Any]) -> Applicant | None:
    """Whom a case's row is about; None if that was destroyed."""
    return Particulars.read(row.particulars).applicant


def sought(name: str) -> str:
    """A name as it is searched for: compatibility forms folded (NFKC), lower case, without spaces."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _name(applicant: Applicant) -> str:
    match applicant:
        case Resident():
            return applicant.name
        case OfficialPost():
            return applicant.post
        case LocalHolder():
            return applicant.name


def _add_steps(connection: Connection, case: Case, written: int) -> None:
    rows: Sequence[dict[str, Any]] = [
        {
            "application": case.id,
            "position": position,
            "step": taken.step,
            "officer": taken.officer,
            "at": taken.at,
            "note": taken.note,
        }
        for position, taken in enumerate(case.history)
        if position >= written
    ]
    if rows:
        connection.execute(insert(application_steps), rows)


def _application(connection: Connection, row: Row[Any]) -> Application:
    particulars = Particulars.read(row.particulars)
    query = select(requests).where(requests.c.application == row.application).order_by(requests.c.kind)
    (case,) = cases_of(connection, [row])
    return Application(
        case=case,
        holder=row.holder,
        applicant=particulars.applicant,
        card_expires=particulars.card_expires,
        reception=particulars.received,
        requests=tuple(
            KeyRequest(CertificateKind(found.kind), found.public_key, _certificate(found))
            for found in connection.execute(query)
        ),
    )


def _certificate(row: Row[Any]) -> CertificateId | None:
    if row.serial is None:
        return None
    return CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial))
