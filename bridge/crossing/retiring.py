"""What ends before a key retires, who would be cut off by that, and whether the key may retire then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from bridge.crossing.pairs import Half, all_halves
from ca.errors import Conflict, SuiteRetired
from ca.issuing.issuer import Issuers
from ca.issuing.step_undoing import orders
from ca.journal.entries import RevocationEntry
from ca.model import AuthorityId, CertificateId, CertificateKind, GenerationId
from ca.rules import generations
from ca.rules.generations import Known, Step
from ca.store import agreements, authorities, key_lives, key_needs, peers
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.connections import Reading
from ca.store.recording import Recording

_ENDING_WITH_THE_KEY = frozenset({CertificateKind.LINK, CertificateKind.OCSP_RESPONDER})


@dataclass(frozen=True, slots=True, order=True)
class Leaning:
    """One way between a CA that is not of this home and ours, which leads over this key and over none that follows it.

    Attributes:
        received: Whether it is the peer's word for our key; else it is ours for the peer's.
        agreements: Those in force between the two.
    """

    key: GenerationId
    peer: AuthorityId
    received: bool
    agreements: tuple[str, ...]

    def __str__(self) -> str:
        by = f"by agreement {', '.join(self.agreements)}" if self.agreements else "by no agreement in force"
        ends = f"{self.peer} certifies {self.key}" if self.received else f"{self.key} certifies {self.peer}"
        lacking = "certifies" if self.received else "is certified by"
        return f"{ends} {by}, and {lacking} no key that follows it"

    @property
    def remedy(self) -> str:
        """What makes another way."""
        if not self.received:
            return f"`kakehashi cross renew --pair {self.key.authority} {self.peer}`, or `kakehashi cross withdraw`"
        asked = self.agreements[0] if self.agreements else "AGREEMENT"
        return f"`kakehashi cross request {asked} --key GENERATION`, for the key that follows, or `kakehashi cross withdraw`"


def leaning(reading: Reading, key: GenerationId, at: datetime) -> list[Leaning]:
    """What would end at a moment with this key between this home and other CAs, as far as it is known now."""
    others = {one.generation.authority for one in peers.all_generations(reading.nation)}
    keys = key_lives.keys_of(reading.of(key.authority), key.authority)
    kept = {life.generation for life in keys.kept}
    ways: dict[tuple[AuthorityId, bool], set[int]] = {}
    for half in all_halves(reading):
        ours, theirs = _sides(half)
        if ours in kept and theirs.authority in others and half.state(at) == "live":
            ways.setdefault((theirs.authority, half.received), set()).add(ours.number)
    agreed = [one for one in agreements.everything(reading.nation) if one.ours == key.authority]
    in_force = [one for one in agreed if one.ended_at is None and one.begins <= at <= one.ends]
    return sorted(
        Leaning(key, peer, received, tuple(one.id for one in in_force if one.peer == peer))
        for (peer, received), numbers in ways.items()
        if key.number in numbers and max(numbers) <= key.number
    )


def require_no_peer_lost(reading: Reading, key: GenerationId, at: datetime) -> None:
    """Raise Conflict if other CAs would be cut off with this key: what was agreed with them does not end by the way."""
    for one in leaning(reading, key, at):
        raise Conflict(f"generation {key}", str(one), remedy=one.remedy)


def before_the_key(reading: Reading, generation: GenerationId, at: datetime) -> list[CertificateRecord]:
    """The certificates in force that a key has made for other authorities and for services."""
    crosses = [
        one
        for state in (CertificateState.ISSUED, CertificateState.INTENDED)
        for _, one in authorities.crosses(reading.of(generation.authority), state)
        if one.generation == generation
    ]
    there = [*key_needs.in_force(reading, crosses, at), *key_needs.services(reading, generation, at)]
    return [one for one in there if one.kind not in _ENDING_WITH_THE_KEY]


def responders(reading: Reading, generation: GenerationId, at: datetime) -> list[CertificateRecord]:
    """The certificates in force of a key's responder."""
    there = key_needs.services(reading, generation, at)
    return [one for one in there if one.kind is CertificateKind.OCSP_RESPONDER]


def end_issued(
    issuers: Issuers,
    key: GenerationId,
    cause: str,
    rule: str,
    publish: Callable[[datetime], object],
    at: datetime,
) -> list[CertificateId]:
    """End what a key has certified of other authorities and of services, and have its last lists say so.

    Args:
        issuers: The home's authorities and keys.
        key: The key that is to retire.
        cause: Of the ends, as the journal has it.
        rule: By whose word they are.
        publish: Publishes what has ended. By SuiteRetired it says that all is published that may be signed.
        at: Now.

    Raises:
        Conflict: The key may not retire then, or another CA would be cut off; nothing has ended.
    """
    with issuers.stores.recording() as recording:
        require_no_peer_lost(recording.writing, key, at)
        ended = end(recording, before_the_key(recording.writing, key, at), cause, rule, at)
        require_may_retire(recording.of(key.authority), key, at)
    if ended:
        # Too late for its last lists, or for another key's, which is no reason to keep the key.
        with suppress(SuiteRetired):
            publish(at)
    return ended


def end(
    recording: Recording, records: Iterable[CertificateRecord], cause: str, rule: str, at: datetime
) -> list[CertificateId]:
    """Revoke these certificates, since what they were for has ceased; gives which they are."""
    ended = tuple(orders(records, at))
    if ended:
        recording.note(RevocationEntry(cause, rule, at, ended))
    return [CertificateId.parse(one.certificate) for one in ended]


def require_may_retire(connection: Connection, generation: GenerationId, at: datetime) -> None:
    """Raise Conflict, as the step itself would, unless nothing else of the key is valid and its turn has come."""
    known = Known(valid=key_needs.still_valid(connection, generation, at))
    keys = key_lives.keys_of(connection, generation.authority)
    generations.take(keys, Step.RETIRE, generation, known, at)


def _sides(half: Half) -> tuple[GenerationId, GenerationId]:
    """Our key and the other CA's, if it is between this home and one."""
    return (half.subject, half.issuer) if half.received else (half.issuer, half.subject)
