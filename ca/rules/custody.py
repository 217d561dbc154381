"""The life of a key medium (a card, a token) that a sub-office answers for: which steps it takes, and who takes them.

A medium lies in the office, is assigned to a case whose keys are made in it, goes out to the holder with the
certificate, and comes back. One that is lost never comes into use again, and destroying takes a second person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from ca.errors import BadInput, Conflict, NotPermitted
from ca.model import (
    ApplicationId,
    CertificateKind,
    Office,
    OfficeId,
    OfficeKind,
    Officer,
    OfficerId,
    Role,
)


class MediumStep(StrEnum):
    """What is done with a medium."""

    REGISTER = "register"
    ASSIGN = "assign"
    HAND_OUT = "hand-out"
    TAKE_BACK = "take-back"
    LOSE = "lose"
    DESTROY = "destroy"


class MediumState(StrEnum):
    """Where a medium is. A returned one may still hold keys; a kept one never had any."""

    KEPT = "kept"
    ASSIGNED = "assigned"
    HELD = "held"
    RETURNED = "returned"
    LOST = "lost"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class MediumRule:
    """How a step is taken, always in the medium's own office.

    Attributes:
        roles: Any of these will do.
        before: The states in which it is possible; None for a medium that is not registered yet.
    """

    roles: frozenset[Role]
    before: frozenset[MediumState | None]
    after: MediumState


_DESK = frozenset({Role.RECEPTION})
_EITHER = frozenset({Role.RECEPTION, Role.EXAMINER})
_IN_OFFICE = frozenset({MediumState.KEPT, MediumState.RETURNED})

CUSTODY: Mapping[MediumStep, MediumRule] = MappingProxyType(
    {
        MediumStep.REGISTER: MediumRule(_EITHER, frozenset({None}), MediumState.KEPT),
        MediumStep.ASSIGN: MediumRule(_DESK, frozenset(_IN_OFFICE), MediumState.ASSIGNED),
        MediumStep.HAND_OUT: MediumRule(_DESK, frozenset({MediumState.ASSIGNED}), MediumState.HELD),
        MediumStep.TAKE_BACK: MediumRule(
            _DESK, frozenset({MediumState.ASSIGNED, MediumState.HELD}), MediumState.RETURNED
        ),
        # Whoever hears of a loss says so, wherever the medium was thought to be.
        MediumStep.LOSE: MediumRule(
            _EITHER, frozenset({*_IN_OFFICE, MediumState.ASSIGNED, MediumState.HELD}), MediumState.LOST
        ),
        # A lost one that turns up again is good for nothing else.
        MediumStep.DESTROY: MediumRule(
            frozenset({Role.EXAMINER}), frozenset({*_IN_OFFICE, MediumState.LOST}), MediumState.DESTROYED
        ),
    }
)
"""Every step that may be taken; what does not stand here may not."""

assert CUSTODY.keys() == set(MediumStep), "each step needs a row"

NEEDS_MEDIUM = frozenset({CertificateKind.LG_POST, CertificateKind.LG_USER})
"""The kinds whose keys lie in a medium that the office answers for. A desk may decrypt on a server of its own."""

_MEDIUM = re.compile(r"[A-Z0-9][A-Z0-9-]{2,18}[A-Z0-9]")


def medium_id(text: str) -> str:
    """Read the number printed on a medium, in whichever case it is typed; BadInput otherwise."""
    typed = text.strip().upper()
    if not _MEDIUM.fullmatch(typed):
        raise BadInput(
            "medium",
            "is not 4 to 20 letters, digits and hyphens",
            remedy="Write the number printed on the card or token",
        )
    return typed


@dataclass(frozen=True, slots=True)
class MediumStepTaken:
    """A step of a medium's history.

    Attributes:
        note: Of an assignment the case; otherwise what the officer wrote, which stays out of logs.
    """

    step: MediumStep
    officer: OfficerId
    at: datetime
    note: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Medium:
    """A medium and its history.

    Attributes:
        office: The office that answers for it.
        state: None before it is registered.
        history: Its steps, oldest first. It must lead to the state, or the medium is refused with Conflict.
    """

    id: str
    office: OfficeId
    state: MediumState | None = None
    history: tuple[MediumStepTaken, ...] = ()

    def __post_init__(self) -> None:
        reached: MediumState | None = None
        for taken in self.history:
            rule = CUSTODY[taken.step]
            if reached not in rule.before:
                raise Conflict(f"medium {self.id}", f"its history has a step {taken.step} out of its turn")
            reached = rule.after
        if reached is not self.state:
            raise Conflict(
                f"medium {self.id}", f"is said to be {_said(self.state)}, but its steps say otherwise"
            )

    @property
    def cases(self) -> tuple[ApplicationId, ...]:
        """Every case it was ever assigned to, the latest last: their keys may lie in it."""
        return tuple(
            ApplicationId(taken.note)
            for taken in self.history
            if taken.step is MediumStep.ASSIGN and taken.note is not None
        )

    @property
    def case(self) -> ApplicationId | None:
        """The case that it is out for, or about to be."""
        out = self.state in {MediumState.ASSIGNED, MediumState.HELD, MediumState.LOST}
        return self.cases[-1] if out and self.cases else None


def take(
    medium: Medium, step: MediumStep, officer: Officer, office: Office, at: datetime, note: str | None = None
) -> Medium:
    """The medium after this step, with the step in its history.

    Raises:
        Conflict: The medium's state does not allow the step.
        NotPermitted: The officer lacks the roles or is of another office, or would destroy alone what passed
            through the officer's own hands last.
    """
    rule = _permitted(medium, step, officer, office)
    taken = MediumStepTaken(step, officer.id, at, note)
    return replace(medium, state=rule.after, history=(*medium.history, taken))


def steps_open_to(medium: Medium, officer: Officer, office: Office) -> tuple[MediumStep, ...]:
    """The steps that this officer may take of a medium as it stands: what a page offers."""
    found = []
    for step, rule in CUSTODY.items():
        if medium.state not in rule.before:
            continue
        try:
            _permitted(medium, step, officer, office)
        except NotPermitted:
            continue
        found.append(step)
    return tuple(found)


def _permitted(medium: Medium, step: MediumStep, officer: Officer, office: Office) -> MediumRule:
    """The rule by which this officer may take the step; Conflict or NotPermitted as for ``take``."""
    place = f"medium {medium.id}"
    _require_officer(medium, step, officer, office)
    rule = CUSTODY[step]
    if medium.state not in rule.before:
        possible = " or ".join(each for each in MediumStep if medium.state in CUSTODY[each].before)
        raise Conflict(
            place,
            f"is {_said(medium.state)}; the step {step} is not possible",
            remedy=f"Next would be: {possible}" if possible else "Nothing more can be done with it",
        )
    if step is MediumStep.DESTROY and medium.history[-1].officer == officer.id:
        raise NotPermitted(
            place,
            f"officer {officer.id} took its last step ({medium.history[-1].step})",
            remedy="Another examiner must see to its destruction",
        )
    return rule


def _require_officer(medium: Medium, step: MediumStep, officer: Officer, office: Office) -> None:
    place = f"medium {medium.id}"
    if officer.office != office.id or office.id != medium.office:
        raise NotPermitted(place, f"is not of officer {officer.id}'s office")
    if office.kind is not OfficeKind.LOCAL_GOVERNMENT:
        raise NotPermitted(place, f"office {office.id} is not a local government's")
    roles = CUSTODY[step].roles
    if not officer.roles & roles:
        raise NotPermitted(
            place,
            f"officer {officer.id} may not {step} it",
            remedy=f"It takes an officer with the role {' or '.join(sorted(roles))}",
        )


def _said(state: MediumState | None) -> str:
    return state.value if state else "not registered"
