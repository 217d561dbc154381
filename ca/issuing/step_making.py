"""What each step of a key's life makes, prepared: keys, the certificates of the key itself, its responder, its services.

Nothing is written down here. What is there already, since a step like it was taken back, is not made anew where it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ca import suites
from ca.chance import Chance
from ca.errors import Conflict, NotFound
from ca.issuing.cycle import Intended
from ca.issuing.founding import found, link, service
from ca.issuing.issuer import Issuers
from ca.journal.entries import GenerationEntry
from ca.keys.vault import KeyId
from ca.model import RESPONDER_KINDS, CertificateKind, GenerationId
from ca.rules.generations import RFC4210, Step
from ca.store import authorities, key_lives, key_needs
from ca.suites import Suite, Use


@dataclass(frozen=True, slots=True)
class Making:
    """What a step makes: a key that its authority has from now on, and certificates that are about to be signed."""

    generation: GenerationEntry | None = None
    intended: tuple[Intended, ...] = ()


@dataclass(frozen=True, slots=True)
class StepMaker:
    """Makes what steps need."""

    issuers: Issuers
    chance: Chance

    def suite(self, generation: GenerationId, asked: Suite | None, at: datetime) -> Suite:
        """With which suite a key signs that is planned, or is to be planned: as asked for, else as the practice says.

        Raises:
            Conflict: The key is planned, or was certified before its plan was taken back, with another one; or it is
                broken, and not the practice's.
            SuiteRetired: It may not sign any more.
        """
        practice = self.issuers.practice(generation.authority)
        with self.issuers.store(generation.authority).reading() as connection:
            planned = key_lives.suite_of(connection, generation)
        suite = asked or planned or practice.suite
        place = f"generation {generation}"
        fixed = planned or self.certified(generation)
        if fixed is not None and fixed is not suite:
            raise Conflict(
                place,
                f"is a key for {fixed.id}, not for {suite.id}",
                remedy="`kakehashi key discard` spends its number, and the next key can be for any",
            )
        if suite.legacy and suite is not practice.suite:
            raise Conflict(place, f"{suite.id} is broken, and not what the edition names for its authority")
        suites.require(suite, Use.SIGN, at)
        return suite

    def make(self, step: Step, generation: GenerationId, suite: Suite, at: datetime) -> Making:
        """What this step makes now.

        Raises:
            KeyRefused, SuiteRetired: A key may not sign, or cannot be made or opened.
            LintRefused: A certificate would break a rule.
        """
        match step:
            case Step.MAKE_KEY:
                self.issuers.vault.create(self._key(generation, suite), suite)
            case Step.NEW_WITH_NEW:
                return self._self_signed(generation, suite, at)
            case Step.NEW_WITH_OLD:
                return Making(intended=(self.linked(self._before(generation), generation, at),))
            case Step.OLD_WITH_NEW:
                return Making(intended=(self.linked(generation, self._before(generation), at),))
            case Step.SERVE_STATUS:
                return Making(intended=(self.served(generation, CertificateKind.OCSP_RESPONDER, at),))
            case Step.CUT_OVER:
                return Making(intended=tuple(self._followed(generation, at)))
            case Step.PLAN | Step.RENEW_CROSSES | Step.RETIRE | Step.DISCARD:
                pass
        return Making()

    def linked(self, signer: GenerationId, subject: GenerationId, at: datetime) -> Intended:
        """The link by which one key of an authority certifies another."""
        with self.issuers.store(signer.authority).reading() as connection:
            before = key_needs.certified_before(connection, signer, subject)
        prepared = link(
            self.issuers.of(signer),
            self.issuers.of(subject),
            chance=self.chance,
            at=at,
            purpose="" if before == 0 else str(before + 1),
        )
        return Intended(prepared, crosses=subject)

    def served(self, generation: GenerationId, kind: CertificateKind, at: datetime) -> Intended:
        """The certificate of one who serves under this key, on a key of its own."""
        issuer = self.issuers.of(generation)
        name = "ocsp" if kind is CertificateKind.OCSP_RESPONDER else kind.value
        key, periods = KeyId(f"{generation}.{name}"), issuer.practice.periods
        with self.issuers.store(generation.authority).reading() as connection:
            before = key_needs.services_made(connection, generation, kind)
        prepared = service(
            issuer,
            kind,
            public_key=self.issuers.vault.create(key, issuer.record.suite).public_key,
            days=periods.responder_days if kind in RESPONDER_KINDS else periods.repository_days,
            purpose=str(before + 1),
            chance=self.chance,
            at=at,
        )
        return Intended(prepared, service_key=key)

    def _self_signed(self, generation: GenerationId, suite: Suite, at: datetime) -> Making:
        if self.certified(generation) is not None:
            return Making()
        practice, key = self.issuers.practice(generation.authority), self._key(generation, suite)
        signer = self.issuers.vault.create(key, suite)
        issuer, prepared = found(
            practice, generation, key=key, signer=signer, chance=self.chance, at=at, suite=suite
        )
        return Making(issuer.record.entry(), (Intended(prepared),))

    def _followed(self, generation: GenerationId, at: datetime) -> Iterator[Intended]:
        """The services of the key before it go on under the new one; responders stay with the key that they answer for."""
        with self.issuers.stores.reading() as reading:
            old = key_lives.predecessor(reading.of(generation.authority), generation)
            if old is None:
                return
            kinds = {one.kind for one in key_needs.services(reading, old, at)}
        for kind in sorted(kinds - {CertificateKind.OCSP_RESPONDER}):
            yield self.served(generation, kind, at)

    def _before(self, generation: GenerationId) -> GenerationId:
        with self.issuers.store(generation.authority).reading() as connection:
            old = key_lives.predecessor(connection, generation)
        if old is None:
            raise Conflict(
                f"generation {generation}", "is the first, and has none to be linked with", clause=RFC4210
            )
        return old

    def certified(self, generation: GenerationId) -> Suite | None:
        """The suite of a key that was certified once, be it that its steps were taken back; None of one that never was."""
        with self.issuers.store(generation.authority).reading() as connection:
            try:
                return authorities.generation(connection, generation).suite
            except NotFound:
                return None

    def _key(self, generation: GenerationId, suite: Suite) -> KeyId:
        # A plan for another suite may have been taken back when its key was made already.
        usual = suite is self.issuers.practice(generation.authority).suite
        return KeyId(str(generation) if usual else f"{generation}.{suite.id}")
