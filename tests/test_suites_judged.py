"""What is issued under each suite of today and tomorrow, before judges that are not ours.

=========================  ========================  ======================================  =================
judge                      which suites              what it decides on                      knows a list's no
=========================  ========================  ======================================  =================
OpenSSL 3.0, ``verify``    RSA, EC                   the path, its policies, its lists       yes
OpenSSL 3.5, Node's        all                       each signature; who has issued whom     -
JDK 17                     RSA, EC                   the path, its policies, its lists       yes
JDK 25                     all                       the same                                yes
pyhanko-certvalidator      all                       the same                                yes
cryptography               all                       each signature; who has issued whom     -
=========================  ========================  ======================================  =================

Each of them refuses a signature of which one bit is another. Legacy suites: tests/test_japan_2008.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import PathValidationError, RevokedError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy, PKIXValidationParams
from pyhanko_certvalidator.validate import validate_path

from bridge.manifest import Marking
from bridge.relying.rejection import PathRejected
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.suites import SUITES, KeyFamily, Suite
from front.demo.openssl import write_certificate
from tests.java_judge import JavaJudge, Question
from tests.modern_judges import NodeJudge, Signed, modern_java, of_answer, of_certificate, of_list, of_message
from tests.suite_world import Nation, make_nation

pytestmark = pytest.mark.long

TODAY = tuple(suite for suite in SUITES.values() if not suite.legacy)
OLD_JUDGES_KNOW = tuple(suite for suite in TODAY if suite.family is not KeyFamily.ML_DSA)


@pytest.fixture(scope="module")
def nations(tmp_path_factory) -> Callable[[Suite], Nation]:
    return cache(lambda suite: make_nation(tmp_path_factory.mktemp(suite.id), suite))


@pytest.fixture
def nation(request, nations) -> Nation:
    return nations(request.param)


@pytest.fixture(scope="module")
def node() -> NodeJudge:
    return NodeJudge.found()


@pytest.fixture(scope="module")
def jdk17(tmp_path_factory) -> JavaJudge:
    return JavaJudge.compiled(tmp_path_factory.mktemp("jdk17"))


@pytest.fixture(scope="module")
def jdk25(tmp_path_factory) -> JavaJudge:
    return modern_java(tmp_path_factory.mktemp("jdk25"))


each_suite = pytest.mark.parametrize("nation", TODAY, indirect=True, ids=lambda suite: suite.id)
each_known = pytest.mark.parametrize("nation", OLD_JUDGES_KNOW, indirect=True, ids=lambda suite: suite.id)


def flipped(octets: bytes) -> bytes:
    """With one bit another in the last octet: of a signature that stands last, whatever it is inside."""
    return octets[:-1] + bytes((octets[-1] ^ 1,))


def a_bit_of_each(nation: Nation) -> Iterator[Nation]:
    """The nation with one bit wrong: in the holder's certificate, a cross-certificate, the holder's list, a bridge's."""
    yield replace(nation, good=replace(nation.good, encoded=flipped(nation.good.encoded)))
    yield replace(nation, chain=(flipped(nation.chain[0]), *nation.chain[1:]))
    *above, partition = nation.lists
    yield replace(nation, lists=(*above, flipped(partition)))
    yield replace(nation, lists=(above[0], flipped(above[1]), partition))


def signatures(nation: Nation) -> list[tuple[bytes, Signed]]:
    """(who signed, what) of everything that the nation shows."""
    answer, responder = of_answer(nation.answer)
    message, repository, digest = of_message(nation.signed)
    assert digest == getattr(hashlib, nation.suite.digest)(nation.content).digest()
    bridge, prefecture = nation.chain
    return [
        *zip(nation.issuers, map(of_certificate, nation.path), strict=True),
        *zip(nation.issuers, map(of_list, nation.lists), strict=True),
        (nation.anchor, of_certificate(nation.anchor)),
        (prefecture, of_certificate(responder)),
        (responder, answer),
        (bridge, of_certificate(repository)),
        (repository, message),
    ]


def wrongly_signed(nation: Nation) -> list[tuple[bytes, Signed]]:
    return [(by, replace(signed, signature=flipped(signed.signature))) for by, signed in signatures(nation)]


# Everything that a nation signs is signed under its suite.


@each_suite
def test_all_of_it_is_signed_under_the_suite(nation):
    assert {signed.algorithm for _, signed in signatures(nation)} == {nation.suite.algorithm}


@each_suite
def test_we_say_valid_and_revoked(nation):
    trust = Trust((nation.anchor,), frozenset(nation.policies), Marking.TEST)
    verify(nation.good.encoded, nation.snapshot, trust, nation.at)
    for encoded, reason in (
        (nation.revoked.encoded, "revoked"),
        (flipped(nation.good.encoded), "signature"),
    ):
        with pytest.raises(PathRejected) as refused:
            verify(encoded, nation.snapshot, trust, nation.at)
        assert refused.value.reason.value == reason


# OpenSSL


@each_known
def test_openssl_3_0_verifies_the_path(nation, tmp_path):
    openssl = nation.openssl(tmp_path / "openssl")
    bad = replace(nation.good, encoded=flipped(nation.good.encoded))
    words = [
        openssl.verify(
            write_certificate(tmp_path / f"{number}.pem", item.encoded), item.id.generation, item.record.scope,
            at=nation.at,
        ).words
        for number, item in enumerate((nation.good, nation.revoked, bad))
    ]  # fmt: skip
    assert words == ["OK", "error 23: certificate revoked", "error 7: certificate signature failure"]


@each_suite
def test_openssl_3_5_finds_each_signature_right(nation, node):
    assert tuple(map(int, node.version().split(".")[:2])) >= (3, 5)
    assert set(node.signed(signatures(nation))) == {"right"}
    assert set(node.signed(wrongly_signed(nation))) == {"wrong"}


@each_suite
def test_openssl_3_5_knows_who_has_issued_whom(nation, node):
    pairs = list(zip(nation.issuers, nation.path, strict=True))
    assert node.issued(pairs) == ["right"] * len(pairs)
    strangers = [(issuer, nation.path[-1]) for issuer in nation.issuers[:-1]]
    assert set(node.issued(strangers)) == {"wrong"}
    assert set(node.issued((issuer, flipped(encoded)) for issuer, encoded in pairs)) == {"wrong"}


# Java


def question(nation: Nation, target: bytes) -> Question:
    drawn = (target, *reversed(nation.chain))
    return Question(target, nation.anchor, nation.chain, nation.lists, nation.policies, nation.at, drawn)


def java_judges(nation: Nation, java: JavaJudge) -> None:
    wrong = [question(one, one.good.encoded) for one in a_bit_of_each(nation)]
    good, revoked, *refused = java.judge(
        [question(nation, nation.good.encoded), question(nation, nation.revoked.encoded), *wrong]
    )
    assert good == "valid 3"
    assert revoked.startswith("refused REVOKED")
    assert [answer.split(":")[0] for answer in refused] == [
        "refused INVALID_SIGNATURE",
        "refused INVALID_SIGNATURE",
        "refused UNDETERMINED_REVOCATION_STATUS",
        "refused UNDETERMINED_REVOCATION_STATUS",
    ]


@each_known
def test_jdk_17_verifies_the_path_with_its_lists(nation, jdk17):
    java_judges(nation, jdk17)


@each_suite
def test_jdk_25_verifies_the_path_with_its_lists(nation, jdk25):
    java_judges(nation, jdk25)


# Python's


def by_certvalidator(nation: Nation, target: bytes) -> None:
    asked = PKIXValidationParams(
        user_initial_policy_set=frozenset(nation.policies), initial_explicit_policy=True
    )
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(nation.anchor)],
        moment=nation.at,
        crls=[asn1_crl.CertificateList.load(one) for one in nation.lists],
        other_certs=[asn1_x509.Certificate.load(one) for one in nation.chain],
        revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO),
    )
    anchor = CertTrustAnchor(asn1_x509.Certificate.load(nation.anchor))
    between = [asn1_x509.Certificate.load(one) for one in nation.chain]
    validate_path(
        context, ValidationPath(anchor, between, asn1_x509.Certificate.load(target)), parameters=asked
    )


@each_suite
def test_pyhankos_validator_verifies_the_path_with_its_lists(nation):
    by_certvalidator(nation, nation.good.encoded)
    with pytest.raises(RevokedError):
        by_certvalidator(nation, nation.revoked.encoded)
    for wrong in a_bit_of_each(nation):
        with pytest.raises(PathValidationError):
            by_certvalidator(wrong, wrong.good.encoded)


DIGESTS = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}


def by_cryptography(suite: Suite, signer: bytes, signed: Signed) -> None:
    key = x509.load_der_x509_certificate(signer).public_key()
    match key:
        case rsa.RSAPublicKey():
            key.verify(signed.signature, signed.message, padding.PKCS1v15(), DIGESTS[suite.digest])
        case ec.EllipticCurvePublicKey():
            key.verify(signed.signature, signed.message, ec.ECDSA(DIGESTS[suite.digest]))
        case _:
            key.verify(signed.signature, signed.message)


@each_suite
def test_cryptography_finds_each_signature_right(nation):
    for signer, signed in signatures(nation):
        by_cryptography(nation.suite, signer, signed)
    for signer, signed in wrongly_signed(nation):
        with pytest.raises(InvalidSignature):
            by_cryptography(nation.suite, signer, signed)


@each_suite
def test_cryptography_knows_who_has_issued_what(nation):
    issuers = [x509.load_der_x509_certificate(one) for one in nation.issuers]
    for issuer, encoded, listed in zip(issuers, nation.path, nation.lists, strict=True):
        x509.load_der_x509_certificate(encoded).verify_directly_issued_by(issuer)
        assert x509.load_der_x509_crl(listed).is_signature_valid(issuer.public_key())
        with pytest.raises(InvalidSignature):
            x509.load_der_x509_certificate(flipped(encoded)).verify_directly_issued_by(issuer)
        assert not x509.load_der_x509_crl(flipped(listed)).is_signature_valid(issuer.public_key())
