"""Which list was the first to say how a certificate stood: by the store as it stands now, of earlier by the lists themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ca.model import CertificateId, GenerationId, Revocation, RevocationReason, Scope, Serial
from ca.revoking.lists.publisher import Publisher
from ca.store.changes import placed_since
from ca.wire import der
from ca.wire.list_stream import ListStream, read_entry


@dataclass(frozen=True, slots=True)
class Naming:
    """The first list of a scope that says how a certificate stands, or stood.

    Attributes:
        record: The journal's record that ordered what it says.
        number: None as long as there is none, or if another end came before any.
    """

    generation: GenerationId
    scope: Scope
    record: int
    number: int | None
    this_update: datetime | None


def first_naming(
    connection: Connection,
    publisher: Publisher,
    certificate: CertificateId,
    scope: Scope,
    revocation: Revocation,
    *,
    since: datetime,
    before: int | None,
) -> tuple[int, datetime] | None:
    """The number and moment of the first list that said an end which another one has followed by now.

    The store keeps the last end alone, so the numbered lists are read; usually one.

    Args:
        connection: The authority's database.
        publisher: Where the lists lie.
        certificate: Whose end.
        scope: The lists' scope.
        revocation: What they said: this reason; of a lifted hold, nothing.
        since: When it was recorded.
        before: The number of the first list that said what followed, if there is one.
    """
    lifted = revocation.reason is RevocationReason.REMOVE_FROM_CRL
    wanted = None if lifted else revocation.reason
    since = since.replace(microsecond=0)  # as thisUpdate is
    for number, this_update in placed_since(connection, certificate.generation, scope, since, before):
        file = publisher.numbered(certificate.generation, scope, number)
        if file is None:
            continue
        with file:
            stream = ListStream(file, f"list {certificate.generation} {scope} {number}")
            if _said_by(stream, certificate.serial) is wanted:
                return number, this_update
    return None


def _said_by(stream: ListStream, serial: Serial) -> RevocationReason | None:
    """For which reason a list names a serial number; None if it does not."""
    wanted = der.integer(serial.value)
    while True:
        octets, entries = stream.run()
        if not entries:
            return None
        if wanted in octets:
            for entry in entries:
                if entry.startswith(wanted, 2):
                    return read_entry(entry, stream.head.place).revocation().reason
