"""An inventory as a picture: how many of the certificates that are in use now still are in each year, by suite.

One SVG file without scripts or anything from elsewhere, for light and dark backgrounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from bridge.svg import Drawing, fitted, width_of
from ca.rules.validity import JST
from ca.store.inventory import IN_USE, Group
from ca.suites import SuiteId

MOST_YEARS = 30
"""Bars at most; certificates that last longer are live in the last of them too."""

_MARGIN, _WIDTH, _HEIGHT = 36.0, 760.0, 280.0
_LEFT, _TOP, _BETWEEN = 76.0, 96.0, 0.3
_FILLS = 6
_LIGHT = (
    ".page{fill:#ffffff}text{fill:#1f2328;font:13px system-ui,'Noto Sans','Noto Sans CJK JP',sans-serif}"
    ".head{font-size:19px;font-weight:600}.soft{fill:#59636e;font-size:12px}.right{text-anchor:end}"
    ".middle{text-anchor:middle}.rule{stroke:#d1d9e0}"
    ".s0{fill:#2f6fb7}.s1{fill:#c2571a}.s2{fill:#1a7f37}.s3{fill:#8250df}.s4{fill:#9a6700}.s5{fill:#59636e}"
)
_DARK = (
    ".page{fill:#0d1117}text{fill:#e6edf3}.soft{fill:#9da7b3}.rule{stroke:#3d444d}"
    ".s0{fill:#4b96e6}.s1{fill:#e2843f}.s2{fill:#3fb950}.s3{fill:#a98bf5}.s4{fill:#d9a42b}.s5{fill:#9da7b3}"
)

Years = Mapping[int, Mapping[SuiteId, int]]


def live_in(groups: Sequence[Group], at: datetime) -> Years:
    """How many of the certificates in use at this moment have their end in each year or later, by suite.

    From this year on to the one in which the last of them ends; nothing is told of what is issued meanwhile.
    """
    ending: dict[int, Counter[SuiteId]] = {}
    for group in groups:
        if group.stand in IN_USE:
            ending.setdefault(group.ends, Counter())[group.suite] += group.count
    first = at.astimezone(JST).year
    last = max(ending, default=first)
    years = range(first, max(first, min(last, first + MOST_YEARS - 1)) + 1)
    return {
        year: dict(sum((counts for end, counts in ending.items() if end >= year), Counter[SuiteId]()))
        for year in years
    }


def draw(groups: Sequence[Group], name: str, at: datetime) -> str:
    """The picture: an SVG document."""
    years = live_in(groups, at)
    suites = sorted({suite for counts in years.values() for suite in counts})
    most = max((sum(counts.values()) for counts in years.values()), default=0)
    title = f"Certificates live in each year: {name}"
    drawing = Drawing()
    drawing.reach(_MARGIN + _WIDTH, _TOP + _HEIGHT + 24)
    drawing.text(_MARGIN, _MARGIN + 16, fitted(title, _WIDTH, 19), "head", title)
    _legend(drawing, suites, f"of {most:,} in use at {at:%Y-%m-%dT%H:%M:%SZ}")
    for share in (0.0, 0.5, 1.0):
        y = _TOP + _HEIGHT * (1 - share)
        drawing.add("line", x1=_MARGIN + _LEFT, x2=_MARGIN + _WIDTH, y1=y, y2=y, class_="rule")
        drawing.text(_MARGIN + _LEFT - 8, y + 4, f"{round(most * share):,}", "soft right")
    room = (_WIDTH - _LEFT) / len(years)
    for place, (year, counts) in enumerate(years.items()):
        x = _MARGIN + _LEFT + room * place
        _bar(drawing, x + room * _BETWEEN / 2, room * (1 - _BETWEEN), year, counts, suites, most)
        drawing.text(x + room / 2, _TOP + _HEIGHT + 20, str(year), "soft middle")
    style = f"{_LIGHT}@media (prefers-color-scheme:dark){{{_DARK}}}"
    return drawing.document(title, style, _MARGIN, "en")


def _legend(drawing: Drawing, suites: Sequence[SuiteId], told: str) -> None:
    x, y = _MARGIN, _MARGIN + 40
    for number, suite in enumerate(suites):
        drawing.add("rect", x=x, y=y - 10, width=12, height=12, class_=_fill(number))
        drawing.text(x + 18, y, suite, "soft")
        x += 18 + width_of(suite, 12) + 14
    drawing.text(x, y, told, "soft")


def _bar(
    drawing: Drawing,
    x: float,
    width: float,
    year: int,
    counts: Mapping[SuiteId, int],
    suites: Sequence[SuiteId],
    most: int,
) -> None:
    """One year's: the suites one above the other."""
    y = _TOP + _HEIGHT
    for number, suite in enumerate(suites):
        if count := counts.get(suite, 0):
            height = _HEIGHT * count / most
            y -= height
            told = f"{year}: {count:,} {suite}"
            drawing.add("rect", None, told, x=x, y=y, width=width, height=height, class_=_fill(number))


def _fill(number: int) -> str:
    return f"s{number % _FILLS}"
