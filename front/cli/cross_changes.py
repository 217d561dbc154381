"""``kakehashi cross renew`` and ``withdraw``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from bridge.crossing.pairs import Half, all_halves
from bridge.crossing.renewable import LeftOut
from bridge.crossing.renewal import Made, Renewed, Renewing
from bridge.crossing.reporting import reporting
from bridge.crossing.reports import read_report, report_path, write_whole
from bridge.crossing.withdrawal import Withdrawn
from bridge.crossing.withdrawal import withdraw as withdraw_pair
from ca.clock import parse_moment, utc_text
from ca.errors import BadInput, NotFound
from ca.model import ARL, AuthorityId, RevocationReason
from ca.revoking.lists.publication import publish
from ca.store import agreements
from ca.store.agreements import RenewalStep
from ca.store.lists import ListRecord
from ca.store.revocations import lists_naming
from front.assembly import World
from front.cli.common import Settings, command_options
from front.cli.cross import OFFICER, publish_changes
from front.cli.cross_state import FIRST, ISSUED_BY, SECOND, impact_fields
from front.cli.progress import progress_bar


@click.command()
@click.option(
    "--plan",
    "name",
    required=True,
    metavar="NAME",
    help="What this renewal is called; the same goes on with it.",
)
@click.option("--all", "everything", is_flag=True, help="Every pair.")
@click.option("--of", "authority", metavar="ID", help="Every pair of this authority.")
@click.option(
    "--pair", "pairs", nargs=2, multiple=True, metavar="ID ID", help="This pair; may be given more than once."
)
@click.option("--officer", help="An operator of the centre.")
@click.option("--second-officer", help="Another operator of the centre.")
@click.option("--dry-run", is_flag=True, help="Only show what would be made; nothing is written down.")
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the report that the home keeps here too, as JSON.",
)  # fmt: skip
@command_options
def renew(  # noqa: PLR0913, PLR0917 - an option an argument
    settings: Settings,
    name: str,
    everything: bool,  # noqa: FBT001 - click calls by keyword
    authority: str | None,
    pairs: tuple[tuple[str, str], ...],
    officer: str | None,
    second_officer: str | None,
    dry_run: bool,  # noqa: FBT001
    report: Path | None,
) -> None:
    """Renew cross-certificates, both halves that are ours to issue, by one order of two operators.

    The renewed ones stand beside those that they renew. Interrupted, the same command goes on with the order of this
    NAME and makes nothing twice; what it is about is not asked again then. What has expired is renewed as long as its
    agreement stands, within the nation the edition's word; what was withdrawn never is.

    What became of each is kept in the home, in reports/renewal-NAME.json, and shown by `kakehashi cross show --renewal`.

    \b
    Examples:
      kakehashi cross renew --plan 2014-09 --of jpki-bridge --dry-run --home world
      kakehashi cross renew --plan 2014-09 --of jpki-bridge --officer ito --second-officer endo --home world
    """
    wanted = _wanted(everything, authority, pairs)
    with settings.world() as world:
        at, renewing = world.clock(), Renewing(world.issuers, world.plan, world.chance)
        with world.stores.nation.reading() as connection:
            order = agreements.renewal(connection, name)
        rows: list[dict[str, Any]] = []
        if order is None:
            if wanted is None:
                raise BadInput("cross renew", "names no pairs", remedy="Give one of --all, --of and --pair")
            left_out = renewing.left_out(wanted, at)
            for one in left_out if pairs else ():
                raise one.why
            steps = renewing.propose(name, wanted, at)
            _require_found(steps, pairs)
            rows += map(_left_out, left_out)
        else:
            steps = order.steps
        if dry_run:
            _show(settings, [*(_row(one, "to be made") for one in renewing.look(steps, at)), *rows])
            return
        if officer is None or second_officer is None:
            raise BadInput("cross renew", "needs two officers", remedy="Give --officer and --second-officer")
        order = renewing.order(name, steps, officer, second_officer, at=at)
        failed = False
        with world.stores.reading() as reading:
            halves = all_halves(reading)
        try:
            two = officer, second_officer
            watched = reporting(world.home.reports, world.plan.name, order, halves, two, world.clock)
            with watched as watching, progress_bar(settings) as progress:
                for done in renewing.run(order, at=at, by=two):
                    failed = failed or done.failure is not None
                    rows.append(_row(done, "made"))
                    watching.note(done)
                    progress("cross-certificates", len(order.steps))
        finally:  # what was made is told and published, whatever came then
            _show(settings, rows)
            try:
                publish_changes(world)
            finally:
                _tell_report(settings, world.home.reports, name, report)
    if failed:
        sys.exit(1)


@click.command()
@FIRST
@SECOND
@click.option("--reason", required=True, help="In the RFC's spelling, such as cessationOfOperation.")
@click.option(
    "--invalid-since", metavar="MOMENT", help="When a key of theirs is known or suspected to have been lost."
)
@ISSUED_BY
@OFFICER
@click.option(
    "--second-officer", help="Another operator of the centre; needed where somebody would be cut off."
)
@command_options
def withdraw(
    settings: Settings,
    first: str,
    second: str,
    reason: str,
    invalid_since: str | None,
    issued_by: str | None,
    officer: str,
    second_officer: str | None,
) -> None:
    """Withdraw a pair: revoke its cross-certificates, and publish the authority lists that say so at once.

    FIRST and SECOND are the two authorities, of this home or another CA. A certificate that another CA has issued is its
    own to revoke; it is shown as half of the pair no more. Where the end would cut somebody off, two operators say so.

    \b
    Example:
      kakehashi cross withdraw gpki-bca foreign --reason cessationOfOperation \\
        --officer ito --second-officer endo --home world
    """
    words = [officer] if second_officer is None else [officer, second_officer]
    why = RevocationReason.parse(reason)
    since = None if invalid_since is None else parse_moment(invalid_since, "--invalid-since")
    with settings.world() as world:
        for authority in (first, second, *([] if issued_by is None else [issued_by])):
            if authority in world.plan.practices:
                world.issuers.issuing(
                    AuthorityId(authority)
                )  # a key that cannot sign the list: before, not after
        done = withdraw_pair(
            world.stores,
            world.plan,
            AuthorityId(first),
            AuthorityId(second),
            why,
            words,
            at=world.clock(),
            issued_by=None if issued_by is None else AuthorityId(issued_by),
            invalid_since=since,
        )
        made = _publish(world, done)
        publish_changes(world)
    settings.tell(
        {
            "withdrawn": [_name(half) for half in done.halves],
            "reason": why.word,
            **({} if since is None else {"invalid_since": utc_text(since)}),
            **{name: value for name, value in impact_fields(done.impact).items() if name != "ending"},
            "lists": [f"{record.generation}/{record.scope} number {record.number}" for record in made],
        }
    )


def _wanted(
    everything: bool,  # noqa: FBT001
    authority: str | None,
    pairs: Sequence[tuple[str, str]],
) -> Callable[[Half], bool] | None:
    """Which halves are to be renewed; None if nothing says so."""
    if everything + (authority is not None) + bool(pairs) > 1:
        raise BadInput(
            "cross renew", "has more than one selection", remedy="Give one of --all, --of and --pair"
        )
    if everything:
        return lambda _: True
    if authority is not None:
        return lambda half: authority in {half.issuer.authority, half.subject.authority}
    if pairs:
        between = [(AuthorityId(one), AuthorityId(other)) for one, other in pairs]
        return lambda half: any(half.is_between(*pair) for pair in between)
    return None


def _require_found(steps: Sequence[RenewalStep], pairs: Sequence[tuple[str, str]]) -> None:
    """Raise NotFound if a pair that was named has nothing to renew."""
    found = [{step.certificate.generation.authority, step.subject.authority} for step in steps]
    for first, second in pairs:
        if {first, second} not in found:
            raise NotFound(f"pair {first} and {second}", "has no cross-certificate of ours that stands")


def _publish(world: World, done: Withdrawn) -> list[ListRecord]:
    """The lists that say what was withdrawn, of every generation that issued it."""
    made: list[ListRecord] = []
    for generation in done.issuers:
        store, issuer = world.stores.of(generation.authority), world.issuers.of(generation)
        made += publish(store, issuer, lists_naming(ARL), world.repository, at=world.clock())
    return made


def _show(settings: Settings, rows: Sequence[dict[str, Any]]) -> None:
    """All of it as JSON; in a table there is no room for the certificates' ids."""
    terms = ("agreement", "path_length") if any(row["agreement"] for row in rows) else ()
    names = ("issuer", "subject", *terms, "valid_until", "outcome")
    short = [{name: row[name] for name in names} for row in rows]
    settings.show(rows if settings.json else short)


def _left_out(one: LeftOut) -> dict[str, Any]:
    """What is wanted and may not be renewed, in the same form."""
    half = one.half
    return {
        "issuer": str(half.issuer),
        "subject": str(half.subject),
        "certificate": None,
        "beside": str(half.certificate),
        "agreement": None,
        "path_length": None,
        "valid_until": None,
        "outcome": f"left out: {one.why}",
    }


def _tell_report(settings: Settings, folder: Path, name: str, copy: Path | None) -> None:
    """Say where the report is, and write the copy that is wanted; nothing if there is none, since nothing was begun."""
    found = read_report(folder, name)
    if found is None:
        return
    if copy is not None:
        write_whole(copy, msgspec.json.format(msgspec.json.encode(found), indent=1))
    if not settings.json:
        settings.tell({"report": str(copy or report_path(folder, name))})


def _row(one: Renewed, outcome: str) -> dict[str, Any]:
    """A step, what it makes, and by which agreement and terms if the other CA is somebody else's."""
    step, made = one.step, one.outcome
    agreement = made.agreement if isinstance(made, Made) else None
    if not isinstance(made, Made):
        outcome = f"not made: {made}"
    elif made.was_there:
        outcome = "made before"
    return {
        "issuer": str(step.certificate.generation),
        "subject": str(step.subject),
        "certificate": str(step.certificate),
        "beside": str(step.replaces),
        "agreement": None if agreement is None else agreement.id,
        "path_length": None if agreement is None else agreement.certify.path_length,
        "valid_until": utc_text(made.certificate.period.not_after) if isinstance(made, Made) else None,
        "outcome": outcome,
    }


def _name(half: Half) -> str:
    whose = (
        "shown no more" if half.received else f"revoked, was valid until {utc_text(half.period.not_after)}"
    )
    return f"{half.certificate} for {half.subject}: {whose}"
