"""A home of responders alone, made from a whole one, for a machine that is to answer and can do nothing else.

It gets the responders' keys, the edition and the databases' URLs. No CA's key, no key of the residents' codes or of the
archive, no journal and nothing that is stored about anybody: what it needs to know it reads in the databases.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from bridge.crossing.edition import edition_text, read_edition
from ca.errors import BadInput, Conflict, HomeRefused, PassphraseRefused
from ca.keys.sealing import require_strength
from ca.keys.vault import KeyId, SealedVault, TestVault
from ca.store import responders
from front.assembly import PassphraseSource, World
from front.databases import urls
from front.home import Description, Home, storage_errors

ROLE: Final = "ocsp"


def export_responders(
    world: World,
    folder: Path,
    passphrase: PassphraseSource,
    *,
    database: str | None = None,
    databases: Mapping[str, str] | None = None,
) -> list[str]:
    """Make a home of responders alone; bring one up to date that was made from this world before.

    Args:
        world: The whole home.
        folder: Where the new one is to be.
        passphrase: Gives what the keys are wrapped under there; not asked if they lie in a token.
        database: The URL at which the responders find the nation's database, if not where it is seen from here.
        databases: The same for authorities that have databases of their own.

    Returns:
        The names of the keys that were handed over; those that lie in a token stay there.

    Raises:
        HomeRefused, Conflict: Something else is in the folder, or another world's responders.
        BadInput: A URL is for an authority without a database of its own.
        PassphraseRefused: Too short, not the one of the home that is there, or that of the world's own keys.
        KeyRefused: A responder's key is missing or damaged.
        StorageFailed: The disk refused; the same command completes the home.
    """
    wanted = _description(world, database, databases or {})
    target = Home(folder)
    _require_place(target, wanted)
    secret = "" if wanted.token is not None else _secret(world, passphrase)
    _, octets = edition_text(str(world.home.edition))
    table = read_edition(octets, str(world.home.edition)).municipalities
    with storage_errors(f"home {folder}"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / "home.lock").touch(mode=0o600)
    with target.locked(alone=True):
        target.write(wanted)
        target.place("edition.toml", octets)
        target.place(table, (world.home.folder / table).read_bytes())
        keys = _keys(world)
        if wanted.token is None:
            with closing(SealedVault.make(target.keys, secret)) as vault:
                for key in keys:
                    _source(world).hand_over(key, vault)
        target.write(msgspec.structs.replace(wanted, state="complete"))
    return list(keys)


def _description(world: World, database: str | None, databases: Mapping[str, str]) -> Description:
    there = world.description
    nation, own = urls(world.home, there)
    if strangers := sorted(databases.keys() - own.keys()):
        raise BadInput("--authority-database", f"{strangers[0]} has no database of its own in this home")
    return msgspec.structs.replace(
        there,
        state="making",
        role=ROLE,
        # Even keys that everybody knows are wrapped there, so that a responder's home is always opened in one way.
        seed=None,
        database=database or nation,
        databases={**own, **databases},
        journal_mirror=None,
        inbox=None,
    )


def _require_place(target: Home, wanted: Description) -> None:
    if not target.exists():
        target.require_room()
        return
    there = target.describe()
    if there.role is None:
        raise HomeRefused(f"home {target.folder}", "is a whole home already", remedy="Name another folder")
    if (there.id, there.url, there.edition) != (wanted.id, wanted.url, wanted.edition):
        raise Conflict(
            f"home {target.folder}", "has another world's responders", remedy="Name another folder"
        )


def _secret(world: World, source: PassphraseSource) -> str:
    secret = source()
    require_strength(secret)
    if secret == world.secret():
        raise PassphraseRefused(
            "passphrase",
            "opens the keys of the CAs too",
            remedy="Choose another one for the responders: their machine is to know nothing else",
        )
    return secret


def _keys(world: World) -> list[KeyId]:
    """The names of the responders' keys."""
    found: dict[KeyId, None] = {}
    for store in world.stores.each():
        with store.reading() as connection:
            found |= dict.fromkeys(KeyId(one.key) for one in responders.newest(connection))
    return list(found)


def _source(world: World) -> SealedVault | TestVault:
    vault = world.vault()
    assert isinstance(vault, SealedVault | TestVault), "only a token's keys cannot be handed over"
    return vault
