"""What every served worker process is: its log, its home from the environment, and its end with its parent's."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from front.home import SERVED_HOME_VARIABLE
from front.logs import configure

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_LOOK_SECONDS = 0.5
_ORPHAN_SECONDS = 10.0


def worker_process(serving: Callable[[Path], AbstractContextManager[Wsgi]]) -> Wsgi:
    """The callable of this worker process over the home that is named in the environment, open until the process ends."""
    configure()
    _end_with_parent()
    stack = ExitStack()
    Finalize(None, stack.close, exitpriority=0)  # a forked process ends without what atexit was told
    return stack.enter_context(serving(Path(os.environ[SERVED_HOME_VARIABLE])))


def _end_with_parent() -> None:
    """Have this process stop as if it was asked to when its parent dies: an orphan would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        # Not parent.join(): the pipe by which that knows is open in each worker that was forked later, and lives with it.
        while os.getppid() == parent.pid:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        # What hangs is not waited for: whatever is left half done, the next who comes carries it out.
        time.sleep(_ORPHAN_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="parent", daemon=True).start()
