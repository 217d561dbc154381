"""Yearly self-checks: an office's answers, the files that show them, and what the centre found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ca.errors import NotFound
from ca.model import OfficeId, OfficerId
from ca.rules.self_check import Answer, Evidence, Finding
from ca.store.tables import evidence, self_checks


@dataclass(frozen=True, slots=True)
class FiledEvidence:
    """A file of a self-check, without its content.

    Attributes:
        number: Counted from 1 within its self-check.
    """

    number: int
    name: str
    media_type: str
    sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """A year's self-check of an office.

    Attributes:
        officer: Who submitted it last.
        reviewer: Who of the centre reviewed it, if anybody has, and ``finding`` what came of it.
    """

    office: OfficeId
    year: int
    answers: Mapping[str, Answer] = field(repr=False)
    officer: OfficerId
    submitted_at: datetime
    files: tuple[FiledEvidence, ...] = ()
    reviewer: OfficerId | None = None
    reviewed_at: datetime | None = None
    finding: Finding | None = field(default=None, repr=False)


def submit(connection: Connection, check: SelfCheck, kept: Sequence[int], new: Sequence[Evidence]) -> None:
    """Write down a self-check in place of what was submitted before.

    Args:
        connection: A transaction.
        check: Its answers; its files are of no account.
        kept: The numbers of the files that stay, of those submitted before.
        new: The files that come to them, numbered behind every earlier one.
    """
    key = (self_checks.c.office == check.office) & (self_checks.c.year == check.year)
    values = {
        "answers": msgspec.json.encode(check.answers).decode(),
        "officer": check.officer,
        "submitted_at": check.submitted_at,
    }
    if connection.execute(update(self_checks).where(key).values(values)).rowcount == 0:
        connection.execute(insert(self_checks).values(office=check.office, year=check.year, **values))
    of = (evidence.c.office == check.office) & (evidence.c.year == check.year)
    numbers = list(connection.execute(select(evidence.c.number).where(of)).scalars())
    connection.execute(delete(evidence).where(of, evidence.c.number.not_in(kept)))
    rows = [
        {
            "office": check.office,
            "year": check.year,
            "number": number,
            "name": file.name,
            "media_type": file.media_type,
            "sha256": hashlib.sha256(file.content).digest(),
            "content": file.content,
        }
        for number, file in enumerate(new, max(numbers, default=0) + 1)
    ]
    if rows:
        connection.execute(insert(evidence), rows)


def review(
    connection: Connection, office: OfficeId, year: int, finding: Finding, reviewer: OfficerId, at: datetime
) -> None:
    """Write down what the centre found."""
    connection.execute(
        update(self_checks)
        .where(self_checks.c.office == office, self_checks.c.year == year)
        .values(reviewer=reviewer, reviewed_at=at, finding=msgspec.json.encode(finding).decode())
    )


def find(connection: Connection, office: OfficeId, year: int) -> SelfCheck:
    """An office's self-check of a year, or NotFound."""
    found = known(connection, office, year)
    if found is None:
        raise NotFound(f"self-check {year}", f"office {office} has submitted none")
    return found


def known(connection: Connection, office: OfficeId, year: int) -> SelfCheck | None:
    """An office's self-check of a year, if it has submitted one."""
    query = select(self_checks).where(self_checks.c.office == office, self_checks.c.year == year)
    row = connection.execute(query).one_or_none()
    return None if row is None else _check(connection, row)


def of_office(connection: Connection, office: OfficeId) -> list[SelfCheck]:
    """An office's self-checks, the latest year first."""
    query = select(self_checks).where(self_checks.c.office == office).order_by(self_checks.c.year.desc())
    return [_check(connection, row) for row in connection.execute(query).all()]


def of_year(connection: Connection, year: int) -> list[SelfCheck]:
    """Every office's self-check of a year, by office."""
    query = select(self_checks).where(self_checks.c.year == year).order_by(self_checks.c.office)
    return [_check(connection, row) for row in connection.execute(query).all()]


def unreviewed(connection: Connection) -> int:
    """How many self-checks wait for the centre's review."""
    query = select(func.count()).select_from(self_checks).where(self_checks.c.reviewed_at.is_(None))
    return int(connection.execute(query).scalar_one())


def file(connection: Connection, office: OfficeId, year: int, number: int) -> Evidence:
    """A file of a self-check, or NotFound."""
    query = select(evidence).where(
        evidence.c.office == office, evidence.c.year == year, evidence.c.number == number
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"self-check {year}", f"has no file {number}")
    return Evidence(row.name, row.media_type, row.content)


def _check(connection: Connection, row: Row[Any]) -> SelfCheck:
    query = (
        select(evidence.c.number, evidence.c.name, evidence.c.media_type, evidence.c.sha256)
        .where(evidence.c.office == row.office, evidence.c.year == row.year)
        .order_by(evidence.c.number)
    )
    return SelfCheck(
        office=OfficeId(row.office),
        year=row.year,
        answers=msgspec.json.decode(row.answers, type=dict[str, Answer]),
        officer=OfficerId(row.officer),
        submitted_at=row.submitted_at,
        files=tuple(FiledEvidence(*file) for file in connection.execute(query)),
        reviewer=None if row.reviewer is None else OfficerId(row.reviewer),
        reviewed_at=row.reviewed_at,
        finding=None if row.finding is None else msgspec.json.decode(row.finding, type=Finding),
    )
