"""Bad input: one clear line that names the place, exit status 1, and everything stays as it was."""

import base64
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import click
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.store.engine import Store
from front.cli import main
from tests.commands import done, kakehashi, refused, run, tree
from tests.small_edition import HANAKO, POST, TOKYO, holder_key, replaced, request, small_edition, write_json

PASSPHRASE = "a passphrase for tests"  # noqa: S105 - it guards nothing
FILED, ISSUED = f"{TOKYO}-000001", f"{TOKYO}-000002"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What people hand in; names as in FILES."""
    folder = tmp_path_factory.mktemp("files")
    write_json(folder / "hanako.json", HANAKO)
    write_json(folder / "post.json", POST)
    for index in range(4):
        (folder / f"key-{index}.csr").write_bytes(request(holder_key(index)))
    return folder


@pytest.fixture(scope="module")
def home(pristine_staffed_world, files, tmp_path_factory):
    """A world with one case filed (for key 0) and one issued (for key 1), which no test may change."""
    home = tmp_path_factory.mktemp("home") / "home"
    shutil.copytree(pristine_staffed_world, home)
    hanako = ("--officer", "sato", "--resident", files / "hanako.json")
    for index in (0, 1):
        done(run("case", "file", *hanako, "--csr", f"signature={files / f'key-{index}.csr'}", "--home", home))
    for step, officer in (("examine", "suzuki"), ("approve", "tanaka"), ("issue", "ito")):
        done(run("case", step, ISSUED, "--officer", officer, "--home", home))
    return home


@pytest.fixture(scope="module")
def before(home):
    return tree(home)


@pytest.fixture
def refuse(home, before):
    """Run a command in the home: it is refused in one line with these words, and changes nothing."""

    def refuse(*arguments, words=()):
        line = refused(run(*arguments, "--home", home), *words)
        assert tree(home) == before
        return line

    return refuse


# Requests


def der(pem):
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def flipped(octets, place):
    changed = bytearray(octets)
    changed[place] ^= 1
    return bytes(changed)


def signed_with(digest, *options):
    """A request for key 2 that OpenSSL signs with this digest."""
    key = holder_key(2).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    command = ["openssl", "req", "-new", f"-{digest}", "-subj", "/CN=x", "-key", "/dev/stdin", *options]
    return subprocess.run(command, input=key, capture_output=True, check=True).stdout


def anchor(home):
    return (home / "repository" / "g" / "gpki-bca.g1" / "self.cer").read_bytes()


def good():
    return request(holder_key(2))


def short_key():
    return rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused


def edwards():
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.PEM)


BAD_REQUESTS = {
    "empty": (lambda _: b"", "not a PKCS#10 certification request"),
    "garbage": (lambda _: b"\x00\xff" * 50, "not a PKCS#10 certification request"),
    "text": (lambda _: b"hello\n", "not a PKCS#10 certification request"),
    "deep": (lambda _: b"\x30\x80" * 3000, "not a PKCS#10 certification request"),
    "of four gigabytes": (lambda _: b"\x30\x84\xff\xff\xff\xff", "not a PKCS#10 certification request"),
    "PEM cut short": (lambda _: good()[:-40], "not a PKCS#10 certification request"),
    "PEM of nothing": (lambda _: b"".join(good().splitlines(True)[::16]), "not a PKCS#10"),
    "PEM of a certificate": (lambda home: pem_of("CERTIFICATE", anchor(home)), "is PEM of a CERTIFICATE"),
    "DER of a certificate": (anchor, "not a PKCS#10"),
    "PEM of a private key": (
        lambda _: holder_key(2).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "is PEM of a PRIVATE KEY",
    ),
    "followed by an octet": (lambda _: der(good()) + b"\0", "not a PKCS#10 certification request"),
    "cut short": (lambda _: der(good())[:-1], "not a PKCS#10 certification request"),
    "with another signature": (lambda _: flipped(der(good()), -2), "does not prove possession"),
    "with another subject": (lambda _: flipped(der(good()), 24), "does not prove possession"),
    "signed with SHA-1": (lambda _: signed_with("sha1"), "is signed with sha1"),
    "signed with MD5": (lambda _: signed_with("md5"), "is signed with md5"),
    "for a short key": (lambda _: request(short_key()), "has 1024 bits"),
    "for a small exponent": (lambda _: request(rsa.generate_private_key(3, 2048)), "exponent"),
    "for an EC key": (lambda _: request(ec.generate_private_key(ec.SECP256R1())), "holds an EC key on P-256"),
    "for an Edwards key": (lambda _: edwards(), "holds a key of the algorithm 1.3.101.112"),
    "too long": (lambda _: good() + b"\n" * 16 * 1024, "at most 16384"),
    "endless": (lambda _: b"\n" * (2 << 20), "at most 16384"),
}


def pem_of(label, octets):
    body = base64.encodebytes(octets)
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), body, label.encode())


@pytest.mark.parametrize("kind", ["signature", "user-authentication"])
@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_request_that_is_not_good_enough_to_certify(name, kind, refuse, files, home, tmp_path):
    make, problem = BAD_REQUESTS[name]
    (tmp_path / "bad.csr").write_bytes(make(home))
    line = refuse(
        *("case", "file", "--officer", "sato", "--resident", files / "hanako.json"),
        *("--csr", f"{kind}={tmp_path / 'bad.csr'}"),
        words=(f"{kind} request:", problem, "("),
    )
    assert len(line) < 400, "a refusal does not repeat what was handed in"


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        (["passport=key-2.csr"], ("kind 'passport'", "is not a kind")),
        (["key-2.csr"], ("kind 'key-2.csr'", "--csr KIND=FILE")),
        (["official-post=key-2.csr"], ("kind official-post", "jpki-13", "signature, user-authentication")),
        (["cross=key-2.csr"], ("kind cross", "is not issued by jpki-13")),
        (["signature=none.csr"], ("--csr signature", "none.csr", "No such file")),
        (["signature="], ("--csr signature", "Is a directory")),
        (["signature=key-2.csr", "signature=key-3.csr"], ("--csr", "names a kind twice")),
        (["signature=key-2.csr", "user-authentication=key-2.csr"], ("two kinds with one key",)),
        (
            ["signature=key-0.csr"],
            ("signature request", "another certificate or application", "new key pair"),
        ),
        (["user-authentication=key-1.csr"], ("user-authentication request", "another certificate or")),
        (["signature=key-2.csr", "user-authentication=key-1.csr"], ("user-authentication request",)),
    ],
)
def test_requests_that_do_not_fit_together_or_were_seen_before(requests, words, refuse, files):
    arguments = []
    for item in requests:
        kind, equals, name = item.partition("=")
        arguments += ["--csr", f"{kind}{equals}{files / name}" if name else item]
    refuse("case", "file", "--officer", "sato", "--resident", files / "hanako.json", *arguments, words=words)


def test_a_key_of_an_authority_is_not_a_holders(refuse, files, home, tmp_path):
    """The one who holds a CA's key cannot have it certified as a resident's."""
    named = msgspec.json.decode((home / "keys" / "jpki-13.g1.key.json").read_bytes())
    (tmp_path / "ca.csr").write_bytes(request(public_test_key(named["public_test_key"])))
    refuse(
        *("case", "file", "--officer", "sato", "--resident", files / "hanako.json"),
        *("--csr", f"signature={tmp_path / 'ca.csr'}"),
        words=("signature request", "another certificate"),
    )


def public_test_key(index):
    from ca.keys.pool import public_test_key  # noqa: PLC0415 - one test alone needs it

    return public_test_key(index)


# Names of municipalities, offices, officers, cases and certificates

FULL_WIDTH = TOKYO.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
A_CERTIFICATE = f"jpki-13.g1:{'1' * 40}"
UNKNOWN = [
    (("officer", "add", "new", "--office", "131015", "--role", "reception"), ("municipality '131015'", "JIS X 0401")),
    (("officer", "add", "new", "--office", "13101", "--role", "reception"), ("'13101'", "131016")),
    (("officer", "add", "new", "--office", FULL_WIDTH, "--role", "reception"), ("municipality",)),
    (("officer", "add", "new", "--office", "331007", "--role", "reception"), ("331007", "designated city", "331015")),
    (("officer", "add", "new", "--office", "016951", "--role", "reception"), ("016951", "has no window")),
    (("officer", "add", "new", "--office", "011011", "--role", "reception"), ("office '011011'",)),
    (("officer", "add", "new", "--office", "palace", "--role", "reception"), ("office 'palace'",)),
    (("officer", "add", "new", "--office", "centre", "--role", "reception"), ("roles", "sub-office")),
    (("officer", "add", "new", "--office", TOKYO, "--role", "approver"), ("roles", "the centre")),
    (("officer", "add", "sato", "--office", TOKYO, "--role", "reception"), ("officer sato", "exists already")),
    (("officer", "add", "../sato", "--office", TOKYO, "--role", "reception"), ("officer id",)),
    (("officer", "add", "Sato\n", "--office", TOKYO, "--role", "reception"), ("officer id",)),
    (("case", "examine", FILED, "--officer", "nobody"), ("officer 'nobody'", "officer add")),
    (("case", "examine", f"{TOKYO}-999999", "--officer", "suzuki"), (f"case '{TOKYO}-999999'",)),
    (("case", "examine", "", "--officer", "suzuki"), ("case ''",)),
    (("case", "list", "--office", "palace"), ("office 'palace'",)),
    (("case", "approve", f"{TOKYO}-999999", "--officer", "tanaka"), (f"case '{TOKYO}-999999'",)),
    (("case", "reject", f"{TOKYO}-999999", "--officer", "suzuki"), (f"case '{TOKYO}-999999'",)),
    (("case", "issue", f"{TOKYO}-999999", "--officer", "ito"), (f"case '{TOKYO}-999999'",)),
    (("case", "show", f"{TOKYO}-999999"), (f"case '{TOKYO}-999999'",)),
    (("case", "examine", FILED, "--officer", "sato"), (f"case {FILED}", "sato")),
    (("case", "approve", FILED, "--officer", "tanaka"), (f"case {FILED}", "is filed", "examine or reject")),
    (("case", "issue", FILED, "--officer", "ito"), (f"case {FILED}", "is filed")),
    (("case", "issue", ISSUED, "--officer", "ito"), (f"case {ISSUED}", "is issued")),
    (("case", "reject", ISSUED, "--officer", "tanaka"), (f"case {ISSUED}", "is issued")),
    (("revoke", "x", "--reason", "superseded", "--officer", "ito"), ("certificate id: 'x'", "case show")),
    (("revoke", "jpki-13.g1", "--reason", "superseded", "--officer", "ito"), ("certificate id",)),
    (("revoke", "jpki-13.g1:0", "--reason", "superseded", "--officer", "ito"), ("serial", "not positive")),
    (("revoke", f"jpki-13.g1:{'f' * 40}", "--reason", "superseded", "--officer", "ito"), ("serial", "20 octets")),
    (("revoke", "jpki-13.g9:12", "--reason", "superseded", "--officer", "ito"), ("generation jpki-13.g9",)),
    (("revoke", "jpki-99.g1:12", "--reason", "superseded", "--officer", "ito"), ("generation jpki-99.g1",)),
    (("revoke", A_CERTIFICATE, "--reason", "superseded", "--officer", "ito"), (A_CERTIFICATE,)),
    (("revoke", A_CERTIFICATE, "--reason", "boredom", "--officer", "ito"), ("reason 'boredom'", "superseded")),
    (("revoke", A_CERTIFICATE, "--reason", "superseded", "--officer", "nobody"), ("officer 'nobody'",)),
    (("revoke", A_CERTIFICATE, "--reason", "superseded", "--officer", "tanaka"), ("officer tanaka", "operator")),
    (("revoke", A_CERTIFICATE, "--reason", "superseded", "--officer", "ito", "--invalid-since", "ever"), ("'ever'",)),
    (("list", "show", "everything"), ("generation id: 'everything'", "jpki-13.g1")),
    (("list", "show", "jpki-99.g1"), ("generation jpki-99.g1",)),
    (("list", "publish", "--clock", "tomorrow"), ("--clock", "'tomorrow'")),
    (("list", "publish", "--clock", "9999-12-31T23:59Z"), ("--clock", "1950 to 2100")),
]  # fmt: skip


@pytest.mark.parametrize(("command", "words"), UNKNOWN, ids=lambda item: " ".join(item)[:60])
def test_what_was_named_does_not_exist_or_may_not_do_this(command, words, refuse):
    refuse(*command, words=words)


@pytest.mark.parametrize(
    ("officer", "words"),
    [
        ("nobody", "officer 'nobody'"),
        ("suzuki", "reception"),
        ("tanaka", "office centre"),
        ("mori", "office ministry-1 does not serve"),
    ],
)
def test_an_application_is_received_by_those_who_may(officer, words, refuse, files):
    csr = f"signature={files / 'key-2.csr'}"
    refuse(
        "case",
        "file",
        "--officer",
        officer,
        "--resident",
        files / "hanako.json",
        "--csr",
        csr,
        words=(words,),
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", b"\x30\x80" * 3000],
)
def test_what_is_to_be_verified_is_no_certificate(content, refuse, tmp_path):
    (tmp_path / "x.cer").write_bytes(content)
    refuse("verify", tmp_path / "x.cer")


# Applicants


def without(fields, name):
    return {key: value for key, value in fields.items() if key != name}


BAD_RESIDENTS = {
    "an unknown field": (HANAKO | {"nickname": "hana"}, ".json: ", "`nickname`"),
    "a datum for a field": (HANAKO | {HANAKO["name"]: ""}, ".json: ", "unknown field"),
    "a missing field": (without(HANAKO, "address"), ".json: ", "`address`"),
    "a number for a name": (HANAKO | {"name": 5}, "name: ", "Expected `str`"),
    "a number for a code": (HANAKO | {"code": int(HANAKO["code"])}, "code: ", "Expected `str`"),
    "no name": (HANAKO | {"name": ""}, "name: ", "length >= 1"),
    "a blank name": (HANAKO | {"name": "\u3000"}, "name: ", "blank"),
    "a long address": (HANAKO | {"address": HANAKO["address"] * 20}, "address: ", "length <= 200"),
    "a line break": (HANAKO | {"name": f"{HANAKO['name']}\n"}, "name: ", "control characters"),
    "a NUL": (HANAKO | {"address": f"{HANAKO['address']}\0"}, "address: ", "control characters"),
    "a turned direction": (HANAKO | {"name": f"\u202e{HANAKO['name']}"}, "name: ", "control characters"),
    "another word": (HANAKO | {"sex": HANAKO["name"]}, "sex: ", ""),
    "another date": (HANAKO | {"birth_date": "1985-04-31"}, "birth_date: ", "date"),
    "a compact date": (HANAKO | {"birth_date": "19850401"}, "birth_date: ", "date"),
    "a child": (HANAKO | {"birth_date": "1999-09-02"}, "age: ", "under 15"),
    "an unborn": (HANAKO | {"birth_date": "2085-04-01"}, "", ""),
    "a wrong check digit": (HANAKO | {"code": "12345678901"}, "code: ", "check digit"),
    "a short code": (HANAKO | {"code": "1234567890"}, "code: ", "eleven digits"),
    "a code and a line break": (HANAKO | {"code": HANAKO["code"] + "\n"}, "code: ", "eleven digits"),
    "an unknown municipality": (HANAKO | {"municipality": "999999"}, "municipality '999999': ", "JIS X 0401"),
    "five digits": (HANAKO | {"municipality": "13101"}, "municipality '13101': ", "131016"),
    "a designated city": (HANAKO | {"municipality": "331007"}, "municipality 331007: ", "331015"),
    "a village without a window": (HANAKO | {"municipality": "016951"}, "016951: ", "no window"),
    "a code for a municipality": (HANAKO | {"municipality": HANAKO["code"]}, "municipality: ", ""),
    "another town": (HANAKO | {"municipality": "131024"}, "applicant: ", "office 131024"),
    "too few flags": (HANAKO | {"name_substitutes": "01"}, "name_substitutes: ", "2 flags for 5 characters"),
    "other flags": (HANAKO | {"name_substitutes": "00002"}, "name_substitutes: ", "[01]"),
    "flags and a line break": (HANAKO | {"name_substitutes": "0000\n"}, "name_substitutes: ", "[01]"),
    "an array": ([HANAKO], ".json: ", "Expected `object`"),
    "nothing": (None, ".json: ", "Expected `object`"),
}
PERSONAL = [
    HANAKO["code"],
    HANAKO["birth_date"],
    "試験",
    "花子",
    "千代田",
    "12345678901",
    "1985",
    "1999",
    "2085",
]


@pytest.mark.parametrize("name", BAD_RESIDENTS)
def test_a_resident_who_cannot_be_read_is_not_shown_either(name, refuse, files, tmp_path):
    content, place, problem = BAD_RESIDENTS[name]
    path = write_json(tmp_path / "bad.json", content)
    line = refuse(
        *("case", "file", "--officer", "sato", "--resident", path),
        *("--csr", f"signature={files / 'key-2.csr'}"),
        words=(place, problem),
    )
    assert [datum for datum in PERSONAL if datum in line] == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text[:50], "is not JSON"),
        (lambda text: text + text, "is not JSON"),
        (lambda text: "\ufeff" + text, "is not JSON"),
        (lambda text: text.replace('"', "'"), "is not JSON"),
        (lambda text: text.replace("試験", "\\ud800"), "is not JSON"),
        (lambda text: text.encode("utf-16"), "is not JSON"),
        (lambda text: text.encode("utf-8").replace(b"\xe8", b"\xff"), "is not JSON"),
        (lambda text: text[:-1] + ', "nickname": ' + "[" * 20_000 + "]" * 20_000 + "}", ""),
        (lambda text: text + " " * (64 << 10), "is longer than 65536 octets"),
    ],
)
def test_a_file_that_is_not_json(change, problem, refuse, files, tmp_path):
    text = change((files / "hanako.json").read_text(encoding="utf-8"))
    (tmp_path / "bad.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refuse(
        *("case", "file", "--officer", "sato", "--resident", tmp_path / "bad.json"),
        *("--csr", f"signature={files / 'key-2.csr'}"),
        words=("bad.json: ", problem),
    )
    assert [datum for datum in PERSONAL if datum in line] == []


BAD_POSTS = {
    "an unknown field": (POST | {"rank": 1}, "`rank`"),
    "another ministry": (POST | {"ministry": "Ministry of Others"}, "Ministry of Examples"),
    "a line break": (POST | {"post": "a\nb"}, "control characters"),
    "a NUL": (POST | {"post": "a\0b"}, "control characters"),
    "a blank": (POST | {"post": " "}, "blank"),
    "a long name": (POST | {"post": "x" * 65}, "length <= 64"),
    "a resident": (HANAKO, "unknown field"),
}


@pytest.mark.parametrize("name", BAD_POSTS)
def test_a_post_that_is_none(name, refuse, files, tmp_path):
    content, problem = BAD_POSTS[name]
    path = write_json(tmp_path / "bad.json", content)
    csr = f"official-post={files / 'key-2.csr'}"
    refuse("case", "file", "--officer", "mori", "--post", path, "--csr", csr, words=(problem,))


@pytest.mark.parametrize(
    ("applicants", "words"),
    [
        ((), "Give --resident, --post or --local"),
        (("--resident", "hanako.json", "--post", "post.json"), "Give --resident, --post or --local"),
        (("--resident", "none.json"), "No such file"),
        (("--resident", "."), "Is a directory"),
        (("--post", "post.json"), "千代田区"),
    ],
)
def test_an_application_is_for_one_applicant_of_the_office(applicants, words, refuse, files):
    names = [item if item.startswith("--") else files / item for item in applicants]
    csr = f"signature={files / 'key-2.csr'}"
    refuse("case", "file", "--officer", "sato", *names, "--csr", csr, words=(words,))


# Homes

COMMANDS = {
    "officer list": (),
    "officer add": ("new", "--office", TOKYO, "--role", "reception"),
    "case list": (),
    "case show": (FILED,),
    "case file": ("--officer", "sato", "--resident", "hanako.json", "--csr", "signature=key-2.csr"),
    "case examine": (FILED, "--officer", "suzuki"),
    "case approve": (FILED, "--officer", "tanaka"),
    "case reject": (FILED, "--officer", "suzuki"),
    "case issue": (FILED, "--officer", "ito"),
    "revoke": (A_CERTIFICATE, "--reason", "superseded", "--officer", "ito"),
    "list publish": (),
    "list show": ("jpki-13.g1",),
    "verify": ("self.cer",),
    "serve": (),
}


@pytest.fixture(params=COMMANDS)
def command(request, files, home, monkeypatch):
    """Each command, as it would work in a good home."""
    monkeypatch.chdir(files)
    Path("self.cer").write_bytes(anchor(home))
    return (*request.param.split(), *COMMANDS[request.param])


def seeded(edition_file, home):
    return ("init", "--edition", edition_file, "--test-keys", "--seed", "7", "--home", home)


def edit(home, pattern, by):
    path = home / "home.toml"
    path.write_text(replaced(path.read_text(encoding="utf-8"), pattern, by), encoding="utf-8")


@pytest.fixture(scope="module")
def half_made(home, tmp_path_factory):
    half = shutil.copytree(home, tmp_path_factory.mktemp("half") / "home")
    edit(half, '"complete"', '"making"')
    return half


@pytest.fixture(scope="module")
def newer(home, tmp_path_factory):
    newer = shutil.copytree(home, tmp_path_factory.mktemp("newer") / "home")
    edit(newer, "format = 1", "format = 2")
    return newer


@pytest.fixture(scope="module")
def newer_store(home, tmp_path_factory):
    newer = shutil.copytree(home, tmp_path_factory.mktemp("newer-store") / "home")
    statement(newer, "UPDATE alembic_version SET version_num = '9999'")
    return newer


def statement(home, text):
    with closing(sqlite3.connect(home / "store.db")) as store, store:
        store.execute(text)


HOMES = {
    "half_made": ("is half made", "`kakehashi init` again"),
    "newer": ("has format 2", "newer version", "Update kakehashi"),
    "newer_store": ("has schema 9999", "newer version", "Update kakehashi"),
}


@pytest.mark.parametrize("state", HOMES)
def test_a_home_that_cannot_be_worked_in(state, command, request):
    home = request.getfixturevalue(state)
    before = tree(home)
    refused(run(*command, "--home", home), str(home), *HOMES[state])
    assert tree(home) == before


@pytest.mark.parametrize("state", ["newer", "newer_store"])
def test_a_newer_home_is_not_made_again(state, edition_file, request):
    home = request.getfixturevalue(state)
    before = tree(home)
    refused(run(*seeded(edition_file, home)), str(home), *HOMES[state])
    assert tree(home) == before


def test_a_half_made_home_with_a_newer_store_is_not_completed(half_made, edition_file, tmp_path):
    home = shutil.copytree(half_made, tmp_path / "home")
    statement(home, "UPDATE alembic_version SET version_num = '9999'")
    before = tree(home)
    refused(run(*seeded(edition_file, home)), str(home / "store.db"), "newer version", "Update kakehashi")
    assert tree(home) == before


def test_a_store_without_its_schema_is_refused(world):
    statement(world, "DELETE FROM alembic_version")
    before = tree(world)
    refused(run("case", "list", "--home", world), str(world / "store.db"))
    assert tree(world) == before


@pytest.mark.parametrize("what", ["nothing", "an empty folder", "a folder", "a file"])
def test_what_is_no_home(what, command, tmp_path):
    place = tmp_path / "place"
    if what == "a file":
        place.write_text("")
    elif what != "nothing":
        place.mkdir()
    if what == "a folder":
        (place / "diary.txt").write_text("")
    before = tree(tmp_path)
    refused(run(*command, "--home", place), f"home {place}: is not a home. `kakehashi init` makes one")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("what", ["a folder with something in it", "a file", "below a file"])
def test_no_home_is_made_where_something_else_is(what, edition_file, tmp_path):
    place = tmp_path / "place"
    if what.startswith("a folder"):
        place.mkdir()
        (place / "diary.txt").write_text("")
    else:
        place.write_text("")
    before = tree(tmp_path)
    refused(
        run(*seeded(edition_file, place / "home" if what.startswith("below") else place)), f"home {place}"
    )
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "required field"),
        (b"\xff", "cannot be read"),
        (b"= =", "cannot be read"),
        (b"a = " + b"[" * 20_000, "cannot be read"),
        (b"format = 1\ncolour = 2\n", "`colour`"),
        (b"format = 0\n", "format"),
        (b'format = "1"\n', "format"),
    ],
)
def test_a_home_whose_description_cannot_be_read(content, problem, world, edition_file):
    (world / "home.toml").write_bytes(content)
    before = tree(world)
    refused(run("case", "list", "--home", world), str(world / "home.toml"), problem)
    refused(run(*seeded(edition_file, world)), str(world / "home.toml"), problem)
    assert tree(world) == before


@pytest.mark.parametrize(
    ("lost", "command"),
    [
        ("store.db", ("case", "list")),
        ("edition.toml", ("list", "publish")),
        ("keys/seed.json", ("list", "publish")),
    ],
)
def test_a_home_that_lost_a_file_names_it(lost, command, world):
    (world / lost).unlink()
    before = tree(world)
    refused(run(*command, "--home", world), str(world / lost))
    assert tree(world) == before


@pytest.mark.parametrize(
    ("lost", "clock", "error"),
    [
        pytest.param("keys/jpki-13.g1.key.json", "2030-01-01T00:00Z", "KeyRefused", id="one key is lost"),
        pytest.param(None, "2042-01-01T00:00Z", "SuiteRetired", id="no key may sign a list any more"),
    ],
)
def test_what_one_key_cannot_sign_keeps_nothing_else_back(lost, clock, error, world):
    if lost is not None:
        (world / lost).unlink()
    before = tree(world)
    outcome = run("list", "publish", "--home", world, "--clock", clock, "--json")
    assert (outcome.status, outcome.stdout, msgspec.json.decode(outcome.stderr)["error"]) == (1, "", error)
    after = tree(world)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert "repository/journal/head.json" in changed, "the last step was taken"
    others = {path for path in changed if path.endswith("crl/full.crl")}
    assert bool(others) == (lost is not None)
    assert not any("jpki-13.g1" in path for path in changed)


def test_a_store_that_is_none_is_said_to_be(world):
    (world / "store.db").write_bytes(b"not a database" * 1000)
    before = tree(world)
    refused(run("case", "list", "--home", world), str(world / "store.db"), "not a database")
    assert tree(world) == before


# Locks, held by real processes


@contextmanager
def holding(script, *arguments):
    """Another process that holds something until the end of the block."""
    code = f"import fcntl, sqlite3, sys\n{script}\nprint('held', flush=True)\nsys.stdin.read()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield


HOME_LOCK = "lock = open(sys.argv[1])\nfcntl.flock(lock, {})"
STORE_LOCK = "store = sqlite3.connect(sys.argv[1], isolation_level=None)\nstore.execute('BEGIN IMMEDIATE')"


def test_a_home_that_another_process_makes(command, home, before):
    with holding(HOME_LOCK.format("fcntl.LOCK_EX"), home / "home.lock"):
        refused(run(*command, "--home", home), f"home {home}", "is being made by another process", "Wait")
    assert tree(home) == before


@pytest.mark.parametrize("mode", ["fcntl.LOCK_EX", "fcntl.LOCK_SH"])
def test_a_home_in_use_is_not_made(mode, half_made, edition_file):
    before = tree(half_made)
    with holding(HOME_LOCK.format(mode), half_made / "home.lock"):
        refused(run(*seeded(edition_file, half_made)), f"home {half_made}", "by another process", "Wait")
    assert tree(half_made) == before


def test_two_makings_at_once_make_one_home(edition_file, pristine_world, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "home.lock").touch()
    with holding(HOME_LOCK.format("fcntl.LOCK_EX"), home / "home.lock"):
        refused(run(*seeded(edition_file, home)), f"home {home}", "by another process")
        assert tree(home) == {"home.lock": b""}
    done(run(*seeded(edition_file, home)))
    assert tree(home) == tree(pristine_world)


def test_those_who_work_in_a_home_do_not_keep_each_other_out(home, before):
    with holding(HOME_LOCK.format("fcntl.LOCK_SH"), home / "home.lock"):
        done(run("case", "list", "--home", home))
    assert tree(home) == before


@pytest.fixture
def _impatient(monkeypatch):
    """A writer waits ten seconds for another; here, a twentieth of one."""
    monkeypatch.setitem(Store.open.__func__.__kwdefaults__, "busy_timeout_ms", 50)


@pytest.mark.parametrize(
    "name", ["officer add", "case file", "case examine", "case approve", "case issue", "revoke"]
)
@pytest.mark.usefixtures("_impatient")
def test_a_store_that_another_process_writes_to(name, home, files, monkeypatch):
    monkeypatch.chdir(files)
    busy = (*name.split(), *COMMANDS[name])
    with holding(STORE_LOCK, home / "store.db"):
        before = stored(home)
        refused(run(*busy, "--home", home), str(home / "store.db"), "locked by another process", "try again")
        assert stored(home) == before


def stored(home):
    """The home without SQLite's two working files, which come and go while another process has it open."""
    return {name: content for name, content in tree(home).items() if not name.startswith("store.db-")}


# Disks


@contextmanager
def small_disk(folder, octets):
    """A disk of its own; needs the right to mount."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={octets}", "kakehashi-test", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a full disk needs the right to mount a small one")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder, left):
    """Leave so many octets of the disk."""
    with (folder / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    size = (folder / "ballast").stat().st_size
    os.truncate(folder / "ballast", max(0, size - left))


KIB = 1024


@pytest.mark.parametrize("left", [0, 8 * KIB, 200 * KIB, 400 * KIB, 800 * KIB, 1600 * KIB])
def test_a_making_on_a_full_disk_is_completed_when_there_is_room(
    left, edition_file, pristine_world, tmp_path
):
    disk = tmp_path / "disk"
    with small_disk(disk, "16m"):
        fill(disk, left)
        line = refused(run(*seeded(edition_file, disk / "home")), str(disk / "home"))
        assert re.search(r"run the same (command|`kakehashi init`) again", line)
        (disk / "ballast").unlink()
        done(run(*seeded(edition_file, disk / "home")))
        assert tree(disk / "home" / "repository") == tree(pristine_world / "repository")


@pytest.mark.parametrize("left", [0, 8 * KIB, 32 * KIB])
@pytest.mark.parametrize("name", ["officer add", "case file", "case examine", "case issue", "revoke"])
def test_on_a_full_disk_everything_stays_as_it_was(name, left, approved, files, tmp_path, monkeypatch):
    home, certificate = approved
    monkeypatch.chdir(files)
    changes = {
        "case issue": ("case", "issue", FILED, "--officer", "ito"),
        "case examine": ("case", "examine", f"{TOKYO}-000003", "--officer", "suzuki"),
        "revoke": ("revoke", certificate, "--reason", "superseded", "--officer", "ito"),
    }
    command = changes.get(name, (*name.split(), *COMMANDS[name]))
    disk = tmp_path / "disk"
    with small_disk(disk, "16m"):
        on_disk = shutil.copytree(home, disk / "home")
        before = stored(on_disk)
        fill(disk, left)
        line = refused(run(*command, "--home", on_disk), str(on_disk), "try again")
        after = stored(on_disk)
        (disk / "ballast").unlink()
        if "the journal has it already" in line:
            # There was room for the record, and none for the database: the next command carries it out.
            unlike = {name for name, content in after.items() if before.get(name) != content}
            assert {name.partition("/")[0] for name in unlike} <= {"archive", "journal"}
            assert name in {"case issue", "revoke"}
            again = run(*command, "--home", on_disk)
            assert again.status == 0 or re.search("already revoked|is issued", again.stderr)
            return
        assert after == before
        done(run(*command, "--home", on_disk))


def test_a_revocation_whose_list_found_no_room_is_in_the_next_one(approved, tmp_path):
    """The revocation is written down; what the refusal says to do makes the list that says it."""
    home, certificate = approved
    disk = tmp_path / "disk"
    with small_disk(disk, "16m"):
        for left in range(36 * KIB, 120 * KIB, 4 * KIB):
            shutil.copytree(home, disk / "home")
            fill(disk, left)
            outcome = run(
                *("revoke", certificate, "--reason", "superseded", "--officer", "ito"),
                "--home",
                disk / "home",
            )
            (disk / "ballast").unlink()
            if outcome.status and "kakehashi list publish" in outcome.stderr:
                break
            shutil.rmtree(disk / "home")
        else:
            pytest.fail("with no room was there place for the revocation and none for the list")
        refused(outcome, str(disk / "home" / "repository"))
        assert done(run("list", "publish", "--home", disk / "home", "--json")).json["lists_made"] >= 1
        rows = done(run("list", "show", "jpki-13.g1", "--home", disk / "home", "--json")).json
        entries = {row["scope"]: row["entries"] for row in rows if row["entries"]}
        assert entries == {"full": 1, f"signature-{TOKYO}": 1}


@pytest.fixture(scope="module")
def approved(home, files, tmp_path_factory):
    """A copy in which the filed case is approved and a third one filed; and the id of the issued certificate."""
    home = shutil.copytree(home, tmp_path_factory.mktemp("approved") / "home")
    for step, officer in (("examine", "suzuki"), ("approve", "tanaka")):
        done(run("case", step, FILED, "--officer", officer, "--home", home))
    hanako = ("--officer", "sato", "--resident", files / "hanako.json")
    done(run("case", "file", *hanako, "--csr", f"signature={files / 'key-3.csr'}", "--home", home))
    shown = done(run("case", "show", ISSUED, "--home", home, "--json")).stdout
    return home, re.search(r"jpki-13\.g1:[0-9a-f]{40}", shown)[0]


@pytest.mark.parametrize("reason", ["a folder in its place", "a full disk"])
def test_a_certificate_that_could_not_be_handed_out_is_written_again(reason, approved, tmp_path):
    home = shutil.copytree(approved[0], tmp_path / "home")
    place, name = tmp_path / "place", f"{FILED}-signature.pem"
    issue = ("case", "issue", FILED, "--officer", "ito", "--out", place, "--home", home)
    words = (str(place / name), "cannot be written", f"case show {FILED} --out")
    if reason == "a full disk":
        with small_disk(place, "64k"):
            fill(place, 0)
            refused(run(*issue), *words)
    else:
        (place / name).mkdir(parents=True)
        refused(run(*issue), *words)
        (place / name).rmdir()
    done(run("case", "show", FILED, "--out", place, "--home", home))
    assert (place / name).read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")


# Passphrases


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A home with real keys and no prefecture."""
    folder = tmp_path_factory.mktemp("sealed")
    edition = folder / "tiny.toml"
    edition.write_text(replaced(small_edition(), r"codes = \[.*?\]", "codes = []"), encoding="utf-8")
    command = ("init", "--edition", edition, "--home", folder / "home")
    done(run(*command, KAKEHASHI_PASSPHRASE=PASSPHRASE))
    return edition, folder / "home"


@pytest.fixture
def passphrases(tmp_path):
    (tmp_path / "empty").write_text("\nsecond line\n")
    (tmp_path / "short").write_text("short\n")
    (tmp_path / "other").write_text(f"not {PASSPHRASE}\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" * 20)
    return tmp_path


NO_PASSPHRASE = [
    ({}, (), ("passphrase: there is none", "KAKEHASHI_PASSPHRASE_FILE", "--passphrase-file")),
    ({"KAKEHASHI_PASSPHRASE": ""}, (), ("passphrase: there is none",)),
    ({}, ("--passphrase-file", "none"), ("passphrase file", "none", "No such file")),
    ({}, ("--passphrase-file", "."), ("passphrase file", "Is a directory")),
    ({}, ("--passphrase-file", "empty"), ("passphrase file", "empty first line")),
    ({}, ("--passphrase-file", "binary"), ("passphrase file", "not UTF-8")),
    ({"KAKEHASHI_PASSPHRASE_FILE": "none"}, (), ("passphrase file none", "No such file")),
    ({"KAKEHASHI_PASSPHRASE": "\udcff" * 20}, (), ("passphrase", "UTF-8")),
]


@pytest.mark.parametrize(("environment", "options", "words"), NO_PASSPHRASE)
def test_no_passphrase_to_be_had(environment, options, words, sealed, passphrases, monkeypatch):
    edition, home = sealed
    monkeypatch.chdir(passphrases)
    before = tree(home)
    refused(run("list", "publish", "--home", home, *options, **environment), *words)
    assert tree(home) == before
    refused(run("init", "--edition", edition, "--home", "new", *options, **environment), *words)
    assert not Path("new").exists()


@pytest.mark.parametrize("given", ["other", "short"])
def test_a_wrong_passphrase(given, sealed, passphrases):
    _, home = sealed
    before = tree(home)
    line = refused(
        run("list", "publish", "--home", home, "--passphrase-file", passphrases / given),
        str(home / "keys" / "wrapping.json"),
        "passphrase",
    )
    assert (passphrases / given).read_text().strip() not in line
    assert tree(home) == before


def test_a_short_passphrase_makes_no_home(sealed, passphrases):
    edition, _ = sealed
    command = ("init", "--edition", edition, "--home", passphrases / "new")
    refused(run(*command, "--passphrase-file", passphrases / "short"), "fewer than 12 characters")
    assert not (passphrases / "new").exists()


def test_a_half_made_home_keeps_its_passphrase(sealed, passphrases, tmp_path):
    edition, home = sealed
    half = shutil.copytree(home, tmp_path / "half")
    edit(half, '"complete"', '"making"')
    before = tree(half)
    command = ("init", "--edition", edition, "--home", half)
    refused(run(*command, "--passphrase-file", passphrases / "other"), "wrapping.json", "passphrase")
    assert tree(half) == before
    done(run(*command, KAKEHASHI_PASSPHRASE=PASSPHRASE))
    assert tree(half) == tree(home)


# What every command has


def commands(group=main, names=()):
    """Every command with its name in words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        item = group.get_command(context, name)
        if isinstance(item, click.Group):
            yield from commands(item, (*names, name))
        else:
            yield (*names, name), item


@pytest.mark.parametrize("names", [names for names, _ in commands()], ids=" ".join)
def test_every_command_has_help_with_an_example(names):
    shown = done(run(*names, "--help")).stdout
    assert "Example" in shown
    assert f"  kakehashi {' '.join(names)} " in shown
    for option in ("--home", "--json", "--no-colour", "--clock", "--passphrase-file"):
        assert option in shown


def test_the_groups_have_help():
    for names in ((), ("officer",), ("case",), ("list",)):
        assert "Commands:" in done(run(*names, "--help")).stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("case", "show", "x"), "NotFound"),
        (("case", "issue", FILED, "--officer", "ito"), "Conflict"),
        (("case", "examine", FILED, "--officer", "sato"), "NotPermitted"),
        (("revoke", "x", "--reason", "superseded", "--officer", "ito"), "BadInput"),
        (("list", "publish", "--clock", "x"), "BadInput"),
        (("init", "--edition", "none.toml", "--test-keys"), "EditionRefused"),
        (("init", "--test-keys", "--url", "https://a"), "BadInput"),
        (("init",), "Conflict"),
    ],
)
def test_errors_in_json_are_objects_with_facts(arguments, error, home, before):
    outcome = run(*arguments, "--home", home, "--json", KAKEHASHI_PASSPHRASE=PASSPHRASE)
    assert (outcome.status, outcome.stdout, outcome.stderr.count("\n")) == (1, "", 1)
    facts = msgspec.json.decode(outcome.stderr)
    assert facts.keys() == {"error", "place", "problem", "clause", "remedy"}
    assert facts["error"] == error
    assert facts["place"]
    assert facts["problem"]
    assert tree(home) == before


def test_the_real_command_refuses_as_the_tests_see_it(home, before, files):
    """The same in a process of its own: exit status, streams, and no traceback."""
    csr = f"signature={files / 'key-0.csr'}"
    command = ("case", "file", "--officer", "sato", "--resident", files / "hanako.json", "--csr", csr)
    alone, here = kakehashi(*command, "--home", home), run(*command, "--home", home)
    assert alone == here
    refused(alone, "signature request", "Make a new key pair")
    assert tree(home) == before
