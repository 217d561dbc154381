"""The end of retention: of a holder whose certificates are long over nothing is left in clear, and nothing breaks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ca.chance import SystemChance
from ca.errors import ArchiveDestroyed, StorageFailed
from ca.issuing.approval import begin_batch
from ca.issuing.batch import BatchIssuer, BatchRow
from ca.issuing.retention import RetentionEnded, end_retention
from ca.model import HOLDER_KINDS, CertificateId, CertificateKind, RevocationReason
from ca.revoking.assurance.story import story
from ca.revoking.deciding.by_hand import revoke
from ca.rules.registration import State
from ca.store import applications, certificates, inventory, retention
from ca.store.search import search
from front.assembly import open_world
from front.batches import results
from tests import engine_world as worlds
from tests.api_world import api_world
from tests.commands import done, run
from tests.console_world import PERSON
from tests.engine_world import (
    NOW,
    POST,
    RESIDENT,
    TOWN,
    EngineWorld,
    copy_of,
    csr_for,
    engine_world,
    put_back,
)

ENDED = datetime(2035, 1, 1, tzinfo=UTC)
LATER = datetime(2045, 1, 1, tzinfo=UTC)
SOON = NOW + timedelta(days=1)
NOTE = "架橋さんの申請は重複"
LAYOUTS = [
    pytest.param(worlds.FILES, id="one file"),
    pytest.param(worlds.OWN, id="two files"),
    pytest.param(worlds.SERVER, id="a server", marks=pytest.mark.long),
    pytest.param(worlds.OWN_FILE, id="a server and a file", marks=pytest.mark.long),
]


@pytest.fixture(params=LAYOUTS)
def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[EngineWorld]:
    monkeypatch.setattr(worlds, "layout", request.param)
    with engine_world(tmp_path / "world", chance=SystemChance()) as made:
        yield made


def lived(world: EngineWorld) -> list[CertificateId]:
    """A resident's case, a post's, one that was refused, and a batch's row; one of the certificates is revoked."""
    issued = [one.id for one in world.issued().values()]
    issued += [one.id for one in world.issued(POST, (CertificateKind.OFFICIAL_POST,)).values()]
    refused = world.filed(code=worlds.CODE)
    world.registration.reject(refused.case.id, "window-2", at=NOW, note=NOTE)
    batch = begin_batch(world.stores, "b" * 64, 1, approver="centre-1", operator="operator", at=NOW)
    row = BatchRow(1, RESIDENT, b"\1" * 32, None, tuple(world.csrs(CertificateKind.SIGNATURE).items()))
    assert (
        BatchIssuer(world.issuers, world.plan.municipalities, world.chance, batch)
        .issue([row], NOW)
        .certificates
    )
    revoke(world.stores, issued[0], RevocationReason.KEY_COMPROMISE, "operator", at=SOON)
    return issued


def personal() -> dict[str, bytes]:
    """What nobody may find, in the forms in which it lies about."""
    born = RESIDENT.birth_date
    texts = {
        "name": RESIDENT.name,
        "sought name": "".join(unicodedata.normalize("NFKC", RESIDENT.name).split()),
        "address": RESIDENT.address,
        "birth date": str(born),
        "birth date of certificates": f"{born.year:04}{born.month:02}{born.day:02}",
        "post": POST.post,
        "note": NOTE,
    }
    return {
        f"{name} {form}": text.encode(form) for name, text in texts.items() for form in ("utf-8", "utf-16-be")
    }


def found_in(world: EngineWorld) -> set[str]:
    """Where what is personal is found: in every octet of every file of the home, and every value of a server's."""
    wanted, found = personal(), set[str]()
    for path in sorted(world.folder.rglob("*")):
        if path.is_file():
            octets = path.read_bytes()
            found |= {f"{name} in {path.name}" for name, text in wanted.items() if text in octets}
    for table, rows in world.dump().items():
        for value in (value for row in rows for value in row if isinstance(value, bytes | str)):
            octets = value if isinstance(value, bytes) else value.encode()
            found |= {f"{name} in {table}" for name, text in wanted.items() if text in octets}
    return found


def names_of(found: set[str]) -> set[str]:
    return {name.partition(" utf")[0] for name in found}


def test_no_octet_of_the_home_tells_of_a_holder_whose_time_is_over(world: EngineWorld) -> None:
    issued = lived(world)
    assert names_of(found_in(world)) == {name.partition(" utf")[0] for name in personal()}, (
        "what is looked for is there"
    )
    revoked = [row for name, rows in world.dump().items() if name.endswith(" revocations") for row in rows]
    ended = end_retention(world.stores, ENDED, LATER)
    assert (ended.certificates, ended.cases) == (4, 3)
    assert ended.bodies >= 4
    assert found_in(world) == set()
    assert world.stores.journal.verify().count == world.stores.journal.head().count
    # What the world still has to say of them.
    assert revoked == [
        row for name, rows in world.dump().items() if name.endswith(" revocations") for row in rows
    ]
    records = world.stores.certificates(issued)
    assert [one.id for one in records] == issued
    assert {one.encoded for one in records} == {b""}
    with pytest.raises(ArchiveDestroyed, match=r"its bytes were destroyed when their time was over"):
        records[0].require_encoded()


def test_done_again_it_finds_nothing_more(world: EngineWorld) -> None:
    lived(world)
    first = end_retention(world.stores, ENDED, LATER)
    whole = rows_of(world)
    assert end_retention(world.stores, ENDED, LATER) == RetentionEnded(first.bodies, 0, 0)
    assert rows_of(world) == whole


def rows_of(world: EngineWorld) -> dict[str, list[tuple[object, ...]]]:
    """What the databases say, but for how far they have followed the journal."""
    return {
        name: [row for row in rows if row[0] != "journal-applied"]
        for name, rows in world.dump().items()
        if not name.endswith(" marks")
    }


def test_what_ends_later_stays(world: EngineWorld) -> None:
    issued = lived(world)
    ends = sorted(one.period.not_after for one in world.stores.certificates(issued))
    assert ends[0] < ends[-1]
    ended = end_retention(world.stores, ends[-1], LATER)
    assert 0 < ended.certificates < 4
    kept = [one for one in world.stores.certificates(issued) if one.encoded]
    assert {one.period.not_after for one in kept} == {ends[-1]}
    with world.store.reading() as connection:
        for one in kept:
            assert one.application is not None
            assert applications.find(connection, one.application).applicant is not None, (
                "its case is needed yet"
            )


def test_an_old_copy_forgets_what_had_its_time(world: EngineWorld) -> None:
    """Whether it has the certificates or lacks them; every serial is known again, and every revocation."""
    copies = [{store: copy_of(store) for store in world.stores.each()}]
    issued = lived(world)
    copies.append({store: copy_of(store) for store in world.stores.each()})
    end_retention(world.stores, ENDED, LATER)
    whole = rows_of(world)
    for copy in copies:
        for store, rows in copy.items():
            put_back(store, rows)
        world.stores.catch_up()
        assert names_of(found_in_rows(world)) == set()
        for store in world.stores.each():
            with store.reading() as connection:
                assert certificates.intended(connection) == []
        assert [one.id for one in world.stores.certificates(issued)] == issued
        found = rows_of(world)
        for name in whole:
            if name.split()[1] in {"certificates", "certificate_bytes", "revocations", "holdings"}:
                assert found[name] == whole[name]
    assert found == whole, "the newer copy has its cases too"


def found_in_rows(world: EngineWorld) -> set[str]:
    wanted, found = personal(), set[str]()
    for table, rows in world.dump().items():
        for value in (value for row in rows for value in row if isinstance(value, bytes | str)):
            octets = value if isinstance(value, bytes) else value.encode()
            found |= {f"{name} in {table}" for name, text in wanted.items() if text in octets}
    return found


@pytest.mark.parametrize("step", ["forget_certificates", "forget_cases"])
def test_what_a_death_leaves_the_same_again_does(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    lived(world)

    def dies(*_: object) -> None:
        raise StorageFailed("disk", "is full")

    with monkeypatch.context() as patch:
        patch.setattr(retention, step, dies)
        with pytest.raises(StorageFailed):
            end_retention(world.stores, ENDED, LATER)
    assert found_in(world)
    end_retention(world.stores, ENDED, LATER)
    assert found_in(world) == set()


def test_what_is_asked_of_a_forgotten_case_is_answered(world: EngineWorld) -> None:
    issued = lived(world)
    end_retention(world.stores, ENDED, LATER)
    (record,) = world.stores.certificates(issued[:1])
    assert results._found({record.id: record}, record.id) == ("destroyed", b"")
    told = story(world.stores, world.repository, issued[0])
    assert "revoked" in " ".join(step.what for step in told.steps)
    with world.store.reading() as connection:
        case = applications.find(connection, f"{TOWN}-000001")
        assert (case.applicant, case.reception, case.card_expires) == (None, None, None)
        assert (case.case.state, case.certificates) == (State.ISSUED, tuple(issued[:2]))
        with pytest.raises(
            ArchiveDestroyed, match=r"its particulars were destroyed when their time was over"
        ):
            case.require_applicant()
        assert search(connection, None, words=RESIDENT.name).cases == ()
        listed = search(connection, None, words="").cases
        assert {(one.case.id, one.applicant) for one in listed} >= {(f"{TOWN}-000001", None)}


def test_who_asks_by_machine_is_told_what_is_left(tmp_path: Path) -> None:
    with api_world(tmp_path / "world") as api:
        case = api.issued(api.resident())
        before = api.get(f"/cases/{case}", "window").json
        years = timedelta(days=365 * 20)
        end_retention(api.local.stores, api.local.at + years, api.local.at + 2 * years)
        after = api.get(f"/cases/{case}", "window").json
        assert [one["pem"] for one in after["certificates"]] == [None, None]
        for answer in (before, after):
            for one in answer["certificates"]:
                one.pop("pem")
        assert after == before


def test_an_inventory_counts_what_is_left(world: EngineWorld) -> None:
    lived(world)
    end_retention(world.stores, ENDED, LATER)
    with world.stores.reading() as reading:
        counted = sum((inventory._read(one, LATER, None) for one in reading.each()), inventory.Counted())
    keys = {(kind, key) for (_, kind, _, _, key) in counted if kind in HOLDER_KINDS}
    assert keys == {(kind, inventory.DESTROYED) for kind, _ in keys}
    assert len(keys) == 3


def test_commands_show_and_write_what_is_left(staffed_world: Path, tmp_path: Path) -> None:
    """The command itself, over a home; what a case's files cannot be made of any more is said."""
    with open_world(staffed_world, lambda: "") as home:
        desk, at = home.registration, home.clock()
        csrs = {CertificateKind.SIGNATURE: csr_for(7)}
        case = desk.file("sato", PERSON, csrs, code=worlds.CODE, at=at).case.id
        desk.examine(case, "suzuki", at=at)
        desk.approve(case, "tanaka", at=at)
        (issued,) = desk.issue(case, "ito", at=at)
        certificate = str(issued.id)
    late = ("--home", staffed_world, "--clock", "2060-01-01T00:00Z")
    told = done(run("archive", "destroy", "--before", "2049-12-31T00:00:00Z", "--json", *late)).json
    assert (told["certificates_emptied"], told["cases_emptied"]) == (1, 1)
    (row,) = done(run("case", "show", case, "--out", tmp_path / "out", "--json", *late)).json["certificates"]
    assert (row["certificate"], row["file"]) == (certificate, "destroyed when its time was over")
    assert list((tmp_path / "out").iterdir()) == []
    assert case in done(run("case", "list", *late)).stdout
    done(run("explain", certificate, *late))
    done(run("inventory", *late))
    done(run("journal", "replay", *late))
