"""Sudden death of every process of a served world, and its orderly end, while clients issue and the register tells.

Clients here do what the documentation tells them: no answer means asking again. Whatever died, nothing is lost that
was acknowledged, and nothing is there twice.
"""

import json
import os
import random
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection

import pytest
from asn1crypto import pem
from asn1crypto.csr import CertificationRequest

from ca.journal.entries import EventEntry
from ca.journal.journal import Journal, records
from front.assembly import open_world
from front.demo.people import invented_code
from front.demo.served import free_port
from tests import commands, rings
from tests.feed_files import feed_file
from tests.served_world import (
    PATIENCE,
    REGISTER,
    STEPS,
    Home,
    NotAnswered,
    Served,
    born,
    certificate_of,
    change,
    descendants,
    filing,
    new_person,
    served,
    small_home,
    wait_until,
)

STATES = ("filed", "examined", "approved", "issued")


@dataclass
class Ledger:
    """What clients were told: the truth that no death may change."""

    states: dict[str, str] = field(default_factory=dict)
    certificates: dict[str, bytes] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    answers: int = 0
    repeated: int = 0


class Clients:
    """Offices and a register that work without a pause, each in a thread of its own, until they are told to stop."""

    def __init__(self, server: Served, offices=3, *, patient=True):
        self.server, self.patient = server, patient
        self.ledger = Ledger()
        self.stopping = threading.Event()
        self.failures: list[BaseException] = []
        self.left: list[tuple[str, bytes | None]] = []
        self._lock = threading.Lock()
        work = [self._office] * offices + [self._register]
        self._threads = [threading.Thread(target=self._kept, args=(each,)) for each in work]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self) -> Ledger:
        """Let everybody finish what is in hand."""
        self.stopping.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)
            assert not thread.is_alive(), "a client waits for ever"
        assert self.failures == []
        return self.ledger

    def busy(self, more=20) -> None:
        """Wait until so many more answers have come."""
        wanted = self.ledger.answers + more
        wait_until(lambda: self.ledger.answers >= wanted or self.failures, "clients get answers")
        assert self.failures == []

    def _kept(self, work) -> None:
        try:
            while not self.stopping.is_set():
                work()
        except NotAnswered:
            assert not self.patient
        except BaseException as failure:
            self.failures.append(failure)
            raise

    def ask(self, path, body=None, *, key):
        """An answer, and whether the question had to be asked again."""
        octets = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        again = False
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.server.post(path, octets, key=key)
            except NotAnswered:
                if not self.patient:
                    with self._lock:
                        self.left.append((path, octets))
                    raise
                assert time.monotonic() < deadline, f"{path} is never answered"
                again = True
                time.sleep(0.02)
                continue
            with self._lock:
                self.ledger.answers += 1
                self.ledger.repeated += again
            if answer.status == 503:  # said clearly: try again
                again = True
                continue
            return answer, again

    def _office(self) -> None:
        self._issue(filing())

    def _issue(self, body) -> None:
        """A case from its filing to its certificates."""
        case = self._file(body)
        self.ledger.states[case] = "filed"
        for (step, officer), state in zip(STEPS, STATES[1:], strict=True):
            answer, again = self.ask(f"/api/cases/{case}/{step}", key=officer)
            if answer.status == 409:
                # It was done, and the answer was lost.
                assert again, answer
                answer.problem(409, case)
                answer = self._looked_up(case, officer)
            assert (answer.status, answer.json["state"]) == (200, state), answer
            self.ledger.states[case] = state
        for made in answer.json["certificates"]:
            self.ledger.certificates[made["certificate"]] = certificate_of(made).dump()

    def _file(self, body) -> str:
        answer, again = self.ask("/api/cases", body, key="sato")
        # Sent again after an answer that was lost, it is answered with the case that it has made.
        assert answer.status == 201 or (again and answer.status == 200), answer
        return answer.json["case"]

    def _looked_up(self, case, officer):
        while True:
            with suppress(NotAnswered):
                return self.server.get(f"/api/cases/{case}", key=officer)
            time.sleep(0.02)

    def _register(self) -> None:
        person = new_person()
        self._issue(filing(person))
        number = len(self.ledger.events)
        changes = [
            change(self.server.home, "moved-out", person["code"], f"move-{number}"),
            change(self.server.home, "died", person["code"], f"death-{number}"),
        ]
        answer, again = self.ask("/api/events", feed_file(*changes), key=REGISTER)
        assert answer.status == 200, answer
        for outcome in answer.json["outcomes"]:
            assert outcome["outcome"] == "ended" or (again and outcome["outcome"] == "replayed"), outcome
            self.ledger.events[outcome["event"]] = outcome["outcome"]


def nothing_is_lost_or_doubled(home: Home, ledger: Ledger) -> None:
    """The store, the journal, the lists and what clients were told agree."""
    with open_world(home.folder, lambda: "") as world:
        _ = world.issuers  # what a death left half signed is signed
    # Cases and their steps.
    states = dict(home.rows("SELECT application, state FROM applications"))
    assert states == ledger.states
    steps = home.rows("SELECT application, step FROM application_steps")
    assert len(steps) == len(set(steps)), "no step was taken twice"
    filed = home.rows("SELECT holder FROM applications")
    assert len(filed) == len(set(filed)), "nobody's application is there twice"
    keys = home.rows("SELECT public_key FROM requests")
    assert len(keys) == len(set(keys)), "no key is in two"
    # Certificates.
    assert home.rows("SELECT serial FROM certificates WHERE state = 'intended'") == []
    made = home.rows("SELECT application, kind FROM certificates WHERE application IS NOT NULL")
    assert len(made) == len(set(made))
    begun = {case for case, state in states.items() if state == "issued"}
    assert {case for case, _ in made} == begun
    assert {(case, kind) for case, kind in made} == set(
        home.rows("SELECT application, kind FROM requests WHERE serial IS NOT NULL")
    )
    kept = {
        f"{generation}:{serial.hex()}": encoded
        for generation, serial, encoded in home.rows("SELECT * FROM certificate_bytes")
    }
    for certificate, encoded in ledger.certificates.items():
        assert kept[certificate] == encoded
    # Events.
    journal = Journal(home.folder / "journal")
    journal.verify()
    told = [record.entry for record in records(journal.folder) if isinstance(record.entry, EventEntry)]
    events = [entry.event for entry in told]
    assert len(events) == len(set(events))
    assert set(events) == {event for (event,) in home.rows("SELECT event FROM register_events")}
    assert ledger.events.keys() <= set(events)
    ordered = [order.certificate for entry in told for order in entry.orders]
    assert len(ordered) == len(set(ordered))
    ended = {
        f"{generation}:{serial.hex()}"
        for generation, serial in home.rows("SELECT generation, serial FROM revocations")
    }
    assert ended == set(ordered)
    sequences = sorted(number for (number,) in home.rows("SELECT sequence FROM revocations"))
    assert sequences == list(range(1, len(ended) + 1))
    # Lists.
    commands.done(commands.run("list", "publish", "--home", home.folder))
    assert home.lists_agree()


@pytest.fixture
def home(tmp_path):
    return small_home(tmp_path / "home")


def without_leases(home: Home) -> None:
    """As if the time of every lease had passed."""
    with open_world(home.folder, lambda: "") as world, world.stores.nation.writing() as connection:
        connection.exec_driver_sql("UPDATE leases SET until = 0")


@pytest.mark.deeper
class TestSuddenDeath:
    DEATHS = max(3, rings.KILLS // 10)
    PAUSE = random.Random(5)

    def kill(self, clients, victim):
        """SIGKILL at some moment of the clients' work; gives the dead process's number."""
        clients.busy()
        time.sleep(self.PAUSE.uniform(0.05, 0.4))
        (pid,) = clients.server.processes(victim)
        os.kill(pid, signal.SIGKILL)
        return pid

    def test_of_the_worker(self, home):
        with served(home) as server, Clients(server) as clients:
            for _ in range(self.DEATHS):
                dead = self.kill(clients, "work")
                without_leases(home)
                wait_until(lambda dead=dead: set(server.processes("work")) - {dead}, "another is started")
            ledger = clients.stop()
            assert ledger.repeated == 0, "the clients saw nothing of it"
            wait_until(home.lists_agree, "the lists follow")
            assert server.stop() == 0
            assert server.left() == []
            assert len(server.events("worker died and is started again")) == self.DEATHS
        nothing_is_lost_or_doubled(home, ledger)

    @pytest.mark.long
    def test_of_the_process_that_answers(self, home):
        """Another takes its place; if that dies as well, the server gives up, and has to be started again."""
        with ExitStack() as stack:
            server = stack.enter_context(served(home))
            clients = stack.enter_context(Clients(server))
            for _ in range(self.DEATHS - 1):
                self.kill(clients, "serve")
                clients.busy()
                self.kill(clients, "serve")
                assert server.process.wait(PATIENCE) == 1
                assert server.left() == []
                assert server.events("Worker crash loop detected, exiting")
                clients.server = server = stack.enter_context(served(home, port=server.port))
            ledger = clients.stop()
            assert ledger.repeated >= 2 * (self.DEATHS - 1)
            wait_until(home.lists_agree, "the lists follow")
            assert server.stop() == 0
        nothing_is_lost_or_doubled(home, ledger)

    def test_of_the_server_itself(self, home):
        """Its children end by themselves, so that it can be started again at the same port."""
        with ExitStack() as stack:
            server = stack.enter_context(served(home))
            clients = stack.enter_context(Clients(server))
            for _ in range(self.DEATHS):
                clients.busy()
                time.sleep(self.PAUSE.uniform(0.05, 0.4))
                assert len(server.processes("serve") + server.processes("work")) == 2
                server.process.kill()
                server.process.wait()
                wait_until(lambda dead=server: dead.left() == [], "its children end by themselves")
                clients.server = server = stack.enter_context(served(home, port=server.port))
            ledger = clients.stop()
            assert ledger.repeated >= self.DEATHS
            wait_until(home.lists_agree, "the lists follow")
            assert server.stop() == 0
        nothing_is_lost_or_doubled(home, ledger)


class TestAnOrderlyEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_what_was_accepted_is_answered(self, home, number):
        with served(home, "--workers", 2) as server:
            with Clients(server, offices=4, patient=False) as clients:
                clients.busy(40)
                server.family |= descendants(server.process.pid)
                server.process.send_signal(number)
                assert server.process.wait(PATIENCE) == 0
                ledger = clients.stop()
            assert server.left() == []
            requests = [line for line in server.events("request") if line["method"] == "POST"]
            assert len(requests) == ledger.answers, "every request that was taken up was answered"
            assert len(clients.left) == 5, "the others were refused before anything was done"
            self.nothing_was_done(home, clients.left)
            wait_until(lambda: server.events("worker stopped"), "the worker has ended well")
        nothing_is_lost_or_doubled(home, ledger)

    def nothing_was_done(self, home, left):
        """What was not answered is as if it had not been asked."""
        keys = {key for (key,) in home.rows("SELECT public_key FROM requests")}
        after = {"examination": "filed", "approval": "examined", "issuance": "approved"}
        for path, body in left:
            if path == "/api/cases":
                for text in json.loads(body)["csrs"].values():
                    info = CertificationRequest.load(pem.unarmor(text.encode())[2])[
                        "certification_request_info"
                    ]
                    assert info["subject_pk_info"].dump() not in keys
            elif path == "/api/events":
                name = json.loads(body.splitlines()[1])["event"]
                assert home.rows("SELECT * FROM register_events WHERE event = ?", name) == []
            else:
                _, _, _, case, step = path.split("/")
                assert home.rows("SELECT state FROM applications WHERE application = ?", case) == [
                    (after[step],)
                ]

    def test_a_long_file_of_events_is_carried_out_to_its_end(self, home):
        """The signal comes while the file is being applied; its answer comes all the same."""
        changes = [change(home, "died", str(invented_code(number)), f"e-{number}") for number in range(3000)]
        file = feed_file(*changes)
        with served(home) as server, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.post, "/api/events", file, key=REGISTER)
            wait_until(lambda: home.rows("SELECT count(*) FROM register_events") != [(0,)], "it has begun")
            assert not asked.done(), "too short a file to see anything"
            assert server.stop() == 0
            answer = asked.result(PATIENCE)
            assert answer.status == 200
            assert len(answer.json["outcomes"]) == len(changes)
            assert server.left() == []
        assert home.rows("SELECT count(*) FROM register_events") == [(len(changes),)]
        told = [record.entry for record in records(home.folder / "journal")]
        assert sum(isinstance(entry, EventEntry) for entry in told) == len(changes)

    def test_a_client_that_keeps_its_connection_does_not_hold_it_up(self, home):
        with served(home) as server:
            idle = HTTPConnection("127.0.0.1", server.port)
            idle.request("GET", "/health")
            idle.getresponse().read()
            half = socket.create_connection(("127.0.0.1", server.port))
            half.sendall(b"POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            with closing(idle), closing(half):
                assert server.stop() == 0
            assert server.left() == []

    def test_before_it_is_ready(self, home):
        """Whenever the signal comes, no process is left."""
        for delay in (0.0, 0.3, 0.5, 0.7, 0.9):
            process = commands.started("serve", "--home", home.folder, "--port", free_port())
            time.sleep(delay)
            family = descendants(process.pid)
            process.terminate()
            assert process.wait(PATIENCE) in {0, -signal.SIGTERM}
            wait_until(
                lambda family=family: not any(born(pid) == at for pid, at in family.items()), "all end"
            )
