"""What a world puts into its repository: certificates, pairs, lists, and the signed manifest of them all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from bridge.crossing.plan import Plan
from bridge.manifest import MANIFEST, MANIFEST_SIGNATURE, AuthorityEntry, CrossEntry, Manifest
from bridge.repository.folder import Repository
from bridge.repository.layout import (
    cross_path,
    list_entry,
    list_path,
    pair_path,
    self_signed_path,
    service_path,
)
from bridge.repository.signing import sign_statement
from ca.issuing.issuer import Issuers
from ca.model import CertificateId, CertificateKind, GenerationId
from ca.profiles.lists import ListPlace
from ca.revoking.lists.adoption import adopt
from ca.revoking.lists.gate import require_places
from ca.revoking.lists.publication import due, publish
from ca.store import authorities, certificates, lists
from ca.store.authorities import GenerationRecord
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.lists import ListRecord
from ca.store.stores import Stores
from ca.wire.names import encode_name
from ca.wire.pairs import certificate_pair


@dataclass(frozen=True, slots=True)
class _Public:
    """Every certificate that is public (of a service's the newest), and the lists' places."""

    generations: list[GenerationRecord]
    self_signed: dict[GenerationId, bytes]
    crosses: dict[tuple[GenerationId, GenerationId], bytes]
    services: dict[tuple[GenerationId, CertificateKind], CertificateRecord]
    places: list[tuple[GenerationId, ListPlace]]


def publish_certificates(stores: Stores, repository: Repository) -> int:
    """Place every public certificate and pair that is not there yet; gives how many files were written."""
    public = _read(stores)
    files = [(self_signed_path(generation), encoded) for generation, encoded in public.self_signed.items()]
    for (generation, kind), newest in public.services.items():
        files.append((service_path(generation, kind), newest.encoded))
    for (issuer, subject), encoded in public.crosses.items():
        files.append((cross_path(issuer, subject), encoded))
        # X.509 11.2.3: in the subject's entry this certificate is issuedToThisCA, the reverse is issuedByThisCA.
        back = public.crosses.get((subject, issuer))
        pair = certificate_pair(issued_to_this=encoded, issued_by_this=back)
        files.append((pair_path(subject, issuer), pair))
    return repository.place(files)


def publish_lists(
    issuers: Issuers, generation: GenerationId, repository: Repository, *, at: datetime
) -> list[ListRecord]:
    """Make and place the lists of a generation that are missing or kept back, or in the second half of their time.

    Missing is also one that the store knows and the folder has lost.

    Raises:
        ListBlocked: A list did not pass the gate, or a place would be left without any; the others were made.
        LintRefused: A list would break a rule; the others were made.
    """
    issuer = issuers.of(generation)
    store = issuers.store(generation.authority)
    adopt(store, generation, repository)
    with store.reading() as connection:
        wanted = set(due(connection, generation, issuer.practice.periods.next_update / 2, at))
        places = lists.places_of(connection, generation)
    public = {place.scope for place in places if repository.has(list_path(generation, place.scope))}
    scopes = [place.scope for place in places if place.scope in wanted or place.scope not in public]
    require_places(generation, [place.scope for place in places], scopes, public)
    return publish(store, issuer, scopes, repository, at=at) if scopes else []


def publish_manifest(issuers: Issuers, plan: Plan, repository: Repository, *, at: datetime) -> int:
    """Place the signed manifest, if it says something new; gives how many files were written."""
    public = _read(issuers.stores)
    manifest = msgspec.json.format(msgspec.json.encode(_manifest(plan, public)), indent=1)
    if (repository.folder / MANIFEST_SIGNATURE).exists() and not repository.differs(MANIFEST, manifest):
        return 0
    signature = sign_statement(issuers, plan, manifest, at=at)
    # The signature goes first: a reader between the two sees an old manifest with a signature that does not fit,
    # and asks again, but never a new manifest that nobody signed.
    return repository.place([(MANIFEST_SIGNATURE, signature), (MANIFEST, manifest)])


def _manifest(plan: Plan, public: _Public) -> Manifest:
    anchor = max(record.id for record in public.generations if record.id.authority == plan.anchor)
    return Manifest(
        format=1,
        world=plan.name,
        marking=plan.marking,
        anchor=str(anchor),
        authorities=tuple(
            AuthorityEntry(
                generation=str(record.id),
                role=plan.practices[record.id.authority].role,
                name=encode_name(plan.practices[record.id.authority].name),
                key_identifier=record.key_identifier.hex(),
                certificate=self_signed_path(record.id),
                responder=service_path(record.id, CertificateKind.OCSP_RESPONDER),
            )
            for record in public.generations
        ),
        cross=tuple(
            CrossEntry(str(issuer), str(subject), cross_path(issuer, subject))
            for issuer, subject in public.crosses
        ),
        lists=tuple(list_entry(generation, place) for generation, place in public.places),
    )


def _read(stores: Stores) -> _Public:
    public = _Public([], {}, {}, {}, [])
    for store in stores.each():
        with store.reading() as connection:

            def encoded(certificate: CertificateId, connection: Connection = connection) -> bytes:
                return certificates.find(connection, certificate).encoded

            for record in authorities.all_generations(connection):
                public.generations.append(record)
                public.self_signed[record.id] = encoded(CertificateId(record.id, record.serial))
                public.places.extend((record.id, place) for place in lists.places_of(connection, record.id))
            for subject, certificate in authorities.crosses(connection):
                public.crosses[certificate.generation, subject] = encoded(certificate)
            for service in authorities.services(connection):
                one = certificates.find(connection, service.certificate)
                before = public.services.get((one.id.generation, one.kind), one)
                if one.state is CertificateState.ISSUED and one.period.not_before >= before.period.not_before:
                    public.services[one.id.generation, one.kind] = one
    return public
