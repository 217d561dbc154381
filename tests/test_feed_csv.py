"""A change feed as municipal systems export it: the same events as in JSON Lines, or a refusal with line and column."""

import hashlib
import io
import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.errors import BadInput
from ca.revoking.feed import events as feed_events
from ca.revoking.feed.files import read_feed, read_file
from ca.revoking.feed.in_csv import COLUMNS, WORDS, Encoding, Label, read_csv
from ca.rules.residents import ChangeKind
from front.demo.people import invented_code
from tests.feed_files import HEADINGS, JST, csv_file, event, feed_file
from tests.rings import EXAMPLES, FUZZ

KEY = bytes(range(32))
CODE, OTHER = invented_code(1), invented_code(2)
LABEL = Label("tottori", 1)
MOVE = event("move-1", "moved-out", CODE, "2015-03-10")
WITHDRAWN = event("back-1", "notice-withdrawn", CODE, "2015-03-05T10:30:00", withdraws="move-1")
CHANGED = event("code-1", "resident-code-changed", CODE, "2015-03-01", new_code=OTHER)
EVENTS = (MOVE, WITHDRAWN, CHANGED)
ENCODINGS = ("utf-8", "utf-8-sig", "cp932")
JAPANESE = {kind.value: word for kind, (_, word) in WORDS.items()}

WIDE = {0x30 + digit: 0xFF10 + digit for digit in range(10)}  # ASCII digits to their full-width forms
WIDE_DAY = "20150310".translate(WIDE)

each_encoding = pytest.mark.parametrize("encoding", ENCODINGS)


def read(octets, label=LABEL, encoding=None):
    return read_csv(io.BytesIO(octets), "feed", KEY, label, encoding)


def lines(*changes):
    return read_feed(io.BytesIO(feed_file(*changes)), "feed", KEY)


def refused(octets, words, **options):
    with pytest.raises(BadInput, match=words) as refusal:
        read(octets, **options)
    text = str(refusal.value)
    assert refusal.value.clause == "docs/event-feed.md"
    assert text.isprintable()
    assert not any(code in text for code in (CODE, OTHER))
    return text


@each_encoding
def test_the_same_events_as_in_json_lines(encoding):
    octets = csv_file(*EVENTS, encoding=encoding, words=JAPANESE)
    found = read(octets)
    assert found == lines(*EVENTS)
    assert found.line(1) == "feed line 3"


MOMENTS = st.integers(-(2 * 10**9), 5 * 10**9).map(lambda at: datetime.fromtimestamp(at, JST).isoformat())
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9._:/-]{0,40}", fullmatch=True)


@st.composite
def changes(draw):
    """Events under different ids, with the companions that their kinds have."""
    made = []
    for name in draw(st.lists(NAMES, max_size=6, unique=True)):
        kind, code = draw(st.sampled_from(ChangeKind)), draw(st.integers(0, 10**9))
        fields = {"event": name, "kind": kind.value, "code": invented_code(code)}
        fields |= {moment: draw(MOMENTS) for moment in ("occurred", "notified", "effective")}
        if kind is ChangeKind.RESIDENT_CODE_CHANGED:
            fields["new_code"] = invented_code(code + 1)
        if kind is ChangeKind.NOTICE_WITHDRAWN and draw(st.booleans()):
            fields["withdraws"] = f"{name}."
        made.append(fields)
    return made


@settings(max_examples=EXAMPLES)
@given(changes(), st.sampled_from(ENCODINGS), st.booleans())
def test_both_forms_say_the_same(made, encoding, words):
    octets = csv_file(*made, encoding=encoding, words=JAPANESE if words else None)
    assert read(octets) == lines(*made)
    digest = hashlib.sha256(octets).hexdigest()
    assert read(octets, Label("tottori", 1, digest, len(made))) == read(octets)


def test_the_columns_and_the_words_are_what_their_encodings_can_write():
    assert {heading: field for field, heading in HEADINGS.items()} == COLUMNS
    texts = [*COLUMNS, *(text for words in WORDS.values() for text in words)]
    assert len(set(texts)) == len(texts), "a word has one meaning"
    for text in texts:
        assert text.encode("cp932").decode("cp932") == text
        assert text.encode("utf-8") != text.encode("cp932") or text.isascii()


@pytest.mark.parametrize("kind", ChangeKind)
def test_each_kind_has_a_code_and_a_word(kind):
    made = event("e", kind.value, CODE, "2015-03-01")
    if kind is ChangeKind.RESIDENT_CODE_CHANGED:
        made["new_code"] = OTHER
    for words in (None, JAPANESE):
        (change,) = read(csv_file(made, words=words)).changes
        assert change.kind is kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-03-10", "2015-03-10T00:00:00"),
        ("2015/03/10", "2015-03-10T00:00:00"),
        ("20150310", "2015-03-10T00:00:00"),
        ("2015-03-10 09:05", "2015-03-10T09:05:00"),
        ("2015/03/10 23:59:59", "2015-03-10T23:59:59"),
        ("20150310T00:00:01", "2015-03-10T00:00:01"),
        ("2016-02-29", "2016-02-29T00:00:00"),
    ],
)
def test_days_and_moments_are_japans(text, expected):
    octets = csv_file(MOVE, encoding="utf-8").replace(b",2015-03-10\r\n", f",{text}\r\n".encode())
    (change,) = read(octets).changes
    assert change.effective == datetime.fromisoformat(f"{expected}+09:00")


@pytest.mark.parametrize(
    "text",
    [
        "2015-3-10", "2015-0310", "2015/03-10", "2015.03.10", "平成27年3月10日", "H27.03.10", "270310", "2015-02-29",
        "2015-13-01", "0000-01-01", "2015-03-10 9:05", "2015-03-10 24:00", "2015-03-10 10:60", "2015-03-10 10",
        "2015-03-10T10:30:00+09:00", "2015-03-10 10:30:00.5", WIDE_DAY, " 2015-03-10", "2015-03-10 ", "42073",
    ],
)  # fmt: skip
def test_other_writings_are_refused(text):
    octets = csv_file(MOVE, encoding="utf-8").replace(b",2015-03-10\r\n", f",{text}\r\n".encode())
    refused(octets, "feed line 2, 効力発生年月日: is not a day, or a moment of one")


def test_years_that_nobody_lives_in_are_refused():
    for year in ("1849", "2200", "9999"):
        octets = csv_file(MOVE, encoding="utf-8").replace(b",2015-03-10\r\n", f",{year}0310\r\n".encode())
        refused(octets, "feed line 2, 効力発生年月日: lies outside 1850 to 2199")


def rows(*cells, headings=None, encoding="utf-8"):
    """A file of one row under the needed headings."""
    first = list(HEADINGS.values())[:6] if headings is None else headings
    return "".join(f"{','.join(line)}\r\n" for line in (first, cells)).encode(encoding)


GOOD = ["move-1", "転出", CODE, "2015-03-10", "2015-03-03", "2015-03-10"]
NEEDED = list(HEADINGS.values())[:6]


def cell(column, text):
    return rows(*[text if number == column else good for number, good in enumerate(GOOD)])


BAD = {
    "empty": (b"", "feed: has no headings: it is empty"),
    "only a line end": (b"\r\n", "feed line 1: is not the row of headings"),
    "no row of headings": (rows(headings=GOOD), "feed line 1: is not the row of headings in utf-8 or cp932"),
    "headings in English": (rows(headings=list(HEADINGS)), "feed line 1: is not the row of headings"),
    "headings in EUC-JP": (rows(*GOOD, encoding="euc-jp"), "feed line 1: is not the row of headings"),
    "headings in UTF-16": (rows(*GOOD, encoding="utf-16"), "feed line 1: is not the row of headings"),
    "JSON Lines": (feed_file(MOVE), "feed line 1: is not the row of headings"),
    "an unknown column": (
        rows(*GOOD, "架橋　見本", headings=[*NEEDED, "氏名"]),
        "feed line 1, column 7: is not a known column",
    ),
    "a column of a person's": (
        rows(headings=[NEEDED[0], CODE]),
        "feed line 1, column 2: is not a known column",
    ),
    "a column twice": (
        rows(*GOOD, "x", headings=[*NEEDED, "異動事由"]),
        "feed line 1, column 7: 異動事由 stands twice",
    ),
    "a column missing": (rows(headings=NEEDED[:4]), "feed line 1: has no column 届出年月日"),
    "a heading with a space": (rows(headings=[" 異動番号", *NEEDED[1:]]), "column 1: is not a known column"),
    "too few cells": (rows(*GOOD[:5]), "feed line 2: has 5 cells for 6 columns"),
    "too many cells": (rows(*GOOD, ""), "feed line 2: has 7 cells for 6 columns"),
    "an empty line": (rows(*GOOD) + b"\r\n", "feed line 3: has 0 cells for 6 columns"),
    "an end of a DOS file": (rows(*GOOD) + b"\x1a\r\n", "feed line 3: has a control character in it"),
    "an open quotation mark": (cell(5, '"2015-03-10'), "feed line 2: is not CSV: unexpected end of data"),
    "a quotation mark within": (cell(0, '"a"b'), "feed line 2: is not CSV: ',' expected after '\"'"),
    "a carriage return within": (cell(0, "a\rb"), "feed line 2: has a control character in it"),
    "a NUL": (cell(0, "a\0b"), "feed line 2: has a control character in it"),
    "tabulators": (rows(*GOOD).replace(b",", b"\t"), "feed line 1: has a control character in it"),
    "cut off in a row": (rows(*GOOD)[:-4], "feed line 2: has no end of line: the file is cut off"),
    "an unknown word": (cell(1, "婚姻"), "feed line 2, 異動事由: is not a word or a code of the table"),
    "an unknown code": (cell(1, "99"), "feed line 2, 異動事由: is not a word or a code of the table"),
    "a code without its nought": (cell(1, "3"), "feed line 2, 異動事由: is not a word or a code of the table"),
    "the word of the other form": (cell(1, "moved-out"), "feed line 2, 異動事由: is not a word or a code"),
    "no code": (cell(2, ""), "feed line 2, 住民票コード: is empty"),
    "a code without its noughts": (cell(2, "1000000007"), "feed line 2, 住民票コード: is not eleven digits"),
    "a code with a wrong digit": (cell(2, "12345678904"), "住民票コード: its check digit is wrong"),
    "a code of other digits": (
        cell(2, CODE.translate(WIDE)),
        "feed line 2, 住民票コード: is not eleven digits",
    ),
    "no moment": (cell(4, ""), "feed line 2, 届出年月日: is empty"),
    "an id with a space": (cell(0, "move 1"), "feed line 2, 異動番号: Expected `str` matching"),
    "an id in Japanese": (cell(0, "異動一"), "feed line 2, 異動番号: Expected `str` matching"),
    "the code in the id": (cell(0, f"e-{CODE}"), "feed line 2, 異動番号: contains the resident code"),
    "an id twice": (
        csv_file(MOVE, CHANGED, MOVE),
        "feed line 4: event move-1 stands on line 2 already",
    ),
    "withdraws at another kind": (
        csv_file({**MOVE, "withdraws": "x"}),
        "feed line 2, 取下対象異動番号: stands at an event that is not notice-withdrawn",
    ),
    "no new code": (
        csv_file({**MOVE, "kind": "resident-code-changed"}),
        "feed line 2, 新住民票コード: is missing at an event that is resident-code-changed",
    ),
    "a line too long": (cell(0, "x" * 5000), "feed line 2: is longer than 4096 octets"),
    "one endless line": (b"x" * 100_000, "feed line 1: is longer than 4096 octets"),
    "half a character of CP932": (
        rows(*GOOD, encoding="cp932").replace(b"2015-03-10\r\n", b"2015-03-10\x81\r\n"),
        "feed line 2: is not CP932",
    ),
    "UTF-8 in a file of CP932": (
        rows(headings=NEEDED, encoding="cp932") [:-2] + ",".join(GOOD).encode() + b"\r\n",
        "feed line 2, 異動事由: is not a word",
    ),
    "CP932 in a file of UTF-8": (
        rows(*GOOD).split(b"\r\n")[0] + b"\r\n" + ",".join(GOOD).encode("cp932") + b"\r\n",
        "feed line 2: is not UTF-8",
    ),
    "a byte order mark within": (rows(*GOOD) + b"\xef\xbb\xbf" + b"x\r\n", "feed line 3: has 1 cells"),
}  # fmt: skip


@pytest.mark.parametrize(("octets", "words"), BAD.values(), ids=BAD)
def test_it_is_refused_with_its_line(octets, words):
    refused(octets, words)


def test_what_a_person_is_called_is_not_repeated():
    assert "氏名" not in refused(rows(*GOOD, "見本", headings=[*NEEDED, "氏名"]), "column 7")
    assert "見本" not in refused(rows(headings=["異動番号", "見本"]), "column 2")
    assert "見本" not in refused(cell(1, "見本"), "異動事由")
    assert "見本" not in refused(cell(0, "見本"), "異動番号")


@each_encoding
def test_an_encoding_that_was_told_is_believed(encoding):
    octets = csv_file(*EVENTS, encoding=encoding)
    told = Encoding.CP932 if encoding == "cp932" else Encoding.UTF_8
    assert read(octets, encoding=told) == lines(*EVENTS)
    (other,) = set(Encoding) - {told}
    refused(octets, "feed line 1(: is not UTF-8|: is not CP932|, column 1: is not a known)", encoding=other)


def test_characters_that_cp932_cannot_write_never_come_as_question_marks():
    """A name of the register in a cell where none belongs: the row is refused, whatever it was written as."""
    for name in ("𠮷野", "?野", "〓"):
        refused(cell(1, name), "feed line 2, 異動事由")


def test_what_was_announced_is_held_against_the_file():
    octets = csv_file(*EVENTS)
    refused(octets, "feed: has 3 events, and 4 were announced", label=Label("tottori", 1, count=4))
    whole = hashlib.sha256(octets).hexdigest()
    cut = b"".join(octets.splitlines(keepends=True)[:-1])
    assert len(read(cut).changes) == 2, "a file that ends with a line does not show that it was cut"
    refused(cut, "feed: has not the SHA-256 that was announced", label=Label("tottori", 1, whole))


def test_the_name_or_somebody_says_whose_feed_it_is():
    octets = csv_file(MOVE)

    def found(name, **told):
        feed = read_file(io.BytesIO(octets), "place", name, KEY, told)
        return feed.name, feed.sequence

    assert found("chiyoda-12.csv") == ("chiyoda", 12)
    assert found("chiyoda-2015-000012.CSV") == ("chiyoda-2015", 12)
    assert found("export.csv", feed="chiyoda", sequence="3") == ("chiyoda", 3)
    assert found("chiyoda-12.csv", sequence="13") == ("chiyoda", 13)
    for name, told, words in (
        ("export.csv", {}, "place: does not say in its name whose feed it is"),
        ("chiyoda.csv", {"feed": "chiyoda"}, "place: does not say"),
        ("Chiyoda-1.csv", {}, "place: does not say"),
        ("chiyoda-0.csv", {}, "place, sequence: is not a number from 1 on"),
        ("chiyoda-1.csv", {"feed": "Chiyoda"}, "place, feed: is not at most 40"),
        ("chiyoda-1.csv", {"sequence": "x"}, "place, sequence: is not"),
        ("chiyoda-1.csv", {"sha256": "AB"}, "place, sha256: is not 64 lower-case"),
        ("chiyoda-1.csv", {"count": "-1"}, "place, count: is not a number"),
    ):
        with pytest.raises(BadInput, match=words):
            found(name, **told)


def test_more_events_than_a_file_may_have(monkeypatch):
    octets = csv_file(*EVENTS)
    monkeypatch.setattr(feed_events, "MOST_EVENTS", 3)
    assert len(read(octets).changes) == 3
    monkeypatch.setattr(feed_events, "MOST_EVENTS", 2)
    refused(octets, "feed: has more than 2 events")


def test_more_octets_than_a_file_may_have(monkeypatch):
    octets = csv_file(*EVENTS)
    monkeypatch.setattr(feed_events, "LARGEST_FILE", len(octets) - 1)
    refused(octets, "feed line 4: reaches beyond")


@pytest.mark.deeper
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_whatever_comes_is_read_or_refused(encoding):
    """Octets changed, dropped and doubled: never another error, never a code in one, never an event that nobody sent."""
    octets = csv_file(*EVENTS, encoding=encoding, words=JAPANESE)
    chance = random.Random(encoding)
    days = timedelta(days=400_000)
    for _ in range(FUZZ // len(ENCODINGS)):
        mutant = bytearray(octets)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(mutant))
            match chance.randrange(3):
                case 0:
                    mutant[at] = chance.randrange(256)
                case 1:
                    del mutant[at : at + chance.randint(1, 30)]
                case 2:
                    mutant[at:at] = mutant[at : at + chance.randint(1, 30)]
        try:
            found = read(bytes(mutant))
        except BadInput as error:
            said = str(error)
        else:
            said = ""
            assert all(abs(change.effective - change.notified) < days for change in found.changes)
            assert len({change.id for change in found.changes}) == len(found.changes)
        assert (said.isprintable(), CODE in said, OTHER in said) == (True, False, False)
