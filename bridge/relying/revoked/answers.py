"""What an OCSP response says of a certificate, and whether it may say so (RFC 6960 3.2, 4.2.2.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, cast

from asn1crypto import core, ocsp

from bridge.relying.budget import ANSWER_LIMIT
from bridge.relying.signatures import Signatures
from ca.errors import BadInput
from ca.keys.signer import key_identifier
from ca.model import Revocation, RevocationReason, Serial
from ca.profiles.extensions import KeyUse
from ca.profiles.services import OCSP_SIGNING
from ca.wire import walk
from ca.wire.der import NULL
from ca.wire.facts import CertificateFacts, read_certificate

# Certificates that an answer may carry; one signs it.
_CERTIFICATES = 4

# How a CertID may hash names and keys (RFC 6960 4.1.1); SHA-1 is a name here and protects nothing.
_DIGESTS: Mapping[str, str] = MappingProxyType(
    {
        "1.3.14.3.2.26": "sha1",
        "2.16.840.1.101.3.4.2.1": "sha256",
        "2.16.840.1.101.3.4.2.2": "sha384",
        "2.16.840.1.101.3.4.2.3": "sha512",
    }
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a response says of one certificate; its signature is right, by a key that may sign for the issuer.

    Attributes:
        revocation: None if it says good.
        next_update: Until when it may be believed.
        responder: Whose key signed it, if the issuer's own did not: issued by that key for signing answers. Whether
            it is valid and not revoked is for the caller to find.
    """

    revocation: Revocation | None
    this_update: datetime
    next_update: datetime
    responder: CertificateFacts | None


def read_answer(
    der: bytes,
    place: str,
    certificate: CertificateFacts,
    issuer: CertificateFacts,
    at: datetime,
    signatures: Signatures,
) -> Said:
    """What an OCSP response says of a certificate at a moment.

    Args:
        der: The response.
        place: What it is called in messages.
        certificate: The certificate asked about.
        issuer: Its issuer in the path.
        at: The moment.
        signatures: Checks them.

    Raises:
        BadInput: It cannot be read, is an error, tells of other certificates, or of another time.
        KeyRefused: Its signature is wrong.
        BudgetSpent: Too many signatures were checked.
    """
    walk.require_size(der, place, ANSWER_LIMIT)
    with walk.reading(place, "the OCSP response"):
        walk.check_nesting(der, 0, len(der))
        response = ocsp.OCSPResponse.load(der, strict=True)
        if response["response_status"].native != "successful":
            raise _refused(place, "it is an error, not an answer", "RFC 6960 4.2.1")
        if response["response_bytes"]["response_type"].native != "basic_ocsp_response":
            raise _refused(place, "it is not of the basic type", "RFC 6960 4.2.1")
        basic = response["response_bytes"]["response"].parsed
        data = basic["tbs_response_data"]
        signed, algorithm = data.dump(), basic["signature_algorithm"]["algorithm"].dotted
        if basic["signature_algorithm"]["parameters"].dump() not in (b"", NULL):
            raise _refused(place, "its signature has parameters", "RFC 4055 5, RFC 5758 3.2")
        signature = basic["signature"].native
        single = _single(data, certificate, issuer, place)
        said = _read_single(single, certificate, at, place)
        _require_known(data["response_extensions"], place)
        _require_known(single["single_extensions"], place)
        responder = data["responder_id"]
        carried = basic["certs"]
        octets = [] if isinstance(carried, core.Void) else [cast("bytes", one.dump()) for one in carried]
    if _is_of(responder, issuer):
        signatures.check(algorithm, issuer.public_key, signed, signature)
        return Said(*said, responder=None)
    if len(octets) > _CERTIFICATES:
        raise _refused(place, "it carries more certificates than are looked at", "RFC 6960 4.2.2.2")
    for delegated in _delegated(octets, responder, place):
        _require_delegated(delegated, issuer, place, signatures)
        signatures.check(algorithm, delegated.public_key, signed, signature)
        return Said(*said, responder=delegated)
    raise _refused(place, "its signer is neither the issuer nor carried in it", "RFC 6960 4.2.2.2")


def _single(data: Any, certificate: CertificateFacts, issuer: CertificateFacts, place: str) -> Any:
    """The SingleResponse of this certificate; a CertID names it by hashes of its issuer's name and key."""
    for single in data["responses"]:
        named = single["cert_id"]
        digest = _DIGESTS.get(named["hash_algorithm"]["algorithm"].dotted)
        if (
            digest is not None
            and named["serial_number"].native == certificate.serial
            and named["issuer_name_hash"].native == _hash(digest, certificate.issuer.der)
            and named["issuer_key_hash"].native == _hash(digest, _key_bits(issuer))
        ):
            return single
    raise _refused(place, f"it does not tell of {certificate.place}", "RFC 6960 3.2")


def _read_single(
    single: Any, certificate: CertificateFacts, at: datetime, place: str
) -> tuple[Revocation | None, datetime, datetime]:
    begins, ends = (_moment(single[name]) for name in ("this_update", "next_update"))
    if begins is None or begins > at:
        raise _refused(place, "it is of a later time", "RFC 6960 4.2.2.1")
    if ends is None:
        raise _refused(place, "it names no next update", "RFC 6960 4.2.2.1")
    if ends < at:
        raise _refused(place, "it is out of date", "RFC 6960 4.2.2.1")
    status = single["cert_status"]
    if status.name == "unknown":
        raise _refused(place, f"it does not know {certificate.place}", "RFC 6960 2.2")
    if status.name == "good":
        return None, begins, ends
    info = status.chosen
    moment = _moment(info["revocation_time"])
    assert moment is not None, "the time of a revocation is not optional"
    reason = _reason(info["revocation_reason"])
    return Revocation(Serial(certificate.serial), moment, reason), begins, ends


def _reason(said: Any) -> RevocationReason:
    """Why; what has no reason, or one that is not known here, is revoked all the same."""
    try:
        return RevocationReason(
            0 if isinstance(said, core.Void) else int.from_bytes(said.contents, signed=True)
        )
    except ValueError:
        return RevocationReason.UNSPECIFIED


def _delegated(octets: list[bytes], responder: Any, place: str) -> Iterator[CertificateFacts]:
    """The carried certificates of the responder that signed."""
    for number, der in enumerate(octets, 1):
        facts = read_certificate(der, f"{place} certificate {number}")
        if _is_of(responder, facts):
            yield facts


def _require_delegated(
    delegated: CertificateFacts, issuer: CertificateFacts, place: str, signatures: Signatures
) -> None:
    """RFC 6960 4.2.2.2: issued directly by the CA, with the key that issued the certificate, for this purpose."""
    if delegated.purposes is None or OCSP_SIGNING not in delegated.purposes:
        raise _refused(place, "its signer may not sign answers", "RFC 6960 4.2.2.2")
    if delegated.key_usage is not None and KeyUse.DIGITAL_SIGNATURE not in delegated.key_usage:
        raise _refused(place, "its signer's key may not sign answers", "RFC 5280 4.2.1.3")
    if delegated.issuer != issuer.subject:
        raise _refused(place, "its signer is not the issuer's", "RFC 6960 4.2.2.2")
    signed = delegated.signed
    signatures.check(signed.algorithm, issuer.public_key, signed.tbs, signed.signature)


def _is_of(responder: Any, certificate: CertificateFacts) -> bool:
    """Whether a ResponderID names this certificate's subject, or its key (by SHA-1, RFC 6960 4.2.1)."""
    if responder.name == "by_key":
        return bool(responder.chosen.native == key_identifier(certificate.public_key))
    return bool(responder.chosen.untag().dump() == certificate.subject.der)


def _require_known(extensions: Any, place: str) -> None:
    if isinstance(extensions, core.Void):
        return
    if any(extension["critical"].native for extension in extensions):
        raise _refused(place, "it has a critical extension that is not known here", "RFC 6960 4.4")


def _hash(digest: str, octets: bytes) -> bytes:
    return hashlib.new(digest, octets, usedforsecurity=False).digest()


def _key_bits(issuer: CertificateFacts) -> bytes:
    """The value of the subjectPublicKey BIT STRING, without its count of unused bits."""
    info = walk.only(issuer.public_key, 0x30)
    _, bits = walk.elements(issuer.public_key, info.start, info.end)
    return bits.contents(issuer.public_key)[1:]


def _moment(value: Any) -> datetime | None:
    if isinstance(value, core.Void):
        return None
    return cast("datetime", value.native).astimezone(UTC)


def _refused(place: str, problem: str, clause: str) -> BadInput:
    return BadInput(place, problem, clause=clause)
