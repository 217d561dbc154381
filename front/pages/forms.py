"""What was typed, field by field: each problem belongs to a field and has its words in both languages.

A page asks for its fields one after the other, and ``settle`` refuses all problems at once; the same questions answer a
browser that asks while somebody types.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import TypeVar

from werkzeug.datastructures import FileStorage
from werkzeug.routing import IntegerConverter, Map

from ca.errors import BadInput
from ca.profiles.items import require_text

E = TypeVar("E", bound=Enum)

LARGEST_FILE = 512 * 1024
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)
"""What a day that somebody types may be: far from the ends of the calendar, where reckoning with time zones fails."""
LARGEST_NUMBER = 2**31 - 1
"""Of what an address may count: every database has room for it."""

# NFC would replace these by the unified ideographs that they were made to differ from (Unicode 2.3, 22.1).
_COMPOSED = re.compile("[^\uf900-\ufaff\U0002f800-\U0002fa1f]+")


class BoundedInteger(IntegerConverter):
    """``<int:...>`` in the address of a page: nothing is there under a number beyond all bounds."""

    def __init__(
        self,
        map: Map,  # noqa: A002 - this and the others are Werkzeug's words
        fixed_digits: int = 0,
        min: int | None = None,  # noqa: A002
        max: int | None = LARGEST_NUMBER,  # noqa: A002
        *,
        signed: bool = False,
    ) -> None:
        super().__init__(map, fixed_digits, min, max, signed)


def whole_number(typed: str) -> int:
    """A number in a question of an address, for ``request.args.get(..., type=whole_number)``; ValueError."""
    if not re.fullmatch("[0-9]{1,10}", typed) or int(typed) > LARGEST_NUMBER:
        raise ValueError("is no number within bounds")
    return int(typed)


def composed(text: str) -> str:
    """Marks joined to their letters (NFC), but no ideograph exchanged for another: names go into certificates."""
    return _COMPOSED.sub(lambda found: unicodedata.normalize("NFC", found.group()), text)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a field of this name.

    Attributes:
        key: Of the words that say so (``texts``), and ``values`` what stands in their places.
    """

    name: str
    key: str
    values: Mapping[str, object] = field(default_factory=dict)


class FormRefused(BadInput):
    """A form with problems; nothing of it was done."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("form", f"has {len(problems)} fields to put right")
        self.problems = problems


@dataclass(slots=True)
class Fields:
    """The fields of a form as they were sent."""

    sent: Mapping[str, str] = field(repr=False)
    files: Mapping[str, FileStorage] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, name: str, key: str, **values: object) -> None:
        """Note a problem. The first of a field is what is told."""
        if not any(problem.name == name for problem in self.problems):
            self.problems.append(Problem(name, key, values))

    def text(self, name: str, *, most: int = 200, required: bool = True) -> str:
        """One line that can be read (``ca.profiles.items``), as ``composed`` has it, blanks at the ends taken off."""
        typed = composed(self.sent.get(name, "")).strip()
        if not typed:
            if required:
                self.refuse(name, "form.required")
        elif len(typed) > most:
            self.refuse(name, "form.too_long", most=most)
        else:
            try:
                require_text(typed, name, most)
            except BadInput:
                self.refuse(name, "form.not_printable")
        return typed

    def choice(self, name: str, kind: type[E]) -> E | None:
        """One of an enumeration's values; None with a problem noted."""
        typed = self.sent.get(name, "")
        if not typed:
            self.refuse(name, "form.required")
            return None
        try:
            return kind(typed)
        except ValueError:
            self.refuse(name, "form.not_a_choice")
            return None

    def day(self, name: str, *, required: bool = True) -> date | None:
        """A day as YYYY-MM-DD, of ``FIRST_DAY`` to ``LAST_DAY``; None if none is given, with a problem noted where one is required."""
        typed = self.sent.get(name, "").strip()
        if not typed:
            if required:
                self.refuse(name, "form.required")
            return None
        try:
            day = date.fromisoformat(typed)
        except ValueError:
            self.refuse(name, "form.not_a_day")
            return None
        if not FIRST_DAY <= day <= LAST_DAY:
            self.refuse(name, "form.far_day", first=FIRST_DAY.year, last=LAST_DAY.year)
            return None
        return day

    def checked(self, name: str) -> bool:
        """Whether a box is checked."""
        return self.sent.get(name) == "on"

    def octets(self, name: str, *, most: int = LARGEST_FILE, required: bool = True) -> bytes | None:
        """A file that was sent, or the text of the area of the same name; None if neither is there."""
        file = self.files.get(name)
        found = file.stream.read(most + 1) if file is not None and file.filename else b""
        found = found or self.sent.get(name, "").encode()
        if len(found) > most:
            self.refuse(name, "form.too_large", most=most // 1024)
            return None
        if not found.strip():
            if required:
                self.refuse(name, "form.required")
            return None
        return found

    def settle(self) -> None:
        """Raise FormRefused if any field has a problem."""
        if self.problems:
            raise FormRefused(tuple(self.problems))
