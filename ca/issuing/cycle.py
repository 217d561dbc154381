"""The signing cycle: prepare, lint, write the intent down, sign, write the certificate down.

A crash between any two steps leaves no certificate that the store does not know: what was intended is signed
again, over the same bytes, by ``recover``. An intent is never voided: if its key may no longer sign, its serial
counts as issued and revoked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ca import suites
from ca.errors import KakehashiError, SuiteRetired
from ca.issuing.issuer import Issuer, Issuers
from ca.issuing.relint import check_intent
from ca.issuing.series import Linted
from ca.keys.signer import verify
from ca.lint.certificates import check_certificate
from ca.model import ApplicationId, CertificateId, OfficerId, Revocation, RevocationReason, Scope
from ca.profiles.drafting import CertificateDraft
from ca.store import certificates, revocations
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.engine import Store
from ca.suites import Use
from ca.wire.lists import encode_entry
from ca.wire.tbs import signed, tbs_certificate

_ABANDONED_BY = OfficerId("signing cycle")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A certificate that was linted and encoded. Made by the three functions below alone."""

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


def prepare(issuer: Issuer, draft: CertificateDraft, *, scope: Scope, at: datetime) -> Prepared:
    """Lint a draft and encode it.

    Raises:
        LintRefused: The draft breaks a rule.
        SuiteRetired: The issuer's suite may no longer sign.
    """
    suites.require(issuer.record.suite, Use.SIGN, at)
    check_certificate(draft, issuer.facts)
    return prepare_linted(issuer, Linted(draft, tbs_certificate(draft)), scope=scope, at=at)


def prepare_linted(
    issuer: Issuer, linted: Linted, *, scope: Scope, at: datetime, application: ApplicationId | None = None
) -> Prepared:
    """What was linted and encoded, on its way to the signer; SuiteRetired if the issuer's suite may no longer sign."""
    suites.require(issuer.record.suite, Use.SIGN, at)
    draft = linted.draft
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
            encoded=linted.tbs,
        ),
    )


def resumed(issuers: Issuers, record: CertificateRecord) -> Prepared:
    """What an intent of the store's comes to, looked at again: it may have been altered there.

    Raises:
        LintRefused: Its bytes are not the certificate that it is the record of.
        KeyRefused: Its issuer's key cannot be opened.
    """
    check_intent(record, issuers)
    return Prepared(issuers.of(record.id.generation), record)


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
    """Second transaction: the certificates are written down.

    Gives the certificates that count: where a recovery was quicker, its signature over the same bytes.
    """
    standing = certificates.complete(connection, [(item.id, item.encoded) for item in issued])
    return [IssuedCertificate(record, record.encoded) for record in standing]


def issue(store: Store, prepared: Sequence[Prepared], at: datetime) -> list[IssuedCertificate]:
    """The cycle for certificates of one authority that belong to no application, in one group."""
    with store.writing() as connection:
        intend(connection, prepared)
    issued = [sign(item, at) for item in prepared]
    with store.writing() as connection:
        return complete(connection, issued)


def recover(issuers: Issuers, at: datetime) -> list[IssuedCertificate]:
    """Sign what was intended when a process ended, over the same bytes. Harmless beside a process that does so.

    What may no longer be signed, since the suite's life is over, is abandoned: it counts as issued and revoked. Each
    intent for itself: any other failure (a key that cannot be opened, bytes that were altered) leaves the intent as it
    is, and the first one is raised once all the others are signed.
    """
    recovered: list[IssuedCertificate] = []
    failures: list[KakehashiError] = []
    for store in issuers.stores.each():
        with store.reading() as connection:
            records = certificates.intended(connection)
        issued: list[IssuedCertificate] = []
        too_late: list[CertificateRecord] = []
        for record in records:
            try:
                issued.append(sign(resumed(issuers, record), at))
            except SuiteRetired:
                too_late.append(record)
            except KakehashiError as error:
                failures.append(error)
        if issued or too_late:
            with store.writing() as connection:
                recovered += complete(connection, issued)
                for record in too_late:
                    _abandon(connection, record.id, at)
    if failures:
        raise failures[0]
    return recovered


def _abandon(connection: Connection, certificate: CertificateId, at: datetime) -> None:
    """Count an intent as issued, and end it at once: nobody has the certificate, and its serial is spent."""
    record = certificates.abandon(connection, certificate)
    if record is None or revocations.find(connection, record.id, record.scope) is not None:
        return
    moment = at.replace(microsecond=0)
    revocation = Revocation(record.id.serial, moment, RevocationReason.UNSPECIFIED)
    revocations.record(
        connection,
        record.id.generation,
        record.scope,
        revocation,
        entry=encode_entry(revocation),
        officer=_ABANDONED_BY,
        at=at,
    )
