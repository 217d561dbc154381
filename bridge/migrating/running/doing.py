"""Carrying one task of a plan out in a home, at a moment; taken up again after a death, it makes nothing twice.

Whether a task is done, the store says. By what it was ordered stands in the journal: with a key's step as its evidence,
with cross-certificates as an order of two officers, with a responder's end as the rule of a revocation. All of them name
the plan by its SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count

from bridge.crossing import crosscert
from bridge.crossing.crosscert import cross_serial
from bridge.crossing.mesh import CrossPlan
from bridge.crossing.plan import Plan as Nation
from bridge.migrating.checking import Finding, check
from bridge.migrating.plan import Generation, Plan
from bridge.migrating.running import ending
from bridge.migrating.running.matching import match
from bridge.migrating.running.standing import KeyName, Standing, read_standing
from bridge.migrating.running.tasks import (
    CrossTask,
    KeyTask,
    ResponderTask,
    Task,
    next_task,
    position,
    require_day,
)
from bridge.migrating.simulation import simulate
from ca.chance import Chance
from ca.errors import BadInput, Conflict, SuiteRetired
from ca.issuing import cycle
from ca.issuing.cycle import Intended
from ca.issuing.issuer import Issuers
from ca.issuing.renewal import renew_responders
from ca.issuing.succession import Succession
from ca.journal.crossing import RenewalEntry, RenewalHalf
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import (
    AuthorityId,
    CertificateId,
    CertificateKind,
    GenerationId,
    Period,
    RevocationReason,
)
from ca.rules.generations import Step
from ca.rules.validity import day_end, japanese_day
from ca.store import agreements, authorities, key_needs, officers
from ca.store.certificates import CertificateRecord
from ca.store.connections import Reading
from ca.store.recording import Recording
from ca.store.stores import Stores
from ca.suites import SUITES, SuiteId, Use

_SHORT = (
    24  # hexadecimal digits of the plan's digest in the name of an order, which has at most 40 characters
)


@dataclass(frozen=True, slots=True)
class Order:
    """By whose word a task is carried out.

    Attributes:
        officers: Two operators of the centre.
        rehearsed: SHA-256 of the rehearsal's report, in hexadecimal digits; None in a rehearsal itself.
    """

    officers: tuple[str, str]
    rehearsed: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A task that was carried out, and the certificates that it made, or ended."""

    task: Task
    certificates: tuple[CertificateId, ...]


def findings(stores: Stores, nation: Nation, plan: Plan, digest: str, at: datetime) -> tuple[Finding, ...]:
    """What is wrong with the plan, and in what it does not fit the home; first day first."""
    with stores.reading() as reading:
        standing = read_standing(reading, nation, plan, digest, at)
        unfit = match(reading, nation, plan, standing, japanese_day(at))
    return tuple(sorted((*check(plan), *unfit), key=lambda one: (one.day, one.place, one.flaw)))


@dataclass(frozen=True, slots=True)
class Migration:
    """A plan in a home.

    Attributes:
        issuers: The home's authorities and keys.
        nation: What the home's edition comes to.
        chance: Where serials come from.
        plan: The migration, and ``digest`` the SHA-256 of its file.
        publish: Publishes what a task has made and ended, and the lists that are due.
    """

    issuers: Issuers
    nation: Nation
    chance: Chance
    plan: Plan
    digest: str
    publish: Callable[[datetime], object] = field(repr=False)

    def standing(self, at: datetime) -> Standing:
        """How far the store says it is."""
        with self.issuers.stores.reading() as reading:
            return read_standing(reading, self.nation, self.plan, self.digest, at)

    def require_sound(self, at: datetime) -> None:
        """Raise Conflict, with day and place, if anything is wrong with the plan or somebody would be left behind."""
        found = findings(self.issuers.stores, self.nation, self.plan, self.digest, at)
        if found:
            more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
            raise Conflict(
                f"plan, {found[0].place}",
                f"{found[0].day}: {found[0].problem}{more}",
                clause=found[0].clause,
                remedy="`kakehashi migrate plan` shows them all",
            )
        lived = simulate(self.plan)
        faults = (*lived.strandings, *lived.overstays)
        if faults:
            raise Conflict(
                f"plan {self.plan.name}",
                f"{faults[0]}",
                remedy="`kakehashi migrate simulate` shows who is left behind, and why",
            )

    def next(self, at: datetime) -> Task | None:
        """The task that comes next, whatever its day; None if all is done."""
        return next_task(self.plan, self.standing(at))

    def carry_out(self, task: Task, order: Order, at: datetime) -> Done:
        """Carry a task out: the next one, on its day or later.

        Raises:
            Conflict: It is not the next one, its day is to come, or the rules refuse it; says what is missing.
            NotFound, NotPermitted: The officers are not two operators of the centre.
            SuiteRetired, KeyRefused, LintRefused: Something cannot be made.
        """
        with self.issuers.stores.nation.reading() as connection:
            officers.two_operators(connection, *order.officers)
        coming = self.next(at)
        if coming != task:
            sooner = "all is done" if coming is None else f"first comes {coming.name} of {coming.day}"
            raise Conflict(f"plan, {task.place}", f"{task.name} is not the next task: {sooner}")
        require_day(task, japanese_day(at))
        cycle.recover(self.issuers, at)
        with suppress(SuiteRetired):  # all others are renewed: a new key takes over with one that is valid
            renew_responders(self.issuers, chance=self.chance, at=at)
        made: list[CertificateId]
        match task:
            case KeyTask():
                made = self._step(task, order, at)
            case CrossTask(by=by, subject=subject, until=until):
                keys = self.standing(at).keys
                made = self._certify(task, [(keys[by], keys[subject])], until, order, at)
            case ResponderTask():
                made = self._silence(task, order, at)
            case _:
                raise AssertionError("a wave is no task of a run")
        self.publish(at)
        return Done(task, tuple(made))

    def evidence(self, task: Task, order: Order) -> str:
        """What the journal says of an order: no personal data."""
        rehearsed = "not rehearsed" if order.rehearsed is None else f"rehearsal sha256:{order.rehearsed}"
        first, second = order.officers
        return (
            f"plan {self.plan.name} sha256:{self.digest}, {task.name} of {task.day}, "
            f"by {first} and {second}, {rehearsed}"
        )

    def _step(self, task: KeyTask, order: Order, at: datetime) -> list[CertificateId]:
        succession = Succession(self.issuers, self.nation.municipalities, self.chance)
        generation = self.standing(at).keys[task.key]
        evidence, made = self.evidence(task, order), list[CertificateId]()
        new = self.plan.authority_of(task.authority).new
        assert new is not None, "a key that takes steps is in the plan"
        suite = None if task.step is Step.RETIRE else SUITES[SuiteId(new.suite)]
        if task.step is Step.MAKE_KEY and succession.keys(task.authority).life(generation) is None:
            succession.take(Step.PLAN, generation, suite=suite, at=at, evidence=evidence)
        if task.step in {Step.RENEW_CROSSES, Step.CUT_OVER}:
            made = self._complete_crosses(task, generation, order, at)
        if task.step is Step.RETIRE:
            made = self._end_issued(task, generation, order, at)
        succession.take(task.step, generation, suite=suite, at=at, evidence=evidence)
        with self.issuers.stores.reading() as reading:
            return made + [one for one in _made_by(reading, task.step, generation) if one not in made]

    def _complete_crosses(
        self, task: KeyTask, new: GenerationId, order: Order, at: datetime
    ) -> list[CertificateId]:
        """The plan names the certificates that relying parties need; whoever else certifies the old key follows."""
        old = GenerationId(new.authority, new.number - 1)
        with self.issuers.stores.reading() as reading:
            lacking = sorted(key_needs.uncrossed(reading, old, new, at))
        return self._certify(task, [(by, new) for by in lacking], None, order, at)

    def _certify(
        self,
        task: Task,
        ends: Sequence[tuple[GenerationId, GenerationId]],
        until: date | None,
        order: Order,
        at: datetime,
    ) -> list[CertificateId]:
        """Cross-certificates between these keys, to the end of a day or as the edition says, by one order."""
        if not ends:
            return []
        name, again = self._order(task)
        purpose = f"migration {self.digest} {task.name}{again}"
        prepared = []
        for by, subject in ends:
            one = crosscert.certify(
                self.issuers.of(by),
                self.issuers.of(subject),
                self._pair(by.authority, subject.authority),
                chance=self.chance,
                at=at,
                serial=cross_serial(by, subject, self.chance, purpose),
                period=None if until is None else Period(at.replace(microsecond=0), day_end(until)),
            )
            prepared.append((one, subject))
        with self.issuers.stores.recording() as recording:
            halves = tuple(
                RenewalHalf(
                    str(one.record.id), str(subject), str(_beside(recording.writing, one.record.id, subject))
                )
                for one, subject in prepared
            )
            recording.note(RenewalEntry(name, *order.officers, at, halves))
            cycle.intend(recording, [Intended(one, crosses=subject) for one, subject in prepared], at)
        signed = [cycle.sign(one, at) for one, _ in prepared]
        with self.issuers.stores.recording() as recording:
            cycle.complete(recording, signed, at)
        return [one.id for one in signed]

    def order_name(self, task: Task) -> str:
        """What an order of cross-certificates is called; `kakehashi cross show --renewal` tells of it.

        One for what is made again, because a step was taken back, has a further number at its end, from 2 on.
        """
        return f"m-{self.digest[:_SHORT]}-{position(self.plan, task)}"

    def _order(self, task: Task) -> tuple[str, str]:
        """The name of a new order, and what its serials' purpose ends with: nothing, for the first one of a task."""
        name, again = self.order_name(task), ""
        with self.issuers.stores.nation.reading() as connection:
            for number in count(2):
                if agreements.renewal(connection, name + again) is None:
                    break
                again = f"-{number}"
        return name + again, again

    def _pair(self, issuer: AuthorityId, subject: AuthorityId) -> CrossPlan:
        for one in self.nation.crosses:
            if (one.issuer, one.subject) == (issuer, subject):
                return one
        raise BadInput(f"pair {issuer} and {subject}", "is none of the edition's")

    def _silence(self, task: ResponderTask, order: Order, at: datetime) -> list[CertificateId]:
        generation = self.standing(at).keys[KeyName(task.authority, Generation.OLD)]
        with self.issuers.stores.recording() as recording:
            there = key_needs.services(recording.writing, generation, at)
            records = [one for one in there if one.kind is CertificateKind.OCSP_RESPONDER]
            return self._end(recording, task, records, order, at)

    def _end_issued(
        self, task: KeyTask, generation: GenerationId, order: Order, at: datetime
    ) -> list[CertificateId]:
        """What a key has certified of other authorities and of services ends with it, and its last lists say so.

        Raises:
            Conflict: The key may not retire then; nothing has ended.
        """
        with self.issuers.stores.recording() as recording:
            records = ending.before_the_key(recording.writing, generation, at)
            ended = self._end(recording, task, records, order, at)
            ending.require_may_retire(recording.of(generation.authority), generation, at)
            suite = authorities.generation(recording.of(generation.authority), generation).suite
        if ended:
            try:
                self.publish(at)
            except SuiteRetired:  # too late for its last lists, which is no reason to keep the key
                if at <= suite.until(Use.SIGN_STATUS):
                    raise
        return ended

    def _end(
        self,
        recording: Recording,
        task: Task,
        records: Sequence[CertificateRecord],
        order: Order,
        at: datetime,
    ) -> list[CertificateId]:
        moment, why = at.replace(microsecond=0), RevocationReason.CESSATION_OF_OPERATION
        orders = tuple(
            OrderEntry(str(one.id), why.word, moment, one.scope, not_after=one.period.not_after)
            for one in records
        )
        if orders:
            recording.note(
                RevocationEntry(f"migration {task.name}"[:80], self.evidence(task, order), at, orders)
            )
        return [one.id for one in records]


def _beside(reading: Reading, made: CertificateId, subject: GenerationId) -> CertificateId:
    """The newest certificate between the same two authorities, whatever keys; the one itself if it is the first."""
    ends = made.generation.authority, subject.authority
    before = [
        one
        for other, one in authorities.crosses(reading.of(ends[0]))
        if (one.generation.authority, other.authority) == ends
    ]
    return before[-1] if before else made


def _made_by(reading: Reading, step: Step, generation: GenerationId) -> Iterable[CertificateId]:
    """What a step of a key has made, beside the key."""
    old = GenerationId(generation.authority, max(1, generation.number - 1))
    match step:
        case Step.NEW_WITH_NEW:
            serial = authorities.generation(reading.of(generation.authority), generation).serial
            return [CertificateId(generation, serial)]
        case Step.NEW_WITH_OLD:
            return [one.id for one in key_needs.links(reading, old, generation)]
        case Step.OLD_WITH_NEW:
            return [one.id for one in key_needs.links(reading, generation, old)]
        case Step.SERVE_STATUS | Step.CUT_OVER:
            return [one.id for one in key_needs.services(reading, generation)]
        case _:
            return []
