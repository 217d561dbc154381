"""Files that a peer hands in: a request or a certificate, PEM or DER, told apart by what they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from asn1crypto import pem

from ca.errors import BadInput, KakehashiError
from ca.issuing.intake import request_der
from ca.store.agreements import HandedIn
from ca.wire.facts import CERTIFICATE_LIMIT, read_certificate
from ca.wire.requests import read_request

_LIMIT = 4 * CERTIFICATE_LIMIT  # PEM is longer than its DER by a third, and may have words around it


@dataclass(frozen=True, slots=True)
class Handed:
    """A file that was read.

    Attributes:
        what: A request or a certificate; nothing more is known of it yet.
        place: What messages call it.
        encoded: Its DER.
    """

    what: HandedIn
    place: str
    encoded: bytes = field(repr=False)

    @classmethod
    def read(cls, data: bytes, place: str) -> Handed:
        """Read a file's octets, or raise BadInput."""
        if len(data) > _LIMIT:
            raise BadInput(place, f"{len(data)} octets; 1 to {_LIMIT} are read")
        if b"CERTIFICATE REQUEST-----" in data:
            return cls(HandedIn.REQUEST, place, request_der(data, place))
        if pem.detect(data):
            return cls(HandedIn.CERTIFICATE, place, certificate_der(data, place))
        try:
            read_request(data, place)
        except KakehashiError:
            read_certificate(data, place)
            return cls(HandedIn.CERTIFICATE, place, data)
        return cls(HandedIn.REQUEST, place, data)


def certificate_der(data: bytes, place: str) -> bytes:
    """The DER of one certificate, handed in as PEM or DER, or BadInput."""
    if len(data) > _LIMIT:
        raise BadInput(place, f"{len(data)} octets; 1 to {_LIMIT} are read")
    if pem.detect(data):
        try:
            found = [(label, octets) for label, _, octets in pem.unarmor(data, multiple=True)]
        except (ValueError, TypeError):
            found = []
        if [label for label, _ in found] != ["CERTIFICATE"]:
            raise BadInput(place, "is not PEM of one certificate", clause="RFC 7468 5")
        data = bytes(found[0][1])
    read_certificate(data, place)
    return data
