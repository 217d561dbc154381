"""A real LDAP server of the tests' own: slapd on loopback, with a folder and a port of its own; gone with its block.

Its schema is Debian's core.schema, which has pkiCA, deltaCRL and cRLDistributionPoint; everybody may read, and the
master may write. ``secured`` gives it a certificate for ``localhost`` of a CA made for it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bridge.directory.connection import Directory, Server
from ca.errors import BadInput
from tests.components import missing, require

SUFFIX = "c=JP"
MASTER = f"cn=master,{SUFFIX}"
PASSWORD = "a test's own word"  # noqa: S105 - of a server that lives for one test

_WATCH = '"$@" & server=$!; cat; kill -TERM $server; wait $server'
"""Waits for the end of its input, which is the end of the test process, however that came about."""


@dataclass(frozen=True)
class Slapd:
    """A running server."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def local_url(self) -> str:
        """By the name that its certificate has."""
        return f"ldap://localhost:{self.port}"

    @property
    def secure_url(self) -> str:
        return f"ldaps://localhost:{self.port + 1}"

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def password_file(self) -> Path:
        path = self.folder / "password"
        path.write_text(f"{PASSWORD}\n")
        return path

    @contextmanager
    def master(self, seconds: float = 60.0) -> Iterator[Directory]:
        """A connection that may write."""
        with Directory(Server(self.url), seconds) as directory:
            directory.authenticate(MASTER, PASSWORD)
            yield directory

    def content(self) -> dict[str, dict[str, set[bytes]]]:
        """Everything that it has, by lower-case name and attribute, as its own tool for copies tells it."""
        done = subprocess.run(
            ["/usr/sbin/slapcat", "-f", self.folder / "slapd.conf", "-o", "ldif-wrap=no"],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return read_ldif(done.stdout)

    def add(self, ldif: Path) -> None:
        """What ``ldapadd`` does with a file."""
        subprocess.run(
            [require("ldapsearch").with_name("ldapadd"), "-x", "-H", self.url, "-D", MASTER, "-w", PASSWORD, "-f", ldif],
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip


OPERATIONAL = frozenset(
    {"structuralobjectclass", "entryuuid", "creatorsname", "createtimestamp", "entrycsn", "modifiersname", "modifytimestamp"}
)  # fmt: skip
"""What a server writes into entries itself."""


def read_ldif(text: str) -> dict[str, dict[str, set[bytes]]]:
    """Entries of LDIF whose lines are whole, read by rules of this test's own."""
    import base64  # noqa: PLC0415 - only here

    entries: dict[str, dict[str, set[bytes]]] = {}
    for block in text.replace("\n ", "").split("\n\n"):
        values: dict[str, set[bytes]] = {}
        for line in filter(None, block.splitlines()):
            if line.startswith(("#", "version:")):
                continue
            kind, _, value = line.partition(":")
            octets = base64.b64decode(value[1:].strip()) if value.startswith(":") else value.strip().encode()
            if kind.lower() not in OPERATIONAL:
                values.setdefault(kind.lower(), set()).add(octets)
        if values:
            (name,) = values.pop("dn")
            entries[name.decode().lower()] = values
    return entries


def require_extra() -> None:
    """Skip the test without python-ldap, or fail it where everything is required."""
    if find_spec("ldap") is None:
        missing("python-ldap is not installed: pip install 'kakehashi[ldap]'")


@contextmanager
def slapd(folder: Path, *, secured: bool = False, load: Path | None = None) -> Iterator[Slapd]:
    """A server while the block runs.

    Args:
        folder: An empty folder of its own, or one that is not there.
        secured: With TLS, at ``secure_url`` and by StartTLS.
        load: LDIF that ``slapadd`` fills it with before it begins.
    """
    program = require("slapd", "ldapsearch")
    require_extra()
    (folder / "data").mkdir(parents=True)
    tls = _certified(folder) if secured else ()
    (folder / "slapd.conf").write_text(
        "\n".join(
            [
                "include /etc/ldap/schema/core.schema",
                "modulepath /usr/lib/ldap",
                "moduleload back_mdb",
                "sockbuf_max_incoming_auth 67108864",
                *tls,
                "database mdb",
                f'suffix "{SUFFIX}"',
                f'rootdn "{MASTER}"',
                f'rootpw "{PASSWORD}"',
                f"directory {folder / 'data'}",
                "maxsize 268435456",
                "dbnosync",
                "",
            ]
        )
    )
    if load is not None:
        command = ["/usr/sbin/slapadd", "-f", folder / "slapd.conf", "-l", load]
        subprocess.run(command, capture_output=True, check=True, timeout=60)
    for port in _free_ports():
        served = Slapd(folder, port)
        urls = f"{served.url} ldaps://127.0.0.1:{port + 1}" if secured else served.url
        watching = subprocess.Popen(
            ["sh", "-c", _WATCH, "sh", program, "-d", "none", "-f", folder / "slapd.conf", "-h", urls],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert watching.stdin is not None
        try:
            if _answers(served):
                yield served
                return
        finally:
            watching.stdin.close()
            watching.wait(30)
    raise AssertionError("slapd did not begin")


def _answers(served: Slapd) -> bool:
    for _ in range(100):
        with suppress(BadInput), Directory(Server(served.url), 5.0) as directory:
            directory.contexts()
            return True
        time.sleep(0.05)
    return False


def _free_ports() -> Iterator[int]:
    """Ports of which this and the next one are free a moment before."""
    for _ in range(5):
        with suppress(OSError):
            with socket.create_server(("127.0.0.1", 0)) as one:
                port = int(one.getsockname()[1])
                socket.create_server(("127.0.0.1", port + 1)).close()
            yield port


def _certified(folder: Path) -> Sequence[str]:
    """A certificate for localhost and its CA, and the lines that name them."""

    def openssl(*words: str, **more: str) -> None:
        environment: Mapping[str, str] = {**os.environ, **more}
        subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True, env=environment)

    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=CA",
        "-days",
        "2",
    )
    openssl(
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
        "-subj",
        "/CN=localhost",
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl(
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-days",
        "2",
        "-out",
        "server.pem",
        "-extfile",
        "names",
    )
    return (
        f"TLSCACertificateFile {folder / 'ca.pem'}",
        f"TLSCertificateFile {folder / 'server.pem'}",
        f"TLSCertificateKeyFile {folder / 'server.key'}",
    )
