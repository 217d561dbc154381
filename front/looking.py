"""Who looks at whom stands in the record of deeds: what auditors see of cases, and every holder that is looked up.

The pages and the machine interface note the same, and let look up equally often. What is refused was not looked at; that
it was asked for is a deed of its own, which does not say what number or code was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from math import ceil

from ca.errors import KakehashiError, NotFound, NotPermitted
from ca.model import ApplicationId, CertificateId, Officer, Role
from ca.store import deeds
from ca.store.deeds import Deed
from front.assembly import World
from front.problems import TooOften

SEARCH = "search"
"""What a search among the cases is noted as being about."""
_NOBODY = "nobody"
_LOOKS, _WHILE = 30, timedelta(minutes=1)
"""So many look-ups of one officer in a while are a person's work; more are a list's."""


class Sought(StrEnum):
    """What somebody was not shown."""

    CASE = "case"
    HOLDER = "holder"


def note_auditor(world: World, officer: Officer, case: ApplicationId) -> None:
    """Write down that an auditor looks at a case. Other officers' looks at cases of their own work are no deeds."""
    if Role.AUDITOR in officer.roles:
        _note(world, officer, Deed.LOOKED_UP, case)


def note_holder(world: World, officer: Officer, certificate: CertificateId | str | None) -> None:
    """Write down that a holder was looked up, by one of the holder's certificates; None if nobody was found."""
    _note(world, officer, Deed.LOOKED_UP, _NOBODY if certificate is None else str(certificate))


def note_look_at(world: World, officer: Officer, certificate: str) -> None:
    """The same where the holder is shown, unless it is what this officer's latest deed says: that look goes on."""
    _note_anew(world, officer, Deed.LOOKED_UP, certificate)


@contextmanager
def noting_refusals(
    world: World,
    officer: Officer,
    sought: Sought,
    *,
    refusals: tuple[type[KakehashiError], ...] = (NotFound, NotPermitted),
    client: str | None = None,
) -> Iterator[None]:
    """Write down that a look is refused, if it is: who asked, when and for what, never the number or code that was sent.

    Args:
        world: Where.
        officer: Who asks.
        sought: What is asked for.
        refusals: The errors by which it is refused.
        client: The name of the client key by which it is asked for, if it is by one.
    """
    about = sought.value if client is None else f"{sought}, client key {client}"
    try:
        yield
    except TooOften:
        # Once, however often it is tried meanwhile.
        _note_anew(world, officer, Deed.LOOK_REFUSED, about)
        raise
    except refusals:
        _note(world, officer, Deed.LOOK_REFUSED, about)
        raise


def require_patience(world: World, officer: Officer) -> None:
    """Raise TooOften if this officer has looked holders up too often in the last while.

    By whichever process, page or client key: with another key nobody looks up more.
    """
    at = world.clock()
    with world.stores.nation.reading() as connection:
        made = deeds.looks(connection, officer.id, since=at - _WHILE, but=SEARCH, limit=_LOOKS)
    if len(made) == _LOOKS:
        wait = ceil((made[-1] + _WHILE - at).total_seconds())
        raise TooOften("code", f"{_LOOKS} holders were looked up within a minute", wait=max(wait, 1))


def _note_anew(world: World, officer: Officer, what: Deed, about: str) -> None:
    with world.stores.nation.reading() as connection:
        latest = deeds.latest(connection, officer=officer.id, limit=1)
    if [(deed.what, deed.about) for deed in latest] != [(what, about)]:
        _note(world, officer, what, about)


def _note(world: World, officer: Officer, what: Deed, about: str) -> None:
    with world.stores.nation.writing() as connection:
        deeds.note(connection, what, who=officer, about=about, at=world.clock())
