"""An authority with a database of its own: one life through both, and no death between the two leaves a half thing.

Nothing is written in two databases at one stroke. So processes die here before and after every write of the journal and
every commit of either, and (in the long ring) at every statement; what starts afterwards has to make a whole of it.
"""

import hashlib
import itertools
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import x509
from sqlalchemy import Connection, delete, select
from sqlalchemy import event as engine_event

from ca.chance import SystemChance
from ca.errors import HomeRefused, KakehashiError, RevocationRefused
from ca.issuing import cycle
from ca.journal.entries import IntentEntry, IssuedEntry
from ca.model import RESIDENT_KINDS, CertificateId, CertificateKind, GenerationId, RevocationReason, Serial
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk
from ca.revoking.lists.publication import publish_changes
from ca.rules.registration import State
from ca.rules.revocation import CertificateStatus, status_of
from ca.store import certificates, holdings, register, revocations, status
from ca.store import tables as table
from ca.store.certificates import CertificateState
from tests import commands, postgresql
from tests import engine_world as worlds
from tests.engine_world import (
    CODE,
    NOW,
    EngineWorld,
    Running,
    append,
    copy_of,
    copy_world,
    csr_for,
    lines,
    opened,
    put_back,
)
from tests.feed_files import event, feed_file
from tests.served_world import (
    BOTH,
    Judge,
    change,
    home_on,
    issued,
    new_person,
    served,
    told,
    wait_until,
)
from tests.test_cycle import Watched, around_writes, tbs_of
from tests.test_events import read

TOTTORI = GenerationId.parse("jpki-31.g1")
LATER = NOW + timedelta(days=10)
TOO_LATE = datetime(2031, 1, 1, tzinfo=UTC)
DEATH = event("death", "died", CODE, "2014-09-03")
LAYOUTS = {
    "two files": worlds.OWN,
    "a server and a file": worlds.OWN_FILE,
    "a file and a server": worlds.OWN_ON_SERVER,
}


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS)
def anywhere(request, monkeypatch):
    monkeypatch.setattr(worlds, "layout", request.param)


@pytest.fixture
def two_files(monkeypatch):
    monkeypatch.setattr(worlds, "layout", worlds.OWN)


def apply(world: EngineWorld, *changes, **header):
    return EventDesk(world.stores).apply(read(world, feed_file(*changes, **header)), at=LATER)


def restart(world: EngineWorld, at: datetime = LATER) -> None:
    """What a process does when it opens a world."""
    cycle.recover(world.issuers, at)


def known(world: EngineWorld) -> dict[CertificateId, certificates.CertificateRecord]:
    """Every holder's certificate that the authority's database knows."""
    with world.stores.of(TOTTORI.authority).reading() as connection:
        rows = connection.execute(
            select(table.certificates.c.serial).where(
                table.certificates.c.generation == str(TOTTORI), table.certificates.c.kind.in_(RESIDENT_KINDS)
            )
        ).scalars()
        ids = [CertificateId(TOTTORI, Serial.of(serial)) for serial in rows]
        return {one: certificates.find(connection, one) for one in ids}


def held(world: EngineWorld) -> set[CertificateId]:
    """Every certificate that the nation's database knows to be held."""
    with world.stores.nation.reading() as connection:
        rows = connection.execute(select(table.holdings.c.subject_key)).scalars().all()
        return {record.certificate for record in holdings.with_keys(connection, rows).values()}


def states(world: EngineWorld) -> dict[str, str]:
    with world.stores.nation.reading() as connection:
        rows = connection.execute(select(table.applications.c.application, table.applications.c.state))
        return dict(map(tuple, rows))


def said(world: EngineWorld, certificate: CertificateId, at: datetime = LATER) -> CertificateStatus:
    """What the responder reads of a certificate."""
    with world.stores.of(TOTTORI.authority).reading() as connection:
        found = status.records(connection, TOTTORI, [certificate.serial])[certificate.serial]
    return status_of(found.issued_at, found.revocation, at).status


def require_whole(world: EngineWorld, at: datetime = LATER) -> None:
    """No half-open case, no certificate that nobody holds, no holding without its certificate, no order not obeyed."""
    there = known(world)
    assert {record.state for record in there.values()} <= {
        CertificateState.ISSUED,
        CertificateState.ABANDONED,
    }
    assert State.ISSUING not in states(world).values()
    assert held(world) == there.keys()
    for record in there.values():
        tbs = x509.TbsCertificate.load(tbs_of(record))
        assert hashlib.sha256(tbs["subject_public_key_info"].dump()).digest() == record.subject_key
    for end, state in ((State.ISSUED, CertificateState.ISSUED), (State.FAILED, CertificateState.ABANDONED)):
        cases = {record.application for record in there.values() if record.state is state}
        assert {case for case, its in states(world).items() if its == end} == cases
    assert world.stores.catch_up() == 0
    with world.stores.journal.turn() as turn, world.stores.nation.reading() as connection:
        assert register.applied(connection) == turn.head.count
        told = [record.entry for record in turn.after(0)]
    intended = {
        part.certificate for entry in told if isinstance(entry, IntentEntry) for part in entry.certificates
    }
    signed = {
        part.certificate for entry in told if isinstance(entry, IssuedEntry) for part in entry.certificates
    }
    assert {str(one) for one in there} <= intended
    assert {str(one) for one, its in there.items() if its.state is CertificateState.ISSUED} <= signed
    for order in (order for entry in told for order in getattr(entry, "orders", ())):
        assert said(world, CertificateId.parse(order.certificate), at) is CertificateStatus.REVOKED


def require_no_case_ahead(world: EngineWorld) -> None:
    """No case says that it is issued before its certificates are: also while nobody has looked after a death."""
    there = known(world).values()
    unsigned = {record.application for record in there if record.state is not CertificateState.ISSUED}
    whole = {record.application for record in there} - unsigned
    assert {case for case, state in states(world).items() if state == State.ISSUED} <= whole


# A life.


@pytest.mark.usefixtures("anywhere")
def test_a_life_in_two_databases(tmp_path):
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        own = world.stores.of(TOTTORI.authority)
        assert own is not world.stores.nation
        issued = world.issued()
        assert known(world).keys() == held(world) == {item.id for item in issued.values()}
        with world.stores.nation.reading() as connection:
            generations = connection.execute(select(table.certificates.c.generation)).scalars()
            assert str(TOTTORI) not in set(generations), "nothing of it lies in the nation's database"
        assert {record.id for record in world.stores.generations()} >= {
            TOTTORI,
            GenerationId.parse("gpki-bca.g1"),
        }
        signature, authentication = (issued[kind].id for kind in RESIDENT_KINDS)
        assert (said(world, signature), said(world, authentication)) == (CertificateStatus.GOOD,) * 2
        (outcome,) = apply(world, event("move", "moved-out", CODE, "2014-09-02"))
        assert [order.certificate for order in outcome.orders] == [signature]
        assert said(world, signature) is CertificateStatus.REVOKED
        assert said(world, authentication) is CertificateStatus.GOOD
        revoke(world.stores, authentication, RevocationReason.KEY_COMPROMISE, "operator", at=LATER)
        assert said(world, authentication) is CertificateStatus.REVOKED
        made = publish_changes(world.issuers, world.repository, at=LATER)
        assert {record.generation for record in made} == {TOTTORI}
        assert {record.entries for record in made if record.scope == "full"} == {2}
        assert publish_changes(world.issuers, world.repository, at=LATER) == []
        require_whole(world)
        # A key is certified once in the nation, whatever database its first certificate lies in.
        again = world.csrs(CertificateKind.SIGNATURE)
        world.filed(csrs=again, kinds=())
        with pytest.raises(KakehashiError, match="its key is in another"):
            world.filed(csrs=again, kinds=())


HOMES = [
    pytest.param(["--database", "{}"], id="a server"),
    pytest.param(
        ["--database", "{}", "--authority-database", "jpki-13=sqlite:///tokyo.db"],
        id="a server and a file",
        marks=pytest.mark.long,
    ),
    pytest.param(
        ["--authority-database", "jpki-13=sqlite:///tokyo.db"], id="two files", marks=pytest.mark.long
    ),
    pytest.param(["--authority-database", "jpki-13={}"], id="a file and a server", marks=pytest.mark.long),
    pytest.param(
        ["--database", "{}", "--authority-database", "jpki-13={}"],
        id="two on a server",
        marks=pytest.mark.long,
    ),
]
"""Options of ``init``; braces stand for a fresh database on the server."""


@pytest.mark.parametrize("words", HOMES)
def test_a_home_lives_on_its_databases(tmp_path, words):
    """Made, staffed, served; a case through all hands, OpenSSL asking, an event, a revocation by hand, lists."""
    options = (word.replace("{}", postgresql.server().create()) if "{}" in word else word for word in words)
    home = home_on(tmp_path / "home", *options)
    assert (home.folder / "store.db").exists() is ("--database" not in words)
    assert (home.folder / "tokyo.db").exists() is (words[-1] == "jpki-13=sqlite:///tokyo.db")
    person = new_person()
    with served(home) as server:
        made = issued(server, person)
        signature, authentication = (made[kind] for kind in BOTH)
        judge = Judge(server, tmp_path)
        assert (judge.status(signature), judge.status(authentication)) == ("good", "good")
        answer = told(server, change(home, "moved-out", person["code"]))
        assert [order["certificate"] for order in answer.json["outcomes"][0]["orders"]] == [
            signature["certificate"]
        ]
        wait_until(lambda: judge.status(signature) == "revoked", "the responder says so")
        assert judge.status(authentication) == "good"
        wait_until(lambda: not judge.accepts(signature), "the list says so")
        assert judge.accepts(authentication)
        words = ("revoke", authentication["certificate"], "--reason", "superseded", "--officer", "ito")
        commands.done(commands.kakehashi(*words, "--home", home.folder))
        wait_until(lambda: judge.status(authentication) == "revoked", "the responder says so")
        wait_until(lambda: not judge.accepts(authentication), "the list says so")
        server.get("/api/cases/%00", key="tanaka").problem(404, "is not one of this home's")
        assert server.stop() == 0
    commands.done(commands.kakehashi("list", "publish", "--home", home.folder))
    (case,) = commands.done(commands.run("case", "list", "--home", home.folder, "--json")).json
    assert case["state"] == "issued"
    file = tmp_path / "feed"
    file.write_bytes(feed_file(change(home, "died", person["code"])))
    applied = commands.run("events", "apply", file, "--home", home.folder, "--json")
    assert [outcome["outcome"] for outcome in commands.done(applied).json] == ["nothing ended"]


# An older copy.


@pytest.mark.usefixtures("two_files")
@pytest.mark.parametrize("whose", ["jpki-31.db", "store.db"])
def test_a_database_put_back_to_an_older_copy_gets_what_it_lost(tmp_path, whose):
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        issued = world.issued()
        signature, authentication = (issued[kind].id for kind in RESIDENT_KINDS)
        apply(world, event("move", "moved-out", CODE, "2014-09-02"))
        world.stores.close()
        old = (world.folder / whose).read_bytes()
        (outcome,) = apply(world, event("death", "died", CODE, "2014-09-03"), sequence=2)
        assert [order.certificate for order in outcome.orders] == [authentication]
        whole = world.dump()
        world.stores.close()  # which folds the logs beside the files into them
        (world.folder / whose).write_bytes(old)
        lost = CertificateStatus.GOOD if whose == "jpki-31.db" else CertificateStatus.REVOKED
        assert said(world, authentication) is lost
        assert world.stores.catch_up() == 1
        assert {said(world, one) for one in (signature, authentication)} == {CertificateStatus.REVOKED}
        assert world.dump() == whole
        require_whole(world)


@pytest.mark.usefixtures("anywhere")
def test_a_database_that_does_not_say_how_far_it_has_followed_gets_everything(tmp_path):
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        world.issued()
        apply(world, event("move", "moved-out", CODE, "2014-09-02"))
        apply(world, DEATH, sequence=2)
        with world.stores.of(TOTTORI.authority).writing() as connection:
            connection.execute(delete(table.revocations))
            connection.execute(delete(table.counters).where(table.counters.c.name == "journal-applied"))
        with world.stores.journal.turn() as turn:
            count = turn.head.count
        assert world.stores.catch_up() == count
        require_whole(world)


@pytest.mark.usefixtures("two_files")
def test_a_database_of_which_nothing_was_told_has_followed_everything_once(tmp_path):
    """So it was before databases were told of one by one: each had followed every record."""
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        world.issued()
        apply(world, event("stranger", "died", CODE, "2014-09-02"))
        with world.stores.nation.writing() as connection:
            connection.execute(delete(table.marks).where(table.marks.c.name == "followed"))
        with world.stores.of(TOTTORI.authority).reading() as connection:
            followed = register.applied(connection)
        apply(
            world, event("stranger-2", "died", worlds.resident_code("98765432103"), "2014-09-02"), sequence=2
        )
        with world.stores.journal.turn() as turn:
            behind = turn.head.count - followed
        assert behind > 0
        assert (world.stores.catch_up(), world.stores.catch_up()) == (behind, 0)


@pytest.mark.usefixtures("anywhere")
def test_a_journal_behind_any_database_is_refused(tmp_path):
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        with world.stores.journal.turn() as turn:
            count = turn.head.count
        for store in world.stores.each():
            with store.reading() as connection:
                followed = register.applied(connection)
            with store.writing() as connection:
                register.mark_applied(connection, count + 1)
            with pytest.raises(HomeRefused, match=f"has {count} records; store .* has applied {count + 1}"):
                world.stores.catch_up()
            with store.writing() as connection:
                register.mark_applied(connection, followed)
        require_whole(world)


@pytest.mark.usefixtures("two_files")
def test_what_does_not_concern_a_database_is_not_carried_out_again_for_it(tmp_path):
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        with world.stores.of(TOTTORI.authority).reading() as connection:
            followed = register.applied(connection)
        apply(world, event("stranger", "died", CODE, "2014-09-03"))
        with world.stores.of(TOTTORI.authority).reading() as connection:
            assert register.applied(connection) == followed
        assert world.stores.catch_up() == 0


@pytest.mark.usefixtures("anywhere")
def test_nothing_is_written_in_an_older_copy_before_it_has_caught_up(tmp_path):
    """Else it would say that it has followed the journal, and what it lost would be lost for good."""
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        first = world.issued()[CertificateKind.SIGNATURE].id
        own = world.stores.of(TOTTORI.authority)
        copy = copy_of(own)
        revoke(world.stores, first, RevocationReason.SUPERSEDED, "operator", at=LATER)
        second = world.issued(code=worlds.resident_code("98765432103"))[CertificateKind.SIGNATURE].id
        whole = world.dump()
        put_back(own, copy)
        assert (said(world, first), said(world, second)) == (
            CertificateStatus.GOOD,
            CertificateStatus.UNKNOWN,
        )
        before = world.dump()
        with pytest.raises(
            HomeRefused, match=r"is an older copy, in which the journal's record \d+ was the last"
        ):
            revoke(world.stores, first, RevocationReason.SUPERSEDED, "operator", at=LATER)
        assert world.dump() == before
        restart(world)
        assert world.dump() == whole
        require_whole(world)


# Sudden death.


@dataclass
class Steps:
    """Counts the steps of a process that dies at one of them."""

    last: int
    world: EngineWorld

    def __post_init__(self):
        self._count = itertools.count()

    def __call__(self, *_, **__) -> None:
        if next(self._count) == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, *, statements: bool) -> None:
        """Commits of every database, before and after; signatures; perhaps statements too. Files are watched apart."""
        for store in self.world.stores.each():
            commit = store.engine.dialect.do_commit

            def do_commit(connection, commit=commit):
                self()
                commit(connection)
                self()

            store.engine.dialect.do_commit = do_commit
            if statements:
                engine_event.listen(store.engine, "before_cursor_execute", self)
        self.world.interpose(TOTTORI, lambda signer: Watched(signer, self.world.folder / "signed"))
        signer = self.world.issuers.of(TOTTORI).signer
        self.world.interpose(TOTTORI, lambda _: Slow(signer, self))


@dataclass(frozen=True)
class Slow:
    """A signer between two steps."""

    signer: Watched
    step: Steps

    @property
    def public_key(self):
        return self.signer.public_key

    def sign(self, message, suite):
        self.step()
        signature = self.signer.sign(message, suite)
        self.step()
        return signature

    def sign_digest(self, digest, suite):
        self.step()
        signature = self.signer.sign_digest(digest, suite)
        self.step()
        return signature


def issue(world: EngineWorld) -> None:
    (case,) = (case for case, state in states(world).items() if state in {State.APPROVED, State.ISSUING})
    world.registration.issue(case, "operator", at=LATER)


def end_by_event(world: EngineWorld) -> None:
    apply(world, DEATH)


def end_by_hand(world: EngineWorld) -> None:
    certificate = next(one for one, it in known(world).items() if it.kind is CertificateKind.SIGNATURE)
    revoke(world.stores, certificate, RevocationReason.SUPERSEDED, "operator", at=LATER)


def recover(world: EngineWorld) -> None:
    restart(world)


def publish(world: EngineWorld) -> None:
    publish_changes(world.issuers, world.repository, at=LATER)


def work_and_die(folder: Path, name: str, last: int, told: Path, statements: bool) -> None:  # noqa: FBT001 - over a process's border
    with opened(folder, chance=SystemChance()) as world:
        steps = Steps(last, world)
        steps.watch(statements=statements)
        with around_writes(steps):
            WORKS[name][0](world)
    append(told, b"done")


def holder(world: EngineWorld) -> None:
    world.issued()


def applicant(world: EngineWorld) -> None:
    world.issued(code=worlds.resident_code("98765432103"))
    world.approved()


def between_the_two(world: EngineWorld) -> None:
    """An issuance that ended when the authority's database had it, and the nation's not yet."""
    leave_off(world, "nation")


def before_both(world: EngineWorld) -> None:
    """One that ended when the journal had it, and neither database."""
    leave_off(world, TOTTORI.authority)


def leave_off(world: EngineWorld, whose: str) -> None:
    """Leave an issuance off when this database is about to keep its intents."""
    world.approved()
    world.stores.close()
    assert Running(die_at_commit, world.folder, whose).wait() == -signal.SIGKILL


def die_at_commit(folder: Path, whose: str) -> None:
    def commit(connection: Connection) -> None:
        if connection.get_execution_options().get("kakehashi_writes"):
            os.kill(os.getpid(), signal.SIGKILL)

    with opened(folder, chance=SystemChance()) as world:
        store = world.stores.nation if whose == "nation" else world.stores.of(TOTTORI.authority)
        engine_event.listen(store.engine, "commit", commit)
        issue(world)


def ended(world: EngineWorld) -> None:
    holder(world)
    apply(world, DEATH)


WORKS = {
    "issue": (issue, applicant),
    "event": (end_by_event, holder),
    "event beside an approved case": (end_by_event, applicant),
    "event beside a case between the two": (end_by_event, between_the_two),
    "event beside a case before both": (end_by_event, before_both),
    "revoke": (end_by_hand, holder),
    "recover": (recover, between_the_two),
    "recover before both": (recover, before_both),
    "publish": (publish, ended),
}
"""A piece of work, and the world that it is done in."""


def require_death_anywhere(tmp_path: Path, name: str, *, statements: bool) -> int:
    """Let the work die at each step, restart and finish it; gives how often it died."""
    _, prepare = WORKS[name]
    with worlds.engine_world(tmp_path / "scene", chance=SystemChance()) as world:
        prepare(world)
    for last in itertools.count():
        folder, told = tmp_path / f"{last}", tmp_path / f"{last}.told"
        copy_world(tmp_path / "scene", folder)
        code = Running(work_and_die, folder, name, last, told, statements).wait()
        with opened(folder, chance=SystemChance()) as world:
            signed = set() if name == "publish" else set(lines(folder / "signed"))  # it signs lists
            assert signed <= {tbs_of(record) for record in known(world).values()}, (
                "signed, and not written down"
            )
            require_no_case_ahead(world)
            restart(world)
            require_whole(world)
            assert signed <= {tbs_of(record) for record in known(world).values()}
            settled = world.dump()
            restart(world)
            assert world.dump() == settled, "a second restart finds nothing to do"
            # Whoever was not told that it was done does it again.
            if name == "issue" and State.APPROVED in states(world).values():
                issue(world)
            elif name.startswith("event"):
                end_by_event(world)
            elif name == "revoke":
                with suppress(RevocationRefused):
                    end_by_hand(world)
                assert CertificateStatus.REVOKED in {said(world, one) for one in known(world)}
            publish(world)
            require_whole(world)
            if name == "issue":
                assert set(states(world).values()) == {State.ISSUED}
                assert len(known(world)) == 2 * len(RESIDENT_KINDS)
            elif name.startswith("event beside a case b"):
                # What was intended is signed, and has ended.
                assert set(states(world).values()) == {State.ISSUED}
                assert {said(world, one) for one in known(world)} == {CertificateStatus.REVOKED}
            with world.stores.of(TOTTORI.authority).reading() as connection:
                assert revocations.published(connection) == revocations.sequence(connection)
        if code == 0:
            return last
        assert code == -signal.SIGKILL
    raise AssertionError


@pytest.mark.usefixtures("two_files")
@pytest.mark.parametrize("name", ["issue", "event beside a case between the two"])
def test_death_around_any_commit_leaves_no_half(tmp_path, name):
    assert require_death_anywhere(tmp_path, name, statements=False) > 4


@pytest.mark.long
@pytest.mark.parametrize("name", WORKS)
@pytest.mark.parametrize("where", [name for name in LAYOUTS if name != "two files"])
def test_death_around_any_commit_leaves_no_half_on_a_server(tmp_path, monkeypatch, where, name):
    monkeypatch.setattr(worlds, "layout", LAYOUTS[where])
    assert require_death_anywhere(tmp_path, name, statements=False) > 4


@pytest.mark.long
@pytest.mark.usefixtures("two_files")
@pytest.mark.parametrize("name", WORKS)
def test_death_at_any_statement_leaves_no_half(tmp_path, name):
    assert require_death_anywhere(tmp_path, name, statements=True) > 10


LEFT_OFF = pytest.mark.parametrize("left", [between_the_two, before_both])


@LEFT_OFF
@pytest.mark.usefixtures("anywhere")
def test_what_the_journal_alone_has_is_carried_out_and_signed(tmp_path, left):
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        left(world)
        assert list(states(world).values()) == [State.APPROVED]
        assert held(world) == set()
        assert len(known(world)) == (len(RESIDENT_KINDS) if left is between_the_two else 0)
        intended = told_of(world)
        assert len(intended) == len(RESIDENT_KINDS)
        with world.stores.recording():
            pass
        assert list(states(world).values()) == [State.ISSUING]
        assert known(world).keys() == held(world) == intended
        assert {said(world, one) for one in intended} == {CertificateStatus.UNKNOWN}
        restart(world)
        require_whole(world)
        assert known(world).keys() == intended
        assert {said(world, one) for one in intended} == {CertificateStatus.GOOD}


def told_of(world: EngineWorld) -> set[CertificateId]:
    """The holders' certificates whose intents the journal has."""
    with world.stores.journal.turn() as turn:
        entries = [record.entry for record in turn.after(0)]
    return {
        CertificateId.parse(part.certificate)
        for entry in entries
        if isinstance(entry, IntentEntry)
        for part in entry.certificates
        if part.held
    }


@LEFT_OFF
@pytest.mark.usefixtures("anywhere")
def test_what_was_begun_and_has_ended_meanwhile_is_issued_and_ended(tmp_path, left):
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        left(world)
        (outcome,) = apply(world, DEATH)
        assert {order.certificate for order in outcome.orders} == told_of(world)
        restart(world)
        require_whole(world)
        assert list(states(world).values()) == [State.ISSUED]
        assert {said(world, one) for one in told_of(world)} == {CertificateStatus.REVOKED}


@LEFT_OFF
@pytest.mark.usefixtures("two_files")
def test_what_was_begun_and_may_no_longer_be_signed_fails_its_case(tmp_path, left):
    with worlds.engine_world(tmp_path / "world", chance=SystemChance()) as world:
        left(world)
        restart(world, TOO_LATE)
        require_whole(world, TOO_LATE)
        assert list(states(world).values()) == [State.FAILED]
        assert {record.state for record in known(world).values()} == {CertificateState.ABANDONED}
        assert {said(world, one, TOO_LATE) for one in told_of(world)} == {CertificateStatus.REVOKED}


# Many at once.


def issue_some(folder: Path, first: int, number: int) -> None:
    with opened(folder, chance=SystemChance()) as world:
        for turn in range(number):
            csrs = {kind: csr_for(first + 2 * turn + place) for place, kind in enumerate(RESIDENT_KINDS)}
            world.issued(csrs=csrs, at=LATER)


def end_some(folder: Path, number: int) -> None:
    with opened(folder) as world:
        for turn in range(number):
            at = event(f"move-{turn}", "moved-out", CODE, "2014-09-02")
            apply(world, at, sequence=turn + 1)


def publish_some(folder: Path, number: int) -> None:
    with opened(folder) as world:
        for _ in range(number):
            publish(world)


def restart_some(folder: Path, number: int) -> None:
    with opened(folder, chance=SystemChance()) as world:
        for _ in range(number):
            restart(world)


@pytest.mark.usefixtures("anywhere")
def test_processes_at_once_on_two_databases_never_wait_for_each_other_in_a_ring(tmp_path):
    """Each takes the nation's lock first. Were it otherwise, they would run into the locks' time limit and fail."""
    folder = tmp_path / "world"
    with worlds.engine_world(folder, chance=SystemChance()) as world:
        issued = [item.id for _ in range(3) for item in world.issued().values()]
    works = [
        (issue_some, 1000, 6),
        (issue_some, 2000, 6),
        (end_some, 8),
        (publish_some, 8),
        (restart_some, 8),
    ]
    running = [Running(work, folder, *words) for work, *words in works]
    assert [process.wait() for process in running] == [0] * len(works)
    with opened(folder, chance=SystemChance()) as world:
        restart(world)
        require_whole(world)
        assert len(known(world)) == len(issued) + 24
        publish(world)
