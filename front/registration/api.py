"""The machine interface: JSON in, JSON out, by client keys; and its own description (``GET /api/openapi.json``).

The operations stand in tables by subject, each a row from which its route and its description are made.
"""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response

from front.assembly import World
from front.registration.api_cases import CASES
from front.registration.api_checks import CHECKS
from front.registration.api_ends import ENDS
from front.registration.api_media import MEDIA
from front.registration.describing import describe
from front.registration.feeds import FEEDS
from front.registration.operations import JSON, Operation, blueprint_of

OPERATIONS: tuple[Operation[Any], ...] = (*CASES, *ENDS, *MEDIA, *CHECKS, *FEEDS)
"""Everything that the interface does, but the description of itself."""


def api(world: World) -> Blueprint:
    """The interface over a world."""
    blueprint = blueprint_of(world, OPERATIONS)
    described = msgspec.json.encode(describe(OPERATIONS, world.description.url))

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        """The description, OpenAPI 3.1."""
        return Response(described, mimetype=JSON)

    return blueprint
