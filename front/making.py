"""``kakehashi init``: a home, and in it the world that an edition describes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bridge.crossing.edition import edition_text, municipalities_path, read_edition
from bridge.crossing.plan import Plan
from bridge.crossing.world import WorldMaker
from bridge.repository.contents import publish_certificates, publish_lists, publish_manifest
from bridge.repository.folder import Repository
from ca.errors import BadInput, Conflict, HomeRefused
from ca.keys.sealing import require_strength
from ca.keys.vault import KeyVault, SealedVault, TestVault
from ca.store import authorities
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from front.assembly import PassphraseSource, chance_of, plan_of
from front.home import Description, Home, clock_of, storage_errors

Progress = Callable[[str, int], None]
"""Called once a step with what was done, and how many steps the whole has."""


def make_home(
    folder: Path, wanted: Description, edition: str, passphrase: PassphraseSource, progress: Progress
) -> bool:
    """Make a home and its world; complete it if a making was interrupted; leave it as it is if it is complete.

    Everything that can be refused (edition, URL, passphrase) is refused before the first file is written.

    Returns:
        Whether there was anything to make.

    Raises:
        EditionRefused, BadInput, PassphraseRefused: What was handed in does not make a world.
        Conflict: The home exists and was made otherwise.
        HomeBusy: Another process works in the home.
        StorageFailed: The disk refused; the home is half made and the same command completes it.
    """
    _check_url(wanted.url)
    home = Home(folder)
    place, octets = edition_text(edition)
    parsed = read_edition(octets, place)
    table = municipalities_path(parsed, place).read_bytes()
    plan = plan_of(edition, wanted)
    if home.exists():
        _require_same(home, wanted, octets)
        if home.describe().state == "complete":
            return False
    elif folder.exists() and any(entry.name != "home.lock" for entry in folder.iterdir()):
        raise HomeRefused(f"home {folder}", "is a directory with other things in it")
    secret = ""
    if wanted.seed is None:
        secret = passphrase()
        require_strength(secret)
    with storage_errors(f"home {folder}"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "home.lock").touch(mode=0o600)
    with home.locked(alone=True):
        if not home.exists():
            home.write(wanted)
        home.place(parsed.municipalities, table)
        home.place("edition.toml", octets)
        description = home.describe()
        vault: KeyVault = (
            SealedVault.make(home.keys, secret)
            if description.seed is None
            else TestVault.make(home.keys, description.seed)
        )
        _make_world(home, description, plan, vault, progress)
        home.write(msgspec.structs.replace(description, state="complete"))
    return True


def _make_world(
    home: Home, description: Description, plan: Plan, vault: KeyVault, progress: Progress
) -> None:
    clock = clock_of(description, None)
    repository = Repository(home.repository)
    store = Store.open(sqlite_url(home.store))
    steps = 3 * len(plan.practices) + len(plan.crosses) // 2 + 1
    try:
        migrate(store)
        maker = WorldMaker(
            plan, store, vault, chance_of(description), clock(), lambda what: progress(what, steps)
        )
        issuers = maker.make()
        publish_certificates(store, repository)
        with store.reading() as connection:
            generations = [record.id for record in authorities.all_generations(connection)]
        for generation in generations:
            publish_lists(store, issuers, generation, repository, at=clock())
            progress(f"lists of {generation}", steps)
        publish_manifest(store, issuers, plan, repository, at=clock())
        progress("manifest", steps)
    finally:
        store.close()


def _check_url(url: str) -> None:
    """Raise BadInput unless the URL is one that certificates can carry for years: plain http, no extras."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.netloc or parts.query or parts.fragment or not url.isascii():
        raise BadInput(
            "--url",
            f"{url!r} is not a plain http URL",
            clause="RFC 5280 8: status behind https would need status itself",
        )
    if len(url) > 120:
        raise BadInput("--url", "is longer than 120 characters")


def _require_same(home: Home, wanted: Description, edition: bytes) -> None:
    """Raise Conflict if the home was begun with another edition, marking, URL, seed or clock."""
    there = home.describe()
    for name in ("marking", "edition", "url", "seed"):
        if getattr(there, name) != getattr(wanted, name):
            raise Conflict(
                f"home {home.folder}",
                f"was made with {name} {getattr(there, name)}, not {getattr(wanted, name)}",
                remedy="A world keeps what it was made with; make another home",
            )
    if home.edition.is_file() and home.edition.read_bytes() != edition:
        raise Conflict(
            f"home {home.folder}",
            "was made from another text of this edition",
            remedy="Make another home, or hand in the edition as it was",
        )
