"""The approval of a batch."""

from __future__ import annotations

from datetime import datetime

from ca.rules import registration
from ca.store import batches, officers
from ca.store.batches import BatchRecord
from ca.store.stores import Stores


def begin_batch(
    stores: Stores, batch: str, rows: int, *, approver: str, operator: str, at: datetime
) -> BatchRecord:
    """Write down that a batch is approved and issued; a batch that was begun goes on as it was approved.

    Raises:
        NotFound: An officer is unknown.
        NotPermitted: The two are not an approver and an operator of the centre, or one and the same.
    """
    with stores.nation.writing() as connection:
        approving, issuing = officers.officer(connection, approver), officers.officer(connection, operator)
        registration.require_batch(approving, issuing)
        return batches.begin(connection, BatchRecord(batch, rows, approving[0].id, issuing[0].id, at))
