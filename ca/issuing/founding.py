"""What an authority issues for itself: its self-signed certificate, links between its keys, and its services'."""

from __future__ import annotations

from datetime import datetime

from ca.chance import Chance, new_serial
from ca.issuing.cycle import Prepared, prepare
from ca.issuing.issuer import Issuer
from ca.keys.signer import Signer, key_identifier
from ca.model import SERVICE_KINDS, CertificateKind, GenerationId, Period
from ca.names import Attribute
from ca.profiles.authorities import LINK, SELF_SIGNED
from ca.profiles.drafting import CertificateProfile, Subject
from ca.profiles.extensions import DistributionPoint, SubjectDirectoryName, SubjectKey
from ca.profiles.practice import Practice
from ca.profiles.services import (
    NATIONAL_RESPONDER,
    OCSP_RESPONDER,
    REPOSITORY,
    TIME_STAMP,
    VALIDATION_SERVICE,
)
from ca.rules.validity import days_period, years_period
from ca.store.authorities import GenerationRecord
from ca.suites import Suite

_SERVICES = {
    CertificateKind.OCSP_RESPONDER: (OCSP_RESPONDER, "OCSP Responder"),
    CertificateKind.REPOSITORY: (REPOSITORY, "Repository"),
    CertificateKind.TIME_STAMP: (TIME_STAMP, "Time Stamp"),
    CertificateKind.VALIDATION_SERVICE: (VALIDATION_SERVICE, "Validation Service"),
    CertificateKind.NATIONAL_RESPONDER: (NATIONAL_RESPONDER, "National OCSP Responder"),
}
assert _SERVICES.keys() == SERVICE_KINDS, "each kind of service needs a row"


def found(
    practice: Practice,
    generation: GenerationId,
    *,
    key: str,
    signer: Signer,
    chance: Chance,
    at: datetime,
    suite: Suite | None = None,
) -> tuple[Issuer, Prepared]:
    """A new generation of an authority, and its self-signed certificate, prepared; its suite is the practice's, or this."""
    suite = suite or practice.suite
    record = GenerationRecord(
        id=generation,
        suite=suite,
        key=key,
        public_key=signer.public_key,
        serial=new_serial(chance, f"{generation} self-signed"),
        period=years_period(at, practice.periods.self_signed_years),
    )
    issuer = Issuer(practice, record, signer)
    draft = SELF_SIGNED.draft(
        serial=record.serial,
        suite=suite,
        issuer=practice.name,
        period=record.period,
        subject=Subject(practice.name, signer.public_key),
        contents=(
            SubjectDirectoryName(practice.japanese_name),
            DistributionPoint(practice.name),
            *issuer.subject_access(),
            SubjectKey(issuer.key_identifier),
        ),
    )
    return issuer, prepare(issuer, draft, place=practice.arl, at=at)


def link(signing: Issuer, certified: Issuer, *, chance: Chance, at: datetime, purpose: str = "") -> Prepared:
    """A link certificate between two keys of one authority, prepared.

    Signed by the older key it is NewWithOld, signed by the newer one OldWithNew (RFC 4210 4.4). It lasts from now to
    the end of the older key's own certificate: so long are there verifiers, or certificates, that know that key alone.
    ``purpose`` tells it from one before it that was taken back.
    """
    practice = signing.practice
    assert signing.id.authority == certified.id.authority, "a link is between keys of one authority"
    draft = LINK.draft(
        serial=new_serial(chance, f"{signing.id} link {certified.id}{purpose and ' '}{purpose}"),
        suite=signing.record.suite,
        issuer=practice.name,
        period=Period(
            at.replace(microsecond=0), min(signing.record.period.not_after, certified.record.period.not_after)
        ),
        subject=Subject(practice.name, certified.record.public_key),
        contents=(
            signing.authority_key(),
            SubjectKey(certified.key_identifier),
            practice.services,
            SubjectDirectoryName(practice.japanese_name),
            DistributionPoint(practice.name),
            *signing.access(CertificateKind.LINK),
            *certified.subject_access(),
        ),
    )
    return prepare(signing, draft, place=practice.arl, at=at)


def service(
    issuer: Issuer,
    kind: CertificateKind,
    *,
    public_key: bytes,
    days: int,
    purpose: str,
    chance: Chance,
    at: datetime,
) -> Prepared:
    """A service's certificate for so many days, prepared: at most to the end of its authority's own.

    ``purpose`` tells it from the service's others.
    """
    profile: CertificateProfile
    profile, common_name = _SERVICES[kind]
    period = days_period(at, days)
    period = Period(period.not_before, min(period.not_after, issuer.record.period.not_after))
    draft = profile.draft(
        serial=new_serial(chance, f"{issuer.id} {kind} {purpose}"),
        suite=issuer.record.suite,
        issuer=issuer.practice.name,
        period=period,
        subject=Subject(issuer.practice.name.child((Attribute.CN, common_name)), public_key),
        contents=(
            issuer.practice.services,
            *issuer.access(kind),
            issuer.authority_key(),
            SubjectKey(key_identifier(public_key)),
        ),
    )
    return prepare(issuer, draft, place=issuer.practice.full, at=at)
