"""A small seeded world of edition japan-2008, Tottori alone, on public test keys; its holders' keys are RSA-1024."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from bridge.crossing.edition import edition_text, municipalities_path, read_edition
from bridge.crossing.plan import Plan, make_plan
from bridge.crossing.world import WorldMaker
from bridge.manifest import Marking
from bridge.repository.folder import Repository
from ca.chance import SeededChance
from ca.issuing.issuer import Issuers
from ca.keys.kinds import EXPONENT
from ca.keys.vault import TestVault
from ca.model import OfficeId, Officer, OfficerId
from ca.names import Municipalities
from ca.store import officers
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.stores import Stores
from tests.engine_world import OFFICERS, SEED, URL, EngineWorld, csr_of, journal_of

BEGINS = datetime(2008, 4, 22, 0, 30, 15, tzinfo=UTC)


@cache
def old_plan() -> Plan:
    """Edition japan-2008 with one prefecture."""
    place, octets = edition_text("japan-2008")
    edition = read_edition(octets, place)
    prefectures = msgspec.structs.replace(edition.prefectures, codes=("31",), nation=False)
    edition = msgspec.structs.replace(edition, prefectures=prefectures)
    whole = Municipalities.read(municipalities_path(edition, place))
    return make_plan(edition, Marking.TEST, URL, whole, place)


@contextmanager
def old_world(folder: Path) -> Iterator[EngineWorld]:
    """A fresh world in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plan, chance = old_plan(), SeededChance(SEED)
    stores = Stores(Store.open(sqlite_url(folder / "store.db")), journal_of(folder))
    try:
        migrate(stores.nation)
        vault = TestVault.make(folder / "keys", SEED)
        WorldMaker(plan, stores, vault, chance, BEGINS, lambda _: None).make()
        there = {office.id for office in plan.offices}
        with stores.nation.writing() as connection:
            for name, office, role in OFFICERS:
                if office in there:
                    officers.add_officer(
                        connection, Officer(OfficerId(name), OfficeId(office), frozenset({role}))
                    )
        issuers = Issuers(stores, vault, plan.practices)
        yield EngineWorld(folder, plan, stores, vault, issuers, Repository(folder / "repository"), chance)
    finally:
        stores.close()


def short_request(number: int) -> bytes:
    """A request in DER on ``short_key(number)``."""
    return csr_of(short_key(number), f"holder {number}")


@cache
def short_key(number: int) -> rsa.RSAPrivateKey:
    """An RSA-1024 key, the same for a number on every machine. Anybody can make it: a PUBLIC TEST KEY."""
    p, q = (_prime(b"%d %d" % (number, half)) for half in range(2))
    d = rsa.rsa_recover_private_exponent(EXPONENT, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    )
    return numbers.private_key()  # the library proves the primes


def _prime(seed: bytes) -> int:
    """The first number of 512 bits from a place that the seed gives on that is prime, as far as one base says."""
    begun = int.from_bytes(hashlib.sha512(seed).digest()) | 3 << 510 | 1
    return next(
        number for number in count(begun, 2) if pow(2, number - 1, number) == 1 and number % EXPONENT != 1
    )
