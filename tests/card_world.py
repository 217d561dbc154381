"""Cards of the small world: made with SoftHSM, certified at a window, and copied for each test.

A copy of a card's folder is that card once more, which is what a software card cannot help, and what tests like.
"""

import atexit
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asn1crypto import pem

from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.trust import Trust
from ca.chance import SystemChance
from ca.model import CertificateKind
from ca.suites import SHA256_RSA2048
from ca.wire.facts import read_certificate
from front.assembly import open_world
from front.card import pins
from front.card.card import Card
from front.card.published import issuer_of
from front.demo.people import invented_code
from tests import commands, softhsm
from tests.small_edition import HANAKO, OFFICERS, SEED, small_edition, write_json

SIGNATURE, AUTHENTICATION = CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION
KINDS = (SIGNATURE, AUTHENTICATION)
PINS = {SIGNATURE: "Kakehashi7", AUTHENTICATION: "2718"}
WRONG = {SIGNATURE: "Kakehashi8", AUTHENTICATION: "2719"}
NEW = {SIGNATURE: "Hashigakari9", AUTHENTICATION: "3141"}
TRIES = {SIGNATURE: 5, AUTHENTICATION: 3}

REAL_COST = pins._COST


def cheaply() -> None:
    """Have PINs cost little from now on in this process: what scrypt costs is not what is tested."""
    pins._COST = 4


@contextmanager
def at_full_cost():
    """As cards are in earnest, and so for commands in processes of their own."""
    pins._COST = REAL_COST
    try:
        yield
    finally:
        cheaply()


@cache
def place() -> Path:
    """A folder of this process, where there is SoftHSM; else the test is skipped."""
    softhsm.module()
    folder = Path(tempfile.mkdtemp(prefix="kakehashi-cards-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def made(folder: Path, number: str, suite=SHA256_RSA2048) -> tuple[Card, str]:
    """A new card and its unlock code."""
    return Card.make(folder, number, PINS, suite=suite, chance=SystemChance())


@cache
def blank() -> tuple[Path, str]:
    """A card without certificates, to be copied, and its unlock code."""
    folder = place() / "blank"
    _, code = made(folder, "BLANK00000")
    return folder, code


@dataclass(frozen=True)
class CardWorld:
    """A home, and the cards of two people with both certificates; all to be copied before anything is changed."""

    home: Path
    cards: dict[str, Path]
    ders: dict[tuple[str, CertificateKind], bytes]


@cache
def card_world() -> CardWorld:
    """Made once a process."""
    folder = place()
    home = folder / "home"
    (folder / "small.toml").write_text(small_edition(), encoding="utf-8")
    making = ("--edition", folder / "small.toml", "--test-keys", "--seed", SEED)
    commands.done(commands.run("init", *making, "--home", home))
    for officer, (office, role) in OFFICERS.items():
        told(home, "officer", "add", officer, "--office", office, "--role", role)
    world = CardWorld(home, {}, {})
    for number, name in enumerate(("hanako", "taro"), 1):
        card, _ = made(folder / name, f"{name.upper()}0001")
        for kind, der in certified(card, home, code=str(invented_code(number))).items():
            world.ders[name, kind] = der
            load(card, der, home)
        world.cards[name] = card.folder
    return world


def certified(card: Card, home: Path, keys=None, **particulars) -> dict[CertificateKind, bytes]:
    """Certificates for a card by the way of all applications: each kind on its own key, or on the key that is said."""
    folder = Path(tempfile.mkdtemp(dir=place()))
    requests = []
    for kind, key in (keys or dict(zip(KINDS, KINDS, strict=True))).items():
        with opened(home) as (_, _, at), card.unlocked(key, PINS[key]) as unlocked:
            (folder / f"{kind}.csr").write_bytes(pem.armor("CERTIFICATE REQUEST", unlocked.request(at)))
        requests += ["--csr", f"{kind}={folder / f'{kind}.csr'}"]
    resident = write_json(folder / "resident.json", {**HANAKO, **particulars})
    case = told(home, "case", "file", "--officer", "sato", "--resident", resident, *requests)["case"]
    for step, officer in (("examine", "suzuki"), ("approve", "tanaka")):
        told(home, "case", step, case, "--officer", officer)
    issued = told(home, "case", "issue", case, "--officer", "ito", "--out", folder)
    return {CertificateKind(row["kind"]): pem.unarmor(Path(row["file"]).read_bytes())[2] for row in issued}


def load(card: Card, der: bytes, home: Path) -> None:
    """Take a certificate into a card."""
    with opened(home) as (snapshot, _, at):
        card.load(der, PINS[card.kind_for(der)], snapshot, at)


@contextmanager
def opened(home: Path):
    """What the home publishes, its trust, its moment."""
    with open_world(home, str) as world:
        repository = world.home.repository
        anchor = (repository / "g" / f"{world.plan.anchor}.g1" / "self.cer").read_bytes()
        trust = Trust((anchor,), frozenset(world.plan.trusted_policies), world.plan.marking)
        at = world.clock()
    yield Snapshot.read(repository), trust, at


def told(home: Path, *arguments):
    """What a command in the home says, as JSON."""
    return commands.done(commands.run(*arguments, "--home", home, "--json")).json


def named(home: Path, der: bytes) -> str:
    """The id of a certificate."""
    with opened(home) as (snapshot, _, at):
        facts = read_certificate(der, "certificate")
        return f"{snapshot.generation_of(issuer_of(facts, snapshot, at))}:{facts.serial:040x}"


def end(home: Path, der: bytes, reason: str) -> None:
    """Have an operator of the centre end a certificate, and publish the lists."""
    told(home, "revoke", named(home, der), "--reason", reason, "--officer", "ito")
    told(home, "list", "publish")
