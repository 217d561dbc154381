"""What the databases know of a key when a step of it is asked for: what it has issued, and what it lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, func, select

from ca.model import (
    HOLDER_KINDS,
    RESPONDER_KINDS,
    CertificateId,
    CertificateKind,
    GenerationId,
    RevocationReason,
    Scope,
)
from ca.rules.generations import MAY_ISSUE
from ca.store import authorities, certificates, key_lives, lists, lives
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Reading
from ca.store.tables import certificates as certificates_table

_ISSUED = HOLDER_KINDS | {CertificateKind.CROSS}

# What ends with a key: its word for itself and for its successor, and those who speak of its status.
_ITS_OWN = RESPONDER_KINDS | {CertificateKind.SELF_SIGNED, CertificateKind.LINK}

NOT_FOR_GOOD = frozenset({None, RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL})
"""What may be recorded against a certificate that has not ended for good."""


def issued(connection: Connection, generation: GenerationId) -> int:
    """How many certificates the key has issued to holders and to other authorities, or is about to sign."""
    columns = certificates_table.c
    query = select(func.count()).where(columns.generation == str(generation), columns.kind.in_(_ISSUED))
    return connection.execute(query).scalar_one()


def still_valid(connection: Connection, generation: GenerationId, at: datetime) -> dict[CertificateKind, int]:
    """How many certificates of each kind the key has that somebody may ask about: neither expired nor revoked for good.

    What ends with the key is not counted: its self-signed certificate, its links, its responders' certificates. But
    whatever it has still to sign is, of these too: it would stay open for good.
    """
    found = Counter(certificates.unsigned(connection, generation))
    for kind, count in certificates.in_use(connection, generation, at).items():
        if kind not in _ITS_OWN:
            found[kind] += count
    return dict(found)


def in_force(
    reading: Reading, wanted: Iterable[CertificateId], at: datetime | None = None
) -> list[CertificateRecord]:
    """Those of these certificates that are issued or about to be, and not revoked for good; nor expired at a moment."""
    ids = list(wanted)
    ended = {life.certificate for life in lives.of(reading, ids) if life.reason not in NOT_FOR_GOOD}
    return [
        record
        for record in certificates.several(reading, ids)
        if record.state is not CertificateState.ABANDONED
        and record.id not in ended
        and (at is None or at <= record.period.not_after)
    ]


def crosses_for(
    reading: Reading, generation: GenerationId, at: datetime | None = None
) -> list[CertificateRecord]:
    """The cross-certificates in force by which other authorities of this home certify this key."""
    found = [
        made
        for connection in reading.each()
        for state in (CertificateState.ISSUED, CertificateState.INTENDED)
        for subject, made in authorities.crosses(connection, state)
        if subject == generation and made.generation.authority != generation.authority
    ]
    return in_force(reading, found, at)


def uncrossed(
    reading: Reading, old: GenerationId, new: GenerationId, at: datetime
) -> frozenset[GenerationId]:
    """The issuing keys, by which the new key is not certified yet, of authorities that certify the old one.

    With which of its keys an authority certified the old one is all the same: its newest need never have done so.
    """
    certifying = {record.id.generation.authority for record in crosses_for(reading, old, at)}
    there = {record.id.generation for record in crosses_for(reading, new, at)}
    return frozenset(
        generation
        for connection in reading.each()
        for generation in key_lives.standing(connection, MAY_ISSUE)
        if generation.authority in certifying and generation not in there
    )


def links(reading: Reading, signer: GenerationId, subject: GenerationId) -> list[CertificateRecord]:
    """The link certificates in force by which one key of an authority certifies another."""
    connection = reading.of(signer.authority)
    found = [
        made
        for state in (CertificateState.ISSUED, CertificateState.INTENDED)
        for certified, made in authorities.crosses(connection, state)
        if (made.generation, certified) == (signer, subject)
    ]
    return in_force(reading, found)


def certified_before(connection: Connection, signer: GenerationId, subject: GenerationId) -> int:
    """How often one key has certified another, also by what was withdrawn since."""
    return sum(
        (made.generation, certified) == (signer, subject)
        for state in CertificateState
        for certified, made in authorities.crosses(connection, state)
    )


def services(
    reading: Reading, generation: GenerationId, at: datetime | None = None
) -> list[CertificateRecord]:
    """The certificates in force of those who serve under this key."""
    found = authorities.services(reading.of(generation.authority))
    return in_force(
        reading, [one.certificate for one in found if one.certificate.generation == generation], at
    )


def services_made(connection: Connection, generation: GenerationId, kind: CertificateKind) -> int:
    """How many certificates a service under this key has had."""
    return sum(
        one.certificate.generation == generation and one.kind is kind
        for one in authorities.services(connection)
    )


def unserved(
    reading: Reading, generation: GenerationId, places: Iterable[Scope], at: datetime
) -> frozenset[str]:
    """What of a key's status is missing, in words: places of these lists, its responder."""
    there = {place.scope for place in lists.places_of(reading.of(generation.authority), generation)}
    missing = {f"the place of list {scope}" for scope in places if scope not in there}
    kinds = {record.kind for record in services(reading, generation, at)}
    if CertificateKind.OCSP_RESPONDER not in kinds:
        missing.add("its responder")
    return frozenset(missing)
