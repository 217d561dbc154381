"""Issuing durably, in groups, with the check of the requests: two processes, SQLite and PostgreSQL, RSA and P-256.

Each holder gets both kinds of certificate, as card factories order them. The processes take groups one after another
and write in turn, as those of ``kakehashi batch`` do; the requests are in their memory already.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from sqlalchemy import func, select, text

from ca.chance import SystemChance
from ca.issuing.approval import begin_batch
from ca.issuing.batch import BatchIssuer
from ca.model import RESIDENT_KINDS
from ca.store.batches import BatchRecord
from ca.store.engine import Store, sqlite_url
from ca.store.tables import certificate_bytes, metadata
from ca.suites import KeyFamily
from tests.bench import homes, materials, measure, others, postgresql
from tests.bench.bench import PROCESSES, Bench
from tests.bench.crew import Crew, crew
from tests.bench.report import Budget, Row, skipped

_KINDS = len(RESIDENT_KINDS)
_BATCH = "b" * 64


@dataclass(frozen=True)
class Desk:
    """What each of the processes has."""

    issuer: BatchIssuer
    home: homes.Opened
    requests: list[bytes]
    group: int

    def issue(self, group: int) -> int:
        """Issue for the holders of the group of this number; gives how many certificates."""
        rows = [
            materials.row(number, (self.requests[_KINDS * number], self.requests[_KINDS * number + 1]))
            for number in range(group * self.group, (group + 1) * self.group)
        ]
        done = self.issuer.issue(rows, self.home.world.clock())
        if done.certificates != _KINDS * len(rows):
            raise RuntimeError(f"{done} of {len(rows)} holders")
        return done.certificates

    def sign(self, signatures: int) -> int:
        """Sign so often, and nothing else."""
        private = self.home.issuer.signer._private
        message = os.urandom(1100)  # as long as what is signed of a certificate
        if isinstance(private, ec.EllipticCurvePrivateKey):
            for _ in range(signatures):
                private.sign(message, ec.ECDSA(hashes.SHA256()))
        else:
            for _ in range(signatures):
                private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return signatures


@contextmanager
def desk(
    home: Path, family: KeyFamily, batch: BatchRecord, requests: Path, wanted: int, group: int
) -> Iterator[Desk]:
    """Open a desk in this process."""
    with homes.opened(home, family) as opened:
        issuer = BatchIssuer(
            opened.issuers,
            opened.world.plan.municipalities,
            SystemChance(),
            batch,
        )
        yield Desk(issuer, opened, materials.requests(requests, family, wanted), group)


@dataclass(frozen=True)
class _Trial:
    """A home, the processes that work in it, and the number of the next group."""

    workers: Crew
    numbers: Iterator[int]
    groups: int
    group: int

    @property
    def certificates(self) -> int:
        """How many a round."""
        return self.groups * self.group * _KINDS

    def issue(self) -> None:
        self.workers.do("issue", [next(self.numbers) for _ in range(self.groups)])

    def sign(self) -> None:
        self.workers.do("sign", [self.group * _KINDS] * self.groups)


def sqlite(bench: Bench) -> Iterator[Row]:
    """RSA in SQLite; and other tools at the same work."""
    budget = Budget("ratio", ">=", 0.55)
    with bench.fresh("sqlite") as folder:
        yield from _measure(bench, folder, "SQLite", KeyFamily.RSA, budget, tools=True)


def sqlite_p256(bench: Bench) -> Iterator[Row]:
    """P-256 in SQLite, authorities' and holders' keys."""
    budget = Budget("ours", ">=", 3000)
    with bench.fresh("sqlite-p256") as folder:
        yield from _measure(bench, folder, "SQLite", KeyFamily.EC, budget)


def on_postgresql(bench: Bench) -> Iterator[Row]:
    """RSA in PostgreSQL, whose server has the same two processors."""
    if missing := skipped("issue, durable, PostgreSQL", "postgresql"):
        yield missing
        return
    budget = Budget("ratio", ">=", 0.45)
    with bench.fresh("postgresql") as folder, postgresql.server() as url:
        yield from _measure(bench, folder, "PostgreSQL", KeyFamily.RSA, budget, database=url)


def _measure(
    bench: Bench,
    folder: Path,
    store: str,
    family: KeyFamily,
    budget: Budget | None,
    *,
    tools: bool = False,
    database: str | None = None,
) -> Iterator[Row]:
    scale = bench.scale
    keys = "RSA-2048" if family is KeyFamily.RSA else "P-256"
    what = f"issue, durable, {store}, {keys}, {PROCESSES} processes"
    bench.say(f"{what}: requests ...")
    groups = scale.groups * (1 if family is KeyFamily.RSA else 2)
    wanted = (scale.rounds * groups + 2 * PROCESSES) * scale.group * _KINDS
    requests = materials.requests(bench.kept, family, wanted)
    bench.say(f"{what} ...")
    home = homes.make_home(folder, family=family, database=database)
    opening = partial(desk, home, family, begin(home), bench.kept, wanted, scale.group)
    with crew(opening, PROCESSES) as workers:
        trial = _Trial(workers, count(), groups, scale.group)
        # Whatever is made at first use is made now; and how large the store was.
        workers.do("issue", [next(trial.numbers) for _ in range(2 * PROCESSES)])
        before = _size(home, database)
        contenders = [trial.issue, trial.sign]
        counts = [trial.certificates, trial.certificates]
        names = ["bare private_key.sign in as many processes"]
        if tools:
            for name, work, amount in others.contenders(bench, folder, requests[: scale.others]):
                names.append(name)
                contenders.append(work)
                counts.append(amount)
        ours, *beside = measure.in_turn(
            scale.rounds, *(partial(measure.rate, *each) for each in zip(counts, contenders, strict=True))
        )
        after = _size(home, database)
    for name, reference in zip(names, beside, strict=True):
        yield Row(what, "certificates/s", ours.figure, name, reference.figure, reference.ratio, budget)
        budget = None
    if tools:
        yield from others.missing()
    each = (after - before) / (scale.rounds * trial.certificates)
    length = _length(home, database)
    yield Row(
        f"{store}, {keys}, a certificate with all that is kept of it",
        "octets",
        each,
        "the certificate itself",
        length,
        each / length,
    )


def begin(home: Path) -> BatchRecord:
    with homes.opened(home) as opened:
        return begin_batch(
            opened.world.stores,
            _BATCH,
            1 << 30,
            approver=homes.APPROVER,
            operator=homes.OPERATOR,
            at=opened.world.clock(),
        )


def _size(home: Path, database: str | None) -> int:
    """Octets of the whole store, with its journal and archive."""
    files = sum(path.stat().st_size for name in ("journal", "archive") for path in (home / name).iterdir())
    if database is None:
        with closing(sqlite3.connect(home / "store.db")) as connection:
            (pages,), (octets,) = (
                connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
            )
            return files + int(pages * octets)
    size = text("SELECT pg_total_relation_size(:name)")
    with closing(Store.open(database)) as store, store.reading() as connection:
        tables = (connection.execute(size, {"name": name}).scalar_one() for name in metadata.tables)
        return files + sum(map(int, tables))


def _length(home: Path, database: str | None) -> float:
    """Octets of a certificate, on the average of what the store has."""
    average = select(func.avg(func.length(certificate_bytes.c.encoded)))
    with (
        closing(Store.open(database or sqlite_url(home / "store.db"))) as store,
        store.reading() as connection,
    ):
        return float(connection.execute(average).scalar_one())
