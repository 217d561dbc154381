"""An edition: the TOML file that describes a nation. Read strictly: an unknown key is an error, not a comment."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from ca.errors import EditionRefused

FORMAT = 1
_MAXIMUM_SIZE = 1 << 20
_BUILT_IN = resources.files("bridge") / "editions"

Steps = tuple[tuple[str, str], ...]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file: every key known, every value of its type."""


class Marking(_Table, frozen=True):
    """The names that tell test worlds from production."""

    jpki: str
    gpki: str
    jpki_japanese: str
    gpki_japanese: str


class Markings(_Table, frozen=True):
    """One column for test worlds, one for production."""

    test: Marking
    production: Marking


class Policy(_Table, frozen=True):
    """A certificate policy: its domain, and its object identifier in either marking."""

    domain: str
    test: str
    production: str


class PeriodTable(_Table, frozen=True):
    """How long things last."""

    self_signed_years: int
    cross_years: int
    responder_days: int
    repository_days: int
    next_update_hours: int


class AuthorityTable(_Table, frozen=True):
    """One certificate authority."""

    id: str
    role: Literal["bridge", "government"]
    organisation: Literal["jpki", "gpki"]
    name: Steps
    japanese_name: Steps
    service_policies: tuple[str, ...]
    holders: tuple[str, ...] = ()


class PrefectureTable(_Table, frozen=True):
    """The template of the prefectures' authorities, and for which prefectures there is one."""

    id: str
    codes: tuple[str, ...]
    nation: bool
    organisation: Literal["jpki", "gpki"]
    name: Steps
    japanese_name: Steps
    service_policies: tuple[str, ...]
    holders: tuple[str, ...]


class CrossTable(_Table, frozen=True):
    """A cross-certificate pair, or one with each prefecture.

    ``map`` pairs policies of the first party's domain with policies of the second's.
    """

    between: tuple[str, str]
    policies: tuple[str, ...]
    reverse_policies: tuple[str, ...] = ()
    map: tuple[tuple[str, str], ...] = ()


class BirthdayTable(_Table, frozen=True, tag="birthday", tag_field="rule"):
    """To a birthday after issue."""

    birthdays: int
    early_renewal_birthdays: int
    renewal_months: int


class YearsTable(_Table, frozen=True, tag="years", tag_field="rule"):
    """Whole years."""

    years: int
    counted_from: Literal["day of issue", "day after"]


class HolderTable(_Table, frozen=True):
    """A kind of holder's certificate."""

    policy: str
    validity: BirthdayTable | YearsTable
    points: Steps
    cps: str | None = None
    minimum_age: int | None = None


class OfficeTable(_Table, frozen=True):
    """A registration sub-office besides the municipalities' windows."""

    id: str
    kind: Literal["centre", "ministry"]
    name: str
    authority: str | None = None


class Edition(_Table, frozen=True):
    """The file as a whole; what its keys mean stands in docs/editions.md."""

    format: int
    name: str
    title: str
    anchor: str
    repository: str
    suite: str
    municipalities: str
    old_kind: bool
    marking: Markings
    policies: dict[str, Policy]
    periods: PeriodTable
    authorities: tuple[AuthorityTable, ...]
    prefectures: PrefectureTable
    cross: tuple[CrossTable, ...]
    holders: dict[str, HolderTable]
    offices: tuple[OfficeTable, ...]


def edition_text(name_or_path: str) -> tuple[str, bytes]:
    """A name for messages, and the octets, of a built-in edition or a file; EditionRefused if there is none."""
    built_in = _BUILT_IN / f"{name_or_path}.toml"
    path = built_in if "/" not in name_or_path and built_in.is_file() else Path(name_or_path)
    try:
        with path.open("rb") as file:
            octets = file.read(_MAXIMUM_SIZE + 1)
    except OSError as error:
        names = sorted(entry.name[:-5] for entry in _BUILT_IN.iterdir() if entry.name.endswith(".toml"))
        raise EditionRefused(
            f"edition {name_or_path}",
            f"cannot be read: {error.strerror}",
            remedy=f"Name a TOML file, or one of: {', '.join(names)}",
        ) from None
    return str(name_or_path), octets


def read_edition(octets: bytes, place: str) -> Edition:
    """Read an edition's octets.

    Raises:
        EditionRefused: It is not TOML, a key is unknown or missing, or a value is not of its type; says where.
    """
    if len(octets) > _MAXIMUM_SIZE:
        raise EditionRefused(place, f"is longer than {_MAXIMUM_SIZE} octets")
    try:
        tables: dict[str, Any] = tomllib.loads(octets.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise EditionRefused(place, f"is not TOML: {error}") from None
    if tables.get("format", FORMAT) != FORMAT:
        raise EditionRefused(f"{place}, format", f"is {tables['format']}; this version reads format {FORMAT}")
    try:
        return msgspec.convert(tables, Edition)
    except msgspec.ValidationError as error:
        raise EditionRefused(place, _sentence(str(error))) from None


def municipalities_path(edition: Edition, place: str) -> Path:
    """Where the edition's table of municipalities lies: beside the file, or built in."""
    beside = Path(place).parent / edition.municipalities
    path = beside if "/" in place and beside.is_file() else Path(str(_BUILT_IN / edition.municipalities))
    if not path.is_file() or "/" in edition.municipalities:
        raise EditionRefused(
            f"{place}, municipalities",
            f"{edition.municipalities!r} is not a file beside the edition, nor built in",
        )
    return path


def _sentence(message: str) -> str:
    """Msgspec's ``problem - at `$.a.b```, with the place first."""
    problem, _, where = message.partition(" - at ")
    return f"at {where.strip('`').removeprefix('$.')}: {problem}" if where else problem
