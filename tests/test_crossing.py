"""Agreements with other CAs, and what those hand in held against them: every refusal, and who may take which step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from bridge.crossing.agreement import _File, _Half, _Map, _Ours, _Peer, read_agreement
from bridge.crossing.calendar import Ending, icalendar
from bridge.crossing.desk import CrossingDesk
from bridge.crossing.deviations import Deviates
from bridge.crossing.handed_in import Handed, certificate_der
from bridge.crossing.withdrawal import withdraw
from ca.errors import BadInput, Conflict, CsrRefused, KakehashiError, LintRefused, NotFound, NotPermitted
from ca.issuing import cycle
from ca.issuing.cycle import Prepared
from ca.model import CertificateId, CertificateKind, GenerationId, RevocationReason
from ca.profiles.drafting import PlacedExtension
from ca.profiles.extensions import BasicConstraints, CertificatePolicies, NameConstraints
from ca.store import agreements, authorities, certificates, peers
from ca.store.certificates import CertificateState
from ca.store.tables import certificate_bytes
from ca.suites import SHA256_P256
from ca.wire import der
from ca.wire.cross_facts import read_cross, subtrees
from ca.wire.facts import read_certificate
from ca.wire.requests import read_request, request_info
from ca.wire.tbs import signed
from front.demo.openssl import run
from tests.engine_world import EngineWorld, engine_world
from tests.openssl_peer import (
    ASKED,
    AUTHENTICATION,
    CROSS,
    NOW,
    POLICY,
    ROOT,
    OpensslPeer,
    agreement,
    key_fingerprint,
)

FIRST, SECOND, NOBODY = "operator", "operator-2", "centre-1"
OURS = GenerationId.parse("gpki-bca.g1")
AT = NOW + timedelta(days=1)
GPKI = "2.999.2014.1.1"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> OpensslPeer:
    return OpensslPeer(tmp_path_factory.mktemp("peer") / "foreign")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as opened:
        yield opened


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory, peer: OpensslPeer) -> Iterator[EngineWorld]:
    """A world with an agreement, in which everything is refused: nothing changes in it."""
    with engine_world(tmp_path_factory.mktemp("agreed") / "world") as world:
        text = agreement([peer.fingerprint], certify="path_length = 1\nmaximum_days = 1830")
        given = [("root", certificate_der(peer.root.read_bytes(), "root"))]
        desk(world).agree(text, "a.toml", given, FIRST, at=AT)
        yield world


def desk(world: EngineWorld) -> CrossingDesk:
    return CrossingDesk(world.issuers, world.plan, world.chance)


def handed(path: Path) -> Handed:
    return Handed.read(path.read_bytes(), path.name)


# The agreement's file.

OTHER = "ab" * 32


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": '"Foreign"'}, ("id", "regex")),
        ({"id": "7"}, ("id", "str")),
        ({"from": '"2014"'}, ("from",)),
        ({"from": "2014-08-01"}, ("from", "datetime")),
        ({"from": "2014-08-01T00:00:00"}, ("from", "timezone")),
        ({"from": "2014-08-01T00:00:00.5Z"}, ("from", "fraction")),
        ({"to": "2014-08-01T00:00:00Z"}, ("to", "not after")),
        ({"to": "9999-12-31T23:59:59-09:00"}, ("to", "1950 to 9000")),
        ({"from": "0001-01-01T00:00:00+09:00"}, ("from", "1950 to 9000")),
        ({"authority": '"gpki"'}, ("ours.authority", "not an authority")),
        ({"authority": '"jpki-31"'}, ("map[0].ours", "not a policy under which", "jpki-signature")),
        ({"peer": '"jpki-31"'}, ("peer", "our own jpki-31")),
        ({"peer": '"Foreign"'}, ("peer.id", "lower-case")),
        ({"name": '[["C", "JP"], ["O", "gpki-test"], ["OU", "bridgeca"]]'}, ("peer", "our own gpki-bca")),
        ({"name": "[]"}, ("peer.name", "empty")),
        ({"name": '[["X", "JP"]]'}, ("peer.name", "not an attribute")),
        ({"keys": "[]"}, ("peer.keys", "length")),
        ({"keys": '["ab"]'}, ("peer.keys[0]", "regex")),
        ({"ours": '"jpki-signature"'}, ("map[0].ours", "gpki-signature, gpki-user-authentication")),
        ({"ours": '"gpki-user-authentication"\ntheirs = "1.2"\n[[map]]\nours = "gpki-user-authentication"'},
         ("map[0].theirs", "policy of our own")),
        ({"certify": "maximum_days = 0"}, ("certify.maximum_days",)),
        ({"certify": "maximum_days = 100\npath_length = -1"}, ("certify.path_length",)),
        ({"certify": "maximum_days = 100\nlength = 1"}, ("certify", "length")),
        ({"certify": 'maximum_days = 1\npermitted = [{ dns = "a..b" }]'}, ("certify.permitted[0].dns", "no base")),
        ({"certify": 'maximum_days = 1\nexcluded = [{ email = "@" }]'}, ("certify.excluded[0].email",)),
        ({"certify": "maximum_days = 1\npermitted = [{}]"}, ("certify.permitted[0]", "one of directory")),
        ({"certify": 'maximum_days = 1\npermitted = [{ dns = "a", email = "b" }]'}, ("certify.permitted[0]",)),
        ({"certify": 'maximum_days = 1\npermitted = [{ directory = [["C", "Japan"]] }]'}, ("two letters",)),
        ({"receive": ""}, ("receive", "maximum_days")),
    ],
    ids=str,
)  # fmt: skip
def test_an_agreement_that_cannot_be_kept_is_refused_by_its_key(agreed, changes, words):
    if changes == {
        "ours": '"gpki-user-authentication"\ntheirs = "1.2"\n[[map]]\nours = "gpki-user-authentication"'
    }:
        text = agreement([OTHER]).replace(POLICY, GPKI)
    else:
        text = agreement([OTHER], **changes)
    with pytest.raises(BadInput) as refusal:
        read_agreement(text, "a.toml", agreed.plan)
    assert refusal.value.place.startswith("a.toml")
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("format = 2", "reads format 1"),
        ("format = ", "not TOML"),
        ("[" * 5000, "not TOML"),
        ("x" * 70_000, "longer"),
        (agreement([OTHER]) + "extra = 1", "extra"),
        (agreement([OTHER]).replace(POLICY, "2.5.29.32.0"), "anyPolicy"),
        (agreement([OTHER]).replace(POLICY, "9.9"), "not an object identifier"),
        (agreement([OTHER]).replace(f'"{AUTHENTICATION}"', f'"{POLICY}"').replace("gpki-user-authentication", "gpki-signature"), "twice"),
        (agreement([OTHER]).replace('contact = "pki-desk@foreign.example"', ""), "contact"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_agreement_is_refused(agreed, text, words):
    with pytest.raises(BadInput, match=r"a\.toml") as refusal:
        read_agreement(text, "a.toml", agreed.plan)
    assert words in str(refusal.value)


def test_the_page_on_crossing_names_every_key_and_no_other():
    """Of what stands in a list of tables, the list alone."""
    page = (Path(__file__).parent.parent / "docs" / "crossing.md").read_text(encoding="utf-8")
    table = page.partition("| key | what it says |")[2].partition("\n\n")[0]
    named = [
        span for row in table.splitlines()[2:] for span in re.findall(r"`([a-z_.]+)`", row.split("|")[1])
    ]
    keys = {
        ".".join(part for part in (table, key) if part)
        for table, kind in (("", _File), ("ours", _Ours), ("peer", _Peer), ("map", _Map), ("certify", _Half), ("receive", _Half))
        for key in (one.encode_name for one in msgspec.structs.fields(kind))
    } - {"ours", "peer", "map", "certify", "receive"}  # fmt: skip
    assert sorted(named) == sorted(keys)


def test_an_agreement_says_both_halves(agreed):
    text = agreement(
        [OTHER],
        certify='path_length = 0\nmaximum_days = 90\npermitted = [{ directory = [["C", "JP"]] }, { dns = "foreign.example" }]',
        receive='maximum_days = 30\nexcluded = [{ email = ".example" }]',
    )
    read = read_agreement(text, "a.toml", agreed.plan)
    assert read.certify.mappings.pairs == ((GPKI, POLICY), ("2.999.2014.1.2", AUTHENTICATION))
    assert read.receive.mappings.pairs == ((POLICY, GPKI), (AUTHENTICATION, "2.999.2014.1.2"))
    assert read.receive.policies == CertificatePolicies((POLICY, AUTHENTICATION))
    assert (read.certify.path_length, read.receive.path_length) == (0, None)
    assert read.certify.constraints is not None
    assert read.certify.constraints.permitted[1] == ("dns", "foreign.example")
    assert read.receive.constraints == NameConstraints((), (("email", ".example"),))
    assert read.text == text
    assert "pki-desk" not in repr(read)


# What a request asks for.

REQUESTS = {
    "no CA": (ASKED.replace("CA:TRUE", "CA:FALSE"), "does not ask for cA", "RFC 5280 4.2.1.9"),
    "longer path": (ASKED.replace("CA:TRUE", "CA:TRUE, pathlen:2"), "path length: 2 is asked for, 1 is agreed", "4.2.1.9"),
    "shorter path": (ASKED.replace("CA:TRUE", "CA:TRUE, pathlen:0"), "path length: 0 is asked for, 1 is agreed", "4.2.1.9"),
    "key use": (ASKED.replace(", cRLSign", ", digitalSignature"), "keyUsage: is not keyCertSign and cRLSign", "4.2.1.3"),
    "key identifier": (ASKED.replace("= hash", "= 00:01"), "subjectKeyIdentifier: is not the SHA-1", "4.2.1.2"),
    "policy": (ASKED + f"certificatePolicies = {GPKI}, 1.2.3", "1.2.3 is not agreed", "4.2.1.4"),
    "mapping": (ASKED + f"policyMappings = {GPKI}:1.2.3", f"{GPKI} to 1.2.3 is not agreed", "4.2.1.5"),
    "names": (ASKED + "nameConstraints = critical, permitted;DNS:example", "nameConstraints: are there", "4.2.1.10"),
    "no mapping": (ASKED + "policyConstraints = critical, requireExplicitPolicy:0, inhibitPolicyMapping:0",
                   "is not requireExplicitPolicy 0", "4.2.1.11"),
    "more": (ASKED + "subjectAltName = DNS:foreign.example", "subjectAltName: is asked for", "RFC 2985"),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_that_asks_for_something_else_deviates(agreed, peer, case):
    asked, words, clause = REQUESTS[case]
    require_deviation(agreed, handed(peer.request("request", asked)), words, clause)


def require_deviation(world: EngineWorld, file: Handed, *words: str) -> Deviates:
    """Refused by whoever examines or accepts it, and nothing is written down."""
    for step in (desk(world).examine, desk(world).accept):
        with pytest.raises(Deviates) as refusal:
            step("foreign-2014", file, FIRST, at=AT)
        for word in words:
            assert word in refusal.value.problem
        assert len(refusal.value.deviations) == 1, refusal.value.deviations
    with world.stores.nation.reading() as connection:
        assert agreements.all_examinations(connection) == []
    return refusal.value


def test_a_request_of_somebody_else_deviates(agreed, peer):
    other = (("C", "JP"), ("O", "Foreign Trust"), ("CN", "Foreign Root 2"))
    file = handed(peer.request("named", subject=other))
    require_deviation(agreed, file, "subject: is not C=JP, O=Foreign Trust, CN=Foreign Root", "RFC 5280 7.1")
    peer.key("stranger")
    file = handed(peer.request("stranger", key="stranger"))
    fingerprint = key_fingerprint(peer.folder / "stranger.key")
    require_deviation(agreed, file, f"key: {fingerprint} is not one of peer.keys", "RFC 5280 4.1.2.7")


def test_every_deviation_is_told_at_once(agreed, peer):
    asked = ASKED.replace("CA:TRUE", "CA:FALSE").replace(", cRLSign", "") + "certificatePolicies = 1.2.3"
    peer.key("another")
    file = handed(peer.request("all", asked, subject=(("CN", "Nobody"),), key="another"))
    with pytest.raises(Deviates) as refusal:
        desk(agreed).examine("foreign-2014", file, FIRST, at=AT)
    places = [words.partition(":")[0] for words in refusal.value.deviations]
    assert places == ["subject", "key", "basicConstraints", "keyUsage", "certificatePolicies"]
    assert all("RFC" in words for words in refusal.value.deviations)


def test_a_request_with_an_extension_twice_deviates(agreed, peer):
    key = load_pem_private_key((peer.folder / "root.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    facts = read_request(handed(peer.request("once")).encoded, "once")
    twice = [
        PlacedExtension(BasicConstraints(ca=True, path_length=length), critical=True) for length in (1, 9)
    ]
    name = read_agreement(agreement([OTHER]), "a.toml", agreed.plan).name
    info = request_info(name, facts.public_key, twice)
    whole = signed(info, SHA256_P256, key.sign(info, ec.ECDSA(hashes.SHA256())))
    require_deviation(
        agreed, Handed.read(whole, "twice"), "basicConstraints: stands there twice", "RFC 5280 4.2"
    )


def test_a_request_without_proof_of_possession_is_refused(agreed, peer):
    encoded = bytearray(handed(peer.request("forged")).encoded)
    encoded[-3] ^= 1  # within the second of the signature's two numbers
    with pytest.raises(CsrRefused, match="possession"):
        desk(agreed).examine("foreign-2014", Handed.read(bytes(encoded), "forged"), FIRST, at=AT)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), "1024 bits"),  # noqa: S505 - that is what is refused
        (lambda: ec.generate_private_key(ec.SECP521R1()), "curve"),
    ],
    ids=["short", "P-521"],
)
def test_a_key_that_nobody_here_would_believe_is_refused(agreed, make, words):
    key = make()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    request = x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256())
    with pytest.raises(CsrRefused, match=words):
        desk(agreed).examine(
            "foreign-2014", Handed.read(request.public_bytes(Encoding.PEM), "weak"), FIRST, at=AT
        )


@pytest.mark.parametrize(
    "octets",
    [b"", b"0", b"\x30\x82\xff\xff", b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
     b"-----BEGIN X509 CRL-----\nMA==\n-----END X509 CRL-----\n",
     b"-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n", b"\0" * 300_000],
    ids=["nothing", "an octet", "cut off", "empty PEM", "a list", "no request", "too long"],
)  # fmt: skip
def test_what_is_neither_request_nor_certificate_is_refused(agreed, octets):
    with pytest.raises(BadInput):
        desk(agreed).examine("foreign-2014", Handed.read(octets, "file"), FIRST, at=AT)


# What the peer's certificate for us says.


@pytest.fixture(scope="module")
def our_request(agreed: EngineWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ours") / "ours.csr"
    encoded = desk(agreed).request("foreign-2014", at=AT)
    path.write_bytes(x509.load_der_x509_csr(encoded).public_bytes(Encoding.PEM))
    return path


YEARS = datetime(2019, 8, 31, 14, 59, 59, tzinfo=UTC)
CERTIFICATES = {
    "no policy": (CROSS.replace(f"critical, {POLICY}, ", "critical, "), f"{POLICY} is agreed, and missing", "4.2.1.4"),
    "more policies": (CROSS.replace(f"critical, {POLICY}, ", f"critical, {POLICY}, 1.2.3, "), "1.2.3 is not agreed", "4.2.1.4"),
    "no mapping": (CROSS.replace(f"critical, {POLICY}:{GPKI}, ", "critical, "), "is agreed, and missing", "4.2.1.5"),
    "more mappings": (CROSS.replace(f"critical, {POLICY}:{GPKI}, ", f"critical, {POLICY}:{GPKI}, {POLICY}:1.2.3, "),
                      f"{POLICY} to 1.2.3 is not agreed", "4.2.1.5"),
    "no further mapping": (CROSS.replace("Policy:0", "Policy:0, inhibitPolicyMapping:1"), "inhibits policy mapping", "4.2.1.11"),
    "no CA": (CROSS.replace("CA:TRUE", "CA:FALSE"), "does not say cA, critical", "4.2.1.9"),
    "not critical": (CROSS.replace("basicConstraints = critical, ", "basicConstraints = "), "cA, critical", "4.2.1.9"),
    "short path": (CROSS.replace("CA:TRUE", "CA:TRUE, pathlen:3"), "path length: is 3, at least any is agreed", "4.2.1.9"),
    "key use": (CROSS.replace(", cRLSign", ""), "keyUsage: is not", "4.2.1.3"),
    "key identifier": (CROSS.replace("subjectKeyIdentifier = hash", "subjectKeyIdentifier = 00:01"), "subjectKeyIdentifier: is not", "4.2.1.2"),
    "names": (CROSS + "nameConstraints = critical, excluded;DNS:example", "and none are agreed", "4.2.1.10"),
    "unknown": (CROSS + "1.2.3.4 = critical, ASN1:NULL", "1.2.3.4: is critical and not understood", "4.2"),
}  # fmt: skip


@pytest.mark.parametrize("case", CERTIFICATES)
def test_a_certificate_that_says_something_else_deviates(agreed, peer, our_request, case):
    extensions, words, clause = CERTIFICATES[case]
    made = peer.certify(our_request, "for-us", extensions, begins=AT - timedelta(days=1))
    require_deviation(agreed, handed(made), words, clause)


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [
        (AT + timedelta(days=1), YEARS, "validity: is not now"),
        (AT - timedelta(days=9), AT - timedelta(days=1), "validity: is not now"),
        (AT - timedelta(days=1), YEARS + timedelta(seconds=1), "not within the agreement's time"),
        (datetime(2014, 7, 31, tzinfo=UTC), YEARS, "not within the agreement's time"),
    ],
)
def test_a_certificate_of_another_time_deviates(agreed, peer, our_request, begins, ends, words):
    made = peer.certify(our_request, "for-us", begins=begins, ends=ends)
    require_deviation(agreed, handed(made), words, "RFC 5280 4.1.2.5")


def test_a_certificate_that_lasts_too_long_deviates(world, peer, our_request):
    text = agreement([peer.fingerprint], receive="maximum_days = 365")
    desk(world).agree(
        text, "a.toml", [("root", certificate_der(peer.root.read_bytes(), "root"))], FIRST, at=AT
    )
    made = handed(peer.certify(our_request, "for-us", begins=AT, ends=AT + timedelta(days=365, seconds=1)))
    require_deviation(world, made, "validity: is longer than 365 days")


def test_a_certificate_for_another_key_or_name_deviates(agreed, peer):
    peer.key("mine")
    name = (("C", "JP"), ("O", "GPKI-TEST"), ("OU", "BridgeCA"))
    made = peer.certify(peer.request("mine", subject=name, key="mine"), "for-mine", begins=AT)
    require_deviation(agreed, handed(made), "key: is no key of gpki-bca", "RFC 5280 4.1.2.7")
    with pytest.raises(Deviates) as refusal:
        desk(agreed).examine(
            "foreign-2014", handed(peer.certify(peer.request("x"), "x", begins=AT)), FIRST, at=AT
        )
    assert [words.partition(":")[0] for words in refusal.value.deviations] == ["subject", "key"]


def test_a_certificate_by_a_namesake_deviates(agreed, our_request, tmp_path):
    """Of the same name, with a key that nobody agreed on."""
    namesake = OpensslPeer(tmp_path / "namesake")
    made = handed(namesake.certify(our_request, "for-us", begins=AT))
    require_deviation(agreed, made, "signature: is by none of the peer's keys", "6.1.3 (a)(1)")


def test_a_certificate_that_names_another_key_deviates(agreed, our_request, peer):
    """Signed by the right one: OpenSSL writes of its issuer what stands in the certificate that it is shown."""
    shown = peer.folder / "shown.pem"
    run("req", "-new", "-x509", "-key", peer.folder / "root.key", "-config", peer.config("shown", ROOT.replace("= hash", "= 00:01:02:03"), ASKED),
        "-extensions", "made", "-out", shown)  # fmt: skip
    kept = peer.root.read_bytes()
    try:
        peer.root.write_bytes(shown.read_bytes())
        made = peer.certify(our_request, "misled", begins=AT)
    finally:
        peer.root.write_bytes(kept)
    require_deviation(agreed, handed(made), "authorityKeyIdentifier: is another key's", "4.2.1.1")


def test_a_certificate_whose_peer_has_no_known_key_deviates(world, peer, our_request):
    desk(world).agree(agreement([peer.fingerprint]), "a.toml", [], FIRST, at=AT)
    made = handed(peer.certify(our_request, "for-us", begins=AT))
    require_deviation(world, made, "no key of foreign is known: examine its request first")


def test_what_the_agreement_says_of_names_and_path_has_to_be_there(world, peer, our_request):
    text = agreement([peer.fingerprint],
                     receive='maximum_days = 3660\npath_length = 2\nexcluded = [{ dns = "Example" }, { directory = [["C", "US"]] }]')  # fmt: skip
    desk(world).agree(
        text, "a.toml", [("root", certificate_der(peer.root.read_bytes(), "root"))], FIRST, at=AT
    )
    for extensions, words in (
        (
            CROSS.replace("CA:TRUE", "CA:TRUE, pathlen:1"),
            ("path length: is 1, at least 2", "are not those agreed"),
        ),
        (
            CROSS + "nameConstraints = critical, excluded;DNS:example, permitted;DNS:example",
            ("not those agreed",),
        ),
    ):
        made = handed(peer.certify(our_request, "for-us", extensions, begins=AT))
        with pytest.raises(Deviates) as refusal:
            desk(world).examine("foreign-2014", made, FIRST, at=AT)
        assert all(word in str(refusal.value) for word in words)
    names = "\nnameConstraints = critical, excluded;dirName:us, excluded;DNS:EXAMPLE\n[us]\nC = US\n[more]"
    made = handed(
        peer.certify(our_request, "for-us", CROSS.replace("CA:TRUE", "CA:TRUE, pathlen:2") + names, begins=AT)
    )
    desk(world).examine("foreign-2014", made, FIRST, at=AT)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda peer: peer.certify(peer.request("r"), "r", ROOT.replace("CA:TRUE", "CA:FALSE")), "does not say cA"),
        (lambda peer: OpensslPeer(peer.folder / "other").root, "is not one of peer.keys"),
        (lambda peer: OpensslPeer(peer.folder / "named", name=(("CN", "Somebody"),)).root, "subject: is not"),
    ],
)  # fmt: skip
def test_a_self_signed_certificate_of_somebody_else_is_refused(world, tmp_path, change, words):
    peer = OpensslPeer(tmp_path / "foreign")
    given = certificate_der(change(peer).read_bytes(), "root")
    before = world.dump()
    with pytest.raises(Deviates, match=words):
        desk(world).agree(agreement([peer.fingerprint]), "a.toml", [("root", given)], FIRST, at=AT)
    assert world.dump() == before


# Who may take which step, and when.


def test_two_officers_lead_to_a_cross_certificate(world, peer):
    desk(world).agree(agreement([peer.fingerprint]), "a.toml", [], FIRST, at=AT)
    file = handed(peer.request("theirs"))
    examined, proposed = desk(world).examine("foreign-2014", file, FIRST, at=AT)
    assert isinstance(proposed, Prepared)
    accepted = desk(world).accept("foreign-2014", file, SECOND, at=AT)
    assert accepted.issued is not None
    facts = read_certificate(accepted.issued.encoded, "made")
    said = read_cross(facts.extensions, "made")
    asked = read_request(file.encoded, "theirs")
    assert facts.public_key == asked.public_key
    assert facts.subject.der == asked.subject.der
    assert said.basic_constraints == BasicConstraints(ca=True, path_length=0)
    assert said.policies == {GPKI, "2.999.2014.1.2"}
    assert said.mappings == {(GPKI, POLICY), ("2.999.2014.1.2", AUTHENTICATION)}
    assert facts.not_after == YEARS
    with world.stores.nation.reading() as connection:
        (found,) = agreements.all_examinations(connection)
        assert (found.officer, found.second_officer) == (FIRST, SECOND)
        assert found.certificate == accepted.issued.id
        assert agreements.issued_by(connection, accepted.issued.id) == found
        assert (GenerationId.parse("foreign.g1"), accepted.issued.id) in authorities.crosses(connection)
        (key,) = peers.all_generations(connection)
    assert (key.public_key, key.name, key.self_signed) == (facts.public_key, facts.subject.der, None)
    assert examined.number == accepted.examination


def test_a_name_is_repeated_as_its_ca_writes_it(world, tmp_path):
    """RFC 5280 4.1.2.6: PrintableString stays PrintableString, or the peer's own certificates would not match."""
    peer = OpensslPeer(tmp_path / "printable", mask="default")
    desk(world).agree(agreement([peer.fingerprint]), "a.toml", [], FIRST, at=AT)
    file = handed(peer.request("theirs"))
    desk(world).examine("foreign-2014", file, FIRST, at=AT)
    made = desk(world).accept("foreign-2014", file, SECOND, at=AT).issued
    assert made is not None
    assert b"\x13\x0dForeign Trust" in read_certificate(made.encoded, "made").subject.der


def test_constraints_that_were_agreed_stand_in_the_certificate(world, peer):
    words = 'permitted = [{ directory = [["C", "JP"], ["O", "Foreign Trust"]] }]\nexcluded = [{ dns = "jp" }]'
    text = agreement([peer.fingerprint], certify=f"maximum_days = 30\n{words}")
    desk(world).agree(text, "a.toml", [], FIRST, at=AT)
    file = handed(peer.request("theirs"))
    desk(world).examine("foreign-2014", file, FIRST, at=AT)
    made = desk(world).accept("foreign-2014", file, SECOND, at=AT).issued
    assert made is not None
    facts = read_certificate(made.encoded, "made")
    said, agreed = read_cross(facts.extensions, "made"), read_agreement(text, "a.toml", world.plan)
    assert agreed.certify.constraints is not None
    assert said.name_constraints == subtrees(agreed.certify.constraints)
    assert said.basic_constraints == BasicConstraints(ca=True)
    # Whole Japanese days, and no more of them than agreed.
    assert facts.not_after == datetime(2014, 10, 1, 14, 59, 59, tzinfo=UTC)


def steps(world: EngineWorld, peer: OpensslPeer) -> dict[str, tuple[type[KakehashiError], str, object]]:
    """Steps out of their order, or by somebody who may not; each with how it is refused."""
    cross, file = desk(world), handed(peer.request("theirs"))
    other = handed(peer.request("other"))  # another signature: another file

    def accept(officer: str = SECOND, file: Handed = file, at: datetime = AT) -> object:
        return lambda: cross.accept("foreign-2014", file, officer, at=at)

    def examine(officer: str = FIRST, at: datetime = AT, agreement: str = "foreign-2014") -> object:
        return lambda: cross.examine(agreement, file, officer, at=at)

    return {
        "accepted by who examined": (NotPermitted, "has examined it", accept(FIRST)),
        "accepted by no operator": (NotPermitted, "not an operator", accept(NOBODY)),
        "accepted by nobody known": (NotFound, "officer", accept("somebody")),
        "accepted unexamined": (Conflict, "was not examined", accept(file=other)),
        "examined twice": (Conflict, "was examined by operator", examine(SECOND)),
        "examined by no operator": (NotPermitted, "not an operator", examine(NOBODY)),
        "no agreement": (NotFound, "agreement 'nothing'", examine(agreement="nothing")),
        "too early": (Conflict, "in force from", examine(at=datetime(2014, 7, 31, 23, 59, 59, tzinfo=UTC))),
        "too late": (Conflict, "in force from", accept(at=datetime(2019, 8, 31, 15, tzinfo=UTC))),
        "no day left": (Conflict, "no whole day", accept(at=datetime(2019, 8, 31, 14, 59, 59, tzinfo=UTC))),
    }  # fmt: skip


@pytest.mark.parametrize("name", [
    "accepted by who examined", "accepted by no operator", "accepted by nobody known", "accepted unexamined", "examined twice",
    "examined by no operator", "no agreement", "too early", "too late", "no day left",
])  # fmt: skip
def test_a_step_out_of_order_is_refused_and_changes_nothing(world, peer, name):
    desk(world).agree(agreement([peer.fingerprint]), "a.toml", [], FIRST, at=AT)
    cases = steps(world, peer)
    desk(world).examine("foreign-2014", handed(peer.folder / "theirs.csr"), FIRST, at=AT)
    kind, words, step = cases[name]
    before = world.dump()
    with pytest.raises(kind, match=words):
        step()
    assert world.dump() == before


def test_what_was_accepted_is_not_accepted_again(world, peer, our_request):
    desk(world).agree(agreement([peer.fingerprint]), "a.toml", [], FIRST, at=AT)
    for file in (handed(peer.request("theirs")), handed(peer.certify(our_request, "for-us", begins=AT))):
        desk(world).examine("foreign-2014", file, SECOND, at=AT)
        made = desk(world).accept("foreign-2014", file, FIRST, at=AT)
        before = world.dump()
        if made.issued is not None:
            assert desk(world).accept("foreign-2014", file, FIRST, at=AT) == made, "the same once more"
        for officer in [SECOND] if made.issued is not None else [FIRST, SECOND]:
            with pytest.raises(Conflict, match=f"accepted before, by {FIRST}"):
                desk(world).accept("foreign-2014", file, officer, at=AT)
        assert world.dump() == before
    with pytest.raises(Conflict, match="accepted before"):
        desk(world).examine("foreign-2014", file, SECOND, at=AT)
    with world.stores.nation.reading() as connection:
        ((ours, theirs, encoded),) = peers.received(connection)
    assert (ours, theirs, encoded) == (OURS, GenerationId.parse("foreign.g1"), file.encoded)


def test_an_ended_agreement_is_over(world, peer):
    cross = desk(world)
    cross.agree(agreement([peer.fingerprint]), "a.toml", [], FIRST, at=AT)
    with pytest.raises(NotPermitted):
        cross.end("foreign-2014", NOBODY, at=AT)
    cross.end("foreign-2014", FIRST, at=AT)
    for step in (lambda: cross.request("foreign-2014", at=AT),
                 lambda: cross.examine("foreign-2014", handed(peer.request("theirs")), FIRST, at=AT),
                 lambda: cross.end("foreign-2014", FIRST, at=AT)):  # fmt: skip
        with pytest.raises(Conflict, match="ended"):
            step()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "written down already"),
        ({"id": '"later"', "name": '[["CN", "Somebody"]]'}, "not both"),
        ({"id": '"later"', "peer": '"somebody"'}, "not both"),
    ],
)
def test_agreements_with_one_ca_agree_on_its_name(world, changes, words):
    cross = desk(world)
    cross.agree(agreement([OTHER]), "a.toml", [], FIRST, at=AT)
    with pytest.raises(Conflict, match=words):
        cross.agree(agreement([OTHER], **changes), "b.toml", [], FIRST, at=AT)
    cross.agree(agreement([OTHER], id='"later"'), "b.toml", [], FIRST, at=AT)


def test_what_never_ends_has_its_place_in_a_calendar():
    """RFC 5280 4.1.2.5: a certificate without an end says the last second of 9999, behind which there is no other."""
    at = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    made = icalendar([Ending(at, "self-signed", "foreign.g1:1", "foreign.g1")], "world", AT)
    assert b"DTSTART:99991231T235959Z\r\nDTEND:99991231T235959Z\r\n" in made


# Between intent and signature.


def accept_and_die(world: EngineWorld, peer: OpensslPeer) -> CertificateId:
    """Accept a request in a process that ends before it signs."""
    cross, file = desk(world), handed(peer.request("theirs"))
    cross.agree(agreement([peer.fingerprint]), "a.toml", [], FIRST, at=AT)
    cross.examine("foreign-2014", file, FIRST, at=AT)

    class Dead(Exception):
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.crossing.desk.issue_intended", lambda *_: (_ for _ in ()).throw(Dead))
        with pytest.raises(Dead):
            cross.accept("foreign-2014", file, SECOND, at=AT)
    with world.stores.nation.reading() as connection:
        (record,) = certificates.intended(connection)
        assert (
            authorities.current_crosses(connection)
            .keys()
            .isdisjoint({(OURS, GenerationId.parse("foreign.g1"))})
        )
    return record.id


def test_what_was_accepted_is_signed_after_a_crash(world, peer):
    certificate = accept_and_die(world, peer)
    (issued,) = cycle.recover(world.issuers, AT)
    assert issued.id == certificate
    assert issued.record.state is CertificateState.ISSUED


def test_what_waits_to_be_signed_keeps_its_pair_from_being_withdrawn(world, peer):
    """It would come alive after the withdrawal: an intent is never voided."""
    certificate = accept_and_die(world, peer)
    pair = OURS.authority, GenerationId.parse("foreign.g1").authority
    words = (RevocationReason.SUPERSEDED, [FIRST, SECOND])
    before = world.dump()
    for first, second in (pair, pair[::-1]):
        with pytest.raises(Conflict, match=f"{certificate}: .* not signed yet"):
            withdraw(world.stores, world.plan, first, second, *words, at=AT)
    assert world.dump() == before
    cycle.recover(world.issuers, AT)
    done = withdraw(world.stores, world.plan, *pair, *words, at=AT)
    assert [half.certificate for half in done.halves] == [certificate]


def test_what_the_journal_does_not_tell_of_is_not_signed_for_another_ca(world, peer):
    """Whoever writes in the database has no CA certified: not even with other policies than two officers accepted."""
    certificate = accept_and_die(world, peer)
    with world.stores.nation.reading() as connection:
        record = certificates.find(connection, certificate)
    altered = record.encoded.replace(der.oid(GPKI), der.oid("2.999.2014.1.9"))
    assert altered != record.encoded
    with world.stores.nation.writing() as connection:
        here = (certificate_bytes.c.generation == str(certificate.generation)) & (
            certificate_bytes.c.serial == certificate.serial.octets
        )
        connection.execute(certificate_bytes.update().where(here).values(encoded=altered))
    with pytest.raises(LintRefused, match="nor that of an accepted request"):
        cycle.recover(world.issuers, AT)


def test_what_is_issued_by_an_agreement_lies_in_the_authority_list(world, peer):
    desk(world).agree(agreement([peer.fingerprint]), "a.toml", [], FIRST, at=AT)
    _, prepared = desk(world).examine("foreign-2014", handed(peer.request("theirs")), FIRST, at=AT)
    assert isinstance(prepared, Prepared)
    assert prepared.record.kind is CertificateKind.CROSS
    assert prepared.record.scope == "arl"
