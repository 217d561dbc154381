"""Rules about extensions that hold whatever a profile says: uses of keys, points, responders."""

# ruff: noqa: D103 - a rule is documented by its sentence
from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ca.lint.candidate import CONSTANTS, Candidate, CertificateRules
from ca.model import CA_KINDS, HOLDER_KINDS, RESPONDER_KINDS, CertificateKind
from ca.profiles.drafting import PlacedExtension
from ca.profiles.extensions import (
    NAMES,
    AuthorityAccess,
    AuthorityKey,
    BasicConstraints,
    CertificatePolicies,
    DistributionPoint,
    ExtendedKeyUsage,
    IssuerDirectoryName,
    KeyUsage,
    KeyUse,
    NameConstraints,
    OcspNoCheck,
    PolicyConstraints,
    PolicyMappings,
    SubjectAccess,
    SubjectDirectoryName,
    SubjectKey,
    SubjectOtherNames,
)
from ca.profiles.services import OCSP_SIGNING, SCVP_SERVER, TIME_STAMPING

BOOK = CertificateRules()

_CA_USES = frozenset({KeyUse.KEY_CERT_SIGN, KeyUse.CRL_SIGN})
_SIGNER_USES = frozenset({KeyUse.DIGITAL_SIGNATURE, KeyUse.NON_REPUDIATION})
_CHALLENGE_USES = frozenset({KeyUse.DIGITAL_SIGNATURE})
_CIPHER_USES = frozenset({KeyUse.KEY_ENCIPHERMENT, KeyUse.DATA_ENCIPHERMENT})
_USES: Mapping[CertificateKind, frozenset[KeyUse]] = MappingProxyType(
    {
        CertificateKind.SELF_SIGNED: _CA_USES,
        CertificateKind.LINK: _CA_USES,
        CertificateKind.CROSS: _CA_USES,
        CertificateKind.OCSP_RESPONDER: _CHALLENGE_USES,
        CertificateKind.REPOSITORY: _CHALLENGE_USES,
        CertificateKind.TIME_STAMP: _SIGNER_USES,
        CertificateKind.VALIDATION_SERVICE: _CHALLENGE_USES,
        CertificateKind.NATIONAL_RESPONDER: _CHALLENGE_USES,
        CertificateKind.SIGNATURE: _SIGNER_USES,
        # A key that answers a server's challenge must never bind its holder to a document.
        CertificateKind.USER_AUTHENTICATION: _CHALLENGE_USES,
        CertificateKind.OFFICIAL_POST: _SIGNER_USES,
        CertificateKind.LG_POST: _SIGNER_USES,
        CertificateKind.LG_USER: _CHALLENGE_USES,
        CertificateKind.LG_ENCRYPTION: _CIPHER_USES,
    }
)
assert _USES.keys() == set(CertificateKind), "each kind of certificate needs a row"

_CRITICAL = (
    BasicConstraints,
    KeyUsage,
    CertificatePolicies,
    PolicyMappings,
    PolicyConstraints,
    NameConstraints,
)
_NEVER_CRITICAL = (
    AuthorityKey,
    SubjectKey,
    SubjectDirectoryName,
    SubjectOtherNames,
    IssuerDirectoryName,
    AuthorityAccess,
    SubjectAccess,
    OcspNoCheck,
)


@BOOK.rule("RFC 5280 4.2.1.9", "basicConstraints stands in CA certificates alone", reads=CONSTANTS)
def constraints_only_in_cas(candidate: Candidate) -> Iterator[str]:
    if candidate.kind not in CA_KINDS and candidate.extension(BasicConstraints) is not None:
        yield f"a {candidate.kind} certificate has basicConstraints"


@BOOK.rule(
    "RFC 5280 4.2.1.9, cA",
    "a CA certificate says so in basicConstraints",
    kinds=CA_KINDS,
    reads={BasicConstraints},
)
def constraints_of_cas(candidate: Candidate) -> Iterator[str]:
    constraints = candidate.extension(BasicConstraints)
    if constraints is None or not constraints.ca:
        yield "basicConstraints does not say cA"


@BOOK.rule("RFC 5280 4.2.1.9, pathLenConstraint", "a path length is not negative", reads={BasicConstraints})
def constraints_path_length(candidate: Candidate) -> Iterator[str]:
    constraints = candidate.extension(BasicConstraints)
    if constraints is not None and constraints.path_length is not None and constraints.path_length < 0:
        yield "pathLenConstraint is negative"


@BOOK.rule(
    "RFC 5280 4.2.1.10",
    "name constraints stand in CA certificates alone, and say something",
    reads={NameConstraints},
)
def name_constraints_sense(candidate: Candidate) -> Iterator[str]:
    constraints = candidate.extension(NameConstraints)
    if constraints is None:
        return
    if candidate.kind not in CA_KINDS:
        yield f"a {candidate.kind} certificate has nameConstraints"
    elif not constraints.permitted and not constraints.excluded:
        yield "nameConstraints names no subtree"


@BOOK.rule("RFC 5280 4.2.1.3", "a certificate says what its key is for", reads=CONSTANTS)
def key_usage_there(candidate: Candidate) -> Iterator[str]:
    if candidate.extension(KeyUsage) is None:
        yield "keyUsage is missing"


@BOOK.rule(
    "RFC 5280 4.2.1.3, keyCertSign and cRLSign",
    "only a CA's key signs certificates and lists",
    reads={KeyUsage},
)
def key_usage_of_cas_only(candidate: Candidate) -> Iterator[str]:
    usage = candidate.extension(KeyUsage)
    if candidate.kind not in CA_KINDS and usage is not None and usage.uses & _CA_USES:
        yield f"a {candidate.kind} certificate's key may sign certificates or lists"


@BOOK.rule(
    "JPKI profile, keyUsage", "a key is for what its kind is for, no more and no less", reads={KeyUsage}
)
def key_usage_of_kind(candidate: Candidate) -> Iterator[str]:
    usage, wanted = candidate.extension(KeyUsage), _USES[candidate.kind]
    if usage is None:
        return
    # What only a CA may have is the rule above.
    uses = usage.uses if candidate.kind in CA_KINDS else usage.uses - _CA_USES
    if uses != wanted:
        yield f"keyUsage is not {' and '.join(use for use in KeyUse if use in wanted)}"


@BOOK.rule("RFC 5280 4.2.1, criticality", "what a verifier must understand is critical", reads=CONSTANTS)
def must_be_critical(candidate: Candidate) -> Iterator[str]:
    for placed in candidate.draft.extensions:
        if not placed.critical and isinstance(placed.value, _CRITICAL):
            yield f"{NAMES[placed.value.oid]} is not critical"


@BOOK.rule(
    "RFC 5280 4.2.1 and 4.2.2, criticality", "what only helps a verifier is not critical", reads=CONSTANTS
)
def never_critical(candidate: Candidate) -> Iterator[str]:
    for placed in candidate.draft.extensions:
        if placed.critical and isinstance(placed.value, _NEVER_CRITICAL):
            yield f"{NAMES[placed.value.oid]} is critical"


@BOOK.rule(
    "RFC 5280 4.2.1.13",
    "CA and holders' certificates name their list; services lie in the full list alone",
    reads=CONSTANTS,
)
def point_there(candidate: Candidate) -> Iterator[str]:
    there = candidate.extension(DistributionPoint) is not None
    if there != (candidate.kind in CA_KINDS | HOLDER_KINDS):
        yield f"cRLDistributionPoints is {'there' if there else 'missing'}"


@BOOK.rule(
    "JPKI profile, cRLDistributionPoints of CAs",
    "a CA certificate's list is its issuer's authority list",
    kinds=CA_KINDS,
    reads={DistributionPoint},
)
def point_of_cas(candidate: Candidate) -> Iterator[str]:
    point = candidate.extension(DistributionPoint)
    if point is not None and point.name != candidate.draft.issuer:
        yield "cRLDistributionPoints is not the issuer's own name"


@BOOK.rule(
    "JPKI profile, cRLDistributionPoints of holders",
    "a holder's list is not the authority list",
    kinds=HOLDER_KINDS,
    reads={DistributionPoint},
)
def point_of_holders(candidate: Candidate) -> Iterator[str]:
    point = candidate.extension(DistributionPoint)
    if point is not None and point.name == candidate.draft.issuer:
        yield "cRLDistributionPoints is the issuer's own name"


@BOOK.rule("RFC 5280 4.2.1.12", "extKeyUsage names at least one purpose, each once", reads={ExtendedKeyUsage})
def purposes_once(candidate: Candidate) -> Iterator[str]:
    usage = candidate.extension(ExtendedKeyUsage)
    if usage is not None and not 0 < len(usage.purposes) == len(set(usage.purposes)):
        yield "extKeyUsage is empty or names a purpose twice"


@BOOK.rule(
    "RFC 6960 4.2.2.2",
    "a responder's key is for OCSP responses, and for nothing else",
    kinds=RESPONDER_KINDS,
    reads={ExtendedKeyUsage},
)
def responder_purpose(candidate: Candidate) -> Iterator[str]:
    usage = candidate.extension(ExtendedKeyUsage)
    if usage is None or set(usage.purposes) != {OCSP_SIGNING}:
        yield "extKeyUsage is not OCSPSigning alone"


@BOOK.rule("RFC 6960 4.2.2.2, delegation", "no other key is for OCSP responses", reads={ExtendedKeyUsage})
def responder_purpose_only(candidate: Candidate) -> Iterator[str]:
    usage = candidate.extension(ExtendedKeyUsage)
    if candidate.kind not in RESPONDER_KINDS and usage and OCSP_SIGNING in usage.purposes:
        yield f"a {candidate.kind} certificate's key may sign OCSP responses"


@BOOK.rule(
    "RFC 3161 2.3",
    "a time stamp authority's key is for time stamps alone, and that is critical",
    kinds={CertificateKind.TIME_STAMP},
    reads={ExtendedKeyUsage},
)
def time_stamp_purpose(candidate: Candidate) -> Iterator[str]:
    alone = PlacedExtension(ExtendedKeyUsage((TIME_STAMPING,)), critical=True)
    if alone not in candidate.draft.extensions:
        yield "extKeyUsage is not timeStamping alone, critical"


@BOOK.rule("RFC 3161 2.3, exclusive purpose", "no other key is for time stamps", reads={ExtendedKeyUsage})
def time_stamp_purpose_only(candidate: Candidate) -> Iterator[str]:
    usage = candidate.extension(ExtendedKeyUsage)
    if candidate.kind is not CertificateKind.TIME_STAMP and usage and TIME_STAMPING in usage.purposes:
        yield f"a {candidate.kind} certificate's key may sign time stamps"


@BOOK.rule(
    "RFC 5055 8, id-kp-scvpServer",
    "the key of a validation service is for its answers, and no other key is",
    reads={ExtendedKeyUsage},
)
def validation_purpose(candidate: Candidate) -> Iterator[str]:
    usage = candidate.extension(ExtendedKeyUsage)
    purposes = frozenset() if usage is None else frozenset(usage.purposes)
    if candidate.kind is CertificateKind.VALIDATION_SERVICE:
        if purposes != {SCVP_SERVER}:
            yield "extKeyUsage is not scvpServer alone"
    elif SCVP_SERVER in purposes:
        yield f"a {candidate.kind} certificate's key may sign validation answers"


@BOOK.rule(
    "RFC 6960 4.2.2.2.1", "a responder's certificate is not asked about, every other one is", reads=CONSTANTS
)
def responder_no_check(candidate: Candidate) -> Iterator[str]:
    there = candidate.extension(OcspNoCheck) is not None
    if there != (candidate.kind in RESPONDER_KINDS):
        yield f"ocspNoCheck is {'there' if there else 'missing'}"
