"""Bulk: each row of a batch is answered once, with all the certificates asked for or with the reason why not.

Here the engine works; the command, and the processes that it starts, are tried in test_batch_command.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import Connection, select
from sqlalchemy import event as events

from ca.birth import BirthDate
from ca.chance import SystemChance
from ca.errors import (
    BadInput,
    Conflict,
    HomeRefused,
    KeyRefused,
    NotFound,
    NotPermitted,
    StorageFailed,
)
from ca.issuing import cycle
from ca.issuing.approval import begin_batch
from ca.issuing.batch import BadRow, BatchIssuer, BatchRow, GroupDone
from ca.keys.codes import keyed_code
from ca.keys.vault import KeyId
from ca.model import (
    RESIDENT_KINDS,
    CertificateId,
    CertificateKind,
    GenerationId,
    MunicipalityCode,
    OfficeId,
    Officer,
    OfficerId,
    RevocationReason,
    Role,
    Serial,
    resident_code,
)
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk, EventOutcome
from ca.revoking.feed.files import read_feed
from ca.rules.validity import japanese_day
from ca.store import batches, certificates, officers, revocations
from ca.store.batches import BatchAnswer, BatchRecord
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.engine import Store
from ca.store.tables import certificates as certificates_table
from ca.store.tables import holdings as holdings_table
from ca.suites import Suite
from tests import engine_world as engine
from tests.engine_world import (
    CODE,
    NOW,
    RESIDENT,
    EngineWorld,
    Running,
    append,
    copy_of,
    csr_of,
    engine_world,
    lines,
    put_back,
)
from tests.feed_files import event, feed_file
from tests.national_world import BEGINS, national_world
from tests.test_cycle import (
    TOTTORI,
    Broken,
    Watched,
    around_writes,
    at_each_change,
    at_each_commit,
    everything,
    require_signed,
    tbs_of,
)

SIGNATURE, USER_AUTHENTICATION = RESIDENT_KINDS
OWN = {"nation": "store.db", "jpki-31": "tottori.db"}
"""The layout in which the prefecture has a database of its own."""
SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused
BATCH = hashlib.sha256(b"a table").hexdigest()
Watch = Callable[[Store, Callable[[], None]], None]
"""Has a step taken at moments of a database's."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world", chance=SystemChance()) as made:
        yield made


def holder(world: EngineWorld, code: str = CODE) -> bytes:
    return keyed_code(world.vault.code_key(), resident_code(code))


def row(world: EngineWorld, number: int = 1, *kinds: CertificateKind, **fields: object) -> BatchRow:
    """A holder of their own, who asks for these kinds, or for both, on new keys; keywords replace fields."""
    made = BatchRow(
        number,
        RESIDENT,
        hashlib.sha256(b"holder %d" % number).digest(),
        None,
        tuple(world.csrs(*(kinds or RESIDENT_KINDS)).items()),
    )
    return replace(made, **fields)


def begun(world: EngineWorld, rows: int = 1, at=NOW) -> BatchRecord:
    return begin_batch(world.stores, BATCH, rows, approver="centre-1", operator="operator", at=at)


def issuer(world: EngineWorld) -> BatchIssuer:
    return BatchIssuer(world.issuers, world.plan.municipalities, world.chance, begun(world))


def issue(world: EngineWorld, *rows: BatchRow | BadRow, at=NOW) -> GroupDone:
    return issuer(world).issue(rows, at)


def answers(world: EngineWorld) -> list[BatchAnswer]:
    with world.store.reading() as connection:
        return list(batches.answers(connection, BATCH))


def problem(world: EngineWorld, number: int = 1) -> str:
    """The one problem that all kinds of a row have for an answer."""
    (found,) = {answer.problem for answer in answers(world) if answer.row == number}
    assert found is not None
    assert all(answer.certificate is None for answer in answers(world) if answer.row == number)
    return found


def holders_certificates(world: EngineWorld) -> dict[str, object]:
    """Every holder's certificate of every database, by its id."""
    found = {}
    for store in world.stores.each():
        with store.reading() as connection:
            for serial in connection.execute(
                select(certificates_table.c.generation, certificates_table.c.serial).where(
                    certificates_table.c.kind.in_(RESIDENT_KINDS)
                )
            ):
                found[f"{serial.generation}:{serial.serial.hex()}"] = serial
    return found


def require_whole(world: EngineWorld, *rows: BatchRow | BadRow) -> dict[tuple[int, str], str]:
    """Every row has one answer a kind; certificates, holdings and answers agree, and all is signed.

    Gives what each row and kind came to: "issued", or the problem.
    """
    found = answers(world)
    asked = [
        (one.number, kind)
        for one in rows
        for kind in (one.kinds if isinstance(one, BadRow) else [kind for kind, _ in one.csrs])
    ]
    assert sorted((answer.row, answer.kind) for answer in found) == sorted(asked)
    made = [answer.certificate for answer in found if answer.certificate is not None]
    assert len(set(made)) == len(made)
    assert all((answer.certificate is None) != (answer.problem is None) for answer in found)
    with world.store.reading() as connection:
        held = {f"{one.generation}:{one.serial.hex()}" for one in connection.execute(select(holdings_table))}
    assert {str(one) for one in made} <= held
    assert held == holders_certificates(world).keys()
    for record in world.stores.certificates(made):
        assert record.state is CertificateState.ISSUED
        require_signed(world, record)
    return {(answer.row, answer.kind): answer.problem or "issued" for answer in found}


# Certificates.


def test_a_group_gets_its_certificates(world: EngineWorld) -> None:
    rows = [row(world, 1), row(world, 2, SIGNATURE), row(world, 3, USER_AUTHENTICATION)]
    assert issue(world, *rows) == GroupDone(issued=3, refused=0, known=0, certificates=4)
    assert set(require_whole(world, *rows).values()) == {"issued"}


def test_a_group_of_none_changes_nothing(world: EngineWorld) -> None:
    engine = issuer(world)
    before = world.dump()
    assert engine.issue([], NOW) == GroupDone(0, 0, 0, 0)
    assert world.dump() == before


def test_again_changes_nothing(world: EngineWorld) -> None:
    rows = [row(world, 1), row(world, 2), bad_row(3)]
    issue(world, *rows)
    before = world.dump()
    assert issue(world, *rows) == GroupDone(issued=0, refused=0, known=3, certificates=0)
    # Another request in a row that has its answer is not looked at.
    assert issue(world, row(world, 1), *rows[1:]) == GroupDone(0, 0, 3, 0)
    assert world.dump() == before


def test_two_batches_may_have_rows_of_one_number(world: EngineWorld) -> None:
    issue(world, row(world))
    other = begin_batch(world.stores, "another", 1, approver="centre-1", operator="operator", at=NOW)
    engine = BatchIssuer(world.issuers, world.plan.municipalities, world.chance, other)
    assert engine.issue([row(world)], NOW).issued == 1


def test_the_signature_certificate_ends_with_the_other_if_that_ends_sooner(tmp_path: Path) -> None:
    """So edition japan-2016 has it; both ways: asked for together, and beside one that is held."""
    end = date(2016, 4, 30)
    with national_world(tmp_path / "world") as world:
        together = row(world, 1)
        first = row(world, 2, USER_AUTHENTICATION, card_expires=end)
        second = row(world, 3, SIGNATURE, holder=first.holder)
        issue(world, together, first, second, at=BEGINS)
        ends = {answer.row: set() for answer in answers(world)}
        for answer in answers(world):
            (record,) = world.stores.certificates([answer.certificate])
            ends[answer.row].add(japanese_day(record.period.not_after))
    assert ends == {1: {date(2020, 5, 5)}, 2: {end}, 3: {end}}


@pytest.mark.parametrize(
    ("before", "year"),
    [(timedelta(days=60), 2024), (timedelta(days=120), 2023)],
    ids=["early renewal", "too early for one"],
)
def test_a_renewal_lasts_to_the_sixth_birthday_if_it_comes_early(
    world: EngineWorld, before: timedelta, year: int
) -> None:
    """RESIDENT's birthday is 5 May: the first certificate lasts from September 2014 to that of 2019."""
    first = row(world, 1, USER_AUTHENTICATION)
    issue(world, first)
    (old,) = world.stores.certificates([answers(world)[0].certificate])
    assert japanese_day(old.period.not_after) == date(2019, 5, 5)
    second = replace(row(world, 2, USER_AUTHENTICATION), holder=first.holder)
    issue(world, second, at=old.period.not_after - before)
    (_, new) = world.stores.certificates(one.certificate for one in answers(world))
    assert japanese_day(new.period.not_after) == date(year, 5, 5)


def test_one_holder_many_times_in_a_group(world: EngineWorld) -> None:
    """Each row is answered as if it had come alone, in the order of the rows."""
    rows = [replace(row(world, number, SIGNATURE), holder=b"\1" * 32) for number in range(1, 21)]
    assert issue(world, *rows) == GroupDone(issued=20, refused=0, known=0, certificates=20)
    require_whole(world, *rows)


def test_one_key_many_times_in_a_group(world: EngineWorld) -> None:
    """As when a factory's table names one file in every row: the first gets a certificate."""
    csrs = row(world, 1, SIGNATURE).csrs
    rows = [row(world, number, SIGNATURE, csrs=csrs) for number in range(1, 21)]
    assert issue(world, *rows) == GroupDone(issued=1, refused=19, known=0, certificates=1)
    found = require_whole(world, *rows)
    assert found.pop((1, SIGNATURE)) == "issued"
    assert all("its key is in another certificate" in text for text in found.values())


def test_holders_known_and_new_in_one_group(world: EngineWorld) -> None:
    old = [row(world, number, USER_AUTHENTICATION) for number in (1, 2)]
    issue(world, *old)
    rows = [
        replace(row(world, 3, SIGNATURE), holder=old[0].holder),
        row(world, 4, SIGNATURE),
        replace(row(world, 5, SIGNATURE), holder=old[1].holder),
        row(world, 6),
        bad_row(7),
    ]
    assert issue(world, *rows) == GroupDone(issued=4, refused=1, known=0, certificates=5)
    require_whole(world, *old, *rows)


# Refusals.


def bad_row(number: int = 1) -> BadRow:
    return BadRow(number, RESIDENT_KINDS, BadInput(f"row {number}, birth_date", "is no date"))


def on(world: EngineWorld, *csrs: bytes, **fields: object) -> BatchRow:
    return row(world, csrs=tuple(zip(RESIDENT_KINDS, csrs, strict=False)), **fields)


def keys_of_another(world: EngineWorld) -> BatchRow:
    """The keys of a case that was issued."""
    csrs = world.csrs(*RESIDENT_KINDS)
    world.issued(csrs=csrs)
    return on(world, *csrs.values())


def keys_of_a_case(world: EngineWorld) -> BatchRow:
    csrs = world.csrs(*RESIDENT_KINDS)
    world.filed(csrs=csrs)
    return on(world, *csrs.values())


def key_of_an_earlier_row(world: EngineWorld) -> BatchRow:
    csrs = world.csrs(*RESIDENT_KINDS)
    issue(world, replace(on(world, *csrs.values()), number=1001))
    # Of the other kind, too.
    return on(world, csrs[USER_AUTHENTICATION])


def key_of(name: str) -> Callable[[EngineWorld], BatchRow]:
    """The key of the authority, or of its responder, who have it in the vault."""

    def make(world: EngineWorld) -> BatchRow:
        private = world.vault._signer(KeyId(name))._private
        return on(world, csr_of(private, "somebody"))

    return make


def compromised(world: EngineWorld) -> BatchRow:
    csrs = world.csrs(*RESIDENT_KINDS)
    issued = world.issued(csrs=csrs)
    certificate = issued[SIGNATURE].id
    revoke(world.stores, certificate, RevocationReason.KEY_COMPROMISE, "operator", at=NOW)
    return on(world, csrs[SIGNATURE])


def one_key(world: EngineWorld) -> BatchRow:
    (csr,) = world.csrs(SIGNATURE).values()
    return on(world, csr, csr)


def of(**particulars: object) -> Callable[[EngineWorld], BatchRow]:
    return lambda world: row(world, resident=replace(RESIDENT, **particulars))


REFUSED: dict[str, tuple[Callable[[EngineWorld], BatchRow | BadRow], str]] = {
    "a request that is none": (lambda world: on(world, b"nonsense"), "row 1, signature request: is not a PKCS#10"),
    "no octets": (lambda world: on(world, b""), "is not a PKCS#10"),
    "a request that is too long": (lambda world: on(world, bytes(16 * 1024 + 1)), "at most 16384"),
    "the second of two": (
        lambda world: on(world, *world.csrs(SIGNATURE).values(), b"nonsense"),
        "row 1, user-authentication request: is not a PKCS#10",
    ),
    "a short key": (
        lambda world: on(world, csr_of(SHORT, "x")), "has 1024 bits",
    ),
    "too young": (of(birth_date=BirthDate(1999, 9, 2)), "under 15"),
    "born tomorrow": (
        lambda world: row(world, 1, USER_AUTHENTICATION, resident=replace(RESIDENT, birth_date=BirthDate(2014, 9, 2))),
        "lies after the day of issue",
    ),
    "no such municipality": (of(municipality=MunicipalityCode("312999")), "is not in the table of municipalities"),
    "another prefecture": (of(municipality=MunicipalityCode("131016")), "131016"),
    "a city that has wards": (of(municipality=MunicipalityCode("141003")), "its wards have the windows"),
    "a card that has run out": (lambda world: row(world, card_expires=date(2014, 8, 31)), "already over"),
    "flags for another name": (of(name_substitutes="0"), "substitute"),
    "a control character": (of(address="\x07"), "control character"),
    "two kinds, one key": (one_key, "each kind has a key pair of its own"),
    "keys of another certificate": (keys_of_another, "in another certificate or application"),
    "keys of a case": (keys_of_a_case, "in another certificate or application"),
    "a key of an earlier row": (key_of_an_earlier_row, "in another certificate or application"),
    "an authority's key": (key_of("jpki-31.g1"), "in another certificate or application"),
    "a responder's key": (key_of("jpki-31.g1.ocsp"), "in another certificate or application"),
    "a key reported compromised": (compromised, "was reported compromised"),
    "a row that could not be read": (lambda _: bad_row(), "row 1, birth_date: is no date"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_row_is_refused_whole_and_by_name(world: EngineWorld, name: str) -> None:
    make, words = REFUSED[name]
    bad = make(world)
    before = everything(world)
    good = row(world, 2)
    assert issue(world, bad, good) == GroupDone(issued=1, refused=1, known=0, certificates=2)
    assert words in problem(world)
    assert len(everything(world)) == len(before) + 2
    # A refusal shows nothing of a person's.
    assert RESIDENT.name not in problem(world)
    assert RESIDENT.address not in problem(world)


def test_the_kinds_not_issued_in_an_edition_are_refused(tmp_path: Path) -> None:
    with engine_world(tmp_path / "old", old_kind=True) as world:
        assert issue(world, row(world)).refused == 1
        assert "user-authentication" in problem(world)


# What the register tells.

LATER = datetime(2015, 3, 10, 1, tzinfo=UTC)
MOVED = event("move-1", "moved-out", CODE, "2015-03-01")
DIED = event("death-1", "died", CODE, "2015-03-02")


def tell(world: EngineWorld, *changes: dict) -> list[EventOutcome]:
    feed = read_feed(io.BytesIO(feed_file(*changes)), "feed", world.vault.code_key())
    return [outcome.outcome for outcome in EventDesk(world.stores).apply(feed, at=LATER)]


@pytest.mark.parametrize(
    ("change", "kinds", "refused"),
    [
        (MOVED, RESIDENT_KINDS, 1),
        (MOVED, (SIGNATURE,), 1),
        (MOVED, (USER_AUTHENTICATION,), 0),
        (DIED, (USER_AUTHENTICATION,), 1),
    ],
    ids=["moved, both", "moved, signature", "moved, the other", "died"],
)
@pytest.mark.parametrize("when", ["before it is prepared", "before it is written"])
def test_what_the_register_told_since_the_approval_counts(
    world: EngineWorld, change: dict, kinds: tuple[CertificateKind, ...], refused: int, when: str
) -> None:
    asked = row(world, 1, *kinds, holder=holder(world))
    other = row(world, 2)
    work = issuer(world)
    if when == "before it is prepared":
        tell(world, change)
        assert work.issue([asked, other], LATER).refused == refused
    else:
        with world.before_turn(lambda: tell(world, change), 1):
            assert work.issue([asked, other], LATER).refused == refused
    require_whole(world, asked, other)
    if refused:
        assert "the register has told of a change since it was approved" in problem(world)


def test_what_the_register_tells_afterwards_ends_the_certificates(world: EngineWorld) -> None:
    asked = row(world, holder=holder(world))
    issue(world, asked)
    tell(world, DIED)
    made = [answer.certificate for answer in answers(world)]
    for record in world.stores.certificates(made):
        with world.stores.of(record.id.generation.authority).reading() as connection:
            assert revocations.find(connection, record.id, record.scope) is not None


def test_a_case_that_comes_in_between_has_its_keys(world: EngineWorld) -> None:
    csrs = world.csrs(*RESIDENT_KINDS)
    asked, other = on(world, *csrs.values()), row(world, 2)
    with world.before_turn(lambda: world.issued(csrs=csrs), 1):
        assert issue(world, asked, other) == GroupDone(issued=1, refused=1, known=0, certificates=2)
    assert "in another certificate or application" in problem(world)


def test_a_certificate_that_comes_in_between_is_renewed(world: EngineWorld) -> None:
    """What is written down leans on what the holder has by then, not on what was looked at before."""
    soon = date(2014, 10, 31)
    others = begin_batch(world.stores, "others", 1, approver="centre-1", operator="operator", at=NOW)

    def renew() -> None:
        work = BatchIssuer(world.issuers, world.plan.municipalities, world.chance, others)
        work.issue([row(world, 1, SIGNATURE, holder=holder(world), card_expires=soon)], NOW)

    with world.before_turn(renew, 1):
        issue(world, row(world, 1, SIGNATURE, holder=holder(world)))
    (record,) = world.stores.certificates([answers(world)[0].certificate])
    # It renews what ends within three months: to the sixth birthday, not the fifth.
    assert japanese_day(record.period.not_after) == date(2020, 5, 5)


def test_a_row_answered_in_between_stays_as_it_is(world: EngineWorld) -> None:
    """By the last group of a run that was thought dead."""
    rows = [row(world, 1), bad_row(2), row(world, 3)]
    with world.before_turn(lambda: issue(world, *rows[:2]), 1):
        issue(world, *rows)
    require_whole(world, *rows)


# Officers.


@pytest.mark.parametrize(
    ("approver", "operator", "error", "words"),
    [
        ("centre-1", "centre-2", NotPermitted, "centre-2 is not an operator"),
        ("operator", "operator-2", NotPermitted, "operator is not an approver"),
        ("window", "operator", NotPermitted, "window is not an approver of the centre"),
        ("window-2", "operator", NotPermitted, "window-2 is not an approver of the centre"),
        ("centre-1", "ministry", NotPermitted, "ministry is not an operator of the centre"),
        ("nobody", "operator", NotFound, "nobody"),
        ("centre-1", "nobody", NotFound, "nobody"),
        ("both", "both", NotPermitted, "cannot approve and issue it too"),
    ],
)
def test_two_officers_of_the_centre_stand_for_a_batch(
    world: EngineWorld, approver: str, operator: str, error: type[Exception], words: str
) -> None:
    with world.store.writing() as connection:
        roles = frozenset({Role.APPROVER, Role.OPERATOR})
        officers.add_officer(connection, Officer(OfficerId("both"), OfficeId("centre"), roles))
    before = world.dump()
    with pytest.raises(error, match=words):
        begin_batch(world.stores, BATCH, 1, approver=approver, operator=operator, at=NOW)
    assert world.dump() == before


def test_a_batch_goes_on_as_it_was_approved(world: EngineWorld) -> None:
    first = begun(world)
    again = begin_batch(world.stores, BATCH, 1, approver="centre-2", operator="operator-2", at=LATER)
    assert again == first


# Keys and stores that fail: nothing of it is a holder's fault, and no row has that for an answer.


def test_a_key_that_cannot_sign_leaves_intents(world: EngineWorld) -> None:
    rows = [row(world, 1), bad_row(2)]
    work, right = issuer(world), world.issuers.of(TOTTORI).signer
    world.interpose(TOTTORI, Broken)
    with pytest.raises(KeyRefused, match="was pulled out"):
        work.issue(rows, NOW)
    world.interpose(TOTTORI, lambda _: right)
    assert len(cycle.recover(world.issuers, NOW)) == 2
    assert issue(world, *rows).known == 2
    require_whole(world, *rows)


def test_a_key_that_cannot_be_opened_refuses_nobody(world: EngineWorld) -> None:
    key, rows = world.folder / "keys" / "jpki-31.g1.key.json", [row(world, 1), row(world, 2)]
    away = key.rename(key.with_suffix(".away"))
    before = world.dump()
    with engine.opened(world.folder) as other:
        work = issuer(other)
        with pytest.raises(KeyRefused):
            work.issue(rows, NOW)
        begun_alone = other.dump()
    away.rename(key)
    assert {name for name in before if before[name] != begun_alone[name]} == {"0 batches"}
    assert issue(world, *rows).issued == 2
    require_whole(world, *rows)


def test_a_store_that_fails_refuses_nobody(world: EngineWorld) -> None:
    def fail() -> None:
        raise StorageFailed("store", "has no room")

    work, rows = issuer(world), [row(world, 1), bad_row(2)]
    with world.before_turn(fail, 1), pytest.raises(StorageFailed):
        work.issue(rows, NOW)
    assert answers(world) == []
    assert work.issue(rows, NOW).issued == 1
    require_whole(world, *rows)


def test_holders_whose_standing_never_rests_end_the_batch_and_lose_nothing(world: EngineWorld) -> None:
    changes, work = itertools.count(), issuer(world)

    def change() -> None:
        world.issued(RESIDENT, (USER_AUTHENTICATION,))
        next(changes)

    with world.before_turn(change, *range(100)), pytest.raises(Conflict, match="again and again"):
        work.issue([row(world, 1, SIGNATURE, holder=holder(world))], NOW)
    assert 3 < next(changes) < 20
    assert answers(world) == []


# Sudden death at each step.


def issue_group_and_die(
    folder: Path, rows: Sequence[BatchRow | BadRow], watch: Watch, crossing: int, log: Path, crossings: Path
) -> None:
    """Do all that a batch of one group does; die when so many steps of the work have begun or ended."""
    count = itertools.count()

    def cross(*_: object) -> None:
        if next(count) == crossing:
            os.kill(os.getpid(), signal.SIGKILL)

    class Mortal(Watched):
        def sign(self, message: bytes, suite: Suite) -> bytes:
            cross()
            signature = super().sign(message, suite)
            cross()
            return signature

    with engine.opened(folder, chance=SystemChance()) as world:
        world.interpose(TOTTORI, lambda signer: Mortal(signer, log))
        for store in world.stores.each():
            watch(store, cross)
        with around_writes(cross):
            issue(world, *rows)
        cross()
        append(crossings, str(next(count)).encode())


def death_at_any_step(tmp_path: Path, watch: Watch) -> None:
    crossings, deaths, resumed = tmp_path / "crossings", 0, 0
    for crossing in itertools.count():
        folder, log = tmp_path / f"{crossing}", tmp_path / f"{crossing}.log"
        with engine_world(folder, chance=SystemChance()) as world:
            # The third row renews what the first gets, so that it has a round of its own.
            rows = [row(world, 1), bad_row(2), row(world, 3, SIGNATURE)]
            rows[2] = replace(rows[2], holder=rows[0].holder)
        code = Running(issue_group_and_die, folder, rows, watch, crossing, log, crossings).wait()
        with engine.opened(folder, chance=SystemChance()) as world:
            known = {tbs_of(record) for record in records(world)}
            assert set(lines(log)) <= known, f"crossing {crossing}: signed, and not written down"
            recovered = cycle.recover(world.issuers, NOW)
            resumed += bool(recovered)
            issue(world, *rows)
            came_to = require_whole(world, *rows)
            assert {text for (number, _), text in came_to.items() if number != 2} == {"issued"}
            assert set(lines(log)) <= {tbs_of(record) for record in records(world)}
            assert sum(record.kind in RESIDENT_KINDS for record in records(world)) == 3
        if code == 0:
            break
        assert code == -signal.SIGKILL
        deaths += 1
    (steps,) = lines(crossings)
    assert deaths == int(steps)
    assert deaths > 20, "statements, commits and signatures were crossed"
    assert resumed > 4, "deaths between intent and completion were among them"


def records(world: EngineWorld) -> list[CertificateRecord]:
    """The holders' certificates that the databases know."""
    return world.stores.certificates(
        CertificateId(
            GenerationId.parse(name.partition(":")[0]), Serial.of(bytes.fromhex(name.partition(":")[2]))
        )
        for name in holders_certificates(world)
    )


@pytest.mark.long
@pytest.mark.parametrize("layout", [engine.FILES, OWN], ids=["one database", "two"])
def test_death_at_any_step_leaves_nothing_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Mapping[str, str]
) -> None:
    monkeypatch.setattr(engine, "layout", layout)
    death_at_any_step(tmp_path, at_each_change)


def test_death_between_the_journal_and_the_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "layout", OWN)
    death_at_any_step(tmp_path, at_each_commit)


# What a crash between two databases leaves.


@pytest.fixture
def split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineWorld]:
    monkeypatch.setattr(engine, "layout", OWN)
    with engine_world(tmp_path / "world", chance=SystemChance()) as made:
        yield made


@contextmanager
def before_commit(store: Store, happens: Callable[[], object]) -> Iterator[None]:
    """Let something happen when the journal has all, and this database is about to keep it."""
    happening = [happens]

    def commit(connection: Connection) -> None:
        if happening and connection.get_execution_options().get("kakehashi_writes"):
            happening.pop()()

    events.listen(store.engine, "commit", commit)
    yield
    events.remove(store.engine, "commit", commit)
    assert not happening


def die() -> None:
    raise StorageFailed("store", "is gone")


def test_a_database_of_its_own_has_its_certificates(split: EngineWorld) -> None:
    rows = [row(split, 1), bad_row(2)]
    issue(split, *rows)
    require_whole(split, *rows)
    with split.stores.own[TOTTORI.authority].reading() as connection:
        assert len(certificates.intended(connection)) == 0
        assert connection.execute(select(certificates_table)).all()


@pytest.mark.parametrize("whose", ["nation", TOTTORI.authority])
def test_what_one_database_did_not_keep_is_carried_out_by_the_next_recording(
    split: EngineWorld, whose: str
) -> None:
    """The authority's comes first. If the nation's fails then, or neither gets to it, the journal has it all."""
    rows = [row(split, 1), bad_row(2)]
    store = split.stores.nation if whose == "nation" else split.stores.own[TOTTORI.authority]
    work = issuer(split)
    with before_commit(store, die), pytest.raises(StorageFailed):
        work.issue(rows, NOW)
    assert answers(split) == []
    assert len(holders_certificates(split)) == (2 if whose == "nation" else 0)
    with split.stores.recording():
        pass
    assert {answer.row for answer in answers(split)} == {1}, "a refusal is made anew"
    assert len(cycle.recover(split.issuers, NOW)) == 2
    assert work.issue(rows, NOW) == GroupDone(issued=0, refused=1, known=1, certificates=0)
    require_whole(split, *rows)


def test_who_goes_on_waits_for_who_is_still_writing(split: EngineWorld) -> None:
    """A process that was thought dead may stand between the commits of the two databases."""
    asked, done = row(split), list[GroupDone]()
    other = threading.Thread(target=lambda: done.append(issue(split, asked)))

    def go_on() -> None:
        other.start()
        other.join(0.3)  # it could have issued everything by now

    work = issuer(split)
    with before_commit(split.stores.nation, go_on):
        work.issue([asked], NOW)
    other.join(30)
    assert [one.known for one in done] == [1]
    require_whole(split, asked)


def test_what_an_older_copy_has_forgotten_is_not_made_anew(split: EngineWorld) -> None:
    """A batch does not go on before the copy has been given what it lacks."""
    own = split.stores.own[TOTTORI.authority]
    copy = copy_of(own)
    first, second = row(split, 1), row(split, 2)
    issue(split, first)
    whole = split.dump()
    put_back(own, copy)
    work = issuer(split)
    with pytest.raises(HomeRefused, match="is an older copy"):
        work.issue([first, second], NOW)
    split.stores.catch_up()
    assert split.dump() == whole
    assert work.issue([first, second], NOW) == GroupDone(issued=1, refused=0, known=1, certificates=2)
    require_whole(split, first, second)
