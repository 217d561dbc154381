"""Certificates that are on their way: applied for and approved, or written down and not signed yet."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ca.model import CertificateKind, GenerationId, OfficeId
from ca.rules.registration import State
from ca.store.certificates import CertificateState
from ca.store.tables import applications, certificates, requests


def approved(connection: Connection) -> dict[tuple[OfficeId, CertificateKind], int]:
    """How many certificates of each kind each office's approved cases ask for, of which none is written down yet."""
    query = (
        select(applications.c.office, requests.c.kind, func.count())
        .join(requests, requests.c.application == applications.c.application)
        .where(applications.c.state.in_((State.APPROVED, State.ISSUING)), requests.c.serial.is_(None))
        .group_by(applications.c.office, requests.c.kind)
        .order_by(applications.c.office, requests.c.kind)
    )
    return {
        (OfficeId(office), CertificateKind(kind)): count for office, kind, count in connection.execute(query)
    }


def intended(connection: Connection, generation: GenerationId) -> dict[CertificateKind, int]:
    """How many certificates of each kind a generation has written down and not signed yet."""
    query = (
        select(certificates.c.kind, func.count())
        .where(
            certificates.c.generation == str(generation),
            certificates.c.state == CertificateState.INTENDED,
        )
        .group_by(certificates.c.kind)
    )
    return {CertificateKind(kind): count for kind, count in connection.execute(query)}
