"""The publish gate over a real database and folder: rows that somebody altered, files that were lost or put back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.repository.contents import publish_lists
from bridge.repository.layout import delta_path
from ca.errors import ListBlocked
from ca.model import FULL, CertificateId, Revocation, RevocationReason, Scope, Serial
from ca.profiles.practice import ListPractice
from ca.revoking.deciding import mass
from ca.revoking.lists.publication import publish_changes
from ca.revoking.lists.releasing import kept_back, release
from ca.rules.list_changes import Block, Jump
from ca.store.orders import By, Selection
from ca.store.tables import revocations
from ca.wire.lists import encode_entry
from tests.engine_world import NOW, OWN, TOWN, EngineWorld, engine_world
from tests.test_publication import (
    HOUR,
    PARTITION,
    SIGNATURE,
    TOTTORI,
    end,
    list_file,
    number_of,
    practise,
    publish_now,
    serials_in,
    tree,
)

HOLD, LIFTED = RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def ended(world: EngineWorld, count: int = 3, at: datetime = NOW) -> list[CertificateId]:
    """So many signature certificates of the town, ended for good."""
    found = [world.issued(kinds=(SIGNATURE,))[SIGNATURE].id for _ in range(count)]
    for one in found:
        end(world, one, at=at)
    return found


def altered(world: EngineWorld, statement: str, serial: Serial) -> None:
    """The row of a revocation, as somebody wrote over it."""
    with world.store.writing() as connection:
        connection.execute(text(f"{statement} WHERE serial = :serial"), {"serial": serial.octets})


def forgotten(world: EngineWorld, serial: Serial) -> None:
    altered(world, "DELETE FROM revocations", serial)


def blocked(world: EngineWorld, *scopes: Scope, hours: int, words: str | None = None) -> Block:
    """Why the lists of these scopes are kept back; what relying parties get stays as it is."""
    before = tree(world.repository.folder)
    with pytest.raises(ListBlocked, match=words) as caught:
        publish_now(world, *scopes, at=NOW + hours * HOUR)
    assert tree(world.repository.folder) == before
    return Block(caught.value.reason)


def entries(world: EngineWorld, scope: Scope = PARTITION) -> list[int]:
    return serials_in(list_file(world, scope))


# Rows of revocations that were altered.

ALTERED = {
    "let go of what was no hold": "UPDATE revocations SET reason = 8",
    "let go of it since the last list": "UPDATE revocations SET reason = 8, sequence = 99",
    "expired by the revocation's row alone": "UPDATE revocations SET not_after = 1300000000000000",
    "of another list": "UPDATE revocations SET scope = 'signature-312029'",
    "gone": "DELETE FROM revocations",
}


@pytest.mark.parametrize("scope", [PARTITION, FULL])
@pytest.mark.parametrize("statement", ALTERED.values(), ids=ALTERED.keys())
def test_an_end_stays_whatever_its_row_says(world: EngineWorld, scope: Scope, statement: str) -> None:
    first, *_ = ended(world)
    publish_now(world, scope)
    publish_now(world, scope, at=NOW + 60 * HOUR)
    altered(world, statement, first.serial)
    if scope == FULL and "scope" in statement:
        publish_now(world, scope, at=NOW + 90 * HOUR)
        assert len(entries(world, scope)) == 3, "it says so all the same"
    else:
        assert blocked(world, scope, hours=90) == Block.MISSING_ENTRY


@pytest.mark.parametrize("said", [None, LIFTED, HOLD], ids=["nothing", "let go", "a hold"])
@pytest.mark.parametrize("hours", [4, 31], ids=["of the same base", "of the next base"])
@pytest.mark.parametrize("alone", [False, True], ids=["with its complete list", "alone"])
def test_nor_does_a_delta_list_say_less_of_an_end(
    world: EngineWorld, said: RevocationReason | None, hours: int, *, alone: bool
) -> None:
    """Of one that delta lists alone have said so far, since the complete list pauses."""
    practise(world, ListPractice(delta=True, full_pause=timedelta(days=300)))
    publish_now(world, FULL)
    publish_now(world, FULL, at=NOW + HOUR)
    (first,) = ended(world, 1, at=NOW + 2 * HOUR)
    publish_changes(world.issuers, world.repository, at=NOW + 3 * HOUR)
    delta = world.repository.folder / delta_path(TOTTORI, FULL)
    assert (len(serials_in(delta)), entries(world, FULL)) == (1, [])
    if said is None:
        forgotten(world, first.serial)
    else:
        row = revocations.c.serial == first.serial.octets
        entry = encode_entry(Revocation(first.serial, (NOW + 2 * HOUR).replace(microsecond=0), said))
        with world.store.writing() as connection:
            connection.execute(revocations.update().where(row).values(reason=said, entry=entry))
    ended(world, 1, at=NOW + 3 * HOUR)
    before = delta.read_bytes()
    publish_next = partial(publish_changes, world.issuers, world.repository)
    with pytest.raises(ListBlocked):
        (publish_next if alone else partial(publish_now, world, FULL))(at=NOW + hours * HOUR)
    assert delta.read_bytes() == before
    (why,) = (row.reason for row in kept_back(world.stores) if row.scope == FULL)
    assert why == (Block.MISSING_ENTRY if said is None else Block.REASON_CHANGED)


def test_a_lifted_hold_goes_and_an_expired_certificate_too(world: EngineWorld) -> None:
    issued = [world.issued(kinds=(SIGNATURE,))[SIGNATURE] for _ in range(2)]
    ends = issued[0].record.period.not_after
    end(world, issued[0].id, HOLD)
    end(world, issued[1].id)
    publish_now(world, PARTITION, FULL)
    altered(world, "UPDATE revocations SET reason = 8", issued[0].id.serial)
    publish_now(world, PARTITION, FULL, at=NOW + HOUR)
    assert [len(entries(world, scope)) for scope in (PARTITION, FULL)] == [1, 1]
    for hours in (1, 100, 200):
        publish_now(world, PARTITION, FULL, at=ends + hours * HOUR)
    assert [entries(world, scope) for scope in (PARTITION, FULL)] == [[], []]


# Files that were lost, or put back.


def lost(path: Path) -> None:
    path.unlink()


def older(path: Path) -> None:
    first = min(path.with_suffix("").iterdir(), key=lambda file: int(file.stem))
    path.unlink()
    shutil.copy(first, path)


def damaged(path: Path) -> None:
    octets = path.read_bytes()
    path.unlink()
    path.write_bytes(octets[:-1])


def twice_published(world: EngineWorld) -> list[CertificateId]:
    """Three have ended: the first list says one of them, the second all."""
    found = ended(world, 1)
    publish_now(world, PARTITION)
    found += ended(world, 2)
    publish_now(world, PARTITION, at=NOW + HOUR)
    assert len(entries(world)) == 3
    return found


@pytest.mark.parametrize(
    ("change", "block"),
    [(lost, Block.MISSING_ENTRY), (older, Block.LAST_UNFIT), (damaged, Block.LAST_UNFIT)],
)
def test_a_list_that_lacks_an_entry_is_kept_back_whatever_lies_there(
    world: EngineWorld, change: Callable[[Path], None], block: Block
) -> None:
    """The last one lies under its number still."""
    _, second, _ = twice_published(world)
    forgotten(world, second.serial)
    change(list_file(world, PARTITION))
    assert blocked(world, PARTITION, hours=2) == block
    # Nor does a worker's round make it.
    with pytest.raises(ListBlocked):
        publish_lists(world.issuers, TOTTORI, world.repository, at=NOW + 3 * HOUR)
    assert [(row.scope, row.reason, row.jump) for row in kept_back(world.stores)] == [
        (PARTITION, block, None)
    ]


def test_an_older_list_in_its_place_is_told_though_nothing_is_missing(world: EngineWorld) -> None:
    twice_published(world)
    path = list_file(world, PARTITION)
    newest = path.read_bytes()
    older(path)
    words = f"number {number_of(path)} lies where .* get the newest; [0-9]* was placed, and has its own copy"
    assert blocked(world, PARTITION, hours=2, words=words) == Block.LAST_UNFIT
    path.write_bytes(newest)  # what the remedy says
    publish_now(world, PARTITION, at=NOW + 3 * HOUR)
    assert (len(entries(world)), kept_back(world.stores)) == (3, [])


def test_a_list_that_is_lost_is_made_anew(world: EngineWorld) -> None:
    twice_published(world)
    list_file(world, PARTITION).unlink()
    publish_lists(world.issuers, TOTTORI, world.repository, at=NOW + 2 * HOUR)
    assert (len(entries(world)), kept_back(world.stores)) == (3, [])


def test_of_an_older_database_too_the_newest_file_counts(world: EngineWorld) -> None:
    """A backup was put back: database and newest lists, and what came later lies under its number alone."""
    _, second, _ = twice_published(world)
    with world.store.writing() as connection:
        connection.execute(text("DELETE FROM lists WHERE number = (SELECT max(number) FROM lists)"))
    older(list_file(world, PARTITION))
    forgotten(world, second.serial)
    assert blocked(world, PARTITION, hours=2) == Block.MISSING_ENTRY


@pytest.mark.parametrize("left", [b"", b"0" * 100], ids=["nothing", "no list"])
def test_what_power_cut_short_under_a_number_is_no_list(world: EngineWorld, left: bytes) -> None:
    _, second, _ = twice_published(world)
    path = list_file(world, PARTITION)
    torn = path.with_suffix("") / f"{number_of(path) + 5}.crl"
    torn.write_bytes(left)
    (path.with_suffix("") / "notes.txt").touch()
    made = publish_now(world, PARTITION, at=NOW + HOUR)
    assert made[0].number > int(torn.stem)
    assert len(entries(world)) == 3
    forgotten(world, second.serial)
    assert blocked(world, PARTITION, hours=2) == Block.MISSING_ENTRY


# Every copy is lost.


def all_lost(world: EngineWorld) -> None:
    path = list_file(world, PARTITION)
    path.unlink()
    shutil.rmtree(path.with_suffix(""))


def test_a_list_that_is_lost_in_every_copy_waits_for_two_officers(world: EngineWorld) -> None:
    """They see that it has less than it had, and that nobody can tell which."""
    _, second, _ = twice_published(world)
    forgotten(world, second.serial)
    all_lost(world)
    assert blocked(world, PARTITION, hours=2, words="which had 3 entries, is lost") == Block.LAST_LOST
    (row,) = kept_back(world.stores)
    assert row.jump == Jump(last=0, sequence=3, new=0, changed=0, gone=1)
    release(world.stores, TOTTORI, PARTITION, "operator")
    assert blocked(world, PARTITION, hours=3) == Block.LAST_LOST
    release(world.stores, TOTTORI, PARTITION, "operator-2")
    publish_lists(world.issuers, TOTTORI, world.repository, at=NOW + 4 * HOUR)
    assert (len(entries(world)), kept_back(world.stores)) == (2, [])
    # It was for that one list.
    all_lost(world)
    assert blocked(world, PARTITION, hours=5) == Block.LAST_LOST


def test_an_older_copy_is_no_last_list(world: EngineWorld) -> None:
    """What is left is of before the last one: nothing tells what that one had more."""
    _, second, _ = twice_published(world)
    forgotten(world, second.serial)
    path = list_file(world, PARTITION)
    number = number_of(path)
    older(path)
    (path.with_suffix("") / f"{number}.crl").unlink()
    assert blocked(world, PARTITION, hours=2) == Block.LAST_LOST


def test_a_copy_from_a_mirror_needs_no_release(world: EngineWorld) -> None:
    twice_published(world)
    path = list_file(world, PARTITION)
    mirrored = path.read_bytes()
    all_lost(world)
    assert blocked(world, PARTITION, hours=2) == Block.LAST_LOST
    path.write_bytes(mirrored)
    publish_lists(world.issuers, TOTTORI, world.repository, at=NOW + 3 * HOUR)
    assert (len(entries(world)), kept_back(world.stores)) == (3, [])


def test_a_delta_list_that_is_lost_comes_again_with_its_complete_list(world: EngineWorld) -> None:
    practise(world, ListPractice(delta=True, full_pause=timedelta(days=300)))
    publish_now(world, FULL)
    publish_now(world, FULL, at=NOW + HOUR)
    ended(world, 1, at=NOW + 2 * HOUR)
    delta = world.repository.folder / delta_path(TOTTORI, FULL)
    older_delta = delta.read_bytes()

    def changes(hours: int) -> list[tuple[bool, int]]:
        made = publish_changes(world.issuers, world.repository, at=NOW + hours * HOUR)
        return [(one.base is not None, one.entries) for one in made if one.scope == FULL]

    assert changes(3) == [(True, 1)], "the complete one pauses"
    delta.write_bytes(older_delta)
    ended(world, 1, at=NOW + 4 * HOUR)
    with pytest.raises(ListBlocked, match="was placed") as caught:
        changes(5)
    assert caught.value.reason == Block.LAST_UNFIT
    delta.unlink()
    made = publish_lists(world.issuers, TOTTORI, world.repository, at=NOW + 6 * HOUR)
    assert [(one.base is not None, one.entries) for one in made if one.scope == FULL] == [
        (False, 2),
        (True, 2),
    ]


# Too much at once.


def test_a_towns_list_goes_a_tenth_as_far_as_any_list(world: EngineWorld) -> None:
    practise(world, ListPractice(usual_changes=20))
    publish_now(world, PARTITION, FULL)
    ended(world, 3)
    publish_now(world, FULL, at=NOW + HOUR)
    assert blocked(world, PARTITION, hours=1, words="3 entries are new.*; 2 are usual") == Block.MASS_JUMP


def by_order(world: EngineWorld, number: int) -> None:
    """Whatever has ended says that this order ended it."""
    with world.store.writing() as connection:
        connection.execute(revocations.update().values(cause=f"order {number}"))


def test_what_says_it_was_ordered_is_believed_of_approved_orders_alone(world: EngineWorld) -> None:
    practise(world, ListPractice(usual_changes=10))
    publish_now(world, PARTITION)
    ended(world, 4)
    by_order(world, 99)
    assert blocked(world, PARTITION, hours=1) == Block.MASS_JUMP, "there is no such order"
    town = Selection(By.MUNICIPALITY, TOWN)
    number = mass.make(world.stores, mass.propose(world.stores, town, HOLD, "operator", at=NOW)).number
    by_order(world, number)
    assert blocked(world, PARTITION, hours=1) == Block.MASS_JUMP, "nobody has approved it"
    order, _ = mass.approve(world.stores, number, "operator-2", at=NOW)
    assert order.found == 4
    publish_now(world, PARTITION, at=NOW + HOUR)
    ended(world, 6)
    by_order(world, number)
    words = "6 entries are new.*; 5 are usual"
    assert blocked(world, PARTITION, hours=2, words=words) == Block.MASS_JUMP, "it was about four"


def test_an_order_that_was_given_up_announces_nothing(world: EngineWorld) -> None:
    practise(world, ListPractice(usual_changes=10))
    publish_now(world, PARTITION)
    ended(world, 4)
    town = Selection(By.MUNICIPALITY, TOWN)
    number = mass.make(world.stores, mass.propose(world.stores, town, HOLD, "operator", at=NOW)).number
    mass.approve(world.stores, number, "operator-2", at=NOW)
    mass.cancel(world.stores, number, "operator", at=NOW)
    by_order(world, number)
    assert blocked(world, PARTITION, hours=1) == Block.MASS_JUMP


def test_an_order_is_known_where_the_authority_has_a_database_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.engine_world.layout", OWN)
    with engine_world(tmp_path / "apart") as world:
        practise(world, ListPractice(usual_changes=10))
        publish_lists(world.issuers, TOTTORI, world.repository, at=NOW)
        for _ in range(4):
            world.issued(kinds=(SIGNATURE,))
        town = Selection(By.MUNICIPALITY, TOWN)
        number = mass.make(world.stores, mass.propose(world.stores, town, HOLD, "operator", at=NOW)).number
        mass.approve(world.stores, number, "operator-2", at=NOW)
        mass.advance(world.stores, at=NOW + HOUR)
        publish_changes(world.issuers, world.repository, at=NOW + 2 * HOUR)
        assert len(entries(world)) == 4
        apart = world.stores.of(TOTTORI.authority)
        assert apart is not world.store
        list_file(world, PARTITION).unlink()
        publish_lists(world.issuers, TOTTORI, world.repository, at=NOW + 3 * HOUR)
        assert len(entries(world)) == 4
