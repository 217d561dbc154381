"""Whether a home is whole: journal, databases, lists, and what anybody was told tell the same story.

Lists are read by cryptography and OpenSSL, the journal's story is told anew (tests/journal_story.py).
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from bridge.relying.finding.fetch import FolderSource
from bridge.repository.contents import publish_lists
from bridge.repository.heads import publish_head
from ca.issuing import cycle
from ca.journal.inspection import inspect
from ca.journal.journal import records
from ca.model import AuthorityId, CertificateId, GenerationId, RevocationReason, Serial
from ca.revoking.assurance.receipt_checks import Verdict, check_journal
from ca.revoking.assurance.receipts import read_receipt
from ca.revoking.lists.publication import publish_changes
from ca.rules.revocation import CertificateStatus, status_of
from ca.store import blocked, register, status
from ca.store import tables as table
from ca.store.engine import Store, sqlite_url
from ca.store.stores import Stores
from front.assembly import World, open_world
from front.keeping_word import Published
from front.receipts import find_records
from tests.journal_story import Fate, Story
from tests.many_hands import FILES, failures, tellings
from tests.read_lists import (
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
    table.orders,
    table.order_certificates,
    table.order_steps,
    table.peers,
    table.agreements,
    table.examinations,
    table.received_certificates,
    table.renewals,
    table.renewal_halves,
)
"""What the journal tells of, and nothing else does."""
OWN = AuthorityId("jpki-31")
_SLOT = struct.Struct(">32sQQI12x")
"""What an archive says of a body: the salt of its key, the file that it lies in, where, and its length."""
Place = tuple[str, str]
"""A generation and a scope."""


class Wholeness:
    """Looks through a home in which nobody works, whenever asked; what was looked at before is not looked at again.

    Args:
        home: The home.

    Attributes:
        kept: The databases as they were at the beginning, and whenever they were kept since.
        shadow: Those of the beginning, following the journal by themselves.
        lost: Whether the archive is one that was lost, and comes back with the next body.
    """

    def __init__(self, home: Path) -> None:
        self.home, self.mirror = home, home.parent / "mirror"
        self.shadow = home.parent / "shadow"
        self.kept: list[Path] = []
        self.keep()
        copy_files(self.kept[0], self.shadow)
        self.story = Story()
        self.lost = False
        self.lists: dict[Place, int] = {}
        self.told: dict[str, int] = {}
        self.at = datetime.max.replace(tzinfo=UTC)

    def require(self, eyes: Eyes) -> None:
        """Everything agrees, after what a new process does first."""
        assert failures(self.home) == []
        eyes.look()
        folders = [self.home / "journal", self.mirror / "journal"]
        followed = self._followed()
        for folder in folders:
            if folder.exists():
                head = inspect(folder, eyes.look_at_kept_heads()).head
                assert followed <= head.count, "a database has what was not acknowledged"
        with open_world(self.home, str) as world:
            with world.stores.recording() as recording:
                recording.of(OWN)  # whoever comes first may write, whatever was left undone
            cycle.recover(world.issuers_unrecovered, world.clock())
            self.at = world.clock()
            world.events.settle(self.at)
            publish(world, self.at)
            eyes.look()
            heads = eyes.look_at_kept_heads()
            assert {inspect(folder, heads).head for folder in folders} == {world.stores.journal.head()}
            for record in records(world.home.journal, self.story.seen):
                self.story.hear(record)
            self._require_mirror()
            self._require_promises(world)
            self._require_store(world)
            self._require_lists(world)
            with closing(databases(self.shadow, world)) as shadow:
                shadow.catch_up()
                require_same(world.stores, shadow)

    def _followed(self) -> int:
        """How far some database has followed the journal, as a death left it."""
        found = []
        for name in FILES:
            with closing(Store.open(sqlite_url(self.home / name))) as store, store.reading() as connection:
                found.append(register.applied(connection))
        return max(found)

    def _require_mirror(self) -> None:
        """Journal and archive lie twice, octet for octet."""
        assert journal_files(self.home / "journal") == journal_files(self.mirror / "journal")
        archives = [at / "archive" for at in (self.home, self.mirror)]
        if not (self.lost and held(archives[0]) < self.story.bodies):
            main, mirror = (archive_files(one, self.story.bodies) for one in archives)
            assert main == mirror
            self.lost = False

    # What was told

    def _new(self, role: str) -> list[dict[str, Any]]:
        """What somebody was told since it was last looked at."""
        found = tellings(self.home, role, after=self.told.get(role, 0))
        self.told[role] = self.told.get(role, 0) + len(found)
        return found

    def _answers_in_the_inbox(self) -> list[dict[str, Any]]:
        inbox = self.home.parent / "inbox"
        assert not list(inbox.glob("refused/*")), "every file is right"
        answers = {path.name: json.loads(path.read_bytes()) for path in inbox.glob("done/*.answer.json")}
        assert all(f"{path.name}.answer.json" in answers for path in inbox.glob("done/*.jsonl"))
        return list(answers.values())

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
        officers = self._new("officers")
        recorded = find_records(world.home.journal, [one["index"] for one in officers if "revoked" in one])
        for one in officers:
            if "revoked" in one:
                (head, record) = recorded[one["index"]]
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
        told = {
            certificate: Fate(fate.reason, fate.revoked_at, fate.index, fate.cause)
            for certificate, fate in story.fates.items()
        }
        apart = [(one, found.get(one), told.get(one)) for one in {**found, **told}]
        unlike = [(one, kept, heard) for one, kept, heard in apart if kept != heard]
        assert unlike == [], unlike
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
                assert now is reason or rank(now) > rank(reason), f"{certificate}: its reason changed"
                kept = moment == revoked_at if now is reason else moment <= revoked_at
                assert kept, f"{certificate}: its date changed"

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

    # Restored copies

    def keep(self) -> None:
        """Lay the databases aside as they are; nobody has them open."""
        self.kept.append(self.home.parent / f"as-it-was-{len(self.kept)}")
        copy_files(self.home, self.kept[-1])

    def put_back(self) -> None:
        """Nobody works; the databases become what they were when last kept, journal and archive are the mirror's."""
        copy_files(self.kept[-1], self.home)
        for name in ("journal", "archive"):
            if (self.home / name).exists():  # after few deaths nothing may have come to the archive yet
                shutil.rmtree(self.home / name)
        self.lost = True

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
            receipts = [read_receipt(json.dumps(fields).encode(), "receipt") for fields in given]
            indices = {part.index for receipt in receipts for part in receipt.said.records}
            found = find_records(world.home.journal, indices)
            for receipt in receipts:
                lines = [*check_journal(receipt.said, found)]
                assert {line.verdict for line in lines} == {Verdict.CONFIRMED}
                for line in published.check(receipt):
                    assert line.verdict is not Verdict.REFUTED, line

    def require_any_copy_catches_up(self) -> None:
        """Whichever of the databases is put back to what it was once gets back what it lost."""
        choices = (FILES, *((name,) for name in FILES))
        with open_world(self.home, str) as world:
            for kept, names in product((self.kept[0], self.kept[-1]), choices):
                copy = self.home.parent / f"put-back-{kept.name}-{'-'.join(names)}"
                for store in world.stores.each():
                    store.close()  # which folds the logs beside the files into them
                copy_files(self.home, copy)
                copy_files(kept, copy, names)
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
        assert not (source / f"{name}-wal").exists(), "its log is folded into it"
        for left in target.glob(f"{name}-*"):
            left.unlink()
        (target / name).write_bytes((source / name).read_bytes())


def journal_files(folder: Path) -> dict[str, bytes]:
    """A journal's records as they lie on the disk; neither its lock nor what a death left torn is one."""
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


def held(archive: Path) -> int:
    """How many bodies an archive knows of."""
    slots = archive / "slots"
    return slots.stat().st_size // _SLOT.size - 1 if slots.exists() else -1


def archive_files(folder: Path, bodies: int) -> dict[str, bytes]:
    """An archive up to this body. What a death left behind it, in one copy perhaps, the next body is written over."""
    slots = (folder / "slots").read_bytes()[: _SLOT.size * (bodies + 1)]
    _, segment, offset, length = _SLOT.unpack(slots[-_SLOT.size :])
    (texts,) = folder.glob("*.bodies")
    assert (int(texts.stem), len(slots)) == (segment, _SLOT.size * (bodies + 1))
    return {"slots": slots, texts.name: texts.read_bytes()[: offset + length]}


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
