"""Who sees what here: a sub-office what is its own, the centre everything, windows and ministries nothing."""

from __future__ import annotations

from sqlalchemy import Connection

from ca.errors import NotFound, NotPermitted
from ca.model import Office, OfficeKind, Role
from ca.store import applications, officers
from ca.store.applications import Application
from front.assembly import World
from front.looking import Sought, noting_refusals
from front.pages.offices import called
from front.pages.visit import SignedIn, signed_in

PLACES = frozenset({OfficeKind.LOCAL_GOVERNMENT, OfficeKind.CENTRE})


def of_local(*roles: Role) -> SignedIn:
    """The officer behind the request, of a local government's sub-office or of the centre, with one of these roles."""
    who = signed_in(*roles)
    if who.office.kind not in PLACES:
        raise NotPermitted(
            "page", "is for local governments' sub-offices", remedy="Use your office's own pages"
        )
    return who


def of_sub_office(*roles: Role) -> SignedIn:
    """The same, of a sub-office alone."""
    who = of_local(*roles)
    if who.of_centre:
        raise NotPermitted("page", "is for local governments' sub-offices")
    return who


def case_of(connection: Connection, who: SignedIn, wanted: str) -> Application:
    """A local government's case that this officer may see, or NotFound: which others there are is not told."""
    found = applications.find(connection, wanted)
    ours = found.case.course is OfficeKind.LOCAL_GOVERNMENT
    if not ours or not (who.of_centre or found.case.office == who.office.id):
        raise NotFound(f"case {wanted!r}", "is not one of this home's")
    return found


def own_case(world: World, who: SignedIn, wanted: str) -> Application:
    """The case of a number that was sent; that it is refused is written down."""
    with noting_refusals(world, who.officer, Sought.CASE), world.stores.nation.reading() as connection:
        return case_of(connection, who, wanted)


def office_of(connection: Connection, who: SignedIn, wanted: str) -> Office:
    """A sub-office that this officer may see, or NotFound."""
    if not who.of_centre and wanted != who.office.id:
        raise NotFound("office", "is not one of this home's")
    found = officers.office(connection, wanted)
    if found.kind is not OfficeKind.LOCAL_GOVERNMENT:
        raise NotFound(f"office {found.id}", "is not a local government's")
    return found


def names_of(connection: Connection, officer_ids: set[str]) -> dict[str, str]:
    """What colleagues call these officers: their names where there are any, and their offices."""
    found = {}
    for officer_id in officer_ids:
        officer, office = officers.known(connection, officer_id)
        found[officer_id] = f"{officer.name or officer.id}({called(office)})"
    return found
