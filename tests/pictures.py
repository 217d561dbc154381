"""``python -m tests.pictures``: the pictures of docs/pictures, of every page at both widths.

They are in Japanese, and the first ones of each room in English too. Chromium writes its own words (of files and days) in
Japanese where Debian's chromium-l10n is installed; the letters are Noto Sans CJK's, of fonts-noto-cjk.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.browser import NARROW, WIDE, Desk, chromium
from tests.tour import touring

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
IN_ENGLISH = ("sign-in", "new-application", "case-examine", "local-work", "centre", "audit")
TALLEST = 2400
"""Pixels: what is below says nothing new."""
LARGEST = 100_000
"""Octets of a picture."""
_COLOURS = (128, 64, 32, 16)


def take(desk: Desk, name: str) -> None:
    """Take the pictures of the page that is open."""
    for width in (WIDE, NARROW):
        desk.page.set_viewport_size({"width": width, "height": 800})
        desk.page.evaluate("() => document.fonts.ready.then(() => true)")
        whole = desk.page.screenshot(full_page=True, animations="disabled")
        (FOLDER / f"{name}-{width}.png").write_bytes(small(whole))
    desk.page.set_viewport_size({"width": desk.width, "height": 800})


def small(octets: bytes) -> bytes:
    """The picture with as many colours as let it stay small."""
    with Image.open(io.BytesIO(octets)) as opened:
        picture = opened.convert("RGB").crop((0, 0, opened.width, min(opened.height, TALLEST)))
    found = b""
    for colours in _COLOURS:
        kept = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(kept, "PNG", optimize=True)
        found = kept.getvalue()
        if len(found) <= LARGEST:
            break
    return found


def main() -> int:
    """Take them all anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for language, short in (("ja-JP", "ja"), ("en-GB", "en")):
        with (
            tempfile.TemporaryDirectory() as folder,
            touring(Path(folder)) as tour,
            chromium(short) as browser,
        ):
            for stop, desk in tour.visits(browser, language):
                if short == "ja":
                    take(desk, stop.name)
                elif stop.name in IN_ENGLISH:
                    take(desk, f"{stop.name}-en")
    sys.stdout.write(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
