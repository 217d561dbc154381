"""Applicants as files: a resident's or a post's particulars as JSON, read strictly."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from ca.errors import BadInput
from ca.model import MunicipalityCode, OfficialPost, Resident, ResidentCode, Sex, resident_code

_MAXIMUM_SIZE = 64 * 1024

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Flags = Annotated[str, msgspec.Meta(pattern="^[01]*$", max_length=200)]
T = TypeVar("T", bound=msgspec.Struct)


class _ResidentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    name: _Text
    sex: Literal["male", "female", "not applicable"]
    birth_date: date
    address: _Text
    municipality: str
    name_substitutes: _Flags | None = None
    address_substitutes: _Flags | None = None


class _PostFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ministry: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    post: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


def read_resident(path: Path) -> tuple[Resident, ResidentCode]:
    """A resident and the resident's code, or BadInput that names the field and shows no personal datum.

    Without substitute-character flags, no character of the name or address is a substitute.
    """
    found = _read(path, _ResidentFile)
    for field, text, flags in (
        ("name", found.name, found.name_substitutes),
        ("address", found.address, found.address_substitutes),
    ):
        if not _printable(text):
            raise BadInput(f"{path}, {field}", "has control characters")
        if flags is not None and len(flags) != len(text):
            raise BadInput(
                f"{path}, {field}_substitutes", f"has {len(flags)} flags for {len(text)} characters"
            )
    resident = Resident(
        name=found.name,
        name_substitutes=found.name_substitutes or "0" * len(found.name),
        sex=Sex[found.sex.upper().replace(" ", "_")],
        birth_date=found.birth_date,
        address=found.address,
        address_substitutes=found.address_substitutes or "0" * len(found.address),
        municipality=MunicipalityCode(found.municipality),
    )
    return resident, resident_code(found.code)


def read_post(path: Path) -> OfficialPost:
    """An official post, or BadInput that names the field."""
    found = _read(path, _PostFile)
    return OfficialPost(found.ministry, found.post)


def _printable(text: str) -> bool:
    # The full-width space between family and given name is white space to Python, not printable.
    return text.replace("\u3000", " ").isprintable()


def _read(path: Path, kind: type[T]) -> T:
    try:
        with path.open("rb") as file:
            octets = file.read(_MAXIMUM_SIZE + 1)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    if len(octets) > _MAXIMUM_SIZE:
        raise BadInput(str(path), f"is longer than {_MAXIMUM_SIZE} octets")
    try:
        return msgspec.json.decode(octets, type=kind)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at ")
        raise BadInput(
            f"{path}{', ' + where.strip('`').removeprefix('$.') if where else ''}", problem
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInput(str(path), "is not JSON in UTF-8") from None
