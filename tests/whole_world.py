"""Whether a home is whole: journal, databases, lists, and what anybody was told tell the same story.

Lists are read by cryptography and OpenSSL, the journal's story is told anew here, by hand.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from bridge.relying.fetch import FolderSource
from bridge.repository.contents import publish_lists
from bridge.repository.heads import publish_head
from ca.issuing import cycle
from ca.journal.entries import (
    EffectEntry,
    Entry,
    EventEntry,
    IntentEntry,
    IssuedEntry,
    QuarantineEntry,
    ResolutionEntry,
    RevocationEntry,
)
from ca.journal.inspection import inspect
from ca.journal.journal import Record, records
from ca.model import AuthorityId, CertificateId, GenerationId, RevocationReason, Serial
from ca.revoking.assurance.receipt_checks import Verdict, check_journal
from ca.revoking.assurance.receipts import read_receipt
from ca.revoking.lists.publication import publish_changes
from ca.rules.revocation import CertificateStatus, status_of
from ca.store import blocked, status
from ca.store import tables as table
from ca.store.engine import Store, sqlite_url
from ca.store.stores import Stores
from front.assembly import World, open_world
from front.keeping_word import Published
from front.receipts import find_records
from tests.many_hands import FILES, failures, tellings
from tests.read_lists import (
    HOLD,
    LIFTED,
    Eyes,
    ReadList,
    parsed,
    rank,
    read_list,
    require_read_by_openssl,
)

FOLLOWED = (
    table.generations,
    table.certificates,
    table.certificate_bytes,
    table.holdings,
    table.cross_certificates,
    table.service_certificates,
    table.revocations,
    table.register_events,
    table.resident_codes,
    table.quarantine,
)
"""What the journal tells of, and nothing else does."""
OWN = AuthorityId("jpki-31")
Place = tuple[str, str]
"""A generation and a scope."""


# The journal's story, told by hand


@dataclass
class Fate:
    """How the journal leaves a certificate."""

    reason: RevocationReason | None = None
    revoked_at: datetime | None = None
    index: int = 0
    cause: str = ""
    lifts: int = 0


@dataclass
class Story:
    """What the journal comes to; each record is heard once, and has to follow from those before."""

    seen: int = 0
    events: dict[str, EventEntry] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    cases: dict[int, str] = field(default_factory=dict)
    resolved: dict[int, str] = field(default_factory=dict)
    intended: set[str] = field(default_factory=set)
    issued: set[str] = field(default_factory=set)
    answered: set[tuple[str, str]] = field(default_factory=set)
    fates: dict[str, Fate] = field(default_factory=dict)
    by_order: dict[str, int] = field(default_factory=dict)

    def hear(self, record: Record) -> None:
        """Follow a record, which may not repeat any before it."""
        assert record.index == self.seen + 1
        self.seen = record.index
        entry, cause = record.entry, ""
        match entry:
            case EventEntry():
                assert entry.event not in self.events, "acknowledged twice"
                self.events[entry.event] = entry
                if entry.outcome == "waiting":
                    self.waiting.add(entry.event)
                cause = f"event {entry.event}"
            case EffectEntry():
                self.waiting.remove(entry.event)
                cause = f"event {entry.event}"
            case QuarantineEntry():
                assert entry.case == len(self.cases) + 1
                self.cases[entry.case] = entry.event
            case ResolutionEntry():
                assert entry.case in self.cases.keys() - self.resolved.keys()
                self.resolved[entry.case] = entry.decision
                cause = f"quarantine {entry.case}"
            case RevocationEntry():
                cause = entry.cause
            case _:
                self._issue(entry)
        for one in getattr(entry, "orders", ()):
            reason = RevocationReason.recorded(one.reason)
            self._end(one.certificate, reason, one.revoked_at, record.index, cause)

    def _issue(self, entry: Entry) -> None:
        if isinstance(entry, IntentEntry):
            for part in entry.certificates:
                assert part.certificate not in self.intended, "a serial was spent twice"
                self.intended.add(part.certificate)
                if part.application is not None:
                    assert (part.application, part.kind) not in self.answered, "a case was answered twice"
                    self.answered.add((part.application, part.kind))
        elif isinstance(entry, IssuedEntry):
            for one in entry.certificates:
                assert one.certificate in self.intended - self.issued
                self.issued.add(one.certificate)

    def _end(self, certificate: str, reason: RevocationReason, at: datetime, index: int, cause: str) -> None:
        fate = self.fates.setdefault(certificate, Fate())
        if reason is LIFTED:
            assert fate.reason is HOLD, "only a hold is lifted"
            fate.lifts += 1
        else:
            assert rank(reason) > rank(fate.reason), f"{certificate} goes from {fate.reason} to {reason}"
            if rank(fate.reason) == 0:
                fate.revoked_at = at
        fate.reason, fate.index, fate.cause = reason, index, cause
        if cause.startswith("order "):
            self.by_order[cause] = self.by_order.get(cause, 0) + 1


# All of it


class Wholeness:
    """Looks through a home in which nobody works, whenever asked; what was looked at before is not looked at again.

    Args:
        home: The home.
        baseline: The databases as they were at the beginning. They follow the journal by themselves.
    """

    def __init__(self, home: Path, baseline: Path) -> None:
        self.home, self.baseline = home, baseline
        self.shadow = home.parent / "shadow"
        copy_files(baseline, self.shadow)
        self.story = Story()
        self.lists: dict[Place, int] = {}
        self.told: dict[str, int] = {}
        self.at = datetime.max.replace(tzinfo=UTC)

    def require(self, eyes: Eyes) -> None:
        """Everything agrees, after what a new process does first."""
        assert failures(self.home) == []
        eyes.look()
        folders = [self.home / "journal", self.home.parent / "mirror" / "journal"]
        for folder in folders:
            if folder.exists():
                inspect(folder, eyes.look_at_kept_heads())
        with open_world(self.home, str) as world:
            cycle.recover(world.issuers_unrecovered, world.clock())
            self.at = world.clock()
            world.events.settle(self.at)
            publish(world, self.at)
            eyes.look()
            heads = eyes.look_at_kept_heads()
            assert {inspect(folder, heads).head for folder in folders} == {world.stores.journal.head()}
            for record in records(world.home.journal, self.story.seen):
                self.story.hear(record)
            self._require_promises(world)
            self._require_store(world)
            self._require_lists(world)
            with closing(databases(self.shadow, world)) as shadow:
                shadow.catch_up()
                require_same(world.stores, shadow)

    # What was told

    def _new(self, role: str) -> list[dict[str, Any]]:
        """What somebody was told since it was last looked at."""
        found = tellings(self.home, role, after=self.told.get(role, 0))
        self.told[role] = self.told.get(role, 0) + len(found)
        return found

    def _answers_in_the_inbox(self) -> list[dict[str, Any]]:
        inbox = self.home.parent / "inbox"
        assert not list(inbox.glob("refused/*")), "every file is right"
        return [json.loads(path.read_bytes()) for path in inbox.glob("done/*.answer.json")]

    def _require_promises(self, world: World) -> None:
        """Whatever anybody was told stands in the journal and in the databases."""
        story = self.story
        for one in [*self._new("register"), *self._answers_in_the_inbox()]:
            for outcome in one["outcomes"]:
                if outcome["case"] is not None:
                    assert story.cases[outcome["case"]] == outcome["event"]
                entry = story.events[outcome["event"]]
                if outcome["outcome"] not in {"replayed", "quarantined"}:
                    assert entry.outcome == outcome["outcome"]
                    ended = [order.certificate for order in entry.orders]
                    assert ended == [order["certificate"] for order in outcome["orders"]]
        for one in self._new("officers"):
            if "revoked" in one:
                (head, record) = find_records(world.home.journal, [one["index"]])[one["index"]]
                assert head.digest == one["digest"]
                (order,) = record.entry.orders
                assert (order.certificate, order.reason) == (one["revoked"], one["reason"])
            if "case" in one:
                assert story.resolved[one["case"]] == one["decision"]
        issued = {one["certificate"]: one["sha256"] for one in self._new("window")}
        found = world.stores.certificates(map(CertificateId.parse, issued))
        assert {str(record.id): sha256(record.encoded).hexdigest() for record in found} == issued

    # The databases

    def _require_store(self, world: World) -> None:
        story = self.story
        rows: dict[str, Any] = {}
        for store in world.stores.each():
            for row in all_rows(store, table.revocations):
                certificate = f"{row.generation}:{row.serial.hex()}"
                assert certificate not in rows, "it stands in two databases"
                rows[certificate] = row
            assert not any(row.state == "intended" for row in all_rows(store, table.certificates))
            with store.reading() as connection:
                assert blocked.all_blocked(connection) == []
        found = {
            certificate: Fate(RevocationReason(row.reason), row.revoked_at, row.journal_index, row.cause)
            for certificate, row in rows.items()
        }
        assert found == {
            certificate: Fate(fate.reason, fate.revoked_at, fate.index, fate.cause)
            for certificate, fate in story.fates.items()
        }
        events = {row.event: row for row in all_rows(world.stores.nation, table.register_events)}
        assert events.keys() == story.events.keys()
        assert {name for name, row in events.items() if row.state == "waiting"} == story.waiting
        assert not [name for name in story.waiting if story.events[name].effective <= self.at]
        for row in all_rows(world.stores.nation, table.orders):
            # Of a chunk whose process died, what something worse has come over since counts as ended before.
            assert row.done <= story.by_order.get(f"order {row.order}", 0), "counted, and not done"
        self._require_answers(world, rows)

    def _require_answers(self, world: World, rows: dict[str, Any]) -> None:
        """What the responder reads of what ever ended."""
        wanted: dict[GenerationId, dict[Serial, Any]] = {}
        for certificate, row in rows.items():
            one = CertificateId.parse(certificate)
            wanted.setdefault(one.generation, {})[one.serial] = row
        for generation, ended in wanted.items():
            with world.stores.of(generation.authority).reading() as connection:
                known = status.records(connection, generation, list(ended))
            for serial, row in ended.items():
                said = status_of(known[serial].issued_at, known[serial].revocation, self.at).status
                assert said is (CertificateStatus.GOOD if row.reason == LIFTED else CertificateStatus.REVOKED)

    # Lists

    def _require_lists(self, world: World) -> None:
        ends, wanted = {}, {}
        for store in world.stores.each():
            for row in all_rows(store, table.revocations):
                serial = int.from_bytes(row.serial)
                ends[row.generation, serial] = row
                for scope in (row.scope, "full"):
                    wanted.setdefault((row.generation, scope), {})[serial] = row
        for place, rows in wanted.items():
            folder = self.home / "repository" / "g" / place[0] / "crl"
            kept = sorted(int(path.stem) for path in (folder / place[1]).glob("*.crl"))
            since = self.lists.get(place, 0)
            for before, after in pairwise(number for number in kept if number >= since):
                self._require_onward(
                    place,
                    ends,
                    *(read_list(folder / place[1] / f"{number}.crl") for number in (before, after)),
                )
            self.lists[place] = kept[-1]
            newest = parsed((folder / f"{place[1]}.crl").read_bytes())
            assert newest.number == kept[-1]
            now = {
                serial: (row.revoked_at, RevocationReason(row.reason), row.invalid_since)
                for serial, row in rows.items()
                if row.reason != LIFTED
            }
            assert newest.entries.items() <= now.items()
            assert all(
                rows[serial].not_after < newest.this_update for serial in now.keys() - newest.entries.keys()
            )
            self._require_delta(folder, place[1], rows)
            if newest.number > since:
                require_read_by_openssl(folder / f"{place[1]}.crl", newest)

    def _require_onward(self, place: Place, ends: dict[Any, Any], before: ReadList, after: ReadList) -> None:
        assert before.this_update <= after.this_update
        for serial, (revoked_at, reason, _) in before.entries.items():
            row = ends[place[0], serial]
            certificate = str(CertificateId(GenerationId.parse(place[0]), Serial(serial)))
            lifted = self.story.fates[certificate].lifts
            if serial not in after.entries:
                assert lifted or row.not_after < after.this_update, f"{certificate} vanished"
                continue
            if not lifted:
                moment, now, _ = after.entries[serial]
                assert moment == revoked_at, f"{certificate}: its date changed"
                assert now is reason or rank(now) > rank(reason), f"{certificate}: its reason changed"

    def _require_delta(self, folder: Path, scope: str, rows: dict[int, Any]) -> None:
        """A complete list and its delta list of one moment say the same."""
        path = folder / f"{scope}.delta.crl"
        if not path.exists():
            return
        delta = parsed(path.read_bytes())
        assert delta.base is not None
        complete = read_list(folder / scope / f"{delta.number}.crl")
        base = read_list(folder / scope / f"{delta.base}.crl")
        assert delta.this_update == complete.this_update
        come_to = {**base.entries, **delta.entries}
        come_to = {serial: entry for serial, entry in come_to.items() if entry[1] is not LIFTED}
        assert complete.entries.items() <= come_to.items()
        gone = come_to.keys() - complete.entries.keys()
        assert all(rows[serial].not_after < complete.this_update for serial in gone)

    def put_back(self) -> None:
        """Nobody works; the databases become what they were at the beginning, journal and archive are the mirror's."""
        copy_files(self.baseline, self.home)
        for name in ("journal", "archive"):
            shutil.rmtree(self.home / name)

    # Once, at the end

    def require_word_kept(self) -> None:
        """Every receipt that was ever given is confirmed by the journal, and refuted by nothing that is published."""
        told = [
            *tellings(self.home, "register"),
            *tellings(self.home, "officers"),
            *self._answers_in_the_inbox(),
        ]
        given = [one["receipt"] for one in told if "receipt" in one]
        with open_world(self.home, str) as world:
            published = Published.read(FolderSource(world.home.repository), None, world.clock())
            for fields in given:
                receipt = read_receipt(json.dumps(fields).encode(), "receipt")
                found = find_records(world.home.journal, (part.index for part in receipt.said.records))
                lines = [*check_journal(receipt.said, found)]
                assert {line.verdict for line in lines} == {Verdict.CONFIRMED}
                for line in published.check(receipt):
                    assert line.verdict is not Verdict.REFUTED, line

    def require_any_copy_catches_up(self) -> None:
        """Whichever of the databases is put back to what it was at the beginning gets back what it lost."""
        with open_world(self.home, str) as world:
            for names in (FILES, *((name,) for name in FILES)):
                copy = self.home.parent / f"put-back-{'-'.join(names)}"
                for store in world.stores.each():
                    store.close()  # which folds the logs beside the files into them
                copy_files(self.home, copy)
                copy_files(self.baseline, copy, names)
                with closing(databases(copy, world)) as stores:
                    stores.catch_up()
                    require_same(world.stores, stores)
                    assert stores.catch_up() == 0


def publish(world: World, at: datetime) -> None:
    """What a worker publishes: what changed, what is due, and how far the journal is."""
    publish_changes(world.issuers, world.repository, at=at)
    for generation in world.stores.generations():
        publish_lists(world.issuers, generation.id, world.repository, at=at)
    publish_head(world.issuers, world.plan, world.repository, at=at)


def copy_files(source: Path, target: Path, names: Iterable[str] = FILES) -> None:
    """Lay databases beside each other in a folder, in the place of those that are there."""
    target.mkdir(exist_ok=True)
    for name in names:
        for left in target.glob(f"{name}-*"):
            left.unlink()
        (target / name).write_bytes((source / name).read_bytes())


def databases(folder: Path, world: World) -> Stores:
    """Databases that follow a home's journal from another folder."""
    nation, own = (Store.open(sqlite_url(folder / name)) for name in FILES)
    return Stores(nation, world.stores.journal, {OWN: own})


def all_rows(store: Store, of: Table) -> Sequence[Any]:
    """Every row of a table."""
    with store.reading() as connection:
        return connection.execute(of.select()).all()


def require_same(one: Stores, other: Stores) -> None:
    """Databases that followed one journal say the same of all that it tells of."""
    for store, copy in zip(one.each(), other.each(), strict=True):
        for followed in FOLLOWED:
            rows, copied = (set(map(tuple, all_rows(each, followed))) for each in (store, copy))
            assert rows == copied, followed
