"""How much is measured: the full amounts, a share of them for everyday, and next to nothing for the tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Amounts.

    Attributes:
        rounds: How often everyone has a turn; starts and makings of a world, ``slow_rounds``.
        one_thread: Certificates a round in the row of one thread.
        groups: Groups of holders a round where certificates are durable; of P-256 keys four times as many.
        others: Certificates a round of the tools that start a process for each.
        batch: Certificates of the batch whose memory is looked at; ``batch_scale`` says which share that is.
        authorities: How many a start is measured with.
        edition: Which edition is made; None for the bench's own small one.
    """

    name: str
    rounds: int
    slow_rounds: int
    one_thread: int
    groups: int
    others: int
    batch: int
    batch_scale: str
    authorities: int
    edition: str | None


FULL = Scale("1", 9, 5, 1000, 12, 400, 100_000, "1", 10_000, "japan-2014")
QUICK = Scale("1/100", 5, 3, 500, 6, 120, 1000, "1/100", 10_000, "japan-2014")
TINY = Scale("next to nothing", 1, 1, 4, 1, 2, 8, "1/12500", 12, None)
"""For the tests: every path is run, and no figure means anything."""

SCALES = {"full": FULL, "quick": QUICK, "tiny": TINY}
