"""How holders and keys stand in the nation: what is held, what ended, which keys are taken, what the register told."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from ca.errors import Conflict, CsrRefused
from ca.model import ApplicationId, CertificateId, CertificateKind, OfficeId, Revocation, RevocationReason
from ca.rules.fate import Holding, fate, in_effect
from ca.rules.residents import Change, LapseRules
from ca.store import applications, authorities, holdings, lives, register
from ca.store.connections import Connections
from ca.store.holdings import HoldingRecord
from ca.store.stores import Stores
from ca.wire.same_keys import same_key

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AskedKey:
    """A key that is to be certified, as one kind.

    Attributes:
        infos: Its encoded SubjectPublicKeyInfo, and every other that has the same private key.
        digests: Their SHA-256, in the same order.
    """

    kind: CertificateKind
    infos: tuple[bytes, ...] = field(repr=False)
    digests: tuple[bytes, ...]

    @classmethod
    def of(cls, kind: CertificateKind, info: bytes) -> AskedKey:
        """The key with its digests."""
        infos = same_key(info)
        return cls(kind, infos, tuple(hashlib.sha256(one).digest() for one in infos))

    @property
    def info(self) -> bytes:
        """The SubjectPublicKeyInfo that is asked for."""
        return self.infos[0]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of some holders and some keys at one moment. Read for one case, or for a group of a batch.

    Attributes:
        held: What each holder holds or held under whichever code, by the keyed code that was asked with.
        taken: The holdings on keys that are asked for, or that are the same key, by SHA-256 of the encoded
            SubjectPublicKeyInfo.
        asked: The cases that ask for a certificate on such a key, by the encoded SubjectPublicKeyInfo.
        ended: How any of those holdings ended.
        told: What the register has told of each holder under whichever code.
    """

    held: Mapping[bytes, tuple[HoldingRecord, ...]]
    taken: Mapping[bytes, HoldingRecord]
    asked: Mapping[bytes, ApplicationId]
    ended: Mapping[CertificateId, Revocation]
    told: Mapping[bytes, tuple[Change, ...]]

    def part(self, holder: bytes | None, keys: Iterable[AskedKey]) -> Standing:
        """What of this concerns one holder and these keys; equal if nothing that concerns them has changed."""
        held = () if holder is None else self.held.get(holder, ())
        told = () if holder is None else self.told.get(holder, ())
        taken = {digest: self.taken[digest] for key in keys for digest in key.digests if digest in self.taken}
        asked = {info: self.asked[info] for key in keys for info in key.infos if info in self.asked}
        if not (held or told or taken or asked):
            return NOBODY
        assert holder is not None or not (held or told), "nobody holds nothing"
        mine = {record.certificate for record in (*held, *taken.values())}
        return Standing(
            held={holder: held} if holder and held else {},
            taken=taken,
            asked=asked,
            ended={certificate: end for certificate, end in self.ended.items() if certificate in mine},
            told={holder: told} if holder and told else {},
        )

    def live(self, holder: bytes | None, at: datetime) -> list[HoldingRecord]:
        """What a holder holds at this moment: neither expired nor ended."""
        known = () if holder is None else self.held.get(holder, ())
        second = at.replace(microsecond=0)
        return [
            record
            for record in known
            if record.period.not_after >= second and record.certificate not in self.ended
        ]

    def holdings_on(self, key: AskedKey) -> list[HoldingRecord]:
        """The certificates on a key, whose ever they are."""
        return [self.taken[digest] for digest in key.digests if digest in self.taken]

    def require_new_key(self, key: AskedKey, place: str, office: OfficeId | None = None) -> None:
        """Raise CsrRefused if the key is in a certificate or a case; of the own office's case it tells the number."""
        found = self.holdings_on(key)
        ends = [self.ended[one.certificate].reason for one in found if one.certificate in self.ended]
        if RevocationReason.KEY_COMPROMISE in ends:
            raise CsrRefused(
                place,
                "its key was reported compromised",
                clause="RFC 5280 5.3.1, keyCompromise",
                remedy="Make a new key pair; this one is never certified again",
            )
        there = next((self.asked[info] for info in key.infos if info in self.asked), None)
        if not found and there is None:
            return
        # The case that has it may be this very application, filed before its answer was lost; another office's
        # case is not named.
        ours = there is not None and office is not None and there.startswith(f"{office}-")
        raise CsrRefused(
            place,
            "its key is in another certificate or application",
            remedy=f"Make a new key pair, or go on with case {there}" if ours else "Make a new key pair",
        )

    def require_still_true(self, record: HoldingRecord, rules: LapseRules, at: datetime, place: str) -> None:
        """Raise Conflict if what the register has told, since the approval, would end this certificate or hold it."""
        if record.holder is None:
            return
        told = in_effect(self.told.get(record.holder, ()), at)
        holding = Holding(record.certificate, record.kind, record.decided_at, record.period)
        found = fate(told, holding, rules, at)
        if found.change is not None and found.standing.rank:
            raise Conflict(
                place,
                f"the register has told of a change since it was approved ({found.change.kind})",
                remedy="Reject it; if the resident still may, apply again",
            )


def require_keys_apart(keys: Iterable[AskedKey], place: str) -> None:
    """Raise CsrRefused if one key is asked for twice."""
    seen: set[bytes] = set()
    for key in keys:
        if not seen.isdisjoint(key.digests):
            raise CsrRefused(place, "asks for two kinds with one key; each kind has a key pair of its own")
        seen.update(key.digests)


NOBODY = Standing({}, {}, {}, {}, {})
"""How most stand who apply for the first time."""


def standing_of(connections: Connections, holders: Collection[bytes], keys: Collection[AskedKey]) -> Standing:
    """How these holders and keys stand.

    Read in the transaction that writes a holding down: an event is either seen here, or finds the holding.
    """
    nation = connections.nation
    codes = register.codes_of(nation, holders)
    everybody = sorted(frozenset[bytes]().union(*codes.values()))
    taken = holdings.with_keys(nation, [digest for key in keys for digest in key.digests])
    held: dict[bytes, list[HoldingRecord]] = defaultdict(list)
    for record in holdings.of_holders(nation, everybody):
        assert record.holder is not None, "asked for by holder"
        held[record.holder].append(record)
    told: dict[bytes, list[Change]] = defaultdict(list)
    for change in register.of_holders(nation, everybody):
        told[change.holder].append(change)
    found = {record.certificate for records in (*held.values(), taken.values()) for record in records}
    ended = {
        life.certificate: life.standing.revocation
        for life in lives.of(connections, sorted(found))
        if life.standing is not None and life.reason is not RevocationReason.REMOVE_FROM_CRL
    }
    return Standing(
        held=_under_all(codes, holders, held),
        taken=taken,
        asked=applications.with_public_keys(nation, [info for key in keys for info in key.infos]),
        ended=ended,
        told=_under_all(codes, holders, told),
    )


def _under_all(
    codes: Mapping[bytes, frozenset[bytes]], holders: Iterable[bytes], by_code: Mapping[bytes, Sequence[T]]
) -> dict[bytes, tuple[T, ...]]:
    """What there is under all codes of each holder; those who have nothing are left out."""
    found = {
        holder: tuple(one for code in sorted(codes[holder]) for one in by_code.get(code, ()))
        for holder in holders
    }
    return {holder: things for holder, things in found.items() if things}


def own_keys(stores: Stores) -> frozenset[bytes]:
    """The digests of the keys of every authority and of its services: holders have others."""
    found: set[bytes] = set()
    for store in stores.each():
        with store.reading() as connection:
            found |= authorities.own_keys(connection)
    return frozenset(found)
