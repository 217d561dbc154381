"""Distribution points: which lists may speak for a certificate, and what a list says of its own scope.

One syntax serves cRLDistributionPoints, freshestCRL and, in part, issuingDistributionPoint (RFC 5280 4.2.1.13, 4.2.1.15,
5.2.5, 5.2.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, cast

from asn1crypto import core, crl, x509

from ca.profiles import extensions as ext
from ca.wire import der as writer
from ca.wire import walk
from ca.wire.facts import (
    CertificateFacts,
    ExtensionFacts,
    NameFacts,
    read_extension,
    read_name,
    read_structure,
)
from ca.wire.list_facts import IssuingPointFacts

ALL_REASONS = frozenset(
    {
        "key_compromise",
        "ca_compromise",
        "affiliation_changed",
        "superseded",
        "cessation_of_operation",
        "certificate_hold",
        "privilege_withdrawn",
        "aa_compromise",
    }
)
"""What ReasonFlags can say, in asn1crypto's words; bit 0 is unused (RFC 5280 4.2.1.13)."""

PointName = NameFacts | bytes
"""A point's name: a directory name compares as RFC 5280 7.1 says, any other as its GeneralName's octets."""


@dataclass(frozen=True, slots=True)
class Point:
    """A DistributionPoint.

    Attributes:
        names: What its list is called, each another name of the same; empty if it has none.
        urls: Those of the names that are URIs, as text.
        reasons: Which reasons its list tells of.
        issuers: Who issues its list (cRLIssuer); None if it is the certificate's issuer itself.
    """

    names: frozenset[PointName]
    urls: tuple[str, ...]
    reasons: frozenset[str]
    issuers: frozenset[NameFacts] | None = None


@dataclass(frozen=True, slots=True)
class ListScope:
    """What a list is for, as far as it says so itself (RFC 5280 5.2.5).

    Attributes:
        names: Of its distribution point; None if it names none and speaks for all points.
        holds: Which kind of certificates; None for attribute certificates, or for two kinds at once.
        reasons: Which reasons it tells of.
        indirect: It speaks for other issuers too.
    """

    names: frozenset[PointName] | None
    holds: ext.Holds | None
    reasons: frozenset[str]
    indirect: bool


# Octets of points that are kept when they were read: ours take 200, and hostile ones of 50,000 would fill the memory.
_KEPT_OCTETS = 2048
_EVERYTHING = ListScope(None, ext.Holds.ALL, ALL_REASONS, indirect=False)


def read_points(
    extensions: tuple[ExtensionFacts, ...], oid: str, issuer: NameFacts, place: str
) -> tuple[Point, ...] | None:
    """The points of cRLDistributionPoints or freshestCRL, None without the extension; BadInput names the place."""
    return read_extension(extensions, oid, place, partial(_read_points, issuer=issuer))


def list_issuers(certificate: CertificateFacts) -> tuple[NameFacts, ...]:
    """The names of those whose lists may speak for the certificate: whom its points name, and its issuer.

    Raises:
        BadInput: Its points cannot be read.
    """
    points = read_points(
        certificate.extensions, ext.DistributionPoint.oid, certificate.issuer, certificate.place
    )
    named = (name for point in points or () for name in point.issuers or ())
    return tuple(dict.fromkeys((*named, certificate.issuer)))


def read_scope(
    extensions: tuple[ExtensionFacts, ...], known: IssuingPointFacts | None, issuer: NameFacts, place: str
) -> ListScope:
    """The scope of a list whose issuingDistributionPoint is known in part; BadInput names the place."""
    if known is None:
        return _EVERYTHING
    read = partial(_scope, holds=known.holds, issuer=issuer)
    return read_extension(extensions, ext.IssuingPoint.oid, place, read) or _EVERYTHING


def _read_points(value: bytes, issuer: NameFacts) -> tuple[Point, ...]:
    return _known_points(value, issuer) if len(value) <= _KEPT_OCTETS else _points(value, issuer)


@lru_cache(maxsize=512)  # one town's certificates have the same points
def _known_points(value: bytes, issuer: NameFacts) -> tuple[Point, ...]:
    return _points(value, issuer)


def _points(value: bytes, issuer: NameFacts) -> tuple[Point, ...]:
    found = []
    for one in x509.CRLDistributionPoints.load(value, strict=True):
        point = read_structure(x509.DistributionPoint, one.dump(), 3)
        named, issuers = point["distribution_point"], _issuers(point["crl_issuer"])
        # RFC 5280 4.2.1.13: a relative name continues the cRLIssuer's where there is one, which must be one name.
        names = _names(named, frozenset({issuer}) if issuers is None else issuers)
        if names is None:  # RFC 5280 6.3.3 (b)(2)(i): the list is then called as its issuer is
            names = frozenset[PointName](issuers or ())
        found.append(Point(names, _urls(named), _reasons(point["reasons"]), issuers))
    return tuple(found)


def _scope(value: bytes, holds: ext.Holds | None, issuer: NameFacts) -> ListScope:
    point = read_structure(crl.IssuingDistributionPoint, value, 6)
    return ListScope(
        _names(point["distribution_point"], frozenset({issuer})),
        holds,
        _reasons(point["only_some_reasons"]),
        indirect=bool(point["indirect_crl"].native),
    )


def _names(point: Any, issuers: frozenset[NameFacts]) -> frozenset[PointName] | None:
    """The names of a DistributionPointName; a relative one continues the only issuer's (RFC 5280 4.2.1.13)."""
    if isinstance(point, core.Void):
        return None
    if point.name == "full_name":
        return frozenset(_name(name) for name in point.chosen)
    (issuer,) = issuers
    steps = walk.only(issuer.der, 0x30).contents(issuer.der)
    last = cast("bytes", point.chosen.untag().dump())
    return frozenset({read_name(writer.sequence(steps, last), "nameRelativeToCRLIssuer")})


def _issuers(names: Any) -> frozenset[NameFacts] | None:
    """The directory names of cRLIssuer; lists are issued under no other form of name."""
    if isinstance(names, core.Void):
        return None
    return frozenset(found for name in names if isinstance(found := _name(name), NameFacts))


def _name(name: Any) -> PointName:
    if name.name == "directory_name":
        return read_name(cast("bytes", name.chosen.untag().dump()), "a distribution point")
    return cast("bytes", name.dump())


def _urls(point: Any) -> tuple[str, ...]:
    if isinstance(point, core.Void) or point.name != "full_name":
        return ()
    # The octets as they stand: the library's text of a URI is in another form.
    return tuple(
        cast("bytes", name.chosen.contents).decode("ascii")
        for name in point.chosen
        if name.name == "uniform_resource_identifier"
    )


def _reasons(flags: Any) -> frozenset[str]:
    return ALL_REASONS if isinstance(flags, core.Void) else ALL_REASONS & frozenset(flags.native)
