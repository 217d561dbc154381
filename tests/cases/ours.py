"""Ours: ``bridge.relying``, over the published folder or over the same things in a bag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bridge.manifest import Marking
from bridge.relying.finding.carried import Carried
from bridge.relying.finding.material import Material
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected
from bridge.relying.trust import PolicyDemand, Trust
from bridge.relying.verify import VerifiedPath, verify
from tests.cases.folder import publish
from tests.cases.judging import Verdict
from tests.cases.world import BuiltCase


def trust_of(built: BuiltCase) -> Trust:
    """What the case believes."""
    entry = built.case.entry
    anchors = tuple(anchor.der for anchor in built.anchors)
    demand = PolicyDemand(
        explicit="implicit" not in entry.demand,
        inhibit_mapping="inhibit mapping" in entry.demand,
        inhibit_any="inhibit any" in entry.demand,
    )
    return Trust(anchors, frozenset(entry.policies), Marking(entry.trust), demand)


def published(built: BuiltCase, folder: Path) -> Material:
    """The case as a folder with its manifest."""
    return Snapshot.read(publish(built, folder))


def carried(built: BuiltCase) -> Material:
    """The case as a bag: every certificate and every list, without any order or name."""
    return Carried(certificates=[one.der for one in built.crosses], lists=[one.der for one in built.lists])


def outcome(built: BuiltCase, material: Material) -> VerifiedPath | PathRejected:
    """What we say of a case, given this material."""
    try:
        return verify(built.leaf, material, trust_of(built), built.at)
    except PathRejected as rejected:
        return rejected


def words_of(found: VerifiedPath | PathRejected) -> str:
    """The verdict in the words of cases."""
    if isinstance(found, VerifiedPath):
        return "valid"
    refused = "" if found.reason.value.startswith("cannot") else "refused because "
    return f"{refused}{found.reason} at step {found.step}"


class Ours:
    """The relying party."""

    def judge(self, cases: Sequence[BuiltCase], workspace: Path) -> Mapping[str, Verdict]:
        """Each case by itself."""
        found = {one.case.id: outcome(one, published(one, workspace / one.case.id)) for one in cases}
        return {case: Verdict(isinstance(one, VerifiedPath), words_of(one)) for case, one in found.items()}

    def version(self) -> str:
        """The product has one name and no older self to be compared with."""
        return "Kakehashi"
