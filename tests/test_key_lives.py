"""The life of a CA key in the store: every step in every state, what is missing, taking back, retiring, and what follows."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from asn1crypto import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.crossing.rekeying import Rekeying, certify
from bridge.repository.contents import publish_all, publish_lists
from bridge.repository.layout import cross_path, list_path, self_signed_path
from bridge.repository.signing import sign_statement
from ca.errors import Conflict, KeyRefused, NotFound
from ca.issuing import cycle
from ca.issuing.cycle import Intended
from ca.issuing.founding import link, service
from ca.issuing.renewal import renew_responders
from ca.issuing.step_making import StepMaker
from ca.issuing.succession import Succession, newest_step
from ca.journal.entries import KeyStepEntry, OrderEntry, RevocationEntry
from ca.keys.sealing import WrappingKey
from ca.keys.signer import Signer
from ca.keys.vault import KeyId, SealedVault
from ca.model import ARL, FULL, AuthorityId, CertificateKind, GenerationId, Period, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.lists.publication import due, publish, publish_changes
from ca.rules import generations
from ca.rules.certifying import require_may_certify
from ca.rules.generations import MAY_SIGN_STATUS, Keys, Known, Life, State, Step, StepTaken
from ca.rules.validity import day_end, japanese_day
from ca.store import authorities, key_lives, key_needs, lists, lives, responders
from ca.store.schema import migrate
from ca.suites import SHA1_RSA1024, SHA256_P256, SHA256_RSA2048, SHA384_P384, Suite
from ca.wire.cms_facts import read_detached
from ca.wire.facts import read_certificate
from front.demo.openssl import run as openssl
from front.demo.openssl import write_certificate
from front.demo.people import invented_code
from tests import rings, sudden_death
from tests.engine_world import (
    NOW,
    EngineWorld,
    Running,
    append,
    copy_of,
    engine_world,
    lines,
    opened,
    preload,
    put_back,
)

preload(__name__)
TOTTORI, BRIDGE = AuthorityId("jpki-31"), AuthorityId("jpki-bridge")
OLD, NEW, THIRD = (GenerationId(TOTTORI, number) for number in (1, 2, 3))
LATER = NOW + timedelta(days=20)
SIGNATURE = CertificateKind.SIGNATURE
WAY = (
    Step.PLAN, Step.MAKE_KEY, Step.NEW_WITH_NEW, Step.NEW_WITH_OLD, Step.OLD_WITH_NEW, Step.SERVE_STATUS,
    Step.RENEW_CROSSES, Step.CUT_OVER,
)  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def succession(world: EngineWorld) -> Succession:
    return Succession(world.issuers, world.plan.municipalities, world.chance)


class Vaults:
    """The public test keys, and beside them a vault for keys of other kinds."""

    def __init__(self, world: EngineWorld) -> None:
        folder = world.folder / "sealed"
        folder.mkdir(mode=0o700)
        self.test, self.sealed = world.vault, SealedVault(folder, WrappingKey(bytes(32)), bytes(32))
        self.other: set[KeyId] = set()

    def create(self, key: KeyId, suite: Suite) -> Signer:
        if suite is SHA256_RSA2048:
            return self.test.create(key, suite)
        self.other.add(key)
        return self.sealed.create(key, suite)

    def signer(self, key: KeyId) -> Signer:
        return (self.sealed if key in self.other else self.test).signer(key)

    def code_key(self) -> bytes:
        return self.test.code_key()

    def close(self) -> None:
        self.sealed.close()


@pytest.fixture
def all_suites(world: EngineWorld) -> EngineWorld:
    world.issuers.vault = Vaults(world)
    return world


def go(world: EngineWorld, upto: Step, generation: GenerationId = NEW, **options) -> Keys:
    """Take the steps of a key up to this one."""
    taking = succession(world)
    for step in WAY[: WAY.index(upto) + 1]:
        if step is Step.RENEW_CROSSES:
            Rekeying(world.issuers, world.plan, world.chance).renew_crosses(generation, at=LATER)
        keys = taking.take(step, generation, at=LATER, **(options if step is Step.PLAN else {}))
    return keys


def state(world: EngineWorld, generation: GenerationId) -> State | None:
    life = succession(world).keys(generation.authority).life(generation)
    return None if life is None else life.state


def algorithm(encoded: bytes) -> str:
    return x509.Certificate.load(encoded)["signature_algorithm"]["algorithm"].dotted


def publish_world(world: EngineWorld) -> None:
    publish_all(world.issuers, world.plan, world.repository, at=LATER)


def revocation(world: EngineWorld, certificate) -> RevocationReason | None:
    with world.stores.reading() as reading:
        (life,) = lives.of(reading, [certificate])
    return life.reason


# Every step in every state.


@pytest.mark.parametrize("reached", [None, *WAY], ids=str)
def test_every_step_in_every_state(world, reached):
    """The next one is taken; the newest one changes nothing; every other one is refused, and nothing of it is made."""
    if reached is not None:
        go(world, reached)
    ahead = dict(zip((None, *WAY), WAY, strict=False)).get(reached)
    before = world.dump()
    elsewhere = set() if reached in {None, Step.CUT_OVER} else {Step.DISCARD}
    for step in Step:
        if step is reached:
            succession(world).take(step, NEW, at=LATER)
        elif step not in {ahead, *elsewhere}:
            with pytest.raises(Conflict) as refused:
                succession(world).take(step, NEW, at=LATER)
            if ahead is not None and step in WAY and WAY.index(step) > WAY.index(ahead):
                assert ahead.value in refused.value.problem, "it says what is missing"
        assert world.dump() == before
    if ahead is Step.RENEW_CROSSES:
        with pytest.raises(Conflict, match="no cross-certificate for it by jpki-bridge"):
            succession(world).take(ahead, NEW, at=LATER)
        Rekeying(world.issuers, world.plan, world.chance).renew_crosses(NEW, at=LATER)
    if ahead is not None:
        keys = succession(world).take(ahead, NEW, at=LATER, evidence="order 5")
        assert keys.history[-1].step is ahead
        with world.stores.nation.reading() as connection:
            assert key_lives.evidence_of(connection, TOTTORI)[-1] == "order 5"


def test_a_first_key_has_taken_over_and_an_unknown_one_takes_no_step(world):
    assert succession(world).keys(TOTTORI).issuing.generation == OLD
    for unknown in (THIRD, GenerationId(TOTTORI, 4)):
        with pytest.raises(Conflict, match="does not follow"):
            succession(world).take(Step.PLAN, unknown, at=LATER)
    with pytest.raises(NotFound):
        succession(world).take(Step.PLAN, GenerationId(AuthorityId("nobody"), 2), at=LATER)
    with pytest.raises(NotFound):
        succession(world).back(GenerationId(AuthorityId("nobody"), 2), at=LATER)


# Suites.


def test_a_key_of_another_suite_signs_with_it_and_is_linked_by_the_old_ones(all_suites):
    world = all_suites
    go(world, Step.CUT_OVER, suite=SHA384_P384)
    old, new = world.issuers.of(OLD), world.issuers.of(NEW)
    assert (old.record.suite.id, new.record.suite) == ("sha256-rsa2048", SHA384_P384)
    with world.stores.reading() as reading:
        (forward,), (backward,) = key_needs.links(reading, OLD, NEW), key_needs.links(reading, NEW, OLD)
        (responder,) = responders.newest(reading.of(TOTTORI), NEW)
        (cross,) = key_needs.crosses_for(reading, NEW)
    usual = old.record.suite.algorithm
    assert [algorithm(one.encoded) for one in (forward, backward, cross)] == [
        usual, SHA384_P384.algorithm, usual
    ]  # fmt: skip
    assert read_certificate(cross.encoded, "cross").public_key == new.record.public_key
    assert responder.key == "jpki-31.g2.ocsp"
    holder = world.issued(code=invented_code(1), at=LATER)[SIGNATURE]
    assert algorithm(holder.encoded) == SHA384_P384.algorithm


def test_the_suite_is_fixed_by_the_plan_until_it_is_taken_back(all_suites):
    world = all_suites
    go(world, Step.MAKE_KEY, suite=SHA256_P256)
    for step in (Step.MAKE_KEY, Step.NEW_WITH_NEW):
        with pytest.raises(Conflict, match="is a key for sha256-p256, not for sha384-p384"):
            succession(world).take(step, NEW, suite=SHA384_P384, at=LATER)
    succession(world).back(NEW, at=LATER)
    succession(world).back(NEW, at=LATER)
    go(world, Step.NEW_WITH_NEW, suite=SHA384_P384)
    assert world.issuers.of(NEW).record.suite is SHA384_P384
    for _ in range(3):
        succession(world).back(NEW, at=LATER)
    with pytest.raises(Conflict, match="is a key for sha384-p384"):  # its certificate is out
        succession(world).take(Step.PLAN, NEW, suite=SHA256_P256, at=LATER)
    with pytest.raises(Conflict, match="is a key for sha384-p384, not for sha256-rsa2048") as refused:
        succession(world).take(Step.PLAN, NEW, at=LATER)  # the edition's, if none is asked for
    assert "key discard" in str(refused.value)
    key = world.issuers.of(NEW).record.public_key
    go(world, Step.CUT_OVER, suite=SHA384_P384)
    assert world.issuers.of(NEW).record.public_key == key


def test_a_broken_suite_is_none_for_a_new_key(world):
    with pytest.raises(Conflict, match="is broken"):
        succession(world).take(Step.PLAN, NEW, suite=SHA1_RSA1024, at=LATER)
    with pytest.raises(Conflict, match="is broken"):
        succession(world).succeed(NEW, SHA1_RSA1024, at=LATER)
    assert state(world, NEW) is None


# What a key may sign where it stands.


@pytest.mark.parametrize("reached", WAY[2:], ids=str)
def test_a_key_signs_what_its_state_allows(world, reached):
    go(world, reached)
    new, old = world.issuers.of(NEW), world.issuers.of(OLD)
    bridge = world.issuers.issuing(BRIDGE)

    def intends(prepared, **more) -> bool:
        with world.stores.reading() as reading:
            try:
                cycle._require_may_certify(reading, [Intended(prepared, **more)])
            except Conflict:
                return False
            return True

    def served(issuer, kind):
        key = world.issuers.of(old.id if issuer is new else new.id).record.public_key  # any but its own
        prepared = service(
            issuer, kind, public_key=key, days=5, purpose="trial", chance=world.chance, at=LATER
        )
        return intends(prepared, service_key="trial")

    cut_over = reached is Step.CUT_OVER
    assert served(new, CertificateKind.OCSP_RESPONDER) == (WAY.index(reached) >= WAY.index(Step.SERVE_STATUS))
    assert served(old, CertificateKind.OCSP_RESPONDER)
    assert served(new, CertificateKind.REPOSITORY) == cut_over
    assert served(old, CertificateKind.REPOSITORY) != cut_over
    for signer, subject, states in (
        (old, new, {Step.NEW_WITH_OLD, Step.CUT_OVER}),
        (new, old, {Step.OLD_WITH_NEW, Step.CUT_OVER}),
    ):
        prepared = link(signer, subject, chance=world.chance, at=LATER, purpose="trial")
        assert intends(prepared, crosses=subject.id) == (reached in states)
    rekeying = Rekeying(world.issuers, world.plan, world.chance)
    if reached in WAY[2:5]:
        with pytest.raises(Conflict, match="nobody certifies it while its status is not served"):
            rekeying.renew_crosses(NEW, at=LATER)
    if not cut_over:
        with pytest.raises(Conflict, match="signs no cross certificate there"):
            rekeying._certify(NEW, bridge.id, LATER)


@pytest.mark.parametrize("reached", [*WAY[2:], Step.RETIRE], ids=str)
def test_lists_and_responders_are_of_keys_whose_status_is_served(world, reached):
    if reached is Step.RETIRE:
        after = retired(world)
        about, at = OLD, after
    else:
        go(world, reached)
        about, at = NEW, LATER
    serves = state(world, about) in MAY_SIGN_STATUS
    with world.stores.nation.reading() as connection:
        assert bool(due(connection, about, timedelta(days=1), at)) == serves
    assert bool(publish_lists(world.issuers, about, world.repository, at=at)) == serves
    assert (about in {one.id for one in world.stores.in_service()}) == serves
    issuer = world.issuers.of(about)
    if not serves:
        with pytest.raises(Conflict, match="signs no lists"):
            publish(world.store, issuer, [FULL], world.repository, at=at)
    with world.stores.nation.reading() as connection:
        found = responders.newest(connection, about)
    if found:
        renewed = renew_responders(
            world.issuers, chance=world.chance, at=found[0].period.not_after - timedelta(days=1)
        )
        assert (about in {one.id.generation for one in renewed}) == (serves and reached is not Step.RETIRE)


def test_what_is_not_served_yet_is_not_public(world):
    go(world, Step.OLD_WITH_NEW)
    publish_world(world)
    assert not world.repository.has(self_signed_path(NEW))
    assert not world.repository.has(cross_path(OLD, NEW))
    succession(world).take(Step.SERVE_STATUS, NEW, at=LATER)
    publish_world(world)
    assert all(
        world.repository.has(path)
        for path in (self_signed_path(NEW), cross_path(OLD, NEW), cross_path(NEW, OLD), list_path(NEW, ARL))
    )


# Cutting over, and taking back.


def test_services_follow_at_the_cut_over(world):
    """The repository signs by the bridge's new key, and by its old one if that is taken back; responders stay."""
    authority = world.plan.repository
    old, new = GenerationId(authority, 1), GenerationId(authority, 2)

    def signer() -> bytes:
        statement = sign_statement(world.issuers, world.plan, b"word", at=LATER)
        return read_detached(statement, b"word", "statement").signer

    def of(generation):
        with world.stores.reading() as reading:
            return {one.kind: one for one in key_needs.services(reading, generation)}

    before = signer()
    go(world, Step.RENEW_CROSSES, new)
    assert signer() == before
    assert of(new).keys() == {CertificateKind.OCSP_RESPONDER}
    succession(world).take(Step.CUT_OVER, new, at=LATER)
    assert of(new).keys() == of(old).keys()
    assert signer() == of(new)[CertificateKind.REPOSITORY].encoded
    publish_world(world)
    succession(world).back(new, at=LATER)
    assert signer() == before
    assert of(new).keys() == {CertificateKind.OCSP_RESPONDER}
    succession(world).take(Step.CUT_OVER, new, at=LATER)
    assert signer() == of(new)[CertificateKind.REPOSITORY].encoded
    assert CertificateKind.REPOSITORY in of(old), "what was signed is still believed"


def test_the_anchor_that_is_named_is_one_that_has_taken_over(world):
    anchor = GenerationId(world.plan.anchor, 2)
    go(world, Step.RENEW_CROSSES, anchor)
    publish_world(world)

    def named() -> str:
        return (world.repository.folder / "manifest.json").read_text()

    assert f'"anchor": "{world.plan.anchor}.g1"' in named()
    succession(world).take(Step.CUT_OVER, anchor, at=LATER)
    publish_world(world)
    assert f'"anchor": "{anchor}"' in named()


def test_all_steps_are_taken_back_and_taken_again(world):
    """What they made is revoked, and what they make again is new; the key stays."""
    go(world, Step.CUT_OVER)
    with world.stores.reading() as reading:
        made = {
            one.id
            for found in (
                key_needs.links(reading, OLD, NEW),
                key_needs.links(reading, NEW, OLD),
                key_needs.services(reading, NEW),
                key_needs.crosses_for(reading, NEW),
            )
            for one in found
        }
    assert len(made) == 4
    key = world.issuers.of(NEW).record.public_key
    for step in reversed(WAY):
        keys = succession(world).back(NEW, at=LATER)
        assert (keys.history[-1].step, keys.history[-1].back) == (step, True)
        assert keys.issuing.generation == OLD
    assert state(world, NEW) is None
    assert {revocation(world, one) for one in made} == {RevocationReason.CESSATION_OF_OPERATION}
    publish_changes(world.issuers, world.repository, at=LATER)
    go(world, Step.CUT_OVER)
    assert world.issuers.of(NEW).record.public_key == key
    with world.stores.reading() as reading:
        (again,) = key_needs.links(reading, OLD, NEW)
        (responder,) = key_needs.services(reading, NEW)
    assert not made & {again.id, responder.id}
    assert state(world, NEW) is State.ACTIVE
    publish_world(world)


@pytest.mark.parametrize("kept", range(len(WAY)))
def test_the_newest_step_is_the_one_that_still_stands(kept):
    """However many are taken back, one after the other."""
    steps = [StepTaken(step, NEW, NOW) for step in WAY]
    backs = [StepTaken(step, NEW, NOW, back=True) for step in reversed(WAY[kept:])]
    lives = (Life(OLD, State.ACTIVE), Life(NEW, State.PLANNED))
    keys = Keys(NEW.authority, lives, (*steps, *backs))
    assert newest_step(keys, NEW) is (WAY[kept - 1] if kept else None)


def test_a_step_taken_back_with_the_one_before_is_taken_again(world):
    go(world, Step.OLD_WITH_NEW)
    succession(world).back(NEW, at=LATER)
    succession(world).back(NEW, at=LATER)
    assert state(world, NEW) is State.SELF_SIGNED
    for step in (Step.NEW_WITH_OLD, Step.OLD_WITH_NEW):
        succession(world).take(step, NEW, at=LATER)
    assert state(world, NEW) is State.LINKED


def test_nothing_is_taken_back_once_the_key_has_issued(world):
    go(world, Step.CUT_OVER)
    world.issued(code=invented_code(1), at=LATER)
    before = world.dump()
    with pytest.raises(Conflict, match="has issued 2 certificates; no step of it can be taken back"):
        succession(world).back(NEW, at=LATER)
    with pytest.raises(Conflict, match="is not the newest key"):
        succession(world).back(OLD, at=LATER)
    assert world.dump() == before


def test_the_new_key_certifies_whom_the_old_one_does_once_it_has_taken_over(world):
    go(world, Step.CUT_OVER)
    rekeying = Rekeying(world.issuers, world.plan, world.chance)
    (made,) = rekeying.certify_others(NEW, at=LATER)
    assert made.id.generation == NEW
    assert rekeying.certify_others(NEW, at=LATER) == []
    bridge = world.issuers.issuing(BRIDGE).id
    assert rekeying._certify(NEW, bridge, LATER).id == made.id, "one in force is enough"
    with pytest.raises(Conflict, match="has issued 1 certificates"):
        succession(world).back(NEW, at=LATER)


def test_the_new_key_of_who_certified_the_old_one_has_to_certify_the_new_one(world):
    """Though that key has certified none of the two: it is the authority that must not be lost."""
    following = succession(world).succeed(GenerationId(BRIDGE, 2), at=LATER).id
    with world.stores.reading() as reading:
        assert {one.id.generation for one in key_needs.crosses_for(reading, OLD)} == {GenerationId(BRIDGE, 1)}
        assert key_needs.uncrossed(reading, OLD, NEW, LATER) == {following}
    go(world, Step.SERVE_STATUS)
    with pytest.raises(Conflict, match="no cross-certificate for it by jpki-bridge"):
        succession(world).take(Step.RENEW_CROSSES, NEW, at=LATER)
    Rekeying(world.issuers, world.plan, world.chance).renew_crosses(NEW, at=LATER)
    for step in (Step.RENEW_CROSSES, Step.CUT_OVER):
        succession(world).take(step, NEW, at=LATER)
    with world.stores.reading() as reading:
        assert {one.id.generation for one in key_needs.crosses_for(reading, NEW)} == {following}
        assert key_needs.uncrossed(reading, OLD, NEW, LATER) == set()


def test_a_cross_certificate_of_given_keys_lasts_as_it_is_told(world):
    go(world, Step.SERVE_STATUS)
    period = Period(LATER.replace(microsecond=0), day_end(japanese_day(LATER) + timedelta(days=9)))
    bridge = world.issuers.issuing(BRIDGE).id
    made = certify(world.issuers, world.plan, bridge, NEW, period, chance=world.chance, at=LATER)
    assert made.record.period == period
    with pytest.raises(Conflict, match="is none of the edition's"):
        certify(world.issuers, world.plan, NEW, OLD, chance=world.chance, at=LATER)


# Retiring.


def retired(world: EngineWorld):
    """An authority whose old key has retired, and when."""
    before = world.issued(code=invented_code(1), at=LATER)
    go(world, Step.CUT_OVER)
    for made in before.values():
        revoke(world.stores, made.id, RevocationReason.SUPERSEDED, "operator", at=LATER)
    with world.stores.reading() as reading:
        made = [made for _, made in authorities.crosses(reading.of(TOTTORI)) if made.generation == OLD]
        crossed = [one for one in world.stores.certificates(made) if one.kind is CertificateKind.CROSS]
    with world.stores.recording() as recording:
        for one in crossed:
            order = OrderEntry(str(one.id), RevocationReason.SUPERSEDED.word, LATER, ARL)
            recording.note(RevocationEntry("officer operator", "a trial", LATER, (order,)))
    succession(world).take(Step.RETIRE, OLD, at=LATER)
    return LATER + timedelta(days=3)


def test_a_key_retires_when_nothing_of_it_is_valid(world):
    holders = world.issued(code=invented_code(1), at=LATER)
    go(world, Step.CUT_OVER)
    held = holders[SIGNATURE]
    revoke(world.stores, held.id, RevocationReason.CERTIFICATE_HOLD, "operator", at=LATER)
    with pytest.raises(Conflict, match="3 certificates that it issued are still valid"):
        succession(world).take(Step.RETIRE, OLD, at=LATER)
    much_later = LATER + timedelta(days=3660)
    keys = succession(world).take(Step.RETIRE, OLD, at=much_later)
    assert [life.state for life in keys.lives] == [State.RETIRED, State.ACTIVE]
    assert succession(world).take(Step.RETIRE, OLD, at=much_later) == keys
    with pytest.raises(Conflict):
        succession(world).take(Step.RETIRE, NEW, at=much_later)


def test_a_retired_key_keeps_no_list_of_others_back(world):
    at = retired(world)
    new = world.issued(code=invented_code(2), at=at)[SIGNATURE]
    revoke(world.stores, new.id, RevocationReason.SUPERSEDED, "operator", at=at)
    made = publish_changes(world.issuers, world.repository, at=at)
    assert {record.generation for record in made} >= {NEW}
    assert OLD not in {record.generation for record in made}
    assert publish_changes(world.issuers, world.repository, at=at) == []
    with pytest.raises(Conflict, match=r"has no predecessor that could issue|has issued"):
        succession(world).back(NEW, at=at)
    with pytest.raises(Conflict, match="is retired; nobody certifies it while its status is not served"):
        require_may_certify(Life(NEW, State.ACTIVE), CertificateKind.CROSS, Life(OLD, State.RETIRED))


# Random walks: the store against the pure rules.

MOVES = st.lists(
    st.tuples(st.sampled_from([*Step, "back", *WAY]), st.sampled_from([OLD, NEW, NEW, THIRD])), max_size=14
)


@pytest.mark.deeper
@settings(
    max_examples=rings.KILLS // 4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, len(WAY)), MOVES)
def test_the_store_goes_as_the_rules_go(tmp_path_factory, start, moves):
    folder = tmp_path_factory.mktemp("walk") / "world"
    with engine_world(folder) as world:
        if start:
            go(world, WAY[start - 1])
        for move, generation in moves:
            keys = succession(world).keys(TOTTORI)
            before = world.dump()
            expected = asked_of_rules(world, keys, move, generation)
            try:
                if move == "back":
                    found = succession(world).back(generation, at=LATER)
                else:
                    found = succession(world).take(move, generation, at=LATER)
            except Conflict:
                assert expected is None
                assert world.dump() == before, "what is refused leaves nothing"
            else:
                assert found == expected
            assert succession(world).keys(TOTTORI) == (expected or keys)


def asked_of_rules(world, keys, move, generation) -> Keys | None:
    """What the rules say, told the facts apart from the product."""
    own = [one for one in keys.history if one.generation == generation]
    if (
        move is Step.DISCARD
        and keys.life(generation) is None
        and Step.NEW_WITH_NEW not in {one.step for one in own}
    ):
        return None  # there was never such a key
    with world.stores.reading() as reading:
        valid = sum(
            one.kind in {SIGNATURE, CertificateKind.CROSS}
            for one in world.stores.certificates(
                made for _, made in authorities.crosses(reading.of(TOTTORI)) if made.generation == generation
            )
        )
        crossed = bool(key_needs.crosses_for(reading, generation))
    try:
        if move == "back":
            return generations.step_back(keys, generation, Known(issued=valid), LATER)
        uncrossed = frozenset() if crossed else frozenset({BRIDGE})
        return generations.take(
            keys, move, generation, Known(valid={SIGNATURE: valid}, uncrossed=uncrossed), LATER
        )
    except Conflict:
        taken = walked(own)
        return keys if taken and taken[-1] is move else None


def walked(history) -> list[Step]:
    way: list[Step] = []
    for one in history:
        if one.back:
            way.pop()
        else:
            way.append(one.step)
    return way


# Interruptions.


def step_mortally(folder: Path, seed: int) -> None:
    sudden_death.CALLS = 8
    dice = random.Random(seed)
    with opened(folder) as world:
        sudden_death.mortal(dice, folder / "deaths")
        walk(world)
    os._exit(0)


def walk(world: EngineWorld) -> None:
    """Up to the new key's cut-over by the next step each, whatever was done before."""
    taking = succession(world)
    rekeying = Rekeying(world.issuers, world.plan, world.chance)
    while True:
        keys = taking.keys(TOTTORI)
        ahead = generations.next_step(keys, NEW)
        if ahead is None or ahead is Step.RETIRE:
            break
        if ahead is Step.RENEW_CROSSES:
            rekeying.renew_crosses(NEW, at=LATER)
        taking.take(ahead, NEW, at=LATER)
    taking.take(Step.CUT_OVER, NEW, at=LATER)
    rekeying.certify_others(NEW, at=LATER)


@pytest.mark.deeper
@pytest.mark.long
def test_a_killed_step_is_completed(tmp_path, world):
    walk(world)
    wanted, deaths = made_of(world), 0
    for trial in range(max(2, rings.KILLS // 10)):
        folder = tmp_path / f"world-{trial}"
        with engine_world(folder):
            pass
        for seed in range(1000 * trial, 1000 * trial + 200):
            code = Running(step_mortally, folder, seed).wait()
            if code == 0:
                break
            assert code == -9
        with opened(folder) as other:
            assert made_of(other) == wanted
        deaths += len(lines(folder / "deaths"))
    assert deaths, "somebody died"


def made_of(world: EngineWorld) -> dict[str, object]:
    tables = (
        "generations", "key_lives", "certificates", "certificate_bytes", "cross_certificates",
        "service_certificates", "list_places",
    )  # fmt: skip
    return {name: rows for name, rows in world.dump().items() if name.partition(" ")[2] in tables}


@pytest.mark.parametrize("number", range(1, 17))
def test_a_step_that_fails_at_any_recording_is_taken_again(tmp_path, world, monkeypatch, number):
    """At each turn of the journal something fails once; the steps go on as if nothing had been."""
    journal, turns = world.stores.journal, iter(range(1, 1000))
    turn = journal.turn

    def failing():
        if next(turns) == number:
            raise KeyRefused("journal", "does not take it")
        return turn()

    monkeypatch.setattr(journal, "turn", failing)
    with pytest.raises(KeyRefused):
        walk(world)
    monkeypatch.undo()
    walk(world)
    with engine_world(tmp_path / "whole") as other:
        walk(other)
        assert made_of(world) == made_of(other)


# Several processes at once.


def step_together(folder: Path, name: str) -> None:
    """Take every step up to the cut-over when all are there to take it."""
    with opened(folder) as world:
        for step in WAY:
            append(folder / f"at {step}", f"{name}\n".encode())
            wait_for(folder / f"at {step}")
            if step is Step.RENEW_CROSSES:
                Rekeying(world.issuers, world.plan, world.chance).renew_crosses(NEW, at=LATER)
            keys = succession(world).take(step, NEW, at=LATER, evidence=name)
            assert keys.history[-1].step is step, "the other one sees where it stands"


def complete_together(folder: Path) -> None:
    with opened(folder) as world:
        append(folder / "there", b"one\n")
        wait_for(folder / "there")
        succession(world).succeed(NEW, at=LATER)


def wait_for(file: Path) -> None:
    """Until both are there: they begin as nearly at once as two processes can."""
    deadline = time.monotonic() + 30
    while len(lines(file)) < 2:
        assert time.monotonic() < deadline, "the other one never comes"
        time.sleep(0.001)


def test_a_step_that_two_take_at_once_is_taken_once(tmp_path, world):
    walk(world)
    folder = tmp_path / "together"
    with engine_world(folder):
        pass
    running = [Running(step_together, folder, name) for name in ("one", "other")]
    assert [one.wait() for one in running] == [0, 0]
    with opened(folder) as other:
        keys = succession(other).keys(TOTTORI)
        assert [one.step for one in keys.history] == list(WAY)
        with other.stores.nation.reading() as connection:
            assert set(key_lives.evidence_of(connection, TOTTORI)) <= {"one", "other"}
        Rekeying(other.issuers, other.plan, other.chance).certify_others(NEW, at=LATER)
        assert made_of(other) == made_of(world)


@pytest.mark.parametrize("lost", ["nothing", "the responder", "a link", "everything"])
def test_two_who_complete_what_was_cut_off_before_steps_were_known_complete_it_once(tmp_path, world, lost):
    """A key took over before its steps were written down, and died on the way to its links or its responder."""
    succession(world).succeed(NEW, at=LATER)
    folder = tmp_path / "before"
    with engine_world(folder) as other:
        took_over_before(other, lost)
    running = [Running(complete_together, folder) for _ in range(2)]
    assert [one.wait() for one in running] == [0, 0]
    with opened(folder) as other, other.stores.reading() as reading:
        assert [life.state for life in succession(other).keys(TOTTORI).lives] == [
            State.STATUS_ONLY,
            State.ACTIVE,
        ]
        assert len(key_needs.links(reading, OLD, NEW)) == len(key_needs.links(reading, NEW, OLD)) == 1
        assert len(key_needs.services(reading, NEW)) == 1
        assert lists.places_of(reading.of(TOTTORI), NEW) == lists.places_of(reading.of(TOTTORI), OLD)


def took_over_before(world: EngineWorld, lost: str) -> None:
    """A new key as the versions before made it, as far as they came."""
    maker = StepMaker(world.issuers, world.chance)
    made = maker.make(Step.NEW_WITH_NEW, NEW, world.issuers.of(OLD).record.suite, LATER)
    write_down(world, made.intended, made.generation)
    if lost != "everything":
        write_down(world, [maker.linked(OLD, NEW, LATER)])
        if lost != "a link":
            write_down(world, [maker.linked(NEW, OLD, LATER)])
        if lost != "the responder":
            write_down(world, [maker.served(NEW, CertificateKind.OCSP_RESPONDER, LATER)])


def write_down(world: EngineWorld, intended, generation=None) -> None:
    with world.stores.recording() as recording:
        if generation is not None:
            recording.note(generation)
        cycle.intend(recording, intended, LATER)
    signed = [cycle.sign(one.prepared, LATER) for one in intended]
    with world.stores.recording() as recording:
        cycle.complete(recording, signed, LATER)


# The journal, and databases of before.


def test_the_journal_gives_the_lives_back(world):
    copy = copy_of(world.store)
    go(world, Step.CUT_OVER)
    succession(world).back(NEW, at=LATER)
    wanted = world.dump()
    put_back(world.store, copy)
    assert state(world, NEW) is None
    world.stores.catch_up()
    again = {name: rows for name, rows in world.dump().items() if "key_" in name}
    assert again == {name: rows for name, rows in wanted.items() if "key_" in name}
    succession(world).take(Step.CUT_OVER, NEW, at=LATER)
    with world.stores.nation.reading() as connection:
        assert lists.places_of(connection, NEW) == lists.places_of(connection, OLD)


def test_a_record_that_is_carried_out_twice_says_what_it_said(world):
    go(world, Step.SERVE_STATUS)
    before = world.dump()
    with world.stores.nation.writing() as connection:
        known = connection.execute(sa.text("SELECT MIN(journal_index) FROM key_steps")).scalar_one()
        entry = KeyStepEntry(str(NEW), "sha256-rsa2048", Step.PLAN.value, False, LATER)
        key_lives.note_step(connection, entry, known)
        authorities.add_generation_once(connection, world.issuers.of(NEW).record)
    assert world.dump() == before


def test_keys_of_before_are_known_by_their_numbers(world):
    """A journal without steps: who comes later has taken over; the same from a database that has none of it yet."""
    succession(world).succeed(NEW, at=LATER)
    with world.stores.nation.writing() as connection:
        connection.execute(sa.text("DROP TABLE key_steps"))
        connection.execute(sa.text("DROP TABLE key_lives"))
        connection.execute(sa.text("DROP TABLE feed_runs"))
        connection.execute(sa.text("DROP INDEX holdings_generation"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0007'"))
    migrate(world.store)
    assert [life.state for life in succession(world).keys(TOTTORI).lives] == [State.STATUS_ONLY, State.ACTIVE]
    assert succession(world).keys(BRIDGE).issuing.generation.number == 1
    succession(world).succeed(NEW, at=LATER)
    with world.stores.nation.writing() as connection:
        connection.execute(sa.text("DELETE FROM key_lives"))
        records = [one for one in authorities.all_generations(connection) if one.id.authority == TOTTORI]
        connection.execute(sa.text("DELETE FROM generations WHERE authority = 'jpki-31'"))
        for record in records:
            authorities.add_generation_once(connection, record)
    assert [life.state for life in succession(world).keys(TOTTORI).lives] == [State.STATUS_ONLY, State.ACTIVE]


# Another judge.


def test_openssl_takes_old_holders_from_the_new_anchor_and_new_ones_from_the_old(all_suites, tmp_path):
    world = all_suites
    before = world.issued(code=invented_code(1), at=LATER)[SIGNATURE]
    go(world, Step.CUT_OVER, suite=SHA384_P384)
    after = world.issued(code=invented_code(2), at=LATER)[SIGNATURE]
    publish_world(world)

    def verified(leaf, anchor: GenerationId, *steps: tuple[GenerationId, GenerationId]) -> bool:
        def public(path: str) -> bytes:
            return (world.repository.folder / path).read_bytes()

        write_certificate(tmp_path / "anchor.pem", public(self_signed_path(anchor)))
        write_certificate(tmp_path / "leaf.pem", leaf.encoded)
        words = ["verify", "-attime", str(int(LATER.timestamp())), "-CAfile", tmp_path / "anchor.pem"]
        for number, step in enumerate(steps):
            write_certificate(tmp_path / f"step-{number}.pem", public(cross_path(*step)))
            words += ["-untrusted", tmp_path / f"step-{number}.pem"]
        return openssl(*words, tmp_path / "leaf.pem", check=False).returncode == 0

    assert verified(before, OLD)
    assert verified(after, NEW)
    assert verified(before, NEW, (NEW, OLD))
    assert verified(after, OLD, (OLD, NEW))
    assert not verified(before, NEW, (OLD, NEW))
    assert not verified(after, OLD, (NEW, OLD))
