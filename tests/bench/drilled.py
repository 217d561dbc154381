"""A server whose ready answers can be dropped from outside: ``GET /drill/N`` drops one in N. For the bench alone."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import Interfaces

from front.assembly import open_world
from front.heart import beating
from front.home import SERVED_HOME_VARIABLE
from front.server import Wsgi, responding
from tests.bench.homes import PASSPHRASE

_DRILL = "/drill/"


def application() -> Wsgi:
    """The responders of the home that the environment names, and the drill."""
    stack = ExitStack()
    atexit.register(stack.close)
    world = stack.enter_context(open_world(Path(os.environ[SERVED_HOME_VARIABLE]), lambda: PASSPHRASE))
    stack.enter_context(beating(world))
    ocsp = stack.enter_context(responding(world))

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/ocsp/"):
            return ocsp(environ, start_response)
        if path.startswith(_DRILL):
            ocsp._ready.drop_share(int(path.removeprefix(_DRILL)))
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
        return [b"ok\n"]

    return serve


if __name__ == "__main__":
    os.environ[SERVED_HOME_VARIABLE] = sys.argv[1]
    Granian(
        "tests.bench.drilled:application",
        factory=True,
        address="127.0.0.1",
        port=int(sys.argv[2]),
        interface=Interfaces.WSGI,
        blocking_threads=8,
        websockets=False,
    ).serve()
