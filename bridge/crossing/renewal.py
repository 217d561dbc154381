"""Renewing cross-certificates: one pair, or every pair of a nation, by one order of two officers.

The order fixes what is made, serials included, so whoever goes on with it after a crash makes nothing twice. A renewed
certificate stands beside the one that it renews, which stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from bridge.crossing.agreement import Agreement, read_agreement
from bridge.crossing.crosscert import PeerKey, certify, certify_peer, cross_serial
from bridge.crossing.desk import accept_intended, agreement_in_force, issue_intended
from bridge.crossing.deviations import digest_of
from bridge.crossing.pairs import Half, all_halves, newest
from bridge.crossing.plan import Plan
from ca.chance import Chance
from ca.errors import BadInput, Conflict, KakehashiError, NotFound
from ca.issuing import cycle
from ca.issuing.cycle import Intended, Prepared, Signed
from ca.issuing.issuer import Issuers
from ca.journal.crossing import ExaminationEntry, RenewalEntry, RenewalHalf
from ca.model import AuthorityId, CertificateId, GenerationId, Officer, RevocationReason
from ca.names import DirectoryName
from ca.store import agreements, certificates, lives, officers, peers
from ca.store.agreements import AgreementRecord, HandedIn, RenewalRecord, RenewalStep
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Reading
from ca.store.recording import Recording
from ca.wire.names import encode_name

# So many share the syncs of the journal.
_AT_ONCE = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")

_ANOTHER = "Give another order, under another name"

Wanted = Callable[[Half], bool]
"""Which halves are to be renewed."""


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
        """What an order of this name would make: of each two authorities the one between their newest keys.

        Raises:
            BadInput: This is no name for an order.
            NotFound: Nothing that stands is wanted; what has expired does not stand.
        """
        if not _NAME.fullmatch(name):
            raise BadInput("--plan", "is not 1 to 40 lower-case letters, digits, dots and hyphens")
        found: dict[tuple[AuthorityId, GenerationId], RenewalStep] = {}
        for (authority, subject), half in self._wanted(wanted, at).items():
            if half.state(at) == "expired":
                continue
            issuer = self.issuers.newest(authority).id
            serial = cross_serial(issuer, subject, self.chance, f"plan {name}")
            made = CertificateId(issuer, serial)
            found[authority, subject] = RenewalStep(made, subject, half.certificate)
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

    def expired(self, wanted: Wanted, at: datetime) -> list[Half]:
        """Which halves are wanted and left out of a proposal, since they have expired."""
        return [half for half in self._wanted(wanted, at).values() if half.state(at) == "expired"]

    def _wanted(self, wanted: Wanted, at: datetime) -> dict[tuple[AuthorityId, GenerationId], Half]:
        """Of each authority and each newest key that it certifies, the half to be renewed: one that stands, if any."""
        with self.issuers.stores.reading() as reading:
            halves = newest(all_halves(reading), at)
        found: dict[tuple[AuthorityId, GenerationId], Half] = {}
        for half in halves:
            if half.received or half.is_link or not wanted(half):
                continue
            subject = half.subject
            if subject.authority in self.plan.practices:
                subject = self.issuers.newest(subject.authority).id
            key = half.issuer.authority, subject
            if key not in found or half.state(at) != "expired":
                found[key] = half
        return found

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

    def look(self, steps: Iterable[RenewalStep], at: datetime) -> Iterator[Renewed]:
        """What each step would make now, or has made; nothing is written down."""
        for step in steps:
            with self.issuers.stores.reading() as reading:
                known, withdrawn = self._known(reading, [step]), _withdrawn(reading, [step])
            try:
                yield Renewed(step, known.get(step.certificate) or self._prepare(step, withdrawn, at).made)
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
            known, withdrawn = self._known(reading, steps), _withdrawn(reading, steps)
        prepared: list[_Step] = []
        for step in steps:
            try:
                if step.certificate in known:
                    yield Renewed(step, self._finish(known[step.certificate], at))
                else:
                    prepared.append(self._prepare(step, withdrawn, at))
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
            withdrawn = _withdrawn(recording.writing, steps)
            for one in prepared:
                if one.step.certificate in known:
                    continue
                try:
                    _require_standing(one.step, withdrawn)
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
        signed: list[Signed] = []
        for one in mine:
            try:
                signed.append(cycle.sign(one.prepared, at))
            except KakehashiError as error:  # a key that does not sign keeps nothing else back
                yield Renewed(one.step, error)
        with self.issuers.stores.recording() as recording:
            cycle.complete(recording, signed, at)
        done = {one.id for one in signed}
        yield from (Renewed(one.step, one.made) for one in mine if one.step.certificate in done)

    def _prepare(self, step: RenewalStep, withdrawn: Container[CertificateId], at: datetime) -> _Step:
        _require_standing(step, withdrawn)
        issuer = self.issuers.newest(step.certificate.generation.authority)
        place, serial = f"certificate {step.certificate}", step.certificate.serial
        if issuer.id != step.certificate.generation:
            raise Conflict(place, f"{issuer.id} signs now", remedy=_ANOTHER)
        if step.subject.authority not in self.plan.practices:
            key, agreement = self._peer(step, at)
            return _Step(step, certify_peer(issuer, key, agreement, serial=serial, at=at), agreement)
        pair = issuer.id.authority, step.subject.authority
        found = [one for one in self.plan.crosses if (one.issuer, one.subject) == pair]
        if not found:
            raise Conflict(place, f"the edition has no pair of {pair[0]} and {pair[1]}")
        subject = self.issuers.of(step.subject)
        prepared = certify(issuer, subject, found[0], chance=self.chance, at=at, serial=serial)
        return _Step(step, prepared, None)

    def _peer(self, step: RenewalStep, at: datetime) -> tuple[PeerKey, Agreement]:
        """A peer's key and the agreement by which it was examined; Conflict if that is not in force.

        Another agreement, which one officer may have written down meanwhile, is for an examination to go by.
        """
        with self.issuers.stores.nation.reading() as connection:
            record = peers.find(connection, step.subject)
            agreed = _agreed(connection, step.replaces)
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
                    agreed = _agreed(reading.nation, record.id)
                    agreement = read_agreement(agreed.text, f"agreement {agreed.id}", self.plan)
            found[record.id] = Made(record, agreement, was_there=True)
        return found

    def _finish(self, made: Made, at: datetime) -> Made:
        """What is there already, signed if it was not yet; Conflict if that is too late."""
        record = made.certificate
        if record.state is CertificateState.ABANDONED:
            raise Conflict(f"certificate {record.id}", "was never signed, and cannot be now", remedy=_ANOTHER)
        if record.state is CertificateState.INTENDED:
            issue_intended(self.issuers, [cycle.resumed(self.issuers, record)], at)
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


def _agreed(connection: Connection, certificate: CertificateId) -> AgreementRecord:
    """The agreement under which a certificate for a peer was examined, or Conflict."""
    examined = agreements.issued_by(connection, certificate)
    if examined is None:
        raise Conflict(f"certificate {certificate}", "was issued by no agreement")
    return agreements.find(connection, examined.agreement)


def _withdrawn(reading: Reading, steps: Sequence[RenewalStep]) -> set[CertificateId]:
    """Which of the certificates that are to be renewed have ended."""
    return {
        life.certificate
        for life in lives.of(reading, [step.replaces for step in steps])
        if life.reason not in {None, RevocationReason.REMOVE_FROM_CRL}
    }


def _require_standing(step: RenewalStep, withdrawn: Container[CertificateId]) -> None:
    """Raise Conflict if what is to be renewed was withdrawn: a renewal does not undo that."""
    if step.replaces in withdrawn:
        raise Conflict(f"certificate {step.replaces}", "was withdrawn since the order", remedy=_ANOTHER)
