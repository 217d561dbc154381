"""What comes of all that the register has told of a resident: a pure fold over the events, ordered by effect and id.

In which order the events arrived cannot matter to it. To what was published meanwhile it can: nothing published is
ever undone but a hold that the edition lifts, so where the fold asks for it an officer is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ca.model import CertificateId, CertificateKind, Period, Revocation, RevocationReason
from ca.rules.residents import (
    CLOSED_BY,
    END_LATER_ONES_TOO,
    Change,
    ChangeKind,
    Decision,
    LapseRules,
    Standing,
    standing_of,
)


@dataclass(frozen=True, slots=True)
class Holding:
    """What has to be known of a holder's certificate to decide whether it ends.

    Attributes:
        decided_at: When its application was approved; None where that is not known.
        revocation: How it ended already, if it did.
        by_register: Whether that came of an event; what an officer or an order did, no event takes back.
    """

    id: CertificateId
    kind: CertificateKind
    decided_at: datetime | None
    period: Period
    revocation: Revocation | None = None
    by_register: bool = True


@dataclass(frozen=True, slots=True)
class Fate:
    """What the events come to for one certificate.

    Attributes:
        change: The event that made it stand so; None if none did.
        since: From when on it is not to be believed.
    """

    standing: Standing
    change: Change | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """That a certificate is to end, to be held, or (``removeFromCRL``) to be let go.

    The attributes are those of the revocation that comes of it.
    """

    certificate: CertificateId
    reason: RevocationReason
    revoked_at: datetime
    invalid_since: datetime | None


@dataclass(frozen=True, slots=True)
class Doubt:
    """That the rules cannot decide what becomes of a certificate, and why."""

    certificate: CertificateId
    problem: str


def in_effect(changes: Iterable[Change], at: datetime) -> tuple[Change, ...]:
    """The events that have taken effect by this moment, ordered by effect and id, without those that are void.

    An event is void if a notice of withdrawal names it that took effect before it, and is not void itself.
    """
    withdrawn: dict[str, datetime] = {}
    found: list[Change] = []
    # What makes an event void took effect before it, so it stands before it.
    for change in sorted(changes, key=_by_effect):
        if change.effective > at:
            break
        if change.id in withdrawn and withdrawn[change.id] < change.effective:
            continue
        found.append(change)
        if change.withdraws is not None:
            withdrawn.setdefault(change.withdraws, change.effective)
    return tuple(found)


def fate(changes: Sequence[Change], holding: Holding, rules: LapseRules, at: datetime) -> Fate:
    """What events come to for a certificate, however it is recorded.

    Args:
        changes: What ``in_effect`` gives for its resident.
        holding: The certificate.
        rules: The edition's choices.
        at: The moment asked about. A certificate that has expired by then needs no end.
    """
    expired = holding.period.not_after < at.replace(microsecond=0)
    found = Fate(Standing.EXPIRED if expired else Standing.LIVE)
    for change in changes:
        if not _reaches(change, holding, changes):
            continue
        match rules.decide(change.kind, holding.kind, found.standing):
            case Decision.HOLD:
                found = Fate(Standing.HELD, change, change.suspected)
            case Decision.LIFT:
                found = Fate(Standing.LIVE, change)
            case Decision.END:
                compromised = rules.reason(change.kind) is RevocationReason.KEY_COMPROMISE
                standing = Standing.COMPROMISED if compromised else Standing.ENDED
                since = change.suspected if found.since is None else min(found.since, change.suspected)
                found = Fate(standing, change, since)
            case Decision.NOTHING:
                pass
    return found


def decide(
    change: Change, before: Fate, after: Fate, holding: Holding, rules: LapseRules, at: datetime
) -> Order | Doubt | None:
    """What becomes of a certificate now that an event is known and in effect; None if it stays as it is.

    What was first acknowledged stays, its reason and its moments, unless something worse comes to it.

    Args:
        change: The event.
        before: What the events came to without it.
        after: What they come to with it.
        holding: The certificate as it is recorded.
        rules: The edition's choices.
        at: When the event is acknowledged, or carried out. The certificate is revoked from then on, for relying
            parties were rightly told until then that it is good; the moment of effect becomes its invalidity date
            (RFC 5280 5.3.2: the revocation date should not precede earlier lists, the invalidity date may).
    """
    recorded = standing_of(holding.revocation)
    if after.standing.rank > recorded.rank:
        return _order(after, holding, rules, at)
    if after.standing.rank < min(before.standing.rank, recorded.rank):
        if recorded is Standing.HELD and holding.by_register and holding.kind in rules.found_lifts:
            moment = at.replace(microsecond=0)
            return Order(holding.id, RevocationReason.REMOVE_FROM_CRL, moment, None)
        assert before.change is not None, "an event made it stand so"
        return Doubt(holding.id, _undoing(change, before.change, recorded, holding))
    if (
        change.kind is ChangeKind.FOUND
        and recorded is Standing.HELD
        and after.standing is Standing.LIVE
        and _reaches(change, holding, ())
    ):
        return Doubt(holding.id, f"event {change.id} would end a hold that no event of the register made")
    return None


def _order(after: Fate, holding: Holding, rules: LapseRules, at: datetime) -> Order:
    assert after.change is not None, "an event made it stand so"
    assert after.since is not None, "a hold and an end have a beginning"
    held = after.standing is Standing.HELD
    reason = RevocationReason.CERTIFICATE_HOLD if held else rules.reason(after.change.kind)
    moment = at.replace(microsecond=0)
    since = max(after.since.replace(microsecond=0), holding.period.not_before)
    return Order(holding.id, reason, moment, since if since < moment else None)


def _undoing(change: Change, ending: Change, recorded: Standing, holding: Holding) -> str:
    if recorded is not Standing.HELD:
        return (
            f"event {change.id} would undo what event {ending.id} has ended, and no revocation is ever undone"
        )
    if not holding.by_register:
        return f"event {change.id} would lift a hold that an officer or an order made too"
    return f"event {change.id} would lift the hold of event {ending.id}, which the edition does not"


def _reaches(change: Change, holding: Holding, changes: Sequence[Change]) -> bool:
    """Whether a change concerns what was decided on then: a later certificate says what has been true since.

    A death and a removal concern later ones too; a removal only those decided on before the resident was registered again.
    """
    if holding.decided_at is None:
        return True
    if change.kind not in END_LATER_ONES_TOO:
        return holding.decided_at < change.effective
    closing = CLOSED_BY.get(change.kind)
    return not any(
        one.kind is closing and change.effective < one.effective <= holding.decided_at for one in changes
    )


def _by_effect(change: Change) -> tuple[datetime, str]:
    return change.effective, change.id
