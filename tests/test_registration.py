"""The use cases of registration over a real store: who may do what with which case, and what comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from ca.birth import BirthDate
from ca.errors import BadInput, Conflict, CsrRefused, KakehashiError, NotFound, NotPermitted
from ca.keys.pool import POOL_SIZE, public_test_key
from ca.keys.signer import SoftwareSigner
from ca.model import (
    RESIDENT_KINDS,
    CertificateId,
    CertificateKind,
    MunicipalityCode,
    OfficeId,
    Officer,
    OfficerId,
    OfficialPost,
    Resident,
    Role,
    resident_code,
)
from ca.rules.identity import Purpose, Reception
from ca.rules.registration import Case, State, Step
from ca.store import applications, holdings, officers
from ca.store.tables import certificates
from tests.engine_world import (
    CODE,
    NOW,
    OFFICERS,
    POST,
    RESIDENT,
    TOWN,
    EngineWorld,
    Running,
    append,
    csr_for,
    csr_of,
    engine_world,
    lines,
    opened,
)
from tests.national_world import BEGINS, LOCAL, national_world

SIGNATURE, USER_AUTHENTICATION = RESIDENT_KINDS
OFFICIAL_POST = CertificateKind.OFFICIAL_POST
DAY = timedelta(days=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        yield made


def case_of(world: EngineWorld, case: str) -> Case:
    with world.store.reading() as connection:
        return applications.find(connection, case).case


def step(world: EngineWorld, case: str, name: Step, officer: str) -> None:
    deeds: dict[Step, Callable[..., object]] = {
        Step.EXAMINE: world.registration.examine,
        Step.APPROVE: world.registration.approve,
        Step.REJECT: world.registration.reject,
        Step.ISSUE: world.registration.issue,
    }
    deeds[name](case, officer, at=NOW)


# The straight line.


def test_an_application_goes_through_four_hands(world: EngineWorld) -> None:
    application = world.filed(at=NOW)
    case = application.case.id
    assert application.case.state is State.FILED
    assert [request.kind for request in application.requests] == [*RESIDENT_KINDS]
    assert world.registration.examine(case, "window-2", at=NOW + DAY).state is State.EXAMINED
    assert world.registration.approve(case, "centre-1", at=NOW + 2 * DAY).state is State.APPROVED
    issued = world.registration.issue(case, "operator", at=NOW + 3 * DAY)
    found = case_of(world, case)
    assert found.state is State.ISSUED
    assert [(taken.step, taken.officer, taken.at) for taken in found.history] == [
        (Step.FILE, "window", NOW),
        (Step.EXAMINE, "window-2", NOW + DAY),
        (Step.APPROVE, "centre-1", NOW + 2 * DAY),
        (Step.ISSUE, "operator", NOW + 3 * DAY),
    ]
    assert {item.record.kind for item in issued} == set(RESIDENT_KINDS)
    assert {item.record.application for item in issued} == {case}
    with world.store.reading() as connection:
        assert application.holder is not None
        held = holdings.of_holder(connection, application.holder)
    assert {record.certificate for record in held} == {item.id for item in issued}
    assert {(record.scope, record.period) for record in held} == {
        (item.record.scope, item.record.period) for item in issued
    }
    for item in issued:
        read = x509.Certificate.load(item.encoded, strict=True)
        assert read.not_valid_before == NOW + 3 * DAY
        # Born on 5 May: the fifth birthday after issue, at the end of that day in Japan.
        assert read.not_valid_after == datetime(2019, 5, 5, 14, 59, 59, tzinfo=UTC)
        wanted = next(one.public_key for one in application.requests if one.kind is item.record.kind)
        assert read.public_key.dump() == wanted


def test_the_signature_certificate_tells_the_four_items_and_the_other_nothing(world: EngineWorld) -> None:
    issued = world.issued()
    for text in (RESIDENT.name, RESIDENT.address, "419900505"):
        assert text.encode() in issued[SIGNATURE].encoded
        assert text.encode() not in issued[USER_AUTHENTICATION].encoded
    for item in issued.values():
        assert CODE.encode() not in item.encoded
    subject = x509.Certificate.load(issued[USER_AUTHENTICATION].encoded).subject.native
    assert subject.keys() == {"country_name", "common_name"}


def test_one_kind_alone_may_be_asked_for(world: EngineWorld) -> None:
    for kind in RESIDENT_KINDS:
        assert world.issued(kinds=(kind,)).keys() == {kind}


def test_a_post_is_certified_by_its_own_authority(world: EngineWorld) -> None:
    issued = world.issued(POST, (OFFICIAL_POST,))[OFFICIAL_POST]
    assert str(issued.id).startswith("gpki-post.g1:")
    assert issued.record.scope == "official-post-all"
    with world.store.reading() as connection:
        (held,) = holdings.with_keys(connection, [issued.record.subject_key]).values()
    assert (held.certificate, held.holder) == (issued.id, None)
    read = x509.Certificate.load(issued.encoded, strict=True)
    assert list(read.subject.native.items()) == [
        ("country_name", "JP"),
        ("organization_name", "GPKI-TEST"),
        ("organizational_unit_name", POST.ministry),
        ("common_name", POST.post),
    ]
    assert read.not_valid_after == datetime(2017, 8, 31, 14, 59, 59, tzinfo=UTC)  # three years


def test_the_old_kind_is_the_signature_alone_for_three_years(tmp_path: Path) -> None:
    with engine_world(tmp_path / "old", old_kind=True) as world:
        issued = world.issued(kinds=(SIGNATURE,))[SIGNATURE]
        assert issued.record.period.not_before == NOW
        assert issued.record.period.not_after == datetime(2017, 8, 31, 14, 59, 59, tzinfo=UTC)
        with pytest.raises(NotFound, match="user-authentication") as refused:
            world.filed(kinds=(USER_AUTHENTICATION,))
        assert "(issued: signature)" in str(refused.value)
        # The other kinds go on as they are.
        assert world.issued(POST, (OFFICIAL_POST,)).keys() == {OFFICIAL_POST}


# Who may take which step.


@pytest.mark.parametrize(
    ("so_far", "name", "officer", "error"),
    [
        # FILED: only an examiner of the own office.
        ((), Step.EXAMINE, "window", NotPermitted),
        ((), Step.EXAMINE, "other-window-2", NotPermitted),
        ((), Step.EXAMINE, "centre-1", NotPermitted),
        ((), Step.EXAMINE, "operator", NotPermitted),
        ((), Step.EXAMINE, "ministry-2", NotPermitted),
        ((), Step.EXAMINE, "nobody", NotFound),
        ((), Step.APPROVE, "centre-1", Conflict),
        ((), Step.ISSUE, "operator", Conflict),
        ((), Step.REJECT, "centre-1", NotPermitted),
        ((), Step.REJECT, "other-window-2", NotPermitted),
        # EXAMINED: only an approver of the centre.
        ((Step.EXAMINE,), Step.EXAMINE, "window-3", Conflict),
        ((Step.EXAMINE,), Step.APPROVE, "window-2", NotPermitted),
        ((Step.EXAMINE,), Step.APPROVE, "window-3", NotPermitted),
        ((Step.EXAMINE,), Step.APPROVE, "operator", NotPermitted),
        ((Step.EXAMINE,), Step.ISSUE, "operator", Conflict),
        ((Step.EXAMINE,), Step.REJECT, "window-3", NotPermitted),
        # APPROVED: only an operator of the centre.
        ((Step.EXAMINE, Step.APPROVE), Step.APPROVE, "centre-2", Conflict),
        ((Step.EXAMINE, Step.APPROVE), Step.REJECT, "centre-2", NotPermitted),
        ((Step.EXAMINE, Step.APPROVE), Step.ISSUE, "centre-1", NotPermitted),
        ((Step.EXAMINE, Step.APPROVE), Step.ISSUE, "centre-2", NotPermitted),
        ((Step.EXAMINE, Step.APPROVE), Step.ISSUE, "window-3", NotPermitted),
        # ISSUED and REJECTED: nobody.
        ((Step.EXAMINE, Step.APPROVE, Step.ISSUE), Step.ISSUE, "operator-2", Conflict),
        ((Step.EXAMINE, Step.APPROVE, Step.ISSUE), Step.REJECT, "centre-2", Conflict),
        ((Step.REJECT,), Step.EXAMINE, "window-3", Conflict),
        ((Step.EXAMINE, Step.REJECT), Step.APPROVE, "centre-2", Conflict),
    ],
)
def test_a_step_that_is_not_this_officers_changes_nothing(
    world: EngineWorld, so_far: tuple[Step, ...], name: Step, officer: str, error: type[KakehashiError]
) -> None:
    case = world.filed().case.id
    takers = {Step.EXAMINE: "window-2", Step.APPROVE: "centre-1", Step.ISSUE: "operator"}
    for taken in so_far:
        rejecter = "centre-1" if Step.EXAMINE in so_far else "window-2"
        step(world, case, taken, takers.get(taken, rejecter))
    before = world.dump()
    with pytest.raises(error):
        step(world, case, name, officer)
    assert world.dump() == before


@pytest.mark.parametrize("name", [Step.EXAMINE, Step.APPROVE, Step.REJECT, Step.ISSUE])
def test_a_case_that_is_none_is_not_found(world: EngineWorld, name: Step) -> None:
    with pytest.raises(NotFound, match="312011-000077"):
        step(world, "312011-000077", name, "operator")


def test_nobody_takes_two_steps_of_a_case_whatever_the_roles(world: EngineWorld) -> None:
    with world.store.writing() as connection:
        for name, office in (("all-window", TOWN), ("all-centre", "centre")):
            everything = frozenset(Role)
            officers.add_officer(connection, Officer(OfficerId(name), OfficeId(office), everything))
    case = world.filed(officer="all-window").case.id
    for name in (Step.EXAMINE, Step.REJECT):
        with pytest.raises(NotPermitted, match="has taken a step of it already"):
            step(world, case, name, "all-window")
    step(world, case, Step.EXAMINE, "window-2")
    step(world, case, Step.APPROVE, "all-centre")
    with pytest.raises(NotPermitted, match="has taken a step of it already"):
        step(world, case, Step.ISSUE, "all-centre")
    step(world, case, Step.ISSUE, "operator")
    # Another case is another matter.
    other = world.approved(officer="all-window").case.id
    step(world, other, Step.ISSUE, "all-centre")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Step.EXAMINE, Step.APPROVE, Step.REJECT, Step.ISSUE]),
            st.sampled_from([name for name, _, _ in OFFICERS]),
        ),
        max_size=25,
    )
)
@settings(max_examples=40, deadline=None)
def test_no_order_of_attempts_gets_around_four_eyes(
    tmp_path_factory: pytest.TempPathFactory, attempts: list[tuple[Step, str]]
) -> None:
    roles = {name: (office, role) for name, office, role in OFFICERS}
    wanted = {
        Step.FILE: (TOWN, Role.RECEPTION),
        Step.EXAMINE: (TOWN, Role.EXAMINER),
        Step.APPROVE: ("centre", Role.APPROVER),
        Step.ISSUE: ("centre", Role.OPERATOR),
    }
    with engine_world(tmp_path_factory.mktemp("attempts")) as world:
        case = world.filed(kinds=(USER_AUTHENTICATION,)).case.id
        for name, officer in attempts:
            with suppress(KakehashiError):
                step(world, case, name, officer)
        found = case_of(world, case)
        takers = [taken.officer for taken in found.history]
        assert len(set(takers)) == len(takers)
        if found.state is State.ISSUED:
            assert [taken.step for taken in found.history] == list(wanted)
        for taken in found.history:
            if taken.step is not Step.REJECT:
                assert roles[taken.officer] == wanted[taken.step]


# Races.


def take_one(folder: Path, case: str, name: str, officer: str, told: Path) -> None:
    with opened(folder) as world:
        try:
            step(world, case, Step(name), officer)
        except KakehashiError as error:
            append(told, type(error).__name__.encode())
        else:
            append(told, b"done")


@pytest.mark.parametrize(
    ("so_far", "name", "one", "other"),
    [
        ((), Step.EXAMINE, "window-2", "window-3"),
        ((), Step.REJECT, "window-2", "window-3"),
        (("window-2",), Step.APPROVE, "centre-1", "centre-2"),
    ],
)
def test_of_two_officers_at_once_one_takes_the_step(
    world: EngineWorld, tmp_path: Path, so_far: tuple[str, ...], name: Step, one: str, other: str
) -> None:
    case = world.filed().case.id
    for examiner in so_far:
        step(world, case, Step.EXAMINE, examiner)
    told = tmp_path / "told"
    running = [Running(take_one, world.folder, case, name, officer, told) for officer in (one, other)]
    assert [process.wait() for process in running] == [0, 0]
    assert sorted(lines(told)) == [b"Conflict", b"done"]
    assert [taken.step for taken in case_of(world, case).history].count(name) == 1


def test_of_two_threads_at_once_one_takes_each_step(world: EngineWorld) -> None:
    for _ in range(8):
        case = world.filed(kinds=(USER_AUTHENTICATION,)).case.id
        for name, pair in (
            (Step.EXAMINE, ("window-2", "window-3")),
            (Step.APPROVE, ("centre-1", "centre-2")),
        ):
            barrier, told = threading.Barrier(2), []

            def take(officer: str, name=name, barrier=barrier, told=told, case=case) -> None:
                barrier.wait()
                try:
                    step(world, case, name, officer)
                    told.append("done")
                except Conflict:
                    told.append("late")

            threads = [threading.Thread(target=take, args=(officer,)) for officer in pair]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(told) == ["done", "late"]
        assert case_of(world, case).state is State.APPROVED


def test_two_operators_at_once_issue_one_set_of_certificates(world: EngineWorld, tmp_path: Path) -> None:
    told = tmp_path / "told"
    for _ in range(3):
        case = world.approved().case.id
        running = [
            Running(take_one, world.folder, case, Step.ISSUE, officer, told)
            for officer in ("operator", "operator-2")
        ]
        assert [process.wait() for process in running] == [0, 0]
        found = case_of(world, case)
        assert found.state is State.ISSUED
        assert [taken.step for taken in found.history].count(Step.ISSUE) == 1
        with world.store.reading() as connection:
            table = certificates.c
            rows = connection.execute(select(table.kind, table.state).where(table.application == case)).all()
        assert sorted(map(tuple, rows)) == [(kind, "issued") for kind in sorted(RESIDENT_KINDS)]
    assert lines(told).count(b"done") >= 3
    assert set(lines(told)) <= {b"done", b"Conflict"}


def test_one_key_in_two_applications_at_once_is_taken_once(world: EngineWorld, tmp_path: Path) -> None:
    told = tmp_path / "told"
    running = [Running(file_one, world.folder, told) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    assert sorted(lines(told)) == [b"CsrRefused", b"done"]


def test_of_two_renewals_at_once_one_is_received(world: EngineWorld, tmp_path: Path) -> None:
    (issued,) = world.issued(POST, (OFFICIAL_POST,)).values()
    told = tmp_path / "told"
    running = [Running(renew_one, world.folder, issued.id, number, told) for number in (77, 78)]
    assert [process.wait() for process in running] == [0, 0]
    assert sorted(lines(told)) == [b"Conflict", b"done"]


def renew_one(folder: Path, certificate: CertificateId, number: int, told: Path) -> None:
    with opened(folder) as world:
        try:
            world.registration.file(
                "ministry", POST, {OFFICIAL_POST: csr_for(number)}, code=None, at=NOW + DAY,
                reception=Reception(Purpose.REPLACEMENT, renews=(certificate,)),
            )  # fmt: skip
        except Conflict:
            append(told, b"Conflict")
        else:
            append(told, b"done")


def file_one(folder: Path, told: Path) -> None:
    with opened(folder) as world:
        try:
            world.filed(csrs={SIGNATURE: csr_for(77)})
        except CsrRefused:
            append(told, b"CsrRefused")
        else:
            append(told, b"done")


# What is not received.

ELSEWHERE = replace(RESIDENT, municipality=MunicipalityCode("312029"))

REFUSED: dict[str, tuple[Callable[[EngineWorld], object], type[KakehashiError], str]] = {
    "a resident of another municipality": (
        lambda world: world.filed(ELSEWHERE),
        BadInput,
        "The application belongs to office 312029",
    ),
    "a resident of another prefecture": (
        lambda world: world.filed(replace(RESIDENT, municipality=MunicipalityCode("131016"))),
        BadInput,
        "which office 312011 does not serve",
    ),
    "a resident of no municipality": (
        lambda world: world.filed(replace(RESIDENT, municipality=MunicipalityCode("999999"))),
        NotFound,
        "municipality '999999'",
    ),
    "a resident of a designated city as a whole": (
        lambda world: world.filed(replace(RESIDENT, municipality=MunicipalityCode("011002"))),
        NotFound,
        "Name a ward: 011011",
    ),
    "a resident without a code": (lambda world: world.filed(code=None), BadInput, "needs the resident code"),
    "a resident at a ministry": (
        lambda world: world.filed(officer="ministry", kinds=(OFFICIAL_POST,)),
        BadInput,
        "The application belongs to office 312011",
    ),
    "a post at a window": (
        lambda world: world.filed(POST, (SIGNATURE,), officer="window"),
        BadInput,
        "the post is not one of",
    ),
    "another ministry's post": (
        lambda world: world.filed(OfficialPost("Ministry of Others", "The Minister"), (OFFICIAL_POST,)),
        BadInput,
        "the post is not one of Ministry of Examples",
    ),
    "a resident's kind for a post": (
        lambda world: world.filed(POST, (SIGNATURE,)),
        NotFound,
        "kind signature: is not issued by gpki-post (issued: official-post)",
    ),
    "a post's kind for a resident": (
        lambda world: world.filed(kinds=(OFFICIAL_POST,)),
        NotFound,
        "kind official-post: is not issued by jpki-31",
    ),
    "a kind that nobody applies for": (
        lambda world: world.filed(kinds=(CertificateKind.CROSS,)),
        NotFound,
        "kind cross",
    ),
    "no kind at all": (lambda world: world.filed(kinds=()), BadInput, "asks for no certificate"),
    "at the centre": (
        lambda world: world.filed(officer="centre-1"),
        BadInput,
        "office centre: receives no applications",
    ),
    "by an unknown officer": (lambda world: world.filed(officer="nobody"), NotFound, "officer 'nobody'"),
    "by an examiner": (lambda world: world.filed(officer="window-2"), NotPermitted, "role reception"),
    "a request that is none": (
        lambda world: world.filed(csrs={SIGNATURE: csr_for(1), USER_AUTHENTICATION: b"none"}),
        CsrRefused,
        "user-authentication request: is not a PKCS#10",
    ),
    "one key for two kinds": (
        lambda world: world.filed(csrs=dict.fromkeys(RESIDENT_KINDS, csr_for(1))),
        CsrRefused,
        "asks for two kinds with one key",
    ),
    "a child's signature": (
        lambda world: world.filed(replace(RESIDENT, birth_date=BirthDate(2000, 1, 1))),
        BadInput,
        "the applicant is under 15",
    ),
}


@pytest.mark.parametrize(("attempt", "error", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_received_leaves_nothing(
    world: EngineWorld, attempt: Callable[[EngineWorld], object], error: type[KakehashiError], said: str
) -> None:
    before = world.dump()
    with pytest.raises(error) as refused:
        attempt(world)
    assert said in str(refused.value)
    assert world.dump() == before
    for personal in (RESIDENT.name, RESIDENT.address, CODE, "2000"):
        assert personal not in str(refused.value)


def test_a_key_is_certified_once(world: EngineWorld) -> None:
    csrs = {SIGNATURE: csr_for(900)}
    first = world.filed(csrs=csrs)
    for kind in RESIDENT_KINDS:  # as long as the first application may still be issued
        with pytest.raises(CsrRefused, match="its key is in another certificate or application"):
            world.filed(csrs={kind: csr_for(900)})
    world.registration.reject(first.case.id, "window-2", at=NOW)
    second = world.approved(csrs=csrs)
    world.registration.issue(second.case.id, "operator", at=NOW)
    with pytest.raises(CsrRefused):
        world.filed(csrs=csrs)
    with pytest.raises(CsrRefused):
        world.filed(POST, csrs={OFFICIAL_POST: csr_for(900)})


def test_an_authoritys_own_key_is_not_certified_for_a_holder(world: EngineWorld) -> None:
    """Whoever holds the private key could ask for it; the keys of test worlds are public."""
    own = world.issuer("jpki-31").record.public_key
    keys = (public_test_key(index) for index in range(POOL_SIZE))
    key = next(key for key in keys if SoftwareSigner("", key).public_key == own)
    with pytest.raises(CsrRefused, match="its key is in another certificate"):
        world.filed(csrs={SIGNATURE: csr_of(key, "holder")})


@pytest.mark.parametrize(
    ("after", "told"),
    [(timedelta(microseconds=999_999), None), (timedelta(seconds=1), "has ended")],
    ids=["in its last second", "after it"],
)
def test_a_post_is_renewed_until_its_certificate_has_ended(
    world: EngineWorld, after: timedelta, told: str | None
) -> None:
    (issued,) = world.issued(POST, (OFFICIAL_POST,)).values()
    at = issued.record.period.not_after + after
    reception = Reception(Purpose.RENEWAL, renews=(issued.id,))

    def renew() -> None:
        csrs = {OFFICIAL_POST: csr_for(77)}
        world.registration.file("ministry", POST, csrs, code=None, at=at, reception=reception)

    if told is None:
        renew()
        return
    with pytest.raises(BadInput, match=told):
        renew()


BORN = BirthDate(1999, 9, 1)
MIDNIGHT = datetime(2014, 8, 31, 15, 0, 0, tzinfo=UTC)  # 1 September 2014, 0:00 in Japan


def test_the_signature_kind_begins_at_fifteen_in_japanese_days(world: EngineWorld) -> None:
    young = replace(RESIDENT, birth_date=BORN)
    with pytest.raises(BadInput, match="under 15"):
        world.filed(young, (SIGNATURE,), at=MIDNIGHT - timedelta(seconds=1))
    world.filed(young, (USER_AUTHENTICATION,), at=MIDNIGHT - timedelta(seconds=1))
    world.filed(young, (SIGNATURE,), at=MIDNIGHT)


# The resident's code.


def test_the_resident_code_is_kept_only_keyed(world: EngineWorld) -> None:
    application = world.filed()
    world.registration.examine(application.case.id, "window-2", at=NOW)
    again = world.filed()
    another = world.filed(code=resident_code("98765432103"))
    assert application.holder == again.holder
    assert application.holder != another.holder
    assert application.holder is not None
    assert len(application.holder) == 32
    assert CODE not in repr(application)
    world.store.close()
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    assert any(path.name == "store.db" for path in files)
    for path in files:
        octets = path.read_bytes()
        for form in (CODE.encode(), CODE.encode("utf-16-le"), int(CODE).to_bytes(5, "big")):
            assert form not in octets, path.name
    # Found again by the key alone, which does not lie in the database.
    assert world.vault.code_key() not in (world.folder / "store.db").read_bytes()


def test_a_case_shows_no_personal_data_in_its_repr(world: EngineWorld) -> None:
    application = world.filed()
    for personal in (RESIDENT.name, RESIDENT.address, "1990"):
        assert personal not in repr(application)


# Differences between worlds and moments.


def test_pseudonyms_and_serials_differ_from_case_to_case(world: EngineWorld) -> None:
    issued = [item for _ in range(5) for item in world.issued().values()]
    serials = {item.id.serial for item in issued}
    names = {x509.Certificate.load(item.encoded).subject.native["common_name"] for item in issued}
    assert len(serials) == len(names) == len(issued)
    assert all(len(name) == 23 and name[14:19] == TOWN[:5] for name in names)


def test_a_certificate_does_not_outlive_its_authority(world: EngineWorld) -> None:
    late = datetime(2022, 1, 1, tzinfo=UTC)
    issued = world.issued(at=late)
    end = world.issuer("jpki-31").record.period.not_after
    assert {item.record.period.not_after for item in issued.values()} == {end}
    assert end < datetime(2026, 5, 5, tzinfo=UTC)


def test_what_was_rejected_is_told_by_whom(world: EngineWorld) -> None:
    case = world.filed().case.id
    world.registration.examine(case, "window-2", at=NOW)
    world.registration.reject(case, "centre-2", at=NOW)
    found = case_of(world, case)
    assert (found.state, found.history[-1].officer) == (State.REJECTED, "centre-2")


def test_a_resident_may_be_any_that_the_profile_can_carry(world: EngineWorld) -> None:
    for resident in (
        replace(RESIDENT, name="A　B", name_substitutes="000"),
        replace(RESIDENT, birth_date=BirthDate(1912, 7, 29)),
        replace(RESIDENT, address="北" * 100, address_substitutes="1" * 100),
    ):
        assert isinstance(resident, Resident)
        assert world.issued(resident).keys() == set(RESIDENT_KINDS)


def test_a_kind_is_only_for_whom_it_is_meant(tmp_path: Path) -> None:
    """A post of a ministry that happens to have a local government's name gets none of its kinds."""
    with national_world(tmp_path / "national") as world:
        mayor = OfficialPost(LOCAL.government, "Mayor")
        with pytest.raises(BadInput, match="not for this kind of applicant"):
            world.registration.file("local", mayor, world.csrs(CertificateKind.LG_POST), code=None, at=BEGINS)
