"""Who stands before a window, and what for: documents that count, and purposes that fit what the resident holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import BadInput
from ca.model import RESIDENT_KINDS, CertificateId, CertificateKind, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.rules.identity import (
    DOCUMENTS,
    Document,
    Purpose,
    Reception,
    SeenDocument,
    Weight,
    accepted_on,
    require_identified,
)
from ca.rules.validity import BirthdayRule, LeapBirthday, YearsRule, holder_period, renewal_opens
from ca.store import applications
from ca.store.tables import applications as table
from tests.builders import RESIDENT as BUILT
from tests.engine_world import CODE, NOW, POST, RESIDENT, EngineWorld, engine_world

SIGNATURE, AUTHENTICATION = RESIDENT_KINDS
AT = datetime(2016, 2, 1, tzinfo=UTC)
TODAY, YESTERDAY = date(2016, 2, 1), date(2016, 1, 31)
DAY = timedelta(days=1)
LICENCE = SeenDocument(Document.DRIVING_LICENCE, TODAY)
PENSION = SeenDocument(Document.PENSION)
STUDENT = SeenDocument(Document.STUDENT_CARD)


def refused(documents: list[SeenDocument], at: datetime = AT) -> BadInput:
    with pytest.raises(BadInput) as caught:
        require_identified(documents, at)
    return caught.value


@pytest.mark.parametrize(
    "documents",
    [
        [LICENCE],
        [LICENCE, PENSION],
        [PENSION, STUDENT],
        [SeenDocument(Document.INDIVIDUAL_NUMBER_CARD, date(2025, 5, 5))],
        [SeenDocument(Document.DRIVING_HISTORY)],
        [SeenDocument(Document.INQUIRY_ANSWER), SeenDocument(Document.HEALTH_INSURANCE, date(2016, 3, 31))],
    ],
)
def test_one_with_a_photograph_or_two_others_are_enough(documents: list[SeenDocument]) -> None:
    require_identified(documents, AT)


@pytest.mark.parametrize(
    ("documents", "place", "problem"),
    [
        ([], "documents", "0 of them"),
        ([PENSION], "documents", "1 of them"),
        ([PENSION, PENSION], "pension", "twice"),
        ([LICENCE, LICENCE], "driving-licence", "twice"),
        ([SeenDocument(Document.DRIVING_LICENCE, YESTERDAY)], "driving-licence", "has ended"),
        ([SeenDocument(Document.DRIVING_LICENCE)], "driving-licence", "which is not told"),
        ([PENSION, SeenDocument(Document.STUDENT_CARD, YESTERDAY)], "student-card", "has ended"),
        # One that has ended is not passed over, though another is enough: somebody is to look at it.
        ([LICENCE, SeenDocument(Document.PASSPORT, YESTERDAY)], "passport", "has ended"),
        ([SeenDocument(Document.ALIEN_REGISTRATION, TODAY)], "alien-registration", "any more"),
    ],
)
def test_too_little_is_refused_with_what_is_wrong(
    documents: list[SeenDocument], place: str, problem: str
) -> None:
    error = refused(documents)
    assert error.place == place
    assert problem in error.problem
    assert "2016" not in str(error), "no document's day is shown"


@pytest.mark.parametrize(
    ("document", "day", "counts"),
    [
        (Document.INDIVIDUAL_NUMBER_CARD, date(2015, 12, 31), False),
        (Document.INDIVIDUAL_NUMBER_CARD, date(2016, 1, 1), True),
        (Document.RESIDENCE_CARD, date(2012, 7, 8), False),
        (Document.RESIDENCE_CARD, date(2012, 7, 9), True),
        (Document.ALIEN_REGISTRATION, date(2015, 7, 8), True),
        (Document.ALIEN_REGISTRATION, date(2015, 7, 9), False),
        (Document.DRIVING_HISTORY, date(2012, 3, 31), False),
        (Document.HEALTH_INSURANCE, date(2025, 12, 1), True),
        (Document.HEALTH_INSURANCE, date(2025, 12, 2), False),
        (Document.PASSPORT, date(1990, 1, 1), True),
    ],
)
def test_a_document_counts_in_its_time(document: Document, day: date, *, counts: bool) -> None:
    assert (document in accepted_on(day)) is counts


def test_the_day_is_japans() -> None:
    new_year = datetime(2015, 12, 31, 15, tzinfo=UTC)
    card = [SeenDocument(Document.INDIVIDUAL_NUMBER_CARD, date(2020, 1, 1))]
    require_identified(card, new_year)
    assert "not yet" in refused(card, new_year - timedelta(seconds=1)).problem


@given(st.sets(st.sampled_from(Document), max_size=4))
def test_the_combinations_are_the_rule(kinds: set[Document]) -> None:
    shown = [SeenDocument(kind, TODAY) for kind in sorted(kinds & set(accepted_on(TODAY)))]
    weights = [DOCUMENTS[document.kind].weight for document in shown]
    if weights.count(Weight.PHOTO) >= 1 or weights.count(Weight.OTHER) >= 2:
        require_identified(shown, AT)
    else:
        assert refused(shown).place == "documents"


@pytest.mark.parametrize("number", ["", "123", "ab12", "1234 5678", "-1234", "1" * 21, "\uff11234", "1234\n"])
def test_a_card_number_that_is_none_is_refused_and_not_shown(number: str) -> None:
    with pytest.raises(BadInput) as caught:
        Reception(card_number=number)
    assert number not in str(caught.value) or not number


def test_nothing_personal_stands_in_a_repr() -> None:
    reception = Reception(Purpose.NEW, (LICENCE,), "A123-4567")
    assert "A123" not in repr(reception)
    assert "driving" not in repr(reception)
    assert "2016" not in repr(LICENCE)


# Renewal: when it opens


@pytest.mark.parametrize(
    ("last", "opens"),
    [
        (date(2019, 5, 5), date(2019, 2, 6)),
        (
            date(2019, 5, 31),
            date(2019, 3, 1),
        ),  # February has no 31st: its last day is the one that is too early
        (date(2020, 5, 30), date(2020, 3, 1)),
        (date(2019, 1, 15), date(2018, 10, 16)),
    ],
)
def test_renewal_opens_within_three_months(last: date, opens: date) -> None:
    end = datetime(last.year, last.month, last.day, 14, 59, 59, tzinfo=UTC)
    assert renewal_opens(BirthdayRule(), end) == opens
    assert renewal_opens(YearsRule(3), end) is None


@given(st.integers(0, 400), st.dates(date(2017, 1, 1), date(2060, 1, 1)), st.sampled_from(LeapBirthday))
def test_whoever_renews_once_it_is_open_gains_a_birthday(days: int, today: date, leap: LeapBirthday) -> None:
    rule = BirthdayRule(leap_birthday=leap)
    issued_at = datetime(today.year, today.month, today.day, 3, tzinfo=UTC)
    predecessor = issued_at.replace(hour=14, minute=59, second=59) + timedelta(days=days)
    birth = BUILT.birth_date
    plain = holder_period(rule, issued_at=issued_at, birth_date=birth)
    renewed = holder_period(rule, issued_at=issued_at, birth_date=birth, predecessor_not_after=predecessor)
    opens = renewal_opens(rule, predecessor)
    assert opens is not None
    assert (renewed.not_after > plain.not_after) is (opens <= today)


# At the reception


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


IN_2018 = datetime(2018, 6, 1, 3, tzinfo=UTC)
IN_TIME = datetime(2019, 2, 5, 15, tzinfo=UTC)
"""The first moment of 6 February 2019 in Japan: certificates of 2014 end on 5 May."""
SHOWN = (SeenDocument(Document.DRIVING_LICENCE, date(2030, 1, 1)),)


def received(
    world: EngineWorld,
    purpose: Purpose,
    at: datetime = NOW,
    kinds: tuple[CertificateKind, ...] = RESIDENT_KINDS,
    *,
    documents: tuple[SeenDocument, ...] = SHOWN,
    card_number: str | None = None,
) -> applications.Application:
    return world.registration.file(
        "window",
        RESIDENT,
        world.csrs(*kinds),
        code=CODE,
        at=at,
        reception=Reception(purpose, documents, card_number),
    )


def test_what_was_written_down_is_kept_with_the_case(world: EngineWorld) -> None:
    filed = received(world, Purpose.NEW, documents=(*SHOWN, PENSION), card_number="TOTTORI-000012")
    with world.store.reading() as connection:
        found = applications.find(connection, filed.case.id)
    assert found == filed
    assert found.reception is not None
    assert found.reception.documents == (*SHOWN, PENSION)
    assert "TOTTORI" not in repr(found)


def test_a_case_of_an_office_with_its_own_system_has_none(world: EngineWorld) -> None:
    filed = world.filed()
    with world.store.reading() as connection:
        assert applications.find(connection, filed.case.id).reception is None
        (particulars,) = connection.execute(table.select()).mappings()
    assert "reception" not in particulars["particulars"], "what an older version wrote reads the same"


def test_whoever_is_not_known_is_not_received(world: EngineWorld) -> None:
    with pytest.raises(BadInput, match="do not make the applicant known"):
        received(world, Purpose.NEW, documents=(PENSION,))
    with world.store.reading() as connection:
        assert applications.of_office(connection, None) == []


@pytest.mark.parametrize(
    ("purpose", "held", "at", "kinds", "problem"),
    [
        (Purpose.NEW, False, IN_2018, RESIDENT_KINDS, None),
        (Purpose.NEW, True, IN_2018, RESIDENT_KINDS, "holds a certificate of the kind"),
        (Purpose.NEW, True, IN_TIME, (AUTHENTICATION,), "holds a certificate of the kind user-auth"),
        (Purpose.NEW, True, datetime(2019, 5, 6, tzinfo=UTC), RESIDENT_KINDS, None),  # they have expired
        (Purpose.RENEWAL, False, IN_TIME, RESIDENT_KINDS, "no certificate to renew"),
        (Purpose.RENEWAL, True, IN_TIME, RESIDENT_KINDS, None),
        (Purpose.RENEWAL, True, IN_TIME, (SIGNATURE,), None),
        (Purpose.RENEWAL, True, IN_TIME - timedelta(seconds=1), RESIDENT_KINDS, "not in its last months"),
        (Purpose.REPLACEMENT, True, IN_2018, RESIDENT_KINDS, None),
        (Purpose.REPLACEMENT, False, IN_2018, RESIDENT_KINDS, None),
    ],
)
def test_a_purpose_fits_what_the_resident_holds(
    world: EngineWorld,
    purpose: Purpose,
    at: datetime,
    kinds: tuple[CertificateKind, ...],
    problem: str | None,
    *,
    held: bool,
) -> None:
    if held:
        world.issued()
    if problem is None:
        assert received(world, purpose, at, kinds).reception == Reception(purpose, SHOWN)
        return
    with pytest.raises(BadInput, match=problem) as caught:
        received(world, purpose, at, kinds)
    assert caught.value.place == "purpose"
    assert caught.value.remedy
    assert "2019" not in str(caught.value), "a certificate ends on a birthday, which is not shown"


def test_what_a_move_has_ended_is_new_beside_what_is_renewed(world: EngineWorld) -> None:
    issued = world.issued()
    end(world, issued[SIGNATURE].id, IN_2018)
    assert received(world, Purpose.RENEWAL, IN_TIME).requests
    with pytest.raises(BadInput, match="no certificate to renew"):
        received(world, Purpose.RENEWAL, IN_TIME, (SIGNATURE,))
    assert received(world, Purpose.NEW, IN_TIME, (SIGNATURE,)).requests


def end(world: EngineWorld, certificate: CertificateId, at: datetime) -> None:
    revoke(world.stores, certificate, RevocationReason.AFFILIATION_CHANGED, "operator", at=at)


def test_a_posts_renewal_names_what_it_renews(world: EngineWorld) -> None:
    (issued,) = world.issued(POST, (CertificateKind.OFFICIAL_POST,)).values()
    (foreign,) = world.issued(kinds=(AUTHENTICATION,)).values()

    def filed(*renews: CertificateId, purpose: Purpose = Purpose.RENEWAL) -> applications.Application:
        return world.registration.file(
            "ministry",
            POST,
            world.csrs(CertificateKind.OFFICIAL_POST),
            code=None,
            at=NOW + DAY,
            reception=Reception(purpose, renews=renews),
        )

    assert filed(purpose=Purpose.NEW).requests, "a post may have several"
    found = filed(issued.id)
    with world.store.reading() as connection:
        kept = applications.find(connection, found.case.id).reception
    assert kept == Reception(Purpose.RENEWAL, renews=(issued.id,))
    with pytest.raises(BadInput, match="no certificate to renew"):
        filed()
    with pytest.raises(BadInput, match="not one of this office's"):
        filed(foreign.id)
    end(world, issued.id, NOW + DAY)
    with pytest.raises(BadInput, match="has ended"):
        filed(issued.id)
