"""A new key for an authority, step by step: planned, made, linked with the one before (RFC 4210 4.4), served, cut over to.

Every step is recorded with the intents of what it makes, so a death leaves a step that was taken, whose certificates the
next one who comes signs, or none at all. ``ca.rules.generations`` says which steps there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ca.chance import Chance
from ca.errors import BadInput, Conflict
from ca.issuing import cycle, step_undoing
from ca.issuing.cycle import Prepared
from ca.issuing.issuer import Issuer, Issuers
from ca.issuing.step_making import StepMaker
from ca.issuing.step_undoing import DISCARDED_FOR, made_by, orders
from ca.journal.entries import KeyStepEntry, RevocationEntry
from ca.model import AuthorityId, CertificateKind, GenerationId, RevocationReason
from ca.names import Municipalities
from ca.profiles.lists import ListPlace
from ca.rules import generations
from ca.rules.generations import COMING, Keys, Known, Step, newest_step
from ca.store import authorities, key_lives, key_needs, lists
from ca.store.connections import Reading
from ca.store.places import complete_places
from ca.suites import Suite


@dataclass(frozen=True, slots=True)
class _Asked:
    """A step that is to be taken. ``crosses_later``: it waits for no cross-certificates, since links lead to the key."""

    step: Step
    generation: GenerationId
    suite: Suite | None = None
    evidence: str | None = None
    crosses_later: bool = False


@dataclass(frozen=True, slots=True)
class Succession:
    """Gives authorities new keys."""

    issuers: Issuers
    municipalities: Municipalities
    chance: Chance

    def keys(self, authority: AuthorityId) -> Keys:
        """An authority's keys, and what was done with them."""
        with self.issuers.store(authority).reading() as connection:
            return key_lives.keys_of(connection, authority)

    def take(
        self,
        step: Step,
        generation: GenerationId,
        *,
        suite: Suite | None = None,
        at: datetime,
        evidence: str | None = None,
    ) -> Keys:
        """Take this step of a key, with all that it makes; gives the authority's keys after it.

        Taken again at once, it changes nothing, and what was interrupted is completed. Cross-certificates are not made
        here: RENEW_CROSSES says that they are there. Lists are for a publication to make. DISCARD is ``discard`` for
        cessationOfOperation.

        Args:
            step: What is to be done.
            generation: With which key: for RETIRE the old one, else the new one.
            suite: With which suite it is to sign, if not as the authority's practice says; it is fixed by PLAN.
            at: Now.
            evidence: By what it was ordered, or what shows that it is right; no personal data.

        Raises:
            NotFound: There is no such authority.
            Conflict: The step is not the key's next one, or lacks something; says what (RFC 4210 4.4).
            SuiteRetired, KeyRefused: A key may not sign, or cannot be made or opened.
            LintRefused: A certificate would break a rule.
        """
        if step is Step.DISCARD:
            return self.discard(generation, RevocationReason.CESSATION_OF_OPERATION, at=at, evidence=evidence)
        asked = _Asked(step, generation, suite, evidence)
        self.issuers.practice(generation.authority)
        self._take_up(generation.authority, at)
        while True:
            keys = self.keys(generation.authority)
            if newest_step(keys, generation) is step:
                if suite is not None:
                    self._maker.suite(generation, suite, at)
                return keys
            taken = self._attempt(keys, asked, at)
            if taken is not None:
                return taken

    def back(self, generation: GenerationId, *, at: datetime, evidence: str | None = None) -> Keys:
        """Take the newest step of a key back: the certificates that it made are revoked.

        After a cut-over the old key issues again. The key itself and its self-signed certificate stay: taken once more, the steps go on with them.

        Raises:
            NotFound: There is no such authority.
            Conflict: The key has issued something, has been succeeded, or is not there.
        """
        self.issuers.practice(generation.authority)
        self._take_up(generation.authority, at)
        with self.issuers.stores.recording() as recording:
            connection = recording.of(generation.authority)
            keys = key_lives.keys_of(connection, generation.authority)
            known = Known(issued=key_needs.issued(connection, generation))
            step = generations.step_back(keys, generation, known, at).history[-1].step
            suite = key_lives.suite_of(connection, generation)
            assert suite is not None, "it is planned"
            rule = f"{step} of {generation} was taken back"
            ended = tuple(orders(made_by(recording.writing, step, generation), at))
            if ended:
                recording.note(RevocationEntry(f"generation {generation}", rule, at, ended))
            recording.note(KeyStepEntry(str(generation), suite.id, step, True, at, evidence))
            return key_lives.keys_of(connection, generation.authority)

    def discard(
        self, generation: GenerationId, reason: RevocationReason, *, at: datetime, evidence: str | None = None
    ) -> Keys:
        """Have a key that is on its way never take over: all that it has, and others made for it, is revoked.

        Its number is spent. It signs nothing any more, no list either: its word counts for nothing, and the lists of those
        who certified it say so. Its self-signed certificate is no anchor's, and is in nobody's list. Taken again at once,
        it changes nothing.

        Args:
            generation: The key; also one whose plan was taken back after it was certified.
            reason: One of ``DISCARDED_FOR``.
            at: Now.
            evidence: By what it was ordered, or what shows that it is right; no personal data.

        Raises:
            NotFound: There is no such authority.
            BadInput: No key is discarded for this reason.
            Conflict: The key is not on its way, has issued something, or was never made.
        """
        if reason not in DISCARDED_FOR:
            raise BadInput(f"reason {reason.word}", "is none for which a key is discarded")
        self.issuers.practice(generation.authority)
        self._take_up(generation.authority, at)
        with self.issuers.stores.recording() as recording:
            connection = recording.of(generation.authority)
            keys = key_lives.keys_of(connection, generation.authority)
            if newest_step(keys, generation) is Step.DISCARD:
                return keys
            suite = key_lives.suite_of(connection, generation) or self._maker.certified(generation)
            if suite is None:
                raise Conflict(f"generation {generation}", "is not planned, and was never certified")
            known = Known(issued=key_needs.issued(connection, generation))
            generations.take(keys, Step.DISCARD, generation, known, at)
            ended = step_undoing.discarded(recording.writing, generation, reason, at)
            if ended:
                rule = f"{generation} was discarded for {reason.word}"
                recording.note(RevocationEntry(f"generation {generation}", rule, at, ended))
            recording.note(KeyStepEntry(str(generation), suite.id, Step.DISCARD, False, at, evidence))
            return key_lives.keys_of(connection, generation.authority)

    def succeed(self, generation: GenerationId, suite: Suite | None = None, *, at: datetime) -> Issuer:
        """Take all steps of this generation, which follows the issuing one or is it, up to its cut-over.

        Those who certify the old key go on doing so, and reach the new one by its links; their cross-certificates for the
        new key may follow. Its lists and the public files are for a publication to make.

        Raises:
            NotFound: There is no such authority.
            Conflict: The generation is neither the issuing one nor the next, or not for this suite.
            SuiteRetired, KeyRefused: A key may not sign, or cannot be made or opened.
            LintRefused: A certificate would break a rule.
        """
        self._take_up(generation.authority, at)
        with self.issuers.store(generation.authority).reading() as connection:
            issuing = authorities.issuing_generation(connection, generation.authority)
            coming = key_lives.keys_of(connection, generation.authority).successor(issuing)
        if generation != coming and (generation != issuing or generation.number == 1):
            raise Conflict(
                f"generation {generation}", f"does not follow {issuing}: generations follow each other"
            )
        while True:
            keys = self.keys(generation.authority)
            life = keys.life(generation)
            if life is not None and life.state not in COMING:
                break
            step = generations.next_step(keys, generation)
            assert step is not None, "a key on its way has a next step"
            self._attempt(keys, _Asked(step, generation, suite, crosses_later=True), at)
        self._complete(generation, at)
        return self.issuers.of(generation)

    @property
    def _maker(self) -> StepMaker:
        return StepMaker(self.issuers, self.chance)

    def _attempt(self, keys: Keys, asked: _Asked, at: datetime) -> Keys | None:
        """Take the next step of keys that stand so; None if another process has moved them meanwhile."""
        step, generation = asked.step, asked.generation
        with self.issuers.stores.reading() as reading:
            generations.take(keys, step, generation, self._known(reading, asked, at), at)
        suite = self._suite(asked, at)
        made = self._maker.make(step, generation, suite, at)
        with self.issuers.stores.recording() as recording:
            connection = recording.of(generation.authority)
            if key_lives.keys_of(connection, generation.authority) != keys:
                return None
            known = self._known(recording.writing, asked, at)
            generations.take(keys, step, generation, known, at)
            if made.generation is not None:
                recording.note(made.generation)
            evidence = self._evidence(recording.writing, asked, at)
            recording.note(KeyStepEntry(str(generation), suite.id, step, False, at, evidence))
            if step is Step.SERVE_STATUS:
                lists.add_places(connection, generation, self._places(generation))
            cycle.intend(recording, made.intended, at)
            after = key_lives.keys_of(connection, generation.authority)
        self._sign([one.prepared for one in made.intended], at)
        return after

    def _suite(self, asked: _Asked, at: datetime) -> Suite:
        if asked.step is not Step.RETIRE:
            return self._maker.suite(asked.generation, asked.suite, at)
        with self.issuers.store(asked.generation.authority).reading() as connection:
            return authorities.generation(connection, asked.generation).suite  # it may be over

    def _known(self, reading: Reading, asked: _Asked, at: datetime) -> Known:
        step, generation = asked.step, asked.generation
        if step is Step.RETIRE:
            connection = reading.of(generation.authority)
            return Known(valid=key_needs.still_valid(connection, generation, at))
        uncrossed, unserved = frozenset[AuthorityId](), frozenset[str]()
        if step in {Step.RENEW_CROSSES, Step.CUT_OVER} and not asked.crosses_later:
            uncrossed = _uncrossed(reading, generation, at)
        if step is Step.CUT_OVER:
            scopes = [place.scope for place in self._places(generation)]
            unserved = key_needs.unserved(reading, generation, scopes, at)
        return Known(uncrossed=uncrossed, unserved=unserved)

    def _evidence(self, reading: Reading, asked: _Asked, at: datetime) -> str | None:
        if asked.step is not Step.RENEW_CROSSES or not asked.crosses_later:
            return asked.evidence
        lacking = _uncrossed(reading, asked.generation, at)
        return f"reached by its links: {', '.join(sorted(lacking))}" if lacking else None

    def _places(self, generation: GenerationId) -> list[ListPlace]:
        return list(self.issuers.practice(generation.authority).places(self.municipalities))

    def _take_up(self, authority: AuthorityId, at: datetime) -> None:
        """Complete what was interrupted, or is lost: signatures of intents, places of lists in a restored database.

        A step comes after all that the authority's keys were to sign; what another one's lost key leaves open, waits.
        """
        cycle.recover(self.issuers, at, {authority})
        complete_places(self.issuers.stores, self.issuers.practices, self.municipalities)

    def _complete(self, generation: GenerationId, at: datetime) -> None:
        """Make what a key lacks that took over before its steps were written down, and was interrupted in it."""
        suite = self.issuers.of(generation).record.suite
        while True:
            with self.issuers.store(generation.authority).reading() as connection:
                lacking = _lacking(connection, generation)
            if not lacking:
                return
            missing = [
                one for step in lacking for one in self._maker.make(step, generation, suite, at).intended
            ]
            with self.issuers.stores.recording() as recording:
                if _lacking(recording.of(generation.authority), generation) != lacking:
                    continue  # another process was quicker
                cycle.intend(recording, missing, at)
            self._sign([one.prepared for one in missing], at)
            return

    def _sign(self, prepared: Sequence[Prepared], at: datetime) -> None:
        if prepared:
            issued = [cycle.sign(one, at) for one in prepared]
            with self.issuers.stores.recording() as recording:
                cycle.complete(recording, issued, at)


def _uncrossed(reading: Reading, generation: GenerationId, at: datetime) -> frozenset[AuthorityId]:
    """Who certifies the key before this one, and not this one."""
    old = key_lives.predecessor(reading.of(generation.authority), generation)
    found = frozenset() if old is None else key_needs.uncrossed(reading, old, generation, at)
    return frozenset(one.authority for one in found)


def _lacking(connection: Connection, generation: GenerationId) -> list[Step]:
    """The steps whose certificates a key has never had."""
    old = key_lives.predecessor(connection, generation)
    if old is None:
        return []
    made = {
        Step.NEW_WITH_OLD: key_needs.certified_before(connection, old, generation),
        Step.OLD_WITH_NEW: key_needs.certified_before(connection, generation, old),
        Step.SERVE_STATUS: key_needs.services_made(connection, generation, CertificateKind.OCSP_RESPONDER),
    }
    return [step for step, count in made.items() if not count]
