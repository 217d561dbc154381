"""How far a long command is, for whoever waits at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from front.cli.common import Settings


@contextmanager
def progress_bar(settings: Settings, what: str = "") -> Iterator[Callable[[str, int], None]]:
    """A bar on standard error while the block runs, gone at its end; silent where nobody looks.

    It begins with ``what`` is to come. What it gives is called once a step with what was done, and how many steps there are.
    """
    console = settings.console(stderr=True)
    with Progress(
        TextColumn("{task.description:.60}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=None)

        def progress(done: str, steps: int) -> None:
            bar.update(task, description=done, total=steps, advance=1)

        yield progress
