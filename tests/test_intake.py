"""Certification requests: what is taken, what is refused and how it is said, and that nothing else ever happens."""

from __future__ import annotations

import random
import subprocess
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import csr, keys, pem, x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import CsrRefused
from ca.issuing.intake import MAXIMUM_SIZE, read_csr
from ca.suites import RSA2048_KEYS
from ca.wire import der
from tests.engine_world import csr_for, holder_key

PLACE = "signature request"
REQUEST = csr_for(1)
KEY = holder_key(1).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


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
        "its RSA exponent is even, or outside 2^16 to 2^256",
    ),
    "exponent 65535": (lambda _: with_key(ODD, 65535), "exponent is even, or outside"),
    "exponent 2^256 + 1": (lambda _: with_key(ODD, (1 << 256) + 1), "exponent"),
    "even exponent": (lambda _: with_key(ODD, 65538), ""),
    "even modulus": (lambda _: with_key(ODD - 1, 65537), ""),
    "negative modulus": (lambda _: with_key(-ODD, 65537), ""),
    "P-256": (
        lambda folder: request(folder, "EC", "ec_paramgen_curve:P-256"),
        "holds a key that is not RSA",
    ),
    "Ed25519": (lambda folder: request(folder, "ED25519"), "holds a key that is not RSA"),
    "a flipped bit in the signature": (
        lambda _: flipped(REQUEST, -1),
        "its signature does not prove possession of the private key",
    ),
    "a flipped bit in the name": (
        lambda _: flipped(REQUEST, REQUEST.index(b"holder 1") + 7),
        "its signature does not prove possession",
    ),
    "a flipped bit in the key": (
        lambda _: flipped(REQUEST, REQUEST.index(MODULUS.to_bytes(256, "big")) + 99),
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
    "a list of nothing": (lambda _: der.sequence(der.NULL * 50), "not a certification request"),
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


def test_mutants_are_refused_or_hold_the_same_key() -> None:
    dice = random.Random(20140901)
    refused = 0
    for _ in range(5000):
        key = read_or_none(mutant(dice, REQUEST))
        assert key in {KEY, None}
        refused += key is None
    assert refused > 4900  # some fall on octets that do not count, such as a mutation undone


def test_mutants_of_pem_are_refused_or_hold_the_same_key() -> None:
    dice = random.Random(20141001)
    whole = pem.armor("CERTIFICATE REQUEST", REQUEST)
    found = {read_or_none(mutant(dice, whole)) for _ in range(1000)}
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
