"""What a card takes from what is published: its certificates' issuer, and the certificates that lead to it."""

from __future__ import annotations

from datetime import datetime

from bridge.relying.budget import Budget
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.path import candidates
from bridge.relying.rejection import BudgetSpent
from bridge.relying.signatures import Signatures
from ca.errors import BadInput
from ca.suites import SuiteId
from ca.wire.facts import CertificateFacts, read_certificate, read_name
from front.watching.published import published_anchor, published_issuer


def issuer_of(
    certificate: CertificateFacts, snapshot: Snapshot, at: datetime, legacy: frozenset[SuiteId] = frozenset()
) -> CertificateFacts:
    """The issuer's own certificate, among what is published; it has signed this one.

    Of legacy suites those named are believed in their time.

    Raises:
        BadInput: No authority there has this name and key.
        KeyRefused: It did not sign the certificate, or by a suite that is not believed any more.
    """
    key = certificate.authority_key
    wanted = key.key_identifier.hex() if key and key.key_identifier else None
    for number, entry in enumerate(snapshot.manifest.authorities):
        name = read_name(entry.name, f"manifest.json authorities[{number}].name")
        if name == certificate.issuer and wanted in (None, entry.key_identifier):
            found = published_issuer(snapshot, entry)
            signed = certificate.signed
            signatures = Signatures(at, Budget(), legacy=legacy)
            signatures.check(signed.algorithm, found.public_key, signed.tbs, signed.signature)
            return found
    raise BadInput(certificate.place, "was issued by none of the authorities that are published")


def chain_of(certificate: CertificateFacts, snapshot: Snapshot, at: datetime) -> tuple[bytes, ...]:
    """The CA certificates (DER) from below the published anchor down to the issuer: hints, which verifiers judge.

    Raises:
        BadInput: No way leads there.
    """
    anchors = [read_certificate(published_anchor(snapshot), "the published anchor")]
    try:
        for path in candidates(certificate, snapshot, anchors, Budget(), [], at):
            return tuple(one.der for one in path.certificates[1:-1])
    except BudgetSpent:
        pass
    raise BadInput(certificate.place, "is reached by no way from the published anchor")
