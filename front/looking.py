"""Who looks at whom stands in the record of deeds: what auditors see of cases, and every holder that is looked up.

The pages and the machine interface note the same. What is refused before anybody looks, as another office's case is, was
not looked at, and is no deed.
"""

from __future__ import annotations

from ca.model import ApplicationId, CertificateId, Officer, Role
from ca.store import deeds
from ca.store.deeds import Deed
from front.assembly import World

_NOBODY = "nobody"


def note_auditor(world: World, officer: Officer, case: ApplicationId) -> None:
    """Write down that an auditor looks at a case. Other officers' looks at cases of their own work are no deeds."""
    if Role.AUDITOR in officer.roles:
        _note(world, officer, case)


def note_holder(world: World, officer: Officer, certificate: CertificateId | str | None) -> None:
    """Write down that a holder was looked up, by one of the holder's certificates; None if nobody was found."""
    _note(world, officer, _NOBODY if certificate is None else str(certificate))


def _note(world: World, officer: Officer, about: str) -> None:
    with world.stores.nation.writing() as connection:
        deeds.note(connection, Deed.LOOKED_UP, who=officer, about=about, at=world.clock())
