"""The window's room of pages: work list, search, applications, their cases, and what holders report."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint

from ca.model import OfficeKind, Role
from front.assembly import World
from front.pages.navigation import Door
from front.pages.rendering import Room
from front.pages.texts import Texts
from front.registration.window_cases import add_cases
from front.registration.window_lists import add_lists
from front.registration.window_new import add_new
from front.registration.window_requests import add_requests

FOLDER = Path(__file__).parent

_WINDOWS, _RECEPTION = frozenset({OfficeKind.WINDOW}), frozenset({Role.RECEPTION})
_WORKERS = frozenset(Role) - {Role.AUDITOR}

DOORS = (
    Door("/", "registration.door.work", frozenset(OfficeKind) - {OfficeKind.LOCAL_GOVERNMENT}, _WORKERS, "w"),
    Door("/cases/new", "registration.door.new", _WINDOWS, _RECEPTION, key="n"),
    Door("/cases", "registration.door.search", key="s"),
    Door("/requests", "registration.door.requests", _WINDOWS, _RECEPTION, key="r"),
)


def window(world: World) -> Room:
    """The pages over a world."""
    blueprint = Blueprint("window", __name__, template_folder=str(FOLDER / "templates"))
    add_lists(blueprint, world)
    add_cases(blueprint, world, Texts.read([FOLDER / "texts"]))
    add_new(blueprint, world)
    add_requests(blueprint, world)
    return Room(blueprint, FOLDER, DOORS)
