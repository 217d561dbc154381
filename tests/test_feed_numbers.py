"""The numbers of a feed's files: gaps, and numbers that come again, are told at each way in, and kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.keys.codes import keyed_code
from ca.revoking.deciding.desk import EventDesk
from ca.revoking.feed.files import read_feed
from ca.rules.feed_numbers import Run, gaps, joined, noticed
from ca.store import feeds, register
from front.demo.people import invented_code
from tests.commands import done, run
from tests.engine_world import NOW, EngineWorld, copy_of, engine_world, put_back
from tests.feed_files import event, feed_file

CODE = invented_code(1)
numbers = st.lists(st.integers(1, 40), max_size=40)


@given(numbers)
def test_runs_are_the_numbers_that_came_in_whatever_order(came):
    runs: tuple[Run, ...] = ()
    for number in came:
        again = joined(runs, number)
        assert joined(again, number) == again
        runs = again
    assert [n for run in runs for n in range(run.first, run.last + 1)] == sorted(set(came))
    assert all(before.last + 1 < after.first for before, after in pairwise(runs)), "as few as can say it"
    missing = {n for gap in gaps(runs) for n in range(gap.first, gap.last + 1)}
    assert missing == set(range(min(came, default=0), max(came, default=-1) + 1)) - set(came)


@pytest.mark.parametrize(
    ("came", "number", "news", "told"),
    [
        ((), 57, True, ()),
        ((1,), 2, True, ()),
        ((1,), 3, True, ("file 2 of feed chiyoda has not come",)),
        ((1,), 5, False, ("files 2 to 4 of feed chiyoda have not come",)),
        ((1, 5), 3, True, ()),
        ((4, 5), 1, True, ()),
        ((1, 5), 5, True, ("file 5 of feed chiyoda came before, with other events",)),
        ((1, 5), 5, False, ()),
        ((1, 5), 1, True, ("file 1 of feed chiyoda came before, with other events",)),
    ],
)
def test_what_is_noticed(came, number, news, told):
    runs: tuple[Run, ...] = ()
    for one in came:
        runs = joined(runs, one)
    assert noticed(runs, "chiyoda", number, news=news) == told


@pytest.fixture
def world(tmp_path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def taken(world: EngineWorld, sequence: int, *names: str) -> tuple[str, ...]:
    changes = [event(name, "moved-in", CODE, "2014-08-01") for name in names]
    octets = feed_file(*changes, feed="tottori", sequence=sequence)
    feed = read_feed(io.BytesIO(octets), "feed", world.issuers.vault.code_key())
    return EventDesk(world.stores).take(feed, at=NOW).warnings


def known(world: EngineWorld) -> tuple[Run, ...]:
    with world.stores.nation.reading() as connection:
        assert set(feeds.everything(connection)) <= {"tottori"}
        return feeds.runs(connection, "tottori")


def test_a_desk_keeps_the_numbers_and_tells(world):
    assert taken(world, 1, "e-1") == ()
    assert taken(world, 1, "e-1") == ()
    assert taken(world, 2) == (), "a file that tells nothing has come too"
    assert known(world) == (Run(1, 2),)
    assert taken(world, 5, "e-5") == ("files 3 to 4 of feed tottori have not come",)
    assert taken(world, 5, "e-5b") == ("file 5 of feed tottori came before, with other events",)
    assert taken(world, 6, "e-5") == (), "under a number of its own"
    assert taken(world, 4, "e-4") == ()
    assert known(world) == (Run(1, 2), Run(4, 6))
    assert taken(world, 3) == ()
    assert known(world) == (Run(1, 6),)
    with world.stores.nation.reading() as connection:
        there = register.of_holders(connection, [keyed_code(world.issuers.vault.code_key(), CODE)])
    assert {change.id for change in there} == {"e-1", "e-5", "e-5b", "e-4"}, "nothing was kept back"


def test_an_old_copy_gets_the_numbers_back_from_the_journal(world):
    taken(world, 1, "e-1")
    before = copy_of(world.store)
    taken(world, 2, "e-2")
    taken(world, 9, "e-9")
    after = known(world)
    put_back(world.store, before)
    assert known(world) == (Run(1, 1),)
    world.stores.catch_up()
    assert known(world) == after == (Run(1, 2), Run(9, 9))


def test_the_commands_tell(staffed_world, tmp_path):
    def file(name: str, sequence: int, *events: str):
        path = tmp_path / name
        changes = [event(one, "moved-in", CODE, "2014-08-01") for one in events]
        path.write_bytes(feed_file(*changes, feed="tottori", sequence=sequence))
        return path

    for name, sequence, events, told in (
        ("1.jsonl", 1, ("e-1",), ""),
        ("5.jsonl", 5, ("e-5",), "warning: files 2 to 4 of feed tottori have not come\n"),
        ("5b.jsonl", 5, ("e-6",), "warning: file 5 of feed tottori came before, with other events\n"),
    ):
        outcome = run("events", "apply", file(name, sequence, *events), "--home", staffed_world, "--json")
        assert (outcome.status, outcome.stderr) == (0, told)
        assert [one["event"] for one in outcome.json] == list(events)
    (tmp_path / "inbox").mkdir()
    file("inbox/8.jsonl", 8)
    watched = run("events", "watch", tmp_path / "inbox", "--once", "--home", staffed_world)
    assert "8.jsonl: done: no events; warning: files 6 to 7 of feed tottori have not come" in watched.stdout
    shown = done(run("events", "feeds", "--home", staffed_world, "--json")).json
    assert shown == [{"feed": "tottori", "first": 1, "last": 8, "missing": ["2 to 4", "6 to 7"]}]
    assert "2 to 4, 6 to 7" in done(run("events", "feeds", "--home", staffed_world)).stdout
