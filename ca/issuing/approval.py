"""A batch as it stands in the nation's register: approved, begun, and mended after a crash."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime

from ca.errors import HomeRefused
from ca.rules import registration
from ca.store import batches, certificates, holdings, officers
from ca.store.batches import BatchAnswer, BatchRecord
from ca.store.stores import Connections, KeptFirst, Stores

_LOST = "was lost by a crash before it was signed. Send the holder again"


def mend_batch(stores: Stores, batch: str) -> int:
    """Take back the answers whose certificates never reached their authority's own database; gives how many rows.

    Only a crash between the commits of two databases leaves any: what was not intended there was not signed. A row
    that has another certificate already keeps that one, and a problem in the place of the one that it lacks.

    Raises:
        HomeRefused: A certificate that was there is gone, as when an old copy of a database was restored.
    """
    if not stores.own:
        return 0
    unconfirmed: dict[int, list[BatchAnswer]] = defaultdict(list)
    whole: set[int] = set()
    with stores.reading() as reading:
        for answer in batches.answers(reading.nation, batch):
            if answer.certificate is None:
                continue
            if not answer.confirmed:
                unconfirmed[answer.row].append(answer)
                continue
            whole.add(answer.row)
            if not _is_there(reading, answer):
                raise HomeRefused(
                    f"certificate {answer.certificate}",
                    "is gone from its authority's database, though it was there",
                    remedy="Restore the authority's database from a newer copy",
                )
    mended = 0
    # Under the authorities' locks: who was thought dead may stand between the two commits, and is waited for.
    with stores.writing(KeptFirst.NATION) as writing:
        for row, answers in unconfirmed.items():
            lost = [answer for answer in answers if not _is_there(writing, answer)]
            found = [answer for answer in answers if answer not in lost]
            batches.confirm(writing.nation, batch, found)
            if not lost:
                continue
            mended += 1
            batches.take_back(writing.nation, batch, lost)
            holdings.forget_certificates(
                writing.nation, [answer.certificate for answer in lost if answer.certificate is not None]
            )
            if found or row in whole:
                instead = [replace(item, certificate=None, problem=_LOST, confirmed=True) for item in lost]
                batches.answer(writing.nation, batch, instead)
    return mended


def _is_there(connections: Connections, answer: BatchAnswer) -> bool:
    """Whether the authority's database has the answer's certificate."""
    made = answer.certificate
    assert made is not None, "asked of answers that have one"
    return certificates.known(connections.of(made.generation.authority), made) is not None


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
