"""The table of lapses: every event, every kind of certificate, every standing, against domain.md written down again."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from ca.errors import BadInput
from ca.model import RESIDENT_KINDS, CertificateKind, Revocation, RevocationReason, Serial
from ca.rules.residents import (
    CLOSED_BY,
    CONFIGURABLE,
    DECISIONS,
    END_LATER_ONES_TOO,
    LAPSES,
    POSSIBLE_REASONS,
    REASONS,
    Act,
    Change,
    ChangeKind,
    Decision,
    LapseRules,
    Standing,
    standing_of,
)
from ca.rules.revocation import CHANGES, REASONS_FOR

SIGNATURE, AUTHENTICATION = RESIDENT_KINDS
LIVE, HELD, ENDED, COMPROMISED, EXPIRED = Standing
AT = datetime(2015, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = LapseRules()
LIFTING = LapseRules(found_lifts=frozenset({AUTHENTICATION}))

# domain.md section 5, written down a second time: signature, user authentication, reason.
EXPECTED = {
    "moved-in": ("kept", "kept", None),
    "moved-within": ("ended", "kept", "affiliationChanged"),
    "moved-out": ("ended", "kept", "affiliationChanged"),
    "moved-abroad": ("ended", "ended", "affiliationChanged"),
    "died": ("ended", "ended", "affiliationChanged"),
    "removed-ex-officio": ("ended", "ended", "affiliationChanged"),
    "name-changed": ("ended", "kept", "affiliationChanged"),
    "sex-changed": ("ended", "kept", "affiliationChanged"),
    "birth-date-changed": ("ended", "kept", "affiliationChanged"),
    "address-changed": ("ended", "kept", "affiliationChanged"),
    "four-items-corrected": ("ended", "kept", "affiliationChanged"),
    "other-items-corrected": ("kept", "kept", None),
    "notice-withdrawn": ("kept", "kept", None),
    "resident-code-changed": ("kept", "kept", None),
    "lost": ("held", "held", "certificateHold"),
    "found": ("found", "found", "cessationOfOperation"),
    "card-returned": ("ended", "ended", "cessationOfOperation"),
    "card-lapsed": ("ended", "ended", "cessationOfOperation"),
    "key-compromised": ("compromised", "compromised", "keyCompromise"),
    "signature-given-up": ("ended", "kept", "cessationOfOperation"),
    "user-authentication-given-up": ("kept", "ended", "cessationOfOperation"),
    "signature-renewed": ("ended", "kept", "superseded"),
    "user-authentication-renewed": ("kept", "ended", "superseded"),
    "discarded-before-delivery": ("ended", "ended", "unspecified"),
    "record-differs": ("ended", "ended", "unspecified"),
}
# What that means for a certificate that is live, on hold, ended, ended for compromise, expired.
MEANING = {
    "kept": ("nothing", "nothing", "nothing", "nothing", "nothing"),
    "held": ("hold", "nothing", "nothing", "nothing", "nothing"),
    "found": ("nothing", "end", "nothing", "nothing", "nothing"),
    "ended": ("end", "end", "nothing", "nothing", "nothing"),
    "compromised": ("end", "end", "end", "nothing", "nothing"),
}
EVERY_CASE = list(product(ChangeKind, RESIDENT_KINDS, Standing))


def expected(kind, held, standing):
    word = dict(zip(RESIDENT_KINDS, EXPECTED[kind], strict=False))[held]
    return MEANING[word][list(Standing).index(standing)]


def test_the_table_has_each_case_once():
    assert set(DECISIONS) == set(EVERY_CASE)
    assert len(EVERY_CASE) == len(ChangeKind) * 2 * 5
    assert EXPECTED.keys() == set(ChangeKind)


@pytest.mark.parametrize(("kind", "held", "standing"), EVERY_CASE, ids=str)
def test_each_case_is_decided_as_the_law_says(kind, held, standing):
    assert DECISIONS[kind, held, standing] == expected(kind, held, standing)


@pytest.mark.parametrize(("kind", "held", "standing"), EVERY_CASE, ids=str)
def test_an_edition_that_lifts_holds_changes_one_case_alone(kind, held, standing):
    lifted = (kind, held, standing) == (ChangeKind.FOUND, AUTHENTICATION, HELD)
    assert LIFTING.decide(kind, held, standing) == (
        "lift the hold" if lifted else expected(kind, held, standing)
    )


@pytest.mark.parametrize(
    ("kind", "held"), list(product(ChangeKind, sorted(set(CertificateKind) - set(RESIDENT_KINDS)))), ids=str
)
def test_nobody_but_residents_is_touched(kind, held):
    assert {LIFTING.decide(kind, held, standing) for standing in Standing} == {Decision.NOTHING}


@pytest.mark.parametrize("kind", list(ChangeKind))
def test_each_row_has_the_reason_of_the_law_and_its_kinds_may_end_so(kind):
    reason = EXPECTED[kind][2]
    assert (REASONS[kind].word if kind in REASONS else None) == reason
    assert RULES.words(kind).endswith("ends no certificate" if reason is None else f": {reason}")
    if reason is not None:
        assert all(REASONS[kind] in REASONS_FOR[held] for held in RESIDENT_KINDS)


@pytest.mark.parametrize("kind", list(ChangeKind))
def test_a_rule_in_words_names_what_its_row_touches(kind):
    for rules in (RULES, LIFTING):
        words = rules.words(kind)
        assert words.startswith(f"{kind} ")
        named = {held for held in RESIDENT_KINDS if held in words.removeprefix(kind)}
        assert named == {held for held, act in LAPSES[kind].items() if act is not Act.KEEPS}
    at_once = kind in END_LATER_ONES_TOO or kind not in REASONS or kind is ChangeKind.FOUND
    assert ("before its effect" in RULES.words(kind)) != at_once
    assert ("before a later moved-in" in RULES.words(kind)) == (kind in CLOSED_BY)


def test_a_removal_is_closed_by_a_registration_and_a_death_by_nothing():
    assert CLOSED_BY == {ChangeKind.REMOVED_EX_OFFICIO: ChangeKind.MOVED_IN}
    assert CLOSED_BY.keys() <= END_LATER_ONES_TOO
    assert {LAPSES[closing][held] for closing in CLOSED_BY.values() for held in RESIDENT_KINDS} == {Act.KEEPS}


def test_the_words_say_which_holds_are_lifted():
    assert RULES.words(ChangeKind.FOUND) == (
        "found ends signature and user-authentication on hold: cessationOfOperation"
    )
    assert LIFTING.words(ChangeKind.FOUND) == (
        "found lifts the hold of user-authentication, ends signature on hold: cessationOfOperation"
    )
    both = LapseRules(found_lifts=frozenset(RESIDENT_KINDS))
    assert both.words(ChangeKind.FOUND) == "found lifts the hold of signature and user-authentication"


@pytest.mark.parametrize(("kind", "reason"), list(product(ChangeKind, RevocationReason)), ids=str)
def test_an_edition_sets_a_reason_where_the_law_leaves_it_open_and_nowhere_else(kind, reason):
    if kind in CONFIGURABLE and reason in POSSIBLE_REASONS:
        rules = LapseRules({kind: reason})
        assert rules.reason(kind) is reason
        assert rules.words(kind).endswith(f": {reason.word}")
        # Not what ends changes by it.
        assert {case: rules.decide(*case) for case in EVERY_CASE} == dict(DECISIONS)
        return
    with pytest.raises(BadInput, match=f"reasons.{kind}"):
        LapseRules({kind: reason})


def test_what_an_edition_may_choose():
    assert sorted(CONFIGURABLE) == [
        "card-lapsed", "card-returned", "died", "four-items-corrected", "removed-ex-officio",
    ]  # fmt: skip
    assert not {
        RevocationReason.KEY_COMPROMISE, RevocationReason.CERTIFICATE_HOLD, RevocationReason.REMOVE_FROM_CRL,
    } & POSSIBLE_REASONS  # fmt: skip
    with pytest.raises(BadInput, match="found_lifts: lg-post is not a kind that residents hold"):
        LapseRules(found_lifts=frozenset({CertificateKind.LG_POST}))


@pytest.mark.parametrize(
    ("reason", "standing"),
    [
        (None, LIVE),
        (RevocationReason.REMOVE_FROM_CRL, LIVE),
        (RevocationReason.CERTIFICATE_HOLD, HELD),
        (RevocationReason.KEY_COMPROMISE, COMPROMISED),
        (RevocationReason.CA_COMPROMISE, COMPROMISED),
        (RevocationReason.AFFILIATION_CHANGED, ENDED),
        (RevocationReason.UNSPECIFIED, ENDED),
        (RevocationReason.AA_COMPROMISE, ENDED),
    ],
)
def test_a_recorded_end_is_a_standing(reason, standing):
    assert standing_of(None if reason is None else Revocation(Serial(1), AT, reason)) is standing


@pytest.mark.parametrize(
    ("before", "after"), list(product([None, *RevocationReason], RevocationReason)), ids=str
)
def test_what_ranks_higher_may_always_be_recorded(before, after):
    """The fold asks for nothing that the table of revocations forbids."""
    was = standing_of(None if before is None else Revocation(Serial(1), AT, before))
    if standing_of(Revocation(Serial(1), AT, after)).rank > was.rank:
        assert after in CHANGES[before]


@pytest.mark.parametrize("kind", list(ChangeKind))
def test_of_three_times_the_effect_counts_but_for_a_card_in_strange_hands(kind):
    change = Change("e-1", kind, bytes(32), AT - 2 * DAY, AT - DAY, AT)
    since = AT - 2 * DAY if kind in {ChangeKind.LOST, ChangeKind.KEY_COMPROMISED} else AT
    assert change.suspected == since
    # A register that took it into effect before it happened is believed.
    assert Change("e-1", kind, bytes(32), AT, AT, AT - DAY).suspected == AT - DAY


def test_a_change_does_not_show_whose_it_is():
    shown = repr(
        Change("e-1", ChangeKind.RESIDENT_CODE_CHANGED, b"secret-1", AT, AT, AT, new_holder=b"secret-2")
    )
    assert "secret" not in shown
