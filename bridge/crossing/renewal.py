"""Renewing cross-certificates: one pair, or every pair of a nation, by one order of two officers.

The order fixes what is made, serials included, so whoever goes on with it after a crash makes nothing twice. A renewed
certificate stands beside the one that it renews, which stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.crossing.agreement import Agreement
from bridge.crossing.crosscert import PeerKey, certify, certify_peer, cross_serial
from bridge.crossing.desk import accept_intended, agreement_in_force, issue_intended
from bridge.crossing.deviations import digest_of
from bridge.crossing.pairs import Half, all_halves, newest
from bridge.crossing.plan import Plan
from ca.chance import Chance
from ca.errors import BadInput, Conflict, KakehashiError, NotFound
from ca.issuing import cycle
from ca.issuing.cycle import Intended, Prepared
from ca.issuing.issuer import Issuers
from ca.journal.crossing import ExaminationEntry, RenewalEntry, RenewalHalf
from ca.model import AuthorityId, CertificateId, GenerationId
from ca.names import DirectoryName
from ca.store import agreements, certificates, officers, peers
from ca.store.agreements import HandedIn, RenewalRecord, RenewalStep
from ca.store.connections import Connections
from ca.store.recording import Recording
from ca.wire.names import encode_name

# So many share the syncs of the journal.
_AT_ONCE = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")

Wanted = Callable[[Half], bool]
"""Which halves are to be renewed."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """What became of one step of an order.

    Attributes:
        was_there: Whether an earlier run had made it.
        failure: Why it was not made, if it was not.
    """

    step: RenewalStep
    was_there: bool = False
    failure: KakehashiError | None = None


@dataclass(frozen=True, slots=True)
class Renewing:
    """Renews cross-certificates of a home."""

    issuers: Issuers
    plan: Plan
    chance: Chance

    def propose(self, name: str, wanted: Wanted, at: datetime) -> tuple[RenewalStep, ...]:
        """What an order of this name would make: of each two authorities the one between their newest keys.

        Raises:
            BadInput: This is no name for an order.
            NotFound: Nothing that stands is wanted.
        """
        if not _NAME.fullmatch(name):
            raise BadInput("--plan", "is not 1 to 40 lower-case letters, digits, dots and hyphens")
        found: dict[tuple[AuthorityId, GenerationId], RenewalStep] = {}
        with self.issuers.stores.reading() as reading:
            halves = newest(all_halves(reading), at)
        for half in halves:
            if half.received or half.is_link or not wanted(half):
                continue
            subject = half.subject
            if subject.authority in self.plan.practices:
                subject = self.issuers.newest(subject.authority).id
            issuer = self.issuers.newest(half.issuer.authority).id
            serial = cross_serial(issuer, subject, self.chance, f"plan {name}")
            made = CertificateId(issuer, serial)
            found[half.issuer.authority, subject] = RenewalStep(made, subject, half.certificate)
        if not found:
            raise NotFound(
                "pair", "no such cross-certificate stands", remedy="`kakehashi cross list` shows them"
            )
        # As the edition has them, the two halves of a pair together; those with CAs of others last.
        ranks = {(one.issuer, one.subject): rank for rank, one in enumerate(self.plan.crosses)}
        return tuple(
            found[key]
            for key in sorted(found, key=lambda key: (ranks.get((key[0], key[1].authority), len(ranks)), key))
        )

    def order(
        self, name: str, steps: Sequence[RenewalStep], first: str, second: str, *, at: datetime
    ) -> RenewalRecord:
        """Write an order down; one of this name that is there already stays as it is, and is given.

        Raises:
            NotFound, NotPermitted: The two officers are not two operators of the centre.
        """
        with self.issuers.stores.recording() as recording:
            one, other = officers.two_operators(recording.nation, first, second)
            there = agreements.renewal(recording.nation, name)
            if there is None:
                halves = tuple(
                    RenewalHalf(str(step.certificate), str(step.subject), str(step.replaces))
                    for step in steps
                )
                recording.note(RenewalEntry(name, one.id, other.id, at, halves))
                there = agreements.renewal(recording.nation, name)
        assert there is not None, "it has just been written down"
        return there

    def run(self, record: RenewalRecord, *, at: datetime) -> Iterator[Renewed]:
        """Make what an order has and nobody has made yet; tells of each step once it is done, or could not be."""
        cycle.recover(self.issuers, at)
        for start in range(0, len(record.steps), _AT_ONCE):
            yield from self._some(record, record.steps[start : start + _AT_ONCE], at)

    def _some(self, record: RenewalRecord, steps: Sequence[RenewalStep], at: datetime) -> Iterator[Renewed]:
        with self.issuers.stores.reading() as reading:
            there = _there(reading, steps)
        prepared: list[tuple[RenewalStep, Prepared]] = []
        for step in steps:
            if step.certificate in there:
                yield Renewed(step, was_there=True)
                continue
            try:
                prepared.append((step, self._prepare(step, at)))
            except KakehashiError as error:
                yield Renewed(step, failure=error)
        if not prepared:
            return
        with self.issuers.stores.recording() as recording:
            # Another process may have been quicker; what it intended, it signs.
            there = _there(recording, [step for step, _ in prepared])
            mine = [(step, one) for step, one in prepared if step.certificate not in there]
            ours = [(step, one) for step, one in mine if step.subject.authority in self.plan.practices]
            cycle.intend(recording, [Intended(one, crosses=step.subject) for step, one in ours], at)
            for step, one in mine:
                if step.subject.authority not in self.plan.practices:
                    self._accept(recording, record, step, one, at)
        issue_intended(self.issuers, [one for _, one in mine], at)
        for step, _ in prepared:
            yield Renewed(step, was_there=step.certificate in there)

    def _prepare(self, step: RenewalStep, at: datetime) -> Prepared:
        issuer = self.issuers.newest(step.certificate.generation.authority)
        place, serial = f"certificate {step.certificate}", step.certificate.serial
        if issuer.id != step.certificate.generation:
            raise Conflict(place, f"{issuer.id} signs now", remedy="Give another order, under another name")
        if step.subject.authority not in self.plan.practices:
            return certify_peer(issuer, *self._peer(step, at), serial=serial, at=at)
        pair = issuer.id.authority, step.subject.authority
        found = [one for one in self.plan.crosses if (one.issuer, one.subject) == pair]
        if not found:
            raise Conflict(place, f"the edition has no pair of {pair[0]} and {pair[1]}")
        subject = self.issuers.of(step.subject)
        return certify(issuer, subject, found[0], chance=self.chance, at=at, serial=serial)

    def _peer(self, step: RenewalStep, at: datetime) -> tuple[PeerKey, Agreement]:
        """A peer's key and the agreement by which it is certified now; Conflict if there is none."""
        ours, peer = step.certificate.generation.authority, step.subject.authority
        with self.issuers.stores.nation.reading() as connection:
            record = peers.find(connection, step.subject)
            known = agreements.everything(connection)
        refusals: list[Conflict] = [Conflict(f"pair {ours} and {peer}", "has no agreement")]
        for one in sorted(known, key=lambda one: one.begins, reverse=True):
            if (one.ours, one.peer) != (ours, peer):
                continue
            try:
                agreement = agreement_in_force(one, self.plan, at)
            except Conflict as error:
                refusals.append(error)
                continue
            if digest_of(record.public_key) not in agreement.keys:
                refusals.append(Conflict(f"agreement {one.id}", f"does not name the key of {step.subject}"))
                continue
            steps = agreement.name.steps
            written = None if encode_name(agreement.name) == record.name else record.name
            return PeerKey(step.subject, DirectoryName(steps, written), record.public_key), agreement
        raise refusals[-1]

    def _accept(
        self, recording: Recording, record: RenewalRecord, step: RenewalStep, made: Prepared, at: datetime
    ) -> None:
        """For a CA that is not of this home, the order of the two officers is an examination and its acceptance."""
        number = agreements.next_examination(recording.nation)
        _, agreement = self._peer(step, at)
        recording.note(
            ExaminationEntry(
                number=number,
                agreement=agreement.id,
                what=HandedIn.RENEWAL,
                ours=str(step.certificate.generation),
                peer=str(step.subject),
                digest=digest_of(made.record.encoded).hex(),
                officer=record.officer,
                at=record.made_at,
            )
        )
        accept_intended(recording, number, made, step.subject, record.second_officer, at)


def _there(connections: Connections, steps: Sequence[RenewalStep]) -> set[CertificateId]:
    """Which of these certificates were intended at least."""
    return {record.id for record in certificates.several(connections, [step.certificate for step in steps])}
