from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import Conflict, NotPermitted
from ca.model import ApplicationId, Office, OfficeId, OfficeKind, Officer, OfficerId, Role
from ca.rules.registration import RULES, Case, State, Step, StepTaken, issued, next_steps, resume, take

AT = datetime(2014, 9, 1, tzinfo=UTC)

WINDOW = Office(OfficeId("131016"), OfficeKind.WINDOW, "Chiyoda-ku", ())
OTHER_WINDOW = Office(OfficeId("131024"), OfficeKind.WINDOW, "Chuo-ku", ())
MINISTRY = Office(OfficeId("soumu"), OfficeKind.MINISTRY, "a ministry", ())
OTHER_MINISTRY = Office(OfficeId("zaimu"), OfficeKind.MINISTRY, "another ministry", ())
CENTRE = Office(OfficeId("centre"), OfficeKind.CENTRE, "the centre", ())
OFFICES = (WINDOW, OTHER_WINDOW, MINISTRY, OTHER_MINISTRY, CENTRE)

CLERK, EXAMINER, APPROVER, OPERATOR = (
    OfficerId(name) for name in ("clerk", "examiner", "approver", "operator")
)
STRANGER = OfficerId("stranger")

FILED = ((Step.FILE, CLERK),)
EXAMINED = (*FILED, (Step.EXAMINE, EXAMINER))
APPROVED = (*EXAMINED, (Step.APPROVE, APPROVER))
ISSUING = (*APPROVED, (Step.ISSUE, OPERATOR))

# Every way in which a case can stand, with who has had it in hand.
STANDINGS = (
    (None, ()),
    (State.FILED, FILED),
    (State.EXAMINED, EXAMINED),
    (State.APPROVED, APPROVED),
    (State.ISSUING, ISSUING),
    (State.ISSUED, ISSUING),
    (State.REJECTED, (*FILED, (Step.REJECT, EXAMINER))),
    (State.REJECTED, (*EXAMINED, (Step.REJECT, APPROVER))),
    (State.REJECTED, (*APPROVED, (Step.REJECT, OPERATOR))),
)

# The expectation, written apart from the product's table: step, state before, role, where, state after.
ALLOWED = {
    ("file", None): ("reception", "own", "filed"),
    ("examine", "filed"): ("examiner", "own", "examined"),
    ("approve", "examined"): ("approver", "centre", "approved"),
    ("issue", "approved"): ("operator", "centre", "issuing"),
    ("reject", "filed"): ("examiner", "own", "rejected"),
    ("reject", "examined"): ("approver", "centre", "rejected"),
    ("reject", "approved"): ("operator", "centre", "rejected"),
}


def case(state, steps, office=WINDOW.id):
    history = tuple(StepTaken(step, officer, AT) for step, officer in steps)
    return Case(ApplicationId("131016-000001"), office, state, history)


def officer(office, *roles, name=STRANGER):
    return Officer(name, office.id, frozenset(roles))


def where(case_office, office):
    if office is CENTRE:
        return "centre"
    return "own" if office.id == case_office.id else "foreign"


def test_the_table_covers_every_step():
    assert set(RULES) == set(Step)
    assert all(RULES.values())


@pytest.mark.parametrize("home", [WINDOW, MINISTRY, CENTRE], ids=lambda office: office.id)
@pytest.mark.parametrize("step", list(Step))
def test_every_combination_of_step_state_role_office_and_officer(step, home):
    tried = 0
    for (state, steps), role, office in product(STANDINGS, Role, OFFICES):
        for name in (STRANGER, *(seen for _, seen in steps)):
            expected = ALLOWED.get((step.value, state and state.value))
            someone = officer(office, role, name=name)
            subject = case(state, steps, home.id)
            tried += 1
            if expected is None:
                with pytest.raises(Conflict):
                    take(subject, step, someone, office, AT)
            elif expected[:2] == (role.value, where(home, office)) and name == STRANGER:
                after = take(subject, step, someone, office, AT)
                assert after.state == expected[2]
                assert after.history == (*subject.history, StepTaken(step, name, AT))
                assert replace(after, state=state, history=subject.history) == subject
            else:
                with pytest.raises(NotPermitted):
                    take(subject, step, someone, office, AT)
    seen_or_not = sum(1 + len(steps) for _, steps in STANDINGS)
    assert tried == len(Role) * len(OFFICES) * seen_or_not


@pytest.mark.parametrize("step", list(Step))
def test_all_roles_do_not_help_where_the_office_is_wrong_and_no_role_helps_nobody(step):
    for state, steps in STANDINGS:
        expected = ALLOWED.get((step.value, state and state.value))
        if expected is None:
            continue
        for office in OFFICES:
            almighty = officer(office, *Role)
            if where(WINDOW, office) == expected[1]:
                assert take(case(state, steps), step, almighty, office, AT).state == expected[2]
            else:
                with pytest.raises(NotPermitted, match="is not the"):
                    take(case(state, steps), step, almighty, office, AT)
            with pytest.raises(NotPermitted, match="has not the role"):
                take(case(state, steps), step, officer(office), office, AT)


def test_an_office_that_is_not_the_officers_own_does_not_count():
    with pytest.raises(NotPermitted, match="stranger is not of the office centre"):
        take(case(State.EXAMINED, EXAMINED), Step.APPROVE, officer(WINDOW, *Role), CENTRE, AT)


def test_a_refusal_says_where_the_case_stands_and_what_would_be_next():
    with pytest.raises(Conflict) as refusal:
        take(case(State.FILED, FILED), Step.ISSUE, officer(CENTRE, Role.OPERATOR), CENTRE, AT)
    assert str(refusal.value) == (
        "case 131016-000001: is filed; the step issue is not possible. Next would be: examine or reject"
    )
    with pytest.raises(Conflict, match=r"is issued; the step file is not possible\. No officer's step"):
        take(case(State.ISSUED, ISSUING), Step.FILE, officer(WINDOW, Role.RECEPTION), WINDOW, AT)


def test_a_second_step_is_refused_by_name_of_officer_and_step():
    with pytest.raises(NotPermitted) as refusal:
        take(case(State.FILED, FILED), Step.EXAMINE, officer(WINDOW, *Role, name=CLERK), WINDOW, AT)
    assert str(refusal.value) == (
        "case 131016-000001: officer clerk has taken a step of it already (file). "
        "Another officer must examine it"
    )


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (None, (Step.FILE,)),
        (State.FILED, (Step.EXAMINE, Step.REJECT)),
        (State.EXAMINED, (Step.APPROVE, Step.REJECT)),
        (State.APPROVED, (Step.ISSUE, Step.REJECT)),
        (State.ISSUING, ()),
        (State.ISSUED, ()),
        (State.REJECTED, ()),
    ],
)
def test_next_steps(state, steps):
    assert next_steps(state) == steps


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
    state, steps = state_and_steps
    subject = case(state, steps)
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


@pytest.mark.parametrize(("state", "steps"), STANDINGS)
def test_only_the_signing_cycle_of_an_issuing_case_completes_it(state, steps):
    subject = case(state, steps)
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
    st.sampled_from([WINDOW, MINISTRY]),
    st.lists(st.tuples(st.sampled_from(Step), st.sampled_from(STAFF)), max_size=60),
)
def test_whatever_is_tried_no_officer_acts_twice_and_the_centre_has_examined_what_is_issued(home, attempts):
    subject = case(None, (), home.id)
    for number, (step, someone) in enumerate(attempts):
        before = subject
        try:
            subject = take(subject, step, someone, BY_ID[someone.office], AT + timedelta(seconds=number))
        except (Conflict, NotPermitted):
            continue
        assert subject.history[:-1] == before.history
        officers = [taken.officer for taken in subject.history]
        assert len(set(officers)) == len(officers)
        if subject.state is State.ISSUING:
            assert [name.rsplit("-")[0] for name in officers] == [home.id, home.id, "centre", "centre"]
