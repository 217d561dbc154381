"""Officers sign in with passkeys, over HTTP as a browser does it, and whoever may not is not let in."""

import re
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from flask import Flask, redirect
from playwright.sync_api import expect, sync_playwright
from sqlalchemy import delete, update
from werkzeug.serving import make_server

from ca.errors import Conflict, NotFound, NotPermitted
from ca.model import OfficeId, Officer, OfficerId, Role
from ca.store import deeds, officers, passkeys, tables
from ca.store.deeds import Deed
from ca.store.engine import Store
from front import problems
from front.asking import PROXIES_VARIABLE
from front.assembly import open_world
from front.demo.served import free_port
from front.pages.rendering import install
from front.pages.texts import Language, Texts
from front.signing_in import codes, pages, visitor
from front.signing_in.enrolment import new_code
from front.signing_in.refusals import Refusal
from front.signing_in.terms import VARIABLE, Terms
from tests import commands, components
from tests.authenticator import PRESENT, Authenticator, Bearing
from tests.browser import focused

ORIGIN = "https://window.example"
START = datetime(2026, 4, 1, 0, 0, tzinfo=UTC)
ITO, ENDO, SATO, TANAKA, GONE = map(OfficerId, ("ito", "endo", "sato", "tanaka", "gone"))


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    at: datetime = START

    def __call__(self):
        return self.at

    def passes(self, **time):
        self.at += timedelta(**time)


@dataclass
class House:
    """A world whose pages are open, with two operators of the centre: ito and endo."""

    world: object
    app: Flask
    clock: Clock

    @property
    def nation(self):
        return self.world.stores.nation

    def code(self, officer, made_by=ENDO):
        with self.nation.writing() as connection:
            return new_code(connection, officer, made_by, self.clock())

    def deeds(self, officer=None):
        with self.nation.reading() as connection:
            found = deeds.latest(connection, officer=officer, limit=100)
        return [deed.what for deed in reversed(found)]

    def officer(self, of):
        """Somebody of this id, with a browser in which a passkey is enrolled and a session open."""
        person = Person(self, of)
        person.enrols(self.code(of, made_by=ENDO if of != ENDO else ITO))
        return person


@dataclass
class Person:
    """Somebody at a browser, with an authenticator."""

    house: House
    officer: OfficerId
    authenticator: Authenticator = field(
        default_factory=lambda: Authenticator(Bearing(ORIGIN, "window.example"))
    )
    client: object = None

    def __post_init__(self):
        self.client = self.client or self.house.app.test_client()

    def gets(self, path, **others):
        return self.client.get(path, base_url=ORIGIN, **others)

    def posts(self, path, body=None, headers=None, **others):
        usual = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "X-Form-Token": self.form_token()}
        return self.client.post(path, base_url=ORIGIN, json=body, headers=usual | (headers or {}), **others)

    def form_token(self):
        found = re.search(rb'name="form_token" value="([^"]*)"', self.gets("/enrol").data)
        return found[1].decode()

    def cookie(self):
        found = self.client.get_cookie(visitor.COOKIE, domain="window.example")
        return None if found is None else found.value

    def is_in(self):
        answer = self.gets("/account")
        assert answer.status_code in {200, 303}
        return answer.status_code == 200

    def asks(self, path, body=None):
        answer = self.posts(f"{path}/question", body or {})
        return answer, answer.json.get("ceremony"), answer.json.get("options")

    def enrols(self, code, authenticator=None, label="window 2"):
        answer, ceremony, options = self.asks("/enrol", {"code": code})
        if answer.status_code != 200:
            return answer
        made = (authenticator or self.authenticator).create(options)
        return self.posts("/enrol", {"ceremony": ceremony, "credential": made, "code": code, "label": label})

    def adds(self, authenticator):
        answer, ceremony, options = self.asks("/account/passkeys")
        if answer.status_code != 200:
            return answer
        made = authenticator.create(options)
        self.house.clock.passes(seconds=1)
        return self.posts("/account/passkeys", {"ceremony": ceremony, "credential": made, "label": "spare"})

    def signs_in(self, authenticator=None, wanted="/account"):
        _, ceremony, options = self.asks("/sign-in")
        answer = (authenticator or self.authenticator).get(options)
        return self.posts("/sign-in", {"ceremony": ceremony, "credential": answer, "next": wanted})

    def signs_out(self):
        return self.posts("/sign-out")


def opened(world, origin=ORIGIN):
    """The pages of a world, as a server makes them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, msgspec.json.encode(Terms(origin)).decode())
        app = Flask("pages", static_folder=None)
        problems.register(app)
        app.before_request(visitor.load(world))
        install(app, [pages.room(world)])
        app.add_url_rule("/", view_func=lambda: redirect("/account"))
    return House(world, app, world.clock)


def add_operator(connection, name):
    officers.add_officer(connection, Officer(name, OfficeId("centre"), frozenset({Role.OPERATOR})))


@pytest.fixture(scope="module")
def signing_in_world(pristine_staffed_world, tmp_path_factory):
    folder = shutil.copytree(pristine_staffed_world, tmp_path_factory.mktemp("signing-in") / "home")
    with open_world(folder, lambda: "") as world:
        with world.stores.nation.writing() as connection:
            add_operator(connection, ENDO)
        yield world


@pytest.fixture
def house(signing_in_world):
    """The pages of a world in which nobody has signed in yet."""
    with signing_in_world.stores.nation.writing() as connection:
        for table in (
            tables.sessions,
            tables.ceremonies,
            tables.enrolment_codes,
            tables.passkeys,
            tables.deeds,
        ):
            connection.execute(delete(table))
        connection.execute(delete(tables.officers).where(tables.officers.c.officer == GONE))
        connection.execute(update(tables.officers).values(ended_at=None))
        connection.execute(update(tables.offices).values(suspended_at=None))
    signing_in_world.clock = Clock()
    return opened(signing_in_world)


TEXTS = Texts.read([Path(pages.__file__).parent / "texts"])


def refused(answer, reason):
    """That an answer is this refusal and nothing else: its words, and no session."""
    assert (answer.status_code, answer.json) == (reason.status, said(reason.word))
    assert "Set-Cookie" not in answer.headers


def said(word):
    return {"problem": TEXTS.say(Language.JAPANESE, f"signing_in.refused.{word}")}


# Coming in


def test_a_code_enrols_a_passkey_and_the_passkey_signs_in(house):
    person = Person(house, SATO)
    assert not person.is_in()
    enrolled = person.enrols(house.code(SATO))
    assert (enrolled.status_code, enrolled.json) == (200, {"next": "/"})
    assert person.is_in()
    assert person.signs_out().headers["Location"] == "/sign-in?out=1"
    assert not person.is_in()
    house.clock.passes(days=3)
    entered = person.signs_in(wanted="/account?of=me")
    assert (entered.status_code, entered.json) == (200, {"next": "/account?of=me"})
    assert person.is_in()
    assert house.deeds() == [Deed.CODE_GIVEN, Deed.ENROLLED, Deed.SIGNED_OUT, Deed.SIGNED_IN]
    assert house.deeds(SATO) == [Deed.ENROLLED, Deed.SIGNED_OUT, Deed.SIGNED_IN]


def test_the_cookie_is_the_browsers_own_secret(house):
    person = Person(house, SATO)
    (cookie,) = person.enrols(house.code(SATO)).headers.getlist("Set-Cookie")
    value, *marks = cookie.split("; ")
    assert value.startswith("__Host-session=")
    assert sorted(marks) == ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]
    assert len(person.cookie()) == 43, "256 bits"


def test_no_secret_is_kept_or_shown(house):
    code = house.code(SATO)
    person = Person(house, SATO)
    person.enrols(code)
    with closing(sqlite3.connect(house.world.home.store)) as connection:
        kept = "\n".join(connection.iterdump())
    page = person.gets("/account").text
    for secret in (person.cookie(), code, code.replace("-", "")):
        assert secret not in kept
        assert secret not in page
    with house.nation.reading() as connection:
        (passkey,) = passkeys.in_use(connection, SATO)
    assert "window 2" not in repr(passkey)
    assert person.authenticator.credential.hex() not in repr(passkey)


def test_a_question_is_for_a_resident_key_with_verification_and_nobodys_name(house):
    person = Person(house, SATO)
    _, _, making = person.asks("/enrol", {"code": house.code(SATO)})
    assert making["authenticatorSelection"]["residentKey"] == "required"
    assert making["authenticatorSelection"]["userVerification"] == "required"
    assert making["rp"]["id"] == "window.example"
    _, _, asking = person.asks("/sign-in")
    assert (asking["userVerification"], asking["rpId"]) == ("required", "window.example")
    assert not asking.get("allowCredentials")
    _, _, another = person.asks("/sign-in")
    assert another["challenge"] != asking["challenge"]


# Who is not let in


def wrong_origin(person):
    return person.signs_in(person.authenticator.behaving(origin="https://evil.example"))


def nobody_verified(person):
    return person.signs_in(person.authenticator.behaving(flags=PRESENT))


def a_copy(person):
    return person.signs_in(person.authenticator.behaving(count=1))


def another_officers_name(person):
    return person.signs_in(
        person.house.officer(ITO).authenticator.behaving(handle=person.authenticator.handle)
    )


def never_enrolled(person):
    stranger = Authenticator(person.authenticator.bearing, handle=person.authenticator.handle)
    return person.signs_in(stranger)


def too_late(person):
    _, ceremony, options = person.asks("/sign-in")
    person.house.clock.passes(minutes=5)
    answer = person.authenticator.get(options)
    return person.posts("/sign-in", {"ceremony": ceremony, "credential": answer})


def a_second_time(person):
    _, ceremony, options = person.asks("/sign-in")
    body = {"ceremony": ceremony, "credential": person.authenticator.get(options)}
    assert person.posts("/sign-in", body).status_code == 200
    return person.posts("/sign-in", body)


def a_second_answer_to_a_question(person):
    _, ceremony, options = person.asks("/sign-in")
    wrong = person.authenticator.behaving(flags=PRESENT).get(options)
    person.posts("/sign-in", {"ceremony": ceremony, "credential": wrong})
    right = person.authenticator.get(options)
    return person.posts("/sign-in", {"ceremony": ceremony, "credential": right})


def the_answer_to_another_question(person):
    _, _, options = person.asks("/sign-in")
    _, ceremony, _ = person.asks("/sign-in")
    answer = person.authenticator.get(options)
    return person.posts("/sign-in", {"ceremony": ceremony, "credential": answer})


def a_question_of_enrolment(person):
    _, ceremony, options = person.asks("/enrol", {"code": person.house.code(SATO)})
    answer = person.authenticator.get(options)
    return person.posts("/sign-in", {"ceremony": ceremony, "credential": answer})


def no_question(person):
    answer = person.authenticator.get({"challenge": "AAAA"})
    return person.posts("/sign-in", {"ceremony": "", "credential": answer})


def no_answer(person):
    _, ceremony, _ = person.asks("/sign-in")
    return person.posts("/sign-in", {"ceremony": ceremony, "credential": {}})


@pytest.mark.parametrize(
    ("tries", "reason"),
    [
        (wrong_origin, Refusal.ANSWER_WRONG),
        (nobody_verified, Refusal.ANSWER_WRONG),
        (another_officers_name, Refusal.ANSWER_WRONG),
        (a_copy, Refusal.COUNT_BACK),
        (never_enrolled, Refusal.PASSKEY_UNKNOWN),
        (too_late, Refusal.CEREMONY_OVER),
        (a_second_time, Refusal.CEREMONY_OVER),
        (a_second_answer_to_a_question, Refusal.CEREMONY_OVER),
        (the_answer_to_another_question, Refusal.ANSWER_WRONG),
        (a_question_of_enrolment, Refusal.CEREMONY_OVER),
        (no_question, Refusal.CEREMONY_OVER),
        (no_answer, Refusal.ANSWER_WRONG),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_who_is_not_let_in(house, tries, reason):
    person = house.officer(SATO)
    person.signs_out()
    outside = Person(house, SATO, person.authenticator)
    refused(tries(outside), reason)
    if tries is not a_second_time:
        assert not outside.is_in()


@pytest.mark.parametrize("tries", [wrong_origin, nobody_verified, a_copy])
def test_what_was_tried_with_a_known_passkey_is_written_down(house, tries):
    person = house.officer(SATO)
    tries(person)
    assert house.deeds(SATO) == [Deed.ENROLLED, Deed.SIGN_IN_REFUSED]


@pytest.mark.parametrize("leaves", ["officer", "office"])
def test_nobody_signs_in_who_has_left_or_whose_office_is_suspended(house, leaves):
    person = house.officer(SATO)
    with house.nation.writing() as connection:
        if leaves == "officer":
            officers.end_officer(connection, SATO, house.clock())
        else:
            officers.suspend_office(connection, "131016", house.clock())
    assert not person.is_in(), "from the next request on"
    answer = person.signs_in()
    assert (answer.status_code, answer.json) == (403, said("officer"))
    assert house.deeds(SATO)[-1] is Deed.SIGN_IN_REFUSED


def test_one_answer_sent_twice_at_once_opens_one_session(house):
    person = house.officer(SATO)
    _, ceremony, options = person.asks("/sign-in")
    body = {"ceremony": ceremony, "credential": person.authenticator.get(options)}
    browsers = [Person(house, SATO) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda browser: browser.posts("/sign-in", body), browsers))
    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403]
    assert sum(browser.is_in() for browser in browsers) == 1


# Sessions


def test_a_session_that_was_planted_is_not_taken_up(house):
    person = house.officer(SATO)
    before = person.cookie()
    thief = Person(house, SATO)
    thief.client.set_cookie(visitor.COOKIE, before, domain="window.example", secure=True)
    assert thief.is_in(), "the cookie is all that a session is known by"
    assert person.signs_in().status_code == 200
    assert person.cookie() != before
    assert person.is_in()
    assert not thief.is_in(), "the session before the sign-in has ended"
    thief.client.set_cookie(visitor.COOKIE, "A" * 43, domain="window.example", secure=True)
    thief.authenticator = person.authenticator
    thief.signs_in()
    assert thief.cookie() != "A" * 43


@pytest.mark.parametrize("value", ["", "A" * 43, "A" * 5000, "é", "\x00", "null"])
def test_what_is_no_session_opens_nothing(house, value):
    person = Person(house, SATO)
    answer = person.gets("/account", headers={"Cookie": f"__Host-session={value}"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=/account")


def test_a_session_that_is_left_alone_ends(house):
    person = house.officer(SATO)
    for _ in range(4):
        house.clock.passes(minutes=13)
        assert person.is_in(), "use keeps it"
    house.clock.passes(minutes=15)
    assert not person.is_in()


def test_no_session_lasts_longer_than_a_day_at_work(house):
    person = house.officer(SATO)
    for _ in range(10 * 6 - 1):
        house.clock.passes(minutes=10)
        assert person.is_in()
    house.clock.passes(minutes=10)
    assert not person.is_in()


def test_signing_out_ends_the_session_not_only_the_cookie(house):
    person = house.officer(SATO)
    kept = person.cookie()
    person.signs_out()
    assert person.cookie() is None
    person.client.set_cookie(visitor.COOKIE, kept, domain="window.example", secure=True)
    assert not person.is_in()


def test_every_other_session_ends_when_asked(house):
    here = house.officer(SATO)
    there = Person(house, SATO, here.authenticator)
    there.signs_in()
    assert "この画面" in here.gets("/account").text
    assert here.posts("/account/sessions/end").status_code == 303
    assert here.is_in()
    assert not there.is_in()
    assert house.deeds(SATO)[-1] is Deed.SESSIONS_ENDED


# Other sites


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/sign-out", None, {"X-Form-Token": ""}),
        ("/sign-out", None, {"X-Form-Token": "0" * 64}),
        ("/sign-out", None, {"Origin": "https://evil.example"}),
        ("/sign-out", None, {"Sec-Fetch-Site": "cross-site"}),
        ("/sign-out", None, {"Sec-Fetch-Site": "same-site"}),
        ("/account/passkeys/question", {}, {"X-Form-Token": ""}),
        ("/account/sessions/end", None, {"X-Form-Token": ""}),
        ("/sign-in/question", {}, {"Origin": "null"}),
        ("/enrol/question", {"code": "x"}, {"Origin": "https://window.example.evil.example"}),
    ],
)
def test_what_another_site_sends_changes_nothing(house, path, body, headers):
    person = house.officer(SATO)
    done = house.deeds()
    assert person.posts(path, body, headers).status_code == 403
    assert house.deeds() == done
    assert person.is_in()


def test_no_route_that_changes_something_is_open_to_programs_and_other_sites(house):
    rules = [rule for rule in house.app.url_map.iter_rules() if "POST" in rule.methods]
    assert len(rules) >= 9
    client = house.app.test_client()
    for rule in rules:
        path = rule.rule.replace("<mark>", "0").replace("<any(ja, en):chosen>", "ja")
        for headers in ({}, {"Origin": "https://evil.example"}, {"Authorization": "Bearer kk_A"}):
            assert client.post(path, base_url=ORIGIN, json={}, headers=headers).status_code == 403, path
    assert house.deeds() == []


def test_another_sessions_token_is_not_this_ones(house):
    person, other = house.officer(SATO), house.officer(ITO)
    assert person.posts("/sign-out", headers={"X-Form-Token": other.form_token()}).status_code == 403


@pytest.mark.parametrize(
    ("wanted", "led"),
    [
        ("/cases/131016-000001?a=b", "/cases/131016-000001?a=b"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\nSet-Cookie: a=b", "/"),
        ("/sign-in", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_led_elsewhere_after_signing_in(house, wanted, led):
    person = house.officer(SATO)
    assert person.signs_in(wanted=wanted).json == {"next": led}
    assert person.gets("/sign-in", query_string={"next": wanted}).headers["Location"] == led


# Codes


def test_a_code_is_good_once(house):
    code = house.code(SATO)
    assert Person(house, SATO).enrols(code).status_code == 200
    refused(Person(house, SATO).enrols(code), Refusal.CODE_WRONG)


def test_a_code_is_not_used_up_by_what_fails(house):
    code, person = house.code(SATO), Person(house, SATO)
    refused(person.enrols(code, person.authenticator.behaving(flags=PRESENT)), Refusal.ANSWER_WRONG)
    assert person.enrols(code).status_code == 200


def test_two_browsers_with_one_code_enrol_one_passkey(house):
    code = house.code(SATO)
    people = [Person(house, SATO) for _ in range(2)]
    asked = [person.asks("/enrol", {"code": code}) for person in people]
    made = [
        person.posts(
            "/enrol",
            {"ceremony": ceremony, "credential": person.authenticator.create(options), "code": code},
        )
        for person, (_, ceremony, options) in zip(people, asked, strict=True)
    ]
    assert [answer.status_code for answer in made] == [200, 403]
    assert [person.is_in() for person in people] == [True, False]


def test_a_code_is_good_for_an_hour(house):
    code, person = house.code(SATO), Person(house, SATO)
    house.clock.passes(minutes=59, seconds=59)
    answer, ceremony, options = person.asks("/enrol", {"code": code})
    assert answer.status_code == 200
    house.clock.passes(seconds=1)
    made = person.authenticator.create(options)
    body = {"ceremony": ceremony, "credential": made, "code": code}
    refused(person.posts("/enrol", body), Refusal.CODE_WRONG)


def test_the_latest_code_is_the_only_one(house):
    first, second = house.code(SATO), house.code(SATO)
    refused(Person(house, SATO).enrols(first), Refusal.CODE_WRONG)
    assert Person(house, SATO).enrols(second).status_code == 200


def test_a_question_for_one_code_is_not_answered_with_another(house):
    person, code, other = Person(house, SATO), house.code(SATO), house.code(TANAKA)
    _, ceremony, options = person.asks("/enrol", {"code": code})
    body = {"ceremony": ceremony, "credential": person.authenticator.create(options), "code": other}
    refused(person.posts("/enrol", body), Refusal.CODE_WRONG)
    assert Person(house, TANAKA).enrols(other).status_code == 200, "it was not used up"


def test_wrong_codes_are_slowed_and_written_down(house):
    person = Person(house, SATO)
    for _ in range(5):
        refused(person.enrols(codes.make()), Refusal.CODE_WRONG)
    slowed = person.enrols(house.code(SATO))
    refused(slowed, Refusal.TOO_OFTEN)
    assert slowed.headers["Retry-After"] == "60"
    assert house.deeds() == [Deed.CODE_REFUSED] * 5 + [Deed.CODE_GIVEN]


def test_addresses_behind_a_front_are_told_apart_and_no_client_invents_one(house, monkeypatch):
    monkeypatch.setenv(PROXIES_VARIABLE, "192.0.2.80")
    person = Person(opened(house.world), SATO)

    def tries(front, client):
        headers = {"X-Forwarded-For": f"198.51.100.9, {client}"}
        body, environ = {"code": codes.make()}, {"REMOTE_ADDR": front}
        return person.posts("/enrol/question", body, headers, environ_overrides=environ).status_code

    assert [tries("192.0.2.80", "203.0.113.1") for _ in range(6)] == [403] * 5 + [429]
    assert tries("192.0.2.80", "203.0.113.2") == 403
    assert [tries("192.0.2.81", f"203.0.113.{last}") for last in range(6)] == [403] * 5 + [429]


def test_questions_from_one_address_have_an_end(house, monkeypatch):
    monkeypatch.setattr(pages, "_QUESTIONS_A_MINUTE", 3)
    person = Person(opened(house.world), SATO)
    assert [person.asks("/sign-in")[0].status_code for _ in range(4)] == [200, 200, 200, 429]


@pytest.mark.parametrize("path", ["/sign-in", "/enrol"])
def test_answers_from_one_address_have_an_end(house, monkeypatch, path):
    monkeypatch.setattr(pages, "_QUESTIONS_A_MINUTE", 3)
    person = Person(opened(house.world), SATO)
    body = {"ceremony": "invented", "credential": {}, "code": codes.make()}
    assert [person.posts(path, body).status_code for _ in range(4)] == [403, 403, 403, 429]


@pytest.mark.parametrize("path", ["/sign-in", "/enrol"])
def test_who_invents_a_question_waits_for_nobody_who_writes(house, monkeypatch, path):
    """And nobody waits for who does: it is looked at where everybody reads."""

    def writing(*_):
        raise AssertionError("the writers' lock is asked for")

    person = Person(house, SATO)
    monkeypatch.setattr(Store, "_writing", writing)
    body = {"ceremony": "invented", "credential": {}, "code": codes.make()}
    refused(person.posts(path, body), Refusal.CEREMONY_OVER)


def test_a_lost_passkey_is_replaced_and_ends(house):
    person = house.officer(SATO)
    lost = person.authenticator
    finder = Person(house, SATO, lost)
    finder.signs_in()
    assert finder.is_in()
    renewed = Person(house, SATO)
    house.clock.passes(minutes=1)
    assert renewed.enrols(house.code(SATO)).status_code == 200
    assert not finder.is_in()
    assert not person.is_in()
    refused(finder.signs_in(), Refusal.PASSKEY_UNKNOWN)
    assert renewed.is_in()
    with house.nation.reading() as connection:
        found = passkeys.of_officer(connection, SATO)
    assert [passkey.ended_at is None for passkey in found] == [False, True]


def test_a_passkey_is_enrolled_once(house):
    authenticator = house.officer(SATO).authenticator
    answer = Person(house, TANAKA).enrols(house.code(TANAKA), authenticator)
    assert (answer.status_code, answer.json) == (409, said("other"))


@pytest.mark.parametrize(
    ("officer", "made_by", "error", "words"),
    [
        ("nobody", ENDO, NotFound, "nobody"),
        (SATO, SATO, NotPermitted, "not an operator"),
        (SATO, TANAKA, NotPermitted, "not an operator"),
        (ENDO, ENDO, NotPermitted, "by the same officer"),
        (SATO, None, NotPermitted, "not an operator"),
        (GONE, ENDO, NotPermitted, "has left"),
        (SATO, GONE, NotPermitted, "has left"),
    ],
)
def test_who_gives_no_code_to_whom(house, officer, made_by, error, words):
    with house.nation.writing() as connection:
        add_operator(connection, GONE)
        officers.end_officer(connection, GONE, START)
    with pytest.raises(error, match=words):
        house.code(officer, made_by)
    assert house.deeds() == []


def test_who_gave_a_code_is_written_down(house):
    house.code(SATO)
    with house.nation.reading() as connection:
        (deed,) = deeds.latest(connection, limit=10)
    assert (deed.number, deed.officer, deed.office, deed.about) == (1, ENDO, "centre", SATO)


# What somebody has


def test_a_second_passkey_is_added_beside_the_first(house):
    person = house.officer(SATO)
    spare = Authenticator(person.authenticator.bearing)
    _, _, options = person.asks("/account/passkeys")
    assert len(options["excludeCredentials"]) == 1
    assert person.adds(spare).status_code == 200
    assert person.is_in(), "no session ends"
    assert Person(house, SATO).signs_in(spare).status_code == 200
    assert person.signs_in().status_code == 200
    assert house.deeds(SATO)[1] is Deed.PASSKEY_ADDED


def test_a_screen_left_alone_gives_no_passkey_away(house):
    person = house.officer(SATO)
    person.adds(Authenticator(person.authenticator.bearing))
    house.clock.passes(minutes=10, seconds=1)
    assert person.is_in()
    refused(person.adds(Authenticator(person.authenticator.bearing)), Refusal.NOT_FRESH)
    with house.nation.reading() as connection:
        first, _ = passkeys.in_use(connection, SATO)
    assert person.posts(f"/account/passkeys/{first.mark}/end").status_code == 403


def test_a_passkey_is_added_by_whom_the_question_was_for(house):
    person, other = house.officer(SATO), house.officer(ITO)
    _, ceremony, options = person.asks("/account/passkeys")
    body = {"ceremony": ceremony, "credential": Authenticator(person.authenticator.bearing).create(options)}
    refused(other.posts("/account/passkeys", body), Refusal.CEREMONY_OVER)
    refused(person.posts("/account/passkeys", body), Refusal.CEREMONY_OVER)


def test_any_passkey_but_the_last_can_be_ended(house):
    person, other = house.officer(SATO), house.officer(ITO)
    person.adds(spare := Authenticator(person.authenticator.bearing))
    with house.nation.reading() as connection:
        first, second = passkeys.in_use(connection, SATO)
    assert other.posts(f"/account/passkeys/{first.mark}/end").status_code == 404, "another officer's"
    assert person.posts(f"/account/passkeys/{first.mark}/end").status_code == 303
    refused(Person(house, SATO, person.authenticator).signs_in(), Refusal.PASSKEY_UNKNOWN)
    assert person.posts(f"/account/passkeys/{second.mark}/end").status_code == 409
    assert Person(house, SATO).signs_in(spare).status_code == 200
    with house.nation.writing() as connection, pytest.raises(Conflict, match="the only one"):
        passkeys.end(connection, SATO, second.mark, START)


@pytest.mark.parametrize("path", ["/account/passkeys/question", "/account/passkeys"])
def test_who_is_not_signed_in_adds_nothing(house, path):
    answer = Person(house, SATO).posts(path, {"ceremony": "", "credential": {}})
    assert (answer.status_code, answer.json) == (401, said("signed_out"))


# Pages


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("path", ["/sign-in", "/sign-in?out=1", "/enrol", "/account"])
def test_every_page_speaks_both_languages(house, path, language):
    person = house.officer(SATO) if path == "/account" else Person(house, SATO)
    answer = person.gets(path, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert "style=" not in answer.text
    assert "<script>" not in answer.text
    title = {"/account": "signing_in.account.title", "/enrol": "signing_in.enrol.title"}
    assert TEXTS.say(language, title.get(path, "signing_in.title")) in answer.text
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_refusal_has_its_words():
    for reason in Refusal:
        assert TEXTS.has(f"signing_in.refused.{reason.word}")


def test_at_another_address_the_page_leads_to_the_right_one(house):
    client = house.app.test_client()
    assert f'href="{ORIGIN}/sign-in"' in client.get("/sign-in", base_url="http://127.0.0.1:8080").text
    assert f'href="{ORIGIN}/sign-in"' not in client.get("/sign-in", base_url=ORIGIN).text


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"code": 1}', b'{"code": "x", "more": 1}', b"\xff"])
@pytest.mark.parametrize("path", ["/enrol/question", "/enrol", "/sign-in"])
def test_what_no_script_of_ours_sends_is_refused(house, path, body):
    person = Person(house, SATO)
    answer = person.client.post(path, base_url=ORIGIN, data=body, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.json) == (400, said("other"))


def test_what_is_too_large_is_not_read(house):
    answer = Person(house, SATO).posts("/sign-in", {"ceremony": "A" * 100_000, "credential": {}})
    assert answer.status_code == 413


# The command line


def test_the_first_operator_is_enrolled_on_the_machine(staffed_world):
    told = commands.done(commands.run("officer", "code", "ito", "--home", staffed_world, "--json")).json
    assert told.keys() == {"officer", "code", "good_until", "page"}
    with open_world(staffed_world, lambda: "") as world:
        with world.stores.nation.writing() as connection:
            add_operator(connection, ENDO)
        house = opened(world)
        assert Person(house, ITO).enrols(told["code"]).status_code == 200
        with house.nation.reading() as connection:
            given = deeds.latest(connection, limit=2)[1]
        assert (given.what, given.officer, given.about) == (Deed.CODE_GIVEN, None, ITO)
        for officer in ("ito", "endo"):
            outcome = commands.run("officer", "code", officer, "--home", staffed_world)
            commands.refused(outcome, officer, "there is one with a passkey", "ito gives it on the page")
        home = ("--home", staffed_world)
        listed = commands.done(commands.run("officer", "passkeys", "ito", *home, "--json")).json
        assert [(row["label"], row["ended_at"]) for row in listed] == [("window 2", None)]
        with house.nation.writing() as connection:
            officers.end_officer(connection, ITO, world.clock())
    commands.done(commands.run("officer", "code", "endo", "--home", staffed_world))


@pytest.mark.parametrize(
    ("officer", "words"),
    [("sato", "is not an operator of the centre"), ("tanaka", "is not an operator"), ("nobody", "nobody")],
)
def test_the_machine_gives_nobody_else_a_code(pristine_staffed_world, officer, words):
    commands.refused(commands.run("officer", "code", officer, "--home", pristine_staffed_world), words)


def test_a_server_refuses_an_origin_without_passkeys(pristine_staffed_world):
    outcome = commands.run("serve", "--home", pristine_staffed_world, "--origin", "http://window.example")
    commands.refused(outcome, "--origin", "Web Authentication")


# In a browser


@contextmanager
def served(house, port):
    server = make_server("127.0.0.1", port, house.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def chromium():
    path = components.require("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_an_officer_enrols_and_signs_in_with_chromium(house, chromium):
    port = free_port()
    origin = f"http://localhost:{port}"
    house = opened(house.world, origin)
    with served(house, port):
        context = chromium.new_context(locale="ja-JP")
        page = context.new_page()
        complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        devices = context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        options = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
        verifying = {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
        device = devices.send("WebAuthn.addVirtualAuthenticator", {"options": options | verifying})
        device = device["authenticatorId"]

        # Everything by the keyboard: the field that comes first has the focus, Enter sends.
        page.goto(f"{origin}/enrol")
        focused(page)
        page.keyboard.type(house.code(SATO).lower().replace("-", " "))
        page.keyboard.press("Enter")
        page.wait_for_url(f"{origin}/account")
        expect(page.get_by_role("heading", level=1)).to_have_text("アカウント")
        expect(page.locator("tbody tr")).to_have_count(1)
        (cookie,) = [each for each in context.cookies() if each["name"] == visitor.COOKIE]
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")

        page.get_by_role("button", name="サインアウト").click()
        expect(page.get_by_text("サインアウトしました。")).to_be_visible()
        page.goto(f"{origin}/account")
        assert page.url == f"{origin}/sign-in?next=/account"
        focused(page)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{origin}/account")
        held = devices.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
        assert [(each["isResidentCredential"], each["rpId"]) for each in held] == [(True, "localhost")]
        assert complaints == []

        # The very device that is enrolled makes no second passkey.
        page.get_by_label("パスキーの名前").fill("予備")
        page.get_by_role("button", name="パスキーを追加する").click()
        expect(page.locator(".outcome")).to_have_text("この端末のパスキーはすでに登録されています。")

        # A copy of it, which counts less than the true one did.
        page.get_by_role("button", name="サインアウト").click()
        page.wait_for_url(f"{origin}/sign-in?out=1")
        devices.send("WebAuthn.clearCredentials", {"authenticatorId": device})
        devices.send(
            "WebAuthn.addCredential", {"authenticatorId": device, "credential": held[0] | {"signCount": 0}}
        )
        focused(page)
        page.keyboard.press("Enter")
        expect(page.locator(".outcome")).to_have_text(said("count_back")["problem"])
        assert house.deeds(SATO)[-1] is Deed.SIGN_IN_REFUSED

        # Somebody whom the device does not know.
        devices.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
        page.get_by_role("button", name="パスキーでサインイン").click()
        expect(page.locator(".outcome")).to_contain_text("中止されたか")
        context.close()
