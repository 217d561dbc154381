"""Status and hostile numbers: serials that were never issued, and the fuzzer's target on a few octets."""

from __future__ import annotations

import logging
import random

import pytest
from asn1crypto import ocsp

from ca.model import Serial
from ca.rules.revocation import CertificateStatus, status_of
from ca.store import status
from front.logs import LOGGER
from ocsp.messages import QUERY_LIMIT
from tests.fuzz import ocsp_request
from tests.ocsp_world import PREFECTURE, ocsp_world

ISSUED = 12
SAMPLE = 4000
"""Of so many serials, some are asked in one whole request to the responder."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world with good, revoked and intended certificates."""
    with ocsp_world(tmp_path_factory.mktemp("fuzz") / "world") as opened:
        opened.issued_ids = [opened.issue() for _ in range(ISSUED)]
        for one in opened.issued_ids[::3]:
            opened.revoke(one)
        opened.change(opened.issued_ids[1], state="intended")
        yield opened


def never_issued(world, number):
    """Serials that no certificate has: neighbours of issued ones, shifted, cut and turned ones, and random ones."""
    chance, issued = random.Random(6960), [one.serial.value for one in world.issued_ids]
    with world.store.reading() as connection:
        every = {row[0] for row in connection.exec_driver_sql("SELECT serial FROM certificates")}
    taken = {int.from_bytes(octets) for octets in every}
    made = set()
    while len(made) < number:
        one = chance.choice(issued)
        match chance.randrange(6):
            case 0:
                serial = one + chance.randint(-number, number)
            case 1:
                serial = one ^ 1 << chance.randrange(159)
            case 2:
                serial = one >> chance.randrange(1, 150)
            case 3:
                serial = int.from_bytes(one.to_bytes(20)[::-1])
            case _:
                serial = chance.getrandbits(chance.choice([16, 64, 128, 159]))
        serial &= (1 << 159) - 1
        if serial and serial not in taken:
            made.add(serial)
    return sorted(made)


def require_unknown(world, number):
    serials = never_issued(world, number)
    for begin in range(0, number, 500):
        wanted = {Serial(value) for value in serials[begin : begin + 500]}
        records = status.known(world.store, PREFECTURE, wanted)
        assert records.keys() == wanted
        for record in records.values():
            said = status_of(record.issued_at, record.revocation, world.now)
            assert said.status is CertificateStatus.UNKNOWN
    responder, chance = world.responder(), random.Random(number)
    for _ in range(max(number // SAMPLE, 20)):
        asked = chance.sample(serials, QUERY_LIMIT)
        answer = responder.answer(world.request(*asked), world.now)
        assert set(answer.statuses) == {CertificateStatus.UNKNOWN}
        said = ocsp.OCSPResponse.load(answer.octets).response_data["responses"]
        assert [one["cert_id"]["serial_number"].native for one in said] == asked
        assert {one["cert_status"].name for one in said} == {"unknown"}


def test_ten_thousand_serials_that_were_never_issued_are_unknown(world):
    require_unknown(world, 10_000)


@pytest.mark.long
def test_a_million_serials_that_were_never_issued_are_unknown(world):
    require_unknown(world, 1_000_000)


def test_what_was_issued_is_told_from_it(world):
    """The same look-ups find what there is."""
    known = status.known(world.store, PREFECTURE, {one.serial for one in world.issued_ids})
    said = [
        str(status_of(known[one.serial].issued_at, known[one.serial].revocation, world.now).status)
        for one in world.issued_ids
    ]
    assert said == ["revoked", "unknown", "good"] + ["revoked", "good", "good"] * (ISSUED // 3 - 1)


def test_the_fuzzers_target(world):
    """Each outcome is reached, from octets near a request and from others."""
    statuses, requests = ocsp_request.seeded(world)
    log = logging.getLogger(f"{LOGGER.name}.ocsp")
    before = list(log.handlers)
    attack = ocsp_request.attack(world, statuses)
    try:
        chance = random.Random(1)
        outcomes = {attack(request) for request in requests}
        assert outcomes == {"answered"}
        for octets in (b"", bytes(100), chance.randbytes(300), bytes(70_000)):
            outcomes.add(attack(octets))
        assert attack(b"\xff" * 3 + requests[0]) == "malformed", "in base64 it begins with slashes"
        for number in range(200):
            mutant = bytearray(requests[number % len(requests)])
            mutant[chance.randrange(len(mutant))] ^= 1 << chance.randrange(8)
            outcomes.add(attack(bytes(mutant)))
        assert outcomes == {"answered", "malformed", "unauthorized", "too long"}
    finally:
        log.handlers[:] = before
