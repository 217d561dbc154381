"""Applicants from outside: their particulars, and what a reception writes down, as JSON read strictly."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ca.birth import BirthDate
from ca.errors import BadInput
from ca.model import (
    CertificateId,
    LocalHolder,
    MunicipalityCode,
    OfficialPost,
    Resident,
    ResidentCode,
    Sex,
    resident_code,
)
from ca.profiles.items import require_text
from ca.rules.identity import Document, Purpose, Reception, SeenDocument
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


class LocalParticulars(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who holds a certificate of a local government, as its sub-office writes it down.

    Attributes:
        government: As its office is called.
        name: Of the post, the member, or the desk that is written to.
        unit: The department, if one is named.
    """

    government: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    unit: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class ShownDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that the applicant showed; its number is not asked for.

    Attributes:
        ends: Its last day, which has to be told of a document that bears one.
    """

    kind: Document
    ends: date | None = None


class ReceptionParticulars(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an office writes down when it receives an application, besides for whom and for what.

    Attributes:
        purpose: A renewal is for what ends within three months, a replacement for what is to end before that.
        card_number: The number printed on the card, or on the key medium.
        renews: The ids of the certificates of a post that are replaced; a resident's are known.
    """

    purpose: Purpose = Purpose.NEW
    documents: Annotated[tuple[ShownDocument, ...], msgspec.Meta(max_length=10)] = ()
    card_number: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z0-9][A-Z0-9-]{2,18}[A-Z0-9]\Z")] | None = None
    renews: Annotated[tuple[str, ...], msgspec.Meta(max_length=10)] = ()


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
        require_text(text, f"{place}, {item}")
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
    require_text(found.ministry, "ministry")
    require_text(found.post, "post")
    return OfficialPost(found.ministry, found.post)


def local_of(found: LocalParticulars, place: str) -> LocalHolder:
    """Who holds a local government's certificate, or BadInput that names the field."""
    for item, text in (("government", found.government), ("name", found.name), ("unit", found.unit)):
        if text is not None:
            require_text(text, f"{place}, {item}")
    return LocalHolder(found.government, found.unit, found.name)


def reception_of(found: ReceptionParticulars) -> Reception:
    """What was written down, or BadInput that names what is wrong."""
    documents = tuple(SeenDocument(shown.kind, shown.ends) for shown in found.documents)
    renews = tuple(map(CertificateId.parse, found.renews))
    return Reception(found.purpose, documents, found.card_number, renews)


def read_resident(path: Path) -> FiledResident:
    """The resident that a file describes."""
    return resident_of(decode(_read(path), ResidentParticulars, str(path)), str(path))


def read_post(path: Path) -> OfficialPost:
    """The official post that a file describes."""
    return post_of(decode(_read(path), PostParticulars, str(path)))


def read_local(path: Path) -> LocalHolder:
    """Who holds a local government's certificate, as a file describes it."""
    return local_of(decode(_read(path), LocalParticulars, str(path)), str(path))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_MAXIMUM_SIZE + 1)
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    if len(octets) > _MAXIMUM_SIZE:
        raise BadInput(str(path), f"is longer than {_MAXIMUM_SIZE} octets")
    return octets
