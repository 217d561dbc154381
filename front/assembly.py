"""The wiring: the one module that knows every engine and puts a home's parts together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from ca.keys.vault import KeyVault, SealedVault, TestVault
from ca.names import Municipalities
from ca.revoking.events import EventDesk
from ca.store.engine import Store, sqlite_url
from ca.store.journal import Journal
from front.home import Description, Home, clock_of
from front.logs import log

PassphraseSource = Callable[[], str]


@dataclass
class World:
    """A complete home, opened. What costs time or asks for the passphrase is opened when first needed."""

    home: Home
    description: Description
    clock: Clock
    store: Store
    repository: Repository
    passphrase: PassphraseSource

    @cached_property
    def plan(self) -> Plan:
        """What the home's edition comes to."""
        return home_plan(self.home, self.description)

    @cached_property
    def issuers(self) -> Issuers:
        """The authorities with their keys; what was intended when a process ended is signed now."""
        issuers = Issuers(self.store, self._vault(), self.plan.practices)
        try:
            cycle.recover(self.store, issuers, self.clock())
        except KakehashiError as error:
            # The intent stays and is tried again; a key that cannot sign must not stop revoking and publishing.
            log("intent not signed", level=WARNING, error=type(error).__name__, place=error.place)
        return issuers

    @cached_property
    def registration(self) -> Registration:
        """The offices' cases."""
        return Registration(self.store, self.issuers, self.plan.municipalities, self.chance)

    @cached_property
    def events(self) -> EventDesk:
        """Where the register's feeds arrive."""
        return EventDesk(self.store, Journal(self.home.journal))

    @property
    def chance(self) -> Chance:
        """Where unpredictable octets come from."""
        return chance_of(self.description)

    def _vault(self) -> KeyVault:
        if self.description.seed is not None:
            return TestVault.open(self.home.keys)
        return SealedVault.open(self.home.keys, self.passphrase())


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
        store = Store.open(sqlite_url(home.store))
        try:
            store.require_schema()
            moment = clock_of(description, clock)
            # Asked for once, however often a key is opened.
            yield World(home, description, moment, store, Repository(home.repository), cache(passphrase))
        finally:
            store.close()


def chance_of(description: Description) -> Chance:
    """The machine's generator; in a seeded test world a repeatable one."""
    return SystemChance() if description.seed is None else SeededChance(description.seed)


def home_plan(home: Home, description: Description) -> Plan:
    """The plan of the edition that lies in the home, with the home's own table of municipalities."""
    place, octets = edition_text(str(home.edition))
    parsed = read_edition(octets, place)
    table = Municipalities.read(home.folder / parsed.municipalities)
    return make_plan(parsed, Marking(description.marking), description.url, table, place)


def plan_of(edition: str, description: Description) -> Plan:
    """The plan of a built-in edition or a file under a home's marking and URL."""
    place, octets = edition_text(edition)
    parsed = read_edition(octets, place)
    municipalities = Municipalities.read(municipalities_path(parsed, place))
    return make_plan(parsed, Marking(description.marking), description.url, municipalities, place)
