"""A list that the gate keeps back: the last one stays, an alarm is raised, and two operators may release a mass jump."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from logging import CRITICAL, Handler, LogRecord
from pathlib import Path

import pytest
from sqlalchemy import delete

from bridge.repository.layout import list_path
from ca.errors import Conflict, KakehashiError, ListBlocked, NotFound, NotPermitted
from ca.model import ARL, FULL, CertificateKind, GenerationId, RevocationReason, Scope, partition_scope
from ca.profiles.practice import ListPractice
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.lists import placing
from ca.revoking.lists.publication import publish, publish_changes
from ca.revoking.lists.releasing import kept_back, release
from ca.rules.list_changes import Block, Jump, JumpLimit
from ca.store import blocked
from ca.store.blocked import BlockedList
from ca.store.stores import Stores
from ca.store.tables import revocations
from front.assembly import open_world
from front.logs import LOGGER
from front.worker import Worker
from tests.commands import done, refused, run
from tests.engine_world import NOW, TOWN, EngineWorld, engine_world
from tests.served_world import BOTH, Home, holders, serials_of, small_home

TOTTORI = GenerationId.parse("jpki-31.g1")
PARTITION = partition_scope(CertificateKind.SIGNATURE, TOWN)
MINUTE = timedelta(minutes=1)
JUMP = Jump(last=7, sequence=50, new=9, changed=1, gone=0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def error_of(reason: Block = Block.MASS_JUMP, jump: Jump = JUMP) -> ListBlocked:
    facts = jump.facts() if reason is Block.MASS_JUMP else {}
    return ListBlocked("list jpki-31.g1 full", "is not right", reason=reason, facts=facts)


def keep_back(world: EngineWorld, error: ListBlocked, at=NOW, scope: Scope = FULL) -> None:
    with world.stores.of(TOTTORI.authority).writing() as connection:
        blocked.keep_back(connection, TOTTORI, scope, error, at=at)


def found(stores: Stores, scope: Scope = FULL) -> BlockedList | None:
    with stores.of(TOTTORI.authority).reading() as connection:
        return blocked.find(connection, TOTTORI, scope)


def released(world: EngineWorld) -> Jump | None:
    with world.stores.of(TOTTORI.authority).reading() as connection:
        return blocked.released(connection, TOTTORI, FULL)


def test_the_error_crosses_process_borders_whole() -> None:
    error = copy.copy(error_of())  # by what pickling asks of it
    assert (type(error), error.reason, error.facts, str(error)) == (
        ListBlocked,
        Block.MASS_JUMP,
        JUMP.facts(),
        str(error_of()),
    )


def test_two_operators_release_what_they_were_shown(world: EngineWorld) -> None:
    keep_back(world, error_of())
    assert release(world.stores, TOTTORI, FULL, "operator").officers == ("operator",)
    assert released(world) is None
    # Its numbers stay as the first one saw them.
    keep_back(world, error_of(jump=Jump(7, 60, 99, 99, 99)), NOW + MINUTE)
    assert release(world.stores, TOTTORI, FULL, "operator-2").officers == ("operator", "operator-2")
    assert released(world) == JUMP
    assert found(world.stores).raised_at == NOW


def test_a_jump_that_went_further_than_was_released_begins_again(world: EngineWorld) -> None:
    keep_back(world, error_of())
    for officer in ("operator", "operator-2"):
        release(world.stores, TOTTORI, FULL, officer)
    further = Jump(7, 60, 99, 99, 99)
    keep_back(world, error_of(jump=further), NOW + MINUTE)
    again = found(world.stores)
    assert (again.officers, again.jump, again.raised_at) == ((), further, NOW + MINUTE)
    assert released(world) is None


def test_before_anyone_has_looked_the_numbers_are_the_newest(world: EngineWorld) -> None:
    keep_back(world, error_of())
    further = Jump(7, 60, 99, 99, 99)
    keep_back(world, error_of(jump=further), NOW + MINUTE)
    assert (found(world.stores).jump, found(world.stores).raised_at) == (further, NOW)


def test_another_reason_takes_the_releases_place(world: EngineWorld) -> None:
    keep_back(world, error_of())
    release(world.stores, TOTTORI, FULL, "operator")
    keep_back(world, error_of(Block.COUNT), NOW + MINUTE)
    again = found(world.stores)
    assert (again.reason, again.officers, again.raised_at) == (Block.COUNT, (), NOW + MINUTE)


def test_a_list_that_passes_clears_its_row_alone(world: EngineWorld) -> None:
    for scope in (FULL, ARL):
        keep_back(world, error_of(), scope=scope)
    with world.stores.of(TOTTORI.authority).writing() as connection:
        blocked.clear(connection, TOTTORI, [FULL])
    assert [one.scope for one in kept_back(world.stores)] == [ARL]


@pytest.mark.parametrize(
    ("reason", "before", "officer", "error", "words"),
    [
        (None, (), "operator", NotFound, "is not kept back"),
        (Block.MISSING_ENTRY, (), "operator", Conflict, "entry missing, which nobody may release"),
        (Block.MASS_JUMP, ("operator",), "operator", Conflict, "was released by this officer already"),
        (Block.MASS_JUMP, ("operator", "operator-2"), "operator", Conflict, "this officer already"),
        (Block.MASS_JUMP, (), "centre-1", NotPermitted, "is not an operator of the centre"),
        (Block.MASS_JUMP, (), "window-2", NotPermitted, "is not an operator of the centre"),
        (Block.MASS_JUMP, (), "nobody", NotFound, "officer 'nobody'"),
    ],
)
def test_a_release_that_is_none_changes_nothing(
    world: EngineWorld,
    reason: Block | None,
    before: tuple[str, ...],
    officer: str,
    error: type[KakehashiError],
    words: str,
) -> None:
    if reason is not None:
        keep_back(world, error_of(reason))
    for earlier in before:
        release(world.stores, TOTTORI, FULL, earlier)
    rows = world.dump()
    with pytest.raises(error, match=words):
        release(world.stores, TOTTORI, FULL, officer)
    assert world.dump() == rows


# The whole way: from a store that has gone wrong to what relying parties get.


def publish_now(world: EngineWorld, *scopes: Scope, at=NOW) -> None:
    publish(world.store, world.issuers.of(TOTTORI), scopes, world.repository, at=at)


def end(world: EngineWorld, count: int) -> None:
    """So many signature certificates of the town are revoked."""
    for _ in range(count):
        issued = world.issued()[CertificateKind.SIGNATURE]
        revoke(world.stores, issued.record.id, RevocationReason.SUPERSEDED, "operator", at=NOW)


def entries(world: EngineWorld, scope: Scope = PARTITION) -> int:
    return len(serials_of((world.repository.folder / list_path(TOTTORI, scope)).read_bytes()))


def test_what_the_store_forgot_keeps_the_last_list_in_its_place(world: EngineWorld) -> None:
    end(world, 2)
    publish_now(world, FULL, PARTITION)
    file = world.repository.folder / list_path(TOTTORI, PARTITION)
    last = file.read_bytes()
    with world.store.writing() as connection:
        rows = connection.execute(revocations.select()).all()
        connection.execute(delete(revocations))
    with pytest.raises(ListBlocked) as caught:
        publish_now(world, PARTITION, at=NOW + MINUTE)
    assert caught.value.reason == Block.EMPTY
    assert file.read_bytes() == last
    (row,) = kept_back(world.stores)
    assert (row.scope, row.reason, row.jump) == (PARTITION, Block.EMPTY, None)
    with world.store.writing() as connection:
        connection.execute(revocations.insert(), [row._asdict() for row in rows])
    publish_now(world, PARTITION, at=NOW + 2 * MINUTE)
    assert kept_back(world.stores) == []
    assert file.read_bytes() != last
    assert entries(world) == 2


def test_how_many_changes_are_usual_the_edition_says(world: EngineWorld) -> None:
    practice = world.issuers.of(TOTTORI).practice
    assert placing._usual(practice).of(0) == 10_000
    patient = replace(practice, lists=ListPractice(usual_changes=5))
    assert [placing._usual(patient).of(entries) for entries in (0, 50, 1000)] == [5, 5, 100]


def test_a_released_jump_passes_once(world: EngineWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_now(world, FULL, PARTITION)
    monkeypatch.setattr(placing, "_usual", lambda _: JumpLimit(1, 0))
    end(world, 3)
    with pytest.raises(ListBlocked, match="3 entries are new"):
        publish_changes(world.issuers, world.repository, at=NOW + MINUTE)
    assert [(row.scope, row.reason) for row in kept_back(world.stores)] == [
        (FULL, Block.MASS_JUMP),
        (PARTITION, Block.MASS_JUMP),
    ]
    assert entries(world) == 0
    for officer in ("operator", "operator-2"):
        release(world.stores, TOTTORI, PARTITION, officer)
    publish_changes(world.issuers, world.repository, at=NOW + 2 * MINUTE)
    assert entries(world) == 3
    assert [row.scope for row in kept_back(world.stores)] == [FULL]
    # It was for that one list.
    end(world, 2)
    with pytest.raises(ListBlocked, match="2 entries are new"):
        publish_changes(world.issuers, world.repository, at=NOW + 3 * MINUTE)
    assert entries(world) == 3


# Commands and alarms.


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with two operators, whose full list and town's list have gone too far."""
    home = small_home(tmp_path / "home")
    add = ("officer", "add", "ueda", "--office", "centre", "--role", "operator")
    done(run(*add, "--home", home.folder))
    people = holders(home, 3)
    with open_world(home.folder, lambda: "") as world:
        for person in people:
            certificate = person.certificates[BOTH[0]]
            revoke(world.stores, certificate, RevocationReason.SUPERSEDED, "ito", at=world.clock())
    return home


def told(home: Home, *arguments: str) -> object:
    return done(run("list", *arguments, "--json", "--home", home.folder)).json


def work(home: Home, monkeypatch: pytest.MonkeyPatch, rounds: int = 1) -> list[tuple[str, str]]:
    """The worker's rounds, where two new entries at once are unusual; gives its alarms, as (place, reason)."""
    monkeypatch.setattr(placing, "_usual", lambda _: JumpLimit(2, 0))
    records: list[LogRecord] = []

    class Listening(Handler):
        def emit(self, record: LogRecord) -> None:
            records.append(record)

    handler = Listening(CRITICAL)
    LOGGER.addHandler(handler)
    try:
        with open_world(home.folder, lambda: "") as world:
            worker = Worker(world)
            for _ in range(rounds):
                worker.once()
    finally:
        LOGGER.removeHandler(handler)
    assert {record.getMessage() for record in records} <= {"list kept back"}
    return [(record.facts["place"], record.facts["reason"]) for record in records]  # type: ignore[attr-defined]


def test_the_worker_raises_an_alarm_and_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = work(home, monkeypatch, rounds=3)
    assert raised
    assert len(raised) == len(set(raised)), "not every second"
    assert {reason for _, reason in raised} == {"mass jump"}
    assert home.published("jpki-13.g1", "signature-131016") == set()
    assert home.rows("SELECT owner FROM leases WHERE job = 'health'"), "its rounds went well"


def test_what_is_kept_back_is_shown_and_released_by_two(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(home, "blocked") == []
    work(home, monkeypatch)
    shown = told(home, "blocked")
    assert [(row["generation"], row["scope"], row["reason"], row["released_by"]) for row in shown] == [
        ("jpki-13.g1", scope, "mass jump", None) for scope in ("full", "signature-131016")
    ]
    assert "3 entries are new" in shown[0]["problem"]
    place = ("release", "jpki-13.g1", "signature-131016", "--officer")
    first = told(home, *place, "ito")
    assert (first["new"], first["released_by"], first["missing"]) == (3, "ito", "another operator")
    refused(run("list", *place, "ito", "--home", home.folder), "was released by this officer already")
    refused(run("list", *place, "sato", "--home", home.folder), "is not an operator of the centre")
    assert told(home, *place, "ueda")["missing"] is None
    work(home, monkeypatch)
    assert len(home.published("jpki-13.g1", "signature-131016")) == 3
    assert [row["scope"] for row in told(home, "blocked")] == ["full"]


def test_a_list_that_is_not_kept_back_cannot_be_released(home: Home) -> None:
    outcome = run("list", "release", "jpki-13.g1", "full", "--officer", "ito", "--home", home.folder)
    refused(outcome, "list jpki-13.g1 full", "is not kept back", "kakehashi list blocked")
