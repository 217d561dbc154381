"""Rules that hold a draft against what its issuer practises: the place of its list, policies, names, holders' keys."""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

from collections.abc import Iterator

from ca.lint.candidate import CONSTANTS, Candidate, CertificateRules, Part
from ca.lint.key_info import key_info
from ca.lint.parts import instant
from ca.model import (
    ARL,
    CA_KINDS,
    FULL,
    HOLDER_KINDS,
    RESIDENT_KINDS,
    SERVICE_KINDS,
    CertificateKind,
    partition_scope,
)
from ca.names import Attribute
from ca.profiles.extensions import (
    IMPOSSIBLE_USES,
    CertificatePolicies,
    DistributionPoint,
    IssuerDirectoryName,
    KeyUsage,
    KeyUse,
    SubjectDirectoryName,
)

BOOK = CertificateRules()

_SELF_ISSUED = frozenset({CertificateKind.SELF_SIGNED, CertificateKind.LINK})
_MUNICIPALITY = slice(14, 19)  # where a pseudonym says whose resident somebody is


@BOOK.rule(
    "JPKI profile, lists",
    "CAs lie in the authority list, holders in a partition of their kind, services in the full list alone",
    reads=CONSTANTS,
)
def list_of_kind(candidate: Candidate) -> Iterator[str]:
    kind, scope = candidate.kind, candidate.place.scope
    if kind in HOLDER_KINDS:
        fits = scope.startswith(partition_scope(kind, ""))
    else:
        fits = scope == (ARL if kind in CA_KINDS else FULL)
    if not fits:
        yield f"the list {scope} is none of {kind} certificates"


@BOOK.rule(
    "RFC 5280 5.2.5, distributionPoint",
    "the list is named as the list names itself in issuingDistributionPoint",
    reads={DistributionPoint},
)
def point_of_list(candidate: Candidate) -> Iterator[str]:
    point, place = candidate.extension(DistributionPoint), candidate.place
    # What lies in the full list alone has no point: another rule.
    if point is not None and place.point is not None and point.name != place.point:
        yield f"cRLDistributionPoints is not the point of the list {place.scope}"


@BOOK.rule(
    "the edition's holders.points",
    "a holder's list stands where the authority has the lists of the kind",
    kinds=HOLDER_KINDS,
    reads={DistributionPoint},
)
def point_of_practice(candidate: Candidate) -> Iterator[str]:
    point, above = candidate.extension(DistributionPoint), candidate.issuer.points.get(candidate.kind)
    if point is None:
        return
    if above is None or point.name.steps[: len(above.steps)] != above.steps:
        yield "cRLDistributionPoints does not stand under the name of the kind's lists"


@BOOK.rule(
    "JPKI profile, CN and cRLDistributionPoints",
    "a resident lies in the list of the municipality that the pseudonym tells",
    kinds=RESIDENT_KINDS,
    reads={Part.SUBJECT_NAME},
)
def list_of_municipality(candidate: Candidate) -> Iterator[str]:
    # A partition's scope ends with six digits, of which a pseudonym has five. That both have their form, and stand
    # where they should, are other rules.
    steps, scope = candidate.draft.subject.name.steps, candidate.place.scope
    if steps and steps[-1][0] is Attribute.CN and steps[-1][1][_MUNICIPALITY] != scope[-6:-1]:
        yield f"the list {scope} is another municipality's"


@BOOK.rule(
    "the edition's holders.policy and service_policies",
    "holders, services and links carry the policies that the authority practises for the kind",
    kinds=HOLDER_KINDS | SERVICE_KINDS | {CertificateKind.LINK},
    reads={CertificatePolicies},
)
def policies_of_practice(candidate: Candidate) -> Iterator[str]:
    policies = candidate.extension(CertificatePolicies)
    if policies is not None and policies != candidate.issuer.policies.get(candidate.kind):
        yield f"certificatePolicies is not what the authority practises for {candidate.kind} certificates"


@BOOK.rule("RFC 5280 4.2.1.7", "issuerAltName is the issuer's name in Japanese", reads={IssuerDirectoryName})
def issuer_name_in_japanese(candidate: Candidate) -> Iterator[str]:
    name = candidate.extension(IssuerDirectoryName)
    if name is not None and name.name != candidate.issuer.japanese_name:
        yield "issuerAltName is not the issuer's"


@BOOK.rule(
    "RFC 5280 4.2.1.6",
    "where a CA speaks of itself, subjectAltName is its name in Japanese",
    kinds=_SELF_ISSUED,
    reads={SubjectDirectoryName},
)
def subject_name_in_japanese(candidate: Candidate) -> Iterator[str]:
    name = candidate.extension(SubjectDirectoryName)
    if name is not None and name.name != candidate.issuer.japanese_name:
        yield "subjectAltName is not the CA's own"


@BOOK.rule(
    "RFC 5280 3.2, end entities",
    "no holder and no service is named as the issuer",
    # A resident's name ends with a pseudonym, which no CA is called by.
    kinds=(HOLDER_KINDS | SERVICE_KINDS) - frozenset(RESIDENT_KINDS),
    reads={Part.SUBJECT_NAME},
)
def subject_is_not_issuer(candidate: Candidate) -> Iterator[str]:
    if candidate.draft.subject.name.folded() == candidate.issuer.name.folded():
        yield "the subject is the issuer"


@BOOK.rule(
    "RFC 5280 3.2, key of another",
    "who is not the issuer does not have the issuer's key",
    kinds=frozenset(CertificateKind) - _SELF_ISSUED,
    reads={Part.PUBLIC_KEY},
)
def subject_key_is_not_issuers(candidate: Candidate) -> Iterator[str]:
    if candidate.draft.subject.public_key == candidate.issuer.public_key:
        yield "the subject's key is the issuer's own"


@BOOK.rule(
    "the edition's holders.keys",
    "a holder's key is of an algorithm and size that the authority certifies when validity begins",
    kinds=HOLDER_KINDS,
    reads={Part.PUBLIC_KEY, Part.VALIDITY},
)
def subject_key_of_practice(candidate: Candidate) -> Iterator[str]:
    info, rule = key_info(candidate.draft.subject.public_key), candidate.issuer.keys.get(candidate.kind)
    # What is no key at all, and a kind that is not issued, are other rules.
    if info is None or rule is None:
        return
    rule = rule.on(instant(candidate.draft.period.not_before))
    if not info.is_allowed(rule):
        yield f"the subject has {info}; certified is {rule}"


@BOOK.rule(
    "RFC 5480 3, RFC 8813 3 and RFC 9881 5",
    "a key is for nothing that keys of its algorithm cannot do",
    reads={Part.PUBLIC_KEY, KeyUsage},
)
def key_usage_of_algorithm(candidate: Candidate) -> Iterator[str]:
    info, usage = key_info(candidate.draft.subject.public_key), candidate.extension(KeyUsage)
    if info is None or info.family is None or usage is None:
        return
    impossible = IMPOSSIBLE_USES[info.family]
    if not usage.uses.isdisjoint(impossible.uses):
        words = " and ".join(use for use in KeyUse if use in usage.uses & impossible.uses)
        yield f"keyUsage says {words}, which is not for {info.family} keys ({impossible.clause})"
