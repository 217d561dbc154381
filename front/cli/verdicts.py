"""What ``kakehashi verify`` says of a verdict: one object for machines, a few lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec
from rich.markup import escape

from bridge.relying.finding.material import Material
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.revoked.evidence import AnswerUsed, DeltaUsed, ListUsed
from bridge.relying.telling.explaining import certificate_id
from bridge.relying.telling.words import Verdict, verdict_of
from bridge.relying.verify import VerifiedPath
from ca.clock import utc_text
from ca.errors import KakehashiError
from ca.wire.facts import read_certificate
from front.cli.common import Settings

# Reasons that concern no one step of a path.
_NOWHERE = frozenset({Reason.NO_PATH, Reason.UNREADABLE})


def verdict_fields(outcome: VerifiedPath | PathRejected, at: str, material: Material) -> dict[str, Any]:
    """A verdict as machines read it; ``at`` is the moment asked about."""
    if isinstance(outcome, PathRejected):
        step = None if outcome.reason in _NOWHERE else outcome.step
        return refusal_fields(outcome, outcome.reason, at, step)
    return {
        **_valid_fields(outcome, material),
        "lists": [_named(used) for used in outcome.lists],
        "answers": [_answer(used) for used in outcome.answers],
        "step": None,
        "place": None,
        "clause": None,
        "reason": None,
    }


def refusal_fields(error: KakehashiError, reason: Reason, at: str, step: int | None) -> dict[str, Any]:
    """Why there is no valid path, as machines read it."""
    return {
        "verdict": verdict_of(reason).value,
        "at": at,
        "step": step,
        "place": error.place,
        "clause": error.clause,
        "reason": reason.value,
        "problem": error.problem,
    }


def say(
    settings: Settings, outcome: VerifiedPath | PathRejected, fields: dict[str, Any], material: Material
) -> None:
    """Print a verdict: ``fields`` for machines, the same in lines for people."""
    if settings.json:
        print_json(fields)
    elif isinstance(outcome, PathRejected):
        say_no(settings, fields)
    else:
        lists = [_said(used) for used in outcome.lists] + [_answer_said(used) for used in outcome.answers]
        settings.tell({**_valid_fields(outcome, material), "lists": lists})


def say_no(settings: Settings, fields: dict[str, Any]) -> None:
    """Print why there is no valid path: one line, or one object."""
    if settings.json:
        print_json(fields)
        return
    place = fields["place"] if fields["step"] is None else f"step {fields['step']} ({fields['place']})"
    clause = f" ({fields['clause']})" if fields["clause"] else ""
    words = escape(f"{place}: {fields['problem']}{clause}")
    settings.console().print(f"[bold red]{fields['verdict']}[/]: {words}")


def print_json(fields: dict[str, Any]) -> None:
    """Print one object."""
    click.echo(msgspec.json.encode(fields).decode())


def _valid_fields(path: VerifiedPath, material: Material) -> dict[str, Any]:
    facts = [read_certificate(der, f"step {step}") for step, der in enumerate(path.certificates)]
    # By id, for subjects are people. The anchor has issued itself.
    issuers: Sequence[Any] = [facts[0], *facts]
    return {
        "verdict": Verdict.VALID.value,
        "at": utc_text(path.at),
        "path": [certificate_id(material, *pair) for pair in zip(issuers, facts, strict=False)],
        "policies": sorted(path.policies),
    }


def _named(used: ListUsed) -> dict[str, Any]:
    """A list that was asked, and the delta list with it, or why one that is named was not added."""
    fields = _place(used)
    if used.delta is not None:
        fields["delta"] = _place(used.delta)
    if used.without_delta is not None:
        fields["without_delta"] = used.without_delta
    return fields


def _place(used: ListUsed | DeltaUsed) -> dict[str, Any]:
    return {"place": used.place, "number": used.number, "this_update": utc_text(used.this_update)}


def _answer(used: AnswerUsed) -> dict[str, Any]:
    return {"place": used.place, "step": used.step, "this_update": utc_text(used.this_update)}


def _said(used: ListUsed) -> str:
    words = f"{used.place} number {used.number} of {utc_text(used.this_update)}"
    if used.delta is not None:
        words += f", with its delta list number {used.delta.number} of {utc_text(used.delta.this_update)}"
    return words if used.without_delta is None else f"{words}, without its delta list: {used.without_delta}"


def _answer_said(used: AnswerUsed) -> str:
    return f"{used.place}, an OCSP answer of {utc_text(used.this_update)}"
