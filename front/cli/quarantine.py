"""``kakehashi quarantine``: what the rules could not decide, and an operator of the centre does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ca.clock import utc_text
from ca.revoking.deciding.quarantine import CaseDecision, resolve
from ca.store import quarantine as cases
from ca.store.quarantine import Case
from front.cli.common import Settings, command_options, receipt_option
from front.receipts import receipt_of_resolution, require_free, write_receipt


@click.group()
def quarantine() -> None:
    """Events that the rules cannot decide. Nothing else waits for them."""


@quarantine.command("list")
@click.option("--all", "every", is_flag=True, help="Also the cases that are decided.")
@command_options
def list_cases(settings: Settings, *, every: bool) -> None:
    """Show the open cases.

    \b
    Example:
      kakehashi quarantine list --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        rows = [
            {
                "case": case.number,
                "event": case.event,
                "problem": case.problem,
                "opened_at": utc_text(case.opened_at),
                "decision": case.decision,
            }
            for case in cases.cases(connection, resolved=every)
        ]
    settings.show(rows)


@quarantine.command()
@click.argument("case", type=int)
@command_options
def show(settings: Settings, case: int) -> None:
    """Show a CASE.

    \b
    Example:
      kakehashi quarantine show 1 --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        settings.tell(_fields(cases.find(connection, case)))


@quarantine.command("resolve")
@click.argument("case", type=int)
@click.option(
    "--decision",
    required=True,
    type=click.Choice([decision.value for decision in CaseDecision]),
    help="end: what the case is about ends. dismiss: everything stays as it is.",
)
@click.option("--officer", required=True, help="An operator of the centre.")
@receipt_option
@command_options
def resolve_case(settings: Settings, case: int, decision: str, officer: str, receipt: Path | None) -> None:
    """Decide a CASE (docs/revocation.md), and publish the lists that this touches. It is decided once.

    \b
    Example:
      kakehashi quarantine resolve 1 --decision dismiss --officer ito --home world
    """
    require_free(receipt)
    with settings.world() as world:
        resolved = resolve(
            world.stores, world.plan.lapses, case, CaseDecision(decision), officer, at=world.clock()
        )
        if receipt is not None and (given := receipt_of_resolution(world, resolved, world.clock())):
            write_receipt(receipt, given)
        if resolved.orders:
            world.publish_changes()
    ended = [str(one.certificate) for one in resolved.orders]
    settings.tell({**_fields(resolved.case), "ended": ended})


def _fields(case: Case) -> dict[str, Any]:
    return {
        "case": case.number,
        "event": case.event,
        "problem": case.problem,
        "opened_at": utc_text(case.opened_at),
        "journal_record": case.journal_index,
        "decision": case.decision,
        "officer": case.officer,
        "resolved_at": None if case.resolved_at is None else utc_text(case.resolved_at),
    }
