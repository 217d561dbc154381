"""The journal as people and auditors meet it: signed heads, the commands, the mirror, the end of retention."""

import json
import shutil
import subprocess
from datetime import timedelta

import pytest
from flask import Flask

from bridge.repository.heads import mend_head, publish_head, published_head
from bridge.repository.layout import kept_head_path
from ca.errors import ArchiveDestroyed, HomeRefused
from ca.journal.inspection import inspect
from ca.journal.segments import segments
from ca.model import CertificateKind
from ca.profiles.practice import Access
from front.assembly import home_plan, open_world
from front.home import Home
from front.public import public
from front.worker import Worker
from ocsp.admission import Admission, Register
from ocsp.peers import Addresses
from tests.commands import done, refused, run
from tests.console_world import PERSON
from tests.engine_world import CODE, NOW, csr_for, engine_world
from tests.http_servers import serving
from tests.small_edition import SEED

HOUR = timedelta(hours=1)


@pytest.fixture
def engines(tmp_path):
    with engine_world(tmp_path / "engines") as world:
        yield world


def placed(world, at):
    return publish_head(world.issuers, world.plan, world.repository, at=at)


def more(world):
    world.issued(kinds=(CertificateKind.SIGNATURE,))


def judged(folder, name="head"):
    """OpenSSL's word that the signature is over the head; who signed it, verify says."""
    path = folder / "journal"
    command = ["openssl", "cms", "-verify", "-binary", "-noverify", "-inform", "DER"]
    files = ["-in", path / f"{name}.p7s", "-content", path / f"{name}.json", "-out", "/dev/null"]
    return subprocess.run([*command, *files], check=False, capture_output=True).returncode


class TestHeads:
    def test_one_says_how_far_the_journal_reaches_and_is_signed(self, engines):
        more(engines)
        assert placed(engines, NOW) == 4
        said = published_head(engines.repository)
        head = inspect(engines.folder / "journal").head
        assert (said.world, said.count, said.digest, said.at) == (
            engines.plan.name,
            head.count,
            head.digest,
            NOW,
        )
        assert judged(engines.repository.folder) == 0
        assert judged(engines.repository.folder, f"heads/{head.count}") == 0
        path = engines.repository.folder / "journal" / "head.json"
        path.write_bytes(path.read_bytes().replace(b'"count"', b'"Count"'))
        assert judged(engines.repository.folder) != 0

    def test_the_first_of_an_hour_is_kept_and_one_an_hour_is_enough(self, engines):
        more(engines)
        begin = NOW.replace(minute=10)
        first = engines.stores.journal.head().count
        assert [placed(engines, begin), placed(engines, begin + timedelta(minutes=20))] == [4, 0]
        more(engines)
        second = engines.stores.journal.head().count
        assert placed(engines, begin + timedelta(minutes=30)) == 2  # public, and not kept
        assert published_head(engines.repository).count == second
        assert placed(engines, begin + HOUR) == 4
        assert placed(engines, begin + 2 * HOUR) == 2  # says that it is still so
        assert published_head(engines.repository).at == begin + 2 * HOUR
        kept = [count for count in range(second + 1) if engines.repository.has(kept_head_path(count))]
        assert kept == [first, second]

    @pytest.mark.parametrize(
        ("name", "spoil"),
        [
            ("head.p7s", lambda _: b"nothing"),
            ("head.p7s", lambda octets: octets[:-1] + bytes([octets[-1] ^ 1])),
            ("head.p7s", None),
            ("head.json", lambda octets: octets.replace(b'"at":"2014', b'"at":"2015')),
        ],
        ids=["no signature", "a wrong one", "lost", "another moment"],
    )
    def test_one_that_nobody_can_believe_is_published_anew_within_the_hour(self, engines, name, spoil):
        more(engines)
        begin = NOW.replace(minute=10)
        placed(engines, begin)
        path = engines.repository.folder / "journal" / name
        if spoil is None:
            path.unlink()
        else:
            before = path.read_bytes()
            path.write_bytes(spoil(before))
            assert path.read_bytes() != before
        at = begin + timedelta(minutes=1)
        assert mend_head(engines.issuers, engines.plan, engines.repository, at=at) > 0
        assert published_head(engines.repository).at == at
        assert judged(engines.repository.folder) == 0
        assert mend_head(engines.issuers, engines.plan, engines.repository, at=at) == 0

    def test_before_the_first_there_is_nothing_to_mend(self, engines):
        assert mend_head(engines.issuers, engines.plan, engines.repository, at=NOW) == 0
        assert published_head(engines.repository) is None

    @pytest.mark.parametrize("spoil", ["cut", "changed"])
    def test_none_is_placed_over_one_that_the_journal_does_not_reach(self, engines, spoil):
        more(engines)
        placed(engines, NOW)
        before = published_head(engines.repository)
        path = list(segments(engines.folder / "journal").values())[-1]
        lines = path.read_bytes().splitlines(keepends=True)
        last = lines[-1].replace(b'"signature":"', b'"signature":"AAAA', 1)
        assert last != lines[-1]
        path.write_bytes(b"".join([*lines[:-1], *([] if spoil == "cut" else [last])]))
        engines.stores.journal._copies[0].end = None  # as another process sees it
        words = (
            "the head that is public since" if spoil == "cut" else "is not the one that the public head names"
        )
        with pytest.raises(HomeRefused, match=words):
            placed(engines, NOW + HOUR)
        assert published_head(engines.repository) == before

    def test_none_is_placed_over_one_of_another_story_however_far_the_journal_reaches(
        self, engines, tmp_path
    ):
        """As when an old copy of a whole home goes on by itself."""
        more(engines)
        placed(engines, NOW)
        before = published_head(engines.repository)
        with engine_world(tmp_path / "another") as another:
            another.issued(kinds=(CertificateKind.USER_AUTHENTICATION,))
            more(another)
            assert another.stores.journal.head().count > before.count
            shutil.copytree(engines.repository.folder / "journal", another.repository.folder / "journal")
            with pytest.raises(HomeRefused, match="is not the one that the public head names") as refused:
                placed(another, NOW + HOUR)
            assert refused.value.place == f"journal record {before.count}"
            assert published_head(another.repository) == before

    def test_they_are_served(self, engines):
        placed(engines, NOW)
        app = Flask(__name__)
        anybody = Admission(Access.OPEN, Register(dict, timedelta(seconds=5)), Addresses.parse([], "none"))
        app.register_blueprint(public(engines.repository.folder, anybody, None, lambda: NOW))
        client = app.test_client()
        for path in (
            "journal/head.json",
            "journal/head.p7s",
            kept_head_path(published_head(engines.repository).count),
        ):
            answer = client.get(f"/{path}")
            assert answer.status_code == 200
            assert answer.data == (engines.repository.folder / path).read_bytes()
            answer.close()
        for path in ("journal/000000000001.jsonl", "journal/../../journal/000000000001.jsonl"):
            assert client.get(f"/{path}").status_code == 404

    def test_the_worker_publishes_one_at_once_and_then_every_hour(self, world):
        repository = world / "repository" / "journal" / "head.json"
        repository.unlink(missing_ok=True)
        with open_world(world, lambda: "") as opened:
            worker = Worker(opened)
            worker.once()
            assert json.loads(repository.read_bytes())["count"] == opened.stores.journal.head().count
            repository.unlink()
            worker.once()
            assert not repository.exists()
            worker._next_head -= HOUR
            worker.once()
            assert repository.exists()


@pytest.fixture
def headed(world):
    """A home whose journal has a public head."""
    done(run("list", "publish", "--home", world))
    return world


def cut_off(folder):
    """Remove a journal's last record."""
    path = list(segments(folder).values())[-1]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


class TestTheCommand:
    def test_verify_needs_neither_database_nor_keys(self, headed):
        (headed / "store.db").unlink()
        shutil.rmtree(headed / "keys")
        found = done(
            run("journal", "verify", "--home", headed, "--heads", headed / "repository", "--json")
        ).json
        head = done(run("journal", "head", "--home", headed, "--json")).json
        assert (found["verdict"], found["heads"], found["records"]) == ("whole", 1, head["count"])
        assert found["digest"] == head["digest"]

    def test_verify_with_what_is_served_and_an_anchor_alone(self, headed, tmp_path):
        plan = home_plan(Home(headed), Home(headed).describe())
        anchor = shutil.copy(headed / "repository" / "g" / f"{plan.anchor}.g1" / "self.cer", tmp_path)
        journal = shutil.copytree(headed / "journal", tmp_path / "copied")
        with serving(headed / "repository") as server:
            command = ("journal", "verify", journal, "--heads", server.url, "--anchor", anchor)
            assert done(run(*command, "--json")).json["heads"] == 1
            refused(run("journal", "verify", journal, "--heads", server.url), "--anchor", "is needed")
            cut_off(journal)
            refused(run(*command), "ends with record", "its end was cut off")

    def test_a_head_that_one_kept_is_believed_as_it_is(self, headed, tmp_path):
        kept = shutil.copy(headed / "repository" / "journal" / "head.json", tmp_path)
        shutil.rmtree(headed / "repository")
        command = ("journal", "verify", "--home", headed, "--heads", kept)
        assert done(run(*command, "--json")).json["heads"] == 1
        cut_off(headed / "journal")
        refused(run(*command), "its end was cut off", "Restore")
        done(run("journal", "verify", "--home", headed))  # nothing in the chain shows it

    @pytest.mark.parametrize(
        ("name", "old", "new", "words"),
        [
            ("head.json", b'"count":', b'"count":1', "is a signature over other content"),
            ("head.json", b'"format":1', b'"format":2', "is not the head of a journal"),
            ("head.json", b"{", b"[", "is not the head of a journal"),
            ("head.p7s", b"\x30", b"\x31", "journal/head"),
        ],
    )
    def test_a_published_head_that_was_changed_is_not_believed(self, headed, name, old, new, words):
        path = headed / "repository" / "journal" / name
        path.write_bytes(path.read_bytes().replace(old, new, 1))
        refused(run("journal", "verify", "--home", headed, "--heads", headed / "repository"), words)

    def test_show_tells_records_and_no_more_than_asked(self, headed):
        rows = done(run("journal", "show", "--home", headed, "--after", 2, "--limit", 3, "--json")).json
        assert [row["index"] for row in rows] == [3, 4, 5]
        assert "intent" in done(run("journal", "show", "--home", headed)).stdout

    def test_what_is_no_journal_is_refused(self, tmp_path):
        refused(run("journal", "verify", tmp_path / "none"), "is not a journal's folder")
        refused(run("journal", "verify"), "--home", "is needed here")
        (tmp_path / "head.json").write_text("{}")
        (tmp_path / "journal").mkdir()
        refused(
            run("journal", "verify", tmp_path / "journal", "--heads", tmp_path / "head.json"),
            "is not the head",
        )
        refused(
            run("journal", "verify", tmp_path / "journal", "--heads", tmp_path / "none"), "cannot be read"
        )


class TestTheMirror:
    def test_it_is_begun_at_any_time_and_filled(self, headed, tmp_path):
        found = done(run("journal", "mirror", tmp_path / "mirror", "--home", headed, "--json")).json
        assert found["records"] == inspect(tmp_path / "mirror" / "journal").head.count > 0
        for name in ("journal", "archive"):
            assert same(headed / name, tmp_path / "mirror" / name)
        assert Home(headed).describe().journal_mirror == str(tmp_path / "mirror")
        done(run("list", "publish", "--home", headed))

    def test_it_is_a_second_place(self, headed, tmp_path):
        refused(run("journal", "mirror", headed / "mirror", "--home", headed), "no second place")
        refused(run("journal", "mirror", headed.parent, "--home", headed), "no second place")
        (tmp_path / "others" / "journal").mkdir(parents=True)
        (tmp_path / "others" / "journal" / "000000000001.jsonl").write_bytes(b"")
        refused(run("journal", "mirror", tmp_path / "others", "--home", headed), "is not empty")
        assert Home(headed).describe().journal_mirror is None

    def test_nobody_else_works_in_the_home_meanwhile(self, headed, tmp_path):
        with Home(headed).locked(alone=False):
            refused(run("journal", "mirror", tmp_path / "mirror", "--home", headed), "another process")

    def test_a_home_is_made_with_one_and_comes_back_from_it(self, edition_file, tmp_path):
        home, mirror = tmp_path / "home", tmp_path / "mirror"
        command = ("init", "--edition", edition_file, "--test-keys", "--seed", SEED, "--home", home)
        done(run(*command, "--journal-mirror", mirror))
        done(run(*command, "--journal-mirror", mirror))
        refused(run(*command, "--journal-mirror", tmp_path / "other"), "has another mirror", "journal mirror")
        head = done(run("journal", "head", mirror / "journal", "--json")).json
        shutil.rmtree(home / "journal")
        shutil.rmtree(home / "archive")
        done(run("list", "publish", "--home", home))
        assert done(run("journal", "head", home / "journal", "--json")).json == head
        shutil.rmtree(mirror)
        refused(run("list", "publish", "--home", home), "mirror is not there", "Mount")


def same(one, other):
    """Whether two folders have the same records and bodies."""
    found = [
        {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}
        for folder in (one, other)
    ]
    assert found[0]
    return found[0] == found[1]


class TestTheEndOfRetention:
    LATE = "2060-01-01T00:00Z"

    def test_keys_of_long_ended_certificates_go_and_the_journal_stays(self, staffed_world):
        with open_world(staffed_world, lambda: "") as world:
            desk, at = world.registration, world.clock()
            csrs = {CertificateKind.SIGNATURE: csr_for(7)}
            case = desk.file("sato", PERSON, csrs, code=CODE, at=at).case.id
            desk.examine(case, "suzuki", at=at)
            desk.approve(case, "tanaka", at=at)
            desk.issue(case, "ito", at=at)
        before = inspect(staffed_world / "journal")
        command = ("archive", "destroy", "--home", staffed_world, "--clock", self.LATE, "--json")
        assert done(run(*command, "--before", "2014-09-02T00:00:00Z")).json["destroyed"] == 0
        slots = (staffed_world / "archive" / "slots").read_bytes()
        assert done(run(*command, "--before", "2049-12-31T00:00:00Z")).json["destroyed"] == 1
        assert (staffed_world / "archive" / "slots").read_bytes() != slots
        after = inspect(staffed_world / "journal", [before.head])
        assert after.head.count == before.head.count + 2, "each was recorded"
        with open_world(staffed_world, lambda: "") as world, world.stores.journal.turn() as turn:
            with pytest.raises(ArchiveDestroyed, match="was destroyed"):
                turn.body(before.bodies)
            assert turn.body(1), "an authority's tells of nobody"

    def test_what_ended_lately_is_kept(self, headed):
        slots = (headed / "archive" / "slots").read_bytes()
        command = ("archive", "destroy", "--home", headed, "--clock", self.LATE)
        refused(run(*command, "--before", "2050-01-02T00:00:00Z"), "less than 10 years ago has to be kept")
        assert (headed / "archive" / "slots").read_bytes() == slots
