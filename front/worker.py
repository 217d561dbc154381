"""The worker: timed and queued jobs, every second, each with its own chance.

Carry out what the journal has and the store has not; publish the lists that newer revocations call for; every minute
those that their age calls for; with lists, and every hour, the journal's head. Carry out orders of many certificates.
Apply the feed files of the home's inbox, if it has one. Every hour renew the responders' certificates that end soon.
Publishing is done under a lease row, so that two workers never do it at once. A directory that the home names is kept up to
date beside all that, by a thread (``front.following``): it may be slow, or gone.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from logging import CRITICAL, ERROR
from pathlib import Path
from types import FrameType

from bridge.repository.contents import publish_certificates, publish_lists
from bridge.repository.heads import mend_head, publish_head
from ca.clock import system_clock
from ca.errors import KakehashiError, ListBlocked
from ca.issuing.renewal import renew_responders
from ca.revoking.lists.publication import publish_changes
from ca.store import clients, orders
from ca.store.orders import OrderState
from front.assembly import World
from front.following import DIRECTORY_JOB, Follower
from front.inbox import take
from front.logs import LOGGER, log
from front.ordering import ORDERS_JOB, TURN, chunks

LISTS_JOB = "lists"
RESPONDERS_JOB = "responders"
HEALTH_JOB = "health"
"""Held by a worker whose last round went well; who looks for readiness asks for its lease."""

_LEASE = timedelta(seconds=15)
_PAUSE = 1.0
_PATIENCE = 3.0  # seconds for the directory's thread to end
# How often the journal's head is published where no list is; with lists it is published at once.
_HEADS = timedelta(hours=1)
# How often responders' certificates are looked at: they are renewed days before they end.
_RENEWALS = timedelta(hours=1)
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
        self._alarms: dict[tuple[str, str], datetime] = {}  # what was said of which list, until when
        self._next_head = system_clock()
        self._next_look = system_clock()
        self._next_renewal = system_clock()

    def run(self, *, parent: int | None = None) -> None:
        """Work until a signal, or until the process ``parent``, which started this one, is gone."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        log("worker started")
        following = threading.Thread(target=self.follower().run, name="directory", daemon=True)
        following.start()
        while not self._stop.is_set() and (parent is None or os.getppid() == parent):
            self.once()
            self._stop.wait(_PAUSE)
        self._stop.set()
        following.join(_PATIENCE)  # a directory that does not answer is left alone; the next worker goes on
        with self._world.stores.nation.writing() as connection:
            clients.release_leases(connection, self._owner)
        log("worker stopped")

    def follower(self) -> Follower:
        """What keeps the home's directory up to date, if it names one."""
        return Follower(self._world, lambda: self._hold(DIRECTORY_JOB), self._stop)

    def once(self) -> None:
        """Try every job once. What goes wrong in one is said, and does not keep the others from their turn."""
        done = [
            self._try(job)
            for job in (
                self._carry_out,
                self._settle,
                self._take_file,
                self._carry_out_orders,
                self._publish_changes,
                self._publish_due,
                self._publish_head,
                self._renew_responders,
            )
        ]
        if all(done):
            self._hold(HEALTH_JOB)

    def _try(self, job: Callable[[], None]) -> bool:
        try:
            job()
        except ListBlocked as error:
            # The worker did well: relying parties keep the last list that passed, until somebody has looked.
            self._alarm(error)
            return True
        except KakehashiError as error:
            kind = type(error).__name__
            log("job failed", level=ERROR, error=kind, place=error.place, problem=error.problem)
        except Exception:  # noqa: BLE001 - whatever it is, the next round has its chance
            LOGGER.exception("job failed")
        else:
            return True
        return False

    def _alarm(self, error: ListBlocked) -> None:
        """Say that a list is kept back, every minute: `kakehashi list blocked` shows them all."""
        about, now = (error.place, error.reason), system_clock()
        if about not in self._alarms or now >= self._alarms[about]:
            log(
                "list kept back",
                level=CRITICAL,
                place=error.place,
                reason=error.reason,
                problem=error.problem,
            )
            self._alarms[about] = now + _ROUND

    def _carry_out(self) -> None:
        """What the journal has and the store has not. Without a lease: processes take turns at the journal."""
        if late := self._world.stores.catch_up():
            log("journal carried out", records=late)

    def _settle(self) -> None:
        """Events that waited for their effect, which has come."""
        world = self._world
        if settled := world.events.settle(world.clock()):
            log("waiting events settled", events=len(settled))

    def _take_file(self) -> None:
        """One file of the inbox; the next one has its turn when what this one ended is published."""
        if (inbox := self._world.description.inbox) is None:
            return
        with closing(take(self._world, Path(inbox))) as files:
            for answered in islice(files, 1):
                log("feed file taken", result=answered.result, file=str(answered.path))

    def _carry_out_orders(self) -> None:
        """Orders of many certificates, for a few seconds; then the lists have their turn."""
        stores = self._world.stores
        with stores.nation.reading() as connection:
            if not orders.in_state(connection, OrderState.RUNNING):
                return
        until = self._hold(ORDERS_JOB, TURN)
        if until is None:
            return
        for order in chunks(stores, self._world.clock, self._stop.wait):
            if order.state is OrderState.DONE:
                log("order carried out", order=order.number, done=order.progress.done, found=order.found)
            if self._stop.is_set() or system_clock() >= until:
                return

    def _publish_changes(self) -> None:
        if self._hold(LISTS_JOB) is None:
            return
        world = self._world
        made = publish_changes(world.issuers, world.repository, at=world.clock())
        if made:
            self._next_head = system_clock()
            log("lists published", lists=[f"{record.generation}/{record.scope}" for record in made])

    def _publish_due(self) -> None:
        if system_clock() < self._next_round:
            return
        world, failures = self._world, list[KakehashiError]()
        world.complete_places()  # any process may have carried out a step whose own transaction was lost
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
                self._next_head = system_clock()
                log("lists renewed", generation=str(generation), lists=len(made))
        self._next_round = system_clock() + _ROUND
        if failures:
            raise failures[0]

    def _publish_head(self) -> None:
        """How far the journal reaches: with every publication of lists, and every hour.

        Every minute it is looked at whether the one that is public can be believed.
        """
        now, world = system_clock(), self._world
        if now < min(self._next_head, self._next_look) or self._hold(LISTS_JOB) is None:
            return
        self._next_look = now + _ROUND
        if now < self._next_head:
            if mend_head(world.issuers, world.plan, world.repository, at=world.clock()):
                log("journal head mended")
            return
        publish_head(world.issuers, world.plan, world.repository, at=world.clock())
        self._next_head = system_clock() + _HEADS

    def _renew_responders(self) -> None:
        """New certificates for the responders whose newest one ends soon, placed where the last ones were."""
        if system_clock() < self._next_renewal or self._hold(RESPONDERS_JOB) is None:
            return
        world = self._world
        # Should it fail, it is tried again with the next round of lists.
        self._next_renewal = system_clock() + _ROUND
        try:
            renewed = renew_responders(world.issuers, chance=world.chance, at=world.clock())
            if renewed:
                log("responders renewed", certificates=[str(one.id) for one in renewed])
        finally:
            # Also what a worker that died has renewed and not placed.
            publish_certificates(world.stores, world.repository)
        self._next_renewal = system_clock() + _RENEWALS

    def _hold(self, job: str, lasting: timedelta | None = None) -> datetime | None:
        """Take a job, or keep it for a lease's time more: until when. None if another worker has it."""
        with self._world.stores.nation.writing() as connection:
            return clients.take_lease(
                connection, job, self._owner, lasting=lasting or self.lease, at=system_clock()
            )

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.set()
