"""The software card itself: PINs and their lock-out, also by sudden death; requests and certificates; what it never tells."""

import os
import pty
import random
import shutil
import subprocess
import traceback
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL

import click
import pytest
from asn1crypto import pem
from hypothesis import given
from hypothesis import strategies as st

from ca.chance import SystemChance
from ca.errors import BadInput, Conflict, KakehashiError, KeyRefused, NotFound, PassphraseRefused, TokenFailed
from ca.issuing.intake import read_csr
from ca.keys.session import Token, TokenAddress
from ca.keys.signer import verify
from ca.suites import (
    ML_DSA_44,
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
)
from front.card import pins
from front.card.card import Card
from front.card.pins import PIN_RULES, Pin, PinLocked
from front.card.tokens import Tokens
from front.cli.card import card as card_group
from tests import card_world, commands, rings, sudden_death
from tests.card_world import AUTHENTICATION, KINDS, NEW, PINS, SIGNATURE, TRIES, WRONG
from tests.engine_world import Running, append, lines
from tests.softhsm import LABEL, PIN, SoftHsm
from tests.suite_keys import TOKENS_KNOW

EACH = pytest.mark.parametrize("kind", KINDS)
RULES = {
    SHA1_RSA1024: RSA1024_KEYS,
    SHA1_RSA2048: replace(RSA2048_KEYS, sha1=True),
    SHA256_RSA2048: RSA2048_KEYS,
    SHA256_RSA3072: RSA3072_KEYS,
    SHA256_P256: P256_KEYS,
    SHA384_P384: P384_KEYS,
}


@pytest.fixture(scope="module", autouse=True)
def _cheap_pins():
    card_world.cheaply()
    yield
    pins._COST = card_world.REAL_COST


@pytest.fixture
def card(tmp_path):
    folder, _ = card_world.blank()
    return Card.open(shutil.copytree(folder, tmp_path / "card"))


@pytest.fixture
def code():
    return card_world.blank()[1]


def opens(card, kind, pin):
    """Whether the PIN opens it: what it signs then is right."""
    with card.unlocked(kind, pin) as key:
        verify(card.keys[kind], key.suite, b"message", key.sign(b"message", key.suite))


def wrong(card, kind, times=1):
    for _ in range(times):
        with pytest.raises(PassphraseRefused), card.unlocked(kind, WRONG[kind]):
            pass


# Making


@pytest.mark.parametrize("suite", TOKENS_KNOW.values(), ids=TOKENS_KNOW)
def test_a_card_has_two_keys_and_requests_that_judges_accept(suite, tmp_path):
    card_world.place()
    card, _ = card_world.made(tmp_path / "card", "HANAKO0001", suite)
    assert len(set(card.keys.values())) == 2
    for kind in KINDS:
        with card.unlocked(kind, PINS[kind]) as key:
            request = key.request(suite.sign_until)
        (tmp_path / "request").write_bytes(request)
        command = ["openssl", "req", "-inform", "DER", "-in", "request", "-verify", "-noout", "-subject"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "verify OK" in done.stderr
        assert done.stdout == "subject=CN = HANAKO0001\n"
        for form in (request, pem.armor("CERTIFICATE REQUEST", request)):
            assert read_csr(form, RULES[suite], "request") == card.keys[kind]


def test_a_card_has_no_ml_dsa_keys(tmp_path):
    with pytest.raises(KeyRefused, match="card HANAKO0001: has no keys for the suite ml-dsa-44"):
        card_world.made(tmp_path / "card", "HANAKO0001", ML_DSA_44)
    assert not list(tmp_path.iterdir())


def test_a_card_survives_being_moved(card, tmp_path):
    opens(card, SIGNATURE, PINS[SIGNATURE])
    moved = Card.open(shutil.move(card.folder, tmp_path / "elsewhere"))
    opens(moved, SIGNATURE, PINS[SIGNATURE])


@pytest.mark.parametrize(
    ("number", "changed"),
    [
        ("hanako0001", {}),
        ("SHORT", {}),
        ("HANAKO0000001", {}),
        ("HANAKO/0001", {}),
        ("HANAKO0001", {SIGNATURE: "short"}),
        ("HANAKO0001", {SIGNATURE: "a" * 17}),
        ("HANAKO0001", {SIGNATURE: "with blank"}),
        ("HANAKO0001", {SIGNATURE: "ひらがなのピン"}),
        ("HANAKO0001", {AUTHENTICATION: "123"}),
        ("HANAKO0001", {AUTHENTICATION: "12345"}),
        ("HANAKO0001", {AUTHENTICATION: "\uff11\uff12\uff13\uff14"}),
        ("HANAKO0001", {AUTHENTICATION: "1234\n"}),
    ],
)
def test_what_is_not_of_its_form_makes_no_card(number, changed, tmp_path):
    with pytest.raises(BadInput) as refused:
        Card.make(tmp_path / "card", number, {**PINS, **changed}, suite=SHA256_P256, chance=SystemChance())
    assert all(pin not in told(refused.value) for pin in changed.values())
    assert list(tmp_path.iterdir()) == []


def test_a_card_never_takes_the_place_of_something(card):
    with pytest.raises(Conflict, match="is there already"):
        card_world.made(card.folder, "HANAKO0001")
    opens(card, SIGNATURE, PINS[SIGNATURE])


def test_a_making_that_fails_leaves_nothing(tmp_path):
    for module, words in (("/nowhere/module.so", "cannot be loaded"), ("libc.so.6", "cannot be loaded")):
        with pytest.raises(TokenFailed, match=words):
            Card.make(
                tmp_path / "card", "HANAKO0001", PINS, suite=SHA256_P256, chance=SystemChance(), module=module
            )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_card_is_said_so(tmp_path):
    with pytest.raises(NotFound, match="has no card in it"):
        Card.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b'{"number":"HANAKO0001"}', b"\xff"])
def test_a_damaged_card_is_said_so(content, card):
    (card.folder / "card.json").write_bytes(content)
    with pytest.raises(KeyRefused, match="is damaged"):
        Card.open(card.folder)


def test_another_open_token_of_this_process_keeps_a_card_out(card, tmp_path, monkeypatch):
    hsm = SoftHsm.make(tmp_path / "hsm")
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    token = Token.open(TokenAddress(hsm.module, LABEL), PIN)
    with pytest.raises(TokenFailed, match="while this process has another token open"):
        opens(card, AUTHENTICATION, PINS[AUTHENTICATION])
    token.close()
    assert card.pin(AUTHENTICATION).left() == 3
    opens(card, AUTHENTICATION, PINS[AUTHENTICATION])
    assert os.environ["SOFTHSM2_CONF"] == str(hsm.configuration)


# PINs


@EACH
def test_a_pin_locks_after_its_tries_and_the_other_does_not(kind, card):
    (other,) = set(KINDS) - {kind}
    for left in reversed(range(TRIES[kind])):
        words = f"{left} tr" if left else "is wrong, and is locked now"
        with pytest.raises(PassphraseRefused, match=words), card.unlocked(kind, WRONG[kind]):
            pass
        assert card.pin(kind).left() == left
    for pin in (WRONG[kind], PINS[kind]):
        with pytest.raises(PinLocked, match="is locked: it was wrong too often"), card.unlocked(kind, pin):
            pass
    opens(card, other, PINS[other])
    assert card.pin(other).left() == TRIES[other]


@EACH
def test_the_right_pin_gives_all_tries_back(kind, card):
    for _ in range(2):
        wrong(card, kind, TRIES[kind] - 1)
        assert card.pin(kind).left() == 1
        opens(card, kind, PINS[kind])
        assert card.pin(kind).left() == TRIES[kind]


@EACH
def test_what_has_no_pins_form_costs_no_try(kind, card):
    for pin in ("", "1", "x" * 100, "12\udcff4", "1234\0", "½¼¾⅓"):
        with pytest.raises(BadInput) as refused, card.unlocked(kind, pin):
            pass
        assert len(pin) < 2 or pin not in told(refused.value)
    assert card.pin(kind).left() == TRIES[kind]


@EACH
def test_a_token_that_cannot_be_used_costs_no_try(kind, card):
    (card.folder / "tokens").rename(card.folder / "away")
    for _ in range(2):
        with pytest.raises(TokenFailed, match="is not there"), card.unlocked(kind, WRONG[kind]):
            pass
    (card.folder / "tokens").rmdir()
    (card.folder / "away").rename(card.folder / "tokens")
    assert card.pin(kind).left() == TRIES[kind]
    opens(card, kind, PINS[kind])


@EACH
def test_a_changed_pin_is_the_pin(kind, card):
    wrong(card, kind)
    card.change_pin(kind, PINS[kind], NEW[kind])
    assert card.pin(kind).left() == TRIES[kind]
    opens(card, kind, NEW[kind])
    with pytest.raises(PassphraseRefused), card.unlocked(kind, PINS[kind]):
        pass
    with pytest.raises(PassphraseRefused):
        card.change_pin(kind, PINS[kind], WRONG[kind])
    assert card.pin(kind).left() == TRIES[kind] - 2
    with pytest.raises(BadInput):
        card.change_pin(kind, NEW[kind], "?")
    assert card.pin(kind).left() == TRIES[kind] - 2


@EACH
@pytest.mark.parametrize("tries", [0, 1, 5], ids=["forgotten", "tried", "locked"])
def test_the_unlock_code_sets_a_new_pin_and_the_key_stays(kind, tries, card, code):
    wrong(card, kind, min(tries, TRIES[kind]))
    left = card.pin(kind).left()
    for bad in ("0" * 32, code[:-1] + ("0" if code[-1] != "0" else "1")):
        with pytest.raises(PassphraseRefused, match="unlock code: is wrong") as refused:
            card.unlock(kind, bad, NEW[kind], SystemChance())
        assert bad not in told(refused.value)
    for bad in ("", "short", "x" * 32):
        with pytest.raises(BadInput, match="is not 32 hexadecimal digits"):
            card.unlock(kind, bad, NEW[kind], SystemChance())
    assert card.pin(kind).left() == left
    card.unlock(kind, code.upper(), NEW[kind], SystemChance())
    assert card.pin(kind).left() == TRIES[kind]
    opens(card, kind, NEW[kind])


@EACH
def test_deleting_the_count_loses_the_card_to_whoever_has_no_unlock_code(kind, card, code):
    path = card.folder / f"{kind}.pin.json"
    wrong(card, kind)
    for spoil, words in ((path.unlink, "is missing"), (lambda: path.write_bytes(b"{}"), "is damaged")):
        spoil()
        for pin in (PINS[kind], WRONG[kind]):
            with pytest.raises(KeyRefused, match=f"{words}, and without it no PIN opens the card"):
                opens(card, kind, pin)
    card.unlock(kind, code, NEW[kind], SystemChance())
    opens(card, kind, NEW[kind])


@EACH
def test_another_number_in_the_place_of_none_opens_nothing(kind, card):
    path = card.folder / f"{kind}.pin.json"
    wrong(card, kind, TRIES[kind])
    path.write_text(path.read_text().replace('"left":0', f'"left":{TRIES[kind]}'))
    assert card.pin(kind).left() == 0
    with pytest.raises(PinLocked):
        opens(card, kind, PINS[kind])


# Sudden death


def guess(folder, kind, told_to, seed):
    """A guesser who is to die: wrong PINs, each noted just before the token looks at it, until the card is locked."""
    log_in = Tokens.open

    def noted(self, label, opens):
        append(told_to / "judged", b"one more")
        return log_in(self, label, opens)

    Tokens.open = noted
    card_world.cheaply()
    sudden_death.CALLS = 3
    sudden_death.mortal(random.Random(seed), told_to / "deaths")
    card = Card.open(folder)
    while True:
        try:
            with card.unlocked(kind, WRONG[kind]):
                raise AssertionError("a wrong PIN has opened a card")
        except PinLocked:
            return
        except PassphraseRefused:
            continue


@pytest.mark.deeper
@EACH
def test_killing_whoever_guesses_gives_no_try_more(kind, tmp_path):
    """The process dies before or after any sync and renaming; however often, the token sees no PIN more than it may."""
    deaths = judged = 0
    for number in range(max(1, rings.KILLS // 20)):
        folder, _ = card_world.blank()
        folder = shutil.copytree(folder, tmp_path / f"card-{number}")
        told_to = tmp_path / f"told-{number}"
        told_to.mkdir()
        for seed in range(number * 1000, number * 1000 + 200):
            ended = Running(guess, folder, kind, told_to, seed).wait()
            assert ended in (0, -SIGKILL)
            if ended == 0:
                break
            deaths += 1
        seen = len(lines(told_to / "judged"))
        assert seen <= TRIES[kind]
        judged += seen
        with pytest.raises(PinLocked):
            opens(Card.open(folder), kind, PINS[kind])
    assert deaths > 0
    assert judged > 0 or rings.KILLS < 100, "of a single card each try may have died before it was judged"


def guess_at_once(folder, kind, told_to):
    """One of several guessers at a time."""
    log_in = Tokens.open

    def noted(self, label, opens):
        append(told_to, b"one more")
        return log_in(self, label, opens)

    Tokens.open = noted
    card_world.cheaply()
    card = Card.open(folder)
    for _ in range(TRIES[kind]):
        with pytest.raises((PassphraseRefused, PinLocked)), card.unlocked(kind, WRONG[kind]):
            pass


def test_several_who_guess_at_once_have_the_tries_of_one(card, tmp_path):
    processes = [
        Running(guess_at_once, card.folder, SIGNATURE, tmp_path / f"judged-{one}") for one in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert sum(len(lines(tmp_path / f"judged-{one}")) for one in range(3)) == TRIES[SIGNATURE]
    assert card.pin(SIGNATURE).left() == 0


def tend(folder, code, told_to, seed):
    """A holder who is to die while the PIN is changed to and fro, or set by the code."""
    card_world.cheaply()
    sudden_death.CALLS = 8
    sudden_death.mortal(random.Random(seed), told_to)
    card = Card.open(folder)
    kind = AUTHENTICATION
    for _ in range(6):
        for old, new in ((PINS, NEW), (NEW, PINS)):
            card.change_pin(kind, old[kind], new[kind])
            opens(card, kind, new[kind])
    card.unlock(kind, code, PINS[kind], SystemChance())


@pytest.mark.deeper
def test_a_death_while_a_pin_is_changed_leaves_a_card_that_can_be_opened(card, code, tmp_path):
    """One of the two PINs is right, or it is locked; and the unlock code sets a new one in any case."""
    kind, died = AUTHENTICATION, 0
    for seed in range(max(4, rings.KILLS // 5)):
        ended = Running(tend, card.folder, code, tmp_path / "deaths", seed).wait()
        assert ended in (0, -SIGKILL)
        died += ended != 0
        right = 0
        if card.pin(kind).left() == TRIES[kind]:
            for pin in (PINS[kind], NEW[kind]):
                try:
                    opens(card, kind, pin)
                except PassphraseRefused:
                    continue
                right += 1
            assert right == 1
        card.unlock(kind, code, PINS[kind], SystemChance())
        opens(card, kind, PINS[kind])
    assert died > 0


# A model of the count


ACTS = st.lists(st.sampled_from(["right", "wrong", "failing", "malformed", "dying"]), max_size=20)
COSTS = {"wrong": 1, "dying": 1, "failing": 0, "malformed": 0}
"""How many tries an act costs that does not open the token."""


class Death(BaseException):
    """In the midst of a login; nothing after it runs."""


def act_on(pin, act, kind, knows, looks):
    """One act; gives the error that it ends in, or None. Notes when a token has looked at a PIN."""

    def log_in(opens):
        if act == "failing":
            raise TokenFailed("token", "is gone")
        looks.append(act)
        if act == "dying":
            raise Death
        if opens != knows:
            raise PassphraseRefused("token", "the PIN is not the token's")

    tried = {"wrong": WRONG[kind], "malformed": "?"}.get(act, PINS[kind])
    try:
        pin.attempt(tried, log_in)
    except (KakehashiError, Death) as error:
        return type(error)
    return None


@given(acts=ACTS, kind=st.sampled_from(KINDS))
def test_the_count_is_what_a_card_would_have_counted(acts, kind, tmp_path_factory):
    ends = {"wrong": PassphraseRefused, "dying": Death, "failing": TokenFailed, "right": None}
    pin = Pin(tmp_path_factory.mktemp("pin") / "pin.json", PIN_RULES[kind], "PIN")
    knows = pin.set(PINS[kind], lambda opens: opens, SystemChance())
    left = TRIES[kind]
    for act in acts:
        looks = []
        ended = act_on(pin, act, kind, knows, looks)
        if act == "malformed":
            assert ended is BadInput
        else:
            assert ended is (ends[act] if left else PinLocked)
        assert len(looks) == (1 if left and act in ("right", "wrong", "dying") else 0)
        left = left and (TRIES[kind] if act == "right" else left - COSTS[act])
        assert pin.left() == left


# What it never tells


def told(error):
    """Everything that an error says, with all that led to it."""
    return f"{error} {error!r} {error.args} {vars(error)} " + "".join(traceback.format_exception(error))


@EACH
def test_no_pin_stands_in_errors_reprs_or_files(kind, card, code):
    (other,) = set(KINDS) - {kind}
    plain = code.replace("-", "")
    secrets = [PINS[kind], WRONG[kind], NEW[kind], PINS[other], code, plain]
    said = [repr(card), repr(card.pin(kind))]
    with card.unlocked(kind, PINS[kind]) as key:
        said.append(f"{key!r} {key._signer!r}")
    for ask in (
        lambda: opens(card, kind, WRONG[kind]),
        lambda: card.change_pin(kind, WRONG[kind], NEW[kind]),
        lambda: card.unlock(kind, "0" * 32, NEW[kind], SystemChance()),
        lambda: opens(card, kind, WRONG[kind]),
        lambda: opens(card, kind, PINS[kind]),
    ):
        try:
            ask()
        except KakehashiError as error:
            said.append(told(error))
    assert [secret for secret in secrets if any(secret in one for one in said)] == []
    for path in card.folder.rglob("*"):
        octets = path.read_bytes() if path.is_file() else b""
        assert [secret for secret in [*secrets, bytes.fromhex(plain)] if as_bytes(secret) in octets] == [], (
            path
        )


def as_bytes(secret):
    return secret if isinstance(secret, bytes) else secret.encode()


def test_the_folder_is_its_owners_alone(card):
    assert card.folder.stat().st_mode & 0o777 == 0o700
    for name in ("card.json", "signature.pin.json", "user-authentication.pin.json"):
        assert (card.folder / name).stat().st_mode & 0o777 == 0o600


def test_no_command_takes_a_secret_as_an_argument():
    for command in card_group.commands.values():
        for parameter in command.params:
            if {"pin", "code", "passphrase"} & set(parameter.name.split("_")):
                assert isinstance(parameter.type, click.Path), parameter.name
                assert parameter.opts[0].endswith("-file")


# The commands


@pytest.fixture
def files(tmp_path, code):
    """Files with each secret in its first line, by name."""
    contents = {
        "signature": PINS[SIGNATURE],
        "authentication": PINS[AUTHENTICATION],
        "wrong": WRONG[SIGNATURE],
        "new": NEW[SIGNATURE],
        "code": code,
        "empty": "",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(f"{content}\nanother line\n")
    return {name: tmp_path / name for name in contents}


def test_new_csr_change_pin_unlock_and_info(files, tmp_path):
    folder = tmp_path / "card"
    making = (
        "--signature-pin-file",
        files["signature"],
        "--authentication-pin-file",
        files["authentication"],
    )
    number = ("--number", "HANAKO0001", "--unlock-code-file", tmp_path / "unlock")
    card_world.place()
    said = commands.done(commands.run("card", "new", "--card", folder, *number, *making, "--json")).json
    assert (said["card"], said["suite"]) == ("HANAKO0001", "sha256-rsa2048")
    assert (tmp_path / "unlock").stat().st_mode & 0o777 == 0o600

    def run(name, *options):
        return commands.run("card", name, "--card", folder, *options)

    signature = ("--kind", "signature")
    asked = ("csr", *signature, "--out", tmp_path / "sig.csr", "--pin-file")
    commands.done(run(*asked, files["signature"]))
    read_csr((tmp_path / "sig.csr").read_bytes(), RSA2048_KEYS, "request")
    commands.refused(run(*asked, files["signature"]), "sig.csr", "is there already")
    commands.refused(
        run("csr", *signature, "--out", tmp_path / "no.csr", "--pin-file", files["wrong"]), "4 tries"
    )
    commands.refused(run(*asked, files["empty"]), "signature PIN")
    commands.refused(run(*asked, tmp_path / "nowhere"), "cannot be read: No such file")
    commands.refused(run(*asked[:-1]), "signature PIN: there is none", "Give --pin-file")
    assert not (tmp_path / "no.csr").exists()
    commands.done(
        run("change-pin", *signature, "--pin-file", files["signature"], "--new-pin-file", files["new"])
    )
    for left in (4, 3, 2, 1):
        commands.refused(run(*asked, files["signature"]), f"{left} tr")
    commands.refused(run(*asked, files["signature"]), "locked now", "kakehashi card unlock")
    commands.refused(run(*asked, files["new"]), "is locked")
    rows = commands.done(run("info", "--offline", "--json")).json["applications"]
    assert [row["pin"] for row in rows] == ["locked", "3 of 3 tries left"]
    unlocking = ("unlock", *signature, "--new-pin-file", files["signature"], "--unlock-code-file")
    commands.refused(run(*unlocking, files["code"]), "unlock code", "is wrong")  # another card's
    assert commands.done(run(*unlocking, tmp_path / "unlock", "--json")).json["tries_left"] == 5
    printed = commands.done(run("info")).stdout
    assert "HANAKO0001" in printed
    assert "PIN: 5 of 5 tries left" in printed


def test_a_pin_is_asked_for_at_a_terminal_and_never_shown(card, code):
    with card_world.at_full_cost():
        card.unlock(AUTHENTICATION, code, PINS[AUTHENTICATION], SystemChance())
    answers = [PINS[AUTHENTICATION], NEW[AUTHENTICATION], NEW[AUTHENTICATION]]
    arguments = ["card", "change-pin", "--card", str(card.folder), "--kind", "user-authentication"]
    process, terminal = pty.fork()
    if process == 0:
        os.execv(commands.COMMAND, [str(commands.COMMAND), *arguments])  # noqa: S606 - as a terminal does
    shown = b""
    for number, answer in enumerate(answers, 1):
        while shown.count(b":") < number:
            shown += os.read(terminal, 4096)
        os.write(terminal, answer.encode() + b"\n")
    try:
        while octets := os.read(terminal, 4096):
            shown += octets
    except OSError:  # the end of a terminal whose other side has gone
        pass
    os.close(terminal)
    assert os.waitpid(process, 0)[1] == 0, shown
    assert not [answer for answer in answers if answer.encode() in shown]
    with card_world.at_full_cost():
        opens(card, AUTHENTICATION, NEW[AUTHENTICATION])


def test_without_the_extra_an_error_says_what_to_install(card, files):
    program = "import sys; sys.modules['pkcs11'] = None\nfrom front.cli import main\nmain(sys.argv[1:])"
    words = ["card", "csr", "--card", card.folder, "--kind", "signature", "--out", "x", "--pin-file"]
    done = subprocess.run(
        [commands.sys.executable, "-c", program, *map(str, words), str(files["signature"])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'kakehashi[hsm]'" in done.stderr
    assert card.pin(SIGNATURE).left() == 5


def test_a_card_is_not_made_over_a_file(tmp_path, files):
    (tmp_path / "card").write_text("mine")
    making = (
        "--signature-pin-file",
        files["signature"],
        "--authentication-pin-file",
        files["authentication"],
    )
    outcome = commands.run("card", "new", "--card", tmp_path / "card", "--number", "HANAKO0001", *making)
    commands.refused(outcome, "is there already")
    assert Path(tmp_path / "card").read_text() == "mine"
