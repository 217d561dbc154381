"""What a certificate says of policies, as facts (RFC 5280 4.2.1.4, 4.2.1.5, 4.2.1.11, 4.2.1.14).

Qualifiers are left out: RFC 9618 3.4 advises against passing them on, and no decision hangs on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ca.profiles import extensions as ext
from ca.wire import walk
from ca.wire.facts import CertificateFacts, read_extension

INHIBIT_ANY_POLICY = "2.5.29.54"


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """The four extensions of one certificate that steer policies.

    Attributes:
        policies: Dotted, each once, in the order of the certificate; None without the extension.
        mappings: Which policies of the subject's domain stand for one of the issuer's; empty without the extension.
        require_explicit: requireExplicitPolicy: after how many certificates a policy must be valid; None if not said.
        inhibit_mapping: inhibitPolicyMapping, likewise.
        inhibit_any: inhibitAnyPolicy, likewise.
    """

    policies: tuple[str, ...] | None
    mappings: Mapping[str, tuple[str, ...]]
    require_explicit: int | None
    inhibit_mapping: int | None
    inhibit_any: int | None

    @property
    def maps_any_policy(self) -> bool:
        """Whether anyPolicy is mapped, or mapped to, which RFC 5280 6.1.4 (a) forbids."""
        return ext.ANY_POLICY in self.mappings or any(
            ext.ANY_POLICY in theirs for theirs in self.mappings.values()
        )


def read_policies(certificate: CertificateFacts) -> PolicyFacts:
    """What this certificate says of policies, or BadInput naming its place and the extension."""
    extensions, place = certificate.extensions, certificate.place
    require_explicit, inhibit_mapping = read_extension(
        extensions, ext.PolicyConstraints.oid, place, _constraints
    ) or (None, None)
    return PolicyFacts(
        policies=read_extension(extensions, ext.CertificatePolicies.oid, place, _policies),
        mappings=read_extension(extensions, ext.PolicyMappings.oid, place, _mappings) or MappingProxyType({}),
        require_explicit=require_explicit,
        inhibit_mapping=inhibit_mapping,
        inhibit_any=read_extension(extensions, INHIBIT_ANY_POLICY, place, _natural),
    )


def _policies(value: bytes) -> tuple[str, ...]:
    found: dict[str, None] = {}  # one named twice (against RFC 5280 4.2.1.4) counts once
    sequence = walk.only(value, 0x30)
    for information in walk.elements(value, sequence.start, sequence.end):
        walk.expect(0x30, information)
        identifier, *_ = walk.elements(value, information.start, information.end)
        found[walk.oid(identifier.whole(value))] = None
    return tuple(found)


def _mappings(value: bytes) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    sequence = walk.only(value, 0x30)
    for pair in walk.elements(value, sequence.start, sequence.end):
        walk.expect(0x30, pair)
        ours, theirs = walk.elements(value, pair.start, pair.end)
        found.setdefault(walk.oid(ours.whole(value)), {})[walk.oid(theirs.whole(value))] = None
    return MappingProxyType({ours: tuple(theirs) for ours, theirs in found.items()})


def _constraints(value: bytes) -> tuple[int | None, int | None]:
    sequence = walk.only(value, 0x30)
    found = {
        field.tag: _natural(b"\x02" + field.whole(value)[1:])  # [0] and [1] IMPLICIT INTEGER
        for field in walk.elements(value, sequence.start, sequence.end)
    }
    if not found.keys() <= {0x80, 0x81}:
        raise walk.NotDer
    return found.get(0x80), found.get(0x81)


def _natural(value: bytes) -> int:
    number = walk.integer(value)
    if number < 0:  # SkipCerts ::= INTEGER (0..MAX)
        raise walk.NotDer
    return number
