"""The yearly self-check: a local government's sub-office answers, the centre reviews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ca.errors import NotPermitted
from ca.model import OfficeId, OfficeKind, Role
from ca.rules import self_check
from ca.rules.self_check import Answer, Evidence, Finding
from ca.store import officers, self_checks
from ca.store.self_checks import SelfCheck
from ca.store.stores import Stores


def submit(
    stores: Stores,
    year: int,
    answers: Mapping[str, Answer],
    officer_id: str,
    *,
    kept: Sequence[int] = (),
    new: Sequence[Evidence] = (),
    at: datetime,
) -> SelfCheck:
    """Submit a year's answers of the officer's office, in place of what it submitted before.

    Args:
        stores: The world's databases.
        year: The fiscal year.
        answers: By the question's word.
        officer_id: Who submits them.
        kept: The numbers of files that stay, of those submitted before.
        new: Files that come to them.
        at: Now.

    Raises:
        BadInput: The answers are not complete, the year cannot be answered now, or there are too many files.
        NotPermitted: The officer is no examiner of a local government's sub-office.
        Conflict: The centre has reviewed the year.
    """
    self_check.require_year(year, at)
    self_check.require_complete(answers)
    with stores.nation.writing() as connection:
        officer, office = officers.officer(connection, officer_id)
        if Role.EXAMINER not in officer.roles or office.kind is not OfficeKind.LOCAL_GOVERNMENT:
            raise NotPermitted(
                f"self-check {year}",
                f"officer {officer.id} is no examiner of a local government's sub-office",
            )
        before = self_checks.known(connection, office.id, year)
        there = () if before is None else before.files
        if before is not None:
            self_check.require_open(year, before.reviewed_at)
        staying = [file.number for file in there if file.number in kept]
        self_check.require_few(len(staying) + len(new))
        check = SelfCheck(office.id, year, dict(answers), officer.id, at)
        self_checks.submit(connection, check, staying, new)
        return self_checks.find(connection, office.id, year)


def review(
    stores: Stores, office: OfficeId, year: int, finding: Finding, officer_id: str, *, at: datetime
) -> SelfCheck:
    """Say what the centre finds; the year is closed with it.

    Raises:
        BadInput: The finding does not say what is to improve.
        NotFound: The office has submitted nothing for that year.
        NotPermitted: The officer is no examiner of the centre.
        Conflict: It has been reviewed.
    """
    self_check.require_finding(finding)
    with stores.nation.writing() as connection:
        officer, where = officers.officer(connection, officer_id)
        if Role.CENTRE_EXAMINER not in officer.roles or where.kind is not OfficeKind.CENTRE:
            raise NotPermitted(f"self-check {year}", f"officer {officer.id} is no examiner of the centre")
        found = self_checks.find(connection, office, year)
        self_check.require_open(year, found.reviewed_at)
        self_checks.review(connection, office, year, finding, officer.id, at)
        return self_checks.find(connection, office, year)
