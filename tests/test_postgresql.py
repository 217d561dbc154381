"""The store and a home on a real PostgreSQL: the same schema, no update lost by writers at once, clear refusals.

The engine's own tests run on it too (tests/postgresql.py says which); lives of whole homes are in test_own_databases.
"""

import itertools
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import alembic.command
import alembic.config
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, event, insert, inspect, make_url, text
from sqlalchemy.exc import DataError

import ca.store.schema
from ca import suites
from ca.chance import SystemChance, new_serial
from ca.errors import BadInput, HomeBusy, RevocationRefused, StorageFailed
from ca.model import (
    ARL,
    FULL,
    CertificateId,
    CertificateKind,
    GenerationId,
    Office,
    OfficeId,
    OfficeKind,
    Officer,
    OfficerId,
    Period,
    Revocation,
    RevocationReason,
    Role,
    Scope,
)
from ca.profiles.extensions import Holds
from ca.revoking.deciding.by_hand import revoke
from ca.rules.registration import State, Step
from ca.rules.residents import ChangeKind
from ca.store import certificates, holdings, officers, revocations
from ca.store.bulk import insert_rows
from ca.store.carrying import SIGNING_CYCLE
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.clients import KeyPurpose
from ca.store.contents import Contents, blocks
from ca.store.engine import SCHEMA, Store, sqlite_url
from ca.store.schema import migrate
from ca.store.stores import Stores
from ca.store.tables import holdings as holdings_table
from ca.store.tables import metadata
from front.databases import database_url
from tests import postgresql
from tests.commands import done, kakehashi, refused, run, tree
from tests.ended import record_end
from tests.engine_world import Running, journal_of
from tests.postgresql import server
from tests.small_edition import SEED
from tests.test_upgrade import HOLDER, ID, KEY, OLD_CERTIFICATES, OTHER, TBS, encoded

NOW = datetime(2014, 9, 1, tzinfo=UTC)
GENERATION = GenerationId.parse("jpki-13.g1")
WRITERS, TURNS = 4, 25


@pytest.fixture
def url():
    """An empty database."""
    return server().create()


@pytest.fixture
def store(url):
    """An empty store at the newest schema."""
    store = Store.open(url)
    migrate(store)
    yield store
    store.close()


# The schema.


def shape(store):
    """What PostgreSQL says of each table: columns, keys, indexes, references."""
    found = {}
    with store.reading() as connection:
        there = inspect(connection)
        for table in there.get_table_names():
            found[table] = (
                sorted((it["name"], str(it["type"]), it["nullable"]) for it in there.get_columns(table)),
                there.get_pk_constraint(table)["constrained_columns"],
                sorted(tuple(it["column_names"]) for it in there.get_unique_constraints(table)),
                sorted((it["name"], tuple(it["column_names"])) for it in there.get_indexes(table)),
                sorted(
                    (it["referred_table"], *it["constrained_columns"]) for it in there.get_foreign_keys(table)
                ),
            )
    found.pop("alembic_version", None)
    return found


def test_the_migrations_lead_to_the_tables(store):
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    other = Store.open(server().create())
    with other.writing() as connection:
        metadata.create_all(connection)
    made = shape(other)
    other.close()
    # A key column's name in an index that goes with a unique constraint is the server's to choose.
    assert shape(store).keys() == made.keys() == set(metadata.tables)
    assert shape(store) == made
    before = shape(store)
    store.require_schema()
    migrate(store)
    assert shape(store) == before, "a second time changes nothing"


def migrate_and_die(url, crossing):
    count = itertools.count()
    store = Store.open(url)

    @event.listens_for(store.engine, "before_cursor_execute")
    def _cross(*_):
        if next(count) == crossing:
            os.kill(os.getpid(), signal.SIGKILL)

    migrate(store)


@pytest.mark.parametrize("crossing", [3, 12, 40])
def test_a_migration_is_whole_or_not_there(url, crossing):
    assert Running(migrate_and_die, url, crossing).wait() == -signal.SIGKILL
    store = Store.open(url)
    assert shape(store) == {}
    migrate(store)
    store.require_schema()
    store.close()


WORDS = {
    "certificates.kind": CertificateKind,
    "certificates.state": CertificateState,
    "holdings.kind": CertificateKind,
    "service_certificates.kind": CertificateKind,
    "batch_answers.kind": CertificateKind,
    "requests.kind": CertificateKind,
    "list_places.holds": Holds,
    "offices.kind": OfficeKind,
    "applications.state": State,
    "application_steps.step": Step,
    "register_events.kind": ChangeKind,
    "client_keys.purpose": KeyPurpose,
}
_AUTHORITY = "a" * 40
_GENERATION = str(GenerationId.parse(f"{_AUTHORITY}.g9999"))
_OFFICE = "o" * 16
LONGEST = {
    "generations.authority": [_AUTHORITY],
    "generations.generation": [_GENERATION],
    "generations.key": [_GENERATION],
    "generations.suite": [it.id for it in vars(suites).values() if isinstance(it, suites.Suite)],
    "service_certificates.key": [f"{_GENERATION}.{kind}" for kind in CertificateKind],
    "certificates.scope": [f"{kind}-131016" for kind in CertificateKind],
    "revocations.cause": [f"event {'e' * 56}", f"officer {'o' * 64}", "quarantine 2147483647", SIGNING_CYCLE],
    "offices.office": [_OFFICE],
    "applications.application": [f"{_OFFICE}-1000000"],
    "leases.owner": [f"{'h' * 64} 4194304"],
    "marks.value": [f"{'0' * 32} {_AUTHORITY}"],
}


@pytest.mark.parametrize("place", [*WORDS, *LONGEST])
def test_the_longest_words_fit_their_columns(place):
    """SQLite heeds no lengths; PostgreSQL refuses what is longer."""
    table, _, column = place.partition(".")
    words = WORDS.get(place) or LONGEST[place]
    room = metadata.tables[table].c[column].type.length
    assert words
    assert (
        room is None or max(len(word.value if isinstance(word, StrEnum) else word) for word in words) <= room
    )


# Transactions.


def write(store, turns, then=lambda: None):
    """Revoke so many fresh serials, each in a transaction of its own; gives their sequences.

    ``then`` is called before each transaction ends.
    """
    sequences = []
    for _ in range(turns):
        revocation = Revocation(new_serial(SystemChance(), "test"), NOW, RevocationReason.SUPERSEDED)
        with store.writing() as connection:
            sequences.append(
                record_end(connection, CertificateId(GENERATION, revocation.serial), ARL, revocation)
            )
            then()
    return sequences


def test_revocations_are_kept_and_listed_in_the_order_of_serials(store):
    write(store, 5)
    with store.reading() as connection:
        entries = b"".join(blocks(connection, Contents(GENERATION, FULL)))
        assert revocations.sequence(connection) == 5
    size = len(entries) // 5
    serials = [entries[start : start + size] for start in range(0, len(entries), size)]
    assert len(serials) == 5
    assert serials == sorted(serials)


def test_a_transaction_that_fails_leaves_nothing(store):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(store, 1, then=fail)
    with store.reading() as connection:
        assert revocations.sequence(connection) == 0
        assert list(blocks(connection, Contents(GENERATION, FULL))) == []


def test_writers_at_once_lose_no_update_and_the_sequence_has_commit_order(url, store):
    """While four processes write, whoever has seen a sequence never finds a smaller one later."""
    script = "import sys; from tests.test_postgresql import Store, write; print(*write(Store.open(sys.argv[1]), int(sys.argv[2])))"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, url, str(TURNS)], stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parent.parent,
        )
        for _ in range(WRITERS)
    ]  # fmt: skip
    seen: set[int] = set()
    while any(writer.poll() is None for writer in writers):
        with store.engine.connect() as connection:
            found = set(connection.exec_driver_sql("SELECT sequence FROM revocations").scalars())
        assert found == set(range(1, len(found) + 1)), "a later number was visible before an earlier one"
        assert seen <= found
        seen = found
    said = [int(word) for writer in writers for word in writer.communicate()[0].split()]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    assert sorted(said) == list(range(1, WRITERS * TURNS + 1))


def test_a_writer_that_dies_lets_the_next_one_in(url, store):
    """The server ends the transaction of a client that is gone, and with it the lock."""
    code = (
        "import os, sys; from tests.test_postgresql import Store, write;"
        "write(Store.open(sys.argv[1]), 1, lambda: os.kill(os.getpid(), 9))"
    )
    dead = subprocess.run([sys.executable, "-c", code, url], cwd=Path(__file__).parent.parent, check=False)
    assert dead.returncode == -signal.SIGKILL
    assert write(store, 1) == [1]


def issued(store):
    """A certificate that the store knows as issued."""
    serial = new_serial(SystemChance(), "test")
    record = CertificateRecord(
        id=CertificateId(GENERATION, serial),
        kind=CertificateKind.SIGNATURE,
        scope=Scope("signature-131016"),
        state=CertificateState.INTENDED,
        period=Period(NOW, NOW.replace(year=2019)),
        intended_at=NOW,
        subject_key=serial.octets,
        application=None,
        encoded=b"",
    )
    with store.writing() as connection:
        certificates.intend(connection, [record])
        certificates.complete(connection, [(record.id, b"certificate")])
    return record.id


def attempt(stores, certificate, reason):
    """What came of a revocation: the reason, or None if the rules refused it."""
    try:
        revoke(stores, certificate, reason, "operator", at=NOW)
    except RevocationRefused:
        return None
    return reason


def test_two_officers_at_once_never_make_a_change_that_the_rules_forbid(store, tmp_path):
    """Superseded may be raised to a compromise, a compromise is never lowered: whoever comes second is told so."""
    centre = Office(OfficeId("centre"), OfficeKind.CENTRE, "Centre", ())
    with store.writing() as connection:
        officers.add_offices(connection, [centre])
        officers.add_officer(
            connection, Officer(OfficerId("operator"), centre.id, frozenset({Role.OPERATOR}))
        )
    stores = Stores(store, journal_of(tmp_path))
    reasons = (RevocationReason.KEY_COMPROMISE, RevocationReason.SUPERSEDED)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            certificate = issued(store)
            done = set(pool.map(lambda reason, of=certificate: attempt(stores, of, reason), reasons))
            assert RevocationReason.KEY_COMPROMISE in done
            with store.reading() as connection:
                found = revocations.find(connection, certificate, Scope("signature-131016"))
            assert found.reason is RevocationReason.KEY_COMPROMISE


# What the server refuses.


def one_line(error):
    assert str(error).isprintable(), error
    return str(error)


def test_a_server_that_is_not_there_says_so(url, tmp_path):
    nowhere = make_url(url).update_query_dict({"host": str(tmp_path)}).render_as_string()
    store = Store.open(nowhere)
    with pytest.raises(StorageFailed, match="No such file or directory") as raised, store.reading():
        pass
    assert one_line(raised.value)


def test_a_database_that_is_not_there_says_so():
    with (
        pytest.raises(StorageFailed, match="does not exist") as raised,
        Store.open(server().url("none")).writing(),
    ):
        pass
    assert one_line(raised.value)


def test_a_server_that_grants_nothing_says_so(url):
    """Since its version 15 nobody but a database's owner may make tables in it."""
    server().execute("DROP ROLE IF EXISTS stranger")
    server().execute("CREATE ROLE stranger LOGIN")
    store = Store.open(make_url(url).set(username="stranger").render_as_string())
    with pytest.raises(StorageFailed, match="permission denied") as raised:
        migrate(store)
    assert one_line(raised.value)
    store.close()


def test_a_lock_is_not_waited_for_for_ever(url, store):
    impatient = Store.open(url, busy_timeout_ms=20)
    with store.writing(), pytest.raises(HomeBusy, match="locked by another process"), impatient.writing():
        pass
    with impatient.writing():
        pass
    impatient.close()


def test_a_slip_of_the_code_stays_what_it_is(store):
    with pytest.raises(DataError), store.writing() as connection:
        connection.execute(text("INSERT INTO counters VALUES (repeat('x', 41), 1)"))


# The engine's tests on both databases.


@pytest.mark.parametrize("name", sorted(postgresql.QUICK | postgresql.SQLITES_OWN))
def test_what_is_said_of_a_test_is_said_of_one_that_is_there(name):
    module, _, function = name.rpartition(".")
    files = [f"{module}.py"] if module else [f"{one}.py" for one in postgresql.ON_BOTH]
    texts = [(Path(__file__).parent / file).read_text(encoding="utf-8") for file in files]
    assert any(f"def {function}(" in it for it in texts)


# A home's databases.

REFUSED_URLS = {
    "postgresql://kakehashi:secret@host/nation": "holds a password",
    "postgresql://kakehashi@host/nation?password=secret": "holds a password",
    "postgresql://kakehashi@host/nation?sslpassword=secret": "holds a password",
    "postgresql://kakehashi@host:port/nation": "is not the URL of a database",
    "mysql://kakehashi@host/nation": "is not the URL of a database",
    "postgresql+psycopg2://kakehashi@host/nation": "is not the URL of a database",
    "/var/lib/nation.db": "is not the URL of a database",
    "": "is not the URL of a database",
    "sqlite://": "names no file",
    "sqlite:///": "names no file",
    "sqlite:///:memory:": "names no file",
    "sqlite:////var/lib/nation.db?mode=ro": "says more than a path",
    "sqlite:///file:nation.db?uri=true": "says more than a path",
    "sqlite://host/nation.db": "says more than a path",
}


@pytest.mark.parametrize("words", REFUSED_URLS)
def test_a_url_that_is_none_is_refused_and_no_secret_repeated(words):
    with pytest.raises(BadInput, match=REFUSED_URLS[words]) as raised:
        database_url(words, "--database")
    assert "secret" not in f"{raised.value!r} {raised.value}"


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_a_url_that_is_one_is_kept_with_its_driver(scheme):
    kept = database_url(f"{scheme}://kakehashi@db.example:5433/nation?sslmode=verify-full", "--database")
    assert kept == "postgresql+psycopg://kakehashi@db.example:5433/nation?sslmode=verify-full"


def init(edition_file, home, *words, **environment):
    seeded = ("--edition", edition_file, "--test-keys", "--seed", SEED)
    return run("init", *seeded, *words, "--home", home, **environment)


@pytest.fixture(scope="module")
def home_there(edition_file, tmp_path_factory):
    """A home on a server, and its database's URL."""
    home, url = tmp_path_factory.mktemp("there") / "home", server().create()
    done(init(edition_file, home, "--database", url))
    return home, url


def test_a_second_home_on_the_same_database_is_refused_before_anything_is_written(
    home_there, edition_file, tmp_path
):
    """Also if both are repeatable, with one seed."""
    home, url = home_there
    for words in (("--database", url), ("--authority-database", f"jpki-13={url}")):
        refused(init(edition_file, tmp_path / "second", *words), "is in use already")
        assert not (tmp_path / "second").exists()
    done(run("list", "publish", "--home", home))


def test_making_it_again_changes_nothing_and_otherwise_is_a_conflict(home_there, edition_file):
    home, url = home_there
    before = tree(home)
    done(init(edition_file, home, "--database", url))
    refused(init(edition_file, home), "was made with database")
    assert tree(home) == before


def test_a_database_with_other_things_in_it_is_refused(url, edition_file, tmp_path):
    store = Store.open(url)
    with store.writing() as connection:
        connection.execute(text("CREATE TABLE theses (title text)"))
    store.close()
    refused(init(edition_file, tmp_path / "home", "--database", url), "is in use already")
    assert not (tmp_path / "home").exists()


def test_a_file_with_other_things_in_it_is_refused(edition_file, tmp_path):
    (tmp_path / "thesis.db").write_text("three years of work")
    words = ("--authority-database", f"jpki-13={sqlite_url(tmp_path / 'thesis.db')}")
    refused(init(edition_file, tmp_path / "home", *words), "is in use already")
    assert (tmp_path / "thesis.db").read_text() == "three years of work"


def test_an_empty_file_that_was_there_becomes_its_owners_alone(edition_file, tmp_path):
    file = tmp_path / "tokyo.db"
    file.touch()
    file.chmod(0o644)
    words = ("--authority-database", f"jpki-13={sqlite_url(file)}")
    done(init(edition_file, tmp_path / "home", *words))
    assert file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600


def test_two_names_of_one_database_are_refused(url, edition_file, tmp_path):
    """Whoever wrote in both would wait for himself."""
    other = make_url(url).update_query_dict({"application_name": "other"}).render_as_string()
    words = ("--database", url, "--authority-database", f"jpki-13={other}")
    refused(init(edition_file, tmp_path / "home", *words), "is in use already")


def test_databases_that_were_mixed_up_are_found_out(edition_file, tmp_path):
    home = tmp_path / "home"
    for code in (31, 33):
        assert not (home / f"{code}.db").exists()
    words = [
        word for code in (31, 33) for word in ("--authority-database", f"jpki-{code}=sqlite:///{code}.db")
    ]
    done(init(edition_file, home, *words))
    assert {(home / f"{code}.db").stat().st_mode & 0o777 for code in (31, 33)} == {0o600}
    description = (home / "home.toml").read_text()
    (home / "home.toml").write_text(
        description.replace("31.db", "x").replace("33.db", "31.db").replace("x", "33.db")
    )
    refused(run("case", "list", "--home", home), "belongs to another home, or to another authority")
    (home / "home.toml").write_text(description)
    done(run("case", "list", "--home", home))
    (home / "33.db").unlink()
    refused(run("case", "list", "--home", home), "33.db", "is missing")
    assert not (home / "33.db").exists()


def test_an_authority_that_is_none_or_is_named_twice_is_refused(edition_file, tmp_path):
    words = ("--authority-database", "jpki-99=sqlite:///x.db")
    refused(init(edition_file, tmp_path / "home", *words), "jpki-99 is not an authority of")
    twice = [word for file in ("a", "b") for word in ("--authority-database", f"jpki-13=sqlite:///{file}.db")]
    refused(init(edition_file, tmp_path / "home", *twice), "jpki-13", "is given twice")
    assert not (tmp_path / "home").exists()


def test_without_the_driver_it_says_how_to_install_it(home_there, edition_file, tmp_path):
    """A process that has no psycopg to import."""
    blocked = tmp_path / "blocked"
    (blocked / "psycopg").mkdir(parents=True)
    (blocked / "psycopg" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'psycopg'\")\n"
    )
    remedy = "pip install 'kakehashi[postgresql]'"
    words = ("--edition", edition_file, "--test-keys", "--home", tmp_path / "home")
    made = kakehashi(
        "init", *words, "--database", "postgresql://kakehashi@host/nation", PYTHONPATH=str(blocked)
    )
    refused(made, "needs PostgreSQL's driver", remedy)
    assert not (tmp_path / "home").exists()
    home, _ = home_there
    refused(kakehashi("case", "list", "--home", home, PYTHONPATH=str(blocked)), remedy)


# An older home.


@pytest.fixture
def old_home(pristine_world, world, url):
    """A home on PostgreSQL as the second schema kept it."""
    store, new = Store.open(url), Store.open(sqlite_url(pristine_world / "store.db"))
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(ca.store.schema.__file__).parent / "migrations"))
    with store.writing() as connection, new.reading() as there:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0002")
        old = MetaData()
        old.reflect(connection)
        for table in old.sorted_tables:
            if table.name == "alembic_version":
                continue
            rows = [dict(row) for row in there.execute(metadata.tables[table.name].select()).mappings()]
            raw = [
                {name: row[name] for name in table.c.keys() & row.keys()}  # moments are numbers there
                for row in rows
            ]
            for row, before in zip(raw, rows, strict=True):
                for name, value in row.items():
                    if isinstance(value, datetime):
                        row[name] = metadata.tables[table.name].c[name].type.process_bind_param(value, None)
                if table.name == "offices":
                    row["authority"] = before["authorities"] or None
            connection.execute(table.delete())
            if raw:
                connection.execute(table.insert(), raw)
        connection.execute(old.tables["certificates"].insert().values(OLD_CERTIFICATES))
        octets = {ID: encoded(pristine_world), OTHER: TBS[OTHER]}
        rows = [
            {"generation": str(one.generation), "serial": one.serial.octets, "encoded": some}
            for one, some in octets.items()
        ]
        connection.execute(old.tables["certificate_bytes"].insert(), rows)
    store.close()
    new.close()
    (world / "store.db").unlink()
    description = (world / "home.toml").read_text()
    lines = [line for line in description.splitlines(keepends=True) if not line.startswith("id =")]
    lines.insert(1, f'database = "{url}"\n')
    (world / "home.toml").write_text("".join(lines))
    return world


def test_an_older_home_says_what_to_do_and_an_upgraded_one_works(old_home, pristine_world, url):
    refused(run("officer", "list", "--home", old_home), "older than this version's", "kakehashi upgrade")
    done(run("upgrade", "--home", old_home))
    store = Store.open(url)
    assert store.schema() == SCHEMA
    with store.reading() as connection:
        held, _ = holdings.of_holder(connection, HOLDER)
        assert (held.certificate, held.subject_key, held.scope) == (ID, KEY, "signature-131016")
        assert certificates.find(connection, ID).encoded == encoded(pristine_world)
        assert officers.office(connection, "131016").authorities == ("jpki-13",)
        assert officers.office(connection, "centre").authorities == ()
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    store.close()
    done(run("client", "add", "register", "--home", old_home))
    done(run("list", "publish", "--home", old_home))
    done(run("upgrade", "--home", old_home))
    assert not (old_home / "store.db").exists()


def test_what_fails_in_a_copy_is_a_failure_of_the_storage_and_does_not_quote_the_row(store):
    datum = "of a person "
    values = (datum * 10, "jpki-13.g1", b"\1" * 20)
    with pytest.raises(StorageFailed) as failed, store.writing() as connection:
        insert_rows(connection, insert(holdings_table), ("kind", "generation", "serial"), [values])
    assert datum not in str(failed.value)
