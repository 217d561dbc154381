"""Worker processes of a server: how they end with it, and what they still do then."""

import os
import signal
from contextlib import contextmanager

from ocsp.peers import HEADER
from tests.client_certificates import make_client
from tests.commands import done, run
from tests.served_world import born, served, small_home, wait_until


def workers(server):
    """Its worker processes, the oldest first."""
    found = {pid: born(pid) for pid in server.processes("serve") if pid != server.process.pid}
    return sorted(found, key=lambda pid: (int(found[pid]), pid))


@contextmanager
def stopped(pid):
    """A process that does nothing, as one that hangs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_an_orphan_ends_whatever_becomes_of_the_others(tmp_path):
    with served(small_home(tmp_path / "home"), "--workers", "3", "--no-work", wait="/health") as server:
        wait_until(lambda: len(workers(server)) == 3, "three workers")
        *others, last = workers(server)
        with stopped(last):
            server.process.kill()
            server.process.wait()
            wait_until(lambda: not set(others) & set(server.left()), "those that do not hang have ended")
            assert server.left() == [last]
        wait_until(lambda: not server.left(), "the last one too, once it can")


def test_what_was_counted_is_kept_when_a_server_is_stopped(tmp_path):
    """Long before the next ten seconds are over."""
    home = small_home(tmp_path / "home")
    client = make_client(tmp_path, "client", dates=("20100101000000Z", "20491231235959Z"))
    edition = home.folder / "edition.toml"
    closed = '\n[status]\naccess = "known"\nlist_access = "known"\n'
    edition.write_text(edition.read_text(encoding="utf-8") + closed, encoding="utf-8")
    done(
        run("verifier", "add", "e-tax", "--organisation", "tax", "--purpose", "filing", "--contact", "desk",
            "--certificate", client.certificate, "--officer", "ito", "--home", home.folder)
    )  # fmt: skip
    with served(home, "--no-work", "--proxy", "127.0.0.1", wait="/health") as server:
        for _ in range(3):
            answer = server.get("/g/jpki-13.g1/crl/full.crl", headers={HEADER: client.header})
            assert answer.status == 200
        assert server.stop() == 0
    (row,) = done(run("verifier", "count", "--home", home.folder, "--json")).json
    assert (row["verifier"], row["outcome"], row["count"]) == ("e-tax", "list", 3)
