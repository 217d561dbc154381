"""The death that a process carries in itself: by SIGKILL, just where something becomes durable or is kept.

What SIGKILL alone cannot show, a sync that is missing, the death of power does: octets that were written and not yet
synced are gone with the process.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from ca.journal import durable
from front import inbox
from tests.engine_world import append

CALLS = 60
"""How many of the deadly calls a mortal process makes, on the average."""

_DEADLY: tuple[tuple[Any, str], ...] = (
    (os, "fsync"),
    (os, "link"),
    (durable, "write_at"),
    (inbox, "write_at"),
    (Path, "replace"),
    (DefaultDialect, "do_commit"),
)
"""Where each call by which something becomes durable is found under its name."""


def mortal(dice: random.Random, told: Path) -> None:
    """From now on this process is to die, before or after one of its next deadly calls; it writes down which."""
    remaining = count(int(dice.expovariate(1 / CALLS)), -1)
    before, powerless = dice.random() < 0.5, dice.random() < 0.5
    unsynced = Unsynced()

    def die(where: str) -> None:
        append(told, where.encode())
        if powerless:
            unsynced.lose()
        os.kill(os.getpid(), signal.SIGKILL)

    def deadly(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def called(*args: Any, **options: Any) -> Any:
            if name == "do_commit" and not _keeps_something(*args):
                return call(*args, **options)
            last = next(remaining) == 0  # of all threads, one
            if last and before:
                die(f"before {name}")
            result = call(*args, **options)
            if last:
                die(f"after {name}")
            return result

        return called

    os.pwrite, os.fsync = unsynced.pwrite, unsynced.fsync
    for place, name in _DEADLY:
        setattr(place, name, deadly(name, getattr(place, name)))


def _keeps_something(_dialect: object, connection: Any) -> bool:
    """Whether this SQLite connection has written since it was last asked."""
    changes = connection.dbapi_connection.total_changes
    before, connection.info["changes"] = connection.info.get("changes", 0), changes
    return bool(changes != before)


class Unsynced:
    """What this process has written over and not synced since."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pwrite, self._fsync = os.pwrite, os.fsync
        self._before: list[tuple[int, Path, int, bytes, int]] = []

    def pwrite(self, descriptor: int, octets: bytes, offset: int) -> int:
        path, state = Path(f"/proc/self/fd/{descriptor}").readlink(), os.fstat(descriptor)
        with self._lock:
            with path.open("rb") as file:
                before = os.pread(file.fileno(), len(octets), offset)
            self._before.append((state.st_ino, path, offset, before, state.st_size))
            return self._pwrite(descriptor, octets, offset)

    def fsync(self, descriptor: int) -> None:
        self._fsync(descriptor)
        synced = os.fstat(descriptor).st_ino
        with self._lock:
            self._before = [one for one in self._before if one[0] != synced]

    def lose(self) -> None:
        """Make files what they were; no thread writes any more."""
        self._lock.acquire()
        for inode, path, offset, octets, length in reversed(self._before):
            with suppress(FileNotFoundError), path.open("r+b") as file:
                state = os.fstat(file.fileno())
                if state.st_ino == inode:
                    self._pwrite(file.fileno(), octets, offset)
                    os.ftruncate(file.fileno(), min(length, state.st_size))
