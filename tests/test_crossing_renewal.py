"""Renewals of many pairs by one order: what is made, that nothing is made twice, and what sudden death leaves behind."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.crossing.pairs import Half, all_halves, live, newest
from bridge.crossing.renewal import Renewing
from bridge.crossing.withdrawal import withdraw
from ca.errors import BadInput, Conflict, KeyRefused, NotFound, NotPermitted
from ca.issuing import cycle
from ca.issuing.succession import Succession
from ca.model import AuthorityId, CertificateId, GenerationId, RevocationReason
from ca.store import agreements, authorities, certificates
from ca.store.agreements import RenewalRecord
from ca.wire.cross_facts import read_cross
from ca.wire.facts import read_certificate
from tests import rings, sudden_death
from tests.engine_world import NOW, EngineWorld, Running, engine_world, lines, opened, preload
from tests.small_edition import PREFECTURES

preload(__name__)
FIRST, SECOND = "operator", "operator-2"
LATER = NOW + timedelta(days=20)
BRIDGE = AuthorityId("jpki-bridge")
TOTTORI = AuthorityId("jpki-31")
NATION = tuple(f"{number:02}" for number in range(1, 48))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def renewing(world: EngineWorld) -> Renewing:
    return Renewing(world.issuers, world.plan, world.chance)


def everything(_: Half) -> bool:
    return True


def of_bridge(half: Half) -> bool:
    return BRIDGE in {half.issuer.authority, half.subject.authority}


def ordered(world: EngineWorld, name: str = "2014-09") -> RenewalRecord:
    steps = renewing(world).propose(name, everything, LATER)
    return renewing(world).order(name, steps, FIRST, SECOND, at=LATER)


def halves(world: EngineWorld) -> list[Half]:
    with world.stores.reading() as reading:
        return all_halves(reading)


def encoded(world: EngineWorld, certificate: CertificateId) -> bytes:
    (record,) = world.stores.certificates([certificate])
    return record.encoded


def test_a_proposal_has_both_halves_of_every_pair_and_changes_nothing(world):
    before = world.dump()
    steps = renewing(world).propose("2014-09", everything, LATER)
    pairs = [(str(step.certificate.generation.authority), str(step.subject.authority)) for step in steps]
    assert pairs == [(plan.issuer, plan.subject) for plan in world.plan.crosses]
    assert {step.replaces for step in steps} == {half.certificate for half in halves(world)}
    assert steps == renewing(world).propose("2014-09", everything, LATER)
    assert world.dump() == before


def test_renewed_certificates_say_what_the_old_ones_say(world):
    order = ordered(world)
    done = list(renewing(world).run(order, at=LATER))
    assert [one.step for one in done] == list(order.steps)
    assert not any(one.was_there or one.failure for one in done)
    for step in order.steps:
        old, new = (
            read_certificate(encoded(world, which), str(which)) for which in (step.replaces, step.certificate)
        )
        assert (new.issuer, new.subject, new.public_key) == (old.issuer, old.subject, old.public_key)
        assert read_cross(new.extensions, "new") == read_cross(old.extensions, "old")
        assert [one.oid for one in new.extensions] == [one.oid for one in old.extensions]
        assert new.serial != old.serial
        assert new.not_before == LATER
        assert new.not_after == old.not_after, "the keys' own certificates end both"
    with world.stores.reading() as reading:
        current = authorities.current_crosses(reading.nation)
        assert set(current.values()) == {step.certificate for step in order.steps}
        crosses = [made for _, made in authorities.crosses(reading.nation)]
    assert len(crosses) == 2 * len(order.steps)
    assert set(crosses[: len(order.steps)]) == {step.replaces for step in order.steps}, "by notBefore"


def test_a_renewal_that_is_done_is_done(world):
    order = ordered(world)
    list(renewing(world).run(order, at=LATER))
    before = world.dump()
    assert all(one.was_there for one in renewing(world).run(order, at=LATER))
    assert ordered(world) == order, "the order of this name stays as it is"
    assert world.dump() == before


def test_renewals_in_one_second_follow_each_other(world):
    """A test world's clock may stand still; which is the newest is known all the same."""
    for name in ("first", "second", "third"):
        steps = renewing(world).propose(name, everything, NOW)
        order = renewing(world).order(name, steps, FIRST, SECOND, at=NOW)
        assert not any(one.was_there for one in renewing(world).run(order, at=NOW))
        with world.stores.nation.reading() as connection:
            assert set(authorities.current_crosses(connection).values()) == {
                step.certificate for step in order.steps
            }
    assert set(Counter((half.issuer, half.subject) for half in halves(world)).values()) == {4}


def test_two_officers_order(world):
    steps = renewing(world).propose("x", everything, LATER)
    before = world.dump()
    for first, second, kind in (
        (FIRST, FIRST, NotPermitted), (FIRST, "centre-1", NotPermitted), ("nobody", SECOND, NotFound),
    ):  # fmt: skip
        with pytest.raises(kind):
            renewing(world).order("x", steps, first, second, at=LATER)
    for name in ("", "X", "a b", "-x", "x" * 41):
        with pytest.raises(BadInput, match="--plan"):
            renewing(world).propose(name, everything, LATER)
    with pytest.raises(NotFound, match="no such cross-certificate"):
        renewing(world).propose("x", lambda half: half.is_link, LATER)
    assert world.dump() == before


def test_what_cannot_be_made_keeps_nothing_else_back(world):
    """A key that was followed by another since the order signs no more; the rest is made."""
    order = ordered(world)
    new = Succession(world.issuers, world.plan.municipalities, world.chance)
    new.succeed(GenerationId(TOTTORI, 2), at=LATER)
    done = list(renewing(world).run(order, at=LATER))
    failed = [one for one in done if one.failure is not None]
    assert [one.step.certificate.generation.authority for one in failed] == [TOTTORI]
    assert isinstance(failed[0].failure, Conflict)
    assert len(done) == len(order.steps)
    assert len(world.stores.certificates([step.certificate for step in order.steps])) == len(order.steps) - 1


def test_a_renewal_does_not_undo_a_withdrawal(world):
    """Of what was withdrawn since the order nothing is made; the rest is."""
    order = ordered(world)
    halves_of = [
        one
        for one in order.steps
        if {one.certificate.generation.authority, one.subject.authority} == {BRIDGE, TOTTORI}
    ]
    assert len(halves_of) == 2
    withdraw(
        world.stores, world.plan, BRIDGE, TOTTORI, RevocationReason.SUPERSEDED, [FIRST, SECOND], at=LATER
    )
    assert {one.step for one in renewing(world).look(order.steps, LATER) if one.failure} == set(halves_of)
    done = list(renewing(world).run(order, at=LATER))
    assert {one.step for one in done if one.failure is not None} == set(halves_of)
    for one in done:
        if one.failure is not None:
            assert isinstance(one.failure, Conflict)
            assert "withdrawn since" in str(one.failure)
    assert not [half for half in live(halves(world), LATER) if half.is_between(BRIDGE, TOTTORI)]
    assert len(done) == len(order.steps)


def test_a_withdrawal_between_looking_and_writing_down_counts(world):
    order = ordered(world)
    before = Renewing._prepare
    gone = []

    def prepare(self, step, withdrawn, at):
        made = before(self, step, withdrawn, at)
        if not gone:
            gone.append(step)
            withdraw(
                world.stores,
                world.plan,
                BRIDGE,
                TOTTORI,
                RevocationReason.SUPERSEDED,
                [FIRST, SECOND],
                at=LATER,
            )
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Renewing, "_prepare", prepare)
        done = list(renewing(world).run(order, at=LATER))
    assert sum(one.failure is not None for one in done) == 2
    assert not [half for half in live(halves(world), LATER) if half.is_between(BRIDGE, TOTTORI)]


def test_a_key_that_does_not_sign_keeps_nothing_else_back(world):
    """What it was to sign waits, is told, and is signed by the same order once the key signs again."""
    order = ordered(world)
    before = cycle.sign

    def sign(prepared, at):
        if prepared.issuer.id.authority == TOTTORI:
            raise KeyRefused("key jpki-31.g1", "the token does not answer")
        return before(prepared, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cycle, "sign", sign)
        for _ in range(2):
            done = list(renewing(world).run(order, at=LATER))
            assert [one.step.certificate.generation.authority for one in done if one.failure] == [TOTTORI]
            assert len(done) == len(order.steps)
    assert not any(one.failure for one in renewing(world).run(order, at=LATER))
    require_whole(world)


def test_what_has_expired_with_its_keys_is_not_renewed(world):
    late = max(half.period.not_after for half in halves(world)) + timedelta(days=1)
    left_out = renewing(world).left_out(everything, late)
    assert {one.half.certificate for one in left_out} == {half.certificate for half in halves(world)}
    assert all("own certificate" in str(one.why) for one in left_out)
    assert renewing(world).left_out(everything, LATER) == []
    with pytest.raises(NotFound, match="no such cross-certificate"):
        renewing(world).propose("late", everything, late)


def test_a_finished_order_shows_what_is_there(world):
    order = ordered(world)
    assert not any(one.was_there or one.failure for one in renewing(world).look(order.steps, LATER))
    list(renewing(world).run(order, at=LATER))
    before = world.dump()
    assert all(one.was_there for one in renewing(world).look(order.steps, LATER))
    assert world.dump() == before


def test_a_renewal_is_for_the_newest_keys(world):
    new = Succession(world.issuers, world.plan.municipalities, world.chance)
    second = new.succeed(GenerationId(TOTTORI, 2), at=LATER)
    order = ordered(world)
    assert len(order.steps) == len(world.plan.crosses), "links are no pairs"
    list(renewing(world).run(order, at=LATER))
    now = {(half.issuer, half.subject) for half in newest(halves(world), LATER)}
    bridge = GenerationId(BRIDGE, 1)
    assert {(bridge, second.id), (second.id, bridge)} <= now
    again = renewing(world).propose("again", lambda half: half.is_between(BRIDGE, TOTTORI), LATER)
    assert [(step.certificate.generation, step.subject) for step in again] == [
        (bridge, second.id),
        (second.id, bridge),
    ]


def test_the_47_pairs_and_the_one_of_september_2014(tmp_path):
    with engine_world(tmp_path / "nation", NATION) as world:
        steps = renewing(world).propose("2014-09", of_bridge, LATER)
        assert len(steps) == 2 * (47 + 1)
        order = renewing(world).order("2014-09", steps, FIRST, SECOND, at=LATER)
        assert sum(not one.was_there for one in renewing(world).run(order, at=LATER)) == 96


# Sudden death.


def renew_mortally(folder: Path, seed: int) -> None:
    sudden_death.CALLS = 6
    dice = random.Random(seed)
    with opened(folder, PREFECTURES) as world:
        _ = world.issuers
        sudden_death.mortal(dice, folder / "deaths")
        for _ in renewing(world).run(ordered(world), at=LATER):
            pass
    os._exit(0)


@pytest.mark.deeper
def test_a_renewal_that_dies_again_and_again_makes_everything_once(tmp_path):
    deaths = 0
    for trial in range(max(2, rings.KILLS // 10)):
        folder = tmp_path / f"world-{trial}"
        with engine_world(folder, PREFECTURES):
            pass
        for seed in range(1000 * trial, 1000 * trial + 200):
            code = Running(renew_mortally, folder, seed).wait()
            if code == 0:
                break
            assert code == -9
        with opened(folder, PREFECTURES) as world:
            require_whole(world)
        deaths += len(lines(folder / "deaths"))
    assert deaths, "somebody died"


def require_whole(world: EngineWorld) -> None:
    """Every half was renewed once, and nothing waits to be signed or is known to nobody."""
    order = ordered(world)
    assert len(order.steps) == len(world.plan.crosses)
    with world.stores.nation.reading() as connection:
        assert certificates.intended(connection) == []
        assert agreements.all_renewals(connection) == [order]
    found = halves(world)
    assert Counter((half.issuer, half.subject) for half in found) == Counter(
        dict.fromkeys(((half.issuer, half.subject) for half in found), 2)
    )
    assert {half.certificate for half in found} == {
        one for step in order.steps for one in (step.certificate, step.replaces)
    }


def test_two_processes_renew_side_by_side(tmp_path):
    folder = tmp_path / "world"
    with engine_world(folder, PREFECTURES):
        pass
    running = [Running(renew_calmly, folder) for _ in range(2)]
    assert [one.wait() for one in running] == [0, 0]
    with opened(folder, PREFECTURES) as world:
        require_whole(world)


def renew_calmly(folder: Path) -> None:
    with opened(folder, PREFECTURES) as world:
        for one in renewing(world).run(ordered(world), at=LATER):
            assert one.failure is None
