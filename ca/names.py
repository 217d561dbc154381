"""Distinguished names, and the municipalities whose names they carry."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ca.errors import BadInput, NotFound
from ca.model import MunicipalityCode


class Attribute(StrEnum):
    """Attribute types used in this PKI's names (RFC 4519), by their usual abbreviation."""

    C = "C"
    O = "O"  # noqa: E741 - the standard's own abbreviation
    OU = "OU"
    L = "L"
    CN = "CN"


@dataclass(frozen=True, slots=True)
class DirectoryName:
    """A distinguished name: one attribute a step, from the country down. Encoded by ``ca.wire``.

    Country is a PrintableString (X.520), every other attribute a UTF8String, as the CAs of this PKI write them.

    Attributes:
        encoded: The DER of a CA's name that the CA itself writes in another way: as subject it is repeated so
            (RFC 5280 4.1.2.6).
    """

    steps: tuple[tuple[Attribute, str], ...]
    encoded: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return ", ".join(f"{attribute}={value}" for attribute, value in self.steps)

    @classmethod
    def of(cls, steps: Iterable[tuple[str, str]], place: str) -> DirectoryName:
        """Read (abbreviation, value) pairs, or raise BadInput naming the place."""
        read: list[tuple[Attribute, str]] = []
        for attribute, value in steps:
            if attribute not in Attribute.__members__:
                raise BadInput(
                    place, f"{attribute!r} is not an attribute", remedy=f"One of: {', '.join(Attribute)}"
                )
            # X.520 upper bounds: ub-common-name and its like are 64; a country is two letters.
            if not value or len(value) > 64 or not value.replace("\u3000", " ").isprintable():
                raise BadInput(
                    place,
                    f"{attribute}={value!r} is not 1 to 64 characters of text",
                    clause="RFC 5280 appendix A.1",
                )
            if attribute == "C" and not re.fullmatch(r"[A-Z]{2}", value):
                raise BadInput(place, f"C={value!r} is not two letters", clause="RFC 5280 appendix A.1")
            read.append((Attribute.__members__[attribute], value))
        if not read:
            raise BadInput(place, "an empty name")
        return cls(tuple(read))

    def child(self, *steps: tuple[Attribute, str]) -> DirectoryName:
        """This name with further steps below it."""
        return DirectoryName(self.steps + steps)

    def folded(self) -> tuple[tuple[str, str], ...]:
        """The form in which two names are equal (RFC 5280 7.1): case folded, white space made one."""
        return tuple((attribute.value, fold(value)) for attribute, value in self.steps)


def fold(value: str) -> str:
    """A string prepared for comparison, after RFC 4518 2: NFKC, case folded, inner white space one, none outside."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


class MunicipalityKind(StrEnum):
    """What stands in the table's column ``kind``."""

    MUNICIPALITY = "municipality"
    DESIGNATED_CITY = "designated city"
    WARD = "ward"


# The six villages of the northern territories are in the table of codes and have no office.
_WITHOUT_WINDOW = frozenset(
    MunicipalityCode(code) for code in ("016951", "016969", "016977", "016985", "016993", "017001")
)


@dataclass(frozen=True, slots=True)
class Municipality:
    """A row of the table: a city, town, village, special ward, designated city, or a ward of one."""

    code: MunicipalityCode
    prefecture_code: str
    prefecture: str
    prefecture_romaji: str
    name: str
    romaji: str
    kind: MunicipalityKind
    designated_city: MunicipalityCode | None

    @property
    def has_window(self) -> bool:
        """Whether residents are served here: in a designated city its wards do, not the city itself."""
        return self.kind is not MunicipalityKind.DESIGNATED_CITY and self.code not in _WITHOUT_WINDOW


def check_digit(five: str) -> str:
    """The sixth digit of a municipality code (JIS X 0402): modulus 11 with weights 6 to 2, its last digit."""
    remainder = sum(int(digit) * weight for digit, weight in zip(five, range(6, 1, -1), strict=True)) % 11
    return str((11 - remainder) % 10)


@dataclass(frozen=True)
class Municipalities:
    """The table of municipalities, and the names that distribution points carry."""

    rows: Mapping[MunicipalityCode, Municipality]
    _point_names: Mapping[MunicipalityCode, str] = field(repr=False)

    def __iter__(self) -> Iterator[Municipality]:
        return iter(self.rows.values())

    def window(self, code: str) -> Municipality:
        """The municipality of this code, if it has a window; else NotFound saying what to name instead."""
        municipality = self.rows.get(MunicipalityCode(code))
        if municipality is None:
            hint = "Six digits of JIS X 0401/0402 with the check digit, such as 131016"
            if len(code) == 5 and code.isascii() and code.isdigit():
                hint = f"Six digits are needed: {code}{check_digit(code)} with the check digit"
            raise NotFound(f"municipality {code!r}", "is not in the table of municipalities", remedy=hint)
        if municipality.kind is MunicipalityKind.DESIGNATED_CITY:
            wards = [row.code for row in self if row.designated_city == municipality.code]
            raise NotFound(
                f"municipality {code}",
                "is a designated city; its wards have the windows",
                remedy=f"Name a ward: {', '.join(wards)}",
            )
        if not municipality.has_window:
            raise NotFound(f"municipality {code}", "has no window")
        return municipality

    def point_name(self, code: MunicipalityCode) -> str:
        """The municipality's romaji as distribution points write it, unique in its prefecture.

        Where two windows of a prefecture share their romaji (Esashi-cho in Hokkaido, twice), each carries its
        code: two towns that shared a name would share a list.
        """
        return self._point_names[code]

    @classmethod
    def read(cls, path: Path) -> Municipalities:
        """Read the table (CSV in UTF-8 with a header), or raise BadInput with the line number."""
        rows: dict[MunicipalityCode, Municipality] = {}
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                for number, row in enumerate(csv.DictReader(file, strict=True), start=2):
                    municipality = _municipality(row, f"{path.name} line {number}")
                    if municipality.code in rows:
                        raise BadInput(
                            f"{path.name} line {number}", f"{municipality.code} stands there twice"
                        )
                    rows[municipality.code] = municipality
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BadInput(path.name, f"is not a table in UTF-8 that can be read: {error}") from None
        if not rows:
            raise BadInput(path.name, "has no rows")
        shared = Counter((row.prefecture_code, row.romaji) for row in rows.values() if row.has_window)
        names = {
            row.code: row.romaji
            if shared[row.prefecture_code, row.romaji] <= 1
            else f"{row.romaji}-{row.code}"
            for row in rows.values()
        }
        return cls(rows, names)


def _municipality(row: Mapping[str, str], place: str) -> Municipality:
    try:
        code = row["code"]
        city = row["designated_city_code"]
        municipality = Municipality(
            code=MunicipalityCode(code),
            prefecture_code=row["prefecture_code"],
            prefecture=row["prefecture"],
            prefecture_romaji=row["prefecture_romaji"],
            name=row["name"],
            romaji=row["romaji"],
            kind=MunicipalityKind(row["kind"]),
            designated_city=MunicipalityCode(city) if city else None,
        )
    except (KeyError, ValueError) as error:
        raise BadInput(place, f"a column is missing or wrong: {error}") from error
    if not (len(code) == 6 and code.isascii() and code.isdigit()) or code[5] != check_digit(code[:5]):
        raise BadInput(place, f"{code!r} is not a code with a right check digit", clause="JIS X 0402")
    return municipality
