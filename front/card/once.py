"""What may be said only once: nonces that were spent, for as long as they could be said again."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Protocol

from ca.errors import Conflict

MOST = 100_000
"""Nonces remembered at once; with an hour each, 27 a second."""


class Once(Protocol):
    """Remembers what was spent. Safe to use from several threads; servers of several processes share one that is kept."""

    def spend(self, nonce: bytes, until: datetime, at: datetime) -> None:
        """Raise Conflict if the nonce was spent before; it is spent now, and remembered until it means nothing."""
        ...


class SpentInMemory:
    """Remembers in this process's memory alone."""

    def __init__(self) -> None:
        self._spent: dict[bytes, datetime] = {}
        self._lock = threading.Lock()

    def spend(self, nonce: bytes, until: datetime, at: datetime) -> None:
        """Spend a nonce; see Once. Refused too while there are MOST of them."""
        with self._lock:
            if len(self._spent) >= MOST:
                self._spent = {old: end for old, end in self._spent.items() if end >= at}
            if nonce in self._spent:
                raise Conflict("nonce", "was used before", remedy="Make a new statement")
            if len(self._spent) >= MOST:
                raise Conflict("nonces", "too many were used in a short time", remedy="Try again later")
            self._spent[nonce] = until


class SpentByTheEnd:
    """Remembers nothing: for whoever ends what a statement names, once and for all, and finds it ended the next time."""

    def spend(self, nonce: bytes, until: datetime, at: datetime) -> None:
        """Let it pass; see Once."""
