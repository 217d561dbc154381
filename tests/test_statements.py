"""Who may speak for a world: its repository's service, and nobody whom a peer has given a certificate of that form."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import x509

from bridge.crossing.agreement import read_agreement
from bridge.crossing.crosscert import PeerKey, certify_peer, cross_serial
from bridge.manifest import MANIFEST
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected
from bridge.relying.statements import check_statement
from bridge.repository.contents import publish_all
from ca.errors import BadInput, KakehashiError, KeyRefused
from ca.keys.signer import SoftwareSigner
from ca.model import GenerationId
from ca.profiles.extensions import KeyUsage, SubjectDirectoryName
from ca.suites import SHA256_RSA2048
from ca.wire import der
from ca.wire.cms import detached_signature
from tests.engine_world import NOW, engine_world
from tests.openssl_peer import agreement
from tests.relying_world import (
    ANCHOR,
    AT,
    BRIDGE,
    DAY,
    GPKI_POLICY,
    JPKI_POLICY,
    PREFECTURE,
    TOWN,
    Cert,
    Crl,
    Steps,
    World,
    key,
    name,
    o,
)

PEER, MEMBER = o("FOREIGN", "Root"), o("JPKI", "Another")
_PEER_KEY, _LINKED_KEY, _SIGNER_KEY = 10, 11, 12


def of_nation(certificate: Cert, japanese: Steps = (("country_name", "JP"), ("common_name", "橋"))) -> Cert:
    """With the CA's name in Japanese, as a cross-certificate within a nation has it."""
    named = x509.GeneralNames([x509.GeneralName(name="directory_name", value=name(japanese))])
    return dataclasses.replace(certificate, more=[*certificate.more, ("subject_alt_name", False, named)])


def repository(issuer: Steps, signer: int, policy: str, **changes: object) -> Cert:
    """A certificate of the form of a repository's service."""
    right = Cert(
        (*issuer, ("common_name", "Repository")), issuer, key=_SIGNER_KEY, signer=signer, serial=0x5001,
        ca=False, usage={"digital_signature"}, policies=[policy],
    )  # fmt: skip
    return dataclasses.replace(right, **changes)


@dataclasses.dataclass
class Scene:
    """A world whose bridge has the repository, and which anybody may have published."""

    world: World
    signer: Cert

    def add(self, generation: str, issuer: str, cross: Cert) -> None:
        """Another CA, with its lists; whoever publishes may call it what he likes."""
        self.world.crosses[issuer, generation] = cross
        self.world.authorities[generation] = (cross.subject, cross.key)
        self.lists(generation, cross.subject, cross.key)

    def lists(self, generation: str, issuer: Steps, signer: int) -> None:
        arl = Crl(generation, "arl", issuer, signer, point=issuer, holds="ca")
        self.world.lists[generation, "arl"] = [arl]
        self.world.lists[generation, "full"] = [Crl(generation, "full", issuer, signer)]

    def check(self, folder: Path) -> None:
        snapshot = Snapshot.read(self.world.publish(folder))
        content = (folder / MANIFEST).read_bytes()
        check_statement(content, self.signature(content), "it", snapshot, self.world.anchor.der(), AT)

    def signature(self, content: bytes) -> bytes:
        return detached_signature(
            content,
            signer_certificate=self.signer.der(),
            other_certificates=(),
            suite=SHA256_RSA2048,
            sign=SoftwareSigner("the signer", key(self.signer.key)).sign,
            at=AT,
        )


def scene() -> Scene:
    """The right one: anchor, the bridge of its nation, the bridge's repository."""
    world = World()
    world.crosses["gpki-bca.g1", "jpki-bridge.g1"] = of_nation(world.to_bridge)
    world.crosses["jpki-bridge.g1", "jpki-13.g1"] = of_nation(world.to_prefecture)
    found = Scene(world, repository(BRIDGE, 1, JPKI_POLICY))
    found.lists("jpki-bridge.g1", BRIDGE, 1)
    found.lists("gpki-bca.g1", ANCHOR, 0)
    return found


def cross(subject: Steps, issuer: Steps, signer: int, policy: str) -> Cert:
    """A cross-certificate for the peer's key, or another that an attacker has."""
    return Cert(
        subject, issuer, key=_PEER_KEY, signer=signer, serial=0x6001, policies=[policy], explicit=0, point=issuer
    )  # fmt: skip


def by_the_anchor(it: Scene) -> None:
    it.signer = repository(ANCHOR, 0, GPKI_POLICY)


def by_a_linked_key(it: Scene) -> None:
    """The bridge has a new key, which only a link certifies."""
    link = dataclasses.replace(cross(BRIDGE, BRIDGE, 1, JPKI_POLICY), key=_LINKED_KEY)
    it.add("jpki-bridge.g2", "jpki-bridge.g1", link)
    it.signer = repository(BRIDGE, _LINKED_KEY, JPKI_POLICY)


def by_a_member(it: Scene) -> None:
    """Another CA that the anchor calls one of its nation."""
    it.add("jpki-99.g1", "gpki-bca.g1", of_nation(cross(MEMBER, ANCHOR, 0, GPKI_POLICY)))
    it.signer = repository(MEMBER, _PEER_KEY, GPKI_POLICY)


@pytest.mark.parametrize("change", [lambda _: None, by_the_anchor, by_a_linked_key, by_a_member])
def test_the_repository_of_the_nation_speaks(change: Callable[[Scene], None], tmp_path: Path) -> None:
    it = scene()
    change(it)
    it.check(tmp_path)


def peer_of_the_anchor(it: Scene) -> None:
    it.add("jpki-99.g1", "gpki-bca.g1", cross(PEER, ANCHOR, 0, GPKI_POLICY))
    it.signer = repository(PEER, _PEER_KEY, GPKI_POLICY)


def peer_of_the_bridge(it: Scene) -> None:
    it.add("jpki-99.g1", "jpki-bridge.g1", cross(PEER, BRIDGE, 1, JPKI_POLICY))
    it.signer = repository(PEER, _PEER_KEY, JPKI_POLICY)


def peer_of_the_bridge_that_names_itself(it: Scene) -> None:
    """By the form of a cross-certificate within a nation; but the bridge is not the anchor."""
    it.add("jpki-99.g1", "jpki-bridge.g1", of_nation(cross(PEER, BRIDGE, 1, JPKI_POLICY)))
    it.signer = repository(PEER, _PEER_KEY, JPKI_POLICY)


def peer_with_a_bridge_of_that_name(it: Scene) -> None:
    """The peer certifies a CA that has the bridge's name and the form of a member; under a name of the anchor's too."""
    it.add("jpki-98.g1", "gpki-bca.g1", cross(PEER, ANCHOR, 0, GPKI_POLICY))
    forged = of_nation(dataclasses.replace(cross(BRIDGE, PEER, _PEER_KEY, GPKI_POLICY), key=_LINKED_KEY))
    it.add("jpki-bridge.g2", "jpki-98.g1", forged)
    it.signer = repository(BRIDGE, _LINKED_KEY, GPKI_POLICY)


def peer_with_an_anchor_of_that_name(it: Scene) -> None:
    """The peer certifies a CA of the anchor's name, and that one a member."""
    it.add("jpki-98.g1", "gpki-bca.g1", cross(PEER, ANCHOR, 0, GPKI_POLICY))
    second = dataclasses.replace(cross(ANCHOR, PEER, _PEER_KEY, GPKI_POLICY), key=_LINKED_KEY)
    it.add("gpki-bca.g2", "jpki-98.g1", second)
    member = of_nation(dataclasses.replace(cross(BRIDGE, ANCHOR, _LINKED_KEY, GPKI_POLICY), key=13))
    it.add("jpki-bridge.g2", "gpki-bca.g2", member)
    it.signer = repository(BRIDGE, 13, GPKI_POLICY)


def prefecture(it: Scene) -> None:
    """A CA of the nation, but none that the anchor itself has certified."""
    it.signer = repository(PREFECTURE, 2, JPKI_POLICY)


HOSTILE = [
    peer_of_the_anchor,
    peer_of_the_bridge,
    peer_of_the_bridge_that_names_itself,
    peer_with_a_bridge_of_that_name,
    peer_with_an_anchor_of_that_name,
    prefecture,
]


@pytest.mark.parametrize("change", HOSTILE)
def test_no_other_ca_can_give_a_voice(change: Callable[[Scene], None], tmp_path: Path) -> None:
    it = scene()
    change(it)
    with pytest.raises(PathRejected, match="not the anchor's word for an authority of its nation") as caught:
        it.check(tmp_path)
    assert "/cross/" in caught.value.place


FORMS = {
    "a holder's": {"usage": {"digital_signature", "non_repudiation"}},
    "another service's": {"purposes": ["ocsp_signing"]},
    "a holder's of a town": {"point": TOWN},
    "a CA's": {"ca": True},
    "expired": {"not_after": AT - DAY},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_other_certificate_of_the_bridges_speaks(form: dict[str, object], tmp_path: Path) -> None:
    it = scene()
    it.signer = dataclasses.replace(it.signer, **form)
    with pytest.raises(KakehashiError, match="not a repository's" if "not_after" not in form else "expired"):
        it.check(tmp_path)


def test_a_repository_that_was_revoked_is_silent(tmp_path: Path) -> None:
    it = scene()
    it.world.lists["jpki-bridge.g1", "full"][0].revoked = {it.signer.serial: (AT - DAY, None)}
    with pytest.raises(PathRejected, match="revoked since"):
        it.check(tmp_path)


def test_it_speaks_of_what_it_signed_alone(tmp_path: Path) -> None:
    it = scene()
    snapshot = Snapshot.read(it.world.publish(tmp_path))
    anchor = it.world.anchor.der()
    signature = it.signature(b"this")
    check_statement(b"this", signature, "it", snapshot, anchor, AT)
    with pytest.raises(BadInput, match="other content"):
        check_statement(b"that", signature, "it", snapshot, anchor, AT)
    it.signer = dataclasses.replace(it.signer, key=13)  # another key than the certificate's, under its name
    forged = it.signature(b"this").replace(it.signer.der(), scene().signer.der())
    with pytest.raises((BadInput, KeyRefused)):
        check_statement(b"this", forged, "it", snapshot, anchor, AT)


def test_the_anchors_word_is_in_every_certificate_within_a_nation_and_in_none_for_a_peer(
    tmp_path: Path,
) -> None:
    """What tells them apart is what our own authorities issue."""
    oid = SubjectDirectoryName.oid
    with engine_world(tmp_path) as world:
        publish_all(world.issuers, world.plan, world.repository, at=NOW)
        snapshot = Snapshot.read(world.repository.folder)
        within = [
            snapshot.certificate(one.certificate)
            for one in snapshot.manifest.cross
            if one.issuer.partition(".")[0] != one.subject.partition(".")[0]
        ]
        assert len(within) > 5
        assert all(one.has(oid) for one in within)
        text = agreement(["ab" * 32])
        agreed = read_agreement(text, "a.toml", world.plan)
        issuer, theirs = world.issuers.issuing(world.plan.anchor), GenerationId.parse("foreign.g1")
        made = certify_peer(
            issuer,
            PeerKey(theirs, agreed.name, world.issuers.issuing(world.plan.repository).record.public_key),
            agreed,
            serial=cross_serial(issuer.id, theirs, world.chance),
            at=NOW,
        )
        assert der.oid(oid) not in made.record.encoded
        assert der.oid(KeyUsage.oid) in made.record.encoded, "so do identifiers stand there"
