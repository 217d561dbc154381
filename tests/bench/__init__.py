"""The bench: how fast and how large, beside references that are measured in the same run.

``make bench`` and ``make bench-full`` print a table and write ``bench.json``. A case is a function that gives rows;
ours and its references are measured in turn, several rounds, and medians count. Read in this order: report (what a
row says), measure (how it is measured), scale (how much), materials and homes (of what), then the cases: one_thread,
durable, command, starting, lists, ending, status, verified (with verifiable, verified_parts), windows
(with people), inventoried, counted, suites, simulated.
"""

from tests.bench import (
    command,
    counted,
    durable,
    ending,
    inventoried,
    lists,
    one_thread,
    simulated,
    starting,
    status,
    suites,
    verified,
    windows,
)
from tests.bench.bench import Case

CASES: dict[str, Case] = {
    "one-thread": one_thread.rows,
    "sqlite": durable.sqlite,
    "p256": durable.sqlite_p256,
    "postgresql": durable.on_postgresql,
    "batch": command.rows,
    "start": starting.start,
    "init": starting.making,
    "lists": lists.rows,
    "partition": lists.partition,
    "events": ending.events,
    "order": ending.order,
    "status": status.rows,
    "visible": status.visible,
    "drill": status.drill,
    "verify": verified.rows,
    "paths": verified.paths,
    "ldap": verified.directory,
    "windows": windows.rows,
    "inventory": inventoried.rows,
    "dashboard": counted.rows,
    "suites": suites.rows,
    "simulate": simulated.rows,
}
"""By the name under which one of them can be measured alone."""
