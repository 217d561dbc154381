"""The files of a key folder: JSON records of one format number, written whole or not at all, read bounded."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from ca.errors import KeyRefused, StorageFailed

FORMAT = 1
"""The format number that every file carries. A file of a newer format is refused, never guessed at."""

# The largest file, a sealed RSA-4096 key, has under 5 KiB.
_FILE_LIMIT = 64 * 1024


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one file holds; each kind of file is a subclass."""

    format: int = FORMAT


class _Head(msgspec.Struct):
    """What can be read of a file of any format."""

    format: Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]


R = TypeVar("R", bound=Record)


def read(path: Path, kind: type[R], what: str) -> R:
    """The record in this file.

    Args:
        path: The file.
        kind: What must lie there.
        what: The file's purpose in words, for the error.

    Raises:
        KeyRefused: The file is missing, cannot be read, is not such a record, or is of a newer format.
    """
    place = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT + 1)
    except FileNotFoundError:
        raise KeyRefused(
            place, f"is missing; it should be {what}", remedy="Restore it from the backup of the keys"
        ) from None
    except OSError as error:
        raise KeyRefused(place, f"cannot be read: {error.strerror}") from None
    damaged = KeyRefused(
        place, f"is damaged, or is not {what}", remedy="Restore it from the backup of the keys"
    )
    if len(content) > _FILE_LIMIT:
        raise damaged
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.format > FORMAT:
            raise KeyRefused(
                place,
                f"has format {head.format}; this version reads formats up to {FORMAT}",
                remedy="Use the version of the product that made it, or a newer one",
            )
        record = msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise damaged from None
    if record.format != FORMAT:
        raise damaged
    return record


def place(path: Path, record: Record) -> None:
    """Write a record durably under its name, mode 0600. A file that is there already stays as it is.

    The name appears only when the whole content is on the disk. It is given by a hard link and not by renaming,
    because a link never replaces anything: a key that may have signed cannot be overwritten, not even by
    another process that makes the same key at the same moment.

    Raises:
        StorageFailed: The disk refused; nothing of the file is left.
    """
    try:
        _write(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
    except FileExistsError:
        return
    except OSError as error:
        raise StorageFailed(str(path), f"cannot be written: {error.strerror}") from error


def prepare(folder: Path) -> None:
    """Make the folder (mode 0700) if it is not there, and clear away what an interrupted writing left in it.

    One process at a time may do this, which the lock of a home sees to.

    Raises:
        StorageFailed: The disk refused.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for stray in folder.glob(".*.tmp"):
            stray.unlink()
        # A file that was named just before a crash is from here on as durable as one that was written now.
        _sync(folder)
        _sync(folder.parent)
    except OSError as error:
        raise StorageFailed(str(folder), f"cannot be made a folder of keys: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")  # made with mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    try:
        _sync(path.parent)
    except OSError:
        path.unlink()
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
