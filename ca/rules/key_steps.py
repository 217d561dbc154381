"""Which steps a CA key takes, from which state to which, and what it may sign where it stands: the table of them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

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
    DISCARD = "discard"


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
    DISCARDED = "discarded"


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


OVER = frozenset({State.RETIRED, State.DISCARDED})
"""The states of a key that signs nothing any more."""

COMING = frozenset(State) - {State.ACTIVE, State.STATUS_ONLY} - OVER
"""The states of a key that is on its way."""

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
        # A first key comes with its authority, and is never on its way. One without a state was certified once, and its
        # plan was taken back.
        Step.DISCARD: tuple(
            Rule(before, State.DISCARDED, None, _SUCCEEDING)
            for before in (None, *(one for one in State if one in COMING))
        ),
    }
)
"""Every step that may be taken; what does not stand here may not. A cut-over also ends the old key's issuing.

The way from one state leads by the first step that has a row for it: DISCARD, which leaves the way, is the last.
"""

assert RULES.keys() == set(Step), "each step needs a row"

MAY_ISSUE = frozenset({State.ACTIVE})
"""The states in which a key certifies holders and other authorities."""

MAY_SIGN_STATUS = frozenset({State.SERVED, State.CROSSED, State.ACTIVE, State.STATUS_ONLY})
"""The states in which a key signs lists and its responder's certificates."""
