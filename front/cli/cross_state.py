"""``kakehashi cross list``, ``impact`` and ``calendar``: how pairs stand, what their end would do, and what ends when."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from bridge.crossing.agreement import Terms, read_agreement
from bridge.crossing.calendar import calendar, icalendar
from bridge.crossing.impact import Impact, impact_of, of_pair
from bridge.crossing.pairs import Half, all_halves, live, newest
from bridge.crossing.plan import Plan
from ca.clock import parse_moment, utc_text
from ca.errors import BadInput
from ca.model import AuthorityId
from ca.profiles.extensions import Subtree
from ca.store import agreements, peers
from ca.store.agreements import AgreementRecord
from front.assembly import World
from front.cli.common import Settings, command_options

FIRST = click.argument("first")
SECOND = click.argument("second")
_WIDE = {"certificate", "name", "valid_from", "title", "organisation", "keys", "map", "certify", "receive"}
ISSUED_BY = click.option(
    "--issued-by", metavar="ID", help="Only the half that this one of the two has issued."
)


@click.command("list")
@click.option("--agreements", "only", flag_value="agreements", help="Only the agreements.")
@click.option("--peers", "only", flag_value="peers", help="Only the keys of other CAs.")
@click.option("--all", "everything", is_flag=True, help="Also halves that were renewed, or have ended.")
@command_options
def list_crosses(
    settings: Settings,
    only: str | None,
    everything: bool,  # noqa: FBT001 - click calls by keyword
) -> None:
    """Show every pair as it stands, half by half; or the agreements, or the keys of other CAs.

    \b
    Example:
      kakehashi cross list --home world
    """
    with settings.world() as world:
        rows = (
            {"agreements": _agreements, "peers": _peers}[only](world) if only else _halves(world, everything)
        )
    settings.show(rows if settings.json else [_short(row) for row in rows])


@click.command()
@FIRST
@SECOND
@ISSUED_BY
@command_options
def impact(settings: Settings, first: str, second: str, issued_by: str | None) -> None:
    """Show whom the end of a pair would cut off: keys, paths, holders' certificates by kind, and verifiers.

    FIRST and SECOND are the two authorities, of this home or another CA. Holders are counted by certificates that are
    issued and in use. `coming` tells what lost keys are about to issue (applications approved, certificates intended),
    `planned` what is on its way of the pair itself; neither is counted.

    \b
    Example:
      kakehashi cross impact jpki-bridge jpki-13 --home world
    """
    with settings.world() as world:
        at = world.clock()
        with world.stores.reading() as reading:
            ending = of_pair(
                reading, AuthorityId(first), AuthorityId(second), at, issued_by=_issuer(issued_by)
            )
            found = impact_of(reading, world.plan, ending, at)
    settings.tell(impact_fields(found))


@click.command("calendar")
@click.option("--until", metavar="MOMENT", help="Only what ends up to then.")
@click.option("--days", type=click.IntRange(1, 36_525), help="Only what ends within so many days.")
@click.option(
    "--ics", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write it as an iCalendar file too, an event for each end.",
)  # fmt: skip
@command_options
def calendar_(settings: Settings, until: str | None, days: int | None, ics: Path | None) -> None:
    """Show what ends when: cross-certificates, self-signed certificates, agreements, responders' certificates.

    \b
    Example:
      kakehashi cross calendar --days 90 --ics ends.ics --home world
    """
    if until is not None and days is not None:
        raise BadInput("--days", "cannot be given beside --until")
    with settings.world() as world:
        at = world.clock()
        last = None if until is None else parse_moment(until, "--until")
        if days is not None:
            last = at + timedelta(days=days)
        with world.stores.reading() as reading:
            found = calendar(reading, at, last)
        if ics is not None:
            try:
                ics.write_bytes(icalendar(found, world.plan.name, at))
            except OSError as error:
                raise BadInput("--ics", f"{str(ics)!r} cannot be written: {error.strerror}") from None
    rows = [
        {"ends": utc_text(one.at), "what": one.what, "concerns": one.between, "name": one.name}
        for one in found
    ]
    settings.show(rows if settings.json else [_short(row) for row in rows])


def impact_fields(found: Impact) -> dict[str, Any]:
    """What the end of a pair would do, for people and machines."""
    return {
        "ending": [f"{half.certificate} for {half.subject}" for half in found.ending],
        "lost": [
            f"{one.generation} from {one.anchor} ({' > '.join(map(str, one.path))})" for one in found.lost
        ],
        "holders": [
            f"{generation}: {count} {kind.value}"
            for generation, kinds in found.holders.items()
            for kind, count in kinds.items()
        ],
        "verifiers": list(found.verifiers),
        "other_CAs": list(found.peers),
        "stranded": found.stranded,
        "coming": [f"{one.generation}: {one.count} {one.kind.value}, {one.state}" for one in found.coming],
        "planned": list(found.planned),
        "counted": "certificates that are issued and in use; coming and planned are not counted",
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """What a table has room for; ``--json`` tells all."""
    return {name: value for name, value in row.items() if name not in _WIDE}


def _issuer(issued_by: str | None) -> AuthorityId | None:
    return None if issued_by is None else AuthorityId(issued_by)


def _halves(world: World, everything: bool) -> list[dict[str, Any]]:  # noqa: FBT001
    at = world.clock()
    with world.stores.reading() as reading:
        found = all_halves(reading)
    standing = {half.certificate for half in live(newest(found, at), at)}
    return [
        _half(half, half.certificate in standing, world)
        for half in found
        if everything or half.certificate in standing
    ]


def _half(half: Half, current: bool, world: World) -> dict[str, Any]:  # noqa: FBT001
    at = world.clock()
    state = half.state(at)
    return {
        "issuer": str(half.issuer),
        "subject": str(half.subject),
        "kind": "link" if half.is_link else "received" if half.received else "issued",
        "valid_from": utc_text(half.period.not_before),
        "valid_until": utc_text(half.period.not_after),
        "state": state if current or state != "live" else "renewed",
        "certificate": str(half.certificate),
    }


def _agreements(world: World) -> list[dict[str, Any]]:
    with world.stores.nation.reading() as connection:
        known = agreements.everything(connection)
        examined = agreements.all_examinations(connection)
    return [
        {
            "agreement": one.id,
            "ours": one.ours,
            "peer": one.peer,
            "from": utc_text(one.begins),
            "to": utc_text(one.ends),
            "ended_at": None if one.ended_at is None else utc_text(one.ended_at),
            "examined": sum(it.agreement == one.id for it in examined),
            "accepted": sum(it.agreement == one.id and it.accepted_at is not None for it in examined),
            "officer": one.officer,
            **agreed_fields(one, world.plan),
        }
        for one in known
    ]


def agreed_fields(record: AgreementRecord, plan: Plan) -> dict[str, Any]:
    """What an agreement says, as its file has it."""
    agreement = read_agreement(record.text, f"agreement {record.id}", plan)
    return {
        "title": agreement.title,
        "organisation": agreement.organisation,
        "contact": agreement.contact,
        "name": str(agreement.name),
        "keys": sorted(key.hex() for key in agreement.keys),
        "map": [f"{ours} = {theirs}" for ours, theirs in agreement.certify.mappings.pairs],
        "certify": _terms(agreement.certify),
        "receive": _terms(agreement.receive),
    }


def _terms(terms: Terms) -> dict[str, Any]:
    names = terms.constraints
    return {
        "path_length": terms.path_length,
        "maximum_days": terms.maximum_days,
        "permitted": [] if names is None else [_subtree(one) for one in names.permitted],
        "excluded": [] if names is None else [_subtree(one) for one in names.excluded],
    }


def _subtree(one: Subtree) -> str:
    return f"{one[0]}: {one[1]}" if isinstance(one, tuple) else f"directory: {one}"


def _peers(world: World) -> list[dict[str, Any]]:
    with world.stores.nation.reading() as connection:
        known = peers.all_generations(connection)
    return [
        {
            "peer": str(one.generation),
            "key_identifier": one.key_identifier.hex(),
            "self_signed": "given" if one.self_signed is not None else None,
        }
        for one in known
    ]
