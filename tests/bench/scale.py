"""How much is measured: the full amounts, a share of them for everyday, and next to nothing for the tests."""

from __future__ import annotations

from dataclasses import dataclass

from ca.issuing.batch import GROUP


@dataclass(frozen=True)
class Scale:
    """Amounts.

    Attributes:
        rounds: How often everyone has a turn, where a turn takes a second or so.
        starts: The same of starts.
        makings: The same of a nation's making.
        one_thread: Certificates a round in the row of one thread.
        groups: Groups of holders a round where certificates are durable; with P-256 keys twice as many.
        group: Holders in a group.
        others: Certificates a round of the tools that start a process for each.
        batch: Certificates of the batch whose memory is looked at; ``batch_scale`` says which share that is.
        authorities: How many a start is measured with.
        entries: Of the list that is measured beside OpenSSL's; ``few_entries`` and ``most_entries`` are the ends.
        lists: How often it is made.
        events_round: Revocations and lists after them, one by one; ``list_scale`` says which share all these are.
        events: Of the feed that is applied.
        order: Certificates that one order suspends, and ``order_groups`` of holders who get theirs meanwhile.
        known: Certificates in a store whose status is asked; ``few_known`` and ``most_known`` are the ends, and
            ``known_scale`` says which share these are.
        asking: Seconds for which wrk asks, in each of ``asking_rounds``.
        visible: Revocations whose way to the responders is timed.
        ready: Ready answers of which shares are dropped.
        verified: Holders who are verified in a round.
        listed: Entries of the long list that one of them is looked for in.
        bridges: CAs of the mesh in which each has certified every other.
        officers: Who work at windows and at the centre at once, for ``desk`` seconds.
        edition: Which edition is made; None for the bench's own small one.
    """

    name: str
    rounds: int
    starts: int
    makings: int
    one_thread: int
    groups: int
    group: int
    others: int
    batch: int
    batch_scale: str
    authorities: int
    edition: str | None
    few_entries: int
    entries: int
    most_entries: int
    lists: int
    events_round: int
    list_scale: str
    events: int
    order: int
    order_groups: int
    few_known: int
    known: int
    most_known: int
    known_scale: str
    asking: int
    asking_rounds: int
    visible: int
    ready: int
    verified: int
    listed: int
    bridges: int
    officers: int
    desk: int


FULL = Scale(
    "1", 9, 9, 3, 1000, 12, GROUP, 400, 100_000, "1", 10_000, "japan-2014",
    1000, 1_000_000, 10_000_000, 3, 25, "1", 100_000, 760_000, 400,
    10_000, 1_000_000, 10_000_000, "1", 5, 5, 100, 20_000,
    300, 100_000, 50, 200, 60,
)  # fmt: skip
QUICK = Scale(
    "1/100", 5, 5, 1, 500, 6, GROUP, 120, 1000, "1/100", 10_000, "japan-2014",
    1000, 100_000, 1_000_000, 3, 15, "1/10", 1000, 7600, 20,
    1000, 100_000, 1_000_000, "1/10", 2, 3, 25, 2000,
    100, 100_000, 50, 200, 20,
)  # fmt: skip
TINY = Scale(
    "next to nothing", 1, 1, 1, 4, 2, 4, 2, 8, "1/12500", 12, None, 4, 8, 20, 1, 2, "1/125000", 8, 8, 8,
    8, 12, 20, "1/500000", 1, 1, 2, 16,
    2, 4, 3, 12, 2,
)  # fmt: skip
"""For the tests: every path is run, and no figure means anything."""

SCALES = {"full": FULL, "quick": QUICK, "tiny": TINY}
