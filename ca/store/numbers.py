"""Numbers that were given out, also where a restored copy has forgotten to whom: none is given a second time."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from ca.model import ApplicationId, OfficeId
from ca.store.tables import counters

_CASES, _ORDERS = "case-numbers {}", "order-numbers"


def spent_cases(connection: Connection, office: OfficeId) -> int:
    """Up to which number the journal tells of the office's cases."""
    return _spent(connection, _CASES.format(office))


def spend_case(connection: Connection, case: ApplicationId) -> None:
    """Remember that a case of this number was told of."""
    office, _, number = case.rpartition("-")
    _spend(connection, _CASES.format(office), int(number))


def spent_orders(connection: Connection) -> int:
    """Up to which number the journal tells of orders of many."""
    return _spent(connection, _ORDERS)


def spend_order(connection: Connection, number: int) -> None:
    """Remember that an order of this number was told of."""
    _spend(connection, _ORDERS, number)


def _spent(connection: Connection, name: str) -> int:
    return (
        connection.execute(select(counters.c.value).where(counters.c.name == name)).scalar_one_or_none() or 0
    )


def _spend(connection: Connection, name: str, number: int) -> None:
    known = connection.execute(select(counters.c.value).where(counters.c.name == name)).scalar_one_or_none()
    if known is None:
        connection.execute(insert(counters).values(name=name, value=number))
    elif known < number:
        connection.execute(update(counters).where(counters.c.name == name).values(value=number))
