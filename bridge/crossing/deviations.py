"""Where what a peer hands in is not as the agreement or a standard says: one function a matter, each with its clause."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.crossing.agreement import Agreement, Terms
from ca.errors import BadInput
from ca.keys.signer import key_identifier
from ca.names import DirectoryName
from ca.profiles import extensions as ext
from ca.profiles.extensions import NAMES, KeyUse
from ca.wire.cross_facts import CrossFacts, subtrees
from ca.wire.facts import CertificateFacts, ExtensionFacts, NameFacts, read_name
from ca.wire.names import encode_name

_SIGNING = frozenset({KeyUse.KEY_CERT_SIGN, KeyUse.CRL_SIGN})
_ASKED = frozenset(
    kind.oid
    for kind in (
        ext.BasicConstraints,
        ext.KeyUsage,
        ext.SubjectKey,
        ext.CertificatePolicies,
        ext.PolicyMappings,
        ext.PolicyConstraints,
        ext.NameConstraints,
    )
)
_UNDERSTOOD = _ASKED | {
    kind.oid
    for kind in (
        ext.AuthorityKey,
        ext.SubjectDirectoryName,
        ext.IssuerDirectoryName,
        ext.DistributionPoint,
        ext.AuthorityAccess,
    )
}


@dataclass(frozen=True, slots=True)
class Deviation:
    """Where what was handed in is not as the agreement or a standard says."""

    what: str
    problem: str
    clause: str

    def __str__(self) -> str:
        return f"{self.what}: {self.problem} ({self.clause})"


class Deviates(BadInput):
    """What was handed in is not what was agreed. The problem tells every deviation.

    Attributes:
        deviations: Each as words.
    """

    def __init__(
        self, place: str, problem: str, *, deviations: Sequence[str] = (), remedy: str | None = None
    ) -> None:
        super().__init__(place, problem, remedy=remedy)
        self.deviations = tuple(deviations)

    @classmethod
    def by(cls, place: str, agreement: Agreement, found: Sequence[Deviation]) -> Deviates:
        """The refusal that tells these, of which there is at least one."""
        words = list(map(str, found))
        return cls(
            place,
            f"deviates from agreement {agreement.id}: {'; '.join(words)}",
            deviations=words,
            remedy=f"Have it made anew, or ask {agreement.organisation} what was agreed",
        )


def digest_of(octets: bytes) -> bytes:
    """By what a file that was handed in is known: SHA-256 of its DER."""
    return hashlib.sha256(octets).digest()


def wrong_name(what: str, name: NameFacts, agreed: DirectoryName) -> Iterator[Deviation]:
    """A name that is not the agreed one, whatever its string types."""
    if name.folded != read_name(encode_name(agreed), "agreement").folded:
        yield Deviation(what, f"is not {agreed}", "RFC 5280 7.1")


def unagreed_key(public_key: bytes, agreement: Agreement) -> Iterator[Deviation]:
    """A key that the agreement does not name."""
    if digest_of(public_key) not in agreement.keys:
        yield Deviation("key", f"{digest_of(public_key).hex()} is not one of peer.keys", "RFC 5280 4.1.2.7")


def repeated(extensions: Sequence[ExtensionFacts]) -> Iterator[Deviation]:
    """Extensions that stand there more than once."""
    oids = [extension.oid for extension in extensions]
    for oid in sorted({oid for oid in oids if oids.count(oid) > 1}):
        yield Deviation(NAMES.get(oid, oid), "stands there twice", "RFC 5280 4.2")


def asked_extensions(
    extensions: Iterable[ExtensionFacts], asked: CrossFacts, terms: Terms, public_key: bytes
) -> Iterator[Deviation]:
    """What a request asks for beyond the agreement. What it does not ask for, it gets as agreed."""
    constraints = asked.basic_constraints
    if constraints is not None and not constraints.ca:
        yield Deviation("basicConstraints", "does not ask for cA", "RFC 5280 4.2.1.9")
    if constraints is not None and constraints.path_length not in {None, terms.path_length}:
        yield Deviation(
            "path length",
            f"{constraints.path_length} is asked for, {_count(terms.path_length)} is agreed",
            "RFC 5280 4.2.1.9",
        )
    if asked.key_usage is not None and asked.key_usage != _SIGNING:
        yield Deviation("keyUsage", "is not keyCertSign and cRLSign", "RFC 5280 4.2.1.3")
    if asked.subject_key is not None and asked.subject_key != key_identifier(public_key):
        yield Deviation("subjectKeyIdentifier", "is not the SHA-1 of the key", "RFC 5280 4.2.1.2 (1)")
    yield from _asked_policies(asked, terms)
    if asked.name_constraints is not None:
        yield from _name_constraints(asked, terms)
    for extension in extensions:
        if extension.oid not in _ASKED:
            name = NAMES.get(extension.oid, extension.oid)
            yield Deviation(name, "is asked for, and not agreed", "RFC 2985 5.4.2")


def _asked_policies(asked: CrossFacts, terms: Terms) -> Iterator[Deviation]:
    agreed = frozenset(terms.policies.policies)
    for policy in sorted((asked.policies or frozenset()) - agreed):
        yield Deviation("certificatePolicies", f"{policy} is not agreed", "RFC 5280 4.2.1.4")
    for ours, theirs in sorted((asked.mappings or frozenset()) - frozenset(terms.mappings.pairs)):
        yield Deviation("policyMappings", f"{ours} to {theirs} is not agreed", "RFC 5280 4.2.1.5")
    limits = asked.policy_constraints
    if limits is not None and (limits.require_explicit_policy, limits.inhibit_policy_mapping) != (0, None):
        yield Deviation("policyConstraints", "is not requireExplicitPolicy 0", "RFC 5280 4.2.1.11")


def wrong_frame(facts: CertificateFacts) -> Iterator[Deviation]:
    """A version, a serial or a critical extension that relying parties would stumble over."""
    if facts.version != 3:
        yield Deviation("version", f"is {facts.version}", "RFC 5280 4.1.2.1")
    if not 0 < facts.serial < 1 << 159:
        yield Deviation("serial", "is not positive, or longer than 20 octets", "RFC 5280 4.1.2.2")
    for extension in facts.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            yield Deviation(extension.oid, "is critical and not understood", "RFC 5280 4.2")


def wrong_constraints(facts: CertificateFacts, said: CrossFacts, terms: Terms) -> Iterator[Deviation]:
    """A certificate that makes us no CA, or one of less reach than agreed."""
    constraints = said.basic_constraints
    critical = {extension.oid for extension in facts.extensions if extension.critical}
    if constraints is None or not constraints.ca or ext.BasicConstraints.oid not in critical:
        yield Deviation("basicConstraints", "does not say cA, critical", "RFC 5280 4.2.1.9")
    elif constraints.path_length is not None and (
        terms.path_length is None or constraints.path_length < terms.path_length
    ):
        yield Deviation(
            "path length",
            f"is {constraints.path_length}, at least {_count(terms.path_length)} is agreed",
            "RFC 5280 4.2.1.9",
        )
    if said.key_usage is None or not said.key_usage >= _SIGNING:
        yield Deviation("keyUsage", "is not keyCertSign and cRLSign", "RFC 5280 4.2.1.3")
    yield from _name_constraints(said, terms)


def _name_constraints(said: CrossFacts, terms: Terms) -> Iterator[Deviation]:
    agreed = None if terms.constraints is None else subtrees(terms.constraints)
    if said.name_constraints != agreed:
        problem = "are not those agreed" if agreed else "are there, and none are agreed"
        yield Deviation("nameConstraints", problem, "RFC 5280 4.2.1.10")


def wrong_policies(said: CrossFacts, terms: Terms) -> Iterator[Deviation]:
    """Policies and mappings that are not just the agreed ones."""
    there, agreed = said.policies or frozenset(), frozenset(terms.policies.policies)
    for policy in sorted(there ^ agreed):
        problem = "is not agreed" if policy in there else "is agreed, and missing"
        yield Deviation("certificatePolicies", f"{policy} {problem}", "RFC 5280 4.2.1.4")
    pairs, wanted = said.mappings or frozenset(), frozenset(terms.mappings.pairs)
    for issuers, subjects in sorted(pairs ^ wanted):
        problem = "is not agreed" if (issuers, subjects) in pairs else "is agreed, and missing"
        yield Deviation("policyMappings", f"{issuers} to {subjects} {problem}", "RFC 5280 4.2.1.5")
    limits = said.policy_constraints
    if limits is not None and limits.inhibit_policy_mapping is not None:
        yield Deviation("policyConstraints", "inhibits policy mapping", "RFC 5280 4.2.1.11")


def wrong_validity(facts: CertificateFacts, agreement: Agreement, at: datetime) -> Iterator[Deviation]:
    """A validity that is not now, not within the agreement's time, or too long."""
    clause = "RFC 5280 4.1.2.5"
    if not facts.not_before <= at <= facts.not_after:
        yield Deviation("validity", f"is not now ({at:%Y-%m-%dT%H:%M:%SZ})", clause)
    if facts.not_after < facts.not_before:
        yield Deviation("validity", "ends before it begins", clause)
    if facts.not_before < agreement.begins or facts.not_after > agreement.ends:
        yield Deviation("validity", "is not within the agreement's time", clause)
    days = agreement.receive.maximum_days
    if facts.not_after - facts.not_before > timedelta(days=days):
        yield Deviation("validity", f"is longer than {days} days", clause)


def _count(length: int | None) -> str:
    return "any" if length is None else str(length)
