"""The door for certificates: nothing is signed that did not pass ``check_certificate``."""

from __future__ import annotations

from ca.lint import access, extensions, fields, keys, policies, practice, profile, residents
from ca.lint.candidate import Candidate, CertificateRule, IssuerFacts
from ca.lint.rules import findings, refusal
from ca.profiles.drafting import CertificateDraft
from ca.profiles.lists import ListPlace

__all__ = ["RULES", "IssuerFacts", "check_certificate"]

RULES: tuple[CertificateRule, ...] = (
    *fields.BOOK,
    *profile.BOOK,
    *extensions.BOOK,
    *access.BOOK,
    *keys.BOOK,
    *policies.BOOK,
    *practice.BOOK,
    *residents.BOOK,
)
"""Every rule about certificates, in the order in which findings are told."""


def check_certificate(draft: CertificateDraft, issuer: IssuerFacts, place: ListPlace) -> None:
    """Look at a draft before it becomes bytes.

    Args:
        draft: The certificate.
        issuer: Whose it will be.
        place: The list in which it would be revoked.

    Raises:
        LintRefused: With every finding, each after its rule's name; the clause is the first one's.
    """
    if found := findings(RULES, Candidate.of(draft, issuer, place)):
        raise refusal(f"{draft.kind} certificate {draft.serial}", found)
