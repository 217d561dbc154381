"""Ready answers: what is given out again is what was made, for as long as it may be; and what caches are told of it.

Judges: the answers of a responder that keeps nothing, ``openssl ocsp`` for the words of requests, curl and nginx for HTTP.
"""

from __future__ import annotations

import base64
import gc
import random
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from cryptography.x509 import OCSPNonce
from cryptography.x509 import ocsp as judge
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from ca.clock import system_clock
from ca.errors import StorageFailed
from ca.model import CertificateId, GenerationId, Revocation, RevocationReason, Scope, Serial
from ca.rules.revocation import CertificateStatus
from ca.store import authorities, heartbeats, status
from ca.store.certificates import CertificateState
from ca.store.engine import Store
from ca.store.schema import migrate
from ocsp.admission import NotAdmitted
from ocsp.caching import has_it
from ocsp.freshness import Itself, Pulse
from ocsp.making import Maker, usual_requests
from ocsp.metrics import Observer, Outcome, summed
from ocsp.ready import Ready, ReadyAnswers
from ocsp.responder import Answer, open_responder
from ocsp.wsgi import LOOK_AGAIN, OcspApplication
from tests import postgresql
from tests.components import require
from tests.ended import record_end
from tests.ocsp_world import (
    INTERNAL,
    LATER,
    LIFETIME,
    MALFORMED,
    PREFECTURE,
    SHA1,
    SHA256,
    UNAUTHORIZED,
    CountingInput,
    OpensslClient,
    Reply,
    call,
    ocsp_world,
    post,
    served,
)

GOOD, REVOKED, UNKNOWN = judge.OCSPCertStatus.GOOD, judge.OCSPCertStatus.REVOKED, judge.OCSPCertStatus.UNKNOWN
NEVER_ISSUED = 0x0123456789ABCDEF
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path):
    with ocsp_world(tmp_path / "world") as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A world for reading only."""
    with ocsp_world(tmp_path_factory.mktemp("shared") / "world") as opened:
        opened.good, opened.revoked = opened.issue(), opened.issue()
        opened.revoke(opened.revoked)
        yield opened


@dataclass
class Asked:
    """A world's callable that keeps its answers, and how often it made one."""

    world: Any
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        self.ready, self.observer = ReadyAnswers(1 << 20), Observer()
        self.application = OcspApplication(
            lambda text: self.world.responder(GenerationId.parse(text)),
            lambda: self.world.now,
            ready=self.ready,
            observer=self.observer,
            **self.options,
        )

    @property
    def made(self):
        return sum(summed([self.observer.cells]).signing.counts)

    @property
    def outcomes(self):
        return {key: count for key, count in summed([self.observer.cells]).requests.items() if count}

    def get(self, request: bytes, **headers: str) -> Reply:
        return fetched(self.application, path_of(request), **headers)

    def post(self, request: bytes) -> Reply:
        return post(self.application, request)


def path_of(request: bytes) -> str:
    return f"/ocsp/{PREFECTURE}/{base64.b64encode(request).decode()}"


def fetched(application, path, **environ):
    """A GET, under the eyes of the standard library's judge; 304 has no length of its own."""
    values = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", **environ}
    setup_testing_defaults(values)
    seen = []

    def start_response(line, headers, exc_info=None):
        assert exc_info is None
        assert len({name for name, _ in headers}) == len(headers)
        seen.append((int(line[:3]), dict(headers)))
        return lambda _: None

    answer = validator(application)(values, start_response)
    try:
        body = b"".join(answer)
    finally:
        answer.close()
    ((status_, headers),) = seen
    assert status_ == 304 or headers["Content-Length"] == str(len(body))
    return Reply(status_, headers, body)


def said(octets):
    return judge.load_der_ocsp_response(octets).certificate_status


class TestHits:
    def test_what_is_given_again_is_what_was_made(self, shared):
        """By whatever way it is asked for: each spelling has to be read once, and none is answered anew."""
        asked = Asked(shared)
        for certificate in (shared.good, shared.revoked):
            before, request = asked.made, shared.request(certificate.serial)
            expected = shared.responder().answer(request, shared.now).octets
            text = base64.b64encode(request).decode()
            for spelt in (text, text, quote(text, safe=""), text.rstrip("="), f"/{text}", f" {text}"):
                assert fetched(asked.application, f"/ocsp/{PREFECTURE}/{spelt}").body == expected
                assert asked.post(request).body == expected
            assert asked.made == before + 1
        assert asked.outcomes == {
            (Outcome.GOOD, False): 1, (Outcome.REVOKED, False): 1,
            (Outcome.GOOD, True): 11, (Outcome.REVOKED, True): 11,
        }  # fmt: skip

    def test_each_request_has_its_own(self, shared):
        """Answers repeat the query octet for octet, so another CertID of the same certificate is another question."""
        asked, one, other = Asked(shared), shared.good.serial, shared.revoked.serial
        requests = [
            shared.request(one), shared.request(one, algorithm=SHA256), shared.request(one, other), shared.request(other, one)
        ]  # fmt: skip
        for _ in range(2):
            for request in requests:
                assert asked.get(request).body == shared.responder().answer(request, shared.now).octets
        assert asked.made == len(requests)
        assert asked.outcomes[Outcome.MIXED, True] == 2

    def test_it_does_not_matter_where_it_is_mounted(self, shared):
        asked, request = Asked(shared), shared.request(shared.good.serial)
        text = base64.b64encode(request).decode()
        for _ in range(2):
            for script, path in (
                ("", "/ocsp/jpki-31.g1/"),
                ("/ocsp", "/jpki-31.g1/"),
                ("/jpki/ocsp", "/jpki-31.g1/"),
            ):
                reply = fetched(asked.application, path + text, SCRIPT_NAME=script)
                assert said(reply.body) is GOOD
        assert asked.made == 1

    def test_a_hit_reads_no_body_and_opens_nothing(self, shared):
        asked, request = Asked(shared), shared.request(shared.good.serial)
        asked.get(request)
        asked.application._lookup = None
        body = CountingInput(b"x" * 100)
        assert fetched(asked.application, path_of(request), **{"wsgi.input": body}).status == 200
        assert body.read_octets == 0

    @pytest.mark.parametrize(
        "request_of",
        [
            lambda world: world.request(world.good.serial, nonce=b"n" * 16),
            lambda world: world.request(NEVER_ISSUED),
            lambda world: world.request(world.good.serial, NEVER_ISSUED),
            lambda _: b"",
            lambda _: b"MEUw",
        ],
        ids=["a nonce", "unknown", "unknown in part", "nothing", "malformed"],
    )
    def test_what_is_never_kept(self, shared, request_of):
        asked, request = Asked(shared), request_of(shared)
        for _ in range(2):
            replies = [asked.get(request), asked.post(request)]
            assert {reply.headers["Cache-Control"] for reply in replies} == {"no-store"}
            assert not {"ETag", "Expires"} & set().union(*(reply.headers for reply in replies))
        assert len(asked.ready) == 0
        assert all(not ready for _, ready in asked.outcomes)

    def test_without_room_nothing_is_kept(self, shared):
        application = shared.application()
        request = shared.request(shared.good.serial)
        assert len({post(application, request).body for _ in range(2)}) == 1
        assert len(application._ready) == 0

    @pytest.mark.parametrize("mistake", ["HEAD", "PUT"])
    def test_other_methods_get_nothing_from_it(self, shared, mistake):
        asked, request = Asked(shared), shared.request(shared.good.serial)
        asked.get(request)
        assert call(asked.application, mistake, path_of(request)).status == 405


class TestTime:
    """Answers are made anew at half of their life, and never outlive anything."""

    @pytest.mark.parametrize(
        ("passed", "made"),
        [
            (timedelta(0), 1),
            (LIFETIME / 2 - timedelta(microseconds=1), 1),
            (LIFETIME / 2, 2),
            (LIFETIME, 2),
            (LIFETIME * 20, 2),
            (-timedelta(microseconds=1), 2),
            (-MINUTE, 2),
        ],
    )
    def test_when_it_is_made_anew(self, world, passed, made):
        asked, request = Asked(world), world.request(world.issue().serial)
        first = asked.get(request).body
        world.now += passed
        again = asked.get(request).body
        assert asked.made == made
        assert (again == first) == (made == 1)
        read = judge.load_der_ocsp_response(again)
        assert read.this_update_utc <= world.now < read.next_update_utc
        assert asked.post(request).body == again

    def test_it_does_not_outlive_the_responders_certificate(self, world):
        asked, request = (
            Asked(world, {"answer_cache": timedelta(days=1)}),
            world.request(world.issue().serial),
        )
        end = world.responder().facts.certificate.not_after
        world.now = end - timedelta(seconds=20)
        reply = asked.get(request)
        assert judge.load_der_ocsp_response(reply.body).next_update_utc == end
        assert parsedate_to_datetime(reply.headers["Expires"]) <= end
        world.now = end - timedelta(seconds=10)
        asked.get(request)
        assert asked.made == 2
        world.now = end
        assert asked.get(request).body == LATER

    @pytest.mark.parametrize("seed", range(4))
    def test_whatever_the_clock_does(self, shared, seed):
        asked = Asked(
            SimpleNamespace(responder=shared.responder, now=shared.now), {"answer_cache": MINUTE * 20}
        )
        request, chance = shared.request(shared.good.serial), random.Random(seed)
        for _ in range(60):
            asked.world.now = shared.now + timedelta(
                seconds=chance.randrange(-3000, 7200) / chance.choice((1, 7, 900))
            )
            reply = asked.get(request)
            read = judge.load_der_ocsp_response(reply.body)
            lives = read.next_update_utc - read.this_update_utc
            assert read.this_update_utc <= asked.world.now < read.this_update_utc + lives / 2
            assert asked.world.now + timedelta(seconds=max_age(reply)) <= read.next_update_utc
        assert 2 <= asked.made < 60

    def test_a_renewed_certificate_is_taken_up_in_time(self, world):
        asked, request = Asked(world), world.request(world.issue().serial)
        first = signer_of(asked.get(request))
        renewed = world.renew_responder(world.now)
        world.now += LOOK_AGAIN - timedelta(seconds=1)
        assert signer_of(asked.post(world.request(NEVER_ISSUED))) == first
        world.now += timedelta(seconds=1)
        assert signer_of(asked.post(world.request(NEVER_ISSUED))) == renewed.serial.value != first
        assert signer_of(asked.get(request)) == first, "what it signed is good still"

    def test_when_the_responders_certificate_ends_so_does_all_that_it_signed(self, world):
        """The mark no-check says that nobody asks about it; so nobody else would notice."""
        asked, request = Asked(world), world.request(world.issue().serial)
        first = signer_of(asked.get(request))
        with world.store.reading() as connection:
            (own,) = [
                one.certificate for one in authorities.services(connection) if one.certificate.serial.value == first
            ]  # fmt: skip
        renewed = world.renew_responder(world.now)
        world.revoke(own)
        asked.ready.drop([(own.generation, own.serial)])
        assert signer_of(asked.get(request)) == renewed.serial.value


def signer_of(reply):
    return judge.load_der_ocsp_response(reply.body).certificates[0].serial_number


def max_age(reply):
    first, *_ = reply.headers["Cache-Control"].split(",")
    name, _, seconds = first.partition("=")
    assert name == "max-age"
    return int(seconds)


class TestEnds:
    """What ends is dropped before the watermark says that it is known."""

    @contextmanager
    def pulsing(self, world, **options):
        """A callable with the real pulse, whose seconds the test counts."""
        ticks = [0.0]
        ended: list[Any] = []
        pulse = Pulse(
            world.store, timedelta(seconds=5), lambda some: [asked.ready.drop(some), *(one(some) for one in ended)],
            clock=lambda: world.now, ticks=lambda: ticks[0],
        )  # fmt: skip
        asked = Asked(world, options)
        asked.application._lookup = lambda text: open_responder(
            world.issuers, GenerationId.parse(text), LIFETIME, pulse
        )
        yield SimpleNamespace(
            asked=asked, pulse=pulse, ticks=ticks, ended=ended, beat=lambda: beat(world, pulse)
        )

    def test_a_revocation_is_seen(self, world):
        certificate, other = world.issue(), world.issue()
        request = world.request(certificate.serial)
        with self.pulsing(world) as it:
            it.beat()
            assert said(it.asked.get(request).body) is GOOD
            it.asked.get(world.request(other.serial))
            world.now += timedelta(seconds=2)
            world.revoke(certificate)
            assert said(it.asked.get(request).body) is GOOD, "nobody has looked yet"
            it.beat()
            for reply in (it.asked.get(request), it.asked.post(request)):
                assert said(reply.body) is REVOKED
            before = it.asked.made
            it.asked.get(world.request(other.serial))
            assert it.asked.made == before, "the others stay"

    def test_past_the_bound_nothing_ready_is_given_out(self, world):
        request = world.request(world.issue().serial)
        with self.pulsing(world) as it:
            assert it.asked.get(request).body == LATER, "before the first heartbeat"
            it.beat()
            assert said(it.asked.get(request).body) is GOOD
            it.ticks[0] += 5
            assert said(it.asked.get(request).body) is GOOD
            it.ticks[0] += 0.001
            for reply in (it.asked.get(request), it.asked.post(request)):
                assert reply.body == LATER
                assert reply.headers["Cache-Control"] == "no-store"
            world.now += timedelta(seconds=6)
            it.beat()
            assert said(it.asked.get(request).body) is GOOD

    @pytest.mark.parametrize("algorithm", [SHA1, SHA256])
    def test_the_answer_about_it_is_made_before_anybody_asks(self, world, tmp_path, algorithm):
        """The words that OpenSSL asks with find it ready."""
        certificate = world.issue()
        with self.pulsing(world) as it, Maker(it.asked.application.make) as maker:
            it.ended.append(maker.wanted)
            it.beat()
            world.now += timedelta(seconds=2)
            world.revoke(certificate)
            it.beat()
            until(lambda: len(it.asked.ready) == 2)
            assert it.asked.made == 2
            request = openssl_request(world, tmp_path, certificate.serial, algorithm)
            assert said(it.asked.post(request).body) is REVOKED
            assert said(it.asked.get(request).body) is REVOKED
            assert it.asked.made == 2

    def test_the_usual_requests_are_openssls(self, world, tmp_path):
        certificate = world.issue()
        made = set(usual_requests(world.responder().home.hashes, certificate.serial))
        assert made == {openssl_request(world, tmp_path, certificate.serial, one) for one in (SHA1, SHA256)}

    def test_what_overflows_is_made_when_asked(self, world):
        certificates = [world.issue() for _ in range(3)]
        held, going = threading.Event(), threading.Event()
        made = []

        def make(certificate):
            going.set()
            assert held.wait(60)
            made.append(certificate)
            if len(made) == 1:
                raise ZeroDivisionError

        keys = [(one.generation, one.serial) for one in certificates]
        with Maker(make, waiting=1) as maker:
            maker.wanted(keys[:1])
            assert going.wait(60)
            maker.wanted(keys[1:])
            held.set()
            until(lambda: len(made) == 2)
        assert made == keys[:2]

    def test_a_maker_stops_with_its_queue_full(self):
        going = threading.Event()
        with Maker(lambda _: going.set(), waiting=2) as maker:
            maker.wanted([(PREFECTURE, Serial(number)) for number in range(1, 1000)])
            assert going.wait(60)
        maker.wanted([(PREFECTURE, Serial(1))] * 3)
        assert not maker._thread.is_alive()

    def test_what_cannot_be_made_is_left(self, world):
        asked = Asked(world)
        for generation, serial in ((PREFECTURE, NEVER_ISSUED), (GenerationId.parse("jpki-31.g9"), 5)):
            asked.application.make((generation, Serial(serial)))
        world.now += timedelta(days=4000)
        asked.application.make((PREFECTURE, Serial(NEVER_ISSUED)))
        assert len(asked.ready) == 0


def beat(world, pulse):
    with world.store.writing() as connection:
        heartbeats.beat(connection, world.now, world.now)
    pulse.look()


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def openssl_request(world, folder, serial, algorithm):
    client, written = OpensslClient(world.repository.folder, folder), folder / "request.der"
    client.ask("-serial", f"0x{serial}", "-no_nonce", "-reqout", written, sha256=algorithm == SHA256)
    return written.read_bytes()


CERTIFICATES = [(PREFECTURE, Serial(number)) for number in range(1, 9)]
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def made_up(*certificates, octets=b"answer"):
    """An answer that says nothing."""
    statuses = (CertificateStatus.GOOD,) * len(certificates)
    answer = Answer(
        octets, certificates, MOMENT, MOMENT + LIFETIME,
        for_one=False, statuses=statuses, freshness=frozenset({Itself()}),
    )  # fmt: skip
    return Ready.of(answer, (PREFECTURE, Serial(4711)))


class TestShelves:
    def test_memory_is_bounded(self):
        """What is there at the end was all made since it is looked at, which makes everything slow."""
        limit, chance = 4 << 20, random.Random(1)
        answers, serials = ReadyAnswers(limit), range(1, 100_001)

        def put(serials, made):
            for number in serials:
                keys = [f"/ocsp/jpki-31.g1/{number:0110}", ("jpki-31.g1", chance.randbytes(80))]
                answers.put(keys, made(number), answers.turn)
                if number % 7 == 0:
                    answers.drop([(PREFECTURE, Serial(number))])

        def made(number):
            return made_up((PREFECTURE, Serial(number)), octets=chance.randbytes(1500))

        one = made(1)
        put(serials[:-8000], lambda _: one)
        gc.collect()
        tracemalloc.start()
        put(serials[-8000:], made)
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert limit / 4 < used < limit
        assert len(answers) > 500

    def test_an_answer_that_would_take_all_is_not_kept(self):
        answers = ReadyAnswers(100_000)
        answers.put(["small"], made_up(CERTIFICATES[0]), answers.turn)
        for key, octets in (("large", bytes(60_000)), ("x" * 60_000, b"")):
            answers.put([key], made_up(CERTIFICATES[0], octets=octets), answers.turn)
            assert answers.get(key) is None
        assert answers.get("small") is not None

    def test_what_is_asked_for_stays(self):
        answers = ReadyAnswers(100_000)
        often = made_up(CERTIFICATES[0])
        answers.put(["often"], often, answers.turn)
        for number in range(1000):
            answers.put([number], made_up(CERTIFICATES[1]), answers.turn)
            assert answers.get("often") is often
        assert answers.get(0) is None
        assert answers.get(999) is not None

    @pytest.mark.parametrize("between", [0, 20, 30])
    def test_dropped_wherever_it_lies(self, between):
        """On the first shelf, on the second, on both."""
        answers = ReadyAnswers(100_000)
        one, other = CERTIFICATES[:2]
        answers.put(["one", "both"], made_up(one), answers.turn)
        answers.put(["pair"], made_up(one, other), answers.turn)
        for number in range(between):
            answers.put([number], made_up(CERTIFICATES[5]), answers.turn)
        if between == 30:
            answers.get("both")
        answers.put(["other"], made_up(other), answers.turn)
        answers.drop([one])
        assert [answers.get(key) for key in ("one", "both", "pair")] == [None] * 3
        assert answers.get("other") is not None

    @pytest.mark.parametrize(
        "change",
        [
            lambda answers: answers.drop([CERTIFICATES[3]]),
            lambda answers: answers.drop_share(1000),
            lambda answers: answers.clear(),
        ],
    )
    def test_what_was_begun_before_a_drop_is_not_put(self, change):
        answers = ReadyAnswers(100_000)
        turn = answers.turn
        change(answers)
        answers.put(["late"], made_up(CERTIFICATES[0]), turn)
        assert answers.get("late") is None

    @pytest.mark.parametrize(("parts", "left"), [(1, 0), (2, 16), (4, 24), (8, 28), (16, 30)])
    def test_a_share_is_dropped(self, parts, left):
        answers = ReadyAnswers(1 << 20)
        for number in range(32):
            answers.put([number], made_up(CERTIFICATES[0]), answers.turn)
        answers.drop_share(parts)
        assert len(answers) == left
        answers.clear()
        assert len(answers) == 0

    @pytest.mark.usefixtures("_switching")
    def test_nothing_that_ended_comes_back(self):
        """Threads make and ask while certificates end: after a drop nobody gets what was so before it.

        The truth is a number for each certificate. An answer says the number that its maker read, after the turn; it may
        be put much later.
        """
        answers = ReadyAnswers(60_000)  # so small that shelves change places all the time
        truth, dropped = dict.fromkeys(CERTIFICATES, 0), dict.fromkeys(CERTIFICATES, 0)
        done = threading.Event()

        def make(number):
            chance, count = random.Random(number), 0
            while not done.is_set() or count < 500:
                certificate = chance.choice(CERTIFICATES)
                turn = answers.turn
                octets = b"%d" % truth[certificate]
                for _ in range(chance.randrange(3)):
                    time.sleep(0)
                answers.put([certificate, (chance.random(),)], made_up(certificate, octets=octets), turn)
                count += 1
            return count

        def ask(number):
            chance, hits = random.Random(number), 0
            while not done.is_set() or hits == 0:
                certificate = chance.choice(CERTIFICATES)
                least = dropped[certificate]
                found = answers.get(certificate)
                if found is not None:
                    assert int(found.octets) >= least
                    hits += 1
            return hits

        def end():
            chance = random.Random(9)
            try:
                for _ in range(1500):
                    certificate = chance.choice(CERTIFICATES)
                    truth[certificate] += 1
                    answers.drop([certificate])
                    dropped[certificate] = truth[certificate]
                    time.sleep(0.0002)
            finally:
                done.set()

        with ThreadPoolExecutor(5) as pool:
            work = [pool.submit(make, 1), pool.submit(make, 2), pool.submit(ask, 3), pool.submit(ask, 4)]
            pool.submit(end).result(120)
            assert all(one.result(120) for one in work)

    @pytest.mark.usefixtures("_switching")
    def test_a_drill_under_load_costs_no_answer(self, shared):
        asked = Asked(shared)
        requests = [shared.request(one.serial) for one in (shared.good, shared.revoked)]
        expected = {request: shared.responder().answer(request, shared.now).octets for request in requests}

        def ask(request):
            return all(asked.get(request).body == expected[request] for _ in range(150))

        with ThreadPoolExecutor(4) as pool:
            work = [pool.submit(ask, request) for request in requests * 2]
            for parts in (16, 8, 4, 2, 1) * 4:
                asked.ready.drop_share(parts)
                time.sleep(0.002)
            assert all(one.result(120) for one in work)


@pytest.fixture
def _switching():
    """Threads take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


class TestHeaders:
    """RFC 9111; RFC 5019 6.2."""

    @pytest.mark.parametrize(
        ("kept", "age"), [(0, 0), (1, 1), (60, 60), (1799, 1799), (3599, 3599), (90_000, 3599)]
    )
    def test_get(self, shared, kept, age):
        """An answer lives for 3,600 seconds, and its first second may be over in a moment."""
        asked = Asked(shared, {"answer_cache": timedelta(seconds=kept)})
        request = shared.request(shared.good.serial)
        for _ in range(2):
            reply = asked.get(request)
            headers = dict(reply.headers)
            read = judge.load_der_ocsp_response(reply.body)
            dates = {
                name: parsedate_to_datetime(headers.pop(name))
                for name in ("Date", "Expires", "Last-Modified")
            }
            assert dates == {
                "Date": shared.now,
                "Expires": shared.now + timedelta(seconds=age),
                "Last-Modified": read.this_update_utc,
            }
            tag = headers.pop("ETag")
            assert (tag[0], tag[-1], len(tag)) == ('"', '"', 66)
            assert headers == {
                "Content-Type": "application/ocsp-response",
                "Content-Length": str(len(reply.body)),
                "Cache-Control": f"max-age={age}, public, no-transform, must-revalidate",
            }

    def test_they_move_with_the_clock(self, world):
        asked, request = Asked(world, {"answer_cache": MINUTE}), world.request(world.issue().serial)
        first = asked.get(request).headers
        for passed in (0.2, 0.7, 0.1, 3600.4):
            world.now += timedelta(seconds=passed)
            headers = asked.get(request).headers
            date, expires = (parsedate_to_datetime(headers[name]) for name in ("Date", "Expires"))
            assert date == world.now.replace(microsecond=0)
            assert expires - date == MINUTE
        assert headers["ETag"] != first["ETag"]

    def test_no_date_is_before_its_own_last_modified(self, world):
        asked, request = Asked(world), world.request(world.issue().serial)
        world.now += timedelta(microseconds=999_999)
        for _ in range(2):
            headers = asked.get(request).headers
            assert parsedate_to_datetime(headers["Last-Modified"]) <= parsedate_to_datetime(headers["Date"])
            world.now += LIFETIME

    @pytest.mark.parametrize("certificate", ["good", "revoked"])
    def test_post_is_nobodys_to_keep(self, shared, certificate):
        asked = Asked(shared, {"answer_cache": MINUTE})
        request = shared.request(getattr(shared, certificate).serial)
        for _ in range(2):
            headers = asked.post(request).headers
            assert headers["Cache-Control"] == "no-store"
            assert set(headers) == {"Content-Type", "Content-Length", "Cache-Control"}

    def test_errors_are_not_kept(self, shared):
        asked = Asked(shared, {"answer_cache": MINUTE})
        for path in (f"/ocsp/{PREFECTURE}/MEUw", "/ocsp/jpki-99.g1/MEUw", "/ocsp/"):
            assert fetched(asked.application, path).headers["Cache-Control"] == "no-store"


CONDITIONS = {
    "nothing": ({}, 200, 200),
    "its tag": ({"HTTP_IF_NONE_MATCH": "{tag}"}, 304, 304),
    "its tag, weak": ({"HTTP_IF_NONE_MATCH": "W/{tag}"}, 304, 304),
    "its tag among others": ({"HTTP_IF_NONE_MATCH": '"a", W/{tag} ,"b"'}, 304, 304),
    "any tag": ({"HTTP_IF_NONE_MATCH": " * "}, 304, 304),
    "another tag": ({"HTTP_IF_NONE_MATCH": '"' + 64 * "a" + '"'}, 200, 200),
    "half of its tag": ({"HTTP_IF_NONE_MATCH": "{half}"}, 200, 200),
    "an empty tag": ({"HTTP_IF_NONE_MATCH": ""}, 200, 200),
    "another tag, the same date": (
        {"HTTP_IF_NONE_MATCH": '"a"', "HTTP_IF_MODIFIED_SINCE": "{date}"},
        200,
        200,
    ),
    "its tag, an old date": (
        {"HTTP_IF_NONE_MATCH": "{tag}", "HTTP_IF_MODIFIED_SINCE": "{earlier}"},
        304,
        304,
    ),
    # A good answer of the same second may have been given before the end.
    "its date": ({"HTTP_IF_MODIFIED_SINCE": "{date}"}, 304, 200),
    "a later date": ({"HTTP_IF_MODIFIED_SINCE": "{later}"}, 304, 200),
    "an earlier date": ({"HTTP_IF_MODIFIED_SINCE": "{earlier}"}, 200, 200),
    "the date by RFC 850": ({"HTTP_IF_MODIFIED_SINCE": "{old}"}, 304, 200),
    "the date by asctime": ({"HTTP_IF_MODIFIED_SINCE": "{asctime}"}, 304, 200),
    "no date": ({"HTTP_IF_MODIFIED_SINCE": "yesterday"}, 200, 200),
    "a long date": ({"HTTP_IF_MODIFIED_SINCE": "{date}" + 100_000 * " "}, 200, 200),
    "an impossible date": ({"HTTP_IF_MODIFIED_SINCE": "Mon, 99 Jan 2026 25:61:61 GMT"}, 200, 200),
}


class TestConditions:
    """RFC 9110 13.1.2, 13.1.3, 15.4.5."""

    @pytest.mark.parametrize(("conditions", "good", "revoked"), CONDITIONS.values(), ids=CONDITIONS)
    def test_table(self, shared, conditions, good, revoked):
        asked = Asked(shared, {"answer_cache": MINUTE})
        for certificate, expected in ((shared.good, good), (shared.revoked, revoked)):
            request = shared.request(certificate.serial)
            whole = asked.get(request)
            tag, modified = whole.headers["ETag"], parsedate_to_datetime(whole.headers["Last-Modified"])
            words = {
                "tag": tag,
                "half": tag[:40],
                "date": format_datetime(modified, usegmt=True),
                "later": format_datetime(modified + MINUTE, usegmt=True),
                "earlier": format_datetime(modified - timedelta(seconds=1), usegmt=True),
                "old": modified.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
                "asctime": modified.strftime("%a %b %d %H:%M:%S %Y"),
            }
            sent = {name: value.format(**words) for name, value in conditions.items()}
            reply = asked.get(request, **sent)
            assert reply.status == expected
            if expected == 304:
                assert reply.body == b""
                left_out = {"Content-Type", "Content-Length"}
                assert reply.headers == {n: v for n, v in whole.headers.items() if n not in left_out}
            else:
                assert reply == whole
            assert asked.post(request).body == whole.body

    def test_first_of_all_too(self, shared):
        """The client may know an answer that this process does not have any more."""
        request = shared.request(shared.good.serial)
        asked = Asked(shared)
        tag = Asked(shared).get(request).headers["ETag"]
        assert asked.get(request, HTTP_IF_NONE_MATCH=tag).status == 304
        assert asked.outcomes == {(Outcome.NOT_MODIFIED, False): 1}

    @given(st.text(max_size=70), st.sampled_from(["HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE"]))
    def test_nonsense_is_no_condition(self, text, name):
        ready = made_up(CERTIFICATES[0])
        if text.strip() != "*":
            assert has_it({name: text}, replace(ready, since=datetime.max.replace(tzinfo=UTC))) is False

    @given(st.integers(-1_000_000_000, 1_000_000_000))
    def test_by_date_as_the_clock_says(self, seconds):
        text = format_datetime(MOMENT + timedelta(seconds=seconds), usegmt=True)
        assert has_it({"HTTP_IF_MODIFIED_SINCE": text}, made_up(CERTIFICATES[0])) == (seconds >= 0)

    def test_by_curl(self, shared, tmp_path):
        require("curl")
        asked = Asked(shared, {"answer_cache": MINUTE})
        with served(asked.application) as url:
            for certificate, repeated in ((shared.good, 2), (shared.revoked, 1)):
                before = asked.outcomes.get((Outcome.NOT_MODIFIED, True), 0)
                address = (
                    f"{url}/{quote(base64.b64encode(shared.request(certificate.serial)).decode(), safe='')}"
                )
                answer, tag = tmp_path / "answer", tmp_path / "tag"

                def curl(*words, to=answer, address=address):
                    command = ["curl", "-sS", "-o", to, "-w", "%{http_code}", *words, address]
                    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
                    return done.stdout

                again = tmp_path / "again"
                assert curl("-R", "--etag-save", tag) == "200"  # the file gets the date of Last-Modified
                octets = answer.read_bytes()
                assert said(octets) is (GOOD if repeated == 2 else REVOKED)
                assert curl("--etag-compare", tag, to=again) == "304"
                assert curl("-z", answer, to=again) == "304"  # said by curl itself, if not by us
                assert asked.outcomes[Outcome.NOT_MODIFIED, True] == before + repeated
                assert curl("-z", "2001-01-01", to=again) == "200"
                assert again.read_bytes() == octets


class Guarded:
    """A door that one client may pass."""

    def open_for(self, _):
        return False

    def admit(self, environ, question, at):  # noqa: ARG002
        if environ.get("REMOTE_ADDR") != "192.0.2.1":
            raise NotAdmitted("verifier", "is not known")
        return "verifier-1"


class TestDoor:
    def test_ready_answers_are_for_whom_may_ask(self, shared):
        asked = Asked(shared, {"admission": Guarded(), "answer_cache": MINUTE})
        request = shared.request(shared.good.serial)
        for _ in range(2):
            admitted = asked.get(request, REMOTE_ADDR="192.0.2.1")
            assert said(admitted.body) is GOOD
            for reply in (asked.get(request), asked.post(request)):
                assert reply.body == UNAUTHORIZED
                assert reply.headers["Cache-Control"] == "no-store"
        assert admitted.headers["Cache-Control"] == "no-store", "a cache would give it to anybody"
        assert asked.made == 1
        assert asked.outcomes[Outcome.GOOD, True] == 1

    def test_who_asked_is_told(self, shared):
        class Listening(Observer):
            def observed(self, outcome, _seconds, ready, verifier):
                heard.append((outcome, ready, verifier))

        heard: list[Any] = []
        application = OcspApplication(
            lambda text: shared.responder(GenerationId.parse(text)), lambda: shared.now,
            ready=ReadyAnswers(1 << 20), admission=Guarded(), observer=Listening(),
        )  # fmt: skip
        for request in (shared.request(shared.good.serial),) * 2 + (shared.request(NEVER_ISSUED),):
            post(application, request, REMOTE_ADDR="192.0.2.1")
        post(application, b"x", REMOTE_ADDR="192.0.2.2")
        assert heard == [
            ("good", False, "verifier-1"), ("good", True, "verifier-1"), ("unknown", False, "verifier-1"),
            ("unauthorized", False, None),
        ]  # fmt: skip


class TestTrouble:
    def test_a_clock_that_has_run_out(self, shared):
        def clock():
            if ended:
                raise OverflowError
            return shared.now

        ended: list[bool] = []
        application = OcspApplication(lambda _: shared.responder(), clock)
        ended.append(True)
        assert post(application, shared.request(5)).body == INTERNAL

    def test_the_log_is_told_once(self, shared, caplog):
        def lookup(_):
            raise StorageFailed("store", "is away")

        application = OcspApplication(lookup, lambda: shared.now)
        for _ in range(20):
            assert post(application, shared.request(5)).body == LATER
        assert len([one for one in caplog.records if one.message == "ocsp-not-answered"]) <= 3

    def test_malformed_stays_malformed(self, shared):
        assert Asked(shared).get(b"").body == MALFORMED


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request, shared, serials):
    """Where rows of every kind are."""
    assert serials
    if request.param == "sqlite":
        yield shared.store
        return
    server = postgresql.server()
    name = server.template()
    opened = Store.open(name)
    migrate(opened)
    with shared.store.reading() as source, opened.writing() as target:
        for table in (status.certificates, status.revocations, status.list_places):
            rows = [dict(row._mapping) for row in source.execute(table.select())]
            target.execute(table.insert(), rows)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def serials(shared):
    held, intended = shared.issue(), shared.issue()
    shared.revoke(held, RevocationReason.CERTIFICATE_HOLD)
    shared.change(intended, state=CertificateState.INTENDED)
    without = Serial(NEVER_ISSUED + 1)
    with shared.store.writing() as connection:
        ended = Revocation(without, shared.now, RevocationReason.SUPERSEDED)
        record_end(connection, CertificateId(PREFECTURE, without), Scope("signature-312011"), ended)
    own = Serial(shared.responder().facts.certificate.serial)
    some = (shared.good, shared.revoked, held, intended)
    return [own, without, Serial(NEVER_ISSUED), *(one.serial for one in some)]


class TestStatus:
    """The short way to a record, against the long one."""

    def test_both_say_the_same(self, serials, store):
        with store.reading() as connection:
            whole = status.records(connection, PREFECTURE, serials)
            other = status.records(connection, GenerationId.parse("jpki-31.g2"), serials)
        assert len({record.issued_at is None for record in whole.values()}) == 2
        assert sum(record.revocation is not None for record in whole.values()) >= 3
        for one in serials:
            for another in serials:
                asked = {one, another}
                assert status.known(store, PREFECTURE, asked) == {each: whole[each] for each in asked}
        assert status.known(store, PREFECTURE, serials) == whole
        assert status.known(store, PREFECTURE, []) == {}
        assert status.known(store, GenerationId.parse("jpki-31.g2"), serials[:2]) == {
            each: other[each] for each in serials[:2]
        }

    def test_it_leaves_no_transaction_behind(self, serials, store):
        for _ in range(20):
            status.known(store, PREFECTURE, [serials[0], serials[3]])
        with store.writing() as connection:
            connection.execute(status.certificates.select().limit(1))
        assert store.engine.pool.checkedout() == 0

    def test_a_broken_connection_is_no_broken_answer(self, serials, store):
        """The driver's trouble is met on the long way, which knows its words."""
        expected = status.known(store, PREFECTURE, [serials[0]])
        for _ in range(3):
            pooled = store.engine.raw_connection()
            pooled.driver_connection.close()
            pooled.close()
            with suppress(StorageFailed):  # another of the pool's connections was as dead
                assert status.known(store, PREFECTURE, [serials[0]]) == expected
        assert status.known(store, PREFECTURE, [serials[0]]) == expected

    def test_the_short_way_looks_up_by_keys(self, serials, shared):
        statement, ordered = status._prepared(shared.store.engine.dialect)
        values = ordered(
            {"generation": str(PREFECTURE), "one": serials[0].octets, "other": serials[3].octets}
        )
        with shared.store.reading() as connection:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
        assert plan
        assert all(step.startswith("SEARCH") and "serial=?" in step for step in plan)

    def test_it_is_the_way_that_answers_go(self, shared):
        seen = []

        def begun(connection):
            seen.append(connection)

        responder = shared.responder()
        event.listen(shared.store.engine, "begin", begun)
        try:
            responder.answer(shared.request(shared.good.serial), shared.now)
            assert seen == []
            responder.answer(shared.request(NEVER_ISSUED), shared.now)
            assert len(seen) == 1
        finally:
            event.remove(shared.store.engine, "begin", begun)


NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_cache_path {folder}/cache keys_zone=ocsp:1m;
  server {{
    listen unix:{folder}/socket;
    location / {{
      proxy_pass {upstream};
      proxy_cache ocsp; proxy_cache_revalidate on;
      add_header X-Cache $upstream_cache_status;
    }}
  }}
}}
"""


@contextmanager
def nginx(folder, upstream):
    """A cache in front, as an operator has it; gives what fetches a path through it: (status of the cache, octets)."""
    program = require("nginx")
    require("curl")
    folder.mkdir()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, upstream=upstream.rpartition("/ocsp/")[0]))
    server = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error"])

    def fetch(path):
        done = subprocess.run(
            ["curl", "-sS", "--fail", "-i", "--unix-socket", folder / "socket", f"http://nginx{path}"],
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
        return headers.get("X-Cache"), body

    try:
        until((folder / "socket").exists)
        yield fetch
    finally:
        server.terminate()
        server.wait(60)


class TestBehindNginx:
    """A real cache, by the machine's clock."""

    def living(self, world, kept):
        responder = world.responder

        class Living:
            @property
            def now(self):
                return system_clock()

            def responder(self, generation):
                return responder(generation)

        return Asked(Living(), {"answer_cache": timedelta(seconds=kept)})

    def end(self, world, asked, certificate):
        world.revoke(certificate, at=system_clock())
        asked.ready.drop([(certificate.generation, certificate.serial)])

    def test_never_past_max_age(self, world, tmp_path):
        certificate = world.issue()
        path, asked = path_of(world.request(certificate.serial)), self.living(world, 1)
        with served(asked.application) as url, nginx(tmp_path / "nginx", url) as fetch:
            state, first = fetch(path)
            assert (state, said(first)) == ("MISS", GOOD)
            # Once its time is over, nginx asks whether it is still the same, and keeps it for as long again.
            states = set()

            def revalidated():
                state, body = fetch(path)
                assert body == first
                states.add(state)
                return state == "REVALIDATED"

            until(revalidated)
            assert asked.outcomes[Outcome.NOT_MODIFIED, True] == 1
            assert asked.made == 1
            self.end(world, asked, certificate)
            latest = (
                time.monotonic() + 2
            )  # whole seconds: kept in the last moment of one, dropped in that of another

            def revoked():
                began = time.monotonic()
                _, body = fetch(path)
                assert began < latest or said(body) is REVOKED
                return said(body) is REVOKED

            until(revoked)
            assert said(fetch(path)[1]) is REVOKED

    def test_nothing_promised_nothing_kept(self, world, tmp_path):
        certificate = world.issue()
        path, asked = path_of(world.request(certificate.serial)), self.living(world, 0)
        with served(asked.application) as url, nginx(tmp_path / "nginx", url) as fetch:
            for _ in range(3):
                assert said(fetch(path)[1]) is GOOD
            self.end(world, asked, certificate)
            assert said(fetch(path)[1]) is REVOKED
        assert asked.made == 2

    @pytest.mark.parametrize("unescaped", ["/+=", ""], ids=["as it is", "escaped"])
    def test_slashes_in_base64_reach_the_responder(self, world, tmp_path, unescaped):
        """nginx merges slashes in what it compares with locations, and passes on what came: ``proxy_pass`` has no URI."""
        nonce, asked = b"\xff" * 32, self.living(world, 60)
        root, _, encoded = path_of(world.request(world.issue().serial, nonce=nonce)).rpartition(
            f"{PREFECTURE}/"
        )
        assert "////" in encoded
        with served(asked.application) as url, nginx(tmp_path / "nginx", url) as fetch:
            path = f"{root}{PREFECTURE}/{quote(encoded, safe=unescaped)}"
            answer = judge.load_der_ocsp_response(fetch(path)[1])
            assert answer.extensions.get_extension_for_class(OCSPNonce).value.nonce == nonce

    def test_it_keeps_for_a_client_what_may_be_kept(self, world, tmp_path):
        """Unknown, a nonce, and errors go through each time."""
        certificate, asked = world.issue(), self.living(world, 60)
        with served(asked.application) as url, nginx(tmp_path / "nginx", url) as fetch:
            for request in (
                world.request(NEVER_ISSUED), world.request(certificate.serial, nonce=b"n"), b"MEUw"
            ):  # fmt: skip
                assert [fetch(path_of(request))[0] for _ in range(3)] == ["MISS"] * 3
            request = world.request(certificate.serial)
            assert [fetch(path_of(request))[0] for _ in range(3)] == ["MISS", "HIT", "HIT"]
            assert sum(asked.outcomes.values()) == 10
