"""How holders and keys stand in the nation: what is held, what ended, which keys are taken, what the register told."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ca.errors import Conflict, CsrRefused
from ca.model import ApplicationId, CertificateId, CertificateKind, OfficeId, Revocation, RevocationReason
from ca.rules.residents import Change, Holding, lapses
from ca.store import applications, authorities, holdings, register, revocations
from ca.store.holdings import HoldingRecord
from ca.store.stores import Connections, Stores


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of some holders and some keys at one moment. Read for one case, or for a group of a batch.

    Attributes:
        held: What each holder holds or held, by the holder's keyed code.
        taken: The holdings on keys that are asked for, by SHA-256 of the encoded SubjectPublicKeyInfo.
        asked: The cases that ask for a certificate on a key.
        ended: How any of those holdings ended.
        told: What the register has told of each holder, by effect.
    """

    held: Mapping[bytes, tuple[HoldingRecord, ...]]
    taken: Mapping[bytes, HoldingRecord]
    asked: Mapping[bytes, ApplicationId]
    ended: Mapping[CertificateId, Revocation]
    told: Mapping[bytes, tuple[Change, ...]]

    def part(self, holder: bytes | None, keys: Iterable[tuple[CertificateKind, bytes]]) -> Standing:
        """What of this concerns one holder and these keys; equal if nothing that concerns them has changed."""
        held = () if holder is None else self.held.get(holder, ())
        told = () if holder is None else self.told.get(holder, ())
        digests = {key: hashlib.sha256(key).digest() for _, key in keys}
        taken = {digest: self.taken[digest] for digest in digests.values() if digest in self.taken}
        mine = {record.certificate for record in (*held, *taken.values())}
        return Standing(
            held={holder: held} if holder is not None and held else {},
            taken=taken,
            asked={key: self.asked[key] for key in digests if key in self.asked},
            ended={certificate: end for certificate, end in self.ended.items() if certificate in mine}
            if mine
            else {},
            told={holder: told} if holder is not None and told else {},
        )

    def live(self, holder: bytes | None, at: datetime) -> list[HoldingRecord]:
        """What a holder holds at this moment: neither expired nor ended."""
        known = () if holder is None else self.held.get(holder, ())
        return [
            record
            for record in known
            if record.period.not_after >= at and record.certificate not in self.ended
        ]

    def require_new_key(self, public_key: bytes, place: str, office: OfficeId | None = None) -> None:
        """Raise CsrRefused if the key is in a certificate or a case; of the own office's case it tells the number."""
        holding = self.taken.get(hashlib.sha256(public_key).digest())
        ended = None if holding is None else self.ended.get(holding.certificate)
        if ended is not None and ended.reason is RevocationReason.KEY_COMPROMISE:
            raise CsrRefused(
                place,
                "its key was reported compromised",
                clause="RFC 5280 5.3.1, keyCompromise",
                remedy="Make a new key pair; this one is never certified again",
            )
        there = self.asked.get(public_key)
        if holding is None and there is None:
            return
        # The case that has it may be this very application, filed before its answer was lost; another office's
        # case is not named.
        ours = there is not None and office is not None and there.startswith(f"{office}-")
        raise CsrRefused(
            place,
            "its key is in another certificate or application",
            remedy=f"Make a new key pair, or go on with case {there}" if ours else "Make a new key pair",
        )

    def require_still_true(self, record: HoldingRecord, at: datetime, place: str) -> None:
        """Raise Conflict if the register has told, since the approval, what would have ended this certificate."""
        if record.holder is None:
            return
        holding = Holding(record.certificate, record.kind, record.decided_at, record.period, None)
        for change in self.told.get(record.holder, ()):
            if change.effective <= at and lapses(change, holding, at) is not None:
                raise Conflict(
                    place,
                    f"the register has told of a change since it was approved ({change.kind})",
                    remedy="Reject the case; if the resident still may, apply again",
                )


def standing_of(
    connections: Connections, holders: Collection[bytes], public_keys: Collection[bytes]
) -> Standing:
    """How these holders and keys stand.

    Read in the transaction that writes a holding down: an event is either seen here, or finds the holding.
    """
    nation = connections.nation
    digests = [hashlib.sha256(key).digest() for key in public_keys]
    held: dict[bytes, list[HoldingRecord]] = defaultdict(list)
    ended: dict[CertificateId, Revocation] = {}
    taken = holdings.with_keys(nation, digests)
    found = holdings.of_holders(nation, list(holders))
    for record in found:
        assert record.holder is not None, "asked for by holder"
        held[record.holder].append(record)
    for record in (*found, *taken.values()):
        connection = connections.of(record.certificate.generation.authority)
        revocation = revocations.find(connection, record.certificate, record.scope)
        if revocation is not None:
            ended[record.certificate] = revocation
    told: dict[bytes, list[Change]] = defaultdict(list)
    for change in register.of_holders(nation, list(holders)):
        told[change.holder].append(change)
    return Standing(
        held={holder: tuple(records) for holder, records in held.items()},
        taken=taken,
        asked=applications.with_public_keys(nation, list(public_keys)),
        ended=ended,
        told={holder: tuple(changes) for holder, changes in told.items()},
    )


def own_keys(stores: Stores, public_keys: Collection[bytes]) -> frozenset[bytes]:
    """Which of these keys are an authority's, or one of its services'."""
    found: set[bytes] = set()
    for store in stores.each():
        with store.reading() as connection:
            found |= authorities.own_keys(connection, list(public_keys))
    return frozenset(found)
