"""An application's life: which steps it takes, in which order, and which officer may take them.

An office files and examines; the centre approves and issues; the office hands over. What a local government examined the
centre examines again before it approves. No officer takes two of the steps that decide a case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from ca.errors import BadInput, Conflict, NotPermitted
from ca.model import ApplicationId, Office, OfficeId, OfficeKind, Officer, OfficerId, Role


class Step(StrEnum):
    """What an officer does with a case."""

    FILE = "file"
    EXAMINE = "examine"
    REEXAMINE = "re-examine"
    APPROVE = "approve"
    ISSUE = "issue"
    REJECT = "reject"
    HAND_OVER = "hand-over"
    DISCARD = "discard"


class State(StrEnum):
    """Where a case stands. From ISSUING on the signing cycle carries it, not an officer."""

    FILED = "filed"
    EXAMINED = "examined"
    REEXAMINED = "reexamined"
    APPROVED = "approved"
    ISSUING = "issuing"
    ISSUED = "issued"
    FAILED = "failed"
    REJECTED = "rejected"
    DELIVERED = "delivered"
    DISCARDED = "discarded"


ENDED = frozenset({State.FAILED, State.REJECTED, State.DELIVERED, State.DISCARDED})
"""Where a case ends; every other one is open."""


class Place(StrEnum):
    """Where a step is taken. An own office is a window or a ministry's, never the centre, which checks it."""

    OWN_OFFICE = "the case's own office"
    CENTRE = "the centre"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to take a step.

    Attributes:
        before: The state that the case must be in; None for one that is not filed yet.
        courses: The kinds of office whose cases go this way.
    """

    role: Role
    place: Place
    before: State | None
    after: State
    courses: frozenset[OfficeKind] = frozenset(
        {OfficeKind.WINDOW, OfficeKind.MINISTRY, OfficeKind.LOCAL_GOVERNMENT}
    )


_ONCE = frozenset({OfficeKind.WINDOW, OfficeKind.MINISTRY})
_TWICE = frozenset({OfficeKind.LOCAL_GOVERNMENT})

RULES: Mapping[Step, tuple[Rule, ...]] = MappingProxyType(
    {
        Step.FILE: (Rule(Role.RECEPTION, Place.OWN_OFFICE, None, State.FILED),),
        Step.EXAMINE: (Rule(Role.EXAMINER, Place.OWN_OFFICE, State.FILED, State.EXAMINED),),
        Step.REEXAMINE: (Rule(Role.CENTRE_EXAMINER, Place.CENTRE, State.EXAMINED, State.REEXAMINED, _TWICE),),
        Step.APPROVE: (
            Rule(Role.APPROVER, Place.CENTRE, State.EXAMINED, State.APPROVED, _ONCE),
            Rule(Role.APPROVER, Place.CENTRE, State.REEXAMINED, State.APPROVED, _TWICE),
        ),
        Step.ISSUE: (Rule(Role.OPERATOR, Place.CENTRE, State.APPROVED, State.ISSUING),),
        Step.REJECT: (
            Rule(Role.EXAMINER, Place.OWN_OFFICE, State.FILED, State.REJECTED),
            Rule(Role.APPROVER, Place.CENTRE, State.EXAMINED, State.REJECTED, _ONCE),
            Rule(Role.CENTRE_EXAMINER, Place.CENTRE, State.EXAMINED, State.REJECTED, _TWICE),
            Rule(Role.APPROVER, Place.CENTRE, State.REEXAMINED, State.REJECTED, _TWICE),
            # What was approved may have become untrue since: a move, a death.
            Rule(Role.OPERATOR, Place.CENTRE, State.APPROVED, State.REJECTED),
        ),
        Step.HAND_OVER: (Rule(Role.RECEPTION, Place.OWN_OFFICE, State.ISSUED, State.DELIVERED),),
        Step.DISCARD: (Rule(Role.RECEPTION, Place.OWN_OFFICE, State.ISSUED, State.DISCARDED),),
    }
)
"""Every step that may be taken; what does not stand here may not."""

assert RULES.keys() == set(Step), "each step needs a row"

DECIDING = frozenset(set(Step) - {Step.HAND_OVER, Step.DISCARD})
"""The steps of a case that no two are one officer's. What follows the decision carries it out, and decides nothing."""

CENTRE_ROLES = frozenset({Role.CENTRE_EXAMINER, Role.APPROVER, Role.OPERATOR, Role.AUDITOR})
"""The roles that are the centre's; the others are a sub-office's."""


def require_roles(kind: OfficeKind, roles: frozenset[Role]) -> None:
    """Raise BadInput unless these roles may be one officer's in an office of this kind.

    A role has its place, and whoever audits does nothing that is audited.
    """
    misplaced = roles - CENTRE_ROLES if kind is OfficeKind.CENTRE else roles & CENTRE_ROLES
    if misplaced:
        where = "a sub-office" if kind is OfficeKind.CENTRE else "the centre"
        raise BadInput("roles", f"{', '.join(sorted(misplaced))} is a role at {where}")
    if Role.AUDITOR in roles and len(roles) > 1:
        raise BadInput("roles", "an auditor has no other role", remedy="Make another officer for it")
    if not roles:
        raise BadInput("roles", "none is given")


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step of a case's history.

    Attributes:
        note: Why, in the officer's words, where a reason is asked for. It may tell of a person, and stays out of logs.
    """

    step: Step
    officer: OfficerId
    at: datetime
    note: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Case:
    """What the rules know of an application: whose it is, where it stands, and who has had it in hand.

    Attributes:
        office: The office it is filed at: a window, or a ministry's.
        state: None before it is filed.
        history: Its steps, oldest first. It must lead to the state: a case whose steps are missing would let an
            officer take a second one, so it is refused with Conflict.
        course: The kind of that office, which says by which rules the case goes.
    """

    id: ApplicationId
    office: OfficeId
    state: State | None = None
    history: tuple[StepTaken, ...] = ()
    course: OfficeKind = OfficeKind.WINDOW

    def __post_init__(self) -> None:
        reached: State | None = None
        for taken in self.history:
            # What was handed over was issued in between, which is no officer's step.
            before = State.ISSUED if reached is State.ISSUING else reached
            reached = _rule(self, before, taken.step).after
        ended = self.state in {State.ISSUED, State.FAILED} and reached is State.ISSUING
        if self.state is not reached and not ended:
            raise Conflict(
                f"case {self.id}",
                f"is said to be {_said(self.state)}, but its steps lead to {_said(reached)}",
            )

    def moment_of(self, step: Step) -> datetime | None:
        """When this step was taken, if it was."""
        return next((taken.at for taken in self.history if taken.step is step), None)


def take(
    case: Case, step: Step, officer: Officer, office: Office, at: datetime, note: str | None = None
) -> Case:
    """The case after this step, with the step in its history.

    Args:
        case: The case as it stands.
        step: What is to be done with it.
        officer: Who does it.
        office: The officer's own office.
        at: When.
        note: Why, in the officer's words.

    Raises:
        Conflict: The case's state does not allow the step.
        NotPermitted: The officer lacks the role, sits in another office, or has decided on this case before.
    """
    rule = _permitted(case, step, officer, office)
    return replace(case, state=rule.after, history=(*case.history, StepTaken(step, officer.id, at, note)))


def _permitted(case: Case, step: Step, officer: Officer, office: Office) -> Rule:
    """The rule by which this officer may take the step; Conflict or NotPermitted as for ``take``."""
    rule = _rule(case, case.state, step)
    _require_place(case, f"{step}", rule, officer, office)
    for taken in case.history:
        if taken.officer == officer.id and step in DECIDING:
            raise NotPermitted(
                f"case {case.id}",
                f"officer {officer.id} has taken a step of it already ({taken.step})",
                remedy=f"Another officer must {step} it",
            )
    return rule


def resume(case: Case, officer: Officer, office: Office) -> Case:
    """The case as it is, if this officer may carry on an issuance that broke off.

    The one who began it may, and so may another operator who took no step of the case.

    Raises:
        Conflict: No issuance of the case is under way.
        NotPermitted: As for ``take``.
    """
    if case.state is not State.ISSUING:
        raise Conflict(f"case {case.id}", f"is {_said(case.state)}; no issuance to resume")
    (rule,) = RULES[Step.ISSUE]
    _require_place(case, "resume the issuance of", rule, officer, office)
    for taken in case.history:
        if taken.officer == officer.id and taken.step is not Step.ISSUE:
            raise NotPermitted(
                f"case {case.id}", f"officer {officer.id} has taken another step of it ({taken.step})"
            )
    return case


def require_batch(approver: tuple[Officer, Office], operator: tuple[Officer, Office]) -> None:
    """Raise NotPermitted unless two officers of the centre stand for a batch: one approves it, the other issues it."""
    for (officer, office), role in ((approver, Role.APPROVER), (operator, Role.OPERATOR)):
        if office.kind is not OfficeKind.CENTRE or role not in officer.roles:
            raise NotPermitted("batch", f"officer {officer.id} is not an {role} of the centre")
    if approver[0].id == operator[0].id:
        raise NotPermitted("batch", f"officer {operator[0].id} cannot approve and issue it too")


def issued(case: Case) -> Case:
    """The case once its certificates are complete. The signing cycle says so, not an officer; else Conflict."""
    return _ended(case, State.ISSUED)


def failed(case: Case) -> Case:
    """The case if none of its certificates can be signed any more; else Conflict."""
    return _ended(case, State.FAILED)


def _ended(case: Case, state: State) -> Case:
    if case.state is not State.ISSUING:
        raise Conflict(f"case {case.id}", f"is {_said(case.state)}, not in the signing cycle")
    return replace(case, state=state)


def next_steps(case: Case) -> tuple[Step, ...]:
    """The steps that a case may take as it stands, in their order; none while it is issuing or once it has ended."""
    return _steps(case.state, case.course)


def steps_open_to(case: Case, officer: Officer, office: Office) -> tuple[Step, ...]:
    """Those of them that this officer may take: what a page offers."""
    found = []
    for step in next_steps(case):
        try:
            _permitted(case, step, officer, office)
        except NotPermitted:
            continue
        found.append(step)
    return tuple(found)


def _steps(state: State | None, course: OfficeKind) -> tuple[Step, ...]:
    return tuple(
        step
        for step, rules in RULES.items()
        if any(rule.before is state and course in rule.courses for rule in rules)
    )


def _rule(case: Case, state: State | None, step: Step) -> Rule:
    """The one rule by which a case in this state takes this step, or Conflict."""
    for rule in RULES[step]:
        if rule.before is state and case.course in rule.courses:
            return rule
    possible = " or ".join(_steps(state, case.course))
    raise Conflict(
        f"case {case.id}",
        f"is {_said(state)}; the step {step} is not possible",
        remedy=f"Next would be: {possible}" if possible else "No officer's step is left",
    )


def _said(state: State | None) -> str:
    return state.value if state else "not filed"


def _require_place(case: Case, deed: str, rule: Rule, officer: Officer, office: Office) -> None:
    """Raise NotPermitted unless the officer has the rule's role and sits where the rule says."""
    place = f"case {case.id}"
    if officer.office != office.id:
        raise NotPermitted(place, f"officer {officer.id} is not of the office {office.id}")
    if rule.role not in officer.roles:
        raise NotPermitted(
            place, f"officer {officer.id} has not the role {rule.role}", remedy=_who(deed, rule)
        )
    match rule.place:
        case Place.OWN_OFFICE:
            there = office.id == case.office and office.kind is not OfficeKind.CENTRE
        case Place.CENTRE:
            there = office.kind is OfficeKind.CENTRE
    if not there:
        raise NotPermitted(place, f"office {office.id} is not {rule.place}", remedy=_who(deed, rule))


def _who(deed: str, rule: Rule) -> str:
    return f"To {deed} it takes an officer with the role {rule.role} at {rule.place}"
