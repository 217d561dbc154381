"""Which lists do not say yet what the store knows."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ca.model import GenerationId, Scope
from ca.store.revocations import lists_naming
from ca.store.tables import lists, revocations


def touched_since(connection: Connection, sequence: int) -> dict[GenerationId, list[Scope]]:
    """The lists that a revocation later than this sequence belongs into, and whose newest one lacks it.

    The sequence only bounds the search: 0 finds every list that is behind, however it came to be.
    """
    query = (
        select(revocations.c.generation, revocations.c.scope, func.max(revocations.c.sequence))
        .where(revocations.c.sequence > sequence)
        .group_by(revocations.c.generation, revocations.c.scope)
    )
    wanted: dict[tuple[str, Scope], int] = {}
    for generation, own, newest in connection.execute(query):
        for scope in lists_naming(Scope(own)):
            wanted[generation, scope] = max(wanted.get((generation, scope), 0), newest)
    found: dict[GenerationId, list[Scope]] = {}
    for (generation, scope), newest in sorted(wanted.items()):
        said = connection.execute(
            select(func.max(lists.c.sequence)).where(
                lists.c.generation == generation, lists.c.scope == scope, lists.c.digest.is_not(None)
            )
        ).scalar_one()
        if said is None or said < newest:
            found.setdefault(GenerationId.parse(generation), []).append(scope)
    return found
