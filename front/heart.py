"""The heartbeat of a process that can write; and threads that do one thing again and again and outlive its failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from logging import ERROR

from ca.clock import Clock, system_clock
from ca.errors import KakehashiError
from ca.store import heartbeats
from ca.store.engine import Store
from ca.store.stores import Stores
from front.assembly import World
from front.logs import LOGGER, log

BEAT_SECONDS = 0.2
LOOK_SECONDS = 0.1
# Of several processes that beat, those that come this soon after another leave it at that.
_SOON = timedelta(seconds=0.15)
_SAID_AGAIN_SECONDS = 60.0


class Heart:
    """Beats for a process that has the journal: by its heartbeats others know that what they see is all there is.

    Attributes:
        stores: The databases.
        clock: The world's.
        machine: The machine's.
    """

    def __init__(self, stores: Stores, clock: Clock, machine: Clock = system_clock) -> None:
        self.stores = stores
        self.clock = clock
        self.machine = machine
        self._beat: tuple[datetime, datetime] | None = None
        self._passed: dict[Store, tuple[datetime, datetime]] = {}

    def beat(self) -> None:
        """Beat in the nation's database, unless another process has just done so; raises what ``Stores.beat`` does."""
        moment, beaten = self.clock(), self.machine()
        with self.stores.nation.reading() as connection:
            last = heartbeats.last(connection)
        if last is None or not abs(beaten - last.beaten) < _SOON:
            self.stores.beat(moment, beaten)
            self._beat = moment, beaten

    def pass_on(self, store: Store) -> None:
        """Take this process's last beat to an authority's database, if it has come since; raises what ``Stores`` does.

        Another process takes its own.
        """
        beat = self._beat
        if beat is not None and self._passed.get(store) is not beat:
            self.stores.pass_on(store, *beat)
            self._passed[store] = beat


@contextmanager
def beating(world: World) -> Iterator[None]:
    """Beat five times a second, the first time before anything else is done. For whoever may write in the home."""
    heart = Heart(world.stores, world.clock)
    with ExitStack() as stack:
        stack.enter_context(repeating("heart", heart.beat, BEAT_SECONDS))
        for store in world.stores.apart().values():  # a thread for each: any database may hang
            stack.enter_context(repeating("heart", partial(heart.pass_on, store), LOOK_SECONDS))
        yield


@contextmanager
def repeating(name: str, job: Callable[[], None], pause: float) -> Iterator[None]:
    """Do a job at once and then again and again in a thread, with so many seconds between; errors are said and survived."""
    stop = threading.Event()
    steady = _Steady(name, job)

    def run() -> None:
        while not stop.wait(pause):
            steady.attempt()

    steady.attempt()
    # It must not keep a process alive whose end nobody announced.
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Steady:
    """A job whose failures are written down once a minute, and its recovery."""

    def __init__(self, name: str, job: Callable[[], None]) -> None:
        self._name = name
        self._job = job
        self._failures = 0
        self._was_said = False
        self._say_again = float("-inf")

    def attempt(self) -> None:
        """Try once; nothing is raised."""
        try:
            self._job()
        except KakehashiError as error:
            if self._is_to_be_said():
                log(
                    f"{self._name} failed",
                    level=ERROR,
                    error=type(error).__name__,
                    place=error.place,
                    problem=error.problem,
                    failures=self._failures,
                )
        except Exception:  # noqa: BLE001 - whatever it is, the next time has its chance
            if self._is_to_be_said():
                LOGGER.exception(f"{self._name} failed")
        else:
            if self._was_said:
                log(f"{self._name} goes on", failures=self._failures)
            self._failures, self._was_said = 0, False

    def _is_to_be_said(self) -> bool:
        self._failures += 1
        now = time.monotonic()
        if now < self._say_again:
            return False
        self._was_said, self._say_again = True, now + _SAID_AGAIN_SECONDS
        return True
