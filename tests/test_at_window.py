"""What a window does with certificates that are there: hands over, discards, and ends what a holder asks to be ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import event as engine_events
from sqlalchemy import update

from ca.chance import SystemChance
from ca.errors import BadInput, Conflict, KakehashiError, NotFound, NotPermitted
from ca.journal.entries import EventEntry, RevocationEntry
from ca.journal.journal import records
from ca.keys.codes import keyed_code
from ca.model import (
    RESIDENT_KINDS,
    CertificateId,
    CertificateKind,
    MunicipalityCode,
    OfficeKind,
    OfficerId,
    RevocationReason,
)
from ca.revoking.deciding.at_window import DEEDS, Deed, Delivered, Window, request_number
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk, EventOutcome
from ca.revoking.feed.events import Feed
from ca.rules.identity import Purpose, Reception
from ca.rules.registration import State, Step
from ca.rules.residents import Change, ChangeKind
from ca.store import applications, lives, quarantine
from ca.store.search import holder_certificates
from ca.store.tables import offices
from front.demo.people import invented_code
from tests.engine_world import (
    CODE,
    NOW,
    POST,
    RESIDENT,
    EngineWorld,
    Running,
    copy_world,
    engine_world,
    opened,
)

SIGNATURE, AUTHENTICATION = RESIDENT_KINDS
BOTH = set(RESIDENT_KINDS)
DAY = timedelta(days=1)
LATER = NOW + 30 * DAY
NUMBER = "0123456789abcdef0123"
SUPERSEDED, UNSPECIFIED = RevocationReason.SUPERSEDED, RevocationReason.UNSPECIFIED
COMPROMISE, HOLD = RevocationReason.KEY_COMPROMISE, RevocationReason.CERTIFICATE_HOLD
CESSATION = RevocationReason.CESSATION_OF_OPERATION


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


@dataclass(frozen=True)
class Still:
    """A world that nothing changes: a holder with certificates in hand, and a case that renews them."""

    world: EngineWorld
    issued: applications.Application


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Still]:  # noqa: ARG001 - on each database
    with engine_world(tmp_path_factory.mktemp("still") / "world") as made:
        handed(made)
        found = Still(made, case(made, LATER))
        before = made.dump()
        yield found
        assert made.dump() == before


def window(world: EngineWorld) -> Window:
    return Window(EventDesk(world.stores))


def case(world: EngineWorld, at: datetime = NOW, **options: object) -> applications.Application:
    """A case whose certificates are issued and wait for their holder."""
    application = world.approved(at=at, **options)
    world.registration.issue(application.case.id, "operator", at=at)
    with world.store.reading() as connection:
        return applications.find(connection, application.case.id)


def handed(world: EngineWorld, at: datetime = NOW, **options: object) -> applications.Application:
    """A case whose certificates the holder has."""
    issued = case(world, at, **options)
    window(world).hand_over(issued.case.id, "window", at=at)
    with world.store.reading() as connection:
        return applications.find(connection, issued.case.id)


def holder(world: EngineWorld, code: object = CODE) -> bytes:
    return keyed_code(world.vault.code_key(), code)


def ended(world: EngineWorld, *cases: applications.Application) -> dict[CertificateId, RevocationReason]:
    """Why which certificates of the holder ended."""
    with world.stores.reading() as reading:
        found = {one.certificate: one.revocation for one in holder_certificates(reading, holder(world))}
    wanted = [certificate for one in cases for certificate in one.certificates] if cases else found
    return {one: found[one].reason for one in wanted if found[one] is not None}


def of(application: applications.Application, kind: CertificateKind) -> CertificateId:
    (found,) = [one.certificate for one in application.requests if one.kind is kind]
    assert found is not None
    return found


def told(world: EngineWorld, kind: ChangeKind, at: datetime, *, effective: datetime | None = None) -> None:
    """The register tells of the holder."""
    change = Change(f"{kind}-1", kind, holder(world), at, at, effective or at)
    EventDesk(world.stores).apply(Feed("tottori", 1, "feed", (change,)), at=at)


def entries(world: EngineWorld) -> list[object]:
    return [record.entry for record in records(world.folder / "journal")]


def at_once(count: int, click: Callable[[int], object]) -> list[object]:
    """What comes of so many clicks at once: what each gave, or the error that it was refused with."""

    def caught(number: int) -> object:
        try:
            return click(number)
        except KakehashiError as error:
            return error

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(caught, range(count)))


# Hand-over


def test_a_first_hand_over_ends_nothing(world: EngineWorld) -> None:
    issued = case(world)
    found = window(world).hand_over(issued.case.id, "window", at=NOW + DAY)
    assert found.case.state is State.DELIVERED
    assert (found.ended, found.head) == ((), None)
    with world.store.reading() as connection:
        assert applications.find(connection, issued.case.id).case == found.case
    last = found.case.history[-1]
    assert (last.step, last.officer, last.at) == (Step.HAND_OVER, "window", NOW + DAY)
    assert ended(world) == {}


@pytest.mark.parametrize("kinds", [RESIDENT_KINDS, (SIGNATURE,), (AUTHENTICATION,)])
def test_a_renewal_ends_what_it_renews_when_it_is_handed_over(
    world: EngineWorld, kinds: tuple[CertificateKind, ...]
) -> None:
    first = handed(world)
    second = case(world, LATER, kinds=kinds)
    assert ended(world) == {}, "until then the holder has nothing else"
    found = window(world).hand_over(second.case.id, "window", at=LATER + DAY)
    assert set(found.ended) == {of(first, kind) for kind in kinds}
    assert ended(world) == dict.fromkeys(found.ended, SUPERSEDED)
    entry = entries(world)[-1]
    assert isinstance(entry, RevocationEntry)
    assert entry.cause == f"case {second.case.id}"
    assert "window" in entry.rule
    assert found.head is not None
    assert found.head.count == len(entries(world))


def test_another_holders_stay_as_they_are(world: EngineWorld) -> None:
    stranger = handed(world, code=invented_code(1))
    handed(world)
    handed(world, LATER)
    with world.stores.reading() as reading:
        theirs = holder_certificates(reading, holder(world, invented_code(1)))
    assert {one.certificate for one in theirs} == set(stranger.certificates)
    assert [one.revocation for one in theirs] == [None, None]


def test_what_is_held_under_an_earlier_code_is_renewed_too(world: EngineWorld) -> None:
    first, new = handed(world), invented_code(2)
    at = NOW + DAY
    change = Change(
        "code-1", ChangeKind.RESIDENT_CODE_CHANGED, holder(world), at, at, at, None, holder(world, new)
    )
    EventDesk(world.stores).apply(Feed("tottori", 1, "feed", (change,)), at=at)
    second = case(world, LATER, code=new)
    found = window(world).hand_over(second.case.id, "window", at=LATER)
    assert set(found.ended) == set(first.certificates)


def test_a_hold_becomes_an_end_and_what_has_ended_keeps_its_reason(world: EngineWorld) -> None:
    first = handed(world)
    revoke(world.stores, of(first, SIGNATURE), HOLD, "operator", at=NOW + DAY)
    revoke(world.stores, of(first, AUTHENTICATION), COMPROMISE, "operator", at=NOW + DAY)
    handed(world, LATER)
    assert ended(world, first) == {of(first, SIGNATURE): SUPERSEDED, of(first, AUTHENTICATION): COMPROMISE}


def test_an_expired_predecessor_needs_no_end(world: EngineWorld) -> None:
    handed(world)
    second = case(world, at := datetime(2019, 6, 1, tzinfo=UTC))
    assert window(world).hand_over(second.case.id, "window", at=at).ended == ()


def test_what_was_never_handed_over_is_superseded_and_not_handed_over_any_more(world: EngineWorld) -> None:
    first, second = case(world), case(world, LATER)
    assert set(window(world).hand_over(second.case.id, "window", at=LATER).ended) == set(first.certificates)
    with pytest.raises(Conflict, match="is ended") as caught:
        window(world).hand_over(first.case.id, "window", at=LATER)
    assert "superseded" in caught.value.problem
    assert window(world).discard(first.case.id, "window", at=LATER).ended == ()


def test_a_newer_one_in_the_holders_hand_keeps_an_older_one_back(world: EngineWorld) -> None:
    older = case(world, kinds=(AUTHENTICATION,))
    newer = case(world, LATER)
    with (
        world.store.writing() as connection
    ):  # as one whose office has a system of its own, and told of it late
        applications.advance(connection, replace_state(newer, State.DELIVERED))
    with pytest.raises(Conflict, match="has a newer user-authentication certificate") as caught:
        window(world).hand_over(older.case.id, "window", at=LATER)
    assert "Discard" in str(caught.value)


def replace_state(application: applications.Application, state: State) -> applications.Case:
    taken = (*application.case.history, replace(application.case.history[0], step=Step.HAND_OVER, at=LATER))
    return replace(application.case, state=state, history=taken)


def test_a_post_ends_what_its_application_names(world: EngineWorld) -> None:
    kinds = (CertificateKind.OFFICIAL_POST,)
    (first,) = world.issued(POST, kinds).values()
    (other,) = world.issued(POST, kinds, at=NOW + DAY).values()
    application = world.registration.file(
        "ministry", POST, world.csrs(*kinds), code=None, at=LATER,
        reception=Reception(Purpose.RENEWAL, renews=(first.id,)),
    )  # fmt: skip
    number = application.case.id
    world.registration.examine(number, "ministry-2", at=LATER)
    world.registration.approve(number, "centre-1", at=LATER)
    world.registration.issue(number, "operator", at=LATER)
    assert window(world).hand_over(number, "ministry", at=LATER).ended == (first.id,)
    with world.stores.reading() as reading:
        reasons = {life.certificate: life.reason for life in lives.of(reading, [first.id, other.id])}
    assert reasons == {first.id: SUPERSEDED, other.id: None}


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        (ChangeKind.DIED, "affiliationChanged"),
        (ChangeKind.MOVED_OUT, "affiliationChanged"),
        (ChangeKind.LOST, "certificateHold"),
    ],
)
def test_what_has_ended_before_is_not_handed_over(
    world: EngineWorld, meanwhile: ChangeKind, reason: str
) -> None:
    issued = case(world)
    told(world, meanwhile, NOW + DAY)
    before = world.dump()
    with pytest.raises(Conflict, match=reason) as caught:
        window(world).hand_over(issued.case.id, "window", at=NOW + 2 * DAY)
    assert "Discard the case" in str(caught.value)
    assert world.dump() == before
    # What is left of it ends with the discard.
    window(world).discard(issued.case.id, "window", at=NOW + 2 * DAY)
    assert set(ended(world)) == set(issued.certificates)


def test_a_death_that_waited_for_its_day_counts_on_it(world: EngineWorld) -> None:
    issued = case(world)
    told(world, ChangeKind.DIED, NOW, effective=NOW + DAY)
    with pytest.raises(Conflict, match="affiliationChanged"):
        window(world).hand_over(issued.case.id, "window", at=NOW + DAY)


def test_what_has_expired_is_not_handed_over(world: EngineWorld) -> None:
    issued = case(world)
    with pytest.raises(Conflict, match="has expired"):
        window(world).hand_over(issued.case.id, "window", at=datetime(2019, 5, 6, tzinfo=UTC))


# Discard


def test_a_discard_ends_the_cases_own_certificates_alone(world: EngineWorld) -> None:
    first = handed(world)
    second = case(world, LATER)
    found = window(world).discard(second.case.id, "window", at=LATER + DAY, note="nobody came")
    assert found.case.state is State.DISCARDED
    assert found.case.history[-1].note == "nobody came"
    assert set(found.ended) == set(second.certificates)
    assert ended(world) == dict.fromkeys(second.certificates, UNSPECIFIED)
    assert ended(world, first) == {}
    assert "nobody came" not in str(entries(world)), "a note may tell of a person"


DEEDS_OF_A_CASE: tuple[Callable[..., Delivered], ...] = (Window.hand_over, Window.discard)


@pytest.mark.parametrize("deed", DEEDS_OF_A_CASE)
def test_a_local_governments_case_goes_with_its_medium(
    tmp_path: Path, deed: Callable[..., Delivered]
) -> None:
    with engine_world(tmp_path / "world") as world:
        with world.store.writing() as connection:
            connection.execute(update(offices).values(kind=OfficeKind.LOCAL_GOVERNMENT))
        with pytest.raises(BadInput, match="local government's"):
            deed(window(world), world.filed().case.id, "window", at=NOW)


@pytest.mark.parametrize("deed", DEEDS_OF_A_CASE)
@pytest.mark.parametrize(
    ("officer", "error"),
    [
        ("window-2", NotPermitted),  # an examiner
        ("other-window", NotPermitted),
        ("operator", NotPermitted),
        ("nobody", NotFound),
    ],
)
def test_whoever_may_not_changes_nothing(
    still: Still, deed: Callable[..., Delivered], officer: str, error: type[KakehashiError]
) -> None:
    before = still.world.dump()
    with pytest.raises(error):
        deed(window(still.world), still.issued.case.id, officer, at=LATER)
    assert still.world.dump() == before


@pytest.mark.parametrize("first", DEEDS_OF_A_CASE)
@pytest.mark.parametrize("second", DEEDS_OF_A_CASE)
def test_the_last_step_is_taken_once(
    world: EngineWorld, first: Callable[..., Delivered], second: Callable[..., Delivered]
) -> None:
    issued = case(world)
    first(window(world), issued.case.id, "window", at=NOW)
    before = world.dump()
    with pytest.raises(Conflict, match="is not possible"):
        second(window(world), issued.case.id, "window", at=NOW)
    assert world.dump() == before


def test_of_two_clicks_at_once_one_hands_over(world: EngineWorld) -> None:
    handed(world)
    issued = case(world, LATER)
    done = at_once(3, lambda _: window(world).hand_over(issued.case.id, "window", at=LATER))
    assert len([one for one in done if isinstance(one, Delivered)]) == 1
    assert len([entry for entry in entries(world) if isinstance(entry, RevocationEntry)]) == 1


def hand_over_until(folder: Path, number: str, last: int) -> None:
    """Hand a case over in a process that dies at its ``last`` statement, commit or sync; 0 lives, and counts them."""
    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sync = os.fsync

    def synced(descriptor: int) -> None:
        step()
        sync(descriptor)
        step()

    os.fsync = synced
    with opened(folder) as world:
        engine_events.listen(world.store.engine, "before_cursor_execute", step)
        engine_events.listen(world.store.engine, "commit", step)
        window(world).hand_over(number, "window", at=LATER)
    (folder / "steps").write_text(str(steps))


def test_a_death_at_any_step_loses_neither_the_step_nor_the_end(tmp_path: Path) -> None:
    with engine_world(tmp_path / "before") as made:
        first, second = handed(made), case(made, LATER)
    number = second.case.id
    copy_world(tmp_path / "before", tmp_path / "whole")
    assert Running(hand_over_until, tmp_path / "whole", number, 0).wait() == 0
    steps = int((tmp_path / "whole" / "steps").read_text())
    for part in range(6):
        folder = tmp_path / f"died-{part}"
        copy_world(tmp_path / "before", folder)
        last = steps - part * steps // 8  # most of what matters comes last
        assert Running(hand_over_until, folder, number, last).wait() == -signal.SIGKILL
        with opened(folder) as world:
            world.stores.catch_up()
            with world.store.reading() as connection:
                state = applications.find(connection, number).case.state
            assert state is State.ISSUED or ended(world) == dict.fromkeys(first.certificates, SUPERSEDED)
            if state is State.ISSUED:  # nobody was told that it is done: the officer does it again
                window(world).hand_over(number, "window", at=LATER)
            assert ended(world) == dict.fromkeys(first.certificates, SUPERSEDED)
            assert len([entry for entry in entries(world) if isinstance(entry, RevocationEntry)]) == 1


# What a holder asks for and reports


@pytest.mark.parametrize(
    ("deed", "expected", "outcome"),
    [
        (Deed.GIVE_UP_SIGNATURE, {SIGNATURE: CESSATION}, EventOutcome.ENDED),
        (Deed.GIVE_UP_USER_AUTHENTICATION, {AUTHENTICATION: CESSATION}, EventOutcome.ENDED),
        (Deed.REPORT_COMPROMISE, dict.fromkeys(BOTH, COMPROMISE), EventOutcome.ENDED),
        (Deed.REPORT_LOSS, dict.fromkeys(BOTH, COMPROMISE), EventOutcome.ENDED),
        (Deed.REPORT_LOSS_BY_TELEPHONE, dict.fromkeys(BOTH, HOLD), EventOutcome.HELD),
        (Deed.RETURN_CARD, dict.fromkeys(BOTH, CESSATION), EventOutcome.ENDED),
    ],
)
def test_a_deed_is_seen_before_it_is_done(
    world: EngineWorld,
    deed: Deed,
    expected: dict[CertificateKind, RevocationReason],
    outcome: EventOutcome,
) -> None:
    issued = handed(world)
    wanted = {of(issued, kind): reason for kind, reason in expected.items()}
    before = world.dump()
    seen = window(world).look(deed, holder(world), "window", at=LATER)
    assert world.dump() == before
    assert {order.certificate: order.reason for order in seen.orders} == wanted
    assert {one.certificate for one in seen.held} == set(issued.certificates)
    assert seen.problem is None
    found = window(world).end(deed, holder(world), "window", number=NUMBER, at=LATER)
    assert found.outcome is outcome
    assert {order.certificate: order.reason for order in found.orders} == wanted == ended(world)
    entry = entries(world)[-1]
    assert isinstance(entry, EventEntry)
    assert (entry.kind, entry.feed) == (DEEDS[deed], "window 312011, officer window")


def test_a_card_is_lost_by_telephone_and_found(world: EngineWorld) -> None:
    issued = handed(world)
    desk = window(world)
    desk.end(Deed.REPORT_LOSS_BY_TELEPHONE, holder(world), "operator", number=NUMBER, at=LATER)
    assert ended(world) == dict.fromkeys(issued.certificates, HOLD)
    seen = desk.look(Deed.REPORT_FOUND, holder(world), "window", at=LATER + DAY)
    assert {one.revocation.reason for one in seen.held if one.revocation} == {HOLD}
    desk.end(Deed.REPORT_FOUND, holder(world), "window", number=NUMBER[::-1], at=LATER + DAY)
    assert ended(world) == dict.fromkeys(issued.certificates, CESSATION), "the hold is not lifted"
    assert desk.look(Deed.REPORT_LOSS, holder(world), "window", at=LATER + 2 * DAY).held == ()


def test_a_loss_is_told_with_the_day_it_happened(world: EngineWorld) -> None:
    issued = handed(world)
    since = (LATER - DAY).astimezone(UTC)
    found = window(world).end(
        Deed.REPORT_LOSS, holder(world), "window", number=NUMBER, at=LATER, occurred=since
    )
    assert {order.invalid_since for order in found.orders} == {since.replace(microsecond=0)}
    assert {order.certificate for order in found.orders} == set(issued.certificates)
    with pytest.raises(BadInput, match="lies after now"):
        window(world).look(
            Deed.REPORT_LOSS, holder(world), "window", at=LATER, occurred=LATER + timedelta(seconds=1)
        )


def test_a_double_click_changes_nothing(world: EngineWorld) -> None:
    handed(world)
    desk = window(world)
    first = desk.end(Deed.GIVE_UP_SIGNATURE, holder(world), "window", number=NUMBER, at=LATER)
    before = world.dump()
    again = desk.end(
        Deed.GIVE_UP_SIGNATURE, holder(world), "window", number=NUMBER, at=LATER + timedelta(seconds=2)
    )
    assert (again.event, again.outcome, again.orders) == (first.event, EventOutcome.REPLAYED, ())
    assert world.dump() == before
    with pytest.raises(Conflict, match="used for another request"):
        desk.end(Deed.GIVE_UP_USER_AUTHENTICATION, holder(world), "window", number=NUMBER, at=LATER)
    assert world.dump() == before


def test_of_two_clicks_at_once_one_is_heard(world: EngineWorld) -> None:
    handed(world)

    def click(number: int) -> EventOutcome:
        at = LATER + timedelta(milliseconds=number)
        return (
            window(world).end(Deed.GIVE_UP_SIGNATURE, holder(world), "window", number=NUMBER, at=at).outcome
        )

    done = at_once(3, click)
    assert sorted(done) == sorted([EventOutcome.ENDED, EventOutcome.REPLAYED, EventOutcome.REPLAYED])
    with world.store.reading() as connection:
        assert quarantine.cases(connection) == []


@pytest.mark.parametrize(
    ("deed", "officer", "error"),
    [
        (Deed.GIVE_UP_SIGNATURE, "window-2", NotPermitted),  # an examiner
        (Deed.GIVE_UP_SIGNATURE, "operator", NotPermitted),  # who takes calls alone
        (Deed.REPORT_LOSS, "operator", NotPermitted),
        (Deed.REPORT_LOSS_BY_TELEPHONE, "centre-1", NotPermitted),
        (Deed.REPORT_LOSS_BY_TELEPHONE, "ministry", NotPermitted),
        (Deed.GIVE_UP_SIGNATURE, "other-window", NotFound),
        (Deed.REPORT_LOSS_BY_TELEPHONE, "other-window", NotFound),
        (Deed.GIVE_UP_SIGNATURE, "nobody", NotFound),
    ],
)
def test_another_may_neither_look_nor_end(
    still: Still, deed: Deed, officer: str, error: type[KakehashiError]
) -> None:
    world = still.world
    before = world.dump()
    with pytest.raises(error):
        window(world).look(deed, holder(world), officer, at=LATER)
    with pytest.raises(error):
        window(world).end(deed, holder(world), officer, number=NUMBER, at=LATER)
    assert world.dump() == before


def test_a_stranger_and_another_towns_resident_look_alike(still: Still) -> None:
    said = set()
    for code in (CODE, invented_code(9)):
        with pytest.raises(NotFound) as caught:
            window(still.world).look(Deed.RETURN_CARD, holder(still.world, code), "other-window", at=LATER)
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_mover_ends_everything_at_the_new_window(world: EngineWorld) -> None:
    """The old town's certificate is the holder's own too, once the new town has issued one."""
    first = handed(world, kinds=(AUTHENTICATION,))
    town = MunicipalityCode("312029")
    application = world.registration.file(
        "other-window", replace(RESIDENT, municipality=town), world.csrs(SIGNATURE), code=CODE, at=LATER
    )
    world.registration.examine(application.case.id, "other-window-2", at=LATER)
    world.registration.approve(application.case.id, "centre-1", at=LATER)
    world.registration.issue(application.case.id, "operator", at=LATER)
    found = window(world).end(Deed.RETURN_CARD, holder(world), "other-window", number=NUMBER, at=LATER + DAY)
    assert {order.certificate for order in found.orders} > set(first.certificates)


def issued_after_moving(world: EngineWorld, kinds: tuple[CertificateKind, ...]) -> applications.Application:
    """What the new town issues, which was not handed over yet."""
    town = MunicipalityCode("312029")
    application = world.registration.file(
        "other-window", replace(RESIDENT, municipality=town), world.csrs(*kinds), code=CODE, at=LATER
    )
    world.registration.examine(application.case.id, "other-window-2", at=LATER)
    world.registration.approve(application.case.id, "centre-1", at=LATER)
    world.registration.issue(application.case.id, "operator", at=LATER)
    return application


@pytest.mark.parametrize("state", [State.ISSUED, State.DELIVERED])
@pytest.mark.parametrize("kinds", [(SIGNATURE,), RESIDENT_KINDS])
def test_the_town_that_somebody_left_ends_nothing_any_more(
    world: EngineWorld, kinds: tuple[CertificateKind, ...], state: State
) -> None:
    handed(world)
    application = issued_after_moving(world, kinds)
    at = LATER + DAY
    if state is State.DELIVERED:
        window(world).hand_over(application.case.id, "other-window", at=at)
    before = world.dump()
    with pytest.raises(NotFound, match="no certificate that office 312011"):
        window(world).look(Deed.REPORT_LOSS, holder(world), "window", at=at)
    with pytest.raises(NotFound, match="no certificate that office 312011"):
        window(world).end(Deed.REPORT_LOSS, holder(world), "window", number=NUMBER, at=at)
    assert world.dump() == before
    found = window(world).end(Deed.REPORT_LOSS, holder(world), "other-window", number=NUMBER, at=at)
    assert found.outcome is EventOutcome.ENDED


def test_a_case_that_nobody_fetched_makes_no_window_the_holders(world: EngineWorld) -> None:
    handed(world)
    application = issued_after_moving(world, (SIGNATURE,))
    window(world).discard(application.case.id, "other-window", at=LATER + DAY)
    with pytest.raises(NotFound, match="no certificate that office 312029"):
        window(world).look(Deed.REPORT_LOSS, holder(world), "other-window", at=LATER + DAY)
    assert window(world).look(Deed.REPORT_LOSS, holder(world), "window", at=LATER + DAY).orders


def test_an_end_still_becomes_one_for_compromise_where_it_was_issued(world: EngineWorld) -> None:
    issued = handed(world)
    window(world).end(Deed.RETURN_CARD, holder(world), "window", number=NUMBER, at=LATER)
    window(world).end(Deed.REPORT_COMPROMISE, holder(world), "window", number=NUMBER[::-1], at=LATER + DAY)
    assert ended(world) == dict.fromkeys(issued.certificates, COMPROMISE)


def test_the_same_number_with_another_day_is_another_request(world: EngineWorld) -> None:
    handed(world)
    desk, day = window(world), (LATER - DAY).astimezone(UTC)
    desk.end(Deed.REPORT_LOSS, holder(world), "window", number=NUMBER, at=LATER, occurred=day)
    again = desk.end(Deed.REPORT_LOSS, holder(world), "window", number=NUMBER, at=LATER, occurred=day)
    assert again.outcome is EventOutcome.REPLAYED
    for other in (None, day - DAY):
        with pytest.raises(Conflict, match="used for another request"):
            desk.end(Deed.REPORT_LOSS, holder(world), "window", number=NUMBER, at=LATER, occurred=other)


@pytest.mark.parametrize("zone", [UTC, timezone(9 * timedelta(hours=1)), timezone(-12 * timedelta(hours=1))])
@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00", "1899-12-31T00:00", "9999-12-31T23:00", "9999-12-31T23:59:59.999999"]
)
def test_a_moment_at_the_end_of_the_calendar_is_refused(still: Still, moment: str, zone: timezone) -> None:
    told = datetime.fromisoformat(moment).replace(tzinfo=zone)
    with pytest.raises(BadInput, match="moment of the loss"):
        window(still.world).look(Deed.REPORT_LOSS, holder(still.world), "window", at=LATER, occurred=told)


def test_what_would_end_nothing_is_refused(world: EngineWorld) -> None:
    handed(world, kinds=(AUTHENTICATION,))
    before = world.dump()
    assert window(world).look(Deed.GIVE_UP_SIGNATURE, holder(world), "window", at=LATER).orders == ()
    with pytest.raises(Conflict, match="would end no certificate"):
        window(world).end(Deed.GIVE_UP_SIGNATURE, holder(world), "window", number=NUMBER, at=LATER)
    assert world.dump() == before


def test_what_the_rules_cannot_decide_goes_to_the_centre(world: EngineWorld) -> None:
    issued = handed(world)
    revoke(world.stores, of(issued, SIGNATURE), HOLD, "operator", at=NOW + DAY)
    seen = window(world).look(Deed.REPORT_FOUND, holder(world), "window", at=LATER)
    assert seen.problem is not None
    found = window(world).end(Deed.REPORT_FOUND, holder(world), "window", number=NUMBER, at=LATER)
    assert found.outcome is EventOutcome.QUARANTINED
    assert found.case is not None


@pytest.mark.parametrize("number", ["", "0" * 19, "0" * 21, "G" * 20, NUMBER + "\n", "0123456789ABCDEF0123"])
def test_a_number_that_is_none_is_refused(still: Still, number: str) -> None:
    with pytest.raises(BadInput, match="not 20 hexadecimal digits"):
        window(still.world).end(Deed.RETURN_CARD, holder(still.world), "window", number=number, at=LATER)


def test_a_number_is_a_forms_own() -> None:
    numbers = {request_number(SystemChance(), OfficerId("sato"), NOW) for _ in range(100)}
    assert len(numbers) == 100
    assert {len(number) for number in numbers} == {20}
