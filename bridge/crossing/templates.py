"""Names and URLs of an edition with {words} to be filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from bridge.crossing.edition import Steps
from ca.errors import EditionRefused
from ca.names import DirectoryName

_WORD = re.compile(r"\{(\w*)\}")


def fill_name(steps: Steps, words: Mapping[str, str], where: str) -> DirectoryName:
    """A name with its {words} filled in, or EditionRefused, BadInput saying where."""
    return _name(tuple([(attribute, fill(value, words, where)) for attribute, value in steps]), where)


@lru_cache(maxsize=1024)  # ten thousand authorities share the names of their distribution points
def _name(steps: Steps, where: str) -> DirectoryName:
    return DirectoryName.of(steps, where)


def fill(template: str, words: Mapping[str, str], where: str) -> str:
    """The template with its {words} filled in; a word that has no meaning here is refused."""
    if "{" not in template:
        return template

    def value(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise EditionRefused(where, f"{{{match[1]}}} has no meaning here")
        return words[match[1]]

    return _WORD.sub(value, template)
