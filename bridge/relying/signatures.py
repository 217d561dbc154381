"""Signatures of certificates and lists, checked within a budget and each once in a verification."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from bridge.relying.budget import Budget
from bridge.relying.trust import SignatureCheck
from ca.keys import signer
from ca.keys.kinds import believed
from ca.suites import SuiteId


class Signatures:
    """Checks signatures as of one moment. Only suites that may be verified then count: no weak digest among them."""

    def __init__(
        self,
        at: datetime,
        budget: Budget,
        more: Mapping[str, SignatureCheck] | None = None,
        legacy: Collection[SuiteId] = (),
    ) -> None:
        """Check as of this moment.

        ``more`` are algorithms (dotted) to believe that are no suites of ours, ``legacy`` those of our legacy suites
        that are to be believed in their time.
        """
        self.budget = budget
        self._at = at
        self._more = more or {}
        self._legacy = legacy
        self._right: set[tuple[bytes, bytes, bytes]] = set()

    def require(self, algorithm: str, public_key: bytes) -> None:
        """Raise unless what this key signs by this algorithm (a dotted object identifier) is believed now.

        Raises:
            SuiteRetired: The algorithm, or the key's suite, is not believed at this moment, or is not named.
            KeyRefused: The key does not sign so.
        """
        if algorithm not in self._more:
            believed(algorithm, public_key, self._at, self._legacy)

    def check(self, algorithm: str, public_key: bytes, message: bytes, signature: bytes) -> None:
        """Raise SuiteRetired or KeyRefused unless this key signed the message, or BudgetSpent."""
        more = self._more.get(algorithm)
        suite = None if more else believed(algorithm, public_key, self._at, self._legacy)
        seen = public_key, message, signature
        if seen in self._right:
            return
        self.budget.signature()
        if more:
            more(public_key, message, signature)
        elif suite:
            signer.verify(public_key, suite, message, signature)
        self._right.add(seen)
