"""A sealed copy of what is published: whole, the world's word, and checked by sha256sum and OpenSSL as by ourselves."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.manifest import JOURNAL_HEAD, MANIFEST, SUMS, SUMS_SIGNATURE
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected
from bridge.relying.sealed import ZipSource, check_sealed
from bridge.repository.contents import publish_all
from bridge.repository.layout import list_path, self_signed_path
from bridge.repository.sealed import seal
from ca.errors import BadInput, StorageFailed
from ca.model import FULL, GenerationId
from front.demo.openssl import run as openssl
from front.demo.openssl import write_certificate
from tests.commands import done, refused, run, tree
from tests.engine_world import NOW, EngineWorld, engine_world
from tests.relying_world import World

ANCHOR, TOTTORI = (GenerationId.parse(f"{name}.g1") for name in ("gpki-bca", "jpki-31"))
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Copy:
    world: EngineWorld
    path: Path

    @property
    def anchor(self) -> bytes:
        return (self.world.repository.folder / self_signed_path(ANCHOR)).read_bytes()

    def changed(self, target: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
        """A copy in which something is otherwise, all of it packed again."""
        with zipfile.ZipFile(self.path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
        change(contents)
        with zipfile.ZipFile(target, "w") as archive:
            for name, octets in contents.items():
                archive.writestr(name, octets)
        return target


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("sealed")
    with engine_world(folder / "world") as world:
        for at in (NOW - HOUR, NOW):
            publish_all(world.issuers, world.plan, world.repository, at=at)
        count = seal(world.issuers, world.plan, world.repository, folder / "it.zip", past=False, at=NOW)
        assert count > 80
        yield Copy(world, folder / "it.zip")


def test_a_sealed_copy_is_what_is_published_now(copy):
    found = check_sealed(copy.path, copy.anchor, NOW)
    assert (found.world, found.signed_at) == (copy.world.plan.name, NOW)
    with zipfile.ZipFile(copy.path) as archive:
        names = set(archive.namelist()) - {SUMS, SUMS_SIGNATURE}
        published = {
            path: octets for path, octets in tree(copy.world.repository.folder).items() if octets is not None
        }
        assert {path for path in published if "/crl/" not in path or path.count("/") == 3} == names
        assert all(archive.read(name) == published[name] for name in names)
        even = NOW.replace(second=NOW.second // 2 * 2)  # ZIP knows every other second
        assert {info.date_time for info in archive.infolist()} == {even.timetuple()[:6]}
    assert found.files == len(names)


def test_the_past_comes_if_it_is_wanted(copy, tmp_path):
    world = copy.world
    seal(world.issuers, world.plan, world.repository, tmp_path / "all.zip", past=True, at=NOW)
    with ZipSource(tmp_path / "all.zip") as source:
        assert len(source.numbers(list_path(TOTTORI, FULL))) == 1
        assert Snapshot.read(source).manifest == Snapshot.read(world.repository.folder).manifest
    assert check_sealed(tmp_path / "all.zip", copy.anchor, NOW).files > 120


def test_the_same_folder_gives_the_same_file(copy, tmp_path):
    world = copy.world
    seal(world.issuers, world.plan, world.repository, tmp_path / "again.zip", past=False, at=NOW)
    assert (tmp_path / "again.zip").read_bytes() == copy.path.read_bytes()


def test_sha256sum_and_openssl_check_it_too(copy, tmp_path):
    with zipfile.ZipFile(copy.path) as archive:
        archive.extractall(tmp_path / "it")
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", SUMS],
        cwd=tmp_path / "it",
        capture_output=True,
        check=True,
    )
    assert checked.stderr == b""
    write_certificate(tmp_path / "anchor.pem", copy.anchor)
    verifying = (
        "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "it" / SUMS_SIGNATURE, "-content",
        tmp_path / "it" / SUMS, "-CAfile", tmp_path / "anchor.pem", "-purpose", "any",
        "-attime", str(int(NOW.timestamp())), "-out", "/dev/null",
    )  # fmt: skip
    openssl(*verifying)
    sums = tmp_path / "it" / SUMS
    sums.write_bytes(sums.read_bytes().replace(b"a", b"b", 1))
    assert openssl(*verifying, check=False).returncode != 0


def test_a_folder_that_it_was_unpacked_into_is_checked_as_well(copy, tmp_path):
    with zipfile.ZipFile(copy.path) as archive:
        archive.extractall(tmp_path / "it")
    assert check_sealed(tmp_path / "it", copy.anchor, NOW) == check_sealed(copy.path, copy.anchor, NOW)
    (tmp_path / "it" / "g" / "more.cer").write_bytes(b"")
    with pytest.raises(BadInput, match="is not named in SHA256SUMS"):
        check_sealed(tmp_path / "it", copy.anchor, NOW)


def swap(contents: dict[str, bytes]) -> None:
    one, other = list_path(TOTTORI, FULL), "g/jpki-31.g1/crl/arl.crl"
    contents[one], contents[other] = contents[other], contents[one]


def of_another_file(contents: dict[str, bytes]) -> None:
    contents[SUMS_SIGNATURE] = contents["manifest.p7s"]


def says_it_twice(contents: dict[str, bytes]) -> None:
    contents[SUMS] += contents[SUMS].splitlines(keepends=True)[0]


CHANGES: list[tuple[str, Callable[[dict[str, bytes]], Any], type[Exception], str]] = [
    ("a bit", lambda it: it.update({MANIFEST: it[MANIFEST].replace(b"test", b"tesu", 1)}), BadInput, "marking"),
    ("a list", lambda it: it.update({list_path(TOTTORI, FULL): b""}), BadInput, "is not the file that"),
    ("two lists swapped", swap, BadInput, "is not the file that"),
    ("a list missing", lambda it: it.pop(list_path(TOTTORI, FULL)), BadInput, "is not in the copy"),
    ("the seal missing", lambda it: it.pop(SUMS_SIGNATURE), BadInput, "is not in the copy"),
    ("the sums missing", lambda it: it.pop(SUMS), BadInput, "is not in the copy"),
    ("a file too many", lambda it: it.update({"g/stray.cer": b""}), BadInput, "is not named"),
    ("a line less", lambda it: it.update({SUMS: it[SUMS].partition(b"\n")[2]}), BadInput, "other content"),
    ("a line twice", says_it_twice, BadInput, "other content"),
    ("another's seal", of_another_file, BadInput, "other content"),
    ("no seal", lambda it: it.update({SUMS_SIGNATURE: b"x"}), BadInput, "DER"),
    ("no manifest", lambda it: it.pop(MANIFEST), BadInput, "is not in the copy"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "words"), [pytest.param(*case[1:], id=case[0]) for case in CHANGES]
)
def test_whatever_was_changed_is_found(copy, tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        check_sealed(copy.changed(tmp_path / "other.zip", change), copy.anchor, NOW)


def test_another_worlds_anchor_does_not_vouch_for_it(copy):
    with pytest.raises(BadInput, match="is not an authority of this world"):
        check_sealed(copy.path, World().anchor.der(), NOW)


def test_beyond_the_lists_time_nothing_is_known(copy):
    with pytest.raises(PathRejected, match="cannot tell"):
        check_sealed(copy.path, copy.anchor, NOW + timedelta(days=30))


@given(st.binary(max_size=40), st.integers(0, 1 << 20))
def test_a_damaged_file_is_refused(tmp_path_factory, noise, where):
    small = io.BytesIO()
    with zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"a" * 1000)
        archive.writestr("g/x/crl/full/7.crl", b"7")
    octets = bytearray(small.getvalue())
    octets[where % len(octets) : where % len(octets) + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(octets)
    try:
        with ZipSource(path) as source:
            assert set(source.numbers("g/x/crl/full.crl")) <= {*range(10)} | {7}
            assert len(source.read("a", 1000)) <= 1000
    except BadInput as error:
        assert error.problem  # noqa: PT017 - most are damaged, some are not


def test_a_file_that_unpacks_to_much_is_not_unpacked(tmp_path):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SUMS_SIGNATURE, b"0" * 50_000_000)
    with ZipSource(bomb) as source, pytest.raises(BadInput, match="longer than 1000 octets"):
        source.read(SUMS_SIGNATURE, 1000)


def test_a_name_twice_is_refused(tmp_path):
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a", b"2")
    with pytest.raises(BadInput, match="one name twice"):
        ZipSource(path)


def test_a_copy_that_cannot_be_written_leaves_nothing(copy, tmp_path):
    world = copy.world
    with pytest.raises(StorageFailed):
        seal(world.issuers, world.plan, world.repository, tmp_path / "nowhere" / "it.zip", past=False, at=NOW)
    (tmp_path / "there.zip").write_bytes(b"before")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageFailed):
        seal(world.issuers, world.plan, world.repository, tmp_path / "folder", past=False, at=NOW)
    assert tree(tmp_path) == {"there.zip": b"before", "folder": None}


def test_the_commands(pristine_world, tmp_path):
    home = shutil.copytree(pristine_world, tmp_path / "home")
    out = tmp_path / "today.zip"
    sealed = done(run("repo", "snapshot", out, "--home", home, "--json")).json
    checked = done(run("repo", "check", out, "--home", home, "--json")).json
    assert checked == {"world": "small", "sealed_at": sealed["sealed_at"], "files": sealed["files"]}
    write_certificate(tmp_path / "anchor.pem", (home / "repository" / self_signed_path(ANCHOR)).read_bytes())
    trusting = ("--anchor", tmp_path / "anchor.pem", "--at", "2014-09-01T01:00:00Z")
    assert done(run("repo", "check", out, *trusting, "--json")).json == checked
    refused(run("repo", "check", out), "--anchor", "is needed without a home")
    refused(run("repo", "check", tmp_path / "anchor.pem", *trusting), "is not a ZIP file")
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "it")
        assert JOURNAL_HEAD not in archive.namelist() or archive.read(JOURNAL_HEAD)
    assert done(run("repo", "check", tmp_path / "it", *trusting, "--json")).json == checked
    (tmp_path / "it" / MANIFEST).write_bytes(b"{}")
    refused(run("repo", "check", tmp_path / "it", *trusting), MANIFEST)
