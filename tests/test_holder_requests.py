"""Holders give up certificates on line: what a card asks is done by the served application, once, and nothing else is."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from ca.chance import SystemChance
from ca.model import CertificateId, RevocationReason
from ca.store import lives
from front.app import create_app
from front.assembly import World, open_world
from front.card import pins
from front.card.card import Card
from front.card.requests import RevocationStatement, make_request
from front.card.statements import MEDIA_TYPE, state
from tests import card_world, commands
from tests.api_world import require_described
from tests.card_world import AUTHENTICATION, KINDS, PINS, SIGNATURE, end, named

PATH = "/api/revocation-requests"
CESSATION = RevocationReason.CESSATION_OF_OPERATION


@pytest.fixture(scope="module", autouse=True)
def _cheap_pins():
    card_world.cheaply()
    yield
    pins._COST = card_world.REAL_COST


@pytest.fixture(scope="module")
def pristine():
    return card_world.card_world()


@dataclass
class Desk:
    """A home that is served in this process, and Hanako's card."""

    folder: Path
    world: World
    client: FlaskClient
    card: Card
    pristine: card_world.CardWorld

    def id(self, kind, whose="hanako") -> CertificateId:
        return CertificateId.parse(named(self.folder, self.pristine.ders[whose, kind]))

    def asks(self, kind, by=AUTHENTICATION) -> bytes:
        with self.card.unlocked(by, PINS[by]) as key:
            return make_request(kind, self.card.about(kind), key, SystemChance(), self.world.clock())

    def states(self, by=AUTHENTICATION, **fields) -> bytes:
        """A statement that a card's client would not make."""
        about, at = self.card.about(by), self.world.clock()
        right = {
            "made": at,
            "nonce": SystemChance().octets("nonce", 32),
            "kind": by.value,
            "issuer_key": about.issuer.subject_key.hex(),
            "serial": f"{about.serial:x}",
        }
        with self.card.unlocked(by, PINS[by]) as key:
            return state(RevocationStatement(**(right | fields)), key, at)

    def sends(self, octets: bytes):
        answer = self.client.post(PATH, data=octets, content_type=MEDIA_TYPE)
        require_described("POST", PATH, answer)
        return answer

    def ends(self) -> dict:
        """For which reason each of Hanako's certificates has ended."""
        with self.world.stores.reading() as reading:
            found = {
                life.certificate: life.reason for life in lives.of(reading, [self.id(kind) for kind in KINDS])
            }
        return {kind: found[self.id(kind)] for kind in KINDS}


@pytest.fixture
def desk(pristine, tmp_path):
    folder = shutil.copytree(pristine.home, tmp_path / "home")
    card = Card.open(shutil.copytree(pristine.cards["hanako"], tmp_path / "hanako"))
    with open_world(folder, str) as world:
        yield Desk(folder, world, create_app(world).test_client(), card, pristine)


@pytest.mark.parametrize(
    ("kind", "by"), [(SIGNATURE, AUTHENTICATION), (SIGNATURE, SIGNATURE), (AUTHENTICATION, AUTHENTICATION)]
)
def test_what_the_card_asks_is_done_once_with_a_receipt(desk, kind, by, tmp_path):
    request = desk.asks(kind, by)
    answer = desk.sends(request)
    assert answer.status_code == 200, answer.text
    said = answer.json
    assert (said["certificate"], said["reason"]) == (str(desk.id(kind)), "cessationOfOperation")
    assert desk.ends() == dict.fromkeys(KINDS) | {kind: CESSATION}
    (tmp_path / "receipt.json").write_text(json.dumps(said["receipt"]))
    checked = commands.done(
        commands.run("receipt", "check", tmp_path / "receipt.json", "--home", desk.folder, "--json")
    )
    assert str(desk.id(kind)) in checked.stdout
    before = desk.world.stores.journal.folder.joinpath
    records = sum(path.stat().st_size for path in before().rglob("*") if path.is_file())
    assert desk.sends(request).json == said
    assert sum(path.stat().st_size for path in before().rglob("*") if path.is_file()) == records


def test_another_request_for_what_has_ended_is_refused(desk):
    assert desk.sends(desk.asks(SIGNATURE)).status_code == 200
    answer = desk.sends(desk.asks(SIGNATURE))
    assert (answer.status_code, answer.json["title"]) == (409, "RevocationRefused")


@pytest.mark.parametrize("reason", ["certificateHold", "keyCompromise"])
def test_a_certificate_that_has_ended_or_is_on_hold_asks_for_nothing(desk, reason):
    """At once, also while the lists do not say so yet: whoever has found the card could ask."""
    where = ("--reason", reason, "--officer", "ito", "--home", desk.folder)
    request = desk.asks(SIGNATURE)
    commands.done(commands.run("revoke", str(desk.id(AUTHENTICATION)), *where))
    answer = desk.sends(request)
    assert (answer.status_code, answer.json["title"]) == (403, "NotPermitted")
    commands.done(commands.run("list", "publish", "--home", desk.folder))
    answer = desk.sends(request)
    assert (answer.status_code, answer.json["title"]) == (403, "NotPermitted")
    assert "is not believed" in answer.json["detail"]
    assert desk.ends()[SIGNATURE] is None


def test_what_is_on_hold_may_be_given_up(desk):
    end(desk.folder, desk.pristine.ders["hanako", SIGNATURE], "certificateHold")
    assert desk.sends(desk.asks(SIGNATURE)).status_code == 200
    assert desk.ends() == {SIGNATURE: CESSATION, AUTHENTICATION: None}


def test_what_is_not_right_is_refused_and_changes_nothing(desk):
    at, taro = desk.world.clock(), Card.open(desk.pristine.cards["taro"])
    good = json.loads(desk.asks(SIGNATURE))
    other = json.loads(desk.asks(AUTHENTICATION))
    cases = [
        (b"", 400, "is not JSON"),
        (b"{}", 400, "missing required field"),
        (b"x" * 70_000, 400, "is longer than"),
        (json.dumps(good | {"signature": other["signature"]}).encode(), 400, "signature"),
        (desk.states(made=at - timedelta(minutes=61)), 400, "too far from"),
        (desk.states(issuer_key="0" * 40), 400, "names an issuer"),
        (desk.states(kind="signature", serial=f"{taro.about(SIGNATURE).serial:x}"), 403, "not this key's"),
        (desk.states(SIGNATURE, serial=f"{taro.about(SIGNATURE).serial:x}"), 403, "not this key's"),
        (desk.states(serial="1"), 403, "not this key's"),
    ]
    for octets, status, words in cases:
        answer = desk.sends(octets)
        assert (answer.status_code, words in answer.json["detail"]) == (status, True), answer.text
    assert desk.ends() == dict.fromkeys(KINDS)


@contextmanager
def served(desk):
    """The application at a port of its own."""
    server = make_server("127.0.0.1", 0, desk.client.application)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_command_asks_the_service(desk, tmp_path):
    (tmp_path / "pin").write_text(PINS[AUTHENTICATION])
    asking = (
        "card",
        "revoke",
        "--kind",
        "signature",
        "--card",
        desk.card.folder,
        "--pin-file",
        tmp_path / "pin",
    )
    with served(desk) as url:
        done = commands.done(commands.run(*asking, "--to", url, "--home", desk.folder, "--json"))
        again = commands.run(*asking, "--to", url, "--home", desk.folder)
    answer = json.loads(done.json["answer"])
    assert answer["certificate"] == str(desk.id(SIGNATURE))
    assert desk.ends() == {SIGNATURE: CESSATION, AUTHENTICATION: None}
    commands.refused(again, "409")
