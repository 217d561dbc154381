"""The processes that issue a batch: each opens the home for itself and takes groups of rows, one after another."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from ca.errors import KakehashiError, StorageFailed
from ca.issuing.batch import GROUP, BatchIssuer, GroupDone
from ca.store.batches import BatchRecord
from front.assembly import open_world
from front.batches.rows import read_row
from front.batches.source import open_source

Row = tuple[int, dict[str, str]]

_PROCESSES = multiprocessing.get_context("spawn")  # a token's sessions do not outlive a fork
_PATIENCE = 30.0  # seconds for a process to end the group that it has in hand


@dataclass(frozen=True, slots=True)
class Job:
    """What every process of a batch has to know.

    Attributes:
        secret: What opens the vault.
        clock: Another moment for this command, as ``--clock`` gives it.
    """

    home: Path
    source: Path
    batch: BatchRecord
    secret: str = field(repr=False)
    clock: tuple[datetime, float] | None


def issue_all(job: Job, rows: Iterator[Row], processes: int) -> Iterator[GroupDone]:
    """Hand the rows out in groups; gives what came of each group as it is done.

    No more than a group a process is in memory.

    Raises:
        KakehashiError: What stopped a process. The others end the groups that they have in hand.
        StorageFailed: A process died.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(job)) for _ in range(processes)]
        busy: dict[Connection, BaseProcess] = {}
        groups = iter(lambda: list(islice(rows, GROUP)), [])
        for worker, connection in workers:
            if group := next(groups, None):
                _send(connection, worker, group)
                busy[connection] = worker
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection), "only connections are waited for"
                worker = busy.pop(ready)
                yield _answer(ready, worker)
                if group := next(groups, None):
                    _send(ready, worker, group)
                    busy[ready] = worker


def _send(connection: Connection, worker: BaseProcess, group: list[Row]) -> None:
    try:
        connection.send(group)
    except OSError:
        raise _died(worker) from None


def _answer(connection: Connection, worker: BaseProcess) -> GroupDone:
    try:
        answer: GroupDone | KakehashiError = connection.recv()
    except (EOFError, OSError):  # the second if there was something left that it had not read
        raise _died(worker) from None
    if isinstance(answer, KakehashiError):
        raise answer
    return answer


def _died(worker: BaseProcess) -> StorageFailed:
    worker.join()
    return StorageFailed(
        "batch",
        f"one of its processes died (exit status {worker.exitcode})",
        remedy="Run the same command again; it goes on where this one ended",
    )


@contextmanager
def _worker(job: Job) -> Iterator[tuple[BaseProcess, Connection]]:
    ours, theirs = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=_work, args=(job, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        ours.close()  # the process reads the end of its work, as it does when this one dies
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()


def _work(job: Job, connection: Connection) -> None:
    """A process: open the home, then answer a group at a time until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts all; the parent decides
    parent = multiprocessing.parent_process()
    assert parent is not None, "it is started by the command"
    with suppress(EOFError, ConnectionError):
        try:
            with (
                _turn(job.home / "batch.turn") as turn,
                open_world(job.home, lambda: job.secret, job.clock) as world,
            ):
                source = open_source(job.source)
                with turn:  # deriving a home's key takes 64 MiB for a moment; tokens like one login at a time
                    issuers = world.issuers_unrecovered  # the parent has recovered before
                code_key = issuers.vault.code_key()
                batch = BatchIssuer(issuers, world.plan.municipalities, world.chance, job.batch)
                while True:
                    rows = [
                        read_row(number, fields, source, code_key) for number, fields in connection.recv()
                    ]
                    if not parent.is_alive():
                        return  # what it laid out may be gone: a request that was not found says nothing
                    connection.send(batch.issue(rows, world.clock()))
        except KakehashiError as error:
            connection.send(error)


@contextmanager
def _turn(path: Path) -> Iterator[_Turn]:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _Turn(file)
    finally:
        os.close(file)


class _Turn:
    """A lock on a file: whoever waits is woken at once, and the kernel lets go for a process that dies."""

    def __init__(self, file: int) -> None:
        self._file = file

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
