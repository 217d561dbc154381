"""How fresh a worker's knowledge is: never later than the primary's last heartbeat that it has seen.

A worker reads a database that may be a copy, and copies lag. What it says is of the moment of the newest heartbeat in it;
once that is too old, it says nothing (tryLater) rather than what may no longer be so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from ca.errors import KakehashiError


class Stale(KakehashiError):
    """The database has not heard of the primary for too long: what was revoked meanwhile cannot be known."""


class Freshness(Protocol):
    """Up to when a database is known to say everything."""

    def watermark(self) -> datetime:
        """The world's time of the last heartbeat that was seen, or Stale if that is too long ago."""


class Itself:
    """The primary's own database, asked anew for each answer: it says everything, always."""

    def watermark(self) -> datetime:
        """The end of time: what is asked is never later."""
        return datetime.max.replace(tzinfo=UTC)
