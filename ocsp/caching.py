"""What HTTP tells caches about an answer (RFC 9111; RFC 5019 6.2), and what it need not send again (RFC 9110 13).

How long others may keep an answer is the operator's promise to relying parties, set apart from nextUpdate. Expires says
the same as max-age, though RFC 5019 would have nextUpdate there: an old cache that reads nothing else must not keep an
answer for longer than the others do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from ocsp.ready import Header, Ready

NO_STORE: Header = ("Cache-Control", "no-store")
"""For what is one client's alone, or may be otherwise in a moment."""

_DATE_LENGTH = 64  # characters; the longest form of RFC 9110 5.6.7 has 33
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Second:
    """What is said alike of every answer that is given out in one second of the world.

    Attributes:
        begin: Its first moment.
        end: The first moment of the next one.
        latest: An answer that ends before may not be kept for the whole of ``seconds``.
        headers: Date, Expires and Cache-Control of all other answers.
    """

    begin: datetime
    end: datetime
    latest: datetime
    headers: tuple[Header, Header, Header]

    @classmethod
    def of(cls, at: datetime, kept: timedelta) -> Second:
        """The second of this moment, for a world whose answers may be kept so long."""
        begin = at.astimezone(UTC).replace(microsecond=0)
        end = begin + _SECOND
        return cls(begin, end, end + kept, _lasting(begin, kept))

    def tail(self, ready: Ready) -> tuple[Header, Header, Header]:
        """Date, Expires and Cache-Control of this answer: it is kept no longer than to its nextUpdate."""
        if ready.next_update >= self.latest:
            return self.headers
        return _lasting(self.begin, max(ready.next_update - self.end, timedelta(0)))


def _lasting(begin: datetime, kept: timedelta) -> tuple[Header, Header, Header]:
    seconds = int(kept.total_seconds())
    return (
        ("Date", format_datetime(begin, usegmt=True)),
        ("Expires", format_datetime(begin + timedelta(seconds=seconds), usegmt=True)),
        ("Cache-Control", f"max-age={seconds}, public, no-transform, must-revalidate"),
    )


def has_it(environ: Mapping[str, Any], ready: Ready) -> bool:
    """Whether the client says that it has this very answer, so that 304 is enough (RFC 9110 13.2.2).

    By its tag, or else by date. But two answers may be of one second, and the client may have the earlier: that one
    says good, and has just ended. So the date counts only for an answer that says good itself.
    """
    tags = environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        return ready.etag in tags or tags.strip() == "*"
    dated = environ.get("HTTP_IF_MODIFIED_SINCE")
    return dated is not None and ready.repeats and _not_before(dated, ready.since)


def _not_before(text: str, moment: datetime) -> bool:
    """Whether the date in a header is no earlier than the moment; what is no date does not count (RFC 9110 13.1.3)."""
    if len(text) > _DATE_LENGTH:
        return False
    try:
        found = parsedate_to_datetime(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
    return found >= moment
