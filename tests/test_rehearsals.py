"""Rehearsals of a migration: on a copy of the home, while others go on in it, and never a stroke in its own files."""

from __future__ import annotations

import hashlib
import shutil
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bridge.migrating.plan import Generation
from bridge.migrating.running.doing import Order
from bridge.migrating.running.rehearsal import SAMPLES
from bridge.migrating.running.reissue import held
from ca.errors import Conflict, KeyRefused
from ca.journal import archive, journal
from ca.journal.entries import KeyStepEntry
from ca.journal.journal import records
from ca.keys.beside_token import BesideToken
from ca.keys.session import TokenAddress
from ca.keys.signer import verify
from ca.keys.token import TokenVault
from ca.keys.vault import KeyId
from ca.model import RESIDENT_KINDS, partition_scope
from ca.rules.validity import japanese_day
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.tables import metadata
from ca.suites import ML_DSA_65, SHA256_P256, SHA384_P384
from front.assembly import open_world
from front.rehearsing import copying
from front.rehearsing.copying import alone, copied
from front.rehearsing.rehearsal import rehearse
from front.rehearsing.reports import Report
from tests import commands, test_migrate_run
from tests.engine_world import Running, append, copy_of, lines, preload, put_back
from tests.postgresql import server
from tests.softhsm import LABEL, PIN, SoftHsm
from tests.test_migrate_run import (
    BEGUN,
    DUE,
    FIRST,
    OFFICERS,
    OLD,
    PASSPHRASE,
    RUN,
    TOWN,
    TWO,
    carried_out,
    clock,
    issue,
    migrating,
    moment_of,
    reasons,
    rows_of,
    run,
    written,
)

preload(__name__)
pristine, home = test_migrate_run.pristine, test_migrate_run.home


def reports(home: Path) -> list[Report]:
    """What is kept of rehearsals, in the order of the journal's records that they saw."""
    found = [
        msgspec.json.decode(path.read_bytes(), type=Report) for path in home.glob("reports/rehearsal-*.json")
    ]
    return sorted(found, key=lambda one: one.count)


def steps_of(home: Path) -> list[KeyStepEntry]:
    return [one.entry for one in records(home / "journal") if isinstance(one.entry, KeyStepEntry)]


def kept(home: Path) -> dict[str, str | None]:
    """The SHA-256 of every file of a home that a rehearsal might reach; its database is compared by rows."""
    return {
        path: None if octets is None else hashlib.sha256(octets).hexdigest()
        for path, octets in commands.tree(home).items()
        if not path.startswith(("reports", "store.db"))
    }


def nothing(*_: object) -> None:
    """A progress that nobody looks at."""


# The home stays as it is.


def test_a_rehearsal_leaves_the_home_as_it_is(home):
    plan = written(home.parent)
    commands.done(run("officer", "list", "--home", home))
    files, rows = kept(home), rows_of(home)
    told = commands.done(run("migrate", "run", plan, "--rehearse", "--home", home, "--clock", DUE, "--json"))
    assert (kept(home), rows_of(home)) == (files, rows)
    samples = told.json["samples"]
    assert {one["agreement"] for one in samples} == {"as planned"}
    assert {one["key"] for one in samples} == {
        "gpki-bca.old",
        "jpki-bridge.old",
        "gpki-post.old",
        "jpki-31.old",
    }
    assert {one["found"] for one in samples} == {"valid"}
    assert sum(one["key"] == "jpki-31.old" for one in samples) == SAMPLES + 1


def test_what_the_copy_writes_never_gets_into_a_file_of_the_home(home, monkeypatch):
    """Journal and archive in many files: those before the last are one and the same in both, and stay as they are."""
    monkeypatch.setattr(journal, "SEGMENT", 3_000)
    monkeypatch.setattr(archive, "SEGMENT", 3_000)
    with migrating(home, published=False) as (world, migration):
        carried_out(migration, upto="new-with-old of gpki-bca.new")
        task = migration.next(FIRST)
        at = moment_of(migration.plan, task)
        files, rows = kept(home), rows_of(home)
        with copied(world) as (copy, head):
            assert head == copy.stores.journal.head() == world.stores.journal.head()
            for kind in ("journal/*.jsonl", "archive/*.bodies"):
                *sealed, last = sorted(home.glob(kind))
                there = [copy.home.folder / path.relative_to(home) for path in (*sealed, last)]
                assert len(sealed) > 1
                assert [one.samefile(other) for one, other in zip((*sealed, last), there, strict=True)] == [
                    *(True for _ in sealed),
                    False,
                ]
            assert not (copy.home.archive / "slots").samefile(home / "archive/slots")
        report = rehearse(world, migration, task.day, 1, at, nothing)
        assert len(report.tasks) == 6
        assert (kept(home), rows_of(home)) == (files, rows)
        assert world.stores.journal.verify() == head
        migration.carry_out(task, Order(TWO), at)


# Others go on.


def issue_and_revoke(home: Path) -> None:
    """What a window and the centre do meanwhile."""
    with open_world(home, lambda: PASSPHRASE) as world:
        issue(world, 8)
        before = min(one.certificate for one in held_by_old(world))
    words = ("revoke", before, "--reason", "keyCompromise", "--officer", "ito", "--home", home)
    commands.done(commands.run(*words, "--clock", DUE, KAKEHASHI_PASSPHRASE=PASSPHRASE))


def held_by_old(world):
    with world.stores.reading() as reading:
        scopes = [partition_scope(kind, TOWN) for kind in RESIDENT_KINDS]
        return list(held(reading, [OLD], scopes, FIRST))


PARTS = ["_copy_journal", "_copy_archive", "_back_up"]


@pytest.mark.parametrize("part", PARTS)
def test_others_issue_and_revoke_while_a_home_is_copied(home, monkeypatch, part):
    """Another process does both, from beginning to end, before this one goes on; the copy knows nothing of it."""
    real = getattr(copying, part)

    def meanwhile(*arguments: object) -> None:
        assert Running(issue_and_revoke, home).wait() == 0
        real(*arguments)

    monkeypatch.setattr(copying, part, meanwhile)
    with migrating(home) as (world, migration):
        before, holders = world.stores.journal.head(), len(held_by_old(world))
        with copied(world) as (copy, head):
            assert head == before == copy.stores.journal.head()
            assert copy.stores.catch_up() == 0, "databases and journal are of one moment"
            assert (len(held_by_old(copy)), reasons(copy, OLD)) == (holders, [])
            assert copy.stores.journal.archive.read(1) == world.stores.journal.archive.read(1)
        assert world.stores.journal.head().count > before.count
        assert (len(held_by_old(world)), len(reasons(world, OLD))) == (holders + 1, 1)
        monkeypatch.undo()
        at = FIRST + timedelta(minutes=5)
        report = rehearse(world, migration, japanese_day(at), 1, at, nothing)
        assert {one["agreement"] for one in report.rows()} == {"as planned"}


def rehearse_and_wait(folder: Path, part: str | None) -> None:
    def wait(*_: object) -> None:
        append(folder / "there", b"copying")
        time.sleep(60)

    if part is not None:
        setattr(copying, part, wait)
    with migrating(folder / "home") as (world, _), alone(world.home), copied(world):
        wait()


@pytest.mark.parametrize("part", ["_copy_archive", None])
def test_what_a_killed_rehearsal_left_is_gone_with_the_next(home, tmp_path, part):
    commands.done(run("officer", "list", "--home", home))
    files, rows = kept(home), rows_of(home)
    process = Running(rehearse_and_wait, tmp_path, part)
    while not lines(tmp_path / "there"):
        assert process.runs()
        time.sleep(0.01)
    process.kill()
    (left,) = home.glob("rehearsal-*")
    assert any(left.rglob("*"))
    told = run("migrate", "run", written(tmp_path), "--rehearse", "--home", home, "--clock", DUE)
    assert "Rehearsed: make-key of gpki-bca.new, and 5 tasks behind it" in commands.done(told).stdout
    assert list(home.glob("rehearsal-*")) == []
    assert (kept(home), rows_of(home)) == (files, rows)


def test_two_do_not_migrate_one_home_at_once(home, tmp_path):
    with open_world(home, lambda: PASSPHRASE) as world, alone(world.home):
        words = ("migrate", "run", written(tmp_path), "--rehearse", "--home", home, "--clock", DUE)
        commands.refused(run(*words), "is migrated by another process")


# A day's tasks in one copy.

FIRST_DAY = [
    f"{step} of {name}.new"
    for name in ("gpki-bca", "jpki-bridge", "gpki-post")
    for step in ("make-key", "new-with-new")
]


def test_a_days_tasks_are_rehearsed_once_and_done_one_by_one(home, tmp_path):
    plan = written(tmp_path)
    digest = hashlib.sha256(plan.read_bytes()).hexdigest()
    words = ("migrate", "run", plan, "--home", home, "--json")
    at = [clock(FIRST + timedelta(minutes=5 * number)) for number in range(3)]
    rehearsed = commands.done(run(*words, "--rehearse", "--clock", at[0])).json
    assert sorted(rehearsed["tasks"]) == sorted(FIRST_DAY)
    for moment, task in zip(at, rehearsed["tasks"], strict=False):
        (done,) = commands.done(run(*words, *RUN, "--clock", moment)).json["done"]
        assert (done["task"], done["rehearsal"]) == (task, rehearsed["sha256"])
    (report,) = reports(home)
    assert list(report.tasks) == rehearsed["tasks"]
    steps = steps_of(home)
    done = [one.step for one in steps if one.step != "plan"]
    assert done == [one.split()[0] for one in rehearsed["tasks"][: len(at)]]
    for step in steps:
        assert f"sha256:{digest}" in step.evidence
        assert "by ito and endo" in step.evidence
        assert f"rehearsal sha256:{rehearsed['sha256']}" in step.evidence


def test_all_that_is_due_is_rehearsed_in_one_copy(home, tmp_path):
    words = ("migrate", "run", written(tmp_path), *RUN, "--due", "--home", home, "--json")
    told = commands.done(run(*words, "--clock", "2029-09-02T01:00Z")).json
    (report,) = reports(home)
    assert list(report.tasks) == [row["task"] for row in told["done"]]
    assert [day.day for day in report.days] == [f"2029-09-{day}" for day in ("01", "02")]
    assert {one["agreement"] for one in report.rows()} == {"as planned"}
    (path,) = home.glob("reports/rehearsal-*.json")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert {row["rehearsal"] for row in told["done"]} == {digest}
    assert all(one.evidence.endswith(f"rehearsal sha256:{digest}") for one in steps_of(home))


# For how long a report holds.


def test_a_report_of_fewer_samples_is_not_enough_and_none_is_written_over(home, tmp_path):
    words = ("migrate", "run", written(tmp_path), "--home", home, "--json")
    few = commands.done(run(*words, "--rehearse", "--samples", 0, "--clock", DUE)).json
    assert not any(
        one["key"] == "jpki-31.old" and one["certificate"] in of_holders(home) for one in few["samples"]
    )
    (done,) = commands.done(run(*words, *RUN, "--clock", DUE)).json["done"]
    assert done["rehearsal"] != few["sha256"]
    # What others write in the journal ends it; fewer samples than it has do not.
    later = clock(FIRST + timedelta(minutes=5))
    again = commands.done(run(*words, "--rehearse", "--samples", 1, "--clock", later)).json
    assert again["sha256"] == done["rehearsal"]
    with open_world(home, lambda: PASSPHRASE) as world:
        issue(world, 5)
    anew = commands.done(run(*words, "--rehearse", "--clock", later)).json
    assert anew["sha256"] != done["rehearsal"]
    digests = {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in home.glob("reports/rehearsal-*.json")
    }
    assert digests == {done["rehearsal"], anew["sha256"]}
    assert [one.samples for one in reports(home)] == [SAMPLES, SAMPLES]


def of_holders(home: Path) -> set[str]:
    with open_world(home, lambda: PASSPHRASE) as world:
        return {str(one.certificate) for one in held_by_old(world)}


def test_a_rehearsal_that_fails_stops_the_run(home, tmp_path):
    words = ("migrate", "run", written(tmp_path), *RUN, "--home", home)
    commands.done(run(*words, "--unrehearsed", "--clock", DUE))
    spoilt = [
        *(home / "repository/g/gpki-bca.g1/crl").rglob("arl*.crl"),
        *(home / "repository/g/gpki-bca.g1/crl/arl").iterdir(),
    ]
    assert len(spoilt) > 1
    for file in spoilt:
        file.write_bytes(b"0")
    before = rows_of(home)
    later = clock(FIRST + timedelta(minutes=5))
    for _ in range(2):  # a report that did not pass holds for nothing
        commands.refused(
            run(*words, "--clock", later),
            "rehearsal of new-with-new of gpki-post.new of 2029-09-01, and of 4 tasks before it",
            "gpki-bca.old",
            "refused",
        )
    assert rows_of(home) == before


def test_what_is_refused_amid_a_day_does_not_keep_back_what_comes_before(home):
    """On one day two keys are to retire; of the second one holders are left."""
    with migrating(home, published=False) as (world, migration):
        at = carried_out(migration, upto="retire of gpki-post.old")
        task = migration.next(at)
        at = moment_of(migration.plan, task) + timedelta(hours=1)
        report = rehearse(world, migration, japanese_day(at), 1, at, nothing)
        assert report.tasks == (task.name,)
        migration.carry_out(task, Order(TWO), at)
        with pytest.raises(Conflict, match="6 certificates that it issued are still valid"):
            rehearse(world, migration, japanese_day(at), 1, at, nothing)


REHEARSED = {"2029-09-01", "2029-09-20", "2029-09-24", "2030-03-01", "2031-04-01"}


@pytest.mark.long
def test_at_every_turn_the_copy_does_what_the_simulation_says(home):
    """What is really issued and published is verified from the old anchor and the new one."""
    told = {}
    with migrating(home, published=False) as (world, migration):
        at = FIRST
        while (task := migration.next(at)) is not None and len(told) < len(REHEARSED):
            at = moment_of(migration.plan, task)
            day = str(task.day)
            if day in REHEARSED and day not in told:
                (told[day],) = rehearse(world, migration, task.day, 1, at, nothing).days
            migration.carry_out(task, Order(TWO), at)
    for day, report in told.items():
        assert {one.agreement for one in report.samples} == {"as planned"}, day
    assert [len(told[day].tasks) > 1 for day in ("2029-09-01", "2029-09-20", "2029-09-24")] == [True] * 3
    verdicts = {(one.anchor, one.key): one.found for one in told["2030-03-01"].samples}
    assert verdicts.keys() >= {
        (f"gpki-bca.{one}", f"jpki-31.{other}") for one in Generation for other in Generation
    }
    assert set(verdicts.values()) == {"valid"}
    assert ("gpki-bca.new", "jpki-31.old") in {(one.anchor, one.key) for one in told["2029-09-20"].samples}


# Where keys and databases lie elsewhere.


@pytest.fixture
def hsm(tmp_path, monkeypatch):
    made = SoftHsm.make(tmp_path / "hsm")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def test_new_keys_beside_a_token_are_never_in_it(hsm):
    token = TokenVault.make(TokenAddress(hsm.module, LABEL), "0123456789abcdef", PIN)
    old = token.create(KeyId("jpki-31.g1"), SHA256_P256)
    before = dict(hsm.octets())
    beside = BesideToken(token)
    assert beside.create(KeyId("jpki-31.g1"), SHA256_P256).public_key == old.public_key
    new = beside.create(KeyId("jpki-31.g2"), SHA384_P384)
    assert beside.create(KeyId("jpki-31.g2"), SHA384_P384).public_key == new.public_key
    for key, suite in (("jpki-31.g1", SHA256_P256), ("jpki-31.g2", SHA384_P384)):
        signer = beside.signer(KeyId(key))
        verify(signer.public_key, suite, b"a list", signer.sign(b"a list", suite))
    assert beside.code_key() == token.code_key()
    for key, suite in (("jpki-31.g2", SHA256_P256), ("jpki-31.g3", ML_DSA_65)):
        with pytest.raises(KeyRefused):
            beside.create(KeyId(key), suite)
    assert dict(hsm.octets()) == before
    with pytest.raises(KeyRefused):
        token.signer(KeyId("jpki-31.g2"))
    beside.close()
    with pytest.raises(KeyRefused):
        beside.signer(KeyId("jpki-31.g2"))
    token.close()


def test_a_home_whose_keys_lie_in_a_token_is_rehearsed_and_makes_none_there(home, hsm, tmp_path):
    made = tmp_path / "in-token"
    shutil.copy(home / "edition.toml", tmp_path / "edition.toml")
    for table in home.glob("*.csv"):
        shutil.copy(table, tmp_path)
    pin = partial(commands.run, KAKEHASHI_PASSPHRASE=PIN)
    token = ("--token", hsm.module, "--token-label", LABEL)
    commands.done(
        pin("init", "--edition", tmp_path / "edition.toml", "--home", made, "--clock", BEGUN, *token)
    )
    for name, office, role in OFFICERS:
        commands.done(pin("officer", "add", name, "--office", office, "--role", role, "--home", made))
    objects = sorted(path.name for path, _ in hsm.octets())
    words = ("migrate", "run", written(tmp_path), "--home", made, "--clock", DUE, "--json")
    told = commands.done(pin(*words, "--rehearse")).json
    assert sorted(told["tasks"]) == sorted(FIRST_DAY)
    assert {one["agreement"] for one in told["samples"]} == {"as planned"}
    assert sorted(path.name for path, _ in hsm.octets()) == objects
    (done,) = commands.done(pin(*words, *RUN)).json["done"]
    assert (done["task"], done["rehearsal"]) == (told["tasks"][0], told["sha256"])
    assert len(list(hsm.octets())) > len(objects), "now it is in the token"


def test_a_copy_has_the_databases_of_authorities_too(home, tmp_path):
    """A home whose databases lie on a server has files in its copy; here an authority's database is a file elsewhere."""
    own = tmp_path / "own.db"
    edition, made = home.parent / "edition.toml", tmp_path / "made"
    shutil.copy(home / "edition.toml", edition)
    for table in home.glob("*.csv"):
        shutil.copy(table, home.parent)
    databases = ("--authority-database", f"jpki-31=sqlite:///{own}")
    commands.done(run("init", "--edition", edition, "--home", made, "--clock", BEGUN, *databases))
    with open_world(made, lambda: PASSPHRASE) as world, copied(world) as (copy, head):
        folder = copy.home.folder
        assert copy.stores.generations() == world.stores.generations()
        assert copy.stores.journal.head() == head
        assert copy.stores.own.keys() == {"jpki-31"}
        assert own.parent not in {file.parent for file in folder.glob("*.db")}
        assert len(list(folder.glob("*.db"))) == 2
    assert not folder.exists()


def test_what_lies_on_a_server_is_copied_row_by_row(pristine, tmp_path):
    there = Store.open(server().create())
    source = Store.open(sqlite_url(pristine / "store.db"))
    try:
        migrate(there)
        put_back(there, copy_of(source))
        with copying._snapshot(there) as copy:
            with there.writing() as connection:  # later than the snapshot
                for table in reversed(metadata.sorted_tables):
                    connection.execute(table.delete())
            copy(tmp_path / "store.db")
    finally:
        there.close()
        source.close()
    assert rows_of(tmp_path) == rows_of(pristine)
