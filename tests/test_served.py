"""The served product as its clients see it: a window with ``curl``, a verifier with ``openssl``, and whoever asks badly."""

import base64
import hashlib
import json
import random
import re
import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing
from email.utils import formatdate

import pytest
from asn1crypto.ocsp import OCSPResponse

from front.app import create_app
from front.assembly import open_world
from front.demo.people import invented_code
from tests import commands, components
from tests.feed_files import feed_file, feed_lines, sealed
from tests.served_world import (
    BOTH,
    REGISTER,
    STEPS,
    TOTTORI,
    Answer,
    Home,
    Judge,
    certificate_of,
    change,
    edition,
    filing,
    issued,
    new_person,
    new_request,
    openssl,
    serials_of,
    served,
    small_home,
    staff,
    told,
    wait_until,
)
from tests.small_edition import HANAKO, POST, TOKYO

STRANGER = str(invented_code(7_777_777_777))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A served world with its worker. Tests add to it, and none counts on being the first."""
    with served(small_home(tmp_path_factory.mktemp("served") / "home")) as running:
        yield running


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A served world without a worker, with one issued case and one event; what it keeps changes by tests alone."""
    with served(
        small_home(tmp_path_factory.mktemp("quiet") / "home"), "--no-work", wait="/health"
    ) as running:
        running.person = new_person()
        running.made = issued(running, running.person)["signature"]
        running.known = change(running.home, "moved-in", running.person["code"], "known-1")
        assert told(running, running.known).status == 200
        yield running


@pytest.fixture
def unchanged(quiet):
    """The store and the journal are afterwards as they were."""
    before = quiet.home.written()
    yield
    assert quiet.home.written() == before


@pytest.fixture
def judge(server, tmp_path):
    return Judge(server, tmp_path)


def curl(server, method, path, body=None, *, key=None) -> Answer:
    """A request as people send one by hand."""
    command = ["curl", "--silent", "--show-error", "--include", "--request", method, f"{server.url}{path}"]
    if key is not None:
        command += ["--header", f"Authorization: Bearer {server.home.keys[key]}"]
    if body is not None:
        command += ["--json", "@-"]
    done = subprocess.run(
        command, input=json.dumps(body).encode(), capture_output=True, check=True, timeout=60
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in fields)}
    return Answer(int(status.split()[1]), headers, content)


def by_hand(server):
    """``curl`` where there is one."""
    if components.found("curl"):
        return lambda *arguments, **options: curl(server, *arguments, **options)
    return lambda method, path, body=None, **options: server.send(
        method, path, None if body is None else json.dumps(body).encode(), **options
    )


class TestACase:
    @pytest.mark.parametrize(
        ("applicant", "kinds", "clients", "authority"),
        [
            ({"resident": new_person()}, BOTH, ("sato", "suzuki"), "jpki-13.g1"),
            ({"resident": new_person()}, BOTH[1:], ("sato", "suzuki"), "jpki-13.g1"),
            ({"post": POST}, ("official-post",), ("mori", "kimura"), "gpki-post.g1"),
        ],
        ids=["both kinds", "one kind", "an official post"],
    )
    def test_from_the_application_to_certificates(self, server, judge, applicant, kinds, clients, authority):
        ask = by_hand(server)
        requests = {kind: new_request() for kind in kinds}
        made = ask("POST", "/api/cases", {**applicant, "csrs": requests}, key=clients[0])
        assert (made.status, made.headers["content-type"]) == (201, "application/json")
        case = made.json["case"]
        state = {"case", "office", "state", "next", "steps", "kinds", "certificates"}
        assert made.json.keys() == state
        assert (made.json["state"], made.json["next"]) == ("filed", ["examine", "reject"])
        officers = {"examination": clients[1], "approval": "tanaka", "issuance": "ito"}
        states = []
        for step, officer in officers.items():
            answer = ask("POST", f"/api/cases/{case}/{step}", key=officer)
            assert answer.status == 200
            assert ask("GET", f"/api/cases/{case}", key=officer).json == answer.json
            states.append(answer.json["state"])
        assert states == ["examined", "approved", "issued"]
        told = answer.json
        assert [(taken["step"], taken["officer"]) for taken in told["steps"]] == [
            ("file", clients[0]), ("examine", clients[1]), ("approve", "tanaka"), ("issue", "ito"),
        ]  # fmt: skip
        assert sorted(told["kinds"]) == sorted(kinds)
        assert told["next"] == ["hand-over", "discard"]
        certificates = {found["kind"]: found for found in told["certificates"]}
        assert certificates.keys() == set(kinds)
        for kind, found in certificates.items():
            assert found["certificate"].startswith(f"{authority}:")
            assert found["state"] == "issued"
            read = certificate_of(found)
            assert f"{authority}:{read.serial_number:040x}" == found["certificate"]
            wanted = openssl_public_key(requests[kind])
            assert read.public_key.dump() == wanted
            assert judge.accepts(found)
            assert judge.status(found) == "good"

    def test_what_was_rejected_is_not_issued(self, server):
        case = server.post("/api/cases", filing(), key="sato").json["case"]
        answer = server.post(f"/api/cases/{case}/rejection", key="suzuki")
        assert (answer.json["state"], answer.json["next"]) == ("rejected", [])
        for step, officer in STEPS:
            server.post(f"/api/cases/{case}/{step}", key=officer).problem(409, "is rejected")
        assert server.get(f"/api/cases/{case}", key="ito").json["certificates"] == []

    def test_steps_are_taken_in_their_order_by_those_who_may(self, server):
        case = server.post("/api/cases", filing(), key="sato").json["case"]
        refusals = [
            ("approval", "tanaka", 409, "is filed; the step approve is not possible"),
            ("issuance", "ito", 409, "is filed; the step issue is not possible"),
            ("examination", "sato", 403, "has not the role examiner"),
            ("examination", "hashi", 403, "is another office's"),  # and no word of which cases there are
            ("examination", "tanaka", 403, "has not the role examiner"),
            ("rejection", "sato", 403, "has not the role"),
        ]
        for step, officer, status, words in refusals:
            refusal = server.post(f"/api/cases/{case}/{step}", key=officer).problem(status, words)
            assert (case in refusal["detail"]) is (officer != "hashi")
        found = server.get(f"/api/cases/{case}", key="sato").json
        assert (found["state"], len(found["steps"])) == ("filed", 1)

    def test_a_case_is_seen_by_its_office_and_the_centre(self, server):
        case = server.post("/api/cases", filing(), key="sato").json["case"]
        assert case.startswith(f"{TOKYO}-")
        seen = [server.get(f"/api/cases/{case}", key=name) for name in ("sato", "suzuki", "tanaka", "ito")]
        assert [answer.json["case"] for answer in seen] == [case] * 4
        for name in ("kato", "hashi", "mori"):
            server.get(f"/api/cases/{case}", key=name).problem(403, "is another office's")
        server.get("/api/cases/131016-999999", key="ito").problem(404, "131016-999999")

    def test_an_answer_holds_nothing_about_the_person(self, server):
        """But in the signature certificate, whose purpose it is."""
        person = new_person(name="試験　雪子", address="東京都千代田区試験町9-8-7", birth_date="1961-12-03")
        person |= {"name_substitutes": "01000", "address_substitutes": "0" * len(person["address"])}
        made = server.post("/api/cases", filing(person), key="sato")
        answers = [made.body]
        case = made.json["case"]
        for step, officer in STEPS:
            answers.append(server.post(f"/api/cases/{case}/{step}", key=officer).body)
        answers.append(server.get(f"/api/cases/{case}", key="sato").body)
        answers.append(told(server, change(server.home, "moved-out", person["code"])).body)
        by_kind = {found["kind"]: found for found in json.loads(answers[3])["certificates"]}
        answers.append(certificate_of(by_kind["user-authentication"]).dump())
        for text in ("雪子", "試験町9", person["code"], "1961", "female"):
            for octets in (text.encode(), json.dumps(text)[1:-1].encode()):
                assert all(octets not in answer for answer in answers), text
        assert "雪子".encode() in certificate_of(by_kind["signature"]).dump()

    def test_two_operators_at_once_issue_once(self, server):
        case = server.post("/api/cases", filing(), key="sato").json["case"]
        for step, officer in STEPS[:2]:
            server.post(f"/api/cases/{case}/{step}", key=officer)
        command = [
            "curl", "--silent", "--parallel", "--parallel-immediate", "--request", "POST",
            "--header", f"Authorization: Bearer {server.home.keys['ito']}",
        ]  # fmt: skip
        path = f"/api/cases/{case}/issuance"
        if components.found("curl"):
            subprocess.run([*command, *[server.url + path] * 4], capture_output=True, check=True, timeout=60)
        else:
            server.post(path, key="ito")
        answer = server.post(path, key="ito")
        assert answer.status in {200, 409}
        found = server.get(f"/api/cases/{case}", key="ito").json
        assert found["state"] == "issued"
        assert [taken["step"] for taken in found["steps"]].count("issue") == 1
        rows = server.home.rows("SELECT kind, state FROM certificates WHERE application = ?", case)
        assert sorted(rows) == [(kind, "issued") for kind in sorted(BOTH)]


def openssl_public_key(request: str) -> bytes:
    """The public key of a request, as OpenSSL reads it."""
    command = ["openssl", "req", "-noout", "-pubkey"]
    done = subprocess.run(command, input=request, text=True, capture_output=True, check=True)
    return base64.b64decode("".join(done.stdout.splitlines()[1:-1]))


class TestRevocation:
    def test_it_is_answered_at_once_and_listed_by_the_worker(self, server, judge):
        made = issued(server)["signature"]
        path = f"/api/certificates/{made['certificate']}/revocation"
        assert (judge.status(made), judge.accepts(made)) == ("good", True)
        answer = by_hand(server)("POST", path, {"reason": "keyCompromise"}, key="ito")
        assert answer.status == 200
        assert answer.json["certificate"] == made["certificate"]
        assert answer.json["reason"] == "keyCompromise"
        assert answer.json["lists"] == [made["list"], "jpki-13.g1/full"]
        assert answer.json.keys() == {"certificate", "revoked_at", "reason", "lists", "receipt"}
        assert judge.status(made) == "revoked"
        assert judge.status(made, "-no_nonce") == "revoked"
        wait_until(lambda: not judge.accepts(made), "the list names the certificate")
        wait_until(server.home.lists_agree, "all lists say what the store says")
        server.post(path, {"reason": "superseded"}, key="ito").problem(409, "already revoked")

    def test_a_hold_becomes_an_end(self, server, judge):
        made = issued(server, kinds=BOTH[:1])["signature"]
        path = f"/api/certificates/{made['certificate']}/revocation"
        assert server.post(path, {"reason": "certificateHold"}, key="ito").json["reason"] == "certificateHold"
        assert judge.status(made) == "revoked"
        ended = server.post(path, {"reason": "cessationOfOperation"}, key="ito")
        assert (ended.status, ended.json["reason"]) == (200, "cessationOfOperation")

    def test_only_the_centres_operators_revoke(self, server, judge):
        made = issued(server, kinds=BOTH[:1])["signature"]
        path = f"/api/certificates/{made['certificate']}/revocation"
        for name in ("sato", "suzuki", "tanaka", "kato"):
            server.post(path, {"reason": "superseded"}, key=name).problem(403, name)
        assert judge.status(made) == "good"


class TestEvents:
    def test_a_life(self, server, judge):
        person = new_person()
        made = issued(server, person)
        signature, authentication = (made[kind] for kind in BOTH)
        answer = told(server, change(server.home, "moved-out", person["code"], "life-1"), feed="chiyoda")
        assert answer.status == 200
        assert answer.json.keys() == {"feed", "sequence", "outcomes", "warnings", "receipt"}
        (outcome,) = answer.json["outcomes"]
        assert (outcome["event"], outcome["outcome"]) == ("life-1", "ended")
        assert [order["certificate"] for order in outcome["orders"]] == [signature["certificate"]]
        assert (judge.status(signature), judge.status(authentication)) == ("revoked", "good")
        wait_until(lambda: not judge.accepts(signature), "the list names the certificate")
        assert judge.accepts(authentication)
        (outcome,) = told(server, change(server.home, "died", person["code"])).json["outcomes"]
        assert [order["certificate"] for order in outcome["orders"]] == [authentication["certificate"]]
        assert judge.status(authentication) == "revoked"
        wait_until(lambda: not judge.accepts(authentication), "the list names the certificate")

    def test_a_replay_changes_nothing(self, server):
        person = new_person()
        issued(server, person, BOTH[:1])
        file = feed_file(change(server.home, "moved-out", person["code"]))
        (first,) = server.post("/api/events", file, key=REGISTER).json["outcomes"]
        wait_until(server.home.lists_agree, "the lists say so")
        before = server.home.settled()
        (second,) = server.post("/api/events", file, key=REGISTER).json["outcomes"]
        assert (first["outcome"], second["outcome"], second["orders"]) == ("ended", "replayed", [])
        assert server.home.written() == before

    def test_a_stranger(self, server):
        (outcome,) = told(server, change(server.home, "died", STRANGER)).json["outcomes"]
        assert (outcome["outcome"], outcome["orders"]) == ("unknown resident", [])

    def test_an_empty_file_is_a_file(self, server):
        assert told(server).json["outcomes"] == []


class TestBadFeeds:
    """Refused whole: the store and the journal stay as they were."""

    def move(self, quiet):
        return change(quiet.home, "moved-out", quiet.person["code"], "bad-1")

    @pytest.mark.usefixtures("unchanged")
    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            pytest.param(lambda lines: lines[: len(lines) // 2], "the file is cut", id="cut in the middle"),
            pytest.param(lambda _: b"", "it is empty, or cut off", id="empty"),
            pytest.param(
                lambda lines: lines.replace(b'"count": 2', b'"count": 3'),
                "line 1, count: says 3, and 2 events follow",
                id="another count",
            ),
            pytest.param(
                lambda lines: lines.replace(b"moved-out", b"moved-in", 1), "line 4, sha256", id="another hash"
            ),
            pytest.param(lambda lines: lines + lines, "is a trailer, and lines follow", id="twice"),
            pytest.param(
                lambda lines: lines + b"x", "line 4: is a trailer, and lines follow", id="something behind it"
            ),
            pytest.param(lambda _: b"\x00\xff" * 1000, "header", id="noise"),
            pytest.param(lambda _: b"[" * 100_000, "longer than 4096", id="deep"),
            pytest.param(lambda _: b'{"feed":' * 400, "header", id="a deep line"),
            pytest.param(lambda lines: lines.decode().encode("utf-16"), "header", id="UTF-16"),
        ],
    )
    def test_a_damaged_file(self, quiet, spoil, words):
        lines = feed_file(self.move(quiet), change(quiet.home, "died", STRANGER, "bad-2"))
        quiet.post("/api/events", spoil(lines), key=REGISTER).problem(400, words)

    @pytest.mark.usefixtures("unchanged")
    @pytest.mark.parametrize(
        ("others", "words"),
        [
            ({"kind": "teleported"}, "line 2, kind: is not a kind of event"),
            ({"code": "12345678900"}, "line 2, code"),
            ({"code": "1"}, "line 2, code"),
            ({"code": 12345678903}, "line 2, code"),
            ({"effective": "2014-09-01T00:00:00"}, "line 2, effective"),
            ({"effective": "2999-09-01T00:00:00Z"}, "line 2, effective"),
            ({"withdraws": "known-1"}, "line 2, withdraws"),
            ({"event": "has space"}, "line 2, event"),
            ({"note": "x"}, "line 2"),
        ],
        ids=lambda value: "".join(value) if isinstance(value, dict) else None,
    )
    def test_a_file_with_a_bad_event(self, quiet, others, words):
        answer = quiet.post("/api/events", feed_file({**self.move(quiet), **others}), key=REGISTER)
        answer.problem(400, words)
        assert quiet.person["code"].encode() not in answer.body

    @pytest.mark.usefixtures("unchanged")
    def test_an_id_twice_in_a_file(self, quiet):
        two = [change(quiet.home, "died", STRANGER, "twice-1") for _ in range(2)]
        told(quiet, *two).problem(400, "event twice-1 stands on line 2 already")

    def test_an_id_that_is_known_for_something_else_is_set_apart_and_holds_nothing_up(self, quiet):
        neighbour = change(quiet.home, "died", STRANGER)
        answer = told(quiet, {**quiet.known, "kind": "died"}, neighbour)
        assert [outcome["outcome"] for outcome in answer.json["outcomes"]] == [
            "quarantined", "unknown resident",
        ]  # fmt: skip

    def test_a_good_event_beside_a_bad_one_is_not_applied(self, quiet):
        before = quiet.home.written()
        lines = feed_lines(self.move(quiet), {**self.move(quiet), "event": "bad-2", "kind": "x"})
        quiet.post("/api/events", sealed(lines), key=REGISTER).problem(400, "line 3, kind")
        assert quiet.home.written() == before
        (outcome,) = told(quiet, change(quiet.home, "moved-out", quiet.person["code"])).json["outcomes"]
        assert outcome["outcome"] == "ended"

    @pytest.mark.usefixtures("unchanged")
    def test_a_file_longer_than_a_request_may_be(self, quiet):
        quiet.post("/api/events", b"x" * (5 << 20), key=REGISTER).problem(413)


CASE = f"{TOKYO}-000001"
SOMEWHERE = f"jpki-13.g1:{'4c' * 20}"


def body_with(**others):
    return {**filing(), **others}


def resident_with(**others):
    return filing({**new_person(), **others})


BAD_BODIES = {
    "nothing": (lambda: b"", 400, "is not JSON"),
    "not JSON": (lambda: b"resident=hanako", 400, "is not JSON"),
    "not UTF-8": (lambda: b'{"csrs": {"signature": "\xff"}}', 400, "is not JSON in UTF-8"),
    "half a surrogate": (lambda: b'{"csrs": {"signature": "\\ud800"}}', 400, "is not JSON"),
    "UTF-16": (lambda: json.dumps({"csrs": {}}).encode("utf-16"), 400, "is not JSON"),
    "cut off": (lambda: json.dumps(filing()).encode()[:-2], 400, "is not JSON"),
    "two values": (lambda: b'{"csrs": {}} {}', 400, "is not JSON"),
    "a list": (list, 400, "Expected `object`, got `array`"),
    "a number": (lambda: b"1e400", 400, "body"),
    "a text": (lambda: b'"csrs"', 400, "Expected `object`, got `str`"),
    "nested deeply": (lambda: b"[" * 100_000 + b"]" * 100_000, 400, "body"),
    "nested deeply in a field": (lambda: b'{"csrs":' * 100_000 + b"1" + b"}" * 100_000, 400, "body"),
    "too long": (lambda: b'{"csrs": {"signature": "' + b"x" * (5 << 20) + b'"}}', 413, "exceeds the capacity"),
    "without requests": (lambda: {"resident": HANAKO}, 400, "missing required field `csrs`"),
    "without an applicant": (lambda: {"csrs": {}}, 400, "is for one applicant: resident, post or local"),
    "with two applicants": (lambda: body_with(post=POST), 400, "is for one applicant: resident, post or local"),
    "with no request": (lambda: filing(kinds=()), 400, "asks for no certificate"),
    "with an unknown field": (lambda: body_with(note="x"), 400, "Object contains unknown field"),
    "with a list of requests": (lambda: body_with(csrs=[new_request()]), 400, "csrs: Expected `object`"),
    "with a number for a request": (lambda: body_with(csrs={"signature": 1}), 400, "csrs"),
    "with no request in it": (lambda: body_with(csrs={"signature": "x"}), 400, "signature request: is not a PKCS#10"),
    "of an unknown kind": (lambda: body_with(csrs={"loyalty": new_request()}), 404, "kind 'loyalty'"),
    "of a kind of CAs": (lambda: body_with(csrs={"cross": new_request()}), 404, "cross"),
    "of a kind of others": (lambda: body_with(csrs={"official-post": new_request()}), 404, "official-post"),
    "with one key twice": (
        lambda: body_with(csrs=dict.fromkeys(BOTH, new_request())), 400, "each kind has a key pair of its own",
    ),
    "a resident as text": (lambda: body_with(resident="hanako"), 400, "resident: Expected `object | null`"),
    "a resident without name": (
        lambda: filing({key: value for key, value in HANAKO.items() if key != "name"}), 400, "missing required field `name`",
    ),
    "a resident with a number for a name": (lambda: resident_with(name=1), 400, "resident.name: Expected `str`"),
    "a resident with an empty name": (lambda: resident_with(name=""), 400, "resident.name"),
    "a resident with a long name": (lambda: resident_with(name="長" * 201), 400, "resident.name"),
    "a resident with a control character": (lambda: resident_with(name="a\x00b"), 400, "resident, name: has control"),
    "a resident with a line break": (lambda: resident_with(address="a\nb"), 400, "resident, address: has control"),
    "a resident with a mark of direction": (lambda: resident_with(address="a\u202eb"), 400, "has control"),
    "a resident of no sex": (lambda: resident_with(sex="x"), 400, "resident.sex: Invalid enum value"),
    "a resident born on no day": (lambda: resident_with(birth_date="1985-02-30"), 400, "resident, birth_date: is not a date"),
    "a resident born tomorrow": (lambda: resident_with(birth_date="2030-01-01"), 400, ""),
    "a child": (lambda: resident_with(birth_date="2010-01-01"), 400, "15"),
    "a resident without code": (lambda: resident_with(code=""), 400, "resident code"),
    "a resident with a wrong code": (lambda: resident_with(code="12345678900"), 400, "resident code"),
    "a resident of nowhere": (lambda: resident_with(municipality="999999"), 404, "999999"),
    "a resident of another town": (lambda: resident_with(municipality=TOTTORI), 400, "which office 131016 does not serve"),
    "a resident with too few flags": (lambda: resident_with(name_substitutes="0"), 400, "has 1 flags for 5"),
    "a resident with odd flags": (lambda: resident_with(name_substitutes="00x00"), 400, "resident.name_substitutes"),
    "a post at a window": (lambda: {"post": POST, "csrs": {"official-post": new_request()}}, 400, "is not one of"),
    "a post without a name": (lambda: {"post": {"ministry": "x"}, "csrs": {}}, 400, "missing required field `post`"),
}  # fmt: skip


class TestBadInput:
    """A problem document that names the place, and a store that stays as it was."""

    @pytest.mark.usefixtures("unchanged")
    @pytest.mark.parametrize("name", BAD_BODIES)
    def test_an_application(self, quiet, name):
        make, status, words = BAD_BODIES[name]
        answer = quiet.post("/api/cases", make(), key="sato")
        fields = answer.problem(status, words)
        assert len(answer.body) < 800, "a refusal does not repeat what was sent"
        for secret in (HANAKO["name"], HANAKO["address"], "hanako"):
            assert secret not in fields["detail"]

    @pytest.mark.usefixtures("unchanged")
    @pytest.mark.parametrize(
        ("path", "body", "status", "words"),
        [
            ("/api/cases/131016-999999/examination", None, 404, "case '131016-999999'"),
            ("/api/cases/x%00y/examination", None, 403, "is another office's"),
            ("/api/cases/x%00y/approval", None, 404, "case 'x\\x00y'"),
            (f"/api/cases/{'9' * 2000}/approval", None, 404, "case"),
            (f"/api/cases/{CASE}/deletion", None, 404, ""),
            (f"/api/cases/{CASE}/examination/", None, 404, ""),
            (f"/api/cases/{CASE}/issuance", None, 409, "is issued"),
            ("/api/certificates/x/revocation", {"reason": "superseded"}, 400, "certificate id"),
            ("/api/certificates/jpki-13.g1:xyz/revocation", {"reason": "superseded"}, 400, "certificate id"),
            ("/api/certificates/jpki-13.g1:0/revocation", {"reason": "superseded"}, 400, ""),
            (f"/api/certificates/jpki-13.g1:{'f' * 400}/revocation", {"reason": "superseded"}, 400, ""),
            ("/api/certificates/jpki-13.g9:4c/revocation", {"reason": "superseded"}, 404, "jpki-13.g9:"),
            (f"/api/certificates/{SOMEWHERE}/revocation", {"reason": "superseded"}, 404, SOMEWHERE),
            (f"/api/certificates/{SOMEWHERE}/revocation", {"reason": "boredom"}, 400, "boredom"),
            (f"/api/certificates/{SOMEWHERE}/revocation", {"reason": 1}, 400, "reason: Expected `str`"),
            (f"/api/certificates/{SOMEWHERE}/revocation", {}, 400, "missing required field `reason`"),
            (f"/api/certificates/{SOMEWHERE}/revocation", {"reason": "superseded", "x": 1}, 400, "unknown"),
            (f"/api/certificates/{SOMEWHERE}/revocation", None, 400, "is not JSON"),
            ("/api/certificates/{made}/revocation", {"reason": "cACompromise"}, 409, "is not revoked for"),
            ("/api/certificates/{made}/revocation", {"reason": "removeFromCRL"}, 400, "removeFromCRL"),
        ],
    )
    def test_a_step_or_an_end(self, quiet, path, body, status, words):
        key = "suzuki" if path.endswith("examination") else "tanaka" if path.endswith("approval") else "ito"
        answer = quiet.post(path.format(made=quiet.made["certificate"]), body, key=key)
        answer.problem(status, words)

    def test_a_key_that_is_in_another_application(self, quiet):
        body = filing()
        made = quiet.post("/api/cases", body, key="sato")
        assert made.status == 201
        before = quiet.home.written()
        again = quiet.post("/api/cases", body, key="sato")
        assert (again.status, again.json) == (200, made.json)
        other = quiet.post("/api/cases", filing() | {"csrs": body["csrs"]}, key="sato")
        other.problem(400, "its key is in another certificate or application")
        assert quiet.home.written() == before

    @pytest.mark.usefixtures("unchanged")
    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/api/cases", "POST"),
            ("PUT", "/api/cases", "POST"),
            ("DELETE", f"/api/cases/{CASE}", "GET"),
            ("PATCH", f"/api/cases/{CASE}", "GET"),
            ("GET", f"/api/cases/{CASE}/issuance", "POST"),
            ("GET", "/api/events", "POST"),
            ("PUT", "/api/events", "POST"),
            ("GET", f"/api/certificates/{SOMEWHERE}/revocation", "POST"),
            ("POST", "/manifest.json", "GET"),
            ("PUT", "/g/jpki-13.g1/self.cer", "GET"),
            ("DELETE", "/g/jpki-13.g1/crl/full.crl", "GET"),
            ("POST", "/health", "GET"),
            ("POST", "/ready", "GET"),
            ("BREW", "/api/cases", "POST"),
        ],
    )
    def test_a_method_that_is_none(self, quiet, method, path, allowed):
        answer = quiet.send(method, path, key="ito")
        answer.problem(405)
        assert allowed in answer.headers["allow"].split(", ")

    @pytest.mark.usefixtures("unchanged")
    @pytest.mark.parametrize(
        "octets",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET\r\n\r\n",
            b"POST /api/cases HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /api/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            b"POST /api/cases HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
            b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n",
            b"GET /" + b"g" * (1 << 20) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /api/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        ],
        ids=["TLS", "no request", "minus one", "two lengths", "chunk", "long header", "long path", "gone"],
    )
    def test_what_is_not_even_http(self, quiet, octets):
        with socket.create_connection(("127.0.0.1", quiet.port), timeout=30) as connection:
            with_answer = b""
            try:
                connection.sendall(octets)
                connection.shutdown(socket.SHUT_WR)
                while received := connection.recv(65536):
                    with_answer += received
            except OSError:
                pass  # it may hang up as it likes
        assert not with_answer.startswith(b"HTTP/1.1 2")
        assert quiet.get("/health").status == 200


BY_SIGNATURE = {"/api/revocation-requests"}  # the holder's signature is the key


def test_no_route_that_writes_is_open(tmp_path):
    """Every rule of the application that is not for reading, asked for without a key, with a wrong one, and so on."""
    home = small_home(tmp_path / "home")
    with open_world(home.folder, lambda: "") as world:
        rules = list(create_app(world).url_map.iter_rules())
    writing = [(rule, method) for rule in rules for method in rule.methods - {"GET", "HEAD", "OPTIONS"}]
    # Pages ask for a session and a form of theirs instead: test_signing_in.py goes through all of them.
    writing = [
        (rule, method)
        for rule, method in writing
        if rule.rule.startswith("/api/") and rule.rule not in BY_SIGNATURE
    ]
    assert len(writing) >= 4
    values = {
        "case": CASE,
        "certificate": SOMEWHERE,
        "medium": "LG-0001",
        "office": "local-1",
        "year": "2014",
    }
    with served(home, "--no-work", wait="/health") as server:
        before = home.written()
        for rule, method in writing:
            path = re.sub(r"<(?:[^:<>]+:)?(\w+)>", lambda match: values[match[1]], rule.rule)
            for options in ({}, {"key": "kk_" + "A" * 43}, {"headers": {"Authorization": "Basic c2F0bzp4"}}):
                answer = server.send(method, path, b"{}", **options)
                answer.problem(401, "client key")
                assert answer.headers["www-authenticate"] == "Bearer"
        assert home.written() == before


class TestPublic:
    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/manifest.json", "application/json"),
            ("/manifest.p7s", "application/pkcs7-signature"),
            ("/g/jpki-13.g1/self.cer", "application/pkix-cert"),
            ("/g/jpki-13.g1/ocsp.cer", "application/pkix-cert"),
            ("/g/jpki-bridge.g1/cross/jpki-13.g1.cer", "application/pkix-cert"),
            ("/g/jpki-13.g1/pairs/jpki-bridge.g1.ccp", "application/octet-stream"),
            ("/g/jpki-13.g1/crl/full.crl", "application/pkix-crl"),
            ("/g/jpki-13.g1/crl/signature-131016.crl", "application/pkix-crl"),
            ("/g/jpki-13.g1/crl/full/index.json", "application/json"),
        ],
    )
    def test_a_file_its_type_and_its_head(self, server, path, kind):
        answer, head = server.get(path), server.send("HEAD", path)
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        assert (head.status, head.headers["content-type"], head.body) == (200, kind, b"")
        assert int(head.headers["content-length"]) == len(answer.body) > 0
        file = server.home.folder / "repository" / path[1:]
        if file.exists():
            assert answer.body == file.read_bytes()

    def test_what_has_not_changed_is_not_sent_again(self, server):
        path = "/g/gpki-bca.g1/crl/arl.crl"
        first = server.get(path)
        assert "no-cache" in first.headers["cache-control"]
        for name, value in (
            ("If-None-Match", first.headers["etag"]),
            ("If-Modified-Since", first.headers["last-modified"]),
        ):
            again = server.get(path, headers={name: value})
            assert (again.status, again.body) == (304, b"")
        for name, value in (
            ("If-None-Match", '"something-else"'),
            ("If-Modified-Since", formatdate(0, usegmt=True)),
            ("If-Modified-Since", "yesterday"),
        ):
            again = server.get(path, headers={name: value})
            assert (again.status, again.body) == (200, first.body)

    def test_a_new_list_is_sent_to_those_who_have_the_old_one(self, server):
        made = issued(server, kinds=BOTH[:1])["signature"]
        path = f"/g/{made['list'].replace('/', '/crl/')}.crl"
        old = server.get(path)
        numbers = server.get(path.removesuffix(".crl") + "/index.json").json["numbers"]
        revocation = f"/api/certificates/{made['certificate']}/revocation"
        assert server.post(revocation, {"reason": "superseded"}, key="ito").status == 200
        serial = int(made["certificate"].partition(":")[2], 16)

        def named():
            answer = server.get(path, headers={"If-None-Match": old.headers["etag"]})
            return answer.status == 200 and serial in serials_of(answer.body)

        wait_until(named, "the new list is sent")
        later = server.get(path.removesuffix(".crl") + "/index.json").json["numbers"]
        assert later[: len(numbers)] == numbers, "every list stays under its number"
        assert len(later) > len(numbers)
        assert later == sorted(later)
        assert server.get(f"{path.removesuffix('.crl')}/{numbers[-1]}.crl").body == old.body
        assert server.get(f"{path.removesuffix('.crl')}/{later[-1]}.crl").body == server.get(path).body

    @pytest.mark.parametrize(
        "path",
        [
            "/g",
            "/g/",
            "/g/jpki-13.g1",
            "/g/jpki-13.g1/",
            "/g/jpki-13.g1/crl/full/1.crl",
            "/g/jpki-99.g1/self.cer",
            "/g/jpki-13.g1/crl/nowhere/index.json",
            "/g/../crl/full/index.json",
            "/g/%2e%2e/crl/full/index.json",
            f"/g/{'a' * 300}.g1/crl/full/index.json",
            f"/g/{'a' * 3000}/crl/full/index.json",
            f"/g/jpki-13.g1/crl/{'a' * 300}/index.json",
            f"/g/{'a' * 300}.crl",
            "/g/jpki-13.g1/crl/full.new",
            "/g/%00.crl",
            "/g/jpki-13.g1%00/self.cer",
            "/g/%ff%fe.crl",
            "/manifest.json/",
            "/manifest.json%00.crl",
        ],
    )
    def test_what_is_not_there(self, server, path):
        raw(server, path).problem(404)

    @pytest.mark.parametrize(
        "way",
        [
            "/{0}", "/../{0}", "/g/../../{0}", "/g/../{0}", "/g/%2e%2e/%2e%2e/{0}", "/g/..%2f..%2f{0}",
            "/g/%2e%2e%2f%2e%2e%2f{0}", "/g/..\\..\\{0}", "/g/..%5c..%5c{0}", "/g/%252e%252e/%252e%252e/{0}",
            "//{0}", "/g//{0}", "/g//../../{0}", "/./{0}", "/g/jpki-13.g1/../../../{0}",
            "/g/jpki-13.g1/crl/../../../../{0}", "/g/{1}/{0}", "/g/%2F{1}/{0}", "/g/..;/..;/{0}",
            "/manifest.json/../../{0}", "/g/../../{0}%00.crl", "/g/../../{0}?.crl", "/g/../../{0}#.crl",
        ],
    )  # fmt: skip
    def test_nothing_else_of_the_home_is_within_reach(self, server, way):
        told(server, change(server.home, "died", STRANGER))  # so that there is a journal
        home = server.home.folder
        key = next(path for path in sorted((home / "keys").rglob("*")) if path.is_file())
        targets = [
            "home.toml",
            "edition.toml",
            "store.db",
            "journal/000000000001.jsonl",
            str(key.relative_to(home)),
        ]
        for target in targets:
            answer = raw(server, way.format(target, str(home).lstrip("/")))
            assert answer.status in {308, 400, 404}, (target, answer)
            assert (home / target).read_bytes()[:100] not in answer.body


def raw(server, path) -> Answer:
    """The path as it is: no client tidies it up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
        octets = b""
        while received := connection.recv(65536):
            octets += received
    head, _, body = octets.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in fields)}
    return Answer(int(status.split()[1]), headers, body)


REQUEST, RESPONSE = "application/ocsp-request", "application/ocsp-response"


class TestStatus:
    @pytest.fixture
    def asked(self, server, tmp_path):
        """A certificate, and the request that OpenSSL asks about it with."""
        made = issued(server, kinds=BOTH[:1])["signature"]
        Judge(server, tmp_path).status(made)
        query = tmp_path / "query.der"
        done = openssl(
            "ocsp", "-issuer", tmp_path / "own.pem", "-cert", tmp_path / "certificate.pem", "-reqout", query
        )
        assert done.returncode == 0, done
        return made, query.read_bytes()

    def ask(self, server, octets, name="jpki-13.g1", kind=REQUEST):
        answer = server.post(f"/ocsp/{name}", octets, headers={"Content-Type": kind})
        assert (answer.status, answer.headers["content-type"]) == (200, RESPONSE), answer
        return OCSPResponse.load(answer.body)

    def test_by_get_and_by_post(self, server, asked):
        made, octets = asked
        by_post = self.ask(server, octets)
        text = base64.b64encode(octets).decode()
        for path in (text, text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")):
            by_get = OCSPResponse.load(server.get(f"/ocsp/jpki-13.g1/{path}").body)
            for answer in (by_get, by_post):
                (single,) = answer.response_data["responses"]
                assert answer["response_status"].native == "successful"
                assert single["cert_status"].name == "good"
                assert f"{single['cert_id']['serial_number'].native:040x}" in made["certificate"]

    def test_what_was_never_issued_is_never_good(self, server, judge):
        made = issued(server, kinds=BOTH[:1])["signature"]
        judge.status(made)
        done = openssl(
            "ocsp", "-issuer", judge.folder / "own.pem", "-serial", "0x4c4c4c", "-CAfile", judge.folder / "own.pem",
            "-url", f"{server.url}/ocsp/jpki-13.g1", "-validity_period", 10**9,
            "-attime", int(server.home.now().timestamp()),
        )  # fmt: skip
        assert "Response verify OK" in done.stderr
        assert re.search(r"0x4c4c4c: (\w+)", done.stdout)[1] == "unknown"

    @pytest.mark.parametrize(
        ("spoil", "status"),
        [
            pytest.param(lambda _: b"", "malformed_request", id="empty"),
            pytest.param(lambda octets: octets[:-1], "malformed_request", id="cut"),
            pytest.param(lambda octets: octets[:20], "malformed_request", id="cut short"),
            pytest.param(lambda octets: octets + b"\0", "malformed_request", id="longer"),
            pytest.param(lambda _: random.Random(3).randbytes(300), "malformed_request", id="noise"),
            pytest.param(lambda _: b"0\x80" * 1000, "malformed_request", id="deep"),
        ],
    )
    def test_a_request_that_is_none(self, server, asked, spoil, status):
        assert self.ask(server, spoil(asked[1]))["response_status"].native == status

    def test_another_issuers_certificate(self, server, asked):
        assert self.ask(server, asked[1], "jpki-31.g1")["response_status"].native == "unauthorized"

    @pytest.mark.parametrize(
        ("method", "path", "octets", "kind", "status"),
        [
            ("POST", "/ocsp/jpki-13.g1", b"0" * (1 << 20), REQUEST, 413),
            ("POST", "/ocsp/jpki-13.g1", b"0", "text/plain", 415),
            ("POST", "/ocsp/jpki-13.g2", b"0", REQUEST, 404),
            ("POST", "/ocsp/nobody.g1", b"0", REQUEST, 404),
            ("POST", "/ocsp/", b"0", REQUEST, 404),
            ("POST", "/ocsp/..%2fhome.toml", b"0", REQUEST, 404),
            ("PUT", "/ocsp/jpki-13.g1", b"0", REQUEST, 405),
            ("GET", "/ocsp/jpki-13.g1/" + "M" * 100_000, None, REQUEST, 414),
        ],
    )
    def test_what_http_refuses(self, server, method, path, octets, kind, status):
        answer = server.send(method, path, octets, headers={"Content-Type": kind})
        assert answer.status == status
        assert server.get("/health").status == 200


class TestHowItIs:
    def test_health_and_readiness(self, server):
        health = server.get("/health")
        assert health.json == {"status": "ok", "edition": "small", "marking": "test"}
        said = server.get("/ready").json
        assert 0 <= said.pop("watermark_age") < 5
        assert said == {"status": "ok", "worker": True}
        assert server.send("HEAD", "/health").status == 200

    def test_without_a_worker_it_is_not_ready(self, tmp_path):
        home = small_home(tmp_path / "home")
        with served(home, "--no-work", wait="/health") as server:
            answer = server.get("/ready")
            said = answer.json
            assert 0 <= said.pop("watermark_age") < 5, "the server's own heart beats"
            assert (answer.status, said) == (503, {"status": "no worker", "worker": False})
            assert server.get("/health").status == 200
            assert server.processes("work") == []
            made = issued(server, kinds=BOTH[:1])["signature"]
            path = f"/api/certificates/{made['certificate']}/revocation"
            assert server.post(path, {"reason": "superseded"}, key="ito").status == 200
            work = commands.started("work", "--home", home.folder)
            try:
                wait_until(lambda: server.get("/ready").status == 200, "the worker is at work")
                wait_until(home.lists_agree, "what was revoked is listed")
            finally:
                work.terminate()
                assert work.wait(60) == 0
            assert server.get("/ready").status == 503, "a worker that ends says so"

    def test_several_processes_serve_one_world(self, tmp_path):
        home = small_home(tmp_path / "home")
        with served(home, "--workers", 2) as server:
            assert len(server.processes("serve")) == 2
            made = issued(server)
            person = new_person()
            made = issued(server, person)
            assert told(server, change(home, "died", person["code"])).status == 200
            judge = Judge(server, tmp_path)
            for _ in range(8):  # whichever process answers
                assert {judge.status(made[kind]) for kind in BOTH} == {"revoked"}
            assert server.stop() == 0
            assert server.left() == []


PASSPHRASE = "never in a log, never in an answer"  # noqa: S105 - it guards nothing


@pytest.fixture(scope="module")
def sealed_home(tmp_path_factory):
    """A home with keys of its own, under a passphrase."""
    folder = tmp_path_factory.mktemp("sealed")
    (folder / "edition.toml").write_text(edition(), encoding="utf-8")
    home = folder / "home"
    making = ("--edition", folder / "edition.toml", "--home", home, "--clock", "2014-09-01T01:00Z+1")
    commands.done(commands.run("init", *making, KAKEHASHI_PASSPHRASE=PASSPHRASE))
    return home, staff(home, KAKEHASHI_PASSPHRASE=PASSPHRASE)


class TestWhatIsSaid:
    """Log lines are JSON, and neither they nor answers hold what is nobody's business."""

    def test_a_life_and_its_mistakes_leave_no_trace_of_a_person_or_a_secret(self, sealed_home, tmp_path):
        folder, keys = sealed_home
        home = Home(folder, keys, None)
        person = new_person(
            name="試験　秘子", address="東京都千代田区試験町77-66-55", birth_date="1959-07-31"
        )
        answers = []
        secret = tmp_path / "passphrase"
        secret.write_text(PASSPHRASE + "\n")
        with served(home, "--passphrase-file", secret) as server:
            post = server.post

            def kept(*arguments, **options):
                answers.append(post(*arguments, **options))
                return answers[-1]

            server.post = kept
            made = issued(server, person)
            at = made["signature"]["not_before"]
            moments = dict.fromkeys(("occurred", "notified", "effective"), at)
            event = {"event": "d-1", "kind": "died", "code": person["code"], **moments}
            assert kept("/api/events", feed_file(event), key=REGISTER).status == 200
            kept("/api/events", feed_file({**event, "kind": person["name"]}), key=REGISTER)
            kept("/api/events", feed_file({**event, "event": f"d-{person['code']}"}), key=REGISTER)
            kept("/api/events", feed_file({**event, "effective": person["address"]}), key=REGISTER)
            kept("/api/cases", filing({**person, "sex": person["name"]}), key="sato")
            kept("/api/cases", filing({**person, "municipality": TOTTORI}), key="sato")
            kept("/api/cases", filing({**person, "code": person["code"][:-1]}), key="sato")
            kept("/api/cases", filing({**person, person["name"]: 1}), key="sato")
            kept(f"/api/cases/{keys['sato']}/examination", key="suzuki")
            kept("/api/cases", filing(person), key=keys["sato"] + "x")
            kept(
                f"/api/certificates/{made['signature']['certificate']}/revocation",
                {"reason": "superseded"},
                key="ito",
            )
            server.get(f"/g/{keys['sato']}/{person['code']}.cer")
            server.get(
                f"/{person['code']}?name=%E7%A7%98%E5%AD%90", headers={"User-Agent": person["name"].encode()}
            )
            wait_until(home.lists_agree, "the worker has published")
            assert server.stop() == 0
            said = server.said()
        lines = [json.loads(line) for line in said.splitlines()]
        assert all({"time", "level", "event"} <= line.keys() for line in lines)
        assert {"request", "worker started", "lists published", "worker stopped"} <= {
            line["event"] for line in lines
        }
        requests = [line for line in lines if line["event"] == "request"]
        assert all(line["route"].startswith("/") or line["route"] == "none" for line in requests)
        assert len([line for line in requests if line["method"] == "POST"]) == len(answers)
        people = ("秘子", "試験町77", person["code"], person["code"][:-1], "1959")
        secrets = (
            PASSPHRASE,
            *(key for name, key in keys.items()),
            *(digest_text(key) for key in keys.values()),
        )
        for text in (*people, *secrets):
            forms = {text, json.dumps(text)[1:-1]}
            assert not any(form in said for form in forms), text
            if text != keys["sato"]:  # which the test itself put where a case's number belongs
                assert not any(form.encode() in answer.body for form in forms for answer in answers), text
        assert {answer.status for answer in answers} == {200, 201, 400, 401, 403, 409}

    def test_the_wrong_passphrase_is_said_once_and_nothing_is_started(self, sealed_home):
        folder, _ = sealed_home
        for environment, words in (
            ({"KAKEHASHI_PASSPHRASE": "some other passphrase"}, "passphrase"),
            ({}, "there is none"),
        ):
            outcome = commands.kakehashi("serve", "--home", folder, **environment)
            commands.refused(outcome, words)
            assert PASSPHRASE not in outcome.stderr
            outcome = commands.kakehashi("work", "--home", folder, **environment)
            commands.refused(outcome, words)

    def test_an_error_that_nobody_thought_of_is_a_problem_and_a_line(self, tmp_path):
        home = small_home(tmp_path / "home")
        with served(home, "--no-work", wait="/health") as server:
            with closing(sqlite3.connect(home.folder / "store.db")) as connection, connection:
                connection.execute("UPDATE client_keys SET purpose = '秘密' WHERE name = 'sato'")
            answer = server.post("/api/cases", filing(), key="sato")
            answer.problem(500)
            assert "秘密" not in answer.body.decode()
            (line,) = server.events("request failed")
            assert (line["level"], line["exception"]) == ("error", "ValueError")
            assert re.fullmatch(r"\w+\.py:\d+", line["at"])
            assert "秘密" not in server.said()
            assert server.post("/api/cases", filing(), key="kato").status == 400, "it goes on"


def digest_text(key):
    return hashlib.sha256(key.encode()).hexdigest()


class TestItDoesNotStart:
    def test_at_a_port_in_use(self, server, tmp_path):
        home = small_home(tmp_path / "home")
        before = home.written()
        outcome = commands.kakehashi("serve", "--home", home.folder, "--port", server.port)
        commands.refused(outcome, f"127.0.0.1:{server.port}", "Address already in use", "another --port")
        assert home.written() == before
        assert home.rows("SELECT * FROM leases") == [], "no worker ran"
        assert server.get("/health").status == 200

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            (shutil.rmtree, "is not a home"),
            (lambda home: (home / "store.db").unlink(), "store.db: is missing"),
            (lambda home: edit(home, '"complete"', '"making"'), "is half made"),
            (lambda home: edit(home, "format = 1", "format = 99"), "made by a newer version"),
            (lambda home: edit(home, "format = 1", "format"), "home.toml: cannot be read"),
            (lambda home: shutil.rmtree(home / "keys"), "keys"),
            (lambda home: (home / "store.db").write_bytes(b"x" * 5000), "store"),
        ],
        ids=["no home", "no store", "half made", "newer", "not TOML", "no keys", "no database"],
    )
    @pytest.mark.parametrize("command", ["serve", "work"])
    def test_in_a_home_that_is_none(self, tmp_path, spoil, words, command):
        home = small_home(tmp_path / "home").folder
        spoil(home)
        commands.refused(commands.run(command, "--home", home), words)

    def test_at_another_time_than_its_homes(self, tmp_path):
        home = small_home(tmp_path / "home").folder
        outcome = commands.run("serve", "--home", home, "--clock", "2014-09-02T00:00Z")
        commands.refused(outcome, "--clock")

    def test_at_an_address_that_is_not_this_machines(self, tmp_path):
        home = small_home(tmp_path / "home").folder
        commands.refused(
            commands.run("serve", "--home", home, "--host", "192.0.2.1"),
            "192.0.2.1:8080",
            "cannot be listened on",
        )
        assert commands.run("serve", "--home", home, "--port", "70000").status == 2


def edit(home, old, new):
    text = (home / "home.toml").read_text(encoding="utf-8")
    assert old in text
    (home / "home.toml").write_text(text.replace(old, new), encoding="utf-8")
