"""Processes that share work: each opens for itself what it works with, and takes one task after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

_PROCESSES = get_context("spawn")
_PATIENCE = 30.0

Opening = Callable[[], AbstractContextManager[Any]]
"""Opens in a process what the tasks are methods of. Has to be picklable."""


class Crew:
    """The processes, ready to work."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections

    def do(self, method: str, tasks: Iterable[Any]) -> list[Any]:
        """Have every task done by one of them, whoever is free; gives the answers as they came."""
        waiting = deque(tasks)
        answers: list[Any] = []
        busy: set[Connection] = set()
        for connection in self._connections:
            _next(connection, method, waiting, busy)
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection), "only connections are waited for"
                busy.discard(ready)
                answers.append(_answer(ready))
                _next(ready, method, waiting, busy)
        return answers


@contextmanager
def crew(opening: Opening, processes: int) -> Iterator[Crew]:
    """So many processes, each of which has opened what it works with."""
    started = []
    connections = []
    try:
        for _ in range(processes):
            ours, theirs = _PROCESSES.Pipe()
            process = _PROCESSES.Process(target=_work, args=(opening, theirs), daemon=True)
            process.start()
            theirs.close()
            started.append(process)
            connections.append(ours)
        for connection in connections:
            _answer(connection)
        yield Crew(connections)
    finally:
        for connection in connections:
            connection.close()  # a process reads the end of its work
        for process in started:
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()


def _next(connection: Connection, method: str, waiting: deque[Any], busy: set[Connection]) -> None:
    if waiting:
        connection.send((method, waiting.popleft()))
        busy.add(connection)


def _answer(connection: Connection) -> Any:
    answer = connection.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _work(opening: Opening, connection: Connection) -> None:
    try:
        with opening() as opened:
            connection.send("ready")
            while True:
                method, task = connection.recv()
                connection.send(getattr(opened, method)(task))
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - whatever it was, the parent raises it
        with suppress(BrokenPipeError):  # unless another's error has ended it
            connection.send(error)
