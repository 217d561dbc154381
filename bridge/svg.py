"""A small writer of SVG: elements with escaped text, and text that fits where it is put.

How wide a text is, is reckoned generously, since the reader's fonts are not known here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from xml.sax.saxutils import escape, quoteattr

_WIDE = frozenset("WFA")  # East Asian characters as wide as high; the ambiguous ones may be
_NARROW_EM, _WIDE_EM = 0.62, 1.03
_ELLIPSIS = "…"
_CLOSING = frozenset("、。」』,.;:)]")  # no line begins with these
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co"})


@dataclass(slots=True)
class Drawing:
    """Elements one after another; later ones lie above.

    Attributes:
        width, height: Grow with what is drawn, in pixels.
    """

    width: float = 0
    height: float = 0
    parts: list[str] = field(default_factory=list, repr=False)

    def add(self, tag: str, text: str | None = None, title: str | None = None, **attributes: object) -> None:
        """Draw an element; an underscore in a name is written as a hyphen, and none at its end.

        Args:
            tag: The element's name.
            text: Its contents.
            title: What is told when it is pointed at.
            attributes: Its attributes.
        """
        written = "".join(
            f" {name.rstrip('_').replace('_', '-')}={quoteattr(_number(value))}"
            for name, value in attributes.items()
        )
        inside = "" if title is None else f"<title>{clean(title)}</title>"
        inside += "" if text is None else clean(text)
        self.parts.append(f"<{tag}{written}>{inside}</{tag}>" if inside else f"<{tag}{written}/>")

    def box(
        self, x: float, y: float, width: float, height: float, kind: str, title: str | None = None
    ) -> None:
        """A rectangle with round corners, of a class."""
        self.reach(x + width, y + height)
        self.add("rect", None, title, x=x, y=y, width=width, height=height, rx=8, class_=kind)

    def text(self, x: float, y: float, words: str, kind: str, title: str | None = None) -> None:
        """A line of text that begins here, of a class; ``y`` is its base line."""
        self.reach(x, y)
        self.add("text", words, title, x=x, y=y, class_=kind)

    def reach(self, x: float, y: float) -> None:
        """Grow to this point."""
        self.width, self.height = max(self.width, x), max(self.height, y)

    def document(self, title: str, style: str, margin: float, language: str) -> str:
        """The whole picture as XML."""
        width, height = self.width + margin, self.height + margin
        size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
        return "\n".join(
            [
                '<?xml version="1.0" encoding="UTF-8"?>',
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" xml:lang="{language}">',
                f"<title>{clean(title)}</title>",
                f"<style>{style}</style>",
                f'<rect width="{width:.0f}" height="{height:.0f}" class="page"/>',
                *self.parts,
                "</svg>",
                "",
            ]
        )


def clean(text: str) -> str:
    """Text as XML's character data: escaped, and with a mark for what cannot be seen or would turn the text around."""
    return escape("".join("\ufffd" if unicodedata.category(one) in _UNSEEN else one for one in text))


def width_of(text: str, size: float) -> float:
    """How many pixels a text takes at most, in letters of this size."""
    return size * sum(_em(character) for character in text)


def fitted(text: str, room: float, size: float) -> str:
    """The text, or its beginning and end with an ellipsis between them, in this many pixels."""
    if width_of(text, size) <= room:
        return text
    room -= width_of(_ELLIPSIS, size)
    head = _beginning(text, room * 0.55, size)
    tail = _beginning(text[::-1], room - width_of(head, size), size)[::-1]
    return f"{head}{_ELLIPSIS}{tail}"


def wrapped(text: str, room: float, size: float) -> list[str]:
    """The text in lines of this many pixels, broken between words, or anywhere in a word that is longer."""
    lines = [""]
    for piece in _pieces(text):
        if width_of(lines[-1] + piece, size) <= room:
            lines[-1] += piece
            continue
        rest = piece.lstrip()
        lines.append("")
        while width_of(rest, size) > room:
            head = _beginning(rest, room, size) or rest[:1]
            lines[-1], rest = head, rest[len(head) :]
            lines.append("")
        lines[-1] = rest
    return [line for line in lines if line] or [""]


def _pieces(text: str) -> Iterator[str]:
    """What stays together in a line: words with the space before them, and wide characters with their punctuation."""
    piece = ""
    for character in text:
        wide = _em(character) > _NARROW_EM
        apart = character == " " or wide or (piece and _em(piece[-1]) > _NARROW_EM)
        if piece and apart and character not in _CLOSING:
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _beginning(text: str, room: float, size: float) -> str:
    """As much of the text as fits."""
    widths = accumulate(_em(character) * size for character in text)
    return text[: len(list(takewhile(lambda width: width <= room, widths)))]


def _em(character: str) -> float:
    return _WIDE_EM if unicodedata.east_asian_width(character) in _WIDE else _NARROW_EM


def _number(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
