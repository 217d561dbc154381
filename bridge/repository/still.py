"""What is published at one moment, kept still for readers who take longer than a publication may wait.

A directory that is slow to write to, or a pipe that nobody empties, must not hold up the lists over HTTP, and what is read
must be of one moment all the same. So the folder's lock is held only while links to the files are made: published files
are replaced, never written into, and a link goes on leading to the old one.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.manifest import MANIFEST
from bridge.repository.entries import Entry, read_entries
from bridge.repository.folder import Repository
from ca.errors import StorageFailed

_PREFIX = ".still-"
_SHOWN = (MANIFEST, "g/*/self.cer", "g/*/cross/*.cer", "g/*/pairs/*.ccp", "g/*/crl/*.crl")
"""What entries are made of: the newest of everything."""


@dataclass(frozen=True, slots=True)
class Still:
    """The published folder's entries at one moment.

    Attributes:
        folder: Where their files are, until the block ends.
    """

    folder: Path
    entries: list[Entry]


@contextmanager
def still(repository: Repository) -> Iterator[Still]:
    """What is published now, while nobody publishes; whoever does may go on at once.

    Raises:
        BadInput: The folder has no manifest, or a name in it is none that an entry can have.
        StorageFailed: A file cannot be read, or beside the folder nothing can be written.
        HomeBusy: Another process has been publishing for too long.
    """
    with ExitStack() as stack:
        with repository.exclusive(), _clear_errors(repository):
            beside = repository.folder.parent
            _sweep(beside)
            made = Path(tempfile.mkdtemp(dir=beside, prefix=_PREFIX))
            stack.callback(shutil.rmtree, made, ignore_errors=True)
            kept = os.open(made, os.O_RDONLY)
            stack.callback(os.close, kept)
            fcntl.flock(kept, fcntl.LOCK_EX)
            entries = read_entries(repository.folder)
            _link(repository.folder, made, entries)
        yield Still(made, entries)


def published_state(repository: Repository) -> bytes:
    """A digest that changes whenever what entries are made of does; nothing is read for it but the files' places.

    To be taken before ``still``: what changes in between is published, and makes another digest the next time.
    """
    digest = hashlib.sha256()
    with _clear_errors(repository):
        for pattern in _SHOWN:
            for path in sorted(repository.folder.glob(pattern)):
                try:
                    stat = path.stat()
                except FileNotFoundError:  # replaced or withdrawn in this moment
                    continue
                # Every file is a new one when it is replaced, so its inode changes even within a tick of the clock.
                digest.update(f"{path.name} {stat.st_ino} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    return digest.digest()


def _link(source: Path, target: Path, entries: Iterable[Entry]) -> None:
    paths = {path for entry in entries for some in entry.files.values() for path in some}
    paths |= {path for entry in entries for path in entry.crosses if (source / path).is_file()}
    for path in sorted(paths):
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / path, place)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
                raise
            shutil.copyfile(source / path, place)  # another file system, or one without links


def _sweep(beside: Path) -> None:
    """Remove what readers left who were killed. To be called with the folder's lock: nobody is just beginning then."""
    for stray in beside.glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(stray, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # somebody reads it
        else:
            shutil.rmtree(stray, ignore_errors=True)
        finally:
            os.close(descriptor)


@contextmanager
def _clear_errors(repository: Repository) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(f"repository {repository.folder}", f"cannot be read: {error.strerror}") from None
