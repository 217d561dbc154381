"""What was agreed with other CAs, and how far two officers are with what those hand in; renewals that were ordered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Connection, Row, func, insert, select, update

from ca.errors import Conflict, NotFound
from ca.journal.crossing import (
    AcceptanceEntry,
    AgreementEndEntry,
    AgreementEntry,
    ExaminationEntry,
    RenewalEntry,
)
from ca.model import AuthorityId, CertificateId, GenerationId, OfficerId, Period, Serial
from ca.store import peers
from ca.store.peers import Received
from ca.store.tables import agreements, examinations, renewal_halves, renewals


@dataclass(frozen=True, slots=True)
class AgreementRecord:
    """An agreement with another CA.

    Attributes:
        text: The file that it was read from.
        officer: Who wrote it down.
        ended_at: Since when it is over, if it was ended before its time.
    """

    id: str
    ours: AuthorityId
    peer: AuthorityId
    begins: datetime
    ends: datetime
    text: str = field(repr=False)
    officer: OfficerId
    made_at: datetime
    ended_at: datetime | None

    def require_in_force(self, at: datetime) -> None:
        """Raise Conflict unless it is in force at this moment; its last second counts."""
        place, now = f"agreement {self.id}", at.replace(microsecond=0)
        if self.ended_at is not None:
            raise Conflict(place, f"was ended at {self.ended_at:%Y-%m-%dT%H:%M:%SZ}")
        if not self.begins <= now <= self.ends:
            raise Conflict(
                place,
                f"is in force from {self.begins:%Y-%m-%dT%H:%M:%SZ} to {self.ends:%Y-%m-%dT%H:%M:%SZ} only",
            )


class HandedIn(StrEnum):
    """What a peer hands in: a request for a certificate of ours, or a certificate that it has issued to us.

    The renewal of what was issued on a request is examined and accepted too.
    """

    REQUEST = "request"
    CERTIFICATE = "certificate"
    RENEWAL = "renewal"


@dataclass(frozen=True, slots=True)
class Examination:
    """What an officer found as the agreement says, and whether another has accepted it.

    Attributes:
        number: What it is called by.
        ours: The generation of ours that certifies or is certified, and ``peer`` the other one.
        digest: SHA-256 of the DER that was examined.
        certificate: What was issued on a request.
        journal_index: Of the acceptance.
    """

    number: int
    agreement: str
    what: HandedIn
    ours: GenerationId
    peer: GenerationId
    digest: bytes
    officer: OfficerId
    examined_at: datetime
    second_officer: OfficerId | None = None
    accepted_at: datetime | None = None
    certificate: CertificateId | None = None
    journal_index: int | None = None


@dataclass(frozen=True, slots=True)
class RenewalStep:
    """A cross-certificate that is to be made.

    Attributes:
        certificate: What it will be called.
        subject: The generation that it certifies.
        replaces: The one that it is to stand beside.
    """

    certificate: CertificateId
    subject: GenerationId
    replaces: CertificateId


@dataclass(frozen=True, slots=True)
class RenewalRecord:
    """An order to renew cross-certificates."""

    plan: str
    officer: OfficerId
    second_officer: OfficerId
    made_at: datetime
    steps: tuple[RenewalStep, ...]


def add(connection: Connection, entry: AgreementEntry, index: int) -> None:
    """Write down an agreement, if it is not known."""
    if _is_known(connection, agreements.c.agreement, entry.agreement):
        return
    connection.execute(
        insert(agreements).values(
            agreement=entry.agreement,
            ours=entry.ours,
            peer=entry.peer,
            begins=entry.begins,
            ends=entry.ends,
            text=entry.text,
            officer=entry.officer,
            made_at=entry.at,
            ended_at=None,
            journal_index=index,
        )
    )


def end(connection: Connection, entry: AgreementEndEntry) -> None:
    """Have an agreement be over, if it is not."""
    connection.execute(
        update(agreements)
        .where(agreements.c.agreement == entry.agreement, agreements.c.ended_at.is_(None))
        .values(ended_at=entry.at)
    )


def find(connection: Connection, wanted: str) -> AgreementRecord:
    """The agreement of this id, or NotFound."""
    row = connection.execute(select(agreements).where(agreements.c.agreement == wanted)).one_or_none()
    if row is None:
        raise NotFound(
            f"agreement {wanted!r}", "is not known", remedy="`kakehashi cross agree FILE` writes one down"
        )
    return _agreement(row)


def everything(connection: Connection) -> list[AgreementRecord]:
    """Every agreement that ever was, by id."""
    return [
        _agreement(row) for row in connection.execute(select(agreements).order_by(agreements.c.agreement))
    ]


def next_examination(connection: Connection) -> int:
    """The number of the next examination."""
    return (connection.execute(select(func.max(examinations.c.examination))).scalar_one() or 0) + 1


def add_examination(connection: Connection, entry: ExaminationEntry) -> None:
    """Write down an examination, if it is not known."""
    if _is_known(connection, examinations.c.examination, entry.number):
        return
    connection.execute(
        insert(examinations).values(
            examination=entry.number,
            agreement=entry.agreement,
            what=entry.what,
            ours=entry.ours,
            peer=entry.peer,
            digest=bytes.fromhex(entry.digest),
            officer=entry.officer,
            examined_at=entry.at,
        )
    )


def accept(connection: Connection, entry: AcceptanceEntry, index: int) -> None:
    """Write down that a second officer accepted what was examined, if that is not known; and what was received."""
    here = examinations.c.examination == entry.number
    connection.execute(
        update(examinations)
        .where(here, examinations.c.accepted_at.is_(None))
        .values(
            second_officer=entry.officer,
            accepted_at=entry.at,
            certificate=entry.certificate,
            journal_index=index,
        )
    )
    if entry.received is None:
        return
    assert entry.serial is not None, "what was received has a serial"
    assert entry.not_before is not None, "what was received has a beginning"
    assert entry.not_after is not None, "what was received has an end"
    examined = _examination(connection.execute(select(examinations).where(here)).one())
    peers.add_received(
        connection,
        Received(
            issuer=examined.peer,
            subject=examined.ours,
            serial=Serial.of(bytes.fromhex(entry.serial)),
            period=Period(entry.not_before, entry.not_after),
            examination=entry.number,
            encoded=entry.received,
        ),
    )


def examined(connection: Connection, agreement: str, digest: bytes) -> Examination | None:
    """The latest examination of this file under this agreement, if there is one."""
    columns = examinations.c
    query = (
        select(examinations)
        .where(columns.agreement == agreement, columns.digest == digest)
        .order_by(columns.examination.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _examination(row)


def issued_by(connection: Connection, certificate: CertificateId) -> Examination | None:
    """The examination on whose acceptance this certificate was issued, if it was one's."""
    query = select(examinations).where(examinations.c.certificate == str(certificate))
    row = connection.execute(query).one_or_none()
    return None if row is None else _examination(row)


def all_examinations(connection: Connection) -> list[Examination]:
    """Every examination, by number."""
    query = select(examinations).order_by(examinations.c.examination)
    return [_examination(row) for row in connection.execute(query)]


def add_renewal(connection: Connection, entry: RenewalEntry) -> None:
    """Write down an order to renew, if it is not known."""
    if _is_known(connection, renewals.c.plan, entry.plan):
        return
    connection.execute(
        insert(renewals).values(
            plan=entry.plan,
            officer=entry.officer,
            second_officer=entry.second_officer,
            made_at=entry.at,
        )
    )
    rows = [
        {
            "plan": entry.plan,
            "position": position,
            "certificate": half.certificate,
            "subject": half.subject,
            "replaces": half.replaces,
        }
        for position, half in enumerate(entry.halves)
    ]
    if rows:
        connection.execute(insert(renewal_halves), rows)


def renewal(connection: Connection, plan: str) -> RenewalRecord | None:
    """The order to renew of this name, if there is one."""
    row = connection.execute(select(renewals).where(renewals.c.plan == plan)).one_or_none()
    if row is None:
        return None
    columns = renewal_halves.c
    halves = connection.execute(select(renewal_halves).where(columns.plan == plan).order_by(columns.position))
    return RenewalRecord(
        plan=row.plan,
        officer=OfficerId(row.officer),
        second_officer=OfficerId(row.second_officer),
        made_at=row.made_at,
        steps=tuple(
            RenewalStep(
                CertificateId.parse(half.certificate),
                GenerationId.parse(half.subject),
                CertificateId.parse(half.replaces),
            )
            for half in halves
        ),
    )


def all_renewals(connection: Connection) -> list[RenewalRecord]:
    """Every order to renew, by the moment when it was made."""
    plans: Sequence[str] = (
        connection.execute(select(renewals.c.plan).order_by(renewals.c.made_at, renewals.c.plan))
        .scalars()
        .all()
    )
    return [found for plan in plans if (found := renewal(connection, plan)) is not None]


def _is_known(connection: Connection, key: Column[Any], value: object) -> bool:
    """Whether there is a row of this key: the journal may tell of it again."""
    return connection.execute(select(key).where(key == value)).first() is not None


def _agreement(row: Row[Any]) -> AgreementRecord:
    return AgreementRecord(
        id=row.agreement,
        ours=AuthorityId(row.ours),
        peer=AuthorityId(row.peer),
        begins=row.begins,
        ends=row.ends,
        text=row.text,
        officer=OfficerId(row.officer),
        made_at=row.made_at,
        ended_at=row.ended_at,
    )


def _examination(row: Row[Any]) -> Examination:
    return Examination(
        number=row.examination,
        agreement=row.agreement,
        what=HandedIn(row.what),
        ours=GenerationId.parse(row.ours),
        peer=GenerationId.parse(row.peer),
        digest=bytes(row.digest),
        officer=OfficerId(row.officer),
        examined_at=row.examined_at,
        second_officer=None if row.second_officer is None else OfficerId(row.second_officer),
        accepted_at=row.accepted_at,
        certificate=None if row.certificate is None else CertificateId.parse(row.certificate),
        journal_index=row.journal_index,
    )
