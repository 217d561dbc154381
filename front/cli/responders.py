"""``kakehashi responder``."""

from __future__ import annotations

from pathlib import Path

import click

from ca.errors import BadInput
from ca.store import responders
from front.cli.common import Settings, command_options
from front.databases import database_url, own_databases
from front.exporting import export_responders
from front.passphrase import another_passphrase

_DAY = 86_400


@click.group()
def responder() -> None:
    """Those who answer whether a certificate was revoked (OCSP)."""


@responder.command("list")
@command_options
def list_(settings: Settings) -> None:
    """Every responder with its newest certificate, and for how many days it has one. Opens no keys.

    \b
    Example:
      kakehashi responder list --home world
    """
    rows: list[dict[str, object]] = []
    with settings.world() as world:
        now = world.clock()
        for store in world.stores.each():
            with store.reading() as connection:
                found = responders.newest(connection)
            rows += [
                {
                    "generation": str(one.generation),
                    "kind": one.kind.value,
                    "certificate": str(one.certificate),
                    "state": "revoked" if one.ended else one.state.value,
                    "not_after": one.period.not_after.isoformat(),
                    "days": round((one.period.not_after - now).total_seconds() / _DAY, 1),
                    "certificates": one.number,
                    "key": one.key,
                }
                for one in found
            ]
    settings.show(sorted(rows, key=lambda row: str(row["generation"])), "Responders")


@responder.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--database", metavar="URL", help="Where the responders find the world's database: a copy of it, say."
)
@click.option(
    "--authority-database", "databases", multiple=True, metavar="ID=URL",
    help="The same for an authority with a database of its own; may be given once an authority.",
)  # fmt: skip
@click.option(
    "--new-passphrase-file", type=click.Path(path_type=Path), metavar="FILE",
    help="A file whose first line is the passphrase of the new home's keys; asked for if not given.",
)  # fmt: skip
@command_options
def export(
    settings: Settings,
    folder: Path,
    database: str | None,
    databases: tuple[str, ...],
    new_passphrase_file: Path | None,
) -> None:
    """Make a home of responders alone, for another machine: their keys, the edition, and where the databases are.

    The keys are wrapped under a passphrase of its own; in a token they stay where they are. Run again, it brings the
    new home up to date.

    \b
    Example:
      kakehashi responder export answers --database postgresql://responder@replica-1.example/nation --home world
    """
    with settings.world() as world:
        if world.description.token is not None and new_passphrase_file is not None:
            raise BadInput(
                "--new-passphrase-file",
                "is for keys in files, and this home's lie in a token",
                remedy="Leave it out; `kakehashi serve --role ocsp` takes the token's PIN",
            )
        keys = export_responders(
            world,
            folder,
            lambda: another_passphrase(
                new_passphrase_file, "--new-passphrase-file", prompt="Passphrase of the responders' keys"
            ),
            database=None if database is None else database_url(database, "--database"),
            databases=own_databases(databases, "--authority-database"),
        )
        where = "wrapped anew" if world.description.token is None else "in the token"
    settings.tell({"home": str(folder), "role": "ocsp", "responders": len(keys), "keys": where})
