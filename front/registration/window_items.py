"""The items of a resident as they are typed at a window: names and addresses with their substitute flags, and birthdays.

The register's own characters are kept: what looks alike may be another person's name.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from ca.birth import BirthDate
from ca.errors import BadInput
from ca.model import ResidentCode, resident_code
from front.pages.forms import Fields, composed

_ERAS = (  # letter and name as typed, first day, last day (for the present era: none)
    ("r", "令和", date(2019, 5, 1), date.max),
    ("h", "平成", date(1989, 1, 8), date(2019, 4, 30)),
    ("s", "昭和", date(1926, 12, 25), date(1989, 1, 7)),
    ("t", "大正", date(1912, 7, 30), date(1926, 12, 24)),
    ("m", "明治", date(1868, 1, 25), date(1912, 7, 29)),
)
_JAPANESE = re.compile(
    r"(?P<era>[rhstm]|令和|平成|昭和|大正|明治)(?P<year>[0-9]{1,2}|元)[-./年](?P<month>[0-9]{1,2})[-./月](?P<day>[0-9]{1,2})日?"
)
_WESTERN = re.compile(r"(?P<year>[0-9]{4})[-./年]?(?P<month>[0-9]{2})[-./月]?(?P<day>[0-9]{2})日?")
_LOOSE = re.compile(r"(?P<year>[0-9]{4})[-./年](?P<month>[0-9]{1,2})[-./月](?P<day>[0-9]{1,2})日?")


def written(text: str) -> str:
    """A name or address as it is kept: marks joined to their letters, one full-width space where there is any.

    Compatibility ideographs and variation selectors stay as they are. ``window.js`` does the same, for the flags.
    """
    return "\u3000".join(composed(text).split())


def read_text(fields: Fields, name: str, *, most: int) -> str:
    """A name or address; empty with a problem noted where it cannot be one."""
    before = len(fields.problems)
    fields.text(name, most=most)
    return written(fields.sent.get(name, "")) if len(fields.problems) == before else ""


def read_flags(fields: Fields, name: str, text: str) -> str:
    """The substitute flags of a text: a 0 or a 1 for each of its characters, in the order of its code points.

    Nothing typed means that no character is a substitute. Of no text nothing is said: its own field has the problem.
    """
    flags = "".join(fields.sent.get(name, "").split())
    if flags.strip("01"):
        fields.refuse(name, "registration.flags.digits")
    elif flags and text and len(flags) != len(text):
        fields.refuse(name, "registration.flags.count", flags=len(flags), characters=len(text))
    return flags or "0" * len(text)


def read_code(fields: Fields) -> ResidentCode | None:
    """The resident code in the field ``code``, in full-width digits too; None with a problem noted."""
    typed = unicodedata.normalize("NFKC", fields.text("code", most=40)).replace("-", "").replace(" ", "")
    if not typed:
        return None
    try:
        return resident_code(typed)
    except BadInput:
        fields.refuse("code", "registration.code_wrong")
        return None


def read_birth_date(fields: Fields, name: str, today: date) -> BirthDate | None:
    """A date of birth, Gregorian or by era, an unknown part as zeros; None with a problem noted."""
    typed = unicodedata.normalize("NFKC", fields.text(name, most=40)).lower().replace(" ", "")
    if not typed:
        return None
    try:
        born = _western(typed) or _japanese(typed)
    except (BadInput, ValueError):
        born = None
    if born is None or (born.year is not None and born.year < _ERAS[-1][2].year):
        fields.refuse(name, "registration.birth_date.form")
        born = None
    elif born.year is not None and born.span(born.year)[0] > today:
        fields.refuse(name, "registration.birth_date.future")
        born = None
    return born


def _western(typed: str) -> BirthDate | None:
    found = _LOOSE.fullmatch(typed) or _WESTERN.fullmatch(typed)
    return None if found is None else BirthDate(*(int(part) or None for part in found.groups()))


def _japanese(typed: str) -> BirthDate | None:
    """A day of an era, which has to lie in it; ValueError of one that does not."""
    found = _JAPANESE.fullmatch(typed)
    if found is None:
        return None
    _, _, first, last = next(era for era in _ERAS if found["era"] in era[:2])
    count = 1 if found["year"] == "元" else int(found["year"])
    day = date(first.year + count - 1, int(found["month"]), int(found["day"]))
    if not first <= day <= last:
        raise ValueError("the day is not one of that era")
    return BirthDate.of(day)
