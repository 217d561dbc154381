"""A real nginx of the tests' own, with a configuration that is handed to it; gone with its block."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.components import require


@contextmanager
def nginx(folder: Path, port: int) -> Iterator[None]:
    """nginx over ``folder/nginx.conf``, which has it listen at this port, while the block runs."""
    # As root its workers would be somebody else, who may not read a test's folder.
    words = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    with (folder.parent / "nginx.log").open("wb") as log:
        running = subprocess.Popen(
            [require("nginx"), "-p", folder, "-c", "nginx.conf", "-g", words],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            for _ in range(100):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                    break
                assert running.poll() is None, (folder.parent / "nginx.log").read_text()
                time.sleep(0.05)
            yield
        finally:
            running.terminate()
            running.wait(30)


def free_port() -> int:
    """A port at which nothing listened a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
