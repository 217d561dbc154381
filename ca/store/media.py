"""Key media: where each is, and every step it took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, false, func, insert, select, true, update

from ca.errors import Conflict, NotFound
from ca.model import ApplicationId, OfficeId, OfficerId
from ca.rules.custody import CUSTODY, Medium, MediumState, MediumStep, MediumStepTaken
from ca.store.bulk import AT_ONCE, among
from ca.store.tables import media, medium_steps

PAGE = 100
"""Media of a page, unless fewer are asked for."""


@dataclass(frozen=True, slots=True)
class MediaPage:
    """Some media by number.

    Attributes:
        after: What the next page is asked for with; None at the end.
    """

    media: tuple[Medium, ...]
    after: str | None = None


def add(connection: Connection, medium: Medium) -> None:
    """Write down a medium that is registered, or raise Conflict if its number is known."""
    query = select(media.c.medium).where(media.c.medium == medium.id)
    if connection.execute(query).one_or_none() is not None:
        raise Conflict(f"medium {medium.id}", "is registered already", remedy="Check the number")
    connection.execute(
        insert(media).values(medium=medium.id, office=medium.office, state=medium.state, application=None)
    )
    _add_steps(connection, medium, 0)


def advance(connection: Connection, medium: Medium) -> None:
    """Write down a medium's new state and the steps that are not written yet."""
    connection.execute(
        update(media).where(media.c.medium == medium.id).values(state=medium.state, application=medium.case)
    )
    query = select(func.count()).where(medium_steps.c.medium == medium.id)
    _add_steps(connection, medium, connection.execute(query).scalar_one())


def find(connection: Connection, wanted: str) -> Medium:
    """The medium of this number, or NotFound."""
    found = _where(connection, media.c.medium == wanted) if wanted.isprintable() else []
    if not found:
        raise NotFound(
            "medium", "none of this number is registered", remedy="`kakehashi medium list` shows an office's"
        )
    return found[0]


def of_office(
    connection: Connection, office: OfficeId, *, after: str | None = None, limit: int = PAGE
) -> MediaPage:
    """The media that an office answers for, by number: those behind one of them, and at most so many."""
    # Not every database takes every character, even in a question.
    behind = true() if after is None else media.c.medium > after if after.isprintable() else false()
    found = _where(connection, (media.c.office == office) & behind, limit + 1)
    return MediaPage(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)


def at_hand(connection: Connection, office: OfficeId, *, limit: int) -> list[str]:
    """The numbers of the media that lie in an office, the first ones."""
    there = media.c.state.in_(CUSTODY[MediumStep.ASSIGN].before)
    query = select(media.c.medium).where(media.c.office == office, there)
    return list(connection.execute(query.order_by(media.c.medium).limit(limit)).scalars())


def of_case(connection: Connection, office: OfficeId, case: ApplicationId) -> Medium | None:
    """The medium of an office that is assigned to a case, out for it, or lost with it."""
    found = _where(connection, (media.c.office == office) & (media.c.application == case))
    return found[0] if found else None


def _where(connection: Connection, condition: ColumnElement[bool], limit: int | None = None) -> list[Medium]:
    query = select(media).where(condition).order_by(media.c.medium).limit(limit)
    rows = connection.execute(query).all()
    steps, taken = medium_steps, defaultdict[str, list[MediumStepTaken]](list)
    for start in range(0, len(rows), AT_ONCE):
        some = [row.medium for row in rows[start : start + AT_ONCE]]
        query = select(steps).where(among(connection, steps.c.medium, some))
        for row in connection.execute(query.order_by(steps.c.medium, steps.c.position)):
            step = MediumStepTaken(MediumStep(row.step), OfficerId(row.officer), row.at, row.note)
            taken[row.medium].append(step)
    return [
        Medium(row.medium, OfficeId(row.office), MediumState(row.state), tuple(taken[row.medium]))
        for row in rows
    ]


def _add_steps(connection: Connection, medium: Medium, written: int) -> None:
    rows: Sequence[dict[str, object]] = [
        {
            "medium": medium.id,
            "position": position,
            "step": taken.step,
            "officer": taken.officer,
            "at": taken.at,
            "note": taken.note,
        }
        for position, taken in enumerate(medium.history)
        if position >= written
    ]
    if rows:
        connection.execute(insert(medium_steps), rows)
