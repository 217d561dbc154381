"""What may become of an intent that nobody has signed yet: its signature, or its end.

An intent was written down when its key might sign it. The key may stand elsewhere by now, or its suite's time may be over;
then nobody signs it any more. It is not voided either: its serial counts as issued, and as revoked at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from ca import suites
from ca.errors import Conflict, SuiteRetired
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import (
    RESPONDER_KINDS,
    AuthorityId,
    CertificateId,
    CertificateKind,
    GenerationId,
    RevocationReason,
)
from ca.rules.certifying import require_may_certify
from ca.rules.generations import Life
from ca.store import authorities, certificates, key_lives
from ca.store.carrying import SIGNING_CYCLE
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Connections
from ca.store.recording import Recording
from ca.store.stores import Stores
from ca.suites import Suite, Use

IN_HAND = timedelta(minutes=5)
"""Whoever wrote an intent down signs it within moments: for so long nobody gives it up since its key has moved on."""

# So many certificates share a record of the journal, whose lines have a longest length.
_A_RECORD = 128

_TOO_LATE = "its key may no longer sign"

T = TypeVar("T")


class MayCertify:
    """What keys may certify as they stand in these transactions; each is looked up once."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._lives: dict[GenerationId, Life | None] = {}
        self._suites: dict[GenerationId, Suite] = {}
        self._subjects: dict[AuthorityId, dict[CertificateId, GenerationId]] = {}

    def require(self, signer: GenerationId, kind: CertificateKind, subject: GenerationId | None) -> None:
        """Raise Conflict if this key may not certify this, or not this key, where they stand (RFC 4210 4.4)."""
        require_may_certify(self._life(signer), kind, None if subject is None else self._life(subject))

    def require_still(self, intent: CertificateRecord, at: datetime) -> None:
        """Ask it again of what was written down earlier. No key is opened for that.

        Raises:
            SuiteRetired: The suite of its key has had its time.
            Conflict: Its key may not sign it where it stands now.
        """
        signer = intent.id.generation
        suites.require(self._suite(signer), use_of(intent.kind), at)
        self.require(signer, intent.kind, self._subject(intent.id))

    def _life(self, generation: GenerationId) -> Life | None:
        if generation not in self._lives:
            connection = self._connections.of(generation.authority)
            self._lives[generation] = key_lives.life_of(connection, generation)
        return self._lives[generation]

    def _suite(self, generation: GenerationId) -> Suite:
        if generation not in self._suites:
            connection = self._connections.of(generation.authority)
            self._suites[generation] = authorities.generation(connection, generation).suite
        return self._suites[generation]

    def _subject(self, intent: CertificateId) -> GenerationId | None:
        """The key of this home that an intent certifies, if it does."""
        authority = intent.generation.authority
        if authority not in self._subjects:
            found = authorities.crosses(self._connections.of(authority), CertificateState.INTENDED)
            self._subjects[authority] = {made: subject for subject, made in found}
        return self._subjects[authority].get(intent)


def use_of(kind: CertificateKind) -> Use:
    """What a certificate asks of its issuer's suite: a responder's is a part of status, and outlives new certificates."""
    return Use.SIGN_STATUS if kind in RESPONDER_KINDS else Use.SIGN


def open_intents(stores: Stores, generation: GenerationId) -> list[CertificateId]:
    """What this key is to sign still."""
    with stores.of(generation.authority).reading() as connection:
        return [
            record.id for record in certificates.intended(connection) if record.id.generation == generation
        ]


def open_by_key(stores: Stores) -> dict[GenerationId, int]:
    """The keys that have something to sign still, and how much."""
    found: Counter[GenerationId] = Counter()
    for store in stores.each():
        with store.reading() as connection:
            found += Counter(record.id.generation for record in certificates.intended(connection))
    return dict(sorted(found.items(), key=lambda one: str(one[0])))


def give_up(
    stores: Stores, intents: Collection[CertificateId], why: str, *, at: datetime
) -> list[CertificateId]:
    """Give intents up whose key is lost, on somebody's word; gives those that were still open.

    Args:
        stores: Where they are written down.
        intents: Which.
        why: What the journal says of it, with those who ordered it; no personal data.
        at: Now.

    Raises:
        HomeRefused, StorageFailed: As every recording does.
    """
    with stores.recording() as recording:
        return abandon(recording, intents, at, why)


def abandon(
    recording: Recording, intents: Iterable[CertificateId], at: datetime, why: str = _TOO_LATE
) -> list[CertificateId]:
    """Count intents as issued, and end them at once: nobody has the certificates, and their serials are spent.

    Another process, by an earlier clock, may have signed one meanwhile; that is left alone. Gives the others.
    """
    moment = at.replace(microsecond=0)
    found = [
        record
        for record in certificates.several(recording, intents)
        if record.state is CertificateState.INTENDED
    ]
    for piece in pieces(found):
        orders = tuple(
            OrderEntry(
                str(record.id),
                RevocationReason.UNSPECIFIED.word,
                moment,
                record.scope,
                not_after=record.period.not_after,
            )
            for record in piece
        )
        recording.note(RevocationEntry(SIGNING_CYCLE, why, at, orders))
    return [record.id for record in found]


def too_late(
    stores: Stores, intents: Sequence[CertificateRecord], at: datetime
) -> tuple[list[CertificateRecord], list[CertificateRecord]]:
    """Which of these intents may still be signed, and which are to be given up.

    In neither are those that a process has in hand, it may be, whose key another one has replaced this moment.
    """
    still: list[CertificateRecord] = []
    late: list[CertificateRecord] = []
    with stores.reading() as reading:
        may = MayCertify(reading)
        for intent in intents:
            try:
                may.require_still(intent, at)
            except SuiteRetired:
                late.append(intent)
            except Conflict:
                if at - intent.intended_at > IN_HAND:
                    late.append(intent)
            else:
                still.append(intent)
    return still, late


def pieces(items: Iterable[T]) -> Iterator[list[T]]:
    """As many at a time as share a record of the journal."""
    rest = iter(items)
    return iter(lambda: list(islice(rest, _A_RECORD)), [])
