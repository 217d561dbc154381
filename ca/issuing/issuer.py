"""An authority's key with what it may do, opened when first needed: 10,000 of them do not slow a start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ca.errors import NotFound
from ca.keys.signer import Signer
from ca.keys.vault import KeyId, KeyVault
from ca.lint.certificates import IssuerFacts
from ca.model import CA_KINDS, SERVICE_KINDS, AuthorityId, CertificateKind, GenerationId
from ca.profiles.extensions import AuthorityKey, AuthorityKeyForm, CertificateExtension
from ca.profiles.practice import Practice
from ca.store import authorities
from ca.store.authorities import GenerationRecord
from ca.store.engine import Store
from ca.store.stores import Stores

_OWN_KINDS = CA_KINDS | {CertificateKind.OCSP_RESPONDER, CertificateKind.REPOSITORY}
_SERVED = SERVICE_KINDS | {CertificateKind.LINK}
"""What carries the policies of an authority's services."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """One generation of an authority: its practice, its key, and what lint has to know of it."""

    practice: Practice
    record: GenerationRecord
    signer: Signer = field(repr=False)

    @property
    def id(self) -> GenerationId:
        """The generation."""
        return self.record.id

    @property
    def key_identifier(self) -> bytes:
        """The key's identifier, as certificates and lists name it."""
        return self.record.key_identifier

    @property
    def facts(self) -> IssuerFacts:
        """What a certificate or list of this issuer is linted against."""
        holders = self.practice.holders
        kinds = _OWN_KINDS.union(self.practice.offered, holders)
        access = {kind: self.practice.authority_access(kind, self.id) for kind in kinds}
        return IssuerFacts(
            name=self.practice.name,
            japanese_name=self.practice.japanese_name,
            public_key=self.record.public_key,
            key_identifier=self.key_identifier,
            period=self.record.period,
            serial=self.record.serial,
            kinds=kinds,
            all_parts=frozenset(
                kind for kind, holder in holders.items() if holder.authority_key is AuthorityKeyForm.ALL_PARTS
            ),
            access={kind: told for kind, told in access.items() if told is not None},
            repository=self.practice.subject_access(self.id),
            policies=dict.fromkeys(_SERVED, self.practice.services)
            | {kind: holder.policies for kind, holder in holders.items()},
            points={kind: holder.points for kind, holder in holders.items()},
            keys={kind: holder.keys for kind, holder in holders.items()},
        )

    def access(self, kind: CertificateKind) -> tuple[CertificateExtension, ...]:
        """What a certificate of this kind tells of its issuer in authorityInfoAccess: one value, or none."""
        told = self.practice.authority_access(kind, self.id)
        return () if told is None else (told,)

    def subject_access(self) -> tuple[CertificateExtension, ...]:
        """What a CA certificate for this key tells of it in subjectInfoAccess: one value, or none."""
        told = self.practice.subject_access(self.id)
        return () if told is None else (told,)

    def authority_key(self, form: AuthorityKeyForm = AuthorityKeyForm.KEY_IDENTIFIER) -> AuthorityKey:
        """What a certificate says of this key; all parts are those of the self-signed certificate."""
        if form is AuthorityKeyForm.KEY_IDENTIFIER:
            return AuthorityKey(self.key_identifier)
        return AuthorityKey(self.key_identifier, self.practice.name, self.record.serial)


@dataclass(slots=True)
class Issuers:
    """The issuers of a world, each opened once."""

    stores: Stores
    vault: KeyVault = field(repr=False)
    practices: Mapping[AuthorityId, Practice]
    _open: dict[GenerationId, Issuer] = field(default_factory=dict)

    def practice(self, authority: AuthorityId) -> Practice:
        """What the authority does, or NotFound."""
        try:
            return self.practices[authority]
        except KeyError:
            raise NotFound(f"authority {authority}", "is not one of this home's") from None

    def store(self, authority: AuthorityId) -> Store:
        """Where the authority's certificates, revocations and lists lie."""
        return self.stores.of(authority)

    def of(self, generation: GenerationId) -> Issuer:
        """The issuer of this generation, or NotFound, or KeyRefused if its key cannot be opened."""
        if generation not in self._open:
            with self.store(generation.authority).reading() as connection:
                record = authorities.generation(connection, generation)
            signer = self.vault.signer(KeyId(record.key))
            self._open[generation] = Issuer(self.practice(generation.authority), record, signer)
        return self._open[generation]

    def issuing(self, authority: AuthorityId) -> Issuer:
        """The issuer whose key signs certificates for the authority now."""
        with self.store(authority).reading() as connection:
            generation = authorities.issuing_generation(connection, authority)
        return self.of(generation)
