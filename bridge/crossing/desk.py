"""Where cross-certification with CAs that are not of this home is done: agreements, requests, and two officers.

Requests and answers travel as files. What a peer hands in, its request or the certificate that it has issued to us, is
examined by one officer and accepted by another, who has the same file in hand; it is held against the agreement both times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.crossing.agreement import Agreement, agreement_in_force, read_agreement
from bridge.crossing.asking import asking, request
from bridge.crossing.crosscert import certify_peer, cross_serial, issue_intended
from bridge.crossing.examining import (
    FitCertificate,
    FitRequest,
    Ours,
    fit_certificate,
    fit_request,
    fit_self_signed,
)
from bridge.crossing.handed_in import Handed
from bridge.crossing.plan import Plan
from ca.chance import Chance
from ca.errors import Conflict, NotPermitted
from ca.issuing import cycle
from ca.issuing.cycle import Intended, IssuedCertificate, Prepared
from ca.issuing.issuer import Issuers
from ca.journal.crossing import (
    AcceptanceEntry,
    AgreementEndEntry,
    AgreementEntry,
    ExaminationEntry,
    PeerKeyEntry,
)
from ca.model import GenerationId
from ca.store import agreements, certificates, officers, peers
from ca.store.agreements import AgreementRecord, Examination, HandedIn
from ca.store.certificates import CertificateState
from ca.store.recording import Recording
from ca.wire.names import encode_name


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of an acceptance: a certificate that was issued for the peer, or one of the peer's that was taken."""

    examination: int
    issued: IssuedCertificate | None = None
    received: FitCertificate | None = None


@dataclass(frozen=True, slots=True)
class CrossingDesk:
    """Cross-certification with other CAs, in one home."""

    issuers: Issuers
    plan: Plan
    chance: Chance

    def agree(
        self,
        text: str,
        place: str,
        self_signed: Sequence[tuple[str, bytes]],
        officer_id: str,
        *,
        at: datetime,
    ) -> Agreement:
        """Write an agreement down, and the peer's own certificates for its keys if it gave some.

        Args:
            text: The agreement's file.
            place: What messages call it.
            self_signed: What messages call it, and the DER, of each of those certificates.
            officer_id: An operator of the centre.
            at: Now.

        Raises:
            BadInput: The agreement, or a certificate, is not one.
            Conflict: Another agreement has this id.
            NotFound, NotPermitted: The officer is unknown, or no operator of the centre.
        """
        agreement = read_agreement(text, place, self.plan)
        keys = [
            (encoded, fit_self_signed(encoded, name, agreement, at, self.plan.legacy))
            for name, encoded in self_signed
        ]
        with self.issuers.stores.recording() as recording:
            officer = officers.operator_of_centre(recording.nation, officer_id)
            self._require_new(recording, agreement)
            recording.note(
                AgreementEntry(
                    agreement=agreement.id,
                    ours=agreement.ours,
                    peer=agreement.peer,
                    begins=agreement.begins,
                    ends=agreement.ends,
                    text=text,
                    officer=officer.id,
                    at=at,
                )
            )
            for encoded, fit in keys:
                _know(recording, agreement, fit, at, encoded)
        return agreement

    def end(self, agreement_id: str, officer_id: str, *, at: datetime) -> AgreementRecord:
        """End an agreement before its time. What was issued by it is withdrawn on its own (``withdrawal``)."""
        with self.issuers.stores.recording() as recording:
            officer = officers.operator_of_centre(recording.nation, officer_id)
            found = agreements.find(recording.nation, agreement_id)
            if found.ended_at is not None:
                raise Conflict(f"agreement {found.id}", "was ended before")
            recording.note(AgreementEndEntry(found.id, officer.id, at))
            return agreements.find(recording.nation, agreement_id)

    def request(self, agreement_id: str, *, key: GenerationId | None = None, at: datetime) -> bytes:
        """A request in DER for the peer to certify the key that issues for us, or one that is about to.

        Args:
            agreement_id: What was agreed.
            key: Our key, if not the one that issues: one on its way, whose status is served already. Whoever reaches
                us by the peer's word does so then on the day of the cut-over too.
            at: Now.

        Raises:
            NotFound, Conflict: There is no such agreement, or it is not in force; or the key does not stand so.
        """
        agreement = self._in_force(agreement_id, at)
        return request(asking(self.issuers, agreement, key), agreement, at)

    def examine(
        self, agreement_id: str, handed: Handed, officer_id: str, *, at: datetime
    ) -> tuple[Examination, Prepared | FitCertificate]:
        """Hold a file against the agreement, as the first officer.

        Returns:
            The examination, and the certificate: the peer's, or as it would be issued now on the request.

        Raises:
            BadInput: The file is none that can be read, or deviates from the agreement (``Deviates`` tells how).
            NotFound, Conflict: No such agreement; not in force; the file was examined or taken before.
            NotPermitted: The officer is no operator of the centre.
            LintRefused: What would be issued breaks a rule.
        """
        agreement = self._in_force(agreement_id, at)
        with self.issuers.stores.recording() as recording:
            officer = officers.operator_of_centre(recording.nation, officer_id)
            fit = self._fit(recording, agreement, handed, at)
            before = agreements.examined(recording.nation, agreement.id, fit.digest)
            issuing = self.issuers.issuing(agreement.ours).id
            if before is not None and before.accepted_at is None and before.ours == issuing:
                raise Conflict(
                    handed.place,
                    f"was examined by {before.officer} already",
                    remedy="Another operator of the centre accepts it",
                )
            if before is not None and handed.what is HandedIn.CERTIFICATE:
                raise Conflict(handed.place, "was accepted before")
            number = agreements.next_examination(recording.nation)
            found: Prepared | FitCertificate
            if isinstance(fit, FitRequest):
                peer = _know(recording, agreement, fit, at)
                found = self._prepare(agreement, fit, peer, number, at)
                ours = found.record.id.generation
            else:
                found, ours, peer = fit, fit.subject, fit.issuer
            recording.note(
                ExaminationEntry(
                    number=number,
                    agreement=agreement.id,
                    what=handed.what,
                    ours=str(ours),
                    peer=str(peer),
                    digest=fit.digest.hex(),
                    officer=officer.id,
                    at=at,
                )
            )
            examined = agreements.examined(recording.nation, agreement.id, fit.digest)
            assert examined is not None, "it has just been written down"
        return examined, found

    def accept(self, agreement_id: str, handed: Handed, officer_id: str, *, at: datetime) -> Accepted:
        """Accept a file that another officer has examined: issue on a request, or take the peer's certificate.

        The officer who has accepted a request gets what was issued on it as often as is asked.

        Raises:
            NotPermitted: The officer is no operator of the centre, or examined it too.
            Conflict: Nobody has examined it, or it was accepted before; says what was issued on it.
            BadInput, NotFound, LintRefused: As ``examine`` raises; it is held against the agreement again.
        """
        agreement = self._in_force(agreement_id, at)
        with self.issuers.stores.recording() as recording:
            officer = officers.operator_of_centre(recording.nation, officer_id)
            fit = self._fit(recording, agreement, handed, at)
            examined = _examined(recording, agreement, handed, fit.digest)
            if examined.accepted_at is not None:
                return Accepted(examined.number, issued=_again(recording, examined, handed, officer.id))
            if officer.id == examined.officer:
                raise NotPermitted(
                    f"officer {officer.id}", "has examined it, and another one has to accept it"
                )
            if isinstance(fit, FitCertificate):
                recording.note(
                    AcceptanceEntry(
                        number=examined.number,
                        officer=officer.id,
                        at=at,
                        received=fit.encoded,
                        serial=fit.serial.octets.hex(),
                        not_before=fit.period.not_before,
                        not_after=fit.period.not_after,
                    )
                )
                return Accepted(examined.number, received=fit)
            prepared = self._prepare(agreement, fit, examined.peer, examined.number, at)
            if prepared.issuer.id != examined.ours:
                raise Conflict(
                    handed.place,
                    f"was examined for {examined.ours}, and {prepared.issuer.id} signs now",
                    remedy="Examine it again",
                )
            accept_intended(recording, examined.number, prepared, examined.peer, officer.id, at)
        return Accepted(examined.number, issued=issue_intended(self.issuers, [prepared], at)[0])

    def _require_new(self, recording: Recording, agreement: Agreement) -> None:
        """Raise Conflict if the agreement's id is taken, or its peer's id is that of a CA of another name."""
        for one in agreements.everything(recording.nation):
            if one.id == agreement.id:
                raise Conflict(
                    f"agreement {agreement.id}", "is written down already", remedy="Give a new one a new id"
                )
            before = read_agreement(one.text, f"agreement {one.id}", self.plan)
            if (before.peer == agreement.peer) != (before.name.folded() == agreement.name.folded()):
                raise Conflict(
                    f"agreement {agreement.id}",
                    f"has the peer's id or its name from agreement {one.id}, but not both",
                )

    def _in_force(self, agreement_id: str, at: datetime) -> Agreement:
        with self.issuers.stores.nation.reading() as connection:
            found = agreements.find(connection, agreement_id)
        return agreement_in_force(found, self.plan, at)

    def _fit(
        self, recording: Recording, agreement: Agreement, handed: Handed, at: datetime
    ) -> FitRequest | FitCertificate:
        if handed.what is HandedIn.REQUEST:
            return fit_request(handed.encoded, handed.place, agreement, self.plan.legacy)
        ours = Ours.read(
            recording.of(agreement.ours), agreement.ours, self.plan.practices[agreement.ours].name
        )
        theirs = peers.all_generations(recording.nation)
        return fit_certificate(
            handed.encoded,
            handed.place,
            agreement,
            ours,
            [one for one in theirs if one.generation.authority == agreement.peer],
            at,
            self.plan.legacy,
        )

    def _prepare(
        self, agreement: Agreement, fit: FitRequest, peer: GenerationId, number: int, at: datetime
    ) -> Prepared:
        issuer = self.issuers.issuing(agreement.ours)
        serial = cross_serial(issuer.id, peer, self.chance, f"examination {number}")
        return certify_peer(issuer, fit.key(peer), agreement, serial=serial, at=at)


def accept_intended(
    recording: Recording, number: int, prepared: Prepared, peer: GenerationId, officer: str, at: datetime
) -> None:
    """Write down that an examination was accepted, and the intent of what is issued by it."""
    record = prepared.record
    recording.note(
        AcceptanceEntry(
            number=number,
            officer=officer,
            at=at,
            certificate=str(record.id),
            tbs=hashlib.sha256(record.encoded).hexdigest(),
        )
    )
    cycle.intend(recording, [Intended(prepared, crosses=peer)], at)


def _examined(recording: Recording, agreement: Agreement, handed: Handed, digest: bytes) -> Examination:
    found = agreements.examined(recording.nation, agreement.id, digest)
    if found is None or found.what is not handed.what:
        raise Conflict(handed.place, "was not examined", remedy="One examines it, another accepts it")
    return found


def _again(recording: Recording, examined: Examination, handed: Handed, officer: str) -> IssuedCertificate:
    """What was issued on a request, for the officer who has accepted it; Conflict for others, or if nothing was."""
    made = examined.certificate
    for one in certificates.several(recording, [] if made is None else [made]):
        if one.state is CertificateState.ISSUED and officer == examined.second_officer:
            return IssuedCertificate(one, one.encoded)
    remedy = None if made is None else f"{made} was issued on it; that officer gets it again"
    raise Conflict(handed.place, f"was accepted before, by {examined.second_officer}", remedy=remedy)


def _know(
    recording: Recording,
    agreement: Agreement,
    fit: FitRequest,
    at: datetime,
    self_signed: bytes | None = None,
) -> GenerationId:
    """What a key of the peer's is called; from now on, if it was not known."""
    known = peers.with_key(recording.nation, agreement.peer, fit.public_key)
    if known is None or self_signed is not None:
        generation = known or peers.next_generation(recording.nation, agreement.peer)
        name = encode_name(fit.name)
        recording.note(PeerKeyEntry(str(generation), name, fit.public_key, at, self_signed))
        return generation
    return known
