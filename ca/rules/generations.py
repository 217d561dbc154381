"""The life of a CA key: which steps it takes, in which order, and what each of them needs.

A key is planned, made and certified by itself; its predecessor and it certify each other (RFC 4210 4.4: NewWithOld,
OldWithNew); its lists and its responder are set up; whoever certified the old key certifies it; then it takes over.
From that day the old key signs only lists and its responder's certificates, until nothing that it issued is valid any
more and it retires. A step can be taken back while the new key has issued nothing; and a key that must not be used is
discarded: the next one follows the key that issues.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile
from types import MappingProxyType

from ca.errors import BadInput, Conflict
from ca.model import AuthorityId, CertificateKind, GenerationId
from ca.rules.key_steps import (
    COMING,
    MAY_ISSUE,
    MAY_SIGN_STATUS,
    OVER,
    RFC4210,
    RULES,
    Course,
    Hand,
    Rule,
    State,
    Step,
)

__all__ = [
    "COMING", "MAY_ISSUE", "MAY_SIGN_STATUS", "OVER", "RFC4210", "RULES", "Course", "Hand", "Keys", "Known", "Life", "Rule", "State",
    "Step", "StepTaken", "missing_steps", "moved", "newest_step", "next_step", "step_back", "take",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of the keys when a step is asked for.

    Attributes:
        issued: How many certificates the key in question has issued to holders and to other authorities.
        valid: Of each kind, how many certificates of the key in question are within their validity and not revoked.
        uncrossed: The authorities that certify the old key and not yet the new one.
        unserved: What of the new key's status is missing: a place of lists, the responder.
    """

    issued: int = 0
    valid: Mapping[CertificateKind, int] = field(default_factory=lambda: MappingProxyType({}))
    uncrossed: frozenset[AuthorityId] = frozenset()
    unserved: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if min(self.issued, *self.valid.values(), 0) < 0:
            raise BadInput("known of a key", "a number of certificates is below zero")


@dataclass(frozen=True, slots=True)
class Life:
    """One key and where it stands."""

    generation: GenerationId
    state: State

    @property
    def course(self) -> Course:
        """Whether it has a predecessor."""
        return Course.FIRST if self.generation.number == 1 else Course.SUCCEEDING


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step of the keys' history; ``back`` if it was taken back then."""

    step: Step
    generation: GenerationId
    at: datetime
    back: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """An authority's keys, oldest first: at most one active, at most one on its way, the others behind them or discarded.

    Attributes:
        lives: The keys that are planned or more, generation 1 first.
        history: What was done, oldest first.
    """

    authority: AuthorityId
    lives: tuple[Life, ...] = ()
    history: tuple[StepTaken, ...] = ()

    def __post_init__(self) -> None:
        expected = tuple(GenerationId(self.authority, number + 1) for number in range(len(self.lives)))
        if tuple(life.generation for life in self.lives) != expected:
            raise Conflict(f"keys of {self.authority}", "are not its generations, one after the other")
        if self.kept != self.lives and self.lives[0].state is State.DISCARDED:
            raise Conflict(f"generation {self.lives[0].generation}", "is the first, and discarded")
        for older in self.kept[:-2]:
            if older.state not in {State.STATUS_ONLY, State.RETIRED}:
                raise Conflict(f"generation {older.generation}", f"is {older.state}, with two keys after it")
        if len(self.kept) > 1:
            older, newest = self.kept[-2:]
            behind = {State.ACTIVE} if newest.state in COMING else {State.STATUS_ONLY, State.RETIRED}
            if older.state not in behind:
                raise Conflict(
                    f"generation {older.generation}",
                    f"is {older.state} while {newest.generation} is {newest.state}",
                )

    @property
    def kept(self) -> tuple[Life, ...]:
        """All of them but those that were discarded."""
        return tuple(life for life in self.lives if life.state is not State.DISCARDED)

    @property
    def next_generation(self) -> GenerationId:
        """The key that can be planned next: no number is given twice, whatever became of the key."""
        return GenerationId(self.authority, len(self.lives) + 1)

    @property
    def issuing(self) -> Life | None:
        """The key that issues today."""
        return next((life for life in self.lives if life.state in MAY_ISSUE), None)

    def life(self, generation: GenerationId) -> Life | None:
        """The key of this generation, if it is planned or more."""
        return next((life for life in self.lives if life.generation == generation), None)

    def predecessor(self, generation: GenerationId) -> GenerationId | None:
        """The key that this one follows, which is there or is to come: the newest before it that was not discarded."""
        older = [one.generation for one in self.kept if one.generation.number < generation.number]
        return older[-1] if older else None

    def successor(self, generation: GenerationId) -> GenerationId:
        """The key that follows this one: that is there and was not discarded, else the next that can be planned."""
        newer = [one.generation for one in self.kept if one.generation.number > generation.number]
        return newer[0] if newer else self.next_generation

    def makes_lists(self, generation: GenerationId) -> bool:
        """Whether the key signs lists: its status is served, or was since it was planned.

        Verifiers may have come across a key that was served. For as long as it is on its way, its lists say what of it
        was taken back.
        """
        life = self.life(generation)
        if life is None or life.state not in MAY_SIGN_STATUS | COMING:
            return False
        own = (one.step for one in reversed(self.history) if one.generation == generation)
        since = takewhile(lambda step: step is not Step.PLAN, own)
        return life.state in MAY_SIGN_STATUS or Step.SERVE_STATUS in since


def take(keys: Keys, step: Step, generation: GenerationId, known: Known, at: datetime) -> Keys:
    """The authority's keys after this step.

    Args:
        keys: The keys as they stand.
        step: What is to be done.
        generation: The key it is to be done with: for RETIRE the old one, else the new one.
        known: What the store knows of it.
        at: When.

    Raises:
        Conflict: The key is not there yet, or something that the step needs is missing; says what.
    """
    life = keys.life(generation)
    _require_turn(keys, step, generation, at)
    _rule(life, step, generation)
    _require_needs(step, generation, known)
    return moved(keys, StepTaken(step, generation, at))


def step_back(keys: Keys, generation: GenerationId, known: Known, at: datetime) -> Keys:
    """The keys with this one's last step taken back; after a cut-over the old key issues again.

    What the step had made is revoked or destroyed by whoever takes it back; a plan taken back leaves no key.

    Raises:
        Conflict: The key has issued something, has been succeeded, or is not there.
    """
    place = f"generation {generation}"
    life = keys.life(generation)
    if life is None or life is not keys.kept[-1]:
        raise Conflict(place, "is not the newest key; only its steps can be taken back")
    if life.state not in COMING | {State.ACTIVE}:
        raise Conflict(place, f"is {life.state}; no step of it can be taken back")
    _require_nothing_issued(known, place, "no step of it can be taken back")
    if life.state is State.ACTIVE and all(older.state is State.RETIRED for older in keys.kept[-2:-1]):
        raise Conflict(place, "has no predecessor that could issue in its stead")
    if life.state is State.PLANNED and life is not keys.lives[-1]:
        raise Conflict(
            place,
            "has a number before one that is spent; its plan cannot be taken back",
            remedy="`kakehashi key discard` spends its number too",
        )
    step, _ = _way_here(life)
    _require_turn(keys, step, generation, at)
    return moved(keys, StepTaken(step, generation, at, back=True))


def moved(keys: Keys, taken: StepTaken) -> Keys:
    """The keys after a step that was taken, or taken back; a cut-over, or taking it back, moves the old key too.

    Whether it could be is not asked: it has happened.
    """
    course = Life(taken.generation, State.PLANNED).course
    rule, *_ = (rule for rule in RULES[taken.step] if course in rule.courses)
    state = rule.before if taken.back else rule.after
    lives = [life for life in keys.lives if life.generation != taken.generation]
    if state is not None:
        lives.append(Life(taken.generation, state))
        lives.sort(key=lambda life: life.generation.number)
    if taken.step is Step.CUT_OVER:
        old, then = keys.predecessor(taken.generation), State.ACTIVE if taken.back else State.STATUS_ONLY
        lives = [replace(life, state=then) if life.generation == old else life for life in lives]
    return replace(keys, lives=tuple(lives), history=(*keys.history, taken))


def next_step(keys: Keys, generation: GenerationId) -> Step | None:
    """The step that this key takes next, or None once it has retired or while nothing can be done with it."""
    life = keys.life(generation)
    for step, rules in RULES.items():
        if any(_fits(rule, life, generation) for rule in rules):
            return step
    return None


def newest_step(keys: Keys, generation: GenerationId) -> Step | None:
    """The step by which this key came to where it stands; None if it is not planned, or was never taken step by step."""
    taken: list[Step] = []
    for one in keys.history:
        if one.generation == generation and one.back:
            taken.pop()
        elif one.generation == generation:
            taken.append(one.step)
    return taken[-1] if taken else None


def missing_steps(life: Life | None, step: Step, generation: GenerationId) -> tuple[Step, ...]:
    """The steps that must be taken before this one, in their order; none if it can be taken now, or never more."""
    here: State | None = None if life is None else life.state
    course = Life(generation, State.PLANNED).course
    way: list[Step] = []
    while True:
        ahead = _ahead(here, course)
        if ahead is None:
            return ()
        if ahead[0] is step:
            return tuple(way)
        way.append(ahead[0])
        here = ahead[1]


def _ahead(here: State | None, course: Course) -> tuple[Step, State] | None:
    """The step from a state, and the state after it. A cut-over of the next key makes an active one old."""
    if here is State.ACTIVE:
        return Step.CUT_OVER, State.STATUS_ONLY
    for step, rules in RULES.items():
        for rule in rules:
            if rule.before is here and course in rule.courses:
                return step, rule.after
    return None


def _way_here(life: Life) -> tuple[Step, Rule]:
    """The one rule by which a key of this course came to its state."""
    ((step, rule),) = (
        (step, rule)
        for step, rules in RULES.items()
        for rule in rules
        if rule.after is life.state and life.course in rule.courses
    )
    return step, rule


def _fits(rule: Rule, life: Life | None, generation: GenerationId) -> bool:
    here = None if life is None else life.state
    return rule.before is here and Life(generation, State.PLANNED).course in rule.courses


def _rule(life: Life | None, step: Step, generation: GenerationId) -> Rule:
    """The one rule by which this key takes the step; Conflict saying what is missing."""
    for rule in RULES[step]:
        if _fits(rule, life, generation):
            return rule
    stands = "is not planned" if life is None else f"is {life.state}"
    lacking = missing_steps(life, step, generation)
    lacks = f"for {step} it lacks {', '.join(lacking)}"
    problem = lacks if lacking else f"{step} is behind it, or is no step of such a key"
    raise Conflict(f"generation {generation}", f"{stands}; {problem}", clause=RFC4210)


def _require_turn(keys: Keys, step: Step, generation: GenerationId, at: datetime) -> None:
    """Raise Conflict unless the key is this authority's, its turn has come, and time goes forward."""
    place = f"generation {generation}"
    if generation.authority != keys.authority:
        raise Conflict(place, f"is not a key of {keys.authority}")
    if keys.history and at < keys.history[-1].at:
        last = keys.history[-1]
        raise Conflict(
            place,
            f"{step} at {at:%Y-%m-%dT%H:%M:%SZ} would lie before {last.step} of {last.generation}, which was "
            f"{'taken back' if last.back else 'taken'} at {last.at:%Y-%m-%dT%H:%M:%SZ}",
        )
    if step in {Step.PLAN, Step.DISCARD} and keys.life(generation) is None:
        if generation != keys.next_generation:
            raise Conflict(place, f"does not follow the {len(keys.lives)} generations there are")
        if keys.kept and keys.kept[-1].state is not State.ACTIVE:
            raise Conflict(place, f"cannot be planned while {keys.kept[-1].generation} is not active")


def _require_needs(step: Step, generation: GenerationId, known: Known) -> None:
    """Raise Conflict if something outside the order of steps is missing."""
    place = f"generation {generation}"
    if step in {Step.RENEW_CROSSES, Step.CUT_OVER} and known.uncrossed:
        raise Conflict(place, f"no cross-certificate for it by {', '.join(sorted(known.uncrossed))}")
    if step in {Step.SERVE_STATUS, Step.CUT_OVER} and known.unserved:
        raise Conflict(
            place,
            f"of its status, missing: {', '.join(sorted(known.unserved))}",
            remedy=f"It is made when {Step.SERVE_STATUS} is taken back and taken again",
        )
    if step is Step.DISCARD:
        _require_nothing_issued(known, place, "it cannot be discarded")
    valid = {kind: count for kind, count in sorted(known.valid.items()) if count}
    if step is Step.RETIRE and valid:
        kinds = ", ".join(f"{count} {kind}" for kind, count in valid.items())
        raise Conflict(
            place,
            f"{sum(valid.values())} certificates that it issued are still valid, and need its lists: {kinds}",
            remedy="Cross-certificates end with `kakehashi cross withdraw`, services' with `kakehashi revoke`, holders' "
            "with their time or when others are handed over; at the end of a plan `kakehashi migrate run` sees to it",
        )


def _require_nothing_issued(known: Known, place: str, then: str) -> None:
    if known.issued:
        raise Conflict(
            place,
            f"has issued {known.issued} certificates; {then}",
            remedy="Go on; a further key can follow it",
        )
