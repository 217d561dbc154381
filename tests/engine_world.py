"""A small seeded nation to work the engine in: two bridges, the official-post CA, one or two prefectures.

A world is made once a process and copied for each test. Its keys are PUBLIC TEST KEYS. ``Running`` runs a
function in a process of its own, for what only real processes show: locks, races, and sudden death.

Where a world's databases lie, its folder says (``databases.json``), so that ``opened`` finds them in any process: in
files beside it, or on a PostgreSQL server. ``layout`` says where those of new worlds go.
"""

from __future__ import annotations

import atexit
import itertools
import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Table

from bridge.crossing.edition import edition_text, municipalities_path, read_edition
from bridge.crossing.plan import Plan, make_plan
from bridge.crossing.world import WorldMaker
from bridge.manifest import Marking
from bridge.repository.folder import Repository
from ca.birth import BirthDate
from ca.chance import Chance, SeededChance, SystemChance
from ca.issuing.authority import Registration
from ca.issuing.cycle import IssuedCertificate
from ca.issuing.issuer import Issuer, Issuers
from ca.journal.archive import Archive
from ca.journal.journal import Journal, Turn
from ca.keys import pool
from ca.keys.kinds import EXPONENT
from ca.keys.vault import TestVault
from ca.model import (
    RESIDENT_KINDS,
    AuthorityId,
    CertificateKind,
    GenerationId,
    MunicipalityCode,
    OfficeId,
    Officer,
    OfficerId,
    OfficialPost,
    Resident,
    ResidentCode,
    Role,
    Sex,
    resident_code,
)
from ca.names import Municipalities
from ca.store import officers
from ca.store.applications import Application
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.stores import Stores
from ca.store.tables import metadata
from tests.postgresql import server

NOW = datetime(2014, 9, 1, 0, 30, 15, tzinfo=UTC)
URL = "http://repository.example"
SEED = 7
TOWN = MunicipalityCode("312011")  # Tottori-shi
CODE = resident_code("12345678903")

OFFICERS = (
    ("window", TOWN, Role.RECEPTION),
    ("window-2", TOWN, Role.EXAMINER),
    ("window-3", TOWN, Role.EXAMINER),
    ("other-window", "312029", Role.RECEPTION),  # Yonago-shi
    ("other-window-2", "312029", Role.EXAMINER),
    ("centre-1", "centre", Role.APPROVER),
    ("centre-2", "centre", Role.APPROVER),
    ("operator", "centre", Role.OPERATOR),
    ("operator-2", "centre", Role.OPERATOR),
    ("ministry", "ministry-1", Role.RECEPTION),
    ("ministry-2", "ministry-1", Role.EXAMINER),
)
"""(officer, office, role). No officer has two roles, so that a test says which rule it breaks."""

RESIDENT = Resident(
    name="架橋　見本",
    name_substitutes="01000",
    sex=Sex.FEMALE,
    birth_date=BirthDate(1990, 5, 5),
    address="鳥取県鳥取市見本町九丁目九番九号",
    address_substitutes="0" * 16,
    municipality=TOWN,
)
"""A resident who does not exist, in a part of town that does not exist."""

POST = OfficialPost("Ministry of Examples", "The Minister")


@dataclass
class EngineWorld:
    """A world with its engines, opened in this process."""

    folder: Path
    plan: Plan
    stores: Stores
    vault: TestVault
    issuers: Issuers
    repository: Repository
    chance: Chance
    _keys: Iterator[int] = field(default_factory=lambda: iter(range(100_000)))

    @property
    def registration(self) -> Registration:
        return Registration(self.issuers, self.plan.municipalities, self.chance)

    @property
    def store(self) -> Store:
        """The nation's database: the one of this world, unless its layout says otherwise."""
        return self.stores.nation

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table of each database; their order says nothing."""
        found = {}
        for number, store in enumerate(self.stores.each()):
            with store.reading() as connection:
                for table in metadata.sorted_tables:
                    found[f"{number} {table}"] = sorted(
                        map(tuple, connection.execute(table.select())), key=repr
                    )
        return found

    def issuer(self, authority: str) -> Issuer:
        return self.issuers.issuing(AuthorityId(authority))

    def csrs(self, *kinds: CertificateKind) -> dict[CertificateKind, bytes]:
        """A request for each kind, each on a key that this world has not seen yet."""
        return {kind: csr_for(next(self._keys)) for kind in kinds}

    def filed(
        self,
        applicant: Resident | OfficialPost = RESIDENT,
        kinds: tuple[CertificateKind, ...] = RESIDENT_KINDS,
        *,
        csrs: Mapping[CertificateKind, bytes] | None = None,
        at: datetime = NOW,
        code: ResidentCode | None = CODE,
        officer: str | None = None,
    ) -> Application:
        post = isinstance(applicant, OfficialPost)
        return self.registration.file(
            officer or ("ministry" if post else "window"),
            applicant,
            self.csrs(*kinds) if csrs is None else csrs,
            code=None if post else code,
            at=at,
        )

    def approved(self, *args: Any, **options: Any) -> Application:
        """An application that only waits to be issued."""
        application = self.filed(*args, **options)
        at = options.get("at", NOW)
        examiner = "ministry-2" if application.holder is None else "window-2"
        self.registration.examine(application.case.id, examiner, at=at)
        self.registration.approve(application.case.id, "centre-1", at=at)
        return application

    def issued(self, *args: Any, **options: Any) -> dict[CertificateKind, IssuedCertificate]:
        """The certificates of a new application, by kind."""
        application = self.approved(*args, **options)
        issued = self.registration.issue(application.case.id, "operator", at=options.get("at", NOW))
        return {item.record.kind: item for item in issued}

    @contextmanager
    def before_turn(self, happens: Callable[[], object], *numbers: int) -> Iterator[None]:
        """Have something happen before the journal's turns of these numbers: at the last moment before a recording."""
        journal, turns = self.stores.journal, itertools.count(1)
        turn, happened = journal.turn, []

        def late() -> AbstractContextManager[Turn]:
            if (number := next(turns)) in numbers:
                happened.append(number)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(journal, "turn", turn)  # what happens has turns of its own
                    happens()
            return turn()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, "turn", late)
            yield
        assert happened, "it has happened"

    def interpose(self, generation: GenerationId, wrap: Callable[[Any], Any]) -> None:
        """Put something between an issuer and its signer."""
        issuer = self.issuers.of(generation)
        self.issuers._open[generation] = replace(issuer, signer=wrap(issuer.signer))


@cache
def plan_for(codes: tuple[str, ...], *, old_kind: bool = False) -> Plan:
    """Edition japan-2014 with these prefectures alone."""
    place, octets = edition_text("japan-2014")
    edition = read_edition(octets, place)
    prefectures = msgspec.structs.replace(edition.prefectures, codes=codes, nation=False)
    edition = msgspec.structs.replace(edition, prefectures=prefectures, old_kind=old_kind)
    municipalities = Municipalities.read(municipalities_path(edition, place))
    return make_plan(edition, Marking.TEST, URL, municipalities, place)


FILES = {"nation": "store.db"}
SERVER = {"nation": "postgresql"}
OWN = {"nation": "store.db", "jpki-31": "jpki-31.db"}
OWN_FILE = {"nation": "postgresql", "jpki-31": "jpki-31.db"}
OWN_ON_SERVER = {"nation": "store.db", "jpki-31": "postgresql"}
_PLACES = "databases.json"
layout: Mapping[str, str] = FILES
"""Where new worlds have their databases, by authority: a file's name, or "postgresql" for a database on the server."""


@contextmanager
def opened(
    folder: Path, codes: tuple[str, ...] = ("31",), *, old_kind: bool = False, chance: Chance | None = None
) -> Iterator[EngineWorld]:
    """Open the world that lies in this folder."""
    plan = plan_for(codes, old_kind=old_kind)
    stores = _stores(folder)
    vault = TestVault.open(folder / "keys")
    issuers = Issuers(stores, vault, plan.practices)
    repository = Repository(folder / "repository")
    try:
        yield EngineWorld(folder, plan, stores, vault, issuers, repository, chance or SeededChance(SEED))
    finally:
        stores.close()


@contextmanager
def engine_world(
    folder: Path, codes: tuple[str, ...] = ("31",), *, old_kind: bool = False, chance: Chance | None = None
) -> Iterator[EngineWorld]:
    """A fresh world in this folder."""
    copy_world(_template(codes, tuple(layout.items()), old_kind=old_kind), folder)
    with opened(folder, codes, old_kind=old_kind, chance=chance) as world:
        yield world


def new_database(folder: Path) -> str:
    """The URL of an empty database: a file in the folder, or one on the server, as the layout says."""
    where = layout["nation"]
    return server().create() if where == "postgresql" else sqlite_url(folder / where)


def copy_world(world: Path, folder: Path) -> None:
    """Copy a world with its databases; nobody may have it open."""
    shutil.copytree(world, folder, dirs_exist_ok=True)
    copied = {
        whose: server().create(template=where) if ":" in where else where
        for whose, where in json.loads((world / _PLACES).read_text()).items()
    }
    (folder / _PLACES).write_text(json.dumps(copied))


def _stores(folder: Path) -> Stores:
    opened: dict[str, Store] = {}
    for whose, where in json.loads((folder / _PLACES).read_text()).items():
        opened[whose] = Store.open(where if ":" in where else sqlite_url(folder / where))
    nation = opened.pop("nation")
    own = {AuthorityId(whose): store for whose, store in opened.items()}
    return Stores(nation, journal_of(folder), own)


def copy_of(store: Store) -> dict[Table, list[dict[str, object]]]:
    """All that lies in a database."""
    with store.reading() as connection:
        return {
            table: [dict(row) for row in connection.execute(table.select()).mappings()]
            for table in metadata.sorted_tables
        }


def put_back(store: Store, copy: Mapping[Table, list[dict[str, object]]]) -> None:
    """Make a database what it was."""
    with store.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        for table, rows in copy.items():
            if rows:
                connection.execute(table.insert(), rows)


def journal_of(folder: Path, mirror: Path | None = None) -> Journal:
    """The journal of a test's world, with its archive; the archive's key is a public test key."""
    aside = None if mirror is None else mirror / "archive"
    archive = Archive(folder / "archive", aside, lambda: bytes(32), SystemChance())
    return Journal(folder / "journal", None if mirror is None else mirror / "journal", archive)


@cache
def _template(codes: tuple[str, ...], places: tuple[tuple[str, str], ...], *, old_kind: bool) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kakehashi-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = {whose: server().template() if where == "postgresql" else where for whose, where in places}
    (folder / _PLACES).write_text(json.dumps(made))
    stores = _stores(folder)
    for store in stores.each():
        migrate(store)
    plan = plan_for(codes, old_kind=old_kind)
    vault = TestVault.make(folder / "keys", SEED)
    WorldMaker(plan, stores, vault, SeededChance(SEED), NOW, lambda _: None).make()
    there = {office.id for office in plan.offices}
    with stores.nation.writing() as connection:
        for name, office, role in OFFICERS:
            if office in there:
                officer = Officer(OfficerId(name), OfficeId(office), frozenset({role}))
                officers.add_officer(connection, officer)
    stores.close()
    return folder


def holder_key(number: int) -> rsa.RSAPrivateKey:
    """One of 25,440 distinct public test keys, quickly: the first prime of a key of the pool, the second of another.

    None of them is in the pool itself, whose keys are the authorities'.
    """
    first, distance = divmod(number, pool.POOL_SIZE - 1)
    p = int.from_bytes(pool._pool().primes[first][0], "big")
    q = int.from_bytes(pool._pool().primes[(first + 1 + distance) % pool.POOL_SIZE][1], "big")
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
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def csr_for(number: int) -> bytes:
    """A request in DER on ``holder_key(number)``."""
    return csr_of(holder_key(number), f"holder {number}")


def csr_of(key: rsa.RSAPrivateKey, name: str) -> bytes:
    """A request in DER on this key."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.DER)


def public_key_of(csr: bytes) -> bytes:
    """The encoded SubjectPublicKeyInfo of a request."""
    key = x509.load_der_x509_csr(csr).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


_PROCESSES = multiprocessing.get_context("forkserver")
_PRELOADED = [__name__]


def preload(module: str) -> None:
    """Have processes begin with a module imported, so that it is paid once; to be called when it is imported here."""
    _PRELOADED.append(module)
    _PROCESSES.set_forkserver_preload(_PRELOADED)


_PROCESSES.set_forkserver_preload(_PRELOADED)


class Running:
    """A process that runs a function of a test module; it can be killed, or waited for."""

    def __init__(self, function: Callable[..., None], *args: object) -> None:
        self._process = _PROCESSES.Process(target=function, args=args)
        self._process.start()

    def runs(self) -> bool:
        """Whether it has not come to its end, be it its own or a sudden one."""
        return self._process.is_alive()

    def kill(self) -> None:
        """SIGKILL: nothing of the process runs any more."""
        self._process.kill()
        self._process.join()
        self._process.close()

    def wait(self) -> int:
        """Its exit code; -9 after SIGKILL."""
        self._process.join(60)
        code = self._process.exitcode
        if code is None:
            self.kill()
            raise AssertionError("the process hangs")
        self._process.close()
        return code


def append(path: Path, line: bytes) -> None:
    """Write a line down at once: what was written before a SIGKILL stays."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # A write that a death cuts short has no end, and the next one begins a line of its own.
        os.write(descriptor, b"\n" + line.hex().encode() + b".")
    finally:
        os.close(descriptor)


def lines(path: Path) -> list[bytes]:
    """What ``append`` wrote."""
    written = path.read_text().splitlines() if path.exists() else []
    return [bytes.fromhex(line[:-1]) for line in written if line.endswith(".")]
