"""The second place in which a home keeps its journal and its archive."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ca.errors import BadInput, Conflict
from ca.journal.segments import Head
from front.databases import journal_of
from front.home import Home


def require_mirror_room(home: Home, directory: Path) -> str:
    """The directory as a home keeps it, if a mirror can be begun there.

    Raises:
        BadInput: It lies in the home, or the home in it.
        Conflict: Another journal or archive is there.
    """
    wanted, own = directory.resolve(), home.folder.resolve()
    if wanted.is_relative_to(own) or own.is_relative_to(wanted):
        raise BadInput(
            str(directory),
            "is no second place: it holds the home, or the home holds it",
            remedy="Take another disk",
        )
    for folder in (wanted / "journal", wanted / "archive"):
        if folder.is_dir() and any(folder.iterdir()):
            raise Conflict(str(folder), "is not empty", remedy="Give each home a mirror of its own")
    return str(wanted)


def mirror_of(home: Home, directory: Path) -> str:
    """The same for a home that is to be made, or whose making was interrupted.

    Raises:
        Conflict: The home was begun with another mirror.
    """
    if not home.exists():
        return require_mirror_room(home, directory)
    if (there := home.describe().journal_mirror) != str(directory.resolve()):
        raise Conflict(
            f"home {home.folder}",
            f"has another mirror: {there or 'none'}",
            remedy="`kakehashi journal mirror` gives it this one",
        )
    return there


def set_mirror(home: Home, directory: str) -> Head:
    """Begin a mirror of a home that is kept alone, and fill it; gives the journal's head.

    Raises:
        HomeRefused: The journal or the archive is damaged.
        StorageFailed: A disk refused; the home is as it was.
    """
    description = msgspec.structs.replace(home.require_complete(), journal_mirror=directory)
    journal = journal_of(home, description)
    journal.begin()
    home.write(description)
    with journal.turn() as turn:
        return turn.head
