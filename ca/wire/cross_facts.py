"""What the extensions of a cross-certificate, or of a request for one, say: policies, mappings and constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from asn1crypto import core, x509

from ca.profiles import extensions as ext
from ca.wire import der, walk
from ca.wire.extensions import encode_extension
from ca.wire.facts import ExtensionFacts, read_extension, read_extensions, read_name, read_structure

INHIBIT_ANY = "2.5.29.54"

Base = tuple[str, object]
"""A subtree's base in a form in which two are equal if they are the same subtree: its form, and what it says."""


@dataclass(frozen=True, slots=True)
class SubtreeFacts:
    """The subtrees of nameConstraints (RFC 5280 4.2.1.10); the order in which they stand says nothing."""

    permitted: frozenset[Base]
    excluded: frozenset[Base]


@dataclass(frozen=True, slots=True)
class CrossFacts:
    """The extensions that say how far a CA is trusted; None for one that is not there."""

    basic_constraints: ext.BasicConstraints | None
    key_usage: frozenset[ext.KeyUse] | None
    subject_key: bytes | None
    policies: frozenset[str] | None
    mappings: frozenset[tuple[str, str]] | None
    policy_constraints: ext.PolicyConstraints | None
    name_constraints: SubtreeFacts | None


def read_cross(extensions: tuple[ExtensionFacts, ...], place: str) -> CrossFacts:
    """Read these extensions, the first of each kind; BadInput names the place and the one that cannot be read."""
    return CrossFacts(
        basic_constraints=read_extension(extensions, ext.BasicConstraints.oid, place, _basic_constraints),
        key_usage=read_extension(extensions, ext.KeyUsage.oid, place, _key_usage),
        subject_key=read_extension(extensions, ext.SubjectKey.oid, place, _octet_string),
        policies=read_extension(extensions, ext.CertificatePolicies.oid, place, _policies),
        mappings=read_extension(extensions, ext.PolicyMappings.oid, place, _mappings),
        policy_constraints=read_extension(extensions, ext.PolicyConstraints.oid, place, _policy_constraints),
        name_constraints=read_extension(extensions, ext.NameConstraints.oid, place, _name_constraints),
    )


def subtrees(constraints: ext.NameConstraints) -> SubtreeFacts:
    """What these constraints say once they are bytes."""
    (extension,) = read_extensions(der.sequence(encode_extension(constraints, critical=True)))
    return _name_constraints(extension.value)


def _basic_constraints(value: bytes) -> ext.BasicConstraints:
    constraints = read_structure(x509.BasicConstraints, value, 2).native
    return ext.BasicConstraints(constraints["ca"], constraints["path_len_constraint"])


def _key_usage(value: bytes) -> frozenset[ext.KeyUse]:
    words = x509.KeyUsage.load(value, strict=True).native
    return frozenset(use for use in ext.KeyUse if use in words)


def _octet_string(value: bytes) -> bytes:
    return walk.only(value, 0x04).contents(value)


def _policies(value: bytes) -> frozenset[str]:
    policies = x509.CertificatePolicies.load(value, strict=True)
    return frozenset(cast("str", policy["policy_identifier"].dotted) for policy in policies)


def _mappings(value: bytes) -> frozenset[tuple[str, str]]:
    mappings = x509.PolicyMappings.load(value, strict=True)
    return frozenset(
        (cast("str", pair["issuer_domain_policy"].dotted), cast("str", pair["subject_domain_policy"].dotted))
        for pair in mappings
    )


def _policy_constraints(value: bytes) -> ext.PolicyConstraints:
    constraints = read_structure(x509.PolicyConstraints, value, 2).native
    return ext.PolicyConstraints(
        constraints["require_explicit_policy"], constraints["inhibit_policy_mapping"]
    )


def _name_constraints(value: bytes) -> SubtreeFacts:
    constraints = read_structure(x509.NameConstraints, value, 2)
    return SubtreeFacts(_bases(constraints["permitted_subtrees"]), _bases(constraints["excluded_subtrees"]))


def _bases(found: Any) -> frozenset[Base]:
    if isinstance(found, core.Void):
        return frozenset()
    return frozenset(_base(one) for one in found)


def _base(subtree: Any) -> Base:
    """The base; of a form that is not read more closely, its octets. Minimum and maximum are no part of X.509 now."""
    base = subtree["base"]
    if subtree["minimum"].native != 0 or subtree["maximum"].native is not None:
        return "bounded", cast("bytes", subtree.dump())
    if base.name == "directory_name":
        return "directory", read_name(cast("bytes", base.chosen.untag().dump()), "nameConstraints").folded
    if base.name in {"dns_name", "rfc822_name"}:
        return cast("str", base.name), cast("bytes", base.chosen.contents).lower()
    return cast("str", base.name), cast("bytes", base.dump())
