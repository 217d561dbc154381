"""The words of the pages, in Japanese and English: TOML files beside the pages, a table a word.

::

    [case.filed]
    ja = "申請を受け付けました"
    en = "The application has been received"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Language(StrEnum):
    """In which language a page speaks."""

    JAPANESE = "ja"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Texts:
    """Every word of every room's pages, by key.

    Attributes:
        words: For each key its two texts, by language. A text may have places for values, as ``str.format`` has them.
    """

    words: Mapping[str, Mapping[Language, str]]

    @classmethod
    def read(cls, folders: Iterable[Path]) -> Texts:
        """The words of these folders' TOML files. A key that stands twice or lacks a language is a mistake of ours."""
        words: dict[str, Mapping[Language, str]] = {}
        for path in sorted(path for folder in folders for path in folder.glob("*.toml")):
            with path.open("rb") as file:
                for key, texts in _flat(tomllib.load(file), ""):
                    assert key not in words, f"{path}: {key} stands twice"
                    assert texts.keys() == set(Language), f"{path}: {key} lacks a language, or has another"
                    words[key] = {Language(language): text for language, text in texts.items()}
        return cls(words)

    def say(self, language: Language, key: str, **values: object) -> str:
        """The text of a key in a language, with these values in its places."""
        text = self.words[key][language]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is such a key."""
        return key in self.words


def _flat(table: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Mapping[str, str]]]:
    """A TOML file's tables by their dotted names; a table of strings is a word."""
    for name, value in table.items():
        assert isinstance(value, dict), f"{prefix}{name} is not a table"
        if value and all(isinstance(text, str) for text in value.values()):
            yield prefix + name, value
        else:
            yield from _flat(value, f"{prefix}{name}.")
