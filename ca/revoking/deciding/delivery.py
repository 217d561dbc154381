"""What the last step of a case does to certificates: which must be good, and which end by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ca.errors import Conflict
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import CertificateId, RevocationReason
from ca.rules.registration import Case, State
from ca.rules.residents import Standing, standing_of
from ca.rules.revocation import CHANGES
from ca.store import applications, certificates, lives
from ca.store.applications import Application
from ca.store.certificates import CertificateState
from ca.store.connections import Connections
from ca.store.lives import Life
from ca.store.recording import Recording
from ca.store.search import holder_certificates


def signed_of(connections: Connections, found: Application) -> list[Life]:
    """The certificates of a case; of those that were never signed nobody can have any."""
    signed = [
        record.id
        for record in certificates.several(connections, found.certificates)
        if record.state is CertificateState.ISSUED
    ]
    return lives.of(connections, signed)


def require_good(own: Sequence[Life], case: Case, at: datetime) -> None:
    """Raise Conflict if any of a case's certificates has ended since it was issued, is on hold, or has expired."""
    for life in own:
        standing = _standing(life)
        if standing is not Standing.LIVE or life.not_after < at.replace(microsecond=0):
            said = "has expired" if standing is Standing.LIVE else f"is {standing}"
            reason = "" if life.reason is None or standing is Standing.LIVE else f" ({life.reason.word})"
            raise Conflict(
                f"case {case.id}",
                f"its {life.kind} certificate {said}{reason} since it was issued",
                remedy="Discard the case; if the holder still may, receive a new application",
            )


def predecessors(recording: Recording, found: Application, own: Sequence[Life]) -> list[Life]:
    """What a hand-over ends: of each kind what the holder was issued before, a post what its application named.

    A post may have several certificates, one for each desk, so what a renewal does not name stays. What it names must
    not have ended meanwhile, but for a compromise: whatever else ends it either has given the post a newer one (another
    renewal was quicker, and this would be a second key) or has taken it from the post (it was abolished). After a
    compromise, such as a lost medium, the successor is what is wanted.

    Raises:
        Conflict: The holder was handed a newer one of the kind meanwhile; or what a post renews has ended.
    """
    issued = {life.kind: life for life in own}
    if found.holder is None:
        renewed = lives.of(recording, [] if found.reception is None else found.reception.renews)
        _require_renewable(found.case, renewed)
        return renewed
    mine = {life.certificate for life in own}
    held = [one.certificate for one in holder_certificates(recording, found.holder) if one.kind in issued]
    before: list[Life] = []
    for life in lives.of(recording, [certificate for certificate in held if certificate not in mine]):
        if life.intended_at <= issued[life.kind].intended_at:
            before.append(life)
        elif _standing(life) is Standing.LIVE and _in_hand(recording, life.certificate):
            raise Conflict(
                f"case {found.case.id}",
                f"the holder has a newer {life.kind} certificate",
                remedy="Discard the case: the newer certificate stays",
            )
    return before


def _require_renewable(case: Case, renewed: Sequence[Life]) -> None:
    for life in renewed:
        if _standing(life) is Standing.ENDED and life.reason is not None:
            raise Conflict(
                f"case {case.id}",
                f"what it renews, {life.certificate}, has ended ({life.reason.word})",
                remedy="Discard the case; if the post still needs a certificate, receive a new application",
            )


def _in_hand(recording: Recording, certificate: CertificateId) -> bool:
    """Whether a holder has a certificate: what came of no case is given out as it is issued."""
    (record,) = certificates.several(recording, [certificate])
    if record.application is None:
        return True
    return applications.find(recording.nation, record.application).case.state is State.DELIVERED


def end_by_case(
    recording: Recording,
    case: Case,
    ending: Sequence[Life],
    reason: RevocationReason,
    rule: str,
    at: datetime,
) -> tuple[CertificateId, ...]:
    """End those of these certificates that have neither ended nor expired, by a step of a case; gives what ended.

    No event of the register does it: the one that tells of a renewal would end what was decided on before it, and so
    the renewed certificate too, and one that tells of a discard the holder's others.
    """
    moment = at.replace(microsecond=0)
    orders = [
        OrderEntry(str(life.certificate), reason.word, moment, life.scope, None, life.not_after)
        for life in ending
        if reason in CHANGES[life.reason] and life.not_after >= moment
    ]
    if orders:
        recording.note(RevocationEntry(f"case {case.id}", rule, at, tuple(orders)))
    return tuple(CertificateId.parse(order.certificate) for order in orders)


def _standing(life: Life) -> Standing:
    return standing_of(None if life.standing is None else life.standing.revocation)
