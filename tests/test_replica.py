"""Responders over a real streaming replica: what it has not heard of it does not answer for, and never says good."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from asn1crypto import ocsp, x509
from sqlalchemy import make_url, text

from ca.errors import StorageFailed
from ca.model import RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.store.engine import Store
from front.assembly import open_world
from front.demo.served import free_port
from front.heart import beating
from tests import commands
from tests.ocsp_world import LATER, request_for
from tests.postgresql import begun, replica_of
from tests.served_world import BOTH, holders, home_on, served, wait_until

ROLE = "asks"
READ = (
    "alembic_version", "marks", "heartbeats", "counters", "generations", "key_lives", "service_certificates",
    "certificates", "certificate_bytes", "revocations", "list_places", "verifiers",
)  # fmt: skip
"""The tables that responders read; docs/operating.md says so too."""
BOUND = 5.0
"""The edition's staleness, in seconds."""


class Nation:
    """A primary with its heart, a replica, and responders over the replica."""

    def __init__(self, world, replica, server, people):
        self.world, self.replica, self.server = world, replica, server
        self._people = iter(people)

    def person(self):
        """Somebody's certificate that is good as yet."""
        return next(self._people).certificates[BOTH[0]]

    def revoke(self, certificate) -> float:
        """Revoke; gives when it was acknowledged."""
        revoke(self.world.stores, certificate, RevocationReason.KEY_COMPROMISE, "ito", at=self.world.clock())
        return time.monotonic()

    def says(self, certificate) -> str:
        """What one of the workers answers: good, revoked, unknown, or later."""
        folder = self.world.home.repository / "g" / str(certificate.generation)
        own = x509.Certificate.load((folder / "self.cer").read_bytes())
        answer = self.server.post(
            f"/ocsp/{certificate.generation}",
            request_for(own, certificate.serial),
            headers={"Content-Type": "application/ocsp-request"},
        )
        assert answer.status == 200
        if answer.body == LATER:
            return "later"
        (one,) = ocsp.OCSPResponse.load(answer.body).response_data["responses"]
        return one["cert_status"].name

    def all_say(self, certificate, wanted: str) -> bool:
        """Whether every worker says so, as far as sixteen questions tell."""
        with ThreadPoolExecutor(4) as pool:
            return set(pool.map(lambda _: self.says(certificate), range(16))) == {wanted}

    @contextmanager
    def paused(self):
        """The replica gets what the primary writes, and does not show it."""
        self.replica.execute("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self._state() == "paused", "replay is paused")
        try:
            yield
        finally:
            self.replica.execute("SELECT pg_wal_replay_resume()")

    def _state(self) -> str:
        with psycopg.connect(host=str(self.replica.folder), user="kakehashi", dbname="postgres") as it:
            return it.execute("SELECT pg_get_wal_replay_pause_state()").fetchone()[0]


@pytest.fixture(scope="module")
def nation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replica")
    primary = begun()
    url = primary.create()
    home = home_on(folder / "home", "--database", url)
    people = holders(home, 4)
    database = make_url(url).database
    with psycopg.connect(host=str(primary.folder), user="kakehashi", dbname=database, autocommit=True) as it:
        it.execute(f"CREATE ROLE {ROLE} LOGIN")
        it.execute(f"GRANT SELECT ON {', '.join(READ)} TO {ROLE}")
    replica = replica_of(primary)
    (folder / "theirs").write_text("passphrase of the responders")
    copy = make_url(replica.url(database)).set(username=ROLE).render_as_string()
    commands.done(
        commands.run("responder", "export", folder / "answers", "--new-passphrase-file", folder / "theirs",
                     "--database", copy, "--home", home.folder)
    )  # fmt: skip
    answers = type(home)(folder / "answers", {}, home.epoch)
    options = ("--role", "ocsp", "--workers", "2", "--passphrase-file", folder / "theirs")
    with (
        open_world(home.folder, str) as world,
        beating(world),
        served(answers, *options, port=free_port()) as server,
    ):
        yield Nation(world, replica, server, people)


def test_the_tables_are_those_of_the_manual():
    manual = (Path(__file__).parent.parent / "docs" / "operating.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"GRANT SELECT ON ([\w, \n]+) TO asks;", manual)
    assert [name.strip() for name in named.split(",")] == list(READ)


def test_the_replica_is_one_and_is_only_read(nation):
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        nation.replica.execute("CREATE TABLE more (a int)")
    for url in (nation.replica.url("postgres"), nation.world.description.database):
        store = Store.open_to_read(url)
        try:
            with pytest.raises(StorageFailed, match="read-only"), store.reading() as connection:
                connection.execute(text("CREATE TABLE more (a int)"))
        finally:
            store.close()


def test_what_is_revoked_on_the_primary_is_revoked_here_at_once(nation):
    certificate = nation.person()
    assert nation.all_say(certificate, "good")
    acknowledged = nation.revoke(certificate)
    for _ in count():
        said = nation.says(certificate)
        if said == "revoked":
            break
        assert said in {"good", "later"}
        assert time.monotonic() - acknowledged < BOUND, "never good beyond the bound"
    wait_until(lambda: nation.all_say(certificate, "revoked"), "every worker says revoked")


def test_while_the_copy_stands_still_nothing_is_said_beyond_the_bound(nation):
    certificate, other = nation.person(), nation.person()
    assert nation.all_say(certificate, "good")
    with nation.paused():
        paused = time.monotonic()
        acknowledged = nation.revoke(certificate)
        while (began := time.monotonic()) < acknowledged + BOUND + 1.0:
            for one in (certificate, other):
                said = nation.says(one)
                assert said in {"good", "later"}
                if began > acknowledged + BOUND:
                    assert said == "later", "good of before the revocation, beyond the bound"
            time.sleep(0.05)
        assert nation.all_say(certificate, "later")
        assert nation.all_say(other, "later"), "what was not revoked cannot be known either"
        assert nation.server.get("/ready").status == 503
        assert time.monotonic() - paused > BOUND
    wait_until(lambda: nation.all_say(certificate, "revoked"), "it is revoked, once the copy goes on")
    assert nation.all_say(other, "good")
    assert nation.server.get("/ready").status == 200


def test_a_copy_that_is_gone_is_no_reason_to_say_good(nation):
    certificate = nation.person()
    assert nation.says(certificate) == "good"
    with psycopg.connect(
        host=str(nation.replica.folder), user="kakehashi", dbname="postgres", autocommit=True
    ) as it:
        it.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [ROLE])
    said = {nation.says(certificate) for _ in range(8)}
    assert said <= {"good", "later"}
    wait_until(lambda: nation.all_say(certificate, "good"), "new connections are made")


def test_no_journal_no_archive_no_worker_no_interface(nation):
    for path in ("/api/cases", "/manifest.json", "/"):
        assert nation.server.get(path).status == 404
    assert nation.server.processes("work") == []
    assert {path.name for path in nation.server.home.folder.iterdir()} <= {
        "home.toml", "home.lock", "edition.toml", "municipalities.csv", "keys", "verifier-counts",
    }  # fmt: skip
