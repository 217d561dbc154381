"""Cross-certificates: one authority's word for another's key, as the plan of the two says, or an agreement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.crossing.agreement import Agreement
from bridge.crossing.mesh import CrossPlan
from bridge.crossing.plan import Plan
from ca.chance import Chance, new_serial
from ca.errors import Conflict, KakehashiError
from ca.issuing import cycle
from ca.issuing.cycle import IssuedCertificate, Prepared, Signed, prepare
from ca.issuing.issuer import Issuer, Issuers
from ca.keys.signer import key_identifier
from ca.model import AuthorityId, CertificateId, CertificateKind, GenerationId, Period, Serial
from ca.names import DirectoryName
from ca.profiles.authorities import CROSS
from ca.profiles.drafting import Subject
from ca.profiles.extensions import (
    BasicConstraints,
    CertificateExtension,
    CertificatePolicies,
    DistributionPoint,
    IssuerDirectoryName,
    PolicyMappings,
    SubjectDirectoryName,
    SubjectKey,
)
from ca.rules.validity import day_end, days_period, japanese_day, years_period


@dataclass(frozen=True, slots=True)
class PeerKey:
    """A key of a CA that is not of this home.

    Attributes:
        name: As the CA writes it itself.
        public_key: Encoded SubjectPublicKeyInfo.
    """

    generation: GenerationId
    name: DirectoryName
    public_key: bytes = field(repr=False)


def cross_serial(issuer: GenerationId, subject: GenerationId, chance: Chance, purpose: str = "") -> Serial:
    """The serial of a new cross-certificate; ``purpose`` tells it from others between these two keys."""
    return new_serial(chance, f"{issuer} cross {subject}{purpose and ' '}{purpose}")


def pair_of(plan: Plan, issuer: AuthorityId, subject: AuthorityId) -> CrossPlan:
    """What the edition says of one authority's word for another; Conflict if it says nothing."""
    for one in plan.crosses:
        if (one.issuer, one.subject) == (issuer, subject):
            return one
    raise Conflict(f"pair {issuer} and {subject}", "is none of the edition's")


def certify(
    issuer: Issuer,
    subject: Issuer,
    plan: CrossPlan,
    *,
    chance: Chance,
    at: datetime,
    serial: Serial | None = None,
    period: Period | None = None,
) -> Prepared:
    """A cross-certificate for the key of another authority of this home, prepared.

    It lasts for the period, or as long as the issuer's practice says, within ``cross_end``.
    """
    period = period or years_period(at, issuer.practice.periods.cross_years)
    return _prepare(
        issuer,
        Subject(subject.practice.name, subject.record.public_key),
        Period(period.not_before, cross_end(issuer, subject, period)),
        plan.policies,
        [
            *((PolicyMappings(plan.mappings),) if plan.mappings else ()),
            SubjectDirectoryName(subject.practice.japanese_name),
            *subject.subject_access(),
        ],
        serial=serial or cross_serial(issuer.id, subject.id, chance),
        at=at,
    )


def cross_end(issuer: Issuer, subject: Issuer, period: Period) -> datetime:
    """When a certificate for this period ends: no later than the self-signed certificate of either side.

    Beyond those there is nothing to certify with, or nothing to certify.
    """
    return min(period.not_after, issuer.record.period.not_after, subject.record.period.not_after)


def certify_peer(
    issuer: Issuer, peer: PeerKey, agreement: Agreement, *, serial: Serial, at: datetime
) -> Prepared:
    """A cross-certificate for another CA's key, prepared as the agreement with it says.

    Raises:
        Conflict: No whole day is left of the agreement, or of the issuer's own certificate.
        LintRefused: The certificate would break a rule.
    """
    terms = agreement.certify
    constraints: list[CertificateExtension] = [terms.mappings, BasicConstraints(True, terms.path_length)]
    if terms.constraints is not None:
        constraints.append(terms.constraints)
    return _prepare(
        issuer,
        Subject(peer.name, peer.public_key),
        peer_period(agreement, issuer.record.period.not_after, at),
        terms.policies,
        constraints,
        serial=serial,
        at=at,
    )


def sign(issuers: Issuers, intended: Sequence[Prepared], at: datetime) -> dict[CertificateId, KakehashiError]:
    """Sign what was intended, and write it down; gives why of what could not be: one key keeps no other back."""
    signed: list[Signed] = []
    failures: dict[CertificateId, KakehashiError] = {}
    for one in intended:
        try:
            signed.append(cycle.sign(one, at))
        except KakehashiError as error:
            failures[one.record.id] = error
    with issuers.stores.recording() as recording:
        cycle.complete(recording, signed, at)
    return failures


def issue_intended(issuers: Issuers, intended: Sequence[Prepared], at: datetime) -> list[IssuedCertificate]:
    """Sign what was intended, write it down, and give it as it stands; raises the first failure, if there is any."""
    for failure in sign(issuers, intended, at).values():
        raise failure
    return cycle.standing(issuers.stores, [one.record.id for one in intended])


def peer_period(agreement: Agreement, issuer_ends: datetime, at: datetime) -> Period:
    """How long a certificate by an agreement lasts: whole Japanese days, as the certificates of CAs do here."""
    longest = days_period(at, agreement.certify.maximum_days)
    end = min(longest.not_after, issuer_ends, agreement.ends)
    last = day_end(japanese_day(end))
    if last > end:
        last -= timedelta(days=1)
    if last <= longest.not_before:
        raise Conflict(
            f"agreement {agreement.id}", "leaves no whole day to a certificate", remedy="Agree for longer"
        )
    return Period(longest.not_before, last)


def _prepare(
    issuer: Issuer,
    subject: Subject,
    period: Period,
    policies: CertificatePolicies,
    others: Iterable[CertificateExtension],
    *,
    serial: Serial,
    at: datetime,
) -> Prepared:
    draft = CROSS.draft(
        serial=serial,
        suite=issuer.record.suite,
        issuer=issuer.practice.name,
        period=period,
        subject=subject,
        contents=(
            issuer.authority_key(),
            SubjectKey(key_identifier(subject.public_key)),
            policies,
            *others,
            IssuerDirectoryName(issuer.practice.japanese_name),
            DistributionPoint(issuer.practice.name),
            *issuer.access(CertificateKind.CROSS),
        ),
    )
    return prepare(issuer, draft, place=issuer.practice.arl, at=at)
