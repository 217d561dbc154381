"""Where published files come from: a folder, or a server over HTTP.

HTTP is enough: what is fetched is signed, and a relying party that needed TLS to learn whether a TLS certificate is
revoked would run in a circle (RFC 5280 8). A server that hangs, drips, lies or sends too much costs a bounded time
and memory, and ends in BadInput; it can withhold a verdict, never give one.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

import msgspec

from ca.errors import BadInput

SECONDS = 60.0
"""How long one source waits in all, unless said otherwise: ten files of some MB over a slow line."""

# Seconds without any octet after which a server counts as hanging.
_PATIENCE = 10.0
_CHUNK = 64 * 1024
# Octets on the wire beside a file's own: status line and headers, and as much again for a body sent in chunks.
_OVERHEAD = 64 * 1024
# A list every ten minutes for ten years is half a million numbers; reckoned in microseconds, of 16 digits each.
_INDEX_LIMIT = 16 * 1024 * 1024
# cRLNumber has at most 20 octets (RFC 5280 5.2.3).
_NUMBERED = re.compile(r"(?P<number>0|[1-9][0-9]{0,48})\.crl", re.ASCII)
_LAST_NUMBER = (1 << 160) - 1
# Each step of a path begins with a letter or digit, so none is `.`, `..` or empty.
_STEPS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
_URL = re.compile(
    r"http://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(/[a-z0-9._~%-]+)*)/?",
    re.ASCII | re.IGNORECASE,
)


class Source(Protocol):
    """Published files by their paths relative to the manifest. Whatever cannot be had raises BadInput with its path."""

    def read(self, path: str, limit: int) -> bytes:
        """The octets of a file, at most so many."""
        ...

    def save(self, path: str, target: BinaryIO, limit: int) -> None:
        """Write a file of at most so many octets into an empty one."""
        ...

    def numbers(self, url: str) -> Sequence[int]:
        """The numbers of all lists ever published whose newest lies at this path, ascending; empty if none was."""
        ...


class FolderSource:
    """A published folder. Links that lead out of it are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str, limit: int) -> bytes:
        """The octets of a file, at most so many."""
        try:
            file = self._inside(path)
            if not file.is_file():
                raise BadInput(path, "is not in the published folder")
            with file.open("rb") as opened:
                octets = opened.read(limit + 1)
        except OSError as error:
            raise BadInput(path, f"cannot be read: {error.strerror}") from error
        if len(octets) > limit:
            raise _too_long(path, limit)
        return octets

    def save(self, path: str, target: BinaryIO, limit: int) -> None:
        """Write a file of at most so many octets into an empty one."""
        target.write(self.read(path, limit))

    def numbers(self, url: str) -> Sequence[int]:
        """The numbers of the lists that lie in the folder named after the newest."""
        stem = url.removesuffix(".crl")
        try:
            folder = self._inside(stem)
            names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
        except OSError as error:
            raise BadInput(stem, f"cannot be read: {error.strerror}") from error
        return sorted(int(match["number"]) for match in map(_NUMBERED.fullmatch, names) if match)

    def _inside(self, path: str) -> Path:
        try:
            base = self._folder.resolve()
            resolved = (base / path).resolve()
        except RuntimeError:  # Python 3.11's word for links in a circle
            raise BadInput(path, "is a link that leads nowhere") from None
        if not resolved.is_relative_to(base):
            raise BadInput(path, "leads out of the published folder")
        return resolved


class _Index(msgspec.Struct, frozen=True):
    """What a server says of one scope: ``index.json`` beside the numbered lists."""

    numbers: tuple[int, ...]


class HttpSource:
    """A published folder that a server offers over HTTP. To be closed after use, and used by one thread at a time.

    One connection is kept while the server keeps it. Redirects are not followed: what is published lies under one
    base. Proxies of the environment are not used.

    Attributes:
        base: The URL under which the manifest lies, ending with a slash.
    """

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        """Open nothing yet, or raise BadInput if this is no such URL.

        Args:
            url: Where the manifest lies, such as ``http://127.0.0.1:8080/``.
            seconds: How long this source may wait in all. A source that serves for long needs more.
        """
        host, port, self._path = _split(url)
        self._meter = _Meter(seconds)
        self._connection = _Connection(host.strip("[]"), port, self._meter)
        self.base = f"http://{host}:{port}{self._path}"

    def __enter__(self) -> Self:
        """Use it in a block, at whose end it is closed."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. The next reading would open another."""
        self._connection.close()

    def read(self, path: str, limit: int) -> bytes:
        """The octets of a file, at most so many."""
        target = io.BytesIO()
        self.save(path, target, limit)
        return target.getvalue()

    def save(self, path: str, target: BinaryIO, limit: int) -> None:
        """Write a file of at most so many octets into an empty one, a piece at a time."""
        self._exchange("GET", path, target, limit)

    def ask(self, path: str, question: bytes, kind: str, limit: int) -> bytes:
        """The answer, of at most so many octets, to a question of this media type (POST)."""
        target = io.BytesIO()
        self._exchange("POST", path, target, limit, question, {"Content-Type": kind})
        return target.getvalue()

    def numbers(self, url: str) -> Sequence[int]:
        """The numbers of the lists, as the server tells them; each list is still judged by its own contents."""
        path = f"{url.removesuffix('.crl')}/index.json"
        try:
            numbers = msgspec.json.decode(self.read(path, _INDEX_LIMIT), type=_Index).numbers
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise BadInput(path, "is not an index of lists") from None
        rising = all(low < high for low, high in pairwise(numbers))
        if not rising or (numbers and not 0 <= numbers[0] <= numbers[-1] <= _LAST_NUMBER):
            raise BadInput(path, "its numbers are not those of lists, ascending", clause="RFC 5280 5.2.3")
        return numbers

    def _exchange(
        self,
        method: str,
        path: str,
        target: BinaryIO,
        limit: int,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not _STEPS.fullmatch(path):
            raise BadInput(path, "leads out of what is published")

        def once() -> None:
            target.seek(0)
            target.truncate()
            self._once(method, path, target, limit, body, headers or {})

        kept = self._connection.sock is not None
        try:
            with self._meter.running(path, limit):
                try:
                    once()
                except ConnectionError:
                    # A server may end a connection that it kept, at any time (RFC 9112 9.3.1): asked once more.
                    if not kept:
                        raise
                    once()
        except TimeoutError:
            raise BadInput(path, f"{self.base} did not answer in time") from None
        except OSError as error:
            words = error.strerror or "it closed the connection"
            raise BadInput(path, f"{self.base} cannot be reached: {words}") from None
        except (http.client.HTTPException, ValueError):  # ValueError: of sizes that are no sizes
            raise BadInput(path, f"{self.base} did not answer as a server does, or not to the end") from None

    def _once(
        self,
        method: str,
        path: str,
        target: BinaryIO,
        limit: int,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> None:
        """One request and its answer."""
        try:
            self._connection.request(
                method, self._path + path, body, headers={"User-Agent": "kakehashi", **headers}
            )
            with self._connection.getresponse() as answer:
                self._take(answer, path, target, limit)
        except BaseException:
            self.close()  # in the middle of an answer, a connection is of no more use
            raise

    def _take(self, answer: http.client.HTTPResponse, path: str, target: BinaryIO, limit: int) -> None:
        """The whole body, if the answer is what was asked for."""
        if 300 <= answer.status < 400:
            raise BadInput(path, f"{self.base} sends elsewhere for it, which is not followed")
        if answer.status != http.client.OK:
            raise BadInput(path, f"{self.base} answered with status {answer.status}")
        promised, taken = answer.length or 0, 0
        if promised <= limit:
            for chunk in _chunks(answer, limit):
                taken += target.write(chunk)
        if max(promised, taken) > limit:
            raise _too_long(path, limit)
        if answer.length:  # what is left of Content-Length; http.client does not mind
            raise http.client.IncompleteRead(b"", answer.length)


def _split(url: str) -> tuple[str, int, str]:
    """Host, port and path of a base URL, the path ending with a slash."""
    match = _URL.fullmatch(url)
    port = int(match["port"] or http.client.HTTP_PORT) if match else 0
    if match is None or not 0 < port < 1 << 16:
        raise BadInput("URL", f"{url!r} is not of the form http://host[:port]/[path/]")
    return match["host"].lower(), port, match["path"] + "/"


def _chunks(answer: http.client.HTTPResponse, limit: int) -> Iterator[bytes]:
    """The body, until it ends or is longer than it may be."""
    room = limit + 1
    while room > 0 and (chunk := answer.read(min(_CHUNK, room))):
        room -= len(chunk)
        yield chunk


def _too_long(path: str, limit: int) -> BadInput:
    return BadInput(path, f"longer than {limit} octets")


class _Meter:
    """What a source may still take: seconds of waiting in all, and octets on the wire for the file being read.

    It is asked at every receiving, below http.client, which itself would wait for headers and read chunks without end.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0
        self._octets = 0
        self._path = ""
        self._limit = 0

    @contextmanager
    def running(self, path: str, limit: int) -> Iterator[None]:
        """Count while a file is read."""
        self._path, self._limit = path, limit
        self._octets = 2 * limit + _OVERHEAD
        self._until = time.monotonic() + self._seconds
        try:
            yield
        finally:
            self._seconds = self._until - time.monotonic()

    def patience(self) -> float:
        """Seconds for which the next octet may be waited for, or TimeoutError."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(_PATIENCE, left)

    def count(self, octets: int) -> None:
        """Count what was received, or raise BadInput if it is too much."""
        self._octets -= octets
        if self._octets < 0:
            raise _too_long(self._path, self._limit)


class _Socket(socket.socket):
    """A connected socket that waits and receives no more than its meter allows."""

    def __init__(self, connected: socket.socket, meter: _Meter) -> None:
        super().__init__(fileno=connected.detach())
        self._meter = meter
        self.settimeout(_PATIENCE)

    def recv_into(self, *arguments: Any, **others: Any) -> int:
        self.settimeout(self._meter.patience())
        received = super().recv_into(*arguments, **others)
        self._meter.count(received)
        return received


class _Connection(http.client.HTTPConnection):
    """A connection whose sockets have a meter."""

    def __init__(self, host: str, port: int, meter: _Meter) -> None:
        super().__init__(host, port)
        self._meter = meter

    def connect(self) -> None:
        connected = socket.create_connection((self.host, self.port), self._meter.patience())
        self.sock = _Socket(connected, self._meter)
