"""``kakehashi init``: a home, and in it the world that an edition describes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from bridge.crossing.edition import edition_text, municipalities_path, read_edition
from bridge.crossing.plan import Plan
from bridge.crossing.world import WorldMaker
from bridge.repository.contents import publish_certificates, publish_lists, publish_manifest
from bridge.repository.folder import Repository
from ca import suites
from ca.errors import BadInput, Conflict, StorageFailed
from ca.journal.archive import archive_key
from ca.keys import pool
from ca.keys.kinds import require_in_token
from ca.keys.probe import require_possible
from ca.keys.vault import KeyVault
from ca.suites import Use
from front.assembly import PassphraseSource, plan_of
from front.databases import make_stores, require_empty
from front.home import Description, Home, chance_of, clock_of, storage_errors
from front.vaults import make_vault, wanted_secret

Progress = Callable[[str, int], None]
"""Called once a step with what was done, and how many steps the whole has."""

# Certificates carry it for years: a host, perhaps a port, perhaps a path of plain words.
_URL = re.compile(
    r"http://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:(?P<port>[1-9][0-9]{0,4}))?"
    r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*"
)


def make_home(
    folder: Path, wanted: Description, edition: str, passphrase: PassphraseSource, progress: Progress
) -> bool:
    """Make a home and its world; complete it if a making was interrupted; leave it as it is if it is complete.

    Everything that can be refused (edition, URL, clock, passphrase) is refused before the first file is written.

    Returns:
        Whether there was anything to make.

    Raises:
        EditionRefused, BadInput, PassphraseRefused: What was handed in does not make a world.
        TokenFailed: The token that is to have the keys cannot be used.
        KeyRefused: Test keys or a token cannot serve the edition's suite, or this host does not allow it.
        SuiteRetired: The edition's suite may not sign at the moment of making.
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
    files = {parsed.municipalities: table, "edition.toml": octets}
    if _complete(home, wanted, files):
        return False
    if strangers := sorted(wanted.databases.keys() - plan.practices.keys()):
        raise BadInput("--authority-database", f"{strangers[0]} is not an authority of {plan.name}")
    _require_keys(plan, wanted)
    if not home.exists():
        require_empty(home, wanted)
    secret = wanted_secret(wanted, passphrase)
    with storage_errors(f"home {folder}"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / "home.lock").touch(mode=0o600)
    with home.locked(alone=True):
        # Another process may have made it while this one asked for the passphrase.
        if _complete(home, wanted, files):
            return False
        if not home.exists():
            home.write(wanted)
        for name, content in files.items():
            home.place(name, content)
        description = home.describe()
        try:
            with storage_errors(f"home {folder}"), closing(make_vault(home, description, secret)) as vault:
                _make_world(home, description, plan, vault, progress)
        except StorageFailed as error:
            remedy = "Mend the storage and run the same `kakehashi init` again to complete the home"
            raise StorageFailed(error.place, error.problem, remedy=remedy) from None
        home.write(msgspec.structs.replace(description, state="complete"))
    return True


def _require_keys(plan: Plan, wanted: Description) -> None:
    """Raise unless keys for every authority's suite can be had as they are wanted, and may sign now."""
    require_possible(plan.legacy)
    for practice in plan.practices.values():
        suites.require(practice.suite, Use.SIGN, clock_of(wanted, None)())
        if wanted.seed is not None:
            pool.require_fit(practice.suite)
        if wanted.token is not None:
            require_in_token(f"token {wanted.token.label}", practice.suite)


def _make_world(
    home: Home, description: Description, plan: Plan, vault: KeyVault, progress: Progress
) -> None:
    clock = clock_of(description, None)
    repository = Repository(home.repository)
    repository.sweep()
    stores = make_stores(home, description, lambda: archive_key(vault.code_key()))
    steps = 3 * len(plan.practices) + len(plan.crosses) // 2 + 1
    try:
        stores.journal.begin()
        maker = WorldMaker(
            plan, stores, vault, chance_of(description), clock(), lambda what: progress(what, steps)
        )
        issuers = maker.make()
        for record in stores.generations():
            publish_lists(issuers, record.id, repository, at=clock())
            progress(f"lists of {record.id}", steps)
        publish_certificates(stores, repository)
        publish_manifest(issuers, plan, repository, at=clock())
        progress("manifest", steps)
    finally:
        stores.close()


def _check_url(url: str) -> None:
    """Raise BadInput unless the URL is one that certificates can carry for years: plain http, no extras."""
    match = _URL.fullmatch(url)
    if match is None or int(match["port"] or 80) >= 1 << 16:
        raise BadInput(
            "--url",
            f"{url!r} is not a plain http URL: a host, perhaps a port and a path",
            clause="RFC 5280 8: status behind https would need status itself",
        )
    if len(url) > 120:
        raise BadInput("--url", "is longer than 120 characters")


def _complete(home: Home, wanted: Description, files: Mapping[str, bytes]) -> bool:
    """Whether the home is complete already.

    Raises:
        Conflict: It was begun with another edition, marking, URL, seed or clock.
        HomeRefused: Something else is there.
    """
    if not home.exists():
        home.require_room()
        return False
    there = home.describe()
    for name, value in _made_with(wanted).items():
        if (old := _made_with(there)[name]) != value:
            raise Conflict(
                f"home {home.folder}",
                f"was made with {name} {old}, not {value}",
                remedy="A world keeps what it was made with; make another home",
            )
    for name, content in files.items():
        path = home.folder / name
        if path.is_file() and path.read_bytes() != content:
            raise Conflict(
                f"home {home.folder}",
                f"was made from another text of {name}",
                remedy="Make another home, or hand in the edition as it was",
            )
    return there.state == "complete"


def _made_with(description: Description) -> dict[str, str]:
    # Where the machine's clock stood (the epoch) differs each time and is the first making's.
    clock, token = description.clock, description.token
    return {
        "marking": description.marking,
        "edition": description.edition,
        "URL": description.url,
        "seed": "none" if description.seed is None else str(description.seed),
        "token": "none" if token is None else f"{token.label} of {token.module}",
        "database": description.database or "store.db",
        "databases": " ".join(f"{name}={url}" for name, url in sorted(description.databases.items()))
        or "none",
        "clock": "none" if clock is None else f"{clock.start:%Y-%m-%dT%H:%M:%SZ}+{clock.speed:g}",
    }
