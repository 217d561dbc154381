"""Lists that the publish gate keeps back, and the two officers who may release what is not known to be wrong.

A row stands in the database of the list's authority until a list of its scope passes the gate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from ca.errors import Conflict, ListBlocked, NotFound
from ca.model import GenerationId, OfficerId, Scope
from ca.rules.list_changes import RELEASABLE, Block, Jump
from ca.store.tables import blocked_lists


@dataclass(frozen=True, slots=True)
class BlockedList:
    """A list that is kept back.

    Attributes:
        raised_at: Since when.
        facts: Numbers that tell more; those that are released, if it can be.
        officers: Who has released it so far, two at most.
    """

    generation: GenerationId
    scope: Scope
    reason: Block
    problem: str
    raised_at: datetime
    facts: dict[str, int]
    officers: tuple[OfficerId, ...]

    @property
    def jump(self) -> Jump | None:
        """What is released, if it can be."""
        return Jump(**self.facts) if self.reason in RELEASABLE else None


def keep_back(
    connection: Connection, generation: GenerationId, scope: Scope, error: ListBlocked, *, at: datetime
) -> None:
    """Write down that a list is kept back.

    While the second officer looks at a jump, its numbers stay as the first one saw them. Once both have released them
    and it went too far all the same, they begin again with what it is now.
    """
    before = find(connection, generation, scope)
    same = before is not None and before.reason == error.reason
    if before is not None and same and len(before.officers) == 1:
        return
    since = before.raised_at if before is not None and same and not before.officers else at
    clear(connection, generation, [scope])
    connection.execute(
        insert(blocked_lists).values(
            generation=str(generation),
            scope=scope,
            reason=str(error.reason),
            problem=error.problem,
            raised_at=since,
            facts=msgspec.json.encode(error.facts).decode(),
            first_officer=None,
            second_officer=None,
        )
    )


def clear(connection: Connection, generation: GenerationId, scopes: Iterable[Scope]) -> None:
    """Write down that lists of these scopes passed the gate; what was released is used up with it."""
    connection.execute(
        delete(blocked_lists).where(
            blocked_lists.c.generation == str(generation), blocked_lists.c.scope.in_(list(scopes))
        )
    )


def find(connection: Connection, generation: GenerationId, scope: Scope) -> BlockedList | None:
    """The list of this scope, if it is kept back."""
    row = connection.execute(
        select(blocked_lists).where(
            blocked_lists.c.generation == str(generation), blocked_lists.c.scope == scope
        )
    ).one_or_none()
    return None if row is None else _blocked(row)


def all_blocked(connection: Connection) -> list[BlockedList]:
    """Every list that is kept back, by generation and scope."""
    query = select(blocked_lists).order_by(blocked_lists.c.generation, blocked_lists.c.scope)
    return [_blocked(row) for row in connection.execute(query)]


def released(connection: Connection, generation: GenerationId, scope: Scope) -> Jump | None:
    """The jump of this scope's list that two officers have released, if they did."""
    found = find(connection, generation, scope)
    return found.jump if found is not None and len(found.officers) == 2 else None


def release(
    connection: Connection, generation: GenerationId, scope: Scope, officer: OfficerId
) -> BlockedList:
    """Write down that this officer releases a list; gives the list as it stands then.

    Raises:
        NotFound: The list is not kept back.
        Conflict: It cannot be released, or this officer has done so, or two others have.
    """
    place = f"list {generation} {scope}"
    found = find(connection, generation, scope)
    if found is None:
        raise NotFound(place, "is not kept back", remedy="`kakehashi list blocked` shows those that are")
    if found.jump is None:
        raise Conflict(
            place,
            f"is kept back for {found.reason}, which nobody may release",
            remedy="Mend the cause; the next list replaces it",
        )
    if officer in found.officers or len(found.officers) == 2:
        who = "this officer" if officer in found.officers else "two officers"
        raise Conflict(place, f"was released by {who} already", remedy="Another operator releases it")
    column = "second_officer" if found.officers else "first_officer"
    connection.execute(
        update(blocked_lists)
        .where(blocked_lists.c.generation == str(generation), blocked_lists.c.scope == scope)
        .values({column: officer})
    )
    again = find(connection, generation, scope)
    assert again is not None, "it was there in this transaction"
    return again


def _blocked(row: Row[Any]) -> BlockedList:
    return BlockedList(
        generation=GenerationId.parse(row.generation),
        scope=Scope(row.scope),
        reason=Block(row.reason),
        problem=row.problem,
        raised_at=row.raised_at,
        facts=msgspec.json.decode(row.facts, type=dict[str, int]),
        officers=tuple(
            OfficerId(officer) for officer in (row.first_officer, row.second_officer) if officer is not None
        ),
    )
