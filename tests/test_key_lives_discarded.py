"""A key that must not be used is given up, a step is taken back: what ends, what is still said, what stays in the repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.crossing.rekeying import Rekeying
from bridge.manifest import MANIFEST
from bridge.repository.contents import publish_all
from bridge.repository.layout import (
    cross_path,
    issued_by_path,
    issued_to_path,
    list_path,
    pair_path,
    self_signed_path,
    service_path,
)
from ca.errors import BadInput, Conflict, NotFound
from ca.issuing.succession import Succession
from ca.keys.sealing import WrappingKey
from ca.keys.vault import SealedVault
from ca.model import ARL, AuthorityId, CertificateKind, GenerationId, RevocationReason, Scope
from ca.revoking.lists.publication import publish_changes
from ca.rules.generations import State, Step
from ca.store import authorities, key_lives, key_needs, lists, lives
from ca.store.certificates import CertificateRecord
from ca.suites import SHA256_P256, SHA384_P384
from front.demo.openssl import run as openssl
from front.demo.openssl import write_certificate
from front.demo.people import invented_code
from tests.engine_world import NOW, EngineWorld, copy_of, engine_world, put_back

TOTTORI, BRIDGE = AuthorityId("jpki-31"), GenerationId.parse("jpki-bridge.g1")
OLD, NEW, THIRD = (GenerationId(TOTTORI, number) for number in (1, 2, 3))
LATER = NOW + timedelta(days=20)
LOST, CEASED = RevocationReason.KEY_COMPROMISE, RevocationReason.CESSATION_OF_OPERATION
WAY = tuple(step for step in Step if step not in {Step.RETIRE, Step.DISCARD})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def succession(world: EngineWorld) -> Succession:
    return Succession(world.issuers, world.plan.municipalities, world.chance)


def go(world: EngineWorld, upto: Step, generation: GenerationId = NEW, **options) -> None:
    """Take the steps of a key up to this one, from where it stands."""
    keys = succession(world).keys(TOTTORI)
    taken = 0 if keys.life(generation) is None else list(State).index(keys.life(generation).state) + 1
    for step in WAY[taken : WAY.index(upto) + 1]:
        if step is Step.RENEW_CROSSES:
            Rekeying(world.issuers, world.plan, world.chance).renew_crosses(generation, at=LATER)
        succession(world).take(step, generation, at=LATER, **(options if step is Step.PLAN else {}))


def back(world: EngineWorld, steps: int) -> None:
    for _ in range(steps):
        succession(world).back(NEW, at=LATER)


def publish_world(world: EngineWorld, at=LATER) -> None:
    publish_changes(world.issuers, world.repository, at=at)
    publish_all(world.issuers, world.plan, world.repository, at=at)


def in_force(world: EngineWorld, generation: GenerationId) -> list[CertificateRecord]:
    """What others certify of a key on its way, and what it has signed."""
    with world.stores.reading() as reading:
        return [
            *key_needs.links(reading, OLD, generation),
            *key_needs.links(reading, generation, OLD),
            *key_needs.crosses_for(reading, generation),
            *key_needs.services(reading, generation),
        ]


def reasons(world: EngineWorld, wanted) -> dict[tuple[GenerationId, CertificateKind], RevocationReason]:
    with world.stores.reading() as reading:
        return {
            (life.certificate.generation, life.kind): life.reason
            for life in lives.of(reading, [one.id for one in wanted])
        }


def state(world: EngineWorld, generation: GenerationId) -> State | None:
    life = succession(world).keys(TOTTORI).life(generation)
    return None if life is None else life.state


@pytest.mark.parametrize("reached", WAY[:-1], ids=str)
def test_a_key_on_its_way_is_given_up_and_another_one_comes(world, reached):
    copy = copy_of(world.store)
    go(world, reached)
    made = in_force(world, NEW)
    before = world.dump()
    with pytest.raises(BadInput, match="is none for which a key is discarded"):
        succession(world).discard(NEW, RevocationReason.SUPERSEDED, at=LATER)
    with pytest.raises(Conflict, match="never certified"):
        succession(world).discard(THIRD, LOST, at=LATER)
    with pytest.raises(Conflict):
        succession(world).discard(OLD, LOST, at=LATER)
    assert world.dump() == before, "what is refused leaves nothing"
    keys = succession(world).discard(NEW, LOST, at=LATER, evidence="case 7")
    assert [life.state for life in keys.lives] == [State.ACTIVE, State.DISCARDED]
    assert (keys.next_generation, keys.predecessor(THIRD)) == (THIRD, OLD)
    assert in_force(world, NEW) == []
    for (issuer, kind), reason in reasons(world, made).items():
        of_it = issuer != NEW
        assert reason is (RevocationReason.CA_COMPROMISE if of_it else CEASED), kind
    with world.stores.nation.reading() as connection:
        assert key_lives.evidence_of(connection, TOTTORI)[-1] == "case 7"
    ended = world.dump()
    assert succession(world).discard(NEW, LOST, at=LATER) == keys
    assert world.dump() == ended, "again at once, it changes nothing"
    for refused in (Step.PLAN, Step.MAKE_KEY, Step.CUT_OVER):
        with pytest.raises(Conflict, match=r"is discarded|is behind it"):
            succession(world).take(refused, NEW, at=LATER)
    with pytest.raises(Conflict, match="not the newest key"):
        succession(world).back(NEW, at=LATER)
    put_back(world.store, copy)
    world.stores.catch_up()
    again = world.dump()
    wanted = {name for name in ended if "key_" in name or "revocations" in name}
    assert wanted
    assert {name: again[name] for name in wanted} == {name: ended[name] for name in wanted}
    assert succession(world).keys(TOTTORI).lives == keys.lives, "the journal gives it back"


def test_the_next_key_follows_the_one_that_issues(world):
    """Two are given up; the fourth is linked with the first, certified by the bridge, and certifies whom that one does."""
    go(world, Step.RENEW_CROSSES)
    succession(world).discard(NEW, LOST, at=LATER)
    go(world, Step.OLD_WITH_NEW, THIRD)
    succession(world).discard(THIRD, CEASED, at=LATER)
    fourth = GenerationId(TOTTORI, 4)
    with pytest.raises(Conflict, match=r"jpki-31\.g2.*does not follow"):
        succession(world).succeed(NEW, at=LATER)
    go(world, Step.CUT_OVER, fourth)
    Rekeying(world.issuers, world.plan, world.chance).certify_others(fourth, at=LATER)
    assert world.issuers.issuing(TOTTORI).id == fourth
    with world.stores.reading() as reading:
        pairs = {(made.generation, subject) for subject, made in authorities.crosses(reading.of(TOTTORI))}
        assert {(OLD, fourth), (fourth, OLD), (fourth, BRIDGE)} <= pairs
        assert {one.id.generation for one in key_needs.crosses_for(reading, fourth, LATER)} == {BRIDGE}
    issued = world.issued(code=invented_code(1), at=LATER)
    assert {one.id.generation for one in issued.values()} == {fourth}
    publish_world(world)
    succession(world).succeed(GenerationId(TOTTORI, 5), at=LATER)
    assert state(world, fourth) is State.STATUS_ONLY


def test_a_key_of_the_wrong_suite_gives_way_to_one_of_the_right_one(world):
    folder = world.folder / "sealed"
    folder.mkdir(mode=0o700)
    with closing(SealedVault(folder, WrappingKey(bytes(32)), bytes(32))) as sealed:
        test, world.issuers.vault = world.vault, sealed
        go(world, Step.NEW_WITH_NEW, suite=SHA256_P256)
        back(world, 3)
        assert state(world, NEW) is None
        with pytest.raises(Conflict, match="is a key for sha256-p256") as refused:
            succession(world).take(Step.PLAN, NEW, suite=SHA384_P384, at=LATER)
        assert "`kakehashi key discard`" in str(refused.value)
        keys = succession(world).discard(NEW, CEASED, at=LATER)
        assert keys.life(NEW).state is State.DISCARDED
        with world.stores.nation.reading() as connection:
            assert key_lives.suite_of(connection, NEW) is SHA256_P256
        go(world, Step.NEW_WITH_NEW, THIRD, suite=SHA384_P384)
        assert world.issuers.of(THIRD).record.suite is SHA384_P384
        world.issuers.vault = test


def test_what_is_none_to_give_up(world):
    with pytest.raises(Conflict, match="is not planned, and was never certified"):
        succession(world).discard(NEW, CEASED, at=LATER)
    with pytest.raises(NotFound):
        succession(world).discard(GenerationId(AuthorityId("nobody"), 2), CEASED, at=LATER)
    go(world, Step.CUT_OVER)
    with pytest.raises(Conflict, match="is active"):
        succession(world).discard(NEW, LOST, at=LATER)


# What stays in the repository, as another judge reads it.


def files(world: EngineWorld, generation: GenerationId) -> set[str]:
    """What lies in a key's folder, without what has a number or a serial of its own."""
    folder = world.repository.folder / f"g/{generation}"
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(path) for path in found if len(path.parts) < 3}


def numbered(world: EngineWorld, generation: GenerationId) -> set[str]:
    folder = world.repository.folder / f"g/{generation}"
    return {str(path.relative_to(folder)) for path in folder.glob("*/*/*") if path.is_file()}


def said(world: EngineWorld, tmp_path: Path, generation: GenerationId, scope: Scope = ARL) -> str:
    """A key's list, as OpenSSL reads it; verified with the key's own certificate."""
    folder = world.repository.folder
    own = write_certificate(
        tmp_path / f"{generation}.pem", (folder / self_signed_path(generation)).read_bytes()
    )
    path = folder / list_path(generation, scope)
    shown = openssl("crl", "-in", path, "-inform", "DER", "-noout", "-text", "-CAfile", own)
    assert "verify OK" in shown.stderr + shown.stdout
    return shown.stdout


def serial(one: CertificateRecord) -> str:
    return f"Serial Number: {one.id.serial.octets.hex().upper()}"


def test_nothing_of_a_lost_key_is_left_under_a_current_name(world, tmp_path):
    go(world, Step.RENEW_CROSSES)
    publish_world(world)
    assert {"self.cer", "ocsp.cer", "issued-to.p7c", "issued-by.p7c"} < files(world, NEW)
    leading = [cross_path(OLD, NEW), cross_path(BRIDGE, NEW), pair_path(BRIDGE, NEW)]
    assert all(map(world.repository.has, leading))
    (link, _, cross, _), kept = in_force(world, NEW), numbered(world, NEW)
    encoded = write_certificate(tmp_path / "link.pem", link.encoded)
    succession(world).discard(NEW, LOST, at=LATER)
    publish_world(world)
    assert files(world, NEW) == set()
    assert numbered(world, NEW) == kept, "for those who verify the past"
    assert not any(map(world.repository.has, leading))
    assert str(NEW) not in (world.repository.folder / MANIFEST).read_text()
    for issuer, ended in ((OLD, link), (BRIDGE, cross)):
        words = said(world, tmp_path, issuer)
        assert "CA Compromise" in words[words.index(serial(ended)) :][:400]
    judged = openssl(
        "verify", "-crl_check", "-attime", str(int(LATER.timestamp()) + 60), "-CAfile", tmp_path / f"{OLD}.pem",
        "-CRLfile", world.repository.folder / list_path(OLD, ARL), encoded, check=False,
    )  # fmt: skip
    assert "certificate revoked" in judged.stderr + judged.stdout
    go(world, Step.RENEW_CROSSES, THIRD)
    publish_world(world)
    assert "self.cer" in files(world, THIRD)
    publish_world(world, LATER + timedelta(days=9))
    assert files(world, NEW) == set(), "nor does it come back"


def test_what_is_taken_back_of_a_key_is_said_by_its_own_lists(world, tmp_path):
    """They go on while it is on its way; without a plan it has nothing; planned anew, it comes with all it had."""
    go(world, Step.RENEW_CROSSES)
    publish_world(world)
    (link, backward, cross, responder), names = in_force(world, NEW), files(world, NEW)
    days = 0
    for step, ended, gone in (
        (Step.RENEW_CROSSES, cross, [cross_path(BRIDGE, NEW), pair_path(NEW, BRIDGE)]),
        (Step.SERVE_STATUS, responder, [service_path(NEW, CertificateKind.OCSP_RESPONDER)]),
        (Step.OLD_WITH_NEW, backward, [cross_path(NEW, OLD)]),
        (Step.NEW_WITH_OLD, link, [cross_path(OLD, NEW)]),
    ):
        assert all(map(world.repository.has, gone))
        assert succession(world).back(NEW, at=LATER).history[-1].step is step
        publish_world(world)
        assert not any(map(world.repository.has, gone))
        days += 3
        publish_world(world, LATER + timedelta(days=days))
        assert serial(ended) in said(world, tmp_path, ended.id.generation, ended.scope)
        with world.stores.nation.reading() as connection:
            assert all(
                record.next_update > LATER + timedelta(days=days)
                for record in lists.newest(connection, NEW).values()
            ), "none of them grows stale"
            assert (NEW in key_lives.signing_status(connection)) == (step is Step.RENEW_CROSSES)
            assert NEW in key_lives.making_lists(connection)
    assert {self_signed_path(NEW), issued_to_path(NEW), issued_by_path(NEW)} <= {
        f"g/{NEW}/{name}" for name in files(world, NEW)
    }
    back(world, 3)
    publish_world(world, LATER + timedelta(days=days))
    assert files(world, NEW) == set()
    assert str(NEW) not in (world.repository.folder / MANIFEST).read_text()
    go(world, Step.OLD_WITH_NEW)
    publish_world(world, LATER + timedelta(days=days))
    assert files(world, NEW) == set(), "planned anew, it is not served yet"
    go(world, Step.RENEW_CROSSES)
    publish_world(world, LATER + timedelta(days=days))
    assert files(world, NEW) == names
    assert serial(responder) in said(world, tmp_path, NEW, responder.scope), "what was revoked stays so"
