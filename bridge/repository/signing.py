"""What a world says of itself, signed by its repository's service: the manifest, journal heads, receipts."""

from __future__ import annotations

from datetime import datetime

from bridge.crossing.plan import Plan
from ca.errors import BadInput, HomeHalfMade
from ca.issuing.issuer import Issuers
from ca.keys.kinds import require_named, suite_of
from ca.keys.signer import verify
from ca.keys.vault import KeyId
from ca.model import CertificateKind
from ca.store import authorities, certificates, key_needs
from ca.store.authorities import ServiceRecord
from ca.store.certificates import CertificateRecord, CertificateState
from ca.wire.cms import detached_signature
from ca.wire.cms_facts import read_detached
from ca.wire.facts import read_certificate


def sign_statement(issuers: Issuers, plan: Plan, content: bytes, *, at: datetime) -> bytes:
    """A detached CMS signature over these octets, with the certificates that lead to the signer from the anchor.

    Raises:
        HomeHalfMade: The world has no repository service.
        KeyRefused: The service's key cannot be opened.
    """
    service, certificate = _service(issuers, plan)
    generation = service.certificate.generation
    with issuers.store(plan.anchor).reading() as connection:
        on_the_way = [
            certificates.find(connection, cross).encoded
            for (issuer, subject), cross in authorities.current_crosses(connection).items()
            if (issuer.authority, subject) == (plan.anchor, generation)
        ]
    with issuers.store(generation.authority).reading() as connection:
        suite = authorities.generation(connection, generation).suite
    return detached_signature(
        content,
        signer_certificate=certificate,
        other_certificates=on_the_way,
        suite=suite,
        sign=issuers.vault.signer(KeyId(service.key)).sign,
        at=at,
    )


def require_signed(issuers: Issuers, plan: Plan, content: bytes, signature: bytes, place: str) -> None:
    """Raise unless the signature is right, over these octets, and of the service that would sign them now.

    Raises:
        BadInput: It cannot be read, is over other content, or of another certificate.
        KeyRefused: It is wrong, or under a legacy suite that the plan does not name.
        HomeHalfMade: The world has no repository service.
    """
    found = read_detached(signature, content, place)
    _, certificate = _service(issuers, plan)
    if found.signer != certificate:
        raise BadInput(place, "is not signed with the newest certificate of the repository's service")
    public_key = read_certificate(certificate, place).public_key
    suite = suite_of(found.algorithm, public_key)
    require_named(suite, plan.legacy)
    verify(public_key, suite, found.signed, found.signature)


def _service(issuers: Issuers, plan: Plan) -> tuple[ServiceRecord, bytes]:
    """Who signs now, and their certificate."""
    with issuers.stores.reading() as reading:
        connection = reading.of(plan.repository)
        issuing = authorities.issuing_generation(connection, plan.repository)
        services = {
            one.certificate: one
            for one in authorities.services(connection)
            if one.certificate.generation.authority == plan.repository
            and one.kind is CertificateKind.REPOSITORY
        }
        standing = {one.id for one in key_needs.in_force(reading, services)}
        found = [
            one for one in certificates.several(reading, services) if one.state is CertificateState.ISSUED
        ]
    if not found:
        raise HomeHalfMade("repository", f"{plan.repository} has no repository service")

    # The newest of the key that issues now; while that has none, of the others.
    def rank(one: CertificateRecord) -> tuple[bool, bool, datetime]:
        return one.id in standing, one.id.generation == issuing, one.period.not_before

    newest = max(found, key=rank)
    return services[newest.id], newest.encoded
