"""``kakehashi batch``: the certificates of many holders at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ca.errors import HomeBusy
from ca.issuing.approval import begin_batch
from ca.store import batches
from front.batches.pool import Job, issue_all
from front.batches.results import write_results
from front.batches.source import open_source, survey, table_rows
from front.batches.unpacking import laid_out
from front.cli.common import Settings, command_options


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--approver", required=True, help="The officer of the centre who approved the batch.")
@click.option("--operator", required=True, help="Another officer of the centre, who issues it.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Where the results and certificates go."
)
@click.option(
    "--processes", type=click.IntRange(1, 256), help="How many issue at once.  [default: one a processor]"
)
@command_options
def batch(
    settings: Settings, file: Path, approver: str, operator: str, out: Path, processes: int | None
) -> None:
    """Issue for every holder in a card factory's ZIP file or directory; the same command again goes on.

    FILE has a table holders.csv and the PKCS#10 requests that it names. Each holder gets all the kinds asked for, or
    none and the reason, which stands in OUT/results.csv.

    \b
    Example:
      kakehashi batch cards.zip --approver tanaka --operator ito --out results --home world
    """
    console = settings.console(stderr=True)
    with settings.world() as world, _alone(world.home.folder), laid_out(file, world.home.folder) as folder, Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[refused]} refused"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        source = open_source(folder)
        contents = survey(source, str(file))
        _ = world.issuers  # what an earlier run intended is signed now
        record = begin_batch(
            world.stores,
            contents.digest,
            contents.rows,
            approver=approver,
            operator=operator,
            at=world.clock(),
        )
        job = Job(settings.home, folder, record, world.secret(), settings.clock)
        task = bar.add_task("holders", total=contents.rows, rate="", refused=0)
        issued = refused = certificates = 0
        results = bar.add_task("results", total=None, rate="", refused=0, visible=False)
        bar.advance(task, 0)  # from here on rates are reckoned
        with table_rows(source, str(file)) as rows:
            for done in issue_all(job, rows, processes or len(os.sched_getaffinity(0))):
                issued, refused = issued + done.issued, refused + done.refused
                certificates += done.certificates
                bar.update(task, advance=done.issued + done.refused + done.known, refused=refused)
                speed = bar.tasks[task].speed
                bar.update(task, rate="" if speed is None else f"{speed:,.0f}/s")
        bar.reset(results, rate="", refused=refused, visible=True)  # what is not named here would be gone
        table = write_results(
            world.stores, record.id, source, str(file), out, lambda count: bar.advance(results, count)
        )
        with world.stores.nation.reading() as connection:
            answered = batches.count(connection, record.id)
    settings.tell(
        {
            "batch": record.id,
            "approver": record.approver,
            "operator": record.operator,
            "approved_at": record.approved_at.isoformat(),
            "holders": contents.rows,
            "answered": answered,
            "issued_now": issued,
            "refused_now": refused,
            "certificates_now": certificates,
            "results": str(table),
        }
    )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let one batch at a time be issued in a home."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeBusy(
                f"home {home}", "is issuing another batch", remedy="Wait for it to end and try again"
            ) from None
        yield
    finally:
        os.close(folder)
