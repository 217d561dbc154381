"""What a verifier has decided to believe, before it looks at anything: anchors, policies, and how strict it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from bridge.manifest import Marking
from bridge.relying.budget import USUAL, Limits
from ca.errors import BadInput
from ca.profiles.extensions import ANY_POLICY
from ca.suites import SuiteId

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){1,30}")


@dataclass(frozen=True, slots=True)
class PolicyDemand:
    """What is asked of policies beside their set: the inputs of RFC 5280 6.1.1 (e) to (g).

    Attributes:
        explicit: The path has to be valid for one of the trust's policies (initial-explicit-policy).
        inhibit_mapping: No policy may be mapped (initial-policy-mapping-inhibit).
        inhibit_any: anyPolicy counts for no other policy (initial-any-policy-inhibit).
        any_policy: Only for conformance suites: whatever policy is accepted (user-initial-policy-set is any-policy),
            and the trust names none.
    """

    explicit: bool = True
    inhibit_mapping: bool = False
    inhibit_any: bool = False
    any_policy: bool = False


class ListKeys(StrEnum):
    """Which keys of its issuer may sign a list that speaks for a certificate."""

    SAME_GENERATION = "same generation"
    """The key that signed the certificate, or one of that name that signs lists only. A key of the same name that
    signs certificates too is another generation, whose lists tell of its own certificates alone."""

    ANY_OF_ISSUER = "any of the issuer"
    """Whatever key of that name, as RFC 5280 6.3.3 (f) allows; only for conformance suites."""


SignatureCheck = Callable[[bytes, bytes, bytes], None]
"""Raises KeyRefused unless this public key (DER SubjectPublicKeyInfo) signed this message with this signature."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier has decided to believe.

    Attributes:
        anchors: DER certificates whose names and keys are trusted by decision.
        policies: Acceptable policies, dotted, in the anchors' domain. Empty would mean any, so it is refused.
        marking: Under PRODUCTION, no test world's certificate is ever part of a path.
        demand: What else is asked of policies.
        limits: How much work one verification may be.
        list_keys: Which keys may sign lists.
        legacy: The legacy suites whose signatures are believed in their time; no others are, ever.
        more_suites: Only for conformance suites: signature algorithms (dotted) to believe that are no suites of ours.
    """

    anchors: tuple[bytes, ...] = field(repr=False)
    policies: frozenset[str]
    marking: Marking
    demand: PolicyDemand = PolicyDemand()
    limits: Limits = USUAL
    list_keys: ListKeys = ListKeys.SAME_GENERATION
    legacy: frozenset[SuiteId] = frozenset()
    more_suites: Mapping[str, SignatureCheck] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not self.anchors:
            raise BadInput("trust", "names no anchor")
        if self.demand.any_policy:
            if self.policies:
                raise BadInput("trust", "names policies, and accepts any")
        elif not self.policies:
            raise BadInput("trust", "names no acceptable policy", remedy="Name the policies to accept")
        for policy in self.policies:
            if not _OID.fullmatch(policy) or policy == ANY_POLICY:
                raise BadInput("trust", f"{policy!r} is not one policy's object identifier")
