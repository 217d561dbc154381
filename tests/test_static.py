"""The nation as a folder: a real nginx serves it, and none of our code is asked; Java, curl, OpenSSL and we read it."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest
from asn1crypto import ocsp
from sqlalchemy import select

from bridge.manifest import MANIFEST
from bridge.repository.layout import cross_path, issued_to_path, list_path, self_signed_path
from ca.clock import system_clock
from ca.errors import StorageFailed
from ca.issuing.cycle import IssuedCertificate
from ca.model import FULL, CertificateKind, GenerationId, RevocationReason, Serial
from ca.revoking.deciding.by_hand import revoke
from ca.store.tables import certificates
from ca.wire.names import encode_name
from front.app import create_app
from front.assembly import open_world
from front.demo.openssl import run as openssl
from front.demo.openssl import write_certificate
from front.demo.people import invented_code
from front.static.making import make_static
from ocsp.making import usual_requests
from ocsp.messages import IssuerHashes
from tests.commands import done, refused, run, tree
from tests.components import require
from tests.engine_world import RESIDENT, csr_for
from tests.nginx import free_port, nginx
from tests.slapd import slapd
from tests.small_edition import replaced, small_edition

ANCHOR, BRIDGE, PREFECTURE = (
    GenerationId.parse(f"{name}.g1") for name in ("gpki-bca", "jpki-bridge", "jpki-31")
)
SIGNATURE = CertificateKind.SIGNATURE
STATUS_JUDGE = Path(__file__).parent / "java" / "StatusJudge.java"
POLICY = "2.999.2014.1.1"
SHA1, SHA256 = "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1"


@dataclass(frozen=True)
class Lab:
    """A served folder, and what it knows of."""

    home: Path
    folder: Path
    port: int
    good: IssuedCertificate
    revoked: IssuedCertificate
    hashes: IssuerHashes

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """A path as it stands, with whatever escapes."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def public(self, path: str) -> bytes:
        return (self.folder / "public" / path).read_bytes()


def one_prefecture(folder: Path) -> Path:
    """The edition of one prefecture, with the table that it needs beside it."""
    path = folder / "one.toml"
    path.write_text(replaced(small_edition(), r"codes = \[[^\]]*\]", 'codes = ["31"]'), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A world of today under the URL at which nginx will serve it."""
    folder = tmp_path_factory.mktemp("static")
    home, port = folder / "home", free_port()
    now = system_clock()
    done(
        run(
            "init", "--edition", one_prefecture(folder), "--test-keys", "--seed", 7, "--home", home,
            "--url", f"http://127.0.0.1:{port}/nation", "--clock", f"{now:%Y-%m-%dT%H:%M:%SZ}+1",
        )
    )  # fmt: skip
    officers = {
        "sato": ("312011", "reception"),
        "suzuki": ("312011", "examiner"),
        "tanaka": ("centre", "approver"),
        "ito": ("centre", "operator"),
    }
    for officer, (office, role) in officers.items():
        done(run("officer", "add", officer, "--office", office, "--role", role, "--home", home))
    with open_world(home, lambda: "") as world:
        issued = []
        for number in range(70):  # so that some request ends with a slash in base64
            application = world.registration.file(
                "sato", RESIDENT, {SIGNATURE: csr_for(number)}, code=invented_code(number), at=world.clock()
            )
            world.registration.examine(application.case.id, "suzuki", at=world.clock())
            world.registration.approve(application.case.id, "tanaka", at=world.clock())
            issued.append(world.registration.issue(application.case.id, "ito", at=world.clock())[0])
        revoke(world.stores, issued[1].id, RevocationReason.KEY_COMPROMISE, "ito", at=world.clock())
        practice = world.plan.practices[PREFECTURE.authority]
        record = world.issuers.of(PREFECTURE).record
        hashes = IssuerHashes.of(encode_name(practice.name), record.public_key)
    done(run("list", "publish", "--home", home))
    made = done(run("repo", "static", folder / "lab", "--home", home, "--json")).json
    assert made["answers"] > 140
    with nginx(folder / "lab", port):
        yield Lab(home, folder / "lab", port, issued[0], issued[1], hashes)


def test_what_is_in_the_folder(lab):
    """Everything that is published, under the paths of our own server; and what a stranger needs to serve it."""
    published, there = tree(lab.home / "repository"), tree(lab.folder / "public")
    assert {path: content for path, content in there.items() if path in published} == published
    more = {path for path, content in there.items() if content is not None} - published.keys()
    assert {path.partition("/")[0] for path in more} == {"g", "ocsp"}
    assert {path.rpartition("/")[2] for path in more if path.startswith("g/")} == {"index.json"}
    assert {path.name for path in lab.folder.iterdir()} >= {
        "public",
        "README.md",
        "nginx.conf",
        "nation.ldif",
    }
    assert stat.S_IMODE(lab.folder.stat().st_mode) == 0o755, "another user's web server reads it"
    said = (lab.folder / "README.md").read_text()
    assert f"{lab.url}/nation" in said
    assert str(ANCHOR) in said


KINDS = {
    "g/gpki-bca.g1/self.cer": "application/pkix-cert",
    "g/gpki-bca.g1/issued-by.p7c": "application/pkcs7-mime",
    "g/jpki-31.g1/crl/full.crl": "application/pkix-crl",
    "manifest.p7s": "application/pkcs7-signature",
    "manifest.json": "application/json",
    "g/jpki-31.g1/crl/full/index.json": "application/json",
}


@pytest.mark.parametrize(("path", "kind"), KINDS.items())
def test_nginx_serves_what_our_own_server_serves(lab, path, kind):
    status, headers, content = lab.get(f"/nation/{path}")
    assert (status, headers["content-type"], content) == (200, kind, lab.public(path))


def test_nothing_beside_it_is_served(lab):
    for path in (
        "/nginx.conf",
        "/nation/../nginx.conf",
        "/nation/%2e%2e/nation.ldif",
        "/nation/static.json",
        "/nation/g/",
    ):
        assert lab.get(path)[0] in {400, 403, 404}


def test_our_verifier_needs_nothing_else(lab, tmp_path):
    write_certificate(tmp_path / "anchor.pem", lab.public(self_signed_path(ANCHOR)))
    for of, verdict in ((lab.good, "valid"), (lab.revoked, "not valid")):
        write_certificate(tmp_path / "holder.pem", of.encoded)
        outcome = run(
            "verify", tmp_path / "holder.pem", "--from", f"{lab.url}/nation/", "--anchor", tmp_path / "anchor.pem",
            "--policy", POLICY, "--json",
        )  # fmt: skip
        assert outcome.json["verdict"] == verdict, outcome


def test_the_past_is_there_too(lab):
    number = json.loads(lab.public("g/jpki-31.g1/crl/full/index.json"))["numbers"][0]
    assert lab.get(f"/nation/{list_path(PREFECTURE, FULL, number)}")[0] == 200


# OCSP.


def requests(lab: Lab, of: IssuedCertificate) -> list[bytes]:
    return list(usual_requests(lab.hashes, of.id.serial))


def said(octets: bytes) -> tuple[str, int]:
    answer = ocsp.OCSPResponse.load(octets, strict=True)
    assert answer["response_status"].native == "successful"
    (single,) = answer.response_data["responses"]
    return single["cert_status"].name, single["cert_id"]["serial_number"].native


FORMS = {
    "every character escaped that has to be": lambda text: quote(text, safe=""),
    "slashes as they are": lambda text: quote(text, safe="/"),
    "nothing escaped": lambda text: text,
    "small hexadecimal digits": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_lies_where_a_get_asks_for_it(lab, form):
    for of, status in ((lab.good, "good"), (lab.revoked, "revoked")):
        for request in requests(lab, of):
            text = base64.b64encode(request).decode()
            code, headers, content = lab.get(f"/nation/ocsp/{PREFECTURE}/{FORMS[form](text)}")
            assert (code, headers["content-type"]) == (200, "application/ocsp-response")
            assert "max-age=0" in headers["cache-control"], "as the edition has it"
            assert said(content) == (status, of.id.serial.value)


def test_everything_that_was_issued_has_its_answers(lab):
    """Also requests whose base64 ends with a slash, or has two together, of which there are some among so many."""
    with open_world(lab.home, lambda: "") as world, world.stores.nation.reading() as connection:
        of_prefecture = certificates.c.generation == str(PREFECTURE)
        rows = connection.execute(select(certificates.c.serial).where(of_prefecture))
        serials = [Serial.of(octets) for octets in rows.scalars()]
    texts = [
        (serial, base64.b64encode(request).decode())
        for serial in serials
        for request in usual_requests(lab.hashes, serial)
    ]
    assert any(text.endswith("/") or "//" in text for _, text in texts)
    for serial, text in texts:
        code, _, content = lab.get(f"/nation/ocsp/{PREFECTURE}/{quote(text, safe='')}")
        assert code == 200, text
        assert said(content)[1] == serial.value


def test_what_is_not_there_is_not_found_and_nothing_is_posted(lab):
    unknown = next(usual_requests(lab.hashes, Serial(0x1234)))
    assert (
        lab.get(f"/nation/ocsp/{PREFECTURE}/{quote(base64.b64encode(unknown).decode(), safe='')}")[0] == 404
    )
    assert lab.get(f"/nation/ocsp/{PREFECTURE}", method="POST")[0] == 405, "where openssl ocsp asks"


def test_openssl_believes_the_answers(lab, tmp_path):
    """It does not ask with GET itself; curl does for it, and it judges what came."""
    for name, octets in (
        ("anchor", lab.public(self_signed_path(ANCHOR))),
        ("issuer", lab.public(cross_path(BRIDGE, PREFECTURE))),
        ("bridge", lab.public(cross_path(ANCHOR, BRIDGE))),
    ):
        write_certificate(tmp_path / f"{name}.pem", octets)
    path = (tmp_path / "issuer.pem").read_bytes() + (tmp_path / "bridge.pem").read_bytes()
    (tmp_path / "path.pem").write_bytes(path)
    for of, status in ((lab.good, "good"), (lab.revoked, "revoked")):
        write_certificate(tmp_path / "holder.pem", of.encoded)
        asked = ("-issuer", tmp_path / "issuer.pem", "-cert", tmp_path / "holder.pem")
        openssl("ocsp", *asked, "-no_nonce", "-reqout", tmp_path / "request")
        text = quote(base64.b64encode((tmp_path / "request").read_bytes()).decode(), safe="")
        url = f"{lab.url}/nation/ocsp/{PREFECTURE}/{text}"
        subprocess.run([require("curl"), "-sSf", "-o", tmp_path / "answer", url], check=True, timeout=60)
        told = openssl(
            "ocsp", *asked, "-no_nonce", "-respin", tmp_path / "answer", "-CAfile", tmp_path / "anchor.pem",
            "-verify_other", tmp_path / "path.pem",
        )  # fmt: skip
        assert "Response verify OK" in told.stderr
        assert f"holder.pem: {status}" in told.stdout


def test_java_asks_and_believes_them(lab, tmp_path):
    """PKIXRevocationChecker, by the URL in the certificate: small requests it sends with GET."""
    require("javac", "java")
    subprocess.run(["javac", "-Xlint:all", "-Werror", "-d", tmp_path, STATUS_JUDGE], check=True, timeout=120)
    lines = []
    for name, of in (("good", lab.good), ("revoked", lab.revoked)):
        (tmp_path / name).mkdir()
        above = lab.public(cross_path(BRIDGE, PREFECTURE)) + lab.public(cross_path(ANCHOR, BRIDGE))
        (tmp_path / name / "path").write_bytes(of.encoded + above)
        (tmp_path / name / "anchor").write_bytes(lab.public(self_signed_path(ANCHOR)))
        lines.append(f"{tmp_path / name}\n")
    told = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-Djdk.security.certpath.ocspNonce=false", "-cp", tmp_path, "StatusJudge"],
        input="".join(lines), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    good, revoked = told.stdout.splitlines()
    assert good == "good"
    assert revoked.startswith("revoked KEY_COMPROMISE ")


# The rest of it.


def test_the_ldif_loads(lab, tmp_path):
    with slapd(tmp_path / "slapd", load=lab.folder / "nation.ldif") as server:
        assert len(server.content()) > 40


def test_openssl_verifies_the_manifest_as_the_readme_says(lab, tmp_path):
    write_certificate(tmp_path / "anchor.pem", lab.public(self_signed_path(ANCHOR)))
    openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", lab.folder / "public/manifest.p7s", "-content",
        lab.folder / "public" / MANIFEST, "-CAfile", tmp_path / "anchor.pem", "-purpose", "any", "-out", "/dev/null",
    )  # fmt: skip


def test_it_is_made_anew_and_nothing_else_is_touched(lab, tmp_path):
    again = tmp_path / "lab"
    shutil.copytree(lab.folder, again, ignore=shutil.ignore_patterns("temporary", "nginx.pid"))
    (again / "public" / "stray").write_text("of an earlier one")
    done(run("repo", "static", again, "--home", lab.home))
    assert not (again / "public" / "stray").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["lab"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    refused(run("repo", "static", other, "--home", lab.home), "is not empty")
    assert tree(other) == {"letter.txt": b"mine"}
    refused(run("repo", "static", other / "letter.txt", "--home", lab.home), "Not a directory")


@pytest.mark.parametrize("when", ["between the two steps", "after them"])
def test_what_a_death_in_replacing_it_left_is_put_right(lab, tmp_path, when):
    there = tmp_path / "lab"
    shutil.copytree(lab.folder, there, ignore=shutil.ignore_patterns("temporary", "nginx.pid"))
    before = tree(there)
    there.rename(tmp_path / ".lab.abcdefgh.earlier")
    shutil.copytree(
        tmp_path / ".lab.abcdefgh.earlier",
        there if when == "after them" else tmp_path / ".lab.abcdefgh",
    )
    (tmp_path / ".lab.two.abcdefgh.earlier").mkdir()

    def fails(_: str) -> None:
        raise StorageFailed("the disk", "is full")

    with open_world(lab.home, lambda: "") as world, pytest.raises(StorageFailed):
        make_static(world, there, fails)
    assert {path.name for path in tmp_path.iterdir()} == {"lab", ".lab.two.abcdefgh.earlier"}
    assert tree(there) == before


def test_our_own_server_serves_the_files_of_certificates(lab):
    path = issued_to_path(PREFECTURE)
    with open_world(lab.home, lambda: "") as world, create_app(world).test_client().get(f"/{path}") as answer:
        assert (answer.status_code, answer.mimetype) == (200, "application/pkcs7-mime")
        assert answer.get_data() == lab.public(path)
