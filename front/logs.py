"""Structured logs: a JSON object a line on standard error, without names, codes, addresses or bodies."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec

from ca.clock import system_clock

LOGGER = logging.getLogger("kakehashi")


class Lines(logging.Formatter):
    """Records as lines of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        facts: dict[str, Any] = getattr(record, "facts", {})
        line = {
            "time": system_clock().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **facts,
        }
        if record.exc_info and record.exc_info[0] is not None:
            # The type and the place alone: a message could quote what a client sent.
            line["exception"] = record.exc_info[0].__name__
            if frames := traceback.extract_tb(record.exc_info[2]):
                line["at"] = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        return msgspec.json.encode(line).decode()


def configure() -> None:
    """Send this product's log lines to standard error, once."""
    if LOGGER.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def log(event: str, *, level: int = logging.INFO, **facts: Any) -> None:
    """Write a line. Facts are ids, counts and durations."""
    # Of a command, which has no handler, Python shows people the bare text of a warning: there the facts belong in it.
    told = [event, *(f"{name} {value}" for name, value in facts.items())]
    LOGGER.log(level, event if LOGGER.hasHandlers() else ", ".join(told), extra={"facts": facts})
