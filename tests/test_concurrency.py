"""Several processes write to one SQLite home at once: no update is lost, and revocations are numbered as committed."""

import json
import sqlite3
import threading
import time
from contextlib import closing, contextmanager

import msgspec
import pytest

from ca.errors import Conflict, KakehashiError
from ca.journal.entries import EventEntry, IssuedEntry
from ca.journal.journal import records
from ca.model import CertificateId, CertificateKind, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from front.applicants import ResidentParticulars, resident_of
from front.assembly import open_world
from front.worker import Worker
from tests import commands, small_edition
from tests.engine_world import Running
from tests.feed_files import feed_file
from tests.served_world import (
    BOTH,
    PATIENCE,
    change,
    filing,
    holders,
    new_person,
    new_request,
    served,
    small_home,
    told,
    wait_until,
)

WRITERS = 4


@pytest.fixture
def home(tmp_path):
    return small_home(tmp_path / "home")


@contextmanager
def watched(home):
    """A poller, as a worker or a replica is one, which asks for what came after the last number that it saw.

    Gives the numbers in the order in which it found them; it must miss none.
    """
    found: list[int] = []
    stopping = threading.Event()

    def poll():
        with closing(sqlite3.connect(home.folder / "store.db", isolation_level=None)) as connection:
            stop = False
            while not stop:
                stop = stopping.is_set()  # after which it looks once more
                query = "SELECT sequence FROM revocations WHERE sequence > ? ORDER BY sequence"
                found.extend(row[0] for row in connection.execute(query, [max(found, default=0)]))

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield found
    finally:
        stopping.set()
        thread.join()


def write_much(folder, mine, contested, case, people, go, said) -> None:
    """The work of a process: revoke its own certificates and those that all want, examine a case, file for people.

    What it was told is written down, a line of JSON each.
    """
    lines = []
    with open_world(folder, lambda: "") as world:
        _ = world.registration
        deadline = time.monotonic() + PATIENCE
        while not go.exists():
            assert time.monotonic() < deadline
        for certificate in (*mine, *contested):
            try:
                ended = revoke(
                    world.stores,
                    CertificateId.parse(certificate),
                    RevocationReason.SUPERSEDED,
                    "ito",
                    at=world.clock(),
                )
                lines.append({"revoked": certificate, "sequence": ended.sequence})
            except Conflict:
                lines.append({"refused": certificate})
        try:
            world.registration.examine(case, "suzuki", at=world.clock())
            lines.append({"examined": case})
        except KakehashiError as error:
            lines.append({"not examined": type(error).__name__})
        for particulars, request in people:
            one = resident_of(msgspec.convert(particulars, ResidentParticulars), "somebody")
            requests = {CertificateKind.SIGNATURE: request.encode()}
            filed = world.registration.file("sato", one.resident, requests, code=one.code, at=world.clock())
            lines.append({"filed": filed.case.id})
    said.write_text("\n".join(map(json.dumps, lines)))


def test_four_processes_lose_no_update(home, tmp_path):
    each, contested = 12, 8
    people = holders(home, WRITERS * each + contested)
    certificates = [str(person.certificates[BOTH[0]]) for person in people]
    before = len(people)
    with open_world(home.folder, lambda: "") as world:
        particulars = msgspec.convert(new_person(), ResidentParticulars)
        one = resident_of(particulars, "somebody")
        requests = {CertificateKind.SIGNATURE: new_request().encode()}
        case = world.registration.file(
            "sato", one.resident, requests, code=one.code, at=world.clock()
        ).case.id
    files = [tmp_path / f"told-{number}" for number in range(WRITERS)]
    with watched(home) as found:
        running = [
            Running(
                write_much,
                home.folder,
                certificates[number * each : (number + 1) * each],
                certificates[-contested:],
                case,
                [(new_person(), new_request()) for _ in range(6)],
                tmp_path / "go",
                files[number],
            )
            for number in range(WRITERS)
        ]
        (tmp_path / "go").touch()
        assert [process.wait() for process in running] == [0] * WRITERS
    answers = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    # Each certificate was ended once, whoever else wanted to, and everybody got a number of his own.
    revoked = [line["revoked"] for line in answers if "revoked" in line]
    assert sorted(revoked) == sorted(certificates)
    refused = [line["refused"] for line in answers if "refused" in line]
    assert sorted(refused) == sorted(certificates[-contested:] * (WRITERS - 1))
    numbers = [line["sequence"] for line in answers if "revoked" in line]
    assert sorted(numbers) == list(range(1, len(certificates) + 1))
    assert home.rows("SELECT value FROM counters WHERE name = 'revocation-sequence'") == [(len(numbers),)]
    kept = {
        f"{generation}:{serial.hex()}": sequence
        for generation, serial, sequence in home.rows("SELECT generation, serial, sequence FROM revocations")
    }
    assert kept == {line["revoked"]: line["sequence"] for line in answers if "revoked" in line}
    # A poller that saw n never finds a smaller one later: it missed none.
    assert found == list(range(1, len(numbers) + 1))
    # One of them examined the case; the others were told that it was done.
    assert [line for line in answers if "examined" in line] == [{"examined": case}]
    assert [line["not examined"] for line in answers if "not examined" in line] == ["Conflict"] * (
        WRITERS - 1
    )
    # The office's numbers: none twice, none left out.
    filed = sorted(line["filed"] for line in answers if "filed" in line)
    assert filed == [f"131016-{number:06}" for number in range(before + 2, before + 2 + WRITERS * 6)]
    # And the lists.
    with open_world(home.folder, lambda: "") as world:
        Worker(world).once()
    assert home.lists_agree()


class Mix:
    """Clients of the interface and people at the command line, each in a thread; what each was told is kept."""

    def __init__(self, server, folder, people):
        self.server, self.home, self.folder = server, server.home, folder
        self.shared, self.by_interface, self.by_command, self.by_feed, self.by_file = (
            people[start : start + 3] for start in range(0, 15, 3)
        )
        self.by_hand: list[str] = []
        self.by_event: list[dict] = []
        self.cases: list[str] = []
        self.failures: list[BaseException] = []

    def run(self):
        """Let all work at once, to the end."""
        works = (self.interface, self.command, self.feed, self.file, self.window)
        threads = [threading.Thread(target=self.kept, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * PATIENCE)
        assert self.failures == []
        assert not any(thread.is_alive() for thread in threads)

    def kept(self, work):
        try:
            work()
        except BaseException as failure:
            self.failures.append(failure)
            raise

    def interface(self):
        for person in (*self.by_interface, *self.shared):
            path = f"/api/certificates/{signature_of(person)}/revocation"
            answer = self.server.post(path, {"reason": "superseded"}, key="ito")
            if answer.status == 200:
                self.by_hand.append(signature_of(person))
            else:
                answer.problem(409, "already revoked")

    def command(self):
        for person in (*self.shared[::-1], *self.by_command[:2]):
            words = ("revoke", signature_of(person), "--reason", "superseded", "--officer", "ito")
            outcome = commands.kakehashi(*words, "--home", self.home.folder)
            if outcome.status == 0:
                self.by_hand.append(signature_of(person))
            else:
                commands.refused(outcome, "already revoked")

    def feed(self):
        for person in (*self.by_feed, *self.by_feed):
            answer = told(self.server, change(self.home, "moved-out", person.code))
            assert answer.status == 200, answer
            self.by_event += answer.json["outcomes"]

    def file(self):
        changes = [change(self.home, "died", person.code) for person in self.by_file]
        path = self.folder / "feed"
        path.write_bytes(feed_file(*changes, feed="file"))
        applied = commands.kakehashi("events", "apply", path, "--home", self.home.folder, "--json")
        self.by_event += commands.done(applied).json

    def window(self):
        for number in range(8):
            if number % 4:
                answer = self.server.post("/api/cases", filing(kinds=BOTH[:1]), key="sato")
                assert answer.status == 201, answer
                self.cases.append(answer.json["case"])
                continue
            resident = small_edition.write_json(self.folder / f"resident-{number}.json", new_person())
            request = self.folder / f"request-{number}.csr"
            request.write_text(new_request())
            words = ("--officer", "sato", "--resident", resident, "--csr", f"signature={request}", "--json")
            filed = commands.kakehashi("case", "file", *words, "--home", self.home.folder)
            self.cases.append(commands.done(filed).json["case"])


def signature_of(person) -> str:
    return str(person.certificates[BOTH[0]])


@pytest.mark.long
def test_the_interface_the_command_line_and_the_worker_at_once(home, tmp_path):
    """A server's process, the worker beside it, and three of the command line at a time."""
    people = holders(home, 15, BOTH)
    with served(home) as server, watched(home) as found:
        mix = Mix(server, tmp_path, people)
        mix.run()
        wait_until(home.lists_agree, "the worker has published everything")
        assert server.stop() == 0
        assert {json.loads(line)["level"] for line in server.said().splitlines()} == {"info"}
    # Revocations by hand: each certificate once, whoever came first.
    by_hand = [*mix.by_interface, *mix.by_command[:2], *mix.shared]
    assert sorted(mix.by_hand) == sorted(map(signature_of, by_hand))
    # Events: the first of a person ended something, the second found nothing left.
    outcomes = sorted(outcome["outcome"] for outcome in mix.by_event)
    assert outcomes == ["ended"] * 6 + ["nothing ended"] * 3
    ordered = [order["certificate"] for outcome in mix.by_event for order in outcome["orders"]]
    wanted = [signature_of(person) for person in mix.by_feed]
    wanted += [str(each) for person in mix.by_file for each in person.certificates.values()]
    assert sorted(ordered) == sorted(wanted)
    # The store has all of it, once, in the order of its numbers, and so have the journal and the lists.
    rows = home.rows("SELECT generation, serial FROM revocations")
    ended = sorted(f"{generation}:{serial.hex()}" for generation, serial in rows)
    assert ended == sorted(mix.by_hand + ordered)
    assert found == list(range(1, len(ended) + 1))
    told = [record.entry for record in records(home.folder / "journal")]
    assert sum(isinstance(entry, EventEntry) for entry in told) == len(mix.by_event)
    issued = [
        part.certificate for entry in told if isinstance(entry, IssuedEntry) for part in entry.certificates
    ]
    rows = home.rows("SELECT generation, serial FROM certificates WHERE state = 'issued'")
    assert sorted(issued) == sorted(f"{generation}:{serial.hex()}" for generation, serial in rows)
    assert home.rows("SELECT count(*) FROM register_events") == [(len(mix.by_event),)]
    assert sorted(mix.cases) == [f"131016-{number:06}" for number in range(16, 24)]
    assert home.lists_agree()
