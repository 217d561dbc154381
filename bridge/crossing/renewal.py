"""Renewing cross-certificates: one pair, or every pair of a nation, by one order of two officers.

The order fixes what is made, serials included, so whoever goes on with it after a crash makes nothing twice. A renewed
certificate stands beside the one that it renews, which stays as it is. Which may be renewed at all, ``renewable`` says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from bridge.crossing.agreement import Agreement, agreement_in_force, read_agreement
from bridge.crossing.crosscert import (
    PeerKey,
    certify,
    certify_peer,
    cross_serial,
    issue_intended,
    pair_of,
    sign,
)
from bridge.crossing.desk import accept_intended
from bridge.crossing.deviations import digest_of
from bridge.crossing.plan import Plan
from bridge.crossing.renewable import (
    ANOTHER,
    Key,
    LeftOut,
    Wanted,
    agreed_for,
    renewable,
    require_standing,
    withdrawn,
)
from ca.chance import Chance
from ca.errors import BadInput, Conflict, KakehashiError, NotFound
from ca.issuing import cycle
from ca.issuing.cycle import Intended, Prepared
from ca.issuing.issuer import Issuers
from ca.journal.crossing import ExaminationEntry, RenewalEntry, RenewalHalf
from ca.model import CertificateId, Officer
from ca.names import DirectoryName
from ca.store import agreements, certificates, officers, peers
from ca.store.agreements import HandedIn, RenewalRecord, RenewalStep
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Reading
from ca.store.recording import Recording
from ca.wire.names import encode_name

# So many share the syncs of the journal.
_AT_ONCE = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")


@dataclass(frozen=True, slots=True)
class Made:
    """What a step makes, or has made.

    Attributes:
        certificate: As it is signed.
        agreement: By which a CA that is not of this home is certified.
        was_there: Whether it was made before.
    """

    certificate: CertificateRecord
    agreement: Agreement | None
    was_there: bool


@dataclass(frozen=True, slots=True)
class Renewed:
    """What became of one step of an order, or would: what it makes, or why it is not made."""

    step: RenewalStep
    outcome: Made | KakehashiError

    @property
    def was_there(self) -> bool:
        """Whether it was made before."""
        return isinstance(self.outcome, Made) and self.outcome.was_there

    @property
    def failure(self) -> KakehashiError | None:
        """Why it is not made, if it is not."""
        return self.outcome if isinstance(self.outcome, KakehashiError) else None


@dataclass(frozen=True, slots=True)
class Renewing:
    """Renews cross-certificates of a home."""

    issuers: Issuers
    plan: Plan
    chance: Chance

    def propose(self, name: str, wanted: Wanted, at: datetime) -> tuple[RenewalStep, ...]:
        """What an order of this name would make: of each two authorities the one between the keys that issue now.

        Raises:
            BadInput: This is no name for an order.
            NotFound: Nothing that may be renewed is wanted.
        """
        if not _NAME.fullmatch(name):
            raise BadInput("--plan", "is not 1 to 40 lower-case letters, digits, dots and hyphens")
        found: dict[Key, RenewalStep] = {}
        for (authority, subject), half in renewable(self.issuers, self.plan, wanted, at).halves.items():
            issuer = self.issuers.issuing(authority).id
            serial = cross_serial(issuer, subject, self.chance, f"plan {name}")
            made = CertificateId(issuer, serial)
            found[authority, subject] = RenewalStep(made, subject, half.certificate)
        if not found:
            raise NotFound(
                "pair",
                "no such cross-certificate stands, or may be renewed",
                remedy="`kakehashi cross list --all` shows them",
            )
        # As the edition has them, the two halves of a pair together; those with CAs of others last.
        ranks = {(one.issuer, one.subject): rank for rank, one in enumerate(self.plan.crosses)}
        return tuple(
            found[key]
            for key in sorted(found, key=lambda key: (ranks.get((key[0], key[1].authority), len(ranks)), key))
        )

    def left_out(self, wanted: Wanted, at: datetime) -> Sequence[LeftOut]:
        """Which halves are wanted and in no proposal, and why: they have expired, and so has what they rested on."""
        return renewable(self.issuers, self.plan, wanted, at).left_out

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

    def look(self, steps: Sequence[RenewalStep], at: datetime) -> Iterator[Renewed]:
        """What each step would make now, or has made; nothing is written down."""
        with self.issuers.stores.reading() as reading:
            known, ended = self._known(reading, steps), withdrawn(reading, steps)
        for step in steps:
            try:
                yield Renewed(step, known.get(step.certificate) or self._prepare(step, ended, at).made)
            except KakehashiError as error:
                yield Renewed(step, error)

    def run(
        self, record: RenewalRecord, *, at: datetime, by: tuple[str, str] | None = None
    ) -> Iterator[Renewed]:
        """Make what an order has and nobody has made yet; tells of each step once it is done, or could not be.

        Args:
            record: The order.
            at: Now.
            by: The two operators who go on with it, if they are others than those who gave it.

        Raises:
            NotFound, NotPermitted: They are not two operators of the centre.
        """
        with suppress(KakehashiError):  # what cannot be signed is told where its step comes
            cycle.recover(self.issuers, at)
        two = by or (record.officer, record.second_officer)
        for start in range(0, len(record.steps), _AT_ONCE):
            yield from self._some(record.steps[start : start + _AT_ONCE], two, at)

    def _some(self, steps: Sequence[RenewalStep], two: tuple[str, str], at: datetime) -> Iterator[Renewed]:
        with self.issuers.stores.reading() as reading:
            known, ended = self._known(reading, steps), withdrawn(reading, steps)
        prepared: list[_Step] = []
        for step in steps:
            try:
                if step.certificate in known:
                    yield Renewed(step, self._finish(known[step.certificate], at))
                else:
                    prepared.append(self._prepare(step, ended, at))
            except KakehashiError as error:
                yield Renewed(step, error)
        if prepared:
            yield from self._make(prepared, two, at)

    def _make(self, prepared: Sequence[_Step], two: tuple[str, str], at: datetime) -> Iterator[Renewed]:
        failures: list[Renewed] = []
        mine: list[_Step] = []
        with self.issuers.stores.recording() as recording:
            officers_ = officers.two_operators(recording.nation, *two)
            steps = [one.step for one in prepared]
            # Another process may have been quicker: what it intended, it signs; what it withdrew, stays so.
            known = self._known(recording.writing, steps)
            ended = withdrawn(recording.writing, steps)
            for one in prepared:
                if one.step.certificate in known:
                    continue
                try:
                    require_standing(one.step, ended)
                    if one.agreement is not None:
                        agreements.find(recording.nation, one.agreement.id).require_in_force(at)
                except Conflict as error:
                    failures.append(Renewed(one.step, error))
                    continue
                mine.append(one)
            ours = [one for one in mine if one.agreement is None]
            cycle.intend(recording, [Intended(one.prepared, crosses=one.step.subject) for one in ours], at)
            for one in mine:
                if one.agreement is not None:
                    _accept(recording, one, one.agreement, officers_, at)
        yield from failures
        yield from (Renewed(step, known[step.certificate]) for step in steps if step.certificate in known)
        refused = sign(self.issuers, [one.prepared for one in mine], at)
        yield from (Renewed(one.step, refused.get(one.step.certificate) or one.made) for one in mine)

    def _prepare(self, step: RenewalStep, ended: Collection[CertificateId], at: datetime) -> _Step:
        require_standing(step, ended)
        issuer = self.issuers.issuing(step.certificate.generation.authority)
        place, serial = f"certificate {step.certificate}", step.certificate.serial
        if issuer.id != step.certificate.generation:
            raise Conflict(place, f"{issuer.id} signs now", remedy=ANOTHER)
        if step.subject.authority not in self.plan.practices:
            key, agreement = self._peer(step, at)
            return _Step(step, certify_peer(issuer, key, agreement, serial=serial, at=at), agreement)
        pair = pair_of(self.plan, issuer.id.authority, step.subject.authority)
        subject = self.issuers.of(step.subject)
        prepared = certify(issuer, subject, pair, chance=self.chance, at=at, serial=serial)
        return _Step(step, prepared, None)

    def _peer(self, step: RenewalStep, at: datetime) -> tuple[PeerKey, Agreement]:
        """A peer's key and the agreement by which it was examined; Conflict if that is not in force.

        Another agreement, which one officer may have written down meanwhile, is for an examination to go by.
        """
        with self.issuers.stores.nation.reading() as connection:
            record = peers.find(connection, step.subject)
            agreed = agreed_for(connection, step.replaces)
        agreement = agreement_in_force(agreed, self.plan, at)
        if digest_of(record.public_key) not in agreement.keys:
            raise Conflict(f"agreement {agreement.id}", f"does not name the key of {step.subject}")
        written = None if encode_name(agreement.name) == record.name else record.name
        return PeerKey(
            step.subject, DirectoryName(agreement.name.steps, written), record.public_key
        ), agreement

    def _known(self, reading: Reading, steps: Sequence[RenewalStep]) -> dict[CertificateId, Made]:
        """What was made by these steps, or is intended at least."""
        found: dict[CertificateId, Made] = {}
        by_id = {step.certificate: step for step in steps}
        for record in certificates.several(reading, list(by_id)):
            agreement = None
            if by_id[record.id].subject.authority not in self.plan.practices:
                with suppress(KakehashiError):  # of what is made already its terms are told where they can be
                    agreed = agreed_for(reading.nation, record.id)
                    agreement = read_agreement(agreed.text, f"agreement {agreed.id}", self.plan)
            found[record.id] = Made(record, agreement, was_there=True)
        return found

    def _finish(self, made: Made, at: datetime) -> Made:
        """What is there already, signed if it was not yet; Conflict if that is too late."""
        record = made.certificate
        if record.state is CertificateState.ABANDONED:
            raise Conflict(f"certificate {record.id}", "was never signed, and cannot be now", remedy=ANOTHER)
        if record.state is CertificateState.INTENDED:
            issue_intended(self.issuers, [cycle.resumed(self.issuers, record, at)], at)
        return made


@dataclass(frozen=True, slots=True)
class _Step:
    """A step that is about to be taken."""

    step: RenewalStep
    prepared: Prepared
    agreement: Agreement | None

    @property
    def made(self) -> Made:
        return Made(self.prepared.record, self.agreement, was_there=False)


def _accept(
    recording: Recording, one: _Step, agreement: Agreement, two: tuple[Officer, Officer], at: datetime
) -> None:
    """For a CA that is not of this home, the word of the two officers is an examination and its acceptance."""
    number = agreements.next_examination(recording.nation)
    made, step = one.prepared, one.step
    recording.note(
        ExaminationEntry(
            number=number,
            agreement=agreement.id,
            what=HandedIn.RENEWAL,
            ours=str(step.certificate.generation),
            peer=str(step.subject),
            digest=digest_of(made.record.encoded).hex(),
            officer=two[0].id,
            at=at,
        )
    )
    accept_intended(recording, number, made, step.subject, two[1].id, at)
