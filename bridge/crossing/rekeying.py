"""Cross-certificates between given keys of this home, when one of their authorities gets a new one.

Before the new key takes over, whoever certifies the old one certifies it; afterwards it certifies whom the old one did.
The edition's terms of the two authorities hold for every pair of their keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TypeAlias

from bridge.crossing import crosscert
from bridge.crossing.crosscert import cross_serial, pair_of
from bridge.crossing.plan import Plan
from ca.chance import Chance
from ca.errors import Conflict
from ca.issuing import cycle
from ca.issuing.cycle import Intended, IssuedCertificate, Prepared
from ca.issuing.issuer import Issuers
from ca.journal.crossing import RenewalEntry, RenewalHalf
from ca.model import CertificateId, GenerationId, Period
from ca.store import agreements, authorities, key_lives, key_needs
from ca.store.certificates import CertificateState
from ca.store.connections import Reading
from ca.store.recording import Recording

Ends: TypeAlias = tuple[GenerationId, GenerationId]
"""The key that certifies, which issues for its authority now, and the one that is certified, whose status is served."""


@dataclass(frozen=True, slots=True)
class CrossOrder:
    """The word of two operators of the centre; `kakehashi cross show --renewal` tells of it by its name.

    What is made once more by one, because a step was taken back, has a number at the end of the name, from 2 on.
    """

    name: str
    officers: tuple[str, str]


def certify(
    issuers: Issuers,
    plan: Plan,
    by: GenerationId,
    for_: GenerationId,
    period: Period | None = None,
    *,
    chance: Chance,
    at: datetime,
) -> IssuedCertificate:
    """One cross-certificate for exactly these two keys: see ``certify_all``."""
    (made,) = certify_all(issuers, plan, [(by, for_)], period, chance=chance, at=at)
    return made


def certify_all(
    issuers: Issuers,
    plan: Plan,
    ends: Sequence[Ends],
    period: Period | None = None,
    *,
    chance: Chance,
    at: datetime,
    order: CrossOrder | None = None,
) -> list[IssuedCertificate]:
    """Cross-certificates by the edition's terms, one for each of these pairs of keys; the one in force where that does.

    All of them are written down together, with the order. Taken up again after a death, nothing is made twice.

    Args:
        issuers: This home's.
        plan: What the edition says of every pair.
        ends: Which keys; no pair twice.
        period: How long they last, if not as the issuer's practice says, and then what ends sooner does not do; never
            longer than either key's own certificate.
        chance: Where serials come from.
        at: Now.
        order: By whose word, if the journal is to say so.

    Raises:
        Conflict: The edition has no such pair, or one of the keys does not stand so.
        NotFound: There is no such key.
        SuiteRetired, KeyRefused, LintRefused: It cannot be signed.
    """
    for by, for_ in ends:
        pair_of(plan, by.authority, for_.authority)
    needed = {one.authority for pair in ends for one in pair}
    cycle.recover(issuers, at, needed)

    def there(reading: Reading, by: GenerationId, for_: GenerationId) -> IssuedCertificate | None:
        found = _in_force(reading, by, for_, at)
        if found is None or period is None:
            return found
        wanted = crosscert.cross_end(issuers.of(by), issuers.of(for_), period)
        return found if wanted <= found.record.period.not_after else None

    with issuers.stores.reading() as reading:
        missing = [
            (by, for_, key_needs.certified_before(reading.of(by.authority), by, for_))
            for by, for_ in ends
            if there(reading, by, for_) is None
        ]
    prepared = [
        crosscert.certify(
            issuers.of(by),
            issuers.of(for_),
            pair_of(plan, by.authority, for_.authority),
            chance=chance,
            at=at,
            serial=cross_serial(by, for_, chance, str(before + 1) if before else ""),
            period=period,
        )
        for by, for_, before in missing
    ]
    with issuers.stores.recording() as recording:
        lacking = [
            (one, for_)
            for one, (by, for_, _) in zip(prepared, missing, strict=True)
            if there(recording.writing, by, for_) is None and not _intended(recording.writing, by, for_)
        ]
        if order is not None and lacking:
            recording.note(_entry(recording, order, lacking, at))
        cycle.intend(recording, [Intended(one, crosses=for_) for one, for_ in lacking], at)
    cycle.recover(issuers, at, needed)  # signs what is written down, be it by another process
    with issuers.stores.reading() as reading:
        made = [one for by, for_ in ends if (one := there(reading, by, for_)) is not None]
    if len(made) != len(ends):
        raise Conflict(
            "cross-certificates",
            f"{len(ends) - len(made)} of {len(ends)} are written down and not signed: a key has moved on meanwhile",
            remedy="Begin again in some minutes, when what cannot be signed has been given up",
        )
    return made


@dataclass(frozen=True, slots=True)
class Rekeying:
    """Brings the cross-certificates of a home after its authorities' new keys."""

    issuers: Issuers
    plan: Plan
    chance: Chance

    def renew_crosses(
        self, generation: GenerationId, *, at: datetime, order: CrossOrder | None = None
    ) -> list[IssuedCertificate]:
        """Have the new key certified by everybody of this home who certifies the key before it; gives what was made.

        The step RENEW_CROSSES may be taken then. Taken up again after an interruption, it makes what is missing.

        Raises:
            As ``certify_all``; nothing is made then.
        """
        with self.issuers.stores.reading() as reading:
            old = key_lives.predecessor(reading.of(generation.authority), generation)
            lacking = sorted(key_needs.uncrossed(reading, old, generation, at)) if old is not None else []
        return self._certify_all([(by, generation) for by in lacking], at, order)

    def certify_others(self, generation: GenerationId, *, at: datetime) -> list[IssuedCertificate]:
        """Have the key that has taken over certify the keys that the one before it certifies, and that issue now.

        Raises:
            As ``certify_all``; nothing is made then.
        """
        with self.issuers.stores.reading() as reading:
            old = key_lives.predecessor(reading.of(generation.authority), generation)
            certified = {
                subject.authority
                for subject, made in authorities.crosses(reading.of(generation.authority))
                if made.generation == old and key_needs.in_force(reading, [made], at)
            }
        here = sorted((certified & self.plan.practices.keys()) - {generation.authority})
        subjects = [self.issuers.issuing(one).id for one in here]
        with self.issuers.stores.reading() as reading:
            lacking = [one for one in subjects if _in_force(reading, generation, one, at) is None]
        return self._certify_all([(generation, one) for one in lacking], at)

    def _certify(self, by: GenerationId, for_: GenerationId, at: datetime) -> IssuedCertificate:
        (made,) = self._certify_all([(by, for_)], at)
        return made

    def _certify_all(
        self, ends: Sequence[Ends], at: datetime, order: CrossOrder | None = None
    ) -> list[IssuedCertificate]:
        if not ends:
            return []
        return certify_all(self.issuers, self.plan, ends, chance=self.chance, at=at, order=order)


def _entry(
    recording: Recording, order: CrossOrder, made: Sequence[tuple[Prepared, GenerationId]], at: datetime
) -> RenewalEntry:
    """What the journal says of an order: each certificate beside the newest one between its two authorities."""
    names = (order.name if number == 1 else f"{order.name}-{number}" for number in count(1))
    name = next(one for one in names if agreements.renewal(recording.nation, one) is None)
    halves = tuple(
        RenewalHalf(str(one.record.id), str(for_), str(_beside(recording.writing, one.record.id, for_)))
        for one, for_ in made
    )
    return RenewalEntry(name, *order.officers, at, halves)


def _beside(reading: Reading, made: CertificateId, subject: GenerationId) -> CertificateId:
    """The newest certificate between the same two authorities, whatever keys; the one itself if it is the first."""
    ends = made.generation.authority, subject.authority
    before = [
        one
        for other, one in authorities.crosses(reading.of(ends[0]))
        if (one.generation.authority, other.authority) == ends
    ]
    return before[-1] if before else made


def _intended(reading: Reading, by: GenerationId, for_: GenerationId) -> bool:
    """Whether a certificate of one key for the other is written down, and not signed yet."""
    waiting = authorities.crosses(reading.of(by.authority), CertificateState.INTENDED)
    return any((made.generation, subject) == (by, for_) for subject, made in waiting)


def _in_force(
    reading: Reading, by: GenerationId, for_: GenerationId, at: datetime
) -> IssuedCertificate | None:
    """The certificate in force of one key for the other that lasts longest; the newest of several."""
    found = [made for subject, made in authorities.crosses(reading.of(by.authority)) if subject == for_]
    there = key_needs.in_force(reading, [made for made in found if made.generation == by], at)
    last = max(there, key=lambda one: (one.period.not_after, one.intended_at), default=None)
    return None if last is None else IssuedCertificate(last, last.encoded)
