"""The signing cycle: prepare, lint, write the intent down, sign, write the certificate down.

A crash between any two steps leaves no certificate that the store does not know: what was intended is signed
again, over the same bytes, by ``recover``. An intent is never voided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ca import suites
from ca.errors import KakehashiError
from ca.issuing.issuer import Issuer, Issuers
from ca.keys.signer import verify
from ca.lint.certificates import check_certificate
from ca.model import ApplicationId, CertificateId, Scope
from ca.profiles.drafting import CertificateDraft
from ca.rules import registration
from ca.rules.registration import State
from ca.store import applications, certificates
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.engine import Store
from ca.suites import Use
from ca.wire.tbs import signed, tbs_certificate


@dataclass(frozen=True, slots=True)
class Prepared:
    """A certificate that was linted and encoded. Made by ``prepare``, or by ``recover`` of a written intent."""

    issuer: Issuer
    record: CertificateRecord


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate that the store knows as issued."""

    record: CertificateRecord
    encoded: bytes

    @property
    def id(self) -> CertificateId:
        """What it is called."""
        return self.record.id


def prepare(
    issuer: Issuer,
    draft: CertificateDraft,
    *,
    scope: Scope,
    at: datetime,
    application: ApplicationId | None = None,
    holder: bytes | None = None,
    decided_at: datetime | None = None,
) -> Prepared:
    """Lint a draft and encode it.

    Raises:
        LintRefused: The draft breaks a rule.
        SuiteRetired: The issuer's suite may no longer sign.
    """
    suites.require(issuer.record.suite, Use.SIGN, at)
    check_certificate(draft, issuer.facts)
    return Prepared(
        issuer,
        CertificateRecord(
            id=CertificateId(issuer.id, draft.serial),
            kind=draft.kind,
            scope=scope,
            state=CertificateState.INTENDED,
            period=draft.period,
            intended_at=at,
            subject_key=hashlib.sha256(draft.subject.public_key).digest(),
            application=application,
            holder=holder,
            encoded=tbs_certificate(draft),
            decided_at=decided_at,
        ),
    )


def intend(connection: Connection, prepared: Iterable[Prepared]) -> None:
    """First transaction: serial and bytes are written down, before anything is signed."""
    certificates.intend(connection, [item.record for item in prepared])


def sign(prepared: Prepared, at: datetime) -> IssuedCertificate:
    """Sign the intended bytes, and check the signature before it leaves the house."""
    suite = prepared.issuer.record.suite
    suites.require(suite, Use.SIGN, at)
    signature = prepared.issuer.signer.sign(prepared.record.encoded, suite)
    verify(prepared.issuer.record.public_key, suite, prepared.record.encoded, signature)
    return IssuedCertificate(prepared.record, signed(prepared.record.encoded, suite, signature))


def complete(connection: Connection, issued: Iterable[IssuedCertificate]) -> list[IssuedCertificate]:
    """Second transaction: the certificates are written down, and the cases that they complete are closed.

    Gives the certificates that count: where a recovery was quicker, its signature over the same bytes.
    """
    standing = certificates.complete(connection, [(item.id, item.encoded) for item in issued])
    for application in {record.application for record in standing if record.application is not None}:
        _close(connection, application)
    return [IssuedCertificate(record, record.encoded) for record in standing]


def issue(store: Store, prepared: Sequence[Prepared], at: datetime) -> list[IssuedCertificate]:
    """The cycle for certificates that belong to no application, in one group."""
    with store.writing() as connection:
        intend(connection, prepared)
    issued = [sign(item, at) for item in prepared]
    with store.writing() as connection:
        return complete(connection, issued)


def recover(store: Store, issuers: Issuers, at: datetime) -> list[IssuedCertificate]:
    """Sign what was intended when a process ended, over the same bytes. Harmless beside a process that does so.

    Each intent for itself: the first failure (a key that cannot be opened, a suite that may no longer sign) is raised
    once all the others are signed.
    """
    with store.reading() as connection:
        records = certificates.intended(connection)
    if not records:
        return []
    issued: list[IssuedCertificate] = []
    failures: list[KakehashiError] = []
    for record in records:
        try:
            issued.append(sign(Prepared(issuers.of(record.id.generation), record), at))
        except KakehashiError as error:
            failures.append(error)
    with store.writing() as connection:
        recovered = complete(connection, issued)
    if failures:
        raise failures[0]
    return recovered


def _close(connection: Connection, application: ApplicationId) -> None:
    """Let a case be issued once every certificate of it is."""
    found = applications.find(connection, application)
    records = [
        certificates.find(connection, request.certificate)
        for request in found.requests
        if request.certificate is not None
    ]
    done = all(record.state is CertificateState.ISSUED for record in records)
    if found.case.state is State.ISSUING and done:
        applications.advance(connection, registration.issued(found.case))
