"""Asking a responder, and judging what it answers (RFC 6960 3.2), for those who watch it from outside."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from ca.errors import BadInput
from ca.keys.kinds import believed
from ca.keys.signer import key_identifier, verify
from ca.model import Revocation, RevocationReason, Serial
from ca.profiles.extensions import KeyUse
from ca.profiles.services import OCSP_SIGNING
from ca.revoking.assurance.sights import StatusSight
from ca.suites import SuiteId
from ca.wire import der, walk
from ca.wire.facts import CertificateFacts, read_certificate, read_extensions
from ocsp.messages import ARCHIVE_CUTOFF, BASIC_RESPONSE, QUERY_LIMIT, IssuerHashes

RESPONSE_LIMIT = 256 * 1024
"""Octets of a response: some 150 for each query, and the responder's certificate."""

_SHA256 = "2.16.840.1.101.3.4.2.1"  # what RFC 9919 would have clients name issuers by
_CLOCKS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about certificates of one issuer, and the octets to send (media type application/ocsp-request)."""

    issuer: CertificateFacts
    serials: tuple[Serial, ...]
    place: str
    request: bytes = field(repr=False)


def ask_about(issuer: CertificateFacts, serials: Sequence[Serial], place: str) -> Asked:
    """A question about these certificates, QUERY_LIMIT of them at most; ``place`` names the responder in messages."""
    assert 0 < len(serials) <= QUERY_LIMIT, "a question has some queries, and not too many"
    queries = (der.sequence(_certificate_id(issuer, serial)) for serial in serials)
    return Asked(issuer, tuple(serials), place, der.sequence(der.sequence(der.sequence(*queries))))


def _certificate_id(issuer: CertificateFacts, serial: Serial) -> bytes:
    name_hash, key_hash = IssuerHashes.of(issuer.subject.der, issuer.public_key).by_algorithm[_SHA256]
    return der.sequence(
        der.sequence(der.oid(_SHA256), der.NULL),
        der.octet_string(name_hash),
        der.octet_string(key_hash),
        der.integer(serial.value),
    )


def read_answer(
    octets: bytes, asked: Asked, at: datetime, legacy: Collection[SuiteId] = ()
) -> tuple[StatusSight, ...]:
    """What a responder says of each certificate, in the order of the question; of legacy suites those named are believed.

    Raises:
        BadInput: The octets are no successful answer to the question, or none of this time.
        KeyRefused: Signed by another key than the responder's, or the responder's certificate by another than the
            issuer's.
    """
    place = asked.place
    walk.require_size(octets, place, RESPONSE_LIMIT)
    with walk.reading(place, "the answer"):
        outside = walk.only(octets, 0x30)
        status, *rest = walk.elements(octets, outside.start, outside.end)
        walk.expect(0x0A, status)
        if status.contents(octets) != b"\0":
            number = int.from_bytes(status.contents(octets))
            raise BadInput(place, f"answered with the error {number}", clause="RFC 6960 4.2.1")
        (explicit,) = rest
        response = _inner(octets, explicit)
        kind, wrapped = walk.elements(octets, response.start, response.end)
        walk.expect(0x04, wrapped)
        if kind.whole(octets) != BASIC_RESPONSE:
            raise walk.NotDer
        basic = wrapped.contents(octets)
        walk.check_nesting(basic, 0, len(basic))
        outside = walk.only(basic, 0x30)
        data, algorithm, signature, *certificates = walk.elements(basic, outside.start, outside.end)
        walk.expect(0x30, data, algorithm)
        walk.expect(0x03, signature)
        oid = walk.oid(walk.element(basic, algorithm.start, algorithm.end).whole(basic))
        responder_key, said = _read_data(basic, data, asked, at)
        bits = signature.contents(basic)
        if bits[:1] != b"\0":
            raise walk.NotDer
    responder = _responder(basic, certificates, asked, responder_key, at, legacy)
    suite = believed(oid, responder.public_key, at, legacy)
    verify(responder.public_key, suite, data.whole(basic), bits[1:])
    return said


def _inner(octets: bytes, explicit: walk.Element) -> walk.Element:
    """The element inside an explicit tag."""
    (found,) = walk.elements(octets, explicit.start, explicit.end)
    return found


def _read_data(
    basic: bytes, data: walk.Element, asked: Asked, at: datetime
) -> tuple[bytes, tuple[StatusSight, ...]]:
    """The identifier of the responder's key, and what is said (ResponseData, RFC 6960 4.2.1)."""
    responder, produced, responses, *_ = walk.elements(basic, data.start, data.end)
    # RFC 6960 4.2.1: byKey; our responders name themselves so.
    walk.expect(0xA2, responder)
    walk.expect(0x18, produced)
    walk.expect(0x30, responses)
    key = _inner(basic, responder)
    walk.expect(0x04, key)
    singles = list(islice(walk.elements(basic, responses.start, responses.end), len(asked.serials) + 1))
    if len(singles) != len(asked.serials):
        raise BadInput(asked.place, "does not answer each query once", clause="RFC 6960 4.2.2.3")
    pairs = zip(asked.serials, singles, strict=True)
    return key.contents(basic), tuple(
        _read_single(basic, single, asked, serial, at) for serial, single in pairs
    )


def _read_single(
    basic: bytes, single: walk.Element, asked: Asked, serial: Serial, at: datetime
) -> StatusSight:
    identifier, status, this_update, *rest = walk.elements(basic, single.start, single.end)
    if identifier.whole(basic) != _certificate_id(asked.issuer, serial):
        raise BadInput(asked.place, "answers about another certificate", clause="RFC 6960 3.2 (1)")
    begins = walk.moment(basic, this_update)
    by_tag = {one.tag: one for one in rest}
    ends = begins
    if 0xA0 in by_tag:
        ends = walk.moment(basic, _inner(basic, by_tag[0xA0]))
    if begins > at + _CLOCKS or ends < at - _CLOCKS:
        raise BadInput(asked.place, "is of another time", clause="RFC 6960 3.2 (5), (6)")
    expired = False
    if 0xA1 in by_tag:
        extensions = read_extensions(by_tag[0xA1].contents(basic))
        expired = any(extension.oid == ARCHIVE_CUTOFF for extension in extensions)
    match status.tag:
        case 0x80:
            return StatusSight(serial, known=True, expired=expired)
        case 0x82:
            return StatusSight(serial, known=False, expired=expired)
        case 0xA1:
            moment, *reason = walk.elements(basic, status.start, status.end)
            number = 0
            if reason:
                enumerated = _inner(basic, reason[0])
                walk.expect(0x0A, enumerated)
                (number,) = enumerated.contents(basic)
            revocation = Revocation(serial, walk.moment(basic, moment), RevocationReason(number))
            return StatusSight(serial, known=True, revocation=revocation, expired=expired)
        case _:
            raise walk.NotDer


def _responder(
    basic: bytes,
    certificates: list[walk.Element],
    asked: Asked,
    key: bytes,
    at: datetime,
    legacy: Collection[SuiteId],
) -> CertificateFacts:
    """Who may have signed: the issuer itself, or one that its very key has named for it (RFC 6960 4.2.2.2)."""
    if key == key_identifier(asked.issuer.public_key):
        return asked.issuer
    with walk.reading(asked.place, "the answer's certificates"):
        (explicit,) = certificates
        listed = _inner(basic, explicit)
        first = walk.element(basic, listed.start, listed.end).whole(basic)
    found = read_certificate(first, f"{asked.place}: the responder's certificate")
    problem = None
    if key != key_identifier(found.public_key):
        problem = "is not that of the responder's key"
    elif found.issuer != asked.issuer.subject:
        problem = "is another issuer's"
    elif OCSP_SIGNING not in (found.purposes or ()) or KeyUse.DIGITAL_SIGNATURE not in (
        found.key_usage or ()
    ):
        problem = "is not for signing answers"
    elif not found.not_before <= at <= found.not_after:
        problem = "is not valid at this moment"
    if problem:
        raise BadInput(found.place, problem, clause="RFC 6960 4.2.2.2")
    suite = believed(found.signed.algorithm, asked.issuer.public_key, at, legacy)
    verify(asked.issuer.public_key, suite, found.signed.tbs, found.signed.signature)
    return found
