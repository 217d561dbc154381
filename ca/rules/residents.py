"""What happens in a resident's life, and what each event does to the certificates: the table of lapses.

What comes of several events together stands in ``fate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import product
from types import MappingProxyType

from ca.errors import BadInput
from ca.model import RESIDENT_KINDS, CertificateKind, Revocation, RevocationReason


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
    RESIDENT_CODE_CHANGED = "resident-code-changed"
    LOST = "lost"
    FOUND = "found"
    CARD_RETURNED = "card-returned"
    CARD_LAPSED = "card-lapsed"
    KEY_COMPROMISED = "key-compromised"
    SIGNATURE_GIVEN_UP = "signature-given-up"
    USER_AUTHENTICATION_GIVEN_UP = "user-authentication-given-up"
    SIGNATURE_RENEWED = "signature-renewed"
    USER_AUTHENTICATION_RENEWED = "user-authentication-renewed"
    DISCARDED_BEFORE_DELIVERY = "discarded-before-delivery"
    RECORD_DIFFERS = "record-differs"


@dataclass(frozen=True, slots=True)
class Change:
    """One event in a resident's life, as a register tells it.

    Attributes:
        id: Its name, the only one of all feeds.
        holder: The resident's keyed code.
        occurred: When it happened.
        notified: When the office was told.
        effective: When it takes effect: the moment that counts here.
        withdraws: The id of the event that a withdrawn notice told of; None if the register does not say.
        new_holder: The keyed code that a changed code is replaced by; there exactly if the code changed.
    """

    id: str
    kind: ChangeKind
    holder: bytes = field(repr=False)
    occurred: datetime
    notified: datetime
    effective: datetime
    withdraws: str | None = None
    new_holder: bytes | None = field(default=None, repr=False)

    @property
    def suspected(self) -> datetime:
        """From when on what it ends is not to be believed: a lost key is in strange hands before anybody says so."""
        return min(self.occurred, self.effective) if self.kind in _SINCE_IT_HAPPENED else self.effective


_SINCE_IT_HAPPENED = frozenset({ChangeKind.LOST, ChangeKind.KEY_COMPROMISED})


class Act(StrEnum):
    """What an event is for certificates of one kind."""

    KEEPS = "keeps"
    HOLDS = "holds"
    RELEASES = "releases"
    ENDS = "ends"


class Standing(StrEnum):
    """How a certificate stands when an event meets it."""

    LIVE = "live"
    HELD = "on hold"
    ENDED = "ended"
    COMPROMISED = "ended for compromise"
    EXPIRED = "expired"

    @property
    def rank(self) -> int:
        """How much has come over it: 0 nothing, 1 a hold, 2 an end, 3 an end for compromise."""
        return _RANKS[self]


_RANKS = {
    Standing.LIVE: 0,
    Standing.EXPIRED: 0,
    Standing.HELD: 1,
    Standing.ENDED: 2,
    Standing.COMPROMISED: 3,
}


class Decision(StrEnum):
    """What comes of it."""

    NOTHING = "nothing"
    HOLD = "hold"
    LIFT = "lift the hold"
    END = "end"


def _row(signature: Act, authentication: Act) -> Mapping[CertificateKind, Act]:
    acts = zip(RESIDENT_KINDS, (signature, authentication), strict=True)
    return MappingProxyType(dict(acts))


_KEPT = _row(Act.KEEPS, Act.KEEPS)
_SIGNATURE = _row(Act.ENDS, Act.KEEPS)
_AUTHENTICATION = _row(Act.KEEPS, Act.ENDS)
_BOTH = _row(Act.ENDS, Act.ENDS)

LAPSES: Mapping[ChangeKind, Mapping[CertificateKind, Act]] = MappingProxyType(
    {
        ChangeKind.MOVED_IN: _KEPT,  # moving out, before it, ended what the old address stood in
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
        ChangeKind.OTHER_ITEMS_CORRECTED: _KEPT,
        ChangeKind.NOTICE_WITHDRAWN: _KEPT,  # the event that it names ends nothing; see ``fate``
        ChangeKind.RESIDENT_CODE_CHANGED: _KEPT,  # the certificates follow the new code
        ChangeKind.LOST: _row(Act.HOLDS, Act.HOLDS),
        ChangeKind.FOUND: _row(Act.RELEASES, Act.RELEASES),
        ChangeKind.CARD_RETURNED: _BOTH,
        ChangeKind.CARD_LAPSED: _BOTH,
        ChangeKind.KEY_COMPROMISED: _BOTH,
        ChangeKind.SIGNATURE_GIVEN_UP: _SIGNATURE,
        ChangeKind.USER_AUTHENTICATION_GIVEN_UP: _AUTHENTICATION,
        ChangeKind.SIGNATURE_RENEWED: _SIGNATURE,
        ChangeKind.USER_AUTHENTICATION_RENEWED: _AUTHENTICATION,
        ChangeKind.DISCARDED_BEFORE_DELIVERY: _BOTH,
        ChangeKind.RECORD_DIFFERS: _BOTH,
    }
)
"""What a change is for certificates of each kind. No others than residents' are touched."""

REASONS: Mapping[ChangeKind, RevocationReason] = MappingProxyType(
    {
        kind: {
            ChangeKind.LOST: RevocationReason.CERTIFICATE_HOLD,
            ChangeKind.FOUND: RevocationReason.CESSATION_OF_OPERATION,
            ChangeKind.CARD_RETURNED: RevocationReason.CESSATION_OF_OPERATION,
            ChangeKind.CARD_LAPSED: RevocationReason.CESSATION_OF_OPERATION,
            ChangeKind.KEY_COMPROMISED: RevocationReason.KEY_COMPROMISE,
            ChangeKind.SIGNATURE_GIVEN_UP: RevocationReason.CESSATION_OF_OPERATION,
            ChangeKind.USER_AUTHENTICATION_GIVEN_UP: RevocationReason.CESSATION_OF_OPERATION,
            ChangeKind.SIGNATURE_RENEWED: RevocationReason.SUPERSEDED,
            ChangeKind.USER_AUTHENTICATION_RENEWED: RevocationReason.SUPERSEDED,
            ChangeKind.DISCARDED_BEFORE_DELIVERY: RevocationReason.UNSPECIFIED,
            ChangeKind.RECORD_DIFFERS: RevocationReason.UNSPECIFIED,
        }.get(kind, RevocationReason.AFFILIATION_CHANGED)
        for kind, acts in LAPSES.items()
        if set(acts.values()) != {Act.KEEPS}
    }
)
"""For which reason a change holds or ends, unless the edition says otherwise."""

END_LATER_ONES_TOO = frozenset({ChangeKind.DIED, ChangeKind.REMOVED_EX_OFFICIO})
"""What ends also the certificates that were applied for after it took effect: nobody is left to hold one."""

CLOSED_BY: Mapping[ChangeKind, ChangeKind] = MappingProxyType(
    {ChangeKind.REMOVED_EX_OFFICIO: ChangeKind.MOVED_IN}
)
"""By what its reach is closed, if that takes effect later: who is registered again may hold what is decided on since."""

CONFIGURABLE = frozenset(
    {
        ChangeKind.DIED,
        ChangeKind.REMOVED_EX_OFFICIO,
        ChangeKind.FOUR_ITEMS_CORRECTED,
        ChangeKind.CARD_RETURNED,
        ChangeKind.CARD_LAPSED,
    }
)
"""The changes whose reason an edition may set: where the sources leave it open."""

POSSIBLE_REASONS = frozenset(
    {
        RevocationReason.UNSPECIFIED,
        RevocationReason.AFFILIATION_CHANGED,
        RevocationReason.SUPERSEDED,
        RevocationReason.CESSATION_OF_OPERATION,
        RevocationReason.PRIVILEGE_WITHDRAWN,
    }
)
"""To what an edition may set it: ends that say nothing of a key."""

assert LAPSES.keys() == set(ChangeKind), "each kind of change needs a row"


@dataclass(frozen=True, slots=True)
class LapseRules:
    """What an edition chooses where the law, or what is known of it, leaves a choice.

    Attributes:
        reasons: Reasons in the place of those of ``REASONS``.
        found_lifts: The kinds whose hold is lifted when the card is found; the others' ends then for good.

    Raises:
        BadInput: A reason is set for a change, or to one, that allows no choice; or a kind is not residents'.
    """

    reasons: Mapping[ChangeKind, RevocationReason] = field(default_factory=dict)
    found_lifts: frozenset[CertificateKind] = frozenset()

    def __post_init__(self) -> None:
        for kind, reason in self.reasons.items():
            if kind not in CONFIGURABLE:
                words = ", ".join(sorted(CONFIGURABLE))
                raise BadInput(
                    f"reasons.{kind}", "has the reason that the law gives it", remedy=f"One of: {words}"
                )
            if reason not in POSSIBLE_REASONS:
                words = ", ".join(word.word for word in sorted(POSSIBLE_REASONS))
                raise BadInput(f"reasons.{kind}", f"is not {reason.word}", remedy=f"One of: {words}")
        if wrong := sorted(self.found_lifts - set(RESIDENT_KINDS)):
            raise BadInput("found_lifts", f"{wrong[0]} is not a kind that residents hold")

    def reason(self, kind: ChangeKind) -> RevocationReason:
        """For which reason a change that holds or ends does so."""
        return self.reasons.get(kind, REASONS[kind])

    def decide(self, kind: ChangeKind, held: CertificateKind, standing: Standing) -> Decision:
        """What comes of a change for a certificate of this kind that stands so."""
        match LAPSES[kind].get(held, Act.KEEPS), standing:
            case Act.HOLDS, Standing.LIVE:
                return Decision.HOLD
            case Act.RELEASES, Standing.HELD:
                return Decision.LIFT if held in self.found_lifts else Decision.END
            case Act.ENDS, Standing.LIVE | Standing.HELD:
                return Decision.END
            case Act.ENDS, Standing.ENDED if self.reason(kind) is RevocationReason.KEY_COMPROMISE:
                return Decision.END  # an end stays as it is, but a compromise is worse than any other
        return Decision.NOTHING

    def words(self, kind: ChangeKind) -> str:
        """The row of the table in words, as the journal keeps it beside each decision."""
        if kind is ChangeKind.FOUND:
            lifted = [held for held in RESIDENT_KINDS if held in self.found_lifts]
            ended = [held for held in RESIDENT_KINDS if held not in self.found_lifts]
            parts = [f"lifts the hold of {' and '.join(lifted)}"] if lifted else []
            parts += [f"ends {' and '.join(ended)} on hold: {self.reason(kind).word}"] if ended else []
            return f"{kind} {', '.join(parts)}"
        touched = sorted(held for held, act in LAPSES[kind].items() if act is not Act.KEEPS)
        if not touched:
            return f"{kind} ends no certificate"
        (act,) = {LAPSES[kind][held] for held in touched}
        which = "" if kind in END_LATER_ONES_TOO else " decided on before its effect"
        if kind in CLOSED_BY:
            which = f" decided on before a later {CLOSED_BY[kind]}"
        return f"{kind} {act} {' and '.join(touched)}{which}: {self.reason(kind).word}"


DEFAULT = LapseRules()
"""Domain facts, with nothing chosen otherwise."""

DECISIONS: Mapping[tuple[ChangeKind, CertificateKind, Standing], Decision] = MappingProxyType(
    {
        (kind, held, standing): DEFAULT.decide(kind, held, standing)
        for kind, held, standing in product(ChangeKind, RESIDENT_KINDS, Standing)
    }
)
"""The whole table, as it is where an edition chooses nothing."""


def standing_of(revocation: Revocation | None) -> Standing:
    """How a certificate stands that has ended so, expiry apart."""
    if revocation is None or revocation.reason is RevocationReason.REMOVE_FROM_CRL:
        return Standing.LIVE
    if revocation.reason is RevocationReason.CERTIFICATE_HOLD:
        return Standing.HELD
    if revocation.reason in {RevocationReason.KEY_COMPROMISE, RevocationReason.CA_COMPROMISE}:
        return Standing.COMPROMISED
    return Standing.ENDED
