"""The policy graph of a path, step by step (RFC 5280 6.1 as changed by RFC 9618).

It shows people how policies went from certificate to certificate, and it is a second opinion: another program decides
RFC 5280 6.1, and both must come to the same policies. The graph grows with the sum of the policies and mappings that
the certificates name, never with their product, and stops at a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.relying.budget import USUAL
from bridge.relying.policies import PolicyFacts, read_policies
from bridge.relying.telling.policy_levels import Levels, PolicyNode
from bridge.relying.trust import PolicyDemand
from ca.profiles.extensions import ANY_POLICY
from ca.wire.facts import CertificateFacts

_STRICT = PolicyDemand()


@dataclass(frozen=True, slots=True)
class Counters:
    """How many certificates may follow until each constraint binds; at zero it does (RFC 5280 6.1.2 (d) to (f))."""

    explicit_policy: int
    policy_mapping: int
    inhibit_any_policy: int


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """The graph at one certificate of a path.

    Attributes:
        step: 0 is the anchor, where any policy is valid.
        said: What the certificate says of policies; None of the anchor, which is not asked.
        nodes: Every policy that was valid here at some time; those that a later certificate took away are lost.
        counters: After this certificate.
    """

    step: int
    said: PolicyFacts | None
    nodes: tuple[PolicyNode, ...]
    counters: Counters


@dataclass(frozen=True, slots=True)
class PolicyBreak:
    """Where policies end a path: at which certificate, by which rule, and how."""

    step: int
    problem: str
    clause: str


@dataclass(frozen=True, slots=True)
class PolicyGraph:
    """The policies of a path.

    Attributes:
        steps: From the anchor to the certificate to verify, or to the one that ends the path.
        authority: What the path is valid for, in the anchor's domain (authority-constrained policy set).
        user: Those of them that are acceptable (user-constrained policy set).
        broken: None if policies do not end the path.
    """

    steps: tuple[PolicyStep, ...]
    authority: frozenset[str]
    user: frozenset[str]
    broken: PolicyBreak | None


def policy_graph(
    certificates: Sequence[CertificateFacts],
    acceptable: frozenset[str],
    demand: PolicyDemand = _STRICT,
    limit: int = USUAL.policy_nodes,
) -> PolicyGraph:
    """The policy graph of a path.

    Args:
        certificates: The anchor first, and at least one more. Nothing but policies is looked at.
        acceptable: The trust's policies (user-initial-policy-set, RFC 5280 6.1.1 (c)).
        demand: What else the trust asks of policies; whether any policy is acceptable.
        limit: How many nodes there may be in all (``Limits.policy_nodes``).

    Raises:
        BadInput: A certificate's policies cannot be read.
        BudgetSpent: There are more nodes than the limit.
    """
    last = len(certificates) - 1
    assert last >= 1, "a path has an anchor and a certificate"
    at_once = demand.explicit, demand.inhibit_mapping, demand.inhibit_any
    counters = _Counters(*(0 if binds else last + 1 for binds in at_once))
    graph = Levels(limit)
    steps = [_Step(0, None, counters.frozen)]
    broken = None
    for step, certificate in enumerate(certificates[1:], 1):
        said = read_policies(certificate)
        self_issued = certificate.issuer == certificate.subject
        broken = _process(graph, counters, said, step, any_valid=self_issued and step < last)
        if broken is None and step < last:
            broken = _prepare(graph, counters, said, step, self_issued=self_issued)
        if broken is None and step == last:
            counters.wrap_up(said)
        steps.append(_Step(step, said, counters.frozen))
        if broken is not None:
            break
    authority = frozenset() if broken else graph.authority_constrained()
    user = authority if demand.any_policy else _user_constrained(authority, acceptable)
    if broken is None and counters.explicit == 0 and not user:
        broken = PolicyBreak(
            last, "the path is valid for no policy that the trust accepts", "RFC 5280 6.1.5 (g)"
        )
    return PolicyGraph(
        tuple(PolicyStep(one.step, one.said, graph.frozen(one.step), one.counters) for one in steps),
        authority,
        user,
        broken,
    )


def _process(
    graph: Levels, counters: _Counters, said: PolicyFacts, step: int, *, any_valid: bool
) -> PolicyBreak | None:
    """RFC 5280 6.1.3 (d) to (f), as RFC 9618 5.3 has them."""
    graph.descend()
    if said.policies is not None:
        graph.match(policy for policy in said.policies if policy != ANY_POLICY)  # (d)(1)
        if ANY_POLICY in said.policies and (counters.any_policy > 0 or any_valid):  # (d)(2)
            graph.match_all_expected()
    graph.prune_above()  # (d)(3), and (e): without the extension nothing matches
    if counters.explicit == 0 and not graph.present:
        return PolicyBreak(step, "no policy is valid here, and one must be", "RFC 5280 6.1.3 (f)")
    return None


def _prepare(
    graph: Levels, counters: _Counters, said: PolicyFacts, step: int, *, self_issued: bool
) -> PolicyBreak | None:
    """RFC 5280 6.1.4 (a), (b) as RFC 9618 5.4 has it, (h) to (j)."""
    if said.maps_any_policy:
        return PolicyBreak(step, "a mapping names anyPolicy", "RFC 5280 6.1.4 (a)")
    for ours, theirs in said.mappings.items():
        if counters.mapping > 0:
            graph.map(ours, frozenset(theirs))
        else:
            graph.take_away(ours)
    if not self_issued:
        counters.count()
    counters.tighten(said)
    return None


def _user_constrained(authority: frozenset[str], acceptable: frozenset[str]) -> frozenset[str]:
    """RFC 5280 6.1.5 (g)(6), as RFC 9618 5.5 has it."""
    return acceptable if ANY_POLICY in authority else authority & acceptable


@dataclass(frozen=True, slots=True)
class _Step:
    """What is noted at a step while the graph still changes above it."""

    step: int
    said: PolicyFacts | None
    counters: Counters


@dataclass(slots=True)
class _Counters:
    """The three of RFC 5280 6.1.2 (d) to (f), as they run."""

    explicit: int
    mapping: int
    any_policy: int

    @property
    def frozen(self) -> Counters:
        return Counters(self.explicit, self.mapping, self.any_policy)

    def count(self) -> None:
        """6.1.4 (h)."""
        self.explicit = max(0, self.explicit - 1)
        self.mapping = max(0, self.mapping - 1)
        self.any_policy = max(0, self.any_policy - 1)

    def tighten(self, said: PolicyFacts) -> None:
        """6.1.4 (i) and (j)."""
        self.explicit = _lower(self.explicit, said.require_explicit)
        self.mapping = _lower(self.mapping, said.inhibit_mapping)
        self.any_policy = _lower(self.any_policy, said.inhibit_any)

    def wrap_up(self, said: PolicyFacts) -> None:
        """6.1.5 (a) and (b)."""
        self.explicit = 0 if said.require_explicit == 0 else max(0, self.explicit - 1)


def _lower(counter: int, said: int | None) -> int:
    return counter if said is None else min(counter, said)
