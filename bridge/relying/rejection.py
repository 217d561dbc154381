"""How a path fails: the reasons in the order of how much they tell, and the errors that carry them."""

from __future__ import annotations

from enum import StrEnum
from functools import partial

from ca.errors import KakehashiError
from ca.model import Revocation


class Reason(StrEnum):
    """Why a path was rejected. The further down, the more it tells: the more has been found right before."""

    NO_PATH = "no path"
    UNREADABLE = "unreadable"
    STRUCTURE = "structure"
    ALGORITHM = "algorithm"
    SIGNATURE = "signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    CONSTRAINT = "constraint"
    POLICY = "policy"
    TEST_WORLD = "test world"
    CANNOT_TELL = "cannot tell"
    REVOKED = "revoked"


_ORDER = tuple(Reason)


class PathRejected(KakehashiError):
    """No path from an anchor to the certificate is valid, and this is the most telling reason why.

    Attributes:
        step: Which certificate of the path: 0 is the anchor, n the certificate to verify.
        reason: What kind of reason it is.
        revocation: What the list says, if the reason is REVOKED.
    """

    def __init__(
        self,
        place: str,
        problem: str,
        *,
        step: int,
        reason: Reason,
        clause: str | None = None,
        revocation: Revocation | None = None,
    ) -> None:
        super().__init__(place, problem, clause=clause)
        self.step = step
        self.reason = reason
        self.revocation = revocation

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), step=self.step, reason=self.reason), self.args[:2], vars(self).copy()

    def more_telling_than(self, other: PathRejected) -> PathRejected:
        """The one of the two that tells more: by reason, then by how far the path held; else the other, the older."""
        mine, theirs = ((_ORDER.index(one.reason), one.step) for one in (self, other))
        return self if mine > theirs else other


class BudgetSpent(KakehashiError):
    """A limit is reached before all candidates were seen.

    Attributes:
        limit: Its name among the limits of a trust.
    """

    def __init__(self, place: str, problem: str, *, limit: str, clause: str | None = None) -> None:
        super().__init__(place, problem, clause=clause)
        self.limit = limit

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), limit=self.limit), self.args[:2], vars(self).copy()
