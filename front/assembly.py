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
from bridge.repository.heads import publish_head
from ca.chance import Chance
from ca.clock import Clock
from ca.errors import KakehashiError
from ca.issuing import cycle
from ca.issuing.authority import Registration
from ca.issuing.intents import open_by_key
from ca.issuing.issuer import Issuers
from ca.journal.archive import archive_key
from ca.keys.probe import require_possible
from ca.keys.vault import KeyVault
from ca.names import Municipalities
from ca.revoking.deciding.desk import EventDesk
from ca.revoking.lists.publication import publish_changes
from ca.store.lists import ListRecord
from ca.store.places import complete_places
from ca.store.stores import Stores
from front.databases import open_stores
from front.home import Description, Home, chance_of, clock_of
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
    vault: Callable[[], KeyVault]

    @cached_property
    def plan(self) -> Plan:
        """What the home's edition comes to."""
        return home_plan(self.home, self.description)

    @cached_property
    def issuers(self) -> Issuers:
        """The authorities with their keys; what was intended is signed now, and places of lists that were lost are there."""
        issuers = self.issuers_unrecovered
        try:
            cycle.recover(issuers, self.clock())
        except KakehashiError as error:
            # The intent stays and is tried again; a key that cannot sign must not stop revoking and publishing.
            waiting = ", ".join(f"{count} of {key}" for key, count in open_by_key(self.stores).items())
            facts = {"error": type(error).__name__, "place": error.place, "waiting": waiting}
            log("intent not signed", level=WARNING, **facts)
        self.complete_places()
        return issuers

    @cached_property
    def issuers_unrecovered(self) -> Issuers:
        """The same, where another process of the same command has signed what was intended."""
        return Issuers(self.stores, self.vault(), self.plan.practices)

    @cached_property
    def registration(self) -> Registration:
        """The offices' cases."""
        return Registration(self.issuers, self.plan.municipalities, self.chance)

    @cached_property
    def events(self) -> EventDesk:
        """Where the register's feeds arrive."""
        return EventDesk(self.stores, self.plan.lapses)

    def complete_places(self) -> None:
        """Write down the places of lists that a key lacks, as in a restored database: a publication is to follow."""
        complete_places(self.stores, self.plan.practices, self.plan.municipalities)

    def publish_changes(self) -> list[ListRecord]:
        """Make and place every list that has something new to say, and the journal's head beside them."""
        at = self.clock()
        made = publish_changes(self.issuers, self.repository, at=at)
        if made:
            publish_head(self.issuers, self.plan, self.repository, at=at)
        return made

    @property
    def chance(self) -> Chance:
        """Where unpredictable octets come from."""
        return chance_of(self.description)

    def secret(self) -> str:
        """What opens the vault, for processes that work with this one; empty for public test keys."""
        return "" if self.description.seed is not None else self.passphrase()


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
        asked = cache(passphrase)  # once, however often a key is opened
        with ExitStack() as stack:

            @cache
            def vault() -> KeyVault:
                opened = open_vault(home, description, asked)
                stack.callback(opened.close)
                return opened

            stores = open_stores(home, description, lambda: archive_key(vault().code_key()))
            stack.callback(stores.close)
            moment = clock_of(description, clock)
            yield World(home, description, moment, stores, Repository(home.repository), asked, vault)


def home_plan(home: Home, description: Description) -> Plan:
    """The plan of the edition that lies in the home, with the home's own table of municipalities.

    Raises:
        EditionRefused: It cannot be read.
        KeyRefused: It names a legacy suite that this host does not allow.
    """
    # With 10,000 authorities there are a million small values, all of which stay: collecting would double the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        place, octets = edition_text(str(home.edition))
        parsed = read_edition(octets, place)
        table = Municipalities.read(home.folder / parsed.municipalities)
        plan = make_plan(parsed, Marking(description.marking), description.url, table, place)
        require_possible(plan.legacy)
        return plan
    finally:
        if collecting:
            gc.enable()


def plan_of(edition: str, description: Description) -> Plan:
    """The plan of a built-in edition or a file under a home's marking and URL."""
    place, octets = edition_text(edition)
    parsed = read_edition(octets, place)
    municipalities = Municipalities.read(municipalities_path(parsed, place))
    return make_plan(parsed, Marking(description.marking), description.url, municipalities, place)
