"""What signing in keeps, in both databases: passkeys, sessions, questions and codes, and the record of deeds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ca.errors import Conflict, NotFound
from ca.model import Office, OfficeId, OfficeKind, Officer, OfficerId, Role
from ca.store import ceremonies, deed_search, deeds, officers, passkeys, sessions
from ca.store.ceremonies import Ceremony, Code, Purpose
from ca.store.deed_search import WantedDeeds
from ca.store.deeds import Deed
from ca.store.engine import Store
from ca.store.passkeys import Passkey
from ca.store.schema import migrate
from ca.store.sessions import Session
from tests import engine_world

AT = datetime(2026, 4, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CENTRE = Office(OfficeId("centre"), OfficeKind.CENTRE, "the centre", ())
TOWN = Office(OfficeId("131016"), OfficeKind.WINDOW, "a town", ())
OTHER = Office(OfficeId("13101"), OfficeKind.WINDOW, "a town whose number the other's begins with", ())
ITO = Officer(OfficerId("ito"), CENTRE.id, frozenset({Role.OPERATOR}))
ENDO = Officer(OfficerId("endo"), CENTRE.id, frozenset({Role.OPERATOR, Role.APPROVER}))
SATO = Officer(OfficerId("sato"), TOWN.id, frozenset({Role.RECEPTION}))
FIRST = Passkey(b"\x00\xff first", ITO.id, "窓口 2", b"\x00a COSE key", 2**32 - 1, AT)
SESSION = Session(b"\x00" * 32, ITO.id, AT, AT, AT + 10 * HOUR)
QUESTION = Ceremony(b"\x00" * 32, b"\xff" * 64, None, Purpose.SIGN_IN, AT + MINUTE)
CODE = Code(b"\x00" * 32, SATO.id, ITO.id, AT, AT + HOUR)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    """One with three officers."""
    store = Store.open(engine_world.new_database(tmp_path))
    migrate(store)
    with store.writing() as connection:
        officers.add_offices(connection, [CENTRE, TOWN, OTHER])
        for officer in (ITO, ENDO, SATO):
            officers.add_officer(connection, officer)
    yield store
    store.close()


def test_passkeys(store) -> None:
    with store.writing() as connection:
        second = replace(FIRST, credential=b"second", made_at=AT + MINUTE, sign_count=0)
        passkeys.add(connection, second)
        passkeys.add(connection, FIRST)
        passkeys.add(connection, replace(FIRST, credential=b"third", officer=SATO.id))
        with pytest.raises(Conflict, match="enrolled already"):
            passkeys.add(connection, replace(FIRST, officer=ENDO.id))
        assert passkeys.find(connection, FIRST.credential) == FIRST
        assert passkeys.in_use(connection, ITO.id) == [FIRST, second], "the oldest first"
        assert passkeys.operators(connection) == [ITO.id], "not one without a passkey, nor one of a town"
        passkeys.used(connection, FIRST, 2**32, AT + HOUR)
        assert passkeys.end(connection, ITO.id, second.mark, AT + HOUR) == second
        assert passkeys.find(connection, second.credential) is None
        with pytest.raises(NotFound):
            passkeys.end(connection, ITO.id, second.mark, AT + HOUR)
        with pytest.raises(Conflict, match="the only one"):
            passkeys.end(connection, ITO.id, FIRST.mark, AT + HOUR)
    with store.writing() as connection:
        (left,) = passkeys.in_use(connection, ITO.id)
        assert (left.sign_count, left.used_at) == (2**32, AT + HOUR)
        passkeys.end_all(connection, ITO.id, AT + 2 * HOUR)
        ends = [one.ended_at for one in passkeys.of_officer(connection, ITO.id)]
        assert ends == [AT + 2 * HOUR, AT + HOUR], "what had ended stays as it was"
        assert passkeys.operators(connection) == []


def test_sessions(store) -> None:
    def going_on(at: datetime) -> list[bytes]:
        return [one.digest for one in sessions.of_officer(connection, ITO.id, at=at, idle=15 * MINUTE)]

    later, digest = AT + 10 * MINUTE, b"\xff" * 32
    with store.writing() as connection:
        sessions.begin(connection, SESSION)
        sessions.begin(connection, replace(SESSION, digest=digest, made_at=later, seen_at=later))
        assert going_on(later) == [SESSION.digest, digest]
        assert going_on(AT + 15 * MINUTE) == [digest], "the other was left alone"
        sessions.seen(connection, SESSION.digest, later)
        assert sessions.find(connection, SESSION.digest, at=later, idle=MINUTE) == replace(
            SESSION, seen_at=later
        )
        sessions.end_all(connection, ITO.id, later, but=digest)
        assert going_on(later) == [digest]
        sessions.end(connection, digest, later)
        assert going_on(later) == []
        sessions.begin(connection, replace(SESSION, digest=b"x" * 32, made_at=SESSION.expires_at))
        # What is over is forgotten, and its hash free.
        sessions.begin(connection, SESSION)


def test_a_question_is_answered_once_for_what_it_was_asked(store) -> None:
    with store.writing() as connection:
        for purpose, at, found in (
            (Purpose.SIGN_IN, AT, QUESTION),
            (Purpose.ENROL, AT, None),
            (Purpose.SIGN_IN, QUESTION.expires_at, None),
        ):
            ceremonies.ask(connection, QUESTION, AT)
            assert ceremonies.find(connection, QUESTION.digest) == QUESTION
            assert ceremonies.take(connection, QUESTION.digest, purpose, at) == found
            assert ceremonies.find(connection, QUESTION.digest) is None
        ceremonies.ask(connection, QUESTION, AT)
        ceremonies.ask(connection, replace(QUESTION, digest=b"x" * 32), QUESTION.expires_at)
        assert ceremonies.find(connection, QUESTION.digest) is None, "nobody answered in time"


def test_a_question_is_answered_by_one_of_two_at_once(store) -> None:
    with store.writing() as connection:
        ceremonies.ask(connection, QUESTION, AT)

    def answered(_: int) -> bool:
        with store.writing() as connection:
            return ceremonies.take(connection, QUESTION.digest, Purpose.SIGN_IN, AT) is not None

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(answered, range(4))) == 1


def test_a_code_is_good_once_and_ends_the_one_before(store) -> None:
    newer = replace(CODE, digest=b"\xff" * 32, made_by=None, made_at=AT + MINUTE)
    with store.writing() as connection:
        ceremonies.give_code(connection, CODE)
        assert ceremonies.find_code(connection, CODE.digest, AT) == CODE
        assert ceremonies.find_code(connection, CODE.digest, CODE.expires_at) is None
        ceremonies.give_code(connection, newer)
        assert ceremonies.find_code(connection, CODE.digest, AT + MINUTE) is None
        assert ceremonies.find_code(connection, newer.digest, AT + MINUTE) == newer
        ceremonies.use_code(connection, newer, AT + MINUTE)
        assert ceremonies.find_code(connection, newer.digest, AT + MINUTE) is None


def test_deeds_are_numbered_without_gaps_and_found(store) -> None:
    def noted(number: int) -> None:
        who = (ITO, SATO, None)[number % 3]
        with store.writing() as connection:
            about = f"case-{number}"
            deeds.note(connection, Deed.LOOKED_UP, who=who, about=about, at=AT + number * MINUTE)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(noted, range(12)))
    with store.reading() as connection:
        every = deeds.latest(connection, limit=100)
        assert [deed.number for deed in every] == list(range(12, 0, -1))
        assert {deed.about for deed in every} == {f"case-{number}" for number in range(12)}
        mine = deeds.latest(connection, officer=SATO.id, limit=100)
        assert ({deed.office for deed in mine}, len(mine)) == ({TOWN.id}, 4)
        assert deeds.latest(connection, before=4, limit=2) == every[-3:-1]
        wanted = WantedDeeds(what=Deed.LOOKED_UP, officer="ito", since=AT + 3 * MINUTE, until=AT + 9 * MINUTE)
        found = deed_search.find_deeds(connection, wanted, limit=100)
        assert {deed.about for deed in found} == {"case-3", "case-6"}
        assert (
            deed_search.find_deeds(connection, replace(wanted, about="case-6"), limit=9)[0].officer == "ito"
        )


def test_why_an_office_is_suspended_is_told_of_that_office(store) -> None:
    """Two of them at one moment, and one of them a second time."""
    with store.writing() as connection:
        for what, office, reason, at in (
            (Deed.OFFICE_SUSPENDED, TOWN, "at first", AT - HOUR),
            (Deed.OFFICE_RESUMED, TOWN, "all is well", AT - MINUTE),
            (Deed.OFFICE_SUSPENDED, TOWN, "keys: seen outside", AT),
            (Deed.OFFICE_SUSPENDED, OTHER, "", AT),
        ):
            suspended = at if what is Deed.OFFICE_SUSPENDED else None
            officers.suspend_office(connection, office.id, suspended)
            about = f"{office.id}: {reason}" if reason else office.id
            deeds.note(connection, what, who=ITO, about=about, at=at)
        found = deed_search.suspensions(connection, officers.all_offices(connection))
        assert {office: deed_search.reason_of(deed) for office, deed in found.items()} == {
            TOWN.id: "keys: seen outside",
            OTHER.id: None,
        }
        officers.suspend_office(connection, TOWN.id, None)
        assert deed_search.suspensions(connection, [officers.office(connection, TOWN.id)]) == {}
