"""What a card factory sends: a ZIP file or a directory with ``holders.csv`` and the requests that it names."""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from ca.errors import BadInput
from ca.issuing.intake import MAXIMUM_SIZE

TABLE = "holders.csv"
PROBLEMS = ".problems.json"
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
_LONGEST_LINE = 64 * 1024
# Others are unpacked without a bound on what comes out.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error)
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class NotHandedIn(BadInput):
    """A file that should be in what was handed in is not."""


class Source(Protocol):
    """What was handed in. May be opened by several processes."""

    def table(self) -> BinaryIO:
        """The octets of the table; BadInput if there is none."""
        ...

    def request(self, name: str, place: str) -> bytes:
        """The octets of a request, or one more than may be read.

        No error repeats the name: the sender chose it, and it may be a resident's code.

        Args:
            name: As it stands in the table.
            place: Who names it: the row and the kind.

        Raises:
            NotHandedIn: There is none of this name, or it is no plain file's name.
            BadInput: What lies there cannot be read.
        """
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

    def request(self, name: str, place: str) -> bytes:
        """The octets of a request."""
        try:
            with (self._path / _plain(name, place)).open("rb") as file:
                return file.read(MAXIMUM_SIZE + 1)
        except FileNotFoundError:
            if name in self._problems:
                raise BadInput(place, self._problems[name]) from None
            raise NotHandedIn(place, "was not handed in under the name in the table") from None
        except OSError as error:
            raise BadInput(place, f"cannot be read: {error.strerror}") from None

    @cached_property
    def _problems(self) -> dict[str, str]:
        """What was wrong with requests that are not here, if these are unpacked from a ZIP file."""
        try:
            return msgspec.json.decode((self._path / PROBLEMS).read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}


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
        return self._open(TABLE, f"{self._path}, {TABLE}")

    def request(self, name: str, place: str) -> bytes:
        """The octets of a request."""
        try:
            with self._open(_plain(name, place), place) as file:
                return file.read(MAXIMUM_SIZE + 1)
        except _DAMAGED:
            raise BadInput(place, "is damaged in the ZIP file") from None

    def _open(self, name: str, place: str) -> BinaryIO:
        try:
            packed = self._archive.getinfo(name)
        except KeyError:
            raise NotHandedIn(place, "is not in the ZIP file", clause=FORM) from None
        if packed.compress_type not in _PACKED:
            raise BadInput(place, "is packed in another way than by deflating", clause=FORM)
        try:
            return self._archive.open(packed)  # type: ignore[return-value]
        except (RuntimeError, NotImplementedError, ValueError, *_DAMAGED):
            raise BadInput(place, "is encrypted or damaged", clause=FORM) from None


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

    def hashed(found: Iterable[bytes]) -> Iterator[bytes]:
        for line in found:
            digest.update(line)
            yield line

    place = f"{place}, {TABLE}"
    with source.table() as octets:
        count = sum(1 for _ in _rows(hashed(lines(octets, place)), place))
    if count == 0:
        raise BadInput(place, "has no rows", clause=FORM)
    return Contents(count, digest.hexdigest())


@contextmanager
def table_rows(source: Source, place: str) -> Iterator[Iterator[tuple[int, dict[str, str]]]]:
    """The rows of the table with their numbers, from 1; raises as ``survey``."""
    place = f"{place}, {TABLE}"
    with source.table() as octets:
        yield _rows(lines(octets, place), place)


def lines(octets: BinaryIO, place: str) -> Iterator[bytes]:
    """The lines of the table; BadInput if one is too long to be read."""
    number = 0
    while True:
        number += 1
        try:
            line = octets.readline(_LONGEST_LINE + 1)
        except _DAMAGED:
            raise BadInput(f"{place} line {number}", "cannot be read: it is damaged") from None
        if not line:
            return
        if len(line) > _LONGEST_LINE:
            raise BadInput(f"{place} line {number}", f"is longer than {_LONGEST_LINE} octets", clause=FORM)
        yield line


def _rows(found: Iterable[bytes], place: str) -> Iterator[tuple[int, dict[str, str]]]:
    csv.field_size_limit(_LONGEST_FIELD)
    header: list[str] | None = None
    number = 0
    for at, line in enumerate(found, 1):
        fields = _fields(line, "utf-8" if at > 1 else "utf-8-sig", f"{place} line {at}")
        if header is None:
            header = _header(fields, place)
        elif fields:  # a line with nothing on it is none
            number += 1
            if len(fields) != len(header):
                raise BadInput(
                    f"{place} line {at}",
                    f"has {len(fields)} fields for {len(header)} columns",
                    clause=FORM,
                )
            yield number, dict(zip(header, fields, strict=True))


def _fields(line: bytes, encoding: str, place: str) -> list[str]:
    """The fields of one line: a row is a line, so that no open quotation mark swallows what follows."""
    try:
        text = line.decode(encoding).rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadInput(place, "is not UTF-8", clause=FORM) from None
    if "\0" in text or "\r" in text:
        raise BadInput(place, "has a NUL or a carriage return in it", clause=FORM)
    try:
        return next(csv.reader((text,), strict=True))
    except csv.Error as error:
        raise BadInput(place, f"is not CSV: {error}", clause=FORM) from None


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


def _plain(name: str, place: str) -> str:
    """The name, if it is a plain file's: nothing that leads out of the directory."""
    if not _NAME.fullmatch(name) or name == TABLE:
        raise NotHandedIn(
            place,
            f"its file's name is not 1 to 100 letters, digits, dots, hyphens and underlines, or is {TABLE}",
            clause=FORM,
        )
    return name
