"""What a world puts into its repository: lists, certificates, pairs, and the signed manifest of them all.

Whoever dies between two steps leaves every path as valid as it was. So each thing comes after what it leads to:

====================================  ==================================================================
step                                  why not before
====================================  ==================================================================
1. lists, the authority lists too     -
2. self-signed, services              they lead nowhere
3. crosses and links by their serial  a path over one asks for its subject's lists, and for those of its issuer
4. the newest one of each two, pairs  they are renewed in place: the old and the new are both valid then
5. ``issued-to``, ``issued-by``       they name what stands there since step 3
6. the manifest                       it names nothing but what is there
====================================  ==================================================================

A cross-certificate to or from a generation that lacks a list is left out until all are there, and the manifest names
none that is not there: so the order holds whoever calls what. What is withdrawn is first said by the authority list
(``kakehashi revoke`` publishes it at once, and so does ``kakehashi cross withdraw``); then it goes from pairs and from
step 4 and 5; under its serial, and in the manifest, it stays for those who verify the past. Of a key whose plan was taken
back, or that was discarded, no current name stays, and no word in the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

import msgspec

from bridge.crossing.plan import Plan
from bridge.manifest import (
    MANIFEST,
    MANIFEST_SIGNATURE,
    PEER,
    AuthorityEntry,
    CrossEntry,
    Manifest,
)
from bridge.repository.failures import Failures
from bridge.repository.folder import Repository
from bridge.repository.layout import (
    cross_path,
    delta_path,
    issued_by_path,
    issued_to_path,
    list_entry,
    list_path,
    pair_path,
    self_signed_path,
    service_path,
)
from bridge.repository.public import Pair, Public, read_public
from bridge.repository.signing import require_signed, sign_statement
from ca.errors import BadInput, KeyRefused, StorageFailed
from ca.issuing.issuer import Issuers
from ca.model import CertificateKind, GenerationId, Scope
from ca.revoking.lists.adoption import adopt
from ca.revoking.lists.gate import require_places
from ca.revoking.lists.publication import due, publish
from ca.store import key_lives, lists
from ca.store.lists import ListRecord
from ca.store.peers import PeerRecord
from ca.store.stores import Stores
from ca.wire.cms import certs_only
from ca.wire.facts import read_certificate
from ca.wire.names import encode_name
from ca.wire.pairs import certificate_pair

Files = list[tuple[str, bytes]]
"""Paths and contents, in the order in which they are to be placed."""


def publish_all(issuers: Issuers, plan: Plan, repository: Repository, *, at: datetime) -> int:
    """Publish what is missing or due, in the order above; gives how many files beside lists were written or taken away.

    Raises:
        SuiteRetired, ListBlocked, LintRefused, KeyRefused, StorageFailed: As ``Failures.tell`` raises, of what
            ``publish_lists`` and ``publish_manifest`` do; all else was made.
    """
    failures, files = Failures(), 0
    publish_due_lists(issuers, repository, failures, at=at)
    with failures.kept():
        files += publish_certificates(issuers.stores, repository)
    with failures.kept():
        files += publish_manifest(issuers, plan, repository, at=at)
    failures.tell()
    return files


def publish_due_lists(issuers: Issuers, repository: Repository, failures: Failures, *, at: datetime) -> int:
    """Make the lists of every key that ``publish_lists`` makes, whatever comes of another's; gives how many were made."""
    made = 0
    for record in issuers.stores.generations():
        with failures.kept():
            made += len(publish_lists(issuers, record.id, repository, at=at))
    return made


def publish_certificates(stores: Stores, repository: Repository) -> int:
    """Place every public certificate and pair that is not there yet, and take away pairs that are none any more.

    Gives how many files were written or taken away.
    """
    # Read within: what another has withdrawn since would come back.
    with repository.exclusive():
        return _publish_certificates(read_public(stores), repository)


def _publish_certificates(public: Public, repository: Repository) -> int:
    without = _without_lists(public, repository)
    ready = [
        cross
        for cross in public.crosses
        if not {cross.issuer, cross.subject} & without
        or repository.has(cross_path(cross.issuer, cross.subject, cross.serial))
    ]
    current = {(cross.issuer, cross.subject): cross.encoded for cross in ready if cross.current}
    changed = 0
    for step in (
        _alone(public),
        [(cross_path(cross.issuer, cross.subject, cross.serial), cross.encoded) for cross in ready],
        _newest(current),
        _collections(public, current),
    ):
        changed += repository.place(step)
    return changed + repository.withdraw(_gone(public))


def publish_lists(
    issuers: Issuers, generation: GenerationId, repository: Repository, *, at: datetime
) -> list[ListRecord]:
    """Make and place the lists of a generation that are missing or kept back, or in the second half of their time.

    None of a key whose status was never served, or is no more. Missing is also one that the store knows and the folder has lost.

    Raises:
        ListBlocked: A list did not pass the gate, or a place would be left without any; the others were made.
        LintRefused: A list would break a rule; the others were made.
        SuiteRetired, KeyRefused: The key cannot sign lists, or may not any more; none was made.
    """
    issuer = issuers.of(generation)
    store = issuers.store(generation.authority)
    with store.reading() as connection:
        if not key_lives.keys_of(connection, generation.authority).makes_lists(generation):
            return []  # it makes none yet, or no more
    adopt(store, generation, repository)
    with store.reading() as connection:
        wanted = set(due(connection, generation, issuer.practice.periods.next_update / 2, at))
        places = lists.places_of(connection, generation)
    public = {place.scope for place in places if repository.has(list_path(generation, place.scope))}
    scopes = [place.scope for place in places if place.scope in wanted or place.scope not in public]
    require_places(generation, [place.scope for place in places], scopes, public)
    nation = issuers.stores.nation
    return publish(store, issuer, scopes, repository, at=at, nation=nation) if scopes else []


def publish_manifest(issuers: Issuers, plan: Plan, repository: Repository, *, at: datetime) -> int:
    """Place the signed manifest, if it says something new or its signature is wrong; gives how many files were written.

    A list that was placed once and is lost from the folder is made and placed anew first: no manifest is silent about it.

    Raises:
        ListBlocked, LintRefused, KeyRefused, StorageFailed: A lost list cannot be made; the manifest stays as it is, and
            names it still.
    """
    for generation in sorted({generation for generation, _ in _lost(issuers.stores, repository)}):
        publish_lists(issuers, generation, repository, at=at)
    with repository.exclusive():
        public = read_public(issuers.stores)
        for generation, scope in _lost(issuers.stores, repository):
            raise StorageFailed(
                f"list {generation} {scope}",
                "is lost from the published folder, and no manifest is made without it",
                remedy="`kakehashi list publish` makes it anew, or says why not",
            )
        manifest = msgspec.json.format(msgspec.json.encode(_manifest(plan, public, repository)), indent=1)
        if not repository.differs(MANIFEST, manifest):
            with suppress(OSError, BadInput, KeyRefused):  # without one that fits, it is signed again
                there = (repository.folder / MANIFEST_SIGNATURE).read_bytes()
                require_signed(issuers, plan, manifest, there, MANIFEST_SIGNATURE)
                return 0
        signature = sign_statement(issuers, plan, manifest, at=at)
        # The signature goes first: a reader between the two sees an old manifest with a signature that does not fit,
        # and asks again, but never a new manifest that nobody signed.
        return repository.place([(MANIFEST_SIGNATURE, signature), (MANIFEST, manifest)])


def _lost(stores: Stores, repository: Repository) -> list[tuple[GenerationId, Scope]]:
    """The lists that were placed once, as the databases know, and are in the folder no more; of public keys."""
    found: list[tuple[GenerationId, Scope]] = []
    for store in stores.each():
        with store.reading() as connection:
            for generation in sorted(key_lives.public(connection)):
                found += [
                    (generation, scope)
                    for scope in lists.newest(connection, generation)
                    if not repository.has(list_path(generation, scope))
                ]
    return found


def _without_lists(public: Public, repository: Repository) -> frozenset[GenerationId]:
    """The generations of ours that lack a list. To a certificate that is there already, the loss of one does nothing."""
    return frozenset(
        generation
        for generation, place in public.places
        if not repository.has(list_path(generation, place.scope))
    )


def _alone(public: Public) -> Files:
    """What leads nowhere: self-signed certificates, and the services'."""
    files = [(self_signed_path(generation), encoded) for generation, encoded in public.self_signed.items()]
    for (generation, kind), newest in public.services.items():
        files.append((service_path(generation, kind), newest.encoded))
    return files


def _newest(current: Mapping[Pair, bytes]) -> Files:
    """The newest certificate between each two, and pairs. Links make none: they are of one CA (X.509 11.2.2)."""
    files = [(cross_path(issuer, subject), encoded) for (issuer, subject), encoded in current.items()]
    for owner, other in _pairs(current):
        # X.509 11.2.3: in the owner's entry, what is for it is issuedToThisCA, the reverse issuedByThisCA.
        pair = certificate_pair(
            issued_to_this=current.get((other, owner)), issued_by_this=current.get((owner, other))
        )
        files.append((pair_path(owner, other), pair))
    return files


def _pairs(current: Iterable[Pair]) -> dict[Pair, None]:
    """Every two CAs of which one has certified the other, from both sides."""
    pairs = [pair for pair in current if pair[0].authority != pair[1].authority]
    return dict.fromkeys(pairs) | dict.fromkeys((subject, issuer) for issuer, subject in pairs)


def _collections(public: Public, current: Mapping[Pair, bytes]) -> Files:
    """Of each generation the certificates for it, and those that it has issued to CAs."""
    to_it: dict[GenerationId, list[bytes]] = {}
    by_it: dict[GenerationId, list[bytes]] = {}
    for generation, encoded in public.self_signed.items():
        to_it.setdefault(generation, []).append(encoded)
    for (issuer, subject), encoded in current.items():
        to_it.setdefault(subject, []).append(encoded)
        by_it.setdefault(issuer, []).append(encoded)
    # One that issues to nobody any more says so; its file may be known.
    issuers = dict.fromkeys((*(record.id for record in public.generations), *by_it))
    return [
        *((issued_to_path(generation), certs_only(some)) for generation, some in to_it.items()),
        *((issued_by_path(generation), certs_only(by_it.get(generation, ()))) for generation in issuers),
    ]


def _gone(public: Public) -> list[str]:
    """The current names of what is not in force any more, or was taken back; what has a number or a serial stays."""
    current = {(cross.issuer, cross.subject) for cross in public.crosses if cross.current}
    gone: dict[str, None] = {}
    for there in {(cross.issuer, cross.subject) for cross in public.crosses} | public.gone.pairs:
        back = there[::-1]
        if there not in current:
            gone[cross_path(*there)] = None
            if back not in current:
                gone |= dict.fromkeys((pair_path(*there), pair_path(*back)))
    gone |= dict.fromkeys(service_path(*service) for service in public.gone.services)
    for generation, places in public.gone.generations.items():
        gone |= dict.fromkeys(path(generation) for path in (self_signed_path, issued_to_path, issued_by_path))
        for place in places:
            gone |= dict.fromkeys((list_path(generation, place.scope), delta_path(generation, place.scope)))
    return list(gone)


def _manifest(plan: Plan, public: Public, repository: Repository) -> Manifest:
    ours = tuple(
        AuthorityEntry(
            generation=str(record.id),
            role=plan.practices[record.id.authority].role,
            name=encode_name(plan.practices[record.id.authority].name),
            key_identifier=record.key_identifier.hex(),
            certificate=_there(repository, self_signed_path(record.id)),
            responder=_there(repository, service_path(record.id, CertificateKind.OCSP_RESPONDER)),
        )
        for record in public.generations
    )
    crosses = (
        CrossEntry(str(cross.issuer), str(cross.subject), path)
        for cross in public.crosses
        if repository.has(path := cross_path(cross.issuer, cross.subject, cross.serial))
    )
    return Manifest(
        format=1,
        world=plan.name,
        marking=plan.marking,
        anchor=str(_anchor(plan, public, repository)),
        authorities=ours + tuple(_peer(peer, repository) for peer in public.peers),
        cross=tuple(crosses),
        lists=tuple(
            list_entry(generation, place)
            for generation, place in public.places
            if repository.has(list_path(generation, place.scope))
        ),
    )


def _there(repository: Repository, path: str) -> str | None:
    return path if repository.has(path) else None


def _anchor(plan: Plan, public: Public, repository: Repository) -> GenerationId:
    """The newest key of the anchor that is there whole and has taken over; while none is, the newest that is there at all."""
    without = _without_lists(public, repository)

    def standing(generation: GenerationId) -> tuple[bool, bool, bool, GenerationId]:
        there = repository.has(self_signed_path(generation))
        whole = there and generation not in without
        return whole and generation not in public.coming, whole, there, generation

    return max(
        (record.id for record in public.generations if record.id.authority == plan.anchor), key=standing
    )


def _peer(peer: PeerRecord, repository: Repository) -> AuthorityEntry:
    own = None if peer.self_signed is None else read_certificate(peer.self_signed, str(peer.generation))
    # A peer may reckon the identifier of its key in a way of its own (RFC 5280 4.2.1.2): its certificate says it.
    identifier = (own and own.subject_key) or peer.key_identifier
    return AuthorityEntry(
        generation=str(peer.generation),
        role=PEER,
        name=peer.name,
        key_identifier=identifier.hex(),
        certificate=_there(repository, self_signed_path(peer.generation)),
    )
