"""A connection to a server that may hang, drip or send without end, or be another than it says: it costs what is allowed.

Over TLS the server has to have a certificate that the context trusts for its name, and sees the one that the context has.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from ca.errors import BadInput

# Seconds without any octet after which a server counts as hanging.
_PATIENCE = 10.0
# Addresses of a host that are tried: each may take what patience there is.
_ADDRESSES = 4
# Octets on the wire beside a file's own: status line and headers, and as much again for a body sent in chunks.
_OVERHEAD = 64 * 1024


def too_long(path: str, limit: int) -> BadInput:
    """What is said of a file that is longer than it may be."""
    return BadInput(path, f"longer than {limit} octets")


class Meter:
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
            raise too_long(self._path, self._limit)


class _Socket(socket.socket):
    """A connected socket that waits and receives no more than its meter allows."""

    def __init__(self, connected: socket.socket, meter: Meter) -> None:
        super().__init__(fileno=connected.detach())
        self._meter = meter
        self.settimeout(_PATIENCE)

    def recv_into(self, *arguments: Any, **others: Any) -> int:
        self.settimeout(self._meter.patience())
        received = super().recv_into(*arguments, **others)
        self._meter.count(received)
        return received


class _TlsSocket(ssl.SSLSocket):
    """The same inside TLS. What TLS itself takes is bounded by OpenSSL, and by time."""

    meter: Meter

    def recv_into(self, *arguments: Any, **others: Any) -> int:
        self.settimeout(self.meter.patience())  # of one reading, however many records it takes
        received = super().recv_into(*arguments, **others)
        self.meter.count(received)
        return received


class MeteredConnection(http.client.HTTPConnection):
    """A connection whose sockets have a meter.

    Args:
        admit: Raises BadInput for the address of a server to which nothing is to be said.
        tls: By which TLS is spoken, if it is; used by this connection alone.
    """

    def __init__(
        self, host: str, port: int, meter: Meter, admit: Callable[[str], None], tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port)
        self._meter = meter
        self._admit = admit
        self._tls = tls
        if tls is not None:
            tls.sslsocket_class = _TlsSocket

    def connect(self) -> None:
        """Connect to one of the first addresses of the host, within the meter's time."""
        connected = self._connected()
        try:
            self.sock = (
                _Socket(connected, self._meter) if self._tls is None else self._inside(connected, self._tls)
            )
        except BaseException:
            connected.close()
            raise

    def _connected(self) -> socket.socket:
        """The first address that answers; none is asked that is not admitted, and none longer than is left."""
        refused: OSError = OSError(None, "it has no address")
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found[:_ADDRESSES]:
            self._admit(str(address[0]))
            connecting = socket.socket(family, kind, protocol)
            try:
                connecting.settimeout(self._meter.patience())
                connecting.connect(address)
            except OSError as error:
                connecting.close()
                refused = error
            else:
                return connecting
        raise refused

    def _inside(self, connected: socket.socket, tls: ssl.SSLContext) -> socket.socket:
        connected.settimeout(self._meter.patience())
        found = cast("_TlsSocket", tls.wrap_socket(connected, server_hostname=self.host))
        found.meter = self._meter
        return found
