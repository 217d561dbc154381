"""Rules about certificate policies, their mapping and their constraints; and about identifiers at large."""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

from collections.abc import Iterator

from ca.lint import parts
from ca.lint.candidate import CONSTANTS, Candidate, CertificateRules
from ca.model import CA_KINDS, CertificateKind
from ca.profiles.extensions import (
    ANY_POLICY,
    NAMES,
    CertificatePolicies,
    ExtendedKeyUsage,
    PolicyConstraints,
    PolicyMappings,
    SubjectOtherNames,
)

BOOK = CertificateRules()


@BOOK.rule(
    "X.690 8.19",
    "object identifiers are well formed",
    reads={CertificatePolicies, ExtendedKeyUsage, PolicyMappings, SubjectOtherNames},
)
def identifiers(candidate: Candidate) -> Iterator[str]:
    for placed in candidate.extensions():
        match placed.value:
            case CertificatePolicies(policies=oids) | ExtendedKeyUsage(purposes=oids):
                pass
            case PolicyMappings(pairs=pairs):
                oids = tuple(oid for pair in pairs for oid in pair)
            case SubjectOtherNames(names=names):
                oids = tuple(oid for oid, _ in names)
            case _:
                continue
        if not all(map(parts.is_oid, oids)):
            yield f"{NAMES[placed.value.oid]} holds what is not an object identifier"


@BOOK.rule(
    "RFC 5280 4.2.1.11, requireExplicitPolicy",
    "all but self-signed certificates name their policies",
    reads={CertificatePolicies},
)
def policies_there(candidate: Candidate) -> Iterator[str]:
    # Every path through a bridge needs an explicit policy: also a responder's or the repository's.
    if candidate.kind is CertificateKind.SELF_SIGNED:
        return
    policies = candidate.extension(CertificatePolicies)
    if policies is None or not policies.policies:
        yield "certificatePolicies is missing or empty"


@BOOK.rule("RFC 5280 4.2.1.4", "no policy stands twice", reads={CertificatePolicies})
def policies_once(candidate: Candidate) -> Iterator[str]:
    policies = candidate.extension(CertificatePolicies)
    if policies is not None and len(set(policies.policies)) < len(policies.policies):
        yield "certificatePolicies names a policy twice"


@BOOK.rule(
    "RFC 5280 4.2.1.4, anyPolicy", "no certificate is good for any policy", reads={CertificatePolicies}
)
def policies_never_any(candidate: Candidate) -> Iterator[str]:
    policies = candidate.extension(CertificatePolicies)
    if policies is not None and ANY_POLICY in policies.policies:
        yield "certificatePolicies holds anyPolicy"


@BOOK.rule(
    "RFC 5280 4.2.1.4, CPS pointer",
    "the practice statement is at an http or https URL",
    reads={CertificatePolicies},
)
def policies_statement(candidate: Candidate) -> Iterator[str]:
    policies = candidate.extension(CertificatePolicies)
    if policies is None or policies.cps is None:
        return
    plain = (
        policies.cps.replace("https://", "http://", 1) if policies.cps.startswith("https:") else policies.cps
    )
    if not parts.is_plain_http(plain):
        yield "the CPS pointer is not an http or https URL of at most 255 characters"


@BOOK.rule("RFC 5280 4.2.1.5", "only a CA certificate maps or constrains policies", reads=CONSTANTS)
def mappings_only_in_cas(candidate: Candidate) -> Iterator[str]:
    if candidate.kind in CA_KINDS:
        return
    for extension in (PolicyMappings, PolicyConstraints):
        if candidate.extension(extension) is not None:
            yield f"a {candidate.kind} certificate has {NAMES[extension.oid]}"


@BOOK.rule("RFC 5280 4.2.1.5, SIZE", "there is a mapping, and none stands twice", reads={PolicyMappings})
def mappings_once(candidate: Candidate) -> Iterator[str]:
    mappings = candidate.extension(PolicyMappings)
    if mappings is not None and not 0 < len(mappings.pairs) == len(set(mappings.pairs)):
        yield "policyMappings is empty or holds a pair twice"


@BOOK.rule("RFC 5280 4.2.1.5, anyPolicy", "no policy is mapped from or to anyPolicy", reads={PolicyMappings})
def mappings_never_any(candidate: Candidate) -> Iterator[str]:
    mappings = candidate.extension(PolicyMappings)
    if mappings is not None and any(ANY_POLICY in pair for pair in mappings.pairs):
        yield "policyMappings maps from or to anyPolicy"


@BOOK.rule(
    "RFC 5280 4.2.1.5, issuerDomainPolicy",
    "what is mapped is also asserted in certificatePolicies",
    reads={PolicyMappings, CertificatePolicies},
)
def mappings_asserted(candidate: Candidate) -> Iterator[str]:
    mappings, policies = candidate.extension(PolicyMappings), candidate.extension(CertificatePolicies)
    if mappings is None or policies is None:
        return
    for ours, _ in mappings.pairs:
        if ours != ANY_POLICY and ours not in policies.policies:
            yield "policyMappings maps a policy that certificatePolicies does not name"


@BOOK.rule(
    "RFC 5280 4.2.1.11", "policyConstraints says something, and counts from 0", reads={PolicyConstraints}
)
def policy_constraints_sense(candidate: Candidate) -> Iterator[str]:
    constraints = candidate.extension(PolicyConstraints)
    if constraints is None:
        return
    counts = [
        count
        for count in (constraints.require_explicit_policy, constraints.inhibit_policy_mapping)
        if count is not None
    ]
    if not counts or min(counts) < 0:
        yield "policyConstraints is empty or negative"


@BOOK.rule(
    "GPKI profile, policyConstraints",
    "every path through a cross-certificate needs an explicit policy",
    kinds={CertificateKind.CROSS},
    reads={PolicyConstraints},
)
def cross_requires_policy(candidate: Candidate) -> Iterator[str]:
    constraints = candidate.extension(PolicyConstraints)
    if constraints is None or constraints.require_explicit_policy != 0:
        yield "policyConstraints does not require an explicit policy from here on"
