"""What ends when: cross-certificates, self-signed certificates, agreements, and the certificates of responders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bridge.crossing.pairs import all_halves, newest
from ca.model import CertificateId
from ca.rules.generations import OVER
from ca.store import agreements, authorities, key_lives, peers, responders
from ca.store.connections import Reading
from ca.wire.facts import read_certificate

_LAST = datetime(9999, 12, 31, 23, 59, 58, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends.

    Attributes:
        at: Its last valid second.
        what: In a word or two.
        name: What it is called.
        between: Whom it concerns.
    """

    at: datetime
    what: str
    name: str
    between: str


def calendar(reading: Reading, at: datetime, until: datetime | None = None) -> list[Ending]:
    """What ends from this moment on, up to another one if it is given; the soonest first."""
    found = [
        *_authorities(reading),
        *_peers(reading),
        *(
            Ending(
                half.period.not_after,
                "link" if half.is_link else "cross-certificate",
                str(half.certificate),
                f"{half.issuer} for {half.subject}",
            )
            for half in newest(all_halves(reading), at)
        ),
        *(
            Ending(one.ends, "agreement", one.id, f"{one.ours} and {one.peer}")
            for one in agreements.everything(reading.nation)
            if one.ended_at is None
        ),
    ]
    wanted = [one for one in found if one.at >= at and (until is None or one.at <= until)]
    return sorted(wanted, key=lambda one: (one.at, one.what, one.name))


def _authorities(reading: Reading) -> Iterator[Ending]:
    for connection in reading.each():
        over = key_lives.standing(connection, OVER)  # theirs ended with them, whatever it says
        for record in authorities.all_generations(connection):
            if record.id in over:
                continue
            certificate = CertificateId(record.id, record.serial)
            yield Ending(record.period.not_after, "self-signed", str(certificate), str(record.id))
        for one in responders.newest(connection):
            if not one.ended and one.generation not in over:
                yield Ending(one.period.not_after, one.kind.value, str(one.certificate), str(one.generation))


def _peers(reading: Reading) -> Iterator[Ending]:
    """The own certificates of other CAs, where those gave some."""
    for peer in peers.all_generations(reading.nation):
        if peer.self_signed is not None:
            facts = read_certificate(peer.self_signed, f"certificate of {peer.generation}")
            name = f"{peer.generation}:{facts.serial:x}"
            yield Ending(facts.not_after, "self-signed", name, str(peer.generation))


def icalendar(endings: Iterable[Ending], world: str, at: datetime) -> bytes:
    """The same as an iCalendar file (RFC 5545): one event for each, at its last second."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:-//kakehashi//{_text(world)}//EN"]
    for one in endings:
        uid = hashlib.sha256(f"{world} {one.what} {one.name}".encode()).hexdigest()[:32]
        lines += [
            "BEGIN:VEVENT",
            f"UID:{uid}@kakehashi",
            f"DTSTAMP:{at:%Y%m%dT%H%M%SZ}",
            f"DTSTART:{one.at:%Y%m%dT%H%M%SZ}",
            f"DTEND:{_second_after(one.at):%Y%m%dT%H%M%SZ}",
            f"SUMMARY:{_text(f'{one.what} ends: {one.between}')}",
            f"DESCRIPTION:{_text(one.name)}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return b"".join(folded for line in lines for folded in _folded(line.encode()))


def _second_after(moment: datetime) -> datetime:
    """The end of an event; there is none after the last second of 9999, at which what never ends ends."""
    return moment if moment > _LAST else moment + timedelta(seconds=1)


def _text(value: str) -> str:
    """A TEXT value (RFC 5545 3.3.11)."""
    return value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")


def _folded(line: bytes) -> Iterator[bytes]:
    """A content line in pieces of at most 75 octets, no character cut in two (RFC 5545 3.1)."""
    rest, room = line, 75
    while len(rest) > room:
        cut = room
        while rest[cut] & 0xC0 == 0x80:
            cut -= 1
        yield rest[:cut] + b"\r\n "
        rest, room = rest[cut:], 74
    yield rest + b"\r\n"
