"""Candidate paths from an anchor to a certificate, shortest and likeliest first, within a budget.

Issuers are chosen by name and key identifier; the rest ranks them and never excludes one (RFC 4158 3.5): an
authorityKeyIdentifier's issuer and serial, for one, name a certificate of the issuing key, often its self-signed one,
which is no part of a path. The search runs from the certificate towards the anchors, where the mesh branches least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.relying.budget import Budget
from bridge.relying.finding.material import Material
from bridge.relying.policies import PolicyFacts, read_policies
from ca.errors import BadInput
from ca.profiles.extensions import ANY_POLICY
from ca.wire.facts import CertificateFacts


@dataclass(frozen=True, slots=True)
class CandidatePath:
    """Certificates that fit by name and key identifier, the anchor first; nothing else is checked yet."""

    certificates: tuple[CertificateFacts, ...]

    @property
    def last(self) -> int:
        """The step of the certificate to verify."""
        return len(self.certificates) - 1

    @property
    def anchor(self) -> CertificateFacts:
        """Step 0."""
        return self.certificates[0]

    def links(self) -> Iterator[tuple[int, CertificateFacts, CertificateFacts]]:
        """Each step but the anchor's, with its issuer and its certificate."""
        for step in range(1, len(self.certificates)):
            yield step, self.certificates[step - 1], self.certificates[step]


def candidates(
    leaf: CertificateFacts,
    material: Material,
    anchors: Sequence[CertificateFacts],
    budget: Budget,
    unreadable: list[BadInput],
    at: datetime | None = None,
) -> Iterator[CandidatePath]:
    """All paths to the leaf whose steps fit, shortest first, and of one length the likeliest first.

    What the material offers and cannot be read is left aside and noted in ``unreadable``, as often as it is offered.

    Args:
        leaf: The certificate to verify.
        material: Offers the certificates between.
        anchors: What a path may begin with.
        budget: How long a path may be, and how often an issuer may be looked at.
        unreadable: Takes what cannot be read.
        at: Certificates that are valid then are likelier; None ranks them alike.

    Raises:
        BudgetSpent: Candidates may be left.
    """
    search = _Search(material, budget, unreadable, at)
    parts = [_Part((leaf,), _NONE)]
    while parts:
        for part in parts:
            for anchor in anchors:
                budget.step()
                if _may_precede(anchor, part.certificates):
                    budget.path()
                    yield CandidatePath((anchor, *part.certificates))
        if len(parts[0].certificates) >= budget.limits.certificates - 1:
            return
        longer = (one for part in parts for one in search.longer(part))
        parts = sorted(longer, key=lambda part: part.doubt)


_Doubt = tuple[int, ...]
"""How many certificates of a part give each cause for doubt, the gravest cause first."""

_NONE: _Doubt = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Part:
    """The end of a path, which an anchor may precede, or another certificate."""

    certificates: tuple[CertificateFacts, ...]
    doubt: _Doubt


class _Search:
    """Finds the certificates that may precede a part of a path; what was read once is kept."""

    def __init__(
        self, material: Material, budget: Budget, unreadable: list[BadInput], at: datetime | None
    ) -> None:
        self._material = material
        self._budget = budget
        self._unreadable = unreadable
        self._at = at
        self._issuers: dict[bytes, list[CertificateFacts]] = {}
        self._policies: dict[bytes, PolicyFacts | None] = {}

    def longer(self, part: _Part) -> Iterator[_Part]:
        """The part with each certificate before it that fits."""
        first = part.certificates[0]
        for issuer in self._offered(first):
            if _may_precede(issuer, part.certificates):
                doubt = tuple(map(sum, zip(part.doubt, self._doubt(issuer, first), strict=True)))
                yield _Part((issuer, *part.certificates), doubt)

    def _offered(self, certificate: CertificateFacts) -> list[CertificateFacts]:
        """The readable issuers that the material offers, each once; each look at one is counted."""
        if certificate.der in self._issuers:
            for _ in self._issuers[certificate.der]:
                self._budget.step()
        else:
            self._issuers[certificate.der] = list(
                {issuer.der: issuer for issuer in self._read(certificate)}.values()
            )
        return self._issuers[certificate.der]

    def _read(self, certificate: CertificateFacts) -> Iterator[CertificateFacts]:
        for read in self._material.issuers(certificate):
            self._budget.step()
            try:
                yield read()
            except BadInput as error:
                self._unreadable.append(error)

    def _doubt(self, issuer: CertificateFacts, below: CertificateFacts) -> _Doubt:
        """Causes for doubt in a certificate that may precede another."""
        named = below.authority_key
        return (
            self._at is not None and not issuer.not_before <= self._at <= issuer.not_after,
            named is not None
            and named.serial is not None
            and (named.issuer, named.serial) != (issuer.issuer, issuer.serial),
            not self._share_policies(issuer, below),
            issuer.signed.algorithm != below.signed.algorithm,
        )

    def _share_policies(self, issuer: CertificateFacts, below: CertificateFacts) -> bool:
        """Whether some policy may go from the one certificate to the next; if that cannot be read, it may not."""
        above, asked = self._read_policies(issuer), self._read_policies(below)
        if above is None or asked is None or above.policies is None or asked.policies is None:
            return False
        passed = {theirs for ours in above.policies for theirs in above.mappings.get(ours, (ours,))}
        return ANY_POLICY in passed or ANY_POLICY in asked.policies or not passed.isdisjoint(asked.policies)

    def _read_policies(self, certificate: CertificateFacts) -> PolicyFacts | None:
        if certificate.der not in self._policies:
            try:
                found = read_policies(certificate)
                asked = len(found.policies or ()) + len(found.mappings)
                self._policies[certificate.der] = found if asked <= self._budget.limits.policies else None
            except BadInput:
                self._policies[certificate.der] = None
        return self._policies[certificate.der]


def _wanted(certificate: CertificateFacts) -> bytes | None:
    """The key identifier of the issuer, if the certificate names it."""
    return certificate.authority_key.key_identifier if certificate.authority_key else None


def _may_precede(issuer: CertificateFacts, part: tuple[CertificateFacts, ...]) -> bool:
    """Whether names and key identifiers fit, and no (name, key) comes twice, so that no path runs in a circle."""
    wanted = _wanted(part[0])
    return (
        issuer.subject == part[0].issuer
        and (None in (wanted, issuer.subject_key) or wanted == issuer.subject_key)
        and all((one.subject, one.public_key) != (issuer.subject, issuer.public_key) for one in part)
    )
