"""Distinguished names as text for directories (RFC 4514), from their DER."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ca.errors import BadInput
from ca.wire import walk

TYPES: Mapping[str, str] = MappingProxyType(
    {
        "2.5.4.3": "CN",
        "2.5.4.7": "L",
        "2.5.4.8": "ST",
        "2.5.4.10": "O",
        "2.5.4.11": "OU",
        "2.5.4.6": "C",
        "2.5.4.9": "STREET",
        "0.9.2342.19200300.100.1.25": "DC",
        "0.9.2342.19200300.100.1.1": "UID",
    }
)
"""The attribute types that have a name of their own in every directory (RFC 4514 3)."""

_CHARACTER_SETS = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
_SPECIAL = re.compile(r'[",+;<=>\\]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_STEPS = 32


class Step(NamedTuple):
    """One attribute of one step of a name.

    Attributes:
        kind: Its short name, or its dotted object identifier if it has none.
        text: Its value; None if it is no string.
        encoded: The value in DER.
    """

    kind: str
    text: str | None
    encoded: bytes


def read_steps(der: bytes, place: str) -> tuple[tuple[Step, ...], ...]:
    """The steps of an encoded Name from the country down, or BadInput."""
    with walk.reading(place, "a distinguished name"):
        walk.check_nesting(der, 0, len(der))
        whole = walk.only(der, 0x30)
        found = [
            tuple(_step(der, one) for one in walk.elements(der, step.start, step.end))
            for step in walk.elements(der, whole.start, whole.end)
        ]
        if not 0 < len(found) <= _STEPS or not all(found):
            raise walk.NotDer
    return tuple(found)


def name_text(steps: tuple[tuple[Step, ...], ...]) -> str:
    """A name as RFC 4514 writes it: the last step first."""
    return ",".join("+".join(map(_written, step)) for step in reversed(steps))


def read_name_text(der: bytes, place: str) -> str:
    """The text of an encoded Name, or BadInput."""
    return name_text(read_steps(der, place))


def require_text(step: tuple[Step, ...], place: str) -> tuple[str, str]:
    """The one attribute of a step of which an entry can be made, and its value; else BadInput."""
    if len(step) != 1 or step[0].text is None or step[0].kind not in TYPES.values():
        raise BadInput(place, "has a step that no directory entry can be made of", clause="RFC 4514 2")
    return step[0].kind, step[0].text


def _step(der: bytes, attribute: walk.Element) -> Step:
    kind, value = walk.elements(der, attribute.start, attribute.end)
    dotted = walk.oid(kind.whole(der))
    text = value.contents(der).decode(_CHARACTER_SETS[value.tag]) if value.tag in _CHARACTER_SETS else None
    return Step(TYPES.get(dotted, dotted), text, value.whole(der))


def _written(step: Step) -> str:
    # RFC 4514 2.4: what has no name of its own, or no text, is written as the octets of its value.
    if step.text is None or step.kind not in TYPES.values():
        return f"{step.kind}=#{step.encoded.hex()}"
    value = _SPECIAL.sub(lambda found: "\\" + found[0], step.text)
    value = _CONTROL.sub(lambda found: f"\\{ord(found[0]):02x}", value)  # no text of ours ends in a new line
    if value[:1] in {" ", "#"}:
        value = "\\" + value
    if value[-1:] == " " and len(step.text) > 1:
        value = value[:-1] + "\\ "
    return f"{step.kind}={value}"
