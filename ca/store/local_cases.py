"""The cases of local governments that wait for somebody at the centre."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ca.model import Office, OfficeKind, Officer
from ca.rules.registration import RULES, Place, steps_open_to
from ca.store import applications
from ca.store.search import FoundCase
from ca.store.tables import applications as application_table
from ca.store.tables import offices


def waiting_at_centre(
    connection: Connection, officer: Officer, office: Office, limit: int
) -> tuple[FoundCase, ...]:
    """Cases of which this officer of the centre may take a step now, those filed first first."""
    course = OfficeKind.LOCAL_GOVERNMENT
    states = {
        rule.before
        for rules in RULES.values()
        for rule in rules
        if rule.place is Place.CENTRE and rule.role in officer.roles and course in rule.courses
    }
    table = application_table
    query = (
        select(table.c.application)
        .join(offices, offices.c.office == table.c.office)
        .where(offices.c.kind == course, table.c.state.in_([state for state in states if state is not None]))
        .order_by(table.c.filed_at, table.c.application)
    )
    found: list[FoundCase] = []
    for number in connection.execute(query).scalars().all():
        application = applications.find(connection, number)
        if steps := steps_open_to(application.case, officer, office):
            kinds = tuple(request.kind for request in application.requests)
            filed_at = application.case.history[0].at
            found.append(FoundCase(application.case, application.applicant, kinds, filed_at, steps))
        if len(found) == limit:
            break
    return tuple(found)
