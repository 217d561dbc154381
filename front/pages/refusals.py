"""What a refusal says to a Japanese reader: one table of sentences for the errors that officers meet.

An error is English, as logs and programs have it. ``texts/refusals.toml`` has for the commonest ones both sentences, the
English one with places where the error's values stand; an error that is such a sentence is told by the other one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import current_app

from ca.errors import KakehashiError
from front.pages.texts import Language, Texts
from front.pages.visit import language

EXTENSION = "kakehashi.refusals"
_TABLE = "refused."
_VALUE = re.compile(r"\{([a-z]+)\}")
_WORDS: Mapping[str, tuple[str, ...]] = {
    "document": ("registration.document.{}",),
    "kind": ("registration.kind.{}", "local.kind.{}"),
    "reason": ("registration.reason.{}",),
    "role": ("console.role.{}",),
    "state": ("registration.state.{}", "local.state.{}", "refusedword.state.{}"),
    "step": ("registration.step.{}.done", "local.step.{}.done", "refusedword.step.{}"),
    "place": ("refusedword.place.{}",),
}
"""Under which keys the words for a value may stand, by the name of its place."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A row: which errors it is for, how they read, whether with what to do next, and the key of the words."""

    error: str
    reads: re.Pattern[str]
    to_the_end: bool
    key: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """The table, the most particular sentence first."""

    texts: Texts
    rows: Sequence[_Sentence]

    @classmethod
    def of(cls, texts: Texts) -> Refusals:
        """The table that stands in these texts."""
        keys = [key for key in texts.words if key.startswith(_TABLE)]
        keys.sort(key=lambda key: -len(_VALUE.sub("", texts.words[key][Language.ENGLISH])))
        return cls(
            texts,
            [
                _Sentence(key.split(".")[1], _pattern(english), ". " in english, key)
                for key in keys
                for english in [texts.words[key][Language.ENGLISH]]
            ],
        )

    def japanese(self, error: KakehashiError) -> str | None:
        """What the error says in Japanese; None if the table has no such sentence."""
        kinds = {kind.__name__ for kind in type(error).__mro__}
        short = f"{error.place}: {error.problem}"
        whole = f"{short}. {error.remedy}"  # for a sentence whose values stand in the remedy
        for row in self.rows:
            if row.error in kinds and (found := row.reads.fullmatch(whole if row.to_the_end else short)):
                values = {name: self._word(name, value) for name, value in found.groupdict().items()}
                return self.texts.say(Language.JAPANESE, row.key, **values)
        return None

    def _word(self, name: str, value: str) -> str:
        """A value in Japanese, if there are words for it; of several each."""
        if ", " in value and name in _WORDS:
            return "、".join(self._word(name, one) for one in value.split(", "))
        for form in _WORDS.get(name, ()):
            if self.texts.has(key := form.format(value)):
                return self.texts.say(Language.JAPANESE, key)
        return value.strip("'")


def _pattern(sentence: str) -> re.Pattern[str]:
    """The English sentence as a pattern, each place in it with its name."""
    literal, *rest = _VALUE.split(sentence)
    parts = [re.escape(literal)]
    for name, after in zip(rest[::2], rest[1::2], strict=True):
        parts += [f"(?P<{name}>.{{1,200}}?)", re.escape(after)]
    return re.compile("".join(parts), re.DOTALL)


def in_japanese(error: KakehashiError) -> str | None:
    """The error in Japanese, for a visitor who reads Japanese; None if it has to be shown as it is."""
    refusals: Refusals = current_app.extensions[EXTENSION]
    return refusals.japanese(error) if language() is Language.JAPANESE else None


def explained(error: KakehashiError) -> str:
    """What is wrong and what to do, without the place, to stand at a field."""
    if (told := in_japanese(error)) is not None:
        return told
    return error.problem if error.remedy is None else f"{error.problem}. {error.remedy}"
