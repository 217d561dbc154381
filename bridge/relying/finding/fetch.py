"""Where published files come from: a folder, or a server over HTTP.

HTTP is enough: what is fetched is signed, and a relying party that needed TLS to learn whether a TLS certificate is
revoked would run in a circle (RFC 5280 8). TLS is for lists that a nation gives to known verifiers alone. A server that hangs, drips, lies or sends too much costs a bounded time
and memory, and ends in BadInput; it can withhold a verdict, never give one.
"""

from __future__ import annotations

import http.client
import io
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import msgspec

from bridge.relying.finding.metered import Meter, MeteredConnection, too_long
from ca.errors import BadInput

SECONDS = 60.0
"""How long one source waits in all, unless said otherwise: ten files of some MB over a slow line."""

_CHUNK = 64 * 1024
# A list every ten minutes for ten years is half a million numbers; reckoned in microseconds, of 16 digits each.
_INDEX_LIMIT = 16 * 1024 * 1024
# cRLNumber has at most 20 octets (RFC 5280 5.2.3).
_NUMBERED = re.compile(r"(?P<number>0|[1-9][0-9]{0,48})\.crl", re.ASCII)
_LAST_NUMBER = (1 << 160) - 1
# Each step of a path begins with a letter or digit, so none is `.`, `..` or empty.
_STEPS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
# Characters that RFC 3986 3.3 and 3.4 allow; none ends a request's first line, or begins another.
_TARGET = re.compile(
    r"[A-Za-z0-9._~%!$&'()*+,;=:@/-]{0,2000}(\?[A-Za-z0-9._~%!$&'()*+,;=:@/?-]{0,2000})?", re.ASCII
)
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(/[a-z0-9._~%-]+)*)/?",
    re.ASCII | re.IGNORECASE,
)

_PORTS = {"http": http.client.HTTP_PORT, "https": http.client.HTTPS_PORT}


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
            raise too_long(path, limit)
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

    def __init__(
        self,
        url: str,
        seconds: float = SECONDS,
        admit: Callable[[str], None] = lambda _: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Open nothing yet, or raise BadInput if this is no such URL.

        Args:
            url: Where the manifest lies, such as ``http://127.0.0.1:8080/``.
            seconds: How long this source may wait in all. A source that serves for long needs more.
            admit: Raises BadInput for the address of a server to which nothing is to be said.
            tls: Whom to trust as a server, and the certificate to show it; then the URL is one of https. It is not to
                be used for anything else.
        """
        scheme = "http" if tls is None else "https"
        host, port, self._path = _split(url, scheme)
        self._meter = Meter(seconds)
        self._connection = MeteredConnection(host.strip("[]"), port, self._meter, admit, tls)
        self.base = f"{scheme}://{host}:{port}{self._path}"

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
        self._exchange("GET", _inside(path), target, limit)

    def ask(self, path: str, question: bytes, kind: str, limit: int) -> bytes:
        """The answer, of at most so many octets, to a question of this media type (POST)."""
        return self.visit(_inside(path), limit, question, kind)

    def visit(self, target: str, limit: int, question: bytes | None = None, kind: str = "") -> bytes:
        """What lies at a URL's path and query, as they stand there without the first slash: GET, or POST."""
        if not _TARGET.fullmatch(target):
            raise BadInput(target, "is no target of a URL", clause="RFC 9110 4.2.1")
        content = io.BytesIO()
        headers = {} if question is None else {"Content-Type": kind}
        self._exchange("GET" if question is None else "POST", target, content, limit, question, headers)
        return content.getvalue()

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
        def once() -> None:
            target.seek(0)
            target.truncate()
            self._once(method, path, target, limit, body, headers or {})

        kept = self._connection.sock is not None
        try:
            with self._meter.running(path, limit):
                try:
                    once()
                except (ConnectionError, ssl.SSLEOFError):
                    # A server may end a connection that it kept, at any time (RFC 9112 9.3.1): asked once more.
                    if not kept:
                        raise
                    once()
        except TimeoutError:
            raise BadInput(path, f"{self.base} did not answer in time") from None
        except ssl.SSLCertVerificationError as error:
            words = error.verify_message
            raise BadInput(path, f"{self.base} has a certificate that is not trusted: {words}") from None
        except ssl.SSLError as error:
            raise BadInput(path, f"{self.base} and we did not agree on TLS: {error.reason}") from None
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
            raise too_long(path, limit)
        if answer.length:  # what is left of Content-Length; http.client does not mind
            raise http.client.IncompleteRead(b"", answer.length)


def _inside(path: str) -> str:
    """The path, if it leads to what is published."""
    if not _STEPS.fullmatch(path):
        raise BadInput(path, "leads out of what is published")
    return path


def _split(url: str, scheme: str) -> tuple[str, int, str]:
    """Host, port and path of a base URL of this scheme, the path ending with a slash."""
    match = _URL.fullmatch(url)
    port = int(match["port"] or _PORTS[scheme]) if match else 0
    if match is None or match["scheme"].lower() != scheme or not 0 < port < 1 << 16:
        raise BadInput("URL", f"{url!r} is not of the form {scheme}://host[:port]/[path/]")
    return match["host"].lower(), port, match["path"] + "/"


def _chunks(answer: http.client.HTTPResponse, limit: int) -> Iterator[bytes]:
    """The body, until it ends or is longer than it may be."""
    room = limit + 1
    while room > 0 and (chunk := answer.read(min(_CHUNK, room))):
        room -= len(chunk)
        yield chunk
