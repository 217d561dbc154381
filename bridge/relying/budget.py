"""How much work one verification may be: named limits, and what is left of them.

A hostile mesh, certificate, list or server ends in BudgetSpent, which says which limit, not in a long wait; and a
verdict that was not reached within the limits is CANNOT_TELL, never valid.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.relying.rejection import BudgetSpent

ANSWER_LIMIT = 64 * 1024
"""Octets of an OCSP answer. One with its responder's certificate takes some 2 KB."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits by name. What is counted is work, so that a verdict does not depend on a machine's speed.

    Attributes:
        certificates: In one path, anchor and holder among them. Anchor, government's bridge, residents' bridge,
            prefecture and holder are 5; with a link certificate at every CA, 8.
        steps: How often the search may look at an issuer. A mesh of three levels with two generations each has some
            50 paths; this many steps take about 0.1 s.
        paths: How many candidate paths may be judged; one takes some 3 ms.
        signatures: Of certificates, lists and answers, each counted once: 20 paths that share nothing.
        policies: Policies and mappings in the certificates of one path together; a real path has some ten.
        policy_nodes: Nodes of one path's policy graph (RFC 9618).
        names: Comparisons of a name with a name constraint's subtree, in one path.
        fetches: How often a source may ask a server.
        octets: What a source may receive in all.
        seconds: How long a source may wait for servers in all.
    """

    certificates: int = 10
    steps: int = 20_000
    paths: int = 200
    signatures: int = 100
    policies: int = 500
    policy_nodes: int = 2_000
    names: int = 5_000
    fetches: int = 64
    octets: int = 128 * 1024 * 1024
    seconds: float = 30.0


USUAL = Limits()
"""What a verification may be unless its trust says otherwise."""

_SEARCH = "the search for paths"
_SOURCE = "the source"


@dataclass(slots=True)
class Budget:
    """What is left of the limits. Each count is taken before the work; the one too many raises BudgetSpent.

    Attributes:
        steps, paths, signatures, fetches, octets: How many are left.
    """

    limits: Limits = USUAL
    steps: int = field(init=False)
    paths: int = field(init=False)
    signatures: int = field(init=False)
    fetches: int = field(init=False)
    octets: int = field(init=False)

    def __post_init__(self) -> None:
        self.steps, self.paths, self.signatures = self.limits.steps, self.limits.paths, self.limits.signatures
        self.fetches, self.octets = self.limits.fetches, self.limits.octets

    def step(self) -> None:
        """Count one look at an issuer."""
        if self.steps <= 0:
            raise BudgetSpent(_SEARCH, "has looked at as many issuers as it may", limit="steps")
        self.steps -= 1

    def path(self) -> None:
        """Count one candidate path."""
        if self.paths <= 0:
            raise BudgetSpent(_SEARCH, "has found as many candidates as are judged", limit="paths")
        self.paths -= 1

    def signature(self) -> None:
        """Count one signature to check."""
        if self.signatures <= 0:
            raise BudgetSpent(_SEARCH, "has checked as many signatures as it may", limit="signatures")
        self.signatures -= 1

    def fetch(self) -> None:
        """Count one question to a server."""
        if self.fetches <= 0:
            raise BudgetSpent(_SOURCE, "has asked servers as often as it may", limit="fetches")
        self.fetches -= 1

    def receive(self, count: int) -> None:
        """Count octets that came from a server."""
        if count > self.octets:
            raise BudgetSpent(_SOURCE, "has received as many octets as it may", limit="octets")
        self.octets -= count
