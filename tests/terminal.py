"""The command at a terminal, as a person has it: bars, colours, questions."""

from __future__ import annotations

import os
import pty
import re
import select
from collections.abc import Mapping

from tests.commands import COMMAND

_PATIENCE = 120.0  # seconds without an octet
_COLOURS = re.compile("\x1b\\[[0-9;]*m")


def at_terminal(*words: object, **environment: str) -> tuple[int, str]:
    """Run ``kakehashi`` at a terminal of 200 columns; gives its exit status and all that was shown, but for colours."""
    process, terminal = pty.fork()
    if process == 0:
        kept: Mapping[str, str] = {
            name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "CI"}
        }
        settings = {**kept, "TERM": "xterm-256color", "COLUMNS": "200", "LINES": "50", **environment}
        os.execve(COMMAND, [str(COMMAND), *map(str, words)], settings)  # noqa: S606 - as a terminal does
    shown = bytearray()
    try:
        while select.select([terminal], [], [], _PATIENCE)[0] and (octets := os.read(terminal, 65536)):
            shown += octets
    except OSError:  # the end of a terminal whose other side has gone
        pass
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return status, _COLOURS.sub("", shown.decode(errors="replace"))
