"""Making a world: everything that a plan describes, step by step, each step only if it was not taken before.

So a second making changes nothing, and an interrupted one is completed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from bridge.crossing.crosscert import certify
from bridge.crossing.plan import Plan
from ca.chance import Chance
from ca.issuing import cycle
from ca.issuing.cycle import Intended, Prepared
from ca.issuing.founding import found, service
from ca.issuing.issuer import Issuer, Issuers
from ca.keys.vault import KeyId, KeyVault
from ca.model import RESPONDER_KINDS, AuthorityId, CertificateKind, GenerationId
from ca.profiles.practice import Practice
from ca.store import authorities, officers
from ca.store.places import complete_places
from ca.store.stores import Stores

# So many authorities share a sync of the journal.
_AT_ONCE = 100

T = TypeVar("T")

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
        for practices in _batched(self.plan.practices.values()):
            self._found(practices)
        self._cross(issuers)
        for group in _batched(self.plan.practices):
            self._serve([(issuers.issuing(name), CertificateKind.OCSP_RESPONDER, "ocsp") for name in group])
            for name in group:
                self.progress(f"responder of {name}")
        self._serve([(issuers.issuing(self.plan.repository), CertificateKind.REPOSITORY, "repository")])
        offered = [
            (name, kind) for name, practice in self.plan.practices.items() for kind in practice.offered
        ]
        for some in _batched(offered):
            self._serve([(issuers.issuing(name), kind, kind.value) for name, kind in some])
        complete_places(self.stores, self.plan.practices, self.plan.municipalities)
        return issuers

    def _found(self, practices: Sequence[Practice]) -> None:
        there = {record.id for record in self.stores.generations()}
        new: list[tuple[Issuer, Prepared]] = []
        for practice in practices:
            generation = GenerationId(practice.authority, 1)
            if generation not in there:
                key = KeyId(str(generation))
                signer = self.vault.create(key, practice.suite)
                new.append(
                    found(practice, generation, key=key, signer=signer, chance=self.chance, at=self.at)
                )
        with self.stores.recording() as recording:
            for issuer, _ in new:
                recording.note(issuer.record.entry())
            cycle.intend(recording, [Intended(prepared) for _, prepared in new], self.at)
        self._sign([prepared for _, prepared in new])
        for practice in practices:
            self.progress(f"authority {practice.authority}")

    def _sign(self, prepared: Sequence[Prepared]) -> None:
        issued = [cycle.sign(item, self.at) for item in prepared]
        with self.stores.recording() as recording:
            cycle.complete(recording, issued, self.at)

    def _cross(self, issuers: Issuers) -> None:
        issuing = {authority: issuers.issuing(authority) for authority in self.plan.practices}
        there: set[tuple[GenerationId, GenerationId]] = set()
        for store in self.stores.each():
            with store.reading() as connection:
                crosses = authorities.crosses(connection)
            there |= {(certificate.generation, subject) for subject, certificate in crosses}
        missing = [
            plan
            for plan in self.plan.crosses
            if (issuing[plan.issuer].id, issuing[plan.subject].id) not in there
        ]
        for plans in _batched(missing):
            prepared = [
                certify(issuing[plan.issuer], issuing[plan.subject], plan, chance=self.chance, at=self.at)
                for plan in plans
            ]
            with self.stores.recording() as recording:
                intended = [
                    Intended(item, crosses=issuing[plan.subject].id)
                    for plan, item in zip(plans, prepared, strict=True)
                ]
                cycle.intend(recording, intended, self.at)
            self._sign(prepared)
        for first, second in self._pairs():
            self.progress(f"pair {first} and {second}")

    def _pairs(self) -> Iterator[tuple[AuthorityId, AuthorityId]]:
        for plan in self.plan.crosses[::2]:
            yield plan.issuer, plan.subject

    def _serve(self, wanted: Sequence[tuple[Issuer, CertificateKind, str]]) -> None:
        there: set[tuple[GenerationId, CertificateKind]] = set()
        for store in self.stores.each():
            with store.reading() as connection:
                services = authorities.services(connection)
            there |= {(record.certificate.generation, record.kind) for record in services}
        intended: list[Intended] = []
        for issuer, kind, name in wanted:
            if (issuer.id, kind) in there:
                continue
            key = KeyId(f"{issuer.id}.{name}")
            periods = issuer.practice.periods
            prepared = service(
                issuer,
                kind,
                public_key=self.vault.create(key, issuer.record.suite).public_key,
                days=periods.responder_days if kind in RESPONDER_KINDS else periods.repository_days,
                purpose="1",
                chance=self.chance,
                at=self.at,
            )
            intended.append(Intended(prepared, service_key=key))
        with self.stores.recording() as recording:
            cycle.intend(recording, intended, self.at)
        self._sign([item.prepared for item in intended])


def _batched(items: Iterable[T]) -> Iterator[list[T]]:
    """As many at a time as share a sync of the disk."""
    rest = iter(items)
    return iter(lambda: list(islice(rest, _AT_ONCE)), [])
