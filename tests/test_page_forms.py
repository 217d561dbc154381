"""What is typed into forms and addresses, read within bounds; and what files are called."""

from __future__ import annotations

import unicodedata
from datetime import date
from email.message import Message

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from front.pages.downloads import disposition
from front.pages.forms import (
    FIRST_DAY,
    LARGEST_NUMBER,
    LAST_DAY,
    BoundedInteger,
    Fields,
    composed,
    whole_number,
)


@pytest.mark.parametrize("day", [FIRST_DAY, date(2014, 9, 1), LAST_DAY])
def test_a_day_of_our_time_is_read(day):
    fields = Fields({"day": day.isoformat()})
    assert fields.day("day") == day
    fields.settle()


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("0001-01-01", "form.far_day"),
        ("1899-12-31", "form.far_day"),
        ("2201-01-01", "form.far_day"),
        ("9999-12-31", "form.far_day"),
        ("10000-01-01", "form.not_a_day"),
        ("0000-01-01", "form.not_a_day"),
        ("2014-02-30", "form.not_a_day"),
        ("-2014-01-01", "form.not_a_day"),
        ("9" * 100, "form.not_a_day"),
    ],
)
def test_any_other_day_is_its_fields_problem(typed, key):
    fields = Fields({"day": typed})
    assert fields.day("day") is None
    assert [(each.name, each.key) for each in fields.problems] == [("day", key)]


@pytest.mark.parametrize("typed", ["0", "2014", str(LARGEST_NUMBER)])
def test_a_number_within_bounds_is_read(typed):
    assert whole_number(typed) == int(typed)


@pytest.mark.parametrize(
    "typed", ["", "-1", "+1", "1_0", " 1", "1.0", "٣", str(LARGEST_NUMBER + 1), "9" * 5000]
)
def test_any_other_number_is_none(typed):
    with pytest.raises(ValueError, match="no number within bounds"):
        whole_number(typed)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        ("0", 200),
        (str(LARGEST_NUMBER), 200),
        (str(LARGEST_NUMBER + 1), 404),
        ("9" * 30, 404),
        ("9" * 5000, 404),
    ],
)
def test_nothing_is_under_a_number_beyond_all_bounds(number, status):
    app = Flask(__name__)
    app.url_map.converters["int"] = BoundedInteger
    app.add_url_rule("/<int:number>", "show", lambda number: f"{number}")
    app.add_url_rule("/years/<int(max=9999):year>", "year", lambda year: f"{year}")
    assert app.test_client().get(f"/{number}").status_code == status
    assert app.test_client().get("/years/10000").status_code == 404
    assert app.test_client().get("/years/9999").status_code == 200


@given(st.text())
def test_composing_changes_no_ideograph_and_is_done_once(text):
    found = composed(text)
    assert composed(found) == found

    compatible = [
        each for each in text if "\uf900" <= each <= "\ufaff" or "\U0002f800" <= each <= "\U0002fa1f"
    ]
    assert [each for each in found if each in compatible] == compatible
    assert unicodedata.normalize("NFKC", found) == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    ("typed", "read"), [("か\u3099", "が"), ("\ufa19谷", "\ufa19谷"), ("\U000313a0", "\U000313a0")]
)
def test_a_text_is_read_with_the_registers_own_characters(typed, read):
    fields = Fields({"name": typed})
    assert fields.text("name") == read
    fields.settle()


@pytest.mark.parametrize("typed", ["a\x07b", "\ufffd田", "\u3099", "\ue000", "a\u202eb"])
def test_a_text_that_cannot_be_read_is_its_fields_problem(typed):
    fields = Fields({"name": typed})
    fields.text("name")
    assert [(each.name, each.key) for each in fields.problems] == [("name", "form.not_printable")]


NAMES = {
    "312011-000001.pdf": '; filename="312011-000001.pdf"',
    "報告.pdf": "; filename=\"__.pdf\"; filename*=UTF-8''%E5%A0%B1%E5%91%8A.pdf",
    'a"b\\c;.txt': "; filename=\"a_b_c_.txt\"; filename*=UTF-8''a%22b%5Cc%3B.txt",
}


@pytest.mark.parametrize(("name", "said"), NAMES.items())
def test_a_download_is_called_by_its_name_in_every_script(name, said):
    assert disposition(name) == "attachment" + said
    assert disposition(name, shown=True) == "inline" + said


@given(st.text(min_size=1).filter(str.isascii) | st.text(min_size=1))
def test_no_name_leaves_its_header(name):
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
