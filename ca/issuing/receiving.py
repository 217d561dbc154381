"""What an office wrote down at the reception, held against what is known of the holder's certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from ca.errors import BadInput, Conflict
from ca.issuing.standing import Standing
from ca.model import CertificateKind, RevocationReason
from ca.rules.identity import Purpose
from ca.rules.validity import ValidityRule, japanese_day, renewal_opens
from ca.store import applications, certificates, lives
from ca.store.applications import Application
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Connections

_PLACE = "purpose"


def require_purpose(
    connections: Connections,
    standing: Standing,
    application: Application,
    rules: Mapping[CertificateKind, ValidityRule],
    at: datetime,
) -> None:
    """Raise BadInput unless an application's purpose is what the holder's certificates say.

    Whoever holds one asks for no new one; a renewal renews something, and nothing before its time. No day is shown:
    certificates end on birthdays.

    Args:
        connections: The transactions in which the case is written down.
        standing: How its holder stands.
        application: The case, with its reception.
        rules: How long each kind that it asks for lasts.
        at: When it is received.
    """
    assert application.reception is not None, "there is a purpose"
    ends: dict[CertificateKind, datetime] = {}
    for kind, not_after in _held(connections, standing, application, at):
        if kind in rules:
            ends[kind] = max(not_after, ends.get(kind, not_after))
    match application.reception.purpose:
        case Purpose.NEW if ends:
            raise BadInput(
                _PLACE,
                f"the applicant holds a certificate of the kind {next(iter(ends))} already",
                remedy="Receive it as a renewal or, before its time, as a replacement",
            )
        case Purpose.RENEWAL if not ends:
            raise BadInput(
                _PLACE, "there is no certificate to renew", remedy="Receive it as a new application"
            )
        case Purpose.RENEWAL:
            for kind, not_after in ends.items():
                opens = renewal_opens(rules[kind], not_after)
                if opens is not None and japanese_day(at) < opens:
                    raise BadInput(
                        _PLACE,
                        f"the certificate of the kind {kind} is not in its last months yet",
                        remedy="Receive it as a replacement, or renew it then",
                    )


def require_one_successor(connections: Connections, application: Application) -> None:
    """Raise Conflict if an open case renews what this application names: only one of them could be handed over.

    Args:
        connections: The transactions in which the case is written down, so that of two at once one is refused.
        application: The case, with its reception.
    """
    assert application.reception is not None, "it says what is renewed"
    office, renews = application.case.office, application.reception.renews
    for certificate, case in applications.renewing(connections.nation, office, renews).items():
        raise Conflict(
            f"certificate {certificate}",
            f"is being renewed by case {case}",
            remedy=f"Go on with case {case}; or reject or discard it, and file again",
        )


def _held(
    connections: Connections, standing: Standing, application: Application, at: datetime
) -> Iterator[tuple[CertificateKind, datetime]]:
    """What the holder holds: a resident by the register of holdings, a post what the application names."""
    for holding in standing.live(application.holder, at):
        yield holding.kind, holding.period.not_after
    assert application.reception is not None, "there is a purpose"
    renews = application.reception.renews
    known = {record.id: record for record in certificates.several(connections, renews)}
    ended = {
        life.certificate
        for life in lives.of(connections, renews)
        if life.reason not in {None, RevocationReason.REMOVE_FROM_CRL}
    }
    for certificate in renews:
        record = known.get(certificate)
        if record is None or not _same_holder(connections, record, application):
            raise BadInput(f"certificate {certificate}", "is not one of this office's for this holder")
        if certificate in ended or record.period.not_after < at.replace(microsecond=0):
            raise BadInput(
                f"certificate {certificate}", "has ended", remedy="Receive it as a new application"
            )
        yield record.kind, record.period.not_after


def _same_holder(connections: Connections, record: CertificateRecord, application: Application) -> bool:
    if record.application is None or record.state is not CertificateState.ISSUED:
        return False
    before = applications.find(connections.nation, record.application)
    return (before.case.office, before.applicant) == (application.case.office, application.applicant)
