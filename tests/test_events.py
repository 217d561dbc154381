"""From a register's feed to ended certificates: decided, written into the journal, carried out, never lost.

Processes die by SIGKILL here at each step between the first statement and the commit.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event as engine_events
from sqlalchemy import select

from bridge.repository.layout import list_path
from ca.errors import BadInput, Conflict, HomeRefused, StorageFailed
from ca.issuing import cycle
from ca.journal import durable, segments
from ca.journal import journal as journal_module
from ca.journal.entries import EventEntry
from ca.journal.journal import Journal
from ca.keys.codes import keyed_code
from ca.model import (
    RESIDENT_KINDS,
    CertificateKind,
    MunicipalityCode,
    RevocationReason,
    partition_scope,
    resident_code,
)
from ca.revoking.deciding import desk
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk, EventOutcome
from ca.revoking.feed import events as feed_events
from ca.revoking.feed.events import Feed
from ca.revoking.feed.files import read_feed
from ca.revoking.lists.publication import publish_changes
from ca.rules.residents import ChangeKind
from ca.store import register, revocations
from ca.store.tables import register_events
from ca.store.tables import revocations as revocations_table
from front.assembly import open_world
from front.demo.people import invented_code
from tests import commands
from tests.engine_world import (
    CODE,
    NOW,
    RESIDENT,
    TOWN,
    EngineWorld,
    Running,
    copy_world,
    csr_for,
    engine_world,
    opened,
)
from tests.feed_files import event, feed_file, feed_lines, moment, sealed
from tests.small_edition import HANAKO

SIGNATURE, AUTHENTICATION = RESIDENT_KINDS
DAY = timedelta(days=1)
AT = datetime(2015, 3, 10, 1, 0, 0, 250_000, tzinfo=UTC)
NOBODY = invented_code(7_777_777_777)
ENDED, KEPT, UNKNOWN = EventOutcome.ENDED, EventOutcome.KEPT, EventOutcome.UNKNOWN_RESIDENT
REPLAYED, QUARANTINED = EventOutcome.REPLAYED, EventOutcome.QUARANTINED
FIXTURES = Path(__file__).parent.parent / "fixtures" / "feeds"


@pytest.fixture
def world(tmp_path):
    with engine_world(tmp_path / "world") as made:
        yield made


def desk_of(world: EngineWorld) -> EventDesk:
    return EventDesk(world.stores)


def read(world: EngineWorld, octets: bytes, place="feed") -> Feed:
    return read_feed(io.BytesIO(octets), place, world.vault.code_key())


def applied(world: EngineWorld, *changes: dict, at: datetime = AT, **header):
    return desk_of(world).apply(read(world, feed_file(*changes, **header)), at=at)


def outcomes(world: EngineWorld, *changes: dict, **options) -> list[EventOutcome]:
    return [outcome.outcome for outcome in applied(world, *changes, **options)]


def revocation_of(world: EngineWorld, issued: cycle.IssuedCertificate):
    with world.store.reading() as connection:
        return revocations.find(connection, issued.id, issued.record.scope)


def ended(world: EngineWorld, issued: dict) -> set[CertificateKind]:
    return {kind for kind, certificate in issued.items() if revocation_of(world, certificate)}


def journal_octets(world: EngineWorld) -> bytes:
    """What the journal's files say."""
    folder = world.folder / "journal"
    return (
        b"".join(path.read_bytes() for path in segments.segments(folder).values()) if folder.exists() else b""
    )


def records(world: EngineWorld) -> list[journal_module.Record]:
    """The journal's records of events."""
    found = journal_module.records(world.folder / "journal") if journal_octets(world) else ()
    return [record for record in found if isinstance(record.entry, EventEntry)]


MOVE = event("move-1", "moved-out", CODE, "2015-03-01")
DEATH = event("death-1", "died", CODE, "2015-03-02")


class TestALife:
    def test_a_move_ends_the_signature_certificate_and_keeps_the_other(self, world):
        issued = world.issued()
        (outcome,) = applied(world, MOVE)
        assert (outcome.event, outcome.kind, outcome.outcome) == ("move-1", ChangeKind.MOVED_OUT, ENDED)
        assert [order.certificate for order in outcome.orders] == [issued[SIGNATURE].id]
        revocation = revocation_of(world, issued[SIGNATURE])
        assert revocation.reason is RevocationReason.AFFILIATION_CHANGED
        assert revocation.revoked_at == AT.replace(microsecond=0)
        assert revocation.invalid_since == datetime.fromisoformat(moment("2015-03-01"))
        assert ended(world, issued) == {SIGNATURE}

    def test_a_death_ends_both(self, world):
        issued = world.issued()
        assert outcomes(world, DEATH) == [ENDED]
        assert ended(world, issued) == set(RESIDENT_KINDS)

    def test_a_life_in_one_file(self, world):
        issued = world.issued()
        made = applied(world, event("in-1", "moved-in", CODE, "2015-02-01"), MOVE, DEATH)
        assert [outcome.outcome for outcome in made] == [KEPT, ENDED, ENDED]
        # What the move has ended is not ended again by the death.
        assert [[order.certificate for order in outcome.orders] for outcome in made] == [
            [], [issued[SIGNATURE].id], [issued[AUTHENTICATION].id],
        ]  # fmt: skip

    def test_a_late_notice_does_not_end_the_newer_certificate(self, world):
        """Moved on 1 March, new certificate on 5 March, the notice comes on 10 March."""
        old = world.issued()
        decided = datetime.fromisoformat(moment("2015-03-05T10:00:00")).astimezone(UTC)
        new = world.issued(kinds=(SIGNATURE,), at=decided)
        assert outcomes(world, event("late", "moved-out", CODE, "2015-03-01")) == [ENDED]
        assert ended(world, old) == {SIGNATURE}
        assert ended(world, new) == set()
        assert outcomes(world, event("death", "died", CODE, "2015-03-01")) == [ENDED]
        assert ended(world, new) == {SIGNATURE}

    def test_nobody_elses_certificates_are_touched(self, world):
        neighbour = world.issued(code=invented_code(1))
        mine = world.issued()
        applied(world, DEATH)
        assert ended(world, mine) == set(RESIDENT_KINDS)
        assert ended(world, neighbour) == set()

    def test_an_unknown_resident_is_written_down_and_is_no_error(self, world):
        issued = world.issued()
        assert outcomes(world, event("stranger", "died", NOBODY, "2015-03-01"), MOVE) == [UNKNOWN, ENDED]
        assert [record.entry.outcome for record in records(world)] == ["unknown resident", "ended"]
        assert ended(world, issued) == {SIGNATURE}

    def test_a_certificate_that_waits_for_its_signature_ends_too(self, world):
        class PowerCut(Exception):
            pass

        class Cut:
            def sign(self, *_):
                raise PowerCut

        application = world.approved()
        generation = world.issuer("jpki-31").id
        signer = world.issuers.of(generation).signer
        world.interpose(generation, lambda _: Cut())
        with pytest.raises(PowerCut):
            world.registration.issue(application.case.id, "operator", at=NOW)
        world.interpose(generation, lambda _: signer)
        assert outcomes(world, DEATH) == [ENDED]
        issued = cycle.recover(world.issuers, AT)
        assert len(issued) == 2
        assert all(revocation_of(world, certificate) for certificate in issued)

    def test_a_hold_becomes_an_end_that_begins_with_the_hold(self, world):
        issued = world.issued()
        held_at = NOW + DAY
        held, lost = issued[AUTHENTICATION].id, issued[SIGNATURE].id
        revoke(world.stores, held, RevocationReason.CERTIFICATE_HOLD, "operator", at=held_at)
        revoke(world.stores, lost, RevocationReason.KEY_COMPROMISE, "operator", at=held_at)
        (outcome,) = applied(world, DEATH)
        assert [order.certificate for order in outcome.orders] == [held]
        revocation = revocation_of(world, issued[AUTHENTICATION])
        assert revocation.reason is RevocationReason.AFFILIATION_CHANGED
        assert revocation.revoked_at == revocation.invalid_since == held_at
        assert revocation_of(world, issued[SIGNATURE]).reason is RevocationReason.KEY_COMPROMISE

    def test_each_revocation_names_its_event_and_each_record_its_rule(self, world):
        world.issued()
        applied(world, MOVE, sequence=12)
        with world.store.reading() as connection:
            (ended,) = connection.execute(select(revocations_table)).all()
            (row,) = connection.execute(select(register_events)).all()
        (record,) = records(world)
        entry = record.entry
        assert (row.event, row.kind, row.journal_index) == ("move-1", "moved-out", record.index)
        assert (ended.cause, ended.journal_index) == ("event move-1", record.index)
        assert (entry.feed, entry.sequence) == ("tottori", 12)
        assert entry.rule == "moved-out ends signature decided on before its effect: affiliationChanged"
        assert entry.holder == row.holder.hex() == keyed_code(world.vault.code_key(), CODE).hex()

    def test_the_lists_follow_and_openssl_reads_them(self, world):
        issued = world.issued()
        applied(world, MOVE)
        made = publish_changes(world.issuers, world.repository, at=AT)
        generation, scope = issued[SIGNATURE].id.generation, partition_scope(SIGNATURE, TOWN)
        assert {(record.generation, record.scope) for record in made} == {
            (generation, "full"), (generation, scope),
        }  # fmt: skip
        told = openssl_crl(world.repository.folder / list_path(generation, scope))
        assert issued[SIGNATURE].id.serial.octets.hex().upper() in told
        assert "Affiliation Changed" in told
        assert "Invalidity Date" in told
        assert "Feb 28 15:00:00 2015 GMT" in told
        assert publish_changes(world.issuers, world.repository, at=AT) == []


def openssl_crl(path: Path) -> str:
    arguments = ["openssl", "crl", "-inform", "DER", "-noout", "-text", "-in", path]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


class TestTwiceLateAndOutOfOrder:
    def test_a_replay_changes_nothing(self, world):
        world.issued()
        applied(world, MOVE, DEATH)
        before = world.dump(), journal_octets(world)
        made = applied(world, MOVE, DEATH, at=AT + DAY)
        assert [(outcome.outcome, outcome.orders) for outcome in made] == [(REPLAYED, ())] * 2
        assert (world.dump(), journal_octets(world)) == before

    def test_a_file_that_repeats_some_events_applies_the_others(self, world):
        issued = world.issued()
        applied(world, MOVE)
        assert outcomes(world, MOVE, DEATH, sequence=2) == [REPLAYED, ENDED]
        assert ended(world, issued) == set(RESIDENT_KINDS)
        assert [record.entry.event for record in records(world)] == ["move-1", "death-1"]

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
    def test_files_may_come_in_any_order(self, world, order):
        old = world.issued()
        newer = world.issued(at=datetime(2015, 3, 5, tzinfo=UTC), kinds=(SIGNATURE,))
        changes = (MOVE, event("abroad-1", "moved-abroad", CODE, "2015-03-03"),
                   event("name-1", "name-changed", CODE, "2015-03-04"))  # fmt: skip
        for number in order:
            applied(world, changes[number], sequence=number + 1)
        assert ended(world, old) == set(RESIDENT_KINDS)
        assert ended(world, newer) == set()

    @pytest.mark.parametrize(
        "other",
        [
            event("move-1", "died", CODE, "2015-03-01"),
            event("move-1", "moved-out", NOBODY, "2015-03-01"),
            event("move-1", "moved-out", CODE, "2015-03-02"),
        ],
        ids=["kind", "resident", "moment"],
    )
    def test_a_known_id_for_another_event_is_set_apart_and_never_taken_for_a_replay(self, world, other):
        issued = world.issued()
        applied(world, MOVE)
        made = applied(world, other, DEATH, sequence=2)
        assert [outcome.outcome for outcome in made] == [QUARANTINED, ENDED]
        assert (made[0].case, made[0].orders) == (1, ())
        assert made[0].problem == "event move-1 is known with another kind, resident or moment"
        assert ended(world, issued) == set(RESIDENT_KINDS)
        # The register keeps what was acknowledged first, and the same file again opens no second case.
        with world.store.reading() as connection:
            assert register.known(connection, ["move-1"])["move-1"].kind is ChangeKind.MOVED_OUT
        before = world.dump(), journal_octets(world)
        assert outcomes(world, other, DEATH, sequence=2) == [REPLAYED, REPLAYED]
        assert (world.dump(), journal_octets(world)) == before

    def test_many_events_keep_their_own_outcomes_in_their_order(self, world, monkeypatch):
        monkeypatch.setattr(desk, "_GROUP", 3)
        world.issued()
        strangers = [event(f"s-{n}", "died", invented_code(n), "2015-03-01") for n in range(1, 7)]
        applied(world, strangers[4])
        made = applied(world, *strangers[:5], MOVE, strangers[5], sequence=2)
        expected = [UNKNOWN] * 4 + [REPLAYED, ENDED, UNKNOWN]
        assert [outcome.outcome for outcome in made] == expected
        assert [outcome.event for outcome in made] == ["s-1", "s-2", "s-3", "s-4", "s-5", "move-1", "s-6"]
        indices = [record.index for record in records(world)]
        assert indices == list(range(indices[0], indices[0] + 7))
        assert [outcome.head and outcome.head.count for outcome in made] == [
            *indices[1:5],
            None,
            *indices[5:],
        ]

    def test_an_empty_file_is_a_feed_that_has_nothing_to_tell(self, world):
        assert applied(world) == []


LINES = feed_lines(MOVE, DEATH)


def changed(field: str, value: object, drop: tuple[str, ...] = ()) -> bytes:
    """The file with one field of the first event otherwise."""
    fields = {**MOVE, field: value}
    return feed_file({name: fields[name] for name in fields if name not in drop}, DEATH)


WHOLE = feed_file(MOVE, DEATH)
FULL_WIDTH = CODE.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
LONG = {**MOVE, "event": "x" * 5000}
BAD_FILES = {
    "empty": (b"", "feed: has no header"),
    "one line": (LINES[0], "feed: has no header and trailer"),
    "cut after a line": (b"".join(LINES), "feed line 3: is the last line and not the trailer"),
    "cut in a line": (WHOLE[: len(LINES[0]) + 30], "feed line 2: is the last line and not the trailer"),
    "cut in the trailer": (WHOLE[:-9], "feed line 4: is the last line and not the trailer"),
    "a line missing": (sealed([LINES[0], LINES[2]]), "feed line 1, count: says 2, and 1 events follow"),
    "a line too many": (sealed([*LINES, LINES[1].replace(b"move-1", b"move-2")]), "count: says 2, and 3"),
    "an event changed": (
        WHOLE.replace(b"moved-out", b"moved-in"),
        "feed line 4, sha256: is not the SHA-256",
    ),
    "a header changed": (WHOLE.replace(b"tottori", b"shimane"), "feed line 4, sha256: is not the SHA-256"),
    "lines swapped": (
        b"".join([LINES[0], LINES[2], LINES[1], WHOLE.splitlines(keepends=True)[3]]),
        "feed line 4, sha256",
    ),
    "two files in one": (WHOLE + WHOLE, "feed line 4: is a trailer, and lines follow it"),
    "an id twice": (feed_file(MOVE, DEATH, MOVE), "feed line 4: event move-1 stands on line 2 already"),
    "unknown kind": (changed("kind", "teleported"), "feed line 2, kind: is not a kind of event"),
    "kind of no text": (changed("kind", 4), "feed line 2, kind: is not a kind of event"),
    "unknown field": (changed("address", "x"), "feed line 2: Object contains unknown field `address`"),
    "field missing": (changed("kind", "died", drop=("code",)), "feed line 2: .*required field `code`"),
    "code with a wrong digit": (changed("code", "12345678904"), "line 2, code: its check digit is wrong"),
    "code too short": (changed("code", "1234567890"), "feed line 2, code: is not eleven digits"),
    "code of other digits": (changed("code", FULL_WIDTH), "line 2, code: is not eleven digits"),
    "code a number": (changed("code", 12345678903), "feed line 2, code: Expected `str`"),
    "code in the id": (changed("event", f"e-{CODE}"), "feed line 2, event: contains the resident code"),
    "id with a space": (changed("event", "move 1"), "feed line 2, event: Expected"),
    "id with an end of line": (changed("event", "move-1\n"), "feed line 2, event: Expected"),
    "moment without zone": (changed("effective", "2015-03-01T00:00:00"), "feed line 2, effective: Expected"),
    "a day for a moment": (changed("effective", "2015-03-01"), "feed line 2, effective: Invalid RFC3339"),
    "no such moment": (changed("notified", "2015-02-30T00:00:00Z"), "feed line 2, notified: Invalid"),
    "year one": (changed("occurred", "0001-01-01T00:00:00+09:00"), "feed line 2, occurred: lies outside"),
    "year 9999": (changed("occurred", "9999-12-31T23:59:59-09:00"), "feed line 2, occurred: lies outside"),
    "newer format": (feed_file(MOVE, format=2), "feed line 1, format: is not 1, the format"),
    "bad feed name": (feed_file(MOVE, feed="鳥取"), "feed line 1, feed: Expected"),
    "sequence nought": (feed_file(MOVE, sequence=0), "feed line 1, sequence: Expected `int` >= 1"),
    "count below nought": (feed_file(MOVE, count=-1), "feed line 1, count: Expected `int` >= 0"),
    "count beyond reason": (feed_file(MOVE, count=10**9), "feed line 1, count: Expected `int` <= 100000"),
    "header of another kind": (feed_file(MOVE, note="x"), "line 1: Object contains unknown field `note`"),
    "no JSON": (sealed([LINES[0], b"move-1,moved-out\n"]), "feed line 2: is not the event: not JSON"),
    "an array": (sealed([LINES[0], b"[1]\n"]), "feed line 2: Expected `object`"),
    "too deep": (sealed([LINES[0], b"[" * 4000 + b"\n"]), "feed line 2: "),
    "too deep where nothing is read": (sealed([LINES[0], b'{"x":' * 800 + b"\n"]), "feed line 2: "),
    "not UTF-8": (sealed([LINES[0], LINES[1].replace(b"move", b"m\xffve")]), "feed line 2: is not the event"),
    "CP932": (sealed([LINES[0], '{"event":"転出"}\n'.encode("cp932")]), "feed line 2: "),
    "field name of control characters": (
        sealed([LINES[0], b'{"a\\u001b[2Jb": 1}\n']),
        "feed line 2: is not of the form of the event",
    ),
    "a line too long": (feed_file(LONG), "feed line 2: is longer than 4096 octets"),
    "one endless line": (b"x" * 100_000, "feed line 1: is longer than 4096 octets"),
    "an empty line at the end": (WHOLE + b"\n", "feed line 4: is a trailer, and lines follow it"),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory, database):  # noqa: ARG001 - a world on each database
    with engine_world(tmp_path_factory.mktemp("shared") / "world") as made:
        made.issued()
        applied(made, event("first", "died", NOBODY, "2015-03-01"))
        yield made


class TestBadFiles:
    @pytest.mark.parametrize(("octets", "words"), BAD_FILES.values(), ids=BAD_FILES)
    def test_it_is_refused_whole_with_its_line(self, shared, octets, words):
        before = shared.dump(), journal_octets(shared)
        with pytest.raises(BadInput, match=words) as refusal:
            desk_of(shared).apply(read(shared, octets), at=AT)
        assert refusal.value.clause == "docs/event-feed.md"
        assert str(CODE) not in str(refusal.value)
        assert str(refusal.value).isprintable()
        assert (shared.dump(), journal_octets(shared)) == before

    def test_every_place_at_which_a_file_can_be_cut_shows(self, world):
        for length in range(len(WHOLE) - 1):  # the last octet is the trailer's end of line
            with pytest.raises(BadInput):
                read(world, WHOLE[:length])
        assert len(read(world, WHOLE[:-1]).changes) == 2

    def test_no_flipped_bit_is_believed(self, world):
        whole = read(world, WHOLE)
        for position in range(len(WHOLE)):
            octets = bytearray(WHOLE)
            octets[position] ^= 1 << position % 7
            try:
                found = read(world, bytes(octets))
            except BadInput:
                continue
            assert found == whole, position  # only the white space of the trailer may differ

    def test_lines_of_windows_are_read_as_they_stand(self, world):
        lines = [line.replace(b"\n", b"\r\n") for line in LINES]
        assert read(world, sealed(lines)).changes == read(world, WHOLE).changes

    def test_more_events_than_a_file_may_have(self, world, monkeypatch):
        monkeypatch.setattr(feed_events, "MOST_EVENTS", 2)
        assert len(read(world, WHOLE).changes) == 2
        with pytest.raises(BadInput, match="feed: has more than 2 events"):
            read(world, feed_file(MOVE, DEATH, event("third", "died", CODE, "2015-03-01")))

    def test_more_octets_than_a_file_may_have(self, world, monkeypatch):
        monkeypatch.setattr(feed_events, "LARGEST_FILE", len(WHOLE) - 1)
        with pytest.raises(BadInput, match="feed line 4: reaches beyond"):
            read(world, WHOLE)

    def test_a_stream_that_cannot_be_read(self, world):
        class Broken(io.BytesIO):
            def readline(self, _size=-1):
                raise OSError(5, "Input/output error")

        with pytest.raises(BadInput, match="feed: cannot be read: Input/output error"):
            read_feed(Broken(), "feed", world.vault.code_key())

    @pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.jsonl")), ids=lambda path: path.stem)
    def test_the_examples_are_right(self, world, path):
        found = read(world, path.read_bytes())
        assert found.changes
        lines = subprocess.run(["head", "-n", "-1", path], check=True, capture_output=True).stdout
        digest = subprocess.run(["sha256sum"], input=lines, check=True, capture_output=True).stdout.decode()
        assert digest.split()[0] == json.loads(path.read_bytes().splitlines()[-1])["sha256"]


def journal_file(world: EngineWorld) -> Path:
    (path,) = segments.segments(world.folder / "journal").values()
    return path


class TestTheJournal:
    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda lines: [*lines[:-3], *lines[-2:]], id="one removed"),
            pytest.param(lambda lines: [*lines[:-2], lines[-1], lines[-2]], id="swapped"),
            pytest.param(
                lambda lines: [*lines[:-2], lines[-2].replace(b"e-3", b"e-9"), lines[-1]], id="changed"
            ),
            pytest.param(lambda lines: [*lines, lines[-1]], id="one twice"),
            pytest.param(lambda lines: [*lines, b"\n"], id="an empty line"),
            pytest.param(lambda lines: lines[:-1], id="the last one removed"),
            pytest.param(lambda lines: [*lines[:-1], lines[-1][:-20]], id="the last one cut"),
        ],
    )
    def test_nothing_is_built_on_a_damaged_one(self, world, spoil):
        world.issued()
        applied(world, *(event(f"e-{n}", "died", NOBODY, "2015-03-01") for n in range(5)))
        path = journal_file(world)
        path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))
        before = world.dump()
        with opened(world.folder) as again:  # what a process has read once it does not read again
            with pytest.raises(HomeRefused, match="journal"):
                applied(again, MOVE)
            with pytest.raises(HomeRefused, match="journal"):
                again.stores.catch_up()
        assert world.dump() == before

    @pytest.mark.parametrize("kept", [1, 100, -1])
    def test_a_torn_last_line_was_never_acknowledged_and_goes(self, world, kept):
        issued = world.issued()
        applied(world, event("first", "died", NOBODY, "2015-03-01"))
        whole, path = journal_octets(world), journal_file(world)
        count = Journal(world.folder / "journal").verify().count
        with path.open("ab") as file:
            file.write(path.read_bytes().splitlines(keepends=True)[-1][:kept])
        assert Journal(world.folder / "journal").verify().count == count  # looking does not mend
        assert outcomes(world, MOVE) == [ENDED]
        assert journal_octets(world).startswith(whole)
        assert [record.entry.event for record in records(world)] == ["first", "move-1"]
        assert ended(world, issued) == {SIGNATURE}

    def test_a_full_disk_leaves_neither_record_nor_revocation(self, world, monkeypatch):
        issued = world.issued()
        applied(world, event("first", "died", NOBODY, "2015-03-01"))
        before = world.dump(), journal_octets(world)

        def full(_descriptor):
            raise OSError(28, "No space left on device")

        desk = desk_of(world)
        with monkeypatch.context() as patch:
            patch.setattr(durable.os, "fsync", full)
            with pytest.raises(StorageFailed, match="No space left on device"):
                desk.apply(read(world, WHOLE), at=AT)
        # The cut behind the last record could not be synced either, and yet the next one stands right.
        assert (world.dump(), journal_octets(world)) == before
        assert [outcome.outcome for outcome in desk.apply(read(world, WHOLE), at=AT)] == [ENDED, ENDED]
        assert ended(world, issued) == set(RESIDENT_KINDS)

    def test_a_store_behind_its_journal_follows(self, world, tmp_path):
        issued = world.issued()
        world.stores.close()
        copy_world(world.folder, tmp_path / "old")
        applied(world, MOVE, DEATH)
        shutil.copytree(world.folder / "journal", tmp_path / "old" / "journal", dirs_exist_ok=True)
        with opened(tmp_path / "old") as old:
            assert ended(old, issued) == set()
            assert old.stores.catch_up() == 2
            assert old.dump() == world.dump()
            assert old.stores.catch_up() == 0

    def test_carrying_out_a_record_twice_changes_nothing(self, world):
        world.issued()
        lost = event("lost-1", "lost", CODE, "2015-02-01")
        applied(
            world,
            lost,
            MOVE,
            DEATH,
            event("new", "resident-code-changed", CODE, "2015-02-02", new_code=NOBODY),
        )
        applied(
            world, event("move-1", "died", NOBODY, "2015-03-01"), event("late", "died", CODE, "2016-01-01")
        )
        desk_of(world).settle(AT + 365 * DAY)
        whole = world.dump()
        with world.store.writing() as connection:
            register.mark_applied(connection, 0)
        head = Journal(world.folder / "journal").verify()
        assert world.stores.catch_up() == head.count
        assert world.dump() == whole


def apply_file(folder: Path, path: Path) -> None:
    """The work of a process: apply one file to the world in the folder."""
    with opened(folder) as world:
        desk_of(world).apply(read(world, path.read_bytes()), at=AT)


def apply_until(folder: Path, path: Path, last: int) -> None:
    """The same in groups of four, by a process that dies at its ``last``-th step.

    Steps are the statements and commits of the store, and the writes and syncs of the journal; a write dies half done.
    A process that lives leaves the names of its steps.
    """
    steps = []

    def step(name, before_death=lambda: None):
        steps.append(name)
        if len(steps) == last:
            before_death()
            os.kill(os.getpid(), signal.SIGKILL)

    write, sync = os.pwrite, os.fsync

    def written(descriptor, octets, offset):
        # A mark of twenty digits says how far the disk has followed; the rest are records.
        name = "write" if len(octets) > 20 else "mark"
        step(name, lambda: write(descriptor, octets[: len(octets) // 2], offset))
        return write(descriptor, octets, offset)

    desk._GROUP = 4
    os.pwrite = written
    os.fsync = lambda descriptor: (step("sync"), sync(descriptor), step("synced"))
    with opened(folder) as world:
        engine_events.listen(world.store.engine, "before_cursor_execute", lambda *_: step("statement"))
        engine_events.listen(world.store.engine, "commit", lambda *_: step("commit"))
        desk_of(world).apply(read(world, path.read_bytes()), at=AT)
    (folder / "steps").write_text(" ".join(steps))


@dataclass(frozen=True)
class Scene:
    """A world, a file, and what an undisturbed process makes of the two."""

    before: Path
    file: Path
    steps: list[str]
    store: dict
    journal: bytes


@pytest.fixture(scope="module")
def scene(tmp_path_factory, database):  # noqa: ARG001 - a scene on each database
    """Three residents and ten events, in three groups."""
    folder = tmp_path_factory.mktemp("scene")
    people = [invented_code(n) for n in range(1, 4)]
    changes = [
        event(f"{kind}-{number}", kind, code, f"2015-03-0{day}")
        for day, kind in enumerate(("moved-in", "moved-out", "died"), start=1)
        for number, code in enumerate(people)
    ]
    path = folder / "feed.jsonl"
    path.write_bytes(feed_file(*changes, event("stranger", "died", NOBODY, "2015-03-01")))
    with engine_world(folder / "before") as made:
        for code in people:
            made.issued(code=code)
    copy_world(folder / "before", folder / "after")
    assert Running(apply_until, folder / "after", path, 0).wait() == 0
    with opened(folder / "after") as made:
        steps = (made.folder / "steps").read_text().split()
        return Scene(folder / "before", path, steps, made.dump(), journal_octets(made))


class TestSuddenDeath:
    @pytest.mark.parametrize("part", range(12))
    def test_at_any_step_nothing_is_lost_or_doubled(self, scene, tmp_path, part):
        self.die_and_go_on(scene, tmp_path / "world", 1 + part * (len(scene.steps) - 1) // 11)

    @pytest.mark.parametrize(("group", "size"), [(0, 4), (1, 4), (2, 2)])
    @pytest.mark.parametrize("name", ["write", "sync", "synced", "commit"])
    def test_around_the_journals_sync_nothing_is_lost_or_doubled(self, scene, tmp_path, name, group, size):
        write = [number for number, step in enumerate(scene.steps) if step == "write"][group]
        ahead = self.die_and_go_on(scene, tmp_path / "world", 1 + scene.steps.index(name, write))
        # Half a write may hold whole records. They count, though nobody was told; the torn one behind them does not.
        assert ahead < size if name == "write" else ahead == size

    def die_and_go_on(self, scene, folder, last):
        """How many records the journal was ahead of the store after the death."""
        copy_world(scene.before, folder)
        assert Running(apply_until, folder, scene.file, last).wait() == -signal.SIGKILL
        with opened(folder) as world:
            applied_before = applied_index(world)
            desk = desk_of(world)
            ahead = world.stores.catch_up()
            # Journal and store agree, as far as the process came.
            head = Journal(world.folder / "journal").verify()
            assert applied_index(world) == head.count == applied_before + ahead
            with world.store.reading() as connection:
                there = set(connection.execute(select(register_events.c.event)).scalars())
            assert there == {record.entry.event for record in records(world)}
            # The sender had no answer, and sends the file again.
            made = desk.apply(read(world, scene.file.read_bytes()), at=AT)
            assert {outcome.event for outcome in made if outcome.outcome is REPLAYED} == there
            assert (world.dump(), journal_octets(world)) == (scene.store, scene.journal)
        return ahead

    def test_processes_that_apply_at_once_take_turns(self, world, tmp_path):
        world.issued()
        running = []
        for sequence in range(1, 4):
            path = tmp_path / f"{sequence}.jsonl"
            mine = [event(f"f{sequence}-{n}", "died", invented_code(n), "2015-03-01") for n in range(20)]
            path.write_bytes(feed_file(MOVE, *mine, sequence=sequence))
            running.append(Running(apply_file, world.folder, path))
        assert [process.wait() for process in running] == [0, 0, 0]
        assert applied_index(world) == Journal(world.folder / "journal").verify().count
        assert len({record.entry.event for record in records(world)}) == len(records(world)) == 61


def applied_index(world: EngineWorld) -> int:
    with world.store.reading() as connection:
        return register.applied(connection)


def issue_for_hanako(world) -> dict[CertificateKind, cycle.IssuedCertificate]:
    """Both certificates in a home of the small edition."""
    at = datetime(2014, 9, 1, 1, tzinfo=UTC)
    resident = replace(RESIDENT, municipality=MunicipalityCode(HANAKO["municipality"]))
    csrs = {kind: csr_for(number) for number, kind in enumerate(RESIDENT_KINDS)}
    code = resident_code(HANAKO["code"])
    case = world.registration.file("sato", resident, csrs, code=code, at=at).case.id
    world.registration.examine(case, "suzuki", at=at)
    world.registration.approve(case, "tanaka", at=at)
    return {item.record.kind: item for item in world.registration.issue(case, "ito", at=at)}


class TestTheCommand:
    CLOCK = ("--clock", "2014-09-10T00:00Z")
    CHANGE = ("move-1", "moved-within", HANAKO["code"], "2014-09-05")

    def apply(self, home, path, *options):
        return commands.run("events", "apply", path, "--home", home, *self.CLOCK, *options)

    def test_a_row_for_each_event_and_the_lists_say_so(self, staffed_world, tmp_path):
        home = staffed_world
        with open_world(home, lambda: "") as world:
            issued = issue_for_hanako(world)
        path = tmp_path / "feed.jsonl"
        path.write_bytes(feed_file(event(*self.CHANGE), event("x", "died", NOBODY, "2014-09-05")))
        told = commands.done(self.apply(home, path, "--json")).json
        certificate = issued[SIGNATURE].id
        assert told == [
            {
                "event": "move-1",
                "kind": "moved-within",
                "outcome": "ended",
                "orders": [
                    {
                        "certificate": str(certificate),
                        "reason": "affiliationChanged",
                        "revoked_at": "2014-09-10T00:00:00Z",
                        "invalid_since": "2014-09-04T15:00:00Z",
                    }
                ],
                "case": None,
                "problem": None,
            },
            {
                "event": "x",
                "kind": "died",
                "outcome": "unknown resident",
                "orders": [],
                "case": None,
                "problem": None,
            },
        ]
        scope = partition_scope(SIGNATURE, HANAKO["municipality"])
        for listed in (scope, "full"):
            text = openssl_crl(home / "repository" / list_path(certificate.generation, listed))
            assert certificate.serial.octets.hex().upper() in text
        before = commands.tree(home)
        again = commands.done(self.apply(home, path))
        assert again.stdout.count("replayed") == 2
        assert commands.tree(home) == before
        for name, content in before.items():
            assert content is None or HANAKO["code"].encode() not in content, name

    @pytest.mark.parametrize(
        ("octets", "words"),
        [
            (WHOLE[:-9], "line 4: is the last line and not the trailer: the file is cut off"),
            (feed_file(MOVE, DEATH, count=3), "line 1, count: says 3, and 2 events follow"),
            (WHOLE.replace(b"moved-out", b"moved-in"), "line 4, sha256: is not the SHA-256"),
            (changed("kind", "teleported"), "line 2, kind: is not a kind of event"),
        ],
        ids=["cut", "count", "hash", "kind"],
    )
    def test_a_bad_file_leaves_the_home_as_it_was(self, staffed_world, tmp_path, octets, words):
        home = staffed_world
        path = tmp_path / "feed.jsonl"
        path.write_bytes(octets)
        before = commands.tree(home)
        commands.refused(self.apply(home, path), "feed.jsonl", words)
        assert commands.tree(home) == before

    def test_a_file_that_is_not_there(self, staffed_world, tmp_path):
        commands.refused(self.apply(staffed_world, tmp_path / "none.jsonl"), "none.jsonl: cannot be read")


class TestApprovedBeforeIssuedAfter:
    """What was approved is issued only if the register has not told since that it became untrue."""

    @pytest.mark.parametrize(
        ("kind", "effective", "refused"),
        [
            ("moved-out", "2015-03-09", {SIGNATURE}),
            ("died", "2015-03-09", {SIGNATURE, AUTHENTICATION}),
            ("other-items-corrected", "2015-03-09", set()),
            (
                "moved-out",
                "2014-08-01",
                set(),
            ),  # took effect before the approval: the application says the new truth
            ("died", "2014-08-01", {SIGNATURE, AUTHENTICATION}),
        ],
    )
    @pytest.mark.parametrize("wanted", [SIGNATURE, AUTHENTICATION])
    def test_the_register_has_the_last_word(self, world, kind, effective, refused, wanted):
        case = world.approved(kinds=(wanted,)).case.id
        applied(world, event("change", kind, CODE, effective))
        if wanted not in refused:
            assert len(world.registration.issue(case, "operator", at=AT)) == 1
            return
        with pytest.raises(Conflict, match="the register has told of a change"):
            world.registration.issue(case, "operator", at=AT)
        world.registration.reject(case, "operator", at=AT)

    def test_who_was_removed_and_is_registered_again_gets_certificates(self, world):
        """By a removal all ends, and it is closed by the move that comes after it; a death is closed by nothing."""
        applied(world, event("removed", "removed-ex-officio", CODE, "2014-07-01"))
        applied(world, event("again", "moved-in", CODE, "2014-08-01"))
        case = world.approved().case.id
        assert len(world.registration.issue(case, "operator", at=AT)) == 2
        applied(
            world, event("died", "died", NOBODY, "2014-07-01"), event("in", "moved-in", NOBODY, "2014-08-01")
        )
        dead = world.approved(code=NOBODY).case.id
        with pytest.raises(Conflict, match="the register has told of a change"):
            world.registration.issue(dead, "operator", at=AT)

    def test_another_residents_event_does_not_matter(self, world):
        case = world.approved().case.id
        applied(world, event("change", "died", NOBODY, "2015-03-09"))
        assert len(world.registration.issue(case, "operator", at=AT)) == 2


def test_a_store_that_forgot_the_certificate_is_told_of_it_and_of_its_end(tmp_path):
    """The journal is the truth: a store restored from before the issue learns both, and stays usable."""
    with engine_world(tmp_path / "before") as world:
        world.stores.close()
        copy_world(world.folder, tmp_path / "world")
        issued = world.issued()
        applied(world, event("end", "died", CODE, "2015-03-09"))
        for part in ("journal", "archive"):
            shutil.copytree(world.folder / part, tmp_path / "world" / part, dirs_exist_ok=True)
    with opened(tmp_path / "world") as world:
        assert world.stores.catch_up() == 3  # intents, certificates, the event
        assert ended(world, issued) == {SIGNATURE, AUTHENTICATION}
        publish_changes(world.issuers, world.repository, at=AT)
        assert outcomes(world, event("next", "died", NOBODY, "2015-03-09")) == [UNKNOWN]
