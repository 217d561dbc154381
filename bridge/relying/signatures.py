"""Signatures of certificates and lists, checked within a budget and each once in a verification."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bridge.relying.budget import Budget
from bridge.relying.trust import SignatureCheck
from ca.keys import signer
from ca.suites import Suite, Use, of_algorithm, require


class Signatures:
    """Checks signatures as of one moment. Only suites that may be verified then count: no weak digest among them."""

    def __init__(
        self, at: datetime, budget: Budget, more: Mapping[str, SignatureCheck] | None = None
    ) -> None:
        """Check as of this moment; ``more`` are algorithms (dotted) to believe that are no suites of ours."""
        self.budget = budget
        self._at = at
        self._more = more or {}
        self._right: set[tuple[bytes, bytes, bytes]] = set()

    def require(self, algorithm: str) -> None:
        """Raise SuiteRetired unless what this algorithm (a dotted object identifier) signed is believed now."""
        if algorithm not in self._more:
            self._suite(algorithm)

    def check(self, algorithm: str, public_key: bytes, message: bytes, signature: bytes) -> None:
        """Raise SuiteRetired or KeyRefused unless this key signed the message, or BudgetSpent."""
        more = self._more.get(algorithm)
        suite = None if more else self._suite(algorithm)
        seen = public_key, message, signature
        if seen in self._right:
            return
        self.budget.signature()
        if more:
            more(public_key, message, signature)
        elif suite:
            signer.verify(public_key, suite, message, signature)
        self._right.add(seen)

    def _suite(self, algorithm: str) -> Suite:
        suite = of_algorithm(algorithm)
        require(suite, Use.VERIFY, self._at)
        return suite
