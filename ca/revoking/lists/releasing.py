"""Two operators of the centre release a list that goes further than is usual, or whose last one is lost in every copy."""

from __future__ import annotations

from ca.model import GenerationId, Scope
from ca.store import blocked, officers
from ca.store.blocked import BlockedList
from ca.store.stores import Stores


def release(stores: Stores, generation: GenerationId, scope: Scope, officer_id: str) -> BlockedList:
    """Write down that an officer releases a list that is kept back; the second officer's word lets it pass once.

    What may pass is what the officers were shown: a list that goes further, or follows another list, is kept back again.

    Raises:
        NotFound: The officer is unknown, or the list is not kept back.
        NotPermitted: The officer is not an operator of the centre.
        Conflict: The list cannot be released, or not by this officer.
    """
    with stores.writing() as writing:
        officer = officers.operator_of_centre(writing.nation, officer_id)
        return blocked.release(writing.of(generation.authority), generation, scope, officer.id)


def kept_back(stores: Stores) -> list[BlockedList]:
    """Every list of the world that the gate keeps back."""
    found: list[BlockedList] = []
    for store in stores.each():
        with store.reading() as connection:
            found += blocked.all_blocked(connection)
    return found
