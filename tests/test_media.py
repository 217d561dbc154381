"""Key media: the table of their life, and what becomes of cases and certificates with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from bridge.crossing.edition import edition_text, municipalities_path, read_edition
from ca.errors import BadInput, Conflict, KakehashiError, NotFound, NotPermitted
from ca.journal.entries import RevocationEntry
from ca.model import LocalHolder, Office, OfficeId, OfficeKind, Officer, OfficerId, RevocationReason, Role
from ca.revoking.deciding import abolition
from ca.revoking.deciding import custody as deeds
from ca.revoking.deciding.local_delivery import discard, hand_over
from ca.rules.custody import (
    CUSTODY,
    Medium,
    MediumState,
    MediumStep,
    MediumStepTaken,
    medium_id,
    steps_open_to,
    take,
)
from ca.rules.registration import State, Step
from ca.store import applications, lives, media, tables
from ca.store.abolitions import Why
from tests import commands
from tests.local_world import ENCRYPTION, POST, USER, LocalWorld, local_world
from tests.national_world import LOCAL, WINDOWS

AT = datetime(2016, 2, 1, tzinfo=UTC)
TOWN = Office(OfficeId("local-2"), OfficeKind.LOCAL_GOVERNMENT, "a town", ())
OTHER = Office(OfficeId("local-1"), OfficeKind.LOCAL_GOVERNMENT, "another town", ())
CENTRE = Office(OfficeId("centre"), OfficeKind.CENTRE, "the centre", ())
WINDOW = Office(OfficeId("131016"), OfficeKind.WINDOW, "a window", ())
COMPROMISE, SUPERSEDED = RevocationReason.KEY_COMPROMISE, RevocationReason.SUPERSEDED

CLERK = Officer(OfficerId("clerk"), TOWN.id, frozenset({Role.RECEPTION}))
EXAMINER = Officer(OfficerId("examiner"), TOWN.id, frozenset({Role.EXAMINER}))
BOTH = Officer(OfficerId("both"), TOWN.id, frozenset({Role.RECEPTION, Role.EXAMINER}))


@pytest.fixture
def local(tmp_path) -> Iterator[LocalWorld]:
    with local_world(tmp_path) as made:
        yield made


# The table


WAYS = {
    None: (),
    MediumState.KEPT: (MediumStep.REGISTER,),
    MediumState.ASSIGNED: (MediumStep.REGISTER, MediumStep.ASSIGN),
    MediumState.HELD: (MediumStep.REGISTER, MediumStep.ASSIGN, MediumStep.HAND_OUT),
    MediumState.RETURNED: (
        MediumStep.REGISTER, MediumStep.ASSIGN, MediumStep.HAND_OUT, MediumStep.TAKE_BACK,
    ),
    MediumState.LOST: (MediumStep.REGISTER, MediumStep.LOSE),
    MediumState.DESTROYED: (MediumStep.REGISTER, MediumStep.DESTROY),
}  # fmt: skip
"""How each state is come to."""

POSSIBLE = {
    (None, "register"): "kept",
    ("kept", "assign"): "assigned",
    ("kept", "lose"): "lost",
    ("kept", "destroy"): "destroyed",
    ("assigned", "hand-out"): "held",
    ("assigned", "take-back"): "returned",
    ("assigned", "lose"): "lost",
    ("held", "take-back"): "returned",
    ("held", "lose"): "lost",
    ("returned", "assign"): "assigned",
    ("returned", "lose"): "lost",
    ("returned", "destroy"): "destroyed",
    ("lost", "destroy"): "destroyed",
}
"""Every step that there is, said a second time and in another way."""


def medium_in(state: MediumState | None) -> Medium:
    history = tuple(
        MediumStepTaken(step, OfficerId("somebody"), AT, "local-2-000001") for step in WAYS[state]
    )
    return Medium("CARD-1000", TOWN.id, state, history)


def test_every_state_is_come_to() -> None:
    assert WAYS.keys() == {None, *MediumState}


@pytest.mark.parametrize(("state", "step"), list(product(WAYS, MediumStep)))
def test_the_table_over_all_states_and_steps(state, step) -> None:
    wanted = POSSIBLE.get((state, step))
    if wanted is None:
        with pytest.raises(Conflict):
            take(medium_in(state), step, BOTH, TOWN, AT)
    else:
        after = take(medium_in(state), step, BOTH, TOWN, AT, "a note")
        assert after.state == wanted
        assert after.history[-1] == MediumStepTaken(step, BOTH.id, AT, "a note")


@pytest.mark.parametrize(("step", "role"), list(product(MediumStep, Role)))
def test_the_table_over_all_roles(step, role) -> None:
    """Reception has media in its hands, an examiner sees to their destruction, and anybody of the office reports."""
    may = {
        MediumStep.REGISTER: {Role.RECEPTION, Role.EXAMINER},
        MediumStep.LOSE: {Role.RECEPTION, Role.EXAMINER},
        MediumStep.DESTROY: {Role.EXAMINER},
    }.get(step, {Role.RECEPTION})
    officer = Officer(OfficerId("one"), TOWN.id, frozenset({role}))
    before = next(state for state in WAYS if state in CUSTODY[step].before)
    if role in may:
        assert step in steps_open_to(medium_in(before), officer, TOWN)
        take(medium_in(before), step, officer, TOWN, AT)
    else:
        assert step not in steps_open_to(medium_in(before), officer, TOWN)
        with pytest.raises(NotPermitted):
            take(medium_in(before), step, officer, TOWN, AT)


@pytest.mark.parametrize(("office", "step"), list(product((OTHER, CENTRE, WINDOW), MediumStep)))
def test_no_other_office_takes_a_step(office, step) -> None:
    stranger = Officer(OfficerId("stranger"), office.id, frozenset(Role))
    before = next(state for state in WAYS if state in CUSTODY[step].before)
    assert steps_open_to(medium_in(before), stranger, office) == ()
    with pytest.raises(NotPermitted):
        take(medium_in(before), step, stranger, office, AT)
    with pytest.raises(NotPermitted):  # nor one who says to be of this one
        take(medium_in(before), step, stranger, TOWN, AT)


def test_windows_have_no_media() -> None:
    clerk = Officer(OfficerId("clerk"), WINDOW.id, frozenset({Role.RECEPTION}))
    with pytest.raises(NotPermitted, match="not a local government's"):
        take(Medium("CARD-1000", WINDOW.id), MediumStep.REGISTER, clerk, WINDOW, AT)


def test_nobody_destroys_alone_what_passed_through_the_own_hands_last() -> None:
    kept = take(Medium("CARD-1000", TOWN.id), MediumStep.REGISTER, BOTH, TOWN, AT)
    with pytest.raises(NotPermitted, match="took its last step"):
        take(kept, MediumStep.DESTROY, BOTH, TOWN, AT)
    assert take(kept, MediumStep.DESTROY, EXAMINER, TOWN, AT).state is MediumState.DESTROYED


@given(st.lists(st.tuples(st.sampled_from(MediumStep), st.sampled_from((CLERK, EXAMINER, BOTH)))))
def test_a_life_of_any_steps(tried) -> None:
    """Whatever is tried: what is refused changes nothing, the history tells the state, and an end is an end."""
    medium = Medium("CARD-1000", TOWN.id)
    for number, (step, officer) in enumerate(tried):
        before, offered = medium, steps_open_to(medium, officer, TOWN)
        try:
            medium = take(medium, step, officer, TOWN, AT + timedelta(minutes=number), f"case-{number}")
        except (Conflict, NotPermitted):
            assert step not in offered
            assert medium == before
            continue
        assert step in offered
        assert medium == Medium(medium.id, medium.office, medium.state, medium.history)
        assert medium.history[:-1] == before.history
        assert before.state is not MediumState.DESTROYED
        if before.state is MediumState.LOST:
            assert medium.state is MediumState.DESTROYED
        if medium.state is MediumState.HELD:
            assert before.state is MediumState.ASSIGNED
            assert medium.case == before.case is not None
        if medium.state is MediumState.DESTROYED:
            assert len({taken.officer for taken in medium.history}) > 1
        assert set(before.cases) <= set(medium.cases)


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (MediumState.KEPT, ()),
        (MediumState.HELD, (MediumStep.REGISTER,)),
        (MediumState.HELD, (MediumStep.REGISTER, MediumStep.HAND_OUT)),
        (MediumState.KEPT, (MediumStep.REGISTER, MediumStep.LOSE)),
    ],
)
def test_a_history_that_does_not_lead_to_the_state_is_refused(state, steps) -> None:
    history = tuple(MediumStepTaken(step, CLERK.id, AT) for step in steps)
    with pytest.raises(Conflict):
        Medium("CARD-1000", TOWN.id, state, history)


@pytest.mark.parametrize("text", ["card-1000", " CARD-1000 ", "abcd", "1" * 20])
def test_numbers_of_media(text) -> None:
    assert medium_id(text) == text.strip().upper()


@pytest.mark.parametrize(
    "text", ["", "abc", "-abcd", "abcd-", "ab cd", "カード1000", "1" * 21, "a/../b", "ab\ncd"]
)
def test_what_is_no_number(text) -> None:
    with pytest.raises(BadInput):
        medium_id(text)


# With cases and certificates


def test_a_medium_goes_out_with_its_case_and_comes_back(local) -> None:
    case, number = local.delivered()
    assert (local.seen(number).state, local.state(case)) == (MediumState.HELD, State.DELIVERED)
    assert [taken.step for taken in local.seen(number).history] == ["register", "assign", "hand-out"]
    deeds.take_back(local.stores, number, "uke", at=local.at)
    assert local.ends(case) == {None}, "a return ends nothing by itself"
    with pytest.raises(Conflict, match="still good"):
        deeds.destroy(local.stores, number, "shin", at=local.at)
    local.passes(days=365 * 12)  # expired: nothing is good any more
    assert deeds.destroy(local.stores, number, "shin", at=local.at).state is MediumState.DESTROYED


@pytest.mark.parametrize("kind", [POST, USER])
def test_nothing_is_handed_over_without_its_medium(local, kind) -> None:
    case = local.issued(kind)
    with pytest.raises(Conflict, match="no key medium"):
        hand_over(local.stores, case, "uke", at=local.at)
    assert local.state(case) is State.ISSUED
    number = local.medium(assigned=case)
    assert hand_over(local.stores, case, "uke", at=local.at).ended == ()
    assert local.seen(number).state is MediumState.HELD
    with pytest.raises(Conflict):
        hand_over(local.stores, case, "uke", at=local.at)


def test_an_encryption_key_may_lie_elsewhere(local) -> None:
    case = local.issued(ENCRYPTION)
    assert hand_over(local.stores, case, "uke", at=local.at).case.state is State.DELIVERED


def test_a_renewal_ends_what_it_names_and_nothing_else(local) -> None:
    first, _ = local.delivered()
    other, _ = local.delivered()  # the same post, for another desk
    second = local.issued(renews=local.certificates(first))
    assert local.ends(first) == {None}, "not before the hand-over"
    local.medium(assigned=second)
    done = hand_over(local.stores, second, "uke", at=local.at)
    assert done.ended == local.certificates(first)
    assert (local.ends(first), local.ends(second), local.ends(other)) == ({SUPERSEDED}, {None}, {None})


def test_of_two_open_cases_one_renews_a_certificate(local) -> None:
    first, _ = local.delivered()
    other, _ = local.delivered()
    case, desk = local.filed(renews=local.certificates(first)), local.world.registration
    for state in (State.FILED, State.ISSUED):
        assert local.state(case) is state
        with pytest.raises(Conflict, match=f"is being renewed by case {case}") as refused:
            local.filed(renews=(*local.certificates(other), *local.certificates(first)))
        assert f"Go on with case {case}" in refused.value.remedy
        if state is State.FILED:
            desk.examine(case, "shin", at=local.at)
            desk.reexamine(case, "again", at=local.at)
            desk.approve(case, "shonin", at=local.at)
            desk.issue(case, "unyo", at=local.at)
    assert local.filed(renews=local.certificates(other)), "another certificate is another matter"
    discard(local.stores, case, "uke", at=local.at)
    again = local.filed(renews=local.certificates(first))
    desk.reject(again, "shin", at=local.at)
    assert local.filed(renews=local.certificates(first)), "what came to nothing renews nothing"


def test_of_two_renewals_of_one_certificate_one_is_handed_over(local) -> None:
    """Both were received before an open case kept a second one out."""
    first, _ = local.delivered()
    quick, slow = local.issued(renews=local.certificates(first)), local.issued()
    table = tables.applications
    like = select(table.c.particulars).where(table.c.application == quick).scalar_subquery()
    with local.stores.nation.writing() as connection:
        connection.execute(update(table).where(table.c.application == slow).values(particulars=like))
    for case in (quick, slow):
        local.medium(assigned=case)
    hand_over(local.stores, quick, "uke", at=local.at)
    with pytest.raises(Conflict, match="superseded") as refused:
        hand_over(local.stores, slow, "uke", at=local.at)
    assert refused.value.remedy.startswith("Discard")
    assert (local.state(slow), local.ends(quick)) == (State.ISSUED, {None})
    discard(local.stores, slow, "uke", at=local.at)
    assert (local.ends(first), local.ends(quick)) == ({SUPERSEDED}, {None})


def test_what_was_abolished_is_not_renewed(local) -> None:
    first, _ = local.delivered()
    renewal = local.issued(renews=local.certificates(first))
    local.medium(assigned=renewal)
    abolition.ask(local.stores, *local.certificates(first), "shin", Why.POST_ABOLISHED, at=local.at)
    abolition.grant(local.stores, *local.certificates(first), "unyo", at=local.at)
    with pytest.raises(Conflict, match="cessationOfOperation") as refused:
        hand_over(local.stores, renewal, "uke", at=local.at)
    assert refused.value.remedy.startswith("Discard")
    assert discard(local.stores, renewal, "uke", at=local.at).ended == local.certificates(renewal)


def test_what_was_lost_is_replaced(local) -> None:
    first, number = local.delivered()
    renewal = local.issued(renews=local.certificates(first))
    local.medium(assigned=renewal)
    deeds.report_lost(local.stores, number, "uke", at=local.at)
    assert hand_over(local.stores, renewal, "uke", at=local.at).ended == ()
    assert (local.ends(first), local.ends(renewal)) == ({COMPROMISE}, {None})


def test_nobody_is_given_another_holders_good_key(local) -> None:
    first, number = local.delivered()
    deeds.take_back(local.stores, number, "uke", at=local.at)
    successor = LocalHolder(LOCAL.government, LOCAL.unit, "The Deputy Mayor")
    case, before = local.filed(holder=successor), local.seen(number)
    with pytest.raises(deeds.HoldsKey, match=f"another holder.*{local.certificates(first)[0]}") as refused:
        deeds.assign(local.stores, number, case, "uke", at=local.at)
    assert "abolition" in refused.value.remedy
    with local.stores.reading() as reading:
        with pytest.raises(deeds.HoldsKey):
            deeds.require_assignable(reading, number, "uke", successor, at=local.at)
        assert deeds.require_assignable(reading, number, "uke", LOCAL, at=local.at) == before
    assert local.seen(number) == before
    abolition.ask(local.stores, *local.certificates(first), "shin", Why.HOLDER_LEFT, at=local.at)
    abolition.grant(local.stores, *local.certificates(first), "unyo", at=local.at)
    assert deeds.assign(local.stores, number, case, "uke", at=local.at).case == case


def test_a_key_of_an_earlier_holder_counts_too(local) -> None:
    """What lies in a medium is not what was written to it last."""
    first, number = local.delivered()
    deeds.take_back(local.stores, number, "uke", at=local.at)
    second = local.issued()
    deeds.assign(local.stores, number, second, "uke", at=local.at)
    discard(local.stores, second, "uke", at=local.at)
    case = local.filed(holder=LocalHolder(LOCAL.government, None, "Somebody"))
    with pytest.raises(deeds.HoldsKey):
        deeds.assign(local.stores, number, case, "uke", at=local.at)
    local.passes(days=365 * 12)  # expired: nothing is good any more
    assert deeds.assign(local.stores, number, case, "uke", at=local.at).cases[0] == first


def test_the_register_in_pages(local) -> None:
    numbers = sorted(local.medium() for _ in range(5))
    local.medium(assigned=local.filed())
    with local.stores.nation.reading() as connection:
        whole = media.of_office(connection, TOWN.id)
        assert whole.after is None
        pages = [media.of_office(connection, TOWN.id, limit=4)]
        pages.append(media.of_office(connection, TOWN.id, after=pages[0].after, limit=4))
        assert media.of_office(connection, TOWN.id, after="\x00").media == ()
        assert media.of_office(connection, TOWN.id, limit=6) == whole, "nothing is behind the last"
        assert media.at_hand(connection, TOWN.id, limit=3) == numbers[:3]
        assert media.at_hand(connection, TOWN.id, limit=9) == numbers, "what is assigned is not at hand"
        assert media.at_hand(connection, OTHER.id, limit=9) == []
    assert [len(page.media) for page in pages] == [4, 2]
    assert [page.after for page in pages] == [pages[0].media[-1].id, None]
    assert (*pages[0].media, *pages[1].media) == whole.media


def test_a_discarded_cases_medium_lies_in_the_office_again(local) -> None:
    case = local.issued()
    number = local.medium(assigned=case)
    discard(local.stores, case, "uke", at=local.at, note="The holder left")
    assert local.ends(case) == {RevocationReason.UNSPECIFIED}
    assert local.seen(number).state is MediumState.RETURNED
    next_case = local.filed()
    assert deeds.assign(local.stores, number, next_case, "uke", at=local.at).case == next_case


def test_the_loss_of_a_medium_ends_all_that_ever_lay_in_it(local) -> None:
    first, number = local.delivered()
    elsewhere, _ = local.delivered()
    deeds.take_back(local.stores, number, "uke", at=local.at)
    second = local.issued(renews=local.certificates(first))
    deeds.assign(local.stores, number, second, "uke", at=local.at)
    hand_over(local.stores, second, "uke", at=local.passes(hours=1))
    since = local.at
    lost = deeds.report_lost(
        local.stores, number, "shin", at=local.passes(days=3), since=since, note="In a train"
    )
    assert set(lost.ended) == {*local.certificates(first), *local.certificates(second)}
    assert (local.ends(first), local.ends(second), local.ends(elsewhere)) == (
        {COMPROMISE},
        {COMPROMISE},
        {None},
    )
    with local.stores.reading() as reading:
        (life,) = lives.of(reading, local.certificates(second))
    assert life.standing.revocation.invalid_since == since.replace(microsecond=0)
    with local.stores.journal.turn() as turn:
        entry = next(iter(turn.after(lost.head.count - 1))).entry
    assert isinstance(entry, RevocationEntry)
    assert {order.certificate for order in entry.orders} == set(map(str, lost.ended))
    assert entry.cause == "officer shin"
    with pytest.raises(Conflict):
        deeds.report_lost(local.stores, number, "shin", at=local.at)
    with pytest.raises(Conflict):
        deeds.take_back(local.stores, number, "uke", at=local.at)


@pytest.mark.parametrize("stage", ["filed", "examined", "reexamined", "approved"])
def test_the_loss_of_a_medium_rejects_the_case_under_way(local, stage) -> None:
    case, desk = local.filed(), local.world.registration
    number = local.medium(assigned=case)
    for step, officer in (("examine", "shin"), ("reexamine", "again"), ("approve", "shonin")):
        if local.state(case) == stage:
            break
        getattr(desk, step)(case, officer, at=local.at)
    assert local.state(case) == stage
    lost = deeds.report_lost(local.stores, number, "uke", at=local.at)
    assert (lost.rejected, lost.ended, lost.head) == (case, (), None)
    with local.stores.nation.reading() as connection:
        last = applications.find(connection, case).case.history[-1]
    assert (last.step, last.officer) == (Step.REJECT, "uke")
    with pytest.raises(Conflict):
        desk.issue(case, "unyo", at=local.at)


def test_an_issued_case_whose_medium_is_lost_can_only_be_discarded(local) -> None:
    case = local.issued()
    number = local.medium(assigned=case)
    assert deeds.report_lost(local.stores, number, "uke", at=local.at).ended == local.certificates(case)
    with pytest.raises(Conflict):
        hand_over(local.stores, case, "uke", at=local.at)
    assert discard(local.stores, case, "uke", at=local.at).ended == ()
    assert (local.ends(case), local.seen(number).state) == ({COMPROMISE}, MediumState.LOST)


def test_a_loss_to_come_is_refused(local) -> None:
    _, number = local.delivered()
    with pytest.raises(BadInput):
        deeds.report_lost(local.stores, number, "uke", at=local.at, since=local.at + timedelta(days=1))
    assert local.seen(number).state is MediumState.HELD


@pytest.mark.parametrize("officer", ["other", "other-2", "unyo", "madoguchi"])
def test_another_office_finds_no_such_medium(local, officer) -> None:
    case, number = local.delivered()
    for deed in (deeds.report_lost, deeds.take_back, deeds.destroy):
        with pytest.raises(NotFound):
            deed(local.stores, number, officer, at=local.at)
    with pytest.raises(NotFound):
        deeds.assign(local.stores, number, case, officer, at=local.at)
    assert local.ends(case) == {None}


def test_a_medium_is_assigned_to_a_case_of_its_office_once(local) -> None:
    case, other = local.filed(), local.filed()
    number = local.medium(assigned=case)
    before = local.seen(number)
    assert deeds.assign(local.stores, number, case, "uke-2", at=local.at) == before, "the same again"
    assert local.seen(number) == before
    with pytest.raises(Conflict):
        deeds.assign(local.stores, number, other, "uke", at=local.at)
    with pytest.raises(Conflict):
        deeds.assign(local.stores, local.medium(), case, "uke", at=local.at)
    with pytest.raises(Conflict, match="under way"):
        deeds.take_back(local.stores, number, "uke", at=local.at)
    local.world.registration.reject(case, "shin", at=local.at, note="wrong")
    assert deeds.take_back(local.stores, number, "uke", at=local.at).state is MediumState.RETURNED
    assert deeds.assign(local.stores, number, other, "uke", at=local.at).cases == (case, other)


def test_two_officers_at_once_give_one_medium_to_one_case(local) -> None:
    cases, number = [local.filed() for _ in range(4)], local.medium()

    def give(case):
        try:
            deeds.assign(local.stores, number, case, "uke", at=local.at)
        except Conflict:
            return None
        return case

    with ThreadPoolExecutor(4) as pool:
        given = [case for case in pool.map(give, cases) if case is not None]
    assert len(given) == 1
    assert local.seen(number).case == given[0]


def test_a_medium_is_registered_once(local) -> None:
    number = local.medium()
    for officer in ("uke", "other"):
        with pytest.raises(Conflict):
            deeds.register(local.stores, number.lower(), officer, at=local.at)
    for officer in ("unyo", "madoguchi"):
        with pytest.raises(KakehashiError):
            deeds.register(local.stores, "CARD-9999", officer, at=local.at)


# The command


@contextmanager
def cli_world(folder: Path) -> Iterator[Callable[..., commands.Outcome]]:
    """What says ``kakehashi medium`` in a home of japan-2016 with a few windows and two officers of a sub-office."""
    place, octets = edition_text("japan-2016")
    table = municipalities_path(read_edition(octets, place), place).read_text("utf-8").splitlines()
    few = [line for line in table[1:] if any(code in line for code in WINDOWS)]
    (folder / "municipalities.csv").write_text("\n".join([table[0], *few, ""]), encoding="utf-8")
    (folder / "edition.toml").write_bytes(octets)
    home = ("--home", folder / "home")
    commands.done(
        commands.run("init", "--edition", folder / "edition.toml", "--test-keys", "--seed", 7, *home)
    )
    for officer, role in (("honda", "reception"), ("wada", "examiner")):
        commands.done(commands.run("officer", "add", officer, "--office", "local-2", "--role", role, *home))
    yield lambda *words: commands.run("medium", *words, *home, "--json")


def test_media_on_the_command_line(tmp_path) -> None:
    with cli_world(tmp_path) as say:
        assert say("register", "card-1000", "--officer", "honda").json["state"] == "kept"
        assert "registered already" in say("register", "CARD-1000", "--officer", "honda").stderr
        assert [row["medium"] for row in say("list", "--office", "local-2").json] == ["CARD-1000"]
        assert say("list", "--office", "local-2", "--after", "CARD-0999").json[0]["medium"] == "CARD-1000"
        assert say("list", "--office", "local-2", "--after", "CARD-1000").json == []
        lost = say("lost", "CARD-1000", "--officer", "honda", "--note", "gone").json
        assert (lost["state"], lost["ended"], lost["rejected"]) == ("lost", [], None)
        assert "may not destroy" in say("destroy", "CARD-1000", "--officer", "honda").stderr
        assert say("destroy", "CARD-1000", "--officer", "wada").json["state"] == "destroyed"
        steps = [(row["step"], row["note"]) for row in say("show", "CARD-1000").json]
        assert steps == [("register", None), ("lose", "gone"), ("destroy", None)]
