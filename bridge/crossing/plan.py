"""What an edition comes to under one marking: every authority's practice, every cross-certificate, every office."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from bridge.crossing.edition import (
    AuthorityTable,
    BirthdayTable,
    CrossTable,
    Edition,
    HolderTable,
    PrefectureTable,
    YearsTable,
)
from bridge.crossing.mesh import CrossPlan, require_each_once, require_reachable
from bridge.crossing.templates import fill, fill_name
from bridge.manifest import Marking
from ca.errors import BadInput, EditionRefused
from ca.model import (
    RESIDENT_KINDS,
    AuthorityId,
    CertificateKind,
    Office,
    OfficeId,
    OfficeKind,
    authority_id,
)
from ca.names import Municipalities
from ca.profiles.drafting import CertificateProfile
from ca.profiles.extensions import ANY_POLICY, CertificatePolicies
from ca.profiles.government import OFFICIAL_POST
from ca.profiles.practice import AuthorityRole, HolderPractice, Periods, Practice
from ca.profiles.residents import SIGNATURE, USER_AUTHENTICATION
from ca.rules.validity import BirthdayRule, CountedFrom, ValidityRule, YearsRule
from ca.suites import RSA2048_KEYS, suite

_PROFILES: Mapping[str, CertificateProfile] = {
    profile.kind.value: profile for profile in (SIGNATURE, USER_AUTHENTICATION, OFFICIAL_POST)
}
# Whom each role serves: residents come to windows of prefectures, posts belong to the government.
_HOLDERS: Mapping[AuthorityRole, frozenset[str]] = {
    AuthorityRole.BRIDGE: frozenset(),
    AuthorityRole.PREFECTURE: frozenset(RESIDENT_KINDS),
    AuthorityRole.GOVERNMENT: frozenset({CertificateKind.OFFICIAL_POST}),
}
_OLD_KIND_YEARS = 3
_URI = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Plan:
    """A nation in values.

    Attributes:
        practices: Every authority, in the order in which they are made.
        trusted_policies: The policies of the anchor's domain that relying parties ask for.
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


def make_plan(
    edition: Edition, marking: Marking, url: str, municipalities: Municipalities, place: str
) -> Plan:
    """Resolve an edition, or raise EditionRefused naming the key that does not fit."""
    try:
        return _Planner(edition, marking, url.rstrip("/"), municipalities).plan()
    except BadInput as error:
        raise EditionRefused(
            f"{place}, {error.place}", error.problem, clause=error.clause, remedy=error.remedy
        ) from None


@dataclass(frozen=True, slots=True)
class _Planner:
    edition: Edition
    marking: Marking
    url: str
    municipalities: Municipalities

    def plan(self) -> Plan:
        edition = self.edition
        practices = self._practices()
        crosses = tuple(
            plan for index, table in enumerate(edition.cross) for plan in self._cross(index, table, practices)
        )
        anchor = _known(edition.anchor, practices, "anchor")
        require_each_once(crosses)
        require_reachable(anchor, practices, crosses)
        return Plan(
            name=edition.name,
            marking=self.marking,
            anchor=anchor,
            repository=_known(edition.repository, practices, "repository"),
            practices=practices,
            crosses=crosses,
            offices=self._offices(practices),
            municipalities=self.municipalities,
            trusted_policies=practices[anchor].services.policies,
        )

    def _practices(self) -> dict[AuthorityId, Practice]:
        template = self.edition.prefectures
        prefectures = {row.prefecture_code: row for row in self.municipalities}
        if template.nation and (missing := sorted(prefectures.keys() - set(template.codes))):
            raise EditionRefused("prefectures.codes", f"prefecture {', '.join(missing)} has no CA")
        made: list[Practice] = []
        for index, table in enumerate(self.edition.authorities):
            where = f"authorities[{index}]"
            made.append(self._practice(where, table, table.id, AuthorityRole(table.role), {}))
        for code in template.codes:
            if code not in prefectures:
                raise EditionRefused(
                    "prefectures.codes", f"{code!r} is not a prefecture of the municipalities"
                )
            words = {
                "code": code,
                "prefecture": prefectures[code].prefecture_romaji,
                "prefecture_japanese": prefectures[code].prefecture,
            }
            name = fill(template.id, words, "prefectures.id")
            made.append(self._practice("prefectures", template, name, AuthorityRole.PREFECTURE, words))
        practices: dict[AuthorityId, Practice] = {}
        names: dict[object, AuthorityId] = {}
        for practice in made:
            if practice.authority in practices:
                raise EditionRefused("authorities", f"{practice.authority} stands there twice")
            other = names.setdefault(practice.name.folded(), practice.authority)
            if other != practice.authority:
                raise EditionRefused("authorities", f"{practice.authority} and {other} have one name")
            practices[practice.authority] = practice
        return practices

    def _practice(
        self,
        where: str,
        table: AuthorityTable | PrefectureTable,
        name: str,
        role: AuthorityRole,
        words: Mapping[str, str],
    ) -> Practice:
        edition = self.edition
        names = getattr(edition.marking, self.marking)
        words = {
            **words,
            "organisation": getattr(names, table.organisation),
            "organisation_japanese": getattr(names, f"{table.organisation}_japanese"),
        }
        holders = table.holders
        if edition.old_kind and role is AuthorityRole.PREFECTURE:
            holders = tuple(kind for kind in holders if kind == CertificateKind.SIGNATURE)
        if wrong := [kind for kind in holders if kind in _PROFILES and kind not in _HOLDERS[role]]:
            raise EditionRefused(f"{where}.holders", f"a {role} CA does not issue the kind {wrong[0]}")
        held = [self._holder(kind, words, f"{where}.holders") for kind in holders]
        return Practice(
            authority=authority_id(name, f"{where}.id"),
            role=role,
            prefecture_code=words.get("code"),
            name=fill_name(table.name, words, f"{where}.name"),
            japanese_name=fill_name(table.japanese_name, words, f"{where}.japanese_name"),
            suite=suite(edition.suite, "suite"),
            services=CertificatePolicies(self._policies(table.service_policies, f"{where}.service_policies")),
            holders={practice.profile.kind: practice for practice in held},
            periods=Periods(
                self_signed_years=edition.periods.self_signed_years,
                cross_years=edition.periods.cross_years,
                responder_days=edition.periods.responder_days,
                repository_days=edition.periods.repository_days,
                next_update=timedelta(hours=edition.periods.next_update_hours),
                answer=timedelta(seconds=edition.periods.answer_seconds),
            ),
            url=self.url,
        )

    def _holder(self, kind: str, words: Mapping[str, str], where: str) -> HolderPractice:
        if kind not in _PROFILES:
            raise EditionRefused(where, f"{kind!r} is not a kind", remedy=f"One of: {', '.join(_PROFILES)}")
        if kind not in self.edition.holders:
            raise EditionRefused(where, f"{kind!r} has no table holders.{kind}")
        table = self.edition.holders[kind]
        place = f"holders.{kind}"
        cps = None if table.cps is None else fill(table.cps, {"url": self.url}, f"{place}.cps")
        if cps is not None and not _URI.fullmatch(cps):
            raise EditionRefused(f"{place}.cps", f"{cps!r} is not a URI", clause="RFC 5280 4.2.1.4")
        return HolderPractice(
            profile=_PROFILES[kind],
            policies=CertificatePolicies(self._policies((table.policy,), f"{place}.policy"), cps),
            validity=self._validity(kind, table),
            keys=RSA2048_KEYS,
            points=fill_name(table.points, words, f"{place}.points"),
            minimum_age=table.minimum_age,
        )

    def _validity(self, kind: str, table: HolderTable) -> ValidityRule:
        if self.edition.old_kind and kind == CertificateKind.SIGNATURE:
            return YearsRule(_OLD_KIND_YEARS)
        try:
            match table.validity:
                case BirthdayTable() as rule:
                    return BirthdayRule(rule.birthdays, rule.early_renewal_birthdays, rule.renewal_months)
                case YearsTable() as rule:
                    return YearsRule(rule.years, CountedFrom(rule.counted_from))
        except BadInput as error:
            raise EditionRefused(f"holders.{kind}.validity", error.problem) from None

    def _cross(
        self, index: int, table: CrossTable, practices: Mapping[AuthorityId, Practice]
    ) -> Iterator[CrossPlan]:
        """Both directions of a pair, or of one with each prefecture."""
        where = f"cross[{index}]"
        mappings = tuple(
            self._mapping(pair, f"{where}.map[{position}]") for position, pair in enumerate(table.map)
        )
        policies = self._policies(table.policies, f"{where}.policies")
        reverse = self._policies(table.reverse_policies or table.policies, f"{where}.reverse_policies")
        for ours, theirs in mappings:
            if ours not in policies or theirs not in reverse:
                raise EditionRefused(
                    f"{where}.map", "maps a policy that the pair does not carry", clause="RFC 5280 4.2.1.5"
                )
        back = tuple((theirs, ours) for ours, theirs in mappings)
        for first in self._parties(table.between[0], practices, f"{where}.between[0]"):
            for second in self._parties(table.between[1], practices, f"{where}.between[1]"):
                yield CrossPlan(first, second, CertificatePolicies(policies), mappings)
                yield CrossPlan(second, first, CertificatePolicies(reverse), back)

    def _mapping(self, pair: tuple[str, str], where: str) -> tuple[str, str]:
        ours, theirs = (self._policy(name, where) for name in pair)
        first, second = (self.edition.policies[name].domain for name in pair)
        if first == second:
            raise EditionRefused(where, f"maps a policy within the domain {first}")
        return ours, theirs

    def _policies(self, names: Iterable[str], where: str) -> tuple[str, ...]:
        found = tuple(self._policy(name, where) for name in names)
        if not found or len(set(found)) < len(found):
            raise EditionRefused(where, "names no policy, or one twice", clause="RFC 5280 4.2.1.4")
        return found

    def _policy(self, name: str, where: str) -> str:
        """The object identifier of a policy under this marking. anyPolicy is none: it would map to everything."""
        policy = self.edition.policies.get(name)
        if policy is None and name in {ANY_POLICY, "anyPolicy"}:
            raise EditionRefused(
                where,
                "anyPolicy is not a policy to certify under, nor to map from or to",
                clause="RFC 5280 4.2.1.5",
            )
        if policy is None:
            known = ", ".join(self.edition.policies)
            raise EditionRefused(where, f"{name!r} is not a policy", remedy=f"One of: {known}")
        found: str = getattr(policy, self.marking)
        return found

    def _parties(
        self, name: str, practices: Mapping[AuthorityId, Practice], where: str
    ) -> tuple[AuthorityId, ...]:
        if name == "prefectures":
            return tuple(
                practice.authority
                for practice in practices.values()
                if practice.role is AuthorityRole.PREFECTURE
            )
        return (_known(name, practices, where),)

    def _offices(self, practices: Mapping[AuthorityId, Practice]) -> tuple[Office, ...]:
        windows = {
            practice.prefecture_code: practice.authority
            for practice in practices.values()
            if practice.role is AuthorityRole.PREFECTURE
        }
        others = []
        for index, table in enumerate(self.edition.offices):
            where = f"offices[{index}]"
            if table.kind == "ministry" and table.authority is None:
                raise EditionRefused(f"{where}.authority", "is missing: who issues for the ministry's posts?")
            authority = (
                None if table.authority is None else _known(table.authority, practices, f"{where}.authority")
            )
            others.append(Office(OfficeId(table.id), OfficeKind(table.kind), table.name, authority))
        if len({office.id for office in others}) < len(others):
            raise EditionRefused("offices", "an id stands there twice")
        if [office.kind for office in others].count(OfficeKind.CENTRE) != 1:
            raise EditionRefused("offices", "there is not exactly one centre")
        return (
            *others,
            *(
                Office(OfficeId(row.code), OfficeKind.WINDOW, row.name, windows[row.prefecture_code])
                for row in self.municipalities
                if row.has_window and row.prefecture_code in windows
            ),
        )


def _known(name: str, practices: Mapping[AuthorityId, Practice], where: str) -> AuthorityId:
    authority = AuthorityId(name)
    if authority not in practices:
        raise EditionRefused(where, f"the CA {name!r} is missing from authorities and prefectures")
    return authority
