"""A home of an earlier version: refused until it is upgraded, then whole."""

import sqlite3
from contextlib import closing

import alembic.command
import alembic.config
import pytest
from sqlalchemy import inspect

import ca.store.schema
from ca.model import CertificateId, GenerationId, Serial
from ca.store import certificates, holdings, officers
from ca.store.engine import SCHEMA, Store, sqlite_url
from tests.commands import done, refused, run, tree

HOLDER = b"\7" * 32
KEY = b"\1" * 32
SERIAL = Serial((1 << 158) + 5)
ID = CertificateId(GenerationId.parse("jpki-13.g1"), SERIAL)
# A holder's certificate as the second schema kept it.
OLD_CERTIFICATE = (str(ID.generation), SERIAL.octets, "signature", "signature-131016", "issued", 1_000_000, 2_000_000, 1_000_000, 5, KEY,
                   "131016-000001", HOLDER)  # fmt: skip


def at_schema(path, number):
    """A new database as the migrations up to this one make it."""
    store = Store.open(sqlite_url(path))
    config = alembic.config.Config()
    config.set_main_option(
        "script_location", f"{ca.store.schema.Path(ca.store.schema.__file__).parent}/migrations"
    )
    with store.writing() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, number)
    tables = {
        table: {column["name"] for column in inspect(store.engine).get_columns(table)}
        for table in inspect(store.engine).get_table_names()
    }
    store.close()
    return tables


@pytest.fixture(params=["0001", "0002"])
def old_home(world, request):
    """The home as an earlier version made it: its rows in the tables of that schema."""
    old = world / "old.db"
    tables = at_schema(old, request.param)
    with closing(sqlite3.connect(old)) as store:
        store.execute("ATTACH ? AS new", (str(world / "store.db"),))
        for table in sorted(tables.keys() - {"alembic_version", "offices"}):
            there = {row[1] for row in store.execute(f"PRAGMA new.table_info({table})")}
            columns = ", ".join(sorted(tables[table] & there))
            store.execute(f"DELETE FROM {table}")  # noqa: S608 - names of tables
            store.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM new.{table}")  # noqa: S608
        store.execute(
            "INSERT INTO offices (office, kind, name, authority)"
            " SELECT office, kind, name, nullif(authorities, '') FROM new.offices"
        )
        store.execute("INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", OLD_CERTIFICATE)
        store.execute(
            "INSERT INTO certificate_bytes VALUES (?, ?, ?)", (str(ID.generation), SERIAL.octets, b"DER")
        )
        store.commit()
    for name in ("store.db-wal", "store.db-shm", "store.db"):
        (world / name).unlink(missing_ok=True)
    old.rename(world / "store.db")
    described = (world / "home.toml").read_text()
    (world / "home.toml").write_text(
        "".join(line for line in described.splitlines(True) if not line.startswith("id ="))
    )
    return world


def test_an_older_home_says_what_to_do_and_an_upgraded_one_works(old_home):
    refused(run("officer", "list", "--home", old_home), "older than this version's", "kakehashi upgrade")
    done(run("upgrade", "--home", old_home))
    store = Store.open(sqlite_url(old_home / "store.db"))
    try:
        assert store.schema() == SCHEMA
        with store.reading() as connection:
            (held,) = holdings.of_holder(connection, HOLDER)
            assert (held.certificate, held.subject_key, held.scope) == (ID, KEY, "signature-131016")
            assert certificates.find(connection, ID).encoded == b"DER"
            assert officers.office(connection, "131016").authorities == ("jpki-13",)
            assert officers.office(connection, "centre").authorities == ()
    finally:
        store.close()
    done(run("client", "add", "register", "--home", old_home))
    done(run("list", "publish", "--home", old_home))


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
