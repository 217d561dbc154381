"""What happens in a resident's life, and which certificates it ends.

The rows are those of the law's table of lapses. What a holder asks for and what happens to a card are other journeys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from ca.model import (
    RESIDENT_KINDS,
    CertificateId,
    CertificateKind,
    Period,
    Revocation,
    RevocationReason,
)
from ca.rules.revocation import CHANGES, REASONS_FOR


class ChangeKind(StrEnum):
    """What a register of residents tells of. The value is the word in feeds and in the journal."""

    MOVED_IN = "moved-in"
    MOVED_WITHIN = "moved-within"
    MOVED_OUT = "moved-out"
    MOVED_ABROAD = "moved-abroad"
    DIED = "died"
    REMOVED_EX_OFFICIO = "removed-ex-officio"
    NAME_CHANGED = "name-changed"
    SEX_CHANGED = "sex-changed"
    BIRTH_DATE_CHANGED = "birth-date-changed"
    ADDRESS_CHANGED = "address-changed"
    FOUR_ITEMS_CORRECTED = "four-items-corrected"
    OTHER_ITEMS_CORRECTED = "other-items-corrected"
    NOTICE_WITHDRAWN = "notice-withdrawn"


_NONE = frozenset[CertificateKind]()
_SIGNATURE = frozenset({CertificateKind.SIGNATURE})
_BOTH = frozenset(RESIDENT_KINDS)

LAPSES: Mapping[ChangeKind, frozenset[CertificateKind]] = MappingProxyType(
    {
        ChangeKind.MOVED_IN: _NONE,  # moving out, before it, ended what the old address stood in
        ChangeKind.MOVED_WITHIN: _SIGNATURE,
        ChangeKind.MOVED_OUT: _SIGNATURE,
        ChangeKind.MOVED_ABROAD: _BOTH,
        ChangeKind.DIED: _BOTH,
        ChangeKind.REMOVED_EX_OFFICIO: _BOTH,
        ChangeKind.NAME_CHANGED: _SIGNATURE,
        ChangeKind.SEX_CHANGED: _SIGNATURE,
        ChangeKind.BIRTH_DATE_CHANGED: _SIGNATURE,
        ChangeKind.ADDRESS_CHANGED: _SIGNATURE,
        ChangeKind.FOUR_ITEMS_CORRECTED: _SIGNATURE,
        ChangeKind.OTHER_ITEMS_CORRECTED: _NONE,
        ChangeKind.NOTICE_WITHDRAWN: _NONE,  # withdrawn before its effect, so it has ended nothing
    }
)
"""Which kinds of certificate a change ends."""

REASONS: Mapping[ChangeKind, RevocationReason] = MappingProxyType(
    {kind: RevocationReason.AFFILIATION_CHANGED for kind, ended in LAPSES.items() if ended}
)
"""For which reason a change ends them."""

END_LATER_ONES_TOO = frozenset({ChangeKind.DIED, ChangeKind.REMOVED_EX_OFFICIO})
"""What ends also the certificates that were applied for after it took effect: nobody is left to hold one."""

assert LAPSES.keys() == set(ChangeKind), "each kind of change needs a row"
assert all(REASONS[kind] in REASONS_FOR[ended] for kind in REASONS for ended in LAPSES[kind]), (
    "a change ends certificates for a reason that their kind may have"
)


@dataclass(frozen=True, slots=True)
class Change:
    """One event in a resident's life, as a register tells it.

    Attributes:
        id: Its name, the only one of all feeds.
        holder: The resident's keyed code.
        occurred: When it happened.
        notified: When the office was told.
        effective: When it takes effect: the moment that counts here.
    """

    id: str
    kind: ChangeKind
    holder: bytes = field(repr=False)
    occurred: datetime
    notified: datetime
    effective: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """What has to be known of a holder's certificate to decide whether it ends.

    Attributes:
        decided_at: When its application was approved; None where that is not known.
        revocation: How it ended already, if it did.
    """

    id: CertificateId
    kind: CertificateKind
    decided_at: datetime | None
    period: Period
    revocation: Revocation | None


@dataclass(frozen=True, slots=True)
class Order:
    """That a certificate is to end. The attributes are those of the revocation that comes of it."""

    certificate: CertificateId
    reason: RevocationReason
    revoked_at: datetime
    invalid_since: datetime | None


def lapses(change: Change, holding: Holding, at: datetime) -> Order | None:
    """The order that a change comes to for one of its holder's certificates; None if the certificate stays.

    It stays if the change ends no certificate of its kind, if its application was decided when the change had taken
    effect (it says what has been true since), if it has expired, or if it has ended in a way that this change does
    not change.

    Args:
        change: What happened. It has taken effect.
        holding: The certificate.
        at: When the change is acknowledged. The certificate is revoked from then on, for relying parties were
            rightly told until then that it is good; the moment of effect becomes its invalidity date (RFC 5280
            5.3.2: the revocation date should not precede earlier lists, the invalidity date may).
    """
    assert change.effective <= at, "a change is decided on when it has taken effect"
    if holding.kind not in LAPSES[change.kind]:
        return None
    decided_later = holding.decided_at is not None and holding.decided_at >= change.effective
    if decided_later and change.kind not in END_LATER_ONES_TOO:
        return None
    moment = at.replace(microsecond=0)
    if holding.period.not_after < moment:
        return None
    reason = REASONS[change.kind]
    if reason not in CHANGES[None if holding.revocation is None else holding.revocation.reason]:
        return None
    since = max(change.effective.replace(microsecond=0), holding.period.not_before)
    return Order(holding.id, reason, moment, since if since < moment else None)


def rule(kind: ChangeKind) -> str:
    """The row of the table in words, as the journal keeps it beside each decision."""
    ended = sorted(LAPSES[kind])
    if not ended:
        return f"{kind} ends no certificate"
    which = "" if kind in END_LATER_ONES_TOO else " decided on before its effect"
    return f"{kind} ends {' and '.join(ended)}{which}: {REASONS[kind].word}"
