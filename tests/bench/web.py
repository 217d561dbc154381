"""The web's side of the bench: wrk asks, nginx serves a file beside us, servers are processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from front.demo.served import free_port
from tests.bench.measure import run

_PATIENCE = 60.0

_NGINX = """
{user}
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        default_type application/ocsp-response;
    }}
}}
"""
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Asked:
    """What wrk saw.

    Attributes:
        rate: Answers a second.
        slowest: Seconds within which 99 of 100 came.
        failed: Answers that were none: socket errors, or another status than 200.
    """

    rate: float
    slowest: float
    failed: int


def ask(url: str, seconds: float, *, connections: int = 32, script: Path | None = None) -> Asked:
    """Have wrk ask for so long over so many connections that stay open."""
    how = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "--timeout", "10s"]
    return _read(run(["wrk", *how, *(("-s", script) if script else ()), url]))


def _read(said: str) -> Asked:
    rate = float(re.search(r"Requests/sec:\s+([0-9.]+)", said)[1])  # type: ignore[index]
    number, unit = re.search(r"99%\s+([0-9.]+)([a-z]+)", said).groups()  # type: ignore[union-attr]
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    others = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    failed = sum(map(int, errors.groups())) if errors else 0
    return Asked(rate, float(number) * _UNITS[unit], failed + (int(others[1]) if others else 0))


@contextmanager
def nginx(folder: Path, octets: bytes) -> Iterator[str]:
    """One nginx worker that serves one file; gives its URL."""
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "answer").write_bytes(octets)
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # or its worker could not read what is ours alone
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, user=user))
    url = f"http://127.0.0.1:{port}/answer"
    command = ["nginx", "-c", folder / "nginx.conf", "-p", folder]
    with process(command, folder / "log", partial(_answers, port, "/answer")):
        yield url


@contextmanager
def served(command: Sequence[object], port: int, log: Path, **environment: str) -> Iterator[None]:
    """A server of ours, once it says that it is ready."""
    with process(command, log, partial(_answers, port, "/health"), **environment):
        yield


@contextmanager
def process(
    command: Sequence[object], log: Path, ready: Callable[[], bool], **environment: str
) -> Iterator[None]:
    """A server in a process of its own, once it is ready; it is stopped by its id."""
    with log.open("w") as output:
        server = subprocess.Popen(
            [str(word) for word in command], stdout=output, stderr=output, env=os.environ | environment
        )
        try:
            _wait(ready, server, log)
            yield
        finally:
            server.terminate()
            server.wait(_PATIENCE)


def _wait(ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while not ready():
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{server.args!r} does not serve: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
