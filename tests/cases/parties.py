"""Who may stand in a case's chain: authorities with their names, policies and keys, and the towns' distribution points.

``tokyo`` is the first generation of Tokyo's CA, ``tokyo.g2`` the second: one name, another key. Whoever is no authority
is a holder. Keys are public test keys, so a case's octets are the same on every machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from tests.relying_world import HOLDER, OTHER_TOWN, TOWN, Steps, o

ANY = "2.5.29.32.0"

_AUTHORITIES: dict[str, tuple[Steps, str]] = {
    "gpki": (o("GPKI", "BridgeCA"), "2.999.1"),
    "ministry": (o("GPKI", "OfficialPost"), "2.999.1"),
    "bridge": (o("JPKI", "BridgeCA"), "2.999.2"),
    "tokyo": (o("JPKI", "Tokyo"), "2.999.2"),
    "osaka": (o("JPKI", "Osaka"), "2.999.2"),
    "lgpki": (o("LGPKI", "BridgeCA"), "2.999.3"),
    "city": (o("LGPKI", "City"), "2.999.3"),
    "foreign": (o("FOREIGN", "BridgeCA"), "2.999.4"),
    "stranger": (o("STRANGER", "CA"), "2.999.5"),
}
"""Each authority's name and the policy of its domain. A name stands for all generations of its authority."""

_GENERATIONS = 3
_FIRST_HOLDERS_KEY = len(_AUTHORITIES) * _GENERATIONS
_HOLDERS = ("holder", "neighbour", "responder")

TOWNS = {"chiyoda": TOWN, "chuo": OTHER_TOWN}
"""The distribution points of holders, by town."""

_NODE = re.compile(r"([a-z]+)(?:\.g([1-3]))?")


@dataclass(frozen=True, order=True)
class Party:
    """A generation of an authority, or a holder (always of generation 1)."""

    name: str
    number: int = 1

    @classmethod
    def parse(cls, word: str) -> Self:
        """The party of this word, or ValueError."""
        found = _NODE.fullmatch(word)
        if found is None or not (found[1] in _AUTHORITIES or (found[1] in _HOLDERS and found[2] is None)):
            raise ValueError(f"{word!r} is nobody")
        return cls(found[1], int(found[2] or 1))

    def __str__(self) -> str:
        return f"{self.name}.g{self.number}"

    @property
    def is_authority(self) -> bool:
        return self.name in _AUTHORITIES

    @property
    def steps(self) -> Steps:
        """The distinguished name; every generation has the same."""
        if self.is_authority:
            return _AUTHORITIES[self.name][0]
        return (*HOLDER[:-1], ("common_name", f"{self.name.upper()}13101001A"))

    @property
    def policy(self) -> str:
        """The policy of an authority's own domain."""
        return _AUTHORITIES[self.name][1]

    @property
    def key(self) -> int:
        """The place of the key in the pool of public test keys."""
        if self.is_authority:
            return tuple(_AUTHORITIES).index(self.name) * _GENERATIONS + self.number - 1
        return _FIRST_HOLDERS_KEY + _HOLDERS.index(self.name)


def steps_of(word: str) -> Steps:
    """The name of a town's distribution point, or of a party."""
    return TOWNS[word] if word in TOWNS else Party.parse(word).steps
