"""Certificates of one series: one issuer, one kind, one place of lists, and what all of them say alike.

The straight way is ``check_certificate`` and ``tbs_certificate`` over a draft of its profile. A series goes that way
with its first certificate; after it, rules that could find nothing new are left out, and octets that could not
differ are taken from a template. What it gives is what the straight way gives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ca.lint.candidate import IssuerFacts, Part
from ca.lint.compiled import CompiledLint
from ca.model import Period, Serial
from ca.profiles.drafting import CertificateDraft, CertificateProfile, Subject
from ca.profiles.extensions import CertificateExtension
from ca.profiles.lists import ListPlace
from ca.suites import Suite
from ca.wire.templates import TbsTemplate


@dataclass(frozen=True, slots=True)
class Linted:
    """A draft that kept every rule, and its octets. Made by a series, and by ``cycle.prepare`` of a single draft."""

    draft: CertificateDraft
    tbs: bytes


class Series:
    """A series of certificates of one issuer. Safe to use from several threads.

    Args:
        profile: The profile of the kind.
        suite: What they are signed under.
        issuer: Whose they are.
        place: The list in which they would be revoked.
        contents: The extension values that all of them have, besides those that the profile fixes.
    """

    def __init__(
        self,
        profile: CertificateProfile,
        *,
        suite: Suite,
        issuer: IssuerFacts,
        place: ListPlace,
        contents: Iterable[CertificateExtension],
    ) -> None:
        self._profile = profile.narrowed(contents)
        self._suite = suite
        self._issuer = issuer
        self._place = place
        self._begun: tuple[CompiledLint, TbsTemplate] | None = None

    def certificate(
        self, *, serial: Serial, period: Period, subject: Subject, contents: Collection[CertificateExtension]
    ) -> Linted:
        """A linted certificate of this series; ``contents`` are the extension values that are its own.

        Raises:
            LintRefused: It breaks a rule.
        """
        draft = self._profile.draft(
            serial=serial,
            suite=self._suite,
            issuer=self._issuer.name,
            period=period,
            subject=subject,
            contents=contents,
        )
        if self._begun is None:
            types = frozenset(map(type, contents))
            lint = CompiledLint.begin(draft, self._issuer, self._place, {*Part, *types})
            self._begun = lint, TbsTemplate.of(draft, types)
        lint, template = self._begun
        lint.check(draft)
        return Linted(draft, template.fill(draft))
