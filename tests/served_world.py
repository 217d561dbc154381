"""A small world served as people serve it, and the clients that ask it: ``kakehashi serve`` in processes of its own.

The world has two prefectures, public test keys, and a clock that begins in 2014 and runs. Nothing here reaches into
a server: what it says comes over HTTP, by ``curl`` where there is one, and what it keeps is read from its home.
"""

import atexit
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path

import msgspec
from asn1crypto import crl, pem
from asn1crypto.x509 import Certificate

from ca.model import CertificateId, CertificateKind
from front.applicants import ResidentParticulars, resident_of
from front.assembly import open_world
from front.demo.people import invented_code
from front.demo.served import free_port
from tests import commands, small_edition
from tests.engine_world import csr_for
from tests.feed_files import feed_file
from tests.small_edition import HANAKO, SEED, TOKYO

TOTTORI = "312011"
OFFICERS = {
    "sato": (TOKYO, "reception"),
    "suzuki": (TOKYO, "examiner"),
    "kato": (TOTTORI, "reception"),
    "hashi": (TOTTORI, "examiner"),
    "tanaka": ("centre", "approver"),
    "ito": ("centre", "operator"),
    "mori": ("ministry-1", "reception"),
    "kimura": ("ministry-1", "examiner"),
    "endo": ("centre", "operator"),
}
REGISTER = "register"
ENDED = "endo"
"""Whose key was revoked."""

BOTH = ("signature", "user-authentication")
START = datetime(2014, 9, 1, 1, tzinfo=UTC)
PATIENCE = 60
"""Seconds after which something that must happen has failed to. It takes much less."""


# Homes


def edition() -> str:
    """The text of an edition of Tokyo and Tottori."""
    return small_edition.replaced(small_edition.small_edition(), r'\["13", "31", "33"\]', '["13", "31"]')


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kakehashi-served-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "edition.toml").write_text(edition(), encoding="utf-8")
    home = folder / "home"
    making = ("--edition", folder / "edition.toml", "--test-keys", "--seed", SEED)
    commands.done(commands.run("init", *making, "--home", home))
    small_edition.write_json(folder / "keys.json", staff(home))
    return folder


def staff(home: Path, **environment: str) -> dict[str, str]:
    """Make officers and the register known to a home; gives their client keys."""

    def told(*arguments):
        return commands.done(commands.run(*arguments, "--home", home, "--json", **environment)).json

    keys = {
        name: told("officer", "add", name, "--office", office, "--role", role)["key"]
        for name, (office, role) in OFFICERS.items()
    }
    keys[REGISTER] = told("client", "add", REGISTER)["key"]
    told("client", "revoke", ENDED)
    return keys


@dataclass(frozen=True)
class Home:
    """A home on the disk, with the keys of its clients."""

    folder: Path
    keys: dict[str, str]
    epoch: datetime

    def now(self) -> datetime:
        """The world's moment."""
        return START + (datetime.now(UTC) - self.epoch)

    def rows(self, query: str, *values) -> list[tuple]:
        """What the store says."""
        with closing(sqlite3.connect(self.folder / "store.db")) as connection:
            return connection.execute(query, values).fetchall()

    def written(self) -> tuple[str, bytes]:
        """Everything that the store and the journal hold, except who holds a job, heartbeats, and who was shown nothing."""
        with closing(sqlite3.connect(self.folder / "store.db")) as connection:
            lines = sorted(
                line
                for line in connection.iterdump()
                if not {'"leases"', '"heartbeats"'} & set(line.split()) and "'look-refused'" not in line
            )
        journal = self.folder / "journal" / "000000000001.jsonl"
        return "\n".join(lines), journal.read_bytes() if journal.exists() else b""

    def settled(self) -> tuple[str, bytes]:
        """The same, once the worker has written down what it has done."""
        found = None
        while (now := self.written()) != found:
            found = now
            time.sleep(1)
        return now

    def published(self, generation: str, scope: str) -> set[int]:
        """The serial numbers on the newest list of a scope."""
        path = self.folder / "repository" / "g" / generation / "crl" / f"{scope}.crl"
        return serials_of(path.read_bytes())

    def recorded(self) -> dict[tuple[str, str], set[int]]:
        """The serial numbers that each list has to name, by generation and scope."""
        wanted: dict[tuple[str, str], set[int]] = {}
        for generation, scope, serial in self.rows("SELECT generation, scope, serial FROM revocations"):
            for name in (scope, "full"):
                wanted.setdefault((generation, name), set()).add(int.from_bytes(serial))
        return wanted

    def lists_agree(self) -> bool:
        """Whether every list says what the store says."""
        return all(self.published(*place) == serials for place, serials in self.recorded().items())


def serials_of(encoded: bytes) -> set[int]:
    """The serial numbers that a list names."""
    entries = crl.CertificateList.load(encoded)["tbs_cert_list"]["revoked_certificates"]
    return {entry["user_certificate"].native for entry in entries}


def small_home(folder: Path) -> Home:
    """A fresh home whose clock runs from START."""
    template = _template()
    shutil.copytree(template / "home", folder)
    return _running(folder, json.loads((template / "keys.json").read_text()))


def home_on(folder: Path, *databases: str) -> Home:
    """The same, made with these options of ``init``: on databases elsewhere."""
    making = ("--edition", _template() / "edition.toml", "--test-keys", "--seed", SEED)
    commands.done(commands.run("init", *making, *databases, "--home", folder))
    return _running(folder, staff(folder))


def _running(folder: Path, keys: dict[str, str]) -> Home:
    """A home whose clock runs from START on."""
    epoch = datetime.now(UTC)
    text = (folder / "home.toml").read_text(encoding="utf-8")
    before, _, clock = text.partition("[clock]")
    _, _, after = clock.partition("[databases]")
    clock = f"[clock]\nstart = {START.isoformat()}\nepoch = {epoch.isoformat()}\nspeed = 1.0\n"
    databases = f"\n[databases]{after}" if after else ""
    (folder / "home.toml").write_text(before + clock + databases, encoding="utf-8")
    return Home(folder, keys, epoch)


# Servers


class NotAnswered(Exception):
    """The connection was refused, or ended before the answer was whole."""


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    def problem(self, status: int, *words: str) -> dict:
        """The body of a refusal: a problem document (RFC 9457) under this status, with these words."""
        assert (self.status, self.headers.get("content-type")) == (status, "application/problem+json"), self
        fields = self.json
        assert fields["status"] == status
        assert fields["title"]
        for word in words:
            assert word in fields["detail"], fields
        return fields


@dataclass
class Served:
    """A running server."""

    home: Home
    port: int
    process: subprocess.Popen
    log: Path
    family: dict[int, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, method, path, body=None, *, key=None, headers=None) -> Answer:
        """One request on a connection of its own; NotAnswered if no whole answer came."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {self.home.keys.get(key, key)}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it need not read what it refuses
                connection.request(method, path, body, sent)
            answer = connection.getresponse()
            whole = answer.read()
        except (OSError, HTTPException) as error:
            raise NotAnswered(repr(error)) from None
        finally:
            connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, whole)

    def get(self, path, **options) -> Answer:
        return self.send("GET", path, **options)

    def post(self, path, body=None, **options) -> Answer:
        """POST JSON, or octets as they are."""
        octets = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, octets, **options)

    def wait(self, path="/ready") -> None:
        """Wait until it is ready."""

        def answers():
            assert self.process.poll() is None, self.said()
            with suppress(NotAnswered):
                return self.get(path).status == 200

        wait_until(answers, lambda: f"{path} is 200; it said {self.said()}")
        self.family |= descendants(self.process.pid)

    def said(self) -> str:
        """Everything that it wrote to its standard error so far."""
        return self.log.read_text(encoding="utf-8")

    def events(self, name: str) -> list[dict]:
        """Its log lines about this."""
        lines = (json.loads(line) for line in self.said().splitlines(keepends=True) if line.endswith("\n"))
        return [line for line in lines if line["event"] == name]

    def processes(self, word: str) -> list[int]:
        """Its processes whose command line has this word: ``serve`` are Granian's, ``work`` is the worker."""
        found = descendants(self.process.pid)
        self.family |= found
        return [pid for pid in found if word in _command(pid).split("\0")]

    def stop(self) -> int:
        """Ask it to stop; gives its exit status."""
        self.family |= descendants(self.process.pid)
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def left(self) -> list[int]:
        """Processes that it started and that live still."""
        return [pid for pid, birth in self.family.items() if born(pid) == birth]


@contextmanager
def served(home: Home, *options, port: int | None = None, wait="/ready", **environment) -> Iterator[Served]:
    """``kakehashi serve``, ready; it is stopped at the end, and with it whatever it left."""
    port = port or free_port()
    log = home.folder.parent / f"served-{port}-{next(_numbers)}.log"
    command = [commands.COMMAND, "serve", "--home", home.folder, "--port", str(port), *map(str, options)]
    with log.open("wb") as lines:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=lines,
            env=commands._ENVIRONMENT | environment,
        )
    server = Served(home, port, process, log)
    try:
        server.wait(wait)
        yield server
    finally:
        try:
            if process.poll() is None:
                server.family |= descendants(process.pid)
                process.terminate()
            process.wait(PATIENCE)
        finally:
            process.kill()  # whatever went wrong above
            process.wait()
            for pid in server.left():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


_numbers = count()


def wait_until(holds, what) -> None:
    """Wait until it holds; what should hold is said if it never does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what if isinstance(what, str) else what()
        time.sleep(0.05)


def descendants(pid: int) -> dict[int, str]:
    """The processes below this one, each with the moment of its birth: numbers are used again."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            parents[int(entry.name)] = int(stat[1])
    found: list[int] = [pid]
    for parent in found:
        found += [child for child, above in parents.items() if above == parent]
    return {child: birth for child in found[1:] if (birth := born(child))}


def _stat(pid: int) -> list[str]:
    """State, parent and so on, as in proc(5) from field 3 on; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def born(pid: int) -> str | None:
    """When the process was started; None if it does not run."""
    stat = _stat(pid)
    return stat[19] if stat and stat[0] != "Z" else None


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


# Clients


_keys = count()
_people = count(1)
_next = threading.Lock()


def new_request() -> str:
    """A PKCS#10 request in PEM on a key that no other request here has."""
    with _next:
        number = next(_keys)
    return pem.armor("CERTIFICATE REQUEST", csr_for(number)).decode()


def new_person(**others) -> dict:
    """Somebody new who lives in Chiyoda-ku."""
    with _next:
        number = next(_people)
    return {**HANAKO, "code": str(invented_code(number)), **others}


def filing(person=None, kinds=BOTH) -> dict:
    """An application as a window sends it."""
    return {"resident": person or new_person(), "csrs": {kind: new_request() for kind in kinds}}


STEPS = (("examination", "suzuki"), ("approval", "tanaka"), ("issuance", "ito"))


def issued(server: Served, person=None, kinds=BOTH) -> dict[str, dict]:
    """Certificates for somebody, by kind, by the way of all applications."""
    case = server.post("/api/cases", filing(person, kinds), key="sato").json["case"]
    for step, officer in STEPS:
        answer = server.post(f"/api/cases/{case}/{step}", key=officer)
        assert answer.status == 200, answer
    return {made["kind"]: made for made in answer.json["certificates"]}


@dataclass(frozen=True)
class Holder:
    """Somebody with certificates."""

    code: str
    certificates: dict[str, CertificateId]


def holders(home: Home, number: int, kinds=BOTH[:1]) -> list[Holder]:
    """People whose certificates were issued without a server."""
    made = []
    with open_world(home.folder, lambda: "") as world:
        for _ in range(number):
            particulars = msgspec.convert(new_person(), ResidentParticulars)
            one = resident_of(particulars, "somebody")
            requests = {CertificateKind(kind): new_request().encode() for kind in kinds}
            case = world.registration.file(
                "sato", one.resident, requests, code=one.code, at=world.clock()
            ).case.id
            world.registration.examine(case, "suzuki", at=world.clock())
            world.registration.approve(case, "tanaka", at=world.clock())
            issued = world.registration.issue(case, "ito", at=world.clock())
            made.append(Holder(particulars.code, {str(item.record.kind): item.id for item in issued}))
    return made


def change(home: Home, kind: str, code: str, name: str | None = None, **others) -> dict:
    """An event that happens now."""
    at = home.now().isoformat()
    name = name or f"event-{next(_numbers)}"
    return {
        "event": name,
        "kind": kind,
        "code": code,
        "occurred": at,
        "notified": at,
        "effective": at,
        **others,
    }


def told(server: Served, *changes: dict, **header) -> Answer:
    """Send a feed file."""
    return server.post("/api/events", feed_file(*changes, **header), key=REGISTER)


# OpenSSL


def openssl(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )


class Judge:
    """OpenSSL, with what is published: it asks the responder, and checks against the list of a certificate."""

    def __init__(self, server: Served, folder: Path):
        self.server, self.folder = server, folder

    def status(self, made: dict, *options) -> str:
        """What ``openssl ocsp`` is told about a certificate: good, revoked or unknown."""
        generation = made["certificate"].partition(":")[0]
        own, certificate = self._files(made)
        done = openssl(
            "ocsp", "-issuer", own, "-cert", certificate, "-CAfile", own, *options,
            "-url", f"{self.server.url}/ocsp/{generation}",
            # It compares with the machine's own time, decades after the world's.
            "-validity_period", 10**9, "-attime", self._moment(),
        )  # fmt: skip
        assert "Response verify OK" in done.stderr, done
        return done.stdout.partition(": ")[2].split()[0]

    def accepts(self, made: dict) -> bool:
        """Whether ``openssl verify`` accepts a certificate by the newest list that would name it."""
        own, certificate = self._files(made)
        named = self._pem("list", f"g/{made['list'].replace('/', '/crl/')}.crl", "X509 CRL")
        done = openssl(
            "verify", "-CAfile", own, "-CRLfile", named, "-crl_check", "-partial_chain",
            "-attime", self._moment(), certificate,
        )  # fmt: skip
        assert done.returncode == 0 or "certificate revoked" in done.stderr, done
        return done.returncode == 0

    def _moment(self) -> int:
        return int(self.server.home.now().timestamp())

    def _files(self, made: dict) -> tuple[Path, Path]:
        generation = made["certificate"].partition(":")[0]
        certificate = self.folder / "certificate.pem"
        certificate.write_text(made["pem"])
        return self._pem("own", f"g/{generation}/self.cer", "CERTIFICATE"), certificate

    def _pem(self, name: str, path: str, label: str) -> Path:
        answer = self.server.get(f"/{path}")
        assert answer.status == 200, path
        target = self.folder / f"{name}.pem"
        target.write_bytes(pem.armor(label, answer.body))
        return target


def certificate_of(made: dict) -> Certificate:
    """A certificate of an answer, read."""
    return Certificate.load(pem.unarmor(made["pem"].encode())[2])


def digest(key: str) -> bytes:
    """What the store keeps of a client key."""
    return hashlib.sha256(key.encode()).digest()
