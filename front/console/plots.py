"""Numbers as pictures: bars by day, a line by day, and bars by name, in SVG that needs no style sheet.

Every look is an attribute, so that a strict content security policy has nothing to refuse. A narrow picture is drawn
anew for small screens, not made smaller: its letters stay as large.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

from bridge.svg import Drawing, clean, fitted, width_of

INK, FAINT, LINE = "#1b2a30", "#52636b", "#dbe4e7"
_FONT = "Hiragino Sans, Noto Sans CJK JP, Noto Sans JP, IPAexGothic, system-ui, sans-serif"
_SIZE = 12
_TICKS = 4


class Width(Enum):
    """How wide a picture is drawn, in pixels, and how many days it has room to name."""

    WIDE = (540, 8)
    NARROW = (330, 4)

    @property
    def pixels(self) -> int:
        """Its width."""
        return self.value[0]

    @property
    def names(self) -> int:
        """How many days are named under it at most."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture is called, and how it looks.

    Attributes:
        unit: What is counted; stands above the axis.
        day: How a day is written under the axis.
    """

    title: str
    unit: str
    colour: str
    language: str
    day: Callable[[date], str] = date.isoformat
    width: Width = Width.WIDE


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where numbers lie in a picture: the axis goes from 0 to ``top``."""

    left: float
    right: float
    upper: float
    lower: float
    top: int
    count: int

    @property
    def step(self) -> float:
        """How wide a day is."""
        return (self.right - self.left) / max(self.count, 1)

    def x(self, index: int) -> float:
        """The middle of a day."""
        return self.left + (index + 0.5) * self.step

    def y(self, number: float) -> float:
        """How high a number lies."""
        return self.lower - (self.lower - self.upper) * number / self.top


def bars(numbers: Mapping[date, int], look: Look) -> str:
    """A bar a day; the last one, whose day is not over, is pale."""
    drawing, frame = _framed(numbers, look)
    wide = min(frame.step * 0.72, 34.0)
    for index, (day, number) in enumerate(numbers.items()):
        high = frame.lower - frame.y(number)
        if not number:
            continue
        pale = 0.45 if index == len(numbers) - 1 else 1
        drawing.add(
            "rect",
            None,
            f"{look.day(day)}: {number:,}",
            x=frame.x(index) - wide / 2,
            y=frame.y(number),
            width=wide,
            height=max(high, 1.0),
            rx=min(2.0, wide / 3),
            fill=look.colour,
            fill_opacity=pale,
        )
    return _document(drawing, look)


def line(numbers: Mapping[date, int], look: Look) -> str:
    """A line through the days, with its ground filled and its last number written."""
    drawing, frame = _framed(numbers, look)
    points = [(frame.x(index), frame.y(number)) for index, number in enumerate(numbers.values())]
    if points:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        ground = f"{points[0][0]:.1f},{frame.lower:.1f} {path} {points[-1][0]:.1f},{frame.lower:.1f}"
        drawing.add("polygon", points=ground, fill=look.colour, fill_opacity=0.14)
        drawing.add(
            "polyline",
            points=path,
            fill="none",
            stroke=look.colour,
            stroke_width=2.5,
            stroke_linejoin="round",
        )
        last, (x, y) = list(numbers.values())[-1], points[-1]
        drawing.add("circle", cx=x, cy=y, r=4, fill=look.colour, stroke="#ffffff", stroke_width=1.5)
        _text(
            drawing, min(x + 6, frame.right), y - 8, f"{last:,}", fill=INK, font_weight=700, text_anchor="end"
        )
    return _document(drawing, look)


def ranking(numbers: Sequence[tuple[str, int]], look: Look) -> str:
    """A bar a name, in the order given."""
    width, high = look.width.pixels, 30
    names = min(max((width_of(name, _SIZE) for name, _ in numbers), default=0) + 10, width * 0.38)
    room = width - names - 62
    most = max((number for _, number in numbers), default=0) or 1
    drawing = Drawing()
    drawing.reach(width, 8 + max(len(numbers), 1) * high)
    for index, (name, number) in enumerate(numbers):
        y = 4 + index * high
        shown = fitted(name, names - 8, _SIZE)
        _text(drawing, names - 8, y + 19, shown, title=name, fill=INK, text_anchor="end")
        long = max(room * number / most, 2.0)
        drawing.add("rect", x=names, y=y + 5, width=long, height=20, rx=3, fill=look.colour)
        _text(drawing, names + long + 6, y + 19, f"{number:,}", fill=INK, font_weight=700)
    return _document(drawing, look)


def ticks(most: int) -> list[int]:
    """Round numbers from 0 to the first one that is not below the largest: 1, 2 or 5 times a power of ten apart."""
    step = 1
    while step * _TICKS < most:
        # 1, 2, 5, 10, 20, 50 ...
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return list(range(0, max(-(-most // step), 1) * step + 1, step))


def _framed(numbers: Mapping[date, int], look: Look) -> tuple[Drawing, _Frame]:
    """A picture with its axes, and where numbers lie in it."""
    width = look.width.pixels
    marks = ticks(max(numbers.values(), default=0))
    left = max(width_of(f"{marks[-1]:,}", _SIZE), 16) + 10
    frame = _Frame(left, width - 8, 30, 202, marks[-1], len(numbers))
    drawing = Drawing()
    drawing.reach(width, 230)
    _text(drawing, 0, 13, look.unit, fill=FAINT)
    for mark in marks:
        y = frame.y(mark)
        drawing.add(
            "line", x1=left, x2=frame.right, y1=y, y2=y, stroke=FAINT if mark == 0 else LINE, stroke_width=1
        )
        _text(drawing, left - 6, y + 4, f"{mark:,}", fill=FAINT, text_anchor="end")
    every = max(-(-len(numbers) // look.width.names), 1)
    for index, day in enumerate(numbers):
        if (len(numbers) - 1 - index) % every:  # the last day is always named
            continue
        last = index == len(numbers) - 1
        x = frame.right if last and frame.step < 40 else frame.x(index)
        drawing.add(
            "line", x1=frame.x(index), x2=frame.x(index), y1=202, y2=206, stroke=FAINT, stroke_width=1
        )
        _text(
            drawing,
            x,
            222,
            look.day(day),
            fill=FAINT,
            text_anchor="end" if last and frame.step < 40 else "middle",
        )
    return drawing, frame


def _text(
    drawing: Drawing, x: float, y: float, words: str, *, title: str | None = None, **looks: object
) -> None:
    drawing.add("text", words, title, x=float(x), y=float(y), font_size=_SIZE, **looks)


def _document(drawing: Drawing, look: Look) -> str:
    width, height = f"{drawing.width:.0f}", f"{drawing.height:.0f}"
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" xml:lang="{look.language}" font-family="{_FONT}">',
            f"<title>{clean(look.title)}</title>",
            *drawing.parts,
            "</svg>",
            "",
        ]
    )
