"""Certification requests: what is taken, what is refused and how it is said, and that nothing else ever happens."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import csr, keys, pem, x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import CsrRefused
from ca.issuing.intake import MAXIMUM_SIZE, read_csr
from ca.issuing.subject_keys import require_key
from ca.names import Attribute, DirectoryName
from ca.suites import (
    ML_DSA_44,
    ML_DSA_65,
    ML_DSA_65_KEYS,
    P256_KEYS,
    P384_KEYS,
    RSA1024_KEYS,
    RSA2048_KEYS,
    RSA3072_KEYS,
    SHA1_RSA1024,
    SHA1_RSA2048,
    SHA256_P256,
    SHA256_RSA2048,
    SHA256_RSA3072,
    SHA384_P384,
    Curve,
    KeyFamily,
    SubjectKeyRule,
    Suite,
)
from ca.wire import der, walk
from ca.wire.names import encode_name
from ca.wire.tbs import signed
from tests import components, rings
from tests.engine_world import csr_for, holder_key
from tests.suite_keys import signer_for

PLACE = "signature request"
REQUEST = csr_for(1)
KEY = holder_key(1).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

P256, P384 = ("EC", "ec_paramgen_curve:P-256"), ("EC", "ec_paramgen_curve:P-384")


def read(data: bytes) -> bytes:
    return read_csr(data, RSA2048_KEYS, PLACE)


def openssl(*arguments: object) -> bytes:
    command = ["openssl", *(str(word) for word in arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


@cache
def key_file(folder: Path, *options: str) -> Path:
    file = folder / f"{'-'.join(options).replace(':', '-')}.pem"
    words = [word for option in options[1:] for word in ("-pkeyopt", option)]
    openssl("genpkey", "-algorithm", options[0], *words, "-out", file)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("requests")


def request(
    folder: Path, *options: str, digest: str = "-sha256", form: str = "DER", more: tuple[str, ...] = ()
) -> bytes:
    key = key_file(folder, *options)
    return openssl("req", "-new", "-key", key, digest, "-subj", "/C=JP/CN=holder", "-outform", form, *more)


# What is taken.


@pytest.mark.parametrize("form", ["DER", "PEM"])
@pytest.mark.parametrize("digest", ["-sha256", "-sha384", "-sha512"])
def test_what_openssl_requests_is_taken(folder: Path, digest: str, form: str) -> None:
    options = ("RSA", "rsa_keygen_bits:2048")
    taken = read(request(folder, *options, digest=digest, form=form))
    own = openssl("pkey", "-in", key_file(folder, *options), "-pubout", "-outform", "DER")
    assert taken == own


def test_longer_keys_are_taken(folder: Path) -> None:
    options = ("RSA", "rsa_keygen_bits:3072")
    assert len(read(request(folder, *options))) > len(KEY)


def test_other_pem_around_the_request_is_no_hindrance(folder: Path) -> None:
    armored = pem.armor("NEW CERTIFICATE REQUEST", REQUEST)
    assert read(armored) == KEY
    assert read(armored.replace(b"\n", b"\r\n")) == KEY
    text = request(folder, "RSA", "rsa_keygen_bits:2048", form="PEM", more=("-text",))
    assert text.startswith(b"Certificate Request:")
    assert read(text) == read(request(folder, "RSA", "rsa_keygen_bits:2048"))


def test_the_names_and_extensions_asked_for_do_not_matter(folder: Path) -> None:
    asking = request(
        folder,
        "RSA",
        "rsa_keygen_bits:2048",
        more=("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "subjectAltName=DNS:example.jp"),
    )
    assert read(asking) == read(request(folder, "RSA", "rsa_keygen_bits:2048"))


TOOLS_RULE = SubjectKeyRule(RSA2048_KEYS.rsa, frozenset(Curve))


def own_key(data: bytes, folder: Path) -> bytes:
    """The key that OpenSSL finds in a request, once it has checked the signature."""
    file = folder / "theirs.csr"
    file.write_bytes(data)
    public = openssl("req", "-in", file, "-verify", "-noout", "-pubkey")
    return pem.unarmor(public)[2]


@pytest.mark.parametrize("digest", ["SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize("key", [("RSA", "rsa_keygen_bits:2048"), P256, P384], ids=lambda key: key[-1])
def test_what_gnutls_requests_is_taken(folder: Path, key: tuple[str, ...], digest: str) -> None:
    certtool = components.require("certtool")
    template = folder / "template"
    template.write_text("cn = holder\ncountry = JP\n")
    made = subprocess.run(
        [certtool, "--generate-request", "--load-privkey", key_file(folder, *key), "--template", template, "--hash", digest],
        check=True,
        capture_output=True,
    ).stdout  # fmt: skip
    assert read_csr(made, TOOLS_RULE, PLACE) == own_key(made, folder)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-keyalg", "RSA", "-keysize", "2048"), None),
        (("-keyalg", "RSA", "-keysize", "1024"), "its RSA key has 1024 bits"),
        (("-keyalg", "EC", "-groupname", "secp256r1"), None),
        (("-keyalg", "EC", "-groupname", "secp384r1"), None),
        (("-keyalg", "EC", "-groupname", "secp521r1"), "holds an EC key on the curve 1.3.132.0.35"),
    ],
    ids=lambda value: "-".join(value[1::2]) if isinstance(value, tuple) else "",
)
def test_what_java_requests_is_taken(tmp_path: Path, words: tuple[str, ...], said: str | None) -> None:
    keytool = components.require("keytool")
    common = ["-keystore", tmp_path / "keys.p12", "-storepass", "changeit", "-alias", "holder"]
    for command in (
        ("-genkeypair", "-dname", "CN=holder, C=JP", *words),
        ("-certreq", "-file", tmp_path / "csr"),
    ):
        subprocess.run([keytool, *command, *common], check=True, capture_output=True)
    made = (tmp_path / "csr").read_bytes()
    assert b"NEW CERTIFICATE REQUEST" in made
    if said is None:
        assert read_csr(made, TOOLS_RULE, PLACE) == own_key(made, tmp_path)
    else:
        with pytest.raises(CsrRefused, match=said):
            read_csr(made, TOOLS_RULE, PLACE)


def test_a_request_signed_with_pss_is_taken(folder: Path) -> None:
    options = ("RSA", "rsa_keygen_bits:2048")
    with_pss = request(folder, *options, more=("-sigopt", "rsa_padding_mode:pss"))
    assert read(with_pss) == read(request(folder, *options))


# RFC 4055 2.1
SHA256, SHA512 = (der.sequence(der.oid(f"2.16.840.1.101.3.4.2.{last}"), der.NULL) for last in (1, 3))
MGF1 = der.sequence(der.oid("1.2.840.113549.1.1.8"), SHA256)


def pss(folder: Path, *options: str, digest: str = "-sha256") -> bytes:
    words = [word for option in ("rsa_padding_mode:pss", *options) for word in ("-sigopt", option)]
    return request(folder, "RSA", "rsa_keygen_bits:2048", digest=digest, more=tuple(words))


def pss_under(folder: Path, *parameters: bytes) -> bytes:
    """A request that is rightly signed with SHA-256 and a salt of 32 octets, under these parameters (RFC 4055 3.1)."""
    right = pss(folder, "rsa_pss_saltlen:32")
    inner, _, signature = (part.whole(right) for part in walk.frame(right))
    return der.sequence(inner, der.sequence(der.oid("1.2.840.113549.1.1.10"), *parameters), signature)


def usual(*more: bytes, digest: bytes = SHA256, mask: bytes = MGF1) -> bytes:
    return der.sequence(der.context(0, digest), der.context(1, mask), der.context(2, der.integer(32)), *more)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda folder: pss(folder, "rsa_pss_saltlen:0"), RSA2048_KEYS),
        (lambda folder: pss(folder, digest="-sha512"), RSA2048_KEYS),
        (lambda folder: pss(folder, digest="-sha1"), RSA1024_KEYS),
        (lambda folder: pss_under(folder, usual()), RSA2048_KEYS),
        (lambda folder: pss_under(folder, usual(der.context(3, der.integer(1)))), RSA2048_KEYS),
    ],
    ids=["without salt", "SHA-512", "SHA-1 in the past", "put together", "the usual trailer, named"],
)
def test_usual_pss_is_taken(make: Callable[[Path], bytes], rule: SubjectKeyRule, folder: Path) -> None:
    assert read_csr(make(folder), rule, PLACE) == read(request(folder, "RSA", "rsa_keygen_bits:2048"))


ODD_PSS = (
    "its RSASSA-PSS parameters are not a digest, MGF1 with it, a salt and the usual trailer (RFC 4055 3.1)"
)
MASKED = "its RSASSA-PSS signature is masked with another digest than sha256 (RFC 4055 3.1)"


@pytest.mark.parametrize(
    ("make", "rule", "said"),
    [
        (lambda folder: pss(folder, "rsa_mgf1_md:sha1"), RSA2048_KEYS, MASKED),
        (lambda folder: pss(folder, "rsa_mgf1_md:sha1"), RSA1024_KEYS, MASKED),
        (lambda folder: pss(folder, "rsa_mgf1_md:sha512"), RSA2048_KEYS, MASKED),
        (lambda folder: pss(folder, digest="-sha1"), RSA2048_KEYS, "is signed with sha1"),
        (lambda folder: pss_under(folder, der.sequence()), RSA2048_KEYS, "is signed with sha1"),
        (lambda folder: pss_under(folder, usual(der.context(3, der.integer(2)))), RSA2048_KEYS, ODD_PSS),
        (lambda folder: pss_under(folder, usual(mask=der.sequence(der.oid("1.2.3"), SHA256))), RSA2048_KEYS, ODD_PSS),
        (pss_under, RSA2048_KEYS, ODD_PSS),
        (lambda folder: pss_under(folder, usual(digest=SHA512)), RSA2048_KEYS, "masked with another digest than sha512"),
    ],
    ids=[
        "a mask of SHA-1", "also in the past", "a mask of SHA-512", "SHA-1", "all by default, which is SHA-1",
        "another trailer", "another mask generation", "no parameters", "another digest",
    ],
)  # fmt: skip
def test_odd_pss_is_refused_by_name(
    make: Callable[[Path], bytes], rule: SubjectKeyRule, said: str, folder: Path
) -> None:
    with pytest.raises(CsrRefused) as refused:
        read_csr(make(folder), rule, PLACE)
    assert said in str(refused.value)


@pytest.mark.parametrize("digest", ["-sha256", "-sha384", "-sha512"])
@pytest.mark.parametrize(("options", "rule"), [(P256, P256_KEYS), (P384, P384_KEYS)], ids=["P-256", "P-384"])
def test_curves_are_taken_where_the_rule_names_them(
    folder: Path, options: tuple[str, ...], rule: SubjectKeyRule, digest: str
) -> None:
    taken = read_csr(request(folder, *options, digest=digest), rule, PLACE)
    assert taken == openssl("pkey", "-in", key_file(folder, *options), "-pubout", "-outform", "DER")


def by_ours(suite: Suite, *, under: Suite | None = None, message: bytes = b"") -> bytes:
    """A request for a key of this suite, signed by it; or under another algorithm's name, or over something else."""
    signer = signer_for(suite)
    name = encode_name(DirectoryName(((Attribute.CN, "HANAKO0001"),)))
    info = der.sequence(der.integer(0), name, signer.public_key, der.context(0))
    return signed(info, under or suite, signer.sign(message or info, suite))


@pytest.mark.parametrize(
    ("suite", "rule"),
    [
        (SHA1_RSA1024, RSA1024_KEYS),
        (SHA1_RSA2048, RSA1024_KEYS),
        (SHA256_RSA2048, RSA1024_KEYS),
        (SHA256_RSA3072, RSA3072_KEYS),
        (SHA384_P384, P384_KEYS),
        (ML_DSA_65, ML_DSA_65_KEYS),
    ],
    ids=lambda one: getattr(one, "id", str(one)),
)
def test_keys_of_each_suite_are_taken_where_the_rule_names_them(suite: Suite, rule: SubjectKeyRule) -> None:
    assert read_csr(by_ours(suite), rule, PLACE) == signer_for(suite).public_key
    with pytest.raises(CsrRefused, match="does not prove possession"):
        read_csr(by_ours(suite, message=b"something else"), rule, PLACE)


@pytest.mark.parametrize(
    ("made", "rule", "words"),
    [
        (lambda: by_ours(SHA1_RSA2048), RSA2048_KEYS, "is signed with sha1"),
        (lambda: by_ours(SHA1_RSA1024), replace(RSA2048_KEYS, sha1=True), "has 1024 bits; 2048 are the least"),
        (lambda: by_ours(SHA256_RSA2048), RSA3072_KEYS, "has 2048 bits; 3072 are the least"),
        (lambda: by_ours(ML_DSA_65), RSA2048_KEYS, "holds an ML-DSA-65 key; certified is RSA"),
        (lambda: by_ours(ML_DSA_44), ML_DSA_65_KEYS, "holds an ML-DSA-44 key; certified is ML-DSA-65"),
        (lambda: by_ours(SHA256_RSA2048), ML_DSA_65_KEYS, "holds an RSA key; certified is ML-DSA-65"),
        (lambda: by_ours(ML_DSA_65, under=ML_DSA_44), ML_DSA_65_KEYS, "another algorithm than its key's"),
        (lambda: by_ours(ML_DSA_65, under=SHA256_RSA2048), ML_DSA_65_KEYS, "another algorithm than its key's"),
        (lambda: by_ours(SHA256_RSA2048, under=ML_DSA_65), RSA2048_KEYS, "is signed with an unknown digest"),
    ],
    ids=[
        "SHA-1 today", "short", "shorter", "no lattices", "another set", "lattices alone", "another set's name",
        "RSA's name", "a lattice's name",
    ],
)  # fmt: skip
def test_keys_and_requests_that_the_rule_does_not_name(
    made: Callable[[], bytes], rule: SubjectKeyRule, words: str
) -> None:
    with pytest.raises(CsrRefused, match=words):
        read_csr(made(), rule, PLACE)


@pytest.mark.parametrize(
    ("algorithm", "octets", "words"),
    [
        (der.sequence(der.oid(ML_DSA_65.algorithm)), 1951, "is not one of ML-DSA-65"),
        (der.sequence(der.oid(ML_DSA_65.algorithm)), 0, "is not one of ML-DSA-65"),
        (der.sequence(der.oid(ML_DSA_65.algorithm), der.NULL), 1952, "its ML-DSA key has parameters"),
    ],
)
def test_ml_dsa_keys_of_another_form(algorithm: bytes, octets: int, words: str) -> None:
    with pytest.raises(CsrRefused, match=words):
        require_key(der.sequence(algorithm, der.bit_string(bytes(octets))), ML_DSA_65_KEYS, PLACE)


# What is refused.


def with_key(modulus: int, exponent: int) -> bytes:
    """A request that holds this key; nobody signed it, since the key is looked at first."""
    public = keys.RSAPublicKey({"modulus": modulus, "public_exponent": exponent})
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": x509.Name.build({"common_name": "holder"}),
            "subject_pk_info": {"algorithm": {"algorithm": "rsa"}, "public_key": public},
            "attributes": [],
        }
    )
    whole = csr.CertificationRequest(
        {
            "certification_request_info": info,
            "signature_algorithm": {"algorithm": "sha256_rsa"},
            "signature": b"\1" * 256,
        }
    )
    return whole.dump()


def flipped(octets: bytes, position: int) -> bytes:
    changed = bytearray(octets)
    changed[position] ^= 1
    return bytes(changed)


def joined(to_be_signed: bytes, signature: bytes) -> bytes:
    """The one request's contents under the other's signature."""
    inner = walk.frame(to_be_signed)[0].whole(to_be_signed)
    return der.sequence(inner, *(part.whole(signature) for part in walk.frame(signature)[1:]))


def with_info(info: bytes, like: bytes = REQUEST) -> bytes:
    """A request with another subjectPublicKeyInfo, under the same signature."""
    inner = walk.frame(like)[0]
    version, subject, _, attributes = walk.elements(like, inner.start, inner.end)
    changed = der.sequence(version.whole(like), subject.whole(like), info, attributes.whole(like))
    return joined(der.sequence(changed, der.sequence(), der.bit_string(b"")), like)


def info_of(algorithm: bytes, bits: bytes) -> bytes:
    return der.sequence(der.sequence(algorithm), der.tlv(0x03, bits))


RSA_OID, EC_OID = der.oid("1.2.840.113549.1.1.1"), der.oid("1.2.840.10045.2.1")
KEY_OCTETS = b"\0" + holder_key(1).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
MODULUS = holder_key(1).public_key().public_numbers().n
ODD = MODULUS | 1

REFUSED = {
    "empty": (lambda _: b"", "not a PKCS#10"),
    "garbage": (lambda _: bytes(range(256)) * 4, "not a PKCS#10"),
    "text": (lambda _: b"please certify me\n", "not a PKCS#10"),
    "trailing octet in DER": (lambda _: REQUEST + b"\0", "not a PKCS#10"),
    "trailing octet in PEM": (lambda _: pem.armor("CERTIFICATE REQUEST", REQUEST + b"\0"), "not a PKCS#10"),
    "two requests": (lambda _: REQUEST + REQUEST, "not a PKCS#10"),
    "a certificate's PEM": (lambda _: pem.armor("CERTIFICATE", REQUEST), "is PEM of a CERTIFICATE"),
    "a private key's PEM": (lambda _: pem.armor("PRIVATE KEY", REQUEST), "is PEM of a PRIVATE KEY"),
    "broken base64": (
        lambda _: b"-----BEGIN CERTIFICATE REQUEST-----\n!!!!\n-----END CERTIFICATE REQUEST-----\n",
        "not a PKCS#10",
    ),
    "two requests in PEM": (
        lambda _: pem.armor("CERTIFICATE REQUEST", REQUEST) * 2,
        "holds more than one PEM block",
    ),
    "another end in PEM": (
        lambda _: pem.armor("CERTIFICATE REQUEST", REQUEST).replace(b"END CERT", b"END NEW CERT"),
        "not a PKCS#10",
    ),
    "PEM without its end": (lambda _: pem.armor("CERTIFICATE REQUEST", REQUEST)[:400], "not a PKCS#10"),
    "only a key": (lambda _: KEY, "certification request"),
    "SHA-1": (
        lambda folder: request(folder, "RSA", "rsa_keygen_bits:2048", digest="-sha1"),
        "is signed with sha1 (RFC 2986 4.2). Make the request with -sha256",
    ),
    "MD5": (
        lambda folder: request(folder, "RSA", "rsa_keygen_bits:2048", digest="-md5"),
        "is signed with md5",
    ),
    "SHA-224": (
        lambda folder: request(folder, "RSA", "rsa_keygen_bits:2048", digest="-sha224"),
        "is signed with sha224",
    ),
    "RSA-1024": (
        lambda folder: request(folder, "RSA", "rsa_keygen_bits:1024"),
        "its RSA key has 1024 bits; 2048 are the least",
    ),
    "RSA-2047": (lambda _: with_key(ODD >> 1 | 1, 65537), "has 2047 bits; 2048 are the least"),
    "RSA-4097": (lambda _: with_key(1 << 4096 | 1, 65537), "has 4097 bits; 4096 are the most"),
    "exponent 3": (
        lambda folder: request(folder, "RSA", "rsa_keygen_bits:2048", "rsa_keygen_pubexp:3"),
        "its RSA exponent is not 65537",
    ),
    "exponent 65539": (
        lambda folder: request(folder, "RSA", "rsa_keygen_bits:2048", "rsa_keygen_pubexp:65539"),
        "its RSA exponent is not 65537 (FIPS 186-5 A.1.1). Make a new key pair with it",
    ),
    "exponent 65535": (lambda _: with_key(ODD, 65535), "exponent is not 65537"),
    "exponent 2^256 + 1": (lambda _: with_key(ODD, (1 << 256) + 1), "exponent is not 65537"),
    "even exponent": (lambda _: with_key(ODD, 65538), "its RSA exponent is not 65537"),
    "even modulus": (
        lambda _: with_key(ODD - 1, 65537),
        "its RSA modulus has the factor 2 (SP 800-89 5.3.3)",
    ),
    "negative modulus": (lambda _: with_key(-ODD, 65537), "a number that is not positive"),
    "an exponent of zero": (lambda _: with_key(ODD, 0), "a number that is not positive"),
    "P-256": (
        lambda folder: request(folder, *P256),
        "holds an EC key on P-256; certified is RSA of 2048 to 4096 bits",
    ),
    "Ed25519": (
        lambda folder: request(folder, "ED25519"),
        "holds a key of the algorithm 1.3.101.112; certified is RSA",
    ),
    "a key for RSASSA-PSS alone": (
        lambda folder: request(folder, "RSA-PSS", "rsa_keygen_bits:2048"),
        "holds a key of the algorithm 1.2.840.113549.1.1.10",
    ),
    "RSA parameters left out": (
        lambda _: with_info(info_of(RSA_OID, KEY_OCTETS)),
        "its RSA key's parameters are not NULL",
    ),
    "an RSA key of three numbers": (
        lambda _: with_info(info_of(RSA_OID + der.NULL, b"\0" + der.sequence(der.integer(ODD) * 3))),
        "not a modulus and an exponent in DER (RFC 8017 A.1.1)",
    ),
    "a modulus with zeros before it": (
        lambda _: with_info(
            info_of(
                RSA_OID + der.NULL,
                b"\0" + der.sequence(der.tlv(0x02, bytes(2) + ODD.to_bytes(256, "big")) + der.integer(65537)),
            )
        ),
        "not a modulus and an exponent in DER",
    ),
    "half an octet of a key": (
        lambda _: with_info(info_of(RSA_OID + der.NULL, b"\4" + KEY_OCTETS[1:-1] + b"\0")),
        "its key is not a whole number of octets",
    ),
    "signed with ECDSA": (
        lambda folder: joined(REQUEST, request(folder, *P256)),
        "is signed by another algorithm than its key's",
    ),
    "a flipped bit in the signature": (
        lambda _: flipped(REQUEST, -1),
        "its signature does not prove possession of the private key",
    ),
    "a flipped bit in the name": (
        lambda _: flipped(REQUEST, REQUEST.index(b"holder 1") + 7),
        "its signature does not prove possession",
    ),
    "a flipped bit in the key": (
        lambda _: flipped(REQUEST, REQUEST.index(MODULUS.to_bytes(256, "big")) + 102),
        "its signature does not prove possession",
    ),
    "another's signature": (
        lambda _: REQUEST[:-256] + csr_for(2)[-256:],
        "its signature does not prove possession",
    ),
    "longer than is read": (lambda _: REQUEST + b"\0" * MAXIMUM_SIZE, "a request of at most 16384 is read"),
    "one megabyte": (lambda _: b"\x30\x84\x00\x0f\xff\xfa" + b"\0" * 1048570, "is 1048576 octets"),
    "one megabyte of PEM": (
        lambda _: pem.armor("CERTIFICATE REQUEST", b"\0" * 750_000),
        "a request of at most 16384 is read",
    ),
    "nested without end": (lambda _: b"\x30\x80" * 8000, "not a PKCS#10"),
    "a list of nothing": (lambda _: der.sequence(der.NULL * 50), "not a PKCS#10"),
    "version 2": (
        lambda _: REQUEST.replace(b"\x02\x01\x00", b"\x02\x01\x01", 1),
        "1 is not a valid CSR version",
    ),
}


@pytest.mark.parametrize(("make", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(make, said: str, folder: Path) -> None:
    with pytest.raises(CsrRefused) as refused:
        read(make(folder))
    assert refused.value.place == PLACE
    assert said in str(refused.value)


def point_info(point: bytes, curve: str = "1.2.840.10045.3.1.7") -> bytes:
    return info_of(EC_OID + der.oid(curve), b"\0" + point)


def ec_point(folder: Path) -> bytes:
    return read_csr(request(folder, *P256), P256_KEYS, PLACE)[-65:]


EXPLICIT = ("EC", "ec_paramgen_curve:P-256", "ec_param_enc:explicit")
NAMED = "RFC 5480 2.1.1"

REFUSED_ON_P256 = {
    "RSA": (lambda _: REQUEST, "holds an RSA key; certified is P-256"),
    "P-384": (lambda folder: request(folder, *P384), "holds an EC key on P-384; certified is P-256"),
    "P-521": (
        lambda folder: request(folder, "EC", "ec_paramgen_curve:P-521"),
        "the curve 1.3.132.0.35; certified is P-256",
    ),
    "secp256k1": (
        lambda folder: request(folder, "EC", "ec_paramgen_curve:secp256k1"),
        "the curve 1.3.132.0.10; certified is P-256",
    ),
    "explicit parameters": (
        lambda folder: request(folder, *EXPLICIT),
        f"does not name its curve ({NAMED})",
    ),
    "no parameters": (
        lambda folder: with_info(info_of(EC_OID, b"\0" + ec_point(folder))),
        "not a PKCS#10",
    ),
    "an inherited curve": (
        lambda folder: with_info(info_of(EC_OID + der.NULL, b"\0" + ec_point(folder))),
        f"does not name its curve ({NAMED})",
    ),
    "the point at infinity": (
        lambda _: with_info(point_info(b"\0")),
        "is the point at infinity (SP 800-56A 5.6.2.3.3)",
    ),
    "a point beside the curve": (
        lambda folder: with_info(point_info(flipped(ec_point(folder), -1))),
        "is not a point of its curve, or cannot be used (SP 800-56A 5.6.2.3.3)",
    ),
    "a coordinate beyond the field": (
        lambda _: with_info(point_info(b"\4" + b"\xff" * 64)),
        "is not a point of its curve",
    ),
    "the origin": (lambda _: with_info(point_info(b"\4" + bytes(64))), "is not a point of its curve"),
    "a compressed point": (
        lambda folder: with_info(point_info(b"\2" + ec_point(folder)[1:33])),
        "its EC point is compressed (RFC 5480 2.2)",
    ),
    "a hybrid point": (
        lambda folder: with_info(point_info(b"\6" + ec_point(folder)[1:])),
        "is not a point of P-256 (RFC 5480 2.2)",
    ),
    "a short point": (
        lambda folder: with_info(point_info(ec_point(folder)[:-1])),
        "is not a point of P-256 (RFC 5480 2.2)",
    ),
    "no point": (lambda _: with_info(point_info(b"")), "is not a point of P-256"),
    "SHA-1": (lambda folder: request(folder, *P256, digest="-sha1"), "is signed with sha1"),
    "a flipped bit in the signature": (
        lambda folder: flipped(request(folder, *P256), -1),
        "its signature does not prove possession",
    ),
    "another's signature": (
        lambda folder: joined(
            request(folder, *P256), request(folder, *P256, more=("-addext", "basicConstraints=CA:TRUE"))
        ),
        "its signature does not prove possession",
    ),
    "an RSA signature": (
        lambda folder: joined(request(folder, *P256), REQUEST),
        "is signed by another algorithm than its key's",
    ),
}


@pytest.mark.parametrize(("make", "said"), REFUSED_ON_P256.values(), ids=REFUSED_ON_P256.keys())
def test_refused_on_p256(make, said: str, folder: Path) -> None:
    with pytest.raises(CsrRefused) as refused:
        read_csr(make(folder), P256_KEYS, PLACE)
    assert said in str(refused.value)


def test_every_truncation_is_refused() -> None:
    for length in range(len(REQUEST)):
        with pytest.raises(CsrRefused):
            read(REQUEST[:length])


def test_every_truncation_of_pem_is_refused_or_the_same_key() -> None:
    whole = pem.armor("CERTIFICATE REQUEST", REQUEST)
    ends = [length for length in range(len(whole)) if read_or_none(whole[:length]) is not None]
    # The last line's hyphens and its line break may be missing, nothing else.
    assert all(length > whole.index(b"-----END") for length in ends)


def read_or_none(data: bytes) -> bytes | None:
    """The key read, or None if the request was refused; anything else that is raised fails the test."""
    try:
        return read(data)
    except CsrRefused:
        return None


def mutant(dice: random.Random, octets: bytes) -> bytes:
    changed = bytearray(octets)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        at = dice.randrange(len(changed))
        match dice.randrange(7):
            case 0:
                changed[at] ^= 1 << dice.randrange(8)
            case 1:
                changed[at] = dice.choice((0, 1, 0x30, 0x7F, 0x80, 0x84, 0xA0, 0xFF))
            case 2:
                changed[at:at] = dice.randbytes(dice.randrange(1, 5))
            case 3:
                del changed[at : at + dice.randrange(1, 9)]
            case 4:
                length = dice.randrange(1, 40)
                there = dice.randrange(len(changed))
                changed[at : at + length] = changed[there : there + length]
            case 5:  # a longer length octet, and what it promises
                changed[at : at + 1] = bytes((0x82, 0, changed[at]))
            case 6:
                changed[at] = (changed[at] + dice.choice((1, 255))) % 256
        changed = changed or bytearray(b"0")
    return bytes(changed)


@pytest.mark.deeper
def test_mutants_are_refused_or_hold_the_same_key() -> None:
    dice = random.Random(20140901)
    refused = 0
    for _ in range(rings.FUZZ):
        key = read_or_none(mutant(dice, REQUEST))
        assert key in {KEY, None}
        refused += key is None
    assert refused > 0.98 * rings.FUZZ  # some fall on octets that do not count, such as a mutation undone


@pytest.mark.deeper
def test_mutants_of_pem_are_refused_or_hold_the_same_key() -> None:
    dice = random.Random(20141001)
    whole = pem.armor("CERTIFICATE REQUEST", REQUEST)
    found = {read_or_none(mutant(dice, whole)) for _ in range(rings.FUZZ // 5)}
    assert found <= {KEY, None}
    assert None in found


@given(st.binary(max_size=600))
def test_noise_is_refused(noise: bytes) -> None:
    assert read_or_none(noise) is None


@given(st.binary(max_size=600), st.sampled_from(["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "KEY"]))
def test_noise_in_pem_is_refused(noise: bytes, label: str) -> None:
    assert read_or_none(pem.armor(label, noise)) is None


def test_a_refusal_shows_nothing_of_the_request() -> None:
    told = []
    for position in range(0, len(REQUEST), 7):
        try:
            read(flipped(REQUEST, position))
        except CsrRefused as refused:
            told.append(str(refused))
    assert len(told) > 50
    assert not any("holder 1" in words for words in told)


def test_what_is_taken_is_a_plain_rsa_key(folder: Path) -> None:
    """The key is encoded anew: whatever form the request had it in, the certificate has rsaEncryption with NULL."""
    taken = read(request(folder, "RSA", "rsa_keygen_bits:2048", form="PEM"))
    info = keys.PublicKeyInfo.load(taken, strict=True)
    assert (info["algorithm"]["algorithm"].dotted, info["algorithm"]["parameters"].native) == (
        "1.2.840.113549.1.1.1",
        None,
    )
    again = load_pem_public_key(pem.armor("PUBLIC KEY", taken))
    assert again.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == taken


@pytest.mark.parametrize(
    ("suite", "named", "clause"),
    [
        (SHA256_P256, "an EC key on P-256", "RFC 8813 3"),
        (SHA384_P384, "an EC key on P-384", "RFC 8813 3"),
        (ML_DSA_44, "an ML-DSA-44 key", "RFC 9881 5"),
        (ML_DSA_65, "an ML-DSA-65 key", "RFC 9881 5"),
    ],
    ids=str,
)
def test_a_key_to_which_nobody_can_encrypt_is_refused_by_its_name(suite, named, clause):
    rule = replace(RSA2048_KEYS, encrypted_to=True)
    words = f"holds {named}, to which nobody can encrypt; certified is RSA of 2048 to 4096 bits"
    with pytest.raises(CsrRefused, match=words) as refused:
        read_csr(by_ours(suite), rule, PLACE)
    assert refused.value.clause == clause
    assert read_csr(by_ours(SHA256_RSA2048), rule, PLACE)


def test_a_rule_for_encryption_is_one_for_rsa():
    assert replace(RSA2048_KEYS, encrypted_to=True).families == {KeyFamily.RSA}
    assert (RSA2048_KEYS | P256_KEYS).families == {KeyFamily.RSA, KeyFamily.EC}
    with pytest.raises(AssertionError):
        replace(RSA2048_KEYS | P256_KEYS, encrypted_to=True)
