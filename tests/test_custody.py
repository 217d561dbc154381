"""The same edition with its keys in files or in a token, under every suite; and a token that fails amid the work."""

import os
from datetime import UTC, datetime

import msgspec
import pytest
from asn1crypto.x509 import Certificate

from bridge.manifest import MANIFEST
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.errors import PassphraseRefused, TokenFailed
from ca.keys import signer, token
from ca.model import CertificateKind, GenerationId
from ca.store import applications
from ca.store.certificates import CertificateState
from ca.suites import SHA256_P256, SHA256_RSA2048, SHA384_P384, KeyFamily
from front.applicants import ResidentParticulars, resident_of
from front.assembly import open_world
from front.demo.openssl import OpensslJudge, from_folder, run, write_certificate
from front.demo.people import invented_code
from front.server import serving
from tests import commands, ocsp_world, served_world
from tests.engine_world import csr_for
from tests.small_edition import HANAKO, LISTS, OFFICERS, replaced, small_edition
from tests.softhsm import LABEL, PIN, SoftHsm

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - it guards nothing
WRONG_PIN = "1111"
BOTH = (CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION)
TOKYO = GenerationId.parse("jpki-13.g1")
"""Whose residents the tests issue to."""


@pytest.fixture
def hsm(tmp_path, monkeypatch):
    made = SoftHsm.make(tmp_path / "hsm")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def making(folder, suite, *options):
    """The command that makes a small world under a suite, with keys of its own."""
    file = folder / "edition.toml"
    file.write_text(replaced(small_edition(), 'suite = "sha256-rsa2048"', f'suite = "{suite}"'), "utf-8")
    return ("init", "--edition", file, "--home", folder / "home", *options)


def in_token(hsm):
    return ("--token", hsm.module, "--token-label", LABEL)


def staffed(home, secret):
    for officer, (office, role) in OFFICERS.items():
        added = ("officer", "add", officer, "--office", office, "--role", role, "--home", home)
        commands.done(commands.run(*added, KAKEHASHI_PASSPHRASE=secret))
    return home


@pytest.fixture
def token_home(hsm, tmp_path):
    """A small world of P-256 whose keys lie in a token, with officers."""
    commands.done(commands.run(*making(tmp_path, "sha256-p256", *in_token(hsm)), KAKEHASHI_PASSPHRASE=PIN))
    return staffed(tmp_path / "home", PIN)


def approved(world, number):
    """A case of somebody new for both kinds, that only waits to be issued."""
    filed = resident_of(
        msgspec.convert({**HANAKO, "code": str(invented_code(number))}, ResidentParticulars), "somebody"
    )
    csrs = {kind: csr_for(2 * number + index) for index, kind in enumerate(BOTH)}
    case = world.registration.file("sato", filed.resident, csrs, code=filed.code, at=world.clock()).case.id
    world.registration.examine(case, "suzuki", at=world.clock())
    world.registration.approve(case, "tanaka", at=world.clock())
    return case


def issue(world, case):
    return world.registration.issue(case, "ito", at=world.clock())


def ours(world, encoded):
    """Our own verdict, from nothing but what is published."""
    snapshot = Snapshot.read(world.home.repository)
    anchor = (world.home.repository / f"g/{snapshot.manifest.anchor}/self.cer").read_bytes()
    trust = Trust((anchor,), frozenset(world.plan.trusted_policies), world.plan.marking)
    try:
        verify(encoded, snapshot, trust, world.clock())
    except PathRejected as rejected:
        return rejected.reason.value
    return "valid"


# A world of every kind


@pytest.mark.parametrize(
    ("suite", "custody"),
    [
        pytest.param(suite, custody, id=f"{suite.id}-{custody}", marks=marks)
        for suite, custody, marks in (
            (SHA256_RSA2048, "token", ()),
            (SHA256_P256, "token", pytest.mark.long),
            (SHA384_P384, "token", ()),
            (SHA256_RSA2048, "files", pytest.mark.long),
            (SHA256_P256, "files", ()),
            (SHA384_P384, "files", pytest.mark.long),
        )
    ],
)
def test_a_world_lives_under_every_suite_in_either_custody(suite, custody, hsm, tmp_path):
    secret, options = (PIN, in_token(hsm)) if custody == "token" else (PASSPHRASE, ())
    made = commands.done(
        commands.run(*making(tmp_path, suite.id, "--json", *options), KAKEHASHI_PASSPHRASE=secret)
    )
    assert sum(row["lists"] for row in made.json) == LISTS
    home = staffed(tmp_path / "home", secret)
    with open_world(home, lambda: secret) as world:
        issued = issue(world, approved(world, 1))
        judge = OpensslJudge.over(
            from_folder(home / "repository"), world.plan.trusted_policies, tmp_path / "j"
        )
        files = [write_certificate(tmp_path / f"{item.record.kind}.pem", item.encoded) for item in issued]

        def verdicts(number):
            item = issued[number]
            theirs = judge.verify(files[number], item.id.generation, item.record.scope, at=world.clock())
            return ours(world, item.encoded), theirs.words

        def status(number):
            with serving(world) as application, ocsp_world.served(application) as url:
                return judge.ocsp(files[number], TOKYO, f"{url.rpartition('/')[0]}/{TOKYO}")

        for item in issued:
            algorithm = Certificate.load(item.encoded)["signature_algorithm"]
            assert algorithm["algorithm"].dotted == suite.algorithm
            # NULL with RSA (RFC 4055 5), nothing with ECDSA (RFC 5758 3.2)
            assert algorithm.dump().endswith(b"\x05\x00") == (suite.family is KeyFamily.RSA)
        assert [verdicts(0), verdicts(1)] == [("valid", "OK")] * 2
        assert [status(0), status(1)] == ["good", "good"]
        revoking = ("revoke", issued[0].id, "--reason", "keyCompromise", "--officer", "ito", "--home", home)
        commands.done(commands.run(*revoking, KAKEHASHI_PASSPHRASE=secret))
        assert [verdicts(0), verdicts(1)] == [("revoked", "error 23: certificate revoked"), ("valid", "OK")]
        assert [status(0), status(1)] == ["revoked", "good"]
    manifest_is_signed(home / "repository", tmp_path)


def manifest_is_signed(repository, folder):
    anchor = folder / "anchor.pem"
    run("x509", "-inform", "DER", "-in", repository / "g/gpki-bca.g1/self.cer", "-out", anchor)
    done = run(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", repository / "manifest.p7s", "-CAfile", anchor,
        "-purpose", "any", "-out", "/dev/null", "-content", repository / MANIFEST,
    )  # fmt: skip
    assert "successful" in done.stderr


# A token that fails amid the work


class Falling:
    """Takes the tokens away once so many signatures have been made."""

    def __init__(self, monkeypatch, hsm, after):
        self.hsm, self.left = hsm, after
        monkeypatch.setattr(token, "sign_in_token", self.sign)

    def sign(self, *arguments):
        if self.left == 0:
            self.hsm.take_away()
        self.left -= 1
        # What the token says to that is the token's own.
        return signer.sign_in_token(*arguments)


def test_a_token_that_goes_away_between_two_signatures_loses_nothing(token_home, hsm, monkeypatch):
    with open_world(token_home, lambda: PIN) as world:
        done, broken, waiting = (approved(world, number) for number in (1, 2, 3))
        before = issue(world, done)
        Falling(monkeypatch, hsm, after=1)
        with pytest.raises(TokenFailed, match="is not there"):
            issue(world, broken)
        with pytest.raises(TokenFailed):
            issue(world, waiting)
        intended = {case: intents(world, case) for case in (broken, waiting)}
        assert [len(found) for found in intended.values()] == [2, 2]
        with pytest.raises(TokenFailed), open_world(token_home, lambda: PIN) as other:
            _ = other.issuers
        hsm.bring_back()
        # The same world goes on, and signs the bytes that were intended.
        everything = list(before)
        for case, records in intended.items():
            issued = {item.id: item for item in issue(world, case)}
            assert issued.keys() == records.keys()
            for name, record in records.items():
                assert Certificate.load(issued[name].encoded)["tbs_certificate"].dump() == record.encoded
            everything += issued.values()
        assert len({item.id for item in everything}) == 6
        assert {ours(world, item.encoded) for item in everything} == {"valid"}


def intents(world, case):
    """The certificates of a case that are written down and not signed, by their ids."""
    records = certificates(world, case)
    return {record.id: record for record in records if record.state is CertificateState.INTENDED}


def certificates(world, case):
    with world.stores.nation.reading() as connection:
        found = applications.find(connection, case)
    return world.stores.certificates(found.certificates)


def test_what_was_intended_when_a_token_went_away_is_signed_at_the_next_start(token_home, hsm):
    with open_world(token_home, lambda: PIN) as world:
        case = approved(world, 1)
        issue(world, approved(world, 2))
        with hsm.away(), pytest.raises(TokenFailed):
            issue(world, case)
        left = intents(world, case)
        assert len(left) == 2
    with open_world(token_home, lambda: PIN) as world:
        _ = world.issuers
        assert intents(world, case) == {}
        issued = {record.id: record for record in certificates(world, case)}
        assert issued.keys() == left.keys()
        for name, record in left.items():
            assert Certificate.load(issued[name].encoded)["tbs_certificate"].dump() == record.encoded
            assert ours(world, issued[name].encoded) == "valid"


def test_without_the_token_nothing_is_intended_under_a_key_that_was_not_opened_yet(token_home, hsm):
    with open_world(token_home, lambda: PIN) as world:
        case = approved(world, 1)
        with hsm.away(), pytest.raises(TokenFailed):
            issue(world, case)
        assert intents(world, case) == {}
        assert len(issue(world, case)) == 2


def test_a_token_that_goes_away_in_the_making_is_no_loss(hsm, tmp_path, monkeypatch):
    command = making(tmp_path, "sha256-p256", *in_token(hsm))
    with monkeypatch.context() as patch:
        Falling(patch, hsm, after=100)
        line = commands.refused(commands.run(*command, KAKEHASHI_PASSPHRASE=PIN), f"token '{LABEL}'")
        assert "is not there" in line
    home = tmp_path / "home"
    commands.refused(commands.run("list", "publish", "--home", home), "half made")
    commands.refused(commands.run(*command, KAKEHASHI_PASSPHRASE=PIN), "is not there")
    hsm.bring_back()
    made = commands.done(commands.run(*command, "--json", KAKEHASHI_PASSPHRASE=PIN))
    assert sum(row["lists"] for row in made.json) == LISTS
    with open_world(home, lambda: PIN) as world:
        snapshot = Snapshot.read(home / "repository")
        assert len(snapshot.manifest.authorities) == len(world.plan.practices)


def test_lists_and_status_wait_for_the_token(token_home, hsm, tmp_path):
    with open_world(token_home, lambda: PIN) as world:
        issued = issue(world, approved(world, 1))
        judge = OpensslJudge.over(
            from_folder(token_home / "repository"), world.plan.trusted_policies, tmp_path / "j"
        )
        file = write_certificate(tmp_path / "holder.pem", issued[0].encoded)
        before = commands.tree(token_home / "repository")
        with serving(world) as application, ocsp_world.served(application) as root:
            url = f"{root.rpartition('/')[0]}/{TOKYO}"
            assert judge.ocsp(file, TOKYO, url) == "good"
            with hsm.away():
                assert "trylater" in judge.ocsp(file, TOKYO, url)
                publishing = ("list", "publish", "--home", token_home, "--clock", "2035-01-01T00:00Z")
                commands.refused(commands.run(*publishing, KAKEHASHI_PASSPHRASE=PIN), "is not there")
            assert commands.tree(token_home / "repository") == before
            assert judge.ocsp(file, TOKYO, url) == "good"


# The command line


def test_served_by_several_processes(token_home):
    def told(*arguments):
        done = commands.run(*arguments, "--home", token_home, "--json", KAKEHASHI_PASSPHRASE=PIN)
        return commands.done(done).json

    keys = {"sato": told("officer", "add", "sato-2", "--office", "131016", "--role", "reception")["key"]}
    with open_world(token_home, lambda: PIN) as world:
        made = issue(world, approved(world, 1))[0]
    home = served_world.Home(token_home, keys, datetime.now(UTC))
    with served_world.served(
        home, "--workers", "2", KAKEHASHI_PASSPHRASE=PIN, SOFTHSM2_CONF=os.environ["SOFTHSM2_CONF"]
    ) as server:
        judge = OpensslJudge.over(
            from_folder(token_home / "repository"),
            ["2.999.2014.1.1", "2.999.2014.1.2"],
            token_home.parent / "j",
        )
        file = write_certificate(token_home.parent / "holder.pem", made.encoded)
        said = [judge.ocsp(file, TOKYO, f"{server.url}/ocsp/{TOKYO}") for _ in range(6)]
        assert said == ["good"] * 6
    assert PIN not in server.said()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--token", "MODULE"), "--token: needs --token-label"),
        (("--token-label", LABEL), "--token: needs --token-label"),
        (
            ("--token", "MODULE", "--token-label", LABEL, "--test-keys"),
            "public test keys do not lie in a token",
        ),
        (("--token", "MODULE", "--token-label", "another"), "token 'another': is not there"),
        (("--token", "/nowhere.so", "--token-label", LABEL), "PKCS#11 module /nowhere.so: cannot be loaded"),
    ],
)
def test_what_is_refused_before_anything_is_made(options, words, hsm, tmp_path):
    options = [hsm.module if word == "MODULE" else word for word in options]
    command = ("init", "--home", tmp_path / "home", *options)
    commands.refused(commands.run(*command, KAKEHASHI_PASSPHRASE=PIN), words)
    assert not (tmp_path / "home").exists()


def test_a_wrong_pin_makes_nothing(hsm, tmp_path):
    command = making(tmp_path, "sha256-p256", *in_token(hsm))
    before = sorted(hsm.octets())
    line = commands.refused(
        commands.run(*command, KAKEHASHI_PASSPHRASE=WRONG_PIN), "the PIN is not the token's"
    )
    assert WRONG_PIN not in line
    assert not (tmp_path / "home").exists()
    assert len(list(hsm.octets())) == len(before)


def test_a_home_knows_its_token_and_never_the_pin(token_home, hsm):
    text = (token_home / "home.toml").read_text()
    assert f'[token]\nmodule = "{hsm.module}"\nlabel = "{LABEL}"\n' in text
    assert [
        name for name, octets in commands.tree(token_home).items() if octets and PIN.encode() in octets
    ] == []
    assert not (token_home / "keys").exists()
    with pytest.raises(PassphraseRefused), open_world(token_home, lambda: "wrong") as world:
        _ = world.issuers


def test_a_home_keeps_its_token(token_home, hsm, tmp_path):
    hsm.add("another")
    there = ("init", "--edition", tmp_path / "edition.toml", "--home", token_home)
    again = commands.run(*there, *in_token(hsm), KAKEHASHI_PASSPHRASE=PIN)
    assert "complete already" in commands.done(again).stdout
    other = ("--token", hsm.module, "--token-label", "another")
    commands.refused(commands.run(*there, *other, KAKEHASHI_PASSPHRASE=PIN), "was made with token")
    commands.refused(commands.run(*there, KAKEHASHI_PASSPHRASE=PASSPHRASE), "was made with token")


@pytest.mark.parametrize("suite", ["sha256-p256", "sha384-p384"])
def test_the_public_test_keys_serve_no_other_suite(suite, tmp_path):
    commands.refused(commands.run(*making(tmp_path, suite, "--test-keys")), "without --test-keys", suite)
    assert not (tmp_path / "home").exists()
