"""The centre's dashboard over many steps of cases: its first view in a process, and the next one."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask.testing import FlaskClient

from ca.clock import system_clock
from ca.store import officers
from ca.store.tables import microseconds
from front.app import create_app
from front.assembly import World, open_world
from front.signing_in import entering
from front.signing_in.terms import terms_of
from front.signing_in.visitor import COOKIE
from tests.bench import homes, measure
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row

_TOKYO = "13"  # sixty-two windows
_DAYS = 50
"""Over which the steps are spread: a first view counts all of them."""

_SECONDS = 1.0
"""Within which a first view over a million steps is wanted."""

_BARE = "SELECT count(*) FROM application_steps NOT INDEXED"  # as the row says: every row is read
_OFFICERS = """
    INSERT INTO officers (officer, office, roles, name)
    SELECT 'clerk-' || office || '-' || role, office, role, '' FROM offices
    JOIN (SELECT 'reception' AS role UNION ALL SELECT 'examiner') WHERE kind = 'window'
"""
_CASES = """
    INSERT INTO applications (application, office, state, particulars, sought_name, filed_at)
    WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :cases),
    windows AS (SELECT office, row_number() OVER (ORDER BY office) - 1 AS place FROM offices WHERE kind = 'window')
    SELECT office || '-' || printf('%09d', n), office, 'delivered', '{}', '', :end - :spread / :cases * (:cases - n)
    FROM numbers JOIN windows ON place = (n * 7919) % (SELECT count(*) FROM windows)
"""
_STEPS = """
    INSERT INTO application_steps (application, position, step, officer, at)
    WITH steps (position, step, officer) AS (
        VALUES (0, 'file', 'reception'), (1, 'examine', 'examiner'), (2, 'approve', NULL), (3, 'issue', NULL),
            (4, 'hand-over', 'reception'))
    SELECT application, position, step,
        CASE WHEN steps.officer IS NULL THEN :centre ELSE 'clerk-' || office || '-' || steps.officer END,
        min(filed_at + position * :apart, :end)
    FROM applications CROSS JOIN steps ORDER BY 5
"""


def rows(bench: Bench) -> Iterator[Row]:
    """What a process counts for its first view, every past day, and for the next, the present day alone."""
    count = bench.scale.known
    bench.say(f"the dashboard over {count:,} steps of cases ...")
    home = _home(bench, count)
    with open_world(home, lambda: homes.PASSPHRASE) as world, closing(_connected(home)) as connection:
        end = connection.execute("SELECT max(at) FROM application_steps").fetchone()[0]
        now = datetime.fromtimestamp(end / 1_000_000, UTC)  # of the home, which may be kept for long
        world.clock = lambda: now
        session = _session(world)

        def bare() -> float:
            begun = time.perf_counter()
            connection.execute(_BARE).fetchone()
            return time.perf_counter() - begun

        later: list[float] = []

        def first() -> float:
            browser = create_app(world).test_client(
                use_cookies=False
            )  # as a process begins: nothing is counted yet
            seconds = _view(browser, session)
            later.append(_view(browser, session))
            return seconds

        bare()
        first()
        ours, reference = measure.in_turn(bench.scale.makings + 2, first, bare)
        again, beside = measure.in_turn(bench.scale.makings + 2, later.pop, bare)
    for name, standing, other, budget in (
        ("the first view in a process", ours, reference, Budget("ours", "<=", _SECONDS)),
        ("the next one", again, beside, None),
    ):
        yield Row(
            f"the dashboard over {count:,} steps of cases, {name}",
            "s",
            standing.figure,
            "SELECT count(*) over every row of them",
            other.figure,
            other.ratio,
            budget=budget,
            scale=bench.scale.known_scale,
        )


def _view(browser: FlaskClient, session: str) -> float:
    begun = time.perf_counter()
    answer = browser.get("/centre", headers={"Cookie": f"{COOKIE}={session}"}, base_url="https://localhost")
    seconds = time.perf_counter() - begun
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return seconds


def _session(world: World) -> str:
    """The word of a session of somebody who may look."""
    with world.stores.nation.writing() as connection:
        officer, _ = officers.officer(connection, homes.APPROVER)
        return entering.begin_session(connection, terms_of(world), officer, old=None, at=world.clock()).token


def _home(bench: Bench, count: int) -> Path:
    """A home with so many steps of cases of all windows, over the days up to its making; the same for every run."""
    folder = bench.of_schema(f"counted-{count}")
    whole = folder / "whole"
    if not whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        home = homes.make_home(folder, prefectures=(_TOKYO,))
        hour = timedelta(hours=1) // timedelta(microseconds=1)
        values = {
            "cases": max(count // 5, 1),
            "centre": homes.APPROVER,
            "end": microseconds(system_clock()),
            "spread": 24 * _DAYS * hour,
            "apart": hour,
        }
        with closing(_connected(home)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            for statement in (_OFFICERS, _CASES, _STEPS):
                connection.execute(statement, values)
            connection.commit()
        whole.touch()
    return folder / "home"


def _connected(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(home / "store.db")
