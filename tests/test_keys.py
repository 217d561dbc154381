"""Keys: signing, key identifiers, the public pool, and what may happen to the files of a vault."""

import base64
import contextlib
import json
import os
import resource
import stat
import subprocess
import sys
import threading
import traceback
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509 import SubjectKeyIdentifier
from hypothesis import given
from hypothesis import strategies as st

from ca.chance import SeededChance
from ca.errors import (
    BadInput,
    KakehashiError,
    KeyRefused,
    PassphraseRefused,
    StorageFailed,
    SuiteRetired,
)
from ca.keys import kinds, pool
from ca.keys.kinds import believed, require_in_token, suite_of
from ca.keys.sealing import Scrypt, WrappingKey
from ca.keys.signer import SoftwareSigner, hasher, key_identifier, verify, verify_digest
from ca.keys.vault import SealedVault, TestVault, key_id
from ca.suites import (
    ML_DSA_44,
    ML_DSA_65,
    ML_DSA_87,
    SHA1_RSA1024,
    SHA1_RSA2048,
    SHA256_P256,
    SHA256_RSA2048,
    SHA256_RSA3072,
    SHA384_P384,
    SUITES,
    KeyFamily,
)
from tests import rings
from tests.suite_keys import OPENSSL_KNOWS, key_for, signer_for

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - it guards nothing
ROOT = Path(__file__).parent.parent
CA = key_id("jpki-13.g1")
OCSP = key_id("jpki-13.g1.ocsp")
WRAPPING = bytes(range(32))
CODE_KEY = bytes(range(32, 64))


def sealed(folder):
    """A sealed vault without the cost of scrypt."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return SealedVault(folder, WrappingKey(WRAPPING), CODE_KEY)


def seeded(folder):
    return TestVault.make(folder, 7)


VAULTS = pytest.mark.parametrize("vault_of", [sealed, seeded])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def key_file(folder, key):
    return folder / f"{key}.key.json"


def spki(public):
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def signer():
    return SoftwareSigner("pool.0", pool.public_test_key(0))


# Signing


@pytest.mark.parametrize(
    ("vault_of", "suite"),
    [(seeded, SHA256_RSA2048), *((sealed, suite) for suite in OPENSSL_KNOWS.values())],
    ids=["seeded", *OPENSSL_KNOWS],
)
def test_openssl_accepts_what_a_vault_signs_and_nothing_else(vault_of, suite, tmp_path):
    signer = vault_of(tmp_path / "keys").create(CA, suite)
    (tmp_path / "message").write_bytes(b"to be signed")
    (tmp_path / "other").write_bytes(b"to be sighed")
    (tmp_path / "signature").write_bytes(signer.sign(b"to be signed", suite))
    (tmp_path / "key.pem").write_bytes(
        load_der_public_key(signer.public_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    judge = ["openssl", "dgst", f"-{suite.digest}", "-verify", "key.pem", "-signature", "signature"]
    verdicts = {
        name: subprocess.run([*judge, name], cwd=tmp_path, capture_output=True, check=False).returncode
        for name in ("message", "other")
    }
    assert verdicts == {"message": 0, "other": 1}


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_right_signature_verifies(suite):
    signer = SoftwareSigner("key", key_for(suite))
    verify(signer.public_key, suite, b"message", signer.sign(b"message", suite))
    with pytest.raises(KeyRefused, match=f"wrong {suite.id} signature"):
        verify(signer.public_key, suite, b"another message", signer.sign(b"message", suite))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda value: value[:-1] + bytes([value[-1] ^ 1]),
        lambda value: value[:-1],
        lambda value: value + b"\0",
        lambda _: b"",
        lambda value: bytes(len(value)),
    ],
)
@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_wrong_signature_is_refused(suite, spoil):
    signer = SoftwareSigner("key", key_for(suite))
    with pytest.raises(KeyRefused, match=f"wrong {suite.id} signature"):
        verify(signer.public_key, suite, b"message", spoil(signer.sign(b"message", suite)))


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_signature_of_another_key_is_refused(suite):
    signer, other = SoftwareSigner("one", key_for(suite)), SoftwareSigner("other", key_for(suite, 1))
    with pytest.raises(KeyRefused):
        verify(other.public_key, suite, b"message", signer.sign(b"message", suite))


@pytest.mark.parametrize("suite", [SHA256_P256, ML_DSA_44])
def test_a_signature_is_another_each_time(suite):
    signer = signer_for(suite)
    assert signer.sign(b"message", suite) != signer.sign(b"message", suite)


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_message_in_parts_is_signed_as_the_whole(suite):
    signer, hashing = signer_for(suite), hasher(signer_for(suite).public_key, suite)
    for part in (b"", b"a mess", b"age", bytes(100_000)):
        hashing.update(part)
    digest, message = hashing.digest(), b"a message" + bytes(100_000)
    verify(signer.public_key, suite, message, signer.sign_digest(digest, suite))
    verify_digest(signer.public_key, suite, digest, signer.sign(message, suite))
    with pytest.raises(KeyRefused, match=f"wrong {suite.id} signature"):
        verify_digest(signer.public_key, suite, digest[::-1], signer.sign(message, suite))


def test_what_ml_dsa_signs_of_a_message_in_parts_has_its_key_in_it():
    first, second = (hasher(signer_for(ML_DSA_44, number).public_key, ML_DSA_44) for number in (0, 1))
    assert first.digest() != second.digest()
    with pytest.raises(KeyRefused, match="has the parameter set 44; the suite ml-dsa-65 needs"):
        hasher(signer_for(ML_DSA_44).public_key, ML_DSA_65)


def test_an_ml_dsa_parameter_set_is_no_other():
    signer = signer_for(ML_DSA_87)
    with pytest.raises(
        KeyRefused, match="has the parameter set 87; the suite ml-dsa-44 needs the parameter set 44"
    ):
        signer.sign(b"message", ML_DSA_44)
    with pytest.raises(KeyRefused, match="has the parameter set 87"):
        verify(signer.public_key, ML_DSA_44, b"message", bytes(2420))


# Which suite it is


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_algorithm_and_key_tell_the_suite(suite):
    assert suite_of(suite.algorithm, signer_for(suite).public_key) is suite


@pytest.mark.parametrize(
    ("like", "bits", "told"),
    [
        (SHA1_RSA2048, 1024, SHA1_RSA1024),
        (SHA1_RSA2048, 3072, SHA1_RSA2048),
        (SHA256_RSA2048, 3072, SHA256_RSA3072),
        (SHA256_RSA2048, 2048, SHA256_RSA2048),
    ],
)
def test_an_rsa_keys_length_tells_the_suite(like, bits, told):
    key = {1024: SHA1_RSA1024, 2048: SHA1_RSA2048, 3072: SHA256_RSA3072}[bits]
    assert suite_of(like.algorithm, signer_for(key).public_key) is told


@pytest.mark.parametrize(
    ("algorithm", "key", "words"),
    [
        (SHA256_RSA2048.algorithm, SHA1_RSA1024, "has 1024 bits"),
        (SHA256_P256.algorithm, SHA384_P384, "has the curve secp384r1"),
        (SHA256_P256.algorithm, SHA256_RSA2048, "is an RSA key"),
        (ML_DSA_65.algorithm, ML_DSA_44, "has the parameter set 44"),
        ("1.2.840.113549.1.1.4", SHA256_RSA2048, "not one that is believed"),  # MD5
    ],
)
def test_what_goes_together_in_no_suite(algorithm, key, words):
    with pytest.raises(KeyRefused, match=words):
        suite_of(algorithm, signer_for(key).public_key)


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_legacy_suites_are_believed_where_they_are_named_and_in_their_time(suite):
    key = signer_for(suite).public_key
    others = set(SUITES) - {suite.id}
    if suite.legacy:
        with pytest.raises(SuiteRetired, match="is believed only where it is named"):
            believed(suite.algorithm, key, suite.verify_until, others)
    else:
        assert believed(suite.algorithm, key, suite.verify_until) is suite
    assert believed(suite.algorithm, key, suite.verify_until, {suite.id}) is suite
    with pytest.raises(SuiteRetired, match="may not verify after"):
        believed(suite.algorithm, key, suite.verify_until + timedelta(seconds=1), {suite.id})


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_new_key_is_one_that_its_suite_signs_with(suite):
    kinds.require_fit("key", key_for(suite), suite)
    if suite.family is KeyFamily.ML_DSA:
        with pytest.raises(KeyRefused, match=f"has no keys for the suite {suite.id}"):
            require_in_token("token t", suite)
    else:
        require_in_token("token t", suite)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_others_may_have_longer_rsa_keys_than_ours(bits):
    other = rsa.generate_private_key(65537, bits)
    signature = other.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
    public = other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    verify(public, SHA256_RSA2048, b"message", signature)
    with pytest.raises(KeyRefused, match="wrong"):
        verify(public, SHA256_RSA2048, b"massage", signature)
    with pytest.raises(KeyRefused, match="cannot serve the suite"):
        verify(public, SHA256_P256, b"message", signature)


def test_a_shorter_rsa_key_is_not_believed():
    other = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    signature = other.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
    public = other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(KeyRefused, match="has 1024 bits"):
        verify(public, SHA256_RSA2048, b"message", signature)


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        (replace(SHA256_RSA2048, key_size=3072), "has 2048 bits"),
        (replace(SHA256_RSA2048, key_size=1024), "has 2048 bits"),
        (SHA256_P256, "cannot serve the suite sha256-p256"),
        (SHA384_P384, "cannot serve the suite sha384-p384"),
    ],
)
@VAULTS
def test_a_suite_that_does_not_fit_the_key_is_refused_everywhere(vault_of, suite, words, signer, tmp_path):
    with pytest.raises(KeyRefused, match=words):
        signer.sign(b"message", suite)
    with pytest.raises(KeyRefused, match=words if suite.key_size != 1024 else "wrong"):
        verify(signer.public_key, suite, b"message", bytes(256))
    vault = vault_of(tmp_path / "keys")
    vault.create(CA, SHA256_RSA2048)
    with pytest.raises(KeyRefused, match=words):
        vault.create(CA, suite)


@pytest.mark.parametrize(
    ("curve", "suite", "words"),
    [
        (
            ec.SECP384R1(),
            SHA256_P256,
            "has the curve secp384r1; the suite sha256-p256 needs the curve secp256r1",
        ),
        (ec.SECP256R1(), SHA384_P384, "has the curve secp256r1"),
        # as long as the right one
        (ec.SECP256K1(), SHA256_P256, "has the curve secp256k1"),
        (ec.BrainpoolP256R1(), SHA256_P256, "has the curve brainpoolP256r1"),
        (ec.SECP256R1(), SHA256_RSA2048, "is an EC key and cannot serve"),
        (ec.SECP256R1(), ML_DSA_44, "is an EC key and cannot serve"),
    ],
)
def test_a_suite_has_its_curve_and_no_other(curve, suite, words):
    signer = SoftwareSigner("key", ec.generate_private_key(curve))
    with pytest.raises(KeyRefused, match=words):
        signer.sign(b"message", suite)
    with pytest.raises(KeyRefused, match=words):
        verify(signer.public_key, suite, b"message", bytes(70))


@pytest.mark.parametrize("suite", [SHA1_RSA1024, SHA256_RSA3072, SHA256_P256, SHA384_P384, ML_DSA_65])
def test_the_pool_has_no_keys_of_other_kinds(suite, tmp_path):
    vault = seeded(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(KeyRefused, match="public test keys: are RSA-2048 keys") as refused:
        vault.create(CA, suite)
    assert "without --test-keys" in refused.value.remedy
    assert contents(tmp_path) == before


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_sealed_key_of_every_suite_opens_again(suite, tmp_path):
    made = sealed(tmp_path).create(CA, suite)
    again = sealed(tmp_path).signer(CA)
    assert again.public_key == made.public_key
    verify(made.public_key, suite, b"message", again.sign(b"message", suite))


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", b"junk" * 5000])
def test_verify_refuses_what_is_no_public_key(octets):
    with pytest.raises(KeyRefused, match="not an RSA, EC or ML-DSA SubjectPublicKeyInfo"):
        verify(octets, SHA256_RSA2048, b"message", bytes(256))


def test_verify_refuses_a_key_of_another_algorithm():
    with pytest.raises(KeyRefused, match="not an RSA, EC or ML-DSA SubjectPublicKeyInfo"):
        verify(spki(ed25519.Ed25519PrivateKey.generate().public_key()), SHA256_P256, b"message", bytes(64))


# Key identifiers


@pytest.mark.parametrize(
    "make",
    [
        lambda: pool.public_test_key(3),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate,
    ],
)
def test_the_key_identifier_is_the_one_that_another_library_computes(make):
    public = make().public_key()
    assert key_identifier(spki(public)) == SubjectKeyIdentifier.from_public_key(public).digest


@given(st.binary(max_size=400))
def test_junk_has_no_key_identifier(octets):
    with pytest.raises(BadInput, match="public key"):
        key_identifier(octets)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda der: der + b"\0",
        lambda der: der[:-1],
        lambda der: b"\x31" + der[1:],
        # the same length in three octets where two do: BER, not DER
        lambda der: b"\x30\x83\x00" + der[2:4] + der[4:],
        # indefinite length
        lambda der: b"\x30\x80" + der[4:] + b"\0\0",
        # one unused bit
        lambda der: der.replace(b"\x03\x82\x01\x0f\x00", b"\x03\x82\x01\x0f\x01"),
        lambda _: b"\x30\xff" + b"\xff" * 200,
        lambda der: der + bytes(9000),
    ],
)
def test_what_is_nearly_a_public_key_has_no_key_identifier(spoil, signer):
    assert spoil(signer.public_key) != signer.public_key
    with pytest.raises(BadInput, match="public key"):
        key_identifier(spoil(signer.public_key))


@given(st.data())
def test_a_changed_public_key_has_another_key_identifier_or_none(data):
    der = spki(pool.public_test_key(0).public_key())
    place = data.draw(st.integers(24, len(der) - 1))  # from the BIT STRING's value on
    changed = der[:place] + bytes([der[place] ^ data.draw(st.integers(1, 255))]) + der[place + 1 :]
    assert key_identifier(changed) != key_identifier(der)


# The pool


def test_the_pool_is_marked_public_before_anything_else():
    head = pool.POOL_FILE.read_text("ascii")[:100]
    assert head.startswith('{"warning": "PUBLIC TEST KEYS: everybody knows their private halves.')


def test_the_pool_is_of_different_sound_keys():
    document = json.loads(pool.POOL_FILE.read_text("ascii"))
    primes = [int.from_bytes(base64.b64decode(text), "big") for pair in document["primes"] for text in pair]
    assert len(set(primes)) == len(primes) == 2 * pool.POOL_SIZE
    # The primes came from a generator of random ones, for which Fermat's test to one base errs next to never.
    assert [p for p in primes if pow(2, p - 1, p) != 1] == []
    for index in range(pool.POOL_SIZE):
        key = pool.public_test_key(index)
        assert key.key_size == 2048
        signer = SoftwareSigner(f"pool.{index}", key)
        verify(signer.public_key, SHA256_RSA2048, b"message", signer.sign(b"message", SHA256_RSA2048))


@given(st.integers(0, 2**63 - 1))
def test_a_seed_orders_the_whole_pool_and_always_alike(seed):
    order = pool.order(SeededChance(seed))
    assert sorted(order) == list(range(pool.POOL_SIZE))
    assert order == pool.order(SeededChance(seed))


def test_the_script_that_made_the_pool_does_not_replace_it():
    before = pool.POOL_FILE.read_bytes()
    run = subprocess.run(
        [sys.executable, "-m", "fixtures.make_test_keys"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "seeded worlds rest on it" in run.stderr
    assert pool.POOL_FILE.read_bytes() == before


# Names


@pytest.mark.parametrize("text", ["jpki-13.g1", "jpki-13.g1.ocsp", "a", "0", "a" * 80])
def test_key_ids(text):
    assert key_id(text) == text


@pytest.mark.parametrize(
    "text", ["", ".", "..", ".hidden", "-a", "a/b", "../a", "A", "a b", "a\n", "a\0", "あ", "a" * 81]
)
@VAULTS
def test_what_is_no_key_id_reaches_no_file(vault_of, text, tmp_path):
    vault = vault_of(tmp_path / "keys")
    before = contents(tmp_path / "keys")
    for ask in (
        lambda: key_id(text),
        lambda: vault.signer(text),
        lambda: vault.create(text, SHA256_RSA2048),
    ):
        with pytest.raises(BadInput, match="key id"):
            ask()
    assert contents(tmp_path / "keys") == before


# Round trips


def test_a_sealed_vault_opens_again_with_its_passphrase_only(tmp_path):
    folder = tmp_path / "home" / "keys"
    vault = SealedVault.make(folder, PASSPHRASE)
    made = {key: vault.create(key, SHA256_RSA2048).public_key for key in (CA, OCSP)}
    before = contents(folder)
    for again in (SealedVault.open(folder, PASSPHRASE), SealedVault.make(folder, PASSPHRASE)):
        assert {key: again.signer(key).public_key for key in made} == made
        assert {key: again.create(key, SHA256_RSA2048).public_key for key in made} == made
        assert again.code_key() == vault.code_key()
        assert len(again.code_key()) == 32
    for refused in (SealedVault.open, SealedVault.make):
        with pytest.raises(PassphraseRefused, match="not the one of this home"):
            refused(folder, PASSPHRASE + "r")
    assert contents(folder) == before


def test_two_sealed_vaults_of_one_passphrase_share_nothing(tmp_path):
    one, other = (SealedVault.make(tmp_path / name, PASSPHRASE) for name in ("one", "other"))
    assert one.code_key() != other.code_key()
    one.create(CA, SHA256_RSA2048)
    key_file(tmp_path / "other", CA).write_bytes(key_file(tmp_path / "one", CA).read_bytes())
    with pytest.raises(KeyRefused, match="not sealed by this home"):
        other.signer(CA)


@pytest.mark.parametrize("passphrase", ["", "short", "eleven char", "か\u3099" * 11, "twelve chars\udcff"])
def test_a_passphrase_too_weak_or_no_text_makes_nothing(passphrase, tmp_path):
    with pytest.raises(PassphraseRefused):
        SealedVault.make(tmp_path / "keys", passphrase)
    assert contents(tmp_path) == {}


def test_a_passphrase_is_the_same_however_its_kana_are_composed(tmp_path):
    composed = unicodedata.normalize("NFC", "がぎぐげござじずぜぞだぢ")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    code_key = SealedVault.make(tmp_path, composed).code_key()
    assert SealedVault.open(tmp_path, decomposed).code_key() == code_key


def test_what_is_written_is_for_the_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        SealedVault.make(tmp_path / "sealed", PASSPHRASE).create(CA, SHA256_RSA2048)
        seeded(tmp_path / "seeded").create(CA, SHA256_RSA2048)
    finally:
        os.umask(before)
    for folder in (tmp_path / "sealed", tmp_path / "seeded"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert set(modes.values()) == {0o600}
        assert len(modes) == 2


def test_making_closes_a_folder_that_stood_open(tmp_path):
    tmp_path.chmod(0o755)
    seeded(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


# Seeded vaults


def test_two_seeded_vaults_are_the_same_to_the_byte(tmp_path):
    one, other = (TestVault.make(tmp_path / name, 2014) for name in ("one", "other"))
    for vault in (one, other):
        for number in range(20):
            vault.create(key_id(f"key-{number}"), SHA256_RSA2048)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    assert one.code_key() == other.code_key() == TestVault.open(tmp_path / "one").code_key()
    assert len(one.code_key()) == 32


def test_another_seed_gives_other_keys(tmp_path):
    one, other = (TestVault.make(tmp_path / str(seed), seed) for seed in (1, 2))
    keys = [key_id(f"key-{number}") for number in range(5)]
    assert [one.create(key, SHA256_RSA2048).public_key for key in keys] != [
        other.create(key, SHA256_RSA2048).public_key for key in keys
    ]
    assert one.code_key() != other.code_key()


def test_an_interrupted_making_is_completed_to_the_same_world(tmp_path):
    keys = [key_id(f"key-{number}") for number in range(8)]
    whole = seeded(tmp_path / "whole")
    for key in keys:
        whole.create(key, SHA256_RSA2048)
    for key in keys[:3]:
        seeded(tmp_path / "resumed").create(key, SHA256_RSA2048)
    (tmp_path / "resumed" / ".key-3.key.json.abc.tmp").write_bytes(b"half a key")
    resumed = seeded(tmp_path / "resumed")
    for key in keys:
        resumed.create(key, SHA256_RSA2048)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


def test_a_pool_that_is_used_up_is_said_so(tmp_path):
    vault = seeded(tmp_path)
    used = {vault.create(key_id(f"key-{n}"), SHA256_RSA2048).public_key for n in range(pool.POOL_SIZE)}
    assert len(used) == pool.POOL_SIZE
    before = contents(tmp_path)
    with pytest.raises(KeyRefused, match="all are taken"):
        vault.create(key_id("one-more"), SHA256_RSA2048)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("seed", [-1, 1 << 63])
def test_a_seed_out_of_range_makes_nothing(seed, tmp_path):
    with pytest.raises(BadInput, match="seed"):
        TestVault.make(tmp_path / "keys", seed)
    assert contents(tmp_path) == {}


# The wrong folder


@pytest.mark.parametrize(
    ("make", "ask", "words"),
    [
        (lambda f: TestVault.make(f, 1), lambda f: SealedVault.open(f, PASSPHRASE), "holds public test keys"),
        (lambda f: TestVault.make(f, 1), lambda f: SealedVault.make(f, PASSPHRASE), "holds public test keys"),
        (lambda f: SealedVault.make(f, PASSPHRASE), TestVault.open, "holds sealed keys"),
        (lambda f: SealedVault.make(f, PASSPHRASE), lambda f: TestVault.make(f, 1), "holds sealed keys"),
        (lambda f: TestVault.make(f, 1), lambda f: TestVault.make(f, 2), "another seed"),
        (lambda _: None, lambda f: SealedVault.open(f, PASSPHRASE), "wrapping.json: is missing"),
        (lambda _: None, TestVault.open, "seed.json: is missing"),
        (
            lambda f: key_file(f, CA).write_bytes(b"{}"),
            lambda f: SealedVault.make(f, PASSPHRASE),
            "keys beside it cannot be opened",
        ),
        (
            lambda f: key_file(f, CA).write_bytes(b"{}"),
            lambda f: TestVault.make(f, 1),
            "keys beside it cannot be opened",
        ),
    ],
)
def test_a_folder_of_another_sort_is_refused_and_left_alone(make, ask, words, tmp_path):
    make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(KeyRefused, match=words):
        ask(tmp_path)
    assert contents(tmp_path) == before


def test_a_test_key_planted_in_a_real_world_is_refused(tmp_path):
    seeded(tmp_path / "seeded").create(CA, SHA256_RSA2048)
    vault = sealed(tmp_path / "sealed")
    key_file(tmp_path / "sealed", CA).write_bytes(key_file(tmp_path / "seeded", CA).read_bytes())
    for ask in (lambda: vault.signer(CA), lambda: vault.create(CA, SHA256_RSA2048)):
        with pytest.raises(KeyRefused, match="is not a sealed key file"):
            ask()


# Damaged files


@VAULTS
def test_a_missing_key_is_refused(vault_of, tmp_path):
    with pytest.raises(KeyRefused, match=r"jpki-13\.g1\.key\.json: is missing"):
        vault_of(tmp_path / "keys").signer(CA)


@VAULTS
def test_swapped_and_renamed_files_are_refused(vault_of, tmp_path):
    vault = vault_of(tmp_path)
    vault.create(CA, SHA256_RSA2048)
    vault.create(OCSP, SHA256_RSA2048)
    ca, ocsp = key_file(tmp_path, CA), key_file(tmp_path, OCSP)
    one, other = ca.read_bytes(), ocsp.read_bytes()
    ca.write_bytes(other)
    ocsp.write_bytes(one)
    for key in (CA, OCSP):
        with pytest.raises(KeyRefused, match="is the file of another key"):
            vault_of(tmp_path).signer(key)


def test_a_swapped_file_is_refused_even_if_it_lies_about_its_name(tmp_path):
    vault = sealed(tmp_path)
    vault.create(CA, SHA256_RSA2048)
    vault.create(OCSP, SHA256_RSA2048)
    lying = key_file(tmp_path, OCSP).read_bytes().replace(OCSP.encode(), CA.encode())
    key_file(tmp_path, CA).write_bytes(lying)
    with pytest.raises(KeyRefused, match="was not sealed by this home"):
        sealed(tmp_path).signer(CA)


def test_parts_of_two_files_do_not_make_a_third(tmp_path):
    vault = sealed(tmp_path)
    vault.create(CA, SHA256_RSA2048)
    vault.create(OCSP, SHA256_RSA2048)
    mixed = json.loads(key_file(tmp_path, CA).read_bytes())
    mixed["private_key"]["secret"] = json.loads(key_file(tmp_path, OCSP).read_bytes())["private_key"][
        "secret"
    ]
    key_file(tmp_path, CA).write_text(json.dumps(mixed))
    with pytest.raises(KeyRefused, match="was not sealed by this home"):
        sealed(tmp_path).signer(CA)


@VAULTS
def test_no_flipped_bit_gives_another_key(vault_of, tmp_path):
    right = vault_of(tmp_path).create(CA, SHA256_RSA2048).public_key
    path = key_file(tmp_path, CA)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            try:
                # A new vault each time, since an opened signer is kept.
                assert reopened(vault_of, tmp_path).signer(CA).public_key == right, (place, bit)
            except KeyRefused:
                refused += 1
    # What is harmless is the wording of the warning, and bits that base64 does not use.
    assert refused > 4 * len(whole)


def reopened(vault_of, folder):
    return vault_of(folder) if vault_of is sealed else TestVault(folder, 7)


@VAULTS
def test_no_changed_byte_and_no_shortened_file_gives_another_key(vault_of, tmp_path):
    right = vault_of(tmp_path).create(CA, SHA256_RSA2048).public_key
    path = key_file(tmp_path, CA)
    whole = path.read_bytes()

    @given(st.integers(0, len(whole) - 1), st.binary(max_size=3), st.integers(0, 3))
    def change(place, put, taken):
        path.write_bytes(whole[:place] + put + whole[place + taken :])
        with contextlib.suppress(KeyRefused):
            assert reopened(vault_of, tmp_path).signer(CA).public_key == right

    change()
    for length in range(len(whole) - 2):  # the last two are the brace and the line's end
        path.write_bytes(whole[:length])
        with pytest.raises(KeyRefused):
            reopened(vault_of, tmp_path).signer(CA)


HOSTILE = {
    "empty": b"",
    "not JSON": b"\x7fELF\x00",
    "not UTF-8": b'{"format": 1, "key": "\xff"}',
    "a list": b"[]",
    "deep": b'{"format": 1, "x": ' + b"[" * 30_000,
    "long": b'{"format": 1, "key": "' + b"a" * 70_000 + b'"}',
    "no format": b"{}",
    "format 0": b'{"format": 0}',
    "format in words": b'{"format": "1"}',
    "format without end": b'{"format": 1' + b"0" * 5_000 + b"}",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", ["jpki-13.g1.key.json", "wrapping.json", "seed.json"])
def test_a_file_of_anything_else_is_refused(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KeyRefused, match="is damaged, or is not"):
        ask_for(name, tmp_path)


@VAULTS
def test_a_file_longer_than_any_key_is_refused_even_if_it_begins_well(vault_of, tmp_path):
    vault_of(tmp_path).create(CA, SHA256_RSA2048)
    with key_file(tmp_path, CA).open("ab") as file:
        file.write(b" " * 70_000)
    with pytest.raises(KeyRefused, match="is damaged, or is not"):
        reopened(vault_of, tmp_path).signer(CA)


@pytest.mark.parametrize("name", ["jpki-13.g1.key.json", "wrapping.json", "seed.json"])
def test_a_file_of_a_newer_format_is_refused_as_such(name, tmp_path):
    (tmp_path / name).write_bytes(b'{"format": 2, "quantum": true}')
    with pytest.raises(KeyRefused, match="has format 2; this version reads formats up to 1"):
        ask_for(name, tmp_path)


@pytest.mark.parametrize("name", ["jpki-13.g1.key.json", "wrapping.json", "seed.json"])
def test_a_folder_in_a_files_place_is_refused(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(KeyRefused, match="cannot be read"):
        ask_for(name, tmp_path)


def ask_for(name, folder):
    if name == "wrapping.json":
        SealedVault.open(folder, PASSPHRASE)
    elif name == "seed.json":
        TestVault.open(folder)
    else:
        sealed(folder).signer(CA)


@pytest.mark.parametrize(
    "costs", [{"n": 1 << 30}, {"n": 1 << 10}, {"n": 100_000}, {"r": 1 << 20}, {"p": 1000}, {"salt": ""}]
)
def test_a_file_cannot_demand_what_no_vault_needs(costs, tmp_path):
    SealedVault.make(tmp_path, PASSPHRASE)
    path = tmp_path / "wrapping.json"
    document = json.loads(path.read_bytes())
    document["scrypt"].update(costs)
    path.write_text(json.dumps(document))
    with pytest.raises(KeyRefused):
        SealedVault.open(tmp_path, PASSPHRASE)


@pytest.mark.parametrize(("n", "p"), [(1 << 18, 1), (1 << 16, 4)])
def test_the_highest_costs_that_are_accepted_can_be_paid(n, p):
    key = WrappingKey.derive(PASSPHRASE, Scrypt(salt=bytes(16), n=n, p=p))
    key.require(key.check_value(), Path("wrapping.json"))


def test_a_damaged_code_key_is_not_taken_for_a_wrong_passphrase(tmp_path):
    SealedVault.make(tmp_path, PASSPHRASE)
    path = tmp_path / "wrapping.json"
    document = json.loads(path.read_bytes())
    document["code_key"]["secret"] = base64.b64encode(bytes(60)).decode()
    path.write_text(json.dumps(document))
    with pytest.raises(KeyRefused, match="residents' code key"):
        SealedVault.open(tmp_path, PASSPHRASE)


# Threads


@VAULTS
def test_threads_share_one_signer_and_sign_rightly(vault_of, tmp_path):
    vault = vault_of(tmp_path)
    together = threading.Barrier(8)

    def work(number):
        together.wait()
        signer = vault.create(CA, SHA256_RSA2048)
        message = str(number).encode()
        verify(signer.public_key, SHA256_RSA2048, message, signer.sign(message, SHA256_RSA2048))
        return signer

    with ThreadPoolExecutor(8) as threads:
        signers = list(threads.map(work, range(8)))
    assert len(set(map(id, signers))) == 1
    assert signers[0] is vault.signer(CA)


def test_of_two_makers_of_one_key_the_first_stays(tmp_path):
    vaults = [sealed(tmp_path) for _ in range(4)]
    together = threading.Barrier(4)

    def make(vault):
        together.wait()
        return vault.create(CA, SHA256_RSA2048).public_key

    with ThreadPoolExecutor(4) as threads:
        made = set(threads.map(make, vaults))
    assert made == {sealed(tmp_path).signer(CA).public_key}
    assert [path.name for path in tmp_path.iterdir()] == [key_file(tmp_path, CA).name]


# Crashes. The nursery starts Python once and forks a child for each crash, which keeps twenty of them short.

NURSERY = """
import os, random, signal, sys, time
from pathlib import Path
from ca.errors import KeyRefused
from ca.keys.sealing import WrappingKey
from ca.keys.vault import SealedVault, TestVault, key_id
from ca.suites import SHA256_RSA2048

folder, kind, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def vault():
    if kind == "seeded":
        return TestVault(folder, 7)
    return SealedVault(folder, WrappingKey(bytes(range(32))), bytes(32))

def run(child):
    pid = os.fork()
    if pid == 0:
        try:
            child()
        finally:
            os._exit(3)
    return pid

def endless(number):
    keys = vault()
    try:
        for count in range(1000):
            keys.create(key_id(f"k{number}-{count}"), SHA256_RSA2048)
    except KeyRefused:  # the pool is used up
        signal.pause()

def stopping_at(step):
    # The interpreter announces each step that touches the system; the process dies at one of them, all in turn.
    keys, left = vault(), step
    def announce(event, arguments):
        nonlocal left
        # Reading keys is left out: the more keys there are, the more steps it takes.
        reading = event == "open" and str(arguments[0]).endswith(".key.json")
        if event.partition(".")[0] in {"open", "os", "tempfile"} and not reading:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(announce)
    keys.create(key_id(f"k{step}"), SHA256_RSA2048)
    os._exit(0)

kills = 0
if how == "at random":
    chance = random.Random(5)
    for number in range(int(sys.argv[4])):
        pid = run(lambda: endless(number))
        time.sleep(chance.uniform(0, 0.02 if kind == "seeded" else 0.12))
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status), status
        kills += 1
else:
    for step in range(1, 1000):
        status = os.waitpid(run(lambda: stopping_at(step)), 0)[1]
        if not os.WIFSIGNALED(status):
            assert status == 0, status
            break
        kills += 1
print(kills)
"""


@pytest.mark.deeper
@pytest.mark.parametrize("how", ["at random", "at every step"])
@VAULTS
def test_killed_processes_leave_whole_keys_only(vault_of, how, tmp_path):
    vault_of(tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", NURSERY, tmp_path, vault_of.__name__, how, str(rings.KILLS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 5
    names = {path.name.removesuffix(".key.json") for path in tmp_path.glob("*.key.json")}
    vault = reopened(vault_of, tmp_path)
    signers = [vault.signer(key_id(name)) for name in names]
    for signer in signers:
        verify(signer.public_key, SHA256_RSA2048, b"message", signer.sign(b"message", SHA256_RSA2048))
    assert len({signer.public_key for signer in signers}) == len(names) > 0


def test_making_again_clears_what_a_killed_process_left(tmp_path):
    vault = SealedVault.make(tmp_path, PASSPHRASE)
    vault.create(CA, SHA256_RSA2048)
    before = contents(tmp_path)
    (tmp_path / ".xyz.tmp").write_bytes(b"half a key")
    SealedVault.make(tmp_path, PASSPHRASE)
    assert contents(tmp_path) == before


# A full disk


@contextlib.contextmanager
def disk_of_64_kib(folder):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "kakehashi-test", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small disk needs the right to mount; files of limited size are tested everywhere")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("left", [0, 1])
@VAULTS
def test_a_full_disk_leaves_the_folder_as_it_was(vault_of, left, tmp_path):
    disk = tmp_path / "disk"
    with disk_of_64_kib(disk):
        vault = vault_of(disk / "keys")
        vault.create(CA, SHA256_RSA2048)
        with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(4096))
        # The temporary file can be made where its content has no room.
        os.truncate(disk / "ballast", (disk / "ballast").stat().st_size - left)
        before = contents(disk / "keys")
        with pytest.raises(StorageFailed, match="No space left on device"):
            vault.create(OCSP, SHA256_RSA2048)
        with pytest.raises(StorageFailed, match="No space left on device"):
            SealedVault.make(disk / "more", PASSPHRASE)
        assert contents(disk / "keys") == before
        (disk / "ballast").unlink()
        vault.create(OCSP, SHA256_RSA2048)


@contextlib.contextmanager
def files_of_at_most(octets):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("octets", [0, 1, 100])
@VAULTS
def test_a_file_that_cannot_grow_is_not_left_half_written(vault_of, octets, tmp_path):
    vault = vault_of(tmp_path)
    vault.create(CA, SHA256_RSA2048)
    before = contents(tmp_path)
    with files_of_at_most(octets):
        with pytest.raises(StorageFailed, match="File too large"):
            vault.create(OCSP, SHA256_RSA2048)
        with pytest.raises(StorageFailed, match="File too large"):
            TestVault.make(tmp_path / "more", 1)
    assert contents(tmp_path / "more") == {}
    (tmp_path / "more").rmdir()
    assert contents(tmp_path) == before
    vault.create(OCSP, SHA256_RSA2048)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFailed, match="cannot be made a folder of keys"):
        TestVault.make(tmp_path / "file" / "keys", 1)


# Secrets


def test_nothing_secret_shows_in_objects_or_errors(tmp_path):
    vault = SealedVault.make(tmp_path / "sealed", PASSPHRASE)
    signer = vault.create(CA, SHA256_RSA2048)
    test_vault = seeded(tmp_path / "seeded")
    shown = [repr(thing) + str(thing) for thing in (vault, signer, test_vault, vault._wrapping)]

    path = key_file(tmp_path / "sealed", CA)
    whole = path.read_bytes()
    wrong = "wrong " + PASSPHRASE
    no_text = "\udcff" + PASSPHRASE

    def spoilt(content):
        path.write_bytes(content)
        SealedVault(tmp_path / "sealed", vault._wrapping, vault.code_key()).signer(CA)

    asks = [
        lambda: SealedVault.open(tmp_path / "sealed", wrong),
        lambda: SealedVault.open(tmp_path / "sealed", no_text),
        lambda: SealedVault.make(tmp_path / "new", no_text),
        lambda: SealedVault.make(tmp_path / "new", PASSPHRASE[:11]),
        lambda: signer.sign(b"message", replace(SHA256_RSA2048, key_size=3072)),
        lambda: verify(signer.public_key, SHA256_RSA2048, b"message", bytes(256)),
        lambda: vault.signer(OCSP),
        lambda: spoilt(whole[:100]),
        lambda: spoilt(whole.replace(b'"secret": "', b'"secret": "AAAA')),
        lambda: spoilt(whole.replace(CA.encode(), OCSP.encode())),
    ]
    for ask in asks:
        with pytest.raises(KakehashiError) as caught:
            ask()
        error = caught.value
        while error is not None:
            shown.append("".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)))
            error = error.__context__ or error.__cause__
    numbers = signer._private.private_numbers()
    private = [numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp]
    secrets = [PASSPHRASE[:11], *map(str, private), *(f"{number:x}" for number in private)]
    for octets in (vault.code_key(), test_vault.code_key()):
        secrets += [octets.hex(), repr(octets)[2:-1], base64.b64encode(octets).decode()]
    assert [secret for secret in secrets for text in shown if secret in text] == []


def test_nothing_on_the_disk_holds_a_private_key_in_the_clear(tmp_path):
    vault = SealedVault.make(tmp_path, PASSPHRASE)
    key = vault.create(CA, SHA256_RSA2048)._private
    assert isinstance(key, rsa.RSAPrivateKey)
    prime = key.private_numbers().p.to_bytes(128, "big")
    for content in contents(tmp_path).values():
        decoded = [base64.b64decode(text) for text in strings(json.loads(content)) if len(text) % 4 == 0]
        assert len(decoded) >= 2
        assert [text for text in decoded if prime[8:24] in text or vault.code_key() in text] == []


def strings(document):
    if isinstance(document, dict):
        return [text for value in document.values() for text in strings(value)]
    return [document] if isinstance(document, str) else []
