"""How a worker knows that what it says is so: heartbeats, the pulse that sees them, and what is dropped in time."""

import logging
import sqlite3
import threading
from base64 import b64encode
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from asn1crypto import pem, x509
from asn1crypto.ocsp import OCSPResponse
from sqlalchemy import event, text

from bridge.repository.layout import self_signed_path
from ca.clock import ShiftedClock, system_clock
from ca.errors import HomeRefused, StorageFailed
from ca.model import CertificateKind, GenerationId, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.store import authorities, heartbeats, register, responders
from front import heart
from front.assembly import open_world
from front.heart import Heart, beating, repeating
from front.server import responding
from ocsp import freshness
from ocsp.freshness import Pulse, Stale
from ocsp.metrics import Observer, Outcome, summed
from ocsp.national import NATIONAL
from ocsp.ready import ReadyAnswers
from ocsp.responder import open_responder
from ocsp.wsgi import OcspApplication
from tests import engine_world as worlds
from tests import ocsp_world, served_world
from tests.commands import done, run
from tests.engine_world import copy_of, put_back
from tests.ocsp_world import LATER, LIFETIME, PREFECTURE, call, post
from tests.postgresql import server
from tests.served_world import openssl, wait_until
from tests.small_edition import SEED

NOW = datetime(2014, 9, 2, 3, 4, 5, 600_000, tzinfo=UTC)
BEATEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BOUND = timedelta(seconds=5)
HOUR = 3600.0
SECOND = timedelta(seconds=1)
SIGNATURE = CertificateKind.SIGNATURE
LAYOUTS = {
    "one file": worlds.FILES,
    "a server": worlds.SERVER,
    "two files": worlds.OWN,
    "a server and a file": worlds.OWN_FILE,
    "three files": {**worlds.OWN, "jpki-bridge": "bridge.db"},
}


@pytest.fixture
def world(tmp_path):
    with worlds.engine_world(tmp_path / "world") as world:
        yield world


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS)
def anywhere(request, tmp_path, monkeypatch):
    """A world on each kind and number of databases."""
    monkeypatch.setattr(worlds, "layout", request.param)
    with worlds.engine_world(tmp_path / "world") as world:
        yield world


class Machine:
    """A machine's two clocks: the one that people set, and the one that only goes on."""

    def __init__(self):
        self.now, self.passed = BEATEN, 1000.0

    def clock(self):
        return self.now

    def ticks(self):
        return self.passed

    def wait(self, seconds):
        self.passed += seconds
        self.set(seconds)

    def set(self, seconds):
        """Put the clock that people set forward, or back."""
        self.now += timedelta(seconds=seconds)


class Ended(list):
    """What a pulse tells; beside it, how things stood when it told."""

    def __init__(self):
        super().__init__()
        self.pages, self.lost = [], 0

    def __call__(self, page):
        self.pages.append(len(page))
        self.extend(page)

    def forget(self):
        self.lost += 1


def pulse_of(world, machine, ended=None, store=None):
    ended = Ended() if ended is None else ended
    return Pulse(store or world.store, BOUND, ended, ended.forget, clock=machine.clock, ticks=machine.ticks)


def beat(stores, moment, beaten):
    """A heartbeat in every database."""
    stores.beat(moment, beaten)
    for store in stores.apart().values():
        stores.pass_on(store, moment, beaten)


def last(store):
    with store.reading() as connection:
        return heartbeats.last(connection)


def end(world, certificate, reason=RevocationReason.KEY_COMPROMISE, at=NOW):
    revoke(world.stores, certificate, reason, "operator", at=at)


def certificates(world, count):
    """So many certificates of Tottori."""
    return [world.issued(kinds=(SIGNATURE,))[SIGNATURE].id for _ in range(count)]


def keys(ids):
    return [(certificate.generation, certificate.serial) for certificate in ids]


# Staleness, as a table: what happens, and what is known afterwards.

BEAT, LOOK = "beat", "look"
FRESH, NEVER, OLD, FUTURE = "fresh", "has no heartbeat", "last heard of the primary", "of a time to come"


@pytest.mark.parametrize(
    ("story", "outcome", "age"),
    [
        pytest.param([LOOK], NEVER, None, id="no heartbeat ever"),
        pytest.param([BEAT], NEVER, None, id="not looked yet"),
        pytest.param([BEAT, LOOK], FRESH, 0, id="just beaten"),
        pytest.param([BEAT, LOOK, 5.0], FRESH, 5, id="at the bound"),
        pytest.param([BEAT, LOOK, 5.001], OLD, 5.001, id="past it"),
        pytest.param([BEAT, 3.0, LOOK, 2.0], FRESH, 5, id="seen late"),
        pytest.param([BEAT, 3.0, LOOK, 2.001], OLD, 5.001, id="seen late and past the bound"),
        pytest.param([BEAT, 5.5, LOOK], OLD, 5.5, id="seen too late"),
        pytest.param([BEAT, LOOK, 3.0, LOOK, 2.5, LOOK], OLD, 5.5, id="the same one seen again"),
        pytest.param([BEAT, LOOK, 6.0, LOOK, BEAT, LOOK], FRESH, 0, id="the primary comes back"),
        pytest.param([BEAT, LOOK, 6.0, BEAT], OLD, 6, id="it is back and nobody has looked"),
        pytest.param(
            [BEAT, LOOK, ("set", -HOUR), 5.5, LOOK], OLD, 5.5, id="the clock was put back meanwhile"
        ),
        pytest.param([BEAT, ("set", -HOUR), LOOK], FUTURE, None, id="a clock that is behind"),
        pytest.param([BEAT, ("set", -2.0), LOOK, 5.0], FRESH, 5, id="a clock a little behind is no gain"),
        pytest.param([BEAT, ("set", -2.0), LOOK, 5.001], OLD, 5.001, id="a little behind, past the bound"),
        pytest.param([BEAT, LOOK, ("set", -HOUR), BEAT, LOOK], FRESH, 0, id="put back, and beaten again"),
        pytest.param([BEAT, LOOK, ("set", HOUR), 5.0], FRESH, 5, id="put forward"),
        pytest.param([BEAT, ("set", HOUR), LOOK], OLD, HOUR, id="a clock that is ahead"),
    ],
)
def test_staleness(world, story, outcome, age):
    machine = Machine()
    pulse = pulse_of(world, machine)
    for step in story:
        match step:
            case "beat":
                world.stores.beat(NOW, machine.now)
            case "look":
                pulse.look()
            case ("set", seconds):
                machine.set(seconds)
            case seconds:
                machine.wait(seconds)
    assert pulse.fresh() == (outcome is FRESH)
    assert pulse.age() == (float("inf") if age is None else pytest.approx(age))
    if outcome is FRESH:
        assert pulse.watermark() == NOW
        return
    with pytest.raises(Stale, match=outcome) as stale:
        pulse.watermark()
    error = stale.value
    assert error.bound == BOUND
    assert (error.age is None) == (age is None)
    assert age is None or error.age.total_seconds() == pytest.approx(age)
    assert "primary runs" in error.remedy
    assert error.place.startswith("store ")


def test_a_world_at_another_speed_is_stale_by_the_machines_time(world):
    machine, pulses = Machine(), []
    for speed in (0, 1, 3600):
        clock = ShiftedClock(NOW, system_clock(), speed)
        Heart(world.stores, clock, machine.clock).beat()
        pulses.append(pulse_of(world, machine))
        pulses[-1].look()
        assert pulses[-1].watermark() <= clock()
        machine.wait(5)
        assert pulses[-1].fresh()
        machine.wait(0.001)
        assert not pulses[-1].fresh()


# Heartbeats.


def test_a_heartbeat_lies_in_every_database(anywhere):
    stores = anywhere.stores
    assert [last(store) for store in stores.each()] == [None] * len(stores.each())
    for number in range(3):
        at = timedelta(seconds=number)
        beat(stores, NOW + at, BEATEN + at)
        for store in stores.each():
            seen = last(store)
            assert (seen.moment, seen.beaten) == (NOW + at, BEATEN + at)


def test_before_a_heartbeat_the_databases_have_what_the_journal_has(anywhere):
    (certificate,) = certificates(anywhere, 1)
    store = anywhere.stores.of(certificate.generation.authority)
    ended, machine = Ended(), Machine()
    pulse = pulse_of(anywhere, machine, ended, store)
    beat(anywhere.stores, NOW, machine.now)
    pulse.look()
    older = {store: copy_of(store) for store in anywhere.stores.each()}
    end(anywhere, certificate)
    for store, copy in older.items():  # as a crash between the journal and the databases leaves them
        put_back(store, copy)
    machine.wait(1)
    beat(anywhere.stores, NOW + SECOND, machine.now)
    pulse.look()
    assert pulse.watermark() == NOW + SECOND
    assert ended == keys([certificate])
    with anywhere.stores.journal.turn() as turn, anywhere.stores.nation.reading() as connection:
        assert register.applied(connection) == turn.head.count


@pytest.mark.parametrize("layout", [worlds.OWN, worlds.OWN_FILE], ids=["two files", "a server and a file"])
def test_an_older_copy_has_no_heartbeat_until_it_has_caught_up(layout, tmp_path, monkeypatch):
    monkeypatch.setattr(worlds, "layout", layout)
    with worlds.engine_world(tmp_path / "world") as world:
        (certificate,) = certificates(world, 1)
        own = world.stores.of(certificate.generation.authority)
        older = copy_of(own)
        end(world, certificate)
        put_back(own, older)
        with pytest.raises(HomeRefused, match="is an older copy"):
            beat(world.stores, NOW, BEATEN)
        assert last(own) is None
        assert last(world.stores.nation).moment == NOW
        world.stores.catch_up()
        beat(world.stores, NOW + SECOND, BEATEN + SECOND)
        assert last(own).moment == NOW + SECOND


@pytest.fixture
def three_files(tmp_path, monkeypatch):
    monkeypatch.setattr(worlds, "layout", LAYOUTS["three files"])
    with worlds.engine_world(tmp_path / "world") as world:
        yield world


def test_a_database_that_fails_keeps_no_other_from_its_heartbeat(three_files):
    first, other = three_files.stores.apart().values()
    with first.writing() as connection:
        connection.execute(text("DROP TABLE heartbeats"))
    beating = Heart(three_files.stores, lambda: NOW, lambda: BEATEN)
    beating.beat()
    with pytest.raises(StorageFailed, match="heartbeats"):
        beating.pass_on(first)
    beating.pass_on(other)
    assert last(three_files.stores.nation).moment == last(other).moment == NOW


def test_a_heart_passes_on_what_it_has_beaten_itself_and_once(three_files):
    own, _ = three_files.stores.apart().values()
    machine = Machine()
    one, another = (Heart(three_files.stores, machine.clock, machine.clock) for _ in range(2))
    one.beat()
    another.beat()  # too soon after the first
    another.pass_on(own)
    assert last(own) is None
    one.pass_on(own)
    assert last(own).beaten == BEATEN
    with own.noting() as connection:
        connection.execute(text("DELETE FROM heartbeats"))
    one.pass_on(own)
    assert last(own) is None
    machine.wait(1)
    another.beat()
    another.pass_on(own)
    assert last(own).beaten == machine.now


def test_a_heartbeat_that_was_not_synced_is_all_that_waits_for_no_disk(three_files):
    """SQLite's own word on how each transaction is kept: 1 is NORMAL, which syncs nothing in WAL mode; 2 is FULL."""
    own, _ = three_files.stores.apart().values()
    beat(three_files.stores, NOW, BEATEN)
    for begin, level in ((own.writing, 2), (own.noting, 1), (own.noting, 1), (own.writing, 2)):
        with begin() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == level
    levels = []

    def seen(_, cursor, statement, *__):
        if "heartbeats" in statement and not statement.startswith("SELECT"):
            levels.append(cursor.connection.execute("PRAGMA synchronous").fetchone()[0])

    for store in three_files.stores.each():
        event.listen(store.engine, "before_cursor_execute", seen)
    beat(three_files.stores, NOW + SECOND, BEATEN + SECOND)
    assert levels == [2, 1, 1], "with the nation's comes what the journal has and the databases had not"


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [
        pytest.param(-0.001, 0, id="who waited longer changes nothing"),
        pytest.param(-10, 0, id="not even after a long wait"),
        pytest.param(0, 0, id="nor does the same moment"),
        pytest.param(0.001, 1, id="a later one"),
        pytest.param(-10.001, 1, id="the clock was put back"),
    ],
)
def test_of_two_heartbeats_the_later_stays(world, seconds, kept):
    moments = [NOW, NOW + SECOND]
    world.stores.beat(moments[0], BEATEN)
    world.stores.beat(moments[1], BEATEN + timedelta(seconds=seconds))
    assert last(world.store).moment == moments[kept]


@pytest.mark.parametrize(
    ("ago", "beats"), [(0.149, False), (0.15, True), (0.2, True), (-0.1, False), (-HOUR, True), (HOUR, True)]
)
def test_a_heart_leaves_it_at_anothers_beat(world, ago, beats):
    machine = Machine()
    world.stores.beat(NOW, machine.now)
    machine.set(ago)
    Heart(world.stores, lambda: NOW + SECOND, machine.clock).beat()
    assert (last(world.store).moment == NOW + SECOND) == beats


def test_a_beat_waits_for_a_recording_and_says_nothing_of_what_came_after_its_moment(world):
    (certificate,) = certificates(world, 1)
    beat = threading.Thread(target=world.stores.beat, args=(NOW, BEATEN))
    with world.stores.recording() as recording:
        beat.start()
        beat.join(0.2)
        assert beat.is_alive()
        assert heartbeats.last(recording.nation) is None
    beat.join(served_world.PATIENCE)
    assert last(world.store).moment == NOW
    assert certificate is not None


# Threads that go on.


@pytest.fixture
def said():
    """What is logged, line by line."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.getMessage(), getattr(record, "facts", {})))
    heart.LOGGER.addHandler(handler)
    level = heart.LOGGER.level
    heart.LOGGER.setLevel(logging.INFO)
    yield lines
    heart.LOGGER.setLevel(level)
    heart.LOGGER.removeHandler(handler)


@pytest.mark.parametrize("error", [StorageFailed("disk", "is full"), RuntimeError("anything")], ids=type)
def test_what_fails_again_and_again_is_said_once_and_survived(said, error):
    tries, mended = [], threading.Event()

    def job():
        tries.append(None)
        if not mended.is_set():
            raise error

    with repeating("job", job, 0.001):
        wait_until(lambda: len(tries) > 20, "it is tried again")
        mended.set()
        wait_until(lambda: len(said) > 1, "it is said that it goes on")
        before = len(tries)
        wait_until(lambda: len(tries) > before + 20, "it goes on")
    assert [line for line, _ in said] == ["job failed", "job goes on"]
    assert said[1][1]["failures"] > 20
    after = len(tries)
    assert "job" not in [thread.name for thread in threading.enumerate()]
    assert len(tries) == after


def test_failures_that_come_and_go_are_said_once_a_minute(said, monkeypatch):
    passed = [0.0]
    monkeypatch.setattr(heart.time, "monotonic", lambda: passed[0])
    results = iter([StorageFailed("disk", "is full"), None] * 100)

    def job():
        if (error := next(results)) is not None:
            raise error

    steady = heart._Steady("job", job)
    for moment in range(200):
        passed[0] = moment / 2
        steady.attempt()
    assert [line for line, _ in said] == ["job failed", "job goes on"] * 2


# What ended is told before the watermark moves.


def test_what_ended_is_told_in_pages_before_the_watermark_moves(world, monkeypatch):
    monkeypatch.setattr(freshness, "_PAGE", 3)
    machine, ended = Machine(), Ended()
    watermarks = []

    def told(page):
        watermarks.append(pulse.watermark())
        ended(page)

    before = certificates(world, 8)
    end(world, before.pop())
    pulse = Pulse(world.store, BOUND, told, ended.forget, clock=machine.clock, ticks=machine.ticks)
    world.stores.beat(NOW, machine.now)
    pulse.look()
    assert ended == []  # nothing was kept before
    for certificate in before:
        end(world, certificate)
    world.stores.beat(NOW + SECOND, machine.now + SECOND)
    pulse.look()
    assert ended == keys(before)
    assert ended.pages == [3, 3, 1]
    assert set(watermarks) == {NOW}
    assert pulse.watermark() == NOW + SECOND
    pulse.look()
    assert ended == keys(before)
    assert ended.lost == 0


def test_what_changes_again_is_told_again(world):
    machine, ended = Machine(), Ended()
    pulse = pulse_of(world, machine, ended)
    (certificate,) = certificates(world, 1)
    world.stores.beat(NOW, machine.now)
    pulse.look()
    reasons = (RevocationReason.SUPERSEDED, RevocationReason.KEY_COMPROMISE)
    for reason in reasons:
        end(world, certificate, reason)
        pulse.look()
    assert ended == keys([certificate]) * len(reasons)


def test_what_could_not_be_dropped_keeps_the_watermark_back(world):
    machine, ended = Machine(), Ended()
    failures = [RuntimeError("no memory")]

    def told(page):
        if failures:
            raise failures.pop()
        ended(page)

    pulse = Pulse(world.store, BOUND, told, clock=machine.clock, ticks=machine.ticks)
    world.stores.beat(NOW, machine.now)
    pulse.look()
    ids = certificates(world, 1)
    end(world, ids[0])
    world.stores.beat(NOW + SECOND, machine.now + SECOND)
    with pytest.raises(RuntimeError, match="no memory"):
        pulse.look()
    assert pulse.watermark() == NOW
    pulse.look()
    assert ended == keys(ids)
    assert pulse.watermark() == NOW + SECOND


def test_an_older_copy_loses_all_that_was_kept(world):
    machine, ended = Machine(), Ended()
    pulse = pulse_of(world, machine, ended)
    ids = certificates(world, 2)
    world.stores.beat(NOW, machine.now)
    older = copy_of(world.store)
    end(world, ids[0])
    pulse.look()
    put_back(world.store, older)
    machine.wait(1)
    pulse.look()
    assert ended.lost == 1
    world.stores.beat(NOW + SECOND, machine.now)
    pulse.look()
    assert ended == keys(ids[:1])
    assert ended.lost == 1


# Answers.


@pytest.fixture
def asked(tmp_path):
    with ocsp_world.ocsp_world(tmp_path / "ocsp") as world:
        yield world


def responder_of(world, pulse):
    return open_responder(world.issuers, PREFECTURE, LIFETIME, pulse)


def answer_in(octets):
    """When a response was produced, and the one answer in it."""
    data = OCSPResponse.load(octets)["response_bytes"]["response"].parsed["tbs_response_data"]
    (answer,) = data["responses"]
    return data["produced_at"].native, answer


@pytest.mark.parametrize("revoked", [False, True], ids=["good", "revoked just now"])
@pytest.mark.parametrize("behind", [-0.2, 0, 0.3, 0.7, 4, HOUR])
def test_this_update_is_never_later_than_the_watermark(asked, behind, revoked):
    machine, at = Machine(), asked.now + timedelta(seconds=0.6)
    watermark = at - timedelta(seconds=behind)
    pulse = pulse_of(asked, machine)
    certificate = asked.issue()
    asked.stores.beat(watermark, machine.now)
    pulse.look()
    if revoked:
        asked.revoke(certificate, at=at)
    answer = responder_of(asked, pulse).answer(asked.request(certificate.serial), at)
    produced, single = answer_in(answer.octets)
    assert produced == asked.now
    assert single["this_update"].native == min(watermark, at).replace(microsecond=0) == answer.this_update
    assert single["this_update"].native <= pulse.watermark()
    assert single["cert_status"].name == ("revoked" if revoked else "good")


def test_a_stale_responder_says_try_later_and_nothing_else(asked):
    machine = Machine()
    pulse = pulse_of(asked, machine)
    request = asked.request(asked.issue().serial)
    responder = responder_of(asked, pulse)
    ready = ReadyAnswers(1 << 20)
    application = OcspApplication(lambda _: responder, lambda: asked.now, ready=ready)
    assert post(application, request).body == LATER
    asked.stores.beat(asked.now, machine.now)
    pulse.look()
    good = post(application, request).body
    assert answer_in(good)[1]["cert_status"].name == "good"
    machine.wait(5)
    assert post(application, request).body == good
    machine.wait(0.001)
    assert len(ready) > 0
    assert post(application, request).body == LATER
    asked.stores.beat(asked.now, machine.now)
    assert post(application, request).body == LATER
    pulse.look()
    assert post(application, request).body == good


class Meanwhile:
    """A signer while whose first work something happens: the records were read, and the answer is not made yet."""

    def __init__(self, signer, happens):
        self.signer, self.happens, self.signed = signer, happens, 0
        self.public_key, self.checks = signer.public_key, signer.checks

    def sign(self, message, suite):
        self.signed += 1
        if self.signed == 1:
            self.happens()
        return self.signer.sign(message, suite)


@pytest.mark.parametrize(
    ("ends", "looks", "signatures"),
    [
        pytest.param(False, True, 1, id="nothing happens, and it is kept"),
        pytest.param(True, True, 2, id="its end is seen while it is made"),
        pytest.param(True, False, 2, id="its end is seen once it is kept"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_ended_while_it_was_answered_is_not_kept(asked, method, ends, looks, signatures):
    machine, ready = Machine(), ReadyAnswers(1 << 20)
    pulse = Pulse(asked.store, BOUND, ready.drop, ready.clear, clock=machine.clock, ticks=machine.ticks)
    certificate = asked.issue()
    asked.stores.beat(asked.now, machine.now)
    pulse.look()

    def happens():
        if ends:
            asked.revoke(certificate)
        if looks:
            pulse.look()

    responder = responder_of(asked, pulse)
    signer = Meanwhile(responder.signer, happens)
    responder = replace(responder, signer=signer)
    application = OcspApplication(lambda _: responder, lambda: asked.now, ready=ready)
    request = asked.request(certificate.serial)

    def said():
        if method == "POST":
            reply = post(application, request)
        else:
            reply = call(application, "GET", f"/ocsp/{PREFECTURE}/{quote(b64encode(request), safe='')}")
        return answer_in(reply.body)[1]["cert_status"].name

    assert said() == "good"  # it was when its records were read
    pulse.look()
    assert said() == ("revoked" if ends else "good")
    assert said() == ("revoked" if ends else "good")
    assert signer.signed == signatures


# On the wire.


@pytest.fixture(params=["a file", "a server", "own databases"])
def home(request, tmp_path):
    """A home whose responders believe in no heartbeat that is older than a second."""
    databases = {
        "a file": lambda: (),
        "a server": lambda: ("--database", server().create()),
        "own databases": lambda: (
            *("--authority-database", f"jpki-13={server().create()}"),
            *("--authority-database", "jpki-31=sqlite:///tottori.db"),
        ),
    }[request.param]()
    edition = tmp_path / "edition.toml"
    edition.write_text(served_world.edition() + "\n[status]\nstaleness_seconds = 1\n", encoding="utf-8")
    making = ("--edition", edition, "--test-keys", "--seed", SEED, *databases)
    done(run("init", *making, "--home", tmp_path / "home"))
    return tmp_path / "home"


def test_without_a_primary_verifiers_are_told_to_try_later(home, tmp_path):
    with ExitStack() as stack:
        world = stack.enter_context(open_world(home, lambda: ""))
        url = stack.enter_context(ocsp_world.served(stack.enter_context(responding(world))))
        questions = [
            question(world, GenerationId.parse(name), url, tmp_path) for name in ("jpki-13.g1", "jpki-31.g1")
        ]

        def said(words):
            def holds():
                answers = [openssl(*each) for each in questions]
                return all(words in answer.stdout + answer.stderr for answer in answers)

            wait_until(holds, f"openssl is told {words!r}")

        said("trylater")
        for _ in range(2):
            with beating(world):
                said("good")
            said("trylater")


def test_a_database_that_stands_still_holds_back_its_own_authorities_answers_alone(tmp_path):
    """Somebody keeps a database locked, so that no heartbeat comes there: the others' answers, ready ones too, go on."""
    edition = tmp_path / "edition.toml"
    status = "\n[status]\nstaleness_seconds = 1\nnational_responder = true\n"
    edition.write_text(served_world.edition() + status, encoding="utf-8")
    own = [
        word for code in ("13", "31") for word in ("--authority-database", f"jpki-{code}=sqlite:///{code}.db")
    ]
    home = tmp_path / "home"
    done(run("init", "--edition", edition, "--test-keys", "--seed", SEED, *own, "--home", home))
    observer = Observer()
    with ExitStack() as stack:
        world = stack.enter_context(open_world(home, lambda: ""))
        stack.enter_context(beating(world))
        application = stack.enter_context(responding(world, observer=observer))
        about = {
            code: request_about(world, GenerationId.parse(f"jpki-{code}.g1"))
            for code in ("bridge", "13", "31")
        }

        def says(responder, code):
            reply = post(application, about[code], responder)
            return "later" if reply.body == LATER else answer_in(reply.body)[1]["cert_status"].name

        def ready():
            return summed([observer.cells]).requests[Outcome.GOOD, True]

        def all_say(codes, wanted):
            """Both those of the authorities and the nation's, which is in the nation's database."""
            return all(
                says(responder, code) == wanted
                for code in codes
                for responder in (f"jpki-{code}.g1", NATIONAL)
            )

        wait_until(lambda: all_say(about, "good"), "all are good")
        with closing(sqlite3.connect(home / "31.db", isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            wait_until(lambda: all_say(["31"], "later"), "no heartbeat comes there")
            before = ready()

            def others_go_on():
                assert all_say(["31"], "later")
                return all_say(["13", "bridge"], "good") and ready() >= before + 40

            wait_until(others_go_on, "the others are good, by ready answers too")
            somebody.execute("ROLLBACK")
        wait_until(lambda: all_say(about, "good"), "all are good again")


def request_about(world, generation):
    """A request about the certificate of a generation's responder."""
    own = x509.Certificate.load((world.home.repository / self_signed_path(generation)).read_bytes())
    with world.stores.of(generation.authority).reading() as connection:
        (responder,) = responders.newest(connection, generation)
    return ocsp_world.request_for(own, responder.certificate.serial)


def question(world, generation, url, folder):
    """What ``openssl ocsp`` is to ask about a generation's responder; the answer may be kept."""
    with world.stores.of(generation.authority).reading() as connection:
        serial = next(
            record.certificate.serial
            for record in authorities.services(connection)
            if record.certificate.generation == generation
        )
    issuer = folder / f"{generation}.pem"
    own = (world.home.repository / self_signed_path(generation)).read_bytes()
    issuer.write_bytes(pem.armor("CERTIFICATE", own))
    root = url.rpartition("/")[0]
    asking = ("-issuer", issuer, "-serial", f"0x{serial.octets.hex()}", "-url", f"{root}/{generation}")
    return ("ocsp", *asking, "-CAfile", issuer, "-no_nonce")
