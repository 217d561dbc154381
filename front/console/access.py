"""Who sees what here: the centre's officers all that is counted, auditors all that is written; operators change."""

from __future__ import annotations

from ca.errors import NotPermitted
from ca.model import OfficeKind, Role
from front.pages.visit import SignedIn, signed_in

CENTRE = frozenset({OfficeKind.CENTRE})


def of_centre(*roles: Role) -> SignedIn:
    """The officer behind the request, of the centre and with one of these roles if any are named."""
    who = signed_in(*roles)
    if not who.of_centre:
        raise NotPermitted("page", "is for the centre", remedy="Use your office's own pages")
    return who


def operator() -> SignedIn:
    """The operator behind a request that changes something; what is called then asks the database again."""
    return of_centre(Role.OPERATOR)


def auditor() -> SignedIn:
    """The auditor behind the request."""
    return of_centre(Role.AUDITOR)
