"""Keys in a PKCS#11 token: SoftHSM 2, for real, with what happens when it is locked, forgetful, or gone."""

import multiprocessing
import os
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import pkcs11
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pkcs11 import Attribute, KeyType, ObjectClass, exceptions

from ca.errors import BadInput, KakehashiError, KeyRefused, PassphraseRefused, TokenFailed
from ca.keys import session
from ca.keys.session import Token, TokenAddress, refusal
from ca.keys.signer import verify
from ca.keys.token import TokenVault
from ca.keys.vault import key_id
from ca.suites import ML_DSA_44, ML_DSA_65, ML_DSA_87, SHA256_P256, SHA256_RSA2048, SHA384_P384
from tests.softhsm import LABEL, PIN, SoftHsm
from tests.suite_keys import TOKENS_KNOW

HOME = "0123456789abcdef0123456789abcdef"
OTHER_HOME = "f" * 32
CA = key_id("jpki-13.g1")
EVERY_SUITE = pytest.mark.parametrize("suite", TOKENS_KNOW.values(), ids=TOKENS_KNOW)


@pytest.fixture
def hsm(tmp_path, monkeypatch):
    made = SoftHsm.make(tmp_path / "hsm")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    for token in list(session._open.values()):  # what a failed test left open
        token._users = 1
        token.close()


@pytest.fixture
def address(hsm):
    return TokenAddress(hsm.module, LABEL)


@pytest.fixture
def vault(address):
    made = TokenVault.make(address, HOME, PIN)
    yield made
    made.close()


def objects(address, **attributes):
    """What lies in the token, seen past our code: a session in the login that the test has."""
    token = pkcs11.lib(address.module).get_token(token_label=address.label)
    wanted = {Attribute[name]: value for name, value in attributes.items()}
    return list(token.open(rw=True).get_objects(wanted))


def checked(signer, suite, message=b"message"):
    verify(signer.public_key, suite, message, signer.sign(message, suite))


# Signing


@EVERY_SUITE
def test_openssl_accepts_what_a_token_signs(vault, suite, tmp_path):
    signer = vault.create(CA, suite)
    checked(signer, suite)
    (tmp_path / "message").write_bytes(b"to be signed" * 100_000)
    (tmp_path / "signature").write_bytes(signer.sign(b"to be signed" * 100_000, suite))
    (tmp_path / "key.pem").write_bytes(
        load_der_public_key(signer.public_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    judge = [
        "openssl",
        "dgst",
        f"-{suite.digest}",
        "-verify",
        "key.pem",
        "-signature",
        "signature",
        "message",
    ]
    done = subprocess.run(judge, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "Verified OK\n"


@EVERY_SUITE
def test_a_key_opens_again_and_is_made_once(address, suite):
    vault = TokenVault.make(address, HOME, PIN)
    made = vault.create(CA, suite).public_key
    code_key = vault.code_key()
    vault.close()
    for opening in (TokenVault.open, TokenVault.make):
        again = opening(address, HOME, PIN)
        assert again.create(CA, suite).public_key == again.signer(CA).public_key == made
        assert again.code_key() == code_key
        checked(again.signer(CA), suite)
        again.close()
    assert len(code_key) == 32


def test_a_suite_that_does_not_fit_the_key_is_refused(vault):
    signer = vault.create(CA, SHA256_P256)
    with pytest.raises(KeyRefused, match="is an EC key and cannot serve the suite sha256-rsa2048"):
        signer.sign(b"message", SHA256_RSA2048)
    with pytest.raises(KeyRefused, match="needs the curve secp384r1"):
        vault.create(CA, SHA384_P384)


@pytest.mark.parametrize("text", ["", "../a", "A", "a b", "a" * 81])
def test_what_is_no_key_id_reaches_no_token(vault, address, text):
    before = len(objects(address))
    for ask in (lambda: vault.signer(text), lambda: vault.create(text, SHA256_P256)):
        with pytest.raises(BadInput, match="key id"):
            ask()
    assert len(objects(address)) == before


@pytest.mark.parametrize("suite", [ML_DSA_44, ML_DSA_65, ML_DSA_87], ids=lambda suite: suite.id)
def test_a_token_has_no_ml_dsa_keys(vault, address, suite):
    before = len(objects(address))
    with pytest.raises(KeyRefused, match=f"token {LABEL}: has no keys for the suite {suite.id}"):
        vault.create(CA, suite)
    assert len(objects(address)) == before
    with pytest.raises(KeyRefused, match="no private key"):
        vault.signer(CA)


def test_threads_sign_at_once(vault):
    signers = [(vault.create(key_id(f"key-{suite.id}"), suite), suite) for suite in TOKENS_KNOW.values()]
    start = threading.Barrier(6)

    def work(number):
        start.wait()
        for turn in range(20):
            signer, suite = signers[(number + turn) % len(signers)]
            checked(signer, suite, f"message {number} {turn}".encode())

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


def sign_in_a_process(address, sender):
    """In a process of its own."""
    vault = TokenVault.open(address, HOME, PIN)
    try:
        signer = vault.signer(CA)
        checked(signer, SHA256_RSA2048)
        sender.send((signer.public_key, vault.code_key()))
    finally:
        vault.close()


def test_spawned_processes_open_the_token_themselves(vault, address):
    mine = vault.create(CA, SHA256_RSA2048).public_key, vault.code_key()
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    processes = [spawn.Process(target=sign_in_a_process, args=(address, sender)) for _ in range(2)]
    for process in processes:
        process.start()
    checked(vault.signer(CA), SHA256_RSA2048)
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert [receiver.recv(), receiver.recv()] == [mine, mine]


def sign_after_a_fork(vault, address):
    """In a forked child: what was opened before is refused by name."""
    for ask in (
        lambda: vault.signer(CA).sign(b"message", SHA256_P256),
        lambda: vault.signer(key_id("other")),
        lambda: TokenVault.open(address, HOME, PIN),
    ):
        with pytest.raises(TokenFailed, match="was opened before a fork") as refused:
            ask()
        assert refused.value.remedy == "Start the process by spawn"


def test_nothing_of_a_token_outlives_a_fork(vault, address):
    vault.create(CA, SHA256_P256)
    child = multiprocessing.get_context("fork").Process(target=sign_after_a_fork, args=(vault, address))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    checked(vault.signer(CA), SHA256_P256)


# What lies in the token


@EVERY_SUITE
def test_a_private_key_never_leaves_the_token(vault, address, suite):
    vault.create(CA, suite)
    (private,) = objects(address, CLASS=ObjectClass.PRIVATE_KEY)
    facts = ("PRIVATE", "SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "LOCAL", "TOKEN", "SIGN")
    assert {name: private[Attribute[name]] for name in facts} == dict.fromkeys(facts, True)
    assert not any(private[Attribute[name]] for name in ("EXTRACTABLE", "DECRYPT", "UNWRAP", "DERIVE"))
    secret = Attribute.PRIVATE_EXPONENT if private[Attribute.KEY_TYPE] is KeyType.RSA else Attribute.VALUE
    with pytest.raises(exceptions.AttributeSensitive):
        private[secret]
    wrapping = private.session.generate_key(KeyType.AES, 256)
    with pytest.raises(exceptions.KeyUnextractable):
        wrapping.wrap_key(private, mechanism=pkcs11.Mechanism.AES_KEY_WRAP_PAD)
    name = f"kakehashi-{HOME}/{CA}"
    assert (private[Attribute.LABEL], private[Attribute.ID]) == (name, name.encode())


def test_without_the_pin_nothing_secret_is_seen(address, hsm):
    vault = TokenVault.make(address, HOME, PIN)
    vault.create(CA, SHA256_P256)
    code_key = vault.code_key()
    vault.close()
    kinds = {found[Attribute.CLASS] for found in objects(address)}
    pkcs11.lib(address.module).finalize()
    assert kinds == {ObjectClass.PUBLIC_KEY}
    files = list(hsm.octets())
    assert files
    assert [path for path, octets in files if code_key in octets or PIN.encode() in octets] == []


def test_two_homes_on_one_token_share_nothing(address):
    one, other = (TokenVault.make(address, home, PIN) for home in (HOME, OTHER_HOME))
    keys = [vault.create(CA, SHA256_P256).public_key for vault in (one, other)]
    assert keys[0] != keys[1]
    assert one.code_key() != other.code_key()
    one.create(key_id("only-here"), SHA256_P256)
    with pytest.raises(KeyRefused, match=f"has no private key 'kakehashi-{OTHER_HOME}/only-here'"):
        other.signer(key_id("only-here"))
    one.close()
    checked(other.signer(CA), SHA256_P256)  # the login goes with the last one
    other.close()


@pytest.mark.usefixtures("vault")
def test_a_token_without_this_home_is_said_so(address):
    with pytest.raises(KeyRefused, match="has nothing of this home"):
        TokenVault.open(address, OTHER_HOME, PIN)


def pair(address, label, **private):
    """A key pair from somebody else's hand, under this label."""
    token = pkcs11.lib(address.module).get_token(token_label=address.label)
    template = {Attribute[name]: value for name, value in private.items()}
    return token.open(rw=True).generate_keypair(
        KeyType.RSA, 2048, store=True, label=label, private_template=template
    )


def test_what_an_interrupted_making_left_is_cleared_away(vault, address):
    name = f"kakehashi-{HOME}/{CA}"
    pair(address, f"{name} (being made)")
    half, _ = pair(address, f"{name} (being made)")
    half[Attribute.LABEL] = name  # killed between its halves
    signer = vault.create(CA, SHA256_RSA2048)
    checked(signer, SHA256_RSA2048)
    labels = sorted(found[Attribute.LABEL] for found in objects(address))
    assert labels == [name, name, f"kakehashi-{HOME}/residents' code key"]


def test_a_key_that_could_leave_the_token_is_refused(vault, address):
    pair(address, f"kakehashi-{HOME}/{CA}", EXTRACTABLE=True, SENSITIVE=False)
    for ask in (lambda: vault.signer(CA), lambda: vault.create(CA, SHA256_RSA2048)):
        with pytest.raises(KeyRefused, match="would give out its private key"):
            ask()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda found: found[ObjectClass.PRIVATE_KEY].destroy(), "has no private key"),
        (lambda found: found[ObjectClass.PUBLIC_KEY].destroy(), "has no public key"),
        (
            lambda found: found[ObjectClass.PUBLIC_KEY].copy({Attribute.ID: b"twin"}),
            "has 2 objects named",
        ),
    ],
    ids=["no private", "no public", "twice"],
)
def test_a_key_that_is_not_whole_is_refused(address, spoil, words):
    vault = TokenVault.make(address, HOME, PIN)
    vault.create(CA, SHA256_P256)
    vault.close()
    again = TokenVault.open(address, HOME, PIN)
    label = f"kakehashi-{HOME}/{CA}"
    spoil({found[Attribute.CLASS]: found for found in objects(address, LABEL=label)})
    with pytest.raises(KeyRefused, match=words) as refused:
        again.signer(CA)
    assert "backup" in refused.value.remedy
    again.close()


@pytest.mark.usefixtures("vault")
def test_a_damaged_code_key_is_refused(address):
    (found,) = objects(address, CLASS=ObjectClass.DATA)
    template = {name: found[name] for name in (Attribute.CLASS, Attribute.LABEL, Attribute.PRIVATE)}
    found.session.create_object({**template, Attribute.TOKEN: True, Attribute.VALUE: b"short"})
    found.destroy()
    with pytest.raises(KeyRefused, match="residents' code key\" is damaged"):
        TokenVault.open(address, HOME, PIN)


# The PIN


@pytest.mark.parametrize("pin", ["", "1", "8472-token-pinn", "x" * 300, "8472-\udcff"])
@pytest.mark.parametrize("shared", [False, True], ids=["first", "beside another"])
def test_a_wrong_pin_is_refused_and_told_to_nobody(address, pin, shared):
    vault = TokenVault.make(address, HOME, PIN)
    if not shared:
        vault.close()
    with pytest.raises(PassphraseRefused, match=f"^token '{LABEL}': the PIN is not") as refused:
        TokenVault.open(address, HOME, pin)
    told = f"{refused.value!r} {refused.value.args} " + "".join(traceback.format_exception(refused.value))
    assert len(pin) < 2 or pin not in told
    if not shared:
        vault = TokenVault.open(address, HOME, PIN)
    checked(vault.create(CA, SHA256_P256), SHA256_P256)
    assert PIN not in f"{vault!r} {vault.signer(CA)!r} {Token.open(address, PIN)!r}"
    vault.close()
    Token.open(address, PIN).close()


def test_a_pin_that_is_no_longer_right_is_not_tried_again(hsm, vault):
    signer = vault.create(CA, SHA256_P256)
    with hsm.away(), pytest.raises(TokenFailed):
        signer.sign(b"message", SHA256_P256)
    hsm.change_pin(PIN, "another-pin")
    for _ in range(3):
        with pytest.raises(PassphraseRefused, match="the PIN is not the token's"):
            signer.sign(b"message", SHA256_P256)
    hsm.change_pin("another-pin", PIN)
    # Had it been tried, it would be right now; this process has forgotten it.
    with pytest.raises(PassphraseRefused, match="the PIN is not the token's"):
        signer.sign(b"message", SHA256_P256)


class Answering:
    """A module whose token answers logins with these errors, one after another, and then lets everybody in.

    SoftHSM calls a wrong PIN by its name and never locks; other tokens do not and do.
    """

    manufacturer_id = "Somebody"

    def __init__(self, *errors):
        self.errors = list(errors)
        self.logins = 0
        self.ends = 0

    def get_token(self, token_label):
        assert token_label == LABEL
        return self

    def open(self, rw, user_pin):
        assert (rw, user_pin) == (True, PIN)
        self.logins += 1
        if self.errors:
            raise self.errors.pop(0)
        return self

    def close(self):
        pass

    def finalize(self):
        self.ends += 1


@pytest.fixture
def answering(monkeypatch):
    """Put such a module in the place of every other; gives it with its address."""

    def put(*errors):
        module = Answering(*errors)
        monkeypatch.setattr(session, "_library", lambda _: module)
        monkeypatch.setattr(session, "_PAUSES", (0, 0, 0))
        return module, TokenAddress(f"/answering-{len(errors)}.so", LABEL)

    return put


REFUSING = [
    exceptions.FunctionFailed,
    exceptions.GeneralError,
    exceptions.DeviceError,
    exceptions.PinLocked,
    exceptions.PinExpired,
    exceptions.PinIncorrect,
    exceptions.UserPinNotInitialized,
]


@pytest.mark.parametrize("error", REFUSING)
def test_a_login_that_the_token_refuses_is_tried_once(answering, error):
    module, address = answering(error(), error())
    with pytest.raises((PassphraseRefused, TokenFailed)):
        Token.open(address, PIN)
    assert module.logins == 1
    assert address not in session._open


@pytest.mark.parametrize("error", session._NOT_REACHED)
def test_a_login_that_does_not_reach_the_token_is_repeated(answering, error):
    module, address = answering(error(), error(), error())
    Token.open(address, PIN).close()
    assert module.logins == 4


def test_a_softhsm_that_fails_beside_anothers_login_is_asked_again(answering, hsm):
    real = pkcs11.lib(hsm.module)
    manufacturer = real.get_token(token_label=LABEL).manufacturer_id
    real.finalize()
    module, address = answering(exceptions.GeneralError())
    module.manufacturer_id = manufacturer
    Token.open(address, PIN).close()
    assert module.logins == 2


def test_a_token_that_is_never_reached_is_said_so_in_the_end(answering):
    module, address = answering(*[exceptions.TokenNotPresent()] * 20)
    with pytest.raises(TokenFailed, match=r"has failed or is gone \(TokenNotPresent\)"):
        Token.open(address, PIN)
    assert module.logins == 8


def test_a_refused_login_in_a_run_is_left_to_the_next_run_which_begins_anew(answering):
    module, address = answering()
    token = Token.open(address, PIN)
    module.errors = [exceptions.GeneralError()] * 2

    def work(found):
        if module.logins == 1:
            raise exceptions.SessionHandleInvalid
        return found

    for logins in (2, 3):
        with pytest.raises(TokenFailed, match="GeneralError"):
            token.run(work)
        assert (module.logins, module.ends) == (logins, logins - 1)
    assert token.run(work) is module
    token.close()


def test_others_work_while_an_opening_waits_for_its_token(hsm, vault, monkeypatch):
    signer = vault.create(CA, SHA256_P256)
    waits = []

    def wait(pause):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(checked, signer, SHA256_P256).result(30)
        waits.append(pause)

    monkeypatch.setattr(session.time, "sleep", wait)
    with pytest.raises(TokenFailed, match="is not there"):
        Token.open(TokenAddress(hsm.module, "another"), PIN)
    assert waits == list(session._PAUSES)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (exceptions.PinIncorrect, PassphraseRefused, "the PIN is not the token's"),
        (exceptions.PinLenRange, PassphraseRefused, "the PIN is not the token's"),
        (exceptions.PinInvalid, PassphraseRefused, "the PIN is not the token's"),
        # SoftHSM never locks, so its error is told here and not had.
        (exceptions.PinLocked, TokenFailed, "is locked: its PIN was wrong too often"),
        (exceptions.PinExpired, TokenFailed, "its PIN has expired"),
        (exceptions.UserPinNotInitialized, TokenFailed, "has no PIN yet"),
        (exceptions.NoSuchToken, TokenFailed, "is not there"),
        (exceptions.MultipleTokensReturned, TokenFailed, "several tokens of this label"),
        (exceptions.DeviceMemory, TokenFailed, "is full"),
        (exceptions.TokenWriteProtected, TokenFailed, "is write-protected"),
        (exceptions.DeviceRemoved, TokenFailed, r"has failed or is gone \(DeviceRemoved\)"),
        (exceptions.TokenNotPresent, TokenFailed, "has failed or is gone"),
        (exceptions.SessionHandleInvalid, TokenFailed, "has failed or is gone"),
        (exceptions.GeneralError, TokenFailed, "has failed or is gone"),
    ],
)
def test_what_a_token_says_is_told_in_words(error, kind, words):
    told = refusal(TokenAddress("/module.so", "nation"), error(f"the PIN was {PIN}"))
    assert type(told) is kind
    assert told.place == "token 'nation'"
    assert PIN not in str(told)
    with pytest.raises(kind, match=words):
        raise told


def test_a_failed_token_is_a_key_refused_so_that_a_server_says_unavailable():
    assert issubclass(TokenFailed, KeyRefused)


# The module and the token are not there


@pytest.mark.parametrize("file", ["/nowhere/module.so", "/etc/passwd", "libc.so.6", "no-such-library.so"])
def test_a_module_that_cannot_be_loaded(file):
    with pytest.raises(TokenFailed, match="cannot be loaded") as refused:
        TokenVault.open(TokenAddress(file, LABEL), HOME, PIN)
    assert refused.value.place == f"PKCS#11 module {file}"
    assert "libsofthsm2.so" in refused.value.remedy


def test_a_token_that_is_not_there(hsm):
    with pytest.raises(TokenFailed, match=r"^token 'another': is not there"):
        TokenVault.make(TokenAddress(hsm.module, "another"), HOME, PIN)
    hsm.add("another")
    TokenVault.make(TokenAddress(hsm.module, "another"), HOME, PIN).close()


def test_two_tokens_of_one_label(hsm, address):
    hsm.add(LABEL)
    with pytest.raises(TokenFailed, match="several tokens of this label"):
        TokenVault.make(address, HOME, PIN)


def test_two_tokens_at_once(hsm, vault):
    hsm.add("second")
    second = TokenVault.make(TokenAddress(hsm.module, "second"), HOME, PIN)
    signers = [vault.create(CA, SHA256_P256), second.create(CA, SHA256_P256)]
    assert signers[0].public_key != signers[1].public_key
    with hsm.away():
        for signer in signers:
            with pytest.raises(TokenFailed):
                signer.sign(b"message", SHA256_P256)
    for signer in signers * 2:  # one token's new start ends the other's session, which is opened again
        checked(signer, SHA256_P256)
    second.close()
    checked(signers[0], SHA256_P256)


@EVERY_SUITE
def test_a_token_that_goes_away_and_comes_back(hsm, address, vault, suite):
    signer = vault.create(CA, suite)
    new = key_id("new")
    with hsm.away():
        for ask in (
            lambda: signer.sign(b"message", suite),
            lambda: vault.create(new, suite),
            lambda: vault.signer(new),
            lambda: TokenVault.open(address, HOME, "wrong"),
        ):
            with pytest.raises(KakehashiError) as failed:
                ask()
            assert isinstance(failed.value, TokenFailed | PassphraseRefused)
            assert str(failed.value).startswith(f"token '{LABEL}': ")
    checked(signer, suite)
    checked(vault.create(new, suite), suite)
    assert len(objects(address, CLASS=ObjectClass.PRIVATE_KEY)) == 2


def test_a_token_that_comes_back_unnoticed_is_not_missed(hsm, vault):
    signer = vault.create(CA, SHA256_RSA2048)
    for _ in range(3):
        with hsm.away():
            pass
        checked(signer, SHA256_RSA2048)


def test_a_folder_of_tokens_that_is_gone_altogether(hsm, vault):
    signer = vault.create(CA, SHA256_P256)
    gone = hsm.folder / "tokens"
    gone.rename(hsm.folder / "elsewhere")
    with pytest.raises(TokenFailed, match=r"has failed or is gone \(GeneralError\)"):
        signer.sign(b"message", SHA256_P256)
    (hsm.folder / "elsewhere").rename(gone)
    checked(signer, SHA256_P256)


def test_closing_while_the_token_is_away(hsm, address):
    vault = TokenVault.make(address, HOME, PIN)
    vault.create(CA, SHA256_P256)
    with hsm.away():
        vault.close()
    again = TokenVault.open(address, HOME, PIN)
    checked(again.signer(CA), SHA256_P256)
    again.close()


def test_without_the_extra_an_error_says_what_to_install(tmp_path):
    program = "import sys; sys.modules['pkcs11'] = None\nfrom front.cli import main\nmain(sys.argv[1:])"
    command = ("init", "--home", tmp_path / "home", "--token", "/module.so", "--token-label", "x")
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, command)],
        capture_output=True, text=True, check=False, env={**os.environ, "KAKEHASHI_PASSPHRASE": PIN},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'kakehashi[hsm]'" in done.stderr
    assert not (tmp_path / "home").exists()
