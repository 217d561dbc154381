"""The parts of signing in: codes, patience, where it happens, and what an authenticator's answer has to be."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import BadInput
from ca.model import OfficeId, Officer, OfficerId, Role
from ca.store.passkeys import Passkey
from front.signing_in import answers, codes
from front.signing_in.patience import _MOST_ADDRESSES, Patience
from front.signing_in.refusals import Refusal, SignInRefused
from front.signing_in.terms import Terms, origin_of, usual_origin
from tests.authenticator import ATTESTED, PRESENT, RS1, VERIFIED, Authenticator, Bearing, b64, unb64

AT = datetime(2026, 4, 1, tzinfo=UTC)
TERMS = Terms("https://window.example")
ITO = Officer(OfficerId("ito"), OfficeId("centre"), frozenset({Role.OPERATOR}), "伊藤")
CHALLENGE = bytes(range(32))


# Codes

CODE = "5P6P-C5CM-85RX-E352-A8FY-8FEB-ZJJ6"


@pytest.mark.parametrize(
    "typed",
    [
        CODE.lower(),
        CODE.replace("-", ""),
        CODE.replace("-", " "),
        f"  {CODE}\u3000",
        "".join(chr(ord(symbol) + 0xFEE0) for symbol in CODE),  # full width
        CODE.replace("-", "\u30fc"),  # what Japanese input makes of a hyphen
    ],
)
def test_a_code_is_read_however_it_is_typed(typed):
    assert codes.digest_of(typed) == codes.digest_of(CODE)


def test_letters_that_look_like_digits_are_those():
    code = next(code for code in iter(codes.make, None) if {"0", "1"} <= set(code))
    digest = codes.digest_of(code)
    assert digest == codes.digest_of(code.replace("0", "O").replace("1", "I"))
    assert digest == codes.digest_of(code.replace("0", "o").replace("1", "l"))


@pytest.mark.parametrize(
    "typed", ["", "sato", CODE[:-1], CODE + "0", CODE.replace("P", "U"), CODE.replace("P", "é"), "0" * 10_000]
)
def test_what_is_no_code_is_told_so(typed):
    with pytest.raises(SignInRefused, match="is not an enrolment code"):
        codes.digest_of(typed)


def read_or_none(typed):
    try:
        return codes.digest_of(typed)
    except SignInRefused:
        return None


def test_a_slip_of_the_fingers_is_told_as_one():
    slips = [
        CODE[:at] + other + CODE[at + 1 :]
        for at, symbol in enumerate(CODE)
        for other in codes._SYMBOLS
        if symbol not in {"-", other}
    ]
    read = [digest for slip in slips if (digest := read_or_none(slip)) is not None]
    assert len(slips) == 28 * 31
    assert len(read) <= 2, "twelve bits find all but one in four thousand"
    assert codes.digest_of(CODE) not in read


def test_every_code_is_another():
    made = {codes.make() for _ in range(100)}
    assert len({codes.digest_of(code) for code in made}) == 100
    assert all(len(code.split("-")) == 7 for code in made)


# Patience


def refused(patience, address, now):
    try:
        patience.require(address, now)
    except SignInRefused as error:
        return error.reason is Refusal.TOO_OFTEN
    return False


def test_so_many_tries_in_a_minute_and_then_again():
    patience = Patience(5)
    for second in range(5):
        assert not refused(patience, "192.0.2.1", second)
        patience.count("192.0.2.1", second)
    assert refused(patience, "192.0.2.1", 5)
    assert not refused(patience, "192.0.2.2", 5), "another address"
    assert refused(patience, "192.0.2.1", 59.9)
    assert not refused(patience, "192.0.2.1", 60.1), "the first is a minute ago"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "no address", True),
    ],
)
def test_what_counts_as_one_address(one, other, same):
    patience = Patience(1)
    patience.count(one, 0)
    assert refused(patience, other, 1) is same


def test_no_more_is_remembered_than_there_is_room_for():
    patience = Patience(5)
    for number in range(_MOST_ADDRESSES + 100):
        patience.count(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", number / 1000)
    for _ in range(100):
        patience.count("10.1.1.1", 5)
    assert len(patience._made) <= _MOST_ADDRESSES
    assert max(map(len, patience._made.values())) <= 5


# Terms


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://window.example", "https://window.example"),
        ("https://Window.Example:443/", "https://window.example"),
        ("https://window.example:8443", "https://window.example:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://chiyoda.localhost:80", "http://chiyoda.localhost"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(text, origin):
    assert origin_of(text, "--origin") == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "window.example",
        "http://window.example",
        "https://192.0.2.1",
        "https://[2001:db8::1]",
        "http://127.0.0.1:8080",
        "https://window.example/path",
        "https://window.example?query",
        "https://user@window.example",
        "https://window.example:port",
        "https://window.example:99999",
        "https://window example",
        "ftp://window.example",
        "javascript://window.example",
    ],
)
def test_what_browsers_let_no_passkey_be_used_at_is_refused(text):
    with pytest.raises(BadInput, match=r"--origin: is not the origin .*Web Authentication"):
        origin_of(text, "--origin")


@pytest.mark.parametrize(
    ("url", "port", "origin"),
    [
        ("https://pki.example/repository", None, "https://pki.example"),
        ("http://127.0.0.1:8080", None, "http://localhost:8080"),
        ("http://pki.example", 9000, "http://localhost:9000"),
        ("http://pki.example", None, "http://localhost:8080"),
        ("http://localhost:9000", 8080, "http://localhost:9000"),
    ],
)
def test_where_officers_sign_in_that_nobody_told(url, port, origin):
    assert usual_origin(url, port) == origin


def test_where_a_world_runs_faster_its_people_do_not():
    assert TERMS.paced(60).idle == timedelta(hours=15)
    assert TERMS.paced(0) == TERMS
    assert (TERMS.host, TERMS.domain) == ("window.example", "window.example")
    assert Terms("http://localhost:8080").domain == "localhost"


# Answers


def authenticator(**changes):
    return Authenticator(Bearing(TERMS.origin, TERMS.domain)).behaving(**changes)


QUESTION = {"challenge": b64(CHALLENGE), "user": {"id": b64(answers.user_handle(ITO.id))}}


def enrolled(maker):
    made = answers.made(TERMS, ITO.id, CHALLENGE, maker.create(QUESTION))
    return Passkey(made.credential, ITO.id, "window 2", made.public_key, made.sign_count, AT)


def test_a_passkey_is_made_and_holds():
    maker = authenticator()
    passkey = enrolled(maker)
    assert (passkey.credential, passkey.sign_count) == (maker.credential, 1)
    assert answers.held(TERMS, passkey, CHALLENGE, maker.get(QUESTION)) == 2


def test_one_that_does_not_count_says_nought_for_ever():
    maker = authenticator(count=0)
    assert answers.held(TERMS, enrolled(maker), CHALLENGE, maker.get(QUESTION)) == 0


WRONG = {
    "origin": ({"origin": "https://window.example.evil.example"}, "origin"),
    "origin without TLS": ({"origin": "http://window.example"}, "origin"),
    "a subdomain's origin": ({"origin": "https://a.window.example"}, "origin"),
    "another port": ({"origin": "https://window.example:8443"}, "origin"),
    "another relying party": ({"domain": "evil.example"}, "RP ID"),
    "challenge": ({"challenge": bytes(32)}, "challenge"),
    "no challenge": ({"challenge": b""}, "challenge"),
    "in another site's frame": ({"cross_origin": True}, "frame"),
    "nobody there": ({"flags": VERIFIED}, "Present"),
    "nobody verified": ({"flags": PRESENT}, "verification"),
}


@pytest.mark.parametrize(("changes", "cause"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_makes_no_passkey(changes, cause):
    with pytest.raises(SignInRefused) as refusal:
        enrolled(authenticator(**changes))
    assert refusal.value.reason is Refusal.ANSWER_WRONG
    assert cause in str(refusal.value.__cause__)


WRONG_MAKING = {
    "the other kind": ({"kind": "webauthn.get"}, "type"),
    "an algorithm not asked for": ({"algorithm": RS1}, "not asked for"),
    "an id too long": ({"credential": bytes(1024)}, "too long"),
    "an id of no length": ({"credential": b""}, "no length"),
    "no passkey in it": ({"flags": PRESENT | VERIFIED | 0x80}, ""),
}


@pytest.mark.parametrize(("changes", "cause"), WRONG_MAKING.values(), ids=WRONG_MAKING)
def test_what_makes_no_passkey(changes, cause):
    test_a_wrong_answer_makes_no_passkey(changes, cause)


WRONG_HOLDING = WRONG | {
    "the other kind": ({"kind": "webauthn.create"}, "type"),
    "another officer's name": ({"handle": answers.user_handle(OfficerId("sato"))}, "another officer"),
    "nobody's name": ({"handle": b""}, "another officer"),
}


@pytest.mark.parametrize(("changes", "cause"), WRONG_HOLDING.values(), ids=WRONG_HOLDING)
def test_a_wrong_answer_does_not_hold(changes, cause):
    maker = authenticator()
    passkey = enrolled(maker)
    with pytest.raises(SignInRefused) as refusal:
        answers.held(TERMS, passkey, CHALLENGE, maker.behaving(**changes).get(QUESTION))
    assert refusal.value.reason is Refusal.ANSWER_WRONG
    assert cause in str(refusal.value.__cause__)


def test_another_key_does_not_hold():
    passkey, other = enrolled(authenticator()), authenticator()
    other.credential, other.handle, other.count = passkey.credential, answers.user_handle(ITO.id), 5
    with pytest.raises(SignInRefused) as refusal:
        answers.held(TERMS, passkey, CHALLENGE, other.get(QUESTION))
    assert "signature" in str(refusal.value.__cause__)


@pytest.mark.parametrize("count", [0, 1, 6, 7])
def test_a_count_that_does_not_grow_is_a_copys(count):
    maker = authenticator(count=7)
    passkey = enrolled(maker)
    assert passkey.sign_count == 7
    with pytest.raises(SignInRefused) as refusal:
        answers.held(TERMS, passkey, CHALLENGE, maker.behaving(count=count).get(QUESTION))
    assert refusal.value.reason is Refusal.COUNT_BACK


HELD = authenticator()
HELD_PASSKEY = enrolled(HELD)
HELD_ANSWER = HELD.get(QUESTION)


@given(st.data())
def test_no_bit_of_what_holds_may_differ(data):
    response = dict(HELD_ANSWER["response"])
    name = data.draw(st.sampled_from(sorted(response)))
    octets = bytearray(unb64(response[name]))
    place = data.draw(st.integers(0, len(octets) * 8 - 1))
    octets[place // 8] ^= 1 << place % 8
    response[name] = b64(bytes(octets))
    with pytest.raises(SignInRefused):
        answers.held(TERMS, HELD_PASSKEY, CHALLENGE, HELD_ANSWER | {"response": response})


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=60).map(b64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("id", "rawId", "type", "response", "clientExtensionResults")
RESPONSE = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle")


@given(
    st.dictionaries(st.sampled_from(FIELDS), SOME_JSON),
    st.dictionaries(st.sampled_from(RESPONSE), SOME_JSON),
    st.booleans(),
)
def test_no_json_does_anything_but_be_refused(fields, response, whole):
    answer = (HELD_ANSWER if whole else {}) | fields | {"response": response}
    with pytest.raises(SignInRefused):
        answers.held(TERMS, HELD_PASSKEY, CHALLENGE, answer)
    with pytest.raises(SignInRefused):
        answers.made(TERMS, ITO.id, CHALLENGE, answer)


@given(st.binary(max_size=200))
def test_no_octets_of_an_attestation_do_anything_but_be_refused(octets):
    answer = HELD.behaving().create(QUESTION)
    answer["response"]["attestationObject"] = b64(octets)
    with pytest.raises(SignInRefused):
        answers.made(TERMS, ITO.id, CHALLENGE, answer)


def test_cbor_without_a_bottom_is_refused():
    answer = HELD.behaving().create(QUESTION)
    answer["response"]["attestationObject"] = b64(b"\x81" * 20_000)
    with pytest.raises(SignInRefused):
        answers.made(TERMS, ITO.id, CHALLENGE, answer)


def test_attestation_is_neither_asked_for_nor_believed():
    assert answers.making(TERMS, ITO, [], CHALLENGE)["attestation"] == "none"
    assert enrolled(authenticator(format="packed")).officer == ITO.id
    assert enrolled(authenticator(flags=PRESENT | VERIFIED | ATTESTED)).officer == ITO.id


def test_a_refusal_crosses_processes():
    assert pickle.loads(pickle.dumps(SignInRefused(Refusal.COUNT_BACK))).reason is Refusal.COUNT_BACK  # noqa: S301 - ours
