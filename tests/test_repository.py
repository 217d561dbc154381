"""What a world puts into its repository: renewed and withdrawn pairs, links, files of certificates, and in which order."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from asn1crypto import core, pem, x509
from hypothesis import given
from hypothesis import strategies as st

from bridge.crossing.renewal import Renewing
from bridge.crossing.withdrawal import withdraw
from bridge.directory.attributes import CA_CERTIFICATE, CROSS_PAIR
from bridge.manifest import MANIFEST, MANIFEST_SIGNATURE, PEER
from bridge.relying.finding.carried import Carried
from bridge.relying.finding.material import Material
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.statements import check_statement
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from bridge.repository.contents import publish_all, publish_certificates, publish_lists, publish_manifest
from bridge.repository.entries import read_entries
from bridge.repository.folder import Repository
from bridge.repository.layout import (
    cross_path,
    issued_by_path,
    issued_to_path,
    list_path,
    pair_path,
    self_signed_path,
    service_path,
)
from bridge.repository.ldif import ldif
from bridge.repository.signing import sign_statement
from ca.errors import BadInput, KeyRefused
from ca.issuing.cycle import IssuedCertificate
from ca.issuing.succession import Succession
from ca.journal.crossing import PeerKeyEntry, ReceivedEndEntry
from ca.model import (
    ARL,
    AuthorityId,
    CertificateKind,
    GenerationId,
    Period,
    RevocationReason,
    Serial,
    partition_scope,
)
from ca.revoking.lists.publication import publish_changes
from ca.store import authorities, peers
from ca.wire.cms import certs_only
from ca.wire.cms_facts import CERTS_ONLY_LIMIT, read_certs_only
from ca.wire.facts import read_certificate
from ca.wire.list_facts import read_list
from ca.wire.pairs import certificate_pair, read_pair
from tests.engine_world import NOW, TOWN, EngineWorld, engine_world
from tests.relying_world import Cert, World, o

LATER = NOW + timedelta(days=20)
TOTTORI, BRIDGE = AuthorityId("jpki-31"), AuthorityId("jpki-bridge")
OLD, NEW = GenerationId(TOTTORI, 1), GenerationId(TOTTORI, 2)
BRIDGE_KEY, ANCHOR = GenerationId(BRIDGE, 1), GenerationId.parse("gpki-bca.g1")
SIGNATURE = CertificateKind.SIGNATURE
OFFICERS = ("operator", "operator-2")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        publish_all(made.issuers, made.plan, made.repository, at=LATER)
        yield made


def holder(world: EngineWorld) -> IssuedCertificate:
    return world.issued(kinds=(SIGNATURE,), at=LATER)[SIGNATURE]


def succeed(world: EngineWorld) -> None:
    Succession(world.issuers, world.plan.municipalities, world.chance).succeed(NEW, at=LATER)


def renew(world: EngineWorld, name: str = "plan") -> None:
    renewing = Renewing(world.issuers, world.plan, world.chance)
    order = renewing.order(name, renewing.propose(name, lambda _: True, LATER), *OFFICERS, at=LATER)
    assert not [done for done in renewing.run(order, at=LATER) if done.failure]


def end(world: EngineWorld) -> None:
    """End the pair of the bridge and Tottori."""
    withdraw(
        world.stores, world.plan, BRIDGE, TOTTORI, RevocationReason.CESSATION_OF_OPERATION, OFFICERS, at=LATER
    )


def publish(world: EngineWorld, repository: Repository | None = None) -> int:
    publish_changes(world.issuers, repository or world.repository, at=LATER)
    return publish_all(world.issuers, world.plan, repository or world.repository, at=LATER)


def content(world: EngineWorld, path: str) -> bytes:
    return (world.repository.folder / path).read_bytes()


def serials(world: EngineWorld, issuer: GenerationId, subject: GenerationId) -> list[Serial]:
    with world.store.reading() as connection:
        return [
            made.serial
            for other, made in authorities.crosses(connection)
            if (made.generation, other) == (issuer, subject)
        ]


def in_p7c(octets: bytes, folder: Path) -> set[bytes]:
    """The certificates of a certs-only file as OpenSSL reads it."""
    (folder / "some.p7c").write_bytes(octets)
    said = subprocess.run(
        ["openssl", "pkcs7", "-inform", "DER", "-in", folder / "some.p7c", "-print_certs"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    if b"BEGIN" not in said:
        return set()
    return {der for _, _, der in pem.unarmor(said, multiple=True)}


# What is there.


def test_each_of_two_keys_has_the_newest_and_every_one_for_ever(world):
    (first,) = serials(world, BRIDGE_KEY, OLD)
    old = content(world, cross_path(BRIDGE_KEY, OLD))
    assert content(world, cross_path(BRIDGE_KEY, OLD, first)) == old
    renew(world)
    assert publish(world) > 0
    assert publish(world) == 0
    _, second = serials(world, BRIDGE_KEY, OLD)
    new = content(world, cross_path(BRIDGE_KEY, OLD))
    assert new != old
    assert content(world, cross_path(BRIDGE_KEY, OLD, first)) == old
    assert content(world, cross_path(BRIDGE_KEY, OLD, second)) == new
    assert read_certificate(new, "new").serial == second.value
    manifest = Snapshot.read(world.repository.folder).manifest
    named = [
        one.certificate
        for one in manifest.cross
        if (one.issuer, one.subject) == ("jpki-bridge.g1", "jpki-31.g1")
    ]
    assert named == [cross_path(BRIDGE_KEY, OLD, serial) for serial in (first, second)]
    to_this, by_this = read_pair(content(world, pair_path(OLD, BRIDGE_KEY)), "pair")
    assert (to_this, by_this) == (new, content(world, cross_path(OLD, BRIDGE_KEY)))
    assert read_pair(content(world, pair_path(BRIDGE_KEY, OLD)), "pair") == (by_this, to_this)


def test_files_of_certificates_hold_what_is_in_force(world, tmp_path):
    succeed(world)
    renew(world)
    publish(world)

    def cross(issuer: GenerationId, subject: GenerationId) -> bytes:
        return content(world, cross_path(issuer, subject))

    own = content(world, self_signed_path(NEW))
    to_it = in_p7c(content(world, issued_to_path(NEW)), tmp_path)
    assert to_it == {own, cross(BRIDGE_KEY, NEW), cross(OLD, NEW)}, "its own, a cross-certificate, a link"
    assert in_p7c(content(world, issued_by_path(NEW)), tmp_path) == {cross(NEW, OLD), cross(NEW, BRIDGE_KEY)}
    assert not (world.repository.folder / pair_path(OLD, NEW)).exists(), "links are no pairs"
    manifest = Snapshot.read(world.repository.folder).manifest
    assert ("jpki-31.g1", "jpki-31.g2") in {(one.issuer, one.subject) for one in manifest.cross}


def test_what_is_withdrawn_stays_under_its_serial_alone(world, tmp_path):
    serial = serials(world, BRIDGE_KEY, OLD)[0]
    before = Snapshot.read(world.repository.folder).manifest
    end(world)
    publish(world)
    there = world.repository.folder
    assert (there / cross_path(BRIDGE_KEY, OLD, serial)).exists()
    for gone in (
        cross_path(BRIDGE_KEY, OLD),
        cross_path(OLD, BRIDGE_KEY),
        pair_path(OLD, BRIDGE_KEY),
        pair_path(BRIDGE_KEY, OLD),
    ):
        assert not (there / gone).exists()
    assert Snapshot.read(there).manifest.cross == before.cross, "the past is verified with it"
    assert in_p7c(content(world, issued_to_path(OLD)), tmp_path) == {content(world, self_signed_path(OLD))}
    assert in_p7c(content(world, issued_by_path(OLD)), tmp_path) == set()
    assert len(in_p7c(content(world, issued_by_path(BRIDGE_KEY)), tmp_path)) == 1, "the anchor's"


def test_half_a_pair_is_a_pair(world):
    withdraw(
        world.stores, world.plan, BRIDGE, TOTTORI, RevocationReason.CESSATION_OF_OPERATION, OFFICERS,
        at=LATER, issued_by=TOTTORI,
    )  # fmt: skip
    publish(world)
    kept = content(world, cross_path(BRIDGE_KEY, OLD))
    assert read_pair(content(world, pair_path(OLD, BRIDGE_KEY)), "pair") == (kept, None)
    assert read_pair(content(world, pair_path(BRIDGE_KEY, OLD)), "pair") == (None, kept)
    assert not (world.repository.folder / cross_path(OLD, BRIDGE_KEY)).exists()


FOREIGN = GenerationId.parse("foreign.g1")


def add_peer(world: EngineWorld, *, gave: bool) -> tuple[bytes, bytes]:
    """A peer that has certified the bridge: its own certificate, which it may give, and its word for the bridge."""
    name = o("FOREIGN", "Root")
    own = Cert(name, name, key=20, signer=20, serial=1, self_signed=True).der()
    for_us = replace(World().crosses["gpki-bca.g1", "jpki-bridge.g1"], issuer=name, signer=20).der()
    facts = read_certificate(own, "own")
    with world.stores.nation.writing() as connection:
        peers.add(
            connection,
            PeerKeyEntry(str(FOREIGN), facts.subject.der, facts.public_key, LATER, own if gave else None),
        )
        peers.add_received(
            connection,
            peers.Received(
                FOREIGN, BRIDGE_KEY, Serial(0x1001), Period(LATER, LATER + timedelta(days=9)), 1, for_us
            ),
        )
    return own, for_us


def end_peer(world: EngineWorld) -> None:
    """End the pair of the bridge and the peer."""
    with world.stores.nation.writing() as connection:
        serial = Serial(0x1001).octets.hex()
        peers.end_received(
            connection, ReceivedEndEntry(str(FOREIGN), str(BRIDGE_KEY), serial, OFFICERS[0], LATER)
        )


@pytest.mark.parametrize("gave", [True, False], ids=["with its own certificate", "without"])
def test_a_peer_has_its_place(world, gave):
    """It is none of ours: what it gave is there, and nothing that it would have to say itself."""
    own, for_us = add_peer(world, gave=gave)
    facts = read_certificate(own, "own")
    publish(world)
    manifest = Snapshot.read(world.repository.folder).manifest
    (entry,) = (one for one in manifest.authorities if one.role == PEER)
    assert (entry.generation, entry.name, entry.responder) == (str(FOREIGN), facts.subject.der, None)
    assert entry.key_identifier == facts.subject_key.hex()
    assert entry.certificate == (self_signed_path(FOREIGN) if gave else None)
    path = cross_path(FOREIGN, BRIDGE_KEY, Serial(0x1001))
    assert path in {one.certificate for one in manifest.cross}
    assert content(world, path) == content(world, cross_path(FOREIGN, BRIDGE_KEY)) == for_us
    assert read_pair(content(world, pair_path(BRIDGE_KEY, FOREIGN)), "pair") == (for_us, None)
    assert for_us in read_certs_only(content(world, issued_to_path(BRIDGE_KEY)), "p7c")
    entries = {one.name: one for one in read_entries(world.repository.folder)}
    there = entries["OU=Root,O=FOREIGN-TEST,C=JP"]
    assert not there.ours, "what else it has in a directory, it has put there itself"
    assert set(there.files[CROSS_PAIR]) == {pair_path(FOREIGN, BRIDGE_KEY)}
    assert (CA_CERTIFICATE in there.files) == gave


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _, path: path.unlink(),
        lambda _, path: path.write_bytes(b"nothing"),
        lambda _, path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
        lambda world, path: path.write_bytes(sign_statement(world.issuers, world.plan, b"other", at=LATER)),
    ],
    ids=["lost", "none", "wrong", "over other content"],
)
def test_a_manifest_whose_signature_does_not_fit_is_signed_again(world, spoil):
    spoil(world, world.repository.folder / MANIFEST_SIGNATURE)
    assert publish_manifest(world.issuers, world.plan, world.repository, at=LATER) == 1
    snapshot = Snapshot.read(world.repository.folder)
    anchor = content(world, self_signed_path(ANCHOR))
    signature = content(world, MANIFEST_SIGNATURE)
    assert check_statement(content(world, MANIFEST), signature, "manifest", snapshot, anchor, LATER)
    assert publish_manifest(world.issuers, world.plan, world.repository, at=LATER) == 0


LOST = [self_signed_path(OLD), service_path(OLD, CertificateKind.OCSP_RESPONDER)]
LOST_LISTS = [list_path(OLD, ARL), list_path(OLD, partition_scope(SIGNATURE, TOWN))]


@pytest.mark.parametrize("path", LOST)
def test_what_is_not_there_is_not_named(world, path):
    before = content(world, MANIFEST)
    (world.repository.folder / path).unlink()
    assert read_entries(world.repository.folder), "of the manifest that names it still"
    assert "".join(ldif(read_entries(world.repository.folder), world.repository.folder))
    publish_manifest(world.issuers, world.plan, world.repository, at=LATER)
    manifest = Snapshot.read(world.repository.folder).manifest
    named = [one.url for one in manifest.lists] + [one.certificate for one in manifest.cross]
    named += [one for entry in manifest.authorities for one in (entry.certificate, entry.responder) if one]
    assert path not in named
    assert all(world.repository.has(one) for one in named)
    assert "".join(ldif(read_entries(world.repository.folder), world.repository.folder))
    publish(world)
    assert content(world, MANIFEST) == before


@pytest.mark.parametrize("path", LOST_LISTS)
def test_a_list_that_is_lost_is_placed_anew_before_a_manifest_is_made(world, path):
    before = content(world, MANIFEST)
    old = read_list(content(world, path), path)
    (world.repository.folder / path).unlink()
    assert publish_manifest(world.issuers, world.plan, world.repository, at=LATER) == 0
    assert content(world, MANIFEST) == before
    assert path in {one.url for one in Snapshot.read(world.repository.folder).manifest.lists}
    assert read_list(content(world, path), path).number > old.number


@pytest.mark.parametrize("path", LOST_LISTS)
def test_no_manifest_is_made_without_a_list_that_cannot_be_made(world, path):
    before = content(world, MANIFEST)
    (world.repository.folder / path).unlink()

    class Mute:
        def sign_digest(self, *_: object) -> bytes:
            raise KeyRefused("key jpki-31.g1", "the token does not answer")

    world.interpose(OLD, lambda _: Mute())
    end(world)
    with pytest.raises(KeyRefused):
        publish_manifest(world.issuers, world.plan, world.repository, at=LATER)
    assert content(world, MANIFEST) == before


def test_the_anchor_is_one_that_is_there_whole(world):
    new = GenerationId(ANCHOR.authority, 2)
    Succession(world.issuers, world.plan.municipalities, world.chance).succeed(new, at=LATER)

    def anchor() -> str:
        publish_manifest(world.issuers, world.plan, world.repository, at=LATER)
        return Snapshot.read(world.repository.folder).manifest.anchor

    assert anchor() == str(ANCHOR), "of the new one nothing is there"
    publish_certificates(world.stores, world.repository)
    assert anchor() == str(ANCHOR), "it has no lists"
    publish_lists(world.issuers, new, world.repository, at=LATER)
    assert anchor() == str(new)


# One at a time.


@dataclass(frozen=True)
class Waiting(Repository):
    """A repository in which another publishes before we may."""

    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with super().exclusive():
            while self.meanwhile:
                self.meanwhile.pop()()
            yield


def test_who_waits_for_another_publishes_what_is_true_then(world):
    waiting = Waiting(world.repository.folder)
    waiting.meanwhile.append(lambda: end(world))
    assert publish_certificates(world.stores, waiting) > 0
    assert not waiting.has(pair_path(OLD, BRIDGE_KEY))
    waiting.meanwhile.append(lambda: add_peer(world, gave=False))
    publish_manifest(world.issuers, world.plan, waiting, at=LATER)
    assert PEER in {one.role for one in Snapshot.read(waiting.folder).manifest.authorities}


@dataclass(frozen=True)
class Guarding(Repository):
    """A repository that is written to by none but who has its lock."""

    def _write(self, path: str, octets: bytes) -> Path:
        with (self.folder.parent / "publishing.lock").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return super()._write(path, octets)


def test_whoever_writes_has_the_lock(world, tmp_path):
    repository = Guarding(tmp_path / "another" / "repository")
    lists_alone = shutil.ignore_patterns("*.cer", "*.ccp", "*.p7*", "*.json")
    shutil.copytree(world.repository.folder, repository.folder, ignore=lists_alone)
    assert publish_all(world.issuers, world.plan, repository, at=LATER) > 20


# In which order.


@dataclass(frozen=True)
class Stopping(Repository):
    """A repository whose publisher dies after one more step."""

    left: list[int] = field(default_factory=lambda: [1])

    def _step(self) -> None:
        if self.left[0] == 0:
            raise Stopped
        self.left[0] -= 1

    def _write(self, path: str, octets: bytes) -> Path:
        self._step()
        return super()._write(path, octets)

    def place_lists(self, *args: Any) -> None:
        self._step()
        super().place_lists(*args)

    def withdraw(self, paths: Sequence[str]) -> int:
        return sum(self._withdrawn(path) for path in paths)

    def _withdrawn(self, path: str) -> int:
        if self.has(path):
            self._step()
        return super().withdraw([path])


class Stopped(Exception):
    pass


def step_by_step(world: EngineWorld) -> Iterator[int]:
    """Publish; whoever does dies after each step, and another goes on."""
    for step in range(1000):
        stopping = Stopping(world.repository.folder)
        try:
            publish_all(world.issuers, world.plan, stopping, at=LATER)
        except Stopped:
            yield step
        else:
            assert step > 5
            return
    raise AssertionError("there is no end")


def newest_lists(folder: Path) -> list[bytes]:
    """The authority lists, and those of the holders' town."""
    scopes = (ARL, partition_scope(SIGNATURE, TOWN))
    return [path.read_bytes() for scope in scopes for path in folder.glob(f"g/*/crl/{scope}.crl")]


def by_manifest(world: EngineWorld) -> Material:
    return Snapshot.read(world.repository.folder)


def by_files(world: EngineWorld) -> Material:
    """What a client has that follows caIssuers, and fetches the newest lists."""
    folder = world.repository.folder
    some = [
        one for path in folder.glob("g/*/issued-to.p7c") for one in read_certs_only(path.read_bytes(), "p7c")
    ]
    return Carried(certificates=some, lists=newest_lists(folder))


def by_pairs(world: EngineWorld) -> Material:
    folder = world.repository.folder
    pairs = [read_pair(path.read_bytes(), "pair")[0] for path in folder.glob("g/*/pairs/*.ccp")]
    links = [
        content(world, path)
        for one, other in ((OLD, NEW), (NEW, OLD))
        if world.repository.has(path := cross_path(one, other))
    ]
    return Carried(certificates=[*filter(None, pairs), *links], lists=newest_lists(folder))


READERS = {"manifest": by_manifest, "files": by_files, "pairs": by_pairs}


def verdicts(world: EngineWorld, of: IssuedCertificate) -> dict[str, Reason | None]:
    trust = Trust(
        (content(world, self_signed_path(ANCHOR)),),
        frozenset(world.plan.trusted_policies),
        world.plan.marking,
    )
    found: dict[str, Reason | None] = {}
    for name, reader in READERS.items():
        try:
            verify(of.encoded, reader(world), trust, LATER)
            found[name] = None
        except PathRejected as rejected:
            found[name] = rejected.reason
    return found


def test_a_new_key_leads_nobody_to_a_list_that_is_not_there(world):
    """Step by step: the old key's holders stay valid, the new key's are unknown, then valid, and nothing else between."""
    before = holder(world)
    succeed(world)
    renew(world)
    after = holder(world)
    seen: list[dict[str, Reason | None]] = []
    for step in step_by_step(world):
        assert verdicts(world, before) == dict.fromkeys(READERS), step
        seen.append(verdicts(world, after))
    assert {reason for said in seen for reason in said.values()} == {Reason.NO_PATH, None}
    for name in READERS:
        reasons = [said[name] for said in seen]
        assert reasons == sorted(reasons, key=lambda reason: reason is None), "never back"
    assert verdicts(world, after) == dict.fromkeys(READERS)


def test_what_is_withdrawn_is_first_on_the_list(world):
    """Step by step: valid, then revoked; and a path is gone only when it was revoked."""
    of = holder(world)
    end(world)
    order = (None, Reason.REVOKED, Reason.NO_PATH)
    seen = [verdicts(world, of)]
    publish_changes(world.issuers, world.repository, at=LATER)
    seen += [verdicts(world, of), *(verdicts(world, of) for _ in step_by_step(world)), verdicts(world, of)]
    for name in READERS:
        reasons = [said[name] for said in seen]
        assert reasons == sorted(reasons, key=order.index), name
        assert reasons[0] is None
        assert Reason.REVOKED in reasons
    assert seen[-1] == {"manifest": Reason.REVOKED, "files": Reason.NO_PATH, "pairs": Reason.NO_PATH}


def test_a_list_that_is_lost_takes_no_certificate_away(world):
    before = {path: path.read_bytes() for path in world.repository.folder.rglob("*.*") if path.is_file()}
    lost = world.repository.folder / list_path(OLD, ARL)
    lost.unlink()
    assert publish_certificates(world.stores, world.repository) == 0
    lost.write_bytes(before[lost])
    assert {path: path.read_bytes() for path in before} == before


# Files of certificates, and pairs.


@given(st.lists(st.integers(0, 5), max_size=6))
def test_a_file_of_certificates_holds_each_once_in_order(numbers):
    made = [CERTIFICATES[number] for number in numbers]
    octets = certs_only(made)
    assert read_certs_only(octets, "p7c") == tuple(sorted(set(made)))
    assert certs_only(reversed(made)) == octets


CERTIFICATES = [World().holder.der(), World().anchor.der(), *(one.der() for one in World().crosses.values())]
CERTIFICATES += [World().holder.der()[:-1] + bytes([number]) for number in (1, 2)]


def test_openssl_makes_such_files_too(tmp_path):
    (tmp_path / "some.pem").write_bytes(b"".join(pem.armor("CERTIFICATE", der) for der in CERTIFICATES[:3]))
    subprocess.run(
        ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "some.pem", "-outform", "DER", "-out", "some.p7c"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    assert set(read_certs_only((tmp_path / "some.p7c").read_bytes(), "p7c")) == set(CERTIFICATES[:3])


HOSTILE: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("empty", lambda _: b"", "octets"),
    ("not DER", lambda _: b"x" * 30, "DER"),
    ("cut", lambda octets: octets[:-1], "DER"),
    ("more behind", lambda octets: octets + b"\0", "DER"),
    ("a certificate", lambda _: CERTIFICATES[0], "DER"),
    ("too long", lambda _: b"\x30" * (CERTS_ONLY_LIMIT + 1), "octets"),
    ("too many", lambda _: certs_only([CERTIFICATES[0][:-3] + number.to_bytes(3, "big") for number in range(1025)]), "1024"),
    ("nested without end", lambda _: b"\x30\x80" * 1000, "DER"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), [pytest.param(*case[1:], id=case[0]) for case in HOSTILE])
def test_what_is_no_such_file_is_refused(change, words):
    with pytest.raises(BadInput, match=words) as refused:
        read_certs_only(change(certs_only(CERTIFICATES)), "some.p7c")
    assert refused.value.place == "some.p7c"


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_readers_refuse_or_read_and_never_fall(noise, where):
    for octets in (
        certs_only(CERTIFICATES[:2]),
        certificate_pair(issued_to_this=CERTIFICATES[0], issued_by_this=None),
    ):
        at = where % len(octets)
        for hostile in (noise, octets[:at] + noise, octets[:at] + noise + octets[at + 1 :]):
            for read in (read_certs_only, read_pair):
                with suppress(BadInput):
                    assert read(hostile, "noise") is not None


PAIRS = [
    ("nothing in it", bytes.fromhex("3000"), "nothing"),
    ("halves in the wrong order", bytes.fromhex("3008a1023000a0023000"), "DER"),
    ("a half twice", bytes.fromhex("3008a0023000a0023000"), "DER"),
    ("a third half", bytes.fromhex("3004a2023000"), "DER"),
    ("two certificates in a half", bytes.fromhex("3006a00430003000"), "DER"),
    ("no certificate in a half", bytes.fromhex("3004a0020500"), "DER"),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "words"), [pytest.param(*case[1:], id=case[0]) for case in PAIRS])
def test_what_is_no_pair_is_refused(octets, words):
    with pytest.raises(BadInput, match=words):
        read_pair(octets, "pair")


def test_a_pair_is_what_asn1crypto_reads():
    class Pair(core.Sequence):
        _fields: ClassVar[Any] = [
            ("to", x509.Certificate, {"explicit": 0, "optional": True}),
            ("by", x509.Certificate, {"explicit": 1, "optional": True}),
        ]

    one, other = CERTIFICATES[:2]
    read = Pair.load(certificate_pair(issued_to_this=one, issued_by_this=other), strict=True)
    assert (read["to"].untag().dump(), read["by"].untag().dump()) == (one, other)
