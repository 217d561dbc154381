"""Whether a world keeps the word of its receipts: in its journal, on its lists, in its status answers.

Everything here is pure; each check is a line with its verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

from ca.clock import utc_text
from ca.journal.journal import Head, Record
from ca.model import Revocation, RevocationReason
from ca.revoking.assurance.receipts import CertificatePart, Statement, acknowledged
from ca.revoking.assurance.sights import HeadSight, StatusSight
from ca.rules.revocation import CHANGES


class Verdict(StrEnum):
    """What a check of a receipt came to."""

    CONFIRMED = "confirmed"
    NOT_YET = "not yet"
    CANNOT_TELL = "cannot tell"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class Line:
    """One check: of what, where, what it came to, and why."""

    what: str
    where: str
    verdict: Verdict
    words: str


def check_journal(said: Statement, found: Mapping[int, tuple[Head, Record]]) -> Iterator[Line]:
    """Whether a journal has each record of the receipt, and what it says of certificates.

    Args:
        said: The receipt's statement.
        found: The journal's records by index, those that it has, with the head that each makes.
    """
    for part in said.records:
        what, where = f"record {part.index}", "journal"
        if part.index not in found:
            yield Line(what, where, Verdict.REFUTED, "is not in the journal")
            continue
        head, record = found[part.index]
        if head.digest != part.digest:
            yield Line(what, where, Verdict.REFUTED, f"is another one there, {head.digest[:16]}")
            continue
        # Not the dates: of a certificate that was on hold before, the receipt has the earlier one.
        promised = sorted(
            (one.certificate, one.reason, one.scope) for one in said.certificates if one.record == part.index
        )
        now = acknowledged(head, record)
        recorded = sorted((one.certificate, one.reason, one.scope) for one in now.orders)
        if promised != recorded or now.event != part.event:
            yield Line(what, where, Verdict.REFUTED, "says something else there")
            continue
        yield Line(what, where, Verdict.CONFIRMED, f"is there, SHA-256 {head.digest[:16]}")


def check_heads(
    said: Statement, newest: HeadSight | None, kept: Mapping[int, HeadSight], at: datetime
) -> Iterator[Line]:
    """Whether the published heads go with the receipt: they reach beyond it, and one of its own count is its record.

    Args:
        said: The receipt's statement.
        newest: The newest published head, if there is one.
        kept: Heads that are published for ever, by their counts.
        at: Now.
    """
    last = max(said.records, key=lambda part: part.index, default=None)
    if last is None:
        return
    what, where = f"record {last.index}", "published head"
    if newest is None:
        yield Line(what, where, Verdict.CANNOT_TELL, "no head is published")
        return
    for part in said.records:
        same = newest if newest.count == part.index else kept.get(part.index)
        if same is not None:
            right = same.digest == part.digest
            yield Line(
                f"record {part.index}",
                where,
                Verdict.CONFIRMED if right else Verdict.REFUTED,
                f"the head of {same.count} records {'is this one' if right else 'is another one'}",
            )
    if newest.count < last.index:
        late = newest.at > said.at or at > said.lists_by
        words = f"the newest head has {newest.count} records at {utc_text(newest.at)}"
        yield Line(what, where, Verdict.REFUTED if late else Verdict.NOT_YET, words)
    elif newest.count > last.index and last.index not in kept:
        words = f"the newest head has {newest.count} records; the journal shows that this is one of them"
        yield Line(what, where, Verdict.CANNOT_TELL, words)


def check_list(
    said: Statement,
    part: CertificatePart,
    listed: Revocation | None,
    this_update: datetime,
    status: StatusSight | None,
    at: datetime,
) -> Line:
    """Whether the newest list keeps the receipt's word.

    Args:
        said: The receipt's statement.
        part: The certificate.
        listed: What the list says of it, if it names it.
        this_update: Of the list.
        status: What the responder says, if it was asked: whether the certificate has expired or was let go.
        at: Now.
    """
    what = part.certificate
    where = f"list {part.id.generation}/{part.scope}"
    of = f"the list of {utc_text(this_update)}"
    if listed is not None:
        contradiction = _contradiction(part, listed)
        if contradiction is not None:
            verdict, words = contradiction
            return Line(what, where, verdict, f"{of} {words}")
        return Line(what, where, Verdict.CONFIRMED, f"{of} names it for {listed.reason.word}")
    return Line(what, where, *_not_listed(said, part, this_update, status, at))


def _not_listed(
    said: Statement, part: CertificatePart, this_update: datetime, status: StatusSight | None, at: datetime
) -> tuple[Verdict, str]:
    of = f"the list of {utc_text(this_update)}"
    if part.reason == RevocationReason.REMOVE_FROM_CRL.word:
        return Verdict.CONFIRMED, f"{of} does not name it"
    if this_update <= said.at and at <= said.lists_by:
        return Verdict.NOT_YET, f"{of} is older; due by {utc_text(said.lists_by)}"
    if status is not None and status.expired:
        return Verdict.CANNOT_TELL, "it has expired, and lists need not name it any more"
    if _perhaps_lifted(part, status):
        return Verdict.CANNOT_TELL, "it was on hold, and the hold may have been lifted"
    return Verdict.REFUTED, f"{of} does not name it"


def check_status(said: Statement, part: CertificatePart, status: StatusSight, at: datetime) -> Line:
    """Whether the responder's answer keeps the receipt's word."""
    what, where = part.certificate, f"status of {part.id.generation}"
    if status.revocation is not None:
        contradiction = _contradiction(part, status.revocation)
        if contradiction is not None:
            verdict, words = contradiction
            return Line(what, where, verdict, f"the answer {words}")
        words = f"revoked for {status.revocation.reason.word}"
        return Line(what, where, Verdict.CONFIRMED, words)
    words = "good" if status.known else "unknown"
    if status.good and part.reason == RevocationReason.REMOVE_FROM_CRL.word:
        return Line(what, where, Verdict.CONFIRMED, words)
    if at <= said.status_by:
        return Line(what, where, Verdict.NOT_YET, f"{words}; due by {utc_text(said.status_by)}")
    if _perhaps_lifted(part, status):
        return Line(what, where, Verdict.CANNOT_TELL, "good: the hold may have been lifted")
    return Line(what, where, Verdict.REFUTED, words)


def _perhaps_lifted(part: CertificatePart, status: StatusSight | None) -> bool:
    """Whether a hold is not there any more, or is one that came later, or nobody said."""
    if part.reason != RevocationReason.CERTIFICATE_HOLD.word:
        return False
    now = None if status is None else status.revocation
    return status is None or status.good or (now is not None and now.revoked_at > part.revoked_at)


def _contradiction(part: CertificatePart, now: Revocation) -> tuple[Verdict, str] | None:
    """What cannot have become of the receipt's word since, or only if there was more that it does not know."""
    before = RevocationReason.recorded(part.reason)
    if now.reason is before:
        # Of two moments the earlier one stays (ITU-T X.509 (2008) 8.5.2.2): it may have been on hold before.
        if now.revoked_at <= part.revoked_at:
            return None
        words = f"says that it ended later, on {utc_text(now.revoked_at)}"
        if before is RevocationReason.CERTIFICATE_HOLD:
            return Verdict.CANNOT_TELL, f"{words}: the hold may have been lifted meanwhile"
        return Verdict.REFUTED, words
    return None if now.reason in _later(before) else (Verdict.REFUTED, f"names it for {now.reason.word}")


@cache
def _later(reason: RevocationReason) -> frozenset[RevocationReason]:
    """Every reason that this one may have become, step by step."""
    found: set[RevocationReason] = set()
    waiting = {reason}
    while waiting:
        waiting = {after for one in waiting for after in CHANGES[one]} - found
        found |= waiting
    return frozenset(found)
