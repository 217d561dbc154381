"""How often each signature verifier asked: counted in memory, told every few seconds to what lasts longer."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from ca.clock import Clock, system_clock
from ca.store.verifiers import Count, VerifierId

_JAPAN = timedelta(hours=9)
_NAME_LIMIT = 40


def server_name() -> str:
    """A name for the counts of this process's life: no other process has it, here or elsewhere."""
    return f"{socket.gethostname()[:_NAME_LIMIT]} {os.getpid()} {system_clock():%Y%m%dT%H%M%S%fZ}"


class Tally:
    """The counts of one process. Safe to use from several threads.

    Args:
        clock: The world's; its moments fall on Japan's days.
        server: A name that no other tally has.
    """

    def __init__(self, clock: Clock, server: str) -> None:
        self.server = server
        self._clock = clock
        self._turn = threading.Lock()
        self._flushing = threading.Lock()
        self._sums: dict[tuple[date, VerifierId, str], int] = {}
        self._told: dict[tuple[date, VerifierId, str], int] = {}

    def counted(self, verifier: VerifierId, outcome: str) -> None:
        """A verifier has asked, and this came of it."""
        key = (self._today(), verifier, outcome)
        with self._turn:
            self._sums[key] = self._sums.get(key, 0) + 1

    def flush(self, keep: Callable[[Sequence[Count]], None]) -> None:
        """Hand over the sums of each day on which something has changed, all of that day.

        What ``keep`` raises is raised, and the same is handed over again the next time.
        """
        with self._flushing:
            with self._turn:
                sums = dict(self._sums)
            days = {key[0] for key, number in sums.items() if self._told.get(key) != number}
            if not days:
                return
            keep([Count(key[1], key[0], key[2], self.server, sums[key]) for key in sums if key[0] in days])
            self._told = sums
            self._forget(self._today() - timedelta(days=1))

    def _forget(self, first: date) -> None:
        """Drop days that are over: told, and with a day between so that nobody counts for them any more."""
        with self._turn:
            for key in [key for key in self._told if key[0] < first and self._sums[key] == self._told[key]]:
                del self._sums[key], self._told[key]

    def _today(self) -> date:
        return (self._clock() + _JAPAN).date()
