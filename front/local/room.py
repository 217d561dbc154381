"""The room of local governments' pages, put together over a world."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint

from ca.model import OfficeKind, Role
from front.assembly import World
from front.local import cases, ending, media, self_checks
from front.local.access import PLACES
from front.pages.navigation import Door
from front.pages.rendering import Room

_FOLDER = Path(__file__).parent
_OFFICE = frozenset({OfficeKind.LOCAL_GOVERNMENT})
_DOORS = (
    Door("/local", "local.door.work", PLACES, key="l"),
    Door("/local/cases/new", "local.door.new", _OFFICE, frozenset({Role.RECEPTION}), key="n"),
    Door("/local/media", "local.door.media", PLACES, key="m"),
    Door("/local/self-checks", "local.door.checks", PLACES, key="y"),
)


def local_room(world: World) -> Room:
    """The pages of local governments' sub-offices, and the centre's side of them."""
    blueprint = Blueprint("local", __name__, template_folder=str(_FOLDER / "templates"))
    for part in (cases, ending, media, self_checks):
        part.add(blueprint, world)
    return Room(blueprint, _FOLDER, _DOORS)
