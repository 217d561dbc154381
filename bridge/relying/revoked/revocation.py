"""Is a certificate of a path revoked? Lists are asked, with their delta lists (RFC 5280 6.3), or else answers (RFC 6960).

Lists come first: they are kept, so that they tell of the past too. Answers are asked where no list speaks. A verifier
that cannot know does not guess: if nothing speaks, that is CANNOT_TELL and never valid. The anchor is not asked about:
its trust is a decision, taken back by taking the anchor away.

Of a certificate that is asked about, id-pkix-ocsp-nocheck says nothing: it is for who has an answer in hand and would
have to ask about its signer (RFC 6960 4.2.2.2.1). It counts there alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Material, Reading
from bridge.relying.finding.points import Point
from bridge.relying.path import CandidatePath
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.revoked.answers import read_answer
from bridge.relying.revoked.deltas import Freshened
from bridge.relying.revoked.evidence import NOTHING, AnswerUsed, DeltaUsed, Evidence, ListUsed
from bridge.relying.revoked.lists import Question
from bridge.relying.revoked.signers import PathSigners, SignerJudge
from bridge.relying.revoked.status import EntryUnreadable, ask
from bridge.relying.signatures import Signatures
from bridge.relying.trust import Trust
from ca.errors import BadInput, KeyRefused
from ca.model import Revocation
from ca.profiles import extensions as ext
from ca.rules.revocation import status_of
from ca.wire.facts import CertificateFacts

_STAMP = "%Y-%m-%dT%H:%M:%SZ"


class Inquiry:
    """Asks about the certificates of candidate paths, for one verification."""

    def __init__(self, material: Material, trust: Trust, at: datetime, signatures: Signatures) -> None:
        self._material = material
        self._at = at
        self._signatures = signatures
        self._judge = SignerJudge(material, trust, at, signatures, self.check)

    def check(self, path: CandidatePath) -> Evidence:
        """Raise PathRejected if a certificate was revoked at the moment, or if that cannot be told; else what was asked.

        Lists are those that were the newest at the moment: what was revoked later, or published later, does not count.
        Raises BudgetSpent.
        """
        found = NOTHING
        for step in range(1, len(path.certificates)):
            found += self._require_good(path, step)
        return found

    def _require_good(self, path: CandidatePath, step: int) -> Evidence:
        certificate = path.certificates[step]
        try:
            revocation, evidence = self._told(path, step)
        except (BadInput, KeyRefused) as error:  # KeyRefused: a list's signature or its suite
            raise PathRejected(
                error.place,
                f"cannot tell whether {certificate.place} is revoked: {error.problem}",
                step=step,
                reason=Reason.CANNOT_TELL,
                clause=error.clause or "RFC 5280 6.3.3",
            ) from error
        status = status_of(certificate.not_before, revocation, self._at)
        if status.revocation is not None:
            raise PathRejected(
                certificate.place,
                f"revoked since {status.revocation.revoked_at:{_STAMP}}, {status.revocation.reason.word}",
                step=step,
                reason=Reason.REVOKED,
                clause="RFC 5280 6.3.3",
                revocation=status.revocation,
            )
        return evidence

    def _told(self, path: CandidatePath, step: int) -> tuple[Revocation | None, Evidence]:
        """What speaks for the certificate of this step, and what it says; else why no list speaks."""
        try:
            return self._by_lists(path, step)
        except EntryUnreadable:
            raise
        except (BadInput, KeyRefused):
            answered = self._by_answers(path, step)
            if answered is None:
                raise
            return answered

    def _by_lists(self, path: CandidatePath, step: int) -> tuple[Revocation | None, Evidence]:
        issuer, certificate = path.certificates[step - 1 : step + 1]

        def deltas(complete: IndexedList, points: tuple[Point, ...]) -> Iterable[Reading[IndexedList]]:
            return self._material.deltas(complete, points, self._at)

        lists = self._material.lists(certificate, issuer, self._at)
        signers = PathSigners(path, step, self._judge)
        asked = Question.of(certificate, issuer, self._at)
        answer = ask(asked, lists, deltas, signers, self._signatures)
        found = NOTHING
        for one in answer.lists:
            found += one.signer.evidence.at_step(step)
            found += Evidence(lists=(self._used(step, one),))
        return answer.revocation, found

    def _used(self, step: int, asked: Freshened) -> ListUsed:
        complete, without = asked.complete.facts, asked.without
        delta = None
        if asked.delta is not None:
            added = asked.delta.facts
            delta = DeltaUsed(added.place, added.number, added.this_update, added.der)
        return ListUsed(
            self._material.generation_of(asked.signer.certificate),
            complete.place,
            complete.number,
            complete.this_update,
            delta,
            None if without is None else str(without),
            complete.der,
            step,
            tuple(certificate.der for certificate in asked.signer.path),
        )

    def _by_answers(self, path: CandidatePath, step: int) -> tuple[Revocation | None, Evidence] | None:
        """What an answer says that may speak, or None if none may; one that says revoked counts before the others."""
        good = None
        issuer, certificate = path.certificates[step - 1 : step + 1]
        for number, read in enumerate(self._material.answers(certificate, issuer), 1):
            self._judge.look()
            place = f"answer {number} for {certificate.place}"
            try:
                der = read()
                said = read_answer(der, place, certificate, issuer, self._at, self._signatures)
                _require_other(said.responder, certificate)
                found = self._of_responder(path, step, said.responder)
            except (BadInput, KeyRefused, PathRejected):
                continue
            generation = self._material.generation_of(issuer)
            used = AnswerUsed(generation, place, said.this_update, said.next_update, der, step)
            told = said.revocation, found + Evidence(answers=(used,))
            if said.revocation is not None:
                return told
            good = good or told
        return good

    def _of_responder(self, path: CandidatePath, step: int, responder: CertificateFacts | None) -> Evidence:
        """Raise PathRejected, BadInput or KeyRefused unless the responder's certificate is valid and not revoked.

        Lists alone tell that: an answer about who answers would run in a circle (RFC 6960 4.2.2.2.1).
        """
        if responder is None:
            return NOTHING
        beside = CandidatePath((*path.certificates[:step], responder))
        self._judge.validate(beside)
        if responder.has(ext.OcspNoCheck.oid):
            return NOTHING
        revocation, found = self._by_lists(beside, step)
        if status_of(responder.not_before, revocation, self._at).revocation is not None:
            raise BadInput(responder.place, "is revoked", clause="RFC 6960 4.2.2.2.1")
        return found


def _require_other(responder: CertificateFacts | None, certificate: CertificateFacts) -> None:
    """Raise BadInput if the certificate's own key says that it is good: whoever has stolen it says so too."""
    if responder is not None and responder.public_key == certificate.public_key:
        raise BadInput(certificate.place, "only its own key tells of it", clause="RFC 6960 4.2.2.2.1")
