"""The judge of the nation of each edition: every authority's certificates, before and after revocation."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import pem

from bridge.manifest import MANIFEST
from ca.model import CertificateId, CertificateKind, Scope
from front.demo.nation import EDITIONS, Row
from front.demo.openssl import OpensslJudge, from_folder, run
from tests.java_judge import JavaJudge, Question

MOMENT = datetime(2014, 9, 1, 0, 0, 1, tzinfo=UTC)  # a second after the seeded worlds' clock
MOMENTS = {
    "japan-2014": MOMENT, "japan-2016": MOMENT, "japan-2008": datetime(2008, 4, 22, 0, 0, 1, tzinfo=UTC),
}  # fmt: skip
POLICIES = {
    "japan-2014": ("2.999.2014.1.1", "2.999.2014.1.2"),
    "japan-2016": ("2.999.2016.1.1", "2.999.2016.1.2", "2.999.2016.1.3"),
    "japan-2008": ("2.999.2008.1.1",),
}
KINDS = {
    "japan-2014": {
        "signature": 47, "user-authentication": 47, "official-post": 1, "ocsp-responder": 50, "repository": 1,
    },
    "japan-2016": {
        "signature": 1, "user-authentication": 1, "official-post": 1, "lg-post": 1, "lg-user": 1, "lg-encryption": 1,
        "ocsp-responder": 6, "repository": 1, "time-stamp": 1, "validation-service": 1,
    },
    "japan-2008": {"signature": 47, "official-post": 1, "ocsp-responder": 50, "repository": 1},
}  # fmt: skip
SERVICES = {"ocsp-responder", "repository", "time-stamp", "validation-service"}
FROM_ITS_OWN_ROOT = {
    "japan-2014": set(),
    "japan-2016": {"signature", "user-authentication"},
    "japan-2008": set(),
}
"""Whose certificates name the self-signed certificate of their issuer, so that OpenSSL knows no way from the anchor."""


@dataclass(frozen=True)
class Told:
    """What `make nation` says of an edition's nation, over a seeded world of all of it; and the world's folder."""

    edition: str
    rows: list[Row]
    folder: Path
    judge: OpensslJudge

    @property
    def repository(self) -> Path:
        return self.folder / "world" / "repository"

    def row(self, authority: str, kind: str) -> Row:
        (row,) = [row for row in self.rows if (row.authority, row.kind) == (authority, kind)]
        return row

    def file(self, row: Row) -> Path:
        return self.folder / "judge" / f"{row.certificate}.pem"


@pytest.fixture(scope="module")
def telling(tmp_path_factory) -> Callable[[str], Told]:
    """Each edition's nation is judged once."""
    return cache(lambda edition: tell(edition, tmp_path_factory.mktemp("nation") / "demo"))


@pytest.fixture
def told(request, telling) -> Told:
    return telling(request.param)


each_edition = pytest.mark.parametrize("told", EDITIONS, indirect=True)
pytestmark = pytest.mark.long  # each edition's nation takes half a minute of two processors


def tell(edition: str, folder: Path) -> Told:
    command = ("front.demo", "nation", "--edition", edition, "--folder", folder, "--test-keys", "--json")
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    rows = [Row(**row) for row in said["rows"]]
    assert said["agreed"] == len(rows)
    read = from_folder(folder / "world" / "repository")
    return Told(edition, rows, folder, OpensslJudge.over(read, POLICIES[edition], folder / "again"))


@each_edition
def test_every_authority_has_a_holder_of_each_of_its_kinds_and_both_judges_agree(told):
    kinds = Counter(row.kind for row in told.rows)
    assert kinds == KINDS[told.edition]
    authorities = {row.authority for row in told.rows if row.kind == "ocsp-responder"}
    assert len(authorities) == kinds["ocsp-responder"], "each authority has one"
    assert len({(row.authority, row.kind) for row in told.rows}) == len(told.rows)
    assert {(row.ours, row.openssl) for row in told.rows} == {("valid", "OK")}
    revoked = {row for row in told.rows if row.kind not in SERVICES}
    assert {(row.ours_revoked, row.openssl_revoked) for row in revoked} == {
        ("revoked", "error 23: certificate revoked")
    }
    assert {(row.ours_revoked, row.openssl_revoked) for row in set(told.rows) - revoked} == {(None, None)}


@each_edition
def test_openssl_judges_from_the_nations_anchor_what_it_can_follow_from_there(told):
    for row in told.rows:
        judged = (row.openssl_anchor, row.openssl_elsewhere)
        if row.kind in FROM_ITS_OWN_ROOT[told.edition]:
            assert judged == (row.authority, "error 20: unable to get local issuer certificate")
        else:
            assert judged == ("gpki-bca", None)


@each_edition
def test_java_agrees(told, tmp_path):
    """From the nation's anchor it finds the way itself, and the list among all of the authority's; every holder's
    certificate is revoked by now."""
    judge = told.judge
    crosses = [judge.read(cross.certificate) for cross in judge.manifest.cross]
    questions = []
    for row in told.rows:
        *above, own = judge.path_to(str(CertificateId.parse(row.certificate).generation))
        folder = told.repository / "g"
        lists = [folder / generation / "crl" / "arl.crl" for generation in above]
        lists += (folder / own / "crl").glob("*.crl")
        target = pem.unarmor(told.file(row).read_bytes())[2]
        anchor = judge.read(f"g/{judge.manifest.anchor}/self.cer")
        at = MOMENTS[told.edition] + timedelta(minutes=1)
        questions.append(
            Question(target, anchor, crosses, [file.read_bytes() for file in lists], judge.policies, at)
        )
    answers = JavaJudge.compiled(tmp_path).judge(questions)
    assert {
        (row.ours_revoked or row.ours, answer.split()[0], answer.split()[1].strip(":"))
        for row, answer in zip(told.rows, answers, strict=True)
    } == {
        ("revoked", "refused", "REVOKED"),
        ("valid", "valid", "1"),
        ("valid", "valid", "2"),
        ("valid", "valid", "3"),
    }


GOOD = Row("a", "signature", "a.g1:0", "valid", "OK", "gpki-bca", None, "revoked", "error 23: certificate revoked")  # fmt: skip


@pytest.mark.parametrize(
    ("change", "agreed"),
    [
        ({}, True),
        ({"ours_revoked": None, "openssl_revoked": None}, True),
        ({"openssl_elsewhere": "error 20: unable to get local issuer certificate"}, True),
        ({"openssl_elsewhere": "OK"}, False),
        ({"openssl_elsewhere": "error 23: certificate revoked"}, False),
        ({"ours": "revoked"}, False),
        ({"openssl": "error 20: unable to get local issuer certificate"}, False),
        ({"ours_revoked": "valid"}, False),
        ({"openssl_revoked": "OK"}, False),
        ({"openssl_revoked": None}, False),
    ],
)
def test_a_row_agrees_only_if_every_verdict_is_as_expected(change, agreed):
    assert replace(GOOD, **change).agreed is agreed


class TestWhatOpensslRefuses:
    """The judge can say no, and for the right reason: each case leaves one thing out or asks for another."""

    @pytest.fixture
    def told(self, telling):
        return telling("japan-2014")

    def responder(self, told, authority="jpki-13"):
        row = told.row(authority, "ocsp-responder")
        return CertificateId.parse(row.certificate), told.file(row)

    def test_another_policy(self, told):
        certificate, file = self.responder(told)
        other = replace(told.judge, policies=("2.999.77",))
        assert other.verify(file, certificate.generation, Scope("full"), at=MOMENT).words == (
            "error 43: no explicit policy"
        )

    @pytest.mark.parametrize("missing", ["arl", "full"])
    def test_a_list_is_missing(self, told, missing):
        certificate, file = self.responder(told)
        verdict = told.judge.verify(
            file, certificate.generation, Scope("full"), at=MOMENT, without=(Scope(missing),)
        )
        assert verdict.words == "error 3: unable to get certificate CRL"

    def test_the_list_of_another_town(self, told):
        row = told.row("jpki-13", CertificateKind.SIGNATURE)
        certificate = CertificateId.parse(row.certificate)
        verdict = told.judge.verify(
            told.file(row), certificate.generation, Scope("signature-131024"), at=MOMENT
        )
        assert verdict.words == "error 44: different CRL scope"

    def test_after_the_end(self, told):
        certificate, file = self.responder(told)
        verdict = told.judge.verify(
            file, certificate.generation, Scope("full"), at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        assert not verdict.accepted

    def test_the_issuing_authority_of_another_prefecture(self, told):
        _, file = self.responder(told)
        foreign, _ = self.responder(told, "jpki-01")
        verdict = told.judge.verify(file, foreign.generation, Scope("full"), at=MOMENT)
        assert verdict.words == "error 20: unable to get local issuer certificate"

    def test_the_root_of_another_authority(self, telling):
        """What a national root has issued, another one has not."""
        told = telling("japan-2016")
        row = told.row("jpki-signature", CertificateKind.SIGNATURE)
        other = CertificateId.parse(told.row("jpki-user-authentication", "ocsp-responder").certificate)
        judge = told.judge.trusting(other.generation, ("1.2.392.200149.8.5.1.0.30",))
        verdict = judge.verify(told.file(row), other.generation, Scope("full"), at=MOMENT)
        assert verdict.words == "error 20: unable to get local issuer certificate"

    def test_the_policy_of_another_authority(self, telling):
        told = telling("japan-2016")
        certificate, file = self.responder(told, "jpki-signature")
        for policy, words in (("20", "OK"), ("30", "error 43: no explicit policy")):
            judge = told.judge.trusting(certificate.generation, (f"1.2.392.200149.8.5.1.0.{policy}",))
            assert judge.verify(file, certificate.generation, Scope("full"), at=MOMENT).words == words


@each_edition
def test_the_manifest_is_signed_by_a_certificate_of_the_world(told):
    repository = told.repository
    anchor = told.folder / "anchor.pem"
    run("x509", "-inform", "DER", "-in", repository / "g/gpki-bca.g1/self.cer", "-out", anchor)
    arguments = (
        "cms", "-verify", "-binary", "-inform", "DER", "-in", repository / "manifest.p7s",
        "-CAfile", anchor, "-purpose", "any", "-policy", told.judge.policies[0], "-explicit_policy",
        "-attime", str(int(MOMENTS[told.edition].timestamp())), "-out", "/dev/null", "-content",
    )  # fmt: skip
    assert "successful" in run(*arguments, repository / MANIFEST).stderr
    altered = told.folder / "altered.json"
    altered.write_bytes((repository / MANIFEST).read_bytes().replace(b"gpki-post", b"gpki-tsop", 1))
    assert altered.read_bytes() != (repository / MANIFEST).read_bytes()
    assert run(*arguments, altered, check=False).returncode != 0
