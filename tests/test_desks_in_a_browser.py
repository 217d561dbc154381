"""What goes wrong in offices, in Chromium: two on one case, the way back, old pages, somebody else's case, who has left."""

from __future__ import annotations

from itertools import count

import pytest
from asn1crypto import pem

from ca.model import CertificateKind
from tests.browser import chromium
from tests.desks import file_resident, staff_of
from tests.engine_world import csr_for
from tests.offices_world import PERSON, offices, open_to_browsers
from tests.small_edition import HANAKO, write_json

pytestmark = pytest.mark.long

SIGNATURE, AUTHENTICATION = CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION
_keys = count(920)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with open_to_browsers(offices(tmp_path_factory.mktemp("offices") / "home")) as found:
        yield found


@pytest.fixture(scope="module")
def desks(world):
    with chromium() as browser, staff_of(browser, world) as found:
        yield found


@pytest.fixture
def requests(tmp_path):
    """Files with requests of two new keys."""
    made = {kind: tmp_path / f"{kind}.csr" for kind in (SIGNATURE, AUTHENTICATION)}
    for path in made.values():
        path.write_bytes(pem.armor("CERTIFICATE REQUEST", csr_for(next(_keys))))
    return made


@pytest.fixture
def filed(world, desks, requests, tmp_path):
    """A case that waits for an examiner of Chiyoda-ku, received by a command."""
    desks("sato")
    resident = write_json(tmp_path / "resident.json", {**HANAKO, "code": PERSON["code"]})
    csrs = [word for kind, path in requests.items() for word in ("--csr", f"{kind}={path}")]
    return world.told("case", "file", "--officer", "sato", "--resident", resident, *csrs)["case"]


def test_of_two_officers_on_one_case_the_second_is_told_who_was_first(world, filed, desks):
    path = f"/cases/{filed}"
    first, second = desks("suzuki"), desks("takagi")
    first.go(path)
    second.go(path)
    first.send(f"{path}/examine")
    with second.refused(409):
        second.send(f"{path}/examine")
    assert "最初の画面" in second.read()
    second.page.locator("main a.button").click()
    second.at("/")
    assert world.history(filed) == [("file", "sato"), ("examine", "suzuki")]


def test_what_was_sent_is_not_sent_again_by_the_way_back(world, filed, desks):
    path = f"/cases/{filed}"
    desk = desks("suzuki")
    desk.go(path)
    desk.send(f"{path}/examine")
    desk.page.go_back()
    desk.at(path)
    # The page is asked for anew: no browser keeps it.
    assert desk.button(f"{path}/examine").count() == 0
    assert world.history(filed) == [("file", "sato"), ("examine", "suzuki")]


def test_an_old_page_sent_again_changes_nothing(world, filed, desks):
    path = f"/cases/{filed}"
    desk = desks("suzuki")
    old = desk.context.new_page()
    for page in (old, desk.page):
        page.goto(path)
    desk.send(f"{path}/examine")
    with old.expect_navigation():
        old.locator(f'form[action="{path}/examine"] button').click()
    assert old.url.endswith(f"/?done={filed}")
    old.close()
    assert world.history(filed) == [("file", "sato"), ("examine", "suzuki")]


def test_an_application_that_is_sent_again_after_the_way_back_makes_no_second_case(world, desks, requests):
    reception = desks("sato")
    before = set(world.cases())
    case = file_resident(reception, requests)
    reception.page.go_back()
    reception.at("/cases/new")
    assert reception.page.locator("input[name=code]").input_value() == "", "nothing of a resident stays"
    assert file_resident(reception, requests) == case
    assert set(world.cases()) - before == {case}


def test_another_offices_case_is_not_shown_by_its_address(filed, desks):
    desk = desks("shin")
    with desk.refused(404):
        desk.go(f"/local/cases/{filed}")
    with desk.refused(403):
        desk.go(f"/cases/{filed}")
    assert HANAKO["name"] not in desk.read()


def test_who_has_left_is_shown_the_door(world, filed, desks):
    desk = desks("hirano")
    world.told("officer", "end", "hirano")
    desk.go(f"/cases/{filed}")
    desk.at("/sign-in")
    assert filed not in desk.read()
