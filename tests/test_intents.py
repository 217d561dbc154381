"""Intents that nobody came to sign: what their key may no longer sign ends, and what a lost key was to sign ends on order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bridge.crossing.rekeying import Rekeying
from ca.chance import SystemChance
from ca.errors import Conflict, KeyRefused, LintRefused
from ca.issuing import cycle, intents
from ca.issuing.cycle import Intended
from ca.issuing.founding import service
from ca.issuing.holders import HolderCertificates, HolderRequest
from ca.issuing.succession import Succession
from ca.journal.entries import RevocationEntry
from ca.journal.journal import records
from ca.keys.signer import Signer
from ca.keys.vault import KeyId
from ca.model import (
    RESIDENT_KINDS,
    AuthorityId,
    CertificateId,
    CertificateKind,
    GenerationId,
    RevocationReason,
)
from ca.revoking.deciding.by_hand import revoke
from ca.rules.generations import State as KeyState
from ca.rules.generations import Step
from ca.rules.registration import State
from ca.rules.validity import years_period
from ca.store import applications, certificates, key_needs
from ca.store.certificates import CertificateState
from ca.store.tables import certificate_bytes, revocations
from ca.suites import Suite
from front.assembly import open_world
from tests import commands
from tests.commands import done, refused
from tests.engine_world import (
    NOW,
    RESIDENT,
    EngineWorld,
    copy_of,
    csr_for,
    engine_world,
    public_key_of,
    put_back,
)
from tests.test_cycle import TOO_LATE

TOTTORI, BRIDGE = AuthorityId("jpki-31"), AuthorityId("jpki-bridge")
OLD, NEW = GenerationId(TOTTORI, 1), GenerationId(TOTTORI, 2)
LATER = NOW + timedelta(days=20)
SOON, AT_LAST = LATER + intents.IN_HAND, LATER + intents.IN_HAND + timedelta(seconds=1)
TWO = ("--officer", "ito", "--second-officer", "endo")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world", chance=SystemChance()) as made:
        yield made


class Dead(Exception):
    """The process is no more."""


class Dies:
    """A signer whose process dies before it signs a certificate; lists can be made again."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer

    @property
    def public_key(self) -> bytes:
        return self.signer.public_key

    def sign(self, message: bytes, suite: Suite) -> bytes:  # noqa: ARG002 - it signs nothing
        raise Dead

    def sign_digest(self, digest: bytes, suite: Suite) -> bytes:
        return self.signer.sign_digest(digest, suite)


def die_issuing(world: EngineWorld, case: str, at=LATER) -> None:
    """Issue a case, and die between its intents and their signatures."""
    signer = world.issuers.of(OLD).signer
    world.interpose(OLD, Dies)
    with pytest.raises(Dead):
        world.registration.issue(case, "operator", at=at)
    world.interpose(OLD, lambda _: signer)


def waiting(world: EngineWorld) -> list[CertificateId]:
    with world.stores.of(TOTTORI).reading() as connection:
        return [record.id for record in certificates.intended(connection)]


def state_of(world: EngineWorld, case: str) -> State:
    with world.store.reading() as connection:
        return applications.find(connection, case).case.state


def fates(world: EngineWorld, wanted: list[CertificateId]) -> set[CertificateState]:
    return {record.state for record in world.stores.certificates(wanted)}


def revoked(world: EngineWorld) -> set[bytes]:
    with world.stores.of(TOTTORI).reading() as connection:
        return set(connection.execute(select(revocations.c.serial)).scalars())


def told(world: EngineWorld) -> list[str]:
    """Why certificates ended, as the journal says it."""
    found = [one.entry for one in records(world.stores.journal.folder)]
    return [one.rule for one in found if isinstance(one, RevocationEntry)]


# A key that has moved on


@pytest.fixture
def overtaken(world: EngineWorld) -> str:
    """The case of a process that died over its intents while another one's cut-over was about to be recorded."""
    case = world.approved(at=LATER).case.id
    succession = Succession(world.issuers, world.plan.municipalities, world.chance)
    for step in (
        Step.PLAN, Step.MAKE_KEY, Step.NEW_WITH_NEW, Step.NEW_WITH_OLD, Step.OLD_WITH_NEW, Step.SERVE_STATUS,
    ):  # fmt: skip
        succession.take(step, NEW, at=LATER)
    Rekeying(world.issuers, world.plan, world.chance).renew_crosses(NEW, at=LATER)
    succession.take(Step.RENEW_CROSSES, NEW, at=LATER)
    with world.before_turn(lambda: die_issuing(world, case), 2):
        keys = succession.take(Step.CUT_OVER, NEW, at=LATER)
    assert [life.state for life in keys.lives] == [KeyState.STATUS_ONLY, KeyState.ACTIVE]
    assert len(waiting(world)) == len(RESIDENT_KINDS)
    return case


def test_a_key_that_has_been_replaced_signs_no_intent(world: EngineWorld, overtaken: str) -> None:
    left = waiting(world)
    assert cycle.recover(world.issuers, AT_LAST) == []
    assert fates(world, left) == {CertificateState.ABANDONED}
    assert revoked(world) == {one.serial.octets for one in left}
    assert told(world)[-1] == "its key may no longer sign"
    assert state_of(world, overtaken) is State.FAILED
    before = world.dump()
    assert cycle.recover(world.issuers, AT_LAST) == []
    assert world.dump() == before


def test_what_a_living_process_may_have_in_hand_is_not_given_up(world: EngineWorld, overtaken: str) -> None:
    before = world.dump()
    assert cycle.recover(world.issuers, SOON) == []
    assert world.dump() == before
    with pytest.raises(Conflict, match="is status only, and signs no"):
        world.registration.issue(overtaken, "operator", at=SOON)
    assert len(waiting(world)) == len(RESIDENT_KINDS)


def test_an_intent_counts_as_valid_until_it_has_ended(world: EngineWorld, overtaken: str) -> None:
    def valid() -> dict[CertificateKind, int]:
        with world.stores.of(TOTTORI).reading() as connection:
            return {
                kind: count
                for kind, count in key_needs.still_valid(connection, OLD, AT_LAST).items()
                if kind in RESIDENT_KINDS
            }

    assert state_of(world, overtaken) is State.ISSUING
    assert valid() == dict.fromkeys(RESIDENT_KINDS, 1)
    cycle.recover(world.issuers, AT_LAST)
    assert valid() == {}


def test_a_key_does_not_retire_over_what_it_has_still_to_sign(world: EngineWorld, overtaken: str) -> None:
    """Not over what would end with it either."""
    cycle.recover(world.issuers, AT_LAST)
    assert state_of(world, overtaken) is State.FAILED
    signer = world.vault.signer(KeyId(f"{OLD}.ocsp"))
    responder = CertificateKind.OCSP_RESPONDER
    made = service(
        world.issuers.of(OLD), responder, public_key=signer.public_key, days=7, purpose="2",
        chance=world.chance, at=AT_LAST,
    )  # fmt: skip
    with world.stores.recording() as recording:
        cycle.intend(recording, [Intended(made, service_key=KeyId(f"{OLD}.ocsp"))], AT_LAST)
    much_later = AT_LAST + timedelta(days=4000)
    with world.stores.of(TOTTORI).reading() as connection:
        assert key_needs.still_valid(connection, OLD, much_later) == {responder: 1}
    # It is signed, or too late for that, whenever a step is taken.
    succession = Succession(world.issuers, world.plan.municipalities, world.chance)
    assert succession.take(Step.RETIRE, OLD, at=much_later).lives[0].state is KeyState.RETIRED
    assert waiting(world) == []


# A key that is lost


class Lost:
    """A vault in which one key is no more."""

    def __init__(self, world: EngineWorld, key: GenerationId = OLD) -> None:
        self.vault, self.key = world.vault, KeyId(str(key))

    def signer(self, key: KeyId) -> Signer:
        if key == self.key:
            raise KeyRefused("token", f"has no private key {key!r}")
        return self.vault.signer(key)

    def code_key(self) -> bytes:
        return self.vault.code_key()


@pytest.fixture
def lost(world: EngineWorld) -> str:
    """The case of a process that died over its intents, whose key is lost since."""
    case = world.approved(at=LATER).case.id
    die_issuing(world, case)
    world.issuers.vault = Lost(world)  # type: ignore[assignment]
    world.issuers._open.clear()
    return case


def test_a_lost_key_stops_those_alone_who_need_what_it_was_to_sign(world: EngineWorld, lost: str) -> None:
    assert cycle.recover(world.issuers, LATER, {BRIDGE}) == []
    assert state_of(world, lost) is State.ISSUING
    for needed in (None, {TOTTORI}, {TOTTORI, BRIDGE}):
        with pytest.raises(KeyRefused, match="has no private key"):
            cycle.recover(world.issuers, LATER, needed)
    assert intents.open_by_key(world.stores) == {OLD: len(RESIDENT_KINDS)}


@pytest.mark.usefixtures("lost")
def test_what_was_altered_is_told_whoever_asks(world: EngineWorld) -> None:
    world.issuers.vault = world.vault
    altered = waiting(world)[0]
    with world.stores.of(TOTTORI).writing() as connection:
        mine = certificate_bytes.c.serial == altered.serial.octets
        connection.execute(update(certificate_bytes).where(mine).values(encoded=b"\x30\x00"))
    with pytest.raises(LintRefused, match=str(altered)):
        cycle.recover(world.issuers, LATER, {BRIDGE})
    assert waiting(world) == [altered]


def test_a_suites_end_is_waited_for_without_the_key(world: EngineWorld, lost: str) -> None:
    assert cycle.recover(world.issuers, TOO_LATE) == []
    assert state_of(world, lost) is State.FAILED


def test_what_a_lost_key_was_to_sign_is_given_up_on_order(world: EngineWorld, lost: str) -> None:
    copy, left = copy_of(world.store), intents.open_intents(world.stores, OLD)
    assert intents.open_intents(world.stores, NEW) == []
    with pytest.raises(Conflict, match=r"is not issued yet.*key abandon"):
        revoke(world.stores, left[0], RevocationReason.SUPERSEDED, "operator", at=LATER)
    ended = intents.give_up(world.stores, left, "its key is lost; by a and b", at=LATER)
    assert ended == left == sorted(left, key=str)
    assert cycle.recover(world.issuers, LATER) == []
    assert fates(world, left) == {CertificateState.ABANDONED}
    assert revoked(world) == {one.serial.octets for one in left}
    assert told(world)[-1] == "its key is lost; by a and b"
    assert state_of(world, lost) is State.FAILED
    after = world.dump()
    assert intents.give_up(world.stores, left, "once more", at=LATER) == []
    assert world.dump() == after
    put_back(world.store, copy)
    world.stores.catch_up()
    assert world.dump() == after, "the journal gives it back"


def test_what_is_signed_meanwhile_is_not_given_up(world: EngineWorld, lost: str) -> None:
    left = intents.open_intents(world.stores, OLD)
    world.issuers.vault = world.vault
    with world.before_turn(lambda: cycle.recover(world.issuers, LATER), 1):
        assert intents.give_up(world.stores, left, "its key is lost", at=LATER) == []
    assert fates(world, left) == {CertificateState.ISSUED}
    assert (state_of(world, lost), revoked(world)) == (State.ISSUED, set())


# The command


@pytest.fixture
def home(staffed_world: Path) -> Path:
    """A home with two operators, in which a process died over an intent."""
    endo = ("officer", "add", "endo", "--office", "centre", "--role", "operator", "--home", staffed_world)
    done(commands.run(*endo))
    with open_world(staffed_world, lambda: "") as world:
        issuer = world.issuers.of(OLD)
        request = HolderRequest(RESIDENT, CertificateKind.SIGNATURE, public_key_of(csr_for(0)), "test")
        place, linted = HolderCertificates(world.plan.municipalities, world.chance).make(
            issuer, request, years_period(world.clock(), 1)
        )
        intent = cycle.prepare_linted(issuer, linted, scope=place.scope, at=world.clock())
        with world.stores.recording() as recording:
            cycle.intend(recording, [Intended(intent)], world.clock())
    return staffed_world


def key_file(home: Path) -> Path:
    return home / "keys" / f"{OLD}.key.json"


def abandon(home: Path, *options: str):
    return commands.run("key", "abandon", str(OLD), *(options or TWO), "--home", home, "--json")


def open_there(home: Path) -> list[CertificateId]:
    with open_world(home, lambda: "") as world:
        return intents.open_intents(world.stores, OLD)


def test_two_operators_give_up_what_a_lost_key_was_to_sign(home: Path) -> None:
    key_file(home).unlink()
    (left,) = open_there(home)
    assert abandon(home, *TWO, "--evidence", "decision 18").json == {
        "generation": str(OLD),
        "abandoned": [str(left)],
        "signed": [],
    }
    with open_world(home, lambda: "") as world:
        assert [one.state for one in world.stores.certificates([left])] == [CertificateState.ABANDONED]
        entries = [one.entry for one in records(world.stores.journal.folder)]
    (ended,) = [one for one in entries if isinstance(one, RevocationEntry)]
    assert ended.rule == "its key is lost; decision 18, by ito and endo"
    assert [one.certificate for one in ended.orders] == [str(left)]
    refused(commands.run("key", "abandon", str(OLD), *TWO, "--home", home), "has nothing left to sign")


def test_what_can_be_signed_is_signed_instead(home: Path) -> None:
    (left,) = open_there(home)
    assert done(abandon(home)).json == {"generation": str(OLD), "abandoned": [], "signed": [str(left)]}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("abandon", str(OLD), "--officer", "ito", "--second-officer", "ito"), "the second officer too"),
        (("abandon", str(OLD), "--officer", "ito", "--second-officer", "tanaka"), "operator"),
        (("abandon", "jpki-99.g1", *TWO), "is not one of this home's"),
        (("abandon", "jpki-31", *TWO), "generation"),
    ],
)
def test_who_may_not_or_what_is_not_there(home: Path, words: tuple[str, ...], told: str) -> None:
    key_file(home).unlink()
    refused(commands.run("key", *words, "--home", home), told)
    assert len(open_there(home)) == 1


def test_what_waits_is_said(home: Path) -> None:
    key_file(home).unlink()
    told = commands.kakehashi("key", "abandon", str(OLD), *TWO, "--json", "--home", home)
    assert done(told).json["abandoned"]
    assert told.stderr.startswith("intent not signed, error KeyRefused, place ")
    assert told.stderr.rstrip().endswith(f", waiting 1 of {OLD}")


def test_the_keys_of_others_go_on_and_what_waits_is_said(home: Path) -> None:
    key_file(home).unlink()
    planned = commands.kakehashi("key", "plan", "jpki-13", *TWO, "--json", "--home", home)
    assert done(planned).json["state"] == "planned"
    assert planned.stderr.startswith("intent not signed, error KeyRefused")
    assert planned.stderr.rstrip().endswith(f"waiting 1 of {OLD}")
    refused(commands.run("key", "plan", "jpki-31", *TWO, "--home", home), "key.json")
