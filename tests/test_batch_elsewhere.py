"""``kakehashi batch`` where it is not at home: on a token, on PostgreSQL, under EC and ML-DSA keys; broken off, and resumed.

What was intended when it broke off is issued afterwards: the same serials, over the same octets, and nothing else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from asn1crypto import pem, x509
from sqlalchemy import select

from ca.keys.signer import verify
from ca.model import RESIDENT_KINDS, CertificateId, GenerationId, Serial
from ca.store import authorities, certificates
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.tables import certificates as table
from front.assembly import World, open_world
from front.demo.people import invented_code
from tests import commands, postgresql
from tests.batch_files import results, row, sent, write_folder
from tests.commands import done, refused
from tests.served_world import born, descendants, wait_until
from tests.small_edition import OFFICERS, replaced, small_edition
from tests.softhsm import LABEL, PIN, SoftHsm
from tests.test_keys import PASSPHRASE

HOLDERS = 1000
"""Two groups of a batch, which take their processes long enough to be seen at it."""
FIRST_KEY = 18_000


@dataclass(frozen=True)
class Place:
    """A small world somewhere, as the command sees it."""

    home: Path
    secret: str
    environment: dict[str, str]
    hsm: SoftHsm | None = None

    def run(self, *words: object) -> commands.Outcome:
        # A token's module reads once in a process where its tokens lie.
        running = commands.run if self.hsm is None else commands.kakehashi
        return running(*words, "--home", self.home, **self.environment)

    def batch(self, source: Path) -> tuple[object, ...]:
        roles = ("--approver", "tanaka", "--operator", "ito")
        return ("batch", source, *roles, "--out", source.with_suffix(".out"), "--processes", 2, "--json")

    def started(self, *words: object) -> subprocess.Popen[bytes]:
        return commands.started(*words, "--home", self.home, **self.environment)


def made(folder: Path, where: str) -> Place:
    """The small world, staffed: with its keys or its databases there, or under the suite of this name."""
    folder.mkdir()
    hsm = SoftHsm.make(folder / "hsm") if where == "token" else None
    suite = where if where in {"sha256-p256", "ml-dsa-65"} else "sha256-p256"
    edition = folder / "edition.toml"
    edition.write_text(replaced(small_edition(), 'suite = "sha256-rsa2048"', f'suite = "{suite}"'), "utf-8")
    secret = PASSPHRASE if hsm is None else PIN
    environment = {"KAKEHASHI_PASSPHRASE": secret, **({} if hsm is None else hsm.environment)}
    place = Place(folder / "home", secret, environment, hsm)
    options: tuple[object, ...] = ()
    if hsm is not None:
        options = ("--token", hsm.module, "--token-label", LABEL)
    elif where == "postgresql":
        own = f"jpki-13={postgresql.server().create()}"
        options = ("--database", postgresql.server().create(), "--authority-database", own)
    done(place.run("init", "--edition", edition, *options))
    for officer, (office, role) in OFFICERS.items():
        if officer in {"tanaka", "ito"}:
            done(place.run("officer", "add", officer, "--office", office, "--role", role))
    return place


def cards(folder: Path, holders: int) -> Path:
    rows = [row(number, code=str(invented_code(6_000_000_000 + number))) for number in range(holders)]
    return write_folder(folder / "cards", sent(rows, FIRST_KEY))


def require_issued(place: Place, source: Path, holders: int) -> dict[CertificateId, CertificateRecord]:
    """Every holder has both certificates, signed and as the results say; there are no others. Gives them."""
    told = results(source.with_suffix(".out"))
    assert [one["outcome"] for one in told] == ["issued"] * 2 * holders
    files = {
        CertificateId.parse(one["certificate"]): source.with_suffix(".out") / one["file"] for one in told
    }
    assert len(files) == 2 * holders
    with open_world(place.home, lambda: place.secret) as world:
        records = {record.id: record for record in world.stores.certificates(files)}
        keys = {}
        for generation in {one.generation for one in files}:
            with world.stores.of(generation.authority).reading() as connection:
                keys[generation] = authorities.generation(connection, generation)
        assert records.keys() == files.keys() == set(holders_certificates(world))
    assert len({one.generation.authority for one in files}) > 1
    for name, record in records.items():
        assert record.state is CertificateState.ISSUED
        assert pem.unarmor(files[name].read_bytes())[2] == record.encoded
        certificate = x509.Certificate.load(record.encoded, strict=True)
        tbs = certificate["tbs_certificate"].dump()
        issuer = keys[name.generation]
        verify(issuer.public_key, issuer.suite, tbs, certificate.signature)
    return records


PLACES = ("token", "postgresql", "sha256-p256", "ml-dsa-65")
SLOW = ("token", "postgresql", "ml-dsa-65")


@pytest.mark.parametrize(
    "where", [pytest.param(where, marks=[pytest.mark.long] if where in SLOW else []) for where in PLACES]
)
def test_a_batch_is_issued_there(where: str, tmp_path: Path) -> None:
    place, source = made(tmp_path / "place", where), cards(tmp_path, 3)
    done(place.run(*place.batch(source)))
    require_issued(place, source, 3)


@pytest.mark.long
@pytest.mark.parametrize("where", PLACES)
def test_what_it_was_about_to_sign_is_signed_when_it_is_resumed(where: str, tmp_path: Path) -> None:
    """The token is taken away; elsewhere all processes are killed at once."""
    source = cards(tmp_path, HOLDERS)
    for number in range(3):  # it may be through before it is seen to be at it
        place = made(tmp_path / f"place-{number}", where)
        left = broken_off(place, source)
        if left:
            break
    assert left
    if place.hsm is not None:
        refused(place.run(*place.batch(source)[:-1]), f"token '{LABEL}'")
        assert intents(place) == left, "while it is away, nothing is lost"
        place.hsm.bring_back()
    done(place.run(*place.batch(source)))
    records = require_issued(place, source, HOLDERS)
    for name, tbs in left.items():
        signed = x509.Certificate.load(records[name].encoded, strict=True)
        assert signed["tbs_certificate"].dump() == tbs


def broken_off(place: Place, source: Path) -> dict[CertificateId, bytes]:
    """Begin a batch, and break it off as soon as something is intended; gives what is not signed then."""
    process = place.started(*place.batch(source))
    try:
        with open_world(place.home, lambda: place.secret) as world:
            while process.poll() is None and not any_intended(world):
                time.sleep(0.001)
        if place.hsm is not None:
            place.hsm.take_away()
            assert process.wait(120) == 1
    finally:
        family = descendants(process.pid)
        for pid in (process.pid, *family):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(60)
    wait_until(lambda: all(born(pid) != at for pid, at in family.items()), "no process is left")
    return intents(place)


def intents(place: Place) -> dict[CertificateId, bytes]:
    """What is written down and not signed, and its octets."""
    with open_world(place.home, lambda: place.secret) as world:
        found: dict[CertificateId, bytes] = {}
        for store in world.stores.each():
            with store.reading() as connection:
                found |= {record.id: record.encoded for record in certificates.intended(connection)}
    return found


def any_intended(world: World) -> bool:
    asked = select(table.c.serial).where(table.c.state == CertificateState.INTENDED).limit(1)
    for store in world.stores.each():
        with store.reading() as connection:
            if connection.execute(asked).first() is not None:
                return True
    return False


def holders_certificates(world: World) -> Iterator[CertificateId]:
    asked = select(table.c.generation, table.c.serial).where(table.c.kind.in_(RESIDENT_KINDS))
    for store in world.stores.each():
        with store.reading() as connection:
            for one in connection.execute(asked):
                yield CertificateId(GenerationId.parse(one.generation), Serial.of(one.serial))
