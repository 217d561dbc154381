"""Finding cases: what waits for an officer, and what people look for; and what a holder holds.

Pages follow each other by the case at which the last one ended, so that a case that comes in meanwhile shifts nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, false, func, literal, or_, select, tuple_

from ca.errors import NotFound
from ca.model import (
    Applicant,
    ApplicationId,
    CertificateId,
    CertificateKind,
    Office,
    OfficeId,
    OfficeKind,
    Officer,
    Period,
    Revocation,
    RevocationReason,
    Scope,
)
from ca.profiles.items import readable
from ca.rules.registration import DECIDING, RULES, Case, Place, State, Step, steps_open_to
from ca.store import holdings, lives, register
from ca.store.applications import applicant_of, cases_of, select_cases, sought
from ca.store.bulk import AT_ONCE, among
from ca.store.connections import Connections
from ca.store.tables import Moment, application_steps, applications, offices, requests

PAGE = 50
"""Cases of a page, unless fewer are asked for."""


@dataclass(frozen=True, slots=True)
class FoundCase:
    """A case as a list shows it.

    Attributes:
        applicant: Whom it is about; None once that was destroyed.
        open: The steps that whoever asked may take of it now; none where a search does not say who asks.
    """

    case: Case
    applicant: Applicant | None = field(repr=False)
    kinds: tuple[CertificateKind, ...]
    filed_at: datetime
    open: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class CasePage:
    """Some cases in their order.

    Attributes:
        after: What the next page is asked for with; None at the end.
    """

    cases: tuple[FoundCase, ...]
    after: ApplicationId | None = None


@dataclass(frozen=True, slots=True)
class HolderCertificate:
    """A certificate that a resident holds or held.

    Attributes:
        revocation: How it ended, or that it is on hold; None for one that neither ended nor is on hold.
    """

    certificate: CertificateId
    kind: CertificateKind
    scope: Scope
    period: Period
    decided_at: datetime | None
    revocation: Revocation | None = None


def work_list(
    connection: Connection,
    officer: Officer,
    office: Office,
    *,
    course: OfficeKind | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> CasePage:
    """The cases of which this officer may take a step now, those that wait longest first.

    What the rules of registration say is asked twice: here as a question to the database, and of each case found.

    Args:
        connection: A transaction that reads.
        officer: Who would take it.
        office: The officer's own office.
        course: Only cases of offices of this kind.
        after: The page behind this case.
        limit: How many cases at most.

    Raises:
        NotFound: There is no case ``after`` that the office may see.
    """
    query = select_cases().where(_open_to(officer, office))
    if course is not None:
        query = query.where(offices.c.kind == course)
    theirs = None if office.kind is OfficeKind.CENTRE else office.id
    found = _page(connection, query, after, limit, theirs, newest_first=False)
    return CasePage(
        tuple(replace(one, open=steps_open_to(one.case, officer, office)) for one in found.cases), found.after
    )


def waiting(connection: Connection, officer: Officer, office: Office) -> int:
    """How many cases ``work_list`` has on all its pages together."""
    query = select(func.count()).select_from(applications.join(offices)).where(_open_to(officer, office))
    return int(connection.execute(query).scalar_one())


def search(
    connection: Connection,
    office: OfficeId | None,
    *,
    words: str = "",
    states: Collection[State] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> CasePage:
    """The cases of an office, or of all, that fit everything asked for, the newest first.

    Args:
        connection: A transaction that reads.
        office: Whose cases; None for whoever sees every office's.
        words: A case's number, its last part alone (``12`` for ``131016-000012``), or how the applicant's name
            begins; spaces and the width of characters do not matter.
        states: Where the cases stand; any if none is given.
        since: Filed at this moment or later.
        until: Filed before this moment.
        after: The page behind this case.
        limit: How many cases at most.

    Raises:
        NotFound: There is no case ``after`` of that office.
    """
    query = select_cases()
    if office is not None:
        query = query.where(applications.c.office == office)
    if words := sought(words):
        query = query.where(_fits(connection, words))
    if states:
        query = query.where(applications.c.state.in_(states))
    if since is not None:
        query = query.where(applications.c.filed_at >= since)
    if until is not None:
        query = query.where(applications.c.filed_at < until)
    return _page(connection, query, after, limit, office, newest_first=True)


def holder_certificates(connections: Connections, holder: bytes) -> list[HolderCertificate]:
    """What a resident holds and held under every code, what was issued last first.

    Args:
        connections: Transactions in the nation's database and the authorities'.
        holder: The resident's keyed code.
    """
    codes = register.codes_of(connections.nation, [holder])[holder]
    records = holdings.of_holders(connections.nation, sorted(codes))
    ended = {
        life.certificate: life.standing.revocation
        for life in lives.of(connections, [record.certificate for record in records])
        if life.standing is not None and life.reason is not RevocationReason.REMOVE_FROM_CRL
    }
    found = [
        HolderCertificate(
            record.certificate,
            record.kind,
            record.scope,
            record.period,
            record.decided_at,
            ended.get(record.certificate),
        )
        for record in records
    ]
    return sorted(found, key=lambda one: (one.period.not_before, one.certificate), reverse=True)


def _open_to(officer: Officer, office: Office) -> ColumnElement[bool]:
    """Which cases the rules leave a step of to this officer."""
    centre = office.kind is OfficeKind.CENTRE
    taken = select(application_steps.c.application).where(
        application_steps.c.application == applications.c.application,
        application_steps.c.officer == officer.id,
    )
    ways: list[ColumnElement[bool]] = []
    for step, rules in RULES.items():
        for rule in rules:
            if (
                rule.before is None
                or rule.role not in officer.roles
                or (rule.place is Place.CENTRE) != centre
            ):
                continue
            way = and_(applications.c.state == rule.before, offices.c.kind.in_(rule.courses))
            if rule.place is Place.OWN_OFFICE:
                way = and_(way, applications.c.office == office.id)
            ways.append(and_(way, ~taken.exists()) if step in DECIDING else way)
    return or_(false(), *ways)


def _fits(connection: Connection, words: str) -> ColumnElement[bool]:
    """That a case has this number, or that its applicant's name begins so."""
    if re.fullmatch(r"[0-9]{1,12}", words):
        return applications.c.application.in_(select(offices.c.office.concat(f"-{int(words):06}")))
    if re.fullmatch(r"[a-z0-9-]+-[0-9]{6,12}", words):
        return applications.c.application == words
    if not all(map(readable, words)):  # as no name is; and not every database takes every character
        return false()
    name = applications.c.sought_name
    begins = name.startswith(words, autoescape=True)
    if connection.dialect.name == "sqlite":  # which takes an index for bounds alone
        begins = and_(begins, name >= words, name < words + _LAST)
    # The index on names begins with the office, and so does the question.
    return and_(begins, applications.c.office.in_(select(offices.c.office)))


_LAST = "\U0010ffff"


def _page(
    connection: Connection,
    query: Select[Any],
    after: str | None,
    limit: int,
    office: OfficeId | None,
    *,
    newest_first: bool,
) -> CasePage:
    """The cases of a question behind one of them, by when they were filed."""
    place = tuple_(applications.c.filed_at, applications.c.application)
    if after is not None:
        last = select(applications.c.filed_at).where(applications.c.application == after)
        if office is not None:  # which cases others have is not told
            last = last.where(applications.c.office == office)
        moment = connection.execute(last).scalar_one_or_none() if after.isprintable() else None
        if moment is None:
            raise NotFound(f"case {after!r}", "is not one of this home's")
        here = tuple_(literal(moment, Moment), literal(after))
        query = query.where(place < here if newest_first else place > here)
    order = (applications.c.filed_at, applications.c.application)
    query = query.order_by(*(column.desc() if newest_first else column for column in order))
    rows = connection.execute(query.limit(limit + 1)).all()
    found = _found(connection, rows[:limit])
    return CasePage(found, found[-1].case.id if len(rows) > limit else None)


def _found(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[FoundCase, ...]:
    kinds: dict[str, list[CertificateKind]] = defaultdict(list)
    for start in range(0, len(rows), AT_ONCE):
        some = [row.application for row in rows[start : start + AT_ONCE]]
        query = select(requests.c.application, requests.c.kind)
        asked = query.where(among(connection, requests.c.application, some)).order_by(requests.c.kind)
        for name, kind in connection.execute(asked):
            kinds[name].append(CertificateKind(kind))
    return tuple(
        FoundCase(case, applicant_of(row), tuple(kinds[row.application]), row.filed_at)
        for case, row in zip(cases_of(connection, rows), rows, strict=True)
    )
