"""A key of a suite that may sign nothing any more, no list either, retires all the same: with what it had certified."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from bridge.crossing.rekeying import certify
from bridge.migrating.reading import plan_file
from bridge.migrating.running.doing import Migration, Order
from bridge.repository.contents import publish_all
from bridge.repository.failures import Failures
from bridge.repository.layout import list_path
from ca.errors import ListBlocked, StorageFailed, SuiteRetired
from ca.issuing.succession import Succession
from ca.model import ARL, GenerationId, Period
from ca.revoking.lists.publication import publish, publish_changes
from ca.rules.generations import State
from ca.store import authorities, lives
from ca.suites import SHA1_RSA2048, SHA256_RSA2048, Use
from tests.engine_world import EngineWorld, preload
from tests.old_world import old_world
from tests.test_migrate_run import HEAD, TAIL, authority

preload(__name__)
LATE = SHA1_RSA2048.until(Use.SIGN_STATUS) + timedelta(days=9)
CUT_OVER = datetime(2014, 9, 24, 1, tzinfo=UTC)
NAMES = ("gpki-bca", "jpki-bridge")
OLD = GenerationId.parse("gpki-bca.g1")
TEXT = (
    HEAD
    + "".join(authority(name, "2014-09-01", "2014-09-24", "2020-04-04") for name in NAMES)
    + TAIL.partition("[[waves]]")[0]
)
DAYS = {
    "2029-02-01": "2014-09-01",
    "2031-12-31": "2020-12-31",
    "2029-09-24": "2014-09-24",
    "2031-07-01": "2020-04-05",
}
SUITES = {"sha256-rsa2048": "sha1-rsa2048", "sha384-p384": "sha256-rsa2048"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    """The nation of 2008, whose two bridges have new keys since 2014; the anchor's old one has certified the other again."""
    with old_world(tmp_path / "world") as made:
        other = GenerationId.parse("jpki-bridge.g1")
        period = Period(CUT_OVER, LATE + timedelta(days=9))
        certify(made.issuers, made.plan, OLD, other, period, chance=made.chance, at=CUT_OVER)
        succession = Succession(made.issuers, made.plan.municipalities, made.chance)
        for name in NAMES:
            succession.succeed(GenerationId.parse(f"{name}.g2"), SHA256_RSA2048, at=CUT_OVER)
        yield made


def test_two_keys_that_may_sign_no_lists_any_more_keep_no_others_back(world):
    """Their lists are due too; what is in the order behind them is made all the same, and then they are told of."""
    at = SHA1_RSA2048.until(Use.SIGN_STATUS)
    publish_all(world.issuers, world.plan, world.repository, at=at)
    before = {path: path.read_bytes() for path in world.repository.folder.rglob("*.crl")}
    with pytest.raises(SuiteRetired, match="may not sign lists or answers after 2020-03-31"):
        publish_all(world.issuers, world.plan, world.repository, at=LATE)
    for name in NAMES:
        for number, made in ((1, False), (2, True)):
            path = world.repository.folder / list_path(GenerationId.parse(f"{name}.g{number}"), ARL)
            assert (path.read_bytes() != before[path]) == made
    # The last one of the order too: nothing waits in the certificates and the manifest either.
    with pytest.raises(SuiteRetired):
        publish_all(world.issuers, world.plan, world.repository, at=LATE)


def test_what_else_went_wrong_does_not_hide_behind_what_is_known_for_long():
    retired, kept_back, lost = (
        SuiteRetired("suite", "is over"),
        ListBlocked("list", "is kept back", reason="entry missing"),
        StorageFailed("disk", "is full"),
    )
    for wrong in permutations((retired, kept_back, lost)):
        for some, told in ((wrong, lost), ([one for one in wrong if one is not lost], kept_back)):
            failures = Failures()
            for one in some:
                with failures.kept():
                    raise one
            with pytest.raises(type(told)):
                failures.tell()
    Failures().tell()


def migration(world: EngineWorld, folder: Path) -> Migration:
    text = TEXT
    for changes in (DAYS, SUITES):
        text = "".join(_changed(part, changes) for part in text.splitlines(keepends=True))
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    plan, digest = plan_file(folder / "plan.toml")

    def published(at: datetime) -> None:
        publish_changes(world.issuers, world.repository, at=at)

    return Migration(world.issuers, world.plan, world.chance, plan, digest, published)


def _changed(line: str, changes: dict[str, str]) -> str:
    found = [old for old in changes if old in line]
    for number, old in enumerate(found):
        line = line.replace(old, f"<{number}>")
    for number, old in enumerate(found):
        line = line.replace(f"<{number}>", changes[old])
    return line


def test_a_key_whose_last_lists_come_too_late_retires_with_what_it_certified(world, tmp_path):
    running = migration(world, tmp_path)
    task = running.next(LATE)
    assert task.name == "retire of gpki-bca.old"
    with pytest.raises(SuiteRetired, match="may not sign lists or answers after 2020-03-31"):
        publish(world.stores.nation, world.issuers.of(OLD), [ARL], world.repository, at=LATE)
    done = running.carry_out(task, Order(("operator", "operator-2")), LATE)
    with world.stores.reading() as reading:
        crosses = [made for subject, made in authorities.crosses(reading.nation) if made in done.certificates]
        assert {made.generation for made in crosses} == {OLD}
        assert all(life.reason is not None for life in lives.of(reading, list(done.certificates)))
    assert crosses
    assert running.standing(LATE).states[OLD] is State.RETIRED
    following = running.next(LATE)
    assert following.name == "retire of jpki-bridge.old"
    running.carry_out(following, Order(("operator", "operator-2")), LATE)
    assert running.next(LATE) is None
