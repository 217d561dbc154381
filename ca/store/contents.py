"""What a list says: the revocations that belong into it, summed up, and as blocks of their encoded entries.

A list of millions never lies in memory: its entries come from the driver's own cursor, in the order of their serials.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    not_,
    or_,
    select,
    type_coerce,
)

from ca.journal.entries import ORDER
from ca.model import FULL, GenerationId, Revocation, RevocationReason, Scope, Serial
from ca.store.bulk import AT_ONCE, among
from ca.store.tables import certificates, revocations

_ROWS = 4096  # of a cursor at once
_SECOND = 1_000_000
# What an order of many is said to have ended.
_ORDERED = revocations.c.cause.startswith(ORDER)
_LOWEST, _HIGHEST = (1).to_bytes(20, "big"), ((1 << 159) - 1).to_bytes(20, "big")


@dataclass(frozen=True, slots=True)
class Contents:
    """Which revocations a list names.

    Attributes:
        since: Of a delta list: the sequence behind which its changes lie. None for a complete list.
        ended_before: Whatever certificate had ended by itself before this moment is named no more.
    """

    generation: GenerationId
    scope: Scope
    since: int | None = None
    ended_before: datetime | None = None

    @property
    def shape(self) -> tuple[bool, bool, bool]:
        """What the query looks like, whatever its values: of the full list, of a delta list, of those still valid."""
        return self.scope == FULL, self.since is not None, self.ended_before is not None

    @property
    def values(self) -> dict[str, object]:
        """The values of the query."""
        return {
            "generation": str(self.generation),
            "scope": self.scope,
            "since": self.since,
            "ended_before": self.ended_before,
        }


@cache
def _condition(full: bool, delta: bool, ended: bool) -> ColumnElement[bool]:  # noqa: FBT001 - a shape
    """The condition for the rows of a list's entries."""
    generation: ColumnElement[str] = revocations.c.generation
    if full and delta:
        # Without statistics SQLite would rather pass over all that the key ever revoked than look up the few that
        # changed; what is no column is in no key.
        generation = generation + ""
    conditions = [generation == bindparam("generation")]
    if not full:
        conditions.append(revocations.c.scope == bindparam("scope"))
    if delta:
        conditions.append(revocations.c.sequence > bindparam("since"))
    else:
        conditions.append(revocations.c.reason != RevocationReason.REMOVE_FROM_CRL)
    if ended:
        conditions.append(revocations.c.not_after >= bindparam("ended_before"))
    return and_(*conditions)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list's entries come to.

    Attributes:
        octets: How long their encodings are in all.
        latest: The latest moment of a revocation; None without any.
        ordered: How many of those behind the sequence asked about say that an order of many has ended them.
        unfit: How many break a rule of entries.
    """

    entries: int
    octets: int
    latest: datetime | None
    ordered: int
    unfit: int


def summed_up(
    connection: Connection, contents: Contents, reasons: Collection[RevocationReason], *, said: int
) -> Summary:
    """Count what a list says, and look at all of it at once by the rules that ``ca.lint.lists`` has for entries.

    Args:
        connection: A transaction that reads one state.
        contents: What the list names.
        reasons: For which reasons an entry may stand in it.
        said: The sequence up to which the last list said everything.
    """
    query = _summary(*contents.shape, frozenset(reasons))
    values = contents.values | {"said": said}
    entries, octets, latest, announced, unfit = connection.execute(query, values).one()
    return Summary(entries, int(octets), latest, announced, unfit)


@cache  # a nation's lists are thousands, and making the query costs more than asking it
def _summary(full: bool, delta: bool, ended: bool, reasons: frozenset[RevocationReason]) -> Select[Any]:  # noqa: FBT001 - a shape
    return (
        select(
            func.count(),
            func.coalesce(func.sum(func.length(revocations.c.entry)), 0),
            func.max(revocations.c.revoked_at),
            func.count().filter(revocations.c.sequence > bindparam("said"), _ORDERED),
            func.count().filter(_unfit(reasons)),
        )
        .select_from(revocations)
        .where(_condition(full, delta, ended))
    )


def by_order(connection: Connection, contents: Contents, *, said: int) -> dict[int, int]:
    """How many of the revocations that a summary counts as ordered name each order, by its number."""
    # Asked as of a delta list, so that nothing of before is passed over.
    since = replace(contents, since=max(said, contents.since or 0))
    query = (
        select(revocations.c.cause, func.count())
        .where(_condition(*since.shape), _ORDERED)
        .group_by(revocations.c.cause)
    )
    counts = connection.execute(query, since.values).all()
    numbers = ((cause.removeprefix(ORDER), count) for cause, count in counts)
    return {int(number): count for number, count in numbers if number.isdecimal()}


def first_unfit(
    connection: Connection, contents: Contents, reasons: Collection[RevocationReason]
) -> Revocation:
    """The first revocation, by serial, of those that a summary found unfit."""
    unfit = select(revocations).where(_condition(*contents.shape), _unfit(reasons))
    query = unfit.order_by(revocations.c.serial).limit(1)
    row = connection.execute(query, contents.values).one()
    return Revocation(Serial.of(row.serial), row.revoked_at, RevocationReason(row.reason), row.invalid_since)


def blocks(connection: Connection, contents: Contents) -> Iterator[bytes]:
    """The encoded entries by serial, some thousand at a time."""
    query = _entries(*contents.shape)
    if connection.dialect.name == "postgresql":
        # Its driver reads a whole answer at once, unless the cursor is the server's.
        result = connection.execute(query.execution_options(stream_results=True), contents.values)
        for rows in result.partitions(_ROWS):
            yield b"".join(chain.from_iterable(rows))
        return
    # Rows that pass through the toolkit cost three times as much.
    cursor = connection.execute(query, contents.values).cursor
    assert cursor is not None, "a query has one"
    while rows := cursor.fetchmany(_ROWS):
        yield b"".join(chain.from_iterable(rows))
    cursor.close()


@cache
def _entries(full: bool, delta: bool, ended: bool) -> Select[Any]:  # noqa: FBT001 - a shape
    return select(revocations.c.entry).where(_condition(full, delta, ended)).order_by(revocations.c.serial)


def expired(connection: Connection, contents: Contents, serials: Sequence[Serial]) -> frozenset[Serial]:
    """Of which of these serials the certificate expired so long ago that a list rightly names it no more.

    The certificate's own row says so: what was written down of its revocation is what the list itself was made from.
    """
    if contents.ended_before is None:
        return frozenset()
    query = select(certificates.c.serial).where(
        certificates.c.generation == str(contents.generation),
        certificates.c.not_after < contents.ended_before,
    )
    return _among(connection, query, certificates.c.serial, serials)


def let_go(
    connection: Connection, contents: Contents, serials: Sequence[Serial], *, said: int
) -> frozenset[Serial]:
    """Which of these serials, of certificates that the last list has on hold, it rightly says no more as it was.

    The hold was lifted: that is what stands, or something was recorded since the last list, which said everything up to
    the sequence ``said``.
    """
    query = select(revocations.c.serial).where(
        revocations.c.generation == str(contents.generation),
        or_(revocations.c.reason == RevocationReason.REMOVE_FROM_CRL, revocations.c.sequence > said),
    )
    column: Column[Any] = revocations.c.serial
    if contents.scope == FULL:
        # Its primary key begins with the scope, which a certificate's own row has.
        own = and_(
            certificates.c.generation == revocations.c.generation,
            certificates.c.serial == revocations.c.serial,
        )
        query = query.join(certificates, own).where(certificates.c.scope == revocations.c.scope)
        column = certificates.c.serial
    else:
        query = query.where(revocations.c.scope == contents.scope)
    return _among(connection, query, column, serials)


def _among(
    connection: Connection, query: Select[Any], column: Column[Any], serials: Sequence[Serial]
) -> frozenset[Serial]:
    """Which of these serials a query finds, asked about some hundred at a time."""
    wanted = [serial.octets for serial in serials]
    return frozenset(
        Serial.of(octets)
        for start in range(0, len(wanted), AT_ONCE)
        for octets in connection.execute(
            query.where(among(connection, column, wanted[start : start + AT_ONCE]))
        ).scalars()
    )


def _unfit(reasons: Collection[RevocationReason]) -> ColumnElement[bool]:
    """The rules of entries as one condition: looking at each of a million would take half a minute."""
    moment, since = revocations.c.revoked_at, revocations.c.invalid_since
    return or_(
        revocations.c.reason.not_in(sorted(reasons)),
        since > moment,
        type_coerce(moment, BigInteger) % _SECOND != 0,
        type_coerce(since, BigInteger) % _SECOND != 0,
        not_(revocations.c.serial.between(_LOWEST, _HIGHEST)),
    )
