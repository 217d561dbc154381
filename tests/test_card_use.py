"""What a card is for: certificates taken, documents signed, logins answered, ends asked for; and every misuse refused."""

import base64
import json
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO

import msgspec
import pytest
from asn1crypto import cms, pem, x509
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic, writer
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from bridge.manifest import Marking
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected, Reason
from ca.chance import SystemChance
from ca.errors import BadInput, Conflict, KakehashiError, KeyRefused, NotFound, NotPermitted
from ca.model import CertificateId, RevocationReason
from ca.rules.residents import ChangeKind
from ca.wire.facts import read_certificate
from front.assembly import open_world
from front.card import challenge as challenges
from front.card import once, pins, requests
from front.card.card import Card
from front.card.challenge import Challenges, Login, LoginStatement, answer_challenge
from front.card.once import SpentInMemory
from front.card.pdf import sign_pdf
from front.card.published import chain_of, issuer_of
from front.card.requests import (
    RevocationRequest,
    RevocationStatement,
    certificate_to_end,
    make_request,
    read_request,
)
from front.card.signing import is_pdf, sign_file
from front.card.state import Word, by_lists, by_responder
from front.card.statements import MARK, MEDIA_TYPE, read_stated, state
from tests import card_world, commands
from tests.card_world import AUTHENTICATION, KINDS, PINS, SIGNATURE, end, load, named, opened, told
from tests.components import require
from tests.relying_world import World as ToyWorld
from tests.served_world import Home, served

CHANCE = SystemChance()
SERVICE = "https://portal.example"


@pytest.fixture(scope="module", autouse=True)
def _cheap_pins():
    card_world.cheaply()
    yield
    pins._COST = card_world.REAL_COST


@pytest.fixture(scope="module")
def pristine():
    return card_world.card_world()


@pytest.fixture
def home(pristine, tmp_path):
    """A home of the test's own."""
    return shutil.copytree(pristine.home, tmp_path / "home")


@pytest.fixture
def hanako(pristine, tmp_path):
    return Card.open(shutil.copytree(pristine.cards["hanako"], tmp_path / "hanako"))


@pytest.fixture(scope="module")
def keep(pristine):
    """The pristine home's snapshot, trust and moment, to be read only."""
    with opened(pristine.home) as found:
        yield found


@pytest.fixture(scope="module")
def people(pristine):
    """The pristine cards, whose tries nobody spends."""
    return {name: Card.open(folder) for name, folder in pristine.cards.items()}


def key_of(card, kind):
    return card.unlocked(kind, PINS[kind])


# Certificates


def test_a_card_takes_what_was_issued_for_its_keys(people, pristine, keep):
    snapshot, _, at = keep
    for kind in KINDS:
        der = pristine.ders["hanako", kind]
        about = people["hanako"].about(kind)
        facts = read_certificate(der, "certificate")
        assert (about.serial, about.not_after) == (facts.serial, facts.not_after)
        assert about.issuer.der == issuer_of(facts, snapshot, at).der
        assert about.responder.startswith("http://")
        with key_of(people["hanako"], kind) as key:
            assert key.certificate == der
            assert key.public_key == facts.public_key


def test_name_and_address_are_not_read_without_the_signature_pin(hanako, pristine):
    der = pristine.ders["hanako", SIGNATURE]
    name = "試験".encode()
    assert name in der
    assert hanako.about(SIGNATURE).certificate is None
    for path in hanako.folder.rglob("*"):
        assert not path.is_file() or name not in path.read_bytes()


def test_what_is_not_this_cards_is_not_taken(hanako, pristine, keep, tmp_path):
    snapshot, _, at = keep
    before = {path: path.read_bytes() for path in hanako.folder.glob("*.json")}
    der = pristine.ders["hanako", SIGNATURE]
    toy = ToyWorld()
    folder, _ = card_world.blank()
    blank = Card.open(shutil.copytree(folder, tmp_path / "blank"))
    crossed = card_world.certified(
        blank, shutil.copytree(pristine.home, tmp_path / "other"), {SIGNATURE: AUTHENTICATION}
    )
    damaged = der[:-1] + bytes([der[-1] ^ 1])
    cases = [
        (hanako, pristine.ders["taro", SIGNATURE], BadInput, "is for no key of card"),
        (hanako, damaged, KeyRefused, "made a wrong sha256-rsa2048 signature"),
        (hanako, toy.to_bridge.der(), BadInput, "is for no key of card"),
        (hanako, der[:-10], BadInput, "cannot be read as DER"),
        (hanako, b"", BadInput, "0 octets"),
        (blank, crossed[SIGNATURE], BadInput, "is of the kind signature on the card's user-authentication"),
    ]
    for card, encoded, error, words in cases:
        with pytest.raises(error, match=words):
            card.load(encoded, PINS[SIGNATURE], snapshot, at)
    with pytest.raises(BadInput, match="has expired"):
        hanako.load(der, PINS[SIGNATURE], snapshot, at + timedelta(days=4000))
    toy_world = toy.publish(tmp_path / "toy")
    with pytest.raises(BadInput, match="was issued by none of the authorities that are published"):
        hanako.load(der, PINS[SIGNATURE], Snapshot.read(toy_world), at)
    assert {path: path.read_bytes() for path in hanako.folder.glob("*.json")} == before
    with key_of(blank, AUTHENTICATION) as key, pytest.raises(NotFound, match="has no user-auth"):
        key.require_certificate()


def test_a_renewed_certificate_takes_the_place_of_the_one_before(hanako, pristine):
    for _ in range(2):
        load(hanako, pristine.ders["hanako", SIGNATURE], pristine.home)
    with key_of(hanako, SIGNATURE) as key:
        assert key.certificate == pristine.ders["hanako", SIGNATURE]


# Documents


def anchor_file(home, folder):
    with opened(home) as (_, trust, _):
        (folder / "anchor.pem").write_bytes(pem.armor("CERTIFICATE", trust.anchors[0]))
    return folder / "anchor.pem"


def openssl_verifies(folder, signature, content, anchor, at):
    """OpenSSL's verdict on a detached CMS signature, with the signer's path from the anchor."""
    (folder / "signature").write_bytes(signature)
    (folder / "content").write_bytes(content)
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature"]
    command += ["-content", "content", "-CAfile", str(anchor), "-purpose", "any"]
    command += ["-attime", str(int(at.timestamp())), "-out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "verification successful" in done.stderr.lower(), done.stderr


@pytest.mark.parametrize("content", [b"", b"a document\n", bytes(range(256)) * 4000], ids=len)
def test_openssl_accepts_a_signed_file_by_its_chain(content, people, pristine, keep, tmp_path):
    require("openssl")
    snapshot, _, at = keep
    with key_of(people["hanako"], SIGNATURE) as key:
        facts = read_certificate(key.require_certificate(), "certificate")
        signature = sign_file(content, key, chain_of(facts, snapshot, at), at)
    anchor = anchor_file(pristine.home, tmp_path)
    good, said = openssl_verifies(tmp_path, signature, content, anchor, at)
    assert good, said
    assert not openssl_verifies(tmp_path, signature, content + b"!", anchor, at)[0]
    with key_of(people["hanako"], SIGNATURE) as key:
        alone = sign_file(content, key, (), at)
    assert not openssl_verifies(tmp_path, alone, content, anchor, at)[0]  # the chain is of use


def test_the_authentication_key_signs_no_document(people, keep):
    at = keep[2]
    with key_of(people["hanako"], AUTHENTICATION) as key:
        for ask in (lambda: sign_file(b"x", key, (), at), lambda: sign_pdf(a_pdf(), key, (), at)):
            with pytest.raises(KeyRefused, match="signs no documents"):
                ask()


def test_nothing_is_signed_out_of_the_certificates_time(people, keep):
    at = keep[2]
    with key_of(people["hanako"], SIGNATURE) as key:
        for moment in (at - timedelta(days=1), at + timedelta(days=4000)):
            with pytest.raises(KeyRefused, match="and not now"):
                sign_file(b"x", key, (), moment)
        with pytest.raises(KeyRefused, match="may not sign after"):
            sign_file(b"x", key, (), datetime(2031, 1, 1, tzinfo=UTC))


def a_pdf(**encryption):
    """A small PDF with one empty page."""
    made = writer.PdfFileWriter()
    page = writer.PageObject(
        contents=made.add_object(generic.StreamObject(stream_data=b"")), media_box=(0, 0, 200, 200)
    )
    made.insert_page(page)
    if encryption:
        made.encrypt(**encryption)
    out = BytesIO()
    made.write(out)
    return out.getvalue()


def test_a_signed_pdf_is_accepted_by_pyhanko_and_by_openssl(people, pristine, keep, tmp_path):
    require("openssl")
    snapshot, trust, at = keep
    original = a_pdf()
    signed = original
    with key_of(people["hanako"], SIGNATURE) as key:
        chain = chain_of(read_certificate(key.require_certificate(), "certificate"), snapshot, at)
        for _ in range(2):  # a second signature leaves the first as it is
            signed = sign_pdf(signed, key, chain, at)
    assert signed.startswith(original)
    embedded = PdfFileReader(BytesIO(signed)).embedded_signatures
    assert len(embedded) == 2
    context = ValidationContext(
        trust_roots=[pem_certificate(trust.anchors[0])], moment=at, best_signature_time=at
    )
    for one in embedded:
        status = validate_pdf_signature(one, context, skip_diff=True)
        assert (status.intact, status.valid, status.trusted) == (True, True, True), status
        assert one.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
        assert one.self_reported_timestamp == at
        start, length, behind, rest = (int(number) for number in one.byte_range)
        covered = signed[start : start + length] + signed[behind : behind + rest]
        octets = cms.ContentInfo.load(bytes(one.pkcs7_content)).dump()
        anchor = anchor_file(pristine.home, tmp_path)
        good, said = openssl_verifies(tmp_path, octets, covered, anchor, at)
        assert good, said
        assert not openssl_verifies(tmp_path, octets, covered + b"!", anchor, at)[0]


def pem_certificate(der):
    return x509.Certificate.load(der)


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7",
        b"%PDF-1.7\n%%EOF",
        b"%PDF-1.7\nstartxref\n0\n%%EOF",
        b"%PDF-1.7\nstartxref\n99999999999\n%%EOF",
        b"%PDF-1.7\n" + b"[" * 100_000 + b"\nstartxref\n9\n%%EOF",
        a_pdf()[:-200],
        a_pdf(owner_pass="x", user_pass="x"),  # noqa: S106 - nobody's
        a_pdf().replace(b"/Root", b"/Toor"),
    ],
    ids=range(8),
)
def test_a_pdf_that_cannot_be_signed_is_refused(content, people, keep):
    assert is_pdf(content)
    with key_of(people["hanako"], SIGNATURE) as key, pytest.raises(BadInput, match="PDF"):
        sign_pdf(content, key, (), keep[2])


# How certificates stand


def test_states_by_lists(home, hanako, pristine):
    signature, authentication = (pristine.ders["hanako", kind] for kind in KINDS)

    def states(days=0.0):
        with opened(home) as (snapshot, trust, at):
            moment = at + timedelta(days=days)
            return [by_lists(der, snapshot, trust, moment) for der in (signature, authentication)]

    assert [one.word for one in states()] == [Word.VALID, Word.VALID]
    end(home, signature, "affiliationChanged")
    end(home, authentication, "certificateHold")
    ended, held = states()
    assert (ended.word, ended.revocation.reason) == (Word.REVOKED, RevocationReason.AFFILIATION_CHANGED)
    assert (held.word, held.revocation.reason) == (Word.ON_HOLD, RevocationReason.CERTIFICATE_HOLD)
    late, gone, early = states(30), states(4000), states(-1)
    assert [one.word for one in late] == [Word.CANNOT_TELL, Word.CANNOT_TELL]
    assert [one.word for one in gone] == [Word.EXPIRED, Word.EXPIRED]
    assert [one.word for one in early] == [Word.NOT_YET_VALID, Word.NOT_YET_VALID]
    assert hanako.about(SIGNATURE)
    with opened(home) as (snapshot, trust, at):
        production = replace(trust, marking=Marking.PRODUCTION)
        assert by_lists(signature, snapshot, production, at).word is Word.NOT_VALID
        assert by_lists(b"nonsense", snapshot, trust, at).word is Word.CANNOT_TELL


def held_within_a_minute(asked):
    """The answer once it has changed: a revocation reaches a served responder with the next heartbeat."""
    by = time.monotonic() + 60
    while (row := asked())["state"] == "valid" and time.monotonic() < by:
        time.sleep(0.2)
    return row


def test_states_by_the_responder_of_a_served_world(home, hanako, pristine, tmp_path):
    """By the command, as its holder asks; and when nobody answers."""
    authentication = pristine.ders["hanako", AUTHENTICATION]
    generation = named(home, authentication).partition(":")[0]

    def info(*options):
        asked = commands.run("card", "info", "--card", hanako.folder, "--home", home, *options, "--json")
        return {row["kind"]: row for row in commands.done(asked).json["applications"]}

    with served(card_home(home)) as server:
        url = ("--ocsp", f"{server.url}/ocsp/{generation}")
        assert {row["state"] for row in info(*url).values()} == {"valid"}
        told(home, "revoke", named(home, authentication), "--reason", "certificateHold", "--officer", "ito")
        row = held_within_a_minute(lambda: info(*url)["user-authentication"])
        assert (row["state"], row["reason"]) == ("on hold", "certificateHold")
        assert row["since"] is not None
        wrong = info("--ocsp", f"{server.url}/ocsp/gpki-bca.g1")["signature"]
        assert wrong["state"] == "cannot tell"
        written = commands.done(
            commands.run("card", "info", "--card", hanako.folder, "--home", home, *url)
        ).stdout
        assert "on hold 20" in written
    row = info(*url)["signature"]
    assert row["state"] == "cannot tell"
    assert "cannot be reached" in row["problem"]
    assert {row["state"] for row in info("--offline").values()} == {None}
    by_list = info("--lists")
    assert by_list["signature"]["state"] is None  # its PIN was not given
    assert by_list["user-authentication"]["state"] in {"valid", "on hold"}
    (tmp_path / "pin").write_text(PINS[SIGNATURE])
    assert info("--lists", "--signature-pin-file", tmp_path / "pin")["signature"]["state"] == "valid"


def card_home(folder):
    """The home as served worlds know it; its clock stands still."""
    return Home(folder, {}, datetime.now(UTC))


def test_a_certificate_out_of_its_time_is_not_asked_about(hanako, keep):
    about, at = hanako.about(SIGNATURE), keep[2]
    assert by_responder(about, at + timedelta(days=4000), url="http://nowhere.invalid/x").word is Word.EXPIRED
    assert by_responder(about, at - timedelta(days=1)).word is Word.NOT_YET_VALID
    nobody = replace(about, responder=None)
    assert by_responder(nobody, at).problem == "the certificate names no responder"
    for url in ("ftp://x/y", "http://", "nonsense", "http://127.0.0.1:1/x y"):
        assert by_responder(about, at, url=url).word is Word.CANNOT_TELL


# Logging in


@pytest.fixture
def service():
    return Challenges(SERVICE, CHANCE)


def answered(card, challenge, at, audience=SERVICE):
    with key_of(card, AUTHENTICATION) as key:
        return answer_challenge(challenge, audience, key, at)


def test_a_card_logs_in_once(service, people, pristine, keep):
    snapshot, trust, at = keep
    answer = answered(people["hanako"], service.make(at), at)
    login = service.check(answer, snapshot, trust, at)
    assert login.certificate.der == pristine.ders["hanako", AUTHENTICATION]
    assert login.path.certificates[-1] == login.certificate.der
    with pytest.raises(Conflict, match="answers no challenge that waits"):
        service.check(answer, snapshot, trust, at)
    with pytest.raises(TypeError, match="only Challenges"):
        Login(login.certificate, login.path, made_by=None)


def test_an_answer_is_good_for_its_service_and_its_time_alone(service, people, keep):
    snapshot, trust, at = keep
    other = Challenges("https://elsewhere.example", CHANCE)
    minutes = [timedelta(minutes=number) for number in range(12)]
    answer = answered(people["hanako"], service.make(at), at)
    with pytest.raises(Conflict):
        other.check(answer, snapshot, trust, at)
    with pytest.raises(Conflict):
        service.check(answer, snapshot, trust, at + minutes[6])
    with pytest.raises(BadInput, match="challenge: has ended"):
        answered(people["hanako"], service.make(at), at + minutes[6])
    for made in (at - minutes[11], at + minutes[6]):  # by a card whose clock is wrong
        challenge = json.loads(service.make(at))
        with key_of(people["hanako"], AUTHENTICATION) as key:
            nonce = base64.b64decode(challenge["nonce"])
            wrong = state(LoginStatement(made=made, nonce=nonce, audience=SERVICE), key, at)
        with pytest.raises(BadInput, match="too far from"):
            service.check(wrong, snapshot, trust, at)


def test_a_challenge_that_another_service_passes_on_is_not_answered(service, people, keep):
    at = keep[2]
    with pytest.raises(BadInput, match=r"is of https://portal\.example, and not of https://evil\.example"):
        answered(people["hanako"], service.make(at), at, "https://evil.example")


def test_a_statement_for_another_service_is_refused_even_with_the_right_nonce(service, people, keep):
    snapshot, trust, at = keep
    nonce = base64.b64decode(json.loads(service.make(at))["nonce"])
    with key_of(people["hanako"], AUTHENTICATION) as key:
        answer = state(LoginStatement(made=at, nonce=nonce, audience="https://evil.example"), key, at)
    with pytest.raises(BadInput, match="is meant for another service"):
        service.check(answer, snapshot, trust, at)


def test_only_the_authentication_key_logs_in(service, people, keep):
    snapshot, trust, at = keep
    with key_of(people["hanako"], SIGNATURE) as key:
        with pytest.raises(KeyRefused, match="logs nobody in"):
            answer_challenge(service.make(at), SERVICE, key, at)
        nonce = base64.b64decode(json.loads(service.make(at))["nonce"])
        answer = state(LoginStatement(made=at, nonce=nonce, audience=SERVICE), key, at)
    with pytest.raises(BadInput, match="is not signed by a user-authentication key"):
        service.check(answer, snapshot, trust, at)


@pytest.mark.parametrize("reason", ["certificateHold", "cessationOfOperation"])
def test_a_card_whose_certificate_has_ended_logs_nobody_in(reason, service, people, pristine, home):
    end(home, pristine.ders["hanako", AUTHENTICATION], reason)
    with opened(home) as (snapshot, trust, at):
        answer = answered(people["hanako"], service.make(at), at)
        with pytest.raises(PathRejected) as refused:
            service.check(answer, snapshot, trust, at)
    assert refused.value.reason is Reason.REVOKED


def test_a_test_worlds_card_logs_in_nowhere_in_production(service, people, keep):
    snapshot, trust, at = keep
    answer = answered(people["hanako"], service.make(at), at)
    with pytest.raises(PathRejected) as refused:
        service.check(answer, snapshot, replace(trust, marking=Marking.PRODUCTION), at)
    assert refused.value.reason is Reason.TEST_WORLD


def test_a_service_waits_for_so_many_answers_and_no_more(keep, monkeypatch):
    monkeypatch.setattr(challenges, "WAITING", 3)
    service, at = Challenges(SERVICE, CHANCE), keep[2]
    for _ in range(3):
        service.make(at)
    with pytest.raises(Conflict, match="too many challenges"):
        service.make(at)
    service.make(at + timedelta(minutes=6))  # theirs has ended
    for audience in ("", "with blank", "x" * 201, "日本"):
        with pytest.raises(BadInput, match="audience"):
            Challenges(audience, CHANCE)


def altered(answer, **parts):
    """The same envelope with other parts."""
    fields = {name: base64.b64decode(value) for name, value in json.loads(answer).items()}
    return msgspec.json.encode(fields | parts)


def test_what_was_altered_or_put_together_is_refused(people, keep):
    snapshot, trust, at = keep

    def fresh():
        service = Challenges(SERVICE, CHANCE)
        return service, answered(people["hanako"], service.make(at), at)

    service, answer = fresh()
    fields = {name: base64.b64decode(value) for name, value in json.loads(answer).items()}
    taros = answered(people["taro"], service.make(at), at)
    signature = cms.ContentInfo.load(fields["signature"])
    signature["content"]["signer_infos"][0]["signature"] = bytes(256)
    foreign = base64.b64decode(json.loads(taros)["signature"])
    cases = [
        (altered(answer, statement=fields["statement"].replace(b"portal", b"p0rtal")), "other content"),
        (altered(answer, statement=b" " + fields["statement"]), "is no statement of a card"),
        (altered(answer, statement=b"{}"), "is no statement of a card"),
        (altered(answer, signature=foreign), "other content"),
        (altered(answer, signature=b""), "0 octets"),
        (altered(answer, signature=fields["signature"][:-20]), "cannot be read as DER"),
        (altered(answer, more=b""), "unknown field"),
        (answer + b" " * 70_000, "is longer than"),
        (b"", "is not JSON"),
    ]
    for octets, words in cases:
        with pytest.raises(BadInput, match=words):
            service.check(octets, snapshot, trust, at)
    with pytest.raises(KeyRefused, match="made a wrong"):
        service.check(altered(answer, signature=signature.dump(force=True)), snapshot, trust, at)
    with pytest.raises(Conflict):  # that was its one chance
        service.check(answer, snapshot, trust, at)
    assert service.check(taros, snapshot, trust, at)


@pytest.fixture(scope="module")
def an_answer(people, keep):
    return answered(people["hanako"], Challenges(SERVICE, CHANCE).make(keep[2]), keep[2])


@given(octets=st.binary(max_size=300), place=st.integers(0, 3000))
def test_a_mutant_of_an_answer_is_refused(octets, place, an_answer, keep):
    snapshot, trust, at = keep
    answer = an_answer
    mutant = answer[:place] + octets + answer[place + len(octets) :]
    service = Challenges(SERVICE, CHANCE)
    with pytest.raises(KakehashiError):
        service.check(mutant, snapshot, trust, at)
    with pytest.raises(KakehashiError):
        read_request(mutant, snapshot, trust, SpentInMemory(), at)


@given(octets=st.binary(max_size=400))
def test_what_is_no_challenge_is_not_answered(octets, keep, people):
    with key_of(people["hanako"], AUTHENTICATION) as key:
        for challenge in (octets, b'{"challenge":"kakehashi/login/1",' + octets):
            with pytest.raises(BadInput):
                answer_challenge(challenge, SERVICE, key, keep[2])


# Asking for revocation


def asked(card, kind, by, at):
    with key_of(card, by) as key:
        return make_request(kind, card.about(kind), key, CHANCE, at)


def forged(card, by, at, **fields):
    """A statement that a card's client would not make."""
    about = card.about(by)
    right = {
        "made": at,
        "nonce": CHANCE.octets("nonce", 32),
        "kind": by.value,
        "issuer_key": about.issuer.subject_key.hex(),
        "serial": f"{about.serial:x}",
    }
    with key_of(card, by) as key:
        return state(RevocationStatement(**{**right, **fields}), key, at)


def target(home, request):
    with open_world(home, str) as world, world.stores.nation.reading() as connection:
        return certificate_to_end(connection, request)


@pytest.mark.parametrize(
    ("kind", "by"),
    [(SIGNATURE, AUTHENTICATION), (SIGNATURE, SIGNATURE), (AUTHENTICATION, AUTHENTICATION)],
)
def test_a_holder_asks_for_the_end_of_a_certificate(kind, by, people, pristine, keep):
    snapshot, trust, at = keep
    spent = SpentInMemory()
    octets = asked(people["hanako"], kind, by, at)
    found = read_request(octets, snapshot, trust, spent, at)
    assert str(found.target) == named(pristine.home, pristine.ders["hanako", kind])
    assert str(found.signer) == named(pristine.home, pristine.ders["hanako", by])
    assert (found.kind, found.reason) == (kind, RevocationReason.CESSATION_OF_OPERATION)
    assert found.change is (
        ChangeKind.SIGNATURE_GIVEN_UP if kind is SIGNATURE else ChangeKind.USER_AUTHENTICATION_GIVEN_UP
    )
    held = target(pristine.home, found)
    assert (held.certificate, held.kind) == (found.target, kind)
    with pytest.raises(Conflict, match="was used before"):
        read_request(octets, snapshot, trust, spent, at)
    with pytest.raises(TypeError, match="only read_request"):
        RevocationRequest(found.signer, b"", found.target, kind, at, at)


def test_the_signature_key_asks_for_its_own_certificates_end_alone(people, keep):
    snapshot, trust, at = keep
    hanako, taro = people["hanako"], people["taro"]
    with pytest.raises(NotPermitted, match="not this key's to give up"):
        asked(hanako, AUTHENTICATION, SIGNATURE, at)
    others = [
        {"kind": "user-authentication", "serial": f"{hanako.about(AUTHENTICATION).serial:x}"},
        {"serial": f"{taro.about(SIGNATURE).serial:x}"},
    ]
    for fields in others:
        with pytest.raises(NotPermitted, match="not this key's to give up"):
            read_request(forged(hanako, SIGNATURE, at, **fields), snapshot, trust, SpentInMemory(), at)


def test_nobody_ends_another_holders_certificate(people, pristine, keep):
    snapshot, trust, at = keep
    hanako, taro = people["hanako"], people["taro"]
    for fields in (
        {"kind": "signature", "serial": f"{taro.about(SIGNATURE).serial:x}"},
        {"serial": f"{taro.about(AUTHENTICATION).serial:x}"},
        {"serial": "1"},
        {"kind": "user-authentication", "serial": f"{hanako.about(SIGNATURE).serial:x}"},
    ):
        request = forged(hanako, AUTHENTICATION, at, **fields)
        found = read_request(request, snapshot, trust, SpentInMemory(), at)
        with pytest.raises(NotPermitted, match="not this key's to give up"):
            target(pristine.home, found)
    stranger = replace_signer(found, CertificateId.parse("jpki-13.g1:1"))
    with pytest.raises(NotFound, match="is not in the register"):
        target(pristine.home, stranger)


def replace_signer(request, signer):
    """What no reader makes, to be refused all the same."""
    return RevocationRequest(
        signer,
        b"another key",
        request.target,
        request.kind,
        request.made,
        request.at,
        made_by=requests._MADE_BY_READ,
    )


def test_a_request_is_refused_that_is_not_right(people, keep):
    snapshot, trust, at = keep
    hanako = people["hanako"]
    cases = [
        ({"made": at - timedelta(minutes=61)}, "too far from"),
        ({"made": at + timedelta(minutes=6)}, "too far from"),
        ({"issuer_key": "0" * 40}, "names an issuer that is none of this world's"),
        ({"kind": "signature"}, "names a certificate of the kind user-authentication as one of signature"),
        ({"serial": "0"}, "serial"),
    ]
    for fields, words in cases:
        request = forged(hanako, AUTHENTICATION, at, **fields)
        with pytest.raises(BadInput, match=words):
            read_request(request, snapshot, trust, SpentInMemory(), at)
    login = answered(hanako, Challenges(SERVICE, CHANCE).make(at), at)
    with pytest.raises(BadInput, match="statement"):
        read_request(login, snapshot, trust, SpentInMemory(), at)
    request = asked(hanako, SIGNATURE, AUTHENTICATION, at)
    with pytest.raises(BadInput, match="statement"):
        Challenges(SERVICE, CHANCE).check(request, snapshot, trust, at)


@pytest.mark.parametrize("reason", ["certificateHold", "cessationOfOperation"])
def test_an_ended_certificate_asks_for_nothing(reason, people, pristine, home):
    """A card reported lost is on hold: whoever has found it cannot ask for anything."""
    end(home, pristine.ders["hanako", AUTHENTICATION], reason)
    with opened(home) as (snapshot, trust, at):
        for kind in KINDS:
            request = asked(people["hanako"], kind, AUTHENTICATION, at)
            with pytest.raises(PathRejected) as refused:
                read_request(request, snapshot, trust, SpentInMemory(), at)
            assert refused.value.reason is Reason.REVOKED


def test_no_document_passes_for_a_statement(people, keep):
    snapshot, trust, at = keep
    hanako = people["hanako"]
    request = asked(hanako, SIGNATURE, SIGNATURE, at)
    statement = base64.b64decode(json.loads(request)["statement"])
    assert statement.startswith(MARK)
    with key_of(hanako, SIGNATURE) as key:
        with pytest.raises(BadInput, match="is a statement to machines"):
            sign_file(statement, key, (), at)
        signature = sign_file(b" " + statement, key, (), at)
    passed_off = msgspec.json.encode({"statement": b" " + statement, "signature": signature})
    with pytest.raises(BadInput, match="is no statement of a card"):
        read_stated(passed_off, RevocationStatement, "request")
    assert read_request(request, snapshot, trust, SpentInMemory(), at)


def test_what_was_spent_is_remembered_for_its_time_and_not_without_end(keep, monkeypatch):
    monkeypatch.setattr(once, "MOST", 3)
    spent, at = SpentInMemory(), keep[2]
    hour = timedelta(hours=1)
    for number in range(3):
        spent.spend(bytes([number]), at + hour, at)
    with pytest.raises(Conflict, match="was used before"):
        spent.spend(b"\0", at + hour, at + hour)
    with pytest.raises(Conflict, match="too many"):
        spent.spend(b"\x09", at + hour, at + hour)
    spent.spend(b"\x09", at + 3 * hour, at + 2 * hour)


# The commands


@pytest.fixture
def run(hanako, pristine, tmp_path):
    """Runs a command of hanako's card, with the PINs in files."""
    for kind in KINDS:
        (tmp_path / f"{kind}.pin").write_text(f"{PINS[kind]}\n")

    def run(name, *arguments, kind=SIGNATURE, home=pristine.home):
        common = ("--card", hanako.folder, "--pin-file", tmp_path / f"{kind}.pin")
        world = ("--home", home) if home else ()
        return commands.run("card", name, *arguments, *common, *world)

    return run


def test_the_commands_sign(run, pristine, tmp_path, keep):
    require("openssl")
    at = keep[2]
    (tmp_path / "letter.txt").write_bytes(b"Dear all\n")
    (tmp_path / "form.pdf").write_bytes(a_pdf())
    said = commands.done(run("sign", tmp_path / "letter.txt", "--json")).json
    assert (said["form"], said["file"]) == ("CMS", str(tmp_path / "letter.txt.p7s"))
    anchor = anchor_file(pristine.home, tmp_path)
    signature = (tmp_path / "letter.txt.p7s").read_bytes()
    assert openssl_verifies(tmp_path, signature, b"Dear all\n", anchor, at)[0]
    commands.refused(run("sign", tmp_path / "letter.txt"), "is there already", "--out")
    said = commands.done(run("sign", tmp_path / "form.pdf", "--json")).json
    assert said["form"] == "PAdES"
    assert len(PdfFileReader(BytesIO((tmp_path / "form-signed.pdf").read_bytes())).embedded_signatures) == 1
    asked_for = ("--cms", "--from", pristine.home / "repository", "--json")
    assert commands.done(run("sign", tmp_path / "form.pdf", *asked_for)).json["form"] == "CMS"
    signature = (tmp_path / "form.pdf.p7s").read_bytes()
    assert openssl_verifies(tmp_path, signature, (tmp_path / "form.pdf").read_bytes(), anchor, at)[0]
    commands.refused(run("sign", tmp_path / "nothing.txt"), "cannot be read: No such file")
    refusal = run("sign", tmp_path / "letter.txt", "--out", tmp_path / "new", kind=AUTHENTICATION)
    commands.refused(refusal, "signature PIN", "6 to 16 letters and digits")
    commands.refused(
        run("sign", tmp_path / "letter.txt", "--out", tmp_path / "new", home=None), "and not now"
    )
    assert not (tmp_path / "new").exists()


def test_the_command_logs_in(run, keep, tmp_path):
    snapshot, trust, at = keep
    service = Challenges(SERVICE, CHANCE)
    (tmp_path / "challenge").write_bytes(service.make(at))
    answering = ("login", tmp_path / "challenge", "--out", tmp_path / "answer", "--audience")
    commands.refused(run(*answering, "https://evil.example", kind=AUTHENTICATION), "answer nothing")
    commands.done(run(*answering, SERVICE, kind=AUTHENTICATION))
    assert service.check((tmp_path / "answer").read_bytes(), snapshot, trust, at)


@contextmanager
def taking():
    """A server that takes what is sent to it, until the route is there."""
    received = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self):
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Content-Type"], octets))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"taken":true}')

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Taker) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        thread.join()


def test_the_command_asks_for_revocation(run, keep, tmp_path):
    snapshot, trust, at = keep
    kind, out = ("--kind", "signature"), tmp_path / "request"
    commands.done(run("revoke", *kind, "--out", out, kind=AUTHENTICATION))
    assert read_request(out.read_bytes(), snapshot, trust, SpentInMemory(), at).kind is SIGNATURE
    commands.refused(run("revoke", *kind), "Give --out, or --to")
    by_signature = (*kind, "--by", "signature")
    commands.done(run("revoke", *by_signature, "--out", tmp_path / "other"))
    commands.refused(run("revoke", *by_signature, "--to", "http://127.0.0.1:1/"), "name and address")
    not_mine = ("--kind", "user-authentication", "--by", "signature", "--out", tmp_path / "no")
    commands.refused(run("revoke", *not_mine), "not this key's to give up")
    with taking() as (url, received):
        said = commands.done(run("revoke", *kind, "--to", url, "--json", kind=AUTHENTICATION)).json
    assert json.loads(said["answer"]) == {"taken": True}
    ((path, media_type, octets),) = received
    assert (path, media_type) == ("/api/revocation-requests", MEDIA_TYPE)
    assert read_request(octets, snapshot, trust, SpentInMemory(), at).kind is SIGNATURE


def test_the_command_loads(run, pristine, tmp_path, hanako):
    for kind in KINDS:
        (tmp_path / "certificate.pem").write_bytes(pem.armor("CERTIFICATE", pristine.ders["hanako", kind]))
        commands.done(run("load", tmp_path / "certificate.pem", kind=kind))
    (tmp_path / "certificate.pem").write_bytes(pem.armor("CERTIFICATE", pristine.ders["taro", SIGNATURE]))
    commands.refused(run("load", tmp_path / "certificate.pem"), "is for no key of card HANAKO0001")
    commands.refused(run("load", tmp_path / "nowhere.pem"), "cannot be read")
    (tmp_path / "certificate.pem").write_bytes(pem.armor("CERTIFICATE", pristine.ders["hanako", SIGNATURE]))
    commands.refused(run("load", tmp_path / "certificate.pem", home=None), "--from")
    commands.refused(
        run("load", tmp_path / "certificate.pem", "--from", tmp_path, home=None), "manifest.json"
    )
    assert hanako.pin(SIGNATURE).left() == 5
    folder, _ = card_world.blank()
    blank = shutil.copytree(folder, tmp_path / "blank")
    refusal = commands.run("card", "revoke", "--card", blank, "--kind", "signature", "--out", tmp_path / "x")
    commands.refused(refusal, "has no signature certificate")
