"""Requests of sub-offices that a certificate may end, as the record of deeds has them: asked, granted or declined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, func, select

from ca.model import CertificateId, OfficeId, Officer, OfficerId
from ca.store import deeds
from ca.store.deeds import Deed
from ca.store.tables import deeds as deed_table

_DEEDS = (Deed.ABOLITION_ASKED, Deed.ABOLITION_GRANTED, Deed.ABOLITION_DECLINED)


class Why(StrEnum):
    """Why a certificate is to end. The value is the word in forms."""

    POST_ABOLISHED = "post-abolished"
    HOLDER_LEFT = "holder-left"
    NOT_USED = "not-used"


@dataclass(frozen=True, slots=True)
class AbolitionStep:
    """That an office asked, or that the centre answered.

    Attributes:
        number: Its number among all deeds.
        why: As the office said.
    """

    number: int
    certificate: CertificateId
    why: Why
    what: Deed
    officer: OfficerId
    office: OfficeId
    at: datetime


def note(
    connection: Connection, what: Deed, certificate: CertificateId, why: Why, who: Officer, at: datetime
) -> None:
    """Write down a request, or its answer."""
    deeds.note(connection, what, who=who, about=f"{certificate} {why}", at=at)


def of_certificates(connection: Connection, wanted: Sequence[CertificateId]) -> list[AbolitionStep]:
    """What was asked and answered about these, the oldest first."""
    about = [f"{certificate} {why}" for certificate in wanted for why in Why]
    return _steps(connection, deed_table.c.about.in_(about))


def waiting(connection: Connection, *, after: int = 0, limit: int) -> list[AbolitionStep]:
    """Some of the requests that have no answer yet, the oldest first.

    Args:
        connection: A transaction that reads.
        after: Only those behind the request of this number.
        limit: How many at most.
    """
    # An answer repeats what was asked: a request waits if nothing newer speaks of the same.
    newest = (
        select(func.max(deed_table.c.deed)).where(deed_table.c.what.in_(_DEEDS)).group_by(deed_table.c.about)
    )
    return _steps(
        connection,
        deed_table.c.what == Deed.ABOLITION_ASKED,
        deed_table.c.deed > after,
        deed_table.c.deed.in_(newest),
        limit=limit,
    )


def waiting_among(connection: Connection, wanted: Sequence[CertificateId]) -> list[AbolitionStep]:
    """The requests about these that have no answer yet, the oldest first."""
    found: dict[CertificateId, AbolitionStep] = {}
    for step in of_certificates(connection, wanted):
        if step.what is Deed.ABOLITION_ASKED:
            found[step.certificate] = step
        else:
            found.pop(step.certificate, None)
    return list(found.values())


def _steps(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[AbolitionStep]:
    query = select(deed_table).where(deed_table.c.what.in_(_DEEDS), *conditions)
    found = []
    for row in connection.execute(query.order_by(deed_table.c.deed).limit(limit)):
        certificate, _, why = row.about.partition(" ")
        found.append(
            AbolitionStep(
                row.deed,
                CertificateId.parse(certificate),
                Why(why),
                Deed(row.what),
                OfficerId(row.officer),
                OfficeId(row.office),
                row.at,
            )
        )
    return found
