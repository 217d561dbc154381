"""Where officers sign in, and how long everything lasts that has to do with it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from ca.errors import BadInput
from front.assembly import World

VARIABLE = "KAKEHASHI_SERVED_SIGN_IN"
"""How a server tells its worker processes its terms."""

_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", re.ASCII)
_LOCAL = "localhost"
_PORT = 8080


@dataclass(frozen=True, slots=True)
class Terms:
    """What a server holds officers to.

    Attributes:
        origin: The pages' scheme, host and port, as browsers write them; passkeys are bound to its host.
        idle: For how long a session may be left alone, and ``whole`` for how long it lasts at most.
        ceremony: For how long a question waits for its answer.
        code: For how long an enrolment code is good.
        fresh: How long ago somebody may have signed in who adds or ends a passkey.
    """

    origin: str
    idle: timedelta = timedelta(minutes=15)
    whole: timedelta = timedelta(hours=10)
    ceremony: timedelta = timedelta(minutes=5)
    code: timedelta = timedelta(hours=1)
    fresh: timedelta = timedelta(minutes=10)

    @property
    def host(self) -> str:
        """The host and, unless it is the scheme's own, the port."""
        return urlsplit(self.origin).netloc

    @property
    def domain(self) -> str:
        """The relying party's id (Web Authentication, 4): the host alone."""
        return urlsplit(self.origin).hostname or ""

    def paced(self, speed: float) -> Terms:
        """The same in a test world's own time: as many of its seconds as pass meanwhile for the people before it."""
        pace = max(speed, 1.0)
        return replace(
            self,
            idle=self.idle * pace,
            whole=self.whole * pace,
            ceremony=self.ceremony * pace,
            code=self.code * pace,
            fresh=self.fresh * pace,
        )


def origin_of(text: str, place: str) -> str:
    """Read an origin such as ``https://window.example``.

    Raises:
        BadInput: It is none at which browsers let passkeys be used: https, or http on this machine alone, and a name,
            since an address is no relying party's id (Web Authentication, 5.1.3 and 5.1.4).
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    named = _DOMAIN.fullmatch(host) and not host.rpartition(".")[2].isdigit()
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_local(host))
    if (
        not (named and secure)
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
        or parts.username
    ):
        raise BadInput(
            place,
            "is not the origin of pages on which passkeys can be used",
            clause="Web Authentication, 5.1.3",
            remedy="Such as https://window.example, or http://localhost:8080 on one machine",
        )
    usual = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in {None, usual} else f":{port}")


def usual_origin(url: str, port: int | None = None) -> str:
    """The origin of a server that was told none: its public URL if passkeys can be used there, else this machine's."""
    parts = urlsplit(url)
    try:
        return origin_of(f"{parts.scheme}://{parts.netloc}", "url")
    except BadInput:
        return f"http://{_LOCAL}:{port or parts.port or _PORT}"


def tell_processes(terms: Terms) -> None:
    """Let the worker processes that are started from now on know the terms."""
    os.environ[VARIABLE] = msgspec.json.encode(terms).decode()


def terms_of(world: World) -> Terms:
    """The terms on which a world is served, in its own time."""
    told = os.environ.get(VARIABLE)
    terms = (
        Terms(usual_origin(world.description.url))
        if told is None
        else msgspec.json.decode(told.encode(), type=Terms)
    )
    clock = world.description.clock
    return terms if clock is None else terms.paced(clock.speed)


def _is_local(host: str) -> bool:
    return host == _LOCAL or host.endswith(f".{_LOCAL}")
