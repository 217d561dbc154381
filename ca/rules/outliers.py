"""What is far off the usual: days of an office, waits of cases, and shares of what an officer rejects.

What is usual is a median, and how far numbers scatter around it the median absolute deviation: neither moves because a
few numbers are wild (Iglewicz and Hoaglin 1993, "How to Detect and Handle Outliers", whose bound of 3.5 is used here).
Nothing found here is a fault by itself; it is where somebody should look first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

Key = TypeVar("Key")

BOUND = 3.5
"""So many times the usual scatter is unusual."""

FEWEST = 8
"""Of fewer numbers nobody can say what is usual."""

FEWEST_DECISIONS = 20
"""Of fewer decisions no share is worth a comparison."""

_NORMAL = 1.4826  # makes the median absolute deviation of normal numbers their standard deviation
_LEAST_WAIT_SCATTER = timedelta(hours=6)
_WORKING = 3


@dataclass(frozen=True, slots=True)
class Usual:
    """What some numbers usually are.

    Attributes:
        middle: Their median.
        scatter: How far they usually lie from it, as a standard deviation would say; never zero.
    """

    middle: float
    scatter: float

    @classmethod
    def of(cls, numbers: Sequence[float], least: float) -> Usual | None:
        """What these numbers usually are, with at least this scatter (above zero); None if they are too few."""
        if len(numbers) < FEWEST:
            return None
        middle = median(numbers)
        deviation = median([abs(number - middle) for number in numbers])
        return cls(middle, max(_NORMAL * deviation, least))

    def distance(self, number: float) -> float:
        """How many scatters a number lies above the middle, or, below zero, under it."""
        return (number - self.middle) / self.scatter


@dataclass(frozen=True, slots=True)
class UnusualDay:
    """A day on which something happened far more or less often than it does."""

    day: date
    number: int
    usual: float
    distance: float


@dataclass(frozen=True, slots=True)
class Decisions:
    """How many decisions somebody took, and how many of them were rejections."""

    taken: int
    rejected: int

    @property
    def share(self) -> float:
        """Which part of them was rejected; 0 of none."""
        return self.rejected / self.taken if self.taken else 0.0


@dataclass(frozen=True, slots=True)
class UnusualShare:
    """An officer who rejects far more or less often than the others together do."""

    mine: Decisions
    others: Decisions
    distance: float


def median(numbers: Sequence[float]) -> float:
    """The middle one of at least one number, or the mean of the two in the middle."""
    ordered = sorted(numbers)
    half = len(ordered) // 2
    return float(ordered[half]) if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def working_days(totals: Mapping[date, int]) -> frozenset[date]:
    """The days on which work was done: with a third of what a median weekday has, or more.

    So weekends and holidays drop out without a calendar, and an office that rests with all others is not unusual.
    """
    weekdays = [number for day, number in totals.items() if day.weekday() < 5]
    if not weekdays:
        return frozenset()
    least = max(median(weekdays) / _WORKING, 1)
    return frozenset(day for day, number in totals.items() if number >= least)


def unusual_days(
    numbers: Mapping[date, int], days: Collection[date], judged: Iterable[date]
) -> list[UnusualDay]:
    """Those of the judged days that are far off what the other days have, the farthest first.

    Args:
        numbers: How often something happened; 0 on a day that is not named.
        days: With which each is compared, itself left out.
        judged: Which are looked at.
    """
    found = []
    for day in judged:
        past = [numbers.get(other, 0) for other in days if other != day]
        # What is counted scatters by the root of its mean at least (Poisson), however even it looks.
        usual = Usual.of(past, math.sqrt(max(median(past), 1.0))) if past else None
        number = numbers.get(day, 0)
        if usual is not None and abs(distance := usual.distance(number)) >= BOUND:
            found.append(UnusualDay(day, number, usual.middle, distance))
    return sorted(found, key=lambda one: (-abs(one.distance), one.day))


def longest_usual_wait(waits: Sequence[timedelta]) -> timedelta | None:
    """How long a case waits at most before that is unusual, by how long others did; None if they are too few."""
    usual = Usual.of([wait.total_seconds() for wait in waits], _LEAST_WAIT_SCATTER.total_seconds())
    return None if usual is None else timedelta(seconds=usual.middle + BOUND * usual.scatter)


def unusual_shares(decisions: Mapping[Key, Decisions]) -> dict[Key, UnusualShare]:
    """Whose share of rejections differs from that of all the others together, by the test of two proportions.

    Whoever is farthest off is found first and is no more among the others, so that one wild officer makes nobody else
    look unusual. The share under which both would be alike counts one rejection and one approval more, so that it is
    never 0 or 1.
    """
    left, found = dict(decisions), dict[Key, UnusualShare]()
    while distances := _distances(left):
        key, farthest = max(distances.items(), key=lambda one: abs(one[1].distance))
        if abs(farthest.distance) < BOUND:
            break
        found[key] = farthest
        del left[key]
    return found


def _distances(decisions: Mapping[Key, Decisions]) -> dict[Key, UnusualShare]:
    """How far each is off the others, whoever has decided enough to be compared."""
    taken = sum(one.taken for one in decisions.values())
    rejected = sum(one.rejected for one in decisions.values())
    found = {}
    for key, mine in decisions.items():
        others = Decisions(taken - mine.taken, rejected - mine.rejected)
        if min(mine.taken, others.taken) < FEWEST_DECISIONS:
            continue
        alike = (rejected + 1) / (taken + 2)
        scatter = math.sqrt(alike * (1 - alike) * (1 / mine.taken + 1 / others.taken))
        distance = (mine.share - others.share) / scatter
        found[key] = UnusualShare(mine, others, distance)
    return found
