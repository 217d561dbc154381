"""The end of a local government's certificate that nobody needs any more: its office asks, the centre ends it.

Two persons stand for it: an examiner of the office that applied for the certificate, and an operator of the centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ca.errors import Conflict, NotFound, NotPermitted
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.journal.journal import Head
from ca.model import LOCAL_KINDS, CertificateId, OfficeKind, OfficerId, Revocation, RevocationReason, Role
from ca.rules.registration import State
from ca.rules.revocation import CHANGES, change
from ca.store import abolitions, applications, certificates, lives, officers
from ca.store.abolitions import AbolitionStep, Why
from ca.store.connections import Connections
from ca.store.deeds import Deed
from ca.store.lives import Life
from ca.store.stores import Stores

_REASON = RevocationReason.CESSATION_OF_OPERATION


@dataclass(frozen=True, slots=True)
class Abolished:
    """A certificate that ended because its office asked.

    Attributes:
        asked: The request, and ``officer`` who of the centre granted it.
        head: How far the journal reaches with its record.
    """

    certificate: CertificateId
    asked: AbolitionStep
    officer: OfficerId
    head: Head


def ask(stores: Stores, certificate: CertificateId, officer_id: str, why: Why, *, at: datetime) -> None:
    """Ask the centre to end a certificate of the officer's own office.

    Raises:
        NotFound: There is no such certificate among the office's, or no such officer.
        NotPermitted: The officer is no examiner of a local government's sub-office.
        Conflict: It was not handed over, has ended or expired, or the request stands already.
        RevocationRefused: It has ended.
    """
    with stores.writing() as writing:
        officer, office = officers.officer(writing.nation, officer_id)
        if Role.EXAMINER not in officer.roles or office.kind is not OfficeKind.LOCAL_GOVERNMENT:
            raise NotPermitted(
                f"certificate {certificate}",
                f"officer {officer.id} is no examiner of a local government's sub-office",
            )
        record = certificates.known(writing.of(certificate.generation.authority), certificate)
        if record is None or record.application is None or record.kind not in LOCAL_KINDS:
            raise NotFound(f"certificate {certificate}", "is not one of this office's")
        case = applications.find(writing.nation, record.application).case
        if case.office != office.id:
            # Which certificates another office has is not this one's to know.
            raise NotFound(f"certificate {certificate}", "is not one of this office's")
        if case.state is not State.DELIVERED:
            raise Conflict(
                f"certificate {certificate}", "was not handed over", remedy=f"Discard case {case.id}"
            )
        _require_alive(writing, certificate, at)
        if abolitions.waiting_among(writing.nation, [certificate]):
            raise Conflict(f"certificate {certificate}", "is asked to be ended already")
        abolitions.note(writing.nation, Deed.ABOLITION_ASKED, certificate, why, officer, at)


def grant(stores: Stores, certificate: CertificateId, officer_id: str, *, at: datetime) -> Abolished:
    """End a certificate as its office asked, on the word of an operator of the centre.

    Raises:
        NotFound: The office has not asked; or the officer is unknown.
        NotPermitted: The officer is no operator of the centre.
        RevocationRefused: It has ended meanwhile.
        Conflict: It has expired meanwhile.
    """
    moment = at.replace(microsecond=0)
    with stores.recording() as recording:
        officer = officers.operator_of_centre(recording.nation, officer_id)
        asked = _asked(recording.nation, certificate)
        life = _require_alive(recording, certificate, at)
        order = OrderEntry(str(certificate), _REASON.word, moment, life.scope, not_after=life.not_after)
        rule = f"abolition ({asked.why}), asked by officer {asked.officer} of office {asked.office}"
        recording.note(RevocationEntry(f"officer {officer.id}", rule, at, (order,)))
        abolitions.note(recording.nation, Deed.ABOLITION_GRANTED, certificate, asked.why, officer, at)
    return Abolished(certificate, asked, officer.id, recording.heads[-1])


def decline(stores: Stores, certificate: CertificateId, officer_id: str, *, at: datetime) -> None:
    """Leave a certificate as it is, which its office asked to end; it may ask again.

    Raises:
        NotFound: The office has not asked; or the officer is unknown.
        NotPermitted: The officer is no operator of the centre.
    """
    with stores.nation.writing() as connection:
        officer = officers.operator_of_centre(connection, officer_id)
        asked = _asked(connection, certificate)
        abolitions.note(connection, Deed.ABOLITION_DECLINED, certificate, asked.why, officer, at)


def waiting(stores: Stores, at: datetime, *, limit: int) -> list[AbolitionStep]:
    """What offices have asked for and still can be done, the oldest first, and at most so many."""
    found: list[AbolitionStep] = []
    with stores.reading() as reading:
        asked = abolitions.waiting(reading.nation, limit=limit)
        while asked and len(found) < limit:
            known = {one.certificate: one for one in lives.of(reading, [step.certificate for step in asked])}
            found += [step for step in asked if _may_end(known.get(step.certificate), at)]
            asked = abolitions.waiting(reading.nation, after=asked[-1].number, limit=limit)
    return found[:limit]


def _may_end(life: Life | None, at: datetime) -> bool:
    return life is not None and life.not_after >= at and _REASON in CHANGES[life.reason]


def _asked(connection: Connection, certificate: CertificateId) -> AbolitionStep:
    for step in abolitions.waiting_among(connection, [certificate]):
        return step
    raise NotFound(
        f"certificate {certificate}", "has no request that waits", remedy="Look whether it was answered"
    )


def _require_alive(connections: Connections, certificate: CertificateId, at: datetime) -> Life:
    """The certificate, if it may still end; RevocationRefused or Conflict otherwise."""
    (life,) = lives.of(connections, [certificate])
    if life.not_after < at:
        raise Conflict(f"certificate {certificate}", "has expired", clause="RFC 5280 3.3")
    standing = None if life.standing is None else life.standing.revocation
    change(standing, Revocation(certificate.serial, at.replace(microsecond=0), _REASON))
    return life
