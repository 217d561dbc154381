"""A served world as its clients see it: the server as a child process, and the machine interface over HTTP."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from front.passphrase import FILE_VARIABLE

_START_SECONDS = 30
_SECONDS = 30


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def served(home: Path, secret: Path, port: int, log: Path) -> Iterator[None]:
    """``kakehashi serve`` until the block ends; then it is asked to stop, and waited for."""
    command = [sys.executable, "-m", "front.cli", "serve", "--home", str(home), "--port", str(port)]
    with (
        log.open("wb") as lines,
        subprocess.Popen(  # noqa: S603 - our own command, no shell
            command, stdout=lines, stderr=lines, env={**os.environ, FILE_VARIABLE: str(secret)}
        ) as server,
    ):
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", server)
            yield
        finally:
            server.terminate()
            server.wait(_SECONDS)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{url}/ready", timeout=1):  # noqa: S310 - the demonstration's own server
                return
        except (HTTPError, URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("the server did not become ready; its log says why")


@dataclass(frozen=True, slots=True)
class Api:
    """The machine interface with one client key."""

    url: str
    key: str

    def post(self, path: str, body: dict[str, Any] | bytes | None = None) -> dict[str, Any]:
        """POST JSON, or a file; the answer's JSON, or RuntimeError with the problem's detail."""
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        request = Request(  # noqa: S310 - the demonstration's own server
            f"{self.url}{path}",
            data=data,
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                result: dict[str, Any] = json.load(answer)
        except HTTPError as error:
            raise RuntimeError(f"{path}: {json.load(error).get('detail')}") from None
        return result


def feed_file(feed: str, sequence: int, events: list[dict[str, str]]) -> bytes:
    """A change feed's file: header, events, and a trailer with the hash of the lines before it."""
    header = {"feed": feed, "sequence": sequence, "count": len(events), "format": 1}
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in (header, *events))
    return lines + json.dumps({"sha256": hashlib.sha256(lines).hexdigest()}).encode() + b"\n"
