"""What was typed, field by field: each problem belongs to a field and has its words in both languages.

A page asks for its fields one after the other, and ``settle`` refuses all problems at once; the same questions answer a
browser that asks while somebody types.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import TypeVar

from werkzeug.datastructures import FileStorage

from ca.errors import BadInput

E = TypeVar("E", bound=Enum)

LARGEST_FILE = 512 * 1024


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
        """One line without control characters, in composed form (NFC), blanks at the ends taken off."""
        typed = unicodedata.normalize("NFC", self.sent.get(name, "")).strip()
        if not typed and required:
            self.refuse(name, "form.required")
        elif len(typed) > most:
            self.refuse(name, "form.too_long", most=most)
        elif not typed.replace("\u3000", " ").isprintable():
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
        """A day as YYYY-MM-DD; None if none is given, with a problem noted where one is required."""
        typed = self.sent.get(name, "").strip()
        if not typed:
            if required:
                self.refuse(name, "form.required")
            return None
        try:
            return date.fromisoformat(typed)
        except ValueError:
            self.refuse(name, "form.not_a_day")
            return None

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
