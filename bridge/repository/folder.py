"""The repository's folder as its one writer sees it: whole files only, durable, one publication at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from bridge.repository.layout import delta_path, list_path
from ca.errors import HomeBusy, StorageFailed
from ca.model import FULL, GenerationId, Scope
from ca.revoking.lists.publisher import SignedList

# So many files are made durable one by one; beyond it, one sync of everything costs less.
_SYNC_SINGLY = 16
# How long a publication waits for another one: a nation's lists take seconds.
_PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Repository:
    """The folder, as its one writer sees it. Implements ``ca.revoking.lists.publisher.Publisher``."""

    folder: Path

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Admit one publication at a time, in all processes."""
        with ExitStack() as stack:
            with self._clear_errors():
                self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
                path = self.folder.parent / "publishing.lock"
                path.touch(mode=0o600)  # who can lock it can stop all publishing
                lock = stack.enter_context(path.open("w"))
            self._wait_for(lock)
            yield

    def _wait_for(self, lock: TextIO) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HomeBusy(
                        f"repository {self.folder}",
                        f"another process has been publishing for {_PATIENCE_SECONDS} seconds",
                        remedy="See what it is doing, and try again",
                    ) from None
                time.sleep(0.01)
            else:
                return

    def sweep(self) -> None:
        """Remove what a publication that was killed left half written. To be called while nobody publishes."""
        with self._clear_errors():
            for stray in (*self.folder.rglob(".*"), *self.folder.rglob("*.new")):
                stray.unlink()

    def newest(self, generation: GenerationId, scope: Scope, *, delta: bool = False) -> BinaryIO | None:
        """The complete list that relying parties get, or the delta list; None if there is none."""
        return self._open(delta_path(generation, scope) if delta else list_path(generation, scope))

    def numbered(self, generation: GenerationId, scope: Scope, number: int) -> BinaryIO | None:
        """The complete list of this number; None if it is lost."""
        return self._open(list_path(generation, scope, number))

    def numbers(self, generation: GenerationId, scope: Scope) -> list[int]:
        """Under which numbers complete lists of this scope lie, in no order."""
        folder = (self.folder / list_path(generation, scope)).with_suffix("")
        with self._clear_errors():
            try:
                with os.scandir(folder) as there:
                    parts = [file.name.partition(".") for file in there]
            except FileNotFoundError:
                return []
        return [int(stem) for stem, _, suffix in parts if suffix == "crl" and stem.isdecimal()]

    def delta_path(self, generation: GenerationId, scope: Scope) -> str:
        """Where the delta list lies below the URL of the world."""
        return delta_path(generation, scope)

    @contextmanager
    def draft(self, generation: GenerationId) -> Iterator[BinaryIO]:
        """An empty file that nobody else reads; it is gone at the end unless it was placed.

        It lies beside the lists, so that placing it is renaming it.
        """
        with self._clear_errors():
            folder = (self.folder / list_path(generation, FULL)).parent
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor, path = tempfile.mkstemp(dir=folder, prefix=".")
            try:
                with open(path, "w+b", opener=lambda *_: descriptor) as file:
                    yield file
            finally:
                with suppress(OSError):
                    Path(path).unlink()

    def place_lists(self, generation: GenerationId, signed: Sequence[SignedList]) -> None:
        """Place complete lists under their numbers, then make each the newest of its scope; durable on return."""
        with self._clear_errors():
            numbered, deltas = [], []
            for item in signed:
                os.fchmod(item.file.fileno(), 0o644)  # public by purpose: any web server may read it
                draft = Path(item.file.name)
                if item.delta:
                    deltas.append((draft, self.folder / delta_path(generation, item.scope)))
                    continue
                target = self.folder / list_path(generation, item.scope, item.number)
                target.parent.mkdir(mode=0o755, exist_ok=True)
                draft.replace(target)
                numbered.append((target, self.folder / list_path(generation, item.scope)))
            _make_durable([file for file, _ in (*numbered, *deltas)])
            for file, newest in numbered:
                link = file.with_suffix(".new")
                link.unlink(missing_ok=True)
                os.link(file, link)
                link.replace(newest)
            # A delta list comes after the complete one of its moment, or readers would seek a number that is not there.
            for draft, newest in deltas:
                draft.replace(newest)
            _make_durable([newest for _, newest in (*numbered, *deltas)])

    def place(self, files: Sequence[tuple[str, bytes]]) -> int:
        """Place files that are not there yet, or differ; durable on return. Gives how many were written."""
        with self._clear_errors():
            written = [self._write(path, content) for path, content in files if self.differs(path, content)]
            _make_durable(written)
        return len(written)

    def withdraw(self, paths: Sequence[str]) -> int:
        """Take files away that are there; durable on return. Gives how many they were."""
        with self._clear_errors():
            gone = [self.folder / path for path in paths if self.has(path)]
            for file in gone:
                file.unlink()
            _make_durable([file.parent for file in gone])
        return len(gone)

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return (self.folder / path).is_file()

    def differs(self, path: str, content: bytes) -> bool:
        """Whether the file is not there, or has other content."""
        try:
            return (self.folder / path).read_bytes() != content
        except FileNotFoundError:
            return True

    def _open(self, path: str) -> BinaryIO | None:
        with self._clear_errors():
            try:
                return (self.folder / path).open("rb")
            except FileNotFoundError:
                return None

    def _write(self, path: str, content: bytes) -> Path:
        target = self.folder / path
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), 0o644)  # public by purpose: any web server may read it
            Path(temporary).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
        return target

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageFailed(
                f"repository {self.folder}",
                f"cannot be written: {error.strerror}",
                remedy="Mend the storage, then run `kakehashi list publish`",
            ) from None


def _make_durable(paths: Sequence[Path]) -> None:
    """Return when the files and their names are on the disk."""
    if len(paths) > _SYNC_SINGLY:
        os.sync()
        return
    for path in [*paths, *{path.parent for path in paths}]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
