"""``kakehashi serve``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

import click
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from ca.errors import BadInput
from front.asking import tell_processes
from front.cli.common import Settings, command_options
from front.heart import beating
from front.home import SERVED_HOME_VARIABLE
from front.logs import configure, log
from front.metrics import metrics_folder
from front.passphrase import VARIABLE
from front.responding import open_responders
from front.signing_in import terms
from front.starting import require_in_force
from front.worker import Worker


class _Role(StrEnum):
    """What a server is for."""

    FULL = "full"
    OCSP = "ocsp"


# A client that is slow to send its body holds a thread for so long. They are made when they are needed. Behind a front
# that takes in whole requests two are enough, and better: what many want of the interpreter at once costs a third.
_THREADS = 128
_WAITING = 512
_STOP_SECONDS = 30
_AGAIN_SECONDS = 1.0

_SERVER_LOG = {
    "formatters": {"lines": {"()": "front.logs.Lines"}},
    "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "loggers": {"_granian": {"handlers": ["lines"], "propagate": False}},
}
"""Granian's own words among our log lines."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="The port to listen on.  [default: the URL's, or 8080]"
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option(
    "--threads", type=click.IntRange(1, 1024), default=_THREADS, show_default=True,
    help="Requests at a time in each process. Behind a front that takes in whole requests 2 are faster.",
)  # fmt: skip
@click.option("--no-work", is_flag=True, help="Do not start the worker that publishes lists.")
@click.option(
    "--role", type=click.Choice([role.value for role in _Role]), default=_Role.FULL.value, show_default=True,
    help="`ocsp` serves a home of `kakehashi responder export`: status, and nothing else.",
)  # fmt: skip
@click.option(
    "--proxy", "proxies", multiple=True, metavar="ADDRESS",
    help="A TLS front, which may pass client certificates on; may be given more than once.",
)  # fmt: skip
@click.option(
    "--metrics-reader", "readers", multiple=True, metavar="ADDRESS",
    help="Who may read /metrics, besides this machine; may be given more than once.",
)  # fmt: skip
@click.option(
    "--origin", metavar="URL",
    help="Where browsers find the pages, to which passkeys are bound: https, or http://localhost for trials.  "
    "[default: the home's URL if it is such, else http://localhost with the port]",
)  # fmt: skip
@click.option(
    "--idle-minutes", type=click.IntRange(1, 60), default=15, show_default=True,
    help="How long an officer's session may be left alone.",
)  # fmt: skip
@click.option(
    "--session-hours", type=click.IntRange(1, 24), default=10, show_default=True,
    help="How long an officer's session lasts at most.",
)  # fmt: skip
@command_options
def serve(  # noqa: PLR0913, PLR0917 - one argument an option
    settings: Settings,
    host: str,
    port: int | None,
    workers: int,
    threads: int,
    no_work: bool,  # noqa: FBT001 - click calls by keyword
    role: str,
    proxies: tuple[str, ...],
    readers: tuple[str, ...],
    origin: str | None,
    idle_minutes: int,
    session_hours: int,
) -> None:
    """Serve a world over HTTP: what is public, status by OCSP, and the machine interface.

    The worker (`kakehashi work`) runs beside it unless --no-work is given. With --role ocsp there is status alone, and
    nobody who writes anything.

    \b
    Example:
      kakehashi serve --home world --port 8080
    """
    if settings.clock is not None:
        raise BadInput(
            "--clock", "a world is served at its own time", remedy="`kakehashi init --clock` sets that"
        )
    tell_processes(proxies, readers)
    full = _Role(role) is _Role.FULL
    url = _try_world(settings) if full else _try_responders(settings)
    port = port or urlsplit(url).port or 8080
    where = terms.usual_origin(url, port) if origin is None else terms.origin_of(origin, "--origin")
    lasting = timedelta(minutes=idle_minutes), timedelta(hours=session_hours)
    terms.tell_processes(terms.Terms(where, *lasting))
    _require_free(host, port)
    folder = str(settings.home.resolve())
    os.environ[SERVED_HOME_VARIABLE] = folder
    configure()
    console = settings.console()
    console.print(f"Serving {settings.home} at http://{host}:{port}/ - stop with Ctrl-C.", markup=False)
    os.register_at_fork(after_in_child=_end_by_signals)
    with metrics_folder(), _worker(folder, wanted=full and not no_work):
        Granian(
            "front.server:application" if full else "front.responding:application",
            factory=True,
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            workers=workers,
            blocking_threads=threads,
            backpressure=_WAITING,
            workers_kill_timeout=_STOP_SECONDS,
            respawn_failed_workers=True,
            websockets=False,
            log_level=LogLevels.error,
            log_dictconfig=_SERVER_LOG,
        ).serve()


def _try_world(settings: Settings) -> str:
    """Open a world once, so that what is wrong is said once, and now; gives its URL."""
    with settings.world() as world:
        require_in_force(world.plan.marking, world.stores.each(), world.clock())
        _ = world.issuers
        # What was acknowledged before a crash is known before the first question is answered.
        world.stores.catch_up()
        if world.description.seed is None:
            os.environ[VARIABLE] = world.passphrase()  # for the processes
        return world.description.url


def _try_responders(settings: Settings) -> str:
    """The same for a home of responders alone."""
    secret = settings.passphrase()
    with open_responders(settings.home, lambda: secret) as home:
        require_in_force(home.plan.marking, home.copies.each(), home.clock())
        os.environ[VARIABLE] = secret
        return home.description.url


@click.command()
@click.option("--parent", type=int, metavar="PID", help="Stop when this process, which started it, is gone.")
@command_options
def work(settings: Settings, parent: int | None) -> None:
    """Run the worker: apply what the journal has, publish the lists that are due.

    \b
    Example:
      kakehashi work --home world
    """
    configure()
    with settings.world() as world:
        require_in_force(world.plan.marking, world.stores.each(), world.clock())
        _ = world.issuers  # a wrong passphrase is said at once
        with beating(world):
            Worker(world).run(parent=parent)


def _end_by_signals() -> None:
    """Let a signal end a new process that has no handlers of its own yet: the server's, inherited, swallow it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def _worker(folder: str, *, wanted: bool) -> Iterator[None]:
    """The worker as a child; stopped, and waited for, when the server is."""
    if not wanted:
        yield
        return
    command = [sys.executable, "-m", "front.cli", "work", "--home", folder, "--parent", str(os.getpid())]
    child = _KeptAlive(command)
    try:
        yield
    finally:
        child.stop()


class _KeptAlive:
    """A child process; should it die, it is started again after a pause."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._child = self._started()
        self._watch = threading.Thread(target=self._keep, name="worker")
        self._watch.start()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        with self._turn:
            self._stopping.set()
            self._child.terminate()
        self._watch.join()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            status = self._child.wait()
            if self._stopping.wait(_AGAIN_SECONDS):
                return
            log("worker died and is started again", level=40, status=status)
            with self._turn:
                if not self._stopping.is_set():
                    self._child = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command)  # noqa: S603 - our own command, no shell


def _require_free(host: str, port: int) -> None:
    """Raise BadInput if the address cannot be listened on, with the reason, before any worker is started."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise BadInput(
            f"{host}:{port}", f"cannot be listened on: {error.strerror}", remedy="Choose another --port"
        ) from None
