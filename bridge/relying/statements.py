"""What a world says of itself, signed by its repository's service: is it the world's word?

The manifest, journal heads and receipts are such statements. The signer's certificate has to lead to the anchor, with
the lists of every step, and to be one of a repository's service: no holder's key speaks for the world.

Nor does another nation's. A peer's certificates lead to the anchor too, and it may issue one of a repository's form; what
a manifest says of its authorities proves nothing before it is believed. The anchor's own word does: the repository's
authority is the anchor, or a CA that the anchor itself has certified as one of its nation. It says so by the CA's
Japanese name in subjectAltName, which a cross-certificate within the nation carries, and none for a peer
(``bridge.crossing.crosscert``). So the path to a signer goes over such a certificate of the anchor's, over links between
keys of one authority, and over nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from asn1crypto import x509

from bridge.manifest import Marking
from bridge.relying.budget import Budget
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Reading
from bridge.relying.finding.points import Point
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.signatures import Signatures
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.errors import BadInput
from ca.model import GenerationId
from ca.profiles import extensions as ext
from ca.suites import SuiteId
from ca.wire.cms_facts import read_detached
from ca.wire.facts import CertificateFacts, read_certificate, read_extension


@dataclass(frozen=True, slots=True)
class StatementSigner:
    """Who signed a statement, and when by its own word. Only ``check_statement`` finds one."""

    certificate: CertificateFacts
    signed_at: datetime


def check_statement(
    content: bytes,
    signature: bytes,
    place: str,
    snapshot: Snapshot,
    anchor: bytes,
    at: datetime,
    legacy: frozenset[SuiteId] = frozenset(),
) -> StatementSigner:
    """Raise unless the content is signed by the repository's service of the anchor's world.

    Args:
        content: What was signed.
        signature: The detached CMS signature.
        place: Where it was read from, for messages.
        snapshot: What is published: the certificates on the way from the anchor, and the lists.
        anchor: The certificate that is trusted, DER.
        at: The moment at which the signer's certificate has to be valid.
        legacy: The legacy suites whose signatures are believed in their time.

    Raises:
        BadInput: The signature cannot be read, is over other content, or the signer is no repository's service.
        KeyRefused: The signature is wrong, or its suite is not believed any more.
        PathRejected: No valid path leads from the anchor to the signer within its nation.
    """
    found = read_detached(signature, content, place)
    signer = read_certificate(found.signer, f"{place}: the signer's certificate")
    if not _is_repository(signer):
        raise BadInput(
            place, "is signed by a key that is not a repository's", clause="JPKI profile, repository"
        )
    trusted = read_certificate(anchor, "the anchor")
    policies = _policies_under(trusted, signer, snapshot)
    material = _OfItsNation(snapshot, trusted)
    verify(found.signer, material, Trust((anchor,), policies, snapshot.manifest.marking, legacy=legacy), at)
    Signatures(at, Budget(), legacy=legacy).check(
        found.algorithm, signer.public_key, found.signed, found.signature
    )
    return StatementSigner(signer, found.signed_at)


def _is_repository(signer: CertificateFacts) -> bool:
    """Whether the certificate has the repository profile: no purposes, as other services; no points, as holders."""
    return (
        not signer.is_ca
        and signer.key_usage == frozenset({ext.KeyUse.DIGITAL_SIGNATURE})
        and signer.purposes is None
        and signer.points is None
    )


@dataclass(frozen=True, slots=True)
class _OfItsNation:
    """What is published, without what leads out of the anchor's nation: no search finds a path there."""

    snapshot: Snapshot
    anchor: CertificateFacts

    @property
    def marking(self) -> Marking:
        return self.snapshot.marking

    def issuers(self, certificate: CertificateFacts) -> Iterator[Reading[CertificateFacts]]:
        """Links, and what the anchor has issued to authorities of its nation."""
        return (partial(self._within, read) for read in self.snapshot.issuers(certificate))

    def lists(
        self, certificate: CertificateFacts, issuer: CertificateFacts, at: datetime
    ) -> Iterable[Reading[IndexedList]]:
        return self.snapshot.lists(certificate, issuer, at)

    def deltas(
        self, complete: IndexedList, points: tuple[Point, ...], at: datetime
    ) -> Iterable[Reading[IndexedList]]:
        return self.snapshot.deltas(complete, points, at)

    def signers(self, found: IndexedList) -> Iterable[Reading[CertificateFacts]]:
        return self.snapshot.signers(found)

    def answers(self, certificate: CertificateFacts, issuer: CertificateFacts) -> Iterable[Reading[bytes]]:
        return self.snapshot.answers(certificate, issuer)

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        return self.snapshot.generation_of(authority)

    def _within(self, read: Reading[CertificateFacts]) -> CertificateFacts:
        found = read()
        link = found.issuer == found.subject
        of_nation = found.issuer == self.anchor.subject and found.has(ext.SubjectDirectoryName.oid)
        if link or of_nation:
            return found
        raise BadInput(found.place, "is not the anchor's word for an authority of its nation")


def _policies_under(anchor: CertificateFacts, signer: CertificateFacts, snapshot: Snapshot) -> frozenset[str]:
    """Every policy of the anchor's domain that it has certified something for: a statement is made under any."""
    generation = snapshot.generation_of(anchor)
    if generation is None:
        raise BadInput(anchor.place, "is not an authority of this world")
    crosses = (cross.certificate for cross in snapshot.manifest.cross if cross.issuer == str(generation))
    found: set[str] = set()
    for certificate in [signer, *map(snapshot.certificate, crosses)]:
        if certificate.issuer == anchor.subject:
            found |= set(_policies(certificate))
    return frozenset(found - {ext.ANY_POLICY})


def _policies(certificate: CertificateFacts) -> tuple[str, ...]:
    def read(value: bytes) -> tuple[str, ...]:
        policies = x509.CertificatePolicies.load(value, strict=True)
        return tuple(policy["policy_identifier"].dotted for policy in policies)

    oid = ext.CertificatePolicies.oid
    return read_extension(certificate.extensions, oid, certificate.place, read) or ()
