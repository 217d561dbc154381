from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.model import (
    RESIDENT_KINDS,
    AuthorityId,
    CertificateId,
    CertificateKind,
    GenerationId,
    Period,
    Revocation,
    RevocationReason,
    Serial,
)
from ca.rules.residents import END_LATER_ONES_TOO, LAPSES, REASONS, Change, ChangeKind, Holding, lapses, rule

SIGNATURE, AUTHENTICATION = RESIDENT_KINDS
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
DECIDED = datetime(2014, 9, 1, 3, tzinfo=UTC)
EFFECTIVE = datetime(2015, 3, 1, tzinfo=UTC)
AT = datetime(2015, 3, 10, 1, 2, 3, 456, tzinfo=UTC)
PERIOD = Period(DECIDED + DAY, datetime(2019, 5, 5, 14, 59, 59, tzinfo=UTC))
ID = CertificateId(GenerationId(AuthorityId("jpki-31"), 1), Serial(0x5A3F))

# domain.md section 5, written down a second time: (signature, user authentication) end.
EXPECTED = {
    "moved-in": (False, False),
    "moved-within": (True, False),
    "moved-out": (True, False),
    "moved-abroad": (True, True),
    "died": (True, True),
    "removed-ex-officio": (True, True),
    "name-changed": (True, False),
    "sex-changed": (True, False),
    "birth-date-changed": (True, False),
    "address-changed": (True, False),
    "four-items-corrected": (True, False),
    "other-items-corrected": (False, False),
    "notice-withdrawn": (False, False),
}


def change(kind=ChangeKind.DIED, effective=EFFECTIVE):
    return Change("e-1", kind, bytes(32), effective, effective, effective)


def holding(kind=SIGNATURE, decided_at=DECIDED, reason=None, period=PERIOD):
    revocation = None if reason is None else Revocation(ID.serial, DECIDED + 2 * DAY, reason)
    return Holding(ID, kind, decided_at, period, revocation)


@pytest.mark.parametrize(("kind", "held"), list(product(ChangeKind, CertificateKind)), ids=str)
def test_every_change_ends_what_the_table_of_the_law_says(kind, held):
    ends = dict(zip(RESIDENT_KINDS, EXPECTED[kind], strict=True)).get(held, False)
    order = lapses(change(kind), holding(held), AT)
    assert (order is not None) == ends
    if order is not None:
        assert order.reason is RevocationReason.AFFILIATION_CHANGED


def test_nothing_but_residents_certificates_is_ended_and_every_reason_belongs_to_a_row_that_ends():
    assert frozenset().union(*LAPSES.values()) == set(RESIDENT_KINDS)
    assert REASONS.keys() == {kind for kind, ended in LAPSES.items() if ended}


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
def test_a_change_ends_what_was_decided_before_its_effect_and_a_death_ends_all(decided_at, moved, died):
    held = holding(decided_at=decided_at)
    assert (lapses(change(ChangeKind.MOVED_OUT), held, AT) is not None) == moved
    assert (lapses(change(ChangeKind.DIED), held, AT) is not None) == died


@pytest.mark.parametrize("kind", [kind for kind in ChangeKind if LAPSES[kind]])
def test_only_death_and_removal_end_later_certificates(kind):
    order = lapses(change(kind), holding(decided_at=EFFECTIVE + DAY), AT)
    assert (order is not None) == (kind in END_LATER_ONES_TOO)
    assert ("before its effect" in rule(kind)) == (kind not in END_LATER_ONES_TOO)


@pytest.mark.parametrize("reason", list(RevocationReason), ids=lambda reason: reason.word)
def test_what_has_ended_stays_as_it_is_but_a_hold_becomes_an_end(reason):
    order = lapses(change(), holding(reason=reason), AT)
    assert (order is not None) == (reason is RevocationReason.CERTIFICATE_HOLD)


@pytest.mark.parametrize(("at", "ends"), [(PERIOD.not_after, True), (PERIOD.not_after + SECOND, False)])
def test_an_expired_certificate_needs_no_end(at, ends):
    assert (lapses(change(), holding(), at) is not None) == ends


def test_it_is_revoked_when_acknowledged_and_invalid_since_the_effect():
    order = lapses(change(), holding(), AT)
    assert order.revoked_at == AT.replace(microsecond=0)
    assert order.invalid_since == EFFECTIVE


def test_a_certificate_is_not_invalid_before_it_began():
    order = lapses(change(effective=DECIDED - 30 * DAY), holding(), AT)
    assert order.invalid_since == PERIOD.not_before


def test_an_effect_at_the_moment_of_acknowledgement_needs_no_second_moment():
    assert lapses(change(effective=AT), holding(), AT).invalid_since is None


moments = st.datetimes(datetime(2014, 9, 2), datetime(2019, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(
    st.sampled_from(ChangeKind), st.sampled_from(RESIDENT_KINDS), moments, moments, st.none() | moments,
    st.none() | st.sampled_from(RevocationReason),
)  # fmt: skip
def test_an_order_is_always_one_that_a_list_can_carry(kind, held, one, other, decided_at, reason):
    effective, at = sorted((one, other))
    order = lapses(change(kind, effective), holding(held, decided_at, reason), at)
    if order is not None:
        assert order.certificate == ID
        assert order.revoked_at <= at
        assert order.revoked_at.microsecond == 0
        assert order.invalid_since is None or order.invalid_since < order.revoked_at
        assert order.invalid_since is None or order.invalid_since.microsecond == 0


@pytest.mark.parametrize("kind", list(ChangeKind))
def test_a_rule_in_words_names_what_its_row_ends(kind):
    words = rule(kind)
    assert words.startswith(f"{kind} ends ")
    assert {held for held in RESIDENT_KINDS if held in words} == LAPSES[kind]
