"""``kakehashi init``."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from bridge.crossing.edition import edition_text, read_edition
from ca.chance import SeededChance, SystemChance
from ca.clock import system_clock
from ca.errors import BadInput
from ca.journal.archive import archive_key
from ca.model import GenerationId
from ca.profiles.practice import AuthorityRole
from ca.store import authorities, lists
from ca.store.engine import SCHEMA
from front.assembly import World, open_world
from front.cli.common import Settings, command_options
from front.cli.progress import progress_bar
from front.databases import database_url, own_databases, upgrade_stores
from front.home import ClockSetting, Description, Home, TokenSetting
from front.making import make_home
from front.mirrors import mirror_of
from front.passphrase import passphrase
from front.vaults import open_vault

_SEEDED_START = datetime(2014, 9, 1, tzinfo=UTC)


@click.command()
@click.option(
    "--edition", default="japan-2014", show_default=True, help="A built-in edition, or a TOML file."
)
@click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="Base of every URL in certificates."
)
@click.option("--production", is_flag=True, help="Not a test world: production names and policies.")
@click.option(
    "--test-keys", is_flag=True, help="Public test keys and a fixed clock: a repeatable test world."
)
@click.option(
    "--token",
    metavar="MODULE",
    help="Make the keys in a PKCS#11 token, by its module; the passphrase is its PIN.",
)
@click.option("--token-label", metavar="LABEL", help="The label of the token.")
@click.option("--database", metavar="URL", help="The world's database, if not a file in the home.")
@click.option(
    "--authority-database", "databases", multiple=True, metavar="ID=URL",
    help="A database for one authority alone; may be given once an authority.",
)  # fmt: skip
@click.option(
    "--inbox", metavar="DIR", type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="A directory of feed files, which the worker watches.",
)  # fmt: skip
@click.option(
    "--journal-mirror", metavar="DIR", type=click.Path(path_type=Path),
    help="Keep journal and archive there a second time, best on another disk.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Which repeatable world.  [default: 1]")
@command_options
def init(  # noqa: PLR0913, PLR0917 - an option an argument
    settings: Settings,
    edition: str,
    url: str,
    production: bool,  # noqa: FBT001 - click calls by keyword
    test_keys: bool,  # noqa: FBT001
    seed: int | None,
    token: str | None,
    token_label: str | None,
    database: str | None,
    databases: tuple[str, ...],
    inbox: str | None,
    journal_mirror: Path | None,
) -> None:
    """Make the world that an edition describes; complete it if a making was interrupted.

    \b
    Examples:
      kakehashi init --edition japan-2014 --home world
      kakehashi init --home lab --clock 2014-09-01T00:00Z+60
      kakehashi init --home golden --test-keys --seed 7
      kakehashi init --home safe --token /usr/lib/softhsm/libsofthsm2.so --token-label nation
      kakehashi init --home big --database postgresql://kakehashi@db.example/nation --authority-database jpki-13=sqlite:///tokyo.db
    """
    wanted = msgspec.structs.replace(
        _description(settings, edition, url.rstrip("/"), production, test_keys, seed),
        token=_token(token, token_label, test_keys),
        database=None if database is None else database_url(database, "--database"),
        databases=own_databases(databases, "--authority-database"),
        inbox=inbox,
        journal_mirror=None if journal_mirror is None else mirror_of(Home(settings.home), journal_mirror),
    )
    if wanted.database or wanted.databases:
        # Repeatable worlds would take each other's databases for their own.
        wanted = msgspec.structs.replace(wanted, id=_home_id(None))
    with progress_bar(settings, "keys and certificates") as progress:
        made = make_home(
            settings.home,
            wanted,
            edition,
            lambda: _secret(settings, wanted),
            progress,
        )
    with open_world(settings.home, settings.passphrase) as world:
        if not settings.json:
            done = "made" if made else "is complete already; nothing was changed"
            settings.console().print(
                f"World {world.plan.name} ({world.plan.marking}) in {settings.home} {done}.\n"
            )
        settings.show(_summary(world))


@click.command()
@command_options
def upgrade(settings: Settings) -> None:
    """Bring the store of a home to this version's schema; nothing else may work in the home meanwhile.

    What a version from before the journal told of certificates has issued is written there and into the archive, which
    needs the home's passphrase.

    \b
    Example:
      kakehashi upgrade --home world
    """
    home = Home(settings.home)
    with home.locked(alone=True):
        description = home.require_complete()
        with ExitStack() as stack:

            def key() -> bytes:
                vault = open_vault(home, description, settings.passphrase)
                stack.callback(vault.close)
                return archive_key(vault.code_key())

            before = upgrade_stores(home, description, key)
    oldest = min(schema or "none" for schema in before)
    settings.tell({"home": str(settings.home), "schema_before": oldest, "schema": SCHEMA})


def _description(
    settings: Settings,
    edition: str,
    url: str,
    production: bool,  # noqa: FBT001
    test_keys: bool,  # noqa: FBT001
    seed: int | None,
) -> Description:
    if production and (test_keys or settings.clock is not None):
        raise BadInput("--production", "a production world has neither test keys nor a clock of its own")
    if seed is not None and not test_keys:
        raise BadInput("--seed", "is for worlds with --test-keys")
    if test_keys and seed is None:
        seed = 1
    clock = None
    if settings.clock is not None:
        start, speed = settings.clock
        clock = ClockSetting(start, system_clock(), speed)
    if test_keys:
        # A seeded world's time stands still, wherever and whenever it is made.
        start = _SEEDED_START if settings.clock is None else settings.clock[0]
        clock = ClockSetting(start, start, 0.0)
    place, octets = edition_text(edition)
    return Description(
        state="making",
        marking="production" if production else "test",
        edition=read_edition(octets, place).name,
        url=url,
        id=_home_id(seed),
        seed=seed,
        clock=clock,
    )


def _token(module: str | None, label: str | None, test_keys: bool) -> TokenSetting | None:  # noqa: FBT001
    if module is None and label is None:
        return None
    if module is None or label is None:
        raise BadInput("--token", "needs --token-label beside it, and the other way round")
    if test_keys:
        raise BadInput("--token", "public test keys do not lie in a token")
    # A name without a path is the loader's to find; a path has to hold wherever the home is used from.
    return TokenSetting(os.path.abspath(module) if os.sep in module else module, label)  # noqa: PTH100 - links stay


def _secret(settings: Settings, wanted: Description) -> str:
    if wanted.token is None:
        return passphrase(settings.passphrase_file, prompt="Passphrase of the home's keys", confirm=True)
    return passphrase(settings.passphrase_file, prompt=f"PIN of the token {wanted.token.label}")


def _home_id(seed: int | None) -> str:
    """What tells a new home from others; a repeatable world's is repeatable too."""
    chance = SystemChance() if seed is None else SeededChance(seed)
    return chance.octets("home id", 16).hex()


def _summary(world: World) -> list[dict[str, object]]:
    """A row for each role: how many authorities, certificates between them, responders, lists."""
    generations, crosses, services = [], [], []
    made: dict[GenerationId, int] = {}
    for store in world.stores.each():
        with store.reading() as connection:
            found = [record.id for record in authorities.all_generations(connection)]
            generations += found
            crosses += [certificate.generation for _, certificate in authorities.crosses(connection)]
            services += [record.certificate.generation for record in authorities.services(connection)]
            made |= {generation: len(lists.newest(connection, generation)) for generation in found}
    rows: list[dict[str, object]] = []
    for role in AuthorityRole:
        of_role = {item for item in generations if world.plan.practices[item.authority].role is role}
        if not of_role:
            continue
        rows.append(
            {
                "role": role.value,
                "authorities": len(of_role),
                "cross_certificates_issued": sum(item in of_role for item in crosses),
                "service_certificates": sum(item in of_role for item in services),
                "lists": sum(made[item] for item in of_role),
            }
        )
    return rows
