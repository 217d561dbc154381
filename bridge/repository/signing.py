"""What a world says of itself, signed by its repository's service: the manifest, journal heads, receipts."""

from __future__ import annotations

from datetime import datetime

from bridge.crossing.plan import Plan
from ca.errors import BadInput, HomeHalfMade
from ca.issuing.issuer import Issuers
from ca.keys.signer import verify
from ca.keys.vault import KeyId
from ca.model import CertificateKind
from ca.store import authorities, certificates
from ca.store.authorities import ServiceRecord
from ca.suites import of_algorithm
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
        KeyRefused: It is wrong.
        HomeHalfMade: The world has no repository service.
    """
    found = read_detached(signature, content, place)
    _, certificate = _service(issuers, plan)
    if found.signer != certificate:
        raise BadInput(place, "is not signed with the newest certificate of the repository's service")
    public_key = read_certificate(certificate, place).public_key
    verify(public_key, of_algorithm(found.algorithm), found.signed, found.signature)


def _service(issuers: Issuers, plan: Plan) -> tuple[ServiceRecord, bytes]:
    """Who signs now, and their certificate."""
    with issuers.store(plan.repository).reading() as connection:
        found = [
            service
            for service in authorities.services(connection)
            if service.certificate.generation.authority == plan.repository
            and service.kind is CertificateKind.REPOSITORY
        ]
        if not found:
            raise HomeHalfMade("repository", f"{plan.repository} has no repository service")
        return found[-1], certificates.find(connection, found[-1].certificate).encoded
