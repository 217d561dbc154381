"""Lists of revoked certificates become facts here; their entries are read one by one, when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from asn1crypto import core, crl

from ca.model import Revocation, RevocationReason, Serial
from ca.profiles import extensions as ext
from ca.wire import der as writer
from ca.wire import walk
from ca.wire.facts import (
    AuthorityKeyFacts,
    ExtensionFacts,
    NameFacts,
    SignedFacts,
    read_authority_key,
    read_directory_names,
    read_extension,
    read_extensions,
    read_name,
    read_point_names,
    read_signed,
    read_structure,
)

LIST_LIMIT = 64 * 1024 * 1024
"""Octets: some 1.7 million entries, twice a bad day of a nation in one list."""

DELTA_INDICATOR = "2.5.29.27"
REASON_CODE = "2.5.29.21"
INVALIDITY_DATE = "2.5.29.24"
CERTIFICATE_ISSUER = "2.5.29.29"


@dataclass(frozen=True, slots=True)
class IssuingPointFacts:
    """issuingDistributionPoint (RFC 5280 5.2.5).

    Attributes:
        names: Encoded directory names of the point; None if the list names no point, empty if of another form.
        holds: What the list is for; None for attribute certificates, or for two kinds at once.
        partial: The list leaves reasons out, or speaks for other issuers too.
    """

    names: tuple[bytes, ...] | None
    holds: ext.Holds | None
    partial: bool


@dataclass(frozen=True, slots=True)
class ListFacts:
    """What a list of revoked certificates says; entries are read one by one, when asked for.

    Attributes:
        place: Where it was read from, for messages.
        version: 1 or 2.
        entries: Where the contents of revokedCertificates begin and end in ``der``.
    """

    place: str = field(compare=False)
    der: bytes = field(repr=False)
    signed: SignedFacts = field(repr=False)
    version: int
    issuer: NameFacts
    this_update: datetime
    next_update: datetime | None
    extensions: tuple[ExtensionFacts, ...] = field(repr=False)
    authority_key: AuthorityKeyFacts | None
    number: int | None
    issuing_point: IssuingPointFacts | None
    entries: tuple[int, int] = field(repr=False)

    def revocation(self, serial: int) -> Revocation | None:
        """What the list says of this serial, or None if it is not listed; BadInput if its entry is unreadable."""
        # Every entry's serial was seen to be DER, so octets that occur nowhere stand in no entry.
        wanted = writer.integer(serial)
        if self.der.find(wanted, *self.entries) < 0:
            return None
        with walk.reading(self.place, f"entry {serial:x}"):
            for entry, number in _entries(self.der, *self.entries):
                if number.whole(self.der) == wanted:
                    return _revocation(self.der, entry)
        return None

    def entries_by_issuer(self) -> Iterator[tuple[int, NameFacts]]:
        """Where each entry of an indirect list begins, and whose certificate it tells of, or BadInput.

        RFC 5280 5.3.3: an entry that does not say it is of the same issuer as the one before; the first, of the list's.
        """
        issuer = self.issuer
        with walk.reading(self.place, "revokedCertificates"):
            for entry, _ in _entries(self.der, *self.entries):
                named = read_extension(
                    _entry_extensions(self.der, entry), CERTIFICATE_ISSUER, self.place, read_directory_names
                )
                if named is not None:
                    (only,) = named
                    issuer = read_name(only, f"{self.place}: certificateIssuer")
                yield entry.at, issuer

    def critical_in_entries(self) -> frozenset[str]:
        """Object identifiers of all extensions that are critical in some entry."""
        if self.der.find(writer.BOOLEAN_TRUE, *self.entries) < 0:
            return frozenset()
        with walk.reading(self.place, "revokedCertificates"):
            return frozenset(
                extension.oid
                for entry, _ in _entries(self.der, *self.entries)
                for extension in _entry_extensions(self.der, entry)
                if extension.critical
            )


def read_list(der: bytes, place: str) -> ListFacts:
    """Read a list's frame and extensions and walk its entries, or raise BadInput naming the place and the field."""
    walk.require_size(der, place, LIST_LIMIT)
    with walk.reading(place, "the list's frame"):
        tbs, outer, signature = walk.frame(der)
        fields = list(walk.elements(der, tbs.start, tbs.end))
        version = 1
        if fields[0].tag == 0x02:
            version = walk.integer(fields.pop(0).whole(der)) + 1
        inner, issuer, this_update, *rest = fields
        next_update = rest.pop(0) if rest and rest[0].tag in (0x17, 0x18) else None
        revoked = rest.pop(0) if rest and rest[0].tag == 0x30 else None
        if [element.tag for element in rest] not in ([], [0xA0]):
            raise walk.NotDer
        for element in (outer, inner, issuer, *rest):
            walk.check_nesting(der, element.at, element.end)
        extensions = read_extensions(rest[0].contents(der)) if rest else ()
    with walk.reading(place, "revokedCertificates"):
        entries = (revoked.start, revoked.end) if revoked else (0, 0)
        for _, number in _entries(der, *entries):
            walk.integer(number.whole(der))
    with walk.reading(place, "thisUpdate and nextUpdate"):
        begins = walk.moment(der, this_update)
        ends = walk.moment(der, next_update) if next_update else None
    return ListFacts(
        place=place,
        der=der,
        signed=read_signed(der, tbs, outer, inner, signature, place),
        version=version,
        issuer=read_name(issuer.whole(der), f"{place}: issuer"),
        this_update=begins,
        next_update=ends,
        extensions=extensions,
        authority_key=read_extension(extensions, ext.AuthorityKey.oid, place, read_authority_key),
        number=read_extension(extensions, ext.ListNumber.oid, place, walk.integer),
        issuing_point=read_extension(extensions, ext.IssuingPoint.oid, place, _issuing_point),
        entries=entries,
    )


def _issuing_point(value: bytes) -> IssuingPointFacts:
    point = read_structure(crl.IssuingDistributionPoint, value, 6)
    flags = {
        ext.Holds.USER: bool(point["only_contains_user_certs"].native),
        ext.Holds.CA: bool(point["only_contains_ca_certs"].native),
        None: bool(point["only_contains_attribute_certs"].native),
    }
    kinds = [kind for kind, on in flags.items() if on]
    return IssuingPointFacts(
        names=read_point_names(point["distribution_point"]),
        holds=(kinds[0] if len(kinds) == 1 else None) if kinds else ext.Holds.ALL,
        partial=bool(point["indirect_crl"].native) or not isinstance(point["only_some_reasons"], core.Void),
    )


def _entries(der: bytes, start: int, end: int) -> Iterator[tuple[walk.Element, walk.Element]]:
    """Each entry of revokedCertificates and the serial at its head, without looking further into it."""
    for entry in walk.elements(der, start, end):
        number = walk.element(der, entry.start, entry.end)
        if entry.tag != 0x30 or number.tag != 0x02:
            raise walk.NotDer
        yield entry, number


def _entry_extensions(der: bytes, entry: walk.Element) -> tuple[ExtensionFacts, ...]:
    walk.check_nesting(der, entry.at, entry.end)
    _, _, *rest = walk.elements(der, entry.start, entry.end)
    if len(rest) > 1:
        raise walk.NotDer
    return read_extensions(rest[0].whole(der)) if rest else ()


def _revocation(der: bytes, entry: walk.Element) -> Revocation:
    values = {extension.oid: extension.value for extension in _entry_extensions(der, entry)}
    number, moment, *_ = walk.elements(der, entry.start, entry.end)
    reason, since = values.get(REASON_CODE), values.get(INVALIDITY_DATE)
    return Revocation(
        serial=Serial(walk.integer(number.whole(der))),
        revoked_at=walk.moment(der, moment),
        # RFC 5280 5.3.1: no reason is as good as unspecified. The values are small: one octet.
        reason=RevocationReason(walk.only(reason, 0x0A).contents(reason)[0] if reason else 0),
        invalid_since=walk.moment(since, walk.only(since, 0x18)) if since else None,
    )
