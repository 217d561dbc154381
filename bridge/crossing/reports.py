"""What is kept of renewals and refused examinations: files in a folder of the home, beside what the databases know.

::

    renewal-<order>.json             what became of each step of an order, by all its runs; written whole or not at all
    deviations-<agreement>.jsonl     each file of the other CA that deviated, one to a line

No resident is in them: authorities, certificates' ids, moments, and the ids of officers. The databases and the journal
are the truth of what was made; a lost report costs nothing but the words of what was not.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from ca.errors import BadInput, StorageFailed
from ca.model import Period
from ca.store.agreements import RenewalRecord, RenewalStep
from ca.store.certificates import CertificateRecord

FORMAT: Final = 1
_LIMIT = 16 * 1024 * 1024  # an order of 50 CAs fully crossed has 2,450 steps of some 700 octets
_RUNS = 100


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate: its id and its validity."""

    certificate: str
    valid_from: datetime
    valid_until: datetime

    @classmethod
    def of(cls, record: CertificateRecord) -> Told:
        """The same of a record."""
        return cls.over(str(record.id), record.period)

    @classmethod
    def over(cls, certificate: str, period: Period) -> Told:
        """One that is known by its id and validity."""
        return cls(certificate, period.not_before, period.not_after)


class StepReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of one step.

    Attributes:
        certificate: What the new one is called, made or not.
        old: The one that was to be renewed.
        new: What was made.
        agreement: By which a CA of somebody else was certified.
        outcome: ``made before`` stands for what no kept run has made; ``not reached`` for what a run did not come to.
        problem: Why it was not made.
        at: When that was.
        officers: The two operators of that run.
    """

    issuer: str
    subject: str
    certificate: str
    old: Told | None
    new: Told | None = None
    agreement: str | None = None
    outcome: Literal["made", "made before", "not made", "not reached"] = "not reached"
    problem: str | None = None
    at: datetime | None = None
    officers: tuple[str, str] | None = None


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run of an order; without an end it was interrupted."""

    began: datetime
    ended: datetime | None = None
    officers: tuple[str, str]
    made: int = 0
    failed: int = 0


class RenewalReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of an order: who gave it, the runs that carried it out, and what became of each step."""

    format: Literal[1] = FORMAT
    world: str
    plan: str
    ordered_at: datetime
    ordered_by: tuple[str, str]
    runs: tuple[Run, ...]
    steps: tuple[StepReport, ...]


def first_report(
    world: str, order: RenewalRecord, old: Mapping[str, Period], before: RenewalReport | None
) -> RenewalReport:
    """An order's report before its next run.

    Args:
        world: Which world's.
        order: The order.
        old: The validity of the certificates that are to be renewed, by their ids.
        before: The report of the runs until now, if there is one of this order.
    """
    known = before if before is not None and _is_of(before, order) else None
    return RenewalReport(
        world=world,
        plan=order.plan,
        ordered_at=order.made_at,
        ordered_by=(order.officer, order.second_officer),
        runs=() if known is None else known.runs[-_RUNS + 1 :],
        steps=known.steps if known is not None else tuple(_untouched(step, old) for step in order.steps),
    )


def _is_of(report: RenewalReport, order: RenewalRecord) -> bool:
    same = [one.certificate for one in report.steps] == [str(step.certificate) for step in order.steps]
    return same and report.plan == order.plan


def _untouched(step: RenewalStep, old: Mapping[str, Period]) -> StepReport:
    replaces = str(step.replaces)
    return StepReport(
        issuer=str(step.certificate.generation),
        subject=str(step.subject),
        certificate=str(step.certificate),
        old=Told.over(replaces, old[replaces]) if replaces in old else None,
    )


def report_path(folder: Path, plan: str) -> Path:
    """Where the report of this order lies. An order's name is one of a file too (``renewal``)."""
    return folder / f"renewal-{plan}.json"


def write_report(folder: Path, report: RenewalReport) -> Path:
    """Write an order's report, whole or not at all, durably; gives where."""
    path = report_path(folder, report.plan)
    write_whole(path, msgspec.json.format(msgspec.json.encode(report), indent=1))
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all, durably; StorageFailed if the disk refuses."""
    with _clear_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise


def read_report(folder: Path, plan: str) -> RenewalReport | None:
    """An order's report; None if none is kept; BadInput if the file is none."""
    path = report_path(folder, plan)
    octets = _read(path)
    if octets is None:
        return None
    try:
        return msgspec.json.decode(octets, type=RenewalReport)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadInput(str(path), f"is not the report of a renewal: {error}") from None


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file that an officer examined and that deviated from the agreement."""

    agreement: str
    at: datetime
    officer: str
    what: str
    digest: str
    deviations: tuple[str, ...]


def keep_refusal(folder: Path, refusal: Refusal) -> None:
    """Write a refusal behind those that are kept; a file that is full already stays as it is."""
    path = _refusals(folder, refusal.agreement)
    line = msgspec.json.encode(refusal) + b"\n"
    with _clear_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size + len(line) <= _LIMIT:
                os.write(descriptor, line)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_refusals(folder: Path, agreement: str) -> Sequence[Refusal]:
    """Every refusal under this agreement, the first one first; what is no line of ours (a cut one) is passed over."""
    found: list[Refusal] = []
    for line in (_read(_refusals(folder, agreement)) or b"").splitlines():
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            found.append(msgspec.json.decode(line, type=Refusal))
    return found


def _refusals(folder: Path, agreement: str) -> Path:
    return folder / f"deviations-{agreement}.jsonl"


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            octets = file.read(_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailed(str(path), f"cannot be read: {error.strerror}") from None
    if len(octets) > _LIMIT:
        raise BadInput(str(path), f"is longer than {_LIMIT} octets")
    return octets


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(str(path), f"cannot be written: {error.strerror}") from None
