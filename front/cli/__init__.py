"""The command ``kakehashi``: one module a family of commands; each reads the clock and calls an engine.

A family is read when it is asked for: a batch on many processes does without the pages, the verifier and the plots.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import cast

import click

from front.cli.common import Group

_FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "init": "making:init",
        "upgrade": "making:upgrade",
        "office": "offices:office",
        "officer": "officers:officer",
        "client": "clients:client",
        "case": "cases:case",
        "card": "card:card",
        "medium": "medium:medium",
        "batch": "batch:batch",
        "revoke": "lists:revoke",
        "order": "order:order",
        "events": "events:events",
        "quarantine": "quarantine:quarantine",
        "explain": "explain:explain",
        "list": "lists:list_",
        "repo": "repo:repo",
        "journal": "journal:journal",
        "archive": "journal:archive",
        "inventory": "inventory:inventory",
        "cross": "cross:cross",
        "key": "key:key",
        "verifier": "verifiers:verifier",
        "verify": "verifying:verify",
        "migrate": "migrate:migrate",
        "watch": "watching:watch",
        "receipt": "receipts:receipt",
        "responder": "responders:responder",
        "serve": "serving:serve",
        "work": "serving:work",
    }
)
"""Where each command, or family of commands, is found: module of this package, and name in it."""

_MEMBERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "case": ("case_ends:hand_over", "case_ends:discard", "case_ends:search_cases"),
        "cross": (
            "cross_changes:renew",
            "cross_changes:withdraw",
            "cross_state:list_crosses",
            "cross_state:impact",
            "cross_state:calendar_",
            "cross_show:show",
        ),
        "key": ("key_intents:abandon",),
        "officer": ("signing_in:code", "signing_in:list_passkeys"),
    }
)
"""What else belongs to a family, from other modules."""


class Families(Group):
    """The families of commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks so
        """Their names, in order."""
        return sorted(_FAMILIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """The command or family of this name; None if there is none."""
        if cmd_name not in _FAMILIES:
            return None
        family = _found(_FAMILIES[cmd_name])
        for member in _MEMBERS.get(cmd_name, ()):
            cast("click.Group", family).add_command(_found(member))
        return family


def _found(place: str) -> click.Command:
    module, _, name = place.partition(":")
    return cast("click.Command", getattr(import_module(f"front.cli.{module}"), name))


@click.group(cls=Families, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kakehashi")
def main() -> None:
    """A nation's certificates on one machine: 47 prefecture CAs, the bridge, windows, lists, verifiers.

    \b
    Begin with:
      kakehashi init --edition japan-2014 --home world
      kakehashi officer add sato --office 131016 --role reception --home world
    """
