"""One LDAP server: entries read within bounds, and written. Needs the extra ``ldap`` (python-ldap over libldap)."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self

from bridge.directory.wire import Deadline, Wire
from ca.errors import BadInput, NotPermitted
from ca.names import fold

SECONDS: Final = 60.0
"""How long one connection waits in all, unless said otherwise."""

ENTRY_LIMIT: Final = 64 * 1024 * 1024
"""Octets of one answer: the largest list that verifiers read, and a little."""

_URL = re.compile(
    r"(?P<scheme>ldaps?)://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?/?",
    re.ASCII | re.IGNORECASE,
)
_PORTS = {"ldap": 389, "ldaps": 636}
_OVERHEAD = 64 * 1024
_CONNECTING = 10.0

Values = Mapping[str, Sequence[bytes]]
"""Values by their attribute, as it was asked for."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a directory is, and how it is talked to.

    Attributes:
        url: ``ldap://host[:port]``, or ``ldaps://`` with TLS from the first octet.
        start_tls: With ``ldap://``: that TLS begins before anything is said (RFC 4511 4.14).
        ca_file: PEM of the CAs that the server's certificate may be of; None for those that the machine trusts.
    """

    url: str
    start_tls: bool = False
    ca_file: Path | None = None

    def parts(self) -> tuple[str, str, int]:
        """Scheme, host and port, or BadInput."""
        match = _URL.fullmatch(self.url)
        scheme = match["scheme"].lower() if match else ""
        port = int(match["port"] or _PORTS[scheme]) if match else 0
        if match is None or not 0 < port < 1 << 16:
            raise BadInput(
                "URL", f"{self.url!r} is not of the form ldap://host[:port] or ldaps://host[:port]"
            )
        if self.start_tls and scheme == "ldaps":
            raise BadInput("URL", "has TLS from the first octet already", remedy="Leave StartTLS out")
        return scheme, match["host"].lower().strip("[]"), port


class Directory:
    """A connection to a server: opened when first needed, and to be closed. Used by one thread at a time.

    Whatever the server says or does ends within the time and the octets that are allowed, or in BadInput.
    """

    def __init__(self, server: Server, seconds: float = SECONDS) -> None:
        """Open nothing yet, or raise BadInput: no such URL, or python-ldap is missing.

        Args:
            server: Where it is.
            seconds: How long to wait for the server in all.
        """
        self.server = server
        self.place = server.url.rstrip("/")
        self._scheme, self._host, self._port = server.parts()
        self._ldap = _library()
        self._deadline = Deadline(seconds)
        self._opened: tuple[Any, Wire] | None = None
        self._credentials: tuple[str, str] | None = None

    def __enter__(self) -> Self:
        """Use it in a block, at whose end it is closed."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next use would open another."""
        if self._opened is not None:
            connection, wire = self._opened
            self._opened = None
            with suppress(self._ldap.LDAPError):
                connection.unbind_s()
            wire.join()

    def authenticate(self, name: str, password: str) -> None:
        """Use this name and password with the server from now on.

        Raises:
            NotPermitted: The server refuses them, or they would go over a network in the clear.
        """
        if self._scheme == "ldap" and not self.server.start_tls and not _is_here(self._host):
            raise NotPermitted(
                self.place,
                "would get the password in the clear",
                clause="RFC 4513 6.3.3",
                remedy="Use ldaps:// or StartTLS",
            )
        if not password:  # which servers take for nobody's name (RFC 4513 5.1.2)
            raise NotPermitted(self.place, "needs a password that is not empty")
        self.close()
        self._credentials = (name, password)
        with self._asking("bind", _OVERHEAD):
            pass

    def read(self, name: str, attributes: Sequence[str], limit: int = ENTRY_LIMIT) -> Values | None:
        """An entry's values of these attributes; None if there is no such entry.

        Raises:
            BadInput: The server cannot be reached, does not answer in time, refuses, or its answer is longer than
                so many octets or is none.
        """
        with self._asking(name or "the root", limit) as (connection, seconds):
            try:
                found = connection.search_ext_s(
                    name,
                    self._ldap.SCOPE_BASE,
                    "(objectClass=*)",
                    list(attributes),
                    timeout=seconds,
                    sizelimit=1,
                )
            except self._ldap.NO_SUCH_OBJECT:
                return None
        wanted = {attribute.lower(): attribute for attribute in attributes}
        for where, values in found:
            if where is not None:  # a reference to another server is followed by nobody
                return {wanted[key.lower()]: some for key, some in values.items() if key.lower() in wanted}
        return None

    def contexts(self) -> list[tuple[frozenset[tuple[str, str]], ...]]:
        """The names below which the server has entries, from the country down; empty if it does not say."""
        root = self.read("", ("namingContexts",), _OVERHEAD) or {}
        return [self.steps(one.decode("utf-8", "replace")) for one in root.get("namingContexts", ())]

    def steps(self, name: str) -> tuple[frozenset[tuple[str, str]], ...]:
        """A name's steps from the country down, prepared for comparison; BadInput if it is none."""
        try:
            steps = self._ldap.dn.str2dn(name)
        except self._ldap.DECODING_ERROR:
            raise BadInput(self.place, f"{name!r} is no name", clause="RFC 4514 3") from None
        return tuple(
            frozenset((kind.upper(), fold(value)) for kind, value, _ in step) for step in reversed(steps)
        )

    def add(self, name: str, values: Values) -> None:
        """Write a new entry."""
        with self._asking(name, _OVERHEAD) as (connection, _):
            connection.add_s(name, [(attribute, list(some)) for attribute, some in values.items()])

    def replace(self, name: str, values: Values, classes: Sequence[bytes] = ()) -> None:
        """Put these values in the place of those that the attributes have; none at all for an empty sequence.

        ``replace`` and never ``add``: slapd knows no rule to tell two crossCertificatePairs apart, and refuses.

        Args:
            name: The entry's name.
            values: By attribute.
            classes: Object classes that the entry is to have more.
        """
        changes: list[tuple[int, str, list[bytes] | None]] = []
        if classes:
            changes.append((self._ldap.MOD_ADD, "objectClass", list(classes)))
        for attribute, some in values.items():
            changes.append((self._ldap.MOD_REPLACE, attribute, list(some) or None))
        with self._asking(name, _OVERHEAD) as (connection, _):
            connection.modify_s(name, changes)

    @contextmanager
    def _asking(self, what: str, limit: int) -> Iterator[tuple[Any, float]]:
        """The connection for one exchange and the seconds that it may take; BadInput for all that goes wrong."""
        place = f"{self.place} {what}"
        try:
            with self._deadline as seconds:
                connection, wire = self._connected(seconds)
                wire.allow(limit + _OVERHEAD)
                connection.set_option(self._ldap.OPT_TIMEOUT, seconds)
                try:
                    yield connection, seconds
                except self._ldap.NO_SUCH_OBJECT as error:
                    raise BadInput(place, "is below an entry that is not there") from error
                except self._ldap.LDAPError as error:
                    spent = wire.spent
                    if isinstance(
                        error, self._ldap.SERVER_DOWN | self._ldap.TIMEOUT | self._ldap.DECODING_ERROR
                    ):
                        self.close()  # in the middle of an answer, a connection is of no more use
                    raise BadInput(place, f"longer than {limit} octets" if spent else _words(error)) from None
                except ValueError:  # names that are no text
                    self.close()
                    raise BadInput(place, "did not answer as a directory does") from None
        except TimeoutError:
            raise BadInput(place, "did not answer in time") from None
        except OSError as error:
            raise BadInput(place, f"cannot be reached: {_why(error)}") from None

    def _connected(self, seconds: float) -> tuple[Any, Wire]:
        if self._opened is None:
            late = self.server.start_tls
            secured = late or self._scheme == "ldaps"
            tls = ssl.create_default_context(cafile=self.server.ca_file) if secured else None
            wire = Wire(self._host, self._port, min(seconds, _CONNECTING), tls, late=late)
            wire.allow(_OVERHEAD)
            host = f"[{self._host}]" if ":" in self._host else self._host
            connection = self._ldap.initialize(f"ldap://{host}", fileno=wire.near.detach())
            self._opened = connection, wire
            try:
                self._prepare(connection, seconds)
            except BaseException:
                self.close()
                raise
        return self._opened

    def _prepare(self, connection: Any, seconds: float) -> None:
        ldap = self._ldap
        connection.protocol_version = ldap.VERSION3
        connection.set_option(ldap.OPT_REFERRALS, ldap.OPT_OFF)
        connection.set_option(ldap.OPT_TIMEOUT, seconds)
        try:
            if self._credentials is not None:
                connection.simple_bind_s(*self._credentials)
        except ldap.INVALID_CREDENTIALS:
            raise NotPermitted(self.place, "does not accept this name and password") from None
        except ldap.LDAPError as error:
            raise BadInput(self.place, _words(error)) from None


def _library() -> Any:
    """python-ldap, or BadInput that says what is missing."""
    try:
        import ldap  # noqa: PLC0415 - an extra: who has no directory does without its libraries
        import ldap.dn  # noqa: PLC0415
    except ImportError:
        raise BadInput(
            "LDAP",
            "needs python-ldap, which is not installed",
            remedy="Install kakehashi[ldap]; on Debian its building takes libldap2-dev, libsasl2-dev and gcc",
        ) from None
    return ldap


def _is_here(host: str) -> bool:
    """Whether the host is this machine, whatever its names are said to mean."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _words(error: Any) -> str:
    """What libldap calls the error. What the server says besides is not passed on: it may say anything."""
    facts = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    described = str(facts.get("desc", ""))
    kind = type(error).__name__
    if kind == "TIMEOUT":
        return "did not answer in time"
    if kind == "SERVER_DOWN":
        return "cannot be reached, or closed the connection"
    return f"refuses: {described}" if described else "did not answer as a directory does"


def _why(error: OSError) -> str:
    """Why there is no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS"
    return error.strerror or "no such host"
