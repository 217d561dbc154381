"""The command ``kakehashi``: one module a family of commands; each reads the clock and calls an engine."""

from __future__ import annotations

import click

from front.cli.batch import batch
from front.cli.card import card
from front.cli.case_ends import discard, hand_over, search_cases
from front.cli.cases import case
from front.cli.clients import client
from front.cli.common import Group
from front.cli.cross import cross
from front.cli.cross_changes import renew, withdraw
from front.cli.cross_show import show
from front.cli.cross_state import calendar_, impact, list_crosses
from front.cli.events import events
from front.cli.explain import explain
from front.cli.inventory import inventory
from front.cli.journal import archive, journal
from front.cli.key import key
from front.cli.lists import list_, revoke
from front.cli.making import init, upgrade
from front.cli.medium import medium
from front.cli.migrate import migrate
from front.cli.officers import officer
from front.cli.offices import office
from front.cli.order import order
from front.cli.quarantine import quarantine
from front.cli.receipts import receipt
from front.cli.repo import repo
from front.cli.responders import responder
from front.cli.serving import serve, work
from front.cli.signing_in import code, list_passkeys
from front.cli.verifiers import verifier
from front.cli.verifying import verify
from front.cli.watching import watch


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kakehashi")
def main() -> None:
    """A nation's certificates on one machine: 47 prefecture CAs, the bridge, windows, lists, verifiers.

    \b
    Begin with:
      kakehashi init --edition japan-2014 --home world
      kakehashi officer add sato --office 131016 --role reception --home world
    """


for part in (renew, withdraw, list_crosses, impact, calendar_, show):
    cross.add_command(part)

for part in (hand_over, discard, search_cases):
    case.add_command(part)

for part in (code, list_passkeys):
    officer.add_command(part)

for command in (
    init,
    upgrade,
    office,
    officer,
    client,
    case,
    card,
    medium,
    batch,
    revoke,
    order,
    events,
    quarantine,
    explain,
    list_,
    repo,
    journal,
    archive,
    inventory,
    cross,
    key,
    verifier,
    verify,
    migrate,
    watch,
    receipt,
    responder,
    serve,
    work,
):
    main.add_command(command)
