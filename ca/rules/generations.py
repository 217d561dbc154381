"""The life of a CA key: which steps it takes, in which order, and what each of them needs.

A key is planned, made and certified by itself; its predecessor and it certify each other (RFC 4210 4.4: NewWithOld,
OldWithNew); its lists and its responder are set up; whoever certified the old key certifies it; then it takes over.
From that day the old key signs only lists and its responder's certificates, until nothing that it issued is valid any
more and it retires. A step can be taken back while the new key has issued nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from ca.errors import BadInput, Conflict
from ca.model import AuthorityId, GenerationId

RFC4210 = "RFC 4210 4.4"


class Step(StrEnum):
    """What is done with a key."""

    PLAN = "plan"
    MAKE_KEY = "make-key"
    NEW_WITH_NEW = "new-with-new"
    NEW_WITH_OLD = "new-with-old"
    OLD_WITH_NEW = "old-with-new"
    SERVE_STATUS = "serve-status"
    RENEW_CROSSES = "renew-crosses"
    CUT_OVER = "cut-over"
    RETIRE = "retire"


class State(StrEnum):
    """Where a key stands."""

    PLANNED = "planned"
    MADE = "made"
    SELF_SIGNED = "self-signed"
    LINKED_FORWARD = "linked forward"
    LINKED = "linked"
    SERVED = "served"
    CROSSED = "crossed"
    ACTIVE = "active"
    STATUS_ONLY = "status only"
    RETIRED = "retired"


class Course(StrEnum):
    """How a key comes to its office. The first has no predecessor to be linked with."""

    FIRST = "first"
    SUCCEEDING = "succeeding"


class Hand(StrEnum):
    """Whose key signs what a step makes."""

    NEW = "the new key"
    OLD = "the old key"
    SUPERIOR = "the keys that certified the old one"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to take a step.

    Attributes:
        before: The state that the key must be in; None for one that is not planned yet.
        hand: Whose key signs, and with whose suite; None where nothing is signed.
    """

    before: State | None
    after: State
    hand: Hand | None = None
    courses: frozenset[Course] = frozenset(Course)


_FIRST, _SUCCEEDING = frozenset({Course.FIRST}), frozenset({Course.SUCCEEDING})

RULES: Mapping[Step, tuple[Rule, ...]] = MappingProxyType(
    {
        Step.PLAN: (Rule(None, State.PLANNED),),
        Step.MAKE_KEY: (Rule(State.PLANNED, State.MADE),),
        Step.NEW_WITH_NEW: (Rule(State.MADE, State.SELF_SIGNED, Hand.NEW),),
        Step.NEW_WITH_OLD: (Rule(State.SELF_SIGNED, State.LINKED_FORWARD, Hand.OLD, _SUCCEEDING),),
        Step.OLD_WITH_NEW: (Rule(State.LINKED_FORWARD, State.LINKED, Hand.NEW, _SUCCEEDING),),
        # Status stands before others certify the key: from then on verifiers may come across it.
        Step.SERVE_STATUS: (
            Rule(State.SELF_SIGNED, State.SERVED, Hand.NEW, _FIRST),
            Rule(State.LINKED, State.SERVED, Hand.NEW, _SUCCEEDING),
        ),
        Step.RENEW_CROSSES: (Rule(State.SERVED, State.CROSSED, Hand.SUPERIOR),),
        Step.CUT_OVER: (Rule(State.CROSSED, State.ACTIVE),),
        Step.RETIRE: (Rule(State.STATUS_ONLY, State.RETIRED),),
    }
)
"""Every step that may be taken; what does not stand here may not. A cut-over also ends the old key's issuing."""

assert RULES.keys() == set(Step), "each step needs a row"

MAY_ISSUE = frozenset({State.ACTIVE})
"""The states in which a key certifies holders and other authorities."""

MAY_SIGN_STATUS = frozenset({State.SERVED, State.CROSSED, State.ACTIVE, State.STATUS_ONLY})
"""The states in which a key signs lists and its responder's certificates."""

COMING = frozenset(State) - {State.ACTIVE, State.STATUS_ONLY, State.RETIRED}
"""The states of a key that is on its way."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of the keys when a step is asked for.

    Attributes:
        issued: How many certificates the key in question has issued to holders and to other authorities.
        valid: How many certificates of the key in question are still within their validity and not revoked.
        uncrossed: The authorities that certify the old key and not yet the new one.
        unserved: What of the new key's status is missing: a place of lists, the responder.
    """

    issued: int = 0
    valid: int = 0
    uncrossed: frozenset[AuthorityId] = frozenset()
    unserved: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.issued < 0 or self.valid < 0:
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
    """An authority's keys, oldest first: at most one active, at most one on its way, the others behind them.

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
        for older in self.lives[:-2]:
            if older.state not in {State.STATUS_ONLY, State.RETIRED}:
                raise Conflict(f"generation {older.generation}", f"is {older.state}, with two keys after it")
        if len(self.lives) > 1:
            older, newest = self.lives[-2:]
            behind = {State.ACTIVE} if newest.state in COMING else {State.STATUS_ONLY, State.RETIRED}
            if older.state not in behind:
                raise Conflict(
                    f"generation {older.generation}",
                    f"is {older.state} while {newest.generation} is {newest.state}",
                )

    @property
    def issuing(self) -> Life | None:
        """The key that issues today."""
        return next((life for life in self.lives if life.state in MAY_ISSUE), None)

    def life(self, generation: GenerationId) -> Life | None:
        """The key of this generation, if it is planned or more."""
        return next((life for life in self.lives if life.generation == generation), None)


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
    if life is None or life is not keys.lives[-1]:
        raise Conflict(place, "is not the newest key; only its steps can be taken back")
    if life.state not in COMING | {State.ACTIVE}:
        raise Conflict(place, f"is {life.state}; no step of it can be taken back")
    if known.issued:
        raise Conflict(
            place,
            f"has issued {known.issued} certificates; no step of it can be taken back",
            remedy="Go on; a further key can follow it",
        )
    if life.state is State.ACTIVE and any(older.state is State.RETIRED for older in keys.lives[-2:-1]):
        raise Conflict(place, "its predecessor has retired; nobody could issue in its stead")
    step, _ = _way_here(life)
    _require_turn(keys, step, generation, at)
    return moved(keys, StepTaken(step, generation, at, back=True))


def moved(keys: Keys, taken: StepTaken) -> Keys:
    """The keys after a step that was taken, or taken back; a cut-over, or taking it back, moves the old key too.

    Whether it could be is not asked: it has happened.
    """
    course = Life(taken.generation, State.PLANNED).course
    (rule,) = (rule for rule in RULES[taken.step] if course in rule.courses)
    state = rule.before if taken.back else rule.after
    lives = [life for life in keys.lives if life.generation != taken.generation]
    if state is not None:
        lives.append(Life(taken.generation, state))
        lives.sort(key=lambda life: life.generation.number)
    if taken.step is Step.CUT_OVER and taken.generation.number > 1:
        old = taken.generation.number - 2
        lives[old] = replace(lives[old], state=State.ACTIVE if taken.back else State.STATUS_ONLY)
    return replace(keys, lives=tuple(lives), history=(*keys.history, taken))


def next_step(keys: Keys, generation: GenerationId) -> Step | None:
    """The step that this key takes next, or None once it has retired or while nothing can be done with it."""
    life = keys.life(generation)
    for step, rules in RULES.items():
        if any(_fits(rule, life, generation) for rule in rules):
            return step
    return None


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
    problem = f"lacks {', '.join(lacking)}" if lacking else "the step is behind it, or is not one of its own"
    raise Conflict(f"generation {generation}", f"{stands}; for {step} it {problem}", clause=RFC4210)


def _require_turn(keys: Keys, step: Step, generation: GenerationId, at: datetime) -> None:
    """Raise Conflict unless the key is this authority's, its turn has come, and time goes forward."""
    place = f"generation {generation}"
    if generation.authority != keys.authority:
        raise Conflict(place, f"is not a key of {keys.authority}")
    if keys.history and at < keys.history[-1].at:
        raise Conflict(place, f"{step} would lie before {keys.history[-1].step}, which was taken")
    if step is Step.PLAN and keys.life(generation) is None:
        if generation.number != len(keys.lives) + 1:
            raise Conflict(place, f"does not follow the {len(keys.lives)} generations there are")
        if keys.lives and keys.lives[-1].state is not State.ACTIVE:
            raise Conflict(place, f"cannot be planned while {keys.lives[-1].generation} is not active")


def _require_needs(step: Step, generation: GenerationId, known: Known) -> None:
    """Raise Conflict if something outside the order of steps is missing."""
    place = f"generation {generation}"
    if step in {Step.RENEW_CROSSES, Step.CUT_OVER} and known.uncrossed:
        raise Conflict(place, f"no cross-certificate for it by {', '.join(sorted(known.uncrossed))}")
    if step in {Step.SERVE_STATUS, Step.CUT_OVER} and known.unserved:
        raise Conflict(place, f"of its status, missing: {', '.join(sorted(known.unserved))}")
    if step is Step.RETIRE and known.valid:
        raise Conflict(
            place, f"{known.valid} certificates that it issued are still valid, and need its lists"
        )
