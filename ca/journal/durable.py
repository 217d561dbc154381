"""Octets that are on the disk when a call returns, in several files at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ca.errors import HomeRefused, StorageFailed

BLOCK: Final = 1 << 20
"""Octets that are copied at a time."""


@contextmanager
def storage_errors(place: Path, doing: str = "cannot be written") -> Iterator[None]:
    """Turn the operating system's refusals into StorageFailed."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise StorageFailed(
            str(error.filename or place),
            f"{doing}: {error.strerror}",
            remedy="Make room and try again" if full else None,
        ) from None


def write_at(path: Path, offset: int, octets: bytes) -> None:
    """Write octets at this offset of a file and end it there; durable on return, with its name if it begins here."""
    with _opened(path, os.O_WRONLY | os.O_CREAT) as descriptor:
        end = _write(descriptor, offset, octets)
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    if offset == 0:
        sync(path.parent)


def replace_at(path: Path, octets_at: Sequence[tuple[int, bytes]]) -> None:
    """Write over octets in the midst of a file; durable on return."""
    with _opened(path) as descriptor:
        for offset, octets in octets_at:
            _write(descriptor, offset, octets)
        os.fsync(descriptor)


def cut(path: Path, length: int) -> None:
    """End a file at this length, durably, if it is longer; one that is not there stays so."""
    try:
        longer = path.stat().st_size > length
    except FileNotFoundError:
        return
    if longer:
        with _opened(path) as descriptor:
            os.ftruncate(descriptor, length)
            os.fsync(descriptor)


def copy_range(source: Path, target: Path, start: int, end: int) -> None:
    """Make the target, from ``start`` on, what the source has up to ``end``; durable on return."""
    with source.open("rb") as file, _opened(target, os.O_WRONLY | os.O_CREAT) as descriptor:
        file.seek(start)
        place = start
        while place < end and (octets := file.read(min(BLOCK, end - place))):
            place = _write(descriptor, place, octets)
        os.ftruncate(descriptor, place)
        os.fsync(descriptor)
    if start == 0:
        sync(target.parent)


def copy_whole(source: Path, target: Path) -> None:
    """Make a copy of a file, whole or not at all; durable on return."""
    temporary = target.with_name(f".{target.name}.new")
    copy_range(source, temporary, 0, source.stat().st_size)
    temporary.replace(target)
    sync(target.parent)


def fill_holes(folders: Sequence[Path], suffix: str) -> None:
    """Give each folder the files of a numbered series that it lacks before its last one, if another folder has them.

    Raises:
        HomeRefused: Two folders have such a file in different lengths.
    """
    found = [{path.name: path for path in folder.glob(f"[0-9]*{suffix}")} for folder in folders]
    for folder, own in zip(folders, found, strict=True):
        for others in found:
            for name, path in others.items():
                if name >= min(max(own, default=""), max(others)):
                    continue
                if name not in own:
                    copy_whole(path, folder / name)
                elif own[name].stat().st_size != path.stat().st_size:
                    raise HomeRefused(
                        str(own[name]),
                        f"has another length than {path}",
                        remedy="Find out which of them is damaged and move it away: it is filled again",
                    )


def make_folder(folder: Path) -> None:
    """Make a folder for its owner alone, durably, if it is not there."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync(folder.parent)


def sync(path: Path) -> None:
    """Return when a file, or the names in a folder, are on the disk."""
    with _opened(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def at_once(jobs: Sequence[Callable[[], None]]) -> None:
    """Do all of these at once, since most of their time is the disks'; all have ended on return.

    Raises:
        StorageFailed: The first of those that were refused.
    """
    if len(jobs) == 1:
        jobs[0]()
        return
    with ThreadPoolExecutor(len(jobs) - 1) as threads:
        others = [threads.submit(job) for job in jobs[1:]]
        jobs[0]()
    for other in others:
        other.result()


@contextmanager
def _opened(path: Path, flags: int = os.O_WRONLY) -> Iterator[int]:
    # Of several files that are written at once, the error names the one that was refused.
    with storage_errors(path):
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _write(descriptor: int, offset: int, octets: bytes) -> int:
    """Write all of it; gives the offset behind it."""
    left = memoryview(octets)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written
    return offset
