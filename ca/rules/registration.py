"""An application's life: which steps it takes, in which order, and which officer may take them.

An office files and examines; the centre examines again (approves) and issues. No officer takes two steps of a case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from ca.errors import Conflict, NotPermitted
from ca.model import ApplicationId, Office, OfficeId, OfficeKind, Officer, OfficerId, Role


class Step(StrEnum):
    """What an officer does with a case."""

    FILE = "file"
    EXAMINE = "examine"
    APPROVE = "approve"
    ISSUE = "issue"
    REJECT = "reject"


class State(StrEnum):
    """Where a case stands. From ISSUING on the signing cycle carries it, not an officer."""

    FILED = "filed"
    EXAMINED = "examined"
    APPROVED = "approved"
    ISSUING = "issuing"
    ISSUED = "issued"
    FAILED = "failed"
    REJECTED = "rejected"


class Place(StrEnum):
    """Where a step is taken. An own office is a window or a ministry's, never the centre, which checks it."""

    OWN_OFFICE = "the case's own office"
    CENTRE = "the centre"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to take a step.

    Attributes:
        before: The state that the case must be in; None for one that is not filed yet.
    """

    role: Role
    place: Place
    before: State | None
    after: State


RULES: Mapping[Step, tuple[Rule, ...]] = MappingProxyType(
    {
        Step.FILE: (Rule(Role.RECEPTION, Place.OWN_OFFICE, None, State.FILED),),
        Step.EXAMINE: (Rule(Role.EXAMINER, Place.OWN_OFFICE, State.FILED, State.EXAMINED),),
        Step.APPROVE: (Rule(Role.APPROVER, Place.CENTRE, State.EXAMINED, State.APPROVED),),
        Step.ISSUE: (Rule(Role.OPERATOR, Place.CENTRE, State.APPROVED, State.ISSUING),),
        Step.REJECT: (
            Rule(Role.EXAMINER, Place.OWN_OFFICE, State.FILED, State.REJECTED),
            Rule(Role.APPROVER, Place.CENTRE, State.EXAMINED, State.REJECTED),
            # What was approved may have become untrue since: a move, a death.
            Rule(Role.OPERATOR, Place.CENTRE, State.APPROVED, State.REJECTED),
        ),
    }
)
"""Every step that may be taken; what does not stand here may not."""

assert RULES.keys() == set(Step), "each step needs a row"


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step of a case's history."""

    step: Step
    officer: OfficerId
    at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """What the rules know of an application: whose it is, where it stands, and who has had it in hand.

    Attributes:
        office: The office it is filed at: a window, or a ministry's.
        state: None before it is filed.
        history: Its steps, oldest first. It must lead to the state: a case whose steps are missing would let an
            officer take a second one, so it is refused with Conflict.
    """

    id: ApplicationId
    office: OfficeId
    state: State | None = None
    history: tuple[StepTaken, ...] = ()

    def __post_init__(self) -> None:
        reached: State | None = None
        for taken in self.history:
            reached = _rule(self.id, reached, taken.step).after
        ended = self.state in {State.ISSUED, State.FAILED} and reached is State.ISSUING
        if self.state is not reached and not ended:
            raise Conflict(
                f"case {self.id}",
                f"is said to be {_said(self.state)}, but its steps lead to {_said(reached)}",
            )

    def moment_of(self, step: Step) -> datetime | None:
        """When this step was taken, if it was."""
        return next((taken.at for taken in self.history if taken.step is step), None)


def take(case: Case, step: Step, officer: Officer, office: Office, at: datetime) -> Case:
    """The case after this step, with the step in its history.

    Args:
        case: The case as it stands.
        step: What is to be done with it.
        officer: Who does it.
        office: The officer's own office.
        at: When.

    Raises:
        Conflict: The case's state does not allow the step.
        NotPermitted: The officer lacks the role, sits in another office, or has had this case in hand before.
    """
    rule = _rule(case.id, case.state, step)
    _require_place(case, f"{step}", rule, officer, office)
    for taken in case.history:
        if taken.officer == officer.id:
            raise NotPermitted(
                f"case {case.id}",
                f"officer {officer.id} has taken a step of it already ({taken.step})",
                remedy=f"Another officer must {step} it",
            )
    return replace(case, state=rule.after, history=(*case.history, StepTaken(step, officer.id, at)))


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


def next_steps(state: State | None) -> tuple[Step, ...]:
    """The steps that a case in this state may take, in their order; none once it is issuing or has ended."""
    return tuple(step for step, rules in RULES.items() if any(rule.before is state for rule in rules))


def _rule(case: ApplicationId, state: State | None, step: Step) -> Rule:
    """The one rule by which a case in this state takes this step, or Conflict."""
    for rule in RULES[step]:
        if rule.before is state:
            return rule
    possible = " or ".join(next_steps(state))
    raise Conflict(
        f"case {case}",
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
