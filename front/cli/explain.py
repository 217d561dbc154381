"""``kakehashi explain``: a certificate's story, from its approval to the list that says its end."""

from __future__ import annotations

from typing import Any

import click

from bridge.repository.layout import list_path
from ca.clock import utc_text
from ca.model import CertificateId
from ca.revoking.assurance.naming import Naming
from ca.revoking.assurance.story import story
from front.cli.common import Settings, command_options


@click.command()
@click.argument("certificate")
@command_options
def explain(settings: Settings, certificate: str) -> None:
    """Tell what happened to a CERTIFICATE: who approved it, what ended it by which rule, and which lists say so.

    A hold that was lifted or became an end, and an end that was raised, are told too, each with its record and lists.

    \b
    Example:
      kakehashi explain jpki-13.g1:4c0f... --home world
    """
    wanted = CertificateId.parse(certificate)
    with settings.world() as world:
        told = story(world.stores, world.repository, wanted)
        url = world.description.url
    if settings.json:
        settings.tell(
            {
                "certificate": str(told.certificate),
                "steps": [{"at": utc_text(step.at), "what": step.what, **step.facts} for step in told.steps],
                "lists": [_naming(naming, url) for naming in told.lists],
            }
        )
        return
    settings.show(
        [
            {
                "at": utc_text(step.at),
                "what": step.what,
                "facts": "\n".join(f"{name}: {value}" for name, value in step.facts.items()),
            }
            for step in told.steps
        ],
        f"certificate {told.certificate}",
    )
    if told.lists:
        settings.show([_naming(naming, url) for naming in told.lists], "the first lists that say so")


def _naming(naming: Naming, url: str) -> dict[str, Any]:
    path = None if naming.number is None else list_path(naming.generation, naming.scope, naming.number)
    return {
        "list": naming.scope,
        "journal_record": naming.record,
        "number": naming.number,
        "this_update": None if naming.this_update is None else utc_text(naming.this_update),
        "url": None if path is None else f"{url}/{path}",
    }
