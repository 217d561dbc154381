from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import BadInput, Conflict, NotPermitted
from ca.model import ApplicationId, Office, OfficeId, OfficeKind, Officer, OfficerId, Role
from ca.rules.registration import (
    DECIDING,
    RULES,
    Case,
    State,
    Step,
    StepTaken,
    issued,
    next_steps,
    require_roles,
    resume,
    steps_open_to,
    take,
)

AT = datetime(2014, 9, 1, tzinfo=UTC)

WINDOW = Office(OfficeId("131016"), OfficeKind.WINDOW, "Chiyoda-ku", ())
OTHER_WINDOW = Office(OfficeId("131024"), OfficeKind.WINDOW, "Chuo-ku", ())
MINISTRY = Office(OfficeId("soumu"), OfficeKind.MINISTRY, "a ministry", ())
OTHER_MINISTRY = Office(OfficeId("zaimu"), OfficeKind.MINISTRY, "another ministry", ())
TOWN = Office(OfficeId("lg-131016"), OfficeKind.LOCAL_GOVERNMENT, "a town", ())
OTHER_TOWN = Office(OfficeId("lg-131024"), OfficeKind.LOCAL_GOVERNMENT, "another town", ())
CENTRE = Office(OfficeId("centre"), OfficeKind.CENTRE, "the centre", ())
OFFICES = (WINDOW, OTHER_WINDOW, MINISTRY, OTHER_MINISTRY, TOWN, OTHER_TOWN, CENTRE)
HOMES = (WINDOW, MINISTRY, TOWN)

CLERK, EXAMINER, SECOND, APPROVER, OPERATOR = (
    OfficerId(name) for name in ("clerk", "examiner", "second", "approver", "operator")
)
STRANGER = OfficerId("stranger")

FILED = ((Step.FILE, CLERK),)
EXAMINED = (*FILED, (Step.EXAMINE, EXAMINER))
APPROVED = (*EXAMINED, (Step.APPROVE, APPROVER))
ISSUING = (*APPROVED, (Step.ISSUE, OPERATOR))

TWICE = (*EXAMINED, (Step.REEXAMINE, SECOND))
TWICE_APPROVED = (*TWICE, (Step.APPROVE, APPROVER))
TWICE_ISSUING = (*TWICE_APPROVED, (Step.ISSUE, OPERATOR))

# Every way in which a case can stand, with who has had it in hand.
ONE_EXAMINATION = (
    (None, ()),
    (State.FILED, FILED),
    (State.EXAMINED, EXAMINED),
    (State.APPROVED, APPROVED),
    (State.ISSUING, ISSUING),
    (State.ISSUED, ISSUING),
    (State.REJECTED, (*FILED, (Step.REJECT, EXAMINER))),
    (State.REJECTED, (*EXAMINED, (Step.REJECT, APPROVER))),
    (State.REJECTED, (*APPROVED, (Step.REJECT, OPERATOR))),
    (State.DELIVERED, (*ISSUING, (Step.HAND_OVER, CLERK))),
    (State.DISCARDED, (*ISSUING, (Step.DISCARD, CLERK))),
)
TWO_EXAMINATIONS = (
    (None, ()),
    (State.FILED, FILED),
    (State.EXAMINED, EXAMINED),
    (State.REEXAMINED, TWICE),
    (State.APPROVED, TWICE_APPROVED),
    (State.ISSUING, TWICE_ISSUING),
    (State.ISSUED, TWICE_ISSUING),
    (State.REJECTED, (*FILED, (Step.REJECT, EXAMINER))),
    (State.REJECTED, (*EXAMINED, (Step.REJECT, SECOND))),
    (State.REJECTED, (*TWICE, (Step.REJECT, APPROVER))),
    (State.REJECTED, (*TWICE_APPROVED, (Step.REJECT, OPERATOR))),
    (State.DELIVERED, (*TWICE_ISSUING, (Step.HAND_OVER, CLERK))),
    (State.DISCARDED, (*TWICE_ISSUING, (Step.DISCARD, CLERK))),
)
STANDINGS = [(home, *standing) for home in (WINDOW, MINISTRY) for standing in ONE_EXAMINATION] + [
    (TOWN, *standing) for standing in TWO_EXAMINATIONS
]

# The expectation, written apart from the product's table: step, state before, role, where, state after.
EVERYWHERE = {
    ("file", None): ("reception", "own", "filed"),
    ("examine", "filed"): ("examiner", "own", "examined"),
    ("issue", "approved"): ("operator", "centre", "issuing"),
    ("reject", "filed"): ("examiner", "own", "rejected"),
    ("reject", "approved"): ("operator", "centre", "rejected"),
    ("hand-over", "issued"): ("reception", "own", "delivered"),
    ("discard", "issued"): ("reception", "own", "discarded"),
}
ONCE = EVERYWHERE | {
    ("approve", "examined"): ("approver", "centre", "approved"),
    ("reject", "examined"): ("approver", "centre", "rejected"),
}
ALLOWED = {
    OfficeKind.WINDOW: ONCE,
    OfficeKind.MINISTRY: ONCE,
    OfficeKind.LOCAL_GOVERNMENT: EVERYWHERE
    | {
        ("re-examine", "examined"): ("centre-examiner", "centre", "reexamined"),
        ("reject", "examined"): ("centre-examiner", "centre", "rejected"),
        ("approve", "reexamined"): ("approver", "centre", "approved"),
        ("reject", "reexamined"): ("approver", "centre", "rejected"),
    },
}
CARRIED_OUT = {"hand-over", "discard"}  # these may be taken by who had the case in hand before


def case(state, steps, home=WINDOW):
    history = tuple(StepTaken(step, officer, AT) for step, officer in steps)
    return Case(ApplicationId("131016-000001"), home.id, state, history, home.kind)


def officer(office, *roles, name=STRANGER):
    return Officer(name, office.id, frozenset(roles))


def where(case_office, office):
    if office is CENTRE:
        return "centre"
    return "own" if office.id == case_office.id else "foreign"


def test_the_table_covers_every_step():
    assert set(RULES) == set(Step)
    assert all(RULES.values())


@pytest.mark.parametrize("home", HOMES, ids=lambda office: office.id)
@pytest.mark.parametrize("step", list(Step))
def test_every_combination_of_step_state_role_office_and_officer(step, home):
    tried = 0
    standings = [standing[1:] for standing in STANDINGS if standing[0] is home]
    for (state, steps), role, office in product(standings, Role, OFFICES):
        for name in (STRANGER, *(seen for _, seen in steps)):
            expected = ALLOWED[home.kind].get((step.value, state and state.value))
            someone = officer(office, role, name=name)
            subject = case(state, steps, home)
            tried += 1
            if expected is None:
                with pytest.raises(Conflict):
                    take(subject, step, someone, office, AT)
                assert step not in steps_open_to(subject, someone, office)
            elif expected[:2] == (role.value, where(home, office)) and (
                name == STRANGER or step.value in CARRIED_OUT
            ):
                after = take(subject, step, someone, office, AT, "as it is")
                assert after.state == expected[2]
                assert after.history == (*subject.history, StepTaken(step, name, AT, "as it is"))
                assert replace(after, state=state, history=subject.history) == subject
                assert step in steps_open_to(subject, someone, office)
            else:
                with pytest.raises(NotPermitted):
                    take(subject, step, someone, office, AT)
                assert step not in steps_open_to(subject, someone, office)
    seen_or_not = sum(1 + len(steps) for _, steps in standings)
    assert tried == len(Role) * len(OFFICES) * seen_or_not


@pytest.mark.parametrize("step", list(Step))
def test_no_pair_of_roles_opens_more_than_its_two_roles(step):
    """All role pairs: what two roles of one officer open is what either opens."""
    for (home, state, steps), office in product(STANDINGS, OFFICES):
        subject = case(state, steps, home)
        for first, second in product(Role, Role):
            both = step in steps_open_to(subject, officer(office, first, second), office)
            either = any(
                step in steps_open_to(subject, officer(office, role), office) for role in (first, second)
            )
            assert both == either


@pytest.mark.parametrize("kind", list(OfficeKind))
def test_which_roles_may_be_one_officers(kind):
    offices = {Role.RECEPTION, Role.EXAMINER}
    for roles in (frozenset(pair) for pair in product(Role, Role)):
        centre = kind is OfficeKind.CENTRE
        fitting = not roles & offices if centre else roles <= offices
        alone = Role.AUDITOR not in roles or len(roles) == 1
        if fitting and alone:
            require_roles(kind, roles)
        else:
            with pytest.raises(BadInput):
                require_roles(kind, roles)
    with pytest.raises(BadInput, match="none is given"):
        require_roles(kind, frozenset())


@pytest.mark.parametrize("step", list(Step))
def test_all_roles_do_not_help_where_the_office_is_wrong_and_no_role_helps_nobody(step):
    for home, state, steps in STANDINGS:
        expected = ALLOWED[home.kind].get((step.value, state and state.value))
        if expected is None:
            continue
        for office in OFFICES:
            almighty = officer(office, *Role)
            if where(home, office) == expected[1]:
                assert take(case(state, steps, home), step, almighty, office, AT).state == expected[2]
            else:
                with pytest.raises(NotPermitted, match="is not the"):
                    take(case(state, steps, home), step, almighty, office, AT)
            with pytest.raises(NotPermitted, match="has not the role"):
                take(case(state, steps, home), step, officer(office), office, AT)


def test_a_centres_own_case_goes_no_way():
    """The centre files nothing: there would be nobody to check it."""
    for step, rules in RULES.items():
        for rule in rules:
            assert OfficeKind.CENTRE not in rule.courses, step


def test_an_office_that_is_not_the_officers_own_does_not_count():
    with pytest.raises(NotPermitted, match="stranger is not of the office centre"):
        take(case(State.EXAMINED, EXAMINED), Step.APPROVE, officer(WINDOW, *Role), CENTRE, AT)


def test_a_refusal_says_where_the_case_stands_and_what_would_be_next():
    with pytest.raises(Conflict) as refusal:
        take(case(State.FILED, FILED), Step.ISSUE, officer(CENTRE, Role.OPERATOR), CENTRE, AT)
    assert str(refusal.value) == (
        "case 131016-000001: is filed; the step issue is not possible. Next would be: examine or reject"
    )
    with pytest.raises(Conflict, match=r"is issuing; the step file is not possible\. No officer's step"):
        take(case(State.ISSUING, ISSUING), Step.FILE, officer(WINDOW, Role.RECEPTION), WINDOW, AT)


def test_a_second_step_is_refused_by_name_of_officer_and_step():
    with pytest.raises(NotPermitted) as refusal:
        take(case(State.FILED, FILED), Step.EXAMINE, officer(WINDOW, *Role, name=CLERK), WINDOW, AT)
    assert str(refusal.value) == (
        "case 131016-000001: officer clerk has taken a step of it already (file). "
        "Another officer must examine it"
    )


@pytest.mark.parametrize(
    ("home", "state", "history", "steps"),
    [
        (WINDOW, None, (), (Step.FILE,)),
        (WINDOW, State.FILED, FILED, (Step.EXAMINE, Step.REJECT)),
        (WINDOW, State.EXAMINED, EXAMINED, (Step.APPROVE, Step.REJECT)),
        (MINISTRY, State.EXAMINED, EXAMINED, (Step.APPROVE, Step.REJECT)),
        (TOWN, State.EXAMINED, EXAMINED, (Step.REEXAMINE, Step.REJECT)),
        (TOWN, State.REEXAMINED, TWICE, (Step.APPROVE, Step.REJECT)),
        (WINDOW, State.APPROVED, APPROVED, (Step.ISSUE, Step.REJECT)),
        (WINDOW, State.ISSUING, ISSUING, ()),
        (WINDOW, State.ISSUED, ISSUING, (Step.HAND_OVER, Step.DISCARD)),
        (WINDOW, State.DELIVERED, (*ISSUING, (Step.HAND_OVER, CLERK)), ()),
        (WINDOW, State.REJECTED, (*FILED, (Step.REJECT, EXAMINER)), ()),
    ],
)
def test_next_steps(home, state, history, steps):
    assert next_steps(case(state, history, home)) == steps


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (State.FILED, ()),
        (State.EXAMINED, FILED),
        (State.APPROVED, EXAMINED),
        (State.ISSUED, APPROVED),
        (State.FILED, EXAMINED),
        (None, FILED),
        (State.ISSUING, ((Step.ISSUE, OPERATOR),)),
        (State.REJECTED, (*ISSUING, (Step.REJECT, OPERATOR))),
        (State.EXAMINED, (*FILED, (Step.FILE, EXAMINER))),
        (State.DELIVERED, (*APPROVED, (Step.HAND_OVER, CLERK))),
        (State.ISSUED, (*ISSUING, (Step.HAND_OVER, CLERK))),
        (State.REEXAMINED, TWICE),  # at a window nobody examines again
    ],
)
def test_a_case_whose_steps_do_not_lead_to_its_state_cannot_be_held(state, steps):
    with pytest.raises(Conflict):
        case(state, steps)


@pytest.mark.parametrize("state_and_steps", STANDINGS)
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("office", OFFICES, ids=lambda office: office.id)
def test_an_issuance_is_resumed_by_who_began_it_or_by_an_operator_new_to_the_case(
    state_and_steps, role, office
):
    home, state, steps = state_and_steps
    subject = case(state, steps, home)
    for name in (STRANGER, *(seen for _, seen in steps)):
        someone = officer(office, role, name=name)
        if state is not State.ISSUING:
            with pytest.raises(Conflict, match="no issuance to resume"):
                resume(subject, someone, office)
        elif role is Role.OPERATOR and office is CENTRE and name in {STRANGER, OPERATOR}:
            assert resume(subject, someone, office) == subject
        else:
            with pytest.raises(NotPermitted):
                resume(subject, someone, office)


@pytest.mark.parametrize(("home", "state", "steps"), STANDINGS)
def test_only_the_signing_cycle_of_an_issuing_case_completes_it(home, state, steps):
    subject = case(state, steps, home)
    if state is State.ISSUING:
        assert issued(subject) == replace(subject, state=State.ISSUED)
    else:
        with pytest.raises(Conflict, match="not in the signing cycle"):
            issued(subject)


STAFF = [
    Officer(OfficerId(f"{office.id}-{number}"), office.id, frozenset(Role))
    for office in OFFICES
    for number in range(3)
]
BY_ID = {office.id: office for office in OFFICES}


@given(
    st.sampled_from(HOMES),
    st.lists(st.tuples(st.sampled_from(Step), st.sampled_from(STAFF)), max_size=60),
)
def test_whatever_is_tried_no_officer_decides_twice_and_the_centre_has_examined_what_is_issued(
    home, attempts
):
    subject = case(None, (), home)
    for number, (step, someone) in enumerate(attempts):
        before = subject
        try:
            subject = take(subject, step, someone, BY_ID[someone.office], AT + timedelta(seconds=number))
        except (Conflict, NotPermitted):
            continue
        assert subject.history[:-1] == before.history
        officers = [taken.officer for taken in subject.history if taken.step in DECIDING]
        assert len(set(officers)) == len(officers)
        if subject.state is State.ISSUING:
            own, centre = (home.id, home.id), ("centre",) * (3 if home is TOWN else 2)
            assert tuple(name.rpartition("-")[0] for name in officers) == own + centre
