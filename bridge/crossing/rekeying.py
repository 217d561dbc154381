"""Cross-certificates between two given keys of this home, when one of their authorities gets a new one.

Before the new key takes over, whoever certifies the old one certifies it; afterwards it certifies whom the old one did.
The edition's terms of the two authorities hold for every pair of their keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.crossing import crosscert
from bridge.crossing.crosscert import cross_serial
from bridge.crossing.mesh import CrossPlan
from bridge.crossing.plan import Plan
from ca.chance import Chance
from ca.errors import Conflict
from ca.issuing import cycle
from ca.issuing.cycle import Intended, IssuedCertificate
from ca.issuing.issuer import Issuers
from ca.model import AuthorityId, GenerationId, Period
from ca.store import authorities, key_needs
from ca.store.certificates import CertificateState
from ca.store.connections import Reading


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
    """One cross-certificate for exactly these two keys, by the edition's terms; the one in force if there is one.

    Args:
        issuers: This home's.
        plan: What the edition says of every pair.
        by: The key that certifies; it issues for its authority now.
        for_: The key that is certified; its status is served at least.
        period: How long it lasts, if not as the issuer's practice says; never longer than either key's own certificate.
        chance: Where its serial comes from.
        at: Now.

    Raises:
        Conflict: The edition has no such pair, or one of the keys does not stand so.
        NotFound: There is no such key.
        SuiteRetired, KeyRefused, LintRefused: It cannot be signed.
    """
    pair = _pair(plan, by.authority, for_.authority)
    cycle.recover(issuers, at)
    with issuers.stores.reading() as reading:
        standing = _standing(reading, by, for_, at)
        before = key_needs.certified_before(reading.of(by.authority), by, for_)
    if standing is not None:
        return standing
    prepared = crosscert.certify(
        issuers.of(by),
        issuers.of(for_),
        pair,
        chance=chance,
        at=at,
        serial=cross_serial(by, for_, chance, str(before + 1) if before else ""),
        period=period,
    )
    with issuers.stores.recording() as recording:
        quicker = _standing(recording.writing, by, for_, at)
        if quicker is not None:
            return quicker
        if not _intended(recording.writing, by, for_):
            cycle.intend(recording, [Intended(prepared, crosses=for_)], at)
    cycle.recover(issuers, at)  # signs what is written down, be it by another process
    with issuers.stores.reading() as reading:
        made = _standing(reading, by, for_, at)
    assert made is not None, "it was intended, and everything intended is signed"
    return made


@dataclass(frozen=True, slots=True)
class Rekeying:
    """Brings the cross-certificates of a home after its authorities' new keys."""

    issuers: Issuers
    plan: Plan
    chance: Chance

    def renew_crosses(self, generation: GenerationId, *, at: datetime) -> list[IssuedCertificate]:
        """Have the new key certified by everybody of this home who certifies the key before it; gives what was made.

        The step RENEW_CROSSES may be taken then. Taken up again after an interruption, it makes what is missing.

        Raises:
            As ``certify``; what was made before that stays.
        """
        if generation.number == 1:
            return []
        old = GenerationId(generation.authority, generation.number - 1)
        with self.issuers.stores.reading() as reading:
            lacking = sorted(key_needs.uncrossed(reading, old, generation, at))
        return [self._certify(by, generation, at) for by in lacking]

    def certify_others(self, generation: GenerationId, *, at: datetime) -> list[IssuedCertificate]:
        """Have the key that has taken over certify the keys that the one before it certifies, and that issue now.

        Raises:
            As ``certify``; what was made before that stays.
        """
        if generation.number == 1:
            return []
        old = GenerationId(generation.authority, generation.number - 1)
        with self.issuers.stores.reading() as reading:
            certified = {
                subject.authority
                for subject, made in authorities.crosses(reading.of(old.authority))
                if made.generation == old and key_needs.in_force(reading, [made], at)
            }
        here = sorted((certified & self.plan.practices.keys()) - {generation.authority})
        subjects = [self.issuers.issuing(one).id for one in here]
        with self.issuers.stores.reading() as reading:
            lacking = [one for one in subjects if _standing(reading, generation, one, at) is None]
        return [self._certify(generation, one, at) for one in lacking]

    def _certify(self, by: GenerationId, for_: GenerationId, at: datetime) -> IssuedCertificate:
        return certify(self.issuers, self.plan, by, for_, chance=self.chance, at=at)


def _pair(plan: Plan, issuer: AuthorityId, subject: AuthorityId) -> CrossPlan:
    for one in plan.crosses:
        if (one.issuer, one.subject) == (issuer, subject):
            return one
    raise Conflict(f"pair {issuer} and {subject}", "is none of the edition's")


def _intended(reading: Reading, by: GenerationId, for_: GenerationId) -> bool:
    """Whether a certificate of one key for the other is written down, and not signed yet."""
    waiting = authorities.crosses(reading.of(by.authority), CertificateState.INTENDED)
    return any((made.generation, subject) == (by, for_) for subject, made in waiting)


def _standing(
    reading: Reading, by: GenerationId, for_: GenerationId, at: datetime
) -> IssuedCertificate | None:
    """The newest certificate in force of one key for the other."""
    found = [made for subject, made in authorities.crosses(reading.of(by.authority)) if subject == for_]
    there = key_needs.in_force(reading, [made for made in found if made.generation == by], at)
    return IssuedCertificate(there[-1], there[-1].encoded) if there else None
