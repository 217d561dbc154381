"""A plan carried out in a small nation, task by task in simulated time: RSA-2048 to P-384, and nobody left behind."""

from __future__ import annotations

import csv
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.migrating.plan import Generation, Plan
from bridge.migrating.reading import plan_file
from bridge.migrating.running.doing import Migration, Order
from bridge.migrating.running.matching import Mismatch
from bridge.migrating.running.progress import Stage, staged
from bridge.migrating.running.reissue import hand_over, held
from bridge.migrating.running.standing import read_standing
from bridge.migrating.running.tasks import CrossTask, KeyTask, Task, first_moment, position, tasks
from ca.errors import BadInput, Conflict, NotFound
from ca.issuing.succession import Succession
from ca.journal.crossing import RenewalEntry
from ca.journal.entries import KeyStepEntry, OrderEntry, RevocationEntry
from ca.journal.journal import records
from ca.model import (
    RESIDENT_KINDS,
    CertificateId,
    GenerationId,
    MunicipalityCode,
    OfficeId,
    Officer,
    OfficerId,
    RevocationReason,
    Role,
    partition_scope,
)
from ca.rules.generations import State, Step
from ca.store import agreements, authorities, deeds, key_needs
from ca.store.engine import Store, sqlite_url
from ca.store.officers import add_officer
from ca.store.tables import certificates, metadata, revocations
from front.assembly import World, open_world
from front.demo.people import invented_code, invented_resident
from front.rehearsing.rehearsal import migration_of
from tests import batch_files, commands, sudden_death
from tests.engine_world import Running, csr_for, lines, preload
from tests.small_edition import JAPAN_2014, replaced

preload(__name__)
PASSPHRASE = "keys of tests keep no secrets"  # noqa: S105 - nor do they
TOWN = "312011"
BEGUN = "2029-01-10T00:00Z"
TWO = ("ito", "endo")


def key(day: str, cut_over: str) -> str:
    first = date.fromisoformat(day)
    links, responder = (str(first + timedelta(days=more)) for more in (1, 2))
    return f"""[authorities.new]
suite = "sha384-p384"
lists = ["full", "partitioned"]
key = {day}
links = {links}
responder = {responder}
cut_over = {cut_over}
"""


def authority(name: str, day: str, cut_over: str, retirement: str, more: str = "") -> str:
    return f"""[[authorities]]
id = "{name}"
{more}
[authorities.old]
names = "utf8"
suite = "sha256-rsa2048"
lists = ["full", "partitioned"]
responder = true
retirement = {retirement}

{key(day, cut_over)}
"""


def cross(by: str, subject: str, begins: str, until: str) -> str:
    return f'[[crosses]]\nby = "{by}"\nfor = "{subject}"\nfrom = {begins}\nuntil = {until}\n\n'


HEAD = """format = 1
name = "small-migration"
title = "A small nation out of RSA-2048"

[period]
begins = 2029-02-01
ends = 2031-12-31

[phases]
both = 2029-09-24
new_only = 2031-07-01

[suites.sha256-rsa2048]
sign_until = 2030-12-31
lists_until = 2031-06-30
verify_until = 2031-06-30

[suites.sha384-p384]
sign_until = 2035-12-31
verify_until = 2046-12-31

[holders]
days = 1919
renewal_days = 30

"""
TAIL = """[[relying_parties]]
id = "bank"
anchor = "gpki-bca"

[[relying_parties.abilities]]
trusts = ["old"]
suites = ["sha256-rsa2048", "sha384-p384"]
links = true
names = ["utf8"]
status = ["full", "ocsp"]

[[relying_parties.abilities]]
from = 2029-09-24
trusts = ["old", "new"]
suites = ["sha256-rsa2048", "sha384-p384"]
links = true
names = ["utf8"]
status = ["full", "ocsp"]

[[waves]]
authority = "jpki-31"
municipalities = ["312011"]
holders = 100
daily = 2
begins = 2030-04-01
ends = 2030-12-27
"""
TEXT = (
    HEAD
    + authority("gpki-bca", "2029-09-01", "2029-09-24", "2031-06-30")
    + authority("jpki-bridge", "2029-09-01", "2029-09-24", "2031-05-31")
    + authority("gpki-post", "2029-09-01", "2029-09-24", "2031-03-31")
    + authority("jpki-31", "2030-02-01", "2030-03-01", "2031-03-31", "issues = true")
    + cross("gpki-bca.old", "jpki-bridge.old", "2029-01-10", "2031-06-30")
    + cross("gpki-bca.old", "gpki-post.old", "2029-01-10", "2031-06-30")
    + cross("jpki-bridge.old", "jpki-31.old", "2029-01-10", "2031-06-30")
    + cross("gpki-bca.old", "jpki-bridge.new", "2029-09-20", "2031-06-30")
    + cross("gpki-bca.old", "gpki-post.new", "2029-09-20", "2031-06-30")
    + cross("gpki-bca.new", "jpki-bridge.old", "2029-09-24", "2031-06-30")
    + cross("gpki-bca.new", "gpki-post.old", "2029-09-24", "2031-06-30")
    + cross("gpki-bca.new", "jpki-bridge.new", "2029-09-24", "2038-12-31")
    + cross("gpki-bca.new", "gpki-post.new", "2029-09-24", "2038-12-31")
    + cross("jpki-bridge.new", "jpki-31.new", "2030-02-20", "2038-12-31")
    + TAIL
)
OLD, NEW = GenerationId.parse("jpki-31.g1"), GenerationId.parse("jpki-31.g2")
FIRST = datetime(2029, 9, 1, 1, tzinfo=UTC)
OFFICERS = (("ito", "centre", "operator"), ("endo", "centre", "operator"), ("tanaka", "centre", "approver"),
            ("sato", TOWN, "reception"), ("suzuki", TOWN, "examiner"))  # fmt: skip


def run(*words: object) -> commands.Outcome:
    return commands.run(*words, KAKEHASHI_PASSPHRASE=PASSPHRASE)


def clock(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of Tottori alone on keys of its own, since no public test key is for P-384; with three holders."""
    folder = tmp_path_factory.mktemp("migrating")
    text = JAPAN_2014.read_text(encoding="utf-8")
    for pattern, by in (
        (r"(?s)codes = \[.*?\n\]", 'codes = ["31"]'),
        ("nation = true", "nation = false"),
        (r'name = "japan-2014"', 'name = "one-prefecture"'),
    ):
        text = replaced(text, pattern, by)
    (folder / "edition.toml").write_text(text, encoding="utf-8")
    home = folder / "home"
    commands.done(run("init", "--edition", folder / "edition.toml", "--home", home, "--clock", BEGUN))
    with open_world(home, lambda: PASSPHRASE) as world:
        with world.stores.nation.writing() as connection:
            for name, office, role in OFFICERS:
                add_officer(connection, Officer(OfficerId(name), OfficeId(office), frozenset({Role(role)})))
        for number in range(3):
            issue(world, number)
    return home


def issue(world: World, number: int) -> None:
    """Both certificates of a resident, by way of the window and the centre."""
    desk, at = world.registration, world.clock()
    resident = invented_resident(world.plan.municipalities.window(MunicipalityCode(TOWN)))
    csrs = {kind: csr_for(2 * number + place) for place, kind in enumerate(RESIDENT_KINDS)}
    case = desk.file("sato", resident, csrs, code=invented_code(number), at=at).case.id
    desk.examine(case, "suzuki", at=at)
    desk.approve(case, "tanaka", at=at)
    desk.issue(case, "ito", at=at)


@pytest.fixture
def home(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "home")


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def migrating(home: Path, *, published: bool = True) -> Iterator[tuple[World, Migration]]:
    plan, digest = plan_file(written(home.parent))
    with open_world(home, lambda: PASSPHRASE) as world:
        migration = migration_of(world, world.issuers, plan, digest)
        yield world, migration if published else replace(migration, publish=lambda _: None)


def moment_of(plan: Plan, task: Task) -> datetime:
    """A moment on a task's day, a minute after that of the task before it."""
    return first_moment(task.day) + timedelta(hours=1, minutes=position(plan, task))


def carried_out(migration: Migration, upto: str | None = None) -> datetime:
    """Run tasks, each on its day, up to one that is not run; gives when the last was."""
    at = FIRST
    while (task := migration.next(at)) is not None and task.name != upto:
        at = moment_of(migration.plan, task)
        migration.carry_out(task, Order(TWO), at)
    return at


def counted(world: World) -> Counter[tuple[str, str]]:
    """How many certificates of each kind each key has issued."""
    with world.stores.nation.reading() as connection:
        rows = connection.execute(select(certificates.c.generation, certificates.c.kind)).all()
    return Counter((generation, kind) for generation, kind in rows)


def rows_of(home: Path) -> dict[str, list[tuple[object, ...]]]:
    store = Store.open(sqlite_url(home / "store.db"))
    try:
        with store.reading() as connection:
            return {
                str(table): sorted(map(tuple, connection.execute(table.select())), key=repr)
                for table in metadata.sorted_tables
            }
    finally:
        store.close()


def holding(world: World) -> dict[GenerationId, set[tuple[bytes, str]]]:
    with world.stores.reading() as reading:
        scopes = [partition_scope(kind, TOWN) for kind in RESIDENT_KINDS]
        return {
            key: {
                (one.holder, one.kind)
                for one in held(reading, [key], scopes, datetime(2030, 6, 1, tzinfo=UTC))
            }
            for key in (OLD, NEW)
        }


def reissued(home: Path, folder: Path, at: datetime) -> list[str]:
    """What a card factory's batch brings the three holders."""
    factory, out = folder / "cards", folder / "results"
    factory.mkdir()
    rows = [batch_files.row(number, municipality=TOWN) for number in range(3)]
    (factory / "holders.csv").write_bytes(batch_files.table(rows))
    for name, octets in batch_files.requests(rows, first=100).items():
        (factory / name).write_bytes(octets)
    batch = ("batch", factory, "--approver", "tanaka", "--operator", "ito", "--out", out, "--processes", 1)
    commands.done(run(*batch, "--home", home, "--clock", clock(at)))
    with (out / "results.csv").open(encoding="utf-8") as file:
        return [row["certificate"] for row in csv.DictReader(file)]


# The whole of it.


def test_a_plan_is_run_to_its_end_and_twice_makes_nothing_twice(home, tmp_path):
    with migrating(home, published=False) as (world, migration):
        migration.require_sound(FIRST)
        at = carried_out(migration, upto="retire of gpki-post.old")
        everybody = holding(world)[OLD]
        assert len(everybody) == 6
        assert holding(world)[NEW] == set()

    # The wave: whom it calls in, and the card factory's batch.
    in_wave = datetime(2030, 4, 1, 1, tzinfo=UTC)
    called = tmp_path / "called.csv"
    plan = tmp_path / "plan.toml"
    wanted = (
        "migrate",
        "wave",
        plan,
        "--authority",
        "jpki-31",
        "--day",
        "2030-04-01",
        "--out",
        called,
        "--officer",
        "ito",
    )
    assert (
        commands.done(run(*wanted, "--home", home, "--clock", clock(in_wave), "--json")).json["called"] == 3
    )
    with called.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    assert {row["municipality"] for row in rows} == {TOWN}
    assert all(row["signature"].startswith("jpki-31.g1") for row in rows)
    new = reissued(home, tmp_path, in_wave)

    # Nothing ends before it is handed over.
    status = commands.done(
        run("migrate", "status", plan, "--home", home, "--clock", clock(in_wave), "--json")
    ).json
    (wave,) = status["waves"]
    assert (wave["left"], wave["reissued"], wave["to_hand_over"]) == (3, 3, 3)
    used = {row["suite"]: row["certificates"] for row in status["suites"]}
    assert used == {"sha256-rsa2048": 6, "sha384-p384": 6}
    given = ("migrate", "hand-over", plan, *new, "--officer", "sato", "--home", home)
    later = in_wave + timedelta(days=3)
    elsewhere = [word if word != "sato" else "ito" for word in given]
    commands.refused(run(*elsewhere, "--clock", clock(later)), "officer ito", "receives nobody at the window")
    ended = commands.done(run(*given, "--clock", clock(later), "--json")).json
    assert [one["superseded"].count("jpki-31.g1") for one in ended] == [1] * 6
    again = commands.done(run(*given, "--clock", clock(later), "--json")).json
    assert [one["superseded"] for one in again] == [None] * 6
    with migrating(home) as (world, migration):
        assert holding(world) == {OLD: set(), NEW: everybody}
        assert len(reasons(world, OLD)) == 6
        assert set(reasons(world, OLD)) == {RevocationReason.SUPERSEDED}
        at = carried_out(migration)
        states = migration.standing(at).states
        assert {states[one] for one in states if one.number == 1} == {State.RETIRED}
        assert {states[one] for one in states if one.number == 2} == {State.ACTIVE}
        before = counted(world), world.stores.journal.head()
        assert migration.next(at) is None
        assert (counted(world), world.stores.journal.head()) == before
    told = commands.done(
        run("migrate", "run", plan, "--officer", "ito", "--second-officer", "endo", "--home", home,
            "--clock", clock(at), "--json")
    )  # fmt: skip
    assert told.json["next"] == "all is done"


def reasons(world: World, key: GenerationId) -> list[RevocationReason]:
    with world.stores.reading() as reading:
        scopes = {partition_scope(kind, TOWN) for kind in RESIDENT_KINDS}
        query = select(revocations.c.reason).where(
            revocations.c.generation == str(key), revocations.c.scope.in_(scopes)
        )
        return [RevocationReason(reason) for reason in reading.nation.execute(query).scalars()]


def test_who_still_holds_old_certificates_keeps_the_old_key_from_retiring(home):
    with migrating(home, published=False) as (world, migration):
        at = carried_out(migration, upto="retire of jpki-31.old")
        task = migration.next(at)
        later = moment_of(migration.plan, task)
        certified = certified_by(world, OLD, later)
        assert len(certified) == 2
        with pytest.raises(Conflict, match="6 certificates that it issued are still valid"):
            migration.carry_out(task, Order(TWO), later)
        assert certified_by(world, OLD, later) == certified, "nothing ends by what is refused"
        with world.stores.reading() as reading:
            standing = read_standing(reading, world.plan, migration.plan, migration.digest, later, waves=True)
            found = {one.task.name: one for one in staged(reading, migration.plan, standing, later)}
    assert found[task.name].stage is Stage.BLOCKED
    assert "6 holders' certificates" in found[task.name].why
    assert found["wave 0 of jpki-31"].stage is Stage.BLOCKED
    assert found["retire of jpki-bridge.old"].stage is Stage.WAITING
    assert found["cut-over of jpki-31.new"].stage is Stage.DONE


def certified_by(world: World, key: GenerationId, at: datetime) -> list[CertificateId]:
    """The cross-certificates in force that a key has made for keys of other authorities."""
    with world.stores.reading() as reading:
        made = [
            one
            for subject, one in authorities.crosses(reading.of(key.authority))
            if one.generation == key and subject.authority != key.authority
        ]
        return [one.id for one in key_needs.in_force(reading, made, at)]


# Taken back.

CROSS = "cross jpki-bridge.new -> jpki-31.new until 2038-12-31"
BRIDGE_NEW = GenerationId.parse("jpki-bridge.g2")


def test_who_takes_the_renewed_crosses_back_has_them_made_again(home):
    with migrating(home, published=False) as (world, migration):
        at = carried_out(migration, upto="cut-over of jpki-31.new") + timedelta(minutes=5)
        (first,) = certified_by(world, BRIDGE_NEW, at)
        taking = Succession(world.issuers, world.plan.municipalities, world.chance)
        taking.back(NEW, at=at)
        assert certified_by(world, BRIDGE_NEW, at) == []
        migration.require_sound(at)
        with pytest.raises(Conflict, match="no cross-certificate for it by jpki-bridge"):
            taking.take(Step.RENEW_CROSSES, NEW, at=at)
        at += timedelta(days=10)
        carried, order = [], migration.order_name(migration.next(at))
        while (task := migration.next(at)).name != "cut-over of jpki-31.new":
            at += timedelta(minutes=3)
            carried.append((task.name, migration.carry_out(task, Order(TWO), at).certificates))
        (again,) = certified_by(world, BRIDGE_NEW, at)
        assert carried == [(CROSS, (again,)), ("renew-crosses of jpki-31.new", ())]
        assert again != first
        with world.stores.nation.reading() as connection:
            told = [agreements.renewal(connection, name) for name in (order, f"{order}-2", f"{order}-3")]
        assert [None if one is None else [step.certificate for step in one.steps] for one in told] == [
            [first],
            [again],
            None,
        ]
        migration.carry_out(task, Order(TWO), max(at, moment_of(migration.plan, task)))


def test_what_was_withdrawn_of_a_key_in_office_is_not_made_again_but_told(home):
    with migrating(home, published=False) as (world, migration):
        at = carried_out(migration, upto="retire of gpki-post.old") + timedelta(minutes=5)
        migration.require_sound(at)
        (made,) = certified_by(world, BRIDGE_NEW, at)
        withdraw(world, made, at)
        assert migration.next(at).name == "retire of gpki-post.old"
        with pytest.raises(
            Conflict, match="stands until 2038-12-31 in the plan; what was made is in force no more"
        ):
            migration.require_sound(at)


def withdraw(world: World, certificate: CertificateId, at: datetime) -> None:
    with world.stores.recording() as recording:
        (one,) = key_needs.in_force(recording.writing, [certificate])
        why = RevocationReason.CESSATION_OF_OPERATION.word
        order = OrderEntry(
            str(one.id), why, at.replace(microsecond=0), one.scope, not_after=one.period.not_after
        )
        recording.note(RevocationEntry("somebody", "a test", at, (order,)))


# Waves.

WAVES = [
    ("jpki-31", "2030-03-29", "waves[0] jpki-31", "from 2030-04-01 to 2030-12-27, not on 2030-03-29"),
    ("jpki-31", "2030-12-28", "waves[0] jpki-31", "not on 2030-12-28"),
    ("gpki-post", "2030-04-01", "gpki-post", "calls nobody in"),
]


@pytest.mark.parametrize(("whose", "day", "place", "words"), WAVES)
def test_a_wave_calls_in_on_its_days_alone(pristine, tmp_path, whose, day, place, words):
    out = tmp_path / "called.csv"
    wanted = (
        "migrate",
        "wave",
        written(tmp_path),
        "--authority",
        whose,
        "--day",
        day,
        "--out",
        out,
        "--officer",
        "ito",
    )
    commands.refused(commands.run(*wanted, "--home", pristine, "--clock", DUE), place, words)
    assert not out.exists()


@pytest.mark.parametrize(("day", "called"), [("2030-12-27", 2), ("2030-12-26", 3)])
def test_no_more_are_called_in_than_windows_serve(home, tmp_path, day, called):
    """Two on a working day; 2030-12-27 is a Friday, and the wave's last day."""
    out = tmp_path / "called.csv"
    wanted = (
        "migrate",
        "wave",
        written(tmp_path),
        "--authority",
        "jpki-31",
        "--day",
        day,
        "--out",
        out,
        "--officer",
        "ito",
    )
    told = commands.done(commands.run(*wanted, "--home", home, "--clock", DUE, "--json")).json
    assert told["called"] == called
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["ends"] for row in rows] == sorted(row["ends"] for row in rows)
    assert len(rows) == called


TAKERS = [
    ("ito", None),
    ("sato", None),
    ("yonago", "is of neither the centre nor the one window"),
    ("nobody", "is not one of this home's"),
]


@pytest.mark.parametrize(("officer", "words"), TAKERS)
def test_who_is_called_in_is_told_to_the_centre_or_the_window_and_it_is_recorded(
    home, tmp_path, officer, words
):
    added = ("officer", "add", "yonago", "--office", "312029", "--role", "reception")
    commands.done(commands.run(*added, "--home", home))
    out = tmp_path / "called.csv"
    wanted = (
        "migrate",
        "wave",
        written(tmp_path),
        "--authority",
        "jpki-31",
        "--day",
        "2030-04-01",
        "--out",
        out,
    )
    told = commands.run(*wanted, "--officer", officer, "--home", home, "--clock", DUE)
    with open_world(home, lambda: PASSPHRASE) as world, world.stores.nation.reading() as connection:
        noted = [
            (one.officer, one.about) for one in deeds.latest(connection, limit=9) if one.what == "exported"
        ]
    if words is None:
        commands.done(told)
        assert noted == [(officer, "wave jpki-31 2030-04-01")]
    else:
        commands.refused(told, "officer", officer, words)
        assert (noted, out.exists()) == ([], False)


def test_who_may_not_hand_over_and_what_is_not_handed_over(home):
    with migrating(home) as (world, _):
        with world.stores.reading() as reading:
            scopes = [partition_scope(kind, TOWN) for kind in RESIDENT_KINDS]
            one = min(each.certificate for each in held(reading, [OLD], scopes, FIRST))
            own = authorities.generation(reading.nation, OLD).serial
        there, back = {OLD.authority: (OLD, NEW)}, {OLD.authority: (NEW, OLD)}
        for certificate, pairs, refusal, words in (
            (one, back, Conflict, "is of case 312011-.*which hands it over"),
            (one, there, Conflict, r"is not by jpki-31\.g2"),
            (one, {}, Conflict, "the plan says nothing of jpki-31"),
            (CertificateId(OLD, own), back, BadInput, "is a self-signed certificate"),
            (CertificateId(NEW, own), there, NotFound, "is not one of this home's"),
        ):
            with pytest.raises(refusal, match=words):
                hand_over(world.stores, [certificate], "sato", "a migration", pairs, at=FIRST)
        assert reasons(world, OLD) == []


# Sudden death.


def migrate_mortally(folder: Path, seed: int) -> None:
    sudden_death.CALLS = 60
    dice = random.Random(seed)
    with migrating(folder / "home", published=False) as (_, migration):
        sudden_death.mortal(dice, folder / "deaths")
        carried_out(migration, upto="cut-over of gpki-bca.new")
    os._exit(0)


@pytest.mark.long
def test_who_dies_between_is_followed_by_who_goes_on(home, pristine, tmp_path):
    """What comes out is what comes out when nobody dies."""
    other = tmp_path / "undisturbed"
    shutil.copytree(pristine, other / "home")
    with migrating(other / "home", published=False) as (world, migration):
        carried_out(migration, upto="cut-over of gpki-bca.new")
        wanted = counted(world)
    for seed in range(60):
        code = Running(migrate_mortally, tmp_path, seed).wait()
        if code == 0:
            break
        assert code == -9
    assert lines(tmp_path / "deaths"), "somebody died"
    with migrating(home) as (world, migration):
        assert migration.next(FIRST).name == "cut-over of gpki-bca.new"
        assert counted(world) == wanted


# What is refused, and by which words.

RUN = ("--officer", "ito", "--second-officer", "endo")
DUE = clock(FIRST)
EARLY = "2029-08-30T00:00Z"
REFUSED = [
    ("", "", EARLY, RUN, ["authorities[0] gpki-bca", "make-key of gpki-bca.new", "2029-09-01", "2029-08-30"]),
    ("responder = 2029-09-03", "responder = 2030-09-03", DUE, RUN, ["authorities[1] jpki-bridge", "2029-09-20", "lacks serve-status"]),
    ("jpki-31", "jpki-32", DUE, RUN, ["authorities[3] jpki-32", "is not one of this home's"]),
    ("sha256-rsa2048", "sha256-rsa3072", DUE, RUN, ["gpki-bca.g1 is for sha256-rsa2048", "sha256-rsa3072"]),
    ("verify_until = 2046-12-31", "verify_until = 2056-12-31", DUE, RUN, ["suites.sha384-p384.verify_until", "2047-01-01"]),
    ('names = ["utf8"]', 'names = ["printable"]', DUE, RUN, ["bank", "names-not-understood"]),
    ("", "", DUE, (), ["needs two officers"]),
    ("", "", DUE, ("--officer", "ito", "--second-officer", "ito"), ["cannot be the second officer too"]),
    ("", "", DUE, ("--officer", "ito", "--second-officer", "sato"), ["sato"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "by", "words"), REFUSED)
def test_what_may_not_be_run_is_refused_with_place_and_day(home, old, new, at, by, words):
    plan = written(home.parent, TEXT.replace(old, new) if old else TEXT)
    before = rows_of(home)
    commands.refused(run("migrate", "run", plan, *by, "--unrehearsed", "--home", home, "--clock", at), *words)
    assert rows_of(home) == before


def test_a_task_that_is_not_the_next_one_is_refused(home):
    with migrating(home) as (_, migration):
        order = tasks(migration.plan)
        cut_over = next(one for one in order if one.name.startswith("cut-over"))
        with pytest.raises(Conflict, match=r"cut-over.*first comes make-key of gpki-bca\.new of 2029-09-01"):
            migration.carry_out(cut_over, Order(TWO), moment_of(migration.plan, cut_over))
        with pytest.raises(Conflict, match="2029-09-01 or later; it is 2029-08-31"):
            migration.carry_out(order[0], Order(TWO), FIRST - timedelta(days=1))


# Plan and home.

POST = authority("gpki-post", "2029-09-01", "2029-09-24", "2031-03-31")
UNFIT = [
    (POST, "", "authority-left-out", "2029-09-24", "gpki-post"),
    ("jpki-31", "jpki-32", "no-such-authority", "2029-02-01", "jpki-32"),
    ("sign_until = 2035-12-31", "sign_until = 2036-12-31", "suite-life", "2036-01-01", "promises 2036-12-31"),
    ("sha384-p384", "sha384-p999", "no-such-suite", "2029-02-01", "ml-dsa-65"),
    ("sha256-rsa2048", "sha256-rsa3072", "other-suite", "2029-02-01", "sha256-rsa2048"),
    ('["312011"]', '["131016"]', "no-such-window", "2030-04-01", "131016"),
    ("2038-12-31", "2039-12-31", "beyond-the-key", "2039-09-01", "own certificate ends on 2039-08-31"),
    ("until = 2031-06-30", "until = 2039-01-10", "cross-ends-sooner", "2039-01-10", "the home's ends on 2039-01-09"),
    ('for = "jpki-31.old"', 'for = "gpki-post.old"', "no-pair", "2029-01-10", "no pair of jpki-bridge and gpki-post"),
    ("days = 1919", "days = 1096", "other-validity", "2029-02-01", "jpki-31 last up to 1919 days"),
    ("days = 1919", "days = 1920", "other-validity", "2029-02-01", "jpki-31 last up to 1919 days"),
    ('id = "jpki-bridge"', 'id = "jpki-bridge"\nissues = true', "no-holders", "2029-02-01", "certifies no holders"),
]  # fmt: skip


def test_the_plan_fits_the_home(pristine, tmp_path):
    """No key is opened to look."""
    told = commands.run("migrate", "plan", written(tmp_path), "--home", pristine, "--clock", DUE, "--json")
    assert commands.done(told).json == []
    told = commands.run(
        "migrate", "status", tmp_path / "plan.toml", "--home", pristine, "--clock", DUE, "--json"
    )
    first, second, *_ = commands.done(told).json["tasks"]
    assert (first["task"], first["state"], first["why"]) == ("make-key of gpki-bca.new", "due", None)
    assert (second["state"], second["why"]) == ("blocked", "after make-key of gpki-bca.new")


@pytest.mark.parametrize(("old", "new", "flaw", "day", "words"), UNFIT, ids=[row[2] for row in UNFIT])
def test_what_does_not_fit_the_home_is_told_with_its_day(pristine, tmp_path, old, new, flaw, day, words):
    text = TEXT.replace(old, new)
    if flaw == "authority-left-out":
        text = "".join(
            part for part in text.split("[[crosses]]\n") if "gpki-post" not in part or "format" in part
        )
        text = text.replace("until", "until")
    assert text != TEXT
    told = run(
        "migrate", "plan", written(tmp_path, rejoined(text)), "--home", pristine, "--clock", DUE, "--json"
    )
    assert told.status == 1, told
    rows = [
        (row["flaw"], row["day"]) for row in told.json if words in row["problem"] or words in row["place"]
    ]
    assert (flaw, day) in rows, told.json


def rejoined(text: str) -> str:
    """Crosses whose heads were cut off get them back."""
    return re.sub(r"(?m)(?<!\]\]\n)^by = ", "[[crosses]]\nby = ", text)


def test_every_mismatch_is_shown():
    elsewhere = {Mismatch.AGREEMENT_LEFT_OUT}  # test_migrate_laws
    assert {row[2] for row in UNFIT} | elsewhere == set(Mismatch)


def test_all_that_is_due_is_done_at_once(home, tmp_path):
    at = "2029-09-20T01:00Z"
    words = (
        "migrate",
        "run",
        written(tmp_path),
        *RUN,
        "--due",
        "--unrehearsed",
        "--home",
        home,
        "--clock",
        at,
    )
    told = commands.done(run(*words, "--json")).json
    assert len(told["done"]) == 20
    assert told["next"] == "cut-over of gpki-bca.new, 2029-09-24"
    assert {row["rehearsal"] for row in told["done"]} == {None}
    with open_world(home, lambda: PASSPHRASE) as world:
        steps = [one.entry for one in records(world.home.journal) if isinstance(one.entry, KeyStepEntry)]
        orders = [
            record.entry for record in records(world.home.journal) if isinstance(record.entry, RenewalEntry)
        ]
    assert all(one.evidence.endswith("by ito and endo, not rehearsed") for one in steps)
    assert {(one.officer, one.second_officer) for one in orders} == {TWO}
    made = {half.certificate for one in orders for half in one.halves}
    assert made <= {certificate for row in told["done"] for certificate in row["certificates"]}


# The order of tasks.

PLANS = Path(__file__).parent.parent / "fixtures/plans"


@pytest.mark.parametrize("name", ["japan-2008-2020", "rsa-to-p384", "p384-to-ml-dsa"])
def test_tasks_follow_each_other_by_day_and_need(name):
    plan, _ = plan_file(PLANS / f"{name}.toml")
    order = tasks(plan)
    assert [task.day for task in order] == sorted(task.day for task in order)
    assert len({task.name for task in order}) == len(order)
    for table in plan.authorities:
        for one in table.ids if table.new else ():
            steps = [task.step for task in order if isinstance(task, KeyTask) and task.authority == one]
            assert steps == sorted(steps, key=list(Step).index)
            cut_over = next(i for i, t in enumerate(order) if t.name == f"cut-over of {one}.new")
            for index, task in enumerate(order):
                if isinstance(task, CrossTask) and task.by.authority == one:
                    assert (index > cut_over) == (task.by.generation is Generation.NEW)
