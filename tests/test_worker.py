"""The worker: what was acknowledged is carried out and published, by one worker at a time, whoever dies."""

import json
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ca.clock import system_clock
from ca.model import RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.store import clients
from ca.wire.list_facts import read_list
from front import worker as worker_module
from front.assembly import open_world
from front.logs import configure
from front.worker import LISTS_JOB, Worker
from tests import commands
from tests.feed_files import feed_file
from tests.served_world import (
    BOTH,
    PATIENCE,
    START,
    born,
    change,
    holders,
    small_home,
    wait_until,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEASE = 2
ROOT = Path(__file__).parent.parent


@pytest.fixture
def home(tmp_path):
    return small_home(tmp_path / "home")


def ended(home, *people, reason=RevocationReason.SUPERSEDED) -> None:
    """The signature certificates of these people are revoked, and no list says so yet."""
    with open_world(home.folder, lambda: "") as world:
        for person in people:
            revoke(world.stores, person.certificates[BOTH[0]], reason, "ito", at=world.clock())


def lists_of(home) -> dict[str, bytes]:
    """The newest lists."""
    repository = home.folder / "repository"
    return {str(path.relative_to(repository)): path.read_bytes() for path in repository.glob("g/*/crl/*.crl")}


def lease(home) -> tuple[str, datetime] | None:
    """Who holds the job, and until when."""
    rows = home.rows("SELECT owner, until FROM leases WHERE job = ?", LISTS_JOB)
    return (rows[0][0], EPOCH + timedelta(microseconds=rows[0][1])) if rows else None


class TestItsJobs:
    def test_what_was_revoked_is_published_and_nothing_else(self, home):
        people = holders(home, 3)
        before = lists_of(home)
        ended(home, *people[:2])
        assert not home.lists_agree()
        with open_world(home.folder, lambda: "") as world:
            Worker(world).once()
            assert home.lists_agree()
            after = lists_of(home)
            changed = {path for path, octets in after.items() if before[path] != octets}
            place = "g/jpki-13.g1/crl"
            assert changed == {f"{place}/signature-131016.crl", f"{place}/full.crl"}
            Worker(world).once()
            assert lists_of(home) == after

    def test_the_journal_is_carried_out_if_the_store_fell_behind(self, home, tmp_path):
        (person,) = holders(home, 1, BOTH)
        shutil.copy(home.folder / "store.db", tmp_path / "backup")
        (tmp_path / "feed").write_bytes(feed_file(change(home, "died", person.code)))
        commands.done(commands.run("events", "apply", tmp_path / "feed", "--home", home.folder))
        serials = {certificate.serial.value for certificate in person.certificates.values()}
        assert home.published("jpki-13.g1", "full") == serials
        shutil.copy(tmp_path / "backup", home.folder / "store.db")
        assert home.rows("SELECT * FROM revocations") == []
        with open_world(home.folder, lambda: "") as world:
            Worker(world).once()
        assert home.recorded()["jpki-13.g1", "full"] == serials
        assert home.published("jpki-13.g1", "full") == serials
        assert home.lists_agree()

    def test_an_event_that_waited_takes_effect_and_is_published(self, home, tmp_path):
        (person,) = holders(home, 1, BOTH)
        early = (home.now() + timedelta(hours=1)).isoformat()
        (tmp_path / "feed").write_bytes(feed_file(change(home, "died", person.code, effective=early)))
        told = commands.done(
            commands.run("events", "apply", tmp_path / "feed", "--home", home.folder, "--json")
        )
        assert [outcome["outcome"] for outcome in told.json] == ["waiting"]
        with open_world(home.folder, lambda: "") as world:
            Worker(world).once()
        assert home.published("jpki-13.g1", "full") == set()
        with open_world(home.folder, lambda: "", (home.now() + timedelta(hours=2), 1.0)) as world:
            Worker(world).once()
        serials = {certificate.serial.value for certificate in person.certificates.values()}
        assert home.published("jpki-13.g1", "full") == serials

    def test_lists_in_the_second_half_of_their_time_are_renewed(self, home):
        before = lists_of(home)
        late = START + timedelta(hours=25)
        with open_world(home.folder, lambda: "", (late, 1.0)) as world:
            Worker(world).once()
        after = lists_of(home)
        assert after.keys() == before.keys()
        for path, octets in after.items():
            old, new = read_list(before[path], path), read_list(octets, path)
            assert new.number > old.number
            assert new.this_update >= late > old.this_update
        with open_world(home.folder, lambda: "", (late, 1.0)) as world:
            Worker(world).once()
        assert lists_of(home) == after

    def test_between_two_generations_it_makes_sure_that_the_job_is_its_own(self, home, monkeypatch):
        made = []

        def publish_and_lose_the_job(issuers, generation, repository, *, at):
            made.append(generation)
            with issuers.stores.nation.writing() as connection:
                assert clients.lease_end(connection, LISTS_JOB) > system_clock()
                clients.release_leases(connection, lease(home)[0])
                clients.take_lease(
                    connection, LISTS_JOB, "another", lasting=timedelta(hours=1), at=system_clock()
                )
            return original(issuers, generation, repository, at=at)

        original = worker_module.publish_lists
        monkeypatch.setattr(worker_module, "publish_lists", publish_and_lose_the_job)
        with open_world(home.folder, lambda: "") as world:
            Worker(world).once()
            assert len(made) == 1
            Worker(world).once()
        assert len(made) == 1
        assert lease(home)[0] == "another"


class TestLeases:
    HOUR = timedelta(hours=1)

    def take(self, home, owner, at, lasting=HOUR):
        with open_world(home.folder, lambda: "") as world, world.stores.nation.writing() as connection:
            return clients.take_lease(connection, "a job", owner, lasting=lasting, at=at)

    def test_one_holds_it_until_it_runs_out_or_is_given_back(self, home):
        begin = system_clock()
        second = timedelta(seconds=1)
        assert self.take(home, "a", begin) == begin + self.HOUR
        assert self.take(home, "b", begin) is None
        assert self.take(home, "a", begin + second) == begin + second + self.HOUR
        assert self.take(home, "b", begin + self.HOUR) is None
        assert self.take(home, "b", begin + second + self.HOUR) == begin + second + 2 * self.HOUR
        assert self.take(home, "a", begin + second + self.HOUR) is None
        with open_world(home.folder, lambda: "") as world:
            with world.stores.nation.writing() as connection:
                clients.release_leases(connection, "a")
            assert self.take(home, "a", begin + second + self.HOUR) is None
            with world.stores.nation.writing() as connection:
                clients.release_leases(connection, "b")
        assert self.take(home, "a", begin) == begin + self.HOUR

    def test_of_many_who_ask_at_once_one_gets_it(self, home):
        with open_world(home.folder, lambda: "") as world:
            for number in range(10):

                def take(owner, job=f"job {number}"):
                    with world.stores.nation.writing() as connection:
                        return clients.take_lease(
                            connection, job, owner, lasting=self.HOUR, at=system_clock()
                        )

                with ThreadPoolExecutor(8) as pool:
                    got = list(pool.map(take, (f"owner {n}" for n in range(8))))
                assert sum(until is not None for until in got) == 1


def work_with_short_leases(folder) -> None:
    """What ``kakehashi work`` does, with leases of LEASE seconds."""
    configure()
    with open_world(Path(folder), lambda: "") as world:
        Worker(world, lease=timedelta(seconds=LEASE)).run()


@contextmanager
def started(log, command):
    """A worker process; gives it, and what reads its log lines about something."""
    with log.open("wb") as lines:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=lines, cwd=ROOT)

    def about(event):
        lines = [
            json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")
        ]
        return [line for line in lines if line["event"] == event]

    try:
        wait_until(lambda: about("worker started") or process.poll() is not None, "it has started")
        yield process, about
    finally:
        process.kill()
        process.wait()


def command(home, *options):
    """``kakehashi work`` in a process of its own."""
    return started(
        home.folder.parent / "work.log", [commands.COMMAND, "work", "--home", home.folder, *options]
    )


def working(home, name):
    """The same with short leases."""
    program = "import sys; from tests.test_worker import work_with_short_leases as work; work(sys.argv[1])"
    return started(home.folder.parent / f"{name}.log", [sys.executable, "-c", program, home.folder])


class TestTwoWorkers:
    @pytest.mark.long
    def test_one_publishes_until_it_is_gone(self, home):
        people = holders(home, 6)
        with working(home, "first") as (first, by_first):
            wait_until(lambda: lease(home), "the first has the job")
            owner = lease(home)[0]
            with working(home, "second") as (second, by_second):
                for person in people[:3]:
                    ended(home, person)
                    wait_until(home.lists_agree, "what was revoked is listed")
                assert len(by_first("lists published")) >= 1
                assert by_second("lists published") == []
                assert lease(home)[0] == owner
                # Killed, it holds the job until its lease has run out; then the other takes it.
                first.kill()
                first.wait()
                holder, until = lease(home)
                ended(home, people[3])
                wait_until(home.lists_agree, "the other takes over")
                wait_until(lambda: by_second("lists published"), "and says so")
                (taken,) = by_second("lists published")
                if holder == owner:  # else this process slept through the rest of the lease
                    assert datetime.fromisoformat(taken["time"]) >= until - timedelta(milliseconds=1)
                assert lease(home)[0] != owner
                # Asked to stop, it gives the job back.
                second.terminate()
                assert second.wait(PATIENCE) == 0
                assert lease(home) is None
                (_,) = by_second("worker stopped")
                ended(home, people[4])
                assert not home.lists_agree()
                with working(home, "third"):
                    wait_until(home.lists_agree, "a third begins at once")


class TestTheCommand:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_asked_to_stop_it_ends_well(self, home, number):
        with command(home) as (process, said):
            wait_until(lambda: lease(home), "it has the job")
            process.send_signal(number)
            assert process.wait(PATIENCE) == 0
        assert lease(home) is None
        assert (len(said("worker started")), len(said("worker stopped"))) == (1, 1)

    def test_in_the_middle_of_a_round_it_ends_between_two_lists(self, home):
        before = lists_of(home)
        late = f"{START + timedelta(hours=25):%Y-%m-%dT%H:%MZ}+1"
        with command(home, "--clock", late) as (process, _):
            wait_until(lambda: lists_of(home) != before, "the round has begun")
            process.terminate()
            assert process.wait(PATIENCE) == 0
        for path, octets in lists_of(home).items():
            assert read_list(octets, path).number >= read_list(before[path], path).number
        with open_world(home.folder, lambda: "", (START + timedelta(hours=26), 1.0)) as world:
            Worker(world).once()
        assert all(read_list(octets, path).this_update > START for path, octets in lists_of(home).items())

    def test_what_fails_is_said_and_tried_again(self, home, tmp_path):
        (person,) = holders(home, 1)
        place = home.folder / "repository" / "g" / "jpki-13.g1" / "crl" / "full"
        place.rename(tmp_path / "full")
        place.write_text("not a folder")
        ended(home, person)
        with command(home) as (process, said):
            wait_until(lambda: len(said("job failed")) > 1, "it has failed, and failed again")
            assert said("job failed")[0]["level"] == "error"
            assert said("job failed")[0]["error"] == "StorageFailed"
            place.unlink()
            (tmp_path / "full").rename(place)
            wait_until(home.lists_agree, "it succeeds in the end")
            process.terminate()
            assert process.wait(PATIENCE) == 0

    def test_it_ends_when_the_process_that_started_it_is_gone(self, home):
        """However early that is: its parent may be dead before it has read its own options."""
        with command(home, "--parent", "1") as (process, _):
            assert process.wait(PATIENCE) == 0
        script = (
            "import os, subprocess, sys\n"
            "child = subprocess.Popen([*sys.argv[1:], '--parent', str(os.getpid())])\n"
            "print(child.pid, flush=True)\n"
            "child.wait()\n"
        )
        starting = [sys.executable, "-c", script, commands.COMMAND, "work", "--home", home.folder]
        with subprocess.Popen(starting, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
            worker = int(parent.stdout.readline())
            birth = born(worker)
            wait_until(lambda: lease(home), "it has the job")
            parent.kill()
        wait_until(lambda: born(worker) != birth, "it ends by itself")
        assert lease(home) is None
