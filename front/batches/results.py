"""A batch's results, from what the stores have: a row a certificate or refusal, and the certificates as files."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from asn1crypto import pem

from ca.errors import HomeRefused, StorageFailed
from ca.model import CertificateId
from ca.store import batches
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.stores import Stores
from front.batches.source import Source, table_rows

RESULTS = "results.csv"
CERTIFICATES = "certificates"

_COLUMNS = ("row", "reference", "kind", "outcome", "certificate", "file", "problem")
_AT_ONCE = 500
_REFUSED = "refused"
_DESTROYED = "destroyed"  # its time was over


def write_results(
    stores: Stores, batch: str, source: Source, place: str, folder: Path, progress: Callable[[int], None]
) -> Path:
    """Write ``results.csv`` and the certificates of a batch into a folder; gives the table's path.

    Nothing is kept in memory but a few hundred rows. The table appears when it is whole. What is made here is its
    owner's alone: certificates for signing hold what a person is called and where they live.

    Raises:
        HomeRefused: An answer's certificate is in no store; the table that was there before stays.
        StorageFailed: The folder cannot be written in.
    """
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        (folder / CERTIFICATES).mkdir(0o700, exist_ok=True)
        temporary = folder / f".{RESULTS}.new"
        with open(temporary, "w", encoding="utf-8", newline="", opener=_owners) as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for row in _result_rows(stores, batch, source, place, folder, progress):
                writer.writerow(row)
            file.flush()
            os.fsync(file.fileno())
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
            wanted = [answer.certificate for answer in piece if answer.certificate is not None]
            found = {record.id: record for record in stores.certificates(wanted)}
            for answer in piece:
                while number < answer.row:
                    number, fields = next(rows)
                    reference = fields["reference"]
                outcome, name = _REFUSED, ""
                if answer.certificate is not None:
                    outcome, encoded = _found(found, answer.certificate)
                    if outcome == CertificateState.ISSUED:
                        name = f"{CERTIFICATES}/{answer.row}-{answer.kind}.pem"
                        with open(folder / name, "wb", opener=_owners) as file:
                            file.write(pem.armor("CERTIFICATE", encoded))
                yield answer.row, reference, answer.kind, outcome, answer.certificate or "", name, answer.problem or ""  # fmt: skip
            progress(len(piece))


def _found(found: Mapping[CertificateId, CertificateRecord], wanted: CertificateId) -> tuple[str, bytes]:
    if wanted not in found:
        raise HomeRefused(
            f"certificate {wanted}",
            "is the answer to a row of the batch, and is not in its authority's database",
            remedy="Put a copy of that database back and run the same command again: the journal has what it lacks",
        )
    record = found[wanted]
    return record.state.value if record.encoded else _DESTROYED, record.encoded


def _owners(path: str, flags: int) -> int:
    """Open a file that nobody but its owner may read, if it is a new one."""
    return os.open(path, flags, 0o600)
