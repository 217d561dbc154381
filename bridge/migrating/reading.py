"""Reading a plan's TOML file. Read strictly: an unknown key is an error, and so is a name that means nothing."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import tomli

from bridge.migrating.plan import (
    LONGEST_DAYS,
    MOST_AUTHORITIES,
    MOST_WAVE_DAYS,
    Authority,
    Generation,
    Plan,
    PlanRefused,
    SuiteLife,
)
from ca.names import check_digit

FORMAT = 1
_MAXIMUM_SIZE = 1 << 22
_EARLIEST, _LATEST = date(1900, 1, 1), date(2999, 12, 31)
T = TypeVar("T")


def read_plan(octets: bytes, place: str) -> Plan:
    """Read a plan's octets.

    Raises:
        PlanRefused: It is not TOML, a key is unknown or missing, a value is not of its type, a name means nothing, or
            days run backwards; says where.
    """
    if len(octets) > _MAXIMUM_SIZE:
        raise PlanRefused(place, f"is longer than {_MAXIMUM_SIZE} octets")
    try:
        tables: dict[str, Any] = tomli.loads(octets.decode())
    except (UnicodeDecodeError, tomli.TOMLDecodeError, RecursionError) as error:
        raise PlanRefused(place, f"is not TOML: {error}") from None
    if tables.get("format", FORMAT) != FORMAT:
        raise PlanRefused(f"{place}, format", f"is {tables['format']}; this version reads format {FORMAT}")
    suites = tables.get("suites")
    if isinstance(suites, dict):  # msgspec does not say which key of a free choice it was
        for name, entry in suites.items():
            _convert(entry, SuiteLife, place, f"suites.{name}")
    plan = _convert(tables, Plan, place)
    for where, problem, clause in _wrongs(plan):
        raise PlanRefused(f"{place}, {where}", problem, clause=clause)
    return plan


def open_plan(path: Path) -> Plan:
    """The plan in a file; PlanRefused if there is none, or it is none."""
    return plan_file(path)[0]


def plan_file(path: Path) -> tuple[Plan, str]:
    """The plan in a file, and the file's SHA-256 in hexadecimal digits; raises as ``open_plan``."""
    try:
        with path.open("rb") as file:
            octets = file.read(_MAXIMUM_SIZE + 1)
    except OSError as error:
        raise PlanRefused(f"plan {path}", f"cannot be read: {error.strerror}") from None
    return read_plan(octets, str(path)), hashlib.sha256(octets).hexdigest()


def _convert(value: Any, kind: type[T], place: str, inside: str = "") -> T:
    """The value as such a table; PlanRefused saying where. Msgspec says ``problem - at `$.a.b```."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at ")
        where = f"{inside}{path.strip('`').removeprefix('$')}".removeprefix(".")
        raise PlanRefused(f"{place}, {where}" if where else place, problem) from None


_Wrong = tuple[str, str, str | None]


def _wrongs(plan: Plan) -> Iterator[_Wrong]:
    """(place, problem, clause) of what no type says: names that mean nothing, days that run backwards."""
    yield from _wrong_days(plan)
    tables = {one.id: one for one in plan.authorities}
    ids = [name for one in plan.authorities for name in one.ids]
    if len(ids) > MOST_AUTHORITIES:
        yield "authorities", f"are more than {MOST_AUTHORITIES}", None
    for what, names in (
        ("authorities", [one.id for one in plan.authorities]),
        ("authorities", ids),
        ("relying_parties", [one.id for one in plan.relying_parties]),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                yield what, f"{name!r} stands there twice", None
    for index, one in enumerate(plan.authorities):
        for key in (one.old, one.new):
            if key is not None and key.suite not in plan.suites:
                yield f"authorities[{index}]", f"{key.suite!r} is not one of the plan's suites", None
    yield from _wrong_crosses(plan, tables)
    yield from _wrong_parties(plan, tables)
    yield from _wrong_waves(plan, set(ids), tables)


def _wrong_days(plan: Plan) -> Iterator[_Wrong]:
    plain = msgspec.to_builtins(plan, builtin_types=(date,))
    for where, day in _days_in(plain, ""):
        if not _EARLIEST <= day <= _LATEST:
            yield where, f"{day} does not lie between {_EARLIEST} and {_LATEST}", None
    period = plan.period
    if ((period.ends - period.begins).days + 1) * len(plan.waves) > MOST_WAVE_DAYS:
        yield "waves", f"are too many: {MOST_WAVE_DAYS} days of waves are lived through at most", None
    yield from _backward_days(plan)


def _backward_days(plan: Plan) -> Iterator[_Wrong]:
    if not timedelta(0) <= plan.period.ends - plan.period.begins < timedelta(days=LONGEST_DAYS):
        yield "period", f"does not last one to {LONGEST_DAYS} days", None
    if not plan.phases.both <= plan.phases.new_only:
        yield "phases.new_only", "lies before phases.both", None
    if plan.holders.renewal_days >= plan.holders.days:
        yield "holders.renewal_days", "is not less than the days that a certificate lasts", None
    for name, life in plan.suites.items():
        if life.verify_until < max(life.sign_until, life.signs_lists_until):
            yield f"suites.{name}.verify_until", "lies before the last day that the suite signs", None
    for index, wave in enumerate(plan.waves):
        if (wave.begins is None) != (wave.ends is None):
            yield f"waves[{index}]", "`begins` and `ends` go together", None
        elif wave.begins is not None and wave.ends is not None and wave.ends < wave.begins:
            yield f"waves[{index}].ends", "lies before `begins`", None


def _days_in(value: Any, place: str) -> Iterator[tuple[str, date]]:
    """Every day in the plan, with its place."""
    if isinstance(value, date):
        yield place, value
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from _days_in(entry, f"{place}.{name}".removeprefix("."))
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            yield from _days_in(entry, f"{place}[{index}]")


def _wrong_crosses(plan: Plan, tables: Mapping[str, Authority]) -> Iterator[_Wrong]:
    for index, cross in enumerate(plan.crosses):
        if cross.until < cross.from_:
            yield f"crosses[{index}].until", "lies before `from`", "RFC 5280 4.1.2.5"
        for key, name in (("by", cross.by), ("for", cross.for_)):
            authority, _, generation = name.rpartition(".")
            if authority not in tables or generation not in set(Generation):
                problem = f"{name!r} is not a key: id.old or id.new of one of the authorities"
                yield f"crosses[{index}].{key}", problem, None
            elif generation == Generation.NEW and tables[authority].new is None:
                yield f"crosses[{index}].{key}", f"{authority} has no new key in this plan", None
            elif key == "by" and tables[authority].members:
                yield f"crosses[{index}].by", f"{authority} is several authorities", None
        if cross.by.rpartition(".")[0] == cross.for_.rpartition(".")[0]:
            yield f"crosses[{index}]", "one authority's keys are linked, not cross-certified", "RFC 4210 4.4"


def _wrong_parties(plan: Plan, tables: Mapping[str, Authority]) -> Iterator[_Wrong]:
    for index, party in enumerate(plan.relying_parties):
        where = f"relying_parties[{index}]"
        if party.anchor not in tables or tables[party.anchor].members:
            yield f"{where}.anchor", f"{party.anchor!r} is not one of the authorities", None
        for number, ability in enumerate(party.abilities):
            inside = f"{where}.abilities[{number}]"
            if (ability.from_ is None) != (number == 0):
                yield f"{inside}.from", "stands in every ability but the first", None
            before = party.abilities[number - 1].from_ if number > 1 else None
            if before is not None and ability.from_ is not None and ability.from_ <= before:
                yield f"{inside}.from", "does not lie after the ability before", None
            for suite in ability.suites:
                if suite not in plan.suites:
                    yield f"{inside}.suites", f"{suite!r} is not one of the plan's suites", None


def _wrong_waves(plan: Plan, ids: set[str], tables: Mapping[str, Authority]) -> Iterator[_Wrong]:
    seen: set[str] = set()
    issuing = {name for table in tables.values() if table.issues for name in table.ids}
    for index, wave in enumerate(plan.waves):
        where = f"waves[{index}]"
        if wave.authority not in ids:
            yield f"{where}.authority", f"{wave.authority!r} is not one of the authorities", None
        elif wave.authority not in issuing:
            yield f"{where}.authority", f"{wave.authority} does not certify holders", None
        for code in wave.municipalities:
            if not (re.fullmatch("[0-9]{6}", code) and code[5] == check_digit(code[:5])):
                yield f"{where}.municipalities", f"{code!r} is not a municipality code", "JIS X 0402"
            if code in seen:
                yield f"{where}.municipalities", f"{code} stands in another wave too", None
            seen.add(code)
