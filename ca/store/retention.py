"""The end of retention: what the databases keep in clear of holders' certificates and of cases goes when its time is over.

A certificate keeps its id, kind, list, validity, the SHA-256 of its key and how it ended; a case its number, office,
steps, officers, kinds and public keys, and both their keyed codes. The certificate's bytes go, and of a case whatever its
form said, the name that it is searched for, and the notes of its steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, func, select, tuple_, update

from ca.model import HOLDER_KINDS, ApplicationId, CertificateId, GenerationId, Serial
from ca.rules.registration import ENDED
from ca.store import certificates as store
from ca.store.bulk import AT_ONCE, among
from ca.store.certificates import CertificateState
from ca.store.connections import Connections, Writing
from ca.store.particulars import DESTROYED
from ca.store.tables import application_steps, applications, certificate_bytes, certificates, requests

_BYTES = and_(
    certificate_bytes.c.generation == certificates.c.generation,
    certificate_bytes.c.serial == certificates.c.serial,
)


def end(writing: Writing, before: datetime) -> None:
    """Let all go at once that ended before this moment, in whatever database it lies: what a record of it says."""
    for connection in writing.each():
        for some in ended_certificates(connection, before):
            forget_certificates(writing, some)
    for cases in ended_cases(writing, before):
        forget_cases(writing.nation, cases)


def ended_certificates(connection: Connection, before: datetime) -> Iterator[list[CertificateId]]:
    """The holders' certificates of a database that ended before this moment and have their bytes, some at a time.

    What is not signed yet is left out: its bytes are still to be signed, or to be given up.
    """
    key = tuple_(certificates.c.generation, certificates.c.serial)
    query = (
        select(certificates.c.generation, certificates.c.serial)
        .select_from(certificates.join(certificate_bytes, _BYTES))
        .where(
            certificates.c.kind.in_(HOLDER_KINDS),
            certificates.c.state != CertificateState.INTENDED,
            certificates.c.not_after < before,
            func.length(certificate_bytes.c.encoded) > 0,
        )
        .order_by(certificates.c.generation, certificates.c.serial)
        .limit(AT_ONCE)
    )
    rows = connection.execute(query).all()
    while rows:
        yield [CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial)) for row in rows]
        rows = connection.execute(query.where(key > tuple_(rows[-1].generation, rows[-1].serial))).all()


def forget_certificates(writing: Writing, ended: Sequence[CertificateId]) -> None:
    """Let the bytes of these certificates go; the register stays, and so does how they ended."""
    serials: dict[GenerationId, list[bytes]] = defaultdict(list)
    for certificate in ended:
        serials[certificate.generation].append(certificate.serial.octets)
    for generation, mine in serials.items():
        connection = writing.of(generation.authority)
        for start in range(0, len(mine), AT_ONCE):
            some = among(connection, certificate_bytes.c.serial, mine[start : start + AT_ONCE])
            those = (certificate_bytes.c.generation == str(generation), some)
            connection.execute(update(certificate_bytes).where(*those).values(encoded=b""))


def ended_cases(connections: Connections, before: datetime) -> Iterator[list[ApplicationId]]:
    """The cases with particulars whose certificates all ended before this moment, some at a time.

    One that came to nothing counts from its last step; one that is open is nobody's to forget.
    """
    columns = applications.c
    query = (
        select(columns.application, columns.state)
        .where(columns.particulars != DESTROYED, columns.filed_at < before)
        .order_by(columns.application)
        .limit(AT_ONCE)
    )
    rows = connections.nation.execute(query).all()
    while rows:
        states = {ApplicationId(row.application): row.state for row in rows}
        asked = _certificates(connections.nation, states)
        known = {one.id: one for ids in asked.values() for one in store.several(connections, ids)}
        idle = [case for case, state in states.items() if not asked[case] and state in ENDED]
        over = set(_still_since(connections.nation, idle, before))
        for case, ids in asked.items():
            records = [known.get(one) for one in ids]
            if records and all(
                one is not None
                and one.state is not CertificateState.INTENDED
                and one.period.not_after < before
                for one in records
            ):
                over.add(case)
        yield sorted(over)
        after = rows[-1].application
        rows = connections.nation.execute(query.where(columns.application > after)).all()


def forget_cases(nation: Connection, cases: Sequence[ApplicationId]) -> None:
    """Let the particulars of cases go, and what officers noted at their steps."""
    mine = among(nation, applications.c.application, cases)
    nation.execute(update(applications).where(mine).values(particulars=DESTROYED, sought_name=""))
    steps = among(nation, application_steps.c.application, cases)
    nation.execute(
        update(application_steps).where(steps, application_steps.c.note.is_not(None)).values(note=None)
    )


def _certificates(
    nation: Connection, cases: Iterable[ApplicationId]
) -> dict[ApplicationId, list[CertificateId]]:
    """What came of each of these cases, from intents on."""
    found: dict[ApplicationId, list[CertificateId]] = {case: [] for case in cases}
    columns = requests.c
    query = select(columns.application, columns.generation, columns.serial)
    asked = query.where(among(nation, columns.application, list(found)), columns.serial.is_not(None))
    for row in nation.execute(asked):
        certificate = CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial))
        found[ApplicationId(row.application)].append(certificate)
    return found


def _still_since(nation: Connection, cases: Sequence[ApplicationId], before: datetime) -> list[ApplicationId]:
    """Those of these cases in which nothing was done at this moment or later."""
    if not cases:
        return []
    columns = application_steps.c
    query = select(columns.application).where(among(nation, columns.application, cases))
    last = query.group_by(columns.application).having(func.max(columns.at) < before)
    return [ApplicationId(one) for one in nation.execute(last).scalars()]
