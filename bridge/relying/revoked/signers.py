"""Who may sign a list beside the certificate's issuer, and the path that proves it (RFC 5280 6.3.3 (f)).

Such a path begins at the same anchor, and none of its certificates may be revoked, which lists tell again. Lists whose
signers are told of by one another prove nothing; the one exception is who names itself as the issuer of its own list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Material, Reading
from bridge.relying.path import CandidatePath, candidates
from bridge.relying.rejection import PathRejected
from bridge.relying.revoked.evidence import Evidence
from bridge.relying.revoked.lists import ListSigner, Question
from bridge.relying.signatures import Signatures
from bridge.relying.trust import ListKeys, PolicyDemand, Trust
from bridge.relying.validation import validate
from ca.errors import BadInput
from ca.profiles.extensions import KeyUse
from ca.wire.facts import CertificateFacts

_CLAUSE = "RFC 5280 6.3.3 (f)"

# A signer whose revocation a further signer tells of, and so on: real ones stand on their CA alone.
_DEPTH = 3

_ANY_POLICY = PolicyDemand(explicit=False, any_policy=True)


class SignerJudge:
    """Judges the paths of those who sign lists, within the budget of the verification that asks."""

    def __init__(
        self,
        material: Material,
        trust: Trust,
        at: datetime,
        signatures: Signatures,
        check: Callable[[CandidatePath], Evidence],
    ) -> None:
        """Judge at this moment; ``check`` raises PathRejected if a certificate of a path is revoked."""
        self.material = material
        self.list_keys = trust.list_keys
        # What a list's signer is certified for is said by its keyUsage; no policy is asked of it.
        self._trust = replace(trust, policies=frozenset(), demand=_ANY_POLICY)
        self._at = at
        self._signatures = signatures
        self._check = check
        self._proving: list[bytes] = []
        self._proven: dict[tuple[bytes, ...], ListSigner] = {}

    def validate(self, path: CandidatePath) -> None:
        """Raise PathRejected unless the path is valid for whatever policy, revocation aside; BudgetSpent."""
        validate(path, self.material.marking, self._trust, self._at, self._signatures)

    def look(self) -> None:
        """Count one look at what is offered, or raise BudgetSpent."""
        self._signatures.budget.step()

    def prove(self, signer: CertificateFacts, above: tuple[CertificateFacts, ...]) -> ListSigner:
        """Find a valid path from the anchor above, or raise BadInput saying why there is none; BudgetSpent.

        Where lists are of the same generation, a CA above has to have certified the signer itself: any other CA below
        the anchor could certify a signer of any name.
        """
        key = signer.der, *(certificate.der for certificate in above)
        if key in self._proven:
            return self._proven[key]
        if signer.der in self._proving or len(self._proving) == _DEPTH:
            raise BadInput(signer.place, "signers of lists tell of one another", clause=_CLAUSE)
        self._proving.append(signer.der)
        try:
            self._proven[key] = self._search(signer, above)
        finally:
            self._proving.pop()
        return self._proven[key]

    def _search(self, signer: CertificateFacts, above: tuple[CertificateFacts, ...]) -> ListSigner:
        best: PathRejected | None = None
        budget = self._signatures.budget
        trusted = {(one.subject, one.public_key) for one in above}
        for path in candidates(signer, self.material, [above[0]], budget, [], self._at):
            parent = path.certificates[-2]
            if (
                self.list_keys is ListKeys.SAME_GENERATION
                and (parent.subject, parent.public_key) not in trusted
            ):
                continue
            try:
                self.validate(path)
                evidence = self._check(path)
            except PathRejected as rejected:
                best = rejected if best is None else rejected.more_telling_than(best)
            else:
                return ListSigner(signer, path.certificates[1:], evidence)
        problem = "no path leads to it by a CA of this one" if best is None else best.problem
        raise BadInput(
            signer.place if best is None else best.place, f"as a list's signer: {problem}", clause=_CLAUSE
        )


class PathSigners:
    """Those who may sign lists about one certificate of a path."""

    def __init__(self, path: CandidatePath, step: int, judge: SignerJudge) -> None:
        self._above = path.certificates[:step]
        self._judge = judge

    def offered(self, found: IndexedList, asked: Question) -> Iterator[Reading[CertificateFacts]]:
        """The certificates above it in the path, then whatever the material has for the list's issuer."""
        for above in self._above:
            if above is not asked.issuer:
                yield partial(self._read, lambda above=above: above, found, asked)  # type: ignore[misc]
        for read in self._judge.material.signers(found):
            self._judge.look()
            yield partial(self._read, read, found, asked)

    def _read(self, read: Reading[CertificateFacts], found: IndexedList, asked: Question) -> CertificateFacts:
        """Read what is offered, or raise BadInput; another generation's lists do not tell of this one's certificates."""
        signer = read()
        same_name = signer.subject == asked.certificate.issuer
        signs_certificates = signer.key_usage is None or KeyUse.KEY_CERT_SIGN in signer.key_usage
        if (
            self._judge.list_keys is ListKeys.SAME_GENERATION
            and same_name
            and signs_certificates
            and signer.public_key != asked.issuer.public_key
        ):
            raise BadInput(found.facts.place, "it is of another key of its issuer", clause="RFC 5280 5.2.1")
        return signer

    def proven(self, signer: CertificateFacts, found: IndexedList, asked: Question) -> ListSigner:
        """Raise BadInput unless a path from the same anchor makes it a signer; BudgetSpent."""
        for step, above in enumerate(self._above):
            if above.der == signer.der:
                return ListSigner(signer, self._above[1 : step + 1])
        if signer.der == asked.certificate.der:
            return self._of_itself(signer, found, asked)
        return self._judge.prove(signer, self._above)

    def _of_itself(self, signer: CertificateFacts, found: IndexedList, asked: Question) -> ListSigner:
        """Its issuer may have named it as the one whose list tells of it: then nothing else can."""
        if any(found.facts.issuer in (point.issuers or ()) for point in asked.points):
            return ListSigner(signer, (*self._above[1:], signer))
        raise BadInput(signer.place, "only its own list tells whether it is revoked", clause=_CLAUSE)
