"""Certificate authorities that are not of this home: their keys, and what they have issued to ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from ca.errors import NotFound
from ca.journal.crossing import PeerKeyEntry, ReceivedEndEntry
from ca.keys.signer import key_identifier
from ca.model import AuthorityId, GenerationId, Period, Serial
from ca.store.tables import peers, received_certificates


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """One key of another CA.

    Attributes:
        generation: What the key is called here, such as ``foreign.g1``; no authority of this home has its name.
        name: The CA's name in DER, as it encodes it itself.
        public_key: Encoded SubjectPublicKeyInfo.
        self_signed: The CA's own certificate for the key in DER, if it gave one.
    """

    generation: GenerationId
    name: bytes
    public_key: bytes = field(repr=False)
    self_signed: bytes | None = field(repr=False)

    @property
    def key_identifier(self) -> bytes:
        """The key's identifier, as certificates and lists name it (RFC 5280 4.2.1.2, method 1)."""
        return key_identifier(self.public_key)


@dataclass(frozen=True, slots=True)
class Received:
    """A certificate that a peer has issued to a generation of ours.

    Attributes:
        examination: By which it was accepted.
        ended_at: Since when it is not shown as half of a pair any more, if it is not.
    """

    issuer: GenerationId
    subject: GenerationId
    serial: Serial
    period: Period
    examination: int
    encoded: bytes = field(repr=False)
    ended_at: datetime | None = None


def all_generations(connection: Connection) -> list[PeerRecord]:
    """Every key of every peer, by peer and number."""
    query = select(peers).order_by(peers.c.authority, peers.c.number)
    return [_peer(row) for row in connection.execute(query)]


def find(connection: Connection, wanted: GenerationId) -> PeerRecord:
    """The key of a peer that is called so, or NotFound."""
    row = connection.execute(select(peers).where(peers.c.generation == str(wanted))).one_or_none()
    if row is None:
        raise NotFound(f"generation {wanted}", "is no peer's", remedy="`kakehashi cross list` shows them")
    return _peer(row)


def with_key(connection: Connection, peer: AuthorityId, public_key: bytes) -> GenerationId | None:
    """What this key of this peer is called, if it is known."""
    query = select(peers.c.generation).where(peers.c.authority == peer, peers.c.public_key == public_key)
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else GenerationId.parse(found)


def next_generation(connection: Connection, peer: AuthorityId) -> GenerationId:
    """What the next key of this peer will be called."""
    query = select(func.max(peers.c.number)).where(peers.c.authority == peer)
    return GenerationId(peer, (connection.execute(query).scalar_one() or 0) + 1)


def add(connection: Connection, entry: PeerKeyEntry) -> None:
    """Write down a key of a peer, or what is new of one that is known: the certificate that it gave for it."""
    generation = GenerationId.parse(entry.generation)
    known = select(peers.c.self_signed).where(peers.c.generation == entry.generation)
    row = connection.execute(known).one_or_none()
    if row is None:
        connection.execute(
            insert(peers).values(
                generation=entry.generation,
                authority=generation.authority,
                number=generation.number,
                name=entry.name,
                public_key=entry.public_key,
                self_signed=entry.self_signed,
                known_at=entry.at,
            )
        )
    elif entry.self_signed is not None:
        same = peers.c.generation == entry.generation
        connection.execute(update(peers).where(same).values(self_signed=entry.self_signed))


def received(connection: Connection) -> list[tuple[GenerationId, GenerationId, bytes]]:
    """Every certificate that a peer has issued to us: (our generation, the peer's, DER), the newest of a pair last.

    Also those that are shown as half of a pair no more.
    """
    return [(one.subject, one.issuer, one.encoded) for one in all_received(connection)]


def current_received(connection: Connection) -> dict[tuple[GenerationId, GenerationId], bytes]:
    """Of each (peer's generation, our generation) the newest certificate in DER that is still shown."""
    return {
        (one.issuer, one.subject): one.encoded for one in all_received(connection) if one.ended_at is None
    }


def all_received(connection: Connection) -> list[Received]:
    """The same with all that is known of each, in the order of their notBefore."""
    columns = received_certificates.c
    query = select(received_certificates).order_by(
        columns.not_before, columns.issuer, columns.subject, columns.number
    )
    return [_received(row) for row in connection.execute(query)]


def add_received(connection: Connection, new: Received) -> None:
    """Write down what a peer has issued to us, if it is not known."""
    columns = received_certificates.c
    pair = (columns.issuer == str(new.issuer)) & (columns.subject == str(new.subject))
    known = select(columns.serial).where(pair, columns.serial == new.serial.octets)
    if connection.execute(known).first() is not None:
        return
    newest = connection.execute(select(func.max(columns.number)).where(pair)).scalar_one()
    connection.execute(
        insert(received_certificates).values(
            issuer=str(new.issuer),
            subject=str(new.subject),
            serial=new.serial.octets,
            number=(newest or 0) + 1,
            examination=new.examination,
            not_before=new.period.not_before,
            not_after=new.period.not_after,
            encoded=new.encoded,
            ended_at=new.ended_at,
        )
    )


def end_received(connection: Connection, entry: ReceivedEndEntry) -> None:
    """Have a certificate of a peer's for us count as half of a pair no more, if it still does."""
    columns = received_certificates.c
    connection.execute(
        update(received_certificates)
        .where(
            columns.issuer == entry.issuer,
            columns.subject == entry.subject,
            columns.serial == bytes.fromhex(entry.serial),
            columns.ended_at.is_(None),
        )
        .values(ended_at=entry.at)
    )


def _peer(row: Row[Any]) -> PeerRecord:
    self_signed = None if row.self_signed is None else bytes(row.self_signed)
    return PeerRecord(GenerationId.parse(row.generation), bytes(row.name), bytes(row.public_key), self_signed)


def _received(row: Row[Any]) -> Received:
    return Received(
        issuer=GenerationId.parse(row.issuer),
        subject=GenerationId.parse(row.subject),
        serial=Serial.of(row.serial),
        period=Period(row.not_before, row.not_after),
        examination=row.examination,
        encoded=bytes(row.encoded),
        ended_at=row.ended_at,
    )
