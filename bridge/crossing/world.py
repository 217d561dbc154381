"""Making a world: everything that a plan describes, step by step, each step only if it was not taken before.

So a second making changes nothing, and an interrupted one is completed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from bridge.crossing.crosscert import certify
from bridge.crossing.plan import Plan
from ca.chance import Chance
from ca.issuing import cycle
from ca.issuing.founding import found, service
from ca.issuing.issuer import Issuer, Issuers
from ca.keys.vault import KeyId, KeyVault
from ca.model import AuthorityId, CertificateKind, GenerationId
from ca.profiles.practice import Practice
from ca.store import authorities, lists, officers
from ca.store.authorities import ServiceRecord
from ca.store.stores import Stores

Progress = Callable[[str], None]
"""Called once a step with what was done."""


@dataclass(frozen=True, slots=True)
class WorldMaker:
    """What a making works with."""

    plan: Plan
    stores: Stores
    vault: KeyVault
    chance: Chance
    at: datetime
    progress: Progress

    def make(self) -> Issuers:
        """Make authorities, cross-certificates, services and list places; gives the world's issuers.

        Keys are made in one fixed order, since seeded worlds take theirs from a pool in that order.
        """
        issuers = Issuers(self.stores, self.vault, self.plan.practices)
        cycle.recover(issuers, self.at)
        with self.stores.nation.writing() as connection:
            officers.add_offices(connection, self.plan.offices)
        for practice in self.plan.practices.values():
            self._found(practice)
            self.progress(f"authority {practice.authority}")
        self._cross(issuers)
        for authority in self.plan.practices:
            self._serve(issuers.newest(authority), CertificateKind.OCSP_RESPONDER, "ocsp")
            self.progress(f"responder of {authority}")
        self._serve(issuers.newest(self.plan.repository), CertificateKind.REPOSITORY, "repository")
        for authority, practice in self.plan.practices.items():
            for kind in practice.offered:
                self._serve(issuers.newest(authority), kind, kind.value)
        for store in self.stores.each():
            with store.writing() as connection:
                for authority, practice in self.plan.practices.items():
                    if self.stores.of(authority) is store:
                        generation = authorities.newest_generation(connection, authority)
                        lists.add_places(connection, generation, practice.places(self.plan.municipalities))
        return issuers

    def _found(self, practice: Practice) -> None:
        generation = GenerationId(practice.authority, 1)
        store = self.stores.of(practice.authority)
        with store.reading() as connection:
            if generation in {record.id for record in authorities.all_generations(connection)}:
                return
        key = KeyId(str(generation))
        signer = self.vault.create(key, practice.suite)
        issuer, prepared = found(practice, generation, key=key, signer=signer, chance=self.chance, at=self.at)
        with store.writing() as connection:
            authorities.add_generation(connection, issuer.record)
            cycle.intend(connection, [prepared])
        issued = cycle.sign(prepared, self.at)
        with store.writing() as connection:
            cycle.complete(connection, [issued])

    def _cross(self, issuers: Issuers) -> None:
        newest = {authority: issuers.newest(authority) for authority in self.plan.practices}
        for store in self.stores.each():
            with store.reading() as connection:
                there = {
                    (certificate.generation, subject)
                    for subject, certificate in authorities.crosses(connection)
                }
            missing = [
                plan
                for plan in self.plan.crosses
                if self.stores.of(plan.issuer) is store
                and (newest[plan.issuer].id, newest[plan.subject].id) not in there
            ]
            prepared = [
                certify(newest[plan.issuer], newest[plan.subject], plan, chance=self.chance, at=self.at)
                for plan in missing
            ]
            with store.writing() as connection:
                cycle.intend(connection, prepared)
                for plan, item in zip(missing, prepared, strict=True):
                    authorities.add_cross(connection, newest[plan.subject].id, item.record.id)
            issued = [cycle.sign(item, self.at) for item in prepared]
            with store.writing() as connection:
                cycle.complete(connection, issued)
        for first, second in self._pairs():
            self.progress(f"pair {first} and {second}")

    def _pairs(self) -> Iterator[tuple[AuthorityId, AuthorityId]]:
        for plan in self.plan.crosses[::2]:
            yield plan.issuer, plan.subject

    def _serve(self, issuer: Issuer, kind: CertificateKind, name: str) -> None:
        store = self.stores.of(issuer.id.authority)
        with store.reading() as connection:
            there = {
                (record.certificate.generation, record.kind) for record in authorities.services(connection)
            }
        if (issuer.id, kind) in there:
            return
        key = KeyId(f"{issuer.id}.{name}")
        signer = self.vault.create(key, issuer.record.suite)
        periods = issuer.practice.periods
        prepared = service(
            issuer,
            kind,
            public_key=signer.public_key,
            days=periods.responder_days
            if kind is CertificateKind.OCSP_RESPONDER
            else periods.repository_days,
            purpose="1",
            chance=self.chance,
            at=self.at,
        )
        with store.writing() as connection:
            cycle.intend(connection, [prepared])
            authorities.add_service(connection, ServiceRecord(prepared.record.id, kind, key))
        issued = cycle.sign(prepared, self.at)
        with store.writing() as connection:
            cycle.complete(connection, [issued])
