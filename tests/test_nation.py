"""The judge of a whole nation: every authority's certificates, by OpenSSL and by us, before and after revocation."""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest

from bridge.manifest import MANIFEST
from ca.model import CertificateId, CertificateKind, Scope
from front.demo.openssl import OpensslJudge, from_folder, run

MOMENT = datetime(2014, 9, 1, 0, 0, 1, tzinfo=UTC)  # a second after the seeded worlds' clock
POLICIES = ("2.999.2014.1.1", "2.999.2014.1.2")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What `make demo` says, over a seeded world of all 47 prefectures; and its folder."""
    folder = tmp_path_factory.mktemp("nation") / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "front.demo", "nation", "--folder", folder, "--test-keys", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), folder


@pytest.fixture(scope="module")
def judge(told):
    _, folder = told
    return OpensslJudge.over(from_folder(folder / "world" / "repository"), POLICIES, folder / "again")


def row_of(told, authority, kind):
    (row,) = [row for row in told[0]["rows"] if (row["authority"], row["kind"]) == (authority, kind)]
    return row


def test_every_authority_has_a_holder_of_each_of_its_kinds_and_both_judges_agree(told):
    rows = told[0]["rows"]
    kinds = Counter(row["kind"] for row in rows)
    assert kinds == {
        "signature": 47, "user-authentication": 47, "official-post": 1, "ocsp-responder": 50, "repository": 1,
    }  # fmt: skip
    assert len({row["authority"] for row in rows if row["kind"] == "signature"}) == 47
    assert {(row["ours"], row["openssl"]) for row in rows} == {("valid", "OK")}
    holders = [row for row in rows if row["ours_revoked"] is not None]
    assert len(holders) == 95
    assert {row["ours_revoked"] for row in holders} == {"revoked"}
    assert {row["openssl_revoked"] for row in holders} == {"error 23: certificate revoked"}


class TestWhatOpensslRefuses:
    """The judge can say no, and for the right reason: each case leaves one thing out or asks for another."""

    def responder(self, told, authority="jpki-13"):
        row = row_of(told, authority, "ocsp-responder")
        return CertificateId.parse(row["certificate"]), told[1] / "judge" / f"{row['certificate']}.pem"

    def test_another_policy(self, told, judge):
        certificate, file = self.responder(told)
        other = OpensslJudge(judge.read, judge.manifest, ("2.999.77",), judge.workspace)
        assert other.verify(file, certificate.generation, Scope("full"), at=MOMENT).words == (
            "error 43: no explicit policy"
        )

    @pytest.mark.parametrize("missing", ["arl", "full"])
    def test_a_list_is_missing(self, told, judge, missing):
        certificate, file = self.responder(told)
        verdict = judge.verify(
            file, certificate.generation, Scope("full"), at=MOMENT, without=(Scope(missing),)
        )
        assert verdict.words == "error 3: unable to get certificate CRL"

    def test_the_list_of_another_town(self, told, judge):
        row = row_of(told, "jpki-13", CertificateKind.SIGNATURE)
        file = told[1] / "judge" / f"{row['certificate']}.pem"
        certificate = CertificateId.parse(row["certificate"])
        verdict = judge.verify(file, certificate.generation, Scope("signature-131024"), at=MOMENT)
        assert verdict.words == "error 44: different CRL scope"

    def test_after_the_end(self, told, judge):
        certificate, file = self.responder(told)
        verdict = judge.verify(
            file, certificate.generation, Scope("full"), at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        assert not verdict.accepted

    def test_the_issuing_authority_of_another_prefecture(self, told, judge):
        _, file = self.responder(told)
        foreign, _ = self.responder(told, "jpki-01")
        verdict = judge.verify(file, foreign.generation, Scope("full"), at=MOMENT)
        assert verdict.words == "error 20: unable to get local issuer certificate"


def test_the_manifest_is_signed_by_a_certificate_of_the_world(told):
    repository = told[1] / "world" / "repository"
    anchor = told[1] / "anchor.pem"
    run("x509", "-inform", "DER", "-in", repository / "g/gpki-bca.g1/self.cer", "-out", anchor)
    arguments = (
        "cms", "-verify", "-binary", "-inform", "DER", "-in", repository / "manifest.p7s",
        "-CAfile", anchor, "-purpose", "any", "-policy", POLICIES[0], "-explicit_policy",
        "-attime", str(int(MOMENT.timestamp())), "-out", "/dev/null", "-content",
    )  # fmt: skip
    assert "successful" in run(*arguments, repository / MANIFEST).stderr
    altered = told[1] / "altered.json"
    altered.write_bytes((repository / MANIFEST).read_bytes().replace(b"jpki-13", b"jpki-31", 1))
    assert run(*arguments, altered, check=False).returncode != 0
