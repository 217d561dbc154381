"""The pages of the window, asked as a browser asks them, over a real seeded world."""

from __future__ import annotations

import html
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import pem
from cryptography import x509
from flask import Flask, g
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from ca.issuing.issuer import Issuers
from ca.issuing.retention import end_retention
from ca.model import (
    RESIDENT_KINDS,
    CertificateKind,
    MunicipalityCode,
    Officer,
    OfficerId,
    RevocationReason,
    Role,
)
from ca.profiles.residents import birth_date_text
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk
from ca.rules.identity import Document, Purpose, Weight
from ca.rules.registration import State, Step
from ca.rules.residents import LapseRules
from ca.store import applications, deeds, officers
from ca.store.search import holder_certificates
from ca.suites import RSA1024_KEYS, SHA1_RSA1024
from front.assembly import World
from front.demo.people import invented_code
from front.pages.forms import Fields
from front.pages.rendering import install
from front.pages.texts import Texts
from front.pages.visit import SignedIn
from front.registration import window_slip
from front.registration.window import FOLDER, window
from front.registration.window_filing import Kinds
from front.registration.window_items import read_birth_date, read_flags, written
from front.registration.window_requests import Deed
from tests.components import require
from tests.engine_world import CODE, NOW, RESIDENT, EngineWorld, engine_world
from tests.old_world import short_request

TOKEN = "the session's token"  # noqa: S105 - a form's field in a test
OWN = {"Sec-Fetch-Site": "same-origin"}
ADDRESS = "鳥取県鳥取市見本町九丁目九番九号"


class TestWorld(World):
    """An engine's world with the parts that the front's has."""

    __test__ = False

    def __init__(self, engine: EngineWorld) -> None:
        super().__init__(
            home=None,
            description=None,
            clock=lambda: self.now,
            stores=engine.stores,
            repository=engine.repository,
            passphrase=str,
            vault=lambda: engine.vault,
        )
        self.now = NOW
        self.__dict__ |= {"plan": engine.plan, "issuers": engine.issuers}
        self._chance = engine.chance

    @property
    def chance(self):
        return self._chance


@dataclass
class Desk:
    """Pages over a world; ``at`` sits an officer down."""

    engine: EngineWorld
    world: TestWorld
    app: Flask
    officer: str = "window"
    filed: str = ""

    def at(self, officer: str) -> Browser:
        return Browser(self, officer)

    def state(self, case: str) -> State:
        return self.find(case).case.state

    def find(self, case: str):
        with self.world.stores.nation.reading() as connection:
            return applications.find(connection, case)

    def cases(self) -> list[str]:
        with self.world.stores.nation.reading() as connection:
            return [case.id for case in applications.of_office(connection, None)]


@dataclass
class Browser:
    """A browser in which an officer is signed in."""

    desk: Desk
    officer: str
    language: str = "ja"

    def client(self) -> FlaskClient:
        self.desk.officer = self.officer
        client = self.desk.app.test_client()
        client.set_cookie("language", self.language)
        return client

    def get(self, path: str, **options):
        return self.client().get(path, **options)

    def post(self, path: str, data=None, **options):
        headers = options.pop("headers", OWN)
        return self.client().post(
            path, data={"form_token": TOKEN, **(data or {})}, headers=headers, **options
        )


@pytest.fixture
def desk(tmp_path):
    with _desk(tmp_path / "world") as made:
        yield made


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """One for tests after which nothing has changed, but that who was shown nothing is written down."""

    def dump(desk: Desk) -> dict[str, list[tuple[object, ...]]]:
        rows = desk.engine.dump()
        return rows | {"0 deeds": [row for row in rows["0 deeds"] if deeds.Deed.LOOK_REFUSED not in row]}

    with _desk(tmp_path_factory.mktemp("still") / "world") as made:
        made.filed = made.engine.filed().case.id
        before = dump(made)
        yield made
        assert dump(made) == before


@contextmanager
def _desk(folder: Path):
    with engine_world(folder) as engine:
        world = TestWorld(engine)
        app = Flask(__name__, static_folder=None)
        app.config["MAX_CONTENT_LENGTH"] = 4 << 20
        desk = Desk(engine, world, app)

        @app.before_request
        def sit_down() -> None:
            with world.stores.nation.reading() as connection:
                g.signed_in = SignedIn(*officers.officer(connection, desk.officer), TOKEN)

        install(app, [window(world)])
        yield desk


def form(desk: Desk, **changes: object) -> dict[str, object]:
    """A form that is right, with its requests pasted."""
    csrs = desk.engine.csrs(*RESIDENT_KINDS)
    return {
        "purpose": "new",
        "document-driving-licence": "on",
        "ends-driving-licence": "2016-05-05",
        "code": invented_code(77),
        "birth_date": "H2.5.5",
        "name": "架橋 見本",
        "name_substitutes": "01000",
        "sex": "2",
        "address": ADDRESS,
        "card_number": "AB12 3456 7890",
        "card_expires": "2019-05-05",
        "kinds": "both",
        **{f"csr-{kind}": pem.armor("CERTIFICATE REQUEST", csrs[kind]).decode() for kind in RESIDENT_KINDS},
        **changes,
    }


def said(response) -> str:
    """A page's text as a person reads it."""
    return html.unescape(re.sub(r"<[^>]+>", "", response.text))


def problems_of(response) -> dict[str, str]:
    """What a page says beside its fields."""
    found = re.findall(r'class="problem" id="([^"]+)-problem"[^>]*>([^<]+)<', response.text)
    return {name: html.unescape(words) for name, words in found if words.strip()}


# An application, from the window to the card and home


def test_four_officers_take_a_case_from_the_window_to_its_holder(desk):
    filed = desk.at("window").post("/cases/new", form(desk))
    assert filed.status_code == 303
    (case,) = desk.cases()
    assert filed.location == f"/cases/{case}?filed=1"
    found = desk.find(case)
    assert found.applicant == replace(RESIDENT, address=ADDRESS, address_substitutes="0" * 16)
    assert found.card_expires == date(2019, 5, 5)
    assert (found.reception.purpose, found.reception.card_number) == (Purpose.NEW, "AB1234567890")
    assert [seen.kind for seen in found.reception.documents] == [Document.DRIVING_LICENCE]
    for officer, step, state in (
        ("window-2", Step.EXAMINE, State.EXAMINED),
        ("centre-1", Step.APPROVE, State.APPROVED),
        ("operator", Step.ISSUE, State.ISSUED),
        ("window", Step.HAND_OVER, State.DELIVERED),
    ):
        browser = desk.at(officer)
        # Open the work list, Enter on the first case, Enter on its button: three interactions.
        work = browser.get("/").text
        (first,) = re.findall(r'href="([^"]+)" autofocus', work)
        page = browser.get(first).text
        (action,) = re.findall(
            r'<form method="post" action="([^"]+)">(?:(?!</form>).)*<button autofocus', page, re.DOTALL
        )[-1:]
        assert action == f"/cases/{case}/{step}"
        done = browser.post(action)
        assert (done.status_code, done.location) == (303, f"/?done={case}")
        assert case in browser.get(done.location).text
        assert desk.state(case) is state
    history = said(desk.at("window").get(f"/cases/{case}"))
    for word in ("受付", "審査", "承認", "発行", "交付", "window-2", "centre-1", "operator", "鳥取市"):
        assert word in history


def test_the_certificates_for_the_card_are_the_ones_that_were_issued(desk):
    case = issued(desk)
    for kind in RESIDENT_KINDS:
        response = desk.at("window").get(f"/cases/{case}/{kind}.cer")
        found = x509.load_pem_x509_certificate(response.data)
        record = next(item.certificate for item in desk.find(case).requests if item.kind is kind)
        assert found.serial_number == record.serial.value
        assert f"{case}-{kind}.cer" in response.headers["Content-Disposition"]
    assert desk.at("window").get(f"/cases/{case}/lg-post.cer").status_code == 404


def test_a_request_as_a_file_is_as_good_as_one_that_is_pasted(desk):
    csrs = desk.engine.csrs(*RESIDENT_KINDS)
    files = {f"csr-{kind}": (BytesIO(csrs[kind]), f"{kind}.csr") for kind in RESIDENT_KINDS}
    response = desk.at("window").post("/cases/new", form(desk, **files), content_type="multipart/form-data")
    assert response.status_code == 303


def issued(desk: Desk, **options) -> str:
    application = desk.engine.approved(**options)
    desk.engine.registration.issue(application.case.id, "operator", at=NOW)
    desk.world.now = NOW + timedelta(
        minutes=1
    )  # what takes effect later than the approval ends its certificates
    return application.case.id


# What is typed


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"purpose": "for fun"}, "purpose"),
        ({"document-driving-licence": ""}, "documents"),
        ({"ends-driving-licence": ""}, "ends-driving-licence"),
        ({"ends-driving-licence": "2014-08-31"}, "documents"),
        ({"code": "12345678901"}, "code"),
        ({"code": ""}, "code"),
        ({"birth_date": "S65.1.1"}, "birth_date"),
        ({"birth_date": "2014-09-02"}, "birth_date"),
        ({"birth_date": "2000-09-02"}, "birth_date"),
        ({"birth_date": "0000-05-05"}, "birth_date"),
        ({"name": ""}, "name"),
        ({"name": "架橋\u0007見本"}, "name"),
        ({"name": "か" * 201}, "name"),
        ({"name_substitutes": "0100"}, "name_substitutes"),
        ({"name_substitutes": "01002"}, "name_substitutes"),
        ({"sex": "3"}, "sex"),
        ({"address": "鳥取県鳥取市"}, "address"),
        ({"address_substitutes": "1"}, "address_substitutes"),
        ({"card_number": "!"}, "card_number"),
        ({"card_expires": "2014-08-31"}, "card_expires"),
        ({"card_expires": "2114-08-31"}, "card_expires"),
        ({"card_expires": "tomorrow"}, "card_expires"),
        ({"card_expires": "9999-12-31"}, "card_expires"),
        ({"ends-driving-licence": "9999-12-31"}, "ends-driving-licence"),
        ({"birth_date": "0001-01-01"}, "birth_date"),
        ({"birth_date": "9999-12-31"}, "birth_date"),
        ({"name": "\ufffd見本"}, "name"),
        ({"name": "\u3099"}, "name"),
        ({"kinds": "all"}, "kinds"),
        ({"csr-signature": ""}, "csr-signature"),
        ({"csr-signature": "a letter"}, "csr-signature"),
        ({"csr-signature": "x" * (600 << 10)}, "csr-signature"),
        ({"purpose": "renewal"}, "purpose"),
    ],
)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_field_that_is_wrong_is_named_and_what_was_typed_stays(still, changes, field, language):
    sent = form(still, **changes)
    browser = still.at("window")
    browser.language = language
    response = browser.post("/cases/new", sent)
    assert response.status_code == 422
    assert list(problems_of(response)) == [field]
    text = html.unescape(response.text)
    for name in (
        "name",
        "code",
        "address",
        "card_number",
        "birth_date",
        "name_substitutes",
        "csr-user-authentication",
    ):
        assert str(sent[name]).strip() in text, f"{name} is kept"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ja", "RSA 鍵が短すぎます(1024 ビット)。2048 ビット以上の新しい鍵を作ってください。"),
        ("en", "its RSA key has 1024 bits; 2048 are the least"),
    ],
)
def test_a_key_of_the_past_is_refused_on_the_form_when_its_time_is_over(desk, language, words):
    engine, browser = desk.engine, desk.at("window")
    browser.language = language
    practices = {
        name: replace(
            one, holders={kind: replace(held, keys=RSA1024_KEYS) for kind, held in one.holders.items()}
        )
        for name, one in engine.plan.practices.items()
    }
    desk.world.__dict__["issuers"] = Issuers(engine.stores, engine.vault, practices)
    csr = pem.armor("CERTIFICATE REQUEST", short_request(1)).decode()
    sent = form(desk, kinds="signature", **{"csr-signature": csr})
    desk.world.now = SHA1_RSA1024.sign_until
    assert browser.post("/cases/new/check", sent).json == {"problems": {}}
    desk.world.now += timedelta(seconds=1)
    assert words in browser.post("/cases/new/check", sent).json["problems"]["csr-signature"]
    refused = problems_of(browser.post("/cases/new", sent))
    assert list(refused) == ["csr-signature"]
    assert words in refused["csr-signature"]
    desk.world.now = SHA1_RSA1024.sign_until
    assert browser.post("/cases/new", sent).status_code == 303


def test_who_is_under_fifteen_gets_a_certificate_for_user_authentication_alone(desk):
    young = form(desk, birth_date="2000-09-02")
    assert "署名用" in problems_of(desk.at("window").post("/cases/new", young))["birth_date"]
    alone = young | {"kinds": "user-authentication", "csr-signature": ""}
    assert desk.at("window").post("/cases/new", alone).status_code == 303
    assert [item.kind for item in desk.find(desk.cases()[0]).requests] == [
        CertificateKind.USER_AUTHENTICATION
    ]


@pytest.mark.parametrize(
    ("language", "words"), [("ja", "すでにお持ちです"), ("en", "Choose Renewal or Replacement")]
)
def test_who_holds_one_is_told_beside_the_purpose_that_it_is_not_new(desk, language, words):
    case = issued(desk)
    desk.at("window").post(f"/cases/{case}/hand-over")
    browser = desk.at("window")
    browser.language = language
    problems = problems_of(browser.post("/cases/new", form(desk, code=CODE)))
    assert list(problems) == ["purpose"]
    assert words in problems["purpose"]


def test_a_character_that_is_newer_than_this_python_is_taken(desk):
    name = "\U000313a0田 花子"
    sent = form(desk, name=name, name_substitutes="")
    assert desk.at("window").post("/cases/new", sent).status_code == 303
    assert desk.find(desk.cases()[0]).applicant.name == name.replace(" ", "\u3000")


def test_two_kinds_need_two_keys(still):
    sent = form(still)
    sent["csr-user-authentication"] = sent["csr-signature"]
    assert list(problems_of(still.at("window").post("/cases/new", sent))) == ["csr-user-authentication"]


def test_a_request_that_came_as_a_file_is_shown_as_text_when_the_form_is_refused(still):
    csr = still.engine.csrs(CertificateKind.SIGNATURE)[CertificateKind.SIGNATURE]
    sent = form(still, name="", **{"csr-signature": (BytesIO(csr), "sig.csr")})
    response = still.at("window").post("/cases/new", sent, content_type="multipart/form-data")
    assert response.status_code == 422
    assert pem.armor("CERTIFICATE REQUEST", csr).decode().strip() in html.unescape(response.text)


def test_the_check_while_somebody_types_says_what_the_sending_says(still):
    sent = form(still, birth_date="S65.1.1", name_substitutes="1", **{"csr-signature": "a letter"})
    checked = still.at("window").post("/cases/new/check", sent)
    refused = still.at("window").post("/cases/new", sent)
    assert checked.json["problems"] == problems_of(refused)
    # A file does not come with a check.
    assert still.at("window").post("/cases/new/check", form(still, **{"csr-signature": ""})).json == {
        "problems": {}
    }


def test_rare_and_combining_characters_come_into_the_case_as_they_are(desk):
    name = "神﨑\u3000𠮷か゚葛󠄀"
    flags = "1" * len(name)
    response = desk.at("window").post(
        "/cases/new", form(desk, name=f" {name.replace(chr(0x3000), '  ')} ", name_substitutes=flags)
    )
    assert response.status_code == 303, problems_of(response)
    case = desk.cases()[0]
    assert desk.find(case).applicant.name == name
    assert desk.find(case).applicant.name_substitutes == flags
    page = desk.at("window-2").get(f"/cases/{case}").text
    assert page.count("<mark") == len(name)


def test_a_form_sent_twice_is_one_case(desk):
    sent = form(desk)
    first, second = (desk.at("window").post("/cases/new", sent) for _ in range(2))
    assert first.location == second.location
    assert len(desk.cases()) == 1
    # The same keys for another person are no double click.
    other = desk.at("window").post("/cases/new", sent | {"name": "別人 見本", "name_substitutes": ""})
    assert list(problems_of(other)) == ["csr-signature"]
    assert desk.cases()[0] in problems_of(other)["csr-signature"]


def test_a_renewal_is_received_within_three_months_and_not_before(desk):
    case = issued(desk, code=CODE)
    last = max(
        record.period.not_after for record in desk.world.stores.certificates(desk.find(case).certificates)
    )
    sent = form(
        desk,
        purpose="renewal",
        code=CODE,
        card_expires="2024-05-05",
        **{"ends-driving-licence": "2020-01-01"},
    )
    early = desk.at("window").post("/cases/new", sent)
    assert "3 か月" in problems_of(early)["purpose"]
    desk.world.now = last - timedelta(days=80)
    renewed = desk.at("window").post("/cases/new", sent | {"card_expires": "2024-05-05"})
    assert renewed.status_code == 303, problems_of(renewed)
    assert "前の証明書は失効します" in said(desk.at("window").get(renewed.location))


# Who may see and do what

NOBODYS = "312029-000001"


@pytest.mark.parametrize("path", ["", "/slip.pdf", "/signature.cer"])
def test_another_offices_case_is_shown_to_nobody_and_neither_is_whether_there_is_one(still, path):
    case = still.filed
    there = still.at("other-window").get(f"/cases/{case}{path}")
    not_there = still.at("other-window").get(f"/cases/312011-999999{path}")
    assert there.status_code == not_there.status_code == 403
    assert there.text == not_there.text.replace("312011-999999", case)
    assert RESIDENT.name not in there.text
    assert still.at("window").get(f"/cases/312011-999999{path}").status_code == 404


def look_refused(desk: Desk) -> list[tuple[str | None, str | None]]:
    with desk.world.stores.nation.reading() as connection:
        noted = deeds.latest(connection, limit=200)
    return [(deed.officer, deed.about) for deed in reversed(noted) if deed.what is deeds.Deed.LOOK_REFUSED]


def test_a_case_that_is_refused_is_a_deed_without_its_number(desk):
    case = desk.engine.filed().case.id
    desk.at("other-window").get(f"/cases/{case}")
    desk.at("other-window").post(f"/cases/{case}/approve")
    desk.at("window").get(f"/cases/{case}")
    assert look_refused(desk) == [("other-window", "case")] * 2
    desk.at("window").get("/cases/312011-999999")
    assert look_refused(desk)[2:] == [("window", "case")]


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.FILE])
def test_no_step_of_another_offices_case_can_be_taken(still, step):
    case = still.filed
    for officer in ("other-window", "other-window-2"):
        response = still.at(officer).post(f"/cases/{case}/{step}", {"note": "why not"})
        assert response.status_code == 403


def test_who_received_a_case_does_not_examine_it(desk):
    with desk.world.stores.nation.writing() as connection:
        both = frozenset({Role.RECEPTION, Role.EXAMINER})
        officers.add_officer(connection, Officer(OfficerId("both"), RESIDENT.municipality, both))
    case = desk.engine.filed(officer="both").case.id
    assert "別の担当者" in said(desk.at("both").get(f"/cases/{case}"))
    assert f"{case}/examine" not in desk.at("both").get(f"/cases/{case}").text
    assert desk.at("both").post(f"/cases/{case}/examine").status_code == 403
    assert case not in desk.at("both").get("/").text


def test_a_step_sent_twice_is_taken_once_and_a_second_officer_is_told_that_things_have_changed(desk):
    case = desk.engine.filed().case.id
    assert [desk.at("window-2").post(f"/cases/{case}/examine").status_code for _ in range(2)] == [303, 303]
    late = desk.at("window-3").post(f"/cases/{case}/examine")
    assert late.status_code == 409
    assert "状態が変わっています" in said(late)
    assert [taken.step for taken in desk.find(case).case.history] == [Step.FILE, Step.EXAMINE]


def test_an_approval_is_not_replayed_after_the_case_has_gone_on(desk):
    case = issued(desk)
    assert desk.at("centre-1").post(f"/cases/{case}/approve").status_code == 409
    assert (
        desk.at("operator").post(f"/cases/{case}/issue").status_code == 303
    )  # the last step again, by the same officer
    assert len(desk.find(case).certificates) == 2


@pytest.mark.parametrize(
    ("step", "officer", "state"),
    [(Step.REJECT, "window-2", State.REJECTED), (Step.DISCARD, "window", State.DISCARDED)],
)
def test_what_ends_a_case_needs_a_reason_which_the_history_tells(desk, step, officer, state):
    case = desk.engine.filed().case.id if step is Step.REJECT else issued(desk)
    before = desk.state(case)
    refused = desk.at(officer).post(f"/cases/{case}/{step}", {"note": " "})
    assert refused.status_code == 422
    assert list(problems_of(refused)) == ["note"]
    assert desk.state(case) is before
    assert desk.at(officer).post(f"/cases/{case}/{step}", {"note": "番地が <違う>"}).status_code == 303
    assert desk.state(case) is state
    page = desk.at("window").get(f"/cases/{case}")
    assert "番地が <違う>" in said(page) or "番地が &lt;違う&gt;" in page.text


FORMS = (
    "/cases/new",
    "/cases/new/check",
    "/cases",
    "/requests",
    "/cases/{case}/examine",
    "/requests/{certificate}",
)


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("headers", "token"),
    [
        (OWN, "another session's"),
        (OWN, ""),
        ({"Sec-Fetch-Site": "cross-site"}, TOKEN),
        ({"Origin": "https://else.example"}, TOKEN),
        ({}, TOKEN),
    ],
)
def test_a_form_that_another_site_sends_does_nothing(still, path, headers, token):
    case = still.filed
    path = path.format(case=case, certificate="jpki-31.g1:1")
    officer = "window-2" if "examine" in path else "window"
    response = still.at(officer).post(path, form(still) | {"form_token": token}, headers=headers)
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("officer", "path"),
    [
        ("window-2", "/cases/new"),
        ("ministry", "/cases/new"),
        ("centre-1", "/requests"),
        ("ministry", "/requests"),
    ],
)
def test_only_who_receives_at_a_window_has_the_windows_forms(still, officer, path):
    assert still.at(officer).get(path).status_code in {400, 403}
    assert f'href="{path}"' not in still.at(officer).get("/cases").text


def test_an_upload_of_many_megabytes_is_refused(still):
    sent = {"content_type": "multipart/form-data; boundary=x", "headers": OWN}
    response = still.at("window").client().post("/cases/new", data=b"x" * (5 << 20), **sent)
    assert response.status_code == 413
    assert "大きすぎます" in said(response)


# Lists


def test_the_search_finds_by_number_name_state_and_day_and_only_the_own_offices(desk):
    first = desk.engine.filed().case.id
    other = replace(
        RESIDENT, municipality=MunicipalityCode("312029"), address="鳥取県米子市見本町一丁目一番一号"
    )
    elsewhere = desk.engine.filed(other, officer="other-window", code=invented_code(5)).case.id
    day = "2014-09-01"
    for asked, found in (
        ({"words": first}, True),
        ({"words": "架 橋"}, True),
        ({"words": "見本"}, False),
        ({"state": "filed", "since": day, "until": day}, True),
        ({"state": "issued"}, False),
        ({"until": "2014-08-31"}, False),
    ):
        page = desk.at("window").post("/cases", asked).text
        assert (f'href="/cases/{first}"' in page) is found, asked
        assert elsewhere not in page
    assert elsewhere in desk.at("centre-1").post("/cases", {"words": "架橋"}).text
    with desk.world.stores.nation.reading() as connection:
        noted = deeds.latest(connection, limit=100)
    assert {deed.about for deed in noted} == {"search"}


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "0001-01-01"},
        {"until": "9999-12-31"},
        {"until": "2201-01-01"},
        {"since": "x"},
        {"state": "x"},
        {"since": "2014-09-02", "until": "2014-09-01"},
        {"words": "x" * 101},
    ],
)
def test_a_search_that_makes_no_sense_is_asked_again(still, asked):
    response = still.at("window").post("/cases", asked)
    assert response.status_code == 422


# Ending and loss


def found_holder(desk: Desk, code=CODE) -> str:
    response = desk.at("window").post("/requests", {"code": code})
    assert response.status_code == 303
    assert str(code) not in response.location
    return response.location


def request_form(page) -> dict[str, str]:
    (number,) = re.findall(r'name="number" value="([0-9a-f]+)"', page.text)
    return {"number": number}


@pytest.mark.parametrize(
    ("deed", "ends"),
    [
        (Deed.GIVE_UP_SIGNATURE, {"signature": "cessationOfOperation"}),
        (Deed.GIVE_UP_USER_AUTHENTICATION, {"user-authentication": "cessationOfOperation"}),
        (Deed.REPORT_LOSS, dict.fromkeys(RESIDENT_KINDS, "keyCompromise")),
        (Deed.REPORT_COMPROMISE, dict.fromkeys(RESIDENT_KINDS, "keyCompromise")),
        (Deed.REPORT_LOSS_BY_TELEPHONE, dict.fromkeys(RESIDENT_KINDS, "certificateHold")),
        (Deed.RETURN_CARD, dict.fromkeys(RESIDENT_KINDS, "cessationOfOperation")),
    ],
)
def test_what_a_holder_asks_for_happens_once_and_the_page_says_before_what_it_will_be(desk, deed, ends):
    case = issued(desk)
    desk.at("window").post(f"/cases/{case}/hand-over")
    where = found_holder(desk)
    page = desk.at("window").get(where)
    assert f'value="{deed}"' in page.text
    assert 'value="report-found"' not in page.text  # nothing is on hold
    sent = {"deed": deed, **request_form(page)}
    for _ in range(2):
        assert desk.at("window").post(where, sent).status_code == 303
    shown = desk.at("window").get(where)
    texts = Texts.read([FOLDER / "texts"])
    for reason in set(ends.values()):
        words = texts.say("ja", f"registration.reason.{reason}")
        assert said(shown).count(words) >= sum(one == reason for one in ends.values())
    with desk.world.stores.reading() as reading:
        held = holder_certificates(reading, desk.find(case).holder)
    assert {each.kind: each.revocation.reason.word for each in held if each.revocation} == ends


def lives(desk: Desk, case: str) -> set[str | None]:
    """How the certificates of a case's holder stand."""
    with desk.world.stores.reading() as reading:
        held = holder_certificates(reading, desk.find(case).holder)
    return {None if each.revocation is None else each.revocation.reason.word for each in held}


TOLD = {
    ("ja", "done"): "を受け付けました",
    ("en", "done"): "Done: ",
    ("ja", "replayed"): "今の送信では何も変わっていません",
    ("en", "replayed"): "nothing has changed now",
    ("ja", "quarantined"): "センターが判断します",
    ("en", "quarantined"): "The centre decides",
}


def notice_of(response) -> str:
    return html.unescape(" ".join(re.findall(r'class="notice[^"]*" role="status">([^<]+)<', response.text)))


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_second_loss_with_an_earlier_forms_number_is_not_told_as_received(desk, language):
    """The card is found between them: the first form, sent again, is no report of the second loss."""
    rules = replace(LapseRules(), found_lifts=frozenset(RESIDENT_KINDS))
    desk.world.__dict__["events"] = EventDesk(desk.world.stores, rules)
    case = issued(desk)
    browser = desk.at("window")
    browser.language = language
    browser.post(f"/cases/{case}/hand-over")
    where = found_holder(desk)

    def opened():
        desk.world.now += timedelta(minutes=1)
        return request_form(browser.get(where))

    def sends(deed, number):
        desk.world.now += timedelta(minutes=1)
        sent = browser.post(where, {"deed": deed} | number)
        assert sent.status_code == 303
        return browser.get(sent.location)

    first, second = opened(), opened()
    lost = sends(Deed.REPORT_LOSS_BY_TELEPHONE, first)
    assert TOLD[language, "done"] in notice_of(lost)
    assert lives(desk, case) == {"certificateHold"}
    assert TOLD[language, "done"] in notice_of(sends(Deed.REPORT_FOUND, second))
    assert lives(desk, case) == {None}
    again = sends(Deed.REPORT_LOSS_BY_TELEPHONE, first)
    assert lives(desk, case) == {None}
    assert TOLD[language, "replayed"] in notice_of(again)
    assert TOLD[language, "done"] not in notice_of(again)
    # What the page offers then is sent with a number of its own.
    assert TOLD[language, "done"] in notice_of(sends(Deed.REPORT_LOSS_BY_TELEPHONE, request_form(again)))
    assert lives(desk, case) == {"certificateHold"}


@pytest.mark.parametrize("language", ["ja", "en"])
def test_what_the_rules_leave_to_the_centre_is_not_told_as_done(desk, language):
    case = issued(desk)
    revoke(
        desk.world.stores, desk.find(case).certificates[0], RevocationReason.CERTIFICATE_HOLD, "operator",
        at=desk.world.now,
    )  # fmt: skip
    desk.world.now += timedelta(minutes=1)
    browser = desk.at("window")
    browser.language = language
    where = found_holder(desk)
    sent = browser.post(where, {"deed": Deed.REPORT_FOUND, **request_form(browser.get(where))})
    told = notice_of(browser.get(sent.location))
    assert TOLD[language, "quarantined"] in told
    assert TOLD[language, "done"] not in told


@pytest.mark.parametrize(
    ("lifts", "words"),
    [
        (frozenset(), ("失効(元に戻せません)", "Ends for good")),
        (frozenset(RESIDENT_KINDS), ("再び使える", "Good again")),
    ],
)
def test_the_page_says_whether_a_card_that_is_found_ends_or_is_good_again(desk, lifts, words):
    desk.world.__dict__["events"] = EventDesk(desk.world.stores, replace(LapseRules(), found_lifts=lifts))
    issued(desk)
    where = found_holder(desk)
    browser = desk.at("window")
    browser.post(where, {"deed": Deed.REPORT_LOSS_BY_TELEPHONE, **request_form(browser.get(where))})
    desk.world.now += timedelta(minutes=1)
    for language, word in zip(("ja", "en"), words, strict=True):
        browser.language = language
        offers = dict(
            re.findall(r'value="(report-[a-z-]+)"(.*?)</label>', browser.get(where).text, re.DOTALL)
        )
        assert word in offers[Deed.REPORT_FOUND]


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "9999-12-31", "2201-01-01"])
def test_a_loss_at_the_end_of_the_calendar_is_its_fields_problem(desk, day):
    issued(desk)
    where = found_holder(desk)
    sent = {"deed": Deed.REPORT_LOSS, "occurred": day, **request_form(desk.at("window").get(where))}
    assert list(problems_of(desk.at("window").post(where, sent))) == ["occurred"]


def test_with_the_last_certificate_of_this_window_the_page_still_says_what_was_done(desk):
    """Somebody who has moved gives up the only one that the new town has issued."""
    issued(desk, kinds=(CertificateKind.USER_AUTHENTICATION,))
    desk.world.now += timedelta(minutes=1)
    town = MunicipalityCode("312029")
    moved = desk.engine.registration.file(
        "other-window", replace(RESIDENT, municipality=town), desk.engine.csrs(CertificateKind.SIGNATURE),
        code=CODE, at=desk.world.now,
    )  # fmt: skip
    for take, officer in (("examine", "other-window-2"), ("approve", "centre-1"), ("issue", "operator")):
        getattr(desk.engine.registration, take)(moved.case.id, officer, at=desk.world.now)
    desk.world.now += timedelta(minutes=1)
    assert list(problems_of(desk.at("window").post("/requests", {"code": CODE}))) == ["code"], "moved away"
    browser = desk.at("other-window")
    where = browser.post("/requests", {"code": CODE}).location
    sent = browser.post(where, {"deed": Deed.GIVE_UP_SIGNATURE, **request_form(browser.get(where))})
    shown = browser.get(sent.location)
    assert shown.status_code == 200
    assert TOLD["ja", "done"] in notice_of(shown)
    assert desk.at("window").post("/requests", {"code": CODE}).status_code == 303


def looked_up(desk: Desk) -> list[str | None]:
    with desk.world.stores.nation.reading() as connection:
        noted = deeds.latest(connection, limit=200)
    return [deed.about for deed in reversed(noted) if deed.what is deeds.Deed.LOOKED_UP]


def test_every_look_up_is_written_down_whether_anybody_is_found_or_not(desk):
    certificates = {str(each) for each in desk.find(issued(desk)).certificates}
    assert desk.at("window").post("/requests", {"code": invented_code(500)}).status_code == 422
    assert looked_up(desk) == ["nobody"]
    where = found_holder(desk)
    desk.at("window").get(where)
    desk.at("window").get(where)  # to look again is to go on looking
    shown = where.rpartition("/")[2]
    assert looked_up(desk) == ["nobody", shown]
    (other,) = certificates - {shown}
    desk.at("window").get(f"/requests/{other}")  # from the case, or a bookmark
    assert looked_up(desk) == ["nobody", shown, other]


def test_nobody_looks_up_a_list_of_codes(desk):
    issued(desk)
    at = desk.at("window")
    for number in range(30):
        at.post("/requests", {"code": invented_code(500 + number)})
    assert looked_up(desk) == ["nobody"] * 30
    refused = at.post("/requests", {"code": CODE})
    assert "短い時間に何度も" in problems_of(refused)["code"]
    assert looked_up(desk) == ["nobody"] * 30, "nobody was looked at"
    at.post("/requests", {"code": CODE})
    assert look_refused(desk) == [("window", "holder")], "once, however often it is tried"
    desk.world.now += timedelta(minutes=1)
    assert at.post("/requests", {"code": CODE}).status_code == 303


def test_a_code_is_typed_in_full_width_digits_too(desk):
    issued(desk)
    wide = str(CODE).translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    assert wide != CODE
    assert desk.at("window").post("/requests", {"code": f"{wide[:4]}\uff0d{wide[4:]}"}).status_code == 303


def test_a_request_without_a_choice_or_of_tomorrow_is_asked_again(desk):
    issued(desk)
    where = found_holder(desk)
    sent = request_form(desk.at("window").get(where))
    assert list(problems_of(desk.at("window").post(where, sent))) == ["deed"]
    late = desk.at("window").post(where, sent | {"deed": Deed.REPORT_LOSS, "occurred": "2014-09-02"})
    assert list(problems_of(late)) == ["occurred"]
    assert sent["number"] in late.text


def test_another_windows_holder_is_not_found_by_code_or_by_certificate(desk):
    case = issued(desk)
    certificate = desk.find(case).certificates[0]
    assert list(problems_of(desk.at("other-window").post("/requests", {"code": CODE}))) == ["code"]
    for path in (f"/requests/{certificate}", "/requests/jpki-31.g1:1"):
        assert desk.at("other-window").get(path).status_code == 404
        assert (
            desk.at("other-window").post(path, {"deed": Deed.REPORT_LOSS, "number": "0" * 20}).status_code
            == 404
        )
    assert desk.at("window").get("/requests/no certificate").status_code == 400


@pytest.mark.parametrize("code", ["", "12345678901", invented_code(4)])
def test_a_code_of_nobody_is_told_so_and_shown_nowhere(desk, code):
    response = desk.at("window").post("/requests", {"code": code})
    assert response.status_code == 422
    assert not code or code not in response.text


# The slip


@pytest.mark.parametrize(
    ("name", "shown"),
    [("架橋\u3000見本", "架橋"), ("𠮷田\u3000か゚葛󠄀", "𠮷田"), ("\U000323af田\u3000花子", "〓田")],
)
def test_the_slip_says_the_number_and_nothing_that_a_stranger_could_use(desk, name, shown, tmp_path):
    require("gothic", "mincho", "pdftotext")
    resident = replace(RESIDENT, name=name, name_substitutes="0" * len(name))
    case = desk.engine.filed(resident).case.id
    response = desk.at("window").get(f"/cases/{case}/slip.pdf")
    assert response.mimetype == "application/pdf"
    path = tmp_path / "slip.pdf"
    path.write_bytes(response.data)
    text = subprocess.run(
        ["pdftotext", "-layout", path, "-"], capture_output=True, check=True
    ).stdout.decode()
    assert case in text
    assert shown in text.replace("⽥", "田")
    for word in ("受付票", "slip", "Signature certificate", "利用者証明用電子証明書", "2014-09-01 09:30 JST"):
        assert word in text
    for secret in (CODE, RESIDENT.address, "1990"):
        assert secret not in text
    assert desk.at("window").get(f"/cases/{case}/slip.pdf").data == response.data


def test_without_a_font_the_page_says_what_to_install(still, monkeypatch):
    monkeypatch.setattr(window_slip, "FONTS", (Path("/nowhere.ttf"),))
    case = still.filed
    response = still.at("window").get(f"/cases/{case}/slip.pdf")
    assert response.status_code == 500
    assert "fonts-ipaexfont-gothic" in response.text


# Items


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" 架橋  見本 ", "架橋\u3000見本"),
        ("か\u3099", "\u304c"),  # a mark that has a letter of its own
        ("か\u309a", "か\u309a"),  # one that has none
        ("\ufa19\ufa11", "\ufa19\ufa11"),  # compatibility ideographs are other people's names
        ("葛\U000e0100", "葛\U000e0100"),
        ("\U0002f81a", "\U0002f81a"),
    ],
)
def test_a_name_is_kept_as_the_register_has_it(typed, kept):
    assert written(typed) == kept


@given(st.text(max_size=30))
def test_writing_a_name_again_changes_nothing_and_flags_follow_its_characters(text):
    name = written(text)
    assert written(name) == name
    fields = Fields({"flags": "01" * len(name)})
    assert len(read_flags(Fields({}), "flags", name)) == len(name)
    read_flags(fields, "flags", name)
    assert bool(fields.problems) is bool(name)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("1990-05-05", "419900505"),
        ("19900505", "419900505"),
        ("H2.5.5", "419900505"),
        ("平成2年5月5日", "419900505"),
        ("\uff33\uff16\uff14\uff0f\uff11\uff0f\uff17", "319890107"),
        ("平成元年1月8日", "419890108"),
        ("t1-7-30", "219120730"),
        ("1950-00-00", "319500000"),
        ("1950-5-9", "319500509"),
    ],
)
def test_a_birthday_is_read_by_either_calendar(typed, text):
    fields = Fields({"born": typed})
    assert birth_date_text(read_birth_date(fields, "born", date(2014, 9, 1))) == text
    assert not fields.problems


@pytest.mark.parametrize(
    "typed",
    [
        "S64.1.8",
        "H31.5.1",
        "昭和0年1月1日",
        "1990-02-30",
        "1990-00-05",
        "H2",
        "x",
        "5/5/1990",
        "2014-09-02",
        "H26.9.2",
    ],
)
def test_what_is_no_birthday_is_told_so(typed):
    fields = Fields({"born": typed})
    assert read_birth_date(fields, "born", date(2014, 9, 1)) is None
    assert [problem.name for problem in fields.problems] == ["born"]


# Words


def test_every_word_that_the_pages_use_is_there_in_both_languages():
    texts = Texts.read([FOLDER / "texts", FOLDER.parent / "pages" / "texts"])
    sources = [*FOLDER.glob("window*.py"), *FOLDER.glob("templates/registration/*.html")]
    used = {
        key
        for path in sources
        for key in re.findall(r'"((?:registration|form)\.[a-z_0-9.-]+[a-z0-9_])"', path.read_text())
    }
    made = {
        *(f"registration.state.{state}" for state in State),
        *(f"registration.step.{step}.done" for step in Step),
        *(
            f"registration.step.{step}.{word}"
            for step in Step
            if step is not Step.FILE
            for word in ("do", "asks")
        ),
        *(f"registration.document.{document}" for document in Document),
        *(f"registration.document.group.{weight}" for weight in Weight),
        *(f"registration.purpose.{purpose}" for purpose in Purpose),
        *(f"registration.kinds.{kinds}" for kinds in Kinds),
        *(f"registration.deed.{deed}.{word}" for deed in Deed for word in ("label", "does")),
        *(f"registration.life.{life}" for life in ("good", "hold", "ended", "expired", "unsigned")),
    }
    assert len(used) > 60
    assert [key for key in sorted(used | made) if not texts.has(key)] == []


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_page_speaks_one_language(desk, language):
    case = issued(desk)
    where = found_holder(desk)
    browser = desk.at("window")
    browser.language = language
    for path in ("/", "/cases", "/cases/new", f"/cases/{case}", "/requests", where):
        page = browser.get(path)
        assert page.status_code == 200
        assert f'<html lang="{language}">' in page.text
        assert "Content-Security-Policy" in page.headers
        assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son[a-z]+=", page.text), "nothing stands inline"
        words = said(page).split("main>")[-1]
        assert ("Case" in words or "certificate" in words.lower()) is (language == "en") or language == "ja"


@pytest.mark.parametrize(
    ("language", "words"),
    [("ja", "保存期間の満了により廃棄"), ("en", "Destroyed when its time was over")],
)
def test_a_case_whose_time_is_over_says_so(desk, language, words):
    case = issued(desk)
    kinds = [record.kind for record in desk.world.stores.certificates(desk.find(case).certificates)]
    end_retention(desk.world.stores, NOW + timedelta(days=365 * 20), NOW + timedelta(days=365 * 40))
    browser = desk.at("window")
    browser.language = language
    for path in (f"/cases/{case}", f"/?done={case}"):
        page = browser.get(path)
        assert page.status_code == 200
        assert words in said(page)
        assert RESIDENT.name not in said(page)
    listed = browser.post("/cases", {"words": case})
    assert listed.status_code == 200
    assert case in said(listed)
    assert words in said(listed)
    for path in (f"/cases/{case}/slip.pdf", f"/cases/{case}/{kinds[0]}.cer"):
        refused = browser.get(path)
        assert refused.status_code == 404
        assert ("廃棄されました" if language == "ja" else "were destroyed") in said(refused)
