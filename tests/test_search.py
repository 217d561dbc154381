"""Work lists and search: the rules of registration as a question to the database, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import NotFound
from ca.keys.codes import keyed_code
from ca.model import (
    RESIDENT_KINDS,
    ApplicationId,
    LocalHolder,
    Office,
    OfficeId,
    OfficeKind,
    Officer,
    OfficerId,
    Resident,
    Role,
)
from ca.revoking.deciding.at_window import Deed, Window
from ca.revoking.deciding.desk import EventDesk
from ca.rules.registration import CENTRE_ROLES, Case, State, Step, StepTaken, steps_open_to
from ca.store import applications, officers
from ca.store.applications import Application, KeyRequest
from ca.store.engine import Store
from ca.store.schema import migrate
from ca.store.search import CasePage, holder_certificates, search, waiting, work_list
from tests.engine_world import CODE, NOW, RESIDENT, engine_world, new_database

SIGNATURE, AUTHENTICATION = RESIDENT_KINDS
MINUTE = timedelta(minutes=1)
TOWN, OTHER, LOCAL = OfficeId("312011"), OfficeId("312029"), OfficeId("lg-312011")
CENTRE = OfficeId("centre")
KINDS = {
    TOWN: OfficeKind.WINDOW,
    OTHER: OfficeKind.WINDOW,
    LOCAL: OfficeKind.LOCAL_GOVERNMENT,
    CENTRE: OfficeKind.CENTRE,
}

WAYS = {
    State.FILED: (Step.FILE,),
    State.EXAMINED: (Step.FILE, Step.EXAMINE),
    State.REEXAMINED: (Step.FILE, Step.EXAMINE, Step.REEXAMINE),
    State.APPROVED: (Step.FILE, Step.EXAMINE, Step.APPROVE),
    State.ISSUING: (Step.FILE, Step.EXAMINE, Step.APPROVE, Step.ISSUE),
    State.ISSUED: (Step.FILE, Step.EXAMINE, Step.APPROVE, Step.ISSUE),
    State.FAILED: (Step.FILE, Step.EXAMINE, Step.APPROVE, Step.ISSUE),
    State.REJECTED: (Step.FILE, Step.REJECT),
    State.DELIVERED: (Step.FILE, Step.EXAMINE, Step.APPROVE, Step.ISSUE, Step.HAND_OVER),
    State.DISCARDED: (Step.FILE, Step.EXAMINE, Step.APPROVE, Step.ISSUE, Step.DISCARD),
}
"""How a window's case gets where it is; a local government's is examined twice."""

ROLES = {
    Step.FILE: Role.RECEPTION,
    Step.EXAMINE: Role.EXAMINER,
    Step.REEXAMINE: Role.CENTRE_EXAMINER,
    Step.APPROVE: Role.APPROVER,
    Step.ISSUE: Role.OPERATOR,
    Step.REJECT: Role.EXAMINER,
    Step.HAND_OVER: Role.RECEPTION,
    Step.DISCARD: Role.RECEPTION,
}


def officer_of(office: OfficeId, role: Role) -> OfficerId:
    return OfficerId(f"{role}-{CENTRE if role in CENTRE_ROLES else office}")


def case_in(state: State, office: OfficeId, number: int) -> Case:
    """A case of this office that has got to this state."""
    steps = WAYS[state]
    if KINDS[office] is OfficeKind.LOCAL_GOVERNMENT and Step.APPROVE in steps:
        steps = (*steps[:2], Step.REEXAMINE, *steps[2:])
    at = NOW + number * MINUTE
    taken = tuple(StepTaken(step, officer_of(office, ROLES[step]), at) for step in steps)
    return Case(ApplicationId(f"{office}-{number:06}"), office, state, taken, KINDS[office])


def states_of(office: OfficeId) -> list[State]:
    """The states that this office's cases come to."""
    window = KINDS[office] is OfficeKind.WINDOW
    return [state for state in State if not (window and state is State.REEXAMINED)]


RARE = "\U00031350"
"""An ideograph of extension H, which Unicode 14, and so this Python, does not know yet."""
NAMES = ("架橋　見本", "架橋　花子", "髙橋　一郎", "試験　花子", "カケハシ　見本", f"{RARE}橋　一郎")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Store]:  # noqa: ARG001 - on each database
    """A case of each office in each state that it may come to, one a minute, and an officer for each role."""
    opened = Store.open(new_database(tmp_path_factory.mktemp("search")))
    migrate(opened)
    with opened.writing() as connection:
        officers.add_offices(connection, [Office(office, kind, office, ()) for office, kind in KINDS.items()])
        for office in KINDS:
            for role in Role:
                if (office == CENTRE) == (role in CENTRE_ROLES):
                    found = Officer(officer_of(office, role), office, frozenset({role}))
                    officers.add_officer(connection, found)
        number = 0
        for office in (TOWN, OTHER, LOCAL):
            for state in states_of(office):
                number += 1
                who = named(NAMES[number % len(NAMES)], office)
                requests = tuple(
                    KeyRequest(kind, b"%d" % number) for kind in RESIDENT_KINDS[: 1 + number % 2]
                )
                applications.add(connection, Application(case_in(state, office, number), None, who, requests))
    yield opened
    opened.close()


def named(name: str, office: OfficeId) -> Resident | LocalHolder:
    if KINDS[office] is OfficeKind.LOCAL_GOVERNMENT:
        return LocalHolder("Tottori", None, name)
    return replace(RESIDENT, name=name, name_substitutes="0" * len(name))


def everything(store: Store) -> list[Case]:
    with store.reading() as connection:
        return applications.of_office(connection, None)


def test_all_cases_come_in_pages(store: Store) -> None:
    whole = [case.id for case in everything(store)]
    with store.reading() as connection:
        for size in (1, 2, len(whole)):
            found: list[ApplicationId] = []
            while page := applications.of_office(
                connection, None, after=found[-1] if found else None, limit=size
            ):
                assert len(page) <= size
                found += [case.id for case in page]
            assert found == whole
        assert applications.of_office(connection, None, after="\0") == []


def numbers(page: CasePage) -> list[ApplicationId]:
    return [found.case.id for found in page.cases]


def asked(store: Store, **question: object) -> list[ApplicationId]:
    """The numbers that a search finds; ``office`` is a question's too."""
    office = question.pop("office", None)
    with store.reading() as connection:
        return numbers(search(connection, office, **question))


# Work lists


@given(
    st.sampled_from(sorted(KINDS)), st.sets(st.sampled_from(sorted(Role))), st.sampled_from(["new", "known"])
)
def test_a_work_list_is_what_the_rules_leave_to_the_officer(
    store: Store, where: OfficeId, roles: set[Role], who: str
) -> None:
    """For any roles, fitting or not, and for one who has taken steps before."""
    new = OfficerId("new")
    known = next((officer_of(where, role) for role in sorted(roles)), new)
    officer = Officer({"new": new, "known": known}[who], where, frozenset(roles))
    office = Office(where, KINDS[where], where, ())
    expected = {
        case.id: steps for case in everything(store) if (steps := steps_open_to(case, officer, office))
    }
    with store.reading() as connection:
        found = work_list(connection, officer, office)
        assert waiting(connection, officer, office) == len(expected)
    assert {one.case.id: one.open for one in found.cases} == expected
    assert [one.filed_at for one in found.cases] == sorted(one.filed_at for one in found.cases)
    assert found.after is None


def test_who_has_taken_a_step_hands_over_and_decides_no_other(store: Store) -> None:
    """The one who received a case gives its certificates out too; the one who examined it does nothing more."""
    with store.reading() as connection:
        for role, states in ((Role.RECEPTION, {State.ISSUED}), (Role.EXAMINER, {State.FILED})):
            officer, office = officers.officer(connection, officer_of(TOWN, role))
            found = work_list(connection, officer, office)
            assert {one.case.state for one in found.cases} == states
            assert {one.case.office for one in found.cases} == {TOWN}


def test_a_list_shows_who_and_what(store: Store) -> None:
    with store.reading() as connection:
        officer, office = officers.officer(connection, officer_of(TOWN, Role.EXAMINER))
        (found,) = work_list(connection, officer, office).cases
    assert isinstance(found.applicant, Resident)
    assert found.applicant.name == NAMES[1]
    assert found.kinds == RESIDENT_KINDS
    assert found.open == (Step.EXAMINE, Step.REJECT)
    assert found.applicant.name not in repr(found), "a list's names stay out of logs"


# Search


def test_a_search_finds_the_newest_first(store: Store) -> None:
    found = asked(store)
    assert found == [case.id for case in sorted(everything(store), key=lambda case: case.history[0].at)][::-1]
    assert asked(store, office=OTHER) == [number for number in found if number.startswith(OTHER)]


@pytest.mark.parametrize("office", [None, TOWN])
@pytest.mark.parametrize("limit", [1, 2, 3, 8, 100])
def test_pages_follow_each_other_without_gaps(store: Store, office: OfficeId | None, limit: int) -> None:
    whole, after, found = asked(store, office=office), None, []
    with store.reading() as connection:
        while True:
            page = search(connection, office, after=after, limit=limit)
            found += numbers(page)
            assert len(page.cases) <= limit
            if (after := page.after) is None:
                break
    assert found == whole


def test_pages_of_a_work_list_follow_each_other(store: Store) -> None:
    with store.reading() as connection:
        officer, office = officers.officer(connection, officer_of(CENTRE, Role.APPROVER))
        whole = numbers(work_list(connection, officer, office))
        first = work_list(connection, officer, office, limit=2)
        rest = work_list(connection, officer, office, after=first.after, limit=50)
    assert len(whole) > 2
    assert numbers(first) + numbers(rest) == whole


def test_cases_of_one_moment_are_told_apart(tmp_path: object) -> None:
    with engine_world(tmp_path / "world") as world:  # type: ignore[operator]
        filed = [world.filed(kinds=(SIGNATURE,)).case.id for _ in range(3)]
        with world.store.reading() as connection:
            first = search(connection, None, limit=2)
            second = search(connection, None, after=first.after, limit=2)
    assert numbers(first) + numbers(second) == filed[::-1]
    assert second.after is None


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("架橋", {NAMES[0], NAMES[1]}),
        ("架橋　見本", {NAMES[0]}),
        ("架橋 花子", {NAMES[1]}),
        (" 架橋花", {NAMES[1]}),
        ("ｶｹﾊｼ", {NAMES[4]}),
        ("髙橋", {NAMES[2]}),
        (RARE, {NAMES[5]}),
        ("花子", set()),  # names are sought from their beginning
        ("%", set()),
        ("_", set()),
        ("架橋%", set()),
        ("'; drop table applications --", set()),
    ],
)
def test_a_name_is_found_by_its_beginning(store: Store, words: str, names: set[str]) -> None:
    with store.reading() as connection:
        page = search(connection, None, words=words)
        everybody = search(connection, None)
    found = {one.case.id for one in page.cases}
    assert found == {one.case.id for one in everybody.cases if one.applicant.name in names}


@pytest.mark.parametrize(
    ("words", "office", "found"),
    [
        ("312011-000001", None, ["312011-000001"]),
        ("\uff13\uff11\uff12011-000001", TOWN, ["312011-000001"]),
        ("312011-000001", OTHER, []),
        ("1", None, ["312011-000001"]),
        ("000001", TOWN, ["312011-000001"]),
        ("1", OTHER, []),
        ("lg-312011-000020", None, ["lg-312011-000020"]),
        ("20", None, ["lg-312011-000020"]),
        ("999999", None, []),
        ("9" * 40, None, []),
    ],
)
def test_a_case_is_found_by_its_number(
    store: Store, words: str, office: OfficeId | None, found: list[str]
) -> None:
    assert asked(store, office=office, words=words) == found


def test_states_and_moments_narrow_each_other(store: Store) -> None:
    filed, issued = asked(store, states={State.FILED}), asked(store, states=[State.ISSUED])
    assert len(filed) == len(issued) == 3
    assert set(asked(store, states=(State.FILED, State.ISSUED))) == {*filed, *issued}
    since, until = NOW + 10 * MINUTE, NOW + 20 * MINUTE
    found = asked(store, since=since, until=until)
    assert [int(number[-6:]) for number in found] == list(range(19, 9, -1))
    assert set(asked(store, since=since, until=until, states={State.FILED})) == set(filed) & set(found)


@given(
    words=st.one_of(st.just(""), st.text(max_size=8), st.sampled_from(["架橋", "1", "312011-000003"])),
    states=st.sets(st.sampled_from(State), max_size=3),
    office=st.sampled_from([None, TOWN, LOCAL]),
)
def test_no_question_finds_what_a_wider_one_does_not(
    store: Store, words: str, states: set[State], office: OfficeId | None
) -> None:
    found = set(asked(store, words=words, states=states, office=office))
    assert found <= set(asked(store, states=states)) & set(asked(store, words=words))
    assert office is None or all(number.startswith(f"{office}-") for number in found)


@pytest.mark.parametrize("after", ["312011-999999", "", "\x00", "\ud800", "x" * 10_000])
def test_a_page_behind_no_case_is_refused(store: Store, after: str) -> None:
    with store.reading() as connection, pytest.raises(NotFound):
        search(connection, None, after=after)


def test_a_page_behind_another_offices_case_is_refused_as_one_behind_none(store: Store) -> None:
    theirs = asked(store, office=OTHER)[0]
    with store.reading() as connection:
        officer, office = officers.officer(connection, officer_of(TOWN, Role.RECEPTION))
        for ask in (
            lambda after: search(connection, TOWN, after=after),
            lambda after: work_list(connection, officer, office, after=after),
        ):
            told = []
            for after in (theirs, f"{OTHER}-999999"):
                with pytest.raises(NotFound) as refused:
                    ask(after)
                told.append(str(refused.value).replace(repr(after), ""))
            assert told[0] == told[1]
        assert search(connection, None, after=theirs), "the centre sees all"


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\U0010ffff"])
def test_what_no_name_begins_with_finds_nothing(store: Store, text: str) -> None:
    assert asked(store, words=text) == []


# What a resident holds


def test_what_a_resident_holds_and_held(tmp_path: object) -> None:
    with engine_world(tmp_path / "world") as world:  # type: ignore[operator]
        first = world.issued()
        later = world.issued(kinds=(SIGNATURE,), at=NOW + MINUTE)
        holder = keyed_code(world.vault.code_key(), CODE)
        Window(EventDesk(world.stores)).end(
            Deed.GIVE_UP_USER_AUTHENTICATION, holder, "window", number="0" * 20, at=NOW + 2 * MINUTE
        )
        with world.stores.reading() as reading:
            found = holder_certificates(reading, holder)
            assert holder_certificates(reading, bytes(32)) == []
    assert found[0].certificate == later[SIGNATURE].id
    assert {one.certificate for one in found} == {item.id for item in (*first.values(), *later.values())}
    assert [one.kind for one in found if one.revocation] == [AUTHENTICATION]
