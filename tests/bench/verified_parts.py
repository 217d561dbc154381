"""Where the time of a verification goes: clocks at the seams of the relying party, set by the bench alone.

Each part counts what passes in it and not in a part within it, so that the parts come to the whole. The clocks cost some
microseconds a verification themselves; the totals beside which the parts stand are measured without.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from bridge.relying import validation, verify
from bridge.relying.revoked import revocation, signers
from bridge.relying.signatures import Signatures
from tests.bench.report import Row

_REST = "the rest"

_SEAMS: tuple[tuple[str, Any, str], ...] = (
    ("reading the certificate", verify, "read_certificate"),
    ("search", verify, "candidates"),
    ("our checks beside it", verify, "validate"),
    ("our checks beside it", signers, "validate"),
    ("RFC 5280 6.1 (pyhanko-certvalidator)", validation, "check_by_rfc5280"),
    ("lists", verify.Inquiry, "check"),
    ("answers", revocation, "read_answer"),
    ("signatures", Signatures, "check"),
)
"""A part, and where it is entered."""


class _Clock:
    """Seconds by part; whoever is entered last is charged."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._parts = [_REST]
        self._since = time.perf_counter()

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        """Charge this part while the block runs."""
        self.charge()
        self._parts.append(part)
        try:
            yield
        finally:
            self.charge()
            self._parts.pop()

    def charge(self) -> None:
        """Charge what has passed to whoever is in."""
        now = time.perf_counter()
        self.seconds[self._parts[-1]] += now - self._since
        self._since = now

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time charged to the part; of an iterator each step is."""

        @wraps(function)
        def timing(*args: Any, **kwargs: Any) -> Any:
            with self.within(part):
                made = function(*args, **kwargs)
            return self._steps(part, made) if isinstance(made, Iterator) else made

        return timing

    def _steps(self, part: str, steps: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self.within(part):
                try:
                    step = next(steps)
                except StopIteration:
                    return
            yield step


def rows(name: str, count: int, work: Callable[[], object]) -> Iterator[Row]:
    """A row for each part that took any time, the longest first; ``work`` verifies so many times."""
    with ExitStack() as clocks:
        clock = _Clock()
        for part, where, seam in _SEAMS:
            clocks.enter_context(patch.object(where, seam, clock.timed(part, getattr(where, seam))))
        work()
        clock.charge()
    whole = sum(clock.seconds.values())
    for part, seconds in sorted(clock.seconds.items(), key=lambda found: -found[1]):
        yield Row(f"{name}, of which: {part}", "us", 1e6 * seconds / count, note=f"{seconds / whole:.0%}")
