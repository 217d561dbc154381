"""Certification requests: PKCS#10, read with bounds, its key judged and the proof of possession checked."""

from __future__ import annotations

import binascii
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import SignatureAlgorithmOID

from ca.errors import CsrRefused, KeyRefused
from ca.issuing.subject_keys import require_key, require_rsa
from ca.keys.kinds import MlDsaPublicKey, suite_of
from ca.keys.signer import verify
from ca.suites import SubjectKeyRule
from ca.wire import der, walk

MAXIMUM_SIZE = 16 * 1024
"""Octets of a request as handed in. One with an RSA-4096 key and every usual attribute is under 4 KiB."""

_CANONICAL = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_TRAILER, _USUAL_TRAILER = 0xA3, der.integer(1)  # trailerFieldBC, RFC 4055 3.1
_LABELS = frozenset({b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"})
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\s([A-Za-z0-9+/=\s]*)-----END \1-----")


def read_csr(data: bytes, rule: SubjectKeyRule, place: str) -> bytes:
    """The encoded SubjectPublicKeyInfo of a request, PEM or DER, that is good enough to certify.

    Only the key is taken: names and extensions that a request asks for are the profile's business, not the
    applicant's.

    Raises:
        CsrRefused: It is not a PKCS#10 request, its signature does not prove possession of the key, or the rule
            refuses the key.
    """
    encoded = request_der(data, place)
    try:
        request = x509.load_der_x509_csr(encoded)
    except x509.InvalidVersion as error:
        raise CsrRefused(place, str(error), clause="RFC 2986 4.1") from None
    except (ValueError, TypeError):
        raise _not_a_request(place) from None
    try:
        key = request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    try:
        info = _public_key_info(encoded)
        if isinstance(key, rsa.RSAPublicKey) and info == key.public_bytes(*_CANONICAL):
            # In the one form that a certificate carries, as nearly always: its octets need no reading.
            numbers = key.public_numbers()
            require_rsa(numbers.n, numbers.e, rule, place)
        else:
            require_key(info, rule, place)
    except (ValueError, TypeError):
        raise _not_a_request(place) from None
    if key is None:
        # The form was judged above; what is left is a point beside its curve.
        raise CsrRefused(
            place, "its key is not a point of its curve, or cannot be used", clause="SP 800-56A 5.6.2.3.3"
        )
    _require_possession(request, key, info, rule, place)
    return info


def request_der(data: bytes, place: str) -> bytes:
    """The octets of a request that was handed in as PEM or DER, or CsrRefused."""
    if len(data) > MAXIMUM_SIZE:
        raise CsrRefused(
            place, f"is {len(data)} octets; a request of at most {MAXIMUM_SIZE} is read", clause="RFC 2986 4"
        )
    # No text begins so, and every request is long enough to.
    if data[:2] in {b"\x30\x81", b"\x30\x82"}:
        return data
    block = _PEM.search(data)
    if block is None:
        raise _not_a_request(place)
    label, body = block.groups()
    if label not in _LABELS:
        raise CsrRefused(
            place, f"is PEM of a {label.decode()}, not of a CERTIFICATE REQUEST", clause="RFC 7468 7"
        )
    if data.count(b"-----BEGIN ") > 1:
        raise CsrRefused(
            place, "holds more than one PEM block", clause="RFC 7468 2", remedy="Hand in one request"
        )
    try:
        return binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
    except binascii.Error:
        raise _not_a_request(place) from None


def _not_a_request(place: str) -> CsrRefused:
    return CsrRefused(place, "is not a PKCS#10 certification request", clause="RFC 2986 4")


def _public_key_info(encoded: bytes) -> bytes:
    """The octets of subjectPKInfo, third in certificationRequestInfo (RFC 2986 4.1)."""
    outside = walk.only(encoded, 0x30)
    inside = walk.element(encoded, outside.start, outside.end)
    version = walk.element(encoded, inside.start, inside.end)
    subject = walk.element(encoded, version.end, inside.end)
    return walk.element(encoded, subject.end, inside.end).whole(encoded)


def _require_possession(
    request: x509.CertificateSigningRequest, key: object, info: bytes, rule: SubjectKeyRule, place: str
) -> None:
    """Raise CsrRefused unless the request is signed by the key that it holds, with a digest of today."""
    message, signature = request.tbs_certrequest_bytes, request.signature
    if isinstance(key, MlDsaPublicKey):
        _require_ml_dsa(request.signature_algorithm_oid.dotted_string, info, message, signature, place)
        return
    pss = request.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS
    try:
        digest = request.signature_hash_algorithm
        scheme = request.signature_algorithm_parameters
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if pss:
            raise _odd_pss(place) from None
        digest = scheme = None
    # The library calls a request with SHA-1 merely invalid, whatever its signature; so the key itself is asked.
    if not isinstance(digest, (hashes.SHA1, *_DIGESTS) if rule.sha1 else _DIGESTS):
        name = "an unknown digest" if digest is None else digest.name
        raise CsrRefused(
            place, f"is signed with {name}", remedy="Make the request with -sha256", clause="RFC 2986 4.2"
        )
    if pss:
        _require_usual_pss(request, digest, scheme, place)
    try:
        match key, scheme:
            case rsa.RSAPublicKey(), padding.PKCS1v15() | padding.PSS():
                key.verify(signature, message, scheme, digest)
            case ec.EllipticCurvePublicKey(), ec.ECDSA():
                key.verify(signature, message, scheme)
            case _:
                raise _another_algorithm(place)
    except (InvalidSignature, ValueError):
        raise _unproven(place) from None


def _require_usual_pss(
    request: x509.CertificateSigningRequest, digest: hashes.HashAlgorithm, scheme: object, place: str
) -> None:
    """Raise CsrRefused unless RSASSA-PSS masks with the digest that it signs, and ends as RFC 4055 3.1 says."""
    if not isinstance(scheme, padding.PSS) or scheme.mgf != padding.MGF1(digest):
        raise CsrRefused(
            place,
            f"its RSASSA-PSS signature is masked with another digest than {digest.name}",
            clause="RFC 4055 3.1",
            remedy="Make the request with one digest for both",
        )
    # The library takes any trailer for the usual one.
    encoded = request.public_bytes(Encoding.DER)
    algorithm = walk.frame(encoded)[1]
    _, parameters = walk.elements(encoded, algorithm.start, algorithm.end)
    for found in walk.elements(encoded, parameters.start, parameters.end):
        if found.tag == _TRAILER and found.contents(encoded) != _USUAL_TRAILER:
            raise _odd_pss(place)


def _odd_pss(place: str) -> CsrRefused:
    return CsrRefused(
        place,
        "its RSASSA-PSS parameters are not a digest, MGF1 with it, a salt and the usual trailer",
        clause="RFC 4055 3.1",
    )


def _require_ml_dsa(algorithm: str, info: bytes, message: bytes, signature: bytes, place: str) -> None:
    try:
        suite = suite_of(algorithm, info)
    except KeyRefused:
        raise _another_algorithm(place) from None
    try:
        verify(info, suite, message, signature)
    except KeyRefused:
        raise _unproven(place) from None


def _another_algorithm(place: str) -> CsrRefused:
    return CsrRefused(place, "is signed by another algorithm than its key's", clause="RFC 2986 4.2")


def _unproven(place: str) -> CsrRefused:
    return CsrRefused(
        place,
        "its signature does not prove possession of the private key",
        clause="RFC 2986 4.2; RFC 4211 4",
    )
