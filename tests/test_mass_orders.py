"""Orders of many certificates: what each is about, who stands for it, and that no death makes it do more or less.

The certificates are invented: their rows are there, and bytes that nobody reads. The command is in test_order_command.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Table, insert, select
from sqlalchemy import event as engine_event

from ca.errors import BadInput, Conflict, KakehashiError, NotFound, NotPermitted, RevocationRefused
from ca.journal.entries import MassNamesEntry, MassOrderEntry, MassStepEntry, OrderEntry, RevocationEntry
from ca.model import (
    AuthorityId,
    CertificateId,
    CertificateKind,
    GenerationId,
    OfficerId,
    Period,
    Revocation,
    RevocationReason,
    Scope,
    Serial,
)
from ca.revoking.deciding import mass
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.order_file import NamedCertificates, read_certificate_ids
from ca.store import batches, certificates, lives, orders, revocations
from ca.store import tables as table
from ca.store.batches import BatchAnswer, BatchRecord
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.orders import By, OrderRecord, OrderState, OrderStep, Progress, Selection
from ca.wire.lists import encode_entry
from tests import engine_world as worlds
from tests import rings
from tests.ended import record_end
from tests.engine_world import NOW, TOWN, EngineWorld, Running, append, copy_of, engine_world, lines, opened

TOTTORI = GenerationId.parse("jpki-31.g1")
YONAGO = "312029"
SIGNATURE, USER_AUTHENTICATION = CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION
HOLD, COMPROMISE = RevocationReason.CERTIFICATE_HOLD, RevocationReason.KEY_COMPROMISE
MOVED, CEASED = RevocationReason.AFFILIATION_CHANGED, RevocationReason.CESSATION_OF_OPERATION
LEAKED = RevocationReason.CA_COMPROMISE  # the CA's key: all of a generation, and never less
LATER = NOW + timedelta(days=1)
BATCH = hashlib.sha256(b"a table").hexdigest()
TOWNS_LIST = Scope(f"signature-{TOWN}")
WHOLE_GENERATION = Selection(By.GENERATION, str(TOTTORI))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def invented(
    world: EngineWorld,
    count: int,
    scope: str = TOWNS_LIST,
    *,
    generation: GenerationId = TOTTORI,
    intended: datetime = NOW,
    days: int = 1000,
    seed: int = 1,
) -> list[CertificateId]:
    """So many certificates more on a list, issued; gives their ids in the order of their serials."""
    dice = random.Random(f"{seed} {generation} {scope}")
    kind = CertificateKind(scope.rpartition("-")[0])
    period = Period(NOW - timedelta(days=1), NOW + timedelta(days=days))
    records = [
        CertificateRecord(
            CertificateId(generation, Serial(dice.getrandbits(150))),
            kind,
            Scope(scope),
            CertificateState.INTENDED,
            period,
            intended,
            dice.randbytes(32),
            None,
            b"to be signed",
        )
        for _ in range(count)
    ]
    with world.stores.of(generation.authority).writing() as connection:
        certificates.intend(connection, records)
        certificates.complete(connection, [(record.id, b"certificate") for record in records])
    return sorted(record.id for record in records)


def made(world: EngineWorld, wanted=WHOLE_GENERATION, reason=HOLD, *, at=NOW, **options) -> OrderRecord:
    return mass.make(world.stores, mass.propose(world.stores, wanted, reason, "operator", at=at, **options))


def approved(world: EngineWorld, *args, at=NOW, **options) -> OrderRecord:
    number = made(world, *args, at=at, **options).number
    return mass.approve(world.stores, number, "operator-2", at=at)[0]


def carried_out(world: EngineWorld, *, at=LATER, chunk=mass.CHUNK) -> list[OrderRecord]:
    """The orders after each chunk, until none is left."""
    found = []
    while (order := mass.advance(world.stores, at=at, chunk=chunk)) is not None:
        found.append(order)
    return found


def stands(
    world: EngineWorld, wanted: Sequence[CertificateId]
) -> dict[CertificateId, RevocationReason | None]:
    with world.stores.reading() as reading:
        return {life.certificate: life.reason for life in lives.of(reading, wanted)}


def journal(world: EngineWorld) -> list[RevocationEntry]:
    """What the journal has of revocations without events, in its order."""
    with world.stores.journal.turn() as turn:
        entries = [record.entry for record in turn.after(0)]
    return [entry for entry in entries if isinstance(entry, RevocationEntry)]


def found(world: EngineWorld, number: int) -> OrderRecord:
    with world.store.reading() as connection:
        return orders.find(connection, number)


# What an order is about.


def selections(world: EngineWorld) -> dict[str, tuple[Selection | NamedCertificates, set[str]]]:
    """Certificates of two towns, a case and a batch, by name; each selection with the names that it is about."""
    issued = world.issued()
    names = {f"case {kind}": item.id for kind, item in issued.items()}
    names["town"] = invented(world, 1)[0]
    names["town, other kind"] = invented(world, 1, f"user-authentication-{TOWN}")[0]
    names["other town"] = invented(world, 1, f"signature-{YONAGO}")[0]
    first, second = invented(world, 2, f"signature-{YONAGO}", seed=2)
    names |= {"batch": first, "batch, other kind": second}
    with world.store.writing() as connection:
        who = (OfficerId("centre-1"), OfficerId("operator"))
        batches.begin(connection, BatchRecord(BATCH, 2, *who, NOW))
        answers = [
            BatchAnswer(1, SIGNATURE, first, None),
            BatchAnswer(1, USER_AUTHENTICATION, second, None),
            BatchAnswer(2, SIGNATURE, None, "refused"),
        ]
        batches.answer(connection, BATCH, answers)
    town = {*(f"case {kind}" for kind in issued), "town", "town, other kind"}
    named = NamedCertificates("ids.txt", (names["other town"], names["batch"], names["town"]))
    wanted = {
        "municipality": (Selection(By.MUNICIPALITY, TOWN), town),
        "office": (Selection(By.OFFICE, TOWN), {f"case {kind}" for kind in issued}),
        "batch": (Selection(By.BATCH, BATCH), {"batch", "batch, other kind"}),
        "generation": (WHOLE_GENERATION, set(names)),
        "partition": (Selection(By.PARTITION, f"{TOTTORI}/{TOWNS_LIST}"), {"case signature", "town"}),
        "serials": (named, {"other town", "batch", "town"}),
    }
    assert wanted.keys() == {*By}
    world.names = names
    return wanted


@pytest.mark.parametrize("chunk", [1, 2, 1000])
@pytest.mark.parametrize("by", list(By))
def test_an_order_is_about_what_it_selects(world: EngineWorld, by: By, chunk: int) -> None:
    wanted, names = selections(world)[by]
    order = approved(world, wanted)
    assert order.found == len(names)
    last = carried_out(world, chunk=chunk)[-1]
    assert (last.state, last.progress.done) == (OrderState.DONE, len(names))
    reasons = stands(world, list(world.names.values()))
    assert {name for name, one in world.names.items() if reasons[one] is HOLD} == names
    assert {name for name, one in world.names.items() if reasons[one] is None} == world.names.keys() - names


def test_a_generations_own_certificates_are_no_holders(world: EngineWorld) -> None:
    """An order of a CA's whole key leaves its self-signed certificate and its services'."""
    (one,) = invented(world, 1)
    approved(world)
    (last,) = carried_out(world)
    assert last.progress.done == 1
    with world.stores.of(TOTTORI.authority).reading() as connection:
        rows = connection.execute(select(table.revocations.c.serial)).scalars().all()
        of_it = table.certificates.c.generation == str(TOTTORI)
        others = connection.execute(select(table.certificates.c.kind).where(of_it)).scalars().all()
    assert rows == [one.serial.octets]
    assert {"self-signed", "ocsp-responder"} <= set(others)


def test_a_town_has_its_lists_in_every_generation(world: EngineWorld) -> None:
    """Also in one that came later, and whose name sorts before by octets."""
    second = GenerationId(AuthorityId("jpki-31"), 10)
    with world.stores.of(second.authority).writing() as connection:
        row = {"generation": str(second), "scope": TOWNS_LIST, "point": "[]", "holds": "user"}
        connection.execute(insert(table.list_places).values(row))
    mine = invented(world, 5) + invented(world, 5, generation=second)
    approved(world, Selection(By.MUNICIPALITY, TOWN))
    assert carried_out(world, chunk=3)[-1].progress.done == 10
    assert set(stands(world, mine).values()) == {HOLD}


def test_what_is_intended_later_is_not_meant(world: EngineWorld) -> None:
    before = invented(world, 3)
    approved(world, at=NOW)
    mass.advance(world.stores, at=LATER, chunk=2)
    after = invented(world, 5, intended=NOW + timedelta(microseconds=1), seed=2)
    last = carried_out(world, chunk=2)[-1]
    assert last.progress.looked_at == last.found == 3
    assert set(stands(world, before).values()) == {HOLD}
    assert set(stands(world, after).values()) == {None}


def test_what_is_not_signed_yet_does_not_escape(world: EngineWorld) -> None:
    (record,) = invented(world, 1)
    with world.stores.of(TOTTORI.authority).writing() as connection:
        connection.execute(table.certificates.update().values(state=CertificateState.INTENDED))
    approved(world)
    carried_out(world)
    assert stands(world, [record]) == {record: HOLD}


# What it does to each.

BEFORE = (None, HOLD, MOVED, COMPROMISE, RevocationReason.REMOVE_FROM_CRL, "expired")
DONE, ENDED, EXPIRED = Progress(done=1), Progress(ended=1), Progress(expired=1)
EXPECTED = {
    HOLD: (DONE, ENDED, ENDED, ENDED, DONE, EXPIRED),
    CEASED: (DONE, DONE, ENDED, ENDED, DONE, EXPIRED),
    COMPROMISE: (DONE, DONE, DONE, ENDED, DONE, EXPIRED),
    LEAKED: (DONE, DONE, DONE, ENDED, DONE, EXPIRED),
}


@pytest.mark.parametrize("reason", EXPECTED, ids=lambda reason: reason.word)
@pytest.mark.parametrize("before", BEFORE, ids=str)
def test_what_has_ended_or_expired_is_counted_and_left(world: EngineWorld, before, reason) -> None:
    expected = EXPECTED[reason][BEFORE.index(before)]
    (one,) = invented(world, 1, days=0 if before == "expired" else 1000)
    standing = None
    if isinstance(before, RevocationReason):
        standing = Revocation(one.serial, NOW, before)
        with world.stores.of(TOTTORI.authority).writing() as connection:
            record_end(connection, one, TOWNS_LIST, standing, cause="officer operator", journal_index=0)
    proposal = mass.propose(world.stores, WHOLE_GENERATION, reason, "operator", at=LATER)
    approved(world, reason=reason)
    (last,) = carried_out(world)
    assert replace(last.progress, place=None) == expected
    counted = proposal.survey
    assert (counted.to_end, counted.ended, counted.expired) == (
        expected.done,
        expected.ended,
        expected.expired,
    )
    with world.stores.reading() as reading:
        (life,) = lives.of(reading, [one])
    if expected != DONE:
        assert (None if life.standing is None else life.standing.revocation) == standing
        assert [entry.orders for entry in journal(world)] == [()]
        return
    # A revocation that follows a hold dates from the hold.
    since = NOW if before in {HOLD, MOVED} else LATER
    assert life.standing.revocation == Revocation(one.serial, since, reason)
    assert life.standing.cause == last.cause == "order 1"


def test_each_chunk_is_a_record_of_the_journal(world: EngineWorld) -> None:
    mine = invented(world, 7)
    order = approved(world, reason=CEASED)
    chunks = carried_out(world, chunk=3)
    assert [one.progress.done for one in chunks] == [3, 6, 7]
    entries = journal(world)
    assert [len(entry.orders) for entry in entries] == [3, 3, 1]
    named = [one for entry in entries for one in sorted(order.certificate for order in entry.orders)]
    assert named == [str(one) for one in mine]
    assert {entry.cause for entry in entries} == {order.cause}
    assert {entry.rule for entry in entries} == {
        "cessationOfOperation by generation jpki-31.g1, ordered by operator and approved by operator-2"
    }
    assert {one.reason for entry in entries for one in entry.orders} == {"cessationOfOperation"}
    with world.stores.of(TOTTORI.authority).reading() as connection:
        rows = connection.execute(select(table.revocations)).all()
    assert sorted(row.sequence for row in rows) == list(range(1, 8))
    for row in rows:
        ended = Revocation(Serial.of(row.serial), LATER, CEASED)
        assert row.entry == encode_entry(ended)
        assert row.not_after == NOW + timedelta(days=1000)


# Who stands for it, and when it goes on.


def test_a_look_writes_nothing_down(world: EngineWorld) -> None:
    invented(world, 3)
    before = world.dump()
    proposal = mass.propose(world.stores, WHOLE_GENERATION, HOLD, "operator", at=NOW)
    assert proposal.survey == mass.Survey(found=3, to_end=3, ended=0, expired=0)
    assert world.dump() == before


def test_nothing_happens_before_a_second_operator_approves(world: EngineWorld) -> None:
    mine = invented(world, 3)
    order = made(world)
    assert carried_out(world) == []
    for officer, problem in (("operator", "made it"), ("centre-1", "not an operator"), ("window", "not an")):
        with pytest.raises(NotPermitted, match=problem):
            mass.approve(world.stores, order.number, officer, at=NOW)
    assert carried_out(world) == []
    assert set(stands(world, mine).values()) == {None}
    seen, survey = mass.approve(world.stores, order.number, "operator-2", at=NOW)
    assert (seen.officer, seen.second_officer, survey.found) == ("operator", "operator-2", 3)
    assert carried_out(world)[-1].progress.done == 3


def test_approval_counts_anew(world: EngineWorld) -> None:
    invented(world, 3)
    order = made(world)
    invented(world, 2, seed=2)
    seen, survey = mass.approve(world.stores, order.number, "operator-2", at=NOW)
    assert (order.found, seen.found, survey.found) == (3, 5, 5)


@pytest.mark.parametrize("officer", ["centre-1", "window", "ministry"])
def test_only_operators_of_the_centre_have_a_say(world: EngineWorld, officer: str) -> None:
    order = approved(world)
    with pytest.raises(NotPermitted):
        mass.propose(world.stores, WHOLE_GENERATION, HOLD, officer, at=NOW)
    for step in (mass.pause, mass.resume, mass.cancel):
        with pytest.raises(NotPermitted):
            step(world.stores, order.number, officer, at=LATER)
    assert found(world, order.number) == order


STEPS = {"approve": None, "pause": mass.pause, "resume": mass.resume, "cancel": mass.cancel}
ALLOWED = {
    OrderState.MADE: {"approve": OrderState.RUNNING, "cancel": OrderState.CANCELLED},
    OrderState.RUNNING: {"pause": OrderState.PAUSED, "cancel": OrderState.CANCELLED},
    OrderState.PAUSED: {"resume": OrderState.RUNNING, "cancel": OrderState.CANCELLED},
    OrderState.DONE: {},
    OrderState.CANCELLED: {},
    "begun": {"pause": OrderState.PAUSED},
    "begun, paused": {"resume": OrderState.RUNNING},
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("state", ALLOWED)
def test_the_life_of_an_order(world: EngineWorld, state, step: str) -> None:
    invented(world, 3)
    order = made(world)
    if state != OrderState.MADE:
        mass.approve(world.stores, order.number, "operator-2", at=NOW)
    if state in {"begun", "begun, paused"}:
        mass.advance(world.stores, at=LATER, chunk=2)
    if state in {OrderState.PAUSED, "begun, paused"}:
        mass.pause(world.stores, order.number, "operator", at=LATER)
    if state is OrderState.CANCELLED:
        mass.cancel(world.stores, order.number, "operator", at=LATER)
    if state is OrderState.DONE:
        carried_out(world)
    before = found(world, order.number)

    def take() -> OrderRecord:
        if step == "approve":
            return mass.approve(world.stores, order.number, "operator-2", at=NOW)[0]
        return STEPS[step](world.stores, order.number, "operator-2", at=LATER)

    if step in ALLOWED[state]:
        assert take().state is ALLOWED[state][step]
        assert found(world, order.number).state is ALLOWED[state][step]
    else:
        with pytest.raises(Conflict):
            take()
        assert found(world, order.number) == before


def test_a_paused_order_goes_on_where_it_was(world: EngineWorld) -> None:
    mine = invented(world, 5)
    order = approved(world)
    mass.advance(world.stores, at=LATER, chunk=2)
    mass.pause(world.stores, order.number, "operator", at=LATER)
    assert carried_out(world, chunk=2) == []
    assert Counter(stands(world, mine).values()) == {HOLD: 2, None: 3}
    mass.resume(world.stores, order.number, "operator-2", at=LATER)
    assert [one.progress.done for one in carried_out(world, chunk=2)] == [4, 5]
    assert Counter(len(entry.orders) for entry in journal(world)) == {2: 2, 1: 1}


def test_the_most_urgent_comes_first(world: EngineWorld) -> None:
    invented(world, 4)
    invented(world, 2, f"signature-{YONAGO}")
    slow = approved(world, Selection(By.PARTITION, f"{TOTTORI}/{TOWNS_LIST}"), priority=5)
    done = [mass.advance(world.stores, at=LATER, chunk=2).number]
    urgent = approved(world, Selection(By.MUNICIPALITY, YONAGO), priority=1)
    later = approved(world, priority=5)
    done += [one.number for one in carried_out(world, chunk=2)]
    assert done == [*[slow.number], *[urgent.number] * 2, *[slow.number] * 2, *[later.number] * 4]
    assert found(world, later.number).progress.ended == 6


REFUSED = {
    "unknown town": (Selection(By.MUNICIPALITY, "131016"), HOLD, NotFound, "131016"),
    "unknown office": (Selection(By.OFFICE, "131016"), HOLD, NotFound, "131016"),
    "unknown batch": (Selection(By.BATCH, "b"), HOLD, NotFound, "batch 'b'"),
    "unknown generation": (Selection(By.GENERATION, "jpki-31.g2"), HOLD, NotFound, "jpki-31.g2"),
    "no generation": (Selection(By.GENERATION, "jpki-31"), HOLD, BadInput, "jpki-31"),
    "unknown list": (Selection(By.PARTITION, "jpki-31.g1/signature-131016"), HOLD, NotFound, "131016"),
    "a CA's reason": (
        Selection(By.MUNICIPALITY, TOWN),
        RevocationReason.CA_COMPROMISE,
        RevocationRefused,
        "cACompromise",
    ),
    "an attribute authority's": (
        WHOLE_GENERATION,
        RevocationReason.AA_COMPROMISE,
        RevocationRefused,
        "aACompromise",
    ),
    "a release": (WHOLE_GENERATION, RevocationReason.REMOVE_FROM_CRL, RevocationRefused, "removeFromCRL"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_order_can_be_about(world: EngineWorld, case: str) -> None:
    wanted, reason, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        mass.propose(world.stores, wanted, reason, "operator", at=NOW)


def test_an_order_that_is_not_there(world: EngineWorld) -> None:
    with pytest.raises(NotFound, match="order 7"):
        mass.approve(world.stores, 7, "operator-2", at=NOW)


# Certificates named one by one.

SOME = "jpki-31.g1:" + "5a" * 19


def test_a_file_names_certificates() -> None:
    text = f"{SOME}\n{SOME[:-1]}\r\n{SOME[:-2].upper().replace('JPKI', 'jpki').replace('.G', '.g')}"
    named = read_certificate_ids(io.BytesIO(text.encode()), "ids.txt")
    assert [str(one).lstrip() for one in named.certificates] == [
        str(CertificateId.parse(line)) for line in text.split()
    ]


BAD_FILES = {
    "empty": (b"", "^ids.txt: names no certificate"),
    "an empty line": (f"{SOME}\n\n".encode(), "^ids.txt line 2: "),
    "not an id": (f"{SOME}\nabc\n".encode(), "^ids.txt line 2: 'abc' is not of the form"),
    "a bad generation": (b"jpki-31:5a\n", "^ids.txt line 1: "),
    "not positive": (b"jpki-31.g1:0\n", "^ids.txt line 1: .*not positive"),
    "twice": (f"{SOME}\n{SOME.replace('5a', '6b')}\n{SOME}\n".encode(), "^ids.txt line 3: .*line 1"),
    "not ASCII": (SOME.encode() + b"\xe6\n", "^ids.txt line 1: .*ASCII"),
    "a long line": (SOME.encode() + b" " * 100, "^ids.txt line 1: .*too long"),
    "no line at all": (b"\0" * 10_000, "^ids.txt line 1: .*too long"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_none_is_refused_with_its_line(case: str) -> None:
    octets, words = BAD_FILES[case]
    with pytest.raises(BadInput, match=words):
        read_certificate_ids(io.BytesIO(octets), "ids.txt")


def test_a_file_has_an_end() -> None:
    text = b"a.g1:1\na.g1:2\na.g1:3"
    assert len(read_certificate_ids(io.BytesIO(text), "ids.txt", 3).certificates) == 3
    with pytest.raises(BadInput, match=r"^ids.txt: has more than 2 lines"):
        read_certificate_ids(io.BytesIO(text), "ids.txt", 2)


def test_a_certificate_that_is_not_there_is_named_by_its_line(world: EngineWorld) -> None:
    mine = invented(world, 2)
    before = world.dump()
    named = NamedCertificates("ids.txt", (*mine, CertificateId(TOTTORI, Serial(5))))
    with pytest.raises(NotFound, match=f"^ids.txt line 3: certificate {TOTTORI}:0*5 is not one"):
        made(world, named)
    assert world.dump() == before


def test_a_certificate_that_may_not_end_so_is_named_by_its_line(world: EngineWorld) -> None:
    (mine,) = invented(world, 1)
    own = CertificateId(TOTTORI, world.issuer("jpki-31").record.serial)
    with pytest.raises(RevocationRefused, match=r"^ids.txt line 2: .*self-signed is not revoked"):
        made(world, NamedCertificates("ids.txt", (mine, own)))


# Two at once, sudden death.


def advance_until_done(folder: Path, chunk: int) -> None:
    with opened(folder) as world:
        carried_out(world, chunk=chunk)


def require_carried_out(world: EngineWorld, mine: Sequence[CertificateId], number: int, at: datetime) -> None:
    """Every certificate stands in one record of the journal and in one row, and the order has counted it once."""
    order = found(world, number)
    assert order.state is OrderState.DONE
    assert replace(order.progress, place=None) == Progress(done=len(mine))
    recorded = [one.certificate for entry in journal(world) for one in entry.orders]
    assert sorted(recorded) == sorted(str(one) for one in mine)
    rows = []
    for store in world.stores.each():
        with store.reading() as connection:
            rows += connection.execute(select(table.revocations)).all()
            highest = revocations.sequence(connection)
            here = connection.execute(select(table.revocations.c.sequence)).scalars().all()
        assert sorted(here) == list(range(1, highest + 1))
    assert sorted(f"{row.generation}:{row.serial.hex()}" for row in rows) == sorted(recorded)
    assert {(row.revoked_at, row.cause, row.reason) for row in rows} == {(at, order.cause, HOLD)}


def test_two_at_once_do_each_chunk_once(tmp_path: Path) -> None:
    with engine_world(tmp_path / "world") as world:
        mine = invented(world, 300)
        number = approved(world).number
        world.stores.close()
        processes = [Running(advance_until_done, world.folder, 10) for _ in range(2)]
        assert [process.wait() for process in processes] == [0, 0]
        require_carried_out(world, mine, number, LATER)


def advance_and_tell(folder: Path, told: Path, chunk: int) -> None:
    with opened(folder) as world:
        mass.advance(world.stores, at=LATER, chunk=chunk)
        append(told, b"begun")
        carried_out(world, chunk=chunk)


@pytest.mark.deeper
def test_death_at_any_moment_does_nothing_twice_and_leaves_nothing_out(tmp_path: Path) -> None:
    dice = random.Random(5)
    with engine_world(tmp_path / "world") as world:
        mine = invented(world, 20 * rings.KILLS) + invented(world, 10 * rings.KILLS, f"signature-{YONAGO}")
        number = approved(world).number
        world.stores.close()
        killed = 0
        for attempt in itertools.count():
            told = tmp_path / f"told-{attempt}"
            process = Running(advance_and_tell, world.folder, told, 10)
            while not lines(told):
                time.sleep(0.002)
            time.sleep(dice.uniform(0.0, 0.02))
            process.kill()
            order = found(world, number)
            assert order.progress.looked_at == order.progress.done <= len(mine)
            if order.state is OrderState.DONE:
                break
            killed += 1
        assert killed >= rings.KILLS // 2, "it ends before it can be killed"
        require_carried_out(world, mine, number, LATER)


def advance_and_die(folder: Path, last: int) -> None:
    """Carry out; die at the statement or commit of this number, or end."""
    with opened(folder) as world:
        count = itertools.count(1)

        def step(*_: object, **__: object) -> None:
            if next(count) == last:
                os.kill(os.getpid(), signal.SIGKILL)

        for store in world.stores.each():
            commit = store.engine.dialect.do_commit

            def do_commit(connection, commit=commit):
                step()
                commit(connection)
                step()

            store.engine.dialect.do_commit = do_commit
            engine_event.listen(store.engine, "before_cursor_execute", step)
        carried_out(world, chunk=3)


@pytest.mark.parametrize("layout", [worlds.FILES, worlds.OWN], ids=["one database", "two databases"])
def test_death_at_each_step_of_a_chunk(tmp_path: Path, monkeypatch, layout) -> None:
    """In two databases one of them may have a chunk that the other, which has the order, does not know of."""
    monkeypatch.setattr(worlds, "layout", layout)
    with engine_world(tmp_path / "world") as world:
        mine = invented(world, 2)
        number = approved(world).number
        world.stores.close()
        template = world.folder
    for last in itertools.count(1):
        folder = tmp_path / f"{last}"
        worlds.copy_world(template, folder)
        ended = Running(advance_and_die, folder, last).wait()
        with opened(folder) as world:
            carried_out(world, chunk=3)
            require_carried_out(world, mine, number, LATER)
        if ended == 0:
            break
    assert last > 10


# An older copy.


def put_back(world: EngineWorld, older: Mapping[Table, list[dict[str, object]]]) -> None:
    """The nation's database is what it was; then it follows the journal, and again."""
    worlds.put_back(world.store, older)
    assert world.stores.catch_up() > 0
    assert world.stores.catch_up() == 0


@pytest.mark.parametrize("age", range(5))
def test_an_older_copy_goes_on_where_the_order_was(world: EngineWorld, age: int) -> None:
    """Of whatever age: before the order was made, approved, begun; paused since, and resumed."""
    copies = []

    def copied() -> None:
        copies.append(copy_of(world.store))

    mine = invented(world, 10)
    copied()
    number = made(world, NamedCertificates("ids.txt", tuple(mine[:9]))).number
    copied()
    mass.approve(world.stores, number, "operator-2", at=NOW)
    copied()
    mass.advance(world.stores, at=LATER, chunk=4)
    mass.pause(world.stores, number, "operator-2", at=LATER)
    copied()
    mass.resume(world.stores, number, "operator", at=LATER + timedelta(hours=1))
    mass.advance(world.stores, at=LATER, chunk=4)
    copied()
    before, dumped = found(world, number), world.dump()
    if age < 4:
        put_back(world, copies[age])
    assert world.dump() == dumped
    assert found(world, number) == before
    assert (before.state, before.progress.done) == (OrderState.RUNNING, 8)
    assert [one.progress.done for one in carried_out(world, chunk=4)] == [9]
    require_carried_out(world, mine[:9], number, LATER)
    with world.store.reading() as connection:
        taken = orders.steps(connection, number)
    assert [(one.step, one.officer, one.at) for one in taken] == [
        (OrderStep.APPROVE, "operator-2", NOW),
        (OrderStep.PAUSE, "operator-2", LATER),
        (OrderStep.RESUME, "operator", LATER + timedelta(hours=1)),
    ]


@pytest.mark.parametrize("state", [OrderState.PAUSED, OrderState.CANCELLED])
@pytest.mark.parametrize("known", [False, True], ids=["forgotten", "running in the copy"])
def test_what_was_stopped_since_stays_so(world: EngineWorld, state: OrderState, known) -> None:
    mine = invented(world, 3)
    older = copy_of(world.store)
    number = approved(world).number
    if known:
        older = copy_of(world.store)
    stop = mass.pause if state is OrderState.PAUSED else mass.cancel
    stop(world.stores, number, "operator", at=LATER)
    put_back(world, older)
    assert found(world, number).state is state
    assert carried_out(world) == []
    assert set(stands(world, mine).values()) == {None}
    assert made(world).number == number + 1


def test_a_hold_that_was_lifted_since_is_not_made_again(world: EngineWorld) -> None:
    """In the copy the order runs; it had come to its end before the hold of another cause was lifted."""
    (one, other) = invented(world, 2)
    revoke(world.stores, one, HOLD, "operator", at=NOW)
    approved(world)
    older = copy_of(world.store)
    (last,) = carried_out(world)
    assert replace(last.progress, place=None) == Progress(done=1, ended=1)
    lifted = OrderEntry(str(one), "removeFromCRL", LATER, TOWNS_LIST)
    with world.stores.recording() as recording:
        recording.note(RevocationEntry("officer operator", "found", LATER, (lifted,)))
    put_back(world, older)
    assert carried_out(world) == []
    assert stands(world, [one, other]) == {one: RevocationReason.REMOVE_FROM_CRL, other: HOLD}


def test_an_order_of_officers_whom_a_copy_does_not_know(world: EngineWorld) -> None:
    """It goes on: what two operators ordered does not depend on what a copy knows of them."""
    mine = invented(world, 2)
    older = dict(copy_of(world.store))
    number = approved(world).number
    before = found(world, number)
    older[table.officers] = [row for row in older[table.officers] if row["officer"] != "operator"]
    put_back(world, older)
    assert found(world, number) == before
    assert carried_out(world)[-1].progress.done == len(mine)


def test_records_of_before_orders_were_journalled(world: EngineWorld) -> None:
    """They tell that a number was given, and what ended; never again is it given to another order."""
    (one,) = invented(world, 1)
    ended = OrderEntry(str(one), "certificateHold", NOW, TOWNS_LIST)
    with world.stores.recording() as recording:
        recording.note(RevocationEntry("order 4", "certificateHold", NOW, (ended,)))
        recording.note(MassStepEntry(6, OrderStep.PAUSE, "operator", NOW))
    assert stands(world, [one]) == {one: HOLD}
    with pytest.raises(NotFound):
        found(world, 6)
    assert made(world).number == 7


def test_a_death_between_an_order_and_its_names_leaves_no_order(world: EngineWorld, monkeypatch) -> None:
    """The names come first, so an order never has fewer than it says; and names that no order has are never taken."""
    monkeypatch.setattr(mass, "_NAMES", 2)
    mine = invented(world, 5)
    named = NamedCertificates("ids.txt", tuple(mine))
    lost, kept = made(world, named), None
    with world.stores.journal.turn() as turn:
        told = [record.entry for record in turn.after(0)][-4:]
    assert [type(entry) for entry in told] == [*[MassNamesEntry] * 3, MassOrderEntry]
    assert [len(entry.certificates) for entry in told[:3]] == [2, 2, 1]
    for entry in told[:2]:  # as a number that is not given yet
        with world.stores.recording() as recording:
            recording.note(msgspec.structs.replace(entry, number=2))
    kept = mass.approve(
        world.stores, made(world, NamedCertificates("b", tuple(mine[3:]))).number, "operator-2", at=NOW
    )
    assert (lost.number, kept[0].number, kept[1].found) == (1, 3, 2)
    (last,) = carried_out(world)
    assert (last.number, last.progress.done) == (3, 2)


# One by hand.


def test_by_hand_is_a_record_too(world: EngineWorld) -> None:
    (one,) = invented(world, 1)
    ended = revoke(world.stores, one, COMPROMISE, "operator", at=LATER, invalid_since=NOW)
    (entry,) = journal(world)
    assert (entry.cause, entry.at) == ("officer operator", LATER)
    (order,) = entry.orders
    assert (order.certificate, order.reason, order.scope) == (str(one), "keyCompromise", TOWNS_LIST)
    assert (order.revoked_at, order.invalid_since) == (LATER, NOW)
    assert ended.head == world.stores.journal.verify()
    with world.stores.reading() as reading:
        (life,) = lives.of(reading, [one])
    assert life.standing.revocation == ended.revocation == Revocation(one.serial, LATER, COMPROMISE, NOW)
    assert (life.standing.cause, life.standing.journal_index) == ("officer operator", ended.head.count)


def test_a_refusal_by_hand_leaves_no_record(world: EngineWorld) -> None:
    (one,) = invented(world, 1)
    revoke(world.stores, one, MOVED, "operator", at=NOW)
    before, head = world.dump(), world.stores.journal.verify()
    for reason, officer in ((HOLD, "operator"), (MOVED, "operator"), (COMPROMISE, "centre-1")):
        with pytest.raises(KakehashiError):
            revoke(world.stores, one, reason, officer, at=LATER)
    assert (world.dump(), world.stores.journal.verify()) == (before, head)
