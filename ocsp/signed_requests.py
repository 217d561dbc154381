"""Signed requests (RFC 6960 4.1.2): who signed an OCSPRequest, and that it was this request."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import islice

from ca.errors import BadInput
from ca.keys.kinds import suite_of
from ca.keys.signer import verify
from ca.suites import Suite
from ca.wire import walk
from ca.wire.facts import CERTIFICATE_LIMIT, CertificateFacts
from ca.wire.tbs import algorithm_identifier
from ocsp.messages import REQUEST_LIMIT

_PLACE = "OCSP request: signature"
_CLAUSE = "RFC 6960 4.1.2"


@dataclass(frozen=True, slots=True)
class RequestSignature:
    """A request's signature as it came; nobody has checked it.

    Attributes:
        tbs: The octets that should have been signed.
        algorithm: The AlgorithmIdentifier.
        identifier: The dotted object identifier in it.
        certificate: The DER of the signer's certificate: the first of those sent along.
    """

    tbs: bytes = field(repr=False)
    algorithm: bytes = field(repr=False)
    identifier: str
    value: bytes = field(repr=False)
    certificate: bytes = field(repr=False)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the signer's certificate."""
        return hashlib.sha256(self.certificate).digest()

    def require_right(self, signer: CertificateFacts) -> Suite:
        """The suite under which this certificate's key has signed the request.

        Raises:
            KeyRefused: The signature is wrong, or the key is none that the suite signs with; SuiteRetired for an
                algorithm that is not believed.
            BadInput: The algorithm's parameters are not the ones it has.
        """
        suite = suite_of(self.identifier, signer.public_key)
        if self.algorithm != algorithm_identifier(suite):
            raise BadInput(_PLACE, "its algorithm has other parameters", clause="RFC 4055 5; RFC 5758 3.2")
        verify(signer.public_key, suite, self.tbs, self.value)
        return suite


def read_signature(octets: bytes) -> RequestSignature | None:
    """The signature of an OCSPRequest; None if it is not signed.

    Raises:
        BadInput: It is no OCSPRequest by its frame, or its signature has not the form of one, or comes without its
            signer's certificate.
    """
    walk.require_size(octets, "OCSP request", REQUEST_LIMIT)
    with walk.reading(_PLACE, "it"):
        outside = walk.only(octets, 0x30)
        tbs, *optional = islice(walk.elements(octets, outside.start, outside.end), 3)
        walk.expect(0x30, tbs)
        if not optional:
            return None
        (explicit,) = optional
        walk.expect(0xA0, explicit)
        (signature,) = islice(walk.elements(octets, explicit.start, explicit.end), 2)
        walk.expect(0x30, signature)
        algorithm, value, *certificates = islice(walk.elements(octets, signature.start, signature.end), 4)
        walk.expect(0x30, algorithm)
        walk.expect(0x03, value)
        walk.expect(0xA0, *certificates)
        bits = value.contents(octets)
        if bits[:1] != b"\0" or len(certificates) > 1:
            raise walk.NotDer
        identifier = walk.oid(walk.element(octets, algorithm.start, algorithm.end).whole(octets))
    if not certificates:
        raise BadInput(_PLACE, "comes without the signer's certificate", clause=_CLAUSE)
    with walk.reading(_PLACE, "its certificates"):
        (listed,) = islice(walk.elements(octets, certificates[0].start, certificates[0].end), 2)
        walk.expect(0x30, listed)
        first = walk.element(octets, listed.start, listed.end)
        walk.expect(0x30, first)
    walk.require_size(first.whole(octets), _PLACE, CERTIFICATE_LIMIT)
    return RequestSignature(
        tbs=tbs.whole(octets),
        algorithm=algorithm.whole(octets),
        identifier=identifier,
        value=bits[1:],
        certificate=first.whole(octets),
    )
