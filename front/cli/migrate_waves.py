"""``kakehashi migrate wave`` and ``hand-over``: holders come for certificates by the new key."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

import click
from sqlalchemy import Connection

from bridge.crossing.reports import write_whole
from bridge.migrating.plan import Generation
from bridge.migrating.reading import plan_file
from bridge.migrating.running.matching import require_its_own
from bridge.migrating.running.reissue import Called, call_in, hand_over
from bridge.migrating.running.standing import KeyName, read_standing
from ca.errors import KakehashiError, NotFound, NotPermitted
from ca.model import (
    AuthorityId,
    CertificateId,
    CertificateKind,
    MunicipalityCode,
    OfficeId,
    OfficeKind,
    Officer,
)
from ca.rules.validity import japanese_day
from ca.store import deeds, officers
from front.cli.common import Settings, command_options
from front.cli.migrate_run import PLAN, require_known

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@PLAN
@click.option("--authority", required=True, metavar="ID", help="Whose holders.")
@click.option("--day", type=_DAY, required=True, help="The day on which the calling in begins.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE",
    help="Where the list goes, as CSV.",
)  # fmt: skip
@click.option(
    "--officer", required=True, help="Of the centre, or of the one window whose holders are called in."
)
@command_options
def wave(settings: Settings, plan: Path, authority: str, day: datetime, out: Path, officer: str) -> None:
    """List whom the waves of an AUTHORITY call in from a day on: as many as the windows serve to their end.

    A row a holder, whose certificate ends first, first. No name stands in it: the municipality knows its holders by their
    certificates, and the card factory hands the new requests in as a `kakehashi batch`. The record of deeds says who took it.

    \b
    Example:
      kakehashi migrate wave plan.toml --authority jpki-13 --day 2031-01-06 --out called.csv --officer ito --home world
    """
    values, digest = plan_file(plan)
    with settings.world() as world:
        at = world.clock()
        with world.stores.reading() as reading:
            standing = read_standing(reading, world.plan, values, digest, at)
            require_known(values, standing.keys)
            mine = [one for one in values.waves if one.authority == authority and one.begins is not None]
            if not mine:
                raise NotFound(f"plan, wave of {authority!r}", "calls nobody in")
            name = AuthorityId(authority)
            old, new = (standing.keys[KeyName(name, one)] for one in Generation)
            today = [one for one in mine if one.begins and one.ends and one.begins <= day.date() <= one.ends]
            called = [
                found
                for one in today or mine[:1]
                for found in call_in(reading, world.plan, values, one, (old, new), day.date(), at)
            ]
        with world.stores.nation.writing() as connection:
            who = _who_calls_in(connection, officer, {one.municipality for one in called})
            about = f"wave {authority} {day:%Y-%m-%d}"
            deeds.note(connection, deeds.Deed.EXPORTED, who=who, about=about, at=at)
            write_whole(out, _table(called))
    settings.tell({"called": len(called), "old": str(old), "new": str(new), "out": str(out)})


def _who_calls_in(connection: Connection, wanted: str, towns: Iterable[MunicipalityCode]) -> Officer:
    """The officer of this id, of the centre or of the one window that is called for; NotFound, or NotPermitted."""
    who, office = officers.officer(connection, wanted)
    if office.kind is not OfficeKind.CENTRE and any(OfficeId(town) != office.id for town in towns):
        raise NotPermitted(
            f"officer {who.id}",
            "is of neither the centre nor the one window whose holders are called in",
            remedy="An officer of the centre takes the list, and gives each window its own rows",
        )
    return who


_KINDS = (CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION)


def _table(called: Sequence[Called]) -> bytes:
    lines: list[str] = []

    class Lines:
        write: Callable[[str], None] = staticmethod(lines.append)

    writer = csv.writer(Lines())
    writer.writerow(["number", "municipality", "ends", *(kind.value.replace("-", "_") for kind in _KINDS)])
    for number, one in enumerate(called, 1):
        ids = [str(one.certificates[kind]) if kind in one.certificates else "" for kind in _KINDS]
        writer.writerow([number, one.municipality, japanese_day(one.ends).isoformat(), *ids])
    return "".join(lines).encode()


@click.command("hand-over")
@PLAN
@click.argument("certificates", nargs=-1, required=True)
@click.option("--officer", required=True, help="Who receives applications at the holders' window.")
@command_options
def hand_over_(settings: Settings, plan: Path, certificates: tuple[str, ...], officer: str) -> None:
    """Certificates of a batch were handed over: what each follows ends as superseded, and its lists are published.

    CERTIFICATES are the new ones' ids, by the plan's new key, as the batch's results.csv has them.

    \b
    Example:
      kakehashi migrate hand-over plan.toml jpki-13.g2:5f01 --officer sato --home world
    """
    values, digest = plan_file(plan)
    handed = [CertificateId.parse(one) for one in certificates]
    with settings.world() as world:
        at = world.clock()
        with world.stores.reading() as reading:
            standing = read_standing(reading, world.plan, values, digest, at)
            require_its_own(reading, world.plan, values, standing, japanese_day(at))
        pairs = {
            one.authority: (standing.keys[KeyName(one.authority, Generation.OLD)], generation)
            for one, generation in standing.keys.items()
            if one.generation is Generation.NEW
        }
        done = hand_over(world.stores, handed, officer, f"{values.name} sha256:{digest}", pairs, at=at)
        failure: KakehashiError | None = None
        try:
            world.publish_changes()
        except KakehashiError as error:
            failure = error
    settings.show(
        [
            {"certificate": str(one.certificate), "superseded": ", ".join(map(str, one.ended)) or None}
            for one in done
        ]
    )
    if failure is not None:
        click.echo(f"handed over, and not published yet: {failure}", err=True)
        sys.exit(1)
