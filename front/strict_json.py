"""JSON from outside, read strictly: every field known and of its type, errors that name the field."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from ca.errors import BadInput

T = TypeVar("T")


def decode(octets: bytes, kind: type[T], place: str) -> T:
    """A value of this type, or BadInput naming place and field. What stood there is not repeated."""
    try:
        return msgspec.json.decode(octets, type=kind)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at ")
        field = where.strip("`").removeprefix("$.")
        # "Invalid enum value 'x'" would repeat what was sent.
        problem = problem if problem.startswith(("Expected", "Object")) else problem.partition(" '")[0]
        # Nor is a key shown that may be a value in the wrong place.
        if problem.startswith("Object contains") and not re.search(r"`[a-z_]{1,40}`\Z", problem):
            problem = "has an unknown field"
        raise BadInput(f"{place}, {field}" if field else place, problem) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInput(place, "is not JSON in UTF-8") from None
