"""Ending the retention of what was issued: keys in the archive, and what the databases keep in clear.

The record comes first: from then on a database that is put back forgets what had its time, as this one does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ca.journal.entries import IntentEntry, RetentionEndEntry
from ca.journal.journal import Record, records
from ca.model import HOLDER_KINDS
from ca.store import certificates, retention
from ca.store.stores import Stores

# So many keys are destroyed with one sync.
_GROUP = 10_000


@dataclass(frozen=True, slots=True)
class RetentionEnded:
    """What was destroyed.

    Attributes:
        bodies: Keys in the archive, those that were destroyed before among them.
        certificates: Those whose bytes went from the databases, and ``cases`` those whose particulars did.
    """

    bodies: int
    certificates: int
    cases: int


def end_retention(stores: Stores, before: datetime, at: datetime) -> RetentionEnded:
    """Destroy what is kept of holders' certificates, and of cases, that ended before a moment.

    Done again, it does what was left. What is intended and was never signed stays as it is; so do the certificates of
    authorities and services, which tell of nobody, and which whoever looks at the past needs.

    Raises:
        HomeBusy: Somebody reads an older state of a database; the same again does the rest.
        StorageFailed: A disk refused; likewise.
    """
    with stores.recording() as recording:
        recording.note(RetentionEndEntry(before, at), carried_out=True)
    unsigned = set[str]()
    for store in stores.each():
        with store.reading() as connection:
            unsigned.update(str(one.id) for one in certificates.intended(connection))
    bodies, ended = 0, _ended(records(stores.journal.folder), before, unsigned)
    while numbers := list(islice(ended, _GROUP)):
        with stores.journal.turn() as turn:
            turn.destroy(numbers)
        bodies += len(numbers)
    emptied = cases = 0
    for store in stores.each():
        with store.reading() as connection:
            for some in retention.ended_certificates(connection, before):
                with stores.writing() as writing:
                    retention.forget_certificates(writing, some)
                emptied += len(some)
    with stores.reading() as reading:
        for over in retention.ended_cases(reading, before):
            with stores.writing() as writing:
                retention.forget_cases(writing.nation, over)
            cases += len(over)
    for store in stores.each():
        store.settle()
    return RetentionEnded(bodies, emptied, cases)


def _ended(found: Iterator[Record], before: datetime, unsigned: Collection[str]) -> Iterator[int]:
    """The numbers of the bodies of holders whose certificates ended before this moment."""
    for record in found:
        if isinstance(record.entry, IntentEntry):
            for part in record.entry.certificates:
                over = part.not_after < before and part.certificate not in unsigned
                if over and part.kind in HOLDER_KINDS:
                    yield part.body
