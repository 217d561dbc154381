"""What of a world is public, as its databases have it: certificates, who may be called by them, and the lists' places."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from ca.model import CertificateId, CertificateKind, GenerationId, Serial
from ca.profiles.lists import ListPlace
from ca.rules.generations import COMING
from ca.store import authorities, certificates, key_lives, lists, peers, revocations
from ca.store.authorities import GenerationRecord
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.peers import PeerRecord
from ca.store.stores import Stores

Pair = tuple[GenerationId, GenerationId]
"""Who issued, and for whom."""

Service = tuple[GenerationId, CertificateKind]
"""Under which key, and what."""


@dataclass(frozen=True, slots=True)
class Cross:
    """A certificate of one generation for another: a cross-certificate, or a link within one authority.

    Attributes:
        current: It is what stands between the two now: their newest that is not withdrawn.
    """

    issuer: GenerationId
    subject: GenerationId
    serial: Serial
    encoded: bytes
    current: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """What no current name leads to: it was never public, or was taken back.

    Attributes:
        generations: Keys that nobody is to come across, with the places of their lists.
        pairs: Who has certified whom, where one of the two is such a key.
        services: Services whose certificates are all revoked, or of such a key.
    """

    generations: dict[GenerationId, tuple[ListPlace, ...]] = field(default_factory=dict)
    pairs: frozenset[Pair] = frozenset()
    services: frozenset[Service] = frozenset()


@dataclass(frozen=True, slots=True)
class Public:
    """Everything public of a world but its lists.

    Attributes:
        peers: Keys of authorities that are of other worlds.
        self_signed: The certificates that keys have for themselves; of peers, of those who gave one.
        crosses: In the order of their notBefore, those that peers have issued after our own.
        services: Of each service of a generation its newest certificate that was not revoked.
        places: Where lists stand.
        coming: Keys of ours that are public, and have not taken over yet.
        gone: What may have been public, and is not any more.
    """

    generations: tuple[GenerationRecord, ...]
    peers: tuple[PeerRecord, ...]
    self_signed: dict[GenerationId, bytes]
    crosses: tuple[Cross, ...]
    services: dict[Service, CertificateRecord]
    places: tuple[tuple[GenerationId, ListPlace], ...]
    coming: frozenset[GenerationId] = frozenset()
    gone: Gone = Gone()


def read_public(stores: Stores) -> Public:
    """What is public now, from every database of the world; of a key whose status was never served, nothing."""
    generations: list[GenerationRecord] = []
    hidden: dict[GenerationId, tuple[ListPlace, ...]] = {}
    coming: set[GenerationId] = set()
    self_signed: dict[GenerationId, bytes] = {}
    crosses: list[Cross] = []
    services: dict[Service, CertificateRecord] = {}
    known: set[Service] = set()
    places: list[tuple[GenerationId, ListPlace]] = []
    for store in stores.each():
        with store.reading() as connection:
            shown = key_lives.public(connection)
            coming |= key_lives.standing(connection, COMING) & shown
            for record in authorities.all_generations(connection):
                of_it = lists.places_of(connection, record.id)
                if record.id not in shown:
                    hidden[record.id] = tuple(of_it)
                    continue
                generations.append(record)
                own = certificates.find(connection, CertificateId(record.id, record.serial))
                if own.state is CertificateState.ISSUED:
                    self_signed[record.id] = own.encoded
                places += [(record.id, place) for place in of_it]
            crosses += _issued(connection)
            for one in _services(connection):
                name = one.id.generation, one.kind
                known.add(name)
                if one.id.generation in hidden or revocations.find(connection, one.id, one.scope) is not None:
                    continue
                before = services.get(name, one)
                if one.state is CertificateState.ISSUED and one.period.not_before >= before.period.not_before:
                    services[name] = one
    with stores.nation.reading() as connection:
        others = peers.all_generations(connection)
        crosses += _received(connection)
    self_signed |= {peer.generation: peer.self_signed for peer in others if peer.self_signed is not None}
    withdrawn = frozenset(
        (one.issuer, one.subject) for one in crosses if {one.issuer, one.subject} & hidden.keys()
    )
    return Public(
        tuple(generations),
        tuple(others),
        self_signed,
        tuple(one for one in crosses if (one.issuer, one.subject) not in withdrawn),
        services,
        tuple(places),
        frozenset(coming),
        Gone(hidden, withdrawn, frozenset(known - services.keys())),
    )


def _services(connection: Connection) -> list[CertificateRecord]:
    return [certificates.find(connection, one.certificate) for one in authorities.services(connection)]


def _issued(connection: Connection) -> list[Cross]:
    """What generations of this database have issued for others."""
    current = set(authorities.current_crosses(connection).values())
    return [
        Cross(
            certificate.generation,
            subject,
            certificate.serial,
            certificates.find(connection, certificate).encoded,
            certificate in current,
        )
        for subject, certificate in authorities.crosses(connection)
    ]


def _received(connection: Connection) -> list[Cross]:
    """What peers have issued for generations of ours."""
    current = set(peers.current_received(connection).values())
    return [
        Cross(one.issuer, one.subject, one.serial, one.encoded, one.encoded in current)
        for one in peers.all_received(connection)
    ]
