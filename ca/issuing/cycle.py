"""The signing cycle: prepare, lint, write the intent down, sign, write the certificate down.

A crash between any two steps leaves no certificate that the journal and the store do not know: what was intended is
signed again, over the same bytes, by ``recover``. An intent is never voided: if its key may no longer sign, its serial
counts as issued and revoked (see intents).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ca import suites
from ca.errors import KakehashiError, KeyRefused
from ca.issuing.intents import MayCertify, abandon, pieces, too_late, use_of
from ca.issuing.issuer import Issuer, Issuers
from ca.issuing.relint import check_intent
from ca.issuing.series import Linted
from ca.journal.entries import IntentEntry, IntentPart, IssuedEntry, IssuedPart
from ca.keys.signer import verify
from ca.keys.vault import KeyId
from ca.lint.certificates import check_certificate
from ca.model import ApplicationId, AuthorityId, CertificateId, GenerationId, OfficerId, Scope
from ca.profiles.drafting import CertificateDraft
from ca.profiles.lists import ListPlace
from ca.store import authorities, certificates, holdings
from ca.store.authorities import ServiceRecord
from ca.store.carrying import end_cases
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import grouped
from ca.store.holdings import HoldingRecord
from ca.store.recording import Recording
from ca.store.stores import Stores
from ca.wire.tbs import signed, tbs_certificate


@dataclass(frozen=True, slots=True)
class Prepared:
    """A certificate that was linted and encoded. Made by the three functions below alone."""

    issuer: Issuer
    record: CertificateRecord


@dataclass(frozen=True, slots=True)
class Intended:
    """A certificate that is to be written down before it is signed, and what it makes true.

    Attributes:
        holding: Who holds it, if it is a holder's.
        row: The row of a batch that it answers.
        crosses: The generation whose key it certifies, if it is a cross-certificate.
        service_key: The name under which the vault holds its key, if it is one of the authority's services.
    """

    prepared: Prepared
    holding: HoldingRecord | None = None
    row: int | None = None
    crosses: GenerationId | None = None
    service_key: KeyId | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate that was signed, and not written down yet."""

    record: CertificateRecord
    signature: bytes
    encoded: bytes

    @property
    def id(self) -> CertificateId:
        """What it is called."""
        return self.record.id


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate that the store knows as issued."""

    record: CertificateRecord
    encoded: bytes

    @property
    def id(self) -> CertificateId:
        """What it is called."""
        return self.record.id


def prepare(issuer: Issuer, draft: CertificateDraft, *, place: ListPlace, at: datetime) -> Prepared:
    """Lint a draft, which would be revoked in the list of this place, and encode it.

    Raises:
        LintRefused: The draft breaks a rule.
        SuiteRetired: The issuer's suite may no longer sign.
    """
    suites.require(issuer.record.suite, use_of(draft.kind), at)
    check_certificate(draft, issuer.facts, place)
    return prepare_linted(issuer, Linted(draft, tbs_certificate(draft)), scope=place.scope, at=at)


def prepare_linted(
    issuer: Issuer, linted: Linted, *, scope: Scope, at: datetime, application: ApplicationId | None = None
) -> Prepared:
    """What was linted and encoded, on its way to the signer; SuiteRetired if the issuer's suite may no longer sign."""
    draft = linted.draft
    suites.require(issuer.record.suite, use_of(draft.kind), at)
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


def resumed(issuers: Issuers, record: CertificateRecord, at: datetime) -> Prepared:
    """What an intent of the store's comes to, looked at again: it may have been altered there, or its key have moved on.

    Raises:
        Conflict: Where its key stands now, it may not sign this any more.
        SuiteRetired: Nor may its suite.
        LintRefused: Its bytes are not the certificate that it is the record of.
        KeyRefused: Its issuer's key cannot be opened.
    """
    with issuers.stores.reading() as reading:
        MayCertify(reading).require_still(record, at)
    return _looked_at(issuers, record)


def _looked_at(issuers: Issuers, record: CertificateRecord) -> Prepared:
    check_intent(record, issuers)
    return Prepared(issuers.of(record.id.generation), record)


def intend(
    recording: Recording,
    intended: Sequence[Intended],
    at: datetime,
    *,
    officer: OfficerId | None = None,
    batch: str | None = None,
) -> None:
    """First recording: serials, bytes and holdings are written down, before anything is signed.

    Args:
        recording: What they are written down in.
        intended: The certificates.
        at: When.
        officer: Who issues them, if they answer a case.
        batch: The batch whose rows they answer.

    Raises:
        Conflict: Where a key stands now, it may not sign this (RFC 4210 4.4): another one has taken over, say.
    """
    _require_may_certify(recording, intended)
    holdings.add(recording.nation, [item.holding for item in intended if item.holding is not None])
    for connection, group in grouped(recording, intended, lambda item: item.prepared.record.id):
        certificates.intend(connection, [item.prepared.record for item in group])
        for item in group:
            made = item.prepared.record
            if item.crosses is not None:
                authorities.add_cross_once(connection, item.crosses, made.id)
            if item.service_key is not None:
                service = ServiceRecord(made.id, made.kind, item.service_key)
                authorities.add_service_once(connection, service)
    for group in pieces(intended):
        parts = tuple(_part(item, recording.next_body + place) for place, item in enumerate(group))
        bodies = [item.prepared.record.encoded for item in group]
        recording.note(IntentEntry(at, parts, officer, batch), bodies, carried_out=True)


def sign(prepared: Prepared, at: datetime) -> Signed:
    """Sign the intended bytes, and check the signature before it leaves the house."""
    suite = prepared.issuer.record.suite
    suites.require(suite, use_of(prepared.record.kind), at)
    tbs = prepared.record.encoded
    signature = prepared.issuer.signer.sign(tbs, suite)
    verify(prepared.issuer.record.public_key, suite, tbs, signature)
    return Signed(prepared.record, signature, signed(tbs, suite, signature))


def complete(recording: Recording, issued: Sequence[Signed], at: datetime) -> None:
    """Second recording: the certificates are written down, and the cases that they answer are ended.

    Where a recovery was quicker, its signature over the same bytes is what counts.
    """
    new: list[Signed] = []
    for connection, group in grouped(recording, issued, lambda item: item.id):
        written = certificates.complete(connection, [(item.id, item.encoded) for item in group])
        new += [item for item in group if item.id in written]
    end_cases(recording, [item.record for item in issued])
    for piece in pieces(new):
        parts = tuple(IssuedPart(str(item.id), item.signature) for item in piece)
        recording.note(IssuedEntry(at, parts), carried_out=True)


def issue(stores: Stores, prepared: Sequence[Prepared], at: datetime) -> list[IssuedCertificate]:
    """The cycle for certificates that belong to no application, in one group."""
    with stores.recording() as recording:
        intend(recording, [Intended(item) for item in prepared], at)
    issued = [sign(item, at) for item in prepared]
    with stores.recording() as recording:
        complete(recording, issued, at)
    return standing(stores, [item.id for item in issued])


def standing(stores: Stores, wanted: Iterable[CertificateId]) -> list[IssuedCertificate]:
    """Those of these certificates that are issued, as they stand in the store."""
    return [
        IssuedCertificate(record, record.encoded)
        for record in stores.certificates(wanted)
        if record.state is CertificateState.ISSUED
    ]


def recover(
    issuers: Issuers, at: datetime, needed: Collection[AuthorityId] | None = None
) -> list[IssuedCertificate]:
    """Sign what was intended when a process ended, over the same bytes. Harmless beside a process that does so.

    What its key may no longer sign, since its suite's life is over or another key has taken over, is abandoned: it
    counts as issued and revoked. Each intent for itself: any other failure (a key that cannot be opened, bytes that were
    altered) leaves the intent as it is, and the first one is raised once all the others are signed.

    Args:
        issuers: The home's.
        at: Now.
        needed: Whose intents have to be signed for what comes next; what a key of another authority leaves open is no
            failure then. Everybody's, if not given.
    """
    stores = issuers.stores
    stores.catch_up()  # an intent may have got into the journal and no further
    recovered: list[CertificateId] = []
    failures: list[KakehashiError] = []
    for store in stores.each():
        with store.reading() as connection:
            records = certificates.intended(connection)
        still, late = too_late(stores, records, at)
        issued: list[Signed] = []
        for record in still:
            try:
                issued.append(sign(_looked_at(issuers, record), at))
            except KakehashiError as error:
                mine = needed is None or record.id.generation.authority in needed
                if mine or not isinstance(error, KeyRefused):
                    failures.append(error)
        if issued or late:
            with stores.recording() as recording:
                complete(recording, issued, at)
                abandon(recording, [record.id for record in late], at)
        recovered += [item.id for item in issued]
    if failures:
        raise failures[0]
    return standing(stores, recovered)


def _require_may_certify(recording: Recording, intended: Iterable[Intended]) -> None:
    may = MayCertify(recording)
    for asked in dict.fromkeys(
        (one.prepared.issuer.id, one.prepared.record.kind, one.crosses) for one in intended
    ):
        may.require(*asked)


def _part(intended: Intended, body: int) -> IntentPart:
    record, holding = intended.prepared.record, intended.holding
    return IntentPart(
        certificate=str(record.id),
        kind=record.kind,
        scope=record.scope,
        not_before=record.period.not_before,
        not_after=record.period.not_after,
        subject_key=record.subject_key.hex(),
        tbs=hashlib.sha256(record.encoded).hexdigest(),
        body=body,
        holder=None if holding is None or holding.holder is None else holding.holder.hex(),
        decided_at=None if holding is None else holding.decided_at,
        application=record.application,
        row=intended.row,
        crosses=None if intended.crosses is None else str(intended.crosses),
        service_key=intended.service_key,
        held=holding is not None,
    )
