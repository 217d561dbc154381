"""``kakehashi case hand-over``, ``discard`` and ``search``: what a window does with a case that is issued, and finding one."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from ca.clock import utc_text
from ca.model import OfficeKind
from ca.revoking.deciding import local_delivery
from ca.revoking.deciding.at_window import Delivered, Window
from ca.rules.registration import State
from ca.rules.validity import JST
from ca.store import applications, officers
from ca.store.search import PAGE, search
from front.assembly import World
from front.cli.cases import CASE, NOTE, OFFICER, case_fields
from front.cli.common import Settings, command_options

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("hand-over")
@CASE
@OFFICER
@command_options
def hand_over(settings: Settings, case_id: str, officer: str) -> None:
    """Give the holder the certificates of an issued case; what they renew ends, and its lists are published.

    \b
    Example:
      kakehashi case hand-over 131016-000001 --officer sato --home world
    """
    with settings.world() as world:
        if _is_local(world, case_id):
            delivered = local_delivery.hand_over(world.stores, case_id, officer, at=world.clock())
        else:
            delivered = Window(world.events).hand_over(case_id, officer, at=world.clock())
        _tell(settings, world, delivered)


@click.command()
@CASE
@OFFICER
@NOTE
@command_options
def discard(settings: Settings, case_id: str, officer: str, note: str | None) -> None:
    """End the certificates of an issued case that nobody came for; the holder's others stay.

    \b
    Example:
      kakehashi case discard 131016-000001 --officer sato --note "nobody came" --home world
    """
    with settings.world() as world:
        if _is_local(world, case_id):
            delivered = local_delivery.discard(world.stores, case_id, officer, at=world.clock(), note=note)
        else:
            delivered = Window(world.events).discard(case_id, officer, at=world.clock(), note=note)
        _tell(settings, world, delivered)


@click.command("search")
@click.argument("words", default="")
@click.option("--office", help="Only this office's cases.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice([state.value for state in State]),
    help="Where the cases stand; may be given more than once.",
)  # fmt: skip
@click.option("--since", type=_DAY, help="Filed on this day in Japan or later.")
@click.option("--until", type=_DAY, help="Filed on this day in Japan or earlier.")
@click.option("--after", metavar="CASE", help="The page behind this case.")
@command_options
def search_cases(
    settings: Settings,
    words: str,
    office: str | None,
    states: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    after: str | None,
) -> None:
    """Find cases by number, by how the applicant's name begins, by state and by day: the newest first, a page at once.

    Names are not shown.

    \b
    Examples:
      kakehashi case search 12 --office 131016 --home world
      kakehashi case search 試験 --state issued --since 2014-09-01 --home world
    """
    with settings.world() as world, world.stores.nation.reading() as connection:
        found = search(
            connection,
            None if office is None else officers.office(connection, office).id,
            words=words,
            states=[State(state) for state in states],
            since=None if since is None else since.replace(tzinfo=JST),
            until=None if until is None else until.replace(tzinfo=JST) + timedelta(days=1),
            after=after,
        )
    settings.show(
        [
            {
                **case_fields(one.case),
                "kinds": " ".join(one.kinds),
                "filed_at": utc_text(one.filed_at),
            }
            for one in found.cases
        ],
        f"The first {PAGE}; more with --after {found.after}" if found.after else None,
    )


def _is_local(world: World, case_id: str) -> bool:
    """Whether a case is a local government's, whose key medium goes with it."""
    with world.stores.nation.reading() as connection:
        return applications.find(connection, case_id).case.course is OfficeKind.LOCAL_GOVERNMENT


def _tell(settings: Settings, world: World, delivered: Delivered) -> None:
    """Publish what ended, and say so."""
    if delivered.ended:
        world.publish_changes()
    settings.tell(
        {**case_fields(delivered.case), "ended": [str(certificate) for certificate in delivered.ended]}
    )
