"""A PostgreSQL server of the bench's own: begun, measured and ended by its folder.

Unlike the tests' own (tests/postgresql.py) it is durable: every setting is as PostgreSQL comes.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import run
from tests.components import found


def _unprivileged() -> list[str]:
    """How to run a program as somebody else, since the server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    users = {entry.pw_name for entry in pwd.getpwall()}
    return ["runuser", "-u", "postgres" if "postgres" in users else "nobody", "--"]


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty database, in a server that is reached through a socket in its folder."""
    initdb = found("postgresql")
    assert initdb is not None, "the caller has looked for it"
    someone = _unprivileged()
    folder = Path(run([*someone, "mktemp", "-d"], cwd="/").strip())
    data = folder / "data"
    control = [*someone, initdb.with_name("pg_ctl"), "-D", data, "-w", "-s"]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
    try:
        run([*someone, initdb, "-D", data, "-U", "kakehashi", "-A", "trust", "-E", "UTF8"], cwd="/")
        # The server inherits what pg_ctl prints to, so that must not be waited for.
        run(["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", *control, "-l", folder / "log", "-o", options, "start"], cwd="/")  # fmt: skip
        try:
            yield f"postgresql+psycopg://kakehashi@/postgres?host={folder}"
        finally:
            run([*control, "-m", "fast", "stop"], cwd="/")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
