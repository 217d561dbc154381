from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import BadInput, Conflict
from ca.model import AuthorityId, CertificateKind, GenerationId
from ca.rules.generations import (
    MAY_ISSUE,
    MAY_SIGN_STATUS,
    RULES,
    Hand,
    Keys,
    Known,
    Life,
    State,
    Step,
    missing_steps,
    newest_step,
    next_step,
    step_back,
    take,
)

AT = datetime(2014, 9, 1, tzinfo=UTC)
JPKI = AuthorityId("jpki-13")
FIRST, SECOND, THIRD, FOURTH = (GenerationId(JPKI, number) for number in (1, 2, 3, 4))
NOTHING = Known()

# The expectation, written apart from the product's table: each course as a line of steps and the states they lead to.
FOUNDING = (
    ("plan", "planned"),
    ("make-key", "made"),
    ("new-with-new", "self-signed"),
    ("serve-status", "served"),
    ("renew-crosses", "crossed"),
    ("cut-over", "active"),
)
SUCCEEDING = (
    ("plan", "planned"),
    ("make-key", "made"),
    ("new-with-new", "self-signed"),
    ("new-with-old", "linked forward"),
    ("old-with-new", "linked"),
    ("serve-status", "served"),
    ("renew-crosses", "crossed"),
    ("cut-over", "active"),
)
COURSES = {FIRST: FOUNDING, SECOND: SUCCEEDING}
COMING = [state for _, state in SUCCEEDING[:-1]]


def standing(generation, state):
    """An authority whose key stands so, with what must then stand beside it."""
    if generation == FIRST:
        if state in {"status only", "retired"}:
            return Keys(JPKI, (Life(FIRST, State(state)), Life(SECOND, State.ACTIVE)))
        return Keys(JPKI, () if state is None else (Life(FIRST, State(state)),))
    if state is None:
        return Keys(JPKI, (Life(FIRST, State.ACTIVE),))
    if state in {"status only", "retired"}:
        lives = (Life(FIRST, State.RETIRED), Life(SECOND, State(state)), Life(THIRD, State.ACTIVE))
        return Keys(JPKI, lives)
    before = State.ACTIVE if state in {*COMING, "discarded"} else State.STATUS_ONLY
    return Keys(JPKI, (Life(FIRST, before), Life(SECOND, State(state))))


def states_of(generation):
    ended = ["status only", "retired"] if generation == FIRST else ["status only", "retired", "discarded"]
    return [None, *(state for _, state in COURSES[generation]), *ended]


EVERYTHING = [
    (generation, state, step)
    for generation in COURSES
    for state, step in product(states_of(generation), [step.value for step in Step])
]


def expected_after(generation, state, step):
    line = COURSES[generation]
    before = [None, *(after for _, after in line)]
    for index, (taken, after) in enumerate(line):
        if taken == step and before[index] == state:
            return after
    if step == "discard" and generation != FIRST and state in {None, *COMING}:
        return "discarded"
    return "retired" if (state, step) == ("status only", "retire") else None


@pytest.mark.parametrize(("generation", "state", "step"), EVERYTHING, ids=str)
def test_every_step_in_every_state(generation, state, step):
    keys, after = standing(generation, state), expected_after(generation, state, step)
    if after is None:
        with pytest.raises(Conflict):
            take(keys, Step(step), generation, NOTHING, AT)
        return
    taken = take(keys, Step(step), generation, NOTHING, AT)
    assert taken.life(generation).state == after
    assert taken.history[-1].step == step
    assert (next_step(keys, generation) == step) == (step != "discard"), "to discard is on no key's way"


@pytest.mark.parametrize(("generation", "line"), COURSES.items(), ids=str)
def test_what_is_missing_is_said(generation, line):
    states = [None, *(state for _, state in line)]
    for here, there in product(range(len(line)), range(len(line))):
        if there <= here:
            continue
        between = tuple(step for step, _ in line[here:there])
        keys, step = standing(generation, states[here]), Step(line[there][0])
        assert missing_steps(keys.life(generation), step, generation) == between
        with pytest.raises(Conflict) as refused:
            take(keys, step, generation, NOTHING, AT)
        assert refused.value.problem.endswith(f"for {step} it lacks {', '.join(between)}")
        assert refused.value.clause == "RFC 4210 4.4"


def test_a_first_key_has_no_links():
    for step in (Step.NEW_WITH_OLD, Step.OLD_WITH_NEW):
        for state in states_of(FIRST):
            with pytest.raises(Conflict):
                take(standing(FIRST, state), step, FIRST, NOTHING, AT)


def test_whose_key_signs_what():
    assert {step: {rule.hand for rule in rules} for step, rules in RULES.items()} == {
        Step.PLAN: {None},
        Step.MAKE_KEY: {None},
        Step.NEW_WITH_NEW: {Hand.NEW},
        Step.NEW_WITH_OLD: {Hand.OLD},
        Step.OLD_WITH_NEW: {Hand.NEW},
        Step.SERVE_STATUS: {Hand.NEW},
        Step.RENEW_CROSSES: {Hand.SUPERIOR},
        Step.CUT_OVER: {None},
        Step.RETIRE: {None},
        Step.DISCARD: {None},
    }


NEEDS = [
    ("linked", Step.SERVE_STATUS, Known(unserved=frozenset({"responder"})), "responder"),
    ("served", Step.RENEW_CROSSES, Known(uncrossed=frozenset({AuthorityId("gpki-bca")})), "gpki-bca"),
    ("crossed", Step.CUT_OVER, Known(uncrossed=frozenset({AuthorityId("gpki-bca")})), "gpki-bca"),
    ("crossed", Step.CUT_OVER, Known(unserved=frozenset({"place of lists"})), "place of lists"),
    (
        "status only",
        Step.RETIRE,
        Known(valid={CertificateKind.SIGNATURE: 2, CertificateKind.CROSS: 1, CertificateKind.REPOSITORY: 0}),
        "3 certificates that it issued are still valid, and need its lists: 1 cross, 2 signature",
    ),
    ("linked", Step.DISCARD, Known(issued=2), "has issued 2 certificates; it cannot be discarded"),
]


@pytest.mark.parametrize(("state", "step", "known", "words"), NEEDS)
def test_what_a_step_needs_besides_its_turn(state, step, known, words):
    keys = standing(SECOND, state)
    with pytest.raises(Conflict, match=words):
        take(keys, step, SECOND, known, AT)
    assert take(keys, step, SECOND, NOTHING, AT) != keys


@pytest.mark.parametrize(
    ("generation", "index"),
    [(g, i) for g in COURSES for i in range(len(COURSES[g])) if (g, COURSES[g][i][1]) != (FIRST, "active")],
)
def test_each_step_can_be_taken_back_while_nothing_was_issued(generation, index):
    line = COURSES[generation]
    keys = standing(generation, None if index == 0 else line[index - 1][1])
    there = take(keys, Step(line[index][0]), generation, NOTHING, AT)
    back = step_back(there, generation, NOTHING, AT)
    assert back.lives == keys.lives
    assert [(one.step, one.back) for one in back.history] == [(line[index][0], False), (line[index][0], True)]
    with pytest.raises(Conflict, match="has issued 1 certificates"):
        step_back(there, generation, Known(issued=1), AT)


BACK_REFUSED = [
    (Keys(JPKI), FIRST, "not the newest"),
    (standing(SECOND, "planned"), FIRST, "not the newest"),
    (standing(FIRST, "status only"), FIRST, "not the newest"),
    (
        Keys(JPKI, (Life(FIRST, State.RETIRED), Life(SECOND, State.ACTIVE))),
        SECOND,
        "no predecessor that could",
    ),
    (standing(FIRST, "active"), FIRST, "no predecessor that could"),
    (standing(SECOND, "discarded"), FIRST, "no predecessor that could"),
    (standing(SECOND, "discarded"), SECOND, "not the newest"),
]


@pytest.mark.parametrize(("keys", "generation", "words"), BACK_REFUSED)
def test_what_cannot_be_taken_back(keys, generation, words):
    with pytest.raises(Conflict, match=words):
        step_back(keys, generation, NOTHING, AT)


def test_a_cut_over_ends_the_old_keys_issuing_and_taking_it_back_gives_it_back():
    before = standing(SECOND, "crossed")
    after = take(before, Step.CUT_OVER, SECOND, NOTHING, AT)
    assert [life.state for life in after.lives] == [State.STATUS_ONLY, State.ACTIVE]
    assert (before.issuing.generation, after.issuing.generation) == (FIRST, SECOND)
    assert step_back(after, SECOND, NOTHING, AT).issuing.generation == FIRST


WRONG_TURNS = [
    (Keys(JPKI), Step.PLAN, SECOND, AT, "does not follow"),
    (standing(SECOND, "linked"), Step.PLAN, THIRD, AT, "while jpki-13.g2 is not active"),
    (standing(SECOND, "linked"), Step.DISCARD, THIRD, AT, "while jpki-13.g2 is not active"),
    (standing(SECOND, "discarded"), Step.PLAN, FOURTH, AT, "does not follow the 2 generations"),
    (Keys(JPKI), Step.PLAN, GenerationId(AuthorityId("jpki-14"), 1), AT, "not a key of jpki-13"),
    (
        take(Keys(JPKI), Step.PLAN, FIRST, NOTHING, AT),
        Step.MAKE_KEY,
        FIRST,
        AT - timedelta(seconds=1),
        "make-key at 2014-08-31T23:59:59Z would lie before plan of jpki-13.g1, which was taken at 2014-09-01T00:00:00Z",
    ),
]


@pytest.mark.parametrize(("keys", "step", "generation", "at", "words"), WRONG_TURNS)
def test_a_step_out_of_turn(keys, step, generation, at, words):
    with pytest.raises(Conflict, match=words):
        take(keys, step, generation, NOTHING, at)


IMPOSSIBLE = [
    (Life(SECOND, State.ACTIVE),),
    (Life(FIRST, State.ACTIVE), Life(SECOND, State.ACTIVE)),
    (Life(FIRST, State.STATUS_ONLY), Life(SECOND, State.LINKED)),
    (Life(FIRST, State.MADE), Life(SECOND, State.MADE)),
    (Life(FIRST, State.ACTIVE), Life(SECOND, State.STATUS_ONLY), Life(THIRD, State.ACTIVE)),
    (Life(FIRST, State.DISCARDED),),
    (Life(FIRST, State.ACTIVE), Life(SECOND, State.DISCARDED), Life(THIRD, State.ACTIVE)),
    (Life(FIRST, State.STATUS_ONLY), Life(SECOND, State.DISCARDED), Life(THIRD, State.LINKED)),
]


@pytest.mark.parametrize("lives", IMPOSSIBLE)
def test_keys_that_cannot_stand_so(lives):
    with pytest.raises(Conflict):
        Keys(JPKI, lives)


@pytest.mark.parametrize("wrong", [{"issued": -1}, {"valid": {CertificateKind.CROSS: -1}}])
def test_numbers_below_zero(wrong):
    with pytest.raises(BadInput):
        Known(**wrong)


@given(st.lists(st.tuples(st.sampled_from([*Step, None]), st.sampled_from([FIRST, SECOND, THIRD, FOURTH]))))
def test_whatever_is_tried_one_key_issues_and_time_goes_on(tried):
    keys = standing(SECOND, "served")
    for index, (step, generation) in enumerate(tried):
        at, before = AT + timedelta(days=index), keys
        try:
            if step is None:
                keys = step_back(keys, generation, NOTHING, at)
            else:
                keys = take(keys, step, generation, NOTHING, at)
        except Conflict:
            assert keys is before
            continue
        assert len([life for life in keys.lives if life.state in MAY_ISSUE]) == 1
        assert len(keys.history) == len(before.history) + 1
        assert all(life.state in MAY_SIGN_STATUS | {State.RETIRED} for life in keys.kept[:-1])
        for ended in (State.RETIRED, State.DISCARDED):
            gone = {life.generation for life in before.lives if life.state is ended}
            assert gone <= {life.generation for life in keys.lives if life.state is ended}, "for good"


# A walk that gets far: the next step, one back, or the end of the key that is on its way.
MOVES = st.lists(st.sampled_from(["on", "on", "on", "on", "on", "back", "discard"]), max_size=60)


@given(MOVES)
def test_keys_that_were_discarded_are_followed_by_others(moves):
    """Against a model of its own: a stack of steps for the key on its way, and the keys that issued before it."""
    keys, issued, number, stack = standing(SECOND, None), [FIRST], 2, []
    for move in moves:
        generation = GenerationId(JPKI, number)
        assert (keys.next_generation == generation) == (not stack)
        assert (keys.predecessor(generation), keys.successor(issued[-1])) == (issued[-1], generation)
        line = [step for step, _ in SUCCEEDING]
        if move == "on":
            step = line[len(stack)]
            keys = take(keys, Step(step), generation, NOTHING, AT)
            stack.append(step)
        elif move == "back" and stack:
            keys = step_back(keys, generation, NOTHING, AT)
            assert keys.history[-1].step == stack.pop()
        elif move == "discard":
            keys = take(keys, Step.DISCARD, generation, NOTHING, AT)
            assert (keys.life(generation).state, next_step(keys, generation)) == (State.DISCARDED, None)
            assert not keys.makes_lists(generation)
            number, stack = number + 1, []
            continue
        assert newest_step(keys, generation) == (stack[-1] if stack else None)
        since = [one.step for one in keys.history if one.generation == generation]
        planned = len(since) - since[::-1].index("plan") if stack else 0
        assert keys.makes_lists(generation) == (bool(stack) and "serve-status" in since[planned:])
        if len(stack) == len(line):
            issued.append(generation)
            number, stack = number + 1, []
    assert keys.issuing.generation == issued[-1]
    old = {one.generation for one in keys.lives if one.state is State.STATUS_ONLY}
    assert old == set(issued[:-1])
    assert [keys.predecessor(one) for one in issued] == [None, *issued[:-1]]


def test_a_key_before_a_discarded_one_keeps_its_number():
    """Taken back as far as its plan, it would leave a gap that the next plan fell into."""
    keys = Keys(
        JPKI, (Life(FIRST, State.STATUS_ONLY), Life(SECOND, State.ACTIVE), Life(THIRD, State.DISCARDED))
    )
    while keys.life(SECOND).state is not State.PLANNED:
        keys = step_back(keys, SECOND, NOTHING, AT)
    with pytest.raises(Conflict, match="its plan cannot be taken back"):
        step_back(keys, SECOND, NOTHING, AT)
    keys = take(keys, Step.DISCARD, SECOND, NOTHING, AT)
    assert keys.issuing.generation == FIRST
    assert keys.next_generation == FOURTH
    assert keys.predecessor(FOURTH) == FIRST


@given(st.data())
def test_from_every_state_next_steps_lead_to_the_end(data):
    state = data.draw(st.sampled_from([None, *COMING]))
    keys = standing(SECOND, state)
    while (step := next_step(keys, SECOND)) is not None:
        keys = take(keys, step, SECOND, NOTHING, AT)
    assert keys.issuing.generation == SECOND
    assert take(keys, Step.RETIRE, FIRST, NOTHING, AT).lives[0].state is State.RETIRED
