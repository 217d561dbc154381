"""A watched directory: each file is applied once and answered, whatever is wrong with its neighbours, whoever dies."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

import front.inbox
from ca.errors import BadInput, StorageFailed
from ca.revoking.deciding.desk import EventDesk
from ca.revoking.feed import events as feed_events
from front.assembly import open_world
from front.demo.people import invented_code
from front.inbox import take
from front.worker import Worker
from tests import commands
from tests.engine_world import Running
from tests.feed_files import csv_file, event, feed_file
from tests.rings import KILLS
from tests.served_world import PATIENCE, wait_until

CODE = invented_code(1)


def told(name, kind="died", day="2014-08-20"):
    return event(name, kind, CODE, day)


FILES = {
    "a-1.jsonl": feed_file(told("a-1"), told("a-2"), feed="a", sequence=1),
    "b-7.csv": csv_file(told("b-1"), told("b-2"), encoding="cp932"),
    "c-1.jsonl": feed_file(told("c-1", "moved-out"), feed="c")[:-9],
    "d-1.csv": csv_file(told("d-1"), told("a-1")),
}
GOOD = {"a-1.jsonl": ["a-1", "a-2"], "b-7.csv": ["b-1", "b-2"], "d-1.csv": ["d-1", "a-1"]}


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def fill(folder, files=FILES):
    for name, octets in files.items():
        (folder / name).write_bytes(octets)


def answer_of(path):
    return json.loads(path.with_name(f"{path.name}.answer.json").read_bytes())


def taken(home, folder):
    with open_world(home, lambda: "") as world:
        return list(take(world, folder))


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def known(home):
    """The events that the home's journal tells of, in their order."""
    lines = [
        line for path in sorted((home / "journal").glob("*.jsonl")) for line in path.read_bytes().splitlines()
    ]
    entries = [json.loads(line)["entry"] for line in lines]
    return [entry["event"] for entry in entries if entry["entry"] == "event"]


class TestARound:
    def test_each_file_is_answered_in_the_order_of_names(self, world, inbox):
        fill(inbox)
        made = taken(world, inbox)
        assert [(one.name, one.result) for one in made] == [
            ("a-1.jsonl", "done"), ("b-7.csv", "done"), ("c-1.jsonl", "refused"), ("d-1.csv", "done"),
        ]  # fmt: skip
        assert names(inbox) == sorted(
            name
            for one in made
            for name in (f"{one.result}/{one.name}", f"{one.result}/{one.name}.answer.json")
        )
        assert known(world) == ["a-1", "a-2", "b-1", "b-2", "d-1"]
        for one in made:
            assert one.path.read_bytes() == FILES[one.name]
            assert answer_of(one.path) == one.answer
            assert one.answer["sha256"] == hashlib.sha256(FILES[one.name]).hexdigest()
        assert [outcome["outcome"] for outcome in made[3].answer["outcomes"]] == [
            "unknown resident", "replayed",
        ]  # fmt: skip
        assert (made[1].answer["feed"], made[1].answer["sequence"]) == ("b", 7)

    def test_a_refusal_says_why_and_no_code(self, world, inbox):
        wrong = CODE[:-1] + str((int(CODE[-1]) + 1) % 10)
        fill(inbox, {"x-1.csv": csv_file({**told("x-1"), "code": wrong}), "y-1.csv": b"a,b\n"})
        first, second = taken(world, inbox)
        assert first.answer["error"] == {
            "error": "BadInput",
            "place": "x-1.csv line 2, 住民票コード",
            "problem": "its check digit is wrong",
            "clause": "docs/event-feed.md",
            "remedy": None,
        }
        assert second.answer["error"]["place"] == "y-1.csv line 1"
        assert wrong not in json.dumps(first.answer)
        assert known(world) == []

    def test_a_second_round_finds_nothing(self, world, inbox):
        fill(inbox)
        taken(world, inbox)
        before = names(inbox)
        assert taken(world, inbox) == []
        assert names(inbox) == before

    def test_a_name_that_comes_again_never_takes_the_place_of_the_first(self, world, inbox):
        for number in range(3):
            fill(inbox, {"a-1.jsonl": FILES["a-1.jsonl"]})
            (one,) = taken(world, inbox)
            expected = "a-1.jsonl" if number == 0 else f"a-1.{number + 1}.jsonl"
            assert one.path == inbox / "done" / expected
        assert [outcome["outcome"] for outcome in one.answer["outcomes"]] == ["replayed"] * 2
        assert len(names(inbox)) == 6

    @pytest.mark.parametrize(
        "name",
        [
            "a-1.jsonl.part",
            ".a-1.jsonl",
            "a-1.txt",
            "a 1.jsonl",
            "転出-1.csv",
            "-a.csv",
            "a-1.csv.sha256",
            "x\n.csv",
        ],
    )
    def test_other_names_are_left_alone(self, world, inbox, name):
        fill(inbox, {name: FILES["a-1.jsonl"]})
        assert taken(world, inbox) == []
        assert name in names(inbox)

    def test_links_pipes_and_folders_are_left_alone(self, world, inbox, tmp_path):
        (tmp_path / "outside").write_bytes(FILES["a-1.jsonl"])
        (inbox / "a-1.jsonl").symlink_to(tmp_path / "outside")
        (inbox / "b-1.csv").mkdir()
        os.mkfifo(inbox / "c-1.csv")
        assert taken(world, inbox) == []
        assert known(world) == []

    def test_what_the_sender_says_of_the_octets_is_checked(self, world, inbox):
        octets = FILES["b-7.csv"]
        whole = f"{hashlib.sha256(octets).hexdigest()}  b-7.csv\n".encode()
        cut = b"".join(octets.splitlines(keepends=True)[:-1])
        fill(inbox, {"b-7.csv": cut, "b-7.csv.sha256": whole})
        (one,) = taken(world, inbox)
        assert "has not the SHA-256 that was announced" in one.answer["error"]["problem"]
        fill(inbox, {"b-7.csv": octets, "b-7.csv.sha256": b"?"})
        (one,) = taken(world, inbox)
        assert one.answer["error"]["place"] == "b-7.csv.sha256"
        assert known(world) == []
        fill(inbox, {"b-7.csv": octets, "b-7.csv.sha256": whole})
        (one,) = taken(world, inbox)
        assert one.result == "done"
        assert not list(inbox.glob("*.sha256"))

    def test_a_file_that_is_too_large_is_refused_and_not_read(self, world, inbox, monkeypatch):
        monkeypatch.setattr(front.inbox, "LARGEST_FILE", 100)
        monkeypatch.setattr(feed_events, "LARGEST_FILE", 100)
        fill(inbox, {"a-1.jsonl": FILES["a-1.jsonl"]})
        (one,) = taken(world, inbox)
        assert one.answer["sha256"] is None
        assert "reaches beyond 100 octets" in one.answer["error"]["problem"]

    def test_no_directory(self, world, inbox):
        with pytest.raises(BadInput, match="is not a directory to be watched: No such file"):
            taken(world, inbox / "nowhere")

    def test_only_one_process_works_in_it(self, world, inbox):
        fill(inbox)
        descriptor = os.open(inbox, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert taken(world, inbox) == []
        os.close(descriptor)
        assert len(taken(world, inbox)) == len(FILES)

    def test_what_is_not_the_files_fault_leaves_it_where_it_is(self, world, inbox, monkeypatch):
        fill(inbox)

        def full(*_args, **_options):
            raise StorageFailed("store.db", "cannot be written: No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(EventDesk, "apply", full)
            with pytest.raises(StorageFailed):
                taken(world, inbox)
        assert names(inbox) == sorted(FILES)
        assert len(taken(world, inbox)) == len(FILES)


def take_until(home: Path, folder: Path, last: int) -> None:
    """The work of a process that dies before its ``last``-th step; one that lives leaves the names of its steps."""
    steps = []

    def before(name, do):
        def step(*args, **options):
            steps.append(name)
            if len(steps) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return do(*args, **options)

        return step

    front.inbox.write_at = before("write", front.inbox.write_at)
    front.inbox.sync = before("sync", front.inbox.sync)
    EventDesk.apply = before("apply", EventDesk.apply)
    for name in ("replace", "rename", "unlink"):
        setattr(Path, name, before(name, getattr(Path, name)))
    with open_world(home, lambda: "") as world:
        for _ in take(world, folder):
            pass
    (home / "steps").write_text(" ".join(steps))


class TestSuddenDeath:
    @pytest.mark.deeper
    def test_at_any_step_each_file_is_answered_once(self, world, tmp_path):
        (tmp_path / "calm").mkdir()
        fill(tmp_path / "calm")
        calm = shutil.copytree(world, tmp_path / "calm-home")
        assert Running(take_until, calm, tmp_path / "calm", 0).wait() == 0
        steps = (calm / "steps").read_text().split()
        assert set(steps) >= {"apply", "write", "replace", "sync", "unlink", "rename"}
        deaths = min(KILLS // 2, len(steps))  # each is a process of its own, and two more of a world
        for part in range(deaths):
            last = 1 + part * (len(steps) - 1) // max(1, deaths - 1)
            self.die_and_go_on(world, tmp_path, last, names(tmp_path / "calm"), known(calm))

    def die_and_go_on(self, world, tmp_path, last, expected, events):
        home, folder = tmp_path / f"home-{last}", tmp_path / f"inbox-{last}"
        shutil.copytree(world, home)
        folder.mkdir()
        fill(folder)
        assert Running(take_until, home, folder, last).wait() == -signal.SIGKILL
        made = taken(home, folder)
        left = [name for name in names(folder) if not Path(name).name.startswith(".")]
        assert left == expected, last
        assert known(home) == events, last
        for name, told_of in GOOD.items():
            answer = answer_of(folder / "done" / name)
            assert [outcome["event"] for outcome in answer["outcomes"]] == told_of
            assert {outcome["outcome"] for outcome in answer["outcomes"]} <= {"unknown resident", "replayed"}
        assert answer_of(folder / "refused" / "c-1.jsonl")["error"]["error"] == "BadInput"
        # A file that had its answer is moved to it, and not applied again.
        assert len(made) <= len(FILES)
        assert taken(home, folder) == []


class TestTheCommand:
    def test_once(self, world, inbox):
        fill(inbox)
        outcome = commands.run("events", "watch", inbox, "--once", "--home", world)
        assert outcome.status == 1, "a file was refused"
        assert outcome.stdout.splitlines() == [
            "a-1.jsonl: done: 2 unknown resident",
            "b-7.csv: done: 2 unknown resident",
            "c-1.jsonl: refused: c-1.jsonl line 3: is the last line and not the trailer: the file is cut off",
            "d-1.csv: done: 1 replayed, 1 unknown resident",
        ]
        again = commands.done(commands.run("events", "watch", inbox, "--once", "--home", world))
        assert again.stdout == ""

    def test_for_machines(self, world, inbox):
        fill(inbox)
        outcome = commands.run("events", "watch", inbox, "--once", "--json", "--home", world)
        told_of = [json.loads(line) for line in outcome.stdout.splitlines()]
        assert [one["result"] for one in told_of] == ["done", "done", "refused", "done"]
        (refusal,) = (one for one in told_of if one["result"] == "refused")
        assert {key: refusal[key] for key in refusal if key != "result"} == answer_of(
            inbox / "refused" / "c-1.jsonl"
        )

    def test_a_directory_that_is_not_there(self, world, inbox):
        outcome = commands.run("events", "watch", inbox / "x", "--once", "--home", world)
        commands.refused(outcome, "inbox/x", "is not a directory to be watched")

    def test_a_real_process_takes_what_is_renamed_into_it_and_may_be_killed(self, world, inbox):
        process = commands.started("events", "watch", inbox, "--home", world)
        try:
            for name, octets in FILES.items():
                (inbox / f"{name}.part").write_bytes(octets)
                (inbox / f"{name}.part").rename(inbox / name)
            wait_until((inbox / "done" / "a-1.jsonl").exists, "the first file is taken")
        finally:
            process.kill()
            process.wait(PATIENCE)
        commands.run("events", "watch", inbox, "--once", "--home", world)
        assert [name for name in names(inbox) if "/" not in name] == []
        assert known(world) == ["a-1", "a-2", "b-1", "b-2", "d-1"]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932"])
    def test_a_single_file_of_csv(self, world, tmp_path, encoding):
        path = tmp_path / "export.csv"
        path.write_bytes(csv_file(told("a-1"), encoding=encoding))
        options = ("--feed", "chiyoda", "--sequence", "12", "--count", "1", "--home", world)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        (outcome,) = commands.done(
            commands.run("events", "apply", path, *options, "--sha256", digest, "--json")
        ).json
        assert (outcome["event"], outcome["outcome"]) == ("a-1", "unknown resident")
        commands.refused(commands.run("events", "apply", path, "--home", world), "does not say in its name")
        commands.refused(
            commands.run("events", "apply", path, *options, "--sha256", "0" * 64), "has not the SHA-256"
        )


class TestTheWorker:
    def test_it_takes_a_file_in_each_of_its_rounds(self, world, inbox):
        home = world / "home.toml"
        home.write_text(home.read_text().replace("state =", f'inbox = "{inbox}"\nstate =', 1))
        fill(inbox)
        with open_world(world, lambda: "") as opened:
            worker = Worker(opened)
            for number in range(1, len(FILES) + 1):
                worker.once()
                assert len(list(inbox.glob("*/*.answer.json"))) == number

    def test_init_writes_it_down(self, edition_file, tmp_path, inbox):
        home = tmp_path / "home"
        making = ("init", "--edition", edition_file, "--test-keys", "--home", home)
        commands.done(commands.run(*making, "--inbox", inbox))
        with open_world(home, lambda: "") as opened:
            assert opened.description.inbox == str(inbox)
        assert commands.run(*making, "--inbox", tmp_path / "nowhere").status != 0
