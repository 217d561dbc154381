"""``kakehashi inventory``: what is signed with what, for which keys, ending when, and used by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ca.clock import parse_moment, utc_text
from ca.errors import BadInput
from ca.store import inventory as counting
from ca.store import uses
from ca.store.inventory import Group, Keys, Stand
from ca.suites import suite as suite_called
from front.cli.common import Settings, command_options
from front.home import storage_errors
from front.inventory_picture import draw

_TITLES = {
    "certificates": "Certificates of this home",
    "lists": "Lists, each signed by its generation's own key",
    "crosses": "Cross-certificates and links of this home",
    "received": "What other CAs have signed",
    "used_by": "Used by",
    "verifiers": f"Verifiers on the register, and how often they asked any responder within {uses.ASKED_WITHIN.days} days",
}
_COLUMNS = ("authority", "generation", "suite", "kind", "key", "ends")


@click.command()
@click.option("--ending-before", metavar="MOMENT", help="Only what ends before this moment.")
@click.option("--suite", metavar="ID", help="Only what is signed with this suite, such as sha256-rsa2048.")
@click.option(
    "--by",
    metavar="COLUMNS",
    help=f"Count certificates by these columns alone.  [default: {','.join(_COLUMNS)}]",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Read no holder's certificate: of their keys only the rule is told by which they are certified now.",
)
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw how many certificates are live in each year, by suite.",
)
@command_options
def inventory(
    settings: Settings,
    ending_before: str | None,
    suite: str | None,
    by: str | None,
    quick: bool,  # noqa: FBT001 - click calls by keyword
    svg: Path | None,
) -> None:
    """Show what is signed with what, for which keys, ending in which year, and who uses it.

    A row counts certificates that have all its columns in common, by how they stand: live, on hold, revoked (whether their
    time is over too or not), expired, or intended and not signed yet. Years are Japan's. An authority has a suite for each
    of its keys (generations); which keys the certificates are for is read from each of them.

    \b
    Examples:
      kakehashi inventory --home world
      kakehashi inventory --suite sha256-rsa2048 --by authority,kind,key --svg live.svg --home world
    """
    columns = _columns(by)
    before = None if ending_before is None else parse_moment(ending_before, "--ending-before")
    wanted = None if suite is None else suite_called(suite, "--suite").id
    with settings.world() as world:
        at, practices = world.clock(), world.plan.practices
        keys = Keys.RULE if quick else Keys.READ
        with world.stores.reading() as reading:
            groups = counting.groups(reading, practices, at, keys=keys, before=before)
            found = [one for one in groups if wanted in {None, one.suite}]
            lists = counting.all_lists(reading)
            crosses = counting.crosses(reading, at)
            received = uses.received(reading)
            users = uses.users(reading, practices, found, at)
            askers = uses.askers(reading, at)
        if svg is not None:
            with storage_errors(f"--svg {svg}"):
                svg.write_text(draw(found, world.plan.name, at), encoding="utf-8")
    parts = {
        "certificates": _certificates(found, columns),
        "lists": [_list(one) for one in lists if wanted in {None, one.suite}],
        "crosses": [
            _cross(one) for one in crosses if wanted in {None, one.suite} and _ends(one.not_after, before)
        ],
        "received": [
            _received(one)
            for one in received
            if wanted in {None, one.signed} and _ends(one.not_after, before)
        ],
        "used_by": [_users(one) for one in users if wanted in {None, one.suite}],
        "verifiers": [_asker(one) for one in askers],
    }
    if settings.json:
        settings.tell({"at": utc_text(at), "keys": keys.value, **parts})
        return
    for name, rows in parts.items():
        if rows:
            settings.show(rows, f"\n{_TITLES[name]}")


def _columns(by: str | None) -> tuple[str, ...]:
    """The columns asked for, in the order in which they stand."""
    if by is None:
        return _COLUMNS
    asked = by.split(",")
    for name in asked:
        if name not in _COLUMNS:
            raise BadInput("--by", f"{name!r} is no column", remedy=f"Some of: {','.join(_COLUMNS)}")
    return tuple(name for name in _COLUMNS if name in asked)


def _ends(moment: datetime, before: datetime | None) -> bool:
    return before is None or moment < before


def _certificates(groups: Sequence[Group], columns: Sequence[str]) -> list[dict[str, Any]]:
    """A row for what has these columns in common."""
    counted: dict[tuple[Any, ...], Counter[Stand]] = {}
    for group in groups:
        facts = {
            "authority": group.generation.authority,
            "generation": str(group.generation),
            "suite": group.suite,
            "kind": group.kind.value,
            "key": group.key,
            "ends": group.ends,
        }
        counted.setdefault(tuple(facts[name] for name in columns), Counter())[group.stand] += group.count
    return [
        dict(zip(columns, row, strict=True)) | {stand.name.lower(): stands[stand] for stand in Stand}
        for row, stands in sorted(counted.items())
    ]


def _list(one: counting.Lists) -> dict[str, Any]:
    return {
        "generation": str(one.generation),
        "suite": one.suite,
        "lists": one.places,
        "made": one.made,
        "entries": one.entries,
        "first_due": None if one.next_update is None else utc_text(one.next_update),
    }


def _cross(one: counting.Cross) -> dict[str, Any]:
    issuer = one.certificate.generation
    return {
        "issuer": str(issuer),
        "subject": str(one.subject),
        "kind": "link" if issuer.authority == one.subject.authority else "cross",
        "suite": one.suite,
        "ends": utc_text(one.not_after),
        "stand": one.stand.value,
    }


def _received(one: uses.Received) -> dict[str, Any]:
    return {
        "issuer": str(one.issuer),
        "subject": str(one.subject),
        "signed": one.signed,
        "key": one.key,
        "ends": utc_text(one.not_after),
        "stand": "ended" if one.ended else "shown",
    }


def _users(one: uses.Users) -> dict[str, Any]:
    return {
        "generation": str(one.generation),
        "suite": one.suite,
        "holders": _words(f"{count} {kind.value}" for kind, count in one.holders.items()),
        "certifies": _words(map(str, one.certifies)),
        "agreements": _words(one.agreements),
        "status": None if one.status is None else one.status.value,
        "verifiers": _words(one.verifiers),
    }


def _asker(one: uses.Asker) -> dict[str, Any]:
    return {
        "verifier": one.verifier,
        "purpose": one.purpose,
        "key": one.key,
        "valid_until": utc_text(one.valid_until),
        "asked": one.asked,
    }


def _words(found: Iterable[str]) -> str:
    return ", ".join(found)
