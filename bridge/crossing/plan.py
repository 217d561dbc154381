"""What an edition comes to under one marking: every authority's practice, every cross-certificate, every office."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from bridge.crossing.edition import CrossTable, Edition, LapseTable
from bridge.crossing.mesh import CrossPlan, require_each_once, require_reachable, require_service_policies
from bridge.crossing.offices import OfficeNames, known_authority, office_names, plan_offices
from bridge.crossing.policies import Policies
from bridge.crossing.practices import PracticePlanner
from bridge.manifest import Marking
from ca.errors import BadInput, EditionRefused
from ca.model import AuthorityId, CertificateKind, Office, OfficeId, RevocationReason
from ca.names import Municipalities
from ca.profiles.extensions import CertificatePolicies
from ca.profiles.practice import AuthorityRole, Practice
from ca.rules.residents import ChangeKind, LapseRules
from ca.suites import SuiteId, suite


@dataclass(frozen=True, slots=True)
class Plan:
    """A nation in values.

    Attributes:
        practices: Every authority, in the order in which they are made.
        trusted_policies: The policies of the anchor's domain that relying parties ask for.
        lapses: What the register's events do to certificates, where that is open.
        policies: The object identifiers of its policies, by the names that the edition gives them.
        office_names: What people call its offices.
        legacy: The legacy suites that it uses, or believes in their time.
    """

    name: str
    marking: Marking
    anchor: AuthorityId
    repository: AuthorityId
    practices: Mapping[AuthorityId, Practice]
    crosses: tuple[CrossPlan, ...]
    offices: tuple[Office, ...]
    municipalities: Municipalities
    trusted_policies: tuple[str, ...]
    lapses: LapseRules
    policies: Mapping[str, str] = field(default_factory=dict)
    office_names: Mapping[OfficeId, OfficeNames] = field(default_factory=dict)
    legacy: frozenset[SuiteId] = frozenset()


def make_plan(
    edition: Edition, marking: Marking, url: str, municipalities: Municipalities, place: str
) -> Plan:
    """Resolve an edition, or raise EditionRefused naming the key that does not fit."""
    try:
        return _plan(edition, marking, url.rstrip("/"), municipalities)
    except BadInput as error:
        raise EditionRefused(
            f"{place}, {error.place}", error.problem, clause=error.clause, remedy=error.remedy
        ) from None


def _plan(edition: Edition, marking: Marking, url: str, municipalities: Municipalities) -> Plan:
    policies = Policies(edition, marking)
    lapses = _lapses(edition.lapses)
    legacy = _legacy(edition)
    practices = PracticePlanner(edition, policies, url, municipalities, lapses, legacy).plan()
    crosses = tuple(
        plan
        for index, table in enumerate(edition.cross)
        for plan in _cross(table, policies, practices, f"cross[{index}]")
    )
    anchor = known_authority(edition.anchor, practices, "anchor")
    require_each_once(crosses)
    require_reachable(anchor, practices, crosses)
    require_service_policies(practices, crosses)
    return Plan(
        name=edition.name,
        marking=marking,
        anchor=anchor,
        repository=known_authority(edition.repository, practices, "repository"),
        practices=practices,
        crosses=crosses,
        offices=plan_offices(edition, practices, municipalities),
        municipalities=municipalities,
        trusted_policies=practices[anchor].services.policies,
        lapses=lapses,
        policies={name: getattr(policy, marking) for name, policy in edition.policies.items()},
        office_names=office_names(edition, municipalities),
        legacy=legacy,
    )


def _legacy(edition: Edition) -> frozenset[SuiteId]:
    """The edition's suite if that is a legacy one, and those that it names."""
    named = [suite(name, f"legacy_suites[{index}]") for index, name in enumerate(edition.legacy_suites)]
    for one in named:
        if not one.legacy:
            raise EditionRefused("legacy_suites", f"{one.id} is no legacy suite")
    return frozenset(one.id for one in (suite(edition.suite, "suite"), *named) if one.legacy)


def _lapses(table: LapseTable) -> LapseRules:
    """What the edition chooses of the table of lapses."""
    reasons = msgspec.to_builtins(table.reasons)
    return LapseRules(
        reasons={
            ChangeKind(kind): RevocationReason.parse(word)
            for kind, word in reasons.items()
            if word is not None
        },
        found_lifts=frozenset(map(CertificateKind, table.found_lifts)),
    )


def _cross(
    table: CrossTable, policies: Policies, practices: Mapping[AuthorityId, Practice], where: str
) -> Iterator[CrossPlan]:
    """Both directions of a pair, or of one with each prefecture."""
    mappings = tuple(
        policies.mapping(pair, f"{where}.map[{position}]") for position, pair in enumerate(table.map)
    )
    carried = policies.read(table.policies, f"{where}.policies")
    reverse = policies.read(table.reverse_policies or table.policies, f"{where}.reverse_policies")
    for ours, theirs in mappings:
        if ours not in carried or theirs not in reverse:
            raise EditionRefused(
                f"{where}.map", "maps a policy that the pair does not carry", clause="RFC 5280 4.2.1.5"
            )
    back = tuple((theirs, ours) for ours, theirs in mappings)
    for first in _parties(table.between[0], policies.edition, practices, f"{where}.between[0]"):
        for second in _parties(table.between[1], policies.edition, practices, f"{where}.between[1]"):
            yield CrossPlan(first, second, CertificatePolicies(carried), mappings)
            yield CrossPlan(second, first, CertificatePolicies(reverse), back)


def _parties(
    name: str, edition: Edition, practices: Mapping[AuthorityId, Practice], where: str
) -> tuple[AuthorityId, ...]:
    if name == "prefectures" and edition.prefectures is not None:
        return tuple(
            practice.authority for practice in practices.values() if practice.role is AuthorityRole.PREFECTURE
        )
    return (known_authority(name, practices, where),)
