"""``kakehashi order``: suspending or revoking many certificates at once."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ca.clock import system_clock, utc_text
from ca.errors import BadInput, Conflict
from ca.model import RevocationReason
from ca.revoking.deciding import mass
from ca.revoking.deciding.mass import Survey
from ca.revoking.deciding.order_file import NamedCertificates, read_certificate_ids
from ca.store import clients, orders
from ca.store.orders import By, OrderRecord, OrderState, Selection
from front.assembly import World
from front.cli.common import Settings, command_options, receipt_option
from front.ordering import ORDERS_JOB, TURN, chunks
from front.receipts import receipt_of_order, require_free, write_receipt

_OFFICER = click.option("--officer", required=True, help="An operator of the centre.")
_ORDER = click.argument("number", metavar="ORDER", type=click.IntRange(min=1))
_PAUSE = 0.5


@click.group()
def order() -> None:
    """Suspending or revoking many certificates at once: one operator makes the order, another approves it.

    An order is about the certificates that were written down when it was approved, not about what is issued later.
    """


@order.command()
@click.option("--municipality", help="The holders of a city, town, village or ward: its six digits.")
@click.option("--office", help="What came of an office's cases.")
@click.option("--batch", help="What came of a batch: its id.")
@click.option(
    "--generation", help="The holders' certificates on one key of an authority, such as jpki-13.g1."
)
@click.option("--partition", help="The holders' certificates of one list: GENERATION/SCOPE.")
@click.option(
    "--serials",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of certificate ids, one a line.",
)
@click.option("--reason", help="In the RFC's spelling, such as keyCompromise.")
@click.option("--hold", is_flag=True, help="Suspend them: the reason certificateHold.")
@_OFFICER
@click.option(
    "--priority", type=click.IntRange(1, 9), default=5, show_default=True, help="1 comes before all others."
)
@click.option("--dry-run", is_flag=True, help="Only count; nothing is written down.")
@command_options
def make(
    settings: Settings,
    serials: Path | None,
    reason: str | None,
    hold: bool,  # noqa: FBT001 - click calls by keyword
    officer: str,
    priority: int,
    dry_run: bool,  # noqa: FBT001
    **selections: str | None,
) -> None:
    """Make an order, which another operator has to approve.

    \b
    Example:
      kakehashi order make --municipality 131016 --hold --officer ito --dry-run --home world
    """
    if (reason is None) != hold:
        raise BadInput("order make", "has one reason", remedy="Give --reason or --hold")
    given = [Selection(By(name), value) for name, value in selections.items() if value is not None]
    if len(given) + (serials is not None) != 1:
        words = ", ".join(f"--{by}" for by in By)
        raise BadInput("order make", "has one selection", remedy=f"Give one of {words}")
    wanted = given[0] if serials is None else _read(serials)
    why = RevocationReason.CERTIFICATE_HOLD if reason is None else RevocationReason.parse(reason)
    with settings.world() as world:
        if isinstance(wanted, Selection) and wanted.by is By.MUNICIPALITY:
            world.plan.municipalities.window(wanted.value)
        proposal = mass.propose(world.stores, wanted, why, officer, priority=priority, at=world.clock())
        made = proposal.order if dry_run else mass.make(world.stores, proposal)
    fields = _fields(made) | _counts(proposal.survey)
    settings.tell(fields | {"order": None, "state": "dry run"} if dry_run else fields)


@order.command()
@_ORDER
@_OFFICER
@command_options
def approve(settings: Settings, number: int, officer: str) -> None:
    """Approve an order that another operator made: it is carried out from now on.

    \b
    Example:
      kakehashi order approve 1 --officer ueda --home world
    """
    with settings.world() as world:
        approved, survey = mass.approve(world.stores, number, officer, at=world.clock())
    settings.tell(_fields(approved) | _counts(survey))


@order.command()
@_ORDER
@_OFFICER
@command_options
def pause(settings: Settings, number: int, officer: str) -> None:
    """Stop carrying an order out; what has ended stays so.

    \b
    Example:
      kakehashi order pause 1 --officer ito --home world
    """
    _step(settings, lambda world: mass.pause(world.stores, number, officer, at=world.clock()))


@order.command()
@_ORDER
@_OFFICER
@command_options
def resume(settings: Settings, number: int, officer: str) -> None:
    """Go on with a paused order.

    \b
    Example:
      kakehashi order resume 1 --officer ito --home world
    """
    _step(settings, lambda world: mass.resume(world.stores, number, officer, at=world.clock()))


@order.command()
@_ORDER
@_OFFICER
@command_options
def cancel(settings: Settings, number: int, officer: str) -> None:
    """Give up an order that has not begun.

    \b
    Example:
      kakehashi order cancel 1 --officer ito --home world
    """
    _step(settings, lambda world: mass.cancel(world.stores, number, officer, at=world.clock()))


@order.command()
@command_options
def run(settings: Settings) -> None:
    """Carry out approved orders until none is left, the most urgent first; where a worker does so, watch it.

    A worker does it by itself, between its other jobs. The lists follow by the worker, or by `kakehashi list publish`.

    \b
    Example:
      kakehashi order run --home world
    """
    console = settings.console(stderr=True)
    seen: dict[int, OrderRecord] = {}
    tasks: dict[int, TaskID] = {}
    with settings.world() as world, Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        for record in _carried_out(world):
            completed = record.progress.looked_at
            if record.number not in seen:
                tasks[record.number] = bar.add_task(
                    record.cause, total=record.found, completed=completed, rate=""
                )
            seen[record.number] = record
            bar.update(tasks[record.number], completed=completed)
            speed = bar.tasks[list(tasks).index(record.number)].speed
            bar.update(tasks[record.number], rate="" if speed is None else f"{speed:,.0f}/s")
    settings.show([_row(record) for _, record in sorted(seen.items())])


@order.command("list")
@command_options
def list_orders(settings: Settings) -> None:
    """Show all orders, the most urgent first.

    \b
    Example:
      kakehashi order list --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        found = orders.in_state(connection)
    settings.show([_row(record) for record in found])


@order.command()
@_ORDER
@receipt_option
@command_options
def show(settings: Settings, number: int, receipt: Path | None) -> None:
    """Show an order, what officers did about it, and how far it is carried out.

    A receipt is for what it has ended so far, 40,000 certificates at most.

    \b
    Examples:
      kakehashi order show 1 --home world
      kakehashi order show 1 --receipt order-1.json --home world
    """
    require_free(receipt)
    with settings.world() as world:
        with world.stores.nation.reading() as connection:
            found, taken = orders.find(connection, number), orders.steps(connection, number)
        if receipt is not None:
            given = receipt_of_order(world, found, world.clock())
            if given is None:
                raise Conflict(found.cause, "has ended nothing yet, and there is no receipt")
            write_receipt(receipt, given)
    steps = [f"{one.step} by {one.officer} at {utc_text(one.at)}" for one in taken]
    settings.tell(_fields(found) | {"steps": steps})


def _carried_out(world: World) -> Iterator[OrderRecord]:
    """The orders as they are carried out, by this process or, as long as it has the lease, by another."""
    owner = f"{socket.gethostname()} {os.getpid()}"
    until = system_clock()
    watched: set[int] = set()

    def hold() -> datetime | None:
        with world.stores.nation.writing() as connection:
            return clients.take_lease(connection, ORDERS_JOB, owner, lasting=TURN, at=system_clock())

    def rest(seconds: float) -> None:
        nonlocal until
        time.sleep(seconds)
        if until - system_clock() < TURN / 2:
            until = hold() or until

    try:
        while True:
            with world.stores.nation.reading() as connection:
                running = orders.in_state(connection, OrderState.RUNNING)
                yield from [orders.find(connection, number) for number in sorted(watched)]
            watched = {record.number for record in running}
            if not running:
                return
            if (held := hold()) is None:
                time.sleep(_PAUSE)
                continue
            until = held
            for record in chunks(world.stores, world.clock, rest):
                watched.add(record.number)
                yield record
    finally:
        with world.stores.nation.writing() as connection:
            clients.release_leases(connection, owner)


def _read(path: Path) -> NamedCertificates:
    try:
        with path.open("rb") as file:
            return read_certificate_ids(file, path.name)
    except OSError as error:
        raise BadInput("--serials", f"{path.name!r} cannot be read: {error.strerror}") from None


def _step(settings: Settings, take: Callable[[World], OrderRecord]) -> None:
    with settings.world() as world:
        settings.tell(_fields(take(world)))


def _counts(survey: Survey) -> dict[str, object]:
    return {
        "found": survey.found,
        "to_do": survey.to_end,
        "ended_before": survey.ended,
        "expired": survey.expired,
    }


def _row(record: OrderRecord) -> dict[str, object]:
    """What a table says of an order."""
    progress = record.progress
    return {
        "order": record.number,
        "state": record.state.value,
        "selection": str(record.selection),
        "reason": record.reason.word,
        "priority": record.priority,
        "found": record.found,
        "done": progress.done,
        "left": progress.ended + progress.expired,
    }


def _fields(record: OrderRecord) -> dict[str, object]:
    """All that there is to say of one."""
    fields = _row(record)
    del fields["left"]
    return fields | {
        "ended_before": record.progress.ended,
        "expired": record.progress.expired,
        "made_by": record.officer,
        "made_at": utc_text(record.made_at),
        "approved_by": record.second_officer,
        "approved_at": None if record.approved_at is None else utc_text(record.approved_at),
    }
