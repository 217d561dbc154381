"""The mesh of cross-certificates as it is planned, and what makes it one that relying parties can follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ca.errors import EditionRefused
from ca.model import AuthorityId
from ca.profiles.extensions import CertificatePolicies
from ca.profiles.practice import Practice


@dataclass(frozen=True, slots=True)
class CrossPlan:
    """One cross-certificate: ``issuer`` certifies the key of ``subject``.

    Attributes:
        policies: Dotted object identifiers in the issuer's domain.
        mappings: Pairs of (issuer's policy, subject's policy).
    """

    issuer: AuthorityId
    subject: AuthorityId
    policies: CertificatePolicies
    mappings: tuple[tuple[str, str], ...]


def require_each_once(crosses: Iterable[CrossPlan]) -> None:
    """Raise if an authority would certify itself, or another twice."""
    seen = set()
    for plan in crosses:
        if plan.issuer == plan.subject or (plan.issuer, plan.subject) in seen:
            raise EditionRefused("cross", f"the pair {plan.issuer} and {plan.subject} stands there twice")
        seen.add((plan.issuer, plan.subject))


def require_service_policies(practices: Mapping[AuthorityId, Practice], crosses: Iterable[CrossPlan]) -> None:
    """Raise if an authority certifies another under a policy that its services and links would not carry.

    A path under that policy would break at its OCSP responder, and at its link certificates.
    """
    for plan in crosses:
        if not set(plan.policies.policies) <= set(practices[plan.issuer].services.policies):
            raise EditionRefused(
                "cross",
                f"{plan.issuer} certifies {plan.subject} under a policy that its service_policies do not name",
            )


def require_reachable(
    anchor: AuthorityId, authorities: Iterable[AuthorityId], crosses: Iterable[CrossPlan]
) -> None:
    """Raise unless cross-certificates lead from the anchor to every authority."""
    edges: dict[AuthorityId, list[AuthorityId]] = {}
    for plan in crosses:
        edges.setdefault(plan.issuer, []).append(plan.subject)
    reached, waiting = {anchor}, [anchor]
    while waiting:
        for subject in edges.get(waiting.pop(), ()):
            if subject not in reached:
                reached.add(subject)
                waiting.append(subject)
    if lost := [authority for authority in authorities if authority not in reached]:
        raise EditionRefused("cross", f"no cross-certificates lead from the anchor to {', '.join(lost)}")
