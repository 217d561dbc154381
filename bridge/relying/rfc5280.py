"""RFC 5280 6.1 on one path as it stands, decided by pyhanko-certvalidator; the signatures are checked by our own.

Nothing is fetched, and revocation is not asked here. What the library lets pass is looked at before (structure,
constraints).
"""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from datetime import datetime
from functools import lru_cache
from typing import Any

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
from pyhanko_certvalidator.policy_graph import PolicyGraphSizeExceeded
from pyhanko_certvalidator.sig_validate import SignatureValidator
from pyhanko_certvalidator.validate import async_validate_path

from bridge.relying.path import CandidatePath
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.signatures import Signatures
from bridge.relying.trust import Trust
from ca.errors import KeyRefused, SuiteRetired
from ca.profiles.extensions import ANY_POLICY
from ca.wire.facts import CertificateFacts

_ANY = "any_policy"  # the library's word
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


def out_of_time(certificate: CertificateFacts, step: int, at: datetime) -> PathRejected:
    """What is said of a certificate outside whose validity the moment lies."""
    if at < certificate.not_before:
        problem, reason = f"is not valid before {certificate.not_before:{_STAMP}}", Reason.NOT_YET_VALID
    else:
        problem, reason = f"expired after {certificate.not_after:{_STAMP}}", Reason.EXPIRED
    return PathRejected(certificate.place, problem, step=step, reason=reason, clause="RFC 5280 6.1.3 (a)(2)")


def check_by_rfc5280(
    path: CandidatePath, trust: Trust, at: datetime, signatures: Signatures
) -> frozenset[str]:
    """The policies of the trust for which the path is valid, or PathRejected; BudgetSpent.

    Under a demand that takes any policy, the policies are those of the anchor's domain that the path is valid for.
    """
    steps = _Steps(path, signatures)
    demand = trust.demand
    asked = PKIXValidationParams(
        user_initial_policy_set=frozenset({_ANY}) if demand.any_policy else trust.policies,
        initial_explicit_policy=demand.explicit,
        initial_policy_mapping_inhibit=demand.inhibit_mapping,
        initial_any_policy_inhibit=demand.inhibit_any,
        max_policy_graph_nodes=trust.limits.policy_nodes,
    )
    try:
        anchor, *between = (_issuers.load(certificate.der) for certificate in path.certificates[:-1])
        leaf = _Given.load(path.certificates[-1].der)
        # No qualifiers on the anchor, and no merging of parameters: in pyhanko-certvalidator 0.33 each makes a policy
        # that was asked for disappear, and the path is accepted (pinned in tests/test_relying.py).
        given = ValidationPath(CertTrustAnchor(anchor), between, leaf)
        context = ValidationContext(
            trust_roots=[],
            moment=at,
            time_tolerance=None,
            revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
            algorithm_usage_policy=steps,
            signature_validator=steps,
        )
        _run(async_validate_path(context, given, asked))
    except (NotYetValidError, ExpiredError):
        raise out_of_time(steps.certificate, steps.step, at) from None
    except PathValidationError as error:
        if isinstance(error.__cause__, PolicyGraphSizeExceeded):
            raise steps.too_large(trust.limits.policy_nodes) from None
        raise steps.rejected(str(error)) from None
    except (ValueError, TypeError, KeyError, NotImplementedError):
        raise PathRejected(
            steps.certificate.place,
            "has contents that cannot be processed",
            step=steps.step,
            reason=Reason.CONSTRAINT,
            clause="RFC 5280 6.1.3",
        ) from None
    policies = frozenset(policy.user_domain_policy_id for policy in given.qualified_policies() or ())
    if demand.any_policy:
        return frozenset(ANY_POLICY if policy == _ANY else policy for policy in policies)
    if demand.explicit and not policies & trust.policies:
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


class _Given(x509.Certificate):  # type: ignore[misc]  # the library's classes are untyped here
    """A certificate as the other library sees it: names were checked, and it knows no constraints on addresses."""

    name_constraints_value = None


class _Issuers(threading.local):
    """Certificates that many paths go through. They are read bit by bit, which threads may not do together."""

    def __init__(self) -> None:
        self.load = lru_cache(maxsize=256)(_Given.load)


_issuers = _Issuers()


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
            "breaks a constraint on path length set above it",
            step=self.step,
            reason=Reason.CONSTRAINT,
            clause="RFC 5280 6.1.4 (l)",
        )

    def too_large(self, limit: int) -> PathRejected:
        """The policy graph has more nodes than it may."""
        return PathRejected(
            self.certificate.place,
            f"cannot tell, because the policy graph has over {limit} nodes",
            step=self.step,
            reason=Reason.CANNOT_TELL,
            clause="RFC 9618 3.4",
        )

    def signature_algorithm_allowed(self, *_: Any, **__: Any) -> Any:
        """The first question at each step."""
        self.step += 1
        try:
            self._signatures.require(self.certificate.signed.algorithm, self._key)
        except SuiteRetired as error:
            raise PathRejected(
                self.certificate.place,
                f"is signed with an {error.place.replace('suite', 'algorithm')} that {error.problem}",
                step=self.step,
                reason=Reason.ALGORITHM,
                clause="RFC 5280 6.1.3 (a)(1)",
            ) from error
        except KeyRefused as error:
            raise self._not_signed() from error
        return AlgorithmUsageConstraint(allowed=True)

    def validate_signature(self, *_: Any, **__: Any) -> None:
        """The second question at each step, over the octets that were read: the library may write others."""
        signed = self.certificate.signed
        try:
            self._signatures.check(signed.algorithm, self._key, signed.tbs, signed.signature)
        except KeyRefused as error:
            raise self._not_signed() from error

    @property
    def _key(self) -> bytes:
        """Its issuer's."""
        return self._path.certificates[self.step - 1].public_key

    def _not_signed(self) -> PathRejected:
        return PathRejected(
            self.certificate.place,
            "is not signed by its issuer's key",
            step=self.step,
            reason=Reason.SIGNATURE,
            clause="RFC 5280 6.1.3 (a)(1)",
        )
