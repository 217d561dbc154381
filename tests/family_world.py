"""Small seeded worlds under a suite of another family than RSA, which use all that an edition may ask for.

That is edition japan-2016 with a national responder, delta lists and information access, its holders' keys of the
suite's family, save for those to which others encrypt. Keys are made from their names: PUBLIC TEST KEYS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.crossing.edition import edition_text, municipalities_path, read_edition
from bridge.crossing.plan import Plan, make_plan
from bridge.crossing.world import WorldMaker
from bridge.manifest import Marking
from bridge.repository.folder import Repository
from ca.chance import SeededChance
from ca.issuing.issuer import Issuers
from ca.keys.kinds import CURVES, PrivateKey
from ca.keys.signer import Signer, SoftwareSigner
from ca.keys.vault import KeyId
from ca.model import LOCAL_KINDS, RESIDENT_KINDS, CertificateKind, OfficeId, Officer, OfficerId
from ca.names import Municipalities
from ca.store import officers
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.stores import Stores
from ca.suites import ML_DSA_65, SHA256_P256, KeyFamily, Suite
from tests.engine_world import OFFICERS, POST, RESIDENT, SEED, URL, EngineWorld, csr_for, journal_of
from tests.national_world import BEGINS, LOCAL, LOCAL_OFFICERS, WINDOWS

SUITES = {"p-256": SHA256_P256, "ml-dsa-65": ML_DSA_65}
"""The suites of these worlds, by the word of editions for the keys of their holders."""


@cache
def family_plan(keys: str) -> Plan:
    """The edition under the suite of these keys."""
    place, octets = edition_text("japan-2016")
    edition = read_edition(octets, place)
    edition = msgspec.structs.replace(
        edition,
        suite=SUITES[keys].id,
        lists=msgspec.structs.replace(edition.lists, delta=True),
        certificates=msgspec.structs.replace(edition.certificates, information_access=True),
        status=msgspec.structs.replace(edition.status, national_responder=True),
        holders={
            kind: holder
            if kind == CertificateKind.LG_ENCRYPTION
            else msgspec.structs.replace(holder, keys=keys)
            for kind, holder in edition.holders.items()
        },
    )
    whole = Municipalities.read(municipalities_path(edition, place))
    few = Municipalities(
        {code: whole.rows[code] for code in WINDOWS}, {code: whole.point_name(code) for code in WINDOWS}
    )
    return make_plan(edition, Marking.TEST, URL, few, place)


def named_key(suite: Suite, name: str) -> PrivateKey:
    """The suite's key of this name, the same on every machine. Anybody can make it: a PUBLIC TEST KEY."""
    seed = hashlib.sha256(f"{suite.id} {name}".encode()).digest()
    if suite.family is KeyFamily.EC:
        return ec.derive_private_key(int.from_bytes(seed), CURVES[suite.key_size])
    assert suite is ML_DSA_65, "an RSA key takes long to make from a seed"
    return mldsa.MLDSA65PrivateKey.from_seed_bytes(seed)


@dataclass
class NamedKeys:
    """A vault of ``named_key``s."""

    suite: Suite
    _signers: dict[KeyId, Signer] = field(default_factory=dict)

    def create(self, key: KeyId, suite: Suite) -> Signer:
        assert suite is self.suite
        return self._signers.setdefault(key, SoftwareSigner(key, named_key(suite, key)))

    def signer(self, key: KeyId) -> Signer:
        return self._signers[key]

    def code_key(self) -> bytes:
        return bytes(32)

    def close(self) -> None:
        self._signers.clear()


@contextmanager
def family_world(folder: Path, keys: str) -> Iterator[EngineWorld]:
    """A fresh world in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plan, chance, vault = family_plan(keys), SeededChance(SEED), NamedKeys(SUITES[keys])
    stores = Stores(Store.open(sqlite_url(folder / "store.db")), journal_of(folder))
    try:
        migrate(stores.nation)
        WorldMaker(plan, stores, vault, chance, BEGINS, lambda _: None).make()
        there = {office.id for office in plan.offices}
        with stores.nation.writing() as connection:
            for name, office, role in (*OFFICERS, *LOCAL_OFFICERS):
                if office in there:
                    officers.add_officer(
                        connection, Officer(OfficerId(name), OfficeId(office), frozenset({role}))
                    )
        issuers = Issuers(stores, vault, plan.practices)
        yield EngineWorld(folder, plan, stores, vault, issuers, Repository(folder / "repository"), chance)
    finally:
        stores.close()


def issue_all(world: EngineWorld, keys: str) -> dict[CertificateKind, bytes]:
    """A holder's certificate of each kind."""
    numbers = count(1)

    def requests(*kinds: CertificateKind) -> dict[CertificateKind, bytes]:
        return {
            kind: csr_for(1)
            if kind is CertificateKind.LG_ENCRYPTION
            else _request(SUITES[keys], next(numbers))
            for kind in kinds
        }

    issued = dict(world.issued(RESIDENT, RESIDENT_KINDS, csrs=requests(*RESIDENT_KINDS), at=BEGINS))
    kinds = (CertificateKind.OFFICIAL_POST,)
    issued |= world.issued(POST, kinds, csrs=requests(*kinds), at=BEGINS)
    desk = world.registration
    case = desk.file("local", LOCAL, requests(*LOCAL_KINDS), code=None, at=BEGINS).case.id
    desk.examine(case, "local-examiner", at=BEGINS)
    desk.reexamine(case, "second", at=BEGINS)
    desk.approve(case, "centre-1", at=BEGINS)
    issued |= {item.record.kind: item for item in desk.issue(case, "operator", at=BEGINS)}
    return {kind: item.encoded for kind, item in issued.items()}


def _request(suite: Suite, number: int) -> bytes:
    name = f"holder {number}"
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    digest = None if suite.family is KeyFamily.ML_DSA else hashes.SHA256()
    made = x509.CertificateSigningRequestBuilder(subject).sign(named_key(suite, name), digest)
    return made.public_bytes(Encoding.DER)
