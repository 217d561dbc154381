"""What a change feed of JSON Lines may say of withdrawn notices and changed codes; the rest is in test_events.py."""

import io

import pytest

from ca.errors import BadInput
from ca.keys.codes import keyed_code
from ca.revoking.feed.files import read_feed, read_file
from front.demo.people import invented_code
from tests.feed_files import event, feed_file

KEY = bytes(range(32))
CODE, OTHER, STRANGER = invented_code(1), invented_code(2), invented_code(4)
MOVE = event("move-1", "moved-out", CODE, "2015-03-10")
WITHDRAWN = event("back-1", "notice-withdrawn", CODE, "2015-03-05", withdraws="move-1")
CHANGED = event("code-1", "resident-code-changed", CODE, "2015-03-01", new_code=OTHER)


def read(*changes):
    return read_feed(io.BytesIO(feed_file(*changes)), "feed", KEY).changes


def test_a_withdrawn_notice_names_the_event_that_it_takes_back():
    _, change = read(MOVE, WITHDRAWN)
    assert change.withdraws == "move-1"
    (change,) = read({name: WITHDRAWN[name] for name in WITHDRAWN if name != "withdraws"})
    assert change.withdraws is None


def test_a_changed_code_comes_with_the_new_one_and_both_are_hashed():
    (change,) = read(CHANGED)
    assert (change.holder, change.new_holder) == (keyed_code(KEY, CODE), keyed_code(KEY, OTHER))
    assert CODE not in repr(change)
    assert OTHER not in repr(change)


BAD = {
    "withdraws at another kind": ({**MOVE, "withdraws": "x"}, "withdraws: stands at an event that is not no"),
    "withdraws itself": ({**WITHDRAWN, "withdraws": "back-1"}, "withdraws: is the event itself"),
    "withdraws no id": ({**WITHDRAWN, "withdraws": "a b"}, "withdraws: Expected `str` matching"),
    "withdraws an id with the code": ({**WITHDRAWN, "withdraws": f"e-{CODE}"}, "withdraws: contains the res"),
    "no new code": ({**MOVE, "kind": "resident-code-changed"}, "new_code: is missing at an event that is re"),
    "a new code at another kind": ({**MOVE, "new_code": OTHER}, "new_code: stands at an event that is not r"),
    "the same code": ({**CHANGED, "new_code": CODE}, "new_code: is the code that the resident had before"),
    "a new code with a wrong digit": ({**CHANGED, "new_code": "12345678900"}, "new_code: its check digit is"),
    "a new code too short": ({**CHANGED, "new_code": "1"}, "new_code: is not eleven digits"),
    "a new code in the id": ({**CHANGED, "event": f"e-{OTHER}"}, "event: contains the resident code"),
    "another's code in the id": (
        {**CHANGED, "event": f"e-{STRANGER}.1"},
        "event: has eleven digits that stand alone",
    ),
    "another's code in what is withdrawn": (
        {**WITHDRAWN, "withdraws": STRANGER},
        "withdraws: has eleven digits that",
    ),
}


@pytest.mark.parametrize(("fields", "words"), BAD.values(), ids=BAD)
def test_a_companion_out_of_place_is_refused_with_its_line(fields, words):
    neighbour = event("n-1", "died", invented_code(3), "2015-03-01")
    with pytest.raises(BadInput, match=f"feed line 3, {words}") as refusal:
        read(neighbour, fields)
    assert refusal.value.clause == "docs/event-feed.md"
    assert not any(code in str(refusal.value) for code in (CODE, OTHER, STRANGER, "12345678900"))


def test_a_file_of_json_lines_says_itself_whose_it_is():
    octets = feed_file(MOVE)
    found = read_file(io.BytesIO(octets), "x", "anything.jsonl", KEY)
    assert (found.name, found.sequence) == ("tottori", 1)
    with pytest.raises(BadInput, match="--count: is for CSV files"):
        read_file(io.BytesIO(octets), "x", "anything.jsonl", KEY, {"count": "1"})


@pytest.mark.parametrize(
    "name", [f"{STRANGER}0", f"9{STRANGER}", STRANGER[:10], f"{STRANGER[:10]}{(int(STRANGER[10]) + 1) % 10}"]
)
def test_other_digits_in_an_id_are_no_code(name):
    (change,) = read({**MOVE, "event": f"chiyoda-{name}"})
    assert change.id == f"chiyoda-{name}"


def test_a_code_is_no_feeds_name():
    octets = feed_file(MOVE, feed=f"town-{STRANGER}")
    with pytest.raises(BadInput, match="feed line 1, feed: has eleven digits that stand alone") as refusal:
        read_feed(io.BytesIO(octets), "feed", KEY)
    assert STRANGER not in str(refusal.value)
    with pytest.raises(BadInput, match="feed: has eleven digits that stand alone") as refusal:
        read_file(io.BytesIO(b""), "file.csv", f"{STRANGER}-1.csv", KEY)
    assert STRANGER not in str(refusal.value)
