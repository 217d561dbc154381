"""The nation of 2008: SHA-1 and RSA-1024, which judges accept at no level of security, and refuse at those of today."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from asn1crypto import x509

from bridge.manifest import Marking
from bridge.relying.rejection import PathRejected
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.errors import CsrRefused
from ca.issuing.intake import read_csr
from ca.model import CertificateKind
from ca.rules.validity import CountedFrom, YearsRule
from ca.suites import SHA1_RSA1024, SHA1_RSA2048
from front.assembly import plan_of
from front.demo.openssl import write_certificate
from front.home import Description
from tests.commands import refused, run
from tests.java_judge import JavaJudge, Question
from tests.old_world import short_request
from tests.small_edition import JAPAN_2014, holder_key, replaced, request
from tests.suite_world import Nation, make_nation, one_prefecture

JAPAN_2008 = JAPAN_2014.with_name("japan-2008.toml")


def plan(marking="test"):
    return plan_of(
        "japan-2008", Description(state="making", marking=marking, edition="japan-2008", url="http://a")
    )


@pytest.fixture(scope="module")
def nation(tmp_path_factory) -> Nation:
    return make_nation(
        tmp_path_factory.mktemp("nation"), SHA1_RSA2048, text=one_prefecture(JAPAN_2008),
        keys=holders().keys, csrs=(short_request(1), short_request(2)), clock="2009-05-31T00:00Z",
    )  # fmt: skip


@pytest.fixture(scope="module")
def java(tmp_path_factory) -> JavaJudge:
    return JavaJudge.compiled(tmp_path_factory.mktemp("java"))


# The edition


def holders():
    return plan().practices["jpki-31"].holders[CertificateKind.SIGNATURE]


@pytest.mark.parametrize("marking", Marking)
def test_it_is_the_whole_nation_under_the_old_suite(marking):
    made = plan(marking)
    assert (len(made.practices), len(made.crosses)) == (50, 98)
    assert {practice.suite for practice in made.practices.values()} == {SHA1_RSA2048}


def test_prefectures_issue_one_kind_for_three_years_counted_from_the_day_of_issue():
    prefectures = [practice for practice in plan().practices.values() if practice.prefecture_code is not None]
    assert len(prefectures) == 47
    for practice in prefectures:
        assert list(practice.holders) == [CertificateKind.SIGNATURE]
        assert practice.holders[CertificateKind.SIGNATURE].validity == YearsRule(3, CountedFrom.DAY_OF_ISSUE)


@pytest.mark.parametrize("old_kind", ["true", "false"])
def test_counting_from_the_day_after_is_a_line_of_the_edition(old_kind, tmp_path):
    text = replaced(one_prefecture(JAPAN_2008), "old_kind = true", f"old_kind = {old_kind}")
    text = replaced(text, 'counted_from = "day of issue"', 'counted_from = "day after"')
    path = tmp_path / "after.toml"
    path.write_text(text, encoding="utf-8")
    made = plan_of(
        str(path), Description(state="making", marking="test", edition="one-prefecture", url="http://a")
    )
    holder = made.practices["jpki-31"].holders
    assert list(holder) == [CertificateKind.SIGNATURE]
    assert holder[CertificateKind.SIGNATURE].validity == YearsRule(3, CountedFrom.DAY_AFTER)


def test_cards_of_the_time_have_keys_of_1024_bits_and_longer_ones_come():
    rule = holders().keys
    for made in (short_request(1), request(holder_key(0))):
        assert read_csr(made, rule, "request")
    newer = plan_of(
        "japan-2014", Description(state="making", marking="test", edition="japan-2014", url="http://a")
    )
    with pytest.raises(CsrRefused, match="its RSA key has 1024 bits; 2048 are the least"):
        read_csr(
            short_request(1), newer.practices["jpki-31"].holders[CertificateKind.SIGNATURE].keys, "request"
        )


def test_it_cannot_be_begun_when_its_suite_may_no_longer_sign(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text(one_prefecture(JAPAN_2008), encoding="utf-8")
    command = ("init", "--edition", path, "--test-keys", "--home", tmp_path / "home")
    refused(
        run(*command, "--clock", "2016-01-01T00:00Z"), "suite sha1-rsa2048: may not sign after 2015-12-31"
    )


# What it issues


def test_what_is_issued_is_of_its_time(nation):
    holder = x509.Certificate.load(nation.good.encoded)
    assert holder.public_key.bit_size == 1024
    assert {
        x509.Certificate.load(one).signature_algo + " " + x509.Certificate.load(one).hash_algo
        for one in (nation.anchor, *nation.path)
    } == {"rsassa_pkcs1v15 sha1"}
    assert holder.not_valid_after == datetime(2012, 5, 30, 14, 59, 59, tzinfo=UTC)
    assert not holder.authority_key_identifier_value["authority_cert_issuer"].native


def we_say(nation: Nation, target: bytes, *, legacy=frozenset()) -> str:
    trust = Trust((nation.anchor,), frozenset(nation.policies), Marking.TEST, legacy=legacy)
    try:
        verify(target, nation.snapshot, trust, nation.at)
    except PathRejected as rejected:
        return rejected.reason.value
    return "valid"


def test_we_believe_it_where_its_suite_is_named_and_only_then(nation):
    named = frozenset({SHA1_RSA2048.id})
    assert we_say(nation, nation.good.encoded, legacy=named) == "valid"
    assert we_say(nation, nation.revoked.encoded, legacy=named) == "revoked"
    assert we_say(nation, nation.good.encoded) == "algorithm"
    assert we_say(nation, nation.good.encoded, legacy=frozenset({SHA1_RSA1024.id})) == "algorithm"


def openssl_says(nation: Nation, folder, level: int, *, revoked: bool = False) -> str:
    """``openssl verify`` a day after issue, with every list, at a level of security."""
    files = {"anchor": [nation.anchor], "chain": nation.chain}
    for name, contents in files.items():
        texts = [write_certificate(folder / "one.pem", one).read_text() for one in contents]
        (folder / f"{name}.pem").write_text("".join(texts))
    lists = []
    for encoded in nation.lists:
        done = subprocess.run(
            ["openssl", "crl", "-inform", "DER"], input=encoded, capture_output=True, check=True
        )
        lists.append(done.stdout.decode())
    (folder / "lists.pem").write_text("".join(lists))
    item = nation.revoked if revoked else nation.good
    target = write_certificate(folder / "target.pem", item.encoded)
    done = subprocess.run(
        ["openssl", "verify", "-auth_level", str(level), "-attime", str(int(nation.at.timestamp())), "-CAfile",
         folder / "anchor.pem", "-untrusted", folder / "chain.pem", "-CRLfile", folder / "lists.pem",
         "-crl_check_all", "-explicit_policy", "-policy", nation.policies[0], target],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return " ".join((done.stdout + done.stderr).split())


def test_openssl_accepts_it_in_2009_without_a_level_of_security(nation, tmp_path):
    assert nation.at.year == 2009
    assert openssl_says(nation, tmp_path, 0).endswith(": OK")
    assert "error 23 at 0 depth lookup: certificate revoked" in openssl_says(
        nation, tmp_path, 0, revoked=True
    )


@pytest.mark.parametrize(
    ("level", "words"),
    [(1, "error 68 at 0 depth lookup: CA signature digest algorithm too weak"), (2, "error 66 at 0 depth")],
)
def test_openssl_refuses_it_at_todays_levels(level, words, nation, tmp_path):
    said = openssl_says(nation, tmp_path, level)
    assert words in said
    assert "too weak" in said or "too small" in said


def question(nation: Nation, target: bytes) -> Question:
    drawn = (target, *reversed(nation.chain))
    return Question(target, nation.anchor, nation.chain, nation.lists, nation.policies, nation.at, drawn)


def restricted(folder, algorithms: str) -> str:
    """The option of a JVM that is to restrict these algorithms in paths, in place of what it comes with."""
    override = folder / "java.security"
    override.write_text(f"jdk.certpath.disabledAlgorithms={algorithms}\n", encoding="utf-8")
    return f"-Djava.security.properties={override}"


def test_java_accepts_it_as_it_comes_and_once_nothing_is_restricted(nation, java, tmp_path):
    """JDK 17 restricts SHA-1 under the roots for TLS servers that come with it, and RSA below 1024 bits."""
    flipped = nation.good.encoded[:-1] + bytes((nation.good.encoded[-1] ^ 1,))
    asked = [question(nation, target) for target in (nation.good.encoded, nation.revoked.encoded, flipped)]
    asked.append(replace(asked[0], policies=["2.999.77"]))
    for properties in ((), (restricted(tmp_path, ""),)):
        assert [answer.split(":")[0] for answer in java.judge(asked, *properties)] == [
            "valid 3",
            "refused REVOKED",
            "refused INVALID_SIGNATURE",
            "refused INVALID_POLICY",
        ]


@pytest.mark.parametrize("algorithms", ["SHA1", "RSA keySize < 2048"])
def test_java_refuses_it_where_either_algorithm_is_restricted(algorithms, nation, java, tmp_path):
    (answer,) = java.judge([question(nation, nation.good.encoded)], restricted(tmp_path, algorithms))
    assert answer.startswith("refused ALGORITHM_CONSTRAINED"), answer
