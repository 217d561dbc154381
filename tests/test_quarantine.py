"""What the rules cannot decide: set apart, nothing waits for it, and an operator of the centre decides it once."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from ca.errors import Conflict, NotFound, NotPermitted
from ca.journal.entries import QuarantineEntry, ResolutionEntry
from ca.journal.journal import records as all_records
from ca.model import RESIDENT_KINDS, RevocationReason
from ca.revoking.deciding import mass
from ca.revoking.deciding.by_hand import revoke
from ca.revoking.deciding.desk import EventDesk, EventOutcome
from ca.revoking.deciding.quarantine import CaseDecision, resolve
from ca.rules.residents import LapseRules
from ca.store import quarantine, register, revocations
from ca.store.orders import By, Selection
from front.assembly import open_world
from front.demo.people import invented_code
from tests import commands
from tests.engine_world import CODE, NOW, engine_world
from tests.feed_files import event, feed_file
from tests.small_edition import HANAKO
from tests.test_events import (
    AT,
    DAY,
    applied,
    ended,
    issue_for_hanako,
    journal_octets,
    openssl_crl,
    outcomes,
    read,
    revocation_of,
)

SIGNATURE, AUTHENTICATION = RESIDENT_KINDS
ENDED, KEPT, QUARANTINED = EventOutcome.ENDED, EventOutcome.KEPT, EventOutcome.QUARANTINED
RULES = LapseRules()
OTHER = invented_code(41)
LOST = event("lost-1", "lost", CODE, "2015-03-01")
FOUND = event("found-1", "found", CODE, "2015-03-05")
MOVE = event("move-1", "moved-out", CODE, "2015-03-03")
WITHDRAWN = event("back-1", "notice-withdrawn", CODE, "2015-03-02", withdraws="move-1")
CHANGED = event("code-1", "resident-code-changed", CODE, "2015-02-01", new_code=OTHER)


@pytest.fixture
def world(tmp_path):
    with engine_world(tmp_path / "world") as made:
        yield made


def cases(world):
    with world.store.reading() as connection:
        return quarantine.cases(connection)


def decide(world, decision, number=1, officer="operator", at=AT + DAY):
    return resolve(world.stores, RULES, number, CaseDecision(decision), officer, at=at)


def reasons(world, issued):
    found = {kind: revocation_of(world, certificate) for kind, certificate in issued.items()}
    return {kind: revocation.reason.word for kind, revocation in found.items() if revocation}


def a_late_withdrawal(world):
    """Of a move that has ended a certificate already, though it was withdrawn in time."""
    issued = world.issued()
    applied(world, MOVE)
    return issued, WITHDRAWN


def a_withdrawn_loss(world):
    issued = world.issued()
    applied(world, LOST)
    return issued, event("back-2", "notice-withdrawn", CODE, "2015-02-20", withdraws="lost-1")


def an_officers_hold(world):
    issued = world.issued()
    for certificate in issued.values():
        revoke(world.stores, certificate.id, RevocationReason.CERTIFICATE_HOLD, "operator", at=NOW + DAY)
    return issued, FOUND


def another_events_id(world):
    issued = world.issued()
    applied(world, event("e-1", "moved-in", CODE, "2015-03-01"))
    return issued, event("e-1", "died", CODE, "2015-03-01")


def another_residents_event(world):
    issued = world.issued()
    applied(world, event("e-1", "moved-out", OTHER, "2015-03-03"))
    return issued, event("back-1", "notice-withdrawn", CODE, "2015-03-02", withdraws="e-1")


def another_residents_code(world):
    issued = world.issued()
    issued |= {f"other {kind}": one for kind, one in world.issued(code=OTHER).items()}
    return issued, CHANGED


def a_link_withdrawn(world):
    issued = world.issued()
    applied(world, CHANGED)
    return issued, event("back-1", "notice-withdrawn", CODE, "2015-01-20", withdraws="code-1")


BOTH = dict.fromkeys(RESIDENT_KINDS, "cessationOfOperation")
HOLDS = dict.fromkeys(RESIDENT_KINDS, "certificateHold")
# What makes the doubt; words of the problem; how the certificates stand then, and after the decision to end.
DOUBTS = {
    a_late_withdrawal: (
        "event back-1 would undo what event move-1 has ended, and no revocation is ever undone",
        {SIGNATURE: "affiliationChanged"},
        {SIGNATURE: "affiliationChanged"},
    ),
    a_withdrawn_loss: ("event back-2 would lift the hold of event lost-1", HOLDS, BOTH),
    an_officers_hold: ("event found-1 would end a hold that no event of the register made", HOLDS, BOTH),
    another_events_id: (
        "event e-1 is known with another kind, resident or moment",
        {},
        dict.fromkeys(RESIDENT_KINDS, "affiliationChanged"),
    ),
    another_residents_event: ("event back-1 withdraws event e-1, which is another resident's", {}, {}),
    another_residents_code: (
        "event code-1 gives a resident the code under which another one holds certificates",
        {},
        {
            **dict.fromkeys(RESIDENT_KINDS, "unspecified"),
            **{f"other {kind}": "unspecified" for kind in RESIDENT_KINDS},
        },
    ),
    a_link_withdrawn: ("event back-1 withdraws event code-1, whose codes count as one already", {}, {}),
}
each_doubt = pytest.mark.parametrize("doubt", DOUBTS, ids=lambda doubt: doubt.__name__)


@each_doubt
def test_it_is_set_apart_and_nothing_waits_for_it(world, doubt):
    issued, change = doubt(world)
    neighbour = invented_code(7)
    theirs = world.issued(code=neighbour)
    problem, standing, _ = DOUBTS[doubt]
    made = applied(world, change, event("n", "died", neighbour, "2015-03-01"), sequence=9)
    assert [outcome.outcome for outcome in made] == [QUARANTINED, ENDED]
    assert ended(world, theirs) == set(RESIDENT_KINDS)
    assert reasons(world, issued) == standing
    (case,) = cases(world)
    assert (made[0].case, case.number, case.event) == (1, 1, change["event"])
    assert problem in case.problem
    assert made[0].problem == case.problem
    # A replay opens no second one.
    before = world.dump(), journal_octets(world)
    assert outcomes(world, change, sequence=9) == [EventOutcome.REPLAYED]
    assert (world.dump(), journal_octets(world)) == before


@each_doubt
@pytest.mark.parametrize("decision", list(CaseDecision))
def test_an_operator_decides_it_once(world, doubt, decision):
    issued, change = doubt(world)
    applied(world, change, sequence=9)
    _, standing, after = DOUBTS[doubt]
    resolved = decide(world, decision)
    assert (resolved.case.decision, resolved.case.officer) == (decision, "operator")
    assert resolved.case.resolved_at == AT + DAY
    assert reasons(world, issued) == (after if decision is CaseDecision.END else standing)
    changed = [kind for kind in issued if reasons(world, issued).get(kind) != standing.get(kind)]
    assert {one.certificate for one in resolved.orders} == {issued[kind].id for kind in changed}
    assert cases(world) == []
    entry = list(all_records(world.folder / "journal"))[-1].entry
    assert isinstance(entry, ResolutionEntry)
    assert (entry.case, entry.decision, entry.officer) == (1, decision, "operator")
    before = world.dump(), journal_octets(world)
    with pytest.raises(Conflict, match="quarantine case 1: was decided by operator already"):
        decide(world, "end")
    assert (world.dump(), journal_octets(world)) == before
    # Carrying all of it out again changes nothing.
    with world.store.writing() as connection:
        register.mark_applied(connection, 0)
    world.stores.catch_up()
    assert world.dump() == before[0]


def test_two_residents_under_one_code_are_one_after_the_decision(world):
    issued, change = another_residents_code(world)
    applied(world, change)
    decide(world, "end")
    new = world.issued(kinds=(SIGNATURE,), at=AT + 2 * DAY)
    died = event("d", "died", OTHER, "2015-03-12")
    assert outcomes(world, died, at=AT + 5 * DAY) == [ENDED]
    assert ended(world, new) == {SIGNATURE}
    assert len(issued) == 4


def test_dismissed_they_stay_two(world):
    another_residents_code(world)
    applied(world, CHANGED)
    decide(world, "dismiss")
    (outcome,) = applied(world, event("d", "died", OTHER, "2015-03-12"), at=AT + 5 * DAY)
    assert len(outcome.orders) == 2


def test_a_doubt_about_one_certificate_does_not_keep_the_other(world):
    """Where the edition lifts holds: the one that the loss made is lifted, the officer's is not."""
    issued = world.issued()
    revoke(
        world.stores, issued[AUTHENTICATION].id, RevocationReason.CERTIFICATE_HOLD, "operator", at=NOW + DAY
    )
    desk = EventDesk(world.stores, LapseRules(found_lifts=frozenset(RESIDENT_KINDS)))
    made = desk.apply(read(world, feed_file(LOST, FOUND)), at=AT)
    assert [outcome.outcome for outcome in made] == [EventOutcome.HELD, QUARANTINED]
    assert [order.reason.word for order in made[1].orders] == ["removeFromCRL"]
    assert reasons(world, issued) == {AUTHENTICATION: "certificateHold"}
    assert [str(issued[AUTHENTICATION].id) in case.problem for case in cases(world)] == [True]


def test_what_an_id_was_told_for_twice_is_kept_without_a_code(world):
    _, change = another_events_id(world)
    applied(world, change, sequence=9)
    (entry,) = [
        record.entry
        for record in all_records(world.folder / "journal")
        if isinstance(record.entry, QuarantineEntry)
    ]
    facts = json.loads(entry.facts)
    assert (facts["kind"], facts["feed"], facts["sequence"]) == ("died", "tottori", 9)
    assert CODE not in entry.facts
    third = {**change, "kind": "moved-abroad"}
    assert outcomes(world, third, sequence=10) == [QUARANTINED]
    assert outcomes(world, change, sequence=11) == [EventOutcome.REPLAYED]
    assert [case.number for case in cases(world)] == [1, 2]


def test_an_early_event_of_a_known_id_does_not_wait_for_the_officer(world):
    issued = world.issued()
    applied(world, event("e-1", "moved-in", CODE, "2015-03-01"), event("e-2", "moved-in", CODE, "2015-03-01"))
    assert outcomes(world, event("e-1", "died", CODE, "2016-03-01")) == [QUARANTINED]
    decide(world, "end")
    assert ended(world, issued) == set(RESIDENT_KINDS)
    assert revocation_of(world, issued[SIGNATURE]).revoked_at == (AT + DAY).replace(microsecond=0)


def sequence_of(world):
    with world.store.reading() as connection:
        return revocations.sequence(connection)


@pytest.mark.parametrize("reason", ["certificateHold", "cessationOfOperation"])
def test_what_an_order_suspends_no_event_lifts(world, reason):
    """Also where a telephoned loss had it on hold before, and the edition lifts such holds."""
    issued = world.issued()
    desk = EventDesk(world.stores, LapseRules(found_lifts=frozenset(RESIDENT_KINDS)))
    desk.apply(read(world, feed_file(LOST)), at=AT)
    held, said = revocation_of(world, issued[SIGNATURE]), sequence_of(world)
    wanted, why = Selection(By.GENERATION, "jpki-31.g1"), RevocationReason.recorded(reason)
    order = mass.make(world.stores, mass.propose(world.stores, wanted, why, "operator", at=AT))
    mass.approve(world.stores, order.number, "operator-2", at=AT)
    assert mass.advance(world.stores, at=AT + DAY).progress.done == 2
    after = reasons(world, issued)
    assert after == dict.fromkeys(RESIDENT_KINDS, reason)
    assert (sequence_of(world) == said) == (reason == "certificateHold"), "lists say no more than they said"
    assert revocation_of(world, issued[SIGNATURE]).revoked_at == held.revoked_at
    (outcome,) = desk.apply(read(world, feed_file(FOUND, sequence=2)), at=AT + 2 * DAY)
    assert outcome.orders == ()
    assert reasons(world, issued) == after
    before = world.dump()
    with world.store.writing() as connection:
        register.mark_applied(connection, 0)
    world.stores.catch_up()
    assert world.dump() == before


def taken(world, change):
    """A change under an id that the register knows for another one, decided to be carried out."""
    applied(world, event(change["event"], "moved-in", invented_code(9), "2015-01-01"))
    assert outcomes(world, change, sequence=9) == [QUARANTINED]
    return decide(world, "end")


def test_whoever_died_by_a_decision_gets_no_certificate(world):
    case = world.approved(at=NOW)
    taken(world, event("e-1", "died", CODE, "2015-03-01"))
    with pytest.raises(Conflict, match="the register has told"):
        world.registration.issue(case.case.id, "operator", at=AT + 2 * DAY)


def test_a_code_that_changed_by_a_decision_leads_on(world):
    issued = world.issued()
    taken(world, event("e-1", "resident-code-changed", CODE, "2015-02-01", new_code=OTHER))
    assert outcomes(world, event("d", "died", OTHER, "2015-03-01"), at=AT + 2 * DAY) == [ENDED]
    assert ended(world, issued) == set(RESIDENT_KINDS)


def test_a_notice_that_was_withdrawn_by_a_decision_ends_nothing(world):
    issued = world.issued()
    later = f"{AT + 5 * DAY:%Y-%m-%d}"
    assert outcomes(world, event("m", "moved-out", CODE, later)) == [EventOutcome.WAITING]
    taken(world, event("e-1", "notice-withdrawn", CODE, "2015-03-02", withdraws="m"))
    EventDesk(world.stores).settle(AT + 9 * DAY)
    assert ended(world, issued) == set()


def test_more_codes_than_a_life_has(world, monkeypatch):
    monkeypatch.setattr(register, "MOST_CODES", 3)
    issued = world.issued()
    codes = [CODE, *(invented_code(n) for n in range(41, 45))]
    changes = [
        event(f"code-{n}", "resident-code-changed", old, f"2015-02-0{n + 1}", new_code=new)
        for n, (old, new) in enumerate(pairwise(codes))
    ]
    assert outcomes(world, *changes) == [KEPT, KEPT, QUARANTINED, EventOutcome.UNKNOWN_RESIDENT]
    assert cases(world)[0].problem == "event code-2 gives a resident more than 3 codes"
    assert outcomes(world, event("d", "died", codes[2], "2015-03-01")) == [ENDED]
    assert ended(world, issued) == set(RESIDENT_KINDS)


@pytest.mark.parametrize(
    ("number", "officer", "error", "words"),
    [
        (7, "operator", NotFound, "quarantine case 7: is unknown"),
        (1, "nobody", NotFound, "nobody"),
        (1, "centre-1", NotPermitted, "officer centre-1: is not an operator of the centre"),
        (1, "window", NotPermitted, "officer window: is not an operator of the centre"),
    ],
)
def test_who_may_not_decide(world, number, officer, error, words):
    _, change = an_officers_hold(world)
    applied(world, change)
    before = world.dump(), journal_octets(world)
    with pytest.raises(error, match=words):
        decide(world, "end", number, officer)
    assert (world.dump(), journal_octets(world)) == before


class TestTheCommands:
    def test_a_case_from_the_feed_to_the_list(self, staffed_world, tmp_path):
        home = staffed_world
        clock = ("--home", home, "--clock", "2014-09-10T00:00Z")
        with open_world(home, lambda: "") as world:
            issued = issue_for_hanako(world)
            at = datetime(2014, 9, 2, tzinfo=UTC)
            hold = RevocationReason.CERTIFICATE_HOLD
            revoke(world.stores, issued[SIGNATURE].id, hold, "ito", at=at)
        path = tmp_path / "feed.jsonl"
        path.write_bytes(feed_file(event("found-1", "found", HANAKO["code"], "2014-09-05")))
        (outcome,) = commands.done(commands.run("events", "apply", path, *clock, "--json")).json
        assert outcome["outcome"] == "quarantined"
        (listed,) = commands.done(commands.run("quarantine", "list", *clock, "--json")).json
        assert (listed["case"], listed["event"], listed["decision"]) == (1, "found-1", None)
        shown = commands.done(commands.run("quarantine", "show", 1, *clock, "--json")).json
        assert shown["problem"] == listed["problem"]
        words = "quarantine case 2: is unknown"
        commands.refused(commands.run("quarantine", "show", 2, *clock), words)
        deciding = ("quarantine", "resolve", 1, "--decision", "end", "--officer")
        commands.refused(commands.run(*deciding, "sato", *clock), "is not an operator of the centre")
        certificate = issued[SIGNATURE].id
        decided = commands.done(commands.run(*deciding, "ito", *clock, "--json")).json
        assert (decided["decision"], decided["ended"]) == ("end", [str(certificate)])
        crl = home / "repository" / "g" / str(certificate.generation) / "crl" / "full.crl"
        assert "Cessation Of Operation" in openssl_crl(crl)
        assert commands.done(commands.run("quarantine", "list", *clock, "--json")).json == []
        (every,) = commands.done(commands.run("quarantine", "list", "--all", *clock, "--json")).json
        assert every["decision"] == "end"
