import hashlib
import hmac
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.chance import SeededChance, SystemChance, new_serial
from ca.clock import ShiftedClock, parse_clock, parse_moment, system_clock
from ca.errors import BadInput, SuiteRetired
from ca.model import (
    CA_KINDS,
    HOLDER_KINDS,
    LOCAL_KINDS,
    RESIDENT_KINDS,
    SERVICE_KINDS,
    CertificateId,
    CertificateKind,
    GenerationId,
    Period,
    RevocationReason,
    Serial,
    authority_id,
    partition_scope,
)
from ca.suites import RSA1024_KEYS, RSA2048_KEYS, RSA3072_KEYS, SHA256_RSA2048, SUITES, Use, require, suite

JST = timezone(timedelta(hours=9))
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}  # ASCII to its full-width forms

serials = st.integers(1, (1 << 159) - 1).map(Serial)
names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)
generations = st.builds(GenerationId, names.map(authority_id), st.integers(1, 9999))


# --- model ---


@pytest.mark.parametrize("text", ["jpki-13", "gpki", "a", "a1-b2-c3", "a" * 40])
def test_an_authority_id_is_read(text):
    assert authority_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "JPKI-13",
        "13-jpki",
        "jpki--13",
        "-jpki",
        "jpki-",
        "jpki.13",
        "jpki/13",
        "jpki".translate(WIDE),
        "a" * 41,
        "a\n",
    ],
)
def test_what_is_no_authority_id_is_refused_with_its_place(text):
    with pytest.raises(BadInput) as refusal:
        authority_id(text, "edition line 3")
    assert refusal.value.place == "edition line 3"


@given(st.builds(CertificateId, generations, serials))
def test_a_certificate_id_reads_back(certificate):
    assert CertificateId.parse(str(certificate)) == certificate
    assert GenerationId.parse(str(certificate.generation)) == certificate.generation


@pytest.mark.parametrize(
    "text",
    [
        "", "jpki-13.g1", "jpki-13.g1:", "jpki-13:5a3f", "jpki-13.g0:5a3f", "jpki-13.g01:5a3f", "jpki-13.g10000:5a3f",
        "jpki-13.g1:xyz", "jpki-13.g1:0", "jpki-13.g1:-1", "jpki-13.g1: 1", "jpki-13.g1:0x1", "jpki-13.g1:" + "f" * 40,
        "jpki-13.g1:" + "1" * 41, "JPKI-13.g1:1", "-.g1:1", "jpki-13.g1:1\n", "jpki-13.g1:1".translate(WIDE), "jpki-13.g1:" + "1".translate(WIDE),
    ],
)  # fmt: skip
def test_what_is_no_certificate_id_is_refused(text):
    with pytest.raises(BadInput):
        CertificateId.parse(text)


def test_a_short_serial_and_capitals_name_the_same_certificate():
    assert CertificateId.parse("jpki-13.g1:5A3F") == CertificateId.parse("jpki-13.g1:" + "5a3f".zfill(40))


@given(serials, serials)
def test_serials_have_twenty_octets_that_sort_like_the_numbers(one, other):
    assert len(one.octets) == 20
    assert Serial.of(one.octets) == one
    assert (one < other) == (one.octets < other.octets) == (str(one) < str(other))
    assert one.octets[0] < 0x80  # so that DER needs no twenty-first octet (RFC 5280 4.1.2.2)


@pytest.mark.parametrize("value", [0, -1, 1 << 159, 1 << 160])
def test_a_serial_out_of_range_is_refused(value):
    with pytest.raises(BadInput, match=r"RFC 5280 4\.1\.2\.2"):
        Serial(value)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (0, "unspecified"), (1, "keyCompromise"), (2, "cACompromise"), (3, "affiliationChanged"), (4, "superseded"),
        (5, "cessationOfOperation"), (6, "certificateHold"), (9, "privilegeWithdrawn"), (10, "aACompromise"),
    ],
)  # fmt: skip
def test_the_reasons_have_the_rfcs_numbers_and_words(code, word):
    assert RevocationReason(code).word == word
    assert RevocationReason.parse(word) == code


@pytest.mark.parametrize(
    "word", ["", "removeFromCRL", "keycompromise", "KEY_COMPROMISE", "1", "caCompromise"]
)
def test_an_unknown_reason_is_answered_with_the_words(word):
    with pytest.raises(BadInput, match="unspecified, keyCompromise, cACompromise"):
        RevocationReason.parse(word)


def test_what_is_recorded_may_be_a_hold_that_was_lifted():
    assert RevocationReason.recorded("removeFromCRL") is RevocationReason.REMOVE_FROM_CRL
    with pytest.raises(ValueError, match="badWord"):
        RevocationReason.recorded("badWord")


def test_there_are_no_other_reasons():
    assert {reason.value for reason in RevocationReason} == {0, 1, 2, 3, 4, 5, 6, 8, 9, 10}


def test_the_families_of_kinds_do_not_overlap():
    assert sorted([*CA_KINDS, *HOLDER_KINDS, *SERVICE_KINDS]) == sorted(CertificateKind)
    assert {*RESIDENT_KINDS, *LOCAL_KINDS} < HOLDER_KINDS


def test_partitions_hold_holders_only():
    assert partition_scope(CertificateKind.SIGNATURE, "131016") == "signature-131016"
    with pytest.raises(AssertionError):
        partition_scope(CertificateKind.CROSS, "131016")


AT = datetime(2014, 9, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_one_second_is_a_period_and_less_is_not():
    assert Period(AT, AT).not_after == AT
    with pytest.raises(BadInput, match="before it begins"):
        Period(AT, AT - SECOND)


@pytest.mark.parametrize("moment", [AT.replace(tzinfo=None), AT + SECOND / 2])
def test_a_period_has_aware_moments_without_fractions(moment):
    with pytest.raises(AssertionError):
        Period(moment, AT + SECOND)
    with pytest.raises(AssertionError):
        Period(AT - SECOND, moment)


def test_words_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Serial(1).value = 2


# --- clock ---


@pytest.mark.parametrize(
    ("text", "start", "speed"),
    [
        ("2014-09-01T00:00Z", AT, 1),
        ("2014-09-01T00:00:01Z", AT + SECOND, 1),
        ("2014-09-01T00:00Z+60", AT, 60),
        ("2014-09-01T00:00Z+0.5", AT, 0.5),
        ("2014-09-01T00:00Z+0", AT, 0),
    ],
)
def test_a_clock_setting_is_read(text, start, speed):
    assert parse_clock(text) == (start, speed)


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2014-09-01", "2014-09-01T00:00", "2014-09-01T00:00+09:00", "2014-09-01 00:00Z", "2014-13-01T00:00Z",
        "2014-02-29T00:00Z", "2014-09-01T24:00Z", "2014-09-01T00:00Z+", "2014-09-01T00:00Z-1", "2014-09-01T00:00Z+x",
        "2014-09-01T00:00Z+1e3", "2014".translate(WIDE) + "-09-01T00:00Z", "2014-09-01T00:00Z\n",
    ],
)  # fmt: skip
def test_what_is_no_clock_setting_is_refused(text):
    with pytest.raises(BadInput, match="--clock"):
        parse_clock(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2014-09-01T00:00:00Z", AT),
        ("2014-09-01T09:00:00+09:00", AT),
        ("2014-09-01T09:00+09:00", AT),
        ("2014-08-31T19:00:00-05:00", AT),
    ],
)
def test_a_moment_is_read_into_utc(text, moment):
    assert parse_moment(text, "--at") == moment
    assert parse_moment(text, "--at").tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2014-09-01", "2014-09-01T00:00:00", "2014-02-30T00:00:00Z", "1409529600"]
)
def test_what_is_no_moment_is_refused_with_its_place(text):
    with pytest.raises(BadInput) as refusal:
        parse_moment(text, "--at")
    assert refusal.value.place == "--at"


@given(st.datetimes(timezones=st.just(JST), min_value=datetime(1950, 1, 1)))  # noqa: DTZ001 - a bound
def test_a_moment_reads_back(moment):
    assert parse_moment(moment.isoformat(), "--at") == moment


def test_the_systems_clock_is_aware_and_does_not_stand_still_for_a_shifted_one():
    epoch = system_clock()
    assert epoch.tzinfo is UTC
    assert ShiftedClock(AT, epoch, 0)() == AT
    forward = ShiftedClock(AT, epoch - timedelta(hours=1), 60)
    assert AT + timedelta(hours=60) <= forward() <= forward()


# --- chance ---


@given(st.integers(), st.text(max_size=20), st.integers(0, 64))
def test_seeded_octets_depend_on_seed_and_purpose_alone(seed, purpose, count):
    octets = SeededChance(seed).octets(purpose, count)
    assert octets == SeededChance(seed).octets(purpose, count)
    assert len(octets) == count
    if count >= 16:
        assert octets != SeededChance(seed + 1).octets(purpose, count)
        assert octets != SeededChance(seed).octets(f"{purpose}.", count)


def test_seeded_octets_stay_as_they_are_from_release_to_release():
    expected = hmac.new(b"kakehashi test world 7", b"serial x", hashlib.sha512).digest()[:20]
    assert SeededChance(7).octets("serial x", 20) == expected


def test_seeded_octets_end_with_one_block():
    with pytest.raises(AssertionError):
        SeededChance(7).octets("too much", 65)


@pytest.mark.parametrize("chance", [SystemChance(), SeededChance(7)], ids=["system", "seeded"])
def test_serials_have_twenty_octets_and_158_bits_by_chance(chance):
    drawn = [new_serial(chance, str(number)).value for number in range(200)]
    assert len(set(drawn)) == len(drawn)
    assert {value.bit_length() for value in drawn} == {159}
    # Every other bit is seen both set and clear: 200 draws miss one with probability below 2**-190.
    for bit in range(158):
        assert {value >> bit & 1 for value in drawn} == {0, 1}


def test_the_systems_chance_repeats_nothing():
    assert SystemChance().octets("same", 32) != SystemChance().octets("same", 32)


# --- suites ---


def test_a_suite_is_found_by_its_name_or_refused_with_the_names():
    assert suite("sha256-rsa2048", "edition") is SHA256_RSA2048
    with pytest.raises(
        BadInput, match=r"'md5-rsa1024' is not a suite\. One of: sha1-rsa1024, sha1-rsa2048, sha256-rsa2048"
    ):
        suite("md5-rsa1024", "edition line 4")


@pytest.mark.parametrize("one", SUITES.values(), ids=SUITES)
@pytest.mark.parametrize("use", list(Use))
def test_a_suites_last_second_counts_and_the_next_does_not(one, use):
    until = {Use.SIGN: one.sign_until, Use.SIGN_STATUS: one.status_until, Use.VERIFY: one.verify_until}[use]
    require(one, use, until)
    require(one, use, AT)
    with pytest.raises(SuiteRetired, match=rf"may not {use} after \d{{4}}-\d\d-\d\dT14:59:59Z"):
        require(one, use, until + SECOND)


@pytest.mark.parametrize("one", SUITES.values(), ids=SUITES)
def test_what_may_be_signed_may_be_verified(one):
    assert one.sign_until < one.status_until <= one.verify_until
    assert SUITES[one.id] is one
    with pytest.raises(SuiteRetired, match="may not sign"):
        require(one, Use.SIGN, one.verify_until)
    require(one, Use.VERIFY, one.sign_until + SECOND)


def test_rsa_2048_retires_with_the_year_2030_in_japan():
    last = SHA256_RSA2048.sign_until.astimezone(JST)
    assert (last.date(), f"{last:%H:%M:%S}") == (date(2030, 12, 31), "23:59:59")


def test_the_smallest_key_of_a_holder_is_as_long_as_the_suites():
    rsa = RSA2048_KEYS.rsa
    assert rsa.minimum_bits == SHA256_RSA2048.key_size
    assert rsa.minimum_bits < rsa.maximum_bits


def test_every_rule_for_holders_has_the_one_exponent():
    """Two would make two keys of one; nothing that an edition names or joins widens it."""
    named = [RSA1024_KEYS, RSA2048_KEYS, RSA3072_KEYS]
    for rule in [*named, *(one | other for one in named for other in named)]:
        assert (rule.rsa.minimum_exponent, rule.rsa.maximum_exponent) == (65537, 65537)
