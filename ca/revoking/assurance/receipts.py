"""Receipts: what a world owes to whoever told it of an event, or had a certificate ended, in its own signed words.

A receipt names the journal's records by index and SHA-256, the certificates that end, and the moments by which status
answers and lists say so. With it, and with what is published, anybody can show that the world kept its word, or did not.
It holds no code and no name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

from ca.errors import BadInput
from ca.journal.entries import (
    EffectEntry,
    EventEntry,
    OrderEntry,
    QuarantineEntry,
    ResolutionEntry,
    RevocationEntry,
)
from ca.journal.journal import Head, Record
from ca.model import CertificateId, RevocationReason

RECEIPT_LIMIT = 16 * 1024 * 1024
"""Octets of a receipt: some 300 for each record and each certificate."""

MOST_CERTIFICATES = 40_000
"""Certificates that a receipt may name, so that it and its records stay below the limit."""

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class RecordPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record of the journal: its index, and the SHA-256 of its line. ``event`` is the event that it acknowledges."""

    index: Annotated[int, msgspec.Meta(ge=1)]
    digest: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    event: str | None = None


class CertificatePart(msgspec.Struct, frozen=True):
    """A certificate that ends, is held or let go: by which record, why, since when, and the list that names it."""

    certificate: str
    record: int
    reason: str
    revoked_at: _Moment
    scope: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9-]{1,40}\Z")]

    @property
    def id(self) -> CertificateId:
        """Which certificate."""
        return CertificateId.parse(self.certificate)


class Statement(msgspec.Struct, frozen=True):
    """What a receipt says, and its world has signed.

    Attributes:
        at: When all of it was acknowledged.
        status_by: From when on every status answer says so.
        lists_by: From when on every list says so that is not out of date.
    """

    format: Literal[1]
    world: str
    records: tuple[RecordPart, ...]
    certificates: tuple[CertificatePart, ...]
    at: _Moment
    status_by: _Moment
    lists_by: _Moment


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A receipt as it is handed out: the statement's very text, and the detached CMS signature over it in base64."""

    statement: str
    signature: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt. That it is signed by its world is for ``bridge.relying.statements`` to find."""

    said: Statement
    statement: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def fields(self) -> dict[str, str]:
        """What is handed out, for JSON."""
        return {
            "statement": self.statement.decode(),
            "signature": base64.b64encode(self.signature).decode(),
        }


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A record, the event that it acknowledges, and the certificates that it ends."""

    head: Head
    event: str | None
    orders: tuple[OrderEntry, ...]


def acknowledged(head: Head, record: Record) -> Acknowledged:
    """What a record acknowledges."""
    entry = record.entry
    event = entry.event if isinstance(entry, EventEntry | EffectEntry | QuarantineEntry) else None
    orders: tuple[OrderEntry, ...] = ()
    if isinstance(entry, EventEntry | EffectEntry | ResolutionEntry | RevocationEntry):
        orders = entry.orders
    return Acknowledged(head, event, orders)


def make_statement(
    world: str,
    records: Iterable[Acknowledged],
    *,
    at: datetime,
    status_within: timedelta,
    lists_within: timedelta,
) -> Statement:
    """What a receipt for these records says.

    Args:
        world: The world's name, as its manifest has it.
        records: What was acknowledged.
        at: The moment of the acknowledgement.
        status_within: How long a responder may answer without having heard of it (``StatusPractice.staleness``).
        lists_within: The longest time until a list is made anew, whatever happens.
    """
    parts: list[RecordPart] = []
    certificates: list[CertificatePart] = []
    for one in sorted(records, key=lambda one: one.head.count):
        parts.append(RecordPart(one.head.count, one.head.digest, one.event))
        certificates += (
            CertificatePart(
                order.certificate, one.head.count, order.reason, order.revoked_at.astimezone(UTC), order.scope
            )
            for order in one.orders
        )
    moment = at.astimezone(UTC)
    return Statement(
        format=1,
        world=world,
        records=tuple(parts),
        certificates=tuple(certificates),
        at=moment,
        status_by=moment + status_within,
        lists_by=moment + lists_within,
    )


def encode_statement(statement: Statement) -> bytes:
    """The octets that are signed."""
    return msgspec.json.encode(statement)


def encode_receipt(receipt: Receipt) -> bytes:
    """A receipt's file."""
    return msgspec.json.format(msgspec.json.encode(receipt.fields()), indent=1) + b"\n"


def read_receipt(octets: bytes, place: str) -> Receipt:
    """Read a receipt's file, or raise BadInput naming the place."""
    if len(octets) > RECEIPT_LIMIT:
        raise BadInput(place, f"longer than {RECEIPT_LIMIT} octets")
    try:
        file = msgspec.json.decode(octets, type=_File)
        statement = file.statement.encode()
        signature = base64.b64decode(file.signature, validate=True)
        said = msgspec.json.decode(statement, type=Statement)
        for part in said.certificates:
            CertificateId.parse(part.certificate)
            RevocationReason.recorded(part.reason)
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError, BadInput) as error:
        raise BadInput(place, f"is not a receipt of format 1: {error}") from None
    return Receipt(said, statement, signature)
