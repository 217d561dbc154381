"""The change feed over HTTP: a file of events, with the feed's own client key."""

from __future__ import annotations

from io import BytesIO

import msgspec
from flask import Blueprint, Request, Response, request

from ca.errors import BadInput, NotPermitted
from ca.revoking.feed.files import Feed, read_feed
from ca.revoking.feed.in_csv import Encoding, Label, read_csv
from ca.store.clients import ClientKey, KeyPurpose
from front.assembly import World
from front.credentials import authenticate
from front.outcomes import outcome_fields
from front.receipts import feed_receipt_fields

_PLACE = "body"
_LABEL = ("feed", "sequence", "sha256", "count")


def feeds(world: World) -> Blueprint:
    """``POST /api/events``: a feed file as the body; the answer has an outcome for each event, and a receipt."""
    blueprint = Blueprint("feeds", __name__, url_prefix="/api")

    @blueprint.post("/events")
    def apply() -> Response:
        """Apply a feed file. When the answer comes, every event of it stands in the journal."""
        with world.stores.nation.reading() as connection:
            key = authenticate(connection, request.headers.get("Authorization"), KeyPurpose.FEED)
        feed = _read(request, key, world.issuers.vault.code_key())
        if key.feed not in {None, feed.name}:
            raise NotPermitted(
                f"{_PLACE}, feed",
                f"the client key is one for the feed {key.feed} alone",
                remedy="Send each feed with its own key",
            )
        outcomes = world.events.apply(feed, at=world.clock())
        answer = {
            "feed": feed.name,
            "sequence": feed.sequence,
            "outcomes": [outcome_fields(outcome) for outcome in outcomes],
            "receipt": feed_receipt_fields(world, feed, outcomes),
        }
        return Response(msgspec.json.encode(answer), mimetype="application/json")

    return blueprint


def _read(sent: Request, key: ClientKey, code_key: bytes) -> Feed:
    """The feed in the body: JSON Lines, unless the media type says that it is CSV."""
    if sent.mimetype != "text/csv":
        return read_feed(BytesIO(sent.get_data()), _PLACE, code_key)
    if not sent.args.keys() <= set(_LABEL):
        raise BadInput("query", "has another parameter", remedy=f"Known are {', '.join(_LABEL)}")
    own = {} if key.feed is None else {"feed": key.feed}
    label = Label.parse({**own, **sent.args.to_dict()}, lambda part: f"query, {part}")
    charset = sent.mimetype_params.get("charset")
    encoding = None if charset is None else Encoding.parse(charset, "Content-Type, charset")
    return read_csv(BytesIO(sent.get_data()), _PLACE, code_key, label, encoding)
