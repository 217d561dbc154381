"""The store: one schema whichever way it is made, no lost update, no half transaction, and errors that say what to do."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, create_engine, event, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

import ca.store.schema
from ca.errors import Conflict, HomeBusy, HomeRefused, HomeTooNew, NotFound, StorageFailed
from ca.model import (
    FULL,
    CertificateId,
    CertificateKind,
    GenerationId,
    OfficeId,
    Officer,
    OfficerId,
    RevocationReason,
    Role,
    Scope,
)
from ca.rules.registration import State
from ca.store import applications, authorities, certificates, lists, officers, revocations
from ca.store.contents import Contents, blocks
from ca.store.engine import SCHEMA, Store, sqlite_url
from ca.store.schema import migrate
from ca.store.tables import Moment, counters, metadata
from ca.store.tables import revocations as revocations_table
from tests.builders import revocation_of
from tests.ended import record_end
from tests.engine_world import (
    NOW,
    POST,
    RESIDENT,
    TOWN,
    EngineWorld,
    Running,
    append,
    csr_for,
    engine_world,
    lines,
    new_database,
    opened,
)

TOTTORI = GenerationId.parse("jpki-31.g1")
PARTITION = Scope("signature-312011")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(new_database(tmp_path))
    migrate(made)
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


# The schema.


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(ca.store.schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def shape(store: Store) -> dict[str, object]:
    """What SQLite itself says of each table: columns, keys, indexes, references, and whether it has row ids."""
    with store.reading() as connection:
        tables = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'")).all()
        found: dict[str, object] = {}
        for name, sql in tables:
            if name == "alembic_version":
                continue
            columns = connection.execute(text(f"PRAGMA table_info({name})")).all()
            indexes = connection.execute(text(f"PRAGMA index_list({name})")).all()
            references = connection.execute(text(f"PRAGMA foreign_key_list({name})")).all()
            found[name] = (
                sorted((c.name, c.type, c.notnull, c.pk) for c in columns),
                sorted(
                    (
                        index.unique,
                        index.origin,
                        index.partial,
                        index.name if index.origin == "c" else "",
                        tuple(c.name for c in connection.execute(text(f"PRAGMA index_info({index.name})"))),
                    )
                    for index in indexes
                ),
                sorted((r.table, r._mapping["from"], r.to) for r in references),
                "WITHOUT ROWID" in sql,
            )
        return found


def test_the_migrations_lead_to_the_tables(store: Store) -> None:
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == SCHEMA


def test_the_migrations_make_what_the_tables_would_make(store: Store, tmp_path: Path) -> None:
    other = Store.open(sqlite_url(tmp_path / "other.db"))
    with other.writing() as connection:
        metadata.create_all(connection)
    assert shape(store) == shape(other)
    assert shape(store).keys() == set(metadata.tables)
    other.close()


def test_the_schema_is_the_newest_migration_and_they_stand_in_a_line() -> None:
    history = list(scripts().walk_revisions())
    numbers = [script.revision for script in reversed(history)]
    assert scripts().get_heads() == [SCHEMA]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert [script.down_revision for script in reversed(history)] == [None, *numbers[:-1]]


def test_a_second_migration_changes_nothing(store: Store) -> None:
    before = shape(store)
    migrate(store)
    assert shape(store) == before


def migrate_and_die(path: Path, crossing: int) -> None:
    count = itertools.count()
    store = Store.open(sqlite_url(path))

    @event.listens_for(store.engine, "before_cursor_execute")
    def _cross(*_: object) -> None:
        if next(count) == crossing:
            os.kill(os.getpid(), signal.SIGKILL)

    migrate(store)


@pytest.mark.parametrize("crossing", [2, 9, 25])
def test_a_migration_is_whole_or_not_there(tmp_path: Path, crossing: int) -> None:
    assert Running(migrate_and_die, tmp_path / "store.db", crossing).wait() == -signal.SIGKILL
    store = Store.open(sqlite_url(tmp_path / "store.db"))
    assert shape(store) == {}
    migrate(store)
    store.require_schema()
    store.close()


@pytest.mark.parametrize(
    ("version", "error"), [("9999", HomeTooNew), ("0000", HomeRefused)], ids=["newer", "older"]
)
def test_another_schema_is_refused(store: Store, version: str, error: type[Exception]) -> None:
    store.require_schema()
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": version})
    with pytest.raises(error, match=version):
        store.require_schema()


def test_a_store_without_a_schema_is_refused(tmp_path: Path) -> None:
    store = Store.open(new_database(tmp_path))
    with pytest.raises(HomeRefused, match="no schema"):
        store.require_schema()
    store.close()


# Transactions.


def url_of(store: Store) -> str:
    return store.engine.url.render_as_string(hide_password=False)


def count_to(store: Store, name: str) -> int | None:
    with store.reading() as connection:
        return connection.execute(
            select(counters.c.value).where(counters.c.name == name)
        ).scalar_one_or_none()


@pytest.mark.parametrize("error", [RuntimeError("a slip"), Conflict("it", "is so"), KeyboardInterrupt()])
def test_a_transaction_that_fails_keeps_nothing(store: Store, error: BaseException) -> None:
    def fail() -> None:
        with store.writing() as connection:
            connection.execute(insert(counters).values(name="a", value=1))
            raise error

    with pytest.raises(type(error)) as raised:
        fail()
    assert raised.value is error
    assert count_to(store, "a") is None
    with store.writing() as connection:  # and the store is free again
        connection.execute(insert(counters).values(name="a", value=2))
    assert count_to(store, "a") == 2


def test_a_reader_sees_one_state(store: Store) -> None:
    with store.reading() as reading:
        before = reading.execute(select(func.count()).select_from(counters)).scalar_one()
        with store.writing() as connection:
            connection.execute(insert(counters).values(name="a", value=1))
        assert reading.execute(select(func.count()).select_from(counters)).scalar_one() == before
    assert count_to(store, "a") == 1


def test_every_connection_is_durable_and_checks_references(store: Store) -> None:
    for _ in range(3):
        with store.reading() as one, store.reading() as other:
            for connection in (one, other):
                values = [
                    connection.execute(text(f"PRAGMA {name}")).scalar_one()
                    for name in ("journal_mode", "synchronous", "foreign_keys")
                ]
                assert values == ["wal", 2, 1]  # 2: FULL


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    store = Store.open(sqlite_url(tmp_path / "store.db"))
    migrate(store)
    store.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["store.db"]


def add_up(url: str, times: int) -> None:
    store = Store.open(url)
    for _ in range(times):
        with store.writing() as connection:
            value = connection.execute(select(counters.c.value).where(counters.c.name == "a")).scalar_one()
            connection.execute(update(counters).where(counters.c.name == "a").values(value=value + 1))
    store.close()


def test_processes_that_read_and_then_update_lose_nothing(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(insert(counters).values(name="a", value=0))
    running = [Running(add_up, url_of(store), 50) for _ in range(4)]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    assert count_to(store, "a") == 200


# The revocation sequence.


def revoke_some(url: str, first: int, count: int) -> None:
    store = Store.open(url)
    for number in range(first, first + count):
        with store.writing() as connection:
            write_revocation(connection, number)
    store.close()


def write_revocation(connection, number: int, *, reason=RevocationReason.SUPERSEDED, entry=b"e") -> int:
    revocation = revocation_of(number, reason=reason)
    certificate = CertificateId(TOTTORI, revocation.serial)
    return record_end(connection, certificate, PARTITION, revocation, entry=entry, at=NOW)


def test_the_revocation_sequence_has_commit_order(store: Store) -> None:
    """Who has seen number n has seen every number below it: nothing commits later with a lower one."""
    running = [Running(revoke_some, url_of(store), 1000 * n, 40) for n in range(3)]
    seen: list[tuple[int, int, int]] = []
    done = threading.Event()

    def watch() -> None:
        table = revocations_table.c
        while not done.is_set():
            with store.reading() as connection:
                newest, rows = connection.execute(
                    select(func.coalesce(func.max(table.sequence), 0), func.count(table.sequence))
                ).one()
                seen.append((newest, rows, revocations.sequence(connection)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert [process.wait() for process in running] == [0, 0, 0]
    done.set()
    watcher.join()
    assert all(newest == rows == sequence for newest, rows, sequence in seen)
    assert len(set(seen)) > 3, "the watcher looked while the others wrote"
    with store.reading() as connection:
        assert revocations.sequence(connection) == 120


def test_a_rolled_back_revocation_uses_no_number(store: Store) -> None:
    numbers = []

    def fail() -> None:
        with store.writing() as connection:
            numbers.append(write_revocation(connection, 1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert numbers == [1]
    with store.writing() as connection:
        assert write_revocation(connection, 2) == 1


def test_a_revocation_takes_the_place_of_the_certificates_earlier_one(store: Store) -> None:
    with store.writing() as connection:
        for number in (3, 1, 2):
            write_revocation(connection, number, entry=b"%d" % number)
        held = write_revocation(connection, 2, reason=RevocationReason.CERTIFICATE_HOLD, entry=b"hold")
        ended = write_revocation(connection, 2, reason=RevocationReason.KEY_COMPROMISE, entry=b"end")
        assert (held, ended) == (4, 5)
        for scope in (PARTITION, FULL):
            assert list(blocks(connection, Contents(TOTTORI, scope))) == [b"1end3"]  # by serial
        for generation, scope in (
            (GenerationId.parse("jpki-31.g2"), FULL),
            (TOTTORI, Scope("signature-312029")),
        ):
            assert list(blocks(connection, Contents(generation, scope))) == []


@given(
    st.lists(st.integers(1, (1 << 159) - 1), unique=True, max_size=20),
)
def test_entries_ascend_as_numbers_do(values: list[int]) -> None:
    """Serials are kept as octets of one length, so that the order of octets is the order of numbers."""
    octets = [revocation_of(serial=certificates.Serial(value)).serial.octets for value in values]
    assert [int.from_bytes(one, "big") for one in sorted(octets)] == sorted(values)


# Case numbers.


def file_some(folder: Path, first: int, count: int, numbers: Path) -> None:
    with opened(folder) as world:
        for key in range(first, first + count):
            csrs = {CertificateKind.SIGNATURE: csr_for(key)}
            append(numbers, world.filed(csrs=csrs).case.id.encode())


def test_case_numbers_have_no_gaps_and_no_twins(world: EngineWorld, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    running = [Running(file_some, world.folder, 1000 * n, 12, numbers) for n in range(1, 4)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert sorted(lines(numbers)) == [f"{TOWN}-{number:06}".encode() for number in range(1, 37)]


def test_each_office_counts_its_own_cases(world: EngineWorld) -> None:
    signature = (CertificateKind.SIGNATURE,)
    neighbour = replace(RESIDENT, municipality=OfficeId("312029"))
    cases = [
        world.filed(kinds=signature).case.id,
        world.filed(neighbour, signature, officer="other-window").case.id,
        world.filed(kinds=signature).case.id,
        world.filed(POST, (CertificateKind.OFFICIAL_POST,)).case.id,
    ]
    assert cases == ["312011-000001", "312029-000001", "312011-000002", "ministry-1-000001"]


def test_case_numbers_go_on_after_a_million(world: EngineWorld) -> None:
    application = world.filed(kinds=(CertificateKind.SIGNATURE,))
    for number in ("312011-999999", "312011-1000000"):
        with world.store.writing() as connection:
            csrs = world.csrs(CertificateKind.SIGNATURE)
            request = replace(application.requests[0], public_key=csrs[CertificateKind.SIGNATURE])
            case = replace(application.case, id=applications.ApplicationId(number))
            applications.add(connection, replace(application, case=case, requests=(request,)))
            following = applications.next_id(connection, application.case.office)
        assert int(following.rpartition("-")[2]) == int(number.rpartition("-")[2]) + 1


# Nouns: what goes in comes out.


@pytest.mark.parametrize("applicant", [RESIDENT, POST], ids=["resident", "post"])
def test_an_application_comes_out_as_it_went_in(world: EngineWorld, applicant) -> None:
    kind = CertificateKind.OFFICIAL_POST if applicant is POST else CertificateKind.SIGNATURE
    filed = world.filed(applicant, (kind,), at=NOW.replace(microsecond=123_456))
    with world.store.reading() as connection:
        assert applications.find(connection, filed.case.id) == filed
        assert applications.of_office(connection, None) == [filed.case]
        assert applications.of_office(connection, filed.case.office) == [filed.case]
        assert applications.of_office(connection, OfficeId("312029")) == []
        with pytest.raises(NotFound):
            applications.find(connection, "312011-000009")


def test_a_certificate_comes_out_as_it_went_in(world: EngineWorld) -> None:
    issued = world.issued()
    for item in issued.values():
        with world.store.reading() as connection:
            found = certificates.find(connection, item.id)
            assert found == item.record
            assert (found.state, found.encoded) == (certificates.CertificateState.ISSUED, item.encoded)
            assert certificates.intended(connection) == []


def test_what_is_not_there_is_named(world: EngineWorld) -> None:
    nowhere = CertificateId(TOTTORI, certificates.Serial(1))
    other = GenerationId.parse("jpki-31.g2")
    with world.store.reading() as connection:
        for look, name in (
            (lambda: certificates.find(connection, nowhere), f"{nowhere}"),
            (lambda: authorities.generation(connection, other), "jpki-31.g2"),
            (lambda: authorities.issuing_generation(connection, "jpki-13"), "jpki-13"),
            (lambda: lists.place(connection, TOTTORI, Scope("signature-131016")), "signature-131016"),
            (lambda: officers.officer(connection, "nobody"), "nobody"),
            (lambda: officers.office(connection, "131016"), "131016"),
        ):
            with pytest.raises(NotFound) as raised:
                look()
            assert name in raised.value.place


def test_an_officer_is_added_once(world: EngineWorld) -> None:
    officer = Officer(OfficerId("ito"), OfficeId("centre"), frozenset({Role.OPERATOR, Role.APPROVER}))
    with world.store.writing() as connection:
        officers.add_officer(connection, officer)
    with world.store.reading() as connection:
        assert officers.officer(connection, "ito")[0] == officer
    with pytest.raises(Conflict), world.store.writing() as connection:
        officers.add_officer(connection, replace(officer, roles=frozenset({Role.EXAMINER})))


def test_offices_and_places_stay_as_they_are(world: EngineWorld) -> None:
    with world.store.writing() as connection:
        places = lists.places_of(connection, TOTTORI)
        office = officers.office(connection, TOWN)
        lists.add_places(connection, TOTTORI, places)
        officers.add_offices(connection, [replace(office, name="another")])
        assert lists.places_of(connection, TOTTORI) == places
        assert officers.office(connection, TOWN) == office


def test_a_rejected_application_gives_its_key_free(world: EngineWorld) -> None:
    filed = world.filed(kinds=(CertificateKind.SIGNATURE,))
    key = filed.requests[0].public_key
    with world.store.reading() as connection:
        assert applications.with_public_keys(connection, [key]) == {key: filed.case.id}
    world.registration.reject(filed.case.id, "window-2", at=NOW)
    with world.store.reading() as connection:
        assert applications.find(connection, filed.case.id).case.state is State.REJECTED
        assert applications.with_public_keys(connection, [key]) == {}


# Moments.

MOMENTS = st.datetimes(
    timezones=st.sampled_from(
        [UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-11, minutes=-30))]
    ),
    allow_imaginary=False,
).filter(lambda moment: 1 < moment.year < 9999)
_TABLE = Table("moments", MetaData(), Column("it", Moment))


@given(st.lists(MOMENTS, min_size=1, max_size=5))
@example([datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)])
def test_moments_come_out_as_they_went_in_and_in_their_order(moments: list[datetime]) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        _TABLE.create(connection)
        connection.execute(insert(_TABLE), [{"it": moment} for moment in moments])
        found = connection.execute(select(_TABLE.c.it).order_by(_TABLE.c.it)).scalars().all()
        assert found == sorted(moments)
        assert all(moment.tzinfo is UTC for moment in found)
        assert set(connection.execute(text("SELECT typeof(it) FROM moments")).scalars()) == {"integer"}
    engine.dispose()


def test_no_moment_stays_none() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        _TABLE.create(connection)
        connection.execute(insert(_TABLE).values(it=None))
        assert connection.execute(select(_TABLE.c.it)).scalar_one() is None
    engine.dispose()


# Errors of the database become ours.


def test_a_store_that_another_keeps_locked_is_busy(store: Store) -> None:
    impatient = Store.open(url_of(store), busy_timeout_ms=20)
    with store.writing() as connection:
        connection.execute(insert(counters).values(name="a", value=1))
        with pytest.raises(HomeBusy) as raised, impatient.writing():
            pass
        assert count_to(impatient, "a") is None  # readers are not kept waiting
    assert raised.value.remedy
    assert count_to(impatient, "a") == 1
    impatient.close()


def test_a_full_disk_keeps_nothing_and_says_so(store: Store) -> None:
    def fill(connection) -> None:
        connection.execute(insert(counters), [{"name": f"{n}", "value": n} for n in range(20_000)])

    @event.listens_for(store.engine, "checkout")
    def _small(connection, *_: object) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    with pytest.raises(StorageFailed, match="full") as raised, store.writing() as connection:
        fill(connection)
    event.remove(store.engine, "checkout", _small)
    assert "INSERT" not in str(raised.value)
    store.engine.dispose()  # with the disk's room back
    with store.writing() as connection:
        names = connection.execute(select(counters.c.name)).scalars().all()
        assert names == ["revocation-sequence"]
        fill(connection)


def test_a_disk_that_may_not_be_written_says_so(store: Store) -> None:
    event.listen(store.engine, "checkout", lambda one, *_: one.execute("PRAGMA query_only = ON"))
    with pytest.raises(StorageFailed, match="readonly"), store.writing() as connection:
        connection.execute(insert(counters).values(name="a", value=1))


def damaged(path: Path) -> None:
    """Whatever stands behind the first page is gone."""
    octets = path.read_bytes()
    path.write_bytes(octets[:4096] + b"\xaa" * (len(octets) - 4096))


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"this is not a database, " * 1000),
        damaged,
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["not a database", "damaged", "a directory"],
)
def test_a_store_that_is_none_says_so(tmp_path: Path, harm) -> None:
    path = tmp_path / "store.db"
    store = Store.open(sqlite_url(path))
    migrate(store)
    with store.writing() as connection:
        connection.execute(insert(counters).values(name="a", value=1))
    store.close()
    harm(path)
    store = Store.open(sqlite_url(path))
    with pytest.raises(StorageFailed) as raised:
        count_to(store, "a")
    assert str(path) in raised.value.place
    with pytest.raises(StorageFailed), store.writing() as connection:
        connection.execute(insert(counters).values(name="b", value=1))
    store.close()


def test_a_store_in_no_directory_says_so(tmp_path: Path) -> None:
    store = Store.open(sqlite_url(tmp_path / "nowhere" / "store.db"))
    with pytest.raises(StorageFailed, match="unable to open"), store.reading():
        pass
    store.close()


def test_a_slip_of_the_code_stays_what_it_is(store: Store) -> None:
    """A broken reference is no fault of the storage, and is not told as one."""
    officer = Officer(OfficerId("ito"), OfficeId("nowhere"), frozenset({Role.OPERATOR}))
    with pytest.raises(IntegrityError), store.writing() as connection:
        officers.add_officer(connection, officer)
