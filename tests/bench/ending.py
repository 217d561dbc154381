"""Certificates end by the hundred thousand: by events of a feed, and by one order while issuing goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import TypeVar

from ca.model import RESIDENT_KINDS, CertificateId, CertificateKind, Period, RevocationReason, Scope, Serial
from ca.revoking.deciding import mass
from ca.revoking.deciding.desk import EventDesk
from ca.revoking.feed.events import Feed
from ca.revoking.lists.publication import publish_changes
from ca.rules.residents import Change, ChangeKind
from ca.store import certificates, holdings, lists, revocations
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.holdings import HoldingRecord
from ca.store.orders import By, Selection
from ca.suites import KeyFamily
from front.assembly import World
from front.ordering import chunks
from tests.bench import durable, homes, materials, revoked
from tests.bench.bench import PROCESSES, Bench
from tests.bench.crew import Crew, crew
from tests.bench.report import Budget, Row

T = TypeVar("T")

_TOWNS = ("312011", "312029", "312037", "312045")
_PARTITIONS = tuple(Scope(f"{CertificateKind.SIGNATURE}-{town}") for town in _TOWNS)  # a move ends signatures
_AT_ONCE = 10_000
_FILE = 256
"""Events of one file, which are written down, and acknowledged, at once."""

_LOOK = 0.02  # seconds between two looks at what the partitions' lists say

_SECOND = "endo"


def hold(world: World, count: int) -> None:
    """Give so many residents a certificate of each kind, straight into the tables."""
    begun = world.clock().replace(microsecond=0) - timedelta(days=30)
    period = Period(begun, begun + timedelta(days=1000))
    for first in range(0, count, _AT_ONCE):
        made: list[CertificateRecord] = []
        held: list[HoldingRecord] = []
        for number in range(first, min(first + _AT_ONCE, count)):
            for place, kind in enumerate(RESIDENT_KINDS):
                serial = Serial((number * 2 + place + 1) << 96)
                certificate = CertificateId(revoked.TOTTORI, serial)
                scope = Scope(f"{kind}-{_TOWNS[number % len(_TOWNS)]}")
                key = serial.octets.rjust(32, b"\1")
                made.append(
                    CertificateRecord(
                        certificate,
                        kind,
                        scope,
                        CertificateState.INTENDED,
                        period,
                        begun,
                        key,
                        None,
                        b"to be signed",
                    )
                )
                held.append(HoldingRecord(certificate, kind, scope, period, key, holder(number), begun))
        with world.stores.writing() as writing:
            certificates.intend(writing.nation, made)
            certificates.complete(writing.nation, [(record.id, b"certificate") for record in made])
            holdings.add(writing.nation, held)


def holder(number: int) -> bytes:
    """The keyed code of a resident."""
    return number.to_bytes(32, "big")


class Publisher:
    """A process that publishes what has ended, as the worker does."""

    def __init__(self, opened: homes.Opened) -> None:
        self._world, self._issuers = opened.world, opened.issuers

    def publish(self, until: int) -> list[tuple[float, int]]:
        """Publish again and again until all lists say this sequence; gives when those of all partitions said which."""
        store = self._world.stores.nation
        with ThreadPoolExecutor(1) as aside:
            watching = aside.submit(self._watch, until)
            said = 0
            while said < until:
                publish_changes(self._issuers, self._world.repository, at=self._world.clock())
                with store.reading() as connection:
                    said = revocations.published(connection)
            return watching.result()

    def _watch(self, until: int) -> list[tuple[float, int]]:
        seen = [(time.monotonic(), -1)]
        while seen[-1][1] < until:
            with self._world.stores.nation.reading() as connection:
                placed = [lists.newest_placed(connection, revoked.TOTTORI, scope) for scope in _PARTITIONS]
            least = min(0 if one is None else one.sequence for one in placed)
            if least > seen[-1][1]:
                seen.append((time.monotonic(), least))
            time.sleep(_LOOK)
        return seen


class Teller:
    """A process that applies a feed's files, one after another."""

    def __init__(self, opened: homes.Opened) -> None:
        self._world = opened.world

    def tell(self, count: int) -> list[tuple[float, int]]:
        """Tell that so many residents have moved out; gives when each file was acknowledged, with its sequence."""
        desk, at = EventDesk(self._world.stores), self._world.clock()
        moment = at - timedelta(days=1)
        seen = [(time.monotonic(), 0)]
        for number, first in enumerate(range(0, count, _FILE)):
            changes = tuple(
                Change(f"bench-{one}", ChangeKind.MOVED_OUT, holder(one), moment, moment, moment)
                for one in range(first, min(first + _FILE, count))
            )
            desk.apply(Feed("bench", number + 1, "bench", changes), at=self._world.clock())
            with self._world.stores.nation.reading() as connection:
                seen.append((time.monotonic(), revocations.sequence(connection)))
        return seen


@contextmanager
def _at_work(home: Path, kind: Callable[[homes.Opened], T]) -> Iterator[T]:
    with homes.opened(home) as opened:
        yield kind(opened)


class Worker:
    """A process that carries orders out, as the worker does."""

    def __init__(self, opened: homes.Opened) -> None:
        self._world = opened.world

    def carry_out(self, _: object) -> float:
        """Carry out what there is; gives the seconds that it took."""
        begun = time.monotonic()
        for _ in chunks(self._world.stores, self._world.clock, time.sleep):
            pass
        return time.monotonic() - begun


def events(bench: Bench) -> Iterator[Row]:
    """A feed of moves, each of which ends a certificate; another process publishes the while."""
    count, share = bench.scale.events, bench.scale.batch_scale
    bench.say(f"{count:,} events ...")
    with bench.fresh("events") as folder:
        home = homes.make_home(folder)
        with homes.opened(home) as opened:
            hold(opened.world, count)
        telling, publishing = partial(_at_work, home, Teller), partial(_at_work, home, Publisher)
        with crew(telling, 1) as tellers, crew(publishing, 1) as publishers, ThreadPoolExecutor(1) as aside:
            seen = aside.submit(publishers.do, "publish", [count])
            (told,) = tellers.do("tell", [count])
            (visible,) = seen.result()
    seconds = told[-1][0] - told[0][0]
    waits = [
        next(moment for moment, published in visible if published >= sequence) - acknowledged
        for acknowledged, sequence in told[1:]
    ]
    yield Row(f"{count:,} events applied, lists published beside", "events/s", count / seconds, scale=share)
    worst = quantiles(waits, n=100)[98] if len(waits) > 1 else waits[0]
    yield Row(
        "from an event's acknowledgement to the list of its partition, p99", "s", worst, scale=share,
        note=f"{len(waits)} files of {_FILE:,} events, one after another without a pause",
    )  # fmt: skip


def order(bench: Bench) -> Iterator[Row]:
    """One order suspends all that a prefecture has issued, beside two processes that go on issuing."""
    scale = bench.scale
    count = scale.order
    bench.say(f"an order about {count:,} certificates ...")
    wanted = scale.order_groups * scale.group * len(RESIDENT_KINDS)
    materials.requests(bench.kept, KeyFamily.RSA, wanted)
    with bench.fresh("order") as folder:
        home = homes.make_home(folder)
        homes.kakehashi("officer", "add", _SECOND, "--office", "centre", "--role", "operator", "--home", home)
        with homes.opened(home) as opened:
            hold(opened.world, count // len(RESIDENT_KINDS))
        issuing = partial(
            durable.desk, home, KeyFamily.RSA, durable.begin(home), bench.kept, wanted, scale.group
        )
        with crew(issuing, PROCESSES) as desks, crew(partial(_at_work, home, Worker), 1) as workers:
            groups = iter(range(scale.order_groups))
            alone = _issue(desks, list(islice(groups, 2 * PROCESSES)))
            with homes.opened(home) as opened:
                _approve(opened.world)
            with ThreadPoolExecutor(1) as aside:
                done = aside.submit(workers.do, "carry_out", [None])
                beside = [
                    _issue(desks, some)
                    for some in iter(lambda: [] if done.done() else list(islice(groups, PROCESSES)), [])
                ]
                (seconds,) = done.result()
    share = scale.batch_scale
    yield Row(
        f"{count:,} certificates suspended by one order, while issuing goes on", "s", seconds,
        budget=Budget("ours", "<=", 600 * count / 760_000), scale=share,
    )  # fmt: skip
    if beside:
        rate = sum(made for made, _ in beside) / sum(spent for _, spent in beside)
        before = alone[0] / alone[1]
        yield Row(
            "issuing while the order runs", "certificates/s", rate, "issuing alone", before, rate / before,
            Budget("ratio", ">=", 0.5), share,
        )  # fmt: skip


def _issue(desks: Crew, groups: Sequence[int]) -> tuple[int, float]:
    """Issue for these groups; gives how many certificates, and the seconds."""
    begun = time.monotonic()
    made = sum(desks.do("issue", groups))
    return made, time.monotonic() - begun


def _approve(world: World) -> None:
    """Make an order that suspends what the prefecture has issued, and let it run."""
    at = world.clock()
    wanted = Selection(By.GENERATION, str(revoked.TOTTORI))
    proposal = mass.propose(world.stores, wanted, RevocationReason.CERTIFICATE_HOLD, homes.OPERATOR, at=at)
    made = mass.make(world.stores, proposal)
    mass.approve(world.stores, made.number, _SECOND, at=at)
