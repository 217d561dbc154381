"""What an authority issues for itself: its self-signed certificate and those of its services."""

from __future__ import annotations

from datetime import datetime

from ca.chance import Chance, new_serial
from ca.issuing.cycle import Prepared, prepare
from ca.issuing.issuer import Issuer
from ca.keys.signer import Signer, key_identifier
from ca.model import ARL, FULL, CertificateKind, GenerationId
from ca.names import Attribute
from ca.profiles.authorities import SELF_SIGNED
from ca.profiles.drafting import CertificateProfile, Subject
from ca.profiles.extensions import AuthorityKey, DistributionPoint, SubjectDirectoryName, SubjectKey
from ca.profiles.practice import Practice
from ca.profiles.services import OCSP_RESPONDER, REPOSITORY
from ca.rules.validity import days_period, years_period
from ca.store.authorities import GenerationRecord

_SERVICES = {
    CertificateKind.OCSP_RESPONDER: (OCSP_RESPONDER, "OCSP Responder"),
    CertificateKind.REPOSITORY: (REPOSITORY, "Repository"),
}


def found(
    practice: Practice, generation: GenerationId, *, key: str, signer: Signer, chance: Chance, at: datetime
) -> tuple[Issuer, Prepared]:
    """A new generation of an authority, and its self-signed certificate, prepared."""
    record = GenerationRecord(
        id=generation,
        suite=practice.suite,
        key=key,
        public_key=signer.public_key,
        serial=new_serial(chance, f"{generation} self-signed"),
        period=years_period(at, practice.periods.self_signed_years),
    )
    issuer = Issuer(practice, record, signer)
    draft = SELF_SIGNED.draft(
        serial=record.serial,
        suite=practice.suite,
        issuer=practice.name,
        period=record.period,
        subject=Subject(practice.name, signer.public_key),
        contents=(
            SubjectDirectoryName(practice.japanese_name),
            DistributionPoint(practice.name),
            SubjectKey(issuer.key_identifier),
        ),
    )
    return issuer, prepare(issuer, draft, scope=ARL, at=at)


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
    """A service's certificate for so many days, prepared. ``purpose`` tells it from the service's others."""
    profile: CertificateProfile
    profile, common_name = _SERVICES[kind]
    period = days_period(at, days)
    draft = profile.draft(
        serial=new_serial(chance, f"{issuer.id} {kind} {purpose}"),
        suite=issuer.record.suite,
        issuer=issuer.practice.name,
        period=period,
        subject=Subject(issuer.practice.name.child((Attribute.CN, common_name)), public_key),
        contents=(
            issuer.practice.services,
            AuthorityKey(issuer.key_identifier),
            SubjectKey(key_identifier(public_key)),
        ),
    )
    return prepare(issuer, draft, scope=FULL, at=at)
