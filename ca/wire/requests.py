"""Certification requests between certificate authorities: PKCS#10 (RFC 2986) with the extensions that are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ca.names import DirectoryName
from ca.profiles.drafting import PlacedExtension
from ca.wire import der, walk
from ca.wire.extensions import encode_extension
from ca.wire.facts import ExtensionFacts, NameFacts, read_extensions, read_name
from ca.wire.names import encode_name

_EXTENSION_REQUEST = "1.2.840.113549.1.9.14"  # RFC 2985 5.4.2
_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What a request asks for.

    Attributes:
        public_key: DER SubjectPublicKeyInfo.
        extensions: Those that are asked for; empty without the attribute.
    """

    subject: NameFacts
    public_key: bytes = field(repr=False)
    extensions: tuple[ExtensionFacts, ...] = field(repr=False)


def request_info(name: DirectoryName, public_key: bytes, asked: Iterable[PlacedExtension]) -> bytes:
    """A CertificationRequestInfo: what is signed of a request (RFC 2986 4.1). ``ca.wire.tbs.signed`` makes it whole."""
    extensions = der.sequence(*(encode_extension(one.value, critical=one.critical) for one in asked))
    attribute = der.sequence(der.oid(_EXTENSION_REQUEST), der.set_of_one(extensions))
    return der.sequence(der.integer(0), encode_name(name), public_key, der.context(0, attribute))


def read_request(octets: bytes, place: str) -> RequestFacts:
    """Read a request in DER, or raise BadInput. Its signature is ``ca.issuing.intake``'s to check."""
    walk.require_size(octets, place, _LIMIT)
    with walk.reading(place, "the request"):
        walk.check_nesting(octets, 0, len(octets))
        info, _, _ = walk.frame(octets)
        version, subject, key, *rest = walk.elements(octets, info.start, info.end)
        walk.expect(0x02, version)
        walk.expect(0x30, subject, key)
        walk.expect(0xA0, *rest)
        asked: tuple[ExtensionFacts, ...] = ()
        for attributes in rest:
            for attribute in walk.elements(octets, attributes.start, attributes.end):
                kind, values = walk.elements(octets, attribute.start, attribute.end)
                if walk.oid(kind.whole(octets)) == _EXTENSION_REQUEST:
                    asked += read_extensions(values.contents(octets))
    return RequestFacts(read_name(subject.whole(octets), place), key.whole(octets), asked)
