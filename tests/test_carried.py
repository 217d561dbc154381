"""Material that was handed over, and several materials as one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.manifest import Marking
from bridge.relying.finding import carried
from bridge.relying.finding.carried import Carried
from bridge.relying.finding.material import Material
from bridge.relying.finding.several import Several
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import BudgetSpent, PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from ca.errors import BadInput
from ca.wire.facts import read_certificate
from tests.relying_world import AT, DAY, GPKI_POLICY, World


def everything(world: World) -> tuple[list[bytes], list[bytes]]:
    certificates = [cross.der() for cross in world.crosses.values()]
    return certificates, [one.der() for found in world.lists.values() for one in found]


def bag(world: World, **more: object) -> Carried:
    certificates, lists = everything(world)
    return Carried(certificates=certificates, lists=lists, **more)


def trust(world: World, marking: Marking = Marking.TEST) -> Trust:
    return Trust((world.anchor.der(),), frozenset({GPKI_POLICY}), marking)


def verdict(world: World, material: Material, marking: Marking = Marking.TEST) -> Reason | None:
    try:
        verify(world.holder.der(), material, trust(world, marking), AT)
    except PathRejected as rejected:
        return rejected.reason
    return None


def test_a_bag_says_what_the_folder_says(tmp_path: Path) -> None:
    world = World()
    folder = Snapshot.read(world.publish(tmp_path))
    for material in (folder, bag(world), Several(folder, bag(world)), Several(bag(world), folder)):
        path = verify(world.holder.der(), material, trust(world), AT)
        assert [one.number for one in path.lists] == [1, 1, 1]
        assert [one.step for one in path.lists] == [1, 2, 3]
        assert all(one.der in everything(world)[1] for one in path.lists)
    assert [one.generation for one in verify(world.holder.der(), bag(world), trust(world), AT).lists] == [
        None
    ] * 3


def test_the_newest_list_of_the_moment_speaks() -> None:
    world = World()
    world.later_list(
        "jpki-13.g1", "signature-131016", this_update=AT - DAY / 8, revoked={0x3001: (AT - DAY, None)}
    )
    assert verdict(world, bag(world)) is Reason.REVOKED
    assert verdict(World(), bag(World())) is None


def test_what_cannot_be_read_is_said_where_nothing_else_helps() -> None:
    world = World()
    certificates, lists = everything(world)
    garbage = b"\x30\x00"
    assert verdict(world, Carried(certificates=[garbage, *certificates], lists=[garbage, *lists])) is None
    for material in (
        Carried(certificates=[garbage], lists=lists),
        Carried(certificates=[garbage, certificates[0]]),
    ):
        assert verdict(world, material) is Reason.UNREADABLE
    with pytest.raises(PathRejected, match="carried list 1"):
        verify(world.holder.der(), Carried(certificates=certificates, lists=[garbage]), trust(world), AT)


def test_a_list_of_100_megabytes_is_not_read() -> None:
    world = World()
    certificates, _ = everything(world)
    with pytest.raises(PathRejected, match="octets; 1 to") as caught:
        verify(
            world.holder.der(),
            Carried(certificates=certificates, lists=[bytes(100_000_000)]),
            trust(world),
            AT,
        )
    assert caught.value.reason is Reason.CANNOT_TELL


def test_a_bag_holds_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "CARRIED_LIMIT", 2)
    certificates, lists = everything(World())
    with pytest.raises(BadInput, match="2 are looked at"):
        Carried(certificates=certificates, lists=lists)


@pytest.mark.parametrize(
    ("markings", "whole"),
    [
        ((), None),
        ((None, None), None),
        ((None, Marking.PRODUCTION), Marking.PRODUCTION),
        ((Marking.PRODUCTION, Marking.TEST, None), Marking.TEST),
    ],
)
def test_one_test_world_marks_all(markings: tuple[Marking | None, ...], whole: Marking | None) -> None:
    several = Several(*(Carried(marking=marking) for marking in markings))
    assert several.marking is whole
    assert verdict(World(), several, Marking.PRODUCTION) in (Reason.NO_PATH, Reason.TEST_WORLD)


def test_the_same_comes_once() -> None:
    world = World()
    one = bag(world)
    holder = read_certificate(world.holder.der(), "holder")
    issuer = read_certificate(world.to_prefecture.der(), "issuer")
    several = Several(one, bag(world), Carried(certificates=[b"\x30\x00"]), one)
    readings = list(several.issuers(holder))
    assert [read().serial for read in readings[:1]] == [0x2001]
    assert len(readings) == 2  # the other is the one that cannot be read
    with pytest.raises(BadInput):
        readings[1]()
    assert len(list(several.lists(holder, issuer, AT))) == len(list(one.lists(holder, issuer, AT))) == 3
    (found, *_) = one.lists(holder, issuer, AT)
    assert len(list(several.signers(found()))) == 1
    assert several.generation_of(issuer) is None


class Failing(Carried):
    """A source that fails in one way whenever it is asked."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        super().__init__()
        self._error = error

    def _fail(self, *_: object):
        def read():
            raise self._error()

        return [read]

    issuers = lists = answers = signers = deltas = _fail


@pytest.mark.parametrize("first", [True, False])
def test_a_source_that_fails_leaves_the_others(*, first: bool) -> None:
    world = World()
    failing = Failing(lambda: BadInput("http://down.example/", "cannot be reached"))
    order = (failing, bag(world)) if first else (bag(world), failing)
    assert verdict(world, Several(*order)) is None
    assert verdict(world, Several(failing, Carried(certificates=everything(world)[0]))) is Reason.CANNOT_TELL
    assert verdict(world, failing) is Reason.UNREADABLE


def test_a_source_whose_limit_is_reached_ends_it() -> None:
    world = World()
    failing = Failing(lambda: BudgetSpent("the source", "has waited as long as it may", limit="seconds"))
    assert verdict(world, Several(failing, bag(world))) is Reason.CANNOT_TELL
