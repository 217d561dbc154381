"""Certification requests: PKCS#10, read with bounds, its key judged and the proof of possession checked."""

from __future__ import annotations

from typing import cast

from asn1crypto import csr as asn1_csr
from asn1crypto import pem
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.errors import CsrRefused
from ca.suites import SubjectKeyRule

MAXIMUM_SIZE = 16 * 1024
"""Octets of a request as handed in. One with an RSA-4096 key and every usual attribute is under 4 KiB."""

_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def read_csr(data: bytes, rule: SubjectKeyRule, place: str) -> bytes:
    """The encoded SubjectPublicKeyInfo of a request, PEM or DER, that is good enough to certify.

    Only the key is taken: names and extensions that a request asks for are the profile's business, not the
    applicant's.

    Raises:
        CsrRefused: It is not a PKCS#10 request, its signature does not prove possession of the key, or the rule
            refuses the key.
    """
    encoded = _bounded_der(data, place)
    try:
        request = x509.load_der_x509_csr(encoded)
        key = request.public_key()
        digest = request.signature_hash_algorithm
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CsrRefused(
            place, f"is not a certification request that can be read: {error}", clause="RFC 2986 4"
        ) from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise CsrRefused(place, "holds a key that is not RSA", clause="RFC 3279 2.3.1")
    _check_key(key, rule, place)
    # A SHA-1 signature would be reported as merely invalid; say what is wrong with it instead.
    if not isinstance(digest, _DIGESTS):
        name = "an unknown digest" if digest is None else digest.name
        raise CsrRefused(
            place, f"is signed with {name}", remedy="Make the request with -sha256", clause="RFC 2986 4.2"
        )
    if not request.is_signature_valid:
        raise CsrRefused(
            place,
            "its signature does not prove possession of the private key",
            clause="RFC 2986 4.2; RFC 4211 4",
        )
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _bounded_der(data: bytes, place: str) -> bytes:
    if len(data) > MAXIMUM_SIZE:
        raise CsrRefused(
            place, f"is {len(data)} octets; a request of at most {MAXIMUM_SIZE} is read", clause="RFC 2986 4"
        )
    try:
        if pem.detect(data):
            label, _, encoded = cast("tuple[str, object, bytes]", pem.unarmor(data))
            if label not in {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}:
                raise CsrRefused(
                    place, f"is PEM of a {label}, not of a CERTIFICATE REQUEST", clause="RFC 7468 7"
                )
        else:
            encoded = data
        # strict=True refuses anything behind the request; the contents are read by the library below.
        asn1_csr.CertificationRequest.load(encoded, strict=True)
    except (ValueError, TypeError):
        raise CsrRefused(place, "is not a PKCS#10 certification request", clause="RFC 2986 4") from None
    return encoded


def _check_key(key: rsa.RSAPublicKey, rule: SubjectKeyRule, place: str) -> None:
    if key.key_size < rule.minimum_bits:
        raise CsrRefused(
            place,
            f"its RSA key has {key.key_size} bits; {rule.minimum_bits} are the least",
            clause="FIPS 186-5 5.1",
        )
    if key.key_size > rule.maximum_bits:
        raise CsrRefused(place, f"its RSA key has {key.key_size} bits; {rule.maximum_bits} are the most")
    exponent = key.public_numbers().e
    if not rule.minimum_exponent <= exponent <= rule.maximum_exponent or exponent % 2 == 0:
        raise CsrRefused(
            place, "its RSA exponent is even, or outside 2^16 to 2^256", clause="FIPS 186-5 A.1.1"
        )
