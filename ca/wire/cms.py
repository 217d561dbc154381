"""CMS as a repository writes it: detached signatures over what it says of itself, and files of certificates alone.

RFC 5652 5; that a file of certificates is a SignedData that nobody signed, is RFC 5280 4.2.2.1 and RFC 8551 3.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from asn1crypto import x509

from ca.suites import Digest, Suite
from ca.wire import der
from ca.wire.tbs import algorithm_identifier

ID_DATA = der.oid("1.2.840.113549.1.7.1")
ID_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
SIGNING_TIME = der.oid("1.2.840.113549.1.9.5")
# RFC 5754 2: without parameters.
DIGESTS = {
    Digest.SHA1: der.sequence(der.oid("1.3.14.3.2.26")),
    Digest.SHA256: der.sequence(der.oid("2.16.840.1.101.3.4.2.1")),
    Digest.SHA384: der.sequence(der.oid("2.16.840.1.101.3.4.2.2")),
    Digest.SHA512: der.sequence(der.oid("2.16.840.1.101.3.4.2.3")),
}
assert DIGESTS.keys() == set(Digest), "each digest needs a row"


def detached_signature(
    content: bytes,
    *,
    signer_certificate: bytes,
    other_certificates: Sequence[bytes],
    suite: Suite,
    sign: Callable[[bytes, Suite], bytes],
    at: datetime,
) -> bytes:
    """A SignedData without the content, with the signer's certificate and those on the way to it.

    ``sign`` gives the signature value over the signed attributes, as the signer's key makes it.
    """
    digest = hashlib.new(suite.digest, content).digest()
    # RFC 5652 5.4: signed as a SET OF in DER order (shorter encodings first here), sent under [0] IMPLICIT.
    attributes = sorted(
        (
            _attribute(CONTENT_TYPE, ID_DATA),
            _attribute(SIGNING_TIME, der.time(at)),
            _attribute(MESSAGE_DIGEST, der.octet_string(digest)),
        )
    )
    signature = sign(der.tlv(0x31, *attributes), suite)
    certificate = x509.Certificate.load(signer_certificate)
    signer_info = der.sequence(
        der.integer(1),
        der.sequence(certificate.issuer.dump(), der.integer(certificate.serial_number)),
        DIGESTS[suite.digest],
        der.context(0, *attributes),
        algorithm_identifier(suite),
        der.octet_string(signature),
    )
    signed_data = der.sequence(
        der.integer(1),
        der.tlv(0x31, DIGESTS[suite.digest]),
        der.sequence(ID_DATA),
        der.context(0, *sorted((signer_certificate, *other_certificates))),
        der.tlv(0x31, signer_info),
    )
    return der.sequence(ID_SIGNED_DATA, der.context(0, signed_data))


def certs_only(certificates: Iterable[bytes]) -> bytes:
    """A SignedData without content and without signers: certificates, each once, in the order of DER's SET OF."""
    # DER orders a SET OF by the octets themselves (X.690 11.6).
    ordered = sorted(set(certificates))
    signed_data = der.sequence(
        der.integer(1),
        der.tlv(0x31),
        der.sequence(ID_DATA),
        *([der.context(0, *ordered)] if ordered else []),
        der.tlv(0x31),
    )
    return der.sequence(ID_SIGNED_DATA, der.context(0, signed_data))


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.sequence(kind, der.set_of_one(value))
