"""The worker: timed and queued jobs. Each holds a lease row, so that two workers never do one job at once.

Jobs, every second: apply what the journal has and the store has not; publish the lists that newer revocations or
their age call for.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from datetime import datetime, timedelta
from types import FrameType

from bridge.repository.contents import publish_lists
from ca.clock import system_clock
from ca.errors import KakehashiError
from ca.revoking.publication import publish_changes
from ca.store import authorities, clients
from front.assembly import World
from front.logs import LOGGER, log

LISTS_JOB = "lists"
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
            try:
                self.once()
            except KakehashiError as error:
                # A failed job must not end the others' chances: it is said, and tried again.
                log(
                    "job failed",
                    level=40,
                    error=type(error).__name__,
                    place=error.place,
                    problem=error.problem,
                )
            except Exception:  # noqa: BLE001 - whatever it is, the next round has its chance
                LOGGER.exception("job failed")
            self._stop.wait(_PAUSE)
        with self._world.store.writing() as connection:
            clients.release_leases(connection, self._owner)
        log("worker stopped")

    def once(self) -> None:
        """Do what is to be done now, if no other worker holds the job."""
        if self._hold() is None:
            return
        world = self._world
        if late := world.events.catch_up():
            log("journal carried out", records=late)
        made = publish_changes(world.store, world.issuers, world.repository, at=world.clock())
        if made:
            log("lists published", lists=[f"{record.generation}/{record.scope}" for record in made])
        if system_clock() >= self._next_round:
            self._publish_due()
            self._next_round = system_clock() + _ROUND

    def _hold(self) -> datetime | None:
        """Take the job, or keep it for a lease's time more: until when. None if another worker has it."""
        with self._world.store.writing() as connection:
            return clients.take_lease(
                connection, LISTS_JOB, self._owner, lasting=self.lease, at=system_clock()
            )

    def _publish_due(self) -> None:
        with self._world.store.reading() as connection:
            generations = [record.id for record in authorities.all_generations(connection)]
        for generation in generations:
            # A nation's round takes longer than a lease.
            if self._stop.is_set() or self._hold() is None:
                return
            made = publish_lists(
                self._world.store,
                self._world.issuers,
                generation,
                self._world.repository,
                at=self._world.clock(),
            )
            if made:
                log("lists renewed", generation=str(generation), lists=len(made))

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.set()
