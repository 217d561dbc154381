"""Residents who apply: from an office's JSON, and in and out of the store's particulars."""

from __future__ import annotations

from datetime import date

import pytest

from ca.birth import BirthDate
from ca.errors import BadInput
from ca.model import ApplicationId, OfficeId, OfficialPost
from ca.rules.registration import Case
from ca.store.applications import Application
from ca.store.particulars import Particulars
from front.applicants import FiledResident, read_resident
from tests.builders import RESIDENT
from tests.commands import refused, run
from tests.small_edition import HANAKO, holder_key, request, write_json

AN_OLDER_STORES = (
    '{"resident":{"name":"試験　一郎","name_substitutes":"00000","sex":"1","birth_date":"1990-05-05",'
    '"address":"北海道","address_substitutes":"000","municipality":"131016"}}'
)


def filed(tmp_path, **changes) -> FiledResident:
    return read_resident(write_json(tmp_path / "resident.json", HANAKO | changes))


def kept(applicant, card_expires=None) -> str:
    return Particulars.of(applicant, card_expires, None).text()


@pytest.mark.parametrize(
    ("text", "birth"),
    [
        ("1950-05-09", BirthDate(1950, 5, 9)),
        ("1950-05-00", BirthDate(1950, 5)),
        ("1950-00-00", BirthDate(1950)),
        ("0000-05-09", BirthDate(None, 5, 9)),
        ("0000-00-00", BirthDate(None)),
    ],
)
def test_parts_of_a_birth_date_may_be_unknown(tmp_path, text, birth):
    resident = filed(tmp_path, birth_date=text).resident
    assert resident.birth_date == birth
    assert f'"birth_date":"{text}"' in kept(resident)
    assert Particulars.read(kept(resident)).applicant == resident


@pytest.mark.parametrize(
    "text", ["1950-00-09", "1950-04-31", "1950-5-9", "1950-13-00", "1950-05-09T00:00:00", ""]
)
def test_no_birth_date_is_refused_in_its_place_and_not_shown(tmp_path, text):
    with pytest.raises(BadInput) as refused:
        filed(tmp_path, birth_date=text)
    assert refused.value.place.endswith("resident.json, birth_date")
    assert "1950" not in str(refused.value)


def test_a_card_may_have_an_end(tmp_path):
    assert filed(tmp_path).card_expires is None
    one = filed(tmp_path, card_expires="2018-04-01")
    assert one.card_expires == date(2018, 4, 1)
    read = Particulars.read(kept(one.resident, one.card_expires))
    assert (read.applicant, read.card_expires) == (one.resident, date(2018, 4, 1))


@pytest.mark.parametrize("text", ["2018-04-31", "2018-04-00", "2018", 2018])
def test_a_card_ends_on_a_day(tmp_path, text):
    with pytest.raises(BadInput) as refused:
        filed(tmp_path, card_expires=text)
    assert refused.value.place.endswith("resident.json, card_expires")
    assert "2018-04" not in str(refused.value)


def test_what_an_older_store_holds_is_read():
    read = Particulars.read(AN_OLDER_STORES)
    assert read.applicant.birth_date == BirthDate(1990, 5, 5)
    assert read.card_expires is None
    assert kept(read.applicant) == AN_OLDER_STORES


def test_a_post_is_kept_without_a_card():
    post = OfficialPost("Ministry of Tests", "Director")
    assert kept(post) == '{"post":{"ministry":"Ministry of Tests","post":"Director"}}'
    assert Particulars.read(kept(post)).applicant == post


def test_nothing_of_a_resident_shows_in_a_repr(tmp_path):
    one = filed(tmp_path, card_expires="2018-04-01")
    application = Application(
        Case(ApplicationId("131016-000001"), OfficeId("131016"), None, ()),
        None,
        RESIDENT,
        (),
        date(2018, 4, 1),
    )
    for personal in (HANAKO["code"], HANAKO["name"], "1985", "2018", RESIDENT.name, "1990"):
        assert personal not in repr(one)
        assert personal not in repr(application)


def test_a_card_that_has_ended_takes_no_certificate(pristine_staffed_world, tmp_path):
    (tmp_path / "key.csr").write_bytes(request(holder_key(0)))
    filing = (
        "--officer",
        "sato",
        "--csr",
        f"signature={tmp_path / 'key.csr'}",
        "--home",
        pristine_staffed_world,
    )
    ended = write_json(tmp_path / "ended.json", HANAKO | {"card_expires": "2014-08-31"})
    line = refused(run("case", "file", "--resident", ended, *filing), "card", "is already over")
    assert "2014" not in line
