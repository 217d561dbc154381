"""The directory's entries as LDIF (RFC 2849), for servers that are filled from a file: ``ldapadd``, ``slapadd``."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bridge.repository.entries import Entry

_SAFE = re.compile(r"[!-9;=-~][ -~]*(?<! )", re.ASCII)  # SAFE-STRING, of printable characters alone
_WIDTH = 76


def ldif(entries: Iterable[Entry], folder: Path) -> Iterator[str]:
    """The lines of the entries, each with its end; what stands above others comes first.

    There is no ``version: 1`` (RFC 2849 note 1): slapadd of OpenLDAP takes it for an entry's, and others do without.
    """
    for number, entry in enumerate(entries):
        if number:
            yield "\n"
        yield from _lines("dn", entry.name.encode())
        for name in entry.classes:
            yield from _lines("objectClass", name.encode())
        kind, text = entry.naming
        yield from _lines(kind, text.encode())
        for attribute in entry.files:
            for value in entry.values(folder, (attribute,))[attribute]:
                yield from _lines(attribute, value)


def _lines(attribute: str, value: bytes) -> Iterator[str]:
    """``attribute: text``, or ``attribute:: base64``, in lines of a width that every reader takes (RFC 2849 note 2)."""
    text = value.decode("ascii", "replace")
    line = (
        f"{attribute}: {text}"
        if _SAFE.fullmatch(text)
        else f"{attribute}:: {base64.b64encode(value).decode()}"
    )
    yield line[:_WIDTH] + "\n"
    for start in range(_WIDTH, len(line), _WIDTH - 1):
        yield f" {line[start : start + _WIDTH - 1]}\n"
