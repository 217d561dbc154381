"""A ZIP file laid out as a directory in the home: the list of its contents, in every process, would fill the memory."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp

import msgspec

from ca.errors import BadInput, KakehashiError, StorageFailed
from front.batches.source import PROBLEMS, REQUESTS, TABLE, Folder, NotHandedIn, Zip, lines, table_rows
from front.home import storage_errors

_FOLDER = "batch-requests-"
_LONGEST_TABLE = 16 << 30  # octets; a nation's holders at once
_PROCESSES = multiprocessing.get_context("spawn")


@contextmanager
def laid_out(path: Path, home: Path) -> Iterator[Path]:
    """The directory itself, or one that a ZIP file's table and requests are unpacked to, for as long as they are needed.

    One batch at a time is issued in a home, which its lock sees to; what a killed one left of its holders is removed,
    whatever is handed in now.

    Raises:
        BadInput: It is no ZIP file, or one whose table cannot be read.
        StorageFailed: The disk refused.
    """
    with storage_errors(f"home {home}"):
        given = path.resolve()
        for left in home.resolve().glob(f"{_FOLDER}*"):
            if not given.is_relative_to(left):
                shutil.rmtree(left, ignore_errors=True)
    if path.is_dir():
        yield path
        return
    with storage_errors(f"home {home}"):
        # A new name each time: who unpacks for a run that was killed must not write among what another one reads.
        folder = Path(mkdtemp(prefix=_FOLDER, dir=home))
    try:
        _in_a_process(path, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _in_a_process(path: Path, folder: Path) -> None:
    """Unpack in a process of its own, which takes the memory with it when it ends."""
    ours, theirs = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_work, args=(path, folder, theirs), daemon=True)
    process.start()
    try:
        theirs.close()
        problem: KakehashiError | None = ours.recv()
    except EOFError:
        problem = StorageFailed(str(path), "could not be unpacked: the process died")
    finally:
        ours.close()
        process.kill()  # it has answered, or nobody waits for its answer any more
        process.join()
    if problem is not None:
        raise problem


def _work(path: Path, folder: Path, connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with storage_errors(str(folder)):
            _unpack(Zip(path), str(path), folder)
    except KakehashiError as error:
        connection.send(error)
    else:
        connection.send(None)


def _unpack(source: Zip, place: str, folder: Path) -> None:
    """Write the table, and the requests that it names; what is wrong with a request is written down beside them.

    Only with one that the ZIP file has, whose list is what bounds their number.
    """
    written = 0
    with source.table() as table, (folder / TABLE).open("wb") as copy:
        for line in lines(table, f"{place}, {TABLE}"):
            written += len(line)
            if written > _LONGEST_TABLE:
                raise BadInput(f"{place}, {TABLE}", f"is longer than {_LONGEST_TABLE} octets")
            copy.write(line)
    problems: dict[str, str] = {}
    with table_rows(Folder(folder), place) as rows:
        for number, fields in rows:
            for name in filter(None, map(fields.__getitem__, REQUESTS)):
                try:
                    octets = source.request(name, f"row {number}")
                except NotHandedIn:
                    continue  # as the folder will say
                except BadInput as error:
                    problems[name] = error.problem
                else:
                    (folder / name).write_bytes(octets)
    (folder / PROBLEMS).write_bytes(msgspec.json.encode(problems))
