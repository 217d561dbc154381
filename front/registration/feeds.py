"""The change feed over HTTP: a file of events, with the feed's own client key."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated, Any

import msgspec
from flask import request

from ca.errors import BadInput, NotPermitted
from ca.revoking.feed.files import Feed, read_feed
from ca.revoking.feed.in_csv import Encoding, Label, read_csv
from ca.store.clients import ClientKey, KeyPurpose
from front.receipts import feed_receipt_fields
from front.registration.answers import EventOutcomeAnswer, FeedAnswer, Receipt
from front.registration.operations import Call, Operation

_PLACE = "body"
_LINES, _CSV = "application/jsonl", "text/csv"


class CsvLabel(msgspec.Struct, frozen=True):
    """What a CSV file does not say of itself; a file of lines has none of it.

    Attributes:
        feed: Who sends; a feed's own key says it too.
        sequence: The file's number in its feed.
        sha256: Of the file, in hexadecimal digits.
        count: How many events it has.
    """

    feed: str | None = None
    sequence: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+$")] | None = None
    sha256: str | None = None
    count: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+$")] | None = None


def _apply(call: Call[bytes]) -> FeedAnswer:
    """Apply a feed file. When the answer comes, every event of it stands in the journal."""
    world, key = call.world, call.key
    assert key is not None, "it takes a feed's key"
    feed = _read(call.sent, key, world.issuers.vault.code_key())
    if key.feed not in {None, feed.name}:
        raise NotPermitted(
            f"{_PLACE}, feed",
            f"the client key is one for the feed {key.feed} alone",
            remedy="Send each feed with its own key",
        )
    taken = world.events.take(feed, at=world.clock())
    receipt = Receipt.of(feed_receipt_fields(world, feed, taken.outcomes))
    outcomes = tuple(map(EventOutcomeAnswer.of, taken.outcomes))
    return FeedAnswer(feed.name, feed.sequence, outcomes, receipt, taken.warnings)


def _read(octets: bytes, key: ClientKey, code_key: bytes) -> Feed:
    """The feed in the body: JSON Lines, unless the media type says that it is CSV."""
    if request.mimetype != _CSV:
        return read_feed(BytesIO(octets), _PLACE, code_key)
    if not request.args.keys() <= set(CsvLabel.__struct_fields__):
        known = ", ".join(CsvLabel.__struct_fields__)
        raise BadInput("query", "has another parameter", remedy=f"Known are {known}")
    own = {} if key.feed is None else {"feed": key.feed}
    label = Label.parse({**own, **request.args.to_dict()}, lambda part: f"query, {part}")
    charset = request.mimetype_params.get("charset")
    encoding = None if charset is None else Encoding.parse(charset, "Content-Type, charset")
    return read_csv(BytesIO(octets), _PLACE, code_key, label, encoding)


FEEDS: tuple[Operation[Any], ...] = (
    Operation(
        "apply_feed", "POST", "/events",
        "Apply a feed file, JSON Lines or CSV (docs/event-feed.md).",
        _apply, bytes, FeedAnswer, "feeds",
        key=KeyPurpose.FEED, media=(_LINES, _CSV), query=CsvLabel,
    ),
)  # fmt: skip
"""The operation of the change feed."""
