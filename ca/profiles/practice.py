"""What one authority does: the profiles, policies and periods that an edition has chosen for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from ca.errors import NotFound
from ca.model import (
    ARL,
    FULL,
    RESIDENT_KINDS,
    RESPONDER_KINDS,
    AuthorityId,
    CertificateKind,
    GenerationId,
    partition_scope,
)
from ca.names import Attribute, DirectoryName, Municipalities, Municipality
from ca.profiles.drafting import CertificateProfile
from ca.profiles.extensions import (
    AuthorityAccess,
    AuthorityKeyForm,
    CertificatePolicies,
    Holds,
    SubjectAccess,
)
from ca.profiles.lists import ListPlace
from ca.rules.residents import LapseRules
from ca.rules.validity import ValidityRule
from ca.suites import SubjectKeyRule, Suite


class AuthorityRole(StrEnum):
    """What an authority is in its world."""

    BRIDGE = "bridge"
    PREFECTURE = "prefecture"
    GOVERNMENT = "government"
    NATIONAL = "national"
    ORGANISATION = "organisation"


@dataclass(frozen=True, slots=True)
class HolderPractice:
    """How an authority issues one kind of holder's certificate.

    Attributes:
        points: The name under which the kind's distribution points stand.
        minimum_age: In years, if the kind is not issued to everybody.
        authority_key: What the certificates say of the issuing key.
        within: The kind that a certificate never outlasts: the one of the same holder.
    """

    profile: CertificateProfile
    policies: CertificatePolicies
    validity: ValidityRule
    keys: SubjectKeyRule
    points: DirectoryName
    minimum_age: int | None = None
    authority_key: AuthorityKeyForm = AuthorityKeyForm.KEY_IDENTIFIER
    within: CertificateKind | None = None

    def place(self, municipality: Municipality, municipalities: Municipalities) -> ListPlace:
        """The partition of this kind in this municipality; its name is fixed for every certificate issued there."""
        point = self.points.child(
            (Attribute.OU, municipality.prefecture_romaji),
            (Attribute.CN, f"{municipalities.point_name(municipality.code)} CRLDP"),
        )
        return ListPlace(partition_scope(self.profile.kind, municipality.code), point, Holds.USER)

    def whole(self) -> ListPlace:
        """The one partition of a kind that is not split by municipality (posts, local governments)."""
        return ListPlace(
            partition_scope(self.profile.kind, "all"), self.points.child((Attribute.CN, "CRLDP")), Holds.USER
        )


@dataclass(frozen=True, slots=True)
class Periods:
    """How long what an authority signs for itself, its services, its lists and its status answers lasts."""

    self_signed_years: int
    cross_years: int
    responder_days: int
    repository_days: int
    next_update: timedelta
    answer: timedelta


@dataclass(frozen=True, slots=True)
class ListPractice:
    """How an authority publishes its lists.

    Attributes:
        delta: Whether delta lists are made beside the complete ones.
        full_pause: The shortest time between two full lists that are made because something was revoked. Where millions
            are revoked they cost much, and who is in a hurry reads the partitions.
        usual_changes: How many entries may change from one list to the next before two officers are asked, and in a
            partition a tenth as many; always at least a tenth of the last list.
    """

    delta: bool = False
    full_pause: timedelta = timedelta(0)
    usual_changes: int = 10_000


class Access(StrEnum):
    """Who may ask."""

    OPEN = "open"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class StatusPractice:
    """How an authority's status is answered, and to whom; the same in all the nation.

    Attributes:
        answer_cache: How long others may keep an answer and give it out again (HTTP's max-age), whatever its nextUpdate.
        staleness: A responder that has not heard of the primary for longer than this gives no answer.
        access: Who may ask the responders.
        list_access: Who may fetch the lists of holders' certificates.
        national: Whether one responder, whom relying parties trust directly, answers for every authority (RFC 6960 2.2).
        overlap: How long before a responder's certificate ends it gets the next one.
    """

    answer_cache: timedelta = timedelta(0)
    staleness: timedelta = timedelta(seconds=5)
    access: Access = Access.OPEN
    list_access: Access = Access.OPEN
    national: bool = False
    overlap: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Practice:
    """One authority as its edition describes it: the certification practice in values.

    Attributes:
        prefecture_code: Two digits of JIS X 0401 for a prefecture CA.
        services: The policies that the certificates of its services, and its link certificates, carry.
        offered: The services that it has besides an OCSP responder, by the kind of their certificates.
        holders: The kinds that it issues to holders.
        url: The base of every URL that its certificates carry, without a slash at its end.
        access: Who may ask its responder, where that is not what the nation's status says.
        lapses: What the register's events do to its certificates, where that is open; the same in all the nation.
        information_access: Whether its certificates lead to those of their issuer and to their status, and its CA
            certificates to what their subject has issued (RFC 5280 4.2.2); the same in all the nation.
    """

    authority: AuthorityId
    role: AuthorityRole
    prefecture_code: str | None
    name: DirectoryName
    japanese_name: DirectoryName
    suite: Suite
    services: CertificatePolicies
    holders: Mapping[CertificateKind, HolderPractice]
    periods: Periods
    url: str
    offered: tuple[CertificateKind, ...] = ()
    lapses: LapseRules = field(default_factory=LapseRules)
    lists: ListPractice = ListPractice()
    status: StatusPractice = StatusPractice()
    access: Access | None = None
    information_access: bool = False

    def holder(self, kind: CertificateKind) -> HolderPractice:
        """How this authority issues this kind, or NotFound naming the kinds that it does issue."""
        try:
            return self.holders[kind]
        except KeyError:
            kinds = ", ".join(self.holders) or "none"
            raise NotFound(f"kind {kind}", f"is not issued by {self.authority} (issued: {kinds})") from None

    def serves(self, municipality: Municipality) -> bool:
        """Whether the residents of this municipality or ward apply to it, at their window."""
        if self.role is AuthorityRole.NATIONAL:
            return municipality.has_window
        return municipality.has_window and municipality.prefecture_code == self.prefecture_code

    def places(self, municipalities: Municipalities) -> Iterator[ListPlace]:
        """Where each of its lists stands: its two of its own, then every partition of every kind."""
        yield self.full
        yield self.arl
        for holder in self.holders.values():
            if holder.profile.kind in RESIDENT_KINDS:
                for municipality in filter(self.serves, municipalities):
                    yield holder.place(municipality, municipalities)
            else:
                yield holder.whole()

    @property
    def arl(self) -> ListPlace:
        """The authority list's place: its point is the authority's own name, as its CA certificates say."""
        return ListPlace(ARL, self.name, Holds.CA)

    @property
    def full(self) -> ListPlace:
        """The full list's place."""
        return ListPlace(FULL, None, Holds.ALL)

    def authority_access(self, kind: CertificateKind, generation: GenerationId) -> AuthorityAccess | None:
        """What a certificate of this kind tells of the generation that issues it; None if it tells nothing.

        Residents' certificates always tell where their status is answered. Nobody asks about a responder's (RFC 6960
        4.2.2.2.1), and a self-signed one has no issuer above it.
        """
        if kind is CertificateKind.SELF_SIGNED:
            return None
        asked = kind in RESIDENT_KINDS or (self.information_access and kind not in RESPONDER_KINDS)
        status = f"{self.url}/ocsp/{generation}" if asked else None
        issuers = f"{self.url}/g/{generation}/issued-to.p7c" if self.information_access else None
        return AuthorityAccess(status, issuers) if status or issuers else None

    def subject_access(self, generation: GenerationId) -> SubjectAccess | None:
        """What a CA certificate for this generation tells of it; None if it tells nothing."""
        if not self.information_access:
            return None
        return SubjectAccess(f"{self.url}/g/{generation}/issued-by.p7c")
