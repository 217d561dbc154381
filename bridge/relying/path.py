"""Candidate paths from an anchor to a certificate, shortest first, within a budget.

Issuers are chosen by name and key identifier. An authorityKeyIdentifier's issuer and serial name one certificate of
the issuing key, often its self-signed one, which is no part of a path: they rank candidates and never exclude one
(RFC 4158 3.5.12). The search runs from the certificate towards the anchors, where the mesh branches least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.relying.rejection import BudgetSpent
from bridge.relying.snapshot import Snapshot
from ca.errors import BadInput
from ca.wire.facts import CertificateFacts

# Anchor, GPKI bridge, JPKI bridge, prefecture, holder are 5; with a link certificate at every CA, 8.
MAX_CERTIFICATES = 10
# A mesh of three levels with two generations each has some 50 paths; 5,000 steps take about 50 ms.
MAX_STEPS = 5_000
# Signatures of certificates and lists, each counted once: 20 paths that share nothing.
MAX_SIGNATURES = 100


@dataclass(slots=True)
class Budget:
    """How much work one verification may be; a hostile mesh ends in BudgetSpent, not in a long wait.

    Attributes:
        steps: How often the search may still look at an issuer.
        signatures: How many signatures may still be checked.
    """

    steps: int = MAX_STEPS
    signatures: int = MAX_SIGNATURES

    def step(self) -> None:
        """Count one look at an issuer, or raise BudgetSpent."""
        if self.steps <= 0:
            raise BudgetSpent("the search for paths", "has looked at as many issuers as it may")
        self.steps -= 1

    def signature(self) -> None:
        """Count one signature to check, or raise BudgetSpent."""
        if self.signatures <= 0:
            raise BudgetSpent("the search for paths", "has checked as many signatures as it may")
        self.signatures -= 1


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
    snapshot: Snapshot,
    anchors: Sequence[CertificateFacts],
    budget: Budget,
    unreadable: list[BadInput],
) -> Iterator[CandidatePath]:
    """All paths to the leaf whose steps fit, shortest first.

    Cross-certificates are the only intermediates. A published certificate that cannot be read is left aside and
    noted in ``unreadable``. Raises BudgetSpent.
    """
    found: list[tuple[CertificateFacts, ...]] = [(leaf,)]
    while found:
        longer: list[tuple[CertificateFacts, ...]] = []
        for part in found:
            for anchor in anchors:
                budget.step()
                if _may_precede(anchor, part):
                    yield CandidatePath((anchor, *part))
            if len(part) < MAX_CERTIFICATES - 1:
                longer += [(issuer, *part) for issuer in _issuers(part, snapshot, budget, unreadable)]
        found = longer


def _issuers(
    part: tuple[CertificateFacts, ...], snapshot: Snapshot, budget: Budget, unreadable: list[BadInput]
) -> list[CertificateFacts]:
    """Cross-certificates that may stand before this part of a path, those that its AKI names exactly first."""
    first = part[0]
    wanted = first.authority_key
    issuers = []
    for path in snapshot.crosses_to(first.issuer, wanted.key_identifier if wanted else None):
        budget.step()
        try:
            issuer = snapshot.certificate(path)
        except BadInput as error:
            unreadable.append(error)
            continue
        if _may_precede(issuer, part):
            issuers.append(issuer)
    if wanted and wanted.serial is not None:
        exact = (wanted.issuer, wanted.serial)
        issuers.sort(key=lambda issuer: (issuer.issuer, issuer.serial) != exact)
    return issuers


def _may_precede(issuer: CertificateFacts, part: tuple[CertificateFacts, ...]) -> bool:
    """Whether names and key identifiers fit, and no (name, key) comes twice, so that no path runs in a circle."""
    first = part[0]
    wanted = first.authority_key.key_identifier if first.authority_key else None
    return (
        issuer.subject == first.issuer
        and (None in (wanted, issuer.subject_key) or wanted == issuer.subject_key)
        and all((one.subject, one.public_key) != (issuer.subject, issuer.public_key) for one in part)
    )
