"""Offices, officers, their cases, batches, and the keys of clients."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, Integer, String, Table, Text

from ca.store.tables.ground import Moment, Octets, metadata

offices = Table(
    "offices",
    metadata,
    Column("office", String(24), primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("name", Text, nullable=False),
    Column("authorities", Text, nullable=False),
    Column("suspended_at", Moment, nullable=True),
)

officers = Table(
    "officers",
    metadata,
    Column("officer", String(64), primary_key=True),
    Column("office", String(24), nullable=False),
    Column("roles", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("ended_at", Moment, nullable=True),
    ForeignKeyConstraint(["office"], ["offices.office"]),
)

applications = Table(
    "applications",
    metadata,
    Column("application", String(24), primary_key=True),
    Column("office", String(24), nullable=False),
    Column("state", String(10), nullable=False),
    Column("holder", Octets(32), nullable=True),
    Column("particulars", Text, nullable=False),
    # The applicant's name as it is searched for: compatibility forms folded, without spaces.
    Column("sought_name", Text, nullable=False),
    Column("filed_at", Moment, nullable=False),
    ForeignKeyConstraint(["office"], ["offices.office"]),
)
Index("applications_office", applications.c.office, applications.c.state)
Index("applications_name", applications.c.office, applications.c.sought_name)
Index("applications_state", applications.c.state, applications.c.filed_at)

application_steps = Table(
    "application_steps",
    metadata,
    Column("application", String(24), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("step", String(10), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("note", Text, nullable=True),
    ForeignKeyConstraint(["application"], ["applications.application"]),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)
Index("application_steps_step", application_steps.c.step, application_steps.c.at)

requests = Table(
    "requests",
    metadata,
    Column("application", String(24), primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("public_key", Octets, nullable=False),
    Column("generation", String(48), nullable=True),
    Column("serial", Octets(20), nullable=True),
    ForeignKeyConstraint(["application"], ["applications.application"]),
)
Index("requests_public_key", requests.c.public_key)

# Keys of officers and machines, as SHA-256: a key is 256 random bits, so its hash cannot be searched.
client_keys = Table(
    "client_keys",
    metadata,
    Column("digest", Octets(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("officer", String(64), nullable=True),
    Column("purpose", String(16), nullable=False),
    Column("feed", String(40), nullable=True),
    Column("made_at", Moment, nullable=False),
    Column("revoked_at", Moment, nullable=True),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)

# A batch is an order of many certificates at once, and its rows are answered one by one.
batches = Table(
    "batches",
    metadata,
    Column("batch", String(64), primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("approver", String(64), nullable=False),
    Column("operator", String(64), nullable=False),
    Column("approved_at", Moment, nullable=False),
    ForeignKeyConstraint(["approver"], ["officers.officer"]),
    ForeignKeyConstraint(["operator"], ["officers.officer"]),
)

# An answer has a certificate, or the problem for which there is none.
batch_answers = Table(
    "batch_answers",
    metadata,
    Column("batch", String(64), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("generation", String(48), nullable=True),
    Column("serial", Octets(20), nullable=True),
    Column("problem", Text, nullable=True),
    sqlite_with_rowid=False,
)
