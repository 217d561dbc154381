"""A nation whose certificates say where the rest lies: issuers' certificates, what a CA has issued, status.

It is served as people serve it. Then OpenSSL shows the URLs, and Java's path builder and our verifier find the whole
path with nothing but the holder's certificate and the anchor's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from asn1crypto import pem, x509
from sqlalchemy import select

from bridge.crossing.desk import CrossingDesk
from bridge.crossing.handed_in import Handed, certificate_der
from bridge.relying.finding import online
from bridge.relying.finding.online import Addresses, Online
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from bridge.repository.contents import publish_all
from bridge.repository.layout import issued_by_path, issued_to_path, self_signed_path
from ca.errors import LintRefused
from ca.issuing.relint import check_intent
from ca.issuing.succession import Succession
from ca.model import (
    CA_KINDS,
    RESIDENT_KINDS,
    RESPONDER_KINDS,
    CertificateId,
    CertificateKind,
    GenerationId,
    Serial,
)
from ca.profiles.extensions import AuthorityAccess, CertificateExtension, SubjectAccess
from ca.store import certificates
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.tables import certificates as table
from ca.wire import der
from ca.wire.cms_facts import read_certs_only
from ca.wire.extensions import encode_extension
from ca.wire.facts import read_certificate
from front.assembly import World, open_world
from front.demo.openssl import run as openssl
from front.demo.openssl import write_certificate
from front.demo.served import free_port
from tests import commands, served_world
from tests.engine_world import URL, EngineWorld, engine_world
from tests.java_judge import JavaJudge, Question
from tests.openssl_peer import CROSS, NOW, OpensslPeer, agreement
from tests.served_world import TOTTORI, Home, Served, filing, new_person, new_request
from tests.small_edition import POST, SEED
from tests.test_cycle import tbs_of
from tests.test_profiles import KNOWN, findings
from tests.test_relint import parts

ACCESS = "\n[certificates]\ninformation_access = true\n"
NEW = GenerationId.parse("jpki-31.g2")
AIA, SIA = AuthorityAccess.oid, SubjectAccess.oid


@dataclass(frozen=True)
class Nation:
    """A served nation with information access; Tottori has got a second key.

    Attributes:
        holders: Certificates of holders, by the kind and the key that issued them.
        records: All certificates of the nation.
    """

    folder: Path
    url: str
    holders: Mapping[tuple[str, str], bytes]
    records: tuple[CertificateRecord, ...]
    trust: Trust
    home: Home

    @property
    def anchor(self) -> bytes:
        return self.trust.anchors[0]


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nation]:
    folder, port = tmp_path_factory.mktemp("access"), free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "edition.toml").write_text(served_world.edition() + ACCESS, encoding="utf-8")
    making = ("--edition", folder / "edition.toml", "--test-keys", "--seed", SEED, "--url", url)
    commands.done(commands.run("init", *making, "--home", folder / "home"))
    home = served_world._running(folder / "home", served_world.staff(folder / "home"))
    with opened(home) as world:
        Succession(world.issuers, world.plan.municipalities, world.chance).succeed(NEW, at=world.clock())
        publish_all(world.issuers, world.plan, world.repository, at=world.clock())
    with served_world.served(home, port=port) as server:
        made = [
            *issued(server, filing(), "sato", "suzuki"),
            *issued(server, filing(new_person(municipality=TOTTORI)), "kato", "hashi"),
            *issued(server, {"post": POST, "csrs": {"official-post": new_request()}}, "mori", "kimura"),
        ]
        holders = {
            (one["kind"], one["certificate"].partition(":")[0]): pem.unarmor(one["pem"].encode())[2]
            for one in made
        }
        with opened(home) as world:
            anchor = home.folder / "repository" / self_signed_path(GenerationId(world.plan.anchor, 1))
            policies = frozenset(world.plan.trusted_policies)
            trust = Trust((anchor.read_bytes(),), policies, world.plan.marking)
            records = tuple(everything(world))
        yield Nation(folder, url, holders, records, trust, home)


def opened(home: Home) -> AbstractContextManager[World]:
    return open_world(home.folder, lambda: "")


def issued(
    server: Served, application: dict[str, Any], reception: str, examiner: str
) -> list[dict[str, str]]:
    case = server.post("/api/cases", application, key=reception).json["case"]
    for step, officer in (("examination", examiner), ("approval", "tanaka"), ("issuance", "ito")):
        answer = server.post(f"/api/cases/{case}/{step}", key=officer)
        assert answer.status == 200, answer
    return list(answer.json["certificates"])


def everything(world: World) -> Iterator[CertificateRecord]:
    """Every certificate that the store knows."""
    with world.stores.nation.reading() as connection:
        for row in connection.execute(select(table.c.generation, table.c.serial)):
            name = CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial))
            yield certificates.find(connection, name)


# What the certificates say.


def places(text: str) -> list[tuple[str, str]]:
    """What OpenSSL's text shows of both extensions, in its order."""
    return re.findall(r"^ +(OCSP|CA Issuers|CA Repository) - URI:(\S+)$", text, re.MULTILINE)


def test_openssl_shows_the_places_of_every_certificate(nation: Nation, tmp_path: Path) -> None:
    subjects = {}
    for record in nation.records:
        if record.kind is CertificateKind.SELF_SIGNED:
            subjects[record.subject_key] = record.id.generation
    seen = set()
    for record in nation.records:
        issuer = record.id.generation
        wanted = []
        if record.kind not in RESPONDER_KINDS | {CertificateKind.SELF_SIGNED}:
            wanted.append(("OCSP", f"{nation.url}/ocsp/{issuer}"))
        if record.kind is not CertificateKind.SELF_SIGNED:
            wanted.append(("CA Issuers", f"{nation.url}/{issued_to_path(issuer)}"))
        if record.kind in CA_KINDS:
            of_it = issued_by_path(subjects[record.subject_key])
            wanted.append(("CA Repository", f"{nation.url}/{of_it}"))
        file = write_certificate(tmp_path / "one.pem", record.encoded)
        assert places(openssl("x509", "-in", file, "-noout", "-text").stdout) == wanted, record.id
        access = [one for one in read_certificate(record.encoded, "one").extensions if one.oid in {AIA, SIA}]
        assert not any(one.critical for one in access)
        seen.add(record.kind)
    assert seen == {*CA_KINDS, *RESIDENT_KINDS, "ocsp-responder", "repository", "official-post"}


def test_every_place_is_there_as_its_media_type_says(nation: Nation) -> None:
    """RFC 5280 4.2.2.1: a certs-only message, for a server to call application/pkcs7-mime."""
    urls = {
        url
        for record in nation.records
        for method, url in named(record.encoded)
        if method in {"ca_issuers", "ca_repository"}
    }
    generations = {record.id.generation for record in nation.records}
    assert urls == {
        f"{nation.url}/{path(one)}" for one in generations for path in (issued_to_path, issued_by_path)
    }
    for url in urls:
        with urlopen(url) as answer:  # noqa: S310 - http alone: what begins with the world's URL
            assert answer.headers["Content-Type"] == "application/pkcs7-mime"
            assert read_certs_only(answer.read(), url)


def named(encoded: bytes) -> Iterator[tuple[str, str]]:
    for one in x509.Certificate.load(encoded)["tbs_certificate"]["extensions"]:
        if one["extn_id"].dotted in {AIA, SIA}:
            for access in one["extn_value"].parsed:
                yield access["access_method"].native, access["access_location"].native


LINTED: Mapping[CertificateKind, str] = {
    CertificateKind.SELF_SIGNED: "self-signed",
    CertificateKind.LINK: "link-new-with-old",
    CertificateKind.CROSS: "cross-mapped",
    CertificateKind.OCSP_RESPONDER: "ocsp-responder",
    CertificateKind.REPOSITORY: "repository",
    CertificateKind.SIGNATURE: "signature",
    CertificateKind.USER_AUTHENTICATION: "user-authentication",
    CertificateKind.OFFICIAL_POST: "official-post",
}
"""The golden file of each kind, by whose name pkilint's remarks are known."""


def test_pkilint_remarks_nothing_that_it_does_not_remark_elsewhere(nation: Nation) -> None:
    known = {(place, code) for _, place, code in KNOWN}
    for record in nation.records:
        found = {(place, code) for _, place, code in findings(LINTED[record.kind], record.encoded)}
        assert found <= known, record.id


# The path, from the holder's certificate and the anchor's alone.

PATHS = {
    ("signature", "jpki-13.g1"): 3,
    ("user-authentication", "jpki-13.g1"): 3,
    ("signature", "jpki-31.g2"): 4,  # over the link from Tottori's first key, which its bridge certified
    ("user-authentication", "jpki-31.g2"): 4,
    ("official-post", "gpki-post.g1"): 2,
}


def test_every_holder_has_a_path(nation: Nation) -> None:
    assert nation.holders.keys() == PATHS.keys()


@pytest.mark.parametrize("holder", PATHS, ids=" of ".join)
def test_we_find_the_path(nation: Nation, holder: tuple[str, str], tmp_path: Path) -> None:
    files = {"holder": nation.holders[holder], "anchor": nation.anchor}
    for name, octets in files.items():
        (tmp_path / name).write_bytes(octets)
    said = commands.run(
        "verify", tmp_path / "holder", "--online", "any", "--anchor", tmp_path / "anchor", "--json",
        *(word for policy in nation.trust.policies for word in ("--policy", policy)),
        "--at", f"{nation.home.now():%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
    assert said.status == 0, said
    verdict = json.loads(said.stdout)
    assert verdict["verdict"] == "valid"
    assert len(verdict["path"]) == PATHS[holder] + 1


def test_the_way_down_leads_there_too(nation: Nation, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the anchor by what each CA has issued, for a verifier that knows no caIssuers."""
    monkeypatch.setattr(online, "CA_ISSUERS", "2.999")
    for holder, encoded in nation.holders.items():
        material = Online([nation.anchor], addresses=Addresses.ANY)
        path = verify(encoded, material, nation.trust, nation.home.now())
        assert len(path.certificates) == PATHS[holder] + 1


def test_without_the_places_there_is_no_path(nation: Nation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "CA_ISSUERS", "2.999")
    monkeypatch.setattr(online, "CA_REPOSITORY", "2.999")
    for encoded in nation.holders.values():
        material = Online([nation.anchor], addresses=Addresses.ANY)
        with pytest.raises(PathRejected) as rejected:
            verify(encoded, material, nation.trust, nation.home.now())
        assert rejected.value.reason is Reason.NO_PATH


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> JavaJudge:
    return JavaJudge.compiled(tmp_path_factory.mktemp("java"))


FOLLOW = "-Dcom.sun.security.enableAIAcaIssuers=true"


ALLOW = "-Dcom.sun.security.allowedAIALocations"
"""What newer JDKs want besides: where they may go."""


@pytest.fixture(scope="module")
def questions(nation: Nation) -> list[Question]:
    """Lists are given, since the certificates name theirs by directory names; of certificates only the two."""
    lists = [file.read_bytes() for file in (nation.home.folder / "repository").glob("g/*/crl/*.crl")]
    policies, at = sorted(nation.trust.policies), nation.home.now()
    return [Question(one, nation.anchor, (), lists, policies, at) for one in nation.holders.values()]


def test_java_finds_the_path(nation: Nation, java: JavaJudge, questions: list[Question]) -> None:
    """It reads the certs-only files as they are, and builds the path from the holder up."""
    answers = dict(
        zip(nation.holders, java.judge(questions, FOLLOW, f"{ALLOW}={nation.url}/g/"), strict=True)
    )
    assert answers == {holder: f"valid {length}" for holder, length in PATHS.items()}


def test_java_that_is_not_told_to_follow_finds_none(java: JavaJudge, questions: list[Question]) -> None:
    answers = java.judge(questions)
    assert all(answer.startswith("refused NO_PATH") for answer in answers), answers


# Intents are looked at again: what a certificate says of places is known, and nobody leads elsewhere.


Alter = Callable[[list[bytes]], list[bytes]]


def altered(record: CertificateRecord, change: Alter) -> CertificateRecord:
    """An intent of the store's, with other extensions than it was written down with."""
    *fields, wrapped = parts(tbs_of(record))
    extensions = der.sequence(*change(parts(parts(wrapped)[0])))
    encoded = der.sequence(*fields, der.context(3, extensions))
    return replace(record, state=CertificateState.INTENDED, encoded=encoded)


def instead(value: CertificateExtension) -> Alter:
    """Another value in the place of that extension."""
    octets, mark = encode_extension(value, critical=False), der.oid(value.oid)
    return lambda found: [octets if mark in one else one for one in found]


def behind(value: CertificateExtension) -> Alter:
    octets = encode_extension(value, critical=False)
    return lambda found: [*found, octets]


def dropped(oid: str) -> Alter:
    return lambda found: [one for one in found if der.oid(oid) not in one]


def as_it_was(found: list[bytes]) -> list[bytes]:
    return found


def refused(world: World, record: CertificateRecord, change: Alter) -> str | None:
    try:
        check_intent(altered(record, change), world.issuers)
    except LintRefused as error:
        return error.problem
    return None


def test_an_intent_that_leads_elsewhere_is_not_signed(nation: Nation) -> None:
    evil = "http://evil.example/all.p7c"
    with opened(nation.home) as world:
        for record in nation.records:
            assert refused(world, record, as_it_was) is None
            access = world.plan.practices[record.id.generation.authority].authority_access(
                record.kind, record.id.generation
            )
            if access is not None:
                for other in (
                    replace(access, issuers=evil),
                    replace(access, issuers=None),
                    AuthorityAccess(),
                ):
                    assert refused(world, record, instead(other)) == "authorityInfoAccess has another value"
                assert "authorityInfoAccess is not in its place" in str(refused(world, record, dropped(AIA)))
            if record.kind in CA_KINDS:
                found = refused(world, record, instead(SubjectAccess(evil)))
                assert found == "subjectInfoAccess has another value"
                assert "subjectInfoAccess is not in its place" in str(refused(world, record, dropped(SIA)))


def test_an_intent_has_no_places_where_the_edition_has_none(tmp_path: Path) -> None:
    """Behind its point, where the profile has room for both."""
    with engine_world(tmp_path / "world") as world:
        record = next(one for one in all_of(world) if one.kind is CertificateKind.CROSS)
        for value, name in (
            (AuthorityAccess(issuers="http://evil.example/all.p7c"), "authorityInfoAccess"),
            (SubjectAccess("http://evil.example/all.p7c"), "subjectInfoAccess"),
        ):
            intent = altered(record, behind(value))
            with pytest.raises(LintRefused, match=f"{name} is there"):
                check_intent(intent, world.issuers)


def all_of(world: EngineWorld) -> list[CertificateRecord]:
    with world.store.reading() as connection:
        rows = connection.execute(select(table.c.generation, table.c.serial)).all()
        names = [CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial)) for row in rows]
        return [certificates.find(connection, name) for name in names]


# A CA of somebody else.

PLACES = """
authorityInfoAccess = OCSP;URI:http://foreign.example/ocsp, caIssuers;URI:http://foreign.example/ca.p7c
subjectInfoAccess = caRepository;URI:http://foreign.example/by.p7c
"""


@pytest.fixture
def accessible(tmp_path: Path) -> Iterator[EngineWorld]:
    """A world that gets information access with what it issues from now on."""
    with engine_world(tmp_path / "world") as world:
        practices = {
            name: replace(practice, information_access=True)
            for name, practice in world.plan.practices.items()
        }
        world.plan = replace(world.plan, practices=practices)
        world.issuers.practices = practices
        yield world


def test_a_peer_is_certified_and_its_own_places_are_its_own(accessible: EngineWorld, tmp_path: Path) -> None:
    """It is told where our side lies; what it publishes itself is not ours to say. Its certificate may have both."""
    peer, at = OpensslPeer(tmp_path / "foreign"), NOW + timedelta(days=1)
    desk = CrossingDesk(accessible.issuers, accessible.plan, accessible.chance)
    root = certificate_der(peer.root.read_bytes(), "root")
    desk.agree(agreement([peer.fingerprint]), "a.toml", [("root", root)], "operator", at=at)
    ours = tmp_path / "ours.csr"
    ours.write_bytes(pem.armor("CERTIFICATE REQUEST", desk.request("foreign-2014", at=at)))
    for path in (peer.request("asks"), peer.certify(ours, "for-us", CROSS + PLACES, begins=at)):
        file = Handed.read(path.read_bytes(), path.name)
        desk.examine("foreign-2014", file, "operator", at=at)
        accepted = desk.accept("foreign-2014", file, "operator-2", at=at)
        if accepted.issued is not None:
            issued = accepted.issued.encoded
    issuer = read_certificate(issued, "issued")
    assert {SIA, AIA} & {one.oid for one in issuer.extensions} == {AIA}
    assert dict(named(issued)) == {
        "ocsp": f"{URL}/ocsp/gpki-bca.g1",
        "ca_issuers": f"{URL}/g/gpki-bca.g1/issued-to.p7c",
    }
