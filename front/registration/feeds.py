"""The change feed over HTTP: a file of events, with the feed's own client key."""

from __future__ import annotations

from io import BytesIO

import msgspec
from flask import Blueprint, Response, request

from ca.revoking.feed import read_feed
from ca.store.clients import KeyPurpose
from front.assembly import World
from front.credentials import authenticate
from front.outcomes import outcome_fields


def feeds(world: World) -> Blueprint:
    """``POST /api/events``: a feed file as the body; the answer has an outcome for each event."""
    blueprint = Blueprint("feeds", __name__, url_prefix="/api")

    @blueprint.post("/events")
    def apply() -> Response:
        """Apply a feed file. When the answer comes, every event of it stands in the journal."""
        with world.stores.nation.reading() as connection:
            authenticate(connection, request.headers.get("Authorization"), KeyPurpose.FEED)
        feed = read_feed(BytesIO(request.get_data()), "body", world.issuers.vault.code_key())
        outcomes = world.events.apply(feed, at=world.clock())
        answer = {
            "feed": feed.name,
            "sequence": feed.sequence,
            "outcomes": [outcome_fields(outcome) for outcome in outcomes],
        }
        return Response(msgspec.json.encode(answer), mimetype="application/json")

    return blueprint
