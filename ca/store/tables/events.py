"""The national register of events, what waits for an officer, and orders that end many certificates."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, String, Table, Text

from ca.store.tables.ground import Moment, Octets, metadata

# The national register: every event that was acknowledged, and what came of it.
register_events = Table(
    "register_events",
    metadata,
    Column("event", String(80), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("holder", Octets(32), nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("notified_at", Moment, nullable=False),
    Column("effective_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("journal_index", BigInteger, nullable=False),
    Column("state", String(12), nullable=False),
    Column("withdraws", String(80), nullable=True),
    Column("new_holder", Octets(32), nullable=True),
)
Index("register_events_holder", register_events.c.holder)
_WAITING = register_events.c.state == "waiting"
Index(
    "register_events_waiting",
    register_events.c.effective_at,
    sqlite_where=_WAITING,
    postgresql_where=_WAITING,
)

# A resident whose code changed is one resident under both: keyed codes, linked by the events that told so.
resident_codes = Table(
    "resident_codes",
    metadata,
    Column("old", Octets(32), primary_key=True),
    Column("new", Octets(32), primary_key=True),
    Column("event", String(80), nullable=False),
    sqlite_with_rowid=False,
)
Index("resident_codes_new", resident_codes.c.new)

# The files of each feed that have come: runs of numbers that follow one another. Nearly every feed has one.
feed_runs = Table(
    "feed_runs",
    metadata,
    Column("feed", String(40), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

# What the rules could not decide; an officer does.
quarantine = Table(
    "quarantine",
    metadata,
    Column("case", Integer, primary_key=True, autoincrement=False),
    Column("event", String(80), nullable=False),
    Column("problem", Text, nullable=False),
    Column("facts", Text, nullable=True),
    Column("opened_at", Moment, nullable=False),
    Column("journal_index", BigInteger, nullable=False),
    Column("decision", String(20), nullable=True),
    Column("officer", String(64), nullable=True),
    Column("resolved_at", Moment, nullable=True),
)
Index("quarantine_event", quarantine.c.event)

# An order that ends many certificates at once, step by step; journal_index is of the last record that changed it. A copy
# that gets it back from the journal may know nothing of its officers.
orders = Table(
    "orders",
    metadata,
    Column("order", Integer, primary_key=True, autoincrement=False),
    Column("selection", Text, nullable=False),
    Column("reason", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("second_officer", String(64), nullable=True),
    Column("made_at", Moment, nullable=False),
    Column("approved_at", Moment, nullable=True),
    Column("found", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("place", Text, nullable=True),
    Column("journal_index", BigInteger, nullable=False),
)

order_steps = Table(
    "order_steps",
    metadata,
    Column("order", Integer, primary_key=True),
    Column("journal_index", BigInteger, primary_key=True),
    Column("step", String(10), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    ForeignKeyConstraint(["order"], ["orders.order"]),
)

# The certificates of an order that names them one by one.
order_certificates = Table(
    "order_certificates",
    metadata,
    Column("order", Integer, primary_key=True),
    Column("generation", String(48), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    sqlite_with_rowid=False,
)
