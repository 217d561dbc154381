"""A change feed as CSV, as municipal systems export it: a row of headings, then a row an event, in UTF-8 or CP932.

docs/event-feed.md has the columns and the words. A file does not say who sends it, nor that it is whole: its label does.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType
from typing import Any, BinaryIO, Final

import msgspec

from ca.errors import BadInput
from ca.revoking.feed.events import (
    FEED_NAME,
    Event,
    Events,
    Feed,
    feed_lines,
    mismatch,
    refuse,
    require_no_code,
)
from ca.rules.residents import ChangeKind

COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "異動番号": "event",
        "異動事由": "kind",
        "住民票コード": "code",
        "異動年月日": "occurred",
        "届出年月日": "notified",
        "効力発生年月日": "effective",
        "取下対象異動番号": "withdraws",
        "新住民票コード": "new_code",
    }
)
"""The headings, in any order, and the field of an event that each holds."""

OPTIONAL = frozenset({"withdraws", "new_code"})
"""Fields whose cells may be empty; their columns may be left out."""

WORDS: Final[Mapping[ChangeKind, tuple[str, str]]] = MappingProxyType(
    {
        ChangeKind.MOVED_IN: ("01", "転入"),
        ChangeKind.MOVED_WITHIN: ("02", "転居"),
        ChangeKind.MOVED_OUT: ("03", "転出"),
        ChangeKind.MOVED_ABROAD: ("04", "国外転出"),
        ChangeKind.DIED: ("05", "死亡"),
        ChangeKind.REMOVED_EX_OFFICIO: ("06", "職権消除"),
        ChangeKind.NAME_CHANGED: ("11", "氏名変更"),
        ChangeKind.SEX_CHANGED: ("12", "性別変更"),
        ChangeKind.BIRTH_DATE_CHANGED: ("13", "生年月日変更"),
        ChangeKind.ADDRESS_CHANGED: ("14", "住所変更"),
        ChangeKind.FOUR_ITEMS_CORRECTED: ("15", "四情報職権修正"),
        ChangeKind.OTHER_ITEMS_CORRECTED: ("16", "その他職権修正"),
        ChangeKind.NOTICE_WITHDRAWN: ("17", "届出取下"),
        ChangeKind.RESIDENT_CODE_CHANGED: ("18", "住民票コード変更"),
        ChangeKind.LOST: ("21", "紛失"),
        ChangeKind.FOUND: ("22", "発見"),
        ChangeKind.CARD_RETURNED: ("23", "カード返納"),
        ChangeKind.CARD_LAPSED: ("24", "カード失効"),
        ChangeKind.KEY_COMPROMISED: ("25", "鍵漏えい"),
        ChangeKind.SIGNATURE_GIVEN_UP: ("31", "署名用失効申請"),
        ChangeKind.USER_AUTHENTICATION_GIVEN_UP: ("32", "利用者証明用失効申請"),
        ChangeKind.SIGNATURE_RENEWED: ("33", "署名用更新"),
        ChangeKind.USER_AUTHENTICATION_RENEWED: ("34", "利用者証明用更新"),
        ChangeKind.DISCARDED_BEFORE_DELIVERY: ("35", "交付前廃棄"),
        ChangeKind.RECORD_DIFFERS: ("36", "記録相違"),
    }
)
"""The code and the word for each kind of event; a cell holds either."""

assert WORDS.keys() == set(ChangeKind), "each kind of event needs its words"

_KINDS = {word: kind for kind, words in WORDS.items() for word in words}
_HEADINGS_REMEDY = f"The columns are {','.join(COLUMNS)}"
_HEADINGS = {field: heading for heading, field in COLUMNS.items()}
_MOMENTS = ("occurred", "notified", "effective")
_MOMENT = re.compile(r"(\d{4})([-/]?)(\d\d)\2(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?", re.ASCII)
_MOMENT_FORMS = ("2014-09-05", "2014/09/05", "20140905", "2014-09-05 10:30", "2014-09-05 10:30:00")
_JAPAN = timezone(timedelta(hours=9))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Encoding(StrEnum):
    """How a file's characters are written. CP932 is what Windows calls Shift_JIS."""

    UTF_8 = "utf-8"
    CP932 = "cp932"

    @classmethod
    def parse(cls, name: str, place: str) -> Encoding:
        """Read the name of a character set, as media types have it, or raise BadInput."""
        found = _ENCODINGS.get(name.lower())
        if found is None:
            raise BadInput(
                place, "is not a character set that feeds have", remedy=f"One of: {', '.join(_ENCODINGS)}"
            )
        return found


_ENCODINGS = {
    "utf-8": Encoding.UTF_8,
    "cp932": Encoding.CP932,
    "windows-31j": Encoding.CP932,
    "shift_jis": Encoding.CP932,
}

# The parts of a label, as somebody writes them.
_PARTS = {
    "feed": (re.compile(FEED_NAME), "at most 40 lower-case letters, digits, dots and hyphens"),
    "sequence": (re.compile(r"0{0,14}[1-9][0-9]{0,14}"), "a number from 1 on, of at most 15 digits"),
    "sha256": (re.compile(r"[0-9a-f]{64}"), "64 lower-case hexadecimal digits"),
    "count": (re.compile(r"[0-9]{1,6}"), "a number of at most six digits"),
}


@dataclass(frozen=True, slots=True)
class Label:
    """What a CSV file does not say of itself.

    Attributes:
        feed: Who sends: the feed's name.
        sequence: The file's number in its feed.
        sha256: SHA-256 of the file in hexadecimal digits, if the sender told it.
        count: How many events it has, if the sender told that.
    """

    feed: str
    sequence: int
    sha256: str | None = None
    count: int | None = None

    @classmethod
    def parse(cls, texts: Mapping[str, str], place: Callable[[str], str]) -> Label:
        """Read a label's parts, or raise BadInput; ``place`` says what the caller calls a part."""
        for part in ("feed", "sequence"):
            if part not in texts:
                refuse(place(part), "is needed: a CSV file does not say it of itself")
        for part, text in texts.items():
            pattern, words = _PARTS[part]
            if not pattern.fullmatch(text):
                refuse(place(part), f"is not {words}")
        require_no_code(texts["feed"], place("feed"))
        count = int(texts["count"]) if "count" in texts else None
        return cls(texts["feed"], int(texts["sequence"]), texts.get("sha256"), count)


def read_csv(
    stream: BinaryIO, place: str, code_key: bytes, label: Label, encoding: Encoding | None = None
) -> Feed:
    """The feed file in this stream.

    Args:
        stream: Its octets. No more is read than the largest file has.
        place: What the file is called in errors.
        code_key: The key under which residents' codes are kept.
        label: Who sends it, and which of the sender's files it is.
        encoding: Its encoding; if it is not known, the headings tell.

    Raises:
        BadInput: The file is cut, damaged, or has a row that is not of the form; the place names line and column.
    """
    digest = hashlib.sha256()
    events = Events(place, code_key, _HEADINGS)
    fields: list[str] = []
    for number, line in enumerate(feed_lines(stream, place, around=1), start=1):
        where = f"{place} line {number}"
        digest.update(line)
        if not line.endswith(b"\n"):
            refuse(where, "has no end of line: the file is cut off", remedy="Send it again")
        if number == 1:
            fields, encoding = _heading(line, where, encoding)
        else:
            assert encoding is not None, "the first line has told"
            events.add(_event(_cells(line, encoding, where), fields, where), number)
    if not fields:
        refuse(place, "has no headings: it is empty")
    if label.count is not None and label.count != len(events):
        refuse(place, f"has {len(events)} events, and {label.count} were announced")
    if label.sha256 is not None and label.sha256 != digest.hexdigest():
        refuse(place, "has not the SHA-256 that was announced: it was changed, or cut off")
    return events.feed(label.feed, label.sequence)


def _heading(line: bytes, place: str, told: Encoding | None) -> tuple[list[str], Encoding]:
    """The fields in the order of their columns, and the encoding."""
    encoding = told or _encoding(line, place)
    if encoding is Encoding.UTF_8:
        line = line.removeprefix(_BYTE_ORDER_MARK)
    return _fields(_cells(line, encoding, place), place), encoding


def _encoding(line: bytes, place: str) -> Encoding:
    """The encoding in which there are known headings on the line; no heading has the same octets in both."""
    if line.startswith(_BYTE_ORDER_MARK):
        return Encoding.UTF_8
    known = (one for one in Encoding if any(heading.encode(one) in line for heading in COLUMNS))
    found = next(known, None)
    if found is None:
        refuse(place, f"is not the row of headings in {' or '.join(Encoding)}", remedy=_HEADINGS_REMEDY)
    return found


def _fields(headings: list[str], place: str) -> list[str]:
    # A heading that is not known is not repeated: where the row of headings is missing, it is about a person.
    for number, heading in enumerate(headings, start=1):
        if heading not in COLUMNS:
            refuse(f"{place}, column {number}", "is not a known column", remedy=_HEADINGS_REMEDY)
        if heading in headings[: number - 1]:
            refuse(f"{place}, column {number}", f"{heading} stands twice")
    for heading, field in COLUMNS.items():
        if heading not in headings and field not in OPTIONAL:
            refuse(place, f"has no column {heading}")
    return [COLUMNS[heading] for heading in headings]


def _cells(line: bytes, encoding: Encoding, place: str) -> list[str]:
    """The cells of one line: a row is a line, so that no open quotation mark swallows what follows."""
    try:
        text = line.decode(encoding).removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        refuse(place, f"is not {encoding.upper()}")
    if _CONTROL.search(text):
        refuse(place, "has a control character in it")
    try:
        return next(csv.reader((text,), strict=True))
    except csv.Error as error:
        refuse(place, f"is not CSV: {error}")


def _event(cells: list[str], fields: list[str], place: str) -> Event:
    if len(cells) != len(fields):
        refuse(place, f"has {len(cells)} cells for {len(fields)} columns")
    row: dict[str, Any] = {}
    for field, cell in zip(fields, cells, strict=True):
        if cell:
            row[field] = cell
        elif field not in OPTIONAL:
            refuse(f"{place}, {_HEADINGS[field]}", "is empty")
    kind = _KINDS.get(row["kind"])
    if kind is None:
        refuse(f"{place}, {_HEADINGS['kind']}", "is not a word or a code of the table of events")
    row["kind"] = kind
    for field in _MOMENTS:
        row[field] = _moment(row[field], f"{place}, {_HEADINGS[field]}")
    try:
        return msgspec.convert(row, Event)
    except msgspec.ValidationError as error:
        mismatch(error, place, "event", _HEADINGS)


def _moment(text: str, place: str) -> datetime:
    """A day, or a moment of it, in Japan's time; a day alone is its beginning."""
    problem, remedy = "is not a day, or a moment of one", f"Write it as one of {', '.join(_MOMENT_FORMS)}"
    found = _MOMENT.fullmatch(text)
    if found is None:
        refuse(place, problem, remedy=remedy)
    year, month, day, hour, minute, second = (int(found[part] or 0) for part in (1, 3, 4, 5, 6, 7))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=_JAPAN)
    except ValueError:
        refuse(place, problem, remedy=remedy)
