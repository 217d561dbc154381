"""Cross-certificates: one authority's word for another's key, as the plan of the two says."""

from __future__ import annotations

from datetime import datetime

from bridge.crossing.mesh import CrossPlan
from ca.chance import Chance, new_serial
from ca.issuing.cycle import Prepared, prepare
from ca.issuing.issuer import Issuer
from ca.model import ARL, Period
from ca.profiles.authorities import CROSS
from ca.profiles.drafting import Subject
from ca.profiles.extensions import (
    CertificateExtension,
    DistributionPoint,
    IssuerDirectoryName,
    PolicyMappings,
    SubjectDirectoryName,
    SubjectKey,
)
from ca.rules.validity import years_period


def certify(issuer: Issuer, subject: Issuer, plan: CrossPlan, *, chance: Chance, at: datetime) -> Prepared:
    """A cross-certificate for the subject's key, prepared.

    It lasts as long as the issuer's practice says, but no longer than the self-signed certificate of either side: beyond those there is
    nothing to certify with, or nothing to certify.
    """
    period = years_period(at, issuer.practice.periods.cross_years)
    ends = (period.not_after, issuer.record.period.not_after, subject.record.period.not_after)
    mappings: tuple[CertificateExtension, ...] = (PolicyMappings(plan.mappings),) if plan.mappings else ()
    draft = CROSS.draft(
        serial=new_serial(chance, f"{issuer.id} cross {subject.id}"),
        suite=issuer.record.suite,
        issuer=issuer.practice.name,
        period=Period(period.not_before, min(ends)),
        subject=Subject(subject.practice.name, subject.record.public_key),
        contents=(
            issuer.authority_key(),
            SubjectKey(subject.key_identifier),
            plan.policies,
            *mappings,
            SubjectDirectoryName(subject.practice.japanese_name),
            IssuerDirectoryName(issuer.practice.japanese_name),
            DistributionPoint(issuer.practice.name),
        ),
    )
    return prepare(issuer, draft, scope=ARL, at=at)
