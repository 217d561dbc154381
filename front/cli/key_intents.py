"""``kakehashi key abandon``: what a key was to sign that is lost."""

from __future__ import annotations

from contextlib import suppress

import click

from ca.errors import Conflict, KeyRefused
from ca.issuing.intents import give_up, open_intents
from ca.model import GenerationId
from front.cli.common import Settings, command_options
from front.cli.key import EVIDENCE, OFFICER, SECOND_OFFICER, known_authority, order_of


@click.command()
@click.argument("generation")
@OFFICER
@SECOND_OFFICER
@EVIDENCE
@command_options
def abandon(
    settings: Settings, generation: str, officer: str, second_officer: str, evidence: str | None
) -> None:
    """Give up what the lost key of a GENERATION was to sign: it counts as issued, and as revoked at once.

    A case of which nothing was signed has failed. What can be signed still is signed, and is not given up: a token that
    is only away is better brought back first.

    \b
    Example:
      kakehashi key abandon jpki-31.g1 --officer ito --second-officer endo --evidence "decision 18" --home world
    """
    wanted = GenerationId.parse(generation)
    with settings.world() as world:
        known_authority(world, wanted.authority)
        order = order_of(world, officer, second_officer, evidence)
        intents = open_intents(world.stores, wanted)
        # Opening the keys signs what can be signed. A vault that is gone as a whole has nothing to sign with.
        with suppress(KeyRefused):
            _ = world.issuers
        ended = give_up(world.stores, intents, f"its key is lost; {order}", at=world.clock())
    if not intents:
        raise Conflict(f"generation {wanted}", "has nothing left to sign")
    settings.tell(
        {
            "generation": str(wanted),
            "abandoned": [str(one) for one in ended],
            "signed": [str(one) for one in intents if one not in ended],
        }
    )
