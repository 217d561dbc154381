"""Applicants from outside: a resident's or a post's particulars as JSON, read strictly."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ca.birth import BirthDate
from ca.errors import BadInput
from ca.model import MunicipalityCode, OfficialPost, Resident, ResidentCode, Sex, resident_code
from front.strict_json import decode

_MAXIMUM_SIZE = 64 * 1024

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Flags = Annotated[str, msgspec.Meta(pattern=r"\A[01]*\Z", max_length=200)]
_Code = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{5,6}\Z")]


class ResidentParticulars(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A resident as an office writes it down.

    Without substitute-character flags, no character of the name or address is a substitute. An unknown part of the
    date of birth is written as zeros.
    """

    code: str
    name: _Text
    sex: Literal["male", "female", "not applicable"]
    birth_date: str
    address: _Text
    municipality: _Code
    name_substitutes: _Flags | None = None
    address_substitutes: _Flags | None = None
    card_expires: date | None = None


class PostParticulars(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An official post as its ministry writes it down."""

    ministry: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    post: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class FiledResident:
    """A resident who applies.

    Attributes:
        card_expires: The last day of the card that the keys lie in, if the office wrote one down.
    """

    resident: Resident = field(repr=False)
    code: ResidentCode = field(repr=False)
    card_expires: date | None = field(default=None, repr=False)


def resident_of(found: ResidentParticulars, place: str) -> FiledResident:
    """The resident described, or BadInput that names the field and shows no personal datum."""
    for item, text, flags in (
        ("name", found.name, found.name_substitutes),
        ("address", found.address, found.address_substitutes),
    ):
        _require_text(f"{place}, {item}", text)
        if flags is not None and len(flags) != len(text):
            raise BadInput(
                f"{place}, {item}_substitutes", f"has {len(flags)} flags for {len(text)} characters"
            )
    resident = Resident(
        name=found.name,
        name_substitutes=found.name_substitutes or "0" * len(found.name),
        sex=Sex[found.sex.upper().replace(" ", "_")],
        birth_date=BirthDate.parse(found.birth_date, f"{place}, birth_date"),
        address=found.address,
        address_substitutes=found.address_substitutes or "0" * len(found.address),
        municipality=MunicipalityCode(found.municipality),
    )
    return FiledResident(resident, resident_code(found.code), found.card_expires)


def post_of(found: PostParticulars) -> OfficialPost:
    """An official post, or BadInput that names the field."""
    _require_text("ministry", found.ministry)
    _require_text("post", found.post)
    return OfficialPost(found.ministry, found.post)


def read_resident(path: Path) -> FiledResident:
    """The resident that a file describes."""
    return resident_of(decode(_read(path), ResidentParticulars, str(path)), str(path))


def read_post(path: Path) -> OfficialPost:
    """The official post that a file describes."""
    return post_of(decode(_read(path), PostParticulars, str(path)))


def _require_text(place: str, text: str) -> None:
    # The full-width space between family and given name is white space to Python, not printable.
    if not text.replace("\u3000", " ").isprintable():
        raise BadInput(place, "has control characters")
    if not text.strip():
        raise BadInput(place, "is blank")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_MAXIMUM_SIZE + 1)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    if len(octets) > _MAXIMUM_SIZE:
        raise BadInput(str(path), f"is longer than {_MAXIMUM_SIZE} octets")
    return octets
