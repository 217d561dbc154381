"""Status by OCSP: the real server, asked by wrk, beside nginx, bare signing and OpenSSL's own responder."""

from __future__ import annotations

import base64
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles
from urllib.parse import quote

from asn1crypto import ocsp, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from bridge.repository.layout import self_signed_path
from ca.model import CertificateId, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from front.demo.served import free_port
from tests.bench import homes, issued, measure, revoked, web
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row, skipped
from tests.commands import COMMAND
from tests.ocsp_world import SHA1, request_for

_RESPONDER = f"/ocsp/{revoked.TOTTORI}"
_ASKED = 256
"""Certificates that are asked about again and again."""

_NONCE = 16
_WORKERS = 4
_THREADS = 2
"""As docs/operating.md has it behind a front that takes in whole requests."""
_SHARES = (16, 8, 4, 2, 1)
_HEADERS = '{["Content-Type"] = "application/ocsp-request"}'

# Each of the requests in turn, from the first on.
_READY = """
local paths = {{ {paths} }}
local place = 0
request = function()
  place = place % #paths + 1
  return wrk.format("GET", paths[place])
end
"""
# One of the requests, with a nonce of its own: the last octets of the request.
_SIGNED = """
local bodies = {{ {bodies} }}
math.randomseed(os.time())
request = function()
  local body = bodies[math.random(#bodies)]
  local nonce = {{}}
  for place = 1, {nonce} do nonce[place] = string.char(math.random(0, 255)) end
  return wrk.format("POST", nil, {headers}, body:sub(1, -{nonce} - 1) .. table.concat(nonce))
end
"""
_INDEX = "V\t350101000000Z\t\t{serial:040X}\tunknown\t/CN={serial}\n"


def rows(bench: Bench) -> Iterator[Row]:
    """Ready answers beside nginx; signed ones beside bare signing; both by how many certificates there are."""
    for tool in ("wrk", "nginx"):
        if missing := skipped("status", tool):
            yield missing
            return
    scale = bench.scale
    signed: list[float] = []
    for count in (scale.few_known, scale.known, scale.most_known):
        bench.say(f"status of {count:,} certificates ...")
        with bench.fresh("status") as folder:
            home = issued.copied(bench, count, folder)
            asked = issued.some(count, _ASKED)
            if not signed:
                yield from _beside_nginx(bench, folder, home, asked)
                yield from _beside_signing(bench, folder, home, asked)
            scripts = _scripts(folder, home, issued.some(count, min(count, 20_000)))
            with _server(home, folder / "log") as port:
                signed.append(_rate(bench, f"http://127.0.0.1:{port}{_RESPONDER}", scripts["signed"]))
        yield Row(
            f"signed on demand, {count:,} certificates in the store", "answers/s", signed[-1],
            f"the same, {scale.few_known:,} of them", signed[0], signed[-1] / signed[0], Budget("ratio", ">=", 0.8),
            scale.known_scale,
        )  # fmt: skip


def _beside_nginx(bench: Bench, folder: Path, home: Path, asked: Sequence[CertificateId]) -> Iterator[Row]:
    scripts = _scripts(folder, home, asked)
    with _server(home, folder / "log") as port:
        answer = _post(port, _request(home, asked[0]))
        with web.nginx(folder / "nginx", answer) as file:
            url = f"http://127.0.0.1:{port}{_RESPONDER}"
            web.ask(url, 1, script=scripts["ready"])  # from here on every answer is there
            ours, reference = measure.in_turn(
                bench.scale.asking_rounds,
                partial(_rate, bench, url, scripts["ready"]),
                partial(_rate, bench, file, None),
            )
    yield Row(
        "status, ready-made, over HTTP, one worker", "answers/s", ours.figure,
        f"nginx, a file of {len(answer):,} octets, one worker", reference.figure, reference.ratio,
        Budget("ratio", ">=", 0.35),
    )  # fmt: skip


def _beside_signing(bench: Bench, folder: Path, home: Path, asked: Sequence[CertificateId]) -> Iterator[Row]:
    scripts = _scripts(folder, home, asked)
    seconds = bench.scale.asking
    with ExitStack() as open_while, homes.opened(home) as opened:
        port = open_while.enter_context(_server(home, folder / "log"))
        others = [partial(_bare, opened, seconds)]
        if missing := skipped("status, signed on demand, beside openssl ocsp", "openssl"):
            yield missing
        else:
            other = open_while.enter_context(_openssl(folder, asked))
            others.append(partial(_one_by_one, other, _request(home, asked[0], bytes(_NONCE)), seconds))
        url = f"http://127.0.0.1:{port}{_RESPONDER}"
        ours, bare, *openssl = measure.in_turn(
            bench.scale.asking_rounds, partial(_rate, bench, url, scripts["signed"]), *others
        )
    name = "status, signed on demand (nonce), RSA-2048, one worker"
    yield Row(
        name, "answers/s", ours.figure, "private_key.sign, one thread", bare.figure, bare.ratio,
        Budget("ratio", ">=", 0.8),
    )  # fmt: skip
    for standing in openssl:
        yield Row(
            name, "answers/s", ours.figure, "openssl ocsp, one process", standing.figure, standing.ratio,
            Budget("ratio", ">=", 2),
        )  # fmt: skip


def visible(bench: Bench) -> Iterator[Row]:
    """From an acknowledged revocation until every worker says so."""
    rounds = bench.scale.visible
    bench.say(f"{rounds} revocations, seen by {_WORKERS} workers ...")
    with bench.fresh("visible") as folder, ExitStack() as open_while:
        home = issued.copied(bench, bench.scale.few_known, folder)
        ports = [
            open_while.enter_context(_server(home, folder / f"log-{number}")) for number in range(_WORKERS)
        ]
        asked = issued.some(bench.scale.few_known, rounds)
        questions = [_request(home, certificate) for certificate in asked]
        for port in ports:
            for question in questions:
                assert not _is_revoked(_post(port, question)), "they are good now, and the answers are kept"
        waits = []
        with homes.opened(home) as opened, ThreadPoolExecutor(_WORKERS) as aside:
            for certificate, question in zip(asked, questions, strict=True):
                world = opened.world
                reason = RevocationReason.KEY_COMPROMISE
                revoke(world.stores, certificate, reason, homes.OPERATOR, at=world.clock())
                begun = time.perf_counter()
                seen = list(aside.map(partial(_seconds_until_revoked, question, begun), ports))
                waits.append(max(seen))
    yield Row(
        f"from a revocation's acknowledgement until all of {_WORKERS} workers say it, p99", "s",
        quantiles(waits, n=100)[98] if len(waits) > 1 else waits[0], budget=Budget("ours", "<=", 1),
        note=f"{rounds} revocations, one by one; the answers were ready-made good ones before",
    )  # fmt: skip


def drill(bench: Bench) -> Iterator[Row]:
    """Shares of the ready answers are dropped under load, as a bad day does it."""
    for tool in ("wrk",):
        if missing := skipped("ready answers dropped under load", tool):
            yield missing
            return
    count = bench.scale.ready
    bench.say(f"{count:,} ready answers, dropped ...")
    slowest, failed, rates = [], 0, []
    with bench.fresh("drill") as folder, ThreadPoolExecutor(1) as aside:
        home = issued.copied(bench, max(count, bench.scale.few_known), folder)
        ready = _scripts(folder, home, issued.some(count, count))["ready"]
        port = free_port()
        environment = {"KAKEHASHI_PASSPHRASE": homes.PASSPHRASE}
        command = [sys.executable, "-m", "tests.bench.drilled", home, port]
        with web.served(command, port, folder / "log", **environment):
            url = f"http://127.0.0.1:{port}{_RESPONDER}"
            _warm(port, _paths(home, issued.some(count, count)))
            for parts in _SHARES:
                asking = aside.submit(web.ask, url, bench.scale.asking, script=ready)
                time.sleep(bench.scale.asking / 4)
                _get(port, f"/drill/{parts}")
                asked = asking.result()
                slowest.append(asked.slowest)
                rates.append(asked.rate)
                failed += asked.failed
    if failed:
        raise RuntimeError(f"{failed} requests failed while ready answers were dropped")
    yield Row(
        "ready answers dropped under load (1/16, 1/8, 1/4, 1/2, all), slowest p99", "s", max(slowest),
        budget=Budget("ours", "<=", 0.25),
        note=f"{count:,} answers, none failed; {min(rates):,.0f} answers/s in the worst of the five",
    )  # fmt: skip


def _seconds_until_revoked(question: bytes, begun: float, port: int) -> float:
    while not _is_revoked(_post(port, question)):
        if time.perf_counter() - begun > 60:
            raise RuntimeError(f"the worker on port {port} never said revoked")
        time.sleep(0.002)
    return time.perf_counter() - begun


def _rate(bench: Bench, url: str, script: Path | None) -> float:
    asked = web.ask(url, bench.scale.asking, script=script)
    if asked.failed:
        raise RuntimeError(f"{asked.failed} of the requests to {url} failed")
    return asked.rate


def _bare(opened: homes.Opened, seconds: float) -> float:
    private = opened.issuer.signer._private
    until, signatures = time.perf_counter() + seconds, 0
    begun = time.perf_counter()
    while time.perf_counter() < until:
        private.sign(b"bare", padding.PKCS1v15(), hashes.SHA256())
        signatures += 1
    return signatures / (time.perf_counter() - begun)


@contextmanager
def _server(home: Path, log: Path) -> Iterator[int]:
    """The home served by one worker; gives the port."""
    port = free_port()
    command = [COMMAND, "serve", "--home", home, "--port", port, "--no-work", "--threads", _THREADS]
    with web.served(command, port, log, KAKEHASHI_PASSPHRASE=homes.PASSPHRASE):
        yield port


def _issuer(home: Path) -> x509.Certificate:
    path = home / "repository" / self_signed_path(revoked.TOTTORI)
    return x509.Certificate.load(path.read_bytes())


def _request(home: Path, certificate: CertificateId, nonce: bytes | None = None) -> bytes:
    return request_for(_issuer(home), certificate.serial, algorithm=SHA1, nonce=nonce)


def _paths(home: Path, asked: Sequence[CertificateId]) -> list[str]:
    """What a client asks by GET about each of these."""
    issuer = _issuer(home)
    ready = [request_for(issuer, one.serial, algorithm=SHA1) for one in asked]
    return [f"{_RESPONDER}/{quote(base64.b64encode(one).decode(), safe='')}" for one in ready]


def _warm(port: int, paths: Sequence[str]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    for path in paths:
        connection.request("GET", path)
        assert connection.getresponse().read()
    connection.close()


def _get(port: int, path: str) -> None:
    _warm(port, [path])


def _scripts(folder: Path, home: Path, asked: Sequence[CertificateId]) -> dict[str, Path]:
    """What wrk asks: ready-made answers by GET, fresh ones by POST."""
    issuer = _issuer(home)
    signed = [request_for(issuer, one.serial, algorithm=SHA1, nonce=bytes(_NONCE)) for one in asked]
    paths = ", ".join(f'"{path}"' for path in _paths(home, asked))
    bodies = ", ".join('"' + "".join(f"\\{octet:03}" for octet in one) + '"' for one in signed)
    texts = {
        "ready": _READY.format(paths=paths),
        "signed": _SIGNED.format(bodies=bodies, nonce=_NONCE, headers=_HEADERS),
    }
    scripts = {name: folder / f"{name}.lua" for name in texts}
    for name, text in texts.items():
        scripts[name].write_text(text)
    return scripts


def _post(port: int, question: bytes) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", _RESPONDER, question, {"Content-Type": "application/ocsp-request"})
        return connection.getresponse().read()
    finally:
        connection.close()


def _is_revoked(answer: bytes) -> bool:
    (one,) = ocsp.OCSPResponse.load(answer).response_data["responses"]
    return str(one["cert_status"].name) == "revoked"


def _one_by_one(port: int, question: bytes, seconds: float) -> float:
    """Answers a second of a server that takes one connection after another, each for one request."""
    head = f"POST / HTTP/1.0\r\nContent-Type: application/ocsp-request\r\nContent-Length: {len(question)}\r\n\r\n"

    def ask(until: float) -> int:
        answered = 0
        while time.perf_counter() < until:
            nonce = os.urandom(_NONCE)
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(head.encode() + question[:-_NONCE] + nonce)
                said = b"".join(iter(partial(connection.recv, 1 << 16), b""))
            assert nonce in said, said
            answered += 1
        return answered

    begun = time.perf_counter()
    with ThreadPoolExecutor(2) as asking:  # so that it never waits for a client
        return sum(asking.map(ask, [begun + seconds] * 2)) / (time.perf_counter() - begun)


@contextmanager
def _openssl(folder: Path, asked: Sequence[CertificateId]) -> Iterator[int]:
    """OpenSSL's responder over a database of the same certificates, with a key and an authority of its own."""
    there = folder / "openssl"
    there.mkdir()
    measure.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-keyout", "key.pem",
         "-out", "ca.pem"],
        cwd=there,
    )  # fmt: skip
    (there / "index.txt").write_text("".join(_INDEX.format(serial=one.serial.value) for one in asked))
    port = free_port()
    command = ["openssl", "ocsp", "-port", port, "-index", there / "index.txt", "-CA", there / "ca.pem"]
    command += ["-rsigner", there / "ca.pem", "-rkey", there / "key.pem"]
    # It ends with the first request that is none, so it is not asked whether it is there.
    with web.process(command, there / "log", lambda: "waiting for" in (there / "log").read_text()):
        yield port
