"""Who may ask: by a signed request, by a client certificate that the TLS front passes on, or not at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import ocsp as structures
from asn1crypto.core import Null
from asn1crypto.x509 import Certificate
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from bridge.crossing.edition import municipalities_path, read_edition
from bridge.crossing.plan import make_plan
from bridge.manifest import Marking
from ca.clock import system_clock
from ca.errors import BadInput, StorageFailed
from ca.model import GenerationId
from ca.names import Municipalities
from ca.profiles.practice import Access
from ca.store.verifiers import Term
from ca.suites import SHA1_RSA1024, SHA1_RSA2048
from ocsp.admission import Admission, NotAdmitted, Register
from ocsp.http import Question
from ocsp.peers import HEADER, Addresses, forwarded_fingerprint
from ocsp.ready import ReadyAnswers
from ocsp.signed_requests import read_signature
from ocsp.wsgi import OcspApplication
from tests import ocsp_world
from tests.client_certificates import make_client, openssl, signed_request
from tests.small_edition import small_edition

AT = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FRONT = "10.1.2.3"
PROXIES = Addresses.parse([FRONT, "2001:db8::/64"], "--proxy")
VARIABLE = f"HTTP_{HEADER.upper()}"
REQUEST = structures.OCSPRequest(
    {
        "tbs_request": {
            "request_list": [
                {
                    "req_cert": {
                        "hash_algorithm": {"algorithm": "sha1"},
                        "issuer_name_hash": bytes(20),
                        "issuer_key_hash": bytes(20),
                        "serial_number": 1,
                    }
                }
            ]
        }
    }
).dump()
"""Not signed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clients")


@pytest.fixture(scope="module")
def client(folder):
    return make_client(folder, "client")


@pytest.fixture(scope="module")
def rsa(folder):
    return make_client(folder, "rsa", key="rsa")


@pytest.fixture(scope="module")
def request_(folder, client):
    return signed_request(folder, client)


def admission(*clients, access=Access.KNOWN, begins=AT - DAY, ends=AT + DAY):
    terms = {one.fingerprint: Term(f"v{number}", begins, ends) for number, one in enumerate(clients)}
    return Admission(access, Register(lambda: terms, timedelta(seconds=5)), PROXIES)


def asked(octets):
    return Question("jpki-31.g1", octets, may_be_kept=False)


def admitted(door, octets=REQUEST, at=AT, **environ):
    return door.admit({"REMOTE_ADDR": "192.0.2.7", **environ}, asked(octets), at)


def by_front(client, address=FRONT):
    return {"REMOTE_ADDR": address, VARIABLE: client.header}


# Signed requests


def test_who_has_signed_is_admitted(folder, client, rsa, request_):
    door = admission(client, rsa)
    assert admitted(door, request_) == "v0"
    assert admitted(door, signed_request(folder, rsa)) == "v1"
    assert admitted(door, signed_request(folder, client, "-sign_other", str(rsa.certificate))) == "v0"


def test_an_open_door_looks_at_nobody(request_):
    door = admission(access=Access.OPEN)
    assert door.open
    for octets in (b"", request_):
        assert admitted(door, octets) is None
    assert door.by_connection({VARIABLE: "x", "REMOTE_ADDR": FRONT}, AT) is None


@pytest.mark.parametrize(("nation", "own"), [(Access.OPEN, Access.KNOWN), (Access.KNOWN, Access.OPEN)])
def test_a_responder_may_have_a_rule_of_its_own(nation, own):
    door = Admission(nation, Register(dict, timedelta(seconds=5)), PROXIES, {"jpki-31": own})
    for responder, access in {
        "jpki-31.g1": own,
        "jpki-31.g2": own,
        "jpki-13.g1": nation,
        "national": nation,
    }.items():
        assert door.open_for(responder) is (access is Access.OPEN)
        question = Question(responder, REQUEST, may_be_kept=True)
        if access is Access.OPEN:
            assert door.admit({}, question, AT) is None
        else:
            with pytest.raises(NotAdmitted):
                door.admit({}, question, AT)


def test_an_edition_says_so_of_authorities_and_of_prefectures():
    text = small_edition().replace("[prefectures]\n", '[prefectures]\nstatus_access = "known"\n')
    edition = read_edition(text.encode(), "small")
    table = Municipalities.read(municipalities_path(edition, "small"))
    plan = make_plan(edition, Marking.TEST, "http://a", table, "small")
    known = {str(one.authority) for one in plan.practices.values() if one.access is Access.KNOWN}
    assert known == {
        name for name in map(str, plan.practices) if name.startswith("jpki-") and name != "jpki-bridge"
    }


def test_whose_certificate_is_not_registered_is_not_admitted(folder, client, rsa, request_):
    with pytest.raises(NotAdmitted, match="not in the register"):
        admitted(admission(rsa), request_)
    again = make_client(folder, "again")  # the same name under another key
    with pytest.raises(NotAdmitted, match="not in the register"):
        admitted(admission(client), signed_request(folder, again))


def test_an_unsigned_request_is_not_admitted(folder, client):
    out = folder / "unsigned.der"
    openssl("ocsp", "-issuer", client.certificate, "-serial", "1", "-no_nonce", "-reqout", out)
    assert read_signature(out.read_bytes()) is None
    with pytest.raises(NotAdmitted, match="not told by the connection"):
        admitted(admission(client), out.read_bytes())


def test_a_verifier_is_admitted_in_its_time(client, request_):
    door = admission(client, begins=AT, ends=AT + DAY)
    for environ, octets in (({}, request_), (by_front(client), REQUEST)):
        assert admitted(door, octets, AT, **environ) == "v0"
        assert admitted(door, octets, AT + DAY - timedelta(microseconds=1), **environ) == "v0"
    for at in (AT - timedelta(microseconds=1), AT + DAY):
        with pytest.raises(NotAdmitted, match="verifier v0: is not registered for this moment"):
            admitted(door, request_, at)
        with pytest.raises(NotAdmitted, match="not registered for this moment"):
            door.by_connection(by_front(client), at)


@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_bit_of_a_signed_request_can_be_changed(client, request_, place, bit):
    octets = bytearray(request_)
    octets[place % len(octets)] ^= 1 << bit
    with pytest.raises((NotAdmitted, BadInput)):
        admitted(admission(client), bytes(octets))


def test_a_signature_over_other_octets(folder, client, request_):
    other = structures.OCSPRequest.load(signed_request(folder, client, serial=2))
    moved = structures.OCSPRequest.load(request_)
    moved["tbs_request"] = other["tbs_request"]
    with pytest.raises(NotAdmitted, match="has signed otherwise: made a wrong sha256-p256 signature"):
        admitted(admission(client), moved.dump(force=True))


def resigned(client, digest, algorithm):
    """A request that an RSA key has signed with this digest, under this identifier."""
    request = structures.OCSPRequest.load(REQUEST)
    key = load_pem_private_key(client.key.read_bytes(), None)
    value = key.sign(request["tbs_request"].dump(), padding.PKCS1v15(), digest)
    request["optional_signature"] = {
        "signature_algorithm": {
            "algorithm": algorithm,
            **({} if "ecdsa" in algorithm else {"parameters": Null()}),
        },
        "signature": value,
        "certs": [Certificate.load(client.der)],
    }
    return request.dump(force=True)


@pytest.mark.parametrize(
    ("digest", "algorithm", "words"),
    [
        (hashes.SHA1(), "sha1_rsa", "may not verify after 2020-03-31"),  # noqa: S303 - refused
        (hashes.SHA512(), "sha512_rsa", "is not one that is believed"),
        (hashes.SHA512(), "sha256_rsa", "made a wrong sha256-rsa2048 signature"),
        (hashes.SHA256(), "sha256_ecdsa", "is an RSA key and cannot serve the suite"),
    ],
)
def test_algorithms_that_are_not_allowed(rsa, digest, algorithm, words):
    with pytest.raises(NotAdmitted, match=words):
        admitted(admission(rsa), resigned(rsa, digest, algorithm))


def test_sha_1_is_believed_of_verifiers_where_it_is_named_and_in_its_time(folder):
    old = make_client(folder, "old", key="rsa", dates=("20100101000000Z", "20300101000000Z"))
    request = resigned(old, hashes.SHA1(), "sha1_rsa")  # noqa: S303 - as in its time
    then = SHA1_RSA2048.verify_until
    register = Register(lambda: {old.fingerprint: Term("v0", then - DAY, AT + DAY)}, timedelta(seconds=5))
    for named, at, words in (
        ({SHA1_RSA2048.id}, then, None),
        ({SHA1_RSA2048.id}, then + timedelta(seconds=1), "may not verify after 2020-03-31"),
        ({SHA1_RSA1024.id}, then, "is believed only where it is named"),
        ((), then, "is believed only where it is named"),
    ):
        door = Admission(Access.KNOWN, register, PROXIES, legacy=named)
        if words is None:
            assert admitted(door, request, at) == "v0"
        else:
            with pytest.raises(NotAdmitted, match=words):
                admitted(door, request, at)


def test_the_same_request_signed_as_it_should_be(rsa):
    assert admitted(admission(rsa), resigned(rsa, hashes.SHA256(), "sha256_rsa")) == "v0"


@pytest.mark.parametrize(
    ("extensions", "dates", "words"),
    [
        (("basicConstraints=critical,CA:TRUE",), None, "is a CA's certificate"),
        (("keyUsage=critical,keyEncipherment",), None, "is not for digital signatures"),
        ((), ("20200101000000Z", "20260531235958Z"), "is not valid at this moment"),
        ((), ("20260601000001Z", "20300101000000Z"), "is not valid at this moment"),
    ],
)
def test_a_registered_certificate_that_does_not_fit(folder, extensions, dates, words):
    """The register refuses them; should one stand there all the same, it opens nothing."""
    unfit = make_client(folder, "unfit", *extensions, dates=dates)
    with pytest.raises(NotAdmitted, match=words):
        admitted(admission(unfit), signed_request(folder, unfit))


def test_a_signature_without_the_signers_certificate(folder, client):
    with pytest.raises(BadInput, match="without the signer's certificate"):
        admitted(admission(client), signed_request(folder, client, "-no_certs"))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30",
        b"0" * 65_537,
        bytes.fromhex("3000"),
        bytes.fromhex("30053000a0013000"),
        bytes.fromhex("30043000a000"),
        bytes.fromhex("30063000a1023000"),
        bytes.fromhex("30063000a0023000"),
        bytes.fromhex("30083000a0023000a000"),
        bytes.fromhex("300b3000a00730053000030100"),  # the algorithm is empty
    ],
)
def test_what_is_no_signed_request(client, octets):
    with pytest.raises(BadInput):
        admitted(admission(client), octets)


def test_the_signers_certificate_is_the_first(folder, client, rsa):
    """What follows is neither read nor believed."""
    request = structures.OCSPRequest.load(signed_request(folder, client))
    certificates = [Certificate.load(one.der) for one in (rsa, client)]
    request["optional_signature"]["certs"] = certificates
    with pytest.raises(NotAdmitted, match="has signed otherwise"):
        admitted(admission(rsa), request.dump(force=True))
    request["optional_signature"]["certs"] = certificates[::-1] * 5
    assert admitted(admission(client), request.dump(force=True)) == "v0"


# Client certificates that a front passes on


@pytest.mark.parametrize("address", [FRONT, "::ffff:10.1.2.3", "2001:db8::5"])
def test_a_front_is_believed(client, address):
    assert admitted(admission(client), **by_front(client, address)) == "v0"
    assert admission(client).by_connection(by_front(client, address), AT) == "v0"


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.4",
        "127.0.0.1",
        "::1",
        "2001:db9::5",
        "",
        "unix:/run/socket",
        "10.1.2.3, 192.0.2.1",
        "10.1.2.03",
    ],
)
def test_from_any_other_address_the_header_is_nothing(client, request_, address):
    door = admission(client)
    with pytest.raises(NotAdmitted, match="is not told by the connection"):
        admitted(door, **by_front(client, address))
    assert admitted(door, request_, **(by_front(client, address) | {VARIABLE: "x" * 1_000_000})) == "v0"


def test_without_a_front_no_header_is_believed(client):
    door = Admission(
        Access.KNOWN, Register(lambda: {client.fingerprint: Term("v0", AT, AT + DAY)}, DAY), Addresses()
    )
    with pytest.raises(NotAdmitted, match="is not told by the connection"):
        door.by_connection(by_front(client, "127.0.0.1"), AT)


def test_a_front_whose_client_is_unknown_may_pass_on_what_a_known_one_signed(client, rsa, request_):
    assert admitted(admission(client), request_, **by_front(rsa)) == "v0"
    with pytest.raises(NotAdmitted, match="not in the register"):
        admitted(admission(client), REQUEST, **by_front(rsa))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda one: f"{one},{one}", "is not one certificate"),  # two headers, as servers join them
        (lambda one: f"{one}, {one}", "is not one certificate"),
        (lambda one: one + one, "is not one certificate"),
        (lambda one: one.replace("CERTIFICATE", "PRIVATE%20KEY"), "is not one certificate"),
        (lambda one: one[: len(one) // 2], "is not one certificate"),
        (lambda one: one.replace("%2B", "!").replace("A", "-"), "is not one certificate"),
        (lambda _: "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----", "not in the register"),
        (lambda _: "%", "is not one certificate"),
        (lambda _: "\xff%FF%00", "is not one certificate"),
        (lambda one: one * 1_000, "is longer than"),
        (lambda _: "A" * 1_000_000, "is longer than"),
        (lambda _: "-----BEGIN%20CERTIFICATE-----%0A" + "A" * 100_000, "is not one certificate"),
    ],
)
def test_what_is_no_certificate_in_a_fronts_header(client, make, words):
    environ = {"REMOTE_ADDR": FRONT, VARIABLE: make(client.header)}
    with pytest.raises(NotAdmitted, match=words):
        admission(client).by_connection(environ, AT)


def test_the_header_is_the_certificate_whatever_is_escaped(client):
    plain = client.pem.decode().replace("\n", " ")
    for text in (client.header, plain, f"%0d%0a{plain}%0A"):
        assert forwarded_fingerprint({"REMOTE_ADDR": FRONT, VARIABLE: text}, PROXIES) == client.fingerprint


@pytest.mark.parametrize(
    "word", ["", "x", "10.0.0.1/8", "10.0.0.0/33", "0.0.0.0/0", "::/0", "10.0.0", "localhost"]
)
def test_what_is_no_address(word):
    with pytest.raises(BadInput, match="--proxy"):
        Addresses.parse([word], "--proxy")


# The register as a process knows it


class Ticks:
    now = 100.0

    def __call__(self):
        return self.now


class Source:
    """A register that counts how often it is read, and may fail."""

    def __init__(self, *terms):
        self.terms, self.reads, self.failing = dict(terms), 0, False

    def __call__(self):
        self.reads += 1
        if self.failing:
            raise StorageFailed("store", "is gone")
        return dict(self.terms)


KEY, TERM = b"k" * 32, Term("v", AT, AT + DAY)


def register(source, seconds=5.0):
    ticks = Ticks()
    return Register(source, timedelta(seconds=seconds), ticks), ticks


def test_the_register_is_read_once_a_second():
    source = Source((KEY, TERM))
    known, ticks = register(source)
    for _ in range(50):
        assert known.admit(KEY, AT) == "v"
    assert source.reads == 1
    ticks.now += 1
    known.admit(KEY, AT)
    assert source.reads == 2


def test_who_is_ended_is_out_a_second_later_and_who_is_added_is_in():
    source = Source((KEY, TERM))
    known, ticks = register(source)
    known.admit(KEY, AT)
    source.terms = {b"n" * 32: replace(TERM, verifier="new")}
    ticks.now += 1
    with pytest.raises(NotAdmitted):
        known.admit(KEY, AT)
    assert known.admit(b"n" * 32, AT) == "new"


def test_a_register_that_cannot_be_read_is_believed_for_as_long_as_the_bound():
    source = Source((KEY, TERM))
    known, ticks = register(source)
    known.admit(KEY, AT)
    source.failing = True
    ticks.now += 5
    assert known.admit(KEY, AT) == "v"
    ticks.now += 0.5
    with pytest.raises(StorageFailed, match="register of verifiers"):
        known.admit(KEY, AT)
    assert source.reads == 2, "it is not asked again by each who asks"
    source.failing = False
    ticks.now += 1
    assert known.admit(KEY, AT) == "v"


def test_a_register_that_was_never_read_admits_nobody():
    source = Source((KEY, TERM))
    source.failing = True
    known, _ = register(source)
    with pytest.raises(StorageFailed):
        known.admit(KEY, AT)


def test_a_short_bound_is_kept_too():
    source = Source((KEY, TERM))
    known, ticks = register(source, seconds=1)
    known.admit(KEY, AT)
    source.terms = {}
    ticks.now += 0.5
    with pytest.raises(NotAdmitted):
        known.admit(KEY, AT)


# The responder behind the door


@pytest.fixture
def world(tmp_path):
    with ocsp_world.ocsp_world(tmp_path / "world") as made:
        yield made


class Known:
    """A responder for known verifiers, with ready answers, and what came of each request."""

    def __init__(self, world, *clients):
        self.world, self.seen = world, []
        self.source = Source(
            *((one.fingerprint, Term("v", world.now - DAY, world.now + DAY)) for one in clients)
        )
        known, self.ticks = register(self.source)
        self.application = OcspApplication(
            lambda text: world.responder(GenerationId.parse(text)),
            lambda: world.now,
            ready=ReadyAnswers(1 << 20),
            admission=Admission(Access.KNOWN, known, PROXIES),
            observer=self,
        )

    def observed(self, outcome, seconds, ready, verifier):
        assert seconds >= 0
        self.seen.append((outcome, ready, verifier))

    def signed(self, seconds):
        assert seconds >= 0

    def ask(self, octets, **environ):
        return ocsp_world.post(self.application, octets, **environ)


def test_openssl_signs_its_requests_and_is_answered_over_http(world, client, tmp_path):
    certificate, world.now = world.issue(), system_clock()
    known = Known(world, client)
    serial = f"0x{certificate.serial.octets.hex()}"
    asking = ocsp_world.OpensslClient(world.repository.folder, tmp_path)
    with ocsp_world.served(known.application) as url:
        signed = ("-signer", client.certificate, "-signkey", client.key)
        assert f"{serial}: good" in asking.ask("-serial", serial, "-url", url, *signed)
        world.revoke(certificate)
        assert f"{serial}: revoked" in asking.ask("-serial", serial, "-url", url, *signed)
        with pytest.raises(AssertionError, match="unauthorized"):
            asking.ask("-serial", serial, "-url", url)
    assert known.seen == [("good", False, "v"), ("revoked", False, "v"), ("unauthorized", False, None)]


def test_an_answer_that_lies_ready_is_for_known_verifiers_too(world, client, rsa):
    """Whoever is ended, or was never known, gets none; caches on the way may not keep one."""
    octets = world.request(world.issue().serial)
    known = Known(world, client)
    first, second = known.ask(octets, **by_front(client)), known.ask(octets, **by_front(client))
    assert first.body == second.body
    assert "no-store" in second.headers["Cache-Control"]
    for environ in ({}, by_front(rsa), by_front(client, "192.0.2.1")):
        assert known.ask(octets, **environ).body == ocsp_world.UNAUTHORIZED
    known.source.terms = {}
    known.ticks.now += 1
    assert known.ask(octets, **by_front(client)).body == ocsp_world.UNAUTHORIZED
    known.source.failing = True
    known.ticks.now += 6
    assert known.ask(octets, **by_front(client)).body == ocsp_world.LATER
    assert known.seen == [
        ("good", False, "v"),
        ("good", True, "v"),
        *[("unauthorized", False, None)] * 4,
        ("try-later", False, None),
    ]


def test_what_is_no_request_is_malformed_whoever_sends_it(world, client):
    known = Known(world, client)
    for octets in (b"\x30", b"x" * 100):
        assert known.ask(octets).body == ocsp_world.MALFORMED
        assert known.ask(octets, **by_front(client)).body == ocsp_world.MALFORMED
