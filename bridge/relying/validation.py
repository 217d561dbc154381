"""Is a candidate path valid, revocation aside? What is cheap and certain comes first.

1. the marking: no test world's certificate under production trust;
2. the anchor's own validity;
3. the structure of every certificate (structure), and how much of it there is;
4. names (constraints);
5. RFC 5280 6.1 (rfc5280).
"""

from __future__ import annotations

from datetime import datetime

from bridge.manifest import Marking
from bridge.relying.constraints import check_names
from bridge.relying.path import CandidatePath
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.rfc5280 import check_by_rfc5280, out_of_time
from bridge.relying.signatures import Signatures
from bridge.relying.structure import check_structure
from bridge.relying.trust import Trust
from ca.errors import BadInput
from ca.profiles import extensions as ext
from ca.wire import walk
from ca.wire.facts import CertificateFacts, read_extension

_ORGANISATION = "2.5.4.10"
_TEST_SUFFIX = "-test"  # as prepared for comparison


def validate(
    path: CandidatePath, marking: Marking | None, trust: Trust, at: datetime, signatures: Signatures
) -> frozenset[str]:
    """The policies of the trust for which the path is valid at the moment, revocation aside.

    Args:
        path: The candidate.
        marking: What the material says of its world.
        trust: What is believed.
        at: The moment, in whole seconds of UTC.
        signatures: Checks them.

    Raises:
        PathRejected: It is not valid, or that cannot be told within the limits.
        BudgetSpent: Too many signatures were checked.
    """
    _check_marking(path, marking, trust)
    _check_anchor(path.anchor, at)
    check_structure(path)
    _check_amount(path, trust.limits.policies)
    check_names(path, trust.limits.names)
    return check_by_rfc5280(path, trust, at, signatures)


def _check_marking(path: CandidatePath, marking: Marking | None, trust: Trust) -> None:
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
    if marking is Marking.TEST:
        raise PathRejected(
            "what is published",
            "is a test world's, and the trust is for production",
            step=0,
            reason=Reason.TEST_WORLD,
        )


def _check_anchor(anchor: CertificateFacts, at: datetime) -> None:
    """An anchor is trusted by decision, yet not beyond the time that its own certificate gives."""
    if not anchor.not_before <= at <= anchor.not_after:
        raise out_of_time(anchor, 0, at)


def _check_amount(path: CandidatePath, limit: int) -> None:
    """Policies and mappings cost work at every later step, so that there may be only so many of them."""
    total = 0
    for step, _, certificate in path.links():
        for oid in (ext.CertificatePolicies.oid, ext.PolicyMappings.oid):
            try:
                total += read_extension(certificate.extensions, oid, certificate.place, _count) or 0
            except BadInput as error:
                raise PathRejected(
                    error.place, error.problem, step=step, reason=Reason.STRUCTURE, clause="RFC 5280 4.2.1"
                ) from error
        if total > limit:
            raise PathRejected(
                certificate.place,
                f"cannot tell, because the path has over {limit} policies and mappings",
                step=step,
                reason=Reason.CANNOT_TELL,
                clause="RFC 9618 3.4",
            )


def _count(value: bytes) -> int:
    sequence = walk.only(value, 0x30)
    return sum(1 for _ in walk.elements(value, sequence.start, sequence.end))
