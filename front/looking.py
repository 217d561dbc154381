"""What auditors look at stands in the record of deeds: they see every person's case, and somebody may ask who did."""

from __future__ import annotations

from ca.model import ApplicationId, Role
from ca.store import deeds
from ca.store.deeds import Deed
from front.assembly import World
from front.pages.visit import SignedIn


def note_auditor(world: World, who: SignedIn, case: ApplicationId) -> None:
    """Write down that an auditor looks at a case. Other officers' looks at cases of their own work are no deeds."""
    if Role.AUDITOR in who.officer.roles:
        with world.stores.nation.writing() as connection:
            deeds.note(connection, Deed.LOOKED_UP, who=who.officer, about=case, at=world.clock())
