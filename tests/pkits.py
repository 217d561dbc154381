"""NIST's Public Key Interoperability Test Suite as cryptography-vectors carries it, and how its lists are asked.

Only revocation is judged here: the paths are taken as valid, each certificate of a path is asked about with all lists of
the case at hand, as PKITS hands them over, and delta lists are tried wherever a freshestCRL names one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import cryptography_vectors

from bridge.relying.index import IndexedList
from bridge.relying.lists import Question
from bridge.relying.path import Budget
from bridge.relying.points import Point
from bridge.relying.rejection import Reason
from bridge.relying.signatures import Signatures
from bridge.relying.status import Answer, ask
from ca.errors import BadInput, KeyRefused
from ca.rules.revocation import CertificateStatus, status_of
from ca.wire.facts import CertificateFacts, read_certificate
from ca.wire.list_facts import read_list

DATA = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT = datetime(2016, 1, 1, tzinfo=UTC)
ANCHOR = "TrustAnchorRootCertificate"
ANCHORS_LIST = "TrustAnchorRootCRL"


@cache
def certificate(name: str) -> CertificateFacts:
    return read_certificate((DATA / "certs" / f"{name}.crt").read_bytes(), name)


@cache
def a_list(name: str) -> IndexedList:
    return IndexedList(read_list((DATA / "crls" / f"{name}.crl").read_bytes(), name))


@dataclass(frozen=True)
class Case:
    """A case of PKITS: the certificate to verify, the CAs above it below the anchor, and the lists handed over.

    ``ours`` is why we refuse, None where we do not; ``signers`` are further certificates for keys that sign lists.
    """

    number: str
    leaf: str
    cas: tuple[str, ...]
    lists: tuple[str, ...]
    ours: Reason | None
    signers: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """PKITS's own verdict, which the names of its files begin with."""
        assert self.leaf.startswith(("Valid", "Invalid"))
        return self.leaf.startswith("Valid")

    def answers(self) -> Iterator[Answer]:
        """What is said of each certificate of the path, from the anchor down."""
        path = [certificate(name) for name in (ANCHOR, *self.cas, self.leaf)]
        signatures = Signatures(AT, Budget())
        signers = [certificate(name) for name in self.signers]
        for above, issuer, found in zip([path[0], *path], path, path[1:], strict=False):
            good = [one for one in signers if self._is_good(one, above, signatures)]
            yield self._ask(found, (issuer, *good), signatures)

    def verdict(self) -> Reason | None:
        """Why the path is refused for the sake of revocation, None if it is not."""
        try:
            for answer in self.answers():
                if status_of(AT, answer.revocation, AT).status is CertificateStatus.REVOKED:
                    return Reason.REVOKED
        except (BadInput, KeyRefused):
            return Reason.CANNOT_TELL
        return None

    def _ask(
        self, found: CertificateFacts, signers: tuple[CertificateFacts, ...], signatures: Signatures
    ) -> Answer:
        lists = [a_list(name) for name in (ANCHORS_LIST, *self.lists)]

        def deltas(_: IndexedList, points: tuple[Point, ...]) -> Iterable:
            assert points
            return [partial(a_list, name) for name in self.lists]

        return ask(Question.of(found, signers, AT), lists, deltas, signatures)

    def _is_good(self, signer: CertificateFacts, issuer: CertificateFacts, signatures: Signatures) -> bool:
        """Whether a CRL signer's own path holds: it is issued, and not revoked, by who issued the CA (6.3.3 (f))."""
        if signer.issuer != issuer.subject:
            return False
        signed = signer.signed
        try:
            signatures.check(signed.algorithm, issuer.public_key, signed.tbs, signed.signature)
            return self._ask(signer, (issuer,), signatures).revocation is None
        except (BadInput, KeyRefused):
            return False
