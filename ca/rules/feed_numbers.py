"""The numbers of a feed's files: each comes once, one more each time. What is missing or comes again is told, not refused.

Only what lies between the first and the last that came can be missing: a feed may have begun before anybody counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """Numbers that follow one another, from the first to the last."""

    first: int
    last: int

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def joined(runs: Sequence[Run], number: int) -> tuple[Run, ...]:
    """The numbers that have come, with this one; as few runs as can say it, in their order."""
    found: list[Run] = []
    for run in sorted([*runs, Run(number, number)]):
        if found and run.first <= found[-1].last + 1:
            found[-1] = Run(found[-1].first, max(found[-1].last, run.last))
        else:
            found.append(run)
    return tuple(found)


def gaps(runs: Sequence[Run]) -> tuple[Run, ...]:
    """What is missing between numbers that have come, given as ``joined`` does."""
    return tuple(Run(before.last + 1, after.first - 1) for before, after in pairwise(runs))


def noticed(runs: Sequence[Run], feed: str, number: int, *, news: bool) -> tuple[str, ...]:
    """What is to be said when a file comes.

    Args:
        runs: The numbers that had come before it.
        feed: The feed's name.
        number: The file's.
        news: Whether any event in it was not known just so: else it is the file of before, and that is always right.
    """
    if any(number in run for run in runs):
        return (f"file {number} of feed {feed} came before, with other events",) if news else ()
    if runs and number > runs[-1].last + 1:
        missing = Run(runs[-1].last + 1, number - 1)
        one = missing.first == missing.last
        return (f"{'file' if one else 'files'} {missing} of feed {feed} {'has' if one else 'have'} not come",)
    return ()
