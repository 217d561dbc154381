"""Change feeds as a municipality's register would write them."""

import csv
import hashlib
import io
import json
from datetime import datetime, timedelta, timezone

from ca.revoking.feed.in_csv import WORDS
from ca.rules.residents import ChangeKind

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


HEADINGS = {
    "event": "異動番号",
    "kind": "異動事由",
    "code": "住民票コード",
    "occurred": "異動年月日",
    "notified": "届出年月日",
    "effective": "効力発生年月日",
    "withdraws": "取下対象異動番号",
    "new_code": "新住民票コード",
}
"""The columns as the page on feeds has them; written out here, so that the product does not judge itself."""


def csv_file(*events: dict, encoding: str = "utf-8-sig", words: dict[str, str] | None = None) -> bytes:
    """The same events as a municipal system would export them, in Japan's time.

    Args:
        events: As ``event`` makes them.
        encoding: Python's name of it; ``utf-8-sig`` writes a byte order mark.
        words: Kind -> what stands in the column of reasons; without one, the kind's two-digit code.
    """
    rows = io.StringIO()
    used = [name for name in HEADINGS if name in REQUIRED or any(name in event for event in events)]
    writer = csv.writer(rows, lineterminator="\r\n")
    writer.writerow(HEADINGS[name] for name in used)
    for event in events:
        writer.writerow(_cell(name, event.get(name, ""), words or {}) for name in used)
    return rows.getvalue().encode(encoding)


REQUIRED = ("event", "kind", "code", "occurred", "notified", "effective")


def _cell(name: str, value: str, words: dict[str, str]) -> str:
    if name == "kind":
        return words.get(value) or WORDS[ChangeKind(value)][0]
    if name not in {"occurred", "notified", "effective"}:
        return value
    at = datetime.fromisoformat(value).astimezone(JST)
    return at.strftime("%Y-%m-%d" if (at.hour, at.minute, at.second) == (0, 0, 0) else "%Y-%m-%d %H:%M:%S")
