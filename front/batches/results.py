"""A batch's results, from what the stores have: a row a certificate or refusal, and the certificates as files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from asn1crypto import pem

from ca.errors import StorageFailed
from ca.store import batches
from ca.store.batches import BatchAnswer
from ca.store.certificates import CertificateState
from ca.store.stores import Stores
from front.batches.source import Source, table_rows

RESULTS = "results.csv"
CERTIFICATES = "certificates"

_COLUMNS = ("row", "reference", "kind", "outcome", "certificate", "file", "problem")
_AT_ONCE = 500


def write_results(
    stores: Stores, batch: str, source: Source, place: str, folder: Path, progress: Callable[[int], None]
) -> Path:
    """Write ``results.csv`` and the certificates of a batch into a folder; gives the table's path.

    Nothing is kept in memory but a few hundred rows. The table appears when it is whole.

    Raises:
        StorageFailed: The folder cannot be written in.
    """
    try:
        (folder / CERTIFICATES).mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{RESULTS}.new"
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for row in _result_rows(stores, batch, source, place, folder, progress):
                writer.writerow(row)
        temporary.replace(folder / RESULTS)
    except OSError as error:
        raise StorageFailed(
            str(folder),
            f"cannot be written: {error.strerror}",
            remedy="The certificates are issued; run the same command again to write the results",
        ) from None
    return folder / RESULTS


def _result_rows(
    stores: Stores, batch: str, source: Source, place: str, folder: Path, progress: Callable[[int], None]
) -> Iterator[tuple[object, ...]]:
    with stores.nation.reading() as connection, table_rows(source, place) as rows:
        answers = batches.answers(connection, batch)
        number, reference = 0, ""
        while piece := list(islice(answers, _AT_ONCE)):
            found = stores.bodies([answer.certificate for answer in piece if answer.certificate is not None])
            for answer in piece:
                while number < answer.row:
                    number, fields = next(rows)
                    reference = fields["reference"]
                state, encoded = (
                    found.get(answer.certificate, (None, b"")) if answer.certificate else (None, b"")
                )
                name = ""
                if state is CertificateState.ISSUED:
                    name = f"{CERTIFICATES}/{answer.row}-{answer.kind}.pem"
                    (folder / name).write_bytes(pem.armor("CERTIFICATE", encoded))
                yield answer.row, reference, answer.kind, _outcome(answer, state), answer.certificate or "", name, answer.problem or ""  # fmt: skip
            progress(len(piece))


def _outcome(answer: BatchAnswer, state: CertificateState | None) -> str:
    return "refused" if answer.certificate is None or state is None else state.value
