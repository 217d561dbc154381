"""Carrying out orders of many certificates at a pace that leaves the others their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from time import perf_counter

from ca.clock import Clock
from ca.revoking.deciding.mass import advance
from ca.store.orders import OrderRecord
from ca.store.stores import Stores

ORDERS_JOB = "orders"
"""The lease of whoever carries orders out: two would do each chunk once all the same, and only be in each other's way."""

TURN = timedelta(seconds=5)
"""For so long a worker does nothing else, and nobody waits longer for the lease of one that is gone."""


def chunks(stores: Stores, clock: Clock, rest: Callable[[float], object]) -> Iterator[OrderRecord]:
    """Carry out running orders, the most urgent first, until there are none; gives the order after each chunk.

    Args:
        stores: The databases.
        clock: The world's clock.
        rest: Waits for so many seconds. Who issues waits for the chunk, and needs as long again to catch up.
    """
    while True:
        began = perf_counter()
        order = advance(stores, at=clock())
        if order is None:
            return
        yield order
        rest(perf_counter() - began)
