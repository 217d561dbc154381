"""The journey of a verifier: from a certificate and a published folder to a VerifiedPath, or the reason why not.

1. Read the certificate and the anchors.
2. Candidate paths, shortest first (path).
3. For each: the marking, the anchor's validity, the structure of every certificate (structure).
4. RFC 5280 6.1 on the path as it stands, decided by pyhanko-certvalidator; signatures are checked by our own.
5. The lists (revocation).
The first path that passes is returned; if none does, the most telling reason is raised.
"""

from __future__ import annotations

import re
from collections.abc import Coroutine
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from asn1crypto import x509
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import ExpiredError, NotYetValidError, PathValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    AlgorithmUsageConstraint,
    AlgorithmUsagePolicy,
    CertRevTrustPolicy,
    PKIXValidationParams,
)
from pyhanko_certvalidator.sig_validate import SignatureValidator
from pyhanko_certvalidator.validate import async_validate_path

from bridge.manifest import Marking
from bridge.relying.path import Budget, CandidatePath, candidates
from bridge.relying.rejection import BudgetSpent, PathRejected, Reason
from bridge.relying.revocation import ListUsed, check_revocation
from bridge.relying.signatures import Signatures
from bridge.relying.snapshot import Snapshot
from bridge.relying.structure import check_structure
from ca.errors import BadInput, KeyRefused, SuiteRetired
from ca.profiles.extensions import ANY_POLICY
from ca.wire.facts import CertificateFacts, read_certificate

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){1,30}")
_ORGANISATION = "2.5.4.10"
_TEST_SUFFIX = "-test"  # as prepared for comparison
_MADE_BY_VERIFY: Final = object()


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier has decided to believe.

    Attributes:
        anchors: DER certificates whose names and keys are trusted by decision.
        policies: Acceptable policies, dotted, in the anchors' domain. Empty would mean any, so it is refused.
        marking: Under PRODUCTION, no test world's certificate is ever part of a path.
    """

    anchors: tuple[bytes, ...] = field(repr=False)
    policies: frozenset[str]
    marking: Marking

    def __post_init__(self) -> None:
        if not self.anchors:
            raise BadInput("trust", "names no anchor")
        if not self.policies:
            raise BadInput("trust", "names no acceptable policy", remedy="Name the policies to accept")
        for policy in self.policies:
            if not _OID.fullmatch(policy) or policy == ANY_POLICY:
                raise BadInput("trust", f"{policy!r} is not one policy's object identifier")


@dataclass(frozen=True, slots=True)
class VerifiedPath:
    """The proof that a certificate was valid at a moment. Only ``verify`` makes one.

    Attributes:
        certificates: DER, the anchor first.
        policies: Which of the trust's policies the path is valid for, in the anchor's domain.
        lists: The lists that were asked, from the anchor down.
    """

    certificates: tuple[bytes, ...] = field(repr=False)
    policies: frozenset[str]
    at: datetime
    lists: tuple[ListUsed, ...]
    made_by: InitVar[object] = None

    def __post_init__(self, made_by: object) -> None:
        if made_by is not _MADE_BY_VERIFY:
            raise TypeError("only verify() makes a VerifiedPath")


def verify(leaf: bytes, snapshot: Snapshot, trust: Trust, at: datetime) -> VerifiedPath:
    """Verify a certificate at a moment, from the trust's anchors and a published folder.

    Args:
        leaf: The certificate, DER.
        snapshot: The published folder.
        trust: Anchors, acceptable policies, and whether this is a test.
        at: The moment asked about, aware; in the past, the lists of that time are asked.

    Raises:
        BadInput: The certificate or an anchor cannot be read.
        PathRejected: No path is valid; the most telling reason of all candidates.
    """
    assert at.tzinfo is not None, "moments are aware"
    moment = at.astimezone(UTC).replace(microsecond=0)  # both ends of a validity are whole, valid seconds
    holder = read_certificate(leaf, "the certificate to verify")
    anchors = [read_certificate(der, f"anchor {number}") for number, der in enumerate(trust.anchors, 1)]
    budget = Budget()
    signatures = Signatures(moment, budget)
    unreadable: list[BadInput] = []
    best = PathRejected(
        holder.place,
        "no path leads to it from an anchor",
        step=0,
        reason=Reason.NO_PATH,
        clause="RFC 5280 6.1",
    )
    try:
        for path in candidates(holder, snapshot, anchors, budget, unreadable):
            try:
                return _check(path, snapshot, trust, moment, signatures)
            except PathRejected as rejected:
                best = rejected.more_telling_than(best)
    except BudgetSpent as spent:
        raise PathRejected(
            holder.place,
            f"cannot tell, because {spent.place} {spent.problem}; so far: {best.problem}",
            step=best.step,
            reason=Reason.CANNOT_TELL,
        ) from spent
    if best.reason is Reason.NO_PATH and unreadable:
        first = unreadable[0]
        raise PathRejected(first.place, first.problem, step=0, reason=Reason.UNREADABLE) from first
    raise best


def _check(
    path: CandidatePath, snapshot: Snapshot, trust: Trust, at: datetime, signatures: Signatures
) -> VerifiedPath:
    _check_marking(path, snapshot, trust)
    _check_anchor(path.anchor, at)
    check_structure(path)
    policies = _check_by_rfc5280(path, trust, at, signatures)
    lists = check_revocation(path, snapshot, at, signatures)
    return VerifiedPath(
        tuple(certificate.der for certificate in path.certificates),
        policies,
        at,
        lists,
        made_by=_MADE_BY_VERIFY,
    )


def _check_marking(path: CandidatePath, snapshot: Snapshot, trust: Trust) -> None:
    """Law 8: a test root never validates under production trust, wherever in the path the mark stands."""
    if trust.marking is Marking.TEST:
        return
    for step, certificate in enumerate(path.certificates):
        for name in (certificate.subject, certificate.issuer):
            if any(value.endswith(_TEST_SUFFIX) for value in name.values(_ORGANISATION)):
                raise PathRejected(
                    certificate.place,
                    "belongs to a test world, and the trust is for production",
                    step=step,
                    reason=Reason.TEST_WORLD,
                )
    if snapshot.manifest.marking is not Marking.PRODUCTION:
        raise PathRejected(
            "manifest.json",
            "is a test world's, and the trust is for production",
            step=0,
            reason=Reason.TEST_WORLD,
        )


def _check_anchor(anchor: CertificateFacts, at: datetime) -> None:
    """An anchor is trusted by decision, yet not beyond the time that its own certificate gives."""
    if at < anchor.not_before:
        raise _too_early(anchor, 0)
    if at > anchor.not_after:
        raise _too_late(anchor, 0)


def _too_early(certificate: CertificateFacts, step: int) -> PathRejected:
    return PathRejected(
        certificate.place,
        f"is not valid before {certificate.not_before:%Y-%m-%dT%H:%M:%SZ}",
        step=step,
        reason=Reason.NOT_YET_VALID,
        clause="RFC 5280 6.1.3 (a)(2)",
    )


def _too_late(certificate: CertificateFacts, step: int) -> PathRejected:
    return PathRejected(
        certificate.place,
        f"expired after {certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
        step=step,
        reason=Reason.EXPIRED,
        clause="RFC 5280 6.1.3 (a)(2)",
    )


def _check_by_rfc5280(
    path: CandidatePath, trust: Trust, at: datetime, signatures: Signatures
) -> frozenset[str]:
    """RFC 5280 6.1 on this path; the policies of the trust for which it is valid."""
    anchor, *between, leaf = (x509.Certificate.load(certificate.der) for certificate in path.certificates)
    # No qualifiers on the anchor, and no merging of parameters: in pyhanko-certvalidator 0.33 each makes a policy
    # that was asked for disappear, and the path is accepted (pinned in tests/test_relying.py).
    given = ValidationPath(CertTrustAnchor(anchor), between, leaf)
    steps = _Steps(path, signatures)
    context = ValidationContext(
        trust_roots=[],
        moment=at,
        time_tolerance=None,
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
        algorithm_usage_policy=steps,
        signature_validator=steps,
    )
    asked = PKIXValidationParams(user_initial_policy_set=trust.policies, initial_explicit_policy=True)
    try:
        _run(async_validate_path(context, given, asked))
    except NotYetValidError:
        raise _too_early(steps.certificate, steps.step) from None
    except ExpiredError:
        raise _too_late(steps.certificate, steps.step) from None
    except PathValidationError as error:
        raise steps.rejected(str(error)) from None
    except (ValueError, TypeError, KeyError, NotImplementedError):
        # NotImplementedError: a name constraint of a form that is not processed (RFC 5280 4.2.1.10: then refuse).
        raise PathRejected(
            steps.certificate.place,
            "has contents that cannot be processed",
            step=steps.step,
            reason=Reason.CONSTRAINT,
            clause="RFC 5280 6.1.3",
        ) from None
    policies = frozenset(policy.user_domain_policy_id for policy in given.qualified_policies() or ())
    if not policies & trust.policies:
        raise steps.rejected("policies")
    return policies & trust.policies


def _run(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine that never waits, since nothing is fetched: no event loop is needed, and one may be running."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("the path validation waited for something, though nothing is fetched")


class _Steps(AlgorithmUsagePolicy, SignatureValidator):  # type: ignore[misc]  # the library's classes are untyped here
    """What the library asks at each step, in this order: may the algorithm be used, is the signature right.

    Attributes:
        step: The step that the library is at, so that a rejection can name it.
    """

    def __init__(self, path: CandidatePath, signatures: Signatures) -> None:
        self.step = 0
        self._path = path
        self._signatures = signatures

    @property
    def certificate(self) -> CertificateFacts:
        """The certificate of this step."""
        return self._path.certificates[self.step]

    def rejected(self, words: str) -> PathRejected:
        """A rejection at this step. The library's words choose between two kinds and are not passed on."""
        if "policies" in words or "policy" in words:
            return PathRejected(
                self.certificate.place,
                "is not valid for any policy that the trust accepts",
                step=self.step,
                reason=Reason.POLICY,
                clause="RFC 5280 6.1.3 (f), 6.1.5 (g)",
            )
        return PathRejected(
            self.certificate.place,
            "breaks a constraint on names or path length set above it",
            step=self.step,
            reason=Reason.CONSTRAINT,
            clause="RFC 5280 6.1.3 (b)-(c), 6.1.4 (l)",
        )

    def signature_algorithm_allowed(self, algo: Any, moment: Any, public_key: Any) -> Any:  # noqa: ARG002 - the library's signature
        """The first question at each step."""
        self.step += 1
        try:
            self._signatures.suite(algo["algorithm"].dotted)
        except SuiteRetired as error:
            raise PathRejected(
                self.certificate.place,
                f"is signed with an {error.place.replace('suite', 'algorithm')} that {error.problem}",
                step=self.step,
                reason=Reason.ALGORITHM,
                clause="RFC 5280 6.1.3 (a)(1)",
            ) from error
        return AlgorithmUsageConstraint(allowed=True)

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: Any,
        signature_algorithm: Any,
        context: Any = None,  # noqa: ARG002 - the library's signature
    ) -> None:
        """The second question at each step."""
        try:
            self._signatures.check(
                signature_algorithm["algorithm"].dotted, public_key_info.dump(), signed_data, signature
            )
        except KeyRefused as error:
            raise PathRejected(
                self.certificate.place,
                "is not signed by its issuer's key",
                step=self.step,
                reason=Reason.SIGNATURE,
                clause="RFC 5280 6.1.3 (a)(1)",
            ) from error
