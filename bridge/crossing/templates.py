"""Names and URLs of an edition with {words} to be filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge.crossing.edition import Steps
from ca.errors import EditionRefused
from ca.names import DirectoryName


def fill_name(steps: Steps, words: Mapping[str, str], where: str) -> DirectoryName:
    """A name with its {words} filled in, or EditionRefused, BadInput saying where."""
    return DirectoryName.of(((attribute, fill(value, words, where)) for attribute, value in steps), where)


def fill(template: str, words: Mapping[str, str], where: str) -> str:
    """The template with its {words} filled in; a word that has no meaning here is refused."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise EditionRefused(where, f"{{{match[1]}}} has no meaning here")
        return words[match[1]]

    return re.sub(r"\{(\w*)\}", value, template)
