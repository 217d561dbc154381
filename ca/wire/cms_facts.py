"""CMS becomes facts here: signatures of the form that ``cms.detached_signature`` gives, files of certificates alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from ca.errors import BadInput
from ca.wire import cms, walk
from ca.wire.facts import CERTIFICATE_LIMIT

SIGNATURE_LIMIT = 4 * CERTIFICATE_LIMIT
"""Octets: a signature, its signer's certificate, and the few that lead to it."""

CERTS_ONLY_LIMIT = 4 * 1024 * 1024
"""Octets of a file of certificates alone: a thousand and more of a few KiB each."""

CERTS_ONLY_MANY = 1024
"""Certificates in such a file: a bridge with ten nations' prefectures, in both directions and two generations."""

_CERTIFICATES = 16
_ATTRIBUTES = 16
_FUNCTIONS = {encoded: digest for digest, encoded in cms.DIGESTS.items()}


@dataclass(frozen=True, slots=True)
class DetachedFacts:
    """What a signature over some content says; the content is the one that was signed, if the signature is right.

    Attributes:
        signer: The signer's certificate, DER.
        signed: The attributes as they were signed (RFC 5652 5.4), with the content's digest among them.
        algorithm: The dotted object identifier of the signature algorithm.
        signed_at: What the signer says of the time.
    """

    signer: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    algorithm: str
    signed_at: datetime


def read_detached(octets: bytes, content: bytes, place: str) -> DetachedFacts:
    """Read a signature over this content, or raise BadInput: it is none of that form, or is over other content."""
    walk.require_size(octets, place, SIGNATURE_LIMIT)
    with walk.reading(place, "the signature"):
        walk.check_nesting(octets, 0, len(octets))
        outside = walk.only(octets, 0x30)
        kind, explicit = _these(octets, outside, 0x06, 0xA0)
        (data,) = _these(octets, explicit, 0x30)
        _, _, inside, certificates, signers = _these(octets, data, 0x02, 0x31, 0x30, 0xA0, 0x31)
        # One of type alone: the content is elsewhere.
        (content_type,) = _these(octets, inside, 0x06)
        if kind.whole(octets) != cms.ID_SIGNED_DATA or content_type.whole(octets) != cms.ID_DATA:
            raise walk.NotDer
        (signer,) = _these(octets, signers, 0x30)
        _, identifier, digest, attributes, algorithm, signature = _these(
            octets, signer, 0x02, 0x30, 0x30, 0xA0, 0x30, 0x04
        )
        certificate = _certificate(octets, certificates, identifier)
        said = _attributes(octets, attributes)
        function = _FUNCTIONS[digest.whole(octets)]
        if said[cms.CONTENT_TYPE] != cms.ID_DATA:
            raise walk.NotDer
        digested = walk.only(said[cms.MESSAGE_DIGEST], 0x04).contents(said[cms.MESSAGE_DIGEST])
        moment = said[cms.SIGNING_TIME]
        facts = DetachedFacts(
            signer=certificate,
            signed=b"\x31" + attributes.whole(octets)[1:],
            signature=signature.contents(octets),
            algorithm=walk.oid(walk.element(octets, algorithm.start, algorithm.end).whole(octets)),
            signed_at=walk.moment(moment, walk.element(moment, 0, len(moment))),
        )
    if digested != hashlib.new(function, content).digest():
        raise BadInput(place, "is a signature over other content", clause="RFC 5652 5.6")
    return facts


def read_certs_only(octets: bytes, place: str) -> tuple[bytes, ...]:
    """The certificates of a file of certificates alone, DER each, or BadInput; lists in it are passed over.

    Signers may stand there (RFC 5652 5.1 knows them) and mean nothing: certificates speak for themselves. Read is DER,
    as everybody writes these; at most so many certificates that a bridge of a nation has room.
    """
    walk.require_size(octets, place, CERTS_ONLY_LIMIT)
    with walk.reading(place, "the certificates"):
        walk.check_nesting(octets, 0, len(octets))
        kind, explicit = _these(octets, walk.only(octets, 0x30), 0x06, 0xA0)
        (data,) = _these(octets, explicit, 0x30)
        parts = list(islice(walk.elements(octets, data.start, data.end), 7))
        if kind.whole(octets) != cms.ID_SIGNED_DATA or [one.tag for one in parts[:3]] != [0x02, 0x31, 0x30]:
            raise walk.NotDer
        sets = [one for one in parts[3:] if one.tag == 0xA0]
        found = tuple(
            one.whole(octets)
            for part in sets
            for one in islice(walk.elements(octets, part.start, part.end), CERTS_ONLY_MANY + 1)
            if one.tag == 0x30  # others are attribute certificates and older forms (RFC 5652 10.2.2)
        )
    if len(found) > CERTS_ONLY_MANY:
        raise BadInput(place, f"holds more than {CERTS_ONLY_MANY} certificates")
    return found


def _these(octets: bytes, outside: walk.Element, *tags: int) -> tuple[walk.Element, ...]:
    """The elements inside this one, which are of these tags."""
    found = tuple(islice(walk.elements(octets, outside.start, outside.end), len(tags) + 1))
    if tuple(one.tag for one in found) != tags:
        raise walk.NotDer
    return found


def _certificate(octets: bytes, certificates: walk.Element, identifier: walk.Element) -> bytes:
    """The certificate that the signer is named by: issuer and serial number (RFC 5652 5.3)."""
    issuer, serial = _these(octets, identifier, 0x30, 0x02)
    wanted = issuer.whole(octets), serial.whole(octets)
    for one in islice(walk.elements(octets, certificates.start, certificates.end), _CERTIFICATES):
        if _named(octets, one) == wanted:
            return one.whole(octets)
    raise walk.NotDer


def _named(octets: bytes, certificate: walk.Element) -> tuple[bytes, bytes]:
    tbs = walk.element(octets, certificate.start, certificate.end)
    fields = [one for one in islice(walk.elements(octets, tbs.start, tbs.end), 4) if one.tag != 0xA0]
    serial, _, issuer = fields[:3]
    return issuer.whole(octets), serial.whole(octets)


def _attributes(octets: bytes, attributes: walk.Element) -> dict[bytes, bytes]:
    """Each attribute's value by its type; none stands twice or has two values (RFC 5652 11)."""
    found = dict(_pairs(octets, attributes))
    if len(found) != len(list(walk.elements(octets, attributes.start, attributes.end))):
        raise walk.NotDer
    return found


def _pairs(octets: bytes, attributes: walk.Element) -> Iterator[tuple[bytes, bytes]]:
    for one in islice(walk.elements(octets, attributes.start, attributes.end), _ATTRIBUTES):
        kind, values = _these(octets, one, 0x06, 0x31)
        (value,) = walk.elements(octets, values.start, values.end)
        yield kind.whole(octets), value.whole(octets)
