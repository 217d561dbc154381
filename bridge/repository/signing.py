"""What a world says of itself, signed by its repository's service: the manifest, journal heads, receipts."""

from __future__ import annotations

from datetime import datetime

from bridge.crossing.plan import Plan
from ca.errors import HomeHalfMade
from ca.issuing.issuer import Issuers
from ca.keys.vault import KeyId
from ca.model import CertificateKind
from ca.store import authorities, certificates
from ca.wire.cms import detached_signature


def sign_statement(issuers: Issuers, plan: Plan, content: bytes, *, at: datetime) -> bytes:
    """A detached CMS signature over these octets, with the certificates that lead to the signer from the anchor.

    Raises:
        HomeHalfMade: The world has no repository service.
        KeyRefused: The service's key cannot be opened.
    """
    with issuers.store(plan.repository).reading() as connection:
        found = [
            service
            for service in authorities.services(connection)
            if service.certificate.generation.authority == plan.repository
            and service.kind is CertificateKind.REPOSITORY
        ]
        if not found:
            raise HomeHalfMade("repository", f"{plan.repository} has no repository service")
        service = found[-1]
        certificate = certificates.find(connection, service.certificate).encoded
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
