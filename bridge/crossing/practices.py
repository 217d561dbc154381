"""The authorities of an edition under one marking: what each is, issues and offers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import reduce
from operator import or_

from bridge.crossing.edition import (
    AuthorityTable,
    BirthdayTable,
    Edition,
    HolderTable,
    PrefectureTable,
    StatusTable,
    YearsTable,
)
from bridge.crossing.policies import Policies
from bridge.crossing.templates import fill, fill_name
from ca.errors import BadInput, EditionRefused
from ca.model import LOCAL_KINDS, RESIDENT_KINDS, AuthorityId, CertificateKind, authority_id
from ca.names import Municipalities
from ca.profiles.drafting import CertificateProfile
from ca.profiles.extensions import (
    ENCRYPTING_USES,
    IMPOSSIBLE_USES,
    AuthorityKeyForm,
    CertificatePolicies,
    KeyUse,
)
from ca.profiles.government import OFFICIAL_POST
from ca.profiles.local import LG_ENCRYPTION, LG_POST, LG_USER
from ca.profiles.practice import (
    Access,
    AuthorityRole,
    HolderPractice,
    ListPractice,
    Periods,
    Practice,
    StatusPractice,
)
from ca.profiles.residents import SIGNATURE, USER_AUTHENTICATION
from ca.rules.residents import LapseRules
from ca.rules.validity import BirthdayRule, CountedFrom, ValidityRule, YearsRule
from ca.suites import (
    ML_DSA_65_KEYS,
    P256_KEYS,
    P384_KEYS,
    RSA1024_KEYS,
    RSA2048_KEYS,
    RSA3072_KEYS,
    SubjectKeyRule,
    SuiteId,
    suite,
)

_PROFILES: Mapping[str, CertificateProfile] = {
    profile.kind.value: profile
    for profile in (SIGNATURE, USER_AUTHENTICATION, OFFICIAL_POST, LG_POST, LG_USER, LG_ENCRYPTION)
}
# Whom each role serves: residents come to windows, posts belong to the government, the rest to local governments.
_HOLDERS: Mapping[AuthorityRole, frozenset[str]] = {
    AuthorityRole.BRIDGE: frozenset(),
    AuthorityRole.PREFECTURE: frozenset(RESIDENT_KINDS),
    AuthorityRole.GOVERNMENT: frozenset({CertificateKind.OFFICIAL_POST}),
    AuthorityRole.NATIONAL: frozenset(RESIDENT_KINDS),
    AuthorityRole.ORGANISATION: frozenset(LOCAL_KINDS),
}
_OLD_KIND_YEARS = 3
_KEYS: Mapping[str, SubjectKeyRule] = {
    "rsa-1024": RSA1024_KEYS,
    "rsa-2048": RSA2048_KEYS,
    "rsa-3072": RSA3072_KEYS,
    "p-256": P256_KEYS,
    "p-384": P384_KEYS,
    "ml-dsa-65": ML_DSA_65_KEYS,
}
_URI = re.compile(r"[!-~]{1,200}")


def _status(table: StatusTable, responder_days: int) -> StatusPractice:
    if table.responder_overlap_days >= responder_days:
        raise EditionRefused(
            "status.responder_overlap_days",
            f"is not less than the {responder_days} days of periods.responder_days: a certificate would be renewed at once",
        )
    return StatusPractice(
        answer_cache=timedelta(seconds=table.answer_cache_seconds),
        staleness=timedelta(seconds=table.staleness_seconds),
        access=Access(table.access),
        list_access=Access(table.list_access),
        national=table.national_responder,
        overlap=timedelta(days=table.responder_overlap_days),
    )


@dataclass(frozen=True, slots=True)
class PracticePlanner:
    """Resolves the tables of authorities, prefectures and holders. What does not fit is EditionRefused or BadInput."""

    edition: Edition
    policies: Policies
    url: str
    municipalities: Municipalities
    lapses: LapseRules
    legacy: frozenset[SuiteId]

    def plan(self) -> dict[AuthorityId, Practice]:
        """Every authority, in the order in which they are made: as the file has them, then the prefectures'."""
        practices: dict[AuthorityId, Practice] = {}
        names: dict[object, AuthorityId] = {}
        for practice in [*self._authorities(), *self._prefectures()]:
            if practice.authority in practices:
                raise EditionRefused("authorities", f"{practice.authority} stands there twice")
            other = names.setdefault(practice.name.folded(), practice.authority)
            if other != practice.authority:
                raise EditionRefused("authorities", f"{practice.authority} and {other} have one name")
            practices[practice.authority] = practice
        _require_within(practices.values())
        return practices

    def _authorities(self) -> list[Practice]:
        return [
            self._practice(f"authorities[{index}]", table, table.id, AuthorityRole(table.role), {})
            for index, table in enumerate(self.edition.authorities)
        ]

    def _prefectures(self) -> list[Practice]:
        template = self.edition.prefectures
        if template is None:
            return []
        prefectures = {row.prefecture_code: row for row in self.municipalities}
        if template.nation and (missing := sorted(prefectures.keys() - set(template.codes))):
            raise EditionRefused("prefectures.codes", f"prefecture {', '.join(missing)} has no CA")
        made = []
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
        return made

    def _practice(
        self,
        where: str,
        table: AuthorityTable | PrefectureTable,
        name: str,
        role: AuthorityRole,
        words: Mapping[str, str],
    ) -> Practice:
        edition = self.edition
        words = {**words, **self._organisation(table.organisation, f"{where}.organisation")}
        services = CertificatePolicies(
            self.policies.read(table.service_policies, f"{where}.service_policies")
        )
        offered = table.services if isinstance(table, AuthorityTable) else ()
        if len(set(offered)) < len(offered):
            raise EditionRefused(f"{where}.services", "names one twice")
        return Practice(
            authority=authority_id(name, f"{where}.id"),
            role=role,
            prefecture_code=words.get("code"),
            name=fill_name(table.name, words, f"{where}.name"),
            japanese_name=fill_name(table.japanese_name, words, f"{where}.japanese_name"),
            suite=suite(edition.suite, "suite"),
            services=services,
            holders=self._holders(table.holders, role, services, words, where),
            periods=Periods(
                self_signed_years=edition.periods.self_signed_years,
                cross_years=edition.periods.cross_years,
                responder_days=edition.periods.responder_days,
                repository_days=edition.periods.repository_days,
                next_update=timedelta(hours=edition.periods.next_update_hours),
                answer=timedelta(seconds=edition.periods.answer_seconds),
            ),
            url=self.url,
            offered=(*map(CertificateKind, offered), *self._national(name)),
            lapses=self.lapses,
            lists=ListPractice(
                delta=edition.lists.delta,
                full_pause=timedelta(seconds=edition.lists.full_pause_seconds),
                usual_changes=edition.lists.usual_changes,
            ),
            status=_status(edition.status, edition.periods.responder_days),
            access=None if table.status_access is None else Access(table.status_access),
            information_access=edition.certificates.information_access,
        )

    def _national(self, name: str) -> Iterator[CertificateKind]:
        """The anchor's is the certificate of the responder that answers for every authority, if there is to be one."""
        if self.edition.status.national_responder and name == self.edition.anchor:
            yield CertificateKind.NATIONAL_RESPONDER

    def _organisation(self, organisation: str, where: str) -> dict[str, str]:
        """What ``{organisation}`` and ``{organisation_japanese}`` stand for under this marking."""
        marking: Mapping[str, str] = getattr(self.edition.marking, self.policies.marking)
        for word in (organisation, f"{organisation}_japanese"):
            if word not in marking:
                raise EditionRefused(where, f"{word!r} is not a word of the marking")
        return {
            "organisation": marking[organisation],
            "organisation_japanese": marking[f"{organisation}_japanese"],
        }

    def _holders(
        self,
        kinds: tuple[str, ...],
        role: AuthorityRole,
        services: CertificatePolicies,
        words: Mapping[str, str],
        where: str,
    ) -> dict[CertificateKind, HolderPractice]:
        """The kinds that an authority of this role issues."""
        if self.edition.old_kind and role is AuthorityRole.PREFECTURE:
            kinds = tuple(kind for kind in kinds if kind == CertificateKind.SIGNATURE)
        if wrong := [kind for kind in kinds if kind in _PROFILES and kind not in _HOLDERS[role]]:
            raise EditionRefused(
                f"{where}.holders", f"a CA of the role {role} does not issue the kind {wrong[0]}"
            )
        held: dict[CertificateKind, HolderPractice] = {}
        for kind in kinds:
            practice = self._holder(kind, words, f"{where}.holders")
            _require_services(
                services, practice.policies, f"{where}.service_policies", f"its {kind} certificates"
            )
            if any(practice.points.folded() == other.points.folded() for other in held.values()):
                raise EditionRefused(
                    f"holders.{kind}.points", "are another kind's too: two lists would have one name"
                )
            held[practice.profile.kind] = practice
        return held

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
        if table.within is not None and (table.within not in _PROFILES or table.within == kind):
            raise EditionRefused(f"{place}.within", f"{table.within!r} is not another kind")
        return HolderPractice(
            profile=_PROFILES[kind],
            policies=CertificatePolicies(self.policies.read((table.policy,), f"{place}.policy"), cps),
            validity=self._validity(kind, table),
            keys=self._keys(table, _PROFILES[kind], f"{place}.keys"),
            points=fill_name(table.points, words, f"{place}.points"),
            minimum_age=table.minimum_age,
            authority_key=AuthorityKeyForm(table.authority_key),
            within=None if table.within is None else CertificateKind(table.within),
        )

    def _keys(self, table: HolderTable, profile: CertificateProfile, where: str) -> SubjectKeyRule:
        named = (table.keys,) if isinstance(table.keys, str) else table.keys
        for one in named:
            _require_usable(one, profile, where)
        rule = reduce(or_, (_KEYS[one] for one in named))
        rule = replace(rule, encrypted_to=bool(profile.uses & ENCRYPTING_USES))
        if self.legacy:  # whoever signs with SHA-1 cannot ask of holders that they do not
            return replace(rule, sha1=True)
        if rule.sha1:
            raise EditionRefused(
                where,
                f"{' or '.join(named)} keys are certified only in an edition with a legacy suite",
                remedy="Name another kind of keys, or the suite under `legacy_suites`",
            )
        return rule

    def _validity(self, kind: str, table: HolderTable) -> ValidityRule:
        old = self.edition.old_kind and kind == CertificateKind.SIGNATURE
        try:
            match table.validity:
                case BirthdayTable() if old:
                    return YearsRule(_OLD_KIND_YEARS)
                case BirthdayTable() as rule:
                    return BirthdayRule(rule.birthdays, rule.early_renewal_birthdays, rule.renewal_months)
                case YearsTable() as rule:
                    years = _OLD_KIND_YEARS if old else rule.years
                    return YearsRule(years, CountedFrom(rule.counted_from))
        except BadInput as error:
            raise EditionRefused(f"holders.{kind}.validity", error.problem) from None


def _require_usable(keys: str, profile: CertificateProfile, where: str) -> None:
    """Raise if keys of this name cannot be what the kind is for."""
    for family in _KEYS[keys].families:
        impossible = IMPOSSIBLE_USES[family]
        if wrong := profile.uses & impossible.uses:
            named = " or ".join(use.value for use in KeyUse if use in wrong)
            raise EditionRefused(
                where,
                f"{keys} keys are never for {named}, as {profile.kind} certificates are",
                clause=impossible.clause,
                remedy="Name keys of another kind",
            )


def _require_services(
    services: CertificatePolicies, policies: CertificatePolicies, where: str, what: str
) -> None:
    """Raise unless the services carry these policies: else nobody who asks for one could believe their answers."""
    if not set(policies.policies) <= set(services.policies):
        raise EditionRefused(where, f"does not name every policy of {what}")


def _require_within(practices: Iterable[Practice]) -> None:
    """Raise if a kind ends with another that nobody issues."""
    held = [holder for practice in practices for holder in practice.holders.values()]
    issued = {holder.profile.kind for holder in held}
    for holder in held:
        if holder.within is not None and holder.within not in issued:
            raise EditionRefused(f"holders.{holder.profile.kind}.within", f"no CA issues {holder.within}")
