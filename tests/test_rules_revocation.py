from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import RevocationRefused
from ca.model import CertificateKind, Revocation, RevocationReason, Serial
from ca.rules.revocation import CHANGES, REASONS_FOR, CertificateStatus, Status, change, permit, status_of

SERIAL = Serial(0x5A3F)
ISSUED = datetime(2014, 9, 1, tzinfo=UTC)
REVOKED = datetime(2014, 10, 1, 3, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GOOD, ENDED, UNKNOWN = CertificateStatus.GOOD, CertificateStatus.REVOKED, CertificateStatus.UNKNOWN

moments = st.datetimes(datetime(2014, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
seconds = moments.map(lambda moment: moment.replace(microsecond=0))
reasons = st.sampled_from(RevocationReason)
revocations = st.builds(Revocation, st.just(SERIAL), seconds, reasons, st.none() | seconds)


def revocation(reason="superseded", revoked_at=REVOKED, invalid_since=None):
    return Revocation(SERIAL, revoked_at, RevocationReason.recorded(reason), invalid_since)


@pytest.mark.parametrize(
    ("issued_at", "revoked_at", "at", "expected"),
    [
        pytest.param(ISSUED, None, ISSUED + SECOND, GOOD, id="issued and nothing against it"),
        pytest.param(ISSUED, None, ISSUED, GOOD, id="in the second of issue"),
        pytest.param(ISSUED + 0.4 * SECOND, None, ISSUED, GOOD, id="fractions of the second of issue"),
        pytest.param(ISSUED, None, ISSUED - SECOND, UNKNOWN, id="before the issue"),
        pytest.param(None, None, ISSUED, UNKNOWN, id="never issued"),
        pytest.param(ISSUED, REVOKED, REVOKED - SECOND, GOOD, id="the second before the revocation"),
        pytest.param(ISSUED, REVOKED, REVOKED - SECOND / 1000, GOOD, id="a millisecond before"),
        pytest.param(ISSUED, REVOKED, REVOKED, ENDED, id="the revocation's own second"),
        pytest.param(ISSUED, REVOKED, REVOKED + 9000 * timedelta(days=1), ENDED, id="long after"),
        pytest.param(
            ISSUED,
            REVOKED,
            REVOKED.astimezone(timezone(timedelta(hours=9))),
            ENDED,
            id="asked in Japanese time",
        ),
        pytest.param(None, REVOKED, REVOKED, ENDED, id="recorded as revoked though no issue is known"),
        pytest.param(None, REVOKED, REVOKED - SECOND, UNKNOWN, id="not issued, the revocation still to come"),
        pytest.param(ISSUED, ISSUED - SECOND, ISSUED, ENDED, id="revoked before it was issued"),
    ],
)
def test_status(issued_at, revoked_at, at, expected):
    against = None if revoked_at is None else revocation(revoked_at=revoked_at)
    status = status_of(issued_at, against, at)
    assert status.status is expected
    assert status.revocation == (against if expected is ENDED else None)


@pytest.mark.parametrize("reason", list(RevocationReason), ids=lambda reason: reason.word)
def test_every_reason_counts_a_hold_too_until_it_is_lifted(reason):
    lifted = reason is RevocationReason.REMOVE_FROM_CRL
    assert status_of(ISSUED, revocation(reason.word), REVOKED).status is (GOOD if lifted else ENDED)


@given(st.none() | moments, st.none() | revocations, moments, moments)
def test_never_good_for_what_was_not_issued_and_never_good_again(issued_at, against, one, other):
    earlier, later = sorted((one, other))
    before, after = status_of(issued_at, against, earlier), status_of(issued_at, against, later)
    if issued_at is None:
        assert GOOD not in {before.status, after.status}
    if before.status is ENDED:
        assert after == before
    if before.status is GOOD:
        assert after.status is not UNKNOWN


def test_a_status_says_revoked_exactly_with_a_revocation():
    with pytest.raises(AssertionError):
        Status(ENDED)
    with pytest.raises(AssertionError):
        Status(GOOD, revocation())


def word_of(reason):
    return "none" if reason is None else reason.word  # unspecified is 0, and so are not all reasons true


def expected_changes():
    """What may follow what, in the RFC's words and apart from the product's table."""
    final = {
        "unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
        "cessationOfOperation", "privilegeWithdrawn", "aACompromise",
    }  # fmt: skip
    milder = final - {"keyCompromise", "cACompromise"}
    return (
        {(None, word) for word in final | {"certificateHold"}}
        | {("removeFromCRL", word) for word in final | {"certificateHold"}}
        | {("certificateHold", word) for word in final | {"removeFromCRL"}}
        | set(product(milder, ("keyCompromise", "cACompromise")))
    )


@pytest.mark.parametrize("after", list(RevocationReason), ids=lambda reason: reason.word)
@pytest.mark.parametrize("before", [None, *RevocationReason], ids=word_of)
def test_every_change_is_allowed_or_refused_as_the_table_says(before, after):
    recorded = None if before is None else revocation(before.word)
    asked = revocation(after.word, REVOKED + SECOND)
    if (None if before is None else before.word, after.word) in expected_changes():
        assert change(recorded, asked).reason is after
    else:
        with pytest.raises(
            RevocationRefused,
            match=r"already (revoked|on hold) since 2014-10-01T03:00:00Z for|is not on hold",
        ):
            change(recorded, asked)


def test_the_table_of_changes_is_complete():
    assert set(CHANGES) == {None, *RevocationReason}


def test_a_new_entry_is_recorded_as_it_is():
    assert change(None, revocation("keyCompromise", invalid_since=ISSUED)) == revocation(
        "keyCompromise", invalid_since=ISSUED
    )


def test_a_hold_that_becomes_final_keeps_the_moment_of_the_hold():
    hold = revocation("certificateHold")
    final = change(hold, revocation("affiliationChanged", REVOKED + timedelta(days=3)))
    assert final == revocation("affiliationChanged", REVOKED)


def test_a_compromise_found_to_be_older_moves_the_moment_back_and_keeps_the_suspicion():
    milder = revocation("superseded", invalid_since=ISSUED + SECOND)
    earlier = REVOKED - timedelta(days=5)
    assert change(milder, revocation("keyCompromise", earlier)) == revocation(
        "keyCompromise", earlier, ISSUED + SECOND
    )
    assert change(milder, revocation("keyCompromise", REVOKED + SECOND, ISSUED)) == revocation(
        "keyCompromise", REVOKED, ISSUED
    )


def test_the_same_revocation_again_says_since_when_and_why():
    with pytest.raises(RevocationRefused) as refusal:
        change(revocation(), revocation())
    assert str(refusal.value) == (
        f"serial {SERIAL}: already revoked since 2014-10-01T03:00:00Z for superseded"
    )
    with pytest.raises(RevocationRefused, match="already on hold since"):
        change(revocation("certificateHold"), revocation("certificateHold"))


def test_a_change_of_another_certificates_revocation_is_a_slip_of_the_caller():
    with pytest.raises(AssertionError):
        change(revocation("certificateHold"), Revocation(Serial(7), REVOKED, RevocationReason.SUPERSEDED))


@given(st.lists(revocations, min_size=1, max_size=8), moments)
def test_no_sequence_of_changes_makes_a_revoked_certificate_good_but_a_lifted_hold(asked, at):
    lifted, held = RevocationReason.REMOVE_FROM_CRL, RevocationReason.CERTIFICATE_HOLD
    recorded = None
    for wanted in asked:
        last, before = recorded, status_of(ISSUED, recorded, at).status
        try:
            recorded = change(recorded, wanted)
        except RevocationRefused:
            continue
        if last is None or last.reason is lifted:
            continue  # good, and so as if new
        assert recorded.revoked_at <= last.revoked_at
        if recorded.reason is lifted:
            assert last.reason is held
        elif before is ENDED:
            assert status_of(ISSUED, recorded, at).status is ENDED


HOLDER = {
    "unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation",
    "certificateHold", "privilegeWithdrawn",
}  # fmt: skip
SERVICE = {"unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation"}
PERMITTED = {
    "signature": HOLDER,
    "user-authentication": HOLDER,
    "official-post": HOLDER,
    "lg-post": HOLDER,
    "lg-user": HOLDER,
    "lg-encryption": HOLDER,
    "link": {"cACompromise", "superseded", "cessationOfOperation"},
    "cross": {"cACompromise", "affiliationChanged", "superseded", "cessationOfOperation"},
    "ocsp-responder": SERVICE,
    "repository": SERVICE,
    "time-stamp": SERVICE,
    "validation-service": SERVICE,
    "national-responder": SERVICE,
    "self-signed": set(),
}


def test_the_table_of_reasons_has_every_kind():
    assert set(REASONS_FOR) == set(CertificateKind) == set(PERMITTED)


@pytest.mark.parametrize("reason", list(RevocationReason), ids=lambda reason: reason.word)
@pytest.mark.parametrize("kind", list(CertificateKind))
def test_every_reason_for_every_kind(kind, reason):
    if reason.word in PERMITTED[kind.value]:
        permit(kind, reason)
    else:
        with pytest.raises(RevocationRefused, match=rf"certificate kind {kind}: is not revoked"):
            permit(kind, reason)


def test_a_refused_reason_names_the_possible_ones():
    with pytest.raises(RevocationRefused) as refusal:
        permit(CertificateKind.CROSS, RevocationReason.CERTIFICATE_HOLD)
    assert (
        refusal.value.remedy == "One of: cACompromise, affiliationChanged, superseded, cessationOfOperation"
    )
    with pytest.raises(RevocationRefused, match="removed from trust"):
        permit(CertificateKind.SELF_SIGNED, RevocationReason.CA_COMPROMISE)
