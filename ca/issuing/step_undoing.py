"""What of a key is revoked: of a step that is taken back what it made, of a key that is discarded all that is in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from ca.journal.entries import OrderEntry
from ca.model import CertificateKind, GenerationId, RevocationReason
from ca.rules.generations import Step
from ca.store import key_lives, key_needs
from ca.store.certificates import CertificateRecord
from ca.store.connections import Reading

TAKEN_BACK = RevocationReason.CESSATION_OF_OPERATION
"""Why what a step has made ends, if the step is taken back."""

DISCARDED_FOR = (RevocationReason.KEY_COMPROMISE, RevocationReason.CESSATION_OF_OPERATION)
"""Why a key that is on its way is discarded."""


def made_by(reading: Reading, step: Step, generation: GenerationId) -> list[CertificateRecord]:
    """What this step of a key has made, and is in force."""
    old = key_lives.predecessor(reading.of(generation.authority), generation)
    match step:
        case Step.NEW_WITH_OLD if old is not None:
            return key_needs.links(reading, old, generation)
        case Step.OLD_WITH_NEW if old is not None:
            return key_needs.links(reading, generation, old)
        case Step.SERVE_STATUS:
            return key_needs.services(reading, generation)
        case Step.RENEW_CROSSES:
            return key_needs.crosses_for(reading, generation)
        case Step.CUT_OVER:
            found = key_needs.services(reading, generation)
            return [one for one in found if one.kind is not CertificateKind.OCSP_RESPONDER]
        case _:
            return []


def discarded(
    reading: Reading, generation: GenerationId, reason: RevocationReason, at: datetime
) -> tuple[OrderEntry, ...]:
    """The ends of all that is in force of a key on its way, and of all that it has signed, if it is discarded.

    Its self-signed certificate is no anchor's, and stands in no list: an anchor is removed from trust.
    """
    of_it, by_it = key_needs.crosses_for(reading, generation), key_needs.services(reading, generation)
    old = key_lives.predecessor(reading.of(generation.authority), generation)
    if old is not None:
        of_it += key_needs.links(reading, old, generation)
        by_it += key_needs.links(reading, generation, old)
    # X.509 8.5.2.2: cACompromise is for the certificates of the key that is lost; what it has signed is for other keys.
    lost = reason is RevocationReason.KEY_COMPROMISE
    return (*orders(of_it, at, RevocationReason.CA_COMPROMISE if lost else reason), *orders(by_it, at))


def orders(
    records: Iterable[CertificateRecord], at: datetime, reason: RevocationReason = TAKEN_BACK
) -> Iterator[OrderEntry]:
    """What the journal says of their ends."""
    moment = at.replace(microsecond=0)
    for one in records:
        yield OrderEntry(str(one.id), reason.word, moment, one.scope, not_after=one.period.not_after)
