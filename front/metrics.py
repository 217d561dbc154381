"""The metrics of a server's processes in Prometheus's format, under ``/metrics``.

Each process counts in a block of its own (``ocsp.metrics``): a mapped file in a private folder that ``kakehashi serve``
makes and clears away. Whichever process is asked adds the blocks up, those of processes that have ended included, and
hands the sums to Prometheus's client library.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ca.clock import Clock
from ca.errors import KakehashiError
from ca.model import GenerationId
from front.logs import LOGGER
from ocsp.metrics import BOUNDS, CELLS, Histogram, Observer, summed, watermark_age
from ocsp.peers import Addresses, read_address
from ocsp.tally import server_name

PATH = "/metrics"

_FOLDER_VARIABLE = "KAKEHASHI_SERVED_METRICS"
_SUFFIX = ".cells"
_OCTETS = 8 * CELLS
_DAY = 86_400
_BEHIND = ("HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA")


@contextmanager
def metrics_folder() -> Iterator[None]:
    """A private folder for the blocks of the processes that are started inside; cleared away at the end."""
    folder = tempfile.mkdtemp(prefix="kakehashi-metrics-")  # nobody else may look into it
    os.environ[_FOLDER_VARIABLE] = folder
    try:
        yield
    finally:
        os.environ.pop(_FOLDER_VARIABLE, None)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def cells() -> Iterator[tuple[Path | None, memoryview | None]]:
    """This process's block in the server's folder; (None, None) where there is no such folder."""
    named = os.environ.get(_FOLDER_VARIABLE)
    if named is None:
        yield None, None
        return
    folder = Path(named)
    with (folder / f"{server_name().replace('/', '-')}{_SUFFIX}").open("x+b") as file:
        # The lock ends with the process, however it ends: so others see that it lives.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(_OCTETS)
        # Left open: who counts to the very end does not fall over a closed block.
        yield folder, memoryview(mmap.mmap(file.fileno(), _OCTETS)).cast("Q")


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is asked of others when the metrics are read.

    Attributes:
        clock: The world's.
        responders: Until when each generation's responder has a certificate.
    """

    clock: Clock
    responders: Callable[[], Iterable[tuple[GenerationId, datetime]]] = tuple


class ProcessesCollector(Collector):
    """The numbers of all processes of a server, as the client library wants them."""

    def __init__(self, folder: Path | None, observer: Observer, gauges: Gauges) -> None:
        self._folder = folder
        self._observer = observer
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Each metric with its values now."""
        blocks = [(self._observer.cells.tolist(), True)] if self._folder is None else _blocks(self._folder)
        read = summed([block for block, _ in blocks])
        requests = CounterMetricFamily(
            "kakehashi_ocsp_requests", "OCSP requests by what came of them.", labels=["outcome", "ready"]
        )
        for (outcome, ready), number in read.requests.items():
            requests.add_metric([outcome, _yes(ready)], number)
        yield requests
        latency = HistogramMetricFamily(
            "kakehashi_ocsp_request_seconds", "Time to answer an OCSP request.", labels=["ready"]
        )
        for ready, histogram in read.latency.items():
            latency.add_metric([_yes(ready)], _buckets(histogram), histogram.total)
        yield latency
        signing = HistogramMetricFamily(
            "kakehashi_ocsp_signing_seconds", "Time that the signer took over an answer."
        )
        signing.add_metric([], _buckets(read.signing), read.signing.total)
        yield signing
        alive = [block for block, lives in blocks if lives]
        yield GaugeMetricFamily("kakehashi_ocsp_processes", "Processes that answer.", value=len(alive))
        yield self._watermark(alive)
        yield self._responders()

    def _watermark(self, alive: Sequence[Sequence[int]]) -> Metric:
        family = GaugeMetricFamily(
            "kakehashi_ocsp_watermark_age_seconds",
            "How long ago the primary was last heard of, in the worst process.",
        )
        if ages := [age for age in map(watermark_age, alive) if age is not None]:
            family.add_metric([], max(ages))
        return family

    def _responders(self) -> Metric:
        family = GaugeMetricFamily(
            "kakehashi_ocsp_responder_remaining_days",
            "Days for which a generation's responder has a certificate.",
            labels=["generation"],
        )
        now = self._gauges.clock()
        for generation, ends in self._gauges.responders():
            family.add_metric([str(generation)], (ends - now).total_seconds() / _DAY)
        return family


class MetricsPage:
    """The WSGI callable of the metrics: for this machine and configured addresses, and for nobody by way of a front.

    Args:
        folder: Where the processes' blocks are; None if there is only this process.
        observer: This process's.
        gauges: What is asked of others.
        proxies: The addresses of fronts. What comes from there may come from anywhere, and gets nothing.
        readers: Who may read besides this machine, even if it is a front's address.
    """

    def __init__(
        self,
        folder: Path | None,
        observer: Observer,
        gauges: Gauges,
        *,
        proxies: Addresses,
        readers: Addresses,
    ) -> None:
        self._proxies = proxies
        self._readers = readers
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(ProcessesCollector(folder, observer, gauges))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one HTTP request; nothing is raised."""
        status, kind, body = "200 OK", "text/plain; charset=utf-8", b""
        if environ.get("REQUEST_METHOD") != "GET":
            status, body = "405 Method Not Allowed", b"Method Not Allowed\n"
        elif not self._may_read(environ):
            status, body = "403 Forbidden", b"The metrics are for this machine, and for --metrics-reader.\n"
        else:
            encode, kind = choose_encoder(environ.get("HTTP_ACCEPT", ""))
            try:
                body = encode(self._registry)
            except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on
                expected = isinstance(error, KakehashiError)
                LOGGER.error("metrics not told", exc_info=None if expected else error)
                status, kind, body = "503 Service Unavailable", "text/plain; charset=utf-8", b"Try later.\n"
        start_response(
            status,
            [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")],
        )
        return [body]

    def _may_read(self, environ: dict[str, Any]) -> bool:
        remote = str(environ.get("REMOTE_ADDR", ""))
        if any(name in environ for name in _BEHIND):
            return False
        if remote in self._readers:
            return True
        address = read_address(remote)
        return address is not None and address.is_loopback and remote not in self._proxies


def _blocks(folder: Path) -> list[tuple[Sequence[int], bool]]:
    """Every process's block, and whether the process lives."""
    found: list[tuple[Sequence[int], bool]] = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with suppress(FileNotFoundError), path.open("rb") as file:
            octets = file.read(_OCTETS)
            if len(octets) == _OCTETS:  # shorter while it is being made
                found.append((memoryview(octets).cast("Q"), _lives(file.fileno())))
    return found


def _lives(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    names = [*map(str, BOUNDS), "+Inf"]
    return [(name, float(count)) for name, count in zip(names, histogram.cumulative, strict=True)]


def _yes(ready: bool) -> str:  # noqa: FBT001 - a label's value
    return "yes" if ready else "no"
