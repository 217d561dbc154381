"""What a holder's certificate says: subject, partition and contents, from who the holder is and what is practised."""

from __future__ import annotations

from dataclasses import dataclass, field

from ca.chance import Chance, new_serial
from ca.issuing.issuer import Issuer
from ca.issuing.series import Linted, Series
from ca.keys.signer import key_identifier
from ca.model import (
    Applicant,
    CertificateKind,
    GenerationId,
    LocalHolder,
    MunicipalityCode,
    OfficialPost,
    Period,
    Resident,
)
from ca.names import DirectoryName, Municipalities
from ca.profiles.drafting import Subject
from ca.profiles.extensions import CertificateExtension, DistributionPoint, IssuerDirectoryName, SubjectKey
from ca.profiles.government import post_subject
from ca.profiles.lists import ListPlace
from ca.profiles.local import local_subject
from ca.profiles.residents import four_items, pseudonym, signature_subject, user_authentication_subject

_SERIES = 8192  # more than a nation has partitions; a series is a few kilobytes


@dataclass(frozen=True, slots=True)
class HolderRequest:
    """One certificate that a holder is to have.

    Attributes:
        public_key: Encoded SubjectPublicKeyInfo.
        purpose: What tells it from every other request of the world; repeatable worlds draw from it.
    """

    applicant: Applicant = field(repr=False)
    kind: CertificateKind
    public_key: bytes = field(repr=False)
    purpose: str


class HolderCertificates:
    """Makes holders' certificates, linted and encoded. Safe to use from several threads."""

    def __init__(self, municipalities: Municipalities, chance: Chance) -> None:
        self._municipalities = municipalities
        self._chance = chance
        self._series: dict[
            tuple[GenerationId, CertificateKind, MunicipalityCode | None], tuple[ListPlace, Series]
        ] = {}

    def make(self, issuer: Issuer, request: HolderRequest, period: Period) -> tuple[ListPlace, Linted]:
        """A holder's certificate, and the partition that it lies in for its whole life.

        Raises:
            NotFound: The kind is not issued here, or the municipality has no window.
            LintRefused: The certificate would break a rule.
        """
        applicant = request.applicant
        town = applicant.municipality if isinstance(applicant, Resident) else None
        place, series = self._of(issuer, request.kind, town)
        purpose = f"{issuer.id} {request.purpose}"
        subject, own = self._subject(issuer, request, purpose)
        linted = series.certificate(
            serial=new_serial(self._chance, purpose),
            period=period,
            subject=Subject(subject, request.public_key),
            contents=(*own, SubjectKey(key_identifier(request.public_key))),
        )
        return place, linted

    def _of(
        self, issuer: Issuer, kind: CertificateKind, town: MunicipalityCode | None
    ) -> tuple[ListPlace, Series]:
        key = (issuer.id, kind, town)
        found = self._series.get(key)
        if found is None:
            if len(self._series) >= _SERIES:
                self._series.clear()
            found = self._series[key] = self._begin(issuer, kind, town)
        return found

    def _begin(
        self, issuer: Issuer, kind: CertificateKind, town: MunicipalityCode | None
    ) -> tuple[ListPlace, Series]:
        """Certificates of one issuer, kind and partition differ in little; the rest is put together once."""
        holder = issuer.practice.holder(kind)
        if town is None:
            place = holder.whole()
        else:
            place = holder.place(self._municipalities.window(town), self._municipalities)
        assert place.point is not None, "a partition has a point"
        series = Series(
            holder.profile,
            suite=issuer.record.suite,
            issuer=issuer.facts,
            place=place,
            contents=(
                *issuer.access(kind),
                holder.policies,
                IssuerDirectoryName(issuer.practice.japanese_name),
                DistributionPoint(place.point),
                issuer.authority_key(holder.authority_key),
            ),
        )
        return place, series

    def _subject(
        self, issuer: Issuer, request: HolderRequest, purpose: str
    ) -> tuple[DirectoryName, tuple[CertificateExtension, ...]]:
        match request.applicant:
            case Resident() as resident:
                town = self._municipalities.window(resident.municipality)
                common_name = pseudonym(self._chance, purpose, town.code)
                if request.kind is CertificateKind.SIGNATURE:
                    return signature_subject(town, common_name), (four_items(resident),)
                return user_authentication_subject(common_name), ()
            case OfficialPost() as post:
                return post_subject(issuer.practice.name, post), ()
            case LocalHolder() as local:
                return local_subject(issuer.practice.name, local), ()
