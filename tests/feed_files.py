"""Change feeds as a municipality's register would write them."""

import hashlib
import json
from datetime import datetime, timedelta, timezone

JST = timezone(timedelta(hours=9))


def moment(text: str) -> str:
    """A moment in Japanese time: ``2015-03-01`` is its midnight."""
    return datetime.fromisoformat(text).replace(tzinfo=JST).isoformat()


def event(name: str, kind: str, code: str, effective: str, **others: str) -> dict[str, str]:
    """An event that happened, was told and took effect at one moment; ``others`` say otherwise."""
    at = moment(effective)
    return {
        "event": name,
        "kind": kind,
        "code": code,
        "occurred": at,
        "notified": at,
        "effective": at,
        **others,
    }


def feed_lines(*events: dict, feed: str = "tottori", sequence: int = 1, **header) -> list[bytes]:
    """Header and event lines; keywords replace what the header says."""
    head = {"feed": feed, "sequence": sequence, "count": len(events), "format": 1, **header}
    return [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in (head, *events)]


def sealed(lines: list[bytes]) -> bytes:
    """The lines with the trailer that belongs to them."""
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    return b"".join([*lines, json.dumps({"sha256": digest}).encode(), b"\n"])


def feed_file(*events: dict, **header) -> bytes:
    """A whole feed file."""
    return sealed(feed_lines(*events, **header))
