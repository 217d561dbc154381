"""A home of an earlier version: refused until it is upgraded, then whole."""

import sqlite3
from contextlib import closing, contextmanager

import alembic.command
import alembic.config
import pytest
from sqlalchemy import inspect

import ca.store.schema
from ca.errors import StorageFailed
from ca.journal.entries import IntentEntry, IssuedEntry
from ca.journal.journal import records
from ca.model import CertificateId, GenerationId, Serial
from ca.store import authorities, certificates, holdings, marks, officers, register, untold
from ca.store.engine import SCHEMA, Store, sqlite_url
from ca.wire import der
from ca.wire.tbs import signed
from front.assembly import open_world
from tests.commands import done, refused, run, tree

HOLDER = b"\7" * 32
KEY = b"\1" * 32
GENERATION = GenerationId.parse("jpki-13.g1")
ID, OTHER = (CertificateId(GENERATION, Serial((1 << 158) + number)) for number in (5, 6))
# Holders' certificates as the second schema kept them, and what was signed of them.
OLD_CERTIFICATES = [
    (str(ID.generation), ID.serial.octets, "signature", "signature-131016", "issued", 1_000_000, 2_000_000, 1_000_000, 5, KEY,
     "131016-000001", HOLDER),
    (str(OTHER.generation), OTHER.serial.octets, "signature", "signature-131016", "intended", 1_000_000, 2_000_000, 1_000_000, 5,
     b"\2" * 32, "131016-000002", HOLDER),
]  # fmt: skip
TBS = {one: der.sequence(der.integer(one.serial.value)) for one in (ID, OTHER)}
SIGNATURE = bytes(range(256))


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


def encoded(home):
    """The one of the old certificates that was signed, or so it looks."""
    with opened(home) as store, store.reading() as connection:
        return signed(TBS[ID], authorities.generation(connection, GENERATION).suite, SIGNATURE)


@contextmanager
def opened(home):
    store = Store.open(sqlite_url(home / "store.db"))
    try:
        yield store
    finally:
        store.close()


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
        values = ", ".join("?" * len(OLD_CERTIFICATES[0]))
        store.executemany(f"INSERT INTO certificates VALUES ({values})", OLD_CERTIFICATES)  # noqa: S608 - question marks
        store.executemany(
            "INSERT INTO certificate_bytes VALUES (?, ?, ?)",
            [
                (str(GENERATION), ID.serial.octets, encoded(world)),
                (str(GENERATION), OTHER.serial.octets, TBS[OTHER]),
            ],
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
            held, _ = holdings.of_holder(connection, HOLDER)
            assert (held.certificate, held.subject_key, held.scope) == (ID, KEY, "signature-131016")
            assert certificates.find(connection, ID).encoded == encoded(old_home)
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


def told(home):
    """What the journal has of the old certificates: their intents' parts, and the signatures."""
    mine, intents, signatures = {str(ID), str(OTHER)}, [], []
    for record in records(home / "journal"):
        if isinstance(record.entry, IntentEntry):
            intents += [part for part in record.entry.certificates if part.certificate in mine]
        if isinstance(record.entry, IssuedEntry):
            signatures += [part for part in record.entry.certificates if part.certificate in mine]
    return intents, signatures


def require_told(home):
    intents, signatures = told(home)
    assert sorted(part.certificate for part in intents) == [str(ID), str(OTHER)]
    assert {part.holder for part in intents} == {HOLDER.hex()}
    assert [(part.certificate, part.signature) for part in signatures] == [(str(ID), SIGNATURE)]


def test_what_the_journal_never_heard_of_comes_back_from_it_after_an_upgrade(old_home):
    """Every serial that was spent, octet for octet, and who holds what."""
    whole = encoded(old_home)
    done(run("upgrade", "--home", old_home))
    require_told(old_home)
    with opened(old_home) as store, store.writing() as connection:
        before = holdings.of_holder(connection, HOLDER)
        known = certificates.find(connection, ID)
        for table in ("certificates", "certificate_bytes", "holdings"):
            for one in (ID, OTHER):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE serial = ?", (one.serial.octets,))  # noqa: S608
        register.mark_applied(connection, 0)
    with open_world(old_home, lambda: "") as world:
        world.stores.catch_up()
        with world.stores.nation.reading() as connection:
            assert holdings.of_holder(connection, HOLDER) == before
            back = certificates.find(connection, ID)
            assert (back.encoded, back.period, back.intended_at) == (whole, known.period, known.intended_at)
            assert certificates.find(connection, OTHER).encoded == TBS[OTHER]


def test_a_telling_that_breaks_off_is_completed_by_the_next(old_home, monkeypatch):
    tell, calls = untold._tell, []

    def broken(*args):
        calls.append(1)
        if len(calls) > 1:
            raise StorageFailed("disk", "is full")
        tell(*args)

    with monkeypatch.context() as patch:
        patch.setattr(untold, "_AT_ONCE", 1)
        patch.setattr(untold, "_tell", broken)
        refused(run("upgrade", "--home", old_home), "disk: is full")
    assert len(told(old_home)[0]) == 1, "the half"
    done(run("upgrade", "--home", old_home))
    require_told(old_home)


def test_a_signature_that_a_death_left_untold_is_told_alone(old_home):
    whole = encoded(old_home)
    turned = "UPDATE certificates SET state = ? WHERE serial = ?"
    with closing(sqlite3.connect(old_home / "store.db")) as store, store:
        store.execute(turned, ("intended", ID.serial.octets))
        store.execute(
            "UPDATE certificate_bytes SET encoded = ? WHERE serial = ?", (TBS[ID], ID.serial.octets)
        )
    done(run("upgrade", "--home", old_home))
    assert [len(found) for found in told(old_home)] == [2, 0]
    with opened(old_home) as store, store.writing() as connection:
        connection.exec_driver_sql(turned, ("issued", ID.serial.octets))
        connection.exec_driver_sql(
            "UPDATE certificate_bytes SET encoded = ? WHERE serial = ?", (whole, ID.serial.octets)
        )
        marks.put(connection, untold.MARK, "0003")
    done(run("upgrade", "--home", old_home))
    require_told(old_home)


def test_what_was_altered_before_it_was_told_is_refused(old_home):
    with closing(sqlite3.connect(old_home / "store.db")) as store, store:
        store.execute("UPDATE certificate_bytes SET encoded = ? WHERE serial = ?", (b"DER", ID.serial.octets))
    refused(run("upgrade", "--home", old_home), f"certificate {ID}", "is not what its authority signed")
