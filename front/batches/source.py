"""What a card factory sends: a ZIP file or a directory with ``holders.csv`` and the requests that it names."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ca.errors import BadInput
from ca.issuing.intake import MAXIMUM_SIZE

TABLE = "holders.csv"
FORM = "docs/operating.md, batches"

REQUESTS: Mapping[str, str] = {
    "signature_csr": "signature",
    "user_authentication_csr": "user-authentication",
}
"""The columns that name a request's file, and the kind that each asks for."""

COLUMNS = (
    "reference",
    "code",
    "name",
    "name_substitutes",
    "sex",
    "birth_date",
    "address",
    "address_substitutes",
    "municipality",
    "card_expires",
    *REQUESTS,
)
"""The table's columns, in any order. ``reference`` is the sender's own name for the row."""

_LONGEST_FIELD = 4096
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class Source(Protocol):
    """What was handed in. May be opened by several processes."""

    def table(self) -> BinaryIO:
        """The octets of the table; BadInput if there is none."""
        ...

    def request(self, name: str) -> bytes:
        """The octets of a request, or one more than may be read; BadInput if there is none of this name."""
        ...


class Folder:
    """A directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def table(self) -> BinaryIO:
        """The octets of the table."""
        try:
            return (self._path / TABLE).open("rb")
        except OSError as error:
            raise BadInput(
                str(self._path / TABLE), f"cannot be read: {error.strerror}", clause=FORM
            ) from None

    def request(self, name: str) -> bytes:
        """The octets of a request."""
        try:
            with (self._path / _plain(name)).open("rb") as file:
                return file.read(MAXIMUM_SIZE + 1)
        except OSError as error:
            raise BadInput(f"request {name}", f"cannot be read: {error.strerror}") from None


class Zip:
    """A ZIP file."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not a ZIP file"
            raise BadInput(str(path), f"cannot be read: {reason}", clause=FORM) from None
        self._path = path

    def table(self) -> BinaryIO:
        """The octets of the table."""
        return self._open(TABLE)

    def request(self, name: str) -> bytes:
        """The octets of a request."""
        try:
            with self._open(_plain(name)) as file:
                return file.read(MAXIMUM_SIZE + 1)
        except (zipfile.BadZipFile, EOFError, OSError):
            raise BadInput(f"request {name}", "is damaged in the ZIP file") from None

    def _open(self, name: str) -> BinaryIO:
        try:
            return self._archive.open(name)  # type: ignore[return-value]
        except KeyError:
            raise BadInput(f"{self._path}, {name}", "is not in the ZIP file", clause=FORM) from None
        except (RuntimeError, NotImplementedError, zipfile.BadZipFile):
            raise BadInput(
                f"{self._path}, {name}", "is encrypted, damaged, or packed in a way not known"
            ) from None


def open_source(path: Path) -> Source:
    """What lies at this path; BadInput if it is neither a directory nor a ZIP file."""
    return Folder(path) if path.is_dir() else Zip(path)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a table comes to: how many rows, and the batch's id (SHA-256 of the table, in hexadecimal digits)."""

    rows: int
    digest: str


def survey(source: Source, place: str) -> Contents:
    """Read the whole table once, before anything is done.

    Raises:
        BadInput: It is not a table of the known columns in UTF-8, or a row has another number of fields; says where.
    """
    digest = hashlib.sha256()
    with source.table() as octets:
        while piece := octets.read(1 << 20):
            digest.update(piece)
    with table_rows(source, place) as rows:
        count = sum(1 for _ in rows)
    if count == 0:
        raise BadInput(place, "has no rows", clause=FORM)
    return Contents(count, digest.hexdigest())


@contextmanager
def table_rows(source: Source, place: str) -> Iterator[Iterator[tuple[int, dict[str, str]]]]:
    """The rows of the table with their numbers, from 1; raises as ``survey``."""
    with source.table() as octets, io.TextIOWrapper(octets, encoding="utf-8-sig", newline="") as text:
        yield _rows(text, f"{place}, {TABLE}")


def _rows(text: io.TextIOWrapper, place: str) -> Iterator[tuple[int, dict[str, str]]]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(text, strict=True)
    header: list[str] | None = None
    number = 0
    try:
        for fields in reader:
            if header is None:
                header = _header(fields, place)
            elif fields:  # a line with nothing on it is none
                number += 1
                if len(fields) != len(header):
                    raise BadInput(
                        f"{place} line {reader.line_num}",
                        f"has {len(fields)} fields for {len(header)} columns",
                        clause=FORM,
                    )
                yield number, dict(zip(header, fields, strict=True))
    except (csv.Error, UnicodeDecodeError, zipfile.BadZipFile, OSError) as error:
        problem = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error}"
        raise BadInput(f"{place} line {reader.line_num + 1}", problem, clause=FORM) from None


def _header(fields: list[str], place: str) -> list[str]:
    if sorted(fields) != sorted(COLUMNS):
        wrong = sorted(set(COLUMNS) ^ set(fields)) or ["a column stands twice"]
        raise BadInput(
            f"{place} line 1",
            f"its columns are not the known ones: {', '.join(repr(name[:40]) for name in wrong[:5])}",
            clause=FORM,
            remedy=f"Write {','.join(COLUMNS)}",
        )
    return fields


def _plain(name: str) -> str:
    """The name, if it is a plain file's: nothing that leads out of the directory."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            "request",
            "its file's name is not 1 to 100 letters, digits, dots, hyphens and underlines",
            clause=FORM,
        )
    return name
