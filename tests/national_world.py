"""A small seeded world of edition japan-2016: all its authorities, and the windows of three municipalities."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from bridge.crossing.edition import edition_text, municipalities_path, read_edition
from bridge.crossing.plan import Plan, make_plan
from bridge.crossing.world import WorldMaker
from bridge.manifest import Marking
from bridge.repository.folder import Repository
from ca.chance import SeededChance
from ca.issuing.cycle import IssuedCertificate
from ca.issuing.issuer import Issuers
from ca.keys.vault import TestVault
from ca.model import (
    LOCAL_KINDS,
    CertificateKind,
    LocalHolder,
    MunicipalityCode,
    OfficeId,
    Officer,
    OfficerId,
    Role,
)
from ca.names import Municipalities
from ca.store import officers
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.stores import Stores
from tests.engine_world import OFFICERS, SEED, TOWN, URL, EngineWorld, journal_of

BEGINS = datetime(2016, 1, 29, 0, 30, 15, tzinfo=UTC)
WINDOWS = (TOWN, MunicipalityCode("011061"), MunicipalityCode("131016"))
"""Tottori-shi, a ward of a designated city (Minami-ku of Sapporo), a special ward."""
LOCAL_OFFICERS = (
    ("local", "local-2", Role.RECEPTION),
    ("local-examiner", "local-2", Role.EXAMINER),
    ("second", "centre", Role.CENTRE_EXAMINER),
)
LOCAL = LocalHolder("City of Kakehashi", "General Affairs Division", "The Mayor")


@cache
def national_plan() -> Plan:
    """Edition japan-2016 with these windows alone."""
    place, octets = edition_text("japan-2016")
    edition = read_edition(octets, place)
    whole = Municipalities.read(municipalities_path(edition, place))
    few = Municipalities(
        {code: whole.rows[code] for code in WINDOWS}, {code: whole.point_name(code) for code in WINDOWS}
    )
    return make_plan(edition, Marking.TEST, URL, few, place)


@cache
def _template() -> tempfile.TemporaryDirectory[str]:
    kept = tempfile.TemporaryDirectory(prefix="kakehashi-tests-")
    folder = Path(kept.name)
    store = Store.open(sqlite_url(folder / "store.db"))
    migrate(store)
    plan = national_plan()
    vault = TestVault.make(folder / "keys", SEED)
    stores = Stores(store, journal_of(folder))
    WorldMaker(plan, stores, vault, SeededChance(SEED), BEGINS, lambda _: None).make()
    there = {office.id for office in plan.offices}
    with store.writing() as connection:
        for name, office, role in (*OFFICERS, *LOCAL_OFFICERS):
            if office in there:
                officers.add_officer(
                    connection, Officer(OfficerId(name), OfficeId(office), frozenset({role}))
                )
    store.close()
    return kept


@contextmanager
def national_world(folder: Path) -> Iterator[EngineWorld]:
    """A fresh world in this folder."""
    shutil.copytree(_template().name, folder, dirs_exist_ok=True)
    plan = national_plan()
    stores = Stores(Store.open(sqlite_url(folder / "store.db")), journal_of(folder))
    vault = TestVault.open(folder / "keys")
    issuers = Issuers(stores, vault, plan.practices)
    repository = Repository(folder / "repository")
    try:
        yield EngineWorld(folder, plan, stores, vault, issuers, repository, SeededChance(SEED))
    finally:
        stores.close()


def issue_local(world: EngineWorld) -> dict[CertificateKind, IssuedCertificate]:
    """The certificates of a local government, by kind."""
    desk = world.registration
    case = desk.file("local", LOCAL, world.csrs(*LOCAL_KINDS), code=None, at=BEGINS).case.id
    desk.examine(case, "local-examiner", at=BEGINS)
    desk.reexamine(case, "second", at=BEGINS)
    desk.approve(case, "centre-1", at=BEGINS)
    return {item.record.kind: item for item in desk.issue(case, "operator", at=BEGINS)}
