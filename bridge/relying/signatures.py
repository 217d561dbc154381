"""Signatures of certificates and lists, checked within a budget and each once in a verification."""

from __future__ import annotations

from datetime import datetime

from bridge.relying.path import Budget
from ca.keys import signer
from ca.suites import Suite, Use, of_algorithm, require


class Signatures:
    """Checks signatures as of one moment. Only suites that may be verified then count: no weak digest among them."""

    def __init__(self, at: datetime, budget: Budget) -> None:
        self._at = at
        self._budget = budget
        self._right: set[tuple[bytes, bytes, bytes]] = set()

    def suite(self, algorithm: str) -> Suite:
        """The suite of this signature algorithm (a dotted object identifier), or SuiteRetired."""
        suite = of_algorithm(algorithm)
        require(suite, Use.VERIFY, self._at)
        return suite

    def check(self, algorithm: str, public_key: bytes, message: bytes, signature: bytes) -> None:
        """Raise SuiteRetired or KeyRefused unless this key signed the message, or BudgetSpent."""
        suite = self.suite(algorithm)
        seen = public_key, message, signature
        if seen in self._right:
            return
        self._budget.signature()
        signer.verify(public_key, suite, message, signature)
        self._right.add(seen)
