"""The store on a real PostgreSQL: the same schema, and no update lost by writers at once."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ca.chance import SystemChance, new_serial
from ca.errors import RevocationRefused
from ca.model import (
    ARL,
    FULL,
    CertificateId,
    CertificateKind,
    GenerationId,
    Office,
    OfficeId,
    OfficeKind,
    Officer,
    OfficerId,
    Period,
    Revocation,
    RevocationReason,
    Role,
    Scope,
)
from ca.revoking.orders import revoke
from ca.store import certificates, officers, revocations
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.engine import Store
from ca.store.schema import migrate
from ca.store.tables import metadata
from ca.wire.lists import encode_entry
from tests.components import require

NOW = datetime(2014, 9, 1, tzinfo=UTC)
GENERATION = GenerationId.parse("jpki-13.g1")
WRITERS, TURNS = 4, 25


def unprivileged():
    """How to run a program as somebody else, since the server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = next(
        name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()}
    )
    return ["runuser", "-u", user, "--"]


@pytest.fixture(scope="module")
def url():
    """A server of its own on a free loopback port, ended with the tests."""
    programs = require("postgresql").parent
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = subprocess.run(
        [*unprivileged(), "mktemp", "-d"], capture_output=True, text=True, check=True, cwd="/"
    ).stdout.strip()
    control = [
        *unprivileged(),
        programs / "pg_ctl",
        "-D",
        f"{folder}/data",
        "-w",
        "-s",
        "-l",
        f"{folder}/log",
    ]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    try:
        subprocess.run(
            [*unprivileged(), programs / "initdb", "-D", f"{folder}/data", "-U", "kakehashi", "-A", "trust", "-E", "UTF8"],
            capture_output=True, check=True, cwd="/",
        )  # fmt: skip
        subprocess.run(
            [*control, "-o", options, "start"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=True, cwd="/",
        )  # fmt: skip
        yield f"postgresql+psycopg://kakehashi@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], capture_output=True, check=False, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store(url):
    """An empty store at the newest schema."""
    store = Store.open(url)
    with store.engine.begin() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    migrate(store)
    yield store
    store.close()


def write(store, turns, then=lambda: None):
    """Revoke so many fresh serials, each in a transaction of its own; gives their sequences.

    ``then`` is called before each transaction ends.
    """
    sequences = []
    for _ in range(turns):
        revocation = Revocation(new_serial(SystemChance(), "test"), NOW, RevocationReason.SUPERSEDED)
        with store.writing() as connection:
            sequences.append(
                revocations.record(
                    connection, GENERATION, ARL, revocation,
                    entry=encode_entry(revocation), officer=OfficerId("test"), at=NOW,
                )
            )  # fmt: skip
            then()
    return sequences


def test_the_schema_is_made_and_known(store):
    store.require_schema()
    migrate(store)  # a second time changes nothing
    store.require_schema()


def test_revocations_are_kept_and_listed_in_the_order_of_serials(store):
    write(store, 5)
    with store.reading() as connection:
        entries = revocations.of_list(connection, GENERATION, FULL)
        assert revocations.sequence(connection) == 5
    serials = [revocation.serial for revocation, _ in entries]
    assert len(serials) == 5
    assert serials == sorted(serials)


def test_a_transaction_that_fails_leaves_nothing(store):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(store, 1, then=fail)
    with store.reading() as connection:
        assert revocations.sequence(connection) == 0
        assert revocations.of_list(connection, GENERATION, FULL) == []


def test_writers_at_once_lose_no_update_and_the_sequence_has_commit_order(url, store):
    """While four processes write, whoever has seen a sequence never finds a smaller one later."""
    script = "import sys; from tests.test_postgresql import Store, write; print(*write(Store.open(sys.argv[1]), int(sys.argv[2])))"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, url, str(TURNS)], stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parent.parent,
        )
        for _ in range(WRITERS)
    ]  # fmt: skip
    seen: set[int] = set()
    while any(writer.poll() is None for writer in writers):
        with store.engine.connect() as connection:
            found = set(connection.exec_driver_sql("SELECT sequence FROM revocations").scalars())
        assert found == set(range(1, len(found) + 1)), "a later number was visible before an earlier one"
        assert seen <= found
        seen = found
    said = [int(word) for writer in writers for word in writer.communicate()[0].split()]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    assert sorted(said) == list(range(1, WRITERS * TURNS + 1))


def issued(store):
    """A certificate that the store knows as issued."""
    serial = new_serial(SystemChance(), "test")
    record = CertificateRecord(
        id=CertificateId(GENERATION, serial),
        kind=CertificateKind.SIGNATURE,
        scope=Scope("signature-131016"),
        state=CertificateState.INTENDED,
        period=Period(NOW, NOW.replace(year=2019)),
        intended_at=NOW,
        subject_key=serial.octets,
        application=None,
        holder=None,
        encoded=b"",
    )
    with store.writing() as connection:
        certificates.intend(connection, [record])
        certificates.complete(connection, [(record.id, b"certificate")])
    return record.id


def attempt(store, certificate, reason):
    """What came of a revocation: the reason, or None if the rules refused it."""
    try:
        revoke(store, certificate, reason, "operator", at=NOW)
    except RevocationRefused:
        return None
    return reason


def test_two_officers_at_once_never_make_a_change_that_the_rules_forbid(store):
    """Superseded may be raised to a compromise, a compromise is never lowered: whoever comes second is told so."""
    centre = Office(OfficeId("centre"), OfficeKind.CENTRE, "Centre", ())
    with store.writing() as connection:
        officers.add_offices(connection, [centre])
        officers.add_officer(
            connection, Officer(OfficerId("operator"), centre.id, frozenset({Role.OPERATOR}))
        )
    reasons = (RevocationReason.KEY_COMPROMISE, RevocationReason.SUPERSEDED)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            certificate = issued(store)
            done = set(pool.map(lambda reason, of=certificate: attempt(store, of, reason), reasons))
            assert RevocationReason.KEY_COMPROMISE in done
            with store.reading() as connection:
                found = revocations.find(connection, certificate, Scope("signature-131016"))
            assert found.reason is RevocationReason.KEY_COMPROMISE
