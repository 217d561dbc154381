"""What is counted by office and day, against the same counted by hand from every row; and that an index is used."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from ca.model import CertificateKind, OfficeId, OfficeKind, RevocationReason, partition_scope
from ca.rules.registration import State, Step
from ca.rules.validity import JST
from ca.store import counts, tables
from ca.store.counts import Days
from ca.store.engine import Store
from ca.store.schema import migrate
from tests import engine_world

END = datetime(2026, 4, 10, 3, 0, tzinfo=UTC)  # noon in Japan
DAYS = Days.until(END, 7)
OFFICES = tuple(map(OfficeId, ("131016", "131024", "ministry-1")))
OFFICERS = ("ito", "endo", "sato")
STATES = {Step.REJECT: State.REJECTED, Step.ISSUE: State.DELIVERED}

hours = st.integers(0, 24 * 12)
cases = st.lists(
    st.tuples(st.sampled_from(OFFICES), hours, st.sampled_from([None, Step.REJECT, Step.ISSUE]), hours),
    max_size=25,
)
ends = st.lists(
    st.tuples(st.sampled_from(["131016", "131024", ""]), st.integers(0, 30), st.sampled_from([1, 5, 6, 8])),
    max_size=25,
)


@pytest.fixture(scope="module")
def store(database, tmp_path_factory):  # noqa: ARG001 - one in each database
    store = Store.open(engine_world.new_database(tmp_path_factory.mktemp("counts")))
    migrate(store)
    with store.writing() as connection:
        connection.execute(
            tables.offices.insert(),
            [
                {
                    "office": office,
                    "kind": OfficeKind.WINDOW if office.isdigit() else OfficeKind.MINISTRY,
                    "name": office,
                    "authorities": "",
                }
                for office in OFFICES
            ],
        )
        connection.execute(
            tables.officers.insert(),
            [
                {"officer": name, "office": office, "roles": "", "name": ""}
                for name, office in zip(OFFICERS, OFFICES, strict=True)
            ],
        )
    yield store
    store.close()


@pytest.fixture
def empty(store):
    """The store without cases and revocations."""
    clear(store)
    return store


def clear(store):
    with store.writing() as connection:
        for table in (tables.application_steps, tables.applications, tables.revocations):
            connection.execute(table.delete())


def put_cases(store, found):
    """Cases of (office, filed so many hours before the end, how it was decided, so many hours later)."""
    with store.writing() as connection:
        for number, (office, before, decision, later) in enumerate(found, 1):
            name, filed = f"{office}-{number:06}", END - timedelta(hours=before)
            decided = filed + timedelta(hours=later)
            taken = None if decided > END else decision
            state = STATES.get(taken, State.FILED)
            connection.execute(
                tables.applications.insert().values(
                    application=name,
                    office=office,
                    state=state,
                    particulars="{}",
                    sought_name="",
                    filed_at=filed,
                )
            )
            steps = [(Step.FILE, filed)] if taken is None else [(Step.FILE, filed), (taken, decided)]
            for position, (step, at) in enumerate(steps):
                connection.execute(
                    tables.application_steps.insert().values(
                        application=name,
                        position=position,
                        step=step,
                        officer=OFFICERS[number % 3],
                        at=at,
                    )
                )


def put_ends(store, found):
    """Revocations in the order of their writing down: (municipality, hours since the one before, reason)."""
    at = END - timedelta(hours=sum(hours for _, hours, _ in found))
    written = []
    with store.writing() as connection:
        for number, (code, later, reason) in enumerate(found, 1):
            at += timedelta(hours=later)
            scope = partition_scope(CertificateKind.SIGNATURE, code) if code else "full"
            connection.execute(
                tables.revocations.insert().values(
                    generation="jpki-13.g1",
                    scope=scope,
                    serial=number.to_bytes(20, "big"),
                    revoked_at=END,
                    reason=reason,
                    not_after=END,
                    entry=b"",
                    sequence=number,
                    cause="officer ito",
                    journal_index=number,
                    recorded_at=at,
                )
            )
            written.append((OfficeId(code) if code else None, at, reason))
    return written


def by_hand(moments):
    """How many there are on each of the days."""
    found = Counter(at.astimezone(JST).date() for at in moments)
    return {day: count for day, count in found.items() if DAYS.first <= day <= DAYS.last}


def rows(store):
    """Every step with its case's office, as plain rows."""
    query = tables.application_steps.join(tables.applications).select()
    with store.reading() as connection:
        return [
            (row.office, Step(row.step), row.at, row.filed_at, row.officer)
            for row in connection.execute(query)
        ]


def test_days_are_those_of_japan():
    midnight = datetime(2026, 4, 9, 15, 0, tzinfo=UTC)
    assert Days.until(midnight - timedelta(seconds=1), 1).last == date(2026, 4, 9)
    days = Days.until(midnight, 3)
    assert list(days) == [date(2026, 4, 8), date(2026, 4, 9), date(2026, 4, 10)]
    assert (days.since, days.before) == (midnight - timedelta(days=2), midnight + timedelta(days=1))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=cases)
def test_steps_and_waits_are_those_of_every_row(store, found):
    clear(store)
    put_cases(store, found)
    every = rows(store)
    with store.reading() as connection:
        steps = counts.steps_by_day(connection, DAYS)
        apart = {office: counts.steps_by_day(connection, DAYS, office) for office in OFFICES}
        issued = counts.steps_by_office(connection, Step.ISSUE, DAYS)
        waiting = counts.waiting(connection)
        oldest = counts.oldest_waiting(connection, 5)
        waits = counts.waits(connection, DAYS, 1000)
        decided = counts.decisions(counts.decisions_by_day(connection, DAYS))
    for step in Step:
        assert steps[step] == by_hand(at for _, taken, at, _, _ in every if taken is step)
        assert counts.total(each[step] for each in apart.values()) == steps[step]
    for office in OFFICES:
        mine = [row for row in every if row[0] == office]
        assert issued.get(office, {}) == by_hand(at for _, step, at, _, _ in mine if step is Step.ISSUE)
        open_since = [
            filed
            for _, step, _, filed, _ in mine
            if step is Step.FILE and not any(row[1] is not Step.FILE and row[3] == filed for row in mine)
        ]
        if office in waiting:
            assert waiting[office].oldest == min(one.filed_at for one in oldest_of(store, office))
            assert waiting[office].cases == len(oldest_of(store, office)) >= len(open_since)
    assert [one.filed_at for one in oldest] == sorted(one.filed_at for one in oldest_of(store))[:5]
    took = Counter(at - filed for _, step, at, filed, _ in every if step is Step.ISSUE and by_hand([at]))
    assert Counter(wait for some in waits.values() for wait in some) == took
    rejected = Counter(who for *_, step, at, _, who in every if step is Step.REJECT and by_hand([at]))
    assert {who: one.rejected for who, one in decided.items()} == dict(rejected)


def oldest_of(store, office=None):
    with store.reading() as connection:
        return [one for one in counts.oldest_waiting(connection, 1000) if office in {None, one.office}]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=cases)
def test_what_waited_is_told_backwards_from_what_waits(store, found):
    clear(store)
    put_cases(store, found)
    every = rows(store)
    with store.reading() as connection:
        cases = sum(one.cases for one in counts.waiting(connection).values())
        told = counts.waiting_by_day(cases, counts.steps_by_day(connection, DAYS), DAYS)
    assert list(told) == list(DAYS)
    for day, waited in told.items():
        end = Days(day, day).before
        filed = sum(step is Step.FILE and at < end for _, step, at, _, _ in every)
        assert waited == filed - sum(step is not Step.FILE and at < end for _, step, at, _, _ in every)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=ends)
def test_what_ended_is_counted_by_the_municipality_of_its_list(store, found):
    clear(store)
    written = put_ends(store, found)
    with store.reading() as connection:
        counted = counts.revoked([connection], DAYS)
        twice = counts.revoked([connection, connection], DAYS)
    for office in (*OFFICES[:2], None):
        mine = [
            at
            for whose, at, reason in written
            if whose == office and reason != RevocationReason.REMOVE_FROM_CRL
        ]
        assert counted.get(office, {}) == by_hand(mine)
        assert twice.get(office, {}) == {day: 2 * count for day, count in by_hand(mine).items()}


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda connection: counts.steps_by_day(connection, DAYS), "COVERING INDEX application_steps_step"),
        (lambda connection: counts.steps_by_office(connection, Step.ISSUE, DAYS), "application_steps_step"),
        (lambda connection: counts.steps_by_day(connection, DAYS, OFFICES[0]), "(office=?)"),
        (counts.waiting, "applications_"),
        (lambda connection: counts.oldest_waiting(connection, 5), "INDEX applications_state"),
        (lambda connection: counts.waits(connection, DAYS, 5), "INDEX application_steps_step"),
        (lambda connection: counts.decisions_by_day(connection, DAYS), "INDEX application_steps_step"),
        (lambda connection: counts.revoked([connection], DAYS), "INDEX revocations_sequence"),
    ],
    ids=["steps", "issued", "one office", "waiting", "oldest", "waits", "decisions", "revoked"],
)
def test_no_question_reads_a_whole_table(empty, ask, index):
    asked = []
    with empty.reading() as connection:

        @event.listens_for(connection, "before_cursor_execute")
        def _listen(_connection, _cursor, statement, parameters, *_):
            asked.append((statement, parameters))

        ask(connection)
        plans = [
            row.detail
            for statement, parameters in list(asked)
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert any(index in plan for plan in plans), plans
    assert not [plan for plan in plans if plan.startswith("SCAN") and "INDEX" not in plan], plans
