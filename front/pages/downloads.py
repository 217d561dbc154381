"""What a file is called that a browser keeps."""

from __future__ import annotations

import re
from urllib.parse import quote

_UNSAFE = re.compile("[^A-Za-z0-9._ -]")


def disposition(name: str, *, shown: bool = False) -> str:
    """The Content-Disposition of a file (RFC 6266 4.1): its name in ASCII for everybody, and in full where that is not all.

    Args:
        name: How the file is called, in whatever characters.
        shown: Whether the browser shows it, rather than keeping it.
    """
    plain = _UNSAFE.sub("_", name)
    how = "inline" if shown else "attachment"
    full = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return f'{how}; filename="{plain}"{full}'
