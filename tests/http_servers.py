"""Real HTTP servers in threads: one that serves a published folder, and what a server may do wrong, as tricks.

A trick answers one request in its own way. Give it for a path, and only that path is answered so::

    with serving(folder, {"manifest.json": hang}) as server: ...
"""

import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_TICK = 0.05


class Handler(BaseHTTPRequestHandler):
    """Answers GET from a folder, keeps connections, and plays the server's tricks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 20  # so that no test run hangs on a client that stays

    def setup(self):
        super().setup()
        self.server.told.connections += 1

    def do_GET(self):
        told = self.server.told
        path = self.path.removeprefix(told.base)
        told.asked.append(path)
        with suppress(ConnectionError):  # the client has had enough
            if path in told.tricks:
                told.tricks[path](self)
            else:
                self.send_file(path)

    def send_file(self, path):
        content = self.server.told.content(path)
        self.send(404 if content is None else 200, content or b"")

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, octets):
        """Octets as they are, after which the connection ends."""
        self.close_connection = True
        self.wfile.write(octets)

    def without_end(self, octets, pause=0.0):
        """The octets again and again, until the client leaves."""
        while not self.server.told.stopping.wait(pause):
            self.raw(octets)

    def log_message(self, *_):
        """Say nothing."""


Trick = Callable[[Handler], object]


@dataclass
class Server:
    """A running server, and what it was asked."""

    folder: Path
    base: str
    tricks: Mapping[str, Trick]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def content(self, path: str) -> bytes | None:
        """A file's octets; of ``index.json``, the numbers of the lists in its folder."""
        file = self.folder / path
        if file.name == "index.json" and file.parent.is_dir():
            numbers = [re.fullmatch(r"(\d+)\.crl", entry.name) for entry in file.parent.iterdir()]
            return json.dumps({"numbers": sorted(int(number[1]) for number in numbers)}).encode()
        return file.read_bytes() if file.is_file() else None


@contextmanager
def serving(
    folder: Path,
    tricks: Mapping[str, Trick] | None = None,
    base: str = "/",
    tls: ssl.SSLContext | None = None,
) -> Iterator[Server]:
    """Serve a folder under this base while the block runs; over TLS if that is given."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = False  # each is waited for, so that none outlives its test
    server.told = told = Server(folder, base, tricks or {})
    told.url = f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_port}{base}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield told
    finally:
        told.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def unused_url() -> str:
    """A URL at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


# Tricks


def hang(handler):
    handler.close_connection = True
    handler.server.told.stopping.wait()


def hang_in_the_body(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0")
    handler.server.told.stopping.wait()


def drip_headers(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\nX: ")
    handler.without_end(b"x", _TICK)


def drip_body(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    handler.without_end(b"0", _TICK)


def cut(handler):
    """The first half of the right file, under its whole length."""
    content = handler.server.told.content(handler.path.lstrip("/")) or b"0123456789"
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    handler.raw(head + content[: len(content) // 2])


def cut_without_length(handler):
    content = handler.server.told.content(handler.path.lstrip("/")) or b"0123456789"
    handler.raw(b"HTTP/1.1 200 OK\r\n\r\n" + content[: len(content) // 2])


def cut_in_a_chunk(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n0123")


def cut_in_the_headers(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Le")


def close_at_once(handler):
    handler.close_connection = True


def reset(handler):
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def status(number) -> Trick:
    """The right file under a wrong status."""
    return lambda handler: handler.send(number, handler.server.told.content(handler.path.lstrip("/")) or b"")


def redirect_to(url) -> Trick:
    return lambda handler: handler.send(302, Location=url + handler.path.lstrip("/"))


def huge_by_its_length(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n0")


def huge_without_length(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\n\r\n")
    handler.without_end(b"0" * 65536)


def huge_in_one_chunk_of_minus_one(handler):
    """http.client would read it to its end, which never comes."""
    handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
    handler.without_end(b"0" * 65536)


def huge_headers(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\n")
    handler.without_end(b"X: " + b"0" * 60_000 + b"\r\n")


def continue_for_ever(handler):
    handler.without_end(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def not_http(handler):
    handler.raw(b"220 ready\r\n")


def html(handler):
    handler.send(200, b"<!DOCTYPE html><title>Please log in</title>", Content_Type="text/html")


def empty(handler):
    handler.send(200)


def another_file(path) -> Trick:
    return lambda handler: handler.send_file(path)
