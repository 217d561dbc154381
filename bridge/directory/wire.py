"""The octets between libldap and a server, counted and timed, so that no server takes more memory or time than it may.

libldap itself has no bound for an answer. So it does not get the server's socket but one end of a pair; at the other
end a thread passes on what comes, as long as it may.
"""

from __future__ import annotations

import errno
import select
import socket
import ssl
import threading
import time
from contextlib import suppress

_CHUNK = 64 * 1024
# ExtendedRequest 1 with the name of StartTLS; resultCode success (RFC 4511 4.12, 4.1.9).
_START_TLS = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
_SUCCESS = bytes.fromhex("0a0100")
_TURN = 0.5  # seconds after which the thread looks whether it is to end


class Wire:
    """A connection to a server whose octets are counted.

    Attributes:
        near: The end for libldap: whoever takes it closes it, and with it everything.
        left: How many octets may still come.
        spent: That more came than might.
    """

    def __init__(
        self, host: str, port: int, seconds: float, tls: ssl.SSLContext | None, *, late: bool = False
    ) -> None:
        """Connect, or raise OSError.

        Args:
            host: The server's name or address.
            port: Its port.
            seconds: How long to wait for the connection, and later for it to take what is sent.
            tls: How the server is known; None without TLS.
            late: TLS begins when the server has agreed to it (StartTLS), not with the first octet.
        """
        self.left = 0
        self.spent = False
        connected = socket.create_connection((host, port), seconds)
        try:
            if late:
                _start_tls(connected)
            if tls is not None:
                connected = tls.wrap_socket(connected, server_hostname=host)
            self.near, self._inner = socket.socketpair()
        except BaseException:
            connected.close()
            raise
        self._far = connected
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run, name="ldap-wire", daemon=True)
        self._thread.start()

    def allow(self, octets: int) -> None:
        """Let so many octets come from now on."""
        self.left = octets

    def join(self) -> None:
        """Wait for the end, once libldap has closed its end."""
        self._thread.join(2 * self._seconds)

    def _run(self) -> None:
        with self._far, self._inner, suppress(OSError, ValueError):
            self._inner.settimeout(self._seconds)
            try:
                while self._turn():
                    pass
            finally:
                # Whoever waits at the other end sees the end at once.
                with suppress(OSError):
                    self._inner.shutdown(socket.SHUT_RDWR)

    def _turn(self) -> bool:
        """Pass on what there is; False at the end."""
        waiting = isinstance(self._far, ssl.SSLSocket) and self._far.pending() > 0
        ready, _, _ = select.select([self._inner, self._far], [], [], 0 if waiting else _TURN)
        if self._inner in ready:
            sent = self._inner.recv(_CHUNK)
            if not sent:
                return False
            self._far.settimeout(self._seconds)
            self._far.sendall(sent)
        if waiting or self._far in ready:
            came = self._far.recv(_CHUNK)
            self.left -= len(came)
            self.spent = self.spent or self.left < 0
            if not came or self.spent:
                return False
            self._inner.sendall(came)
        return True


def _start_tls(connected: socket.socket) -> None:
    """Have the server agree to TLS, or raise ConnectionError (RFC 4511 4.14).

    What else it may have sent in the clear is thrown away. An answer that is taken for an agreement by mistake ends in
    a handshake that fails.
    """
    connected.sendall(_START_TLS)
    answer = connected.recv(_CHUNK)
    if answer[:1] != b"\x30" or _SUCCESS not in answer:
        raise ConnectionError(errno.EPROTO, "the server refuses StartTLS")


class Deadline:
    """Seconds of waiting that are left in all, counted while something is waited for."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._since: float | None = None

    def __enter__(self) -> float:
        """Begin to count; gives the seconds that are left, or raises TimeoutError."""
        if self._left <= 0:
            raise TimeoutError
        self._since = time.monotonic()
        return self._left

    def __exit__(self, *_: object) -> None:
        assert self._since is not None, "entered before"
        self._left -= time.monotonic() - self._since
