"""The archive: bodies that only the key gives back, and not even the key once theirs was destroyed."""

import hashlib
import os
import re
import shutil
import signal
from functools import partial
from itertools import count as counting

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from ca.chance import SeededChance, SystemChance
from ca.errors import ArchiveDestroyed, HomeRefused, NotFound, StorageFailed
from ca.journal import archive as archive_module
from ca.journal.archive import Archive, archive_key
from ca.journal.entries import IntentEntry, IntentPart
from ca.journal.inspection import inspect
from ca.journal.journal import Journal
from tests.journal_files import AT, Refusing, entry, exit_code, in_a_process, killed_at, put

KEY = archive_key(bytes(32))
SLOT = 64


def opened(folder, *, mirrored=True, key=KEY):
    aside = folder / "aside" if mirrored else None
    archive = Archive(
        folder / "archive", None if aside is None else aside / "archive", lambda: key, SystemChance()
    )
    return Journal(folder / "journal", None if aside is None else aside / "journal", archive)


def body(number):
    return hashlib.sha256(b"%d" % number).digest() * (1 + number % 5) + b"Chiyoda-ku" * 3


def archived(folder, *groups, mirrored=True):
    made = opened(folder, mirrored=mirrored)
    made.begin()
    add(made, *groups)
    return made


def add(made, *groups):
    for size in groups:
        with made.turn() as turn:
            first = turn.next_body
            turn.append([entry(first)], [body(first + n) for n in range(size)])


def copies(folder):
    return [path for path in (folder / "archive", folder / "aside" / "archive") if path.is_dir()]


def everything(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def require_same(folder):
    one, other = map(everything, copies(folder))
    assert one == other
    return one


def require_bodies(made, count):
    for number in range(1, count + 1):
        assert made.archive.read(number) == body(number)
    with pytest.raises(NotFound):
        made.archive.read(count + 1)


@pytest.fixture
def small(monkeypatch):
    """Files that are full after a few bodies."""
    monkeypatch.setattr(archive_module, "SEGMENT", 300)


@pytest.fixture
def quick_disks(monkeypatch):
    """Disks that only say that they have synced: these tests are about what lies in files, not about its safety."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class TestBodies:
    @pytest.mark.usefixtures("small")
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_they_come_back_by_their_numbers(self, tmp_path, mirrored):
        made = archived(tmp_path, 1, 4, 0, 3, mirrored=mirrored)
        with made.turn() as turn:
            assert turn.next_body == 9
            assert turn.body(5) == body(5)
        require_bodies(made, 8)
        require_bodies(opened(tmp_path, mirrored=mirrored), 8)
        assert inspect(tmp_path / "journal").bodies == 8
        assert sorted(everything(tmp_path / "archive")) == [
            "000000000001.bodies", "000000000006.bodies", "slots"
        ]  # fmt: skip

    @pytest.mark.parametrize("number", [0, -1, 3, 1 << 40])
    def test_a_number_that_nobody_gave_is_not_found(self, tmp_path, number):
        made = archived(tmp_path, 2)
        with pytest.raises(NotFound, match="does not exist"):
            made.archive.read(number)
        with made.turn() as turn, pytest.raises(NotFound, match="does not exist"):
            turn.destroy([1, number])
        require_bodies(made, 2)

    @given(bodies=st.lists(st.binary(max_size=400), min_size=1, max_size=6))
    def test_whatever_they_are(self, tmp_path_factory, bodies):
        made = archived(tmp_path_factory.mktemp("any"), mirrored=False)
        with made.turn() as turn:
            turn.append([entry()], bodies)
        assert [made.archive.read(number) for number in range(1, len(bodies) + 1)] == bodies

    def test_the_key_is_asked_for_when_it_is_needed_and_once(self, tmp_path):
        asked = []
        archive = Archive(tmp_path / "archive", None, lambda: asked.append(1) or KEY, SystemChance())
        made = Journal(tmp_path / "journal", None, archive)
        made.begin()
        with made.turn() as turn:
            turn.append([entry()])
            assert not asked
            turn.append([entry()], [b"one"])
            turn.append([entry()], [b"two"])
            turn.destroy([1])
        assert asked == [1]
        assert "Archive(" in repr(archive)
        assert KEY.hex() not in repr(archive)


class TestSecrecy:
    def test_nothing_on_the_disk_says_what_they_are(self, tmp_path):
        archived(tmp_path, 5)
        for path in tmp_path.rglob("*"):
            if path.is_file():
                assert b"Chiyoda" not in path.read_bytes()

    def test_another_key_opens_none(self, tmp_path):
        archived(tmp_path, 3)
        other = opened(tmp_path, key=archive_key(b"\1" * 32))
        for number in (1, 2, 3):
            with pytest.raises(HomeRefused, match=f"body {number}: is damaged"):
                other.archive.read(number)

    def test_each_has_a_key_of_its_own_made_as_the_form_says(self, tmp_path):
        """Judged by another reading of the form, with another library's HMAC."""
        archived(tmp_path, 4)
        slots = (tmp_path / "archive" / "slots").read_bytes()
        texts = (tmp_path / "archive" / "000000000001.bodies").read_bytes()
        salts = [slots[SLOT * n : SLOT * n + 32] for n in range(1, 5)]
        assert len(set(salts)) == 4
        place = 0
        for number, salt in enumerate(salts, 1):
            mac = hmac.HMAC(KEY, SHA256())
            mac.update(salt + number.to_bytes(8, "big"))
            length = len(body(number)) + 16
            key = AESGCM(mac.finalize())
            assert key.decrypt(bytes(12), texts[place : place + length], None) == body(number)
            if number < 4:
                with pytest.raises(InvalidTag):
                    key.decrypt(bytes(12), texts[place + length :][: len(body(number + 1)) + 16], None)
            place += length
        assert place == len(texts)

    def test_bodies_that_change_places_do_not_open(self, tmp_path):
        archived(tmp_path, 7, mirrored=False)  # 1 and 6 are of one length
        path = tmp_path / "archive" / "slots"
        slots = path.read_bytes()
        path.write_bytes(
            slots[:SLOT]
            + slots[6 * SLOT : 7 * SLOT]
            + slots[2 * SLOT : 6 * SLOT]
            + slots[SLOT : 2 * SLOT]
            + slots[7 * SLOT :]
        )
        with pytest.raises(HomeRefused, match="body 1: is damaged"):
            opened(tmp_path, mirrored=False).archive.read(1)

    def test_files_are_their_owners_alone(self, tmp_path):
        archived(tmp_path, 1)
        for path in [*tmp_path.rglob("*.bodies"), *tmp_path.rglob("slots"), *tmp_path.rglob("*.jsonl")]:
            assert path.stat().st_mode & 0o077 == 0
        for folder in copies(tmp_path):
            assert folder.stat().st_mode & 0o077 == 0

    def test_chance_that_repeats_itself_is_for_tests_and_repeats_itself(self, tmp_path):
        texts = []
        for name in ("one", "other"):
            archive = Archive(tmp_path / name, None, lambda: KEY, SeededChance(7))
            archive.append(0, [body(1), body(2)])
            texts.append(everything(tmp_path / name))
        assert texts[0] == texts[1]


def test_bodies_are_on_the_disk_before_their_record_is_and_all_of_it_before_it_is_acknowledged(
    tmp_path, monkeypatch
):
    made = archived(tmp_path, 1)
    paths, done = {}, []
    write, sync, opening = os.pwrite, os.fsync, os.open

    def opened_as(path, *args, **options):
        descriptor = opening(path, *args, **options)
        paths[descriptor] = str(path).removeprefix(f"{tmp_path}/")
        return descriptor

    monkeypatch.setattr(os, "open", opened_as)
    monkeypatch.setattr(os, "pwrite", lambda to, *args: done.append(("write", paths[to])) or write(to, *args))
    monkeypatch.setattr(os, "fsync", lambda it: sync(it) or done.append(("sync", paths[it])))
    with made.turn() as turn:
        turn.append([entry()], [body(2)])
        acknowledged = list(done)
    kept = [f"{place}archive/{name}" for place in ("", "aside/") for name in ("000000000001.bodies", "slots")]
    told = [f"{place}journal/000000000001.jsonl" for place in ("", "aside/")]
    steps = [[(step, path) for path in files] for files in (kept, told) for step in ("write", "sync")]
    assert sorted(acknowledged[:8]) == sorted(steps[0] + steps[1])
    assert sorted(acknowledged[8:]) == sorted(steps[2] + steps[3])
    for path in (*kept, *told):
        assert acknowledged.index(("write", path)) < acknowledged.index(("sync", path))


class TestTheEnd:
    def test_what_was_destroyed_is_gone_everywhere_and_the_chain_holds(self, tmp_path):
        made = archived(tmp_path, 3, 3)
        before = inspect(tmp_path / "journal")
        texts = everything(tmp_path / "archive")["000000000001.bodies"]
        with made.turn() as turn:
            turn.destroy([2, 5])
            turn.destroy([2])
        for process in (made, opened(tmp_path), opened(tmp_path / "aside", mirrored=False)):
            for number in range(1, 7):
                if number in {2, 5}:
                    with pytest.raises(ArchiveDestroyed, match="was destroyed when its time was over"):
                        process.archive.read(number)
                else:
                    assert process.archive.read(number) == body(number)
        assert inspect(tmp_path / "journal") == before
        found = require_same(tmp_path)
        assert found["000000000001.bodies"] == texts
        for number in (2, 5):
            assert found["slots"][SLOT * number :][:32] == bytes(32)

    def test_with_the_archives_key_and_every_file_nobody_gets_it_back(self, tmp_path):
        """All that is left of a destroyed body is its text, under a key made from 32 octets that are nowhere."""
        made = archived(tmp_path, 1)
        salt = (tmp_path / "archive" / "slots").read_bytes()[SLOT : SLOT + 32]
        with made.turn() as turn:
            turn.destroy([1])
        for path in tmp_path.rglob("*"):
            if path.is_file():
                assert salt not in path.read_bytes()

    def test_a_mirror_made_anew_does_not_bring_it_back(self, tmp_path):
        made = archived(tmp_path, 4)
        with made.turn() as turn:
            turn.destroy([3])
        put(None, tmp_path / "aside" / "archive")
        add(opened(tmp_path), 1)
        require_same(tmp_path)
        with pytest.raises(ArchiveDestroyed):
            opened(tmp_path / "aside", mirrored=False).archive.read(3)

    @pytest.mark.parametrize("old", ["archive", "aside/archive"])
    def test_an_old_copy_that_was_put_back_does_not_bring_it_back(self, tmp_path, old):
        made = archived(tmp_path, 4)
        shutil.copytree(tmp_path / old, tmp_path / "old")
        with made.turn() as turn:
            turn.destroy([3])
        put(tmp_path / "old", tmp_path / old)
        fresh = opened(tmp_path)
        with pytest.raises(ArchiveDestroyed):
            fresh.archive.read(3)
        with fresh.turn() as turn:
            turn.destroy([3])
        require_same(tmp_path)

    @pytest.mark.parametrize("step", range(1, 5))
    def test_a_death_while_destroying_leaves_the_rest_readable(self, tmp_path, step):
        archived(tmp_path, 5)

        def destroying():
            with opened(tmp_path).turn() as turn:
                turn.destroy([2, 4])

        code = exit_code(in_a_process(partial(killed_at, step, 1, destroying)))
        assert code == -signal.SIGKILL
        made = opened(tmp_path)
        for number in (1, 3, 5):
            assert made.archive.read(number) == body(number)
        with made.turn() as turn:
            turn.destroy([2, 4])
        for number in (2, 4):
            with pytest.raises(ArchiveDestroyed):
                made.archive.read(number)
        require_same(tmp_path)


def noting(folder, note):
    made = opened(folder)
    for size in (1, 3, 2):
        add(made, size)
        with note.open("a") as file:
            file.write(f"{size}\n")


@pytest.mark.usefixtures("small")
class TestSuddenDeath:
    @pytest.mark.parametrize("part", [0, 0.5, 1])
    def test_at_every_write_and_sync_no_record_lacks_its_bodies(self, tmp_path, part):
        archived(tmp_path / "begun", 2)
        for step in counting(1):
            world, note = tmp_path / f"world-{step}", tmp_path / f"note-{step}"
            shutil.copytree(tmp_path / "begun", world)
            code = exit_code(in_a_process(partial(killed_at, step, part, partial(noting, world, note))))
            acknowledged = 2 + sum(map(int, note.read_text().split())) if note.exists() else 2
            made = opened(world)
            with made.turn() as turn:
                held = turn.next_body - 1
            assert held >= acknowledged
            for number in range(1, held + 1):
                assert made.archive.read(number) == body(number)
            add(made, 2)
            require_bodies(opened(world), held + 2)
            require_same(world)
            if code != -signal.SIGKILL:
                break
            shutil.rmtree(world)
        assert (code, held) == (0, 8)
        assert step > 3 * 10  # of each group six writes and six syncs

    @pytest.mark.usefixtures("quick_disks")
    def test_wherever_a_write_ended(self, tmp_path):
        """Each file of the archive cut at every octet that a group added, as if the death came there."""
        archived(tmp_path / "old", 2)
        shutil.copytree(tmp_path / "old", tmp_path / "new")
        opened(tmp_path / "new").archive.append(2, [b"one", b"two"])
        for name in everything(tmp_path / "new" / "archive"):
            before = (tmp_path / "old" / "archive" / name).stat().st_size
            after = (tmp_path / "new" / "archive" / name).read_bytes()
            for length in range(before, len(after) + 1):
                world = tmp_path / "torn"
                shutil.copytree(tmp_path / "old", world)
                (world / "archive" / name).write_bytes(after[:length])
                add(opened(world), 1)
                require_bodies(opened(world), 3)
                require_same(world)
                shutil.rmtree(world)


LOSSES = {
    "behind": lambda its: put(its / "short", its / "aside" / "archive"),
    "ahead": lambda its: put(its / "short", its / "archive"),
    "a new disk": lambda its: put(None, its / "aside" / "archive"),
    "the archive lost": lambda its: put(None, its / "archive"),
    "the archive's folder lost": lambda its: shutil.rmtree(its / "archive"),
    "without its slots": lambda its: (its / "aside" / "archive" / "slots").unlink(),
    "without its last bodies": lambda its: (its / "archive" / "000000000006.bodies").unlink(),
    "without its first bodies": lambda its: (its / "aside" / "archive" / "000000000001.bodies").unlink(),
    "torn slots": lambda its: os.truncate(its / "aside" / "archive" / "slots", SLOT * 4 + 9),
    "torn bodies": lambda its: os.truncate(its / "archive" / "000000000006.bodies", 9),
}


@pytest.mark.usefixtures("small")
class TestTheMirror:
    @pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
    def test_what_one_copy_lacks_it_gets_from_the_other(self, tmp_path, lose):
        made = archived(tmp_path, 2)
        shutil.copytree(tmp_path / "archive", tmp_path / "short")
        add(made, 3, 3)
        whole = require_same(tmp_path)
        lose(tmp_path)
        require_bodies(opened(tmp_path), 8)  # reading asks whichever copy has it
        add(opened(tmp_path), 1)
        found = require_same(tmp_path)
        assert {name: text[: len(whole[name])] for name, text in found.items() if name in whole} == whole
        for folder in (tmp_path, tmp_path / "aside"):
            require_bodies(opened(folder, mirrored=False), 9)

    def test_a_key_that_one_copy_destroyed_before_the_death_stays_destroyed(self, tmp_path):
        archived(tmp_path, 2, 3, 3)
        slots = tmp_path / "archive" / "slots"
        with slots.open("r+b") as file:
            file.seek(7 * SLOT)
            file.write(bytes(32))
        (tmp_path / "archive" / "000000000006.bodies").unlink()
        made = opened(tmp_path)
        add(made, 1)
        assert (tmp_path / "archive" / "000000000006.bodies").exists()
        with pytest.raises(ArchiveDestroyed):
            made.archive.read(7)
        assert made.archive.read(8) == body(8)

    def test_a_damaged_body_is_read_from_the_other_copy(self, tmp_path):
        archived(tmp_path, 3)
        path = tmp_path / "archive" / "000000000001.bodies"
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
        require_bodies(opened(tmp_path), 3)
        with pytest.raises(HomeRefused, match=r"body 1: is damaged.*Restore"):
            opened(tmp_path, mirrored=False).archive.read(1)

    def test_bodies_that_both_lost_are_missed_before_their_numbers_are_given_again(self, tmp_path):
        made = archived(tmp_path, 2)
        for number, folder in enumerate(copies(tmp_path)):
            shutil.copytree(folder, tmp_path / f"short-{number}")
        add(made, 3)
        for number, folder in enumerate(copies(tmp_path)):
            put(tmp_path / f"short-{number}", folder)
        fresh = opened(tmp_path)
        with fresh.turn() as turn:
            with pytest.raises(HomeRefused, match=r"lacks bodies from 3 on; the journal tells of 5"):
                turn.append([entry()], [b"new"])
            turn.append([entry()])  # what needs no archive goes on: nobody's revocation waits for it
        assert inspect(tmp_path / "journal").bodies == 5

    def test_a_mirror_that_is_not_there_is_not_begun_unasked(self, tmp_path):
        archived(tmp_path, 2)
        shutil.rmtree(tmp_path / "aside" / "archive")
        with opened(tmp_path).turn() as turn:
            before = turn.head
            with pytest.raises(
                StorageFailed, match=r"aside/archive: the archive's mirror is not there.*Mount"
            ):
                turn.append([entry()], [b"x"])
            assert turn.head == before

    def test_another_kind_of_file_is_refused(self, tmp_path):
        archived(tmp_path, 2)
        path = tmp_path / "archive" / "slots"
        path.write_bytes(path.read_bytes().replace(b"format 1", b"format 2"))
        with opened(tmp_path).turn() as turn, pytest.raises(HomeRefused, match="newer version"):
            turn.append([entry()], [b"x"])


class TestAFullDisk:
    @pytest.mark.parametrize(
        "word", ["/archive/0", "/archive/slots", "aside/archive/0", "aside/archive/slots", "journal/0"]
    )
    @pytest.mark.parametrize("room", [0, 40])
    def test_neither_body_nor_record_is_added(self, tmp_path, word, room):
        made = archived(tmp_path, 2)
        before = inspect(tmp_path / "journal")
        with pytest.MonkeyPatch.context() as patch, made.turn() as turn:
            Refusing(patch, word, room)
            with pytest.raises(StorageFailed, match=r"No space left.*Make room"):
                turn.append([entry()], [body(3), body(4)])
            assert (turn.head, turn.next_body) == (before.head, 3)
        add(opened(tmp_path), 1)
        held = inspect(tmp_path / "journal").bodies
        assert held == 3
        require_bodies(opened(tmp_path), 3)
        require_same(tmp_path)


def test_no_record_says_what_is_personal(tmp_path):
    """A journal's line for a certificate has numbers, digests and keyed codes; what it says lies in the archive."""
    made = archived(tmp_path)
    part = IntentPart(
        "jpki-13.g1:" + "40" * 20, "signature", "full", AT, AT, "00" * 32, "11" * 32, 1, "22" * 32
    )
    with made.turn() as turn:
        turn.append([IntentEntry(AT, (part,))], [b"a name, an address"])
    line = (tmp_path / "journal" / "000000000001.jsonl").read_text()
    assert not re.search("name|address|code", line)
    assert made.archive.read(1) == b"a name, an address"
