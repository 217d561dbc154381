"""The slip that an applicant takes home: one sheet of A5 in two languages, the case's number big and as a bar code.

It says nothing that a stranger who finds it could use: no code, no address, no date of birth.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from pathlib import Path
from typing import cast

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import TTFFont

from ca.errors import KakehashiError
from ca.store.applications import Application
from front.pages.rendering import moment
from front.pages.texts import Language, Texts

FONTS = (
    Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf"),
    Path("/usr/share/fonts/truetype/fonts-japanese-gothic.ttf"),
    Path("/usr/local/share/fonts/ipaexg.ttf"),
)
"""Where a Japanese font usually lies; the first that is there is taken."""

RARE_FONTS = (
    Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf"),
    Path("/usr/local/share/fonts/ipamjm.ttf"),
)
"""A font of the family register, for names with characters that the other one lacks."""

GETA = "\u3013"
"""What printers have always put in the place of a character that they lack."""

_INK, _FAINT, _ACCENT, _PALE = (27, 42, 48), (82, 99, 107), (11, 92, 107), (226, 241, 243)
_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_WIDTH, _MARGIN, _LABEL = 148, 12, 44  # millimetres of A5


class FontMissing(KakehashiError):
    """No font with Japanese characters lies on this machine."""


def _first(fonts: tuple[Path, ...]) -> Path | None:
    return next((font for font in fonts if font.is_file()), None)


def drawable(text: str, repertoire: Container[int]) -> str:
    """The text as a font can show it: 〓 for what it lacks; variation selectors, which it may ignore, left out."""
    return "".join(
        character if ord(character) in repertoire else GETA
        for character in text
        if character not in _SELECTORS
    )


def slip(application: Application, name: str, office: str, texts: Texts, at: datetime) -> bytes:
    """The slip of a case as PDF.

    Args:
        application: The case.
        name: The applicant's.
        office: The name of the office that received it.
        texts: The words.
        at: When it is printed.

    Raises:
        FontMissing: No Japanese font is there.
    """
    sheet = _Sheet(texts, name)
    case = application.case
    sheet.head()
    sheet.number(case.id)
    sheet.fact("name", name, rare=True)
    sheet.fact("office", office)
    sheet.fact("received", f"{moment(case.history[0].at)} JST")
    for position, item in enumerate(application.requests):
        kind = f"registration.kind.{item.kind}"
        sheet.fact(None if position else "kinds", texts.say(Language.JAPANESE, kind))
        sheet.remark(texts.say(Language.ENGLISH, kind))
    sheet.next_steps()
    sheet.foot(f"{moment(at)} JST")
    return sheet.output(at)


class _Sheet:
    """An A5 sheet that is being written."""

    def __init__(self, texts: Texts, name: str) -> None:
        font, rare = _first(FONTS), _first(RARE_FONTS)
        if font is None:
            raise FontMissing(
                "slip",
                "no font with Japanese characters is there",
                remedy="Install the Debian package fonts-ipaexfont-gothic, or print the case's page",
            )
        self._texts = texts
        pdf = self._pdf = FPDF(format=(_WIDTH, 210))
        pdf.set_lang("ja-JP")
        pdf.set_margin(_MARGIN)
        pdf.set_auto_page_break(False)
        pdf.add_font("sheet", fname=font)
        # The font of the family register is large: it is read only for a name that needs it.
        if rare is not None and GETA in self._shown("sheet", name):
            pdf.add_font("rare", fname=rare)
        pdf.add_page()

    def head(self) -> None:
        """The sheet's title in both languages."""
        self._line(self._word("title"), 20, 10)
        self._line(self._word("title", Language.ENGLISH), 10, 6, _FAINT)
        self._pdf.ln(3)

    def number(self, case: str) -> None:
        """The case's number, which is all that anybody needs to find it again."""
        pdf = self._pdf
        top = pdf.get_y()
        pdf.set_fill_color(*_PALE)
        pdf.rect(_MARGIN, top, _WIDTH - 2 * _MARGIN, 40, style="F", round_corners=True, corner_radius=3)
        pdf.set_y(top + 3)
        self._line(f"{self._word('case')}  {self._word('case', Language.ENGLISH)}", 9, 5, _FAINT, align="C")
        self._line(case, 30, 15, _ACCENT, align="C")
        pdf.set_fill_color(*_INK)
        # Code 39 takes the width of 16 narrow bars a character, and an asterisk at either end; a wide bar is three.
        narrow = 0.4
        width = (len(case) + 2) * 16 * narrow
        pdf.code39(f"*{case}*", x=(_WIDTH - width) / 2, y=top + 25, w=3 * narrow, h=11)
        pdf.set_y(top + 44)

    def fact(self, word: str | None, value: str, *, rare: bool = False) -> None:
        """A line of what was received; without a word it goes on with the one before."""
        pdf = self._pdf
        label = "" if word is None else f"{self._word(word)}  {self._word(word, Language.ENGLISH)}"
        self._pen(9, _FAINT)
        pdf.cell(_LABEL, 7, self._shown("sheet", label))
        font = "rare" if rare and "rare" in self._pdf.fonts else "sheet"
        self._pen(12, _INK, font)
        pdf.multi_cell(0, 7, self._shown(font, value), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        if rare and GETA in self._shown(font, value):
            self.remark(f"{self._word('geta')}  {self._word('geta', Language.ENGLISH)}")

    def remark(self, text: str) -> None:
        """A small line under what was received."""
        self._pdf.set_x(_MARGIN + _LABEL)
        self._line(text, 9, 5, _FAINT)

    def next_steps(self) -> None:
        """What comes next, in both languages."""
        pdf = self._pdf
        pdf.ln(3)
        pdf.set_draw_color(*_FAINT)
        pdf.line(_MARGIN, pdf.get_y(), _WIDTH - _MARGIN, pdf.get_y())
        pdf.ln(3)
        for language, size in ((Language.JAPANESE, 11), (Language.ENGLISH, 9)):
            for key in ("next_1", "next_2", "next_3"):
                self._pen(size, _INK if language is Language.JAPANESE else _FAINT)
                text = self._shown("sheet", self._word(key, language))
                pdf.multi_cell(0, size * 0.55, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
            pdf.ln(2)

    def foot(self, printed: str) -> None:
        """When it was printed."""
        self._pdf.set_y(-_MARGIN - 5)
        self._line(f"{self._word('printed')} {printed}", 8, 5, _FAINT, align="R")

    def output(self, at: datetime) -> bytes:
        """The file. The same case at the same moment gives the same octets."""
        self._pdf.set_title(self._word("title"))
        self._pdf.set_creation_date(at)
        return bytes(self._pdf.output())

    def _word(self, key: str, language: Language = Language.JAPANESE) -> str:
        return self._texts.say(language, f"registration.slip.{key}")

    def _shown(self, font: str, text: str) -> str:
        return drawable(text, cast("TTFFont", self._pdf.fonts[font]).cmap)

    def _pen(self, size: float, colour: tuple[int, int, int], font: str = "sheet") -> None:
        self._pdf.set_font(font, size=size)
        self._pdf.set_text_color(*colour)

    def _line(
        self, text: str, size: float, height: float, colour: tuple[int, int, int] = _INK, align: str = "L"
    ) -> None:
        self._pen(size, colour)
        self._pdf.cell(
            0, height, self._shown("sheet", text), align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )
