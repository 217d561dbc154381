"""Carrying one task of a plan out in a home, at a moment; taken up again after a death, it makes nothing twice.

Whether a task is done, the store says. By what it was ordered stands in the journal: with a key's step as its evidence,
with cross-certificates as an order of two officers, with what ends as the rule of a revocation. All of them name the
plan by its SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from bridge.crossing import retiring
from bridge.crossing.plan import Plan as Nation
from bridge.crossing.rekeying import CrossOrder, Rekeying, certify_all
from bridge.migrating.plan import Generation, Plan
from bridge.migrating.running.evidence import Evidence
from bridge.migrating.running.matching import require_sound
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
from ca.chance import Chance
from ca.errors import Conflict, KeyRefused
from ca.issuing import cycle
from ca.issuing.issuer import Issuers
from ca.issuing.renewal import renew_responders
from ca.issuing.step_undoing import made_by
from ca.issuing.succession import Succession
from ca.journal.journal import Head
from ca.model import CertificateId, GenerationId, Period
from ca.rules.generations import Step
from ca.rules.validity import day_end, japanese_day
from ca.store import authorities, officers
from ca.store.connections import Reading
from ca.suites import SUITES, SuiteId

# Hexadecimal digits of the plan's digest in the name of an order, which has at most 40 characters.
_SHORT = 24


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
    _read: dict[tuple[Head, datetime], Standing] = field(default_factory=dict, repr=False, compare=False)

    def standing(self, at: datetime) -> Standing:
        """How far the store says it is: read anew once the journal, which tells of all of it, has more."""
        now = self.issuers.stores.journal.head(), at
        if now not in self._read:
            with self.issuers.stores.reading() as reading:
                standing = read_standing(reading, self.nation, self.plan, self.digest, at)
            self._read.clear()
            self._read[now] = standing
        return self._read[now]

    def require_sound(self, at: datetime) -> None:
        """Raise Conflict, with day and place, if anything is wrong with the plan or somebody would be left behind."""
        require_sound(self.issuers.stores, self.nation, self.plan, self.digest, at)

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
        cycle.recover(self.issuers, at, {task.authority})
        with suppress(KeyRefused):  # all others are renewed: a new key takes over with one that is valid
            renew_responders(self.issuers, chance=self.chance, at=at)
        made: list[CertificateId]
        match task:
            case KeyTask():
                made = self._step(task, order, at)
            case CrossTask():
                made = self._cross(task, order, at)
            case ResponderTask():
                made = self._end_responder(task, order, at)
            case _:
                raise AssertionError("a wave is no task of a run")
        self.publish(at)
        return Done(task, tuple(made))

    def evidence(self, task: Task, order: Order) -> str:
        """What the journal says of an order: no personal data."""
        what = f"{task.name} of {task.day}"
        return str(Evidence(self.plan.name, self.digest, what, order.officers, order.rehearsed))

    def order_name(self, task: Task) -> str:
        """What an order of cross-certificates is called; `kakehashi cross show --renewal` tells of it."""
        return f"m-{self.digest[:_SHORT]}-{position(self.plan, task)}"

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
            # The plan names the certificates that relying parties need; whoever else certifies the old key follows.
            rekeying = Rekeying(self.issuers, self.nation, self.chance)
            by_word = CrossOrder(self.order_name(task), order.officers)
            made = [one.id for one in rekeying.renew_crosses(generation, at=at, order=by_word)]
        elif task.step is Step.RETIRE:
            made = retiring.end_issued(self.issuers, generation, _cause(task), evidence, self.publish, at)
        succession.take(task.step, generation, suite=suite, at=at, evidence=evidence)
        with self.issuers.stores.reading() as reading:
            return made + _made_by(reading, task.step, generation)

    def _cross(self, task: CrossTask, order: Order, at: datetime) -> list[CertificateId]:
        keys = self.standing(at).keys
        made = certify_all(
            self.issuers,
            self.nation,
            [(keys[task.by], keys[task.subject])],
            Period(at.replace(microsecond=0), day_end(task.until)),
            chance=self.chance,
            at=at,
            order=CrossOrder(self.order_name(task), order.officers),
        )
        return [one.id for one in made]

    def _end_responder(self, task: ResponderTask, order: Order, at: datetime) -> list[CertificateId]:
        key = self.standing(at).keys[KeyName(task.authority, Generation.OLD)]
        with self.issuers.stores.recording() as recording:
            records = retiring.responders(recording.writing, key, at)
            return retiring.end(recording, records, _cause(task), self.evidence(task, order), at)


def _cause(task: Task) -> str:
    return f"migration {task.name}"[:80]


def _made_by(reading: Reading, step: Step, key: GenerationId) -> list[CertificateId]:
    """What a step of a key has made, beside the key and the cross-certificates for it."""
    match step:
        case Step.NEW_WITH_NEW:
            return [CertificateId(key, authorities.generation(reading.of(key.authority), key).serial)]
        case Step.RENEW_CROSSES:
            return []
        case _:
            return [one.id for one in made_by(reading, step, key)]
