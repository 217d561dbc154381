"""The journal's file: what it acknowledges stays, whatever dies or is taken away; what is done to it shows.

Deaths are real: a process kills itself with SIGKILL at every write and every sync, having written half.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import threading
from functools import partial
from itertools import count as counting
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import HomeRefused, StorageFailed
from ca.journal import copies, durable, segments
from ca.journal.entries import EventEntry, OrderEntry, RevocationEntry
from ca.journal.inspection import inspect
from ca.journal.journal import Head, Journal, records
from tests.journal_files import AT, Refusing, entry, exit_code, in_a_process, killed_at, put

EMPTY = Head(0, "0" * 64)


def journal(folder, mirrored=True):  # noqa: FBT002 - a test reads better so
    return Journal(folder / "main", folder / "mirror" if mirrored else None)


def begun(folder, *groups, mirrored=True):
    """A journal with groups of records, one append each."""
    made = journal(folder, mirrored)
    made.begin()
    add(made, *groups)
    return made


def add(made, *groups):
    heads = []
    for size in groups:
        with made.turn() as turn:
            heads += turn.append([entry(turn.head.count + n + 1) for n in range(size)])
    return heads


def octets(folder):
    """Everything that a copy says."""
    return b"".join(path.read_bytes() for path in segments.segments(folder).values())


def last(folder):
    return list(segments.segments(folder).values())[-1]


def same(folder):
    """What both copies say, which is the same."""
    found = octets(folder / "main")
    assert found == octets(folder / "mirror")
    assert sorted(segments.segments(folder / "main")) == sorted(segments.segments(folder / "mirror"))
    return found


@pytest.fixture
def small(monkeypatch):
    """Files that are full after a few records."""
    monkeypatch.setattr("ca.journal.journal.SEGMENT", 500)


@pytest.fixture
def quick_disks(monkeypatch):
    """Disks that only say that they have synced: these tests are about what lies in files, not about its safety."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class TestTurns:
    def test_a_record_names_the_line_before_it(self, tmp_path):
        heads = add(begun(tmp_path), 1, 3)
        written = (tmp_path / "main" / "000000000001.jsonl").read_bytes().splitlines(keepends=True)
        digests = [hashlib.sha256(line).hexdigest() for line in written]
        assert heads == [Head(n, digest) for n, digest in enumerate(digests, 1)]
        assert [json.loads(line)["previous"] for line in written] == [EMPTY.digest, *digests[:-1]]
        assert journal(tmp_path).head() == heads[-1]
        assert same(tmp_path) == b"".join(written)

    def test_what_goes_in_comes_out(self, tmp_path):
        given = [
            EventEntry(
                event="e-1", kind="died", feed="f", sequence=1, holder="00" * 32, occurred=AT, notified=AT,
                effective=AT, received=AT, outcome="ended", rule="x",
                orders=(OrderEntry("jpki-13.g1:" + "40" * 20, "keyCompromise", AT, "full"),),
            ),
            entry(2),
        ]  # fmt: skip
        made = begun(tmp_path)
        with made.turn() as turn:
            turn.append(given)
            assert [record.entry for record in turn.after(0)] == given
            assert [record.index for record in turn.after(1)] == [2]

    def test_nothing_is_added_by_an_empty_append(self, tmp_path):
        made = begun(tmp_path)
        with made.turn() as turn:
            assert turn.append([]) == []
            assert turn.head == EMPTY

    def test_each_process_reads_on_from_where_it_was(self, tmp_path, monkeypatch):
        one, other = begun(tmp_path, 50), journal(tmp_path)
        assert other.head() == one.head()
        read = []
        following = segments.following
        monkeypatch.setattr(segments, "following", lambda *args: read.append(1) or following(*args))
        add(one, 3)
        assert other.head().count == 53
        assert len(read) == 2 * 3  # the three new ones, in both copies

    def test_a_journal_of_the_version_before_goes_on(self, tmp_path):
        add(begun(tmp_path, mirrored=False), 3)
        (tmp_path / "main" / "000000000001.jsonl").rename(tmp_path / "main" / "journal.jsonl")
        assert inspect(tmp_path / "main").head.count == 3
        add(journal(tmp_path, mirrored=False), 1)
        assert [path.name for path in segments.segments(tmp_path / "main").values()] == ["000000000001.jsonl"]
        assert inspect(tmp_path / "main").head.count == 4

    def test_a_record_too_long_to_be_read_again_is_not_written(self, tmp_path):
        made = begun(tmp_path, 1)
        with made.turn() as turn, pytest.raises(StorageFailed, match="too long"):
            turn.append([entry(2), entry(3, segments.LONGEST_LINE)])
        assert made.verify().count == 1


@pytest.mark.usefixtures("small")
class TestSegments:
    def test_a_full_file_is_followed_by_one_named_after_its_first_record(self, tmp_path):
        made = begun(tmp_path, 3, 1, 2, 4)
        assert sorted(segments.segments(tmp_path / "main")) == [1, 4, 7]
        assert made.verify() == made.head() == journal(tmp_path).head()
        assert [record.index for record in records(tmp_path / "main", 4)] == [5, 6, 7, 8, 9, 10]
        same(tmp_path)

    @pytest.mark.parametrize("after", range(11))
    def test_reading_begins_at_the_right_file(self, tmp_path, after):
        begun(tmp_path, 3, 1, 2, 4)
        found = [record.index for record in records(tmp_path / "main", after)]
        assert found == list(range(after + 1, 11))
        head = inspect(tmp_path / "main").head
        assert segments.head_at(tmp_path / "main", 10) == head
        assert segments.head_at(tmp_path / "main", 11) is None

    def test_opening_reads_only_the_last_file(self, tmp_path):
        begun(tmp_path, 3, 3, 1)
        first = tmp_path / "main" / "000000000001.jsonl"
        first.write_bytes(first.read_bytes().replace(b"order 1", b"order 9"))
        assert journal(tmp_path).head().count == 7
        with pytest.raises(HomeRefused, match="record 1: was changed"):
            inspect(tmp_path / "main")


# What is done to ten records in files of three, three, three and one; and what is said of it.


def flip(line, old, new):
    assert old in line
    return line.replace(old, new, 1)


def renumbered(lines_):
    """The lines chained anew: every digest fits."""
    made, previous = [], EMPTY.digest
    for index, line in enumerate(lines_, 1):
        fields = json.loads(line)
        fields["index"], fields["previous"] = index, previous
        made.append(json.dumps(fields, separators=(",", ":")).encode() + b"\n")
        previous = hashlib.sha256(made[-1]).hexdigest()
    return made


DAMAGE = [
    ("a letter flipped", lambda x: [*x[:4], flip(x[4], b"order 5", b"order 6"), *x[5:]], "record 5: was changed"),
    ("the first one's letter flipped", lambda x: [flip(x[0], b"order 1", b"order 2"), *x[1:]], "record 1: was changed"),
    ("its number", lambda x: [*x[:4], flip(x[4], b'x":5,', b'x":7,'), *x[5:]], "record 5: was changed"),
    ("its digest of the one before", lambda x: [*x[:4], re.sub(rb'"previous":"....', b'"previous":"0000', x[4]), *x[5:]],
     "record 5: was changed"),
    ("the first one's digest", lambda x: [flip(x[0], b'"0000', b'"0001'), *x[1:]], "record 1: was changed"),
    ("a brace", lambda x: [*x[:4], flip(x[4], b"{", b"["), *x[5:]], "record 5: was changed"),
    ("a kind of entry", lambda x: [*x[:4], flip(x[4], b"revocation", b"revocatiom"), *x[5:]], "record 5: was changed"),
    ("a line's end", lambda x: [*x[:4], x[4][:-1] + b" " + x[5], *x[6:]], "record 5: was changed"),
    ("a line's end in the midst", lambda x: [*x[:4], flip(x[4], b",", b"\n"), *x[5:]], "record 5: was changed"),
    ("zeros", lambda x: [*x[:4], bytes(len(x[4]) - 1) + b"\n", *x[5:]], "record 5: was changed"),
    ("the last but one, and the last not", lambda x: [*x[:8], flip(x[8], b"order 9", b"order 8"), x[9]],
     "records 9 and 10: one of the two was changed"),
    ("one removed", lambda x: [*x[:4], *x[5:]], "record 5 was removed"),
    ("the first removed", lambda x: x[1:], "record 1 was removed"),
    ("three removed", lambda x: [*x[:4], *x[7:]], "records 5 to 7 were removed"),
    ("two swapped", lambda x: [*x[:4], x[5], x[4], *x[6:]], "record 5: stands behind record 6: .* another order"),
    ("one moved to the end", lambda x: [*x[:4], *x[5:], x[4]], "record 5: stands behind record 6: .* another order"),
    ("turned round", lambda x: x[::-1], "record 1: stands behind record 10: .* another order"),
    ("one twice", lambda x: [*x[:5], x[4], *x[5:]], "record 6: stands behind record 5: .* another order"),
    ("the last one twice", lambda x: [*x, x[9]], "record 10: stands again where record 11 belongs"),
    ("the first one at the end", lambda x: [*x, x[0]], "record 1: stands again where record 11 belongs"),
    ("an empty line", lambda x: [*x, b"\n"], "record 11: was changed"),
]  # fmt: skip

AGAINST_HEADS = [
    ("the last one removed", lambda x: x[:-1], "ends with record 9, and a published head names record 10"),
    ("the end cut off", lambda x: x[:6], "ends with record 6, and a published head names record 10: its end was cut"),
    ("the last one torn", lambda x: [*x[:-1], x[9][:-20]], "ends with record 9, and a published head names record 10"),
    ("all of it removed", lambda x: x[:0], "ends with record 0, and a published head"),
    ("the last one changed", lambda x: [*x[:-1], flip(x[9], b"order 10", b"order 11")],
     "record 10: is not the one that a published head names"),
    ("one changed, and chained anew", lambda x: renumbered([*x[:4], flip(x[4], b"order 5", b"order 6"), *x[5:]]),
     "record 10: is not the one that a published head names"),
    ("one removed, and others after it", lambda x: renumbered([*x[:4], *x[5:], x[0]]),
     "record 10: is not the one that a published head names"),
]  # fmt: skip


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ten")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ca.journal.journal.SEGMENT", 500)
        made = begun(folder, 3, 3, 3, 1, mirrored=False)
    return folder / "main", made.head()


def spoilt(ten, folder, spoil, *, cut_at=(0, 3, 6, 9)):
    """A copy of the ten records with something done to them, in files of the same names."""
    shutil.copytree(ten[0], folder)
    made = spoil(octets(ten[0]).splitlines(keepends=True))
    bounds = [*cut_at, max(len(made), 10)]
    for first, start, end in zip(segments.segments(folder), bounds, bounds[1:], strict=False):
        (folder / segments.name(first)).write_bytes(b"".join(made[start:end]))
    return folder


def joined(ten, folder, spoil):
    """The same in one file."""
    folder.mkdir()
    made = spoil(octets(ten[0]).splitlines(keepends=True))
    (folder / segments.name(1)).write_bytes(b"".join(made))
    return folder


class TestVerifying:
    def test_what_nobody_touched_is_whole(self, ten):
        found = inspect(ten[0], [ten[1], Head(5, segments.head_at(ten[0], 5).digest), EMPTY])
        assert (found.head, found.torn, found.against) == (ten[1], 0, 3)

    @pytest.mark.parametrize("files", [joined, spoilt], ids=["one file", "four files"])
    @pytest.mark.parametrize(("spoil", "words"), [pytest.param(*case[1:], id=case[0]) for case in DAMAGE])
    def test_damage_is_named(self, ten, tmp_path, files, spoil, words):
        folder = files(ten, tmp_path / "spoilt", spoil)
        with pytest.raises(HomeRefused, match=words):
            inspect(folder)
        if b"\0" not in octets(folder):  # which a reader takes for what a power cut left
            with pytest.raises(HomeRefused):
                list(records(folder))

    @pytest.mark.parametrize("files", [joined, spoilt], ids=["one file", "four files"])
    @pytest.mark.parametrize(
        ("spoil", "words"), [pytest.param(*case[1:], id=case[0]) for case in AGAINST_HEADS]
    )
    def test_what_the_chain_cannot_show_a_head_does(self, ten, tmp_path, files, spoil, words):
        folder = files(ten, tmp_path / "spoilt", spoil)
        with pytest.raises(HomeRefused, match=words):
            inspect(folder, [ten[1]])

    @pytest.mark.parametrize(
        ("removed", "words"),
        [
            ([1], "records 1 to 3 were removed"),
            ([4], "records 4 to 6 were removed"),
            ([4, 7], "records 4 to 9 were removed"),
            ([10], "ends with record 9, and a published head"),
            ([1, 4, 7, 10], "ends with record 0, and a published head"),
        ],
    )
    def test_a_file_that_is_gone_is_missed(self, ten, tmp_path, removed, words):
        shutil.copytree(ten[0], tmp_path / "main")
        for first in removed:
            (tmp_path / "main" / segments.name(first)).unlink()
        with pytest.raises(HomeRefused, match=words):
            inspect(tmp_path / "main", [ten[1]])

    def test_two_beginnings_are_refused(self, ten, tmp_path):
        shutil.copytree(ten[0], tmp_path / "main")
        shutil.copy(tmp_path / "main" / segments.name(1), tmp_path / "main" / "journal.jsonl")
        with pytest.raises(HomeRefused, match="two beginnings"):
            inspect(tmp_path / "main")

    def test_heads_that_contradict_each_other_are_refused(self, ten):
        with pytest.raises(HomeRefused, match="two published heads"):
            inspect(ten[0], [ten[1], Head(10, "1" * 64)])

    @given(data=st.data())
    def test_any_flipped_octet_of_any_record_shows(self, ten, tmp_path_factory, data):
        """Against the newest head; what flips in the last line's end alone is a torn line, and the head misses it."""
        folder = tmp_path_factory.mktemp("flipped") / "main"
        shutil.copytree(ten[0], folder)
        path = data.draw(st.sampled_from(list(segments.segments(folder).values())))
        whole = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        with pytest.raises(HomeRefused):
            inspect(folder, [ten[1]])

    @given(sizes=st.lists(st.integers(1, 4), max_size=8), texts=st.lists(st.text(max_size=30), min_size=1))
    def test_every_journal_is_a_chain(self, tmp_path_factory, sizes, texts):
        """In whatever groups it was written: indices without a gap, each digest that of the line before."""
        folder = tmp_path_factory.mktemp("chain")
        made = begun(folder, mirrored=False)
        given_heads, words = [], []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ca.journal.journal.SEGMENT", 500)
            for size, number in zip(sizes, counting(), strict=False):
                wanted = [RevocationEntry(texts[(number + n) % len(texts)], "", AT, ()) for n in range(size)]
                words += [one.cause for one in wanted]
                with made.turn() as turn:
                    given_heads += turn.append(wanted)
        previous = EMPTY.digest
        for index, line in enumerate(octets(folder / "main").splitlines(keepends=True), 1):
            fields = json.loads(line)
            assert (fields["index"], fields["previous"]) == (index, previous)
            previous = hashlib.sha256(line).hexdigest()
            assert given_heads[index - 1] == Head(index, previous)
        assert [record.entry.cause for record in records(folder / "main")] == words
        assert inspect(folder / "main", given_heads).head == (given_heads[-1] if given_heads else EMPTY)


class TestTornTails:
    @pytest.mark.usefixtures("quick_disks")
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_wherever_a_write_ended_the_whole_records_stay(self, tmp_path, mirrored):
        begun(tmp_path / "old", 1, mirrored=mirrored)
        shutil.copytree(tmp_path / "old", tmp_path / "new")
        add(journal(tmp_path / "new", mirrored), 2)
        before, after = octets(tmp_path / "old" / "main"), octets(tmp_path / "new" / "main")
        for length in range(len(before), len(after) + 1):
            world = tmp_path / f"torn-{length}"
            shutil.copytree(tmp_path / "old", world)
            last(world / "main").write_bytes(after[:length])
            whole = after[:length].count(b"\n")
            with journal(world, mirrored).turn() as turn:
                assert turn.head.count == whole
                assert [record.index for record in turn.after(0)] == list(range(1, whole + 1))
                turn.append([entry(99)])
            assert inspect(world / "main").head.count == whole + 1
            if mirrored:
                assert same(world).startswith(before)
            shutil.rmtree(world)

    def test_what_a_torn_record_was_is_reported_not_mended_by_looking(self, tmp_path):
        begun(tmp_path, 2, mirrored=False)
        with last(tmp_path / "main").open("ab") as file:
            file.write(b'{"index":3,')
        before = octets(tmp_path / "main")
        found = inspect(tmp_path / "main")
        assert (found.head.count, found.torn) == (2, 11)
        assert octets(tmp_path / "main") == before

    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("gap", [0, 1])
    def test_zeros_that_a_disk_left_for_what_never_arrived(self, tmp_path, mirrored, gap):
        """Some file systems do after a power cut: the length is right, a part of the octets is zeros."""
        made = begun(tmp_path, 2, mirrored=mirrored)
        before = octets(tmp_path / "main")
        add(made, 4)
        added = octets(tmp_path / "main")[len(before) :].splitlines(keepends=True)
        for copy in segments_of(tmp_path):
            hole = [bytes(len(line)) if n == gap else line for n, line in enumerate(added)]
            last(copy).write_bytes(before + b"".join(hole))
        with journal(tmp_path, mirrored).turn() as turn:
            assert turn.head.count == 2 + gap
        # Whole lines stood behind the gap; they were not acknowledged, and are kept for whoever wants to look.
        kept = (tmp_path / "main" / f"{3 + gap:012}.torn").read_bytes()
        assert kept.endswith(added[-1])
        assert inspect(tmp_path / "main").head.count == 2 + gap

    @pytest.mark.usefixtures("small")
    def test_a_new_file_that_got_no_whole_record_is_begun_again(self, tmp_path):
        begun(tmp_path, 4)
        for text in (b"", b'{"index":5', bytes(3000)):
            (tmp_path / "main" / segments.name(5)).write_bytes(text)
            assert journal(tmp_path).head().count == 4
        add(journal(tmp_path), 1)
        assert inspect(tmp_path / "main").head.count == 5
        same(tmp_path)


def segments_of(folder):
    return [copy for copy in (folder / "main", folder / "mirror") if copy.is_dir()]


class Grown:
    """Journals of two lengths, the shorter one a beginning of the longer one, in files of a few records."""

    def __init__(self, folder):
        self.short, self.long = folder / "short", folder / "long"
        begun(self.short, 3, 2)
        shutil.copytree(self.short, self.long)
        add(journal(self.long), 1, 3, 2)
        self.head = inspect(self.long / "main").head


@pytest.fixture
def grown(tmp_path, small):  # noqa: ARG001 - files of a few records
    return Grown(tmp_path)


def tear(path, octets_):
    os.truncate(path, path.stat().st_size + min(octets_, 0))
    with path.open("ab") as file:
        file.write(b"x" * max(octets_, 0))


MIRRORS = {
    "behind": lambda its: put(its.short / "mirror", its.mirror),
    "ahead": lambda its: put(its.short / "main", its.main),
    "lost, and a new disk": lambda its: put(None, its.mirror),
    "the journal lost": lambda its: put(None, its.main),
    "the journal's folder lost": lambda its: shutil.rmtree(its.main),
    "behind by a file": lambda its: last(its.mirror).unlink(),
    "without its first file": lambda its: (its.mirror / segments.name(1)).unlink(),
    "the journal without one": lambda its: (its.main / segments.name(4)).unlink(),
    "torn": lambda its: tear(last(its.mirror), -70),
    "both torn": lambda its: (tear(last(its.mirror), -1), tear(last(its.main), 1)),
}


class TestTheMirror:
    @pytest.mark.parametrize("change", MIRRORS.values(), ids=MIRRORS)
    def test_the_longer_one_is_right(self, grown, tmp_path, change):
        world = tmp_path / "world"
        shutil.copytree(grown.long, world)
        change(SimpleNamespace(main=world / "main", mirror=world / "mirror", short=grown.short))
        assert journal(world).head() == grown.head
        assert same(world) == octets(grown.long / "main")
        heads = add(journal(world), 2)
        assert inspect(world / "main", [grown.head, *heads]) == inspect(
            world / "mirror", [*heads, grown.head]
        )

    @pytest.mark.parametrize("known", [False, True], ids=["a new process", "one that knew both"])
    def test_it_is_found_by_a_process_that_runs(self, grown, tmp_path, known):
        world = tmp_path / "world"
        shutil.copytree(grown.short, world)
        made = journal(world)
        if known:
            made.head()
        put(grown.long / "main", world / "main")
        assert made.head() == grown.head
        assert same(world) == octets(grown.long / "main")

    def test_a_mirror_that_is_not_there_stops_everything(self, grown):
        shutil.rmtree(grown.long / "mirror")
        before = octets(grown.long / "main")
        with pytest.raises(StorageFailed, match=r"mirror is not there.*Mount"), journal(grown.long).turn():
            pass
        assert octets(grown.long / "main") == before

    @pytest.mark.parametrize("side", ["main", "mirror"])
    def test_damage_is_not_copied_and_not_written_over(self, grown, side):
        path = last(grown.long / side)
        path.write_bytes(path.read_bytes().replace(b"order 10", b"order 19"))
        before = [octets(grown.long / name) for name in ("main", "mirror")]
        with pytest.raises(HomeRefused, match=f"{side}.*does not follow"), journal(grown.long).turn():
            pass
        assert [octets(grown.long / name) for name in ("main", "mirror")] == before
        # As the remedy says: moved away, it is filled again from the other.
        path.unlink()
        assert journal(grown.long).head() == grown.head
        same(grown.long)

    @pytest.mark.parametrize("longer", [0, 1, 2])
    def test_two_stories_are_never_made_one(self, grown, tmp_path, longer):
        world = tmp_path / "world"
        shutil.copytree(grown.short, world)
        other = Journal(world / "mirror")
        other.head()
        with other.turn() as turn:
            turn.append([entry(77)])
        alone = Journal(world / "main")
        with alone.turn() as turn:
            turn.append([entry(88 + n) for n in range(1 + longer)])
        before = [octets(world / name) for name in ("main", "mirror")]
        with pytest.raises(HomeRefused, match="another story"), journal(world).turn():
            pass
        assert [octets(world / name) for name in ("main", "mirror")] == before

    def test_a_file_of_another_length_is_not_taken_for_the_same(self, grown):
        path = grown.long / "mirror" / segments.name(1)
        path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(HomeRefused, match="another length"), journal(grown.long).turn():
            pass

    def test_a_journal_never_shrinks_under_a_process_that_has_read_it(self, tmp_path):
        made = begun(tmp_path, 3, mirrored=False)
        os.truncate(last(tmp_path / "main"), 0)
        with pytest.raises(HomeRefused, match="is shorter than it was"), made.turn():
            pass


class TestAFullDisk:
    @pytest.mark.parametrize("side", ["main/0", "mirror/0"])
    @pytest.mark.parametrize("room", [0, 1, 150, 300])
    def test_nothing_is_added_and_room_is_all_it_takes(self, tmp_path, side, room):
        """The disk refuses the mending too; the next turn puts it right, and the records that are whole stay."""
        made = begun(tmp_path, 2)
        before = same(tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            Refusing(patch, side, room)
            with made.turn() as turn:
                with pytest.raises(
                    StorageFailed, match=f"{side}.*cannot be written: No space left.*Make room"
                ):
                    turn.append([entry(n) for n in range(5)])
                assert turn.head.count == 2
            other = "main" if side.startswith("mirror") else "mirror"
            assert octets(tmp_path / other) == before  # what was written there is taken back
        for process in (made, journal(tmp_path)):
            assert process.head() == inspect(tmp_path / "main").head
        assert same(tmp_path).startswith(before)
        heads = add(made, 1)
        assert inspect(tmp_path / "mirror", heads).head == heads[-1]

    def test_a_disk_that_has_room_again_serves_the_same_turn(self, tmp_path):
        made = begun(tmp_path, 2)
        with made.turn() as turn:
            with pytest.MonkeyPatch.context() as patch:
                write = os.pwrite

                def full(descriptor, text, offset):
                    if len(text) > 100:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    return write(descriptor, text, offset)

                patch.setattr(durable.os, "pwrite", full)
                with pytest.raises(StorageFailed):
                    turn.append([entry(3)])
            assert turn.append([entry(4)])[0].count == 3
        assert [record.entry.cause for record in records(tmp_path / "mirror")] == [
            "order 1",
            "order 2",
            "order 4",
        ]


def noting(folder, note):
    """Append group after group, writing down what was acknowledged."""
    made = journal(folder)
    for size in (1, 3, 2, 4):
        for head in add(made, size):
            with note.open("a") as file:
                file.write(f"{head.count} {head.digest}\n")


def taking_turns(folder, rounds):
    made = journal(folder)
    for _ in range(rounds):
        with made.turn() as turn:
            turn.append([entry(turn.head.count + 1), entry(turn.head.count + 2)])


class TestSuddenDeath:
    @pytest.mark.usefixtures("small")
    @pytest.mark.parametrize("part", [0, 0.4, 1])
    def test_at_every_write_and_sync_what_was_acknowledged_stays(self, tmp_path, part):
        begun(tmp_path / "begun", 2)
        for step in counting(1):
            world, note = tmp_path / f"world-{step}", tmp_path / f"note-{step}"
            shutil.copytree(tmp_path / "begun", world)
            code = exit_code(in_a_process(partial(killed_at, step, part, partial(noting, world, note))))
            told = [line.split() for line in note.read_text().splitlines()] if note.exists() else []
            acknowledged = [Head(int(count), digest) for count, digest in told]
            head = journal(world).head()
            same(world)
            assert inspect(world / "main", acknowledged).head == head
            assert [record.index for record in records(world / "main")] == list(range(1, head.count + 1))
            heads = add(journal(world), 1)
            assert inspect(world / "mirror", acknowledged + heads).head == heads[-1]
            if code != -signal.SIGKILL:
                break
            shutil.rmtree(world)
        assert (code, len(acknowledged)) == (0, 10)
        assert step > 4 * 5  # of each group two writes and two syncs, and the lock's own

    def test_what_a_dead_process_wrote_and_did_not_sync_is_synced_before_it_counts(
        self, tmp_path, monkeypatch
    ):
        begun(tmp_path, 2)
        shutil.copytree(tmp_path, tmp_path / "grown")
        add(journal(tmp_path / "grown"), 1)
        shutil.copy(last(tmp_path / "grown" / "main"), last(tmp_path / "main"))
        synced = []
        sync = durable.sync
        monkeypatch.setattr(copies.durable, "sync", lambda path: synced.append(path.name) or sync(path))
        assert journal(tmp_path).head().count == 3
        assert synced.count(segments.name(1)) == 2
        synced.clear()
        assert journal(tmp_path).head().count == 3
        assert synced == []

    @pytest.mark.usefixtures("small")
    def test_the_name_of_a_new_file_is_on_the_disk_too(self, tmp_path, monkeypatch):
        made = begun(tmp_path, 3)
        synced = []
        sync = durable.sync
        monkeypatch.setattr(durable, "sync", lambda path: synced.append(path.name) or sync(path))
        add(made, 1)
        assert sorted(synced) == ["main", "mirror"]
        synced.clear()
        add(made, 1)
        assert synced == []

    def test_processes_and_threads_take_turns(self, tmp_path):
        made = begun(tmp_path)
        others = [in_a_process(partial(taking_turns, tmp_path, 25)) for _ in range(3)]
        threads = [threading.Thread(target=add, args=(made, *[2] * 25)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [exit_code(other) for other in others] == [0, 0, 0]
        assert made.head() == inspect(tmp_path / "main").head
        assert made.head().count == 5 * 50
        same(tmp_path)
        causes = [record.entry.cause for record in records(Path(tmp_path / "mirror"))]
        assert causes == [f"order {n}" for n in range(1, 251)]
