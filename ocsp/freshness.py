"""How fresh a worker's knowledge is: never later than the primary's last heartbeat that it has seen.

A worker reads a database that may be a copy, and copies lag. What it says is of the moment of the newest heartbeat in it;
once that is too old, it says nothing (tryLater) rather than what may no longer be so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from ca.clock import Clock, system_clock
from ca.errors import KakehashiError
from ca.model import GenerationId, Serial
from ca.store import heartbeats, key_lives
from ca.store.engine import Store

_PAGE = 1000  # certificates that ended, read at a time


class Stale(KakehashiError):
    """The database has not heard of the primary for too long: what was revoked meanwhile cannot be known.

    Attributes:
        age: How long ago the primary was last heard of; None if it never was.
        bound: For how long an answer may be given without hearing of it.
    """

    def __init__(
        self,
        place: str,
        problem: str,
        *,
        age: timedelta | None = None,
        bound: timedelta | None = None,
        clause: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(place, problem, clause=clause, remedy=remedy)
        self.age = age
        self.bound = bound


class Freshness(Protocol):
    """Up to when a database is known to say everything."""

    def watermark(self) -> datetime:
        """The world's time of the last heartbeat that was seen, or Stale if that is too long ago."""

    def fresh(self) -> bool:
        """Whether the watermark is one that answers may be given by now, those made before too."""


class Itself:
    """The primary's own database, asked anew for each answer: it says everything, always."""

    def watermark(self) -> datetime:
        """The end of time: what is asked is never later."""
        return datetime.max.replace(tzinfo=UTC)

    def fresh(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class _Seen:
    """A heartbeat as a worker has seen it.

    Attributes:
        heartbeat: None before the first.
        until: Answers may be given until here, in seconds of the clock that is never set.
    """

    heartbeat: heartbeats.Heartbeat | None
    until: float


class Pulse:
    """What a worker knows of the primary through one database. One thread looks; any may ask.

    How long ago a heartbeat was is reckoned once, when it is first seen, by the machines' clocks, which have to agree;
    from then on by a clock that nobody sets. So neither a copy that stands still nor a clock put back keeps a worker
    answering.

    Args:
        store: The database, or one copy of it: what several copies say in turn would go back and forth.
        bound: How old a heartbeat may be, in the machines' time; at this age it still counts.
        ended: Is told what ended, or was let go, before the watermark moves past it: what was kept of it is dropped.
        lost: Is told that the database was put back to an older copy, or that other keys than before sign status: all
            that was kept is dropped.
        clock: The machine's time.
        ticks: Seconds of a clock that is never set.
    """

    def __init__(
        self,
        store: Store,
        bound: timedelta,
        ended: Callable[[Sequence[tuple[GenerationId, Serial]]], None],
        lost: Callable[[], None] = lambda: None,
        *,
        clock: Clock = system_clock,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bound = bound
        self._ended = ended
        self._lost = lost
        self._clock = clock
        self._ticks = ticks
        self._sequence: int | None = None
        self._serving: frozenset[GenerationId] | None = None
        self._seen = _Seen(None, float("-inf"))

    def look(self) -> None:
        """See what the database has of the primary now: one state of it, read in one transaction.

        Raises:
            StorageFailed, HomeBusy: It cannot be read; what is known grows old.
        """
        began, now = self._ticks(), self._clock()
        with self._store.reading() as connection:
            last = heartbeats.last(connection)
            if last is None:
                return
            self._drop(connection, last.sequence)
            self._follow(key_lives.signing_status(connection))
        if (before := self._seen.heartbeat) is not None and before.beaten == last.beaten:
            return
        age = now - last.beaten
        if age < -self._bound:
            # The clocks do not agree, and how old it is cannot be known.
            until = float("-inf")
        else:
            until = began + (self._bound - max(age, timedelta(0))).total_seconds()
        self._seen = _Seen(last, until)

    def fresh(self) -> bool:
        """Whether answers may be given now. Costs a comparison."""
        return self._ticks() <= self._seen.until

    def watermark(self) -> datetime:
        """The world's moment up to which this database says everything.

        Raises:
            Stale: The last heartbeat is older than the bound, or there was none.
        """
        seen = self._seen
        if seen.heartbeat is None or self._ticks() > seen.until:
            raise self._stale(seen)
        return seen.heartbeat.moment

    def age(self) -> float:
        """How many seconds ago the last heartbeat was; infinity if there was none, or nobody can know."""
        return self._age(self._seen)

    def _drop(self, connection: Connection, sequence: int) -> None:
        """Have everything dropped that ended since the last look."""
        if self._sequence is None:  # until now nothing was answered that could be kept
            self._sequence = sequence
        if sequence < self._sequence:
            self._lost()
            self._sequence = sequence
        while self._sequence < sequence:
            page = heartbeats.ended_since(connection, self._sequence, _PAGE)
            if page:  # the newest rows may be gone: what ends once more gets a new sequence
                self._ended([(generation, serial) for _, generation, serial in page])
            self._sequence = page[-1][0] if len(page) == _PAGE else sequence

    def _follow(self, serving: frozenset[GenerationId]) -> None:
        """Have everything dropped if a key's status is served from now on, or no more."""
        if self._serving is not None and serving != self._serving:
            self._lost()
        self._serving = serving

    def _age(self, seen: _Seen) -> float:
        return self._ticks() - seen.until + self._bound.total_seconds()

    def _stale(self, seen: _Seen) -> Stale:
        bound = self._bound.total_seconds()
        if seen.heartbeat is None:
            age, problem = None, "has no heartbeat of the primary"
        elif (seconds := self._age(seen)) == float("inf"):
            age, problem = None, "has a heartbeat of the primary of a time to come, by this machine's clock"
        else:
            age = timedelta(seconds=seconds)
            problem = f"last heard of the primary {seconds:.1f} s ago, and answers are given for {bound:g} s"
        return Stale(
            self._store.place,
            problem,
            age=age,
            bound=self._bound,
            remedy="See that the primary runs, that this database follows it, and that the machines' clocks agree",
        )
