"""The room of the centre's pages, put together over a world."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint

from ca.model import Role
from front.assembly import World
from front.console import audit, dashboard, officers, offices
from front.console.access import CENTRE
from front.console.figures import Counting
from front.pages.navigation import Door
from front.pages.rendering import Room

_FOLDER = Path(__file__).parent
_DOORS = (
    Door("/centre", "console.door.dashboard", CENTRE, key="c"),
    Door("/centre/offices", "console.door.offices", CENTRE, key="o"),
    Door("/centre/officers", "console.door.officers", CENTRE, key="p"),
    Door("/centre/audit", "console.door.audit", CENTRE, frozenset({Role.AUDITOR}), key="j"),
)


def console_room(world: World) -> Room:
    """The centre's pages."""
    blueprint = Blueprint("console", __name__, template_folder=str(_FOLDER / "templates"))
    counting = Counting(world)
    dashboard.add(blueprint, world, counting)
    offices.add(blueprint, world, counting)
    officers.add(blueprint, world)
    audit.add(blueprint, world)
    return Room(blueprint, _FOLDER, _DOORS)
