"""The signing cycle: nothing leaves that was not written down first, and a crash anywhere leaves nothing unknown.

Processes die by SIGKILL here, at each statement that a store executes and at moments that nobody chose.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key
from sqlalchemy import event, select, text, update

from ca.chance import SeededChance, SystemChance
from ca.errors import Conflict, KeyRefused, LintRefused, NotFound, SuiteRetired
from ca.issuing import cycle
from ca.issuing.cycle import Intended, IssuedCertificate, Prepared, Signed
from ca.issuing.holders import HolderCertificates, HolderRequest
from ca.journal import durable
from ca.keys.signer import Signer
from ca.model import RESIDENT_KINDS, CertificateId, CertificateKind, GenerationId, Resident, Serial
from ca.rules.registration import State
from ca.rules.revocation import CertificateStatus, status_of
from ca.rules.validity import years_period
from ca.store import applications, certificates, status
from ca.store.applications import Application
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.engine import Store
from ca.store.tables import applications as applications_table
from ca.store.tables import certificates as certificates_table
from ca.store.tables import revocations
from ca.suites import SHA256_RSA2048, Suite
from tests import rings
from tests.builders import draft_of
from tests.engine_world import (
    NOW,
    RESIDENT,
    EngineWorld,
    Running,
    append,
    csr_for,
    engine_world,
    lines,
    opened,
    public_key_of,
)

TOTTORI = GenerationId.parse("jpki-31.g1")
TOO_LATE = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    # Real chance: were anything drafted again after a crash, it would be other bytes.
    with engine_world(tmp_path / "world", chance=SystemChance()) as made:
        yield made


@dataclass(frozen=True)
class Watched:
    """A signer that writes down what it is about to sign: from here on, the bytes could have left the house."""

    signer: Signer
    log: Path

    @property
    def public_key(self) -> bytes:
        return self.signer.public_key

    def sign(self, message: bytes, suite: Suite) -> bytes:
        append(self.log, message)
        return self.signer.sign(message, suite)

    def sign_digest(self, digest: bytes, suite: Suite) -> bytes:
        """A list's, which can be made again."""
        return self.signer.sign_digest(digest, suite)


@dataclass(frozen=True)
class Broken:
    """A signer whose token is gone."""

    signer: Signer

    @property
    def public_key(self) -> bytes:
        return self.signer.public_key

    def sign(self, message: bytes, suite: Suite) -> bytes:  # noqa: ARG002 - it signs nothing
        raise KeyRefused("token", "was pulled out")


def tbs_of(record: CertificateRecord) -> bytes:
    """The bytes that were, or are to be, signed."""
    if record.state is not CertificateState.ISSUED:
        return record.encoded
    return x509.Certificate.load(record.encoded, strict=True)["tbs_certificate"].dump()


def everything(world: EngineWorld) -> dict[int, CertificateRecord]:
    """Every certificate that the store knows, by serial."""
    with world.store.reading() as connection:
        rows = connection.execute(select(certificates_table.c.generation, certificates_table.c.serial)).all()
        records = [
            certificates.find(
                connection, CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial))
            )
            for row in rows
        ]
    found = {record.id.serial.value: record for record in records}
    assert len(found) == len(records), "a serial was given twice"
    return found


def states(world: EngineWorld) -> list[tuple[str, str]]:
    with world.store.reading() as connection:
        rows = connection.execute(select(applications_table.c.application, applications_table.c.state)).all()
    return [(row.application, row.state) for row in rows]


def require_signed(world: EngineWorld, record: CertificateRecord) -> None:
    """An issued certificate carries its issuer's signature."""
    certificate = x509.Certificate.load(record.encoded, strict=True)
    key = load_der_public_key(world.issuers.of(record.id.generation).record.public_key)
    key.verify(certificate.signature, tbs_of(record), padding.PKCS1v15(), hashes.SHA256())


# The cycle when all goes well.


def test_a_case_becomes_two_certificates(world: EngineWorld) -> None:
    before = everything(world)
    issued = world.issued()
    after = everything(world)
    assert issued.keys() == set(RESIDENT_KINDS)
    assert after.keys() - before.keys() == {item.id.serial.value for item in issued.values()}
    for item in issued.values():
        record = after[item.id.serial.value]
        assert (record.state, record.encoded) == (CertificateState.ISSUED, item.encoded)
        assert item.record == record
        require_signed(world, record)
    assert [state for _, state in states(world)] == [State.ISSUED]


def test_the_intent_is_kept_before_anything_is_signed(world: EngineWorld, tmp_path: Path) -> None:
    seen = []

    class Looking(Watched):
        def sign(self, message: bytes, suite: Suite) -> bytes:
            # Another connection sees only what was committed.
            with opened(world.folder) as other, other.store.reading() as connection:
                seen.append([record.encoded for record in certificates.intended(connection)])
            return super().sign(message, suite)

    log = tmp_path / "log"
    world.interpose(TOTTORI, lambda signer: Looking(signer, log))
    world.issued()
    assert len(seen) == len(RESIDENT_KINDS)
    assert all(sorted(intents) == sorted(lines(log)) for intents in seen)


def test_recovering_when_nothing_was_left_changes_nothing(world: EngineWorld) -> None:
    world.issued()
    before = world.dump()
    assert cycle.recover(world.issuers, NOW) == []
    assert world.dump() == before


# Sudden death at each step.


def at_each_commit(store: Store, step: Callable[[], None]) -> None:
    """Take a step before each commit of a database."""
    event.listen(store.engine, "commit", lambda _: step())


def at_each_change(store: Store, step: Callable[[], None]) -> None:
    """The same, and one before each statement that changes anything."""

    def execute(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SELECT", "WITH")):
            step()

    event.listen(store.engine, "before_cursor_execute", execute)
    at_each_commit(store, step)


@contextmanager
def around_writes(step: Callable[[], None]) -> Iterator[None]:
    """Take a step before and after each write of the journal's and the archive's files."""
    write = durable.write_at

    def write_at(*arguments: object) -> None:
        step()
        write(*arguments)
        step()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "write_at", write_at)
        yield


def issue_and_die(folder: Path, case: str, crossing: int, log: Path, crossings: Path) -> None:
    """Issue a case; die when so many steps of the work have begun or ended."""
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

    with opened(folder, chance=SystemChance()) as world:
        world.interpose(TOTTORI, lambda signer: Mortal(signer, log))
        at_each_change(world.store, cross)
        with around_writes(cross):
            world.registration.issue(case, "operator", at=NOW)
        cross()
        append(crossings, str(next(count)).encode())


def test_death_at_any_step_leaves_nothing_unknown(tmp_path: Path) -> None:
    crossings, deaths, resumed = tmp_path / "crossings", 0, 0
    for crossing in itertools.count():
        folder, log = tmp_path / f"{crossing}", tmp_path / f"{crossing}.log"
        with engine_world(folder, chance=SystemChance()) as world:
            before = everything(world)
            case = world.approved().case.id
        code = Running(issue_and_die, folder, case, crossing, log, crossings).wait()
        with opened(folder, chance=SystemChance()) as world:
            left = {tbs_of(record) for record in everything(world).values()}
            assert set(lines(log)) <= left, f"crossing {crossing}: signed, and not written down"
            recovered = cycle.recover(world.issuers, NOW)
            resumed += bool(recovered)
            if dict(states(world))[case] != State.ISSUED:
                world.registration.issue(case, "operator", at=NOW)
            after = everything(world)
            made = [record for serial, record in after.items() if serial not in before]
            assert sorted(record.kind for record in made) == sorted(RESIDENT_KINDS)
            assert {record.application for record in made} == {case}
            assert {record.state for record in made} == {CertificateState.ISSUED}
            # The very bytes that were intended, and may have been signed already, are the certificate's.
            assert set(lines(log)) | {tbs_of(item.record) for item in recovered} <= {
                tbs_of(record) for record in made
            }
            for record in made:
                require_signed(world, record)
            assert states(world) == [(case, State.ISSUED)]
            with world.store.reading() as connection:
                requests = applications.find(connection, case).requests
            assert {request.certificate for request in requests} == {record.id for record in made}
        if code == 0:
            break
        assert code == -signal.SIGKILL
        deaths += 1
    (steps,) = lines(crossings)
    assert deaths == int(steps)
    assert deaths > 20, "statements, commits and signatures were crossed"
    assert resumed > 4, "deaths between intent and completion were among them"


# Sudden death at any moment, under load.


def issue_on_and_on(folder: Path, number: int, log: Path, mishaps: Path) -> None:
    """Issue case after case until killed; keys from this number on."""
    try:
        with opened(folder, chance=SystemChance()) as world:
            world.interpose(TOTTORI, lambda signer: Watched(signer, log))
            for first in itertools.count(number, 2):
                csrs = {kind: csr_for(first + place) for place, kind in enumerate(RESIDENT_KINDS)}
                application = world.approved(csrs=csrs)
                world.registration.issue(application.case.id, "operator", at=NOW)
    except Exception:  # noqa: BLE001 - whatever it is, the test shall tell it
        append(mishaps, traceback.format_exc().encode())


@pytest.mark.deeper
def test_death_at_any_moment_under_load_leaves_nothing_unknown(tmp_path: Path) -> None:
    folder, log, mishaps = tmp_path / "world", tmp_path / "log", tmp_path / "mishaps"
    with engine_world(folder):
        pass
    dice = random.Random(31)
    starts = itertools.count(
        1000, 80
    )  # more than a process needs in its short life, and enough for all of them
    known: set[bytes] = set()
    recovered = 0
    with opened(folder, chance=SystemChance()) as world:
        # Until a death has fallen between intent and completion; about every third does.
        for deaths in itertools.count(2, 2):
            assert deaths < 100 + rings.KILLS, "no death fell between intent and completion"
            running = [Running(issue_on_and_on, folder, next(starts), log, mishaps) for _ in range(2)]
            while len(lines(log)) < len(known) + 4 and not lines(mishaps):
                time.sleep(0.005)  # until they are at work
            for victim in running:
                time.sleep(dice.uniform(0.0, 0.1))
                victim.kill()
                # A restart recovers at once, though another process may be at work and in the middle of a case.
                recovered += len(cycle.recover(world.issuers, NOW))
            known = set(lines(log))
            assert known <= {tbs_of(record) for record in everything(world).values()}
            if deaths >= rings.KILLS and recovered:
                break
        assert [line.decode() for line in lines(mishaps)] == []
        for case, state in states(world):
            if state == State.ISSUING:
                world.registration.issue(case, "operator-2", at=NOW)
        found = everything(world)
        assert {record.state for record in found.values()} == {CertificateState.ISSUED}
        assert known <= {tbs_of(record) for record in found.values()}
        holders = [record for record in found.values() if record.kind in RESIDENT_KINDS]
        assert len(holders) > 20
        for record in holders:
            require_signed(world, record)
        assert State.ISSUING not in {state for _, state in states(world)}
        # One certificate a request: nothing was drafted a second time.
        assert len({(record.application, record.kind) for record in holders}) == len(holders)


def test_a_restart_beside_a_living_process_disturbs_it_in_nothing(world: EngineWorld) -> None:
    case = world.approved().case.id
    other: list[IssuedCertificate] = []

    class Slow(Watched):
        def sign(self, message: bytes, suite: Suite) -> bytes:
            with opened(world.folder) as restarted:
                other.extend(cycle.recover(restarted.issuers, NOW))
            return self.signer.sign(message, suite)

    world.interpose(TOTTORI, lambda signer: Slow(signer, world.folder / "log"))
    issued = world.registration.issue(case, "operator", at=NOW)
    assert {item.encoded for item in other} == {item.encoded for item in issued}
    assert states(world) == [(case, State.ISSUED)]


# Signers that do wrong.


class WrongBit(Watched):
    def sign(self, message: bytes, suite: Suite) -> bytes:
        signature = bytearray(self.signer.sign(message, suite))
        signature[100] ^= 4
        return bytes(signature)


class OtherMessage(Watched):
    def sign(self, message: bytes, suite: Suite) -> bytes:
        return self.signer.sign(message + b"\0", suite)


class Nothing(Watched):
    def sign(self, message: bytes, suite: Suite) -> bytes:
        return self.signer.sign(message, suite)[:0]


class Refusing(Watched):
    def sign(self, message: bytes, suite: Suite) -> bytes:  # noqa: ARG002 - a signer's form
        raise KeyRefused("token", "was pulled out")


@pytest.mark.parametrize("wrong", [WrongBit, OtherMessage, Nothing, Refusing])
def test_a_wrong_signature_never_gets_its_certificate_out(world: EngineWorld, wrong: type[Watched]) -> None:
    case = world.approved().case.id
    right = world.issuers.of(TOTTORI).signer
    world.interpose(TOTTORI, lambda signer: wrong(signer, world.folder / "log"))
    with pytest.raises(KeyRefused):
        world.registration.issue(case, "operator", at=NOW)
    with pytest.raises(KeyRefused):
        cycle.recover(world.issuers, NOW)
    with world.store.reading() as connection:
        intents = certificates.intended(connection)
    assert sorted(record.kind for record in intents) == sorted(RESIDENT_KINDS)
    assert states(world) == [(case, State.ISSUING)]
    world.interpose(TOTTORI, lambda _: right)
    issued = world.registration.issue(case, "operator", at=NOW)
    assert {tbs_of(item.record) for item in issued} == {record.encoded for record in intents}
    for item in issued:
        require_signed(world, everything(world)[item.id.serial.value])


# Refusals before anything is written.


def approved_by_an_earlier_version(world: EngineWorld, resident: Resident) -> Application:
    """An approved case of somebody who would be refused at filing today."""
    filed = world.approved()
    with world.store.writing() as connection:
        application = applications.find(connection, filed.case.id)
        connection.execute(text("DELETE FROM requests"))
        connection.execute(text("DELETE FROM application_steps"))
        connection.execute(text("DELETE FROM applications"))
        applications.add(connection, replace(application, applicant=resident))
    return application


def test_what_lint_refuses_writes_nothing(world: EngineWorld) -> None:
    application = approved_by_an_earlier_version(world, replace(RESIDENT, name_substitutes="0"))
    before = world.dump()
    with pytest.raises(LintRefused):
        world.registration.issue(application.case.id, "operator", at=NOW)
    assert world.dump() == before


def test_what_lint_refuses_of_one_kind_holds_the_other_back_too(world: EngineWorld) -> None:
    """A case is issued whole: the user-authentication certificate alone would have been good."""
    application = approved_by_an_earlier_version(world, replace(RESIDENT, address="\x07"))
    before = everything(world)
    with pytest.raises(LintRefused):
        world.registration.issue(application.case.id, "operator", at=NOW)
    assert everything(world) == before
    assert states(world) == [(application.case.id, State.APPROVED)]


def prepared(world: EngineWorld) -> Prepared:
    """The same certificate of the authority's each time, ready to be intended."""
    issuer = world.issuers.of(TOTTORI)
    request = HolderRequest(RESIDENT, CertificateKind.SIGNATURE, public_key_of(csr_for(0)), "test")
    makers = HolderCertificates(world.plan.municipalities, SeededChance(1))
    place, linted = makers.make(issuer, request, years_period(NOW, 1))
    return cycle.prepare_linted(issuer, linted, scope=place.scope, at=NOW)


def intend(world: EngineWorld, item: Prepared) -> None:
    with world.stores.recording() as recording:
        cycle.intend(recording, [Intended(item)], NOW)


def revoked(world: EngineWorld) -> list[tuple[str, str, bytes]]:
    """Generation, list and serial of whatever is revoked."""
    with world.store.reading() as connection:
        columns = (revocations.c.generation, revocations.c.scope, revocations.c.serial)
        return list(map(tuple, connection.execute(select(*columns))))


def test_a_suite_past_its_time_signs_nothing(world: EngineWorld, tmp_path: Path) -> None:
    world.interpose(TOTTORI, lambda signer: Watched(signer, tmp_path / "log"))
    issuer, item = world.issuers.of(TOTTORI), prepared(world)
    with pytest.raises(SuiteRetired):
        cycle.prepare(issuer, draft_of(CertificateKind.SIGNATURE), place=issuer.practice.full, at=TOO_LATE)
    intend(world, item)
    with pytest.raises(SuiteRetired):
        cycle.sign(item, TOO_LATE)
    assert cycle.recover(world.issuers, TOO_LATE) == []
    assert lines(tmp_path / "log") == []
    # Its serial is spent: it counts as issued, and as revoked, in its list too.
    assert everything(world)[item.record.id.serial.value].state is CertificateState.ABANDONED
    with world.store.reading() as connection:
        known = status.records(connection, TOTTORI, [item.record.id.serial])[item.record.id.serial]
    assert status_of(known.issued_at, known.revocation, TOO_LATE).status is CertificateStatus.REVOKED
    assert revoked(world) == [(str(TOTTORI), item.record.scope, item.record.id.serial.octets)]
    before = world.dump()
    assert cycle.recover(world.issuers, TOO_LATE) == []
    assert world.dump() == before


def test_an_intent_is_abandoned_once_and_a_certificate_never(world: EngineWorld) -> None:
    item = prepared(world)
    signed = world.issued()[CertificateKind.SIGNATURE].id
    intend(world, item)
    with world.store.writing() as connection:
        abandoned = certificates.abandon(connection, item.record.id)
        assert abandoned == replace(item.record, state=CertificateState.ABANDONED)
        assert certificates.abandon(connection, item.record.id) is None
        assert certificates.abandon(connection, signed) is None
        assert certificates.find(connection, signed).state is CertificateState.ISSUED


def test_the_last_second_of_a_suites_life_counts(world: EngineWorld) -> None:
    item = prepared(world)
    intend(world, item)
    until = SHA256_RSA2048.sign_until.replace(microsecond=999_999)
    assert [one.id for one in cycle.recover(world.issuers, until)] == [item.record.id]


def test_a_case_that_can_never_be_signed_has_failed(world: EngineWorld) -> None:
    case = world.approved().case.id
    world.interpose(TOTTORI, Broken)
    with pytest.raises(KeyRefused):
        world.registration.issue(case, "operator", at=NOW)
    cycle.recover(world.issuers, TOO_LATE)
    assert states(world) == [(case, State.FAILED)]
    with pytest.raises(Conflict):
        world.registration.issue(case, "operator", at=TOO_LATE)


def test_what_another_has_signed_meanwhile_is_not_abandoned(world: EngineWorld) -> None:
    """By a clock that is not as late as this one's, between its look at what is open and its turn."""
    item = prepared(world)
    intend(world, item)
    with world.before_turn(lambda: cycle.recover(world.issuers, NOW), 2):
        assert cycle.recover(world.issuers, TOO_LATE) == []
    assert everything(world)[item.record.id.serial.value].state is CertificateState.ISSUED
    assert revoked(world) == []


# The second recording.


def complete(world: EngineWorld, item: Signed) -> None:
    with world.stores.recording() as recording:
        cycle.complete(recording, [item], NOW)


def records(world: EngineWorld) -> int:
    """How many records the journal has."""
    with world.stores.journal.turn() as turn:
        return turn.head.count


def test_only_what_was_intended_is_completed(world: EngineWorld) -> None:
    signed = cycle.sign(prepared(world), NOW)
    before, journal = world.dump(), records(world)
    with pytest.raises(NotFound):
        complete(world, signed)
    assert (world.dump(), records(world)) == (before, journal)


def test_what_was_written_down_first_is_what_counts(world: EngineWorld) -> None:
    """Another process may have signed the same bytes meanwhile, and some signatures differ each time."""
    (issued,) = cycle.issue(world.stores, [prepared(world)], NOW)
    before, journal = world.dump(), records(world)
    again = cycle.sign(prepared(world), NOW)
    for signature in (again.signature, again.signature[:-1] + b"\0"):
        complete(world, replace(again, signature=signature, encoded=issued.encoded[:-1] + b"\0"))
        assert cycle.standing(world.stores, [issued.id]) == [issued]
    assert (world.dump(), records(world)) == (before, journal)


def test_a_case_is_closed_when_all_its_certificates_are_there_and_not_before(world: EngineWorld) -> None:
    case = world.approved().case.id
    right = world.issuers.of(TOTTORI).signer
    world.interpose(TOTTORI, Broken)
    with pytest.raises(KeyRefused):
        world.registration.issue(case, "operator", at=NOW)
    with world.store.reading() as connection:
        one, other = certificates.intended(connection)
    for record, state in ((one, State.ISSUING), (other, State.ISSUED)):
        complete(world, cycle.sign(Prepared(replace(world.issuers.of(TOTTORI), signer=right), record), NOW))
        assert states(world) == [(case, state)]


def test_a_case_that_an_earlier_version_left_open_is_closed_by_issuing_it_again(world: EngineWorld) -> None:
    """There, what had signed a case's certificates closed the case in a transaction of its own."""
    issued = world.issued()
    ((case, _),) = states(world)
    with world.store.writing() as connection:
        connection.execute(update(applications_table).values(state=State.ISSUING))
    again = world.registration.issue(case, "operator", at=NOW)
    assert {item.id for item in again} == {item.id for item in issued.values()}
    assert states(world) == [(case, State.ISSUED)]


def test_a_serial_is_given_once(world: EngineWorld) -> None:
    cycle.issue(world.stores, [prepared(world)], NOW)
    before, journal = world.dump(), records(world)
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        intend(world, prepared(world))
    assert (world.dump(), records(world)) == (before, journal)
