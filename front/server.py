"""What a served worker process runs: the OCSP callable beside the Flask application, over one opened world."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ca.model import GenerationId
from front.app import create_app
from front.assembly import World, open_world
from front.home import SERVED_HOME_VARIABLE
from front.logs import configure
from front.passphrase import passphrase
from ocsp.responder import Responder, open_responder
from ocsp.wsgi import OcspApplication

_OCSP = "/ocsp/"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def application() -> Wsgi:
    """The callable of a worker process; its home is named in the environment, and open until the process ends."""
    configure()
    _end_with_parent()
    stack = ExitStack()
    atexit.register(stack.close)
    world = stack.enter_context(open_world(Path(os.environ[SERVED_HOME_VARIABLE]), lambda: passphrase(None)))
    return dispatch(world)


def _end_with_parent() -> None:
    """Have this process stop as if it was asked to when its parent dies: an orphan would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def dispatch(world: World) -> Wsgi:
    """OCSP beside Flask: the verifier's question does not pay for a web framework."""
    flask = create_app(world)
    issuers = world.issuers

    def responder(text: str) -> Responder:
        generation = GenerationId.parse(text)
        return open_responder(issuers, generation, issuers.practice(generation.authority).periods.answer)

    ocsp = OcspApplication(responder, world.clock)

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(_OCSP):
            return ocsp(environ, start_response)
        return flask(environ, start_response)

    return serve
