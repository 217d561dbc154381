"""A watched directory: feed files that appear in it are applied in the order of their names, answered, and put away.

::

    chiyoda-12.csv                       a file to be taken, under a plain name that ends in .jsonl or .csv
    chiyoda-12.csv.sha256                if its sender wants it checked: what sha256sum prints
    done/chiyoda-11.csv                  a file that was applied, and beside it
    done/chiyoda-11.csv.answer.json      its outcomes; or, in refused/, why nothing of it was applied

A sender writes a file under another name and renames it when it is whole. The answer is on the disk before the file
moves: a process that dies in between leaves a file whose answer lies there, and the next one only moves it. One that
dies before the answer leaves a file that is applied again, which changes nothing: its events come back as replayed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal

import msgspec

from ca.clock import utc_text
from ca.errors import BadInput, Conflict
from ca.journal.durable import storage_errors, sync, write_at
from ca.revoking.feed.events import LARGEST_FILE
from ca.revoking.feed.files import FORM, SUFFIXES, read_file
from front.assembly import World
from front.outcomes import error_fields, outcome_fields
from front.receipts import feed_receipt_fields

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ANSWER = ".answer.json"
_CHECK = ".sha256"
_LONGEST_ANSWER = 4 * LARGEST_FILE

Result = Literal["done", "refused"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a file.

    Attributes:
        name: As it was called when it came.
        result: Whether its events were applied, or nothing of it.
        path: Where it lies now, with its answer beside it.
        answer: What the answer says.
    """

    name: str
    result: Result
    path: Path
    answer: dict[str, Any]


def take(world: World, folder: Path) -> Generator[Answered, None, None]:
    """Take the files that lie there now, one by one; none if another process is at it.

    What is wrong with a file refuses this file alone. The lists are the caller's to publish.

    Raises:
        BadInput: There is no such directory.
        StorageFailed, HomeRefused, KeyRefused: Nothing can be applied or put away now; the files stay.
    """
    with _alone(folder) as is_alone:
        for name in _names(folder) if is_alone else ():
            yield _take(world, folder, name)


def _take(world: World, folder: Path, name: str) -> Answered:
    with storage_errors(folder):
        for result in ("done", "refused"):
            (folder / result).mkdir(exist_ok=True)
    with _opened(folder / name) as stream:
        digest = _digest(stream)
        answered = _answered_before(folder, name, digest)
        if answered is None:
            answered = _answer(world, folder, name, stream, digest)
    _put_away(folder, answered)
    return answered


def _answer(world: World, folder: Path, name: str, stream: BufferedReader, digest: str | None) -> Answered:
    """Apply a file, and write down what came of it."""
    code_key = world.issuers.vault.code_key()
    answer: dict[str, Any] = {"file": name, "sha256": digest, "at": utc_text(world.clock())}
    result: Result = "done"
    try:
        feed = read_file(stream, name, name, code_key, _check(folder / f"{name}{_CHECK}"))
        taken = world.events.take(feed, at=world.clock())
        answer |= {
            "feed": feed.name,
            "sequence": feed.sequence,
            "warnings": list(taken.warnings),
            "outcomes": [outcome_fields(outcome) for outcome in taken.outcomes],
            "receipt": feed_receipt_fields(world, feed, taken.outcomes),
        }
    except (BadInput, Conflict) as error:
        result, answer["error"] = "refused", error_fields(error)
    path = _free(folder / result / name)
    with storage_errors(folder):
        beside = _beside(path)
        temporary = beside.with_name(f".{beside.name}.new")
        write_at(temporary, 0, msgspec.json.encode(answer) + b"\n")
        temporary.replace(beside)
        sync(beside.parent)
    return Answered(name, result, path, answer)


def _put_away(folder: Path, answered: Answered) -> None:
    """Move a file to its answer."""
    with storage_errors(folder):
        # First, so that it is not taken for that of another file of this name.
        (folder / f"{answered.name}{_CHECK}").unlink(missing_ok=True)
        (folder / answered.name).rename(answered.path)
        sync(answered.path.parent)
        sync(folder)


def _answered_before(folder: Path, name: str, digest: str | None) -> Answered | None:
    """The answer that waits for just this file, if a process died before it moved it."""
    results: tuple[Result, ...] = ("done", "refused")
    for result in results:
        for path in _candidates(folder / result / name):
            beside = _beside(path)
            if not beside.exists():
                break
            if not path.exists() and beside.stat().st_size <= _LONGEST_ANSWER:
                answer = msgspec.json.decode(beside.read_bytes(), type=dict[str, Any])
                if answer["sha256"] == digest:
                    return Answered(name, result, path, answer)
    return None


def _candidates(path: Path) -> Iterator[Path]:
    """The names that a file may get: its own, then ``name.2.csv``, ``name.3.csv`` and so on."""
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.stem}.{number}{path.suffix}")
        number += 1


def _free(path: Path) -> Path:
    return next(one for one in _candidates(path) if not (one.exists() or _beside(one).exists()))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}{_ANSWER}")


def _names(folder: Path) -> list[str]:
    """The files to be taken, in the order of their names."""
    with storage_errors(folder, "cannot be read"), os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if _NAME.fullmatch(entry.name)
            and entry.name.lower().endswith(SUFFIXES)
            and entry.is_file(follow_symlinks=False)
        )


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    with storage_errors(path, "cannot be read"):
        stream = open(path, "rb", opener=_open_file)  # noqa: SIM115 - closed below; Path has no opener
    with stream:
        yield stream


def _open_file(path: str, flags: int) -> int:
    """Neither a link to elsewhere nor a pipe that nobody writes into, should one have taken the file's place."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _digest(stream: BufferedReader) -> str | None:
    """SHA-256 of the file, which stands at its beginning again; None of one that is too large to be read."""
    with storage_errors(Path(stream.name), "cannot be read"):
        if os.fstat(stream.fileno()).st_size > LARGEST_FILE:
            return None
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
    return digest


def _check(path: Path) -> dict[str, str]:
    """What the sender says of a file's octets, if it does."""
    try:
        with path.open("rb") as file:
            found = re.match(rb"([0-9a-f]{64})[ \n]", file.read(200))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadInput(path.name, f"cannot be read: {error.strerror}") from None
    if found is None:
        raise BadInput(path.name, "does not begin with a SHA-256 in hexadecimal digits", clause=FORM)
    return {"sha256": found[1].decode()}


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether this process works alone in the directory until the end; it does unless another one has come first."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BadInput(str(folder), f"is not a directory to be watched: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
