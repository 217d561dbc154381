"""The policies of an edition under one marking: from the names in the file to object identifiers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.crossing.edition import Edition
from bridge.manifest import Marking
from ca.errors import EditionRefused
from ca.profiles.extensions import ANY_POLICY


@dataclass(frozen=True, slots=True)
class Policies:
    """Reads policies by their names. Every method raises EditionRefused saying where a name stands that is none."""

    edition: Edition
    marking: Marking

    def read(self, names: Iterable[str], where: str) -> tuple[str, ...]:
        """The object identifiers of at least one policy, none twice."""
        found = tuple(self._one(name, where) for name in names)
        if not found or len(set(found)) < len(found):
            raise EditionRefused(where, "names no policy, or one twice", clause="RFC 5280 4.2.1.4")
        return found

    def mapping(self, pair: tuple[str, str], where: str) -> tuple[str, str]:
        """A pair of policies of two domains."""
        ours, theirs = (self._one(name, where) for name in pair)
        first, second = (self.edition.policies[name].domain for name in pair)
        if first == second:
            raise EditionRefused(where, f"maps a policy within the domain {first}")
        return ours, theirs

    def _one(self, name: str, where: str) -> str:
        """The object identifier of a policy under this marking. anyPolicy is none: it would map to everything."""
        policy = self.edition.policies.get(name)
        if policy is None and name in {ANY_POLICY, "anyPolicy"}:
            raise EditionRefused(
                where,
                "anyPolicy is not a policy to certify under, nor to map from or to",
                clause="RFC 5280 4.2.1.5",
            )
        if policy is None:
            known = ", ".join(self.edition.policies)
            raise EditionRefused(where, f"{name!r} is not a policy", remedy=f"One of: {known}")
        found: str = getattr(policy, self.marking)
        return found
