"""``kakehashi verifier``: the register of signature verifiers, and how often each asked."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from ca.clock import parse_moment, utc_text
from ca.errors import BadInput
from ca.store import officers, verifiers
from ca.store.verifiers import Verifier, VerifierId
from ca.wire.facts import CertificateFacts, read_certificate
from front.cli.common import Settings, command_options
from front.cli.verifying import read_certificate_file
from front.counting import bring_in, read_counts
from ocsp.admission import require_fit

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_TEXT_LIMIT = 200
_WIDE_SPACE = "\u3000"
_COLUMNS = ("verifier", "organisation", "purpose", "day", "outcome", "count")
_NAME = click.argument("name", metavar="ID")


@click.group()
def verifier() -> None:
    """Signature verifiers: who has notified, or was recognised, and may ask what was revoked.

    A verifier is known by its client certificate, one for each purpose. Whether anybody else may ask is the edition's
    word: status.access and status.list_access.
    """


@verifier.command()
@_NAME
@click.option("--organisation", required=True, help="Who verifies signatures, in Japanese or English.")
@click.option("--purpose", required=True, help="For what; another purpose is another verifier.")
@click.option("--contact", required=True, help="Whom to ask about it.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The client certificate, PEM or DER.",
)
@click.option("--from", "begins", metavar="MOMENT", help="From when on it may ask.  [default: now]")
@click.option(
    "--until", "ends", metavar="MOMENT", help="Until when.  [default: as long as the certificate is valid]"
)
@click.option("--officer", required=True, help="An operator of the centre, who registers it.")
@command_options
def add(
    settings: Settings,
    name: str,
    certificate: Path,
    begins: str | None,
    ends: str | None,
    officer: str,
    **texts: str,
) -> None:
    """Register a signature verifier for one purpose.

    \b
    Example:
      kakehashi verifier add e-tax --organisation 国税電子申告 --purpose 申告書の署名検証 \\
        --contact desk@e-tax.example --certificate e-tax.pem --officer ito --home world
    """
    if not _ID.fullmatch(name):
        raise BadInput(
            "verifier id", "is not 1 to 40 lower-case letters, digits, dots, hyphens and underscores"
        )
    for option, text in texts.items():
        _require_text(f"--{option}", text)
    facts = read_certificate(read_certificate_file(certificate), str(certificate))
    require_fit(facts, str(certificate))
    with settings.world() as world:
        at = world.clock()
        first, last = _period(facts, begins, ends, at)
        with world.stores.nation.writing() as connection:
            new = Verifier(
                id=VerifierId(name),
                organisation=texts["organisation"],
                purpose=texts["purpose"],
                contact=texts["contact"],
                certificate=facts.der,
                fingerprint=hashlib.sha256(facts.der).digest(),
                valid_from=first,
                valid_until=last,
                officer=officers.operator_of_centre(connection, officer).id,
                made_at=at,
            )
            verifiers.add(connection, new)
    settings.tell(_fields(new))


@verifier.command("list")
@command_options
def list_verifiers(settings: Settings) -> None:
    """Show every verifier that ever was registered.

    \b
    Example:
      kakehashi verifier list --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        rows = [_fields(found) for found in verifiers.everybody(connection)]
    shown = ("verifier", "organisation", "purpose", "valid_from", "valid_until", "ended_at")
    settings.show(rows if settings.json else [{key: row[key] for key in shown} for row in rows])


@verifier.command()
@_NAME
@command_options
def show(settings: Settings, name: str) -> None:
    """Show one verifier.

    \b
    Example:
      kakehashi verifier show e-tax --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        found = verifiers.find(connection, name)
    settings.tell(_fields(found))


@verifier.command()
@_NAME
@command_options
def end(settings: Settings, name: str) -> None:
    """Take a verifier off the register: from now on it gets no answer. Its counts stay.

    \b
    Example:
      kakehashi verifier end e-tax --home world
    """
    with settings.world() as world, world.stores.recording() as recording:
        at = world.clock()
        recording.note(verifiers.ending(recording.nation, name, at))
    settings.tell({"verifier": name, "ended_at": utc_text(at)})


@verifier.command()
@click.option(
    "--from",
    "files",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    metavar="FILE",
    help="First bring in what a responder's home has counted: a file, or the folder of them; again changes nothing.",
)
@click.option("--verifier", "name", metavar="ID", help="Only this one.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="From this day on (Japan's).")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="To this day, itself included."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for reports.")
@command_options
def count(
    settings: Settings,
    files: tuple[Path, ...],
    name: str | None,
    since: datetime | None,
    until: datetime | None,
    as_csv: bool,  # noqa: FBT001 - click calls by keyword
) -> None:
    """Show how often each verifier asked, by purpose, day (Japan's) and what came of it.

    \b
    Example:
      kakehashi verifier count --since 2014-09-01 --until 2014-09-30 --csv --home world
    """
    told = [(path, read_counts(path)) for path in files]
    with settings.world() as world:
        for path, counts in told:
            bring_in(world.stores.nation, counts, str(path))
        with world.stores.nation.reading() as connection:
            known = {found.id: found for found in verifiers.everybody(connection)}
            if name is not None:
                verifiers.find(connection, name)
            totals = verifiers.totals(connection, verifier=name, since=_day(since), until=_day(until))
    rows = [
        dict(zip(_COLUMNS, (who, known[who].organisation, known[who].purpose, str(day), *rest), strict=True))
        for who, day, *rest in totals
    ]
    if as_csv:
        click.echo(_csv(rows), nl=False)
    else:
        settings.show(rows)


def _period(
    facts: CertificateFacts, begins: str | None, ends: str | None, at: datetime
) -> tuple[datetime, datetime]:
    """From when until when a verifier may ask: never when its certificate is not valid."""
    now = at.replace(microsecond=0)
    first = max(now, facts.not_before) if begins is None else parse_moment(begins, "--from")
    last = facts.not_after if ends is None else parse_moment(ends, "--until")
    valid = f"{utc_text(facts.not_before)} to {utc_text(facts.not_after)}"
    if facts.not_after < now:
        raise BadInput(facts.place, f"is valid from {valid}: it has expired")
    if not facts.not_before <= first <= facts.not_after:
        raise BadInput("--from", f"is outside the certificate's own time, {valid}")
    if not first <= last <= facts.not_after:
        raise BadInput("--until", f"is before --from, or outside the certificate's own time, {valid}")
    return first, last


def _require_text(option: str, text: str) -> None:
    """Raise BadInput unless the text is a line of writing in any script."""
    if not 0 < len(text.strip()) <= len(text) <= _TEXT_LIMIT:
        raise BadInput(option, f"is not a text of 1 to {_TEXT_LIMIT} characters")
    if not all(character.isprintable() or character == _WIDE_SPACE for character in text):
        raise BadInput(option, "has characters that cannot be seen")


def _fields(found: Verifier) -> dict[str, Any]:
    return {
        "verifier": found.id,
        "organisation": found.organisation,
        "purpose": found.purpose,
        "contact": found.contact,
        "certificate": found.fingerprint.hex(),
        "valid_from": utc_text(found.valid_from),
        "valid_until": utc_text(found.valid_until),
        "officer": found.officer,
        "made_at": utc_text(found.made_at),
        "ended_at": None if found.ended_at is None else utc_text(found.ended_at),
    }


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS)  # RFC 4180, in UTF-8
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
