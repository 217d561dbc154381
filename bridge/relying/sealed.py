"""A sealed copy of a published folder: is it the world's word, and whole?

Its ``SHA256SUMS`` is a statement of the world, as the manifest is. The copy is read where it is, a ZIP file or a folder
that one was unpacked into; nothing of it is written anywhere.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, Self, cast

from bridge.manifest import SUMS, SUMS_SIGNATURE
from bridge.relying.finding.fetch import FolderSource, Source
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.statements import check_statement
from ca.errors import BadInput
from ca.suites import SuiteId
from ca.wire.cms_facts import SIGNATURE_LIMIT

FILES_LIMIT = 1_000_000
"""Files of a copy: a nation's lists of a year, each under its number."""

FILE_LIMIT = 1 << 30
"""Octets of one file: some 25 million entries of a list."""

_SUMS_LIMIT = 256 * 1024 * 1024
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<path>[A-Za-z0-9][A-Za-z0-9._/-]{0,200})", re.ASCII)
_NUMBERED = re.compile(r"(?P<number>0|[1-9][0-9]{0,48})\.crl", re.ASCII)
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed copy that is what the world said it was. Only ``check_sealed`` makes one.

    Attributes:
        world: Whose it is, by its manifest.
        signed_at: When it was sealed, by its own word.
        files: How many files it has besides the seal.
    """

    world: str
    signed_at: datetime
    files: int


def check_sealed(copy: Path, anchor: bytes, at: datetime, legacy: frozenset[SuiteId] = frozenset()) -> Sealed:
    """Raise unless the copy is whole, and sealed by the repository's service of the anchor's world.

    Args:
        copy: A ZIP file, or a folder with its contents.
        anchor: The certificate that is trusted, DER.
        at: The moment at which the signer's certificate has to be valid, by the lists of then.
        legacy: The legacy suites whose signatures are believed in their time.

    Raises:
        BadInput: It cannot be read; a file is missing, is another, or is one too many; or the seal is no such statement.
        KeyRefused: The seal's signature is wrong, or its suite is not believed any more.
        PathRejected: No valid path leads from the anchor to the signer.
    """
    if copy.is_dir():
        names = [path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()]
        return _check(FolderSource(copy), names, anchor, at, legacy)
    with ZipSource(copy) as source:
        return _check(source, source.names, anchor, at, legacy)


def _check(
    source: Source, names: Sequence[str], anchor: bytes, at: datetime, legacy: frozenset[SuiteId]
) -> Sealed:
    said = source.read(SUMS, _SUMS_LIMIT)
    signature = source.read(SUMS_SIGNATURE, SIGNATURE_LIMIT)
    snapshot = Snapshot.read(source)
    signer = check_statement(said, signature, SUMS_SIGNATURE, snapshot, anchor, at, legacy)
    sums = _read_sums(said)
    for path, digest in sums.items():
        found = _Hashing()
        source.save(path, cast("BinaryIO", found), FILE_LIMIT)
        if found.digest.hexdigest() != digest:
            raise BadInput(path, f"is not the file that {SUMS} names")
    if more := sorted(set(names) - sums.keys() - {SUMS, SUMS_SIGNATURE}):
        raise BadInput(more[0], f"is not named in {SUMS}")
    return Sealed(snapshot.manifest.world, signer.signed_at, len(sums))


def _read_sums(said: bytes) -> dict[str, str]:
    sums: dict[str, str] = {}
    for number, line in enumerate(said.decode("ascii", "replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None or match["path"] in sums or len(sums) == FILES_LIMIT:
            raise BadInput(f"{SUMS} line {number}", "is not one more digest and path")
        sums[match["path"]] = match["digest"]
    return sums


# What ``zipfile`` reads with none but its own errors.
_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class _Hashing:
    """A file whose contents are only digested."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, octets: bytes) -> int:
        """Take in more."""
        self.digest.update(octets)
        return len(octets)


class ZipSource:
    """A ZIP file with a published folder in it. A context manager: it holds the file open.

    Attributes:
        names: Of all files.
    """

    def __init__(self, path: Path) -> None:
        """Read what is in it, or raise BadInput."""
        with _clear_errors(str(path)):
            self._archive = zipfile.ZipFile(path)
        files = [info for info in self._archive.infolist() if not info.filename.endswith("/")]
        if not all(info.compress_type in _COMPRESSIONS for info in files):
            self._archive.close()
            raise BadInput(str(path), "is compressed in a way that is not read here")
        self.names = [info.filename for info in files]
        if len(self.names) > FILES_LIMIT or len(set(self.names)) < len(self.names):
            self._archive.close()
            raise BadInput(str(path), f"holds more than {FILES_LIMIT} files, or one name twice")

    def __enter__(self) -> Self:
        """Use it in a block, at whose end it is closed."""
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def read(self, path: str, limit: int) -> bytes:
        """The octets of a file, at most so many."""
        with self._open(path) as file:
            octets = file.read(limit + 1)
        if len(octets) > limit:
            raise BadInput(path, f"longer than {limit} octets")
        return octets

    def save(self, path: str, target: BinaryIO, limit: int) -> None:
        """Write a file of at most so many octets into an empty one, a piece at a time."""
        with self._open(path) as file:
            while limit >= 0 and (chunk := file.read(_CHUNK)):
                limit -= len(chunk)
                target.write(chunk)
        if limit < 0:
            raise BadInput(path, "longer than it may be")

    def numbers(self, url: str) -> Sequence[int]:
        """The numbers of the lists in the folder named after the newest."""
        folder = url.removesuffix(".crl") + "/"
        inside = (name.removeprefix(folder) for name in self.names if name.startswith(folder))
        return sorted(int(match["number"]) for match in map(_NUMBERED.fullmatch, inside) if match)

    @contextmanager
    def _open(self, path: str) -> Iterator[IO[bytes]]:
        with _clear_errors(path):
            try:
                file = self._archive.open(path)
            except KeyError:
                raise BadInput(path, "is not in the copy") from None
            with file:
                yield file


@contextmanager
def _clear_errors(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(place, f"cannot be read: {error.strerror}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        # RuntimeError: of a file that is said to be encrypted; NotImplementedError: packed in a way of its own.
        raise BadInput(place, "is not a ZIP file that can be read, or is damaged") from None
