"""Batches: orders of many certificates at once, and the answer to each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from ca.model import CertificateId, CertificateKind, GenerationId, OfficerId, Serial
from ca.store.bulk import AT_ONCE, among, insert_rows
from ca.store.tables import batch_answers, batches

_ANSWER = insert(batch_answers)
_COLUMNS = ("batch", "row", "kind", "generation", "serial", "problem")


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch that was approved.

    Attributes:
        id: SHA-256, in hexadecimal digits, of the table that was handed in; the requests are not in it.
        rows: How many holders it has.
        approver: Who approved it, and ``operator`` who issues it.
    """

    id: str
    rows: int
    approver: OfficerId
    operator: OfficerId
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The answer to one kind of one row: a certificate, from its intent on, or the problem for which there is none."""

    row: int
    kind: CertificateKind
    certificate: CertificateId | None
    problem: str | None


def begin(connection: Connection, batch: BatchRecord) -> BatchRecord:
    """Write down a batch; gives the one that was written down first."""
    row = connection.execute(select(batches).where(batches.c.batch == batch.id)).one_or_none()
    if row is not None:
        return _batch(row)
    connection.execute(
        insert(batches).values(
            batch=batch.id,
            rows=batch.rows,
            approver=batch.approver,
            operator=batch.operator,
            approved_at=batch.approved_at,
        )
    )
    return batch


def answer(connection: Connection, batch: str, answers: Iterable[BatchAnswer]) -> None:
    """Write down answers to rows that have none."""
    rows = [
        (
            batch,
            item.row,
            item.kind,
            None if item.certificate is None else str(item.certificate.generation),
            None if item.certificate is None else item.certificate.serial.octets,
            item.problem,
        )
        for item in answers
    ]
    insert_rows(connection, _ANSWER, _COLUMNS, rows)


def answer_open(connection: Connection, batch: str, answers: Sequence[BatchAnswer]) -> None:
    """Write down those of these answers whose kind of a row has none."""
    known: set[tuple[int, str]] = set()
    for start in range(0, len(answers), AT_ONCE):
        rows = [item.row for item in answers[start : start + AT_ONCE]]
        query = select(batch_answers.c.row, batch_answers.c.kind).where(
            batch_answers.c.batch == batch, among(connection, batch_answers.c.row, rows)
        )
        known.update((row, kind) for row, kind in connection.execute(query))
    answer(connection, batch, [item for item in answers if (item.row, item.kind) not in known])


def answered(connection: Connection, batch: str, rows: Sequence[int]) -> set[int]:
    """Which of these rows have their answers already."""
    found: set[int] = set()
    for start in range(0, len(rows), AT_ONCE):
        query = select(batch_answers.c.row).where(
            batch_answers.c.batch == batch,
            among(connection, batch_answers.c.row, rows[start : start + AT_ONCE]),
        )
        found.update(connection.execute(query).scalars())
    return found


def count(connection: Connection, batch: str) -> int:
    """How many rows have their answers."""
    query = select(func.count(batch_answers.c.row.distinct())).where(batch_answers.c.batch == batch)
    return int(connection.execute(query).scalar_one())


def answers(connection: Connection, batch: str) -> Iterator[BatchAnswer]:
    """The answers of a batch by row and kind, read by key a piece at a time."""
    columns = batch_answers.c
    after = -1
    while True:
        # A row has at most a few kinds, so a piece that ends within a row is cut at its beginning.
        query = select(batch_answers).where(columns.batch == batch, columns.row > after)
        piece = connection.execute(query.order_by(columns.row, columns.kind).limit(AT_ONCE)).all()
        if not piece:
            return
        last = piece[-1].row
        whole = [row for row in piece if row.row < last] if len(piece) == AT_ONCE else piece
        for row in whole:
            yield _answer(row)
        after = whole[-1].row


def _batch(row: Row[Any]) -> BatchRecord:
    return BatchRecord(row.batch, row.rows, OfficerId(row.approver), OfficerId(row.operator), row.approved_at)


def _answer(row: Row[Any]) -> BatchAnswer:
    certificate = None
    if row.serial is not None:
        certificate = CertificateId(GenerationId.parse(row.generation), Serial.of(row.serial))
    return BatchAnswer(row.row, CertificateKind(row.kind), certificate, row.problem)
