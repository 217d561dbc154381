"""Cross-certificate pairs (RFC 4523 2.3, X.509 11.2.3)."""

from __future__ import annotations

from ca.errors import BadInput
from ca.wire import der, walk
from ca.wire.facts import CERTIFICATE_LIMIT

PAIR_LIMIT = 2 * CERTIFICATE_LIMIT
"""Octets: two certificates."""


def certificate_pair(*, issued_to_this: bytes | None, issued_by_this: bytes | None) -> bytes:
    """A CertificatePair as the directory of one CA holds it, from encoded certificates."""
    assert issued_to_this or issued_by_this, "a pair has at least one half (X.509 11.2.3)"
    return der.sequence(
        der.context(0, issued_to_this) if issued_to_this else b"",
        der.context(1, issued_by_this) if issued_by_this else b"",
    )


def read_pair(octets: bytes, place: str) -> tuple[bytes | None, bytes | None]:
    """The certificates (issued to this CA, issued by this CA) of a CertificatePair, DER, or BadInput.

    Servers may write it in BER; only what is DER is read.
    """
    walk.require_size(octets, place, PAIR_LIMIT)
    with walk.reading(place, "the pair"):
        whole = walk.only(octets, 0x30)
        found: dict[int, bytes] = {}
        for half in walk.elements(octets, whole.start, whole.end):
            if half.tag not in (0xA0, 0xA1) or half.tag < max(found, default=0) or half.tag in found:
                raise walk.NotDer
            certificate = walk.element(octets, half.start, half.end)
            walk.expect(0x30, certificate)
            if certificate.end != half.end:
                raise walk.NotDer
            found[half.tag] = certificate.whole(octets)
    if not found:
        raise BadInput(place, "is a pair of nothing", clause="X.509 11.2.3")
    return found.get(0xA0), found.get(0xA1)
