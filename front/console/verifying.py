"""Whether the journal holds together, asked for on a page: what ``kakehashi journal verify`` does, with a bound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from bridge.manifest import JOURNAL_HEAD, JournalHead
from bridge.relying.finding.fetch import FolderSource
from ca.errors import Conflict, HomeRefused
from ca.journal.inspection import Inspected, inspect
from ca.journal.segments import Head, segments
from front.assembly import World
from front.cli.verifying import read_certificate_file
from front.heads import anchor_path, signed_head

LARGEST = 256 << 20
"""Octets of a journal that a page reads through; a larger one is for the command on the machine."""

_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of it.

    Attributes:
        inspected: What the journal comes to; None if it does not hold together.
        published: The head that is public, if there is one: its signature was found right.
        problem: What was done to the journal.
    """

    inspected: Inspected | None
    published: JournalHead | None
    problem: str = ""


def size_of(folder: Path) -> int:
    """How many octets a journal has."""
    return sum(path.stat().st_size for path in segments(folder).values())


def verify(world: World) -> Verified:
    """Read the whole journal and hold it against the head that is public.

    Raises:
        Conflict: Somebody else is having it read, or it is larger than ``LARGEST``.
        KakehashiError: The public head is not signed by whoever signs it.
    """
    if size_of(world.home.journal) > LARGEST:
        raise Conflict(
            "journal", "is too large to be read by a page", remedy="`kakehashi journal verify` on the machine"
        )
    if not _one_at_a_time.acquire(blocking=False):
        raise Conflict("journal", "is being read through already", remedy="Wait a minute and ask again")
    try:
        # The head first: the journal may grow meanwhile, and never shrinks.
        published = _published(world)
        heads = [] if published is None else [Head(published.count, published.digest)]
        try:
            return Verified(inspect(world.home.journal, heads), published)
        except HomeRefused as error:
            return Verified(None, published, str(error))
    finally:
        _one_at_a_time.release()


def _published(world: World) -> JournalHead | None:
    """The head that is public, its signature checked from the world's anchor on; None before the first one."""
    repository = world.home.repository
    if not (repository / JOURNAL_HEAD).exists():
        return None
    return signed_head(
        FolderSource(repository),
        read_certificate_file(anchor_path(repository, world.plan)),
        world.plan.legacy,
    )
