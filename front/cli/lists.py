"""``kakehashi revoke`` and ``kakehashi list``."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.repository.contents import publish_certificates, publish_due_lists, publish_manifest
from bridge.repository.failures import Failures
from bridge.repository.heads import publish_head
from ca.clock import parse_moment, utc_text
from ca.model import CertificateId, GenerationId, RevocationReason, Scope
from ca.revoking.deciding.by_hand import revoke as revoke_certificate
from ca.revoking.lists.publication import publish, publish_changes
from ca.revoking.lists.releasing import kept_back
from ca.revoking.lists.releasing import release as release_list
from ca.store import authorities, lists
from front.cli.common import Settings, command_options, receipt_option
from front.receipts import receipt_of_revocation, require_free, write_receipt


@click.command()
@click.argument("certificate")
@click.option("--reason", required=True, help="In the RFC's spelling, such as affiliationChanged.")
@click.option("--officer", required=True, help="An operator of the centre.")
@click.option(
    "--invalid-since", metavar="MOMENT", help="When the key is known or suspected to have been lost."
)
@receipt_option
@command_options
def revoke(
    settings: Settings,
    certificate: str,
    reason: str,
    officer: str,
    invalid_since: str | None,
    receipt: Path | None,
) -> None:
    """End a certificate, and publish the lists that say so.

    \b
    Example:
      kakehashi revoke jpki-13.g1:4c0f... --reason keyCompromise --officer ito --home world
    """
    require_free(receipt)
    wanted = CertificateId.parse(certificate)
    since = None if invalid_since is None else parse_moment(invalid_since, "--invalid-since")
    with settings.world() as world:
        # The keys are opened first: a revocation that could not be published at once should not surprise later.
        issuer = world.issuers.of(wanted.generation)
        ended = revoke_certificate(
            world.stores,
            wanted,
            RevocationReason.parse(reason),
            officer,
            at=world.clock(),
            invalid_since=since,
        )
        if receipt is not None and (given := receipt_of_revocation(world, ended, world.clock())):
            write_receipt(receipt, given)
        records = publish(
            world.stores.of(wanted.generation.authority),
            issuer,
            ended.scopes,
            world.repository,
            at=world.clock(),
            nation=world.stores.nation,
        )
        publish_head(world.issuers, world.plan, world.repository, at=world.clock())
    settings.tell(
        {
            "certificate": str(wanted),
            "revoked_at": utc_text(ended.revocation.revoked_at),
            "reason": ended.revocation.reason.word,
            "lists": [f"{record.generation}/{record.scope} number {record.number}" for record in records],
        }
    )


@click.group("list")
def list_() -> None:
    """The lists of revoked certificates, and the repository that they stand in."""


@list_.command("publish")
@command_options
def publish_due(settings: Settings) -> None:
    """Make the lists that are missing, behind, or in the second half of their time; complete the repository.

    What fails for one of them keeps no other back: it is told when all else is done.

    \b
    Example:
      kakehashi list publish --home world
    """
    with settings.world() as world:
        at = world.clock()
        with world.repository.exclusive():
            world.repository.sweep()
        world.stores.catch_up()
        failures, made, files = Failures(), 0, 0
        with failures.kept():
            made += len(publish_changes(world.issuers, world.repository, at=at))
        made += publish_due_lists(world.issuers, world.repository, failures, at=at)
        with failures.kept():
            files += publish_certificates(world.stores, world.repository)
        with failures.kept():
            files += publish_manifest(world.issuers, world.plan, world.repository, at=at)
        with failures.kept():
            files += publish_head(world.issuers, world.plan, world.repository, at=at)
        failures.tell()
    settings.tell({"lists_made": made, "other_files_written": files})


@list_.command("show")
@click.argument("generation")
@command_options
def show(settings: Settings, generation: str) -> None:
    """Show the newest list of each scope of a generation.

    \b
    Example:
      kakehashi list show jpki-13.g1 --home world
    """
    wanted = GenerationId.parse(generation)
    with settings.world() as world, world.stores.of(wanted.authority).reading() as connection:
        authorities.generation(connection, wanted)
        newest = lists.newest(connection, wanted)
    settings.show(
        [
            {
                "scope": record.scope,
                "number": record.number,
                "this_update": utc_text(record.this_update),
                "next_update": utc_text(record.next_update),
                "entries": record.entries,
            }
            for _, record in sorted(newest.items())
        ]
    )


@list_.command("blocked")
@command_options
def show_blocked(settings: Settings) -> None:
    """Show the lists that the publish gate keeps back, and why. Relying parties still get the last ones that passed.

    \b
    Example:
      kakehashi list blocked --home world
    """
    with settings.world() as world:
        found = kept_back(world.stores)
    settings.show(
        [
            {
                "generation": str(one.generation),
                "scope": one.scope,
                "reason": one.reason,
                "problem": one.problem,
                "since": utc_text(one.raised_at),
                "released_by": " ".join(one.officers) or None,
            }
            for one in found
        ]
    )


@list_.command("release")
@click.argument("generation")
@click.argument("scope")
@click.option("--officer", required=True, help="An operator of the centre; two different ones are needed.")
@command_options
def release(settings: Settings, generation: str, scope: str, officer: str) -> None:
    """Release a list that goes further from the last one than is usual, or whose last one is lost in every copy.

    Two operators of the centre do it, one by one. The worker then lets through what was shown, once; a list that goes
    further still is kept back again.

    \b
    Example:
      kakehashi list release jpki-13.g1 full --officer ito --home world
    """
    with settings.world() as world:
        found = release_list(world.stores, GenerationId.parse(generation), Scope(scope), officer)
    settings.tell(
        {
            "list": f"{found.generation} {found.scope}",
            **found.facts,
            "released_by": " ".join(found.officers),
            "missing": "another operator" if len(found.officers) < 2 else None,
        }
    )
