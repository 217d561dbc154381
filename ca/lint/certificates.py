"""The door for certificates: nothing is signed that did not pass ``check_certificate``."""

from __future__ import annotations

from ca.lint import access, extensions, fields, keys, policies, profile, residents
from ca.lint.candidate import Candidate, CertificateRule, IssuerFacts
from ca.lint.rules import findings, refusal
from ca.profiles.drafting import CertificateDraft

__all__ = ["RULES", "IssuerFacts", "check_certificate"]

RULES: tuple[CertificateRule, ...] = (
    *fields.BOOK,
    *profile.BOOK,
    *extensions.BOOK,
    *access.BOOK,
    *keys.BOOK,
    *policies.BOOK,
    *residents.BOOK,
)
"""Every rule about certificates, in the order in which findings are told."""


def check_certificate(draft: CertificateDraft, issuer: IssuerFacts) -> None:
    """Look at a draft before it becomes bytes.

    Raises:
        LintRefused: With every finding, each after its rule's name; the clause is the first one's.
    """
    if found := findings(RULES, Candidate.of(draft, issuer)):
        raise refusal(f"{draft.kind} certificate {draft.serial}", found)
