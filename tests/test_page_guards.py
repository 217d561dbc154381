"""What stands around every page: where links lead, what a suspended office stops, and slips of ours."""

from types import SimpleNamespace

import pytest
from flask import Blueprint, Flask

from ca.errors import NotPermitted
from ca.model import RESIDENT_KINDS, OfficeId, Officer, OfficerId, Role
from ca.store import deeds, officers
from ca.store.deeds import Deed
from front.pages.rendering import ROOM, Room, install
from front.pages.visit import SignedIn, inside
from front.registration.window_case import own_case
from tests.engine_world import CODE, NOW, RESIDENT, engine_world


@pytest.mark.parametrize("path", ["/", "/cases/131016-000001", "/cases?after=1", "/名前"])
def test_a_path_of_ours_is_kept(path):
    assert inside(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "cases", "//evil.example", "/\\evil.example", "/\t/evil.example", "/\r\n/evil.example", "https://evil.example",
     "/\u200b\u0000x", "javascript:alert(1)"],
)  # fmt: skip
def test_what_leads_elsewhere_leads_to_the_first_page(path):
    assert inside(path) == "/"


@pytest.fixture
def client():
    app = Flask(__name__)
    slips = Blueprint("slips", __name__)

    @slips.get("/slip")
    def slip():
        raise ZeroDivisionError

    install(app, [Room(slips, ROOM.parent / "nowhere")])
    return app.test_client()


@pytest.mark.parametrize("back", ["/\t/evil.example/x", "//evil.example", "/\\evil.example"])
def test_the_language_is_chosen_without_being_led_away(client, back):
    answer = client.post("/language/en", data={"back": back}, headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost"}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_form_says_where_it_comes_from(client, headers, status):
    assert client.post("/language/en", data={"back": "/"}, headers=headers).status_code == status


def test_under_tls_a_page_without_is_another_site(client):
    told = {"headers": {"Origin": "http://localhost"}, "base_url": "https://localhost"}
    assert client.post("/language/en", data={"back": "/"}, **told).status_code == 403


def test_a_slip_of_ours_is_a_page_that_tells_nothing(client, caplog):
    answer = client.get("/slip", headers={"Accept-Language": "ja"})
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert "処理できませんでした" in answer.text
    assert "ZeroDivisionError" not in answer.text
    caplog.clear()


@pytest.fixture
def world(tmp_path):
    with engine_world(tmp_path) as world:
        yield world


def test_a_suspended_office_has_nothing_approved_or_issued(world):
    registration, nation = world.registration, world.stores.nation
    case = registration.file("window", RESIDENT, world.csrs(*RESIDENT_KINDS), code=CODE, at=NOW).case
    registration.examine(case.id, "window-2", at=NOW)
    with nation.writing() as connection:
        officers.suspend_office(connection, case.office, NOW)
    with pytest.raises(NotPermitted, match="is suspended"):
        registration.approve(case.id, "centre-1", at=NOW)
    with nation.writing() as connection:
        officers.suspend_office(connection, case.office, None)
    registration.approve(case.id, "centre-1", at=NOW)
    with nation.writing() as connection:
        officers.suspend_office(connection, case.office, NOW)
    with pytest.raises(NotPermitted, match="is suspended"):
        registration.issue(case.id, "operator", at=NOW)
    assert registration.reject(case.id, "operator", at=NOW).state == "rejected"


@pytest.mark.parametrize(("role", "noted"), [(Role.AUDITOR, 1), (Role.OPERATOR, 0)])
def test_an_auditors_look_at_a_case_is_a_deed(world, role, noted):
    case = world.registration.file("window", RESIDENT, world.csrs(*RESIDENT_KINDS), code=CODE, at=NOW).case
    with world.stores.nation.writing() as connection:
        officers.add_officer(connection, Officer(OfficerId("miru"), OfficeId("centre"), frozenset({role})))
        who = SignedIn(*officers.officer(connection, "miru"), form_token="")
    there = SimpleNamespace(stores=world.stores, clock=lambda: NOW)
    assert own_case(there, who, case.id).case == case
    with world.stores.nation.reading() as connection:
        found = deeds.latest(connection, limit=10)
    assert [(deed.what, deed.about) for deed in found] == [(Deed.LOOKED_UP, case.id)] * noted
