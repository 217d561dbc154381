"""Responders alone whose keys lie in a token: what is handed over names them, and a server signs with them there."""

import os
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from ca.model import RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.store import responders
from front.assembly import open_world
from front.demo.openssl import OpensslJudge, from_folder, write_certificate
from front.heart import beating
from front.responding import open_responders
from tests import commands
from tests.served_world import Home, served, wait_until
from tests.softhsm import LABEL, PIN, SoftHsm
from tests.test_custody import TOKYO, WRONG_PIN, approved, in_token, issue, making, staffed


@pytest.fixture(scope="module")
def hsm(tmp_path_factory):
    made = SoftHsm.make(tmp_path_factory.mktemp("hsm") / "hsm")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made


@pytest.fixture(scope="module")
def home(hsm, tmp_path_factory):
    """A small world of P-256 whose keys lie in a token, with officers."""
    folder = tmp_path_factory.mktemp("token")
    commands.done(commands.run(*making(folder, "sha256-p256", *in_token(hsm)), KAKEHASHI_PASSPHRASE=PIN))
    return staffed(folder / "home", PIN)


def export(home, target, *options):
    return commands.run("responder", "export", target, "--home", home, *options, KAKEHASHI_PASSPHRASE=PIN)


@pytest.fixture(scope="module")
def exported(home, tmp_path_factory):
    target = tmp_path_factory.mktemp("exported") / "answers"
    said = commands.done(export(home, target, "--json")).json
    assert said["keys"] == "in the token"
    assert said["responders"] > 0
    return target


def test_it_names_the_token_and_has_no_key_and_no_pin(home, exported, hsm):
    assert commands.tree(exported).keys() == {"home.toml", "home.lock", "edition.toml", "municipalities.csv"}
    said = (exported / "home.toml").read_text()
    assert f'[token]\nmodule = "{hsm.module}"\nlabel = "{LABEL}"\n' in said
    assert 'role = "ocsp"' in said
    assert not any(PIN.encode() in (octets or b"") for octets in commands.tree(exported).values())
    before = commands.tree(exported)
    commands.done(export(home, exported))
    assert commands.tree(exported) == before, "again it changes nothing"


def test_a_passphrase_for_keys_that_are_not_handed_over_is_refused(home, tmp_path):
    (tmp_path / "theirs").write_text("passphrase of the responders")
    said = export(home, tmp_path / "answers", "--new-passphrase-file", tmp_path / "theirs")
    commands.refused(said, "--new-passphrase-file", "lie in a token", "PIN")
    assert not (tmp_path / "answers").exists()


def test_every_responders_key_is_found_by_its_name(home, exported):
    with open_world(home, lambda: PIN) as world, open_responders(exported, lambda: PIN) as opened:
        with world.stores.nation.reading() as connection:
            keys = [one.key for one in responders.newest(connection)]
        for key in keys:
            assert opened.vault.signer(key).public_key == world.vault().signer(key).public_key


def test_what_keeps_a_server_from_its_keys_is_said_before_it_serves(exported, tmp_path):
    def refused(*words, **environment):
        said = commands.kakehashi("serve", "--role", "ocsp", "--home", exported, **environment)
        commands.refused(said, *words)

    found = {"SOFTHSM2_CONF": os.environ["SOFTHSM2_CONF"]}
    refused("the PIN is not the token's", KAKEHASHI_PASSPHRASE=WRONG_PIN, **found)
    empty = tmp_path / "softhsm2.conf"
    (tmp_path / "tokens").mkdir()
    empty.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    refused(f"token '{LABEL}': is not there", KAKEHASHI_PASSPHRASE=PIN, SOFTHSM2_CONF=str(empty))


_STRIP = """
import sys, pkcs11
module, label, pin = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=label).open(rw=True, user_pin=pin) as session:
    for one in list(session.get_objects()):
        if not one[pkcs11.Attribute.LABEL].endswith(".ocsp"):
            one.destroy()
    print(len(list(session.get_objects())))
"""


def test_openssl_is_answered_by_servers_that_can_use_no_other_key(home, exported, hsm, tmp_path):
    """They have a copy of the token with nothing in it but the keys of responders, as docs/operating.md has it."""
    theirs = hsm.copy(tmp_path / "theirs")
    left = subprocess.run(
        [sys.executable, "-c", _STRIP, hsm.module, LABEL, PIN],
        env=os.environ | theirs.environment, check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    assert int(left) > 0
    with ExitStack() as stack:
        world = stack.enter_context(open_world(home, lambda: PIN))
        certificate = issue(world, approved(world, 1))[0]
        stack.enter_context(beating(world))
        server = stack.enter_context(
            served(
                Home(exported, {}, datetime.now(UTC)), "--role", "ocsp", "--workers", "2",
                KAKEHASHI_PASSPHRASE=PIN, **theirs.environment,
            )
        )  # fmt: skip
        judge = OpensslJudge.over(
            from_folder(home / "repository"), world.plan.trusted_policies, tmp_path / "j"
        )
        file = write_certificate(tmp_path / "holder.pem", certificate.encoded)

        def says():
            return judge.ocsp(file, TOKYO, f"{server.url}/ocsp/{TOKYO}")

        wait_until(lambda: says() == "good", "it is good")
        assert [says() for _ in range(4)] == ["good"] * 4, "either process signs"
        revoke(world.stores, certificate.id, RevocationReason.KEY_COMPROMISE, "ito", at=world.clock())
        wait_until(lambda: says() == "revoked", "it is revoked")
        with theirs.away():
            assert "trylater" in judge.ocsp(file, TOKYO, f"{server.url}/ocsp/{TOKYO}"), "no key, no answer"
        wait_until(lambda: says() == "revoked", "the token is back")
        assert PIN not in server.said()
