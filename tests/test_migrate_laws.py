"""What holds while a plan is carried out: it goes on though it was edited or a key was given up; others are not cut off."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import pem

from bridge.crossing import retiring
from bridge.crossing.desk import CrossingDesk
from bridge.crossing.handed_in import Handed
from bridge.crossing.renewal import Renewing
from bridge.migrating.reading import plan_file
from bridge.migrating.running.doing import Migration, Order
from bridge.migrating.running.evidence import Evidence
from bridge.migrating.running.matching import Mismatch, findings
from bridge.migrating.running.progress import Stage, staged
from bridge.migrating.running.standing import KeyName, read_standing
from ca.errors import Conflict, NotFound
from ca.issuing.succession import Succession
from ca.journal.entries import KeyStepEntry, OrderEntry, RevocationEntry
from ca.journal.journal import records
from ca.model import AuthorityId, CertificateId, GenerationId, RevocationReason
from ca.rules.generations import State, Step
from ca.store import certificates
from front.assembly import World, open_world
from front.rehearsing.rehearsal import migration_of
from tests import commands
from tests.openssl_peer import OpensslPeer, agreement
from tests.test_migrate_run import (
    FIRST,
    PASSPHRASE,
    TEXT,
    TWO,
    authority,
    carried_out,
    clock,
    migrating,
    moment_of,
    pristine,
    reissued,
    run,
    written,
)

__all__ = ["pristine"]
ANCHOR = "gpki-bca"
OLD, NEW, THIRD = (GenerationId.parse(f"{ANCHOR}.g{number}") for number in (1, 2, 3))
SAME = TEXT.replace('suite = "sha384-p384"', 'suite = "sha256-rsa2048"')
"""From keys of one suite to keys of the same."""


@pytest.fixture
def home(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "home")


@contextmanager
def by(home: Path, text: str) -> Iterator[tuple[World, Migration]]:
    plan, digest = plan_file(written(home.parent, text))
    with open_world(home, lambda: PASSPHRASE) as world:
        migration = migration_of(world, world.issuers, plan, digest)
        yield world, replace(migration, publish=lambda _: None)


def stages(world: World, migration: Migration, at: datetime) -> dict[str, tuple[Stage, str | None]]:
    with world.stores.reading() as reading:
        standing = read_standing(reading, world.plan, migration.plan, migration.digest, at, waves=True)
        return {one.task.name: (one.stage, one.why) for one in staged(reading, migration.plan, standing, at)}


# A plan that is edited.


def same_suite() -> str:
    """Rekeying to the suite that the keys have."""
    dropped = "[suites.sha384-p384]\nsign_until = 2035-12-31\nverify_until = 2046-12-31\n"
    text = SAME.replace(dropped, "").replace('"sha256-rsa2048", "sha384-p384"', '"sha256-rsa2048"')
    assert dropped not in text
    return text


def test_a_plan_that_is_edited_after_a_cut_over_goes_on_with_its_keys(home):
    text = same_suite()
    with by(home, text) as (world, migration):
        at = carried_out(migration, upto="cut-over of jpki-bridge.new")
        assert migration.standing(at).edited == ()
        before, first = migration.next(at), migration.digest
    with by(home, f"# A comment more.\n{text}") as (world, migration):
        standing = migration.standing(at)
        assert standing.edited == (first,)
        assert {standing.keys[KeyName(ANCHOR, key)] for key in ("old", "new")} == {OLD, NEW}
        assert migration.next(at) == before
        migration.carry_out(before, Order(TWO), moment_of(migration.plan, before))
        entries = [one.entry for one in records(world.home.journal) if isinstance(one.entry, KeyStepEntry)]
    told = {one.digest for entry in entries if (one := Evidence.read(entry.evidence)) is not None}
    assert told == {first, migration.digest}
    told = run("migrate", "status", home.parent / "plan.toml", "--home", home, "--clock", clock(at), "--json")
    assert commands.done(told).json["edited"] == [first]
    assert f"was edited since steps were taken by it: it was sha256:{first}" in told.stderr


def test_another_plan_begins_with_the_key_that_issues(home):
    text = same_suite()
    with by(home, text) as (_, migration):
        at = carried_out(migration, upto="cut-over of jpki-bridge.new")
    with by(home, text.replace('name = "small-migration"', 'name = "another"')) as (_, migration):
        standing = migration.standing(at)
        assert (standing.edited, standing.keys[KeyName(ANCHOR, "old")]) == ((), NEW)


SAID = Evidence("small-migration", "ab" * 32, "make-key of gpki-bca.new of 2029-09-01", ("ito", "endo"))
WORDS = [
    (str(SAID), SAID),
    (str(replace(SAID, rehearsed="cd" * 32)), replace(SAID, rehearsed="cd" * 32)),
    (f"{SAID}, by ito and endo", None),
    (f"as in {SAID}", None),
    (str(SAID).replace("ab" * 32, "ab"), None),
    ("by ito and endo", None),
]


@pytest.mark.parametrize(("text", "read"), WORDS)
def test_only_the_words_of_a_run_are_read_as_its(text, read):
    assert Evidence.read(text) == read


def test_what_an_operator_says_of_a_step_makes_it_no_plan_s(home):
    """``key step --evidence`` may hold the very words."""
    with by(home, same_suite()) as (world, migration):
        words = f"{replace(SAID, digest=migration.digest)}, by ito and endo"
        taking = Succession(world.issuers, world.plan.municipalities, world.chance)
        taking.take(Step.PLAN, NEW, at=FIRST, evidence=words)
        assert migration.standing(FIRST).edited == ()
        assert migration.next(FIRST).name == "make-key of gpki-bca.new"


# A key that is given up.


def test_a_plan_goes_on_with_the_key_after_one_that_was_given_up(home):
    with migrating(home, published=False) as (world, migration):
        at = carried_out(migration, upto="old-with-new of gpki-bca.new") + timedelta(minutes=5)
        taking = Succession(world.issuers, world.plan.municipalities, world.chance)
        taking.discard(NEW, reason=RevocationReason.CESSATION_OF_OPERATION, at=at)
        assert migration.standing(at).keys[KeyName(ANCHOR, "new")] == THIRD
        assert migration.next(at).name == "make-key of gpki-bca.new"
        at += timedelta(days=20)
        while (task := migration.next(at)).name != "renew-crosses of gpki-bca.new":
            migration.carry_out(task, Order(TWO), max(at, moment_of(migration.plan, task)))
        standing = migration.standing(at)
        assert (standing.keys[KeyName(ANCHOR, "old")], standing.keys[KeyName(ANCHOR, "new")]) == (OLD, THIRD)
        assert (standing.states[NEW], standing.states[THIRD]) == (State.DISCARDED, State.SERVED)


# Hand-over.

WAVE = datetime(2030, 4, 1, 1, tzinfo=UTC)


def on_hold(world: World, certificate: CertificateId, at: datetime) -> None:
    with world.stores.recording() as recording:
        (one,) = certificates.several(recording, [certificate])
        why = RevocationReason.CERTIFICATE_HOLD.word
        order = OrderEntry(
            str(one.id), why, at.replace(microsecond=0), one.scope, not_after=one.period.not_after
        )
        recording.note(RevocationEntry("somebody", "a test", at, (order,)))


def test_a_hand_over_is_of_the_plan_s_new_key_by_a_plan_of_this_home(home, tmp_path):
    with migrating(home, published=False) as (_, migration):
        carried_out(migration, upto="retire of gpki-post.old")
    new = min(reissued(home, tmp_path, WAVE))
    plan = tmp_path / "plan.toml"
    late = ("--officer", "sato", "--home", home, "--clock", clock(WAVE + timedelta(days=3)))
    for changes, words in (
        (("jpki-bridge", "jpki-bridge-2"), ["jpki-bridge-2", "is not one of this home's"]),
        (("sha384-p384", "sha256-rsa3072"), ["its key gpki-bca.g2 is for sha384-p384"]),
        (
            ("responder = 2029-09-03", "responder = 2030-09-03"),
            ["authorities[1] jpki-bridge", "serve-status"],
        ),
    ):
        written(tmp_path, TEXT.replace(*changes))
        commands.refused(run("migrate", "hand-over", plan, new, *late), *words)
    written(tmp_path)
    with migrating(home) as (world, _):
        held = CertificateId.parse(new)
        on_hold(world, held, WAVE + timedelta(days=2))
    commands.refused(run("migrate", "hand-over", plan, new, *late), "is on hold", "issue another one")


# Agreements with other CAs.

AGREED = datetime(2029, 2, 2, tzinfo=UTC)
SOONER = TEXT.replace(
    authority(ANCHOR, "2029-09-01", "2029-09-24", "2031-06-30"),
    authority(ANCHOR, "2029-09-01", "2029-09-24", "2030-06-30"),
)
"""The anchor's old key retires before any other does."""


@pytest.fixture
def peer(home: Path) -> OpensslPeer:
    return OpensslPeer(home.parent / "foreign")


def agree(world: World, peer: OpensslPeer) -> CrossingDesk:
    """Both certify each other, with the keys that issue."""
    moved = {"from": "2029-01-01T00:00:00Z", "to": "2034-08-31T14:59:59Z"}
    desk = CrossingDesk(world.issuers, world.plan, world.chance)
    desk.agree(agreement([peer.fingerprint], **moved), "a.toml", [], "ito", at=AGREED)
    take(desk, peer.request("theirs"), AGREED)
    receive(desk, peer, None, AGREED)
    return desk


def take(desk: CrossingDesk, file: Path, at: datetime) -> None:
    handed = Handed.read(file.read_bytes(), file.name)
    desk.examine("foreign-2014", handed, "ito", at=at)
    desk.accept("foreign-2014", handed, "endo", at=at)


def receive(desk: CrossingDesk, peer: OpensslPeer, key: GenerationId | None, at: datetime) -> None:
    """The peer certifies a key of ours, on our request."""
    asked = peer.folder / f"for-{key}.csr"
    asked.write_bytes(pem.armor("CERTIFICATE REQUEST", desk.request("foreign-2014", key=key, at=at)))
    ends = datetime(2034, 8, 31, 14, 59, 59, tzinfo=UTC)
    take(desk, peer.certify(asked, f"for-{key}", begins=at - timedelta(hours=1), ends=ends), at)


def left_out(world: World, migration: Migration, at: datetime) -> list[tuple[str, str]]:
    found = findings(world.stores, world.plan, migration.plan, migration.digest, at)
    return [(str(one.day), one.problem) for one in found if one.flaw is Mismatch.AGREEMENT_LEFT_OUT]


def test_an_agreement_that_would_end_with_the_old_key_is_told_before_the_first_day(home, peer):
    with migrating(home) as (world, migration):
        assert left_out(world, migration, FIRST) == []
        agree(world, peer)
        (of_ours, of_theirs) = left_out(world, migration, FIRST)
        assert of_ours[0] == of_theirs[0] == "2031-07-01"
        assert "gpki-bca.g1 certifies foreign by agreement foreign-2014" in of_ours[1]
        assert "`kakehashi cross renew --pair gpki-bca foreign`" in of_ours[1]
        assert "foreign certifies gpki-bca.g1 by agreement foreign-2014" in of_theirs[1]
        assert "`kakehashi cross request foreign-2014 --key GENERATION`" in of_theirs[1]
        migration.require_sound(FIRST)
    told = run(
        "migrate", "plan", home.parent / "plan.toml", "--home", home, "--clock", clock(FIRST), "--json"
    )
    assert (told.status, [row["flaw"] for row in told.json]) == (1, ["agreement-left-out"] * 2)


def test_the_peer_s_word_for_a_key_that_was_given_up_is_worth_nothing(home, peer):
    with by(home, SOONER) as (world, migration):
        desk = agree(world, peer)
        at = carried_out(migration, upto="renew-crosses of gpki-bca.new")
        out = home.parent / "new.csr"
        asked = ("cross", "request", "foreign-2014", "--key", NEW, "--out", out, "--home", home)
        commands.done(run(*asked, "--clock", clock(at + timedelta(minutes=1))))
        assert world.issuers.of(NEW).record.public_key in pem.unarmor(out.read_bytes())[2]
        receive(desk, peer, NEW, at)
        assert len(left_out(world, migration, at)) == 1
        taking = Succession(world.issuers, world.plan.municipalities, world.chance)
        taking.discard(NEW, reason=RevocationReason.KEY_COMPROMISE, at=at)
        assert len(left_out(world, migration, at)) == 2
        with pytest.raises(Conflict, match="is discarded; a key is certified from when"):
            desk.request("foreign-2014", key=NEW, at=at)


def test_no_agreement_ends_by_the_way_when_a_key_retires(home, peer):
    with by(home, SOONER) as (world, migration):
        desk = agree(world, peer)
        at = carried_out(migration, upto="serve-status of gpki-bca.new")
        with pytest.raises(Conflict, match="is linked; a key is certified from when its status is served"):
            desk.request("foreign-2014", key=NEW, at=at)
        for key, refusal in ((THIRD, NotFound), (GenerationId.parse("jpki-31.g1"), Conflict)):
            with pytest.raises(refusal):
                desk.request("foreign-2014", key=key, at=at)
        at = carried_out(migration, upto="cut-over of gpki-bca.new")
        receive(desk, peer, NEW, at)
        migration_of(world, world.issuers, migration.plan, migration.digest).publish(at)
        assert (home / f"repository/g/{NEW}/pairs/foreign.g1.ccp").exists()
        assert [
            problem.startswith("gpki-bca.g1 certifies foreign")
            for _, problem in left_out(world, migration, at)
        ] == [True]

        at = carried_out(migration, upto="retire of gpki-bca.old")
        task = migration.next(at)
        at = moment_of(migration.plan, task)
        with world.stores.reading() as reading:
            before = retiring.before_the_key(reading, OLD, at)
        assert "foreign" in stages(world, migration, at)[task.name][1]
        with pytest.raises(Conflict, match="certifies foreign by agreement foreign-2014, and is certified"):
            migration.carry_out(task, Order(TWO), at)
        with world.stores.reading() as reading:
            assert retiring.before_the_key(reading, OLD, at) == before, "nothing ends by what is refused"

        renewing = Renewing(world.issuers, world.plan, world.chance)
        steps = renewing.propose(
            "after", lambda half: half.is_between(AuthorityId(ANCHOR), AuthorityId("foreign")), at
        )
        (made,) = renewing.run(renewing.order("after", steps, *TWO, at=at), at=at)
        assert (made.failure, made.step.certificate.generation) == (None, NEW)
        ended = migration.carry_out(task, Order(TWO), at).certificates
        assert set(ended) == {one.id for one in before}
        assert migration.standing(at).states[OLD] is State.RETIRED
