"""Events early, out of order, withdrawn, and under older codes: what waits, what counts together, what is the same."""

import os
import signal
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations

import pytest
from sqlalchemy import event as engine_events
from sqlalchemy import select

from ca.errors import Conflict
from ca.keys.codes import keyed_code
from ca.model import RESIDENT_KINDS, RevocationReason
from ca.revoking.deciding import desk
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk, EventOutcome
from ca.rules.residents import LapseRules
from ca.store import register, revocations
from ca.store.tables import register_events
from front.demo.people import invented_code
from tests.engine_world import CODE, NOW, Running, copy_world, engine_world, opened
from tests.feed_files import event, feed_file
from tests.test_events import AT, DAY, applied, ended, journal_octets, outcomes, read, records, revocation_of

SIGNATURE, AUTHENTICATION = RESIDENT_KINDS
ENDED, HELD, LIFTED, KEPT, UNKNOWN, WAITING, QUARANTINED, REPLAYED = EventOutcome
NEW_CODE, THIRD_CODE, NOBODY = (invented_code(n) for n in (41, 42, 43))
LIFTING = LapseRules(found_lifts=frozenset({AUTHENTICATION}))

MOVE = event("move-1", "moved-out", CODE, "2015-03-20")
CHANGED = event("code-1", "resident-code-changed", CODE, "2015-02-01", new_code=NEW_CODE)


@pytest.fixture
def world(tmp_path):
    with engine_world(tmp_path / "world") as made:
        yield made


def settled(world, at):
    return EventDesk(world.stores).settle(at)


def states(world):
    with world.store.reading() as connection:
        rows = connection.execute(select(register_events.c.event, register_events.c.state))
        return dict(map(tuple, rows))


def reason_of(world, issued, kind=SIGNATURE):
    found = revocation_of(world, issued[kind])
    return None if found is None else found.reason


class TestEarly:
    def test_an_early_event_waits_and_takes_effect_at_its_moment(self, world):
        issued = world.issued()
        assert outcomes(world, MOVE) == [WAITING]
        assert states(world) == {"move-1": "waiting"}
        effect = datetime.fromisoformat(MOVE["effective"]).astimezone(UTC)
        assert settled(world, effect - DAY) == []
        assert ended(world, issued) == set()
        (outcome,) = settled(world, effect)
        assert (outcome.event, outcome.outcome) == ("move-1", ENDED)
        assert [order.certificate for order in outcome.orders] == [issued[SIGNATURE].id]
        revocation = revocation_of(world, issued[SIGNATURE])
        assert (revocation.revoked_at, revocation.invalid_since) == (effect, None)
        assert states(world) == {"move-1": "settled"}
        before = world.dump(), journal_octets(world)
        assert settled(world, effect + DAY) == []
        assert outcomes(world, MOVE, at=effect + DAY) == [REPLAYED]
        assert (world.dump(), journal_octets(world)) == before

    def test_it_is_known_while_it_waits(self, world):
        world.issued()
        assert outcomes(world, MOVE) == [WAITING]
        assert outcomes(world, MOVE) == [REPLAYED]
        assert outcomes(world, {**MOVE, "kind": "died"}) == [QUARANTINED]

    def test_nothing_in_the_file_waits_with_it(self, world):
        issued = world.issued()
        assert outcomes(world, event("early", "died", CODE, "2016-01-01"), event("now", "moved-out", CODE, "2015-03-01")) == [
            WAITING, ENDED,
        ]  # fmt: skip
        assert ended(world, issued) == {SIGNATURE}

    def test_the_next_file_settles_what_is_due_first(self, world):
        """The event that waited is what ended the certificate, and the newer one found it ended."""
        issued = world.issued()
        applied(world, MOVE)
        assert outcomes(world, event("name-1", "name-changed", CODE, "2015-03-25"), at=AT + 30 * DAY) == [
            KEPT
        ]
        with world.store.reading() as connection:
            found = revocations.standing(connection, issued[SIGNATURE].id, issued[SIGNATURE].record.scope)
        assert found.cause == "event move-1"

    def test_it_reaches_what_is_applied_for_meanwhile_and_not_what_comes_after(self, world):
        old = world.issued()
        applied(world, MOVE)
        between = world.issued(kinds=(SIGNATURE,), at=AT + DAY)
        after = world.issued(kinds=(SIGNATURE,), at=AT + 20 * DAY)
        settled(world, AT + 30 * DAY)
        assert ended(world, old) == {SIGNATURE}
        assert ended(world, between) == {SIGNATURE}
        assert ended(world, after) == set()

    def test_many_take_effect_in_their_order(self, world, monkeypatch):
        monkeypatch.setattr(desk, "_GROUP", 2)
        world.issued()
        days = [f"2015-04-0{day}" for day in (5, 2, 4, 3, 1)]
        applied(world, *(event(f"e-{day[-1]}", "moved-in", CODE, day) for day in days))
        assert [outcome.event for outcome in settled(world, AT + 60 * DAY)] == [f"e-{n}" for n in range(1, 6)]

    def test_a_stranger_waits_too(self, world):
        world.issued()
        assert outcomes(world, event("s", "died", NOBODY, "2015-03-20")) == [WAITING]
        assert [outcome.outcome for outcome in settled(world, AT + 30 * DAY)] == [UNKNOWN]


class TestWithdrawn:
    WITHDRAWN = event("back-1", "notice-withdrawn", CODE, "2015-03-15", withdraws="move-1")

    @pytest.mark.parametrize("order", list(permutations(range(2))), ids=str)
    def test_before_its_effect_it_ends_nothing_whichever_came_first(self, world, order):
        issued = world.issued()
        both = (MOVE, self.WITHDRAWN)
        for number, place in enumerate(order):
            applied(world, both[place], sequence=number + 1)
        assert [outcome.outcome for outcome in settled(world, AT + 30 * DAY)] == [KEPT, KEPT]
        assert ended(world, issued) == set()

    def test_after_its_effect_is_too_late(self, world):
        issued = world.issued()
        applied(world, MOVE, {**self.WITHDRAWN, "effective": MOVE["effective"]})
        assert [outcome.outcome for outcome in settled(world, AT + 30 * DAY)] == [KEPT, ENDED]
        assert ended(world, issued) == {SIGNATURE}


class TestLostAndFound:
    LOST = event("lost-1", "lost", CODE, "2015-03-01")
    FOUND = event("found-1", "found", CODE, "2015-03-05")

    def test_a_loss_holds_both_and_a_find_ends_them(self, world):
        issued = world.issued()
        (outcome,) = applied(world, self.LOST)
        assert outcome.outcome is HELD
        assert {reason_of(world, issued, kind) for kind in RESIDENT_KINDS} == {
            RevocationReason.CERTIFICATE_HOLD
        }
        assert outcomes(world, self.FOUND) == [ENDED]
        assert {reason_of(world, issued, kind) for kind in RESIDENT_KINDS} == {
            RevocationReason.CESSATION_OF_OPERATION
        }

    @pytest.mark.parametrize("order", list(permutations(range(2))), ids=str)
    def test_an_edition_that_lifts(self, world, order):
        issued = world.issued()
        desk, both = EventDesk(world.stores, LIFTING), (self.LOST, self.FOUND)
        made = [
            desk.apply(read(world, feed_file(both[place], sequence=n + 1)), at=AT)[0].outcome
            for n, place in enumerate(order)
        ]
        # One's hold is lifted, the other's end is weightier.
        assert made == ([HELD, ENDED] if order == (0, 1) else [KEPT, ENDED])
        assert reason_of(world, issued) is RevocationReason.CESSATION_OF_OPERATION
        assert reason_of(world, issued, AUTHENTICATION) is None
        (record,) = [record for record in records(world) if record.entry.outcome == "ended"]
        assert (
            record.entry.rule.count("found lifts the hold of user-authentication, ends signature on hold")
            == 1
        )

    def test_a_lifted_certificate_may_end_again(self, world):
        issued = world.issued(kinds=(AUTHENTICATION,))
        desk = EventDesk(world.stores, LIFTING)
        made = desk.apply(read(world, feed_file(self.LOST, self.FOUND)), at=AT)
        assert [outcome.outcome for outcome in made] == [HELD, LIFTED]
        again = event("lost-2", "lost", CODE, "2015-03-12")
        assert desk.apply(read(world, feed_file(again, sequence=2)), at=AT + 5 * DAY)[0].outcome is HELD
        revocation = revocation_of(world, issued[AUTHENTICATION])
        assert revocation.revoked_at == (AT + 5 * DAY).replace(microsecond=0)
        assert world.issued(kinds=(SIGNATURE,), at=AT + 6 * DAY)


class TestCodes:
    """A changed code: the certificates follow the new one, and whatever the order, the two count as one."""

    DEATH = event("death-1", "died", NEW_CODE, "2015-03-02")

    @pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
    def test_events_under_either_code_count_in_any_order(self, world, order):
        issued = world.issued()
        lost = event("lost-1", "lost", CODE, "2015-02-20")
        changes = (CHANGED, self.DEATH, lost)
        for number, place in enumerate(order):
            applied(world, changes[place], sequence=number + 1)
        assert {reason_of(world, issued, kind) for kind in RESIDENT_KINDS} == {
            RevocationReason.AFFILIATION_CHANGED
        }

    def test_the_change_itself_ends_nothing(self, world):
        issued = world.issued()
        assert outcomes(world, CHANGED) == [KEPT]
        assert ended(world, issued) == set()
        # A late event under the older code is about the same resident.
        assert outcomes(world, event("old", "moved-out", CODE, "2015-03-01")) == [ENDED]
        assert ended(world, issued) == {SIGNATURE}

    def test_what_the_new_code_was_told_before_is_counted_when_it_is_known(self, world):
        issued = world.issued()
        assert outcomes(world, self.DEATH) == [UNKNOWN]
        (outcome,) = applied(world, CHANGED)
        assert (outcome.outcome, len(outcome.orders)) == (ENDED, 2)
        (entry,) = [record.entry for record in records(world) if record.entry.event == "code-1"]
        assert entry.rule == (
            "resident-code-changed ends no certificate; died ends signature and user-authentication: affiliationChanged"
        )
        assert entry.links
        assert ended(world, issued) == set(RESIDENT_KINDS)

    def test_codes_change_more_than_once_in_a_chain_of_any_order(self, world):
        issued = world.issued()
        second = event("code-2", "resident-code-changed", NEW_CODE, "2015-02-10", new_code=THIRD_CODE)
        applied(world, second, CHANGED)
        key = world.vault.code_key()
        with world.store.reading() as connection:
            found = register.codes_of(connection, [keyed_code(key, THIRD_CODE), keyed_code(key, NOBODY)])
        assert found[keyed_code(key, CODE)] == {
            keyed_code(key, code) for code in (CODE, NEW_CODE, THIRD_CODE)
        }
        assert found[keyed_code(key, NOBODY)] == {keyed_code(key, NOBODY)}
        assert outcomes(world, event("d", "died", THIRD_CODE, "2015-03-01")) == [ENDED]
        assert ended(world, issued) == set(RESIDENT_KINDS)

    def test_a_certificate_under_the_new_code_is_the_same_residents(self, world):
        """Changed in February, new certificate under the new code in March, and then the notice comes."""
        old = world.issued()
        new = world.issued(code=NEW_CODE, kinds=(SIGNATURE,), at=datetime(2015, 3, 1, tzinfo=UTC))
        assert outcomes(world, CHANGED) == [KEPT]
        assert outcomes(world, event("d", "died", CODE, "2015-03-05")) == [ENDED]
        assert ended(world, old) == set(RESIDENT_KINDS)
        assert ended(world, new) == {SIGNATURE}

    def test_an_early_change_waits_with_its_link(self, world):
        issued = world.issued()
        later = {**CHANGED, "effective": "2015-03-20T00:00:00+09:00"}
        applied(world, later, event("d", "died", NEW_CODE, "2015-03-01"))
        assert ended(world, issued) == set()
        assert [outcome.outcome for outcome in settled(world, AT + 30 * DAY)] == [ENDED]
        assert ended(world, issued) == set(RESIDENT_KINDS)

    def test_a_change_that_is_withdrawn_in_time_links_nothing(self, world):
        issued = world.issued()
        later = {**CHANGED, "effective": "2015-03-20T00:00:00+09:00"}
        applied(world, later, event("w", "notice-withdrawn", CODE, "2015-03-15", withdraws="code-1"))
        settled(world, AT + 30 * DAY)
        assert outcomes(world, event("d", "died", NEW_CODE, "2015-03-01")) == [UNKNOWN]
        assert ended(world, issued) == set()

    def test_an_application_under_one_code_is_kept_from_what_the_other_was_told(self, world):
        case = world.approved().case.id
        applied(world, CHANGED, self.DEATH)
        with pytest.raises(
            Conflict, match=r"the register has told of a change since it was approved \(died\)"
        ):
            world.registration.issue(case, "operator", at=AT)

    def test_a_loss_keeps_an_application_back_until_the_hold_would_be_lifted(self, world):
        case = world.approved(kinds=(AUTHENTICATION,)).case.id
        applied(world, event("lost-1", "lost", CODE, "2015-03-01"))
        with pytest.raises(Conflict, match=r"\(lost\)"):
            world.registration.issue(case, "operator", at=AT)
        applied(world, event("found-1", "found", CODE, "2015-03-05"))
        with pytest.raises(Conflict, match=r"\(found\)"):
            world.registration.issue(case, "operator", at=AT)
        practice = {
            authority: replace(practice, lapses=LIFTING)
            for authority, practice in world.issuers.practices.items()
        }
        lifting = replace(world.registration, issuers=replace(world.issuers, practices=practice, _open={}))
        assert len(lifting.issue(case, "operator", at=AT)) == 1


def test_the_same_end_whatever_came_first(tmp_path):
    """The whole of a life, in the order of effect and against it: the same certificates stand the same."""
    life = [
        event("code-1", "resident-code-changed", CODE, "2015-01-10", new_code=NEW_CODE),
        event("lost-1", "lost", NEW_CODE, "2015-01-20"),
        event("found-1", "found", CODE, "2015-01-25"),
        event("key-1", "key-compromised", NEW_CODE, "2015-02-05"),
        event("move-1", "moved-out", CODE, "2015-02-10"),
    ]
    found = []
    for number, order in enumerate((life, life[::-1], life[2:] + life[:2])):
        with engine_world(tmp_path / str(number)) as world:
            issued = world.issued()
            for place, change in enumerate(order):
                applied(world, change, sequence=place + 1)
            found.append({kind: reason_of(world, issued, kind) for kind in RESIDENT_KINDS})
    assert found == [dict.fromkeys(RESIDENT_KINDS, RevocationReason.KEY_COMPROMISE)] * 3


def settle_until(folder, last):
    """Settle in groups of two, in a process that dies at its ``last``-th statement, commit or sync."""
    steps = 0

    def step():
        nonlocal steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sync = os.fsync
    os.fsync = lambda descriptor: (step(), sync(descriptor), step())
    desk._GROUP = 2
    with opened(folder) as world:
        engine_events.listen(world.store.engine, "before_cursor_execute", lambda *_: step())
        engine_events.listen(world.store.engine, "commit", lambda *_: step())
        settled(world, AT + 30 * DAY)
    (folder / "steps").write_text(str(steps))


def test_death_while_settling_loses_and_doubles_nothing(tmp_path):
    people = [invented_code(n) for n in range(1, 4)]
    early = [event(f"d-{n}", "died", code, "2015-03-20") for n, code in enumerate(people)]
    early.append(event("code-1", "resident-code-changed", people[0], "2015-03-19", new_code=NEW_CODE))
    with engine_world(tmp_path / "before") as world:
        for code in people:
            world.issued(code=code)
        assert set(outcomes(world, *early)) == {WAITING}
    copy_world(tmp_path / "before", tmp_path / "after")
    assert Running(settle_until, tmp_path / "after", 0).wait() == 0
    with opened(tmp_path / "after") as world:
        whole = world.dump(), journal_octets(world)
    steps = int((tmp_path / "after" / "steps").read_text())
    assert steps > 20
    for last in range(1, steps + 1, max(1, steps // 10)):
        folder = tmp_path / f"died-at-{last}"
        copy_world(tmp_path / "before", folder)
        assert Running(settle_until, folder, last).wait() == -signal.SIGKILL
        with opened(folder) as world:
            world.stores.catch_up()
            settled(world, AT + 30 * DAY)
            assert (world.dump(), journal_octets(world)) == whole, last


def test_what_an_officer_ended_an_event_leaves(world):
    issued = world.issued()
    revoke(world.stores, issued[SIGNATURE].id, RevocationReason.SUPERSEDED, "operator", at=NOW + DAY)
    assert outcomes(world, event("m", "moved-out", CODE, "2015-03-01")) == [KEPT]
    assert reason_of(world, issued) is RevocationReason.SUPERSEDED
    assert outcomes(world, event("k", "key-compromised", CODE, "2015-03-01")) == [ENDED]
    assert reason_of(world, issued) is RevocationReason.KEY_COMPROMISE
