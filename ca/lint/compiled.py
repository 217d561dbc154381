"""Lint for a series: the first certificate keeps every rule, the others again those that what differs may break.

A series is of one kind, suite, issuer and list, with the same extensions in the same order and equally critical; its
certificates differ in the parts that vary, and in nothing else. A rule that reads none of these parts would find in
every certificate what it found in the first: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from ca.lint.candidate import Candidate, CertificateRule, IssuerFacts, Varying
from ca.lint.certificates import RULES, check_certificate
from ca.lint.rules import findings, refusal
from ca.model import CertificateKind
from ca.profiles.drafting import CertificateDraft
from ca.profiles.lists import ListPlace


@dataclass(frozen=True, slots=True)
class CompiledLint:
    """What is left to look at in a series whose first certificate kept every rule. Made by ``begin`` alone.

    Attributes:
        issuer: Whose certificates these are.
        place: The list in which they would be revoked.
        varying: The parts that differ from the first certificate.
        rules: Those that look at one of these parts.
    """

    issuer: IssuerFacts
    place: ListPlace
    varying: frozenset[Varying]
    rules: tuple[CertificateRule, ...]

    @classmethod
    def begin(
        cls, first: CertificateDraft, issuer: IssuerFacts, place: ListPlace, varying: Iterable[Varying]
    ) -> Self:
        """Check the first certificate of a series by every rule.

        Raises:
            LintRefused: It breaks a rule.
        """
        check_certificate(first, issuer, place)
        parts = frozenset(varying)
        return cls(issuer, place, parts, rules_for(first.kind, parts))

    def check(self, draft: CertificateDraft) -> None:
        """Look at another certificate of the series; the caller knows that it differs in the varying parts alone.

        Raises:
            LintRefused: As ``check_certificate`` would.
        """
        if found := findings(self.rules, Candidate.of(draft, self.issuer, self.place, self.varying)):
            raise refusal(f"{draft.kind} certificate {draft.serial}", found)


def rules_for(kind: CertificateKind, varying: frozenset[Varying]) -> tuple[CertificateRule, ...]:
    """The rules about this kind whose findings may change with these parts."""
    return tuple(
        replace(rule, look=rule.look_inside)
        for rule in RULES
        if kind in rule.kinds and (rule.reads is None or rule.reads & varying)
    )
