"""Looking through the journal a bounded piece at a time, and saying what a record says without saying of whom.

Files are named after their first records, and records lie in the order of their moments, so that a day is found by
halving and not by reading. From there at most ``SCANNED`` records are read for one page; the next begins where it ended.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import msgspec

from ca.clock import utc_text
from ca.journal.entries import ORDER, Entry
from ca.journal.journal import Record, records
from ca.journal.segments import segments

SCANNED = 20_000
"""Records that are read at most for one page."""

KINDS = tuple(sorted(kind.__struct_config__.tag for kind in get_args(Entry)))
"""The kinds of records."""

SHOWN = frozenset({
    "agreement", "application", "at", "back", "batch", "before", "begins", "body", "case", "cause", "certificate", "certificates",
    "client", "crosses", "decided_at", "decision", "digest", "done", "effective", "ended", "ends", "event", "evidence", "expired",
    "feed", "fingerprint", "finished", "found", "generation", "halves", "held", "invalid_since", "issuer", "key",
    "kind", "links", "name", "not_after", "not_before", "notified", "number", "occurred", "officer", "orders", "ours",
    "outcome", "peer", "place", "plan", "priority", "problem", "progress", "public_key", "reason", "received",
    "replaces", "revoked_at", "row", "rule", "scope", "second_officer", "selection", "self_signed", "sequence",
    "serial", "service_key", "signature", "step", "subject", "subject_key", "suite", "tbs", "text", "verifier", "what",
    "withdraws",
})  # fmt: skip
"""The parts of records that are shown; octets of certificates and keys by their SHA-256 alone."""

WITHHELD = frozenset({"holder", "new_holder", "facts", "keys"})
"""Those that are not: keyed codes, by which one could see that two records are of one resident; and hashes of keys."""

_SLACK = timedelta(hours=1)  # two who are at work at once may be recorded the other way round
_PROBED = 20
_LONGEST = 4000
_PARTS = 2000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are looked for; what is None or empty does not matter.

    Attributes:
        first: Of this index or a later one, and ``last`` of this or an earlier one.
        since: Of this moment or later, and ``until`` before this one; records without a moment do not fit.
        certificate: That speak of this certificate, ``authority.generation:serial``.
        case: That speak of this case.
    """

    first: int = 1
    last: int | None = None
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None
    certificate: str = ""
    case: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A record in a line.

    Attributes:
        what: What it is about, and ``outcome`` what came of it, in the record's own words.
        ended: How many certificates it ends, and ``issued`` how many it is about to make or has made.
    """

    index: int
    kind: str
    at: datetime | None
    what: str
    outcome: str
    officer: str
    ended: int
    issued: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found so far.

    Attributes:
        behind: The record up to which was read; the search goes on behind it. None at the end.
    """

    lines: tuple[Line, ...]
    behind: int | None


def search(folder: Path, wanted: Wanted, limit: int, scanned: int = SCANNED) -> Found:
    """The records that are looked for, in their order, so many at most of so many that are read.

    Raises:
        HomeRefused: The journal is damaged there.
    """
    found: list[Line] = []
    behind = 0
    reading = _readable(folder, wanted)
    for record in islice(reading, scanned):
        behind = record.index
        if fits(record, wanted):
            found.append(summary(record))
            if len(found) == limit:
                break
    # What is looked for may all be found already; then the next page says so.
    more = next(reading, None) is not None
    return Found(tuple(found), behind if more else None)


def matching(folder: Path, wanted: Wanted, scanned: int) -> Iterator[Line]:
    """The same for a file: as they are found."""
    return (summary(record) for record in islice(_readable(folder, wanted), scanned) if fits(record, wanted))


def find(folder: Path, index: int) -> Record | None:
    """The record of this index, if there is one."""
    return next(records(folder, index - 1), None) if index > 0 else None


def fits(record: Record, wanted: Wanted) -> bool:
    """Whether a record is looked for, as far as its kind, its moment and what it speaks of go."""
    if wanted.kind and _kind(record) != wanted.kind:
        return False
    if wanted.since is not None or wanted.until is not None:
        at = moment_of(record)
        if at is None or (wanted.since and at < wanted.since) or (wanted.until and at >= wanted.until):
            return False
    if wanted.certificate and wanted.certificate not in _named(record.entry, {"certificate", "certificates"}):
        return False
    return not wanted.case or wanted.case in _named(record.entry, {"application"})


def moment_of(record: Record) -> datetime | None:
    """When a record was made; None for a kind that does not say so."""
    found = getattr(record.entry, "received", None)
    found = found if isinstance(found, datetime) else getattr(record.entry, "at", None)
    return found if isinstance(found, datetime) else None


def summary(record: Record) -> Line:
    """A record in a line."""
    entry = record.entry
    number = getattr(entry, "number", None)
    about = (
        str(getattr(entry, name))
        for name in ("event", "case", "cause", "client", "verifier", "agreement", "plan", "generation")
        if hasattr(entry, name)
    )
    certificates = getattr(entry, "certificates", ())
    return Line(
        record.index,
        _kind(record),
        moment_of(record),
        f"{ORDER}{number}"
        if _kind(record).startswith("mass")
        else next(about, "" if number is None else str(number)),
        str(
            next(
                (getattr(entry, name) for name in ("outcome", "decision", "step") if hasattr(entry, name)), ""
            )
        ),
        str(getattr(entry, "officer", None) or ""),
        len(getattr(entry, "orders", ())),
        len(certificates) if _kind(record) in {"intent", "issued"} else 0,
    )


def told(record: Record) -> list[tuple[str, str]]:
    """Every part of a record that is shown, by its path; what is withheld is named without its value."""
    return list(islice(_told(msgspec.structs.asdict(record.entry), ""), _PARTS))


def _told(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        for name, part in value.items():
            here = f"{path}.{name}" if path else name
            if name in SHOWN:
                yield from _told(part, here)
            elif part is not None:
                yield here, "…"
    elif isinstance(value, tuple | list):
        for number, part in enumerate(value, 1):
            yield from _told(part, f"{path}[{number}]")
    elif value is not None:
        yield path, _said(value)


def _said(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} octets, SHA-256 {hashlib.sha256(value).hexdigest()}"
    return utc_text(value) if isinstance(value, datetime) else str(value)[:_LONGEST]


def _readable(folder: Path, wanted: Wanted) -> Iterator[Record]:
    """The records among which to look: from where the first may lie to where the last one may."""
    first = max(wanted.first, 1)
    if wanted.since is not None:
        first = max(first, _first_at(folder, wanted.since - _SLACK))
    for record in records(folder, first - 1):
        if wanted.last is not None and record.index > wanted.last:
            return
        if wanted.until is not None:
            at = moment_of(record)
            if at is not None and at >= wanted.until + _SLACK:
                return
        yield record


def _first_at(folder: Path, moment: datetime) -> int:
    """A record from which on those lie that were made at a moment or later: the first one of a file."""
    firsts = list(segments(folder))

    def begins(first: int) -> datetime:
        probed = (moment_of(record) for record in islice(records(folder, first - 1), _PROBED))
        return next((at for at in probed if at is not None), moment)

    place = bisect_left(firsts, moment, key=begins)
    return firsts[max(place - 1, 0)] if firsts else 1


def _kind(record: Record) -> str:
    return str(record.entry.__struct_config__.tag)


def _named(value: object, names: set[str]) -> set[str]:
    """The texts that stand under these names, however deep."""
    found: set[str] = set()
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            part = getattr(value, name)
            if isinstance(part, str):
                found |= {part} if name in names else set()
            elif isinstance(part, tuple):
                found |= {one for one in part if isinstance(one, str) and name in names}
                found = found.union(*(_named(one, names) for one in part))
            else:
                found |= _named(part, names)
    return found
