"""Cross-certificates between given keys: what is in force is enough if it lasts, and an order tells of what was made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.crossing.rekeying import CrossOrder, certify, certify_all
from ca.errors import Conflict
from ca.issuing.succession import Succession
from ca.model import GenerationId, Period
from ca.rules.generations import Step
from ca.rules.validity import day_end, japanese_day
from ca.store import agreements, authorities
from tests.engine_world import NOW, EngineWorld, engine_world, preload

preload(__name__)
LATER = NOW + timedelta(days=20)
BRIDGE, OTHER, NEW = (GenerationId.parse(text) for text in ("jpki-bridge.g1", "gpki-bca.g1", "jpki-31.g2"))
ORDER = CrossOrder("renewal", ("operator", "operator-2"))
STEPS = (Step.PLAN, Step.MAKE_KEY, Step.NEW_WITH_NEW, Step.NEW_WITH_OLD, Step.OLD_WITH_NEW, Step.SERVE_STATUS)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    """A world in which a key is about to take over, and nobody certifies it yet."""
    with engine_world(tmp_path / "world") as made:
        succession = Succession(made.issuers, made.plan.municipalities, made.chance)
        for step in STEPS:
            succession.take(step, NEW, at=LATER)
        yield made


def lasting(days: int) -> Period:
    return Period(LATER.replace(microsecond=0), day_end(japanese_day(LATER) + timedelta(days=days)))


def crosses(world: EngineWorld) -> int:
    with world.stores.nation.reading() as connection:
        return len(authorities.crosses(connection))


def told(world: EngineWorld, name: str) -> list[str] | None:
    with world.stores.nation.reading() as connection:
        found = agreements.renewal(connection, name)
    return None if found is None else [str(step.certificate) for step in found.steps]


def test_what_is_in_force_is_enough_if_it_lasts_as_long(world):
    def made(days: int | None) -> str:
        period = None if days is None else lasting(days)
        return str(certify(world.issuers, world.plan, BRIDGE, NEW, period, chance=world.chance, at=LATER).id)

    short, there = made(9), crosses(world)
    assert (made(9), made(5), made(None), crosses(world)) == (short, short, short, there)
    longer = made(20)
    assert longer != short
    assert (made(20), made(15), made(None), crosses(world)) == (longer, longer, longer, there + 1)


def test_an_order_has_what_was_made_by_it_and_none_is_written_for_nothing(world):
    def made(days: int) -> list[str]:
        ends = [(BRIDGE, NEW), (BRIDGE, OTHER)]
        done = certify_all(
            world.issuers, world.plan, ends, lasting(days), chance=world.chance, at=LATER, order=ORDER
        )
        return [str(one.id) for one in done]

    first, founded = made(9)
    assert told(world, "renewal") == [first], "the other one was there, and lasts"
    assert made(9) == [first, founded]
    assert told(world, "renewal-2") is None
    longer, _ = made(30)
    assert told(world, "renewal-2") == [longer]


def test_of_several_none_is_made_if_one_may_not_be(world):
    there = crosses(world)
    ends = [(BRIDGE, NEW), (NEW, BRIDGE)]
    with pytest.raises(Conflict, match="signs no cross certificate there"):
        certify_all(world.issuers, world.plan, ends, chance=world.chance, at=LATER, order=ORDER)
    assert (crosses(world), told(world, "renewal")) == (there, None)
    with pytest.raises(Conflict, match="is none of the edition's"):
        certify(world.issuers, world.plan, NEW, OTHER, chance=world.chance, at=LATER)
