"""What a database says of itself, who works on it, and who asks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, String, Table, Text

from ca.store.tables.ground import Moment, Octets, metadata

# What a database says of itself: whose it is.
marks = Table(
    "marks",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

# One row a job: whoever holds it works, the others wait until it has run out.
leases = Table(
    "leases",
    metadata,
    Column("job", String(40), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("until", Moment, nullable=False),
)

# When the primary was last seen alive, in the world's time and the machines': a copy of the database says by it how
# fresh it is.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("moment", Moment, nullable=False),
    Column("beaten", Moment, nullable=False),
)

# Who may query revocation information where an edition does not leave that open: one row a purpose.
verifiers = Table(
    "verifiers",
    metadata,
    Column("verifier", String(40), primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("certificate", Octets, nullable=False),
    Column("fingerprint", Octets(32), nullable=False, unique=True),
    Column("valid_from", Moment, nullable=False),
    Column("valid_until", Moment, nullable=False),
    Column("officer", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=True),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)

# How often each asked, by day (Japan's) and by what came of it. Each server counts for itself and tells its sum.
verifier_counts = Table(
    "verifier_counts",
    metadata,
    Column("verifier", String(40), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("outcome", String(20), primary_key=True),
    Column("server", String(80), primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
