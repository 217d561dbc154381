"""Which files of each feed have come: their numbers, in the nation's database."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from ca.rules.feed_numbers import Run, joined
from ca.store.tables import feed_runs


def runs(connection: Connection, feed: str) -> tuple[Run, ...]:
    """The numbers of a feed's files that have come, in their order."""
    columns = feed_runs.c
    query = select(columns.first, columns.last).where(columns.feed == feed).order_by(columns.first)
    return tuple(Run(first, last) for first, last in connection.execute(query))


def everything(connection: Connection) -> dict[str, tuple[Run, ...]]:
    """The same of every feed, by name."""
    names = connection.execute(select(feed_runs.c.feed).distinct().order_by(feed_runs.c.feed)).scalars().all()
    return {name: runs(connection, name) for name in names}


def note(connection: Connection, feed: str, number: int) -> None:
    """Write down that a file has come. Again, it changes nothing."""
    before = runs(connection, feed)
    after = joined(before, number)
    for run in set(before) - set(after):
        columns = feed_runs.c
        connection.execute(delete(feed_runs).where(columns.feed == feed, columns.first == run.first))
    for run in set(after) - set(before):
        connection.execute(insert(feed_runs).values(feed=feed, first=run.first, last=run.last))
