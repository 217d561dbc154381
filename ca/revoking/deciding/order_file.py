"""Files that name certificates one a line, by their ids: ``jpki-13.g1:5a3f...``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from ca.errors import BadInput
from ca.model import CertificateId

MOST_LINES = 1_000_000
_LONGEST_LINE = 100  # an id has at most 88 characters


@dataclass(frozen=True, slots=True)
class NamedCertificates:
    """The certificates that a file names, each once, in the order of its lines.

    Attributes:
        place: What the file is called in messages.
    """

    place: str
    certificates: tuple[CertificateId, ...]


def read_certificate_ids(file: BinaryIO, place: str, most: int = MOST_LINES) -> NamedCertificates:
    """Read a file of at most so many certificate ids; BadInput names the line that is wrong."""
    lines: dict[CertificateId, int] = {}
    number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        here = f"{place} line {number}"
        if number > most:
            raise BadInput(place, f"has more than {most:,} lines", remedy="Make several orders")
        if len(line) > _LONGEST_LINE:
            raise BadInput(here, "is too long for a certificate id")
        try:
            certificate = CertificateId.parse(line.decode("ascii").strip())
        except UnicodeDecodeError:
            raise BadInput(here, "is not a certificate id: it is not ASCII") from None
        except BadInput as error:
            raise BadInput(here, error.problem, clause=error.clause) from None
        if certificate in lines:
            raise BadInput(here, f"names what line {lines[certificate]} names already")
        lines[certificate] = number
    if not lines:
        raise BadInput(place, "names no certificate")
    return NamedCertificates(place, tuple(lines))
