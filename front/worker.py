"""The worker: timed and queued jobs, every second, each with its own chance.

Carry out what the journal has and the store has not; publish the lists that newer revocations call for; every minute
those that their age calls for. Publishing is done under a lease row, so that two workers never do it at once.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from logging import ERROR
from types import FrameType

from bridge.repository.contents import publish_lists
from ca.clock import system_clock
from ca.errors import KakehashiError
from ca.revoking.publication import publish_changes
from ca.store import clients
from front.assembly import World
from front.logs import LOGGER, log

LISTS_JOB = "lists"
HEALTH_JOB = "health"
"""Held by a worker whose last round went well; who looks for readiness asks for its lease."""

_LEASE = timedelta(seconds=15)
_PAUSE = 1.0
# How often every generation is asked for lists that have grown old; lists that events touch do not wait for it.
_ROUND = timedelta(seconds=60)


class Worker:
    """One worker process over a world.

    Attributes:
        lease: How long a job stays this worker's once it is no longer heard of.
    """

    def __init__(self, world: World, *, lease: timedelta = _LEASE) -> None:
        self.lease = lease
        self._world = world
        self._owner = f"{socket.gethostname()} {os.getpid()}"
        self._stop = threading.Event()
        self._next_round = system_clock()

    def run(self, *, parent: int | None = None) -> None:
        """Work until a signal, or until the process ``parent``, which started this one, is gone."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        log("worker started")
        while not self._stop.is_set() and (parent is None or os.getppid() == parent):
            self.once()
            self._stop.wait(_PAUSE)
        with self._world.stores.nation.writing() as connection:
            clients.release_leases(connection, self._owner)
        log("worker stopped")

    def once(self) -> None:
        """Try every job once. What goes wrong in one is said, and does not keep the others from their turn."""
        done = [self._try(job) for job in (self._carry_out, self._publish_changes, self._publish_due)]
        if all(done):
            self._hold(HEALTH_JOB)

    def _try(self, job: Callable[[], None]) -> bool:
        try:
            job()
        except KakehashiError as error:
            kind = type(error).__name__
            log("job failed", level=ERROR, error=kind, place=error.place, problem=error.problem)
        except Exception:  # noqa: BLE001 - whatever it is, the next round has its chance
            LOGGER.exception("job failed")
        else:
            return True
        return False

    def _carry_out(self) -> None:
        """What the journal has and the store has not. Without a lease: processes take turns at the journal."""
        if late := self._world.events.catch_up():
            log("journal carried out", records=late)

    def _publish_changes(self) -> None:
        if self._hold(LISTS_JOB) is None:
            return
        world = self._world
        made = publish_changes(world.issuers, world.repository, at=world.clock())
        if made:
            log("lists published", lists=[f"{record.generation}/{record.scope}" for record in made])

    def _publish_due(self) -> None:
        if system_clock() < self._next_round:
            return
        world, failures = self._world, list[KakehashiError]()
        for generation in [record.id for record in world.stores.generations()]:
            # Asked for each time: a nation's round takes longer than a lease.
            if self._stop.is_set() or self._hold(LISTS_JOB) is None:
                return
            try:
                made = publish_lists(world.issuers, generation, world.repository, at=world.clock())
            except KakehashiError as error:
                failures.append(error)
                continue
            if made:
                log("lists renewed", generation=str(generation), lists=len(made))
        if failures:
            raise failures[0]
        self._next_round = system_clock() + _ROUND

    def _hold(self, job: str) -> datetime | None:
        """Take a job, or keep it for a lease's time more: until when. None if another worker has it."""
        with self._world.stores.nation.writing() as connection:
            return clients.take_lease(connection, job, self._owner, lasting=self.lease, at=system_clock())

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.set()
