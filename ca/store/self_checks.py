"""Yearly self-checks: an office's answers, the files that show them, and what the centre found."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from ca.errors import NotFound
from ca.model import OfficeId, OfficerId
from ca.rules.self_check import Answer, Evidence, Finding
from ca.store.tables import evidence, self_checks

_GONE = ""
"""The name of a file that went; no file has it (``ca.rules.self_check.evidence_of``)."""


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
        new: The files that come to them, numbered behind every earlier one, also of those that went: an address that
            somebody kept never leads to another file. So a file that goes leaves its number and its hash.
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
    going = update(evidence).where(of, evidence.c.number.not_in(kept))
    connection.execute(going.values(name=_GONE, content=b""))
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
    found = _checks(connection, (self_checks.c.office == office) & (self_checks.c.year == year))
    return found[0] if found else None


def of_office(connection: Connection, office: OfficeId) -> list[SelfCheck]:
    """An office's self-checks, the latest year first."""
    return _checks(connection, self_checks.c.office == office)


def of_year(connection: Connection, year: int, of: Sequence[OfficeId]) -> list[SelfCheck]:
    """The self-checks of a year of these offices, by office."""
    return _checks(connection, (self_checks.c.year == year) & self_checks.c.office.in_(of))


def unreviewed(connection: Connection) -> int:
    """How many self-checks wait for the centre's review."""
    query = select(func.count()).select_from(self_checks).where(self_checks.c.reviewed_at.is_(None))
    return int(connection.execute(query).scalar_one())


def file(connection: Connection, office: OfficeId, year: int, number: int) -> Evidence:
    """A file of a self-check, or NotFound."""
    query = select(evidence).where(
        evidence.c.office == office,
        evidence.c.year == year,
        evidence.c.number == number,
        evidence.c.name != _GONE,
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"self-check {year}", f"has no file {number}")
    return Evidence(row.name, row.media_type, row.content)


def _checks(connection: Connection, condition: ColumnElement[bool]) -> list[SelfCheck]:
    """The self-checks of which this is true, the latest year first, then by office; their files in one question."""
    order = (self_checks.c.year.desc(), self_checks.c.office)
    rows = connection.execute(select(self_checks).where(condition).order_by(*order)).all()
    wanted = (evidence.c.number, evidence.c.name, evidence.c.media_type, evidence.c.sha256)
    of = (evidence.c.office == self_checks.c.office) & (evidence.c.year == self_checks.c.year)
    query = select(self_checks.c.office, self_checks.c.year, *wanted).join(evidence, of)
    query = query.where(condition, evidence.c.name != _GONE).order_by(evidence.c.number)
    files: dict[tuple[str, int], list[FiledEvidence]] = defaultdict(list)
    for office, year, *file in connection.execute(query) if rows else ():
        files[office, year].append(FiledEvidence(*file))
    return [_check(row, files[row.office, row.year]) for row in rows]


def _check(row: Row[Any], files: Sequence[FiledEvidence]) -> SelfCheck:
    return SelfCheck(
        office=OfficeId(row.office),
        year=row.year,
        answers=msgspec.json.decode(row.answers, type=dict[str, Answer]),
        officer=OfficerId(row.officer),
        submitted_at=row.submitted_at,
        files=tuple(files),
        reviewer=None if row.reviewer is None else OfficerId(row.reviewer),
        reviewed_at=row.reviewed_at,
        finding=None if row.finding is None else msgspec.json.decode(row.finding, type=Finding),
    )
