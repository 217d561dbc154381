"""Requests and responses of RFC 6960 as octets: the one is read within bounds, the other is written.

Queries are echoed octet for octet, since clients compare what they get back with what they asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from itertools import islice
from types import MappingProxyType

from ca.errors import BadInput
from ca.lint.key_info import key_info
from ca.model import RevocationReason
from ca.rules.revocation import CertificateStatus, Status
from ca.suites import Suite
from ca.wire import der, walk
from ca.wire.facts import read_extensions
from ca.wire.tbs import algorithm_identifier

REQUEST_LIMIT = 64 * 1024
"""Octets of a request. One query takes about 80, and an optional signature with its certificates a few thousand."""

QUERY_LIMIT = 50
"""Queries in a request. Clients ask one, or one for each certificate of a path."""

NONCE_LIMIT = 128
"""Octets of a nonce (RFC 9654 2.1)."""

ARCHIVE_CUTOFF = "1.3.6.1.5.5.7.48.1.6"
"""Since when the statuses of certificates that have expired are kept (RFC 6960 4.4.4)."""

BASIC_RESPONSE = der.oid("1.3.6.1.5.5.7.48.1.1")
"""The type of every successful response (RFC 6960 4.2.1)."""

_EXTENSION_LIMIT = 16
"""Extensions at one place; RFC 6960 4.4 knows three of a request and one of a query."""

_PREFERENCE_LIMIT = 32
"""Signature algorithms that a client may prefer: more than there are in use."""

_PLACE = "OCSP request"
_NONCE = "1.3.6.1.5.5.7.48.1.2"
# An answer is always a BasicOCSPResponse, which every client takes (RFC 6960 4.4.3).
_ACCEPTABLE_RESPONSES = "1.3.6.1.5.5.7.48.1.4"
_PREFERRED = "1.3.6.1.5.5.7.48.1.8"
_OF_REQUESTS = frozenset({_NONCE, _ACCEPTABLE_RESPONSES, _PREFERRED})
_OF_QUERIES: frozenset[str] = frozenset()
_INVALIDITY_DATE = "2.5.29.24"
_FIELDS = (0xA0, 0xA1, 0x30, 0xA2)  # version, requestorName, requestList, requestExtensions


class ErrorStatus(IntEnum):
    """Why there is no answer (RFC 6960 4.2.1, OCSPResponseStatus)."""

    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    UNAUTHORIZED = 6


@dataclass(frozen=True, slots=True)
class Query:
    """One certificate asked about (CertID, RFC 6960 4.1.1).

    Attributes:
        encoded: The CertID as the client wrote it.
        algorithm: The dotted object identifier of the hash function.
        name_hash: Of the issuer's encoded name.
        key_hash: Of the issuer's public key, without tag and length.
        serial: Any number; it need not be one that a certificate can have.
    """

    encoded: bytes = field(repr=False)
    algorithm: str
    name_hash: bytes
    key_hash: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """What a client asks. Its name and signature, which are optional, were not looked at.

    Attributes:
        preferred: The signature algorithms that it would have the answer signed with, best first, by their dotted
            object identifiers (RFC 6960 4.4.7); whatever they are.
    """

    queries: tuple[Query, ...]
    nonce: bytes | None
    preferred: tuple[str, ...] = ()


# CertIDs name an issuer and protect nothing, so SHA-1 is as good as another (RFC 6960 4.1.1 and B.1 use it).
_HASHES: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {
        "1.3.14.3.2.26": lambda octets: hashlib.sha1(octets, usedforsecurity=False).digest(),
        "2.16.840.1.101.3.4.2.1": lambda octets: hashlib.sha256(octets).digest(),
    }
)


@dataclass(frozen=True, slots=True)
class IssuerHashes:
    """How queries name one key of one authority: (name hash, key hash) by hash function."""

    by_algorithm: Mapping[str, tuple[bytes, bytes]]

    @classmethod
    def of(cls, name: bytes, public_key: bytes) -> IssuerHashes:
        """The hashes for an encoded name and a DER SubjectPublicKeyInfo, or BadInput if it is none."""
        info = key_info(public_key)
        if info is None:
            raise BadInput("public key", "is not a SubjectPublicKeyInfo in DER", clause="RFC 5280 4.1.2.7")
        return cls({oid: (digest(name), digest(info.bits)) for oid, digest in _HASHES.items()})

    def match(self, query: Query) -> bool:
        """Whether the query asks about a certificate of this issuer."""
        return self.by_algorithm.get(query.algorithm) == (query.name_hash, query.key_hash)


def read_request(octets: bytes) -> StatusRequest:
    """Read an OCSPRequest (RFC 6960 4.1.1), or raise BadInput.

    Refused are: what is not DER or too long, another version, no query or too many, a nonce that is none (RFC 9654
    2.1 wants that), preferences that are none, an extension that stands twice, and a critical one that is not
    understood (RFC 6960 4.4).
    """
    walk.require_size(octets, _PLACE, REQUEST_LIMIT)
    with walk.reading(_PLACE, "the request"):
        tbs, *signature = _few(octets, walk.only(octets, 0x30), 2)
        walk.expect(0x30, tbs)
        walk.expect(0xA0, *signature)
        found = _few(octets, tbs, len(_FIELDS))
        fields = {one.tag: one for one in found}
        if [one.tag for one in found] != [tag for tag in _FIELDS if tag in fields]:
            raise walk.NotDer
        # X.690 11.5 leaves the default out; some clients write it.
        if 0xA0 in fields and walk.integer(fields[0xA0].contents(octets)) != 0:
            raise BadInput(_PLACE, "is not of version 1", clause="RFC 6960 4.1.1")
        asked = _few(octets, fields[0x30], QUERY_LIMIT)
        if not asked:
            raise BadInput(_PLACE, "asks about no certificate", clause="RFC 6960 4.1.1")
        queries = tuple(_read_query(octets, one) for one in asked)
        extensions = _read_extensions(octets, fields[0xA2], _OF_REQUESTS) if 0xA2 in fields else {}
        nonce = None
        if _NONCE in extensions:
            nonce = walk.only(extensions[_NONCE], 0x04).contents(extensions[_NONCE])
        preferred = _read_preferred(extensions[_PREFERRED]) if _PREFERRED in extensions else ()
    if nonce is not None and not 0 < len(nonce) <= NONCE_LIMIT:
        raise BadInput(_PLACE, f"its nonce does not have 1 to {NONCE_LIMIT} octets", clause="RFC 9654 2.1")
    return StatusRequest(queries, nonce, preferred)


def _few(octets: bytes, outside: walk.Element, most: int) -> list[walk.Element]:
    """The elements in this one, or BadInput if there are more than may be; no more than that are looked at."""
    found = list(islice(walk.elements(octets, outside.start, outside.end), most + 1))
    if len(found) > most:
        raise BadInput(_PLACE, f"has more than {most} elements where so many are read")
    return found


def _read_query(octets: bytes, element: walk.Element) -> Query:
    walk.expect(0x30, element)
    identifier, *extensions = _few(octets, element, 2)
    walk.expect(0x30, identifier)
    walk.expect(0xA0, *extensions)
    for one in extensions:
        _read_extensions(octets, one, _OF_QUERIES)
    algorithm, name_hash, key_hash, serial = _few(octets, identifier, 4)
    walk.expect(0x30, algorithm)
    walk.expect(0x04, name_hash, key_hash)
    oid, *parameters = _few(octets, algorithm, 2)
    # RFC 4055 2.1: NULL or nothing stands behind a hash function's identifier, and both are taken.
    if [one.whole(octets) for one in parameters] not in ([], [der.NULL]):
        raise walk.NotDer
    return Query(
        encoded=identifier.whole(octets),
        algorithm=walk.oid(oid.whole(octets)),
        name_hash=name_hash.contents(octets),
        key_hash=key_hash.contents(octets),
        serial=walk.integer(serial.whole(octets)),
    )


def _read_preferred(octets: bytes) -> tuple[str, ...]:
    """The algorithms of PreferredSignatureAlgorithms. The key that a client would like besides is the certificate's."""
    found = []
    for preference in _few(octets, walk.only(octets, 0x30), _PREFERENCE_LIMIT):
        walk.expect(0x30, preference)
        signature, *key = _few(octets, preference, 2)
        walk.expect(0x30, signature, *key)
        algorithm, *_ = _few(octets, signature, 2)
        found.append(walk.oid(algorithm.whole(octets)))
    return tuple(found)


def _read_extensions(octets: bytes, explicit: walk.Element, understood: frozenset[str]) -> dict[str, bytes]:
    """The values of extensions by their identifiers; ``explicit`` is the tag around them."""
    encoded = explicit.contents(octets)
    _few(
        encoded, walk.only(encoded, 0x30), _EXTENSION_LIMIT
    )  # each costs time to read, so they are counted first
    found = read_extensions(encoded)
    values = {one.oid: one.value for one in found}
    if len(values) < len(found):
        raise BadInput(_PLACE, "has an extension that stands twice", clause="RFC 5280 4.2")
    if any(one.critical and one.oid not in understood for one in found):
        raise BadInput(_PLACE, "has a critical extension that is not understood", clause="RFC 6960 4.4")
    return values


@dataclass(frozen=True, slots=True)
class SingleAnswer:
    """What is said of one certificate (SingleResponse, RFC 6960 4.2.1).

    Attributes:
        archive_cutoff: If the certificate has expired: since when such statuses are kept (RFC 6960 4.4.4).
    """

    query: Query
    status: Status
    this_update: datetime
    next_update: datetime
    archive_cutoff: datetime | None = None


@dataclass(frozen=True, slots=True)
class AnswerDraft:
    """Everything that an answer says before it is signed (ResponseData, RFC 6960 4.2.1).

    Attributes:
        responder: The key identifier of the key that is to sign, which is the answer's responderID.
        nonce: The request's, if it has one.
    """

    suite: Suite
    responder: bytes
    produced_at: datetime
    answers: tuple[SingleAnswer, ...]
    nonce: bytes | None


def response_data(draft: AnswerDraft) -> bytes:
    """The octets that are signed: ResponseData of version 1, the responder named by its key."""
    extensions = b""
    if draft.nonce is not None:
        value = der.octet_string(der.octet_string(draft.nonce))
        extensions = der.context(1, der.sequence(der.sequence(der.oid(_NONCE), value)))
    return der.sequence(
        der.context(2, der.octet_string(draft.responder)),
        der.generalized_time(draft.produced_at),
        der.sequence(*(_single_response(answer) for answer in draft.answers)),
        extensions,
    )


def response(data: bytes, suite: Suite, signature: bytes, certificate: bytes) -> bytes:
    """A successful OCSPResponse: what was signed, how, the signature, and the certificate to check it with."""
    basic = der.sequence(
        data,
        algorithm_identifier(suite),
        der.bit_string(signature),
        der.context(0, der.sequence(certificate)),
    )
    return der.sequence(
        der.enumerated(0), der.context(0, der.sequence(BASIC_RESPONSE, der.octet_string(basic)))
    )


def error_response(status: ErrorStatus) -> bytes:
    """An OCSPResponse without an answer; it is not signed (RFC 6960 2.3)."""
    return der.sequence(der.enumerated(status))


def _single_response(answer: SingleAnswer) -> bytes:
    revocation = answer.status.revocation
    extensions = (
        *_moment(ARCHIVE_CUTOFF, answer.archive_cutoff),
        # RFC 6960 4.4.5: what a list's entry would say besides.
        *_moment(_INVALIDITY_DATE, None if revocation is None else revocation.invalid_since),
    )
    return der.sequence(
        answer.query.encoded,
        _cert_status(answer.status),
        der.generalized_time(answer.this_update),
        der.context(0, der.generalized_time(answer.next_update)),
        der.context(1, der.sequence(*extensions)) if extensions else b"",
    )


def _moment(oid: str, moment: datetime | None) -> Iterator[bytes]:
    """An extension that is a moment, if there is one."""
    if moment is not None:
        yield der.sequence(der.oid(oid), der.octet_string(der.generalized_time(moment)))


def _cert_status(status: Status) -> bytes:
    match status.status:
        case CertificateStatus.GOOD:
            return der.context(0, constructed=False)
        case CertificateStatus.UNKNOWN:
            return der.context(2, constructed=False)
        case CertificateStatus.REVOKED:
            assert status.revocation is not None, "revoked means: by this revocation"
            reason = status.revocation.reason
            # RFC 5280 5.3.1: unspecified is said by saying nothing, in a list's entry and here alike.
            said = b"" if reason is RevocationReason.UNSPECIFIED else der.context(0, der.enumerated(reason))
            return der.context(1, der.generalized_time(status.revocation.revoked_at), said)
