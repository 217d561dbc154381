"""Lists of millions, one partition after an event, and what a revocation costs by how many there were before."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from ca.issuing.issuer import Issuer
from ca.model import FULL, CertificateId, CertificateKind, Period, RevocationReason, Scope, Serial
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.lists.drafting import Drafting
from ca.revoking.lists.publication import publish
from ca.store import certificates
from ca.store.certificates import CertificateRecord, CertificateState
from ca.wire.lists import write_signature
from front.assembly import World
from tests.bench import homes, measure, revoked
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row, skipped

_OPENSSL = """
[ca]
default_ca = bench
[bench]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 2
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid
"""

# What a worker does once a day for a list: everything from opening the store, the gate included.
_PUBLISH = """
import sys
from pathlib import Path
from tests.bench.lists import publish_once
publish_once(Path(sys.argv[1]))
"""


def rows(bench: Bench) -> Iterator[Row]:
    """A list of a million beside ``openssl ca -gencrl``; one of ten million with its memory."""
    if missing := skipped("list", "openssl"):
        yield missing
        return
    scale, count = bench.scale, bench.scale.entries
    bench.say(f"{count:,} revocations are written into a store ...")
    with bench.fresh("lists") as folder:
        home = revoked.copied(bench, count, folder)
        gencrl = _gencrl(folder, count)
        with homes.opened(home) as opened:
            world, issuer = opened.world, opened.issuer
            publish(world.stores.nation, issuer, [FULL], world.repository, at=world.clock())
            bench.say(f"a list of {count:,} ...")
            draft, whole, openssl = measure.in_turn(
                scale.lists, partial(_draft, world, issuer), partial(_publish, world, issuer), gencrl
            )
    name = f"list of {count:,} entries"
    beside = "openssl ca -gencrl"
    share = bench.scale.list_scale
    reference = openssl.figure
    yield Row(
        f"{name}, cold, without the gate", "s", draft.figure, beside, reference, reference / draft.figure,
        Budget("ratio", ">=", 8), share, "the ratio is the reference's to ours",
    )  # fmt: skip
    yield Row(
        f"{name}, cold, with the gate, placed", "s", whole.figure, beside, reference, reference / whole.figure,
        Budget("ratio", ">=", 3), share, "the ratio is the reference's to ours",
    )  # fmt: skip
    yield from _largest(bench)


def _largest(bench: Bench) -> Iterator[Row]:
    count = bench.scale.most_entries
    bench.say(f"a list of {count:,} ...")
    with bench.fresh("largest") as folder:
        home = revoked.copied(bench, count, folder)
        command = [sys.executable, "-c", _PUBLISH, home]
        measure.watched(
            command, folder / "first.log", homes.ENVIRONMENT
        )  # so that the gate has one to compare with
        spent = measure.watched(command, folder / "log", homes.ENVIRONMENT)
    name, share = f"list of {count:,} entries, with the gate, placed", bench.scale.list_scale
    yield Row(name, "s", spent.seconds, budget=Budget("ours", "<=", 60), scale=share)
    yield Row(f"{name}: peak memory", "MB", spent.peak / 1e6, budget=Budget("ours", "<=", 200), scale=share)


def publish_once(home: Path) -> None:
    """Make and place the full list of a home's prefecture."""
    with homes.opened(home) as opened:
        publish(
            opened.world.stores.nation,
            opened.issuer,
            [FULL],
            opened.world.repository,
            at=opened.world.clock(),
        )


def partition(bench: Bench) -> Iterator[Row]:
    """What happens to a list after an event, and to the cost of a revocation, by how many have ended before."""
    scale = bench.scale
    costs: list[float] = []
    for count in (scale.few_entries, max(scale.entries // 10, 2), scale.most_entries):
        with bench.fresh("partition") as folder:
            home = revoked.copied(bench, count, folder)
            with homes.opened(home) as opened:
                cost, rebuilt = _after_events(opened.world, opened.issuer, scale.events_round)
        costs.append(cost)
        yield Row(
            f"a revocation by hand, {count:,} before it", "ms", 1000 * cost, f"the same, {scale.few_entries:,} before it",
            1000 * costs[0], cost / costs[0], Budget("ratio", "<=", 1.5), bench.scale.list_scale,
        )  # fmt: skip
    entries = min(revoked.SMALL, count // 2)
    yield Row(
        f"partition of {entries:,} of {count:,} made anew and placed after an event", "ms", 1000 * rebuilt,
        budget=Budget("ours", "<=", 50), scale=bench.scale.list_scale,
    )  # fmt: skip


def _after_events(world: World, issuer: Issuer, times: int) -> tuple[float, float]:
    """The medians of the seconds that a revocation takes, and the list after it."""
    store = world.stores.nation
    publish(store, issuer, [revoked.PARTITION], world.repository, at=world.clock())
    revocations, lists = [], []
    for certificate in _issued(world, times + 1):
        begun = time.perf_counter()
        revoke(world.stores, certificate, RevocationReason.SUPERSEDED, homes.OPERATOR, at=world.clock())
        written = time.perf_counter()
        publish(store, issuer, [revoked.PARTITION], world.repository, at=world.clock())
        revocations.append(written - begun)
        lists.append(time.perf_counter() - written)
    return median(revocations[1:]), median(lists[1:])


def _issued(world: World, count: int) -> list[CertificateId]:
    """Certificates that are known as issued, made straight into the tables."""
    begun = world.clock().replace(microsecond=0)
    period = Period(begun, begun + timedelta(days=365))
    made = [
        CertificateRecord(
            CertificateId(revoked.TOTTORI, Serial(number + 1)),
            CertificateKind.SIGNATURE,
            revoked.PARTITION,
            CertificateState.INTENDED,
            period,
            begun,
            number.to_bytes(32, "big"),
            None,
            b"to be signed",
        )
        for number in range(count)
    ]
    with world.stores.nation.writing() as connection:
        certificates.intend(connection, made)
        certificates.complete(connection, [(record.id, b"certificate") for record in made])
    return [record.id for record in made]


def _draft(world: World, issuer: Issuer) -> float:
    """Seconds from reading to the signed list, without the gate."""
    begun = time.perf_counter()
    with ExitStack() as files, world.stores.nation.reading() as connection:
        for draft in Drafting(connection, issuer, world.repository, files, world.clock()).draft(Scope(FULL)):
            suite = issuer.record.suite
            signature = issuer.signer.sign_digest(draft.unsigned.digest, suite)
            write_signature(draft.file, draft.unsigned, suite, signature)
    return time.perf_counter() - begun


def _publish(world: World, issuer: Issuer) -> float:
    begun = time.perf_counter()
    publish(world.stores.nation, issuer, [FULL], world.repository, at=world.clock())
    return time.perf_counter() - begun


def _gencrl(folder: Path, count: int) -> partial[float]:
    """The reference: OpenSSL over a database of as many revoked certificates."""
    there = folder / "openssl"
    there.mkdir()
    (there / "openssl.cnf").write_text(_OPENSSL)
    (there / "crlnumber").write_text("01\n")
    ended = datetime(2024, 1, 1, tzinfo=UTC)
    with (there / "index.txt").open("w") as index:
        for number, serial in enumerate(revoked.serials(count)):
            moment = ended + timedelta(seconds=number % 3_000_000)
            index.write(
                f"R\t350101000000Z\t{moment:%y%m%d%H%M%SZ},affiliationChanged\t{serial.value:040X}\tunknown\t/CN={number}\n"
            )
    measure.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-keyout", "key.pem",
         "-out", "ca.pem"],
        cwd=there,
    )  # fmt: skip
    command = ["openssl", "ca", "-gencrl", "-config", "openssl.cnf", "-keyfile", "key.pem", "-cert", "ca.pem"]
    return partial(measure.seconds, [*command, "-out", "list.pem"], cwd=there)
