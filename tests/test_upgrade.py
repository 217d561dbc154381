"""A home of an earlier version: refused until it is upgraded, then whole."""

import sqlite3
from contextlib import closing

import pytest

from ca.store.engine import SCHEMA, Store, sqlite_url
from tests.commands import done, refused, run, tree


@pytest.fixture
def old_home(world):
    """The home as the first version made it: what the second migration adds is not there."""
    with closing(sqlite3.connect(world / "store.db")) as store, store:
        for table in ("register_events", "client_keys", "leases"):
            store.execute(f"DROP TABLE {table}")
        store.execute("UPDATE alembic_version SET version_num = '0001'")
    return world


def test_an_older_home_says_what_to_do_and_an_upgraded_one_works(old_home):
    refused(run("officer", "list", "--home", old_home), "older than this version's", "kakehashi upgrade")
    done(run("upgrade", "--home", old_home))
    store = Store.open(sqlite_url(old_home / "store.db"))
    try:
        assert store.schema() == SCHEMA
    finally:
        store.close()
    done(run("client", "add", "register", "--home", old_home))


def test_a_newer_home_is_not_touched(world):
    with closing(sqlite3.connect(world / "store.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
    before = tree(world)
    refused(run("upgrade", "--home", world), "newer version")
    assert tree(world) == before


def test_upgrading_twice_changes_nothing(old_home):
    done(run("upgrade", "--home", old_home))
    before = tree(old_home)
    done(run("upgrade", "--home", old_home))
    assert tree(old_home) == before
