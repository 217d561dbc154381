"""What ended, and the lists that say so."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ca.store.tables.ground import Moment, Octets, metadata

# The primary key is the order in which a partition's list is written.
revocations = Table(
    "revocations",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    Column("revoked_at", Moment, nullable=False),
    Column("reason", Integer, nullable=False),
    Column("invalid_since", Moment, nullable=True),
    Column("not_after", Moment, nullable=False),
    Column("entry", Octets, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("cause", String(80), nullable=False),
    Column("journal_index", BigInteger, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("revocations_sequence", revocations.c.sequence)

# A row a counter, updated in the transaction that it counts: its lock makes commit order number order.
counters = Table(
    "counters",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

list_places = Table(
    "list_places",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("point", Text, nullable=True),
    Column("holds", String(4), nullable=False),
    UniqueConstraint("generation", "point", "holds"),
)

lists = Table(
    "lists",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("this_update", Moment, nullable=False),
    Column("next_update", Moment, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("tbs_digest", Octets(32), nullable=False),
    Column("digest", Octets(32), nullable=True),
    ForeignKeyConstraint(["generation", "scope"], ["list_places.generation", "list_places.scope"]),
)

# A delta list shares its number with the complete list of its moment, and is to be added to the one numbered ``base``.
delta_lists = Table(
    "delta_lists",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("base", BigInteger, nullable=False),
    Column("this_update", Moment, nullable=False),
    Column("next_update", Moment, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("tbs_digest", Octets(32), nullable=False),
    Column("digest", Octets(32), nullable=True),
    ForeignKeyConstraint(["generation", "scope"], ["list_places.generation", "list_places.scope"]),
)

# A list that the publish gate keeps back. Two officers may release what is no more than unusual.
blocked_lists = Table(
    "blocked_lists",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("reason", String(40), nullable=False),
    Column("problem", Text, nullable=False),
    Column("raised_at", Moment, nullable=False),
    Column("facts", Text, nullable=False),
    Column("first_officer", String(64), nullable=True),
    Column("second_officer", String(64), nullable=True),
)
