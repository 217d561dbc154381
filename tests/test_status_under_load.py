"""Revocations by the thousand while verifiers ask: no good outlives its bound, and at the end all tell the same story."""

import random
import threading
import time
from base64 import b64encode
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection
from urllib.parse import quote

import pytest
from asn1crypto.ocsp import OCSPResponse

from ca.journal.journal import records
from ca.keys.codes import keyed_code
from ca.model import CertificateId, CertificateKind, GenerationId, Period, Scope, Serial
from ca.store import certificates, holdings
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.holdings import HoldingRecord
from ca.wire.facts import read_certificate
from front.applicants import resident_code
from front.assembly import open_world
from front.demo.people import invented_code
from ocsp.client import ask_about
from tests import served_world
from tests.commands import done, run
from tests.served_world import Home, Served, change, served, told, wait_until
from tests.small_edition import SEED

BOUND = 1.0
"""Seconds: after so long an answer must not say good any more. What cannot be known in time is no answer (tryLater)."""
PLACES = (
    (GenerationId.parse("jpki-13.g1"), Scope("signature-131016")),
    (GenerationId.parse("jpki-31.g1"), Scope("signature-312011")),
)
REGISTERS, VERIFIERS = 3, 4
PER_SECOND = 1000 / 60


@pytest.fixture
def home(tmp_path):
    edition = tmp_path / "edition.toml"
    status = f"\n[status]\nstaleness_seconds = {BOUND:.0f}\nanswer_cache_seconds = 0\n"
    edition.write_text(served_world.edition() + status, encoding="utf-8")
    making = ("--edition", edition, "--test-keys", "--seed", SEED)
    own = ("--authority-database", "jpki-31=sqlite:///tottori.db")
    done(run("init", *making, *own, "--home", tmp_path / "home"))
    return served_world._running(tmp_path / "home", served_world.staff(tmp_path / "home"))


@dataclass(frozen=True)
class Holder:
    """Somebody with a certificate, and the ways to ask about it."""

    code: str
    certificate: CertificateId
    scope: Scope
    request: bytes

    @property
    def path(self):
        return f"/ocsp/{self.certificate.generation}"


def people(home: Home, count: int) -> list[Holder]:
    """So many people, put straight into the tables: their certificates are asked about, and never looked at."""
    dice = random.Random(count)
    with open_world(home.folder, lambda: "") as world:
        issuers = {
            generation: read_certificate(
                (world.home.repository / f"g/{generation}/self.cer").read_bytes(), str(generation)
            )
            for generation, _ in PLACES
        }
        key, now = world.issuers.vault.code_key(), world.clock().replace(microsecond=0)
        made, held, found = [], [], []
        for number in range(count):
            generation, scope = PLACES[number % len(PLACES)]
            certificate = CertificateId(generation, Serial(dice.getrandbits(150)))
            kind, period = CertificateKind.SIGNATURE, Period(now, now + timedelta(days=1000))
            subject, code = dice.randbytes(32), str(invented_code(number))
            holder = keyed_code(key, resident_code(code))
            state = CertificateState.INTENDED
            made.append(
                CertificateRecord(
                    certificate, kind, scope, state, period, now, subject, None, b"to be signed"
                )
            )
            held.append(HoldingRecord(certificate, kind, scope, period, subject, holder, now))
            request = ask_about(issuers[generation], [certificate.serial], "it").request
            found.append(Holder(code, certificate, scope, request))
        with world.stores.writing() as writing:
            for generation, _ in PLACES:
                own = [record for record in made if record.id.generation == generation]
                connection = writing.of(generation.authority)
                certificates.intend(connection, own)
                certificates.complete(connection, [(record.id, b"certificate") for record in own])
            holdings.add(writing.nation, held)
    return found


@dataclass
class Town:
    """Registers that tell of deaths at a steady pace, and verifiers that ask without a pause."""

    server: Served
    living: list[Holder]
    dying: list[Holder]
    acknowledged: dict[CertificateId, float] = field(default_factory=dict)
    said: Counter = field(default_factory=Counter)
    too_late: list[tuple[CertificateId, float]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def live(self):
        """Until everybody who is to die has died, and every bound is over."""
        began, over = time.monotonic(), threading.Event()
        waiting = iter(list(enumerate(self.dying)))
        turn = threading.Lock()

        def register():
            while True:
                with turn:
                    number, holder = next(waiting, (0, None))
                if holder is None:
                    return
                time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
                answer = told(self.server, change(self.server.home, "died", holder.code))
                assert answer.status == 200, answer
                self.acknowledged[holder.certificate] = time.monotonic()

        def verifier(seed):
            dice = random.Random(seed)
            with closing(Client(self.server)) as client:
                while not over.is_set():
                    # Mostly about those who are dying now: of them it would be worst to say good.
                    near = self.dying[: len(self.acknowledged) + 5][-20:]
                    whom = near if dice.random() < 0.7 else self.living + self.dying
                    self.ask(client, dice.choice(whom), dice)

        registers = [self.thread(register) for _ in range(REGISTERS)]
        verifiers = [self.thread(verifier, seed) for seed in range(VERIFIERS)]
        for thread in registers:
            thread.join()
        time.sleep(2 * BOUND)
        over.set()
        for thread in verifiers:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def ask(self, client, holder, dice):
        """Ask once, one way or the other, and judge the answer by what was acknowledged when it was asked."""
        ended, asked = self.acknowledged.get(holder.certificate), time.monotonic()
        status = client.status(holder, get=dice.random() < 0.5)
        self.said[status] += 1
        if status == "good" and ended is not None and asked > ended + BOUND:
            self.too_late.append((holder.certificate, asked - ended))
        if status == "revoked":
            assert holder in self.dying

    def thread(self, work, *arguments):
        def kept():
            try:
                work(*arguments)
            except BaseException as error:  # noqa: BLE001 - the test fails with it, whatever it is
                self.failures.append(error)

        thread = threading.Thread(target=kept)
        thread.start()
        return thread


class Client:
    """A verifier with one connection, which it keeps."""

    def __init__(self, server: Served):
        self.connection = HTTPConnection("127.0.0.1", server.port, timeout=served_world.PATIENCE)

    def close(self):
        self.connection.close()

    def status(self, holder: Holder, *, get: bool) -> str:
        """What is said of a certificate, or the error."""
        if get:
            words = quote(b64encode(holder.request), safe="")
            self.connection.request("GET", f"{holder.path}/{words}")
        else:
            headers = {"Content-Type": "application/ocsp-request"}
            self.connection.request("POST", holder.path, holder.request, headers)
        answer = self.connection.getresponse()
        octets = answer.read()
        assert answer.status == 200, (answer.status, octets)
        response = OCSPResponse.load(octets)
        if response["response_status"].native != "successful":
            return response["response_status"].native
        (single,) = response["response_bytes"]["response"].parsed["tbs_response_data"]["responses"]
        assert single["cert_id"]["serial_number"].native == holder.certificate.serial.value
        return single["cert_status"].name


@pytest.mark.parametrize(
    ("workers", "ending"),
    [
        pytest.param(2, 150, id="ten seconds"),
        pytest.param(4, 1500, id="a minute and a half", marks=pytest.mark.long),
    ],
)
def test_nobody_is_told_good_beyond_the_bound(home, workers, ending):
    everybody = people(home, ending + 50)
    town = Town(None, everybody[ending:], everybody[:ending])
    with served(home, "--workers", workers) as server:
        town.server = server
        with closing(
            Client(server)
        ) as client:  # each worker may then have an answer ready about each of them
            for holder in everybody * workers:
                assert client.status(holder, get=True) in {"good", "try_later"}
        town.live()
        assert town.too_late == []
        assert town.said["good"] > ending
        assert town.said["revoked"] > ending
        assert town.said.keys() <= {"good", "revoked", "try_later"}
        agree(home, server, everybody, {holder.certificate for holder in town.dying})
    # On a machine that is too busy to beat in time a worker cannot know, and says so: tryLater.
    told = [line for line in lines(server) if "ocsp" in line["event"] and line["level"] != "info"]
    assert all("last heard of the primary" in line["error"] for line in told), server.said()


def lines(server):
    return [line for name in ("ocsp-not-answered", "ocsp-not-made-ready") for line in server.events(name)]


def agree(home, server, everybody, dead):
    """OCSP, lists and journal say the same of every certificate."""
    ordered = {
        CertificateId.parse(order.certificate)
        for record in records(home.folder / "journal")
        for order in getattr(record.entry, "orders", ())
    }
    assert ordered == dead

    def listed():
        found = set()
        for generation, scope in PLACES:
            own = home.published(str(generation), scope)
            assert own <= home.published(str(generation), "full")
            found |= {CertificateId(generation, Serial(number)) for number in own}
        return found

    wait_until(lambda: listed() == dead, "the lists say who has died")
    with closing(Client(server)) as client:
        for holder in everybody:
            statuses = set()

            def known(holder=holder, statuses=statuses):
                statuses |= {client.status(holder, get=get) for get in (True, False)}
                return statuses - {"try_later"}

            wait_until(known, "it is known")
            expected = "revoked" if holder.certificate in dead else "good"
            assert statuses - {"try_later"} == {expected}
