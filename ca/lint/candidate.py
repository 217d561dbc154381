"""What the rules of certificates look at: a draft, its profile, its issuer, its list; and what a rule says of itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from ca.lint.rules import Rule
from ca.model import CertificateKind, Period, Serial
from ca.names import DirectoryName
from ca.profiles import authorities, government, local, residents, services
from ca.profiles.drafting import CertificateDraft, CertificateProfile, PlacedExtension
from ca.profiles.extensions import (
    NAMES,
    AuthorityAccess,
    AuthorityKey,
    CertificateExtension,
    CertificatePolicies,
    DistributionPoint,
    IssuerDirectoryName,
    SubjectAccess,
    SubjectDirectoryName,
)
from ca.profiles.lists import ListPlace
from ca.suites import SubjectKeyRule

T = TypeVar("T", bound=CertificateExtension)

PROFILES: Mapping[CertificateKind, CertificateProfile] = MappingProxyType(
    {
        profile.kind: profile
        for profile in (
            authorities.SELF_SIGNED,
            authorities.LINK,
            authorities.CROSS,
            services.OCSP_RESPONDER,
            services.REPOSITORY,
            services.TIME_STAMP,
            services.VALIDATION_SERVICE,
            services.NATIONAL_RESPONDER,
            residents.SIGNATURE,
            residents.USER_AUTHENTICATION,
            government.OFFICIAL_POST,
            local.LG_POST,
            local.LG_USER,
            local.LG_ENCRYPTION,
        )
    }
)


@dataclass(frozen=True, slots=True)
class IssuerFacts:
    """What lint needs to know of the key that will sign, and of what its authority practises.

    Attributes:
        japanese_name: What issuerAltName says.
        public_key: The key itself, as an encoded SubjectPublicKeyInfo.
        key_identifier: The subjectKeyIdentifier of the issuer's own certificate.
        period: The validity of that certificate; None while it is being made.
        serial: The serial of that certificate.
        kinds: The kinds of certificate that this authority issues.
        all_parts: Those of them whose authorityKeyIdentifier names that certificate besides the key.
        access: What those of them that have an authorityInfoAccess say there.
        repository: What the issuer's own certificate says of what it issues, if anything.
        policies: What those of them carry whose policies are not those of an agreement with another CA.
        points: Under which name the lists of each kind of holders' certificates stand.
        keys: Which keys are certified, for each kind of holders' certificates.
    """

    name: DirectoryName
    japanese_name: DirectoryName
    public_key: bytes
    key_identifier: bytes
    period: Period | None
    serial: Serial
    kinds: frozenset[CertificateKind]
    all_parts: frozenset[CertificateKind]
    access: Mapping[CertificateKind, AuthorityAccess]
    repository: SubjectAccess | None
    policies: Mapping[CertificateKind, CertificatePolicies]
    points: Mapping[CertificateKind, DirectoryName]
    keys: Mapping[CertificateKind, SubjectKeyRule]


class Part(Enum):
    """A field of a draft that may differ from one certificate of a series to the next."""

    SERIAL = "serial"
    VALIDITY = "validity"
    SUBJECT_NAME = "subject's name"
    PUBLIC_KEY = "public key"


Varying: TypeAlias = Part | type[CertificateExtension]
"""What may vary in a series: a field, or the values of an extension, by their type."""

CONSTANTS: frozenset[Varying] = frozenset()
"""What a rule reads that reads nothing of the kind.

Kind, profile, suite, issuer, list, and which extensions stand in which order and how critical, are one for a whole series.
"""

NAMED: frozenset[Varying] = frozenset(
    {Part.SUBJECT_NAME, SubjectDirectoryName, IssuerDirectoryName, DistributionPoint, AuthorityKey}
)
"""Where ``Candidate.names`` finds names, besides the issuer's own."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A draft on its way to the signer.

    The profile is looked at beside the draft: rules that say what no profile may allow hold even when the
    profile itself is wrong.

    Attributes:
        place: The list in which it would be revoked.
        varying: In a series whose first certificate kept every rule: what differs from it, and so is looked at
            again where a rule looks at names or extensions one by one. None if all is to be looked at.
    """

    draft: CertificateDraft
    profile: CertificateProfile
    issuer: IssuerFacts
    place: ListPlace
    varying: frozenset[Varying] | None = None
    _names: Sequence[tuple[str, DirectoryName]] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    @classmethod
    def of(
        cls,
        draft: CertificateDraft,
        issuer: IssuerFacts,
        place: ListPlace,
        varying: frozenset[Varying] | None = None,
    ) -> Candidate:
        """The draft beside the profile of its kind."""
        return cls(draft, PROFILES[draft.kind], issuer, place, varying)

    @property
    def kind(self) -> CertificateKind:
        """The draft's kind."""
        return self.draft.kind

    def extension(self, wanted: type[T]) -> T | None:
        """The draft's value of this type, if it has one."""
        return self.draft.extension(wanted)

    def extensions(self) -> Iterator[PlacedExtension]:
        """The extensions to look at, each for itself."""
        for placed in self.draft.extensions:
            if self.varying is None or type(placed.value) in self.varying:
                yield placed

    def names(self) -> Sequence[tuple[str, DirectoryName]]:
        """The directory names to look at, each for itself, with the word for where it stands."""
        if self._names is None:  # found once: several rules look at them
            object.__setattr__(self, "_names", tuple(self._find_names()))
        assert self._names is not None
        return self._names

    def _find_names(self) -> Iterator[tuple[str, DirectoryName]]:
        if self.varying is None:
            yield "the issuer", self.draft.issuer
        if self.varying is None or Part.SUBJECT_NAME in self.varying:
            yield "the subject", self.draft.subject.name
        for placed in self.extensions():
            value = placed.value
            if isinstance(value, (SubjectDirectoryName, IssuerDirectoryName, DistributionPoint)):
                yield NAMES[value.oid], value.name
            elif isinstance(value, AuthorityKey) and value.issuer is not None:
                yield NAMES[value.oid], value.issuer


Look: TypeAlias = Callable[[Candidate], Iterable[str]]


@dataclass(frozen=True, slots=True)
class CertificateRule(Rule[Candidate]):
    """A rule of certificates, with what tells where it need not be asked (``ca.lint.compiled``).

    Attributes:
        kinds: Which certificates it is about.
        look_inside: Looks at one that is known to be of these kinds.
        reads: Which parts it looks at, of those that may vary in a series; None if nobody has said.
    """

    kinds: frozenset[CertificateKind]
    look_inside: Look
    reads: frozenset[Varying] | None


class CertificateRules:
    """A family of rules of certificates, in the order in which they are written."""

    def __init__(self) -> None:
        self._rules: list[CertificateRule] = []

    def __iter__(self) -> Iterator[CertificateRule]:
        return iter(self._rules)

    def rule(
        self,
        clause: str,
        sentence: str,
        *,
        kinds: Collection[CertificateKind] = tuple(CertificateKind),
        reads: Collection[Varying] | None = None,
    ) -> Callable[[Look], Look]:
        """Enter the decorated function as a rule.

        A rule that does not say what it reads is taken to read everything: slow, never wrong.
        """
        about, marks = frozenset(kinds), None if reads is None else frozenset(reads)

        def enter(look: Look) -> Look:
            def look_if_about(candidate: Candidate) -> Iterable[str]:
                return look(candidate) if candidate.draft.kind in about else ()

            asked = look if about.issuperset(CertificateKind) else look_if_about
            self._rules.append(CertificateRule(look.__name__, clause, sentence, asked, about, look, marks))
            return asked

        return enter
