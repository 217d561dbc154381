"""Homes to measure in: made by the command itself, with keys of their own, of an edition with one prefecture."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ca.issuing.issuer import Issuer, Issuers
from ca.model import AuthorityId
from ca.suites import P256_KEYS, SHA256_P256, SHA256_RSA2048, KeyFamily, Suite
from front.assembly import World, open_world
from tests import commands
from tests.small_edition import JAPAN_2014, replaced

PASSPHRASE = "a bench keeps no secrets"  # noqa: S105 - nor do its homes
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KAKEHASHI_")} | {
    "KAKEHASHI_PASSPHRASE": PASSPHRASE
}
"""For the command in a process of its own."""

APPROVER, OPERATOR = "tanaka", "ito"
PREFECTURE = AuthorityId("jpki-31")
SUITES = {KeyFamily.RSA: SHA256_RSA2048, KeyFamily.EC: SHA256_P256}


def edition_text(suite: Suite = SHA256_RSA2048, prefectures: Sequence[str] = ("31",)) -> str:
    """Edition japan-2014 for some prefectures, Tottori alone without any, under this suite."""
    text = JAPAN_2014.read_text(encoding="utf-8")
    text = replaced(text, r"(?s)codes = \[.*?\n\]", f"codes = {json.dumps(prefectures)}")
    text = replaced(text, r"nation = true", "nation = false")
    text = replaced(text, r'name = "japan-2014"', 'name = "bench"')
    # A feed of 100,000 events in a minute is no usual day, nor is a publisher that falls behind it.
    text += "\n[lists]\nusual_changes = 1_000_000\n"
    return replaced(text, re.escape(SHA256_RSA2048.id), suite.id)


def make_home(
    folder: Path,
    *,
    family: KeyFamily = KeyFamily.RSA,
    database: str | None = None,
    prefectures: Sequence[str] = ("31",),
) -> Path:
    """A home in this folder, with the two officers that a batch needs."""
    folder.mkdir(parents=True, exist_ok=True)
    edition = folder / "bench.toml"
    edition.write_text(edition_text(SUITES[family], prefectures), encoding="utf-8")
    home = folder / "home"
    where = () if database is None else ("--database", database)
    kakehashi("init", "--edition", edition, "--home", home, *where)
    for officer, role in ((APPROVER, "approver"), (OPERATOR, "operator")):
        kakehashi("officer", "add", officer, "--office", "centre", "--role", role, "--home", home)
    return home


def kakehashi(*arguments: object) -> None:
    """Run the command in this process; it must succeed."""
    commands.done(commands.run(*arguments, KAKEHASHI_PASSPHRASE=PASSPHRASE))


@dataclass(frozen=True)
class Opened:
    """A home with the engines that issue."""

    world: World
    issuers: Issuers

    @property
    def issuer(self) -> Issuer:
        """The prefecture's."""
        return self.issuers.issuing(PREFECTURE)


@contextmanager
def opened(home: Path, family: KeyFamily = KeyFamily.RSA) -> Iterator[Opened]:
    """Work in a home. With elliptic curves the holders' keys are of them too, which no edition says yet."""
    with open_world(home, lambda: PASSPHRASE) as world:
        practices = dict(world.plan.practices)
        if family is KeyFamily.EC:
            for authority, practice in practices.items():
                holders = {kind: replace(holder, keys=P256_KEYS) for kind, holder in practice.holders.items()}
                practices[authority] = replace(practice, holders=holders)
        yield Opened(world, Issuers(world.stores, world.vault(), practices))
