"""What is counted of OCSP, in one process and in many, and who may read it."""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ca.errors import StorageFailed
from ca.model import GenerationId
from front import metrics
from front.metrics import Gauges, MetricsPage, metrics_folder
from ocsp.metrics import BOUNDS, CELLS, Observer, Outcome, summed, watermark_age
from ocsp.peers import Addresses
from ocsp.tally import Tally
from tests import served_world

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GENERATION = GenerationId.parse("jpki-13.g1")
NOBODY = Addresses()


def page(folder=None, observer=None, *, responders=tuple, proxies=NOBODY, readers=NOBODY):
    gauges = Gauges(lambda: NOW, responders)
    return MetricsPage(folder, observer or Observer(), gauges, proxies=proxies, readers=readers)


def ask(callable_, address="127.0.0.1", method="GET", **environ):
    seen = []
    body = b"".join(
        callable_(
            {"REQUEST_METHOD": method, "REMOTE_ADDR": address, "PATH_INFO": "/metrics", **environ},
            lambda status, headers: seen.append((int(status[:3]), dict(headers))),
        )
    )
    ((status, headers),) = seen
    assert headers["Content-Length"] == str(len(body))
    return status, headers, body.decode()


def samples(text):
    """Every sample by name and labels, as a reader that is not ours understands it."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


REQUESTS, LATENCY = "kakehashi_ocsp_requests_total", "kakehashi_ocsp_request_seconds"


def test_what_is_observed_is_told():
    observer = Observer()
    observer.observed("good", 0.0001, True, None)
    observer.observed("good", 0.003, False, None)
    observer.observed("revoked", 2.0, False, None)
    observer.observed("no such outcome", 0.2, False, None)
    observer.signed(0.0012)
    observer.aged(3.0)
    ends = NOW + timedelta(days=12, hours=12)
    status, headers, text = ask(page(observer=observer, responders=lambda: [(GENERATION, ends)]))
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    found = samples(text)
    assert found[REQUESTS, "good", "yes"] == found[REQUESTS, "good", "no"] == 1
    assert found[REQUESTS, "no", "other"] == found[REQUESTS, "no", "revoked"] == 1
    assert found[f"{LATENCY}_bucket", "0.0001", "yes"] == 1
    assert found[f"{LATENCY}_bucket", "0.0025", "no"] == 0
    assert found[f"{LATENCY}_bucket", "0.005", "no"] == 1
    assert found[f"{LATENCY}_bucket", "1.0", "no"] == 2
    assert found[f"{LATENCY}_bucket", "+Inf", "no"] == found[f"{LATENCY}_count", "no"] == 3
    assert found[f"{LATENCY}_sum", "no"] == pytest.approx(2.203)
    assert found["kakehashi_ocsp_signing_seconds_count",] == 1
    assert found["kakehashi_ocsp_responder_remaining_days", "jpki-13.g1"] == 12.5
    assert found["kakehashi_ocsp_watermark_age_seconds",] >= 3.0
    assert found["kakehashi_ocsp_processes",] == 1


def test_a_watermark_that_was_never_seen_has_no_age():
    found = samples(ask(page())[2])
    assert ("kakehashi_ocsp_watermark_age_seconds",) not in found
    assert found[REQUESTS, "good", "yes"] == 0


def test_the_watermark_ages_by_itself():
    observer = Observer()
    observer.aged(1.0)
    first = watermark_age(observer.cells)
    time.sleep(0.01)
    assert first < watermark_age(observer.cells)


@given(
    st.lists(
        st.tuples(st.sampled_from(Outcome), st.floats(0, 10), st.booleans(), st.integers(0, 2)), max_size=40
    )
)
def test_the_sum_of_processes_is_what_one_would_have_counted(seen):
    one, several = Observer(), [Observer() for _ in range(3)]
    for outcome, seconds, ready, which in seen:
        for observer in (one, several[which]):
            observer.observed(outcome, seconds, ready, None)
            observer.signed(seconds)
    assert summed([observer.cells for observer in several]) == summed([one.cells])
    read = summed([one.cells])
    assert sum(read.requests.values()) == sum(read.signing.counts) == len(seen)
    for histogram in (*read.latency.values(), read.signing):
        assert len(histogram.cumulative) == len(BOUNDS) + 1
        assert histogram.cumulative == sorted(histogram.cumulative)


def test_nothing_is_summed_of_no_process():
    assert sum(summed([]).requests.values()) == 0


def test_threads_do_not_lose_counts():
    observer = Observer()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(
                target=lambda: [observer.observed("good", 0.0, True, None) for _ in range(5_000)]
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert summed([observer.cells]).requests[Outcome.GOOD, True] == 20_000


def test_known_verifiers_are_counted_by_name_and_others_are_not():
    tally = Tally(lambda: NOW, "one")
    observer = Observer(tally=tally)
    observer.observed("good", 0.1, False, "e-tax")
    observer.observed("good", 0.1, True, "e-tax")
    observer.observed("unauthorized", 0.1, False, None)
    told = []
    tally.flush(told.extend)
    assert [(count.verifier, count.outcome, count.number) for count in told] == [("e-tax", "good", 2)]


# Many processes


CHILD = """
import sys
from front.metrics import cells
from ocsp.metrics import Observer
with cells() as (folder, block):
    observer = Observer(block)
    for _ in range(int(sys.argv[1])):
        observer.observed("good", 0.001, True, None)
    observer.aged(float(sys.argv[2]))
    print("counted", flush=True)
    sys.stdin.read()
"""


def child(count, age):
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(count), str(age)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"counted\n"
    return process


def test_any_process_tells_what_all_have_counted_and_the_dead_are_not_forgotten():
    with metrics_folder():
        children = [child(5, 2.0), child(7, 50.0)]
        try:
            with metrics.cells() as (folder, block):
                assert folder.stat().st_mode & 0o777 == 0o700
                observer = Observer(block)
                observer.observed("good", 0.001, True, None)
                observer.aged(1.0)
                (folder / "half made.cells").write_bytes(b"\0" * 8)
                found = samples(ask(page(folder, observer))[2])
                assert found[REQUESTS, "good", "yes"] == 13
                assert found["kakehashi_ocsp_processes",] == 3
                assert found["kakehashi_ocsp_watermark_age_seconds",] >= 50
                children[1].kill()
                children[1].wait()
                found = samples(ask(page(folder, observer))[2])
                assert found[REQUESTS, "good", "yes"] == 13
                assert found["kakehashi_ocsp_processes",] == 2
                assert 2 <= found["kakehashi_ocsp_watermark_age_seconds",] < 50
        finally:
            for process in children:
                process.kill()
                process.communicate()
    assert not folder.exists()
    assert metrics._FOLDER_VARIABLE not in os.environ


def test_without_a_servers_folder_a_process_counts_for_itself():
    assert metrics._FOLDER_VARIABLE not in os.environ
    with metrics.cells() as (folder, block):
        assert (folder, block) == (None, None)
    assert len(Observer().cells) == CELLS


# Who may read


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_read(address):
    assert ask(page(), address)[0] == 200


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "10.0.0.1", "", "localhost", "unix:", "2001:db8::1", "127.0.0.1, 1.1.1.1"]
)
def test_others_may_not(address):
    status, _, text = ask(page(), address)
    assert status == 403
    assert "kakehashi_ocsp" not in text
    readers = Addresses.parse(["192.0.2.0/24", "10.0.0.1", "2001:db8::1"], "x")
    assert (ask(page(readers=readers), address)[0] == 200) == (
        address in {"192.0.2.1", "10.0.0.1", "2001:db8::1"}
    )


@pytest.mark.parametrize("name", ["X_FORWARDED_FOR", "X_REAL_IP", "FORWARDED", "VIA"])
def test_nobody_reads_by_way_of_a_front(name):
    assert ask(page(), **{f"HTTP_{name}": "127.0.0.1"})[0] == 403
    front = Addresses.parse(["127.0.0.1"], "x")
    assert ask(page(proxies=front))[0] == 403
    assert ask(page(proxies=front, readers=front))[0] == 200
    assert ask(page(proxies=front, readers=front), **{f"HTTP_{name}": "127.0.0.1"})[0] == 403


@pytest.mark.parametrize("method", ["POST", "HEAD", "DELETE"])
def test_metrics_are_got(method):
    assert ask(page(), method=method)[0] == 405


@pytest.mark.parametrize("error", [StorageFailed("store", "is gone"), ValueError("x")])
def test_what_cannot_be_told_is_an_error_of_the_server(error):
    def fails():
        raise error

    status, _, text = ask(page(responders=fails))
    assert (status, text) == (503, "Try later.\n")


def test_openmetrics_is_told_to_who_asks_for_it():
    _, headers, text = ask(page(), HTTP_ACCEPT="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


# As it is served


def test_a_server_of_two_processes_tells_one_sum_and_leaves_no_folder(tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    home = served_world.small_home(tmp_path / "home")
    with served_world.served(home, "--workers", 2, TMPDIR=str(temporary)) as server:
        for _ in range(5):
            assert server.get("/ocsp/jpki-13.g1/MAA=").status == 200
        assert server.get("/ocsp/jpki-99.g1/MAA=").status == 404
        ready = server.get("/ready").json
        assert ready["watermark_age"] < served_world.PATIENCE
        for _ in range(3):  # whichever process answers
            found = samples(server.get("/metrics").body.decode())
            assert found[REQUESTS, "malformed-request", "no"] == 5
            assert found[REQUESTS, "no", "refused"] == 1
            assert found["kakehashi_ocsp_responder_remaining_days", "jpki-13.g1"] > 0
        assert server.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status == 403
        assert len(list(temporary.glob("kakehashi-metrics-*/*.cells"))) == 2
    assert list(temporary.glob("kakehashi-metrics-*")) == []
