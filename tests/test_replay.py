"""The journal is the truth: whatever copy of the databases it is carried out on comes to what living gave.

A nation lives through everything that the journal tells of. After each step its databases are copied; each copy, and
each pair of copies of different age, then catches up and has to be what the databases were in the end.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from asn1crypto import pem
from sqlalchemy import Table

from bridge.crossing.desk import CrossingDesk
from bridge.crossing.handed_in import Handed, certificate_der
from bridge.crossing.renewal import Renewing
from bridge.crossing.withdrawal import withdraw
from bridge.crossing.world import WorldMaker
from ca.chance import SeededChance, SystemChance
from ca.errors import Conflict, HomeRefused, KeyRefused
from ca.issuing import cycle
from ca.issuing.approval import begin_batch
from ca.issuing.batch import BatchIssuer, BatchRow
from ca.issuing.cycle import Intended
from ca.issuing.founding import service
from ca.issuing.retention import end_retention
from ca.issuing.succession import Succession
from ca.journal.entries import Entry, IntentEntry, KeyEndEntry
from ca.keys.codes import keyed_code
from ca.keys.vault import KeyId, TestVault
from ca.model import (
    RESIDENT_KINDS,
    AuthorityId,
    CertificateId,
    CertificateKind,
    GenerationId,
    OfficeId,
    OfficerId,
    RevocationReason,
)
from ca.revoking.deciding import mass
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk, EventOutcome
from ca.revoking.deciding.order_file import NamedCertificates
from ca.revoking.deciding.quarantine import CaseDecision, resolve
from ca.rules.generations import Step as KeyStep
from ca.rules.registration import State
from ca.rules.residents import LapseRules
from ca.store import applications, certificates, clients, orders, quarantine, register, verifiers
from ca.store.certificates import CertificateState
from ca.store.clients import KeyPurpose
from ca.store.engine import Store
from ca.store.orders import By, OrderState, Selection
from ca.store.schema import migrate
from ca.store.tables import metadata
from ca.store.verifiers import Verifier, VerifierId
from front.demo.people import invented_code
from tests import engine_world as worlds
from tests import rings
from tests.engine_world import (
    NOW,
    POST,
    RESIDENT,
    TOWN,
    EngineWorld,
    Running,
    append,
    copy_of,
    engine_world,
    lines,
    put_back,
)
from tests.feed_files import event, feed_file
from tests.openssl_peer import OpensslPeer, agreement
from tests.test_cycle import TOTTORI, Broken, around_writes, at_each_commit, prepared, states
from tests.test_events import read

SIGNATURE, USER_AUTHENTICATION = RESIDENT_KINDS
FIRST, SECOND, THIRD, CHANGED = (invented_code(number) for number in range(4))
LATER = NOW + timedelta(days=10)
MUCH_LATER = NOW + timedelta(days=100)
TOO_LATE = datetime(2031, 1, 1, tzinfo=UTC)
RULES = LapseRules(found_lifts=frozenset({USER_AUTHENTICATION}))
KEYS = {"window": OfficerId("window"), "chiyoda": None, "setagaya": None}
LAYOUTS = {
    "one file": worlds.FILES,
    "two files": worlds.OWN,
    "a server": worlds.SERVER,
    "a server and a file": worlds.OWN_FILE,
    "a file and a server": worlds.OWN_ON_SERVER,
}


@dataclass
class Life:
    """A world, and what is remembered between the steps of its life."""

    world: EngineWorld
    issued: dict[CertificateKind, CertificateId] = field(default_factory=dict)
    copies: list[dict[Store, Mapping[Table, list[dict[str, object]]]]] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    sequence: Iterator[int] = field(default_factory=itertools.count)

    def tell(self, *changes: dict[str, str], at: datetime = LATER) -> list[EventOutcome]:
        header = {"sequence": next(self.sequence) + 1}
        desk = EventDesk(self.world.stores, RULES)
        return [one.outcome for one in desk.apply(read(self.world, feed_file(*changes, **header)), at=at)]

    def end(self) -> dict[str, list[tuple[object, ...]]]:
        """What the databases say, but for how far they have followed the journal."""
        return {
            name: [row for row in rows if row[0] != "journal-applied"]
            for name, rows in self.world.dump().items()
            if not name.endswith(" marks")
        }


VERIFIER = Verifier(
    id=VerifierId("e-tax"),
    organisation="国税電子申告",
    purpose="申告書の署名検証",
    contact="e-tax@example.jp",
    certificate=b"certificate",
    fingerprint=hashlib.sha256(b"certificate").digest(),
    valid_from=NOW,
    valid_until=MUCH_LATER,
    officer=OfficerId("operator-2"),
    made_at=NOW,
    ended_at=None,
)


def prepare(life: Life) -> None:
    """What the journal does not tell of: officers, cases up to their approval, the approval of a batch."""
    world = life.world
    life.cases += [world.approved(code=code).case.id for code in (FIRST, SECOND)]
    life.cases += [world.approved(POST, (CertificateKind.OFFICIAL_POST,)).case.id]
    life.cases += [world.approved(code=THIRD).case.id]
    begin_batch(world.stores, "b" * 64, 2, approver="centre-1", operator="operator", at=NOW)
    with world.store.writing() as connection:
        for name, officer in KEYS.items():
            purpose = KeyPurpose.FEED if officer is None else KeyPurpose.OFFICER
            clients.add_key(connection, digest(name), name=name, purpose=purpose, officer=officer, at=NOW)
        verifiers.add(connection, VERIFIER)


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def issue(life: Life) -> None:
    for case in life.cases[:3]:
        for item in life.world.registration.issue(case, "operator", at=NOW):
            life.issued.setdefault(item.record.kind, item.id)


def issue_batch(life: Life) -> None:
    world = life.world
    batch = begin_batch(world.stores, "b" * 64, 2, approver="centre-1", operator="operator", at=NOW)
    rows = [
        BatchRow(1, RESIDENT, keyed_code(world.vault.code_key(), THIRD), None, tuple(world.csrs(SIGNATURE).items())),
        BatchRow(2, RESIDENT, hashlib.sha256(b"somebody").digest(), None, tuple(world.csrs(*RESIDENT_KINDS).items())),
    ]  # fmt: skip
    done = BatchIssuer(world.issuers, world.plan.municipalities, world.chance, batch).issue(rows, NOW)
    assert done.certificates == 3


def renew_a_service(life: Life) -> None:
    world, issuer, key = life.world, life.world.issuer("jpki-31"), KeyId("jpki-31.g1.ocsp-2")
    public_key = world.vault.create(key, issuer.record.suite).public_key
    item = service(
        issuer, CertificateKind.OCSP_RESPONDER, public_key=public_key, days=30, purpose="2", chance=world.chance, at=NOW
    )  # fmt: skip
    with world.stores.recording() as recording:
        cycle.intend(recording, [Intended(item, service_key=key)], NOW)
    with world.stores.recording() as recording:
        cycle.complete(recording, [cycle.sign(item, NOW)], NOW)


def move(life: Life) -> None:
    assert life.tell(event("move", "moved-out", FIRST, "2014-09-02")) == [EventOutcome.ENDED]
    assert life.tell(event("nobody", "died", invented_code(9), "2014-09-02")) == [
        EventOutcome.UNKNOWN_RESIDENT
    ]


def lose_and_find(life: Life) -> None:
    assert life.tell(event("lost", "lost", SECOND, "2014-09-03")) == [EventOutcome.HELD]
    (found,) = life.tell(event("found", "found", SECOND, "2014-09-04"))
    assert found in {EventOutcome.LIFTED, EventOutcome.ENDED}


def wait(life: Life) -> None:
    assert life.tell(event("later", "died", FIRST, "2014-10-01")) == [EventOutcome.WAITING]


def take_effect(life: Life) -> None:
    assert EventDesk(life.world.stores, RULES).settle(MUCH_LATER)


def change_code(life: Life) -> None:
    change = event("code", "resident-code-changed", THIRD, "2014-09-05", new_code=CHANGED)
    assert life.tell(change) != [EventOutcome.QUARANTINED]
    assert life.tell(event("card", "card-returned", CHANGED, "2014-09-06")) == [EventOutcome.ENDED]


def set_apart(life: Life) -> None:
    assert life.tell(event("move", "died", SECOND, "2014-09-07")) == [EventOutcome.QUARANTINED]


def decide(life: Life) -> None:
    with life.world.store.reading() as connection:
        (case,) = quarantine.cases(connection)
    resolve(life.world.stores, RULES, case.number, CaseDecision.END, "operator", at=MUCH_LATER)


def revoke_by_hand(life: Life) -> None:
    post = life.issued[CertificateKind.OFFICIAL_POST]
    revoke(life.world.stores, post, RevocationReason.SUPERSEDED, "operator", at=LATER)
    revoke(life.world.stores, post, RevocationReason.KEY_COMPROMISE, "operator", at=LATER)


def propose(life: Life, wanted: Selection | NamedCertificates, reason: RevocationReason) -> int:
    """Make an order of many."""
    world = life.world
    proposal = mass.propose(world.stores, wanted, reason, "operator", at=LATER)
    return mass.make(world.stores, proposal).number


def order_many(life: Life) -> None:
    stores, named = (
        life.world.stores,
        [life.issued[kind] for kind in (*RESIDENT_KINDS, CertificateKind.OFFICIAL_POST)],
    )
    number = propose(life, NamedCertificates("ids", tuple(named)), RevocationReason.KEY_COMPROMISE)
    assert mass.approve(stores, number, "operator-2", at=LATER)[1].to_end == 2
    mass.advance(stores, at=LATER, chunk=2)


def stop_orders(life: Life) -> None:
    stores, everything = life.world.stores, Selection(By.GENERATION, "jpki-31.g1")
    mass.pause(stores, 1, "operator-2", at=MUCH_LATER)
    for _ in range(2):
        propose(life, everything, RevocationReason.CERTIFICATE_HOLD)
    mass.approve(stores, 2, "operator-2", at=MUCH_LATER)
    mass.cancel(stores, 2, "operator", at=MUCH_LATER)
    mass.cancel(stores, 3, "operator", at=MUCH_LATER)
    assert mass.advance(stores, at=MUCH_LATER) is None


def go_on(life: Life) -> None:
    stores = life.world.stores
    mass.resume(stores, 1, "operator", at=MUCH_LATER)
    done = mass.advance(stores, at=MUCH_LATER, chunk=2)
    assert done is not None
    assert (done.state, done.progress.looked_at) == (OrderState.DONE, 3)


def end_keys(life: Life) -> None:
    """An officer's and a feed's."""
    for name in ("window", "chiyoda"):
        with life.world.stores.recording() as recording:
            (key,) = clients.keys_in_use(recording.nation, name)
            recording.note(KeyEndEntry(name, (key.hex(),), MUCH_LATER))


def end_verifier(life: Life) -> None:
    with life.world.stores.recording() as recording:
        recording.note(verifiers.ending(recording.nation, "e-tax", MUCH_LATER))


def cross_certify(life: Life) -> None:
    """Both halves with a CA of somebody else, the renewal of every pair, and the end of the one with that CA."""
    world, at = life.world, MUCH_LATER
    peer = OpensslPeer(world.folder / "foreign")
    desk = CrossingDesk(world.issuers, world.plan, world.chance)
    given = [("root", certificate_der(peer.root.read_bytes(), "root"))]
    desk.agree(agreement([peer.fingerprint]), "agreement", given, "operator", at=at)
    (world.folder / "ours.csr").write_bytes(
        pem.armor("CERTIFICATE REQUEST", desk.request("foreign-2014", at=at))
    )
    ours = peer.certify(world.folder / "ours.csr", "for-us")
    for path, first, second in (
        (peer.request("theirs"), "operator", "operator-2"),
        (ours, "operator-2", "operator"),
    ):
        handed = Handed.read(path.read_bytes(), path.name)
        desk.examine("foreign-2014", handed, first, at=at)
        desk.accept("foreign-2014", handed, second, at=at)
    renewing = Renewing(world.issuers, world.plan, world.chance)
    steps = renewing.propose("all", lambda _: True, at)
    order = renewing.order("all", steps, "operator", "operator-2", at=at)
    assert not any(one.was_there or one.failure for one in renewing.run(order, at=at))
    two = ("operator", "operator-2")
    pair = AuthorityId("gpki-bca"), AuthorityId("foreign")
    withdraw(world.stores, world.plan, *pair, RevocationReason.SUPERSEDED, two, at=at)
    desk.end("foreign-2014", "operator", at=at)


def change_keys(life: Life) -> None:
    world = life.world
    succession = Succession(world.issuers, world.plan.municipalities, world.chance)
    coming = GenerationId(TOTTORI.authority, 2)
    for step in (
        KeyStep.PLAN, KeyStep.MAKE_KEY, KeyStep.NEW_WITH_NEW, KeyStep.NEW_WITH_OLD, KeyStep.OLD_WITH_NEW
    ):  # fmt: skip
        succession.take(step, coming, at=MUCH_LATER, evidence="order 7")
    succession.back(coming, at=MUCH_LATER)


def leave_open(life: Life) -> None:
    signer = life.world.issuers.of(TOTTORI).signer
    life.world.interpose(TOTTORI, Broken)
    with pytest.raises(KeyRefused):
        life.world.registration.issue(life.cases[3], "operator", at=NOW)
    life.world.interpose(TOTTORI, lambda _: signer)


def come_too_late(life: Life) -> None:
    assert cycle.recover(life.world.issuers, TOO_LATE) == []


def forget(life: Life) -> None:
    """Of certificates whose time is over before others': a post's, say."""
    ends = {one.period.not_after for one in life.world.stores.certificates(life.issued.values())}
    ended = end_retention(life.world.stores, max(ends), TOO_LATE)
    assert ended.certificates
    assert len(ends) > 1


STEPS: tuple[Callable[[Life], None], ...] = (
    issue,
    renew_a_service,
    move,
    lose_and_find,
    wait,
    issue_batch,
    change_code,
    set_apart,
    revoke_by_hand,
    take_effect,
    decide,
    order_many,
    stop_orders,
    go_on,
    end_keys,
    end_verifier,
    cross_certify,
    change_keys,
    leave_open,
    come_too_late,
    forget,
)


def lived(world: EngineWorld) -> Life:
    """A life, with a copy of the databases before each step, and at the end."""
    life = Life(world)
    prepare(life)
    for step in (*STEPS, None):
        life.copies.append({store: copy_of(store) for store in world.stores.each()})
        if step is not None:
            step(life)
    return life


def require_catches_up(life: Life, ages: Mapping[Store, int], whole: Mapping[str, object]) -> None:
    for store, age in ages.items():
        put_back(store, life.copies[age][store])
    life.world.stores.catch_up()
    assert life.end() == whole
    assert life.world.stores.catch_up() == 0
    with life.world.stores.recording():
        pass


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Life]:
    monkeypatch.setattr(worlds, "layout", LAYOUTS[request.param])
    with engine_world(tmp_path / "world", chance=SystemChance()) as world:
        yield lived(world)


def at(*names: str) -> pytest.MarkDecorator:
    """On databases laid out so; those on a server in the long ring."""
    marks = [pytest.mark.long if "server" in name else () for name in names]
    params = [pytest.param(name, marks=mark) for name, mark in zip(names, marks, strict=True)]
    return pytest.mark.parametrize("life", params, indirect=True, ids=names)


@at("one file", "a server")
def test_every_copy_catches_up(life: Life) -> None:
    whole = life.end()
    for age in range(len(life.copies)):
        require_catches_up(life, {life.world.store: age}, whole)


@at("two files", "a server and a file", "a file and a server")
def test_copies_of_different_age_catch_up(life: Life) -> None:
    """The nation's is older, the authority's is, or both are of one age; or one alone is a copy."""
    whole, last = life.end(), len(life.copies) - 1
    nation, own = life.world.stores.each()
    pairs = {(age, age) for age in range(last + 1)} | {(age, last) for age in range(last)}
    pairs |= {(last, age) for age in range(last)} | {(0, last // 2), (last // 2, 0), (2, 7), (7, 2), (5, 4)}
    for age, others in sorted(pairs):
        require_catches_up(life, {nation: age, own: others}, whole)


@at("one file")
def test_every_kind_of_record_is_in_the_life(life: Life) -> None:
    """So that what is judged here is all that the journal tells of."""
    with life.world.stores.journal.turn() as turn:
        told = {type(record.entry) for record in turn.after(0)}
    assert told == set(get_args(Entry))


@at("one file")
def test_what_one_life_comes_to(life: Life) -> None:
    """The judge's own eyes: the end of it is what the steps are meant to give."""
    assert [state for _, state in sorted(states(life.world))] == [State.ISSUED] * 2 + [
        State.FAILED,
        State.ISSUED,
    ]
    with life.world.store.reading() as connection:
        assert certificates.intended(connection) == []
        assert quarantine.cases(connection) == []
        ended = {key.name for key, _ in clients.all_keys(connection) if key.revoked_at is not None}
        stand = {order.number: order.state for order in orders.in_state(connection)}
        (verifier,) = verifiers.everybody(connection)
    assert ended == {"window", "chiyoda"}
    assert verifier.ended_at == MUCH_LATER
    assert stand == {1: OrderState.DONE, 2: OrderState.CANCELLED, 3: OrderState.CANCELLED}
    issued = life.world.stores.certificates(life.issued.values())
    assert {record.state for record in issued} == {CertificateState.ISSUED}


@at("one file", "two files")
def test_empty_databases_get_all_that_the_journal_has(life: Life) -> None:
    """Without offices, officers, keys and cases, of which it does not tell; so no case is told to be issued either."""
    whole = life.end()
    told = {name for name in whole if name.split()[1] not in {
        "offices", "officers", "applications", "application_steps", "requests", "batches", "client_keys", "verifiers",
        "list_places", "lists"}}  # fmt: skip
    for store in life.world.stores.each():
        put_back(store, {})
        # Migrations give a database its counters.
        put_back(
            store, {table: rows for table, rows in life.copies[0][store].items() if table.name == "counters"}
        )
    for store in life.world.stores.each():
        with store.writing() as connection:
            register.mark_applied(connection, 0)
    life.world.stores.catch_up()
    found = life.end()
    with life.world.store.reading() as connection:
        assert applications.next_id(connection, OfficeId(TOWN)) == f"{TOWN}-000004", (
            "no number is given twice"
        )
    found["0 counters"] = [row for row in found["0 counters"] if not row[0].startswith("case-numbers")]
    assert {name: found[name] for name in told} == {name: whole[name] for name in told}


# What a copy, or the journal, does not know.


@at("one file")
def test_a_case_whose_issuing_officer_a_copy_does_not_know_stays_as_it_is(life: Life) -> None:
    """Its certificates are known all the same, and nobody gets others for these keys."""
    world, copy = life.world, dict(life.copies[0][life.world.store])
    for name in ("officers", "batches"):
        table = metadata.tables[name]
        copy[table] = [row for row in copy[table] if row.get("officer", row.get("operator")) != "operator"]
    put_back(world.store, copy)
    world.stores.catch_up()
    assert {state for _, state in states(world)} == {State.APPROVED}
    assert len(world.stores.certificates(life.issued.values())) == len(life.issued)
    with pytest.raises(Conflict, match="has been certified meanwhile"):
        world.registration.issue(life.cases[0], "operator-2", at=LATER)


def test_what_was_intended_before_the_journal_knew_of_intents_is_signed(tmp_path: Path) -> None:
    """An earlier version kept it in the database alone; so a copy that is older still can know nothing of it."""
    with engine_world(tmp_path / "world", chance=SystemChance()) as world:
        item, copy = prepared(world), copy_of(world.store)
        with world.store.writing() as connection:
            certificates.intend(connection, [item.record])
        assert [one.id for one in cycle.recover(world.issuers, NOW)] == [item.record.id]
        put_back(world.store, copy)
        assert world.stores.catch_up() == 1
        assert world.stores.certificates([item.record.id]) == []


# The making of a world.


@contextmanager
def make(folder: Path) -> Iterator[EngineWorld]:
    """Make a world, or complete it, as ``init`` does."""
    with worlds.opened(folder, chance=SeededChance(worlds.SEED)) as world:
        for store in world.stores.each():
            migrate(store)
        world.stores.journal.begin()
        maker = WorldMaker(world.plan, world.stores, world.vault, world.chance, NOW, lambda _: None)
        maker.make()
        yield world


def make_and_die(folder: Path, crossing: int, crossings: Path) -> None:
    """Die when so many writes and commits have begun or ended."""
    count = itertools.count()

    def cross(*_: object) -> None:
        if next(count) == crossing:
            os.kill(os.getpid(), signal.SIGKILL)

    opening = Store.open

    def watched(url: str) -> Store:
        store = opening(url)
        at_each_commit(store, cross)
        return store

    with pytest.MonkeyPatch.context() as patch, around_writes(cross):
        patch.setattr(Store, "open", watched)
        with make(folder):
            pass
    append(crossings, str(next(count)).encode())


def empty(folder: Path) -> Path:
    """A place for a world with two databases."""
    folder.mkdir()
    (folder / "databases.json").write_text(json.dumps(dict(worlds.OWN)))
    TestVault.make(folder / "keys", worlds.SEED)
    return folder


@pytest.mark.deeper
@pytest.mark.long
def test_a_making_that_dies_anywhere_is_completed(tmp_path: Path) -> None:
    with make(empty(tmp_path / "whole")) as world:
        whole = Life(world).end()
    crossings = tmp_path / "crossings"
    assert Running(make_and_die, empty(tmp_path / "counted"), -1, crossings).wait() == 0
    (steps,) = lines(crossings)
    dice, every = random.Random(5), range(int(steps))
    deaths = every if len(every) < rings.KILLS else sorted(dice.sample(every, rings.KILLS // 2))
    for crossing in deaths:
        folder = empty(tmp_path / f"{crossing}")
        assert Running(make_and_die, folder, crossing, crossings).wait() == -signal.SIGKILL
        with make(folder) as world:
            assert Life(world).end() == whole, f"crossing {crossing}"
            assert world.stores.catch_up() == 0


# What cannot be carried out.


@at("one file", "two files")
def test_what_the_archive_has_destroyed_does_not_come_back_and_its_serial_does(life: Life) -> None:
    world, whole, kept = life.world, life.end(), life.issued[USER_AUTHENTICATION]
    assert world.stores.certificates([kept])[0].encoded
    with world.stores.journal.turn() as turn:
        parts = [
            part
            for record in turn.after(0)
            if isinstance(record.entry, IntentEntry)
            for part in record.entry.certificates
        ]
        gone = next(part for part in parts if part.certificate == str(kept))
        turn.destroy([gone.body])
    # A copy that has the certificate needs no body.
    require_catches_up(life, dict.fromkeys(world.stores.each(), len(life.copies) - 1), whole)
    for store in world.stores.each():
        put_back(store, life.copies[0][store])
    world.stores.catch_up()
    found = life.end()
    assert world.stores.certificates([kept])[0].encoded == b""
    same = {name for name in whole if name.split()[1] != "certificate_bytes"}
    assert {name: found[name] for name in same} == {name: whole[name] for name in same}


@at("one file")
def test_bodies_of_another_archive_are_refused(life: Life) -> None:
    """As when the archive of another home, or an older one that went on by itself, was put back."""
    world = life.world
    put_back(world.store, life.copies[0][world.store])
    with world.stores.journal.turn() as turn:
        body = type(turn).body
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(turn), "body", lambda self, number: body(self, number % 40 + 1))
        with pytest.raises(HomeRefused, match="is not the one of certificate"):
            world.stores.catch_up()
