"""A series of certificates: what the short way gives is, octet for octet, what the straight way gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ca.errors import LintRefused
from ca.issuing.series import Linted, Series
from ca.lint.candidate import PROFILES
from ca.lint.certificates import check_certificate
from ca.model import HOLDER_KINDS, CertificateKind, Period, Serial, Sex
from ca.names import Attribute, DirectoryName
from ca.profiles import residents
from ca.profiles.drafting import CertificateDraft, Subject
from ca.profiles.extensions import (
    CertificateExtension,
    DistributionPoint,
    KeyUsage,
    PolicyMappings,
    SubjectKey,
    SubjectOtherNames,
)
from ca.suites import SHA256_RSA2048
from ca.wire.tbs import tbs_certificate
from ca.wire.templates import TbsTemplate
from tests.builders import (
    NOW,
    PSEUDONYM,
    RESIDENT,
    draft_of,
    issuer_of,
    key_id,
    list_of,
    period_of,
    public_key,
    serial_of,
    subject_of,
    values_of,
)

SIGNATURE, CROSS = CertificateKind.SIGNATURE, CertificateKind.CROSS
OWN = (SubjectKey, SubjectOtherNames)
"""What a holder's certificate says that no other of its series does."""


def values(kind: CertificateKind, *, own: bool) -> list[CertificateExtension]:
    """What a valid certificate says of its own, or what all of its series say."""
    open_slots = [slot.extension for slot in PROFILES[kind].slots if slot.fixed is None]
    return [values_of(kind)[wanted] for wanted in open_slots if (wanted in OWN) == own]


def series_of(kind: CertificateKind) -> Series:
    return Series(
        PROFILES[kind],
        suite=SHA256_RSA2048,
        issuer=issuer_of(kind),
        place=list_of(kind),
        contents=values(kind, own=False),
    )


def certificate(
    series: Series,
    kind: CertificateKind,
    serial: int = 1,
    period: Period | None = None,
    *instead: CertificateExtension,
) -> Linted:
    changed = {type(value): value for value in instead}
    return series.certificate(
        serial=serial_of(serial),
        period=period or period_of(kind),
        subject=subject_of(kind),
        contents=[changed.get(type(value), value) for value in values(kind, own=True)],
    )


# Templates.

TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)


def moments(first: datetime) -> st.SearchStrategy[datetime]:
    """From then on, beyond the end of UTCTime."""
    seconds = int((datetime(2080, 1, 1, tzinfo=UTC) - first).total_seconds())
    return st.integers(0, seconds).map(lambda number: first + timedelta(seconds=number))


MOMENTS = moments(datetime(1947, 1, 1, tzinfo=UTC))  # UTCTime begins with 1950
SUBJECTS = st.builds(
    Subject,
    st.lists(st.tuples(st.sampled_from([Attribute.L, Attribute.OU, Attribute.CN]), TEXTS), max_size=5).map(
        lambda steps: DirectoryName(((Attribute.C, "JP"), *steps))
    ),
    st.binary(max_size=600),
)
VARIED = {
    SubjectKey: st.builds(SubjectKey, st.binary(max_size=40)),
    SubjectOtherNames: st.builds(
        SubjectOtherNames,
        st.lists(st.tuples(st.sampled_from(["1.2.3", "2.999.1", "1.2.392.200149.8.5.5.1"]), TEXTS)).map(
            tuple
        ),
    ),
    DistributionPoint: st.builds(DistributionPoint, SUBJECTS.map(lambda subject: subject.name)),
}


@st.composite
def series_drafts(draw) -> tuple[CertificateDraft, set[type], CertificateDraft]:
    """A valid draft, the types of extension that vary, and another draft of its series."""
    first = draft_of(draw(st.sampled_from(CertificateKind)))
    varying = draw(st.sets(st.sampled_from(sorted(VARIED, key=str))))
    begin, end = sorted(draw(st.tuples(MOMENTS, MOMENTS)))
    extensions = tuple(
        replace(placed, value=draw(VARIED[type(placed.value)])) if type(placed.value) in varying else placed
        for placed in first.extensions
    )
    other = replace(
        first,
        serial=Serial(draw(st.integers(1, (1 << 159) - 1))),
        period=Period(begin, end),
        subject=draw(SUBJECTS),
        extensions=extensions,
    )
    return first, varying, other


@given(drawn=series_drafts())
def test_a_filled_template_is_what_would_be_encoded(drawn):
    first, varying, other = drawn
    template = TbsTemplate.of(first, varying)
    assert template.fill(other) == tbs_certificate(other)
    assert template.fill(first) == tbs_certificate(first)


@given(end=moments(NOW))
@example(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC))
@example(datetime(2050, 1, 1, tzinfo=UTC))
def test_a_template_crosses_into_2050(end):
    first = draft_of(SIGNATURE)
    other = replace(first, period=Period(NOW, end))
    filled = TbsTemplate.of(first, ()).fill(other)
    assert filled == tbs_certificate(other)
    assert (b"\x18\x0f" in filled) == (end.year >= 2050)  # GeneralizedTime


# Series.


@pytest.mark.parametrize("kind", sorted(HOLDER_KINDS))
def test_a_series_goes_the_straight_way_shortly(kind):
    series = series_of(kind)
    for number in range(1, 4):
        usual = draft_of(kind)
        period = Period(NOW + timedelta(seconds=number), usual.period.not_after)
        straight = replace(usual, serial=serial_of(number), period=period)
        check_certificate(straight, issuer_of(kind), list_of(kind))
        linted = certificate(series, kind, number, period)
        assert linted.draft == straight
        assert linted.tbs == tbs_certificate(straight)


@given(
    name=st.text("架橋見本　ア", min_size=1, max_size=40),
    sex=st.sampled_from(Sex),
    digits=st.text("0123456789", min_size=3, max_size=3),
    whose=st.sampled_from(["holder", "service", "other authority"]),
    serial=st.integers(0, (1 << 158) - 1),
)
def test_every_resident_of_a_series(name, sex, digits, whose, serial):
    resident = replace(RESIDENT, name=name, name_substitutes="0" * len(name), sex=sex)
    fields = {
        "serial": serial_of(serial),
        "period": period_of(SIGNATURE),
        "subject": Subject(
            DirectoryName(
                (*subject_of(SIGNATURE).name.steps[:-1], (Attribute.CN, PSEUDONYM[:-4] + digits + "Z"))
            ),
            public_key(whose),
        ),
    }
    own = [SubjectKey(key_id(whose)), residents.four_items(resident)]
    straight = replace(draft_of(SIGNATURE, *own), **fields)
    if not name.strip():
        for way in (
            lambda: check_certificate(straight, issuer_of(SIGNATURE), list_of(SIGNATURE)),
            lambda: BEGUN.certificate(**fields, contents=own),
        ):
            with pytest.raises(LintRefused, match="items_text: the name is empty"):
                way()
        return
    check_certificate(straight, issuer_of(SIGNATURE), list_of(SIGNATURE))
    assert BEGUN.certificate(**fields, contents=own) == Linted(straight, tbs_certificate(straight))


BEGUN = series_of(SIGNATURE)
certificate(BEGUN, SIGNATURE)


def test_a_series_refuses_at_any_time():
    series = series_of(SIGNATURE)
    wrong = SubjectKey(key_id("service"))
    for _ in range(2):  # what was refused begins nothing
        with pytest.raises(LintRefused, match="subject_key_is_hash"):
            certificate(series, SIGNATURE, 1, None, wrong)
    certificate(series, SIGNATURE)
    with pytest.raises(LintRefused, match="subject_key_is_hash"):
        certificate(series, SIGNATURE, 2, None, wrong)
    certificate(series, SIGNATURE, 3)


def test_a_series_whose_constants_are_wrong_never_begins():
    issuer = replace(issuer_of(SIGNATURE), key_identifier=key_id("service"))
    series = Series(
        PROFILES[SIGNATURE],
        suite=SHA256_RSA2048,
        issuer=issuer,
        place=list_of(SIGNATURE),
        contents=values(SIGNATURE, own=False),
    )
    for number in range(3):
        with pytest.raises(LintRefused, match="authority_key_is_issuers"):
            certificate(series, SIGNATURE, number)


def test_no_certificate_takes_over_what_is_anothers_own():
    """A value that is left out or given twice is an error of the calling code, in the first certificate or later."""
    own = values(SIGNATURE, own=True)
    for contents in ([], own[:1], own[1:], [*own, own[0]], [*own, values(SIGNATURE, own=False)[0]]):
        for series in (series_of(SIGNATURE), BEGUN):
            with pytest.raises(AssertionError):
                series.certificate(
                    serial=serial_of(1),
                    period=period_of(SIGNATURE),
                    subject=subject_of(SIGNATURE),
                    contents=contents,
                )


def test_several_threads_share_a_series():
    series = series_of(SIGNATURE)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: certificate(series, SIGNATURE, number).tbs, range(200)))
    assert made == [tbs_certificate(draft_of(SIGNATURE, serial=serial_of(number))) for number in range(200)]


# Narrowed profiles.


def test_a_narrowed_profile_gives_the_same_draft_with_less():
    values = values_of(CROSS)
    open_slots = [slot.extension for slot in PROFILES[CROSS].slots if slot.fixed is None]
    constant = [values[wanted] for wanted in open_slots if wanted not in {SubjectKey, PolicyMappings}]
    narrowed = PROFILES[CROSS].narrowed(constant)
    usual = draft_of(CROSS)
    draft = narrowed.draft(
        serial=usual.serial,
        suite=usual.suite,
        issuer=usual.issuer,
        period=usual.period,
        subject=usual.subject,
        contents=[values[SubjectKey]],
    )
    # The optional mapping that no constant fills is empty in the whole series.
    kept = tuple(placed for placed in usual.extensions if type(placed.value) is not PolicyMappings)
    assert draft == replace(usual, extensions=kept)


def test_a_narrowed_profile_fixes_only_what_it_has():
    with pytest.raises(AssertionError, match="SubjectOtherNames"):
        PROFILES[CROSS].narrowed([values_of(SIGNATURE)[SubjectOtherNames]])


def test_what_a_profile_fixes_stays_fixed():
    with pytest.raises(AssertionError, match="KeyUsage"):
        PROFILES[SIGNATURE].narrowed([KeyUsage(frozenset())])
