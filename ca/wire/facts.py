"""DER becomes facts here: what a certificate or a list says, as frozen values.

The reader is strict about DER and its bounds, and lenient about contents: old government certificates break later
rules (serial 0, marks that should be critical), and whoever judges the facts decides what that means. The frame is
walked by hand, since the very octets that were signed matter and a list may hold a million entries; the contents
of extensions are read by asn1crypto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast

from asn1crypto import core, x509

from ca.names import fold
from ca.profiles import extensions as ext
from ca.wire import der as writer
from ca.wire import walk

T = TypeVar("T")

CERTIFICATE_LIMIT = 64 * 1024
"""Octets. The largest certificates in sight (ML-DSA-87 with a long name) have 10 KiB."""

NAME_CONSTRAINTS = "2.5.29.30"

_PKIX_ARCS = ("2.5.29.", "1.3.6.1.5.5.7.")  # extensions whose values are known to be DER
_CHARACTER_SETS = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}


@dataclass(frozen=True, slots=True)
class NameFacts:
    """A distinguished name. Two are equal if they are so under RFC 5280 7.1, whatever their string types."""

    der: bytes = field(compare=False, repr=False)
    folded: tuple[frozenset[tuple[str, str]], ...]

    def values(self, attribute: str) -> Iterator[str]:
        """The values of this attribute type (a dotted object identifier), prepared for comparison."""
        return (value for step in self.folded for name, value in step if name == attribute)


@dataclass(frozen=True, slots=True)
class SignedFacts:
    """What was signed, how, and the signature (RFC 5280 4.1.1 and 5.1.1).

    Attributes:
        algorithm: The dotted object identifier of the signature algorithm.
        outer: The AlgorithmIdentifier beside the signature.
        inner: The AlgorithmIdentifier among the octets that were signed; the two must agree.
    """

    tbs: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    algorithm: str
    outer: bytes
    inner: bytes


@dataclass(frozen=True, slots=True)
class ExtensionFacts:
    """An extension as it stands, its value unread."""

    oid: str
    critical: bool
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthorityKeyFacts:
    """authorityKeyIdentifier (RFC 5280 4.2.1.1); issuer and serial name one certificate of that key."""

    key_identifier: bytes | None
    issuer: NameFacts | None
    serial: int | None


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says. Of an extension that stands there twice, the first is read.

    Attributes:
        place: Where it was read from, for messages.
        version: 1 to 3.
        public_key: DER SubjectPublicKeyInfo.
        points: Encoded directory names of those cRLDistributionPoints that cover all reasons and are the issuer's
            own; None without the extension, empty if no point is of this form.
    """

    place: str = field(compare=False)
    der: bytes = field(repr=False)
    signed: SignedFacts = field(repr=False)
    version: int
    serial: int
    issuer: NameFacts = field(repr=False)
    subject: NameFacts = field(repr=False)  # a holder's name is not for logs
    not_before: datetime
    not_after: datetime
    public_key: bytes = field(repr=False)
    extensions: tuple[ExtensionFacts, ...] = field(repr=False)
    key_usage: frozenset[ext.KeyUse] | None
    basic_constraints: ext.BasicConstraints | None
    purposes: frozenset[str] | None
    subject_key: bytes | None
    authority_key: AuthorityKeyFacts | None
    points: tuple[bytes, ...] | None

    @property
    def is_ca(self) -> bool:
        """Whether the certificate says that its subject is a CA (RFC 5280 4.2.1.9)."""
        return self.basic_constraints is not None and self.basic_constraints.ca

    def has(self, oid: str) -> bool:
        """Whether this extension stands in the certificate."""
        return any(extension.oid == oid for extension in self.extensions)


def read_certificate(der: bytes, place: str) -> CertificateFacts:
    """Read a certificate, or raise BadInput naming the place and the field."""
    walk.require_size(der, place, CERTIFICATE_LIMIT)
    with walk.reading(place, "the certificate's frame"):
        walk.check_nesting(der, 0, len(der))
        tbs, outer, signature = walk.frame(der)
        fields = list(walk.elements(der, tbs.start, tbs.end))
        version = 1
        if fields[0].tag == 0xA0:
            version = walk.integer(fields.pop(0).contents(der)) + 1
        serial, inner, issuer, validity, subject, key, *rest = fields
        walk.expect(0x30, inner, issuer, validity, subject, key)
        tags = [element.tag for element in rest]  # issuerUniqueID, subjectUniqueID, extensions
        if tags != sorted(set(tags) & {0x81, 0x82, 0xA3}):
            raise walk.NotDer
        extensions = read_extensions(rest[-1].contents(der)) if 0xA3 in tags else ()
        number = walk.integer(serial.whole(der))
    with walk.reading(place, "validity"):
        not_before, not_after = (
            walk.moment(der, element) for element in walk.elements(der, validity.start, validity.end)
        )
    _check_shape(extensions, place)
    return CertificateFacts(
        place=place,
        der=der,
        signed=read_signed(der, tbs, outer, inner, signature, place),
        version=version,
        serial=number,
        issuer=read_name(issuer.whole(der), f"{place}: issuer"),
        subject=read_name(subject.whole(der), f"{place}: subject"),
        not_before=not_before,
        not_after=not_after,
        public_key=key.whole(der),
        extensions=extensions,
        key_usage=read_extension(extensions, ext.KeyUsage.oid, place, _key_usage),
        basic_constraints=read_extension(extensions, ext.BasicConstraints.oid, place, _basic_constraints),
        purposes=read_extension(extensions, ext.ExtendedKeyUsage.oid, place, _purposes),
        subject_key=read_extension(extensions, ext.SubjectKey.oid, place, _octet_string),
        authority_key=read_extension(extensions, ext.AuthorityKey.oid, place, read_authority_key),
        points=read_extension(extensions, ext.DistributionPoint.oid, place, _points),
    )


def read_name(der: bytes, place: str) -> NameFacts:
    """Read an encoded Name, or raise BadInput naming the place."""
    steps = []
    with walk.reading(place, "a distinguished name"):
        walk.check_nesting(der, 0, len(der))
        sequence = walk.only(der, 0x30)
        for step in walk.elements(der, sequence.start, sequence.end):
            walk.expect(0x31, step)
            attributes = set()
            for attribute in walk.elements(der, step.start, step.end):
                kind, value = walk.elements(der, attribute.start, attribute.end)
                text = value.whole(der).hex()
                if value.tag in _CHARACTER_SETS:
                    text = fold(value.contents(der).decode(_CHARACTER_SETS[value.tag]))
                attributes.add((walk.oid(kind.whole(der)), text))
            steps.append(frozenset(attributes))
    return NameFacts(der, tuple(steps))


def read_signed(
    der: bytes,
    tbs: walk.Element,
    outer: walk.Element,
    inner: walk.Element,
    signature: walk.Element,
    place: str,
) -> SignedFacts:
    """The three parts of a signed frame and the algorithm named among what was signed, as facts."""
    with walk.reading(place, "the signature"):
        bits = signature.contents(der)
        if bits[:1] != b"\0":  # a signature fills its octets
            raise walk.NotDer
        algorithm = walk.oid(walk.element(der, outer.start, outer.end).whole(der))
        return SignedFacts(tbs.whole(der), bits[1:], algorithm, outer.whole(der), inner.whole(der))


def read_extensions(der: bytes) -> tuple[ExtensionFacts, ...]:
    """Read a SEQUENCE of extensions in their order; the caller names the place (``walk.reading``)."""
    found = []
    sequence = walk.only(der, 0x30)
    for element in walk.elements(der, sequence.start, sequence.end):
        walk.expect(0x30, element)
        kind, *mark, value = walk.elements(der, element.start, element.end)
        walk.expect(0x04, value)
        # X.690 11.5 leaves FALSE out; old encoders write it.
        if [flag.whole(der) for flag in mark] not in ([], [writer.BOOLEAN_TRUE], [b"\x01\x01\x00"]):
            raise walk.NotDer
        critical = bool(mark) and der[mark[0].start] != 0
        extension = ExtensionFacts(walk.oid(kind.whole(der)), critical, value.contents(der))
        if extension.oid.startswith(_PKIX_ARCS):
            walk.check_nesting(extension.value, 0, len(extension.value))
        found.append(extension)
    return tuple(found)


def read_extension(
    extensions: tuple[ExtensionFacts, ...], oid: str, place: str, reader: Callable[[bytes], T]
) -> T | None:
    """Read the first extension of this kind, or None if there is none; BadInput names the place and the extension."""
    for extension in extensions:
        if extension.oid == oid:
            with walk.reading(place, ext.NAMES.get(oid, oid)):
                return reader(extension.value)
    return None


def read_structure(kind: Any, value: bytes, fields: int) -> Any:
    """Load a SEQUENCE of this many fields. The library keeps what stands behind them, or out of order, as more."""
    structure = kind.load(value, strict=True)
    if len(structure) != fields:
        raise walk.NotDer
    return structure


def _check_shape(extensions: tuple[ExtensionFacts, ...], place: str) -> None:
    """Refuse constraints whose fields stand out of order: whoever applies them later would overlook some."""
    for oid, kind in (
        (NAME_CONSTRAINTS, x509.NameConstraints),
        (ext.PolicyConstraints.oid, x509.PolicyConstraints),
    ):
        read_extension(extensions, oid, place, partial(read_structure, kind, fields=2))


# Nine bits with tag, length and count of unused bits; some encoders write the zeros behind them too.
_KEY_USAGE_OCTETS = 8


def _key_usage(value: bytes) -> frozenset[ext.KeyUse]:
    if len(value) > _KEY_USAGE_OCTETS:
        raise walk.NotDer
    words = x509.KeyUsage.load(value, strict=True).native
    return frozenset(use for use in ext.KeyUse if use in words)


def _basic_constraints(value: bytes) -> ext.BasicConstraints:
    constraints = read_structure(x509.BasicConstraints, value, 2).native
    length = constraints["path_len_constraint"]
    if (
        length is not None and length < 0
    ):  # RFC 5280 4.2.1.9: INTEGER (0..MAX); one below 0 would never be reached
        raise walk.NotDer
    return ext.BasicConstraints(constraints["ca"], length)


def _purposes(value: bytes) -> frozenset[str]:
    return frozenset(purpose.dotted for purpose in x509.ExtKeyUsageSyntax.load(value, strict=True))


def _octet_string(value: bytes) -> bytes:
    return walk.only(value, 0x04).contents(value)


def read_authority_key(value: bytes) -> AuthorityKeyFacts:
    """Read the value of authorityKeyIdentifier."""
    key = read_structure(x509.AuthorityKeyIdentifier, value, 3)
    names = _directory_names(key["authority_cert_issuer"])
    return AuthorityKeyFacts(
        key_identifier=key["key_identifier"].native,
        issuer=read_name(names[0], "authorityCertIssuer") if names else None,
        serial=key["authority_cert_serial_number"].native,
    )


def _points(value: bytes) -> tuple[bytes, ...]:
    names: list[bytes] = []
    for one in x509.CRLDistributionPoints.load(value, strict=True):
        point = read_structure(x509.DistributionPoint, one.dump(), 3)
        if isinstance(point["reasons"], core.Void) and isinstance(point["crl_issuer"], core.Void):
            names += read_point_names(point["distribution_point"]) or ()
    return tuple(names)


def read_point_names(point: Any) -> tuple[bytes, ...] | None:
    """The encoded directory names of a DistributionPointName; None without one, empty if of another form."""
    if isinstance(point, core.Void):
        return None
    return _directory_names(point.chosen) if point.name == "full_name" else ()


def read_directory_names(value: bytes) -> tuple[bytes, ...]:
    """The encoded directory names among the GeneralNames that a value is."""
    return _directory_names(x509.GeneralNames.load(value, strict=True))


def _directory_names(names: Any) -> tuple[bytes, ...]:
    if isinstance(names, core.Void):
        return ()
    return tuple(cast("bytes", name.chosen.untag().dump()) for name in names if name.name == "directory_name")
