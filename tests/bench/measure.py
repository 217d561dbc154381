"""How things are measured: contenders in turn and medians; a command with the memory of all its processes."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_LOOK = 0.1  # seconds between two looks at a command's memory


@dataclass(frozen=True)
class Standing:
    """What came of one contender: the median of its rounds, and of what ours had in the same round to it."""

    figure: float
    ratio: float


def in_turn(rounds: int, ours: Callable[[], float], *others: Callable[[], float]) -> list[Standing]:
    """Measure so many rounds, everyone once a round; ours comes first, with the ratio 1.

    A contender does its work and gives its figure.
    """
    table = [[contender() for contender in (ours, *others)] for _ in range(rounds)]
    return [
        Standing(median(column), median(row[0] / figure for row, figure in zip(table, column, strict=True)))
        for column in zip(*table, strict=True)
    ]


def rate(count: int, work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How many a second: ``count`` of them are done by ``work``."""
    begun = clock()
    work()
    return count / (clock() - begun)


def seconds(command: Sequence[object], **options: object) -> float:
    """How long a command takes that must succeed."""
    begun = time.perf_counter()
    run(command, **options)
    return time.perf_counter() - begun


def spent_by_commands() -> float:
    """Seconds of the processor that all commands so far have taken."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command: Sequence[object], **options: object) -> str:
    """What a command prints; its complaints are shown if it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)  # type: ignore[call-overload]  # noqa: PLW1510 - looked at below
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return str(done.stdout)


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds, and at its peak the octets of memory of all its processes together."""

    seconds: float
    peak: int


def watched(command: Sequence[object], log: Path, environment: Mapping[str, str]) -> Spent:
    """Run a command that must succeed, and look at its memory all the while.

    Memory is the proportional set size: what processes share counts once.
    """
    begun = time.perf_counter()
    peak = 0
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=output, stderr=output, env=environment
        )
        try:
            while process.poll() is None:
                peak = max(peak, sum(map(_proportional, _family(process.pid))))
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {log.read_text()[-2000:]}")
    return Spent(time.perf_counter() - begun, peak)


def _family(process: int) -> list[int]:
    """A process and all that descend from it."""
    found = [process]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def _proportional(process: int) -> int:
    """Octets of memory; none for a process that has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
