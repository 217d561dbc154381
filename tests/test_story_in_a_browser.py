"""The windows' and the centre's work in Chromium: cases go from hand to hand as in offices, up to the card and beyond.

Each officer has a browser and a passkey of the own. Every step's button is pressed twice as fast as one can; each is
taken once.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from asn1crypto import pem, x509

from ca.model import CertificateKind
from tests import commands
from tests.browser import chromium
from tests.components import require
from tests.desks import file_post, file_resident, saved, staff_of, take
from tests.engine_world import csr_for
from tests.feed_files import feed_file
from tests.offices_world import PERSON, Offices, Plastic, offices, open_to_browsers
from tests.served_world import openssl, wait_until
from tests.small_edition import TOKYO
from tests.softhsm import module

SIGNATURE, AUTHENTICATION = CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION
ENOUGH = 4
"""Interactions for the common case: the work list, the case, its button; and one to spare."""


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def world(tmp_path):
    with open_to_browsers(offices(tmp_path / "home")) as found:
        yield found


@pytest.fixture
def desks(browser, world):
    with staff_of(browser, world) as found:
        yield found


def moved_out(world: Offices, folder: Path) -> Path:
    """The feed that tells of the resident's move."""
    at = world.now().isoformat()
    moment = dict.fromkeys(("occurred", "notified", "effective"), at)
    event = {"event": "chiyoda-1", "kind": "moved-out", "code": PERSON["code"], **moment}
    path = folder / "move.jsonl"
    path.write_bytes(feed_file(event, feed="chiyoda"))
    return path


def verified(world: Offices, certificate: Path) -> commands.Outcome:
    """What a verifier says of a certificate."""
    return commands.kakehashi("verify", certificate, "--from", world.origin, "--home", world.home)


def signer_of(signature: Path, document: Path, folder: Path) -> Path:
    """Whose signature it is, after OpenSSL has checked that it is this document's."""
    signer = folder / "signer.pem"
    done = openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", signature, "-content", document, "-noverify",
        "-signer", signer, "-out", folder / "content",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return signer


@pytest.mark.long
def test_a_resident_gets_a_card_signs_moves_and_is_refused(world, desks, tmp_path):
    require("openssl")
    module()
    card = Plastic(tmp_path / "card", world.home)
    reception, examiner = desks("sato"), desks("suzuki")
    case = file_resident(reception, card.make())
    assert case == f"{TOKYO}-000001"
    path = f"/cases/{case}"

    # The examiner has no mouse: from signing in on, the next thing to press has the focus.
    examiner.close()
    examiner.open()
    examiner.sign_in()
    examiner.interactions = 0
    examiner.enter(path)
    examiner.enter("/")
    assert examiner.interactions <= ENOUGH
    assert world.history(case) == [("file", "sato"), ("examine", "suzuki")]

    take(desks("tanaka"), path, "approve")
    take(desks("endo"), path, "issue")

    # The reception's browser was closed meanwhile.
    reception.close()
    reception.open()
    reception.sign_in()
    reception.enter(path)
    for kind in (SIGNATURE, AUTHENTICATION):
        card.take(kind, saved(reception, f"{kind}.cer", tmp_path))
    reception.send(f"{path}/hand-over")
    assert world.history(case) == [
        ("file", "sato"),
        ("examine", "suzuki"),
        ("approve", "tanaka"),
        ("issue", "endo"),
        ("hand-over", "sato"),
    ]
    assert world.cases() == {case: "delivered"}

    document = tmp_path / "letter.txt"
    document.write_text("架け橋\n", encoding="utf-8")
    signer = signer_of(card.sign(document), document, tmp_path)
    assert verified(world, signer).status == 0
    assert card.states() == {SIGNATURE: "valid", AUTHENTICATION: "valid"}

    world.told("events", "apply", moved_out(world, tmp_path))
    refusal = verified(world, signer)
    assert refusal.status == 1
    assert "revoked" in refusal.stdout + refusal.stderr
    wait_until(
        lambda: card.states() == {SIGNATURE: "revoked", AUTHENTICATION: "valid"}, "the responder knows it"
    )
    reception.go(path)
    assert "失効" in reception.read()


@pytest.mark.long
def test_a_post_certificate_goes_from_the_office_to_the_centre_and_back(world, desks, tmp_path):
    request = tmp_path / "post.csr"
    request.write_bytes(pem.armor("CERTIFICATE REQUEST", csr_for(900)))
    office = desks("uke")
    case = file_post(office, request, "TOKEN-0001")
    path = f"/local/cases/{case}"
    for officer, step in (
        ("shin", "examine"),
        ("saito", "re-examine"),
        ("tanaka", "approve"),
        ("ito", "issue"),
    ):
        desk = desks(officer)
        desk.go("/local")
        desk.interactions = 0
        desk.enter(path)
        desk.enter("/local")
        assert desk.interactions <= ENOUGH
        assert world.history(case)[-1] == (step, officer)
    office.go(path)
    certificate = saved(office, "lg-post.pem", tmp_path)
    subject = x509.Certificate.load(pem.unarmor(certificate.read_bytes())[2]).subject.native
    assert subject["common_name"] == "架け橋市長"
    office.send(f"{path}/hand-over")
    assert world.cases() == {case: "delivered"}
    assert [step for step, _ in world.history(case)] == [
        "file", "examine", "re-examine", "approve", "issue", "hand-over",
    ]  # fmt: skip
    assert "TOKEN-0001" in office.read()
    assert verified(world, certificate).status == 0
