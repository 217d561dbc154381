"""Ending one certificate on an officer's word: the rules are asked, the journal is told, the databases follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ca.errors import BadInput, Conflict, NotPermitted
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.journal.journal import Head
from ca.model import CertificateId, CertificateKind, Revocation, RevocationReason, Scope
from ca.rules.revocation import change, permit
from ca.rules.validity import EARLIEST
from ca.store import certificates, officers, revocations
from ca.store.certificates import CertificateState
from ca.store.stores import Stores

_RULE = "on the word of an operator of the centre"
_UNSIGNED = "Its key signs it as soon as it can; if it is lost, `kakehashi key abandon`"


@dataclass(frozen=True, slots=True)
class Ended:
    """A revocation that is acknowledged, and the lists that have to say it.

    Attributes:
        head: How far the journal reaches with its record.
    """

    certificate: CertificateId
    revocation: Revocation
    sequence: int
    scopes: tuple[Scope, ...]
    head: Head


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
        NotPermitted: The officer is not an operator of the centre; or it is half of a pair, whose end may need two.
        Conflict: The certificate is not issued yet, or has expired.
        RevocationRefused: The reason is not one for this kind, or the certificate has ended already.
        HomeRefused: The journal is damaged.
        StorageFailed: The disk or a database refused. The revocation may be acknowledged all the same; the same
            again says so.
    """
    moment = at.replace(microsecond=0)
    since = suspected(invalid_since, moment)
    with stores.recording() as recording:
        officer = officers.operator_of_centre(recording.nation, officer_id)
        connection = recording.of(certificate.generation.authority)
        record = certificates.find(connection, certificate)
        if record.state is not CertificateState.ISSUED:
            raise Conflict(f"certificate {certificate}", "is not issued yet", remedy=_UNSIGNED)
        if record.period.not_after < moment:
            raise Conflict(f"certificate {certificate}", "has expired", clause="RFC 5280 3.3")
        permit(record.kind, reason)
        if record.kind is CertificateKind.CROSS:
            raise NotPermitted(
                f"certificate {certificate}",
                "is half of a pair of authorities, which ends as a whole and maybe on two officers' word",
                remedy="`kakehashi cross withdraw`",
            )
        asked = Revocation(certificate.serial, moment, reason, since)
        change(revocations.find(connection, certificate, record.scope), asked)
        order = OrderEntry(
            str(certificate), reason.word, moment, record.scope, since, record.period.not_after
        )
        recording.note(RevocationEntry(f"officer {officer.id}", _RULE, at, (order,)))
        standing = revocations.standing(connection, certificate, record.scope)
        assert standing is not None, "it has just been written down"
    return Ended(
        certificate,
        standing.revocation,
        standing.sequence,
        revocations.lists_naming(record.scope),
        recording.heads[-1],
    )


def suspected(invalid_since: datetime | None, at: datetime) -> datetime | None:
    """Since when a key may have been lost, as a list says it: in whole seconds.

    Raises:
        BadInput: That is after the revocation, or before anybody can have had a certificate.
    """
    if invalid_since is not None and invalid_since < EARLIEST:
        raise BadInput("invalidity date", f"lies before {EARLIEST.year}", clause="RFC 5280 5.3.2")
    since = None if invalid_since is None else invalid_since.astimezone(UTC).replace(microsecond=0)
    if since is not None and since > at:
        raise BadInput("invalidity date", "lies after the revocation", clause="RFC 5280 5.3.2")
    return since
