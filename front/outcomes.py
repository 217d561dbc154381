"""What came of events, and what went wrong, as machines read it."""

from __future__ import annotations

from typing import Any

from ca.clock import utc_text
from ca.errors import KakehashiError
from ca.revoking.deciding.desk import Outcome
from ca.rules.fate import Order


def outcome_fields(outcome: Outcome) -> dict[str, Any]:
    """An event's outcome, with the certificates that it ended; and, if it is quarantined, its case and why."""
    return {
        "event": outcome.event,
        "kind": outcome.kind.value,
        "outcome": outcome.outcome.value,
        "orders": [order_fields(order) for order in outcome.orders],
        "case": outcome.case,
        "problem": outcome.problem,
    }


def order_fields(order: Order) -> dict[str, Any]:
    """What becomes of a certificate."""
    return {
        "certificate": str(order.certificate),
        "reason": order.reason.word,
        "revoked_at": utc_text(order.revoked_at),
        "invalid_since": None if order.invalid_since is None else utc_text(order.invalid_since),
    }


def error_fields(error: KakehashiError) -> dict[str, Any]:
    """An error's facts."""
    return {
        "error": type(error).__name__,
        "place": error.place,
        "problem": error.problem,
        "clause": error.clause,
        "remedy": error.remedy,
    }
