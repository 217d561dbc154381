"""The fold over what the register has told: the same whatever arrived first, and never undoing what was published."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.model import (
    RESIDENT_KINDS,
    AuthorityId,
    CertificateId,
    GenerationId,
    Period,
    Revocation,
    RevocationReason,
    Serial,
)
from ca.rules.fate import Doubt, Fate, Holding, Order, decide, fate, in_effect
from ca.rules.residents import (
    END_LATER_ONES_TOO,
    LAPSES,
    Act,
    Change,
    ChangeKind,
    LapseRules,
    Standing,
    standing_of,
)
from ca.rules.revocation import CHANGES
from ca.rules.revocation import change as changed

SIGNATURE, AUTHENTICATION = RESIDENT_KINDS
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
DECIDED = datetime(2014, 9, 1, 3, tzinfo=UTC)
EFFECTIVE = datetime(2015, 3, 1, tzinfo=UTC)
AT = datetime(2015, 3, 10, 1, 2, 3, 456, tzinfo=UTC)
PERIOD = Period(DECIDED + DAY, datetime(2019, 5, 5, 14, 59, 59, tzinfo=UTC))
ID = CertificateId(GenerationId(AuthorityId("jpki-31"), 1), Serial(0x5A3F))
RULES = LapseRules()
LIFTING = LapseRules(found_lifts=frozenset(RESIDENT_KINDS))


def told(kind, day=0, name=None, **others):
    """An event that happened, was told and took effect so many days after the first of March."""
    at = EFFECTIVE + day * DAY
    kind = ChangeKind(kind)
    return Change(name or f"{kind}-{day}", kind, bytes(32), at, at, at, **others)


def withdrawal(of, day=0, name=None):
    return told("notice-withdrawn", day, name, withdraws=of)


def holding(kind=SIGNATURE, decided_at=DECIDED, reason=None, period=PERIOD, *, by_register=True):
    revocation = None if reason is None else Revocation(ID.serial, DECIDED + 2 * DAY, reason)
    return Holding(ID, kind, decided_at, period, revocation, by_register)


def fold(*changes, held=None, rules=RULES, at=AT):
    return fate(in_effect(changes, at), held or holding(), rules, at)


def decided(known, change, held=None, rules=RULES, at=AT):
    """What comes of an event when others are known already."""
    held = held or holding()
    before, after = (fate(in_effect(some, at), held, rules, at) for some in (known, [*known, change]))
    return decide(change, before, after, held, rules, at)


def ends(kind):
    return {held for held, act in LAPSES[ChangeKind(kind)].items() if act is Act.ENDS}


class TestWhichCertificates:
    @pytest.mark.parametrize(
        ("decided_at", "moved", "died"),
        [
            pytest.param(EFFECTIVE - SECOND, True, True, id="decided before the effect"),
            pytest.param(EFFECTIVE - SECOND / 1000, True, True, id="just before"),
            pytest.param(EFFECTIVE, False, True, id="at the effect"),
            pytest.param(datetime(2015, 3, 5, tzinfo=UTC), False, True, id="after it"),
            pytest.param(None, True, True, id="not known when"),
        ],
    )
    def test_an_event_ends_what_was_decided_before_its_effect_and_a_death_ends_all(
        self, decided_at, moved, died
    ):
        held = holding(decided_at=decided_at)
        assert isinstance(decided([], told("moved-out"), held), Order) == moved
        assert isinstance(decided([], told("died"), held), Order) == died

    @pytest.mark.parametrize(("kind", "held"), list(product(ChangeKind, RESIDENT_KINDS)), ids=str)
    def test_only_death_and_removal_end_later_certificates(self, kind, held):
        found = decided([], told(kind), holding(held, decided_at=EFFECTIVE + DAY))
        assert (found is not None) == (kind in END_LATER_ONES_TOO)

    @pytest.mark.parametrize(("at", "ended"), [(PERIOD.not_after, True), (PERIOD.not_after + SECOND, False)])
    def test_an_expired_certificate_needs_no_end(self, at, ended):
        assert (decided([], told("died"), at=at) is not None) == ended

    def test_the_rule_of_the_tenth_of_march(self):
        """Moved on the 1st, new certificate on the 5th, the notice comes on the 10th: the new one stays."""
        late = told("moved-out", 0)
        assert isinstance(decided([], late, holding(decided_at=DECIDED)), Order)
        assert decided([], late, holding(decided_at=EFFECTIVE + 4 * DAY)) is None


class TestRegisteredAgain:
    """Removed on the first of March by the office, and moved in again on the third."""

    REMOVED, AGAIN = told("removed-ex-officio", 0), told("moved-in", 2)

    @pytest.mark.parametrize(
        ("decided_at", "ended"),
        [
            pytest.param(DECIDED, True, id="before the removal"),
            pytest.param(EFFECTIVE + DAY, True, id="in between"),
            pytest.param(EFFECTIVE + 2 * DAY - SECOND, True, id="just before"),
            pytest.param(EFFECTIVE + 2 * DAY, False, id="registered again"),
            pytest.param(EFFECTIVE + 9 * DAY, False, id="later"),
            pytest.param(None, True, id="not known when"),
        ],
    )
    @pytest.mark.parametrize("kind", RESIDENT_KINDS, ids=str)
    def test_what_is_decided_on_since_stays(self, kind, decided_at, ended):
        held = holding(kind, decided_at)
        for order in permutations((self.REMOVED, self.AGAIN)):
            assert (fold(*order, held=held).standing is Standing.ENDED) == ended
        assert fold(self.REMOVED, held=held).standing is Standing.ENDED

    @pytest.mark.parametrize("kind", list(ChangeKind))
    def test_nothing_else_closes_a_removal_and_nothing_a_death(self, kind):
        held = holding(decided_at=EFFECTIVE + 9 * DAY)
        for ending in END_LATER_ONES_TOO:
            changes = (told(ending, 0), replace(told(kind, 2), new_holder=None))
            closed = (ending, kind) == ("removed-ex-officio", "moved-in")
            assert (fold(*changes, held=held).standing is Standing.LIVE) == closed

    def test_a_move_before_the_removal_or_at_its_moment_closes_nothing(self):
        held = holding(decided_at=EFFECTIVE + 9 * DAY)
        for day in (-1, 0):
            assert fold(self.REMOVED, told("moved-in", day), held=held).standing is Standing.ENDED

    def test_one_that_was_withdrawn_or_is_to_come_closes_nothing(self):
        held = holding(decided_at=EFFECTIVE + 9 * DAY)
        assert (
            fold(self.REMOVED, self.AGAIN, withdrawal(self.AGAIN.id, 1), held=held).standing is Standing.ENDED
        )
        assert fold(self.REMOVED, told("moved-in", 100), held=held).standing is Standing.ENDED

    def test_a_second_removal_ends_what_was_decided_on_since(self):
        held = holding(decided_at=EFFECTIVE + 5 * DAY)
        second = told("removed-ex-officio", 7)
        assert fold(self.REMOVED, self.AGAIN, held=held).standing is Standing.LIVE
        assert fold(self.REMOVED, self.AGAIN, second, held=held) == Fate(
            Standing.ENDED, second, EFFECTIVE + 7 * DAY
        )

    def test_what_was_ended_before_the_register_told_of_it_is_never_undone(self):
        held = holding(decided_at=EFFECTIVE + 5 * DAY, reason=RevocationReason.AFFILIATION_CHANGED)
        doubt = decided([self.REMOVED], self.AGAIN, held)
        assert doubt.problem == (
            "event moved-in-2 would undo what event removed-ex-officio-0 has ended, and no revocation is ever undone"
        )


class TestTheOrder:
    def test_it_is_revoked_when_acknowledged_and_invalid_since_the_effect(self):
        order = decided([], told("died"))
        assert order == Order(ID, RevocationReason.AFFILIATION_CHANGED, AT.replace(microsecond=0), EFFECTIVE)

    def test_it_is_not_invalid_before_it_began(self):
        assert decided([], told("died", -1000)).invalid_since == PERIOD.not_before

    def test_an_effect_at_the_moment_of_acknowledgement_needs_no_second_moment(self):
        change = replace(told("died"), effective=AT)
        assert decided([], change).invalid_since is None

    @pytest.mark.parametrize(("kind", "days"), [("lost", -2), ("key-compromised", -2), ("card-returned", 0)])
    def test_three_times(self, kind, days):
        """A lost card was in strange hands before anybody said so; what a notice changes counts from its effect."""
        change = replace(told(kind), occurred=EFFECTIVE - 2 * DAY, notified=EFFECTIVE - DAY)
        assert decided([], change).invalid_since == EFFECTIVE + days * DAY
        # Whom it reaches, its effect says alone.
        assert decided([], change, holding(decided_at=EFFECTIVE)) is None
        assert decided([], change, holding(decided_at=EFFECTIVE - DAY)) is not None

    def test_nothing_comes_of_what_has_not_taken_effect(self):
        assert in_effect([told("died", 100)], AT) == ()
        assert len(in_effect([told("died", 100)], EFFECTIVE + 100 * DAY)) == 1

    @pytest.mark.parametrize("reason", list(RevocationReason), ids=lambda reason: reason.word)
    def test_what_has_ended_stays_as_it_is_but_a_hold_becomes_an_end(self, reason):
        found = decided([], told("died"), holding(reason=reason))
        open_ones = {RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL}
        assert isinstance(found, Order) == (reason in open_ones)

    @pytest.mark.parametrize("reason", list(RevocationReason), ids=lambda reason: reason.word)
    def test_a_compromise_is_worse_than_any_other_end(self, reason):
        found = decided([], told("key-compromised"), holding(reason=reason))
        worst = {RevocationReason.KEY_COMPROMISE, RevocationReason.CA_COMPROMISE}
        assert isinstance(found, Order) == (reason not in worst)

    def test_a_reason_that_the_edition_sets(self):
        rules = LapseRules({ChangeKind.DIED: RevocationReason.UNSPECIFIED})
        assert decided([], told("died"), rules=rules).reason is RevocationReason.UNSPECIFIED


class TestHolds:
    def test_a_loss_holds_and_a_find_ends(self):
        lost, found = told("lost", 0), told("found", 2)
        order = decided([], lost)
        assert (order.reason, order.invalid_since) == (RevocationReason.CERTIFICATE_HOLD, EFFECTIVE)
        held = holding(reason=RevocationReason.CERTIFICATE_HOLD)
        assert decided([lost], found, held).reason is RevocationReason.CESSATION_OF_OPERATION

    def test_what_is_lifted_is_the_editions_choice(self):
        lost, found = told("lost", 0), told("found", 2)
        held = holding(reason=RevocationReason.CERTIFICATE_HOLD)
        order = decided([lost], found, held, LIFTING)
        assert order == Order(ID, RevocationReason.REMOVE_FROM_CRL, AT.replace(microsecond=0), None)
        lifted = holding(reason=RevocationReason.REMOVE_FROM_CRL)
        assert decided([lost, found], told("moved-in", 3), lifted, LIFTING) is None
        again = decided([lost, found], told("lost", 3), lifted, LIFTING)
        assert (again.reason, again.invalid_since) == (
            RevocationReason.CERTIFICATE_HOLD, EFFECTIVE + 3 * DAY,
        )  # fmt: skip

    def test_a_find_that_comes_before_the_loss_it_answers(self):
        lost, found = told("lost", 0), told("found", 2)
        assert decided([], found) is None
        order = decided([found], lost)
        # What the two come to, at once; not to be believed since the loss.
        assert (order.reason, order.invalid_since) == (RevocationReason.CESSATION_OF_OPERATION, EFFECTIVE)
        assert decided([found], lost, rules=LIFTING) is None

    def test_a_card_that_was_found_before_it_was_lost_is_lost(self):
        lost, found = told("lost", 2), told("found", 0)
        for changes in permutations((lost, found)):
            assert fold(*changes).standing is Standing.HELD

    @pytest.mark.parametrize("rules", [RULES, LIFTING], ids=["ends", "lifts"])
    def test_nobody_elses_hold_is_touched(self, rules):
        """An officer's hold, or an order's, no event of the register made; a find cannot tell what it is for."""
        held = holding(reason=RevocationReason.CERTIFICATE_HOLD, by_register=False)
        doubt = decided([], told("found"), held, rules)
        assert doubt == Doubt(ID, "event found-0 would end a hold that no event of the register made")
        newer = replace(held, decided_at=EFFECTIVE + DAY)
        assert decided([], told("found"), newer, rules) is None

    def test_a_hold_that_another_made_too_is_not_lifted(self):
        held = holding(reason=RevocationReason.CERTIFICATE_HOLD, by_register=False)
        doubt = decided([told("lost")], told("found", 2), held, LIFTING)
        assert doubt == Doubt(ID, "event found-2 would lift a hold that an officer or an order made too")

    def test_a_hold_whose_loss_is_withdrawn(self):
        held = holding(reason=RevocationReason.CERTIFICATE_HOLD)
        withdrawn = withdrawal("lost-0", -1)
        problem = "event notice-withdrawn--1 would lift the hold of event lost-0, which the edition does not"
        assert decided([told("lost")], withdrawn, held) == Doubt(ID, problem)
        assert decided([told("lost")], withdrawn, held, LIFTING).reason is RevocationReason.REMOVE_FROM_CRL


class TestWithdrawals:
    def test_before_its_effect_the_notice_ends_nothing_whichever_came_first(self):
        changes = (told("moved-out", 2), withdrawal("moved-out-2", 1))
        for order in permutations(changes):
            assert fold(*order) == Fate(Standing.LIVE)

    @pytest.mark.parametrize("day", [2, 3])
    def test_at_its_effect_and_later_it_is_too_late(self, day):
        changes = (told("moved-out", 2), withdrawal("moved-out-2", day))
        for order in permutations(changes):
            assert fold(*order).standing is Standing.ENDED

    def test_a_withdrawal_can_be_withdrawn_and_so_on(self):
        changes = [told("moved-out", 4), withdrawal("moved-out-4", 3, "w1")]
        changes.append(withdrawal("w1", 2, "w2"))
        for order in permutations(changes):
            assert fold(*order).standing is Standing.ENDED
        changes.append(withdrawal("w2", 1, "w3"))
        for order in permutations(changes):
            assert fold(*order).standing is Standing.LIVE

    def test_two_that_name_each_other(self):
        one, other = withdrawal("b", 1, "a"), withdrawal("a", 2, "b")
        assert in_effect([one, other], AT) == (one,)
        assert in_effect([withdrawal("c", 1, "c")], AT)  # not before itself

    def test_one_that_names_nothing(self):
        assert fold(told("moved-out"), told("notice-withdrawn", -1)).standing is Standing.ENDED

    def test_it_waits_for_its_own_effect(self):
        changes = (told("moved-out", 2), withdrawal("moved-out-2", 1))
        assert in_effect(changes, EFFECTIVE) == ()
        assert in_effect(changes, EFFECTIVE + 3 * DAY) == changes[1:]

    def test_what_has_ended_is_never_undone(self):
        held = holding(reason=RevocationReason.AFFILIATION_CHANGED)
        doubt = decided([told("moved-out")], withdrawal("moved-out-0", -1), held)
        assert doubt == Doubt(
            ID,
            "event notice-withdrawn--1 would undo what event moved-out-0 has ended, and no revocation is ever undone",
        )

    def test_what_another_event_ends_too_stays_without_a_question(self):
        held = holding(reason=RevocationReason.AFFILIATION_CHANGED)
        known = [told("moved-out"), told("died", 1)]
        assert decided(known, withdrawal("moved-out-0", -1), held) is None

    def test_what_an_officer_ended_stays_without_a_question(self):
        held = holding(reason=RevocationReason.UNSPECIFIED, by_register=False)
        known = [told("moved-in")]
        assert decided(known, withdrawal("moved-in-0", -1), held) is None


days = st.integers(-6, 6)
kinds = st.sampled_from([kind for kind in ChangeKind if kind is not ChangeKind.NOTICE_WITHDRAWN])


@st.composite
def lives(draw):
    """Some events, some of which withdraw others."""
    plain = [
        told(kind, day, f"e{n}")
        for n, (kind, day) in enumerate(draw(st.lists(st.tuples(kinds, days), max_size=6)))
    ]
    names = [change.id for change in plain] + ["w0", "w1", "unknown"]
    withdrawn = draw(st.lists(st.tuples(st.sampled_from(names), days), max_size=3))
    return plain + [withdrawal(name, day, f"w{n}") for n, (name, day) in enumerate(withdrawn)]


@dataclass
class Desk:
    """What a desk does with one certificate: events come, and what is decided is recorded."""

    held: Holding
    rules: LapseRules
    known: list[Change] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)

    def hear(self, change):
        found = decided(self.known, change, self.held, self.rules)
        self.known.append(change)
        if isinstance(found, Doubt):
            self.doubts.append(found)
        elif found is not None:
            before = self.held.revocation
            assert found.reason in CHANGES[None if before is None else before.reason]
            asked = Revocation(ID.serial, found.revoked_at, found.reason, found.invalid_since)
            self.held = replace(self.held, revocation=changed(before, asked))
        self.ranks.append(standing_of(self.held.revocation).rank)


rule_sets = st.sampled_from([RULES, LIFTING])
decisions_at = st.none() | days.map(lambda day: EFFECTIVE + day * DAY)


@given(lives(), st.randoms(use_true_random=False), st.sampled_from(RESIDENT_KINDS), decisions_at, rule_sets)
def test_in_which_order_events_arrive_cannot_matter(changes, chance, kind, decided_at, rules):
    held = holding(kind, decided_at)
    whole = fold(*changes, held=held, rules=rules)
    shuffled = list(changes)
    chance.shuffle(shuffled)
    assert fold(*shuffled, held=held, rules=rules) == whole
    desk = Desk(held, rules)
    for change in shuffled:
        desk.hear(change)
    # What is recorded is what all of it comes to; or more, and then an officer was asked.
    recorded = standing_of(desk.held.revocation).rank
    assert recorded == whole.standing.rank or (recorded > whole.standing.rank and desk.doubts)
    # Nothing falls but a hold, and that only where the edition lifts it.
    for before, after in zip(desk.ranks, desk.ranks[1:], strict=False):
        assert after >= before or (before, after, rules) == (1, 0, LIFTING)


@given(lives(), st.sampled_from(RESIDENT_KINDS), decisions_at, rule_sets)
def test_what_comes_in_the_order_of_its_effect_raises_no_doubt(changes, kind, decided_at, rules):
    # What took effect by then was known when the application was approved: nothing of it has still to end it.
    in_order = sorted(changes, key=lambda change: (change.effective, change.id))
    early = [one for one in in_order if decided_at is not None and one.effective <= decided_at]
    desk = Desk(holding(kind, decided_at), rules, list(early))
    for change in in_order[len(early) :]:
        desk.hear(change)
    assert desk.doubts == []


@given(lives(), st.randoms(use_true_random=False), st.sampled_from(RESIDENT_KINDS), decisions_at, rule_sets)
def test_an_order_is_always_one_that_a_list_can_carry(changes, chance, kind, decided_at, rules):
    chance.shuffle(changes)
    for end in range(1, len(changes) + 1):
        *known, change = changes[:end]
        order = decided(known, change, holding(kind, decided_at), rules)
        if isinstance(order, Order):
            assert order.revoked_at == AT.replace(microsecond=0)
            assert order.invalid_since is None or PERIOD.not_before <= order.invalid_since < order.revoked_at


@given(lives(), days)
def test_the_fold_is_the_same_whenever_it_is_made(changes, day):
    """What was in effect at a moment, later events do not change."""
    then = EFFECTIVE + day * DAY
    earlier = [change for change in changes if change.effective <= then]
    assert in_effect(changes, then) == in_effect(earlier, AT)
