"""A database from before a key's first step is put back: the new key's lists are made, and say what ends, as before."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from ca.model import CertificateId, GenerationId
from ca.store import lists, tables
from ca.store.places import complete_places
from front.assembly import open_world
from front.worker import Worker
from tests import commands
from tests.commands import done
from tests.many_hands import TOTTORI, approved
from tests.read_lists import newest_lists

OLD, NEW = GenerationId.parse("jpki-31.g1"), GenerationId.parse("jpki-31.g2")
OFFICERS = (
    ("endo", "centre", "operator"),
    ("kato", TOTTORI, "reception"),
    ("hashi", TOTTORI, "examiner"),
)
BACKUP = "before.db"
TWO = ("--officer", "ito", "--second-officer", "endo")


def run(home: Path, *words: object) -> commands.Outcome:
    return done(commands.run(*words, "--home", home))


@pytest.fixture(scope="module")
def pristine(pristine_staffed_world, tmp_path_factory) -> tuple[Path, list[CertificateId]]:
    """A home whose Tottori has a new key, its database of before that beside it, and what the new key has issued."""
    folder = tmp_path_factory.mktemp("lived")
    home = shutil.copytree(pristine_staffed_world, folder / "home")
    for officer, office, role in OFFICERS:
        run(home, "officer", "add", officer, "--office", office, "--role", role)
    shutil.copy(home / "store.db", home / BACKUP)
    run(home, "key", "plan", "jpki-31", *TWO)
    run(home, "key", "step", "jpki-31", "--to", "cut-over", *TWO)
    with open_world(home, str) as world:
        made = world.registration.issue(approved(world, 1, 20_000), "ito", at=world.clock())
    issued = [one.id for one in made]
    assert {one.generation for one in issued} == {NEW}
    return home, issued


@pytest.fixture
def lived(pristine, tmp_path) -> tuple[Path, list[CertificateId]]:
    home, issued = pristine
    return shutil.copytree(home, tmp_path / "home"), issued


def put_back(home: Path) -> None:
    """Also under a process that has the database open."""
    with closing(sqlite3.connect(home / BACKUP)) as old, closing(sqlite3.connect(home / "store.db")) as now:
        old.backup(now)


def revoked(home: Path, certificate: CertificateId) -> set[int]:
    """Revoke this one; gives what the new key's lists name."""
    run(home, "revoke", certificate, "--reason", "keyCompromise", "--officer", "ito")
    found = newest_lists(home / "repository")
    return {
        serial for path, one in found.items() if path.parent.parent.name == str(NEW) for serial in one.entries
    }


def require_every_list(connection: Connection) -> None:
    made, old = lists.newest(connection, NEW), lists.places_of(connection, OLD)
    assert made.keys() == {place.scope for place in old} != set()


def number(certificate: CertificateId) -> int:
    return int.from_bytes(certificate.serial.octets)


@pytest.mark.parametrize("first", [("journal", "replay"), ("list", "publish"), None], ids=str)
def test_what_a_new_key_issued_is_on_its_lists_when_it_ends(lived, first):
    home, (one, other) = lived
    put_back(home)
    if first is not None:
        run(home, *first)
    assert number(one) in revoked(home, one)
    assert {number(one), number(other)} <= revoked(home, other)
    run(home, "list", "publish")
    with open_world(home, str) as world, world.stores.nation.reading() as connection:
        assert lists.places_of(connection, NEW) == lists.places_of(connection, OLD) != []
        require_every_list(connection)


def test_a_worker_whose_database_is_put_back_makes_the_lists(lived):
    home, (one, _) = lived
    with open_world(home, str) as world:
        _ = world.issuers
        put_back(home)
        Worker(world).once()
        with world.stores.nation.reading() as connection:
            require_every_list(connection)
    assert number(one) in revoked(home, one)


def test_places_are_completed_one_by_one_and_only_once(lived):
    home, _ = lived
    with open_world(home, str) as world:
        with world.stores.nation.reading() as connection:
            before = {key: lists.places_of(connection, key) for key in (OLD, NEW)}
        some, others = before[NEW][::2], before[NEW][1::2]
        with world.stores.nation.writing() as connection:
            lost = tables.list_places.c.scope.in_([place.scope for place in some])
            for table in (tables.delta_lists, tables.lists):
                connection.execute(delete(table).where(table.c.generation == str(NEW)))
            connection.execute(
                delete(tables.list_places).where(tables.list_places.c.generation == str(NEW), lost)
            )
            assert lists.places_of(connection, NEW) == others
        for _ in range(2):
            complete_places(world.stores, world.plan.practices, world.plan.municipalities)
            with world.stores.nation.reading() as connection:
                assert {key: lists.places_of(connection, key) for key in (OLD, NEW)} == before
