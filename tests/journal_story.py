"""The journal's story, told by hand: what comes of its records, by none of the product's ways of following them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ca.journal.entries import (
    EffectEntry,
    Entry,
    EventEntry,
    IntentEntry,
    IssuedEntry,
    QuarantineEntry,
    ResolutionEntry,
    RevocationEntry,
)
from ca.journal.journal import Record
from ca.model import RevocationReason
from tests.read_lists import HOLD, LIFTED, rank


@dataclass
class Fate:
    """How the journal leaves a certificate."""

    reason: RevocationReason | None = None
    revoked_at: datetime | None = None
    index: int = 0
    cause: str = ""
    lifts: int = 0


@dataclass
class Story:
    """What the journal comes to; each record is heard once, and has to follow from those before."""

    seen: int = 0
    bodies: int = 0
    events: dict[str, EventEntry] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    cases: dict[int, str] = field(default_factory=dict)
    resolved: dict[int, str] = field(default_factory=dict)
    intended: set[str] = field(default_factory=set)
    issued: set[str] = field(default_factory=set)
    answered: set[tuple[str, str]] = field(default_factory=set)
    fates: dict[str, Fate] = field(default_factory=dict)
    by_order: dict[str, int] = field(default_factory=dict)

    def hear(self, record: Record) -> None:
        """Follow a record, which may not repeat any before it."""
        assert record.index == self.seen + 1
        self.seen, self.bodies = record.index, record.bodies
        entry, cause = record.entry, ""
        match entry:
            case EventEntry():
                assert entry.event not in self.events, "acknowledged twice"
                self.events[entry.event] = entry
                if entry.outcome == "waiting":
                    self.waiting.add(entry.event)
                cause = f"event {entry.event}"
            case EffectEntry():
                self.waiting.remove(entry.event)
                cause = f"event {entry.event}"
            case QuarantineEntry():
                assert entry.case == len(self.cases) + 1
                self.cases[entry.case] = entry.event
            case ResolutionEntry():
                assert entry.case in self.cases.keys() - self.resolved.keys()
                self.resolved[entry.case] = entry.decision
                cause = f"quarantine {entry.case}"
            case RevocationEntry():
                cause = entry.cause
            case _:
                self._issue(entry)
        for one in getattr(entry, "orders", ()):
            reason = RevocationReason.recorded(one.reason)
            self._end(one.certificate, reason, one.revoked_at, record.index, cause)

    def _issue(self, entry: Entry) -> None:
        if isinstance(entry, IntentEntry):
            for part in entry.certificates:
                assert part.certificate not in self.intended, "a serial was spent twice"
                self.intended.add(part.certificate)
                if part.application is not None:
                    assert (part.application, part.kind) not in self.answered, "a case was answered twice"
                    self.answered.add((part.application, part.kind))
        elif isinstance(entry, IssuedEntry):
            for one in entry.certificates:
                assert one.certificate in self.intended - self.issued
                self.issued.add(one.certificate)

    def _end(self, certificate: str, reason: RevocationReason, at: datetime, index: int, cause: str) -> None:
        fate = self.fates.setdefault(certificate, Fate())
        if reason is LIFTED:
            assert fate.reason is HOLD, "only a hold is lifted"
            fate.lifts += 1
        elif reason is fate.reason is HOLD:
            assert fate.cause.startswith("event "), "only a hold by the register becomes an order's"
            assert cause.startswith("order ")
        else:
            assert rank(reason) > rank(fate.reason), f"{certificate} goes from {fate.reason} to {reason}"
            # Whoever waited for the journal's turn may have read the clock before: the earlier moment stays.
            began = None if rank(fate.reason) == 0 else fate.revoked_at
            fate.revoked_at = at if began is None else min(began, at)
        fate.reason, fate.index, fate.cause = reason, index, cause
        if cause.startswith("order "):
            self.by_order[cause] = self.by_order.get(cause, 0) + 1
