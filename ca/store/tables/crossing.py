"""Certificate authorities that are not of this home, and what was agreed with them."""

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

# Certificate authorities that are not of this home: a row a key, and what was agreed with them.
peers = Table(
    "peers",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("authority", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Octets, nullable=False),
    Column("public_key", Octets, nullable=False),
    Column("self_signed", Octets, nullable=True),
    Column("known_at", Moment, nullable=False),
    UniqueConstraint("authority", "number"),
)

agreements = Table(
    "agreements",
    metadata,
    Column("agreement", String(40), primary_key=True),
    Column("ours", String(40), nullable=False),
    Column("peer", String(40), nullable=False),
    Column("begins", Moment, nullable=False),
    Column("ends", Moment, nullable=False),
    Column("text", Text, nullable=False),
    Column("officer", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=True),
    Column("journal_index", BigInteger, nullable=False),
)

# What a peer has handed in, a request or a certificate: one officer examines it, another accepts it. The certificate is
# the one that was issued on a request; journal_index is of the acceptance.
examinations = Table(
    "examinations",
    metadata,
    Column("examination", Integer, primary_key=True, autoincrement=False),
    Column("agreement", String(40), nullable=False),
    Column("what", String(12), nullable=False),
    Column("ours", String(48), nullable=False),
    Column("peer", String(48), nullable=False),
    Column("digest", Octets(32), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("examined_at", Moment, nullable=False),
    Column("second_officer", String(64), nullable=True),
    Column("accepted_at", Moment, nullable=True),
    Column("certificate", String(96), nullable=True),
    Column("journal_index", BigInteger, nullable=True),
)
Index("examinations_digest", examinations.c.digest)

# The other halves of pairs: what peers have issued to generations of ours.
received_certificates = Table(
    "received_certificates",
    metadata,
    Column("issuer", String(48), primary_key=True),
    Column("subject", String(48), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("examination", Integer, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("encoded", Octets, nullable=False),
    Column("ended_at", Moment, nullable=True),
)

# An order of two officers to renew cross-certificates, and which ones.
renewals = Table(
    "renewals",
    metadata,
    Column("plan", String(40), primary_key=True),
    Column("officer", String(64), nullable=False),
    Column("second_officer", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
)

renewal_halves = Table(
    "renewal_halves",
    metadata,
    Column("plan", String(40), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("certificate", String(96), nullable=False),
    Column("subject", String(48), nullable=False),
    Column("replaces", String(96), nullable=False),
    ForeignKeyConstraint(["plan"], ["renewals.plan"]),
)
