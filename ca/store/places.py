"""The places of lists that every key which makes lists has to have. No record of the journal tells of them: a practice does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, select

from ca.model import AuthorityId, GenerationId
from ca.names import Municipalities
from ca.profiles.lists import ListPlace
from ca.profiles.practice import Practice
from ca.store import key_lives, lists
from ca.store.stores import Stores
from ca.store.tables import list_places


def complete_places(
    stores: Stores, practices: Mapping[AuthorityId, Practice], municipalities: Municipalities
) -> None:
    """Write down the places of lists that keys which make lists lack; those that are there stay as they are.

    A restored database that was brought forward to the journal has the new keys, and no places for their lists.

    Args:
        stores: All databases; each is written in only if something lacks.
        practices: What authorities do; those that have none here are left alone.
        municipalities: Whose residents have lists of their own.

    Raises:
        StorageFailed, HomeBusy: A database refused.
    """
    for store in stores.each():
        with store.reading() as connection:
            lacking = dict(_lacking(connection, practices, municipalities))
        if lacking:
            with store.writing() as connection:
                for generation, missing in lacking.items():
                    lists.add_places(connection, generation, missing)


def _lacking(
    connection: Connection, practices: Mapping[AuthorityId, Practice], municipalities: Municipalities
) -> Iterator[tuple[GenerationId, list[ListPlace]]]:
    there = defaultdict[str, set[str]](set)
    for row in connection.execute(select(list_places.c.generation, list_places.c.scope)):
        there[row.generation].add(row.scope)
    for generation in sorted(key_lives.making_lists(connection)):
        practice = practices.get(generation.authority)
        if practice is not None:
            known = there[str(generation)]
            missing = [place for place in practice.places(municipalities) if place.scope not in known]
            if missing:
                yield generation, missing
