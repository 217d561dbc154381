"""What a responder's process counts of itself: plain numbers in a few hundred octets that other processes can read.

An answer that is ready costs some microseconds, so counting it may not cost another: an observer adds to whole numbers in
a block of memory. The block may be a file that is mapped, one a process; whoever is asked for the numbers of all
processes reads their files and sums them up (``summed``).
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ca.store.verifiers import VerifierId
from ocsp.tally import Tally


class Outcome(StrEnum):
    """What came of a request."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    MIXED = "mixed"
    NOT_MODIFIED = "not-modified"
    MALFORMED_REQUEST = "malformed-request"
    UNAUTHORIZED = "unauthorized"
    TRY_LATER = "try-later"
    INTERNAL_ERROR = "internal-error"
    REFUSED = "refused"
    """By HTTP itself: its path, method, type or size."""
    OTHER = "other"


BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds: the upper bounds of the histograms' buckets; above the last there is one more."""

_OUTCOMES = tuple(Outcome)
_NUMBER = {str(outcome): number for number, outcome in enumerate(_OUTCOMES)}
_OTHER = _NUMBER[Outcome.OTHER]
_BUCKETS = len(BOUNDS) + 1
_HISTOGRAM = _BUCKETS + 1  # and the sum, in nanoseconds
# Where each part of the block begins: the watermark's moment; outcomes and times of made and of ready answers; signing.
_MADE = 1
_ROW = len(_OUTCOMES) + _HISTOGRAM
_READY = _MADE + _ROW
_SIGNING = _READY + _ROW
CELLS = _SIGNING + _HISTOGRAM
"""Whole numbers of 8 octets in a block."""

_NANOSECONDS = 1_000_000_000


class Observer:
    """Counts what one process does. Safe to use from several threads.

    Args:
        cells: CELLS unsigned numbers of 8 octets, all 0 at first; by default in this process's own memory.
        tally: Where what known verifiers asked is counted too.
    """

    def __init__(self, cells: memoryview | None = None, tally: Tally | None = None) -> None:
        self.cells = memoryview(bytearray(8 * CELLS)).cast("Q") if cells is None else cells
        assert len(self.cells) == CELLS, "a block has its parts"
        self._tally = tally
        self._turn = threading.Lock()

    def observed(self, outcome: str, seconds: float, ready: bool, verifier: str | None) -> None:  # noqa: FBT001 - on the way of every answer
        """A request was answered: so, after these seconds, from ready answers or not, for this verifier if it is known."""
        cells, row = self.cells, _READY if ready else _MADE
        counted = row + _NUMBER.get(outcome, _OTHER)
        bucket = row + len(_OUTCOMES) + bisect_left(BOUNDS, seconds)
        spent = row + _ROW - 1
        with self._turn:
            cells[counted] += 1
            cells[bucket] += 1
            cells[spent] += int(seconds * _NANOSECONDS)
        if verifier is not None and self._tally is not None:
            self._tally.counted(VerifierId(verifier), outcome)

    def signed(self, seconds: float) -> None:
        """The signer took so long over an answer."""
        with self._turn:
            self.cells[_SIGNING + bisect_left(BOUNDS, seconds)] += 1
            self.cells[CELLS - 1] += int(seconds * _NANOSECONDS)

    def aged(self, seconds: float) -> None:
        """The watermark is so old now. It ages by itself until this is said again."""
        # As a moment: should the thread die that says this, the age is seen to grow.
        self.cells[0] = max(1, time.monotonic_ns() - int(seconds * _NANOSECONDS))


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something took: how often no longer than each of BOUNDS and longer than all, and the sum in seconds."""

    counts: tuple[int, ...]
    total: float

    @property
    def cumulative(self) -> list[int]:
        """How often no longer than each bound, those below included (as Prometheus has it)."""
        found, so_far = [], 0
        for count in self.counts:
            so_far += count
            found.append(so_far)
        return found


@dataclass(frozen=True, slots=True)
class Readings:
    """What a block says, or several together.

    Attributes:
        requests: By outcome, and whether the answer was ready.
        latency: By whether the answer was ready.
    """

    requests: dict[tuple[Outcome, bool], int]
    latency: dict[bool, Histogram]
    signing: Histogram


def watermark_age(cells: Sequence[int]) -> float | None:
    """Seconds since the watermark that a living process of this machine knows; None if it never knew one."""
    return None if cells[0] == 0 else (time.monotonic_ns() - cells[0]) / _NANOSECONDS


def summed(blocks: Sequence[Sequence[int]]) -> Readings:
    """The numbers of several processes together."""
    cells = [sum(numbers) for numbers in zip(*blocks, strict=True)] or [0] * CELLS
    rows = {False: _MADE, True: _READY}
    return Readings(
        requests={
            (outcome, ready): cells[row + number]
            for ready, row in rows.items()
            for number, outcome in enumerate(_OUTCOMES)
        },
        latency={ready: _histogram(cells, row + len(_OUTCOMES)) for ready, row in rows.items()},
        signing=_histogram(cells, _SIGNING),
    )


def _histogram(cells: Sequence[int], at: int) -> Histogram:
    return Histogram(tuple(cells[at : at + _BUCKETS]), cells[at + _BUCKETS] / _NANOSECONDS)
