"""A new key for an authority: its next generation, linked with the one before (RFC 4210 4.4).

From then on the new key signs certificates; the old one goes on signing its lists, and status by its responder. Taking up
an interrupted succession completes it: each step is taken only if it was not taken before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ca import suites
from ca.chance import Chance
from ca.errors import Conflict
from ca.issuing import cycle
from ca.issuing.cycle import Intended, Prepared
from ca.issuing.founding import found, link, service
from ca.issuing.issuer import Issuer, Issuers
from ca.keys.vault import KeyId
from ca.model import CertificateId, CertificateKind, GenerationId
from ca.names import Municipalities
from ca.store import authorities, certificates, lists
from ca.store.certificates import CertificateState
from ca.suites import Use


@dataclass(frozen=True, slots=True)
class Succession:
    """Gives authorities new keys."""

    issuers: Issuers
    municipalities: Municipalities
    chance: Chance

    def succeed(self, generation: GenerationId, *, at: datetime) -> Issuer:
        """Make this generation, which follows the newest one or is it, and all that belongs to it.

        Its self-signed certificate, NewWithOld and OldWithNew, the places of its lists and its responder. It signs for
        the authority from then on; its lists and the public files are for a publication to make.

        Raises:
            NotFound: There is no such authority.
            Conflict: The generation is neither the newest one nor the next.
            SuiteRetired, KeyRefused: A key may not sign, or cannot be made or opened.
            LintRefused: A certificate would break a rule.
        """
        cycle.recover(self.issuers, at)
        new = self._found(generation, at)
        old = self.issuers.of(GenerationId(generation.authority, generation.number - 1))
        with self.issuers.store(generation.authority).writing() as connection:
            lists.add_places(connection, generation, new.practice.places(self.municipalities))
        self._link(old, new, at)
        self._serve(new, at)
        return new

    def _found(self, generation: GenerationId, at: datetime) -> Issuer:
        with self.issuers.store(generation.authority).reading() as connection:
            newest = authorities.newest_generation(connection, generation.authority)
        if newest == generation and generation.number > 1:
            return self.issuers.of(generation)
        if newest.number != generation.number - 1:
            raise Conflict(
                f"generation {generation}", f"does not follow {newest}: generations follow each other"
            )
        practice, key = self.issuers.practice(generation.authority), KeyId(str(generation))
        suites.require(practice.suite, Use.SIGN, at)
        signer = self.issuers.vault.create(key, practice.suite)
        issuer, prepared = found(practice, generation, key=key, signer=signer, chance=self.chance, at=at)
        with self.issuers.stores.recording() as recording:
            # Another process may have been quicker; then its generation is the one.
            quicker = authorities.newest_generation(recording.of(generation.authority), generation.authority)
            if quicker == newest:
                recording.note(issuer.record.entry())
                cycle.intend(recording, [Intended(prepared)], at)
        if quicker == newest:
            self._sign([prepared], at)
        return self.issuers.of(generation)

    def _link(self, old: Issuer, new: Issuer, at: datetime) -> None:
        def missing(connection: Connection) -> list[tuple[Issuer, Issuer]]:
            there = {
                (made.generation, subject)
                for state in (CertificateState.INTENDED, CertificateState.ISSUED)
                for subject, made in authorities.crosses(connection, state)
            }
            return [
                (one, other) for one, other in ((old, new), (new, old)) if (one.id, other.id) not in there
            ]

        with self.issuers.store(new.id.authority).reading() as connection:
            wanted = missing(connection)
        made = {
            (one.id, other.id): Intended(link(one, other, chance=self.chance, at=at), crosses=other.id)
            for one, other in wanted
        }
        with self.issuers.stores.recording() as recording:
            still = [(one.id, other.id) for one, other in missing(recording.of(new.id.authority))]
            intended = [one for ends, one in made.items() if ends in still]
            cycle.intend(recording, intended, at)
        self._sign([one.prepared for one in intended], at)

    def _serve(self, new: Issuer, at: datetime) -> None:
        with self.issuers.store(new.id.authority).reading() as connection:
            if _responders(connection, new.id):
                return
        key = KeyId(f"{new.id}.ocsp")
        responder = service(
            new,
            CertificateKind.OCSP_RESPONDER,
            public_key=self.issuers.vault.create(key, new.record.suite).public_key,
            days=new.practice.periods.responder_days,
            purpose="1",
            chance=self.chance,
            at=at,
        )
        with self.issuers.stores.recording() as recording:
            if _responders(recording.of(new.id.authority), new.id):
                return
            cycle.intend(recording, [Intended(responder, service_key=key)], at)
        self._sign([responder], at)

    def _sign(self, prepared: Sequence[Prepared], at: datetime) -> None:
        issued = [cycle.sign(one, at) for one in prepared]
        with self.issuers.stores.recording() as recording:
            cycle.complete(recording, issued, at)


def _responders(connection: Connection, generation: GenerationId) -> list[CertificateId]:
    """The certificates of a generation's responders that are issued or intended."""
    named = [
        one.certificate
        for one in authorities.services(connection)
        if one.certificate.generation == generation and one.kind is CertificateKind.OCSP_RESPONDER
    ]
    found = [certificates.find(connection, one) for one in named]
    return [record.id for record in found if record.state is not CertificateState.ABANDONED]
