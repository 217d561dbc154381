"""Ending a certificate: the rules are asked, the revocation and its list entry are written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ca.errors import BadInput, Conflict, NotPermitted
from ca.model import CertificateId, OfficeKind, Revocation, RevocationReason, Role, Scope
from ca.rules.revocation import change, permit
from ca.store import certificates, officers, revocations
from ca.store.certificates import CertificateState
from ca.store.stores import KeptFirst, Stores
from ca.wire.lists import encode_entry


@dataclass(frozen=True, slots=True)
class Ended:
    """A revocation that is written down, and the lists that have to say it."""

    certificate: CertificateId
    revocation: Revocation
    sequence: int
    scopes: tuple[Scope, ...]


def revoke(
    stores: Stores,
    certificate: CertificateId,
    reason: RevocationReason,
    officer_id: str,
    *,
    at: datetime,
    invalid_since: datetime | None = None,
) -> Ended:
    """End a certificate on the word of an operator of the centre.

    Raises:
        BadInput: ``invalid_since`` lies after the revocation.
        NotFound: The certificate or the officer is unknown.
        NotPermitted: The officer is not an operator of the centre.
        Conflict: The certificate is not issued yet, or has expired.
        RevocationRefused: The reason is not one for this kind, or the certificate has ended already.
    """
    moment = at.replace(microsecond=0)
    since = None if invalid_since is None else invalid_since.astimezone(UTC).replace(microsecond=0)
    if since is not None and since > moment:
        raise BadInput("invalidity date", "lies after the revocation", clause="RFC 5280 5.3.2")
    with stores.writing(KeptFirst.AUTHORITIES) as writing:
        officer, office = officers.officer(writing.nation, officer_id)
        if Role.OPERATOR not in officer.roles or office.kind is not OfficeKind.CENTRE:
            raise NotPermitted(f"officer {officer.id}", "is not an operator of the centre")
        connection = writing.of(certificate.generation.authority)
        record = certificates.find(connection, certificate)
        if record.state is not CertificateState.ISSUED:
            raise Conflict(f"certificate {certificate}", "is not issued yet")
        if record.period.not_after < moment:
            raise Conflict(f"certificate {certificate}", "has expired", clause="RFC 5280 3.3")
        permit(record.kind, reason)
        revocation = change(
            revocations.find(connection, certificate, record.scope),
            Revocation(certificate.serial, moment, reason, since),
        )
        if revocation.invalid_since is not None:
            # The moment of an earlier hold stays, and a suspicion that came after it adds nothing.
            earlier = min(revocation.invalid_since, revocation.revoked_at)
            revocation = replace(revocation, invalid_since=earlier)
        sequence = revocations.record(
            connection,
            certificate.generation,
            record.scope,
            revocation,
            entry=encode_entry(revocation),
            officer=officer.id,
            at=at,
        )
    return Ended(certificate, revocation, sequence, revocations.lists_naming(record.scope))
