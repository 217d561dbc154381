"""An edition: the TOML file that describes a nation. Read strictly: an unknown key is an error, not a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import tomli  # the same as the standard library's tomllib, compiled: an edition of 10,000 authorities has 4 MB

from ca.errors import EditionRefused
from ca.profiles.extensions import ANY_POLICY

FORMAT = 1
_MAXIMUM_SIZE = 1 << 23
_BUILT_IN = resources.files("bridge") / "editions"

# X.660: below the arcs 0 and 1 stand 0 to 39.
_OID = re.compile(r"([01]\.[1-3]?[0-9]|2\.(0|[1-9][0-9]{0,18}))(\.(0|[1-9][0-9]{0,18})){0,19}")
_TABLE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}\.csv")

Steps = tuple[tuple[str, str], ...]

_Years = Annotated[int, msgspec.Meta(ge=1, le=100)]
_Days = Annotated[int, msgspec.Meta(ge=1, le=36_525)]
_Word = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{0,39}\Z")]
# An office's id begins the numbers of its cases, for which a column has 24 characters.
_OfficeWord = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{0,15}\Z")]
_Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,64}\Z")]
T = TypeVar("T")


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file: every key known, every value of its type."""


class Markings(_Table, frozen=True):
    """The names that tell test worlds from production: words, in one column for test worlds, one for production."""

    test: dict[str, _Text]
    production: dict[str, _Text]


class Policy(_Table, frozen=True):
    """A certificate policy: its domain, and its object identifier in either marking."""

    domain: str
    test: str
    production: str


class PeriodTable(_Table, frozen=True):
    """How long things last."""

    self_signed_years: _Years
    cross_years: _Years
    responder_days: _Days
    repository_days: _Days
    next_update_hours: Annotated[int, msgspec.Meta(ge=1, le=8_784)]
    answer_seconds: Annotated[int, msgspec.Meta(ge=1, le=604_800)]


class ListTable(_Table, frozen=True):
    """How lists are published."""

    delta: bool = False
    full_pause_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    usual_changes: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] = 10_000


class CertificateTable(_Table, frozen=True):
    """What every certificate says."""

    information_access: bool = False


class StatusTable(_Table, frozen=True):
    """How status is answered, and to whom."""

    answer_cache_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    staleness_seconds: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 5
    access: Literal["open", "known"] = "open"
    list_access: Literal["open", "known"] = "open"
    national_responder: bool = False
    responder_overlap_days: _Days = 7


class AuthorityTable(_Table, frozen=True):
    """One certificate authority."""

    id: str
    role: Literal["bridge", "government", "national", "organisation"]
    organisation: str
    name: Steps
    japanese_name: Steps
    service_policies: tuple[str, ...]
    services: tuple[Literal["time-stamp", "validation-service"], ...] = ()
    holders: tuple[str, ...] = ()
    status_access: Literal["open", "known"] | None = None


class PrefectureTable(_Table, frozen=True):
    """The template of the prefectures' authorities, and for which prefectures there is one."""

    id: str
    codes: tuple[str, ...]
    nation: bool
    organisation: str
    name: Steps
    japanese_name: Steps
    service_policies: tuple[str, ...]
    holders: tuple[str, ...]
    status_access: Literal["open", "known"] | None = None


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


_Keys = Literal["rsa-1024", "rsa-2048", "rsa-3072", "p-256", "p-384", "ml-dsa-65"]


class HolderTable(_Table, frozen=True):
    """A kind of holder's certificate."""

    policy: str
    validity: BirthdayTable | YearsTable
    points: Steps
    cps: str | None = None
    minimum_age: Annotated[int, msgspec.Meta(ge=0, le=150)] | None = None
    authority_key: Literal["key identifier", "all parts"] = "key identifier"
    keys: _Keys | Annotated[tuple[_Keys, ...], msgspec.Meta(min_length=1, max_length=6)] = "rsa-2048"
    within: str | None = None


_Reason = Literal[
    "unspecified", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"
]


class LapseReasonTable(_Table, frozen=True, rename="kebab"):
    """For which reasons an event ends certificates, where the law leaves that open."""

    died: _Reason | None = None
    removed_ex_officio: _Reason | None = None
    four_items_corrected: _Reason | None = None
    card_returned: _Reason | None = None
    card_lapsed: _Reason | None = None


class LapseTable(_Table, frozen=True):
    """What the register's events do to certificates, where the law leaves that open."""

    reasons: LapseReasonTable = LapseReasonTable()
    found_lifts: tuple[Literal["signature", "user-authentication"], ...] = ()


class OfficeTable(_Table, frozen=True):
    """A registration sub-office besides the municipalities' windows."""

    id: _OfficeWord
    kind: Literal["centre", "ministry", "local-government"]
    name: _Text
    japanese_name: _Text | None = None
    authority: str | None = None


class Edition(_Table, frozen=True):
    """The file as a whole; what its keys mean stands in docs/editions.md."""

    format: int
    name: _Word
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
    cross: tuple[CrossTable, ...]
    holders: dict[str, HolderTable]
    offices: tuple[OfficeTable, ...]
    prefectures: PrefectureTable | None = None
    lapses: LapseTable = LapseTable()
    lists: ListTable = ListTable()
    certificates: CertificateTable = CertificateTable()
    status: StatusTable = StatusTable()
    legacy_suites: tuple[str, ...] = ()


def edition_text(name_or_path: str) -> tuple[str, bytes]:
    """A name for messages, and the octets, of a built-in edition or a file; EditionRefused if there is none.

    A built-in edition's name has no slash, a file's always has one.
    """
    built_in = _BUILT_IN / f"{name_or_path}.toml"
    place = name_or_path
    try:
        if "/" not in name_or_path and built_in.is_file():
            path = built_in
        else:
            path = Path(name_or_path)
            place = name_or_path if "/" in name_or_path else f"./{name_or_path}"
        with path.open("rb") as file:
            octets = file.read(_MAXIMUM_SIZE + 1)
    except OSError as error:
        names = sorted(entry.name[:-5] for entry in _BUILT_IN.iterdir() if entry.name.endswith(".toml"))
        raise EditionRefused(
            f"edition {name_or_path}",
            f"cannot be read: {error.strerror}",
            remedy=f"Name a TOML file, or one of: {', '.join(names)}",
        ) from None
    return place, octets


def read_edition(octets: bytes, place: str) -> Edition:
    """Read an edition's octets.

    Raises:
        EditionRefused: It is not TOML, a key is unknown or missing, a value is not of its type, a word stands in
            one marking alone, a service would outlast its issuer, or a policy is none; says where.
    """
    if len(octets) > _MAXIMUM_SIZE:
        raise EditionRefused(place, f"is longer than {_MAXIMUM_SIZE} octets")
    try:
        tables: dict[str, Any] = tomli.loads(octets.decode())
    except (UnicodeDecodeError, tomli.TOMLDecodeError, RecursionError) as error:
        raise EditionRefused(place, f"is not TOML: {error}") from None
    if tables.get("format", FORMAT) != FORMAT:
        raise EditionRefused(f"{place}, format", f"is {tables['format']}; this version reads format {FORMAT}")
    # The tables whose keys the file chooses are read one by one first: msgspec does not say which key it was.
    for inside, entry, kind in _chosen(tables):
        _convert(entry, kind, place, inside)
    edition = _convert(tables, Edition, place)
    _check_words(edition.marking, place)
    _check_periods(edition.periods, place)
    for marking in ("test", "production"):
        _check_policies(edition.policies, marking, place)
    return edition


def municipalities_path(edition: Edition, place: str) -> Path:
    """Where the edition's table of municipalities lies: beside the file, or built in."""
    if _TABLE_NAME.fullmatch(edition.municipalities):
        beside = Path(place).parent / edition.municipalities
        path = beside if "/" in place and beside.is_file() else Path(str(_BUILT_IN / edition.municipalities))
        if path.is_file():
            return path
    raise EditionRefused(
        f"{place}, municipalities",
        f"{edition.municipalities!r} is not a .csv file beside the edition, nor built in",
    )


def _chosen(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(place, value, type) of everything that stands under a key of the file's own choice."""
    marking = tables.get("marking")
    columns = marking if isinstance(marking, dict) else {}
    for table, entries, kind in (
        ("policies", tables.get("policies"), Policy),
        ("holders", tables.get("holders"), HolderTable),
        ("marking.test", columns.get("test"), _Text),
        ("marking.production", columns.get("production"), _Text),
    ):
        if isinstance(entries, dict):
            for name, entry in entries.items():
                yield f"{table}.{name}", entry, kind


def _convert(value: Any, kind: type[T], place: str, inside: str = "") -> T:
    """The value as such a table; EditionRefused saying where. Msgspec says ``problem - at `$.a.b```."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at ")
        where = f"{inside}{path.strip('`').removeprefix('$')}".removeprefix(".")
        raise EditionRefused(f"{place}, {where}" if where else place, problem) from None


def _check_words(markings: Markings, place: str) -> None:
    """Raise EditionRefused if a word means something under one marking alone."""
    for lacking, having in (("test", "production"), ("production", "test")):
        if missing := sorted(getattr(markings, having).keys() - getattr(markings, lacking).keys()):
            raise EditionRefused(
                f"{place}, marking.{lacking}", f"lacks `{missing[0]}`, which marking.{having} has"
            )


def _check_periods(periods: PeriodTable, place: str) -> None:
    """Raise EditionRefused if a service's certificate would outlast its issuer's."""
    # The day of issue counts, but is not a whole one; a leap day comes every four years.
    most = periods.self_signed_years * 365 + periods.self_signed_years // 4 - 1
    for name in ("responder_days", "repository_days"):
        if getattr(periods, name) > most:
            raise EditionRefused(
                f"{place}, periods.{name}",
                f"is more than the {most} days of {periods.self_signed_years} years",
            )


def _check_policies(
    policies: Mapping[str, Policy], marking: Literal["test", "production"], place: str
) -> None:
    """Raise EditionRefused unless each policy has an object identifier of its own that is not anyPolicy."""
    names: dict[str, str] = {}
    for name, policy in policies.items():
        identifier: str = getattr(policy, marking)
        where = f"{place}, policies.{name}.{marking}"
        if identifier == ANY_POLICY:
            raise EditionRefused(
                where, "anyPolicy is not a policy to certify under, nor to map", clause="RFC 5280 4.2.1.5"
            )
        if not _OID.fullmatch(identifier):
            raise EditionRefused(where, f"{identifier!r} is not an object identifier", clause="X.660")
        if names.setdefault(identifier, name) != name:
            raise EditionRefused(where, f"{identifier} is the policy {names[identifier]} already")
