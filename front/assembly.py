"""The wiring: the one module that knows every engine and puts a home's parts together."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from logging import WARNING
from pathlib import Path

from bridge.crossing.edition import edition_text, municipalities_path, read_edition
from bridge.crossing.plan import Plan, make_plan
from bridge.manifest import Marking
from bridge.repository.folder import Repository
from ca.chance import Chance, SeededChance, SystemChance
from ca.clock import Clock
from ca.errors import KakehashiError
from ca.issuing import cycle
from ca.issuing.authority import Registration
from ca.issuing.issuer import Issuers
from ca.keys.vault import KeyVault
from ca.names import Municipalities
from ca.revoking.events import EventDesk
from ca.store.journal import Journal
from ca.store.stores import Stores
from front.databases import open_stores
from front.home import Description, Home, clock_of
from front.logs import log
from front.vaults import open_vault

PassphraseSource = Callable[[], str]


@dataclass
class World:
    """A complete home, opened. What costs time or asks for the passphrase is opened when first needed."""

    home: Home
    description: Description
    clock: Clock
    stores: Stores
    repository: Repository
    passphrase: PassphraseSource

    @cached_property
    def plan(self) -> Plan:
        """What the home's edition comes to."""
        return home_plan(self.home, self.description)

    @cached_property
    def issuers(self) -> Issuers:
        """The authorities with their keys; what was intended when a process ended is signed now."""
        issuers = self.issuers_unrecovered
        for recover in (lambda at: cycle.recover(issuers, at), self._registration(issuers).recover):
            try:
                recover(self.clock())
            except KakehashiError as error:
                # The intent stays and is tried again; a key that cannot sign must not stop revoking and publishing.
                log("intent not signed", level=WARNING, error=type(error).__name__, place=error.place)
        return issuers

    @cached_property
    def issuers_unrecovered(self) -> Issuers:
        """The same, where another process of the same command has signed what was intended."""
        return Issuers(self.stores, self._vault, self.plan.practices)

    @cached_property
    def registration(self) -> Registration:
        """The offices' cases."""
        return self._registration(self.issuers)

    @cached_property
    def events(self) -> EventDesk:
        """Where the register's feeds arrive."""
        return EventDesk(self.stores, Journal(self.home.journal))

    @property
    def chance(self) -> Chance:
        """Where unpredictable octets come from."""
        return chance_of(self.description)

    def _registration(self, issuers: Issuers) -> Registration:
        return Registration(issuers, self.plan.municipalities, self.chance)

    @cached_property
    def _vault(self) -> KeyVault:
        return open_vault(self.home, self.description, self.passphrase)

    def secret(self) -> str:
        """What opens the vault, for processes that work with this one; empty for public test keys."""
        return "" if self.description.seed is not None else self.passphrase()

    def close_keys(self) -> None:
        """Let go of the keys, if they were opened."""
        if "_vault" in self.__dict__:
            self._vault.close()


@contextmanager
def open_world(
    folder: Path, passphrase: PassphraseSource, clock: tuple[datetime, float] | None = None
) -> Iterator[World]:
    """Work in a complete home; ``init`` is kept out meanwhile.

    Raises:
        HomeRefused: No home, a half-made one, one of a newer version, or one that is being made.
    """
    home = Home(folder)
    with home.locked(alone=False):
        description = home.require_complete()
        stores = open_stores(home, description)
        with ExitStack() as stack:
            stack.callback(stores.close)
            moment = clock_of(description, clock)
            # Asked for once, however often a key is opened.
            world = World(home, description, moment, stores, Repository(home.repository), cache(passphrase))
            stack.callback(world.close_keys)
            yield world


def chance_of(description: Description) -> Chance:
    """The machine's generator; in a seeded test world a repeatable one."""
    return SystemChance() if description.seed is None else SeededChance(description.seed)


def home_plan(home: Home, description: Description) -> Plan:
    """The plan of the edition that lies in the home, with the home's own table of municipalities."""
    # With 10,000 authorities there are a million small values, all of which stay: collecting would double the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        place, octets = edition_text(str(home.edition))
        parsed = read_edition(octets, place)
        table = Municipalities.read(home.folder / parsed.municipalities)
        return make_plan(parsed, Marking(description.marking), description.url, table, place)
    finally:
        if collecting:
            gc.enable()


def plan_of(edition: str, description: Description) -> Plan:
    """The plan of a built-in edition or a file under a home's marking and URL."""
    place, octets = edition_text(edition)
    parsed = read_edition(octets, place)
    municipalities = Municipalities.read(municipalities_path(parsed, place))
    return make_plan(parsed, Marking(description.marking), description.url, municipalities, place)
