"""Who reads a published directory: Java's CertPathBuilder, which finds everything in it by itself, and our own verifier."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import pem

from bridge.directory.attributes import CA_CERTIFICATE, CERTIFICATE_LIST, CROSS_PAIR
from bridge.directory.connection import Server
from bridge.relying.budget import Limits
from bridge.relying.finding.directory import DirectoryMaterial
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import VerifiedPath, verify
from bridge.repository.contents import publish_all
from bridge.repository.directory import publish_entries
from bridge.repository.layout import cross_path, self_signed_path
from ca.issuing.cycle import IssuedCertificate
from ca.model import RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.wire.facts import read_certificate
from tests.commands import done, run
from tests.components import require
from tests.engine_world import EngineWorld, engine_world
from tests.slapd import Slapd, slapd
from tests.test_directory import quiet
from tests.test_repository import ANCHOR, BRIDGE_KEY, LATER, OLD, end, holder, publish, renew, succeed

JUDGE = Path(__file__).parent / "java" / "DirectoryJudge.java"
HOUR = timedelta(hours=1)
TOTTORI_ENTRY = "OU=Tottori CA,OU=Prefectural Association For JPKI,O=JPKI-TEST,C=JP"
POLICY = "2.999.2014.1.1"


@dataclass(frozen=True)
class Scene:
    """A nation in a directory: certificates of both keys of an authority, good ones and such that have ended."""

    world: EngineWorld
    server: Slapd
    of_old_key: IssuedCertificate
    of_new_key: IssuedCertificate
    revoked: IssuedCertificate

    @property
    def anchor(self) -> bytes:
        return (self.world.repository.folder / self_signed_path(ANCHOR)).read_bytes()

    @property
    def trust(self) -> Trust:
        return Trust((self.anchor,), frozenset({POLICY}), self.world.plan.marking)

    def put(self) -> None:
        with self.server.master() as directory:
            publish_entries(self.world.repository.folder, directory, quiet)

    def verified(self, of: IssuedCertificate, limits: Limits | None = None) -> VerifiedPath:
        with DirectoryMaterial(Server(self.server.url), limits or Limits()) as material:
            return verify(of.encoded, material, self.trust, LATER)

    def reason(self, of: IssuedCertificate) -> Reason | None:
        """Why it is refused; None if it is valid."""
        try:
            self.verified(of)
        except PathRejected as rejected:
            return rejected.reason
        return None


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("directory")
    with engine_world(folder / "world") as world, slapd(folder / "slapd") as server:
        of_old_key, revoked = holder(world), holder(world)
        succeed(world)
        renew(world)
        of_new_key = holder(world)
        revoke(world.stores, revoked.id, RevocationReason.KEY_COMPROMISE, "operator", at=LATER - HOUR)
        publish(world)
        made = Scene(world, server, of_old_key, of_new_key, revoked)
        made.put()
        yield made


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("javac", "java")
    folder = tmp_path_factory.mktemp("java")
    subprocess.run(["javac", "-Xlint:all", "-Werror", "-d", folder, JUDGE], check=True, timeout=120)
    return folder


def asked(java: Path, scene: Scene, targets: Sequence[IssuedCertificate]) -> list[str]:
    lines = []
    for number, target in enumerate(targets):
        folder = java / str(number)
        folder.mkdir(exist_ok=True)
        (folder / "target").write_bytes(target.encoded)
        (folder / "anchor").write_bytes(scene.anchor)
        lines.append(f"{folder} {LATER:%Y-%m-%dT%H:%M:%SZ} {POLICY} {scene.server.port}\n")
    told = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", java, "DirectoryJudge"],
        input="".join(lines), capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert len(told.stdout.splitlines()) == len(targets), told.stderr
    return told.stdout.splitlines()


def test_java_finds_the_path_and_the_lists_in_the_directory(scene, java):
    """Anchor, bridge, prefecture by either of its keys, holder; and the list of the holder's own town and key."""
    targets = [scene.of_old_key, scene.of_new_key, scene.revoked]
    said = asked(java, scene, targets)
    for target, line in zip(targets[:2], said, strict=False):
        word, first, *others = line.split(" ")
        assert (word, first) == ("valid", f"{target.id.serial.value:x}"), line
        assert len(others) >= 2, "the prefecture's and the bridge's cross-certificates, and perhaps a link"
    assert said[2].startswith("refused"), said[2]
    assert "revoked" in said[2].lower()


def test_java_needs_the_pairs_and_the_lists_by_directory_name(scene, java):
    try:
        with scene.server.master() as directory:
            directory.replace(TOTTORI_ENTRY, {CROSS_PAIR: ()})
        assert asked(java, scene, [scene.of_old_key])[0].startswith("refused NO_PATH")
        scene.put()
        with scene.server.master() as directory:
            directory.replace(TOTTORI_ENTRY, {CERTIFICATE_LIST: ()})  # the full lists
        said = asked(java, scene, [scene.of_old_key, scene.revoked])
        assert said[0].startswith("valid ")
        assert "revoked" in said[1].lower()
        with scene.server.master() as directory:
            directory.replace(point_of(scene, "tottori-shi"), {CERTIFICATE_LIST: ()})
        assert asked(java, scene, [scene.of_old_key])[0].startswith("refused ")
        assert scene.reason(scene.of_old_key) is Reason.CANNOT_TELL
    finally:
        scene.put()


def point_of(scene: Scene, town: str) -> str:
    """The entry of a town's point for signature certificates."""
    (name,) = (
        name for name in scene.server.content() if f"cn={town} crldp" in name and "digital signature" in name
    )
    return name


def test_we_find_them_too(scene):
    for target in (scene.of_old_key, scene.of_new_key):
        path = scene.verified(target)
        assert path.certificates[-1] == target.encoded
        assert [used.place.partition("[")[0].rpartition(" ")[2] for used in path.lists] == [
            "authorityRevocationList;binary"
        ] * (len(path.lists) - 1) + ["certificateRevocationList;binary"]
    assert scene.reason(scene.revoked) is Reason.REVOKED


def test_the_command_verifies_over_ldap(scene, tmp_path):
    for name, octets in (("holder", scene.of_old_key.encoded), ("anchor", scene.anchor)):
        (tmp_path / f"{name}.pem").write_bytes(pem.armor("CERTIFICATE", octets))
    told = done(
        run(
            "verify", tmp_path / "holder.pem", "--from", scene.server.url, "--anchor", tmp_path / "anchor.pem",
            "--policy", POLICY, "--at", f"{LATER:%Y-%m-%dT%H:%M:%SZ}", "--json",
        )
    ).json  # fmt: skip
    assert told["verdict"] == "valid"


def test_lists_of_another_key_or_town_say_nothing(scene):
    """At the holder's point there are the lists of another town, and the right one not: that is no word about it."""
    content, name = scene.server.content(), point_of(scene, "tottori-shi")
    lists = CERTIFICATE_LIST.lower()
    values, others = content[name][lists], content[point_of(scene, "kurayoshi-shi")][lists]
    try:
        with scene.server.master() as directory:
            directory.replace(name, {CERTIFICATE_LIST: sorted(others)})
        assert scene.reason(scene.of_old_key) is Reason.CANNOT_TELL
        (of_new,) = [one for one in values if scene.world.issuer("jpki-31").key_identifier in one]
        with scene.server.master() as directory:
            directory.replace(name, {CERTIFICATE_LIST: [of_new]})
        assert scene.reason(scene.of_old_key) is Reason.CANNOT_TELL
        assert scene.verified(scene.of_new_key)
    finally:
        scene.put()


LIMITS = [
    ("questions", Limits(fetches=3), "asked servers as often"),
    ("octets", Limits(octets=5_000), "as many octets|longer than"),
    ("seconds", Limits(seconds=0.0), "time"),
]


@pytest.mark.parametrize(("limits", "words"), [pytest.param(*case[1:], id=case[0]) for case in LIMITS])
def test_the_limits_end_in_no_verdict(scene, limits, words):
    with pytest.raises(PathRejected) as rejected:
        scene.verified(scene.of_old_key, limits)
    assert rejected.value.reason in {Reason.CANNOT_TELL, Reason.UNREADABLE}
    assert re.search(words, str(rejected.value))


def test_many_values_of_one_name_end_in_no_verdict_or_the_right_one(scene):
    """A directory with two hundred cross-certificates for a name whose signatures are wrong, before the right one."""
    own, good = (
        (scene.world.repository.folder / path).read_bytes()
        for path in (self_signed_path(ANCHOR), cross_path(BRIDGE_KEY, OLD))
    )
    serial = read_certificate(good, "cross").serial.to_bytes(20, "big")
    useless = [good.replace(serial, bytes([serial[0]]) + number.to_bytes(19, "big")) for number in range(200)]
    try:
        with scene.server.master() as directory:
            directory.replace(TOTTORI_ENTRY, {CA_CERTIFICATE: [own, *useless]})
        assert scene.reason(scene.of_old_key) in {None, Reason.CANNOT_TELL}
    finally:
        scene.put()


def test_a_directory_that_is_gone_says_nothing(scene, tmp_path):
    with slapd(tmp_path / "gone") as server:
        url = server.url
    with DirectoryMaterial(Server(url)) as material, pytest.raises(PathRejected) as rejected:
        verify(scene.of_old_key.encoded, material, scene.trust, LATER)
    assert rejected.value.reason is Reason.UNREADABLE
    assert "cannot be reached" in rejected.value.problem


def test_the_past_is_not_in_a_directory(scene):
    """What was revoked later than the moment asked about cannot be told from lists of now."""
    with DirectoryMaterial(Server(scene.server.url)) as material, pytest.raises(PathRejected) as rejected:
        verify(scene.of_old_key.encoded, material, scene.trust, LATER - timedelta(days=1))
    assert rejected.value.reason in {Reason.CANNOT_TELL, Reason.NOT_YET_VALID}


def test_a_withdrawn_pair_strands_java_too(scene, java):
    end(scene.world)
    publish(scene.world)
    publish_all(scene.world.issuers, scene.world.plan, scene.world.repository, at=LATER)
    scene.put()
    assert asked(java, scene, [scene.of_old_key])[0].startswith("refused")
