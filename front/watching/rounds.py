"""One look at everything that a world publishes: manifest, journal heads, every list, and status answers by sampling."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.manifest import (
    JOURNAL_HEAD,
    JOURNAL_HEAD_SIGNATURE,
    MANIFEST,
    MANIFEST_SIGNATURE,
    PEER,
    ListEntry,
)
from bridge.relying.finding.fetch import HttpSource
from bridge.relying.finding.snapshot import MANIFEST_LIMIT, Snapshot
from bridge.relying.statements import check_statement
from bridge.repository.layout import kept_head_path
from ca.chance import Chance, new_serial
from ca.errors import BadInput, KakehashiError
from ca.model import Revocation, Serial
from ca.revoking.assurance import watch
from ca.revoking.assurance.sights import WIDTH, HeadSight, ListSight, StatusSight, WorldSight, gone, unpack
from ca.revoking.assurance.watch import Finding, FindingKind, Suspicion
from ca.suites import SuiteId
from ca.wire.cms_facts import SIGNATURE_LIMIT
from ca.wire.facts import CertificateFacts
from front.watching.deltas import Unseen, base_of, delta_beside, delta_place
from front.watching.lists import SeenList, fetch_list, see_list
from front.watching.memory import Memory
from front.watching.published import (
    HEAD_LIMIT,
    ask_statuses,
    kept_head,
    published_anchor,
    published_issuer,
    read_head,
)
from ocsp.messages import QUERY_LIMIT

# A list's entries that are asked about: some of each list, and so many that have left it.
_OF_EACH_LIST = 2
_LOST_LIMIT = 4 * QUERY_LIMIT
# New entries of a list that are looked at for their dates.
_NEW_LIMIT = 1000
# A statement and its signature are placed one after the other: a reader between the two asks again.
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Watched:
    """What one look has found, and how much it has looked at."""

    at: datetime
    findings: list[Finding]
    lists: int
    entries: int
    statuses: int
    head: HeadSight | None


@dataclass(slots=True)
class Look:
    """One look. What it remembers is kept by whoever opened the memory's round.

    Attributes:
        trusted: The certificate to trust; None: the anchor that was published when the memory began.
        sample: How many certificates of each generation are asked about, beside those that give cause.
        tell: Told of each step: how many are done, of how many.
        legacy: The legacy suites whose signatures are believed in their time.
    """

    source: HttpSource
    memory: Memory
    at: datetime
    chance: Chance
    trusted: bytes | None = None
    sample: int = QUERY_LIMIT // 2
    tell: Callable[[int, int], None] = lambda _done, _all: None
    legacy: frozenset[SuiteId] = frozenset()
    suspicions: list[Suspicion] = field(default_factory=list)
    _lists: int = 0
    _entries: int = 0
    _statuses: int = 0
    _head: HeadSight | None = None
    _samples: dict[str, dict[Serial, Revocation]] = field(default_factory=dict)

    def look(self) -> Watched:
        """Look at everything once, and judge it by what was seen before."""
        since = self.memory.since
        reached = self._everything()
        findings, remembered = watch.settle(self.suspicions, since, self.at)
        # Where nothing could be looked at, nothing is known to be mended.
        self.memory.keep_since(remembered if reached else {**since, **remembered})
        return Watched(self.at, findings, self._lists, self._entries, self._statuses, self._head)

    def _everything(self) -> bool:
        """Whether the manifest could be had: without it there is nothing to look at."""
        try:
            manifest, signature = self._statement(MANIFEST, MANIFEST_SIGNATURE, MANIFEST_LIMIT)
            snapshot = Snapshot.of(manifest, self.source)
            anchor = self._anchor(snapshot)
        except BadInput as error:
            self._suspect(FindingKind.UNREACHABLE, error.place, error.problem)
            return False
        self._check_signed(FindingKind.SIGNATURE_WRONG, MANIFEST, manifest, signature, snapshot, anchor)
        before = self.memory.head
        self._head = self._look_at_head(snapshot, anchor, before)
        issuers = self._issuers(snapshot)
        entries = snapshot.manifest.lists
        for number, entry in enumerate(entries):
            self.tell(number, len(entries))
            self._look_at_list(entry, issuers.get(entry.generation), before)
        self.tell(len(entries), len(entries))
        listed = {place for entry in entries for place in (entry.url, delta_place(entry))}
        for place in sorted(self.memory.places() - listed):
            self._suspect(FindingKind.PARTITION_MISSING, place, "is not in the manifest any more")
        for generation, issuer in issuers.items():
            self._look_at_statuses(generation, issuer)
        if self._head is not None:
            self.memory.keep_head(watch.newer_head(before, self._head))
        return True

    def _suspect(self, kind: FindingKind, place: str, problem: str) -> None:
        self.suspicions.append(Suspicion(kind, place, problem))

    # What is signed

    def _statement(self, path: str, signature: str, limit: int) -> tuple[bytes, bytes]:
        """A statement and its signature, which were there at one time; BadInput if there is no statement."""
        content, signed = b"", b""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE_SECONDS)
            content = self.source.read(path, limit)
            try:
                signed = self.source.read(signature, SIGNATURE_LIMIT)
            except BadInput:
                signed = b""
            if hashlib.sha256(content).digest() in signed:  # the message digest stands there as it is
                break
        return content, signed

    def _check_signed(
        self,
        kind: FindingKind,
        path: str,
        content: bytes,
        signature: bytes,
        snapshot: Snapshot,
        anchor: bytes,
    ) -> None:
        try:
            check_statement(content, signature, path, snapshot, anchor, self.at, self.legacy)
        except KakehashiError as error:
            self._suspect(kind, path, f"{error.place}: {error.problem}")

    def _anchor(self, snapshot: Snapshot) -> bytes:
        """The certificate to trust; the world is compared with the one that was seen before."""
        manifest = snapshot.manifest
        found = self.trusted or published_anchor(snapshot)
        now = WorldSight(manifest.world, manifest.marking.value, hashlib.sha256(found).hexdigest())
        before, anchor = self.memory.world, self.memory.anchor
        self.suspicions += watch.look_at_world(before, now, MANIFEST)
        if before is None or anchor is None:
            self.memory.keep_world(now, found)
            return found
        return self.trusted or anchor

    def _look_at_head(self, snapshot: Snapshot, anchor: bytes, before: HeadSight | None) -> HeadSight | None:
        try:
            content, signature = self._statement(JOURNAL_HEAD, JOURNAL_HEAD_SIGNATURE, HEAD_LIMIT)
            now = read_head(content, JOURNAL_HEAD, snapshot.manifest.world)
        except BadInput as error:
            self._suspect(FindingKind.HEAD_MISSING, error.place, error.problem)
            return None
        self._check_signed(FindingKind.HEAD_UNSIGNED, JOURNAL_HEAD, content, signature, snapshot, anchor)
        if any(one.kind is FindingKind.HEAD_UNSIGNED for one in self.suspicions):
            return None  # what is not the world's word is no measure
        self.suspicions += watch.look_at_head(before, now, JOURNAL_HEAD, self.at)
        world = snapshot.manifest.world
        if kept := self.memory.kept_head:
            path = kept_head_path(kept.count)
            self.suspicions += watch.look_at_kept_head(kept, kept_head(self.source, kept.count, world), path)
        newer = kept_head(self.source, now.count, world)
        if newer and newer.digest == now.digest and (kept is None or newer.count > kept.count):
            self.memory.keep_kept_head(newer)
        if expected := self.memory.expectation:
            self.suspicions += watch.look_at_expectation(expected, now)
            if watch.met(expected, now):
                self.memory.keep_expectation(None)
        return now

    # Lists

    def _issuers(self, snapshot: Snapshot) -> dict[str, CertificateFacts]:
        """Each generation's own certificate, if its key is the one that the manifest names."""
        found: dict[str, CertificateFacts] = {}
        for entry in snapshot.manifest.authorities:
            if entry.role == PEER:  # of another world, which publishes its lists itself
                continue
            try:
                found[entry.generation] = published_issuer(snapshot, entry)
            except KakehashiError as error:
                self._suspect(FindingKind.SIGNATURE_WRONG, error.place, error.problem)
        return found

    def _look_at_list(
        self, entry: ListEntry, issuer: CertificateFacts | None, head: HeadSight | None
    ) -> None:
        try:
            file = fetch_list(self.source, entry.url)
        except BadInput as error:
            self._suspect(FindingKind.PARTITION_MISSING, error.place, error.problem)
            return
        with file:
            if issuer is None:  # said already
                return
            try:
                seen = see_list(file, entry, issuer, self.legacy)
                self._compare(seen, entry.generation, issuer, head)
            except BadInput as error:
                self._suspect(FindingKind.LIST_UNREADABLE, error.place, error.problem)
                return
            if seen.freshest is not None and not seen.suspicions:  # what is wrong measures nothing
                self._look_at_delta(seen, entry, issuer)

    def _compare(
        self, seen: SeenList, generation: str, issuer: CertificateFacts, head: HeadSight | None
    ) -> None:
        now, before = seen.sight, self.memory.list_at(seen.sight.place)
        self._lists += 1
        self._entries += seen.entries
        self.suspicions += seen.suspicions
        self.suspicions += watch.look_at_list(before, now, self.at)
        lost = watch.lost(before, now)
        if before is not None and lost:
            lost = self._look_at_lost(before, generation, issuer, lost)
        new = list(unpack(gone(now.serials, before.serials)))[:_NEW_LIMIT] if before is not None else []
        chosen = self._chosen(now, watch.serials_of(self.memory.since, generation))
        said = seen.revocations({*new, *chosen})
        if new and self.memory.expectation is None:
            dated = max(said[serial].revoked_at for serial in new)
            expected = watch.expectation((head, self._head), now.place, now.this_update, dated)
            self.memory.keep_expectation(expected)
        samples = self._samples.setdefault(generation, {})
        samples.update((serial, said[serial]) for serial in chosen if serial in said)
        if not seen.suspicions:  # what is not the issuer's word is no measure
            self.memory.keep_list(watch.measure(before, now, lost))

    def _look_at_lost(
        self, before: ListSight, generation: str, issuer: CertificateFacts, lost: bytes
    ) -> bytes:
        """Those entries that were lost for no reason, as far as anybody can be asked."""
        serials = list(unpack(lost))
        said = self._ask(generation, issuer, serials[:_LOST_LIMIT]) if self.sample else None
        if said is None:
            self.suspicions += watch.look_at_lost(before, (), len(serials))
            return lost
        self.suspicions += watch.look_at_lost(before, said, 0)
        return b"".join(one.serial.octets for one in watch.unexplained(before, said))

    def _look_at_delta(self, complete: SeenList, entry: ListEntry, issuer: CertificateFacts) -> None:
        """The delta list beside a complete one: relying parties add it, so that it may say nothing else."""
        said = len(self.suspicions)
        try:
            found = delta_beside(self.source, complete, entry, issuer, self.legacy)
        except Unseen as error:
            self._suspect(error.kind, error.place, error.problem)
            return
        delta, before = found.sight, self.memory.list_at(found.sight.place)
        self._lists += 1
        self._entries += found.entries
        self.suspicions += found.suspicions
        self.suspicions += watch.look_at_list(before, delta, self.at)
        self.suspicions += watch.look_at_delta(complete.sight, delta, found.let_go)
        if before is None or before.digest != delta.digest:  # it was held against its base when it was new
            self._hold_against_base(complete.sight, found, entry, issuer)
        if len(self.suspicions) == said:  # only what is right is a measure
            self.memory.keep_list(delta)

    def _hold_against_base(
        self, complete: ListSight, found: SeenList, entry: ListEntry, issuer: CertificateFacts
    ) -> None:
        """With its base a delta list names all that the complete list names."""
        try:
            base = base_of(self.source, found, entry, issuer, self.legacy)
        except Unseen as error:
            self._suspect(error.kind, error.place, error.problem)
            return
        lost = watch.lost_between(complete, base, found.sight, found.let_go)
        if lost:
            self._look_at_lost(replace(complete, place=found.sight.place), entry.generation, issuer, lost)

    def _chosen(self, sight: ListSight, suspected: Collection[Serial]) -> set[Serial]:
        """Entries of a list to ask about: some by chance, and those whose status was suspect."""
        if not self.sample:
            return set()
        count = len(sight.serials) // WIDTH
        octets = self.chance.octets(f"sample {sight.place} {self.at.isoformat()}", 8 * _OF_EACH_LIST)
        places = {
            int.from_bytes(octets[8 * one : 8 * one + 8]) % count for one in range(_OF_EACH_LIST) if count
        }
        by_chance = {Serial.of(sight.serials[WIDTH * place : WIDTH * (place + 1)]) for place in places}
        return by_chance | set(suspected)

    # Statuses

    def _look_at_statuses(self, generation: str, issuer: CertificateFacts) -> None:
        if not self.sample:
            return
        suspected = watch.serials_of(self.memory.since, generation)
        samples = self._samples.get(generation, {})
        # Those that give cause come first, then as many as chance has left in front.
        chosen = sorted(samples, key=lambda serial: (serial not in suspected, _shuffled(serial, self.at)))
        chosen = chosen[: max(self.sample, len(suspected))]
        unissued = new_serial(self.chance, f"{generation} {self.at.isoformat()}")
        said = self._ask(generation, issuer, [unissued, *chosen])
        if said is None:
            return
        self.suspicions += watch.look_at_unissued(f"ocsp/{generation}", said[0])
        for one in said[1:]:
            entry = samples[one.serial]
            self.suspicions += watch.look_at_status(f"{generation}:{one.serial}", entry, one)

    def _ask(
        self, generation: str, issuer: CertificateFacts, serials: Sequence[Serial]
    ) -> list[StatusSight] | None:
        """What the generation's responder says; None if it does not answer as it should, which is said."""
        try:
            said = ask_statuses(self.source, generation, issuer, serials, self.at, self.legacy)
        except KakehashiError as error:
            self._suspect(FindingKind.STATUS_MISSING, f"ocsp/{generation}", error.problem)
            return None
        self._statuses += len(said)
        return said


def _shuffled(serial: Serial, at: datetime) -> bytes:
    return hashlib.sha256(serial.octets + at.isoformat().encode()).digest()
