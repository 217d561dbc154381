"""The receiving side of a holder's request on line: believed by its signature and signer, and then done."""

from __future__ import annotations

import hashlib
from datetime import datetime

from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import BudgetSpent, PathRejected
from bridge.relying.trust import Trust
from ca.errors import KeyRefused, NotPermitted
from ca.revoking.deciding.by_holder import HolderEnd, end_for_holder
from front.assembly import World
from front.card.once import SpentByTheEnd
from front.card.requests import RevocationRequest, RevocationStatement, certificate_to_end, read_request
from front.card.statements import read_stated
from front.watching.published import published_anchor

_PLACE = "revocation request"


def end_as_asked(world: World, octets: bytes, at: datetime) -> HolderEnd:
    """End the certificate that a holder's card asks to be ended; the same request again changes nothing.

    Raises:
        BadInput: It is no such request, too old, or names what is none of this world's.
        NotPermitted: The signature or the signer's certificate is not valid; or the certificate is not this key's to
            give up.
        Conflict, NotFound, RevocationRefused, HomeRefused, StorageFailed: As ``end_for_holder``.
    """
    # A death that has taken effect by now ends what would sign.
    world.events.settle(at)
    found = _believed(world, octets, at)
    with world.stores.nation.reading() as connection:
        wanted = certificate_to_end(connection, found).certificate
    request = hashlib.sha256(octets).hexdigest()[:40]
    return end_for_holder(world.stores, wanted, found.signer, found.reason, request, at=at)


def _believed(world: World, octets: bytes, at: datetime) -> RevocationRequest:
    # What is no request at all is told before what is published is read for it.
    read_stated(octets, RevocationStatement, _PLACE)
    snapshot = Snapshot.read(world.home.repository)
    plan = world.plan
    policies = frozenset(plan.trusted_policies)
    trust = Trust((published_anchor(snapshot),), policies, plan.marking, legacy=plan.legacy)
    try:
        return read_request(octets, snapshot, trust, SpentByTheEnd(), at)
    except (KeyRefused, PathRejected, BudgetSpent) as error:
        raise NotPermitted(
            _PLACE, f"is not believed: {error.problem}", clause=error.clause, remedy="Ask at a window"
        ) from None
