"""The entries of the frame's navigation: each officer sees those that the office and the roles open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ca.model import OfficeKind, Role
from front.pages.visit import SignedIn


@dataclass(frozen=True, slots=True)
class Door:
    """An entry.

    Attributes:
        path: Where it leads, and ``word`` the key of its name.
        offices: The kinds of office that see it, and ``roles`` the roles; empty for all.
        key: A letter that, pressed behind ``g``, opens it.
    """

    path: str
    word: str
    offices: frozenset[OfficeKind] = frozenset()
    roles: frozenset[Role] = frozenset()
    key: str = ""


def open_to(who: SignedIn, doors: Iterable[Door]) -> list[Door]:
    """The doors that this officer sees, in their order."""
    return [
        door
        for door in doors
        if (not door.offices or who.office.kind in door.offices)
        and (not door.roles or who.officer.roles & door.roles)
    ]
