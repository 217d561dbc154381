"""Withdrawing a pair: its cross-certificates are revoked, and a peer's half is shown no more.

Where that cuts somebody off, two officers say so. The authority lists follow at once (``ca.revoking.lists``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.crossing.impact import Impact, impact_of, of_pair
from bridge.crossing.pairs import Half
from bridge.crossing.plan import Plan
from ca.errors import BadInput, Conflict, NotPermitted
from ca.journal.crossing import ReceivedEndEntry
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import ARL, AuthorityId, CertificateKind, GenerationId, Revocation, RevocationReason
from ca.revoking.deciding.by_hand import suspected
from ca.rules.revocation import change, permit
from ca.store import authorities, officers
from ca.store.certificates import CertificateState
from ca.store.recording import Recording
from ca.store.stores import Stores


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What was withdrawn, and what came of it.

    Attributes:
        halves: The certificates: ours are revoked, those of a peer are shown no more.
        impact: Who was cut off by that.
    """

    halves: tuple[Half, ...]
    impact: Impact

    @property
    def issuers(self) -> tuple[GenerationId, ...]:
        """Whose authority lists have to say it."""
        return tuple(sorted({half.issuer for half in self.halves if not half.received}))


def withdraw(  # noqa: PLR0913 - what two officers say is this much
    stores: Stores,
    plan: Plan,
    first: AuthorityId,
    second: AuthorityId,
    reason: RevocationReason,
    officers_: Sequence[str],
    *,
    at: datetime,
    issued_by: AuthorityId | None = None,
    invalid_since: datetime | None = None,
) -> Withdrawn:
    """End every cross-certificate between two CAs, or those that one of them has issued.

    Args:
        stores: The databases.
        plan: The nation's.
        first: One of the two, of this home or a peer.
        second: The other one.
        reason: Why.
        officers_: One operator of the centre, or two different ones.
        at: Now.
        issued_by: End only the half that this one has issued.
        invalid_since: When a key of the pair is known or suspected to have been lost, if it was.

    Raises:
        BadInput: ``invalid_since`` lies after the withdrawal, or nothing of ours ends to say it.
        NotFound: There is no such pair, or no such officer.
        Conflict: A certificate of the pair is written down and not signed yet: it would come to be after this.
        NotPermitted: An officer is no operator of the centre; or somebody would be cut off, and only one says so.
        RevocationRefused: Cross-certificates do not end for this reason.
    """
    permit(CertificateKind.CROSS, reason)
    since = suspected(invalid_since, at)
    with stores.recording() as recording:
        names = _names(recording, officers_)
        _require_signed(recording, first, second, issued_by)
        ending = of_pair(recording.writing, first, second, at, issued_by=issued_by)
        impact = impact_of(recording.writing, plan, ending, at)
        if impact.stranded and len(names) < 2:
            raise NotPermitted(
                f"pair {first} and {second}",
                f"its end would cut off {_words(impact)}",
                remedy="Two operators of the centre have to say so: `kakehashi cross impact` shows whom it concerns",
            )
        orders = tuple(_order(half, reason, since, at) for half in ending if not half.received)
        if since is not None and not orders:
            raise BadInput("invalidity date", "only the list of whoever has issued a certificate can say it")
        if orders:
            rule = f"withdrawal of the pair {first} and {second}"
            second_word = f", by {names[1]} too" if len(names) > 1 else ""
            recording.note(RevocationEntry(f"officer {names[0]}", rule + second_word, at, orders))
        for half in ending:
            if half.received:
                entry = ReceivedEndEntry(
                    str(half.issuer), str(half.subject), half.serial.octets.hex(), names[0], at
                )
                recording.note(entry)
    return Withdrawn(tuple(ending), impact)


def _require_signed(
    recording: Recording, first: AuthorityId, second: AuthorityId, issued_by: AuthorityId | None
) -> None:
    """Raise Conflict if a certificate of the pair waits to be signed: an intent is never voided."""
    for connection in recording.writing.each():
        for subject, certificate in authorities.crosses(connection, CertificateState.INTENDED):
            issuer = certificate.generation.authority
            if {issuer, subject.authority} == {first, second} and issued_by in {None, issuer}:
                raise Conflict(
                    f"certificate {certificate}",
                    f"of {issuer} for {subject} is written down and not signed yet",
                    remedy="`kakehashi list publish` signs it; if it does not, its log says why. Then withdraw the pair",
                )


def _names(recording: Recording, wanted: Sequence[str]) -> list[str]:
    if len(wanted) > 1:
        return [one.id for one in officers.two_operators(recording.nation, wanted[0], wanted[1])]
    return [officers.operator_of_centre(recording.nation, wanted[0]).id]


def _order(half: Half, reason: RevocationReason, since: datetime | None, at: datetime) -> OrderEntry:
    moment = at.replace(microsecond=0)
    change(half.revocation, Revocation(half.serial, moment, reason, since))
    return OrderEntry(str(half.certificate), reason.word, moment, ARL, since, half.period.not_after)


def _words(impact: Impact) -> str:
    holders = impact.stranded - len(impact.peers)
    words = [f"{holders} certificates of holders"] if holders else []
    return " and ".join([*words, *impact.peers])
