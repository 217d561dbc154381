"""What the rules of certificates look at: a draft, its profile, and what is known of its issuer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from ca.model import CertificateKind, Period
from ca.names import DirectoryName
from ca.profiles import authorities, government, residents, services
from ca.profiles.drafting import CertificateDraft, CertificateProfile
from ca.profiles.extensions import (
    NAMES,
    AuthorityKey,
    CertificateExtension,
    DistributionPoint,
    IssuerDirectoryName,
    SubjectDirectoryName,
)

T = TypeVar("T", bound=CertificateExtension)

PROFILES: Mapping[CertificateKind, CertificateProfile] = MappingProxyType(
    {
        profile.kind: profile
        for profile in (
            authorities.SELF_SIGNED,
            authorities.CROSS,
            services.OCSP_RESPONDER,
            services.REPOSITORY,
            residents.SIGNATURE,
            residents.USER_AUTHENTICATION,
            government.OFFICIAL_POST,
        )
    }
)


@dataclass(frozen=True, slots=True)
class IssuerFacts:
    """What lint needs to know of the key that will sign.

    Attributes:
        key_identifier: The subjectKeyIdentifier of the issuer's own certificate.
        period: The validity of that certificate; None while it is being made.
        kinds: The kinds of certificate that this authority issues.
    """

    name: DirectoryName
    key_identifier: bytes
    period: Period | None
    kinds: frozenset[CertificateKind]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A draft on its way to the signer.

    The profile is looked at beside the draft: rules that say what no profile may allow hold even when the
    profile itself is wrong.
    """

    draft: CertificateDraft
    profile: CertificateProfile
    issuer: IssuerFacts

    @classmethod
    def of(cls, draft: CertificateDraft, issuer: IssuerFacts) -> Candidate:
        """The draft beside the profile of its kind."""
        return cls(draft, PROFILES[draft.kind], issuer)

    @property
    def kind(self) -> CertificateKind:
        """The draft's kind."""
        return self.draft.kind

    def extension(self, wanted: type[T]) -> T | None:
        """The draft's value of this type, if it has one."""
        return self.draft.extension(wanted)

    def names(self) -> Iterator[tuple[str, DirectoryName]]:
        """Every directory name in the draft, with the word for where it stands."""
        yield "the issuer", self.draft.issuer
        yield "the subject", self.draft.subject.name
        for placed in self.draft.extensions:
            value = placed.value
            if isinstance(value, (SubjectDirectoryName, IssuerDirectoryName, DistributionPoint)):
                yield NAMES[value.oid], value.name
            elif isinstance(value, AuthorityKey) and value.issuer is not None:
                yield NAMES[value.oid], value.issuer
