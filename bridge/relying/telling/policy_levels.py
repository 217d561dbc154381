"""The levels of a policy graph while it grows, a certificate at a time (RFC 9618 5).

Which of these operations a certificate asks for is ``policy_graph``'s business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.relying.rejection import BudgetSpent
from ca.profiles.extensions import ANY_POLICY


@dataclass(frozen=True, slots=True)
class PolicyNode:
    """One policy that is valid at a step; a step has each policy once (RFC 9618 5.2).

    Attributes:
        expected: Which policies of the next certificate it stands for.
        parents: The policies of the step above that it comes from.
        lost: The step whose certificate took it away again; None if it stands to the end.
    """

    policy: str
    expected: frozenset[str]
    parents: frozenset[str]
    lost: int | None


@dataclass(slots=True, eq=False)
class _Node:
    """A node while the graph changes. ``lost`` is the step at which it left the graph."""

    policy: str
    expected: frozenset[str]
    parents: tuple[_Node, ...] = field(repr=False)  # each names its own, up to the root
    children: int = 0
    lost: int | None = None


@dataclass(slots=True)
class Levels:
    """A growing valid_policy_graph (RFC 9618 5.2): at each depth one node a policy; NULL once the deepest has none.

    Nodes that leave it stay among the levels, marked as lost. Each node is made once and lost at most once, and each
    edge looked at once either way, so that the work is linear too.
    """

    limit: int
    levels: list[dict[str, _Node]] = field(default_factory=list, repr=False)
    nodes: int = 0

    def __post_init__(self) -> None:
        self.levels.append({})
        self._add(ANY_POLICY, frozenset({ANY_POLICY}), ())

    @property
    def present(self) -> list[_Node]:
        """The nodes of the deepest level that stand."""
        return [node for node in self.levels[-1].values() if node.lost is None]

    def descend(self) -> None:
        """Begin the next certificate."""
        self.levels.append({})

    def match(self, policies: Iterable[str]) -> None:
        """6.1.3 (d)(1): each policy under those above that expect it, else under anyPolicy."""
        expecting = self._expecting()
        any_above = self._standing(-2, ANY_POLICY)
        for policy in policies:
            parents = expecting.get(policy) or ([any_above] if any_above else [])
            if parents:
                self._add(policy, frozenset({policy}), tuple(parents))

    def match_all_expected(self) -> None:
        """6.1.3 (d)(2): whatever is expected above and does not stand here yet."""
        for policy, parents in self._expecting().items():
            if policy not in self.levels[-1]:
                self._add(policy, frozenset({policy}), tuple(parents))

    def prune_above(self) -> None:
        """6.1.3 (d)(3): nodes above without children go, and whatever then has none."""
        for node in self.levels[-2].values():
            if node.lost is None and not node.children:
                self._lose(node)

    def map(self, ours: str, theirs: frozenset[str]) -> None:
        """6.1.4 (b)(1): the policy now stands for others; where only anyPolicy stands, it comes from there."""
        node, any_here = self._standing(-1, ours), self._standing(-1, ANY_POLICY)
        if node is not None:
            node.expected = theirs
        elif any_here is not None:
            self._add(ours, theirs, any_here.parents)

    def take_away(self, policy: str) -> None:
        """6.1.4 (b)(2): a policy that would be mapped, though mapping is inhibited."""
        node = self._standing(-1, policy)
        if node is not None:
            self._lose(node)

    def authority_constrained(self) -> frozenset[str]:
        """6.1.5 (g)(1) to (4), as RFC 9618 5.5 has them: where each valid branch leaves anyPolicy."""
        branches = {
            node.policy
            for level in self.levels[1:]
            for node in level.values()
            if node.lost is None and node.policy != ANY_POLICY and node.parents[0].policy == ANY_POLICY
        }
        return frozenset(branches | {ANY_POLICY} if self._standing(-1, ANY_POLICY) else branches)

    def frozen(self, depth: int) -> tuple[PolicyNode, ...]:
        """A level for those who look."""
        return tuple(
            PolicyNode(
                node.policy, node.expected, frozenset(parent.policy for parent in node.parents), node.lost
            )
            for node in self.levels[depth].values()
        )

    def _expecting(self) -> dict[str, list[_Node]]:
        """Which nodes above expect each policy."""
        found: dict[str, list[_Node]] = {}
        for node in self.levels[-2].values():
            if node.lost is None:
                for policy in sorted(node.expected):  # so that every run draws the same
                    found.setdefault(policy, []).append(node)
        return found

    def _standing(self, level: int, policy: str) -> _Node | None:
        node = self.levels[level].get(policy)
        return None if node is None or node.lost is not None else node

    def _add(self, policy: str, expected: frozenset[str], parents: tuple[_Node, ...]) -> None:
        if self.nodes >= self.limit:
            raise BudgetSpent("the policy graph", f"has more than {self.limit} nodes", limit="policy_nodes")
        self.nodes += 1
        self.levels[-1][policy] = _Node(policy, expected, parents)
        for parent in parents:
            parent.children += 1

    def _lose(self, node: _Node) -> None:
        """Take a node without children away, and its parents if it was the last child."""
        pending = [node]
        while pending:
            lost = pending.pop()
            lost.lost = len(self.levels) - 1
            for parent in lost.parents:
                parent.children -= 1
                if not parent.children:
                    pending.append(parent)
