"""A directory that the worker keeps up to date: a real slapd gets what changes; one that fails keeps nothing else back."""

from __future__ import annotations

import fcntl
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.directory.attributes import AUTHORITY_LIST, CROSS_PAIR
from bridge.repository.directory import publish_repository
from bridge.repository.entries import read_entries
from bridge.repository.ldif import ldif
from bridge.repository.still import published_state, still
from ca.clock import system_clock
from ca.errors import HomeRefused
from front.app import create_app
from front.assembly import open_world
from front.following import Follower, read_following, read_state
from front.worker import Worker
from tests import commands
from tests.served_world import Home, holders, small_home, wait_until
from tests.slapd import MASTER, PASSWORD, read_ldif, require_extra, slapd
from tests.test_worker import command as working
from tests.test_worker import ended

BRIDGE, TOKYO = "jpki-bridge", "jpki-13"
LIST = f"g/{BRIDGE}.g1/crl/arl.crl"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return small_home(tmp_path / "home")


def told(home: Home, *words: object) -> Any:
    return commands.done(commands.run(*words, "--home", home.folder, "--json")).json


def follow(home: Home, url: str, tmp_path: Path, word: str = PASSWORD) -> Path:
    """Have the home follow a directory; gives the file of the password."""
    require_extra()
    file = tmp_path / "word"
    file.write_text(f"{word}\n")
    told(home, "repo", "ldap", "follow", "--url", url, "--bind-dn", MASTER, "--password-file", file)
    return file


def withdraw(home: Home) -> None:
    """By a command, in which no directory is named."""
    commands.run("officer", "add", "endo", "--office", "centre", "--role", "operator", "--home", home.folder)
    two = ("--officer", "ito", "--second-officer", "endo")
    told(home, "cross", "withdraw", BRIDGE, TOKYO, "--reason", "cessationOfOperation", *two)


def published(home: Home) -> dict[str, dict[str, set[bytes]]]:
    """What a directory has to say."""
    folder = home.folder / "repository"
    return read_ldif("".join(ldif(read_entries(folder), folder)))


@contextmanager
def follower(home: Home) -> Iterator[tuple[Worker, Follower]]:
    with open_world(home.folder, lambda: "") as world:
        worker = Worker(world)
        yield worker, worker.follower()


def pairs(content: dict[str, dict[str, set[bytes]]]) -> int:
    return sum(len(entry.get(CROSS_PAIR.lower(), ())) for entry in content.values())


class TestAWorkersDirectory:
    def test_a_withdrawal_reaches_it_without_a_command(self, home, tmp_path):
        """By a real worker, which was not told of the directory before it began."""
        with slapd(tmp_path / "slapd") as server, working(home) as (_, said):
            follow(home, server.url, tmp_path)
            wait_until(lambda: said("directory published"), "it has been published")
            assert server.content() == published(home)
            before = pairs(server.content())
            withdraw(home)
            wait_until(lambda: len(said("directory published")) > 1, "the withdrawal came")
            wait_until(lambda: server.content() == published(home), "all of it")
            assert pairs(server.content()) == before - 2
            lists = {
                one for entry in server.content().values() for one in entry.get(AUTHORITY_LIST.lower(), ())
            }
            assert (home.folder / "repository" / LIST).read_bytes() in lists
            (person,) = holders(home, 1)
            ended(home, person)
            wait_until(lambda: home.lists_agree() and server.content() == published(home), "and a new list")
            assert said("job failed") == said("directory not published") == []

    def test_one_that_never_answers_holds_no_list_up(self, home, tmp_path):
        with silent() as url, working(home) as (process, _):
            follow(home, url, tmp_path)
            wait_until(lambda: process.poll() is None and asked.is_set(), "it is being talked to")
            for person in holders(home, 2):
                ended(home, person)
                wait_until(home.lists_agree, "what was revoked is listed meanwhile")
            process.terminate()
            assert process.wait(60) == 0

    def test_nothing_new_is_nothing_written(self, home, tmp_path):
        with slapd(tmp_path / "slapd") as server, follower(home) as (_, following):
            follow(home, server.url, tmp_path)
            following.once()
            first = read_state(home_of(home))
            assert (first.state, first.failures, first.left_out) == ("ok", 0, 0)
            following.once()
            assert read_state(home_of(home)) == first
            # What somebody else has changed there is put right when everything is compared again.
            with server.master() as directory:
                name = next(name for name, entry in server.content().items() if CROSS_PAIR.lower() in entry)
                directory.replace(name, {CROSS_PAIR: []})
            following.once()
            assert server.content() != published(home)
            following._compare_at = system_clock()
            following.once()
            assert server.content() == published(home)

    def test_what_fails_waits_ever_longer_and_is_done_in_the_end(self, home, tmp_path):
        with follower(home) as (worker, following):
            follow(home, "ldap://127.0.0.1:1", tmp_path)
            pauses = []
            for failures in range(1, 12):
                following.once()
                state = read_state(home_of(home))
                assert (state.state, state.failures) == ("failing", failures)
                assert "cannot be reached" in state.problem
                pauses.append(round((state.next_try - state.at).total_seconds()))
                following.once()
                assert read_state(home_of(home)) == state, "its time has not come"
                following._next_try = system_clock() - timedelta(seconds=1)
            assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
            (person,) = holders(home, 1)
            ended(home, person)
            worker.once()
            assert home.lists_agree(), "over HTTP all is well"
            outcome = commands.run("repo", "ldap", "state", "--home", home.folder, "--json")
            assert (outcome.status, outcome.json["state"], outcome.json["failures"]) == (1, "failing", 11)
            with slapd(tmp_path / "slapd") as server:
                follow(home, server.url, tmp_path)
                following.once()
                assert server.content() == published(home)
            assert told(home, "repo", "ldap", "state")["state"] == "ok"

    def test_a_password_is_read_anew_for_each_try_and_kept_nowhere(self, home, tmp_path):
        with slapd(tmp_path / "slapd") as server, follower(home) as (_, following):
            file = follow(home, server.url, tmp_path, "another word")
            following.once()
            assert "does not accept" in read_state(home_of(home)).problem
            file.write_text(f"{PASSWORD}\n")
            following._next_try = system_clock()
            following.once()
            assert read_state(home_of(home)).state == "ok"
        for path in home.folder.rglob("*"):
            if path.is_file():
                octets = path.read_bytes()
                assert PASSWORD.encode() not in octets, path
                assert b"another word" not in octets, path

    def test_one_worker_at_a_time(self, home, tmp_path):
        """Who has lost the job in the midst writes nothing more, and says nothing."""
        with slapd(tmp_path / "slapd") as server, follower(home) as (worker, following):
            follow(home, server.url, tmp_path)
            Follower(worker._world, lambda: None, threading.Event()).once()
            assert read_state(home_of(home)) is None
            turns = iter([True])
            losing = Follower(
                worker._world, lambda: system_clock() if next(turns, False) else None, threading.Event()
            )
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("front.following._KEPT", timedelta(0))
                losing.once()
            assert read_state(home_of(home)) is None
            assert 0 < len(server.content()) < len(published(home))
            following.once()
            assert server.content() == published(home)

    def test_it_is_seen_where_readiness_is_asked_for(self, home, tmp_path):
        with follower(home) as (worker, following):
            client = create_app(worker._world).test_client()
            worker.once()
            assert "directory" not in client.get("/ready").json
            follow(home, "ldap://127.0.0.1:1", tmp_path)
            assert client.get("/ready").json["directory"] == "not tried yet"
            following.once()
            answer = client.get("/ready")
            assert (answer.status_code, answer.json["directory"]) == (200, "failing")
            told(home, "repo", "ldap", "follow", "--stop")
            assert "directory" not in client.get("/ready").json
            following.once()
            assert read_state(home_of(home)) is None
            assert told(home, "repo", "ldap", "state") == {"directory": None}


REFUSED = [
    ("nothing", (), "needs --url, --bind-dn and --password-file"),
    ("no such URL", ("--url", "http://127.0.0.1"), "not of the form ldap://"),
]


@pytest.mark.parametrize(("words", "said"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_what_cannot_be_followed_is_refused(home, tmp_path, words, said):
    require_extra()
    (tmp_path / "word").write_text("word\n")
    more = ("--bind-dn", MASTER, "--password-file", tmp_path / "word") if words else ()
    commands.refused(commands.run("repo", "ldap", "follow", *words, *more, "--home", home.folder), said)
    assert read_following(home_of(home)) is None


def test_lists_for_known_verifiers_are_not_handed_on_unasked(home, tmp_path):
    require_extra()
    (tmp_path / "word").write_text("word\n")
    edition = home.folder / "edition.toml"
    text = edition.read_text(encoding="utf-8")
    edition.write_text(text + '\n[status]\nlist_access = "known"\n', encoding="utf-8")
    words = ("--url", "ldap://127.0.0.1:1", "--bind-dn", MASTER, "--password-file", tmp_path / "word")
    commands.refused(
        commands.run("repo", "ldap", "follow", *words, "--home", home.folder), "known verifiers alone"
    )
    assert told(home, "repo", "ldap", "follow", *words, "--guarded")["directory"] == "ldap://127.0.0.1:1"
    # The worker asks again: the edition may have changed since.
    setting = home.folder / "directory.toml"
    setting.write_text(setting.read_text().replace("guarded = true\n", ""))
    with follower(home) as (_, following):
        following.once()
        assert "known verifiers alone" in read_state(home_of(home)).problem


@pytest.mark.parametrize(
    "text", ["nonsense", 'url = "ldap://x"', "[" * 9000, 'url = 1\nbind_dn = ""\npassword_file = ""']
)
def test_a_setting_that_is_none_is_refused(home, text):
    (home.folder / "directory.toml").write_text(text)
    with pytest.raises(HomeRefused, match="cannot be read"):
        read_following(home_of(home))


# Still.


class TestStill:
    def test_whoever_publishes_meanwhile_changes_nothing_and_does_not_wait(self, home):
        """What is read is of one moment, and the folder's lock is free as soon as it is."""
        with open_world(home.folder, lambda: "") as world:
            before, state = published(home), published_state(world.repository)
            with still(world.repository) as found:
                with (home.folder / "publishing.lock").open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                withdraw(home)
                assert published_state(world.repository) != state
                assert published(home) != before
                assert read_ldif("".join(ldif(found.entries, found.folder))) == before
                place = found.folder
            assert not place.exists()

    def test_the_directory_gets_what_was_published_at_one_moment(self, home, tmp_path):
        with slapd(tmp_path / "slapd") as server, open_world(home.folder, lambda: "") as world:
            before, seen = published(home), list[str]()

            def meanwhile(name: str, _: int) -> None:
                if not seen:
                    withdraw(home)
                seen.append(name)

            with server.master() as directory:
                publish_repository(world.repository, directory, meanwhile)
                assert server.content() == before
                publish_repository(world.repository, directory, lambda *_: None)
            assert server.content() == published(home) != before

    def test_it_waits_for_whoever_publishes(self, home, monkeypatch):
        with open_world(home.folder, lambda: "") as world, world.repository.exclusive():
            monkeypatch.setattr("bridge.repository.folder._PATIENCE_SECONDS", 0)
            outcome = commands.run("repo", "ldif", "--home", home.folder)
        commands.refused(outcome, "another process has been publishing")

    def test_what_the_dead_left_goes_and_what_the_living_read_stays(self, home):
        left = home.folder / ".still-dead"
        (left / "g").mkdir(parents=True)
        with open_world(home.folder, lambda: "") as world, still(world.repository) as one:
            assert not left.exists()
            with still(world.repository) as another:
                assert one.folder.exists()
                assert another.folder != one.folder
            assert one.folder.exists()

    def test_the_state_is_the_same_until_something_is_placed(self, home):
        with open_world(home.folder, lambda: "") as world:
            first = published_state(world.repository)
            assert published_state(world.repository) == first
            path = home.folder / "repository" / LIST
            world.repository.place([(LIST, path.read_bytes() + b"x"), (LIST, path.read_bytes())])
            assert published_state(world.repository) != first, "a file was replaced by one that says the same"


def home_of(home: Home) -> Any:
    from front.home import Home as Folder  # noqa: PLC0415 - two things are called so here

    return Folder(home.folder)


asked = threading.Event()


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes whatever comes and never says anything."""
    asked.clear()
    stop, kept = threading.Event(), list[socket.socket]()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)

        def accept() -> None:
            while not stop.is_set():
                with suppress(TimeoutError):
                    kept.append(listening.accept()[0])
                    asked.set()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()
            for one in kept:
                one.close()
